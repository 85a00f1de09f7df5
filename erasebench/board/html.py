"""The board as a page to look at: the same markdown, rendered, with tables that scroll and sheets at their own size."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import groupby

from markdown_it import MarkdownIt

from erasebench.board.html_table import html_table

_STYLE = """
:root { color-scheme: light dark; --line: #d0d4da; --quiet: #5b6470; --head: #f3f5f7; --mark: #fff7d6; }
@media (prefers-color-scheme: dark) { :root { --line: #3a414b; --quiet: #9aa4b0; --head: #1f242b; --mark: #3a3415; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1.5rem; }
h1, h2, h3 { line-height: 1.2; margin: 2.2em 0 .6em; }
h1 { margin-top: 0; } h2 { border-bottom: 1px solid var(--line); padding-bottom: .3em; }
.table { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; margin: 1em 0; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { padding: .4em .8em; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--line); }
th { background: var(--head); } tr:last-child td { border-bottom: 0; }
th:first-child, td:first-child { text-align: left; position: sticky; left: 0; background: var(--head); }
td strong { background: var(--mark); border-radius: 3px; padding: 0 .2em; }
img { max-width: 100%; border: 1px solid var(--line); border-radius: 6px; }
code { font-size: .92em; } li, p { max-width: 60rem; } .table + p { color: var(--quiet); }
"""


_FOLD = re.compile("<details><summary>([^<>]*)</summary>")
"""How the board's markdown begins a part that is folded away; `</details>` ends it."""
_POLICY = "default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
"""A second lock: whatever might still get into the page, a browser runs nothing and loads nothing from elsewhere."""


def html_page(markdown: str) -> str:
    """A page of its own, without scripts or anything from elsewhere; images and links stay relative to its folder."""
    renderer = MarkdownIt("commonmark", {"html": False}).enable("table")
    body = "".join(_rendered(markdown, renderer))
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>erasebench leaderboard</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n"
    )


def _rendered(markdown: str, renderer: MarkdownIt) -> Iterator[str]:
    """The board's own fold is the only HTML that a block may bring: what records say is escaped."""
    for kind, blocks in groupby(markdown.split("\n\n"), key=_kind):
        if kind == "text":
            yield renderer.render("\n\n".join(blocks))
            continue
        for block in blocks:
            if kind == "table":
                yield f'<div class="table">{html_table(block, renderer.renderInline)}'.rstrip("\n") + "</div>\n"
            elif (folded := _FOLD.fullmatch(block)) is not None:
                yield f"<details>\n<summary>{renderer.renderInline(folded[1])}</summary>\n"
            else:
                yield "</details>\n"


def _kind(block: str) -> str:
    if block.startswith("| "):
        return "table"
    return "fold" if block == "</details>" or _FOLD.fullmatch(block) else "text"
