"""How long it took until an ended partner's last access was gone; what lives or has no date is never called gone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest

from nhiscan import query, store

AS_OF = datetime(2026, 1, 31)
ENDED = datetime(2026, 1, 1)


def add(con: duckdb.DuckDBPyConnection, table: str, **row: Any) -> None:
    con.execute(f"insert into {table} ({', '.join(row)}) values ({', '.join('?' for _ in row)})", list(row.values()))


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with store.empty() as opened:
        add(opened, "scans", scan_id="s", as_of=AS_OF)
        yield opened


def partner(con: duckdb.DuckDBPyConnection, partner_id: str = "P-1", **more: Any) -> None:
    row = {"partner_id": partner_id, "name": partner_id, "contracts": 1, "is_ended": True, "ended_at": ENDED}
    add(con, "partner_facts", **{**row, "has_access": False, **more})


def offboarding(con: duckdb.DuckDBPyConnection, *done_after_hours: float | None, **more: Any) -> None:
    """One with a step for each: done so many hours after the end, or None: not done."""
    row = {"offboarding_id": "O-1", "partner_id": "P-1", "opened_at": ENDED, "steps": len(done_after_hours)}
    add(con, "offboarding_facts", **{**row, **more})
    for step, hours in enumerate(done_after_hours, 1):
        done_at = None if hours is None else ENDED + timedelta(hours=hours)
        add(con, "step_facts", offboarding_id="O-1", partner_id="P-1", step=step, done_at=done_at)


def rows(con: duckdb.DuckDBPyConnection, partner_id: str = "") -> list[dict[str, Any]]:
    sql, values = query.find("time-to-revoke", {"partner": partner_id} if partner_id else {})
    found = con.execute(sql, values)
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def only(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    (row,) = rows(con)
    return row


def test_the_time_runs_from_the_end_of_the_contract_to_the_last_step(con: duckdb.DuckDBPyConnection) -> None:
    partner(con)
    offboarding(con, 5, 30, 7, opened_at=ENDED + timedelta(hours=4), verified_at=ENDED + timedelta(days=9))

    assert (only(con)["hours"], only(con)["state"], only(con)["began_with"]) == (30, "verified", "contract ended")
    assert only(con)["is_running"] is False


def test_without_an_end_of_a_contract_it_runs_from_the_opening(con: duckdb.DuckDBPyConnection) -> None:
    partner(con, is_ended=False, ended_at=None)
    offboarding(con, 30, opened_at=ENDED + timedelta(hours=10), verified_at=AS_OF)

    assert (only(con)["hours"], only(con)["began_with"]) == (20, "offboarding opened")


def test_the_end_of_its_own_contract_counts_where_another_goes_on(con: duckdb.DuckDBPyConnection) -> None:
    partner(con, is_ended=False, ended_at=None)
    add(con, "partner_tenants", partner_id="P-1", tenant_id="aws:1", contract_id="C-1", is_ended=True, ended_at=ENDED)
    offboarding(con, 12, contract_id="C-1", opened_at=ENDED + timedelta(hours=10), verified_at=AS_OF)

    assert only(con)["hours"] == 12


@pytest.mark.parametrize(("due_hours", "limit_kept"), [(30, "in time"), (29, "late"), (None, "no limit")])
def test_the_limit_is_kept_up_to_its_last_moment(
    con: duckdb.DuckDBPyConnection, due_hours: int | None, limit_kept: str
) -> None:
    partner(con)
    due_at = None if due_hours is None else ENDED + timedelta(hours=due_hours)
    offboarding(con, 30, verified_at=AS_OF, due_at=due_at)

    assert only(con)["limit_kept"] == limit_kept


@pytest.mark.parametrize(("due_at", "limit_kept"), [(AS_OF, "not yet due"), (AS_OF - timedelta(hours=1), "late")])
def test_an_open_one_runs_until_the_scan(con: duckdb.DuckDBPyConnection, due_at: datetime, limit_kept: str) -> None:
    partner(con)
    offboarding(con, 5, None, due_at=due_at)

    row = only(con)
    assert (row["hours"], row["is_running"], row["state"]) == (30 * 24, True, "1 of 2 steps are open")
    assert (row["gone_at"], row["limit_kept"]) == (None, limit_kept)


def test_what_lives_is_running_whatever_was_written_down(con: duckdb.DuckDBPyConnection) -> None:
    partner(con)
    offboarding(con, 5, verified_at=AS_OF, closed_at=AS_OF)
    add(con, "partner_holdings", partner_id="P-1", thing_id="k", relation="operator", is_live=True)

    assert (only(con)["state"], only(con)["is_running"], only(con)["gone_at"]) == ("1 things still live", True, None)


def test_a_step_whose_target_still_stands_is_running(con: duckdb.DuckDBPyConnection) -> None:
    partner(con, is_ended=False, ended_at=None)
    offboarding(con, 5, verified_at=AS_OF)
    con.execute("update step_facts set is_gone = false")

    assert only(con)["is_running"] is True


def test_access_under_another_contract_does_not_keep_an_offboarding_running(con: duckdb.DuckDBPyConnection) -> None:
    partner(con, is_ended=False, ended_at=None)
    offboarding(con, 5, verified_at=AS_OF)
    add(con, "partner_holdings", partner_id="P-1", thing_id="k", relation="operator", is_live=True)

    assert only(con)["is_running"] is False


@pytest.mark.parametrize("relation", ["suggested", "disputed", "knows"])
def test_what_may_not_be_the_partners_keeps_nothing_running_and_is_said(
    con: duckdb.DuckDBPyConnection, relation: str
) -> None:
    partner(con)
    offboarding(con, 5, verified_at=AS_OF)
    add(con, "partner_holdings", partner_id="P-1", thing_id="k", relation=relation, is_live=True)

    assert only(con)["is_running"] is False
    assert only(con)["state"] == "verified; of 1 things it cannot be said"


def test_verified_says_of_how_many_things_nobody_can_tell(con: duckdb.DuckDBPyConnection) -> None:
    partner(con)
    offboarding(con, 5, verified_at=AS_OF)
    add(con, "partner_holdings", partner_id="P-1", thing_id="k", relation="operator")

    assert only(con)["state"] == "verified; of 1 things it cannot be said"


def test_done_is_not_verified(con: duckdb.DuckDBPyConnection) -> None:
    partner(con)
    offboarding(con, 5)

    assert (only(con)["state"], only(con)["hours"]) == ("done, and not verified", 5)


def test_a_target_that_is_gone_without_a_date_has_no_hours(con: duckdb.DuckDBPyConnection) -> None:
    partner(con)
    offboarding(con, 5, None)
    con.execute("update step_facts set is_gone = true")

    assert (only(con)["state"], only(con)["hours"]) == ("gone, and nobody wrote down when", None)


def test_an_offboarding_without_steps_runs_until_it_was_closed(con: duckdb.DuckDBPyConnection) -> None:
    partner(con)
    offboarding(con)
    assert (only(con)["state"], only(con)["is_running"]) == ("open, without steps", True)

    con.execute("update offboarding_facts set closed_at = ?", [ENDED + timedelta(hours=40)])
    assert (only(con)["state"], only(con)["hours"]) == ("done, and not verified", 40)


@pytest.mark.parametrize(
    ("is_live", "state", "is_running", "hours"),
    [
        (True, "no offboarding, 1 things still live", True, 720),
        (None, "no offboarding; cannot be said whether something lives", None, None),
        (False, "no offboarding, and nothing is seen to live", False, None),
    ],
)
def test_an_ended_partner_without_an_offboarding_is_shown_as_such(
    con: duckdb.DuckDBPyConnection, is_live: bool | None, state: str, is_running: bool | None, hours: int | None
) -> None:
    partner(con)
    add(con, "partner_holdings", partner_id="P-1", thing_id="k", relation="operator", is_live=is_live)

    row = only(con)
    assert (row["offboarding_id"], row["state"], row["is_running"], row["hours"]) == (None, state, is_running, hours)


def test_partners_that_go_on_or_never_had_a_contract_are_not_ended(con: duckdb.DuckDBPyConnection) -> None:
    partner(con, "P-1", is_ended=False, ended_at=None)
    partner(con, "P-2", contracts=0)

    assert rows(con) == []


def test_one_partner_can_be_asked_for(con: duckdb.DuckDBPyConnection) -> None:
    partner(con, "P-1")
    partner(con, "P-2")

    assert [row["partner"] for row in rows(con, "P-2")] == ["P-2"]
    assert len(rows(con)) == 2
