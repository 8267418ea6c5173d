"""Removal of a user: what is refused, what is read back, and that no call which may have had an effect is repeated."""

from __future__ import annotations

import dataclasses
import secrets
from datetime import timedelta
from typing import Any

import pytest

from fixtures.hubspot.account import ANNA, BEN, CEDAR_USER
from fixtures.hubspot.contract import description
from fixtures.hubspot.simulator import ACTIVITY, DETAILS, USERS, Reply, Simulator
from nhiscan.collect import Context
from nhiscan.errors import CollectError, ConfigError
from nhiscan.remediate import contract
from nhiscan.remediate.contract import (
    BusyError,
    RefusedError,
    Session,
    Target,
    UnansweredError,
    UnsupportedError,
)
from nhiscan.secret import Secret
from tests.hubspot.conftest import TENANT, scan

KEY = "plan-1/1/delete"
SCOPES = frozenset({"oauth", "settings.users.read", "settings.users.write"})


@pytest.fixture
def writer(simulator: Simulator) -> str:
    """A key that may remove users, as remediation has one."""
    key = f"canary-{secrets.token_hex(16)}"
    simulator.tokens[key] = SCOPES
    return key


@pytest.fixture
def users(simulator: Simulator, writer: str) -> Session:
    return session(simulator, writer)


def session(simulator: Simulator, writer: str, **settings: Any) -> Session:
    adapter = contract.load("hubspot")(Secret(writer), **{"base_url": simulator.url, **settings})
    signed_in: Session = adapter.session(Context(as_of=simulator.account.now))
    return signed_in


def user(user_id: int = CEDAR_USER, **more: Any) -> Target:
    told: dict[str, Any] = {
        "thing_kind": "identity",
        "thing_id": f"{TENANT}:user/{user_id}",
        "tenant_id": TENANT,
        "provider": "hubspot",
        "kind": "human_user",
        "name": "carla@cedar.example",
        "native_id": str(user_id),
        **more,
    }
    return Target(**told)


def changes(simulator: Simulator) -> list[str]:
    """The calls that could change something."""
    return [call for call in simulator.calls if not call.startswith("GET ")]


# Removing


def test_a_removed_user_is_gone_and_the_next_scan_sees_it(simulator: Simulator, users: Session) -> None:
    done = users.effect("delete", user(), KEY)
    assert done.request_id is not None
    assert users.observe(user()).state == "gone"
    said = scan(simulator)
    assert said.identity(f"user/{CEDAR_USER}").status == "disabled"
    assert user().thing_id in [use.target for use in said.of("usage") if use.action == "REMOVE_USER"]


def test_removing_twice_is_removing_once(simulator: Simulator, users: Session) -> None:
    users.effect("delete", user(), KEY)
    users.effect("delete", user(), KEY)
    assert changes(simulator) == [f"DELETE {USERS}/{CEDAR_USER}"]


def test_a_user_who_goes_between_the_look_and_the_call_is_no_failure(simulator: Simulator, users: Session) -> None:
    simulator.nasty.stale = 1
    users.effect("delete", user(), KEY)
    users.effect("delete", user(), KEY)
    assert len(changes(simulator)) == 2
    assert users.observe(user()).state == "gone"


def test_what_is_observed_is_what_somebody_may_have_changed_since(simulator: Simulator, users: Session) -> None:
    seen = users.observe(user())
    assert (seen.state, seen.usage_known) == ("live", False)
    assert seen.facts == {"mail": "carla@cedar.example", "super_admin": "no", "roles": "77", "teams": "31, 32"}
    simulator.account.users[str(CEDAR_USER)]["superAdmin"] = True
    assert users.observe(user()).digest() != seen.digest()


def test_a_user_can_only_be_ended_for_good(users: Session) -> None:
    can = users.capabilities(user())
    assert (can.can_delete, can.can_turn_off, can.overlap, can.maker, can.usage) == (True, False, 0, "nobody", "none")
    assert not can.rollback
    assert "invitation" in can.effects["delete"]


