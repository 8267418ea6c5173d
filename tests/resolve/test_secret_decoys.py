"""What is near a found secret, or like it, and is not its: no link is made, and the doubt is said."""

from __future__ import annotations

from nhiscan.model import Record, Resource, ResourceTag, Sign, StoredSecret, Tenant, Trust, TrustCondition
from tests.resolve.leak_estate import (
    CLIENT,
    ORG,
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
from tests.resolve.register_estate import A, B, rows, tenant

_KEY = key_id(A)
_OTHER = key_id(B, "PORTAL3")


def _keys() -> list[Record]:
    return [user("sync"), access_key(_KEY, of="sync"), user("import", B), access_key(_OTHER, of="import", account=B)]


def test_secrets_of_one_name_are_not_all_given_to_the_only_consumer_key_near_them() -> None:
    con = resolved(
        repository(),
        Tenant(ORG, "salesforce"),
        app("a"),
        Sign(app("a").identity_id, kind="client_id", value=CLIENT),
        found("salesforce_consumer_key", "f0", native_id=CLIENT, issuer="salesforce", name="client_id", line=2),
        found("salesforce_consumer_secret", "f1", issuer="salesforce", name="client_secret", line=3, n=1),
        found("salesforce_consumer_secret", "f2", issuer="salesforce", name="client_secret", line=7, n=2),
    )
    assert rows(con, "select identity_id from leak_facts") == [(None,), (None,)]


def test_one_secret_found_with_two_ids_is_neither_and_both_are_named() -> None:
    con = resolved(
        repository(),
        _keys(),
        found("aws_secret_access_key", "f1", at="a.env", native_id=_KEY),
        found("aws_secret_access_key", "f1", at="b.env", native_id=_OTHER),
    )
    identity, evidence = leak(con, "identity_id, link_evidence")
    assert identity is None
    assert evidence.startswith("2 identities fit, so none is said: ")
    assert _KEY in evidence
    assert _OTHER in evidence


def test_a_label_that_names_anothers_key_is_doubted() -> None:
    kept = Resource(f"{VAULT}:secret/kv/sync", "vault", VAULT, "secret", "kv/sync", "kv/sync")
    con = resolved(
        repository(),
        _keys(),
        Tenant(VAULT, "vault"),
        kept,
        ResourceTag(kept.resource_id, name="access-key-id", value=_OTHER),
        StoredSecret(kept.resource_id, kind="kv2", fingerprint="f1"),
        found("aws_secret_access_key", "f1", native_id=_KEY),
    )
    assert rows(con, "select identity_id from secret_places where is_secret") == [(None,), (None,)]
    assert leak(con, "link_evidence")[0].startswith("2 identities fit, so none is said: ")


def test_a_password_that_somebody_uses_elsewhere_does_not_make_him_its_user_there() -> None:
    person = app("sync@acme.example.prod")
    con = resolved(
        repository(),
        Tenant(ORG, "salesforce"),
        person,
        found("basic_auth_credentials", at="a", native_id=person.name, issuer_tenant="acme.my.salesforce.com"),
        repository("other"),
        found(
            "basic_auth_credentials",
            at="b",
            native_id="postgres",
            issuer_tenant="db.acme.example",
            resource_id="files:other:repository/other",
        ),
    )
    assert rows(con, "select resource_name, identity_id from leak_facts order by all") == [
        ("other", None),
        ("portal", person.identity_id),
    ]


def test_issuer_and_subject_are_compared_each_for_itself() -> None:
    trust = Trust(
        "t1",
        user("deploy").identity_id,
        tenant_id=tenant(),
        mechanism="oidc",
        principal_kind="oidc",
        principal="arn",
        issuer="login.example/nordwind",
    )
    asked = TrustCondition("t1", operator="StringEquals", name="login.example/nordwind:sub", value="deploy")
    records = [user("deploy"), trust, asked]
    for issuer, subject in (
        ("https://login.example", "nordwind/deploy"),
        ("https://evil.example", "login.example/nordwind/deploy"),
    ):
        con = resolved(repository(), records, found("json_web_token", native_id=subject, issuer_tenant=issuer))
        assert leak(con, "identity_id") == (None,)
