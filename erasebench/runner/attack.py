"""The stage between erase and sample: an attack writes other prompts for a group, kept in the run's folder.

What it wrote is a job of its own, of the same edit: the suite's one group with the attack's prompts. It is sampled and
judged by the stages that sample and judge the suite, and its metrics have the attack's name in their keys.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from erasebench.api.attack import AttackPrompt, Target
from erasebench.api.erasure import Erasure
from erasebench.api.value import MetricValue
from erasebench.console.interruption import check_interrupted
from erasebench.console.scrubbing import scrubbed
from erasebench.cost import Cost, measured
from erasebench.errors import UserError
from erasebench.files.sealed import read_sealed_json, write_sealed_json
from erasebench.identity import digest
from erasebench.prompts import PromptTable
from erasebench.prompts.table import MAX_SEED
from erasebench.runner.attack_choice import ChosenAttack
from erasebench.runner.job import Job, numerics_of, world_source
from erasebench.runner.session import check_unchanged, weights_of
from erasebench.runner.threads import threads
from erasebench.runner.timing import all_attempts
from erasebench.runner.work import Work
from erasebench.runner.workspace import RunWorkspace

log = logging.getLogger(__name__)

LONGEST_PROMPT = 10_000
"""Characters of a prompt: no text encoder reads as many."""


@dataclass(frozen=True)
class Attacked:
    """An attack that is done: the work on its prompts, and what the search cost."""

    chosen: ChosenAttack
    work: Work
    cost: Cost

    @property
    def described(self) -> dict[str, Any]:
        """For the manifest: version and group of the attack, all its settings, and its seed."""
        settings = self.chosen.config.model_dump(mode="json")
        return {**self.chosen.identity, "config": settings, "seed": self.work.job.request.seed}

    def keyed(self, metrics: Mapping[str, MetricValue]) -> dict[str, MetricValue]:
        """The metrics under keys of their own: 'acc_e' as 'acc_e_under_toy_shout'."""
        return {f"{key}{self.chosen.ending}": metric for key, metric in metrics.items()}


def attack(work: Work, erasure: Erasure) -> list[Attacked]:
    """What every attack of the job came to; those whose prompts the folder holds are not run again.

    UserError, which names the attack and its package, where an attack raises, leaves the pipeline changed, or does not
    answer each row with a prompt. An attack on a group without prompts is named in a warning and left out.
    """
    done = []
    for chosen in work.job.attacks:
        if work.job.table.of_group(chosen.group).rows:
            done.append(_attacked(work, erasure, chosen))
        else:
            log.warning("%s: no %s prompts, so the attack %s is left out.", work.job.label, chosen.group, chosen.name)
    return done


def _attacked(work: Work, erasure: Erasure, chosen: ChosenAttack) -> Attacked:
    job = work.job
    source = job.table.of_group(chosen.group)
    asked = [AttackPrompt(row.row, row.concept, row.prompt, row.seed) for row in source.rows]
    identity = digest(_identity(job, erasure, chosen, asked))
    folder = work.folder.attack(chosen.name, identity)
    kept = read_sealed_json(folder / "prompts.json")
    if kept is None or kept["identity"] != identity:
        found, cost = _searched(work, erasure, chosen, asked, folder)
        rows = [[each.row, each.prompt, each.seed] for each in found]
        kept = {"identity": identity, "rows": rows, "cost": list(cost)}
        write_sealed_json(folder / "prompts.json", kept)
        _attempts(folder).unlink(missing_ok=True)
    by_row = {row: {"prompt": prompt, "seed": seed} for row, prompt, seed in kept["rows"]}
    table = PromptTable(tuple(row._replace(**by_row[row.row]) for row in source.rows))
    return Attacked(chosen, Work(_under(job, chosen, table), work.session), Cost(*kept["cost"]))


def _under(job: Job, chosen: ChosenAttack, table: PromptTable) -> Job:
    """The job of the attacked group alone: the same edit, other prompts."""
    suite = job.suite.model_copy(update={"groups": {chosen.group: job.suite.groups[chosen.group]}, "attacks": ()})
    mark = f"{job.mark} under {chosen.name}"
    return replace(job, suite=suite, table=table, missing_prompts={}, attacks=(), mark=mark)


def _identity(job: Job, erasure: Erasure, chosen: ChosenAttack, asked: Sequence[AttackPrompt]) -> dict[str, Any]:
    """Everything that decides the attack's prompts."""
    concept_lists = job.world.concept_lists
    return {
        **chosen.identity,
        "erasure": erasure.digest,
        "numerics": numerics_of(job.world, job.erasing_profile),
        "world": [
            job.world.name,
            world_source(job.world),
            sorted([*key, *names] for key, names in concept_lists.lists.items()),
        ],
        "synonyms": {name: list(words) for name, words in concept_lists.synonyms.items()},
        "task": job.task.model_dump(mode="json"),
        "seed": job.request.seed,
        "rows": [list(row) for row in asked],
    }


