"""An offboarding as a plan: what has to be taken back from a partner, in which order, how, by whom and until when.

Nothing here changes anything at a provider. What was opened, done or closed is written down by whoever calls.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import duckdb

from nhiscan import ledger, moments, statements
from nhiscan.errors import ConfigError
from nhiscan.lifecycle import commands
from nhiscan.model import Offboarding, OffboardingStep, Record

# Longest time from the opening to the last step of a kind; the contract may ask for less.
HOURS: Final = {
    "revoke_access": 24,
    "remove_delegation": 24,
    "rotate_shared_secret": 72,
    "close_integration": 120,
    "return_data": 120,
    "notify": 120,
}
ACCESS: Final = ("revoke_access", "remove_delegation")
_LAST_STEPS: Final = {
    "return_data": "have our data returned or destroyed, and that confirmed in writing",
    "notify": "tell the partner's people, our owners and support that the access has ended",
}
_NAMES: Final = {"return_data": "our data", "notify": "everybody concerned"}


@dataclass(frozen=True, slots=True)
class Task:
    """One step. `is_live` None: the scan cannot say, or does not know the target; `others`: who else is hit by it."""

    step: int
    action: str
    target_kind: str | None
    target_id: str | None
    name: str
    provider: str | None
    tenant_id: str | None
    relation: str | None
    says: str
    commands: tuple[str, ...]
    page: str | None
    others: str | None
    owner: str | None
    owner_is: str | None
    due_at: datetime | None
    is_live: bool | None
    evidence: str | None
    done_at: datetime | None = None
    done_by: str | None = None
    done_evidence: str | None = None
    written_in: str | None = None  # row of the register or ledger that holds the step


@dataclass(frozen=True, slots=True)
class Plan:
    """`origin`: new, ledger or a row of the register; `because`: what ended, in words; `gaps`: what the plan lacks."""

    offboarding: Offboarding
    origin: str
    partner_name: str | None
    because: str
    tasks: tuple[Task, ...]
    gaps: tuple[str, ...]

    @property
    def is_in_register(self) -> bool:
        return self.origin not in ("new", "ledger")


@dataclass(frozen=True, slots=True)
class _Event:
    contract_id: str
    revoke_sla_hours: int | None
    register_row: str | None
    grants_access: bool
    event: str | None
    last_day: date | None
    notice_on: date | None

    @property
    def ends_at(self) -> datetime | None:
        """A last day counts in full."""
        return None if self.last_day is None else datetime.combine(self.last_day + timedelta(days=1), time(), UTC)

    @property
    def says(self) -> str:
        told = {
            "terminated": "was terminated",
            "expired": "expired",
            "notice": f"ends after notice of {self.notice_on}" if self.notice_on else "ends after notice",
            "end": "ends and does not renew itself",
            None: "has no end that the register knows",
        }[self.event]
        return f"contract {self.contract_id} {told}" + (f"; its last day: {self.last_day}" if self.last_day else "")


def plan(
    con: duckdb.DuckDBPyConnection,
    said: Iterable[Record],
    partner: tuple[str, str | None],
    *,
    contract: str | None,
    due: datetime | None,
    at: datetime,
) -> Plan:
    """The plan of the partner's open offboarding, else of one that a contract's end opens at `at`.

    `said`: what stands in the ledger; an offboarding that the register has is taken from there.
    Raises: ConfigError where nothing has ended, no day of it is known, or several could be meant.
    """
    partner_id, name = partner
    records = list(said)
    known, steps_of = standing(con, records, partner_id)
    origin, offboarding = _open_one(known, partner_id, contract, at)
    events = _events(con, partner_id)
    gaps: list[str] = []
    if offboarding is None:
        gaps += [
            f"{each.offboarding_id} of this partner was closed on {each.closed_at:%Y-%m-%d}: this is another"
            for each in known
            if each.closed_at is not None and each.closed_at <= at
        ]
        event = _event(events, partner_id, contract, due, at)
        offboarding = _new(con, records, partner_id, event, due, at)
        because = event.says if event is not None else "opened by hand"
    else:
        event = next((each for each in events if each.contract_id == offboarding.contract_id), None)
        because = event.says if event is not None else "the offboarding names no contract"
        if offboarding.opened_at is None:
            gaps.append(
                f"offboarding {offboarding.offboarding_id} ({offboarding.register_row}) has no opening day that could "
                "be read: no deadlines follow from it, and no rotation can be proven; fill in opened_at"
            )
        if due is not None:
            offboarding = dataclasses.replace(offboarding, due_at=due)
    gaps += [
        f"contract {each.contract_id} gives the partner a reason for access and has no end in the register"
        if each.last_day is None
        else f"contract {each.contract_id} gives the partner a reason for access until {each.last_day}"
        for each in events
        if each.grants_access
        and each.contract_id != offboarding.contract_id
        and (each.ends_at is None or each.ends_at > at)
    ]
    if event is not None and event.ends_at is not None and event.ends_at > at:
        gaps.append(f"contract {event.contract_id} has not ended yet: access may be wanted until {event.last_day}")
    tasks = _tasks(con, offboarding, steps_of.get(offboarding.offboarding_id, []), event)
    gaps += _undecided(con, partner_id)
    return Plan(offboarding, origin, name, because, tuple(tasks), tuple(gaps))


def opening(plan: Plan) -> list[Record]:
    """What is written down when a plan is opened, or when more was found for an open one."""
    offboarding_id = plan.offboarding.offboarding_id
    steps: list[Record] = [
        OffboardingStep(offboarding_id, task.step, task.action, task.target_kind, task.target_id)
        for task in plan.tasks
        if task.written_in is None
    ]
    return steps if plan.is_in_register else [dataclasses.replace(plan.offboarding, register_row=None), *steps]


def done(plan: Plan, step: int, *, at: datetime, by: str, evidence: str) -> Record:
    """A step as it is written down when it was done. Raises: ConfigError where that cannot be."""
    _need_written(plan)
    for task in plan.tasks:
        if task.step == step:
            _need_ledger(f"step {step} of offboarding {plan.offboarding.offboarding_id}", task.written_in, "done_at")
            return OffboardingStep(
                plan.offboarding.offboarding_id, step, task.action, task.target_kind, task.target_id, at, by, evidence
            )
    raise ConfigError(
        f"offboarding {plan.offboarding.offboarding_id} has no step {step}",
        hint=f"its steps are 1 to {max(task.step for task in plan.tasks)}",
    )


def closed(plan: Plan, *, at: datetime) -> Offboarding:
    """The offboarding as it is written down at its end. Raises: ConfigError where steps are left."""
    _need_written(plan)
    offboarding = plan.offboarding
    _need_ledger(f"offboarding {offboarding.offboarding_id}", offboarding.register_row, "closed_at")
    left = [task.step for task in plan.tasks if task.done_at is None]
    if left:
        raise ConfigError(
            f"offboarding {offboarding.offboarding_id} has {len(left)} steps that nobody has marked as done: "
            + ", ".join(map(str, left[:20]))
            + (" and more" if len(left) > 20 else ""),
            hint="mark each with --done STEP --by MAIL --evidence REF when it is",
        )
    return dataclasses.replace(offboarding, closed_at=at, register_row=None)


def _need_written(plan: Plan) -> None:
    if plan.origin == "new":
        raise ConfigError(
            f"no offboarding of {plan.offboarding.partner_id} is open", hint="open one with --open --by MAIL first"
        )


def _need_ledger(what: str, row: str | None, column: str) -> None:
    """The register wins over the ledger, so that what was said here about a row of it would count for nothing."""
    if row is not None and not ledger.is_row(row):
        raise ConfigError(f"{what} stands in the register: {row}", hint=f"fill in {column} there, and scan")


def standing(
    con: duckdb.DuckDBPyConnection, said: Iterable[Record], partner_id: str
) -> tuple[list[Offboarding], dict[str, list[OffboardingStep]]]:
    """The partner's offboardings and the steps of each, the register's before the ledger's of the same id."""
    records = list(said)
    found = {
        row[0]: Offboarding(*row[:3], *map(moments.aware, row[3:7]), *row[7:])
        for row in con.execute(
            "select offboarding_id, partner_id, contract_id, opened_at, due_at, closed_at, verified_at, verified_by, "
            "register_row from offboardings where partner_id = ? and register_row is not null order by all",
            [partner_id],
        ).fetchall()
        if not ledger.is_row(row[-1])
    }
    steps: dict[tuple[str, int], OffboardingStep] = {}
    for offboarding_id, step, action, kind, target, done_at, by, evidence, row in con.execute(
        "select offboarding_id, step, action, target_kind, target_id, done_at, done_by, evidence, register_row "
        "from offboarding_steps where register_row is not null order by all"
    ).fetchall():
        if offboarding_id in found and not ledger.is_row(row):
            steps[offboarding_id, step] = OffboardingStep(
                offboarding_id, step, action, kind, target, moments.aware(done_at), by, evidence, row
            )
    for record in records:
        if isinstance(record, Offboarding) and record.partner_id == partner_id:
            found.setdefault(record.offboarding_id, record)
    for record in records:
        if isinstance(record, OffboardingStep) and record.offboarding_id in found:
            steps.setdefault((record.offboarding_id, record.step), record)
    by_id: dict[str, list[OffboardingStep]] = {offboarding_id: [] for offboarding_id in found}
    for key in sorted(steps):
        by_id[key[0]].append(steps[key])
    return list(found.values()), by_id


