"""What lets a partner act in our systems, or is known to it: one thing at a time, each by the register's own words."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime
from typing import Any, Final

import duckdb
import pytest

from nhiscan.model import (
    Alias,
    Coverage,
    Credential,
    Grant,
    Identity,
    Membership,
    OrgNode,
    Policy,
    PolicyBinding,
    Record,
    Resource,
    ResourceTag,
    Sign,
    StoredSecret,
    Tag,
    Tenant,
    TrustCondition,
)
from nhiscan.resolve import (
    contracts,
    crm_facts,
    facts,
    holdings,
    owners,
    partners,
    paths,
    policies,
    privileges,
    resources,
    sightings,
)
from tests.resolve.register_estate import (
    NORDWIND,
    SUEDLICHT,
    A,
    account_alias,
    covered,
    domain,
    key,
    role,
    role_id,
    rows,
    scan,
    tag,
    tenant,
    trust,
)
from tests.resolve.vault_estate import VAULT, allow

OUTSIDE: Final = "333333333333"
ORG: Final = "salesforce:00D000000000001AAA"
ACCOUNT: Final = "001D000000IqhSLIAZ"
STEPS: Final = (
    partners.run, owners.run, contracts.run, privileges.run, paths.run, facts.run, crm_facts.run, resources.run,
    policies.run, sightings.run, holdings.run,
)  # fmt: skip


def held(*records: Record | Iterable[Record]) -> dict[tuple[str, str], dict[str, Any]]:
    """By partner and id of the thing."""
    return resolved(scan(NORDWIND, SUEDLICHT, *records), *STEPS)


def resolved(
    con: duckdb.DuckDBPyConnection, *steps: Callable[[duckdb.DuckDBPyConnection], None]
) -> dict[tuple[str, str], dict[str, Any]]:
    for step in steps:
        step(con)
    found = rows(con, "select * from partner_holdings")
    names = [column[0] for column in con.description or ()]
    told = [dict(zip(names, row, strict=True)) for row in found]
    assert len({(row["partner_id"], row["thing_kind"], row["thing_id"]) for row in told}) == len(told)
    return {(row["partner_id"], row["thing_id"]): row for row in told}


def crm_user(name: str = "dana", **fields: Any) -> list[Record]:
    user = f"{ORG}:user/{name}"
    values: dict[str, Any] = {"is_external": True, "licence": "partner"} | fields
    return [
        Tenant(ORG, "salesforce"),
        Coverage("salesforce", ORG, "credentials", "complete"),
        Identity(user, "salesforce", ORG, "human_user", name, name, False, **values),
        Sign(user, kind="salesforce_account", value=ACCOUNT),
        Alias("P-1", "salesforce_account", ACCOUNT),
    ]


def test_a_role_that_lets_the_partners_account_in_is_held_with_its_trust() -> None:
    found = held(role(), trust(OUTSIDE), account_alias("P-1", OUTSIDE), covered("credentials", "trusts"))

    assert {row["thing_kind"]: (row["relation"], row["action"], row["is_live"]) for row in found.values()} == {
        "identity": ("operator", "revoke_access", True),
        "trust": ("operator", "remove_delegation", True),
    }


def test_a_trust_whose_role_is_disabled_opens_nothing() -> None:
    found = held(role(status="disabled"), trust(OUTSIDE), account_alias("P-1", OUTSIDE))

    assert {row["is_live"] for row in found.values()} == {False}


def test_whether_an_identity_lives_cannot_be_said_where_credentials_were_not_read() -> None:
    found = held(role(), tag("partner", "P-1"))

    assert found["P-1", role_id("sync")]["is_live"] is None


def test_an_identity_without_a_credential_is_dead_unless_a_workload_runs_as_it() -> None:
    workload = Resource(f"{tenant()}:function/f", "aws", tenant(), "function", "f", "f", runs_as_id=role_id("sync"))

    assert held(role(), tag("partner", "P-1"), covered("credentials"))["P-1", role_id("sync")]["is_live"] is False
    found = held(role(), tag("partner", "P-1"), covered("credentials"), workload)
    assert found["P-1", role_id("sync")]["is_live"] is True


def test_credentials_are_held_live_and_dead() -> None:
    found = held(role(), tag("partner", "P-1"), key("k1"), key("k2", status="inactive"))

    assert found["P-1", f"{tenant()}:access_key/k1"]["is_live"] is True
    assert found["P-1", f"{tenant()}:access_key/k2"]["is_live"] is False


def test_two_partners_with_equally_strong_claims_both_hold_it_in_dispute() -> None:
    found = held(role(), tag("partner", "P-1"), tag("vendor", "P-2"), key())

    assert {row["relation"] for row in found.values()} == {"disputed"}
    assert {partner for partner, _ in found} == {"P-1", "P-2"}


def test_a_claim_that_a_stronger_one_beat_is_in_dispute_until_a_person_decides() -> None:
    mail = Identity(
        f"{ORG}:user/x", "salesforce", ORG, "human_user", "x", "x", False, mail="x@nordwind.example", licence="partner"
    )
    records = [mail, domain("P-1", "nordwind.example"), Tag(mail.identity_id, name="partner", value="P-2")]

    found = held(*records)

    assert found["P-1", mail.identity_id]["relation"] == "disputed"
    assert found["P-2", mail.identity_id]["relation"] == "operator"


def test_what_shows_by_an_alias_that_has_ended_is_in_dispute() -> None:
    ended = account_alias("P-1", OUTSIDE, valid_to=date(2025, 12, 31))

    found = held(role(), trust(OUTSIDE), ended)

    assert {(row["thing_kind"], row["relation"]) for row in found.values()} == {
        ("identity", "disputed"),
        ("trust", "disputed"),
    }


def test_an_ended_alias_that_is_another_partners_by_now_speaks_of_that_one_only() -> None:
    found = held(
        role(),
        trust(OUTSIDE),
        account_alias("P-1", OUTSIDE, valid_to=date(2025, 12, 31)),
        account_alias("P-2", OUTSIDE),
    )

    assert {partner for partner, _ in found} == {"P-2"}


def test_what_shows_by_a_shared_alias_is_in_dispute_with_each_of_its_partners() -> None:
    found = held(
        role(),
        trust(OUTSIDE),
        account_alias("P-1", OUTSIDE, exclusive=False),
        account_alias("P-2", OUTSIDE, exclusive=False),
    )

    assert {(partner, row["relation"]) for (partner, _), row in found.items()} == {
        ("P-1", "disputed"),
        ("P-2", "disputed"),
    }


def test_people_of_a_crm_live_until_they_are_disabled_and_their_memberships_with_them() -> None:
    group = Identity(f"{ORG}:profile/p", "salesforce", ORG, "group", "p", "p", None)
    for status in ("enabled", "disabled"):
        found = held(crm_user(status=status), group, Membership(f"{ORG}:user/dana", group.identity_id))
        assert {row["thing_kind"] for row in found.values()} == {"identity", "membership"}
        assert {row["is_live"] for row in found.values()} == {status == "enabled"}


def test_a_token_that_an_app_holds_outlives_the_freezing_of_its_user() -> None:
    app, user = f"{ORG}:oauth_app/loader", f"{ORG}:user/dana"
    token: dict[str, Any] = {"provider": "salesforce", "tenant_id": ORG, "kind": "oauth_token", "is_replaceable": False}
    found = held(
        crm_user(status="disabled"),
        Identity(app, "salesforce", ORG, "oauth_app", "Loader", "Loader", True),
        Credential("t1", user, native_id="t1", status="active", app_id=app, **token),
        Credential("t2", user, native_id="t2", status="revoked", app_id=app, **token),
        Credential(
            "t3",
            user,
            native_id="t3",
            status="active",
            app_id=app,
            expires_at=datetime(2026, 1, 1, tzinfo=UTC),
            **token,
        ),
    )

    assert {thing: row["is_live"] for (_, thing), row in found.items()} == {
        user: False,
        "t1": True,
        "t2": False,
        "t3": False,
    }


def test_being_in_a_group_that_administers_for_us_is_a_delegation() -> None:
    group = f"{ORG}:delegated_group/g"
    found = held(
        crm_user(),
        Identity(group, "salesforce", ORG, "group", "g", "g", None),
        Membership(f"{ORG}:user/dana", group),
        Grant(
            "g1", "salesforce", ORG, "identity", group, "delegate:manage_users", identity_id=group, source="delegation"
        ),
    )

    assert found["P-1", f"{ORG}:user/dana in {group}"]["action"] == "remove_delegation"


def test_tokens_by_which_a_partners_app_acts_as_our_people_are_held() -> None:
    app = Identity(f"{ORG}:oauth_app/a", "salesforce", ORG, "oauth_app", "a", "a", True)
    ours = Identity(f"{ORG}:user/ours", "salesforce", ORG, "human_user", "ours", "ours", False, licence="internal")
    token = Credential(
        "t1", ours.identity_id, provider="salesforce", tenant_id=ORG, kind="oauth_token", native_id="t1",
        status="active", is_replaceable=False, app_id=app.identity_id,
    )  # fmt: skip

    found = held(app, ours, token, Sign(app.identity_id, kind="publisher", value="Nordwind GmbH"),
                 Alias("P-1", "publisher", "Nordwind"))  # fmt: skip

    assert {row["thing_kind"]: row["action"] for row in found.values()} == {
        "app": "close_integration",
        "credential": "revoke_access",
    }
    assert found["P-1", "t1"]["identity_id"] == ours.identity_id


def test_a_resource_that_lets_the_partners_account_in_is_a_delegation_until_it_ends() -> None:
    def grant(**fields: Any) -> Grant:
        return Grant(
            "g1", "aws", tenant(), "account", OUTSIDE, "s3:GetObject", account=OUTSIDE, source="policy", **fields
        )

    found = held(grant(), account_alias("P-1", OUTSIDE))
    assert found["P-1", "g1"]["action"] == "remove_delegation"
    assert found["P-1", "g1"]["is_live"] is True
    ended = held(grant(expires_at=datetime(2026, 1, 1, tzinfo=UTC)), account_alias("P-1", OUTSIDE))
    assert ended["P-1", "g1"]["is_live"] is False


def test_an_account_of_the_partner_in_our_organization_is_a_membership() -> None:
    node = OrgNode("o1", f"aws:{OUTSIDE}", "account", "montblanc", status="active")

    assert held(node, account_alias("P-1", OUTSIDE))["P-1", "o1"]["thing_kind"] == "membership"


def test_a_trust_that_names_the_partner_only_in_a_condition_is_held() -> None:
    open_trust = trust(OUTSIDE)
    anybody = type(open_trust)(
        "t1", role_id("sync"), tenant_id=tenant(), mechanism="assume_role", principal_kind="any", principal="*"
    )
    condition = TrustCondition("t1", operator="StringEquals", name="aws:PrincipalAccount", value=OUTSIDE)

    assert held(role(), anybody, condition, account_alias("P-1", OUTSIDE))["P-1", "t1"]["is_live"] is True


def vault_reader(*records: Record, text: str = allow("kv/data/shared/*", "read")) -> list[Record]:
    """An AppRole of the partner that may read below kv/shared/."""
    reader = f"{VAULT}:workload_role/sync"
    mount = f"{VAULT}:mount/kv"
    return [
        Tenant(VAULT, "vault"),
        *(
            Coverage("vault", VAULT, name, "complete")
            for name in ("identities", "policies", "resources", "stored_secrets")
        ),
        Resource(mount, "vault", VAULT, "mount", "kv", "kv"),
        ResourceTag(mount, name="type", value="kv"),
        ResourceTag(mount, name="version", value="2"),
        Identity(reader, "vault", VAULT, "workload_role", "sync", "auth/approle/role/sync", True),
        Tag(reader, name="partner", value="P-1"),
        Policy("pol", "vault", VAULT, "acl", "pol", "pol", text),
        PolicyBinding("pol", reader, role="identity"),
        *records,
    ]


def stored(path: str, kind: str = "kv2", **fields: Any) -> list[Record]:
    secret = f"{VAULT}:secret/{path}"
    return [Resource(secret, "vault", VAULT, "secret", path, path), StoredSecret(secret, kind=kind, **fields)]


def test_secrets_of_a_vault_that_the_partner_can_read_are_known_to_it_and_no_others() -> None:
    found = held(
        vault_reader(*stored("kv/shared/db", updated_at=datetime(2026, 1, 2, tzinfo=UTC)), *stored("kv/own/db"))
    )

    secrets = {thing: row for (_, thing), row in found.items() if row["thing_kind"] == "secret"}
    assert list(secrets) == [f"{VAULT}:secret/kv/shared/db"]
    (secret,) = secrets.values()
    assert (secret["relation"], secret["action"]) == ("knows", "rotate_shared_secret")
    assert secret["rotated_at"] == datetime(2026, 1, 2)
    assert secret["is_live"] is None


def test_what_an_engine_makes_afresh_for_each_reader_is_not_shared() -> None:
    found = held(vault_reader(*stored("kv/shared/db", kind="database_role")))

    assert not [row for row in found.values() if row["thing_kind"] == "secret"]


def test_secrets_of_aws_that_the_partner_can_read_are_known_to_it_and_no_others() -> None:
    def secret(name: str) -> list[Record]:
        arn = f"arn:aws:secretsmanager:eu-central-1:{A}:secret:{name}"
        at = f"{tenant()}:secret/{name}"
        return [
            Resource(at, "aws", tenant(), "secret", name, arn, region="eu-central-1"),
            StoredSecret(at, kind="secret"),
        ]

    document = (
        '{"Statement": [{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": '
        f'"arn:aws:secretsmanager:eu-central-1:{A}:secret:shared-*"}}]}}'
    )
    found = held(
        role(), tag("partner", "P-1"), secret("shared-1"), secret("own-1"), covered("policies", "memberships"),
        Policy("pol", "aws", tenant(), "customer_managed", "pol", "pol", document),
        PolicyBinding("pol", role_id("sync"), role="identity"),
    )  # fmt: skip

    assert [thing for (_, thing), row in found.items() if row["thing_kind"] == "secret"] == [
        f"{tenant()}:secret/shared-1"
    ]


def test_a_secret_below_the_partners_path_is_known_to_it_without_any_reader() -> None:
    found = held(stored("kv/partners/nordwind/x"), Alias("P-1", "vault_path", "kv/partners/nordwind/"))

    assert found["P-1", f"{VAULT}:secret/kv/partners/nordwind/x"]["relation"] == "knows"


@pytest.mark.parametrize(("status", "is_live"), [("enabled", True), ("disabled", False)])
def test_an_entity_that_names_the_partner_is_held(status: str, is_live: bool) -> None:
    entity = Identity(f"{VAULT}:entity/e", "vault", VAULT, "entity", "jane@nordwind.example", "e", None, status=status)

    found = held(entity, domain("P-1", "nordwind.example"))

    assert found["P-1", entity.identity_id]["is_live"] is is_live


def test_nothing_of_ours_is_held_by_anybody() -> None:
    assert held(role(), key(), trust(A), trust(OUTSIDE), account_alias("P-2", "444444444444")) == {}
