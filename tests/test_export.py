"""An exported erasure of the real miniature world, loaded by plain diffusers in a process that knows no erasebench."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import erasebench
from erasebench.api.erasure import Erasure
from erasebench.cli import main
from erasebench.diffusion.profile import NumericsProfile
from erasebench.diffusion.sampling import Sampler, SampleSpec

# Written out in full, as a user of the exported folder would: nothing in it comes from this project.
PLAIN = """
import json, sys
import numpy as np, torch
from diffusers import DDIMScheduler, StableDiffusionPipeline

folder, asked, out = sys.argv[1:]
asked = json.load(open(asked))
pipeline = StableDiffusionPipeline.from_pretrained(folder)
pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config)
images = []
for start in range(0, len(asked["prompts"]), asked["batch_size"]):
    prompts, seeds = (asked[key][start : start + asked["batch_size"]] for key in ("prompts", "seeds"))
    noise = [torch.randn(asked["latents"], generator=torch.Generator("cpu").manual_seed(seed)) for seed in seeds]
    images += list(pipeline(
        prompt=prompts, latents=torch.stack(noise), num_inference_steps=asked["steps"],
        guidance_scale=asked["guidance"], output_type="np",
    ).images)
assert not [name for name in sys.modules if name.startswith("erasebench")]
np.save(out, (np.stack(images) * 255).round().astype(np.uint8))
"""


@pytest.mark.slow
def test_plain_diffusers_paints_the_same_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = [
        "erase",
        "--method",
        "mace",
        "--suite",
        "celebrity",
        "--scale",
        "1",
        "--runs-folder",
        str(tmp_path / "runs"),
    ]
    assert main([*words, "--export", str(tmp_path / "edited")]) == 0
    printed = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    world = erasebench.load_world("miniature")
    settings, pipeline = world.sampling, world.pipeline()
    erased, kept = world.concept_lists.names("person", "erase")[0], world.concept_lists.names("person", "retain")[0]
    names = [erased, kept, "a person", "a red boat"]
    specs = [SampleSpec(f"A portrait of {names[at % 4]}", at) for at in range(settings.batch_size)]

    def ours(erasure: Erasure) -> NDArray[np.int16]:
        with erasure.applied_to(pipeline):
            images = list(Sampler(pipeline, settings, NumericsProfile(batch_size=settings.batch_size)).images(specs))
        return np.stack([image for image in images if image is not None]).astype(np.int16)

    side = settings.height // pipeline.vae_scale_factor

    def plain(batch_size: int) -> NDArray[np.int16]:
        asked = {
            "prompts": [spec.prompt for spec in specs],
            "seeds": [spec.seed for spec in specs],
            "latents": [pipeline.unet.config["in_channels"], side, side],
            "steps": settings.steps,
            "guidance": settings.guidance,
            "batch_size": batch_size,
        }
        (tmp_path / "asked.json").write_text(json.dumps(asked))
        arguments = [printed["Pipeline"], str(tmp_path / "asked.json"), str(tmp_path / "images.npy")]
        subprocess.run([sys.executable, "-I", "-c", PLAIN, *arguments], check=True, capture_output=True)
        return np.asarray(np.load(tmp_path / "images.npy"), dtype=np.int16)

    edited = ours(Erasure.load(Path(printed["Erasure"])))
    np.testing.assert_array_equal(plain(settings.batch_size), edited)
    difference = int(np.abs(plain(5) - edited).max())
    print(f"largest difference in batches of 5: {difference}/255")
    assert difference <= 2
    # The edit is in the folder: the unedited model paints something else.
    assert np.abs(ours(Erasure()) - edited).max() > 50
