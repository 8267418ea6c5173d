"""Labelled cases of what vault policies allow; the rule that decides is compared with a live server elsewhere."""

from __future__ import annotations

import json
import random
import time
from datetime import UTC, datetime
from itertools import product

import duckdb
import pytest

from nhiscan.resolve import contracts, facts, owners, partners, paths, policies, privileges, resources, vault_verbs
from nhiscan.resolve.vault_acl import Holder, Policy, evaluate, needed_values
from nhiscan.resolve.vault_paths import Acl, Pattern, Placed, intersect, pattern
from nhiscan.resolve.vault_policy import Document, named, parse
from nhiscan.resolve.vault_verbs import Estate as Vault
from nhiscan.resolve.vault_verbs import Mount, Targets, table
from tests.resolve.vault_estate import VAULT, Estate, allow

NOW = datetime(2026, 1, 31, tzinfo=UTC)
Row = tuple[str, str, str, int | None]
KNOWN = Holder()
UNKNOWN: Row = ("unknown", "all", "potential", None)
NOTHING: Row = ("none", "self", "definite", 0)

ENGINES = (Mount("secret", "kv2"), Mount("legacy", "kv1"), Mount("team/db", "database"), Mount("odd", "acme-plugin"))
AUTHS = (Mount("auth/approle", "approle"), Mount("auth/token", "token"))


def read(text: str) -> Document:
    return parse(text, as_of=NOW)


def decided(path: str, *texts: str, is_list: bool = False) -> list[str]:
    acl = Acl(Placed(rule.path, rule, i) for i, text in enumerate(texts) for rule in read(text).rules)
    decision = acl.decide(path, is_list=is_list)
    return named(decision.capabilities) if decision else []


def held(
    *texts: str, holder: Holder = KNOWN, engines: tuple[Mount, ...] = ENGINES, blind: frozenset[str] = frozenset()
) -> set[Row]:
    targets = Targets(table(), Vault(engines=engines, auths=AUTHS, blind=blind))
    found = evaluate([Policy(f"p{i}", "", read(text)) for i, text in enumerate(texts)], holder, targets)
    return {(row.verb, row.scope, row.certainty, row.level) for row in found}


# Reading


def test_both_languages_say_the_same() -> None:
    hcl = """
        # comments of
        // all kinds
        path "secret/*" {
            capabilities = ["read", "list",] /* and
            over lines */
        }
        """
    as_json = json.dumps({"path": {"secret/*": {"capabilities": ["read", "list"]}}})
    listed = json.dumps({"path": [{"secret/*": [{"capabilities": ["read"]}, {"capabilities": ["list"]}]}]})
    assert read(hcl).rules == read(as_json).rules == read(listed).rules
    assert [(rule.path, named(rule.capabilities)) for rule in read(hcl).rules] == [("secret/*", ["read", "list"])]


@pytest.mark.parametrize(
    ("body", "capabilities"),
    [
        ('policy = "read"', ["read", "list"]),
        ('policy = "write"', ["create", "read", "update", "delete", "list"]),
        ('policy = "sudo"', ["create", "read", "update", "delete", "list", "sudo"]),
        ('policy = "deny"', ["deny"]),
        ('policy = "read"\n capabilities = ["create", "sudo"]', ["create", "read", "list", "sudo"]),
        ('capabilities = ["read", "deny"]', ["deny"]),
        ("capabilities = []", []),
        ('"capabilities" = ["patch"], comment = <<EOT\nEOTish }\nEOT\n', ["patch"]),
    ],
)
def test_shorthands_add_up_and_deny_stands_alone(body: str, capabilities: list[str]) -> None:
    (rule,) = read(f'path "a" {{ {body} }}').rules
    assert named(rule.capabilities) == capabilities


def test_paths_are_unquoted_and_lose_a_leading_slash() -> None:
    (rule,) = read(r'path "/a\"b\\\u00fc" { capabilities = ["read"] }').rules
    assert rule.path == 'a"b\\ü'


