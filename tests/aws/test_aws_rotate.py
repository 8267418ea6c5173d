"""The adapter's settings, and the policies that its page ships: enough for each phase, and not for the next one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from fixtures.aws.faults import DENIED, Wrong
from nhiscan.collect import Context
from nhiscan.collectors.aws.rotate_trusts import NOBODY
from nhiscan.errors import CollectError, ConfigError
from nhiscan.remediate.contract import RefusedError, Session, Step, UnsupportedError, load
from nhiscan.secret import Secret
from tests.aws.conftest import AS_OF
from tests.aws.rotation import ACCOUNT, KEY, REGION, Aws

PAGE = Path("collectors/aws/README.md")
# Which statement of the page's policy a step needs besides Look.
PHASES: dict[str, str] = {
    "observe": "Look",
    "verify": "Look",
    "quiet": "Look",
    "prove": "Look",
    "create": "Make",
    "discard": "Make",
    "off": "Switch",
    "on": "Switch",
    "restore": "Switch",
    "delete": "End",
}
STORE = "aws-secretsmanager"


def shipped() -> dict[str, set[str]]:
    """The actions of each statement of the policy that the page ships for remediation."""
    text = PAGE.read_text(encoding="utf-8").partition("## Remediation")[2]
    (block,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    return {statement["Sid"]: set(statement["Action"]) for statement in json.loads(block)["Statement"]}


def test_every_step_finds_what_it_needs_in_its_own_phase_and_the_look() -> None:
    policy = shipped()
    for kind, steps in load("aws").permissions.items():
        for step, actions in steps.items():
            allowed = policy["Store"] if kind == STORE else policy["Look"] | policy[PHASES[step]]
            assert set(actions) <= allowed, (kind, step)


def test_no_phase_ships_what_none_of_its_steps_needs() -> None:
    needed: dict[str, set[str]] = {sid: set() for sid in shipped()}
    for kind, steps in load("aws").permissions.items():
        for step, actions in steps.items():
            needed["Store" if kind == STORE else PHASES[step]] |= set(actions)
    for sid, actions in shipped().items():
        assert actions <= needed[sid], sid


def test_only_the_store_reads_values() -> None:
    assert [sid for sid, actions in shipped().items() if "secretsmanager:GetSecretValue" in actions] == ["Store"]


@pytest.fixture
def enforced(aws: Aws, moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Makes the session of a user who has these statements of the shipped policy and nothing else, enforced by moto."""
    iam = aws.client("iam")
    iam.create_user(UserName="remediation")
    key = iam.create_access_key(UserName="remediation")["AccessKey"]

    def enter(*sids: str) -> Session:
        # moto asks for a permission where AWS asks for none.
        actions = sorted({"sts:GetCallerIdentity"}.union(*(shipped()[sid] for sid in sids)))
        statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        requests.post(f"{moto}/moto-api/reset-auth", data="inf", timeout=10).raise_for_status()
        iam.put_user_policy(UserName="remediation", PolicyName="phase", PolicyDocument=document)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
        requests.post(f"{moto}/moto-api/reset-auth", data="0", timeout=10).raise_for_status()
        return aws.session()

    yield enter


STEPS: list[tuple[str, Step]] = [("Make", "create"), ("Switch", "off"), ("Switch", "on"), ("End", "delete")]


def test_each_phase_of_a_key_is_allowed_by_its_own_statement_alone(aws: Aws, enforced: Any) -> None:
    target = aws.user()
    for sid, step in STEPS:
        if step == "delete":
            enforced("Look", "Switch").effect("off", target, KEY)
        enforced("Look", sid).effect(step, target, KEY)
    assert enforced("Look").observe(target).state == "gone"


@pytest.mark.parametrize(("sid", "step"), STEPS)
def test_no_phase_of_a_key_can_do_what_another_is_for(aws: Aws, enforced: Any, sid: str, step: Step) -> None:
    target = aws.user()
    session = enforced("Look", *({"Make", "Switch", "End"} - {sid} - ({"Make"} if step != "create" else set())))
    if step == "delete":
        session.effect("off", target, KEY)
    with pytest.raises(RefusedError) as refused:
        session.effect(step, target, KEY)
    assert refused.value.permission is not None
    assert refused.value.permission in shipped()[sid]


def test_trusts_passwords_and_identities_are_switched_by_their_phases(aws: Aws, enforced: Any) -> None:
    principal = "arn:aws:iam::222222222222:root"
    allow = {"Effect": "Allow", "Principal": {"AWS": principal}, "Action": "sts:AssumeRole"}
    trust = aws.trust({"Version": "2012-10-17", "Statement": [allow]}, principal)
    password = aws.password()
    session = enforced("Look", "Switch")
    before = session.observe(trust)
    session.effect("off", trust, KEY, before=before)
    assert session.observe(trust).state == "off"
    with pytest.raises(RefusedError) as refused:
        session.effect("delete", password, KEY)
    assert refused.value.permission == "iam:DeleteLoginProfile"
    enforced("Look", "End").effect("delete", password, KEY)
    assert enforced("Look").observe(password).state == "gone"


