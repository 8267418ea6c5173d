"""A plan is what its requester signed: whatever else a file says is refused with the reason."""

from __future__ import annotations

import base64
import dataclasses
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhiscan.config import Person
from nhiscan.errors import ConfigError, StoreError
from nhiscan.remediate import plan as plans
from nhiscan.remediate import written
from nhiscan.remediate.contract import Capabilities, Target
from nhiscan.remediate.plan import Consumer, Guided, Plan, PlanError
from tests.remediation import recorded
from tests.remediation.recorded import APPROVERS, NOW, REQUESTER, Persons

QUIET: Final = settings(
    max_examples=300, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
ANYTHING: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def who(tmp_path_factory: pytest.TempPathFactory) -> Persons:
    return recorded.persons(tmp_path_factory.mktemp("people"))


@pytest.fixture(scope="module")
def plan(who: Persons) -> Plan:
    """With something in every field that a plan can have."""
    made = recorded.plan(who, "20260302T080000Z-0000")
    (operation,) = made.operations
    hostile = dataclasses.replace(operation.target, name='\x1b[2J"\u202e,é', group_name="'; drop")
    operation = dataclasses.replace(
        operation,
        target=hostile,
        consumers=(Consumer("repo", "deploy/env.sh:3", None, "holds it"),),
        step=4,
        warnings=("w",),
    )
    task = Guided(2, "setting", "s", "portal", "why", ("f2",), "says", ("run this",), None, 3)
    return signed(
        dataclasses.replace(made, offboarding_id="O-1", partner_id="P-1", operations=(operation,), guided=(task,)), who
    )


def signed(plan: Plan, who: Persons) -> Plan:
    return plans.signed(plan, who.signer(REQUESTER))


def content(plan: Plan) -> bytes:
    return plans.text(plan).encode("ascii")


def holds(data: bytes, who: Persons, folder: Path) -> bool:
    """Whether a file with this content is taken; any other error than the one for users would be a fault."""
    file = folder / "plan.json"
    file.write_bytes(data)
    try:
        plans.check(plans.read(file), who.listed, NOW)
    except PlanError as error:
        assert error.message
        assert error.hint
        return False
    return True


def test_a_plan_is_read_as_it_was_written(plan: Plan, who: Persons, tmp_path: Path) -> None:
    file = tmp_path / "plan.json"
    plans.write(file, plan)
    assert plans.read(file) == plan
    assert file.stat().st_mode & 0o777 == 0o600
    plans.check(plans.read(file), who.listed, NOW)


def test_the_digest_is_of_all_that_is_said(plan: Plan) -> None:
    assert plans.digest(plan) == plan.digest
    assert plans.digest(dataclasses.replace(plan, digest="", signature="")) == plan.digest
    assert plans.digest(dataclasses.replace(plan, reason="another")) != plan.digest


@QUIET
@given(data=st.data())
def test_no_byte_of_a_plan_can_be_changed(plan: Plan, who: Persons, tmp_path: Path, data: st.DataObject) -> None:
    was = content(plan)
    at = data.draw(st.integers(0, len(was) - 1))
    to = data.draw(st.binary(max_size=2).filter(lambda part: part != was[at : at + 1]))
    assert not holds(was[:at] + to + was[at + 1 :], who, tmp_path)


@pytest.mark.parametrize("more", [b"\n", b" ", b"{}", b"\x00", b"\xef\xbb\xbf"])
def test_nothing_can_stand_before_or_behind_a_plan(plan: Plan, who: Persons, tmp_path: Path, more: bytes) -> None:
    assert not holds(content(plan) + more, who, tmp_path)
    assert not holds(more + content(plan), who, tmp_path)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(value, (dict, list)):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(each, (*path, key))


def changed(told: Any, path: tuple[Any, ...], to: Any) -> Any:
    copy = json.loads(json.dumps(told))
    at = copy
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = to
    return copy


def with_its_digest(told: Any) -> bytes:
    """As somebody would edit it who knows how digests are made."""
    rest = {key: value for key, value in told.items() if key not in ("digest", "signature")}
    digest = hashlib.sha256(written.canonical(rest)).hexdigest()
    return written.text({**told, "digest": digest}).encode("ascii")


def test_no_value_of_a_plan_can_be_changed_though_the_digest_is_made_anew(
    plan: Plan, who: Persons, tmp_path: Path
) -> None:
    told = json.loads(content(plan))
    others: dict[type, Callable[[Any], Any]] = {
        str: lambda value: value + "0",
        bool: lambda value: not value,
        int: lambda value: value + 1,
        type(None): lambda value: "0",
        list: lambda value: [*value, *value[:1]] if value else ["0"],
        dict: lambda value: {key: value[key] for key in list(value)[1:]},
    }
    tried = 0
    for path in places(told):
        at: Any = told
        for key in path:
            at = at[key]
        other = changed(told, path, others[type(at)](at))
        data = written.text(other).encode("ascii") if path == ("digest",) else with_its_digest(other)
        assert not holds(data, who, tmp_path), path
        tried += 1
    assert tried > 120


@QUIET
@given(data=st.data())
def test_any_json_in_the_place_of_a_value_is_refused(
    plan: Plan, who: Persons, tmp_path: Path, data: st.DataObject
) -> None:
    told = json.loads(content(plan))
    path = data.draw(st.sampled_from(list(places(told))))
    other = changed(told, path, data.draw(ANYTHING))
    if json.dumps(other) != json.dumps(told):
        assert not holds((json.dumps(other, sort_keys=True, indent=2) + "\n").encode("ascii"), who, tmp_path)


@QUIET
@given(data=st.binary(max_size=200) | ANYTHING.map(lambda value: json.dumps(value).encode("ascii")))
def test_what_is_no_plan_is_refused(who: Persons, tmp_path: Path, data: bytes) -> None:
    assert not holds(data, who, tmp_path)


def edited(plan: Plan, *path: Any, to: Any) -> bytes:
    return written.text(changed(json.loads(content(plan)), path, to)).encode("ascii")


def reason(data: bytes, folder: Path) -> str:
    file = folder / "plan.json"
    file.write_bytes(data)
    with pytest.raises(PlanError) as caught:
        plans.read(file)
    return caught.value.message.removeprefix(f"{file}: ")


def test_the_key_that_is_wrong_is_named(plan: Plan, tmp_path: Path) -> None:
    step = ("operations", 0, "steps", 0)
    cases = {
        edited(plan, *step, "step", to="explode"): "operations[0].steps[0].step is 'explode', and has to be one of",
        edited(plan, *step, "decision", to="later"): "operations[0].steps[0].decision is 'later', and has to be one of",
        edited(plan, *step, "extra", to=1): "operations[0].steps[0].extra: unknown key",
        edited(plan, *step, "wait_s", to="1"): "operations[0].steps[0].wait_s is not of type int",
        edited(plan, *step, "wait_s", to=True): "operations[0].steps[0].wait_s is not of type int",
        edited(plan, *step, "wait_s", to=2**60): "operations[0].steps[0].wait_s is too large",
        edited(plan, "operations", 0, "capabilities", "usage_lag", to=-1): "operations[0].capabilities.usage_lag is no",
        edited(plan, "operations", to={}): "operations is not a list",
        edited(plan, "operations", 0, to=[]): "operations[0] is not an object",
        edited(plan, "operations", 0, "observed", "state", to=None): "operations[0].observed.state is not of type str",
        edited(plan, "mode", to="fast"): "mode is 'fast', and has to be one of routine, contain",
        edited(plan, "schema_version", to=2): "schema_version is 2, and this version of nhiscan knows 1 only",
        edited(plan, "schema_version", to=True): "schema_version is True",
        edited(plan, "schema_version", to=None): "schema_version is None",
        edited(plan, "plan_id", to="../../etc"): "plan_id is none",
        edited(plan, "plan_id", to=""): "plan_id is none",
        b"[]": "is not one object of JSON",
        b"": "is no JSON that can be read",
        b"{" * 100_000: "is no JSON that can be read",
        '{"é": 1}'.encode(): "is no JSON that can be read",
        b'{"a": 1.5}': "holds 1.5: no number here has a fraction",
        b'{"a": NaN}': "holds NaN: no number here has a fraction",
        b'{"a": 1e3}': "holds 1e3: no number here has a fraction",
        content(plan).replace(b'"mode"', b'"reason": "x",\n  "mode"', 1): "reason stands twice",
        content(plan).replace(b"\n", b"\r\n"): "is not as nhiscan wrote it: somebody edited it",
        written.canonical(json.loads(content(plan))): "is not as nhiscan wrote it: somebody edited it",
    }
    for data, says in cases.items():
        assert reason(data, tmp_path).startswith(says)


def test_a_missing_key_is_named(plan: Plan, tmp_path: Path) -> None:
    told = json.loads(content(plan))
    for key in told:
        without = {name: value for name, value in told.items() if name != key}
        says = reason(written.text(without).encode("ascii"), tmp_path)
        assert says.startswith((f"{key} is missing", "schema_version is None"))


def test_a_file_without_end_is_not_read(plan: Plan, tmp_path: Path) -> None:
    assert reason(content(plan) + b" " * 17 * 2**20, tmp_path) == "is larger than 16777216 bytes"


def test_only_a_file_is_read(plan: Plan, tmp_path: Path) -> None:
    plans.write(tmp_path / "real.json", plan)
    (tmp_path / "link.json").symlink_to(tmp_path / "real.json")
    for path in (tmp_path, tmp_path / "none.json", tmp_path / "link.json", Path("/dev/zero")):
        with pytest.raises(PlanError):
            plans.read(path)


def test_a_plan_that_cannot_be_written_is_said(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot write"):
        plans.write(tmp_path / "none" / "plan.json", plan)


def refused(plan: Plan, who: Persons, *, at: Any = NOW, is_begun: bool = False, people: Any = None) -> str:
    with pytest.raises(PlanError) as caught:
        plans.check(plan, who.listed if people is None else people, at, is_begun=is_begun)
    return caught.value.message


def test_an_edited_plan_is_refused_by_its_digest(plan: Plan, who: Persons) -> None:
    assert "its digest is not that of what it says" in refused(dataclasses.replace(plan, reason="another"), who)


def test_an_edited_plan_with_its_digest_is_refused_by_its_signature(plan: Plan, who: Persons) -> None:
    other = dataclasses.replace(plan, reason="another")
    other = dataclasses.replace(other, digest=plans.digest(other))
    assert f"is not signed by {REQUESTER}: it was edited" in refused(other, who)


@pytest.mark.parametrize("signature", ["", "AAAA", "é", "=" * 88, "A" * 88])
def test_a_plan_without_a_signature_is_refused(plan: Plan, who: Persons, signature: str) -> None:
    assert "is not signed by" in refused(dataclasses.replace(plan, signature=signature), who)


def test_the_same_signature_written_otherwise_is_another(plan: Plan, who: Persons) -> None:
    # Base64 of 64 bytes leaves four bits unused: with one of them set, lenient readers decode the same bytes.
    last = plan.signature[-3]
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = plan.signature[:-3] + letters[letters.index(last) | 1] + "=="
    assert base64.b64decode(other) == base64.b64decode(plan.signature)
    assert "is not signed by" in refused(dataclasses.replace(plan, signature=other), who)


@pytest.mark.parametrize("wait_s", [-1, 367 * 24 * 3600, 2**53])
def test_a_plan_that_waits_for_no_time_there_is_is_refused(plan: Plan, who: Persons, wait_s: int) -> None:
    (operation,) = plan.operations
    steps = tuple(dataclasses.replace(step, wait_s=wait_s) if step.wait_s else step for step in operation.steps)
    asked = dataclasses.replace(plan, operations=(dataclasses.replace(operation, steps=steps),))
    assert "waits for no time that there is" in refused(plans.signed(asked, who.signer(REQUESTER)), who)


def test_a_plan_of_somebody_who_is_not_listed_is_refused(plan: Plan, who: Persons) -> None:
    left = [person for person in who.listed if person.mail != REQUESTER]
    assert f"asked for by {REQUESTER}, whom nhiscan.toml does not list" in refused(plan, who, people=left)


def test_a_plan_signed_with_a_key_that_was_replaced_is_refused(plan: Plan, who: Persons) -> None:
    swapped = [Person(REQUESTER, who.listed[1].key)]
    assert f"is not signed by {REQUESTER}" in refused(plan, who, people=swapped)


def test_a_plan_in_another_persons_name_is_refused(plan: Plan, who: Persons) -> None:
    named = dataclasses.replace(signed(plan, who), requested_by=APPROVERS[0])
    named = dataclasses.replace(named, digest=plans.digest(named))
    assert f"is not signed by {APPROVERS[0]}" in refused(named, who)


def test_people_who_cannot_be_told_apart_hold_no_plan(plan: Plan, who: Persons) -> None:
    with pytest.raises(ConfigError, match="twice"):
        plans.check(plan, [*who.listed, who.listed[0]], NOW)


def test_a_plan_expires_unless_it_was_begun(plan: Plan, who: Persons) -> None:
    end = NOW + plans.EXPIRES_AFTER
    plans.check(plan, who.listed, end - timedelta(microseconds=1))
    assert "expired at 2026-03-03T09:00:00+00:00, and nobody had begun it" in refused(plan, who, at=end)
    plans.check(plan, who.listed, end + timedelta(days=300), is_begun=True)


def test_a_plan_of_the_future_is_refused(plan: Plan, who: Persons) -> None:
    plans.check(plan, who.listed, NOW - plans.CLOCKS_DIFFER)
    assert "which is still to come" in refused(plan, who, at=NOW - plans.CLOCKS_DIFFER - timedelta(seconds=1))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"expires_at": (NOW + timedelta(hours=24, seconds=1)).isoformat()}, "gives itself longer than a plan has"),
        ({"expires_at": "2026-03-03"}, "expires_at is no time in UTC"),
        ({"expires_at": "2026-03-03T09:00:00"}, "expires_at is no time in UTC"),
        ({"made_at": "2026-03-02T10:00:00+01:00"}, "made_at is no time in UTC"),
        ({"made_at": "soon"}, "made_at is no time in UTC"),
    ],
)
def test_a_requester_cannot_sign_times_that_help_them(
    plan: Plan, who: Persons, change: dict[str, str], says: str
) -> None:
    assert says in refused(signed(dataclasses.replace(plan, **change), who), who)  # type: ignore[arg-type]


