from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from nhiscan.model import (
    Alias,
    Credential,
    Grant,
    Person,
    Record,
    Resource,
    ResourceTag,
    Sighting,
    StoredSecret,
    Tenant,
    Use,
)
from nhiscan.resolve import contracts, facts, owners, partners, resources, sightings
from tests.resolve.register_estate import (
    NORDWIND,
    SUEDLICHT,
    A,
    B,
    account_alias,
    covered,
    role,
    role_id,
    rows,
    scan,
    tag,
    tenant,
    trust,
)

_N = "333333333333"
_KEY_ID = "AKIA" + "QNORDWINDSYNC234"
_VAULT = "vault:main"


def _resolved(*records: Record | Iterable[Record], **more: Any) -> duckdb.DuckDBPyConnection:
    con = scan(*records, **more)
    for stage in (partners, owners, contracts, facts, resources, sightings):
        stage.run(con)
    return con


def resource_id(name: str, kind: str = "function", account: str = A) -> str:
    return f"{tenant(account)}:{kind}/{name}"


def resource(name: str = "sync", kind: str = "function", account: str = A, **fields: Any) -> Resource:
    return Resource(
        resource_id(name, kind, account), "aws", tenant(account), kind=kind, name=name, native_id=name, **fields
    )


def labelled(name: str, value: str, *, on: str = "sync", account: str = A) -> ResourceTag:
    return ResourceTag(resource_id(on, account=account), name=name, value=value)


def granted(to: str, *, on: str = "sync", kind: str = "account", **fields: Any) -> Grant:
    return Grant(
        f"{on}<-{kind}/{to}",
        "aws",
        tenant(),
        principal_kind=kind,
        principal=to,
        permission="lambda:InvokeFunction",
        resource_id=resource_id(on),
        **fields,
    )


def seen(
    mark: str,
    name: str,
    *,
    on: str = "sync",
    of: str = "function",
    account: str = A,
    kind: str = "named_secret",
    **fields: Any,
) -> Sighting:
    return Sighting(
        f"{resource_id(on, of, account)}/environment/{name}/{kind}/1",
        "aws",
        tenant(account),
        where_kind="environment",
        location="environment",
        kind=kind,
        fingerprint=mark,
        name=name,
        resource_id=resource_id(on, of, account),
        **fields,
    )


def access_key(native_id: str = _KEY_ID, *, on: str = "sync") -> Credential:
    return Credential(
        f"{tenant()}:access_key/{native_id}",
        role_id(on),
        provider="aws",
        tenant_id=tenant(),
        kind="access_key",
        native_id=native_id,
        status="active",
        is_replaceable=True,
    )


def fact(con: duckdb.DuckDBPyConnection, columns: str, name: str = "sync") -> tuple[Any, ...]:
    [row] = rows(con, f"select {columns} from resource_facts where name = '{name}'")
    return row


def place(con: duckdb.DuckDBPyConnection, columns: str, name: str) -> tuple[Any, ...]:
    [row] = rows(con, f"select {columns} from secret_places where name = '{name}'")
    return row


def test_every_resource_has_one_row() -> None:
    con = _resolved(resource(), resource("orders", "queue"), labelled("team", "a"), labelled("env", "prod"))
    assert rows(con, "select name from resource_facts order by name") == [("orders",), ("sync",)]


def test_a_tag_that_names_a_partner_makes_the_resource_the_partners() -> None:
    con = _resolved(NORDWIND, resource(), labelled("acme:Partner", "nordwind"))
    assert fact(con, "partner_id, partner_name, is_partner_related, partner_evidence") == (
        "P-1",
        "Nordwind GmbH",
        True,
        'tag acme:Partner = "nordwind" is the partner\'s name',
    )


def test_tags_that_name_two_partners_assert_neither() -> None:
    con = _resolved(
        NORDWIND, SUEDLICHT, resource(), labelled("partner", "Nordwind GmbH"), labelled("vendor", "Südlicht AG")
    )
    assert fact(con, "partner_id, is_partner_related, partner_evidence") == (None, True, None)


def test_a_workload_is_the_partners_whose_identity_it_runs_as() -> None:
    con = _resolved(NORDWIND, role(), tag("partner", "Nordwind"), resource(runs_as_id=role_id("sync")))
    assert fact(con, "partner_id, runs_as_id, is_partner_related, is_workload") == ("P-1", role_id("sync"), True, True)
    assert fact(con, "partner_evidence")[0].startswith("it runs as sync: tag partner")


def test_a_tag_on_the_workload_beats_the_identity_it_runs_as() -> None:
    con = _resolved(
        NORDWIND,
        SUEDLICHT,
        role(),
        tag("partner", "Nordwind"),
        resource(runs_as_id=role_id("sync")),
        labelled("partner", "Südlicht"),
    )
    assert fact(con, "partner_id") == ("P-2",)


def test_a_vault_path_of_a_partner_makes_what_lies_under_it_the_partners() -> None:
    records = [
        Resource(f"{_VAULT}:secret/{path}", "vault", _VAULT, kind="secret", name=path, native_id=path)
        for path in ("kv/partners/nordwind/db", "kv/partners/nordwind-old/db")
    ]
    con = _resolved(
        NORDWIND,
        Tenant(_VAULT, "vault"),
        records,
        Alias("P-1", "vault_path", "kv/partners/nordwind", our_tenant="main"),
    )
    assert rows(con, "select name, partner_id from resource_facts order by name desc") == [
        ("kv/partners/nordwind/db", "P-1"),
        ("kv/partners/nordwind-old/db", None),
    ]


def test_a_resource_that_nobody_is_named_for_belongs_to_no_partner() -> None:
    con = _resolved(NORDWIND, resource(), labelled("partner", "somebody else"))
    assert fact(con, "partner_id, partner_evidence, is_partner_related") == (None, None, False)


def test_the_owner_is_who_the_tag_names_if_that_is_one_of_us() -> None:
    con = _resolved(
        resource(), labelled("Owner", "Kim Roth"), Person("kim@acme.example", "Kim Roth", side="ours"), resource("b"),
        labelled("owner", "x@elsewhere.example", on="b"),
    )  # fmt: skip
    assert fact(con, "owner_mail") == ("kim@acme.example",)
    assert fact(con, "owner_mail", "b") == (None,)


def test_without_an_owner_of_its_own_a_workload_is_its_identitys_owners() -> None:
    con = _resolved(role(), tag("owner", "kim@acme.example"), resource(runs_as_id=role_id("sync")))
    assert fact(con, "owner_mail") == ("kim@acme.example",)


def test_who_made_a_resource_does_not_own_it() -> None:
    con = _resolved(resource(), labelled("CreatedBy", "kim@acme.example"))
    assert fact(con, "owner_mail") == (None,)


@pytest.mark.parametrize(
    ("fields", "labels", "environment"),
    [
        ({"environment": "test"}, [("env", "dev")], "test"),
        ({}, [("acme:Environment", " Production ")], "prod"),
        ({}, [("env", "stg")], "staging"),
        ({}, [("env", "blue")], "prod"),
        ({}, [("env", "dev"), ("stage", "qa")], "prod"),
        ({}, [], "prod"),
    ],
    ids=["its own label", "a tag", "a short word", "a word nobody knows", "tags that contradict", "the account's"],
)
def test_the_environment_is_its_own_label_else_a_tags_else_the_tenants(
    fields: dict[str, Any], labels: list[tuple[str, str]], environment: str
) -> None:
    con = _resolved(resource(**fields), [labelled(name, value) for name, value in labels])
    assert fact(con, "environment") == (environment,)


def test_a_tenant_without_a_label_leaves_the_environment_unknown() -> None:
    con = _resolved(Tenant(tenant(_N), "aws"), resource(account=_N))
    assert fact(con, "environment") == (None,)


