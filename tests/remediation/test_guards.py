"""Each guard of the engine taken out: the trials have to see it, else they prove nothing."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final

import pytest

from nhiscan import chained
from nhiscan.errors import NhiscanError
from nhiscan.remediate import engine, forward, journal, waiting
from nhiscan.remediate import plan as plans
from nhiscan.remediate.work import HaltError, Work
from tests.remediation import trials
from tests.remediation.model import OLD, Keys, world
from tests.remediation.trials import Clock, Trial, World

# The size up to which each file is on the disk; what is written after that is gone when the power is.
_SAFE: Final[dict[str, int]] = {}


class PowerCut(Trial):
    """Not the process dies but the machine: what was not synced is lost."""

    def __init__(self, *args: Any, **more: Any) -> None:
        _SAFE.clear()
        super().__init__(*args, **more)

    def died(self) -> None:
        path = self.folder / journal.NAME
        if path.exists():
            os.truncate(path, min(_SAFE.get(str(path), 0), path.stat().st_size))


@pytest.fixture(autouse=True)
def power(monkeypatch: pytest.MonkeyPatch) -> None:
    def sync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        _SAFE[str(path)] = path.stat().st_size

    monkeypatch.setattr(os, "fsync", sync)


def shown_once(clock: Clock) -> World:
    return world("shown once", clock)


def power_cuts(folder: Path) -> list[str]:
    return trials.crashes(shown_once, folder, kind=PowerCut).violations


def single_crashes(folder: Path) -> list[str]:
    return trials.crashes(shown_once, folder).violations


def lagging(folder: Path) -> list[str]:
    return trials.faults(lambda clock: world("shown once", clock, lag=3), folder, kinds=("lost reply",)).violations


def meddled(change: Callable[[Trial, Keys], object]) -> Callable[[Path], list[str]]:
    """Somebody changes something before anything is begun: nothing may be done any more."""

    def run(folder: Path) -> list[str]:
        trial = Trial(shown_once, folder)
        keys = trial.world.sessions["model"]
        assert isinstance(keys, Keys)
        change(trial, keys)
        with contextlib.suppress(NhiscanError):
            trial.apply()
        done = [f"{step} was done" for step, _, _ in trial.effects]
        return [*trial.violations, *done]

    return run


def edited(trial: Trial, keys: Keys) -> None:
    del keys
    trial.world = dataclasses.replace(trial.world, plan=dataclasses.replace(trial.world.plan, reason="another"))


def switched_on(folder: Path) -> list[str]:
    """Somebody switched the old one on again while it was watched: it may not be deleted."""
    trial = Trial(lambda clock: world("switched off, then deleted", clock), folder)
    keys = trial.world.sessions["model"]
    assert isinstance(keys, Keys)
    trial.apply()
    keys.set(OLD, "live")
    trial._until_ended(trial.apply)
    return [] if trial.world.look().target == "live" else ["it was deleted while somebody used it"]


def rolled_over(folder: Path) -> list[str]:
    """Somebody put the old value back into the store: the old credential may not be switched off."""
    trial = Trial(shown_once, folder)
    keys = trial.world.sessions["model"]
    assert isinstance(keys, Keys)
    while not any(record.step == "quiet" for record in trial.records if record.kind == "waiting"):
        trial.apply()
    keys.kept.versions.append(keys.kept.versions[0])
    keys.kept.current_key = ""
    trial._until_ended(trial.apply)
    trial.check()
    return trial.violations


def cut_off(folder: Path) -> list[str]:
    trial = Trial(shown_once, folder)
    trial.carry_on()
    keys = trial.world.sessions["model"]
    assert isinstance(keys, Keys)
    off = next(at for step, _, at in trial.effects if step == "off")
    return ["somebody still used it when it was switched off"] if OLD in keys.kept.held_at(off) else []


def at_once(folder: Path) -> list[str]:
    """A second applier begins while a first one is at work."""
    trial, seen = Trial(shown_once, folder), []
    given = trial.world

    def meddling(text: str) -> None:
        del text
        with contextlib.suppress(NhiscanError):
            trial.apply()
            seen.append("I6 two carried out a plan at once")

    with contextlib.suppress(NhiscanError):
        engine.apply(
            given.plan,
            trial.folder,
            given.sessions,
            given.stores,
            given.approved,
            clock=trial.clock.now,
            wait=trial.clock.wait,
            tell=meddling,
        )
    return seen


def no_wait(*args: Any, **more: Any) -> None:
    del args, more


def seen_at_once(work: Work, is_there: Any) -> Any:
    del is_there
    return work.observe()


def stuck(work: Work, id: str | None) -> None:
    raise HaltError(f"{id} is left to somebody")


def told_by_journal(work: Work) -> Any:
    return work.observe()


# Guard -> where it stands, what is put in its place, and the trials that have to see that.
GUARDS: Final[Mapping[str, tuple[object, str, Any, Callable[[Path], list[str]]]]] = {
    "fsync": (chained, "os", SimpleNamespace(**{**vars(os), "fsync": no_wait}), power_cuts),
    "reconcile": (Work, "candidates", lambda work: (), single_crashes),
    "orphans": (forward, "_lost", stuck, single_crashes),
    "decisions": (Work, "agree", no_wait, single_crashes),
    "state hash": (Work, "unchanged", told_by_journal, meddled(lambda trial, keys: keys.set(OLD, "off"))),
    "changes in between": (Work, "unchanged", told_by_journal, switched_on),
    "read-back": (Work, "looked", seen_at_once, lagging),
    "quiet": (waiting, "for_quiet", no_wait, cut_off),
    "watch before deletion": (waiting, "for_observation", no_wait, single_crashes),
    "store that moved": (forward, "_is_ready", no_wait, rolled_over),
    "store as planned": (
        forward,
        "_is_stored_as_planned",
        no_wait,
        meddled(lambda trial, keys: keys.kept.put(keys.kept.versions[0])),
    ),
    "digest": (plans, "check_digest", no_wait, meddled(edited)),
    "expiry": (plans, "check_expiry", no_wait, meddled(lambda trial, keys: trial.clock.wait(90_000))),
    "stop file": (Work, "may_change", no_wait, meddled(lambda trial, keys: (trial.state / engine.STOP).touch())),
    "lock": (journal, "held", lambda folder: contextlib.nullcontext(), at_once),
}


@pytest.mark.parametrize("guard", GUARDS)
def test_a_guard_that_is_taken_out_is_missed(guard: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place, name, instead, seen_by = GUARDS[guard]
    assert seen_by(tmp_path) == []

    monkeypatch.setattr(place, name, instead)
    assert seen_by(tmp_path) != []
