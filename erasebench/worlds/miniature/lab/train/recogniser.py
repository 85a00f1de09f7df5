"""Trains the face recogniser: which of 240 people, and whether there is a face at all."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from erasebench.worlds.miniature import painter
from erasebench.worlds.miniature.judges.networks import channels_last, normalised, save_network
from erasebench.worlds.miniature.judges.recogniser import FILE, FaceNetwork, names
from erasebench.worlds.miniature.lab.train.augment import degrade, warp
from erasebench.worlds.miniature.lab.train.loop import fit, step_generator
from erasebench.worlds.miniature.lab.train.pictures import PICTURES, Reconstruct, draw, mixture, paint_pictures

STEPS = 1500
BATCH = 96
SEED = 101
_NOBODY = -1
_FACELESS = 0.12


_PAINT = mixture(
    {
        lambda rng: painter.paint_person(None, None, rng): 0.74,
        lambda rng: painter.paint_general(rng): 0.12,
        lambda rng: painter.paint_object(None, rng): 0.05,
        lambda rng: painter.paint_mannequin(None, rng): 0.05,
        lambda rng: painter.paint_style(None, rng): 0.04,
    }
)


def train(
    out: Path,
    device: torch.device,
    steps: int | None = None,
    *,
    pictures: int = PICTURES,
    reconstruct: Reconstruct | None = None,
) -> None:
    """Write `out`/recogniser.safetensors. `reconstruct` is the trained autoencoder's way there and back, if any."""
    data = paint_pictures(pictures, SEED, _PAINT, parts=("face",), reconstruct=reconstruct)
    images, faces = torch.from_numpy(data.images), torch.from_numpy(data.masks)
    place = {name: at for at, name in enumerate(names())}
    who = torch.tensor([place.get(labels.who or "", _NOBODY) for labels in data.labels])
    face = torch.tensor([labels.face for labels in data.labels])

    def loss(model: nn.Module, step: int) -> tuple[Tensor, dict[str, float]]:
        generator = step_generator(SEED, step)
        chosen = draw(len(images), BATCH, generator)
        wiped = face[chosen] & (torch.rand(len(chosen), generator=generator) < _FACELESS)
        x = normalised(images[chosen].to(device))
        x = wipe_faces(x, (faces[chosen] & wiped[:, None, None, None]).to(device), generator)
        x = degrade(warp(x, generator), generator)
        face_logit, name_logits = model(x)
        seen = (face[chosen] & ~wiped).to(device)
        target = torch.where(seen, who[chosen].to(device), _NOBODY)
        found = functional.binary_cross_entropy_with_logits(face_logit, seen.float())
        named = functional.cross_entropy(name_logits, target, ignore_index=_NOBODY, label_smoothing=0.05)
        known = target != _NOBODY
        right = (name_logits.argmax(1) == target)[known].float().mean()
        return found + named, {"face": float(found.detach()), "name": float(named.detach()), "right": float(right)}

    torch.manual_seed(SEED)
    network = fit(
        "recogniser", channels_last(FaceNetwork()), loss, steps=steps or STEPS, lr=2e-3, out=out, device=device
    )
    save_network(network, out / FILE, names())


def wipe_faces(x: Tensor, masks: Tensor, generator: torch.Generator) -> Tensor:
    """Paint over the masked parts of pictures [n, 3, h, w] with one colour taken from the picture, slightly uneven.

    A head without a face is what an erasure may leave behind; the recogniser must not find a face in it.
    """
    n, _, height, width = x.shape
    at = torch.randint(height * width, (n, 1, 1), generator=generator).to(x.device).expand(n, 3, 1)
    colour = x.flatten(2).gather(2, at)[..., None]
    uneven = functional.interpolate(
        torch.randn((n, 3, 6, 6), generator=generator), size=(height, width), mode="bilinear"
    )
    return torch.where(masks, (colour + 0.1 * uneven.to(x.device)).clamp(-1, 1), x)
