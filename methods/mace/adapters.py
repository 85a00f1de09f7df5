"""Stage 2 for all concepts: train in batches, keep each LoRA on disk, take up a killed run where it was."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from diffusers import StableDiffusionPipeline
from torch import Tensor
from torchvision.transforms import functional as transforms

from erasebench.api.concepts import Concept
from erasebench.api.method import Workspace
from erasebench.editing.text_states import TextStates
from erasebench.editing.tokens import PromptPair, suppressed_positions
from erasebench.files.sealed import whole, write_sealed_json
from erasebench.identity import digest
from erasebench.training.images import autoencoder_range, encoded
from erasebench.training.seeds import generator_of

from .config import MaceConfig
from .data import TrainingImages, concept_folder
from .lora import Lora
from .peft_format import CONFIG_FILE, WEIGHTS_FILE, export_lora, import_lora
from .training import TrainingConcept, train_loras

LOSS_FILE = "training.json"
NORMALISATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "vae": autoencoder_range,
    # ImageNet's mean and deviation, as the release has it.
    "imagenet": partial(transforms.normalize, mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
}


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
            if all(whole(folder / name) for folder in folders for name in (WEIGHTS_FILE, CONFIG_FILE, LOSS_FILE)):
                progress(len(chunk) * config.steps)
            else:
                training = [
                    _training_concept(pipeline, text, concept, pairs[concept.name], own, config, workspace)
                    for concept, own in zip(chunk, images[first:], strict=False)
                ]
                trained, losses = train_loras(pipeline, training, config, progress)
                for concept, folder, lora, curve in zip(chunk, folders, trained, losses.T.tolist(), strict=True):
                    write_sealed_json(
                        folder / LOSS_FILE, {"concept": concept.name, "first": curve[0], "last": curve[-1]}
                    )
                    export_lora(lora, folder)
            for folder in folders:
                loss = json.loads((folder / LOSS_FILE).read_text(encoding="utf-8"))
                loras.append(TrainedLora(import_lora(folder), loss["first"], loss["last"]))
    return loras


def _training_concept(
    pipeline: StableDiffusionPipeline,
    text: TextStates,
    concept: Concept,
    pairs: Sequence[PromptPair],
    images: TrainingImages,
    config: MaceConfig,
    workspace: Workspace,
) -> TrainingConcept:
    device = pipeline.unet.device
    tokens = [suppressed_positions(text.tokenizer, pair.erased, pair.erased_span, config.use_pooler) for pair in pairs]
    return TrainingConcept(
        latents=encoded(pipeline, images.images, NORMALISATIONS[config.image_normalisation]),
        masks=torch.from_numpy(images.masks).to(device),
        states=text.encode([pair.erased for pair in pairs]).to(device, pipeline.unet.dtype),
        tokens=torch.tensor(tokens, device=device),
        generator=generator_of(workspace, f"MACE: LoRA of {concept.name}"),
    )
