"""Secrets that a function renews, told by their labels; and Secrets Manager as the store of a new secret."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from moto.secretsmanager.models import SecretsManagerBackend, secretsmanager_backends

from fixtures.aws.faults import BROKEN, CUT, DENIED, LOST, THROTTLED, Wrong
from nhiscan.remediate.contract import BusyError, RefusedError, Store, Target, UnansweredError, UnsupportedError
from nhiscan.secret import Secret
from tests.aws.rotation import ACCOUNT, KEY, OTHER, REGION, TENANT, Aws
from tests.aws.rotation_function import ARN, RotationFunction

NAME = "acme/database"
ROTATE = "secretsmanager:RotateSecret"
PUT = "secretsmanager:PutSecretValue"
MOVE = "secretsmanager:UpdateSecretVersionStage"


@pytest.fixture
def function(monkeypatch: pytest.MonkeyPatch) -> RotationFunction:
    function = RotationFunction()

    def rotate(backend: SecretsManagerBackend, secret_id: str, client_request_token: str, **more: Any) -> str:
        return function.rotate(backend, secret_id, client_request_token, **more)

    monkeypatch.setattr(SecretsManagerBackend, "rotate_secret", rotate)
    return function


def backend() -> Any:
    return secretsmanager_backends[ACCOUNT][REGION]


def rotated(aws: Aws, function: RotationFunction) -> Target:
    """A secret with a rotation function."""
    arn = aws.secret({"password": "as it was"}, name=NAME)
    function.attach(backend(), NAME)
    id = f"{TENANT}:secret/{REGION}/{NAME}"
    return Target("secret", id, TENANT, "aws", kind="secret", name=NAME, native_id=arn, region=REGION)


def test_a_rotation_is_begun_once_and_seen_to_end(aws: Aws, function: RotationFunction) -> None:
    target, session = rotated(aws, function), aws.session()
    can = session.capabilities(target)
    assert (can.stores_itself, can.overlap, can.can_turn_off, can.can_delete) == (True, 1, False, False)
    before = session.observe(target)
    made = session.effect("create", target, KEY, before=before)
    assert made.id is not None and made.fields is None
    assert session.accepts(target, made.id, {})
    assert session.observe(target).facts == {"current": made.id, "pending": "", "rotated_by": ARN}
    assert session.effect("create", target, KEY, before=before).id == made.id
    assert function.begun == [made.id]


def test_a_rotation_that_is_stuck_is_not_taken_for_done(aws: Aws, function: RotationFunction) -> None:
    function.works = False
    target, session = rotated(aws, function), aws.session()
    made = session.effect("create", target, KEY)
    assert made.id is not None
    assert not session.accepts(target, made.id, {})
    assert session.observe(target).facts["pending"] == made.id
    function.end(backend(), NAME)
    assert session.accepts(target, made.id, {})


def test_no_rotation_is_begun_while_another_is_stuck(aws: Aws, function: RotationFunction) -> None:
    function.works = False
    target, session = rotated(aws, function), aws.session()
    session.effect("create", target, OTHER)
    with pytest.raises(RefusedError, match="has not ended") as refused:
        session.effect("create", target, KEY)
    assert "log of its rotation function" in refused.value.hint
    assert len(function.begun) == 1


@pytest.mark.parametrize("wrong", [LOST, Wrong(500, "InternalServiceError", is_late=True)])
def test_a_rotation_whose_answer_was_lost_is_found_by_its_token(
    aws: Aws, function: RotationFunction, wrong: Wrong
) -> None:
    target, session = rotated(aws, function), aws.session()
    before = session.observe(target)
    aws.relay.once[ROTATE] = [wrong]
    with pytest.raises(UnansweredError):
        session.effect("create", target, KEY, before=before)
    assert session.reconcile(target, before, KEY) == tuple(function.begun)
    assert session.reconcile(target, before, OTHER) == ()


@pytest.mark.parametrize("wrong", [CUT, BROKEN])
def test_a_rotation_that_never_began_left_nothing(aws: Aws, function: RotationFunction, wrong: Wrong) -> None:
    target, session = rotated(aws, function), aws.session()
    before = session.observe(target)
    aws.relay.once[ROTATE] = [wrong]
    with pytest.raises(UnansweredError):
        session.effect("create", target, KEY, before=before)
    assert session.reconcile(target, before, KEY) == ()
    assert session.observe(target) == before


def test_the_label_goes_back_to_where_it_was_and_only_from_our_version(aws: Aws, function: RotationFunction) -> None:
    target, session = rotated(aws, function), aws.session()
    before = session.observe(target)
    made = session.effect("create", target, KEY, before=before)
    for _ in range(2):
        session.effect("restore", target, KEY, id=made.id, before=before)
        assert session.observe(target).facts["current"] == before.facts["current"]
    theirs = session.effect("create", target, OTHER)
    moves = f"--remove-from-version-id {theirs.id} --move-to-version-id {before.facts['current']}"
    assert "FOREIGN --move-to-version-id RIGHT" in session.capabilities(target).changed["current"]
    with pytest.raises(RefusedError, match="not of this operation") as refused:
        session.effect("restore", target, KEY, id=made.id, before=before)
    assert moves in refused.value.hint


def test_a_rotation_that_still_runs_is_not_called_taken_back(aws: Aws, function: RotationFunction) -> None:
    function.works = False
    target, session = rotated(aws, function), aws.session()
    before = session.observe(target)
    made = session.effect("create", target, KEY, before=before)
    with pytest.raises(RefusedError, match="has not ended") as refused:
        session.effect("restore", target, KEY, id=made.id, before=before)
    assert f"--remove-from-version-id {made.id}" in refused.value.hint

    function.end(backend(), NAME)
    session.effect("restore", target, KEY, id=made.id, before=before)
    assert session.observe(target).facts == before.facts


def test_a_secret_that_nothing_rotates_is_left_to_its_issuer(aws: Aws, function: RotationFunction) -> None:
    target, session = rotated(aws, function), aws.session()
    backend().secrets[NAME].rotation_enabled = False
    with pytest.raises(UnsupportedError, match="no function rotates") as said:
        session.capabilities(target)
    assert "issued" in said.value.hint


def test_a_deleted_secret_is_gone(aws: Aws, function: RotationFunction) -> None:
    target, session = rotated(aws, function), aws.session()
    aws.client("secretsmanager").delete_secret(SecretId=NAME, RecoveryWindowInDays=7)
    assert session.observe(target).state == "gone"
    assert session.observe(replace(target, native_id=f"{target.native_id}x")).state == "gone"
    with pytest.raises(RefusedError):
        session.effect("create", target, KEY)
    assert function.begun == []


def test_no_rotation_reads_a_value(aws: Aws, function: RotationFunction) -> None:
    target, session = rotated(aws, function), aws.session()
    made = session.effect("create", target, KEY, before=session.observe(target))
    session.accepts(target, made.id or "", {})
    assert "secretsmanager:GetSecretValue" not in {call for call, _ in aws.relay.calls}


# The store.

ADDRESS = f"{REGION}/acme/billing"
HELD = {"host": "db.example", "access_key_id": "AKIAOLD", "port": 5432}
NEW = {"access_key_id": Secret("AKIANEW"), "secret_access_key": Secret("new-value")}
MERGED = {"host": "db.example", "access_key_id": "AKIANEW", "port": 5432, "secret_access_key": "new-value"}


@pytest.fixture
def store(aws: Aws) -> Store:
    aws.secret(HELD)
    return aws.store()


def versions_of(aws: Aws, label: str) -> list[str]:
    return [version for version, labels in aws.labels().items() if label in labels]


def test_what_is_staged_is_durable_and_nobodys_current(aws: Aws, store: Store) -> None:
    before = store.observe(ADDRESS)
    assert before["names"] == "access_key_id,host,port"
    assert store.staged(ADDRESS, KEY) is None
    for _ in range(2):
        store.stage(ADDRESS, KEY, NEW)
    assert aws.store().staged(ADDRESS, KEY) == NEW
    assert store.staged(ADDRESS, OTHER) is None
    assert aws.current() == HELD
    assert (store.observe(ADDRESS), store.published(ADDRESS, KEY)) == (before, None)
    assert len(aws.labels()) == 2


def test_publishing_merges_and_moves_one_label(aws: Aws, store: Store) -> None:
    version = store.observe(ADDRESS)["version"]
    store.stage(ADDRESS, KEY, NEW)
    new = store.publish(ADDRESS, KEY, version=version)
    assert aws.current() == MERGED
    assert store.published(ADDRESS, KEY) == new == store.observe(ADDRESS)["version"]
    assert store.published(ADDRESS, OTHER) is None
    assert store.publish(ADDRESS, KEY, version=version) == new
    assert aws.labels() == {version: ["AWSPREVIOUS"], new: ["AWSCURRENT"]}
    assert store.staged(ADDRESS, KEY) == NEW


def test_an_arn_is_an_address_as_well(aws: Aws, store: Store) -> None:
    arn = aws.client("secretsmanager").describe_secret(SecretId="acme/billing")["ARN"]
    assert store.observe(arn) == store.observe(ADDRESS)


def test_nothing_is_published_over_what_somebody_else_stored(aws: Aws, store: Store) -> None:
    version = store.observe(ADDRESS)["version"]
    store.stage(ADDRESS, KEY, NEW)
    theirs = {"host": "elsewhere.example"}
    aws.client("secretsmanager").put_secret_value(SecretId="acme/billing", SecretString='{"host": "elsewhere.example"}')
    with pytest.raises(RefusedError, match="is at version"):
        store.publish(ADDRESS, KEY, version=version)
    assert aws.current() == theirs


def test_a_change_between_look_and_move_is_refused_by_aws_itself(aws: Aws, store: Store) -> None:
    version = store.observe(ADDRESS)["version"]
    store.stage(ADDRESS, KEY, NEW)
    described = aws.relay.bodies["secretsmanager:DescribeSecret"]
    aws.client("secretsmanager").put_secret_value(SecretId="acme/billing", SecretString='{"host": "elsewhere.example"}')
    aws.relay.once["secretsmanager:DescribeSecret"] = [Wrong(200, body=described)]  # a look from before
    with pytest.raises(RefusedError, match="InvalidParameterException"):
        store.publish(ADDRESS, KEY, version=version)
    assert aws.current() == {"host": "elsewhere.example"}


def test_what_was_published_goes_back_and_is_gone_from_the_labels(aws: Aws, store: Store) -> None:
    version = store.observe(ADDRESS)["version"]
    store.stage(ADDRESS, KEY, NEW)
    store.publish(ADDRESS, KEY, version=version)
    for _ in range(2):
        store.restore(ADDRESS, KEY, version=version)
        store.discard(ADDRESS, KEY)
    assert aws.current() == HELD
    assert (store.published(ADDRESS, KEY), store.observe(ADDRESS)["version"]) == (None, version)
    assert versions_of(aws, "AWSCURRENT") == [version]


def test_nothing_is_put_back_over_what_somebody_else_stored(aws: Aws, store: Store) -> None:
    version = store.observe(ADDRESS)["version"]
    store.stage(ADDRESS, KEY, NEW)
    published = store.publish(ADDRESS, KEY, version=version)
    aws.overwrite({"host": "elsewhere.example"}, published)
    with pytest.raises(RefusedError, match="not of this operation") as refused:
        store.restore(ADDRESS, KEY, version=version)
    (theirs,) = versions_of(aws, "AWSCURRENT")
    assert f"--remove-from-version-id {theirs} --move-to-version-id {version})" in refused.value.hint
    assert aws.current() == {"host": "elsewhere.example"}


def test_discarding_takes_the_label_away_and_leaves_what_is_current(aws: Aws, store: Store) -> None:
    before = store.observe(ADDRESS)
    store.stage(ADDRESS, KEY, NEW)
    for _ in range(2):
        store.discard(ADDRESS, KEY)
    assert aws.labels() == {before["version"]: ["AWSCURRENT"]}
    assert aws.current() == HELD


def test_another_operation_does_not_see_or_touch_what_this_one_staged(aws: Aws, store: Store) -> None:
    store.stage(ADDRESS, KEY, NEW)
    store.discard(ADDRESS, OTHER)
    store.stage(ADDRESS, OTHER, {"access_key_id": Secret("AKIAOTHER")})
    assert store.staged(ADDRESS, KEY) == NEW
    assert store.staged(ADDRESS, OTHER) == {"access_key_id": Secret("AKIAOTHER")}


def test_the_same_key_never_holds_two_values(aws: Aws, store: Store) -> None:
    store.stage(ADDRESS, KEY, NEW)
    with pytest.raises(RefusedError, match="ResourceExistsException"):
        store.stage(ADDRESS, KEY, {"access_key_id": Secret("AKIAOTHER")})
    assert store.staged(ADDRESS, KEY) == NEW


@pytest.mark.parametrize("call", [PUT, MOVE])
@pytest.mark.parametrize("wrong", [LOST, CUT, BROKEN, Wrong(500, "InternalServiceError", is_late=True)])
def test_an_unanswered_publish_is_finished_by_repeating_it(aws: Aws, store: Store, call: str, wrong: Wrong) -> None:
    version = store.observe(ADDRESS)["version"]
    store.stage(ADDRESS, KEY, NEW)
    aws.relay.once[call] = [wrong]
    with pytest.raises(UnansweredError):
        store.publish(ADDRESS, KEY, version=version)
    assert aws.current() in (HELD, MERGED)  # never half of it
    new = store.publish(ADDRESS, KEY, version=version)
    assert aws.current() == MERGED
    assert aws.labels() == {version: ["AWSPREVIOUS"], new: ["AWSCURRENT"]}


def test_an_unanswered_cleaning_after_publishing_leaves_it_published(aws: Aws, store: Store) -> None:
    version = store.observe(ADDRESS)["version"]
    store.stage(ADDRESS, KEY, NEW)
    aws.relay.once[MOVE] = [None, CUT]
    with pytest.raises(UnansweredError):
        store.publish(ADDRESS, KEY, version=version)
    assert store.published(ADDRESS, KEY) is not None
    new = store.publish(ADDRESS, KEY, version=version)
    assert aws.labels() == {version: ["AWSPREVIOUS"], new: ["AWSCURRENT"]}


@pytest.mark.parametrize(
    ("wrong", "kind"), [(DENIED, RefusedError), (THROTTLED, BusyError), (CUT, UnansweredError), (LOST, UnansweredError)]
)
def test_a_fault_of_staging_says_whether_anything_was_done(
    aws: Aws, store: Store, wrong: Wrong, kind: type[Exception]
) -> None:
    aws.relay.once[PUT] = [wrong]
    with pytest.raises(kind):
        store.stage(ADDRESS, KEY, NEW)
    assert (store.staged(ADDRESS, KEY) == NEW) == (wrong is LOST)
    assert len([call for call, _ in aws.relay.calls if call == PUT]) == 1


@pytest.mark.parametrize("value", ["not json", '["a", "list"]', '"text"'])
def test_a_value_that_is_no_json_object_is_not_overwritten_or_quoted(aws: Aws, value: str) -> None:
    aws.secret(value, name="acme/plain")
    with pytest.raises(UnsupportedError) as said:
        aws.store().observe(f"{REGION}/acme/plain")
    assert value not in said.value.message + said.value.hint + repr(said.value.__context__)


def test_a_secret_without_a_value_is_no_place_to_stage_in(aws: Aws) -> None:
    aws.client("secretsmanager").create_secret(Name="acme/empty")
    store = aws.store()
    with pytest.raises(UnsupportedError, match="no value yet"):
        store.observe(f"{REGION}/acme/empty")
    with pytest.raises(UnsupportedError, match="no value yet"):
        store.stage(f"{REGION}/acme/empty", KEY, NEW)
    assert "AWSCURRENT" not in str(aws.labels("acme/empty"))


def test_a_secret_that_rotates_itself_is_no_place_to_store_in(aws: Aws, function: RotationFunction) -> None:
    rotated(aws, function)
    with pytest.raises(UnsupportedError, match="its own rotation"):
        aws.store().observe(f"{REGION}/{NAME}")


def test_a_secret_that_is_not_there_is_said_to_be_missing(aws: Aws, store: Store) -> None:
    with pytest.raises(RefusedError, match="there is no secret"):
        store.observe(f"{REGION}/acme/missing")
    aws.client("secretsmanager").delete_secret(SecretId="acme/billing", RecoveryWindowInDays=7)
    with pytest.raises(RefusedError, match="there is no secret"):
        store.observe(ADDRESS)


@pytest.mark.parametrize("address", ["", "acme", "/acme", f"{REGION}/"])
def test_an_address_that_is_none_is_refused(store: Store, address: str) -> None:
    with pytest.raises(UnsupportedError, match="no address"):
        store.observe(address)


def test_an_address_of_an_account_that_is_not_configured_is_refused(aws: Aws, store: Store) -> None:
    with pytest.raises(UnsupportedError, match="999999999999"):
        store.observe(f"arn:aws:secretsmanager:{REGION}:999999999999:secret:x-AbCdEf")
    two = aws.store(accounts=(ACCOUNT, "999999999999"), role_name="nhiscan-remediation")
    with pytest.raises(UnsupportedError, match="does not say which account"):
        two.observe(ADDRESS)
