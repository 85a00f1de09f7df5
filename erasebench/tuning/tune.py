"""Try settings on the validation split: every trial an ordinary run, so a killed tuning goes on where it was."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from erasebench.concepts import Kind
from erasebench.errors import UserError
from erasebench.record import UNEDITED, Record
from erasebench.runner.job import plan
from erasebench.runner.request import Request
from erasebench.runner.run import run_jobs
from erasebench.tuning.score import FIGURES, score
from erasebench.tuning.trials import Outcome, Settings, settings_text

log = logging.getLogger(__name__)

WORLD = "miniature-validation"


def tune(
    method: str, kind: Kind, trials: Sequence[Settings], *, scale: int | None, device: str, runs_folder: Path
) -> list[Outcome]:
    """The outcome of each trial of `method`, in order; the best score is marked as chosen.

    A trial changes nothing but its settings: names, prompts, seeds and judges are the same for all, and so is the rule
    (erasebench.tuning.score). UserError for a setting that the method has not; a trial that fails scores 0.
    """
    suite = str(files("erasebench.tuning") / f"{kind}.yaml")

    def request(name: str, settings: Settings) -> Request:
        return Request(
            methods=(name,),
            suites=(suite,),
            world=WORLD,
            scale=scale,
            settings={f"{name}.{field}": _text(value) for field, value in settings.items()},
            baselines="none",
            device=device,
            out=runs_folder / "tuning",
            runs_folder=runs_folder,
        )

    def run(name: str, settings: Settings) -> Record | None:
        records = run_jobs(request(name, settings)).records
        return records[-1] if records else None  # of a suite that erases one at a time: the average

    for settings in trials:
        plan(request(method, settings))  # a mistake in any of them is found before the first has begun
    unedited = run(UNEDITED, {})
    if unedited is None:
        raise UserError("The unedited model could not be measured.", "See the message above.")
    outcomes = []
    for number, settings in enumerate(trials, start=1):
        record = run(method, settings)
        worth = 0.0 if record is None else score(kind, record, unedited)
        figures = "failed" if record is None else _figures(kind, record)
        log.info("%s, %s, trial %d: %.3f (%s; %s)", method, kind, number, worth, settings_text(settings), figures)
        n_erased = 0 if record is None else len(record.concepts)
        seconds = 0.0 if record is None else record.manifest.stages["erase"].seconds
        outcomes.append(
            Outcome(method, kind, n_erased, number, settings_text(settings), worth, figures, seconds, False)
        )
    best = max(range(len(outcomes)), key=lambda i: outcomes[i].score)
    return [outcome._replace(chosen=i == best) for i, outcome in enumerate(outcomes)]


def _figures(kind: Kind, record: Record) -> str:
    values = {name: record.figures[name].value for name in FIGURES[kind]}
    return " ".join(f"{name}={'unscored' if value is None else f'{value:.3g}'}" for name, value in values.items())


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
