"""Stage 2a: a CLIPTokenizer whose byte-pair merges are learnt from the world's own captions."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from tokenizers import Tokenizer
from tokenizers.models import BPE
from tokenizers.pre_tokenizers import ByteLevel, Sequence, Split
from tokenizers.trainers import BpeTrainer
from transformers import CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
POSITIONS = 77


def train(captions: Iterable[str], out: Path, vocabulary: int = 2_300) -> CLIPTokenizer:
    """Learn the merges and save `out/tokenizer`; any text can be encoded, since every byte is a token."""
    letters = sorted(ByteLevel.alphabet())
    model = Tokenizer(BPE(end_of_word_suffix="</w>"))
    model.pre_tokenizer = Sequence([Split(" ", "removed"), ByteLevel(add_prefix_space=False)])
    trainer = BpeTrainer(
        vocab_size=vocabulary - len(letters) - 2,
        initial_alphabet=letters,
        end_of_word_suffix="</w>",
        show_progress=False,
        min_frequency=2,
    )
    model.train_from_iterator((caption.lower() for caption in captions), trainer)
    learnt = json.loads(model.to_str())["model"]
    merges = [tuple(pair) if isinstance(pair, list) else tuple(pair.split(" ")) for pair in learnt["merges"]]
    words = letters + [letter + "</w>" for letter in letters] + ["".join(pair) for pair in merges]
    vocab = {word: i for i, word in enumerate(dict.fromkeys(words))}
    vocab[START], vocab[END] = len(vocab), len(vocab) + 1
    tokenizer = CLIPTokenizer(vocab=vocab, merges=merges, model_max_length=POSITIONS)
    tokenizer.save_pretrained(out / "tokenizer")
    return tokenizer
