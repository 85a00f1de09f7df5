"""Trains the attribute reader on people, strangers and everything else; its features serve FID-mini as well."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from erasebench.worlds.miniature import concept_lists, painter
from erasebench.worlds.miniature.judges.attributes import FILE, HEADS, LABELS, PRESENCE, AttributeNetwork
from erasebench.worlds.miniature.judges.networks import channels_last, normalised, save_network
from erasebench.worlds.miniature.lab.train.augment import degrade, warp
from erasebench.worlds.miniature.lab.train.loop import fit, step_generator
from erasebench.worlds.miniature.lab.train.pictures import PICTURES, Reconstruct, draw, mixture, paint_pictures
from erasebench.worlds.miniature.painter.captions import STYLE_ANONYMOUS

STEPS = 1500
BATCH = 96
SEED = 202
_UNKNOWN = -1
_ART_HEADS = ("palette", "stroke")


def paint_stranger(rng: np.random.Generator) -> painter.Picture:
    """A person who is nobody listed: random attributes, so that looks are read one by one and not as a name."""
    while True:
        picture = painter.paint_general(rng)
        if picture.labels.face:
            return picture


_PAINT = mixture(
    {
        lambda rng: painter.paint_person(None, None, rng): 0.34,
        paint_stranger: 0.26,
        lambda rng: painter.paint_general(rng): 0.1,
        lambda rng: painter.paint_object(None, rng): 0.1,
        lambda rng: painter.paint_style(None, rng): 0.1,
        lambda rng: painter.paint_mannequin(None, rng): 0.1,
    }
)


def head_targets(labels: painter.Labels) -> list[int]:
    """The right answer of every head, or -1 where the picture does not say."""
    if labels.attributes is not None:
        looks = [HEADS[name].index(labels.attributes[name]) for name in concept_lists.ATTRIBUTES]
    else:
        looks = [_UNKNOWN] * len(concept_lists.ATTRIBUTES)
    if labels.artist is not None:
        artist = concept_lists.artist(labels.artist)
        art = [HEADS["palette"].index(artist.palette), HEADS["stroke"].index(artist.stroke)]
    else:
        art = [_UNKNOWN if labels.template in STYLE_ANONYMOUS else 0] * len(_ART_HEADS)
    return looks + art


def presence_targets(labels: painter.Labels) -> list[float]:
    """1 for each question of PRESENCE that the picture answers with yes."""
    there = {*labels.objects, *labels.regions}
    there |= {"face"} if labels.face else set()
    there |= {"mannequin"} if labels.scene == "mannequin" else set()
    return [float(question in there) for question in PRESENCE]


def train(
    out: Path,
    device: torch.device,
    steps: int | None = None,
    *,
    pictures: int = PICTURES,
    reconstruct: Reconstruct | None = None,
) -> None:
    """Write `out`/attributes.safetensors. `reconstruct` is the trained autoencoder's way there and back, if any."""
    data = paint_pictures(pictures, SEED, _PAINT, reconstruct=reconstruct)
    images = torch.from_numpy(data.images)
    answers = torch.tensor([head_targets(labels) for labels in data.labels])
    presence = torch.tensor([presence_targets(labels) for labels in data.labels])

    def loss(model: nn.Module, step: int) -> tuple[Tensor, dict[str, float]]:
        generator = step_generator(SEED, step)
        chosen = draw(len(images), BATCH, generator)
        x = degrade(warp(normalised(images[chosen].to(device)), generator), generator)
        heads, there = model(x)
        wanted = answers[chosen].to(device)
        read = torch.stack([_read(heads[name], wanted[:, at]) for at, name in enumerate(HEADS)])
        found = functional.binary_cross_entropy_with_logits(there, presence[chosen].to(device), reduction="none")
        total = read.sum() + found.sum(1).mean()
        return total, {"read": float(read.detach().mean()), "found": float(found.detach().mean())}

    torch.manual_seed(SEED)
    network = fit(
        "attributes", channels_last(AttributeNetwork()), loss, steps=steps or STEPS, lr=2e-3, out=out, device=device
    )
    save_network(network, out / FILE, LABELS)


def _read(logits: Tensor, wanted: Tensor) -> Tensor:
    """Mean cross-entropy over the pictures that answer this head; 0 in a batch that has none of them."""
    known = wanted != _UNKNOWN
    return functional.cross_entropy(logits[known], wanted[known], reduction="sum") / known.sum().clamp(min=1)