def test_who_is_gone_already_can_still_be_asked_about(simulator: Simulator, users: Session) -> None:
    simulator.account.remove_user(str(CEDAR_USER), by=ANNA)
    assert users.capabilities(user()).can_delete
    assert users.observe(user()).state == "gone"


# Who stays


def test_a_super_administrator_is_left_to_a_person(simulator: Simulator, users: Session) -> None:
    with pytest.raises(UnsupportedError, match="super administrator"):
        users.capabilities(user(ANNA))


def test_who_became_super_administrator_after_the_plan_stays(simulator: Simulator, users: Session) -> None:
    simulator.account.users[str(CEDAR_USER)]["superAdmin"] = True
    with pytest.raises(RefusedError, match="super administrator"):
        users.effect("delete", user(), KEY)
    assert not changes(simulator)


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ("ben@acme.example", "ben@acme.example"),
        ("Ben@Acme.Example", "ben@acme.example"),
        ("ben@acme.example", "Ben@acme.example"),
    ],
)
def test_who_is_to_be_kept_stays(simulator: Simulator, writer: str, said: str, known: str) -> None:
    simulator.account.users[str(BEN)]["email"] = known
    users = session(simulator, writer, keep=(said,))
    with pytest.raises(UnsupportedError, match=rf"{known} stands in remediation.hubspot.keep"):
        users.capabilities(user(BEN))
    with pytest.raises(RefusedError, match="keep"):
        users.effect("delete", user(BEN), KEY)
    assert not changes(simulator)
    users.effect("delete", user(), KEY)


def test_a_user_of_another_account_is_not_touched(simulator: Simulator, users: Session) -> None:
    other = user(tenant_id="hubspot:4711002")
    for ask in (users.observe, lambda target: users.effect("delete", target, KEY)):
        with pytest.raises(RefusedError, match="the token is of hubspot:4711001"):
            ask(other)
    with pytest.raises(UnsupportedError, match="the token is of hubspot:4711001"):
        users.capabilities(other)
    assert not changes(simulator)


@pytest.mark.parametrize(
    "native_id", ["", "../../../crm/owners/2026-03", "503?idProperty=EMAIL", "carla@cedar.example"]
)
def test_only_an_id_of_a_user_becomes_part_of_a_call(simulator: Simulator, users: Session, native_id: str) -> None:
    with pytest.raises(RefusedError, match="no id of a user"):
        users.effect("delete", user(native_id=native_id), KEY)
    assert simulator.calls == [f"GET {DETAILS}"]


@pytest.mark.parametrize("step", ["off", "on", "create", "discard"])
def test_no_other_step_reaches_hubspot(simulator: Simulator, users: Session, step: Any) -> None:
    with pytest.raises(RefusedError, match=f"the step {step}"):
        users.effect(step, user(), KEY)
    assert simulator.calls == [f"GET {DETAILS}"]


# What no API does

TYPES = frozenset(description()["schemas"]["auditLogs.HydratedCriticalAction"]["properties"]["type"]["enum"])


@pytest.mark.parametrize(
    ("thing_kind", "kind"),
    [
        ("identity", "private_app"),
        ("credential", "private_app_token"),
        ("credential", "service_key"),
        ("app", "oauth_app"),
        ("credential", "oauth_token"),
        ("credential", "api_key"),
        ("credential", "smtp_token"),
        ("identity", "service_account"),
        ("credential", "personal_access_key"),
    ],
)
def test_what_no_api_ends_is_left_to_a_person_and_the_next_scan(users: Session, thing_kind: str, kind: str) -> None:
    with pytest.raises(UnsupportedError, match="no API") as refused:
        users.capabilities(user(thing_kind=thing_kind, kind=kind))
    types = {word for word in refused.value.message.split() if word.isupper() and "_" in word}
    assert types
    assert types <= TYPES
    assert "guided task" in refused.value.hint


@pytest.mark.parametrize("thing_kind", ["membership", "grant"])
def test_roles_and_teams_are_left_to_a_person(users: Session, thing_kind: str) -> None:
    with pytest.raises(UnsupportedError, match="roles, teams and rights"):
        users.capabilities(user(thing_kind=thing_kind, kind="role"))


