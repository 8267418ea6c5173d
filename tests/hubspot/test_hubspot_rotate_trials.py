"""The removal of a user broken off at every boundary, and with every fault at the edge, carried on to its end."""

from __future__ import annotations

import dataclasses
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest

from fixtures.hubspot.account import CEDAR_USER, acme
from fixtures.hubspot.simulator import USERS, Fate, Nasty, Simulator
from nhiscan.collect import Context
from nhiscan.remediate import contract
from nhiscan.remediate.contract import Session
from nhiscan.secret import Secret
from tests.hubspot.test_hubspot_rotate import SCOPES, user
from tests.remediation import trials
from tests.remediation.trials import Clock, Trial, Truth, World

GONE = f"DELETE {USERS}/{CEDAR_USER}"


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with Simulator() as simulator:
        yield simulator
    assert not simulator.violations


@pytest.fixture(scope="module")
def key(running: Simulator) -> str:
    value = f"canary-{secrets.token_hex(16)}"
    running.tokens[value] = SCOPES
    return value


@pytest.fixture(scope="module")
def users(running: Simulator, key: str) -> Session:
    session: Session = contract.load("hubspot")(Secret(key), base_url=running.url).session(
        Context(as_of=running.account.now)
    )
    return session


@pytest.fixture
def make(running: Simulator, key: str, users: Session) -> Callable[[Clock], World]:
    """A fresh account of the running simulator, with the partner's user in it."""

    def made(clock: Clock) -> World:
        running.account, running.nasty = acme(), Nasty()
        running.calls.clear()
        plan = trials.plan(users, user(), at=clock.now, action="revoke")

        def look() -> Truth:
            return Truth("live" if str(CEDAR_USER) in running.account.users else "gone")

        return World(plan, {"hubspot": users}, {}, look, secrets=lambda: (key,))

    return made


@pytest.mark.parametrize("pairs", [False, True])
def test_no_crash_breaks_a_promise(make: Any, tmp_path: Path, *, pairs: bool) -> None:
    count = trials.crashes(make, tmp_path, pairs=pairs)
    assert not count.violations
    assert count.trials > (count.boundaries if not pairs else count.boundaries * count.boundaries // 3) >= 10


def test_no_rollback_breaks_a_promise(make: Any, tmp_path: Path) -> None:
    count = trials.rollbacks(make, tmp_path)
    assert not count.violations
    assert count.trials > count.boundaries >= 10


def test_no_fault_of_a_call_breaks_a_promise(make: Any, tmp_path: Path) -> None:
    count = trials.faults(make, tmp_path)
    assert not count.violations
    assert count.trials == 1 + count.boundaries * len(trials.FAULTS)


@pytest.mark.parametrize("first", [fate for fate in get_args(Fate) if fate != "late"])
@pytest.mark.parametrize("second", [None, "cut", "lost", "503"])
@pytest.mark.parametrize("stale", [0, 2, 7])
def test_faults_at_the_edge_end_in_one_removal(
    running: Simulator, make: Any, tmp_path: Path, first: Fate, second: Fate | None, stale: int
) -> None:
    trial = Trial(make, tmp_path)
    running.nasty.changes = [fate for fate in (first, second) if fate is not None]
    running.nasty.stale = stale
    trial.carry_on()
    assert trial.end[0] == "closed", trial.says
    assert not trial.violations
    removals = [event for event in running.account.security if event.fields["type"] == "REMOVE_USER"]
    assert [event.fields["objectId"] for event in removals].count(str(CEDAR_USER)) == 1


def test_nothing_is_removed_without_a_decision(running: Simulator, make: Any, tmp_path: Path) -> None:
    def refusing(clock: Clock) -> World:
        world: World = make(clock)
        return dataclasses.replace(world, approved=lambda operation, decision: ["nobody agreed"])

    trial = Trial(refusing, tmp_path)
    assert trial.apply().waits_for == "approval"
    assert not running.paths(GONE)


@pytest.mark.parametrize("change", [{"superAdmin": True}, {"email": "carla@other.example"}, {"roleIds": ["77", "78"]}])
def test_a_user_whom_somebody_changed_since_the_plan_is_not_removed(
    running: Simulator, make: Any, tmp_path: Path, change: dict[str, Any]
) -> None:
    trial = Trial(make, tmp_path)
    running.account.users[str(CEDAR_USER)].update(change)
    trials.refused(trial.apply)
    assert not running.paths(GONE)
