"""One file -> rows of our values, line by line; what cannot be read is counted, with the first lines."""

from __future__ import annotations

import fnmatch
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from typing import Any, Final

from nhiscan import delimited
from nhiscan.cells import CellError, boolean, clean, fold, integer, mail, plausible, text
from nhiscan.config import nearest

from .sources import Source, moment
from .tables import Column

NEVER: Final = "never"  # in place of a time
_MOST_NAMED: Final = 3
_LONGEST_SHOWN: Final = 80
_KNOWN_TEXTS: Final = 65_536  # of a log, users and programs come again and again
_LIST_MARKS: Final = str.maketrans({";": ",", "\n": ",", "\r": ","})
SLACK: Final = timedelta(days=1)  # clocks differ, and a day that was named has hours
_NO_ZONE: Final = "times without a time zone are read as UTC"
_TWICE: Final = "times lie in an hour that the clock went through twice"

Row = dict[str, Any]
_Read = Callable[[str], Any]


@dataclass
class Tally:
    """What came out of one file. `lines`: all below the first; `rows`: those that count; `bad` ones by problem.

    `present`: our columns that it fills; `since`: from when on it holds all that happened.
    """

    exported_at: datetime
    lines: int = 0
    rows: int = 0
    taken: int = 0
    present: frozenset[str] = frozenset()
    bad: Counter[str] = field(default_factory=Counter)
    named: dict[str, list[str]] = field(default_factory=dict)
    notes: Counter[str] = field(default_factory=Counter)
    error: str | None = None
    since: datetime | None = None
    most_lines: int | None = None

    @property
    def is_cut(self) -> bool:
        """It has as many lines as the tool exports at most."""
        return self.most_lines is not None and self.lines >= self.most_lines

    def miss(self, where: str, problem: str, cell: str | None = None) -> None:
        self.bad[problem] += 1
        named = self.named.setdefault(problem, [])
        if len(named) < _MOST_NAMED:
            named.append(where if cell is None else f"{where}: {_short(cell)!r}")


def opened(source: Source, as_of: datetime) -> Tally:
    """When a file that says nothing was exported: when it was last written."""
    if source.exported_at is not None:
        at = moment(source.exported_at)
    else:
        try:
            at = datetime.fromtimestamp(source.path.stat().st_mtime, UTC)
        except OSError as error:
            failed = delimited.unreadable(source.path, error)
            return Tally(as_of, error=f"{failed.message}: {failed.hint}")
    return Tally(min(at, as_of), since=source.history_from, most_lines=source.most_rows)


def rows(source: Source, tally: Tally) -> Iterator[Row]:
    """The rows that can be used; an error of the file itself ends them and stands in the tally."""
    if tally.error is not None:
        return
    known = {*source.columns, *source.only, *source.table.columns}
    lines = delimited.lines(
        source.path, encoding=source.encoding, delimiter=source.delimiter, is_known=lambda header: fold(header) in known
    )
    try:
        headers = next((cells for _, cells in lines if any(map(clean, cells))), None)
        if headers is None:
            tally.error = f"{source.path} is empty: the first line holds the column names"
            return
        plan = _Plan.of(source, headers, tally)
        if plan is None:
            return
        for line, cells in lines:
            if any(cells):
                tally.lines += 1
                row = plan.read(f"line {line}", cells)
                if row is not None:
                    yield row
        if not tally.rows and (tally.lines or not source.table.is_log):
            # An export that went wrong looks like this, and a filter that fits nothing; a quiet log may be empty.
            tally.error = f"{source.path}: none of its {tally.lines} rows counts: export it again, and look at `only`"
    except delimited.TableError as error:
        tally.error = f"{error.message}: {error.hint}"


@dataclass(frozen=True)
class _Plan:
    """Where each of our columns stands in the lines of a file, and how its cells are read."""

    source: Source
    tally: Tally
    width: int
    columns: Sequence[tuple[Column, Sequence[int], _Read]]
    only: Sequence[tuple[int, frozenset[str]]]
    fixed: Mapping[str, Any]

    @classmethod
    def of(cls, source: Source, headers: Sequence[str], tally: Tally) -> _Plan | None:
        """None where the headers are not those that it takes, which the tally then says."""
        names = [fold(header) for header in headers]
        places: dict[str, list[int]] = {}
        matched: set[str] = set()
        for place, name in enumerate(names):
            pattern = name if name in source.columns else next((p for p in source.columns if _fits(name, p)), None)
            if pattern is not None:
                matched.add(pattern)
                places.setdefault(source.columns[pattern], []).append(place)
        mapped = set(places)  # a header that a mapping names beats one that is called as our column is
        for place, name in enumerate(names):
            if name in source.table.columns and name not in mapped and name not in source.columns:
                places.setdefault(name, []).append(place)
        tally.error = _wrong(source, headers, names, places, matched)
        if tally.error is not None:
            return None
        readers = _readers(source, tally)
        fixed: Row = {}
        for name, value in source.fixed.items():
            try:
                fixed[name] = readers(source.table.columns[name])(value)
            except CellError as error:
                tally.error = f"{source.path}: fixed: {name} {error.problem}: {value!r}"
                return None
        tally.present = frozenset({*places, *source.fixed})
        return cls(
            source,
            tally,
            len(headers),
            [
                (column, found, readers(column))
                for name, found in places.items()
                if (column := source.table.columns[name])
            ],
            [(names.index(header), values) for header, values in source.only.items() if header in names],
            fixed,
        )

    def read(self, where: str, cells: Sequence[str]) -> Row | None:
        tally = self.tally
        if len(cells) != self.width:
            tally.rows += 1
            more = "more" if len(cells) > self.width else "fewer"
            tally.miss(where, f"{more} cells than columns")
            return None
        for place, values in self.only:
            if cells[place].strip().casefold() not in values:
                return None
        tally.rows += 1
        row: Row = dict(self.fixed)
        unread: set[str] = set()
        for column, places, read in self.columns:
            found: list[Any] = []
            for place in places:
                try:
                    value = read(cells[place])
                except CellError as error:
                    tally.miss(where, f"{column.field} {error.problem}", cells[place])
                    unread.add(column.field)
                else:
                    if value is not None:
                        found.append(value)
            if found:
                row[column.field] = found[0] if len(found) == 1 else _newest(found)
        if not self._is_whole(row, where, unread):
            return None
        at = row.get("at")
        if at is not None:
            if at > tally.exported_at + SLACK:
                tally.miss(where, "at lies after the export", at.isoformat())
                return None
            if self.source.history_from is None and (tally.since is None or at < tally.since):
                tally.since = at
        tally.taken += 1
        return row

    def _is_whole(self, row: Row, where: str, unread: set[str]) -> bool:
        """Whether it holds what a row needs. An account whose state cannot be told is kept: it may well be open."""
        for group in self.source.table.needed:
            if row.keys().isdisjoint(group):
                if unread.isdisjoint(group):
                    self.tally.miss(where, f"{' or '.join(group)} is empty")
                if "status" not in group:
                    return False
        return True


