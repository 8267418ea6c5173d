"""Systems of a small company, for tests of the whole line: collectors that say what a test tells them."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from nhiscan import check, config, scan, store
from nhiscan.collect import Context
from nhiscan.model import REGISTER_DATASETS, Coverage, Credential, Identity, Record, Tenant, Use
from nhiscan.rule import Rule

START = datetime(2026, 1, 5, 2, tzinfo=UTC)
DATASETS = frozenset({"identities", "identities.tags", "credentials", "credentials.created", "usage.calls"})

Tell = Callable[[Context], Iterable[Record]]


@dataclass(frozen=True)
class System:
    """A third party's collector, as far as the engine can see; `tell` is what happens at the provider."""

    name: str
    tell: Tell
    datasets: frozenset[str] = DATASETS
    permissions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def collect(self, ctx: Context) -> Iterator[Record]:
        yield from self.tell(ctx)


def register(*records: Record, lost: Collection[str] = ()) -> System:
    """The register, read completely but for the tables in `lost`."""

    def tell(ctx: Context) -> Iterator[Record]:
        yield Tenant("register:main", "register")
        yield from records
        for dataset in sorted(REGISTER_DATASETS):
            status = "partial" if dataset.removeprefix("register.") in lost else "complete"
            yield Coverage("register", "register:main", dataset, status, collected_at=ctx.as_of)

    return System("register", tell, REGISTER_DATASETS)


def said(*records: Record) -> Tell:
    """What a system says at every scan: these records and nothing else."""
    return lambda ctx: records


def tenant(tenant_id: str) -> Tenant:
    return Tenant(tenant_id, tenant_id.partition(":")[0])


def covered(
    tenant_id: str,
    *,
    status: str = "complete",
    datasets: Iterable[str] = DATASETS,
    at: datetime | None = None,
    history_from: datetime | None = None,
) -> Iterator[Coverage]:
    for dataset in sorted(datasets):
        yield Coverage(
            tenant_id.partition(":")[0],
            tenant_id,
            dataset,
            status,
            None if status == "complete" else "refused",
            history_from=history_from if dataset == "usage.calls" else None,
            collected_at=at,
        )


def identity(tenant_id: str, name: str, /, **more: Any) -> Identity:
    return Identity(
        **{
            "identity_id": f"{tenant_id}:app/{name}",
            "provider": tenant_id.partition(":")[0],
            "tenant_id": tenant_id,
            "kind": "service_account",
            "name": name,
            "native_id": name,
            "is_nhi": True,
            **more,
        }
    )


def key(tenant_id: str, owner: str, name: str, /, **more: Any) -> Credential:
    return Credential(
        **{
            "credential_id": f"{tenant_id}:key/{name}",
            "identity_id": f"{tenant_id}:app/{owner}",
            "provider": tenant_id.partition(":")[0],
            "tenant_id": tenant_id,
            "kind": "api_key",
            "native_id": name,
            "status": "active",
            "is_replaceable": True,
            **more,
        }
    )


def use(tenant_id: str, name: str, at: datetime, /, **more: Any) -> Use:
    return Use(
        **{
            "event_id": f"{tenant_id}:event/{name}",
            "provider": tenant_id.partition(":")[0],
            "tenant_id": tenant_id,
            "occurred_at": at,
            "kind": "call",
            "action": "Get",
            "outcome": "success",
            **more,
        }
    )


RULE = """
title = "Key without a colour"
why = "It is."
fix = "Paint it."
severity = "{severity}"
confidence = 0.9
exposure = 0.8
subject = "{subject}"
needs = {needs}
absence = {absence}
message = "{{name}} has no colour"
refuted_by = "a colour"
[controls]
owasp_nhi_2025 = ["NHI7:2025"]
"""


def rule(
    folder: Path,
    rule_id: str,
    query: str,
    *,
    subject: str = "identity",
    severity: str = "medium",
    needs: Sequence[str] = (),
    absence: Sequence[str] = (),
) -> Rule:
    """A rule of the test's own; its query returns subject_id, tenant_id, outcome and name."""
    place = folder / rule_id / "pack" / "nhi07-long-lived-secrets" / rule_id
    place.mkdir(parents=True, exist_ok=True)
    toml = RULE.format(subject=subject, severity=severity, needs=json.dumps(needs), absence=json.dumps(absence))
    (place / "rule.toml").write_text(toml)
    (place / "query.sql").write_text(query)
    (place / "cases.toml").write_text("")
    (found,) = check.load([folder / rule_id / "pack"])
    return found


def settings(state: Path, systems: Iterable[str]) -> config.Config:
    company = config.Company(name="Acme", mail_domains=("acme.example",))
    return config.Config(state / "nhiscan.toml", company, state, tuple((name, {}) for name in systems), {})


def run(
    state: Path,
    found: Sequence[System],
    *,
    at: datetime = START,
    rules: Sequence[Rule] = (),
    only: Collection[str] | None = None,
    configured: Iterable[str] | None = None,
) -> scan.Published:
    """One scan at the moment `at`; with `only`, of those of the systems that it names."""
    chosen: list[Any] = [system for system in found if only is None or system.name in only]
    return scan.run(
        settings(state, [system.name for system in found] if configured is None else configured),
        chosen,
        rules,
        ctx=Context(as_of=at),
        clock=lambda: at,
        on_stage=lambda name: None,
        only=only,
    )


def rows(state: Path, sql: str, scan_id: str | None = None) -> list[tuple[Any, ...]]:
    with store.open_published(state, scan_id) as con:
        found: list[tuple[Any, ...]] = con.execute(sql).fetchall()
    return found
