"""Stage 3: the U-Net, epsilon prediction on latents of painted pictures, with the text tower frozen."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer

from erasebench.errors import UserError
from erasebench.files.atomic import atomic_write, write_text
from erasebench.worlds.miniature.lab.train.data import Painted, painted
from erasebench.worlds.miniature.lab.train.loop import fit, step_generator
from erasebench.worlds.miniature.lab.train.name_embeddings import WIDTH
from erasebench.worlds.miniature.lab.train.tokenizer import POSITIONS
from erasebench.worlds.miniature.prompt_parts import without_tail, without_words

BATCH = 64
CAPTION_DROPOUT = 0.1
WORDS_DROPOUT = 0.25
SNR_CAP = 5.0
PICTURES = 60_000


@dataclass(frozen=True)
class Part:
    """A part of the U-Net's training, saved in `out/<name>`; it starts where the part `after` ended.

    objects, styles: shares of samples drawn from pictures of objects and of artists, beside their own share, which are
    learnt last. tail: share of samples with another tail, from step `tail_from` on; end: how many of these lose their
    end-of-text state too.
    """

    name: str
    steps: int
    after: str | None = None
    objects: float = 0.0
    styles: float = 0.0
    tail: float = 0.25
    tail_from: int = 0
    end: float = 0.5


PARTS = (
    Part("unet", 5_800),
    Part("unet-2", 4_800, after="unet", objects=0.35, tail=0.12, end=0.75),
    Part("unet-3", 3_200, after="unet-2", objects=0.3, styles=0.15, tail=0.04, tail_from=1_400, end=0.75),
)
START = "unet-start"
"""What a part starts from where the one before it was not made here: written by `warm`, or put there by hand."""


def build() -> UNet2DConditionModel:
    """The untrained U-Net: cross-attention at both down blocks, the middle and both up blocks; 8 x 8 x 16 latents."""
    return UNet2DConditionModel(
        sample_size=8,
        in_channels=16,
        out_channels=16,
        layers_per_block=1,
        block_out_channels=(96, 176),
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
        norm_num_groups=16,
    )


def scheduler() -> DDIMScheduler:
    """Stable Diffusion v1.4's schedule: scaled-linear betas 0.00085-0.012 over 1,000 steps, epsilon prediction."""
    return DDIMScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
        prediction_type="epsilon",
    )


@torch.no_grad()
def latents_of(data: Painted, vae: AutoencoderKL, file: Path, device: torch.device) -> Tensor:
    """Scaled latents of every painted picture, [N, 16, 8, 8] float16; encoded once and kept in `file`."""
    if not file.exists():
        vae = vae.to(device).eval()
        parts = []
        for index in torch.arange(len(data.captions)).split(250):
            with torch.autocast(device.type, dtype=torch.bfloat16):
                mean = vae.encode(data.batch(index).to(device)).latent_dist.mean
            parts.append((mean.float() * vae.config.scaling_factor).to("cpu", torch.float16))
        with atomic_write(file) as temporary:
            torch.save(torch.cat(parts), temporary)
    return torch.load(file, weights_only=True)


