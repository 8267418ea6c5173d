"""Exports of ticket systems -> sheets of our tables: which column is which, and what states and summaries mean.

A named mapping (`mappings/*.toml`) holds a system's own column names. What it cannot tell stays as it is written, so
that the row is quarantined like every other row of the register.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import cache
from importlib import resources
from typing import Any, Final
from zoneinfo import ZoneInfo

from nhiscan import delimited
from nhiscan.cells import clean, fold, show
from nhiscan.config import nearest
from nhiscan.errors import ConfigError, RegisterError
from nhiscan.model import Alias, Partner, Quarantined, Record

from .tables import TABLES as REGISTER

STEPS: Final = "offboarding_steps"
# For each table our column = what of a ticket fills it.
_FILLED: Final[Mapping[str, Mapping[str, str]]] = {
    "offboardings": {
        "offboarding_id": "id",
        "partner_id": "partner",
        "opened_at": "opened",
        "due_at": "due",
        "closed_at": "closed",
    },
    STEPS: {
        "offboarding_id": "parent",
        "step": "number",
        "action": "action",
        "done_at": "closed",
        "done_by": "doer",
        "evidence": "id",
    },
    "requests": {
        "request_id": "id",
        "partner_id": "partner",
        "channel": "channel",
        "requested_by": "asked_by",
        "requested_at": "opened",
        "outcome": "outcome",
    },
    "reviews": {
        "review_id": "id",
        "scope": "scope",
        "partner_id": "partner",
        "reviewer": "done_by",
        "opened_at": "opened",
        "completed_at": "closed",
        "evidence": "id",
    },
    "support_tickets": {
        "ticket_id": "id",
        "partner_id": "partner",
        "category": "category",
        "opened_at": "opened",
        "closed_at": "closed",
    },
}
TABLES: Final = tuple(name for name in _FILLED if name != STEPS)
# Whoever reads such a ticket without a partner learns nothing from it; a review may be of all of them.
_NEED_PARTNER: Final = frozenset({"offboardings", "requests", "support_tickets"})
_TOLD_BY_WORDS: Final = ("action", "scope", "category")
_STATES: Final = ("done", "cancelled", "open")
_HOURS: Final = ("", " %H:%M", " %H:%M:%S", " %I:%M %p")
_MARK: Final = ": "  # between our word and theirs


@dataclass(frozen=True)
class Reading:
    """How one export is read. `own`: their header = our column, by nhiscan.toml; `words`: by our word and theirs."""

    table: str
    columns: Mapping[str, Sequence[str]]
    own: Mapping[str, str]
    words: Mapping[str, Mapping[str, str]]
    date_formats: Sequence[str]
    due_is_day: bool
    zone: tzinfo


@dataclass(frozen=True)
class Rows:
    """Rows for one of our tables: its columns, and (line, cells) of each ticket."""

    table: str
    columns: Sequence[str]
    rows: list[tuple[int, list[Any]]] = field(default_factory=list)


@dataclass(frozen=True)
class Taken:
    """`left_out`: tickets that count for nothing; `doubts`: cells that were not taken as they stand."""

    tables: Sequence[Rows]
    left_out: Sequence[Quarantined]
    doubts: Sequence[Quarantined]


@cache
def mappings() -> Mapping[str, Mapping[str, Any]]:
    """The named mappings, by name."""
    return delimited.mappings(resources.files(__package__))


@cache
def _topic_words() -> Mapping[str, Mapping[str, Sequence[str]]]:
    told = resources.files(__package__).joinpath("ticket_words.toml").read_text(encoding="utf-8")
    found: Mapping[str, Mapping[str, Sequence[str]]] = tomllib.loads(told)
    return found


def tables_of(table: str) -> list[str]:
    """The tables that an export for `table` fills: offboardings come with their steps."""
    return [table, STEPS] if table == "offboardings" else [table]


def reading(
    name: str,
    *,
    where: str,
    table: str,
    own: Mapping[str, str],
    words: Mapping[str, str],
    date_format: str | None,
    timezone: str | None,
) -> Reading:
    """Raises: ConfigError for what cannot be."""
    if name not in mappings():
        raise ConfigError(f"{where}: unknown mapping {name!r}", hint=nearest(name, mappings()))
    if table not in TABLES:
        raise ConfigError(f"{where}: a mapping of tickets fills no {table!r}", hint=f"one of {', '.join(TABLES)}")
    named = mappings()[name]
    formats = [date_format + hours for hours in _HOURS] if date_format else []
    try:
        zone: tzinfo = UTC if timezone is None else ZoneInfo(timezone)
    except (KeyError, ValueError, OSError) as error:  # no such zone, or a path in place of one
        raise ConfigError(f"{where}: unknown timezone {timezone!r}", hint='write it as in "Europe/Berlin"') from error
    return Reading(
        table=table,
        columns=named["columns"],
        own=own,
        words=_words(named["words"], words, where),
        date_formats=[*formats, *named["date_formats"]],
        due_is_day=named.get("due_is_day", False),
        zone=zone,
    )


def _words(named: Mapping[str, Sequence[str]], given: Mapping[str, str], where: str) -> Mapping[str, Mapping[str, str]]:
    found: dict[str, dict[str, str]] = {
        "state": {fold(word): state for state in _STATES for word in named[state]},
        "kind": {fold(word): "part" for word in named["part"]},
    }
    for topic, told in _topic_words().items():
        found[topic] = {clean(word).casefold(): ours for ours, words in told.items() for word in words}
    for key, ours in given.items():
        topic, mark, theirs = key.partition(_MARK)
        known = _STATES if topic == "state" else tuple(_topic_words().get(topic, ()))
        if not mark or not known:
            raise ConfigError(
                f"{where}: words: {key!r} does not begin with state, {', '.join(_TOLD_BY_WORDS)}",
                hint='write words = { "state: In Arbeit" = "open" }',
            )
        if ours not in known and (topic, ours) != ("category", "other"):
            raise ConfigError(f"{where}: words: {ours!r} is no {topic}", hint=f"one of {', '.join(known)}")
        if topic == "state":
            found[topic][fold(theirs)] = ours
        else:
            found[topic] = {
                clean(theirs).casefold(): ours,
                **found[topic],
            }  # what nhiscan.toml says is looked for first
    return found


class Names:
    """Partners by everything that a ticket may call them: id, name, source id, alias, an address of their domain."""

    def __init__(self, records: Iterable[Record]) -> None:
        self._ids: dict[str, set[str]] = {}
        self._exact: set[str] = set()
        for record in records:
            if isinstance(record, Partner):
                self._exact.add(record.partner_id)
                for name in (record.partner_id, record.name, record.legal_name, record.source_id):
                    self._add(name, record.partner_id)
            elif isinstance(record, Alias) and record.exclusive is not False:
                self._add(record.value, record.partner_id)

    def _add(self, name: str | None, partner_id: str) -> None:
        if name:
            self._ids.setdefault(name.casefold(), set()).add(partner_id)

    def find(self, cell: Any) -> Any:
        """The id of the one partner that a cell names, a list of several, or the cell as it is."""
        told = show(cell)
        if told is None or told in self._exact:
            return told
        found = self._ids.get(told.casefold()) or self._ids.get(told.casefold().rpartition("@")[2])
        if not found:
            return cell
        return next(iter(found)) if len(found) == 1 else sorted(found)


@dataclass(frozen=True)
class _Places:
    """Of each of our words and columns the headers that may fill it, and their places: several if repeated."""

    label: str
    found: Mapping[str, Sequence[tuple[str, Sequence[int]]]]

    def note(self, ticket: _Ticket, word: str, problem: str, allowed: str | None = None) -> Quarantined:
        header = next((header for header, _ in self.found.get(word, ())), None)
        value = ticket.text(word) or None
        return Quarantined(self.label, ticket.line, header, value, problem, allowed, row_dropped=False)


@dataclass(frozen=True)
class _Ticket:
    """`cells` by our word, `own` by our column as nhiscan.toml maps it; `beyond`: cells without a header."""

    line: int
    cells: Mapping[str, Any]
    own: Mapping[str, Any]
    beyond: Sequence[Any]

    def text(self, word: str) -> str:
        return show(self.cells.get(word)) or ""


def take(
    how: Reading,
    label: str,
    headers: Sequence[str | None],
    rows: Sequence[tuple[int, Sequence[Any]]],
    names: Names,
) -> Taken:
    """Rows for our tables, lines as in the export.

    Raises: RegisterError where a column is missing without which no ticket can be read.
    """
    places = _places(how, label, headers)
    tickets = [_ticket(how, places, line, cells, len(headers)) for line, cells in rows]
    known = {named: ticket for ticket in tickets for word in ("other_id", "id") if (named := ticket.text(word))}
    filled = {name: Rows(name, _columns(how, name, places)) for name in tables_of(how.table)}
    left_out: list[Quarantined] = []
    doubts: list[Quarantined] = []
    numbers: dict[str, int] = {}
    for ticket in tickets:
        above = known.get(ticket.text("parent"))
        parent = ticket.text("parent") if above is None else above.text("id")
        is_part = above is not None or bool(parent and fold(ticket.text("kind")) in how.words["kind"])
        table = STEPS if is_part and STEPS in filled else how.table
        state = _state(how, places, ticket, doubts)
        if is_part and table != STEPS:
            left_out.append(
                places.note(ticket, "parent", f"is a part of another ticket, which counts among the {table}")
            )
            continue
        if state == "cancelled" and table in ("offboardings", "reviews"):
            left_out.append(places.note(ticket, "state", f"is cancelled, so the ticket counts for none of the {table}"))
            continue
        numbers[parent] = numbers.get(parent, 0) + 1
        told = {
            **_told(how, ticket, state),
            "partner": names.find(ticket.cells.get("partner")),
            "parent": parent,
            "number": numbers[parent],
            "channel": "ticket",
        }
        cells = [_cell(how, table, column, told, ticket) for column in filled[table].columns]
        filled[table].rows.append((ticket.line, [*cells, *ticket.beyond]))
    return Taken([rows for rows in filled.values() if rows.table != STEPS or rows.rows], left_out, doubts)


def _places(how: Reading, label: str, headers: Sequence[str | None]) -> _Places:
    at: dict[str, list[int]] = {}
    for place, header in enumerate(headers):
        if header is not None:
            at.setdefault(fold(header), []).append(place)
    names = list(dict.fromkeys(header for header in headers if header is not None))
    shown = ", ".join(names)
    found: dict[str, list[tuple[str, Sequence[int]]]] = {}
    for theirs, ours in how.own.items():
        if fold(theirs) not in at:
            raise RegisterError(
                f"{label}: no column {theirs!r}, which nhiscan.toml maps; found: {shown}", hint=nearest(theirs, names)
            )
        found[ours] = [(theirs, at[fold(theirs)])]
    for word, candidates in how.columns.items():
        found[word] = [(theirs, at[fold(theirs)]) for theirs in candidates if fold(theirs) in at]
    if not found["id"]:
        raise RegisterError(
            f"{label}: no column for the id of a ticket; found: {shown}",
            hint=f"export it with the column {how.columns['id'][0]!r}",
        )
    if how.table in _NEED_PARTNER and not found["partner"] and "partner_id" not in found:
        raise RegisterError(
            f"{label}: no column says which partner a ticket is about; found: {shown}",
            hint='map it with columns = { "the header" = "partner_id" } under [[collectors.register.files]]',
        )
    return _Places(label, found)


def _columns(how: Reading, table: str, places: _Places) -> list[str]:
    """The columns that a sheet for `table` has: those that something can fill."""
    made = {"parent", "number", "channel", "outcome", "doer", *_TOLD_BY_WORDS}
    columns = [ours for ours, word in _FILLED[table].items() if word in made or places.found.get(word)]
    own = [ours for ours in how.own.values() if ours in REGISTER[table].columns]
    return list(dict.fromkeys([*columns, *own]))


def _ticket(how: Reading, places: _Places, line: int, cells: Sequence[Any], width: int) -> _Ticket:
    told = {word: _filled(word, found, cells) for word, found in places.found.items()}
    own = {ours: told[ours] for ours in how.own.values()}
    if "partner_id" in own:
        told["partner"] = own["partner_id"]
    return _Ticket(line, told, own, cells[width:])


def _filled(word: str, found: Sequence[tuple[str, Sequence[int]]], cells: Sequence[Any]) -> Any:
    """The first filled of several columns; of one that is repeated the only value, or a list of them."""
    told = []
    for _, places in found:
        here = [cells[place] for place in places if place < len(cells) and show(cells[place]) is not None]
        told += here
        if here and word != "topics":
            return here[0] if len(set(map(show, here))) == 1 else list(dict.fromkeys(map(show, here)))
    return " ".join(filter(None, map(show, told))) or None


def _state(how: Reading, places: _Places, ticket: _Ticket, doubts: list[Quarantined]) -> str | None:
    """done, cancelled or open; None: nobody says, or in a word that nobody knows."""
    told = ticket.text("state")
    state = how.words["state"].get(fold(told))
    has_date = show(ticket.cells.get("closed")) is not None
    if told and state is None:
        known = 'map it with words = { "state: …" = "open" }, or done, or cancelled'
        doubts.append(places.note(ticket, "state", "is no known state: a closing date alone decides", known))
    elif state == "open" and has_date:
        doubts.append(places.note(ticket, "state", "is an open state beside a closing date; read as open"))
    elif state == "done" and not has_date:
        doubts.append(places.note(ticket, "state", "is a closed state without a closing date; read as open"))
    return state


def _told(how: Reading, ticket: _Ticket, state: str | None) -> dict[str, Any]:
    is_over = state in ("done", None) or how.table == "support_tickets"
    closed = _moment(how, ticket.cells.get("closed")) if is_over else None
    return {
        **ticket.cells,
        "opened": _moment(how, ticket.cells.get("opened")),
        "closed": closed,
        "doer": ticket.cells.get("done_by") if show(closed) is not None else None,
        "due": _moment(how, ticket.cells.get("due"), is_day=how.due_is_day),
        "outcome": ticket.cells.get("approval") or ticket.cells.get("state"),
        **{topic: _topic(how, topic, ticket) for topic in _TOLD_BY_WORDS},
    }


def _topic(how: Reading, topic: str, ticket: _Ticket) -> str | None:
    """What a ticket is about; what its type and topics say counts before its summary."""
    for text in (f"{ticket.text('kind')} {ticket.text('topics')}", ticket.text("summary")):
        for word, ours in how.words[topic].items():
            if re.search(rf"(?<!\w){re.escape(word)}", text.casefold()):  # where a word begins: no "log" in "catalogue"
                return ours
    # An action that nobody can tell costs the row, and so does a scope; whatever else was asked is support.
    return "other" if topic == "category" else ticket.text("summary") or None


def _cell(how: Reading, table: str, column: str, told: Mapping[str, Any], ticket: _Ticket) -> Any:
    mapped = ticket.own.get(column)
    if mapped is not None and column != "partner_id":
        return _moment(how, mapped) if column.endswith("_at") else mapped
    return told.get(_FILLED[table].get(column, ""))


def _moment(how: Reading, cell: Any, *, is_day: bool = False) -> Any:
    """An ISO time in UTC, or the cell as it is where it cannot be read. `is_day`: until the end of that day."""
    moment = _read(how, cell)
    if moment is None:
        return cell
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=how.zone)
    if is_day and (moment.hour, moment.minute) == (0, 0):
        moment += timedelta(days=1)
    return moment.astimezone(UTC).isoformat()


def _read(how: Reading, cell: Any) -> datetime | None:
    if isinstance(cell, datetime):
        return cell
    if isinstance(cell, date):
        return datetime(cell.year, cell.month, cell.day)
    told = show(cell) if isinstance(cell, str) else None
    if told is None:
        return None
    for date_format in how.date_formats:
        try:
            return datetime.strptime(told, date_format)
        except ValueError:
            continue
    try:
        return datetime.fromisoformat(told)
    except ValueError:
        return None
