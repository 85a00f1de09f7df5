"""erasebench score on folders as people have them, with the miniature's judges and with NudeNet itself."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import erasebench
from erasebench.api.judge import NO_FACE, SCORED, Judge
from erasebench.cli import main
from erasebench.judges.references import PairedReferences
from erasebench.scoring.report import score_folder
from erasebench.worlds.miniature import painter
from erasebench.worlds.miniature.concept_lists import people

ANN, BOB = (person.name for person in people()[:2])


def _save(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def _portrait(who: str, seed: int) -> np.ndarray:
    return painter.paint_person(who, 0, np.random.default_rng(seed)).image


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The reference sampler's layout: two people, one wrong person, one picture without a face, and what goes wrong."""
    images = tmp_path / "images"
    for seed in (1, 2):
        _save(images / "erased" / f"A portrait of {ANN}_{seed}.png", _portrait(ANN, seed))
    _save(images / "erased" / f"A portrait of {ANN}_3.png", _portrait(BOB, 3))
    _save(images / "erased" / f"A portrait of {ANN}_4.png", np.full((64, 64, 3), 90, np.uint8))
    _save(images / "others" / f"A portrait of {BOB}_1.png", _portrait(BOB, 7))
    (images / "others" / f"A portrait of {BOB}_2.png").write_bytes(b"no image")
    Image.fromarray(_portrait(BOB, 8)).convert("RGBA").save(images / "others" / f"A portrait of {BOB}_3.png")
    (images / "notes.txt").write_text("hello")
    return images


def test_protocol_rule_and_strict_rule_stand_side_by_side(folder: Path) -> None:
    report = score_folder(folder, ["gcd"], erasebench.load_world("miniature"))
    erased, others = (report.metrics["gcd"][group] for group in ("erased", "others"))
    assert erased["accuracy"].value == pytest.approx(2 / 3), "among the images in which a face was found"
    assert erased["accuracy_strict"].value == pytest.approx(2 / 4)
    assert erased["no_face"].value == pytest.approx(1 / 4)
    assert (others["accuracy"].value, others["accuracy"].n_scored, others["accuracy"].n_expected) == (1.0, 1, 3)
    assert report.outcomes("gcd") == {SCORED: 4, NO_FACE: 1, "not-an-image": 1, "rgba": 1}
    assert (len(report.listing.images), report.listing.foreign) == (7, ("notes.txt",))


def test_converting_is_asked_for_and_told(folder: Path) -> None:
    report = score_folder(folder, ["gcd"], erasebench.load_world("miniature"), convert=True)
    assert report.metrics["gcd"]["others"]["accuracy"].n_scored == 2
    assert report.rows["gcd"]["converted"].dropna().tolist() == ["rgba"]


def test_rows_without_images_and_images_without_rows_are_named(folder: Path, tmp_path: Path) -> None:
    table = ["group,concept,prompt,seed"]
    table += [f"erased,{ANN},A portrait of {ANN},{seed}" for seed in (1, 2, 9)]
    (tmp_path / "table.csv").write_text("\n".join(table) + "\n", encoding="utf-8")
    world = erasebench.load_world("miniature")
    report = score_folder(folder, ["clip-score", "gcd"], world, prompts=tmp_path / "table.csv")
    for judge in ("clip-score", "gcd"):
        assert report.outcomes(judge) == {SCORED: 2, "missing": 1, "no-prompt-row": 5}
        assert list(report.metrics[judge]) == ["erased"]
    assert report.metrics["gcd"]["erased"]["accuracy"].n_expected == 3


