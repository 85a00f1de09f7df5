"""What the tests of training methods share: a workspace that can be killed, and the loss that is fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import UNet2DConditionModel
from torch import Tensor

from erasebench.api.erasure import Erasure
from erasebench.api.method import Method
from erasebench.training import loop
from tests.methods.closed_form import task_of
from tests.methods.mace.workspace import TestWorkspace
from tests.tiny_model import tiny_pipeline

PUBLISHED = "stable-diffusion-v1-4"


def unet_names(unet: UNet2DConditionModel) -> set[str]:
    """Every parameter as an Erasure names it."""
    return {f"unet.{name}" for name, _ in unet.named_parameters()}


def touched(method: Method, unet: UNet2DConditionModel) -> set[str]:
    """The U-Net's parameters that the method declares."""
    return {name for name in unet_names(unet) if method.edits(name)}


def linear(weight: Tensor) -> Callable[[Tensor, Tensor, Tensor], Tensor]:
    """eps(x, t, c) = weight c x, a network that can be reckoned by hand."""
    return lambda latents, timesteps, states: weight * states[:, :, :, None] * latents


class KillableWorkspace(TestWorkspace):
    """Raises KeyboardInterrupt in the bar of this label, once that many steps were reported."""

    __test__ = False
    killed_in = ""
    killed_after = 0

    @contextmanager
    def progress(self, total: int, label: str) -> Iterator[Callable[[int], None]]:
        done = 0

        def advance(steps: int) -> None:
            nonlocal done
            done += steps
            if label == self.killed_in and done > self.killed_after:
                raise KeyboardInterrupt

        yield advance


def assert_resumes(make: Callable[[], Method], folder: Path, label: str, after: int) -> None:
    """An erasure killed in the bar `label` goes on in the same folder to what an undisturbed one gives."""
    whole = TestWorkspace(tiny_pipeline(), folder / "whole")
    expected = make().erase(whole.pipeline, task_of(), whole)
    killed = KillableWorkspace(tiny_pipeline(), folder / "killed")
    killed.killed_in, killed.killed_after = label, after
    with pytest.raises(KeyboardInterrupt):
        make().erase(killed.pipeline, task_of(), killed)
    assert list((folder / "killed" / "training").glob("*.pt"))
    again = TestWorkspace(tiny_pipeline(), folder / "killed")
    found = make().erase(again.pipeline, task_of(), again)
    assert found.digest == expected.digest
    assert found.record == expected.record


def erase(method: Method, folder: Path, **task: Any) -> tuple[TestWorkspace, Erasure]:
    """The erasure of a toy task by a workspace of its own."""
    workspace = TestWorkspace(tiny_pipeline(), folder)
    return workspace, method.erase(workspace.pipeline, task_of(**task), workspace)


def first_loss(method: Method, folder: Path, monkeypatch: pytest.MonkeyPatch, seed: int, **task: Any) -> Tensor:
    """The loss that the method has fit, once, at the original weights, drawn from a generator with this seed."""
    found: list[Tensor] = []

    def once(parameters: Any, loss: loop.Loss, *_: Any, **__: Any) -> list[float]:
        found.append(loss(torch.Generator().manual_seed(seed)).detach())
        return []

    monkeypatch.setattr(loop, "fit", once)
    erase(method, folder, **task)
    return found[-1]
