"""The judge CLIP of the miniature: an open_clip model of its own config, vocabulary and weights."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import open_clip
import torch
from open_clip.model import CLIP

from erasebench.errors import UserError
from erasebench.files.atomic import write_json
from erasebench.judges.clip import ClipAccuracyJudge, ClipEncoder

from .networks import SIZE, load_network

FOLDER = "clip"
WEIGHTS, CONFIG, VOCABULARY = "model.safetensors", "config.json", "vocabulary.json"
MEAN = STD = (0.5, 0.5, 0.5)
_SPECIAL = ("<pad>", "<unknown>")
_WORD = re.compile(r"[a-z0-9]+|[^\sa-z0-9]")


class ArtistAccuracyJudge(ClipAccuracyJudge):
    """Which artist's hand an image shows, zero-shot among the artists of the world; columns as the class judge's."""

    name = "artist-accuracy"


class WordTokenizer:
    """Whole lower-case words to token ids [n, context_length]; an unknown word has an id of its own.

    The end of the text has the highest id, where open_clip's text tower looks for it; longer texts are cut at the end.
    """

    def __init__(self, words: Iterable[str], context_length: int) -> None:
        self.words = tuple(words)
        self.context_length = context_length
        self.ids = {word: at for at, word in enumerate((*_SPECIAL, *self.words))}
        self.start = len(self.ids)
        self.end = self.start + 1

    @property
    def vocabulary_size(self) -> int:
        return self.end + 1

    def __call__(self, texts: list[str]) -> torch.Tensor:
        tokens = torch.zeros(len(texts), self.context_length, dtype=torch.long)
        for row, text in zip(tokens, texts, strict=True):
            ids = [self.ids.get(word, 1) for word in split_words(text)][: self.context_length - 2]
            row[: len(ids) + 2] = torch.tensor([self.start, *ids, self.end])
        return tokens


def split_words(text: str) -> list[str]:
    """'Paul Marsh, on stage' -> ['paul', 'marsh', ',', 'on', 'stage']"""
    return _WORD.findall(text.lower())


def clip_config(vocabulary_size: int) -> dict[str, Any]:
    """open_clip's config of the judge: its ResNet, small (a ViT needs more pictures), and two layers of text."""
    return {
        "embed_dim": 96,
        "vision_cfg": {"image_size": SIZE, "layers": [1, 2, 2, 1], "width": 16},
        "text_cfg": {"context_length": 24, "vocab_size": vocabulary_size, "width": 128, "heads": 4, "layers": 2},
    }


def save_clip_parts(folder: Path, words: Iterable[str]) -> tuple[CLIP, WordTokenizer]:
    """A fresh model for this vocabulary, with config and vocabulary written to `folder`."""
    kept = tuple(words)
    context = clip_config(0)["text_cfg"]["context_length"]
    tokenizer = WordTokenizer(kept, context)
    config = clip_config(tokenizer.vocabulary_size)
    write_json(folder / CONFIG, config)
    write_json(folder / VOCABULARY, list(kept))
    return CLIP(**config), tokenizer


def miniature_clip(folder: Path, device: torch.device, batch_size: int = 64) -> ClipEncoder:
    """The trained encoder from `folder`/clip; UserError where a file of it is missing or does not fit the others."""
    place = folder / FOLDER
    try:
        config = json.loads((place / CONFIG).read_text(encoding="utf-8"))
        words = json.loads((place / VOCABULARY).read_text(encoding="utf-8"))
    except (OSError, json.JSONDecodeError) as error:
        raise UserError(
            f"the judge CLIP's files in {place} cannot be read: {error}",
            "restore them from the package, or train them: python -m erasebench.worlds.miniature.lab.train",
        ) from error
    tokenizer = WordTokenizer(words, config["text_cfg"]["context_length"])
    model = load_network(CLIP(**config), place / WEIGHTS, words, device)
    transform = open_clip.image_transform(SIZE, is_train=False, mean=MEAN, std=STD)
    return ClipEncoder("miniature", model, tokenizer, transform, device, batch_size)
