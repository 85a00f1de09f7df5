"""YAML of a user's: what is text and what a number, bounds, and mistakes by file, line and field."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from erasebench.errors import UserError
from erasebench.files.yaml_file import read_yaml, yaml_value
from erasebench.files.yaml_loader import MAX_BYTES

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in pairwise("abcdefgh")
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[(word, word) for word in ("yes", "no", "on", "off", "y", "1:30", "12:30:45", "2001-01-01", "010", "0x10")],
        *[(word, word) for word in ("1_000", "nan", "inf", "<<", "=", "mace", "a person")],
        *[("true", True), ("False", False), ("~", None), ("", None)],
        *[("1e-4", 0.0001), ("1.0E+3", 1000.0), ("-.5", -0.5), ("1.", 1.0), ("-3", -3), ("0", 0)],
        *[("[1e-4, 2]", [0.0001, 2]), ("'1:30'", "1:30"), ('"7"', "7")],
    ],
)
def test_a_value_is_what_it_looks_like(text: str, value: Any) -> None:
    found = yaml_value(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (".inf", "not finite"),
        (".NaN", "not finite"),
        ("1e999", "not finite"),
        ("9" * 5000, "not finite"),
        ("!!python/object/apply:os.system [ls]", "tag .* is not allowed"),
        ("!mine x", "tag !mine is not allowed"),
        ("&a [*a]", r"\*a is part of itself"),
        ("*a", "undefined alias 'a'"),
        ("[" * 1000, "nested more than 40 levels deep"),
        (BOMB, "more than 100,000 values"),
        ("{a: 1, a: 2}", "'a' is given twice"),
        ("? [a]\n: 1", "a key must be a single word"),
        ("a: b: c", "mapping values are not allowed"),
        ("a: 1\n---\nb: 2", "single document"),
        ("\0", "special characters"),
        ("x" * (MAX_BYTES + 1), "longer"),
    ],
)
def test_what_is_no_value_is_said_to_be_none(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        yaml_value(text)


class Part(BaseModel):
    model_config = ConfigDict(extra="forbid")

    names: tuple[str, ...] = Field(min_length=1)
    count: int = 1


class Whole(BaseModel):
    model_config = ConfigDict(extra="forbid")

    title: str
    parts: tuple[Part, ...] = ()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("parts: []\n", "mine.yaml, line 1, title: Field required."),
        ("title: a\nparts:\n- names: [x]\n- count: 2\n", "mine.yaml, line 4, parts.1.names: Field required."),
        ("title: a\n\nparts:\n- names: [x]\n  count: two\n", "mine.yaml, line 5, parts.0.count: .* not 'two'"),
        ("title: a\nparts:\n- names: [x,\n    ~]\n", "mine.yaml, line 4, parts.0.names.1: .* not None"),
        ("title: a\nparts:\n- names: []\n", "mine.yaml, line 3, parts.0.names: the list is empty."),
        ("title:\n", "mine.yaml, line 1, title: .* not None"),
        ("title: 1984\n", "mine.yaml, line 1, title: .* not 1984"),
        ("title: a\ntitel: b\n", "(?s)mine.yaml, line 2, titel: Extra inputs .*Did you mean 'title'"),
        ("titel: b\n", "(?s)mine.yaml, line 1, titel: Extra inputs .*Did you mean 'title'"),
        (
            "title: a\nparts:\n- name: [x]\n",
            "(?s)mine.yaml, line 3, parts.0.name: Extra inputs .*Did you mean 'names'",
        ),
        ("title: a\nparts: []\ntitle: b\n", "mine.yaml, line 3: .* 'title' is given twice"),
        ("- a\n", "mine.yaml, line 1, the file: "),
        ("", "mine.yaml, line 1, the file: "),
        ("title: 'a\n", "mine.yaml, line 2: the file is not valid YAML"),
    ],
)
def test_a_mistake_is_named_by_file_line_and_field(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        read_yaml(tmp_path / "mine.yaml", named="mine", unreadable="").as_model(Whole, "Write a title.")
    assert "\n" not in caught.value.what


def test_a_file_that_is_too_large_or_no_text_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "large.yaml").write_text("#" * (MAX_BYTES + 1))
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for name, message in (("large", "too large"), ("binary", "cannot be read"), ("missing", "cannot be read")):
        with pytest.raises(UserError, match=message):
            read_yaml(tmp_path / f"{name}.yaml", named=name, unreadable="Give a YAML file.")


def test_a_byte_order_mark_is_no_part_of_the_first_key(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("title: a\n", encoding="utf-8-sig")
    assert read_yaml(tmp_path / "mine.yaml", named="mine", unreadable="").content == {"title": "a"}


def test_a_value_of_the_command_line_has_no_comments() -> None:
    assert yaml_value("ESD #2") == "ESD #2"
