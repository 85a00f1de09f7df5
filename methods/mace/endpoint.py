"""One question to a language model behind an OpenAI-compatible API (POST <address>/chat/completions)."""

from __future__ import annotations

import http.client
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from erasebench.console.scrubbing import scrubbed
from erasebench.errors import UserError

from .key import KEY_VARIABLE, prompt_key

TIMEOUT = 120.0
"""Seconds without a byte before an answer counts as lost."""
_LONGEST_ANSWER = 100_000
"""Bytes read of an error's text."""
_KEPT = "Earlier answers are kept: run the same command again, or leave mace.prompt_endpoint out."


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect is an error: following it would carry the key to another host."""

    def redirect_request(self, *_: Any) -> None:
        return None


def ask(address: str, model: str, question: str, seed: int) -> str:
    """The model's answer to one user message. UserError where the endpoint is away, refuses, or answers otherwise."""
    url = f"{address.rstrip('/')}/chat/completions"
    key = prompt_key()
    content = {"model": model, "seed": seed, "messages": [{"role": "user", "content": question}]}
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(url, json.dumps(content).encode(), headers, method="POST")
    try:
        with _opener(url).open(request, timeout=TIMEOUT) as response:
            body = response.read()
    except urllib.error.HTTPError as error:
        raise _refused(url, model, error) from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        # What cannot be sent is quoted in the error, headers included.
        reason = scrubbed(str(getattr(error, "reason", None) or error))
        raise UserError(f"The prompt endpoint {url} does not answer ({reason}).", _KEPT) from error
    try:
        answer = json.loads(body)["choices"][0]["message"]["content"]
    except (ValueError, LookupError, TypeError) as error:
        raise UserError(f"{url} did not answer with a chat completion.", _KEPT) from error
    if not isinstance(answer, str) or not answer.strip():
        raise UserError(f"{url} gave an empty answer: the model {model} may have refused to write.", _KEPT)
    # Stored word for word: a server may send back what it was sent.
    return scrubbed(answer)


def _opener(url: str) -> urllib.request.OpenerDirector:
    # A server on this machine is never asked through a proxy.
    local = urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
    return urllib.request.build_opener(_NoRedirect, *([urllib.request.ProxyHandler({})] if local else []))


def _refused(url: str, model: str, error: urllib.error.HTTPError) -> UserError:
    try:
        said = error.read(_LONGEST_ANSWER).decode("utf-8", "replace")
    except (OSError, http.client.HTTPException):
        said = "The rest of its answer was lost."
    # Scrubbed before it is cut: half a key is no key that anybody would know.
    answer = scrubbed(" ".join(said.split()))[:500]
    what = f"{url} refused the question to {model}: {error.code} {scrubbed(str(error.reason))}. {answer}".strip()
    if error.code in (401, 403):
        return UserError(what, f"Put the endpoint's key into the environment variable {KEY_VARIABLE}.")
    if 300 <= error.code < 400:
        return UserError(what, "Give mace.prompt_endpoint the address that it redirects to.")
    if error.code == 404:
        return UserError(what, "Check mace.prompt_endpoint (it often ends in /v1) and mace.prompt_model.")
    return UserError(what, _KEPT)
