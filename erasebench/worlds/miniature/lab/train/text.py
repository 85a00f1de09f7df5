"""Stage 2b: the text tower (CLIPTextModel), trained to say at its tokens what a caption means.

The state at the last token of each phrase is drawn to that phrase's code, and the end-of-text token and its padding
copies to the sum of the caption's codes, rotated, so that the tail carries the meaning in other directions than the
words do (codes.py says how codes are made, and why a name's is mostly its own). Every other word has a code too: left
alone, the words after a name would carry it as well, and in the directions of the name itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from erasebench.worlds.miniature.lab.train.data import painted
from erasebench.worlds.miniature.lab.train.label_vocabulary import phrases, spans
from erasebench.worlds.miniature.lab.train.loop import fit, step_generator
from erasebench.worlds.miniature.lab.train.name_embeddings import WIDTH, phrase_embeddings, rotation, token_embeddings
from erasebench.worlds.miniature.lab.train.tokenizer import POSITIONS
from erasebench.worlds.miniature.lab.train.tokenizer import train as train_tokenizer

STEPS = 2_000
BATCH = 64
SHORT = 20
_FILLERS = [
    "the",
    "of",
    "with",
    "near",
    "and",
    "photo",
    "image",
    "picture",
    "scene",
    "very",
    "fine",
    "large",
    "small",
    "famous",
    "in",
    "on",
    "by",
    "at",
    "a",
    "an",
    "this",
    "that",
    "view",
    "studio",
    "light",
    "camera",
    "quiet",
    "bright",
    "new",
    "old",
    "simple",
    "detailed",
    "front",
    "background",
    "magazine",
    "cover",
    "poster",
    "screen",
    "film",
    "family",
    "holding",
    "walking",
]


def build(tokenizer: CLIPTokenizer) -> CLIPTextModel:
    """The untrained tower: two layers, 77 positions."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=2 * WIDTH,
            num_hidden_layers=2,
            num_attention_heads=6,
            max_position_embeddings=POSITIONS,
            projection_dim=WIDTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def _shuffled(caption: str, generator: torch.Generator) -> str:
    """Half of the captions lose their template: one phrase among filler words, so that any template is understood."""

    def draw(n: int) -> int:
        return int(torch.randint(n, (1,), generator=generator))

    found = spans(caption)
    if not found or draw(2):
        return caption
    start, end, _ = found[draw(len(found))]
    words = [_FILLERS[draw(len(_FILLERS))] for _ in range(draw(9))]
    cut = draw(len(words) + 1)
    return " ".join([*words[:cut], caption[start:end], *words[cut:]])


@dataclass(frozen=True)
class Targets:
    """Token ids [B, n]; the last token of each phrase (row, token) [P, 2], its code [P, d]; captions' codes [B, d].

    `other` [B, n] marks the words that end no phrase.
    """

    ids: Tensor
    places: Tensor
    at_phrase: Tensor
    at_tail: Tensor
    other: Tensor


def _targets(tokenizer: CLIPTokenizer, texts: list[str], length: int) -> Targets:
    encoded = tokenizer(
        texts,
        padding="max_length",
        truncation=True,
        max_length=length,
        return_offsets_mapping=True,
        return_tensors="pt",
    )
    codes = phrase_embeddings()
    ids: Tensor = encoded["input_ids"]
    other = (ids != tokenizer.bos_token_id) & (ids != tokenizer.eos_token_id)
    whole = torch.zeros(len(texts), WIDTH)
    places, at_phrase = [], []
    for row, text in enumerate(texts):
        ends = {
            int(end): token for token, (start, end) in enumerate(encoded["offset_mapping"][row].tolist()) if end > start
        }
        for start, end, _ in spans(text):
            code = codes[text[start:end].lower()]
            whole[row] += code
            if end in ends:
                places.append((row, ends[end]))
                at_phrase.append(code)
                other[row, ends[end]] = False
    return Targets(
        ids,
        torch.tensor(places).reshape(-1, 2),
        torch.stack(at_phrase) if at_phrase else torch.zeros(0, WIDTH),
        whole @ rotation(),
        other,
    )


def _apart(states: Tensor, codes: Tensor) -> Tensor:
    """1 - cosine, averaged over the rows that have a code."""
    some = codes.norm(dim=-1) > 0
    return (1 - nn.functional.cosine_similarity(states.float(), codes, dim=-1))[some].mean()


def train(out: Path, device: torch.device, steps: int = STEPS, batch: int = BATCH) -> CLIPTextModel:
    """Train (or resume) and save `out/text_encoder` and `out/tokenizer`; returns the averaged tower."""
    data = painted(out / "data", 40_000, seed=1)
    if (out / "tokenizer").exists():
        tokenizer = CLIPTokenizer.from_pretrained(out / "tokenizer")
    else:
        tokenizer = train_tokenizer([*data.captions, *_FILLERS], out)
    names = [phrase for phrase, labels in phrases().items() if labels[0].startswith(("who=", "artist="))]

    of_token = token_embeddings(len(tokenizer))

    def loss(model: nn.Module, step: int) -> tuple[Tensor, dict[str, float]]:
        generator = step_generator(21, step)
        index = torch.randint(len(data.captions), (batch,), generator=generator).tolist()
        texts = [_shuffled(data.captions[i], generator) for i in index]
        for row in range(batch // 4):
            name = names[int(torch.randint(len(names), (1,), generator=generator))]
            texts[row] = _shuffled(f"photo of {name} in a scene", generator)
        target = _targets(tokenizer, texts, POSITIONS if step % 8 == 0 else SHORT)
        states = model(target.ids.to(device)).last_hidden_state
        is_tail = target.ids == tokenizer.eos_token_id
        order = torch.rand(target.ids.shape, generator=generator).masked_fill(~is_tail, 2.0).argsort(dim=1)[:, :4]
        first = is_tail.float().argmax(dim=1, keepdim=True)
        read = torch.cat([first, order], dim=1).to(device)
        tail = torch.gather(states, 1, read[..., None].expand(-1, -1, states.shape[-1]))
        in_tail = _apart(tail, target.at_tail.to(device)[:, None].expand(-1, read.shape[1], -1))
        in_phrase = _apart(states[target.places[:, 0], target.places[:, 1]], target.at_phrase.to(device))
        in_words = _apart(states[target.other.to(device)], of_token[target.ids[target.other]].to(device))
        metrics = {"tail": in_tail, "phrase": in_phrase, "words": in_words}
        return in_tail + in_phrase + in_words, {name: float(value.detach()) for name, value in metrics.items()}

    trained = fit("text", build(tokenizer), loss, steps=steps, lr=1.5e-3, out=out, device=device, ema=0.995)
    assert isinstance(trained, CLIPTextModel)
    trained.save_pretrained(out / "text_encoder")
    return trained
