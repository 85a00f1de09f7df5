"""Secrets out of whatever is stored or printed: the keys in use, and what looks like one. Loads no torch.

A message can hold a key that nobody put there: an exception quotes the header that it could not send, a server sends
back the request that it refused.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

HIDDEN = "***"
SHORTEST = 5
"""Characters of a key from which on it is taken out: servers that want no key are given 'none' or 'x'."""
PROMPT_KEY = "ERASEBENCH_PROMPT_KEY"
"""The prompt endpoint's key, which is a secret whatever it looks like."""
DUMMIES = frozenset(("ollama", "dummy", "none", "empty", "sk-no-key-required", "no-key", "not-needed", "lm-studio"))
"""What servers that want no key are given in its place: words of model names and messages."""
_WORD = re.compile(r"[a-z]{1,7}")
"""A key that may be part of other words: it is taken out as a word of its own alone, and is no mapping's key."""
_VARIABLES = re.compile(r"(^|_)(API_?KEY|KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.IGNORECASE)
_USER = re.compile(r"(?<=://)[^\s/@'\"<>]+(?=@)")
_TOKEN = r"[A-Za-z0-9._~+/%=-]"
_PATTERNS = (
    # Of an address: whoever signs in, and the query's keys.
    (_USER, HIDDEN),
    (
        re.compile(
            r"(?i)([?&;](?:api[_-]?key|key|token|access[_-]?token|auth|secret|password|sig|signature)=)[^&\s'\"<>#]+"
        ),
        rf"\1{HIDDEN}",
    ),
    # Of a request: how it is signed. A word of prose has neither a digit nor a sign in it.
    (re.compile(rf"(?i)\b(Bearer|Basic|Token)(\s+|%20|\+)(?={_TOKEN}*[0-9_=+/.%]){_TOKEN}{{8,}}"), rf"\1\2{HIDDEN}"),
    (
        re.compile(r"(?i)(authorization[\\'\"]*\s*[:=]\s*[\\'\"b]*(?:bearer|basic|token)\s+)[^\s'\"\\,}]+"),
        rf"\1{HIDDEN}",
    ),
    (
        re.compile(r"(?i)(\b(?:x-)?api[_-]?key\b[\\'\"]*\s*[:=]\s*[\\'\"b]*)[^\s'\"\\,;}<>&]{5,}"),
        rf"\1{HIDDEN}",
    ),
    # Keys by their makers' prefixes.
    (re.compile(r"\b(sk-|hf_|ghp_|gho_|github_pat_|xox[abp]-|AIza|AKIA)[A-Za-z0-9_-]{12,}"), rf"\1{HIDDEN}"),
)


def scrubbed(text: str) -> str:
    """`text` with '***' in place of every secret: those of the environment, in any usual form, and what looks so.

    The environment's are the values of variables called ..._KEY, ..._TOKEN, ..._SECRET or ..._PASSWORD, and of
    addresses (proxies) the user and password. Forms: as it is, percent-encoded, escaped, and in base64 at any place.
    """
    return _without(text, words=True)


def _without(text: str, *, words: bool) -> str:
    for secret in _in_use():
        if secret not in text:
            continue
        if not _WORD.fullmatch(secret):
            text = text.replace(secret, HIDDEN)
        elif words:
            text = re.sub(rf"(?<!\w){secret}(?!\w)", HIDDEN, text)
    for pattern, instead in _PATTERNS:
        text = pattern.sub(instead, text)
    return text


def scrubbed_content(content: Any) -> Any:
    """JSON-able content with every text in it scrubbed, keys of mappings too; numbers and order stay."""
    if isinstance(content, str):
        return scrubbed(content)
    if isinstance(content, Mapping):
        return {
            _without(key, words=False) if isinstance(key, str) else key: scrubbed_content(v)
            for key, v in content.items()
        }
    if isinstance(content, list | tuple):
        return (
            type(content)(scrubbed_content(value) for value in content) if type(content) in (list, tuple) else content
        )
    return content


def failure_text(error: BaseException) -> str:
    """What a failed run stores and prints of an error: a UserError's two lines, else class and text; scrubbed."""
    from erasebench.errors import UserError

    text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
    return scrubbed(text.removesuffix(": "))


def _in_use() -> tuple[str, ...]:
    """Every form of every secret of the environment, the longest first: one may be part of another."""
    named = {name: value.strip() for name, value in os.environ.items() if _VARIABLES.search(name)}
    values = {value for name, value in named.items() if name == PROMPT_KEY or not _is_plain(value)}
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        for value in (os.environ.get(name, ""), os.environ.get(name.upper(), "")):
            values.update(part for found in _USER.findall(value) for part in found.partition(":")[::2])
    return _forms(frozenset(value for value in values if len(value) >= SHORTEST and value.lower() not in DUMMIES))


def _is_plain(value: str) -> bool:
    """A path that is there, a number or a word such as 'true': a variable's name alone makes no secret of it."""
    path = value.startswith(("/", "~", "./")) and os.path.exists(os.path.expanduser(value))
    return path or value.isdecimal() or value.lower() in ("false", "never", "always")


@lru_cache
def _forms(values: frozenset[str]) -> tuple[str, ...]:
    found = {form for value in values for form in _forms_of(value)}
    return tuple(sorted(found, key=lambda form: (-len(form), form)))


def _forms_of(value: str) -> Iterator[str]:
    yield from (value, quote(value, safe=""), quote(value), quote_plus(value))
    yield from (repr(value)[1:-1], value.encode("unicode_escape").decode(), value.replace("/", "\\/"))
    data = value.encode("utf-8", "surrogateescape")
    # Inside a longer text ('user:key') base64 begins at any of three places; what the neighbours decide is left out.
    for before in range(3):
        whole = bytes(before) + data
        whole = whole[: len(whole) // 3 * 3]
        encoded = base64.b64encode(whole).decode()[(4 * before + 2) // 3 :]
        if len(encoded) >= SHORTEST + 1:
            yield from (encoded, encoded.replace("+", "-").replace("/", "_"))
