"""What a scan says of the targets of a plan: the rows before and after that a bundle of evidence holds.

An adapter's own word closes nothing. What was done is proven by a scan that began after the last effect: the thing is
not listed any more, or listed as off, and what would list it was read completely.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

import duckdb

from nhiscan import moments, statements, store
from nhiscan.model import COVERED
from nhiscan.remediate.plan import Operation, Plan

_OF_HOLDER: Final = "identity_key in (select identity_key from identities where identity_id = $holder)"
_OF_IDENTITY: Final = {"identities": "identity_id = $holder", "credentials": _OF_HOLDER}
# Kind of thing -> table -> which of its rows speak of the thing `$id`, or of the identity `$holder` that it belongs to.
_ROWS: Final[Mapping[str, Mapping[str, str]]] = {
    "identity": _OF_IDENTITY,
    "app": _OF_IDENTITY,
    "credential": _OF_IDENTITY,
    "trust": {"identities": "identity_id = $holder", "trusts": _OF_HOLDER},
    "grant": {"identities": "identity_id = $holder", "grants": "grant_id = $id"},
    "membership": {"identities": "identity_id = $holder"},
    "secret": {
        "resources": "resource_id = $id",
        "stored_secrets": "resource_key in (select resource_key from resources where resource_id = $id)",
        "secret_places": "place_id = $id",
    },
}
# Kind of thing -> the dataset that would list it.
_DATASETS: Final[Mapping[str, str]] = {
    "identity": "identities",
    "app": "identities",
    "credential": "credentials",
    "trust": "trusts",
    "grant": "grants",
    "membership": "memberships",
    "secret": "stored_secrets",
}

# Statuses under which something is listed that opens nothing.
_OFF: Final = frozenset({"inactive", "disabled", "deactivated", "frozen", "revoked", "expired", "destroyed", "deleted"})


def before(state: Path, plan: Plan) -> dict[str, Any]:
    """What the plan's own scan says, or that it is not kept any more."""
    if plan.scan_id not in store.published(state):
        return {"scan": None, "says": f"scan {plan.scan_id}, which the plan rests on, is not kept any more"}
    with store.open_published(state, plan.scan_id) as con:
        return _told(con, plan, _holders(state, plan))


def after(state: Path, plan: Plan, last_effect: datetime | None) -> dict[str, Any]:
    """What the newest scan says that began after the last effect, or that there is none."""
    if last_effect is None:
        return {"scan": None, "says": "nothing was changed yet, so that no scan can show it"}
    for scan_id in reversed(store.publications(state)):
        with store.open_published(state, scan_id) as con:
            (began,) = con.execute("select started_at from scans").fetchall()[0]
            if moments.aware(began) > last_effect:
                return _told(con, plan, _holders(state, plan))
    return {
        "scan": None,
        "says": f"no scan after it yet: the last effect was at {last_effect.isoformat()}, "
        "and only a scan that began later proves what came of it",
    }


def _listed(con: duckdb.DuckDBPyConnection, plan: Plan) -> dict[tuple[str, str], tuple[str | None, str]]:
    """(thing_kind, thing_id) of each target that is listed -> (its identity, its state)."""
    sql = statements.sql("nhiscan.remediate", "listed")
    asked = [operation.target for operation in plan.operations]
    values = {"kinds": [target.thing_kind for target in asked], "ids": [target.thing_id for target in asked]}
    return {(kind, id_): (holder, state) for kind, id_, holder, state in con.execute(sql, values).fetchall()}


def _holders(state: Path, plan: Plan) -> Mapping[tuple[str, str], str | None]:
    """The identity of each target by the plan's own scan: the target itself may be gone by now."""
    if plan.scan_id not in store.published(state):
        return {}
    with store.open_published(state, plan.scan_id) as con:
        return {thing: holder for thing, (holder, _) in _listed(con, plan).items()}


def _told(con: duckdb.DuckDBPyConnection, plan: Plan, holders: Mapping[tuple[str, str], str | None]) -> dict[str, Any]:
    (scan,) = _rows(con, "select scan_id, as_of, started_at, finished_at, tool_version, is_complete from scans", {})
    listed = _listed(con, plan)
    operations = []
    for operation in plan.operations:
        target = operation.target
        thing = target.thing_kind, target.thing_id
        values = {"id": target.thing_id, "holder": holders.get(thing) or target.thing_id}
        state = listed[thing][1] if thing in listed else None
        operations.append(
            {
                "number": operation.number,
                "thing_kind": target.thing_kind,
                "thing_id": target.thing_id,
                "listed_as": state,
                "is_ended": _is_ended(con, operation, state),
                "says": _says(con, target.thing_kind, target.tenant_id, state),
                "rows": {
                    table: list(_rows(con, f"select * from {table} where {where}", values))
                    for table, where in _ROWS.get(target.thing_kind, {}).items()
                },
            }
        )
    finding_ids = {id_ for operation in plan.operations for id_ in operation.finding_ids}
    finding_ids |= {id_ for task in plan.guided for id_ in task.finding_ids}
    tenants = {operation.target.tenant_id for operation in plan.operations}
    of_findings = "select * from findings where finding_id in (select unnest($ids::varchar[]))"
    of_tenants = "select * from coverage where tenant_id in (select unnest($ids::varchar[]))"
    return {
        "scan": scan,
        "says": None,
        "operations": operations,
        "findings": list(_rows(con, of_findings, {"ids": sorted(finding_ids)})),
        "coverage": list(_rows(con, of_tenants, {"ids": sorted(tenants)})),
    }


def _says(con: duckdb.DuckDBPyConnection, kind: str, tenant_id: str, state: str | None) -> str:
    """What a row, or none, means by what was read."""
    if kind not in _DATASETS:
        return f"the inventory lists nothing of kind {kind}: this scan proves nothing of it"
    dataset = _DATASETS[kind]
    status = _status(con, tenant_id, dataset)
    if state is not None:
        lives = "" if state.lower() in _OFF else ", which is not off"
        return f"listed as {state}{lives}" + ("" if status in COVERED else f"; {dataset} of {tenant_id}: {status}")
    if status in COVERED:
        return f"not listed, and {dataset} of {tenant_id} was read completely"
    return f"not listed, which proves nothing: {dataset} of {tenant_id}: {status}"


def _is_ended(con: duckdb.DuckDBPyConnection, operation: Operation, state: str | None) -> bool:
    """Whether the scan shows what the operation was to bring about: its target is off or gone."""
    target = operation.target
    if target.thing_kind not in _DATASETS or not any(step.step in ("off", "delete") for step in operation.steps):
        return False
    if state is not None:
        return state.lower() in _OFF
    return _status(con, target.tenant_id, _DATASETS[target.thing_kind]) in COVERED


def _status(con: duckdb.DuckDBPyConnection, tenant_id: str, dataset: str) -> str:
    rows = con.execute("select status from coverage where tenant_id = ? and dataset = ?", [tenant_id, dataset])
    (status,) = rows.fetchone() or ("not looked at",)
    return str(status)


def _rows(con: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows in an order of their own, without the dense keys, which mean nothing outside one scan."""
    named = {name: value for name, value in values.items() if f"${name}" in sql}
    for row in statements.rows(con, f"{sql} order by all", named):
        yield {name: _plain(value) for name, value in row.items() if not name.endswith("_key")}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return moments.aware(value).isoformat()
    return value.isoformat() if isinstance(value, date) else value
