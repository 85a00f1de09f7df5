"""What works on this machine, and for everything that does not, how to get it working."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from erasebench.api.judges import JUDGES, load_judge
from erasebench.api.method import METHODS
from erasebench.api.sampling_change import SAMPLING_CHANGES
from erasebench.api.world import WORLDS, World, load_world
from erasebench.errors import UserError
from erasebench.files.weights import cache_folder, weights_folder
from erasebench.identity import digest
from erasebench.prompts.imports import COMMANDS, load_import
from erasebench.runner.packages import installed_packages
from erasebench.suite.suite import SUITES, load_suite

log = logging.getLogger(__name__)


class Finding(NamedTuple):
    """One thing that was looked at; `hint` is None where it works."""

    subject: str
    what: str
    hint: str | None = None


def examine(world: str | None = None, model: str | None = None) -> list[Finding]:
    """Packages, devices, disk, and each world's model, segmenter and judges, which are really loaded."""
    findings = [*_packages(), *_machine()]
    findings += _imports()
    findings += _plug_ins()
    for name in [world] if world else WORLDS.names():
        if world or WORLDS.is_own(name) or WORLDS.trouble(name) is None:
            findings += _world(name, model if name == world else None)
    return findings


def _plug_ins() -> Iterator[Finding]:
    """What other packages bring, each really loaded."""
    for registry in (METHODS, WORLDS, SUITES, JUDGES, SAMPLING_CHANGES):
        for name in registry.names():
            if registry.is_own(name):
                continue
            trouble = registry.trouble(name)
            if trouble is None and registry is SUITES:
                trouble = _broken(load_suite, name)
            if trouble is None and registry is JUDGES:
                trouble = _broken(load_judge, name)
            subject = f"{registry.noun} {name}"
            yield (
                Finding(subject, registry.origin(name))
                if trouble is None
                else Finding(subject, trouble.what, trouble.hint)
            )


def _broken(load: Callable[[str], object], name: str) -> UserError | None:
    try:
        load(name)
    except UserError as error:
        return error
    return None


def _packages() -> Iterator[Finding]:
    for name, version in installed_packages().items():
        hint = f"python -m pip install {name}" if version == "not installed" else None
        yield Finding(name, version, hint)


def _machine() -> Iterator[Finding]:
    import torch

    devices = [torch.cuda.get_device_name(index) for index in range(torch.cuda.device_count())]
    yield Finding("cuda", ", ".join(devices) + " (--device cuda)" if devices else "none: runs on the CPU")
    yield Finding("cpu", f"{torch.get_num_threads()} threads")
    yield Finding("disk", f"{shutil.disk_usage(Path.cwd()).free / 1e9:.1f} GB free in the current folder")
    yield Finding("cache", str(cache_folder()))
    yield Finding("weights", f"{weights_folder()} (put weights of judges and segmenters there)")


def _imports() -> Iterator[Finding]:
    for name in COMMANDS:
        try:
            found = load_import(name)
            yield Finding(f"prompts {name}", f"{len(found.table.rows)} rows, {len(found.images)} real images")
        except UserError as error:
            yield Finding(f"prompts {name}", error.what, error.hint)


def _world(name: str, model: str | None) -> Iterator[Finding]:
    try:
        yield from _parts(name, load_world(name, model))
    except UserError as error:
        yield Finding(f"{name}: model", error.what, error.hint)
    except Exception as error:  # a world of somebody else's: whatever it raises is said, and the next one looked at
        log.debug("The traceback:", exc_info=error)
        yield Finding(
            name,
            f"{type(error).__name__}: {error}",
            "Report it to the authors of the package that provides this world.",
        )


def _parts(name: str, world: World) -> Iterator[Finding]:
    """Model, segmenter and judges of a world."""
    try:
        # Asked first, so that looking downloads nothing; segmenter and judges are looked at without a model too.
        if (missing_prompts := world.missing("model")) is not None:
            raise missing_prompts
        yield Finding(f"{name}: model", f"weights {world.weights_digest()[:12]}{_of_kind(world, 'model')}")
    except UserError as error:
        yield Finding(f"{name}: model", error.what, error.hint)
    try:
        yield Finding(f"{name}: segmenter", f"digest {world.segmenter_digest()[:12]}{_of_kind(world, 'segmenter')}")
    except UserError as error:
        yield Finding(f"{name}: segmenter", error.what, error.hint)
    for judge in sorted(world.judges):
        try:
            yield Finding(f"{name}: judge {judge}", _tried(world, judge) + _of_kind(world, judge))
        except UserError as error:
            yield Finding(f"{name}: judge {judge}", error.what, error.hint)


def _of_kind(world: World, what: str) -> str:
    return "; a stand-in: what is made with it is no result" if world.stands_in(what) else ""


def _tried(world: World, name: str) -> str:
    """What is to say of a judge that has just looked at a black picture. UserError where it cannot."""
    import numpy as np
    import pandas as pd

    from erasebench.judges.gcd.judge import GcdRecogniser
    from erasebench.judges.recogniser import IdentityJudge

    judge = world.judge(name, "cpu")
    row = {"row": 0, "group": "general", "concept": "", "prompt": "a black picture", "seed": 1}
    judge.judge([np.zeros((64, 64, 3), dtype=np.uint8)], pd.DataFrame([row]))
    ready = f"ready, identity {digest(judge.identity())[:12]}"
    if isinstance(judge, IdentityJudge) and isinstance(judge.recogniser, GcdRecogniser):
        people = world.concept_lists.all_names("person")
        if unknown := judge.recogniser.unknown(people):
            return f"{ready}; it does not know {len(unknown)} of the {len(people)} listed people: {', '.join(unknown)}"
    return ready
