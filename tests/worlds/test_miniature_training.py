"""Training the miniature: what the U-Net's parts draw and start from, and what becomes of the package's weights."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import StableDiffusionPipeline

from erasebench.errors import UserError
from erasebench.worlds.miniature.lab.train import __main__ as command
from erasebench.worlds.miniature.lab.train import unet, vae
from erasebench.worlds.miniature.world import WEIGHTS, MiniatureWorld


def _draw(objects: float, styles: float) -> torch.Tensor:
    """10,000 of 1,000 pictures, of which 0-99 show objects and 100-299 are by artists."""
    rows = ((objects, torch.arange(100)), (styles, torch.arange(100, 300)))
    return unet.drawn(torch.Generator().manual_seed(0), 10_000, 1_000, rows)


@pytest.mark.parametrize(("objects", "styles"), [(0.0, 0.0), (0.35, 0.0), (0.3, 0.15)])
def test_objects_and_artists_are_drawn_beside_their_own_share(objects: float, styles: float) -> None:
    index = _draw(objects, styles)
    rest = 1 - objects - styles
    shares = [float(((index >= low) & (index < high)).float().mean()) for low, high in ((0, 100), (100, 300))]
    assert shares == pytest.approx([objects + 0.1 * rest, styles + 0.2 * rest], abs=0.02)
    assert (int(index.min()), int(index.max())) == (0, 999)


def test_a_part_changes_tails_from_its_step_on() -> None:
    part = dataclasses.replace(unet.PARTS[2], tail=0.5, tail_from=3)
    chance = torch.tensor([0.0, 0.49, 0.5, 0.9])
    assert unet.tailless(chance, 2, part).tolist() == [False] * 4
    assert unet.tailless(chance, 3, part).tolist() == [True, True, False, False]


def test_a_part_starts_where_the_one_before_it_ended(tmp_path: Path) -> None:
    first, second, third = unet.PARTS
    assert first.after is None
    with pytest.raises(UserError, match="no U-Net to start unet-2 from"):
        unet.start_of(second, tmp_path)
    for number, folder in enumerate((unet.START, second.name)):
        network = unet.build()
        torch.nn.init.constant_(network.conv_in.bias, number)
        network.save_pretrained(tmp_path / folder)
    starts = [unet.start_of(part, tmp_path).conv_in.bias[0].item() for part in (first, second, third)]
    assert starts == [0.0, 0.0, 1.0]


def test_the_packages_weights_change_at_install_alone_and_whole(
    tmp_path: Path, judges_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, own = tmp_path / "out", tmp_path / "package" / "weights"
    autoencoder, first, last = vae.build(), unet.build(), unet.build()
    torch.nn.init.constant_(last.conv_in.bias, 7)
    for network, name in ((autoencoder, "vae"), (first, "unet"), (last, "unet-3")):
        network.save_pretrained(out / name)
    for name in ("text_encoder", "tokenizer"):
        shutil.copytree(WEIGHTS / "pipeline" / name, out / name)
    shutil.copytree(judges_folder, out / "judges")
    own.mkdir(parents=True)
    (own / "old").write_text("old")
    monkeypatch.setattr(command, "WEIGHTS", own)
    words = ["--out", str(out), "--device", "cpu", "--stage", "assemble"]

    command.main(words)
    assert [path.name for path in own.parent.rglob("*")] == ["weights", "old"]
    pipeline = MiniatureWorld(out / "weights").pipeline()
    assert isinstance(pipeline, StableDiffusionPipeline)
    assert pipeline.unet.conv_in.bias[0].item() == 7.0
    weight = autoencoder.decoder.conv_in.weight
    assert torch.equal(pipeline.vae.decoder.conv_in.weight, weight.half().float())

    def torn(source: Path, target: Path, **_: object) -> None:
        (target / "pipeline").mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(shutil, "copytree", torn)
        command.install(out)
    assert [path.name for path in own.parent.rglob("*")] == ["weights", "old"]

    command.install(out)
    files = {path.relative_to(own): path.read_bytes() for path in own.rglob("*") if path.is_file()}
    made = {path.relative_to(out / "weights"): path for path in (out / "weights").rglob("*") if path.is_file()}
    assert files == {name: path.read_bytes() for name, path in made.items()}
    shipped = {path.relative_to(WEIGHTS) for path in WEIGHTS.rglob("*") if path.is_file()}
    assert files.keys() == shipped


def test_help_says_where_the_world_goes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        command.main(["--help"])
    printed = " ".join(capsys.readouterr().out.split())
    assert "replace the installed package's weights by OUT/weights" in printed
    assert "(default: vae text unet judges assemble)" in printed
