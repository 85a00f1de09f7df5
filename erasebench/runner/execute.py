"""One job from its erasure to its record."""

from __future__ import annotations

import logging

import pandas as pd

from erasebench.api.erasure import Erasure
from erasebench.api.value import MetricValue
from erasebench.errors import UserError
from erasebench.judges.fid import FidJudge
from erasebench.judges.metrics import Unavailable, reference_of, suite_metrics
from erasebench.judges.metrics.pairing import primary_metric_pairing
from erasebench.judges.unknown_names import warn_of_unknown
from erasebench.results.record import UNEDITED, Record
from erasebench.runner.cache import finish, keep_judged, listing_of, sheet_of
from erasebench.runner.job import Job
from erasebench.runner.outcome import done_record, judgement_cost, write_sheet
from erasebench.runner.sample import write_listing
from erasebench.runner.session import Session
from erasebench.runner.stages import Images, Judgement, claim, erase, judge, sample, sampling_ratio
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
        images = sample(work, erasure)
        ratio = sampling_ratio(work, erasure)
        judgements = judge(work, images)
        costs = {"erase": erase_cost, "sample": images.cost, "judge": judgement_cost(judgements)}
        judged = _by_judge(judgements)
        metrics = _metrics(job, session, judgements, judged)
        asked = job.suite.table
        pairing = primary_metric_pairing(asked.primary_metric, job.table.frame(), judged, resampled=asked.resampled)
        record = done_record(job, session, erasure, metrics, pairing, judgements, costs, ratio)
        keep_judged(job, judged)
        write_listing(listing_of(job), job.table, images.by_row, images.store)
        write_sheet(sheet_of(job), job, images, _unedited(work))
        if not missing:
            finish(job, record, erasure.digest, images.store)
    return record


def _by_judge(judgements: list[Judgement]) -> dict[str, pd.DataFrame]:
    """Each judge's rows on all groups that it read."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for found in judgements:
        if found.rows is not None:
            parts.setdefault(found.judge, []).append(found.rows)
    return {name: pd.concat(rows) for name, rows in parts.items()}


def _metrics(
    job: Job, session: Session, judgements: list[Judgement], judged: dict[str, pd.DataFrame]
) -> dict[str, MetricValue]:
    table = job.table.frame()
    fid, reference = session.judge("fid") if "fid" in judged else None, None
    if isinstance(fid, FidJudge):
        reference = reference_of(fid, table.join(judged["fid"], how="inner"))
    lacking: dict[str, Unavailable] = {}
    for found in judgements:
        if found.unavailable is not None:
            groups = lacking[found.judge].groups if found.judge in lacking else ()
            lacking[found.judge] = Unavailable(found.unavailable.what, (*groups, found.group))
    most = job.request.limit
    missing_prompts: dict[str, tuple[int, str]] = {
        group: (gone.expected if most is None else min(most, gone.expected), gone.error.what)
        for group, gone in job.missing_prompts.items()
    }
    if job.without_synonyms is not None:
        missing_prompts["synonyms"] = (0, job.without_synonyms)
    opened = [(name, session.judge(name)) for name in judged]
    brought = ((name, getattr(judge, "metrics", None)) for name, judge in opened)
    metrics = {name: each for name, each in brought if each is not None}
    return suite_metrics(
        table,
        judged,
        lacking,
        reference,
        resampled=job.suite.table.resampled,
        missing_prompts=missing_prompts,
        metrics=metrics,
    )


def _announce_missing_judges(job: Job, session: Session) -> bool:
    """Say at once which metrics will be unscored, and why; whether a judge that is installed would give any.

    Said too is whom a judge of people does not know.
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
    """The unedited model's images of the same rows; None where this is the unedited model, or they are not there."""
    if work.job.chosen.name == UNEDITED:
        return None
    nothing = Erasure().digest
    store = work.folder.images(nothing, UNEDITED)
    images = Images(store, work.job.image_digests(nothing))
    return None if store.missing(images.by_row.values()) else images
