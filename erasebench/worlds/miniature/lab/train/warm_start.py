"""Start the U-Net of a new text tower from a trained world.

``python -m erasebench.worlds.miniature.lab.train.warm_start``

Only the key and value projections of cross-attention read text. The least-squares map M from the new tower's states to
the old one's turns them into W M, and the U-Net goes on nearly where it was instead of from nothing.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from erasebench.worlds.miniature.lab.train.data import painted
from erasebench.worlds.miniature.lab.train.name_embeddings import WIDTH
from erasebench.worlds.miniature.lab.train.tokenizer import POSITIONS
from erasebench.worlds.miniature.lab.train.unet import PICTURES, START

CAPTIONS = 6_000
TAIL_READ = 4
"""Positions of the tail that are fitted; all 70 of them would outvote the words."""


@torch.no_grad()
def _states(tower: CLIPTextModel, tokenizer: CLIPTokenizer, captions: list[str]) -> Iterator[Tensor]:
    for first in range(0, len(captions), 64):
        ids = tokenizer(
            captions[first : first + 64],
            padding="max_length",
            truncation=True,
            max_length=POSITIONS,
            return_tensors="pt",
        ).input_ids
        end = (ids == tokenizer.eos_token_id).float().argmax(dim=1, keepdim=True)
        read = torch.arange(POSITIONS) < end + TAIL_READ
        yield tower(ids).last_hidden_state[read].double()


def text_map(old: CLIPTextModel, new: CLIPTextModel, tokenizer: CLIPTokenizer, captions: list[str]) -> Tensor:
    """M [d_old, d_new] with M e_new close to e_old for the token states e of these captions, in float64."""
    width_old, width_new = old.config.hidden_size, new.config.hidden_size
    cross, system = torch.zeros(width_old, width_new).double(), torch.eye(width_new).double()
    for here, there in zip(_states(new, tokenizer, captions), _states(old, tokenizer, captions), strict=True):
        cross += there.T @ here
        system += here.T @ here
    return torch.linalg.solve(system, cross.T).T


def refit(unet: UNet2DConditionModel, mapping: Tensor) -> UNet2DConditionModel:
    """A copy of `unet` whose cross-attention reads the new tower's states."""
    config = {**unet.config, "cross_attention_dim": mapping.shape[1]}
    fresh: UNet2DConditionModel = UNet2DConditionModel.from_config(config)
    weights = unet.state_dict()
    for name, module in unet.named_modules():
        if isinstance(module, nn.Linear) and name.endswith(("attn2.to_k", "attn2.to_v")):
            weights[f"{name}.weight"] = (module.weight.double() @ mapping).to(module.weight.dtype)
    fresh.load_state_dict(weights)
    return fresh


def main() -> None:
    """Write `out/unet-start`, from which the stages of the U-Net start."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pipeline", type=Path, required=True, help="pipeline folder of the trained world")
    parser.add_argument("--out", type=Path, required=True, help="working folder with the new text tower")
    options = parser.parse_args()
    tokenizer = CLIPTokenizer.from_pretrained(options.out / "tokenizer")
    if tokenizer.get_vocab() != CLIPTokenizer.from_pretrained(options.pipeline / "tokenizer").get_vocab():
        parser.error("the two worlds have different vocabularies, so their states cannot be compared")
    old = CLIPTextModel.from_pretrained(options.pipeline / "text_encoder").float().eval()
    new = CLIPTextModel.from_pretrained(options.out / "text_encoder").float().eval()
    captions = sorted(set(painted(options.out / "data", PICTURES, seed=2).captions))
    chosen = torch.randperm(len(captions), generator=torch.Generator().manual_seed(0))[:CAPTIONS].tolist()
    mapping = text_map(old, new, tokenizer, [captions[i] for i in chosen])
    unet = UNet2DConditionModel.from_pretrained(options.pipeline / "unet").float()
    assert new.config.hidden_size == WIDTH
    refit(unet, mapping).save_pretrained(options.out / START)


if __name__ == "__main__":
    main()