def is_in_ledger(record: Offboarding | OffboardingStep) -> bool:
    return record.register_row is None or ledger.is_row(record.register_row)


def _open_one(
    known: Sequence[Offboarding], partner_id: str, contract: str | None, at: datetime
) -> tuple[str, Offboarding | None]:
    meant = [
        each
        for each in known
        if (each.closed_at is None or each.closed_at > at) and contract in (None, each.contract_id or contract)
    ]
    if not meant:
        return "new", None
    if len(meant) > 1:
        ids = ", ".join(f"{each.offboarding_id} (contract {each.contract_id or 'not named'})" for each in meant)
        raise ConfigError(
            f"{len(meant)} offboardings of {partner_id} are open: {ids}",
            hint="choose one with --contract, or close those that are not meant",
        )
    (one,) = meant
    return "ledger" if is_in_ledger(one) else str(one.register_row), one


def _events(con: duckdb.DuckDBPyConnection, partner_id: str) -> list[_Event]:
    return [
        _Event(*row)
        for row in con.execute(statements.sql("nhiscan.lifecycle", "events"), {"partner": partner_id}).fetchall()
    ]


def _event(
    events: Sequence[_Event], partner_id: str, contract: str | None, due: datetime | None, at: datetime
) -> _Event | None:
    """The contract whose end opens an offboarding; None: --due alone does."""
    if contract is not None:
        for each in events:
            if each.contract_id == contract:
                return _dated(each, due)
        raise ConfigError(
            f"the register knows no contract {contract!r} that covers {partner_id}",
            hint=f"its contracts: {', '.join(each.contract_id for each in events) or 'none'}",
        )
    ending = [each for each in events if each.grants_access and each.event is not None]
    if not ending:
        if due is not None:
            return None
        raise ConfigError(
            f"no contract of {partner_id} was terminated, expired, was given notice of or has an end: nothing opens an "
            "offboarding",
            hint="write the event into the register and scan, or say by when with --due",
        )
    # What ended last decides; an end to come opens one only where nothing has ended yet.
    past = [each for each in ending if each.ends_at is not None and each.ends_at <= at]
    dated = past or [each for each in ending if each.ends_at is not None]
    if not dated:
        return _dated(ending[0], due)
    return (max if past else min)(dated, key=lambda each: (each.ends_at or at, each.contract_id))


