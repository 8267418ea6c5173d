"""From what a scan found to a plan: what would be done to which targets, by whom it is used, who has to agree.

Reads the scan and the world and changes neither. What no adapter can do becomes a task for a person, so that nothing
that was asked for is left out.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import duckdb

from nhiscan import ledger, moments, statements, store
from nhiscan.config import Config, nearest
from nhiscan.lifecycle import offboard
from nhiscan.lifecycle.commands import Guide
from nhiscan.printable import plain
from nhiscan.remediate import contract, order, people, runbook, written
from nhiscan.remediate import plan as plans
from nhiscan.remediate.contract import Capabilities, Observation, Session, Store, Target, UnsupportedError
from nhiscan.remediate.plan import (
    Action,
    Consumer,
    Destination,
    Guided,
    Mode,
    Operation,
    Plan,
    PlanError,
)
from nhiscan.remediate.separate import check_separate
from nhiscan.rule import Rule

GRACE: Final = timedelta(hours=24)  # where the provider tells the last use
GRACE_UNSEEN: Final = timedelta(days=30)  # where it does not: no signal is not no use, and a month's end comes by once
OBSERVE: Final = timedelta(hours=24)
_PRIVILEGED: Final = 4  # level from which on a single mistake is everybody's
_STALE: Final = timedelta(hours=24)  # age of a scan that a plan says
_MOST_CONSUMERS: Final = 50
_BEGINNING: Final = re.compile(r"[0-9a-f]{6,}")  # enough of a finding's id to mean one
# Tags and values of them by which something is made and kept by code: what is changed by hand there comes back.
_CODE_TAG: Final = re.compile(
    r"aws:cloudformation:.*"
    r"|(.*[-_:./])?(managed[-_ ]?by|terraform|opentofu|pulumi|cdk|iac|gitops|crossplane)([-_:./].*)?",
    re.IGNORECASE,
)
_CODE: Final = re.compile(
    r"terraform|opentofu|pulumi|cloudformation|cdk|crossplane|ansible|argo-?cd|flux(cd)?", re.IGNORECASE
)
_USED: Final = ("credential", "identity", "app", "secret")  # of others it is known who they let in
# What is done first of what an offboarding asks for, whatever the system.
_PHASES: Final = {"revoke_access": 1, "remove_delegation": 2, "rotate_shared_secret": 3, "close_integration": 4}
_PHASE_OF_KIND: Final = {"trust": 2, "grant": 2, "secret": 3, "app": 4}


@dataclass(frozen=True, slots=True)
class Given:
    """What a person chose.

    `destinations`: by id of the credential, the provider's or ours, or of the finding: an address in a store, and which
    part of the credential has which name in the document there.
    """

    mode: Mode
    reason: str
    action: Action | None = None
    grace: timedelta | None = None
    observe: timedelta | None = None
    destinations: Mapping[str, tuple[str, Mapping[str, str]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Systems:
    """What is configured: sessions and permissions by name of the adapter, stores by the prefix of an address."""

    sessions: Mapping[str, Session]
    stores: Mapping[str, Store]
    permissions: Mapping[str, Mapping[str, Mapping[str, tuple[str, ...]]]]


@dataclass(frozen=True, slots=True)
class _Thing:
    """A target, and what of the scan decides about it."""

    target: Target
    identity_key: int | None
    resource_key: int | None
    is_partner_owned: bool
    is_privileged: bool


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Something to act on. `thing` None: the inventory holds nothing that an adapter acts on. `rank`: the order."""

    thing: _Thing | None
    kind: str
    id: str
    provider: str
    tenant_id: str
    action: Action | None
    why: str
    guide: Guide
    rank: tuple[int, int]
    finding_ids: tuple[str, ...] = ()
    step: int | None = None
    because: str = ""  # why it is for a person, where there is no thing
    is_asked_for: bool = False  # a person named it, so that what cannot be done is an error and no task


