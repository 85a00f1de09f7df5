"""Prompts from a language model: asked for once, checked, kept with the erasure; what a bad endpoint gets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from erasebench.api.concepts import Concept
from erasebench.api.erasure import Erasure
from erasebench.editing.text_states import TextStates
from erasebench.errors import UserError
from erasebench.files.sealed import seal, write_sealed_json
from erasebench.methods.mace import Mace, MaceConfig
from erasebench.methods.mace.config import KEY_VARIABLE
from erasebench.methods.mace.language_model import ATTEMPTS, usable_template, written_prompts
from tests.methods.mace.language_model_server import Answer, Server, completion, serving
from tests.methods.mace.test_method import SETTINGS
from tests.methods.mace.workspace import PEOPLE, TestWorkspace
from tests.tiny_model import tiny_pipeline

ADA = Concept(name="Ada Thorne", kind="person", anchor="a person")
MODEL = "writer-1"


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as running:
        yield running


def config(server: Server, **more: Any) -> MaceConfig:
    return MaceConfig(**{**SETTINGS, "prompt_endpoint": server.address, "prompt_model": MODEL, **more})


def written(server: Server, folder: Path, **more: Any) -> dict[str, tuple[str, ...]]:
    workspace = TestWorkspace(tiny_pipeline(), folder)
    found = written_prompts(TextStates(workspace.pipeline), PEOPLE, config(server, **more), workspace)
    return {name: prompts.templates for name, prompts in found.items()}


def erase(server: Server, folder: Path, **more: Any) -> Erasure:
    workspace = TestWorkspace(tiny_pipeline(), folder)
    return Mace(config(server, **more)).erase(workspace.pipeline, PEOPLE, workspace)


def test_every_concept_is_asked_for_once_and_by_name(server: Server, tmp_path: Path) -> None:
    found = written(server, tmp_path)
    assert list(found) == ["Ada Thorne", "Ada", "Bo Lin"]
    assert all(len(templates) == 3 and all(t.count("{}") == 1 for t in templates) for templates in found.values())
    assert found["Bo Lin"][0].startswith("{} in room ")
    assert [(asked["model"], len(asked["messages"])) for asked in server.requests] == [(MODEL, 1)] * 3
    assert '"Bo Lin"' in server.requests[2]["messages"][0]["content"]


def test_the_prompts_and_the_answers_are_in_the_erasures_record(server: Server, tmp_path: Path) -> None:
    record = erase(server, tmp_path).record
    (answer,) = record["language_model_answers"]["Bo Lin"]
    erased = [pair[0] for pair in record["prompt_pairs"]["Bo Lin"]]
    assert [line.partition(". ")[2] for line in answer.splitlines()] == erased
    assert record["prompt_pairs"]["Bo Lin"][0][1] == erased[0].replace("Bo Lin", "a person")
    assert record["language_model_answers"].keys() == {"Ada Thorne", "Ada", "Bo Lin"}


def test_a_resumed_erasure_asks_nothing_and_gives_the_same_bits(server: Server, tmp_path: Path) -> None:
    first = erase(server, tmp_path)
    server.answer = lambda content: completion("something else with Ada Thorne")
    asked = len(server.requests)
    again = erase(server, tmp_path)
    assert len(server.requests) == asked
    assert (again.digest, again.record) == (first.digest, first.record)


def test_a_run_killed_between_two_concepts_keeps_what_was_answered(server: Server, tmp_path: Path) -> None:
    whole = written(server, tmp_path / "whole")
    answers, asked = server.answer, len(server.requests)
    server.answer = lambda content: answers(content) if len(server.requests) == asked + 1 else (500, {"error": "gone"})
    with pytest.raises(UserError, match="500"):
        written(server, tmp_path / "killed")
    server.answer = answers
    server.requests.clear()
    assert written(server, tmp_path / "killed") == whole
    assert len(server.requests) == 2


def test_loras_trained_on_other_words_are_not_taken_up(server: Server, tmp_path: Path) -> None:
    erase(server, tmp_path / "one")
    for file in (tmp_path / "one" / "prompts").glob("*.json"):
        content = json.loads(file.read_text())
        content["templates"] = [f"{template} again" for template in content["templates"]]
        write_sealed_json(file, content)
        target = tmp_path / "other" / "prompts" / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
        seal(target)
    assert erase(server, tmp_path / "one").digest == erase(server, tmp_path / "other").digest


def test_other_prompts_make_another_erasure(server: Server, tmp_path: Path) -> None:
    workspace = TestWorkspace(tiny_pipeline(), tmp_path / "templates")
    plain = Mace(MaceConfig(**SETTINGS)).erase(workspace.pipeline, PEOPLE, workspace)
    assert plain.record["language_model_answers"] == {}
    assert erase(server, tmp_path / "written").digest != plain.digest


@pytest.mark.parametrize(
    ("prompt", "template"),
    [
        ("Ada Thorne on a red chair", "{} on a red chair"),
        ("a hat for ada thorne, in oil", "a hat for {}, in oil"),
        ("Ada Thorne's old garden", "{}'s old garden"),
    ],
)
def test_a_prompt_becomes_a_template(prompt: str, template: str) -> None:
    assert usable_template(prompt, ADA, TextStates(tiny_pipeline())) == template


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ("a person on a chair", "exactly once"),
        ("Ada Thorne beside Ada Thorne", "exactly once"),
        ("Ada Thornefield on a chair", "exactly once"),
        ("{} and Ada Thorne", "exactly once"),
        ("A portrait of Ada Thorne", "is an evaluation prompt of a suite"),
        ("a  PORTRAIT of Ada Thorne.", "is an evaluation prompt of a suite"),
        ("Ada Thorne in an official photo", "is an evaluation prompt of a suite"),
        (f"Ada Thorne {'far ' * 40}away", "tokens with start and end"),
    ],
)
def test_a_prompt_that_will_not_do_is_refused(prompt: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        usable_template(prompt, ADA, TextStates(tiny_pipeline()))


def test_what_will_not_do_is_asked_for_again(server: Server, tmp_path: Path) -> None:
    good = ["on a chair", "in a boat", "at sea"]

    def one_good_each_time(content: dict[str, Any]) -> tuple[int, Any]:
        name = content["messages"][0]["content"].split('"')[1]
        number = sum(f'"{name}"' in asked["messages"][0]["content"] for asked in server.requests)
        return completion(f"A portrait of {name}", "- a dog", f'"{name} {good[number - 1]}"', f"{name} {good[0]}", "")

    server.answer = one_good_each_time
    found = written(server, tmp_path)
    assert found["Bo Lin"] == ("{} on a chair", "{} in a boat", "{} at sea")
    last = server.requests[-1]["messages"][0]["content"]
    assert last.startswith("Write 1 short") and "Bo Lin in a boat" in last


def test_too_few_usable_prompts_are_an_error_that_names_the_last_refused(server: Server, tmp_path: Path) -> None:
    server.answer = lambda content: completion("A sketch of Ada Thorne")
    with pytest.raises(UserError, match="only 0 of 3 usable prompts for 'Ada Thorne'") as caught:
        written(server, tmp_path)
    assert "'A sketch of Ada Thorne' is an evaluation prompt of a suite" in caught.value.what
    assert len(server.requests) == ATTEMPTS


@pytest.mark.parametrize(
    ("answer", "message", "hint"),
    [
        (lambda content: (401, {"error": "who are you?"}), "401", KEY_VARIABLE),
        (lambda content: (404, {"error": "no such model"}), "no such model", "mace.prompt_model"),
        (lambda content: (429, {"error": "slow down"}), "slow down", "are kept"),
        (lambda content: (307, b""), "307", "redirects"),
        (lambda content: (200, b"<html>"), "did not answer with a chat completion", "are kept"),
        (lambda content: (200, {"choices": []}), "did not answer with a chat completion", "are kept"),
        (lambda content: completion(" "), "empty answer", "are kept"),
        (lambda content: (200, {"choices": [{"message": {"content": None}}]}), "empty answer", "are kept"),
    ],
)
def test_an_endpoint_that_misbehaves_is_named(
    server: Server, tmp_path: Path, answer: Answer, message: str, hint: str
) -> None:
    server.answer = answer
    with pytest.raises(UserError, match=message) as caught:
        written(server, tmp_path)
    assert server.address in caught.value.what
    assert hint in caught.value.hint


def test_an_endpoint_that_is_away_is_named(server: Server, tmp_path: Path) -> None:
    with serving() as gone:
        pass
    with pytest.raises(UserError, match="does not answer") as caught:
        written(gone, tmp_path)
    assert gone.address in caught.value.what


def test_the_key_is_sent_and_written_nowhere(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(server, tmp_path / "without")
    assert set(server.keys) == {None}
    monkeypatch.setenv(KEY_VARIABLE, "s3cret-key")
    erasure = erase(server, tmp_path / "with")
    assert server.keys[-1] == "Bearer s3cret-key"
    files = [path for path in (tmp_path / "with").rglob("*") if path.is_file()]
    assert not [path for path in files if b"s3cret-key" in path.read_bytes()]
    assert "s3cret-key" not in json.dumps([erasure.record, config(server).model_dump()])
    server.answer = lambda content: (401, {"error": f"bad key {server.keys[-1]}"})
    with pytest.raises(UserError) as caught:
        written(server, tmp_path / "refused")
    assert "s3cret-key" not in str(caught.value) and "***" in caught.value.what


@pytest.mark.parametrize("key", ["s3cret-key\r", " s3cret-key\n", "\ts3cret-key"])
def test_blanks_and_line_ends_around_the_key_are_left_out(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, key)
    written(server, tmp_path)
    assert set(server.keys) == {"Bearer s3cret-key"}


@pytest.mark.parametrize("key", ["s3cret\rkey", "s3cret key", "s3cret\x1bkey", "\u201cs3cret\u201d", "s3cret\x7f"])
def test_a_key_that_no_header_can_carry_is_refused_unseen(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv(KEY_VARIABLE, key)
    with pytest.raises(UserError, match=KEY_VARIABLE) as caught:
        MaceConfig(prompt_endpoint="http://127.0.0.1:1/v1", prompt_model=MODEL)
    assert "s3cret" not in str(caught.value)


def test_a_key_that_is_sent_back_is_kept_nowhere(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "s3cret-key")
    answer = server.answer

    def echo(content: dict[str, Any]) -> tuple[int, Any]:
        _, body = answer(content)
        text = body["choices"][0]["message"]["content"]
        return completion(*(f"{line} with s3cret-key" for line in text.splitlines()))

    server.answer = echo
    found = written(server, tmp_path / "echo")
    assert all("with ***" in template for templates in found.values() for template in templates)
    assert not [p for p in (tmp_path / "echo").rglob("*") if p.is_file() and b"s3cret" in p.read_bytes()]
    # Where an error's text is cut, half a key would be left.
    server.answer = lambda content: (500, {"error": "x" * 480 + "s3cret-key"})
    with pytest.raises(UserError) as caught:
        written(server, tmp_path / "cut")
    assert "s3c" not in str(caught.value)


def test_a_damaged_file_of_prompts_is_named_and_asked_for_anew(
    server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = written(server, tmp_path)
    victim = min((tmp_path / "prompts").glob("*.json"))
    victim.write_text("{")
    assert written(server, tmp_path) == before
    assert f"{victim} was changed after it was written" in caplog.text
    assert victim.with_name(f"{victim.name}.damaged").read_text() == "{"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"prompt_endpoint": "http://127.0.0.1:1/v1"}, "must be given together"),
        ({"prompt_model": MODEL}, "must be given together"),
        ({"prompt_endpoint": "localhost:1234", "prompt_model": MODEL}, "not an http address"),
        ({"prompt_endpoint": "file:///etc/hostname", "prompt_model": MODEL}, "not an http address"),
        ({"prompt_endpoint": "http://host:port/v1", "prompt_model": MODEL}, "not a valid address"),
        ({"prompt_endpoint": "http://me:s3cret@host/v1", "prompt_model": MODEL}, "more than an address"),
        ({"prompt_endpoint": "https://host/v1?key=s3cret", "prompt_model": MODEL}, "more than an address"),
        ({"prompt_endpoint": "http://h/v1", "prompt_model": MODEL, "templates": ("{}",)}, "Give one|are given"),
        ({"templates": ("An oil painting of {}",)}, "is an evaluation prompt of a suite"),
    ],
)
def test_settings_that_do_not_fit_are_refused_before_any_work(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        MaceConfig(**settings)
    assert "s3cret" not in str(caught.value)


def test_off_by_default(tmp_path: Path) -> None:
    assert MaceConfig().prompt_endpoint is None
    workspace = TestWorkspace(tiny_pipeline(), tmp_path)
    assert written_prompts(TextStates(workspace.pipeline), PEOPLE, MaceConfig(), workspace) == {}
