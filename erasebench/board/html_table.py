"""The board's own tables as HTML, as markdown-it renders them, in a fraction of its time: most cells are numbers."""

from __future__ import annotations

import re
from collections.abc import Callable
from html import escape

_CELL = re.compile(r"(?:[^|\\]|\\.)+")
_PLAIN = re.compile(r"[A-Za-z0-9 .,:;%()\[\]/+=≈↑↓-]*")
_CODE = re.compile(r"`([^`]+)`")
_RECORD = re.compile(r"\[([a-z0-9.-]+)\]\((results/[a-z0-9.-]+\.json)\)")
_ALIGNED = {"left": ' style="text-align:left"', "right": ' style="text-align:right"'}


def html_table(table: str, inline: Callable[[str], str]) -> str:
    """A table as `erasebench.board.tables.markdown_table` writes it; `inline` renders a cell that is not plain."""
    header, rule, *rows = [_cells(line) for line in table.splitlines()]
    styles = [_ALIGNED["right" if cell.endswith(":") else "left"] for cell in rule]

    def row(cells: list[str], tag: str) -> str:
        filled = (f"<{tag}{style}>{_html(cell, inline)}</{tag}>\n" for style, cell in zip(styles, cells, strict=True))
        return f"<tr>\n{''.join(filled)}</tr>\n"

    body = "".join(row(cells, "td") for cells in rows)
    return f"<table>\n<thead>\n{row(header, 'th')}</thead>\n<tbody>\n{body}</tbody>\n</table>\n"


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in _CELL.findall(line)]


def _html(cell: str, inline: Callable[[str], str]) -> str:
    if _PLAIN.fullmatch(cell) and "](" not in cell and "://" not in cell:
        return cell
    if cell.startswith("**") and cell.endswith("**") and _PLAIN.fullmatch(bold := cell[2:-2]) and "](" not in bold:
        return f"<strong>{bold}</strong>"
    if found := _RECORD.fullmatch(cell):
        return f'<a href="{found[2]}">{found[1]}</a>'
    if (found := _CODE.fullmatch(cell)) and "\\" not in cell and found[1] == found[1].strip():
        return f"<code>{escape(found[1], quote=False).replace(chr(34), '&quot;')}</code>"
    return inline(cell)
