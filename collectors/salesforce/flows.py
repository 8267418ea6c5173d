"""Flows, triggers and scheduled jobs: what runs in the org by itself, and as whom where that is fixed.

API: Flow (Tooling, active versions), ApexTrigger (Tooling), CronTrigger. A flow runs as whoever sets it off, and in
system mode without regard to that user's rights; a scheduled job runs as its owner.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nhiscan.model import Record, Resource, ResourceTag

from .api import Json
from .coverage import SETUP
from .org import Org
from .words import id18

_DATASET: Final = "resources"
_ENDED: Final = frozenset({"COMPLETE", "DELETED", "ERROR"})  # CronTrigger.State: will not fire again


def records(org: Org) -> Iterator[Record]:
    for row in org.rows(
        "Flow",
        ("Id", "Definition.DeveloperName", "MasterLabel", "ProcessType", "RunInMode"),
        _DATASET,
        where="WHERE Status = 'Active'",
        tooling=True,
        needs=SETUP,
    ):
        yield from flow_records(org, row)
    for row in org.rows(
        "ApexTrigger",
        ("Id", "Name", "NamespacePrefix", "Status", "EntityDefinition.QualifiedApiName"),
        _DATASET,
        tooling=True,
        needs=SETUP,
    ):
        if row.get("Status") == "Active":
            yield from trigger_records(org, row)
    for row in org.rows("CronTrigger", ("Id", "OwnerId", "State", "CronJobDetail.Name"), _DATASET, needs=SETUP):
        if row.get("State") not in _ENDED:
            yield from job_records(org, row)


def flow_records(org: Org, row: Json) -> Iterator[Record]:
    name = (row.get("Definition") or {}).get("DeveloperName") or row["MasterLabel"]
    mode = row.get("RunInMode") or "DefaultMode"
    yield from _resource(org, "flow", row["Id"], str(name), engine="flow", run_mode=mode, type=row.get("ProcessType"))


def trigger_records(org: Org, row: Json) -> Iterator[Record]:
    prefix = row.get("NamespacePrefix")
    name = f"{prefix}__{row['Name']}" if prefix else str(row["Name"])
    entity = (row.get("EntityDefinition") or {}).get("QualifiedApiName")
    yield from _resource(org, "trigger", row["Id"], name, engine="apex_trigger", run_mode="SystemMode", object=entity)


def job_records(org: Org, row: Json) -> Iterator[Record]:
    name = str((row.get("CronJobDetail") or {}).get("Name") or id18(row["Id"]))
    owner = org.identity_id(row["OwnerId"]) if row.get("OwnerId") else None
    yield from _resource(org, "job", row["Id"], name, runs_as=owner, engine="scheduled_job")


def _resource(
    org: Org, kind: str, native_id: str, name: str, *, runs_as: str | None = None, **tags: str | None
) -> Iterator[Record]:
    resource_id = org.id(kind, native_id)
    yield Resource(
        resource_id=resource_id,
        provider="salesforce",
        tenant_id=org.tenant_id,
        kind="flow",
        name=name,
        native_id=id18(native_id),
        runs_as_id=runs_as if runs_as in org.identities else None,
    )
    for tag, value in tags.items():
        if value is not None:
            yield ResourceTag(resource_id, name=tag, value=str(value))
