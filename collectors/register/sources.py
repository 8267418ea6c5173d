"""Register files -> sheets: which files there are, and their cells as they stand, whatever the format."""

from __future__ import annotations

import codecs
import csv
import io
import json
import logging
import tomllib
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final
from xml.etree.ElementTree import ParseError

import charset_normalizer
from openpyxl import load_workbook

from nhiscan.config import nearest
from nhiscan.errors import ConfigError, RegisterError
from nhiscan.model import Quarantined

from .cells import clean, fold
from .tables import TABLES

_MOST_BYTES: Final = 256 * 1024**2  # of a file, unpacked; a million partners take a fifth of it
_DELIMITERS: Final = (",", ";", "\t")
_TEXT: Final = frozenset({".csv", ".tsv"})
_WORKBOOKS: Final = frozenset({".xlsx", ".xlsm"})
_TREES: Final = frozenset({".toml", ".json"})
_READ: Final = _TEXT | _WORKBOOKS | _TREES
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
_SAVE_AS: Final = "save it as .csv, .xlsx, .toml or .json"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileSpec:
    """One file from elsewhere: what it holds, and what its headers mean (`columns`: their header = ours)."""

    path: Path
    table: str
    columns: Mapping[str, str] = field(default_factory=dict)
    date_format: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    exported_at: date | None = None

    def __post_init__(self) -> None:
        where = f"collectors.register.files, {self.path.name}"
        if self.table not in TABLES:
            raise ConfigError(f"{where}: unknown table {self.table!r}", hint=nearest(self.table, TABLES))
        table = TABLES[self.table]
        for target in self.columns.values():
            if table.column_of(fold(target)) is None:
                raise ConfigError(
                    f"{where}: {self.table} have no column {target!r}", hint=nearest(target, table.headers)
                )
        if self.delimiter is not None and len(self.delimiter) != 1:
            raise ConfigError(f"{where}: delimiter {self.delimiter!r} is not one character")
        if self.date_format is not None and not _reads_back(self.date_format):
            raise ConfigError(
                f"{where}: date_format {self.date_format!r} does not name a day, a month and a year",
                hint='write it as in "%d.%m.%Y"',
            )
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError as error:
                raise ConfigError(f"{where}: unknown encoding {self.encoding!r}", hint='try "cp1252"') from error


@dataclass(frozen=True)
class Header:
    name: str
    line: int


@dataclass(frozen=True)
class Sheet:
    """What one file holds for one table; `rows` are the lines with anything in them, cells as the format gives them."""

    label: str
    spec: FileSpec
    headers: Sequence[Header | None]
    rows: Sequence[tuple[int, Sequence[Any]]]
    exported_at: datetime


def find(path: Path | None, files: Sequence[FileSpec]) -> tuple[list[FileSpec], list[Quarantined]]:
    """Every file of the register with its table, and what lies in the folder and cannot be told.

    Raises: RegisterError
    """
    found = list(files)
    strays: list[Quarantined] = []
    if path is None:
        return found, strays
    if path.is_file():
        if path.suffix.lower() not in _TREES:
            raise RegisterError(
                f"{path}: the format of this register is not read",
                hint="set collectors.register.path to a folder of files named by table, or to one .toml or .json file",
            )
        held = _tree(path, None)
        if not isinstance(held, dict):
            raise RegisterError(f"{path} does not name its tables", hint="write one list a table, such as [[partners]]")
        for name in held:
            if name not in TABLES:
                raise RegisterError(f"{path}: unknown register table {name!r}", hint=nearest(name, TABLES))
        return [*found, *(FileSpec(path, name) for name in held)], strays
    configured = {spec.path.resolve() for spec in files}
    for file in _listed(path):
        table, suffix = fold(file.stem), file.suffix.lower()
        if file.resolve() in configured:
            continue
        if table in TABLES and suffix in _READ:
            found.append(FileSpec(file, table))
        elif table in TABLES:
            raise RegisterError(f"{file}: files of this format are not read", hint=f"{_SAVE_AS}, or move it away")
        elif suffix in _READ:
            strays.append(
                Quarantined(
                    file=clean(file.name),
                    line=0,
                    field=None,
                    value=None,
                    problem="the file's name is no register table, so the file was not read",
                    allowed=nearest(table, TABLES),
                    row_dropped=False,
                )
            )
    return found, strays


def read(specs: Sequence[FileSpec]) -> list[Sheet]:
    """Raises: RegisterError naming the file and the next step."""
    asked = {(spec.path, spec.table) for spec in specs}
    return [
        _sheet(spec, label, asked={table for path, table in asked if path == spec.path})
        for spec, label in zip(specs, _labels(specs), strict=True)
    ]


