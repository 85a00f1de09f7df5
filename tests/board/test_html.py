"""The page shows what the markdown says: tables as tables, sheets as images, and no text as markup."""

from __future__ import annotations

import re

from erasebench.board.html import html_page

BOARD = """# A board

| method | H_c |
|:--|--:|
| mace | **93.8** |
| <script>alert(1)</script> | 3 |

![mace: before and after](sheets/mace.png) and [results/](results)
"""


def test_tables_and_sheets_are_rendered() -> None:
    page = html_page(BOARD)
    assert page.count("<table>") == page.count('<div class="table"><table>') == page.count("</table></div>") == 1
    assert "<strong>93.8</strong>" in page
    assert '<img src="sheets/mace.png" alt="mace: before and after"' in page
    assert '<a href="results">results/</a>' in page


def test_text_is_never_markup_and_nothing_comes_from_elsewhere() -> None:
    page = html_page(BOARD)
    assert "<script" not in page and "&lt;script&gt;" in page
    assert not re.search(r'(src|href)="https?:', page) and "@import" not in page
