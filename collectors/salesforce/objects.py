"""Objects of the CRM: sharing defaults, who may do what with them, whether core fields are guarded, how many there are.

API: EntityDefinition (Tooling), ObjectPermissions, Organization. Not read: records.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from nhiscan.model import DataObject, Grant, Record, Resource

from . import deals, fields, guards
from .api import Json
from .fields import chunks, holder_of, source_of
from .org import Org, quoted
from .words import id18

EXTERNAL_TYPES: Final = (  # User.UserType of whoever is no member of the company: Object Reference, "User"
    "PowerPartner",
    "PowerCustomerSuccess",
    "CustomerSuccess",
    "CspLitePortal",
    "CSNOnly",
    "Guest",
)
# Tooling API, "EntityDefinition": InternalSharingModel; Organization.Default...Access has shorter words.
_SHARING: Final = {
    "Private": "private",
    "None": "private",
    "Read": "read",
    "ReadSelect": "read",
    "Edit": "write",
    "ReadWrite": "write",
    "ReadEditTransfer": "write",
    "ReadWriteTransfer": "write",
    "FullAccess": "write",
    "All": "write",
    "ControlledByParent": "parent",
    "ControlledByLeadOrContact": "parent",
    "ControlledByCampaign": "parent",
}
_DEFAULTS: Final = {  # object -> the field of Organization that says how insiders share it
    "Account": "DefaultAccountAccess",
    "Contact": "DefaultContactAccess",
    "Opportunity": "DefaultOpportunityAccess",
    "Lead": "DefaultLeadAccess",
    "Case": "DefaultCaseAccess",
    "Campaign": "DefaultCampaignAccess",
    "Pricebook2": "DefaultPricebookAccess",
}
_RIGHTS: Final = {
    "PermissionsRead": "object:read",
    "PermissionsCreate": "object:create",
    "PermissionsEdit": "object:edit",
    "PermissionsDelete": "object:delete",
}
_RIGHTS_ON_ALL: Final = {
    "PermissionsViewAllRecords": "object:view_all",
    "PermissionsModifyAllRecords": "object:modify_all",
}


@dataclass(frozen=True, slots=True)
class Shape:
    """What the org says of one object; `label` None: it only stands in permissions."""

    name: str
    label: str | None = None
    internal_sharing: str | None = None
    external_sharing: str | None = None


def object_id(tenant_id: str, name: str) -> str:
    return f"{tenant_id}:crm_object/{name}"


def records(org: Org) -> Iterator[Record]:
    """Objects, their core fields, and the grants on both."""
    core = dict.fromkeys((*org.objects, *(name.partition(".")[0] for name in org.fields)))
    outside = _sets_of_outsiders(org)
    permissions = _object_permissions(org, core, outside)
    shapes = _shapes(org, dict.fromkeys((*core, *_readable(permissions, outside))), permissions)
    core_fields = fields.read(org, [name for name in org.fields if name.partition(".")[0] in shapes])
    guarded = guards.read(org, list(core_fields))
    org.controlled_by_parent |= {shape.name for shape in shapes.values() if shape.internal_sharing == "parent"}
    org.seen_whole |= _open_to_scanner(org, shapes, permissions)
    counted = deals.read(org, [name for name in core if name in shapes])
    for shape in shapes.values():
        yield from object_records(
            org.tenant_id,
            shape,
            is_guarded=_all_guarded([guarded[name] for name in core_fields if name.partition(".")[0] == shape.name]),
            count=counted.totals.get(shape.name),
        )
    for name in core_fields:
        yield from fields.field_records(org.tenant_id, name, is_guarded=guarded[name])
    for row in permissions:
        if row["SobjectType"] in shapes:
            yield from object_grants(org, row)
    yield from fields.grants(org, core_fields, permissions)
    yield from counted.records


def object_records(tenant_id: str, shape: Shape, *, is_guarded: bool | None, count: int | None) -> Iterator[Record]:
    resource_id = object_id(tenant_id, shape.name)
    yield Resource(
        resource_id=resource_id,
        provider="salesforce",
        tenant_id=tenant_id,
        kind="crm_object",
        name=shape.name,
        native_id=shape.name,
    )
    yield DataObject(
        resource_id=resource_id,
        object=shape.name,
        internal_sharing=shape.internal_sharing,
        external_sharing=shape.external_sharing,
        is_guarded=is_guarded,
        records=count,
    )


def object_grants(org: Org, row: Json) -> Iterator[Grant]:
    """One grant for the rights that sharing narrows, one for those that reach every record."""
    holder = holder_of(org, row, "grants.objects")
    if holder is None:
        return
    for names, scope, suffix in ((_RIGHTS, None, ""), (_RIGHTS_ON_ALL, "all", "/all")):
        permission = ",".join(word for column, word in names.items() if row[column])
        if permission:
            yield Grant(
                grant_id=org.id("object_permission", row["Id"]) + suffix,
                provider="salesforce",
                tenant_id=org.tenant_id,
                principal_kind="identity",
                principal=holder.rpartition("/")[2],
                permission=permission,
                resource_id=object_id(org.tenant_id, row["SobjectType"]),
                identity_id=holder,
                source=source_of(holder),
                record_scope=scope,
            )


def _sets_of_outsiders(org: Org) -> frozenset[str]:
    """Ids of the permission sets that an outsider has, by a profile, directly or in a group."""
    types = ", ".join(quoted(kind) for kind in EXTERNAL_TYPES)
    giving: set[str] = set()
    for row in org.rows(
        "PermissionSetAssignment",
        ("PermissionSetId", "PermissionSetGroupId"),
        "grants.objects",
        where=f"WHERE Assignee.UserType IN ({types}) AND Assignee.IsActive = true "
        "GROUP BY PermissionSetId, PermissionSetGroupId",
    ):
        giving.add(org.holders.get(id18(str(row["PermissionSetId"])), ""))
        if row.get("PermissionSetGroupId"):
            giving.add(org.id("permission_set_group", row["PermissionSetGroupId"]))
    for row in org.rows(
        "User",
        ("ProfileId",),
        "grants.objects",
        where=f"WHERE UserType IN ({types}) AND IsActive = true GROUP BY ProfileId",
    ):
        giving.add(org.id("profile", row["ProfileId"]))
    if any(":permission_set_group/" in holder for holder in giving):
        columns = ("Id", "PermissionSetGroupId", "PermissionSetId")
        for row in org.rows("PermissionSetGroupComponent", columns, "grants.objects"):
            if org.id("permission_set_group", row["PermissionSetGroupId"]) in giving:
                giving.add(org.holders.get(id18(str(row["PermissionSetId"])), ""))
    return frozenset(native_id for native_id, holder in org.holders.items() if holder in giving)


def _object_permissions(org: Org, core: Iterable[str], outside: frozenset[str]) -> Sequence[Json]:
    """Everybody's rights to the core objects, outsiders' rights to every object."""
    columns = ("Id", "SobjectType", "ParentId", *_RIGHTS, *_RIGHTS_ON_ALL)
    found: dict[str, Json] = {}
    for where in (
        *(f"WHERE SobjectType IN ({names})" for names in chunks(core)),
        *(f"WHERE ParentId IN ({ids})" for ids in chunks(sorted(outside))),
    ):
        for row in org.rows("ObjectPermissions", columns, "grants.objects", where=where):
            found[row["Id"]] = row
    return list(found.values())


def _readable(permissions: Iterable[Json], outside: frozenset[str]) -> Iterator[str]:
    return (
        row["SobjectType"]
        for row in permissions
        if id18(row["ParentId"]) in outside and (row["PermissionsRead"] or row["PermissionsViewAllRecords"])
    )


def _shapes(org: Org, wanted: Collection[str], permissions: Iterable[Json]) -> dict[str, Shape]:
    """Wanted objects that exist: the org lists them, or holds permissions on them."""
    found: dict[str, Shape] = {}
    columns = ("QualifiedApiName", "Label", "InternalSharingModel", "ExternalSharingModel")
    for names in chunks(wanted):
        for row in org.rows(
            "EntityDefinition", columns, "objects", where=f"WHERE QualifiedApiName IN ({names})", tooling=True
        ):
            found[row["QualifiedApiName"]] = Shape(
                row["QualifiedApiName"],
                row.get("Label") or row["QualifiedApiName"],
                _SHARING.get(str(row.get("InternalSharingModel"))),
                _SHARING.get(str(row.get("ExternalSharingModel"))),
            )
    permitted = {row["SobjectType"] for row in permissions}
    defaults: Mapping[str, str | None] | None = None
    for name in wanted:
        if name not in found and name in permitted:
            defaults = _defaults(org) if defaults is None else defaults
            found[name] = Shape(name, internal_sharing=defaults.get(name))
    return found


def _defaults(org: Org) -> Mapping[str, str | None]:
    rows = list(org.rows("Organization", ("Id", *_DEFAULTS.values()), "objects"))
    said = rows[0] if rows else {}
    return {name: _SHARING.get(str(said.get(column))) for name, column in _DEFAULTS.items()}


def _all_guarded(states: Sequence[bool | None]) -> bool | None:
    """Of an object's core fields: False as soon as one of them is open."""
    if not states or None in states:
        return False if False in states else None
    return all(states)


def _open_to_scanner(org: Org, shapes: Mapping[str, Shape], permissions: Iterable[Json]) -> frozenset[str]:
    """Objects of which the scanner sees every record, so that its counts are whole."""
    if "ViewAllData" in org.rights or "ModifyAllData" in org.rights:
        return frozenset(shapes)
    mine = {
        id18(row["PermissionSetId"])
        for row in org.rows(
            "PermissionSetAssignment",
            ("Id", "PermissionSetId"),
            "objects.records",
            where=f"WHERE AssigneeId = {quoted(org.scanner_id)}",
        )
    }
    return frozenset(
        {shape.name for shape in shapes.values() if shape.internal_sharing in ("read", "write")}
        | {
            row["SobjectType"]
            for row in permissions
            if id18(row["ParentId"]) in mine
            and (row["PermissionsViewAllRecords"] or row["PermissionsModifyAllRecords"])
        }
    )
