"""Stage 2, masked LoRA training: several concepts in one U-Net batch, each as if it trained alone.

Not by erasebench.training.loop.fit, since k runs go on here at once: each concept has a loss, a limit of its gradient
and a random stream of its own, and what a kill leaves are whole batches of LoRAs, not a run half way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor

from erasebench.editing.cross_attention import projections, recorded_attention
from erasebench.training.images import Latents, NoisedImages
from erasebench.training.loop import finite, reproducible
from erasebench.training.tuned_unet import frozen

from .attention_loss import AttentionLoss
from .config import MaceConfig
from .lora import Lora, LoraBatch
from .timesteps import timestep_density


@dataclass(frozen=True)
class TrainingConcept:
    """What one concept's LoRA trains on, on the U-Net's device.

    `latents` of its images; `masks`: bool [images, H, W]; `states`: [prompts, positions, d]; `tokens`: bool
    [prompts, positions], the tokens to suppress; `generator`: the concept's own stream on the CPU, from which
    everything random about it is drawn.
    """

    latents: Latents
    masks: Tensor
    states: Tensor
    tokens: Tensor
    generator: torch.Generator


@dataclass(frozen=True)
class Sample:
    """One training example: a noised image, its mask, and the prompt's states with the tokens to suppress."""

    x: NoisedImages
    mask: Tensor
    states: Tensor
    tokens: Tensor


def draw(concept: TrainingConcept, density: Tensor) -> Sample:
    """One example from the concept's own stream: image, prompt, timestep, then the noises."""
    stream = concept.generator
    image = torch.randint(len(concept.latents), (1,), generator=stream)
    prompt = int(torch.randint(len(concept.states), (1,), generator=stream))
    return Sample(
        x=concept.latents.noised(image, stream, density),
        mask=concept.masks[int(image)],
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
    of k gives what k runs would. The loss reaches no U-Net weight and leaves the U-Net as it was. `progress` is given
    the number of concept steps done. UserError where the loss stops being a number, and as in frozen.
    """
    unet = pipeline.unet
    density = timestep_density(config, pipeline.scheduler.config.num_train_timesteps)
    loras = LoraBatch(projections(unet), [concept.generator for concept in concepts], config.rank)
    rates = {".to_k": config.learning_rate, ".to_v": config.learning_rate * config.value_rate}
    optimizer = torch.optim.AdamW(
        [{"params": loras.parameters(part), "lr": rate} for part, rate in rates.items()],
        betas=(config.beta1, config.beta2),
        weight_decay=config.weight_decay,
    )
    losses = []
    with frozen(pipeline), loras.attached(), reproducible(unet.device):
        for step in range(config.steps):
            loss = attention_loss(unet, [draw(concept, density) for concept in concepts])
            finite(float(loss.detach().sum()), step, "MACE: LoRAs")
            optimizer.zero_grad()
            torch.autograd.backward(loss.sum())
            loras.clip_gradients(config.gradient_clip)
            optimizer.step()
            losses.append(loss.detach().cpu())
            progress(len(concepts))
    return loras.split(), torch.stack(losses)


def attention_loss(unet: UNet2DConditionModel, samples: Sequence[Sample]) -> Tensor:
    """The loss of each sample [k] in one U-Net pass."""
    latents = torch.cat([sample.x.latents for sample in samples])
    timesteps = torch.cat([sample.x.timesteps for sample in samples])
    loss = AttentionLoss(
        masks=torch.stack([sample.mask for sample in samples]),
        tokens=torch.stack([sample.tokens for sample in samples]),
        latent_size=(latents.shape[2], latents.shape[3]),
    )
    with recorded_attention(unet, loss.record):
        # The noise prediction itself is dropped: backpropagation then skips all that follows the last attn2.
        unet(latents, timesteps, encoder_hidden_states=torch.stack([sample.states for sample in samples]))
    return loss.per_sample()