def test_a_kind_that_nobody_knows_is_left_to_a_person_in_words(users: Session) -> None:
    with pytest.raises(UnsupportedError, match="a webhook key; the next scan confirms"):
        users.capabilities(user(thing_kind="credential", kind="webhook_key"))


# What goes wrong on the way


@pytest.mark.parametrize("fate", ["cut", "500", "503"])
def test_a_call_without_an_answer_is_not_repeated(simulator: Simulator, users: Session, fate: Any) -> None:
    simulator.nasty.changes = [fate]
    with pytest.raises(UnansweredError):
        users.effect("delete", user(), KEY)
    assert len(changes(simulator)) == 1
    assert users.observe(user()).state == "live"


@pytest.mark.parametrize("fate", ["lost", "lost_500"])
def test_a_call_whose_answer_is_lost_is_not_repeated_either(simulator: Simulator, users: Session, fate: Any) -> None:
    simulator.nasty.changes = [fate]
    with pytest.raises(UnansweredError):
        users.effect("delete", user(), KEY)
    assert len(changes(simulator)) == 1
    assert users.observe(user()).state == "gone"


def test_an_answer_that_comes_too_late_says_nothing(
    simulator: Simulator, users: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nhiscan.http._TIMEOUT_S", (1, 0.1))
    simulator.nasty.changes, simulator.nasty.held_s = ["late"], 0.3
    with pytest.raises(UnansweredError, match="ReadTimeout"):
        users.effect("delete", user(), KEY)
    assert len(changes(simulator)) == 1


@pytest.mark.parametrize(("retry_after", "after_s"), [("700", 700), (None, 10)])
def test_the_limit_of_ten_seconds_says_when_to_come_back(
    simulator: Simulator, users: Session, pauses: list[float], retry_after: str | None, after_s: int
) -> None:
    simulator.nasty.changes, simulator.nasty.retry_after = ["429"], retry_after
    with pytest.raises(BusyError) as busy:
        users.effect("delete", user(), KEY)
    assert busy.value.after == timedelta(seconds=after_s)
    assert not pauses
    assert len(changes(simulator)) == 1
    assert users.observe(user()).state == "live"


def test_the_limit_of_the_day_is_not_asked_against(simulator: Simulator, users: Session) -> None:
    simulator.nasty.daily_after = len(simulator.calls)
    with pytest.raises(RefusedError, match="daily limit") as refused:
        users.effect("delete", user(), KEY)
    assert not isinstance(refused.value, BusyError)
    assert "after its midnight" in refused.value.hint


def test_a_reading_that_lags_shows_the_user_until_it_does_not(simulator: Simulator, users: Session) -> None:
    simulator.nasty.stale = 2
    users.effect("delete", user(), KEY)
    assert [users.observe(user()).state for _ in range(3)] == ["live", "live", "gone"]


def test_a_scope_that_is_missing_midway_is_named(simulator: Simulator, users: Session, writer: str) -> None:
    simulator.tokens[writer] = SCOPES - {"settings.users.write"}
    with pytest.raises(RefusedError) as refused:
        users.effect("delete", user(), KEY)
    assert "scope settings.users.write" in (refused.value.permission or "")
    assert str(CEDAR_USER) in simulator.account.users


def test_a_key_that_ended_midway_is_refused(simulator: Simulator, users: Session) -> None:
    simulator.nasty.token_ends_after = len(simulator.calls)
    with pytest.raises(RefusedError, match="401") as refused:
        users.effect("delete", user(), KEY)
    assert "remediation.hubspot.token" in refused.value.hint


def test_half_an_answer_says_nothing_of_a_user(simulator: Simulator, users: Session) -> None:
    simulator.nasty.broken[f"{USERS}/{CEDAR_USER}"] = 0
    with pytest.raises(UnansweredError, match="not whole JSON"):
        users.observe(user())


def test_a_path_that_is_not_there_is_no_user_who_is_gone(simulator: Simulator, users: Session) -> None:
    """An address or version that is wrong answers 404 to everything, and would otherwise prove every removal."""
    wrong = dataclasses.replace(users, path="/settings/users/2025-01")  # type: ignore[type-var]
    with pytest.raises(RefusedError, match="no such call"):
        wrong.observe(user())
    with pytest.raises(RefusedError, match="no such call"):
        wrong.effect("delete", user(), KEY)


def test_a_redirect_is_not_followed(simulator: Simulator, users: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    said = simulator.answer

    def moved(method: str, target: str, *more: Any) -> Reply:
        reply = said("GET", target, *more) if method == "DELETE" else said(method, target, *more)
        return Reply(307, b"", {"Location": f"{USERS}/{BEN}"}) if method == "DELETE" else reply

    monkeypatch.setattr(simulator, "answer", moved)
    with pytest.raises(RefusedError, match="307"):
        users.effect("delete", user(), KEY)
    assert not simulator.paths(f"{USERS}/{BEN}")


def test_an_answer_about_somebody_else_is_none(
    simulator: Simulator, users: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = simulator.answer
    monkeypatch.setattr(
        simulator, "answer", lambda method, target, *more: said(method, target.replace("503", "502"), *more)
    )
    with pytest.raises(UnansweredError, match="not about this user"):
        users.effect("delete", user(), KEY)
    assert not changes(simulator)


# Signing in


def test_the_key_has_to_say_which_account_it_is_of(simulator: Simulator, writer: str) -> None:
    simulator.tokens[writer] = frozenset({"settings.users.write"})
    with pytest.raises(CollectError, match="cannot be named") as refused:
        session(simulator, writer)
    assert "scope oauth" in refused.value.hint
    assert writer not in str(refused.value) + refused.value.hint


def test_an_address_where_nobody_answers_is_said(simulator: Simulator, writer: str, pauses: list[float]) -> None:
    with pytest.raises(CollectError, match="no answer"):
        session(simulator, writer, base_url="http://127.0.0.1:1")


def test_a_version_that_is_none_is_a_mistake_in_the_settings(simulator: Simulator, writer: str) -> None:
    with pytest.raises(ConfigError, match="api_version"):
        session(simulator, writer, api_version="v3")


def test_the_adapter_keeps_no_secrets(simulator: Simulator, writer: str) -> None:
    adapter = contract.load("hubspot")(Secret(writer))
    assert adapter.stores == ()
    with pytest.raises(UnsupportedError):
        adapter.store(Context(as_of=simulator.account.now))
    assert writer not in repr(adapter)


def test_the_key_stands_in_no_text_of_the_session(simulator: Simulator, users: Session, writer: str) -> None:
    assert writer not in repr(users)
    simulator.nasty.changes = ["lost"]
    with pytest.raises(UnansweredError) as lost:
        users.effect("delete", user(), KEY)
    chain: list[BaseException | None] = [lost.value, lost.value.__cause__]
    assert writer not in repr([(error, getattr(error, "args", None)) for error in chain])


# Scopes


def test_the_stated_scopes_are_enough_and_hubspots(simulator: Simulator, writer: str) -> None:
    told = contract.load("hubspot").permissions["human_user"]
    named = {scope.removeprefix("scope ") for scope in told["delete"]}
    assert named == SCOPES
    assert named <= set(description()["scopes"])
    simulator.tokens[writer] = frozenset(scope.removeprefix("scope ") for scope in told["observe"])
    reader = session(simulator, writer)
    reader.capabilities(user())
    assert reader.observe(user()).state == "live"
    simulator.tokens[writer] = frozenset(named)
    session(simulator, writer).effect("delete", user(), KEY)


def test_no_call_of_a_removal_reads_anything_else(simulator: Simulator, users: Session) -> None:
    users.capabilities(user())
    users.observe(user())
    users.effect("delete", user(), KEY)
    users.observe(user())
    one = f"{USERS}/{CEDAR_USER}"
    asked = {call.partition("?")[0] for call in simulator.calls}
    assert asked == {f"GET {DETAILS}", f"GET {one}", f"DELETE {one}", f"GET {USERS}"}
    assert not simulator.paths(ACTIVITY)
