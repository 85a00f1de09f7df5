"""What erasebench reports, as a person reads it."""

from __future__ import annotations

import logging
import sys

from erasebench.console.scrubbing import scrubbed

LOGGER = logging.getLogger("erasebench")


class _WithoutSecrets(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """The message and its traceback, scrubbed together."""
        return scrubbed(super().format(record))


def print_messages() -> logging.Handler:
    """From here on messages go to stdout without secrets, logger names or timestamps. Returns the added handler."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_WithoutSecrets("%(message)s"))
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    return handler
