"""Ctrl-C and a polite kill (SIGTERM): both end a command without a traceback, and the next run goes on."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
"""Exit codes, as shells give them: 128 and the signal's number."""
MESSAGES = {
    130: "Interrupted. Run the same command again: it continues where it stopped.",
    143: "Ended by SIGTERM. Run the same command again: it continues where it stopped.",
}
_received: list[int] = []


class Interrupted(KeyboardInterrupt):
    """A signal that asks the command to end; `code` is the exit code that goes with it."""

    def __init__(self, code: int) -> None:
        super().__init__(code)
        self.code = code


@contextmanager
def interruptible() -> Iterator[None]:
    """Within the block, which the main thread runs, SIGINT and SIGTERM raise `Interrupted`."""
    _received.clear()
    before = {number: signal.signal(number, _interrupt) for number in CODES}
    # Where Python cannot go on with an exception (a finalizer, a callback out of C) it prints and drops it. That of a
    # signal is remembered in _received, and check_interrupted raises it again: there is nothing to print.
    hook = sys.unraisablehook
    sys.unraisablehook = lambda dropped: None if isinstance(dropped.exc_value, Interrupted) else hook(dropped)
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)
        _received.clear()


def _interrupt(number: int, frame: FrameType | None) -> None:
    _received.append(number)
    raise Interrupted(CODES[signal.Signals(number)])


def interrupted() -> int | None:
    """The exit code of the signal that has come since `interruptible` began; None where none has."""
    return CODES[signal.Signals(_received[0])] if _received else None


def check_interrupted(error: BaseException | None = None) -> None:
    """Raise `Interrupted` where a signal has come and the work goes on all the same.

    An import that it broke off may have turned it into `error`; Python drops what is raised in a finalizer.
    """
    if (code := interrupted()) is not None:
        raise Interrupted(code) from error
