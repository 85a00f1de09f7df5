"""How prompts and names are compared when one of them went through a file name."""

from __future__ import annotations

import re
import unicodedata


def composed(text: str) -> str:
    """Accents as one character (NFC): macOS takes them apart in file names."""
    return unicodedata.normalize("NFC", text)


def letters(text: str) -> str:
    """What is left of a text in a file's name, whatever the sampler made of blanks, slashes, quotes and line ends.

    Letters, digits and marks (vowels of Indian scripts are marks), in one case and composed.
    """
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(c for c in folded if c.isalnum() or unicodedata.category(c).startswith("M"))


def words(text: str) -> list[str]:
    """The words of a text in one case, without digits and punctuation."""
    return re.findall(r"[^\W\d_]+", composed(text).casefold())
