"""One job: a method on a suite in a world. What it will make and everything that decides it, before torch is loaded."""

from __future__ import annotations

import importlib.util
import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from erasebench.api.concepts import ErasureTask
from erasebench.api.groups import Group
from erasebench.api.judges import is_packages, package_digest
from erasebench.api.recipe import recipe_digest
from erasebench.api.world import SizeName, World, load_world
from erasebench.diffusion.profile import NumericsProfile, sampling_profile
from erasebench.errors import UserError
from erasebench.files.source import source_digest
from erasebench.files.weights import file_digests, files_digest
from erasebench.identity import digest
from erasebench.prompts import PromptTable, build_table, sets_of
from erasebench.prompts.build import MissingPrompts
from erasebench.results.record import UNEDITED
from erasebench.runner.attack_choice import ChosenAttack, check_attack_settings, choose_attacks
from erasebench.runner.checks import check_judge_settings, check_judges, check_judges_know, check_metrics
from erasebench.runner.packages import NUMERIC_PACKAGES, installed_packages
from erasebench.runner.request import Chosen, Request, by_own_settings, check_settings, choose
from erasebench.store.run_folder import RunFolder, run_name
from erasebench.suite.selection import Selection, selections
from erasebench.suite.suite import SUITES, Suite, load_suite

log = logging.getLogger(__name__)

SAMPLER = (
    *("erasebench.diffusion.sampling", "erasebench.diffusion.schedulers", "erasebench.diffusion.prompt_states"),
    *("erasebench.diffusion.shared_text", "erasebench.diffusion.compiling", "erasebench.families.precision"),
)
"""What decides pixels besides the model, its settings and the prompt: part of an image's identity."""


