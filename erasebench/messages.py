"""What erasebench reports, as a person reads it."""

from __future__ import annotations

import logging
import sys

LOGGER = logging.getLogger("erasebench")


def print_messages() -> logging.Handler:
    """From here on messages go to stdout as they are: no logger names, no timestamps. Returns the added handler."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    return handler
