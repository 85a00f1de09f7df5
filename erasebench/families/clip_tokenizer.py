"""CLIP's tokenizer, for a model file that brings none: made of the merges that open_clip ships."""

from __future__ import annotations

import gzip
from functools import cache
from pathlib import Path

import open_clip
from transformers import CLIPTokenizer
from transformers.convert_slow_tokenizer import bytes_to_unicode

MERGES = 49152 - 256 - 2
"""How many of the file's merges CLIP uses, the first ones: its vocabulary has 49,408 words."""


def clip_tokenizer(pad: str = "<|endoftext|>") -> CLIPTokenizer:
    """The tokenizer of Stable Diffusion v1.x; with pad '!' that of v2.x. 77 positions."""
    words, merges = _vocabulary()
    return CLIPTokenizer(
        vocab={word: at for at, word in enumerate(words)}, merges=list(merges), pad_token=pad, model_max_length=77
    )


@cache
def _vocabulary() -> tuple[tuple[str, ...], tuple[tuple[str, str], ...]]:
    file = Path(open_clip.__file__).parent / "bpe_simple_vocab_16e6.txt.gz"
    lines = gzip.decompress(file.read_bytes()).decode("utf-8").splitlines()[1 : MERGES + 1]
    merges = tuple((first, second) for first, second in (line.split() for line in lines))
    letters = tuple(bytes_to_unicode().values())
    ends = tuple(f"{letter}</w>" for letter in letters)
    joined = tuple("".join(pair) for pair in merges)
    return (*letters, *ends, *joined, "<|startoftext|>", "<|endoftext|>"), merges
