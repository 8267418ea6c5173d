"""One file's content searched, whatever it is: text, a text too long for the memory, an archive, or neither."""

from __future__ import annotations

import codecs
import dataclasses
import io
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, BinaryIO, Final, NamedTuple

from nhiscan.detect import text
from nhiscan.detect.leak import Leaked, Unread
from nhiscan.detect.reading import archives
from nhiscan.detect.reading.budget import Budget
from nhiscan.detect.reading.work import Answer

if TYPE_CHECKING:
    from nhiscan.detect.reading.unpack import Member

WHOLE: Final = 1 << 22  # bytes: a file up to here is searched in one piece
_AROUND: Final = 1 << 15  # bytes seen before and after a leak of a longer one; private keys take up to 20,000
_HEAD: Final = 1 << 16

Read = Callable[[int], bytes]


class Window(NamedTuple):
    """A part of a long text after so many lines and bytes; its own are the leaks that start in `data[first:end]`.

    `column`: characters of its first line that stand before it.
    """

    data: bytes
    first: int
    end: int
    line: int
    offset: int
    column: int


class Content:
    """Searches contents into answers; `beat` is called now and then while a long one is read."""

    def __init__(self, budget: Budget, *, unpacks: bool) -> None:
        self._budget = budget
        self._unpacks = unpacks

    def search(
        self,
        answer: Answer,
        path: str,
        data: bytes,
        *,
        more: Read | None = None,
        whole: Callable[[], BinaryIO | None],
        beat: Callable[[], None],
    ) -> None:
        """`data`: all of it, or with `more` its beginning. `whole`: all of it to seek in; None: too large for that."""
        if not data:
            answer.skip("empty")
            return
        is_binary = text.is_binary(data)
        if is_binary or data[:2] in archives.SIGNS or b"\0" in data[: archives.HEADER]:
            kind = archives.kind(data)
            if kind is not None and self._unpacks:
                self._archive(answer, path, kind, whole, beat)
                return
            if kind is not None or is_binary:
                answer.skip("binary" if kind is None else "archive")
                return
        if more is not None:  # many are known by their beginning
            data, more = _filled(data, more)
        answer.files += 1
        if more is None:
            answer.bytes += len(data)
            leaks, is_complete = self._budget.leaks(data, path)
            if leaks:
                answer.said += [Leaked(path, leak) for leak in leaks]
            if not is_complete:
                answer.said.append(Unread(path, "out_of_time", "searched in part only"))
        else:
            self._long(answer, path, data, more, beat)

    def _long(
        self,
        answer: Answer,
        path: str,
        data: bytes,
        more: Read,
        beat: Callable[[], None],
        inside: str | None = None,
    ) -> None:
        name = path if inside is None else f"{path}!/{inside}"
        late = 0
        for window in windows(data, more):
            beat()
            answer.bytes += window.end - window.first
            leaks, is_complete = self._budget.leaks(window.data, name)
            late += not is_complete
            for leak in leaks:
                if window.first <= leak.start < window.end:
                    place = dataclasses.replace(
                        leak,
                        line=leak.line + window.line,
                        column=leak.column and leak.column + (window.column if leak.line == 1 else 0),
                        start=leak.start + window.offset,
                        end=leak.end + window.offset,
                        inside=inside or leak.inside,
                    )
                    answer.said.append(Leaked(path, place))
        if late:
            answer.said.append(Unread(name, "out_of_time", "searched in part only"))

    def _archive(
        self,
        answer: Answer,
        path: str,
        kind: str,
        whole: Callable[[], BinaryIO | None],
        beat: Callable[[], None],
    ) -> None:
        from nhiscan.detect.reading import unpack  # most trees have no archive, and its libraries take their time

        file = whole()
        if file is None:
            answer.said.append(Unread(path, "too_large", f"a {kind} archive that does not fit into memory"))
            return
        answer.files += 1
        with file:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            archive = unpack.Archive(file, kind, path, size)
            for member in archive.members():
                beat()
                self._member(answer, path, member, beat)
                if member.error is not None:
                    archive.fail(member.name, member.error)
            answer.said += archive.unread(path)

    def _member(self, answer: Answer, path: str, member: Member, beat: Callable[[], None]) -> None:
        head = member.read(_HEAD)
        if not head:
            return
        if text.is_binary(head):
            answer.skip("binary")
            return
        self._long(answer, path, head, member.read, beat, inside=member.name)


def _filled(data: bytes, more: Read) -> tuple[bytes, Read | None]:
    """The first WHOLE bytes, and what reads on where there are more."""
    parts, size = [data], len(data)
    while size < WHOLE:
        part = more(WHOLE - size)
        if not part:
            return b"".join(parts), None
        parts.append(part)
        size += len(part)
    return b"".join(parts), more


def windows(data: bytes, more: Read) -> Iterator[Window]:
    """A text that begins with `data`, in parts that overlap and never as a whole; as UTF-8 without a mark."""
    mark, encoding = text.encoded(data)
    data = data[mark:]
    if encoding is not None:
        decode = codecs.getincrementaldecoder(encoding)("replace").decode
        data = decode(data).encode("utf-8", "replace")
        more = _recoded(more, decode)
    first = line = offset = column = 0
    while True:
        data, rest = _filled(data, more)
        if rest is None:
            yield Window(data, first, len(data), line, offset, column)
            return
        end = len(data) - _AROUND
        yield Window(data, first, end, line, offset, column)
        start = end - _AROUND
        if data[start - 1 : start + 1] == b"\r\n":
            start -= 1
        line += _lines(data, start)
        offset += start
        begin = max(data.rfind(b"\n", 0, start), data.rfind(b"\r", 0, start)) + 1
        column = text.signs(data[begin:start], "ignore") + (0 if begin else column)
        first = end - start
        data = data[start:]


def _recoded(more: Read, decode: Callable[[bytes, bool], str]) -> Read:
    """Never empty before the end, even where a few bytes are but half a sign."""

    def recoded(size: int) -> bytes:
        while raw := more(max(size // 2, 4)):
            if part := decode(raw, False).encode("utf-8", "replace"):
                return part
        return b""

    return recoded


def _lines(data: bytes, end: int) -> int:
    """How many lines end before `end`; a lone CR ends one as well."""
    lines = data.count(b"\n", 0, end)
    if data.find(b"\r", 0, end) >= 0:  # far faster than to count them, and few texts have any
        lines += data.count(b"\r", 0, end) - data.count(b"\r\n", 0, end)
    return lines
