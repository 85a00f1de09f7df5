"""What methods that train have in common beside their settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from erasebench.api.method import Method

if TYPE_CHECKING:
    from diffusers import StableDiffusionPipeline


class TrainingMethod(Method):
    """A method whose formula is written for a network that predicts the noise or v."""

    def check_model(self, pipeline: StableDiffusionPipeline) -> None:
        """UserError for a model that predicts anything else, or that is given its guidance."""
        from erasebench.training.tuned_unet import require_noise_or_velocity

        require_noise_or_velocity(pipeline)
