"""Stable Diffusion v1.4's shapes with random weights, made on the device: nothing is downloaded."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from erasebench.api.world import SamplingDefaults
from erasebench.testing.model import WIDTH, assembled, special_ids, tiny_pipeline, tiny_tokenizer

FULL = SamplingDefaults(steps=50, guidance=7.5, width=512, height=512, batch_size=8)
"""The protocol's sampling."""
TINY = SamplingDefaults(steps=2, guidance=7.5, width=WIDTH, height=WIDTH, batch_size=2)


def random_pipeline(device: torch.device, *, tiny: bool) -> StableDiffusionPipeline:
    """A pipeline in float32 on `device`: of Stable Diffusion v1.4's sizes, or of the tests' model.

    Sizes: the model's published configs (U-Net 860 million parameters, text encoder 123, autoencoder 84). The tokenizer
    is the tests', which splits words into letters: names have more tokens than the model's own.
    """
    if tiny:
        return tiny_pipeline().to(device)
    tokenizer = tiny_tokenizer()
    with torch.device(device):
        torch.manual_seed(0)
        unet = UNet2DConditionModel(sample_size=64, cross_attention_dim=768, attention_head_dim=8)
        vae = AutoencoderKL(
            block_out_channels=(128, 256, 512, 512),
            down_block_types=("DownEncoderBlock2D",) * 4,
            up_block_types=("UpDecoderBlock2D",) * 4,
            layers_per_block=2,
            latent_channels=4,
            sample_size=512,
        )
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=49408,
                hidden_size=768,
                intermediate_size=3072,
                num_hidden_layers=12,
                num_attention_heads=12,
                max_position_embeddings=77,
                projection_dim=768,
                **special_ids(tokenizer),
            )
        )
    return assembled(unet, vae, text_encoder, tokenizer).to(device)
