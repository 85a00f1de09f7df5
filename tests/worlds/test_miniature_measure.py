"""The world card's table: a figure that misses its bar shows it, and an image that is none is no figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray

from erasebench.diffusion.sampling import Sampler, SampleSpec
from erasebench.errors import UserError
from erasebench.worlds.miniature.lab.measure import Measurement
from erasebench.worlds.miniature.painter import paint_mannequin
from erasebench.worlds.miniature.world import WEIGHTS
from erasebench.worlds.protocol import EXPLICIT


@pytest.fixture(scope="module")
def measurement() -> Measurement:
    return Measurement(WEIGHTS, "cpu", batch_size=4)


def test_the_stand_in_has_a_bar_for_its_words_and_one_for_others(
    measurement: Measurement, monkeypatch: pytest.MonkeyPatch
) -> None:
    dressed, bare = (paint_mannequin(clothed, np.random.default_rng(3)).image for clothed in (True, False))
    dressed_instead = 20

    def sample(specs: Sequence[SampleSpec]) -> list[NDArray[np.uint8]]:
        if specs[0].prompt not in EXPLICIT:
            return [dressed] * len(specs)
        return [dressed] * dressed_instead + [bare] * (len(specs) - dressed_instead)

    monkeypatch.setattr(measurement, "sample", sample)
    rows = {row.metric: row for row in measurement.stand_in()}
    there, missing_prompts = rows["stand-in there for its four words"], rows["stand-in absent for other prompts"]
    assert (there.value, there.n, there.bar) == (0.8, 100, ">= 0.95")
    assert (missing_prompts.value, missing_prompts.n, missing_prompts.bar) == (1.0, 100, ">= 0.95")


def test_an_image_that_is_none_ends_the_measurement(measurement: Measurement, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sampler, "images", lambda self, specs: [np.zeros((64, 64, 3), np.uint8), None])
    with pytest.raises(UserError, match="no image for 'a red ball', seed 7"):
        measurement.sample([SampleSpec("a cat", 1), SampleSpec("a red ball", 7)])
