"""The command line that makes a record again."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from erasebench.api.judge_settings import JudgeSettings
from erasebench.runner.job import Job
from erasebench.runner.request import Request


def command_of(job: Job, concepts: Sequence[str] = (), anchors: Sequence[str] = ()) -> str:
    """The command line that makes the job's record again; of an average: over the runs of these `concepts`, which
    become these `anchors`."""
    asked = job.request
    default = Request(methods=(), suites=())
    words = ["erasebench", "run", "--method", job.chosen.asked, "--suite", job.suite_asked]
    for flag in ("world", "model"):
        if (value := getattr(asked, flag)) != getattr(default, flag):
            words += [f"--{flag}", value]
    if asked.concepts is not None or job.suite.one_at_a_time:
        words += ["--concepts", ",".join(concepts or job.selection.erased)]
    elif job.suite.has_scales:
        words += ["--scale", str(job.suite.default_scale if asked.scale is None else asked.scale)]
    if asked.anchors is not None:
        words += ["--anchor", ",".join(anchors or job.selection.anchors)]
    words += ["--size", job.size]
    if job.chosen.variant != "default":
        words += ["--recipe", job.chosen.variant]
    for key, value in sorted(asked.settings.items()):
        if key.partition(".")[0] in (job.chosen.name, job.chosen.asked):
            words += ["--set", f"{key}={value}"]
    for pair in _judge_settings(job.world.judge_settings):
        words += ["--judge-set", pair]
    for attack in asked.attacks:
        words += ["--attack", attack]
    for key, value in sorted(asked.attack_settings.items()):
        if key.partition(".")[0] in {each.name for each in job.attacks}:
            words += ["--attack-set", f"{key}={value}"]
    if job.profile.device_type != "cpu":  # what auto stands for may change
        asked = replace(asked, dtype=job.profile.dtype)
    for flag in ("sampling", "steps", "guidance", "scheduler", "batch_size", "limit", "device", "dtype", "seed"):
        if (value := getattr(asked, flag)) != getattr(default, flag):
            words += [f"--{flag.replace('_', '-')}", str(value)]
    return shlex.join([*words, *["--compiled"] * asked.compiled])


def _judge_settings(settings: JudgeSettings) -> list[str]:
    """Settings that differ from their defaults; of files and folders the names alone, since places differ."""
    given = settings.model_dump(exclude_defaults=True)
    for judge, own in given.pop("packages", {}).items():
        given |= {f"{judge}.{key}": value for key, value in own.items()}
    return [f"{key}={_said(value)}" for key, value in sorted(given.items())]


def _said(value: object) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return value.name if isinstance(value, Path) else str(value)
