"""The files that a visitor meets first say what is true of the code."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

import erasebench

ROOT = Path(__file__).parent.parent
FORMS = sorted(path for path in (ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")


def loaded(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_the_citation_is_of_this_version() -> None:
    citation = loaded(ROOT / "CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == erasebench.__version__
    assert {"message", "title", "authors"} <= set(citation)


def test_the_changelog_begins_with_what_is_unreleased() -> None:
    versions = re.findall(r"^## \[([^\]]+)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert versions[0] == "Unreleased"


def test_there_are_three_forms() -> None:
    assert [path.stem for path in FORMS] == ["new-method", "new-result", "wrong-number"]


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_a_form_has_what_github_asks_for(path: Path) -> None:
    form = loaded(path)
    assert {"name", "description", "body"} <= set(form)
    ids = [field["id"] for field in form["body"]]
    assert len(set(ids)) == len(ids)
    assert all(field["attributes"]["label"] for field in form["body"])


def test_the_hooks_before_a_commit_are_the_checks_of_ci_and_fetch_nothing() -> None:
    (local,) = loaded(ROOT / ".pre-commit-config.yaml")["repos"]
    assert local["repo"] == "local"
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for hook in local["hooks"]:
        assert hook["language"] == "system"
        assert hook["entry"].replace(" --fix", "") in ci


def test_types_are_shipped() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "py.typed" in project["tool"]["setuptools"]["package-data"]["erasebench"]
    assert (ROOT / "erasebench" / "py.typed").is_file()


def test_the_site_loads_nothing_from_elsewhere() -> None:
    """What .ci/site.py finds in the built pages is checked there; here, the settings that would fetch something."""
    config = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    assert "font: false" in config
    assert not re.search(r"analytics|extra_javascript|https?://", config)


def test_the_architecture_page_lists_every_package() -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| \d \| `(\w+)/` \|", page, re.MULTILINE))
    assert listed == {path.parent.name for path in (ROOT / "erasebench").glob("*/__init__.py")}
