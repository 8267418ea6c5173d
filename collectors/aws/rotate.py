"""The AWS adapter of remediation: access keys, console passwords, trusts, users, roles, rotated secrets; and a store.

Each kind of target is a module beside this one. The credential that signs is never the scanner's, and nothing is done
to the identity that it belongs to: who locks itself out cannot let itself in again.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, ClassVar, Final, Literal, Protocol, TypeAlias, get_args

from nhiscan.collect import Context
from nhiscan.errors import CollectError, ConfigError
from nhiscan.remediate.contract import (
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

from . import regions, rotate_denials, rotate_keys, rotate_passwords, rotate_secrets, rotate_store, rotate_trusts
from .rotate_calls import Calls, ask, opened
from .rotate_denials import Denials
from .rotate_keys import AccessKeys
from .rotate_passwords import Passwords
from .rotate_secrets import RotatedSecrets
from .rotate_store import SecretsManager
from .rotate_trusts import Trusts

# Where a new key has to be let in as well as at home, before it counts as known everywhere.
_FAR: Final = {"aws": "eu-west-1", "aws-cn": "cn-northwest-1", "aws-us-gov": "us-gov-east-1"}
# Each a statement of the policy that README.md ships, and a role of its own where the settings name one.
Phase: TypeAlias = Literal["look", "make", "switch", "end", "store"]
_PHASES: Final[Mapping[Step, Phase]] = {
    "create": "make",
    "discard": "make",
    "off": "switch",
    "on": "switch",
    "restore": "switch",
    "delete": "end",
}
Clients: TypeAlias = Callable[[Phase, str, str, str, bool], Any]  # for what, account, service, region, whether once
_TALKATIVE: Final = ("boto3", "botocore", "urllib3")


class Kind(Protocol):
    """What a module does for one kind of target."""

    def capabilities(self, target: Target) -> Capabilities: ...

    def observe(self, target: Target) -> Observation: ...

    def effect(self, step: Step, target: Target, key: str, id: str | None, before: Observation | None) -> Effect: ...


@dataclass(frozen=True)
class Aws:
    """Replaces access keys, begins the rotation of secrets, deletes console passwords, takes principals out of roles'
    trust policies, denies users and roles everything.

    Settings: as the collector's, of another credential; `accounts` empty means the caller's own. `regions`: where a new
    key has to be let in; the first one signs calls to global services. `roles`: by phase, what is assumed instead of
    `role_name`; what a phase reads is read as `look`, but by the store.
    """

    name: ClassVar[str] = "aws"
    permissions: ClassVar[Mapping[str, Mapping[str, tuple[str, ...]]]] = {
        "access_key": rotate_keys.PERMISSIONS,
        "password": rotate_passwords.PERMISSIONS,
        "trust": rotate_trusts.PERMISSIONS,
        "identity": rotate_denials.PERMISSIONS,
        "secret": rotate_secrets.PERMISSIONS,
        rotate_store.PREFIX: rotate_store.PERMISSIONS,
    }
    stores: ClassVar[tuple[str, ...]] = (rotate_store.PREFIX,)

    profile: str | None = None
    accounts: tuple[str, ...] = ()
    role_name: str | None = None
    roles: Mapping[str, str] = field(default_factory=dict)
    external_id: Secret | None = None
    regions: tuple[str, ...] = ()
    endpoint_url: str | None = None
    partition: str = "aws"

    def session(self, ctx: Context) -> Session:
        """Raises: CollectError or ConfigError saying what to mend."""
        return Session(self, ctx, self._caller(ctx), self._clients(ctx))

    def store(self, ctx: Context) -> SecretsManager:
        """Raises: CollectError or ConfigError saying what to mend."""
        return SecretsManager(partial(self.calls, self._caller(ctx), self._clients(ctx), phase="store"))

    def calls(self, caller: Mapping[str, Any], clients: Clients, account: str | None, *, phase: Phase) -> Calls:
        """The clients of an account. Raises: UnsupportedError where these settings do not lead there."""
        number = account or (self.accounts[0] if len(self.accounts) == 1 else None)
        if number is None and self.accounts:
            raise UnsupportedError("aws: the address does not say which account", hint="write the secret's whole ARN")
        number = number or str(caller["Account"])
        if self.accounts and number not in self.accounts:
            raise UnsupportedError(f"aws: {number} is not in remediation.aws.accounts", hint="add it there")
        # A target is read and changed in several phases, a store in its own alone.
        used = [each for each in get_args(Phase) if (each == "store") is (phase == "store")]
        if number != caller["Account"] and any(self._role_of(each) is None for each in used):
            raise UnsupportedError(
                f"aws: the credential belongs to account {caller['Account']} and not to {number}",
                hint="set remediation.aws.role_name to a role of that account",
            )
        return Calls(number, self._regions()[0], partial(clients, phase, number))

    def sign_in(self, ctx: Context, region: str, id: str, secret: Secret) -> Any:
        """An STS client that signs with a new key, which is the only call made with it."""
        at = self.endpoint_url
        return opened(
            lambda: ctx.boto3_client("sts", region=region, endpoint_url=at, is_asked_once=True, key=(id, secret))
        )

    def key_regions(self) -> tuple[str, ...]:
        """A stand-in is one place, whatever region is named."""
        return self._regions()[:1] if self.endpoint_url is not None else self._regions()

    def _regions(self) -> tuple[str, ...]:
        if self.regions:
            return self.regions
        far = _FAR.get(self.partition)
        return (regions.home(self.partition), *(() if far is None else (far,)))

    def _clients(self, ctx: Context) -> Clients:
        """Makes each client once: they renew their credentials themselves."""
        return cache(partial(self._client, ctx))

    def _role_of(self, phase: str) -> str | None:
        return self.roles.get(phase, self.role_name)

    def _client(self, ctx: Context, phase: Phase, account: str, service: str, region: str, is_asked_once: bool) -> Any:
        role = self._role_of(phase if is_asked_once or phase == "store" else "look")
        role_arn = None if role is None else f"arn:{self.partition}:iam::{account}:role/{role}"
        return ctx.boto3_client(
            service,
            region=region,
            profile=self.profile,
            role_arn=role_arn,
            external_id=None if self.external_id is None else self.external_id.reveal(),
            endpoint_url=self.endpoint_url,
            is_asked_once=is_asked_once,
        )

    def _caller(self, ctx: Context) -> Mapping[str, Any]:
        self._check_settings()
        for name in _TALKATIVE:
            # At DEBUG they write requests and answers down, and new secrets with them.
            logger = logging.getLogger(name)
            logger.setLevel(max(logger.getEffectiveLevel(), logging.INFO))
        region, at = self._regions()[0], self.endpoint_url
        try:
            sts = opened(lambda: ctx.boto3_client("sts", region=region, profile=self.profile, endpoint_url=at))
            return ask(sts, "GetCallerIdentity")
        except (RefusedError, UnansweredError) as error:
            raise CollectError(
                f"cannot find out whose credential remediation.aws uses: {error.message}",
                hint="check remediation.aws.profile, endpoint_url and the network",
            ) from error

    def _check_settings(self) -> None:
        for account in self.accounts:
            if not re.fullmatch(r"\d{12}", account):
                raise ConfigError(f"remediation.aws.accounts: {account!r} is not an account number of 12 digits")
        for phase in self.roles:
            if phase not in get_args(Phase):
                raise ConfigError(
                    f"remediation.aws.roles: unknown phase {phase!r}", hint=f"phases: {', '.join(get_args(Phase))}"
                )
        if self.external_id is not None and self.role_name is None and not self.roles:
            raise ConfigError(
                "remediation.aws.external_id is set without role_name", hint="name the role that is to be assumed"
            )


@dataclass(frozen=True)
class Session:
    """`caller`: who the base credential is, before any role is assumed."""

    adapter: Aws
    ctx: Context = field(repr=False)
    caller: Mapping[str, Any]
    clients: Clients = field(repr=False)

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
        del fields  # AWS makes every secret itself
        return self._kind(target, _PHASES.get(step, "look")).effect(step, target, key, id, before)

    def reconcile(self, target: Target, before: Observation, key: str) -> tuple[str, ...]:
        kind = self._kind(target)
        return kind.reconcile(target, before, key) if isinstance(kind, AccessKeys | RotatedSecrets) else ()

    def make(self, target: Target, key: str) -> Fields:
        del key
        raise UnsupportedError(f"aws: nobody but AWS makes a {target.kind}", hint="make the plan again")

    def accepts(self, target: Target, id: str, fields: Fields) -> bool:
        kind = self._kind(target)
        return isinstance(kind, AccessKeys | RotatedSecrets) and kind.accepts(target, id, fields)

    def _kind(self, target: Target, phase: Phase = "look") -> Kind:
        """Raises: UnsupportedError where nothing here acts on such a target, or it is our own."""
        calls = self.adapter.calls(self.caller, self.clients, target.tenant_id.removeprefix("aws:"), phase=phase)
        self._spare_own(target, calls.account)
        is_credential = target.thing_kind in ("credential", "secret")
        if is_credential and target.kind == "access_key":
            return AccessKeys(calls, self.adapter.key_regions(), partial(self.adapter.sign_in, self.ctx))
        if is_credential and target.kind == "password":
            return Passwords(calls)
        if target.thing_kind == "secret" and target.kind == "secret":
            return RotatedSecrets(calls)
        if target.thing_kind == "trust":
            return Trusts(calls)
        if target.thing_kind == "identity":
            return Denials(calls)
        raise UnsupportedError(
            f"aws: no adapter acts on {target.thing_kind} {target.kind or 'of unknown kind'}",
            hint="follow the runbook",
        )

    def _spare_own(self, target: Target, account: str) -> None:
        name = target.name if target.thing_kind == "identity" else target.holder_name
        kind = "role" if target.thing_kind == "trust" or target.kind == "workload_role" else "user"
        if (account, kind, name.casefold()) in self._own(account):
            raise UnsupportedError(
                f"aws: {name} is who remediation signs in as",
                hint="use another credential for it: who locks itself out cannot let itself in again",
            )

    def _own(self, account: str) -> set[tuple[str, str, str]]:
        """Account, kind and name of each identity that the calls to an account are signed by."""
        parts = str(self.caller["Arn"]).split(":", 5)
        kind, _, path = parts[5].partition("/")
        own = {(parts[4], "user", path.rpartition("/")[2].casefold())}
        if kind == "assumed-role":  # a session names its role without the path
            own = {(parts[4], "role", path.split("/")[0].casefold())}
        for role in (self.adapter.role_name, *self.adapter.roles.values()):
            if role is not None:
                own.add((account, "role", role.rpartition("/")[2].casefold()))
        return own