def make(
    con: duckdb.DuckDBPyConnection,
    settings: Config,
    rules: Sequence[Rule],
    given: Given,
    systems: Systems,
    *,
    findings: Sequence[str] = (),
    offboarding_id: str | None = None,
    requester: people.Signer,
    at: datetime,
) -> Plan:
    """A signed plan for findings, by their ids or the beginnings of them, or for one open offboarding.

    Raises: PlanError where nothing can be planned as asked; ConfigError where remediation would use the scanner's
    credential; RefusedError or UnansweredError of an adapter that cannot look.
    """
    check_separate(settings, environ=None)
    if bool(findings) == (offboarding_id is not None):
        raise PlanError("a plan is for findings or for one offboarding", hint="give --finding or --offboarding")
    if not given.reason.strip():
        raise PlanError("a plan needs a reason, which whoever agrees reads", hint="say why with --reason")
    for name, length in (("grace", given.grace), ("observe", given.observe)):
        if length is not None and length < timedelta(0):
            raise PlanError(f"--{name} is below zero", hint="give a length of time such as 24h or 30d")
        if length is not None and length > plans.LONGEST_WAIT:
            raise PlanError(f"--{name} is more than {plans.LONGEST_WAIT.days} days", hint="give less, such as 30d")
    scan = _scan(con, at)
    if offboarding_id is not None:
        if given.action is not None:
            raise PlanError("an offboarding says itself what is done", hint="leave --action out")
        wanted = list(_of_offboarding(con, settings, offboarding_id, at))
    else:
        wanted = _of_findings(con, rules, findings, given)
    planner = _Planner(con, given, systems, scan)
    made = [(each.rank, planner.item(each)) for each in wanted]
    planner.check_destinations()
    operations: list[Operation] = []
    guided: list[Guided] = []
    for number, item in enumerate(order.safe(made), 1):
        if isinstance(item, Operation):
            operations.append(dataclasses.replace(item, number=number))
        else:
            guided.append(dataclasses.replace(item, number=number))
    plan = Plan(
        plan_id=store.new_scan_id(at),
        made_at=written.stamp(at),
        expires_at=written.stamp(at + plans.EXPIRES_AFTER),
        requested_by=requester.mail,
        scan_id=scan.scan_id,
        mode=given.mode,
        reason=given.reason,
        offboarding_id=offboarding_id,
        operations=tuple(operations),
        guided=tuple(guided),
    )
    return plans.signed(plan, requester)


def check(con: duckdb.DuckDBPyConnection, plan: Plan) -> None:
    """Whether a plan says of its targets what its scan does: a requester can sign another target than the one shown,
    or leave out that it is a partner's, and so need one person fewer.

    Raises: PlanError naming the operation.
    """
    asked = {(each.target.thing_kind, each.target.thing_id) for each in plan.operations}
    things = _things(con, asked)
    for operation in plan.operations:
        target = operation.target
        thing = things.get((target.thing_kind, target.thing_id))
        if thing is None:
            wrong = "the scan holds no such target"
        elif thing.target != target or operation.adapter != target.provider:
            wrong = "its target is not as the scan knows it"
        elif thing.is_partner_owned > operation.is_partner_owned or thing.is_privileged > operation.is_privileged:
            wrong = "its target is a partner's or privileged, and the plan says it is not"
        elif (_consumers(con, thing)[0], _reach(con, thing)) != (operation.consumers, operation.reach):
            wrong = "who uses its target, or what that reaches, is not as the scan knows it"
        else:
            continue
        raise PlanError(
            f"plan {plain(plan.plan_id)} does not say what scan {plain(plan.scan_id)} does: operation "
            f"{operation.number} ({plain(target.thing_id)}): {wrong}",
            hint="ask who made it, and make another with `nhiscan remediate plan`",
        )


def grace(wanted: timedelta | None, can: Capabilities) -> timedelta:
    """How long nobody may have used the old one: what was asked for, else what is usual where the provider tells the
    last use and where not, and never less than twice what that tells late.
    """
    usual = GRACE if can.usage == "last_used" else GRACE_UNSEEN
    return max(usual if wanted is None else wanted, 2 * can.usage_lag)


