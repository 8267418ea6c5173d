from __future__ import annotations

from typing import Any

import pytest

from nhiscan.model import (
    Credential,
    Identity,
    Record,
    Resource,
    ResourceTag,
    Sighting,
    Sign,
    StoredSecret,
    Tenant,
    Trust,
    TrustCondition,
)
from tests.resolve.leak_estate import (
    CLIENT,
    ORG,
    REPOSITORY,
    VAULT,
    access_key,
    app,
    found,
    key_id,
    leak,
    repository,
    resolved,
    user,
)
from tests.resolve.register_estate import A, B, covered, rows, tenant

_KEY = key_id(A)
_LINK = "link, credential_id, identity_id, link_evidence"
_KEY_LINK = (
    "credential",
    f"{tenant()}:access_key/{_KEY}",
    f"{tenant()}:user/sync",
    f"it stands beside the key id {_KEY}",
)
_SANDBOX = "salesforce:00Dyy0000002hQMEAY"
_GITHUB = "https://token.actions.example"


def _inventory(status: str = "active") -> list[Record]:
    return [*repository(), user("sync"), access_key(_KEY, of="sync", status=status)]


def _org(tenant_id: str = ORG, name: str = "Portal sync") -> list[Record]:
    return [
        Tenant(tenant_id, "salesforce"),
        app(name, tenant_id),
        Sign(app(name, tenant_id).identity_id, kind="client_id", value=CLIENT),
    ]


def test_a_secret_key_that_was_found_with_its_id_is_that_credential() -> None:
    con = resolved(_inventory(), found("aws_secret_access_key", native_id=_KEY))
    assert leak(con, _LINK) == _KEY_LINK


@pytest.mark.parametrize("status", ["inactive", "active"])
def test_a_key_that_was_switched_off_is_still_said_to_be_that_key(status: str) -> None:
    con = resolved(_inventory(status), found("aws_secret_access_key", native_id=_KEY))
    assert leak(con, "credential_id, is_live") == (_KEY_LINK[1], status == "active")


def test_a_secret_key_belongs_to_the_id_a_few_lines_away() -> None:
    con = resolved(
        _inventory(),
        found("aws_access_key_id", "f0", native_id=_KEY, line=2),
        found("aws_secret_access_key", line=4),
    )
    assert leak(con, _LINK) == _KEY_LINK


def test_an_id_elsewhere_in_the_file_says_nothing_of_a_secret_key() -> None:
    con = resolved(
        _inventory(),
        found("aws_access_key_id", "f0", native_id=_KEY, line=2),
        found("aws_secret_access_key", line=300),
    )
    assert leak(con, "link, credential_id") == ("provider", None)


def test_two_secret_keys_at_one_id_are_both_left_open() -> None:
    con = resolved(
        _inventory(),
        found("aws_access_key_id", "f0", native_id=_KEY, line=2),
        found("aws_secret_access_key", "f1", line=3, n=1, name="first"),
        found("aws_secret_access_key", "f2", line=4, n=2, name="second"),
    )
    assert rows(con, "select credential_id from leak_facts") == [(None,), (None,)]


def test_a_secret_key_whose_id_is_another_accounts_is_not_given_to_the_one_beside_it() -> None:
    foreign = key_id("999999999999")
    con = resolved(
        _inventory(),
        found("aws_access_key_id", "f0", native_id=_KEY, line=2),
        found("aws_secret_access_key", native_id=foreign, line=3),
    )
    assert leak(con, _LINK) == ("tenant", None, None, "it is of aws:999999999999, which is not in the inventory")


def test_the_id_of_a_key_says_its_account() -> None:
    documented = "ASIA" + "Y34FZKBOKMUTVV7A"  # awsteele.com, "AWS Access Key ID formats"
    con = resolved(repository(), found("aws_secret_access_key", native_id=documented))
    assert leak(con, "issuer_tenant") == ("aws:609629065308",)


@pytest.mark.parametrize("native_id", ["AKIA" + "IOSFODNN7ABCDEFG", "AKIA" + "Q1", "AKIA" + "7777777777777777"])
def test_ids_of_the_old_make_and_what_is_no_id_say_no_account(native_id: str) -> None:
    con = resolved(repository(), found("aws_secret_access_key", native_id=native_id))
    assert leak(con, "link, issuer_tenant") == ("provider", None)