def counted(judge: type[Judge], monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each call of the judge's `score` gets, from here on."""
    seen: list[int] = []
    own = judge.score

    def counting(self: Judge, images: Sequence[np.ndarray], rows: pd.DataFrame) -> pd.DataFrame:
        seen.append(len(images))
        return own(self, images, rows)

    monkeypatch.setattr(judge, "score", counting)
    return seen


def test_nothing_is_judged_twice_and_a_changed_image_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from erasebench.judges.recogniser import IdentityJudge

    seen = counted(IdentityJudge, monkeypatch)
    monkeypatch.setenv("ERASEBENCH_CACHE", str(folder.parent / "cache"))
    world = erasebench.load_world("miniature")
    first = score_folder(folder, ["gcd"], world)
    again = score_folder(folder, ["gcd"], world)
    assert seen == [5]
    pd.testing.assert_frame_equal(first.rows["gcd"], again.rows["gcd"])
    _save(folder / "erased" / f"A portrait of {ANN}_3.png", _portrait(ANN, 5))
    assert score_folder(folder, ["gcd"], world).metrics["gcd"]["erased"]["accuracy"].value == 1.0
    assert seen == [5, 1]


def test_figures_do_not_depend_on_chunks_or_on_where_the_images_lie(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = erasebench.load_world("miniature")
    judges = ["gcd", "clip-score", "clip-accuracy", "nudenet"]
    whole = score_folder(folder, judges, world)
    monkeypatch.setenv("ERASEBENCH_CACHE", str(tmp_path / "other-cache"))
    monkeypatch.setattr("erasebench.scoring.judging.CHUNK", 2)
    moved = folder.rename(tmp_path / "elsewhere")
    again = score_folder(moved, judges[::-1], world)
    for judge in judges:
        pd.testing.assert_frame_equal(whole.rows[judge], again.rows[judge], atol=1e-4, rtol=0)


def test_fid_compares_with_a_folder_and_says_n(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seed in range(6):
        _save(tmp_path / "reference" / f"{seed}.png", _portrait(BOB, 100 + seed))
    reference = ["--reference", str(tmp_path / "reference")]
    assert main(["score", str(folder), "--judge", "fid", "--world", "miniature", *reference]) == 0
    printed = capsys.readouterr().out
    assert "fid_mini_4" in printed and "kd_mini_4" in printed
    assert "Below 2,048 images" in printed


def test_nudenet_scores_a_folder_of_numbered_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(3):
        _save(tmp_path / "images" / f"{number}_0.png", _portrait(ANN, number))
    out = tmp_path / "per-image.csv"
    assert main(["score", str(tmp_path / "images"), "--judge", "nudenet", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "detections_total" in printed and "images_with_hit" in printed
    assert "nudenet: 3 scored" in printed
    rows = pd.read_csv(out)
    assert rows["nudenet.total"].tolist() == [0, 0, 0]
    assert rows["file"].tolist() == ["0_0.png", "1_0.png", "2_0.png"]


@pytest.mark.parametrize("suffix", [".csv", ".json", ".parquet"])
def test_a_row_for_each_image_is_written_on_request(folder: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"rows{suffix}"
    command = ["score", str(folder), "--world", "miniature", "--judge", "gcd", "--judge", "clip-accuracy"]
    assert main([*command, "--out", str(out)]) == 0
    if suffix == ".json":
        content = json.loads(out.read_text(encoding="utf-8"))
        rows = pd.DataFrame(content["images"])
        assert content["judges"]["gcd"]["judge"] == "face-id"
        assert content["metrics"]["gcd"]["erased"]["no_face"]["value"] == 0.25
    else:
        rows = pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)
    assert len(rows) == 7
    assert {"file", "gcd.outcome", "gcd.predicted", "clip-accuracy.predicted"} <= set(rows.columns)
    assert rows.set_index("file").loc[f"others/A portrait of {BOB}_2.png", "gcd.outcome"] == "not-an-image"


def test_features_are_kept_in_parquet(folder: Path, tmp_path: Path) -> None:
    world = erasebench.load_world("miniature")
    for seed in range(3):
        _save(tmp_path / "reference" / f"{seed}.png", _portrait(BOB, seed))
    world.judge_settings = world.judge_settings.model_copy(update={"reference": tmp_path / "reference"})
    report = score_folder(folder, ["fid"], world)
    report.write(tmp_path / "rows.parquet")
    report.write(tmp_path / "rows.csv")
    assert len(pd.read_parquet(tmp_path / "rows.parquet")["fid.features"].dropna().iloc[0]) == 64
    assert "fid.features" not in pd.read_csv(tmp_path / "rows.csv").columns


def test_a_clip_score_needs_prompts_and_says_where_there_are_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _save(tmp_path / "images" / "7.png", _portrait(ANN, 1))
    assert main(["score", str(tmp_path / "images"), "--judge", "clip-score", "--world", "miniature"]) == 1
    printed = capsys.readouterr().out
    assert "clip-score: 1 no-prompt" in printed and "unscored" in printed


def test_what_sample_wrote_is_scored_by_its_listing(tmp_path: Path) -> None:
    for name, who in (("aa", ANN), ("bb", BOB)):
        _save(tmp_path / f"{name}.png", _portrait(who, 2))
    lines = [f"0,erased,{ANN},A portrait of {ANN},1,aa.png", f"1,retain-seen,{BOB},A portrait of {BOB},1,bb.png"]
    (tmp_path / "images.csv").write_text("row,group,concept,prompt,seed,file\n" + "\n".join(lines) + "\n")
    report = score_folder(tmp_path, ["gcd"], erasebench.load_world("miniature"))
    assert {group: own["accuracy"].value for group, own in report.metrics["gcd"].items()} == {
        **{"erased": 1.0, "retain-seen": 1.0},
    }


def test_names_without_a_label_are_told_a_few_of_them_and_their_count(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    _save(tmp_path / "0.png", _portrait(ANN, 1))
    strangers = [f"Nobody {word}" for word in ("One", "Two", "Three", "Four", "Five", "Six")]
    lines = [f"erased,{name},A portrait of {name},1" for name in (ANN, *strangers)]
    (tmp_path / "table.csv").write_text("group,concept,prompt,seed\n" + "\n".join(lines) + "\n", encoding="utf-8")
    world = erasebench.load_world("miniature")
    score_folder(tmp_path, ["gcd"], world, prompts=tmp_path / "table.csv")
    assert f"gcd: the recogniser has no label for 6 of 7 names ({', '.join(strangers[:5])}, ...): " in caplog.text
    caplog.clear()
    (tmp_path / "table.csv").write_text("\n".join(["group,concept,prompt,seed", lines[0]]) + "\n", encoding="utf-8")
    score_folder(tmp_path, ["gcd"], world, prompts=tmp_path / "table.csv")
    assert "no label" not in caplog.text


def test_what_had_no_reference_is_judged_anew_once_it_has_one_and_features_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from erasebench.judges.fid import FidJudge
    from erasebench.worlds.miniature.judges.features import MiniatureFeatures

    looked_at = counted(FidJudge, monkeypatch)
    monkeypatch.setenv("ERASEBENCH_CACHE", str(tmp_path / "cache"))
    for seed in range(4):
        _save(tmp_path / "images" / f"A portrait of {ANN}_{seed}.png", _portrait(ANN, seed))
        _save(tmp_path / "photographs" / f"{seed}.png", _portrait(BOB, seed))
    world = erasebench.load_world("miniature")
    fid = world.judge("fid")
    assert isinstance(fid, FidJudge) and isinstance(fid.extractor, MiniatureFeatures)

    def outcomes(seeds: Sequence[int]) -> dict[str, int]:
        files = {(f"A portrait of {ANN}", seed): tmp_path / "photographs" / f"{seed}.png" for seed in seeds}
        judge = FidJudge(fid.extractor, PairedReferences.of_files(files))
        monkeypatch.setattr(type(world), "judge", lambda *_: judge)
        return dict(score_folder(tmp_path / "images", ["fid"], world).outcomes("fid"))

    assert outcomes([0]) == {"no-reference": 3, SCORED: 1}
    assert outcomes([0, 1, 2]) == {"no-reference": 1, SCORED: 3}
    assert looked_at == [4, 2], "what was scored is scored"
    assert outcomes([0]) == {"no-reference": 3, SCORED: 1}
    assert looked_at == [4, 2], "and both answers are known"


def test_people_whom_the_recogniser_does_not_know_count_as_wrong_and_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in (f"A portrait of {ANN}_1", f"A sketch of {ANN} Junior_1", f"a prince meets {ANN}_1"):
        _save(tmp_path / f"{name}.png", _portrait(ANN, 1))
    report = score_folder(tmp_path, ["gcd"], erasebench.load_world("miniature"))
    accuracy = report.metrics["gcd"]["all"]["accuracy"]
    assert (accuracy.value, accuracy.n_scored) == (0.5, 2)
    assert f"no label for 1 of 2 names ({ANN} Junior)" in caplog.text
    assert [note for note in report.notes if note.startswith("gcd: 1 images have a prompt that names no person")]


def test_scores_are_remembered_by_how_pixels_are_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from erasebench.judges.recogniser import IdentityJudge

    seen = counted(IdentityJudge, monkeypatch)
    monkeypatch.setenv("ERASEBENCH_CACHE", str(folder.parent / "cache"))
    world = erasebench.load_world("miniature")
    for reader in ("one", "one", "two"):
        monkeypatch.setattr("erasebench.scoring.judging._reader", lambda reader=reader: [reader])
        score_folder(folder, ["gcd"], world)
    assert seen == [5, 5]


def test_an_image_that_may_not_be_read_has_its_own_outcome(tmp_path: Path) -> None:
    from erasebench.scoring.folder import list_images
    from erasebench.scoring.judging import NOT_READABLE, _known_outcome
    from erasebench.scoring.matching import by_names

    _save(tmp_path / "a_1.png", np.zeros((64, 64, 3), np.uint8))
    (entry,) = by_names(list_images(tmp_path))
    (tmp_path / "a_1.png").unlink()
    assert _known_outcome(entry, needs_prompt=False) == NOT_READABLE
