"""Counts of deals by owner: never a record, and never a count that looks whole and is not."""

from __future__ import annotations

from fixtures.salesforce.ids import salesforce_id
from fixtures.salesforce.world import TIERS
from tests.salesforce.conftest import Acme
from tests.salesforce.parts import deals, read

PLAIN = TIERS["everything"]


def with_deals(**world_settings: object) -> Acme:
    org = deals(**world_settings)
    for owner, count in ((org.partner_user, 2), (org.anna, 3), (org.world.add("Group", Type="Queue"), 1)):
        for _ in range(count):
            org.world.add("Opportunity", Name="Deal", OwnerId=owner, Amount=99.5)
    return org


def test_deals_are_counted_by_owner_and_queues_share_one_row() -> None:
    org = with_deals(permissions=PLAIN | {"ViewAllData"})
    found = read(org)
    resource_id = f"{org.tenant_id}:crm_object/Opportunity"
    assert {(row.identity_id, row.records) for row in found.of("record_counts", resource_id=resource_id)} == {
        (org.user(org.partner_user), 2),
        (org.user(org.anna), 3),
        (None, 1),
    }
    assert found.one("data_objects", resource_id=resource_id).records == 6
    assert found.coverage("objects.records").status == "complete"


def test_counts_of_what_the_scanner_may_not_see_whole_are_partial() -> None:
    coverage = read(with_deals()).coverage("objects.records")
    assert coverage.status == "partial"
    assert "Read and View All Records on Opportunity" in str(coverage.missing_permission).split(", ")


def test_view_all_on_the_object_makes_its_counts_whole() -> None:
    org = with_deals()
    mine = org.world.add("PermissionSet", Name="Scanner", Type="Regular")
    org.world.add("PermissionSetAssignment", AssigneeId=org.world.user_id, PermissionSetId=mine, IsActive=True)
    org.world.add("ObjectPermissions", ParentId=mine, SobjectType="Opportunity", PermissionsViewAllRecords=True)
    short = str(read(org).coverage("objects.records").missing_permission).split(", ")
    assert "Read and View All Records on Opportunity" not in short


def test_an_object_without_owners_is_counted_as_a_whole() -> None:
    org = with_deals(permissions=PLAIN | {"ViewAllData"})
    org.world.add("OpportunityLineItem", OpportunityId=next(iter(org.world.rows("Opportunity")))["Id"])
    found = read(org)
    row = found.one("data_objects", resource_id=f"{org.tenant_id}:crm_object/OpportunityLineItem")
    assert row.records == 1
    assert not found.of("record_counts", resource_id=row.resource_id)


def test_an_object_that_is_not_shown_is_denied_with_the_right_that_would_show_it() -> None:
    org = with_deals(permissions=PLAIN | {"ViewAllData"})
    org.world.hidden.add("Opportunity")
    coverage = read(org).coverage("objects.records")
    assert coverage.status == "partial"
    assert coverage.missing_permission == "Read and View All Records on Opportunity"


def test_more_owners_than_one_answer_holds_are_all_counted() -> None:
    org = deals(permissions=PLAIN | {"ViewAllData"})
    for n in range(2_001):
        org.world.add("Opportunity", OwnerId=salesforce_id("005", 10_000 + n))
    row = read(org).one("data_objects", resource_id=f"{org.tenant_id}:crm_object/Opportunity")
    assert row.records == 2_001


def test_nothing_of_a_deal_but_its_owner_is_asked_for() -> None:
    org = with_deals()
    read(org)
    asked = [call.soql for call in org.world.calls if call.soql and " FROM Opportunity" in call.soql]
    assert asked and not any("Amount" in soql or "Name" in soql.partition("FROM")[0] for soql in asked)
