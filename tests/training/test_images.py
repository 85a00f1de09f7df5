"""Training images: painted once, each from its own seed, and noised as the diffusion says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import DDPMScheduler

from erasebench.errors import UserError
from erasebench.training.images import Latents, painted
from tests.methods.mace.workspace import TestWorkspace
from tests.tiny_model import tiny_pipeline


@pytest.fixture
def workspace(tmp_path: Path) -> TestWorkspace:
    return TestWorkspace(tiny_pipeline(), tmp_path)


def test_images_are_painted_once_and_repeated_prompts_give_others(workspace: TestWorkspace) -> None:
    first = painted(["a cat", "a dog", "a cat"], workspace, "toy")
    assert workspace.sampled == ["a cat", "a dog", "a cat"]
    assert len({image.tobytes() for image in first}) == 3
    again = painted(["a dog", "a cat", "a cat", "a cat"], workspace, "toy")
    assert workspace.sampled[3:] == ["a cat"]
    assert [image.tobytes() for image in again[:3]] == [first[i].tobytes() for i in (1, 0, 2)]


def test_an_unreadable_image_is_named(workspace: TestWorkspace) -> None:
    painted(["a cat"], workspace, "toy")
    (file,) = workspace.folder.rglob("*.png")
    file.write_bytes(b"no image")
    with pytest.raises(UserError, match="cannot be read"):
        painted(["a cat"], workspace, "toy")


def test_noised_latents_are_the_diffusions_own(workspace: TestWorkspace) -> None:
    pipeline, images = workspace.pipeline, painted(["a cat", "a dog"], workspace, "toy")
    latents = Latents(pipeline, images)
    assert len(latents) == 2
    x = latents.noised(torch.tensor([1, 1, 0]), torch.Generator().manual_seed(5))

    pixels = pipeline.image_processor.preprocess([images[1], images[1], images[0]])
    with torch.no_grad():
        found = pipeline.vae.encode(pixels).latent_dist
    generator = torch.Generator().manual_seed(5)
    timesteps = torch.randint(1000, (3,), generator=generator)
    encoder_noise, noise = (torch.randn(3, 4, 8, 8, generator=generator) for _ in range(2))
    clean = (found.mean + found.std * encoder_noise) * pipeline.vae.config.scaling_factor
    expected = DDPMScheduler.from_config(pipeline.scheduler.config).add_noise(clean, noise, timesteps)
    assert torch.equal(x.timesteps, timesteps)
    assert torch.equal(x.noise, noise)
    torch.testing.assert_close(x.latents, expected)
