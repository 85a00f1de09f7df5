"""Stage 1: the autoencoder, factor 8 to 16 channels, on full painted pictures."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers import AutoencoderKL
from torch import Tensor, nn

from erasebench.worlds.miniature.lab.train.data import Painted, painted
from erasebench.worlds.miniature.lab.train.loop import fit, step_generator

STEPS = 2_400
BATCH = 32


def build() -> AutoencoderKL:
    """The untrained network: residual branches start at zero, the posterior narrow."""
    vae = AutoencoderKL(
        in_channels=3,
        out_channels=3,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
        block_out_channels=(24, 48, 96, 128),
        layers_per_block=1,
        latent_channels=16,
        norm_num_groups=8,
        sample_size=64,
    )
    for module in vae.modules():
        if module.__class__.__name__ == "ResnetBlock2D":
            nn.init.zeros_(module.conv2.weight)  # type: ignore[arg-type, union-attr]
            nn.init.zeros_(module.conv2.bias)  # type: ignore[arg-type, union-attr]
    with torch.no_grad():
        vae.quant_conv.bias[16:].fill_(-5.0)
    return vae


def reconstruction_loss(shown: Tensor, target: Tensor) -> Tensor:
    """L1 + 2 MSE + L1 of the picture's gradients (edges stay sharp), on [B, 3, H, W] in [-1, 1]."""
    error = shown - target
    edges = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    return error.abs().mean() + 2 * error.square().mean() + edges


def train(out: Path, device: torch.device, steps: int = STEPS, batch: int = BATCH) -> AutoencoderKL:
    """Train (or resume) and save `out/vae` with its scaling factor; returns the averaged network."""
    data = painted(out / "data", 40_000, seed=1)
    vae = build()

    def loss(model: nn.Module, step: int) -> tuple[Tensor, dict[str, float]]:
        generator = step_generator(11, step)
        images = data.batch(torch.randint(len(data.captions), (batch,), generator=generator)).to(device)
        posterior = model.encode(images).latent_dist  # type: ignore[operator]
        noise = torch.randn(posterior.mean.shape, generator=generator).to(device)
        shown = model.decode(posterior.mean + posterior.std * noise).sample.float()  # type: ignore[operator]
        divergence = 0.5 * (posterior.mean.square() + posterior.var - 1 - posterior.logvar).float().mean()
        value = reconstruction_loss(shown, images) + 1e-5 * divergence
        mse = (shown.clamp(-1, 1) - images).square().mean() / 4
        return value, {"psnr": float(-10 * torch.log10(mse.detach()))}

    trained = fit("vae", vae, loss, steps=steps, lr=1.5e-3, out=out, device=device, ema=0.995)
    assert isinstance(trained, AutoencoderKL)
    trained.register_to_config(scaling_factor=round(1 / _latent_deviation(trained, data, device), 4))
    trained.save_pretrained(out / "vae")
    return trained


@torch.no_grad()
def _latent_deviation(vae: AutoencoderKL, data: Painted, device: torch.device) -> float:
    images = data.batch(torch.arange(512)).to(device)
    return float(torch.cat([vae.encode(part).latent_dist.mean for part in images.split(64)]).std())
