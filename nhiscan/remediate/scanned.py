"""What a scan knows of things that somebody wants to act on: where they are, who uses them, what they reach."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import duckdb

from nhiscan import moments, statements
from nhiscan.remediate.contract import Target
from nhiscan.remediate.plan import Consumer

_PRIVILEGED: Final = 4  # level from which on a single mistake is everybody's
_STALE: Final = timedelta(hours=24)  # age of a scan that a plan says
_MOST_CONSUMERS: Final = 50
_OF_TARGET: Final = tuple(each.name for each in dataclasses.fields(Target))


@dataclass(frozen=True, slots=True)
class Thing:
    """A target, and what of the scan decides about it."""

    target: Target
    identity_key: int | None
    resource_key: int | None
    is_partner_owned: bool
    is_privileged: bool


@dataclass(frozen=True, slots=True)
class Scan:
    """`warnings`: what stands against resting a plan on it."""

    scan_id: str
    warnings: tuple[str, ...]
    gaps: Mapping[str, str]  # tenant -> what was not read there


def scan(con: duckdb.DuckDBPyConnection, at: datetime) -> Scan:
    """The scan itself, as it bears on a plan made at `at`."""
    row: Any = con.execute("select scan_id, as_of, is_complete from scans").fetchone()
    scan_id, as_of, is_complete = row
    warnings = []
    age = at - moments.aware(as_of)
    if age > _STALE:
        warnings.append(f"the scan is {age.days} days old: who uses it may have changed since")
    if not is_complete:
        warnings.append("the scan is incomplete: others may use it than those named here")
    rows = con.execute(
        "select tenant_id, string_agg(dataset || ' ' || status, ', ' order by dataset) from coverage "
        "where status in ('partial', 'denied', 'truncated', 'failed', 'carried') and tenant_id is not null "
        "group by tenant_id"
    ).fetchall()
    return Scan(scan_id, tuple(warnings), dict(rows))


def things(con: duckdb.DuckDBPyConnection, asked: Collection[tuple[str, str]]) -> dict[tuple[str, str], Thing]:
    """What the scan knows of things, by (thing_kind, thing_id) as asked; what no adapter could act on is left out."""
    pairs = sorted(set(asked))
    rows = _rows(con, "targets", {"kinds": [kind for kind, _ in pairs], "ids": [id_ for _, id_ in pairs]})
    return {
        (row["asked_kind"], row["asked_id"]): Thing(
            Target(**{name: "" if row[name] is None else str(row[name]) for name in _OF_TARGET}),
            row["identity_key"],
            row["resource_key"],
            row["is_partner_owned"],
            # What cannot be said is taken for the worse.
            row["is_admin"] is not False or row["level"] is None or row["level"] >= _PRIVILEGED,
        )
        for row in rows
    }


def findings(con: duckdb.DuckDBPyConnection, words: Sequence[str]) -> list[statements.Row]:
    """The findings whose ids begin with one of `words`, each with what it is about; `word`: the beginning."""
    return _rows(con, "findings", {"ids": sorted(set(words))})


def consumers(con: duckdb.DuckDBPyConnection, thing: Thing) -> tuple[tuple[Consumer, ...], tuple[str, ...]]:
    """Who uses a thing by what the inventory knows, and a warning where more do than are told."""
    target = thing.target
    rows = _rows(
        con,
        "consumers",
        {
            "kind": target.thing_kind,
            "id": target.thing_id,
            "native": target.native_id,
            "identity": thing.identity_key,
            "resource": thing.resource_key,
        },
    )
    found = tuple(Consumer(row["kind"] or "", row["place"] or "", row["owner"], row["evidence"] or "") for row in rows)
    more = len(found) - _MOST_CONSUMERS
    told = (f"{more} more use it than are named here",) if more > 0 else ()
    return found[:_MOST_CONSUMERS], told


def reach(con: duckdb.DuckDBPyConnection, thing: Thing) -> tuple[str, ...]:
    """What a thing can do, in sentences; never none."""
    rows = _rows(con, "reach", {"identity": thing.identity_key})
    return tuple(row["says"] for row in rows) or ("what it can do is not known",)


def tags(con: duckdb.DuckDBPyConnection, thing: Thing) -> list[tuple[str | None, str | None]]:
    """Name and value of each tag of a thing, by name."""
    found: list[tuple[str | None, str | None]] = con.execute(
        "select name, value from tags where identity_key = $identity "
        "union select name, value from resource_tags where resource_key = $resource order by all",
        {"identity": thing.identity_key, "resource": thing.resource_key},
    ).fetchall()
    return found


def _rows(con: duckdb.DuckDBPyConnection, name: str, params: dict[str, Any]) -> list[statements.Row]:
    return statements.rows(con, statements.sql("nhiscan.remediate", f"planned_{name}"), params)
