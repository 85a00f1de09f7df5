"""What the command line prints of other libraries' messages, in a process of its own: pytest has handlers too."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import logging
from erasebench.console.messages import print_messages
print_messages()
logging.warning("No pretrained weights loaded for model 'ViT-B-32'. Model initialized randomly.")
logging.warning("a library's warning")
logging.getLogger("other").info("a library's chatter")
logging.getLogger("erasebench.deep").info("ours")
logging.getLogger("erasebench.deep").warning("our warning")
"""


def test_ours_are_printed_once_and_a_librarys_warnings_on_stderr() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["ours", "our warning"]
    assert done.stderr.splitlines() == ["a library's warning"]
