"""Analyst SQL: what it may not do, and the limits that end it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from nhiscan import query, store
from nhiscan.errors import QueryError
from tests.report.estate import insert


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    state = tmp_path_factory.mktemp("state")
    scan_id = store.new_scan_id(datetime(2026, 1, 31, tzinfo=UTC))
    with store.locked(state), store.Build(state, scan_id) as build:
        build.con.execute("insert into partners (partner_id, name) values ('p1', 'Borealis'), ('p2', 'Cobalt')")
        build.publish()
    return store.database(state)


def test_a_query_returns_columns_and_rows(database: Path) -> None:
    answer = query.run(database, "select partner_id, name from partners order by 1", {}, max_rows=10)
    assert answer == query.Answer(("partner_id", "name"), (("p1", "Borealis"), ("p2", "Cobalt")), is_cut=False)


def test_a_parameter_is_bound_and_never_pasted(database: Path) -> None:
    answer = query.run(database, "select name from partners where name = $name", {"name": "x' or 1=1 --"}, max_rows=10)
    assert answer.rows == ()


def test_more_rows_than_asked_for_are_cut_and_said(database: Path) -> None:
    answer = query.run(database, "select * from range(100)", {}, max_rows=3)
    assert (len(answer.rows), answer.is_cut) == (3, True)


def test_times_come_as_text(database: Path) -> None:
    answer = query.run(database, "select timestamp '2026-01-31 02:00:00' as t, date '2026-01-31' as d", {}, max_rows=1)
    assert answer.rows == (("2026-01-31 02:00:00", "2026-01-31"),)


@pytest.mark.parametrize(
    "sql",
    [
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/etc/passwd')",
        "select * from read_parquet('*.parquet')",
        "select * from glob('/*')",
        "select * from '/etc/passwd'",
        "copy partners to 'out.csv'",
        "export database 'out'",
        "attach 'other.duckdb'",
        "install httpfs",
        "load httpfs",
        "insert into partners (partner_id, name) values ('p3', 'x')",
        "delete from partners",
        "drop table partners",
        "create table t as select 1",
        "set enable_external_access = true",
        "reset lock_configuration",
        "pragma enable_logging",
        "create persistent secret s (type s3)",
        "select getenv('HOME')",
        "select 1; select 2",
        "",
    ],
)
def test_what_reaches_out_or_writes_is_refused(database: Path, sql: str) -> None:
    with pytest.raises(QueryError):
        query.run(database, sql, {}, max_rows=10)


@pytest.mark.parametrize(
    "sql",
    [
        "select length(repeat('x', 3000000000))",
        "select count(*) from range(10000000000) a, range(1000) b where a.range % 7 = b.range",
        "select list(range) from range(1000000000)",
    ],
)
def test_a_query_that_eats_the_machine_is_ended(database: Path, sql: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query, "_WALL_S", 6)
    with pytest.raises(QueryError):
        query.run(database, sql, {}, max_rows=10)


def test_every_named_query_runs_on_an_empty_scan() -> None:
    con = store.empty()
    pack = query.named()
    assert len(pack) >= 7
    for named in pack:
        con.execute(named.sql, dict(named.params) or None)


@pytest.fixture
def crm() -> duckdb.DuckDBPyConnection:
    """A partner's user that sees all deals and was refused once, and an app that acts as it."""
    con = store.empty()
    ana = {"identity_key": 1, "identity_id": "crm:user/ana", "partner_id": "P1", "partner_name": "Nordwind"}
    insert(con, "identity_facts", ana)
    insert(con, "identity_facts", {"identity_key": 2, "identity_id": "crm:app/sync"})
    insert(
        con,
        "app_facts",
        {"identity_key": 2, "identity_id": "crm:app/sync", "gives": "all", "partner_names": "Nordwind"},
    )
    insert(con, "data_objects", {"resource_key": 5, "object": "Opportunity"})
    insert(con, "record_access", {"identity_key": 1, "resource_key": 5, "record_scope": "all"})
    insert(con, "record_access", {"identity_key": 2, "resource_key": 5, "record_scope": "own"})
    for event_id, is_success, flow in (("a", True, "password"), ("b", False, "sso")):
        insert(con, "sign_ins", {"event_id": event_id, "identity_key": 1, "is_success": is_success, "flow": flow})
    return con


