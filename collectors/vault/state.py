"""Settings of the server and live leases."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from nhiscan.collect import Refusal
from nhiscan.model import Lease, Record, Setting

from .coverage import Tally
from .reading import Json, Reader

_MOST_FOLDERS: Final = 5_000
# What the sanitized configuration says that matters to somebody who judges the server.
_SWITCHES: Final = ("raw_storage_endpoint", "introspection_endpoint", "enable_ui", "unsafe_cross_namespace_identity")
_TIMES: Final = ("default_lease_ttl", "max_lease_ttl")
SERVER_MAX_TTL_S: Final = 32 * 24 * 3600  # both, where the configuration says 0: docs, "default_lease_ttl"


def config_records(tenant_id: str, reader: Reader, tally: Tally, config: Json | Refusal | None) -> Iterator[Setting]:
    """What holds for the whole server; `config` is its sanitized configuration."""
    seal = reader.get("sys/seal-status")
    tally.count(seal, "settings")
    if seal is not None and not isinstance(seal, Refusal):
        yield _setting(tenant_id, "seal.type", seal.get("type"))
        yield _setting(tenant_id, "server.version", seal.get("version"))
    tally.count(config, "settings")
    if config is not None and not isinstance(config, Refusal):
        for name in _SWITCHES:
            if name in config:
                yield _setting(tenant_id, name, _yes(config[name]))
        for name in _TIMES:
            if name in config:
                yield _setting(tenant_id, f"{name}_s", int(config[name] or SERVER_MAX_TTL_S))
        for listener in config.get("listeners") or []:
            told = listener.get("config") or {}
            is_open = str(told.get("tls_disable", "")).casefold() in ("1", "true")
            yield _setting(tenant_id, "listener.tls", _yes(not is_open), applies_to=str(told.get("address")))
    cors = reader.get("sys/config/cors", sudo=True)
    tally.count(cors, "settings")
    if cors is not None and not isinstance(cors, Refusal):
        yield _setting(tenant_id, "cors.enabled", _yes(cors.get("enabled")))
        for origin in cors.get("allowed_origins") or []:
            yield _setting(tenant_id, "cors.allowed_origin", origin)
    audit = reader.get("sys/audit", sudo=True)
    tally.count(audit, "settings.logging")
    if not isinstance(audit, Refusal):
        devices = audit or {}
        yield _setting(tenant_id, "logging.enabled", _yes(bool(devices)))
        yield _setting(tenant_id, "audit.devices", len(devices))
        for path, device in sorted(devices.items()):
            yield _setting(tenant_id, "audit.device", device.get("type"), applies_to=path.strip("/"))


def quota_records(tenant_id: str, reader: Reader, tally: Tally) -> Iterator[Setting]:
    """Rate limits, which the root namespace keeps for all; one without a path holds for the whole server."""
    listed = reader.list_names("sys/quotas/rate-limit")
    tally.count(listed.refusal, "settings")
    for name in listed.names:
        quota = reader.get(f"sys/quotas/rate-limit/{name}")
        tally.count(quota, "settings")
        if quota is not None and not isinstance(quota, Refusal):
            path = reader.full(str(quota.get("path") or "")).strip("/")
            yield Setting(
                provider="vault",
                tenant_id=tenant_id,
                name="quota.rate_limit",
                value=f"{quota.get('rate')} requests each {quota.get('interval')} s",
                number=int(quota.get("rate") or 0),
                applies_to=path or None,
            )


def lease_records(tenant_id: str, reader: Reader, tally: Tally) -> Iterator[Record]:
    """How many leases stand under each path that issued some."""
    folders, seen = [""], 0
    while folders:
        folder = folders.pop()
        listed = reader.list_names(f"sys/leases/lookup/{folder}", sudo=True)
        tally.count(listed.refusal, "leases")
        live = [name for name in listed.names if not name.endswith("/")]
        if live:
            yield Lease(tenant_id=tenant_id, path=reader.full(folder.strip("/")), live=len(live))
        folders += [f"{folder}{name}" for name in listed.names if name.endswith("/")]
        seen += 1
        if seen >= _MOST_FOLDERS and folders:
            reason = f"stopped after {_MOST_FOLDERS} paths"
            tally.count(Refusal("truncated", f"LIST {reader.full('sys/leases/lookup')}", reason), "leases")
            return


def max_lease_ttl_s(config: Json | Refusal | None) -> int | None:
    """The server's longest life of a token in seconds; None: could not be read."""
    if config is None or isinstance(config, Refusal) or "max_lease_ttl" not in config:
        return None
    return int(config["max_lease_ttl"] or SERVER_MAX_TTL_S)


def _setting(tenant_id: str, name: str, value: Any, *, applies_to: str | None = None) -> Setting:
    return Setting(
        provider="vault",
        tenant_id=tenant_id,
        name=name,
        value=None if value is None else str(value),
        number=value if isinstance(value, int) and not isinstance(value, bool) else None,
        applies_to=applies_to,
    )


def _yes(value: object) -> str:
    return "yes" if value else "no"
