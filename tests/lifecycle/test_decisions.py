"""A risk is accepted, and a review counted, only as far as somebody may and for as long as is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pytest

from nhiscan import rule, store
from nhiscan.errors import QueryError
from nhiscan.lifecycle import decisions
from nhiscan.lifecycle.decisions import Limits, RefusedError, Wish
from nhiscan.model import Acceptance, Record

AT = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
WISH = Wish(
    rule_id="life-key-age-exceeded",
    subject="aws:1:key/AKIAEXAMPLE",
    approver="dana@acme.example",
    reason="Moves in May",
    control="Bound to one network",
    expires=date(2026, 5, 31),
)


LIMITS = Limits(days=180, renewals=2)


def add(con: duckdb.DuckDBPyConnection, table: str, **row: Any) -> None:
    con.execute(f"insert into {table} ({', '.join(row)}) values ({', '.join('?' for _ in row)})", list(row.values()))


def find(con: duckdb.DuckDBPyConnection, subject: str, **more: Any) -> None:
    row = {"finding_id": f"f00d{len(subject):04}{subject[-8:]}", "rule_id": WISH.rule_id, "subject_id": subject}
    row |= {"subject_name": subject.rpartition("/")[2], "partner_id": "P-1", "severity": "high", "status": "open"}
    add(con, "findings", **{**row, "outcome": "fail", "message": f"{subject} is old", **more})


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with store.empty() as opened:
        add(opened, "partners", partner_id="P-1", name="Borealis")
        find(opened, WISH.subject)
        yield opened


def accept(con: duckdb.DuckDBPyConnection, wish: Wish = WISH, *said: Record, limits: Limits = LIMITS) -> Acceptance:
    return decisions.accept(con, wish, said, limits=limits, at=AT)[0]


def refused(con: duckdb.DuckDBPyConnection, wish: Wish, *said: Record) -> str:
    with pytest.raises(RefusedError) as caught:
        accept(con, wish, *said)
    assert caught.value.hint
    return caught.value.message


def test_an_acceptance_holds_all_that_makes_it_count(con: duckdb.DuckDBPyConnection) -> None:
    acceptance = accept(con, replace(WISH, requested_by="Kim <kim@acme.example>"))
    assert acceptance == Acceptance(
        acceptance_id=acceptance.acceptance_id,
        rule_id=WISH.rule_id,
        subject_id=WISH.subject,
        partner_id="P-1",
        reason="Moves in May",
        compensating_control="Bound to one network",
        requested_by="kim@acme.example",
        approved_by="dana@acme.example",
        approved_at=AT,
        expires_at=date(2026, 5, 31),
        renewals=0,
    )


def test_one_finding_has_one_acceptance_however_often_it_is_renewed(con: duckdb.DuckDBPyConnection) -> None:
    first = replace(accept(con), register_row="ledger/acceptances.jsonl:1")
    again = accept(con, replace(WISH, is_renewal=True, expires=date(2026, 7, 1)), first)
    assert (again.acceptance_id, again.renewals) == (first.acceptance_id, 1)
    third = accept(con, replace(WISH, is_renewal=True), replace(again, register_row="ledger/acceptances.jsonl:2"))
    assert third.renewals == 2
    assert "prolonged for the 3. time" in refused(
        con, replace(WISH, is_renewal=True), replace(third, register_row="ledger/acceptances.jsonl:3")
    )


def test_the_limits_are_those_of_the_rule_that_finds_what_runs_too_long() -> None:
    known = {found.rule_id: found for found in rule.load()}
    assert decisions.limits(known, {}) == Limits(180, 1)
    assert decisions.limits(known, {decisions.LIMITING_RULE: {"max_exception_days": 30}}) == Limits(30, 1)


@pytest.mark.parametrize("subject", ["AKIAEXAMPLE", "akiaexample", "f00d0021"])
def test_a_subject_is_known_by_its_name_or_its_findings_id(con: duckdb.DuckDBPyConnection, subject: str) -> None:
    assert accept(con, replace(WISH, subject=subject)).subject_id == WISH.subject


def test_an_unknown_subject_names_the_nearest(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(RefusedError, match="says nothing about 'AKIAEXAMPEL'") as caught:
        accept(con, replace(WISH, subject="AKIAEXAMPEL"))
    assert caught.value.hint == "did you mean 'AKIAEXAMPLE'?"


def test_nothing_is_accepted_of_a_rule_that_found_nothing(con: duckdb.DuckDBPyConnection) -> None:
    assert "says nothing about" in refused(con, replace(WISH, rule_id="life-dormant-identity"))


def test_a_name_of_two_subjects_is_not_enough(con: duckdb.DuckDBPyConnection) -> None:
    find(con, "aws:2:key/AKIAEXAMPLE")
    assert "names 2 subjects" in refused(con, replace(WISH, subject="AKIAEXAMPLE"))


def test_what_is_fixed_needs_no_acceptance(con: duckdb.DuckDBPyConnection) -> None:
    find(con, "aws:1:key/GONE", status="fixed")
    assert "is fixed" in refused(con, replace(WISH, subject="GONE"))


@pytest.mark.parametrize("outcome", ["fail", "unknown"])
def test_what_could_not_be_judged_can_be_accepted_too(con: duckdb.DuckDBPyConnection, outcome: str) -> None:
    find(con, "aws:1:key/K2", outcome=outcome)
    assert accept(con, replace(WISH, subject="K2")).subject_id == "aws:1:key/K2"


@pytest.mark.parametrize("requester", ["dana@acme.example", "Dana Roe <DANA@acme.example>", "roe@old.example"])
def test_nobody_approves_what_they_asked_for(con: duckdb.DuckDBPyConnection, requester: str) -> None:
    add(con, "people", mail="dana@acme.example", side="ours")
    add(con, "person_mails", mail="dana@acme.example", old_mail="Roe@old.example")
    assert "asks and approves" in refused(con, replace(WISH, requested_by=requester))


def test_an_acceptance_ends_within_the_limit(con: duckdb.DuckDBPyConnection) -> None:
    last = AT.date() + timedelta(days=180)
    assert accept(con, replace(WISH, expires=last)).expires_at == last
    assert "more than 180 days off" in refused(con, replace(WISH, expires=last + timedelta(days=1)))
    assert accept(con, replace(WISH, expires=last + timedelta(days=1)), limits=Limits(181, 0)).expires_at


def test_an_acceptance_does_not_end_before_it_begins(con: duckdb.DuckDBPyConnection) -> None:
    assert accept(con, replace(WISH, expires=AT.date())).expires_at == AT.date()
    assert "has passed" in refused(con, replace(WISH, expires=AT.date() - timedelta(days=1)))


@pytest.mark.parametrize("field", ["reason", "control"])
@pytest.mark.parametrize("text", ["", " \n\t", "\u200b"])
def test_a_reason_and_a_control_are_words(con: duckdb.DuckDBPyConnection, field: str, text: str) -> None:
    empty: dict[str, Any] = {field: text}
    assert "is empty" in refused(con, replace(WISH, **empty))


def test_words_are_kept_without_what_a_page_would_hide(con: duckdb.DuckDBPyConnection) -> None:
    acceptance = accept(con, replace(WISH, reason="Moves\nin\u202e May\x00"))
    assert acceptance.reason == "Moves in May"


@pytest.mark.parametrize("mail", ["dana", "", "dana@", "a b@acme.example"])
def test_an_approver_is_a_mail_address(con: duckdb.DuckDBPyConnection, mail: str) -> None:
    assert "is not a mail address" in refused(con, replace(WISH, approver=mail))


@pytest.mark.parametrize(
    "gone", [{"status": "left"}, {"left_on": date(2026, 1, 31)}, {"status": "active", "left_on": date(2025, 1, 1)}]
)
def test_who_has_left_approves_nothing(con: duckdb.DuckDBPyConnection, gone: dict[str, Any]) -> None:
    add(con, "people", mail="dana@acme.example", side="ours", can_approve="high", **gone)
    assert "has left" in refused(con, WISH)


def test_who_leaves_later_still_approves(con: duckdb.DuckDBPyConnection) -> None:
    add(con, "people", mail="dana@acme.example", side="ours", left_on=date(2026, 2, 1))
    assert accept(con).approved_by == "dana@acme.example"


def test_a_person_of_a_partner_does_not_take_our_risk(con: duckdb.DuckDBPyConnection) -> None:
    add(con, "people", mail="dana@acme.example", side="partner", partner_id="P-1", can_approve="high")
    assert "is a person of a partner" in refused(con, WISH)


def test_the_approver_may_approve_the_severity_of_the_finding(con: duckdb.DuckDBPyConnection) -> None:
    add(con, "people", mail="dana@acme.example", side="ours", can_approve="low;medium")
    add(con, "people", mail="boss@acme.example", side="ours", can_approve="Critical; High")
    with pytest.raises(RefusedError, match="may not approve what is high: the register lets them approve low, medium"):
        accept(con)
    assert accept(con, replace(WISH, approver="boss@acme.example")).approved_by == "boss@acme.example"


def test_the_refusal_says_who_may_approve(con: duckdb.DuckDBPyConnection) -> None:
    add(con, "people", mail="boss@acme.example", side="ours", can_approve="Critical; High")
    add(con, "people", mail="gone@acme.example", side="ours", status="left", can_approve="high")
    with pytest.raises(RefusedError) as caught:
        accept(con)
    assert caught.value.hint == "may approve it: boss@acme.example"


def test_without_a_word_about_approval_in_the_register_anybody_of_ours_approves(
    con: duckdb.DuckDBPyConnection,
) -> None:
    add(con, "people", mail="dana@acme.example", side="ours")
    assert accept(con).approved_by == "dana@acme.example"


def test_a_second_acceptance_is_a_renewal_and_has_to_be_called_so(con: duckdb.DuckDBPyConnection) -> None:
    first = replace(accept(con), register_row="ledger/acceptances.jsonl:1")
    assert "was accepted before" in refused(con, WISH, first)
    assert "was accepted before" in refused(con, WISH, replace(first, expires_at=date(2025, 1, 1)))


def test_there_is_nothing_to_renew_the_first_time(con: duckdb.DuckDBPyConnection) -> None:
    other = Acceptance("A-1", "life-dormant-identity", WISH.subject, register_row="ledger/acceptances.jsonl:1")
    assert "no acceptance of this to renew" in refused(con, replace(WISH, is_renewal=True), other)


@pytest.mark.parametrize("expires_at", [date(2026, 1, 31), None])
@pytest.mark.parametrize("is_renewal", [True, False])
def test_what_stands_in_the_register_is_prolonged_there(
    con: duckdb.DuckDBPyConnection, expires_at: date | None, is_renewal: bool
) -> None:
    row = {"acceptance_id": "X-1", "rule_id": WISH.rule_id, "subject_id": WISH.subject}
    add(con, "acceptances", **row, expires_at=expires_at, register_row="acceptances.csv:2")
    assert "the register holds it: X-1 in acceptances.csv:2" in refused(con, replace(WISH, is_renewal=is_renewal))


def test_what_ended_in_the_register_is_renewed_and_counted(con: duckdb.DuckDBPyConnection) -> None:
    row = {"acceptance_id": "X-1", "rule_id": WISH.rule_id, "subject_id": WISH.subject, "renewals": 1}
    add(con, "acceptances", **row, expires_at=date(2026, 1, 30), register_row="acceptances.csv:2")
    assert accept(con, replace(WISH, is_renewal=True)).renewals == 2


def test_a_line_of_the_ledger_that_a_scan_knows_is_not_taken_for_the_registers(
    con: duckdb.DuckDBPyConnection,
) -> None:
    row = {"acceptance_id": "A-1", "rule_id": WISH.rule_id, "subject_id": WISH.subject}
    add(con, "acceptances", **row, expires_at=date(2026, 3, 1), register_row="ledger/acceptances.jsonl:1")
    assert accept(con).renewals == 0


REVIEW: dict[str, Any] = {
    "scope": "access",
    "partner": "borealis",
    "reviewer": "Dana <dana@acme.example>",
    "items": 14,
    "revoked": 2,
    "seconds": 600,
    "evidence": "TICKET-1",
    "at": AT,
}


def test_a_review_is_complete_when_it_is_recorded(con: duckdb.DuckDBPyConnection) -> None:
    done = decisions.review(con, **REVIEW)
    assert done.review_id.startswith("R-20260131T093000Z-")
    assert (done.partner_id, done.reviewer, done.completed_at) == ("P-1", "dana@acme.example", AT)
    assert (done.scope, done.items, done.items_revoked, done.seconds_spent, done.evidence) == (
        "access",
        14,
        2,
        600,
        "TICKET-1",
    )


def test_two_reviews_of_one_second_are_two(con: duckdb.DuckDBPyConnection) -> None:
    assert len({decisions.review(con, **REVIEW).review_id for _ in range(5)}) > 1


def test_what_was_not_said_of_a_review_is_unknown(con: duckdb.DuckDBPyConnection) -> None:
    bare = {**REVIEW, "items": None, "revoked": None, "seconds": None, "evidence": None}
    done = decisions.review(con, **bare)
    assert (done.opened_at, done.items, done.items_revoked, done.seconds_spent, done.evidence) == (None,) * 5


@pytest.mark.parametrize("more", [{"items": 1}, {"items": None}])
def test_a_review_revokes_no_more_than_it_looked_at(con: duckdb.DuckDBPyConnection, more: dict[str, Any]) -> None:
    with pytest.raises(RefusedError, match="--revoked 2 of"):
        decisions.review(con, **{**REVIEW, **more})


def test_a_review_of_an_unknown_partner_is_refused(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryError, match="no partner 'Boralis'"):
        decisions.review(con, **{**REVIEW, "partner": "Boralis"})


def test_a_partner_does_not_review_itself(con: duckdb.DuckDBPyConnection) -> None:
    add(con, "people", mail="dana@acme.example", side="partner", partner_id="P-1")
    with pytest.raises(RefusedError, match="is a person of a partner"):
        decisions.review(con, **REVIEW)