@dataclass(frozen=True)
class Job:
    """A method on a suite in a world, fully resolved."""

    request: Request
    world: World
    suite: Suite
    suite_asked: str
    selection: Selection
    size: SizeName
    chosen: Chosen
    table: PromptTable
    variant: str | None = None
    """How rows that bring settings of their own are sampled; None where no row brings any."""
    missing_prompts: Mapping[Group, MissingPrompts] = field(default_factory=dict)
    mark: str = ""
    """What tells the job from another one of the same method's and suite's names; '' where there is none."""
    attacks: tuple[ChosenAttack, ...] = ()
    """What is tried on the edited model, the suite's attacks first."""
    batch_size: int | None = None
    """Images sampled together, where the GPU decides (`erasebench.runner.batch_size`); None: as the world says."""

    @property
    def label(self) -> str:
        """For progress and messages: 'mace on celebrity-10', with the seed where a method erases under several.

        Two jobs of one plan never share it.
        """
        return f"{self.chosen.name} on {self.suite.name}-{self.selection.scale}{self.seed_label}{self.mark}"

    @property
    def seed_label(self) -> str:
        """', seed 2024' where the method erases under several seeds; else ''."""
        return f", seed {self.request.seed}" * (self.request.repeats > 1 and self.chosen.name != UNEDITED)

    @property
    def without_synonyms(self) -> str | None:
        """Why a suite that asks for other words of what is erased has none; None where it has, or does not ask."""
        if "synonyms" not in self.suite.groups or self.selection.synonyms:
            return None
        return f"no other words for {', '.join(self.selection.erased)} are known"

    @cached_property
    def task(self) -> ErasureTask:
        """All that the method is given."""
        return self.selection.task(self.suite.kind, self.world.prior_captions())

    @property
    def profile(self) -> NumericsProfile:
        """The numerics that the job's images are sampled under."""
        asked = self.request
        return sampling_profile(
            *(self.world, asked.device.partition(":")[0], asked.dtype),
            compiled=asked.compiled,
            batch_size=self.batch_size,
        )

    @property
    def erasing_profile(self) -> NumericsProfile:
        """The numerics that the method erases under: the same whatever batch the GPU has room for."""
        return replace(self, batch_size=None).profile.erasing

    @property
    def erasing_threads(self) -> int | None:
        """What the world says of them for the CPU; None: all, as on every other device."""
        return self.world.erasing_threads if self.profile.device_type == "cpu" else None

    @cached_property
    def numerics(self) -> dict[str, Any]:
        """What decides pixels besides the erasure, prompt and seed."""
        return numerics_of(self.world, self.profile)

    @property
    def sampling_fields(self) -> dict[str, Any]:
        """How a record says that its images were sampled."""
        variant = {} if self.variant is None else {"variant": self.variant}
        return {**self.world.sampling.model_dump(exclude={"batch_size"}), **variant}

    @property
    def fixed_digests(self) -> dict[str, str]:
        """The digests of a record that are known before any work."""
        return {"model": self.world.weights_digest(), "prompts": self.table.digest, "suite": self.suite.digest}

    @cached_property
    def request_digest(self) -> str:
        """Of everything that may decide the job's result, coarsely: the whole installation and the world's files.

        Equal digests mean an equal result; unequal ones only mean that each part has to be looked at.
        """
        return digest(
            {
                "installation": installation_digest(),
                "packages": installed_packages(),
                "world": [self.world.name, world_source(self.world)],
                "judges": {str(path): sha for path, sha in file_digests(self.world.judge_files()).items()},
                "judge settings": self.world.judge_settings,
                "package judges": {name: package_digest(name) for name in self.package_judges},
                "recipe": recipe_digest(self.chosen.method, self.chosen.name),
                "suite": self.suite.digest,
                "numerics": self.numerics,
                "method": self.chosen.identity,
                "task": self.task,
                "seed": self.request.seed,
                "prompts": self.table.digest,
                "partial": self.request.limit is not None,
                "size": self.size,
                "missing": sorted(self.missing_prompts),
                **self.attack_identity,
            }
        )

    @property
    def attack_identity(self) -> dict[str, Any]:
        """What attacks add to an identity: their versions, settings, groups and seed. {} without any, so that a run
        without attacks has the identity that it had before there were any.
        """
        found = {each.name: {**each.identity, "seed": self.request.seed} for each in self.attacks}
        return {"attacks": found} if found else {}

    @property
    def package_judges(self) -> list[str]:
        """The judges of the suite that packages bring."""
        asked = self.suite.all_judges(self.world)
        return sorted(name for name in asked if is_packages(name, self.world))

    def erasure_identity(self, segmenter: str) -> dict[str, Any]:
        """Everything that decides the erasure; `segmenter` is the digest of the world's segmenter."""
        return {
            **self.chosen.identity,
            "numerics": numerics_of(self.world, self.erasing_profile),
            "task": self.task.model_dump(mode="json"),
            "seed": self.request.seed,
            "segmenter": segmenter,
        }

    @property
    def segmenter_missing(self) -> UserError | None:
        """What keeps the world from segmenting for these concepts; None where nothing does or none is needed."""
        needed = self.chosen.method(self.chosen.config).segments_for(self.suite.kind)
        return self.world.missing("segmenter") if needed else None

    def erased_with(self, segmenter: str) -> dict[str, Any]:
        """`erasure_identity` to be read with an exported model: the prior's many captions by name and digest alone."""
        identity = self.erasure_identity(segmenter)
        captions = list(self.task.prior_captions)
        prior = {"source": self.world.prior_source, "count": len(captions), "digest": digest(captions)}
        identity |= {"erasebench": installed_packages()["erasebench"], "world": self.world.name}
        return {**identity, "task": {**identity["task"], "prior_captions": prior}}

    def image_digests(self, erasure_digest: str) -> dict[int, str]:
        """By row number, the digest of everything that decides the row's image."""
        return image_digests(self.table, self.numerics, erasure_digest)

    @property
    def finished_file(self) -> Path:
        """Where the finished job is kept; its existence means that everything before it is done."""
        suite_folder = self.request.runs_folder / self.world.name / run_name(self.suite.name, self.selection.scale)
        return suite_folder / "finished" / f"{self.chosen.name}-{self.request_digest[:16]}.json"

    def folder(self, segmenter: str) -> RunFolder:
        """The folder of this job's erasure."""
        return RunFolder(
            self.request.runs_folder,
            self.world.name,
            self.suite.name,
            self.selection.scale,
            self.chosen.name,
            digest(self.erasure_identity(segmenter)),
        )


def numerics_of(world: World, profile: NumericsProfile) -> dict[str, Any]:
    """Everything that decides an image besides the erasure, its prompt and its seed."""
    return {
        "sampling": world.sampling.model_dump(),
        "profile": profile.model_dump(),
        "packages": {name: version(name) for name in NUMERIC_PACKAGES},
        "sampler": source_digest(SAMPLER),
        "model": world.weights_digest(),
    }


def image_digests(table: PromptTable, numerics: dict[str, Any], erasure_digest: str) -> dict[int, str]:
    """By row number, the digest of everything that decides the row's image."""
    common = digest([numerics, erasure_digest])
    own = {row.row: [row.own] if row.own else [] for row in table.rows}
    return {row.row: digest([common, row.prompt, row.seed, *own[row.row]])[:20] for row in table.rows}


