from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from erasebench.api.judge import NO_FACE, SCORED, Judge
from erasebench.judges.clip import ClipScoreJudge
from erasebench.judges.fid import FidJudge, feature_matrix
from erasebench.judges.nudenet import NudenetJudge
from erasebench.judges.recogniser import IdentityJudge
from erasebench.judges.references import PairedReferences, ReferenceImage
from erasebench.worlds.miniature import painter
from erasebench.worlds.miniature.concept_lists import ATTRIBUTES, VISIBLE, artists, people
from erasebench.worlds.miniature.judges import segmenter
from erasebench.worlds.miniature.judges.attributes import HEADS, PRESENCE, AttributeJudge, looks_table
from erasebench.worlds.miniature.judges.clip import WordTokenizer, miniature_clip
from erasebench.worlds.miniature.judges.detector import FILE, RESOLUTION
from erasebench.worlds.miniature.judges.features import MiniatureFeatures
from erasebench.worlds.miniature.judges.networks import save_network
from erasebench.worlds.miniature.judges.recogniser import MiniatureRecogniser
from erasebench.worlds.miniature.judges.segmenter import MiniatureSegmenter, part_of
from erasebench.worlds.miniature.painter.mannequin import REGIONS
from erasebench.worlds.miniature.painter.objects import CLASSES, SYNONYMS
from erasebench.worlds.miniature.world import WEIGHTS

CPU = torch.device("cpu")


def _rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture(scope="module")
def pictures() -> list[np.ndarray]:
    rng = _rng(5)
    painted = [painter.paint_person(people()[at].name, at % 5, rng) for at in range(6)]
    painted += [painter.paint_object(None, rng), painter.paint_style(None, rng), painter.paint_mannequin(False, rng)]
    return [picture.image for picture in painted]


PAIRED = {("a ship", 1): ReferenceImage("one", lambda: np.zeros((64, 64, 3), np.uint8))} | {
    (f"A portrait of {person.name}", 1): ReferenceImage(person.name, lambda: np.zeros((64, 64, 3), np.uint8))
    for person in people()[:9]
}
JUDGES: dict[str, Callable[[Path, int], Judge]] = {
    "face-id": lambda folder, batch: IdentityJudge(MiniatureRecogniser(folder, CPU, batch)),
    "attributes": lambda folder, batch: AttributeJudge(folder, CPU, batch),
    "clip-score": lambda folder, batch: ClipScoreJudge(miniature_clip(folder, CPU, batch)),
    "fid": lambda folder, batch: FidJudge(MiniatureFeatures(folder, CPU, batch), PairedReferences(PAIRED, {})),
    # The shipped detector: one that was hardly trained finds nothing, and nothing depends on nothing.
    "nudenet": lambda _, batch: NudenetJudge(WEIGHTS / "judges" / FILE, resolution=RESOLUTION, batch_size=batch),
}


@pytest.mark.parametrize("name", JUDGES)
def test_a_row_depends_neither_on_batch_size_nor_on_order(
    name: str, judges_folder: Path, pictures: list[np.ndarray]
) -> None:
    rows = pd.DataFrame(
        {"concept": [people()[0].name] * 9, "prompt": [f"A portrait of {p.name}" for p in people()[:9]], "seed": 1}
    )
    whole = JUDGES[name](judges_folder, 64).judge(pictures, rows)
    assert name != "nudenet" or whole["total"].sum() > 0
    order = list(_rng(1).permutation(9))
    again = JUDGES[name](judges_folder, 2).judge([pictures[at] for at in order], rows.iloc[order]).loc[rows.index]
    if name == "fid":
        assert feature_matrix(whole) == pytest.approx(feature_matrix(again), abs=1e-4)
    else:
        pd.testing.assert_frame_equal(whole, again, atol=1e-4, rtol=0)


