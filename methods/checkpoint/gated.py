"""An SPM's released file (arXiv 2312.16145): low-rank adapters under kohya's names, as open as the prompt is near.

It looks like a LoRA and is none: folded into the weights its adapters would always be open. Its header's 'prompts' are
the concepts that open it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import UNet2DConditionModel
from safetensors import safe_open
from torch import Tensor

from erasebench.editing.adapters import transformer_layers
from erasebench.errors import UserError

from ..spm import GatedAdapters
from ..spm.config import Merging
from .contents import SAFETENSORS
from .lora_keys import DORA, format_of
from .tensors import OTHER_MODEL, check_values

OPEN = "open"
"""The word in place of a concept that folds a file of rank 1 as an ordinary LoRA."""
FIRST, SECOND, ALPHA = ".lora_down.weight", ".lora_up.weight", ".alpha"
GATES = "checkpoint.gates"


@dataclass(frozen=True)
class Membrane:
    """One file's adapters: their concept, and by layer 'down.<layer>' [rank, in, ...] and 'up.<layer>' [out, rank]."""

    concept: str
    rank: int
    tensors: Mapping[str, Tensor]


def metadata_of(file: Path) -> dict[str, str]:
    """What the header of a .safetensors says of it; nothing for a pickle."""
    if file.suffix != SAFETENSORS:
        return {}
    with safe_open(file, framework="pt") as opened:
        return dict(opened.metadata() or {})


def gate_of(file: Path, tensors: Mapping[str, Tensor], given: str | None) -> str | None:
    """The concept that opens the file's adapters; None for an ordinary LoRA. `given`: what the user says of it.

    UserError where an SPM's header does not say one concept and the user does not either.
    """
    if given is not None:
        return None if given == OPEN else given
    header = metadata_of(file)
    said = header.get("prompts", "").strip()
    # LECO, from whose code SPM's comes, writes its whole prompts as JSON there, and its adapters are always open.
    if said and not said.startswith("{"):
        if "," not in said:
            return said
        what = f"{file} is an SPM with one gate for several concepts ({said}); a gate here has one concept."
        raise UserError(what, f"Set {GATES} to the concept that you measure it on.")
    downs = [value for key, value in tensors.items() if key.startswith("lora_unet_") and key.endswith(FIRST)]
    if said or any(key.startswith("ss_") for key in header) or not downs or any(len(down) > 1 for down in downs):
        return None  # A LoRA: kohya's own trainer wrote the header, or the rank is not an SPM's.
    what = f"{file} has adapters of rank 1 under kohya's names, like an SPM, but no header that names their concept."
    raise UserError(what, f"For an SPM set {GATES}='THE CONCEPT', for an ordinary LoRA {GATES}={OPEN}.")


def membrane(
    unet: UNet2DConditionModel, file: Path, tensors: Mapping[str, Tensor], concept: str, scale: float
) -> Membrane:
    """The file's adapters by the U-Net's layers, alpha and `scale` in their second factor.

    UserError for a key that is not used, a layer that the U-Net's transformer blocks lack, or another shape.
    """
    format_of(tensors, file)
    layers = {f"lora_unet_{name.replace('.', '_')}": (name, layer) for name, layer in transformer_layers(unet).items()}
    found: dict[str, Tensor] = {}
    for key, down in tensors.items():
        check_values(key, down.float() if key.endswith(ALPHA) else down, file)
        if not key.endswith(FIRST):
            continue
        stem = key.removesuffix(FIRST)
        if stem not in layers:
            raise UserError(f"{file}: the U-Net's transformer blocks have no layer '{stem}'.", OTHER_MODEL)
        name, layer = layers[stem]
        out, *shape = layer.weight.shape
        up = tensors[stem + SECOND]
        rank = len(down)
        if down.numel() != rank * torch.Size(shape).numel() or up.numel() != out * rank:
            what = f"{file}: {key} has the wrong shape: {list(down.shape)}, for a weight of {list(layer.weight.shape)}."
            raise UserError(what, OTHER_MODEL)
        strength = scale * float(tensors.get(stem + ALPHA, torch.tensor(float(rank)))) / rank
        found[f"down.{name}"] = down.float().reshape(rank, *shape)
        found[f"up.{name}"] = up.float().reshape(out, rank) * strength
    if not found:
        what = f"{file} has no adapters under kohya's names, unlike an SPM: {GATES}='{concept}' opens nothing."
        raise UserError(what, f"Leave {GATES} out, or set {GATES}={OPEN} for it: it is an ordinary LoRA.")
    if any(DORA in key for key in tensors):
        raise UserError(f"{file} is an SPM with DoRA's magnitudes.", "No release has these: give another file.")
    ranks = {len(value) for name, value in found.items() if name.startswith("down.")}
    if len(ranks) > 1:
        what = f"{file} has adapters of ranks {', '.join(map(str, sorted(ranks)))}."
        raise UserError(what, "An SPM has one rank: give another file.")
    return Membrane(concept, ranks.pop(), found)


def gated(unet: UNet2DConditionModel, membranes: Sequence[Membrane], merging: Merging) -> GatedAdapters:
    """The sampling change that `spm` makes, of all files' adapters side by side; a layer that a file lacks is zero.

    UserError where two files are opened by the same concept: it would be erased twice.
    """
    concepts = [each.concept for each in membranes]
    if twice := [concept for at, concept in enumerate(concepts) if concept in concepts[:at]]:
        raise UserError(f"Two SPMs are opened by '{twice[0]}'.", "Give one of them.")
    rank = membranes[0].rank
    if any(each.rank != rank for each in membranes):
        raise UserError("The SPMs have different ranks.", "Measure them one by one.")
    layers = transformer_layers(unet)
    names = [name for name in layers if any(f"down.{name}" in each.tensors for each in membranes)]
    tensors: dict[str, Tensor] = {}
    for name in names:
        out, *shape = layers[name].weight.shape
        downs = [each.tensors.get(f"down.{name}", torch.zeros(rank, *shape)) for each in membranes]
        ups = [each.tensors.get(f"up.{name}", torch.zeros(out, rank)) for each in membranes]
        tensors[f"down.{name}"], tensors[f"up.{name}"] = torch.cat(downs), torch.cat(ups, dim=1)
    floors = tuple(0.0 for _ in concepts)
    return GatedAdapters(concepts=tuple(concepts), floors=floors, rank=rank, tensors=tensors, merging=merging)