def test_a_key_that_an_account_of_ours_does_not_have_is_gone() -> None:
    con = resolved(repository(), covered("credentials"), found("aws_secret_access_key", native_id=_KEY))
    assert leak(con, "link, is_live, link_evidence") == (
        "tenant",
        False,
        f"it is of {tenant()}, whose keys were all read, and none of these: it was deleted",
    )


@pytest.mark.parametrize("status", ["partial", "denied"])
def test_a_key_of_an_account_whose_keys_were_not_all_read_may_be_there(status: str) -> None:
    con = resolved(repository(), covered("credentials", status=status), found("aws_secret_access_key", native_id=_KEY))
    assert leak(con, "is_live, link_evidence") == (
        None,
        f"it is of {tenant()}, and nothing says which credential there",
    )


def test_a_key_may_be_the_root_users_whose_ids_nobody_can_read() -> None:
    con = resolved(
        repository(),
        covered("credentials"),
        user("root"),
        access_key("root/access_key_1", of="root"),
        found("aws_secret_access_key", native_id=_KEY),
    )
    assert leak(con, "is_live, credential_id") == (None, None)


def test_the_password_of_a_mail_service_belongs_to_the_key_that_is_its_user_name() -> None:
    con = resolved(
        _inventory(), found("basic_auth_credentials", native_id=_KEY, issuer_tenant="email-smtp.aws.example")
    )
    assert leak(con, "credential_id") == (_KEY_LINK[1],)


@pytest.mark.parametrize("name", [f"sync-at-{A}", f"sync+1-at-{A}"])
def test_a_user_name_of_codecommit_is_the_iam_user_of_that_account(name: str) -> None:
    password = access_key("ACCA-1", of="sync", kind="app_password", service="codecommit.amazonaws.com")
    con = resolved(_inventory(), user("sync", B), password, found("basic_auth_credentials", native_id=name))
    assert leak(con, "credential_id, identity_id") == (password.credential_id, f"{tenant()}:user/sync")


def test_a_consumer_secret_belongs_to_the_app_whose_key_stands_beside_it() -> None:
    con = resolved(
        repository(),
        _org(),
        found("salesforce_consumer_key", "f0", native_id=CLIENT, line=1, issuer="salesforce", name="SF_CLIENT_ID"),
        found("salesforce_consumer_secret", "f1", line=2, issuer="salesforce", name="SF_CLIENT_SECRET"),
    )
    assert leak(con, _LINK) == (
        "identity",
        None,
        app("Portal sync").identity_id,
        f"it stands beside the id {CLIENT}, the client id of an app",
    )


def test_an_app_that_two_orgs_have_is_neither() -> None:
    con = resolved(
        repository(),
        _org(),
        _org(_SANDBOX),
        found("salesforce_auth_url", native_id=CLIENT, issuer="salesforce"),
    )
    link, credential, identity, evidence = leak(con, _LINK)
    assert (link, credential, identity) == ("provider", None, None)
    assert evidence == f"2 identities fit, so none is said: it names the client id {CLIENT}"


def test_the_org_in_a_value_says_which_of_two_apps_it_is() -> None:
    con = resolved(
        repository(),
        _org(),
        _org(_SANDBOX),
        found("salesforce_auth_url", native_id=CLIENT, issuer="salesforce", issuer_tenant=ORG.split(":")[1][:15]),
    )
    assert leak(con, "identity_id") == (app("Portal sync").identity_id,)


@pytest.mark.parametrize("length", [15, 18])
def test_a_session_of_an_org_stops_at_the_org(length: int) -> None:
    native = ORG.split(":")[1][:length]
    con = resolved(repository(), _org(), found("salesforce_access_token", issuer="salesforce", issuer_tenant=native))
    assert leak(con, "link, issuer_tenant, link_evidence") == (
        "tenant",
        ORG,
        f"it is of {ORG}, and nothing says which credential there",
    )


def test_an_org_whose_id_differs_in_case_only_is_another() -> None:
    other = ORG.split(":")[1][:15].swapcase().replace("00d", "00D")
    con = resolved(repository(), _org(), found("salesforce_access_token", issuer="salesforce", issuer_tenant=other))
    assert leak(con, "issuer_tenant") == (f"salesforce:{other}",)


