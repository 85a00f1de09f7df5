"""What the jobs of one run share: the base pipeline in memory, the judges, the segmenter's digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import torch

from erasebench.api.judges import is_packages, metrics_of, open_judge, package_digest
from erasebench.api.world import World
from erasebench.diffusion.compiling import compile_network
from erasebench.diffusion.sampling import Sampler, SampleSpec
from erasebench.errors import UserError
from erasebench.families.precision import in_precision
from erasebench.identity import digest
from erasebench.runner.batch_size import batch_size, card_of

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

    from erasebench.api.judge import Judge
    from erasebench.api.judge_metrics import Metrics
    from erasebench.diffusion.profile import NumericsProfile


class Session:
    """One world on one device; everything is loaded when first asked for."""

    def __init__(self, world: World, device: str) -> None:
        self.world = world
        self.device = checked_device(device)
        self._judges: dict[str, Judge | UserError] = {}
        self._digests: dict[str, str] = {}
        self._references: dict[str, str | None] = {}
        self._others: dict[tuple[str, bool], StableDiffusionPipeline] = {}

    @cached_property
    def pipeline(self) -> StableDiffusionPipeline:
        """The base pipeline in float32: methods erase on it; every erasure is applied to it and taken off again."""
        return self.world.pipeline(self.device, torch.float32)

    def sampling_pipeline(self, profile: NumericsProfile) -> StableDiffusionPipeline:
        """The pipeline that images are sampled with: the base pipeline, or another one as the profile says.

        UserError where it is to be compiled and there is no compiler.
        """
        wanted = (profile.dtype, profile.compiled)
        if wanted == ("float32", False):
            return self.pipeline
        if wanted not in self._others:
            pipeline = in_precision(self.world.pipeline(self.device, torch.float32), profile.dtype)
            if profile.compiled:
                compile_network(pipeline.unet)
            self._others[wanted] = pipeline
        return self._others[wanted]

    def batch_size(self, profile: NumericsProfile) -> int | None:
        """How many images are sampled together under the profile; see `erasebench.runner.batch_size`."""
        return batch_size(self.world, profile, card_of(str(self.device)), lambda size: self._fits(profile, size))

    def _fits(self, profile: NumericsProfile, size: int) -> bool:
        """Whether a batch of this size is sampled without running out of memory: two steps of it, and decoded."""
        settings = self.world.sampling.model_copy(update={"steps": 2})
        asked = profile.model_copy(update={"batch_size": size})
        try:
            for _ in Sampler(self.sampling_pipeline(profile), settings, asked).images([SampleSpec("", 0)]):
                pass
        except torch.OutOfMemoryError:
            return False
        finally:
            torch.cuda.empty_cache()
        return True

    def renew_pipeline(self) -> None:
        """Load the pipeline afresh when it is next asked for: somebody may have left it changed."""
        self.__dict__.pop("pipeline", None)
        self._others.clear()

    @cached_property
    def segmenter(self) -> str:
        """The digest of the world's segmenter; 'none' where it cannot be had, whatever the reason and the machine."""
        try:
            return self.world.segmenter_digest()
        except UserError:
            return "none"

    def judge(self, name: str) -> Judge | UserError:
        """A judge of the world, else one that a package brings; or what keeps it from judging."""
        if name not in self._judges:
            try:
                self._judges[name] = open_judge(name, self.world, str(self.device))
            except UserError as error:
                self._judges[name] = error
        return self._judges[name]

    def metrics(self, names: Iterable[str]) -> dict[str, Metrics]:
        """What the rows of these judges add up to, as far as it is known; opens none of them."""
        found = {name: metrics_of(name, self._judges.get(name)) for name in names}
        return {name: each for name, each in found.items() if each is not None}

    def judge_identity(self, name: str) -> dict[str, Any]:
        """Everything that decides a row of this judge; the same on every machine for one that cannot judge."""
        judge = self.judge(name)
        if isinstance(judge, UserError):
            return {"unavailable": True}
        if not is_packages(name, self.world):
            return judge.identity()
        # A package's metrics are of no file of ours: where they change, its rows are another judge's.
        return {**judge.identity(), "package": package_digest(name)}

    def judge_digest(self, name: str) -> str:
        """Digest of `judge_identity`."""
        if name not in self._digests:
            self._digests[name] = digest(self.judge_identity(name))
        return self._digests[name]

    def reference_digest(self, name: str) -> str | None:
        """Digest of the reference images that a judge compares with; None for a judge that has none."""
        if name not in self._references:
            describe = getattr(self.judge(name), "reference_identity", None)
            self._references[name] = digest(describe()) if describe else None
        return self._references[name]


def checked_device(name: str) -> torch.device:
    """The torch device of this name. UserError where it is not here."""
    device = torch.device(name)
    count = torch.cuda.device_count() if device.type == "cuda" else 0
    if device.type == "cuda" and (device.index or 0) >= count:
        raise UserError(
            f"torch finds {count} CUDA devices, so there is no {name}.", "Use --device cpu, or see erasebench doctor."
        )
    return device


def check_unchanged(before: Mapping[str, str], pipeline: StableDiffusionPipeline, who: str, hint: str) -> None:
    """UserError, beginning with `who`, where the pipeline's weights are not what `weights_of` gave `before`."""
    after = weights_of(pipeline)
    if changed := [name for name, value in before.items() if after.get(name) != value]:
        raise UserError(f"{who} left the pipeline changed ({changed[0]} and {len(changed) - 1} more).", hint)


def weights_of(pipeline: StableDiffusionPipeline) -> dict[str, str]:
    """SHA-256 of every weight that an erasure may change, by name: tells whether a method put all of them back."""
    return {
        f"{component}.{name}": hashlib.sha256(
            value.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes()
        ).hexdigest()
        for component in ("unet", "text_encoder", "vae")
        for name, value in getattr(pipeline, component).state_dict().items()
    }
