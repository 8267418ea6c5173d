"""Register files -> sheets: which files there are, and their cells as they stand, whatever the format."""

from __future__ import annotations

import json
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from nhiscan import delimited, workbook
from nhiscan.cells import clean, fold
from nhiscan.config import nearest
from nhiscan.errors import ConfigError, RegisterError
from nhiscan.model import Quarantined

from . import tickets
from .tables import TABLES

_TEXT: Final = frozenset({".csv", ".tsv"})
_WORKBOOKS: Final = frozenset({".xlsx", ".xlsm"})
_TREES: Final = frozenset({".toml", ".json"})
_READ: Final = _TEXT | _WORKBOOKS | _TREES
_SAVE_AS: Final = "save it as .csv, .xlsx, .toml or .json"


@dataclass(frozen=True)
class FileSpec:
    """One file from elsewhere: what it holds, and what its headers mean (`columns`: their header = ours).

    `mapping`: the ticket system that exported it. Only then `words` ("state: their word" = ours) and `timezone`.
    """

    path: Path
    table: str
    columns: Mapping[str, str] = field(default_factory=dict)
    mapping: str | None = None
    words: Mapping[str, str] = field(default_factory=dict)
    timezone: str | None = None
    date_format: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    exported_at: date | None = None

    def __post_init__(self) -> None:
        where = self._where
        if self.table not in TABLES:
            raise ConfigError(f"{where}: unknown table {self.table!r}", hint=nearest(self.table, TABLES))
        if self.mapping is None and (self.words or self.timezone):
            raise ConfigError(
                f"{where}: words and timezone need a mapping", hint='set mapping = "jira", or remove them'
            )
        is_tickets = self.how() is not None
        tables = [TABLES[name] for name in (tickets.tables_of(self.table) if is_tickets else [self.table])]
        for target in self.columns.values():
            if all(table.column_of(fold(target)) is None for table in tables):
                headers = [header for table in tables for header in table.headers]
                raise ConfigError(f"{where}: {self.table} have no column {target!r}", hint=nearest(target, headers))
        delimited.check_format(where, date_format=self.date_format, encoding=self.encoding, delimiter=self.delimiter)

    def how(self) -> tickets.Reading | None:
        """How the export of a ticket system is read; None: the file holds our table itself."""
        if self.mapping is None:
            return None
        return tickets.reading(
            self.mapping,
            where=self._where,
            table=self.table,
            own={theirs: fold(ours) for theirs, ours in self.columns.items()},
            words=self.words,
            date_format=self.date_format,
            timezone=self.timezone,
        )

    @property
    def _where(self) -> str:
        return f"collectors.register.files, {self.path.name}"


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


def unfolded(sheet: Sheet, how: tickets.Reading, names: tickets.Names) -> tuple[list[Sheet], tickets.Taken]:
    """The sheets of our tables that an export of tickets holds, and what is said of its tickets.

    Raises: RegisterError
    """
    headers = [None if header is None else header.name for header in sheet.headers]
    line = next((header.line for header in sheet.headers if header), 1)
    taken = tickets.take(how, sheet.label, headers, sheet.rows, names)
    return [
        Sheet(
            label=sheet.label if rows.table == how.table else f"{sheet.label}[{rows.table}]",
            spec=FileSpec(sheet.spec.path, rows.table),
            headers=[Header(column, line) for column in rows.columns],
            rows=rows.rows,
            exported_at=sheet.exported_at,
        )
        for rows in taken.tables
    ], taken


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
    filled = [(line, cells) for line, cells in lines if any(workbook.is_filled(cell) for cell in cells)]
    if not filled:
        raise RegisterError(f"{spec.path} is empty", hint="write the column names into its first line")
    (head, names), *rows = filled
    return [Header(clean(str(name)), head) if workbook.is_filled(name) else None for name in names], rows


def _text_lines(spec: FileSpec) -> list[tuple[int, Sequence[Any]]]:
    table, how = TABLES[spec.table], spec.how()
    ours = {fold(name) for name in spec.columns}
    if how is not None:
        ours |= {fold(name) for names in how.columns.values() for name in names}

    def is_known(header: str) -> bool:
        return fold(header) in ours or table.column_of(fold(header)) is not None

    _check_size(spec.path)
    try:
        return list(delimited.lines(spec.path, encoding=spec.encoding, delimiter=spec.delimiter, is_known=is_known))
    except delimited.TableError as error:
        raise RegisterError(error.message, hint=error.hint) from error


def _workbook_lines(spec: FileSpec) -> list[tuple[int, Sequence[Any]]]:
    try:
        return workbook.lines(spec.path, sheet=spec.table)
    except delimited.TableError as error:
        raise RegisterError(error.message, hint=error.hint) from error


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
    _check_size(path)
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error, "check the path and its permissions in nhiscan.toml") from error


def _check_size(path: Path) -> None:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise _unreadable(path, error, "check the path and its permissions in nhiscan.toml") from error
    if size > workbook.MOST_BYTES:
        refusal = workbook.too_large(path)
        raise RegisterError(refusal.message, hint=refusal.hint)


def _unreadable(path: Path, error: Exception, hint: str) -> RegisterError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return RegisterError(f"{path}: {reason}", hint=hint)
