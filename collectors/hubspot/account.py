"""Settings of the account: what HubSpot tells of it, and what was changed, which is all that it tells of the rest."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from nhiscan.model import Setting, Use

from .reading import Json

# The last event of each setting says how it stands. Whether a person may still use a password is only said when the
# restriction of login methods goes: an update does not tell to what.
_SWITCHES: Final = (
    (
        "sso.required",
        {"REQUIRE_SINGLE_SIGN_ON": "yes", "UNREQUIRE_SINGLE_SIGN_ON": "no", "REMOVE_SINGLE_SIGN_ON": "no"},
    ),
    ("sso.local_login_allowed", {"ALLOWED_LOGIN_METHODS_DELETE": "yes", "ALLOWED_LOGIN_METHODS_UPDATE": None}),
    ("session.locked_to_network", {"IP_RESTRICTIONS_ENABLED": "yes", "IP_RESTRICTIONS_DISABLED": "no"}),
    (
        "users.inactive_deactivated",
        {
            "AUTOMATED_INACTIVE_USER_DEACTIVATION_ENABLED": "yes",
            "AUTOMATED_INACTIVE_USER_DEACTIVATION_DISABLED": "no",
        },
    ),
    (
        "provider.support_access",
        {"HUBSPOT_EMPLOYEE_ACCESS_ENABLED": "yes", "HUBSPOT_EMPLOYEE_ACCESS_DISABLED": "no"},
    ),
    ("users.invited_by_domain", {"DOMAIN_BASED_INVITES_ENABLED": "yes", "DOMAIN_BASED_INVITES_DISABLED": "no"}),
)


def details_records(tenant_id: str, details: Json) -> Iterator[Setting]:
    for name, field in (("account.type", "accountType"), ("data.location", "dataHostingLocation")):
        yield _setting(tenant_id, name, str(details[field]))
    # Security activity is written for every account and cannot be switched off.
    yield _setting(tenant_id, "logging.enabled", "yes")


def usage_records(tenant_id: str, row: Json) -> Iterator[Setting]:
    """A counter of what all private apps and keys of the account call in a day."""
    if row["fetchStatus"] in ("SUCCESS", "CACHED"):
        name = str(row["name"])
        yield _setting(tenant_id, "api.daily_limit", None, number=int(row["usageLimit"]), applies_to=name)
        yield _setting(tenant_id, "api.daily_calls", None, number=int(row["currentUsage"]), applies_to=name)


def changed_records(tenant_id: str, uses: Iterable[Use]) -> Iterator[Setting]:
    """Settings that somebody changed within the history, as the last change left them."""
    last: dict[str, str | None] = {}
    for use in sorted(uses, key=lambda use: (use.occurred_at, use.event_id)):
        for name, values in _SWITCHES:
            if use.action in values:
                last[name] = values[use.action]
    for name, value in last.items():
        if value is not None:
            yield _setting(tenant_id, name, value)


def _setting(tenant_id: str, name: str, value: str | None, **more: Any) -> Setting:
    return Setting(provider="hubspot", tenant_id=tenant_id, name=name, value=value, **more)
