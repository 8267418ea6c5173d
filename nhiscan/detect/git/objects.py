"""The objects of a repository, listed and searched: each file version once, whichever commits hold it."""

from __future__ import annotations

import io
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import IO, Final, NamedTuple

from nhiscan.detect.git.process import Git
from nhiscan.detect.leak import Commit, Leaked, Profile, Unread
from nhiscan.detect.reading import work
from nhiscan.detect.reading.budget import Budget
from nhiscan.detect.reading.content import WHOLE, Content

LARGEST_ARCHIVE: Final = 1 << 25  # held in memory while it is unpacked
_LFS: Final = b"version https://git-lfs.github.com/spec/"
_LARGEST_POINTER: Final = 1_024
_AUTHOR: Final = re.compile(rb"^(?:author|tagger) [^\n]*?<([^<>\n]*)>", re.MULTILINE)
_TIME: Final = re.compile(rb"^(?:committer|tagger) [^\n]*> (-?\d{1,15})", re.MULTILINE)
_TAGGED: Final = re.compile(rb"object ([0-9a-f]+)\n")
MESSAGES: Final = {"commit": "commit message", "tag": "tag message"}


class Item(NamedTuple):
    """One object; `path`: one at which it stands, empty where no commit holds it."""

    type: str
    oid: str
    size: int
    path: str


@dataclass(frozen=True, slots=True)
class Found:
    """What was said of one object. `commit`: of a message, who wrote it and when. `is_pointer`: to LFS."""

    item: Item
    said: tuple[Leaked | Unread, ...]
    commit: Commit | None = None
    is_pointer: bool = False


def when(seconds: bytes) -> datetime:
    """A time as commits have it; what no calendar holds is the epoch."""
    try:
        return datetime.fromtimestamp(int(seconds), UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)


class Searcher:
    """Reads the objects of a batch through a `git cat-file` of its own."""

    def __init__(
        self, git: Git, make_profile: Callable[[], Profile], *, budget_s: float, unpacks: bool, largest: int
    ) -> None:
        self._git = git
        self._budget = Budget(make_profile(), budget_s)
        self._content = Content(self._budget, unpacks=unpacks)
        self._largest = largest
        self._process: subprocess.Popen[bytes] | None = None

    def search(self, batch: Sequence[Item], at: work.At) -> work.Answer:
        answer = work.Answer()
        start = 0
        with self._budget.alarm():
            while start < len(batch):
                start = self._some(batch, start, answer, at)
        if allowed := self._budget.allowed():
            answer.skipped["allowed by a comment"] = allowed
        return answer

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _some(self, batch: Sequence[Item], start: int, answer: work.Answer, at: work.At) -> int:
        """Where to go on: at the end, or behind an object on which git gave up."""
        if self._process is None:
            self._process = self._git.start("cat-file", "--batch", stdin=subprocess.PIPE)
        requests, output = self._process.stdin, self._process.stdout
        assert requests is not None and output is not None  # noqa: S101 - for mypy
        i = start
        try:
            requests.write(b"".join(b"%s\n" % item.oid.encode() for item in batch[start:] if self._is_read(item)))
            requests.flush()
            for i in range(start, len(batch)):
                at(i)
                if self._is_read(batch[i]):
                    self._object(batch[i], output, answer, partial(at, i))
                else:
                    size = f"{batch[i].size} bytes, more than {self._largest}"
                    answer.said.append(Found(batch[i], (Unread(batch[i].path, "too_large", size),)))
        except (EOFError, BrokenPipeError):
            self.close()
            answer.said.append(Found(batch[i], (Unread(batch[i].path, "damaged", "git cannot read this object"),)))
            return i + 1
        return len(batch)

    def _is_read(self, item: Item) -> bool:
        return item.size <= self._largest

    def _object(self, item: Item, output: IO[bytes], answer: work.Answer, beat: Callable[[], None]) -> None:
        header = output.readline()
        if not header.endswith(b" %d\n" % item.size):
            if header.endswith(b" missing\n"):
                answer.said.append(Found(item, (Unread(item.path, "missing_object", "vanished"),)))
                return
            raise EOFError
        stream = _Stream(output, item.size)
        if item.type == "blob":
            self._blob(item, stream, answer, beat)
        else:
            self._message(item, stream.all(), answer, beat)
        stream.drain()

    def _blob(self, item: Item, stream: _Stream, answer: work.Answer, beat: Callable[[], None]) -> None:
        data = stream.read(WHOLE)
        if item.size <= _LARGEST_POINTER and data.startswith(_LFS):
            answer.files += 1
            answer.said.append(Found(item, (), is_pointer=True))
            return
        said = answer.said
        answer.said = []
        rest = stream.read if item.size > len(data) else None
        self._content.search(
            answer, item.path, data, more=rest, whole=partial(_whole, item.size, data, stream), beat=beat
        )
        if answer.said:
            said.append(Found(item, tuple(answer.said)))
        answer.said = said

    def _message(self, item: Item, data: bytes, answer: work.Answer, beat: Callable[[], None]) -> None:
        head, _, message = data.partition(b"\n\n")
        leaks, is_complete = self._budget.leaks(message, MESSAGES[item.type])
        answer.bytes += len(message)
        if not leaks and is_complete:
            return
        author, time, tagged = _AUTHOR.search(head), _TIME.search(head), _TAGGED.match(head)
        commit = Commit(
            tagged[1].decode() if item.type == "tag" and tagged else item.oid,
            author[1].decode("utf-8", "replace") if author else "",
            when(time[1] if time else b"0"),
        )
        said: list[Leaked | Unread] = [Leaked(MESSAGES[item.type], leak) for leak in leaks]
        if not is_complete:
            said.append(Unread(MESSAGES[item.type], "out_of_time", f"of {item.oid}, searched in part only"))
        answer.said.append(Found(item, tuple(said), commit))


class _Stream:
    """One object in the output of `git cat-file`, and the line end behind it."""

    def __init__(self, output: IO[bytes], size: int) -> None:
        self._output = output
        self._left = size

    def read(self, size: int) -> bytes:
        data = self._output.read(min(size, self._left))
        if len(data) < min(size, self._left):
            raise EOFError
        self._left -= len(data)
        return data

    def all(self) -> bytes:
        return self.read(self._left)

    def drain(self) -> None:
        while self._left:
            self.read(WHOLE)
        if self._output.read(1) != b"\n":
            raise EOFError


def _whole(size: int, data: bytes, stream: _Stream) -> io.BytesIO | None:
    return None if size > LARGEST_ARCHIVE else io.BytesIO(data + stream.all())


def batches(items: Iterator[Item]) -> Iterator[list[Item]]:
    batch: list[Item] = []
    size = 0
    for item in items:
        batch.append(item)
        size += item.size
        if len(batch) == work.BATCH or size > WHOLE:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch
