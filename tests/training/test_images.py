"""Training images: painted once, each from its own seed, and noised as the diffusion says."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from diffusers import DDPMScheduler
from PIL import Image

from erasebench.training.images import Latents, SampleSpec, encoded, generate, generated
from tests.methods.mace.workspace import TestWorkspace
from tests.tiny_model import tiny_pipeline


@pytest.fixture
def workspace(tmp_path: Path) -> TestWorkspace:
    return TestWorkspace(tiny_pipeline(), tmp_path)


def test_images_are_painted_once_and_repeated_prompts_give_others(workspace: TestWorkspace) -> None:
    first = generated(["a cat", "a dog", "a cat"], workspace, "toy")
    assert workspace.sampled == ["a cat", "a dog", "a cat"]
    assert len({image.tobytes() for image in first}) == 3
    again = generated(["a dog", "a cat", "a cat", "a cat"], workspace, "toy")
    assert workspace.sampled[3:] == ["a cat"]
    assert [image.tobytes() for image in again[:3]] == [first[i].tobytes() for i in (1, 0, 2)]


def test_an_unreadable_image_is_named_and_made_anew(workspace: TestWorkspace, caplog: pytest.LogCaptureFixture) -> None:
    generated(["a cat"], workspace, "toy")
    (file,) = workspace.folder.rglob("*.png")
    before = file.read_bytes()
    file.write_bytes(b"no image")
    generated(["a cat"], workspace, "toy")
    assert file.read_bytes() == before
    assert f"{file} was changed after it was written" in caplog.text


def test_a_shot_is_painted_into_its_file_as_it_is_asked_for(
    workspace: TestWorkspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[object, ...]] = []
    sample = workspace.sample

    def watched(prompts: list[str], seeds: list[int], **sampling: object) -> list[Image.Image]:
        asked.append((prompts, seeds, sampling))
        return sample(prompts, seeds)

    monkeypatch.setattr(workspace, "sample", watched)
    specs = [
        SampleSpec(prompt, seed, workspace.folder / f"{seed}.png") for prompt, seed in (("a cat", 3), ("a dog", 4))
    ]
    (cat,) = generate(specs[:1], workspace, "toy", steps=7, scheduler="dpmsolver++")
    again, _ = generate(specs, workspace, "toy", steps=7)
    assert asked == [(["a cat"], [3], {"steps": 7, "scheduler": "dpmsolver++"}), (["a dog"], [4], {"steps": 7})]
    assert again.tobytes() == cat.tobytes() == Image.open(specs[0].file).tobytes()


def test_noised_latents_are_the_diffusions_own(workspace: TestWorkspace) -> None:
    pipeline, images = workspace.pipeline, generated(["a cat", "a dog"], workspace, "toy")
    latents = encoded(pipeline, images)
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


def test_another_sample_of_the_posterior_shares_timestep_and_noise() -> None:
    mean = torch.arange(3.0)[:, None, None, None].expand(3, 4, 8, 8)
    latents, chosen = Latents(mean, torch.full((3, 4, 8, 8), 0.1), DDPMScheduler()), torch.tensor([2, 0])
    x = latents.noised(chosen, torch.Generator().manual_seed(1))
    again = latents.encoded_anew(chosen, x, torch.Generator().manual_seed(2))
    assert torch.equal(again.timesteps, x.timesteps) and torch.equal(again.noise, x.noise)
    other = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(2))
    expected = DDPMScheduler().add_noise(mean[chosen] + 0.1 * other, x.noise, x.timesteps)
    torch.testing.assert_close(again.latents, expected)
    assert not torch.equal(again.latents, x.latents)


def test_timesteps_follow_a_density_where_one_is_given() -> None:
    latents = Latents(torch.zeros(2, 4, 8, 8), torch.zeros(2, 4, 8, 8), DDPMScheduler())
    density = torch.zeros(1000, dtype=torch.float64)
    density[[3, 700]] = torch.tensor([0.25, 0.75], dtype=torch.float64)
    x = latents.noised(torch.zeros(400, dtype=torch.long), torch.Generator().manual_seed(1), density)
    assert set(x.timesteps.tolist()) == {3, 700}
    assert float((x.timesteps == 700).double().mean()) == pytest.approx(0.75, abs=0.06)


def test_drawn_images_are_named_and_noised() -> None:
    mean = torch.arange(3.0)[:, None, None, None].expand(3, 4, 8, 8)
    latents = Latents(mean, torch.zeros(3, 4, 8, 8), DDPMScheduler())
    chosen, x = latents.drawn(50, torch.Generator().manual_seed(1))
    assert set(chosen) == {0, 1, 2}
    assert torch.equal(x.latents, DDPMScheduler().add_noise(mean[chosen], x.noise, x.timesteps))


def test_pixels_are_normalised_as_asked(workspace: TestWorkspace) -> None:
    seen: list[torch.Tensor] = []

    def halved(pixels: torch.Tensor) -> torch.Tensor:
        seen.append(pixels)
        return pixels / 2

    white = Image.new("RGB", (16, 16), "white")
    found = encoded(workspace.pipeline, [white], halved)
    assert float(seen[0].min()) == float(seen[0].max()) == 1.0
    # 1 halved is what the autoencoder's own range makes of three quarters.
    grey = encoded(workspace.pipeline, [white], lambda pixels: pixels * 0.75 * 2 - 1)
    noised = [each.noised(torch.tensor([0]), torch.Generator().manual_seed(1)).latents for each in (found, grey)]
    torch.testing.assert_close(noised[0], noised[1])
    plain = encoded(workspace.pipeline, [white]).noised(torch.tensor([0]), torch.Generator().manual_seed(1)).latents
    assert not torch.equal(plain, noised[0])
