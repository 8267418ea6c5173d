"""The one state machine of remediation: carries a plan out, takes it back, says how far it is and what it would do.

Everything outside is a parameter: providers, stores, time, waiting, who agreed. A run goes to the next wait and is
repeated until the plan has ended; it begins by looking at the world, so that it may have been broken off anywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal, get_args

from nhiscan import __version__
from nhiscan.remediate import backward, forward, journal, written
from nhiscan.remediate import history as histories
from nhiscan.remediate import plan as plans
from nhiscan.remediate.contract import (
    EFFECTS,
    BusyError,
    Capabilities,
    RefusedError,
    Session,
    Step,
    Store,
    UnansweredError,
)
from nhiscan.remediate.history import History, Progress, WaitsFor
from nhiscan.remediate.plan import Decision, Operation, Plan, PlanError, PlannedStep
from nhiscan.remediate.work import STOP, HaltError, Means, Work

State = Literal["closed", "waiting", "unanswered", "human", "rolled_back"]
EXIT_CODES: Final[Mapping[State, int]] = {
    "closed": 0,
    "unanswered": 3,
    "waiting": 10,
    "human": 11,
    "rolled_back": 12,
}

Approved = Callable[[Operation, Decision], list[str]]
# What steps and waits follow from; words are told anew by `approve`.
_BEHAVIOUR: Final = (
    "overlap", "maker", "can_turn_off", "can_delete", "stores_itself", "usage", "usage_lag", "settles_in", "parts",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Result:
    """How a run ended. What is said is of the operation that stopped it, else of the one that can go on first."""

    state: State
    operations: tuple[Progress, ...]
    says: str = ""
    waits_for: WaitsFor | None = None
    since: datetime | None = None
    until: datetime | None = None

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.state]


@dataclass(frozen=True, slots=True)
class Difference:
    """What `apply` would do next with an operation: `steps` that are left, `differs` from what was planned or left.

    Where something differs, nothing would be done.
    """

    operation: int
    progress: Progress
    steps: tuple[PlannedStep, ...]
    differs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Return:
    """What `rollback` would do with an operation, in words, and the `steps` whose effects it would take back."""

    operation: int
    steps: tuple[PlannedStep, ...]
    says: str


def apply(
    plan: Plan,
    folder: Path,
    sessions: Mapping[str, Session],
    stores: Mapping[str, Store],
    approved: Approved,
    *,
    clock: Callable[[], datetime],
    wait: Callable[[float], None],
    most_operations: int = 1,
    tell: Callable[[str], None],
) -> Result:
    """Carries a plan on to the next wait or its end; an operation that is being rolled back goes on with that.

    `most_operations`: how many that have not ended may be under way, in the order of the plan; the first one shows how
    it goes. `approved`: why a decision is not agreed, asked right before each step that needs it.
    Raises: PlanError where the plan does not hold; LockError where somebody else executes; StoreError where the journal
    cannot be written, as errors of signing in.
    """
    return _run(plan, folder, sessions, stores, approved, clock, wait, most_operations, tell, is_rollback=False)


def rollback(
    plan: Plan,
    folder: Path,
    sessions: Mapping[str, Session],
    stores: Mapping[str, Store],
    approved: Approved,
    *,
    clock: Callable[[], datetime],
    wait: Callable[[float], None],
    most_operations: int | None = None,
    tell: Callable[[str], None],
) -> Result:
    """Takes back what was begun and has not ended, the last operation first; it needs nobody's agreement.

    What was not begun is over with that: nobody who resumes the plan begins it. An operation that cannot go back does
    not keep the others from it.
    Raises: as `apply`, and PlanError where there is nothing to take back or the old one is deleted already.
    """
    return _run(plan, folder, sessions, stores, approved, clock, wait, most_operations, tell, is_rollback=True)


def status(plan: Plan, folder: Path) -> list[Progress]:
    """How far each operation is by its journal alone, in the order of the plan. Raises: PlanError, StoreError."""
    found = _read(plan, folder)
    return [histories.progress(operation, found[operation.number]) for operation in plan.operations]


def preview(plan: Plan, folder: Path, sessions: Mapping[str, Session], stores: Mapping[str, Store]) -> list[Difference]:
    """What `apply` would do, after a look at the world; nothing is changed or written."""
    check(plan)
    found = _read(plan, folder)
    said = []
    for operation in plan.operations:
        history = found[operation.number]
        progress = histories.progress(operation, history)
        left = tuple(step for step in operation.steps if step.step not in history.done)
        if history.end is not None or history.goes_back or history.unknown is not None:
            said.append(Difference(operation.number, progress, ()))
            continue
        session = sessions[operation.adapter]
        differs = [] if history.is_begun else _changed(operation, session)
        seen = session.observe(operation.target)
        intent = history.intent
        if history.left is not None and intent is None:
            differs += histories.changes(operation, history, history.left, seen)
        elif intent is None and plans.state(operation.capabilities, seen) != operation.state:
            differs.append(f"the target, or what is beside it, is not as it was when the plan was made: {seen.state}")
        if operation.destination is not None and not history.tried & {"publish"}:
            place = operation.destination
            moved = place.changed(stores[place.store].observe(place.own_address))
            if moved is not None:
                differs.append(moved)
        said.append(Difference(operation.number, progress, left, tuple(differs)))
    return said


def preview_rollback(plan: Plan, folder: Path) -> list[Return]:
    """What `rollback` would do by the journal alone, the last operation first."""
    found = _read(plan, folder)
    told = []
    for operation in reversed(plan.operations):
        past = found[operation.number]
        changed = tuple(step for step in reversed(operation.steps) if step.step in past.tried & EFFECTS)
        if past.unknown is not None:
            says, changed = f"another version of nhiscan wrote {past.unknown}: a person has to look", ()
        elif past.end is not None:
            says, changed = f"{past.end.replace('_', ' ')}: nothing would be done", ()
        elif not past.is_begun:
            says, changed = "was not begun, and would not be begun any more", ()
        elif "delete" in past.done:
            says, changed = "the old one is deleted, it can only be carried on", ()
        else:
            says = "would be taken back"
        told.append(Return(operation.number, changed, says))
    return told


def check(plan: Plan) -> None:
    """Whether the plan is what its digest says, and no operation of it does what none may do.

    Raises: PlanError.
    """
    plans.check_digest(plan)
    for operation in plan.operations:
        reasons = _unsafe(operation)
        if reasons:
            raise PlanError(f"operation {operation.number} is not safe: {'; '.join(reasons)}", hint=plans.ANOTHER)


def _unsafe(operation: Operation) -> list[str]:
    """Why these steps are not carried out in this order, whoever signed them."""
    order = [step.step for step in operation.steps]
    reasons = []
    if len(set(order)) < len(order) or not set(order) <= set(get_args(Step)) - {"on", "restore", "discard"}:
        reasons.append("its steps are not those of a plan")
    for planned in operation.steps:
        if planned.step in ("off", "delete") and planned.decision != planned.step:
            reasons.append(f"nobody has to decide on {planned.step}")
        if planned.step in ("quiet", "observe") and planned.wait_s < 0:
            reasons.append(f"{planned.step} does not wait")
    can = operation.capabilities
    if can.can_turn_off and "delete" in order and _is_after(order, "delete", "off", "observe"):
        reasons.append("it deletes what was not off and watched")
    if "publish" in order and _is_after(order, "publish", "create", "stage", "verify"):
        reasons.append("it hands out what was not kept and tried")
    if "create" in order and "delete" in order and _is_after(order, "delete", "create"):
        reasons.append("it deletes the old one first")
    if "create" in order and not can.stores_itself and (operation.destination is None or "publish" not in order):
        reasons.append("what it makes has no place to go")
    return reasons


def _is_after(order: list[Step], step: Step, *before: Step) -> bool:
    """True where one of `before` is missing ahead of `step`."""
    ahead = order[: order.index(step)]
    return not set(before) <= set(ahead)


def _run(
    plan: Plan,
    folder: Path,
    sessions: Mapping[str, Session],
    stores: Mapping[str, Store],
    approved: Approved,
    clock: Callable[[], datetime],
    wait: Callable[[float], None],
    most_operations: int | None,
    tell: Callable[[str], None],
    *,
    is_rollback: bool,
) -> Result:
    check(plan)
    with journal.opened(folder, clock=clock) as book:
        found = histories.of(plan, book.records)
        if any(history.unknown is not None for history in found.values()):
            return _result(plan, found, [])
        _is_the_same(plan, folder, book.records)
        if not any(history.is_begun for history in found.values()):
            plans.check_expiry(plan, clock())
        if not book.records:
            book.append("opened", plan=plan.digest, version=__version__)
        means = Means(plan, folder, book, approved, clock, wait, tell)
        operations = [operation for operation in plan.operations if found[operation.number].end is None]
        if is_rollback:
            begun = [operation for operation in reversed(operations) if found[operation.number].is_begun]
            if not begun:
                raise PlanError(f"plan {plan.plan_id}: nothing is under way", hint="there is nothing to roll back")
            for operation in operations:
                if operation not in begun:
                    found[operation.number].take(book.append("rolled_back", operation.number))
            operations = begun
        worked: list[Progress] = []
        refused: PlanError | None = None
        for operation in operations[:most_operations]:
            history = found[operation.number]
            work = Work(means, operation, history, sessions[operation.adapter], _store(operation, stores))
            try:
                _work(work, is_rollback=is_rollback or history.goes_back)
            except PlanError as error:
                if not is_rollback:
                    raise
                refused = refused or error
                continue
            worked.append(histories.progress(operation, history))
            if (worked[-1].state == "human" or worked[-1].waits_for == "answer") and not is_rollback:
                break
        if refused is not None:
            raise refused
        return _result(plan, found, worked)


def _work(work: Work, *, is_rollback: bool) -> None:
    try:
        if not is_rollback and not work.history.is_begun:
            changed = _changed(work.operation, work.session)
            if changed:
                raise PlanError(f"operation {work.operation.number}: {'; '.join(changed)}", hint=plans.ANOTHER)
        work.may_change()
        if is_rollback:
            backward.run(work)
        else:
            forward.run(work)
    except HaltError as halt:
        work.halted(halt)
    except BusyError as error:
        work.halted(work.busy(error))
    except (RefusedError, UnansweredError) as error:  # of a question: nothing was changed by it
        silent: WaitsFor | None = "answer" if isinstance(error, UnansweredError) else None
        work.halted(HaltError(f"{error.message}{f' ({error.hint})' if error.hint else ''}", waits_for=silent))


def _read(plan: Plan, folder: Path) -> dict[int, History]:
    """The history of each operation. Raises: PlanError where the journal is another plan's, StoreError."""
    records = journal.read(folder)
    _is_the_same(plan, folder, records)
    return histories.of(plan, records)