@pytest.mark.parametrize(
    ("grant", "is_open"),
    [
        (granted("*", kind="any"), True),
        (granted("*", kind="any", has_other_conditions=True), None),
        (granted("*", kind="any", narrowed_by="aws:PrincipalOrgID"), None),
        (granted("*", kind="any", narrowed_by="aws:PrincipalAccount", account=B), False),
        (granted("*", kind="any", narrowed_by="aws:PrincipalAccount", account=_N), True),
        (granted(_N, account=_N), True),
        (granted(B, account=B), False),
        (granted(f"arn:aws:iam::{_N}:role/x", kind="identity", account=_N), True),
        (granted("events.amazonaws.com", kind="service"), False),
        (granted("events.amazonaws.com", kind="service", account=B), False),
        (granted("events.amazonaws.com", kind="service", account=_N), True),
        (granted("https://token.elsewhere.example", kind="federated"), True),
        (granted("https://token.actions.example/", kind="federated"), False),
        (granted("o-acme", kind="organization"), None),
    ],
    ids=lambda value: f"{value.principal_kind} {value.account}" if isinstance(value, Grant) else str(value),
)
def test_whether_a_resource_is_open_is_what_its_own_policy_says(grant: Grant, is_open: bool | None) -> None:
    con = _resolved(resource(), grant, company=[("oidc_issuer", "https://token.actions.example", None)])
    assert fact(con, "is_open_to_outside") == (is_open,)


def test_one_grant_to_an_outsider_is_enough() -> None:
    con = _resolved(resource(), granted("o-acme", kind="organization"), granted(_N, account=_N), granted(B, account=B))
    assert fact(con, "is_open_to_outside") == (True,)


def test_no_grant_means_closed_only_where_grants_were_read() -> None:
    assert fact(_resolved(resource(), covered("grants")), "is_open_to_outside") == (False,)
    assert fact(_resolved(resource(), covered("grants", status="denied")), "is_open_to_outside") == (None,)
    assert fact(_resolved(resource()), "is_open_to_outside") == (None,)


def test_a_resource_that_a_partners_account_may_use_concerns_the_partner_without_being_its() -> None:
    con = _resolved(NORDWIND, resource(), granted(_N, account=_N), account_alias("P-1", _N))
    assert fact(con, "partner_id, is_partner_related") == (None, True)


@pytest.mark.parametrize(("kind", "is_workload"), [("function", True), ("project", True), ("parameter", False)])
def test_what_runs_code_is_a_workload(kind: str, is_workload: bool) -> None:
    assert fact(_resolved(resource(kind=kind)), "is_workload") == (is_workload,)


def test_equal_values_have_one_number_and_others_another() -> None:
    con = _resolved(
        resource(),
        resource("import"),
        seen("f1", "DB_PASSWORD"),
        seen("f1", "PGPASSWORD", on="import"),
        seen("f2", "API_KEY"),
    )
    numbers = dict(rows(con, "select name, value_number from secret_places"))
    assert numbers["DB_PASSWORD"] == numbers["PGPASSWORD"] != numbers["API_KEY"]


def test_the_numbers_do_not_depend_on_the_fingerprints() -> None:
    def numbers(*marks: str) -> list[tuple[Any, ...]]:
        con = _resolved(resource(), [seen(mark, name) for mark, name in zip(marks, "ABC", strict=True)])
        return rows(con, "select name, value_number from secret_places order by name")

    assert numbers("f1", "f2", "f1") == numbers("z9", "a0", "z9")


def test_a_stored_secret_of_equal_fingerprint_is_a_place_of_the_same_value() -> None:
    stored = Resource(f"{_VAULT}:secret/kv/db", "vault", _VAULT, kind="secret", name="kv/db", native_id="kv/db")
    con = _resolved(
        Tenant(_VAULT, "vault"),
        stored,
        StoredSecret(stored.resource_id, kind="kv2", fingerprint="f1"),
        resource(),
        seen("f1", "DB_PASSWORD"),
        company=[("tenant", _VAULT, "prod")],
    )
    assert rows(con, "select place_id, value_number, is_stored, holder_id, environment from secret_places") == [
        (f"{resource_id('sync')}/environment/DB_PASSWORD/named_secret/1", 1, False, resource_id("sync"), "prod"),
        (stored.resource_id, 1, True, stored.resource_id, "prod"),
    ]