def _searched(
    work: Work, erasure: Erasure, chosen: ChosenAttack, asked: Sequence[AttackPrompt], folder: Path
) -> tuple[list[AttackPrompt], Cost]:
    job = work.job
    try:
        answer, cost = _answer(work, erasure, chosen, asked, folder)
    except BaseException as error:
        # It may have broken off in the middle of changing the weights that every later job rests on.
        work.session.renew_pipeline()
        if isinstance(error, KeyboardInterrupt):
            raise
        check_interrupted(error)
        raise _failed(chosen, error) from error
    log.info("%s: %s wrote %d prompts in %.1f s.", job.label, chosen.name, len(asked), cost.seconds)
    return checked(chosen.described, asked, answer), cost


def _answer(
    work: Work, erasure: Erasure, chosen: ChosenAttack, asked: Sequence[AttackPrompt], folder: Path
) -> tuple[Any, Cost]:
    job, pipeline = work.job, work.session.pipeline
    before = weights_of(pipeline)
    scratch = folder / "scratch"
    scratch.mkdir(parents=True, exist_ok=True)
    workspace = RunWorkspace(job.world, pipeline, job.erasing_profile, seed=job.request.seed, folder=scratch)
    on = threads(job.erasing_threads)
    with measured(job.request.device) as meter, all_attempts(_attempts(folder), meter) as spent, on:
        with erasure.applied_to(pipeline):
            target = Target(pipeline, erasure, job.world, job.task)
            answer = chosen.attack(chosen.config).attack(target, tuple(asked), workspace)
        cost = spent()
    hint = "An attack has to put back what it changes: every later run would measure another model."
    check_unchanged(before, pipeline, "It", hint)
    return answer, cost


def _failed(chosen: ChosenAttack, error: BaseException) -> UserError:
    if isinstance(error, UserError):
        return UserError(f"{chosen.described}: {error.what}", error.hint)
    said = scrubbed(f"{type(error).__name__}: {' '.join(str(error).split())}".removesuffix(": "))
    return UserError(f"{chosen.described} failed: {said}.", "Correct the attack, or run without it.")


def checked(described: str, asked: Sequence[AttackPrompt], answer: Any) -> list[AttackPrompt]:
    """What an attack answered, in the order of the rows that were asked.

    UserError for anything but a list of AttackPrompt, a row that is missing, unknown or there twice, another concept
    than the row's, a prompt that is empty, holds NUL or is over 10,000 characters, and a seed out of range.
    """

    def wrong(what: str) -> UserError:
        return UserError(f"{described} {what}.", "It has to answer each row once, as an AttackPrompt.")

    if isinstance(answer, str | bytes | Mapping) or not isinstance(answer, Sequence):
        raise wrong(f"returned {type(answer).__name__}, not a list of prompts")
    concepts = {row.row: row.concept for row in asked}
    found: dict[int, AttackPrompt] = {}
    for each in answer:
        if not isinstance(each, AttackPrompt):
            raise wrong(f"returned {type(each).__name__} in its list, not AttackPrompt")
        if each.row not in concepts:
            raise wrong(f"answered row {each.row!r}, which was not asked")
        if each.row in found:
            raise wrong(f"answered row {each.row} twice")
        if each.concept != concepts[each.row]:
            raise wrong(f"answered row {each.row} with the concept {each.concept!r}, which is {concepts[each.row]!r}")
        if (flaw := _flaw(each.prompt)) is not None:
            raise wrong(f"answered row {each.row} with a prompt that {flaw}")
        if type(each.seed) is not int or not 0 <= each.seed <= MAX_SEED:
            raise wrong(f"answered row {each.row} with the seed {each.seed!r}")
        found[each.row] = each
    if missing := [row for row in concepts if row not in found]:
        raise wrong(f"did not answer row {missing[0]} and {len(missing) - 1} more of {len(concepts)}")
    return [found[row] for row in concepts]


def _flaw(prompt: Any) -> str | None:
    """What keeps a prompt from being sampled, as the end of a sentence."""
    if not isinstance(prompt, str):
        return f"is {type(prompt).__name__}, not text"
    if not prompt.strip():
        return "is empty"
    if "\0" in prompt:
        return "holds a NUL character"
    if len(prompt) > LONGEST_PROMPT:
        return f"has {len(prompt):,} characters"
    try:
        prompt.encode("utf-8")
    except UnicodeEncodeError:
        return "is not valid Unicode"
    return None


def _attempts(folder: Path) -> Path:
    return folder / "attempts.json"
