"""Put the mark of a stand-in into files that libraries have written."""

from __future__ import annotations

import zipfile
from pathlib import Path

from safetensors.torch import load_file, save_file

from erasebench.files.stand_ins import MARK


def mark_safetensors(temporary: Path) -> None:
    """In the header of every .safetensors file of a folder that is being written."""
    for path in temporary.rglob("*.safetensors"):
        temporary_file = path.with_name(f"marked-{path.name}")
        save_file(load_file(path), temporary_file, metadata={"format": "pt", "erasebench": MARK})
        temporary_file.replace(path)


def mark_archive(temporary: Path) -> None:
    """As one more, empty member of an archive of torch's."""
    with zipfile.ZipFile(temporary, "a") as archive:
        root = archive.namelist()[0].partition("/")[0]
        archive.writestr(f"{root}/{MARK}", "")