def test_a_stored_secret_without_a_fingerprint_is_no_place() -> None:
    con = _resolved(resource("db", "secret"), StoredSecret(resource_id("db", "secret"), kind="secret"))
    assert rows(con, "select * from secret_places") == []


def test_an_access_key_id_in_a_text_is_the_credential_of_the_inventory() -> None:
    con = _resolved(
        role(), access_key(), resource(), seen("f1", "AWS_ACCESS_KEY_ID", kind="aws_access_key_id", native_id=_KEY_ID)
    )
    assert place(con, "credential_id, identity_id, is_secret, evidence", "AWS_ACCESS_KEY_ID") == (
        f"{tenant()}:access_key/{_KEY_ID}",
        role_id("sync"),
        False,
        f"the key id {_KEY_ID} is in the inventory",
    )


def test_an_access_key_of_nobody_known_is_linked_to_nothing() -> None:
    con = _resolved(resource(), seen("f1", "AWS_ACCESS_KEY_ID", kind="aws_access_key_id", native_id=_KEY_ID))
    assert place(con, "credential_id, identity_id, evidence", "AWS_ACCESS_KEY_ID") == (None, None, None)


def test_a_secret_key_belongs_to_the_only_key_id_beside_it() -> None:
    con = _resolved(
        role(),
        access_key(),
        resource(),
        seen("f1", "BACKUP_USER", kind="aws_access_key_id", native_id=_KEY_ID),
        seen("f2", "BACKUP_AWS_SECRET", kind="aws_secret_access_key"),
    )
    assert place(con, "credential_id, is_secret, evidence", "BACKUP_AWS_SECRET") == (
        f"{tenant()}:access_key/{_KEY_ID}",
        True,
        f"it stands beside the key id {_KEY_ID}",
    )


def test_of_several_key_ids_the_one_with_the_same_stem_is_the_secret_keys() -> None:
    other = "AKIA" + "QNORDWINDSYNC567"
    con = _resolved(
        role(),
        access_key(),
        access_key(other),
        resource(),
        seen("f1", "IN_AWS_ACCESS_KEY_ID", kind="aws_access_key_id", native_id=_KEY_ID),
        seen("f2", "OUT_AWS_ACCESS_KEY_ID", kind="aws_access_key_id", native_id=other),
        seen("f3", "OUT_AWS_SECRET_ACCESS_KEY", kind="aws_secret_access_key"),
        seen("f4", "AWS_SECRET_ACCESS_KEY", kind="aws_secret_access_key"),
    )
    assert place(con, "credential_id", "OUT_AWS_SECRET_ACCESS_KEY") == (f"{tenant()}:access_key/{other}",)
    assert place(con, "credential_id", "AWS_SECRET_ACCESS_KEY") == (None,)


def test_a_key_id_in_another_workload_says_nothing_about_a_secret_key() -> None:
    con = _resolved(
        role(),
        access_key(),
        resource(),
        resource("import"),
        seen("f1", "AWS_ACCESS_KEY_ID", kind="aws_access_key_id", native_id=_KEY_ID, on="import"),
        seen("f2", "AWS_SECRET_ACCESS_KEY", kind="aws_secret_access_key"),
    )
    assert place(con, "credential_id", "AWS_SECRET_ACCESS_KEY") == (None,)


def test_what_one_place_says_of_a_value_holds_for_equal_values() -> None:
    con = _resolved(
        role(),
        access_key(),
        resource(),
        resource("import"),
        seen("f1", "AWS_ACCESS_KEY_ID", kind="aws_access_key_id", native_id=_KEY_ID),
        seen("f2", "AWS_SECRET_ACCESS_KEY", kind="aws_secret_access_key"),
        seen("f2", "S3_SECRET", on="import"),
    )
    assert place(con, "credential_id, evidence", "S3_SECRET") == (
        f"{tenant()}:access_key/{_KEY_ID}",
        f"an equal value elsewhere: it stands beside the key id {_KEY_ID}",
    )


