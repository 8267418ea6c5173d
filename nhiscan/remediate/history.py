"""What the journal says of each operation of a plan: what was done, what may have been, and what it waits for."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal, cast

from nhiscan.remediate.contract import STEPS, Observation, Step
from nhiscan.remediate.journal import KINDS, Record
from nhiscan.remediate.plan import Operation, Plan, has_few

# `provider`: it said when it may be asked again, or is known to take its time; `answer`: it is silent.
WaitsFor = Literal["approval", "time", "usage", "provider", "answer", "others"]
State = Literal["planned", "begun", "waiting", "human", "rolling_back", "rolled_back", "closed"]
_HALTS: Final = ("waiting", "human", "unsure")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an operation is. `step`: the next one, None at its end; `says`: what it waits for, or why it stopped."""

    operation: int
    state: State
    step: Step | None = None
    says: str = ""
    waits_for: WaitsFor | None = None
    since: datetime | None = None
    until: datetime | None = None
    new_id: str | None = None


@dataclass(slots=True)
class History:
    """One operation by its records.

    `done`: forward steps of this attempt and when, `taken_back` those of the rollback, `tried` all with an intent.
    `intent`: what may have happened or not. `first`: the world ahead of the operation, `before` of the first `create`
    of this attempt, `left`: as the last step left it. `version`: of the stored value before `publish`. `orphan`: the
    new credential that has to be ended before anything else, where `is_orphaned`; None: only what is staged for it.
    `halt`: why the last run went no further. `unknown`: a record of another version.
    """

    number: int
    attempt: int = 1
    done: dict[str, datetime] = field(default_factory=dict)
    taken_back: dict[str, datetime] = field(default_factory=dict)
    intent: Record | None = None
    first: Observation | None = None
    before: Observation | None = None
    left: Observation | None = None
    new_id: str | None = None
    orphan: str | None = None
    is_orphaned: bool = False
    discarded: set[str] = field(default_factory=set)
    tried: set[str] = field(default_factory=set)
    version: str | None = None
    published: str | None = None
    is_begun: bool = False
    goes_back: bool = False
    end: Literal["closed", "rolled_back"] | None = None
    halt: Record | None = None
    unknown: str | None = None

    def take(self, record: Record) -> None:
        """Goes on by one record."""
        if record.kind not in KINDS or (record.step is not None and record.step not in STEPS):
            self.unknown = f"record {record.n} ({record.kind}{f' {record.step}' if record.step else ''})"
            return
        self.halt = record if record.kind in _HALTS else None
        match record.kind:
            case "intent":
                self._intended(record)
            case "observed":
                self._observed(record)
            case "done":
                self._done(record)
            case "waiting" | "human" if record.data.get("nothing_done"):
                if self.intent is not None and self.intent.step == "create":
                    self.before = None
                self.intent = None
            case "orphan":
                self.is_orphaned, self.orphan, self.intent = True, record.data.get("id"), None
            case "rolling_back":
                self.goes_back = True
            case "closed":
                self.end = "closed"
            case "rolled_back":
                self.end = "rolled_back"

    def _intended(self, record: Record) -> None:
        self.is_begun, self.intent = True, record
        self.tried.add(record.step or "")
        if self.first is None and "state" in record.data:
            self.first = observation(record.data)
        if record.step == "create" and self.before is None:
            self.before = observation(record.data)
        if record.step == "publish" and self.version is None:
            self.version = record.data["version"]

    def _observed(self, record: Record) -> None:
        if record.step == "create":
            self.new_id = record.data.get("id", self.new_id)
        if record.step == "publish":
            self.published = record.data["version"]
        if "state" in record.data:
            self.left = observation(record.data)

    def _done(self, record: Record) -> None:
        step = record.step or ""
        self.intent = None
        if step == "discard":
            self._discarded(record)
        if self.goes_back:
            self.taken_back[step] = record.at
        elif step != "discard":
            self.done[step] = record.at

    def _discarded(self, record: Record) -> None:
        if "id" in record.data:
            self.discarded.add(record.data["id"])
        for step in ("create", "stage", "verify"):
            self.done.pop(step, None)
        self.attempt += 1
        self.before = self.new_id = self.orphan = None
        self.is_orphaned = False


def of(plan: Plan, records: Iterable[Record]) -> dict[int, History]:
    """The history of each operation, by its number."""
    found = {operation.number: History(operation.number) for operation in plan.operations}
    for record in records:
        if record.operation in found:
            found[record.operation].take(record)
        elif record.operation is not None or record.kind not in KINDS:
            for history in found.values():
                history.unknown = f"record {record.n} ({record.kind})"
    return found


def progress(operation: Operation, history: History) -> Progress:
    """The history in the few words of a status."""
    left = [planned.step for planned in operation.steps if planned.step not in history.done]
    step = None if history.end else left[0] if left else None
    if history.unknown is not None:
        return Progress(operation.number, "human", step, f"another version of nhiscan wrote {history.unknown}")
    if history.end is not None:
        return Progress(operation.number, history.end, new_id=history.new_id)
    halt = history.halt
    if halt is not None:
        until = halt.data.get("until")
        return Progress(
            operation.number,
            "waiting" if halt.kind == "waiting" else "human",
            cast(Step | None, halt.step) or step,
            halt.data["says"],
            halt.data.get("waits_for"),
            halt.at,
            None if until is None else datetime.fromisoformat(until),
            history.new_id,
        )
    state: State = "rolling_back" if history.goes_back else "begun" if history.is_begun else "planned"
    return Progress(operation.number, state, step, new_id=history.new_id)


def told(seen: Observation) -> dict[str, Any]:
    """An observation as a record holds it."""
    return {"state": seen.state, "others": dict(seen.others), "facts": dict(seen.facts)}


def observation(data: Mapping[str, Any]) -> Observation:
    """What `told` wrote."""
    return Observation(data["state"], data["others"], data["facts"])


def changes(operation: Operation, history: History, left: Observation, seen: Observation) -> list[str]:
    """The differences that bear on the operation: with few slots every neighbour does, with many only the new one.

    That the target is gone is none: nobody can put it back, and whoever needs the new one waits for it. Behind them
    stands what a person does, where the adapter says it.
    """
    if seen.state == "gone":
        left = dataclasses.replace(left, state="gone", facts=seen.facts)
    told = operation.capabilities.changed
    mended = [says for name, says in told.items() if left.facts.get(name) != seen.facts.get(name)]
    if has_few(operation.capabilities):
        return [*differences(left, seen), *mended]
    own = {history.new_id} - {None}

    def only_own(told: Observation) -> Observation:
        return dataclasses.replace(told, others={id: state for id, state in told.others.items() if id in own})

    return [*differences(only_own(left), only_own(seen)), *mended]


def differences(left: Observation, seen: Observation) -> list[str]:
    """What is not as it was left, in words; a credential that is not there and one that is gone are the same."""
    said = []
    if seen.state != left.state:
        said.append(f"the target is {seen.state}, it was {left.state}")
    for id in sorted({*left.others, *seen.others}):
        was, now = left.others.get(id, "gone"), seen.others.get(id, "gone")
        if was != now:
            said.append(f"{id} is {now}, it was {was if id in left.others else 'not there'}")
    said += [
        f"{name} is {seen.facts.get(name, 'not there')}, it was {left.facts.get(name, 'not there')}"
        for name in sorted({*left.facts, *seen.facts})
        if left.facts.get(name) != seen.facts.get(name)
    ]
    return said
