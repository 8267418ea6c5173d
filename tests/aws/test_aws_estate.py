"""Faults in every call of the part, one after the other: what a dataset could not see, it says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import pytest
import requests

from fixtures.aws.faults import BROKEN, CUT, DENIED, GARBAGE, THROTTLED, Relay, Wrong
from fixtures.aws.holdings import seed
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
def test_whatever_fails_in_all_calls_leaves_nothing_complete(relay: Relay, fault: str) -> None:
    wrong = {CALLS.get(permission, permission): FAULTS[fault] for permission in PERMISSIONS}
    assert set(statuses(relay, wrong).values()) == {"failed", "unsupported"}


@pytest.mark.parametrize(("permission", "fault"), EACH)
def test_a_failing_call_spoils_its_datasets_and_the_rest_goes_on(relay: Relay, permission: str, fault: str) -> None:
    found = statuses(relay, {CALLS.get(permission, permission): FAULTS[fault]})
    assert {dataset for dataset, status in found.items() if status in ("failed", "partial")} == needing(permission)
    assert {status for dataset, status in found.items() if dataset not in needing(permission)} == {
        "complete",
        "unsupported",
    }
