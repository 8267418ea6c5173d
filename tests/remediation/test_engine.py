"""What the engine does on a small model of a provider: whatever breaks, nothing is lost and nothing is cut off."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from nhiscan.errors import LockError, StoreError
from nhiscan.remediate import engine, journal
from nhiscan.remediate import plan as plans
from nhiscan.remediate.contract import BusyError, Capabilities, Step, Target, UnansweredError
from nhiscan.remediate.plan import Decision, Operation, PlanError
from tests.remediation import trials
from tests.remediation.model import ADDRESS, CLASSES, OLD, Documents, Keys, around, planned, world
from tests.remediation.trials import GRACE, NOW, OBSERVE, Clock, Trial, World

# How many trials there are at least of each kind; a number that falls says that boundaries are no longer seen.
SINGLES: Final[Mapping[str, int]] = {
    "shown once": 68,
    "shown once, contained": 62,
    "made by us": 52,
    "made by us, contained": 48,
    "in place of the old one": 52,
    "stores itself": 26,
    "switched off, then deleted": 32,
    "switched off only": 22,
    "deleted only": 18,
}
PAIRS: Final[Mapping[str, int]] = {
    "shown once": 2600,
    "made by us": 1500,
    "in place of the old one": 1600,
    "stores itself": 400,
    "switched off, then deleted": 600,
    "deleted only": 200,
}
TROUBLE: Final[Mapping[str, Mapping[str, Any]]] = {
    "none": {},
    "reads lag behind": {"lag": 3},
    "the new one is not known everywhere yet": {"settling": 4},
    "the store cannot read back what it keeps": {"is_readable": False},
    "the provider knows the key of a call": {"tells_keys": True},
}


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("trouble", TROUBLE)
def test_no_single_crash_breaks_a_promise(name: str, trouble: str, tmp_path: Path) -> None:
    count = trials.crashes(lambda clock: world(name, clock, **TROUBLE[trouble]), tmp_path)

    print(f"{name}, {trouble}: {count.trials} trials")
    assert not count.violations
    assert count.trials > count.boundaries >= SINGLES[name]


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("trouble", TROUBLE)
def test_every_crash_can_be_rolled_back_until_the_old_one_is_deleted(name: str, trouble: str, tmp_path: Path) -> None:
    count = trials.rollbacks(lambda clock: world(name, clock, **TROUBLE[trouble]), tmp_path)

    assert not count.violations
    assert count.trials > count.boundaries >= SINGLES[name]


@pytest.mark.parametrize("name", CLASSES)
@pytest.mark.parametrize("trouble", TROUBLE)
def test_no_answer_that_is_lost_refused_or_late_breaks_a_promise(name: str, trouble: str, tmp_path: Path) -> None:
    count = trials.faults(lambda clock: world(name, clock, **TROUBLE[trouble]), tmp_path)

    assert not count.violations
    assert count.trials == 1 + count.boundaries * len(trials.FAULTS)


@pytest.mark.parametrize("name", PAIRS)
def test_no_two_crashes_in_a_row_break_a_promise(name: str, tmp_path: Path) -> None:
    count = trials.crashes(lambda clock: world(name, clock), tmp_path, pairs=True)

    print(f"{name}: {count.trials} trials of two crashes")
    assert not count.violations
    assert count.trials >= PAIRS[name]


@pytest.mark.parametrize("name", ["switched off, then deleted", "made by us"])
def test_no_crash_of_a_rollback_breaks_a_promise(name: str, tmp_path: Path) -> None:
    count = trials.rollbacks(lambda clock: world(name, clock), tmp_path, pairs=True)

    print(f"{name}: {count.trials} rollbacks of two crashes")
    assert not count.violations
    assert count.trials >= 300


@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_disk_that_is_full_at_any_record_loses_nothing(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls, fails = getattr(os, call), [0], [0]

    def full(*args: Any) -> Any:
        calls[0] += 1
        if calls[0] == fails[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return real(*args)

    monkeypatch.setattr(os, call, full)
    undisturbed, _ = made("shown once", tmp_path)
    undisturbed.carry_on()
    for number in range(1, calls[0] + 1):
        trial, _ = made("shown once", tmp_path)
        calls[0], fails[0] = 0, number
        with contextlib.suppress(StoreError):
            trial._until_ended(trial.apply)
        trial.check()
        trial.carry_on()
        assert trial.end == undisturbed.end, number
        assert not trial.violations, number
    assert number >= 25


@pytest.mark.parametrize("kind", trials.FAULTS)
@pytest.mark.parametrize(
    ("name", "runs"), [("shown once", 4), ("shown once, contained", 4), ("made by us", 4), ("stores itself", 1)]
)
def test_no_answer_that_is_lost_while_rolling_back_breaks_a_promise(
    name: str, runs: int, kind: trials.Fault, tmp_path: Path
) -> None:
    def ran(fails: int | None) -> Trial:
        trial, _ = made(name, tmp_path)
        lacking(trial, "delete")
        for _ in range(runs):
            trial.apply()
            trial.clock.wait(86_400)
        before = trial.calls
        trial.fails = {} if fails is None else {before + fails: kind}
        trial.roll_back()
        trial.calls -= before
        return trial

    calls = ran(None).calls
    assert calls
    for call in range(1, calls + 1):
        trial = ran(call)
        assert trial.last_failed
        assert trial.is_rolled_back
        assert trial.world.look().shape() == trial.first.shape()
        assert not trial.violations


class Killed(Trial):
    """A trial whose process really dies; the world outlives it in a file."""

    at = 0

    def boundary(self, name: str) -> None:
        super().boundary(name)
        keys = self.world.sessions["model"]
        (self.state.parent / "world").write_bytes(pickle.dumps((keys, self.world.plan, self.effects)))
        if self.boundaries == self.at:
            signal.raise_signal(signal.SIGKILL)


def kept_world(clock: Clock, file: Path) -> World:
    keys, plan, _ = pickle.loads(file.read_bytes())
    clock.at = keys.clock.at
    keys.clock = keys.kept.clock = clock
    return around(keys, plan)


_DIES: Final = """
import sys
from pathlib import Path
from tests.remediation.model import world
from tests.remediation.test_engine import Killed
trial = Killed(lambda clock: world("shown once", clock), Path(sys.argv[1]))
trial.at = int(sys.argv[2])
trial.carry_on()
"""


@pytest.mark.parametrize("at", [6, 8, 12, 26, 41, 57])
def test_a_process_that_is_killed_is_carried_on_by_another(at: int, tmp_path: Path) -> None:
    died = subprocess.run([sys.executable, "-c", _DIES, str(tmp_path), str(at)], check=False, timeout=60)

    assert died.returncode == -signal.SIGKILL
    trial = Trial(lambda clock: kept_world(clock, tmp_path / "world"), tmp_path, is_kept=True)
    trial.first = trials.Truth("live", {}, frozenset(), works=True)
    *_, trial.effects = pickle.loads((tmp_path / "world").read_bytes())
    trial.carry_on()
    assert trial.end == ("closed", ("gone", ["live"], True))
    assert not trial.violations


# What is refused.


def made(name: str, tmp_path: Path, **trouble: Any) -> tuple[Trial, Keys]:
    """A trial of a class that has not run yet, and its provider."""
    trial = Trial(lambda clock: world(name, clock, **trouble), tmp_path)
    keys = trial.world.sessions["model"]
    assert isinstance(keys, Keys)
    return trial, keys


def with_plan(trial: Trial, **changes: Any) -> None:
    """Another plan in the same world, with the digest that `changes` may give or not."""
    trial.world = dataclasses.replace(trial.world, plan=dataclasses.replace(trial.world.plan, **changes))


def with_operation(trial: Trial, **changes: Any) -> None:
    """As somebody who could sign it would have it."""
    operation = dataclasses.replace(trial.world.plan.operations[0], **changes)
    plan = dataclasses.replace(trial.world.plan, operations=(operation,))
    trial.world = dataclasses.replace(trial.world, plan=trials.sealed(plan))


def is_untouched(trial: Trial) -> bool:
    return trial.world.look() == trial.first and not trial.effects


def test_an_edited_plan_is_refused(tmp_path: Path) -> None:
    trial, _ = made("shown once", tmp_path)
    with_plan(trial, mode="contain")

    with pytest.raises(PlanError, match="was edited"):
        trial.apply()
    assert is_untouched(trial)


def test_a_plan_that_nobody_began_in_time_is_refused(tmp_path: Path) -> None:
    trial, _ = made("shown once", tmp_path)
    trial.clock.wait(86_400)

    with pytest.raises(PlanError, match="expired"):
        trial.apply()
    assert is_untouched(trial)


def test_a_plan_that_waited_for_approval_expires_all_the_same(tmp_path: Path) -> None:
    trial, _ = made("shown once", tmp_path)
    lacking(trial, "start")
    assert trial.apply().waits_for == "approval"
    trial.clock.wait(86_400)

    with pytest.raises(PlanError, match="expired"):
        trial.apply()
    assert is_untouched(trial)


def test_a_plan_on_another_state_of_the_world_is_refused(tmp_path: Path) -> None:
    trial, keys = made("shown once", tmp_path)
    keys.set(OLD, "off")

    with pytest.raises(PlanError, match="somebody changed model:acme:key/key-old") as error:
        trial.apply()
    assert "nothing was done" in error.value.hint
    assert not trial.effects


def test_a_plan_whose_neighbour_came_since_is_refused(tmp_path: Path) -> None:
    trial, keys = made("shown once", tmp_path)
    other = keys.add()

    with pytest.raises(PlanError, match=other):
        trial.apply()
    assert not trial.effects


def test_a_plan_for_what_the_provider_does_not_do_any_more_is_refused(tmp_path: Path) -> None:
    trial, keys = made("shown once", tmp_path)
    keys.can = dataclasses.replace(keys.can, can_turn_off=False)

    with pytest.raises(PlanError, match="can_turn_off is False, it was True"):
        trial.apply()
    assert is_untouched(trial)


def test_a_value_that_somebody_stored_since_is_not_overwritten(tmp_path: Path) -> None:
    trial, keys = made("shown once", tmp_path)
    keys.kept.put(keys.kept.versions[-1])

    result = trial.apply()
    assert result.state == "human"
    assert f"{ADDRESS} is not as the plan knew it" in result.says
    assert not trial.effects


def test_the_journal_of_another_plan_is_not_gone_on_with(tmp_path: Path) -> None:
    trial, _ = made("shown once", tmp_path)
    trial.apply()
    with_operation(trial, why="another reason")

    with pytest.raises(PlanError, match="another plan with the same id"):
        trial.apply()


@pytest.mark.parametrize("operation", [1, None])
def test_a_record_of_another_version_stops_everything(operation: int | None, tmp_path: Path) -> None:
    trial, _ = made("shown once", tmp_path)
    trial.apply()
    was = (trial.folder / journal.NAME).read_bytes()
    with journal.opened(trial.folder, clock=trial.clock.now) as book, pytest.MonkeyPatch.context() as patch:
        patch.setattr(journal, "KINDS", {**journal.KINDS, "paused": frozenset()})
        book.append("paused", operation)
    effects = list(trial.effects)
    written = (trial.folder / journal.NAME).read_bytes()
    assert written != was

    for run in (trial.apply, trial.roll_back_once):
        result = run()
        assert result.state == "human"
        assert "another version of nhiscan wrote record" in result.says
    assert trial.effects == effects
    assert (trial.folder / journal.NAME).read_bytes() == written


def steps_without(operation: Operation, *steps: Step) -> tuple[Any, ...]:
    return tuple(step for step in operation.steps if step.step not in steps)


def undecided(operation: Operation, step: Step) -> tuple[Any, ...]:
    return tuple(dataclasses.replace(each, decision=None) if each.step == step else each for each in operation.steps)


@pytest.mark.parametrize(
    "change",
    [
        lambda operation: {"steps": steps_without(operation, "observe")},
        lambda operation: {"steps": steps_without(operation, "off")},
        lambda operation: {"steps": steps_without(operation, "verify")},
        lambda operation: {"steps": steps_without(operation, "publish")},
        lambda operation: {"steps": undecided(operation, "off")},
        lambda operation: {"steps": undecided(operation, "delete")},
        lambda operation: {"steps": operation.steps[::-1]},
        lambda operation: {"steps": operation.steps * 2},
        lambda operation: {"destination": None},
    ],
)
def test_steps_that_no_plan_may_have_are_refused_whoever_signed_them(
    change: Callable[[Operation], dict[str, Any]], tmp_path: Path
) -> None:
    trial, _ = made("shown once", tmp_path)
    with_operation(trial, **change(trial.world.plan.operations[0]))

    with pytest.raises(PlanError, match="is not safe"):
        trial.apply()
    assert is_untouched(trial)


# What it waits for.


def lacking(trial: Trial, *decisions: Decision) -> None:
    """Nobody has agreed to these."""

    def approved(operation: Operation, decision: Decision) -> list[str]:
        return ["nobody agreed"] if decision in decisions else []

    trial.world = dataclasses.replace(trial.world, approved=approved)


@pytest.mark.parametrize(
    ("decision", "target", "done"),
    [("start", "live", []), ("off", "live", ["create"]), ("delete", "off", ["create", "off"])],
)
def test_nothing_goes_past_a_decision_that_is_not_agreed(
    decision: Decision, target: str, done: list[str], tmp_path: Path
) -> None:
    trial, _ = made("shown once", tmp_path)
    lacking(trial, decision)

    result = trial.apply()
    while result.waits_for == "time" or result.waits_for == "usage":
        trial.clock.wait(86_400)
        result = trial.apply()
    assert (result.state, result.waits_for) == ("waiting", "approval")
    assert result.says == f"{decision} is not agreed: nobody agreed"
    assert trial.world.look().target == target
    assert [step for step, _, _ in trial.effects] == done


def test_an_approval_that_ended_in_the_meantime_does_not_count(tmp_path: Path) -> None:
    trial, _ = made("shown once", tmp_path)
    trial.apply()
    lacking(trial, "off")

    assert trial._until_ended(trial.apply).waits_for == "approval"
    assert trial.world.look().target == "live"


def test_a_decision_is_written_down_with_the_approvals_that_were_there(tmp_path: Path) -> None:
    trial, _ = made("shown once", tmp_path)
    (trial.folder / "approvals").mkdir()
    (trial.folder / "approvals" / "1.json").write_text("{}")
    trial.apply()

    decided = [record for record in trial.records if record.kind == "decided"]
    assert [record.data["decision"] for record in decided] == ["start"]
    assert list(decided[0].data["approvals"]) == ["1.json"]


def test_waiting_is_written_down_once_however_often_somebody_looks(tmp_path: Path) -> None:
    trial, _ = made("shown once", tmp_path)
    first = trial.apply()
    lines = len(trial.records)
    assert trial.apply() == first
    assert len(trial.records) == lines
    assert (first.state, first.waits_for) == ("waiting", "time")


def test_the_old_one_is_not_cut_off_while_somebody_still_uses_it(tmp_path: Path) -> None:
    trial, keys = made("shown once", tmp_path)
    keys.kept.delays = (timedelta(days=20),)
    trial.carry_on()

    off = next(at for step, _, at in trial.effects if step == "off")
    assert off >= NOW + timedelta(days=20) + GRACE
    assert trial.end[0] == "closed"


def test_the_old_one_is_not_cut_off_before_the_new_one_is_used(tmp_path: Path) -> None:
    trial, keys = made("shown once", tmp_path)
    keys.kept.delays = ()

    result = trial._until_ended(trial.apply)
    assert (result.state, result.waits_for, result.until) == ("waiting", "usage", None)
    assert "nobody has used the new one yet" in result.says
    assert trial.world.look().target == "live"


def test_use_that_cannot_be_read_any_more_is_not_no_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trial, keys = made("shown once", tmp_path)
    observe = keys.observe
    monkeypatch.setattr(
        keys, "observe", lambda target: dataclasses.replace(observe(target), last_used_at=None, usage_known=False)
    )
    result = trial._until_ended(trial.apply)
    assert (result.state, result.waits_for) == ("waiting", "usage")
    assert trial.world.look().target == "live"


def test_deleting_waits_anew_when_somebody_tried_the_old_one(tmp_path: Path) -> None:
    trial, keys = made("shown once", tmp_path)
    lacking(trial, "delete")
    while not [step for step, _, _ in trial.effects if step == "off"]:
        trial.clock.wait(3600)
        trial.apply()
    keys.kept.given_out.append((trial.clock.at + timedelta(days=3), OLD))
    keys.kept.given_out.append((trial.clock.at + timedelta(days=4), "key-1"))
    off = next(at for step, _, at in trial.effects if step == "off")
    trial.clock.at = off + OBSERVE

    result = trial.apply()
    assert (result.state, result.waits_for) == ("waiting", "usage")
    assert "roll back if they need it" in result.says
    assert result.until is not None
    assert result.until > trial.clock.at


# What stops it.


def test_the_stop_file_stops_before_the_next_effect(tmp_path: Path) -> None:
    trial, _ = made("shown once", tmp_path)
    stop = trial.state / engine.STOP
    stop.touch()
    result = trial.apply()
    assert result.state == "human"
    assert str(stop) in result.says
    assert is_untouched(trial)

    stop.unlink()
    trial.carry_on()
    assert trial.end[0] == "closed"


@pytest.mark.parametrize("step", ["create", "store stage", "store publish", "off", "delete"])
def test_the_stop_file_is_looked_at_between_intent_and_effect(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, _ = made("shown once", tmp_path)
    append = journal.Journal.append
    name = step.rpartition(" ")[2]

    def pulls(self: journal.Journal, kind: str, *args: Any, **data: Any) -> journal.Record:
        if kind == "intent" and args[1] == name:
            (trial.state / engine.STOP).touch()
        return append(self, kind, *args, **data)

    monkeypatch.setattr(journal.Journal, "append", pulls)
    calls = trial.calls
    assert trial._until_ended(trial.apply).state == "human"
    done = [kind for kind, _, _ in trial.effects]
    assert name not in done
    assert trial.calls - calls == ["create", "store stage", "store publish", "off", "delete"].index(step)


@pytest.mark.parametrize("step", ["create", "off", "delete"])
def test_a_missing_permission_is_named_and_nothing_is_lost(step: Step, tmp_path: Path) -> None:
    trial, keys = made("shown once", tmp_path)
    keys.lacks = frozenset({step})
    result = trial._until_ended(trial.apply)
    assert result.state == "human"
    assert f"lacks keys:{step}" in result.says

    keys.lacks = frozenset()
    trial.carry_on()
    assert trial.end[0] == "closed"
    assert not trial.violations


@pytest.mark.parametrize("call", ["observe", "effect", "accepts"])
def test_a_provider_that_is_busy_for_long_is_left_to_a_later_run(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, keys = made("shown once", tmp_path)

    def is_busy(*args: Any, **more: Any) -> Any:
        raise BusyError("the requests of a day are used up", after=timedelta(hours=1))

    monkeypatch.setattr(keys, call, is_busy)
    result = trial.apply()
    assert (result.state, result.waits_for) == ("waiting", "provider")
    assert "the requests of a day are used up" in result.says
    assert trial.clock.at - NOW < timedelta(minutes=1)
    assert result.until == trial.clock.at + timedelta(hours=1)

    monkeypatch.undo()
    trial.carry_on()
    assert trial.end[0] == "closed"


def test_a_pause_that_somebody_would_wonder_at_is_told(tmp_path: Path) -> None:
    trial, keys = made("shown once", tmp_path, settling=1)
    keys.can = dataclasses.replace(keys.can, settles_in=timedelta(minutes=1))
    with_operation(trial, capabilities=keys.can)
    trial.apply()

    assert "operation 1: the new credential is not let in yet; again in 30 s" in trial.told
    assert "operation 1: the new credential is let in 1 of 3 times in a row; again in 30 s" in trial.told


def test_a_full_slot_is_never_freed(tmp_path: Path) -> None:
    clock = Clock()
    can, _, _ = CLASSES["shown once"]
    keys = Keys(clock, can, Documents(clock))
    other = keys.add()
    trial = Trial(lambda clock: around(keys, planned(keys)), tmp_path)

    result = trial._until_ended(trial.apply)
    assert result.state == "human"
    assert "end one that nobody uses" in result.says
    assert keys.keys[other].state == "live"
    assert set(keys.keys) == {OLD, other}


def lost_create(trial: Trial, meanwhile: Callable[[], object]) -> engine.Result:
    """`create` answers nothing, and somebody does something in the same moment."""
    keys = trial.world.sessions["model"]
    effect = keys.effect

    def lost(step: Step, *args: Any, **more: Any) -> Any:
        if step == "create":
            meanwhile()
            raise UnansweredError("create: timed out")
        return effect(step, *args, **more)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "effect", lost)
        return trial.apply()


def test_of_two_that_may_have_been_made_a_person_says_which(tmp_path: Path) -> None:
    trial, keys = made("shown once", tmp_path)
    keys.can = dataclasses.replace(keys.can, overlap=3)
    with_operation(trial, capabilities=keys.can)
    result = lost_create(trial, lambda: (keys.add(), keys.add()))

    assert result.state == "human"
    assert "key-1, key-2 were made meanwhile" in result.says
    assert set(keys.keys) == {OLD, "key-1", "key-2"}


def test_one_that_somebody_uses_is_not_ended_as_an_orphan(tmp_path: Path) -> None:
    trial, keys = made("shown once", tmp_path)

    result = lost_create(trial, keys.add)
    assert (result.state, result.waits_for) == ("waiting", "usage")
    assert result.says == "whether somebody uses key-1, which is most likely what this plan made"
    for run in (trial.apply, trial.roll_back_once):
        result = trial._until_ended(run)
        assert result.state == "human"
        assert "yet somebody uses it" in result.says
    assert set(keys.keys) == {OLD, "key-1"}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda keys: keys.add(), "key-2 is live, it was not there"),
        (lambda keys: keys.set("key-1", "off"), "key-1 is off, it was live"),
        (lambda keys: keys.set(OLD, "off"), "the target is off, it was live"),
        (lambda keys: keys.kept.put(keys.kept.versions[0]), "does not hold the new secret any more"),
    ],
)
def test_what_somebody_else_changed_in_between_stops_it_in_words(
    change: Callable[[Keys], object], says: str, tmp_path: Path
) -> None:
    trial, keys = made("shown once", tmp_path)
    lacking(trial, "off")
    assert trial._until_ended(trial.apply).waits_for == "approval"
    change(keys)
    lacking(trial)

    for _ in range(2):  # it stays so until somebody mends it
        result = trial.apply()
        assert result.state == "human"
        assert says in result.says
    assert "off" not in [step for step, _, _ in trial.effects]


@pytest.mark.parametrize(
    ("name", "before"),
    [
        ("shown once", "off"),
        ("shown once", "delete"),
        ("shown once, contained", "delete"),
        ("switched off, then deleted", "delete"),
    ],
)
def test_what_somebody_else_deleted_is_carried_on_and_not_rolled_back(
    name: str, before: Decision, tmp_path: Path
) -> None:
    trial, keys = made(name, tmp_path)
    lacking(trial, before)
    assert trial._until_ended(trial.apply).waits_for == "approval"
    keys.set(OLD, "gone")

    with pytest.raises(PlanError, match="cannot be rolled back: the old one is deleted"):
        trial.roll_back_once()
    assert trial._until_ended(trial.apply).state == "closed"
    assert any("somebody else deleted the old one" in said for said in trial.told)
    assert trial.world.look().works is not False
    assert "delete" not in [step for step, _, _ in trial.effects]


def test_a_new_one_is_handed_out_although_somebody_deleted_the_old_one_meanwhile(tmp_path: Path) -> None:
    trial, keys = made("shown once, contained", tmp_path, settling=10**6)
    assert trial.apply().waits_for == "provider"
    keys.set(OLD, "gone")
    keys.keys["key-1"].refusals_left = 0

    trial.carry_on()
    assert trial.end == ("closed", ("gone", ["live"], True))


def test_what_was_switched_on_again_is_not_deleted(tmp_path: Path) -> None:
    trial, keys = made("switched off, then deleted", tmp_path)
    trial.apply()
    keys.set(OLD, "live")
    trial.clock.wait(OBSERVE.total_seconds())

    result = trial.apply()
    assert result.state == "human"
    assert result.says == "somebody else changed it: the target is live, it was off"
    assert trial.world.look().target == "live"


def test_where_there_is_room_for_many_others_come_and_go(tmp_path: Path) -> None:
    trial, keys = made("made by us", tmp_path)
    trial.apply()
    other = keys.add()
    trial.carry_on()

    assert trial.end[0] == "closed"
    assert keys.keys[other].state == "live"


@pytest.mark.parametrize("name", ["made by us", "deleted only"])
def test_neighbours_that_come_and_go_do_not_stop_a_plan_before_it_is_begun(name: str, tmp_path: Path) -> None:
    trial, keys = made(name, tmp_path)
    other = keys.add()
    assert not engine.preview(trial.world.plan, trial.folder, trial.world.sessions, trial.world.stores)[0].differs
    trial.carry_on()

    assert trial.end[0] == "closed"
    assert keys.keys[other].state == "live"


def test_a_new_one_that_is_never_let_in_is_handed_to_nobody(tmp_path: Path) -> None:
    trial, keys = made("shown once", tmp_path, settling=10**6)
    first = trial.apply()
    assert (first.state, first.waits_for) == ("waiting", "provider")
    result = trial._until_ended(trial.apply)

    assert result.state == "human"
    assert "does not let key-1 in" in result.says
    assert len(keys.kept.versions) == 1


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("shown once", "the old one is untouched"),
        ("shown once, contained", "the old one is off already"),
        ("in place of the old one", "whether the old one still is, is not known"),
    ],
)
def test_what_became_of_the_old_one_is_not_made_up(name: str, says: str, tmp_path: Path) -> None:
    trial, _ = made(name, tmp_path, settling=10**6)
    assert says in trial.apply().says


def test_a_rollback_is_refused_once_the_old_one_is_deleted(tmp_path: Path) -> None:
    trial, _ = made("switched off, then deleted", tmp_path)
    trial.crashes = {26}  # before the `done` of delete
    trial.run_to_crash()
    assert trial.world.look().target == "gone"

    with pytest.raises(PlanError, match="cannot be rolled back: the old one is deleted"):
        trial.roll_back_once()
    trial.carry_on()
    assert trial.end[0] == "closed"


def test_a_new_one_that_is_in_use_outlives_the_rollback_until_it_is_not(tmp_path: Path) -> None:
    trial, keys = made("shown once", tmp_path)
    trial.apply()
    keys.kept.delays = (timedelta(days=9),)  # since then, whoever reads the store does so every nine days
    trial.clock.wait(10 * 86_400)
    result = trial.roll_back_once()
    assert (result.state, result.waits_for) == ("waiting", "time")
    assert keys.lets_in(keys.kept.versions[-1]["secret"].reveal())
    assert keys.kept.versions[-1]["id"].reveal() == OLD

    restored = trial.clock.at
    trial.roll_back()
    discarded = next(at for step, _, at in trial.effects if step == "discard")
    assert discarded >= restored + timedelta(days=9) + GRACE
    assert trial.is_rolled_back
    assert not trial.violations


def test_the_last_one_that_lives_is_not_ended_by_a_rollback(tmp_path: Path) -> None:
    trial, keys = made("shown once", tmp_path)
    lacking(trial, "off")
    assert trial._until_ended(trial.apply).waits_for == "approval"
    assert trial.roll_back_once().state == "waiting"
    assert [said for said in trial.told if "restore" in said or "discard" in said]
    keys.set(OLD, "gone")

    result = trial._until_ended(trial.roll_back_once)
    assert result.state == "human"
    assert "the new one, key-1, is the only one left" in result.says
    assert set(keys.keys) == {"key-1"}


def test_what_a_person_does_about_a_foreign_change_is_said_and_the_plan_can_be_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, keys = made("switched off, then deleted", tmp_path)
    look, version = keys.observe, ["1"]

    def versioned(target: Target) -> Any:
        seen = dataclasses.replace(look(target), facts={"version": version[0]})
        return seen if version[0] == "1" else dataclasses.replace(seen, state="live")  # as the current one is

    monkeypatch.setattr(keys, "observe", versioned)
    can = dataclasses.replace(keys.can, changed={"version": "destroy the old one by hand"})
    target = trial.world.plan.operations[0].target
    with_operation(trial, capabilities=can, state=plans.state(can, keys.observe(target)))
    assert trial.apply().waits_for == "time"
    version[0] = "2"

    (difference,) = engine.preview(trial.world.plan, trial.folder, trial.world.sessions, trial.world.stores)
    assert difference.differs[-2:] == ("version is 2, it was 1", "destroy the old one by hand")
    result = trial.apply()
    assert result.state == "human"
    assert "version is 2, it was 1; destroy the old one by hand" in result.says
    assert trial.roll_back_once().state == "rolled_back"
    assert [step for step, _, _ in trial.effects] == ["off"]  # the old one stays off


def test_rolling_back_what_stores_itself_puts_the_earlier_version_back(tmp_path: Path) -> None:
    trial, keys = made("stores itself", tmp_path)
    trial.apply()
    assert keys.version != "v1"
    trial.roll_back()
    assert trial.is_rolled_back
    assert keys.version == "v1"


# Several operations.


def several(tmp_path: Path, number: int = 3) -> Trial:
    """Operations on different targets of one model each."""
    clock = Clock()
    can = CLASSES["switched off only"][0]
    each = []
    for n in range(number):
        target = dataclasses.replace(Target("credential", f"key-{n}", "acme", f"model-{n}"), native_id=OLD)
        each.append(Keys(clock, can, Documents(clock), target=target))

    def make(own: Clock) -> World:
        for keys in each:
            keys.clock = keys.kept.clock = own
        plan = trials.together(*(planned(keys, "revoke") for keys in each))
        sessions = {f"model-{n}": keys for n, keys in enumerate(each)}
        return World(plan, sessions, {}, lambda: trials.Truth(each[0].keys[OLD].state))

    return Trial(make, tmp_path)


def test_the_first_operation_shows_how_it_goes_before_others_are_begun(tmp_path: Path) -> None:
    trial = several(tmp_path)
    first = trial.apply(most_operations=1)
    assert [progress.state for progress in first.operations] == ["waiting", "planned", "planned"]
    trial.clock.wait(OBSERVE.total_seconds())
    second = trial.apply(most_operations=1)
    assert [progress.state for progress in second.operations] == ["closed", "planned", "planned"]
    assert (second.state, second.waits_for) == ("waiting", "others")
    third = trial.apply(most_operations=2)
    assert [progress.state for progress in third.operations] == ["closed", "waiting", "waiting"]
    trial.clock.wait(OBSERVE.total_seconds())
    assert trial.apply(most_operations=2).state == "closed"


def test_nothing_more_is_begun_after_the_first_that_went_wrong(tmp_path: Path) -> None:
    trial = several(tmp_path)
    keys = trial.world.sessions["model-1"]
    assert isinstance(keys, Keys)
    keys.lacks = frozenset({"off"})

    result = trial.apply()
    assert result.state == "human"
    assert [progress.state for progress in result.operations] == ["waiting", "human", "planned"]


def test_a_rollback_takes_the_last_operation_back_first(tmp_path: Path) -> None:
    trial = several(tmp_path)
    trial.apply(most_operations=2)
    result = trial.roll_back_once()

    assert [target for step, target, _ in trial.effects if step == "on"] == ["key-1", "key-0"]
    # What was not begun is not begun later either, by a timer or by whoever does not know.
    assert [progress.state for progress in result.operations] == ["rolled_back", "rolled_back", "rolled_back"]
    assert (result.state, result.exit_code) == ("rolled_back", 12)
    assert trial.apply().state == "rolled_back"
    assert not [target for step, target, _ in trial.effects if target == "key-2"]


def test_what_cannot_be_taken_back_does_not_keep_the_rest_from_it(tmp_path: Path) -> None:
    trial = several(tmp_path)
    trial.apply(most_operations=3)
    keys = trial.world.sessions[trial.world.plan.operations[2].adapter]
    assert isinstance(keys, Keys)
    keys.set(OLD, "gone")

    with pytest.raises(PlanError, match="operation 3 cannot be rolled back"):
        trial.roll_back_once()
    states = [progress.state for progress in engine.status(trial.world.plan, trial.folder)]
    assert states[:2] == ["rolled_back", "rolled_back"]


# Two at once, and those who only look.


def test_two_never_carry_out_plans_at_once(tmp_path: Path) -> None:
    trial, _ = made("shown once", tmp_path)
    seen: list[str] = []

    def meddling(text: str) -> None:
        seen.append(text)
        with pytest.raises(LockError):
            trial.apply()
        with pytest.raises(LockError):
            trial.roll_back_once()

    world = trial.world
    engine.apply(
        world.plan,
        trial.folder,
        world.sessions,
        world.stores,
        world.approved,
        clock=trial.clock.now,
        wait=trial.clock.wait,
        tell=meddling,
    )
    assert len(seen) > 4
    assert not trial.effects


def test_looking_changes_and_writes_nothing(tmp_path: Path) -> None:
    trial, keys = made("shown once", tmp_path)
    world = trial.world
    before = pickle.dumps(keys)
    (difference,) = engine.preview(world.plan, trial.folder, world.sessions, world.stores)
    assert not difference.differs
    assert [step.step for step in difference.steps] == [step.step for step in world.plan.operations[0].steps]
    assert engine.status(world.plan, trial.folder)[0].state == "planned"
    assert pickle.dumps(keys) == before
    assert not list(trial.folder.iterdir())


def test_a_preview_says_what_differs_from_the_plan(tmp_path: Path) -> None:
    trial, keys = made("shown once", tmp_path)
    world = trial.world
    keys.set(OLD, "off")
    keys.kept.put(keys.kept.versions[0])
    keys.can = dataclasses.replace(keys.can, can_delete=False)
    (difference,) = engine.preview(world.plan, trial.folder, world.sessions, world.stores)

    assert [text for text in difference.differs if "can_delete is False" in text]
    assert [text for text in difference.differs if "not as it was when the plan was made" in text]
    assert [text for text in difference.differs if ADDRESS in text]


def test_status_says_what_is_waited_for_since_and_until_when(tmp_path: Path) -> None:
    trial, _ = made("switched off, then deleted", tmp_path)
    trial.apply()
    (progress,) = engine.status(trial.world.plan, trial.folder)

    assert (progress.state, progress.step, progress.waits_for) == ("waiting", "observe", "time")
    assert progress.since is not None
    assert progress.until == progress.since + OBSERVE


def test_how_a_run_ends_is_told_by_its_exit_code(tmp_path: Path) -> None:
    trial, _ = made("switched off only", tmp_path)
    assert trial.apply().exit_code == 10
    trial.clock.wait(OBSERVE.total_seconds())
    assert trial.apply().exit_code == 0
    assert engine.EXIT_CODES == {"closed": 0, "unanswered": 3, "waiting": 10, "human": 11, "rolled_back": 12}


@pytest.mark.parametrize("call", ["observe", "effect", "accepts", "stage", "publish"])
def test_a_provider_that_stays_silent_is_waited_for_and_nobody_is_called(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trial, keys = made("shown once", tmp_path)
    of: Any = keys.kept if call in ("stage", "publish") else keys

    def silent(*words: Any, **more: Any) -> Any:
        raise UnansweredError(f"{call}: timed out")

    with monkeypatch.context() as broken:
        broken.setattr(of, call, silent)
        for _ in range(2):
            result = trial.apply()
            assert (result.state, result.exit_code, result.waits_for) == ("unanswered", 3, "answer"), result.says
            assert f"{call}: timed out" in result.says
            assert engine.status(trial.world.plan, trial.folder)[0].state == "waiting"
    trial.carry_on()
    assert trial.end[0] == "closed"
    assert not trial.violations


def test_capabilities_that_differ_in_words_only_are_the_same(tmp_path: Path) -> None:
    trial, keys = made("deleted only", tmp_path)
    keys.can = Capabilities(0, "nobody", False, True, effects={"delete": "in other words"})
    trial.carry_on()
    assert trial.end[0] == "closed"
