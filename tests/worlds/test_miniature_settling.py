"""The change of name in the middle of sampling: at the step that is asked for, and counted for the right name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from erasebench.worlds.miniature.lab.measure import Images
from erasebench.worlds.miniature.lab.settling import Settling
from erasebench.worlds.miniature.painter import paint_person
from erasebench.worlds.miniature.world import WEIGHTS

FIRST, SECOND = "a photo of Zane Langridge", "a photo of Bertram Langridge"


@pytest.fixture(scope="module")
def settling() -> Settling:
    return Settling(WEIGHTS, "cpu", batch_size=2)


def test_before_the_first_step_is_the_second_name_and_after_the_last_the_first(settling: Settling) -> None:
    never = settling.steps
    first, second = (settling.images([(FIRST, SECOND)], change)[0] for change in (never, 0))
    assert np.array_equal(first, settling.images([(FIRST, FIRST)], 3)[0])
    assert np.array_equal(second, settling.images([(SECOND, FIRST)], never)[0])
    seen = settling.measurement.judged("identity", [first, second], ["", ""])["predicted"].tolist()
    assert seen == ["Zane Langridge", "Bertram Langridge"]


@pytest.mark.slow
def test_every_step_counts(settling: Settling) -> None:
    steps = settling.steps
    made = [settling.images([(FIRST, SECOND)], change)[0] for change in range(steps + 1)]
    assert len({image.tobytes() for image in made}) == steps + 1


@pytest.mark.slow
def test_each_pair_has_its_own_prompts_and_its_own_noise_in_later_batches_too(settling: Settling) -> None:
    three = settling.images([(FIRST, SECOND), (SECOND, FIRST), (FIRST, SECOND)], 6)
    assert np.array_equal(three[0], settling.images([(FIRST, SECOND)], 6)[0])
    assert np.array_equal(three[2], settling.images([(SECOND, SECOND), (FIRST, FIRST), (FIRST, SECOND)], 6)[2])
    assert not np.array_equal(three[0], three[2])


@pytest.mark.slow
def test_the_table_counts_whose_face_it_is(settling: Settling, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = settling.pairs()

    def images(prompts: Sequence[tuple[str, str]], change: int) -> Images:
        """The second name before step 3, the first pair's first name for all at 3, the first name later."""
        of_each = len(prompts) // len(pairs)
        shown = [pair[1 if change < 3 else 0] for pair in pairs for _ in range(of_each)]
        if change == 3:
            shown = [pairs[0][0]] * len(shown)
        return [paint_person(name, 0, np.random.default_rng(at)).image for at, name in enumerate(shown)]

    monkeypatch.setattr(settling, "images", images)
    rows = settling.table()
    assert [row.timestep for row in rows] == [*settling.timesteps(), None]
    assert rows[2].second > 0.95 and rows[2].first == 0
    assert rows[4].first > 0.95 and rows[4].second == 0
    assert rows[3].neither == pytest.approx(1 - 1 / len(pairs))
