"""Trains the judge CLIP on pictures and captions of its own; it shares nothing with the pipeline's text tower."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import torch
from open_clip.model import CLIP
from torch import Tensor, nn
from torch.nn import functional

from erasebench.worlds.miniature import concept_lists, painter
from erasebench.worlds.miniature.judges.clip import FOLDER, WEIGHTS, WordTokenizer, save_clip_parts, split_words
from erasebench.worlds.miniature.judges.networks import normalised, save_network
from erasebench.worlds.miniature.lab.train.augment import degrade, warp
from erasebench.worlds.miniature.lab.train.loop import fit, step_generator
from erasebench.worlds.miniature.lab.train.pictures import (
    PICTURES,
    Pictures,
    Reconstruct,
    draw,
    mixture,
    paint_pictures,
)
from erasebench.worlds.miniature.painter import captions
from erasebench.worlds.miniature.painter.objects import CLASSES, SYNONYMS

T = TypeVar("T")

STEPS = 1500
BATCH = 128
SEED = 404
_OTHERS = 96
_LARGEST_SCALE = 4.6052
"""log 100: CLIP's own bound on its temperature."""

_PAINT = mixture(
    {
        lambda rng: painter.paint_person(None, None, rng): 0.3,
        lambda rng: painter.paint_style(None, rng): 0.3,
        lambda rng: painter.paint_object(None, rng): 0.2,
        lambda rng: painter.paint_general(rng): 0.12,
        lambda rng: painter.paint_mannequin(None, rng): 0.08,
    }
)

ARTISTS = tuple(artist.name for artist in concept_lists.artists())
PEOPLE = tuple(person.name for person in concept_lists.people())


def vocabulary(painted: Sequence[str]) -> list[str]:
    """Every word of the world: of the captions painted, the concept lists, the classes and their synonyms; sorted."""
    texts = [*painted, *ARTISTS, *PEOPLE, *CLASSES, *(word for words in SYNONYMS.values() for word in words)]
    return sorted({word for text in texts for word in split_words(text)})


def train(
    out: Path,
    device: torch.device,
    steps: int | None = None,
    *,
    pictures: int = PICTURES,
    reconstruct: Reconstruct | None = None,
) -> None:
    """Write `out`/clip. `reconstruct` is the trained autoencoder's way there and back, if any."""
    data = paint_pictures(pictures, SEED, _PAINT, reconstruct=reconstruct)
    words = vocabulary(data.captions)
    torch.manual_seed(SEED)
    model, tokenizer = save_clip_parts(out / FOLDER, words)
    loss = ClipLoss(data, tokenizer, device)
    model = fit("clip", model, loss, steps=steps or STEPS, lr=1e-3, out=out, device=device, weight_decay=0.05)
    save_network(model, out / FOLDER / WEIGHTS, words)


class ClipLoss:
    """CLIP's contrastive loss, and the zero-shot question itself: which of all the names does this prompt with?

    Two captions that read alike are one text, with several pictures. The zero-shot part puts many artists, people and
    all classes beside the right one, of which a batch alone holds but a few.
    """

    def __init__(self, data: Pictures, tokenizer: WordTokenizer, device: torch.device) -> None:
        self.images = torch.from_numpy(data.images)
        self.captions = data.captions
        self.tokenizer = tokenizer
        self.device = device
        self.artist = _places([labels.artist for labels in data.labels], ARTISTS)
        self.person = _places([labels.who for labels in data.labels], PEOPLE)
        single = [labels.objects[0] if len(labels.objects) == 1 else None for labels in data.labels]
        self.object = _places(single, CLASSES)

    def __call__(self, model: nn.Module, step: int) -> tuple[Tensor, dict[str, float]]:
        assert isinstance(model, CLIP)
        generator = step_generator(SEED, step)
        chosen = draw(len(self.images), BATCH, generator)
        x = degrade(warp(normalised(self.images[chosen].to(self.device)), generator), generator)
        seen = model.encode_image(x, normalize=True).float()
        scale = model.logit_scale.clamp(max=_LARGEST_SCALE).exp()
        contrast = self._contrast(model, seen, scale, [self.captions[at] for at in chosen])
        targets, prompts = self._question(step, chosen, generator)
        asked = scale * seen @ self._texts(model, prompts).T
        objects = scale * seen @ self._texts(model, self._classes(generator)).T
        named = _answered(asked, targets) + _answered(objects, self.object[chosen])
        return contrast + named, {"contrast": float(contrast.detach()), "named": float(named.detach())}

    def _texts(self, model: CLIP, texts: list[str]) -> Tensor:
        return model.encode_text(self.tokenizer(texts).to(self.device), normalize=True).float()

    def _contrast(self, model: CLIP, seen: Tensor, scale: Tensor, texts: list[str]) -> Tensor:
        distinct = list(dict.fromkeys(texts))
        target = torch.tensor([distinct.index(text) for text in texts], device=seen.device)
        logits = scale * seen @ self._texts(model, distinct).T
        own = functional.one_hot(target, len(distinct)).float().T
        by_text = functional.log_softmax(logits.T, dim=1)
        return (functional.cross_entropy(logits, target) - (own / own.sum(1, keepdim=True) * by_text).sum(1).mean()) / 2

    def _classes(self, generator: torch.Generator) -> list[str]:
        """All ten classes, by name or synonym, under one template."""
        template = _one(captions.OBJECT, generator)
        words = [_one((name, name, *SYNONYMS[name]), generator) for name in CLASSES]
        return [captions.with_article(template.format(word)) for word in words]

    def _question(self, step: int, chosen: Tensor, generator: torch.Generator) -> tuple[Tensor, list[str]]:
        """By turns artists or people: those of the batch and others listed, under one template, and who is right.

        Targets [batch] are places among the prompts, or -1 for a picture that the question is not about.
        """
        if step % 2:
            names, truth = ARTISTS, self.artist[chosen]
            template = _one((*captions.STYLE, *captions.STYLE, *captions.STYLE_MORE), generator)
        else:
            names, truth = PEOPLE, self.person[chosen]
            template, _ = _one((*captions.PERSON, *captions.PERSON, *captions.PERSON_MORE), generator)
        others = torch.randperm(len(names), generator=generator)[:_OTHERS]
        asked = torch.cat([truth[truth >= 0], others]).unique()
        targets = torch.where(truth >= 0, torch.searchsorted(asked, truth.clamp(min=0)), -1)
        return targets, [template.format(names[at]) for at in asked.tolist()]


def _answered(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean cross-entropy over the pictures that have an answer; 0 where none has."""
    targets = targets.to(logits.device)
    total = functional.cross_entropy(logits, targets, ignore_index=-1, reduction="sum")
    return total / (targets >= 0).sum().clamp(min=1)


def _places(found: Sequence[str | None], names: Sequence[str]) -> Tensor:
    place = {name: at for at, name in enumerate(names)}
    return torch.tensor([-1 if name is None else place[name] for name in found])


def _one(options: Sequence[T], generator: torch.Generator) -> T:
    return options[int(torch.randint(len(options), (1,), generator=generator))]
