"""The kit catches what it is there for: each check passes an honest method and fails the one that breaks its rule."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image

from erasebench.api.concepts import ErasureTask, Kind
from erasebench.api.erasure import Erasure
from erasebench.api.method import Method, MethodConfig, Workspace
from erasebench.identity import identity_field
from erasebench.testing import CHECKS, Candidate, checks

VALUE = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_v.weight"
QUERY = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_q.weight"


class HonestConfig(MethodConfig):
    amount: float = identity_field(2.0, "Factor of one projection", source="ours")


class Honest(Method):
    """Multiplies one projection, by an amount drawn from the workspace's seed."""

    name: ClassVar[str] = "honest"
    kinds: ClassVar[frozenset[Kind]] = frozenset(("person", "style"))
    Config: ClassVar[type[MethodConfig]] = HonestConfig

    def edits(self, parameter: str) -> bool:
        return parameter == f"unet.{VALUE}"

    def noise(self, workspace: Workspace) -> float:
        return float(torch.rand(1, generator=torch.Generator().manual_seed(workspace.seed)))

    def prompts(self, task: ErasureTask) -> list[str]:
        return [f"{concept.name} in the rain" for concept in task.concepts]

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        pipeline.tokenizer(self.prompts(task))
        value = pipeline.unet.get_parameter(VALUE).detach() * (self.config.amount + self.noise(workspace))
        return Erasure({f"unet.{VALUE}": value}, {"prompts": self.prompts(task)})


class Undescribed(Honest):
    class Config(MethodConfig):  # type: ignore[assignment]
        amount: float = identity_field(2.0, "")


class AnyRecipe(Honest):
    @classmethod
    def recipe(cls, **_: Any) -> MethodConfig:
        return HonestConfig()


class LeavesAWeight(Honest):
    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        pipeline.vae.get_parameter("encoder.conv_in.bias").data.add_(1)
        return super().erase(pipeline, task, workspace)


class LeavesAHook(Honest):
    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        pipeline.unet.mid_block.register_forward_hook(lambda *_: None)
        return super().erase(pipeline, task, workspace)


class LeavesFrozen(Honest):
    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        pipeline.unet.requires_grad_(False)
        return super().erase(pipeline, task, workspace)


class LeavesTraining(Honest):
    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        pipeline.text_encoder.train()
        return super().erase(pipeline, task, workspace)


class LeavesAScheduler(Honest):
    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        pipeline.scheduler = type(pipeline.scheduler).from_config(pipeline.scheduler.config)
        return super().erase(pipeline, task, workspace)


class Undeclared(Honest):
    def edits(self, parameter: str) -> bool:
        return False


class Elsewhere(Honest):
    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        edit = super().erase(pipeline, task, workspace)
        return Erasure({**edit.tensors, f"unet.{QUERY}": pipeline.unet.get_parameter(QUERY).detach().clone()})


class Infinite(Honest):
    def noise(self, workspace: Workspace) -> float:
        return float("nan")


class Forgetful(Erasure):
    """Paints with more than it saves."""

    def save(self, folder: Path) -> None:
        Erasure({name: value * 3 for name, value in self.tensors.items()}, self.record).save(folder)


class Unsaved(Honest):
    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        edit = super().erase(pipeline, task, workspace)
        return Forgetful(edit.tensors, edit.record)


class Unwritable(Honest):
    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        return Erasure(super().erase(pipeline, task, workspace).tensors, {"loss": float("inf")})


class Careless(Honest):
    """Draws from the global generator."""

    def noise(self, workspace: Workspace) -> float:
        return float(torch.rand(1))


class Accumulating(Honest):
    """Goes on where it had finished."""

    def noise(self, workspace: Workspace) -> float:
        workspace.folder.mkdir(parents=True, exist_ok=True)
        runs = len(list(workspace.folder.iterdir()))
        (workspace.folder / str(runs)).touch()
        return float(runs)


class Peeking(Honest):
    def prompts(self, task: ErasureTask) -> list[str]:
        return [f"a  PORTRAIT of {concept.name}" for concept in task.concepts]


class PeekingAtArtists(Honest):
    """Keeps the rule for people, which most checks look at first."""

    def prompts(self, task: ErasureTask) -> list[str]:
        if task.concepts[0].kind == "person":
            return super().prompts(task)
        return [f"Art inspired by {concept.name}" for concept in task.concepts]


class InfiniteForArtists(Honest):
    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        edit = super().erase(pipeline, task, workspace)
        factor = 1.0 if task.concepts[0].kind == "person" else float("inf")
        return Erasure({name: value * factor for name, value in edit.tensors.items()}, edit.record)


