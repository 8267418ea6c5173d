"""CloudTrail's event history: who signed in, who became which role, and what changed about access.

API: CloudTrail 2013-11-01, LookupEvents: 90 days of management events, region by region, two calls a second. It filters
by one attribute only, so each event name is asked for on its own; README.md says which and why.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from nhiscan.collect import Refusal
from nhiscan.model import Record, Use

from .account import Account
from .coverage import Asked, dataset_coverage
from .fetch import Json, ask_each, read_one
from .identities import identity_id, resource, utc

PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {"usage.calls": ("cloudtrail:LookupEvents",)}

# Sign-ins and sessions are logged where they happen.
_SESSIONS: Final = {
    "ConsoleLogin": "login",
    "AssumeRole": "login",
    "AssumeRoleWithSAML": "login",
    "AssumeRoleWithWebIdentity": "login",
    "GetFederationToken": "login",
    "GetSessionToken": "login",
}
# IAM is global: its changes are logged in the partition's home region only.
_CHANGES: Final = {
    "CreateAccessKey": "credential_change",
    "UpdateAccessKey": "credential_change",  # a revocation where it deactivates
    "CreateLoginProfile": "credential_change",
    "UpdateLoginProfile": "credential_change",
    "CreateServiceSpecificCredential": "credential_change",
    "DeactivateMFADevice": "credential_change",
    "DeleteAccessKey": "revocation",
    "DeleteLoginProfile": "revocation",
    "DeleteServiceSpecificCredential": "revocation",
    "DeleteUser": "revocation",
    "DeleteRole": "revocation",
    "CreateUser": "role_change",
    "CreateRole": "role_change",
    "AddUserToGroup": "role_change",
    "AttachUserPolicy": "role_change",
    "AttachGroupPolicy": "role_change",
    "AttachRolePolicy": "role_change",
    "PutUserPolicy": "role_change",
    "PutGroupPolicy": "role_change",
    "PutRolePolicy": "role_change",
    "CreatePolicyVersion": "role_change",
    "SetDefaultPolicyVersion": "role_change",
    "DeleteUserPermissionsBoundary": "role_change",
    "DeleteRolePermissionsBoundary": "role_change",
    "UpdateAssumeRolePolicy": "grant_change",
    "CreateOpenIDConnectProvider": "grant_change",
    "CreateSAMLProvider": "grant_change",
}
_KINDS: Final = {**_SESSIONS, **_CHANGES}
_HISTORY_DAYS: Final = 90
_LATE: Final = timedelta(hours=1)  # events show up within 15 minutes on average: CloudTrail User Guide
_PAGE_EVENTS: Final = 50
_CALL: Final = "cloudtrail:LookupEvents"


@dataclass(frozen=True, slots=True)
class Events:
    """What one region said about one event name, newest first."""

    events: Sequence[Json]
    refusal: Refusal | None = None
    complete_from: datetime | None = None  # where the budget of pages ended; None: everything was read


def records(account: Account) -> Iterator[Record]:
    as_of = account.ctx.as_of
    horizon = as_of - timedelta(days=_HISTORY_DAYS)
    since = account.ctx.since(account.tenant_id, "usage.calls")
    start = horizon if since is None else max(horizon, since - _LATE)
    everywhere = dict.fromkeys((*account.regions, account.home_region))
    clients = {region: account.client("cloudtrail", region) for region in everywhere}
    questions = [
        (region, name) for name in _KINDS for region in (everywhere if name in _SESSIONS else (account.home_region,))
    ]
    first, rest = questions[: len(everywhere)], questions[len(everywhere) :]

    def ask_all(asked: Sequence[tuple[str, str]]) -> dict[tuple[str, str], Events | Refusal]:
        return ask_each(
            asked,
            lambda question: _look_up(clients[question[0]], question[1], start, as_of, account.event_pages),
            count=account.counting("event names"),
        )

    # What a region refuses for one name it refuses for all; and a sample is for refusals.
    answers = ask_all(first)
    refused = {region: answers[region, name] for region, name in first if isinstance(answers[region, name], Refusal)}
    if not account.ctx.is_sample:
        answers |= {question: refused[question[0]] for question in rest if question[0] in refused}
        answers |= ask_all([question for question in rest if question[0] not in refused])
    said: set[str] = set()
    unreadable = 0
    for found in answers.values():
        for event in () if isinstance(found, Refusal) else found.events:
            if event["EventId"] in said:  # pages overlap while events come in
                continue
            said.add(event["EventId"])
            detail = _detail(event)
            unreadable += detail is None
            yield from () if detail is None else _uses(account, event, detail)
    yield _coverage(account, answers, horizon, unreadable)


def _look_up(client: Any, name: str, start: datetime, end: datetime, most_pages: int) -> Events | Refusal:
    """A refusal only where nothing at all was read."""
    request: dict[str, Any] = {
        "LookupAttributes": [{"AttributeKey": "EventName", "AttributeValue": name}],
        "StartTime": start,
        "EndTime": end,
        "MaxResults": _PAGE_EVENTS,
    }
    events: list[Json] = []
    tokens: set[str] = set()
    while True:
        page = read_one(client, "LookupEvents", **request)
        if isinstance(page, Refusal):
            return Events(events, page) if events else page
        events += page.get("Events", [])
        token = page.get("NextToken")
        if not token:
            return Events(events)
        if token in tokens:
            return Events(events, Refusal("failed", _CALL, "said that there is more but gave no new token"))
        tokens.add(token)
        if len(tokens) >= most_pages:
            return Events(events, complete_from=utc(events[-1]["EventTime"]) if events else end)
        request["NextToken"] = token


def _coverage(
    account: Account, answers: Mapping[tuple[str, str], Events | Refusal], horizon: datetime, unreadable: int
) -> Record:
    refused: dict[str, Refusal] = {}
    cut: dict[str, datetime] = {}
    for (region, name), found in answers.items():
        refusal = found if isinstance(found, Refusal) else found.refusal
        if refusal is not None:
            refused[f"{region} ({name})"] = refusal
        elif isinstance(found, Events) and found.complete_from is not None:
            cut[f"{region} ({name})"] = found.complete_from
    got = sum(1 for found in answers.values() if isinstance(found, Events))
    broken = [Refusal("failed", _CALL, f"{unreadable} are not JSON")] if unreadable else []
    said = dataset_coverage(
        account.tenant_id,
        "usage.calls",
        [],
        [
            Asked("events", got, list(refused.values()), _places(answers, refused)),
            Asked("events' details", 0, broken),
        ],
        collected_at=account.collected_at,
        history_from=max(cut.values(), default=horizon),
    )
    if not cut or said.status not in ("complete", "partial"):
        return said
    reason = f"more than {account.event_pages * _PAGE_EVENTS} events (event_pages) of {', '.join(sorted(cut))}"
    return replace(
        said,
        status="truncated",
        reason=reason if said.reason is None else f"{reason}; {said.reason}",
        call=said.call or _CALL,
    )


def _places(answers: Mapping[tuple[str, str], object], refused: Mapping[str, Refusal]) -> list[str]:
    """Whole regions by their name alone."""
    by_region: dict[str, list[str]] = {}
    for region, name in answers:
        by_region.setdefault(region, []).append(f"{region} ({name})")
    places: list[str] = []
    for region, all_places in by_region.items():
        hit = [place for place in all_places if place in refused]
        places += [region] if len(hit) == len(all_places) else hit
    return places


def _uses(account: Account, event: Json, detail: Json) -> Iterator[Use]:
    """One event as rows. Becoming a role is two: a call of whoever asked, and a login of the role."""
    if _part(detail, "userIdentity").get("type") == "AWSService":  # it becomes roles all day
        return
    name = str(event["EventName"])
    tenant_id = account.tenant_id
    caller_id = _caller_id(_part(detail, "userIdentity"))
    row = Use(
        event_id=f"{tenant_id}:event/{event['EventId']}",
        provider="aws",
        tenant_id=tenant_id,
        occurred_at=event["EventTime"].astimezone(UTC),
        kind=_kind(name, detail),
        action=name,
        outcome=_outcome(detail),
        identity_id=caller_id,
        credential_id=_credential_id(detail, caller_id),
        is_interactive=name == "ConsoleLogin",
        source_ip=detail.get("sourceIPAddress"),
        user_agent=detail.get("userAgent"),
        target=_target(account, name, detail),
    )
    if not name.startswith("AssumeRole"):
        yield row
        return
    role_id = row.target
    if caller_id is not None or role_id is None:
        yield replace(row, kind="call")
    if role_id is not None:
        yield replace(row, event_id=f"{row.event_id}/session", identity_id=role_id, credential_id=None, target=None)


def _detail(event: Json) -> Json | None:
    """The event as CloudTrail logged it; None where that is not JSON."""
    try:
        detail = json.loads(event.get("CloudTrailEvent", ""))
    except ValueError:
        return None
    return detail if isinstance(detail, Mapping) else None


def _part(detail: Json, name: str) -> Json:
    """A nested object, which CloudTrail writes as null where there is none."""
    value = detail.get(name)
    return value if isinstance(value, Mapping) else {}


def _kind(name: str, detail: Json) -> str:
    asked = _part(detail, "requestParameters")
    if name == "UpdateAccessKey" and asked.get("status") == "Inactive":
        return "revocation"
    # The console's button "revoke active sessions": IAM User Guide, "Revoking IAM role temporary security credentials".
    if name == "PutRolePolicy" and asked.get("policyName") == "AWSRevokeOlderSessions":
        return "revocation"
    return _KINDS.get(name, "call")


def _outcome(detail: Json) -> str:
    login = _part(detail, "responseElements").get("ConsoleLogin")
    return "failure" if detail.get("errorCode") or login == "Failure" else "success"


def _caller_id(who: Json) -> str | None:
    """Our id of whoever signed; somebody outside is known by account and unique id only.

    Source: CloudTrail User Guide, "CloudTrail userIdentity element".
    """
    number = who.get("accountId")
    if not number:
        return None
    tenant_id = f"aws:{number}"
    arn = str(who.get("arn") or "")
    if who.get("type") == "AssumedRole":
        arn = str(_part(_part(who, "sessionContext"), "sessionIssuer").get("arn") or "")
    if who.get("type") == "Root":
        return f"{tenant_id}:root"
    if arn.count(":") >= 5 and resource(arn).startswith(("user/", "role/")):
        return identity_id(tenant_id, arn)
    unique_id = str(who.get("principalId") or "").partition(":")[0]
    return f"{tenant_id}:unique_id/{unique_id}" if unique_id and unique_id != number else None


def _credential_id(detail: Json, caller_id: str | None) -> str | None:
    """The long-lived credential; temporary keys (ASIA…) are none of ours."""
    who = _part(detail, "userIdentity")
    if caller_id is None:
        return None
    if detail.get("eventName") == "ConsoleLogin" and who.get("type") == "IAMUser":
        return f"aws:{who['accountId']}:password/{who.get('userName')}"
    key = str(who.get("accessKeyId") or "")
    return f"aws:{who['accountId']}:access_key/{key}" if key.startswith("AKIA") else None


def _target(account: Account, name: str, detail: Json) -> str | None:
    """Our id of what was changed or entered, else its name."""
    asked, answered = _part(detail, "requestParameters"), _part(detail, "responseElements")
    role_arn = str(asked.get("roleArn") or "")
    if role_arn:
        return identity_id(f"aws:{role_arn.split(':')[4]}", role_arn) if role_arn.count(":") >= 5 else role_arn
    key_id = asked.get("accessKeyId") or _part(answered, "accessKey").get("accessKeyId")
    if key_id:
        return f"{account.tenant_id}:access_key/{key_id}"
    if name.endswith("LoginProfile") and asked.get("userName"):
        return f"{account.tenant_id}:password/{asked['userName']}"
    for member, kind in (
        ("userName", "user"),
        ("roleName", "role"),
        ("groupName", "group"),
    ):
        if asked.get(member):
            # Gone by now, or made below a path that only the answer names.
            made = _part(answered, kind).get("arn")
            fallback = f"{account.tenant_id}:{kind}/{asked[member]}"
            known = account.ids_by_name[kind].get(str(asked[member]))
            return known or (identity_id(account.tenant_id, made) if made else fallback)
    other = asked.get("policyArn") or asked.get("serialNumber") or asked.get("name") or asked.get("url")
    return None if other is None else str(other)