def _is_the_same(plan: Plan, folder: Path, records: Sequence[journal.Record]) -> None:
    for record in records:
        if record.kind == "opened" and record.data["plan"] != plan.digest:
            raise PlanError(
                f"{folder / journal.NAME} is of another plan with the same id {plan.plan_id}",
                hint="carry on with the plan that was begun; put its plan.json back where somebody replaced it",
            )


def _changed(operation: Operation, session: Session) -> list[str]:
    """What the provider can do by now that the plan did not know, or that its requester says otherwise."""
    now: Capabilities = written.made(Capabilities, written.told(session.capabilities(operation.target)))
    return [
        f"{name} is {getattr(now, name)}, it was {getattr(operation.capabilities, name)} when the plan was made"
        for name in _BEHAVIOUR
        if getattr(now, name) != getattr(operation.capabilities, name)
    ]


def _store(operation: Operation, stores: Mapping[str, Store]) -> Store | None:
    if operation.destination is None:
        return None
    return stores[operation.destination.store]


def _result(plan: Plan, found: Mapping[int, History], worked: list[Progress]) -> Result:
    """`worked`: the operations of this run. Nothing unknown is closed, and what was not begun waits for another run."""
    told = tuple(histories.progress(operation, found[operation.number]) for operation in plan.operations)
    stopped = [progress for progress in worked or told if progress.state == "human"]
    if stopped:
        return Result("human", told, stopped[0].says, since=stopped[0].since)
    waiting = [progress for progress in told if progress.state not in ("closed", "rolled_back")]
    if not waiting:
        if any(progress.state == "rolled_back" for progress in told):
            return Result("rolled_back", told)
        if plan.guided:  # whoever reads that it is closed would take these for done
            left = f"{len(plan.guided)} of {len(plan.guided) + len(told)} items are left to people, by hand"
            return Result("human", told, f"{left}; the next scan confirms them")
        return Result("closed", told)
    silent = [progress for progress in worked if progress.waits_for == "answer"]
    if silent:
        return Result("unanswered", told, silent[0].says, silent[0].waits_for, silent[0].since)
    paused = [progress for progress in waiting if progress.state == "waiting"]
    if not paused:
        says = f"{len(waiting)} of {len(told)} operations are still to be begun: run it again"
        return Result("waiting", told, says, "others")
    first = min(paused, key=lambda progress: (progress.until is None, progress.until or datetime.max))
    return Result("waiting", told, first.says, first.waits_for, first.since, first.until)


__all__ = [
    "EXIT_CODES",
    "STOP",
    "Difference",
    "Result",
    "Return",
    "apply",
    "check",
    "preview",
    "preview_rollback",
    "rollback",
    "status",
]
