"""What an acceptance is about, and who stands for it."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import Any

from nhiscan.model import Acceptance, Person, PersonMail, Record
from nhiscan.resolve import acceptances, contracts, facts, owners, partners
from tests.resolve.register_estate import NORDWIND, account_alias, key, role, role_id, rows, scan, tenant, trust

_N = "333333333333"
_HELD = (NORDWIND, role(), trust(_N), account_alias("P-1", _N))
_DANA = Person("dana@acme.example", "Dana Roe", side="ours", status="active", can_approve="low;high")
_KEY = f"{tenant()}:access_key/k1"


def _accepted(*records: Record | Iterable[Record], columns: str) -> list[tuple[Any, ...]]:
    con = scan(*_HELD, *records)
    for stage in (partners, owners, contracts, facts, acceptances):
        stage.run(con)
    return rows(con, f"select {columns} from acceptance_facts order by acceptance_id")


def _acceptance(subject_id: str = "nothing", *, acceptance_id: str = "A-1", **fields: Any) -> Acceptance:
    return Acceptance(acceptance_id, "some-rule", subject_id, **fields)


def test_the_subject_says_whose_it_is_and_what_it_can_do() -> None:
    found = _accepted(
        key(),
        _acceptance(role_id("sync"), acceptance_id="A-1"),
        _acceptance(_KEY, acceptance_id="A-2"),
        _acceptance("P-1", acceptance_id="A-3"),
        columns="acceptance_id, tenant_id, subject_name, partner_id, partner_name",
    )
    assert found == [
        ("A-1", "register:main", "sync", "P-1", "Nordwind GmbH"),
        ("A-2", "register:main", "access_key k1", "P-1", "Nordwind GmbH"),
        ("A-3", "register:main", "Nordwind GmbH", "P-1", "Nordwind GmbH"),
    ]


def test_what_is_not_in_the_inventory_has_the_partner_of_the_register() -> None:
    found = _accepted(
        _acceptance(acceptance_id="A-1", partner_id="P-1"),
        _acceptance(acceptance_id="A-2"),
        columns="subject_name, partner_id",
    )
    assert found == [(None, "P-1"), (None, None)]


def test_people_are_found_by_name_and_by_former_address() -> None:
    found = _accepted(
        _DANA,
        PersonMail("dana@acme.example", "droe@old.example"),
        _acceptance(approved_by="Dana Roe", requested_by="Dana Roe <droe@old.example>"),
        columns="approved_by, requested_by, owner_mail, approver_status, approver_side, approver_can_approve",
    )
    assert found == [
        ("dana@acme.example", "dana@acme.example", "dana@acme.example", "active", "ours", "low;high"),
    ]


def test_an_approver_nobody_knows_is_unknown_and_may_accept_nothing() -> None:
    found = _accepted(
        _acceptance(approved_by="max@acme.example"), columns="approved_by, approver_status, approver_can_approve"
    )
    assert found == [("max@acme.example", "unknown", None)]


def test_blanks_approve_and_explain_nothing() -> None:
    found = _accepted(
        _acceptance(approved_by=" ", reason=" ", compensating_control=""),
        columns="approved_by, approver_status, has_reason, has_control",
    )
    assert found == [(None, None, False, False)]


def test_the_last_day_counts_in_full_and_the_run_is_counted_in_days() -> None:
    found = _accepted(
        _acceptance(approved_at=datetime(2026, 1, 1, 17, tzinfo=UTC), expires_at=date(2026, 1, 31)),
        _acceptance(acceptance_id="A-2", expires_at=date(2026, 1, 31)),
        columns="expires_at, runs_days",
    )
    assert found == [(datetime(2026, 2, 1), 30), (datetime(2026, 2, 1), None)]


def test_one_id_is_one_acceptance() -> None:
    found = _accepted(
        _acceptance(register_row="acceptances.csv:2", reason="first"),
        _acceptance(register_row="acceptances.csv:3"),
        columns="acceptance_id, has_reason",
    )
    assert found == [("A-1", True)]