def _dated(event: _Event, due: datetime | None) -> _Event:
    if event.last_day is None and due is None:
        raise ConfigError(
            f"{event.says}, and the register holds no day that could be read: no deadline follows from it"
            + (f" ({event.register_row})" if event.register_row else ""),
            hint="fill in terminated_on or end_date of the contract, or occurred of its event, and scan; "
            "or say by when with --due",
        )
    return event


def _new(
    con: duckdb.DuckDBPyConnection,
    records: Sequence[Record],
    partner_id: str,
    event: _Event | None,
    due: datetime | None,
    at: datetime,
) -> Offboarding:
    taken = {each.offboarding_id for each in records if isinstance(each, Offboarding)}
    taken |= {row[0] for row in con.execute("select offboarding_id from offboardings").fetchall()}
    wanted = f"OFF-{partner_id}-{at:%Y%m%d}"
    names = (wanted if number == 1 else f"{wanted}-{number}" for number in range(1, len(taken) + 2))
    offboarding_id = next(each for each in names if each not in taken)
    last = at + timedelta(hours=max(HOURS.values()))
    # An offboarding that is opened ahead of the end runs until after it.
    ends_at = event.ends_at if event is not None else None
    if ends_at is not None and ends_at > at:
        last = ends_at + timedelta(hours=max(HOURS.values()))
    return Offboarding(
        offboarding_id, partner_id, event.contract_id if event is not None else None, opened_at=at, due_at=due or last
    )


def _deadline(action: str, offboarding: Offboarding, event: _Event | None) -> datetime | None:
    """The earliest of: the longest time for such a step, the contract's own limit for access, the offboarding's end."""
    opened, due = offboarding.opened_at, offboarding.due_at
    ends_at = event.ends_at if event is not None else None
    limits = [due]
    if opened is not None:
        start = max(opened, ends_at) if ends_at is not None else opened
        limits.append(start + timedelta(hours=HOURS[action]))
    if action in ACCESS and event is not None and event.revoke_sla_hours is not None and ends_at is not None:
        limits.append(ends_at + timedelta(hours=event.revoke_sla_hours))
    return min((limit for limit in limits if limit is not None), default=None)


