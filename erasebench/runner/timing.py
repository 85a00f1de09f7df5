"""What all attempts at an erasure cost: a killed one cannot say so in the end, so it is written down on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from erasebench.cost import Cost, Meter, total
from erasebench.errors import UserError
from erasebench.files.sealed import read_sealed_json, write_sealed_json

SECONDS_BETWEEN = 2.0
"""How often it is written down, and so the most that a kill can hide."""


@contextmanager
def all_attempts(file: Path, meter: Meter) -> Iterator[Callable[[], Cost]]:
    """Gives what reads the cost so far, earlier attempts included, and keeps it in `file` meanwhile.

    Remove the file once the work is done: what is then made anew is no further attempt.
    """
    earlier = Cost(*(read_sealed_json(file) or ()))
    over = threading.Event()

    def read() -> Cost:
        return total([earlier, meter.read()])

    def write() -> None:
        with suppress(OSError, UserError):  # a full disk is reported by what needs the room
            write_sealed_json(file, list(read()))

    def keep() -> None:
        while not over.wait(SECONDS_BETWEEN):
            write()

    keeper = threading.Thread(target=keep, daemon=True)
    keeper.start()
    try:
        yield read
    finally:
        over.set()
        keeper.join()
        write()
