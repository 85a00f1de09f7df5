"""File names that are not valid UTF-8, as text that can be printed and stored."""

from __future__ import annotations


def readable(name: str) -> str:
    """`name` with every byte that is not UTF-8 (a lone surrogate in Python) written out as an escape, `\\udce9`."""
    return name.encode("utf-8", "backslashreplace").decode("utf-8")
