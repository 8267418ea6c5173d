from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pytest

from nhiscan.model import (
    Contract,
    Identity,
    IdentityMapping,
    Incident,
    Ownership,
    Partner,
    Person,
    Record,
    Trust,
    TrustCondition,
    Use,
)
from nhiscan.resolve import contracts, facts, owners, partners
from tests.resolve.crm_estate import Crm
from tests.resolve.register_estate import (
    AS_OF,
    NORDWIND,
    SUEDLICHT,
    B,
    account_alias,
    covered,
    domain,
    key,
    oidc_trust,
    role,
    role_id,
    rows,
    scan,
    tag,
    tenant,
    trust,
)

_N = "333333333333"
_S = "444444444444"
_HELD = (NORDWIND, role(), trust(_N), account_alias("P-1", _N))
_READ = covered("policies", "credentials")
_ENDED = Contract("C-1", "P-1", kind="msp", status="active", end_date=date(2025, 9, 30), register_row="contracts.csv:2")
_AFTER = datetime(2025, 10, 1)


def _resolved(*records: Record | Iterable[Record], privileges: Iterable[tuple[Any, ...]] = (), **more: Any) -> Any:
    """Every stage of resolve but privileges, whose rows (verb, certainty, level, statement) are given for `sync`."""
    con = scan(*records, **more)
    for verb, certainty, level, statement in privileges:
        con.execute(
            """
            insert into privileges by name
            select identity_key, $verb as verb, 'all' as scope, $certainty as certainty, $level as level,
                $statement as statement
            from identities
            where name = 'sync'
            """,
            {"verb": verb, "certainty": certainty, "level": level, "statement": statement},
        )
    for stage in (partners, owners, contracts, facts):
        stage.run(con)
    return con


def _identity(con: duckdb.DuckDBPyConnection, columns: str, name: str = "sync") -> tuple[Any, ...]:
    [row] = rows(con, f"select {columns} from identity_facts where name = '{name}'")
    return row


def _credential(con: duckdb.DuckDBPyConnection, columns: str, native_id: str = "k1") -> tuple[Any, ...]:
    [row] = rows(con, f"select {columns} from credential_facts where native_id = '{native_id}'")
    return row


def _partner(con: duckdb.DuckDBPyConnection, columns: str, partner_id: str = "P-1") -> tuple[Any, ...]:
    [row] = rows(con, f"select {columns} from partner_facts where partner_id = '{partner_id}'")
    return row


# who can use it


def test_a_live_credential_gives_access() -> None:
    assert _identity(_resolved(role(), key(), _READ), "has_access, live_credentials") == (True, 1)


@pytest.mark.parametrize(
    "fields", [{"status": "inactive"}, {"expires_at": AS_OF}, {"expires_at": AS_OF - timedelta(days=1)}]
)
def test_a_dead_credential_gives_none(fields: dict[str, Any]) -> None:
    con = _resolved(role(), key(**fields), _READ)
    assert _identity(con, "has_access, live_credentials") == (False, 0)
    assert _credential(con, "is_live") == (False,)


def test_a_credential_lives_until_the_moment_it_expires() -> None:
    con = _resolved(role(), key(expires_at=AS_OF + timedelta(seconds=1)), _READ)
    assert _credential(con, "is_live") == (True,)


def test_nothing_of_a_disabled_identity_is_live() -> None:
    con = _resolved(role(status="disabled"), key(), trust(_N))
    assert _identity(con, "is_enabled, has_access, is_trusted_from_outside, live_credentials") == (
        False,
        False,
        True,
        0,
    )


def test_without_credentials_read_access_is_unknown_and_not_denied() -> None:
    assert _identity(_resolved(role(), covered("policies")), "has_access") == (None,)
    assert _identity(_resolved(role(), covered("credentials", status="denied")), "has_access") == (None,)


def test_a_licence_of_a_crm_gives_people_access_without_a_password_there() -> None:
    crm = Crm()
    crm.partner_user("ana")
    crm.partner_user("left", status="disabled")
    crm.identity("sync", "service_account", is_nhi=True, licence="integration")
    told = rows(crm.resolve(), "select name, has_access from identity_facts order by name")
    assert told == [("ana", True), ("left", False), ("sync", False)]


