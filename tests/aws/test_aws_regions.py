"""Which regions are read, how fast, and as whom."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from fixtures.aws.simulator import Simulator, denied
from tests.aws.conftest import OUR_SCAN, scan
from tests.aws.parts import TENANT, module

ALL: dict[str, Any] = {"regions": ("all",)}


def regions_asked(simulator: Simulator) -> set[str]:
    starts = [params for call, params in simulator.calls if call == "ec2:DescribeRegions"]
    assert len(starts) == 1
    return {params["analyzerArn"].split(":")[3] for call, params in simulator.calls if call.endswith(":ListFindings")}


def test_all_regions_are_those_that_the_account_has_enabled(simulator: Simulator) -> None:
    found = scan(simulator.url, **ALL)
    assert regions_asked(simulator) == {"us-east-1", "eu-central-1"}
    assert found.coverage("external_access").status == "complete"


def test_regions_that_cannot_be_listed_make_what_is_regional_partial(simulator: Simulator) -> None:
    simulator.faults = [denied("ec2:DescribeRegions")]
    found = scan(simulator.url, **ALL)
    said = found.coverage("usage.calls")
    assert (said.status, said.missing_permission) == ("partial", "ec2:DescribeRegions")
    assert str(said.reason).endswith("only us-east-1 was read")
    assert found.coverage("settings").status == "complete"  # of the account as a whole


def test_the_scanner_is_the_role_that_was_assumed(simulator: Simulator) -> None:
    found = scan(simulator.url, **OUR_SCAN)
    assert {record.tenant_id: record.identity_id for record in found.of("scanners")} == {
        TENANT: f"{TENANT}:role/nhiscan",
        "aws:222222222222": "aws:222222222222:role/nhiscan",
    }


def test_the_scanner_is_the_user_whose_key_signs(simulator: Simulator) -> None:
    assert scan(simulator.url).one("scanners").identity_id == f"{TENANT}:user/nhiscan"


def test_half_of_a_quota_is_kept_to_after_one_seconds_worth() -> None:
    quotas = module("quotas").Quotas(0.5, wait=lambda _: None, clock=lambda: 100.0)

    def pauses(operation: str, count: int, region: str = "us-east-1") -> list[float]:
        return [round(quotas.pause_s("111111111111", region, "cloudtrail", operation), 3) for _ in range(count)]

    assert pauses("LookupEvents", 3) == [0, 1, 2]  # one a second
    assert pauses("DescribeTrails", 7) == [0, 0, 0, 0, 0, 0.2, 0.4]  # five a second
    assert pauses("LookupEvents", 1, region="eu-central-1") == [0]


def test_a_client_that_is_held_back_waits_before_it_calls(simulator: Simulator) -> None:
    pauses: list[float] = []
    client = boto3.client("cloudtrail", endpoint_url=simulator.url, region_name="us-east-1")
    module("quotas").Quotas(0.5, wait=pauses.append, clock=lambda: 100.0).hold_back(client, "111111111111")
    client.lookup_events()
    assert pauses == []
    client.lookup_events()
    assert pauses == [pytest.approx(1.0)]


def test_a_scan_of_aws_is_held_back_and_one_of_a_stand_in_is_not(
    simulator: Simulator, no_waiting: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    scan(simulator.url)
    assert no_waiting == []
    monkeypatch.setattr(module("quotas"), "_LOOPBACK", frozenset())
    scan(simulator.url)
    assert len(no_waiting) > 10  # LookupEvents, one after the other


@pytest.mark.parametrize(
    ("url", "is_one"),
    [(None, False), ("http://127.0.0.1:5000", True), ("https://localhost:1", True), ("https://aws.example", False)],
)
def test_only_what_runs_on_loopback_has_no_quota(url: str | None, is_one: bool) -> None:
    assert module("quotas").is_stand_in(url) is is_one
