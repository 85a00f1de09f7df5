"""No secret is stored or printed, whichever way it came into a message: one is planted in each and looked for."""

from __future__ import annotations

import base64
import json
import logging
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from erasebench.board import write_board
from erasebench.cli import _print_traceback, main
from erasebench.console.messages import LOGGER
from erasebench.console.scrubbing import HIDDEN, scrubbed, scrubbed_content
from erasebench.errors import UserError
from erasebench.runner.session import Session
from tests import toy_world

VARIABLE = "ERASEBENCH_PROMPT_KEY"
KEY = "s3cret/k+y-of-ours"
FORMS = [
    KEY,
    quote(KEY, safe=""),
    f"Bearer {KEY}",
    f"b'Bearer {KEY}\\r'",
    KEY.replace("/", "\\/"),
    *(base64.b64encode(f"{user}{KEY}".encode()).decode() for user in ("", "u", "us", "user:")),
    f"https://{KEY}:x@host/v1",
]


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, f"{KEY}\r")


def parts_of_key(data: bytes) -> list[bytes]:
    """What of the key, in any form, is in `data`."""
    inside = [base64.b64encode(bytes(before) + KEY.encode())[4:-4] for before in range(3)]
    return [form for form in (KEY.encode(), quote(KEY, safe="").encode(), *inside) if form in data]


@pytest.mark.parametrize("form", FORMS)
def test_a_key_in_use_is_taken_out_in_every_form(planted: None, form: str) -> None:
    found = scrubbed(f"It said {form}, then stopped.")
    assert not parts_of_key(found.encode())
    assert HIDDEN in found and found.startswith("It said ") and found.endswith(", then stopped.")
    assert scrubbed_content({"a": [form, 1.5, None], form: True})["a"][1:] == [1.5, None]


@pytest.mark.parametrize(
    "text",
    [
        "http://me:pw1234@host/v1",
        "https://host/v1?x=1&api_key=abcd1234&y=2",
        "GET /v1?token=abcd1234",
        "Authorization: Basic dXNlcjpwYXNz",
        "{'Authorization': 'Bearer abcdefgh'}",
        "Bearer abcd1234efgh",
        '{"api_key": "abcd1234"}',
        "x-api-key: abcd1234",
        "sk-abcdefghijklmnop1234",
        "hf_abcdefghijklmnopqrst",
    ],
)
def test_what_looks_like_a_key_is_taken_out(text: str) -> None:
    found = scrubbed(text)
    assert HIDDEN in found
    assert not any(secret in found for secret in ("pw1234", "abcd1234", "dXNlcjpwYXNz", "abcdefgh"))


@pytest.mark.parametrize(
    "text",
    [
        "a bearer of bad news, with basic understanding and token overlap",
        "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_v.weight has the wrong shape: [1].",
        "erasebench run --method mace --set mace.prompt_endpoint=http://127.0.0.1:8080/v1 --seed 3",
        "digest 0f3d9c8b7a6e5d4c3b2a19080706050403020100ffeeddccbbaa998877665544, see https://arxiv.org/abs/2403.06135",
        "a key: the colour of the sea @ noon; monkey=3",
    ],
)
def test_everything_else_stays(text: str) -> None:
    assert scrubbed(text) == text