def test_a_user_of_hubspot_has_access_although_hubspot_names_no_licence() -> None:
    user = Identity("hubspot:1:user/7", "hubspot", "hubspot:1", "human_user", "ana", "7", is_nhi=False)
    left = replace(user, identity_id="hubspot:1:user/8", name="left", native_id="8", status="disabled")
    con = _resolved(user, left)
    assert (_identity(con, "has_access", "ana"), _identity(con, "has_access", "left")) == ((True,), (False,))


def test_a_trusted_outsider_gives_access_whatever_was_read() -> None:
    assert _identity(_resolved(role(), trust(_N)), "has_access, is_trusted_from_outside") == (True, True)


def test_our_own_account_is_not_outside() -> None:
    assert _identity(_resolved(role(), trust(B), _READ), "has_access, is_trusted_from_outside") == (False, False)


def test_an_issuer_is_outside_unless_the_company_names_it() -> None:
    ours = [("oidc_issuer", "https://token.actions.example/", None)]
    assert _identity(_resolved(role(), oidc_trust()), "is_trusted_from_outside") == (True,)
    assert _identity(_resolved(role(), oidc_trust(), company=ours), "is_trusted_from_outside") == (False,)


def test_a_partners_role_on_an_issuer_that_we_use_too_stays_outside() -> None:
    ours = [("oidc_issuer", "https://token.actions.example/", None)]
    theirs = IdentityMapping(role_id("sync"), partner_id="P-1", decided_by="dana@acme.example")
    con = _resolved(role(), oidc_trust(), NORDWIND, theirs, company=ours)
    assert _identity(con, "is_trusted_from_outside") == (True,)


@pytest.mark.parametrize("kind", ["kubernetes", "cert"])
def test_what_a_cluster_or_authority_of_ours_lets_in_is_outside_where_it_is_a_partners(kind: str) -> None:
    let_in = replace(oidc_trust(), mechanism=kind, principal_kind=kind)
    theirs = IdentityMapping(role_id("sync"), partner_id="P-1", decided_by="dana@acme.example")
    assert _identity(_resolved(role(), let_in), "is_trusted_from_outside") == (False,)
    con = _resolved(role(), let_in, NORDWIND, theirs)
    assert _identity(con, "is_trusted_from_outside, has_access") == (True, True)


def _anybody(narrowed_by: str | None) -> Trust:
    return Trust(
        "t*",
        role_id("sync"),
        tenant_id=tenant(),
        mechanism="assume_role",
        principal_kind="any",
        principal="*",
        narrowed_by=narrowed_by,
    )


def _narrowed_to(account: str) -> TrustCondition:
    return TrustCondition("t*", operator="StringEquals", name="aws:PrincipalAccount", value=account)


def test_everybody_is_outside_unless_narrowed() -> None:
    assert _identity(_resolved(role(), _anybody(None)), "is_trusted_from_outside") == (True,)
    assert _identity(_resolved(role(), _anybody("organization")), "is_trusted_from_outside") == (False,)


def test_everybody_narrowed_to_an_account_is_as_outside_as_that_account() -> None:
    inside = _resolved(role(), _anybody("account"), _narrowed_to(B))
    assert _identity(inside, "is_trusted_from_outside") == (False,)
    outside = _resolved(NORDWIND, account_alias("P-1", _N), role(), _anybody("account"), _narrowed_to(_N))
    assert _identity(outside, "is_trusted_from_outside, partner_id") == (True, "P-1")


def test_everybody_of_the_account_that_the_trust_names_is_as_outside_as_that_account() -> None:
    inside = _resolved(role(), replace(_anybody("aws:PrincipalArn"), account=B))
    assert _identity(inside, "is_trusted_from_outside") == (False,)
    outside = _resolved(NORDWIND, account_alias("P-1", _N), role(), replace(_anybody("aws:PrincipalArn"), account=_N))
    assert _identity(outside, "is_trusted_from_outside, partner_id") == (True, "P-1")


def test_sign_on_of_roles_that_the_provider_made_is_ours() -> None:
    con = _resolved(role(is_provider_owned=True), oidc_trust())
    assert _identity(con, "is_trusted_from_outside, is_partner_related") == (False, False)


def test_a_service_is_not_an_outsider() -> None:
    service = Trust(
        "t", role_id("sync"), tenant_id=tenant(), mechanism="service", principal_kind="service", principal="x.example"
    )
    assert _identity(_resolved(role(), service, _READ), "has_access") == (False,)


# what it can do


