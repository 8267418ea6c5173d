"""One owner's decisions, by when they are due, and the cases among them as tickets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from nhiscan import store
from nhiscan.lifecycle import work
from tests.commands import run
from tests.lifecycle.json_page import documented, printed

AT = datetime(2026, 2, 10, 12, tzinfo=UTC)
SEEN = datetime(2026, 2, 1)
DANA = "dana@acme.example"


def add(con: duckdb.DuckDBPyConnection, table: str, **row: Any) -> None:
    con.execute(f"insert into {table} ({', '.join(row)}) values ({', '.join('?' for _ in row)})", list(row.values()))


def case(con: duckdb.DuckDBPyConnection, case_id: str, band: str = "high", **more: Any) -> None:
    row = {"case_id": case_id, "band": band, "status": "open", "first_seen": SEEN, "message": f"{case_id} is bad"}
    add(con, "cases", **{**row, "owner_mail": DANA, "subject_name": "svc-feed", "score_low": 50.0, **more})


def estate(con: duckdb.DuckDBPyConnection) -> None:
    add(con, "scans", scan_id="s", as_of=SEEN, is_complete=True)
    add(con, "people", mail=DANA, status="active", side="ours")
    add(con, "people", mail="gone@acme.example", status="left", side="ours")
    add(con, "person_mails", mail=DANA, old_mail="dana.old@acme.example")
    add(con, "partners", partner_id="P-1", name="Borealis", business_owner=DANA)
    add(con, "partner_facts", partner_id="P-1", name="Borealis", business_owner=DANA, has_access=True)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with store.empty() as opened:
        estate(opened)
        yield opened


def only(con: duckdb.DuckDBPyConnection) -> work.Item:
    (item,) = work.items(con, at=AT)
    return item


@pytest.mark.parametrize(("band", "days"), [("critical", 1), ("high", 7), ("medium", 30), ("low", 90)])
def test_a_case_is_due_as_many_days_after_it_was_seen_as_its_band_allows(
    con: duckdb.DuckDBPyConnection, band: str, days: int
) -> None:
    case(con, "c1", band)

    assert only(con).due_at == SEEN + timedelta(days=days)


def test_a_case_for_information_has_no_date_and_is_never_overdue(con: duckdb.DuckDBPyConnection) -> None:
    case(con, "c1", "info")

    assert only(con).due_at is None
    assert not only(con).is_overdue(AT + timedelta(days=9999))


def test_a_decision_is_overdue_only_after_its_moment(con: duckdb.DuckDBPyConnection) -> None:
    case(con, "c1", "high")
    due = (SEEN + timedelta(days=7)).replace(tzinfo=UTC)

    assert not only(con).is_overdue(due)
    assert only(con).is_overdue(due + timedelta(seconds=1))


@pytest.mark.parametrize("status", ["accepted", "fixed"])
def test_what_was_accepted_or_fixed_waits_for_nobody(con: duckdb.DuckDBPyConnection, status: str) -> None:
    case(con, "c1", status=status)

    assert work.items(con, at=AT) == []


def test_the_most_overdue_comes_first_and_what_has_no_date_last(con: duckdb.DuckDBPyConnection) -> None:
    case(con, "none", "info")
    case(con, "low", "low")
    case(con, "worse", "critical", score_low=90.0)
    case(con, "bad", "critical", score_low=80.0)
    case(con, "older", "low", first_seen=SEEN - timedelta(days=200))

    assert [item.item_id for item in work.items(con, at=AT)] == ["older", "worse", "bad", "low", "none"]


def test_an_open_step_waits_for_whoever_answers_for_the_end_of_the_partner(con: duckdb.DuckDBPyConnection) -> None:
    add(con, "ownerships", owned_kind="partner", owned="p-1", mail="exit@acme.example", role="stage:offboarding")
    add(con, "offboardings", offboarding_id="O-1", partner_id="P-1", opened_at=SEEN, due_at=SEEN + timedelta(days=2))
    add(con, "offboarding_steps", offboarding_id="O-1", step=1, action="revoke_access", target_id="svc-feed")
    add(con, "offboarding_steps", offboarding_id="O-1", step=2, action="notify", done_at=SEEN)

    found = {(item.kind, item.item_id): item for item in work.items(con, at=AT)}
    assert set(found) == {("offboarding step", "O-1/1"), ("offboarding", "O-1")}
    assert found["offboarding step", "O-1/1"].owner_mail == "exit@acme.example"
    assert found["offboarding step", "O-1/1"].due_at == SEEN + timedelta(days=2)
    assert found["offboarding step", "O-1/1"].what == "revoke access: svc-feed"


def test_without_a_deadline_of_its_own_an_offboarding_has_that_of_its_contract(con: duckdb.DuckDBPyConnection) -> None:
    add(con, "contracts", contract_id="C-1", partner_id="P-1", revoke_sla_hours=48)
    add(con, "offboardings", offboarding_id="O-1", partner_id="P-1", contract_id="C-1", opened_at=SEEN)

    assert only(con).due_at == SEEN + timedelta(hours=48)


def test_an_offboarding_that_was_closed_and_not_verified_still_waits(con: duckdb.DuckDBPyConnection) -> None:
    add(con, "offboardings", offboarding_id="O-1", partner_id="P-1", opened_at=SEEN, closed_at=SEEN)
    assert only(con).what == "verify offboarding O-1"

    con.execute("update offboardings set verified_at = closed_at")
    assert work.items(con, at=AT) == []


def test_what_is_to_be_done_some_day_still_waits(con: duckdb.DuckDBPyConnection) -> None:
    some_day = datetime(2031, 1, 1)
    add(con, "offboardings", offboarding_id="O-1", partner_id="P-1", closed_at=some_day, verified_at=some_day)
    add(con, "offboarding_steps", offboarding_id="O-1", step=1, action="notify", done_at=some_day)
    add(con, "reviews", review_id="R-1", partner_id="P-1", scope="access", completed_at=some_day)

    add(con, "contracts", contract_id="C-1", partner_id="P-1")
    add(con, "contract_events", contract_id="C-1", type="notice", due=date(2026, 2, 1), done=some_day.date())

    found = {item.item_id: item.what for item in work.items(con, at=AT)}
    assert found.pop("C-1/notice") == "check what contract C-1 still allows after notice"
    assert found == {"O-1": "close offboarding O-1", "O-1/1": "notify", "R-1": "finish the review of access"}


def test_a_former_address_leads_to_the_person(con: duckdb.DuckDBPyConnection) -> None:
    case(con, "c1", owner_mail="Dana.Old@acme.example")

    assert (only(con).owner_mail, only(con).owner_status) == (DANA, "active")


def test_statements_of_one_day_are_one_decision(con: duckdb.DuckDBPyConnection) -> None:
    for kind in ("leavers", "access"):
        add(con, "attestations", attestation_id=kind, partner_id="P-1", kind=kind, valid_to=date(2026, 3, 1))
    add(con, "attestations", attestation_id="old", partner_id="P-1", kind="access", valid_to=date(2025, 3, 1))

    assert only(con).what == "ask for new statements on access, leavers"
    assert only(con).due_at == datetime(2026, 3, 2)  # the last day counts


@pytest.mark.parametrize(("days", "is_shown"), [(89, True), (91, False)])
def test_what_is_due_later_than_ninety_days_is_not_shown_yet(
    con: duckdb.DuckDBPyConnection, days: int, is_shown: bool
) -> None:
    due = AT.date() + timedelta(days=days - 1)
    add(con, "contracts", contract_id="C-1", partner_id="P-1")
    add(con, "contract_events", contract_id="C-1", type="notice", occurred=date(2026, 1, 1), due=due)

    assert len(work.items(con, at=AT)) == is_shown


def test_a_checkpoint_that_was_held_waits_for_nobody(con: duckdb.DuckDBPyConnection) -> None:
    add(con, "contracts", contract_id="C-1", partner_id="P-1")
    event = {"contract_id": "C-1", "type": "notice", "occurred": date(2026, 1, 1), "due": date(2026, 1, 9)}
    add(con, "contract_events", **event, done=date(2026, 1, 8))

    assert work.items(con, at=AT) == []


def test_a_package_is_reviewed_from_the_last_review_on(con: duckdb.DuckDBPyConnection) -> None:
    add(con, "packages", package_id="K", name="Feed", review_days=90)
    add(con, "package_assignments", partner_id="P-1", package_id="K", assigned_at=date(2025, 1, 1))
    assert only(con).due_at == datetime(2025, 4, 1)

    add(con, "reviews", review_id="R", partner_id="P-1", scope="access", completed_at=datetime(2026, 1, 1))
    assert only(con).due_at == datetime(2026, 4, 1)


def test_an_open_review_waits_for_its_reviewer(con: duckdb.DuckDBPyConnection) -> None:
    add(
        con,
        "reviews",
        review_id="R",
        partner_id="P-1",
        scope="secrets",
        reviewer="dana.old@acme.example",
        opened_at=SEEN,
    )

    assert (only(con).owner_mail, only(con).what, only(con).due_at) == (DANA, "finish the review of secrets", None)


def test_an_acceptance_waits_as_long_as_what_it_accepts_is_there(con: duckdb.DuckDBPyConnection) -> None:
    add(
        con,
        "acceptance_facts",
        acceptance_id="A",
        rule_id="r",
        subject_id="s",
        owner_mail=DANA,
        expires_at=datetime(2026, 2, 20),
    )
    assert work.items(con, at=AT) == []

    add(con, "findings", finding_id="f", rule_id="r", subject_id="s", outcome="fail", status="accepted")
    assert (only(con).kind, only(con).due_at) == ("acceptance", datetime(2026, 2, 20))


def test_what_nobody_answers_for_stands_before_all_owners(con: duckdb.DuckDBPyConnection) -> None:
    case(con, "c1", "low")
    case(con, "c2", "critical", owner_mail=None)
    case(con, "c3", "critical", owner_mail="gone@acme.example")

    loads = work.owners(work.items(con, at=AT), at=AT)
    assert [(load.mail, load.status, load.overdue, load.cases) for load in loads] == [
        (None, None, 1, 1),
        ("gone@acme.example", "left", 1, 1),
        (DANA, "active", 0, 1),
    ]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_jira_ticket_has_the_columns_that_its_importer_maps(con: duckdb.DuckDBPyConnection) -> None:
    case(con, "c1", "critical", partner_id="P-1")
    (row,) = rows(work.tickets(work.items(con, at=AT), "jira"))

    assert row["Summary"] == "Borealis: c1 is bad"
    assert (row["Issue Type"], row["Priority"], row["Due date"]) == ("Task", "Highest", "2026-02-02")
    assert (row["External issue ID"], row["Labels"]) == ("nhiscan-c1", "nhiscan nhiscan-c1")
    assert "nhiscan show c1" in row["Description"]


def test_a_servicenow_row_coalesces_on_its_correlation_id(con: duckdb.DuckDBPyConnection) -> None:
    case(con, "c1", "medium")
    (row,) = rows(work.tickets(work.items(con, at=AT), "servicenow"))

    assert (row["correlation_id"], row["urgency"], row["impact"]) == ("nhiscan-c1", "2", "2")
    assert row["due_date"] == "2026-03-03 00:00:00"


@pytest.mark.parametrize("system", work.SYSTEMS)
def test_a_second_export_names_each_case_as_the_first_did(con: duckdb.DuckDBPyConnection, system: str) -> None:
    case(con, "c1")
    first = rows(work.tickets(work.items(con, at=AT), system))
    con.execute("update cases set message = 'otherwise', score_low = 1")
    second = rows(work.tickets(work.items(con, at=AT + timedelta(days=30)), system))

    column = next(iter(first[0]))
    assert [row[column] for row in first] == [row[column] for row in second]


@pytest.mark.parametrize("system", work.SYSTEMS)
def test_only_cases_become_tickets(con: duckdb.DuckDBPyConnection, system: str) -> None:
    add(con, "offboardings", offboarding_id="O-1", partner_id="P-1", opened_at=SEEN)

    assert rows(work.tickets(work.items(con, at=AT), system)) == []


@pytest.mark.parametrize("system", work.SYSTEMS)
@pytest.mark.parametrize("name", ['=HYPERLINK("http://evil.example")', "+1", "-1", "@SUM(1)", "\t=1", "\r=1"])
def test_no_cell_of_a_ticket_is_a_formula(con: duckdb.DuckDBPyConnection, system: str, name: str) -> None:
    case(con, "c1", message=name, subject_name=name, owner_mail=name)
    (row,) = rows(work.tickets(work.items(con, at=AT), system))

    assert not [value for value in row.values() if value.startswith(("=", "+", "-", "@", "\t", "\r"))]


@pytest.mark.parametrize("system", work.SYSTEMS)
def test_a_hostile_name_stays_in_its_cell(con: duckdb.DuckDBPyConnection, system: str) -> None:
    name = 'a"b\n"c",d\x1b[2J\u202e' + "x" * 2000
    case(con, "c1", message=name, subject_name=name)
    case(con, "c2")
    told = rows(work.tickets(work.items(con, at=AT), system))

    assert len(told) == 2
    assert not [value for row in told for value in row.values() if "\x1b" in value or "\u202e" in value]
    summary = told[0]["Summary" if system == "jira" else "short_description"]
    assert len(summary) <= 251
    assert "\n" not in summary


@pytest.fixture
def published(tmp_path: Path) -> str:
    """The settings file beside a state with one scan."""
    file = tmp_path / "nhiscan.toml"
    file.write_text('[company]\nname = "Acme"\n[state]\npath = "state"\n[collectors.register]\npath = "register/"\n')
    state = tmp_path / "state"
    with store.locked(state), store.Build(state, store.new_scan_id(datetime(2026, 2, 1, tzinfo=UTC))) as build:
        estate(build.con)
        case(build.con, "c1", "critical", partner_id="P-1")
        case(build.con, "c2", "low", owner_mail=None)
        build.publish()
    return str(file)


def test_the_page_of_an_owner_says_how_much_is_overdue(published: str) -> None:
    told = run("work", "-c", published, "--owner", "Dana@Acme.example", "--as-of", "2026-02-10")

    assert told.exit_code == 0, told.output
    assert told.stdout.splitlines()[0] == "dana@acme.example: 1 decision, 1 overdue on 2026-02-10"
    assert "2026-02-02 overdue  critical  Borealis" in told.stdout


def test_without_an_owner_everybodys_load_is_listed_and_what_nobody_owns(published: str) -> None:
    told = run("work", "-c", published, "--as-of", "2026-02-10")

    assert "nobody" in told.stdout
    assert "1 decision that nobody answers for:" in told.stdout
    assert "c2 is bad" in told.stdout


def test_an_unknown_owner_is_an_error_that_names_the_nearest(published: str) -> None:
    told = run("work", "-c", published, "--owner", "dana@acme.exampl")

    assert told.exit_code != 0
    assert DANA in getattr(told.exception, "hint", "")


def test_json_holds_each_decision_with_what_makes_it_due(published: str) -> None:
    told = json.loads(run("work", "-c", published, "-f", "json", "--as-of", "2026-02-10").stdout)

    assert {(item["item_id"], item["is_overdue"]) for item in told["decisions"]} == {("c1", True), ("c2", False)}
    assert {owner["mail"] for owner in told["owners"]} == {DANA, None}
    assert printed(told) == documented("work", "--format json")


@pytest.mark.parametrize("shape", ["text", "json", "csv", "jira", "servicenow"])
def test_every_form_can_be_written_into_a_file_for_its_owner_only(published: str, tmp_path: Path, shape: str) -> None:
    target = tmp_path / "out"
    told = run("work", "-c", published, "-f", shape, "-o", str(target), "--as-of", "2026-02-10")

    assert (told.exit_code, told.stdout) == (0, "")
    assert "c2" in target.read_text(encoding="utf-8")
    assert target.stat().st_mode & 0o077 == 0


def test_an_incomplete_scan_is_said_beside_its_list(published: str, tmp_path: Path) -> None:
    state = tmp_path / "state"
    with store.locked(state), store.Build(state, store.new_scan_id(datetime(2026, 2, 2, tzinfo=UTC))) as build:
        estate(build.con)
        build.con.execute("update scans set is_complete = false")
        build.publish()

    assert "the scan is incomplete" in run("work", "-c", published).stderr
