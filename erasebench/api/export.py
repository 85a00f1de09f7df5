"""Where an edited model may be written to: asked before anything is trained for it. Loads no torch."""

from __future__ import annotations

import json
from pathlib import Path

from erasebench.errors import UserError, did_you_mean
from erasebench.files.atomic import check_writable

RECORD_FILE = "erasure.json"
"""Beside saved and exported weights: how they came about."""
INDEX_FILE = "model_index.json"
"""In every pipeline folder: its keys name the folders beside it."""
TENSORS = ".safetensors"
"""The ending of a file of changed weights alone; a name without a file's ending is a folder's."""
_OTHER_FILES = (
    *(".ckpt", ".pt", ".pth", ".bin", ".pkl", ".pickle", ".onnx", ".gguf", ".h5", ".npz", ".npy", ".msgpack"),
    *(".safetensor", ".sft", ".zip", ".tar", ".gz", ".json", ".yaml", ".csv", ".txt", ".py", ".png"),
)
"""Endings of files that are not written: a folder of such a name would be taken for the file."""


FORMATS = ("weights", "single-file")
"""What a FILE.safetensors may hold: only what was changed, or the whole model as web UIs load it."""


def checked_format(path: Path, asked: str | None) -> str:
    """'folder', 'weights' or 'single-file', as asked for and by the name of `path`. UserError where they do not fit."""
    if asked is None:
        return "weights" if path.suffix == TENSORS else "folder"
    if asked not in FORMATS:
        raise UserError(f"--format {asked} is not possible.", did_you_mean(asked, FORMATS))
    if path.suffix != TENSORS:
        raise UserError(
            f"--format {asked} is written to a file, and {path} does not end in {TENSORS}.",
            f"Give --export {path}{TENSORS}, or leave --format out for a folder in diffusers' format.",
        )
    return asked


def check_destination(path: Path) -> None:
    """UserError where `path`, a folder or a FILE.safetensors, cannot be exported to; leaves nothing behind."""
    if path.suffix == TENSORS:
        if path.exists():
            raise UserError(f"{path} exists already.", "Give another file to export to, or remove it.")
        check_writable(path.parent)
        return
    check_folder(path)
    check_writable(path)
    # The export is written beside its place and moved there once it is whole.
    check_writable(path.resolve().parent)


def _check_ending(path: Path) -> None:
    """UserError for the name of a file of a format that is not written here."""
    if path.suffix != TENSORS and path.suffix.lower() in (*_OTHER_FILES, TENSORS):
        raise UserError(
            f"{path}: erasebench does not write files that end in {path.suffix}.",
            f"Give {path.with_suffix(TENSORS)} for only the changed weights, or a folder, {path.with_suffix('')}, for "
            "the whole model in diffusers' format.",
        )


def check_folder(folder: Path) -> None:
    """UserError where `folder` is none, or holds anything but an earlier export, which the next one replaces."""
    _check_ending(folder)
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file.", f"Give a folder to export to, or a file that ends in {TENSORS}.")
    if not folder.is_dir() or not (names := {path.name for path in folder.iterdir()}):
        return
    hint = "Give another folder to export to."
    if not {RECORD_FILE, INDEX_FILE} <= names:
        raise UserError(f"{folder} is not empty and contains no earlier export.", hint)
    if others := sorted(names - {RECORD_FILE, INDEX_FILE} - _components(folder)):
        raise UserError(f"{folder} contains more than an earlier export: {others[0]}.", hint)


def _components(folder: Path) -> set[str]:
    try:
        return set(json.loads((folder / INDEX_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return set()