def weaker(plan: Plan, who: Persons, change: Callable[[Any], Any]) -> Plan:
    (operation,) = plan.operations
    steps = tuple(each for step in operation.steps if (each := change(step)) is not None)
    return signed(dataclasses.replace(plan, operations=(dataclasses.replace(operation, steps=steps),)), who)


@pytest.mark.parametrize(
    "change",
    [
        lambda step: dataclasses.replace(step, persons=0),
        lambda step: dataclasses.replace(step, persons=min(step.persons, 1)),
        lambda step: dataclasses.replace(step, decision=None, persons=0),
        lambda step: dataclasses.replace(step, decision="start") if step.decision == "delete" else step,
        lambda step: None if step.step == "observe" else step,
        lambda step: None if step.step == "quiet" else step,
        lambda step: None if step.step == "verify" else step,
        lambda step: dataclasses.replace(step, step="delete") if step.step == "off" else step,
    ],
)
def test_a_requester_cannot_sign_steps_that_ask_for_less(
    plan: Plan, who: Persons, change: Callable[[Any], Any]
) -> None:
    assert "the steps of operation 1 are not those that its target calls for" in refused(weaker(plan, who, change), who)


def test_numbers_have_to_be_one_row(plan: Plan, who: Persons) -> None:
    task = dataclasses.replace(plan.guided[0], number=1)
    assert "does not number" in refused(signed(dataclasses.replace(plan, guided=(task,)), who), who)


