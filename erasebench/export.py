"""Where an edited model may be written to: asked before anything is trained for it. Loads no torch."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

from erasebench.errors import UserError

RECORD_FILE = "erasure.json"
"""Beside saved and exported weights: how they came about."""
TENSORS = ".safetensors"
"""The ending of a file of changed weights alone; anything else names a folder."""


def check_destination(path: Path) -> None:
    """UserError where `path`, a folder or a FILE.safetensors, cannot be exported to; leaves nothing behind."""
    if path.suffix == TENSORS:
        if path.exists():
            raise UserError(f"{path} is there already.", "Give another file to export to, or remove it.")
        _check_writable(path.parent)
        return
    check_folder(path)
    _check_writable(path)


def check_folder(folder: Path) -> None:
    """UserError where `folder` is none, or holds anything but an earlier export."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file.", f"Give a folder to export to, or a file that ends in {TENSORS}.")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / RECORD_FILE).is_file():
        raise UserError(f"{folder} is not empty and holds no earlier export.", "Give another folder to export to.")


def _check_writable(folder: Path) -> None:
    # Permissions alone do not tell (read-only disks, root): a file is really made there.
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise UserError(
            f"{folder} cannot be written to: {error.strerror}.", "Give another place to export to."
        ) from error
    finally:
        for path in made:
            with suppress(OSError):
                path.rmdir()
