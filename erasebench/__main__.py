"""`python -m erasebench`: the command line, for launchers that start a module (`accelerate launch -m`)."""

from __future__ import annotations

import sys

from erasebench.cli import main

if __name__ == "__main__":
    sys.exit(main())
