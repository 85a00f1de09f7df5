"""erasebench erase and sample: the parts of a run on their own, and several processes beside each other."""

from __future__ import annotations

import csv
import errno
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionPipeline
from PIL import Image
from safetensors.torch import load_file

from erasebench.api.erasure import RECORD_FILE, Erasure
from erasebench.api.world import load_world
from erasebench.cli import main
from erasebench.diffusion.sampling import Sampler
from erasebench.identity import digest
from tests.test_cli import TOY

HERE = Path(__file__).parent
PROMPTS = "prompt,seed\n" + "".join(f"a scene with {word},{seed}\n" for word in ("snow", "rain") for seed in (1, 2, 3))


def files(folder: Path) -> dict[str, bytes]:
    with (folder / "images.csv").open(newline="") as handle:
        rows = list(csv.DictReader(handle))
    return {f"{row['prompt']} {row['seed']}": np.asarray(Image.open(folder / row["file"])).tobytes() for row in rows}


def test_an_erasure_is_exported_and_samples_as_itself(
    tmp_path: Path, tiny_model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["--model", str(tiny_model_folder)]
    words = [*TOY, *model, "--runs-folder", str(tmp_path / "runs"), "--export", str(tmp_path / "edited")]
    assert main(["erase", "--method", f"{HERE / 'toy_world.py'}:Shift", *words]) == 0
    printed = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    (tmp_path / "prompts.csv").write_text(PROMPTS)
    common = ["sample", "--prompts", str(tmp_path / "prompts.csv"), *TOY[:2]]
    assert main([*common, *model, "--erasure", printed["Erasure"], "--out", str(tmp_path / "one")]) == 0
    assert main([*common, "--model", printed["Pipeline"], "--out", str(tmp_path / "two")]) == 0
    assert main([*common, *model, "--out", str(tmp_path / "unedited")]) == 0
    assert files(tmp_path / "one") == files(tmp_path / "two") != files(tmp_path / "unedited")
    assert Erasure.load(Path(printed["Erasure"])).record["found"] == 2
    assert isinstance(StableDiffusionPipeline.from_pretrained(printed["Pipeline"]), StableDiffusionPipeline)


def test_an_export_names_all_that_the_erasure_came_of(
    tmp_path: Path, tiny_model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--model", str(tiny_model_folder), "--runs-folder", str(tmp_path / "runs")]
    words = ["erase", "--method", f"{HERE / 'toy_world.py'}:Shift", *TOY, *places, "--seed", "7"]
    assert main([*words, "--export", str(tmp_path / "edited")]) == 0
    erasure = Erasure.load(Path(dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())["Erasure"]))
    record = json.loads((tmp_path / "edited" / RECORD_FILE).read_text(encoding="utf-8"))
    given = record["erased_with"]
    world = load_world(TOY[1], str(tiny_model_folder))
    captions = world.prior_captions()
    assert record["digest"] == erasure.digest
    assert (given["method"], given["seed"]) == ("shift", 7)
    assert given["config"] == {"amount": 20.0}
    assert given["numerics"]["model"] == world.weights_digest()
    assert len(given["version"]) == 64
    assert [concept["name"] for concept in given["task"]["concepts"]] == ["Ann Ash", "Bob Bell"]
    assert given["world"] == world.name
    assert given["task"]["prior_captions"] == {
        "source": "the toy world's source",
        "count": len(captions),
        "digest": digest(list(captions)),
    }


def test_a_disk_that_is_full_or_broken_at_the_export_is_named(
    tmp_path: Path, tiny_model_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*TOY, "--model", str(tiny_model_folder), "--runs-folder", str(tmp_path / "runs")]
    words = ["erase", "--method", f"{HERE / 'toy_world.py'}:Shift", *words, "--export", str(tmp_path / "edited")]
    for code, status, message in (
        (errno.ENOSPC, 2, f"The disk is full: {tmp_path / 'edited'} could not be written."),
        (errno.EIO, 1, f"The export to {tmp_path / 'edited'} failed: OSError: "),
    ):
        with monkeypatch.context() as patch:

            def broken(*_: object, code: int = code, **__: object) -> None:
                raise OSError(code, "the disk")

            patch.setattr(StableDiffusionPipeline, "save_pretrained", broken)
            assert main(words) == status
        assert message in capsys.readouterr().err
        assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    assert main(words) == 0


def test_the_changed_weights_alone_are_exported_as_a_file(
    tmp_path: Path, tiny_model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    places = ["--model", str(tiny_model_folder), "--runs-folder", str(tmp_path / "runs")]
    file = tmp_path / "new" / "edit.safetensors"
    shift = f"{HERE / 'toy_world.py'}:Shift"
    assert main(["erase", "--method", shift, *TOY, *places, "--export", str(file)]) == 0
    printed = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    erasure = Erasure.load(Path(printed["Erasure"]))
    written = load_file(printed["Weights"])
    assert {f"unet.{name}" for name in written} == set(erasure.tensors)
    assert all(torch.equal(value, erasure.tensors[f"unet.{name}"]) for name, value in written.items())


def test_where_to_export_is_looked_at_before_any_training(
    tmp_path: Path, tiny_model_folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine")
    (tmp_path / "file").write_text("mine")
    (tmp_path / "there.safetensors").write_text("mine")
    base = shutil.copytree(tiny_model_folder, tmp_path / "base")

    def full_disk(**_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    for place, message in {
        "full": "full is not empty and contains no earlier export.",
        "base": "base is not empty and contains no earlier export.",
        "edited.ckpt": "edited.ckpt: erasebench does not write files that end in .ckpt.",
        "deep/edited.PT": "edited.PT: erasebench does not write files that end in .PT.",
        "file": "file is a file.",
        "there.safetensors": "there.safetensors exists already.",
        "file/below": "file/below cannot be written to: Not a directory.",
        "file/edit.safetensors": "file cannot be written to: ",
        "deep/read-only": "read-only cannot be written to: Read-only file system.",
    }.items():
        words = [*TOY, "--model", str(base), "--runs-folder", str(tmp_path / "runs")]
        with monkeypatch.context() as patch:
            if place == "deep/read-only":
                patch.setattr("tempfile.TemporaryFile", full_disk)
            method = f"{HERE / 'toy_world.py'}:Shift"
            assert main(["erase", "--method", method, *words, "--export", str(tmp_path / place)]) == 2
        printed = capsys.readouterr()
        assert message in printed.err and len(printed.err.splitlines()) == 2
        assert not (tmp_path / "runs").exists(), "nothing was begun"
    assert not (tmp_path / "deep").exists()


def test_processes_share_a_table_and_change_no_pixel(
    tmp_path: Path, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "prompts.csv").write_text(PROMPTS)
    common = ["sample", "--prompts", str(tmp_path / "prompts.csv"), *TOY[:2], "--model", str(tiny_model_folder)]
    assert main([*common, "--out", str(tmp_path / "alone")]) == 0
    for first, last in (("0", "1"), ("1", "0")):
        shared = tmp_path / f"{first} first"
        for rank in (first, last):
            with monkeypatch.context() as patch:
                for name, value in (("RANK", rank), ("LOCAL_RANK", rank), ("WORLD_SIZE", "2")):
                    patch.setenv(name, value)
                assert main([*common, "--out", str(shared), "--device", "cpu"]) == 0
            # What is listed is there: the list comes with the last image, whoever makes it.
            assert (len(list(shared.glob("*.png"))), (shared / "images.csv").exists()) == (
                (3, False) if rank == first else (6, True)
            )
        assert files(shared) == files(tmp_path / "alone")


def test_rows_are_sampled_alike_and_by_their_own_settings_where_asked_as_a_run_does(
    tmp_path: Path, tiny_model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "prompts.csv").write_text("prompt,seed,guidance,width,height\na scene,1,,,\na snow,2,1.5,32,16\n")
    words = ["--prompts", str(tmp_path / "prompts.csv"), *TOY[:2], "--model", str(tiny_model_folder)]

    def sizes(out: str, *more: str) -> list[tuple[int, int]]:
        assert main(["sample", *words, "--out", str(tmp_path / out), *more]) == 0
        with (tmp_path / out / "images.csv").open(newline="") as handle:
            return [Image.open(tmp_path / out / row["file"]).size for row in csv.DictReader(handle)]

    assert sizes("plain") == sizes("released", "--sampling", "released") == [(16, 16), (16, 16)]
    assert "width" not in (tmp_path / "plain" / "images.csv").read_text(), "the listing says how they were sampled"
    assert capsys.readouterr().out.count("prompts.csv have their own guidance or size, which are not used") == 2
    assert sizes("own", "--sampling", "i2p-rows") == [(16, 16), (32, 16)]
    assert "not used" not in capsys.readouterr().out
    assert main(["sample", *words, "--out", str(tmp_path / "x"), "--sampling", "i2p-row"]) == 2
    assert "Did you mean 'i2p-rows'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("Clumsy", "clumsy on toy-2 failed: RuntimeError: out of memory, it says"),
        ("Vandal", "vandal on toy-2 failed: The method vandal left the pipeline changed"),
    ],
)
def test_a_training_that_fails_ends_with_one_line_and_exit_code_1(
    tmp_path: Path, tiny_model_folder: Path, capsys: pytest.CaptureFixture[str], method: str, message: str
) -> None:
    words = [*TOY, "--model", str(tiny_model_folder), "--runs-folder", str(tmp_path), "--export", str(tmp_path / "x")]
    assert main(["erase", "--method", f"{HERE / 'toy_world.py'}:{method}", *words]) == 1
    assert capsys.readouterr().err.startswith(message)
    assert not (tmp_path / "x").exists()


def test_an_image_that_the_model_did_not_give_is_listed_without_a_file(
    tmp_path: Path, tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "prompts.csv").write_text(PROMPTS)
    monkeypatch.setattr(Sampler, "images", lambda self, specs: iter([None] * len(specs)))
    words = ["--prompts", str(tmp_path / "prompts.csv"), *TOY[:2], "--model", str(tiny_model_folder)]
    assert main(["sample", *words, "--out", str(tmp_path)]) == 1
    with (tmp_path / "images.csv").open(newline="") as handle:
        assert [row["file"] for row in csv.DictReader(handle)] == [""] * 6


def test_an_erasure_that_is_none_is_named(
    tmp_path: Path, tiny_model_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "prompts.csv").write_text(PROMPTS)
    words = ["--prompts", str(tmp_path / "prompts.csv"), *TOY[:2], "--model", str(tiny_model_folder)]
    assert main(["sample", *words, "--erasure", str(tmp_path), "--out", str(tmp_path / "x")]) == 2
    assert f"No readable erasure in {tmp_path}" in capsys.readouterr().err
