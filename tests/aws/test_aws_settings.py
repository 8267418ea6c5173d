"""Account settings, certificates and Access Analyzer: what rules read of them, and what a refusal leaves."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.aws.simulator import Fault, Simulator
from tests.aws.conftest import Scan
from tests.aws.parts import TENANT, entered, module, read

BOTH = ("us-east-1", "eu-central-1")


def settings(found: Scan) -> dict[str, str | None]:
    return {setting.name: setting.value for setting in found.of("settings")}


def trail(simulator: Simulator) -> dict[str, Any]:
    return simulator.world.accounts["111111111111"]["trails"][0]


def test_a_trail_that_logs_everywhere_is_logging(simulator: Simulator) -> None:
    found = settings(read(simulator, "settings"))
    assert (found["logging.enabled"], found["logging.all_regions"]) == ("yes", "yes")
    assert (found["trail.is_logging"], found["trail.management_events"]) == ("yes", "all")


@pytest.mark.parametrize(
    ("status", "selectors"),
    [
        ({"IsLogging": False}, {}),
        ({"IsLogging": True, "LatestDeliveryError": "NoSuchBucket"}, {}),
        ({"IsLogging": True}, {"EventSelectors": [{"IncludeManagementEvents": False}]}),
        ({"IsLogging": True}, {"EventSelectors": [{"IncludeManagementEvents": True, "ReadWriteType": "ReadOnly"}]}),
        (
            {"IsLogging": True},
            {
                "AdvancedEventSelectors": [
                    {
                        "FieldSelectors": [
                            {"Field": "eventCategory", "Equals": ["Management"]},
                            {"Field": "readOnly", "Equals": ["true"]},
                        ]
                    }
                ]
            },
        ),
    ],
)
def test_a_trail_that_records_no_change_or_delivers_nothing_is_no_log(
    simulator: Simulator, status: dict[str, Any], selectors: dict[str, Any]
) -> None:
    trail(simulator)["Status"] = status
    trail(simulator)["Selectors"] = selectors or trail(simulator)["Selectors"]
    assert settings(read(simulator, "settings"))["logging.enabled"] == "no"


def test_advanced_selectors_of_all_management_events_are_a_log(simulator: Simulator) -> None:
    management = {"FieldSelectors": [{"Field": "eventCategory", "Equals": ["Management"]}]}
    trail(simulator)["Selectors"] = {"AdvancedEventSelectors": [management]}
    found = settings(read(simulator, "settings"))
    assert (found["logging.enabled"], found["trail.management_events"]) == ("yes", "all")


def test_a_trail_of_one_region_is_not_everywhere(simulator: Simulator) -> None:
    trail(simulator)["Described"]["IsMultiRegionTrail"] = False
    found = settings(read(simulator, "settings", regions=BOTH))
    assert (found["logging.enabled"], found["logging.all_regions"]) == ("yes", "no")


def test_no_trail_is_no_log_only_when_every_region_was_asked(simulator: Simulator) -> None:
    simulator.world.accounts["111111111111"]["trails"].clear()
    assert settings(read(simulator, "settings", regions=BOTH))["logging.enabled"] == "no"
    simulator.faults = [Fault("cloudtrail:DescribeTrails", 400, "AccessDeniedException", region="eu-central-1")]
    assert "logging.enabled" not in settings(read(simulator, "settings", regions=BOTH))


def test_a_trail_whose_state_was_refused_is_not_called_off(simulator: Simulator) -> None:
    simulator.faults = [Fault("cloudtrail:GetTrailStatus", 400, "AccessDeniedException")]
    found = read(simulator, "settings")
    assert "logging.enabled" not in settings(found)
    assert found.statuses()["settings.logging"] == "partial"


def test_no_password_policy_is_a_fact_and_not_a_refusal(simulator: Simulator) -> None:
    simulator.world.accounts["111111111111"]["password_policy"].clear()
    found = read(simulator, "settings")
    assert settings(found)["password_policy.exists"] == "no"
    assert found.statuses()["settings"] == "complete"


def test_numbers_of_the_password_policy_and_of_the_root_user_are_numbers(simulator: Simulator) -> None:
    numbers = {setting.name: setting.number for setting in read(simulator, "settings").of("settings")}
    assert numbers["password_policy.min_length"] == 14
    assert numbers["password_policy.max_age_days"] == 0
    assert numbers["root.access_keys"] == 1


def test_a_trust_anchor_is_an_issuer_and_a_certificate_a_grant_with_its_last_use(simulator: Simulator) -> None:
    found = read(simulator, "rolesanywhere", regions=BOTH)
    assert found.one("issuers").issuer == "warehouse-ca"
    grant = found.one("grants")  # the disabled certificate is none
    assert (grant.principal, grant.last_used_known) == ("CN=scanner-17,O=Nordwind", True)
    assert grant.last_used_at.isoformat() == "2026-01-29T23:00:00+00:00"
    assert settings(found)["rolesanywhere.roles"] == "arn:aws:iam::111111111111:role/partners/nordwind-billing"


def test_without_an_anchor_nothing_more_is_asked(simulator: Simulator) -> None:
    found = read(simulator, "rolesanywhere")
    assert found.statuses() == {"issuers.certificates": "complete"}
    assert not [call for call, _ in simulator.calls if call == "rolesanywhere:ListSubjects"]


def test_findings_are_grants_on_resources_and_those_on_roles_are_left_to_trusts(simulator: Simulator) -> None:
    found = read(simulator, "analyzer")
    assert {(grant.principal_kind, grant.account, grant.narrowed_by) for grant in found.of("grants")} == {
        ("account", "444444444444", None),
        ("any", None, "aws:SourceIp"),
    }
    assert {(resource.kind, resource.name) for resource in found.of("resources")} == {
        ("bucket", "acme-partner-exports"),
        ("bucket", "acme-public"),
    }
    assert {grant.source for grant in found.of("grants")} == {"analyzer"}


def test_a_resource_that_is_known_keeps_its_row(simulator: Simulator) -> None:
    account = entered(simulator)
    account.resource_ids["arn:aws:s3:::acme-public"] = f"{TENANT}:bucket/acme-public"
    found = Scan(list(module("analyzer").records(account)))
    assert [resource.name for resource in found.of("resources")] == ["acme-partner-exports"]
    assert found.one("grants", principal_kind="any").resource_id == f"{TENANT}:bucket/acme-public"


def test_a_region_without_an_analyzer_is_named_and_never_complete(simulator: Simulator) -> None:
    analyzers = simulator.world.accounts["111111111111"]["analyzers"]
    analyzers[:] = [item for item in analyzers if item["Region"] == "us-east-1"]
    said = read(simulator, "analyzer", regions=BOTH).coverage("external_access")
    assert (said.status, said.reason) == (
        "partial",
        "external access in eu-central-1: no analyzer for external access is active",
    )
    analyzers.clear()
    assert read(simulator, "analyzer").statuses()["external_access"] == "unsupported"


def test_an_analysis_that_broke_off_is_no_access_and_leaves_a_gap(simulator: Simulator) -> None:
    findings = simulator.world.accounts["111111111111"]["analyzer_findings"]
    before = read(simulator, "analyzer").of("grants")
    broken = {name: value for name, value in findings[0].items() if name not in ("principal", "action")}
    findings.append(
        broken | {"id": "e", "condition": {}, "resource": "arn:aws:s3:::acme-odd", "error": "INTERNAL_ERROR"}
    )
    found = read(simulator, "analyzer")
    assert found.of("grants") == before
    said = found.coverage("external_access")
    assert (said.status, said.call) == ("partial", "access-analyzer:ListFindings")
    assert said.reason == "external access in us-east-1: arn:aws:s3:::acme-odd: INTERNAL_ERROR"


def test_pages_of_one_give_the_same_findings(simulator: Simulator) -> None:
    whole = read(simulator, "analyzer").records
    simulator.world.page_size = 1
    assert read(simulator, "analyzer").records == whole


CALLS = {
    "access-analyzer:ListAnalyzers": ("analyzer", "external_access"),
    "access-analyzer:ListFindings": ("analyzer", "external_access"),
    "cloudtrail:DescribeTrails": ("settings", "settings.logging"),
    "cloudtrail:GetEventSelectors": ("settings", "settings.logging"),
    "cloudtrail:GetTrailStatus": ("settings", "settings.logging"),
    "cloudtrail:LookupEvents": ("activity", "usage.calls"),
    "iam:GenerateServiceLastAccessedDetails": ("advisor", "usage.services"),
    "iam:GetAccountPasswordPolicy": ("settings", "settings"),
    "iam:GetAccountSummary": ("settings", "settings"),
    "iam:GetServiceLastAccessedDetails": ("advisor", "usage.services"),
    "rolesanywhere:ListProfiles": ("rolesanywhere", "issuers.certificates"),
    "rolesanywhere:ListSubjects": ("rolesanywhere", "issuers.certificates"),
    "rolesanywhere:ListTrustAnchors": ("rolesanywhere", "issuers.certificates"),
}


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(("http_status", "code"), [(403, "AccessDeniedException"), (500, "InternalFailure")])
def test_no_call_that_goes_wrong_leaves_its_dataset_complete(
    simulator: Simulator, no_waiting: list[float], call: str, http_status: int, code: str
) -> None:
    part, dataset = CALLS[call]
    simulator.faults = [Fault(call, http_status, code)]
    said = read(simulator, part, regions=("eu-central-1", "us-east-1"), last_accessed_limit=3).coverage(dataset)
    assert said.status in ("denied", "failed", "partial", "truncated")
    assert call in str(said.call)
    assert said.missing_permission == (call if http_status == 403 else None)


def test_the_calls_tried_are_those_that_the_permissions_name() -> None:
    named = {
        call
        for part in ("activity", "advisor", "analyzer", "rolesanywhere", "settings")
        for calls in module(part).PERMISSIONS.values()
        for call in calls
    }
    assert named - {"iam:GetAccountAuthorizationDetails"} == set(CALLS)
