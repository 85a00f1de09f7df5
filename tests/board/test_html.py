"""The page shows what the markdown says: tables as tables, sheets as images, and no text as markup."""

from __future__ import annotations

import re
from pathlib import Path

from markdown_it import MarkdownIt

from erasebench.board import write_board
from erasebench.board.html import html_page
from erasebench.board.markup import Markdown
from erasebench.board.tables import markdown_table
from tests.board.test_board import records

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


def test_what_the_board_folds_is_folded_and_nothing_else_is_markup() -> None:
    page = html_page(
        "<details><summary>Published: 1 concept</summary>\n\n| a |\n|:--|\n| 1 |\n\n</details>\n\n<b>x</b>\n"
    )
    assert "<details>\n<summary>Published: 1 concept</summary>\n" in page
    assert page.index("<details>") < page.index("<table>") < page.index("</details>")
    assert "&lt;details" not in page and "&lt;b&gt;x" in page
    assert "<details>" not in html_page("<details><summary><script>x</script></summary>\n")


def test_the_boards_own_tables_are_rendered_as_markdown_it_does(tmp_path: Path) -> None:
    cells = [
        "**93.8 [1.0, 2.0]**",
        "`a --b 'c d' <e> & \"f\"`",
        "[x-1.0](results/x-1.0.json)",
        "a \\| b",
        "&lt;i> \\*x\\*",
        "",
    ]
    odd = ["](x", "[a](b)", "**a** b **c**", "`` ` ``", "`a` \\| `b`", "x_y", "≈ -1.0 ↓"]
    table = markdown_table(["m", *"bcdef"], [list(map(Markdown, row)) for row in (cells, odd[:6])], left=2)
    for one in records():
        one.write(tmp_path / "results")
    for text in (f"# A\n\n{table}\n\n- b\n\n- c\n\n{table}\n", write_board(tmp_path).read_text()):
        plain = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
        plain = plain.replace("<table>", '<div class="table"><table>').replace("</table>", "</table></div>")
        # The board's folds are escaped by the plain renderer, and no other text of the page looks like one.
        fold = "<p>&lt;details&gt;&lt;summary&gt;([^&]*)&lt;/summary&gt;</p>"
        plain = re.sub(fold, r"<details>\n<summary>\1</summary>", plain)
        plain = plain.replace("<p>&lt;/details&gt;</p>", "</details>")
        assert f"<body>\n{plain}</body>" in html_page(text)


def test_text_is_never_markup_and_nothing_comes_from_elsewhere() -> None:
    page = html_page(BOARD)
    assert "<script" not in page and "&lt;script&gt;" in page
    assert not re.search(r'(src|href)="https?:', page) and "@import" not in page