def test_a_service_accounts_key_is_the_identity_of_its_address() -> None:
    con = _resolved(
        role("sa", mail="Sync@project.example"),
        resource(),
        seen("f1", "GCP_JSON", kind="private_key", native_id="sync@project.example"),
    )
    assert place(con, "identity_id, credential_id", "GCP_JSON") == (role_id("sa"), None)


def test_a_secret_in_a_tag_of_an_identity_has_that_identity_as_its_place() -> None:
    sighting = Sighting(
        "s1", "aws", tenant(), where_kind="tag", location="tag of role sync", kind="named_secret", fingerprint="f1",
        name="password", identity_id=role_id("sync"),
    )  # fmt: skip
    con = _resolved(role(), sighting)
    assert place(con, "holder_id, resource_id, environment", "password") == (role_id("sync"), None, "prod")


def test_a_place_stands_where_its_workload_stands() -> None:
    con = _resolved(
        NORDWIND, resource(account=B), labelled("partner", "Nordwind", account=B), seen("f1", "TOKEN", account=B)
    )
    assert place(con, "environment, partner_id, tenant_id", "TOKEN") == ("dev", "P-1", tenant(B))


def test_revisions_of_a_task_definition_are_one_holder() -> None:
    con = _resolved(
        resource("app", "task"),
        resource("app:3", "task"),
        seen("f1", "A", on="app", of="task"),
        seen("f1", "B", on="app:3", of="task"),
    )
    assert rows(con, "select distinct holder_id from secret_places") == [(resource_id("app", "task"),)]


def _used(n: int, source_ip: str | None, user_agent: str | None, **fields: Any) -> Use:
    values: dict[str, Any] = {"credential_id": "c1", "outcome": "success"} | fields
    at = datetime(2026, 1, n, tzinfo=UTC)
    return Use(
        f"e{n}",
        "aws",
        tenant(),
        at,
        kind="call",
        action="PutObject",
        source_ip=source_ip,
        user_agent=user_agent,
        **values,
    )


def test_uses_from_one_network_with_one_program_are_one_source() -> None:
    con = _resolved(
        _used(1, "192.0.2.1", "Boto3/1.34 md/Botocore"),
        _used(2, "192.0.2.77", "Boto3/1.40"),
        _used(3, "198.51.100.7", "[aws-cli/2.15 exec-env/x]"),
        _used(4, "2001:db8:1::7", "APN/1.0 HashiCorp/1.0 Terraform/1.5"),
    )
    assert rows(con, "select network, program, uses, last_used_at from credential_sources") == [
        ("192.0.2", "boto3", 2, datetime(2026, 1, 2)),
        ("198.51.100", "aws-cli", 1, datetime(2026, 1, 3)),
        ("2001:db8:1", "terraform", 1, datetime(2026, 1, 4)),
    ]


def test_uses_that_do_not_say_from_where_or_with_what_are_no_source() -> None:
    con = _resolved(
        _used(1, "cloudformation.amazonaws.com", "cloudformation.amazonaws.com"),
        _used(2, None, "Boto3/1.34"),
        _used(3, "192.0.2.1", None),
        _used(4, "192.0.2.1", "Boto3/1.34", outcome="failure"),
        _used(5, "192.0.2.1", "Boto3/1.34", credential_id=None),
    )
    assert rows(con, "select * from credential_sources") == []


def test_a_trusted_partners_role_makes_its_workload_the_partners() -> None:
    con = _resolved(NORDWIND, role(), trust(_N), account_alias("P-1", _N), resource(runs_as_id=role_id("sync")))
    assert fact(con, "partner_id") == ("P-1",)


def test_hostile_names_are_only_names() -> None:
    name = "x'\"<b>\n\x00${{" + "y" * 2000
    con = _resolved(NORDWIND, resource(name), labelled(name, name, on=name), seen("f1", name, on=name))
    assert rows(con, "select r.name, p.name from resource_facts r join secret_places p using (resource_id)") == [
        (name, name)
    ]
