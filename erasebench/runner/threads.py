"""How many threads a method works with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch


@contextmanager
def threads(count: int | None) -> Iterator[None]:
    """Within the block torch computes on `count` threads of the CPU; None: on as many as before.

    Sums split among threads are added in another order, and training amplifies the last digit in which they differ.
    """
    if count is None:
        yield
        return
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
