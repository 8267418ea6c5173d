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
from typing import Final

import duckdb

from nhiscan import store
from nhiscan.config import Config
from nhiscan.printable import plain
from nhiscan.remediate import contract, order, people, scanned, wants, written
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
from nhiscan.remediate.scanned import Scan, Thing
from nhiscan.remediate.separate import check_separate
from nhiscan.remediate.wants import Wanted
from nhiscan.rule import Rule

GRACE: Final = timedelta(hours=24)  # where the provider tells the last use
GRACE_UNSEEN: Final = timedelta(days=30)  # where it does not: no signal is not no use, and a month's end comes by once
OBSERVE: Final = timedelta(hours=24)
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
    scan = scanned.scan(con, at)
    partner_id = None
    if offboarding_id is not None:
        if given.action is not None:
            raise PlanError("an offboarding says itself what is done", hint="leave --action out")
        partner_id, wanted = wants.of_offboarding(con, settings, offboarding_id, at)
    else:
        wanted = wants.of_findings(con, rules, findings, given.action)
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
        partner_id=partner_id,
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
    things = scanned.things(con, asked)
    for operation in plan.operations:
        target = operation.target
        thing = things.get((target.thing_kind, target.thing_id))
        if thing is None:
            wrong = "the scan holds no such target"
        elif thing.target != target or operation.adapter != target.provider:
            wrong = "its target is not as the scan knows it"
        elif thing.is_partner_owned > operation.is_partner_owned or thing.is_privileged > operation.is_privileged:
            wrong = "its target is a partner's or privileged, and the plan says it is not"
        elif (scanned.consumers(con, thing)[0], scanned.reach(con, thing)) != (operation.consumers, operation.reach):
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
    return max(_usual(can) if wanted is None else wanted, 2 * can.usage_lag)


def _usual(can: Capabilities) -> timedelta:
    return GRACE if can.usage == "last_used" else GRACE_UNSEEN


@dataclass(frozen=True, slots=True)
class _Planner:
    con: duckdb.DuckDBPyConnection
    given: Given
    systems: Systems
    scan: Scan
    placed: set[str] = field(default_factory=set)  # keys of destinations that were used
    named: set[str] = field(default_factory=set)  # parts of credentials that were given a name

    def item(self, wanted: Wanted) -> Operation | Guided:
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

    def _guided(self, wanted: Wanted, because: str) -> Guided:
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

    def _operation(self, wanted: Wanted, thing: Thing, can: Capabilities, seen: Observation) -> Operation | Guided:
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
                is_partner_owned=thing.is_partner_owned,
                is_privileged=thing.is_privileged,
                permissions=permissions,
            )
        except PlanError as error:
            return self._guided(wanted, error.message)
        consumers, more = scanned.consumers(self.con, thing)
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
            reach=scanned.reach(self.con, thing),
            is_partner_owned=thing.is_partner_owned,
            is_privileged=thing.is_privileged,
            steps=steps,
            step=wanted.step,
            warnings=(*self._warnings(thing, action, can, seen, waits, consumers), *more, *_kept_as(destination)),
        )

    def _destination(self, wanted: Wanted, target: Target, parts: tuple[str, ...]) -> Destination | None:
        """Raises: PlanError where none was given for what a person named, or what was given cannot be."""
        names = (target.native_id, target.thing_id, wanted.id, *wanted.finding_ids)
        keys = [
            key
            for key in self.given.destinations
            if key in names or any(wants.is_meant(key, each) for each in wanted.finding_ids)
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
        place = Destination(address, {}, {})
        if not place.own_address or place.store not in self.systems.stores:
            raise PlanError(
                f"{plain(address)} names no store that nhiscan.toml configures",
                hint="write the store's name first, such as vault:kv/data/acme/billing; stores here: "
                + (", ".join(sorted(self.systems.stores)) or "none"),
            )
        observed = dict(self.systems.stores[place.store].observe(place.own_address))
        kept_as = self._names(address, given, parts, _stored_names(observed))
        return dataclasses.replace(place, names=kept_as, observed=observed)

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
            for kinds in self.systems.permissions.values():
                for step, own in kinds.get(destination.store, {}).items():
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
        thing: Thing,
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
        usual = _usual(can)
        if waits < usual and action == "rotate" and self.given.mode == "routine":
            yield f"the old one goes after {_length(waits)} without use; {_length(usual)} is usual"
        for name, value in scanned.tags(self.con, thing):
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
