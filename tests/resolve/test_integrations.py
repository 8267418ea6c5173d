from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from nhiscan.model import (
    Alias,
    Grant,
    IdentityMapping,
    OrgNode,
    Partner,
    Record,
    Resource,
    Sign,
    Tenant,
    Trust,
    TrustCondition,
)
from nhiscan.resolve import contracts, facts, integrations, owners, partners
from tests.resolve.crm_estate import Crm
from tests.resolve.register_estate import (
    AS_OF,
    NORDWIND,
    A,
    B,
    account_alias,
    covered,
    oidc_trust,
    role,
    role_id,
    rows,
    scan,
    tenant,
    trust,
)

_N = "333333333333"
_S = "444444444444"
_KESTREL = Partner("P-2", "Kestrel")
_ENTRA = "0f5b7c1e-2d3a-4b4c-8d5e-6f708192a3b4"


def _found(*records: Record | Iterable[Record], columns: str = "name, partner_id, claims", **more: Any) -> list[Any]:
    con = scan(NORDWIND, *records, **more)
    for stage in (partners, owners, contracts, facts, integrations):
        stage.run(con)
    return rows(con, f"select {columns} from integration_facts order by integration_id")


def _trusting(*records: Record, **more: Any) -> list[Any]:
    return _found(role(), trust(_N), *records, **more)


def _token(name: str, value: str, *, operator: str = "StringEquals") -> TrustCondition:
    return TrustCondition(
        f"{role_id('sync')}<-oidc", operator=operator, name=f"token.actions.example:{name}", value=value
    )


def _app(*records: Record, columns: str = "name, partner_id, claims", **more: Any) -> list[Any]:
    return _found(role(), oidc_trust(), *records, columns=columns, **more)


def _grant(number: int, account: str | None, principal_kind: str = "account", ours: str = A) -> list[Record]:
    bucket = f"{tenant(ours)}:bucket/b{number}"
    return [
        Resource(bucket, "aws", tenant(ours), kind="bucket", name=f"b{number}", native_id=f"arn:aws:s3:::b{number}"),
        Grant(
            f"{bucket}#1",
            "aws",
            tenant(ours),
            principal_kind=principal_kind,
            principal=account or "*",
            permission="s3:GetObject",
            resource_id=bucket,
            account=account,
        ),
    ]


# accounts


def test_an_outside_account_is_its_one_holders() -> None:
    assert _trusting() == [(_N, None, 0)]
    assert _trusting(account_alias("P-1", _N)) == [(_N, "P-1", 1)]
    assert _trusting(account_alias("P-1", _N), _KESTREL, account_alias("P-2", _N)) == [(_N, None, 2)]


def test_an_account_that_a_partner_shares_is_claimed_and_nobodys() -> None:
    assert _trusting(replace(account_alias("P-1", _N), exclusive=False)) == [(_N, None, 1)]


def test_an_alias_of_a_partner_that_the_register_does_not_hold_claims_nothing() -> None:
    assert _trusting(account_alias("P-9", _N)) == [(_N, None, 0)]


def test_an_account_is_known_as_spreadsheets_write_it() -> None:
    eaten = _found(role(), trust("012345678901"), account_alias("P-1", "1234-5678-901"))
    assert eaten == [("012345678901", "P-1", 1)]


@pytest.mark.parametrize(
    ("valid", "holder", "claims"),
    [
        ({"valid_to": date(2026, 1, 31)}, "P-1", 1),
        ({"valid_to": date(2026, 1, 30)}, None, 0),
        ({"valid_from": date(2026, 1, 31)}, "P-1", 1),
        ({"valid_from": date(2026, 2, 1)}, None, 0),
    ],
)
def test_an_account_that_changes_hands_is_its_holders_of_the_day(
    valid: dict[str, Any], holder: str | None, claims: int
) -> None:
    assert _trusting(replace(account_alias("P-1", _N), **valid)) == [(_N, holder, claims)]


def test_an_account_that_is_ours_or_was_scanned_is_not_outside() -> None:
    assert _trusting(company=[("aws_account", _N, "prod")]) == []
    assert _trusting(Tenant(f"aws:{_N}", "aws")) == []
    assert _found(role(), trust(B)) == []


def test_an_account_of_our_organization_is_outside_only_when_a_partner_claims_it() -> None:
    member = OrgNode("aws:o-1:org_node/n", f"aws:{_N}", kind="account", name="member")
    assert _trusting(member) == []
    assert _trusting(member, account_alias("P-1", _N)) == [(_N, "P-1", 1)]


def test_an_account_counts_once_in_each_tenant_and_an_alias_where_it_is_valid() -> None:
    both = _found(
        role(),
        role(account=B),
        trust(_N),
        trust(_N, ours=B),
        account_alias("P-1", _N, our_tenant=B),
        columns="integration_id, tenant_id, kind, name, partner_id",
    )
    assert both == [
        (f"aws:{A}:account/{_N}", tenant(A), "account", _N, None),
        (f"aws:{B}:account/{_N}", tenant(B), "account", _N, "P-1"),
    ]


def test_roles_and_resources_that_let_an_account_in_are_counted() -> None:
    found = _found(
        role(),
        role("other"),
        trust(_N),
        trust(_N, on="other"),
        *_grant(1, _N),
        *_grant(2, _N, "identity"),
        *_grant(3, _S, "any"),
        columns="name, trusts, grants",
    )
    assert found == [(_N, 2, 2), (_S, 0, 1)]


