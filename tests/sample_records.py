"""Made-up records with plausible metrics, for the tests of the record and the board."""

from __future__ import annotations

from typing import Any

from erasebench.api.value import MetricValue
from erasebench.diffusion.profile import NumericsProfile
from erasebench.identity import digest
from erasebench.metrics.columns import Column, MetricTable
from erasebench.results.record import Manifest, Record, Stage

PEOPLE = ("Ada Reed", "Ben Marsh", "Cora Vale")

TABLE = MetricTable(
    primary_metric="h_c",
    about="Three people are erased by name.",
    columns=(
        Column(key="acc_e", title="Acc_e", direction="down", scale=100, meaning="erased people still seen."),
        Column(key="acc_s", title="Acc_s", direction="up", scale=100, meaning="retained people seen."),
        Column(key="h_c", title="H_c", direction="up", scale=100, meaning="both in one."),
        Column(key="no_face_e", title="No face e", scale=100, meaning="pictures without a face."),
        Column(key="fid_mini_{n}", title="FID-mini (N={n})", direction="down", decimals=2, meaning="not an FID."),
        Column(key="clip_score_general", title="CLIP", direction="up", decimals=2, meaning="caption and picture."),
    ),
)


def fraction(value: float, margin: float = 0.03, *, scored: int = 100, expected: int = 100) -> MetricValue:
    low, high = max(0.0, value - margin), min(1.0, value + margin)
    return MetricValue(value=value, low=low, high=high, n_scored=scored, n_expected=expected, unit="fraction")


def unscored(reason: str, expected: int = 100) -> MetricValue:
    return MetricValue(value=None, n_scored=0, n_expected=expected, unit="fraction", reason=reason)


def distance(value: float, n: int = 256) -> MetricValue:
    return MetricValue(value=value, n_scored=n, n_expected=n, unit="distance", reason="biased at this N")


def metrics(acc_e: float, acc_s: float, h_c: float, fid: float = 12.5) -> dict[str, MetricValue]:
    return {
        "acc_e": fraction(acc_e),
        "acc_s": fraction(acc_s),
        "h_c": fraction(h_c),
        "no_face_e": fraction(0.01, 0.01),
        "fid_mini_256": distance(fid),
        "clip_score_general": MetricValue(
            value=31.04, low=30.5, high=31.6, n_scored=256, n_expected=256, unit="points"
        ),
    }


def record(method: str = "mace", **changes: Any) -> Record:
    """A finished record of `method`; `changes` are fields of the record or, where they are none, of its manifest."""
    fields: dict[str, Any] = {
        "world": "miniature",
        "world_about": "a small model of invented people; it tells which idea works, not how well on a large model.",
        "suite": "celebrity",
        "table": TABLE,
        "scale": 3,
        "size": "small",
        "method": method,
        "method_version": digest(method),
        "concepts": PEOPLE,
        "metrics": metrics(0.03, 0.9, 0.933),
        "command": f"erasebench run --method {method} --suite celebrity --scale 3",
        "status": "done",
        "partial": False,
    }
    manifest: dict[str, Any] = {
        "packages": {"torch": "2.13.0", "diffusers": "0.42.1"},
        "python": "3.11.9",
        "platform": "Linux-x86_64",
        "config": {"rank": 1, "steps": 50},
        "digests": {"model": digest("model"), "prompts": digest("prompts"), "erasure": digest(method)},
        "sampling": {"scheduler": "ddim", "steps": 12, "guidance": 2.5, "width": 64, "height": 64},
        "seeds": {"erasure": 2024},
        "device": "cpu",
        "profile": NumericsProfile(batch_size=64),
        "stages": {
            "erase": Stage(seconds=41.2, peak_memory_bytes=1_900_000_000),
            "sample": Stage(seconds=62.0, peak_memory_bytes=2_300_000_000),
            "judge": Stage(seconds=8.4),
        },
    }
    for name, value in changes.items():
        (fields if name in Record.model_fields else manifest)[name] = value
    decided = digest([fields["method"], fields.get("variant"), fields["partial"], manifest["config"], str(changes)])
    return Record(identity=fields.pop("identity", decided), manifest=Manifest(**manifest), **fields)
