"""Who records are shared with beyond the defaults: roles, public groups, sharing rules and sets, super users.

API: UserRole, Group, GroupMember, User, shares of the deal objects, PermissionSetAssignment; SharingRules and
SharingSet from the metadata folder. Not read: single records that somebody shared by hand, by code or with a team.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from nhiscan.model import Grant, Identity, Membership, Record

from .api import Json, Refusal
from .coverage import METADATA
from .fields import source_of
from .metadata import Node
from .objects import object_id
from .org import Org
from .words import id18

_ROLES: Final = "View Roles and Role Hierarchy"
_PAGE: Final = 2000  # groups that one answer of a query with GROUP BY holds
_EVERYBODY: Final = {  # Group.Type -> User.UserType of its members: Object Reference, "Group" and "User"
    "Organization": ("Standard",),
    "PRMOrganization": ("PowerPartner",),
    "AllCustomerPortal": ("PowerCustomerSuccess", "CustomerSuccess"),
}
_WHOLE_TREE: Final = frozenset({"RoleAndSubordinates", "RoleAndSubordinatesInternal"})
_SHARES: Final = {  # object -> its share object and the field that says how much: Object Reference
    "Account": ("AccountShare", "AccountAccessLevel"),
    "Opportunity": ("OpportunityShare", "OpportunityAccessLevel"),
    "Lead": ("LeadShare", "LeadAccessLevel"),
    "Case": ("CaseShare", "CaseAccessLevel"),
    "Contact": ("ContactShare", "ContactAccessLevel"),
}
_LEVELS: Final = {"Read": "sharing:read", "Edit": "sharing:edit", "All": "sharing:edit"}
_IN_FOLDER: Final = (
    "stand whole in the sharingRules of a metadata retrieve: put them into collectors.salesforce.metadata_folder"
)
_RULES: Final = ("sharingOwnerRules", "sharingCriteriaRules", "sharingGuestRules", "sharingTerritoryRules")
_FOR_EVERYBODY: Final = {  # element of SharedTo -> Group.Type
    "allInternalUsers": "Organization",
    "allPartnerUsers": "PRMOrganization",
    "allCustomerPortalUsers": "AllCustomerPortal",
}


@dataclass
class Groups:
    """Roles and groups of an org, and how they contain each other."""

    roles: dict[str, Json] = field(default_factory=dict)  # id (18) -> row
    groups: dict[str, Json] = field(default_factory=dict)
    users: Sequence[Json] = ()  # active ones

    def below(self, role_id: str) -> Iterator[str]:
        """A role and every role under it."""
        under: dict[str, list[str]] = {}
        for native_id, row in self.roles.items():
            if row.get("ParentRoleId"):
                under.setdefault(id18(row["ParentRoleId"]), []).append(native_id)
        waiting, seen = [role_id], {role_id}
        while waiting:
            at = waiting.pop()
            yield at
            fresh = [child for child in under.get(at, ()) if child not in seen]
            seen.update(fresh)
            waiting += fresh

    def _is_outside(self, role_id: str) -> bool:
        return self.roles.get(role_id, {}).get("PortalType") not in (None, "None")

    def standing_for(self, org: Org, native_id: str) -> Sequence[str]:
        """Our ids of whom a user or group id of a membership or a share means; none for a group that is not known."""
        if native_id.startswith("005"):
            return (org.identity_id(native_id),)
        row = self.groups.get(native_id)
        if row is None:
            return ()
        if row["Type"] == "Role" and row.get("RelatedId"):
            return (org.id("role", row["RelatedId"]),)
        if row["Type"] in _WHOLE_TREE and row.get("RelatedId"):
            return [
                org.id("role", role)
                for role in self.below(id18(row["RelatedId"]))
                if row["Type"] == "RoleAndSubordinates" or not self._is_outside(role)
            ]
        return (org.id("public_group", native_id),)


def records(org: Org) -> Iterator[Record]:
    """Roles and groups with who is in them, then what is shared with them."""
    groups = _read_groups(org)
    for native_id, row in groups.groups.items():
        if row["Type"] in ("Regular", *_EVERYBODY):
            yield Identity(
                identity_id=org.id("public_group", native_id),
                provider="salesforce",
                tenant_id=org.tenant_id,
                kind="group",
                name=row.get("Name") or row["Type"],
                native_id=native_id,
                is_nhi=None,
            )
    yield from _members(org, groups)
    org.tally.answer("objects.sharing")
    shared = [*_rules(org, groups), *_shares(org, groups)]
    yield from _in_everybody(org, groups, {grant.identity_id for grant in shared})
    yield from shared
    yield from _sets(org)
    yield from _super_users(org, groups)


def rule_grants(org: Org, groups: Groups, entity: str, rule: Node, unknown: list[str]) -> Iterator[Grant]:
    """One grant for each group or role that a sharing rule shares with; `unknown` takes the names of the others."""
    level = _LEVELS.get(rule.one("accessLevel") or "")
    name = rule.one("fullName") or rule.one("label") or ""
    if level is None:
        return
    for holder in dict.fromkeys(_shared_to(org, groups, rule.part("sharedTo"), unknown)):
        yield _grant(
            org,
            f"sharing_rule/{entity}.{name}/{holder.rpartition(':')[2]}",
            holder,
            entity,
            level,
            source="sharing_rule",
            statement=f"sharing rule {name}",
        )


def _read_groups(org: Org) -> Groups:
    found = Groups()
    for row in org.rows("UserRole", ("Id", "DeveloperName", "ParentRoleId", "PortalType"), "memberships", needs=_ROLES):
        found.roles[id18(row["Id"])] = row
    for row in org.rows("Group", ("Id", "Name", "DeveloperName", "Type", "RelatedId"), "memberships"):
        found.groups[id18(row["Id"])] = row
    found.users = list(
        org.rows(
            "User",
            ("Id", "UserType", "CommunityNickname"),
            "memberships",
            where="WHERE IsActive = true",
            optional={"IsPrmSuperUser": ()},  # an org has it once Salesforce has switched it on
        )
    )
    return found


def _members(org: Org, groups: Groups) -> Iterator[Membership]:
    for row in org.rows("GroupMember", ("Id", "GroupId", "UserOrGroupId"), "memberships"):
        group = groups.groups.get(id18(row["GroupId"]))
        if group is None or group["Type"] != "Regular":
            continue
        for member in groups.standing_for(org, id18(row["UserOrGroupId"])):
            yield Membership(member, org.id("public_group", row["GroupId"]))


def _in_everybody(org: Org, groups: Groups, used: Iterable[str | None]) -> Iterator[Membership]:
    """Who is in a group of everybody; said only of those with which something is shared."""
    wanted = set(used)
    for native_id, row in groups.groups.items():
        group_id = org.id("public_group", native_id)
        types = _EVERYBODY.get(row["Type"], ())
        if group_id in wanted:
            for user in groups.users:
                if user.get("UserType") in types:
                    yield Membership(org.identity_id(user["Id"]), group_id)


def _rules(org: Org, groups: Groups) -> Iterator[Grant]:
    """Sharing rules from the folder, for objects that are in the inventory."""
    for file in org.retrieved.of("SharingRules"):
        if object_id(org.tenant_id, file.name) not in org.resources:
            continue
        unknown: list[str] = []
        for kind in _RULES:
            for rule in file.root.parts(kind):
                yield from rule_grants(org, groups, file.name, rule, unknown)
        if unknown:
            reason = (
                f"rules of {file.name} share with {', '.join(dict.fromkeys(unknown))}, which was not found in the org"
            )
            org.tally.refuse(Refusal("partial", f"sharingRules/{file.name}", reason), "objects.sharing")


def _shared_to(org: Org, groups: Groups, to: Node, unknown: list[str]) -> Iterator[str]:
    for element, nodes in to.children.items():
        for node in nodes:
            found = list(_named(org, groups, element, node.text))
            if not found:
                unknown.append(f"{element} {node.text}".strip())
            yield from found


def _named(org: Org, groups: Groups, element: str, name: str) -> Iterator[str]:
    if element in _FOR_EVERYBODY:
        for native_id, row in groups.groups.items():
            if row["Type"] == _FOR_EVERYBODY[element]:
                yield org.id("public_group", native_id)
    elif element in ("group", "groups"):
        for native_id, row in groups.groups.items():
            if row["Type"] == "Regular" and row.get("DeveloperName") == name:
                yield org.id("public_group", native_id)
    elif element == "guestUser":
        for user in groups.users:
            if user.get("UserType") == "Guest" and user.get("CommunityNickname") == name:
                yield org.identity_id(user["Id"])
    elif element.lower().startswith(("role", "portalrole")):
        for native_id, row in groups.roles.items():
            if row.get("DeveloperName") == name:
                is_tree = "subordinates" in element.lower()
                yield from (org.id("role", role) for role in (groups.below(native_id) if is_tree else (native_id,)))


def _shares(org: Org, groups: Groups) -> Iterator[Grant]:
    """Rules as the shares show them that they make, for objects of which the folder has no rules."""
    said = {file.name for file in org.retrieved.of("SharingRules")} | org.controlled_by_parent
    for entity in org.objects:
        if entity in said or object_id(org.tenant_id, entity) not in org.resources:
            continue
        custom = (f"{entity.removesuffix('__c')}__Share", "AccessLevel") if entity.endswith("__c") else None
        share, column = _SHARES.get(entity) or custom or ("", "")
        if not share:
            reason = f"rules of {entity} {_IN_FOLDER}"
            org.tally.refuse(Refusal("partial", "", reason, METADATA), "objects.sharing")
            continue
        rows = list(
            org.rows(
                share,
                ("UserOrGroupId", column),
                "objects.sharing",
                where=f"WHERE RowCause = 'Rule' GROUP BY UserOrGroupId, {column}",
                needs=METADATA,
            )
        )
        yield from share_grants(org, groups, entity, [(row["UserOrGroupId"], row[column]) for row in rows])
        if entity not in org.seen_whole or len(rows) >= _PAGE:
            reason = f"shows rules only by the records that the scanner may see; they {_IN_FOLDER}"
            org.tally.refuse(Refusal("partial", f"query {share}", reason, METADATA), "objects.sharing")


def share_grants(org: Org, groups: Groups, entity: str, pairs: Iterable[tuple[str, str]]) -> Iterator[Grant]:
    """Grants for (id of whom a rule shares with, access level)."""
    said: set[tuple[str, str]] = set()
    for native_id, level in pairs:
        permission = _LEVELS.get(level)
        for holder in groups.standing_for(org, id18(native_id)):
            if permission is None or (holder, permission) in said:
                continue
            said.add((holder, permission))
            grant_id = f"share/{entity}/{holder.rpartition(':')[2]}/{level}"
            yield _grant(org, grant_id, holder, entity, permission, source="sharing_rule", statement=None)


def _sets(org: Org) -> Iterator[Grant]:
    """Sharing sets: an outsider's profile sees what hangs on the outsider's own account."""
    profiles: Mapping[str, str] | None = None
    for file in org.retrieved.of("SharingSet"):
        profiles = profile_ids(org) if profiles is None else profiles
        for mapping in file.root.parts("accessMappings"):
            entity, level = mapping.one("object") or "", _LEVELS.get(mapping.one("accessLevel") or "")
            if level is None or object_id(org.tenant_id, entity) not in org.resources:
                continue
            for profile in file.root.texts("profiles"):
                if profile.casefold() in profiles:
                    holder = profiles[profile.casefold()]
                    yield _grant(
                        org,
                        f"sharing_set/{file.name}/{entity}/{holder.rpartition('/')[2]}",
                        holder,
                        entity,
                        level,
                        source="sharing_set",
                        statement=f"sharing set {file.name}",
                        record_scope="account",
                    )


def profile_ids(org: Org) -> Mapping[str, str]:
    """Our ids of profiles by their names in lower case, as metadata files write them."""
    return {str(row["Name"]).casefold(): org.id("profile", row["Id"]) for row in org.rows("Profile", ("Id", "Name"))}


def _super_users(org: Org, groups: Groups) -> Iterator[Grant]:
    """Who sees what colleagues at the same partner own: by a permission, or by a mark on the user."""
    for user in groups.users:
        if user.get("IsPrmSuperUser") is True:
            yield super_user_grant(org, user["Id"], None)
    for row in org.rows(
        "PermissionSetAssignment",
        ("Id", "AssigneeId", "PermissionSetId"),
        "grants",
        where="WHERE PermissionSet.PermissionsPortalSuperUser = true",
    ):
        holder = org.holders.get(id18(row["PermissionSetId"]))
        if holder is not None:
            yield super_user_grant(org, row["AssigneeId"], holder)


def super_user_grant(org: Org, user_id: str, holder: str | None) -> Grant:
    """`holder`: the profile or set that makes the user one; None: a mark on the user."""
    identity_id = org.identity_id(user_id)
    return Grant(
        grant_id=f"{org.id('super_user', user_id)}/{holder.rpartition('/')[2] if holder else 'mark'}",
        provider="salesforce",
        tenant_id=org.tenant_id,
        principal_kind="identity",
        principal=id18(user_id),
        permission="portal_super_user",
        identity_id=identity_id,
        source=source_of(holder) if holder else "user",
        statement=holder or "User.IsPrmSuperUser",
        record_scope="account",
    )


def _grant(
    org: Org,
    native_id: str,
    holder: str,
    entity: str,
    permission: str,
    *,
    source: str,
    statement: str | None,
    record_scope: str | None = None,
) -> Grant:
    return Grant(
        grant_id=f"{org.tenant_id}:{native_id}",
        provider="salesforce",
        tenant_id=org.tenant_id,
        principal_kind="identity",
        principal=holder.rpartition("/")[2],
        permission=permission,
        resource_id=object_id(org.tenant_id, entity),
        identity_id=holder,
        source=source,
        statement=statement,
        record_scope=record_scope,
    )
