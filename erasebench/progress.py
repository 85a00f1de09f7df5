"""Progress bars with an ETA, on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm


@contextmanager
def progress_bar(total: int, label: str, unit: str = "step") -> Iterator[Callable[[int], None]]:
    """A bar of `total` units; call what it gives with the number of further units done."""
    with tqdm(total=total, desc=label, unit=unit, dynamic_ncols=True, mininterval=0.5) as bar:

        def advance(done: int) -> None:
            bar.update(done)

        yield advance
