"""What waits for whose decision, by when; and the cases among it as rows that ticket systems import."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import duckdb

from nhiscan import moments, statements
from nhiscan.printable import guarded, plain
from nhiscan.severities import SEVERITIES

AHEAD_DAYS: Final = 90  # what falls due later is not shown yet; cases always are
_SOON: Final = timedelta(days=7)
_LAST: Final = datetime.max
_SUMMARY: Final = 250  # Jira cuts a summary at 255 characters, and ServiceNow a short description at 160
_SHORT_DESCRIPTION: Final = 155
_TEXT: Final = 8000
# ServiceNow computes a priority from impact and urgency: 1 high, 2 medium, 3 low.
_URGENCY: Final = {"critical": "1", "high": "1", "medium": "2", "low": "3", "info": "3"}
_IMPACT: Final = {"critical": "1", "high": "2", "medium": "2", "low": "3", "info": "3"}
_PRIORITY: Final = {"critical": "Highest", "high": "High", "medium": "Medium", "low": "Low", "info": "Lowest"}


@dataclass(frozen=True, slots=True)
class Item:
    """One decision. `due_at` None: nobody said by when; times are UTC without a zone, as in the scan.

    `item_id` stays the same from scan to scan. `owner_status`: active, left or unknown; None: not among the people.
    """

    kind: str
    item_id: str
    owner_mail: str | None
    owner_status: str | None
    partner_id: str | None
    partner_name: str | None
    band: str | None
    score: float | None
    subject_name: str | None
    what: str
    next_step: str | None
    since: datetime | None
    due_at: datetime | None

    def is_overdue(self, at: datetime) -> bool:
        return self.due_at is not None and self.due_at < moments.naive(at)


@dataclass(frozen=True, slots=True)
class Owner:
    """One person's load; `mail` None: what nobody answers for."""

    mail: str | None
    status: str | None
    overdue: int
    soon: int
    cases: int
    decisions: int


def items(con: duckdb.DuckDBPyConnection, *, at: datetime) -> list[Item]:
    """Everybody's decisions: overdue first, what has no date last."""
    sql = statements.sql("nhiscan.lifecycle", "work")
    rows = con.execute(sql, {"at": moments.naive(at), "ahead_days": AHEAD_DAYS}).fetchall()
    return sorted((Item(*row) for row in rows), key=_order)


def owners(found: Iterable[Item], *, at: datetime) -> list[Owner]:
    """Everybody with something to decide, the most overdue first; what nobody answers for comes before all."""
    held: dict[str | None, list[Item]] = {}
    for item in found:
        held.setdefault(item.owner_mail, []).append(item)
    loads = [
        Owner(
            mail=mail,
            status=own[0].owner_status,
            overdue=sum(item.is_overdue(at) for item in own),
            soon=sum(_is_soon(item, at) for item in own),
            cases=sum(item.kind == "case" for item in own),
            decisions=len(own),
        )
        for mail, own in held.items()
    ]
    return sorted(loads, key=lambda load: (load.mail is not None, -load.overdue, -load.decisions, load.mail or ""))


def tickets(found: Sequence[Item], system: str) -> str:
    """The cases as CSV for `system`, one of SYSTEMS: one row a case, told apart by an id that never changes."""
    made = [_TICKETS[system](item) for item in found if item.kind == "case"]
    columns = _TICKETS[system](_EMPTY)
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([guarded(value) for value in row.values()] for row in made)
    return text.getvalue()


def _jira(item: Item) -> Mapping[str, str]:
    return {
        "External issue ID": _external_id(item),
        "Summary": _line(_summary(item), _SUMMARY),
        "Issue Type": "Task",
        "Priority": _PRIORITY.get(item.band or "", ""),
        "Due date": _day(item.due_at),
        "Labels": f"nhiscan {_external_id(item)}",
        "Assignee": _line(item.owner_mail or "", _SUMMARY),
        "Description": _description(item),
    }


def _servicenow(item: Item) -> Mapping[str, str]:
    return {
        "correlation_id": _external_id(item),
        "correlation_display": "nhiscan",
        "short_description": _line(_summary(item), _SHORT_DESCRIPTION),
        "description": _description(item),
        "urgency": _URGENCY.get(item.band or "", ""),
        "impact": _IMPACT.get(item.band or "", ""),
        "due_date": "" if item.due_at is None else item.due_at.strftime("%Y-%m-%d %H:%M:%S"),
        "assigned_to": _line(item.owner_mail or "", _SUMMARY),
        "category": "security",
    }


_TICKETS: Final = {"jira": _jira, "servicenow": _servicenow}
SYSTEMS: Final = tuple(_TICKETS)
_EMPTY: Final = Item("case", "", None, None, None, None, None, None, None, "", None, None, None)


def _external_id(item: Item) -> str:
    return f"nhiscan-{item.item_id}"


def _summary(item: Item) -> str:
    named = item.partner_name is None or item.partner_name in item.what
    return item.what if named else f"{item.partner_name}: {item.what}"


def _description(item: Item) -> str:
    told = {
        "Case": item.item_id,
        "Subject": item.subject_name,
        "Partner": item.partner_name and f"{item.partner_name} ({item.partner_id})",
        "Band": item.band,
        "First seen": _day(item.since),
        "What": item.what,
        "First step": item.next_step,
        "Look closer": f"nhiscan show {item.item_id}",
    }
    return "\n".join(f"{name}: {_line(value, _TEXT)}" for name, value in told.items() if value)


def _line(text: str, most: int) -> str:
    """One line without anything invisible: what escapes make longer is cut once more."""
    shown = plain(text, most)
    return shown if len(shown) <= most + 1 else f"{shown[:most]}…"


def _day(moment: datetime | None) -> str:
    return "" if moment is None else moment.strftime("%Y-%m-%d")


def _is_soon(item: Item, at: datetime) -> bool:
    return item.due_at is not None and not item.is_overdue(at) and item.due_at <= moments.naive(at) + _SOON


def _order(item: Item) -> tuple[datetime, int, float, str, str]:
    band = SEVERITIES.index(item.band) if item.band in SEVERITIES else len(SEVERITIES)
    return item.due_at or _LAST, band, -(item.score or 0), item.kind, item.item_id
