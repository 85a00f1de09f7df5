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


class _OtherWarnings(logging.Handler):
    """Warnings of libraries on stderr, as Python prints them where nobody handles them, without secrets.

    While the root logger has a handler, no library adds one, which would print each of our messages a second time.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Print it, unless it is ours or not true."""
        text = self.format(record)
        if record.name.partition(".")[0] != LOGGER.name and not text.startswith(_NOT_TRUE):
            print(text, file=sys.stderr)


_NOT_TRUE = "No pretrained weights loaded for model"
"""open_clip says so of a model that the CLIP judge then loads with the weights of a file."""
OTHERS = _OtherWarnings(logging.WARNING)
OTHERS.setFormatter(_WithoutSecrets("%(message)s"))


def print_messages() -> logging.Handler:
    """From here on messages go to stdout without secrets, logger names or timestamps. Returns the added handler."""
    logging.getLogger().addHandler(OTHERS)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_WithoutSecrets("%(message)s"))
    LOGGER.addHandler(handler)
    LOGGER.setLevel(logging.INFO)
    return handler
