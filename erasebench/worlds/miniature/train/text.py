"""Stage 2b: the text tower (CLIPTextModel), trained to say at its tokens what a caption means.

A linear reader, thrown away afterwards, asks the states for the labels of the caption (who, attributes, artist, object
and so on): at the last token of each phrase for that phrase's labels, and at the end-of-text token and its padding
copies for all labels. There it reads through a fixed random rotation, so that the tail carries the meaning in other
directions than the words do.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from .data import painted
from .lexicon import label_index, phrases, spans
from .loop import fit, step_generator
from .tokenizer import POSITIONS
from .tokenizer import train as train_tokenizer

WIDTH = 320
STEPS = 1_400
BATCH = 64
SHORT = 20
ROTATION_SEED = 5
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


class ReadText(nn.Module):
    """The text tower with its label reader."""

    rotation: Tensor

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        config = CLIPTextConfig(
            vocab_size=len(tokenizer),
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=3,
            num_attention_heads=5,
            max_position_embeddings=POSITIONS,
            projection_dim=WIDTH,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        self.tower = CLIPTextModel(config)
        self.read = nn.Linear(WIDTH, len(label_index()))
        gaussian = torch.randn(WIDTH, WIDTH, generator=torch.Generator().manual_seed(ROTATION_SEED))
        self.register_buffer("rotation", torch.linalg.qr(gaussian).Q)

    def at_phrase(self, states: Tensor) -> Tensor:
        """Label logits [..., L] of phrase tokens' states [..., d]."""
        return self.read(states)

    def at_tail(self, states: Tensor) -> Tensor:
        """Label logits [..., L] of end-of-text and padding states [..., d]."""
        return self.read(states @ self.rotation)


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


def _targets(tokenizer: CLIPTokenizer, texts: list[str], length: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Token ids [B, length]; phrase positions (row, token) [P, 2] with labels [P, L]; caption labels [B, L]."""
    encoded = tokenizer(
        texts,
        padding="max_length",
        truncation=True,
        max_length=length,
        return_offsets_mapping=True,
        return_tensors="pt",
    )
    columns = label_index()
    everything = torch.zeros(len(texts), len(columns))
    places, labels = [], []
    for row, text in enumerate(texts):
        ends = {
            int(end): token for token, (start, end) in enumerate(encoded["offset_mapping"][row].tolist()) if end > start
        }
        for _, end, meant in spans(text):
            chosen = [columns[label] for label in meant]
            everything[row, chosen] = 1
            if end in ends:
                places.append((row, ends[end]))
                labels.append(chosen)
    at_phrase = torch.zeros(len(places), len(columns))
    for i, chosen in enumerate(labels):
        at_phrase[i, chosen] = 1
    return encoded["input_ids"], torch.tensor(places).reshape(-1, 2), at_phrase, everything


def _label_loss(logits: Tensor, target: Tensor) -> Tensor:
    raw = nn.functional.binary_cross_entropy_with_logits(logits.float(), target, reduction="none")
    return raw.sum(dim=-1).mean() / 10


def train(out: Path, device: torch.device, steps: int = STEPS, batch: int = BATCH) -> CLIPTextModel:
    """Train (or resume) and save `out/text_encoder` and `out/tokenizer`; returns the averaged tower."""
    data = painted(out / "data", 40_000, seed=1)
    if (out / "tokenizer").exists():
        tokenizer = CLIPTokenizer.from_pretrained(out / "tokenizer")
    else:
        tokenizer = train_tokenizer([*data.captions, *_FILLERS], out)
    names = [phrase for phrase, labels in phrases().items() if labels[0].startswith(("who=", "artist="))]

    def loss(model: nn.Module, step: int) -> tuple[Tensor, dict[str, float]]:
        assert isinstance(model, ReadText)
        generator = step_generator(21, step)
        index = torch.randint(len(data.captions), (batch,), generator=generator).tolist()
        texts = [_shuffled(data.captions[i], generator) for i in index]
        for row in range(batch // 6):
            name = names[int(torch.randint(len(names), (1,), generator=generator))]
            texts[row] = _shuffled(f"photo of {name} in a scene", generator)
        ids, places, at_phrase, everything = _targets(tokenizer, texts, POSITIONS if step % 8 == 0 else SHORT)
        states = model.tower(ids.to(device)).last_hidden_state
        is_tail = ids == tokenizer.eos_token_id
        order = torch.rand(ids.shape, generator=generator).masked_fill(~is_tail, 2.0).argsort(dim=1)[:, :4]
        first = is_tail.float().argmax(dim=1, keepdim=True)
        read = torch.cat([first, order], dim=1).to(device)
        tail = torch.gather(states, 1, read[..., None].expand(-1, -1, states.shape[-1]))
        in_tail = _label_loss(model.at_tail(tail), everything[:, None].expand(-1, read.shape[1], -1).to(device))
        phrase = states[places[:, 0], places[:, 1]]
        in_phrase = _label_loss(model.at_phrase(phrase), at_phrase.to(device))
        return in_tail + in_phrase, {"tail": float(in_tail.detach()), "phrase": float(in_phrase.detach())}

    trained = fit("text", ReadText(tokenizer), loss, steps=steps, lr=1e-3, out=out, device=device, ema=0.995)
    assert isinstance(trained, ReadText)
    trained.tower.save_pretrained(out / "text_encoder")
    return trained.tower
