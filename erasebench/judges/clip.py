"""CLIP as a judge: how well an image fits its prompt, and which class of a list it shows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import open_clip
import pandas as pd
import torch
from huggingface_hub import constants
from huggingface_hub.errors import HfHubHTTPError
from open_clip.model import CLIP
from PIL import Image
from safetensors import SafetensorError
from safetensors.torch import load_file

from erasebench.api import judge as base
from erasebench.api.judge import SCORED, Judge, Pixels
from erasebench.errors import UserError
from erasebench.files.source import source_digest
from erasebench.files.weights import check_reachable, hub_file
from erasebench.judges.sources import CLIP_FILE, CLIP_HUB_ID

OPENAI_MODEL = "ViT-B-32-quickgelu"
"""OpenAI's weights were trained with QuickGELU; under the plain 'ViT-B-32' config they load and score wrongly."""

Tokenizer = Callable[[list[str]], torch.Tensor]
Transform = Callable[[Image.Image], torch.Tensor]


class ClipEncoder:
    """An open_clip model with the tokenizer and the image transform it was trained with.

    Embeddings are float32 [n, d], of length one. `logit_scale` is the model's own temperature (100 for OpenAI's).
    """

    def __init__(
        self,
        label: str,
        model: CLIP,
        tokenizer: Tokenizer,
        transform: Transform,
        device: torch.device,
        batch_size: int = 64,
    ) -> None:
        self.label = label
        self.model = model.to(device).eval()
        self.tokenizer = tokenizer
        self.transform = transform
        self.device = device
        self.batch_size = batch_size

    @classmethod
    def from_openai(cls, weights: Path | None, device: torch.device) -> ClipEncoder:
        """ViT-B/32 with OpenAI's weights, from a file (OpenAI's .pt archive, .bin or .safetensors) or from the hub.

        UserError where the file does not hold them or the hub cannot be reached.
        """
        hint = f"hf download {CLIP_HUB_ID} {CLIP_FILE} --local-dir FOLDER, and give the file's path"
        try:
            if weights is None and hub_file(CLIP_HUB_ID, CLIP_FILE) is None and not constants.HF_HUB_OFFLINE:
                check_reachable(constants.ENDPOINT)
            state = None if weights is None else _read_state(weights)
            pretrained = "openai" if weights is None else None
            model, _, transform = open_clip.create_model_and_transforms(OPENAI_MODEL, pretrained=pretrained)
            if state is not None:
                model.load_state_dict(state)
        except (OSError, EOFError, RuntimeError, ValueError, SafetensorError, UnpicklingError, HfHubHTTPError) as error:
            source = "the hub" if weights is None else str(weights)
            reason = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise UserError(f"CLIP {OPENAI_MODEL} could not be loaded from {source}: {reason}", hint) from error
        return cls(f"{OPENAI_MODEL} openai", model, open_clip.get_tokenizer(OPENAI_MODEL), transform, device)

    def identity(self) -> dict[str, Any]:
        return {"clip": self.label, "weights": self.weights_digest}

    @cached_property
    def weights_digest(self) -> str:
        """sha256 over the names, shapes and values of the model's parameters and buffers, however they were stored."""
        digest = hashlib.sha256()
        for name, value in sorted(self.model.state_dict().items()):
            digest.update(f"{name}{tuple(value.shape)}".encode())
            digest.update(value.detach().float().cpu().contiguous().numpy().tobytes())
        return digest.hexdigest()

    @property
    def logit_scale(self) -> float:
        return float(self.model.logit_scale.detach().exp())

    @torch.no_grad()
    def images(self, images: Sequence[Pixels]) -> np.ndarray:
        parts = []
        for start in range(0, len(images), self.batch_size):
            batch = torch.stack([self.transform(Image.fromarray(i)) for i in images[start : start + self.batch_size]])
            parts.append(self.model.encode_image(batch.to(self.device), normalize=True).float().cpu().numpy())
        return np.concatenate(parts)

    @torch.no_grad()
    def texts(self, texts: Sequence[str]) -> np.ndarray:
        """Prompts longer than the context are cut at its end, as the reference does."""
        distinct = list(dict.fromkeys(texts))
        parts = []
        for start in range(0, len(distinct), self.batch_size):
            tokens = self.tokenizer(distinct[start : start + self.batch_size]).to(self.device)
            parts.append(self.model.encode_text(tokens, normalize=True).float().cpu().numpy())
        place = {text: at for at, text in enumerate(distinct)}
        return np.concatenate(parts)[[place[text] for text in texts]]


