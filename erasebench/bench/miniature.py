"""The miniature on a device against the CPU."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from erasebench.api.concepts import Concept, ErasureTask
from erasebench.api.method import load_method
from erasebench.api.world import World, load_world
from erasebench.bench.check import NO_TIME, Check, Found
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import Sampler, SampleSpec
from erasebench.runner.workspace import RunWorkspace

CLOSED_FORMS = ("uce", "rece")
CPU = torch.device("cpu")


def miniature(check: Check) -> Found:
    """Pixels of the unedited model, and weights of closed-form edits for ten people: how far they are from the CPU's.

    Trained methods are not compared by weights: training amplifies last digits.
    """
    world = load_world("miniature")
    gap = np.abs(_images(check, world, check.device) - _images(check, world, CPU))
    found: Found = {
        "largest difference of a pixel, of 255": int(gap.max()),
        "share of values that are equal": round(float((gap == 0).mean()), 5),
    }
    task = _task(world)
    for name in CLOSED_FORMS:
        where = f"{name}: relative difference of weights"
        if not check.enough(60):
            found[where] = NO_TIME
            continue
        here, there = (_tensors(world, name, task, device) for device in (check.device, CPU))
        found[where] = _apart(here, there)
    return found


def _images(check: Check, world: World, device: torch.device) -> NDArray[np.int64]:
    """The same images on any device; fails where the model gives numbers that are no image."""
    n = 4 if check.tiny else 64
    settings = world.sampling.model_copy(update={"steps": 2} if check.tiny else {})
    names = world.concept_lists.names("person", "erase")
    specs = [SampleSpec(f"A portrait of {names[at % 8]}", at + 1) for at in range(n)]
    profile = NumericsProfile(device_type=device.type, batch_size=min(n, 32))
    made = [image for image in Sampler(world.pipeline(device), settings, profile).images(specs) if image is not None]
    if len(made) < n:
        raise RuntimeError(f"on {device.type} the model gave NaN or infinity for {n - len(made)} of {n} images")
    return np.stack(made).astype(np.int64)


def _task(world: World) -> ErasureTask:
    names = world.concept_lists.names("person", "erase")[:10]
    return ErasureTask(
        concepts=tuple(Concept(name=name, kind="person", anchor="a person") for name in names),
        keep=tuple(world.concept_lists.names("person", "retain")[:10]),
        prior_captions=world.prior_captions(),
    )


def _tensors(world: World, name: str, task: ErasureTask, device: torch.device) -> dict[str, Any]:
    kind = load_method(name)
    method = kind(kind.Config(**kind.chosen_settings(world.name, task.kind)))
    pipeline = world.pipeline(device)
    profile = NumericsProfile(device_type=device.type, batch_size=world.sampling.batch_size)
    with TemporaryDirectory() as folder:
        workspace = RunWorkspace(world, pipeline, profile, seed=2024, folder=Path(folder))
        return dict(method.erase(pipeline, task, workspace).tensors)


def _apart(here: dict[str, Any], there: dict[str, Any]) -> float:
    """Norm of the difference over the norm, over all weights together."""
    apart = sum(float((here[name].double() - there[name].double()).square().sum()) for name in there)
    return float((apart / sum(float(each.double().square().sum()) for each in there.values())) ** 0.5)