def _listed(folder: Path) -> list[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise _unreadable(folder, error, "check collectors.register.path") from error
    # "~$" is the lock that a spreadsheet program leaves beside an open file.
    shown = [entry for entry in entries if not entry.name.startswith((".", "~$"))]
    for entry in shown:
        # A dangling link or a pipe would be a table that is missing without a word.
        if not entry.is_file() and fold(entry.stem) in TABLES and entry.suffix.lower() in _READ:
            raise RegisterError(f"{entry} is no readable file", hint="put the file there, or take the entry away")
    return [entry for entry in shown if entry.is_file()]


def _labels(specs: Sequence[FileSpec]) -> Iterator[str]:
    """File names, with as much of the path or the table as tells two apart."""
    uses = Counter(spec.path for spec in specs)
    for spec in specs:
        parts = spec.path.parts
        depth = 1
        while depth < len(parts) and any(p != spec.path and p.parts[-depth:] == parts[-depth:] for p in uses):
            depth += 1
        yield clean("/".join(parts[-depth:])) + (f"[{spec.table}]" if uses[spec.path] > 1 else "")


def _sheet(spec: FileSpec, label: str, *, asked: Set[str]) -> Sheet:
    suffix = spec.path.suffix.lower()
    if suffix in _TREES:
        headers, rows = _entries(spec, asked)
    else:
        if suffix in _WORKBOOKS:
            lines = _workbook_lines(spec)
        elif suffix in _TEXT or spec.delimiter is not None:
            lines = _text_lines(spec)
        else:
            raise RegisterError(f"{spec.path}: files of this format are not read", hint=_SAVE_AS)
        headers, rows = _headed(spec, lines)
    return Sheet(label, spec, headers, rows, _exported_at(spec))


def _exported_at(spec: FileSpec) -> datetime:
    given = spec.exported_at
    if given is None:
        return datetime.fromtimestamp(spec.path.stat().st_mtime, UTC)
    if not isinstance(given, datetime):
        given = datetime(given.year, given.month, given.day)
    return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)


def _headed(
    spec: FileSpec, lines: Sequence[tuple[int, Sequence[Any]]]
) -> tuple[list[Header | None], list[tuple[int, Sequence[Any]]]]:
    filled = [(line, cells) for line, cells in lines if any(_is_filled(cell) for cell in cells)]
    if not filled:
        raise RegisterError(f"{spec.path} is empty", hint="write the column names into its first line")
    (head, names), *rows = filled
    return [Header(clean(str(name)), head) if _is_filled(name) else None for name in names], rows


def _is_filled(cell: Any) -> bool:
    return cell is not None and (not isinstance(cell, str) or clean(cell) != "")


def _text_lines(spec: FileSpec) -> list[tuple[int, Sequence[Any]]]:
    text = _decode(spec)
    delimiter = spec.delimiter
    first, _, rest = text.partition("\n")
    skipped = 0
    if first.lower().startswith("sep=") and len(first.rstrip("\r")) == 5:
        # A spreadsheet's own note of its delimiter.
        delimiter, text, skipped = delimiter or first[4], rest, 1
    if delimiter is None:
        delimiter = max(_DELIMITERS, key=lambda mark: _headers_known(spec, text, mark))
    return [(line + skipped, cells) for line, cells in _records(spec, text, delimiter)]


def _headers_known(spec: FileSpec, text: str, delimiter: str) -> tuple[int, int]:
    """How many headers are known, and how many there are, if this is the delimiter."""
    table = TABLES[spec.table]
    ours = {fold(name) for name in spec.columns}
    first = next((cells for cells in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter) if any(cells)), [])
    known = sum(fold(name) in ours or table.column_of(fold(name)) is not None for name in first)
    return known, len(first)


