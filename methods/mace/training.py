"""Stage 2, masked LoRA training: several concepts in one U-Net batch, each as if it trained alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from diffusers import DDPMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor

from erasebench.editing.cross_attention import projections, recorded_attention

from .attention_loss import AttentionLoss
from .config import MaceConfig
from .lora import Lora, LoraBatch
from .timesteps import timestep_density


@dataclass(frozen=True)
class TrainingConcept:
    """What one concept's LoRA trains on, on the U-Net's device.

    `latent_mean`, `latent_deviation`: [images, channels, h, w], scaled as the U-Net expects; `masks`: bool
    [images, H, W]; `states`: [prompts, positions, d]; `tokens`: bool [prompts, positions], the tokens to suppress;
    `generator`: the concept's own stream on the CPU, from which everything random about it is drawn.
    """

    latent_mean: Tensor
    latent_deviation: Tensor
    masks: Tensor
    states: Tensor
    tokens: Tensor
    generator: torch.Generator


@dataclass(frozen=True)
class Sample:
    """One training example: a noised image, its timestep, and the prompt's states with the tokens to suppress."""

    latents: Tensor
    noise: Tensor
    timestep: int
    mask: Tensor
    states: Tensor
    tokens: Tensor


def draw(concept: TrainingConcept, density: Tensor) -> Sample:
    """One example from the concept's own stream: image, prompt, timestep, then the noises."""
    stream = concept.generator
    image = int(torch.randint(len(concept.masks), (1,), generator=stream))
    prompt = int(torch.randint(len(concept.states), (1,), generator=stream))
    timestep = int(torch.multinomial(density, 1, generator=stream))
    mean, deviation = concept.latent_mean[image], concept.latent_deviation[image]
    encoder_noise, noise = (torch.randn(mean.shape, generator=stream).to(mean) for _ in range(2))
    return Sample(
        latents=mean + deviation * encoder_noise,
        noise=noise,
        timestep=timestep,
        mask=concept.masks[image],
        states=concept.states[prompt],
        tokens=concept.tokens[prompt],
    )


def train_loras(
    pipeline: StableDiffusionPipeline,
    concepts: Sequence[TrainingConcept],
    config: MaceConfig,
    progress: Callable[[int], None],
) -> tuple[list[Lora], Tensor]:
    """One LoRA per concept, on the pipeline's U-Net as it stands (the refined weights), and the losses [steps, k].

    The LoRAs are independent: own samples, gradients clipped per concept, and AdamW's state is per element, so a batch
    of k gives what k runs would. The loss reaches no U-Net weight and leaves the U-Net as it was. `progress` is told
    the number of concept steps done.
    """
    unet = pipeline.unet
    diffusion = DDPMScheduler.from_config(pipeline.scheduler.config)
    density = timestep_density(config, diffusion.config.num_train_timesteps)
    loras = LoraBatch(projections(unet), [concept.generator for concept in concepts], config.rank)
    optimizer = torch.optim.AdamW(
        loras.parameters(),
        lr=config.learning_rate,
        betas=(config.beta1, config.beta2),
        weight_decay=config.weight_decay,
    )
    losses = []
    with frozen(unet), loras.attached():
        for _ in range(config.steps):
            loss = attention_loss(unet, diffusion, [draw(concept, density) for concept in concepts])
            optimizer.zero_grad()
            torch.autograd.backward(loss.sum())
            loras.clip_gradients(config.gradient_clip)
            optimizer.step()
            losses.append(loss.detach().cpu())
            progress(len(concepts))
    return loras.split(), torch.stack(losses)


def attention_loss(unet: UNet2DConditionModel, diffusion: DDPMScheduler, samples: Sequence[Sample]) -> Tensor:
    """The loss of each sample [k] in one U-Net pass."""
    latents = torch.stack([sample.latents for sample in samples])
    timesteps = torch.tensor([sample.timestep for sample in samples], device=latents.device)
    noised = diffusion.add_noise(latents, torch.stack([sample.noise for sample in samples]), timesteps)
    loss = AttentionLoss(
        masks=torch.stack([sample.mask for sample in samples]),
        tokens=torch.stack([sample.tokens for sample in samples]),
        latent_size=(latents.shape[2], latents.shape[3]),
    )
    with recorded_attention(unet, loss.record):
        # The noise prediction itself is dropped: backpropagation then skips all that follows the last attn2.
        unet(noised, timesteps, encoder_hidden_states=torch.stack([sample.states for sample in samples]))
    return loss.per_sample()


@contextmanager
def frozen(unet: UNet2DConditionModel) -> Iterator[None]:
    """No weight of the U-Net asks for a gradient inside the block; each gets its own flag back."""
    flags = [(parameter, parameter.requires_grad) for parameter in unet.parameters()]
    try:
        for parameter, _ in flags:
            parameter.requires_grad_(False)
        yield
    finally:
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
