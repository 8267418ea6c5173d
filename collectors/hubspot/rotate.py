"""Removal of users of a HubSpot account: the one thing that HubSpot lets a program end.

API: HubSpot, date-versioned, 2026-03, "User provisioning". Scopes stand in `PERMISSIONS` and README.md. Private apps,
service keys, installed apps, API keys, SMTP tokens and personal keys have no call: a person ends them in the account,
and the next scan sees it in the security activity.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import ClassVar, Final, NoReturn

import requests

from nhiscan.collect import Context
from nhiscan.errors import CollectError, ConfigError
from nhiscan.remediate.contract import (
    BusyError,
    Capabilities,
    Effect,
    Fields,
    Observation,
    RefusedError,
    Step,
    Target,
    UnansweredError,
    UnsupportedError,
)
from nhiscan.secret import Secret

from .reading import TOO_MANY, Json, body, pause_s, scopes_of, short

_VERSION: Final = re.compile(r"20\d\d-\d\d")
_USER_KINDS: Final = ("human_user", "user")
_UNAVAILABLE: Final = 503
# HubSpot names no bound within which a removal shows everywhere. Our assumption.
_SETTLES_IN: Final = timedelta(minutes=1)
_READS: Final = ("scope oauth", "scope settings.users.read")
PERMISSIONS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    kind: {"observe": _READS, "delete": (*_READS, "scope settings.users.write"), "prove": _READS}
    for kind in _USER_KINDS
}
# Knowledge Base, "Remove HubSpot users" (May 2025), and "How do I remove a user from my account?" for content and
# ownership; what a new invitation may say: description of POST /settings/users/2026-03.
_REMOVAL: Final = (
    "the user can no longer sign in to this account and its profile goes; it is taken out of conversations, assets and "
    "reports. What it made stays, and records that it owns show a removed user. A new invitation makes a user again "
    "who gets role, teams and seat anew; HubSpot does not say that records, conversations or keys come back. Who may "
    "want to go back deactivates the user in Settings > Users & Teams instead, which no API does"
)
# What the security activity says once a person has acted: types of its enum.
_PRIVATE_APP: Final = "PRIVATE_APP_ACCESS_TOKEN_ROTATE or PRIVATE_APP_ACCESS_TOKEN_DEACTIVATE"
_SEEN_AS: Final = {
    "private_app": _PRIVATE_APP,
    "private_app_token": _PRIVATE_APP,
    "service_key": "SERVICE_KEY_ROTATE or SERVICE_KEY_DEACTIVATE",
    "oauth_app": "UNINSTALL_INTEGRATION",
    "oauth_token": "UNINSTALL_INTEGRATION",
    "api_key": "HAPIKEY_DEACTIVATE",
    "smtp_token": "SMTP_TOKEN_PASSWORD_RESET or SMTP_TOKEN_DELETED",
    "service_account": "SMTP_TOKEN_PASSWORD_RESET or SMTP_TOKEN_DELETED",
    "personal_access_key": "PERSONAL_ACCESS_KEY_ROTATE or PERSONAL_ACCESS_KEY_DEACTIVATE",
}


@dataclass(frozen=True)
class HubSpotUsers:
    """Settings: `token` is the value of a service key or private app, never the scanner's.

    `keep`: addresses of users who are never removed, such as whoever made the key: HubSpot does not tell whose it is.
    """

    name: ClassVar[str] = "hubspot"
    permissions: ClassVar[Mapping[str, Mapping[str, tuple[str, ...]]]] = PERMISSIONS
    stores: ClassVar[tuple[str, ...]] = ()

    token: Secret
    base_url: str = "https://api.hubapi.com"
    api_version: str = "2026-03"
    keep: tuple[str, ...] = ()

    def session(self, ctx: Context) -> Users:
        """Asks which account the token is of.

        Raises: ConfigError for settings that cannot work; CollectError when the account cannot be named.
        """
        if not _VERSION.fullmatch(self.api_version):
            raise ConfigError(
                f"remediation.hubspot.api_version: {self.api_version!r} is no version", hint='write it like "2026-03"'
            )
        session = ctx.http("hubspot", base_url=self.base_url, final={TOO_MANY, _UNAVAILABLE})
        calls = _Calls(session, self.base_url.rstrip("/"), self.token)
        try:
            details = calls.read(f"/account-info/{self.api_version}/details")
        except (RefusedError, UnansweredError) as error:
            raise CollectError(
                f"hubspot: the account of remediation's token cannot be named: {error.message}",
                hint="remediation.hubspot.token must be the current value of a service key or private app that has the "
                "scope oauth; check remediation.hubspot.base_url",
            ) from error
        if details is None or not details.get("portalId"):
            raise CollectError(
                f"hubspot: {self.base_url} names no account", hint="check remediation.hubspot.base_url and api_version"
            )
        kept = frozenset(address.casefold() for address in self.keep)
        return Users(calls, f"hubspot:{details['portalId']}", f"/settings/users/{self.api_version}", kept)

    def store(self, ctx: Context) -> NoReturn:
        raise UnsupportedError("hubspot keeps no secrets of ours", hint="name another store in the plan's destination")


@dataclass(frozen=True)
class _Calls:
    """Requests of one token, each asked once."""

    http: requests.Session
    base_url: str
    token: Secret

    def read(self, path: str, params: Mapping[str, str] | None = None) -> Json | None:
        """None: there is no such thing, or no such path."""
        answer = self._ask("GET", path, params)
        if answer.status_code == requests.codes.not_found:
            return None
        said = body(answer)
        if not said:
            raise UnansweredError(f"hubspot: GET {path}: the answer is not whole JSON", hint="run again")
        return said

    def delete(self, path: str) -> str | None:
        """HubSpot's name for the request; what is not there counts as deleted."""
        name: str | None = self._ask("DELETE", path).headers.get("X-HubSpot-Correlation-Id")
        return name

    def _ask(self, method: str, path: str, params: Mapping[str, str] | None = None) -> requests.Response:
        call = f"{method} {path}"
        try:
            answer = self.http.request(
                method,
                f"{self.base_url}{path}",
                params=params,
                headers={"Authorization": f"Bearer {self.token.reveal()}", "Accept": "application/json"},
                allow_redirects=False,
            )
        except requests.ConnectTimeout as error:
            raise RefusedError(
                f"hubspot: {call}: {self.base_url} cannot be reached", hint="check the network, then run again"
            ) from error
        except requests.RequestException as error:
            raise UnansweredError(
                f"hubspot: {call}: no answer: {short(type(error).__name__)}", hint="run again: it looks before it acts"
            ) from error
        except CollectError as error:
            raise UnansweredError(f"hubspot: {call}: {error.message}", hint=error.hint) from error
        if answer.status_code // 100 == 2 or answer.status_code == requests.codes.not_found:
            return answer
        raise _refusal(call, answer)


