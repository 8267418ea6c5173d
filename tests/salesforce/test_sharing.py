"""Who records are shared with beyond the defaults, and what is said where that cannot be read whole."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.salesforce.world import TIERS
from tests.salesforce.conftest import Acme, Scan
from tests.salesforce.parts import deals, metadata, put, read

SEES_ALL = TIERS["everything"] | {"ViewAllData"}


def grants(found: Scan, source: str) -> set[tuple[str, str]]:
    return {(row.identity_id.split(":", 2)[2], row.permission) for row in found.of("grants", source=source)}


def rule(shared_to: str, *, access: str = "Read", kind: str = "sharingOwnerRules", name: str = "R1") -> str:
    return (
        f"<{kind}><fullName>{name}</fullName><accessLevel>{access}</accessLevel>"
        f"<sharedTo>{shared_to}</sharedTo></{kind}>"
    )


def rules(folder: Path, *written: str, entity: str = "Opportunity") -> Path:
    return put(folder, f"sharingRules/{entity}.sharingRules", metadata("SharingRules", *written))


@pytest.fixture
def org() -> Acme:
    return deals(permissions=SEES_ALL)


def test_a_rule_that_shares_with_a_public_group_is_a_grant_of_the_group(org: Acme, tmp_path: Path) -> None:
    group = org.world.add("Group", Type="Regular", DeveloperName="EMEA", Name="EMEA desk")
    org.world.add("GroupMember", GroupId=group, UserOrGroupId=org.partner_user)
    found = read(org, metadata_folder=rules(tmp_path, rule("<group>EMEA</group>", access="Edit")))
    assert grants(found, "sharing_rule") == {(f"public_group/{group}", "sharing:edit")}
    assert f"{org.tenant_id}:public_group/{group}" in found.groups_of(org.user(org.partner_user))


@pytest.mark.parametrize(
    ("element", "has_child"), [("role", False), ("roleAndSubordinates", True), ("portalRoleAndSubordinates", True)]
)
def test_a_rule_for_a_role_goes_down_the_tree_only_where_it_says_so(
    org: Acme, tmp_path: Path, element: str, has_child: bool
) -> None:
    top = org.world.add("UserRole", Name="Top", DeveloperName="Top")
    below = org.world.add("UserRole", Name="Below", DeveloperName="Below", ParentRoleId=top)
    found = read(org, metadata_folder=rules(tmp_path, rule(f"<{element}>Top</{element}>")))
    wanted = {(f"role/{top}", "sharing:read")} | ({(f"role/{below}", "sharing:read")} if has_child else set())
    assert grants(found, "sharing_rule") == wanted


def test_a_rule_for_all_partners_reaches_each_partner_user(org: Acme, tmp_path: Path) -> None:
    everybody = org.world.add("Group", Type="PRMOrganization", DeveloperName="AllPartnerUsers")
    found = read(org, metadata_folder=rules(tmp_path, rule("<allPartnerUsers></allPartnerUsers>")))
    group_id = f"{org.tenant_id}:public_group/{everybody}"
    assert grants(found, "sharing_rule") == {(f"public_group/{everybody}", "sharing:read")}
    assert group_id in found.groups_of(org.user(org.partner_user))
    assert group_id not in found.groups_of(org.user(org.anna))


def test_a_rule_for_the_guest_of_a_site_is_a_grant_of_that_user(org: Acme, tmp_path: Path) -> None:
    org.world.change(org.guest, CommunityNickname="Portal_Guest")
    written = rule("<guestUser>Portal_Guest</guestUser>", kind="sharingGuestRules")
    found = read(org, metadata_folder=rules(tmp_path, written))
    assert grants(found, "sharing_rule") == {(f"user/{org.guest}", "sharing:read")}


def test_nobody_is_put_into_a_group_of_everybody_with_which_nothing_is_shared(org: Acme) -> None:
    everybody = org.world.add("Group", Type="PRMOrganization")
    found = read(org)
    assert not found.of("memberships", group_id=f"{org.tenant_id}:public_group/{everybody}")


def test_a_rule_for_somebody_who_was_not_found_makes_coverage_partial(org: Acme, tmp_path: Path) -> None:
    found = read(org, metadata_folder=rules(tmp_path, rule("<group>Gone</group>")))
    coverage = found.coverage("objects.sharing")
    assert (coverage.status, "group Gone" in str(coverage.reason)) == ("partial", True)


def test_roles_and_groups_in_a_group_are_its_members(org: Acme) -> None:
    role = org.world.add("UserRole", Name="Desk", DeveloperName="Desk")
    of_role = org.world.add("Group", Type="Role", RelatedId=role)
    inner = org.world.add("Group", Type="Regular", DeveloperName="Inner")
    outer = org.world.add("Group", Type="Regular", DeveloperName="Outer")
    for member in (of_role, inner):
        org.world.add("GroupMember", GroupId=outer, UserOrGroupId=member)
    found = read(org)
    members = {row.identity_id for row in found.of("memberships", group_id=f"{org.tenant_id}:public_group/{outer}")}
    assert members == {f"{org.tenant_id}:role/{role}", f"{org.tenant_id}:public_group/{inner}"}


def test_a_group_of_a_role_and_those_inside_leaves_out_roles_of_partners(org: Acme) -> None:
    top = org.world.add("UserRole", Name="Top", DeveloperName="Top")
    desk = org.world.add("UserRole", Name="Desk", DeveloperName="Desk", ParentRoleId=top, PortalType="None")
    org.world.add("UserRole", Name="Contoso", DeveloperName="Contoso", ParentRoleId=top, PortalType="Partner")
    tree = org.world.add("Group", Type="RoleAndSubordinatesInternal", RelatedId=top)
    group = org.world.add("Group", Type="Regular", DeveloperName="All")
    org.world.add("GroupMember", GroupId=group, UserOrGroupId=tree)
    found = read(org)
    members = {row.identity_id for row in found.of("memberships", group_id=f"{org.tenant_id}:public_group/{group}")}
    assert members == {f"{org.tenant_id}:role/{top}", f"{org.tenant_id}:role/{desk}"}


def test_without_a_folder_the_shares_that_rules_made_tell_of_them(org: Acme) -> None:
    group = org.world.add("Group", Type="Regular", DeveloperName="EMEA")
    deal = org.world.add("Opportunity", OwnerId=org.anna)
    for cause in ("Rule", "Manual", "Owner"):
        org.world.add(
            "OpportunityShare", OpportunityId=deal, UserOrGroupId=group, RowCause=cause,
            OpportunityAccessLevel="Read" if cause == "Rule" else "All",
        )  # fmt: skip
    found = read(org)
    assert grants(found, "sharing_rule") == {(f"public_group/{group}", "sharing:read")}
    assert found.coverage("objects.sharing").status == "complete"


def test_shares_of_which_the_scanner_sees_a_part_are_partial_and_say_what_would_help() -> None:
    coverage = read(deals()).coverage("objects.sharing")
    assert coverage.status == "partial"
    assert "metadata_folder" in str(coverage.reason)


def test_an_object_that_is_shared_as_its_parent_has_no_rules_to_miss(org: Acme) -> None:
    assert read(org, objects=("OpportunityLineItem",)).coverage("objects.sharing").status == "complete"


def test_an_object_without_a_table_of_shares_is_said_to_need_the_folder(org: Acme) -> None:
    org.world.add("EntityDefinition", QualifiedApiName="Contract", DurableId="Contract", InternalSharingModel="Private")
    coverage = read(org, objects=("Contract",)).coverage("objects.sharing")
    assert (coverage.status, "rules of Contract" in str(coverage.reason)) == ("partial", True)


def test_a_custom_object_has_shares_of_its_own(org: Acme) -> None:
    world = org.world
    world.add("EntityDefinition", QualifiedApiName="Tier__c", DurableId="01IT", InternalSharingModel="Private")
    world.customize("Tier__c", {"Name": "string?", "OwnerId": "id"})
    world.customize("Tier__Share", {"RowCause": "string", "UserOrGroupId": "id", "AccessLevel": "string"})
    group = world.add("Group", Type="Regular", DeveloperName="EMEA")
    world.add("Tier__Share", RowCause="Rule", UserOrGroupId=group, AccessLevel="Edit")
    found = read(org, objects=("Tier__c",))
    assert grants(found, "sharing_rule") == {(f"public_group/{group}", "sharing:edit")}


def test_a_sharing_set_gives_a_profile_what_hangs_on_its_account(org: Acme, tmp_path: Path) -> None:
    text = metadata(
        "SharingSet",
        "<name>Partners</name><profiles>partner user</profiles><accessMappings><accessLevel>Edit</accessLevel>"
        "<object>Opportunity</object><objectField>Account</objectField><userField>Account</userField></accessMappings>",
    )
    found = read(org, metadata_folder=put(tmp_path, "sharingSets/Partners.sharingSet", text))
    grant = found.one("grants", source="sharing_set")
    assert grant.identity_id == f"{org.tenant_id}:profile/{org.partner_profile}"
    assert (grant.permission, grant.record_scope) == ("sharing:edit", "account")


def test_a_super_user_by_permission_sees_what_colleagues_own(org: Acme) -> None:
    rights = org.world.add("PermissionSet", Name="Super", Type="Regular", PermissionsPortalSuperUser=True)
    org.world.add("PermissionSetAssignment", AssigneeId=org.partner_user, PermissionSetId=rights, IsActive=True)
    grant = read(org).one("grants", permission="portal_super_user")
    assert (grant.identity_id, grant.record_scope) == (org.user(org.partner_user), "account")
    assert grant.statement == f"{org.tenant_id}:permission_set/{rights}"


def test_a_super_user_by_mark_is_one_as_well(org: Acme) -> None:
    org.world.change(org.partner_user, IsPrmSuperUser=True)
    grant = read(org).one("grants", permission="portal_super_user")
    assert (grant.identity_id, grant.statement) == (org.user(org.partner_user), "User.IsPrmSuperUser")


def test_an_org_without_the_mark_is_read_all_the_same(org: Acme) -> None:
    org.world.hidden_fields.add("User.IsPrmSuperUser")
    found = read(org)
    assert found.coverage("memberships").status == "complete"


def test_hidden_groups_make_memberships_partial(org: Acme) -> None:
    org.world.hidden.add("Group")
    assert read(org).coverage("memberships").status == "partial"