def _read_state(weights: Path) -> dict[str, torch.Tensor]:
    """A CLIP state dict; OpenAI's own download is a TorchScript archive with three extra integers in it."""
    if not weights.is_file():
        raise OSError("no such file")
    if weights.suffix == ".safetensors":
        return load_file(weights)
    try:
        state = torch.jit.load(str(weights), map_location="cpu").state_dict()  # type: ignore[no-untyped-call]
    except RuntimeError:
        state = torch.load(weights, map_location="cpu", weights_only=True)
    extra = ("input_resolution", "context_length", "vocab_size")
    return {name: value.float() for name, value in state.items() if name not in extra}


class ClipScoreJudge(Judge):
    """How well each image fits its own prompt. Column: `clip_score`, 100 x cosine of image and text embedding."""

    name = "clip-score"
    columns = ("clip_score",)

    def __init__(self, encoder: ClipEncoder) -> None:
        self.encoder = encoder

    @classmethod
    def from_openai(cls, weights: Path | None, device: torch.device) -> ClipScoreJudge:
        """The protocol's judge for Stable Diffusion; see `ClipEncoder.from_openai`."""
        return cls(ClipEncoder.from_openai(weights, device))

    def identity(self) -> dict[str, Any]:
        return {
            "judge": self.name,
            "encoder": self.encoder.identity(),
            "source": source_digest([base.__name__, __name__]),
        }

    def score(self, images: Sequence[Pixels], rows: pd.DataFrame) -> pd.DataFrame:
        seen = self.encoder.images(images)
        asked = self.encoder.texts([str(prompt) for prompt in rows["prompt"]])
        return pd.DataFrame({"outcome": SCORED, "clip_score": 100.0 * (seen * asked).sum(axis=1)})


class ClipAccuracyJudge(Judge):
    """Which class of a list each image shows, zero-shot, each class asked as `template` with its name in it.

    Columns: `predicted` (top-1 class), `asked` (the class that the row's concept belongs to; missing where it is in
    none) and `probability` (softmax over the classes, at the model's own temperature, of `asked`). They make two
    different metrics: the reference script averages the probability, other papers count how often the first two agree.
    """

    name = "clip-accuracy"
    columns = ("predicted", "asked", "probability")

    def __init__(
        self,
        encoder: ClipEncoder,
        classes: Sequence[str],
        template: str = "a photo of the {}",
        synonyms: Mapping[str, str] | None = None,
    ) -> None:
        """`synonyms` maps a synonym to its class, so that a row whose concept is 'car' counts for 'automobile'."""
        self.encoder = encoder
        self.classes = tuple(classes)
        self.template = template
        self.synonyms = dict(synonyms or {})

    @classmethod
    def from_openai(
        cls,
        weights: Path | None,
        device: torch.device,
        classes: Sequence[str],
        template: str = "a photo of the {}",
        synonyms: Mapping[str, str] | None = None,
    ) -> ClipAccuracyJudge:
        """The protocol's judge for Stable Diffusion; see `ClipEncoder.from_openai`."""
        return cls(ClipEncoder.from_openai(weights, device), classes, template, synonyms)

    def identity(self) -> dict[str, Any]:
        return {
            "judge": self.name,
            "encoder": self.encoder.identity(),
            "classes": list(self.classes),
            "template": self.template,
            "synonyms": dict(sorted(self.synonyms.items())),
            "source": source_digest([base.__name__, __name__]),
        }

    def score(self, images: Sequence[Pixels], rows: pd.DataFrame) -> pd.DataFrame:
        asked = self.encoder.texts([self.template.format(name) for name in self.classes])
        logits = self.encoder.logit_scale * self.encoder.images(images).astype(np.float64) @ asked.T
        probability = np.exp(logits - logits.max(axis=1, keepdims=True))
        probability /= probability.sum(axis=1, keepdims=True)
        place = {name: at for at, name in enumerate(self.classes)}
        wanted = [place.get(self.synonyms.get(concept, concept)) for concept in rows["concept"]]
        own = [float("nan") if at is None else float(p[at]) for p, at in zip(probability, wanted, strict=True)]
        top = [self.classes[at] for at in probability.argmax(axis=1)]
        asked_for = [None if at is None else self.classes[at] for at in wanted]
        return pd.DataFrame(
            {
                "outcome": SCORED,
                "predicted": pd.Series(top, dtype="object"),
                "asked": pd.Series(asked_for, dtype="object"),
                "probability": own,
            }
        )
