"""What a user types and reads: two lines for a mistake, its exit code, and no torch before there is work for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from erasebench.cli import app, main

HERE = Path(__file__).parent
TOY = ["--world", f"{HERE / 'toy_world.py'}:ToyWorld", "--suite", str(HERE / "data" / "toy.yaml")]
RUN = ["run", "--method", "original", "--suite", "celebrity"]
DRY = [*RUN, "--suite", "object", "--suite", "explicit", "--suite", "style", "--dry-run"]
MISTAKES = [
    (["run", "--method", "mac", "--suite", "celebrity"], "There is no method 'mac'.\nDid you mean 'mace'?"),
    (["run", "--method", "mace", "--suite", "celebrit"], "There is no suite 'celebrit'.\nDid you mean 'celebrity'?"),
    ([*RUN, "--world", "minature"], "There is no world 'minature'.\nDid you mean 'miniature'?"),
    ([*RUN, "--method", "mace", "--set", "mace.stepz=3"], "mace has no setting 'stepz'.\nDid you mean 'steps'?"),
    ([*RUN, "--method", "mace", "--set", "mace.steps=many"], "--set mace.steps: "),
    ([*RUN, "--set", "steps"], "--set steps has no '='.\n"),
    ([*RUN, "--set", "mace.steps=3"], "--set mace.steps: the method 'mace' is not part of this run.\n"),
    ([*RUN, "--concepts", "Nobody At All"], "The world miniature does not know 'Nobody At All'.\n"),
    ([*RUN, "--scale", "7"], "The suite celebrity has no scale 7.\n"),
    ([*RUN, "--size", "ful"], "There is no size 'ful'.\nDid you mean 'full'?"),
    ([*RUN, "--device", "gpu"], "There is no device 'gpu'.\n"),
    ([*RUN, "--scale", "ten"], "Invalid value for"),
    (["run", "--method", "mace"], "--suite is missing.\n"),
    (["run", "--plan", "/nonexistent.yaml"], "The plan /nonexistent.yaml cannot be read"),
    ([*RUN, "--plan", "p.yaml"], "--plan replaces --method, --suite.\n"),
    (["tune", "--trials", "/nonexistent.yaml"], "The trials /nonexistent.yaml cannot be read"),
    (["rum"], "No such command 'rum'."),
    (["run", "--metod", "mace"], "No such option: --metod"),
    (["board", "--out", "/nonexistent-board"], "There is no record in /nonexistent-board/results.\n"),
    (["list", "--method", "mac"], "There is no method 'mac'.\n"),
    ([*RUN, "--sampling", "i2p"], "There is no sampling variant 'i2p'.\nDid you mean 'i2p-rows'?"),
    ([*RUN, "--dry-run", "--rate", "0"], "--rate 0.0 is not above 0.\n"),
    ([*RUN, "--judge-set", "nudenet_treshold=0.5"], "The judges have no setting 'nudenet_treshold'.\nDid you mean"),
    (["prompts", "build", "--suite", "celebrit"], "There is no suite 'celebrit'.\nDid you mean 'celebrity'?"),
    (["prompts", "import", "i2p", "--csv", "/nonexistent.csv"], "The prompt table /nonexistent.csv cannot be read"),
    (["prompts", "import", "coco", "--annotations", "/nonexistent.json"], "/nonexistent.json cannot be read"),
    (["sample", "--prompts", "/nonexistent.csv", "--out", "x"], "The prompt table /nonexistent.csv cannot be read"),
]


@pytest.mark.parametrize(
    ("arguments", "message"), MISTAKES, ids=lambda value: value[-1] if isinstance(value, list) else ""
)
def test_a_mistake_is_two_lines_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.err.startswith(message)
    assert len(printed.err.strip().splitlines()) == 2
    assert printed.out == ""


LIGHT = """
import json, sys
from erasebench.cli import main
for arguments in json.loads(sys.argv[1]):
    main(arguments)
    heavy = sorted({"torch", "diffusers", "transformers", "pandas", "scipy"} & set(sys.modules))
    assert not heavy, (arguments, heavy)
