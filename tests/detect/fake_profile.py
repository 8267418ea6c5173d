"""A profile that finds made-up tokens, and does on request what a bad one may do; other processes import it by name."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from typing import ClassVar, Final

from nhiscan.detect.leak import Leak
from nhiscan.detect.text import decoded
from nhiscan.secret import Secret

_TOKEN: Final = re.compile(rb"tok_[a-z0-9]{16}")
_ENDLESS: Final = re.compile(rb"(a+)+$")


class Tokens:
    """Finds `tok_` and sixteen letters or digits."""

    name: ClassVar[str] = "tokens"

    def leaks(self, data: bytes, path: str) -> Iterator[Leak]:
        data = decoded(data)
        if b"die here" in data:
            os._exit(9)
        if b"hang here" in data:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})  # as in C code that no alarm gets through to
            time.sleep(60)
        for match in _TOKEN.finditer(data):
            before = data[: match.start()]
            line = 1 + before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n")
            yield Leak("token", Secret(match[0].decode()), line, match.start(), match.end())
        if b"endless" in data:
            _ENDLESS.search(b"a" * 60 + b"!")


class Slow(Tokens):
    """Takes its time for each file."""

    name: ClassVar[str] = "slow"

    def leaks(self, data: bytes, path: str) -> Iterator[Leak]:
        time.sleep(0.02)
        return super().leaks(data, path)
