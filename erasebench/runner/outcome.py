"""What a job leaves behind: the record of the leaderboard and the contact sheet beside it."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from erasebench.api.recipe import recipes_of
from erasebench.api.value import MetricValue, Pairing
from erasebench.board.contact_sheet import write_contact_sheet
from erasebench.console.scrubbing import scrubbed, scrubbed_content
from erasebench.cost import Cost, total
from erasebench.diffusion.sampling import Sampler, cut_prompts
from erasebench.identity import digest
from erasebench.metrics.edit_size import edit_size
from erasebench.results.record import ATTACKED, UNEDITED, Manifest, Record, Stage, Tuning
from erasebench.results.trials import RECIPES, SPLIT
from erasebench.runner.attack_columns import table_under
from erasebench.runner.command import command_of
from erasebench.runner.job import Job
from erasebench.runner.packages import installed_packages
from erasebench.runner.plugin_packages import plugin_packages
from erasebench.runner.sheet_rows import sheet_rows
from erasebench.runner.stand_ins import stand_ins_of

if TYPE_CHECKING:
    from erasebench.api.erasure import Erasure
    from erasebench.prompts import PromptRow
    from erasebench.runner.attack import Attacked
    from erasebench.runner.session import Session
    from erasebench.runner.stages import Images, Judgement


def done_record(
    job: Job,
    session: Session,
    erasure: Erasure,
    metrics: Mapping[str, MetricValue],
    pairing: Pairing | None,
    judgements: list[Judgement],
    costs: Mapping[str, Cost],
    sampling_ratio: float | None,
    attacks: Sequence[Attacked] = (),
) -> Record:
    """The record of a finished job; its config holds the method's settings and the scheduler's as resolved, and of each
    attack what decided its prompts."""
    digests = {"erasure": erasure.digest, "segmenter": session.segmenter}
    for judgement in judgements:
        digests[f"judge:{judgement.judge}"] = session.judge_digest(judgement.judge)
        if reference := session.reference_digest(judgement.judge):
            digests["reference"] = reference
    scheduler = Sampler(session.pipeline, job.world.sampling, job.profile).scheduler_config
    judges = {each.judge: session.judge_identity(each.judge) for each in judgements}
    for chosen in job.attacks:
        digests[f"attack:{chosen.name}"] = digest(chosen.identity)
    for each in attacks:
        digests[f"{ATTACKED}{each.chosen.name}"] = each.work.job.table.digest
    manifest = _manifest(job, digests, costs, scheduler, judges, _condition_numbers(erasure))
    if attacks:
        settings = scrubbed_content({each.chosen.name: each.described for each in attacks})
        manifest = manifest.model_copy(update={"config": {**manifest.config, "attacks": settings}})
    cut = cut_prompts(session.pipeline, (row.prompt for row in job.table.rows))
    manifest = manifest.model_copy(update={"prompts_cut": cut, "sampling_ratio": sampling_ratio})
    return _record(
        job,
        session,
        manifest,
        erasure=erasure.digest,
        metrics={name: _scrubbed_reason(metric) for name, metric in metrics.items()},
        pairing=pairing,
        edit=edit_size(erasure, session.pipeline),
        tuning=_tuning(job),
        table=table_under(job.suite.table, job.attacks, metrics),
        status="done",
    )


def failed_record(job: Job, session: Session, error: str) -> Record:
    """The record of a job that broke off; it has no metrics."""
    manifest = _manifest(job, {}, {}, {})
    what = scrubbed(error)
    table = job.suite.table
    return _record(job, session, manifest, erasure=None, metrics={}, table=table, status="failed", error=what)


def _scrubbed_reason(metric: MetricValue) -> MetricValue:
    """The metric with no secret in what it says of a missing value: a judge's own error may quote one."""
    return metric if metric.reason is None else metric.model_copy(update={"reason": scrubbed(metric.reason)})


def forget_failure(job: Job, session: Session) -> None:
    """Remove the leaderboard's record of an earlier failure where the job, now done, has another identity than it."""
    if job.chosen.method(job.chosen.config).external:
        failed = failed_record(job, session, "an earlier failure")
        (job.request.out / "results" / f"{failed.id}.json").unlink(missing_ok=True)


def judgement_cost(judgements: list[Judgement]) -> Cost:
    """Of all judges on all groups."""
    return total(judgement.cost for judgement in judgements)


def _record(job: Job, session: Session, manifest: Manifest, erasure: str | None, **rest: Any) -> Record:
    return Record(
        identity=record_identity(job, session, erasure, failed=rest["status"] == "failed"),
        world=job.world.name,
        world_about=job.world.about,
        suite=job.suite.name,
        scale=job.selection.scale,
        size=job.size,
        method=job.chosen.name,
        method_version=job.chosen.version,
        variant=job.chosen.variant,
        label=job.chosen.label,
        concepts=job.selection.erased,
        manifest=manifest,
        command=scrubbed(command_of(job)),
        partial=job.request.limit is not None,
        intervals="closed form",
        stand_ins=stand_ins_of(job),
        **rest,
    )