def _tasks(
    con: duckdb.DuckDBPyConnection, offboarding: Offboarding, steps: Sequence[OffboardingStep], event: _Event | None
) -> list[Task]:
    """What was written down, in its order, then what was found since; a new plan is all found."""
    rows = statements.rows(con, statements.sql("nhiscan.lifecycle", "offboard"), {"partner": offboarding.partner_id})
    found = {row["thing_id"]: row for row in rows}
    guides = commands.guides(
        con,
        [(row["thing_kind"], row["thing_id"], row["provider"] or "", row["action"]) for row in found.values()],
    )
    seen = {
        (row[0], row[1]): (row[2], row[3])
        for row in con.execute("select offboarding_id, step, is_gone, seen from step_facts").fetchall()
    }
    tasks = []
    for step in steps:
        row = found.pop(step.target_id, None) if step.target_id is not None else None
        if row is not None:
            tasks.append(_task(step.step, row, guides, offboarding, event, step))
        else:
            tasks.append(_written(step, offboarding, event, seen.get((step.offboarding_id, step.step))))
    numbers = itertools.count(max((step.step for step in steps), default=0) + 1)
    tasks += [_task(next(numbers), row, guides, offboarding, event, None) for row in found.values()]
    told = {step.action for step in steps}
    for action in _LAST_STEPS:
        if action not in told:
            step = OffboardingStep(offboarding.offboarding_id, next(numbers), action)
            tasks.append(_written(step, offboarding, event, None))
    owner, owner_is = _owner(con, offboarding.partner_id)
    return [
        task if task.owner is not None else dataclasses.replace(task, owner=owner, owner_is=owner_is) for task in tasks
    ]


def _task(
    number: int,
    row: dict[str, Any],
    guides: dict[tuple[str, str], commands.Guide],
    offboarding: Offboarding,
    event: _Event | None,
    step: OffboardingStep | None,
) -> Task:
    guide = guides[row["thing_kind"], row["thing_id"]]
    return Task(
        step=number,
        action=row["action"],
        target_kind=row["thing_kind"],
        target_id=row["thing_id"],
        name=row["name"],
        provider=row["provider"],
        tenant_id=row["tenant_id"],
        relation=row["relation"],
        says=guide.says,
        commands=guide.commands,
        page=guide.page,
        others=row["others"],
        owner=row["owner"],
        owner_is=None if row["owner"] is None else "owner of it",
        due_at=_deadline(row["action"], offboarding, event),
        is_live=row["is_live"],
        evidence=row["evidence"],
        done_at=step.done_at if step else None,
        done_by=step.done_by if step else None,
        done_evidence=step.evidence if step else None,
        written_in=step.register_row if step else None,
    )


def _written(
    step: OffboardingStep, offboarding: Offboarding, event: _Event | None, seen: tuple[bool | None, str] | None
) -> Task:
    """A step whose target the scan does not hold against the partner any more, or that has none."""
    says = _LAST_STEPS.get(step.action, "do what the step says")
    is_gone, sight = seen or (None, None)
    return Task(
        step=step.step,
        action=step.action,
        target_kind=step.target_kind,
        target_id=step.target_id,
        name=step.target_id or _NAMES.get(step.action, step.action),
        provider=None,
        tenant_id=None,
        relation=None,
        says=says,
        commands=(),
        page=None,
        others=None,
        owner=None,
        owner_is=None,
        due_at=_deadline(step.action, offboarding, event) if step.action in HOURS else offboarding.due_at,
        is_live=None if is_gone is None else not is_gone,
        evidence=sight,
        done_at=step.done_at,
        done_by=step.done_by,
        done_evidence=step.evidence,
        written_in=step.register_row,
    )


def _owner(con: duckdb.DuckDBPyConnection, partner_id: str) -> tuple[str | None, str | None]:
    row = con.execute(statements.sql("nhiscan.lifecycle", "offboard_owner"), {"partner": partner_id}).fetchone()
    return (None, None) if row is None else (row[0], row[1])


def _undecided(con: duckdb.DuckDBPyConnection, partner_id: str) -> list[str]:
    rows = con.execute(
        "select name, relation, evidence from partner_holdings where partner_id = ? "
        "and relation in ('disputed', 'suggested') and thing_kind in ('identity', 'app', 'trust', 'grant') "
        "and is_live is not false order by all",
        [partner_id],
    ).fetchall()
    return [
        f"{name} may be the partner's ({relation}: {evidence}); decide with `nhiscan attribute` and scan again"
        for name, relation, evidence in rows
    ]