def _newest(found: Sequence[Any]) -> Any:
    times = [each for each in found if each is not NEVER]
    return max(times) if times else NEVER


def _fits(name: str, pattern: str) -> bool:
    return pattern.endswith("*") and fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def _wrong(
    source: Source, headers: Sequence[str], names: Sequence[str], places: Mapping[str, list[int]], matched: set[str]
) -> str | None:
    """What the first line lacks for the file to be read."""
    found = f"found: {_short(', '.join(filter(None, map(clean, headers))), 300)}"
    for theirs in sorted(source.own - matched):
        return f"{source.path}: no column {theirs!r}, which nhiscan.toml maps; {found}; {nearest(theirs, names)}"
    for header in source.only:
        if header not in names:
            return f"{source.path}: no column {header!r}, which says what its rows are; {found}"
    for group in source.table.needed:
        if not any(name in places or name in source.fixed for name in group):
            return (
                f"{source.path}: no column for {' or '.join(group)}; {found}; the first line holds the column names, "
                "and columns = { ... } says what they mean"
            )
    for ours, several in places.items():
        if len(several) > 1 and source.table.columns[ours].kind != "time":
            return f"{source.path}: {len(several)} columns are {ours!r}; rename or remove all but one"
    return None


def _readers(source: Source, tally: Tally) -> Callable[[Column], _Read]:
    """How cells of a column are read in this file; what comes again and again is read once."""

    def reader(column: Column) -> _Read:
        if column.kind == "time":
            return _times(source, tally, column.field)
        if column.kind == "word":
            return lru_cache(_KNOWN_TEXTS)(_words(source, column))
        return lru_cache(_KNOWN_TEXTS)(_PLAIN[column.kind])

    return reader


def _empty_or(read: Callable[[str], Any]) -> _Read:
    def plain(cell: str) -> Any:
        shown = text(cell)
        return read(shown) if shown else None

    return plain


def _texts(shown: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(str.strip, shown.split(",")))))


def _list(cell: str) -> Any:
    """Line breaks are marks of a list, so they are told before white space is."""
    shown = text(cell.translate(_LIST_MARKS))
    return _texts(shown) if shown else None


_PLAIN: Final[Mapping[str, _Read]] = {
    "text": _empty_or(str),
    "texts": _list,
    "mail": _empty_or(mail),
    "boolean": _empty_or(boolean),
    "integer": _empty_or(integer),
}


def _words(source: Source, column: Column) -> _Read:
    own = {theirs: ours for (name, theirs), ours in source.words.items() if name == column.field}
    known = {**(column.words or {}), **own}

    def word(cell: str) -> str | None:
        shown = text(cell)
        if not shown:
            return known.get("")
        try:
            return known[shown.casefold()]
        except KeyError:
            if column.field == "flow":  # there are as many ways to sign in as products; of most nothing is judged
                return None
            raise CellError("is no known word") from None

    return word


def _times(source: Source, tally: Tally, name: str) -> _Read:
    zone: tzinfo = source.zone or UTC
    never = NEVER if name == "last_sign_in_at" else None

    def read(cell: str) -> Any:
        shown = text(cell)
        if not shown or shown.casefold() in source.never:
            return never if shown.casefold() in source.never else None
        given = _parse(shown, source.date_format)
        plausible(given.date())
        if given.tzinfo is not None:
            return given.astimezone(UTC)
        if source.zone is None:
            tally.notes[_NO_ZONE] += 1
            return given.replace(tzinfo=UTC)
        local = given.replace(tzinfo=zone)
        if zone is not UTC and local.utcoffset() != local.replace(fold=1).utcoffset():
            tally.notes[_TWICE] += 1
        return local.astimezone(UTC)

    return read


def _parse(shown: str, date_format: str | None) -> datetime:
    if date_format is not None:
        for suffix in ("", " %H:%M", " %H:%M:%S"):
            try:
                return datetime.strptime(shown, date_format + suffix)
            except ValueError:
                continue
    try:
        return datetime.fromisoformat(shown)
    except ValueError:
        raise CellError("is not a date") from None


def _short(shown: str, longest: int = _LONGEST_SHOWN) -> str:
    shown = clean(shown)
    return shown if len(shown) <= longest else f"{shown[:longest]}…"
