"""The celebrity detector on a folder of its format, made here: see erasebench/testing/standins/gcd.py."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from erasebench.api.judge import NO_FACE, SCORED
from erasebench.errors import UserError
from erasebench.judges.gcd.judge import GcdRecogniser, clusters, face_crop
from erasebench.judges.gcd.network import CENTRES, load_recognition, name_key, read_labels, spoken
from erasebench.judges.gcd.restricted_pickle import read_state
from erasebench.judges.recogniser import IdentityJudge
from erasebench.testing.standins.gcd import LABELS, NAMES, picture, write_resources

CPU = torch.device("cpu")
TWO = [picture((2, 5), (50, 30), side=24, size=(60, 80)), picture((20, 20), side=24, size=(60, 80)), picture()]


@pytest.fixture(scope="module")
def resources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_resources(tmp_path_factory.mktemp("gcd"))


@pytest.fixture(scope="module")
def recogniser(resources: Path) -> GcdRecogniser:
    return GcdRecogniser(resources, CPU)


def test_labels_are_sorted_and_spoken_as_names(resources: Path) -> None:
    assert [spoken(label) for label in read_labels(resources / "face_recognition" / "labels.csv")] == list(NAMES)
    assert NAMES[0] == "50 Cent"
    assert name_key("Beyoncé") == name_key("beyonce") and name_key("Andrew McCarthy") == name_key("Andrew Mccarthy")


def test_names_are_spelt_as_the_cast_spells_them(resources: Path) -> None:
    own = GcdRecogniser(resources, CPU, names=["Andrew McCarthy", "Beyoncé", "Nobody Else"])
    assert {"Andrew McCarthy", "Beyoncé"} <= set(own.names) and len(own.names) == len(LABELS)
    assert own.unknown(["Adam Driver", "Nobody Else"]) == ("Nobody Else",)


class Boxes:
    """In place of the detector: the same boxes on every image."""

    def __init__(self, *boxes: tuple[float, float, float, float]) -> None:
        self.boxes = np.array([[*box, 0.9] for box in boxes])

    def faces(self, image: np.ndarray) -> np.ndarray:
        return self.boxes


def with_boxes(resources: Path, rule: str, *boxes: tuple[float, float, float, float]) -> GcdRecogniser:
    own = GcdRecogniser(resources, CPU, rule)  # type: ignore[arg-type]
    own.__dict__["_detector"] = Boxes(*boxes)
    return own


def test_one_face_is_the_recognisers_most_probable_name(resources: Path) -> None:
    image, box = picture((60, 30)), (60.0, 30.0, 120.0, 90.0)
    (found,) = with_boxes(resources, "cluster", box).recognise([image])
    network = load_recognition(resources / "face_recognition" / "best_model_states.pkl", len(NAMES), CPU).network
    crop = face_crop(image, np.array(box))
    assert crop is not None
    with torch.no_grad():
        logits, _ = network(torch.from_numpy(crop.copy()).permute(2, 0, 1)[None].float() / 255)
    best = int(logits[0].argmax())
    assert found.name == NAMES[best]
    assert found.confidence == pytest.approx(float(logits.softmax(1)[0, best]), abs=1e-5)


def test_without_a_face_nobody_is_named_and_the_judge_says_so(recogniser: GcdRecogniser) -> None:
    judged = IdentityJudge(recogniser).judge(TWO, pd.DataFrame({"prompt": list("abc")}))
    assert judged["outcome"].tolist() == [SCORED, SCORED, NO_FACE]
    assert judged["predicted"].isna().tolist() == [False, False, True]


@pytest.mark.parametrize("rule", ["cluster", "largest-face"])
def test_rows_depend_neither_on_batch_size_nor_on_order(resources: Path, rule: str) -> None:
    rows = pd.DataFrame({"prompt": list("abc")})
    whole = IdentityJudge(GcdRecogniser(resources, CPU, rule)).judge(TWO, rows)  # type: ignore[arg-type]
    small = IdentityJudge(GcdRecogniser(resources, CPU, rule, batch_size=1))  # type: ignore[arg-type]
    pd.testing.assert_frame_equal(whole, small.judge(TWO[::-1], rows.iloc[::-1]).loc[rows.index], atol=1e-5)


def test_the_largest_face_alone_counts_under_its_rule(resources: Path) -> None:
    image = np.random.default_rng(1).integers(0, 255, (160, 240, 3), dtype=np.uint8)
    small, large = (10.0, 10.0, 60.0, 60.0), (100.0, 30.0, 190.0, 120.0)
    (of_two,) = with_boxes(resources, "largest-face", small, large).recognise([image])
    (alone,) = with_boxes(resources, "cluster", large).recognise([image])
    assert of_two == alone
    assert len(with_boxes(resources, "cluster", small, large)._crops(image)) == 2


def _about(centre: np.ndarray, n: int, seed: int) -> np.ndarray:
    return centre + 0.01 * np.random.default_rng(seed).normal(size=(n, len(centre)))


def test_faces_are_clustered_by_person_and_the_largest_cluster_comes_first() -> None:
    centres = 5 * np.random.default_rng(0).normal(size=(4, 8))
    embeddings = np.concatenate([_about(centres[2], 1, 1), _about(centres[0], 3, 2), _about(centres[3], 2, 3)])
    probabilities = np.full((6, 4), 0.1)
    probabilities[[0, 1, 2, 3, 4, 5], [2, 0, 0, 0, 3, 3]] = 0.7
    found = [cluster.tolist() for cluster in clusters(probabilities, embeddings, centres)]
    assert found == [[1, 2, 3], [4, 5], [0]]
    assert clusters(probabilities[:0], embeddings[:0], centres) == []


def test_inside_a_cluster_probabilities_are_multiplied_and_renormalised(recogniser: GcdRecogniser) -> None:
    """0.6 x 0.2 against 0.4 x 0.8: the second name wins with 0.32 / 0.44."""
    probabilities = np.zeros((2, len(NAMES)), dtype=np.float32)
    probabilities[0, :2], probabilities[1, :2] = (0.6, 0.4), (0.2, 0.8)
    same = np.zeros((2, 256))
    same[1] += 1e-9
    one_cluster = [np.arange(2)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("erasebench.judges.gcd.judge.clusters", lambda *_: one_cluster)
        found = recogniser._named(probabilities, same)
    assert found.name == NAMES[1] and found.confidence == pytest.approx(0.32 / 0.44)


def test_a_product_of_zeros_is_no_face_and_the_next_cluster_counts(recogniser: GcdRecogniser) -> None:
    probabilities = np.zeros((3, len(NAMES)), dtype=np.float32)
    probabilities[0, 0] = probabilities[1, 1] = probabilities[2, 3] = 1.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("erasebench.judges.gcd.judge.clusters", lambda *_: [np.array([0, 1]), np.array([2])])
        assert recogniser._named(probabilities, np.zeros((3, 256))).name == NAMES[3]
        patch.setattr("erasebench.judges.gcd.judge.clusters", lambda *_: [np.array([0, 1])])
        assert recogniser._named(probabilities[:2], np.zeros((2, 256))).name is None


def test_a_crop_is_a_fifth_wider_and_higher_cut_at_the_edge() -> None:
    image = np.zeros((100, 100, 3), np.uint8)
    image[20:60, 30:70] = 255
    crop = face_crop(image, np.array([30.0, 20.0, 70.0, 60.0, 0.9]))
    assert crop is not None and crop.shape == (224, 224, 3)
    expected = Image.fromarray(image[16:64, 26:74]).resize((224, 224), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(crop, np.asarray(expected))
    at_edge = face_crop(image, np.array([-10.0, -10.0, 30.0, 30.0, 0.9]))
    np.testing.assert_array_equal(
        at_edge, np.asarray(Image.fromarray(image[0:34, 0:34]).resize((224, 224), Image.Resampling.BILINEAR))
    )
    assert face_crop(image, np.array([200.0, 10.0, 240.0, 50.0, 0.9])) is None


def test_the_rule_and_every_file_are_part_of_the_identity(recogniser: GcdRecogniser, resources: Path) -> None:
    assert GcdRecogniser(resources, CPU, batch_size=3).identity() == recogniser.identity()
    assert GcdRecogniser(resources, CPU, "largest-face").identity() != recogniser.identity()
    assert len(recogniser.identity()["weights"]) == 5


@pytest.mark.parametrize("file", ["face_detection/det2.npy", "face_recognition/labels.csv"])
def test_a_missing_file_is_named_with_source_licence_and_command(resources: Path, tmp_path: Path, file: str) -> None:
    for path in resources.rglob("*.*"):
        if path.relative_to(resources).as_posix() != file:
            target = tmp_path / path.relative_to(resources)
            target.parent.mkdir(exist_ok=True)
            target.symlink_to(path)
    with pytest.raises(UserError, match=f"MPL-2.0.*{file} is missing") as error:
        GcdRecogniser(tmp_path, CPU)
    assert "resources.tar.gz" in error.value.hint and str(tmp_path) in error.value.hint


def test_an_unknown_rule_is_named(resources: Path) -> None:
    with pytest.raises(UserError, match="no rule 'biggest'"):
        GcdRecogniser(resources, CPU, "biggest")  # type: ignore[arg-type]


def test_weights_for_other_labels_are_named(resources: Path, tmp_path: Path) -> None:
    path = resources / "face_recognition" / "best_model_states.pkl"
    with pytest.raises(UserError, match="6 class centres, but the labels name 7 people"):
        load_recognition(path, 7, CPU)
    state = read_state(path, "model_state")
    for name, spoilt, what in (
        ("renamed", {**state, "model.fc3.weight": torch.zeros(1)}, "fc3.weight and 0 more"),
        ("misshapen", {**state, "model.fc1.bias": torch.zeros(3)}, "does not fit"),
        ("short", {CENTRES: state[CENTRES]}, "does not fit"),
    ):
        torch.save({"model_state": spoilt}, tmp_path / f"{name}.pkl")
        with pytest.raises(UserError, match=what):
            load_recognition(tmp_path / f"{name}.pkl", 6, CPU)


@pytest.mark.parametrize("text", ["", "Labels,Index\n", "Labels,Index\nA_[m.1],0\nA_[m.1],1\n"])
def test_labels_that_are_none_are_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(UserError, match=r"labels\.csv must name"):
        read_labels(tmp_path / "labels.csv")
