"""Who administers for the company without being an administrator: delegated groups, and outsiders who manage users.

API: DelegateGroup, DelegateGroupMember, DelegateGroupGrant (Tooling), DelegatedAccount, PermissionSet. None of these
delegations can have an end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from nhiscan.model import Grant, Identity, Membership, Record

from .api import Json
from .coverage import SETUP
from .org import Org
from .words import id18, moment

_DATASET: Final = "delegated_admins"
_USERS: Final = "delegate:manage_users"
# Key prefix of what a group was given -> what its members may do with it: Help, "Delegate Administrative Duties".
_OVER: Final = {
    "00E": _USERS,
    "00e": "delegate:assign_profiles",
    "0PS": "delegate:assign_permission_sets",
    "00G": "delegate:manage_groups",
}
_OBJECTS: Final = "delegate:custom_objects"


def records(org: Org) -> Iterator[Record]:
    """Groups, their members and what was delegated to them; then outsiders who manage users."""
    groups = {id18(row["Id"]): row for row in _tooling(org, "DelegateGroup", "Name", "IsLoginAccessEnabled")}
    if groups:
        given: dict[str, list[Json]] = {}
        for row in _tooling(org, "DelegateGroupGrant", "DelegateGroupId", "GrantedId", "KeyPrefix"):
            given.setdefault(id18(str(row["DelegateGroupId"])), []).append(row)
        for native_id, row in groups.items():
            yield from group_records(org, row, given.get(native_id, ()))
        for row in _tooling(org, "DelegateGroupMember", "DelegateGroupId", "UserOrGroupId"):
            if id18(str(row["DelegateGroupId"])) in groups and row.get("UserOrGroupId"):
                yield membership(org, row)
    for row in org.rows(
        "DelegatedAccount",
        ("Id", "ManagedById", "TargetId", "ParentId", "AccessManageUsers", "CreatedDate"),
        _DATASET,
        where="WHERE AccessManageUsers = true",
        needs="a Partner or Customer Community Plus licence in the org",
    ):
        yield account_grant(org, row)
    for row in org.rows(
        "PermissionSet", ("Id",), _DATASET, where="WHERE PermissionsDelegatedPortalUserAdmin = true", needs=SETUP
    ):
        holder = org.holders.get(id18(row["Id"]))
        if holder is not None:
            yield _grant(org, f"{holder}/delegated_portal_user_admin", holder, _USERS, record_scope="account")


def group_records(org: Org, row: Json, given: Iterable[Json]) -> Iterator[Record]:
    """A delegated group and one grant with everything that its members may do."""
    group_id = org.id("delegated_group", row["Id"])
    yield Identity(
        identity_id=group_id,
        provider="salesforce",
        tenant_id=org.tenant_id,
        kind="group",
        name=str(row["Name"]),
        native_id=id18(row["Id"]),
        is_nhi=None,
        created_at=moment(row.get("CreatedDate")),
    )
    permissions = {"delegate:login_as"} if row.get("IsLoginAccessEnabled") is True else set()
    over: list[str] = []
    for each in given:
        prefix = str(each.get("KeyPrefix") or str(each.get("GrantedId") or "")[:3])
        permissions.add(_OVER.get(prefix, _OBJECTS))
        over.append(str(each.get("GrantedId")))
    if permissions:
        yield _grant(
            org,
            f"{group_id}/delegation",
            group_id,
            ",".join(sorted(permissions)),
            granted_at=row.get("CreatedDate"),
            statement=f"over {', '.join(sorted(over))}" if over else None,
        )


def membership(org: Org, row: Json) -> Membership:
    member = id18(str(row["UserOrGroupId"]))
    member_id = org.identity_id(member) if member.startswith("005") else org.id("public_group", member)
    return Membership(member_id, org.id("delegated_group", row["DelegateGroupId"]))


def account_grant(org: Org, row: Json) -> Grant:
    """An outsider who manages the users of an account, the own one or another."""
    is_own = row.get("ParentId") is not None and id18(str(row["ParentId"])) == id18(str(row["TargetId"]))
    return _grant(
        org,
        org.id("delegated_account", row["Id"]),
        org.identity_id(row["ManagedById"]),
        _USERS,
        granted_at=row.get("CreatedDate"),
        statement=f"users of account {id18(str(row['TargetId']))}",
        record_scope="account" if is_own else "team",
    )


def _tooling(org: Org, name: str, *columns: str) -> Sequence[Json]:
    return list(org.rows(name, ("Id", "CreatedDate", *columns), _DATASET, tooling=True, needs=SETUP))


def _grant(
    org: Org,
    grant_id: str,
    holder: str,
    permission: str,
    *,
    granted_at: object = None,
    statement: str | None = None,
    record_scope: str | None = None,
) -> Grant:
    return Grant(
        grant_id=grant_id,
        provider="salesforce",
        tenant_id=org.tenant_id,
        principal_kind="identity",
        principal=holder.rpartition("/")[2],
        permission=permission,
        identity_id=holder,
        granted_at=moment(granted_at),
        source="delegation",
        statement=statement,
        record_scope=record_scope,
    )
