"""Try settings on the validation split: every trial of ordinary runs, so a killed tuning goes on where it was."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from erasebench.api.concepts import Kind
from erasebench.errors import UserError
from erasebench.results.record import UNEDITED, Record
from erasebench.results.trials import SPLIT, Trial
from erasebench.runner.job import plan
from erasebench.runner.request import Request, as_typed
from erasebench.runner.run import run_jobs
from erasebench.tuning.score import MetricValues, best, metrics_of_rows, score
from erasebench.tuning.trials import Settings, settings_text

log = logging.getLogger(__name__)


def tune(
    method: str, kind: Kind, trials: Sequence[Settings], *, scale: int | None, device: str, runs_folder: Path
) -> list[Trial]:
    """The trials of `method`, in order; one is marked as chosen, where any came to something.

    A trial changes nothing but its settings: names, prompts, seeds and judges are the same for all, and so is the rule
    (erasebench.tuning.score), which looks at the averages over a trial's runs. A trial that fails scores 0. UserError
    for a setting that the method has not, or where the unedited model could not be measured.
    """
    requests = requests_of(method, kind, trials, scale=scale, device=device, runs_folder=runs_folder)

    def run(runs: Sequence[Request]) -> list[Record] | None:
        summaries = [run_jobs(request, board=False) for request in runs]
        # The last is the average where a suite erases one at a time; of a part of its runs there is none.
        return None if any(summary.failures for summary in summaries) else [each.records[-1] for each in summaries]

    unedited = run([replace(request, methods=(UNEDITED,), settings={}) for request in requests[0]])
    if unedited is None:
        raise UserError("The unedited model could not be measured.", "See the message above.")
    before = metrics_of_rows(kind, unedited)
    tried: list[Trial] = []
    found: list[MetricValues | None] = []
    for number, (settings, runs) in enumerate(zip(trials, requests, strict=True), start=1):
        records = run(runs)
        metrics = None if records is None else metrics_of_rows(kind, records)
        found.append(metrics)
        worth = 0.0 if metrics is None else score(kind, metrics, before)
        shown = "failed" if metrics is None else _text(metrics)
        log.info("%s, %s, trial %d: %.3f (%s; %s)", method, kind, number, worth, settings_text(settings), shown)
        tried.append(
            Trial(
                method=method,
                kind=kind,
                scale=len(unedited[0].concepts),
                trial=number,
                settings=settings_text(settings),
                score=worth,
                metrics=shown,
                seconds=None if records is None else records[0].manifest.stages["erase"].seconds,
                chosen="no",
            )
        )
    at = best(kind, [trial.score for trial in tried], found)
    if at is not None:
        tried[at] = tried[at].model_copy(update={"chosen": "yes"})
    return tried


def requests_of(
    method: str, kind: Kind, trials: Sequence[Settings], *, scale: int | None, device: str, runs_folder: Path
) -> list[tuple[Request, ...]]:
    """The runs of each trial. UserError for a mistake in any of them, before any has begun.

    Of names, the split's first `scale` are one run and, where it has as many again, those are another: what suits ten
    names may not suit the next ten.
    """
    base = Request(
        methods=(method,),
        suites=(str(files("erasebench.tuning") / f"{kind}.yaml"),),
        world=SPLIT,
        scale=scale,
        baselines="none",
        device=device,
        out=runs_folder / "tuning",
        runs_folder=runs_folder,
    )
    sets = [base]
    job = plan(base)[0]
    if job.suite.has_scales:
        n_erased = len(job.selection.erased)
        further = job.world.concept_lists.names(kind, "erase")[n_erased : 2 * n_erased]
        sets += [replace(base, scale=None, concepts=further)] if len(further) == n_erased else []
    requests = []
    for number, settings in enumerate(trials, start=1):
        given = {f"{method}.{field}": as_typed(value) for field, value in settings.items()}
        requests.append(tuple(replace(request, settings=given) for request in sets))
        try:
            for request in requests[-1]:
                plan(request)
        except UserError as error:
            raise UserError(f"Trial {number} of {kind}: {method}: {error.what}", error.hint) from error
    return requests


def _text(metrics: MetricValues) -> str:
    return " ".join(f"{name}={'unscored' if value is None else f'{value:.3g}'}" for name, value in metrics.items())