class LeavesAWeightForArtists(LeavesAWeight):
    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        which = Honest if task.concepts[0].kind == "person" else LeavesAWeight
        return which.erase(self, pipeline, task, workspace)


class PeekingPainter(Honest):
    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        workspace.sample([f"A sketch of {name}" for name in task.keep], range(len(task.keep)))
        return super().erase(pipeline, task, workspace)


class GeneratesAnything(Honest):
    @classmethod
    def check_kind(cls, kind: Kind) -> None:
        return


class Segmenting(Honest):
    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        workspace.segment([Image.new("RGB", (8, 8))], task.names[0])
        return super().erase(pipeline, task, workspace)


class SegmentingOpenly(Segmenting):
    segments: ClassVar[bool] = True


class SegmentingBeyondWhatItSays(SegmentingOpenly):
    def segments_for(self, kind: Kind) -> bool:
        return kind == "person"


BREACHES: list[tuple[type[Method], Callable[[Candidate], None], str]] = [
    (Undescribed, checks.declares_its_settings, "Config.amount has no description"),
    (AnyRecipe, checks.declares_its_settings, "recipe accepts any variant"),
    (LeavesAWeight, checks.restores_the_pipeline, "weight vae.encoder.conv_in.bias"),
    (LeavesAHook, checks.restores_the_pipeline, "hooks of unet.mid_block"),
    (LeavesFrozen, checks.restores_the_pipeline, "requires_grad of unet."),
    (LeavesTraining, checks.restores_the_pipeline, "training mode of text_encoder."),
    (LeavesAScheduler, checks.restores_the_pipeline, "attribute scheduler"),
    (Undeclared, checks.edits_only_what_it_declares, "declare it"),
    (Elsewhere, checks.edits_only_what_it_declares, "attn2.to_q.weight, but edits"),
    (Segmenting, checks.edits_only_what_it_declares, "segments = True"),
    (SegmentingBeyondWhatItSays, checks.edits_only_what_it_declares, r"segments_for\(kind\)"),
    (Infinite, checks.edits_only_what_it_declares, "NaN or infinity"),
    (Unsaved, checks.saves_and_loads_to_identical_images, "another digest"),
    (Unwritable, checks.saves_and_loads_to_identical_images, "JSON|float values"),
    (Careless, checks.is_deterministic_by_seed, "seed every generator"),
    (Accumulating, checks.is_deterministic_by_seed, "resumed run"),
    (Peeking, checks.never_sees_evaluation_prompts, "a portrait of ann"),
    (PeekingAtArtists, checks.never_sees_evaluation_prompts, "art inspired by ida"),
    (InfiniteForArtists, checks.edits_only_what_it_declares, "NaN or infinity"),
    (LeavesAWeightForArtists, checks.restores_the_pipeline, "weight vae.encoder.conv_in.bias"),
    (PeekingPainter, checks.never_sees_evaluation_prompts, "a sketch of bob bell"),
    (GeneratesAnything, checks.fails_clearly_on_a_kind_it_cannot_handle, "does not refuse it"),
]


@pytest.mark.parametrize("check", CHECKS)
def test_an_honest_method_passes(check: Callable[[Candidate], None]) -> None:
    check(Candidate(Honest, {"amount": 3.0}))


def test_a_method_that_says_so_may_segment() -> None:
    checks.edits_only_what_it_declares(Candidate(SegmentingOpenly))


@pytest.mark.parametrize(("method", "check", "message"), BREACHES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_breach_is_found_and_named(method: type[Method], check: Callable[[Candidate], None], message: str) -> None:
    with pytest.raises((AssertionError, ValueError), match=message):
        check(Candidate(method))


def test_settings_that_the_method_does_not_take_are_named() -> None:
    with pytest.raises(AssertionError, match="amont"):
        Candidate(Honest, {"amont": 3.0}).config("person")


def test_the_tokenizer_is_itself_again_after_it_was_overheard() -> None:
    candidate = Candidate(Honest)
    kind = type(candidate.pipeline.tokenizer)
    heard = candidate.erased().heard
    assert heard == ["Ann Ash in the rain", "Ann in the rain"]
    assert type(candidate.pipeline.tokenizer) is kind


def test_the_documentation_explains_every_check() -> None:
    page = (Path(__file__).parents[2] / "docs" / "adding-a-method.md").read_text(encoding="utf-8")
    explained = [line.split("`")[1] for line in page.splitlines() if line.startswith("| `")]
    assert [name for name in explained if hasattr(checks, name)] == [check.__name__ for check in CHECKS]
