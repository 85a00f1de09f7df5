"""What works on this machine, and for everything that does not, what mends it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from erasebench.errors import UserError
from erasebench.registry import WORLDS, load_world
from erasebench.runner.job import installed_packages
from erasebench.weights import cache_folder


class Finding(NamedTuple):
    """One thing that was looked at; `mend` is None where it works."""

    subject: str
    what: str
    mend: str | None = None


def examine(world: str | None = None, model: str | None = None) -> list[Finding]:
    """Packages, devices, disk, and each world's model, segmenter and judges, which are really loaded."""
    findings = [*_packages(), *_machine()]
    for name in [world] if world else WORLDS.names():
        findings += _world(name, model if name == world else None)
    return findings


def _packages() -> Iterator[Finding]:
    for name, version in installed_packages().items():
        mend = f"python -m pip install {name}" if version == "not installed" else None
        yield Finding(name, version, mend)


def _machine() -> Iterator[Finding]:
    import torch

    devices = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    yield Finding("cuda", ", ".join(devices) + " (--device cuda)" if devices else "none: runs on the CPU")
    yield Finding("cpu", f"{torch.get_num_threads()} threads")
    yield Finding("disk", f"{shutil.disk_usage(Path.cwd()).free / 1e9:.1f} GB free in the current folder")
    yield Finding("cache", str(cache_folder()))


def _world(name: str, model: str | None) -> Iterator[Finding]:
    try:
        world = load_world(name, model)
        yield Finding(f"{name}: model", f"weights {world.weights_digest()[:12]}")
    except UserError as error:
        yield Finding(f"{name}: model", error.what, error.mend)
        return
    try:
        yield Finding(f"{name}: segmenter", f"digest {world.segmenter_digest()[:12]}")
    except UserError as error:
        yield Finding(f"{name}: segmenter", error.what, error.mend)
    for judge in sorted(world.judges):
        try:
            world.judge(judge, "cpu")
            yield Finding(f"{name}: judge {judge}", "ready")
        except UserError as error:
            yield Finding(f"{name}: judge {judge}", error.what, error.mend)