class CaptionStates:
    """Text states by caption, computed once each and kept in float16; '' is the unconditional caption."""

    def __init__(self, tower: CLIPTextModel, tokenizer: CLIPTokenizer, device: torch.device) -> None:
        self._tower, self._tokenizer, self._device = tower.to(device).eval(), tokenizer, device
        self._known: dict[str, tuple[Tensor, int]] = {}

    @torch.no_grad()
    def __call__(self, texts: list[str]) -> tuple[Tensor, Tensor]:
        """States [B, 77, d] and the position of each end-of-text token [B]."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            ids = self._tokenizer(
                new, padding="max_length", truncation=True, max_length=POSITIONS, return_tensors="pt"
            ).input_ids
            states = self._tower(ids.to(self._device)).last_hidden_state.to(torch.float16)
            ends = (ids == self._tokenizer.eos_token_id).float().argmax(dim=1)
            self._known.update({text: (states[i], int(ends[i])) for i, text in enumerate(new)})
        rows = [self._known[text] for text in texts]
        return torch.stack([row[0].float() for row in rows]), torch.tensor([row[1] for row in rows])


def start_of(part: Part, out: Path) -> UNet2DConditionModel:
    """The U-Net that a part starts from. UserError where a later part has none."""
    for folder in (part.after, START):
        if folder and (out / folder).exists():
            return UNet2DConditionModel.from_pretrained(out / folder)
    if part.after:
        raise UserError(f"There is no U-Net to start {part.name} from in {out}.", f"Run --stage {part.after} first.")
    return build()


def drawn(generator: torch.Generator, batch: int, pictures: int, oversampled: Sequence[tuple[float, Tensor]]) -> Tensor:
    """Numbers [batch] of the `pictures` to train on: of each (share, rows) the share from the rows, else from all."""
    index = torch.randint(pictures, (batch,), generator=generator)
    which = torch.rand(batch, generator=generator)
    low = 0.0
    for share, rows in oversampled:
        if share:
            chosen = rows[torch.randint(len(rows), (batch,), generator=generator)]
            index = torch.where((which >= low) & (which < low + share), chosen, index)
            low += share
    return index


def tailless(chance: Tensor, step: int, part: Part) -> Tensor:
    """Which samples [batch] get another tail at this step, of uniform numbers [batch]."""
    return chance < (part.tail if step >= part.tail_from else 0.0)


def train(out: Path, device: torch.device, part: Part = PARTS[0], batch: int = BATCH) -> UNet2DConditionModel:
    """Train (or resume) a part and save it in `out/<its name>`.

    A share of the samples gets the tail of the anonymous caption ("A sketch of a person") or, without a name, of the
    empty one, so that a name's own tokens are believed against the tail; another share loses its words, so that the
    tail is read too. Neither alone then carries everything, as on Stable Diffusion.
    """
    data = painted(out / "data", PICTURES, seed=2)
    vae = AutoencoderKL.from_pretrained(out / "vae")
    latents = latents_of(data, vae, out / "data" / f"latents-{PICTURES}.pt", device)
    tokenizer = CLIPTokenizer.from_pretrained(out / "tokenizer")
    states_of = CaptionStates(CLIPTextModel.from_pretrained(out / "text_encoder"), tokenizer, device)
    empty = states_of([""])[0]
    anonymous = [_anonymous(caption, labels) for caption, labels in zip(data.captions, data.labels, strict=True)]
    objects = torch.tensor([i for i, labels in enumerate(data.labels) if labels["objects"]])
    styles = torch.tensor([i for i, labels in enumerate(data.labels) if labels["artist"]])
    noise_levels = scheduler().alphas_cumprod.to(device)
    unet = start_of(part, out)
    unet.set_attn_processor(AttnProcessor())  # the fused kernel's backward is the slower one at 64 x 77

    def loss(model: nn.Module, step: int) -> tuple[Tensor, dict[str, float]]:
        g = step_generator(31, step)
        index = drawn(g, batch, len(latents), ((part.objects, objects), (part.styles, styles)))
        clean = latents[index].float().to(device)
        dropped = torch.rand(batch, generator=g) < CAPTION_DROPOUT
        texts = ["" if drop else data.captions[i] for i, drop in zip(index.tolist(), dropped.tolist(), strict=True)]
        states, ends = states_of(texts)
        chance = torch.rand(batch, generator=g)
        keep_end = torch.rand(batch, generator=g) > part.end
        tails = states_of([anonymous[i] if text else "" for i, text in zip(index.tolist(), texts, strict=True)])
        changed = tailless(chance, step, part)[:, None, None].to(device)
        wordless = (chance > 1 - WORDS_DROPOUT)[:, None, None].to(device)
        whole = states
        states = torch.where(changed, without_tail(whole, ends, tails[0], keep_end), states)
        states = torch.where(wordless, without_words(whole, ends, empty), states)
        t = torch.randint(1000, (batch,), generator=g).to(device)
        noise = torch.randn(clean.shape, generator=g).to(device)
        level = noise_levels[t][:, None, None, None]
        predicted = model(level.sqrt() * clean + (1 - level).sqrt() * noise, t, states).sample.float()
        snr = noise_levels[t] / (1 - noise_levels[t])
        error = (predicted - noise).square().mean(dim=(1, 2, 3))
        value = (error * snr.clamp(max=SNR_CAP) / snr).mean()
        return value, {"mse": float(error.detach().mean())}

    trained = fit(part.name, unet, loss, steps=part.steps, lr=1e-3, out=out, device=device, ema=0.999)
    assert isinstance(trained, UNet2DConditionModel)
    trained.save_pretrained(out / part.name)
    return trained


def _anonymous(caption: str, labels: dict[str, object]) -> str:
    """The caption with 'a person' for the person or 'art' for the artist; '' where it names neither."""
    if labels["who"]:
        return caption.replace(str(labels["who"]), "a person")
    return caption.replace(str(labels["artist"]), "art") if labels["artist"] else ""


def assemble(out: Path, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write the plain diffusers pipeline folder from the stages' results, the U-Net from its last part."""
    trained = next((part.name for part in reversed(PARTS) if (out / part.name).exists()), PARTS[0].name)
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(out / "vae"),
        text_encoder=CLIPTextModel.from_pretrained(out / "text_encoder"),
        tokenizer=CLIPTokenizer.from_pretrained(out / "tokenizer"),
        unet=UNet2DConditionModel.from_pretrained(out / trained),
        scheduler=scheduler(),
        safety_checker=None,  # type: ignore[arg-type]
        feature_extractor=None,  # type: ignore[arg-type]
        requires_safety_checker=False,
    )
    pipeline.to(dtype=dtype)
    pipeline.save_pretrained(folder, safe_serialization=True)
    for file in (folder / "unet" / "config.json", folder / "vae" / "config.json"):
        config = json.loads(file.read_text(encoding="utf-8"))
        config.pop("_name_or_path", None)  # where it was trained is nobody's business
        write_text(file, json.dumps(config, indent=2, sort_keys=True) + "\n")
    text = folder / "text_encoder" / "config.json"
    # transformers loads in this dtype, diffusers in float32 whatever the files are: a pipeline of both cannot paint.
    config = json.loads(text.read_text(encoding="utf-8")) | {"dtype": "float32"}
    write_text(text, json.dumps(config, indent=2, sort_keys=True) + "\n")
