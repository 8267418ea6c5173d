"""Whether anything of a partner still lives, as far as a fresh scan can tell, and what it cannot tell.

Three lists. What still lives is looked for in `partner_holdings`. What could not be checked is everything that may hide
something: what was not read, not attributed, not dated. What was looked for and is gone includes what earlier scans and
the steps of offboardings name. Nothing passes because it could not be evaluated.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path
from typing import Any, Final

import duckdb

from nhiscan import __version__, collect, moments, store
from nhiscan.errors import ConfigError, NhiscanError
from nhiscan.lifecycle import offboard
from nhiscan.model import COVERED, REGISTER_DATASETS, Offboarding, OffboardingStep, Record
from nhiscan.resolve import names

# What can hide neither access nor that a secret is known: it says how strong, how old or how used something is that is
# seen all the same, or what else the tenant is like. Whatever is not named here has to be read, later additions too.
_HARMLESS: Final = frozenset(
    {
        "identities.last_used",
        "identities.mfa",
        "credentials.created",
        "credentials.last_used",
        "issuers.certificates",
        "scps",
        "rcps",
        "stored_secrets.last_used",
        "stored_secrets.rotation",
        "stored_secrets.fingerprints",
        "settings",
        "settings.logging",
        "settings.apps",
        "settings.passwords",
        "settings.sessions",
        "settings.sign_in",
        "apps.scopes",
        "apps.settings",
        "grants.objects",
        "grants.fields",
        "objects",
        "objects.sharing",
        "objects.guards",
        "objects.records",
        "partner_accounts",
        "usage.services",
        # how far back these reach is asked apart
        "usage.calls",
        "usage.logins",
        "usage.exports",
        "usage.audit",
    }
)
_STALE_HINT: Final = "run `nhiscan scan`, then verify again"


class StaleScanError(NhiscanError):
    """The user scans again before anything can be verified."""

    exit_code = 3


@dataclass(frozen=True, slots=True)
class Living:
    thing_kind: str | None
    thing_id: str | None
    name: str | None
    tenant_id: str | None
    relation: str
    evidence: str | None
    level: int | None
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class Gap:
    """Something that may hide what lives. `topic`: not read, by hand, no collector, register, undecided, secret, ..."""

    topic: str
    tenant_id: str | None
    says: str
    next_step: str


@dataclass(frozen=True, slots=True)
class Gone:
    thing_kind: str
    thing_id: str
    name: str
    tenant_id: str | None
    seen: str
    seen_at: datetime | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """`since`: from when on nothing of the partner should work; None where nothing says so."""

    partner_id: str
    partner_name: str | None
    scan_id: str
    as_of: datetime
    since: datetime | None
    lives: tuple[Living, ...]
    unchecked: tuple[Gap, ...]
    gone: tuple[Gone, ...]

    @property
    def by_hand(self) -> int:
        """How many of the gaps no scan closes as it is set up."""
        return sum(gap.topic in ("by hand", "no collector") for gap in self.unchecked)

    @property
    def exit_code(self) -> int:
        return 1 if self.lives else 3 if self.unchecked else 0


def verify(
    con: duckdb.DuckDBPyConnection,
    state: Path,
    said: Iterable[Record],
    partner: tuple[str, str | None],
    *,
    at: datetime,
    max_age: timedelta,
) -> Verdict:
    """Reads the scan of `con`, the scans before it and what stands in the ledger (`said`).

    Raises: StaleScanError when the scan is older than `max_age` or than another one, of the future, or of another
    version of nhiscan.
    """
    partner_id, name = partner
    scan_id, as_of = _fresh(con, at, max_age)
    published = store.publications(state)
    if scan_id in published and published[-1] != scan_id:
        raise StaleScanError(
            f"scan {published[-1]} was published after {scan_id}", hint="verify from the newest scan, without --scan"
        )
    records = list(said)
    offboardings, steps = offboard.standing(con, records, partner_id)
    since, ended = _since(con, partner_id, offboardings, steps, at), _ended(offboardings, steps, at)
    own = con.cursor()  # its temporary tables go with it
    try:
        damaged = _earlier(own, state, scan_id, partner_id)
        lost = _lost(own, records)
        _steps(own, [step for each in steps.values() for step in each], at)
        _needed(own)
        _namesakes(own, partner_id)
        values: dict[str, object] = {
            "partner": partner_id,
            "since": moments.naive(since),
            "ended": moments.naive(ended),
        }
        _run(own, "verify_places.sql", values)
        _run(own, "verify_then.sql", values)
        lives = [Living(*row) for row in _rows(own, "verify_lives.sql", values)]
        gaps = [Gap(*row) for row in _rows(own, "verify_gaps.sql", {**values, "oldest": moments.naive(at - max_age)})]
        gone = [Gone(*row) for row in _rows(own, "verify_gone.sql", values)]
    finally:
        own.close()
    gaps += [Gap("history", None, text, "restore it from a backup") for text in [*damaged, *lost]]
    if since is not None and as_of < since:
        gaps.append(
            Gap(
                "not read",
                None,
                f"the scan shows {as_of:%Y-%m-%d %H:%M} UTC, and access was to end, or was taken back, on "
                f"{since:%Y-%m-%d %H:%M}: what came between is not in it",
                "scan again",
            )
        )
    return Verdict(partner_id, name, scan_id, as_of, since, tuple(lives), tuple(gaps), tuple(gone))


def recorded(
    con: duckdb.DuckDBPyConnection, said: Iterable[Record], verdict: Verdict, *, at: datetime, by: str
) -> Record:
    """The partner's newest offboarding, stamped. Raises: ConfigError where there is none, or it may not be."""
    if verdict.exit_code != 0:
        raise ConfigError("only what nothing speaks against is recorded as verified", hint="see the lists above")
    found = sorted(
        offboard.standing(con, said, verdict.partner_id)[0],
        key=lambda each: (each.opened_at or datetime.min.replace(tzinfo=UTC), each.offboarding_id),
    )
    if not found:
        raise ConfigError(
            f"{verdict.partner_id} has no offboarding that could be verified",
            hint="open one with `nhiscan partner offboard --open`",
        )
    newest = found[-1]
    if not offboard.is_in_ledger(newest):
        raise ConfigError(
            f"offboarding {newest.offboarding_id} stands in the register: {newest.register_row}",
            hint=f"fill in verified_at = {at:%Y-%m-%dT%H:%M:%SZ} and verified_by = {by} there",
        )
    return dataclasses.replace(newest, verified_at=at, verified_by=by, register_row=None)


