"""Which files a portal has, what each holds, and what its headers and words mean: nhiscan.toml over a named mapping."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, tzinfo
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from nhiscan import delimited
from nhiscan.cells import clean, fold
from nhiscan.config import nearest
from nhiscan.errors import CollectError, ConfigError

from .tables import TABLES, Table

_READ: Final = frozenset({".csv", ".tsv"})
_MARK: Final = ": "  # between our column and their word

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class FileSpec:
    """One file of a portal.

    `columns`: their header = our column; a header may end in `*`. `words`: "our column: their word" = our word. `only`:
    their header = the values, separated by commas, of rows that count. `fixed`: our column = what holds for each row.
    `never`: what stands in a column of times for "never"; "" is an empty cell. `most_rows`: as many as the tool exports
    at most, so that a file with so many was cut.
    """

    path: Path
    holds: str
    mapping: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict, hash=False)
    words: Mapping[str, str] = field(default_factory=dict, hash=False)
    only: Mapping[str, str] = field(default_factory=dict, hash=False)
    fixed: Mapping[str, str] = field(default_factory=dict, hash=False)
    never: tuple[str, ...] = ()
    date_format: str | None = None
    timezone: str | None = None
    encoding: str | None = None
    delimiter: str | None = None
    exported_at: date | None = None
    history_from: date | None = None
    most_rows: int | None = None


@dataclass(frozen=True)
class Source:
    """A file as it is read. `zone` None: nobody named one, so times without one are taken as UTC.

    `own`: headers that nhiscan.toml itself maps, which have to be there.
    """

    path: Path
    table: Table
    columns: Mapping[str, str]
    own: frozenset[str]
    words: Mapping[tuple[str, str], str]
    only: Mapping[str, frozenset[str]]
    fixed: Mapping[str, str]
    never: frozenset[str]
    date_format: str | None
    zone: tzinfo | None
    encoding: str | None
    delimiter: str | None
    exported_at: date | None
    history_from: datetime | None
    most_rows: int | None


@cache
def mappings() -> Mapping[str, Mapping[str, Any]]:
    """The named mappings, by name."""
    return delimited.mappings(resources.files(__package__))


def check_mapping(name: str | None, where: str) -> None:
    """Raises: ConfigError naming the nearest known one."""
    if name is not None and name not in mappings():
        raise ConfigError(f"{where}: unknown mapping {name!r}", hint=nearest(name, mappings()))


def found_in(folder: Path, listed: Iterable[FileSpec]) -> Iterator[FileSpec]:
    """The files of a folder that are named by what they hold; of a log there may be several: sign_ins-2026-01.csv.

    One that is listed with settings of its own is not read again. Raises: CollectError
    """
    elsewhere = {spec.path.resolve() for spec in listed}
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise CollectError(
            f"collectors.portal.path: {folder}: {error.strerror}", hint="name a folder that holds the portal's exports"
        ) from error
    for entry in entries:
        if entry.name.startswith(".") or entry.suffix.lower() not in _READ or entry.resolve() in elsewhere:
            continue
        stem = fold(entry.stem)
        table = next(
            (t for t in TABLES.values() if stem == t.name or (t.is_log and stem.startswith(f"{t.name}_"))), None
        )
        if table is None:
            log.warning(
                "%s is not read: its name is none of %s; list it under collectors.portal.files",
                entry,
                ", ".join(TABLES),
            )
        else:
            yield FileSpec(entry, table.name)


def resolve(spec: FileSpec, defaults: FileSpec) -> Source:
    """`defaults`: what the portal's own settings say for all its files.

    Raises: ConfigError for what cannot be.
    """
    where = f"collectors.portal.files, {spec.path.name}"
    if spec.holds not in TABLES:
        raise ConfigError(f"{where}: files hold no {spec.holds!r}", hint=nearest(spec.holds, TABLES))
    table = TABLES[spec.holds]
    name = spec.mapping or defaults.mapping
    check_mapping(name, where)
    named: Mapping[str, Any] = mappings()[name].get(spec.holds, {}) if name else {}
    zone = spec.timezone or defaults.timezone or named.get("timezone")
    date_format = spec.date_format or defaults.date_format or named.get("date_format")
    delimiter = spec.delimiter or defaults.delimiter or named.get("delimiter")
    encoding = spec.encoding or defaults.encoding
    delimited.check_format(where, date_format=date_format, encoding=encoding, delimiter=delimiter)
    columns = {fold(theirs): ours for theirs, ours in {**named.get("columns", {}), **spec.columns}.items()}
    fixed = {**named.get("fixed", {}), **spec.fixed}
    for ours in (*columns.values(), *fixed):
        if ours not in table.columns:
            raise ConfigError(f"{where}: {table.name} have no column {ours!r}", hint=nearest(ours, table.columns))
    history_from = spec.history_from or defaults.history_from
    return Source(
        path=spec.path,
        table=table,
        columns=columns,
        own=frozenset(map(fold, spec.columns)),
        words=dict(_words({**named.get("words", {}), **spec.words}, table, where)),
        only={
            fold(header): frozenset(value.strip().casefold() for value in values.split(","))
            for header, values in {**named.get("only", {}), **spec.only}.items()
        },
        fixed=fixed,
        never=frozenset(clean(word).casefold() for word in (*named.get("never", ()), *spec.never)),
        date_format=date_format,
        zone=_zone(zone, where),
        encoding=encoding,
        delimiter=delimiter,
        exported_at=spec.exported_at or defaults.exported_at,
        history_from=None if history_from is None else moment(history_from),
        most_rows=spec.most_rows or named.get("most_rows"),
    )


def moment(day: date) -> datetime:
    """The beginning of a day that nhiscan.toml names, or the time that it names; without a zone it is UTC."""
    given = day if isinstance(day, datetime) else datetime(day.year, day.month, day.day)
    return given.replace(tzinfo=UTC) if given.tzinfo is None else given.astimezone(UTC)


def _words(given: Mapping[str, str], table: Table, where: str) -> Iterator[tuple[tuple[str, str], str]]:
    for key, ours in given.items():
        column, mark, theirs = key.partition(_MARK)
        spec = table.columns.get(column)
        if not mark or spec is None or spec.words is None:
            raise ConfigError(
                f"{where}: words: {key!r} does not begin with a column of words",
                hint='write words = { "status: their word" = "enabled" }',
            )
        known = set(spec.words.values())
        if ours not in known:
            raise ConfigError(f"{where}: words: {ours!r} is no {column}", hint=nearest(ours, known))
        yield (column, clean(theirs).casefold()), ours


def _zone(name: str | None, where: str) -> tzinfo | None:
    if name is None or name == "UTC":  # which needs no zone database
        return UTC if name else None
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError) as error:
        raise ConfigError(
            f"{where}: unknown timezone {name!r}",
            hint='write it as in "Europe/Berlin"; the machine needs its zone database, tzdata',
        ) from error