@pytest.mark.parametrize(
    ("privileges", "expected"),
    [
        ([], (0, 0, False)),
        ([("read-data", "definite", 3, "s")], (3, 3, False)),
        ([("read-data", "definite", 3, "s"), ("admin", "definite", 5, "s")], (5, 5, True)),
        ([("read-data", "definite", 3, "s"), ("admin", "conditional", 5, "s")], (3, 5, None)),
        ([("admin", "potential", 5, "s")], (0, 5, None)),
        ([("read-data", "definite", 3, "s"), ("unknown", "potential", None, "s")], (3, None, False)),
        ([("unknown", "definite", None, "s")], (None, None, False)),
        ([("unknown", "potential", None, None)], (0, None, None)),
        ([("admin", "definite", 5, "s"), ("unknown", "potential", None, None)], (5, 5, True)),
        ([("escalate", "definite", 5, "s")], (5, 5, False)),
    ],
)
def test_levels_tell_what_is_sure_from_what_cannot_be_ruled_out(
    privileges: list[tuple[Any, ...]], expected: tuple[Any, ...]
) -> None:
    assert _identity(_resolved(role(), _READ, privileges=privileges), "level, level_high, is_admin") == expected


@pytest.mark.parametrize("status", ["partial", "denied", "failed"])
def test_without_policies_read_nothing_is_said_about_levels(status: str) -> None:
    con = _resolved(role(), covered("policies", status=status), privileges=[("admin", "definite", 5, "s")])
    assert _identity(con, "level, level_high, is_admin") == (None, None, None)


def test_the_evidence_of_an_administrator_is_the_statement_that_makes_one() -> None:
    con = _resolved(
        role(), _READ, privileges=[("admin", "conditional", 5, "weak"), ("admin", "definite", 5, "Allow * on *")]
    )
    assert _identity(con, "admin_evidence") == ("Allow * on *",)


def test_the_next_step_to_an_administrator_is_named() -> None:
    con = _resolved(role(), role("boss"), _READ)
    con.execute(
        """
        insert into reach
        select a.identity_key, 'admin', 'definite', 1, b.identity_key
        from identities a
        join identities b on b.name = 'boss'
        where a.name = 'sync'
        """
    )
    facts.run(con)
    assert _identity(con, "admin_hops, admin_next_id") == (1, role_id("boss"))
    assert _identity(con, "admin_hops, admin_next_id", "boss") == (None, None)


# when it was used


def test_the_last_use_is_the_newest_of_identity_and_credentials() -> None:
    used, later = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 5, tzinfo=UTC)
    con = _resolved(role(last_used_at=used, last_used_known=True), key(last_used_at=later, last_used_known=True))
    assert _identity(con, "last_used_at, idle_since") == (datetime(2026, 1, 5), datetime(2026, 1, 5))


def test_never_used_is_idle_since_creation_and_unknown_use_is_not_idle() -> None:
    made = datetime(2025, 1, 1, tzinfo=UTC)
    con = _resolved(
        role(created_at=made, last_used_known=True),
        role("other", created_at=made),
        key(created_at=made, last_used_known=True),
        key("k2", on="other", created_at=made),
    )
    assert _identity(con, "idle_since") == (datetime(2025, 1, 1),)
    assert _identity(con, "idle_since", "other") == (None,)
    assert _credential(con, "idle_since, age_days") == (datetime(2025, 1, 1), 395)
    assert _credential(con, "idle_since", "k2") == (None,)


def test_console_use_is_that_of_the_password() -> None:
    used = datetime(2026, 1, 1, tzinfo=UTC)
    con = _resolved(
        role(), role("other"), key(kind="password", last_used_at=used, last_used_known=True), key("k2", on="other")
    )
    assert _identity(con, "console_last_used_at, console_last_used_known") == (datetime(2026, 1, 1), True)
    assert _identity(con, "console_last_used_at, console_last_used_known", "other") == (None, False)


def test_a_use_after_the_end_of_the_contract_is_dated() -> None:
    con = _resolved(*_HELD, _ENDED, key(last_used_at=datetime(2026, 1, 2, tzinfo=UTC), last_used_known=True))
    assert _identity(con, "use_after_end_at, contract_is_ended, contract_ended_at, contract_row") == (
        datetime(2026, 1, 2),
        True,
        _AFTER,
        "contracts.csv:2",
    )
    assert _credential(con, "contract_is_ended, partner_name") == (True, "Nordwind GmbH")