@dataclass(frozen=True, slots=True)
class _Scan:
    scan_id: str
    warnings: tuple[str, ...]
    gaps: Mapping[str, str]  # tenant -> what was not read there


def _scan(con: duckdb.DuckDBPyConnection, at: datetime) -> _Scan:
    row: Any = con.execute("select scan_id, as_of, is_complete from scans").fetchone()
    scan_id, as_of, is_complete = row
    warnings = []
    age = at - moments.aware(as_of)
    if age > _STALE:
        warnings.append(f"the scan is {age.days} days old: who uses it may have changed since")
    if not is_complete:
        warnings.append("the scan is incomplete: others may use it than those named here")
    rows = con.execute(
        "select tenant_id, string_agg(dataset || ' ' || status, ', ' order by dataset) from coverage "
        "where status in ('partial', 'denied', 'truncated', 'failed', 'carried') and tenant_id is not null "
        "group by tenant_id"
    ).fetchall()
    return _Scan(scan_id, tuple(warnings), dict(rows))


def _rows(con: duckdb.DuckDBPyConnection, name: str, params: dict[str, Any]) -> list[statements.Row]:
    return statements.rows(con, statements.sql("nhiscan.remediate", f"planned_{name}"), params)


_OF_TARGET: Final = tuple(each.name for each in dataclasses.fields(Target))


def _things(con: duckdb.DuckDBPyConnection, asked: Collection[tuple[str, str]]) -> dict[tuple[str, str], _Thing]:
    """What the scan knows of things, by (thing_kind, thing_id) as asked; what no adapter could act on is left out."""
    pairs = sorted(set(asked))
    rows = _rows(con, "targets", {"kinds": [kind for kind, _ in pairs], "ids": [id_ for _, id_ in pairs]})
    return {
        (row["asked_kind"], row["asked_id"]): _Thing(
            Target(**{name: "" if row[name] is None else str(row[name]) for name in _OF_TARGET}),
            row["identity_key"],
            row["resource_key"],
            row["is_partner_owned"],
            # What cannot be said is taken for the worse.
            row["is_admin"] is not False or row["level"] is None or row["level"] >= _PRIVILEGED,
        )
        for row in rows
    }


def _of_findings(
    con: duckdb.DuckDBPyConnection, rules: Sequence[Rule], words: Sequence[str], given: Given
) -> list[_Wanted]:
    for word in words:
        if not _BEGINNING.fullmatch(word):
            raise PlanError(
                f"'{plain(word)}' is no id of a finding",
                hint="give the id that `nhiscan findings` shows, or its first six",
            )
    rows = _rows(con, "findings", {"ids": sorted(set(words))})
    _check_findings(con, words, rows, given)
    by_id = {rule.rule_id: rule for rule in rules}
    told = {each.finding_id: each for each in runbook.findings(con, {row["finding_id"] for row in rows})}
    things = _things(con, {(row["thing_kind"], row["thing_id"]) for row in rows if row["thing_kind"]})
    wanted: dict[tuple[str, ...], _Wanted] = {}
    for row in rows:
        rule = by_id.get(row["rule_id"])
        if rule is None:
            raise PlanError(
                f"finding {row['finding_id']} is of rule {row['rule_id']}, which is not here",
                hint="give the pack of rules that it comes from",
            )
        thing = things.get((row["thing_kind"], row["thing_id"])) if row["thing_kind"] else None
        finding = told[row["finding_id"]]
        target = finding.target if thing is None else thing.target
        kind, id_ = (target.thing_kind, target.thing_id) if thing else (row["subject_kind"], row["subject_id"])
        action = given.action or rule.action
        if action == "rotate" and thing is not None and thing.target.thing_kind not in ("credential", "secret"):
            action = "revoke" if given.action is None else _no_rotation(thing.target)
        each = _Wanted(
            thing=thing,
            kind=kind,
            id=id_,
            provider=row["provider"] or "",
            tenant_id=row["tenant_id"] or "",
            action=action,
            why=row["message"],
            guide=runbook.guide(rule, finding, target),
            rank=(_PHASE_OF_KIND.get(kind, 3 if action == "rotate" else 1), len(wanted)),
            finding_ids=(row["finding_id"],),
            is_asked_for=True,
        )
        same = _same(thing.target) if thing else (kind, id_)
        before = wanted.get(same)
        wanted[same] = each if before is None else _both(before, each)
    return list(wanted.values())


