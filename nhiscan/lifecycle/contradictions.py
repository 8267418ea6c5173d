"""Where a partner's statement and what a scan sees do not agree, one line a thing: somebody has to act on each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import duckdb

from nhiscan import statements
from nhiscan.lifecycle.answers import Statement


@dataclass(frozen=True)
class Contradiction:
    """`answer` empty: the thing was not asked about."""

    subject_kind: str
    subject_id: str
    answer: str
    says: str


@dataclass(frozen=True)
class _Seen:
    is_enabled: bool | None
    has_access: bool | None
    live_credentials: int | None
    last_used_at: datetime | None
    left_on: date | None
    has_left: bool

    @property
    def is_off(self) -> bool:
        return self.is_enabled is False and self.has_access is False and not self.live_credentials


def find(con: duckdb.DuckDBPyConnection, statement: Statement) -> list[Contradiction]:
    """By the scan that `con` holds, which may be older than the statement: see `is_older`."""
    request = statement.request
    ids = [item.subject_id for item in request.items if item.subject_kind == "identity"]
    seen: dict[str, _Seen] = {}
    if ids:
        rows = con.execute(
            statements.sql("nhiscan.lifecycle", "attest_seen"), {"ids": ids, "today": statement.signed_on}
        ).fetchall()
        seen = {identity_id: _Seen(*told) for identity_id, *told in rows}
    values = {"partner": request.partner_id, "kind": request.kind, "today": statement.signed_on}
    known = con.execute(statements.sql("nhiscan.lifecycle", "attest_items"), values).fetchall()
    listed = {(kind, subject_id): on_your_list for kind, subject_id, *_, on_your_list in known}
    found: list[Contradiction] = []
    for item in request.items:
        answer = statement.answers.get(item.number, "unknown")
        if item.subject_kind == "identity":
            says = _of_identity(con, item.subject_id, answer, seen.get(item.subject_id), statement.signed_on)
        else:
            says = _of_other(item.subject_kind, answer, (item.subject_kind, item.subject_id) in listed)
        if answer == "keep" and listed.get((item.subject_kind, item.subject_id)) == "no":
            says = [*says, "is not on its own list"]
        if says:
            found.append(Contradiction(item.subject_kind, item.subject_id, answer, "; ".join(says)))
    asked = {(item.subject_kind, item.subject_id) for item in request.items}
    found += [
        Contradiction(kind, subject_id, "", "came after the request, so that nobody was asked about it")
        for kind, subject_id, *_ in known
        if (kind, subject_id) not in asked
    ]
    return found


def is_older(con: duckdb.DuckDBPyConnection, statement: Statement) -> bool:
    """Whether the scan was made before the statement, so that it cannot show what was done about it."""
    ((as_of,),) = con.execute("select as_of from scans").fetchall()
    older: bool = as_of.date() < statement.signed_on
    return older


def _of_identity(
    con: duckdb.DuckDBPyConnection, identity_id: str, answer: str, seen: _Seen | None, signed_on: date
) -> list[str]:
    return list(_told_of(con, identity_id, answer, seen, signed_on))


def _told_of(
    con: duckdb.DuckDBPyConnection, identity_id: str, answer: str, seen: _Seen | None, signed_on: date
) -> Iterator[str]:
    if seen is None:
        if answer in ("keep", "shared"):
            yield "the scan does not know it" + _unless_read(con, identity_id)
        elif answer in ("remove", "left") and _unless_read(con, identity_id):
            yield "whether it is gone cannot be said" + _unless_read(con, identity_id)
        return
    if answer in ("remove", "left") and not seen.is_off:
        yield {True: "is still enabled", False: "is still there", None: "may still be there"}[seen.is_enabled]
        if seen.last_used_at is not None:
            since = ", after it was signed" if seen.last_used_at.date() > signed_on else ""
            yield f"was used on {seen.last_used_at:%Y-%m-%d}{since}"
    elif answer == "keep":
        if seen.is_off:
            yield "is switched off"
        if seen.has_left:
            yield "its person left" + (f" on {seen.left_on}" if seen.left_on else "") + ", says the register"
    elif answer == "shared":
        yield "several share it"
    elif answer == "unknown":
        yield "the partner cannot say"


def _of_other(kind: str, answer: str, is_known: bool) -> list[str]:
    if kind == "declared" and answer in ("keep", "shared"):
        return ["is on its own list, and the scan has not seen it"] if is_known else []
    if kind == "person" and answer in ("left", "remove"):
        return ["is still among its people in the register"] if is_known else []
    if answer == "unknown":
        return ["the partner cannot say"]
    return []


def _unless_read(con: duckdb.DuckDBPyConnection, identity_id: str) -> str:
    """Words for a tenant whose identities this scan did not wholly read; empty where it did."""
    tenant_id = ":".join(identity_id.split(":")[:2])
    rows: list[Any] = con.execute(
        "select status from coverage where tenant_id = ? and dataset = 'identities'", [tenant_id]
    ).fetchall()
    if rows and all(status == "complete" for (status,) in rows):
        return ""
    return f", and {tenant_id} was not wholly read"
