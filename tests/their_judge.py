"""Somebody else's judge, installed for a test: tests/data/their_package/sharpness.py as a package of its own."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from erasebench.api.judges import JUDGES

SOURCE = Path(__file__).parent / "data" / "their_package" / "sharpness.py"
SUITE = SOURCE.with_name("sharp.yaml")
PACKAGE = "their_sharpness"


@contextmanager
def installed(folder: Path, source: str | None = None) -> Iterator[None]:
    """The package `their_sharpness` with the judge `sharpness`, in `folder`; `source`: of its judge, None: as it is."""
    package, metadata = folder / PACKAGE, folder / f"{PACKAGE}-1.0.dist-info"
    for made in (package, metadata):
        made.mkdir(parents=True, exist_ok=True)
    (package / "__init__.py").write_text("")
    (package / "sharpness.py").write_text(SOURCE.read_text() if source is None else source)
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {PACKAGE}\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(f"[erasebench.judges]\nsharpness = {PACKAGE}.sharpness:Sharpness\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        _forget()
        try:
            yield
        finally:
            _forget()
    importlib.invalidate_caches()


def _forget() -> None:
    """What Python and the registry remember of the package, so that it is found as it is now."""
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]
    for remembered in ("_entries", "_claims"):
        JUDGES.__dict__.pop(remembered, None)
    importlib.invalidate_caches()
