"""Core fields of deal objects, and who may change them.

API: FieldDefinition (Tooling), FieldPermissions. Fields that every object of a kind must have, like a stage, have no
permissions of their own: they go with the object.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from nhiscan.model import DataObject, Grant, Record, Resource

from .api import Json, Refusal
from .org import Org, quoted
from .words import id18

_CHUNK: Final = 200  # names or ids in one IN (...): an address may be 16 kB long


def field_id(tenant_id: str, name: str) -> str:
    return f"{tenant_id}:crm_field/{name}"


def read(org: Org, names: Iterable[str]) -> dict[str, Json | None]:
    """Core fields that exist, and what the org says of each; None: it was not asked or did not say."""
    of: dict[str, list[str]] = {}
    for name in names:
        of.setdefault(name.partition(".")[0], []).append(name.partition(".")[2])
    found: dict[str, Json | None] = {}
    for entity, fields in of.items():
        refused_before = org.tally.refused["objects"]
        columns = ("QualifiedApiName", "IsFlsEnabled", "IsCalculated")
        where = f"WHERE EntityDefinition.QualifiedApiName = {quoted(entity)} AND QualifiedApiName IN (" + (
            ", ".join(quoted(field) for field in fields) + ")"
        )
        for row in org.rows("FieldDefinition", columns, "objects", "grants.fields", where=where, tooling=True):
            found[f"{entity}.{row['QualifiedApiName']}"] = row
        if org.tally.refused["objects"] > refused_before:
            found.update(dict.fromkeys((f"{entity}.{field}" for field in fields), None))
    return found


def grants(org: Org, fields: Mapping[str, Json | None], permissions: Iterable[Json]) -> Iterator[Grant]:
    """Field permissions; a field that has none of its own, like the stage, goes with the object."""
    if not fields:
        org.tally.answer("grants.fields")
    for names in chunks(fields):
        for row in org.rows(
            "FieldPermissions",
            ("Id", "Field", "ParentId", "PermissionsRead", "PermissionsEdit"),
            "grants.fields",
            where=f"WHERE Field IN ({names})",
        ):
            holder = holder_of(org, row, "grants.fields")
            if holder is not None and (row["PermissionsRead"] or row["PermissionsEdit"]):
                yield field_grant(
                    org,
                    holder,
                    row["Field"],
                    native_id=str(row["Id"]),
                    is_editable=bool(row["PermissionsEdit"]),
                    statement=None,
                )
    for name, said in fields.items():
        if said is None or said["IsFlsEnabled"]:
            continue
        for row in permissions:
            holder = org.holders.get(id18(row["ParentId"]))
            if holder is None or row["SobjectType"] != name.partition(".")[0] or not row["PermissionsRead"]:
                continue
            can_edit = bool(row["PermissionsEdit"] or row["PermissionsModifyAllRecords"])
            yield field_grant(
                org,
                holder,
                name,
                native_id=f"{row['Id']}/{name}",
                is_editable=can_edit and not said["IsCalculated"],
                statement="has no field-level security: goes with the object",
            )


def field_records(tenant_id: str, name: str, *, is_guarded: bool | None) -> Iterator[Record]:
    of, _, field = name.partition(".")
    yield Resource(
        resource_id=field_id(tenant_id, name),
        provider="salesforce",
        tenant_id=tenant_id,
        kind="crm_field",
        name=name,
        native_id=name,
    )
    yield DataObject(resource_id=field_id(tenant_id, name), object=of, field_name=field, is_guarded=is_guarded)


def field_grant(org: Org, holder: str, name: str, *, native_id: str, is_editable: bool, statement: str | None) -> Grant:
    return Grant(
        grant_id=f"{org.tenant_id}:field_permission/{native_id}",
        provider="salesforce",
        tenant_id=org.tenant_id,
        principal_kind="identity",
        principal=holder.rpartition("/")[2],
        permission="field:read,field:edit" if is_editable else "field:read",
        resource_id=field_id(org.tenant_id, name),
        identity_id=holder,
        source=source_of(holder),
        statement=statement,
    )


def holder_of(org: Org, row: Json, dataset: str) -> str | None:
    """Our id of what gives the right of a row; None for a sum of sets that give it themselves."""
    native_id = id18(str(row["ParentId"]))
    if native_id not in org.holders and native_id not in org.sums and not org.ctx.is_sample:
        reason = "some rights are held by permission sets that were not read"
        org.tally.refuse(Refusal("partial", "query PermissionSet", reason), dataset)
    return org.holders.get(native_id)


def chunks(values: Iterable[str]) -> Iterator[str]:
    """Values as SOQL lists them, as many as one request takes."""
    listed = list(values)
    for at in range(0, len(listed), _CHUNK):
        yield ", ".join(quoted(value) for value in listed[at : at + _CHUNK])


def source_of(holder: str) -> str:
    return "profile" if ":profile/" in holder else "permission_set"
