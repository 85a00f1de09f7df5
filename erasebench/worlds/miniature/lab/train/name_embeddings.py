"""The codes that the text tower learns: a fixed vector for every phrase of the lexicon.

On Stable Diffusion every name has directions of its own, so that a closed-form edit of ten or a hundred of them leaves
others alone. A tower that only tells a person's attributes has no such directions: 240 people then share the forty or
so that attributes span, and to erase one is to erase pieces of all. So a name's code is mostly a random vector of its
own, shares a little with names that have a word in common with it, and says in the rest what the person looks like or
how the artist paints, so that the U-Net can learn names from their attributes.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

from erasebench.worlds.miniature.lab.train.label_vocabulary import label_index, phrases

WIDTH = 384
CODE_SEED, WORD_SEED, TOKEN_SEED, ROTATION_SEED = 5, 105, 7, 6
OWN = 0.8
"""Energy of the part that is a name's own; the rest says its attributes."""
SHARED = 0.4
"""Length of what each word of a name gives to it, beside its own part of length 1."""


def _random(n: int, seed: int) -> Tensor:
    """n random unit vectors [n, d]."""
    return nn.functional.normalize(torch.randn(n, WIDTH, generator=torch.Generator().manual_seed(seed)), dim=-1)


@lru_cache
def rotation() -> Tensor:
    """The orthogonal matrix [d, d] between the words' codes and the tail's."""
    return torch.linalg.qr(_random(WIDTH, ROTATION_SEED)).Q


@lru_cache
def phrase_embeddings() -> dict[str, Tensor]:
    """Phrase (lower case) -> unit vector [d]."""
    columns = label_index()
    labels = _random(len(columns), CODE_SEED)
    words = sorted({word for phrase, meant in phrases().items() if _is_name(meant) for word in phrase.split()})
    of_word = dict(zip(words, _random(len(words), WORD_SEED), strict=True))
    codes = {}
    for phrase, meant in phrases().items():
        if _is_name(meant):
            own = labels[columns[meant[0]]] + SHARED * torch.stack([of_word[word] for word in phrase.split()]).sum(
                dim=0
            )
            looks = labels[[columns[label] for label in meant[1:]]].sum(dim=0)
            unit = nn.functional.normalize
            codes[phrase] = unit(OWN**0.5 * unit(own, dim=0) + (1 - OWN) ** 0.5 * unit(looks, dim=0), dim=0)
        else:
            codes[phrase] = nn.functional.normalize(labels[[columns[label] for label in meant]].sum(dim=0), dim=0)
    return codes


@lru_cache
def token_embeddings(n: int) -> Tensor:
    """A unit vector for each of the n tokens of the vocabulary [n, d], for words that end no phrase."""
    return _random(n, TOKEN_SEED)


def _is_name(labels: tuple[str, ...]) -> bool:
    return labels[0].startswith(("who=", "artist="))
