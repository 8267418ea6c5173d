"""Objects and core fields of deals: sharing, and who may do what with them."""

from __future__ import annotations

import pytest

from fixtures.salesforce.ids import salesforce_id
from tests.salesforce.conftest import Acme, Scan
from tests.salesforce.parts import deals, read


@pytest.fixture(scope="module")
def org() -> Acme:
    org = deals()
    org.world.add("EntityDefinition", QualifiedApiName="Tier__c", DurableId="01IT", ExternalSharingModel="Read")
    rights = next(row["Id"] for row in org.world.rows("PermissionSet") if row.get("ProfileId") == org.partner_profile)
    org.world.add("ObjectPermissions", ParentId=rights, SobjectType="Tier__c", PermissionsRead=True)
    org.world.add("ObjectPermissions", ParentId=rights, SobjectType="Hidden__c", PermissionsRead=False)
    org.world.add("ObjectPermissions", ParentId=org.reader_set, SobjectType="Secret__c", PermissionsRead=True)
    return org


@pytest.fixture(scope="module")
def found(org: Acme) -> Scan:
    return read(org)


def test_deal_objects_and_those_that_an_outsider_may_read_are_resources(found: Scan) -> None:
    names = {row.name for row in found.of("resources", kind="crm_object")}
    assert names == {"Account", "Opportunity", "OpportunityLineItem", "Tier__c"}


def test_sharing_of_an_object_is_said_for_insiders_and_outsiders(org: Acme, found: Scan) -> None:
    def sharing(name: str) -> tuple[str, str]:
        row = found.one("data_objects", resource_id=f"{org.tenant_id}:crm_object/{name}")
        return row.internal_sharing, row.external_sharing

    assert sharing("Account") == ("read", "private")
    assert sharing("Opportunity") == ("private", "write")
    assert sharing("OpportunityLineItem") == ("parent", "parent")


def test_rights_to_an_object_are_a_grant_of_the_profile_and_those_to_every_record_another(
    org: Acme, found: Scan
) -> None:
    grants = found.of("grants", resource_id=f"{org.tenant_id}:crm_object/Account")
    assert sorted((g.permission, g.record_scope) for g in grants) == [
        ("object:read,object:edit", None),
        ("object:view_all", "all"),
    ] and {g.identity_id for g in grants} == {f"{org.tenant_id}:profile/{org.partner_profile}"}


def test_a_field_with_permissions_of_its_own_goes_by_these(org: Acme, found: Scan) -> None:
    grant = found.one("grants", resource_id=f"{org.tenant_id}:crm_field/Opportunity.Amount")
    assert (grant.permission, grant.statement) == ("field:read,field:edit", None)


def test_a_field_without_permissions_of_its_own_goes_with_its_object(org: Acme, found: Scan) -> None:
    grant = found.one("grants", resource_id=f"{org.tenant_id}:crm_field/Opportunity.StageName")
    assert grant.permission == "field:read,field:edit"
    assert grant.statement == "has no field-level security: goes with the object"


def test_a_core_field_that_the_org_does_not_have_is_no_resource() -> None:
    found = read(deals(), fields=("Opportunity.Amount", "Opportunity.Discount__c"))
    assert {row.name for row in found.of("resources", kind="crm_field")} == {"Opportunity.Amount"}


def test_everything_was_read(found: Scan) -> None:
    statuses = {found.coverage(name).status for name in ("objects", "grants.objects", "grants.fields")}
    assert statuses == {"complete"}


def test_without_definitions_insiders_sharing_is_the_organizations_default() -> None:
    org = deals()
    org.world.hidden.add("EntityDefinition")
    org.world.change(org.world.organization_id, DefaultOpportunityAccess="ReadEditTransfer")
    found = read(org)
    row = found.one("data_objects", resource_id=f"{org.tenant_id}:crm_object/Opportunity")
    assert (row.internal_sharing, row.external_sharing) == ("write", None)
    assert found.coverage("objects").status == "partial"


def test_hidden_object_permissions_are_named_with_what_would_show_them() -> None:
    org = deals()
    org.world.hidden.add("ObjectPermissions")
    coverage = read(org).coverage("grants.objects")
    assert coverage.status == "partial"
    assert "ObjectPermissions" in str(coverage.call)


def test_rights_of_a_set_that_was_not_read_make_coverage_partial() -> None:
    org = deals()
    org.world.add("ObjectPermissions", ParentId=salesforce_id("0PS", 999), SobjectType="Account", PermissionsRead=True)
    coverage = read(org).coverage("grants.objects")
    assert (coverage.status, "were not read" in str(coverage.reason)) == ("partial", True)


def test_an_outsiders_permission_set_in_a_group_shows_what_it_reads() -> None:
    org = deals()
    world = org.world
    desk = world.add("PermissionSet", Name="Partner_Desk", Type="Regular")
    group = world.add("PermissionSetGroup", DeveloperName="Partners", MasterLabel="Partners", Status="Updated")
    total = world.add("PermissionSet", Name="Sum", Type="Group", PermissionSetGroupId=group)
    world.add("PermissionSetGroupComponent", PermissionSetGroupId=group, PermissionSetId=desk)
    world.add(
        "PermissionSetAssignment", AssigneeId=org.partner_user, PermissionSetId=total, PermissionSetGroupId=group,
        IsActive=True,
    )  # fmt: skip
    world.add("EntityDefinition", QualifiedApiName="Leads__c", DurableId="01IL")
    world.add("ObjectPermissions", ParentId=desk, SobjectType="Leads__c", PermissionsRead=True)
    assert read(org).of("resources", name="Leads__c")
