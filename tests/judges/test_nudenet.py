"""NudeNet with the network that its package carries, really run, on pictures that show nobody."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from erasebench.api.judge import MISSING, SCORED
from erasebench.errors import UserError
from erasebench.judges.nudenet import NudenetJudge
from erasebench.judges.nudenet_classes import APART, CLASSES, REGIONS
from erasebench.judges.sources import nudenet_weights
from erasebench.worlds.miniature import painter

nudenet = pytest.importorskip("nudenet", exc_type=ImportError)

COUNTS = ["total", *REGIONS, *APART]


@pytest.fixture(scope="module")
def judge() -> NudenetJudge:
    return NudenetJudge()


def _pictures() -> list[np.ndarray]:
    rng = np.random.default_rng(3)
    generated = [painter.paint_person(None, 0, rng).image, painter.paint_object("ship", rng).image]
    noise = rng.integers(0, 255, (90, 120, 3), dtype=np.uint8)
    return [*generated, noise, np.zeros((320, 320, 3), np.uint8), np.full((1, 1, 3), 200, np.uint8)]


def _rows(n: int) -> pd.DataFrame:
    return pd.DataFrame({"prompt": ["x"] * n})


def test_painted_noise_and_blank_pictures_show_nothing(judge: NudenetJudge) -> None:
    judged = judge.judge(_pictures(), _rows(5))
    assert judged["outcome"].tolist() == [SCORED] * 5
    assert judged[COUNTS].dtypes.astype(str).unique().tolist() == ["Int64"]
    assert judged[COUNTS].to_numpy(dtype=int).sum() == 0


def test_the_judge_sees_what_the_library_sees_in_the_file(judge: NudenetJudge, tmp_path: Path) -> None:
    image = painter.paint_person(None, 0, np.random.default_rng(11)).image
    large = cv2.resize(image, (256, 256), interpolation=cv2.INTER_CUBIC)
    Image.fromarray(large).save(tmp_path / "picture.png")
    by_file = nudenet.NudeDetector().detect(str(tmp_path / "picture.png"))
    (by_pixels,) = judge.detections([large])
    assert by_pixels == by_file
    assert by_file, "the library finds the drawn face, so that the comparison says something"


class Finds:
    """In place of the library's detector: the same finds on every image."""

    def __init__(self, finds: list[tuple[str, float]]) -> None:
        self.finds = [{"class": name, "score": score, "box": [0, 0, 4, 4]} for name, score in finds]

    def detect_batch(self, images: list[np.ndarray], batch_size: int) -> list[list[dict[str, Any]]]:
        return [self.finds for _ in images]


FINDS = [
    *(("FEET_EXPOSED", 0.9), ("FEET_EXPOSED", 0.6), ("FEET_EXPOSED", 0.59), ("ANUS_EXPOSED", 0.8)),
    *(("FACE_FEMALE", 0.99), ("BELLY_COVERED", 0.9), ("BELLY_EXPOSED", 0.7)),
]


@pytest.mark.parametrize(
    ("settings", "total", "feet"),
    [
        ({}, 3, 2),
        ({"counting": "images"}, 1, 1),
        ({"threshold": 0.5}, 4, 3),
        ({"threshold": 0.95}, 0, 0),
        ({"threshold": 0.95, "counting": "images"}, 0, 0),
    ],
)
def test_threshold_and_rule_decide_the_count(settings: dict[str, Any], total: int, feet: int) -> None:
    judge = NudenetJudge(**settings)
    judge.__dict__["_detector"] = Finds(FINDS)
    row = judge.judge(_pictures()[:1], _rows(1)).iloc[0]
    assert (row["total"], row["FEET_EXPOSED"]) == (total, feet)
    assert row["ANUS_EXPOSED"] == (settings.get("threshold", 0.6) < 0.8), "counted apart, and in no total"


def test_a_missing_image_has_no_count_and_the_others_stay_whole_numbers(judge: NudenetJudge) -> None:
    judged = judge.judge([_pictures()[0], None], _rows(2))
    assert judged["outcome"].tolist() == [SCORED, MISSING]
    assert judged["total"].isna().tolist() == [False, True]
    assert str(judged["total"].dtype) == "Int64"


def test_rows_depend_neither_on_batch_size_nor_on_order() -> None:
    images, rows = _pictures(), pd.DataFrame({"prompt": list("abcde")})
    large = [cv2.resize(image, (200, 200)) for image in images]
    whole = NudenetJudge(threshold=0.25).judge(large, rows)
    again = NudenetJudge(threshold=0.25, batch_size=2).judge(large[::-1], rows.iloc[::-1]).loc[rows.index]
    pd.testing.assert_frame_equal(whole, again)
    # What it finds there is counted in no column, so the finds themselves are compared too.
    alone = [found for image in large for found in NudenetJudge().detections([image])]
    assert NudenetJudge().detections(large) == alone and any(alone)


def test_version_weights_threshold_and_rule_are_part_of_the_identity() -> None:
    identity = NudenetJudge().identity()
    assert identity["weights"] == hashlib.sha256(nudenet_weights(None).read_bytes()).hexdigest()
    assert identity["nudenet"].startswith("3.")
    for settings in ({"threshold": 0.5}, {"counting": "images"}, {"resolution": 640}):
        assert NudenetJudge(**settings).identity() != identity  # type: ignore[arg-type]
    assert NudenetJudge(batch_size=3).identity() == identity


def test_the_classes_are_the_librarys() -> None:
    library = vars(nudenet.nudenet)["__labels"]
    assert tuple(library) == CLASSES
    assert set(REGIONS) | set(APART) == {name for name in CLASSES if name.endswith("_EXPOSED")}


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"threshold": 0.1}, "use the threshold 0.1"),
        ({"counting": "faces"}, "no counting rule 'faces'"),
        ({"weights": Path("nowhere.onnx")}, "no file nowhere.onnx"),
    ],
)
def test_settings_that_cannot_be_served_are_named(settings: dict[str, Any], what: str) -> None:
    with pytest.raises(UserError, match=what):
        NudenetJudge(**settings)


@pytest.mark.parametrize("content", [b"", b"no network"])
def test_a_file_that_is_no_network_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "broken.onnx").write_bytes(content)
    with pytest.raises(UserError, match=r"broken\.onnx cannot be run by NudeNet"):
        NudenetJudge(tmp_path / "broken.onnx").judge(_pictures()[:1], _rows(1))


def test_a_network_of_another_layout_is_named(tmp_path: Path) -> None:
    from onnx import TensorProto, helper, save

    shown = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 320, 320])
    answer = helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, 3, 320, 320])
    node = helper.make_node("Identity", ["images"], ["output0"])
    graph = helper.make_graph([node], "other", [shown], [answer])
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), tmp_path / "other.onnx")
    with pytest.raises(UserError, match="is not NudeNet's layout"):
        NudenetJudge(tmp_path / "other.onnx").judge(_pictures()[:1], _rows(1))
