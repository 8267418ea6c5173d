"""The organization is read once, from whichever account may, and its word holds for every account in it."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from fixtures.aws.simulator import Fault, Simulator, denied
from tests.aws.conftest import OUR_SCAN, Scan, scan
from tests.aws.parts import TENANT, entered, module

MEMBER = "aws:222222222222"
DATASETS = ("organization", "scps", "rcps", "delegated_admins")


def organization(simulator: Simulator) -> Scan:
    return Scan(list(module("organization").records([entered(simulator)])))


def statuses(found: Scan, tenant_id: str = TENANT) -> dict[str, str]:
    return {dataset: found.coverage(dataset, tenant_id).status for dataset in DATASETS}


def test_the_tree_names_units_accounts_and_what_is_above(simulator: Simulator) -> None:
    nodes = {node.node_id.rpartition("/")[2]: node for node in organization(simulator).of("org_nodes")}
    assert {name: node.kind for name, node in nodes.items()} == {
        "r-ac01": "root",
        "ou-ac01-workload": "unit",
        "ou-ac01-partners": "unit",
        "111111111111": "account",
        "222222222222": "account",
        "666666666666": "account",
        "777777777777": "account",
    }
    assert nodes["666666666666"].parent_id == nodes["ou-ac01-partners"].node_id
    assert (nodes["777777777777"].tenant_id, nodes["777777777777"].status) == ("aws:777777777777", "closed")


def test_policies_come_with_their_documents_and_targets(simulator: Simulator) -> None:
    found = organization(simulator)
    assert {policy.policy_id.removeprefix(f"{TENANT}:"): policy.kind for policy in found.of("policies")} == {
        "scp/p-FullAWSAccess": "scp",
        "scp/p-regions0": "scp",
        "rcp/p-RCPFullAWSAccess": "rcp",
    }
    assert "aws:RequestedRegion" in found.one("policies", name="OnlyEurope").document
    bound = [record.node_id for record in found.of("org_policies") if record.policy_id.endswith("scp/p-FullAWSAccess")]
    assert [node.rpartition("/")[2] for node in bound] == ["r-ac01", "ou-ac01-workload"]


def test_a_delegated_administrator_is_an_identity_with_a_grant_for_each_service(simulator: Simulator) -> None:
    found = organization(simulator)
    identity = found.one("identities")
    assert identity.identity_id == f"{TENANT}:delegated_admin/666666666666"
    assert (identity.kind, identity.is_nhi, identity.status) == ("delegated_admin", True, "enabled")
    assert {(grant.permission, grant.granted_at.year, grant.identity_id) for grant in found.of("grants")} == {
        ("guardduty.amazonaws.com", 2024, identity.identity_id),
        ("sso.amazonaws.com", 2025, identity.identity_id),
    }


def test_pages_of_one_give_the_same_records(simulator: Simulator) -> None:
    whole = organization(simulator).records
    simulator.world.page_size = 1
    assert organization(simulator).records == whole


@pytest.mark.parametrize("accounts", [("111111111111", "222222222222"), ("222222222222", "111111111111")])
def test_what_the_management_account_is_told_covers_its_members(
    simulator: Simulator, accounts: tuple[str, str]
) -> None:
    found = scan(simulator.url, **OUR_SCAN | {"accounts": accounts})
    assert statuses(found, MEMBER) == dict.fromkeys(DATASETS, "complete")
    assert len(found.of("org_nodes")) == 7


def test_a_member_that_may_not_even_ask_is_covered_by_the_tree(simulator: Simulator) -> None:
    simulator.faults = [Fault("organizations:DescribeOrganization", 400, "AccessDeniedException", on_calls=(1,))]
    found = scan(simulator.url, **OUR_SCAN | {"accounts": ("222222222222", "111111111111")})
    assert statuses(found, MEMBER) == dict.fromkeys(DATASETS, "complete")


def test_a_member_alone_is_denied(simulator: Simulator) -> None:
    found = scan(simulator.url, **OUR_SCAN | {"accounts": ("222222222222",)})
    assert statuses(found, MEMBER) == dict.fromkeys(DATASETS, "denied")
    assert not found.of("org_nodes")


def test_a_delegated_administrator_may_read_it_too(simulator: Simulator) -> None:
    simulator.world.organizations[0]["administrators"][0]["Id"] = "111111111111"
    simulator.world.organizations[0]["described"]["MasterAccountId"] = "222222222222"
    found = organization(simulator)
    assert statuses(found) == dict.fromkeys(DATASETS, "complete")
    assert found.one("org_nodes", kind="root").tenant_id == MEMBER


def test_an_account_in_no_organization_has_no_scps(simulator: Simulator) -> None:
    simulator.world.organizations.clear()
    found = organization(simulator)
    assert statuses(found) == dict.fromkeys(DATASETS, "not_applicable")
    assert found.coverage("scps").reason == "the account is in no organization"


def test_a_policy_type_that_is_switched_off_does_not_apply(simulator: Simulator) -> None:
    (root,) = simulator.world.organizations[0]["roots"]
    root["PolicyTypes"] = [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}]
    found = organization(simulator)
    assert statuses(found)["rcps"] == "not_applicable"
    assert {policy.kind for policy in found.of("policies")} == {"scp"}


def test_a_billing_organization_has_no_policies(simulator: Simulator) -> None:
    simulator.world.organizations[0]["described"]["FeatureSet"] = "CONSOLIDATED_BILLING"
    assert statuses(organization(simulator))["scps"] == "not_applicable"


REFUSED = {
    "organizations:DescribeOrganization": dict.fromkeys(DATASETS, "denied"),
    "organizations:ListRoots": {"organization": "denied", "scps": "denied", "rcps": "denied"},
    "organizations:ListOrganizationalUnitsForParent": {
        "organization": "partial",
        "scps": "partial",
        "rcps": "partial",
    },
    "organizations:ListAccountsForParent": {"organization": "partial", "scps": "partial", "rcps": "partial"},
    "organizations:ListPolicies": {"scps": "denied", "rcps": "denied"},
    "organizations:DescribePolicy": {"scps": "partial", "rcps": "partial"},
    "organizations:ListTargetsForPolicy": {"scps": "partial", "rcps": "partial"},
    "organizations:ListDelegatedAdministrators": {"delegated_admins": "denied"},
    "organizations:ListDelegatedServicesForAccount": {"delegated_admins": "denied"},
}


@pytest.mark.parametrize("call", REFUSED)
def test_each_refused_call_is_named_and_nothing_it_hides_is_complete(simulator: Simulator, call: str) -> None:
    refusal = denied(call)
    simulator.faults = [Fault(call, 400, "AccessDeniedException", refusal.message)]
    found = organization(simulator)
    assert statuses(found) == dict.fromkeys(DATASETS, "complete") | REFUSED[call]
    said = {found.coverage(dataset).missing_permission for dataset in REFUSED[call]}
    assert said == {call}


@pytest.mark.parametrize("call", REFUSED)
def test_each_broken_call_hides_the_same(simulator: Simulator, no_waiting: list[float], call: str) -> None:
    simulator.faults = [Fault(call, 500, "ServiceException")]
    as_failed = {dataset: status.replace("denied", "failed") for dataset, status in REFUSED[call].items()}
    assert statuses(organization(simulator)) == dict.fromkeys(DATASETS, "complete") | as_failed


def test_throttling_on_every_third_call_costs_nothing_but_time(simulator: Simulator, no_waiting: list[float]) -> None:
    whole = organization(simulator).records
    simulator.calls.clear()
    thirds = tuple(range(3, 60, 3))
    simulator.faults = [Fault(call, 400, "TooManyRequestsException", on_calls=thirds) for call in REFUSED]
    assert organization(simulator).records == whole


@pytest.fixture
def moto_organization(moto: str) -> dict[str, Any]:
    """A small organization in moto's own account."""
    client = boto3.client("organizations", endpoint_url=moto, region_name="us-east-1")
    client.create_organization(FeatureSet="ALL")
    root = client.list_roots()["Roots"][0]["Id"]
    unit = client.create_organizational_unit(ParentId=root, Name="Workloads")["OrganizationalUnit"]["Id"]
    member = client.create_account(AccountName="member", Email="member@acme.example")["CreateAccountStatus"][
        "AccountId"
    ]
    client.move_account(AccountId=member, SourceParentId=root, DestinationParentId=unit)
    client.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    content = '{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"iam:*","Resource":"*"}]}'
    policy = client.create_policy(Name="no-iam", Description="no-iam", Type="SERVICE_CONTROL_POLICY", Content=content)[
        "Policy"
    ]["PolicySummary"]["Id"]
    client.attach_policy(PolicyId=policy, TargetId=unit)
    client.register_delegated_administrator(AccountId=member, ServicePrincipal="guardduty.amazonaws.com")
    return {"unit": unit, "member": member, "policy": policy}


def test_moto_keeps_an_organization_that_is_read_over_http(moto: str, moto_organization: dict[str, Any]) -> None:
    found = scan(moto)
    tenant_id = "aws:123456789012"
    made = moto_organization
    assert found.one("org_nodes", tenant_id=f"aws:{made['member']}").parent_id == f"{tenant_id}:org_node/{made['unit']}"
    assert (f"{tenant_id}:scp/{made['policy']}", f"{tenant_id}:org_node/{made['unit']}") in {
        (record.policy_id, record.node_id) for record in found.of("org_policies")
    }
    assert found.one("identities", kind="delegated_admin").native_id.endswith(made["member"])
    assert found.one("grants", source="delegation").permission == "guardduty.amazonaws.com"
    assert statuses(found, tenant_id) == dict.fromkeys(DATASETS, "complete") | {"rcps": "not_applicable"}
