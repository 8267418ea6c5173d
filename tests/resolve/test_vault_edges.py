"""Labelled cases of who acts as whom in a vault; which request gives what is compared with a live server elsewhere."""

from __future__ import annotations

import pytest

from nhiscan.model import AuthRole, Identity, Tenant
from nhiscan.resolve import privileges, vault_edges
from tests.resolve.vault_estate import Estate, allow

Edge = tuple[str, str, str, bool]


def edges(estate: Estate) -> set[Edge]:
    """Each step as (from, to, certainty, rewrites), hubs left out; of several the surest."""
    con = estate.load()
    privileges.run(con)
    vault_edges.run(con)
    rows = con.execute(
        """
        with steps as (
            select from_key, to_key, certainty, is_rewriting from access_edges where from_key >= 0 and to_key >= 0
            union all
            select a.from_key, b.to_key, b.certainty, b.is_rewriting
            from access_edges a join access_edges b on b.from_key = a.to_key where a.to_key < 0
        )
        select a.name, b.name,
               arg_min(s.certainty, case s.certainty when 'definite' then 0 when 'conditional' then 1 else 2 end),
               s.is_rewriting
        from steps s
        join identities a on a.identity_key = s.from_key
        join identities b on b.identity_key = s.to_key
        where s.from_key <> s.to_key or s.is_rewriting
        group by a.name, b.name, s.is_rewriting
        """
    ).fetchall()
    return set(rows)


def role(estate: Estate, name: str, *texts: str, method: str = "approle") -> str:
    made = estate.role(name, method)
    for number, text in enumerate(texts):
        estate.bind(made, estate.policy(f"{name}-{number}", text))
    return made


@pytest.fixture
def estate() -> Estate:
    made = Estate()
    role(made, "target", allow("secret/data/x", "read"))
    return made


OWN = "auth/approle/role/target"


@pytest.mark.parametrize(
    ("text", "certainty"),
    [
        (allow(f"{OWN}/secret-id", "update") + allow(f"{OWN}/role-id", "read"), "definite"),
        (allow(f"{OWN}/*", "read", "update"), "definite"),
        (allow("auth/approle/role/+/secret-id", "update") + allow("auth/approle/role/+/role-id", "read"), "definite"),
        (allow(f"{OWN}/secret-id", "update"), "conditional"),
        (allow(f"{OWN}/secret-id", "create") + allow(f"{OWN}/role-id", "read"), None),
        (allow(f"{OWN}/role-id", "read"), None),
        (allow(f"{OWN}/*", "read", "update") + allow(f"{OWN}/secret-id", "deny"), "definite"),  # a custom one
        (allow(f"{OWN}/*", "read", "update") + allow(f"{OWN}/+", "deny"), None),
        (allow("auth/approle/role/other/*", "read", "update"), None),
        (allow(f"{OWN}/*", "read", "update", more='required_parameters = ["ttl"]'), "conditional"),
        ('path "auth/approle/role/target/*" { capabilities = [ ', None),
    ],
)
def test_a_secret_id_and_the_role_id_are_a_login(estate: Estate, text: str, certainty: str | None) -> None:
    role(estate, "caller", text)
    found = {edge for edge in edges(estate) if not edge[3]}
    assert found == ({("caller", "target", certainty, False)} if certainty else set())


def test_a_role_that_asks_for_no_secret_id_needs_its_role_id_only(estate: Estate) -> None:
    open_role = estate.identity("workload_role", "open", "auth/approle/role/open")
    estate.records.append(AuthRole(open_role, method="approle", mount="approle", is_secret_required=False))
    role(estate, "caller", allow("auth/approle/role/+/role-id", "read"))
    assert edges(estate) == {("caller", "open", "definite", False)}


def test_a_role_for_named_networks_is_conditional(estate: Estate) -> None:
    bound = estate.identity("user", "mia", "auth/userpass/users/mia")
    estate.records.append(AuthRole(bound, method="userpass", mount="userpass", bound_networks="192.0.2.0/24"))
    role(estate, "caller", allow("auth/userpass/users/mia/password", "update"))
    assert edges(estate) == {("caller", "mia", "conditional", False)}


def test_the_whole_role_may_be_rewritten_and_used(estate: Estate) -> None:
    role(estate, "caller", allow(OWN, "update"))
    assert edges(estate) == {("caller", "target", "definite", True)}


