"""Remediation in one org: users frozen, tokens revoked, permission sets and groups taken away.

API: Salesforce REST and Connect REST, by OAuth with a JWT. Permissions stand in `PERMISSIONS` and README.md; the user
and the app are never the scanner's.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Final, NoReturn, Protocol
from urllib.parse import urlsplit

from nhiscan import http
from nhiscan.collect import Context
from nhiscan.errors import ConfigError
from nhiscan.remediate.contract import (
    Capabilities,
    Effect,
    Fields,
    Observation,
    RefusedError,
    Step,
    Store,
    Target,
    UnsupportedError,
)
from nhiscan.secret import Secret

from . import rotate_members, rotate_tokens, rotate_users
from .login import Door
from .rotate_calls import Calls
from .words import id18

_SECTION: Final = "remediation.salesforce"
_ID: Final = re.compile(r"[A-Za-z0-9]{15}(?:[A-Z0-5]{3})?")
_UNPROCESSED: Final = frozenset({429, 503})  # a change is not sent again after these either
PERMISSIONS: Final[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
    **dict.fromkeys(rotate_users.KINDS, rotate_users.PERMISSIONS),
    rotate_tokens.KIND: rotate_tokens.PERMISSIONS,
    "membership": rotate_members.PERMISSIONS,
}
_BY_HAND: Final = {
    "guest": "take rights from the guest user's profile in Setup > Sites; nobody signs in as it",
    "oauth_app": "block the app in Setup > Connected Apps OAuth Usage, revoke its tokens, then uninstall it",
    "password": "freeze the user, or reset the password in Setup > Users > the user > Reset Password",
    "certificate": "replace it where it is used, then delete it in Setup > Certificate and Key Management",
    "delegation": "take the user out of the group in Setup > Delegated Administration",
}


class _Remedy(Protocol):
    """What can be done to one sort of target."""

    def capabilities(self, target: Target) -> Capabilities: ...

    def observe(self, target: Target) -> Observation: ...

    def off(self, target: Target) -> Effect: ...

    def on(self, target: Target, before: Observation | None) -> Effect: ...

    def delete(self, target: Target) -> Effect: ...


@dataclass(frozen=True)
class SalesforceRemediation:
    """Settings: `private_key` belongs to the certificate of the app `client_id`, which acts as `username`."""

    name: ClassVar[str] = "salesforce"
    permissions: ClassVar[Mapping[str, Mapping[str, tuple[str, ...]]]] = PERMISSIONS
    stores: ClassVar[tuple[str, ...]] = ()

    url: str  # the org's My Domain
    client_id: str
    username: str
    private_key: Secret
    login_url: str = "https://login.salesforce.com"  # a sandbox has https://test.salesforce.com
    api_version: str = "62.0"
    ca_file: Path | None = None

    def session(self, ctx: Context) -> SalesforceSession:
        """Raises: ConfigError for settings that cannot work; CollectError when the login fails."""
        self._check()
        url, login_url = self.url.rstrip("/"), self.login_url.rstrip("/")
        verify = True if self.ca_file is None else str(self.ca_file)
        host = f"salesforce:{self.client_id}"
        session = functools.partial(ctx.http, base_url=url, verify=verify)
        door = Door(
            ctx=ctx,
            url=url,
            version=self.api_version,
            open_session=session(host),
            session=ctx.http(f"{host} login", base_url=login_url, verify=verify),
            token_host=login_url,
            audience=login_url,
            client_id=self.client_id,
            username=self.username,
            private_key=self.private_key,
            client_secret=None,
            section=_SECTION,
        )
        calls = Calls(
            url,
            self.api_version,
            reading=session(host),
            changing=session(host, final=_UNPROCESSED),
            bare=session(host, final=_UNPROCESSED),
            log_in=door.log_in,
        )
        return SalesforceSession(calls, ctx)

    def store(self, ctx: Context) -> Store:
        """Salesforce keeps no secrets for others."""
        del ctx
        raise ConfigError("salesforce is no secrets store", hint="name a store of vault or aws as destination")

    def _check(self) -> None:
        for setting, url in (("url", self.url), ("login_url", self.login_url)):
            http.refuse_plain_http(url, setting=f"{_SECTION}.{setting}")
            if urlsplit(url).path.strip("/"):
                raise ConfigError(f"{_SECTION}.{setting} {url} goes on after its host", hint="cut it there")
        if not re.fullmatch(r"[1-9]\d{0,2}\.0", self.api_version):
            raise ConfigError(f"{_SECTION}.api_version {self.api_version!r} is none", hint='like "62.0"')


@dataclass(frozen=True)
class SalesforceSession:
    """Signed in to one org; acts on nothing of another, and on nothing that is its own."""

    calls: Calls
    ctx: Context

    def capabilities(self, target: Target) -> Capabilities:
        return self._remedy(target).capabilities(target)

    def observe(self, target: Target) -> Observation:
        return self._remedy(target).observe(target)

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
        del key, id, fields  # nothing is made here, and Salesforce takes no key for a request
        remedy = self._remedy(target)
        match step:
            case "off":
                return remedy.off(target)
            case "on":
                return remedy.on(target, before)
            case "delete":
                return remedy.delete(target)
        raise RefusedError(f"salesforce: there is no {step} for {target.thing_kind} {target.thing_id}")

    def reconcile(self, target: Target, before: Observation, key: str) -> tuple[str, ...]:
        del before, key
        self._made_by_nobody(target)

    def make(self, target: Target, key: str) -> Fields:
        del key
        self._made_by_nobody(target)

    def accepts(self, target: Target, id: str, fields: Fields) -> bool:
        del id, fields
        self._made_by_nobody(target)

    def _made_by_nobody(self, target: Target) -> NoReturn:
        raise UnsupportedError(
            f"salesforce: no credential is made in place of {target.thing_id}", hint="plan it with --action revoke"
        )

    def _remedy(self, target: Target) -> _Remedy:
        """Raises: UnsupportedError for what no call can do, what is another org's, and what is our own."""
        if target.thing_kind == "identity" and target.kind in rotate_users.KINDS:
            ids, prefix = [target.native_id], "005"
            remedy: _Remedy = rotate_users.Users(self.calls)
        elif target.thing_kind == "credential" and target.kind == rotate_tokens.KIND:
            ids, prefix = [target.holder_native_id], "005"
            remedy = rotate_tokens.Tokens(self.calls)
        elif target.thing_kind == "membership":
            ids, prefix = [target.holder_native_id, target.group_native_id], ""
            remedy = rotate_members.Members(self.calls, self._now)
        else:
            raise UnsupportedError(
                f"salesforce: no call acts on a {target.kind or target.thing_kind}",
                hint=_BY_HAND.get(target.kind, "do it in Setup, by the runbook"),
            )
        if target.provider != "salesforce" or target.tenant_id != self.calls.tenant_id:
            raise UnsupportedError(
                f"salesforce: {target.thing_id} belongs to {target.tenant_id}, and [{_SECTION}] is signed in to "
                f"{self.calls.tenant_id}",
                hint=f"a sandbox has the ids of the org that it was copied from: check {_SECTION}.url and login_url",
            )
        for native_id in ids:
            # No query holds a text that was not this.
            if not _ID.fullmatch(native_id) or id18(native_id) != id18(native_id[:15]):
                raise UnsupportedError(
                    f"salesforce: {native_id!r} is no id of a record", hint="scan again, then plan anew"
                )
        holder = id18(ids[0])
        if not holder.startswith(prefix):
            raise UnsupportedError(f"salesforce: {holder} is no user", hint="scan again, then plan anew")
        if holder == self.calls.login.user_id:
            raise UnsupportedError(
                f"salesforce: {holder} is the user of [{_SECTION}] itself, which would lock itself out",
                hint="a person does it in Setup, once remediation has a user of another name",
            )
        return remedy

    def _now(self) -> datetime:
        return self.ctx.as_of if self.ctx.clock is None else self.ctx.clock()
