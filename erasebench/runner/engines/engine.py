"""What every engine is: units of work in, what each came to out, wherever they are worked on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol, TypeVar

Unit = TypeVar("Unit")
Outcome = TypeVar("Outcome")


class Engine(Protocol):
    """Works on units that do not need each other.

    A run's unit is a `Request` and its outcome a `Summary`: data without a model in it, which can be pickled and sent
    to another process or machine. All that a unit makes goes into the folders that the request names.
    """

    def each(self, units: Iterable[Unit], work: Callable[[Unit], Outcome]) -> Iterator[tuple[Unit, Outcome]]:
        """Every unit with `work(unit)`, as soon as it is there; each exactly once, and in order where it can be.

        `work` is a module's own function, which another process can import. What it raises is raised here and ends
        the rest; an interruption ends all units, and none begins after it.
        """
        ...