@pytest.mark.parametrize(
    ("more", "is_conditional"),
    [
        ('allowed_parameters = { "ttl" = ["1h"] }', True),
        ('allowed_parameters { "ttl" = ["1h"] }', True),
        ('denied_parameters = { "*" = [] , "x" = ["y"] }', True),
        ('required_parameters = ["x"]', True),
        ('control_group = { factor "a" { identity { approvals = 1 } } }', True),
        ("of_a_newer_server = 1", True),
        ('allowed_parameters = { "*" = [] }', False),
        ("required_parameters = []", False),
        ('min_wrapping_ttl = "1s"\n max_wrapping_ttl = 90', False),
        ('comment = "x"', False),
    ],
)
def test_limits_that_only_a_request_can_meet_are_conditions(more: str, is_conditional: bool) -> None:
    (rule,) = read(allow("a", "read", more=more)).rules
    assert rule.is_conditional == is_conditional


def test_denying_every_parameter_is_a_condition() -> None:
    (rule,) = read(allow("a", "update", more='denied_parameters = { "*" = [] }')).rules
    assert rule.is_conditional


@pytest.mark.parametrize(("when", "rules"), [("2026-01-30T23:59:59Z", 0), ("2026-02-01T00:00:00+01:00", 1)])
def test_an_expired_rule_is_none(when: str, rules: int) -> None:
    assert len(read(allow("a", "read", more=f'expiration = "{when}"')).rules) == rules


@pytest.mark.parametrize(
    "text",
    [
        'path "a" {',
        'path "a" { capabilities = ["read" }',
        'path "a" { capabilities = "read" }',
        'path "a" { capabilities = ["reed"] }',
        'path "a" { policy = "all" }',
        'path "a" { expiration = "soon" }',
        'path "a/+*" { capabilities = ["read"] }',
        'paths "a" { }',
        "path",
        'path "a" { } }',
        '"',
        "/* no end",
        "<<EOF\nno end",
        "{",
        "[]",
        '{"path": 1}',
        '{"path": {"a": 1}}',
        '{"other": {}}',
        "{" * 100_000,
        '{"path": ' + "[" * 100_000,
        "a = " + "[" * 1000,
        "a " + "{ a " * 1000,
        "x" * 1_000_001,
        'path "' + "/" * 200 + '" { capabilities = ["read"] }',
        'path "a" { capabilities = ["read"] }\n' * 5_001,
        'path "\\UFFFFFFFF" { capabilities = ["read"] }',
        "\0",
    ],
)
def test_what_cannot_be_read_may_allow_anything(text: str) -> None:
    assert read(text).problem
    assert held(text) == {UNKNOWN}


def test_a_policy_that_was_not_read_may_allow_anything() -> None:
    assert parse(None, as_of=NOW).problem


def test_hostile_text_is_read_in_time() -> None:
    started = time.process_time()
    for text in (
        '"' + "\\" * 900_000,
        "<<A\n" * 200_000,
        "/*" * 450_000,
        "#" * 900_000,
        " " * 900_000,
        "a=1\n" * 200_000,
    ):
        read(text)
    assert time.process_time() - started < 20


def test_no_policy_can_name_what_stands_for_all_other_names() -> None:
    lone = json.dumps({"path": {"secret/data/\udcff": {"capabilities": ["deny"]}}})
    assert ("read-secret", "all", "definite", 4) in held(lone, allow("secret/data/*", "read"))


# The rule that decides


DOCUMENTED = """
    path "sys/*" { policy = "deny" }
    path "secret/*" { policy = "write" }
    path "secret/foo" { policy = "read"  capabilities = ["create", "sudo"] }
    path "secret/super-secret" { capabilities = ["deny"] }
"""


# Source: the page "Policies" of Vault's concepts, first versions and today's.
@pytest.mark.parametrize(
    ("path", "capabilities"),
    [
        ("secret/bar", ["create", "read", "update", "delete", "list"]),
        ("secret/foo", ["create", "read", "list", "sudo"]),
        ("secret/super-secret", ["deny"]),
        ("sys/mounts", ["deny"]),
        ("cubbyhole/x", []),
    ],
)
def test_the_documentations_example(path: str, capabilities: list[str]) -> None:
    assert decided(path, DOCUMENTED) == capabilities


