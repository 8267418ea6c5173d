"""What happened in the account -> uses: security activity, logins and, with an Enterprise licence, the audit log."""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cache
from importlib import resources
from typing import Final

from nhiscan.collect import Refusal
from nhiscan.model import Use

from .reading import Json

LOGIN_DAYS: Final = 90  # documentation of GET /account-info/{version}/activity/login
SECURITY_DAYS: Final = 365  # Knowledge Base on the activity history; the API names no number
_UNKNOWN: Final = "call"  # kind of a type that this version does not know
_LEFT_OUT: Final = "left_out"
# Categories of the audit log that the other two streams tell better, or that are about records and not about access.
_TOLD_ELSEWHERE: Final = frozenset({"CRITICAL_ACTION", "LOGIN", "PROPERTY_VALUE"})
_RECORDS: Final = "CRM_OBJECT"
# Types whose object is a user of the account; of the others it is an app, a key or whatever else.
_ON_USERS: Final = frozenset(
    {
        "ADD_ADMIN_PERMISSIONS",
        "ADD_ADMIN_USER",
        "ADD_TWO_FACTOR_AUTHENTICATION",
        "ADD_USER",
        "DEACTIVATE_USER",
        "IMPERSONATE_USER",
        "REACTIVATE_USER",
        "REMOVE_ADMIN_PERMISSIONS",
        "REMOVE_ADMIN_USER",
        "REMOVE_TWO_FACTOR_AUTHENTICATION",
        "REMOVE_USER",
    }
)
_SHOWN: Final = 5


@cache
def kinds() -> dict[str, str]:
    """Type of security activity -> kind of use, or `left_out`."""
    text = resources.files(__package__).joinpath("activity.toml").read_text(encoding="utf-8")
    return {name: kind for kind, names in tomllib.loads(text).items() for name in names}


@dataclass
class Reading:
    """What was odd in one stream: rows that came twice, make no sense, or are of a type that nobody knows."""

    call: str
    seen: set[str] = field(default_factory=set)
    unreadable: int = 0
    unknown: Counter[str] = field(default_factory=Counter)

    def is_new(self, event_id: str) -> bool:
        """Pages overlap while events come in."""
        if event_id in self.seen:
            return False
        self.seen.add(event_id)
        return True

    def refusals(self) -> Iterator[Refusal]:
        if self.unreadable:
            yield Refusal("failed", self.call, f"{self.unreadable} events lack a field that they must have")
        if self.unknown:
            shown = ", ".join(sorted(self.unknown)[:_SHOWN])
            more = len(self.unknown) - _SHOWN
            text = f"{shown} and {more} more" if more > 0 else shown
            yield Refusal(
                "failed", self.call, f"events of types that this version does not know, kept as they are: {text}"
            )


def moment(text: object) -> datetime | None:
    """A time as HubSpot writes it; None for none."""
    if not isinstance(text, str):
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found.astimezone(UTC) if found.tzinfo else None


def security_use(tenant_id: str, event: Json, reading: Reading) -> Use | None:
    """None: not new, unreadable, or nothing about access. `target`: id of the object; of a user the identity's."""
    event_id, kind, at = event.get("id"), event.get("type"), moment(event.get("createdAt"))
    if not event_id or not kind or at is None or event.get("userId") is None:
        reading.unreadable += 1
        return None
    if not reading.is_new(str(event_id)):
        return None
    meaning = kinds().get(str(kind), _UNKNOWN)
    if meaning == _LEFT_OUT:
        return None
    if meaning == _UNKNOWN:
        reading.unknown[str(kind)] += 1
    return Use(
        event_id=f"{tenant_id}:security/{event_id}",
        provider="hubspot",
        tenant_id=tenant_id,
        occurred_at=at,
        kind=meaning,
        action=str(kind),
        outcome="failure" if kind == "TWO_FACTOR_PROTECTED_ENDPOINT_BLOCKED" else "success",
        identity_id=user_id(tenant_id, event["userId"]),
        source_ip=event.get("ipAddress") or None,
        country=_country(event),
        target=_target(tenant_id, event),
        dataset="usage.exports" if meaning == "export" else "usage.audit",
    )


def login_use(tenant_id: str, event: Json, reading: Reading) -> Use | None:
    event_id, at, succeeded = event.get("id"), moment(event.get("loginAt")), event.get("loginSucceeded")
    if not event_id or at is None or not isinstance(succeeded, bool):
        reading.unreadable += 1
        return None
    if not reading.is_new(str(event_id)):
        return None
    return Use(
        event_id=f"{tenant_id}:login/{event_id}",
        provider="hubspot",
        tenant_id=tenant_id,
        occurred_at=at,
        kind="login",
        action="login",
        outcome="success" if succeeded else "failure",
        identity_id=None if event.get("userId") is None else user_id(tenant_id, event["userId"]),
        is_interactive=True,
        source_ip=event.get("ipAddress") or None,
        user_agent=event.get("userAgent") or None,
        country=_country(event),
        target=event.get("email") or None,
        dataset="usage.logins",
    )


def audit_use(tenant_id: str, event: Json, reading: Reading) -> Use | None:
    """None as well for what changes records only."""
    event_id, at, acting = event.get("id"), moment(event.get("occurredAt")), event.get("actingUser")
    category, action = event.get("category"), event.get("action")
    if not event_id or at is None or not isinstance(acting, dict) or acting.get("userId") is None or not category:
        reading.unreadable += 1
        return None
    if not reading.is_new(str(event_id)):
        return None
    if category in _TOLD_ELSEWHERE or (category == _RECORDS and action != "DELETE"):
        return None
    words = (str(category), event.get("subCategory"), action)
    return Use(
        event_id=f"{tenant_id}:audit/{event_id}",
        provider="hubspot",
        tenant_id=tenant_id,
        occurred_at=at,
        kind="call",
        action=".".join(str(word) for word in words if word),
        outcome="success",
        identity_id=user_id(tenant_id, acting["userId"]),
        target=event.get("targetObjectId") or None,
        dataset="usage.calls",
    )


def _target(tenant_id: str, event: Json) -> str | None:
    if not event.get("objectId"):
        return None
    return user_id(tenant_id, event["objectId"]) if event["type"] in _ON_USERS else str(event["objectId"])


def user_id(tenant_id: str, native_id: object) -> str:
    return f"{tenant_id}:user/{native_id}"


def _country(event: Mapping[str, object]) -> str | None:
    code = str(event.get("countryCode") or "")
    return code.upper() if len(code) == 2 else None
