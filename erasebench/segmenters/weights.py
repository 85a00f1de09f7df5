"""Where the weights of Grounding DINO and SAM are, found without torch and without the network."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from erasebench.errors import UserError
from erasebench.files.source import source_digest
from erasebench.files.weights import files_digest, hub_file, looks_local
from erasebench.identity import digest

THRESHOLD = 0.3
"""Boxes of a lower score are no find (MACE's data preparation)."""
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
_READ = ("*.json", "*.txt", "*.safetensors")


class Source(NamedTuple):
    """One model: its hub id, the environment variable that names another id or a folder, and its licence."""

    role: str
    hub_id: str
    variable: str
    licence: str


DETECTOR = Source("Grounding DINO", "IDEA-Research/grounding-dino-tiny", "ERASEBENCH_DETECTOR", "Apache-2.0")
MASKER = Source("SAM", "facebook/sam-vit-huge", "ERASEBENCH_SAM", "Apache-2.0")
"""SAM-HQ (syscv-community/sam-hq-vit-huge, Apache-2.0) by the variable."""


def locate_both(folder: Path) -> tuple[Path, Path]:
    """The detector's and the masker's folder, as `locate`. UserError that names all that is missing at once."""
    found, missing = [], []
    for source in (DETECTOR, MASKER):
        try:
            found.append(locate(source, folder))
        except UserError as error:
            missing.append(error)
    if missing:
        raise UserError(" ".join(error.what for error in missing), "; ".join(error.hint for error in missing))
    return found[0], found[1]


def locate(source: Source, folder: Path) -> Path:
    """The model's folder in transformers' format: the variable's, `folder`/<name of the id>, or the hub's local cache.

    Nothing is downloaded. UserError with id, licence and command where the weights are in none of them.
    """
    chosen = os.environ.get(source.variable, "")
    if chosen and looks_local(chosen):
        return _whole(Path(chosen).expanduser().absolute(), source)
    hub_id = chosen or source.hub_id
    own = folder / hub_id.rpartition("/")[2]
    if own.is_dir():
        return _whole(own, source)
    if cached := _cached(hub_id):
        return cached
    includes = " ".join(f"--include '{pattern}'" for pattern in _READ)
    licence = f", licence {source.licence}" if hub_id == source.hub_id else ""
    raise UserError(
        f"The segmenter needs {source.role}'s weights ({hub_id}{licence}); they are neither in {own} "
        "nor in the hub's cache.",
        f"hf download {hub_id} {includes} --local-dir {own} (or set {source.variable} to a folder or another hub id)",
    )


def read_files(folder: Path) -> list[Path]:
    """The files of a model's folder that loading reads: configs, vocabularies, weights."""
    return sorted(path for pattern in _READ for path in folder.glob(pattern) if path.is_file())


def grounded_sam_digest(detector: Path, masker: Path) -> str:
    """Of everything that decides a mask: both models' files, the threshold, this package's source."""
    return digest(
        {
            "detector": files_digest(read_files(detector), detector),
            "masker": files_digest(read_files(masker), masker),
            "threshold": THRESHOLD,
            "source": source_digest([__package__ or "erasebench.segmenters"]),
        }
    )


def _whole(folder: Path, source: Source) -> Path:
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        if not (folder / name).is_file():
            hint = f"Give {source.variable} a folder in transformers' format, or remove this one and download it again."
            raise UserError(f"{folder} is not a folder of {source.role}'s weights: it has no {name}.", hint)
    return folder


def _cached(hub_id: str) -> Path | None:
    from huggingface_hub.errors import HFValidationError

    try:
        found = [hub_file(hub_id, name) for name in (CONFIG_FILE, WEIGHTS_FILE)]
    except HFValidationError:
        return None
    return found[0].parent if found[0] and found[1] else None
