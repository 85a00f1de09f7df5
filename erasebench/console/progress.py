"""Progress bars with an ETA, on stderr; none where erasebench reports warnings alone (-q)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tqdm import tqdm

from erasebench.console.interruption import check_interrupted
from erasebench.console.messages import LOGGER


@contextmanager
def progress_bar(
    total: int, label: str, unit: str = "step", *, done_before: int = 0
) -> Iterator[Callable[[int], None]]:
    """A bar of `total` units; call what it gives with the number of further units done, those of a batch at once.

    `done_before`: units that an earlier run has done; they count in the bar and not in the speed that the ETA rests on.
    """
    quiet = LOGGER.level > logging.INFO
    look: dict[str, Any] = {"dynamic_ncols": True, "mininterval": 0.5, "smoothing": 0.1, "disable": quiet}
    with tqdm(total=total, initial=done_before, desc=label, unit=unit, **look) as bar:

        def advance(done: int) -> None:
            bar.update(done)
            check_interrupted()

        check_interrupted()
        yield advance
