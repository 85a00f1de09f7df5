"""How many images a GPU samples together: a first size by its memory, halved until a batch fits, and remembered."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from erasebench.api.world import World
from erasebench.diffusion.profile import NumericsProfile
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
Fits = Callable[[int], bool]
"""Whether a batch of this size can be sampled."""


class Card(NamedTuple):
    """A GPU, as far as it decides how much fits."""

    name: str
    gib: int


def batch_size(world: World, profile: NumericsProfile, card: Card | None, fits: Fits) -> int | None:
    """Images sampled together; None where the world or the user says it: always on a CPU, for which `card` is None.

    What was found for this card, model, size of images and profile counts from then on, for every run: images keep
    their identity. UserError where not even one image fits.
    """
    if card is None or "batch_size" in world.sampling_given:
        return None
    key, known = _key(world, profile, card), _remembered()
    if (found := _size_in(known.get(key))) is not None:
        return found
    size = _first(world, profile, card)
    while not fits(size):
        if size == 1:
            raise UserError(
                f"Not even one image of {world.sampling.width} x {world.sampling.height} fits into the {card.name}.",
                "Give --dtype float16, or --device of a GPU with more free memory.",
            )
        size //= 2
    write_json(_file(), known | {key: {"card": card.name, "batch_size": size}})
    log.info("%s samples batches of %d; remembered in %s: remove that file to try again.", card.name, size, _file())
    return size


def on_gpu(device: str) -> bool:
    """Whether a device's name is that of a GPU."""
    return device.partition(":")[0] == "cuda"


def card_of(device: str) -> Card | None:
    """The GPU; None for a CPU."""
    if not on_gpu(device):
        return None
    import torch

    found = torch.cuda.get_device_properties(torch.device(device))
    return Card(found.name, round(found.total_memory / 2**30))


def _first(world: World, profile: NumericsProfile, card: Card) -> int:
    images = next(images for gib, images in FIRST if card.gib >= gib)
    images //= 4 if profile.dtype == "float32" else 1
    fitting = images * 512 * 512 // (world.sampling.width * world.sampling.height)
    return min(MOST, 1 << max(0, fitting.bit_length() - 1))


def _key(world: World, profile: NumericsProfile, card: Card) -> str:
    size = (world.sampling.width, world.sampling.height)
    return digest([*card, world.weights_digest(), *size, profile.dtype, profile.compiled])[:16]


def _file() -> Path:
    return cache_folder() / "batch-sizes.json"


def _remembered() -> dict[str, Any]:
    try:
        known = json.loads(_file().read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def _size_in(entry: Any) -> int | None:
    size = entry.get("batch_size") if isinstance(entry, dict) else None
    return size if isinstance(size, int) and 1 <= size <= MOST else None
