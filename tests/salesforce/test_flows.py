"""What runs in the org by itself, and as whom where that is fixed."""

from __future__ import annotations

import pytest

from tests.salesforce.conftest import Acme, Scan, acme
from tests.salesforce.parts import read


@pytest.fixture(scope="module")
def org() -> Acme:
    org = acme()
    world = org.world
    for name, status in (("Renew", "Active"), ("Old", "Obsolete")):
        definition = world.add("FlowDefinition", DeveloperName=name)
        world.add(
            "Flow", DefinitionId=definition, MasterLabel=name, Status=status, ProcessType="AutoLaunchedFlow",
            RunInMode="SystemModeWithoutSharing",
        )  # fmt: skip
    world.add("EntityDefinition", QualifiedApiName="Opportunity", DurableId="Opportunity")
    world.add("ApexTrigger", Name="Deals", NamespacePrefix="acme", EntityDefinitionId="Opportunity", Status="Active")
    world.add("ApexTrigger", Name="Gone", EntityDefinitionId="Opportunity", Status="Inactive")
    for name, owner, state in (("Nightly", org.bot, "WAITING"), ("Done", org.anna, "DELETED")):
        job = world.add("CronJobDetail", Name=name)
        world.add("CronTrigger", CronJobDetailId=job, OwnerId=owner, State=state)
    return org


@pytest.fixture(scope="module")
def found(org: Acme) -> Scan:
    return read(org)


def tags(found: Scan, name: str) -> dict[str, str]:
    resource_id = found.one("resources", kind="flow", name=name).resource_id
    return {row.name: row.value for row in found.of("resource_tags", resource_id=resource_id)}


def test_what_is_active_is_a_resource(found: Scan) -> None:
    assert {row.name for row in found.of("resources", kind="flow")} == {"Renew", "acme__Deals", "Nightly"}


def test_a_flow_tells_in_which_mode_it_runs_and_as_nobody_in_particular(found: Scan) -> None:
    assert found.one("resources", name="Renew").runs_as_id is None
    assert tags(found, "Renew")["run_mode"] == "SystemModeWithoutSharing"


def test_a_trigger_tells_of_its_object(found: Scan) -> None:
    assert tags(found, "acme__Deals")["object"] == "Opportunity"


def test_a_scheduled_job_runs_as_its_owner(org: Acme, found: Scan) -> None:
    assert found.one("resources", name="Nightly").runs_as_id == org.user(org.bot)


def test_hidden_flows_make_resources_partial() -> None:
    org = acme()
    org.world.hidden.add("Flow")
    assert read(org).coverage("resources").status == "partial"