def test_the_store_needs_no_more_than_its_statement(aws: Aws, enforced: Any) -> None:
    arn = aws.secret({"host": "db.example"})
    enforced("Store")
    store = aws.store()
    version = store.observe(arn)["version"]
    store.stage(arn, KEY, {"password": Secret("new")})
    store.publish(arn, KEY, version=version)
    store.restore(arn, KEY, version=version)
    store.discard(arn, KEY)
    assert store.observe(arn)["version"] == version


def test_the_pages_statement_for_nobody_lets_nobody_in() -> None:
    assert (NOBODY["Effect"], NOBODY["Principal"]) == ("Deny", {"AWS": "*"})


# Settings.


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"accounts": ("12345",)}, "12 digits"),
        ({"external_id": Secret("x")}, "without role_name"),
        ({"roles": {"delete": "nhiscan-end"}}, "unknown phase 'delete'"),
        ({"endpoint_url": "http://aws.example"}, "http"),
    ],
)
def test_settings_that_cannot_work_are_named(credentials: None, settings: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load("aws")(**settings).session(Context(as_of=AS_OF))


def test_a_credential_that_is_no_good_is_said_before_anything_is_planned(aws: Aws) -> None:
    aws.relay.wrong["sts:GetCallerIdentity"] = Wrong(403, "InvalidClientTokenId")
    with pytest.raises(CollectError, match=r"remediation\.aws") as failed:
        aws.session()
    assert "remediation.aws.profile" in failed.value.hint


def test_the_role_of_an_account_is_assumed_and_its_refusal_is_no_effect(aws: Aws) -> None:
    target = aws.user()
    aws.session(role_name="ops/remediation", accounts=(ACCOUNT,)).effect("off", target, KEY)
    assert ("sts:AssumeRole", "us-east-1") in aws.relay.calls
    aws.relay.wrong["sts:AssumeRole"] = DENIED
    with pytest.raises(RefusedError) as refused:
        aws.session(role_name="ops/remediation").effect("on", target, KEY)
    assert refused.value.permission == "sts:AssumeRole"
    assert set(aws.keys().values()) == {"Inactive"}


def test_each_phase_assumes_the_role_that_is_set_for_it_and_needs_only_its_own_statement(
    aws: Aws, moto: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    target, iam = aws.user(), aws.client("iam")
    iam.create_user(UserName="remediation")
    may = {"Effect": "Allow", "Action": ["sts:AssumeRole", "sts:GetCallerIdentity"], "Resource": "*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [may]})
    iam.put_user_policy(UserName="remediation", PolicyName="assume", PolicyDocument=policy)
    key = iam.create_access_key(UserName="remediation")["AccessKey"]
    caller = {"AWS": f"arn:aws:iam::{ACCOUNT}:user/remediation"}
    who = {"Effect": "Allow", "Principal": caller, "Action": "sts:AssumeRole"}
    trust = json.dumps({"Version": "2012-10-17", "Statement": [who]})
    for sid, actions in shipped().items():
        iam.create_role(RoleName=f"nhiscan-{sid}", AssumeRolePolicyDocument=trust)
        allow = {"Effect": "Allow", "Action": sorted(actions), "Resource": "*"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [allow]})
        iam.put_role_policy(RoleName=f"nhiscan-{sid}", PolicyName="phase", PolicyDocument=policy)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    requests.post(f"{moto}/moto-api/reset-auth", data="0", timeout=10).raise_for_status()
    roles = {sid.lower(): f"nhiscan-{sid}" for sid in ("Make", "Switch", "End")}
    session = aws.session(role_name="nhiscan-Look", roles=roles)
    for _, step in STEPS:
        if step == "delete":
            session.effect("off", target, KEY)
            with pytest.raises(RefusedError) as refused:  # no role is named for it: looking is all that may be done
                aws.session(role_name="nhiscan-Look", roles={"switch": "nhiscan-Switch"}).effect(step, target, KEY)
            assert refused.value.permission == "iam:DeleteAccessKey"
        session.effect(step, target, KEY)
    assert session.observe(target).state == "gone"
    with pytest.raises(UnsupportedError, match="signs in as"):
        session.capabilities(replace(target, thing_kind="identity", kind="workload_role", name="nhiscan-End"))


@pytest.mark.parametrize("roles", [{"look": "a", "make": "b", "end": "c"}, {"store": "a"}])
def test_another_account_takes_a_role_for_every_phase(aws: Aws, roles: dict[str, str]) -> None:
    elsewhere = replace(aws.user(), tenant_id="aws:222222222222")
    with pytest.raises(UnsupportedError, match="belongs to account"):
        aws.session(roles=roles).capabilities(elsewhere)
    whole = dict.fromkeys(("look", "make", "switch", "end"), "nhiscan")
    assert aws.session(roles=whole).capabilities(elsewhere).overlap == 2


def test_one_configured_account_is_meant_by_an_address_without_one(aws: Aws) -> None:
    aws.secret({"host": "db.example"})
    store = aws.store(accounts=(ACCOUNT,), role_name="remediation")
    assert store.observe(f"{REGION}/acme/billing")["names"] == "host"
