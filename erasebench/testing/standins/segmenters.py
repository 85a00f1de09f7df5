"""Grounding DINO, SAM and SAM-HQ with random weights, in the folder format of the real ones."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from transformers import (
    BertConfig,
    BertTokenizer,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
    SamConfig,
    SamHQConfig,
    SamHQModel,
    SamHQProcessor,
    SamImageProcessor,
    SamModel,
    SamProcessor,
    SwinConfig,
)

from erasebench.files.atomic import atomic_folder
from erasebench.testing.standins.mark import mark_safetensors

SIDE = 64
"""Pixels a side that the masker works on."""


def write_detector(folder: Path, score: float) -> Path:
    """Grounding DINO with ten queries whose scores lie around `score`."""
    letters = [chr(code) for code in range(ord("a"), ord("z") + 1)]
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", *letters, *(f"##{letter}" for letter in letters)]
    config = GroundingDinoConfig(
        backbone_config=SwinConfig(
            image_size=32,
            embed_dim=8,
            depths=[1, 1, 1, 1],
            num_heads=[1, 1, 1, 1],
            window_size=2,
            out_indices=[2, 3, 4],
        ),
        text_config=BertConfig(
            vocab_size=len(words),
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=64,
        ),
        d_model=32,
        encoder_layers=1,
        decoder_layers=2,
        encoder_ffn_dim=16,
        decoder_ffn_dim=16,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        num_queries=10,
        max_text_len=32,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = GroundingDinoForObjectDetection(config)
    # A logit is the product of a query's and a token's state; two last norms shifted by a constant set its middle.
    text, query = model.model.encoder.layers[-1].text_enhancer_layer.layer_norm_after, model.model.decoder.layer_norm
    torch.nn.init.ones_(text.bias)
    torch.nn.init.constant_(query.weight, 0.1)
    torch.nn.init.constant_(query.bias, math.log(score / (1 - score)) / len(query.bias))
    images = GroundingDinoImageProcessor(size={"shortest_edge": 2 * SIDE, "longest_edge": 4 * SIDE})
    tokenizer = BertTokenizer(vocab={word: index for index, word in enumerate(words)})
    return _written(folder, model, GroundingDinoProcessor(images, tokenizer))


def write_masker(folder: Path, *, high_quality: bool = False) -> Path:
    """SAM, or SAM-HQ."""
    vision: dict[str, Any] = {
        **{"hidden_size": 16, "output_channels": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_dim": 16},
        **{"image_size": SIDE, "patch_size": 16, "window_size": 2, "global_attn_indexes": [1], "num_pos_feats": 16},
    }
    prompt = {"hidden_size": 32, "image_size": SIDE, "patch_size": 16, "mask_input_channels": 4}
    decoder = {"hidden_size": 32, "mlp_dim": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    decoder["iou_head_hidden_dim"] = 16
    kinds: tuple[Any, Any, Any] = (SamModel, SamConfig, SamProcessor)
    if high_quality:
        kinds = (SamHQModel, SamHQConfig, SamHQProcessor)
        decoder["vit_dim"] = 16
    model, config, processor = kinds
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        made = model(config(vision_config=vision, prompt_encoder_config=prompt, mask_decoder_config=decoder))
    pad = {"height": SIDE, "width": SIDE}
    return _written(folder, made, processor(SamImageProcessor(size={"longest_edge": SIDE}, pad_size=pad)))


def _written(folder: Path, model: Any, processor: Any) -> Path:
    with atomic_folder(folder) as temporary:
        model.save_pretrained(temporary)
        processor.save_pretrained(temporary)
        mark_safetensors(temporary)
    return folder
