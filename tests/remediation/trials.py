"""Trials of remediation on any adapter: a run is broken off at every boundary, carried on until it ends, and judged.

A boundary is before or after a journal write, an effect at the provider or a change in the store. Use, in the tests of
an adapter:

    def make(clock: Clock) -> World:
        user = a fresh user with one key, in a stand-in that runs already   # cheap: it is called once a trial
        session, store = ...
        plan = trials.plan(session, target, at=clock.now, store=store, address="vault:kv/data/acme/billing")
        return World(plan, {"aws": session}, {"vault": store}, look=lambda: Truth(...))

    def test_no_single_crash_breaks_a_promise(tmp_path: Path) -> None:
        count = trials.crashes(make, tmp_path)           # pairs=True: a second crash while it is carried on
        assert not count.violations
        assert count.trials >= 50

`crashes`, then resumed: the end has to be that of an undisturbed run. `rollbacks`: rolled back instead, the end has to
be the beginning. `faults`: each call in turn times out before it does anything, loses its answer, is refused, or meets
a provider that is busy. Everything is checked where it broke off and at the end:

I1 what the store holds is let in (`Truth.works`), but in contain mode between off and publish
I2 the target is neither off nor gone without a decision for that in the journal
I3 no credential that the journal does not know; at the end only the new one, or none, or a person was asked
I4 no secret in what is written or said   I5 the same end   I7 `delete` comes `wait_s` of `observe` after `off`

I6 and I8 do not depend on the adapter: test_engine.py. Time is the clock's: waiting moves it on and takes none. The
session stands under the target's provider, or what `adapter=` says. A stand-in that knows no usage:
`World(..., is_usage_made_up=True)`, then the new one is told as used once it is published, the old one as not used.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Literal
from unittest import mock

from nhiscan.errors import NhiscanError
from nhiscan.remediate import engine, journal
from nhiscan.remediate import plan as plans
from nhiscan.remediate.contract import (
    BusyError,
    Capabilities,
    Effect,
    Fields,
    Observation,
    RefusedError,
    Session,
    State,
    Step,
    Store,
    Target,
    UnansweredError,
)
from nhiscan.remediate.plan import Action, Decision, Destination, Mode, Operation, Plan
from nhiscan.secret import Secret

NOW: Final = datetime(2026, 3, 2, 9, tzinfo=UTC)
GRACE: Final = timedelta(days=2)
OBSERVE: Final = timedelta(days=7)
_MOST_RUNS: Final = 40  # of apply until a plan has ended; more is a run that gets nowhere


class CrashError(BaseException):
    """The process dies here; nothing but this harness may catch it."""


@dataclass
class Clock:
    """Time for the engine and, where it has one, for the stand-in."""

    at: datetime = NOW

    def now(self) -> datetime:
        return self.at

    def wait(self, seconds: float) -> None:
        self.at += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Truth:
    """How things are, read past the adapter.

    `others`: every other credential of the holder that exists. `stored`: ids among them whose secret the store holds,
    staged or current. `works`: whether what is current in the store is let in; None: nothing is stored for this target.
    """

    target: State
    others: Mapping[str, State] = field(default_factory=dict)
    stored: frozenset[str] = frozenset()
    works: bool | None = None

    def shape(self) -> tuple[Any, ...]:
        """What two runs that ended alike have in common: everything but the ids of what they made."""
        return (self.target, sorted(state for state in self.others.values() if state != "gone"), self.works)


def agreed(operation: Operation, decision: Decision) -> list[str]:
    """Everybody agrees to everything."""
    del operation, decision
    return []


@dataclass(frozen=True)
class World:
    """One fresh world. `secrets`: values that must not be found anywhere, besides those that pass the seams."""

    plan: Plan
    sessions: Mapping[str, Session]
    stores: Mapping[str, Store]
    look: Callable[[], Truth]
    approved: Callable[[Operation, Decision], list[str]] = agreed
    secrets: Callable[[], tuple[str, ...]] = tuple
    is_usage_made_up: bool = False


@dataclass
class Count:
    """`trials`: how many runs were judged; `boundaries`: of an undisturbed run; `violations`: in words, with where."""

    trials: int = 0
    boundaries: int = 0
    violations: list[str] = field(default_factory=list)


Make = Callable[[Clock], World]
Fault = Literal["timeout", "lost reply", "refused", "busy"]
FAULTS: Final[tuple[Fault, ...]] = ("timeout", "lost reply", "refused", "busy")


def plan(
    session: Session,
    target: Target,
    *,
    at: datetime | Callable[[], datetime],
    action: Action = "rotate",
    mode: Mode = "routine",
    store: Store | None = None,
    address: str = "",
    names: Mapping[str, str] | None = None,
    adapter: str | None = None,
    grace: timedelta = GRACE,
    observe: timedelta = OBSERVE,
) -> Plan:
    """A plan of one operation on the world as it is; `address` has its prefix. For more: `together`."""
    moment = at if isinstance(at, datetime) else at()
    can = session.capabilities(target)
    seen = session.observe(target)
    destination = None
    if store is not None:
        destination = Destination(address, names or {}, dict(store.observe(address.partition(":")[2])))
    operation = Operation(
        number=1,
        action=action,
        adapter=adapter or target.provider,
        target=target,
        why="stale",
        finding_ids=("finding-1",),
        capabilities=can,
        observed={"state": seen.state},
        state=plans.state(can, seen),
        destination=destination,
        consumers=(),
        reach=(),
        is_partner_owned=False,
        is_privileged=False,
        steps=plans.steps(
            action, can, mode, grace=grace, observe=observe, is_partner_owned=False, is_privileged=False, permissions={}
        ),
    )
    made = Plan(
        plan_id="plan-1",
        made_at=moment.isoformat(),
        expires_at=(moment + plans.EXPIRES_AFTER).isoformat(),
        requested_by="kim@acme.example",
        scan_id="scan-1",
        mode=mode,
        reason="a trial",
        offboarding_id=None,
        partner_id=None,
        operations=(operation,),
        guided=(),
    )
    return sealed(made)


def together(*made: Plan) -> Plan:
    """One plan of the operations of several, numbered in order."""
    operations = itertools.chain.from_iterable(plan.operations for plan in made)
    numbered = tuple(dataclasses.replace(operation, number=n) for n, operation in enumerate(operations, 1))
    return sealed(dataclasses.replace(made[0], operations=numbered))


def sealed(made: Plan) -> Plan:
    """The plan with the digest of what it says."""
    return dataclasses.replace(made, digest=plans.digest(made))


def crashes(
    make: Make, folder: Path, *, pairs: bool = False, start: datetime = NOW, kind: type[Trial] | None = None
) -> Count:
    """Every single crash, and with `pairs` also every second one after it, each carried on until the plan has ended."""
    return _explored(make, folder, start, kind or Trial, pairs=pairs, goes_back=False)


def rollbacks(make: Make, folder: Path, *, pairs: bool = False, start: datetime = NOW) -> Count:
    """As `crashes`, rolled back after the first crash; what cannot go back any more is carried on."""
    return _explored(make, folder, start, Trial, pairs=pairs, goes_back=True)


def faults(make: Make, folder: Path, *, kinds: tuple[Fault, ...] = FAULTS, start: datetime = NOW) -> Count:
    """Every call that changes something fails once in each way, and the plan is carried on until it has ended."""
    undisturbed = Trial(make, folder, start)
    undisturbed.carry_on()
    count = Count(1, undisturbed.calls, undisturbed.judged())
    for kind in kinds:
        for call in range(1, undisturbed.calls + 1):
            trial = Trial(make, folder, start)
            trial.fails = {call: kind}
            trial.carry_on()
            _judge(count, trial, undisturbed.end, f"{kind} at call {call} ({trial.last_failed})")
    return count


def _explored(make: Make, folder: Path, start: datetime, kind: type[Trial], *, pairs: bool, goes_back: bool) -> Count:
    undisturbed = kind(make, folder, start)
    before = undisturbed.world.look().shape()
    undisturbed.carry_on()
    count = Count(1, undisturbed.boundaries, undisturbed.judged())
    for first in range(1, undisturbed.boundaries + 1):
        seconds = itertools.count(first + 1) if pairs else iter(())
        for second in itertools.chain([0], seconds):
            trial = kind(make, folder, start)
            trial.crashes = {first, second}
            trial.run_to_crash()
            if goes_back:
                trial.roll_back()
            else:
                trial.carry_on()
            end = (
                (("rolled_back", before) if trial.is_rolled_back else undisturbed.end) if goes_back else undisturbed.end
            )
            where = " and ".join(trial.crashed)
            _judge(count, trial, end, f"crash {where}")
            if second and len(trial.crashed) < 2:
                break  # it ended before: there are no later boundaries
    return count


def _judge(count: Count, trial: Trial, end: tuple[str, Any], where: str) -> None:
    count.trials += 1
    count.violations += [f"{where}: {violation}" for violation in trial.violations]
    if trial.end != end:
        count.violations.append(f"I5 {where}: ended as {trial.end}, not as {end}: {trial.says}")


class Trial:
    """One world and all runs in it; also for tests that break something in their own way."""

    def __init__(self, make: Make, folder: Path, start: datetime = NOW, *, is_kept: bool = False) -> None:
        """`is_kept`: goes on in the folder and the world that an earlier one left."""
        self.clock = Clock(start)
        self.state = folder / "remediation"
        if not is_kept:
            shutil.rmtree(self.state, ignore_errors=True)
        self.world = make(self.clock)
        self._plan, self._digest = self.world.plan, plans.digest(self.world.plan)
        self.folder = self.state / self.world.plan.plan_id
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=is_kept)
        self.first = self.world.look()
        self.crashes: set[int] = set()
        self.fails: dict[int, Fault] = {}
        self.boundaries = self.calls = 0
        self.crashed: list[str] = []
        self.last_failed = ""
        self.violations: list[str] = []
        self.records: list[journal.Record] = []
        self.effects: list[tuple[Step, str, datetime]] = []  # what was asked for: step, target, when
        self.told: list[str] = []
        self.secrets: set[str] = set()
        self.published_at: datetime | None = None
        self.end: tuple[str, Any] = ("not run", None)
        self.says = ""
        self.is_rolled_back = False

    def apply(self, most_operations: int = 100) -> engine.Result:
        """One run of `engine.apply`, watched."""
        return self._run(engine.apply, most_operations)

    def roll_back_once(self) -> engine.Result:
        """One run of `engine.rollback`, watched."""
        return self._run(engine.rollback, 100)

    def run_to_crash(self) -> None:
        """Runs, through its waits, until the first crash."""
        try:
            self._until_ended(self.apply)
        except CrashError:
            self.died()
        self.check()

    def died(self) -> None:
        """Called where the process has died; here the machine goes on, and what was written is there."""

    def carry_on(self) -> None:
        """Runs until the plan has ended, through crashes and waits, and sets `end`."""
        try:
            self._through_crashes(self.apply)
        except NhiscanError as error:
            self.says = f"{error.message} ({error.hint})"
            self.end = (type(error).__name__, self.world.look().shape())
            self.check()

    def roll_back(self) -> None:
        """Rolls back until that has ended; where it cannot, carries on."""
        try:
            self._through_crashes(self.roll_back_once)
            self.is_rolled_back = self.end[0] == "rolled_back"
        except plans.PlanError:  # nothing was begun, or it cannot go back any more
            if all(record.kind in ("opened", "torn", "decided", "waiting") for record in self.records):
                self.is_rolled_back = True
                self.end = ("rolled_back", self.world.look().shape())
            else:
                self.carry_on()
                self.is_rolled_back = self.end[0] == "rolled_back"

    def judged(self) -> list[str]:
        """Of a run that nothing disturbed: its violations, and that it was not closed."""
        closed = [] if self.end[0] == "closed" else [f"undisturbed, it ended as {self.end[0]}: {self.says}"]
        return [*self.violations, *closed]

    def _through_crashes(self, run: Callable[[], engine.Result]) -> None:
        for _ in range(len(self.crashes) + 1):
            try:
                result = self._until_ended(run)
            except CrashError:
                self.died()
                self.check()
                continue
            self.says = result.says
            self.end = (result.state, self.world.look().shape())
            self.check(result.state)
            return
        raise AssertionError("more crashes than were asked for")

    def _until_ended(self, run: Callable[[], engine.Result]) -> engine.Result:
        told: list[str] = []
        for _ in range(_MOST_RUNS):
            result = run()
            if result.state in ("closed", "rolled_back"):
                return result
            if result.state in ("human", "unanswered"):
                told.append(result.says)
                if told.count(result.says) > 2:  # it was looked at again, and is still so
                    return result
            elif result.until is not None and result.until > self.clock.at:
                self.clock.at = result.until
            else:
                self.clock.wait(86_400)
        return result

    def _run(self, run: Callable[..., engine.Result], most_operations: int) -> engine.Result:
        world = self.world
        sessions = {name: _Watched(session, self) for name, session in world.sessions.items()}
        stores = {name: _WatchedStore(store, self) for name, store in world.stores.items()}
        with _watched_journal(self), self._digest_once():
            return run(
                world.plan,
                self.folder,
                sessions,
                stores,
                world.approved,
                clock=self.clock.now,
                wait=self.clock.wait,
                most_operations=most_operations,
                tell=self.told.append,
            )

    @contextlib.contextmanager
    def _digest_once(self) -> Iterator[None]:
        """The digest of this very plan is worked out once a trial: it cannot change, and takes longer than a run."""
        digest = plans.digest

        def known(plan: Plan) -> str:
            return self._digest if plan is self._plan else digest(plan)

        with mock.patch.object(plans, "digest", known):
            yield

    def boundary(self, name: str) -> None:
        """Counts one more; the process dies here where the trial says so."""
        self.boundaries += 1
        if self.boundaries in self.crashes:
            self.crashed.append(f"{name} ({self.boundaries})")
            raise CrashError(name)

    def call(self, name: str, does: Callable[[], Any]) -> Any:
        """One call that changes something, between its two boundaries, or the fault that it meets."""
        self.calls += 1
        fault = self.fails.get(self.calls)
        self.boundary(f"before {name}")
        if fault is not None:
            self.last_failed = name
        if fault == "timeout":
            raise UnansweredError(f"{name}: timed out")
        if fault == "refused":
            raise RefusedError(f"{name}: not allowed", permission=name)
        if fault == "busy":
            raise BusyError(f"{name}: too many requests")
        answer = does()
        if fault == "lost reply":
            raise UnansweredError(f"{name}: connection reset")
        self.boundary(f"after {name}")
        return answer

    def check(self, ended: str | None = None) -> None:
        """Holds the world and what was written against I1 to I4 and I7."""
        truth = self.world.look()
        operation = self.world.plan.operations[0]
        decided = {record.data["decision"] for record in self.records if record.kind == "decided"}
        is_contained = self.world.plan.mode == "contain" and truth.target != "live" and self.published_at is None
        is_replaced = operation.capabilities.overlap == 1 and "start" in decided  # the outage that was agreed to
        if is_replaced:
            decided |= {"off", "delete"}
            is_contained = self.published_at is None
        if truth.works is False and not is_contained and operation.action == "rotate":
            self._violated("I1 the store holds what is not let in")
        if self.first.target == "live" and truth.target == "off" and "off" not in decided:
            self._violated("I2 the target is off without a decision")
        if self.first.target != "gone" and truth.target == "gone" and "delete" not in decided:
            self._violated("I2 the target is gone without a decision")
        self._check_made(truth, ended)
        self._check_times()
        self._check_secrets()

    def _check_made(self, truth: Truth, ended: str | None) -> None:
        made = {id for id, state in truth.others.items() if id not in self.first.others and state != "gone"}
        known = {record.data.get("id") for record in self.records}
        last = next((record for record in reversed(self.records) if record.step == "create"), None)
        # A run broke off there, or waits to know whose it is: the next one looks into it.
        is_open = last is not None and last.kind in ("intent", "unsure", "waiting") and "nothing_done" not in last.data
        for id in sorted(made - known):
            if ended != "human" and not (ended is None and is_open):
                self._violated(f"I3 nobody knows of {id}")
        if ended == "closed" and (len(made) > 1 or (truth.works is not None and made - truth.stored)):
            self._violated(f"I3 {sorted(made)} were left, {sorted(truth.stored)} are stored")
        if ended == "rolled_back" and made:
            self._violated(f"I3 {sorted(made)} were left after a rollback")

    def _check_times(self) -> None:
        for operation in self.world.plan.operations:
            waits = [step.wait_s for step in operation.steps if step.step == "observe"]
            off: datetime | None = None
            for step, target, at in self.effects:
                if target != operation.target.thing_id or not waits:
                    continue
                if step == "off" and off is None:
                    off = at
                elif step == "on":
                    off = None
                elif step == "delete" and (off is None or at - off < timedelta(seconds=waits[0])):
                    self._violated(f"I7 deleted at {at}, off since {off}")

    def _check_secrets(self) -> None:
        written = b"".join(path.read_bytes() for path in self.state.rglob("*") if path.is_file())
        said = "\n".join([*self.told, self.says]).encode()
        for value in {*self.secrets, *self.world.secrets()} - self._ids():
            if value.encode() in written or value.encode() in said:
                self._violated("I4 a secret was written or said")

    def _ids(self) -> set[str]:
        """Parts of credentials that are no secrets: the names that they go by."""
        known = {str(record.data["id"]) for record in self.records if "id" in record.data}
        return known | set(self.world.look().others) | {op.target.native_id for op in self.world.plan.operations}

    def _violated(self, what: str) -> None:
        if what not in self.violations:
            self.violations.append(what)

    def saw(self, fields: Fields | None) -> None:
        """Remembers the secrets that passed a seam."""
        self.secrets |= {value.reveal() for value in (fields or {}).values() if len(value.reveal()) >= 12}


@contextlib.contextmanager
def _watched_journal(trial: Trial) -> Iterator[None]:
    append = journal.Journal.append

    def watched(self: journal.Journal, kind: str, *args: Any, **data: Any) -> journal.Record:
        trial.boundary(f"before writing {kind} {args}")
        record = append(self, kind, *args, **data)
        trial.records = list(self.records)
        trial.boundary(f"after writing {kind} {args}")
        return record

    with mock.patch.object(journal.Journal, "append", watched):
        yield


@dataclass(frozen=True)
class _Watched:
    session: Session
    trial: Trial

    def capabilities(self, target: Target) -> Capabilities:
        return self.session.capabilities(target)

    def observe(self, target: Target) -> Observation:
        seen = self.session.observe(target)
        if not self.trial.world.is_usage_made_up:
            return seen
        at = self.trial.published_at
        new = {} if at is None else {id: at for id in seen.others if id not in self.trial.first.others}
        used = {id: min(moment + timedelta(seconds=1), self.trial.clock.at) for id, moment in new.items()}
        return dataclasses.replace(seen, last_used_at=None, used=used, usage_known=True)

    def effect(
        self,
        step: Step,
        target: Target,
        key: str,
        *,
        id: str | None = None,
        fields: Fields | None = None,
        before: Observation | None = None,
    ) -> Effect:
        def does() -> Effect:
            self.trial.effects.append((step, target.thing_id, self.trial.clock.at))
            done = self.session.effect(step, target, key, id=id, fields=fields, before=before)
            self.trial.saw(done.fields)
            return done

        made: Effect = self.trial.call(f"effect {step}", does)
        return made

    def reconcile(self, target: Target, before: Observation, key: str) -> tuple[str, ...]:
        return self.session.reconcile(target, before, key)

    def make(self, target: Target, key: str) -> Fields:
        fields = self.session.make(target, key)
        self.trial.saw(fields)
        return fields

    def accepts(self, target: Target, id: str, fields: Fields) -> bool:
        return self.session.accepts(target, id, fields)


@dataclass(frozen=True)
class _WatchedStore:
    store: Store
    trial: Trial

    def observe(self, address: str) -> Mapping[str, str]:
        return self.store.observe(address)

    def stage(self, address: str, key: str, fields: Mapping[str, Secret]) -> None:
        self.trial.saw(fields)
        self.trial.call("store stage", lambda: self.store.stage(address, key, fields))

    def staged(self, address: str, key: str) -> Fields | None:
        return self.store.staged(address, key)

    def publish(self, address: str, key: str, *, version: str) -> str:
        def does() -> str:
            made = self.store.publish(address, key, version=version)
            self.trial.published_at = self.trial.published_at or self.trial.clock.at
            return made

        new: str = self.trial.call("store publish", does)
        return new

    def published(self, address: str, key: str) -> str | None:
        return self.store.published(address, key)

    def restore(self, address: str, key: str, *, version: str) -> None:
        def does() -> None:
            self.store.restore(address, key, version=version)

        self.trial.call("store restore", does)

    def discard(self, address: str, key: str) -> None:
        self.trial.call("store discard", lambda: self.store.discard(address, key))


def refused(run: Callable[[], object]) -> NhiscanError:
    """The error that a run ends with."""
    try:
        run()
    except NhiscanError as error:
        return error
    raise AssertionError("it was not refused")
