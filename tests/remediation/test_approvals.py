"""Who agreed counts by the key, for one plan, one decision and a time; nothing else in the folder does."""

from __future__ import annotations

import base64
import dataclasses
import json
import os
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhiscan.config import Person
from nhiscan.errors import ConfigError, StoreError
from nhiscan.remediate import approvals, journal, written
from nhiscan.remediate import plan as plans
from nhiscan.remediate.approvals import Approval, ApprovalError
from nhiscan.remediate.people import Signer
from nhiscan.remediate.plan import Decision, Plan, PlanError
from tests.remediation import recorded
from tests.remediation.recorded import APPROVERS, NOW, REQUESTER, Persons, no_passphrase

LEE, MAX = APPROVERS
QUIET: Final = settings(
    max_examples=200, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def who(tmp_path_factory: pytest.TempPathFactory) -> Persons:
    return recorded.persons(tmp_path_factory.mktemp("people"), REQUESTER, LEE, MAX, "noa@acme.example")


@pytest.fixture(scope="module")
def plan(who: Persons) -> Plan:
    """One operation of a partner's: two persons for `off` and `delete`, one for `start`."""
    return recorded.plan(who, "20260302T080000Z-0000")


def add(
    plan: Plan, folder: Path, who: Persons, mail: str, decision: Decision, operation: int | None = 1, **more: Any
) -> Approval:
    at = more.pop("at", NOW)
    why = more.pop("reason", "CHG-1")
    key = who.files[mail]
    return approvals.add(plan, folder, who.listed, key, decision, operation, why, at, passphrase=no_passphrase, **more)


def missing(plan: Plan, folder: Path, who: Persons, decision: Decision, at: Any = NOW, people: Any = None) -> list[str]:
    judge = approvals.judge(plan, folder, who.listed if people is None else people, at=at)
    return judge(plan.operations[0], decision)


def forged(folder: Path, by: Signer, **says: Any) -> Path:
    """An approval that its person really signed, whatever it says."""
    told = {
        "plan": "", "decision": "off", "operation": 1, "person": by.mail, "reason": "CHG-1",
        "at": NOW.isoformat(), "expires_at": (NOW + timedelta(hours=1)).isoformat(), **says,
    }  # fmt: skip
    content = written.canonical({"schema_version": 1, **told})
    signature = base64.b64encode(by.sign("approval", content)).decode("ascii")
    (folder / "approvals").mkdir(parents=True, exist_ok=True)
    file = folder / "approvals" / "forged.json"
    file.write_text(written.text({"schema_version": 1, **told, "signature": signature}), encoding="ascii")
    return file


def test_one_person_is_enough_to_start(plan: Plan, who: Persons, tmp_path: Path) -> None:
    assert missing(plan, tmp_path, who, "start") == [
        f"one person has to agree to 'start' of operation 1 (old), {REQUESTER} not among them; nobody has yet"
    ]
    add(plan, tmp_path, who, LEE, "start")
    assert missing(plan, tmp_path, who, "start") == []


@pytest.mark.parametrize("decision", ["off", "delete"])
def test_two_persons_have_to_agree_to_what_hurts(plan: Plan, who: Persons, tmp_path: Path, decision: Decision) -> None:
    add(plan, tmp_path, who, LEE, decision)
    (told,) = missing(plan, tmp_path, who, decision)
    assert told.startswith(f"2 persons have to agree to {decision!r} of operation 1 (old), {REQUESTER} not among them")
    assert told.endswith(f"agreed so far: {LEE}")
    add(plan, tmp_path, who, MAX, decision)
    assert missing(plan, tmp_path, who, decision) == []


def test_one_person_twice_is_one_person(plan: Plan, who: Persons, tmp_path: Path) -> None:
    for operation, at in ((1, NOW), (None, NOW), (1, NOW + timedelta(minutes=1))):
        add(plan, tmp_path, who, LEE, "delete", operation, at=at)
    assert len(list((tmp_path / "approvals").iterdir())) == 3
    assert missing(plan, tmp_path, who, "delete", NOW + timedelta(minutes=2)) != []


def test_an_approval_of_all_is_one_of_each(plan: Plan, who: Persons, tmp_path: Path) -> None:
    add(plan, tmp_path, who, LEE, "delete", None)
    add(plan, tmp_path, who, MAX, "delete", 1)
    assert missing(plan, tmp_path, who, "delete") == []


def test_an_approval_is_for_its_decision_alone(plan: Plan, who: Persons, tmp_path: Path) -> None:
    for mail in (LEE, MAX):
        add(plan, tmp_path, who, mail, "off")
    assert missing(plan, tmp_path, who, "off") == []
    assert "nobody has yet" in missing(plan, tmp_path, who, "delete")[0]
    assert "nobody has yet" in missing(plan, tmp_path, who, "start")[0]


def test_an_approval_is_for_its_operation_alone(plan: Plan, who: Persons, tmp_path: Path) -> None:
    second = dataclasses.replace(plan.operations[0], number=2)
    both = plans.signed(dataclasses.replace(plan, operations=(*plan.operations, second)), who.signer(REQUESTER))
    add(both, tmp_path, who, LEE, "start", 2)
    judge = approvals.judge(both, tmp_path, who.listed, at=NOW)
    assert judge(both.operations[1], "start") == []
    assert "nobody has yet" in judge(both.operations[0], "start")[0]


def test_the_requester_never_agrees(plan: Plan, who: Persons, tmp_path: Path) -> None:
    with pytest.raises(ApprovalError, match="asked for plan plan-1 and cannot agree to it"):
        add(plan, tmp_path, who, REQUESTER, "start")
    forged(tmp_path, who.signer(REQUESTER), plan=plan.digest, decision="start")
    assert f"{REQUESTER} asked for the plan and cannot agree to it" in missing(plan, tmp_path, who, "start")[1]


def test_an_approval_ends(plan: Plan, who: Persons, tmp_path: Path) -> None:
    add(plan, tmp_path, who, LEE, "start")
    end = NOW + approvals.LASTS
    assert missing(plan, tmp_path, who, "start", end - timedelta(microseconds=1)) == []
    assert f"that of {LEE} expired at {end.isoformat()}" in missing(plan, tmp_path, who, "start", end)[1]


def test_a_clock_is_asked_each_time(plan: Plan, who: Persons, tmp_path: Path) -> None:
    add(plan, tmp_path, who, LEE, "start")
    now = [NOW]
    judge = approvals.judge(plan, tmp_path, who.listed, at=lambda: now[0])
    assert judge(plan.operations[0], "start") == []
    now[0] += approvals.LASTS
    assert judge(plan.operations[0], "start") != []


def test_the_folder_is_read_each_time(plan: Plan, who: Persons, tmp_path: Path) -> None:
    judge = approvals.judge(plan, tmp_path, who.listed, at=NOW)
    assert judge(plan.operations[0], "start") != []
    add(plan, tmp_path, who, LEE, "start")
    assert judge(plan.operations[0], "start") == []


@pytest.mark.parametrize("lasts", [timedelta(0), timedelta(seconds=-1), timedelta(days=7, microseconds=1)])
def test_an_approval_cannot_last_longer_than_seven_days(
    plan: Plan, who: Persons, tmp_path: Path, lasts: timedelta
) -> None:
    with pytest.raises(ApprovalError, match="lasts at most 7 days"):
        add(plan, tmp_path, who, LEE, "start", lasts=lasts)
    add(plan, tmp_path, who, LEE, "start", lasts=timedelta(days=7))
    assert missing(plan, tmp_path, who, "start", NOW + timedelta(days=7, seconds=-1)) == []


def at(hours: float) -> str:
    return (NOW + timedelta(hours=hours)).isoformat()


@pytest.mark.parametrize(
    ("says", "why"),
    [
        ({"expires_at": at(24 * 7 + 1)}, "gives itself more than 7 days"),
        ({"at": at(1)}, "which is still to come"),
        ({"at": at(-3), "expires_at": at(-1)}, "expired at"),
        ({"at": at(0), "expires_at": at(0)}, "expired at"),
        ({"at": "yesterday"}, "its times are none"),
        ({"expires_at": "2026-03-03"}, "its times are none"),
        ({"reason": " "}, "gave no reason"),
        ({"plan": "0" * 64}, "is for another plan"),
        ({"person": MAX}, f"is not signed by the key of {MAX}"),
        ({"person": "root@acme.example"}, "root@acme.example is not listed"),
        ({"person": LEE.upper()}, "is not listed"),
        ({"decision": "everything"}, "is no approval: decision is 'everything'"),
        ({"operation": "1"}, "is no approval: operation is not of type int"),
        ({"operation": True}, "is no approval: operation is not of type int"),
        ({"note": "x"}, "is no approval: note: unknown key"),
    ],
)
def test_what_a_person_signs_does_not_count_for_more_than_it_may(
    plan: Plan, who: Persons, tmp_path: Path, says: dict[str, Any], why: str
) -> None:
    forged(tmp_path, who.signer(LEE), **{"plan": plan.digest, "decision": "start", **says})
    told = missing(plan, tmp_path, who, "start")
    assert len(told) == 2
    assert told[1].startswith("approvals/forged.json ")
    assert why in told[1]


def test_the_forger_of_these_tests_makes_approvals_that_count(plan: Plan, who: Persons, tmp_path: Path) -> None:
    forged(tmp_path, who.signer(LEE), plan=plan.digest, decision="start")
    assert missing(plan, tmp_path, who, "start") == []


def test_whoever_is_taken_from_the_list_has_not_agreed(plan: Plan, who: Persons, tmp_path: Path) -> None:
    add(plan, tmp_path, who, LEE, "start")
    left = [person for person in who.listed if person.mail != LEE]
    assert f"{LEE} is not listed under [[people]]" in missing(plan, tmp_path, who, "start", people=left)[1]


def test_a_key_that_was_replaced_has_not_agreed(plan: Plan, who: Persons, tmp_path: Path) -> None:
    add(plan, tmp_path, who, LEE, "start")
    left = [person for person in who.listed if person.mail not in (LEE, MAX)]
    swapped = [*left, Person(LEE, next(person.key for person in who.listed if person.mail == MAX))]
    assert f"is not signed by the key of {LEE}" in missing(plan, tmp_path, who, "start", people=swapped)[1]


def test_nothing_is_agreed_to_in_a_plan_that_was_edited(plan: Plan, who: Persons, tmp_path: Path) -> None:
    add(plan, tmp_path, who, LEE, "start")
    other = dataclasses.replace(plan, reason="another")
    for edited in (other, dataclasses.replace(other, digest=plans.digest(other))):
        (told,) = missing(edited, tmp_path, who, "start")
        assert "was edited" in told
        with pytest.raises(PlanError, match="was edited"):
            add(edited, tmp_path, who, LEE, "start")


def test_approvals_do_not_pass_to_a_plan_made_again(plan: Plan, who: Persons, tmp_path: Path) -> None:
    add(plan, tmp_path, who, LEE, "start")
    again = plans.signed(dataclasses.replace(plan, reason="another"), who.signer(REQUESTER))
    assert "is for another plan" in missing(again, tmp_path, who, "start")[1]


def test_nothing_is_agreed_to_when_the_requester_has_left(plan: Plan, who: Persons, tmp_path: Path) -> None:
    add(plan, tmp_path, who, LEE, "start")
    left = [person for person in who.listed if person.mail != REQUESTER]
    (told,) = missing(plan, tmp_path, who, "start", people=left)
    assert f"asked for by {REQUESTER}, whom nhiscan.toml does not list" in told


def test_an_operation_that_the_plan_does_not_hold_is_not_agreed_to(plan: Plan, who: Persons, tmp_path: Path) -> None:
    add(plan, tmp_path, who, LEE, "start")
    other = dataclasses.replace(plan.operations[0], is_partner_owned=False)
    judge = approvals.judge(plan, tmp_path, who.listed, at=NOW)
    assert judge(other, "start") == ["operation 1 is not what plan plan-1 says"]


def test_two_persons_are_asked_whatever_the_plan_says(who: Persons, plan: Plan, tmp_path: Path) -> None:
    # `check` refuses such a plan; were it to let it through, the judgement would not rest on the plan's own number.
    (operation,) = plan.operations
    steps = tuple(dataclasses.replace(step, persons=0) if step.decision else step for step in operation.steps)
    lax = plans.signed(
        dataclasses.replace(plan, operations=(dataclasses.replace(operation, steps=steps),)), who.signer(REQUESTER)
    )
    add(plan, tmp_path, who, LEE, "delete")
    assert missing(lax, tmp_path, who, "delete") != []


def test_a_broken_file_is_said_and_hides_nothing(plan: Plan, who: Persons, tmp_path: Path) -> None:
    add(plan, tmp_path, who, LEE, "delete")
    folder = tmp_path / "approvals"
    (folder / "notes.txt").write_text("agreed: everybody", encoding="utf-8")
    (folder / "empty.json").touch()
    (folder / "folder.json").mkdir()
    (folder / "large.json").write_bytes(b" " * 70_000)
    (folder / "link.json").symlink_to(next(folder.glob("delete-*")))
    os.mkfifo(folder / "pipe.json")
    (folder / "odd\x1b[2J.json").write_text("{}", encoding="utf-8")
    told = missing(plan, tmp_path, who, "delete")
    assert f"agreed so far: {LEE}" in told[0]
    assert [line.split(" is no approval: ")[0] for line in told[1:]] == [
        "approvals/empty.json",
        "approvals/folder.json",
        "approvals/large.json",
        "approvals/link.json",
        "approvals/notes.txt",
        "approvals/odd\\u001b[2J.json",
        "approvals/pipe.json",
    ]
    add(plan, tmp_path, who, MAX, "delete")
    assert missing(plan, tmp_path, who, "delete") == []


@pytest.mark.parametrize("name", ["off (1).json", "off.txt", "off.json.bak", "öff.json", "off\n.json"])
def test_a_file_that_no_bundle_of_evidence_can_hold_does_not_count(
    plan: Plan, who: Persons, tmp_path: Path, name: str
) -> None:
    add(plan, tmp_path, who, LEE, "start")
    (file,) = (tmp_path / "approvals").iterdir()
    file.rename(tmp_path / "approvals" / name)
    assert "is no approval: name it with letters" in missing(plan, tmp_path, who, "start")[1]


def test_a_copy_of_an_approval_is_the_same_person(plan: Plan, who: Persons, tmp_path: Path) -> None:
    add(plan, tmp_path, who, LEE, "delete")
    (file,) = (tmp_path / "approvals").iterdir()
    (tmp_path / "approvals" / "copy.json").write_bytes(file.read_bytes())
    assert f"agreed so far: {LEE}" in missing(plan, tmp_path, who, "delete")[0]


@QUIET
@given(data=st.data())
def test_no_byte_of_an_approval_can_be_changed(
    plan: Plan, who: Persons, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("one")
    add(plan, folder, who, LEE, "start")
    (file,) = (folder / "approvals").iterdir()
    was = file.read_bytes()
    place = data.draw(st.integers(0, len(was) - 1))
    to = data.draw(st.binary(max_size=2).filter(lambda part: part != was[place : place + 1]))
    file.write_bytes(was[:place] + to + was[place + 1 :])
    assert len(missing(plan, folder, who, "start")) == 2


def test_no_value_of_an_approval_can_be_changed(plan: Plan, who: Persons, tmp_path: Path) -> None:
    add(plan, tmp_path, who, LEE, "start")
    (file,) = (tmp_path / "approvals").iterdir()
    told = json.loads(file.read_bytes())
    others: dict[str, Any] = {
        "plan": "0" * 64,
        "decision": "delete",
        "operation": None,
        "person": MAX,
        "reason": "CHG-2",
        "at": at(-1),
        "expires_at": at(100),
        "signature": told["signature"].swapcase(),
        "schema_version": 2,
    }
    assert others.keys() == told.keys()
    for key, value in others.items():
        file.write_text(written.text({**told, key: value}), encoding="ascii")
        decision: Decision = "delete" if key == "decision" else "start"
        assert len(missing(plan, tmp_path, who, decision)) == 2, key


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=5,
)


@QUIET
@given(data=st.data())
def test_any_json_in_an_approval_is_read_without_a_fault(
    plan: Plan, who: Persons, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("one")
    add(plan, folder, who, LEE, "start")
    (file,) = (folder / "approvals").iterdir()
    told = json.loads(file.read_bytes())
    other = {**told, data.draw(st.sampled_from(sorted(told))): data.draw(JSON)}
    if json.dumps(other) != json.dumps(told):
        file.write_text(json.dumps(other, sort_keys=True, indent=2) + "\n", encoding="ascii")
        assert len(missing(plan, folder, who, "start")) == 2
    file.write_text(json.dumps(data.draw(JSON)), encoding="ascii")
    assert len(missing(plan, folder, who, "start")) == 2


def test_what_would_not_count_is_not_written(plan: Plan, who: Persons, tmp_path: Path) -> None:
    refused: list[tuple[Callable[[], Any], str]] = [
        (lambda: add(plan, tmp_path, who, LEE, "start", 2), "operation 2 of plan plan-1 asks for no decision 'start'"),
        (lambda: add(plan, tmp_path, who, LEE, "start", 0), "operation 0 of plan plan-1 asks for no decision"),
        (lambda: add(plan, tmp_path, who, LEE, "start", reason=" \n"), "an approval needs a reason"),
    ]
    for act, says in refused:
        with pytest.raises(ApprovalError, match=says):
            act()
    assert not (tmp_path / "approvals").exists()


def test_a_decision_that_nothing_asks_for_is_not_written(who: Persons, tmp_path: Path, plan: Plan) -> None:
    (operation,) = plan.operations
    can = dataclasses.replace(operation.capabilities, can_delete=False)
    steps = plans.steps(
        "revoke",
        can,
        "routine",
        grace=timedelta(1),
        observe=timedelta(1),
        is_partner_owned=True,
        is_privileged=False,
        permissions={},
    )
    only_off = dataclasses.replace(operation, action="revoke", capabilities=can, steps=steps, destination=None)
    made = plans.signed(dataclasses.replace(plan, operations=(only_off,)), who.signer(REQUESTER))
    with pytest.raises(ApprovalError, match="nothing in plan plan-1 asks for a decision 'delete'") as caught:
        add(made, tmp_path, who, LEE, "delete", None)
    assert caught.value.hint == "it asks for: off"


def test_a_plan_that_expired_is_not_agreed_to_unless_it_was_begun(plan: Plan, who: Persons, tmp_path: Path) -> None:
    late = NOW + timedelta(days=40)
    with pytest.raises(PlanError, match="expired at"):
        add(plan, tmp_path, who, LEE, "delete", at=late)
    (tmp_path / "journal.jsonl").touch()
    with pytest.raises(PlanError, match="expired at"):
        add(plan, tmp_path, who, LEE, "delete", at=late)
    with journal.opened(tmp_path, clock=lambda: NOW) as book:
        book.append("opened", plan=plan.digest, version="1")
        book.append("waiting", 1, "create", says="start is not agreed", waits_for="approval")
        with pytest.raises(PlanError, match="expired at"):
            add(plan, tmp_path, who, LEE, "delete", at=late)
        book.append("intent", 1, "create", key="k", attempt=1, state="live", others={}, facts={})
    for mail in (LEE, MAX):
        add(plan, tmp_path, who, mail, "delete", at=late)
    assert missing(plan, tmp_path, who, "delete", late) == []


def test_an_approval_is_for_its_owner_only(plan: Plan, who: Persons, tmp_path: Path) -> None:
    add(plan, tmp_path / "new", who, LEE, "start")
    (file,) = (tmp_path / "new" / "approvals").iterdir()
    modes = [path.stat().st_mode & 0o777 for path in (tmp_path / "new", tmp_path / "new" / "approvals", file)]
    assert modes == [0o700, 0o700, 0o600]


def test_a_folder_that_cannot_be_used_is_said(plan: Plan, who: Persons, tmp_path: Path) -> None:
    (tmp_path / "approvals").write_text("", encoding="ascii")
    with pytest.raises(StoreError, match="cannot write"):
        add(plan, tmp_path, who, LEE, "start")
    with pytest.raises(StoreError, match="cannot read"):
        missing(plan, tmp_path, who, "start")


def test_people_who_cannot_be_told_apart_agree_to_nothing(plan: Plan, who: Persons, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="lists one key"):
        missing(plan, tmp_path, who, "start", people=[*who.listed, Person("x@acme.example", who.listed[0].key)])


def test_what_stands_there_is_told_with_what_does_not_count(plan: Plan, who: Persons, tmp_path: Path) -> None:
    one = add(plan, tmp_path, who, LEE, "start")
    add(plan, tmp_path, who, MAX, "off", at=NOW - timedelta(minutes=1), lasts=timedelta(seconds=1))
    told = approvals.given(plan, tmp_path, who.listed, at=NOW)
    assert [approval for _, approval in told.valid] == [one]
    assert len(told.refused) == 1


def test_no_folder_is_no_approval(plan: Plan, who: Persons, tmp_path: Path) -> None:
    assert approvals.given(plan, tmp_path, who.listed, at=NOW) == approvals.Given((), ())
    assert not approvals.is_begun(tmp_path)


def test_a_time_has_one_form() -> None:
    assert written.moment(written.stamp(NOW)) == NOW
    assert written.stamp(datetime.fromisoformat("2026-03-02T10:00:00+01:00")) == NOW.isoformat()
    for odd in ("2026-03-02T09:00:00Z", "2026-03-02 09:00:00+00:00", "20260302T090000+0000", "", "é", "9" * 5000):
        assert written.moment(odd) is None
