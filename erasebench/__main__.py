"""The program itself, as `erasebench` and as `python -m erasebench` (for `accelerate launch -m erasebench ...`)."""

from __future__ import annotations

import os
import sys


def _without_working_folder() -> None:
    """Take the working folder off the import path, unless erasebench itself lies there.

    `python -m` puts it first, so that a tqdm.py among somebody's images would be imported as the library.
    """
    here = os.path.realpath(os.getcwd())
    own = os.path.dirname(os.path.dirname(os.path.realpath(__file__)))
    if sys.path and os.path.realpath(sys.path[0]) == here and own != here:
        del sys.path[0]


if __name__ == "__main__":
    # Before any other import: those are what a file in the working folder could stand in for.
    _without_working_folder()

from erasebench.console.interruption import MESSAGES, interrupted, interruptible  # noqa: E402


def main() -> int:
    """Run the command line of this process and return its exit code; 130 after Ctrl-C and 143 after SIGTERM.

    An interruption ends it without a traceback at any moment, also while libraries are imported.
    """
    with interruptible():
        try:
            # Here and not above: the import takes a moment, in which Ctrl-C may come.
            from erasebench.cli import main as command

            return command()
        except BaseException:
            if (code := interrupted()) is None:
                raise
    print(MESSAGES[code], file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