def _refusal(call: str, answer: requests.Response) -> RefusedError | UnansweredError:
    said = body(answer)
    message = f"hubspot: {call}: {short(str(said.get('message') or 'no message'))} (HTTP {answer.status_code})"
    if answer.status_code == TOO_MANY:
        if str(said.get("policyName")).upper() == "DAILY":
            # Not busy: nobody should sit and wait for the account's midnight, which the answer does not name.
            return RefusedError(message, hint="the account's calls of today are used up: resume after its midnight")
        return BusyError(message, hint="wait, then resume", after=timedelta(seconds=pause_s(answer)))
    if answer.status_code >= 500:
        return UnansweredError(message, hint="run again: it looks before it acts")
    if answer.status_code == requests.codes.unauthorized:
        return RefusedError(message, hint="remediation.hubspot.token must be the current value of its key")
    if answer.status_code == requests.codes.forbidden:
        missing = ", ".join(f"scope {scope}" for scope in scopes_of(said)) or None
        return RefusedError(message, hint="give the key the scope, then resume", permission=missing)
    return RefusedError(message, hint="see what HubSpot says of the user in Settings > Users & Teams")


@dataclass(frozen=True)
class Users:
    """The users of one account; `tenant_id`: which one the token is of."""

    calls: _Calls = field(repr=False)
    tenant_id: str
    path: str
    keep: frozenset[str] = frozenset()

    def capabilities(self, target: Target) -> Capabilities:
        """Raises: UnsupportedError for whoever must not be removed, and for everything that is no user."""
        if target.thing_kind != "identity" or target.kind not in _USER_KINDS:
            raise _by_hand(target)
        try:
            self._path(target)
        except RefusedError as error:
            raise UnsupportedError(error.message, hint=error.hint) from error
        user = self._read(target)
        if user is not None and (reason := self._reason_to_keep(user)):
            raise UnsupportedError(
                f"hubspot: {target.thing_id} is not removed by us: {reason}",
                hint="a super administrator does it in Settings > Users & Teams; the next scan sees REMOVE_USER",
            )
        return Capabilities(
            overlap=0,
            maker="nobody",
            can_turn_off=False,
            can_delete=True,
            settles_in=_SETTLES_IN,
            effects={"delete": _REMOVAL},
        )

    def observe(self, target: Target) -> Observation:
        """The user's address, role and teams, as far as somebody may have changed them since."""
        user = self._read(target)
        if user is None:
            return Observation("gone")
        teams = [user.get("primaryTeamId"), *(user.get("secondaryTeamIds") or ())]
        return Observation(
            "live",
            facts={
                "mail": str(user["email"]),
                "super_admin": "yes" if user["superAdmin"] else "no",
                "roles": ", ".join(sorted(str(role) for role in user["roleIds"])),
                "teams": ", ".join(sorted(str(team) for team in teams if team)),
            },
        )

    def effect(
        self,
        step: Step,
        target: Target,
        key: str,
        *,
        id: str | None = None,
        fields: Fields | None = None,
        before: Observation | None = None,
    ) -> Effect:
        """Removes the user, unless it is one by now who must stay."""
        if step != "delete":
            raise RefusedError(f"hubspot: a user cannot be given the step {step}", hint="make another plan")
        user = self._read(target)
        if user is None:
            return Effect()
        if reason := self._reason_to_keep(user):
            raise RefusedError(f"hubspot: {target.thing_id} is not removed: {reason}", hint="make another plan")
        return Effect(request_id=self.calls.delete(self._path(target)))

    def reconcile(self, target: Target, before: Observation, key: str) -> tuple[str, ...]:
        return ()

    def make(self, target: Target, key: str) -> Fields:
        raise _by_hand(target)

    def accepts(self, target: Target, id: str, fields: Fields) -> bool:
        raise _by_hand(target)

    def _read(self, target: Target) -> Json | None:
        """The user; None only where the list of users answers as well, which a wrong path or version does not do."""
        path = self._path(target)
        user = self.calls.read(path)
        if user is None:
            if self.calls.read(self.path, {"limit": "1"}) is None:
                raise RefusedError(
                    f"hubspot: GET {self.path}: there is no such call",
                    hint="check remediation.hubspot.api_version and base_url",
                )
            return None
        if user.get("id") != target.native_id or not {"email", "superAdmin", "roleIds"} <= user.keys():
            raise UnansweredError(f"hubspot: GET {path}: the answer is not about this user", hint="run again")
        return user

    def _path(self, target: Target) -> str:
        if target.tenant_id != self.tenant_id:
            raise RefusedError(
                f"hubspot: the token is of {self.tenant_id}, {target.thing_id} of {target.tenant_id}",
                hint="name a key of that account in remediation.hubspot.token",
            )
        if not re.fullmatch(r"\d+", target.native_id):
            raise RefusedError(f"hubspot: {target.native_id!r} is no id of a user", hint="scan again")
        return f"{self.path}/{target.native_id}"

    def _reason_to_keep(self, user: Json) -> str | None:
        if user["superAdmin"]:
            return "it is a super administrator; take that right away first"
        if str(user["email"]).casefold() in self.keep:
            return f"{user['email']} stands in remediation.hubspot.keep"
        return None


def _by_hand(target: Target) -> UnsupportedError:
    hint = "a person does it in the account's settings, as the guided task says"
    if target.thing_kind in ("membership", "grant"):
        return UnsupportedError("hubspot: roles, teams and rights of a user are not changed by us", hint=hint)
    what = (target.kind or target.thing_kind).replace("_", " ")
    seen = _SEEN_AS.get(target.kind)
    then = f"the next scan sees {seen}" if seen else "the next scan confirms what a person did"
    return UnsupportedError(f"hubspot: no API rotates, switches off or ends a {what}; {then}", hint=hint)
