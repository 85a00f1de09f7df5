"""Run the toy job and die by SIGKILL at a place: `erase:N`, `put:N` or `judge:N`, the N-th time it is reached."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

import erasebench
from erasebench.runner import stages
from erasebench.store.images import ImageStore
from erasebench.store.judgements import JudgementStore

HERE = Path(__file__).parent


def dying(function: Callable[..., Any], at: int) -> Callable[..., Any]:
    """`function`, which the process does not survive the `at`-th time."""
    calls = 0

    def wrapped(*arguments: Any, **named: Any) -> Any:
        nonlocal calls
        calls += 1
        result = function(*arguments, **named)
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    return wrapped


place, count = sys.argv[1].split(":")
owner, name = {
    "erase": (stages.Erasure, "save"),
    "put": (ImageStore, "put"),
    "judge": (JudgementStore, "add"),
}[place]
setattr(owner, name, dying(getattr(owner, name), int(count)))
erasebench.run(
    method=f"{HERE / 'toy_world.py'}:Shift",
    suite=str(HERE / "data" / "toy.yaml"),
    world=f"{HERE / 'toy_world.py'}:ToyWorld",
    model=sys.argv[2],
    out=sys.argv[3],
    runs_folder=sys.argv[4],
)