@pytest.mark.parametrize(
    ("decision", "is_partner_owned", "is_privileged", "needed"),
    [
        ("start", True, True, 1),
        ("off", False, False, 1),
        ("off", True, False, 2),
        ("off", False, True, 2),
        ("delete", False, False, 2),
        ("delete", True, True, 2),
    ],
)
def test_who_has_to_agree(decision: Any, is_partner_owned: bool, is_privileged: bool, needed: int) -> None:
    assert plans.persons(decision, is_partner_owned=is_partner_owned, is_privileged=is_privileged) == needed


@given(
    can=st.builds(
        Capabilities,
        st.integers(0, 3),
        st.sampled_from(["provider", "us", "nobody"]),
        st.booleans(),
        st.booleans(),
        st.booleans(),
    ),
    action=st.sampled_from(["rotate", "revoke"]),
    mode=st.sampled_from(["routine", "contain"]),
    is_partner_owned=st.booleans(),
    is_privileged=st.booleans(),
)
def test_nothing_ends_without_a_decision(
    can: Capabilities, action: Any, mode: Any, is_partner_owned: bool, is_privileged: bool
) -> None:
    day = timedelta(1)
    try:
        made = plans.steps(
            action,
            can,
            mode,
            grace=day,
            observe=day,
            is_partner_owned=is_partner_owned,
            is_privileged=is_privileged,
            permissions={},
        )
    except PlanError:
        return
    names = [step.step for step in made]
    assert made[0].decision is not None
    assert names[-1] == "prove"
    assert len(set(names)) == len(names)
    for step in made:
        if step.step in ("off", "delete"):
            needs_two = step.step == "delete" or is_partner_owned or is_privileged
            assert (step.decision, step.persons) == (step.step, 2 if needs_two else 1)
    if "off" in names and "delete" in names:
        assert names.index("off") < names.index("observe") < names.index("delete")
    if "delete" in names:
        assert made[names.index("delete")].rollback is None
    if action == "rotate" and mode == "routine" and not can.stores_itself and {"off", "delete"} & set(names):
        assert (
            names.index("publish") < names.index("quiet") < min(names.index(x) for x in ("off", "delete") if x in names)
        )


def test_a_begun_second_of_a_wait_counts_in_full() -> None:
    assert written.told(timedelta(seconds=1, microseconds=1)) == 2
    assert written.told(timedelta(0)) == 0


def test_a_plan_holds_nothing_that_json_would_bend(plan: Plan) -> None:
    (operation,) = plan.operations
    odd = dataclasses.replace(operation, observed={"share": 0.5})  # type: ignore[dict-item]
    with pytest.raises(TypeError, match="a plan holds no float"):
        plans.digest(dataclasses.replace(plan, operations=(odd,)))


def test_a_target_is_told_whole() -> None:
    target = Target("trust", "t", "aws:1", "aws", principal="*")
    assert written.made(Target, written.told(target)) == target
