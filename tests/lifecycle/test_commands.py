"""What a person is told to do by hand: the right command for each thing, quoted, and never half of a sequence."""

from __future__ import annotations

import itertools
import shlex
from collections.abc import Iterator
from typing import Any

import duckdb
import pytest

from nhiscan import store
from nhiscan.lifecycle.commands import ACTIONS, Guide, Target, guide, guides, targets

KINDS = ("identity", "credential", "trust", "grant", "membership", "app", "secret", "workload")
PROVIDERS = ("aws", "vault", "salesforce", "hubspot", "files", "")


def key(**fields: Any) -> Target:
    told = {"kind": "access_key", "native_id": "AKIAEXAMPLE", "holder_name": "svc-feed", **fields}
    return Target("credential", "aws:1:access_key/AKIAEXAMPLE", "aws", **told)


@pytest.mark.parametrize(
    ("target", "action", "commands"),
    [
        (
            key(),
            "revoke_access",
            (
                "aws iam update-access-key --user-name svc-feed --access-key-id AKIAEXAMPLE --status Inactive",
                "aws iam delete-access-key --user-name svc-feed --access-key-id AKIAEXAMPLE",
            ),
        ),
        (
            key(),
            "rotate_shared_secret",
            ("aws iam update-access-key --user-name svc-feed --access-key-id AKIAEXAMPLE --status Inactive",),
        ),
        (key(kind="password"), "revoke_access", ("aws iam delete-login-profile --user-name svc-feed",)),
        (key(holder_name="<root_account>"), "revoke_access", ()),
        (
            Target("trust", "t", "aws", kind="assume_role", holder_name="feed", holder_kind="workload_role"),
            "remove_delegation",
            (
                "aws iam get-role --role-name feed --query Role.AssumeRolePolicyDocument",
                "aws iam update-assume-role-policy --role-name feed --policy-document file://policy.json",
            ),
        ),
        (
            Target(
                "grant", "aws:1:grant/abc", "aws", kind="kms_grant", holder_native_id="arn:k", region="eu-central-1"
            ),
            "remove_delegation",
            ("aws kms revoke-grant --key-id arn:k --grant-id abc --region eu-central-1",),
        ),
        (
            Target("grant", "aws:1:delegated_admin/333333333333/guardduty.amazonaws.com", "aws", kind="delegation"),
            "remove_delegation",
            (
                (
                    "aws organizations deregister-delegated-administrator --account-id 333333333333 "
                    "--service-principal guardduty.amazonaws.com"
                ),
            ),
        ),
        (
            Target("secret", "s", "aws", kind="parameter", name="/feed/key", region="eu-central-1"),
            "rotate_shared_secret",
            ("aws ssm put-parameter --name /feed/key --value file://new-value --overwrite --region eu-central-1",),
        ),
        (
            Target("membership", "u in g", "aws", holder_name="feed", group_name="ops"),
            "revoke_access",
            ("aws iam remove-user-from-group --user-name feed --group-name ops",),
        ),
        (
            Target(
                "credential", "c", "vault", kind="approle_secret", native_id="acc", holder_native_id="auth/ap/role/x"
            ),
            "revoke_access",
            ("vault write auth/ap/role/x/secret-id-accessor/destroy secret_id_accessor=acc",),
        ),
        (
            Target("credential", "c", "vault", kind="password", holder_native_id="team/auth/userpass/users/x"),
            "rotate_shared_secret",
            ("vault write -namespace=team/ auth/userpass/users/x/password password=-",),
        ),
        (
            Target("credential", "c", "vault", kind="vault_token", native_id="acc"),
            "revoke_access",
            ("vault token revoke -accessor acc",),
        ),
        (
            Target("identity", "i", "vault", kind="entity", native_id="e-1"),
            "revoke_access",
            ("vault write identity/entity/id/e-1 disabled=true",),
        ),
        (
            Target(
                "identity", "i", "vault", kind="workload_role", native_id="auth/ap/role/x", keys=(("vault_token", "a"),)
            ),
            "revoke_access",
            ("vault delete auth/ap/role/x", "vault token revoke -accessor a"),
        ),
        (
            Target("identity", "i", "salesforce", kind="human_user", native_id="005U"),
            "revoke_access",
            (
                "sf data update record --sobject UserLogin --where UserId=005U --values IsFrozen=true",
                "sf data update record --sobject User --record-id 005U --values IsActive=false",
            ),
        ),
        (
            Target("membership", "u in s", "salesforce", holder_native_id="005U", group_native_id="0PSX"),
            "revoke_access",
            ("sf data delete record --sobject PermissionSetAssignment --where 'AssigneeId=005U PermissionSetId=0PSX'",),
        ),
        (
            Target("identity", "i", "hubspot", kind="human_user", native_id="601"),
            "revoke_access",
            ("curl --request DELETE --header @headers.txt https://api.hubapi.com/settings/users/2026-03/601",),
        ),
    ],
)
def test_each_thing_has_the_commands_of_its_provider(target: Target, action: Any, commands: tuple[str, ...]) -> None:
    assert guide(target, action).commands == commands


@pytest.mark.parametrize(
    ("target", "page"),
    [
        (Target("credential", "c", "salesforce", kind="oauth_token"), "Setup > Users"),
        (Target("app", "a", "salesforce", kind="oauth_app"), "Setup > Connected Apps OAuth Usage"),
        (Target("app", "a", "hubspot", kind="private_app"), "Settings > Integrations > Private Apps"),
        (Target("credential", "c", "hubspot", kind="service_key"), "Settings > Integrations > Service Keys"),
        (Target("trust", "t", "aws", holder_name="AWSReservedSSO_Ops_1"), "IAM Identity Center"),
        (key(holder_name="<root_account>"), "sign in as the root user"),
    ],
)
def test_what_no_api_does_names_the_page(target: Target, page: str) -> None:
    told = guide(target, "close_integration")

    assert told.commands == ()
    assert told.page is not None
    assert told.page.startswith(page)


