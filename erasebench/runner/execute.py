"""One job from its erasure to its record."""

from __future__ import annotations

import logging
from typing import NamedTuple

import pandas as pd

from erasebench.api.erasure import Erasure
from erasebench.api.judge_metrics import Metrics
from erasebench.api.value import MetricValue
from erasebench.cost import Cost
from erasebench.errors import UserError
from erasebench.judges.unknown_names import warn_of_unknown
from erasebench.metrics.missing import NoPrompts, Unavailable
from erasebench.metrics.pairing import primary_metric_pairing
from erasebench.metrics.suite import suite_metrics
from erasebench.prompts import PromptTable
from erasebench.results.record import UNEDITED, Record
from erasebench.runner.attack import Attacked, attack
from erasebench.runner.cache import finish, keep_judged, listing_of, sheet_of
from erasebench.runner.job import Job
from erasebench.runner.outcome import done_record, judgement_cost, write_sheet
from erasebench.runner.sample import write_listing
from erasebench.runner.session import Session
from erasebench.runner.sheet_rows import sheet_rows
from erasebench.runner.stages import Images, Judgement, claim, erase, judge, sample, sample_rows, sampling_ratio
from erasebench.runner.work import Work

log = logging.getLogger(__name__)


def execute(job: Job, session: Session) -> Record:
    """Erase, sample, judge; write the record, the contact sheet and, last, the finished file.

    UserError for an expected failure; everything finished before it stays and the next run goes on there.
    """
    work = Work(job, session)
    with work.folder.locked():
        claim(work)
        missing = _announce_missing_judges(job, session)
        erasure, erase_cost = erase(work)
        attacks = attack(work, erasure)
        images = sample(work, erasure)
        ratio = sampling_ratio(work, erasure)
        judgements = judge(work, images)
        costs = {"erase": erase_cost, "sample": images.cost, "judge": judgement_cost(judgements)}
        judged = _by_judge(judgements)
        by_judge = session.metrics(job.suite.all_judges(job.world))
        metrics = _metrics(job, session, judgements, judged, by_judge)
        under = [_under_attack(attacked, erasure) for attacked in attacks]
        for each in under:
            metrics |= each.metrics
            costs |= each.costs
        asked = job.suite.table
        pairing = primary_metric_pairing(
            asked.primary_metric, job.table.frame(), judged, by_judge, resampled=asked.resampled
        )
        record = done_record(job, session, erasure, metrics, pairing, judgements, costs, ratio, attacks)
        keep_judged(job, judged)
        write_listing(listing_of(job), job.table, images.by_row, images.store)
        for each in under:
            write_listing(listing_of(job, each.name), each.table, each.images.by_row, each.images.store)
        write_sheet(sheet_of(job), job, images, _unedited(work))
        if not missing:
            attacked_images = [image for each in under for image in each.images.by_row.values()]
            finish(job, record, erasure.digest, images.store, attacked_images)
    return record


class _UnderAttack(NamedTuple):
    """What was sampled and judged of an attack's prompts; `metrics` under their own keys."""

    name: str
    table: PromptTable
    images: Images
    metrics: dict[str, MetricValue]
    costs: dict[str, Cost]


def _under_attack(attacked: Attacked, erasure: Erasure) -> _UnderAttack:
    """The attack's prompts sampled with the same edit, judged and added up as the group that they come from."""
    work, name = attacked.work, attacked.chosen.name
    images = sample(work, erasure)
    judgements = judge(work, images)
    by_judge = work.session.metrics(work.job.suite.all_judges(work.job.world))
    metrics = _metrics(work.job, work.session, judgements, _by_judge(judgements), by_judge)
    costs = {"attack": attacked.cost, "sample": images.cost, "judge": judgement_cost(judgements)}
    own = {f"{name}: {stage}": cost for stage, cost in costs.items()}
    return _UnderAttack(name, work.job.table, images, attacked.keyed(metrics), own)


def _by_judge(judgements: list[Judgement]) -> dict[str, pd.DataFrame]:
    """Each judge's rows on all groups that it read."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for found in judgements:
        if found.rows is not None:
            parts.setdefault(found.judge, []).append(found.rows)
    return {name: pd.concat(rows) for name, rows in parts.items()}


def _metrics(
    job: Job,
    session: Session,
    judgements: list[Judgement],
    judged: dict[str, pd.DataFrame],
    metrics: dict[str, Metrics],
) -> dict[str, MetricValue]:
    table = job.table.frame()
    references = {
        name: metrics[name].reference(session.judge(name), table.join(rows, how="inner"))
        for name, rows in judged.items()
        if name in metrics
    }
    lacking: dict[str, Unavailable] = {}
    for found in judgements:
        if found.unavailable is not None:
            groups = lacking[found.judge].groups if found.judge in lacking else ()
            lacking[found.judge] = Unavailable(found.unavailable.what, (*groups, found.group))
    most = job.request.limit
    missing_prompts: dict[str, NoPrompts] = {
        group: NoPrompts(
            gone.expected if most is None else min(most, gone.expected),
            gone.error.what,
            job.suite.judges_of(group, job.world),
        )
        for group, gone in job.missing_prompts.items()
    }
    if job.without_synonyms is not None:
        missing_prompts["synonyms"] = NoPrompts(0, job.without_synonyms, job.suite.judges_of("synonyms", job.world))
    resampled = job.suite.table.resampled
    return suite_metrics(
        table, judged, lacking, metrics, references=references, resampled=resampled, missing_prompts=missing_prompts
    )


def _announce_missing_judges(job: Job, session: Session) -> bool:
    """Say at once which metrics will be unscored, and why; whether a judge that is installed would give any.

    It also names the people whom a judge does not know.
    """
    missing = False
    for group, gone in job.missing_prompts.items():
        log.warning("%s: there are no %s prompts, so their metrics are unscored. %s", job.label, group, gone.error)
    if job.without_synonyms is not None:
        log.warning("%s: %s: the metrics of synonyms (generality) are unscored.", job.label, job.without_synonyms)
    for name in dict.fromkeys(name for group in job.table.groups for name in job.suite.judges_of(group, job.world)):
        found = session.judge(name)
        if isinstance(found, UserError):
            log.warning("%s: there is no %s, so its metrics are unscored. %s", job.label, name, found)
            missing = True
            continue
        groups = [group for group in job.table.groups if name in job.suite.judges_of(group, job.world)]
        warn_of_unknown(found, (row.concept for row in job.table.rows if row.group in groups), job.label)
    return missing


def _unedited(work: Work) -> Images | None:
    """The unedited model's images of the rows that a contact sheet shows; None where this is the unedited model.

    They are made where the unedited model is shown from a shipped record; else None where they are not there.
    """
    job = work.job
    if job.chosen.name == UNEDITED:
        return None
    nothing = Erasure()
    images = Images(work.folder.images(nothing.digest, UNEDITED), job.image_digests(nothing.digest))
    shown = sheet_rows(job)
    if job.request.baselines == "shipped":
        try:
            sample_rows(work, nothing, images, shown, f"{job.label}: unedited images of the contact sheet")
        except (OSError, RuntimeError) as error:
            # Everything is measured: a picture is no reason to lose it.
            log.warning("%s: the contact sheet shows the edited model alone (%s).", job.label, error)
    return None if images.store.missing(images.by_row[row.row] for row in shown) else images
