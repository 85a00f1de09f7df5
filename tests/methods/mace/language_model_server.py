"""A small OpenAI-compatible server on this machine, for tests: it writes prompts, or misbehaves as it is asked."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

Answer = Callable[[dict[str, Any]], tuple[int, Any]]
"""From a request's content to the status and what is answered: a dict as JSON, bytes as they are."""


@dataclass
class Server:
    """`answer` may be exchanged at any time; `requests` and `keys` hold what was asked."""

    address: str
    answer: Answer
    requests: list[dict[str, Any]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)


def completion(*lines: str) -> tuple[int, dict[str, Any]]:
    """An answer of these lines."""
    return 200, {"choices": [{"message": {"role": "assistant", "content": "\n".join(lines)}}]}


def writes_prompts(content: dict[str, Any]) -> tuple[int, Any]:
    """As many numbered prompts as were asked for, with the name that stands in quotes; another scene for each seed."""
    question = content["messages"][-1]["content"]
    count, name = int(re.findall(r"\d+", question)[0]), re.findall(r'"([^"]+)"', question)[0]
    return completion(*(f"{n}. {name} in room {content['seed'] % 1000} on chair {n}" for n in range(1, count + 1)))


@contextmanager
def serving(answer: Answer = writes_prompts) -> Iterator[Server]:
    """A server on a free port for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            content = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.requests.append(content)
            server.keys.append(self.headers["Authorization"])
            status, given = server.answer(content) if self.path == "/v1/chat/completions" else (404, {"error": "no"})
            body = given if isinstance(given, bytes) else json.dumps(given).encode()
            self.send_response(status)
            if 300 <= status < 400:
                self.send_header("Location", "http://127.0.0.1:9/elsewhere")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            """Says nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listening:
        server = Server(f"http://127.0.0.1:{listening.server_port}/v1", answer)
        thread = Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        try:
            yield server
        finally:
            listening.shutdown()
            thread.join()