# Source: the same page, on priority: each line gives two paths, of which the second has the higher priority.
@pytest.mark.parametrize(
    ("lower", "higher", "path"),
    [
        ("secret/*", "secret/foo", "secret/foo"),
        ("secret/*", "secret/fo*", "secret/foo"),
        ("+/foo", "secret/+", "secret/foo"),
        ("secret/+/*", "secret/+/a", "secret/x/a"),
        ("secret/+/+/foo/*", "secret/*", "secret/a/b/foo/x"),
        ("secret/+/+", "secret/+/a", "secret/x/a"),
        ("secret/+/a*", "secret/+/ab*", "secret/x/abc"),
        ("secret/+/a", "secret/x/*", "secret/x/a"),
    ],
)
def test_the_more_specific_path_decides(lower: str, higher: str, path: str) -> None:
    assert decided(path, allow(lower, "read")) == ["read"]
    assert decided(path, allow(lower, "read"), allow(higher, "update")) == ["update"]
    assert decided(path, allow(higher, "update"), allow(lower, "read")) == ["update"]


@pytest.mark.parametrize(
    ("rule", "matching", "other"),
    [
        ("secret/+/teamb", "secret/foo/teamb", "secret/foo/bar/teamb"),
        ("secret/foo*", "secret/foo/bar", "secret/fo"),
        ("secret/*", "secret/", "secret"),
        ("+", "secret", "secret/x"),
        ("a*b", "a*b", "axb"),
        ("+x/a", "+x/a", "yx/a"),
    ],
)
def test_a_star_ends_a_prefix_and_a_plus_is_a_whole_segment(rule: str, matching: str, other: str) -> None:
    assert decided(matching, allow(rule, "read")) == ["read"]
    assert decided(other, allow(rule, "read")) == []


def test_rules_of_one_path_add_up_over_policies_until_one_denies() -> None:
    one, two = allow("secret/*", "read"), allow("secret/*", "list")
    assert decided("secret/a", one, two) == ["read", "list"]
    assert decided("secret/a", one, two, allow("secret/*", "deny")) == ["deny"]
    assert decided("secret/a", one, allow("*", "deny")) == ["read"]


def test_a_list_meets_rules_without_its_slash() -> None:
    assert decided("secret/a/", allow("secret/a", "list"), is_list=True) == ["list"]
    assert decided("secret/a/", allow("secret/a", "read")) == []
    assert decided("secret/", allow("secret/*", "list"), is_list=True) == ["list"]


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("secret/*", "secret/data/*", "secret/data/*"),
        ("secret/+/a", "secret/data/*", "secret/data/a"),
        ("secret/d*", "secret/data/+", "secret/data/+"),
        ("+/+/x", "a/*", "a/+/x"),
        ("*", "+/data/*", "+/data/*"),
        ("secret/data", "secret/data/*", None),
        ("secret/a*", "secret/b*", None),
        ("secret/+", "secret/+/+", None),
    ],
)
def test_sets_of_paths_intersect_in_sets_of_paths(one: str, other: str, shared: str | None) -> None:
    expected = None if shared is None else pattern(shared)
    assert intersect(pattern(one), pattern(other)) == intersect(pattern(other), pattern(one)) == expected


def test_an_intersection_may_be_no_policy_path() -> None:
    assert intersect(pattern("secret/a*"), pattern("secret/+/x")) == Pattern(
        (("secret", False), ("a", True), ("x", False)), is_open=False
    )


# Verbs


