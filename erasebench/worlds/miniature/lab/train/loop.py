"""The one training loop of the miniature world: AdamW, warm-up and cosine tail, EMA, checkpoints, exact resume."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from erasebench.files.atomic import atomic_write

Loss = Callable[[nn.Module, int], tuple[Tensor, dict[str, float]]]


def has_fast_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 matrix products are faster than float32 ones there (CUDA, or a CPU with AMX tiles)."""
    return device.type == "cuda" or bool(torch.cpu._is_amx_tile_supported())


def learning_rate(step: int, steps: int, lr: float, warmup: int = 200, tail: float = 0.4) -> float:
    """Linear warm-up, a plateau, and a cosine decay to 2% of `lr` over the last `tail` share of the steps."""
    if step < min(warmup, steps // 10):
        return lr * (step + 1) / min(warmup, steps // 10)
    start = steps * (1 - tail)
    if step <= start:
        return lr
    done = (step - start) / (steps - start)
    return lr * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


def step_generator(seed: int, step: int) -> torch.Generator:
    """The random numbers of one step: a resumed run draws what an uninterrupted one would have drawn."""
    return torch.Generator("cpu").manual_seed(seed * 1_000_003 + step)


def fit(
    name: str,
    model: nn.Module,
    loss: Loss,
    *,
    steps: int,
    lr: float,
    out: Path,
    device: torch.device,
    ema: float = 0.998,
    weight_decay: float = 0.01,
    checkpoint_every: int = 200,
    clip: float = 1.0,
) -> nn.Module:
    """Train `model` and return it with its exponentially averaged weights.

    `loss(model, step)` returns a scalar and figures to log; it draws its own batch from the step number
    (step_generator), so that a run killed at any moment resumes from `out/<name>.ckpt` as if nothing had happened.
    Progress goes to stdout and, one JSON row per 50 steps, to `out/<name>.jsonl`. Calling it again with another `steps`
    re-plans the cosine tail.
    """
    torch.set_flush_denormal(True)  # zero-initialised branches start with denormal gradients, 2x slower on a CPU
    out.mkdir(parents=True, exist_ok=True)
    file = out / f"{name}.ckpt"
    model.to(device).train()
    average = copy.deepcopy(model).requires_grad_(False).eval()
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(trained, lr=lr, betas=(0.9, 0.99), weight_decay=weight_decay)
    first = 0
    if file.exists():
        saved = torch.load(file, map_location=device, weights_only=True)
        model.load_state_dict(saved["model"])
        average.load_state_dict(saved["average"])
        optimiser.load_state_dict(saved["optimiser"])
        first = int(saved["step"])
    metrics: dict[str, float] = {}
    started = time.time()
    for step in range(first, steps):
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(step, steps, lr)
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=has_fast_bfloat16(device)):
            value, logged = loss(model, step)
        optimiser.zero_grad(set_to_none=True)
        value.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(trained, clip)
        optimiser.step()
        decay = min(ema, (step + 1) / (step + 10))
        with torch.no_grad():
            for a, p in zip(average.parameters(), model.parameters(), strict=True):
                a.lerp_(p, 1 - decay)
            for kept, fresh in zip(average.buffers(), model.buffers(), strict=True):
                kept.copy_(fresh)
        for key, number in {"loss": float(value.detach()), **logged}.items():
            metrics[key] = number if key not in metrics else 0.95 * metrics[key] + 0.05 * number
        if (step + 1) % 50 == 0:
            rate = (step + 1 - first) / (time.time() - started)
            row = {"step": step + 1, "steps_per_second": round(rate, 3), **{k: round(v, 5) for k, v in metrics.items()}}
            with (out / f"{name}.jsonl").open("a", encoding="utf-8") as log:
                log.write(json.dumps(row) + "\n")
            print(name, json.dumps(row), f"eta {(steps - step - 1) / rate / 60:.1f} min", flush=True)
        if (step + 1) % checkpoint_every == 0 or step + 1 == steps:
            state = {
                "model": model.state_dict(),
                "average": average.state_dict(),
                "optimiser": optimiser.state_dict(),
                "step": step + 1,
            }
            with atomic_write(file) as temporary:
                torch.save(state, temporary)
    return average
