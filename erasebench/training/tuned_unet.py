"""A U-Net of which some weights are tuned while the original can still be asked, and which is put back afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor, nn
from torch.func import functional_call

from erasebench.errors import UserError


class TunedUnet:
    """The prediction, of the noise or of v, with the weights as they are now, and with the original ones.

    `parameters`: what is tuned, by name in the U-Net. Latents are [n, channels, h, w], timesteps [n] or a number,
    states [n, tokens, d].
    """

    def __init__(self, unet: UNet2DConditionModel, parameters: dict[str, nn.Parameter]) -> None:
        self.unet = unet
        self.parameters = parameters
        self._originals = {name: parameter.data for name, parameter in parameters.items()}

    def eps(self, latents: Tensor, timesteps: Tensor | int, states: Tensor) -> Tensor:
        """eps(x_t, c) of the weights being tuned, with gradients unless the caller switches them off."""
        prediction: Tensor = self.unet(latents, timesteps, encoder_hidden_states=states, return_dict=False)[0]
        return prediction

    @torch.no_grad()
    def eps0(self, latents: Tensor, timesteps: Tensor | int, states: Tensor) -> Tensor:
        """eps_0(x_t, c) of the original weights; only what is tuned exists twice in memory."""
        given = {"encoder_hidden_states": states, "return_dict": False}
        prediction: Tensor = functional_call(self.unet, dict(self._originals), (latents, timesteps), given)[0]
        return prediction

    def edit(self) -> dict[str, Tensor]:
        """The weights that differ from the original, as an Erasure names them: float32 on the CPU."""
        return {
            f"unet.{name}": parameter.detach().to("cpu", torch.float32, copy=True)
            for name, parameter in self.parameters.items()
            if not torch.equal(parameter.data, self._originals[name])
        }


@contextmanager
def tuned(pipeline: StableDiffusionPipeline, chosen: Callable[[str], bool]) -> Iterator[TunedUnet]:
    """The pipeline's U-Net with copies in place of the parameters whose 'unet.<name>' is `chosen`; all others frozen.

    On leaving, weights, gradients and flags are as they were, bit for bit. UserError where nothing is chosen, and for a
    model that predicts neither the noise nor v, which every training method's formula is written for.
    """
    parameters = {name: each for name, each in pipeline.unet.named_parameters() if chosen(f"unet.{name}")}
    if not parameters:
        raise UserError(
            "The U-Net has none of the parameters to be tuned.", "Use a model of Stable Diffusion's format."
        )
    with frozen(pipeline):
        model = TunedUnet(pipeline.unet, parameters)
        originals = {name: parameter.data for name, parameter in parameters.items()}
        try:
            for parameter in parameters.values():
                parameter.data = parameter.data.clone()
                parameter.requires_grad_(True)
            yield model
        finally:
            for name, parameter in parameters.items():
                parameter.data, parameter.grad = originals[name], None


@contextmanager
def frozen(pipeline: StableDiffusionPipeline) -> Iterator[TunedUnet]:
    """The pipeline's U-Net with no weight of it or of the text encoder asking for a gradient; then as they were.

    For what trains beside the weights. UserError for a model that predicts neither the noise nor v.
    """
    require_noise_or_velocity(pipeline)
    parts = (pipeline.unet, pipeline.text_encoder)
    flags = [(parameter, parameter.requires_grad) for part in parts for parameter in part.parameters()]
    try:
        for parameter, _ in flags:
            parameter.requires_grad_(False)
        yield TunedUnet(pipeline.unet, {})
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)


def require_noise_or_velocity(pipeline: StableDiffusionPipeline) -> None:
    """UserError for a model that predicts anything else, or predicts it under a guidance that it is given.

    v is what Stable Diffusion v2.1 at 768 pixels predicts; the guidance is given to a latent-consistency model.
    """
    predicts = pipeline.scheduler.config.get("prediction_type", "epsilon")
    if predicts not in ("epsilon", "v_prediction"):
        raise UserError(
            f"The model predicts '{predicts}', but this method's formula is for the noise (epsilon) or v.",
            "Use a model that predicts one of them, as Stable Diffusion v1.x and v2.x do.",
        )
    if pipeline.unet.config.get("time_cond_proj_dim") is not None:
        raise UserError(
            "The model takes guidance as an input (a latent-consistency model), which this method does not support.",
            "Erase on the model that it was distilled from, or with a closed form such as uce.",
        )