def _records(spec: FileSpec, text: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    # strict: an unbalanced quote would otherwise swallow the rows after it without a word
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 1
    try:
        for cells in reader:
            yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise RegisterError(
            f"{spec.path}, line {line}: {error}", hint="look for a quotation mark without its partner in that line"
        ) from error


def _decode(spec: FileSpec) -> str:
    data = _bytes(spec.path)
    if spec.encoding is not None:
        try:
            return data.decode(spec.encoding).removeprefix("\ufeff")
        except (UnicodeDecodeError, LookupError) as error:
            raise _unreadable(spec.path, error, "correct the file's encoding in nhiscan.toml") from error
    for encoding, marks in (("utf-16", (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)), ("utf-8-sig", (b"",))):
        if data.startswith(marks):
            try:
                return data.decode(encoding)
            except UnicodeDecodeError:
                log.debug("%s is not %s", spec.path, encoding)
    # Short text in cp1252 looks as good in other code pages; among equals it is by far the likeliest.
    matches = charset_normalizer.from_bytes(data, cp_isolation=_CODE_PAGES)
    best = matches.best()
    if best is None:
        raise RegisterError(
            f"{spec.path}: its encoding cannot be told", hint="save it as UTF-8, or set encoding for the file"
        )
    if any("cp1252" in match.could_be_from_charset and match.chaos <= best.chaos for match in matches):
        return data.decode("cp1252")
    log.warning("%s is read as %s by guess; set encoding for the file if names look wrong", spec.path, best.encoding)
    return data.decode(best.encoding)


def _workbook_lines(spec: FileSpec) -> list[tuple[int, Sequence[Any]]]:
    data = io.BytesIO(_bytes(spec.path))
    try:
        with zipfile.ZipFile(data) as package:
            # A few kilobytes can unpack to more than the machine has; zipfile reads no more than is declared here.
            if sum(part.file_size for part in package.infolist()) > _MOST_BYTES:
                raise _too_large(spec.path)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # openpyxl tells of styling and validation that it drops: no data
            book = load_workbook(data, read_only=True, data_only=True)
            sheets = book.worksheets
            if not sheets:
                return []
            sheet = next((sheet for sheet in sheets if fold(sheet.title) == spec.table), sheets[0])
            sheet.reset_dimensions()  # the size noted in the file is often wrong, and rows beyond it would be lost
            rows = enumerate(sheet.iter_rows(values_only=True), 1)
            # Formatting can stretch a sheet to a million empty rows.
            return [(line, cells) for line, cells in rows if any(map(_is_filled, cells))]
    except (  # each of these was seen or can be read in openpyxl's parsing of a damaged package
        zipfile.BadZipFile,
        zlib.error,
        ParseError,
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
        IndexError,
        EOFError,
        OSError,
    ) as error:
        hint = "open it in a spreadsheet program and save it again as .xlsx, without a password"
        raise RegisterError(f"{spec.path} is not a workbook that can be read: {error}", hint=hint) from error


def _entries(spec: FileSpec, asked: Set[str]) -> tuple[list[Header | None], list[tuple[int, Sequence[Any]]]]:
    held = _tree(spec.path, spec.encoding)
    if isinstance(held, dict):
        for name in held:
            if name not in asked:
                raise RegisterError(
                    f"{spec.path} holds {clean(name)!r} beside what it is read for: {', '.join(sorted(asked))}",
                    hint=f"write its entries as [[{spec.table}]], or give the other list a file of its own",
                )
        held = held.get(spec.table, [])
    if not isinstance(held, list) or not all(isinstance(entry, dict) for entry in held):
        raise RegisterError(
            f"{spec.path}: {spec.table} is not a list of entries", hint=f"write each as [[{spec.table}]]"
        )
    headers: dict[str, Header | None] = {}
    for line, entry in enumerate(held, 1):
        for name in entry:
            headers.setdefault(name, Header(clean(name), line))
    return list(headers.values()), [(line, [entry.get(name) for name in headers]) for line, entry in enumerate(held, 1)]


def _tree(path: Path, encoding: str | None) -> Any:
    kind = path.suffix.lower().removeprefix(".")
    try:
        text = _bytes(path).decode(encoding or "utf-8-sig")
        return tomllib.loads(text) if kind == "toml" else json.loads(text)
    except (UnicodeDecodeError, LookupError, tomllib.TOMLDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise _unreadable(path, error, f"mend the file; it must be {kind.upper()} in UTF-8") from error


def _bytes(path: Path) -> bytes:
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise _too_large(path)
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error, "check the path and its permissions in nhiscan.toml") from error


def _too_large(path: Path) -> RegisterError:
    return RegisterError(
        f"{path} holds more than {_MOST_BYTES // 1024**2} MiB", hint="split it into files of one table each, or cut it"
    )


def _unreadable(path: Path, error: Exception, hint: str) -> RegisterError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return RegisterError(f"{path}: {reason}", hint=hint)


def _reads_back(date_format: str) -> bool:
    day = datetime(2026, 1, 31)
    try:
        return datetime.strptime(day.strftime(date_format), date_format) == day
    except ValueError:
        return False
