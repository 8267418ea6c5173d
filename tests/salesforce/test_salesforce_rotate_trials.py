"""Remediation of Salesforce with the engine: broken off at every boundary, it ends as if it had not been."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from fixtures.salesforce.world import Fault
from nhiscan.remediate.contract import Session, State, Target
from tests.remediation import trials
from tests.salesforce.conftest import scan
from tests.salesforce.remediation import Org, member, remediated, signed_in, token, user


@pytest.fixture(scope="module")
def org() -> Iterator[Org]:
    """One org for all trials; each puts back what it is about."""
    with remediated() as made:
        yield made


Sort = Callable[[Org], tuple[Target, Callable[[], State], tuple[str, ...]]]


def frozen(org: Org) -> tuple[Target, Callable[[], State], tuple[str, ...]]:
    login = org.login_of(org.acme.bot)
    org.world.change(login["Id"], IsFrozen=False)
    return user(org.acme, org.acme.bot), lambda: "off" if login["IsFrozen"] else "live", ()


def unassigned(org: Org) -> tuple[Target, Callable[[], State], tuple[str, ...]]:
    pair = {"AssigneeId": org.acme.bot, "PermissionSetId": org.acme.reader_set}

    def rows() -> list[str]:
        found = org.world.having("PermissionSetAssignment", "AssigneeId", [org.acme.bot])
        return [row["Id"] for row in found if row.get("PermissionSetId") == org.acme.reader_set]

    for native_id in rows():
        org.world.remove(native_id)
    org.world.add("PermissionSetAssignment", **pair, IsActive=True, ExpirationDate="2027-01-01T00:00:00.000+0000")
    return member(org.acme, org.acme.bot, org.acme.reader_set), lambda: "live" if rows() else "off", ()


def ungrouped(org: Org) -> tuple[Target, Callable[[], State], tuple[str, ...]]:
    group = org.world.add("Group", Name="Channel partners", DeveloperName="Channel_Partners", Type="Regular")
    org.world.add("GroupMember", GroupId=group, UserOrGroupId=org.acme.bot)
    return (
        member(org.acme, org.acme.bot, group),
        lambda: "live" if org.world.having("GroupMember", "GroupId", [group]) else "off",
        (),
    )


def revoked(org: Org) -> tuple[Target, Callable[[], State], tuple[str, ...]]:
    for row in list(org.world.rows("OauthToken")):
        org.world.remove(row["Id"])
    handle = "delete-token-of-a-trial"
    native_id = org.world.add("OauthToken", UserId=org.acme.bot, AppName="Loader", DeleteToken=handle)
    return (
        token(org.acme, org.acme.bot, native_id),
        lambda: "live" if org.world.find(native_id) else "gone",
        (handle,),
    )


SORTS: dict[str, Sort] = {"user": frozen, "set": unassigned, "group": ungrouped, "token": revoked}
each = pytest.mark.parametrize("sort", SORTS.values(), ids=SORTS.keys())


def maker(org: Org, sort: Sort) -> trials.Make:
    sessions: list[Session] = []

    def make(clock: trials.Clock) -> trials.World:
        target, state, secrets = sort(org)
        if not sessions:
            sessions.append(signed_in(org.url, clock=lambda: trials.NOW))
        plan = trials.plan(sessions[0], target, at=clock.now, action="revoke")
        return trials.World(
            plan,
            {"salesforce": sessions[0]},
            {},
            look=lambda: trials.Truth(state()),
            secrets=lambda: (*secrets, *org.world.tokens),
        )

    return make


@each
def test_no_single_crash_breaks_a_promise(org: Org, sort: Sort, tmp_path: Path) -> None:
    count = trials.crashes(maker(org, sort), tmp_path)
    assert count.violations == []
    assert count.trials >= 15


def test_no_pair_of_crashes_breaks_a_promise(org: Org, tmp_path: Path) -> None:
    count = trials.crashes(maker(org, unassigned), tmp_path, pairs=True)
    assert count.violations == []
    assert count.trials >= 250


@pytest.mark.parametrize("sort", [frozen, unassigned], ids=["user", "set"])
def test_a_rollback_after_any_crash_ends_where_it_began(org: Org, sort: Sort, tmp_path: Path) -> None:
    count = trials.rollbacks(maker(org, sort), tmp_path)
    assert count.violations == []
    assert count.trials >= 15


@each
def test_no_fault_of_a_call_breaks_a_promise(org: Org, sort: Sort, tmp_path: Path) -> None:
    count = trials.faults(maker(org, sort), tmp_path)
    assert count.violations == []
    assert count.trials == 5


@each
def test_reads_that_are_late_change_nothing_but_the_time(org: Org, sort: Sort, tmp_path: Path) -> None:
    org.world.stale_reads = 2
    try:
        count = trials.crashes(maker(org, sort), tmp_path)
    finally:
        org.world.stale_reads = 0
    assert count.violations == []


LOST: dict[str, tuple[str, str]] = {
    "user": ("PATCH", "sobjects/UserLogin"),
    "set": ("DELETE", "sobjects/PermissionSetAssignment"),
    "group": ("DELETE", "sobjects/GroupMember"),
    "token": ("POST", "oauth2/revoke"),
}


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", SORTS)
def test_a_connection_that_breaks_is_looked_into_and_no_more_is_sent_than_it_takes(
    name: str, tmp_path: Path, *, is_done: bool
) -> None:
    method, where = LOST[name]
    with remediated() as org:
        trial = trials.Trial(maker(org, SORTS[name]), tmp_path)
        org.world.faults.append(Fault(where, method=method, is_cut=True, is_done=is_done, on_calls=(1,)))
        trial.carry_on()
        assert trial.end[0] == "closed"
        assert trial.violations == []
        assert len(org.changes()) == (1 if is_done else 2)


def test_what_the_engine_did_a_scan_sees(org: Org, tmp_path: Path) -> None:
    trial = trials.Trial(maker(org, frozen), tmp_path)
    trial.carry_on()
    assert trial.end[0] == "closed"
    assert scan(org.url).one("identities", identity_id=org.acme.user(org.acme.bot)).status == "disabled"


def test_the_end_of_an_assignment_comes_back_in_a_rollback(org: Org, tmp_path: Path) -> None:
    trial = trials.Trial(maker(org, unassigned), tmp_path)
    result = trial.apply()
    assert (result.state, result.until) == ("waiting", trial.clock.at + trials.OBSERVE)
    assert trial.world.look().target == "off"
    trial.clock.wait(timedelta(days=1).total_seconds())
    assert trial.roll_back_once().state == "rolled_back"
    (row,) = [
        row
        for row in org.world.having("PermissionSetAssignment", "AssigneeId", [org.acme.bot])
        if row.get("PermissionSetId") == org.acme.reader_set
    ]
    assert row["ExpirationDate"] == "2027-01-01T00:00:00.000+0000"
