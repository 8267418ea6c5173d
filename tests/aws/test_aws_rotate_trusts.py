"""Trust policies without one principal, and with it again; console passwords; users and roles that are denied all."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final

import boto3
import pytest
import requests
from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from fixtures.aws.faults import DENIED, LOST, Wrong
from nhiscan.collectors.aws.rotate_denials import DENY_ALL, POLICY
from nhiscan.collectors.aws.rotate_trusts import NOBODY, admitting, restored, without
from nhiscan.remediate.contract import BusyError, RefusedError, Target, UnansweredError, UnsupportedError
from tests.aws.rotation import KEY, TENANT, Aws

NORTH: Final = "arn:aws:iam::222222222222:root"
SOUTH: Final = "arn:aws:iam::333333333333:role/agent"
UPDATE: Final = "iam:UpdateAssumeRolePolicy"


def allow(*principals: str, **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Principal": {"AWS": list(principals)}, "Action": "sts:AssumeRole", **more}


def document(*statements: dict[str, Any]) -> dict[str, Any]:
    return {"Version": "2012-10-17", "Statement": list(statements)}


CONDITION: Final = {"StringEquals": {"sts:ExternalId": "acme-42"}}
SHARED: Final = document(allow(NORTH, SOUTH, Condition=CONDITION))


def test_a_principal_is_taken_out_and_let_in_again_as_it_was(aws: Aws) -> None:
    target, session = aws.trust(SHARED, NORTH), aws.session()
    before = session.observe(target)
    assert before.state == "live"
    session.effect("off", target, KEY, before=before)
    assert session.observe(target).state == "off"
    assert aws.trust_policy() == document(allow(SOUTH, Condition=CONDITION))
    session.effect("on", target, KEY, before=before)
    assert session.observe(target) == before
    assert aws.trust_policy() == document(allow(SOUTH, NORTH, Condition=CONDITION))


@pytest.mark.parametrize("step", ["off", "on"])
def test_a_step_on_a_trust_is_done_twice_as_once(aws: Aws, step: str) -> None:
    target, session = aws.trust(SHARED, NORTH), aws.session()
    before = session.observe(target)
    session.effect("off", target, KEY, before=before)
    session.effect(step, target, KEY, before=before)  # type: ignore[arg-type]
    once, asked = aws.trust_policy(), len([call for call, _ in aws.relay.calls if call == UPDATE])
    session.effect(step, target, KEY, before=before)  # type: ignore[arg-type]
    assert aws.trust_policy() == once
    assert len([call for call, _ in aws.relay.calls if call == UPDATE]) == asked


def test_a_role_that_nobody_is_left_in_denies_everybody(aws: Aws) -> None:
    target, session = aws.trust(document(allow(NORTH)), NORTH), aws.session()
    before = session.observe(target)
    session.effect("off", target, KEY, before=before)
    assert aws.trust_policy() == document(dict(NOBODY))
    session.effect("on", target, KEY, before=before)
    assert aws.trust_policy()["Statement"] == [{**allow(NORTH), "Principal": {"AWS": NORTH}}]
    assert session.observe(target) == before


def test_two_principals_of_one_role_do_not_disturb_each_other(aws: Aws) -> None:
    north, session = aws.trust(SHARED, NORTH), aws.session()
    south = replace(north, principal=SOUTH)
    first, second = session.observe(north), session.observe(south)
    session.effect("off", north, KEY, before=first)
    assert session.observe(south).digest() == second.digest()
    session.effect("off", south, KEY, before=second)
    session.effect("on", north, KEY, before=first)
    session.effect("on", south, KEY, before=second)
    assert (session.observe(north), session.observe(south)) == (first, second)


def test_denies_services_and_the_rest_of_a_policy_stay(aws: Aws) -> None:
    kept = [
        {"Effect": "Deny", "Principal": {"AWS": NORTH}, "Action": "sts:TagSession"},
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"},
    ]
    target, session = aws.trust(document(kept[0], allow(NORTH), kept[1]), NORTH), aws.session()
    session.effect("off", target, KEY, before=session.observe(target))
    assert aws.trust_policy() == document(*kept)


def test_a_trust_that_somebody_changed_since_is_left_alone(aws: Aws) -> None:
    target, session = aws.trust(SHARED, NORTH), aws.session()
    before = session.observe(target)
    wider = document(allow(NORTH, SOUTH))
    aws.client("iam").update_assume_role_policy(RoleName="partner", PolicyDocument=json.dumps(wider))
    assert session.observe(target).digest() != before.digest()
    with pytest.raises(RefusedError, match="another than when the plan was made"):
        session.effect("off", target, KEY, before=before)
    assert aws.trust_policy() == wider


def test_nobody_is_let_in_again_over_what_somebody_else_wrote(aws: Aws) -> None:
    target, session = aws.trust(SHARED, NORTH), aws.session()
    before = session.observe(target)
    session.effect("off", target, KEY, before=before)
    theirs = document(allow(NORTH, Condition={"StringEquals": {"sts:ExternalId": "another"}}))
    aws.client("iam").update_assume_role_policy(RoleName="partner", PolicyDocument=json.dumps(theirs))
    with pytest.raises(RefusedError, match="in another way"):
        session.effect("on", target, KEY, before=before)
    assert aws.trust_policy() == theirs


def test_what_others_wrote_meanwhile_survives_the_way_back(aws: Aws) -> None:
    target, session = aws.trust(SHARED, NORTH), aws.session()
    before = session.observe(target)
    session.effect("off", target, KEY, before=before)
    theirs = allow("arn:aws:iam::444444444444:root")
    aws.client("iam").update_assume_role_policy(RoleName="partner", PolicyDocument=json.dumps(document(theirs)))
    session.effect("on", target, KEY, before=before)
    assert aws.trust_policy() == document(theirs, {**allow(NORTH, Condition=CONDITION), "Principal": {"AWS": NORTH}})


def test_another_role_of_the_name_is_another_role(aws: Aws) -> None:
    target, session = aws.trust(SHARED, NORTH), aws.session()
    before = session.observe(target)
    session.effect("off", target, KEY, before=before)
    aws.client("iam").delete_role(RoleName="partner")
    aws.trust(document(allow(SOUTH)), NORTH)
    with pytest.raises(RefusedError):
        session.effect("on", target, KEY, before=before)
    assert aws.trust_policy() == document(allow(SOUTH))


def test_a_role_that_is_gone_lets_nobody_in(aws: Aws) -> None:
    target, session = aws.trust(SHARED, NORTH), aws.session()
    aws.client("iam").delete_role(RoleName="partner")
    assert session.observe(target).state == "gone"


def test_without_what_was_there_before_nobody_is_let_in_again(aws: Aws) -> None:
    target, session = aws.trust(SHARED, NORTH), aws.session()
    session.effect("off", target, KEY, before=session.observe(target))
    with pytest.raises(RefusedError, match="not known"):
        session.effect("on", target, KEY)


def test_a_lost_answer_to_a_trust_is_seen_at_the_next_look(aws: Aws) -> None:
    target, session = aws.trust(SHARED, NORTH), aws.session()
    before = session.observe(target)
    aws.relay.once[UPDATE] = [LOST]
    with pytest.raises(UnansweredError):
        session.effect("off", target, KEY, before=before)
    assert session.observe(target).state == "off"


def test_a_trust_that_is_written_by_somebody_else_just_now_is_busy(aws: Aws) -> None:
    target, session = aws.trust(SHARED, NORTH), aws.session()
    aws.relay.once[UPDATE] = [Wrong(409, "ConcurrentModification")]
    with pytest.raises(BusyError):
        session.effect("off", target, KEY, before=session.observe(target))
    assert aws.trust_policy() == SHARED


@pytest.mark.parametrize(
    ("holder", "arn", "principal"),
    [
        ("partner", f"arn:aws:iam::{TENANT[4:]}:role/aws-service-role/x/partner", NORTH),
        ("partner", f"arn:aws:iam::{TENANT[4:]}:role/aws-reserved/sso/partner", NORTH),
        ("partner", "", 'NotPrincipal {"AWS":"arn:aws:iam::222222222222:root"}'),
        ("", "", NORTH),
    ],
)
def test_a_trust_that_only_a_person_can_change_is_said_to_be_one(
    aws: Aws, holder: str, arn: str, principal: str
) -> None:
    target = replace(aws.trust(SHARED, NORTH), holder_name=holder, holder_native_id=arn, principal=principal)
    with pytest.raises(UnsupportedError) as said:
        aws.session().capabilities(target)
    assert said.value.hint


def test_what_off_does_to_a_trust_names_the_sessions_that_live_on(aws: Aws) -> None:
    can = aws.session().capabilities(aws.trust(SHARED, NORTH))
    assert can.can_turn_off and not can.can_delete
    assert "sessions run on" in can.effects["off"]


# Any policy: what is taken out comes back, and nobody else notices.

NAMES: Final = (NORTH, SOUTH, "arn:aws:iam::444444444444:root", "*")
statements = st.fixed_dictionaries(
    {
        "Effect": st.sampled_from(["Allow", "Allow", "Deny"]),
        "Principal": st.one_of(
            st.just("*"),
            st.sampled_from(NAMES).map(lambda name: {"AWS": name}),
            st.lists(st.sampled_from(NAMES), min_size=1, unique=True).map(lambda names: {"AWS": names}),
            st.just({"Service": ["ec2.amazonaws.com"], "AWS": [NORTH]}),
            st.just({"Federated": "accounts.google.com"}),
        ),
        "Action": st.sampled_from(["sts:AssumeRole", ["sts:AssumeRole", "sts:TagSession"]]),
    },
    optional={"Condition": st.sampled_from([CONDITION, {"Bool": {"aws:SecureTransport": "true"}}])},
)


def as_set(items: list[Any]) -> list[str]:
    return sorted({json.dumps(item, sort_keys=True) for item in items})


@given(st.lists(statements, min_size=1, max_size=4), st.sampled_from(NAMES))
def test_any_policy_loses_one_principal_and_gets_it_back(made: list[dict[str, Any]], principal: str) -> None:
    policy = document(*made)
    admitted = admitting(policy, principal)
    off = without(policy, principal)
    assert admitting(off, principal) == []
    assert off["Statement"]
    others = [name for name in (*NAMES, "ec2.amazonaws.com", "accounts.google.com") if name != principal]
    for name in others:
        assert admitting(off, name) == admitting(policy, name)
    denies = [statement for statement in policy["Statement"] if statement["Effect"] == "Deny"]
    assert [item for item in off["Statement"] if item["Effect"] == "Deny" and item != NOBODY] == denies
    on = restored(off, admitted)
    for name in (principal, *others):
        assert as_set(list(admitting(on, name))) == as_set(list(admitting(policy, name)))
    assert [item for item in on["Statement"] if item["Effect"] == "Deny"] == denies


# Console passwords.


def test_a_console_password_is_taken_away_for_good(aws: Aws) -> None:
    target, session = aws.password(), aws.session()
    can = session.capabilities(target)
    assert (can.overlap, can.can_turn_off, can.can_delete, can.usage) == (0, False, True, "last_used")
    seen = session.observe(target)
    assert (seen.state, seen.usage_known) == ("live", True)
    session.effect("delete", target, KEY)
    assert session.observe(target).state == "gone"
    session.effect("delete", target, KEY)
    with pytest.raises(ClientError, match="NoSuchEntity"):
        aws.client("iam").get_login_profile(UserName="kim")


@pytest.mark.parametrize("step", ["off", "on", "create", "discard"])
def test_a_password_has_no_other_step(aws: Aws, step: str) -> None:
    target = aws.password()
    with pytest.raises(RefusedError, match=f"no step {step}"):
        aws.session().effect(step, target, KEY)  # type: ignore[arg-type]
    assert aws.session().observe(target).state == "live"


def test_a_password_that_was_just_set_cannot_be_deleted_for_a_while(aws: Aws) -> None:
    target, session = aws.password(), aws.session()
    aws.relay.once["iam:DeleteLoginProfile"] = [Wrong(409, "EntityTemporarilyUnmodifiable")]
    with pytest.raises(BusyError) as busy:
        session.effect("delete", target, KEY)
    assert busy.value.after.total_seconds() == 30


@pytest.mark.parametrize("holder", ["", "<root_account>"])
def test_a_password_of_nobody_or_of_root_is_no_target(aws: Aws, holder: str) -> None:
    with pytest.raises(UnsupportedError):
        aws.session().capabilities(replace(aws.password(), holder_name=holder))


# Users and roles as a whole.


def identity(aws: Aws, kind: str) -> Target:
    if kind == "workload_role":
        trust = aws.trust(SHARED, NORTH)
        own = {"name": "partner", "native_id": trust.holder_native_id}
        return replace(trust, thing_kind="identity", thing_id=f"{TENANT}:role/partner", kind=kind, **own)
    key = aws.user()
    own = {"name": "billing", "native_id": key.holder_native_id}
    return replace(key, thing_kind="identity", thing_id=f"{TENANT}:user/billing", kind=kind, **own)


@pytest.mark.parametrize("kind", ["service_account", "human_user", "workload_role"])
def test_an_identity_is_denied_everything_and_let_be_again(aws: Aws, kind: str) -> None:
    target, session = identity(aws, kind), aws.session()
    before = session.observe(target)
    assert (before.state, session.capabilities(target).can_delete) == ("live", False)
    for _ in range(2):
        session.effect("off", target, KEY, before=before)
        assert session.observe(target).state == "off"
    for _ in range(2):
        session.effect("on", target, KEY, before=before)
        assert session.observe(target) == before


def test_whoever_is_denied_everything_can_do_nothing(aws: Aws, moto: str) -> None:
    target, session = identity(aws, "service_account"), aws.session()
    iam = aws.client("iam")
    allowing = document({"Effect": "Allow", "Action": "*", "Resource": "*"})
    iam.put_user_policy(UserName="billing", PolicyName="all", PolicyDocument=json.dumps(allowing))
    made = iam.create_access_key(UserName="billing")["AccessKey"]
    own = {"aws_access_key_id": made["AccessKeyId"], "aws_secret_access_key": made["SecretAccessKey"]}
    partner = boto3.client("iam", endpoint_url=moto, region_name="us-east-1", **own)
    session.effect("off", target, KEY)
    requests.post(f"{moto}/moto-api/reset-auth", data="0", timeout=10).raise_for_status()
    with pytest.raises(ClientError, match="AccessDenied"):
        partner.list_users()


def test_a_policy_of_that_name_that_is_not_ours_is_left_alone(aws: Aws) -> None:
    target, session = identity(aws, "service_account"), aws.session()
    theirs = json.dumps(document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}))
    aws.client("iam").put_user_policy(UserName="billing", PolicyName=POLICY, PolicyDocument=theirs)
    for step in ("off", "on"):
        with pytest.raises(RefusedError, match="not ours"):
            session.effect(step, target, KEY)
    assert session.observe(target).state == "live"
    kept = aws.client("iam").get_user_policy(UserName="billing", PolicyName=POLICY)["PolicyDocument"]
    assert kept == json.loads(theirs) != DENY_ALL


def test_an_identity_that_is_gone_is_gone(aws: Aws) -> None:
    target, session = identity(aws, "workload_role"), aws.session()
    aws.client("iam").delete_role(RoleName="partner")
    assert session.observe(target).state == "gone"


@pytest.mark.parametrize(
    ("kind", "name"), [("group", "ops"), ("delegated_admin", "x"), ("human_user", "<root_account>")]
)
def test_what_cannot_be_denied_everything_is_no_target(aws: Aws, kind: str, name: str) -> None:
    with pytest.raises(UnsupportedError):
        aws.session().capabilities(replace(identity(aws, "human_user"), kind=kind, name=name))


@pytest.mark.parametrize("thing_kind", ["app", "grant", "membership", "workload"])
def test_other_things_are_left_to_a_person(aws: Aws, thing_kind: str) -> None:
    with pytest.raises(UnsupportedError, match=f"no adapter acts on {thing_kind}"):
        aws.session().capabilities(replace(identity(aws, "human_user"), thing_kind=thing_kind))


def test_a_refused_look_is_no_state(aws: Aws) -> None:
    target, session = identity(aws, "workload_role"), aws.session()
    aws.relay.wrong["iam:GetRolePolicy"] = DENIED
    with pytest.raises(RefusedError) as refused:
        session.observe(target)
    assert refused.value.permission == "iam:GetRolePolicy"