def test_a_token_of_hubspot_stops_at_the_provider() -> None:
    hubspot = "hubspot:147000001"
    con = resolved(
        repository(),
        Tenant(hubspot, "hubspot"),
        app("private app 77", hubspot),
        found("hubspot_private_app_token", issuer="hubspot"),
    )
    assert leak(con, "link, link_evidence") == (
        "provider",
        "its form is that of hubspot, and nothing says which account",
    )


def test_what_has_no_maker_leads_nowhere() -> None:
    con = resolved(repository(), found("named_secret"))
    assert leak(con, "link, link_evidence") == ("none", "nothing says whose it is")


def test_a_token_is_the_app_that_its_claims_name() -> None:
    con = resolved(
        repository(), _org(), found("json_web_token", native_id=CLIENT, issuer_tenant="https://acme.my.example")
    )
    assert leak(con, "link, identity_id") == ("identity", app("Portal sync").identity_id)


def test_a_token_with_a_short_client_id_is_nobodys() -> None:
    hubspot = "hubspot:147000001"
    con = resolved(
        repository(),
        Tenant(hubspot, "hubspot"),
        app("77", hubspot),
        Sign(app("77", hubspot).identity_id, kind="client_id", value="77"),
        found("json_web_token", native_id="77", issuer_tenant="https://idp.example"),
    )
    assert leak(con, "identity_id") == (None,)


@pytest.mark.parametrize(
    ("issuer", "subject", "is_linked"),
    [
        (_GITHUB, "repo:acme/portal:ref:refs/heads/main", True),
        (f"{_GITHUB}/", "repo:acme/portal:ref:refs/heads/main", True),
        (_GITHUB, "repo:acme/portal:ref:refs/heads/dev", False),
        ("https://other.example", "repo:acme/portal:ref:refs/heads/main", False),
    ],
)
def test_a_token_is_whom_a_trust_lets_its_subject_be(issuer: str, subject: str, is_linked: bool) -> None:
    con = resolved(
        repository(), _trusted("StringEquals"), found("json_web_token", native_id=subject, issuer_tenant=issuer)
    )
    assert leak(con, "identity_id") == (f"{tenant()}:user/deploy" if is_linked else None,)


def test_a_trust_in_a_pattern_of_subjects_says_nothing_of_one_token() -> None:
    records = _trusted("StringLike", "repo:acme/*")
    con = resolved(repository(), records, found("json_web_token", native_id="repo:acme/*", issuer_tenant=_GITHUB))
    assert leak(con, "identity_id") == (None,)


def _trusted(operator: str, subject: str = "repo:acme/portal:ref:refs/heads/main") -> list[Record]:
    trust = Trust(
        "t1",
        f"{tenant()}:user/deploy",
        tenant_id=tenant(),
        mechanism="oidc",
        principal_kind="oidc",
        principal="arn",
        issuer="token.actions.example",
    )
    return [
        user("deploy"),
        trust,
        TrustCondition("t1", operator=operator, name="token.actions.example:sub", value=subject),
    ]


def test_a_user_of_an_org_is_named_by_a_token_with_15_signs() -> None:
    native = "005xx000001Sv6AAAS"
    person = Identity(f"{ORG}:user/{native}", "salesforce", ORG, "human_user", "ada@acme.example", native, is_nhi=False)
    con = resolved(
        repository(), Tenant(ORG, "salesforce"), person, found("json_web_token", native_id=f"uid:{native[:15]}")
    )
    assert leak(con, "identity_id") == (person.identity_id,)


@pytest.mark.parametrize(
    ("host", "is_linked"),
    [("acme.my.salesforce.com", True), ("jenkins.acme.example", False), ("notsalesforce.com", False)],
)
def test_a_user_name_is_a_user_of_salesforce_only_at_salesforce(host: str, is_linked: bool) -> None:
    person = Identity(f"{ORG}:user/1", "salesforce", ORG, "service_account", "sync@acme.example.prod", "1", is_nhi=True)
    password = _of(person, "password", "1")
    con = resolved(
        repository(),
        Tenant(ORG, "salesforce"),
        person,
        password,
        found("basic_auth_credentials", native_id="Sync@acme.example.prod", issuer_tenant=host),
    )
    assert leak(con, "credential_id") == (password.credential_id if is_linked else None,)


