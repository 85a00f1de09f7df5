"""Hooks of the documentation site (mkdocs.yml): pages from the whole repository, and no request to another host.

Pages of docs/ link to files of the repository by relative path, so that they also work in an editor or on a git host.
Here every linked file becomes part of the site: Markdown as a page, source code as a page with its text, any other file
as it is. A link to a file that does not exist is a warning of mkdocs, and with --strict an error.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
LINK = re.compile(r"(\]\()([^()\s#]+)((?:#[^()\s]*)?\))")
LANGUAGES = {".py": "python", ".yaml": "yaml", ".toml": "toml", ".csv": "text"}
LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "video": "src"}
"""Tags whose address a browser fetches by itself, and the attribute that holds it."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the repository's pages of the nav, and every file that a page links to."""
    waiting = [*_named(config.nav), *(file.src_uri for file in files.documentation_pages())]
    seen: set[str] = set()
    while waiting:
        uri = waiting.pop()
        if uri in seen:
            continue
        seen.add(uri)
        if (file := files.get_file_from_path(uri)) is None:
            if (file := _from_repository(uri, config)) is None:
                continue
            files.append(file)
        if uri.endswith(".md") and (ROOT / _repository_path(uri)).is_file():
            waiting += [_site_path(_target(uri, link)) for link in _links(file.content_string)]
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Point each relative link to where its file is in the site; a link to a folder becomes plain text."""
    uri = page.file.src_uri

    def placed(match: re.Match[str]) -> str:
        if _is_elsewhere(match[2]):
            return match[0]
        there = _site_path(_target(uri, match[2]))
        return f"{match[1]}{posixpath.relpath(there, posixpath.dirname(uri) or '.')}{match[3]}"

    if not (ROOT / _repository_path(uri)).is_file():
        return markdown
    return LINK.sub(placed, _without_folder_links(uri, markdown))


def on_post_build(config: MkDocsConfig) -> None:
    """Fail where a page of the built site would fetch something from another host."""
    site = Path(config.site_dir)
    found = [
        f"{path.relative_to(site)}: <{tag}> {address}"
        for path in sorted(site.rglob("*.html"))
        for tag, address in _loaded(path.read_text(encoding="utf-8"))
        if re.match(r"(https?:)?//", address)
    ]
    found += [
        f"{path.relative_to(site)}: {address}"
        for path in sorted(site.rglob("*.css"))
        for address in re.findall(r"(?:url\(|@import )[\"']?((?:https?:)?//[^\"')]+)", path.read_text(encoding="utf-8"))
    ]
    if found:
        raise PluginError("The site has to work without a network, but it loads:\n" + "\n".join(found))


def _named(nav: Any) -> Iterator[str]:
    """Every path of the nav."""
    if isinstance(nav, str):
        yield nav
    elif isinstance(nav, dict):
        for entry in nav.values():
            yield from _named(entry)
    elif isinstance(nav, list):
        for entry in nav:
            yield from _named(entry)


def _from_repository(uri: str, config: MkDocsConfig) -> File | None:
    """The file of the site for one of the repository; None for a folder and for what is not there."""
    path = ROOT / _repository_path(uri)
    if path.is_file():
        return File.generated(config, uri, abs_src_path=str(path))
    source = path.with_suffix("")  # 'methods/uce.py.md' shows methods/uce.py
    if uri.endswith(".md") and source.is_file() and source.suffix in LANGUAGES:
        name, text = source.relative_to(ROOT).as_posix(), source.read_text(encoding="utf-8")
        shown = f"---\ntitle: {name}\nsearch:\n  exclude: true\n---\n\n# `{name}`\n\n"
        page = File.generated(config, uri, content=f"{shown}````{LANGUAGES[source.suffix]}\n{text}\n````\n")
        page.inclusion = InclusionLevel.NOT_IN_NAV
        return page
    return None


def _links(markdown: str) -> list[str]:
    return [match[2] for match in LINK.finditer(markdown) if not _is_elsewhere(match[2])]


def _is_elsewhere(link: str) -> bool:
    return re.match(r"[a-z]+:|/", link) is not None


def _repository_path(uri: str) -> str:
    """Where a page of the site is in the repository."""
    return f"docs/{uri}" if (ROOT / "docs" / uri).is_file() else uri


def _target(uri: str, link: str) -> str:
    """The path in the repository that a link of a page points to."""
    return posixpath.normpath(posixpath.join(posixpath.dirname(_repository_path(uri)), link))


def _site_path(target: str) -> str:
    """Where a file of the repository is in the site."""
    if target == "README.md":
        return "index.md"
    if target.startswith("docs/"):
        return target.removeprefix("docs/")
    if (ROOT / target).is_dir() and (ROOT / target / "README.md").is_file():
        return f"{target}/README.md"
    return f"{target}.md" if Path(target).suffix in LANGUAGES and (ROOT / target).is_file() else target


def _without_folder_links(uri: str, markdown: str) -> str:
    """The text with the name alone where a link points to a folder that has no page."""

    def plain(match: re.Match[str]) -> str:
        if _is_elsewhere(match[2]):
            return match[0]
        target = ROOT / _target(uri, match[2])
        return match[1] if target.is_dir() and not (target / "README.md").is_file() else match[0]

    return re.sub(r"\[([^\]]*)\]\(([^()\s#]+)\)", plain, markdown)


def _loaded(html: str) -> list[tuple[str, str]]:
    """Of a page, each tag that a browser fetches something for, and the address."""
    found: list[tuple[str, str]] = []

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            given = dict(attrs)
            if tag == "link" and given.get("rel") in ("canonical", "next", "prev"):
                return
            if tag in LOADED and (address := given.get(LOADED[tag])):
                found.append((tag, address))

    Reader().feed(html)
    return found
