"""The shipped weights are what was shipped, and plain diffusers paints with them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from erasebench.errors import UserError
from erasebench.worlds.miniature import world as miniature
from erasebench.worlds.miniature.shipped import DIGESTS, WEIGHTS, check_shipped, shipped_digests
from erasebench.worlds.miniature.world import MiniatureWorld

DIGEST = "a34d880394653a1795ae78e3e2a2d41b32da70437f8108e79a140bf37953b366"
"""Of the pipeline, in every committed record: a change of it makes all of them incomparable."""


def test_every_shipped_file_has_its_digest() -> None:
    assert json.loads(DIGESTS.read_text(encoding="utf-8")) == shipped_digests()


def test_the_digest_of_the_records_is_kept() -> None:
    assert MiniatureWorld().weights_digest() == DIGEST


@pytest.mark.parametrize("part", ["pipeline/unet/diffusion_pytorch_model.safetensors", "judges/recogniser.safetensors"])
def test_a_flipped_byte_is_refused_and_named(part: str, tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    shutil.copytree(WEIGHTS, weights)
    room = part.split("/")[0]
    check_shipped(room, weights)
    content = bytearray((weights / part).read_bytes())
    content[-1] ^= 1
    (weights / part).write_bytes(content)
    with pytest.raises(UserError, match="differs from the shipped file") as error:
        check_shipped(room, weights)
    assert str(weights / part) in error.value.what
    (weights / part).unlink()
    with pytest.raises(UserError, match="is missing"):
        check_shipped(room, weights)


@pytest.mark.parametrize("use", ["weights_digest", "pipeline", "judge", "segmenter"])
def test_whatever_reads_the_weights_looks_first(use: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def changed(part: str) -> None:
        raise UserError(f"{part} was changed.", "Install it again.")

    monkeypatch.setattr(miniature, "check_shipped", changed)
    with pytest.raises(UserError, match="was changed"):
        getattr(MiniatureWorld(), use)(*(["face-id"] if use == "judge" else []))


def test_the_text_encoder_comes_up_in_the_dtype_of_the_rest() -> None:
    config = json.loads((WEIGHTS / "pipeline" / "text_encoder" / "config.json").read_text(encoding="utf-8"))
    assert config["dtype"] == "float32", "transformers loads in the config's dtype, diffusers in float32"


@pytest.mark.slow
@pytest.mark.parametrize("export", [False, True], ids=["shipped", "exported"])
def test_it_paints_in_plain_diffusers(export: bool, tmp_path: Path) -> None:
    folder = WEIGHTS / "pipeline"
    if export:
        from erasebench.api.erasure import Erasure

        folder = tmp_path / "export"
        Erasure().export(MiniatureWorld().pipeline(), folder)
    script = (
        "import sys\n"
        "from diffusers import StableDiffusionPipeline\n"
        f"pipeline = StableDiffusionPipeline.from_pretrained({str(folder)!r})\n"
        "image = pipeline('a ship at sea', num_inference_steps=2, height=64, width=64).images[0]\n"
        "assert 'erasebench' not in sys.modules\n"
        "print(image.size)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().endswith("(64, 64)")
