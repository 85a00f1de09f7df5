from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from erasebench.api import registry
from erasebench.api.class_file import module_name
from erasebench.api.method import METHODS, load_method
from erasebench.api.registry import Registry
from erasebench.api.world import WORLDS, load_world, world_of_size
from erasebench.errors import UserError
from erasebench.suite.suite import SUITES, installed_suites


def entries(monkeypatch: pytest.MonkeyPatch, *pairs: tuple[str, str]) -> Registry[str]:
    found = [EntryPoint(name, value, "test.group") for name, value in pairs]
    monkeypatch.setattr(registry, "entry_points", lambda group: found)
    return Registry("thing", "test.group", lambda entry: entry.value)


def test_what_ships_is_registered() -> None:
    assert {"mace", "original"} <= set(METHODS.names())
    assert {"miniature", "stable-diffusion-v1-4"} <= set(WORLDS.names())
    assert SUITES.load("celebrity").name == "celebrity.yaml"


def test_an_origin_says_what_and_from_where() -> None:
    assert METHODS.origin("original").startswith("erasebench.methods.original:Original (erasebench ")


def test_two_packages_with_one_name_are_both_named(monkeypatch: pytest.MonkeyPatch) -> None:
    things = entries(monkeypatch, ("mace", "one:A"), ("mace", "other:B"))
    with pytest.raises(UserError, match="one:A and other:B"):
        things.load("mace")


def test_the_same_entry_found_twice_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert entries(monkeypatch, ("mace", "one:A"), ("mace", "one:A")).names() == ["mace"]


def test_two_names_of_one_thing_are_its_own_and_an_alias(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [
        EntryPoint(name, value, "test.group") for name, value in (("esd", "a:X"), ("esd-x", "a:X"), ("uce", "b:Y"))
    ]
    monkeypatch.setattr(registry, "entry_points", lambda group: found)

    class Named:
        name = "esd-x"

    loaded: list[str] = []
    things = Registry("thing", "test.group", lambda entry: loaded.append(entry.name) or Named)
    assert things.aliases() == {"esd-x": ("esd",), "uce": ()}
    assert loaded == ["esd"], "what has one name is not loaded"


def test_names_of_what_has_none_of_its_own_are_the_first_and_aliases(monkeypatch: pytest.MonkeyPatch) -> None:
    assert entries(monkeypatch, ("b", "one:A"), ("a", "one:A")).aliases() == {"a": ("b",)}


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("no_such_package.method:Method", "cannot be loaded: ModuleNotFoundError: No module named 'no_such_package'"),
        ("erasebench.methods.original:Orignal", "cannot be loaded: AttributeError: .*Orignal"),
        ("erasebench.errors:did_you_mean", "is not a class"),
    ],
)
def test_a_package_that_does_not_hold_what_it_registers_is_named(
    monkeypatch: pytest.MonkeyPatch, value: str, message: str
) -> None:
    monkeypatch.setattr(registry, "entry_points", lambda group: [EntryPoint("theirs", value, group)])
    with pytest.raises(UserError, match=message):
        Registry("method", "test.group", registry.class_of).load("theirs")


@pytest.mark.parametrize("code", ["def method(:", "raise ValueError('no GPU')", "1 / 0"])
def test_a_package_that_breaks_off_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: str) -> None:
    (tmp_path / "broken_plug_in.py").write_text(code)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(registry, "entry_points", lambda group: [EntryPoint("theirs", "broken_plug_in:Method", group)])
    with pytest.raises(UserError, match=r"broken_plug_in:Method cannot be loaded: (Syntax|Value|ZeroDivision)Error"):
        Registry("method", "test.group", registry.class_of).load("theirs")


def test_an_unknown_name_gets_the_nearest(monkeypatch: pytest.MonkeyPatch) -> None:
    things = entries(monkeypatch, ("mace", "one:A"))
    with pytest.raises(UserError) as caught:
        things.load("maze")
    assert str(caught.value).splitlines() == ["There is no thing 'maze'.", "Did you mean 'mace'? Available: mace."]


def test_a_method_in_a_file_needs_no_package(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from erasebench.methods.original import Original\nclass Mine(Original):\n    name = 'mine'\n")
    assert load_method(f"{file}:Mine").name == "mine"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("{folder}/nothing.py:Mine", "There is no file"),
        ("{folder}/mine.py:Mein", "Did you mean 'Mine'"),
        ("{folder}/mine.py:Other", "is not a Method"),
    ],
)
def test_a_file_that_does_not_serve_is_named(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "mine.py").write_text("class Mine: ...\nclass Other: ...\n")
    with pytest.raises(UserError, match=message):
        load_method(name.format(folder=tmp_path))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1\nclass Mine(:\n", r"mine\.py, line 2: SyntaxError: invalid syntax"),
        (
            "x = 1\n\nimport no_such_package\n",
            r"mine\.py, line 3: ModuleNotFoundError: No module named 'no_such_package'",
        ),
        ("from erasebench.api.method import Methud\n", r"mine\.py, line 1: ImportError: cannot import name 'Methud'"),
        ("def f():\n    return 1 / 0\n\nf()\n", r"mine\.py, line 2: ZeroDivisionError"),
        ("class Mine(Method): ...\n", r"mine\.py, line 1: NameError: name 'Method' is not defined"),
    ],
)
def test_a_mistake_in_a_file_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(UserError, match=message):
        load_method(f"{tmp_path / 'mine.py'}:Mine")
    assert module_name(tmp_path / "mine.py") not in sys.modules


