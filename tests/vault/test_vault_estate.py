"""What the collector says of a live, seeded server."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fixtures.vault.estate import HOSTILE_POLICY, HOSTILE_SECRET, ISSUER, LONG_NAME, Seeded
from nhiscan import load, store
from nhiscan.collect import load as load_collector
from nhiscan.model import Coverage
from nhiscan.secret import Secret
from tests.vault.conftest import Scan, Scanner, scan

APPROLE = "vault:main:approle/approle"


def test_the_estate_is_of_a_size_that_proves_something(whole: Scan) -> None:
    sizes = {table: len(whole.of(table)) for table in ("auth_roles", "credentials", "policies", "stored_secrets")}
    assert sizes["auth_roles"] >= 25
    assert sizes["auth_roles"] + sizes["credentials"] + sizes["policies"] + sizes["stored_secrets"] >= 80


def test_no_value_leaves_the_collector(whole: Scan, estate: Seeded) -> None:
    said = repr(whole.records)
    assert [value for value in estate.values if value in said] == []


def test_every_row_finds_the_rows_that_it_names(whole: Scan) -> None:
    con = store.empty()
    load.load(con, whole.records)
    loaded = dict(con.execute("select dataset, status from coverage").fetchall())
    assert loaded == {row.dataset: row.status for row in whole.of("coverage")}


def test_each_dataset_is_spoken_of_once(whole: Scan) -> None:
    assert sorted(row.dataset for row in whole.of("coverage")) == sorted(load_collector("vault").datasets)


def test_ids_are_the_same_in_the_next_scan(whole: Scan, estate: Seeded, least: Scanner) -> None:
    again = scan(estate.admin.url, role_id=least.role_id, secret_id=least.secret_id)
    for table, field in (("identities", "identity_id"), ("resources", "resource_id"), ("policies", "policy_id")):
        ids = {getattr(row, field) for row in whole.of(table)}
        assert {i for i in ids if "nhiscan" not in i} <= {getattr(row, field) for row in again.of(table)}


def test_the_scanner_says_who_it_is(whole: Scan) -> None:
    assert whole.one("scanners").identity_id == f"{APPROLE}/nhiscan"


def test_a_scanner_with_a_root_token_is_the_token_itself(estate: Seeded) -> None:
    found = scan(estate.admin.url, token=Secret(estate.tokens["root"]))
    assert found.one("scanners").identity_id == f"vault:main:token/{estate.accessors['root']}"


# roles and what they may do


@pytest.mark.parametrize(
    ("identity_id", "policies"),
    [
        (f"{APPROLE}/alder-loader", {"partner-alder", "default"}),
        (f"{APPROLE}/backup", {"ops-admin"}),
        (f"{APPROLE}/odd", {HOSTILE_POLICY, "default"}),
        ("vault:main:approle/partners/eu/cedar-eu", {"partner-cedar", "default"}),
        ("vault:main:token/token/nightly", {"ci-deploy", "default"}),
        ("vault:main:userpass/userpass/ana", {"ops-admin", "default"}),
        ("vault:main:approle/partners-eu/approle/dora", {"partners-eu/reader", "partners-eu/default"}),
    ],
)
def test_a_role_has_the_policies_that_its_tokens_get(whole: Scan, identity_id: str, policies: set[str]) -> None:
    assert whole.policies_of(identity_id) == policies


def test_policies_are_kept_as_written_under_any_name(whole: Scan, estate: Seeded) -> None:
    kept = {row.name: row.document for row in whole.of("policies") if not row.native_id.startswith("partners-eu/")}
    assert kept[HOSTILE_POLICY] == 'path "secret/data/odd/*" { capabilities = ["read"] }'
    assert kept["partner-all"].startswith("# left from a migration\n")
    assert kept[LONG_NAME] == estate.admin.read(f"sys/policies/acl/{LONG_NAME}")["policy"]


def test_the_root_policy_allows_everything(whole: Scan) -> None:
    assert 'path "*"' in whole.one("policies", policy_id="vault:main:policy/root").document


def test_the_api_path_of_a_role_is_its_native_id(whole: Scan) -> None:
    assert whole.one("identities", name="cedar-eu").native_id == "auth/partners/eu/role/cedar-eu"


@pytest.mark.parametrize(
    ("name", "kind", "is_nhi"),
    [("alder-loader", "workload_role", True), ("ana", "user", None), ("partners of the north", "group", False)],
)
def test_what_an_identity_is(whole: Scan, name: str, kind: str, is_nhi: bool | None) -> None:
    found = whole.one("identities", name=name)
    assert (found.kind, found.is_nhi) == (kind, is_nhi)


@pytest.mark.parametrize(
    ("identity_id", "bounds"),
    [
        (f"{APPROLE}/alder-loader", {"secret_ttl_s": 0, "secret_uses": 0, "bound_networks": "203.0.113.0/24"}),
        (f"{APPROLE}/birch-sync", {"token_period_s": 86400, "bound_networks": "", "is_secret_required": True}),
        (f"{APPROLE}/cedar-export", {"secret_ttl_s": 86400, "secret_uses": 5}),
        (f"{APPROLE}/ci-shop", {"token_ttl_s": 600, "token_max_ttl_s": 1200}),
        (f"{APPROLE}/no-secret", {"is_secret_required": False}),
        ("vault:main:jwt/jwt/shop-main", {"bound_subjects": "repo:alder/shop:ref:refs/heads/main", "bound_claims": ""}),
        ("vault:main:jwt/jwt/one-team", {"bound_claims": "team=platform, team=data", "bound_audiences": ""}),
        ("vault:main:kubernetes/kubernetes/shop", {"bound_subjects": "shop-prod/shop", "bound_audiences": "vault"}),
        ("vault:main:token/token/nightly", {"token_period_s": 2592000, "secret_ttl_s": None}),
        ("vault:main:userpass/userpass/ben", {"bound_networks": "127.0.0.0/8", "bound_subjects": None}),
    ],
)
def test_how_a_role_is_bound(whole: Scan, identity_id: str, bounds: dict[str, object]) -> None:
    row = whole.one("auth_roles", identity_id=identity_id)
    assert {name: getattr(row, name) for name in bounds} == bounds


# who may become a role


@pytest.mark.parametrize(
    ("role", "audience", "subject", "has_other_conditions"),
    [
        ("shop-main", "pinned", "pinned", False),
        ("alder-any", "pinned", "owner", False),
        ("anybody-main", "none", "weak", False),
        ("one-team", "none", "none", True),
    ],
)
def test_how_well_a_jwt_role_pins_who_may_come(
    whole: Scan, role: str, audience: str, subject: str, has_other_conditions: bool
) -> None:
    trust = whole.one("trusts", identity_id=f"vault:main:jwt/jwt/{role}")
    assert (trust.mechanism, trust.principal_kind, trust.issuer) == ("oidc", "oidc", ISSUER)
    assert (trust.audience_check, trust.subject_check) == (audience, subject)
    assert trust.has_other_conditions is has_other_conditions


def test_the_conditions_of_a_trust_name_the_issuer_and_the_claim(whole: Scan) -> None:
    trust_id = "vault:main:trust/jwt/jwt/alder-any"
    assert {(c.operator, c.name, c.value) for c in whole.of("trust_conditions", trust_id=trust_id)} == {
        ("glob", "token.ci.example.com:sub", "repo:alder/*"),
        ("equals", "token.ci.example.com:aud", "vault.example.com"),
    }


@pytest.mark.parametrize(("role", "subject"), [("shop", "pinned"), ("any", "weak")])
def test_how_well_a_kubernetes_role_pins_who_may_come(whole: Scan, role: str, subject: str) -> None:
    assert whole.one("trusts", identity_id=f"vault:main:kubernetes/kubernetes/{role}").subject_check == subject


def test_the_issuer_of_a_jwt_mount_is_listed(whole: Scan) -> None:
    assert {row.issuer_id: row.issuer for row in whole.of("issuers")}["vault:main:issuer/jwt"] == ISSUER


def test_an_approle_role_trusts_nobody_by_the_word_of_another(whole: Scan) -> None:
    assert whole.of("trusts", identity_id=f"{APPROLE}/no-secret") == []


# entities and groups


def test_a_role_belongs_to_the_entity_that_its_logins_made(whole: Scan, estate: Seeded) -> None:
    groups = {row.group_id for row in whole.of("memberships", identity_id=f"{APPROLE}/birch-sync")}
    assert groups == {f"vault:main:entity/{estate.entities['birch-sync']}"}


def test_a_jwt_role_belongs_to_the_entity_that_logged_in_through_it(whole: Scan, estate: Seeded) -> None:
    groups = {row.group_id for row in whole.of("memberships", identity_id="vault:main:jwt/jwt/shop-main")}
    assert groups == {f"vault:main:entity/{estate.entities['repo:alder/shop']}"}


def test_entities_are_in_groups_and_groups_in_groups(whole: Scan, estate: Seeded) -> None:
    inner = whole.one("identities", name="partners of the north").identity_id
    outer = whole.one("identities", name="all partners").identity_id
    assert whole.of("memberships", identity_id=f"vault:main:entity/{estate.entities['birch-sync']}", group_id=inner)
    assert whole.of("memberships", identity_id=inner, group_id=outer)
    assert whole.policies_of(inner) == {"team-read"}


def test_an_entity_labels_the_role_behind_it(whole: Scan) -> None:
    assert whole.tags_of(f"{APPROLE}/birch-sync") == {"partner": "birch", "env": "prod"}
    assert whole.one("identities", identity_id=f"{APPROLE}/birch-sync").environment == "prod"
    assert whole.one("identities", identity_id=f"{APPROLE}/migration").purpose == "moves old orders"


def test_what_is_written_on_a_secret_id_labels_its_role(whole: Scan) -> None:
    assert whole.tags_of(f"{APPROLE}/alder-loader") == {"owner": "ana@example.com"}


def test_a_frozen_entity_disables_the_role_and_the_tokens_behind_it(whole: Scan) -> None:
    role = f"{APPROLE}/dormant"
    assert whole.one("identities", identity_id=role).status == "disabled"
    assert whole.one("credentials", identity_id=role, kind="vault_token").status == "inactive"


# credentials


def test_a_secret_id_without_end_is_known_to_have_none(whole: Scan) -> None:
    found = whole.one("credentials", identity_id=f"{APPROLE}/alder-loader")
    assert (found.kind, found.expires_at, found.expiry_known) == ("approle_secret", None, True)
    assert found.created_at is not None
    assert found.is_network_bound


def test_a_secret_id_with_an_end_says_when(whole: Scan) -> None:
    found = whole.one("credentials", identity_id=f"{APPROLE}/cedar-export")
    assert timedelta(hours=23, minutes=59) < found.expires_at - found.created_at <= timedelta(hours=24)


@pytest.mark.parametrize(
    ("holder", "max_ttl_s", "period_s"),
    [
        ("nightly", 0, 2592000),
        ("short", 3600, None),
        ("orphan", 2764800, None),
        ("periodic", 0, 604800),
        ("second root", 0, None),
        ("fixed", 3600, None),
        ("birch-sync", 0, 86400),
        ("migration", 2764800, None),
    ],
)
def test_how_long_renewals_can_keep_a_token(
    whole: Scan, estate: Seeded, holder: str, max_ttl_s: int, period_s: int | None
) -> None:
    found = whole.one("credentials", native_id=estate.accessors[holder])
    assert (found.max_ttl_s, found.period_s, found.last_used_known) == (max_ttl_s, period_s, False)


@pytest.mark.parametrize(
    ("holder", "identity_id"),
    [
        ("migration", f"{APPROLE}/migration"),
        ("cedar-eu", "vault:main:approle/partners/eu/cedar-eu"),
        ("ben", "vault:main:userpass/userpass/ben"),
        ("nightly", "vault:main:token/token/nightly"),
        ("dora", "vault:main:approle/partners-eu/approle/dora"),
    ],
)
def test_a_token_belongs_to_the_role_that_it_came_from(
    whole: Scan, estate: Seeded, holder: str, identity_id: str
) -> None:
    assert whole.one("credentials", native_id=estate.accessors[holder]).identity_id == identity_id


def test_a_token_that_came_from_no_role_is_an_identity(whole: Scan, estate: Seeded) -> None:
    own_id = f"vault:main:token/{estate.accessors['orphan']}"
    found = whole.one("identities", identity_id=own_id)
    assert (found.kind, found.name) == ("token", "token-report")
    assert whole.policies_of(own_id) == {"partner-all", "default"}
    assert whole.tags_of(own_id) == {"owner": "ben@example.com"}


def test_a_root_token_is_bound_to_the_root_policy(whole: Scan, estate: Seeded) -> None:
    assert whole.policies_of(f"vault:main:token/{estate.accessors['second root']}") == {"root"}


def test_only_what_is_replaced_by_another_of_its_kind_is_replaceable(whole: Scan, estate: Seeded) -> None:
    login, made = (whole.one("credentials", native_id=estate.accessors[name]) for name in ("migration", "nightly"))
    assert (login.is_replaceable, made.is_replaceable) == (False, True)


def test_a_password_has_no_dates_and_may_be_bound_to_networks(whole: Scan) -> None:
    found = whole.one("credentials", kind="password", identity_id="vault:main:userpass/userpass/ana")
    assert (found.created_at, found.is_network_bound) == (None, True)


def test_a_role_id_is_a_credential_where_it_is_all_that_is_asked(whole: Scan) -> None:
    found = whole.one("credentials", kind="approle_role_id", native_id="approle/no-secret")
    assert (found.identity_id, found.is_network_bound) == (f"{APPROLE}/no-secret", True)


# secrets


def stored(scan: Scan, path: str) -> Any:
    return scan.one("stored_secrets", resource_id=f"vault:main:secret/{path}")


def test_a_secret_of_any_name_is_found(whole: Scan) -> None:
    assert stored(whole, f"secret/odd/{HOSTILE_SECRET}").kind == "kv2"
    assert stored(whole, f"secret/long/{LONG_NAME}").version == 1


def test_custom_metadata_labels_a_secret(whole: Scan) -> None:
    resource_id = "vault:main:secret/secret/partners/alder/crm"
    labels = {row.name: row.value for row in whole.of("resource_tags", resource_id=resource_id)}
    assert labels == {"owner": "ana@example.com", "env": "prod"}
    assert whole.one("resources", resource_id=resource_id).environment == "prod"


def test_a_secret_changed_when_its_current_version_was_written(whole: Scan) -> None:
    found = stored(whole, "secret/ci/shop/deploy")
    assert found.version == 2
    assert found.updated_at > found.created_at
    assert found.expires_at - found.updated_at == timedelta(days=30)


def test_a_deleted_secret_has_ended(whole: Scan) -> None:
    found = stored(whole, "secret/partners/birch/ftp")
    assert found.expires_at is not None


def test_a_version_that_was_destroyed_does_not_count_beside_a_newer_one(whole: Scan) -> None:
    assert stored(whole, "secret/payroll/bank").version == 2


@pytest.mark.parametrize(
    ("resource_id", "is_rotated", "rotation_days"),
    [
        ("database_role/database/shop-read", True, None),
        ("pki_role/pki/web", True, None),
        ("ssh_role/ssh/jump", True, None),
        ("transit_key/transit/orders", True, 30),
        ("transit_key/transit/tickets", False, None),
        ("totp_key/totp/portal", False, None),
        ("secret/team/kv/shared", False, None),
    ],
)
def test_what_the_vault_changes_by_itself(
    whole: Scan, resource_id: str, is_rotated: bool, rotation_days: int | None
) -> None:
    found = whole.one("stored_secrets", resource_id=f"vault:main:{resource_id}")
    assert (found.is_rotated, found.rotation_days, found.last_used_known) == (is_rotated, rotation_days, False)


def test_a_mount_without_metadata_is_one_resource_and_said_to_be_short(whole: Scan) -> None:
    assert [row.resource_id for row in whole.of("resources") if "legacy" in row.resource_id] == [
        "vault:main:mount/legacy"
    ]
    coverage: Coverage = whole.coverage("stored_secrets")
    assert (coverage.status, "legacy" in str(coverage.reason)) == ("partial", True)


def test_the_vaults_own_engines_are_no_resources(whole: Scan) -> None:
    mounts = {row.name for row in whole.of("resources", kind="mount")}
    assert mounts & {"sys", "identity", "cubbyhole", "partners-eu/sys"} == set()
    assert {"secret", "team/kv", "partners-eu/kv"} <= mounts


# secrets in labels


def test_a_secret_in_a_label_is_seen_and_hidden(whole: Scan, estate: Seeded) -> None:
    entity_id = f"vault:main:entity/{estate.entities['migration']}"
    assert whole.tags_of(entity_id)["password"] == "***"
    assert whole.tags_of(f"{APPROLE}/migration")["password"] == "***"
    assert whole.one("sightings", identity_id=entity_id).where_kind == "tag"
    resource_id = "vault:main:secret/secret/partners/cedar/export"
    assert whole.one("resource_tags", resource_id=resource_id).value == "***"
    assert whole.one("sightings", resource_id=resource_id).name == "old_password"


# the server


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("logging.enabled", "yes", None),
        ("audit.devices", "1", 1),
        ("cors.enabled", "no", None),
        ("listener.tls", "no", None),
        ("max_lease_ttl_s", "2764800", 2764800),
        ("quota.rate_limit", "100000 requests each 1 s", 100000),
    ],
)
def test_a_setting_of_the_server(whole: Scan, name: str, value: str, number: int | None) -> None:
    found = whole.one("settings", name=name)
    assert (found.value, found.number) == (value, number)


def test_leases_are_counted_by_the_path_that_issued_them(whole: Scan) -> None:
    live = {row.path: row.live for row in whole.of("leases")}
    assert live["auth/token/create/nightly"] == 1
    assert live["auth/userpass/login/ben"] == 1
    assert "partners-eu/auth/approle/login" in live


def test_leases_can_be_left_out_and_then_it_says_so(estate: Seeded, least: Scanner) -> None:
    found = scan(estate.admin.url, role_id=least.role_id, secret_id=least.secret_id, read_leases=False)
    assert found.of("leases") == []
    assert found.coverage("leases").status == "unsupported"


def test_a_namespace_can_be_read_alone(estate: Seeded) -> None:
    found = scan(estate.admin.url, token=Secret(estate.tokens["root"]), namespace="partners-eu")
    names = {row.identity_id for row in found.of("auth_roles")}
    assert "vault:main:approle/partners-eu/approle/dora" in names
    assert all("/partners-eu/" in name for name in names)


def test_more_secrets_than_wanted_are_said_to_be_left_out(estate: Seeded, least: Scanner) -> None:
    found = scan(estate.admin.url, role_id=least.role_id, secret_id=least.secret_id, most_secrets=3)
    inside = [r for r in found.of("resources", kind="secret") if r.native_id.startswith("secret/")]
    assert len(inside) == 3
    assert "stopped after 3 secrets in secret" in str(found.coverage("stored_secrets").reason)
