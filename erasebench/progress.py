"""Progress bars with an ETA, on stderr; none where erasebench reports warnings alone (-q)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from erasebench.messages import LOGGER


@contextmanager
def progress_bar(total: int, label: str, unit: str = "step") -> Iterator[Callable[[int], None]]:
    """A bar of `total` units; call what it gives with the number of further units done."""
    quiet = LOGGER.level > logging.INFO
    with tqdm(total=total, desc=label, unit=unit, dynamic_ncols=True, mininterval=0.5, disable=quiet) as bar:

        def advance(done: int) -> None:
            bar.update(done)

        yield advance
