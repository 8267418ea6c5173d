"""Who answers for stages, what was reviewed and renewed, and which access was asked for."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import duckdb
import pytest

from nhiscan.model import (
    Contract,
    ContractEvent,
    Grant,
    Ownership,
    Package,
    PackageAssignment,
    Person,
    Record,
    Request,
    Review,
)
from nhiscan.resolve import contracts, facts, governance, owners, partners
from tests.resolve.register_estate import (
    NORDWIND,
    SUEDLICHT,
    account_alias,
    covered,
    key,
    role,
    role_id,
    rows,
    scan,
    tenant,
    trust,
)

_N = "333333333333"
_KIM = Person("kim@acme.example", "Kim Lee", side="ours", status="active")
_MAX = Person("max@acme.example", "Max Ott", side="ours", status="left")


def _at(day: int, month: int = 1, year: int = 2026) -> datetime:
    return datetime(year, month, day, 12, tzinfo=UTC)


def _resolved(*records: Record | Iterable[Record]) -> duckdb.DuckDBPyConnection:
    con = scan(*records)
    for stage in (partners, owners, contracts, facts, governance):
        stage.run(con)
    return con


def _held(**fields: Any) -> tuple[Record, ...]:
    return (NORDWIND, role(**fields), trust(_N), account_alias("P-1", _N))


# Stages


def test_a_programmes_owner_answers_for_each_partner_beside_its_own() -> None:
    con = _resolved(
        NORDWIND,
        SUEDLICHT,
        _KIM,
        _MAX,
        Ownership("programme", "partner programme", "kim@acme.example", role="stage:offboarding"),
        Ownership("partner", "P-1", "max@acme.example", role="stage:offboarding"),
        Ownership("partner", "Südlicht AG", "kim@acme.example", role="stage:offboarding"),
        Ownership("partner", "P-1", "kim@acme.example", role="business"),
    )
    assert rows(con, "select * from stage_owners order by all") == [
        ("P-1", "offboarding", "kim@acme.example", "active", True),
        ("P-1", "offboarding", "max@acme.example", "left", False),
        ("P-2", "offboarding", "kim@acme.example", "active", False),
    ]


# Renewals

_YEAR = Contract("C-1", "P-1", kind="reseller", status="active", end_date=date(2026, 12, 31))


def _renewals(*records: Record) -> list[tuple[Any, ...]]:
    con = _resolved(NORDWIND, *records)
    return rows(con, "select renewed_at, is_automatic, review_id, review_age_days from contract_renewals order by all")


def test_the_newest_renewal_counts_and_not_one_to_come() -> None:
    events = [
        ContractEvent("C-1", "Renewed", occurred=date(2024, 6, 1)),
        ContractEvent("C-1", "renewal", done=date(2025, 6, 1)),
        ContractEvent("C-1", "renewed", occurred=date(2026, 6, 1)),
        ContractEvent("C-1", "amended", occurred=date(2026, 1, 1)),
    ]
    assert _renewals(_YEAR, *events) == [(datetime(2025, 6, 1), False, None, None)]


def test_a_contract_that_renewed_itself_did_so_the_day_after_its_last() -> None:
    renewing = replace(_YEAR, end_date=date(2025, 12, 31), auto_renew=True)
    assert _renewals(renewing) == [(datetime(2026, 1, 1), True, None, None)]


@pytest.mark.parametrize(
    "ended",
    [{"end_date": date(2025, 12, 31)}, {"status": "draft"}, {"terminated_on": date(2025, 9, 30)}, {"kind": "nda"}],
)
def test_only_contracts_in_force_that_grant_access_are_looked_at(ended: dict[str, Any]) -> None:
    assert _renewals(replace(_YEAR, **ended), ContractEvent("C-1", "renewed", occurred=date(2025, 1, 1))) == []


def test_the_newest_completed_review_of_access_is_counted_from_the_renewal() -> None:
    found = _renewals(
        _YEAR,
        ContractEvent("C-1", "renewed", occurred=date(2025, 6, 1)),
        Review("V-1", scope="access", partner_id="P-1", completed_at=_at(1, 1, 2025)),
        Review("V-2", scope="access", completed_at=_at(11, 6, 2025)),
        Review("V-3", scope="secrets", completed_at=_at(1, 12, 2025)),
        Review("V-4", scope="access", opened_at=_at(1, 12, 2025)),
        Review("V-5", scope="access", completed_at=_at(1, 12, 2026)),
    )
    assert found == [(datetime(2025, 6, 1), False, "V-2", -10)]


def test_a_review_of_another_partner_is_none() -> None:
    con = _resolved(
        NORDWIND,
        SUEDLICHT,
        _YEAR,
        ContractEvent("C-1", "renewed", occurred=date(2025, 6, 1)),
        Review("V-1", scope="access", partner_id="P-2", completed_at=_at(1)),
    )
    assert rows(con, "select partner_id, review_id from contract_renewals") == [("P-1", None)]


# Reviews


def _reviews(*records: Record | Iterable[Record]) -> list[tuple[Any, ...]]:
    con = _resolved(*records)
    return rows(con, "select scope, review_id, age_days, review_days from review_facts order by scope")


def test_scopes_apply_to_partners_that_hold_such_things() -> None:
    con = _resolved(
        *_held(),
        covered("policies", "credentials"),
        SUEDLICHT,
        key(),
        Grant(
            "g1",
            "aws",
            tenant(),
            principal_kind="identity",
            principal="sync",
            permission="delegate:manage_users",
            identity_id=role_id("sync"),
            source="delegation",
        ),
        Package("K-1", "Basic", review_days=90),
        Package("K-2", "More", review_days=30),
        PackageAssignment("P-1", "K-1"),
        PackageAssignment("P-1", "K-2"),
        PackageAssignment("P-1", "K-2", expires_at=date(2025, 1, 1)),
    )
    assert rows(con, "select partner_id, scope, review_days from review_facts order by all") == [
        ("P-1", "access", None),
        ("P-1", "delegated", None),
        ("P-1", "package", 30),
        ("P-1", "secrets", None),
    ]


def test_a_review_of_no_partner_covers_all_and_the_newest_counts() -> None:
    found = _reviews(
        *_held(),
        Review("V-1", scope="access", partner_id="P-1", completed_at=_at(1)),
        Review("V-2", scope="access", completed_at=_at(21)),
        Review("V-3", scope="access", completed_at=_at(1, 2)),
        Review("V-4", scope="access"),
        Review("V-5", scope="logs", completed_at=_at(30)),
    )
    assert found == [("access", "V-2", 10, None)]


def test_an_ended_partner_is_not_reviewed_any_more() -> None:
    ended = Contract("C-1", "P-1", kind="reseller", status="active", end_date=date(2025, 9, 30))
    assert _reviews(*_held(), ended) == []


# Requests

_FIRST = Request("R-0", requested_at=_at(1, 1, 2025))


def _changes(*records: Record | Iterable[Record], made: datetime | None = None) -> list[tuple[Any, ...]]:
    con = _resolved(*_held(created_at=made or _at(20), mail="sync@nordwind.example"), _FIRST, *records)
    return rows(con, "select what, request_id, problem, days_before from access_changes order by changed_at, what")


def _request(request_id: str = "R-1", **fields: Any) -> Request:
    values: dict[str, Any] = {
        "partner_id": "P-1",
        "channel": "workflow",
        "requested_by": "max@acme.example",
        "requested_at": _at(10),
        "approved_by": "kim@acme.example",
        "approved_at": _at(15),
    }
    return Request(request_id, **(values | fields))


def test_access_from_before_the_first_request_is_not_looked_at() -> None:
    assert _changes(made=_at(31, 12, 2024)) == []
    assert _changes(made=_at(2, 1, 2025)) == [("created", None, None, None)]


def test_each_change_of_a_partners_identity_is_looked_at() -> None:
    grant = Grant(
        "g1",
        "aws",
        tenant(),
        principal_kind="identity",
        principal="sync",
        permission="s3:GetObject",
        identity_id=role_id("sync"),
        granted_at=_at(22),
    )
    con = _resolved(*_held(created_at=_at(20), role_changed_at=_at(21)), _FIRST, grant)
    assert rows(con, "select what, changed_at from access_changes order by 2") == [
        ("created", datetime(2026, 1, 20, 12)),
        ("role changed", datetime(2026, 1, 21, 12)),
        ("right granted", datetime(2026, 1, 22, 12)),
    ]


def test_identities_of_nobody_are_not_looked_at() -> None:
    con = _resolved(NORDWIND, role(created_at=_at(20)), _FIRST)
    assert rows(con, "select * from access_changes") == []


@pytest.mark.parametrize("name", [role_id("sync"), "AROA-sync", "SYNC", "Sync@nordwind.example "])
def test_a_request_names_an_identity_by_id_native_id_name_or_mail(name: str) -> None:
    assert _changes(_request(identity=name)) == [("created", "R-1", None, 5)]


def test_a_request_of_no_identity_is_for_what_its_partner_gets_later() -> None:
    assert _changes(_request()) == [("created", "R-1", None, 5)]
    assert _changes(_request(approved_at=_at(20))) == [("created", "R-1", None, 0)]
    assert _changes(_request(approved_at=_at(21))) == [("created", None, None, None)]
    assert _changes(SUEDLICHT, _request(partner_id="P-2")) == [("created", None, None, None)]
    assert _changes(_request(partner_id=None)) == [("created", None, None, None)]


def test_a_request_that_names_the_identity_counts_afterwards_too() -> None:
    assert _changes(_request(identity="sync", approved_at=_at(25))) == [("created", "R-1", None, -5)]


def test_a_request_that_names_another_identity_or_partner_does_not_count() -> None:
    assert _changes(_request(identity="other")) == [("created", None, None, None)]
    assert _changes(SUEDLICHT, _request(identity="sync", partner_id="P-2")) == [("created", None, None, None)]
    assert _changes(_request(identity="sync", partner_id=None)) == [("created", "R-1", None, 5)]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"approved_by": None}, "nobody approved it"),
        ({"approved_by": " "}, "nobody approved it"),
        ({"outcome": "Rejected"}, "it was rejected"),
        ({"outcome": "denied"}, "it was denied"),
        ({"requested_by": "Kim Lee"}, "whoever asked approved it"),
        ({"outcome": "approved"}, None),
    ],
)
def test_only_an_approval_by_another_is_one(change: dict[str, Any], problem: str | None) -> None:
    assert _changes(_KIM, _request(**change)) == [("created", "R-1", problem, 5)]


def test_the_request_that_speaks_best_for_the_access_is_told() -> None:
    found = _changes(
        _request("R-1", approved_by=None, approved_at=_at(20)),
        _request("R-2", channel="email", approved_at=_at(19)),
        _request("R-3", approved_at=_at(12)),
        _request("R-4", approved_at=_at(16)),
    )
    assert found == [("created", "R-4", None, 4)]


# Facts of partners


@pytest.mark.parametrize(
    ("level", "data", "production", "tier"),
    [
        (None, None, None, "low"),
        (2, None, True, "low"),
        (2, True, None, "medium"),
        (3, None, True, "medium"),
        (3, True, True, "high"),
        (3, True, None, "high"),
        (4, True, None, "critical"),
        (4, None, True, "high"),
        (5, None, None, "critical"),
    ],
)
def test_a_partners_access_calls_for_a_risk_tier(
    level: int | None, data: bool | None, production: bool | None, tier: str
) -> None:
    # `sync` stands in an account that is production by itself
    partner = replace(NORDWIND, handles_customer_data=data, touches_production=production)
    con = scan(partner, role(), trust(_N), account_alias("P-1", _N), covered("policies", "credentials"))
    if level is not None:
        con.execute(
            "insert into privileges by name select identity_key, 'x' as verb, 'all' as scope, 'definite' as certainty, "
            "$level as level from identities",
            {"level": level},
        )
    for stage in (partners, owners, contracts, facts):
        stage.run(con)
    assert rows(con, "select has_access, computed_risk_tier from partner_facts") == [(True, tier)]


def test_a_partner_without_access_calls_for_no_tier() -> None:
    con = _resolved(NORDWIND)
    assert rows(con, "select computed_risk_tier, is_delegated_admin from partner_facts") == [(None, False)]
