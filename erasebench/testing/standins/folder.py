"""A folder of all stand-ins, with a cache and imports of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from erasebench.api.world import load_world
from erasebench.errors import UserError
from erasebench.files.weights import weights_folder
from erasebench.judges.sources import INCEPTION_FILE
from erasebench.prompts.coco import import_coco
from erasebench.prompts.tables import import_i2p
from erasebench.testing.standins.captions import PHOTOGRAPHS, write_coco, write_i2p
from erasebench.testing.standins.clip import write_clip
from erasebench.testing.standins.gcd import EASY, labels_of, write_resources
from erasebench.testing.standins.inception import write_inception
from erasebench.testing.standins.model import write_model
from erasebench.testing.standins.segmenters import write_detector, write_masker

WORLD = "stable-diffusion-v1-4"
CLIP_NAME = "clip-stand-in.bin"
MODEL, CACHE, DATA = "model", "cache", "data"
"""Inside the folder: --model, $ERASEBENCH_CACHE, $ERASEBENCH_DATA."""
_SURE = 0.9


def write_all(folder: Path) -> None:
    """Fill `folder`, which must be empty or missing: 14 MB. UserError for one that is not."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder} is not an empty folder.", "Give --out a new folder, or remove this one.")
    model = write_model(folder / MODEL)
    with _own_places(folder):
        people = load_world(WORLD, str(model)).concept_lists.all_names("person")
        weights = weights_folder()
        write_resources(weights / "gcd", labels_of(people), EASY)
        write_clip(weights / CLIP_NAME)
        write_inception(weights / INCEPTION_FILE)
        write_detector(weights / "grounding-dino-tiny", _SURE)
        write_masker(weights / "sam-vit-huge")
        annotations, photographs = write_coco(folder.absolute() / "captions")
        import_coco(annotations, images=photographs, n=PHOTOGRAPHS)
        import_i2p(write_i2p(folder / "captions" / "i2p_benchmark.csv"))


def variables(folder: Path) -> dict[str, str]:
    """The environment variables under which erasebench uses the folder."""
    return {"ERASEBENCH_CACHE": str(folder.absolute() / CACHE), "ERASEBENCH_DATA": str(folder.absolute() / DATA)}


def options(folder: Path) -> list[str]:
    """The options of `erasebench run` that use the folder."""
    clip = folder.absolute() / CACHE / "weights" / CLIP_NAME
    return [
        *("--world", WORLD, "--model", str(folder.absolute() / MODEL)),
        *("--judge-set", "trust_torchscript=true", "--judge-set", f"clip={clip}"),
    ]


@contextmanager
def _own_places(folder: Path) -> Iterator[None]:
    """Caches and imports lie in the folder, and nothing of the user's own is touched."""
    before = {name: os.environ.get(name) for name in variables(folder)}
    os.environ.update(variables(folder))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