def _no_rotation(target: Target) -> Action:
    raise PlanError(
        f"{plain(target.thing_id)} is of a kind that is not rotated: {target.thing_kind}",
        hint="plan it with --action revoke",
    )


def _both(one: _Wanted, other: _Wanted) -> _Wanted:
    """One thing that two findings are about: to end it answers the one that asked for a new one too."""
    action: Action | None = one.action or other.action
    if "revoke" in (one.action, other.action):
        action = "revoke"
    return dataclasses.replace(
        one,
        action=action,
        why=one.why if other.why == one.why else f"{one.why}; {other.why}",
        finding_ids=tuple(sorted({*one.finding_ids, *other.finding_ids})),
    )


def _check_findings(
    con: duckdb.DuckDBPyConnection, words: Sequence[str], rows: Sequence[Mapping[str, Any]], given: Given
) -> None:
    found: dict[str, set[str]] = {word: set() for word in words}
    for row in rows:
        found[row["word"]].add(row["finding_id"])
    for word, ids in found.items():
        if not ids:
            cases = con.execute("select case_id from cases where starts_with(case_id, ?)", [word]).fetchall()
            what = "is a case, not a finding" if cases else "is not in the current scan: it was mended, or never there"
            raise PlanError(
                f"finding {word} {what}",
                hint="look at `nhiscan show " + word + "`" if cases else "scan again, and look",
            )
        if len(ids) > 1:
            raise PlanError(f"{len(ids)} findings begin with {word}", hint=f"give more of it: {', '.join(sorted(ids))}")
    for row in rows:
        if row["status"] in ("fixed", "accepted"):
            hint = "scan again if it is back" if row["status"] == "fixed" else "end the acceptance first"
            raise PlanError(
                f"finding {row['finding_id']} is {row['status']}: nothing is to be done about it", hint=hint
            )
        if row["outcome"] != "fail" and given.action is None:
            raise PlanError(
                f"finding {row['finding_id']} is not known to hold: {row['message']}",
                hint="let the scan read what is missing, or say what is to be done with --action",
            )


def _of_offboarding(
    con: duckdb.DuckDBPyConnection, settings: Config, offboarding_id: str, at: datetime
) -> Iterator[_Wanted]:
    said = list(ledger.records(settings.state))
    partner, contract_id = _partner_of(con, said, offboarding_id)
    name: Any = con.execute("select name from partners where partner_id = ?", [partner]).fetchone()
    told = offboard.plan(con, said, (partner, name[0] if name else None), contract=contract_id, due=None, at=at)
    if told.offboarding.offboarding_id != offboarding_id:
        raise PlanError(
            f"offboarding {plain(offboarding_id)} is not the open one of {plain(partner)}, which is "
            f"{plain(told.offboarding.offboarding_id)}",
            hint="look at `nhiscan partner offboard`",
        )
    left = [task for task in told.tasks if task.done_at is None and task.is_live is not False]
    if not left:
        raise PlanError(
            f"nothing of offboarding {plain(offboarding_id)} is left to do",
            hint="verify it with `nhiscan partner verify`",
        )
    meant = {task.step: pair for task in left if (pair := _meant(con, offboarding_id, task)) is not None}
    things = _things(con, set(meant.values()))
    taken: dict[tuple[str, ...], int] = {}
    for position, task in enumerate(left):
        thing = things.get(meant[task.step]) if task.step in meant else None
        target = None if thing is None else thing.target
        because = ""
        if target is not None:
            first = taken.setdefault(_same(target), task.step)
            if first != task.step:
                # Named twice, once in the register's own words; or a copy of a credential that has its step.
                thing, because = None, f"step {first} ends it; what is left of it here is taken out"
        action: Action = "rotate" if task.action == "rotate_shared_secret" else "revoke"
        said_of = f"step {task.step} of offboarding {offboarding_id}: {task.action}"
        yield _Wanted(
            thing=thing,
            kind=target.thing_kind if target else task.target_kind or "",
            id=target.thing_id if target else task.target_id or "",
            provider=task.provider or "",
            tenant_id=task.tenant_id or "",
            action=action if task.action in _PHASES else None,
            why=said_of + (f" ({task.evidence})" if task.evidence else ""),
            guide=Guide(task.says, task.commands, task.page),
            rank=(_PHASES.get(task.action, len(_PHASES) + 1), position),
            step=task.step,
            because=because,
        )


