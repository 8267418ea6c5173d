"""Access keys: two slots, a secret shown once, no mark to know a key by; and what can go wrong on the way."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from fixtures.aws.faults import BROKEN, CUT, DENIED, GARBAGE, LOST, THROTTLED, Wrong
from nhiscan.remediate.contract import BusyError, RefusedError, UnansweredError, UnsupportedError
from nhiscan.secret import Secret
from tests.aws.rotation import ACCOUNT, KEY, OTHER, TENANT, Aws

CREATE = "iam:CreateAccessKey"
LIST = "iam:ListAccessKeys"
WHO = "sts:GetCallerIdentity"
NOT_YET = Wrong(403, "InvalidClientTokenId")


def test_a_key_is_replaced_beside_the_old_one_and_the_old_one_ends(aws: Aws) -> None:
    target, session = aws.user(), aws.session()
    before = session.observe(target)
    made = session.effect("create", target, KEY, before=before)
    assert made.id is not None and made.fields is not None
    assert session.accepts(target, made.id, made.fields)
    assert session.observe(target).others == {made.id: "live"}
    session.effect("off", target, KEY, before=before)
    assert session.observe(target).state == "off"
    session.effect("on", target, KEY, before=before)
    assert session.observe(target).state == "live"
    session.effect("off", target, KEY, before=before)
    session.effect("delete", target, KEY, before=before)
    assert session.observe(target).state == "gone"
    assert aws.keys() == {made.id: "Active"}


@pytest.mark.parametrize("step", ["off", "on", "delete", "discard"])
def test_every_step_but_create_is_done_twice_as_once(aws: Aws, step: str) -> None:
    target, session = aws.user(), aws.session()
    made = session.effect("create", target, KEY)
    if step == "delete":
        session.effect("off", target, KEY)
    session.effect(step, target, KEY, id=made.id if step == "discard" else None)  # type: ignore[arg-type]
    once = aws.keys()
    session.effect(step, target, KEY, id=made.id if step == "discard" else None)  # type: ignore[arg-type]
    assert aws.keys() == once


def test_capabilities_say_what_a_plan_rests_on(aws: Aws) -> None:
    can = aws.session().capabilities(aws.user())
    assert (can.overlap, can.maker, can.usage) == (2, "provider", "last_used")
    assert can.can_turn_off and can.can_delete and not can.stores_itself
    assert can.usage_lag == timedelta(hours=4)
    assert "sessions" in can.effects["off"]


def test_use_of_every_key_is_told(aws: Aws) -> None:
    target, session = aws.user(), aws.session()
    made = session.effect("create", target, KEY)
    assert made.id is not None and made.fields is not None
    unused = session.observe(target)
    assert (unused.last_used_at, unused.used, unused.usage_known) == (None, {}, True)
    session.accepts(target, made.id, made.fields)
    assert set(session.observe(target).used) == {made.id}


def test_a_use_that_cannot_be_read_is_not_no_use(aws: Aws) -> None:
    target, session = aws.user(), aws.session()
    aws.relay.wrong["iam:GetAccessKeyLastUsed"] = DENIED
    with pytest.raises(RefusedError) as refused:
        session.observe(target)
    assert refused.value.permission == "iam:GetAccessKeyLastUsed"


def test_inactive_keys_fill_slots_as_well_and_are_told(aws: Aws) -> None:
    target, session = aws.user(), aws.session()
    other = aws.client("iam").create_access_key(UserName="billing")["AccessKey"]["AccessKeyId"]
    aws.client("iam").update_access_key(UserName="billing", AccessKeyId=other, Status="Inactive")
    assert session.observe(target).others == {other: "off"}


def test_nothing_is_deleted_to_make_room(aws: Aws) -> None:
    target, session = aws.user(), aws.session()
    session.effect("create", target, KEY)
    full = aws.keys()
    with pytest.raises(RefusedError, match="LimitExceeded") as refused:
        session.effect("create", target, OTHER)
    assert "room" in refused.value.hint
    assert aws.keys() == full


def test_a_user_that_is_gone_has_no_key_any_more(aws: Aws) -> None:
    target, session = aws.user(), aws.session()
    iam = aws.client("iam")
    iam.delete_access_key(UserName="billing", AccessKeyId=target.native_id)
    iam.delete_user(UserName="billing")
    assert session.observe(target).state == "gone"
    assert session.reconcile(target, session.observe(target), KEY) == ()
    with pytest.raises(RefusedError, match="NoSuchEntity"):
        session.effect("create", target, KEY)


# What a lost answer made.


@pytest.mark.parametrize("wrong", [LOST, Wrong(500, "InternalError", is_late=True), replace(GARBAGE, is_late=True)])
def test_a_lost_answer_is_no_answer_and_what_it_made_is_found(aws: Aws, wrong: Wrong) -> None:
    target, session = aws.user(), aws.session()
    before = session.observe(target)
    aws.relay.once[CREATE] = [wrong]
    with pytest.raises(UnansweredError):
        session.effect("create", target, KEY, before=before)
    (made,) = session.reconcile(target, before, KEY)
    assert made != target.native_id
    assert aws.relay.calls.count((CREATE, "us-east-1")) == 1  # nobody asked twice


@pytest.mark.parametrize("wrong", [CUT, BROKEN])
def test_a_call_that_never_arrived_made_nothing(aws: Aws, wrong: Wrong) -> None:
    target, session = aws.user(), aws.session()
    before = session.observe(target)
    aws.relay.once[CREATE] = [wrong]
    with pytest.raises(UnansweredError):
        session.effect("create", target, KEY, before=before)
    assert session.reconcile(target, before, KEY) == ()
    assert aws.relay.calls.count((CREATE, "us-east-1")) == 1


def test_keys_that_were_there_before_are_not_what_was_made(aws: Aws) -> None:
    target, session = aws.user(), aws.session()
    aws.client("iam").create_access_key(UserName="billing")
    assert session.reconcile(target, session.observe(target), KEY) == ()


def test_a_key_that_somebody_else_made_meanwhile_is_not_told_apart(aws: Aws) -> None:
    target, session = aws.user(), aws.session()
    before = session.observe(target)
    iam = aws.client("iam")
    iam.delete_access_key(UserName="billing", AccessKeyId=target.native_id)
    theirs = {iam.create_access_key(UserName="billing")["AccessKey"]["AccessKeyId"] for _ in range(2)}
    assert set(session.reconcile(target, before, KEY)) == theirs  # two: a person has to say


def test_a_stale_list_shows_nothing_and_a_later_look_shows_the_key(aws: Aws) -> None:
    target, session = aws.user(), aws.session()
    before = session.observe(target)
    stale = Wrong(200, body=aws.relay.bodies[LIST])
    session.effect("create", target, KEY)
    aws.relay.once[LIST] = [stale, stale]
    assert session.reconcile(target, before, KEY) == ()
    assert session.reconcile(target, before, KEY) == ()
    assert len(session.reconcile(target, before, KEY)) == 1


def test_a_list_in_two_pages_is_read_to_its_end(aws: Aws) -> None:
    target, session = aws.user(), aws.session()
    session.observe(target)
    whole = aws.relay.bodies[LIST]
    end = b"</ListAccessKeysResult>"
    first = whole.replace(end, b"<IsTruncated>true</IsTruncated><Marker>x</Marker>" + end)
    aws.relay.once[LIST] = [Wrong(200, body=first.replace(target.native_id.encode(), b"AKIAFIRSTPAGEEXAMPLE"))]
    seen = session.observe(target)
    assert (seen.state, seen.others) == ("live", {"AKIAFIRSTPAGEEXAMPLE": "live"})


# What AWS refuses, and whether anything may have happened.


def test_a_busy_provider_did_nothing_and_is_not_asked_again(aws: Aws) -> None:
    target, session = aws.user(), aws.session()
    aws.relay.wrong[CREATE] = THROTTLED
    with pytest.raises(BusyError):
        session.effect("create", target, KEY)
    assert aws.relay.calls.count((CREATE, "us-east-1")) == 1


@pytest.mark.parametrize(
    ("step", "call"),
    [("create", CREATE), ("off", "iam:UpdateAccessKey"), ("on", "iam:UpdateAccessKey")],
)
def test_a_missing_permission_is_named(aws: Aws, step: str, call: str) -> None:
    target, session = aws.user(), aws.session()
    aws.relay.wrong[call] = DENIED
    with pytest.raises(RefusedError) as refused:
        session.effect(step, target, KEY)  # type: ignore[arg-type]
    assert refused.value.permission == call
    assert aws.keys() == {target.native_id: "Active"}


def test_an_expired_session_is_refused_and_not_unanswered(aws: Aws) -> None:
    target, session = aws.user(), aws.session()
    aws.relay.wrong[CREATE] = Wrong(403, "ExpiredToken")
    with pytest.raises(RefusedError) as refused:
        session.effect("create", target, KEY)
    assert "sign in again" in refused.value.hint


def test_an_address_that_nobody_listens_on_was_sent_nothing(aws: Aws) -> None:
    target, session = aws.user(), aws.session()
    aws.relay.__exit__()
    with pytest.raises(RefusedError, match="was not sent"):
        session.effect("create", target, KEY)


# Whether the new key is let in.


def test_a_key_that_is_not_known_yet_is_not_let_in(aws: Aws) -> None:
    target, session = aws.user(), aws.session()
    made = session.effect("create", target, KEY)
    assert made.id is not None and made.fields is not None
    aws.relay.once[WHO] = [NOT_YET, Wrong(403, "SignatureDoesNotMatch")]
    assert [session.accepts(target, made.id, made.fields) for _ in range(3)] == [False, False, True]


def test_a_key_is_let_in_only_where_every_region_lets_it_in(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    adapter = type(aws.session().adapter)  # type: ignore[attr-defined]
    assert adapter().key_regions() == ("us-east-1", "eu-west-1")
    monkeypatch.setattr(adapter, "key_regions", lambda self: ("us-east-1", "eu-west-1"))
    target, session = aws.user(), aws.session()
    made = session.effect("create", target, KEY)
    assert made.id is not None and made.fields is not None
    aws.relay.wrong[WHO], aws.relay.only_in = NOT_YET, frozenset({"eu-west-1"})
    assert not session.accepts(target, made.id, made.fields)
    aws.relay.wrong.clear()
    assert session.accepts(target, made.id, made.fields)


@pytest.mark.parametrize("wrong", [CUT, BROKEN, THROTTLED])
def test_no_answer_about_a_key_is_not_a_refusal_of_it(aws: Aws, wrong: Wrong) -> None:
    target, session = aws.user(), aws.session()
    made = session.effect("create", target, KEY)
    assert made.id is not None and made.fields is not None
    aws.relay.once[WHO] = [wrong]
    with pytest.raises((UnansweredError, BusyError)):
        session.accepts(target, made.id, made.fields)


def test_a_key_of_somebody_else_is_never_taken_for_the_new_one(aws: Aws) -> None:
    target, session = aws.user(), aws.session()
    other = aws.client("iam").create_user(UserName="other")["User"]
    theirs = aws.client("iam").create_access_key(UserName=other["UserName"])["AccessKey"]
    id = theirs["AccessKeyId"]
    fields = {"access_key_id": Secret(id), "secret_access_key": Secret(theirs["SecretAccessKey"])}
    with pytest.raises(RefusedError, match="does not sign in as billing"):
        session.accepts(target, id, fields)


# What is never done.


def test_a_key_that_is_active_again_is_not_deleted(aws: Aws) -> None:
    target, session = aws.user(), aws.session()
    with pytest.raises(RefusedError, match="is active"):
        session.effect("delete", target, KEY)
    assert aws.keys() == {target.native_id: "Active"}


def test_the_target_is_never_discarded(aws: Aws) -> None:
    target, session = aws.user(), aws.session()
    for id in (None, target.native_id):
        with pytest.raises(RefusedError, match="not what this operation made"):
            session.effect("discard", target, KEY, id=id)
    assert aws.keys() == {target.native_id: "Active"}


def test_what_is_discarded_is_off_even_where_it_cannot_be_deleted(aws: Aws) -> None:
    target, session = aws.user(), aws.session()
    made = session.effect("create", target, KEY)
    assert made.id is not None
    aws.relay.wrong["iam:DeleteAccessKey"] = DENIED
    with pytest.raises(RefusedError):
        session.effect("discard", target, KEY, id=made.id)
    assert aws.keys() == {target.native_id: "Active", made.id: "Inactive"}


@pytest.mark.parametrize("holder", ["", "<root_account>"])
def test_without_a_users_name_nobody_is_asked(aws: Aws, holder: str) -> None:
    target = replace(aws.user(), holder_name=holder)
    session = aws.session()
    asked = len(aws.relay.calls)
    with pytest.raises(UnsupportedError):
        session.capabilities(target)
    assert len(aws.relay.calls) == asked


def test_nothing_is_done_to_who_remediation_signs_in_as(aws: Aws, monkeypatch: pytest.MonkeyPatch) -> None:
    own = aws.user("nhiscan-remediation")
    secret = aws.client("iam").create_access_key(UserName="nhiscan-remediation")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", secret["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret["SecretAccessKey"])
    session = aws.session()
    for told in (own, replace(own, holder_name="NHISCAN-Remediation")):
        with pytest.raises(UnsupportedError, match="signs in as"):
            session.effect("off", told, KEY)
    assert set(aws.keys("nhiscan-remediation").values()) == {"Active"}


def test_nothing_is_done_to_the_role_that_is_assumed(aws: Aws) -> None:
    trusting = {"Version": "2012-10-17", "Statement": []}
    trust = aws.trust(trusting, f"arn:aws:iam::{ACCOUNT}:root", role="nhiscan-remediation")
    session = aws.session(role_name="ops/nhiscan-remediation")
    role = replace(trust, thing_kind="identity", kind="workload_role", name="nhiscan-remediation")
    for target in (trust, role):
        with pytest.raises(UnsupportedError, match="signs in as"):
            session.capabilities(target)


# A name that somebody chose to do harm.

HOSTILE = "../admin?Action=DeleteUser&UserName=x=,.@-+_"


def test_a_hostile_name_reaches_nobody_but_its_user(aws: Aws) -> None:
    target, session = aws.user("a+b=c,d.e@f-g_h"), aws.session()
    made = session.effect("create", target, KEY)
    assert made.id is not None and made.fields is not None
    assert session.accepts(target, made.id, made.fields)
    assert set(aws.keys("a+b=c,d.e@f-g_h")) == {target.native_id, made.id}


@pytest.mark.parametrize("name", [HOSTILE, "x\r\nHost: evil.example", "\u202egnillib", "x" * 200])
def test_a_name_that_no_user_can_have_does_nothing(aws: Aws, name: str) -> None:
    target, session = replace(aws.user(), holder_name=name), aws.session()
    with pytest.raises((RefusedError, UnansweredError)):
        session.effect("create", target, KEY)
    assert aws.keys() == {target.native_id: "Active"}


# What is written down.


def test_no_secret_is_in_a_log_an_error_or_a_repr(aws: Aws, caplog: pytest.LogCaptureFixture) -> None:
    for name in (None, "botocore", "urllib3", "boto3"):
        caplog.set_level(logging.DEBUG, logger=name)
    arn = aws.secret({"host": "db.example"})
    target, session, store = aws.user(), aws.session(), aws.store()
    caplog.clear()
    made = session.effect("create", target, KEY)
    assert made.id is not None and made.fields is not None
    session.accepts(target, made.id, made.fields)
    store.stage(arn, KEY, made.fields)
    store.publish(arn, KEY, version=store.observe(arn)["version"])
    aws.relay.once["sts:GetCallerIdentity"] = [GARBAGE]
    with pytest.raises(UnansweredError) as failed:
        session.accepts(target, made.id, made.fields)
    hidden = made.fields["secret_access_key"].reveal()
    assert aws.current()["secret_access_key"] == hidden
    assert hidden not in caplog.text + repr(made) + repr(session) + repr(store) + repr(failed.value)


def test_an_answer_that_cannot_be_read_is_not_quoted(aws: Aws) -> None:
    target, session = aws.user(), aws.session()
    aws.relay.once[CREATE] = [Wrong(200, body=b"<SecretAccessKey>canary-canary-canary", is_late=True)]
    with pytest.raises(UnansweredError) as failed:
        session.effect("create", target, KEY)
    chain = [failed.value, failed.value.__cause__, failed.value.__context__]
    assert "canary" not in repr(chain) + str(failed.value) + failed.value.hint


def test_another_account_is_refused_before_anything_is_asked(aws: Aws) -> None:
    target = replace(aws.user(), tenant_id="aws:999999999999")
    with pytest.raises(UnsupportedError, match="999999999999"):
        aws.session().observe(target)
    with pytest.raises(UnsupportedError, match=r"remediation\.aws\.accounts"):
        aws.session(accounts=(ACCOUNT,)).observe(target)
    assert aws.session(accounts=(ACCOUNT,)).observe(replace(target, tenant_id=TENANT)).state == "live"