@pytest.mark.parametrize(
    ("rule", "row"),
    [
        (allow("secret/data/app/*", "read"), ("read-secret", "set", "definite", 4)),
        (allow("secret/data/*", "read"), ("read-secret", "all", "definite", 4)),
        (allow("secret/data/app", "read"), ("read-secret", "single", "definite", 4)),
        (allow("+/data/*", "read"), ("read-secret", "all", "definite", 4)),
        (allow("legacy/*", "read"), ("read-secret", "all", "definite", 4)),
        (allow("team/db/creds/ro", "read"), ("read-secret", "single", "definite", 4)),
        (allow("secret/data/*", "update"), ("write-data", "all", "definite", 4)),
        (allow("secret/data/a/*", "delete"), ("write-data", "set", "definite", 3)),
        (allow("secret/metadata/*", "list"), ("read-config", "all", "definite", 1)),
        (allow("sys/policies/acl/*", "update"), ("manage-policy", "all", "definite", 5)),
        (allow("sys/policies/acl/p0", "update"), ("manage-policy", "self", "definite", 5)),
        (allow("sys/policies/acl/other", "update"), ("manage-policy", "single", "definite", None)),
        (allow("sys/auth/*", "update", "sudo"), ("manage-trust", "all", "definite", 5)),
        (allow("sys/audit/*", "delete", "sudo"), ("disable-audit", "all", "definite", 4)),
        (allow("sys/storage/raft/snapshot", "read"), ("export-data", "all", "definite", 4)),
        (allow("auth/token/create", "update"), ("impersonate", "self", "definite", 2)),
        (allow("auth/token/create", "update", "sudo"), ("impersonate", "all", "definite", 5)),
        (allow("auth/approle/role/ci/secret-id", "update"), ("impersonate", "single", "definite", None)),
        (allow("auth/approle/role/+/secret-id", "update"), ("impersonate", "all", "definite", 5)),
        (allow("auth/approle/role/ci", "update"), ("manage-identity", "single", "definite", None)),
        (allow("identity/*", "update"), ("manage-policy", "all", "definite", 5)),
        (allow("odd/x", "read"), ("unknown", "single", "potential", None)),
        (allow("sys/seal", "update", "sudo"), ("unknown", "single", "potential", None)),
        (allow("sys/mounts", "read"), ("read-config", "single", "definite", 1)),
        (allow("team/db/config/main", "update"), ("write-data", "single", "definite", 3)),
    ],
)
def test_paths_and_capabilities_become_verbs(rule: str, row: Row) -> None:
    assert row in held(rule)


@pytest.mark.parametrize(
    "rule",
    [
        "",
        allow("secret/data/*", "deny"),
        allow("secret/app/*", "read"),  # of KV version 2 every path has data/ or metadata/ before it
        allow("kv/data/*", "read"),  # not mounted
        allow("sys/auth/*", "update"),  # the server asks for sudo as well
        allow("sys/capabilities-self", "update"),
        allow("cubbyhole/*", "read", "update"),
        allow("secret/data/*", "sudo"),
    ],
)
def test_what_gives_nothing_is_none(rule: str) -> None:
    assert {row for row in held(rule) if row[0] != "read-config"} <= {NOTHING}


def test_everything_everywhere_is_an_administrator() -> None:
    rights = allow("*", "create", "read", "update", "delete", "list", "sudo")
    assert ("admin", "all", "definite", 5) in held(rights)
    assert ("admin", "all", "definite", 5) in held(rights, allow("secret/data/hidden/*", "deny"))
    assert "admin" not in {row[0] for row in held(allow("*", "create", "read", "update", "list"))}
    assert "admin" not in {row[0] for row in held(rights, allow("+/+", "deny"))}


def test_what_a_deny_singles_out_does_not_narrow_the_rest() -> None:
    assert held(allow("secret/data/*", "read"), allow("secret/data/hr/*", "deny")) == {
        ("read-secret", "all", "definite", 4)
    }


def test_a_deny_over_all_that_is_allowed_leaves_nothing() -> None:
    assert held(allow("secret/data/app/*", "read"), allow("secret/data/app/*", "deny")) == {NOTHING}
    assert held(allow("secret/d*", "read"), allow("secret/data*", "deny")) == {NOTHING}


def test_depths_are_told_apart() -> None:
    one_deep = allow("secret/data/+", "read")
    assert held(one_deep) == {("read-secret", "set", "definite", 4)}
    assert held(one_deep, allow("secret/data/+/*", "read")) == {("read-secret", "all", "definite", 4)}
    assert held(allow("secret/data/+/*", "read"), allow("secret/data/+/+", "deny")) == {
        ("read-secret", "set", "definite", 4)
    }


