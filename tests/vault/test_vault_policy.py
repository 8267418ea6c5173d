"""The scanner's least privilege, as the README publishes it, on the live server."""

from __future__ import annotations

import dataclasses
import re

import pytest
import requests

from fixtures.vault.estate import Admin, Seeded
from nhiscan.collect import load
from tests.vault.conftest import FINGERPRINTS, POLICY, README, SEVERAL_SEGMENTS, Scan, Scanner, scan, scanner

REFUSED = [
    ("GET", "secret/data/partners/alder/crm"),
    ("GET", "secret/data/payroll/bank"),
    ("GET", "team/kv/data/shared"),
    ("GET", "legacy/old"),
    ("LIST", "legacy"),
    ("POST", "secret/data/partners/alder/crm"),
    ("DELETE", "secret/data/partners/alder/crm"),
    ("DELETE", "secret/metadata/partners/alder/crm"),
    ("POST", "secret/metadata/partners/alder/crm"),
    ("GET", "database/creds/shop-read"),
    ("GET", "database/config/shop"),
    ("POST", "pki/issue/web"),
    ("POST", "ssh/sign/jump"),
    ("POST", "transit/decrypt/orders"),
    ("GET", "transit/export/encryption-key/orders"),
    ("GET", "totp/code/portal"),
    ("GET", "auth/approle/role/alder-loader/role-id"),
    ("POST", "auth/approle/role/alder-loader/secret-id"),
    ("POST", "auth/approle/role/alder-loader"),
    ("POST", "auth/userpass/users/ben"),
    ("POST", "auth/token/create"),
    ("POST", "auth/token/revoke-accessor"),
    ("POST", "sys/policies/acl/nhiscan"),
    ("DELETE", "sys/policies/acl/partner-alder"),
    ("POST", "identity/entity"),
    ("POST", "sys/leases/revoke"),
    ("GET", "sys/raw/core"),
    ("PUT", "sys/seal"),
]


@pytest.fixture(scope="module")
def held(estate: Seeded, least: Scanner) -> Admin:
    """Speaks to the server with the scanner's own token."""
    login = {"role_id": least.role_id.reveal(), "secret_id": least.secret_id.reveal()}
    token = Admin(estate.admin.url, "").write("auth/approle/login", login)["auth"]["client_token"]
    return Admin(estate.admin.url, token)


@pytest.mark.parametrize(("method", "path"), REFUSED, ids=lambda value: str(value).replace("/", "-"))
def test_the_server_refuses_the_scanner_values_and_writes(held: Admin, method: str, path: str) -> None:
    with pytest.raises(requests.HTTPError) as refused:
        held.call(method, path, {} if method in ("POST", "PUT") else None)
    assert refused.value.response is not None
    assert refused.value.response.status_code == 403


def test_a_path_that_is_refused_really_holds_a_value(estate: Seeded) -> None:
    assert estate.admin.read("secret/data/partners/alder/crm")["data"]["password"] in estate.values


def test_everything_is_read_with_the_published_policy(whole: Scan) -> None:
    short = {c.dataset for c in whole.of("coverage") if c.status not in ("complete", "unsupported")}
    assert short == {"resources", "stored_secrets", "stored_secrets.rotation"}
    assert all("KV version 1" in whole.coverage(dataset).reason for dataset in short)  # type: ignore[operator]
    assert {c.missing_permission for c in whole.of("coverage")} == {None}


def test_a_mount_of_several_segments_needs_the_lines_that_the_coverage_names(estate: Seeded) -> None:
    short = scanner(estate.admin, "single", POLICY)
    found = scan(estate.admin.url, role_id=short.role_id, secret_id=short.secret_id)
    assert "list on team/kv/metadata" in str(found.coverage("stored_secrets").missing_permission)
    roles = found.coverage("auth_roles")
    assert (roles.status, "list on auth/partners/eu/role" in str(roles.missing_permission)) == ("partial", True)


def test_a_line_that_is_missing_is_named_with_path_and_capability(estate: Seeded) -> None:
    without = re.sub(r'(?m)^path "sys/audit".*\n', "", POLICY)
    short = scanner(estate.admin, "no-audit", without + SEVERAL_SEGMENTS)
    logging = scan(estate.admin.url, role_id=short.role_id, secret_id=short.secret_id).coverage("settings.logging")
    assert (logging.status, logging.missing_permission) == ("denied", "read and sudo on sys/audit")


def test_fingerprints_take_their_own_policy_and_say_equal_for_equal(estate: Seeded) -> None:
    chosen = scanner(estate.admin, "fingerprints", POLICY + FINGERPRINTS)
    found = scan(
        estate.admin.url,
        role_id=chosen.role_id,
        secret_id=chosen.secret_id,
        fingerprint_mounts=("secret", "legacy/"),
    )
    prints = {row.resource_id.removeprefix("vault:main:secret/"): row.fingerprint for row in found.of("stored_secrets")}
    assert prints["secret/partners/alder/crm"] == prints["secret/payroll/bank#password"] is not None
    assert prints["secret/payroll/bank#api_key"] not in (None, prints["secret/payroll/bank#password"])
    assert prints["legacy/old"] is not None
    assert not [value for value in estate.values if value in repr(found.records)]
    coverage = found.coverage("stored_secrets.fingerprints")
    assert (coverage.status, "team/kv is not one of fingerprint_mounts" in str(coverage.reason)) == ("partial", True)


def test_fingerprints_without_their_policy_are_denied_and_the_rest_is_read(estate: Seeded, least: Scanner) -> None:
    found = scan(
        estate.admin.url, role_id=least.role_id, secret_id=least.secret_id, fingerprint_mounts=("secret", "team/kv")
    )
    coverage = found.coverage("stored_secrets.fingerprints")
    assert coverage.status == "denied"
    assert "read on secret/data/ci/billing/deploy" in str(coverage.missing_permission)
    assert found.of("stored_secrets", resource_id="vault:main:secret/secret/partners/alder/crm")


def test_no_value_is_fingerprinted_unasked(whole: Scan) -> None:
    assert {row.fingerprint for row in whole.of("stored_secrets")} == {None}
    assert whole.coverage("stored_secrets.fingerprints").status == "unsupported"


def test_each_permission_of_a_dataset_stands_in_the_policy() -> None:
    granted = {
        (path, capability)
        for path, capabilities in re.findall(r'(?m)^path "([^"]+)"\s*\{ capabilities = \[(.*?)\]', POLICY)
        for capability in re.findall(r'"(\w+)"', capabilities)
    }
    named = {
        (path, capability)
        for lines in load("vault").permissions.values()
        for capabilities, path in (line.split(" on ") for line in lines)
        for capability in capabilities.split(" and ")
    }
    assert named - granted == set()
    assert granted - named == {("auth/token/lookup-self", "read")}  # who we are, which no dataset is made of


def test_the_readme_names_every_setting() -> None:
    text = README.read_text(encoding="utf-8")
    assert [f.name for f in dataclasses.fields(load("vault")) if f"`{f.name}`" not in text] == []
