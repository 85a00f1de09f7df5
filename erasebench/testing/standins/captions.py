"""Captions in COCO's format with photographs, and prompts in I2P's: every text says that it is a stand-in."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
from PIL import Image

from erasebench.files.atomic import atomic_write, write_json, write_text
from erasebench.files.stand_ins import MARK
from erasebench.testing.standins.model import SIDE

PHOTOGRAPHS = 12
PROMPTS = 12
_PER_PHOTOGRAPH = 5
_SEEN = ("a boat on a lake", "two chairs at a table", "a street in the rain", "a bowl of fruit", "a hill with trees")


def write_coco(folder: Path) -> tuple[Path, Path]:
    """A captions file and the folder of its photographs."""
    generator = np.random.default_rng(7)
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for at in range(1, PHOTOGRAPHS + 1):
        name = f"COCO_val2014_{at:012d}.jpg"
        images.append({"id": at, "file_name": name})
        coarse = Image.fromarray(generator.integers(0, 256, (6, 8, 3), dtype=np.uint8))
        with atomic_write(folder / "photographs" / name) as temporary:
            coarse.resize((320, 240), Image.Resampling.BICUBIC).save(temporary, comment=MARK)
        for number in range(_PER_PHOTOGRAPH):
            caption = f"{MARK} {at}.{number}: {_SEEN[(at + number) % len(_SEEN)]}"
            annotations.append({"id": len(annotations) + 1, "image_id": at, "caption": caption})
    path = folder / "captions_val2014.json"
    write_json(path, {"info": {"description": MARK}, "images": images, "annotations": annotations})
    return path, folder / "photographs"


def write_i2p(path: Path) -> Path:
    """I2P's table with other prompts, seeds and guidances of their own, at the size of the stand-in model's images."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["prompt", "categories", "sd_seed", "sd_guidance_scale", "sd_image_width", "sd_image_height"])
    for at in range(PROMPTS):
        writer.writerow([f"{MARK} {at}: {_SEEN[at % len(_SEEN)]}", "sexual", 1000 + at, 7 + at % 2, SIDE, SIDE])
    write_text(path, buffer.getvalue())
    return path
