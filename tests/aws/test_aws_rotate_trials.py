"""Remediation of AWS broken off at every boundary, carried on or rolled back: the promises hold, the end is the same.

The engine is the real one, and so is botocore up to where it would send; how things are is read from moto's own state.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from moto.iam.models import iam_backends
from moto.secretsmanager.models import SecretsManagerBackend, secretsmanager_backends

from fixtures.aws.faults import Relay
from nhiscan.collect import Context
from nhiscan.collectors.aws.rotate import Aws as Adapter
from nhiscan.collectors.aws.rotate_trusts import admitting
from nhiscan.remediate.contract import Session, State, Store, Target
from nhiscan.remediate.plan import Mode
from nhiscan.secret import Secret
from tests.aws.rotation import ACCOUNT, REGION, TENANT, Aws
from tests.aws.rotation_function import RotationFunction
from tests.remediation import trials
from tests.remediation.trials import Clock, Truth, World

Make = Callable[[Clock], World]

numbers = itertools.count()
STORE = "aws-secretsmanager"
NAMES = {"access_key_id": "AWS_ACCESS_KEY_ID", "secret_access_key": "AWS_SECRET_ACCESS_KEY"}
STATES: dict[str, State] = {"Active": "live", "Inactive": "off"}


def iam() -> Any:
    return iam_backends[ACCOUNT]["aws"]


def secrets_manager() -> Any:
    return secretsmanager_backends[ACCOUNT][REGION]


@pytest.fixture
def direct(credentials: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Aws]:
    """moto in this process, and one client for each new key: many thousands of calls are made."""
    made: dict[tuple[str, str], Any] = {}
    sign_in = Adapter.sign_in

    def sign_in_once(self: Adapter, ctx: Context, region: str, id: str, secret: Secret) -> Any:
        if (id, region) not in made:
            made[id, region] = sign_in(self, ctx, region, id, secret)
        return made[id, region]

    monkeypatch.setattr(Adapter, "sign_in", sign_in_once)
    with mock_aws():
        yield Aws(None, Relay(""))


def versions(name: str) -> list[tuple[list[str], dict[str, Any]]]:
    """(labels, document) of each version that a label keeps."""
    held = secrets_manager().secrets[name].versions.values()
    return [(item["version_stages"], json.loads(item["secret_string"])) for item in held if item["version_stages"]]


def key_world(aws: Aws, session: Session, store: Store, mode: Mode = "routine") -> Make:
    """A user with one key, which a secret of Secrets Manager holds beside other things."""

    def make(clock: Clock) -> World:
        user, name = f"billing-{(number := next(numbers))}", f"acme/billing-{number}"
        made = iam().create_user("aws", user, path="/partners/", tags=[])
        old = iam().create_access_key(user)
        held = {"host": "db.example", NAMES["access_key_id"]: old.access_key_id}
        held[NAMES["secret_access_key"]] = old.secret_access_key
        aws.secret(held, name=name)
        target = Target(
            "credential",
            f"{TENANT}:access_key/{old.access_key_id}",
            TENANT,
            "aws",
            kind="access_key",
            native_id=old.access_key_id,
            holder_kind="service_account",
            holder_name=user,
            holder_native_id=made.arn,
        )
        address = f"{STORE}:{REGION}/{name}"
        plan = trials.plan(session, target, at=clock.now, store=store, address=address, names=NAMES, mode=mode)

        def look() -> Truth:
            keys = {key.access_key_id: key for key in iam().users[user].access_keys}
            states = {id: STATES[key.status] for id, key in keys.items()}
            kept = versions(name)
            (current,) = [document for labels, document in kept if "AWSCURRENT" in labels]
            key = keys.get(current[NAMES["access_key_id"]])
            works = (
                key is not None
                and key.status == "Active"
                and key.secret_access_key == current[NAMES["secret_access_key"]]
                and current["host"] == "db.example"
            )
            stored = {document[NAMES["access_key_id"]] for _, document in kept}
            own = states.pop(old.access_key_id, "gone")
            return Truth(own, states, frozenset(stored - {old.access_key_id}), works)

        return World(
            plan,
            {"aws": session},
            {STORE: store},
            look,
            secrets=lambda: (old.secret_access_key,),
            is_usage_made_up=True,
        )

    return make


@pytest.mark.parametrize(("mode", "least"), [("routine", 60), ("contain", 60)])
def test_no_crash_in_a_rotation_breaks_a_promise(direct: Aws, tmp_path: Path, mode: Mode, least: int) -> None:
    count = trials.crashes(key_world(direct, direct.session(), direct.store(), mode), tmp_path)
    assert not count.violations
    assert count.trials >= least


def test_a_rotation_is_rolled_back_from_wherever_it_broke_off(direct: Aws, tmp_path: Path) -> None:
    count = trials.rollbacks(key_world(direct, direct.session(), direct.store()), tmp_path)
    assert not count.violations
    assert count.trials >= 60


def test_no_fault_of_a_call_in_a_rotation_breaks_a_promise(direct: Aws, tmp_path: Path) -> None:
    count = trials.faults(key_world(direct, direct.session(), direct.store()), tmp_path)
    assert not count.violations
    assert count.trials >= 20


NORTH = "arn:aws:iam::222222222222:root"
SOUTH = "arn:aws:iam::333333333333:root"
ALLOW = {"Effect": "Allow", "Action": "sts:AssumeRole", "Condition": {"StringEquals": {"sts:ExternalId": "acme-42"}}}
POLICY = {"Version": "2012-10-17", "Statement": [{**ALLOW, "Principal": {"AWS": [NORTH, SOUTH]}}]}


def trust_world(aws: Aws, session: Session) -> Make:
    def make(clock: Clock) -> World:
        role = f"partner-{next(numbers)}"
        target = aws.trust(POLICY, NORTH, role=role)

        def look() -> Truth:
            document = aws.trust_policy(role)
            assert admitting(document, SOUTH) == [{**ALLOW, "Principal": {"AWS": SOUTH}}]  # nobody else notices
            return Truth("live" if admitting(document, NORTH) else "off")

        return World(trials.plan(session, target, at=clock.now, action="revoke"), {"aws": session}, {}, look)

    return make


def password_world(aws: Aws, session: Session) -> Make:
    def make(clock: Clock) -> World:
        target = aws.password(f"kim-{next(numbers)}")

        def look() -> Truth:
            return Truth("live" if iam().users[target.holder_name].password else "gone")

        return World(trials.plan(session, target, at=clock.now, action="revoke"), {"aws": session}, {}, look)

    return make


def identity_world(aws: Aws, session: Session) -> Make:
    def make(clock: Clock) -> World:
        name = f"agent-{next(numbers)}"
        arn = iam().create_user("aws", name, path="/", tags=[]).arn
        own = {"kind": "service_account", "name": name, "native_id": arn}
        target = Target("identity", f"{TENANT}:user/{name}", TENANT, "aws", **own)

        def look() -> Truth:
            return Truth("off" if iam().users[name].policies else "live")

        return World(trials.plan(session, target, at=clock.now, action="revoke"), {"aws": session}, {}, look)

    return make


WORLDS: dict[str, Callable[[Aws, Session], Make]] = {
    "trust": trust_world,
    "password": password_world,
    "identity": identity_world,
}


@pytest.mark.parametrize("kind", WORLDS)
@pytest.mark.parametrize("explore", [trials.crashes, trials.rollbacks])
def test_no_crash_in_taking_access_away_breaks_a_promise(
    direct: Aws, tmp_path: Path, kind: str, explore: Callable[[Make, Path], trials.Count]
) -> None:
    count = explore(WORLDS[kind](direct, direct.session()), tmp_path)
    assert not count.violations
    assert count.trials >= 10


@pytest.mark.parametrize("kind", WORLDS)
def test_no_fault_of_a_call_that_takes_access_away_breaks_a_promise(direct: Aws, tmp_path: Path, kind: str) -> None:
    count = trials.faults(WORLDS[kind](direct, direct.session()), tmp_path)
    assert not count.violations
    assert count.trials >= 5


@pytest.fixture
def secret(direct: Aws, monkeypatch: pytest.MonkeyPatch) -> Make:
    """A secret that its function renews."""
    function, session = RotationFunction(), direct.session()

    def rotate(backend: SecretsManagerBackend, secret_id: str, client_request_token: str, **more: Any) -> str:
        return function.rotate(backend, secret_id, client_request_token, **more)

    monkeypatch.setattr(SecretsManagerBackend, "rotate_secret", rotate)

    def make(clock: Clock) -> World:
        name = f"acme/database-{next(numbers)}"
        arn = direct.secret({"password": "as it was"}, name=name)
        function.attach(secrets_manager(), name)
        (first,) = direct.labels(name)
        own = {"kind": "secret", "name": name, "native_id": arn, "region": REGION}
        target = Target("secret", f"{TENANT}:secret/{REGION}/{name}", TENANT, "aws", **own)

        def look() -> Truth:
            (current,) = [id for id, labels in direct.labels(name).items() if "AWSCURRENT" in labels]
            return Truth("live", {} if current == first else {current: "live"})

        return World(trials.plan(session, target, at=clock.now), {"aws": session}, {}, look)

    return make


@pytest.mark.parametrize("explore", [trials.crashes, trials.rollbacks, trials.faults])
def test_no_crash_or_fault_in_a_secrets_own_rotation_breaks_a_promise(
    secret: Make, tmp_path: Path, explore: Callable[[Make, Path], trials.Count]
) -> None:
    count = explore(secret, tmp_path)
    assert not count.violations
    assert count.trials >= 5