def test_one_mount_of_two_is_not_all() -> None:
    engines = (Mount("secret", "kv2"), Mount("other", "kv2"))
    assert held(allow("secret/data/*", "read"), engines=engines) == {("read-secret", "set", "definite", 4)}


def test_all_mounts_of_an_environment_are_one() -> None:
    engines = (Mount("live", "kv2", "prod"), Mount("try", "kv2", "dev"))
    assert held(allow("live/data/*", "update"), engines=engines) == {("write-data", "environment", "definite", 4)}


def test_limits_on_parameters_make_it_conditional() -> None:
    limited = allow("secret/data/*", "update", more='allowed_parameters = { "ttl" = ["1h"] }')
    assert held(limited) == {("write-data", "all", "conditional", 4)}
    assert held(limited, allow("secret/data/a/*", "update")) == {
        ("write-data", "all", "conditional", 4),
        ("write-data", "set", "definite", 3),
    }


def test_an_unreadable_policy_beside_others_may_deny_what_they_allow() -> None:
    assert held(allow("secret/data/*", "read"), "path {") == {UNKNOWN, ("read-secret", "all", "potential", 4)}


def test_mounts_that_were_not_read_are_guessed() -> None:
    assert held(allow("kv/data/*", "read"), engines=(), blind=frozenset({""})) >= {
        ("read-secret", "set", "potential", 4)
    }


def test_a_guessed_mount_is_none_that_every_vault_has() -> None:
    text = allow("auth/token/lookup-self", "read") + allow("sys/mounts", "read")
    assert held(text, engines=(), blind=frozenset({""})) == {("read-config", "single", "definite", 1)}


def test_too_many_wildcards_to_weigh_are_unknown() -> None:
    assert held("".join(allow(f"secret/+/{n}", "read") for n in range(301))) == {UNKNOWN}


def test_ten_thousand_rules_are_weighed_in_time() -> None:
    texts = ["".join(allow(f"secret/data/{part}/{n}/*", "read") for n in range(1_000)) for part in range(10)]
    started = time.process_time()
    assert held(*texts) == {("read-secret", "set", "definite", 4)}
    assert time.process_time() - started < 10


def test_sets_say_what_trying_every_path_says() -> None:
    """Random rules over three names, against every path of up to five segments, one of which no rule names."""
    chance = random.Random(20260131)
    names = ("a", "ab", "b")
    everything = ["/".join(parts) for n in range(1, 6) for parts in product((*names, "abz", "z"), repeat=n)]
    granting = 0
    for _ in range(120):
        target = random_path(chance, names)
        texts = [
            allow(random_path(chance, names), chance.choice(("read", "read", "deny", "list")))
            for _ in range(chance.randint(1, 6))
        ]
        acl = Acl(Placed(rule.path, rule, i) for i, text in enumerate(texts) for rule in read(text).rules)
        only = Acl(Placed(rule.path, rule, 0) for rule in read(allow(target, "read")).rules)
        tried = any(
            "read" in named(decision.capabilities)
            for path in everything
            if only.decide(path) and (decision := acl.decide(path))
        )
        wanted = {"path": target, "capabilities": ["read"]}
        data = {"verbs": {"read-data": [wanted]}, "fallback": [], "admin": {"core": []}, "stored": {}}
        targets = Targets(vault_verbs.read(data), Vault())
        found = evaluate([Policy("p", "", read("".join(texts)))], KNOWN, targets)
        assert ("read-data" in {row.verb for row in found}) == tried, (target, texts)
        granting += tried
    assert 30 < granting < 100


def random_path(chance: random.Random, names: tuple[str, ...]) -> str:
    parts = [chance.choice((*names, "+")) for _ in range(chance.randint(1, 3))]
    return "/".join(parts) + chance.choice(("", "", "/*", "*" if parts[-1] != "+" else "/*"))


# Templates


OWN_NAME = allow("secret/data/users/{{identity.entity.name}}/*", "read")


