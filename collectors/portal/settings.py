"""What nhiscan.toml states of a portal's policy, under the names that rules judge."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from nhiscan.model import Setting

from .people import PROVIDER


@dataclass(frozen=True)
class Stated:
    """What no CSV file holds, read off the portal's setup page; None: nobody said."""

    sso_required: bool | None = None
    local_login_allowed: bool | None = None
    mfa_required: bool | None = None
    session_idle_minutes: int | None = None
    session_max_hours: int | None = None
    password_min_length: int | None = None
    password_breached_check: bool | None = None
    lockout_attempts: int | None = None
    keys_issued: bool | None = None


# dataset -> our name in nhiscan.toml -> the name that all collectors use; one that nobody stated is judged as unknown
_NAMES: Final = {
    "settings.sign_in": {
        "sso_required": "sso.required",
        "local_login_allowed": "sso.local_login_allowed",
        "mfa_required": "mfa.required",
    },
    "settings.sessions": {
        "session_idle_minutes": "session.idle_minutes",
        "session_max_hours": "session.max_hours",
    },
    "settings.passwords": {
        "password_min_length": "password.min_length",
        "password_breached_check": "password.breached_check",
        "lockout_attempts": "password.lockout_attempts",
    },
}


_KEYS: Final = "lists of users name no keys and tokens; where the tool issues none, state keys_issued = false"


def setting_records(tenant_id: str, stated: Stated) -> Iterator[Setting]:
    values = dataclasses.asdict(stated)
    for names in _NAMES.values():
        for ours, name in names.items():
            value = values[ours]
            is_word = isinstance(value, bool)
            yield Setting(
                provider=PROVIDER,
                tenant_id=tenant_id,
                name=name,
                value=("yes" if value else "no") if is_word else None,
                number=None if is_word else value,
            )


def settings_coverage(stated: Stated) -> dict[str, tuple[str, str | None]]:
    """A part of which anything was stated is covered: what was not stands as unknown by itself."""
    values = dataclasses.asdict(stated)
    said: dict[str, tuple[str, str | None]] = {"credentials": ("unsupported", _KEYS)}
    if stated.keys_issued is False:
        said["credentials"] = ("not_applicable", "nhiscan.toml states that the tool issues no keys and tokens")
    for dataset, names in _NAMES.items():
        missing = [name for name in names if values[name] is None]
        if len(missing) == len(names):
            said[dataset] = "unsupported", f"state {', '.join(missing)} under collectors.portal.settings"
        else:
            said[dataset] = "complete", f"not stated: {', '.join(missing)}" if missing else None
    return said
