"""The distance of a run's images from their references: the same that scoring the same images gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import erasebench
from erasebench.api.judge import Judge, Pixels
from erasebench.diffusion.sampling import Sampler, SampleSpec
from erasebench.judges.fid import FidJudge
from erasebench.judges.references import PairedReferences, ReferenceImage
from erasebench.scoring.report import score_folder
from tests.runner.toy import of
from tests.toy_world import ToyWorld


class MeanColour:
    """Three numbers of an image in the place of a network's."""

    family = "mini"

    def identity(self) -> dict[str, Any]:
        return {"extractor": "mean colour"}

    def features(self, images: Sequence[Pixels]) -> np.ndarray:
        return np.array([image.mean((0, 1)) for image in images], dtype=np.float32).reshape(-1, 3)


def reference(at: int) -> ReferenceImage:
    return ReferenceImage(f"grey {at}", lambda: np.full((8, 8, 3), 40 * at + 1, dtype=np.uint8))


class ToyDistances(ToyWorld):
    """The toy world with references for its captions."""

    judges: ClassVar[frozenset[str]] = ToyWorld.judges | {"fid"}

    def judge(self, name: str, device: Any = "cpu") -> Judge:
        if name != "fid":
            return super().judge(name, device)
        references = {(row.prompt, row.seed): reference(at) for at, row in enumerate(self.general_prompts())}
        return FidJudge(MeanColour(), PairedReferences(references, {"references": "grey"}))


def test_an_image_that_is_none_leaves_both_sides_in_a_run_as_in_a_score(
    words: dict[str, Any], tiny_model_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, own = ToyDistances(tiny_model_folder).general_prompts()[1].prompt, Sampler.images

    def images(self: Sampler, specs: Sequence[SampleSpec]) -> Iterator[Any]:
        for spec, image in zip(specs, own(self, specs), strict=True):
            yield None if spec.prompt == broken else image

    monkeypatch.setattr(Sampler, "images", images)
    words["world"] = f"{__file__}:ToyDistances"
    record = of(erasebench.run(**words, size="full", baselines="none"), "shift")
    metric = record.metrics["fid_mini_2"]
    assert (metric.n_scored, metric.n_expected) == (2, 3)

    (store,) = words["runs_folder"].glob("toy/images/shift-*")
    (listing,) = words["runs_folder"].glob("toy/toy-2/finished/shift-*.csv")
    (store / "images.csv").write_text(listing.read_text().replace(f"../../images/{store.name}/", ""))
    scored = score_folder(store, ["fid"], ToyDistances(tiny_model_folder))
    assert scored.metrics["fid"]["general"]["fid_mini_2"].value == pytest.approx(metric.value)