@pytest.mark.parametrize(
    ("holder", "rows"),
    [
        (Holder("known"), {("read-secret", "self", "definite", 4)}),
        (Holder("unknown"), {("read-secret", "self", "potential", 4)}),
        (Holder("none"), {NOTHING}),
    ],
)
def test_a_template_needs_an_entity(holder: Holder, rows: set[Row]) -> None:
    assert held(OWN_NAME, holder=holder) == rows


def test_a_name_that_another_rule_denies_counts() -> None:
    deny = allow("secret/data/users/bob/*", "deny")
    policies = [Policy("a", "", read(OWN_NAME)), Policy("b", "", read(deny))]
    assert needed_values(policies) == ("identity.entity.name",)
    assert needed_values(policies[:1]) == ()
    bob, eve = (Holder("known", (("identity.entity.name", name),)) for name in ("bob", "eve"))
    assert held(OWN_NAME, deny, holder=bob) == {NOTHING}
    assert held(OWN_NAME, deny, holder=eve) == {("read-secret", "self", "definite", 4)}


def test_metadata_that_an_entity_lacks_voids_the_rule() -> None:
    text = allow("secret/data/{{ identity.entity.metadata.team }}/*", "read")
    name = "identity.entity.metadata.team"
    assert needed_values([Policy("a", "", read(text))]) == (name,)
    assert held(text, holder=Holder("known", ((name, "red"),))) == {("read-secret", "self", "definite", 4)}
    assert held(text, holder=Holder("known", ((name, None),))) == {NOTHING}


def test_names_of_groups_and_aliases_are_not_known() -> None:
    text = allow("secret/data/{{identity.groups.names.ops.id}}/*", "read")
    assert held(text, holder=Holder("known")) == {("read-secret", "self", "potential", 4)}


# Tables


def resolved(estate: Estate) -> duckdb.DuckDBPyConnection:
    con = estate.load()
    privileges.run(con)
    return con


def rows(con: duckdb.DuckDBPyConnection, identity_id: str) -> set[Row]:
    found = con.execute(
        "select verb, scope, certainty, level from privileges join identities using (identity_key) "
        "where identity_id = ?",
        [identity_id],
    ).fetchall()
    return set(found)


def test_policies_come_through_entities_and_groups_of_groups() -> None:
    estate = Estate()
    estate.mount("secret")
    role, entity = estate.role("ci"), estate.identity("entity", "ci")
    inner, outer = estate.identity("group", "inner"), estate.identity("group", "outer")
    for member, group in ((role, entity), (entity, inner), (inner, outer), (outer, inner)):
        estate.join(member, group)
    estate.bind(outer, estate.policy("reader", allow("secret/data/*", "read")))
    con = resolved(estate)
    assert rows(con, role) == {("read-secret", "all", "definite", 4)}
    assert rows(con, entity) == rows(con, outer) == set()
    via = con.execute(
        "select i.identity_id, p.name from privileges r join identities i on i.identity_key = r.via_key "
        "join policies p using (policy_key)"
    ).fetchall()
    assert via == [(outer, "reader")]


def test_root_is_everything_whatever_stands_beside_it() -> None:
    estate = Estate()
    token = estate.identity("token", "t")
    estate.bind(token, estate.policy("root", ""), estate.policy("narrow", allow("*", "deny")))
    assert ("admin", "all", "definite", 5) in rows(resolved(estate), token)


def test_a_policy_that_was_listed_and_not_read_is_unknown() -> None:
    estate = Estate()
    token = estate.identity("token", "t")
    estate.bind(token, estate.policy("unread", ""))
    assert rows(resolved(estate), token) == {UNKNOWN}


def test_a_namespaces_policy_ends_at_its_namespace() -> None:
    estate = Estate()
    estate.mount("team/secret")
    estate.mount("secret")
    role = estate.role("ci", namespace="team/")
    text = allow("secret/data/*", "read") + allow("sys/policies/acl/*", "update")
    estate.bind(role, estate.policy("reader", text, namespace="team/"))
    assert rows(resolved(estate), role) == {
        ("read-secret", "set", "definite", 4),
        ("manage-policy", "self", "definite", 5),
        ("manage-policy", "set", "definite", None),
    }


