"""What the made-up org of conftest lacks: deal objects, their sharing and rights, and an administrator's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fixtures.salesforce.simulator import running
from tests.salesforce.conftest import Acme, Scan, acme, scan

NAMESPACE = "http://soap.sforce.com/2006/04/metadata"
OBJECTS = ("Account", "Opportunity", "OpportunityLineItem")
FIELDS = ("Opportunity.Amount", "Opportunity.StageName")


def read(org: Acme, **settings: Any) -> Scan:
    """One scan of an org; nothing that was answered may depart from Salesforce's description."""
    with running(org.world) as url:
        found = scan(url, **{"objects": OBJECTS, "fields": FIELDS, **settings})
    assert org.world.violations == []
    return found


def deals(**world_settings: Any) -> Acme:
    """An org with accounts, opportunities and their lines, of which partners may read and change the first two."""
    org = acme(**world_settings)
    world = org.world
    for name, inside, outside in (
        ("Account", "Read", "Private"),
        ("Opportunity", "Private", "ReadWrite"),
        ("OpportunityLineItem", "ControlledByParent", "ControlledByParent"),
    ):
        world.add(
            "EntityDefinition", QualifiedApiName=name, DurableId=name, Label=name,
            InternalSharingModel=inside, ExternalSharingModel=outside,
        )  # fmt: skip
    for name, has_permissions in (("Amount", True), ("StageName", False)):
        world.add(
            "FieldDefinition", QualifiedApiName=name, EntityDefinitionId="Opportunity",
            DurableId=f"Opportunity.{name}", IsFlsEnabled=has_permissions, IsCalculated=False,
        )  # fmt: skip
    rights = next(row["Id"] for row in world.rows("PermissionSet") if row.get("ProfileId") == org.partner_profile)
    for name in ("Account", "Opportunity"):
        world.add(
            "ObjectPermissions", ParentId=rights, SobjectType=name, PermissionsRead=True,
            PermissionsCreate=False, PermissionsEdit=True, PermissionsDelete=False,
            PermissionsViewAllRecords=name == "Account", PermissionsModifyAllRecords=False,
        )  # fmt: skip
    world.add(
        "FieldPermissions", ParentId=rights, SobjectType="Opportunity", Field="Opportunity.Amount",
        PermissionsRead=True, PermissionsEdit=True,
    )  # fmt: skip
    return org


def metadata(kind: str, *content: str) -> str:
    """A file of a metadata retrieve."""
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{kind} xmlns="{NAMESPACE}">{"".join(content)}</{kind}>\n'


def put(folder: Path, name: str, text: str | bytes) -> Path:
    """A file below the folder, whose parts are made; gives the folder."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder
