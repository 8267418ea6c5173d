"""Recorded answers of the outside: requests, hvac and boto3 in one format, free of secrets, replayed without a network.

A call is known by method, logical host, path, query and body; equal calls are answered first-in first-out. Retries are
not on a tape: it holds what a call finally came to, be it an answer, a refusal or a failure of the network.
"""

from __future__ import annotations

import base64
import contextlib
import gzip
import json
import threading
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby, repeat
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from nhiscan import __version__
from nhiscan.errors import CollectError, ConfigError, StoreError
from nhiscan.model import Where
from nhiscan.scrub import Scrubber, is_credential
from nhiscan.secret import DUMMY

FILE: Final = "tape.jsonl.gz"
_FORMAT: Final = "nhiscan tape"
_VERSION: Final = 1
_NOTE: Final = "every secret-looking value is test material: made up in the format of what stood there"


class Call(NamedTuple):
    """What an answer is found by. `query` and `body` are in normal form, with dummies for credentials."""

    method: str
    host: str
    path: str
    query: str
    body: str

    def __str__(self) -> str:
        return f"{self.method} {self.host} {self.path}{'?' if self.query else ''}{self.query}"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, headers and unpacked body of what came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Failure:
    """Why nothing came back: one of FAILURES, and the words of it."""

    kind: str
    text: str


FAILURES: Final = frozenset({"connect timeout", "read timeout", "tls", "proxy", "connection", "too big"})


def call(method: str, host: str, path: str, query: str = "", body: bytes | str | None = None) -> Call:
    """The key of a request: order of fields, spelling of JSON and the values of credentials do not matter."""
    text = body.decode("utf-8", "surrogateescape") if isinstance(body, bytes) else body or ""
    return Call(method.upper(), host, path or "/", _form(query), _normal_body(text))


def _form(text: str) -> str:
    pairs = parse_qsl(text, keep_blank_values=True)
    return urlencode(sorted((name, DUMMY if _is_hidden(name, value) else value) for name, value in pairs))


def _is_hidden(name: str, value: str) -> bool:
    """AWS Secrets Manager calls the ARN of a secret SecretId, as a vault calls a credential."""
    return is_credential(name) and not value.startswith("arn:")


def _normal_body(text: str) -> str:
    try:
        return json.dumps(_without_credentials(json.loads(text)), sort_keys=True, separators=(",", ":"))
    except (ValueError, RecursionError):
        pass
    if "=" in text.partition("&")[0] and not any(char.isspace() for char in text):
        return _form(text)
    return text.encode("utf-8", "backslashreplace").decode()


def _without_credentials(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: DUMMY if isinstance(item, str) and _is_hidden(name, item) else _without_credentials(item)
            for name, item in value.items()
        }
    return [_without_credentials(item) for item in value] if isinstance(value, list) else value