def test_each_entity_has_its_own_values_where_they_decide() -> None:
    estate = Estate()
    estate.mount("secret")
    policy = estate.policy("own", OWN_NAME + allow("secret/data/users/bob/*", "deny"))
    tokens = {}
    for name in ("bob", "eve", "ann"):
        tokens[name] = estate.identity("token", name)
        estate.join(tokens[name], estate.identity("entity", name))
        estate.bind(tokens[name], policy)
    estate.join(tokens["ann"], f"{VAULT}:entity/eve")  # two entities: which one, only the login says
    con = resolved(estate)
    assert rows(con, tokens["bob"]) == {NOTHING}
    assert rows(con, tokens["eve"]) == {("read-secret", "self", "definite", 4)}
    assert rows(con, tokens["ann"]) == {("read-secret", "self", "potential", 4)}


def test_what_was_not_read_is_said() -> None:
    estate = Estate(coverage={"policies": "partial"})
    token = estate.identity("token", "t")
    assert rows(resolved(estate), token) == {NOTHING, UNKNOWN}


def facts_of(estate: Estate) -> dict[str, tuple[object, ...]]:
    con = estate.load()
    for stage in (partners, owners, contracts, privileges, paths, facts, resources, policies):
        stage.run(con)
    found = con.execute(
        "select name, holders, secrets_readable, secrets_unlabelled, mounts_readable, environments_readable, "
        "is_everything_readable from policy_facts"
    ).fetchall()
    return {name: tuple(rest) for name, *rest in found}


def test_policy_facts_count_the_secrets_that_a_policy_opens() -> None:
    estate = Estate()
    estate.mount("secret")
    estate.mount("db", "database", None)
    estate.secret("secret/app/a", "prod")
    estate.secret("secret/app/b", "dev")
    estate.secret("secret/apple")
    estate.secret("db/ro", "prod", kind="database_role")
    group, token = estate.identity("group", "g"), estate.identity("token", "t")
    estate.join(token, group)
    estate.bind(group, estate.policy("app", allow("secret/data/app/*", "read")))
    estate.policy("all", allow("secret/*", "read"))
    estate.policy("cut", allow("secret/*", "read") + allow("secret/data/app/a", "deny"))
    estate.policy("writes", allow("secret/data/*", "update"))
    estate.policy("wild", allow("secret/data/+/a", "read"))
    estate.policy("own", OWN_NAME)
    estate.policy("db", allow("db/creds/ro", "read"))
    estate.policy("broken", "path {")
    assert facts_of(estate) == {
        "app": (1, 2, 0, 0, "dev, prod", False),
        "all": (0, 3, 1, 1, "dev, prod", True),
        "cut": (0, 2, 1, 1, "dev", True),
        "writes": (0, 0, 0, 0, None, False),
        "wild": (0, 1, 0, 0, "prod", False),
        "own": (0, 0, 0, 0, None, False),
        "db": (0, 1, 0, 0, "prod", False),
        "broken": (0, None, None, None, None, None),
    }


def test_policy_facts_of_a_vault_whose_mounts_were_not_read_are_open() -> None:
    estate = Estate(coverage={"resources": "denied"})
    estate.policy("all", allow("secret/*", "read"))
    assert facts_of(estate)["all"][-1] is None


def test_whoever_another_policy_denies_what_one_opens_is_no_reader_of_it() -> None:
    estate = Estate()
    estate.mount("secret")
    opening = estate.policy("opening", allow("secret/*", "read"))
    denying = estate.policy("denying", allow("secret/*", "deny"))
    unreadable = estate.policy("unreadable", "path {")
    for name, more in (("reads", []), ("denied", [denying]), ("perhaps", [unreadable])):
        estate.bind(estate.identity("token", name), opening, *more)
    con = estate.load()
    for stage in (partners, owners, contracts, privileges, paths, facts, resources, policies):
        stage.run(con)
    found = con.execute("select holders, readers, perhaps_readers from policy_facts where name = 'opening'").fetchall()
    assert found == [(3, 1, 1)]
