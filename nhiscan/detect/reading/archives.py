"""Which files are archives, told without the libraries that unpack them."""

from __future__ import annotations

from typing import Final

HEADER: Final = 512  # of a tar's member
_MAGIC: Final = (
    (b"PK\x03\x04", "zip"),
    (b"PK\x05\x06", "zip"),  # without members
    (b"\x1f\x8b\x08", "gzip"),
    (b"\xfd7zXZ\0", "xz"),
    (b"(\xb5/\xfd", "zstd"),
    (b"7z\xbc\xaf\x27\x1c", "7z"),
    (b"Rar!\x1a\x07", "rar"),
)
# With these alone a file may look like a text and yet be an archive.
SIGNS: Final = frozenset(magic[:2] for magic, _ in _MAGIC) | {b"BZ"}


def kind(data: bytes) -> str | None:
    """Which archive begins with `data`, by its content: names lie."""
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if data[:3] == b"BZh" and data[4:10] == b"1AY&SY":
        return "bzip2"
    return "tar" if data[257:262] == b"ustar" or _is_old_tar(data[:HEADER]) else None


def _is_old_tar(header: bytes) -> bool:
    """Before 1988 a tar had no magic, but a checksum."""
    digits = header[148:156].strip(b" \0")
    if len(header) < HEADER or not digits.isdigit() or b"8" in digits or b"9" in digits:
        return False
    return int(digits, 8) == sum(header[:148]) + 8 * ord(" ") + sum(header[156:])
