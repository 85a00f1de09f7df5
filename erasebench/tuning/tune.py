"""Try settings on the validation split: every trial an ordinary run, so a killed tuning goes on where it was."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from erasebench.concepts import Kind
from erasebench.errors import UserError
from erasebench.record import UNEDITED, Record
from erasebench.runner.job import plan
from erasebench.runner.request import Request, as_typed
from erasebench.runner.run import run_jobs
from erasebench.tuning.record import SPLIT, Trial
from erasebench.tuning.score import FIGURES, score, value_of
from erasebench.tuning.trials import Settings, settings_text

log = logging.getLogger(__name__)


def tune(
    method: str, kind: Kind, trials: Sequence[Settings], *, scale: int | None, device: str, runs_folder: Path
) -> list[Trial]:
    """The trials of `method`, in order; the best is marked as chosen, where any came to something.

    A trial changes nothing but its settings: names, prompts, seeds and judges are the same for all, and so is the rule
    (erasebench.tuning.score). A trial that fails scores 0. UserError for a setting that the method has not, or where
    the unedited model could not be measured.
    """
    requests = requests_of(method, kind, trials, scale=scale, device=device, runs_folder=runs_folder)

    def run(request: Request) -> Record | None:
        summary = run_jobs(request)
        # The last is the average where a suite erases one at a time; of a part of its runs there is none.
        return None if summary.failures else summary.records[-1]

    unedited = run(replace(requests[0], methods=(UNEDITED,), settings={}))
    if unedited is None:
        raise UserError("The unedited model could not be measured.", "See the message above.")
    tried: list[Trial] = []
    for number, (settings, request) in enumerate(zip(trials, requests, strict=True), start=1):
        record = run(request)
        worth = 0.0 if record is None else score(kind, record, unedited)
        figures = "failed" if record is None else _figures(kind, record)
        log.info("%s, %s, trial %d: %.3f (%s; %s)", method, kind, number, worth, settings_text(settings), figures)
        tried.append(
            Trial(
                method=method,
                kind=kind,
                scale=len(unedited.concepts),
                trial=number,
                settings=settings_text(settings),
                score=worth,
                figures=figures,
                seconds=None if record is None else record.manifest.stages["erase"].seconds,
                chosen="no",
            )
        )
    best = max(tried, key=lambda trial: trial.score)
    if best.score == 0:
        return tried
    return [trial.model_copy(update={"chosen": "yes"}) if trial is best else trial for trial in tried]


def requests_of(
    method: str, kind: Kind, trials: Sequence[Settings], *, scale: int | None, device: str, runs_folder: Path
) -> list[Request]:
    """The run of each trial. UserError for a mistake in any of them, before any has begun."""
    requests = [
        Request(
            methods=(method,),
            suites=(str(files("erasebench.tuning") / f"{kind}.yaml"),),
            world=SPLIT,
            scale=scale,
            settings={f"{method}.{field}": as_typed(value) for field, value in settings.items()},
            baselines="none",
            device=device,
            out=runs_folder / "tuning",
            runs_folder=runs_folder,
        )
        for settings in trials
    ]
    for request in requests:
        plan(request)
    return requests


def _figures(kind: Kind, record: Record) -> str:
    values = {name: value_of(record, name) for name in FIGURES[kind]}
    return " ".join(f"{name}={'unscored' if value is None else f'{value:.3g}'}" for name, value in values.items())
