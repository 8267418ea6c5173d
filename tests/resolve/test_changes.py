from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from nhiscan.model import Credential, Record, Request, Review, Use
from nhiscan.resolve import changes, contracts, facts, owners, partners
from tests.resolve.register_estate import NORDWIND, account_alias, role, role_id, rows, scan, tenant, trust

_N = "333333333333"
_CHANGED = datetime(2026, 1, 10, 12, tzinfo=UTC)
_NEXT = datetime(2026, 1, 12, tzinfo=UTC)


def _change(target: str | None = role_id("sync"), *, outcome: str = "success", kind: str = "role_change") -> Use:
    return Use(
        "e1", "aws", tenant(), _CHANGED, kind, "AttachRolePolicy", outcome, target=target, identity_id=role_id("admin")
    )


def _found(*records: Record, columns: str = "request_id, request_days") -> list[Any]:
    con = scan(NORDWIND, role(), account_alias("P-1", _N), trust(_N), *records)
    for stage in (partners, owners, contracts, facts, changes):
        stage.run(con)
    return rows(con, f"select {columns} from change_facts")


def test_a_change_is_told_by_its_target_and_not_by_who_made_it() -> None:
    assert _found(_change(), columns="identity_id, partner_id, actor_id") == [
        (role_id("sync"), "P-1", role_id("admin"))
    ]
    assert _found(_change("AROA-sync"), columns="identity_id") == [(role_id("sync"),)]
    assert _found(_change(None)) == []
    assert _found(_change(role_id("elsewhere"))) == []


def test_a_change_of_a_credential_is_one_of_its_identity() -> None:
    key = Credential(
        f"{tenant()}:access_key/k1",
        role_id("sync"),
        provider="aws",
        tenant_id=tenant(),
        kind="access_key",
        native_id="k1",
        status="active",
        is_replaceable=True,
    )
    assert _found(key, _change(key.credential_id, kind="credential_change"), columns="identity_id") == [
        (role_id("sync"),)
    ]


def test_what_was_refused_or_is_a_revocation_is_no_change() -> None:
    assert _found(_change(outcome="failure")) == []
    assert _found(_change(kind="revocation")) == []


def test_the_nearest_approved_request_that_names_the_identity_answers_for_it() -> None:
    near = Request("R-1", "P-1", "sync", approved_at=_NEXT)
    far = Request("R-2", "P-1", role_id("sync"), approved_at=datetime(2025, 12, 1, tzinfo=UTC))
    assert _found(_change(), far, near) == [("R-1", 2)]


def test_a_request_that_was_refused_or_is_another_partners_answers_for_nothing() -> None:
    refused = Request("R-1", "P-1", "sync", approved_at=_NEXT, outcome="Rejected")
    foreign = Request("R-2", "P-2", "sync", approved_at=_NEXT)
    unapproved = Request("R-3", "P-1", "sync", requested_at=_NEXT)
    assert _found(_change(), refused, foreign, unapproved) == [(None, None)]


def test_a_request_without_an_identity_is_kept_apart() -> None:
    loose = Request("R-1", "P-1", approved_at=_NEXT)
    columns = "request_id, loose_request_id, loose_request_days"
    assert _found(_change(), loose, columns=columns) == [(None, "R-1", 2)]


def test_a_review_answers_for_what_changed_before_it() -> None:
    before = Review("V-0", "access", "P-1", completed_at=datetime(2026, 1, 9, tzinfo=UTC))
    after = Review("V-1", "access", "P-1", completed_at=_NEXT)
    other = Review("V-2", "secrets", "P-1", completed_at=_CHANGED)
    assert _found(_change(), before, after, other, columns="review_id, review_days") == [("V-1", 2)]
