"""Today's version of a method by its name, for a board that compares its records with it."""

from __future__ import annotations

from erasebench.api.method import METHODS, load_method
from erasebench.errors import UserError
from erasebench.runner.request import version_of


def todays_version(method: str) -> str | None:
    """The version that a record of this method would have today; None for one that is not installed, or broken."""
    if method not in METHODS.names():
        return None
    try:
        return version_of(load_method(method))
    except (UserError, OSError, SyntaxError):
        return None
