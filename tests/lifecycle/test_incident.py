"""After an incident: everything that a partner or vendor holds, in the order in which it is replaced."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from nhiscan import store
from nhiscan.errors import QueryError
from nhiscan.lifecycle.incident import Held, incident
from tests.commands import run
from tests.lifecycle.json_page import documented, printed

DISCLOSED = datetime(2026, 1, 10, 8)
NOW = datetime(2026, 1, 31, tzinfo=UTC)


def add(con: duckdb.DuckDBPyConnection, table: str, **row: Any) -> None:
    con.execute(f"insert into {table} ({', '.join(row)}) values ({', '.join('?' for _ in row)})", list(row.values()))


def user(con: duckdb.DuckDBPyConnection, key: int, name: str, **facts: Any) -> str:
    identity_id = f"aws:1:user/{name}"
    row = {"identity_key": key, "identity_id": identity_id, "provider": "aws", "tenant_id": "aws:1", "name": name}
    add(con, "identities", **row, kind="service_account", native_id=f"arn:{name}", status="enabled")
    add(con, "identity_facts", **{**row, "is_admin": False, "level": 2, **facts})
    return identity_id


def access_key(con: duckdb.DuckDBPyConnection, key: int, name: str, **more: Any) -> str:
    credential_id = f"aws:1:access_key/{name}"
    row = {"credential_id": credential_id, "identity_key": key, "provider": "aws", "tenant_id": "aws:1"}
    row |= {"kind": "access_key", "native_id": name, "created_at": datetime(2025, 1, 1), **more}
    add(con, "credentials", credential_key=key, **row)
    return credential_id


def holding(con: duckdb.DuckDBPyConnection, thing_kind: str, thing_id: str, key: int | None, **more: Any) -> None:
    row = {"partner_id": "P-1", "thing_kind": thing_kind, "thing_id": thing_id, "identity_key": key, "is_live": True}
    row |= {"name": thing_id, "provider": "aws", "tenant_id": "aws:1", "relation": "operator", "evidence": "its tag"}
    add(con, "partner_holdings", **{**row, "action": "revoke_access", **more})


def held_key(con: duckdb.DuckDBPyConnection, key: int, name: str, facts: Any = (), **more: Any) -> None:
    user(con, key, name, **dict(facts))
    holding(con, "credential", access_key(con, key, f"AKIA{name}", **more), key)


def estate(con: duckdb.DuckDBPyConnection) -> None:
    add(con, "scans", scan_id="s", as_of=NOW.replace(tzinfo=None), is_complete=True)
    add(con, "partners", partner_id="P-1", name="Borealis", legal_name="Borealis GmbH")
    add(con, "partners", partner_id="P-2", name="Cobalt")
    add(con, "partner_facts", partner_id="P-1", name="Borealis", business_owner="dana@acme.example")
    add(con, "aliases", partner_id="P-1", kind="aws_account", value="333333333333")


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with store.empty() as opened:
        estate(opened)
        yield opened


def held(con: duckdb.DuckDBPyConnection, name: str = "P-1") -> list[Held]:
    return list(incident(con, name, since=DISCLOSED.replace(tzinfo=UTC), at=NOW).held)


@pytest.mark.parametrize("name", ["P-1", "borealis", "BOREALIS GMBH", "333333333333"])
def test_a_partner_is_meant_by_id_name_or_alias(con: duckdb.DuckDBPyConnection, name: str) -> None:
    held_key(con, 1, "feed")

    assert [one.thing_id for one in held(con, name)] == ["aws:1:access_key/AKIAfeed"]


def test_nobody_of_that_name_is_an_error_that_names_the_nearest(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryError) as raised:
        incident(con, "Boreals", since=None, at=NOW)

    assert raised.value.message == "no partner, app or outside account 'Boreals' in this scan"
    assert "Borealis" in raised.value.hint


def test_what_can_make_others_comes_before_what_reaches_as_far(con: duckdb.DuckDBPyConnection) -> None:
    held_key(con, 1, "reader", {"level": 4})
    held_key(con, 2, "maker", {"level": 4})
    held_key(con, 3, "admin", {"level": 5, "is_admin": True})
    held_key(con, 4, "small", {"level": 1})
    add(con, "privileges", identity_key=2, verb="manage-identity", certainty="definite")
    add(con, "privileges", identity_key=3, verb="admin", certainty="definite")
    add(con, "privileges", identity_key=4, verb="manage-identity", certainty="potential")

    assert [one.identity_name for one in held(con)] == ["admin", "maker", "reader", "small"]


@pytest.mark.parametrize(
    ("worse", "better"),
    [
        ({"level": 3}, {"level": 2}),
        ({"level": None, "level_high": None}, {"level": 4}),
        ({"admin_hops": 2}, {"admin_hops": None}),
        ({"environment": "prod"}, {"environment": "test"}),
    ],
)
def test_reach_decides_between_two_and_unknown_counts_as_the_worst(
    con: duckdb.DuckDBPyConnection, worse: dict[str, Any], better: dict[str, Any]
) -> None:
    held_key(con, 1, "a-better", better)
    held_key(con, 2, "b-worse", worse)

    assert [one.identity_name for one in held(con)] == ["b-worse", "a-better"]


@pytest.mark.parametrize(
    ("created", "rotated", "state"),
    [
        (datetime(2025, 1, 1), None, "not rotated since disclosed"),
        (datetime(2025, 1, 1), datetime(2026, 1, 10, 7, 59), "not rotated since disclosed"),
        (datetime(2026, 1, 10, 8), None, "made 2026-01-10 08:00, after the disclosure: make sure by whom"),
        (None, None, "cannot be said whether it was rotated since disclosed: its age is not known"),
    ],
)
def test_each_credential_says_whether_it_was_rotated_since(
    con: duckdb.DuckDBPyConnection, created: datetime | None, rotated: datetime | None, state: str
) -> None:
    user(con, 1, "feed")
    holding(con, "credential", access_key(con, 1, "AKIA1", created_at=created), 1, rotated_at=rotated)

    (one,) = held(con)
    assert one.state(DISCLOSED) == state
    assert one.state(None) == "no date of a disclosure is known: give --since"


@pytest.mark.parametrize(
    ("last_used", "known", "expected"),
    [
        (datetime(2026, 1, 10, 8), True, True),
        (datetime(2026, 1, 10, 7), True, False),
        (None, True, False),
        (None, False, None),
        (datetime(2026, 1, 9), False, None),
    ],
)
def test_use_since_is_said_only_where_the_source_can_say(
    con: duckdb.DuckDBPyConnection, last_used: datetime | None, known: bool, expected: bool | None
) -> None:
    held_key(con, 1, "feed", last_used_at=last_used, last_used_known=known)

    assert held(con)[0].used_since(DISCLOSED) is expected


def test_events_of_the_logs_count_as_use_with_their_sources(con: duckdb.DuckDBPyConnection) -> None:
    held_key(con, 1, "feed")
    for day in (9, 11, 12):
        add(
            con,
            "usage",
            event_id=str(day),
            credential_id="aws:1:access_key/AKIAfeed",
            occurred_at=datetime(2026, 1, day),
        )
    source = {"network": "198.51.100", "program": "aws-cli", "uses": 2}
    add(con, "credential_sources", credential_id="aws:1:access_key/AKIAfeed", **source)

    (one,) = held(con)
    assert (one.events_since, one.used_since(DISCLOSED), one.sources) == (2, True, "198.51.100 aws-cli")


def test_the_newest_open_incident_of_the_register_is_the_disclosure(con: duckdb.DuckDBPyConnection) -> None:
    held_key(con, 1, "feed")
    add(con, "incidents", incident_id="I-1", partner_id="P-1", disclosed_at=datetime(2026, 1, 20), closed_at=NOW)
    add(con, "incidents", incident_id="I-2", partner_id="P-1", disclosed_at=datetime(2026, 1, 5))
    add(con, "incidents", incident_id="I-3", partner_id="P-2", disclosed_at=datetime(2026, 1, 25))

    told = incident(con, "P-1", since=None, at=NOW)
    assert (told.since, told.since_source) == (datetime(2026, 1, 5), "incident I-2 of the register")


def test_copies_and_other_holders_of_a_value_are_noted(con: duckdb.DuckDBPyConnection) -> None:
    held_key(con, 1, "feed")
    credential = {"credential_id": "aws:1:access_key/AKIAfeed"}
    add(con, "secret_places", place_id="p1", location="deploy/env.sh", value_number=1, **credential)
    add(con, "secret_places", place_id="p2", location="pipeline build", value_number=1)
    holding(con, "credential", "aws:1:access_key/AKIAfeed", 1, partner_id="P-2")

    (one,) = held(con)
    assert one.locations == "deploy/env.sh; pipeline build"
    assert incident(con, "P-1", since=None, at=NOW).other_users(one) == "Cobalt"


def test_what_opens_nothing_is_counted_and_what_may_is_listed(con: duckdb.DuckDBPyConnection) -> None:
    held_key(con, 1, "feed")
    holding(con, "credential", "dead", 1, is_live=False)
    holding(con, "credential", "unsure", 1, is_live=None)

    told = incident(con, "P-1", since=None, at=NOW)
    assert {one.thing_id for one in told.held} == {"aws:1:access_key/AKIAfeed", "unsure"}
    assert told.dead == 1


def test_an_identity_of_which_nothing_to_rotate_was_read_is_listed_itself(con: duckdb.DuckDBPyConnection) -> None:
    held_key(con, 1, "feed")
    holding(con, "identity", "aws:1:user/feed", 1)
    holding(con, "identity", user(con, 2, "bare"), 2)

    found = {one.thing_id: one for one in held(con)}
    assert set(found) == {"aws:1:access_key/AKIAfeed", "aws:1:user/bare"}
    assert found["aws:1:user/bare"].state(DISCLOSED).startswith("how it signs in was not read")


def test_a_secret_that_is_a_listed_credential_is_not_listed_again(con: duckdb.DuckDBPyConnection) -> None:
    held_key(con, 1, "feed")
    holding(con, "secret", "leak", None, relation="knows", credential_id="aws:1:access_key/AKIAfeed")
    holding(con, "secret", "other", None, relation="knows", credential_id="aws:1:access_key/AKIAother")

    assert {one.thing_id for one in held(con)} == {"aws:1:access_key/AKIAfeed", "other"}


def test_a_vendor_without_a_row_in_the_register_is_met_by_its_app(con: duckdb.DuckDBPyConnection) -> None:
    app = {"identity_key": 9, "identity_id": "crm:1:app/dialer", "tenant_id": "crm:1", "name": "Harbor Dialer"}
    add(con, "identities", **app, provider="salesforce", kind="oauth_app", native_id="dialer", status="enabled")
    add(con, "app_facts", **app)
    user(con, 1, "lee")
    token = {"credential_id": "crm:1:token/1", "identity_key": 1, "app_key": 9, "kind": "oauth_token", "native_id": "1"}
    add(con, "credentials", **token, provider="salesforce", tenant_id="crm:1", created_at=datetime(2025, 1, 1))
    add(con, "credential_facts", credential_id="crm:1:token/1", is_live=True)

    told = incident(con, "harbor dialer", since=None, at=NOW)
    assert {one.thing_id for one in told.held} == {"crm:1:app/dialer", "crm:1:token/1"}
    (by_token,) = [one for one in told.held if one.thing_kind == "credential"]
    assert told.other_users(by_token) == "lee"


def trusted(con: duckdb.DuckDBPyConnection, **trust: Any) -> None:
    user(con, 1, "role")
    add(con, "trusts", trust_key=1, trust_id="t1", identity_key=1, tenant_id="aws:1", principal="x", **trust)


@pytest.mark.parametrize(
    ("integration", "trust", "condition"),
    [
        (("account", "444444444444"), {"account": "444444444444"}, None),
        (("app", "token.actions.example"), {"issuer": "https://token.actions.example/"}, None),
        (
            ("app", "token.actions.example/vendor"),
            {"issuer": "https://token.actions.example"},
            ("token.actions.example:sub", "repo:Vendor/deploy:ref:main"),
        ),
        (("app", "client-7"), {"issuer": "https://login.example"}, ("login.example:aud", "client-7")),
    ],
)
def test_a_vendor_is_met_by_what_our_trusts_let_in(
    con: duckdb.DuckDBPyConnection,
    integration: tuple[str, str],
    trust: dict[str, str],
    condition: tuple[str, str] | None,
) -> None:
    trusted(con, **trust)
    if condition:
        add(con, "trust_conditions", trust_key=1, operator="StringLike", name=condition[0], value=condition[1])
    kind, name = integration
    add(con, "integration_facts", integration_id=f"aws:1:{kind}/{name}", tenant_id="aws:1", kind=kind, name=name)

    (one,) = held(con, name)
    assert (one.thing_kind, one.thing_id) == ("trust", "t1")
    assert one.state(DISCLOSED) == "has no value to rotate: it stands until it is taken back"


def test_another_organisation_at_the_same_issuer_is_left_alone(con: duckdb.DuckDBPyConnection) -> None:
    trusted(con, issuer="https://token.actions.example")
    add(con, "trust_conditions", trust_key=1, operator="StringLike", name="x:sub", value="repo:ours/deploy:*")
    name = "token.actions.example/vendor"
    add(con, "integration_facts", integration_id=f"aws:1:app/{name}", tenant_id="aws:1", kind="app", name=name)

    assert held(con, name) == []


def test_what_was_not_read_is_listed_and_a_tenant_that_nobody_read(con: duckdb.DuckDBPyConnection) -> None:
    read = {"provider": "aws", "tenant_id": "aws:1"}
    add(con, "coverage", **read, dataset="identities", status="complete")
    add(con, "coverage", **read, dataset="credentials", status="denied", reason="AccessDenied")
    add(con, "coverage", **read, dataset="settings", status="denied")
    add(con, "company", kind="aws_account", value="2")
    add(con, "company", kind="tenant", value="vault:main")

    assert incident(con, "P-1", since=None, at=NOW).unread == (
        ("aws:1", "credentials", "denied", "AccessDenied"),
        ("aws:2", "everything", "unread", "nhiscan.toml calls it ours, and no collector read it"),
        ("vault:main", "everything", "unread", "nhiscan.toml calls it ours, and no collector read it"),
    )


def test_a_scan_that_read_no_system_says_so(con: duckdb.DuckDBPyConnection) -> None:
    add(con, "coverage", provider="register", tenant_id="register:main", dataset="register.partners", status="complete")

    told = incident(con, "P-1", since=None, at=NOW)
    assert told.unread == (("every system", "everything", "unread", "no collector read any system"),)


@pytest.mark.parametrize(("holds", "is_said"), [("aliases", True), ("support_tickets", False)])
def test_rows_that_may_name_something_of_theirs_and_were_dropped_are_said(
    con: duckdb.DuckDBPyConnection, holds: str, is_said: bool
) -> None:
    add(con, "coverage", provider="aws", tenant_id="aws:1", dataset="identities", status="complete")
    add(con, "register_files", file="f.csv", holds=holds)
    add(con, "quarantine", file="f.csv", line=2, problem="x", row_dropped=True)

    assert [row[:3] for row in incident(con, "P-1", since=None, at=NOW).unread] == [
        ("register", holds, "partial")
    ] * is_said


@pytest.mark.parametrize("seed", range(20))
def test_every_live_credential_and_trust_of_a_partner_is_listed_once(con: duckdb.DuckDBPyConnection, seed: int) -> None:
    draw = random.Random(seed)
    planted = set()
    for number in range(1, draw.randint(2, 25)):
        held_key(con, number, f"u{number}", {"level": draw.choice([None, 0, 3, 5])})
        planted.add(f"aws:1:access_key/AKIAu{number}")
        for _ in range(draw.randint(0, 2)):  # the same thing by other ways, which must not multiply it
            add(con, "secret_places", place_id=f"p{draw.random()}", credential_id=f"aws:1:access_key/AKIAu{number}")
            add(con, "privileges", identity_key=number, verb=draw.choice(["admin", "read-data"]), certainty="definite")
            holding(con, "credential", f"aws:1:access_key/AKIAu{number}", number, partner_id="P-2")
        if draw.random() < 0.3:
            add(con, "trusts", trust_key=number, trust_id=f"t{number}", identity_key=number, tenant_id="aws:1")
            holding(con, "trust", f"t{number}", number)
            planted.add(f"t{number}")

    listed = [one.thing_id for one in held(con)]
    assert sorted(listed) == sorted(planted)


@pytest.fixture
def published(tmp_path: Path) -> str:
    file = tmp_path / "nhiscan.toml"
    file.write_text('[company]\nname = "Acme"\n[state]\npath = "state"\n[collectors.register]\npath = "register/"\n')
    state = tmp_path / "state"
    with store.locked(state), store.Build(state, store.new_scan_id(NOW)) as build:
        estate(build.con)
        held_key(build.con, 1, "feed", {"owner_mail": "lee@acme.example", "owner_status": "left"})
        add(build.con, "coverage", provider="aws", tenant_id="aws:1", dataset="trusts", status="denied", reason="no")
        build.publish()
    return str(file)


def test_the_command_prints_state_reach_owner_and_how_to_replace_it(published: str) -> None:
    told = run("partner", "incident", "-c", published, "Borealis", "--since", "2026-01-10")

    assert told.exit_code == 0, told.output
    assert "   1. credential aws:1:access_key/AKIAfeed: not rotated since disclosed" in told.stdout
    assert "reach: level 2" in told.stdout
    assert "owner: lee@acme.example, who has left" in told.stdout
    assert "$ aws iam update-access-key --user-name feed --access-key-id AKIAfeed --status Inactive" in told.stdout
    assert "aws:1: trusts denied (no)" in told.stdout


def test_without_any_date_the_command_asks_for_one(published: str) -> None:
    assert "disclosed: not known; give --since" in run("partner", "incident", "-c", published, "P-1").stdout


def test_json_holds_each_thing_with_its_commands(published: str) -> None:
    told = json.loads(run("partner", "incident", "-c", published, "P-1", "--since", "2026-01-10", "--json").stdout)

    (one,) = told["held"]
    assert (one["state"], one["used_since"], len(one["commands"])) == ("not rotated since disclosed", None, 1)
    assert told["unread"][0]["datasets"] == "trusts"


def test_every_key_of_the_json_is_documented(published: str) -> None:
    told = json.loads(run("partner", "incident", "-c", published, "P-1", "--json").stdout)
    assert printed(told) == documented("partner incident")


def test_a_disclosure_that_is_to_come_is_none_yet(con: duckdb.DuckDBPyConnection) -> None:
    held_key(con, 1, "feed")
    add(con, "incidents", incident_id="I-1", partner_id="P-1", disclosed_at=datetime(2026, 3, 1))
    add(con, "incidents", incident_id="I-2", partner_id="P-1", disclosed_at=datetime(2026, 1, 5))

    assert incident(con, "P-1", since=None, at=NOW).since_source == "incident I-2 of the register"
    with pytest.raises(QueryError, match="is to come"):
        incident(con, "P-1", since=datetime(2026, 3, 1, tzinfo=UTC), at=NOW)


def test_an_incident_that_is_to_be_closed_some_day_is_open(con: duckdb.DuckDBPyConnection) -> None:
    held_key(con, 1, "feed")
    some_day = datetime(2026, 3, 1)
    add(con, "incidents", incident_id="I-1", partner_id="P-1", disclosed_at=datetime(2026, 1, 5), closed_at=some_day)
    closed = datetime(2026, 1, 21)
    add(con, "incidents", incident_id="I-2", partner_id="P-1", disclosed_at=datetime(2026, 1, 20), closed_at=closed)

    assert incident(con, "P-1", since=None, at=NOW).since_source == "incident I-1 of the register"
