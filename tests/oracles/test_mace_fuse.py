"""MACE's fusion against the official code (057e7a6)."""

from __future__ import annotations

import torch

from erasebench.methods.mace import MaceConfig
from erasebench.methods.mace.fusion import fuse
from erasebench.methods.mace.lora import Lora
from erasebench.testing.oracle import Case
from tests.oracles.listing import cases, each
from tests.oracles.mace_prior import prior_of

CASES = cases(
    "mace-fuse",
    {
        "in memory": lambda case: len(case["A"]) <= case["max_memory"],
        "over memory": lambda case: len(case["A"]) > case["max_memory"],
    },
)


def check(case: Case, p: float) -> None:
    """W_star with `p` as the fusion's weight of the prior."""
    original, refined = ({str(k): weight for k, weight in enumerate(case[symbol])} for symbol in ("W_0", "W_r"))
    loras = [
        Lora({str(k): down for k, down in enumerate(a)}, {str(k): up for k, up in enumerate(b)})
        for a, b in zip(case["A"], case["B"], strict=True)
    ]
    fused, _ = fuse(
        original,
        refined,
        zip(case["x_states"], loras, strict=True),
        prior_of(case),
        MaceConfig(prior_weight_fusion=p, ridge_fusion=case["l"]),
    )
    found = torch.stack([fused[name] for name in original])
    case.check({"W_star": found}, tolerance=1e-10, of=case["W_star"] - case["W_r"])


@each(CASES["in memory"])
def test_the_fusion_is_the_releases(case: Case) -> None:
    check(case, case["p"])


@each(CASES["over memory"])
def test_beyond_its_memory_setting_the_release_takes_the_trainings_weight(case: Case) -> None:
    # Every published configuration gives both weights the same value, so ours has one.
    check(case, case["p_training"])
