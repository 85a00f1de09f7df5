"""MACE: Mass Concept Erasure in Diffusion Models (Lu et al., CVPR 2024, arXiv 2403.06135)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from erasebench.api.concepts import EVERY_KIND, ErasureTask, Kind
from erasebench.api.method import MethodConfig, Workspace
from erasebench.editing.parameters import is_projection
from erasebench.training.method import TrainingMethod

from .config import MaceConfig
from .recipes import recipe, released_runs

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline

    from erasebench.api.erasure import Erasure


class Mace(TrainingMethod):
    """Closed-form refinement, one masked LoRA per concept, closed-form fusion."""

    name: ClassVar[str] = "mace"
    kinds: ClassVar[frozenset[Kind]] = EVERY_KIND
    Config: ClassVar[type[MethodConfig]] = MaceConfig
    segments: ClassVar[bool] = True

    @classmethod
    def recipe(cls, *, world: str, kind: Kind, n_concepts: int, variant: str = "default") -> MaceConfig:
        """The settings for a world, kind and number of concepts. UserError for an unknown variant."""
        cls.check_variant(variant, *released_runs(kind), kind=kind)
        chosen = cls.chosen_settings(world, kind)
        return recipe(world=world, kind=kind, n_concepts=n_concepts, variant=variant, chosen=chosen)

    def segments_for(self, kind: Kind) -> bool:
        """Styles have no masks, and refinement alone needs no images."""
        config: MaceConfig = self.config
        return kind != "style" and config.fusion != "refinement-only"

    def edits(self, parameter: str) -> bool:
        """Key and value projections of the text cross-attention."""
        return is_projection(parameter)

    @property
    def external(self) -> bool:
        """Where a language model writes the prompts."""
        config: MaceConfig = self.config
        return config.prompt_endpoint is not None

    def erase(self, pipeline: StableDiffusionPipeline, task: ErasureTask, workspace: Workspace) -> Erasure:
        """The new key and value projections of every attn2 block; `pipeline` is left as it was found.

        Resumes from the workspace's folder (written prompts, training images, masks, LoRAs). UserError for a name that
        does not fit the text encoder's context, a singular solve, a concept that the segmenter finds nowhere, a
        prompt endpoint that is away, or a model that does not predict the noise.
        """
        # Listing and configuring methods must not load torch, so the stages are imported where they run.
        from erasebench.editing.text_states import TextStates
        from erasebench.editing.transfer import float64_projections

        from .adapters import trained_loras
        from .data import prepare
        from .fusion import add_naively, fuse
        from .language_model import recorded_answers, written_prompts
        from .outcome import erasure_of
        from .prompts import prior_of, prompt_pairs
        from .refinement import co_occurring_tokens, refine

        config: MaceConfig = self.config
        self.check_model(pipeline)
        text = TextStates(pipeline, config.text_batch_size)
        original = float64_projections(pipeline.unet, workspace.device)
        written = written_prompts(text, task, config, workspace)
        templates = {name: prompts.templates for name, prompts in written.items()}
        pairs = {
            concept.name: prompt_pairs(text, concept, config, templates.get(concept.name)) for concept in task.concepts
        }
        answers = recorded_answers(written)
        prior = prior_of(text, task, config, workspace.device)

        aligned = (co_occurring_tokens(text, own, config) for own in pairs.values())
        refined, condition = refine(original, aligned, prior, config)
        conditions = {"refinement": condition}
        if config.fusion == "refinement-only":
            return erasure_of(refined, task, pairs, prior, conditions, answers)

        images = prepare(task.concepts, config, workspace)
        with erasure_of(refined, task, pairs, prior, conditions, answers).applied_to(pipeline):
            loras = trained_loras(pipeline, text, task.concepts, pairs, images, config, workspace)

        if config.fusion == "naive-sum":
            fused = add_naively(refined, (trained.lora for trained in loras))
        else:
            states = (text.encode([pair.erased for pair in pairs[concept.name]]) for concept in task.concepts)
            learnt = zip(states, (trained.lora for trained in loras), strict=True)
            fused, conditions["fusion"] = fuse(original, refined, learnt, prior, config)
        return erasure_of(fused, task, pairs, prior, conditions, answers, images, loras)
