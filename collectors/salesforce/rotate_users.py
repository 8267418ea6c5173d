"""Freezing of users: nobody signs in as one that is frozen, and unfreezing is all that it takes to undo.

API: User (reads), UserLogin (`IsFrozen`). Deactivating is not done: it takes manual shares, teams and delegated groups
away for good, and Salesforce refuses it for users that settings name (Help, "Considerations for Deactivating Users").
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from nhiscan.remediate.contract import (
    Capabilities,
    Effect,
    Observation,
    RefusedError,
    Target,
    UnsupportedError,
)

from .api import Json
from .coverage import API, USERS
from .rotate_calls import Calls
from .words import id18, moment

MANAGE: Final = "Manage Users"  # Object Reference, UserLogin; in Setup "Freeze Users" is enough to freeze
KINDS: Final = ("human_user", "service_account")
_NEEDS: Final = (API, MANAGE)
PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = dict.fromkeys(("observe", "off", "on", "prove"), _NEEDS)
# Help, "Modify Session Security Settings": the longest timeout of a session, while which it needs no new sign-in.
_LONGEST_SESSION: Final = timedelta(hours=24)
_SETTLES_IN: Final = timedelta(seconds=10)  # a margin: a query reads what was committed
_EFFECTS: Final = {
    "off": "nobody signs in as the user any more. Tokens and sessions that it has outlive freezing: revoke its tokens "
    "as well. Scheduled jobs and reports may still run as it, and its licence stays taken",
    "delete": "not offered: a user cannot be deleted. Deactivating gives the licence back and takes shares, teams and "
    "delegated groups away for good; a person does that once the user has stayed frozen without harm",
}
_ROLLBACK: Final = {"off": "unfreeze the user: UserLogin.IsFrozen becomes false, and all else is as it was"}


@dataclass(frozen=True)
class Users:
    """Users that sign in, of any licence."""

    calls: Calls

    def capabilities(self, target: Target) -> Capabilities:
        self._user(target)
        if not self._logins(target):
            raise UnsupportedError(
                f"salesforce: user {target.native_id} has no UserLogin record, so it cannot be frozen",
                hint="deactivate it in Setup > Users once nothing depends on it",
            )
        return Capabilities(
            overlap=0,
            maker="nobody",
            can_turn_off=True,
            can_delete=False,
            usage="last_used",
            usage_lag=_LONGEST_SESSION,
            settles_in=_SETTLES_IN,
            effects=_EFFECTS,
            rollback=_ROLLBACK,
        )

    def observe(self, target: Target) -> Observation:
        user, login = self._user(target), self._login(target)
        is_active = user.get("IsActive") is True
        return Observation(
            state="live" if is_active and login.get("IsFrozen") is not True else "off",
            facts={
                "username": str(user["Username"]),
                "is_active": str(is_active).lower(),
                "user_login": id18(str(login["Id"])),
            },
            last_used_at=moment(user.get("LastLoginDate")),
            usage_known=True,
        )

    def off(self, target: Target) -> Effect:
        return self._freeze(target, is_frozen=True)

    def on(self, target: Target, before: Observation | None) -> Effect:
        """Raises: RefusedError where the user was off before, or where unfreezing alone would not let it in."""
        if before is not None and before.state != "live":
            raise RefusedError(
                f"salesforce: user {target.native_id} could not sign in before this operation either",
                hint="unfreeze it by hand if that was meant to change",
            )
        if self._user(target).get("IsActive") is not True:
            raise RefusedError(
                f"salesforce: somebody has deactivated user {target.native_id}; unfreezing does not let it in",
                hint="ask whoever did it, then activate the user in Setup > Users",
            )
        return self._freeze(target, is_frozen=False)

    def delete(self, target: Target) -> Effect:
        raise RefusedError(f"salesforce: user {target.native_id}: {_EFFECTS['delete']}")

    def _freeze(self, target: Target, *, is_frozen: bool) -> Effect:
        self._user(target)
        native_id = id18(str(self._login(target)["Id"]))
        self.calls.update("UserLogin", native_id, {"IsFrozen": is_frozen}, needs=MANAGE)
        return Effect()

    def _user(self, target: Target) -> Json:
        """Raises: RefusedError where the org shows no such user: none can be deleted, so this one is hidden."""
        columns = ("Id", "Username", "IsActive", "UserType", "LastLoginDate")
        found = self.calls.rows("User", columns, {"Id": target.native_id}, needs=API)
        if len(found) != 1:
            raise RefusedError(
                f"salesforce: {self.calls.tenant_id} shows no user {target.native_id}; users cannot be deleted, so it "
                "is hidden",
                hint=f"give the user of [remediation.salesforce] {MANAGE}",
                permission=USERS,
            )
        return found[0]

    def _login(self, target: Target) -> Json:
        found = self._logins(target)
        if len(found) != 1:
            raise RefusedError(
                f"salesforce: user {target.native_id} has {len(found)} UserLogin records, not one",
                hint="deactivate it in Setup > Users once nothing depends on it",
            )
        return found[0]

    def _logins(self, target: Target) -> list[Json]:
        return self.calls.rows("UserLogin", ("Id", "IsFrozen"), {"UserId": target.native_id}, needs=MANAGE)
