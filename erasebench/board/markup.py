"""Text of records as it may stand on a page or a terminal: whatever it says, it stays text.

A record may come from anybody. `Markdown` marks what the board itself composed; every other string goes through
`escaped` or `code` before it is written (`markdown_table` does so for its cells).
"""

from __future__ import annotations

import re

LONGEST = 4_000
"""Characters shown of one text; the record has it whole."""

_JOINERS = "\u200c\u200d"
"""Invisible, and part of the spelling of names in several scripts."""
_ALWAYS = re.compile(r"[\\`*\[\]|~$]")
_UNDERSCORE = re.compile(r"(?<![^\W_])_|_(?![^\W_])")
_ENTITY = re.compile(r"&(?=[#A-Za-z])")
_BLOCK_START = re.compile(r"^(\d{1,9}(?=[.)](?:\s|$))|(?=[#>+=-]))")
_LINK = re.compile(r"[A-Za-z]*://|www\.|mailto:|xmpp:|@(?=[^@]*\.\w)", re.IGNORECASE)
_MARKUP = re.compile(r"!\[|\]\(|<[A-Za-z/!?]")


class Markdown(str):
    """Text that is markdown already: what records said in it has been escaped."""

    __slots__ = ()


def one_line(text: str) -> str:
    """`text` on one line: line ends and blanks become one blank each, at most LONGEST characters are kept.

    Control characters, marks that turn the direction of writing, lone surrogates and other invisible characters become
    U+FFFD.
    """
    if len(text) > LONGEST:
        text = f"{text[: LONGEST - 1]}…"
    if not text.isprintable():
        text = "".join(map(_visible, text))
    return " ".join(text.split())


def escaped(text: str) -> Markdown:
    """`text` as markdown that shows it, on one line: no link, image, tag, heading, emphasis or further table cell.

    What a reader of markdown would turn into a link by itself is interrupted: its 'https://' or '@' stands as code.
    """
    words = one_line(text).split(" ")
    return Markdown(_BLOCK_START.sub(r"\1\\", " ".join(map(_word, words))))


def code(text: str) -> Markdown:
    """`text` as inline code, on one line, also within a table; what looks like markup is shown as `escaped` does."""
    text = one_line(text)
    if _MARKUP.search(text):
        return escaped(text)
    # No reader of tables agrees with another on a bar inside code, so each bar stands outside of it.
    return Markdown("\\|".join(_fenced(part) for part in text.split("|") if part))


def _visible(character: str) -> str:
    if character.isprintable() or character in _JOINERS:
        return character
    return " " if character.isspace() else "\ufffd"


def _word(word: str) -> str:
    plain, links = _LINK.split(word), _LINK.findall(word)
    shown = [_literal(plain[0])]
    for link, rest in zip(links, plain[1:], strict=True):
        shown += [_fenced(link), _literal(rest)]
    return "".join(shown)


def _literal(text: str) -> str:
    text = _ENTITY.sub("&amp;", text)
    text = _ALWAYS.sub(r"\\\g<0>", text)
    return _UNDERSCORE.sub(r"\\_", text).replace("<", "&lt;")


def _fenced(text: str) -> str:
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    pad = " " if text.startswith(("`", " ")) or text.endswith(("`", " ")) else ""
    return f"{fence}{pad}{text}{pad}{fence}"