@pytest.mark.parametrize(
    ("provider", "thing_kind", "action"),
    list(itertools.product(PROVIDERS, KINDS, ACTIONS)),
    ids=lambda word: word or "none",
)
def test_every_kind_of_thing_has_an_answer_in_words(provider: str, thing_kind: str, action: Any) -> None:
    told = guide(Target(thing_kind, "x", provider), action)

    assert len(told.says.split()) > 1
    assert "\n" not in told.says


@pytest.mark.parametrize("name", ["o'hare", "a b", "$(reboot)", "`id`", "x; rm -rf /", "--profile=evil", '"', "a&b"])
def test_a_name_reaches_the_program_as_one_word(name: str) -> None:
    for line in guide(key(holder_name=name), "revoke_access").commands:
        assert shlex.split(line)[4] == name


@pytest.mark.parametrize("name", ["a\nb", "\u202eevil", "a\x1b[2Jb", "\u200b"])
def test_a_name_that_a_terminal_does_not_show_leaves_no_command_at_all(name: str) -> None:
    told = guide(Target("identity", "i", "aws", kind="service_account", name=name), "revoke_access")

    assert told.commands == ()
    assert "does not show" in told.says


@pytest.mark.parametrize(("provider", "thing_kind"), list(itertools.product(PROVIDERS, KINDS)))
def test_no_command_asks_for_or_prints_a_value_of_a_secret(provider: str, thing_kind: str) -> None:
    kinds = (
        "access_key",
        "password",
        "api_key",
        "approle_secret",
        "vault_token",
        "secret",
        "parameter",
        "secret_field",
    )
    for kind, action in itertools.product(kinds, ACTIONS):
        told = guide(Target(thing_kind, "x", provider, kind=kind, native_id="p#f", holder_native_id="auth/u/x"), action)
        text = " ".join(told.commands)
        assert not {"create-access-key", "get-secret-value", "get-parameter", "kv get"} & set(text.split())
        assert "--with-decryption" not in text


def test_a_user_loses_each_live_credential() -> None:
    user = Target(
        "identity",
        "i",
        "aws",
        kind="service_account",
        name="feed",
        keys=(("access_key", "AKIA1"), ("password", "feed")),
    )
    told = " ".join(guide(user, "revoke_access").commands)

    assert "--access-key-id AKIA1 --status Inactive" in told
    assert "delete-login-profile --user-name feed" in told
    assert "delete-access-key" not in told  # what is deleted cannot be given back when it is missed


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with store.empty() as opened:
        opened.execute(
            "insert into identities (identity_key, identity_id, provider, kind, name, native_id) values "
            "(1, 'aws:1:user/feed', 'aws', 'service_account', 'feed', 'arn:feed'), "
            "(2, 'aws:1:group/ops', 'aws', 'group', 'ops', 'arn:ops'), "
            "(3, 'aws:1:role/feed', 'aws', 'workload_role', 'feed-role', 'arn:role')"
        )
        opened.execute(
            "insert into credentials (credential_key, credential_id, identity_key, provider, kind, native_id) values "
            "(1, 'aws:1:access_key/AKIA1', 1, 'aws', 'access_key', 'AKIA1')"
        )
        opened.execute(
            "insert into credential_facts (credential_id, identity_key, kind, native_id, is_live) values "
            "('aws:1:access_key/AKIA1', 1, 'access_key', 'AKIA1', true), "
            "('aws:1:access_key/AKIA0', 1, 'access_key', 'AKIA0', false)"
        )
        opened.execute(
            "insert into trusts (trust_key, trust_id, identity_key, mechanism) values (1, 't', 3, 'assume_role')"
        )
        opened.execute("insert into leak_facts (leak_id, credential_id) values ('leak', 'aws:1:access_key/AKIA1')")
        yield opened


def test_targets_come_from_the_tables_of_the_scan(con: duckdb.DuckDBPyConnection) -> None:
    found = targets(
        con,
        [
            ("identity", "aws:1:user/feed"),
            ("credential", "aws:1:access_key/AKIA1"),
            ("trust", "t"),
            ("membership", "aws:1:user/feed in aws:1:group/ops"),
            ("identity", "aws:1:user/gone"),
        ],
    )

    assert found["identity", "aws:1:user/feed"].keys == (("access_key", "AKIA1"),)
    assert found["credential", "aws:1:access_key/AKIA1"].holder_name == "feed"
    assert found["trust", "t"].holder_name == "feed-role"
    assert found["membership", "aws:1:user/feed in aws:1:group/ops"].group_name == "ops"
    assert ("identity", "aws:1:user/gone") not in found


def test_a_leaked_value_that_is_a_key_is_replaced_as_that_key(con: duckdb.DuckDBPyConnection) -> None:
    told = guides(con, [("secret", "leak", "files", "rotate_shared_secret")])

    assert "--access-key-id AKIA1" in told["secret", "leak"].commands[0]


def test_what_is_in_no_table_still_gets_an_answer(con: duckdb.DuckDBPyConnection) -> None:
    told = guides(con, [("identity", "okta:x:user/1", "okta", "revoke_access")])

    assert told["identity", "okta:x:user/1"] == Guide(
        "take the access away in the administration of okta: no command is known for this kind of thing"
    )
