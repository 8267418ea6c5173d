"""The straight line of a scan: collect, load, resolve, check, publish."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from nhiscan import __version__, check, collect, config, history, imports, ledger_rows, moments, secret, store
from nhiscan.carry import carry
from nhiscan.errors import ConfigError, NhiscanError, StoreError
from nhiscan.load import Stage
from nhiscan.model import Tenant
from nhiscan.resolve import (
    acceptances,
    changes,
    contracts,
    crm_facts,
    facts,
    governance,
    holdings,
    integrations,
    log_reach,
    name_words,
    offboardings,
    owners,
    packages,
    partners,
    paths,
    policies,
    privileges,
    resources,
    sightings,
    sign_ins,
    unused,
)
from nhiscan.rule import Rule

# Coverage that makes a scan incomplete. A register always has dirt, which is quarantined and said; what this
# version or a licence does not offer is a stated limit.
INCOMPLETE = frozenset({"partial", "denied", "truncated", "failed"})

STAGES = (
    partners.run,
    owners.run,
    contracts.run,
    privileges.run,
    paths.run,
    unused.run,
    facts.run,
    crm_facts.run,
    log_reach.run,
    sign_ins.run,
    integrations.run,
    packages.run,
    resources.run,
    policies.run,
    sightings.run,
    holdings.run,
    offboardings.run,
    changes.run,
    name_words.run,
    governance.run,
    acceptances.run,
)


@dataclass(frozen=True)
class Published:
    """What a scan came to."""

    scan_id: str
    is_complete: bool
    database: Path


def collectors(
    settings: config.Config, *, environ: Mapping[str, str] | None, strict: bool, only: Collection[str] | None = None
) -> list[collect.Collector]:
    """The configured collectors, each made from its settings; `strict` is handed to those that know the word.

    `only` names those that are wanted; the others are not made, so that their secrets need not be there.
    Without `environ` every secret of theirs is a dummy, as a replay needs no other.
    Raises: ConfigError naming the file and key.
    """
    if not settings.collectors:
        raise ConfigError(
            f"{settings.file} configures no collector", hint="add [collectors.register] or [collectors.aws]"
        )
    configured = {name for name, _ in settings.collectors}
    for name in only or ():
        if name not in configured:
            raise ConfigError(
                f"{settings.file} configures no collector {name!r}", hint=config.nearest(name, configured)
            )
    made: list[collect.Collector] = []
    for name, entry in settings.collectors:
        if only is not None and name not in only:
            continue
        kind = collect.load(name)
        privileges.check(name)  # a mistake there would otherwise come out after everything has been read
        knows_strict = any(field.name == "strict" for field in dataclasses.fields(kind))
        given = {**entry, "strict": True} if strict and knows_strict else entry
        where = f"{settings.file}: collectors.{name}."
        made.append(config.build(kind, given, where=where, base=settings.file.parent, environ=environ))
    return made


def run(
    settings: config.Config,
    found: Sequence[collect.Collector],
    rules: Sequence[Rule],
    *,
    ctx: collect.Context,
    clock: Callable[[], datetime],
    on_stage: Callable[[str], None],
    only: Collection[str] | None = None,
) -> Published:
    """Builds and publishes one scan; on any error the last published scan stays current.

    With `only`, `found` are the collectors of these names, and what the other configured ones read before is carried.
    A collector's name is the provider of its tenants.
    Raises: LockError while another scan runs, StoreError when the state directory cannot be read or written,
    ConfigError when there is nothing to carry from.
    """
    started = clock()
    scan_id = store.new_scan_id(started)
    with (
        store.locked(settings.state),
        _logged(settings.state, scan_id, clock),
        store.Build(settings.state, scan_id) as build,
    ):
        key = secret.fingerprint_key(settings.state)
        ctx = dataclasses.replace(
            ctx, fingerprint_key=key, imports=functools.partial(imports.read, settings.state, key)
        )
        con = build.con
        previous = build.attach_previous()
        if only is not None and previous is None:
            raise ConfigError(
                "--only takes the other systems over from the current scan, and there is none",
                hint="scan everything once, without --only",
            )
        before = history.reaches(settings.state)
        if ctx.tape is None:  # what is asked of a tape must not depend on what this state directory has read
            ctx = dataclasses.replace(
                ctx,
                watermarks={key: reach.watermark for key, reach in before.items()},
                kept=functools.partial(history.events, settings.state, as_of=ctx.as_of),
            )
        stage = Stage(con)
        readers: dict[str, collect.Collector] = {}
        for collector in found:
            on_stage(f"collect {collector.name}")
            for record in collect.run(collector, ctx):
                if isinstance(record, Tenant) and readers.setdefault(record.tenant_id, collector) is not collector:
                    raise ConfigError(
                        f"{settings.file}: two collectors read {record.tenant_id}",
                        hint=f"name it under one [[collectors.{collector.name}]] only",
                    )
                stage.add(record)
        on_stage("load")
        tenants = set(readers)
        if only is not None:
            tenants |= carry(con, stage, {name for name, _ in settings.collectors} - set(only))
        ledger_rows.add(stage, settings.state, before=ledger_rows.counted(con, previous), as_of=ctx.as_of)
        history.merge(con, stage, settings.state, tenants, as_of=ctx.as_of)
        stage.finish()
        reached = history.advance(con, before, as_of=ctx.as_of, now=min(started, ctx.as_of))
        _describe(con, settings, scan_id, as_of=ctx.as_of, started=started, is_baseline=previous is None)
        for step in STAGES:
            on_stage(f"resolve {step.__module__.rpartition('.')[2]}")
            step(con)
        on_stage("check")
        check.run(con, rules, settings.rules, previous=previous)
        is_complete = not con.execute(
            f"select count(*) from coverage where status in ({', '.join('?' for _ in INCOMPLETE)}) "
            "and dataset not like 'register.%'",
            sorted(INCOMPLETE),
        ).fetchall()[0][0]
        con.execute("update scans set finished_at = ?, is_complete = ?", [moments.naive(clock()), is_complete])
        on_stage("publish")
        history.keep(build, reached, before)
        database = build.publish()
    return Published(scan_id, is_complete, database)


def _describe(
    con: duckdb.DuckDBPyConnection,
    settings: config.Config,
    scan_id: str,
    *,
    as_of: datetime,
    started: datetime,
    is_baseline: bool,
) -> None:
    """Writes what the scan is and what is ours, so that every later stage reads tables only."""
    company = settings.company
    con.execute(
        "insert into scans values (?, ?, ?, null, ?, ?, null, ?)",
        [scan_id, moments.naive(as_of), moments.naive(started), __version__, company.name, is_baseline],
    )
    ours: list[tuple[str, str, str | None]] = [("name", company.name, None)]
    ours += [("mail_domain", domain.lower(), None) for domain in company.mail_domains]
    ours += [("aws_account", account, environment) for account, environment in company.aws_accounts.items()]
    ours += [("oidc_issuer", issuer, None) for issuer in company.oidc_issuers]
    ours += [("tenant", f"aws:{account}", environment) for account, environment in company.aws_accounts.items()]
    ours += [("tenant", tenant, environment) for tenant, environment in company.tenants.items()]
    for row in ours:
        con.execute("insert into company values (?, ?, ?)", row)


@contextlib.contextmanager
def _logged(state: Path, scan_id: str, clock: Callable[[], datetime]) -> Iterator[None]:
    """One line in runs.jsonl at the start and one at the end, whatever the end is."""
    store.log_run(state, {"scan_id": scan_id, "event": "started", "at": clock().isoformat()})
    try:
        yield
    except BaseException as error:
        reason = error.message if isinstance(error, NhiscanError) else type(error).__name__
        with contextlib.suppress(StoreError):  # the disk may be what failed
            store.log_run(state, {"scan_id": scan_id, "event": "failed", "at": clock().isoformat(), "reason": reason})
        raise
    store.log_run(state, {"scan_id": scan_id, "event": "published", "at": clock().isoformat()})
