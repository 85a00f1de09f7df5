"""Write images while the next ones are made: encoding a large PNG takes a good part of what sampling it takes."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from erasebench.cost import Cost
from erasebench.store.images import ImageStore

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Put = Callable[[str, NDArray[np.uint8] | None, Cost], None]

WAITING = 64
"""Images held in memory at most; a sampler that is faster than the disk waits."""


@contextmanager
def written_aside(store: ImageStore) -> Iterator[Put]:
    """`store.put` in a thread of its own, in order. Every image that was given is stored when the block is left, also
    by an error; what a write raised is raised by a later call, or at the end.
    """
    waiting: deque[Future[None]] = deque()

    def put(image: str, pixels: NDArray[np.uint8] | None, cost: Cost) -> None:
        while waiting and (len(waiting) >= WAITING or waiting[0].done()):
            waiting.popleft().result()
        waiting.append(writer.submit(store.put, image, pixels, cost))

    with ThreadPoolExecutor(1, thread_name_prefix="images") as writer:
        yield put
        for written in waiting:
            written.result()
