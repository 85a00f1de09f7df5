"""The training loop of the methods: AdamW, progress, checkpoints, and a resumed run that gives the same bits.

MACE's LoRAs alone have a loop of their own, which says why (methods/mace/training.py).
"""

from __future__ import annotations

import math
import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from erasebench.api.method import Workspace
from erasebench.errors import UserError
from erasebench.files.sealed import sealed_write, whole
from erasebench.training.config import TrainingConfig
from erasebench.training.seeds import generator_of

Loss = Callable[[torch.Generator], Tensor]
"""The loss of one step, a scalar; everything random about it is drawn from the generator (on the CPU)."""


def constant(step: int) -> float:
    """A learning rate that does not change."""
    return 1.0


def fit(
    parameters: Mapping[str, Tensor],
    loss: Loss,
    config: TrainingConfig,
    workspace: Workspace,
    *,
    label: str,
    run: str = "training",
    schedule: Callable[[int], float] = constant,
    masks: Mapping[str, Tensor] | None = None,
) -> list[float]:
    """Minimise `loss` over `parameters`, in place; returns the loss of every step.

    Each step draws from a generator of its own, seeded by the workspace's seed, `run` and the step, so a killed run
    goes on from workspace.folder/training/<run>.pt with the same bits. `schedule` gives the factor of the learning rate
    at a step; `masks` what gradients are multiplied by (0: never moves without weight decay). UserError where the loss
    stops being a number.
    """
    tuned = list(parameters.values())
    optimizer = torch.optim.AdamW(tuned, lr=config.learning_rate, weight_decay=config.weight_decay)
    file = workspace.folder / "training" / f"{run}.pt"
    losses = _resume(file, parameters, optimizer)
    with workspace.progress(config.steps, label) as progress, reproducible(workspace.device):
        progress(len(losses))
        for step in range(len(losses), config.steps):
            for group in optimizer.param_groups:
                group["lr"] = config.learning_rate * schedule(step)
            optimizer.zero_grad()
            value = loss(generator_of(workspace, run, step))
            torch.autograd.backward(value)
            losses.append(finite(float(value.detach()), step, label))
            for name, mask in (masks or {}).items():
                if (gradient := parameters[name].grad) is not None:
                    gradient.mul_(mask)
            if config.gradient_clip is not None:
                torch.nn.utils.clip_grad_norm_(tuned, config.gradient_clip)
            optimizer.step()
            done = len(losses)
            if done == config.steps or done % config.checkpoint_every == 0:
                # A finished run is only read again, so it needs no optimiser state.
                _checkpoint(file, parameters, losses, None if done == config.steps else optimizer)
            progress(1)
    return losses


@contextmanager
def reproducible(device: torch.device) -> Iterator[None]:
    """The same bits in every run: no autotuned kernels, no TF32; on CUDA deterministic kernels alone.

    RuntimeError, torch's own, from an operation that has no deterministic kernel. To warn of it is not enough: a warned
    attention of torch's keeps its backward pass whose sums change from run to run.
    """
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    if device.type == "cuda":
        # cuBLAS asks for a workspace of fixed size; up to torch 2.10 a product is refused without it.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False):
            yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def finite(value: float, step: int, label: str) -> float:
    """The loss `value` of a step. UserError where it is no number."""
    if not math.isfinite(value):
        raise UserError(f"{label}: the loss is {value} at step {step}.", "Lower the method's learning_rate.")
    return value


def _checkpoint(
    file: Path, parameters: Mapping[str, Tensor], losses: list[float], optimizer: torch.optim.Optimizer | None
) -> None:
    state = {
        "losses": losses,
        "parameters": {name: value.detach() for name, value in parameters.items()},
        "optimizer": None if optimizer is None else optimizer.state_dict(),
    }
    with sealed_write(file) as temporary:
        torch.save(state, temporary)


def _resume(file: Path, parameters: Mapping[str, Tensor], optimizer: torch.optim.Optimizer) -> list[float]:
    """Put a checkpoint's state in place; returns the losses so far, none where there is no whole checkpoint."""
    if not whole(file):
        return []
    try:
        # On the CPU first: AdamW's step counts belong there, and load_state_dict moves the rest.
        state: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
        with torch.no_grad():
            for name, parameter in parameters.items():
                parameter.copy_(state["parameters"][name])
        if state["optimizer"] is not None:
            optimizer.load_state_dict(state["optimizer"])
        return list(state["losses"])
    except (OSError, RuntimeError, KeyError, ValueError, pickle.UnpicklingError) as error:
        raise UserError(f"The checkpoint {file} cannot be read ({error}).", "Remove it and erase again.") from error
