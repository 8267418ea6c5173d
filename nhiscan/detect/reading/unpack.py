"""The members of an archive as streams: nothing of it touches the disk, and hostile ones end at a limit.

Zip (so jar, war, whl, nupkg, apk, docx, xlsx), tar, and either tar or a single file under gzip, bzip2, xz or, where
Python knows it, zstd. One level deep: an archive in an archive is said. Names are text to be shown and no more.
"""

from __future__ import annotations

import bz2
import gzip
import importlib
import io
import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Any, BinaryIO, Final

from nhiscan.detect.leak import Unread
from nhiscan.detect.reading import archives

MOST_BYTES: Final = 1 << 30  # unpacked, of one archive; more only of one that is that large itself
MOST_MEMBERS: Final = 100_000
LARGEST_MEMBER: Final = 1 << 28
_LARGEST_LZMA: Final = 1 << 26  # its dictionary stays in memory
_RATIO: Final = 200  # unpacked to packed; minified sources reach 20, logs 50
_FREE: Final = 1 << 24  # unpacked bytes before the ratio counts
_LONGEST_READ: Final = 6 << 20  # at once, for a directory of members
_LONGEST_HEADER: Final = 1 << 20  # of one member of a tar, with all that extends it
_BLOCK: Final = 1 << 16
_TAR_HEADER: Final = 512

_SUFFIXES: Final = {"gzip": (".gz", ".gzip"), "bzip2": (".bz2",), "xz": (".xz",), "zstd": (".zst",)}

# What the libraries raise on damaged input, found by feeding them some.
_DAMAGE: Final = (
    OSError,
    EOFError,
    ValueError,  # UnicodeDecodeError is one
    OverflowError,
    RecursionError,
    RuntimeError,
    NotImplementedError,
    KeyError,
    IndexError,
    struct.error,
    zlib.error,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
)

Read = Callable[[int], bytes]


class UnpackError(Exception):
    """Why, as in UNREAD, a member or what is left of an archive cannot be read."""

    def __init__(self, why: str, detail: str) -> None:
        super().__init__(detail)
        self.why = why
        self.detail = detail


@dataclass(slots=True)
class Member:
    """One file, to be read before the next one is asked for; `error`: why it ended early."""

    name: str
    stream: Read
    error: UnpackError | None = None

    def read(self, size: int) -> bytes:
        """At most so many bytes of it, none at its end or where it cannot be read any further."""
        if self.error is None:
            try:
                return self.stream(size)
            except UnpackError as error:
                self.error = error
        return b""


