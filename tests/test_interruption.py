"""Ctrl-C and SIGTERM end the program at any moment with their exit code, a line and no traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from erasebench.console.interruption import Interrupted, check_interrupted, interrupted, interruptible
from erasebench.console.progress import progress_bar

READY = """
import sys
sys.argv = ["erasebench", *sys.argv[1:]]
from erasebench.__main__ import main
from erasebench.console import interruption
import contextlib
inner = interruption.interruptible
@contextlib.contextmanager
def announced():
    with inner():
        print("ready", flush=True)
        yield
import erasebench.__main__ as program
program.interruptible = announced
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("number", "seconds", "code", "said"),
    [
        *((signal.SIGINT, seconds, 130, "Interrupted. Run the same command again") for seconds in (0.0, 0.2, 0.7, 2.0)),
        *((signal.SIGTERM, s, 143, "Ended by SIGTERM. Run the same command again") for s in (0.0, 0.4, 1.2)),
    ],
)
def test_a_signal_during_imports_and_work_leaves_a_line_and_no_traceback(
    tmp_path: Path, number: int, seconds: float, code: int, said: str
) -> None:
    words = ["run", "--method", "mace", "--suite", "celebrity", "--out", "out", "--runs-folder", "runs"]
    command = [sys.executable, "-c", READY, *words]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        time.sleep(seconds)
        process.send_signal(number)
        _, printed = process.communicate(timeout=60)
    assert (process.returncode, "Traceback" in printed) == (code, False), printed
    assert said in printed and "it continues where it stopped" in printed


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_signal_that_python_drops_ends_the_work_at_its_next_step() -> None:
    class Unlucky:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(5)

    done = []
    with interruptible(), pytest.raises(Interrupted) as caught, progress_bar(3, "work") as advance:
        for step in range(3):
            if step == 1:
                Unlucky()
            done.append(step)
            advance(1)
    assert (caught.value.code, done) == (143, [0, 1])
    with progress_bar(1, "later work") as advance:
        advance(1)


def test_what_an_import_makes_of_an_interruption_is_one_still() -> None:
    with interruptible():
        with pytest.raises(Interrupted):
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(5)
        assert interrupted() == 130
        with pytest.raises(Interrupted):
            check_interrupted(ImportError("a library gave up"))
    with interruptible():
        assert interrupted() is None
        check_interrupted(ImportError("a library is not there"))


def test_a_signal_that_python_drops_is_not_printed_and_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    class Finalized:
        def __del__(self) -> None:
            signal.raise_signal(signal.SIGTERM)

    class Broken:
        def __del__(self) -> None:
            raise ValueError("something else")

    printed: list[object] = []
    monkeypatch.setattr("sys.unraisablehook", lambda dropped: printed.append(type(dropped.exc_value)))
    with interruptible():
        for kind in (Finalized, Broken):
            dropped = kind()
            del dropped
        assert interrupted() == 143
        with pytest.raises(Interrupted):
            check_interrupted()
    assert printed == [ValueError]