def claim(folder: Path) -> None:
    """Makes the folder that a tape will be written to.

    Raises: ConfigError for one that cannot be made or is not empty.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        is_empty = next(folder.iterdir(), None) is None
    except OSError as error:
        raise ConfigError(f"cannot record into {folder}: {error.strerror}", hint="name another folder") from error
    if not is_empty:
        raise ConfigError(f"{folder} is not empty", hint="delete it first, or record into a new folder")


class Recorder:
    """Keeps every answer of a scan in memory until `write`, which takes the secrets out."""

    def __init__(self, *, as_of: datetime) -> None:
        self.as_of = as_of
        self._collectors: list[str] = []
        self._entries: dict[str, tuple[Call, Answer | Failure]] = {}
        self._lock = threading.Lock()
        self._scrubber = Scrubber()

    def keep(self, asked: Call, answer: Answer | Failure, *, attempt_of: str | None = None) -> None:
        """Keeps one answer; those to attempts of the same call follow each other, and the last one counts."""
        with self._lock:
            self._entries[attempt_of or f"#{len(self._entries)}"] = (asked, answer)

    def saw(self, text: str, where: Where) -> None:
        """This text was searched for secrets: none of it goes onto the tape but its form."""
        with self._lock:
            self._scrubber.add_text(text, where)

    def saw_secret(self, value: str) -> None:
        """This is a secret from outside, like a token that a login gave."""
        with self._lock:
            self._scrubber.add_secret(value)

    def add_collector(self, name: str, values: Iterable[str]) -> None:
        """Remembers whose answers these are, and the secrets of its settings: dummies stand for them on replay."""
        with self._lock:
            if name not in self._collectors:
                self._collectors.append(name)
            for value in values:
                self._scrubber.add_own(value)

    def write(self, folder: Path) -> Path:
        """Writes the tape, or nothing.

        Raises: StoreError when the disk refuses, or when a secret would have been written.
        """
        with self._lock:
            entries = list(self._entries.values())
            lines = [_dump(self._header())]
            lines += [_dump(line) for line in self._lines(entries)]
        target = folder / FILE
        partial = folder / f".{FILE}.partial"
        try:
            partial.touch(mode=0o600)
            partial.write_bytes(gzip.compress("".join(lines).encode(), mtime=0))
            partial.replace(target)
        except OSError as error:
            with contextlib.suppress(OSError):
                partial.unlink(missing_ok=True)
            raise StoreError(
                f"cannot write the tape {target}: {error.strerror}", hint="record into another folder"
            ) from error
        return target

    def _header(self) -> dict[str, Any]:
        return {
            "format": _FORMAT,
            "version": _VERSION,
            "nhiscan": __version__,
            "as_of": self.as_of.isoformat(),
            "collectors": self._collectors,
            "note": _NOTE,
        }

    def _lines(self, entries: list[tuple[Call, Answer | Failure]]) -> Iterator[dict[str, Any]]:
        scrub = self._scrubber
        scrub.study(answer.body for _, answer in entries if isinstance(answer, Answer))
        clean: dict[Call, list[Any]] = {}
        for asked, answer in entries:
            written = Call(
                asked.method,
                scrub.text(asked.host),
                scrub.text(asked.path),
                scrub.form(asked.query),
                scrub.request_body(asked.body),
            )
            if isinstance(answer, Failure):
                said: Any = {"failure": answer.kind, "text": scrub.text(answer.text)}
            else:
                said = {"status": answer.status, "headers": _kept_headers(answer.headers, scrub)}
                said.update(_body(scrub.body(answer.body)))
            if scrub.is_left_in(_plain(written, said)):
                raise StoreError(
                    f"no tape was written: a secret is left in the answer to {written}",
                    hint="report which system answered so; until then scan without --record",
                )
            clean.setdefault(written, []).append(said)
        for written in sorted(clean):
            runs = [(said, len(list(run))) for said, run in groupby(clean[written])]
            yield {"call": list(written), "answers": [{**said, "times": times} for said, times in runs]}


def _dump(line: Mapping[str, Any]) -> str:
    return json.dumps(line, ensure_ascii=True, separators=(",", ":")) + "\n"


def _body(body: bytes) -> dict[str, str]:
    try:
        return {"body": body.decode("utf-8")}
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}


def _plain(written: Call, said: Mapping[str, Any]) -> str:
    """All of one entry as one text, nothing escaped by us."""
    body = base64.b64decode(said["base64"]).decode("utf-8", "replace") if "base64" in said else said.get("body", "")
    return "\n".join((*written, said.get("text", ""), *said.get("headers", {}).values(), body))


_HEADERS: Final = frozenset(
    {"content-type", "etag", "link", "location", "retry-after", "sforce-limit-info", "www-authenticate"}
)
_HIDDEN: Final = ("auth", "cookie", "key", "request-id", "requestid", "secret", "session", "token", "trace")


def _kept_headers(headers: Mapping[str, str], scrub: Scrubber) -> dict[str, str]:
    """What may steer a collector; not what differs from day to day or carries sessions."""
    return {
        name: scrub.text(value)
        for name, value in sorted((name.lower(), value) for name, value in headers.items())
        if name in _HEADERS or (name.startswith("x-") and not any(word in name for word in _HIDDEN))
    }


@dataclass(frozen=True, slots=True)
class Player:
    """An opened tape; `as_of` is the moment of its recording."""

    as_of: datetime
    collectors: tuple[str, ...]
    file: Path
    _answers: Mapping[Call, deque[Answer | Failure]]
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def play(self, asked: Call) -> Answer | Failure:
        """The next answer to this call.

        Raises: CollectError for a call that was not recorded, or not as often.
        """
        with self._lock:
            queue = self._answers.get(asked)
            if queue:
                return queue.popleft()
        often = "is not on" if queue is None else "was recorded less often on"
        raise CollectError(
            f"{asked} {often} the tape",
            hint=f"record again with these settings and this version into a new folder instead of {self.file.parent}",
        )


# What a damaged or edited file comes to, whichever part of it is not what a recording writes.
_NONSENSE: Final = (
    AttributeError,
    EOFError,
    KeyError,
    OSError,
    OverflowError,
    RecursionError,
    TypeError,
    ValueError,
    zlib.error,
)
_STATUSES: Final = range(100, 600)
_MOST_TIMES: Final = 1_000_000  # equal answers to one call; an endless number would fill the memory


def read(folder: Path) -> Player:
    """Raises: ConfigError for a tape that is missing, damaged or of another version."""
    file = folder / FILE
    record_again = "record it again with `nhiscan scan --record`"
    try:
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            header = json.loads(lines.readline())
            if not isinstance(header, dict) or header.get("format") != _FORMAT:
                raise ConfigError(f"{file} is no tape", hint=record_again)
            if header.get("version") != _VERSION:
                raise ConfigError(
                    f"{file} is a tape of version {header.get('version')}, this is version {_VERSION}",
                    hint=f"{record_again}, or replay it with nhiscan {header.get('nhiscan')}",
                )
            as_of = datetime.fromisoformat(header["as_of"])
            if as_of.tzinfo is None:
                raise ValueError("as_of without a zone")
            answers = {
                Call(*map(str, line["call"])): deque(_answers(line["answers"])) for line in map(json.loads, lines)
            }
            return Player(as_of, tuple(map(str, header["collectors"])), file, answers)
    except FileNotFoundError as error:
        raise ConfigError(f"{file} does not exist", hint="name the folder that --record wrote") from error
    except _NONSENSE as error:
        raise ConfigError(f"{file} is damaged: {error or type(error).__name__}", hint=record_again) from error


def _answers(said: Iterable[Mapping[str, Any]]) -> Iterator[Answer | Failure]:
    for item in said:
        if "failure" in item:
            if item["failure"] not in FAILURES:
                raise ValueError(f"unknown failure {item['failure']!r}")
            answer: Answer | Failure = Failure(item["failure"], str(item["text"]))
        else:
            body = item["body"].encode() if "body" in item else base64.b64decode(item["base64"])
            headers = {str(name): str(value) for name, value in item["headers"].items()}
            answer = Answer(int(item["status"]), headers, body)
            if answer.status not in _STATUSES:
                raise ValueError(f"status {answer.status}")
        if not 1 <= item["times"] <= _MOST_TIMES:
            raise ValueError(f"an answer that came {item['times']} times")
        yield from repeat(answer, item["times"])


def split(url: str) -> tuple[str, str]:
    """Path and query of a URL."""
    parts = urlsplit(url)
    return parts.path, parts.query
