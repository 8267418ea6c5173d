"""Hops between systems: who can read what lets one be another, and the decoys that must not be a hop."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import duckdb
import pytest

from nhiscan.model import (
    Coverage,
    Credential,
    Grant,
    Identity,
    OrgNode,
    OrgPolicy,
    Policy,
    Resource,
    ResourceTag,
    Sighting,
    StoredSecret,
    Tenant,
)
from nhiscan.resolve import paths, privileges, secret_edges
from tests.resolve.aws_estate import A, B, Estate, allow, deny
from tests.resolve.vault_estate import VAULT
from tests.resolve.vault_estate import Estate as VaultEstate
from tests.resolve.vault_estate import allow as vault_allow

SECRET = f"arn:aws:secretsmanager:eu-central-1:{A}:secret:crm/vault-token-AbCdEf"
FUNCTION = f"arn:aws:lambda:eu-central-1:{A}:function:sync"
ACCESSOR = "hmac8Xk2JpQwErTyUiOpAsDf"
EVERYTHING = vault_allow("*", "create", "read", "update", "delete", "list", "sudo")
Step = tuple[str, str, str, str]


def credential(identity_id: str, kind: str, native_id: str, **more: Any) -> Credential:
    tenant_id = ":".join(identity_id.split(":")[:2])
    provider = tenant_id.partition(":")[0]
    told = {"status": "active", "is_replaceable": True, **more}
    credential_id = f"{tenant_id}:{kind}/{native_id}"
    return Credential(
        credential_id, identity_id, provider=provider, tenant_id=tenant_id, kind=kind, native_id=native_id, **told
    )


@pytest.fixture
def estate() -> Estate:
    """An account with a role `reader`, and a vault whose token `deploy` may do everything."""
    made = Estate()
    made.account(A)
    made.account(B)
    made.identity("role/reader")
    made.records.append(Tenant(VAULT, "vault"))
    vault = VaultEstate()
    token = vault.identity("token", "deploy")
    vault.bind(token, vault.policy("everything", EVERYTHING))
    made.records += vault.records
    made.records.append(credential(token, "vault_token", ACCESSOR))
    return made


def secret(estate: Estate, *, label: str = ACCESSOR, encrypted: str = "provider", arn: str = SECRET) -> str:
    account = arn.split(":")[4]
    resource_id = f"aws:{account}:secret/{arn}"
    estate.records += [
        Resource(
            resource_id, "aws", f"aws:{account}", "secret", "crm/vault-token", arn, region="eu-central-1",
            encrypted_at_rest=encrypted,
        ),
        ResourceTag(resource_id, name="vault_accessor", value=label),
        StoredSecret(resource_id, kind="secret"),
    ]  # fmt: skip
    return resource_id


def function(estate: Estate, *sightings: dict[str, Any], runs_as: str | None = None) -> str:
    resource_id = f"aws:{A}:function/sync"
    estate.records.append(Resource(resource_id, "aws", f"aws:{A}", "function", "sync", FUNCTION, runs_as_id=runs_as))
    for number, more in enumerate(sightings):
        said = {"where_kind": "environment", "location": "variable of function sync", "name": "X", **more}
        sighting_id = f"{resource_id}/{number}"
        estate.records.append(Sighting(sighting_id, "aws", f"aws:{A}", resource_id=resource_id, **said))
    return resource_id


def steps(estate: Estate) -> set[Step]:
    con = estate.load()
    secret_edges.run(con)
    return read(con)


def read(con: duckdb.DuckDBPyConnection) -> set[Step]:
    """(from, to, kind, certainty), hubs left out."""
    rows = con.execute(
        """
        with found as (
            select from_key, to_key, kind, certainty from access_edges where from_key >= 0 and to_key >= 0
            union all
            select a.from_key, b.to_key, b.kind, b.certainty
            from access_edges a join access_edges b on b.from_key = a.to_key where a.to_key < 0
        )
        select distinct a.name, b.name, f.kind, f.certainty
        from found f
        join identities a on a.identity_key = f.from_key
        join identities b on b.identity_key = f.to_key
        where f.from_key <> f.to_key and f.kind in ('can-read-secret-of', 'embeds-credential-of')
        """
    ).fetchall()
    return set(rows)


READER = f"aws:{A}:role/reader"
GET = "secretsmanager:GetSecretValue"
HOP = ("reader", "deploy", "can-read-secret-of", "definite")


def sure(certainty: str | None) -> set[Step]:
    return {(*HOP[:3], certainty)} if certainty else set()


@pytest.mark.parametrize(
    ("statements", "certainty"),
    [
        ([allow(GET)], "definite"),
        ([allow("secretsmanager:*", SECRET[:-6] + "??????")], "definite"),
        ([allow(GET, f"arn:aws:secretsmanager:eu-central-1:{A}:secret:other-AbCdEf")], None),
        ([allow("secretsmanager:Describe*")], None),
        ([allow(GET), deny("secretsmanager:*", SECRET)], None),
        ([allow(GET), deny("*", f"arn:aws:secretsmanager:eu-central-1:{A}:secret:other-*")], "definite"),
        ([allow(GET, Condition={"StringEquals": {"aws:SourceVpc": "vpc-1"}})], "conditional"),
        ([allow(GET), deny(GET, Condition={"StringNotEquals": {"aws:SourceVpc": "vpc-1"}})], "potential"),
    ],
)
def test_a_role_that_reads_a_vaults_token_is_a_step_to_it(
    estate: Estate, statements: list[dict[str, Any]], certainty: str | None
) -> None:
    secret(estate)
    estate.give(READER, *statements)
    assert steps(estate) == sure(certainty)


def test_a_boundary_keeps_the_secret_closed(estate: Estate) -> None:
    secret(estate)
    estate.give(READER, allow("*"))
    estate.bound(READER, allow("s3:*"))
    assert steps(estate) == set()


@pytest.mark.parametrize("label", ["hmac0000000000000000gone", "deploy"])
def test_a_secret_that_holds_something_else_leads_nowhere(estate: Estate, label: str) -> None:
    secret(estate, label=label)
    estate.give(READER, allow(GET))
    assert steps(estate) == set()


@pytest.mark.parametrize(
    ("statements", "certainty"),
    [
        ([allow([GET, "kms:Decrypt"])], "definite"),
        ([allow(GET), allow("kms:*", f"arn:aws:kms:eu-central-1:{A}:key/*")], "definite"),
        ([allow(GET), allow("kms:Decrypt", f"arn:aws:kms:eu-central-1:{A}:key/1")], "conditional"),
        (
            [
                allow(GET),
                allow(
                    "kms:Decrypt",
                    Condition={"StringEquals": {"kms:ViaService": "secretsmanager.eu-central-1.amazonaws.com"}},
                ),
            ],
            "definite",
        ),
        ([allow(GET)], "potential"),
    ],
)
def test_a_key_of_ours_has_to_open_as_well(estate: Estate, statements: list[dict[str, Any]], certainty: str) -> None:
    estate.records.append(
        Resource(f"aws:{A}:key/1", "aws", f"aws:{A}", "key", "1", f"arn:aws:kms:eu-central-1:{A}:key/1", "eu-central-1")
    )
    secret(estate, encrypted="customer_key")
    estate.give(READER, *statements)
    assert steps(estate) == sure(certainty)


def test_an_organization_may_forbid_the_secret_or_its_reading(estate: Estate) -> None:
    secret(estate)
    estate.give(READER, allow(GET))
    organization(estate, "scp", allow("*"), deny("secretsmanager:*"))
    assert steps(estate) == set()


def test_an_organization_may_forbid_the_resource_to_be_read(estate: Estate) -> None:
    secret(estate)
    estate.give(READER, allow(GET))
    organization(estate, "rcp", {**allow("*"), "Principal": "*"}, {**deny(GET), "Principal": "*"})
    assert steps(estate) == set()


def organization(estate: Estate, kind: str, *statements: dict[str, Any]) -> None:
    estate.records += [
        Coverage("aws", f"aws:{A}", "organization", "complete"),
        OrgNode("r-1", f"aws:{B}", kind="root", name="Root"),
        OrgNode(A, f"aws:{A}", kind="account", name="a", parent_id="r-1"),
    ]
    text = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
    policy_id = f"aws:{B}:policy/{kind}"
    estate.records.append(Policy(policy_id, "aws", f"aws:{B}", kind, kind, kind, text))
    estate.records.append(OrgPolicy(policy_id, node_id="r-1"))


@pytest.mark.parametrize(("is_let_in", "found"), [(True, "conditional"), (False, None)])
def test_another_account_needs_the_secrets_own_policy(estate: Estate, is_let_in: bool, found: str | None) -> None:
    abroad = SECRET.replace(A, B)
    resource_id = secret(estate, arn=abroad)
    estate.give(READER, allow(GET))
    if is_let_in:
        estate.records.append(
            Grant("g", "aws", f"aws:{B}", "account", f"arn:aws:iam::{A}:root", GET, resource_id=resource_id, account=A)
        )
    assert steps(estate) == sure(found)


@pytest.mark.parametrize(
    ("permission", "more"),
    [
        ("secretsmanager:DescribeSecret", {"account": A}),
        (GET, {"account": "333333333333"}),
        (GET, {"account": A, "identity_id": f"aws:{A}:role/other"}),
    ],
)
def test_a_policy_for_somebody_or_something_else_lets_nobody_in(
    estate: Estate, permission: str, more: dict[str, Any]
) -> None:
    estate.identity("role/other")
    resource_id = secret(estate, arn=SECRET.replace(A, B))
    estate.give(READER, allow(GET))
    estate.records.append(Grant("g", "aws", f"aws:{B}", "account", "p", permission, resource_id=resource_id, **more))
    assert steps(estate) == set()


@pytest.mark.parametrize(
    "more", [{"status": "inactive"}, {"expires_at": datetime(2026, 1, 30, tzinfo=UTC)}], ids=["inactive", "expired"]
)
def test_a_credential_that_is_no_good_is_no_step(more: dict[str, Any]) -> None:
    estate = Estate()
    estate.account(A)
    caller, other = estate.identity("role/reader"), estate.identity("user/other")
    estate.records.append(credential(other, "access_key", "AKIA" + "X" * 16, **more))
    secret(estate, label="AKIA" + "X" * 16)
    estate.give(caller, allow(GET))
    con = estate.load()
    con.execute("insert into scans by name select 'x' as scan_id, timestamp '2026-01-31' as as_of")
    secret_edges.run(con)
    assert read(con) == set()


# Workloads

KEY_ID = "AKIA" + "QNORDWINDSYNC234"
PAIR = (
    {"kind": "aws_access_key_id", "fingerprint": "f-id", "name": "AWS_ACCESS_KEY_ID", "native_id": KEY_ID},
    {"kind": "aws_secret_access_key", "fingerprint": "f-secret", "name": "AWS_SECRET_ACCESS_KEY"},
)
TOKEN = {"kind": "named_secret", "fingerprint": "f-token", "name": "VAULT_TOKEN"}


@pytest.mark.parametrize(
    ("status", "expected"),
    [("denied", {("app", "loader", "embeds-credential-of", "potential")}), ("complete", set()), ("unsupported", set())],
)
def test_a_key_that_is_nobodys_may_be_of_any_user_whose_keys_were_not_read(
    estate: Estate, status: str, expected: set[Step]
) -> None:
    estate.identity("user/loader", B)
    estate.identity("role/other", B)
    estate.records.append(Coverage("aws", f"aws:{B}", "credentials", status))
    function(estate, *PAIR, runs_as=estate.identity("role/app"))
    assert steps(estate) == expected


@pytest.fixture
def keyed(estate: Estate) -> Estate:
    """A function that runs as `app` and is started with the key of a user of another account."""
    app = estate.identity("role/app")
    estate.records.append(credential(estate.identity("user/loader", B), "access_key", KEY_ID))
    function(estate, *PAIR, runs_as=app)
    return estate


OWN = ("app", "loader", "embeds-credential-of", "definite")


def test_a_function_holds_a_key_of_another_account(keyed: Estate) -> None:
    assert steps(keyed) == {OWN}


@pytest.mark.parametrize(
    ("statements", "certainty"),
    [
        ([allow("lambda:GetFunctionConfiguration", FUNCTION)], "definite"),
        ([allow("lambda:GetFunction", FUNCTION + "x")], None),
        ([allow("lambda:List*")], "definite"),
        ([allow("lambda:List*", FUNCTION)], None),  # a list acts on no single function
        ([allow("lambda:InvokeFunction")], None),
        ([allow("lambda:*"), deny("lambda:Get*"), deny("lambda:ListFunctions")], None),
        ([allow("lambda:*"), deny("lambda:Get*", FUNCTION)], "definite"),  # and still by a list
        ([allow("lambda:Get*", Condition={"StringEquals": {"aws:SourceVpc": "vpc-1"}})], "conditional"),
    ],
)
def test_whoever_reads_the_configuration_has_the_key(
    keyed: Estate, statements: list[dict[str, Any]], certainty: str | None
) -> None:
    keyed.give(READER, *statements)
    more = {("reader", "loader", "embeds-credential-of", certainty)} if certainty else set()
    assert steps(keyed) == {OWN, *more}


def test_a_key_id_alone_opens_nothing(estate: Estate) -> None:
    app = estate.identity("role/app")
    estate.records.append(credential(estate.identity("user/loader", B), "access_key", KEY_ID))
    function(estate, PAIR[0], runs_as=app)
    assert steps(estate) == set()


def test_a_function_holds_a_token_that_a_label_names(estate: Estate) -> None:
    app = estate.identity("role/app")
    resource_id = function(estate, TOKEN, runs_as=app)
    estate.records.append(ResourceTag(resource_id, name="vault_accessor", value=ACCESSOR))
    assert steps(estate) == {("app", "deploy", "embeds-credential-of", "definite")}


def test_one_of_two_tokens_is_not_guessed(estate: Estate) -> None:
    app = estate.identity("role/app")
    other = {"kind": "named_secret", "fingerprint": "f-other", "name": "VAULT_TOKEN_OLD"}
    resource_id = function(estate, TOKEN, other, runs_as=app)
    estate.records.append(ResourceTag(resource_id, name="vault_accessor", value=ACCESSOR))
    assert steps(estate) == set()


def test_a_token_that_nothing_names_leads_nowhere(estate: Estate) -> None:
    app = estate.identity("role/app")
    function(estate, TOKEN, runs_as=app)
    assert steps(estate) == set()


def kept(estate: Estate, fingerprint: str = "f-token") -> None:
    """The token as it lies in the vault, fingerprinted and labelled."""
    vault = VaultEstate()
    vault.mount("secret")
    resource_id = f"{VAULT}:secret/secret/ci/token"
    estate.records += [
        *vault.records,
        Resource(resource_id, "vault", VAULT, "secret", "secret/ci/token", "secret/ci/token"),
        ResourceTag(resource_id, name="accessor", value=ACCESSOR),
        StoredSecret(resource_id, kind="kv2", fingerprint=fingerprint),
    ]


@pytest.mark.parametrize(("fingerprint", "is_equal"), [("f-token", True), ("f-other", False)])
def test_a_function_holds_a_token_that_equals_one_in_the_vault(
    estate: Estate, fingerprint: str, is_equal: bool
) -> None:
    app = estate.identity("role/app")
    function(estate, TOKEN, runs_as=app)
    kept(estate, fingerprint)
    assert steps(estate) == ({("app", "deploy", "embeds-credential-of", "definite")} if is_equal else set())


@pytest.mark.parametrize(
    ("text", "certainty"),
    [
        (vault_allow("secret/data/ci/*", "read"), "definite"),
        (vault_allow("secret/data/+/token", "read"), "definite"),
        (vault_allow("secret/metadata/ci/*", "read"), None),
        (vault_allow("secret/data/ci/*", "list", "update"), None),
        (vault_allow("secret/data/*", "read") + vault_allow("secret/data/ci/token", "deny"), None),
        (vault_allow("secret/data/ci/*", "read", more='control_group = { factor "a" { } }'), "conditional"),
    ],
)
def test_a_role_of_the_vault_that_reads_the_token_is_a_step_to_it(
    estate: Estate, text: str, certainty: str | None
) -> None:
    kept(estate)
    vault = VaultEstate()
    vault.bind(vault.role("ci"), vault.policy("ci", text))
    estate.records += vault.records
    found = {step for step in steps(estate) if step[0] == "ci"}
    assert found == ({("ci", "deploy", "can-read-secret-of", certainty)} if certainty else set())


def test_a_role_of_the_vault_that_hands_out_sessions_of_a_role_of_aws(estate: Estate) -> None:
    vault = VaultEstate()
    vault.mount("aws", "aws", None)
    vault.bind(vault.role("ci"), vault.policy("ci", vault_allow("aws/creds/deploy", "read")))
    resource_id = f"{VAULT}:aws_role/aws/deploy"
    estate.records += [
        *vault.records,
        Resource(resource_id, "vault", VAULT, "aws_role", "aws/deploy", "aws/deploy"),
        ResourceTag(resource_id, name="role_arns", value=f"arn:aws:iam::{A}:role/reader,arn:aws:iam::{B}:role/gone"),
        StoredSecret(resource_id, kind="aws_role"),
    ]
    found = {step for step in steps(estate) if step[0] == "ci"}
    assert found == {("ci", "reader", "can-read-secret-of", "conditional")}


def test_several_readers_of_several_secrets_share_a_hub(estate: Estate) -> None:
    for number in range(10):
        token = f"{VAULT}:token/t{number}"
        estate.records.append(Identity(token, "vault", VAULT, "token", f"t{number}", f"t{number}", True))
        estate.records.append(credential(token, "vault_token", f"hmac8Xk2JpQwErTyUiOpAs{number}"))
        secret(estate, label=f"hmac8Xk2JpQwErTyUiOpAs{number}", arn=f"{SECRET}{number}")
    shared = estate.policy(allow(GET))
    for number in range(20):
        estate.bind(estate.identity(f"role/reader-{number}"), shared)
    con = estate.load()
    secret_edges.run(con)
    ((rows,),) = con.execute("select count(*) from access_edges").fetchall()
    assert rows == 10 + 20


def test_the_way_from_a_role_of_aws_ends_at_an_administrator_of_the_vault(estate: Estate) -> None:
    secret(estate)
    estate.give(READER, allow(GET))
    estate.give(estate.identity("role/denied"), allow(GET), deny(GET))
    con = estate.load()
    privileges.run(con)
    paths.run(con)
    found = con.execute(
        "select i.name, r.hops, n.name from reach r join identities i on i.identity_key = r.identity_key "
        "left join identities n on n.identity_key = r.next_key where r.goal = 'admin' and r.certainty = 'definite' "
        "order by all"
    ).fetchall()
    assert found == [("deploy", 0, None), ("reader", 1, "deploy")]