def plan(request: Request, *, forecast: bool = False, measured: bool = True) -> list[Job]:
    """Every job of a request, suite by suite, baselines first. UserError before anything has run.

    `forecast`: prompts of erased concepts that have yet to be imported are no error, since nothing is going to run.
    `measured`: False where nothing is judged, so that concepts may be erased that no judge knows.
    """
    check_settings(request)
    suites = {name: load_suite(name) for name in request.suites}
    if request.scale is not None and not any(suite.has_scales for suite in suites.values()):
        what = f"--scale {request.scale}: {', '.join(suite.name for suite in suites.values())} has no scales."
        raise UserError(what, "Leave --scale out, or choose with --concepts.")
    if measured:
        check_attack_settings(request, suites.values())
    attacks = {name: choose_attacks(suite, request) if measured else () for name, suite in suites.items()}
    world = load_world(request.world, request.model)
    world.judge_with(request.judge_settings)
    check_judge_settings(world, suites.values())
    world.sample_with(request.sampled_with)
    for name, suite in suites.items():
        check_judges(suite, world)
        # Our own suites are held to it by a test: to ask loads the libraries that metrics are made with.
        if measured and not (name in SUITES.names() and SUITES.is_own(name)):
            check_metrics(suite)
    chosen = {
        name: selections(
            suite, world, request.size or world.default_size, request.scale, request.concepts, request.anchors
        )
        for name, suite in suites.items()
    }
    new = dict.fromkeys(name for own in chosen.values() for selection in own for name in selection.new)
    if new:
        known = request.judge_settings.names
        names = (*known, *(name for name in new if name not in known))
        world.judge_settings = request.judge_settings.model_copy(update={"names": names})
    if measured and request.concepts is not None:
        for name, suite in suites.items():
            check_judges_know(suite, world, chosen[name])
    jobs = distinct(
        [
            job
            for name, suite in suites.items()
            for job in _jobs(request, world, suite, name, chosen[name], attacks[name])
        ]
    )
    missing_prompts = [
        job.missing_prompts[group].error for job in jobs for group in job.missing_prompts if group != "general"
    ]
    if missing_prompts and not forecast:
        raise missing_prompts[0]
    return jobs


def distinct(jobs: list[Job]) -> list[Job]:
    """The jobs; those with one label, since two files name their method or suite alike, say which file they are of."""
    times = Counter(job.label for job in jobs)
    return [
        replace(job, mark=f" ({job.chosen.asked}, {job.suite_asked})") if times[job.label] > 1 else job for job in jobs
    ]


def _jobs(
    request: Request,
    world: World,
    suite: Suite,
    suite_asked: str,
    chosen_names: tuple[Selection, ...],
    attacks: tuple[ChosenAttack, ...],
) -> Iterator[Job]:
    size = request.size or world.default_size
    sets, missing_prompts = sets_of(suite, world, suite.sizes[size])
    own = by_own_settings(request.sampling)
    variant = request.sampling if any(row.guidance or row.width for rows in sets.values() for row in rows) else None
    for selection in chosen_names:
        table = build_table(suite, selection, suite.sizes[size], sets, world.first_seed, own_settings=own)
        if request.limit is not None:
            table = table.limited(request.limit)
        for name in request.all_methods:
            chosen = choose(
                request, name, recipes=world.recipes or world.name, kind=suite.kind, n_concepts=len(selection.erased)
            )
            for repeat in range(1 if chosen.name == UNEDITED else request.repeats):
                asked = replace(request, seed=request.seed + repeat)
                yield Job(
                    asked,
                    world,
                    suite,
                    suite_asked,
                    selection,
                    size,
                    chosen,
                    table,
                    variant,
                    missing_prompts,
                    attacks=attacks,
                )


@lru_cache
def installation_digest() -> str:
    """SHA-256 over every file that erasebench is made of, weights included; cheap from the second time on."""
    roots = {
        Path(folder)
        for name in ("erasebench", "erasebench.methods", "erasebench.suites")
        if (spec := importlib.util.find_spec(name))
        for folder in spec.submodule_search_locations or []
    }
    return digest([files_digest(_sources(root), root) for root in sorted(roots)])


def _sources(root: Path) -> Iterator[Path]:
    for path in root.rglob("*"):
        hidden = any(part.startswith((".", "__pycache__")) for part in path.relative_to(root).parts)
        if path.is_file() and not hidden and path.suffix != ".md":
            yield path


def world_source(world: World) -> str:
    """Digest of the package that brings a world; '' for one of erasebench's own."""
    package = type(world).__module__.partition(".")[0]
    return "" if package == "erasebench" else source_digest((package,))