@pytest.mark.parametrize("used", [datetime(2025, 9, 30, 23, tzinfo=UTC), datetime(2025, 10, 1, tzinfo=UTC), None])
def test_a_use_until_the_end_of_the_contract_is_none_after_it(used: datetime | None) -> None:
    con = _resolved(*_HELD, _ENDED, key(last_used_at=used, last_used_known=True))
    assert _identity(con, "use_after_end_at") == (None,)


# several keys


def test_a_newer_live_key_of_the_same_kind_is_seen() -> None:
    old, new = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC)
    con = _resolved(
        role(), key("k1", created_at=old), key("k2", created_at=new), key("k3", created_at=AS_OF, status="inactive")
    )
    assert _credential(con, "newer_live_at, live_of_kind", "k1") == (datetime(2025, 6, 1), 2)
    assert _credential(con, "newer_live_at, live_of_kind", "k2") == (None, 2)


def test_a_password_is_not_a_newer_key() -> None:
    old, new = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC)
    con = _resolved(role(), key("k1", created_at=old), key("k2", created_at=new, kind="password"))
    assert _credential(con, "newer_live_at, live_of_kind") == (None, 1)


def test_a_password_for_another_service_is_no_successor() -> None:
    old, new = datetime(2025, 1, 1, tzinfo=UTC), datetime(2025, 6, 1, tzinfo=UTC)
    made = [
        key("k1", kind="app_password", service="codecommit.amazonaws.com", created_at=old),
        key("k2", kind="app_password", service="cassandra.amazonaws.com", created_at=new),
    ]
    assert _credential(_resolved(role(), *made), "newer_live_at, live_of_kind") == (None, 1)
    same = [*made, key("k3", kind="app_password", service="codecommit.amazonaws.com", created_at=new)]
    assert _credential(_resolved(role(), *same), "newer_live_at, live_of_kind") == (datetime(2025, 6, 1), 2)


# environment and purpose


def test_the_environment_is_decided_tagged_or_that_of_the_account() -> None:
    con = _resolved(
        role("decided", environment="test"),
        role("tagged", environment="test"),
        role("plain"),
        role("dev", B),
        Identity("crm:x:app/a", "crm", "crm:x", "app", "app", "a", True),
        IdentityMapping("decided", environment="staging", purpose="nightly sync"),
        company=[("tenant", "crm:x", "prod")],
    )
    found = rows(con, "select name, environment from identity_facts order by name")
    assert found == [("app", "prod"), ("decided", "staging"), ("dev", "dev"), ("plain", "prod"), ("tagged", "test")]
    assert _identity(con, "purpose", "decided") == ("nightly sync",)


def test_the_more_precise_decision_about_the_environment_wins() -> None:
    con = _resolved(role(), IdentityMapping("sy*", environment="dev"), IdentityMapping("sync", environment="test"))
    assert _identity(con, "environment") == ("test",)


# partner and owner of an identity


def test_the_operator_stands_before_the_beneficiary() -> None:
    con = _resolved(*_HELD, SUEDLICHT, tag("partner", "Suedlicht"))
    assert _identity(con, "partner_id, partner_role, partner_count") == ("P-1", "operator", 2)


def test_of_two_operators_the_ended_one_stands_first() -> None:
    con = _resolved(
        *_HELD,
        SUEDLICHT,
        trust(_S),
        account_alias("P-2", _S),
        Contract("C-2", "P-2", status="terminated"),
        Contract("C-1", "P-1"),
    )
    assert _identity(con, "partner_id, contract_is_ended, contract_ended_at, partner_count") == ("P-2", True, None, 2)


def test_disputed_and_suggested_identities_concern_partners_without_having_one() -> None:
    con = _resolved(
        NORDWIND,
        SUEDLICHT,
        role("nordwind-x"),
        role("plain"),
        role("a", mail="bot@x.example"),
        domain("P-1", "x.example"),
        domain("P-2", "x.example"),
    )
    found = rows(
        con, "select name, partner_id, is_partner_related, is_partner_disputed from identity_facts order by name"
    )
    assert found == [("a", None, True, True), ("nordwind-x", None, True, False), ("plain", None, False, False)]


