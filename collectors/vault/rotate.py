"""The Vault and OpenBao adapter of remediation: AppRole secret ids, tokens, entities and stored secrets, and a store.

Each kind of target is a module beside this one. The token is never the scanner's, and nothing is done to the token, the
entity or the role that it comes from: who locks itself out cannot let itself in again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Final, Protocol

from nhiscan.collect import Context
from nhiscan.remediate.contract import (
    Capabilities,
    Effect,
    Fields,
    Observation,
    Step,
    Target,
    UnsupportedError,
)
from nhiscan.secret import Secret

from . import login, rotate_entities, rotate_secret_ids, rotate_store, rotate_tokens, rotate_versions
from .rotate_calls import Calls, Own
from .rotate_entities import Entities
from .rotate_secret_ids import SecretIds
from .rotate_store import KeyValues
from .rotate_tokens import Tokens
from .rotate_versions import Versions
from .words import labels

_SECTION: Final = "remediation.vault"
_NEVER_REPEATED: Final = frozenset({429, 503})


class Kind(Protocol):
    """What a module does for one kind of target."""

    def capabilities(self, target: Target) -> Capabilities: ...

    def observe(self, target: Target) -> Observation: ...

    def effect(
        self, step: Step, target: Target, key: str, id: str | None, fields: Fields | None, before: Observation | None
    ) -> Effect: ...


@dataclass(frozen=True)
class Vault:
    """Settings: as the collector's, of another credential."""

    name: ClassVar[str] = "vault"
    permissions: ClassVar[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
        "approle_secret": rotate_secret_ids.PERMISSIONS,
        "vault_token": rotate_tokens.PERMISSIONS,
        "token": rotate_tokens.PERMISSIONS,
        "entity": rotate_entities.PERMISSIONS,
        "secret": rotate_versions.PERMISSIONS,
        "secret_field": rotate_versions.PERMISSIONS,
        rotate_store.PREFIX: rotate_store.PERMISSIONS,
    }
    stores: ClassVar[tuple[str, ...]] = (rotate_store.PREFIX,)

    url: str
    tenant: str = "main"
    namespace: str = ""
    token: Secret | None = None
    role_id: Secret | None = None
    secret_id: Secret | None = None
    jwt: Secret | None = None
    jwt_role: str | None = None
    auth_mount: str | None = None
    ca_file: Path | None = None

    def session(self, ctx: Context) -> Session:
        return Session(f"vault:{self.tenant}", self._calls(ctx), ctx.clock or (lambda: ctx.as_of))

    def store(self, ctx: Context) -> KeyValues:
        return KeyValues(self._calls(ctx))

    def _calls(self, ctx: Context) -> Calls:
        """Raises: ConfigError for settings that cannot work, CollectError where nobody is let in."""
        login.check(self, _SECTION)
        token = login.token(self, ctx, _SECTION)
        told = login.reader(self, ctx, token, _SECTION).check()
        own = Own(
            accessor=str(told.get("accessor") or ""),
            entity_id=str(told.get("entity_id") or ""),
            login_path=f"{login.start(self)}{told.get('path') or ''}",
            role=labels(told.get("meta")).get("role_name", ""),
        )
        session = ctx.http(f"vault:{self.tenant}", base_url=self.url, verify=login.verify(self), final=_NEVER_REPEATED)
        return Calls(session, self.url, token, login.start(self), own)


@dataclass(frozen=True)
class Session:
    """`tenant_id`: of this vault; targets of another one are refused."""

    tenant_id: str
    calls: Calls
    now: Callable[[], datetime]

    def capabilities(self, target: Target) -> Capabilities:
        return self._kind(target).capabilities(target)

    def observe(self, target: Target) -> Observation:
        return self._kind(target).observe(target)

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
        return self._kind(target).effect(step, target, key, id, fields, before)

    def reconcile(self, target: Target, before: Observation, key: str) -> tuple[str, ...]:
        kind = self._kind(target)
        return kind.reconcile(target, before, key) if isinstance(kind, SecretIds) else ()

    def make(self, target: Target, key: str) -> Fields:
        kind = self._kind(target)
        if not isinstance(kind, SecretIds):
            raise UnsupportedError(f"vault: nothing replaces a {target.kind}", hint="plan it with --action revoke")
        return kind.make(target, key)

    def accepts(self, target: Target, id: str, fields: Fields) -> bool:
        kind = self._kind(target)
        return isinstance(kind, SecretIds) and kind.accepts(target, id, fields)

    def _kind(self, target: Target) -> Kind:
        """Raises: UnsupportedError where nothing here acts on such a target, or it is our own."""
        if target.tenant_id != self.tenant_id:
            raise UnsupportedError(
                f"vault: {target.thing_id} belongs to {target.tenant_id}, and remediation.vault is {self.tenant_id}",
                hint="set url and tenant of [remediation.vault] to that vault's",
            )
        match target.thing_kind, target.kind:
            case "credential" | "secret", "approle_secret":
                self._spare_own_role(target)
                return SecretIds(self.calls)
            case ("credential" | "secret", "vault_token") | ("identity", "token"):
                return Tokens(self.calls)
            case "identity", "entity":
                return Entities(self.calls)
            case "secret", "secret" | "secret_field":
                return Versions(self.calls, self.now)
        raise UnsupportedError(
            f"vault: no adapter acts on {target.thing_kind} {target.kind or 'of unknown kind'}",
            hint="follow the runbook",
        )

    def _spare_own_role(self, target: Target) -> None:
        mount, _, role = target.holder_native_id.rpartition("/role/")
        if role == self.calls.own.role and self.calls.own.login_path == f"{mount}/login":
            raise UnsupportedError(
                f"vault: {target.holder_native_id} is the role that the remediation itself logs in through",
                hint="replace its secret ids with a credential of another role",
            )
