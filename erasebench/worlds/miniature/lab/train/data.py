"""Painted training data: a cache of pictures, made once by several processes and reused by every stage."""

from __future__ import annotations

import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from erasebench.files.atomic import write_text
from erasebench.worlds.miniature.painter import paint_any

CHUNK = 1000


@dataclass(frozen=True)
class Painted:
    """N painted pictures of the training mixture: images [N, 64, 64, 3] uint8 (memory-mapped) and what they show."""

    images: NDArray[np.uint8]
    captions: list[str]
    labels: list[dict[str, object]]

    def batch(self, index: Tensor) -> Tensor:
        """Pictures as the VAE wants them, [B, 3, 64, 64] in [-1, 1]."""
        rows = torch.from_numpy(self.images[index.numpy()])
        return rows.permute(0, 3, 1, 2).float() / 127.5 - 1


def _paint_chunk(seed: int, chunk: int) -> tuple[NDArray[np.uint8], list[dict[str, object]]]:
    images = np.empty((CHUNK, 64, 64, 3), np.uint8)
    rows: list[dict[str, object]] = []
    for i in range(CHUNK):
        picture = paint_any(np.random.default_rng([seed, chunk, i]))
        images[i] = picture.image
        labels = picture.labels
        rows.append(
            {
                "caption": picture.caption,
                "scene": labels.scene,
                "who": labels.who,
                "artist": labels.artist,
                "objects": list(labels.objects),
                "attributes": labels.attributes,
                "face": labels.face,
                "regions": sorted(labels.regions),
            }
        )
    return images, rows


def painted(out: Path, n: int, seed: int, workers: int = 2) -> Painted:
    """The cache of n pictures (a multiple of 1,000) for one seed; painted on first use, 2 ms a picture and core."""
    out.mkdir(parents=True, exist_ok=True)
    images_file, rows_file = out / f"painted-{seed}-{n}.npy", out / f"painted-{seed}-{n}.json"
    if not rows_file.exists():
        images = np.lib.format.open_memmap(images_file, "w+", np.uint8, (n, 64, 64, 3))
        rows: list[dict[str, object]] = []
        with ProcessPoolExecutor(workers) as pool:
            for i, (part, described) in enumerate(pool.map(_paint_chunk, repeat(seed), range(n // CHUNK))):
                images[i * CHUNK : (i + 1) * CHUNK] = part
                rows.extend(described)
        images.flush()
        write_text(rows_file, json.dumps(rows))
    rows = json.loads(rows_file.read_text(encoding="utf-8"))
    return Painted(np.load(images_file, mmap_mode="r"), [str(row["caption"]) for row in rows], rows)