"""


def test_help_list_and_mistakes_load_nothing_heavy() -> None:
    import json

    light = [
        ["--help"],
        ["run", "--help"],
        ["list"],
        ["list", "--method", "mace"],
        DRY,
        *(case[0] for case in MISTAKES),
    ]
    subprocess.run([sys.executable, "-c", LIGHT, json.dumps(light)], check=True, capture_output=True)


def test_list_shows_what_is_installed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    printed = capsys.readouterr().out
    for name in ("mace", "original", "celebrity", "miniature", "stable-diffusion-v1-4"):
        assert name in printed
    (line,) = (line for line in printed.splitlines() if "EsdX " in line)
    assert line.split()[:2] == ["method", "esd-x"]
    assert line.endswith("alias: esd")
    judges = {line.split()[1]: line for line in printed.splitlines() if line.startswith("judge")}
    assert {"fid", "clip-score", "clip-accuracy", "face-id", "nudenet", "artist-accuracy"} <= set(judges)
    assert judges["face-id"].endswith("alias: gcd")


def test_list_explains_every_setting_of_a_method(capsys: pytest.CaptureFixture[str]) -> None:
    from erasebench.api.method import load_method

    assert main(["list", "--method", "mace"]) == 0
    printed = capsys.readouterr().out
    assert all(name in printed for name in load_method("mace").Config.model_fields)


def small_run(folder: Path, model: Path) -> list[str]:
    """The command that measures the unedited toy model on one image of each group, board and runs in `folder`."""
    where = ["--model", str(model), "--out", str(folder / "board"), "--runs-folder", str(folder / "runs")]
    return ["run", "--method", "original", *TOY, *where, "--limit", "1"]


def test_a_run_ends_with_the_boards_path(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_model_folder: Path
) -> None:
    arguments = small_run(tmp_path, tiny_model_folder)
    assert main(arguments) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"Board: {tmp_path / 'board' / 'README.md'}"
    assert main(["board", "--out", str(tmp_path / "board")]) == 0
    assert main([*arguments, "--method", f"{HERE / 'toy_world.py'}:Clumsy"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "clumsy on toy-2 failed: RuntimeError: out of memory, it says" in lines
    assert lines[-2:] == ["1 of 2 runs failed.", f"Board: {tmp_path / 'board' / 'README.md'}"]


FINISHED = """
import sys
from erasebench.cli import main
assert main(sys.argv[1:]) == 0
assert "torch" not in sys.modules, "torch was loaded to do nothing"
"""


def test_a_finished_run_is_answered_without_torch(tmp_path: Path, tiny_model_folder: Path) -> None:
    arguments = small_run(tmp_path, tiny_model_folder)
    assert main(arguments) == 0
    again = [sys.executable, "-c", FINISHED, *arguments]
    done = subprocess.run(again, check=True, capture_output=True, text=True, cwd=HERE.parent)
    assert "original on toy-2: already done, nothing to do." in done.stdout


def test_an_interrupt_is_130(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("erasebench.board.write_board", interrupted)
    assert main(["board"]) == 130
    assert "continues where it stopped" in capsys.readouterr().err


def test_doctor_says_what_works_and_what_mends_the_rest(
    capsys: pytest.CaptureFixture[str], tiny_model_folder: Path
) -> None:
    assert main(["doctor", "--world", "stable-diffusion-v1-4", "--model", str(tiny_model_folder)]) == 0
    printed = capsys.readouterr().out
    assert "stable-diffusion-v1-4: model" in printed
    assert "To fix:" in printed
    assert "- stable-diffusion-v1-4: judge fid: " in printed


def test_version_is_the_packages(capsys: pytest.CaptureFixture[str]) -> None:
    from importlib.metadata import version

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"erasebench {version('erasebench')}\n"


def test_no_arguments_print_the_help(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["erasebench"])
    assert main() == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("Usage: erasebench ")
    assert printed.err == ""


def _commands(command: Any = None, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with the words that name it."""
    import typer

    command = command or typer.main.get_command(app)
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
        return
    for name, each in inner.items():
        yield from _commands(each, (*words, name))


@pytest.mark.parametrize("words", [words for words, _ in _commands()], ids=" ".join)
def test_every_command_has_help_with_verbose_and_quiet(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert main([*words, "-h"]) == 0
    printed = capsys.readouterr().out
    assert "-v, --verbose" in printed
    assert "-q, --quiet" in printed
    assert not printed.split("\n\n")[1].rstrip().endswith("..."), "the first sentence is cut"


def test_every_option_says_what_it_is_and_what_happens_without_it() -> None:
    """A default is shown by typer; where there is none, the help has to say what happens, or the option is needed."""
    silent = [
        (*words, option.opts[0])
        for words, command in _commands()
        for option in command.params
        if option.param_type_name == "option" and not option.help
    ]
    assert silent == []


def test_quiet_shows_no_messages_and_no_bars(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, tiny_model_folder: Path
) -> None:
    arguments = small_run(tmp_path, tiny_model_folder)
    assert main([*arguments, "-q"]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert main([*arguments, "-q"]) == 0
    assert "already done" not in capsys.readouterr().out
    assert main(arguments) == 0
    assert "already done" in capsys.readouterr().out


def test_verbose_and_quiet_exclude_each_other(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "-v", "-q"]) == 2
    assert capsys.readouterr().err.startswith("-v and -q are given together.\n")


def test_the_shell_completes_commands() -> None:
    words = {"_ERASEBENCH_COMPLETE": "complete_bash", "COMP_WORDS": "erasebench sc", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-c", "import sys; from erasebench.cli import main; sys.exit(main())"],
        env={**os.environ, **words},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["score"]
