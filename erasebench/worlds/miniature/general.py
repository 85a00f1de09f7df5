"""The miniature's stand-in for COCO: general captions, the pictures that belong to them, and captions for the prior.

``python -m erasebench.worlds.miniature.general`` writes ``general.csv`` and ``prior_captions.txt``, byte for byte.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from erasebench.api.world import GeneralRow
from erasebench.files.atomic import atomic_write, write_text

GENERAL_FILE = Path(__file__).with_name("general.csv")
PRIOR_FILE = Path(__file__).with_name("prior_captions.txt")
GENERAL_SEED, PRIOR_SEED = 70, 71
GENERAL_ROWS, VALIDATION_ROWS, PRIOR_CAPTIONS = 1_000, 300, 1_500


def general_rows() -> list[GeneralRow]:
    """Row i is the caption of the painter's general picture i, with seed i + 1: the suites' rows, then validation's."""
    with GENERAL_FILE.open(encoding="utf-8", newline="") as handle:
        return [GeneralRow(row["prompt"], int(row["seed"])) for row in csv.DictReader(handle)]


def prior_captions() -> tuple[str, ...]:
    """Captions of the painter's general pictures under other seeds; none of them is a general prompt."""
    return tuple(PRIOR_FILE.read_text(encoding="utf-8").splitlines())


def reference_image(at: int) -> np.ndarray:
    """The painter's own picture of general row `at`, uint8 [64, 64, 3]."""
    from .painter import paint_general

    return paint_general(np.random.default_rng([GENERAL_SEED, at])).image


def _captions(seed: int, n: int) -> list[str]:
    from .painter import paint_general

    return [paint_general(np.random.default_rng([seed, i])).caption for i in range(n)]


def write_captions() -> None:
    """Write both files from the painter."""
    general = _captions(GENERAL_SEED, GENERAL_ROWS + VALIDATION_ROWS)
    with atomic_write(GENERAL_FILE) as temporary, temporary.open("w", encoding="utf-8", newline="") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["prompt", "seed"])
        writer.writerows((prompt, i + 1) for i, prompt in enumerate(general))
    taken = set(general)
    fresh = [caption for caption in _captions(PRIOR_SEED, 3 * PRIOR_CAPTIONS) if caption not in taken]
    write_text(PRIOR_FILE, "\n".join(fresh[:PRIOR_CAPTIONS]) + "\n")


if __name__ == "__main__":
    write_captions()
