"""Where an edited model may be written to: asked before anything is trained for it. Loads no torch."""

from __future__ import annotations

import json
from pathlib import Path

from erasebench.atomic import check_writable
from erasebench.errors import UserError

RECORD_FILE = "erasure.json"
"""Beside saved and exported weights: how they came about."""
INDEX_FILE = "model_index.json"
"""In every pipeline folder: its keys name the folders beside it."""
TENSORS = ".safetensors"
"""The ending of a file of changed weights alone; anything else names a folder."""


def check_destination(path: Path) -> None:
    """UserError where `path`, a folder or a FILE.safetensors, cannot be exported to; leaves nothing behind."""
    if path.suffix == TENSORS:
        if path.exists():
            raise UserError(f"{path} is there already.", "Give another file to export to, or remove it.")
        check_writable(path.parent)
        return
    check_folder(path)
    check_writable(path)
    # The export is written beside its place and moved there once it is whole.
    check_writable(path.resolve().parent)


def check_folder(folder: Path) -> None:
    """UserError where `folder` is none, or holds anything but an earlier export, which the next one replaces."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file.", f"Give a folder to export to, or a file that ends in {TENSORS}.")
    if not folder.is_dir() or not (names := {path.name for path in folder.iterdir()}):
        return
    mend = "Give another folder to export to."
    if not {RECORD_FILE, INDEX_FILE} <= names:
        raise UserError(f"{folder} is not empty and holds no earlier export.", mend)
    if others := sorted(names - {RECORD_FILE, INDEX_FILE} - _components(folder)):
        raise UserError(f"{folder} holds more than an earlier export: {others[0]}.", mend)


def _components(folder: Path) -> set[str]:
    try:
        return set(json.loads((folder / INDEX_FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return set()