def ask(con: duckdb.DuckDBPyConnection, name: str, *columns: str, **given: str) -> list[tuple[object, ...]]:
    sql, params = query.find(name, given)
    found: list[tuple[object, ...]] = con.execute(
        f"select {', '.join(columns)} from ({sql})", params or None
    ).fetchall()
    return found


def test_apps_are_listed_with_whose_users_they_act_as(crm: duckdb.DuckDBPyConnection) -> None:
    assert ask(crm, "apps", "identity_id", "gives", "partners_of_users") == [("crm:app/sync", "all", "Nordwind")]


def test_record_access_is_listed_by_object_and_partner(crm: duckdb.DuckDBPyConnection) -> None:
    everybody = [("crm:user/ana", "all"), ("crm:app/sync", "own")]
    assert ask(crm, "record-access", "identity_id", "record_scope") == everybody
    assert ask(crm, "record-access", "identity_id", "record_scope", partner="P1") == everybody[:1]
    assert ask(crm, "record-access", "identity_id", object="Lead") == []


def test_sign_ins_are_counted_with_the_refused(crm: duckdb.DuckDBPyConnection) -> None:
    assert ask(crm, "sign-ins", "identity_id", "sign_ins", "refused", "flows") == [
        ("crm:user/ana", 1, 1, "password, sso")
    ]


def test_an_unknown_named_query_names_the_nearest() -> None:
    with pytest.raises(QueryError) as caught:
        query.find("old-key", {})
    assert caught.value.hint == "did you mean 'old-keys'?"


def test_a_parameter_without_a_sensible_default_has_to_be_given() -> None:
    with pytest.raises(QueryError) as caught:
        query.find("holdings", {})
    assert (caught.value.message, caught.value.hint) == (
        "query 'holdings' needs a value for 'partner'",
        "add --param partner=…",
    )


def test_a_word_that_a_parameter_never_has_is_no_empty_answer() -> None:
    with pytest.raises(QueryError) as caught:
        query.find("paths", {"goal": "humans"})
    assert caught.value.hint == "did you mean 'human'?"


@pytest.mark.parametrize(("name", "key", "table", "column"), [("leaks", "link", "leak_facts", "link")])
def test_the_words_of_a_parameter_are_those_of_the_schema(name: str, key: str, table: str, column: str) -> None:
    (pack,) = (entry for entry in query.named() if entry.name == name)
    (text,) = (text for t, c, text in store.comments(store.schema_sql()) if (t, c) == (table, column))
    assert ", ".join(pack.words[key][:-1]) + f" or {pack.words[key][-1]}" in text


def test_only_what_names_a_thing_is_sent_to_the_schema(database: Path) -> None:
    hints = []
    for sql in ("select colour from partners", "select 1; select 2"):
        with pytest.raises(QueryError) as caught:
            query.run(database, sql, {}, max_rows=1)
        hints.append(caught.value.hint)
    assert hints == ["`nhiscan schema` lists tables and columns", ""]


def test_an_unknown_parameter_names_the_nearest() -> None:
    with pytest.raises(QueryError) as caught:
        query.find("old-keys", {"dys": "3"})
    assert caught.value.hint == "did you mean 'days'?"


@pytest.mark.parametrize(
    ("sql", "value"),
    [
        ("select 'nan'::double", "nan"),
        ("select ['-inf'::double, 1]", ["-inf", 1]),
        ("select map {date '2026-01-31': 1}", {"2026-01-31": 1}),
    ],
)
def test_a_value_that_json_has_no_word_for_becomes_text(database: Path, sql: str, value: object) -> None:
    assert query.run(database, sql, {}, max_rows=10).rows == ((value,),)


def test_a_time_with_a_zone_says_how_to_write_it(database: Path) -> None:
    with pytest.raises(QueryError, match="has a time zone"):
        query.run(database, "select now() as moment", {}, max_rows=10)
    assert query.run(database, "select (now())::timestamp as moment", {}, max_rows=10).columns == ("moment",)
