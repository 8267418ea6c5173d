"""What opens although no credential of it was seen: `partner verify` never calls it gone. One estate holds all."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from nhiscan.lifecycle import verify
from nhiscan.model import (
    Alias,
    AppSettings,
    AuthRole,
    Coverage,
    Credential,
    Identity,
    IdentityMapping,
    Record,
    Sign,
)
from tests.lifecycle.test_verify_attacks import ORG, OUTSIDE, verdict
from tests.resolve.register_estate import A, domain, key, role, tag, tenant, trust

VAULT = "vault:main"
HUB = "hubspot:4242"
ACCOUNT = "001D000000IqhSLIAZ"


def crm_user(name: str, kind: str, licence: str | None) -> Iterator[Record]:
    user = Identity(f"{ORG}:user/{name}", "salesforce", ORG, kind, name, name, kind != "human_user", licence=licence)
    yield user
    yield Sign(user.identity_id, kind="salesforce_account", value=ACCOUNT)


def vault_user(name: str, method: str) -> Iterator[Record]:
    path = f"auth/{method}/users/{name}"
    user = Identity(f"{VAULT}:{method}/{name}", "vault", VAULT, "user", name, path, None)
    yield Alias("P-1", "vault_path", path)
    yield user
    yield AuthRole(user.identity_id, method=method, mount=method)


def app(name: str, flows: str) -> Iterator[Record]:
    made = Identity(f"{ORG}:app/{name}", "salesforce", ORG, "oauth_app", name, name, True, is_installed=True)
    yield Alias("P-1", "client_id", name)
    yield made
    yield AppSettings(made.identity_id, flows=flows)


def aws_role(name: str, principal: str, principal_kind: str) -> Iterator[Record]:
    yield role(name)
    yield tag("partner", "P-1", on=name)
    yield dataclasses.replace(trust(A, on=name), principal=principal, principal_kind=principal_kind)


def aws_user(name: str) -> Identity:
    return role(name, kind="service_account", native_id=f"arn:aws:iam::{A}:user/{name}")


def estate() -> Iterator[Record]:
    yield Alias("P-1", "salesforce_account", ACCOUNT)
    yield domain("P-1", "nordwind.example")
    for provider, tenant_id in (("salesforce", ORG), ("vault", VAULT), ("hubspot", HUB)):
        yield Coverage(provider, tenant_id, "credentials", "complete")
    yield from crm_user("sso-user", "human_user", None)
    yield from crm_user("assertion-user", "service_account", "integration")
    yield from vault_user("directory-user", "ldap")
    yield from vault_user("password-user", "userpass")
    yield Identity(f"{HUB}:user/9", "hubspot", HUB, "human_user", "guest", "9", False, "invited", "g@nordwind.example")
    yield from app("machine-app", "code,client_credentials")
    yield from app("consent-app", "code")
    yield from aws_role("certificate-role", "rolesanywhere.amazonaws.com", "service")
    yield from aws_role("machine-role", "ec2.amazonaws.com", "service")
    for name in ("nobodys", "keyless", "ours"):
        yield aws_user(name)
        yield from aws_role(f"role-of-{name}", aws_user(name).native_id, "identity")
    yield from suspects()
    yield key("AKIA1", on="nobodys")
    yield key("AKIA2", on="ours")
    yield IdentityMapping("ours", owner="lee@acme.example", decided_by="erika.brandt@acme.example")


def suspects() -> Iterator[Record]:
    """Nobody's by the register, and something about them is the partner's."""
    below = f"{ORG}:user/below"
    yield Identity(
        below, "salesforce", ORG, "human_user", "below", "b", False, mail="b@eu.nordwind.example", licence="internal"
    )
    yield Identity(f"{VAULT}:aws/bound", "vault", VAULT, "workload_role", "bound", "auth/aws/role/bound", True)
    claims = f"bound_iam_principal_arn=arn:aws:iam::{OUTSIDE}:role/sync"
    yield AuthRole(f"{VAULT}:aws/bound", method="aws", mount="aws", bound_claims=claims)
    yield role("made", kind="service_account", created_by="Kim@Nordwind.example")
    yield key("AKIA3", on="made")
    token = f"{VAULT}:token/orphan"
    yield Identity(token, "vault", VAULT, "token", "approle", "orphan", True)
    yield Credential(
        f"{VAULT}:vault_token/orphan", token, provider="vault", tenant_id=VAULT, kind="vault_token", native_id="orphan",
        status="active", is_replaceable=False,
    )  # fmt: skip
    yield role("signed-on")
    yield dataclasses.replace(trust(A, on="signed-on"), principal_kind="saml", account=None, issuer="sso.acme.example")


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> verify.Verdict:
    return verdict(tmp_path_factory.mktemp("state"), *estate(), company=[("oidc_issuer", "sso.acme.example", None)])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("sso-user", "may sign in by single sign-on or a signed assertion, of which nothing is left to see"),
        ("assertion-user", "may sign in by single sign-on or a signed assertion, of which nothing is left to see"),
        ("directory-user", "lets in whoever LDAP says it is"),
        ("guest", "was invited, and whether the invitation can still be accepted does not show"),
        ("machine-app", "gets tokens by code,client_credentials of nobody's consent"),
        ("certificate-role", "lets in whoever holds a certificate of a trust anchor"),
        ("role-of-nobodys", "lets in nobodys, for which nobody answers"),
    ],
)
def test_what_may_let_in_without_a_credential_that_shows_is_not_gone(
    name: str, says: str, told: verify.Verdict
) -> None:
    (gap,) = (gap.says for gap in told.unchecked if gap.topic == "unknown" and f" {name} " in gap.says)
    assert says in gap
    assert name not in {gone.name for gone in told.gone}


@pytest.mark.parametrize("name", ["password-user", "consent-app", "machine-role", "role-of-keyless", "role-of-ours"])
def test_what_needs_a_credential_and_has_none_is_gone(name: str, told: verify.Verdict) -> None:
    assert name in {gone.name for gone in told.gone}
    assert [gap.says for gap in told.unchecked if f" {name} " in gap.says] == []


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("below", "its address b@eu.nordwind.example lies below nordwind.example"),
        ("bound", f"a login of aws is bound to account {OUTSIDE} of the partner"),
        ("made", "it was made by Kim@Nordwind.example, who is the partner's, and nobody answers for it"),
    ],
)
def test_what_bears_a_sign_of_the_partner_that_attribution_leaves_alone_is_undecided(
    name: str, says: str, told: verify.Verdict
) -> None:
    assert f"identity {name} may be the partner's: {says}" in {gap.says for gap in told.unchecked}


def test_a_token_whose_role_is_gone_lives_on_and_is_undecided(told: verify.Verdict) -> None:
    assert f"1 outsiders in {VAULT} are nobody's by the register: {VAULT}:token/orphan" in {
        gap.says for gap in told.unchecked
    }


def test_who_has_an_account_with_our_own_sign_on_was_not_read(told: verify.Verdict) -> None:
    (gap,) = (gap for gap in told.unchecked if gap.says.startswith("people sign in"))
    assert gap.topic == "no collector"
    assert (
        gap.says == f"people sign in to {tenant()} through sso.acme.example, and who has an account there was not read"
    )
