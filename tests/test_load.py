"""Records become rows: keys, types, and what happens to rows that do not fit."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import duckdb
import pytest

from nhiscan import store
from nhiscan.load import load
from nhiscan.model import Coverage, Credential, Identity, Membership, Partner, Record, Tag

TENANT = "aws:111111111111"


def identity(name: str, *, mail: str | None = None, created_at: datetime | None = None) -> Identity:
    return Identity(
        f"{TENANT}:user/{name}",
        "aws",
        TENANT,
        "service_account",
        name,
        f"arn:{name}",
        is_nhi=True,
        mail=mail,
        created_at=created_at,
    )


def key(name: str, owner: str) -> Credential:
    return Credential(
        f"{TENANT}:access_key/{name}",
        f"{TENANT}:user/{owner}",
        provider="aws",
        tenant_id=TENANT,
        kind="access_key",
        native_id=name,
        status="active",
        is_replaceable=True,
    )


def loaded(*records: Record) -> duckdb.DuckDBPyConnection:
    con = store.empty()
    load(con, records)
    return con


def test_a_text_id_becomes_the_same_dense_key_everywhere() -> None:
    con = loaded(key("AKIAEXAMPLE", "b"), identity("b"), identity("a"), Tag(f"{TENANT}:user/b", name="team", value="x"))
    assert con.execute(
        "select i.name, c.native_id, t.value from identities i join credentials c using (identity_key) "
        "join tags t using (identity_key)"
    ).fetchall() == [("b", "AKIAEXAMPLE", "x")]


def test_times_are_stored_in_utc_to_the_microsecond() -> None:
    berlin = timezone(timedelta(hours=1))
    con = loaded(identity("a", created_at=datetime(2026, 1, 31, 3, 0, 0, 1, tzinfo=berlin)))
    assert con.execute("select created_at, last_used_at from identities").fetchall() == [
        (datetime(2026, 1, 31, 2, 0, 0, 1), None)
    ]


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(TypeError):
        loaded(identity("a", created_at=datetime(2026, 1, 31)))


def test_the_last_day_of_the_calendar_survives() -> None:
    con = loaded(Partner("p1", "Borealis", last_commercial_activity=date(9999, 12, 31)))
    assert con.execute("select last_commercial_activity, declared_nhi_count from partners").fetchall() == [
        (date(9999, 12, 31), None)
    ]


@pytest.mark.parametrize("name", ["<script>", "'; drop table identities; --", "a\x00b", "\u202eevil", "x" * 10_000])
def test_hostile_names_are_kept_as_they_are(name: str) -> None:
    con = loaded(identity(name))
    assert con.execute("select name from identities").fetchall() == [(name,)]


def test_the_same_row_twice_is_one_row_and_costs_no_coverage() -> None:
    con = loaded(identity("a"), identity("a"), Coverage("aws", TENANT, "identities", "complete"))
    assert con.execute("select count(*) from identities").fetchall() == [(1,)]
    assert con.execute("select status from coverage").fetchall() == [("complete",)]


def test_two_different_rows_under_one_id_spoil_the_coverage() -> None:
    con = loaded(
        identity("a"),
        identity("a", mail="a@acme.example"),
        Coverage("aws", TENANT, "identities", "complete"),
        Coverage("aws", "aws:222222222222", "identities", "complete"),
    )
    assert con.execute("select count(*) from identities").fetchall() == [(1,)]
    assert con.execute("select tenant_id, status, reason from coverage order by 1").fetchall() == [
        (TENANT, "partial", f"1 ids of identities came twice with different content, first {TENANT}:user/a"),
        ("aws:222222222222", "complete", None),
    ]


def test_a_row_that_names_nothing_collected_is_dropped_and_said() -> None:
    con = loaded(
        identity("a"),
        Membership(f"{TENANT}:user/a", f"{TENANT}:group/gone"),
        Coverage("aws", TENANT, "memberships", "complete"),
    )
    assert con.execute("select count(*) from memberships").fetchall() == [(0,)]
    assert con.execute("select status, reason from coverage").fetchall() == [
        ("partial", f"1 rows of memberships name something not collected, first {TENANT}:user/a")
    ]


def test_a_denied_dataset_stays_denied_when_rows_are_dropped() -> None:
    con = loaded(
        key("AKIAEXAMPLE", "gone"),
        Coverage("aws", TENANT, "credentials", "denied", missing_permission="iam:ListAccessKeys"),
    )
    assert con.execute("select status from coverage").fetchall() == [("denied",)]


def test_an_empty_system_loads() -> None:
    con = loaded()
    assert con.execute("select count(*) from identities").fetchall() == [(0,)]


def test_times_come_back_as_they_went_in() -> None:
    moments = [datetime(1970, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)]
    con = loaded(*(identity(str(i), created_at=moment) for i, moment in enumerate(moments)))
    rows = con.execute("select created_at from identities order by name").fetchall()
    assert [row[0].replace(tzinfo=UTC) for row in rows] == moments