@pytest.mark.parametrize("name", JUDGES)
def test_a_picture_may_have_any_size(name: str, judges_folder: Path, pictures: list[np.ndarray]) -> None:
    large = [np.asarray(Image.fromarray(picture).resize((160, 96))) for picture in pictures]
    tiny = np.zeros((1, 1, 3), dtype=np.uint8)
    rows = pd.DataFrame({"concept": ["x"] * 10, "prompt": ["a ship"] * 10, "seed": 1})
    judged = JUDGES[name](judges_folder, 64).judge([*large, tiny], rows)
    assert set(judged["outcome"]) <= {SCORED, NO_FACE}


def test_the_segmenters_digest_follows_whom_it_knows(judges_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digests = [MiniatureSegmenter(judges_folder, CPU).digest]
    stranger = dataclasses.replace(people()[0], name="Nobody Known")
    for name, value in (("people", lambda: (*people(), stranger)), ("SYNONYMS", SYNONYMS | {"ship": ("galleon",)})):
        with monkeypatch.context() as patch:
            patch.setattr(segmenter, name, value)
            segmenter._parts_by_phrase.cache_clear()
            digests.append(MiniatureSegmenter(judges_folder, CPU).digest)
        segmenter._parts_by_phrase.cache_clear()
    assert len({*digests, MiniatureSegmenter(judges_folder, CPU).digest}) == 3


@pytest.mark.parametrize("name", JUDGES)
def test_identity_is_stable_and_names_weights_and_source(name: str, judges_folder: Path) -> None:
    one, two = (JUDGES[name](judges_folder, batch).identity() for batch in (64, 3))
    assert one == two
    assert "source" in one and "weights" in str(one)


class _Reads(nn.Module):
    """Answers with the attributes it is given, whatever it is shown; sees a face where `faces` says so."""

    def __init__(self, attributes: list[dict[str, str]], faces: list[bool]) -> None:
        super().__init__()
        self.attributes, self.faces = attributes, faces

    def forward(self, x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        heads = {
            name: torch.tensor([[4.0 * (value == own[name]) for value in values] for own in self.attributes])
            for name, values in ATTRIBUTES.items()
        }
        presence = torch.full((len(x), len(PRESENCE)), -5.0)
        presence[:, 0] = torch.tensor([5.0 if face else -5.0 for face in self.faces])
        return heads, presence


def test_the_attribute_judge_finds_everybody_although_one_attribute_was_misread(judges_folder: Path) -> None:
    rng = _rng(2)
    misread = []
    for person in people():
        wrong = VISIBLE[int(rng.integers(len(VISIBLE)))]
        other = [value for value in ATTRIBUTES[wrong] if value != person.attributes[wrong]]
        misread.append({**person.attributes, wrong: str(rng.choice(other))})
    judge = AttributeJudge(judges_folder, CPU, batch_size=240)
    judge.network = _Reads(misread, [at != 7 for at in range(240)])  # type: ignore[assignment]
    rows = pd.DataFrame({"concept": [person.name for person in people()]})
    judged = judge.judge([np.zeros((64, 64, 3), dtype=np.uint8)] * 240, rows)
    seen = judged.drop(index=7)
    assert (seen["predicted"] == rows["concept"].drop(index=7)).all()
    assert seen["matched"].to_numpy(dtype=float) == pytest.approx(np.full(239, 0.9))
    assert judged["outcome"][7] == NO_FACE and pd.isna(judged["predicted"][7]) and pd.isna(judged["read_hat"][7])
    assert seen["read_hat"][0] == misread[0]["hat"]


def test_the_cast_table_tells_everybody_apart() -> None:
    table = looks_table()
    assert table.shape == (240, len(ATTRIBUTES))
    assert len({tuple(row) for row in table}) == 240


def test_the_reader_asks_for_every_attribute_class_and_region() -> None:
    assert set(ATTRIBUTES) <= set(HEADS)
    assert PRESENCE[0] == "face" and set(CLASSES) | set(REGIONS) | {"mannequin"} < set(PRESENCE)


def test_the_tokenizer_ends_every_text_with_its_highest_id() -> None:
    tokenizer = WordTokenizer(["a", "cat", "ship"], context_length=6)
    ids = tokenizer(["A cat", "a walrus", "", "cat " * 20])
    start, end = 5, 6
    assert tokenizer.vocabulary_size == 7
    assert ids.tolist() == [
        [start, 2, 3, end, 0, 0],
        [start, 2, 1, end, 0, 0],
        [start, end, 0, 0, 0, 0],
        [start, 3, 3, 3, 3, end],
    ]


def test_the_judge_clip_knows_every_word_of_the_cast(judges_folder: Path) -> None:
    tokenizer = miniature_clip(judges_folder, CPU).tokenizer
    names = [person.name for person in people()] + [artist.name for artist in artists()]
    names += [*CLASSES, *(word for words in SYNONYMS.values() for word in words)]
    assert not (tokenizer(names) == 1).any()


@pytest.mark.parametrize(
    ("phrase", "part"),
    [
        (people()[3].name, "person"),
        (f" {people()[3].name.upper()}", "person"),
        ("a woman", "person"),
        ("the ship", "ship"),
        ("a lorry", "truck"),
        ("an aircraft", "airplane"),
        ("winged creature", "bird"),
        ("nudity", "mannequin"),
        (artists()[0].name, None),
        ("shipping", None),
        ("", None),
    ],
)
def test_a_phrase_names_a_part_of_the_world_or_nothing(phrase: str, part: str | None) -> None:
    assert part_of(phrase) == part


def test_a_phrase_that_names_nothing_is_found_nowhere(judges_folder: Path, pictures: list[np.ndarray]) -> None:
    images = [Image.fromarray(pictures[0]), Image.fromarray(pictures[0]).resize((100, 50))]
    found = MiniatureSegmenter(judges_folder, CPU).segment(images, artists()[0].name)
    assert [len(one.boxes) for one in found] == [0, 0]
    assert [one.masks.shape for one in found] == [(0, 64, 64), (0, 50, 100)]


class _Sees(nn.Module):
    """The same logits for every picture: those given for dogs, against zero for what belongs to no part."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, x: Tensor) -> Tensor:
        logits = torch.full((len(x), len(segmenter.PARTS) + 1, 64, 64), -20.0)
        logits[:, segmenter.PARTS.index("dog")] = self.logits
        logits[:, -1] = 0
        return logits


def test_each_patch_is_a_box_and_a_mask_best_first_and_crumbs_are_left_out(judges_folder: Path) -> None:
    logits = torch.full((64, 64), -9.0)
    logits[4:14, 6:16] = 1.0  # 100 pixels, unsure
    logits[30:50, 40:60] = 6.0  # 400 pixels, sure
    logits[60:63, 2:5] = 9.0  # 9 pixels: a crumb
    finder = MiniatureSegmenter(judges_folder, CPU)
    finder.network = _Sees(logits)  # type: ignore[assignment]
    small, large = finder.segment([Image.new("RGB", (64, 64)), Image.new("RGB", (128, 128))], "a dog")
    assert [(box.x0, box.y0, box.x1, box.y1) for box in small.boxes] == [(40, 30, 60, 50), (6, 4, 16, 14)]
    assert small.boxes[0].score > 0.99 > 0.8 > small.boxes[1].score > 0.7
    assert small.masks.dtype == bool and small.masks.sum((1, 2)).tolist() == [400, 100]
    assert large.masks.shape == (2, 128, 128)
    assert large.masks.sum((1, 2)) == pytest.approx([1600, 400], rel=0.1)


def test_the_segmenters_digest_is_that_of_its_weights_and_source(judges_folder: Path, tmp_path: Path) -> None:
    other = tmp_path / segmenter.FILE
    finder = MiniatureSegmenter(judges_folder, CPU)
    other.write_bytes((judges_folder / segmenter.FILE).read_bytes())
    assert MiniatureSegmenter(tmp_path, CPU).digest == finder.digest
    save_network(segmenter.SegmenterNetwork(), other, segmenter.PARTS)
    assert MiniatureSegmenter(tmp_path, CPU).digest != finder.digest
