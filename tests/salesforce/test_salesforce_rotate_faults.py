"""What the Salesforce adapter makes of every way a call can go wrong: nothing is sent twice that may have been done."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from fixtures.salesforce.ids import salesforce_id
from fixtures.salesforce.world import Fault
from nhiscan import http
from nhiscan.errors import NhiscanError
from nhiscan.remediate.contract import (
    BusyError,
    Observation,
    RefusedError,
    State,
    Step,
    Target,
    UnansweredError,
)
from tests.salesforce.remediation import Org, member, remediated, signed_in, token, user

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Change:
    """One sort of call that changes something; `where` and `method` are what its fault is about."""

    step: Step
    target: Callable[[Org], Target]
    method: str
    where: str
    done: State
    is_signed_in: bool = True


CHANGES = {
    "freeze": Change("off", lambda org: user(org.acme, org.acme.bot), "PATCH", "sobjects/UserLogin", "off"),
    "unfreeze": Change("on", lambda org: user(org.acme, org.acme.connector), "PATCH", "sobjects/UserLogin", "live"),
    "unassign": Change(
        "off",
        lambda org: member(org.acme, org.acme.bot, org.acme.reader_set),
        "DELETE",
        "sobjects/PermissionSetAssignment",
        "off",
    ),
    "assign": Change(
        "on",
        lambda org: member(org.acme, org.acme.connector, org.acme.reader_set),
        "POST",
        "sobjects/PermissionSetAssignment",
        "live",
    ),
    "revoke": Change("delete", lambda org: legacy(org), "POST", "oauth2/revoke", "gone", is_signed_in=False),
    "end": Change(
        "delete",
        lambda org: token(org.acme, org.acme.bot, salesforce_id("0Xt", 1)),
        "DELETE",
        "apps/oauth/usage/tokens",
        "gone",
    ),
}
SIGNED_IN = {name: change for name, change in CHANGES.items() if change.is_signed_in}
each_change = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
each_signed_in = pytest.mark.parametrize("change", SIGNED_IN.values(), ids=SIGNED_IN.keys())


def legacy(org: Org) -> Target:
    return token(org.acme, org.acme.bot, salesforce_id("0CR", 1))


@pytest.fixture
def org() -> Iterator[Org]:
    """The connector is frozen; all else is as it always was."""
    with remediated() as made:
        made.world.change(made.login_of(made.acme.connector)["Id"], IsFrozen=True)
        yield made


def do(org: Org, change: Change) -> None:
    before = Observation("live") if change.step == "on" else org.session.observe(change.target(org))
    org.session.effect(change.step, change.target(org), "key", before=before)


def sent(org: Org, change: Change) -> int:
    return len([call for call in org.world.calls if call.method == change.method and change.where in call.path])


def some_of(changes: Mapping[str, Change], faults: Mapping[str, Any], *usual: str) -> list[Any]:
    """All faults of the first change, the usual ones of the others: one client sends them all."""
    first, *_ = changes
    return [
        pytest.param(change, fault, id=f"{name}-{kind}")
        for name, change in changes.items()
        for kind, fault in faults.items()
        if name == first or kind in usual
    ]


SILENT = {
    "500": {"status": 500},
    "502": {"status": 502},
    "503": {"status": 503, "code": "SERVER_UNAVAILABLE"},
    "504": {"status": 504},
    "cut": {"is_cut": True},
    "redirect": {"status": 302, "headers": {"Location": "/elsewhere"}},
    "abroad": {"status": 307, "headers": {"Location": "https://elsewhere.example/"}},
}


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("change", "fault"), some_of(CHANGES, SILENT, "500", "cut"))
def test_an_answer_that_does_not_say_what_happened_is_no_answer(
    org: Org, change: Change, fault: dict[str, object], *, is_done: bool
) -> None:
    was = org.session.observe(change.target(org)).state
    org.world.faults.append(Fault(change.where, method=change.method, is_done=is_done, **fault))  # type: ignore[arg-type]
    with pytest.raises(UnansweredError):
        do(org, change)
    assert sent(org, change) == 1
    org.world.faults.clear()
    assert org.session.observe(change.target(org)).state == (change.done if is_done else was)
    do(org, change)  # what may have happened is done again, and is done once
    assert org.session.observe(change.target(org)).state == change.done


@pytest.mark.parametrize("is_done", [False, True], ids=["before", "after"])
@each_change
def test_a_timeout_is_no_answer(org: Org, change: Change, monkeypatch: pytest.MonkeyPatch, *, is_done: bool) -> None:
    monkeypatch.setattr(http, "_TIMEOUT_S", (5, 0.3))
    org.world.faults.append(Fault(change.where, 504, method=change.method, seconds=0.6, is_done=is_done))
    with pytest.raises(UnansweredError, match="Timeout"):
        do(org, change)
    assert sent(org, change) == 1


BUSY = {
    "429": ({"status": 429, "headers": {"Retry-After": "7"}}, timedelta(seconds=7)),
    "429 without a time": ({"status": 429, "headers": {"Retry-After": "Mon, 01 Jan 2026"}}, timedelta(seconds=5)),
    "quota": (
        {"status": 403, "code": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."},
        HOUR,
    ),
    "at once": (
        {
            "status": 403,
            "code": "REQUEST_LIMIT_EXCEEDED",
            "message": "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
        },
        timedelta(seconds=5),
    ),
    "locked": ({"status": 400, "code": "UNABLE_TO_LOCK_ROW"}, timedelta(seconds=5)),
}


@pytest.mark.parametrize(("change", "busy_as"), some_of(SIGNED_IN, BUSY, "quota"))
def test_a_busy_org_did_nothing_and_says_when_to_ask_again(
    org: Org, change: Change, busy_as: tuple[dict[str, object], timedelta]
) -> None:
    fault, after = busy_as
    was = org.session.observe(change.target(org)).state
    org.world.faults.append(Fault(change.where, method=change.method, **fault))  # type: ignore[arg-type]
    with pytest.raises(BusyError) as busy:
        do(org, change)
    assert busy.value.after == after
    assert sent(org, change) == 1
    org.world.faults.clear()
    assert org.session.observe(change.target(org)).state == was


def test_a_busy_revocation_did_nothing(org: Org) -> None:
    org.world.faults.append(Fault("oauth2/revoke", 429))
    with pytest.raises(BusyError):
        do(org, CHANGES["revoke"])
    assert sent(org, CHANGES["revoke"]) == 1


@pytest.mark.parametrize("status", [302, 307])
def test_a_delete_token_follows_no_redirection(org: Org, status: int) -> None:
    org.world.faults.append(Fault("oauth2/revoke", status, headers={"Location": "/services/elsewhere"}))
    with pytest.raises(UnansweredError):
        do(org, CHANGES["revoke"])
    assert not any("elsewhere" in call.path for call in org.world.calls)


@each_signed_in
def test_what_is_refused_names_the_permission_and_is_sent_once(org: Org, change: Change) -> None:
    org.world.faults.append(Fault(change.where, 403, "INSUFFICIENT_ACCESS_OR_READONLY", method=change.method))
    with pytest.raises(RefusedError, match="INSUFFICIENT_ACCESS_OR_READONLY") as refused:
        do(org, change)
    assert refused.value.permission
    assert sent(org, change) == 1


@each_signed_in
def test_a_change_in_a_session_that_ended_is_made_once_in_a_new_one(org: Org, change: Change) -> None:
    logins = len([call for call in org.world.calls if call.path.endswith("/token")])
    org.world.faults.append(Fault(change.where, 401, "INVALID_SESSION_ID", method=change.method, on_calls=(1,)))
    do(org, change)
    assert sent(org, change) == 2
    assert len([call for call in org.world.calls if call.path.endswith("/token")]) == logins + 1
    assert org.session.observe(change.target(org)).state == change.done


@each_signed_in
def test_a_session_that_ends_at_once_ends_the_asking(org: Org, change: Change) -> None:
    org.world.faults.append(Fault(change.where, 401, "INVALID_SESSION_ID", method=change.method))
    with pytest.raises(RefusedError, match="has just given"):
        do(org, change)
    assert sent(org, change) == 2


def test_a_session_that_cannot_be_renewed_did_nothing(org: Org) -> None:
    org.world.faults += [
        Fault("sobjects/UserLogin", 401, "INVALID_SESSION_ID", method="PATCH"),
        Fault("oauth2/token", 400, body='{"error": "invalid_grant", "error_description": "user is frozen"}'),
    ]
    with pytest.raises(RefusedError, match=r"the session ended, and .*user is frozen"):
        do(org, CHANGES["freeze"])
    assert org.login_of(org.acme.bot).get("IsFrozen") is not True


def test_a_read_in_a_session_that_ended_goes_on_in_a_new_one(org: Org) -> None:
    org.world.session_requests = 1
    assert org.session.observe(user(org.acme, org.acme.bot)).state == "live"
    assert org.session.observe(legacy(org)).state == "live"


@pytest.mark.parametrize("code", ["ENTITY_IS_DELETED", "NOT_FOUND"])
def test_what_somebody_else_deleted_meanwhile_is_deleted(org: Org, code: str) -> None:
    org.world.faults.append(Fault("sobjects/PermissionSetAssignment", 404, code, method="DELETE", is_done=True))
    do(org, CHANGES["unassign"])
    assert org.session.observe(CHANGES["unassign"].target(org)).state == "off"


def test_a_404_of_somebody_else_is_not_taken_for_a_deletion(org: Org) -> None:
    org.world.faults.append(
        Fault("sobjects/PermissionSetAssignment", 404, method="DELETE", body="<html>not here</html>")
    )
    with pytest.raises(RefusedError, match="HTTP 404"):
        do(org, CHANGES["unassign"])


@pytest.mark.parametrize("name", ["freeze", "unassign", "assign", "end"])
def test_a_page_of_somebody_between_is_not_taken_for_success(org: Org, name: str) -> None:
    change = CHANGES[name]
    org.world.faults.append(Fault(change.where, 200, method=change.method, body="<html>please sign in</html>"))
    with pytest.raises(UnansweredError, match="does not say what happened"):
        do(org, change)


def test_a_record_that_was_made_is_made_even_if_its_id_cannot_be_read(org: Org) -> None:
    org.world.faults.append(Fault("sobjects/PermissionSetAssignment", 201, method="POST", body="<", is_done=True))
    do(org, CHANGES["assign"])
    assert org.session.observe(CHANGES["assign"].target(org)).state == "live"


def test_a_delete_token_that_is_not_taken_leaves_the_token_and_says_so(org: Org) -> None:
    org.world.faults.append(Fault("oauth2/revoke", 400, body='{"error": "invalid_token"}'))
    with pytest.raises(RefusedError, match="takes no delete token") as refused:
        do(org, CHANGES["revoke"])
    assert "Setup" in refused.value.hint
    assert org.session.observe(legacy(org)).state == "live"


def test_a_delete_token_that_somebody_used_meanwhile_is_no_refusal(org: Org) -> None:
    org.world.faults.append(Fault("oauth2/revoke", 400, body='{"error": "invalid_token"}', is_done=True))
    do(org, CHANGES["revoke"])
    assert org.session.observe(legacy(org)).state == "gone"


def test_an_org_that_shows_no_delete_token_leaves_it_to_a_person(org: Org) -> None:
    (row,) = org.world.having("OauthToken", "UserId", [org.acme.bot])
    org.world.change(row["Id"], DeleteToken=None)
    with pytest.raises(RefusedError, match="takes no delete token"):
        do(org, CHANGES["revoke"])
    assert sent(org, CHANGES["revoke"]) == 0


# ---- reads


READS = {
    "user": lambda org: user(org.acme, org.acme.bot),
    "member": lambda org: member(org.acme, org.acme.bot, org.acme.reader_set),
    "token": legacy,
    "external token": CHANGES["end"].target,
}


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize("status", [502, 503, 504])
@pytest.mark.parametrize("target", [READS["user"]], ids=["user"])
def test_a_read_is_asked_again(org: Org, target: Callable[[Org], Target], status: int) -> None:
    org.world.faults.append(Fault("/query", status, on_calls=(1, 2)))
    assert org.session.observe(target(org)).state == "live"


@pytest.mark.usefixtures("hurry")
@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"status": 503}, {"is_cut": True}, {"status": 200, "body": "<html>"}]
)
@pytest.mark.parametrize("target", [READS["user"], READS["token"]], ids=["user", "token"])
def test_a_read_that_stays_without_an_answer_says_nothing_about_the_target(
    org: Org, target: Callable[[Org], Target], fault: dict[str, object]
) -> None:
    org.world.faults.append(Fault("/query", **fault))  # type: ignore[arg-type]
    with pytest.raises(UnansweredError):
        org.session.observe(target(org))


@pytest.mark.parametrize(
    "body",
    [
        "[]",
        "{}",
        '{"records": 7, "done": true}',
        '{"records": [7], "done": true}',
        '{"records": [], "done": true, "totalSize": 1}',
        '{"records": [], "done": false}',
        '{"records": [], "done": false, "nextRecordsUrl": 7}',
        '{"records": [], "done": false, "nextRecordsUrl": "https://elsewhere.example/services/data/v62.0/query/x"}',
        '{"records": [], "done": false, "nextRecordsUrl": "/services/oauth2/revoke"}',
    ],
)
@pytest.mark.parametrize("target", [READS["member"], READS["token"]], ids=["member", "token"])
def test_half_an_answer_is_not_taken_for_a_target_that_is_gone(
    org: Org, target: Callable[[Org], Target], body: str
) -> None:
    org.world.faults.append(Fault("/query", 200, body=body))
    with pytest.raises(UnansweredError):
        org.session.observe(target(org))


def test_a_list_without_an_end_is_given_up(org: Org) -> None:
    more = '{"records": [], "done": false, "nextRecordsUrl": "/services/data/v62.0/query/01g"}'
    org.world.faults.append(Fault("/query", 200, body=more))
    with pytest.raises(UnansweredError, match="stopped after"):
        org.session.observe(user(org.acme, org.acme.bot))


def test_all_pages_of_a_users_tokens_are_looked_at(org: Org) -> None:
    org.world.page_size = 2
    (row,) = org.world.having("OauthToken", "UserId", [org.acme.bot])
    kept = dict(row)
    org.world.remove(row["Id"])
    for n in range(5):
        org.world.add("OauthToken", UserId=org.acme.bot, AppName=f"App {n}", CreatedDate="2026-01-01T00:00:00.000+0000")
    org.world.add("OauthToken", **kept)
    assert org.session.observe(token(org.acme, org.acme.bot, row["Id"])).state == "live"


@pytest.mark.parametrize("body", ['{"apps": 7}', '{"apps": [7]}', "{}"])
def test_usage_lists_without_their_list_are_refused(org: Org, body: str) -> None:
    org.world.faults.append(Fault("apps/oauth/usage", 200, body=body))
    with pytest.raises(RefusedError, match="answers without apps"):
        org.session.observe(CHANGES["end"].target(org))


def test_usage_lists_that_do_not_end_are_given_up(org: Org) -> None:
    org.world.faults += [
        Fault("/tokens", 200, body='{"tokens": []}'),
        Fault("apps/oauth/usage", 200, body='{"apps": [{"identifier": "../../query"}]}'),
    ]
    with pytest.raises(RefusedError, match="does not end"):
        org.session.observe(CHANGES["end"].target(org))


def test_an_object_that_is_not_shown_names_the_permission(org: Org) -> None:
    org.allow("ApiEnabled", "ViewSetup")
    with pytest.raises(RefusedError, match="INVALID_TYPE") as refused:
        org.session.observe(user(org.acme, org.acme.bot))
    assert refused.value.permission == "Manage Users"


@pytest.mark.parametrize("late", [1, 2, 3])
def test_reads_that_are_late_are_right_in_the_end(org: Org, late: int) -> None:
    org.world.stale_reads = late
    target = member(org.acme, org.acme.bot, org.acme.reader_set)
    org.session.effect("off", target, "key")
    seen = [org.session.observe(target).state for _ in range(late + 1)]
    assert seen == ["live"] * late + ["off"]
    org.session.effect("off", target, "key")
    assert org.session.observe(target).state == "off"


def test_an_effect_after_a_late_read_does_no_harm(org: Org) -> None:
    """What is deleted already is deleted again: the org says that it is gone."""
    org.world.stale_reads = 3
    target = member(org.acme, org.acme.bot, org.acme.reader_set)
    for _ in range(2):
        org.session.effect("off", target, "key")
    assert len(org.changes()) == 2


# ---- secrets


def test_no_token_and_no_key_is_ever_said(
    org: Org, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    said: list[str] = []
    for change in CHANGES.values():
        for fault in ({"status": 500}, {"status": 403}, {"status": 400}, {"is_cut": True}, {"status": 307}, {}):
            org.world.faults = [Fault(change.where, method=change.method, **fault)] if fault else []
            try:
                seen = org.session.observe(change.target(org))
                told = Observation("live") if change.step == "on" else seen
                said += [repr(seen), repr(org.session.effect(change.step, change.target(org), "key", before=told))]
            except NhiscanError as error:
                said += [repr(error), error.message, error.hint, repr(error.__cause__), repr(error.__context__)]
    session = signed_in(org.url)
    said += [repr(session), str(session), caplog.text, *capsys.readouterr()]
    values = [*org.world.tokens, "canary-delete-token", "canary-access-token", "BEGIN PRIVATE"]
    assert len(org.world.tokens) > 1
    assert [value for value in values if value in "\n".join(said)] == []
