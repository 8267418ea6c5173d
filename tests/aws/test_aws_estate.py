"""Faults in every call of the part, one after the other: what a dataset could not see, it says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from fixtures.aws.faults import BROKEN, CUT, DENIED, GARBAGE, THROTTLED, Relay, Wrong
from fixtures.aws.holdings import seed
from nhiscan.errors import CollectError
from tests.aws.held import TENANT, estate, held

# What a call is named where its permission is not called like it.
CALLS = {
    "s3:GetAccountPublicAccessBlock": "s3control:GetPublicAccessBlock",
    "s3:GetBucketPublicAccessBlock": "s3:GetPublicAccessBlock",
    "s3:GetEncryptionConfiguration": "s3:GetBucketEncryption",
    "s3:ListAllMyBuckets": "s3:ListBuckets",
    "tag:GetResources": "tagging:GetResources",  # named by what signs
}
PERMISSIONS = sorted(
    {name for names in estate.PERMISSIONS.values() for name in names} - {"iam:GetAccountAuthorizationDetails"}
)
ALWAYS = {"sightings.parameters": "unsupported"}


FAULTS = {"500": BROKEN, "throttle": THROTTLED, "garbage": GARBAGE, "cut": CUT}
EACH = list(zip(PERMISSIONS, itertools.cycle(sorted(FAULTS)), strict=False))  # every call once, the faults by turns


@pytest.fixture(scope="module")
def relay(moto_url: str) -> Iterator[Relay]:
    """One account behind one relay for all faults: nothing here changes it."""
    requests.post(f"{moto_url}/moto-api/reset", timeout=10).raise_for_status()
    seed(moto_url)
    with Relay(moto_url) as running:
        yield running
    requests.post(f"{moto_url}/moto-api/reset", timeout=10).raise_for_status()


@pytest.fixture(autouse=True)
def without_pauses(no_waiting: list[float]) -> None:
    """Retries, without the time between them."""


def statuses(relay: Relay, wrong: dict[str, Wrong], **more: Any) -> dict[str, str]:
    relay.wrong = wrong
    return held(relay.url, **more).statuses(TENANT)


def needing(permission: str) -> set[str]:
    return {dataset for dataset, names in estate.PERMISSIONS.items() if permission in names}


def test_without_faults_everything_is_complete(relay: Relay) -> None:
    assert statuses(relay, {}) == dict.fromkeys(estate.PERMISSIONS, "complete") | ALWAYS


@pytest.mark.parametrize("permission", PERMISSIONS)
def test_a_denied_call_spoils_exactly_the_datasets_that_name_its_permission(relay: Relay, permission: str) -> None:
    relay.wrong = {CALLS.get(permission, permission): DENIED}
    short = [
        said for said in held(relay.url).of("coverage") if said.status != "complete" and said.dataset not in ALWAYS
    ]
    assert {said.dataset for said in short} == needing(permission)
    assert {said.missing_permission for said in short} == {permission}
    assert {said.status for said in short} <= {"denied", "partial"}


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_nothing_is_complete_when_everything_fails(relay: Relay, fault: str) -> None:
    wrong = {CALLS.get(permission, permission): FAULTS[fault] for permission in PERMISSIONS}
    # IAM did answer, so the tags of users and roles were searched.
    assert statuses(relay, wrong) == dict.fromkeys(estate.PERMISSIONS, "failed") | ALWAYS | {
        "sightings.tags": "partial"
    }


@pytest.mark.parametrize(("permission", "fault"), EACH)
def test_a_failing_call_spoils_its_datasets_and_the_rest_goes_on(relay: Relay, permission: str, fault: str) -> None:
    found = statuses(relay, {CALLS.get(permission, permission): FAULTS[fault]})
    assert {dataset for dataset, status in found.items() if status in ("failed", "partial")} == needing(permission)
    assert {status for dataset, status in found.items() if dataset not in needing(permission)} == {
        "complete",
        "unsupported",
    }


def test_a_denied_region_is_named_and_the_others_are_read(relay: Relay) -> None:
    relay.only_in = frozenset({"eu-central-1"})
    relay.wrong = {"secretsmanager:ListSecrets": DENIED}
    found = held(relay.url, regions=("us-east-1", "eu-central-1"))
    said = found.one("coverage", dataset="stored_secrets")
    relay.only_in = frozenset()
    assert said.status == "partial"
    assert said.reason.startswith("secrets in eu-central-1: AccessDenied")
    assert {secret.name for secret in found.of("resources") if secret.kind == "secret"} == {"shop/database", "plain"}


def test_a_region_that_is_not_enabled_costs_only_itself(relay: Relay) -> None:
    relay.only_in = frozenset({"ap-east-1"})
    relay.wrong = {"kms:ListKeys": Wrong(400, "UnrecognizedClientException")}
    found = held(relay.url, regions=("us-east-1", "ap-east-1"))
    relay.only_in = frozenset()
    assert found.coverage("resources", TENANT).status == "partial"
    assert found.one("resources", kind="key").name == "alias/exports"


def test_a_credential_that_is_no_good_ends_the_part(relay: Relay) -> None:
    relay.wrong = {"secretsmanager:ListSecrets": Wrong(400, "ExpiredTokenException")}
    with pytest.raises(CollectError, match="refused for the credential itself"):
        held(relay.url)


def test_no_call_that_reads_a_secret_is_made(relay: Relay) -> None:
    relay.wrong = {}
    relay.calls.clear()
    held(relay.url)
    forbidden = ("GetSecretValue", "GetParameter", "Decrypt", "GetObject", "s3:/")
    assert [call for call, _ in relay.calls if any(word in call for word in forbidden)] == []
