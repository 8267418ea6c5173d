"""Delimited text files of many hands, line by line: their encoding and delimiter are told from what is in them.

Nothing is held but a window of the file, so that a log of any size can be read.
"""

from __future__ import annotations

import codecs
import csv
import logging
import tomllib
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

import charset_normalizer

from nhiscan.errors import ConfigError, NhiscanError

_DELIMITERS: Final = (",", ";", "\t")
# What spreadsheet programs write when they do not write UTF-8.
_CODE_PAGES: Final = [
    "cp1252",
    "cp1250",
    "cp1251",
    "cp1253",
    "cp1254",
    "cp1257",
    "cp932",
    "gb18030",
    "big5",
    "cp949",
]
_CHUNK: Final = 1024**2

log = logging.getLogger(__name__)


class TableError(NhiscanError):
    """A file that cannot be read as a table."""

    exit_code = 2


def mappings(package: Traversable) -> Mapping[str, Mapping[str, Any]]:
    """What the files of a collector's folder `mappings` say, by their name: how headers of known exports are read."""
    return {
        file.name.removesuffix(".toml"): tomllib.loads(file.read_text(encoding="utf-8"))
        for file in sorted(package.joinpath("mappings").iterdir(), key=lambda file: file.name)
        if file.name.endswith(".toml")
    }


def check_format(where: str, *, date_format: str | None, encoding: str | None, delimiter: str | None) -> None:
    """Raises: ConfigError where what nhiscan.toml says about a file cannot be."""
    if delimiter is not None and len(delimiter) != 1:
        raise ConfigError(f"{where}: delimiter {delimiter!r} is not one character")
    if date_format is not None and not _reads_back(date_format):
        raise ConfigError(
            f"{where}: date_format {date_format!r} does not name a day, a month and a year",
            hint='write it as in "%d.%m.%Y"',
        )
    if encoding is not None:
        try:
            codecs.lookup(encoding)
        except LookupError as error:
            raise ConfigError(f"{where}: unknown encoding {encoding!r}", hint='try "cp1252"') from error


def lines(
    path: Path, *, encoding: str | None, delimiter: str | None, is_known: Callable[[str], bool]
) -> Iterator[tuple[int, list[str]]]:
    """(number of the line where it begins, cells) of each line, the header's first; empty lines are lines.

    `is_known` says of a header whether it is expected: so is told which delimiter a file has.
    Raises: TableError naming the file, the line where there is one, and the next step; also after lines were given.
    """
    told = encoding or encoding_of(path)
    try:
        with path.open(encoding=told, newline="") as file:
            first = file.readline().removeprefix("\ufeff")
        skipped = 0
        if first.lower().startswith("sep=") and len(first.rstrip("\r\n")) == 5:
            # A spreadsheet's own note of its delimiter.
            delimiter, skipped = delimiter or first[4], 1
        if delimiter is None:
            delimiter = max(_DELIMITERS, key=lambda mark: _headers_known(path, told, mark, is_known))
        for line, cells in _records(path, told, delimiter, skipped):
            yield line + skipped, cells
    except UnicodeError as error:
        raise TableError(f"{path}: {error}", hint="correct the file's encoding in nhiscan.toml") from error
    except OSError as error:
        raise unreadable(path, error) from error


def encoding_of(path: Path) -> str:
    """By its mark, else UTF-8 where all of it is, else the likeliest code page, which is logged unless it is cp1252.

    Raises: TableError
    """
    try:
        with path.open("rb") as file:
            start = file.read(len(codecs.BOM_UTF16_LE))
        if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) and _undecodable(path, "utf-16") is None:
            return "utf-16"
        sample = _undecodable(path, "utf-8-sig")
    except OSError as error:
        raise unreadable(path, error) from error
    return "utf-8-sig" if sample is None else _guess(path, sample)


def _undecodable(path: Path, encoding: str) -> bytes | None:
    """What stands around the first bytes that are not in this encoding; None: all are."""
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as file:
        before, chunk = b"", file.read(_CHUNK)
        try:
            while chunk:
                decoder.decode(chunk)
                before, chunk = chunk, file.read(_CHUNK)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return before + chunk
    return None


def unreadable(path: Path, error: OSError) -> TableError:
    return TableError(f"{path}: {error.strerror or error}", hint="check the path and its permissions in nhiscan.toml")


def _guess(path: Path, sample: bytes) -> str:
    # Short text in cp1252 looks as good in other code pages; among equals it is by far the likeliest.
    matches = charset_normalizer.from_bytes(sample, cp_isolation=_CODE_PAGES)
    best = matches.best()
    if best is None:
        raise TableError(f"{path}: its encoding cannot be told", hint="save it as UTF-8, or set encoding for the file")
    if any("cp1252" in match.could_be_from_charset and match.chaos <= best.chaos for match in matches):
        return "cp1252"
    log.warning("%s is read as %s by guess; set encoding for the file if names look wrong", path, best.encoding)
    return str(best.encoding)


def _headers_known(path: Path, encoding: str, delimiter: str, is_known: Callable[[str], bool]) -> tuple[int, int]:
    """How many headers are known, and how many there are, if this is the delimiter."""
    with path.open(encoding=encoding, newline="") as file:
        first = next((cells for cells in csv.reader(_unmarked(file), delimiter=delimiter) if any(cells)), [])
    return sum(map(is_known, first)), len(first)


def _records(path: Path, encoding: str, delimiter: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    with path.open(encoding=encoding, newline="") as file:
        texts = _unmarked(file)
        for _ in range(skipped):
            next(texts)
        # strict: an unbalanced quote would otherwise swallow the rows after it without a word
        reader = csv.reader(texts, delimiter=delimiter, strict=True)
        line = 1
        try:
            for cells in reader:
                yield line, cells
                line = reader.line_num + 1
        except csv.Error as error:
            raise TableError(
                f"{path}, line {line + skipped}: {error}",
                hint="look for a quotation mark without its partner in that line",
            ) from error


def _unmarked(texts: Iterator[str]) -> Iterator[str]:
    """Without the byte order mark that a named encoding leaves in place."""
    for number, text in enumerate(texts):
        yield text if number else text.removeprefix("\ufeff")


def _reads_back(date_format: str) -> bool:
    day = datetime(2026, 1, 31)
    try:
        return datetime.strptime(day.strftime(date_format), date_format) == day
    except ValueError:
        return False
