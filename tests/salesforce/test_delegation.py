"""Administration that was delegated: to groups of insiders, and to outsiders who manage users."""

from __future__ import annotations

import pytest

from tests.salesforce.conftest import AS_OF, DAY, Acme, acme
from tests.salesforce.parts import read


@pytest.fixture
def org() -> Acme:
    return acme()


def test_a_delegated_group_gives_its_members_what_was_delegated_to_it(org: Acme) -> None:
    group = org.world.add("DelegateGroup", Name="Help desk", IsLoginAccessEnabled=True, CreatedDate=AS_OF - 9 * DAY)
    role = org.world.add("UserRole", Name="Partners")
    for given, prefix in ((role, "00E"), (org.reader_set, "0PS"), (org.partner_profile, "00e")):
        org.world.add("DelegateGroupGrant", DelegateGroupId=group, GrantedId=given, KeyPrefix=prefix)
    org.world.add("DelegateGroupMember", DelegateGroupId=group, UserOrGroupId=org.anna)
    found = read(org)
    group_id = f"{org.tenant_id}:delegated_group/{group}"
    grant = found.one("grants", source="delegation")
    assert grant.identity_id == group_id
    assert grant.permission == (
        "delegate:assign_permission_sets,delegate:assign_profiles,delegate:login_as,delegate:manage_users"
    )
    assert (grant.granted_at, grant.expires_at) == (AS_OF - 9 * DAY, None)
    assert role in grant.statement
    assert group_id in found.groups_of(org.user(org.anna))
    assert found.one("identities", identity_id=group_id).kind == "group"


def test_a_public_group_in_a_delegated_group_is_its_member(org: Acme) -> None:
    group = org.world.add("DelegateGroup", Name="Help desk")
    team = org.world.add("Group", Type="Regular", DeveloperName="Team")
    org.world.add("DelegateGroupMember", DelegateGroupId=group, UserOrGroupId=team)
    found = read(org)
    assert f"{org.tenant_id}:delegated_group/{group}" in found.groups_of(f"{org.tenant_id}:public_group/{team}")


def test_custom_objects_of_a_group_are_named_as_such(org: Acme) -> None:
    group = org.world.add("DelegateGroup", Name="Objects")
    org.world.add("DelegateGroupGrant", DelegateGroupId=group, GrantedId=org.contoso, KeyPrefix="01I")
    assert read(org).one("grants", source="delegation").permission == "delegate:custom_objects"


def test_a_group_to_which_nothing_was_delegated_has_no_grant(org: Acme) -> None:
    org.world.add("DelegateGroup", Name="Empty", IsLoginAccessEnabled=False)
    assert not read(org).of("grants", source="delegation")


@pytest.mark.parametrize(("is_own", "scope"), [(True, "account"), (False, "team")])
def test_an_outsider_who_manages_users_does_so_in_the_own_or_another_account(
    org: Acme, is_own: bool, scope: str
) -> None:
    org.world.add(
        "DelegatedAccount", ManagedById=org.partner_user, ParentId=org.contoso,
        TargetId=org.contoso if is_own else org.northwind, AccessManageUsers=True,
    )  # fmt: skip
    grant = read(org).one("grants", source="delegation")
    assert (grant.identity_id, grant.permission) == (org.user(org.partner_user), "delegate:manage_users")
    assert grant.record_scope == scope


def test_an_account_that_is_only_bought_for_delegates_nothing(org: Acme) -> None:
    org.world.add(
        "DelegatedAccount", ManagedById=org.partner_user, TargetId=org.northwind, AccessBuyFor=True,
        AccessManageUsers=False,
    )  # fmt: skip
    assert not read(org).of("grants", source="delegation")


def test_a_profile_of_external_administrators_holds_a_delegation(org: Acme) -> None:
    rights = next(row["Id"] for row in org.world.rows("PermissionSet") if row.get("ProfileId") == org.partner_profile)
    org.world.change(rights, PermissionsDelegatedPortalUserAdmin=True)
    grant = read(org).one("grants", source="delegation")
    assert grant.identity_id == f"{org.tenant_id}:profile/{org.partner_profile}"
    assert grant.record_scope == "account"


def test_an_org_without_delegated_accounts_says_so(org: Acme) -> None:
    org.world.hidden.add("DelegatedAccount")
    coverage = read(org).coverage("delegated_admins")
    assert coverage.status == "partial"
    assert "Customer Community Plus" in str(coverage.missing_permission)