def _of(identity: Identity, kind: str, native_id: str, **fields: Any) -> Credential:
    return Credential(
        f"{identity.tenant_id}:{kind}/{native_id}",
        identity.identity_id,
        provider=identity.provider,
        tenant_id=identity.tenant_id,
        kind=kind,
        native_id=native_id,
        status="active",
        is_replaceable=True,
        **fields,
    )


def _vault() -> tuple[list[Record], Credential]:
    role = Identity(f"{VAULT}:approle/ci", "vault", VAULT, "auth_role", "ci", "approle/ci", is_nhi=True)
    secret_id = _of(role, "approle_secret", "9f0c2f6a-1111-4222-8333-444455556666")
    return [Tenant(VAULT, "vault"), role, secret_id], secret_id


def test_a_secret_id_found_with_its_accessor_is_that_credential() -> None:
    records, secret_id = _vault()
    con = resolved(
        repository(), records, found("vault_approle_secret_id", native_id=secret_id.native_id, issuer="vault")
    )
    assert leak(con, "link, credential_id") == ("credential", secret_id.credential_id)


def test_an_accessor_says_nothing_of_another_makers_secret() -> None:
    records, secret_id = _vault()
    con = resolved(repository(), records, found("named_secret", native_id=secret_id.native_id))
    assert leak(con, "credential_id") == (None,)


def test_a_value_that_equals_a_labelled_one_in_a_vault_is_that_credential() -> None:
    records, secret_id = _vault()
    kept = Resource(f"{VAULT}:secret/kv/ci", "vault", VAULT, "secret", "kv/ci", "kv/ci")
    con = resolved(
        repository(),
        records,
        kept,
        ResourceTag(kept.resource_id, name="accessor", value=secret_id.native_id),
        StoredSecret(kept.resource_id, kind="kv2", fingerprint="f1"),
        found("vault_approle_secret_id", "f1", issuer="vault"),
    )
    assert leak(con, "credential_id, link_evidence") == (
        secret_id.credential_id,
        f"an equal value elsewhere: its label accessor names {secret_id.native_id}",
    )


def test_a_value_that_equals_one_of_a_workload_is_that_workloads_credential() -> None:
    function = Resource(f"{tenant()}:function/sync", "aws", tenant(), "function", "sync", "sync")

    def variable(kind: str, name: str, mark: str, native_id: str | None = None) -> Sighting:
        return Sighting(
            f"{function.resource_id}/environment/{name}/{kind}/1",
            "aws",
            tenant(),
            "environment",
            "environment of sync",
            kind,
            mark,
            name,
            function.resource_id,
            native_id=native_id,
        )

    con = resolved(
        _inventory(),
        function,
        variable("aws_access_key_id", "AWS_ACCESS_KEY_ID", "f0", _KEY),
        variable("aws_secret_access_key", "AWS_SECRET_ACCESS_KEY", "f1"),
        found("named_secret", "f1", at="notes.txt"),
    )
    assert leak(con, _LINK) == (*_KEY_LINK[:3], f"an equal value elsewhere: it stands beside the key id {_KEY}")


def test_one_value_beside_the_ids_of_two_keys_is_neither_anywhere() -> None:
    other = key_id(A, "PORTAL3")
    con = resolved(
        _inventory(),
        user("import"),
        access_key(other, of="import"),
        found("aws_access_key_id", "f0", native_id=_KEY, at="a.env", line=1),
        found("aws_secret_access_key", "f1", at="a.env", line=2),
        found("aws_access_key_id", "f2", native_id=other, at="b.env", line=1),
        found("aws_secret_access_key", "f1", at="b.env", line=2),
    )
    link, credential, identity, evidence = leak(con, _LINK)
    assert (link, credential, identity) == ("tenant", None, None)
    assert evidence.startswith("2 identities fit, so none is said: ")


def test_an_id_alone_is_no_leak() -> None:
    con = resolved(
        _inventory(),
        found("aws_access_key_id", "f0", native_id=_KEY),
        found("salesforce_consumer_key", "f2", native_id=CLIENT),
        found("vault_approle_role_id", "f3"),
    )
    assert rows(con, "select * from leak_facts") == []


def test_nobody_is_said_to_reach_what_stands_in_a_repository() -> None:
    from nhiscan.resolve import secret_edges

    con = resolved(_inventory(), found("aws_secret_access_key", native_id=_KEY))
    secret_edges.run(con)
    assert rows(con, "select * from access_edges") == []
    assert REPOSITORY in str(rows(con, "select resource_id from leak_facts"))
