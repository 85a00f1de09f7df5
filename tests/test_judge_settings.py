from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from erasebench.api.judge_settings import JudgeSettings
from erasebench.errors import UserError


def test_settings_come_from_pairs_as_they_are_typed() -> None:
    settings = JudgeSettings.from_pairs(["nudenet_threshold=0.5", "gcd_rule=largest-face", "clip=a/b.pt"])
    assert (settings.nudenet_threshold, settings.gcd_rule, settings.clip) == (0.5, "largest-face", Path("a/b.pt"))
    assert JudgeSettings.checked(nudenet=None, nudenet_counting=None) == JudgeSettings()


def test_an_option_of_its_own_is_another_spelling_of_the_pair() -> None:
    spelled = JudgeSettings.from_pairs(["gcd_rule=largest-face"], nudenet_threshold=0.5, clip=Path("a/b.pt"), fid=None)
    assert spelled == JudgeSettings.from_pairs(["gcd_rule=largest-face", "nudenet_threshold=0.5", "clip=a/b.pt"])
    with pytest.raises(UserError, match="nudenet_threshold is given as both 0.4 and 0.5"):
        JudgeSettings.from_pairs(["nudenet_threshold=0.4"], nudenet_threshold=0.5)


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        ("nudenet_threshold", "has no '='"),
        ("nudenet_treshold=0.5", "no setting 'nudenet_treshold'.\nDid you mean 'nudenet_threshold'"),
        ("nudenet_threshold=0.1", "nudenet_threshold: .*not '0.1'"),
        ("nudenet_counting=faces", "nudenet_counting: .*not 'faces'"),
        ("nudenet_resolution=big", "nudenet_resolution: .*not 'big'"),
    ],
)
def test_a_wrong_setting_is_named(pair: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        JudgeSettings.from_pairs([pair])


def test_every_file_that_is_named_counts(tmp_path: Path) -> None:
    (tmp_path / "gcd" / "face_detection").mkdir(parents=True)
    inside = tmp_path / "gcd" / "face_detection" / "det1.npy"
    for path in (inside, tmp_path / "clip.bin"):
        path.touch()
    settings = JudgeSettings(clip=tmp_path / "clip.bin", gcd_resources=tmp_path / "gcd", inception=Path("download"))
    assert set(settings.files()) == {inside, tmp_path / "clip.bin"}


def test_a_setting_that_no_judge_of_the_world_reads_is_refused_before_any_work() -> None:
    from erasebench.runner.job import plan
    from erasebench.runner.request import Request

    request = Request(
        methods=("original",), suites=("celebrity",), judge_settings=JudgeSettings(nudenet_resolution=640)
    )
    with pytest.raises(UserError, match=r"world miniature uses the setting nudenet_resolution.*\n?.*nudenet_threshold"):
        plan(request)


def test_the_miniature_declares_the_settings_that_its_judges_read() -> None:
    from erasebench.api.world import load_world
    from erasebench.worlds.miniature.judges import load

    read = set(re.findall(r"settings\.(\w+)", inspect.getsource(load)))
    assert read == load_world("miniature").judges_read
