"""The key of the language model's endpoint: taken from the environment, sent there, written and printed nowhere."""

from __future__ import annotations

import os

from erasebench.errors import UserError

KEY_VARIABLE = "ERASEBENCH_PROMPT_KEY"
"""The environment variable that holds prompt_endpoint's key, where it wants one."""


def prompt_key() -> str:
    """The key without blanks and line ends around it; '' where there is none.

    UserError for a character that no HTTP header can carry: it says where, and not what the key is.
    """
    key = os.environ.get(KEY_VARIABLE, "").strip()
    wrong = [at for at, letter in enumerate(key, start=1) if not "!" <= letter <= "~"]
    if wrong:
        what = f"{KEY_VARIABLE}: character {wrong[0]} of {len(key)} is a space, a control character or not ASCII."
        raise UserError(what, "Set it to the key only, without quotation marks, spaces or line ends.")
    return key