def test_values_that_are_no_secrets_stay(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, value in {
        "A_KEY": "none",
        "SSH_KEY": str(tmp_path),
        "C_KEY": "ollama",
        "B_TOKEN": "123456",
        "COLOUR": "purple-ish",
    }.items():
        monkeypatch.setenv(name, value)
    text = f"none of {tmp_path}, 123456, ollama/mistral and purple-ish"
    assert scrubbed(text) == text


@pytest.mark.parametrize("key", ["/abc+def", "7431906"])
def test_the_prompt_key_is_a_secret_whatever_it_looks_like(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv(VARIABLE, key)
    assert scrubbed(f"sent {key}.") == f"sent {HIDDEN}."


def test_a_word_for_a_password_leaves_words_and_keys_of_mappings_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_PASSWORD", "admin")
    said = {"admin": "administered by admin:x"}
    assert scrubbed_content(said) == {"admin": f"administered by {HIDDEN}:x"}


class LeakyError(toy_world.Shift):
    """Breaks off with the key in its error."""

    name = "leaky-error"

    def erase(self, *_: Any) -> Any:
        raise ValueError(f"Invalid header value b'Bearer {KEY}\\r' at https://u:{quote(KEY, safe='')}@host")


class LeakyMistake(toy_world.Shift):
    """Has a mistake in its code, whose traceback quotes the key."""

    name = "leaky-mistake"

    def erase(self, *_: Any) -> Any:
        raise KeyError(KEY)


class LeakyRecord(toy_world.Shift):
    """Erases, and tells the key to the log and to its own record."""

    name = "leaky-record"

    def erase(self, *arguments: Any) -> Any:
        from dataclasses import replace

        logging.getLogger("erasebench.methods.leaky").warning("the server said %s", FORMS)
        return replace(super().erase(*arguments), record={"answers": {"Ann": FORMS}, "losses": [1.0]})


def leaky_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on the recogniser cannot be had, and says so with the key."""
    judge = Session.judge

    def leaky(self: Session, name: str) -> Any:
        if name == "face-id":
            return UserError(f"The recogniser's server refused {KEY}.", f"Ask it otherwise than with {FORMS[4]}.")
        return judge(self, name)

    monkeypatch.setattr(Session, "judge", leaky)


def test_no_path_of_a_message_leads_a_key_into_a_file_or_onto_the_screen(
    planted: None,
    toy_words: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    leaky_judges(monkeypatch)
    leaky = [
        each for name in ("LeakyError", "LeakyMistake", "LeakyRecord") for each in ("--method", f"{__file__}:{name}")
    ]
    places = ["--world", toy_words["world"], "--suite", toy_words["suite"], "--model", toy_words["model"]]
    places += ["--runs-folder", str(toy_words["runs_folder"]), "--out", str(toy_words["out"])]
    assert main(["run", *leaky, *places, "--limit", "1", "--baselines", "none"]) == 1
    erase = ["erase", "--method", f"{__file__}:LeakyError", *places[:-2], "--export", str(tmp_path / "x")]
    assert main(erase) == 1
    assert main(["run", *leaky, *places, "--baselines", f"Bearer {KEY}"]) == 2
    assert main(["run", f"--{KEY}"]) == 2
    write_board(toy_words["out"])
    printed = capsys.readouterr()
    assert printed.out.count(HIDDEN) > 4 and printed.err.count(HIDDEN) >= 3
    assert "leaky-error on toy-2 failed: ValueError: Invalid header value b'Bearer ***" in printed.out
    assert not parts_of_key((printed.out + printed.err).encode())
    files = [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".png"]
    assert any(path.suffix == ".jsonl" for path in files) and any(path.name == "erasure.json" for path in files)
    assert [str(path) for path in files if parts_of_key(path.read_bytes())] == []
    records = [json.loads(path.read_text()) for path in (toy_words["out"] / "results").glob("*.json")]
    assert sorted(record["status"] for record in records) == ["done", "failed", "failed"]
    assert any(HIDDEN in (record["error"] or "") for record in records)
    assert any(HIDDEN in str(metric["reason"]) for record in records for metric in record["metrics"].values())


def test_a_traceback_that_nobody_expected_is_printed_without_the_key(
    planted: None, capsys: pytest.CaptureFixture[str]
) -> None:
    try:
        raise RuntimeError(f"no server at {FORMS[-1]}")
    except RuntimeError as error:
        _print_traceback(type(error), error, error.__traceback__)
    printed = capsys.readouterr().err
    assert "RuntimeError: no server at" in printed and not parts_of_key(printed.encode())


def test_the_log_of_a_worker_is_scrubbed_too(planted: None, capsys: pytest.CaptureFixture[str]) -> None:
    from erasebench.console.messages import OTHERS, print_messages

    handler = print_messages()
    try:
        logging.getLogger("erasebench.deep.inside").error("%s", KEY, exc_info=ValueError(KEY))
    finally:
        LOGGER.removeHandler(handler)
        logging.getLogger().removeHandler(OTHERS)
    assert not parts_of_key(capsys.readouterr().out.encode())
