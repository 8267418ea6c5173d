"""Stands before the live server and makes single answers go wrong."""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import requests

from fixtures.loopback import serving

_HOP: Final = frozenset({"connection", "content-length", "host", "transfer-encoding"})
_ERRORS: Final = {403: "permission denied", 429: "request path: rate limit quota exceeded", 503: "Vault is sealed"}


@dataclass(frozen=True)
class Fault:
    """`path`: matches the whole of `METHOD path`. `on_calls`: only these, the first being 1; none: all.

    `how`: a status, or "truncated" (the body ends early), "dropped" (no answer, and nothing is done), "lost" (it is
    done, and no answer comes), "slow" (an answer after 1.5 seconds).
    """

    path: str
    how: int | str
    on_calls: tuple[int, ...] = ()
    message: str | None = None

    def hits(self, call: str, number: int) -> bool:
        return re.fullmatch(self.path, call) is not None and (not self.on_calls or number in self.on_calls)


@dataclass
class Proxy:
    """A running proxy; `calls` is its journal. `answers`: the call and the JSON sent -> the data to answer instead."""

    target: str
    faults: list[Fault] = field(default_factory=list)
    answers: Callable[[str, Mapping[str, Any]], Mapping[str, Any] | None] | None = None
    calls: list[str] = field(default_factory=list)
    _counts: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = field(default="", init=False)
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Proxy:
        self.url = self._stack.enter_context(serving(_handler(self)))
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def fault_for(self, call: str) -> Fault | None:
        with self._lock:
            self.calls.append(call)
            self._counts[call] += 1
            return next((fault for fault in self.faults if fault.hits(call, self._counts[call])), None)


def _handler(proxy: Proxy) -> type[BaseHTTPRequestHandler]:
    session = requests.Session()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet

        def _pass(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            path = unquote(urlsplit(self.path).path).removeprefix("/v1/")
            namespace = self.headers.get("X-Vault-Namespace", "")
            call = f"{self.command} {namespace}{path}"
            fault = proxy.fault_for(call)
            if fault is not None and fault.how == "dropped":
                self.close_connection = True
                return
            if fault is not None and fault.how == "slow":
                time.sleep(1.5)
            if fault is not None and isinstance(fault.how, int):
                message = fault.message or _ERRORS.get(fault.how, "injected")
                self._answer(fault.how, f'{{"errors":["{message}"]}}'.encode())
                return
            if proxy.answers is not None:
                made = proxy.answers(call, json.loads(body) if body else {})
                if made is not None:
                    self._answer(200, json.dumps({"data": made}).encode())
                    return
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
            passed = session.request(
                self.command,
                f"{proxy.target}{self.path}",
                data=body,
                headers=headers,
                timeout=60,
                allow_redirects=False,
            )
            if fault is not None and fault.how == "lost":
                self.close_connection = True
                return
            content = passed.content
            if fault is not None and fault.how == "truncated":
                content = content[: len(content) // 2]
            self._answer(passed.status_code, content)

        def _answer(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            if status == 307:
                self.send_header("Location", self.path)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_DELETE = do_GET = do_LIST = do_PATCH = do_POST = do_PUT = _pass  # noqa: N815 # names that the base class looks for

        def log_message(self, format: str, *args: object) -> None:
            del format, args

    return Handler
