"""Erasing at Stable Diffusion v1.4's shapes."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from erasebench.api.concepts import Concept, ErasureTask
from erasebench.api.method import load_method
from erasebench.bench.check import NO_TIME, Check, Found
from erasebench.bench.random_model import FULL, TINY, random_pipeline
from erasebench.bench.workspace import TimedWorkspace

ASKED = (("uce", 10, 20), ("uce", 100, 20), ("mace", 1, 40), ("mace", 10, 80), ("mace", 100, 250))
"""Method, people, and the seconds that have to be left to begin."""
TINY_ASKED = (("uce", 2, 0), ("mace", 2, 0))
TINY_SETTINGS = {"mace": {"steps": 2, "prompts_per_concept": 2, "n_images": 2}}


def erasing(check: Check) -> Found:
    """Seconds, by stage, and peak memory; training images are noise, so that sampling them costs nothing."""
    return {
        f"{method}, {people} people": _erased(check, method, people) if check.enough(needed) else NO_TIME
        for method, people, needed in (TINY_ASKED if check.tiny else ASKED)
    }


def _erased(check: Check, name: str, people: int) -> Found:
    check.clock.reset_peak()
    pipeline = random_pipeline(check.device, tiny=check.tiny)
    task = ErasureTask(
        concepts=tuple(Concept(name=f"Person Number{at}", kind="person", anchor="a person") for at in range(people)),
        keep=tuple(f"Friend Number{at}" for at in range(10)),
        prior_captions=("a red house", "a dog on a lawn"),
    )
    kind = load_method(name)
    settings = kind.chosen_settings("stable-diffusion-v1-4", "person")
    if check.tiny:
        settings |= TINY_SETTINGS.get(name, {})
    # Random weights may make a solve ill-conditioned: what is asked here is its time, not its result.
    if "allow_ill_conditioned" in kind.Config.model_fields:
        settings["allow_ill_conditioned"] = True
    method = kind(kind.Config(**settings))
    with TemporaryDirectory() as folder:
        workspace = TimedWorkspace(check.clock, pipeline, Path(folder), (TINY if check.tiny else FULL).width)
        seconds = check.clock.seconds(lambda: method.erase(pipeline, task, workspace))
    stages = {label: round(spent, 2) for label, spent in workspace.stages.items()}
    return {"seconds": round(seconds, 2), "stages": stages, "peak GiB": check.clock.peak_gib()}
