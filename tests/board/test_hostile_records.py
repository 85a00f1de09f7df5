"""Records are anybody's files: whatever they say stays text on the page, and none takes the board down."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterator
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pydantic import ValidationError

from erasebench.api.names import check_name
from erasebench.api.value import Edit, Pairing, Tally
from erasebench.board import write_board
from erasebench.board.build import sheet_path
from erasebench.board.short import terminal_table
from erasebench.errors import UserError
from erasebench.identity import digest
from erasebench.results.record import Record, Tuning
from tests.sample_records import distance, metrics, record, unscored

NASTY = [
    "![x](https://evil.example/x.png)",
    "[x](javascript:alert(1)) [y]: https://evil.example",
    "<img src=https://evil.example/x.png onerror=alert(1)>",
    "<!-- --><script>alert(1)</script>",
    "](sheets/x.png) ![y](//evil.example/y.png)",
    "x\n\n# Forged heading\n\n| a | b |\n|---|---|\n| 1 | 2 |\n",
    "x\r\rForged\r===\r",
    "# forged",
    "> quoted",
    "- listed",
    "1. listed",
    "---",
    "```\nfenced",
    "    indented",
    "` | ![z](https://evil.example/z.png) `",
    "\\` | \\![z](https://evil.example/z.png)",
    "a\\| ![z](https://evil.example/z.png)",
    "``x`` ` ``` https://evil.example/`|`<b>",
    "https://evil.example www.evil.example nobody@evil.example mailto:nobody@evil.example",
    "<https://evil.example> <nobody@evil.example>",
    "**bold** __bold__ *em* _em_ ~~gone~~ $x$",
    "&lt;img&gt; &#60;b&#62; &#x5b;x&#x5d;(y)",
    "[^1] [x] [1]: https://evil.example [1][2]",
    "right \u202e to left \u2066 x \u2069 \u200f \ufeff",
    "bell \x07 escape \x1b[31mred\x1b[0m null \x00 \x9b31m \u2028 \u2029 \x85",
    "..",
    "../../../etc/passwd",
    "x" * 1_000,
    "‮" * 300,
]
TAGS = set("html head meta title style body h1 h2 h3 h4 p div table thead tbody tr th td ul li a img".split())
TAGS |= {"code", "em", "strong", "details", "summary"}
ATTRIBUTES = {"href", "src", "alt", "class", "style", "charset", "name", "content", "lang", "http-equiv"}


def whole() -> dict[str, Any]:
    """A record in which every part is there."""
    tally = Tally(fraction=True, by_cluster="0:1/2 1:2/2")
    made = record(
        metrics=metrics(0.04, 0.93, 0.945) | {"acc_e": unscored("none"), "fid_mini_256": distance(3.0)},
        variant="other",
        threads=1,
        cpu="AVX2",
        judges={"clip": {"version": "1", "layers": ["a"]}},
        condition_numbers={"solve": 1.0},
        shipped=True,
        pairing=Pairing(formula="h_c", parts={"acc_e": tally, "acc_s": tally}),
        edit=Edit(tensors=1, values=1, unet_share=0.1, relative_change=0.1, sampling="gate", bytes=4),
        tuning=Tuning(split="validation", trials=2, kind="person"),
    )
    return made.model_dump(mode="json")


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of every string and of every key of a mapping (which ends in None) below `value`."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict | list):
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))
            if isinstance(value, dict):
                yield (*path, key, None)


def changed(data: dict[str, Any], path: tuple[Any, ...], text: str) -> dict[str, Any]:
    copy = json.loads(json.dumps(data))
    renames = path[-1] is None
    *parents, last = path[:-1] if renames else path
    place = copy
    for key in parents:
        place = place[key]
    if renames:
        place[text] = place.pop(last)
    else:
        place[last] = text
    return copy


def poisoned(text: str, **more: Any) -> tuple[Record, list[tuple[Any, ...]]]:
    """The record with `text` in every place that takes it, and those places."""
    data, took = whole() | more, []
    # The parts of a pairing are named by its formula: tested below.
    for path in [path for path in places(data) if path[:2] != ("pairing", "parts")]:
        try:
            candidate = changed(data, path, text)
            Record.model_validate(candidate)
        except (ValidationError, KeyError):
            continue
        data, took = candidate, [*took, path]
    return Record.model_validate(data), took


def tokens(markdown: str) -> list[Token]:
    """What a reader of GitHub's markdown that also takes raw HTML would make of a page."""
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    return [token for block in parser.parse(markdown) for token in (block, *(block.children or []))]


