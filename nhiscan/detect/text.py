"""Bytes of a file as the detectors read them."""

from __future__ import annotations

import codecs
from typing import Final

_HEAD: Final = 4_096
_BLOCK: Final = 1 << 16
_MARKS: Final = (  # the longer first: UTF-32's mark begins like UTF-16's
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_STARTS: Final = frozenset(mark[0] for mark, _ in _MARKS) | {codecs.BOM_UTF8[0]}
_FEWEST: Final = 4  # bytes from which UTF-16 without a mark shows
_MOSTLY: Final = 0.7
_RARE: Final = 8  # one zero in so many bytes: lists of variables as the system keeps them, or a stray one
_WRITTEN: Final = bytes({0, *b"\a\b\t\n\v\f\r\x1b"} | set(range(0x20, 0x7F)) | set(range(0x80, 0x100)))


def decoded(data: bytes) -> bytes:
    """The bytes as UTF-8 without a mark."""
    if not data or (data[0] not in _STARTS and b"\0" not in data[:_HEAD]):
        return data
    mark, encoding = encoded(data)
    if encoding is None:
        return data[mark:]
    return data[mark:].decode(encoding, "replace").encode("utf-8", "replace")


def encoded(data: bytes) -> tuple[int, str | None]:
    """(length of the mark at the start of a text, its encoding); None: UTF-8 or another one that has ASCII in it.

    UTF-16 is known by its mark or, without one, by every other byte being zero.
    """
    if data.startswith(codecs.BOM_UTF8):
        return len(codecs.BOM_UTF8), None
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return len(mark), encoding
    return 0, _without_mark(data[:_HEAD])


def signs(data: bytes, errors: str) -> int:
    """How many characters a text in UTF-8 has, with `errors` as in `bytes.decode`.

    It is never held as a whole, as one wide character would make all of them wide.
    """
    if data.isascii():
        return len(data)
    decode = codecs.getincrementaldecoder("utf-8")(errors).decode
    return sum(len(decode(data[at : at + _BLOCK])) for at in range(0, len(data), _BLOCK)) + len(decode(b"", True))


def is_binary(data: bytes) -> bool:
    """Holds zeros as no text does; UTF-16 and UTF-32 are text, and so is one in which a few zeros part the lines."""
    head = data[:_HEAD]
    if b"\0" not in head:
        return False
    head = decoded(head)
    zeros = head.count(b"\0")
    return zeros > 0 and (zeros * _RARE > len(head) or head.translate(None, _WRITTEN) != b"")


def _without_mark(head: bytes) -> str | None:
    half = len(head) // 2
    if half < _FEWEST:
        return None
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if odd >= _MOSTLY * half and even == 0:
        return "utf-16-le"
    return "utf-16-be" if even >= _MOSTLY * half and odd == 0 else None
