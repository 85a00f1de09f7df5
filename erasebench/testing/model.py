"""A random-weight model in Stable Diffusion's folder format, small enough for every test to make and sample."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL, PNDMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

WIDTH = 16
"""Pixels a side: 8x8 latents under an autoencoder of factor 2."""


def tiny_tokenizer() -> CLIPTokenizer:
    """A byte-level tokenizer whose only merge is 'th', so that names take several tokens; 77 positions."""
    letters = [chr(code) for code in range(ord("!"), ord("~") + 1)]
    words = letters + [f"{letter}</w>" for letter in letters] + ["th", "<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(
        vocab={word: index for index, word in enumerate(words)}, merges=[("t", "h")], model_max_length=77
    )


def tiny_pipeline(seed: int = 0) -> StableDiffusionPipeline:
    """The whole pipeline, weights drawn from `seed`; the caller's random state is left as it was."""
    tokenizer = tiny_tokenizer()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        text_encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=32,
                intermediate_size=37,
                num_hidden_layers=2,
                num_attention_heads=4,
                max_position_embeddings=77,
                projection_dim=32,
                **special_ids(tokenizer),
            )
        )
        unet = UNet2DConditionModel(
            sample_size=WIDTH // 2,
            in_channels=4,
            out_channels=4,
            layers_per_block=1,
            block_out_channels=(16, 32),
            norm_num_groups=8,
            down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            mid_block_type="UNetMidBlock2DCrossAttn",
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
            cross_attention_dim=32,
            attention_head_dim=2,
        )
        vae = AutoencoderKL(
            block_out_channels=(8, 16),
            down_block_types=("DownEncoderBlock2D", "DownEncoderBlock2D"),
            up_block_types=("UpDecoderBlock2D", "UpDecoderBlock2D"),
            layers_per_block=1,
            latent_channels=4,
            norm_num_groups=8,
            sample_size=WIDTH,
        )
    return assembled(unet, vae, text_encoder, tokenizer)


def special_ids(tokenizer: CLIPTokenizer) -> dict[str, int]:
    """What a text encoder's config has to know of its tokenizer."""
    return {f"{part}_token_id": getattr(tokenizer, f"{part}_token_id") for part in ("bos", "eos", "pad")}


def assembled(
    unet: UNet2DConditionModel, vae: AutoencoderKL, text_encoder: CLIPTextModel, tokenizer: CLIPTokenizer
) -> StableDiffusionPipeline:
    """A pipeline of these parts, in eval mode, with the scheduler that Stable Diffusion v1.4 ships: the sampler has to
    make its own DDIM out of it."""
    scheduler = PNDMScheduler(
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        num_train_timesteps=1000,
        set_alpha_to_one=False,
        skip_prk_steps=True,
        steps_offset=1,
    )
    pipeline = StableDiffusionPipeline(
        vae=vae.eval(),
        text_encoder=text_encoder.eval(),
        tokenizer=tokenizer,
        unet=unet.eval(),
        scheduler=scheduler,
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def write_tiny_model(folder: Path, seed: int = 0) -> Path:
    """Save the pipeline to `folder` and return the folder."""
    tiny_pipeline(seed).save_pretrained(folder)
    return folder
