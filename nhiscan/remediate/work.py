"""What both directions of an operation stand on: the journal around each effect, and looking at the world.

Nothing is believed because it was asked for. An effect is there when the world shows it; an answer that was lost is
looked for; what somebody else changed in between stops the operation and is said.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, TypeVar

from nhiscan.remediate import approvals
from nhiscan.remediate import history as histories
from nhiscan.remediate import plan as plans
from nhiscan.remediate.contract import (
    BusyError,
    Effect,
    Fields,
    Observation,
    RefusedError,
    Session,
    State,
    Step,
    Store,
    UnansweredError,
)
from nhiscan.remediate.history import History, WaitsFor
from nhiscan.remediate.journal import Journal, Record
from nhiscan.remediate.plan import Decision, Operation, Plan, PlanError
from nhiscan.remediate.waiting import Wait
from nhiscan.secret import RedactingFilter, Secret

STOP: Final = "STOP"  # <state>/remediation/STOP: nothing more is changed while it is there
_LOOKS: Final = 5  # at what a provider may not know everywhere yet
_SHORTEST_PAUSE: Final = timedelta(seconds=1)
_SILENT: Final = timedelta(seconds=5)  # a longer pause is told to whoever sits before it
LONGEST_PAUSE: Final = timedelta(minutes=1)  # that a run sits out; what asks for more is for a later run
_MOST_ASKED: Final = 3  # times that a busy or silent provider is asked for one thing in one run

T = TypeVar("T")


class HaltError(Exception):
    """The operation goes no further in this run: it waits, or a person has to look."""

    def __init__(
        self,
        says: str,
        *,
        waits_for: WaitsFor | None = None,
        until: datetime | None = None,
        is_nothing_done: bool = False,
    ) -> None:
        super().__init__(says)
        self.says = says
        self.waits_for = waits_for  # None: a person
        self.until = until
        self.is_nothing_done = is_nothing_done


@dataclass(frozen=True)
class Means:
    """What the engine was given, the same for every operation."""

    plan: Plan
    folder: Path
    journal: Journal
    approved: Callable[[Operation, Decision], list[str]]
    clock: Callable[[], datetime]
    wait: Callable[[float], None]
    tell: Callable[[str], None]


@dataclass
class Work:
    """One operation in one run. `fields`: of the new credential, in memory only, as far as they are known."""

    means: Means
    operation: Operation
    history: History
    session: Session
    store: Store | None
    fields: Fields | None = None
    step: Step | None = None
    _secrets: set[Secret] = field(default_factory=set)

    def note(self, kind: str, step: Step | None = None, **data: object) -> Record:
        """Writes a record down and goes on by it."""
        record = self.means.journal.append(kind, self.operation.number, step, **data)
        self.history.take(record)
        return record

    def halted(self, halt: HaltError) -> None:
        """Writes down why the operation goes no further, once for as long as it stays so."""
        says = self.redacted(halt.says)
        kind = "human" if halt.waits_for is None else "waiting"
        until = None if halt.until is None else halt.until.isoformat()
        last = self.history.halt
        told = {"says": says, "waits_for": halt.waits_for, "until": until}
        if (
            last is not None
            and last.kind == kind
            and last.step == self.step
            and all(last.data.get(name) == value for name, value in told.items())
        ):
            return
        self.note(kind, self.step, **told, nothing_done=halt.is_nothing_done or None)

    def holds(self, fields: Fields | None) -> None:
        """Keeps the new credential's parts for the steps that follow, and out of every message."""
        self.fields = fields
        self._secrets.update((fields or {}).values())

    def redacted(self, text: str) -> str:
        """The text without any part of a new credential but the name that it goes by."""
        redacting = RedactingFilter()
        for value in self._secrets:
            if value.reveal() not in (self.history.new_id, self.history.orphan):
                redacting.add(value)
        return redacting.redact(text)

    # The address of the store, and names under which provider and store know what this operation makes.

    def key(self, step: str) -> str:
        """Of this operation, step and attempt, never the same for two; 32 hex digits."""
        told = f"{self.means.plan.digest}/{self.operation.number}/{step}/{self.history.attempt}"
        return hashlib.sha256(told.encode()).hexdigest()[:32]

    @property
    def stored_key(self) -> str:
        return self.key("stage")

    @property
    def address(self) -> str:
        """Without the prefix by which the store was found."""
        assert self.operation.destination is not None  # noqa: S101 - engine.check refuses such a plan
        return self.operation.destination.own_address

    @property
    def kept(self) -> Store:
        assert self.store is not None  # noqa: S101 - as above
        return self.store

    def staged(self) -> Fields | None:
        """What the store has of this attempt, under the provider's names of its parts."""
        found = self.asked(lambda: self.kept.staged(self.address, self.stored_key))
        if found is None or self.operation.destination is None:
            return None
        back = {stored: part for part, stored in self.operation.destination.names.items()}
        return {back.get(name, name): value for name, value in found.items()}

    def to_store(self, fields: Fields) -> Mapping[str, Secret]:
        """The parts under the names of the stored document."""
        names = {} if self.operation.destination is None else self.operation.destination.names
        return {names.get(part, part): value for part, value in fields.items()}

    def agree(self, decision: Decision | None) -> None:
        """Judges the approvals of a decision now, and writes down what was there to be counted."""
        if decision is None:
            return
        reasons = self.means.approved(self.operation, decision)
        if reasons:
            raise HaltError(f"{decision} is not agreed: {'; '.join(reasons)}", waits_for="approval")
        self.note("decided", self.step, decision=decision, approvals=_approvals(self.means.folder))

    # Looking.

    @property
    def pause(self) -> timedelta:
        """Between two looks, so that all of them span the time that a change takes to be known everywhere."""
        return max(_SHORTEST_PAUSE, self.operation.capabilities.settles_in / (_LOOKS - 1))

    def asked(self, ask: Callable[[], T]) -> T:
        """The answer to a question that changes nothing, asked again where the provider is busy or silent."""
        for attempt in range(1, _MOST_ASKED + 1):
            try:
                return ask()
            except (BusyError, UnansweredError) as error:
                after = error.after if isinstance(error, BusyError) else self.pause
                if attempt == _MOST_ASKED or after > LONGEST_PAUSE:
                    raise
                self.sit_out(after, self.redacted(error.message))
        raise AssertionError("unreachable")

    def sit_out(self, pause: timedelta, why: str) -> None:
        """Waits within the run, and says so where it is long enough to be wondered at."""
        if pause >= _SILENT:
            self.means.tell(f"operation {self.operation.number}: {why}; again in {pause.total_seconds():.0f} s")
        self.means.wait(pause.total_seconds())

    def observe(self) -> Observation:
        return self.asked(lambda: self.session.observe(self.operation.target))

    def looked(self, is_there: Callable[[Observation], bool]) -> Observation:
        """The world, looked at until `is_there` or nobody can expect that it still comes."""
        for _ in range(_LOOKS - 1):
            seen = self.observe()
            if is_there(seen):
                return seen
            self.sit_out(self.pause, "the provider does not show yet what is expected")
        return self.observe()

    def unchanged(self) -> Observation:
        """The world, which has to be as the last step left it, before the first step as the plan knows it.

        Raises: PlanError before the first effect, HaltError after it: saying what differs.
        """
        left = self.history.left
        if left is None:
            seen = self.looked(self._is_as_planned)
            if not self._is_as_planned(seen):
                raise PlanError(
                    f"operation {self.operation.number}: somebody changed {self.operation.target.thing_id}, or what is "
                    f"beside it, since the plan was made; it is {seen.state}, beside it: {_beside(seen)}",
                    hint="nothing was done; make another plan",
                )
            return seen
        return self.settled(lambda seen: self.changes(left, seen))

    def _is_as_planned(self, seen: Observation) -> bool:
        return plans.state(self.operation.capabilities, seen) == self.operation.state

    def settled(self, changes: Callable[[Observation], list[str]]) -> Observation:
        """The world once nothing in it is other than it was left. Raises: HaltError saying what is."""
        seen = self.looked(lambda seen: not changes(seen))
        if changes(seen):
            raise HaltError(f"somebody else changed it: {'; '.join(changes(seen))}")
        return seen

    def is_gone_already(self) -> bool:
        """Whether somebody else deleted the target while this was under way: it cannot be put back for us to go on."""
        intent = self.history.intent
        if not self.history.is_begun or self.is_in_place or (intent is not None and intent.step == "delete"):
            return False
        return self.observe().state == "gone" and self.looked(lambda seen: seen.state != "gone").state == "gone"

    @property
    def is_in_place(self) -> bool:
        """Whether making the new one is what ends the old one."""
        can = self.operation.capabilities
        return self.operation.action == "rotate" and can.overlap == 1 and not can.stores_itself

    def changes(self, left: Observation, seen: Observation) -> list[str]:
        """What somebody else changed. Where many may live beside each other, strangers come and go."""
        return histories.changes(self.operation, self.history, left, seen)

    # Changing.

    def may_change(self) -> None:
        """Raises: HaltError where somebody pulled the brake."""
        stop = self.means.folder.parent / STOP
        if stop.exists():
            raise HaltError(f"{stop} is there: nothing is changed until somebody removes it")

    def busy(self, error: BusyError, *, is_nothing_done: bool = False) -> HaltError:
        """What a later run is for: the provider says when, and nobody has to look."""
        until = self.means.clock() + error.after
        return HaltError(_told(error), waits_for="provider", until=until, is_nothing_done=is_nothing_done)

    def change(self, do: Callable[[], T]) -> T:
        """Does what may be done once, with the intent in the journal. Raises as Session does, and HaltError."""
        for attempt in range(1, _MOST_ASKED + 1):
            self.may_change()
            try:
                return do()
            except BusyError as error:
                if attempt == _MOST_ASKED or error.after > LONGEST_PAUSE:
                    raise self.busy(error, is_nothing_done=True) from error
                self.sit_out(error.after, self.redacted(error.message))
            except RefusedError as error:
                raise HaltError(_told(error), is_nothing_done=True) from error
        raise AssertionError("unreachable")

    def change_until(self, do: Callable[[], T], is_there: Callable[[], bool] | None = None) -> T | None:
        """Does what may be repeated until the world shows it; None: it is there, and no answer to it came.

        Without `is_there`: until there is an answer. Raises: HaltError where the world does not show it in the end.
        """
        answer: T | None = None
        silent: UnansweredError | None = None
        for _ in range(_MOST_ASKED):
            try:
                answer, silent = self.change(do), None
            except UnansweredError as error:
                silent = error
                self.note("unsure", self.step, says=self.redacted(error.message))
            except HaltError as halt:
                halt.is_nothing_done = halt.is_nothing_done and silent is None
                raise
            if silent is None if is_there is None else is_there():
                return answer
            if silent is None:
                break
        says = f"{self.step} is not to be seen at the provider or in the store"
        if silent is not None:
            raise HaltError(f"{says}: {_told(silent)}", waits_for="answer")
        raise HaltError(f"{says}, although it answered that it did")

    def absolute(self, step: Step, wanted: tuple[State, ...], decision: Decision | None = None) -> None:
        """`off`, `on` or `delete`: of the target, and read back."""
        target = self.operation.target
        intent = self.history.intent
        if intent is not None and intent.step == step:  # of an earlier run: it may be there
            seen = self.looked(lambda seen: seen.state in wanted)
            if seen.state in wanted:
                self.note("observed", step, **histories.told(seen))
                self.note("done", step)
                return
        seen = self.unchanged()
        self.agree(decision)
        key, before = self.key(step), self.history.first or seen
        self.note("intent", step, key=key, **histories.told(seen))
        found: list[Observation] = []

        def does() -> Effect:
            return self.session.effect(step, target, key, before=before)

        def is_there() -> bool:
            found.append(self.looked(lambda seen: seen.state in wanted))
            return found[-1].state in wanted

        answer = self.change_until(does, is_there)
        left = found[-1]
        if self.operation.action == "rotate":
            # Facts follow from what was done, other credentials do not: who changed those meanwhile is found next.
            left = dataclasses.replace(left, others=seen.others)
        self.note("observed", step, request_id=answer and answer.request_id, **histories.told(left))
        self.note("done", step)

    def end_new(self, id: str | None) -> None:
        """Ends the credential `id` that this operation made, and what is staged for it."""
        target, step = self.operation.target, "discard"
        key = self.key(step)
        seen = self.observe()
        self.note("intent", "discard", key=key, id=id, **histories.told(seen))
        answer: Effect | None = None
        if id is not None:
            found = [seen]

            def is_there() -> bool:
                found.append(self.looked(lambda seen: seen.others.get(id, "gone") == "gone"))
                return found[-1].others.get(id, "gone") == "gone"

            before = self.history.first
            answer = self.change_until(
                lambda: self.session.effect("discard", target, key, id=id, before=before), is_there
            )
            seen = found[-1]
        if self.store is not None:
            self.change_until(lambda: self.kept.discard(self.address, self.stored_key))
        request_id = None if answer is None else answer.request_id
        self.note("observed", "discard", id=id, request_id=request_id, **histories.told(seen))
        self.note("done", "discard", id=id)
        self.holds(None)

    def candidates(self) -> tuple[str, ...]:
        """What may have come of a `create` without an answer. None is believed only once it would be known."""
        before = self.history.before
        if before is None:
            return ()
        found: tuple[str, ...] = ()
        key = self.key("create")
        for look in range(_LOOKS):
            told = self.asked(lambda: self.session.reconcile(self.operation.target, before, key))
            found = tuple(id for id in told if id not in self.history.discarded)
            if found:
                return found
            if look < _LOOKS - 1:
                self.sit_out(self.pause, "nothing is seen yet of what may have been created")
        return found

    def found(self) -> str | None:
        """What a `create` without an answer made; None: nothing. Nothing is known of it but that it was not there.

        Raises: HaltError where it may be somebody else's, made in the same moment: where a provider tells use, that is
        waited for.
        """
        found = self.candidates()
        if len(found) > 1:
            raise HaltError(
                f"{', '.join(found)} were made meanwhile, and which of them by this plan is not known: "
                "end those that nobody needs, and run it again"
            )
        if not found or self.operation.capabilities.stores_itself or self.staged() is not None:
            return found[0] if found else None
        if found[0] in self.observe().used:
            raise HaltError(f"{found[0]} may be what this plan made, yet somebody uses it: say whose it is")
        lag, intent = self.operation.capabilities.usage_lag, self.history.intent
        if intent is not None and self.means.clock() < intent.at + 2 * lag:
            says = f"whether somebody uses {found[0]}, which is most likely what this plan made"
            raise HaltError(says, waits_for="usage", until=intent.at + 2 * lag)
        return found[0]

    def waits(self, wait: Wait | None) -> None:
        """Raises: HaltError where there is something to wait for."""
        if wait is not None:
            raise HaltError(wait.says, waits_for=wait.waits_for, until=wait.until)


def _approvals(folder: Path) -> dict[str, str]:
    """The approvals that were there when a decision was judged: name of the file, SHA-256."""
    return {name: hashlib.sha256(data).hexdigest() for name, data in approvals.contents(folder).items()}


def _told(error: RefusedError | UnansweredError) -> str:
    permission = error.permission if isinstance(error, RefusedError) else None
    lacks = "" if permission is None else f"; the remediation credential lacks {permission}"
    return f"{error.message}{lacks}{f' ({error.hint})' if error.hint else ''}"


def _beside(seen: Observation) -> str:
    told = {**dict(sorted(seen.others.items())), **seen.facts}
    return json.dumps(told) if told else "nothing"
