"""The engine on a live server, broken off at every boundary: what the trials promise holds for this adapter."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from fixtures.vault.estate import Admin
from nhiscan.secret import Secret
from tests.remediation import trials
from tests.remediation.trials import Clock, Make, Truth, World
from tests.vault import rotated


@pytest.fixture
def rotation(admin: Admin) -> Make:
    token = Secret(admin.token)
    return rotated.rotation(admin, rotated.session(admin.url, token=token), rotated.store(admin.url, token=token))


@pytest.fixture
def revocation(admin: Admin) -> Make:
    """A token with a child."""
    session = rotated.session(admin.url, token=Secret(admin.token))

    def make(clock: Clock) -> World:
        accessor, value = rotated.token(admin, policies=["default"])
        target = rotated.target("credential", "vault_token", accessor)

        def look() -> Truth:
            return Truth("live" if rotated.is_let_in(admin, value) else "gone")

        plan = trials.plan(session, target, at=clock.now, action="revoke")
        return World(plan, {"vault": session}, {}, look, secrets=lambda: (value, admin.token))

    return make


@pytest.fixture
def freeze(admin: Admin) -> Make:
    """An entity with a live token of its own login."""
    session = rotated.session(admin.url, token=Secret(admin.token))

    def make(clock: Clock) -> World:
        role = rotated.role(admin)
        value = role.log_in(role.value)
        assert value is not None
        entity = admin.write("auth/token/lookup", {"token": value})["data"]["entity_id"]

        def look() -> Truth:
            return Truth("live" if rotated.is_let_in(admin, value) else "off")

        plan = trials.plan(session, rotated.target("identity", "entity", entity), at=clock.now, action="revoke")
        return World(plan, {"vault": session}, {}, look, secrets=lambda: (value, role.value, admin.token))

    return make


@pytest.fixture
def removal(admin: Admin) -> Make:
    """A secret whose current version leaked."""
    session = rotated.session(admin.url, token=Secret(admin.token))

    def make(clock: Clock) -> World:
        kept = rotated.kept(admin, password=rotated.value())
        leaked = rotated.value()
        version = kept.write(password=leaked)

        def look() -> Truth:
            if kept.metadata()["versions"][version]["destroyed"]:
                return Truth("gone")
            return Truth("off" if kept.current() is None else "live")

        plan = trials.plan(session, kept.target, at=clock.now, action="revoke")
        return World(plan, {"vault": session}, {}, look, secrets=lambda: (leaked, admin.token))

    return make


def test_no_crash_in_a_rotation_breaks_a_promise(rotation: Make, tmp_path: Path) -> None:
    count = trials.crashes(rotation, tmp_path)
    assert not count.violations
    assert count.trials > 50


def test_a_rotation_goes_back_from_wherever_it_broke_off(rotation: Make, tmp_path: Path) -> None:
    count = trials.rollbacks(rotation, tmp_path)
    assert not count.violations
    assert count.trials > 50


def test_no_call_of_a_rotation_that_fails_breaks_a_promise(rotation: Make, tmp_path: Path) -> None:
    count = trials.faults(rotation, tmp_path)
    assert not count.violations
    assert count.trials > 15


def test_no_two_crashes_in_a_revocation_break_a_promise(revocation: Make, tmp_path: Path) -> None:
    count = trials.crashes(revocation, tmp_path, pairs=True)
    assert not count.violations
    assert count.trials > 200


@pytest.mark.parametrize(("of", "least"), [("freeze", 20), ("removal", 30)])
def test_what_is_off_is_off_or_comes_back_from_wherever_it_broke_off(
    of: str, least: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    make = request.getfixturevalue(of)
    for explored in (trials.crashes, trials.rollbacks):
        count = explored(make, tmp_path)
        assert not count.violations
        assert count.trials > least


@pytest.mark.parametrize(("of", "least"), [("revocation", 4), ("freeze", 4), ("removal", 8)])
def test_no_call_that_fails_breaks_a_promise(
    of: str, least: int, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    count = trials.faults(request.getfixturevalue(of), tmp_path)
    assert not count.violations
    assert count.trials > least


def test_no_secret_is_written_anywhere_or_said(
    rotation: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    """Of an undisturbed run, and of one whose every call lost its answer, which can be resumed some day."""
    for name in (None, "urllib3"):  # which another adapter makes less talkative for its whole process
        caplog.set_level(logging.DEBUG, logger=name)
    for fails in ({}, dict.fromkeys(range(1, 20), "lost reply")):
        trial = trials.Trial(rotation, tmp_path)
        trial.fails = fails  # type: ignore[assignment] # the words of trials.Fault
        trial.carry_on()
        assert trial.end[0] == ("unanswered" if fails else "closed")
        printed = capfd.readouterr()
        written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()).decode()
        canaries = {*trial.secrets, *trial.world.secrets()}
        assert len(canaries) >= 3
        for canary in canaries:
            assert all(canary not in text for text in (written, caplog.text, printed.out, printed.err, trial.says))
    assert "custom-secret-id" in caplog.text  # urllib3 names each request: the log was on