def test_an_active_owner_stands_before_one_who_left_and_the_one_who_left_is_kept() -> None:
    con = _resolved(
        role(),
        Ownership("identity", "sync", "ann@acme.example", role="business"),
        Ownership("identity", "sync", "jo@acme.example", role="business"),
        Person("ann@acme.example", side="ours", left_on=date(2025, 12, 1)),
        Person("jo@acme.example", side="ours"),
    )
    columns = "owner_mail, owner_status, active_owners, departed_owner_mail, departed_owner_left_on"
    assert _identity(con, columns) == ("jo@acme.example", "active", 1, "ann@acme.example", datetime(2025, 12, 1))


def test_an_owner_who_left_on_an_unknown_day_is_shown_without_a_day() -> None:
    con = _resolved(role(), tag("owner", "ann@acme.example"), Person("ann@acme.example", side="ours", status="left"))
    columns = "owner_mail, owner_status, owner_left_on, active_owners, departed_owner_mail, departed_owner_left_on"
    assert _identity(con, columns) == ("ann@acme.example", "left", None, 0, "ann@acme.example", None)


def test_an_owner_whom_nobody_lists_counts_as_not_having_left() -> None:
    assert _identity(_resolved(role(), tag("owner", "x@acme.example")), "owner_status, active_owners") == ("unknown", 1)


def test_a_suggested_owner_is_no_owner() -> None:
    assert _identity(_resolved(role(), tag("creator", "x@acme.example")), "owner_mail, active_owners") == (None, 0)


@pytest.mark.parametrize("kind", ["group", "entity"])
def test_what_only_groups_others_has_no_facts(kind: str) -> None:
    assert rows(_resolved(role("admins", kind=kind)), "select * from identity_facts") == []


# risk


@pytest.mark.parametrize(
    ("risk_tier", "criticality", "expected"),
    [("low", "High", 0.8), ("medium", None, 0.55), (None, "critical", 1.0), ("low", "low", 0.3), (None, None, None)],
)
def test_the_risk_of_a_partner_is_the_higher_of_its_tiers(
    risk_tier: str | None, criticality: str | None, expected: float | None
) -> None:
    partner = Partner("P-1", "Nordwind GmbH", risk_tier=risk_tier, criticality=criticality)
    con = _resolved(partner, *_HELD[1:])
    assert _partner(con, "risk") == (expected,)
    assert _identity(con, "partner_risk") == (expected,)


@pytest.mark.parametrize(("tier", "expected"), [("low", 0.8), ("critical", 1.0), (None, 0.8)])
def test_an_ended_contract_or_open_incident_raises_the_risk(tier: str | None, expected: float) -> None:
    held = (Partner("P-1", "Nordwind GmbH", risk_tier=tier), *_HELD[1:])
    assert _identity(_resolved(*held, _ENDED), "partner_risk") == (expected,)
    assert _identity(_resolved(*held, Incident("I-1", "P-1")), "partner_risk") == (expected,)


def test_an_incident_that_is_closed_or_still_ahead_raises_nothing() -> None:
    held = (Partner("P-1", "Nordwind GmbH", risk_tier="low"), *_HELD[1:])
    past = Incident("I-1", "P-1", closed_at=AS_OF)
    ahead = Incident("I-2", "P-1", opened_at=AS_OF + timedelta(days=1))
    assert _identity(_resolved(*held, past, ahead), "partner_risk") == (0.3,)


# partners


def test_a_partner_sums_up_what_it_holds() -> None:
    con = _resolved(
        *_HELD,
        role("dev", B),
        trust(_N, on="dev", ours=B),
        key(last_used_at=datetime(2026, 1, 2, tzinfo=UTC)),
        _READ,
        covered("policies", account=B),
        privileges=[("read-data", "definite", 3, "s")],
    )
    columns = "identities, live_credentials, has_access, level, last_used_at, touches_production"
    assert _partner(con, columns) == (2, 1, True, 3, datetime(2026, 1, 2), True)


def test_a_partner_without_identities_has_no_access() -> None:
    columns = "identities, has_access, level, touches_production, contracts"
    assert _partner(_resolved(NORDWIND), columns) == (0, False, None, False, 0)


def test_access_of_a_partner_is_unknown_while_an_identity_is_disputed() -> None:
    con = _resolved(NORDWIND, SUEDLICHT, role(), trust(_N), account_alias("P-1", _N), account_alias("P-2", _N))
    assert _partner(con, "has_access, identities") == (None, 0)