def test_a_world_is_found_by_its_usual_size_but_no_split_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    assert (world_of_size("full"), world_of_size("small")) == ("stable-diffusion-v1-4", "miniature")
    other = EntryPoint("another", "erasebench.worlds.stable_diffusion.world:StableDiffusionWorld", WORLDS.group)
    monkeypatch.setitem(WORLDS._entries, "another", other)
    assert world_of_size("full") == "stable-diffusion-v1-4"
    broken = EntryPoint("broken", "no.such.module:World", WORLDS.group)
    monkeypatch.setitem(WORLDS._entries, "broken", broken)
    monkeypatch.setitem(WORLDS._entries, "third", EntryPoint("third", "tests.toy_world:ToyWorld", WORLDS.group))
    assert world_of_size("small") == "miniature"  # whatever somebody installs beside


def test_a_world_that_brings_its_own_model_takes_no_other() -> None:
    with pytest.raises(UserError, match="has its own model"):
        load_world("miniature", "some/model")


def installed(folder: Path, name: str, entry_points: str, *, metadata: bool = True) -> None:
    info = folder / f"{name}-1.0.dist-info"
    info.mkdir(parents=True)
    if metadata:
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(entry_points)


def test_what_is_broken_spoils_nothing_else(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A package that ends the program, one without metadata, a name of erasebench's own, one of two packages."""
    (tmp_path / "ending.py").write_text("import sys\nsys.exit('no GPU')\n")
    mine = "[erasebench.methods]\nuce = ending:M\nends = ending:M\nends-too = ending:M\ntwice = ending:A\nweird = !!\n"
    installed(tmp_path, "ending", mine)
    installed(tmp_path, "bare", "[erasebench.methods]\ntwice = ending:B\n", metadata=False)
    monkeypatch.syspath_prepend(str(tmp_path))
    methods = Registry("method", "erasebench.methods", registry.class_of)
    assert methods.load("uce") is load_method("uce")
    assert {"uce", "ends", "ends-too", "twice", "weird"} <= set(methods.aliases())
    found = methods.each(methods.load)
    assert set(methods.names()) - set(found) == {"ends", "ends-too", "twice", "weird"}
    for name, message in (
        ("ends", "SystemExit: no GPU"),
        ("twice", r"ending:A \(ending 1.0\) and ending:B \(.*without readable metadata\)"),
        ("weird", "cannot be loaded"),
    ):
        with pytest.raises(UserError, match=message):
            methods.load(name)
    said = len(caplog.records)
    assert "'uce' is erasebench's own: ending:M (ending 1.0) is not used" in caplog.text
    methods.each(methods.load)
    assert len(caplog.records) == said, "each is named once"


def test_a_suite_of_another_package_that_is_broken_is_left_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "ghost").mkdir()
    (tmp_path / "ghost" / "__init__.py").touch()
    (tmp_path / "ghost" / "bad.yaml").write_text("name: [")
    installed(tmp_path, "ghost", "[erasebench.suites]\nghost = ghost:ghost\nbad = ghost:bad\ngone = no_such.sub:x\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    suites = Registry("suite", "erasebench.suites", registry.suite_path)
    monkeypatch.setattr("erasebench.suite.suite.SUITES", suites)
    assert set(installed_suites()) == {"celebrity", "explicit", "object", "style"}
    for name in ("ghost", "bad", "gone"):
        assert f"The suite '{name}' is left out" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("import sys\nsys.exit('no GPU')\n", r"mine\.py, line 2: SystemExit: no GPU"),
        ("class Wrong(Exception): pass\nraise Wrong('mine')\n", r"mine\.py, line 2: Wrong: mine"),
        ("class Wrong(BaseException): pass\nraise Wrong('mine')\n", r"mine\.py, line 2: Wrong: mine"),
        (
            "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--lr', required=True)\n"
            "parser.parse_args()\n",
            r"mine\.py, line 4: SystemExit: 2",
        ),
    ],
)
def test_a_file_that_ends_the_program_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(UserError, match=message):
        load_method(f"{tmp_path / 'mine.py'}:Mine")


def test_a_parser_at_the_top_of_a_file_does_not_read_our_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["erasebench", "--lr", "7"])
    (tmp_path / "mine.py").write_text(
        "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--lr', default='0.1')\n"
        "rate = parser.parse_args().lr\nfrom erasebench.methods.original import Original\n"
        "class Mine(Original):\n    name = f'mine-{rate}'\n"
    )
    assert load_method(f"{tmp_path / 'mine.py'}:Mine").name == "mine-0.1"
    assert sys.argv == ["erasebench", "--lr", "7"]
