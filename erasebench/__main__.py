"""The program itself, as `erasebench` and as `python -m erasebench` (for `accelerate launch -m erasebench ...`)."""

from __future__ import annotations

import sys

from erasebench.interruption import MESSAGES, interrupted, interruptible


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