def _same(target: Target) -> tuple[str, ...]:
    """Equal for two things of the inventory that are one at the provider, as two statements that let one in are."""
    if target.thing_kind == "trust":
        return "trust", target.tenant_id, target.holder_native_id, target.principal
    return target.thing_kind, target.thing_id


def _meant(con: duckdb.DuckDBPyConnection, offboarding_id: str, task: offboard.Task) -> tuple[str, str] | None:
    """(thing_kind, thing_id) of a step, which a register may name in its own words."""
    if task.action not in _PHASES or not task.target_id:
        return None
    if task.provider is not None and task.target_kind:
        return task.target_kind, task.target_id
    row: Any = con.execute(
        "select h.thing_kind, h.thing_id from step_facts s join partner_holdings h on h.thing_id = s.thing_id "
        "where s.offboarding_id = ? and s.step = ? order by all limit 1",
        [offboarding_id, task.step],
    ).fetchone()
    return None if row is None else (row[0], row[1])


def _partner_of(con: duckdb.DuckDBPyConnection, said: Sequence[Any], offboarding_id: str) -> tuple[str, str | None]:
    """Partner and contract of an open offboarding, of the register or the ledger."""
    ids = {row[0] for row in con.execute("select partner_id from offboardings").fetchall()}
    ids |= {each.partner_id for each in said if hasattr(each, "partner_id") and hasattr(each, "opened_at")}
    known: dict[str, str] = {}
    for partner_id in sorted(each for each in ids if each is not None):
        for each in offboard.standing(con, said, partner_id)[0]:
            if each.offboarding_id != offboarding_id:
                known[each.offboarding_id] = partner_id
                continue
            if each.closed_at is not None:
                raise PlanError(
                    f"offboarding {plain(offboarding_id)} was closed on {each.closed_at:%Y-%m-%d}",
                    hint="verify it with `nhiscan partner verify`",
                )
            return partner_id, each.contract_id
    raise PlanError(
        f"no offboarding {plain(offboarding_id)}",
        hint=nearest(offboarding_id, known) if known else "open one with `nhiscan partner offboard PARTNER --open`",
    )