def test_anybody_a_service_and_our_own_account_are_no_outside_account() -> None:
    assert _found(*_grant(1, None, "any"), *_grant(2, _N, "service"), *_grant(3, B)) == []


def test_the_level_is_the_highest_of_the_identities_that_it_may_become() -> None:
    con = scan(NORDWIND, role(), role("other"), trust(_N), trust(_N, on="other"), covered("policies"))
    con.execute(
        "insert into privileges by name select identity_key, 'read-data' as verb, 'definite' as certainty, "
        "case name when 'other' then 3 else 1 end as level from identities"
    )
    for stage in (partners, owners, contracts, facts, integrations):
        stage.run(con)
    assert rows(con, "select level from integration_facts") == [(3,)]


# apps


def test_an_issuer_is_an_app_unless_it_is_ours() -> None:
    assert _app(columns="kind, name") == [("app", "token.actions.example")]
    assert _app(company=[("oidc_issuer", "https://Token.actions.example/", None)]) == []


def test_sign_on_of_roles_that_the_provider_made_is_no_app() -> None:
    assert _found(role(is_provider_owned=True), oidc_trust()) == []


def test_an_app_is_told_by_the_client_that_tokens_are_for() -> None:
    client = Alias("P-1", "client_id", "0oa4711")
    assert _app(_token("aud", "0oa4711"), client) == [("0oa4711", "P-1", 1)]
    assert _app(_token("aud", "sts.amazonaws.com"), client) == [("token.actions.example", None, 0)]


def test_an_app_is_told_by_the_organisation_in_the_subject() -> None:
    found = _app(
        _token("aud", "sts.amazonaws.com"),
        _token("sub", "repo:Nordwind-IT/feed:ref:refs/heads/main"),
        _token("sub", "repo:other/feed:*", operator="StringLike"),
        Alias("P-1", "github_org", "nordwind-it"),
    )
    assert found == [("token.actions.example/nordwind-it", "P-1", 1), ("token.actions.example/other", None, 0)]


@pytest.mark.parametrize("subject", ["repo:*", "*", "repo:nordwind*/feed"])
def test_a_subject_without_a_whole_organisation_tells_nobody(subject: str) -> None:
    assert _app(_token("sub", subject, operator="StringLike")) == [("token.actions.example", None, 0)]


def test_what_a_subject_excludes_tells_nobody() -> None:
    excluded = _token("sub", "repo:nordwind-it/feed", operator="StringNotEquals")
    assert _app(excluded) == [("token.actions.example", None, 0)]


def test_an_entra_tenant_claims_its_issuer() -> None:
    theirs = oidc_trust(issuer=f"https://sts.windows.net/{_ENTRA.upper()}/")
    found = _found(role(), theirs, Alias("P-1", "entra_tenant", _ENTRA))
    assert found == [(f"sts.windows.net/{_ENTRA}", "P-1", 1)]


def test_a_service_is_no_integration() -> None:
    service = Trust(
        "t", role_id("sync"), tenant_id=tenant(), mechanism="service", principal_kind="service", principal="x.example"
    )
    assert _found(role(), service) == []


def test_a_decision_about_a_role_does_not_register_the_account_behind_it() -> None:
    decided = IdentityMapping(role_id("sync"), partner_id="P-1", decided_by="dana@acme.example", until=AS_OF.date())
    assert _trusting(decided) == [(_N, None, 0)]


# apps of a CRM


def _installed(*publishers: str, **fields: Any) -> tuple[Crm, str]:
    crm = Crm()
    app = crm.app("gridmap", ("api", "data"), **fields)
    crm.token(app, crm.identity("anna"))
    crm.add(*(Sign(app, kind="publisher", value=publisher) for publisher in publishers))
    return crm, app


def _let_in(crm: Crm) -> list[Any]:
    con = crm.resolve()
    con.execute("insert into company (kind, value) values ('mail_domain', 'acme.example')")
    integrations.run(con)
    return rows(con, "select name, partner_id, claims, trusts from integration_facts")


def test_an_app_whose_publisher_nobody_registered_is_claimed_by_nobody() -> None:
    crm, _ = _installed("gridmap.example")
    assert _let_in(crm) == [("gridmap", None, 0, 1)]


def test_an_app_is_its_publishers() -> None:
    crm, _ = _installed("gridmap.example")
    crm.add(Alias("P-1", "publisher", "gridmap.example"))
    assert _let_in(crm) == [("gridmap", "P-1", 1, 1)]


def test_an_app_that_two_partners_publish_is_nobodys() -> None:
    crm, _ = _installed("gridmap.example")
    crm.add(Alias("P-1", "publisher", "gridmap.example"), Alias("P-2", "publisher", "gridmap.example"))
    assert _let_in(crm) == [("gridmap", None, 2, 1)]


def test_an_app_without_a_publisher_may_be_ours() -> None:
    crm, _ = _installed()
    assert _let_in(crm) == [("gridmap", None, None, 1)]


def test_an_app_that_we_publish_ourselves_is_not_outside() -> None:
    crm, _ = _installed("Acme.example")
    assert _let_in(crm) == []


@pytest.mark.parametrize("fields", [{"is_provider_owned": True}, {"status": "disabled"}, {"is_installed": False}])
def test_an_app_of_the_provider_one_switched_off_and_one_removed_are_not_let_in(fields: dict[str, Any]) -> None:
    crm, _ = _installed("gridmap.example", **fields)
    assert _let_in(crm) == []