def test_policies_of_a_role_help_whoever_can_log_in_as_it(estate: Estate) -> None:
    role(estate, "caller", allow(f"{OWN}/policies", "update"))
    assert edges(estate) == {("caller", "target", "potential", True)}


def test_policies_of_a_role_and_its_login_are_a_way(estate: Estate) -> None:
    role(estate, "caller", allow(f"{OWN}/*", "read", "update"))
    assert edges(estate) == {("caller", "target", "definite", False), ("caller", "target", "definite", True)}


@pytest.mark.parametrize(
    "path",
    ["auth/approle/role/caller/policies", "auth/approle/role/caller", "sys/policies/acl/caller-0", "sys/policy/*"],
)
def test_whoever_writes_its_own_policy_rewrites_itself(estate: Estate, path: str) -> None:
    role(estate, "caller", allow(path, "update"))
    assert ("caller", "caller", "definite", True) in edges(estate)


def test_another_policy_is_not_its_own(estate: Estate) -> None:
    role(estate, "caller", allow("sys/policies/acl/target-0", "update"))
    assert edges(estate) == {("caller", "target", "potential", True)}


def test_a_denied_policy_is_not_written(estate: Estate) -> None:
    role(estate, "caller", allow("sys/policies/acl/*", "update"), allow("sys/policies/acl/caller-*", "deny"))
    assert edges(estate) == {("caller", "target", "potential", True)}


@pytest.mark.parametrize("path", ["auth/token/create", "auth/token/create-orphan", "auth/token/*"])
def test_tokens_with_sudo_have_any_policy_but_root(estate: Estate, path: str) -> None:
    almighty = estate.identity("token", "root-token")
    estate.bind(almighty, estate.policy("root", ""))
    role(estate, "caller", allow(path, "update", "sudo"))
    assert {edge for edge in edges(estate) if edge[0] == "caller"} == {("caller", "target", "definite", False)}


def test_tokens_without_sudo_have_nothing_new(estate: Estate) -> None:
    role(estate, "caller", allow("auth/token/create", "create", "update"))
    assert edges(estate) == set()


def test_a_policy_that_may_do_everything_is_a_way_even_if_nobody_holds_it(estate: Estate) -> None:
    estate.policy("unused", allow("*", "create", "read", "update", "delete", "list", "sudo"))
    role(estate, "caller", allow("auth/token/create", "update", "sudo"))
    assert edges(estate) == {("caller", "target", "definite", False), ("caller", "caller", "definite", True)}


def test_a_token_role_gives_its_own_policies(estate: Estate) -> None:
    made = estate.identity("workload_role", "batch", "auth/token/roles/batch")
    estate.records.append(AuthRole(made, method="token", mount="token"))
    role(estate, "caller", allow("auth/token/create/batch", "update"))
    assert edges(estate) == {("caller", "batch", "definite", False)}


@pytest.mark.parametrize(
    ("text", "is_any"),
    [
        (allow("auth/approle/role/*", "create"), True),
        (allow("auth/approle/role/tmp-*", "create"), True),
        (allow("auth/approle/role/other", "create"), True),
        (allow(OWN, "create"), False),  # it is there already, and changing it asks for update
        (allow("auth/approle/role/*", "read"), False),
        (allow("auth/approle/role/*", "create") + allow("auth/approle/role/+", "deny"), False),
    ],
)
def test_a_new_role_has_any_policy_but_root(estate: Estate, text: str, is_any: bool) -> None:
    role(estate, "caller", text)
    assert edges(estate) == ({("caller", "target", "definite", False)} if is_any else set())


def test_a_group_of_its_own_gives_any_policy(estate: Estate) -> None:
    role(estate, "caller", allow("identity/group/name/mine", "update"))
    assert edges(estate) == {("caller", "target", "definite", False)}


def test_a_token_without_an_entity_is_in_no_group(estate: Estate) -> None:
    token = estate.identity("token", "lonely")
    estate.bind(token, estate.policy("groups", allow("identity/group", "update")))
    assert edges(estate) == set()


def test_whoever_writes_its_own_entity_rewrites_itself(estate: Estate) -> None:
    entity = estate.identity("entity", "e-1")
    caller = role(estate, "caller", allow("identity/entity/id/e-1", "update"))
    estate.join(caller, entity)
    assert edges(estate) == {("caller", "caller", "definite", True)}


