"""How many images a GPU samples together: a first size by its memory, halved where it has no room, and remembered."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, NamedTuple

from erasebench.api.world import World
from erasebench.diffusion.profile import chosen_dtype
from erasebench.errors import UserError
from erasebench.files.atomic import write_json
from erasebench.files.weights import cache_folder
from erasebench.identity import digest

log = logging.getLogger(__name__)

FIRST = ((24, 32), (16, 16), (10, 8), (0, 4))
"""GiB of a GPU and the images of 512 x 512 that are tried first on it in half precision, in float32 a quarter of them:
an NVIDIA H200 samples 2.9 images a second in batches of 8 and 3.2 of 32 (leaderboard/performance).
"""
MOST = 64


class BatchTooLargeError(RuntimeError):
    """The GPU has no room for a batch of this size while images are sampled."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the GPU's memory does not hold a batch of {size}")
        self.size = size


class Card(NamedTuple):
    """A GPU, as far as it decides how much fits."""

    name: str
    gib: int


def batch_size(world: World, device: str, dtype: str, card: Card | None = None) -> int | None:
    """Images that `device` samples together of `world`; None where the world or the user says it: always on a CPU.

    `card` None: the device's own, and None where it is not here.
    """
    if device.partition(":")[0] != "cuda" or "batch_size" in world.sampling_given:
        return None
    card = card or _card(device)
    if card is None:
        return None
    known = _remembered().get(_key(world, dtype, card))
    return int(known["batch_size"]) if known else _first(world, dtype, card)


def remember_half(world: World, device: str, dtype: str, size: int, card: Card | None = None) -> int:
    """Half of `size`, from now on for this model, size of images, precision and GPU.

    UserError where the size was the user's or cannot be halved.
    """
    what = f"A batch of {size} images of {world.sampling.width} x {world.sampling.height} does not fit into the GPU."
    if "batch_size" in world.sampling_given and size > 1:
        raise UserError(what, f"Give --batch-size {size // 2} or less, or leave it out.")
    card = card or _card(device)
    if size == 1 or card is None:
        raise UserError(what, "Give --dtype float16, or --device of a GPU with more free memory.")
    half = size // 2
    known = _remembered() | {_key(world, dtype, card): {"card": card.name, "batch_size": half}}
    write_json(_file(), known)
    log.warning("%s Batches of %d from now on, remembered in %s.", what, half, _file())
    return half


def _first(world: World, dtype: str, card: Card) -> int:
    sampling = world.sampling
    images = next(images for gib, images in FIRST if card.gib >= gib)
    images //= 4 if chosen_dtype(dtype, "cuda", world) == "float32" else 1
    fitting = images * 512 * 512 // (sampling.width * sampling.height)
    return min(MOST, 1 << max(0, fitting.bit_length() - 1))


def _card(device: str) -> Card | None:
    import torch

    if not torch.cuda.is_available():
        return None
    found = torch.cuda.get_device_properties(torch.device(device))
    return Card(found.name, round(found.total_memory / 2**30))


def _key(world: World, dtype: str, card: Card) -> str:
    sampling = world.sampling
    precision = chosen_dtype(dtype, "cuda", world)
    return digest([*card, world.weights_digest(), sampling.width, sampling.height, precision])[:16]


def _file() -> Path:
    return cache_folder() / "batch-sizes.json"


def _remembered() -> dict[str, Any]:
    try:
        known = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