@dataclass(frozen=True, slots=True)
class _Planner:
    con: duckdb.DuckDBPyConnection
    given: Given
    systems: Systems
    scan: _Scan
    placed: set[str] = field(default_factory=set)  # keys of destinations that were used
    named: set[str] = field(default_factory=set)  # parts of credentials that were given a name

    def item(self, wanted: _Wanted) -> Operation | Guided:
        """Numbered later."""
        if wanted.thing is None:
            return self._guided(wanted, wanted.because)
        if wanted.action is None:
            return self._guided(wanted, "switching something off is not the answer to it")
        provider = wanted.thing.target.provider
        if provider not in self.systems.sessions:
            has_adapter = provider in contract.names()
            return self._guided(
                wanted,
                f"[remediation.{provider}] is not in nhiscan.toml" if has_adapter else f"no adapter acts on {provider}",
            )
        session = self.systems.sessions[provider]
        try:
            can = session.capabilities(wanted.thing.target)
            seen = session.observe(wanted.thing.target)
        except UnsupportedError as error:
            return self._guided(wanted, f"{error.message} ({error.hint})" if error.hint else error.message)
        return self._operation(wanted, wanted.thing, can, seen)

    def _guided(self, wanted: _Wanted, because: str) -> Guided:
        return Guided(
            number=0,
            thing_kind=wanted.kind,
            thing_id=wanted.id,
            provider=wanted.provider,
            why=wanted.why + (f"; by hand, since {because}" if because else ""),
            finding_ids=wanted.finding_ids,
            says=wanted.guide.says,
            commands=wanted.guide.commands,
            page=wanted.guide.page,
            step=wanted.step,
        )

    def _operation(self, wanted: _Wanted, thing: _Thing, can: Capabilities, seen: Observation) -> Operation | Guided:
        target = thing.target
        action = wanted.action or "revoke"
        if seen.state == "gone":
            if wanted.is_asked_for:
                raise PlanError(
                    f"{plain(target.thing_id)} is not there any more: its findings have gone with it", hint="scan again"
                )
            return self._guided(wanted, "it is not there any more; the next scan confirms that")
        if seen.state == "off" and action == "revoke" and not can.can_delete:
            if wanted.is_asked_for:
                raise PlanError(f"{plain(target.thing_id)} is switched off already", hint="scan again")
            return self._guided(wanted, "it is switched off already; the next scan confirms that")
        destination = None
        if action == "rotate":
            if can.overlap == 0 and not can.stores_itself:
                if self.given.action == "rotate":
                    raise PlanError(
                        f"nothing can be put in the place of {plain(target.thing_id)}",
                        hint="plan it with --action revoke, or do by hand: " + wanted.guide.says,
                    )
                return self._guided(wanted, "nothing can be put in its place; --action revoke would end it")
            if 1 < can.overlap <= 1 + sum(state != "gone" for state in seen.others.values()):
                others = ", ".join(plain(other) for other in sorted(seen.others))
                raise PlanError(
                    f"{plain(target.thing_id)} has no free slot: of {can.overlap} the others are {others}",
                    hint="find out who uses the other one and remove it, or plan this one with --action revoke; "
                    "no slot is ever freed by itself",
                )
            if not can.stores_itself:
                place = self._destination(wanted, target, can.parts)
                if place is None:
                    return self._guided(
                        wanted, f"no destination is given for the new one (--store {plain(target.native_id)}=ADDRESS)"
                    )
                destination = place
        waits = grace(self.given.grace, can)
        permissions = self._permissions(target, destination)
        try:
            steps = plans.steps(
                action,
                can,
                self.given.mode,
                grace=waits,
                observe=OBSERVE if self.given.observe is None else self.given.observe,
                persons=plans.persons(
                    "off", is_partner_owned=thing.is_partner_owned, is_privileged=thing.is_privileged
                ),
                permissions=permissions,
            )
        except PlanError as error:
            return self._guided(wanted, error.message)
        consumers, more = _consumers(self.con, thing)
        return Operation(
            number=0,
            action=action,
            adapter=target.provider,
            target=target,
            why=wanted.why,
            finding_ids=wanted.finding_ids,
            capabilities=_whole(can),
            observed=_in_words(seen),
            state=plans.state(can, seen),
            destination=destination,
            consumers=consumers,
            reach=_reach(self.con, thing),
            is_partner_owned=thing.is_partner_owned,
            is_privileged=thing.is_privileged,
            steps=steps,
            warnings=(*self._warnings(thing, action, can, seen, waits, consumers), *more, *_kept_as(destination)),
        )

    def _destination(self, wanted: _Wanted, target: Target, parts: tuple[str, ...]) -> Destination | None:
        """Raises: PlanError where none was given for what a person named, or what was given cannot be."""
        names = (target.native_id, target.thing_id, wanted.id, *wanted.finding_ids)
        keys = [
            key
            for key in self.given.destinations
            if key in names or (_BEGINNING.fullmatch(key) and any(each.startswith(key) for each in wanted.finding_ids))
        ]
        if not keys:
            if not wanted.is_asked_for:
                return None
            raise PlanError(
                f"where is the new value of {plain(target.thing_id)} to go?",
                hint=f"give its place in a store with --store {plain(target.native_id)}=ADDRESS, or end it without "
                "a new one with --action revoke",
            )
        if len(keys) > 1:
            raise PlanError(f"{plain(target.thing_id)} is given {len(keys)} destinations", hint="give one")
        address, given = self.given.destinations[keys[0]]
        if keys[0] in self.placed:
            raise PlanError(
                f"the destination of {plain(keys[0])} is given for more than {plain(target.thing_id)}",
                hint=f"say which with --store {plain(target.native_id)}=ADDRESS",
            )
        self.placed.add(keys[0])
        prefix, colon, own = address.partition(":")
        if not colon or not own or prefix not in self.systems.stores:
            raise PlanError(
                f"{plain(address)} names no store that nhiscan.toml configures",
                hint="write the store's name first, such as vault:kv/data/acme/billing; stores here: "
                + (", ".join(sorted(self.systems.stores)) or "none"),
            )
        observed = dict(self.systems.stores[prefix].observe(own))
        return Destination(address, self._names(address, given, parts, _stored_names(observed)), observed)

    def _names(
        self, address: str, given: Mapping[str, str], parts: tuple[str, ...], stored: Collection[str]
    ) -> dict[str, str]:
        """Which part is kept under which name: as a person said, else under its own where all of them stand there.

        Raises: PlanError where one is without a name: a new id beside an old secret would let nobody in.
        """
        names = {part: name for part, name in given.items() if not parts or part in parts}
        if not names and parts and set(parts) <= set(stored):
            names = {part: part for part in parts}
        self.named.update(names)
        if not names or not set(parts) <= names.keys() or len(set(names.values())) < len(names):
            left = [part for part in parts if part not in names]
            raise PlanError(
                f"{plain(address)} is not told under which name {' and '.join(left) or 'each part'} of the credential "
                "is kept there",
                hint=f"name each once, such as --as {(left or list(parts) or ['access_key_id'])[0]}=AWS_ACCESS_KEY_ID"
                + (f"; it keeps {plain(', '.join(sorted(stored)))}" if stored else ""),
            )
        return names

    def _permissions(self, target: Target, destination: Destination | None) -> dict[str, tuple[str, ...]]:
        """By step, what the adapter needs and what its store does."""
        lets = self.systems.permissions.get(target.provider, {})
        needed = dict(lets.get(target.kind) or lets.get(target.thing_kind) or {})
        if destination is not None:
            prefix = destination.address.partition(":")[0]
            for kinds in self.systems.permissions.values():
                for step, own in kinds.get(prefix, {}).items():
                    if step != "observe":
                        needed[step] = (*needed.get(step, ()), *own)
        return needed

    def check_destinations(self) -> None:
        """Raises: PlanError for a destination of nothing, or one of two things."""
        for key in sorted(self.given.destinations.keys() - self.placed):
            raise PlanError(
                f"a destination is given for {plain(key)}, which this plan does not rotate",
                hint="give the credential's own id there, or leave it out",
            )
        for part in sorted({part for _, names in self.given.destinations.values() for part in names} - self.named):
            raise PlanError(f"--as names {plain(part)}, which no new credential here has", hint="name its parts")
        addresses = [address for address, _ in self.given.destinations.values()]
        for address in addresses:
            if addresses.count(address) > 1:
                raise PlanError(f"two new values would go to {plain(address)}", hint="give each its own place")

    def _warnings(
        self,
        thing: _Thing,
        action: Action,
        can: Capabilities,
        seen: Observation,
        waits: timedelta,
        consumers: Sequence[Consumer],
    ) -> Iterator[str]:
        target = thing.target
        if action == "rotate" and can.overlap == 1:
            yield (
                "only one can live at a time: from the new one's creation until everybody has it, whoever uses it is "
                "cut off; whoever agrees to the start agrees to that outage"
            )
        if self.given.mode == "contain" and action == "rotate":
            yield "contain: the old one goes before anybody has the new one, and whoever uses it is cut off"
        if action == "revoke" and "off" in can.effects:
            yield f"off: {can.effects['off']}"
        if can.can_delete and "delete" in can.effects:
            yield f"delete: {can.effects['delete']}"
        if seen.state == "off":
            yield "it is switched off already"
        if target.thing_kind in _USED and all(each.kind == "last use" for each in consumers):
            yield "nobody is known to use it, which is not to say that nobody does"
        if can.usage == "none":
            yield "the provider tells no last use of it: that nobody misses it cannot be seen there"
        usual = GRACE if can.usage == "last_used" else GRACE_UNSEEN
        if waits < usual and action == "rotate" and self.given.mode == "routine":
            yield f"the old one goes after {_length(waits)} without use; {_length(usual)} is usual"
        for name, value in self.con.execute(
            "select name, value from tags where identity_key = $identity "
            "union select name, value from resource_tags where resource_key = $resource order by all",
            {"identity": thing.identity_key, "resource": thing.resource_key},
        ).fetchall():
            if _CODE_TAG.fullmatch(name or "") or _CODE.fullmatch(value or ""):
                yield (
                    f"it is kept by code ({plain(name)}: {plain(value)}): change it there too, or what is done here "
                    "is undone"
                )
        yield from self.scan.warnings
        if target.tenant_id in self.scan.gaps:
            yield f"not all of {plain(target.tenant_id)} was read: {self.scan.gaps[target.tenant_id]}"