def _fresh(con: duckdb.DuckDBPyConnection, at: datetime, max_age: timedelta) -> tuple[str, datetime]:
    ((scan_id, as_of, started_at, version),) = con.execute(
        "select scan_id, as_of, coalesce(started_at, as_of), tool_version from scans"
    ).fetchall()
    as_of, started_at = as_of.replace(tzinfo=UTC), started_at.replace(tzinfo=UTC)
    oldest = min(as_of, started_at)
    if at - oldest > max_age:
        hours = int((at - oldest).total_seconds() // 3600)
        raise StaleScanError(
            f"scan {scan_id} shows {oldest:%Y-%m-%d %H:%M} UTC, {hours} hours ago, and may not be older than "
            f"{max_age.total_seconds() / 3600:g}",
            hint=_STALE_HINT,
        )
    if as_of > at:
        raise StaleScanError(
            f"scan {scan_id} was judged as of {as_of:%Y-%m-%d %H:%M} UTC, which is to come: what ends until then "
            "counts as ended there",
            hint=f"{_STALE_HINT}, without --as-of",
        )
    ((is_held, is_attributed),) = con.execute(
        "select exists (from partner_holdings), exists (from identity_partners where verdict = 'asserted')"
    ).fetchall()
    if version not in (None, __version__) or (is_attributed and not is_held):
        raise StaleScanError(
            f"scan {scan_id} was made by nhiscan {version or 'of an older version'}, which may not have looked for all "
            "that this one does",
            hint=_STALE_HINT,
        )
    return scan_id, as_of


def _since(
    con: duckdb.DuckDBPyConnection,
    partner_id: str,
    offboardings: Sequence[Offboarding],
    steps: dict[str, list[OffboardingStep]],
    at: datetime,
) -> datetime | None:
    """When the newest offboarding began, or its access was taken back after that; else the end of the contracts.

    One that was closed before a contract began says nothing of what the partner got under that contract.
    """
    ((began_on,),) = con.execute(
        "select max(start_date) from contracts where partner_id = ? and start_date <= ?", [partner_id, at.date()]
    ).fetchall()
    opened = [
        each
        for each in offboardings
        if each.opened_at is not None
        and each.opened_at <= at
        and (each.closed_at is None or began_on is None or each.closed_at.date() >= began_on)
    ]
    if opened:
        newest = max(opened, key=lambda each: (each.opened_at, each.offboarding_id))
        done = [
            step.done_at
            for step in steps[newest.offboarding_id]
            if step.action in offboard.ACCESS and step.done_at is not None and step.done_at <= at
        ]
        return max([*done, *(each.opened_at for each in [newest] if each.opened_at is not None)])
    row = con.execute("select ended_at from partner_facts where partner_id = ?", [partner_id]).fetchone()
    return None if row is None or row[0] is None else row[0].replace(tzinfo=UTC)


def _ended(
    offboardings: Sequence[Offboarding], steps: Mapping[str, Sequence[OffboardingStep]], at: datetime
) -> datetime | None:
    """When somebody had taken all access back, by the steps of the newest offboarding; None: not all say so."""
    opened = [each for each in offboardings if each.opened_at is not None and each.opened_at <= at]
    if not opened:
        return None
    newest = max(opened, key=lambda each: (each.opened_at, each.offboarding_id))
    done = [_done_at(step, at) for step in steps[newest.offboarding_id] if step.action in offboard.ACCESS]
    told = [moment for moment in done if moment is not None]
    return max(told) if told and len(told) == len(done) else None


def _namesakes(con: duckdb.DuckDBPyConnection, partner_id: str) -> None:
    """Fills `namesakes` (partner_id, why): other rows of the register that may speak of the same company."""
    known = con.execute(
        "select partner_id, list(name) || list(legal_name) from partners group by partner_id order by all"
    ).fetchall()
    companies = dict(known)
    wanted = _names(companies.get(partner_id, ()))
    found = {}
    for other, texts in companies.items():
        if other != partner_id and names.look(other) == names.look(partner_id):
            found[other] = "has an id that looks like the partner's"
        elif other != partner_id and wanted & _names(texts):
            found[other] = "has the partner's name, but for its spelling or legal form"
    con.execute(
        "create or replace temp table namesakes as "
        "select unnest($partner_id::varchar[]) as partner_id, unnest($why::varchar[]) as why",
        {"partner_id": list(found), "why": list(found.values())},
    )


def _names(texts: Iterable[str | None]) -> set[str]:
    return {key for text in texts if text for key in names.keys(names.latin(text)).bare}


def _earlier(con: duckdb.DuckDBPyConnection, state: Path, scan_id: str, partner_id: str) -> list[str]:
    """What of the other scans could not be read.

    Fills `earlier` with what the partner held by each, `earlier_places` with the tenants that it read, `earlier_said`
    with how much of the register and ledger it knew.
    """
    con.execute(
        "create or replace temp table earlier as "
        "select cast(null as timestamp) as as_of, * from partner_holdings limit 0"
    )
    con.execute("create or replace temp table earlier_places (as_of timestamp, tenant_id varchar)")
    con.execute("create or replace temp table earlier_said as select file, rows from register_files")
    damaged = []
    for other in store.published(state):
        folder = state / "scans" / other
        if other == scan_id or not (folder / "partner_holdings.parquet").exists():
            continue
        scans, held, read, files = (
            store.quoted(folder / f"{table}.parquet")
            for table in ("scans", "partner_holdings", "coverage", "register_files")
        )
        try:
            con.execute(
                f"insert into earlier by name select s.as_of, h.* from read_parquet('{held}') h "
                f"cross join read_parquet('{scans}') s where h.partner_id = ?",
                [partner_id],
            )
            con.execute(
                f"insert into earlier_places select distinct s.as_of, c.tenant_id from read_parquet('{read}') c "
                f"cross join read_parquet('{scans}') s where c.provider <> 'register' and c.tenant_id not like '%:*'"
            )
            con.execute(f"insert into earlier_said select file, rows from read_parquet('{files}')")
        except duckdb.Error:
            damaged.append(f"scan {other} cannot be read: what it saw of the partner is not compared")
    return damaged


def _lost(con: duckdb.DuckDBPyConnection, said: Iterable[Record]) -> list[str]:
    """Where less stands in the ledger than some scan knew: without it, the end of the access may seem earlier."""
    found = Counter(f"ledger/{record.table}.jsonl" for record in said)
    known = con.execute(
        "select file, max(rows) from earlier_said where file like 'ledger/%' group by file order by file"
    )
    return [
        f"{file} held {rows} entries and holds {found[file]}: what people said is missing"
        for file, rows in known.fetchall()
        if found[file] < rows
    ]


def _steps(con: duckdb.DuckDBPyConnection, steps: Sequence[OffboardingStep], at: datetime) -> None:
    con.execute(
        "create or replace temp table steps_said as select unnest($offboarding_id::varchar[]) as offboarding_id, "
        "unnest($step::bigint[]) as step, unnest($action::varchar[]) as action, unnest($target_id::varchar[]) as "
        "target_id, unnest($done_at::timestamp[]) as done_at, unnest($says::varchar[]) as says",
        {
            "offboarding_id": [step.offboarding_id for step in steps],
            "step": [step.step for step in steps],
            "action": [step.action for step in steps],
            "target_id": [step.target_id for step in steps],
            "done_at": [moments.naive(_done_at(step, at)) for step in steps],
            "says": [
                f"replaced by {step.done_by or 'somebody'}, who points to {step.evidence}" if step.evidence else None
                for step in steps
            ],
        },
    )


def _done_at(step: OffboardingStep, at: datetime) -> datetime | None:
    """A step that is to be done some day, or without anything that shows it, is not done."""
    return step.done_at if step.evidence and step.done_at is not None and step.done_at <= at else None


def _needed(con: duckdb.DuckDBPyConnection) -> None:
    """Fills `needed`: the datasets of each tenant that may hide something; and `read_now`: what this scan read."""
    told = con.execute("select distinct provider, tenant_id, dataset from coverage order by all").fetchall()
    wanted = {(provider, tenant, dataset) for provider, tenant, dataset in told}
    tenants = {(provider, tenant) for provider, tenant, _ in told}
    offered = {name: collect.load(name).datasets for name in {*collect.names()} & {provider for provider, _ in tenants}}
    wanted |= {(provider, tenant, dataset) for provider, tenant in tenants for dataset in offered.get(provider, ())}
    rows = sorted(row for row in wanted if row[2] not in _HARMLESS and row[2] not in REGISTER_DATASETS)
    con.execute(
        "create or replace temp table needed as select unnest($provider::varchar[]) as provider, "
        "unnest($tenant_id::varchar[]) as tenant_id, unnest($dataset::varchar[]) as dataset",
        {key: [row[place] for row in rows] for place, key in enumerate(("provider", "tenant_id", "dataset"))},
    )
    con.execute(
        "create or replace temp table read_now as select tenant_id, dataset from coverage group by tenant_id, dataset "
        "having bool_and(list_contains($covered::varchar[], status))",
        {"covered": sorted(COVERED)},
    )


def _run(con: duckdb.DuckDBPyConnection, name: str, values: Mapping[str, object]) -> None:
    """A script of several statements, each with the values that it names."""
    for statement in con.extract_statements(_sql(name)):
        con.execute(statement, {key: values[key] for key in statement.named_parameters})


def _rows(con: duckdb.DuckDBPyConnection, name: str, values: Mapping[str, object]) -> list[tuple[Any, ...]]:
    (statement,) = con.extract_statements(_sql(name))
    rows: list[tuple[Any, ...]] = con.execute(
        statement, {key: values[key] for key in statement.named_parameters}
    ).fetchall()
    return rows


def _sql(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
