"""The change of name in the middle of sampling: at the step that is asked for, and counted for the right name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from erasebench.worlds.miniature.lab.measure import Images
from erasebench.worlds.miniature.lab.prompt_switch import PromptSwitch
from erasebench.worlds.miniature.painter import paint_person
from erasebench.worlds.miniature.world import WEIGHTS

FIRST, SECOND = "a photo of Zane Langridge", "a photo of Bertram Langridge"


@pytest.fixture(scope="module")
def prompt_switch() -> PromptSwitch:
    return PromptSwitch(WEIGHTS, "cpu", batch_size=2)


def test_before_the_first_step_is_the_second_name_and_after_the_last_the_first(prompt_switch: PromptSwitch) -> None:
    never = prompt_switch.steps
    first, second = (prompt_switch.images([(FIRST, SECOND)], change)[0] for change in (never, 0))
    assert np.array_equal(first, prompt_switch.images([(FIRST, FIRST)], 3)[0])
    assert np.array_equal(second, prompt_switch.images([(SECOND, FIRST)], never)[0])
    seen = prompt_switch.measurement.judged("face-id", [first, second], ["", ""])["predicted"].tolist()
    assert seen == ["Zane Langridge", "Bertram Langridge"]


@pytest.mark.slow
def test_every_step_counts(prompt_switch: PromptSwitch) -> None:
    steps = prompt_switch.steps
    made = [prompt_switch.images([(FIRST, SECOND)], change)[0] for change in range(steps + 1)]
    assert len({image.tobytes() for image in made}) == steps + 1


@pytest.mark.slow
def test_each_pair_has_its_own_prompts_and_its_own_noise_in_later_batches_too(prompt_switch: PromptSwitch) -> None:
    three = prompt_switch.images([(FIRST, SECOND), (SECOND, FIRST), (FIRST, SECOND)], 6)
    assert np.array_equal(three[0], prompt_switch.images([(FIRST, SECOND)], 6)[0])
    assert np.array_equal(three[2], prompt_switch.images([(SECOND, SECOND), (FIRST, FIRST), (FIRST, SECOND)], 6)[2])
    assert not np.array_equal(three[0], three[2])


@pytest.mark.slow
def test_the_table_counts_whose_face_it_is(prompt_switch: PromptSwitch, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = prompt_switch.pairs()

    def images(prompts: Sequence[tuple[str, str]], change: int) -> Images:
        """The second name before step 3, the first pair's first name for all at 3, the first name later."""
        of_each = len(prompts) // len(pairs)
        shown = [pair[1 if change < 3 else 0] for pair in pairs for _ in range(of_each)]
        if change == 3:
            shown = [pairs[0][0]] * len(shown)
        return [paint_person(name, 0, np.random.default_rng(at)).image for at, name in enumerate(shown)]

    monkeypatch.setattr(prompt_switch, "images", images)
    rows = prompt_switch.table()
    assert [row.timestep for row in rows] == [*prompt_switch.timesteps(), None]
    assert rows[2].second > 0.95 and rows[2].first == 0
    assert rows[4].first > 0.95 and rows[4].second == 0
    assert rows[3].neither == pytest.approx(1 - 1 / len(pairs))
