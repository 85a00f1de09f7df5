"""A compiled U-Net: the same operations, fused by torch's compiler, so that last digits differ from the eager ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from erasebench.errors import UserError

MOST_SHAPES = 64
_AS_COMPILED: WeakKeyDictionary[nn.Module, dict[str, str]] = WeakKeyDictionary()
"""How the modules of each compiled network were when it was compiled."""


def compile_network(network: nn.Module, backend: str = "inductor") -> None:
    """Compile `network` in place, for each shape that it is called with; the first call of one takes the time (a minute
    for Stable Diffusion).

    Kernels are chosen by rule, not by timing them (torch's 'max-autotune'), so that every run has the same ones. New
    values of a weight (`parameter.data = ...`) are seen. UserError where there is no compiler for the device.
    """
    _check_compiler(next(network.parameters()).device, backend)
    compiled = torch.compile(network._call_impl, backend=backend, dynamic=False)

    def call(*args: Any, **kwargs: Any) -> Any:
        # Else torch would go on eagerly from the ninth shape on, with a warning alone.
        with torch._dynamo.config.patch(recompile_limit=MOST_SHAPES, fail_on_recompile_limit_hit=True):  # type: ignore[no-untyped-call]
            try:
                return compiled(*args, **kwargs)
            except torch._dynamo.exc.FailOnRecompileLimitHit as error:
                what = f"The U-Net was compiled for {MOST_SHAPES} sizes of images and batches, and there are more."
                raise UserError(what, "Leave --compiled out.") from error

    network._compiled_call_impl = call
    _AS_COMPILED[network] = _modules(network)


def check_as_compiled(network: nn.Module) -> None:
    """UserError where a hook, an adapter or another processor has come since: the compiled code would not run it; and
    for a network that was not compiled.
    """
    if (known := _AS_COMPILED.get(network)) is None:
        raise UserError("The profile says compiled, but this U-Net is not.", "Call compile_network(pipeline.unet).")
    if (changed := _first_change(known, _modules(network))) is not None:
        raise UserError(
            f"The U-Net's {changed} is changed while images are sampled, which a compiled U-Net would not show.",
            "Leave --compiled out for this method.",
        )


def _check_compiler(device: torch.device, backend: str) -> None:
    try:
        torch.compile(torch.add, backend=backend)(torch.ones(2, device=device), 1)
    except Exception as error:
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        what = f"--compiled: torch cannot compile for {device.type} here ({reason})."
        needs = "a C++ compiler" if device.type == "cpu" else "Triton"
        raise UserError(what, f"Install {needs}, or leave --compiled out.") from error


def _modules(network: nn.Module) -> dict[str, str]:
    """What decides the operations of each module besides its weights, by name."""
    return {name or "forward": _description(module) for name, module in network.named_modules()}


def _description(module: nn.Module) -> str:
    hooks = (len(module._forward_pre_hooks), len(module._forward_hooks))
    return f"{type(module)} {hooks} {vars(module).get('forward')} {getattr(module, 'processor', None)}"


def _first_change(before: dict[str, str], now: dict[str, str]) -> str | None:
    names: Iterable[str] = dict.fromkeys((*before, *now))
    return next((name for name in names if before.get(name) != now.get(name)), None)