def _stored_names(observed: Mapping[str, str]) -> frozenset[str]:
    """The names in a stored document, as its store lists them."""
    return frozenset(name for each in observed.get("names", "").split(",") if (name := each.strip()))


def _kept_as(destination: Destination | None) -> Iterator[str]:
    if destination is None:
        return
    stored = _stored_names(destination.observed)
    new = [name for name in destination.names.values() if name not in stored]
    if stored and new:
        yield (
            f"{plain(destination.address)} keeps no {plain(', '.join(new))} yet, but "
            f"{plain(', '.join(sorted(stored)))}: whoever reads those goes on with the old one"
        )


def _consumers(con: duckdb.DuckDBPyConnection, thing: _Thing) -> tuple[tuple[Consumer, ...], tuple[str, ...]]:
    target = thing.target
    rows = _rows(
        con,
        "consumers",
        {
            "kind": target.thing_kind,
            "id": target.thing_id,
            "native": target.native_id,
            "identity": thing.identity_key,
            "resource": thing.resource_key,
        },
    )
    found = tuple(Consumer(row["kind"] or "", row["place"] or "", row["owner"], row["evidence"] or "") for row in rows)
    more = len(found) - _MOST_CONSUMERS
    told = (f"{more} more use it than are named here",) if more > 0 else ()
    return found[:_MOST_CONSUMERS], told


def _reach(con: duckdb.DuckDBPyConnection, thing: _Thing) -> tuple[str, ...]:
    rows = _rows(con, "reach", {"identity": thing.identity_key})
    return tuple(row["says"] for row in rows) or ("what it can do is not known",)


def _whole(can: Capabilities) -> Capabilities:
    """With begun seconds counted in full, as a plan that was written and read has it."""
    whole: Capabilities = written.made(Capabilities, written.told(can))
    return whole


def _in_words(seen: Observation) -> dict[str, str]:
    told = {"state": str(seen.state)}
    told |= {f"other {name}": str(state) for name, state in seen.others.items()}
    told |= dict(seen.facts)
    if seen.usage_known:
        told["last_used_at"] = written.stamp(seen.last_used_at) if seen.last_used_at else "never"
    return told


def _length(span: timedelta) -> str:
    hours = span / timedelta(hours=1)
    return f"{hours / 24:g} days" if hours >= 48 else f"{hours:g} hours"