def test_whose_word_a_method_takes_decides_over_its_roles(estate: Estate) -> None:
    role(estate, "deploy", allow("secret/data/y", "read"), method="jwt")
    role(estate, "caller", allow("auth/jwt/config", "update"))
    assert edges(estate) == {("caller", "deploy", "definite", False)}


def test_several_who_reach_several_share_a_hub() -> None:
    estate = Estate()
    for number in range(20):
        role(estate, f"target-{number}", allow(f"secret/data/{number}", "read"))
    shared = estate.policy("shared", allow("auth/approle/role/+/*", "read", "update"))
    for number in range(20):
        caller = estate.role(f"caller-{number}")
        estate.bind(caller, shared)
    con = estate.load()
    privileges.run(con)
    vault_edges.run(con)
    ((rows, hubs),) = con.execute(
        "select count(*), (select count(*) from access_hubs) from access_edges where not is_rewriting"
    ).fetchall()
    assert hubs >= 1
    assert rows <= 4 * 40 * 2


LEVELS = [
    ("an administrator", allow("*", "create", "read", "update", "delete", "list", "sudo"), 5),
    ("a reader of secrets", allow("secret/data/x", "read"), 4),
    ("nobody of weight", allow("secret/metadata/x", "read"), 1),
]


@pytest.mark.parametrize(("name", "text", "level"), LEVELS)
def test_a_narrow_right_leads_as_far_as_whom_it_reaches(name: str, text: str, level: int) -> None:
    estate = Estate()
    estate.mount("secret")
    role(estate, "target", text)
    role(estate, "caller", allow(f"{OWN}/secret-id", "update") + allow(f"{OWN}/role-id", "read"))
    assert narrow(estate) == {("caller", "impersonate", level)}


def test_a_narrow_right_that_reaches_nobody_leads_nowhere(estate: Estate) -> None:
    role(estate, "caller", allow("auth/approle/role/gone/secret-id", "update"))
    assert narrow(estate) == {("caller", "impersonate", 0)}


def test_where_not_all_roles_were_read_nothing_is_said_of_narrow_rights() -> None:
    estate = Estate(coverage={"auth_roles": "partial"})
    role(estate, "caller", allow("auth/approle/role/gone/secret-id", "update"))
    assert narrow(estate) == set()


def test_a_right_over_accounts_elsewhere_stays_unknown(estate: Estate) -> None:
    estate.mount("db", "database", None)
    role(estate, "caller", allow("db/roles/shop", "update"))
    assert narrow(estate) == set()


def test_a_narrow_right_goes_on_where_whom_it_reaches_goes_on() -> None:
    estate = Estate()
    role(estate, "end", allow("*", "create", "read", "update", "delete", "list", "sudo"))
    role(estate, "middle", allow("auth/approle/role/end/*", "read", "update"))
    role(
        estate,
        "caller",
        allow("auth/approle/role/middle/secret-id", "update") + allow("auth/approle/role/middle/role-id", "read"),
    )
    assert ("caller", "impersonate", 5) in narrow(estate)


def narrow(estate: Estate) -> set[tuple[str, str, int]]:
    con = estate.load()
    privileges.run(con)
    vault_edges.run(con)
    rows = con.execute(
        "select i.name, n.verb, n.level from narrow_levels n join identities i on i.identity_key = n.identity_key"
    ).fetchall()
    return set(rows)


HERE = "arn:aws:iam::111111111111:role/"


@pytest.mark.parametrize(
    ("bounds", "found"),
    [
        (f"bound_iam_principal_arn={HERE}app", {("app", "login", "definite", False)}),
        (f"bound_account_id=111111111111, bound_iam_principal_arn={HERE}app", {("app", "login", "definite", False)}),
        (f"bound_iam_principal_arn={HERE}a*", {("app", "login", "definite", False)}),
        (f"bound_iam_principal_arn={HERE}app, bound_region=eu-central-1", {("app", "login", "conditional", False)}),
        (f"bound_iam_principal_arn={HERE}other", set()),
        ("", set()),
    ],
)
def test_a_role_of_aws_logs_in_by_its_arn(estate: Estate, bounds: str, found: set[Edge]) -> None:
    login = estate.identity("workload_role", "login", "auth/aws/role/login")
    estate.records.append(AuthRole(login, method="aws", mount="aws", bound_claims=bounds))
    account = "aws:111111111111"
    estate.records.append(Tenant(account, "aws"))
    estate.records.append(Identity(f"{account}:role/app", "aws", account, "workload_role", "app", f"{HERE}app", True))
    assert edges(estate) == found