def test_production_is_unknown_where_an_environment_is() -> None:
    elsewhere = Identity("crm:x:app/a", "crm", "crm:x", "app", "a", "a", True)
    con = _resolved(NORDWIND, elsewhere, IdentityMapping("a", partner_id="P-1"))
    assert _partner(con, "touches_production") == (None,)


def test_a_partner_is_ended_only_when_ended_in_every_tenant() -> None:
    held = (*_HELD, role("there", B), trust(_N, on="there", ours=B))
    here_only = _resolved(*held, _ENDED, Contract("C-2", "P-1", status="active"))
    assert _partner(here_only, "is_ended, ended_at") == (False, None)
    assert _partner(_resolved(*held, _ENDED), "is_ended, ended_at") == (True, _AFTER)


def test_a_partner_without_identities_is_ended_by_its_contracts_alone() -> None:
    assert _partner(_resolved(NORDWIND, _ENDED), "is_ended, ended_at") == (True, _AFTER)
    assert _partner(_resolved(NORDWIND, _ENDED, Contract("C-2", "P-1")), "is_ended, contracts_in_force") == (False, 1)


def test_drafts_alone_are_told_from_contracts() -> None:
    draft = Contract("C-1", "P-1", kind="msp", status="draft")
    assert _partner(_resolved(NORDWIND, draft), "contracts, contracts_in_force, has_draft_only") == (1, 0, True)
    both = _resolved(NORDWIND, draft, Contract("C-2", "P-1", status="active"))
    assert _partner(both, "contracts, contracts_in_force, has_draft_only") == (2, 1, False)


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, True),
        ({"auto_renew": True}, False),
        ({"end_date": date(2026, 12, 31)}, False),
        ({"status": "draft"}, False),
        ({"kind": "nda"}, False),
    ],
)
def test_an_end_is_missing_where_a_contract_in_force_neither_ends_nor_renews(
    fields: dict[str, Any], expected: bool
) -> None:
    contract = Contract("C-1", "P-1", **({"kind": "msp", "status": "active"} | fields))
    assert _partner(_resolved(NORDWIND, contract), "is_end_missing") == (expected,)


@pytest.mark.parametrize(
    ("terms", "expected"),
    [
        ([True, True], True),
        ([True, False], False),
        ([None, False], False),
        ([True, None], None),
        ([], None),
    ],
)
def test_security_terms_are_those_of_all_contracts_in_force(terms: list[bool | None], expected: bool | None) -> None:
    records = [Contract(f"C-{i}", "P-1", security_terms=term) for i, term in enumerate(terms)]
    past = Contract("C-9", "P-1", end_date=date(2020, 1, 1), security_terms=False)
    assert _partner(_resolved(NORDWIND, records, past), "security_terms") == (expected,)


def test_an_unconfirmed_renewal_shows_at_the_partner() -> None:
    renewing = Contract("C-1", "P-1", end_date=date(2025, 1, 1), auto_renew=True)
    assert _partner(_resolved(NORDWIND, renewing), "is_renewal_unconfirmed, is_ended") == (True, False)


def test_the_business_owner_of_a_partner_has_a_status() -> None:
    partner = Partner("P-1", "Nordwind", business_owner="Jo@acme.example")
    gone = Person("jo@acme.example", side="ours", left_on=date(2025, 12, 1))
    columns = "business_owner, business_owner_status, business_owner_left_on"
    assert _partner(_resolved(partner, gone), columns) == ("jo@acme.example", "left", datetime(2025, 12, 1))
    assert _partner(_resolved(partner), columns) == ("jo@acme.example", "unknown", None)
    assert _partner(_resolved(NORDWIND), columns) == (None, None, None)


def test_an_active_business_owner_stands_before_one_who_left() -> None:
    con = _resolved(
        Partner("P-1", "Nordwind", business_owner="ann@acme.example"),
        Ownership("partner", "Nordwind", "jo@acme.example", role="business"),
        Person("ann@acme.example", side="ours", status="left"),
        Person("jo@acme.example", side="ours"),
    )
    assert _partner(con, "business_owner, business_owner_status") == ("jo@acme.example", "active")


def test_a_partner_listed_twice_has_one_row() -> None:
    con = _resolved(NORDWIND, Partner("P-1", "Nordwind Old", register_row="old.csv:9"))
    assert rows(con, "select count(*) from partner_facts") == [(1,)]