def check_page(markdown: str) -> None:
    found = tokens(markdown)
    kinds = {token.type for token in found}
    assert not kinds & {"html_inline", "blockquote_open", "fence", "code_block", "hr", "s_open"}
    # One of the guide's own words is emphasised.
    assert [b.content for a, b in pairwise(found) if a.type == "em_open"] in (
        [],
        ["while sampling"],
    )
    assert not re.search(r"!\[[^\]]*\]\((?!sheets/)|\]\(https?:|<(?!/?(details|summary)>)", markdown)
    for token in found:
        if token.type == "html_block":
            assert re.match(r"<details><summary>Published|</details>", token.content)
        elif token.type == "image":
            assert re.fullmatch(r"sheets/[a-z0-9.-]+\.png", str(token.attrs["src"]))
        elif token.type == "link_open":
            assert re.fullmatch(r"(results/?|(results|sheets)/[a-z0-9.-]+\.(json|png))", str(token.attrs["href"]))
        elif token.type == "text":
            assert not re.search(r"://|www\.|\w@\w+\.\w", token.content), token.content
    headings = [text.content for start, text in pairwise(found) if start.type == "heading_open"]
    assert not set(headings) & {"Forged heading", "Forged", "forged"}
    assert all(character.isprintable() or character in "\n\u200c\u200d" for character in markdown)


class Reader(HTMLParser):
    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS
        given = {key: str(value) for key, value in attrs}
        assert set(given) <= ATTRIBUTES
        for key in ("href", "src"):
            assert re.fullmatch(r"(results|sheets)(/[a-z0-9.-]*)?", given.get(key, "results"))
        assert given.get("style", "text-align:left").startswith("text-align:")


KINDS: list[dict[str, Any]] = [{}, {"partial": True}, {"status": "failed", "error": "x", "metrics": {}}]


@pytest.mark.parametrize("text", NASTY)
def test_whatever_a_record_says_stays_text(tmp_path: Path, text: str) -> None:
    record("original").write(tmp_path / "results")
    written = []
    for kind in KINDS:
        made, took = poisoned(text, identity=digest(list(kind)), **kind)
        assert {path[0] for path in took} >= {"concepts", "command", "world_about"}
        path = made.write(tmp_path / "results")
        assert path.parent == tmp_path / "results" and path.name == f"{made.id}.json"
        assert Record.read(path) == made
        sheet_path(tmp_path, made).parent.mkdir(exist_ok=True)
        sheet_path(tmp_path, made).write_bytes(b"png")
        written.append(made)
    page = write_board(tmp_path).read_text(encoding="utf-8")
    check_page(page)
    assert "## Warning" not in page
    assert all(f"[{made.id}](results/{made.id}.json)" in page for made in written)
    html = (tmp_path / "index.html").read_text(encoding="utf-8")
    Reader().feed(html)
    assert all(character.isprintable() or character in "\n\u200c\u200d" for character in html)
    shown = terminal_table([*written, record("original")])
    assert all(character.isprintable() or character == "\n" for character in shown)


@pytest.mark.parametrize("field", ["world", "suite", "method", "variant"])
@pytest.mark.parametrize("text", [text for text in NASTY if text != "1. listed"])
def test_names_are_names(field: str, text: str) -> None:
    with pytest.raises(ValidationError):
        record(**{field: text})
    with pytest.raises(UserError, match="Use up to 80 letters"):
        check_name(field, text)


@pytest.mark.parametrize("name", ["mace", "esd-x-strict", "My method 2", "sd_v1.4", "SPM+SLD"])
def test_names_in_use_are_names(name: str) -> None:
    check_name("method", name)
    assert record(name).method == name


def test_a_long_or_foreign_scale_gives_a_name_that_a_file_can_have() -> None:
    made = record("m" * 80, scale="golf ball / " * 60, world="w" * 80, suite="s" * 80, variant="v" * 80)
    assert len(made.id) < 240 and "/" not in made.id
    assert record(scale="\u65e5\u672c", identity="ab" * 32).id == "miniature-celebrity--mace-abababab"


