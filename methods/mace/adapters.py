"""Stage 2 for all concepts: train in batches, keep each LoRA on disk, take up a killed run where it was."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional as transforms

from erasebench.atomic import write_json
from erasebench.concepts import Concept
from erasebench.editing.text_states import TextStates
from erasebench.editing.tokens import PromptPair, end_of_text
from erasebench.identity import digest
from erasebench.method import Workspace

from .config import MaceConfig
from .data import TrainingImages, concept_folder, stream_seed
from .lora import Lora
from .peft_format import WEIGHTS_FILE, export_lora, import_lora
from .training import TrainingConcept, train_loras

LOSS_FILE = "training.json"
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class TrainedLora:
    """A concept's LoRA and its loss at the first and the last step."""

    lora: Lora
    first_loss: float
    last_loss: float


def trained_loras(
    pipeline: StableDiffusionPipeline,
    text: TextStates,
    concepts: Sequence[Concept],
    pairs: Mapping[str, Sequence[PromptPair]],
    images: Sequence[TrainingImages],
    config: MaceConfig,
    workspace: Workspace,
) -> list[TrainedLora]:
    """The LoRA of every concept, trained on the pipeline as it stands, `concepts_per_batch` at a time.

    Batches are always the same ones, whatever a killed run had finished, so a resumed run gives the same bits. Each
    LoRA is a peft folder in the workspace, under the digest of all prompts: one that was trained on others is no use.
    """
    loras: list[TrainedLora] = []
    stage = f"loras-{digest([[pair.erased, pair.anchored] for own in pairs.values() for pair in own])[:8]}"
    with workspace.progress(len(concepts) * config.steps, "MACE: LoRAs") as progress:
        for first in range(0, len(concepts), config.concepts_per_batch):
            chunk = concepts[first : first + config.concepts_per_batch]
            folders = [concept_folder(workspace, stage, concept) for concept in chunk]
            if all((folder / WEIGHTS_FILE).exists() for folder in folders):
                progress(len(chunk) * config.steps)
            else:
                training = [
                    _training_concept(pipeline, text, concept, pairs[concept.name], own, config, workspace)
                    for concept, own in zip(chunk, images[first:], strict=False)
                ]
                trained, losses = train_loras(pipeline, training, config, progress)
                for concept, folder, lora, curve in zip(chunk, folders, trained, losses.T.tolist(), strict=True):
                    write_json(folder / LOSS_FILE, {"concept": concept.name, "first": curve[0], "last": curve[-1]})
                    export_lora(lora, folder)
            for folder in folders:
                loss = json.loads((folder / LOSS_FILE).read_text(encoding="utf-8"))
                loras.append(TrainedLora(import_lora(folder), loss["first"], loss["last"]))
    return loras


def suppressed_tokens(text: TextStates, pairs: Sequence[PromptPair], use_pooler: bool) -> Tensor:
    """Bool [prompts, context]: the phrase's tokens and, with `use_pooler`, the end-of-text token and its padding."""
    tokens = torch.zeros(len(pairs), text.context, dtype=torch.bool)
    for row, pair in zip(tokens, pairs, strict=True):
        row[pair.erased_span.start : pair.erased_span.stop] = True
        if use_pooler:
            row[end_of_text(text.tokenizer, pair.erased) :] = True
    return tokens


def normalised(images: Sequence[Image.Image], rule: str) -> Tensor:
    """Images as [n, 3, H, W]: 'vae' in [-1, 1], 'imagenet' with ImageNet's mean and deviation (as released)."""
    pixels = torch.stack([transforms.pil_to_tensor(image.convert("RGB")) for image in images]).float() / 255
    if rule == "imagenet":
        mean, deviation = (torch.tensor(values)[:, None, None] for values in (IMAGENET_MEAN, IMAGENET_DEVIATION))
        return (pixels - mean) / deviation
    return pixels * 2 - 1


@torch.no_grad()
def _training_concept(
    pipeline: StableDiffusionPipeline,
    text: TextStates,
    concept: Concept,
    pairs: Sequence[PromptPair],
    images: TrainingImages,
    config: MaceConfig,
    workspace: Workspace,
) -> TrainingConcept:
    device, vae = pipeline.unet.device, pipeline.vae
    pixels = normalised(images.images, config.image_normalisation).to(device, vae.dtype)
    encoded = vae.encode(pixels).latent_dist
    scale = vae.config.scaling_factor
    return TrainingConcept(
        latent_mean=(encoded.mean * scale).to(pipeline.unet.dtype),
        latent_deviation=(encoded.std * scale).to(pipeline.unet.dtype),
        masks=torch.from_numpy(images.masks).to(device),
        states=text.encode([pair.erased for pair in pairs]).to(device, pipeline.unet.dtype),
        tokens=suppressed_tokens(text, pairs, config.use_pooler).to(device),
        generator=torch.Generator("cpu").manual_seed(stream_seed(workspace, concept, "LoRA")),
    )