# what was taken away

_KEY = f"{tenant()}:access_key/k1"
_TAKEN = datetime(2026, 1, 10, tzinfo=UTC)


def _event(minutes: int, kind: str, **fields: Any) -> Use:
    values: dict[str, Any] = {"action": "UpdateAccessKey", "outcome": "success"} | fields
    at = _TAKEN + timedelta(minutes=minutes)
    return Use(f"{kind}-{minutes}", "aws", tenant(), occurred_at=at, kind=kind, **values)


def _revocation(*records: Record, columns: str = "revoked_at, used_at, given_back_at", **fields: Any) -> Any:
    con = _resolved(role(), key(**fields), _event(0, "revocation", target=_KEY), *records)
    return rows(con, f"select {columns} from revocations")


def _at(minutes: int) -> datetime:
    return _TAKEN.replace(tzinfo=None) + timedelta(minutes=minutes)


def test_a_use_of_a_revoked_key_counts_beyond_what_clocks_may_differ() -> None:
    late, later = _event(16, "call", credential_id=_KEY), _event(90, "call", credential_id=_KEY)
    assert _revocation(_event(15, "call", credential_id=_KEY)) == [(_at(0), None, None)]
    assert _revocation(late, later) == [(_at(0), _at(16), None)]


def test_the_last_use_that_the_source_dates_counts_too() -> None:
    assert _revocation(last_used_at=_TAKEN + timedelta(days=1)) == [(_at(0), _at(1440), None)]
    assert _revocation(last_used_at=_TAKEN - timedelta(days=1)) == [(_at(0), None, None)]


def test_a_refused_call_is_neither_a_use_nor_a_revocation() -> None:
    refused = _event(60, "call", credential_id=_KEY, outcome="failure")
    assert _revocation(refused, _event(70, "revocation", target=_KEY, outcome="failure")) == [(_at(0), None, None)]


def test_the_newest_revocation_counts() -> None:
    uses = (_event(30, "call", credential_id=_KEY), _event(60, "revocation", target=_KEY))
    assert _revocation(*uses) == [(_at(60), None, None)]


def test_what_was_switched_on_again_says_when() -> None:
    again = _event(20, "credential_change", target=_KEY)
    assert _revocation(again, _event(40, "call", credential_id=_KEY)) == [(_at(0), _at(40), _at(20))]


def test_ending_open_sessions_revokes_nothing() -> None:
    con = _resolved(role(), _event(0, "revocation", target=role_id("sync"), action="PutRolePolicy"))
    assert rows(con, "select * from revocations") == []


@pytest.mark.parametrize(
    ("taken", "back"), [("frozeuser", "unfrozeuser"), ("deactivateduser", "activateduser"), ("REMOVE_USER", "ADD_USER")]
)
def test_a_user_of_a_crm_who_was_let_in_again_was_given_back(taken: str, back: str) -> None:
    con = _resolved(
        role(),
        _event(0, "revocation", target=role_id("sync"), action=taken),
        _event(20, "role_change", target=role_id("sync"), action=back),
        _event(40, "login", identity_id=role_id("sync")),
    )
    assert rows(con, "select used_at, given_back_at from revocations") == [(_at(40), _at(20))]


def test_taking_back_leave_to_sign_in_as_a_user_revokes_nothing_of_the_user() -> None:
    con = _resolved(role(), _event(0, "revocation", target=role_id("sync"), action="loginAsRevokedToSfdc"))
    assert rows(con, "select * from revocations") == []


def test_an_identity_that_was_deleted_and_made_again_was_given_back() -> None:
    con = _resolved(
        role(),
        _event(0, "revocation", target=role_id("sync"), action="DeleteRole"),
        _event(5, "role_change", target=role_id("sync"), action="AttachRolePolicy"),
        _event(10, "role_change", target=role_id("sync"), action="CreateRole"),
        _event(30, "login", identity_id=role_id("sync")),
    )
    assert rows(con, "select revoked_id, used_at, given_back_at from revocations") == [
        (role_id("sync"), _at(30), _at(10))
    ]


def test_of_two_revoked_keys_the_one_that_was_used_is_told() -> None:
    other = f"{tenant()}:access_key/k2"
    taken = _event(5, "revocation", target=other)
    assert _revocation(key("k2"), taken, _event(60, "call", credential_id=_KEY), columns="revoked_id") == [(_KEY,)]