def good() -> str:
    return json.dumps(record("uce").model_dump(mode="json"))


def written(text: str) -> Callable[[Path], object]:
    return lambda path: path.write_text(text, encoding="utf-8")


def huge(path: Path) -> None:
    with path.open("wb") as handle:
        handle.truncate(100_000_000)


BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "half": (written('{"schema_version": 1, "wor'), "is not valid JSON"),
    "empty": (written(""), "is not valid JSON"),
    "deep": (written("[" * 200_000), "is not valid JSON"),
    "nested": (written('{"schema_version": 1, "a": ' + "[" * 50 + "]" * 50 + "}"), "nested more than 32 levels deep"),
    "large": (huge, "has 100 MB"),
    "list": (written("[1]"), "is not an erasebench record"),
    "nan": (written(good().replace('"decimals": 1', '"decimals": NaN', 1)), "NaN is not a valid number in JSON"),
    "infinite": (written(good().replace('"scale": 100.0', '"scale": 1e999', 1)), "1e999 is too large"),
    "twice": (written(good().replace('"method":', '"method": "mace", "method":', 1)), "'method' is given twice"),
    "types": (written(good().replace('"scale": 3', '"scale": [3]')), "is not a valid record: scale"),
    "surrogate": (written(good().replace("Ada Reed", "\\ud800")), "is not a valid record: concepts.0"),
    "binary": (lambda path: path.write_bytes(b"\xff\xfe\x00"), "it is not UTF-8 text"),
    "folder": (lambda path: path.mkdir(), "is a folder, not a file"),
    "link": (lambda path: path.symlink_to("/etc/hostname"), "is a symbolic link, not a file"),
    "loop": (lambda path: path.symlink_to(path.name), "is a symbolic link, not a file"),
    "pipe": (lambda path: os.mkfifo(path), "is a device or pipe, not a file"),
    "other": (written(good()), "other.json contains the record"),
}  # fmt: skip


def test_a_bad_file_is_named_and_left_out(tmp_path: Path) -> None:
    made = record()
    made.write(tmp_path / "results")
    for name, (write, _) in BAD.items():
        write(tmp_path / "results" / f"{name}.json")
    os.mkdir(os.fsencode(tmp_path / "results") + b"/caf\xe9![x](y).json")
    page = write_board(tmp_path).read_text(encoding="utf-8")
    warnings = page[page.index("## Warning") : page.index("## celebrity")]
    for name, (_, what) in BAD.items():
        (line,) = [line for line in warnings.splitlines() if line.startswith(f"- `{name}.json`: ")]
        assert what in line.replace("\\", "")
    assert "- caf\ufffd!\\[x\\](y).json: " in warnings
    assert f"[{made.id}](results/{made.id}.json)" in page
    check_page(page)


@pytest.mark.parametrize(
    ("pairing", "what"),
    [
        ({"formula": "h_o", "parts": {"acc_e": {"fraction": True, "by_cluster": "0:1/2"}}}, "h_o is not computed from"),
        ({"formula": "mean_of_h_o", "parts": {}}, "mean_of_h_o is not computed from no parts"),
        ({"formula": "h_c", "parts": {"acc_e": {"fraction": True, "by_cluster": "0:3/2"}}}, "lies outside"),
        ({"formula": "h_c", "parts": {"acc_e": {"fraction": True, "by_cluster": "0:1/2 0:1/2"}}}, "is given twice"),
        ({"formula": "h_c", "scale": 1e300, "parts": {}}, "pairing.scale"),
    ],
)
def test_a_pairing_that_cannot_be_computed_is_named(tmp_path: Path, pairing: dict[str, Any], what: str) -> None:
    path = record().write(tmp_path / "results")
    data = json.loads(path.read_text())
    path.write_text(json.dumps(data | {"pairing": pairing}))
    record("uce").write(tmp_path / "results")
    page = write_board(tmp_path).read_text().replace("\\", "")
    assert what in page[page.index("## Warning") : page.index("## celebrity")]
    assert "| uce" in page