def record_identity(job: Job, session: Session, erasure: str | None, *, failed: bool = False) -> str:
    """Digest of everything that decides the metrics: known before the first stage runs.

    Only where the method asks outside does the erasure's own digest decide too (None: there is none, the run failed).
    """
    outside: dict[str, Any] = {"answers": erasure} if job.chosen.method(job.chosen.config).external else {}
    if job.profile.dtype != "float32":  # what methods erase in is part of the erasure
        outside["dtype"] = job.profile.dtype
    if job.profile.compiled:
        outside["compiled"] = True
    judges = sorted({name for group in job.table.groups for name in job.suite.judges_of(group, job.world)})
    return digest(
        {
            "erasure": job.erasure_identity(session.segmenter),
            "suite": job.suite.digest,
            "size": job.size,
            "prompts": job.table.digest,
            "partial": job.request.limit is not None,
            "judges": {name: _judge_digests(session, name, failed=failed) for name in judges},
            **job.attack_identity,
            **outside,
        }
    )


def _judge_digests(session: Session, name: str, *, failed: bool) -> list[str | None]:
    try:
        return [session.judge_digest(name), session.reference_digest(name)]
    except Exception:
        # What the judge raises has ended the job: its record says so, and needs an identity all the same.
        if not failed:
            raise
        return [None, None]


def _manifest(
    job: Job,
    digests: dict[str, str],
    costs: Mapping[str, Cost],
    scheduler: dict[str, Any],
    judges: Mapping[str, Any] | None = None,
    condition_numbers: Mapping[str, float | None] | None = None,
) -> Manifest:
    packages = installed_packages()
    seeds: dict[str, Any] = {"method": job.request.seed}
    for group in job.table.groups:
        used = [row.seed for row in job.table.of_group(group).rows]
        seeds[group] = {"lowest": min(used), "highest": max(used)}
    return Manifest(
        packages={name: found for name, found in packages.items() if name != "python"} | plugin_packages(job),
        python=packages["python"],
        platform=platform.platform(),
        config=scrubbed_content({"method": job.chosen.config.model_dump(mode="json"), "scheduler": scheduler}),
        digests={**job.fixed_digests, **digests},
        judges=json.loads(json.dumps(judges or {})),
        condition_numbers=dict(condition_numbers or {}),
        sampling=job.sampling_fields,
        seeds=seeds,
        device=job.request.device,
        threads=torch.get_num_threads(),
        cpu=torch.backends.cpu.get_cpu_capability(),
        profile=job.profile,
        stages={
            name: Stage(seconds=cost.seconds, peak_memory_bytes=cost.peak_memory_bytes) for name, cost in costs.items()
        },
    )


def _condition_numbers(erasure: Erasure) -> dict[str, float | None]:
    """As the method has recorded them, each the number of a solve or None for an infinite one; {} where it has not."""
    noted = erasure.record.get("condition_numbers")
    numbers = noted.items() if isinstance(noted, Mapping) else ()
    return {str(solve): number for solve, number in numbers if number is None or type(number) in (int, float)}


def _tuning(job: Job) -> Tuning | None:
    """None for the unedited model, another recipe, settings of the user's own, and where no recipes are tuned."""
    chosen = job.chosen
    own = any(key.partition(".")[0] in (chosen.name, chosen.asked) for key in job.request.settings)
    if chosen.name == UNEDITED or chosen.variant != "default" or own:
        return None
    world = job.world.recipes or job.world.name
    found = recipes_of(chosen.method, chosen.name, world)
    if found is not None:
        return Tuning(split=found.split, trials=found.trials(job.suite.kind), kind=job.suite.kind)
    return Tuning(split=SPLIT, trials=0, kind=job.suite.kind) if world == RECIPES else None


def write_sheet(path: Path, job: Job, images: Images, unedited: Images | None) -> None:
    """The contact sheet of a job: the same prompts and seeds, unedited beside edited where both are there."""
    rows = sheet_rows(job)
    columns = [] if unedited is None else [(UNEDITED, _pictures(unedited, rows))]
    columns.append((job.chosen.name, _pictures(images, rows)))
    labels = [f"{row.concept or row.group}\n{row.group}\n{row.prompt}\nseed {row.seed}" for row in rows]
    write_contact_sheet(path, columns, labels)


def _pictures(images: Images, rows: list[PromptRow]) -> list[Any]:
    from PIL import Image

    loaded = [images.store.load(images.by_row[row.row]) for row in rows]
    # The model gave no image: a grey tile says so, rather than a gap that shifts the others.
    grey = Image.new("RGB", (8, 8), (128, 128, 128))
    return [picture if isinstance(picture, Image.Image) else grey for picture in loaded]