class Archive:
    """One archive; `size` is that of the packed file, `name` its own."""

    def __init__(self, file: BinaryIO, kind: str, name: str, size: int) -> None:
        self._file = file
        self._kind = kind
        self._name = name
        self._meter = _Meter(size)
        self._problems: dict[str, list[tuple[str, str]]] = {}
        self._counts: dict[str, int] = {}

    def members(self) -> Iterator[Member]:
        """Its files in order; what stands in the way is kept for `unread`."""
        try:
            if self._kind == "zip":
                yield from self._zip()
            elif self._kind == "tar":
                yield from self._tar(_Forward(self._file.read, self._meter, self._file))
            elif self._kind in ("7z", "rar"):
                raise UnpackError("damaged", f"{self._kind} archives are not unpacked")
            else:
                yield from self._compressed()
        except UnpackError as error:
            self.fail("", error)

    def fail(self, name: str, error: UnpackError) -> None:
        """Keeps what was wrong with a member, or without its name with the whole."""
        self._counts[error.why] = self._counts.get(error.why, 0) + 1
        self._problems.setdefault(error.why, [])
        if len(self._problems[error.why]) < 1:
            self._problems[error.why].append((name, error.detail))

    def unread(self, path: str) -> Iterator[Unread]:
        """Once for each reason, so that a hostile archive cannot flood the report."""
        for why, ((name, detail), *_) in self._problems.items():
            count = self._counts[why]
            said = detail if not name else f"{name}: {detail}"
            yield Unread(path, why, said if count == 1 else f"{count} members, the first: {said}")

    def _zip(self) -> Iterator[Member]:
        try:
            archive = zipfile.ZipFile(_Guarded(self._file))
        except _DAMAGE as error:
            raise UnpackError("damaged", _said(error)) from error
        with archive:
            for number, info in enumerate(archive.infolist()):
                if number == MOST_MEMBERS:
                    raise UnpackError("bomb", f"more than {MOST_MEMBERS} members: the others were not searched")
                if info.is_dir():
                    continue
                try:
                    yield from self._zip_member(archive, info)
                except UnpackError as error:
                    if error.why == "bomb":
                        raise
                    self.fail(info.filename, error)

    def _zip_member(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[Member]:
        if info.flag_bits & 1:
            raise UnpackError("encrypted", "needs a password")
        _check_size(info.file_size, _LARGEST_LZMA if info.compress_type == zipfile.ZIP_LZMA else LARGEST_MEMBER)
        try:
            stream = archive.open(info)
        except _DAMAGE as error:
            raise UnpackError("damaged", _said(error)) from error
        with stream:
            yield from self._member(info.filename, _Metered(stream.read, self._meter).read)

    def _tar(self, file: _Forward) -> Iterator[Member]:
        try:
            archive = tarfile.open(  # noqa: SIM115 - no close: it would read on
                fileobj=file, mode="r:", encoding="utf-8", errors="surrogateescape"
            )
            number = 0
            while (info := archive.next()) is not None:
                archive.members = []  # type: ignore[attr-defined] # it keeps all that it saw
                file.header_left = None
                number += 1
                if number > MOST_MEMBERS:
                    raise UnpackError("bomb", f"more than {MOST_MEMBERS} members: the others were not searched")
                if info.isreg():
                    try:
                        _check_size(info.size, LARGEST_MEMBER)
                        if info.issparse():
                            raise UnpackError("damaged", "a sparse file")
                        stream = archive.extractfile(info)
                        if stream is not None:
                            yield from self._member(info.name, _Metered(stream.read, None).read)
                    except UnpackError as error:
                        if error.why == "bomb":
                            raise
                        self.fail(info.name, error)
                file.header_left = _LONGEST_HEADER
        except _DAMAGE as error:
            raise UnpackError("damaged", _said(error)) from error
        if file.last != bytes(_TAR_HEADER):  # tarfile takes whatever is no header for the end
            raise UnpackError("damaged", "no header where one should be: the rest was not searched")

    def _compressed(self) -> Iterator[Member]:
        read = _Metered(_decompressed(self._kind, self._file), self._meter).read
        head = _exactly(read, _TAR_HEADER)
        if archives.kind(head) == "tar":
            yield from self._tar(_Forward(_after(head, read), None, None))
            return
        name = self._name.rpartition("/")[2]
        for suffix in _SUFFIXES[self._kind]:
            name = name.removesuffix(suffix)
        try:
            yield from self._member(name, _after(head, read))
        except UnpackError as error:
            if error.why == "bomb":
                raise
            self.fail(name, error)

    def _member(self, name: str, read: Read) -> Iterator[Member]:
        head = _exactly(read, _TAR_HEADER)
        packed = archives.kind(head)
        if packed is not None:
            raise UnpackError("too_deep", f"a {packed} archive inside")
        yield Member(name, _after(head, read))


def _check_size(size: int, largest: int) -> None:
    if size > largest:
        raise UnpackError("too_large", f"{size} bytes, more than {largest}")


class _Meter:
    """What one archive may unpack to."""

    def __init__(self, packed: int) -> None:
        self._left = max(MOST_BYTES, packed)
        self._left = min(self._left, max(_FREE, _RATIO * packed))

    def add(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise UnpackError("bomb", "unpacks to more than is looked at: the rest was not searched")


class _Metered:
    """Reads with what goes wrong as UnpackError."""

    def __init__(self, read: Read, meter: _Meter | None) -> None:
        self._read = read
        self._meter = meter

    def read(self, size: int) -> bytes:
        try:
            data = self._read(size)
        except _DAMAGE as error:
            raise UnpackError("damaged", _said(error)) from error
        if self._meter is not None:
            self._meter.add(len(data))
        return data


class _Guarded(io.RawIOBase):
    """A file that hands out only so much at once: the directory of a zip may claim to be as long as the file."""

    def __init__(self, file: BinaryIO) -> None:
        super().__init__()
        self._file = file

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size if 0 <= size <= _LONGEST_READ else _LONGEST_READ + 1)
        if len(data) > _LONGEST_READ:
            raise UnpackError("bomb", "a directory of members too long to be read")
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


class _Forward(io.RawIOBase):
    """A stream that only goes on, as `tarfile` wants its file. `header_left`: bytes that a header may still take.

    `file`: where skipping needs no reading. `last`: what was last read as a header.
    """

    def __init__(self, read: Read, meter: _Meter | None, file: BinaryIO | None) -> None:
        super().__init__()
        self.header_left: int | None = _LONGEST_HEADER
        self.last = b""
        self._read = _Metered(read, meter).read
        self._file = file
        self._at = 0

    def read(self, size: int = -1) -> bytes:
        if self.header_left is not None:
            self.header_left -= size
            if size < 0 or self.header_left < 0:
                raise UnpackError("bomb", "a member's header too long to be read")
        data = _exactly(self._read, size)
        self._at += len(data)
        if self.header_left is not None:
            self.last = data
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        if offset < self._at or whence != 0:
            raise UnpackError("damaged", "members that overlap")
        if self._file is not None:
            self._at = self._file.seek(offset)
        while self._at < offset:
            skipped = len(self._read(min(_BLOCK, offset - self._at)))
            if not skipped:
                break
            self._at += skipped
        return self._at

    def tell(self) -> int:
        return self._at

    def seekable(self) -> bool:
        return True


class _Xz:
    """As `lzma.open`, but a stream that asks for a huge dictionary is refused."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._stream = lzma.LZMADecompressor(memlimit=_LARGEST_LZMA + _LARGEST_LZMA // 4)
        self._rest = b""

    def read(self, size: int) -> bytes:
        while True:
            if self._stream.eof:
                self._rest = (self._stream.unused_data or self._file.read(_BLOCK)).lstrip(b"\0")
                if not self._rest:
                    return b""
                self._stream = lzma.LZMADecompressor(memlimit=_LARGEST_LZMA + _LARGEST_LZMA // 4)
            elif self._stream.needs_input and not self._rest:
                self._rest = self._file.read(_BLOCK)
                if not self._rest:
                    raise EOFError("ends in the middle")
            data = self._stream.decompress(self._rest, size)
            self._rest = b""
            if data:
                return data


def _decompressed(kind: str, file: BinaryIO) -> Read:
    if kind == "gzip":
        return gzip.GzipFile(fileobj=file).read
    if kind == "bzip2":
        return bz2.BZ2File(file).read
    if kind == "xz":
        return _Xz(file).read
    try:
        zstd: Any = importlib.import_module("compression.zstd")  # Python 3.14
    except ImportError as error:
        raise UnpackError("damaged", "zstd is not unpacked by this Python, but by 3.14") from error
    stream: IO[bytes] = zstd.ZstdFile(file)
    return stream.read


def _exactly(read: Read, size: int) -> bytes:
    """So many bytes, fewer only at the end."""
    data = read(size)
    if len(data) == size or not data:
        return data
    parts = [data]
    left = size - len(data)
    while left > 0 and (data := read(left)):
        parts.append(data)
        left -= len(data)
    return b"".join(parts)


def _after(head: bytes, read: Read) -> Read:
    """A stream of which `head` was read already."""
    left = head

    def again(size: int) -> bytes:
        nonlocal left
        if left:
            data, left = left[:size], left[size:]
            return data
        return read(size)

    return again


def _said(error: BaseException) -> str:
    """The kind of damage. The libraries' own words may quote names, or bytes of the content: they are left out."""
    return f"cannot be unpacked ({type(error).__name__})"
