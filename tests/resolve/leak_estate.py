"""Secrets that stand in the texts of places, beside an inventory that they may belong to."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

import duckdb

from nhiscan.model import Credential, Identity, Record, Resource, Sighting, Tenant
from nhiscan.resolve import contracts, facts, owners, partners, resources, sightings
from tests.resolve.register_estate import A, rows, scan, tenant

PLACE = "files:portal"
REPOSITORY = f"{PLACE}:repository/portal"
ORG = "salesforce:00Dxx0000001gPLEAY"
VAULT = "vault:main"
CLIENT = "3MVG9" + "Portal.Sync_" * 6
SPRING = datetime(2025, 4, 1, tzinfo=UTC)


def repository(name: str = "portal", **fields: Any) -> list[Record]:
    return [
        Tenant(f"files:{name}", "files"),
        Resource(f"files:{name}:repository/{name}", "files", f"files:{name}", "repository", name, name, **fields),
    ]


def found(
    kind: str, mark: str | None = "f1", *, at: str = "deploy.env", line: int = 3, n: int = 1, **fields: Any
) -> Sighting:
    """A sighting of the collector in a file of the repository."""
    values: dict[str, Any] = {
        "where_kind": "repo",
        "location": f"portal: {at}",
        "name": None,
        "resource_id": REPOSITORY,
        "path": at,
        "line": line,
        "commit": "c1",
        "author": "dev@acme.example",
        "first_seen_at": SPRING,
        "is_current": True,
        "severity": "critical",
        "confidence": 0.95,
    } | fields
    holder = values["resource_id"]
    return Sighting(
        f"{holder}/{at}/{kind}/{n}",
        "files",
        holder.partition(":repository")[0],
        kind=kind,
        fingerprint=mark,
        **values,
    )


def key_id(account: str, tail: str = "PORTAL2") -> str:
    """An access key id of the new make: behind the prefix one bit for the make, forty for the account, the rest."""
    bits = (1 << 44) + (int(account) << 4) + 5
    return "AKIA" + "".join(_BASE32[bits >> 5 * (8 - n) & 31] for n in range(9)) + tail


_BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def user(name: str, account: str = A, **fields: Any) -> Identity:
    values: dict[str, Any] = {"kind": "service_account", "native_id": f"AIDA-{name}", "is_nhi": True} | fields
    return Identity(f"{tenant(account)}:user/{name}", "aws", tenant(account), name=name, **values)


def access_key(native_id: str, *, of: str, account: str = A, **fields: Any) -> Credential:
    values: dict[str, Any] = {"kind": "access_key", "status": "active", "is_replaceable": True} | fields
    return Credential(
        f"{tenant(account)}:access_key/{native_id}",
        f"{tenant(account)}:user/{of}",
        provider="aws",
        tenant_id=tenant(account),
        native_id=native_id,
        **values,
    )


def app(name: str, tenant_id: str = ORG) -> Identity:
    provider = tenant_id.partition(":")[0]
    return Identity(f"{tenant_id}:oauth_app/{name}", provider, tenant_id, "oauth_app", name, f"0H4-{name}", is_nhi=True)


def resolved(*records: Record | Iterable[Record], **more: Any) -> duckdb.DuckDBPyConnection:
    con = scan(*records, **more)
    for stage in (partners, owners, contracts, facts, resources, sightings):
        stage.run(con)
    return con


def leak(con: duckdb.DuckDBPyConnection, columns: str, where: str = "true") -> tuple[Any, ...]:
    [row] = rows(con, f"select {columns} from leak_facts where {where}")
    return row
