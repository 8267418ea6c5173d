"""What the engine asks of a system that can rotate or revoke, and how it finds the adapters that answer.

An adapter is a frozen dataclass whose fields are its settings in `[remediation.<name>]`, found through the entry-point
group `nhiscan.remediation`; ours live in collectors/<system>/rotate.py. Its credential is never the scanner's.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal, Protocol, get_args

from nhiscan.config import nearest
from nhiscan.errors import ConfigError, NhiscanError
from nhiscan.secret import Secret

if TYPE_CHECKING:
    from nhiscan.collect import Context

GROUP: Final = "nhiscan.remediation"

State = Literal["live", "off", "gone"]
# What an operation is made of, in the words of the journal. `stage` to `publish` replace a credential, `off` can be
# taken back by `on`, `delete` cannot; `quiet` and `observe` wait; `prove` reads only. `discard` ends a credential or a
# staged value that this operation made and nobody was given.
Step = Literal[
    "create", "stage", "verify", "publish", "quiet", "off", "observe", "delete", "prove", "on", "restore", "discard"
]
STEPS: Final[tuple[Step, ...]] = get_args(Step)
# Steps that change something: what they did is only seen by a scan that began later.
EFFECTS: Final[frozenset[str]] = frozenset({"create", "stage", "publish", "off", "delete", "on", "restore", "discard"})

Fields = Mapping[str, Secret]  # of a credential: each part's name, such as access_key_id, and its value


@dataclass(frozen=True, slots=True)
class Target:
    """One thing of the inventory to act on.

    `thing_kind`: credential, identity, app, trust, grant, membership or secret; `thing_id`: as the inventory names it.
    `kind`: of the credential, identity or secret, mechanism of a trust, source of a grant. `holder_*`: the identity
    that a credential, trust or membership belongs to, of a grant the resource. `group_*`: of a membership.
    `principal`: of a trust, who is let in.
    """

    thing_kind: str
    thing_id: str
    tenant_id: str
    provider: str
    kind: str = ""
    name: str = ""
    native_id: str = ""
    region: str = ""
    holder_kind: str = ""
    holder_name: str = ""
    holder_native_id: str = ""
    group_name: str = ""
    group_native_id: str = ""
    principal: str = ""


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do with one target; the steps of an operation follow from it.

    `overlap`: how many credentials of the kind and holder may live beside each other; 1: replacing one is an outage,
    0: this is nothing that is replaced, or whose new value the provider would not tell. `maker`: who makes a new
    credential's secret; `us`: it can be stored before it takes effect. `stores_itself`: the provider keeps the new
    value where the old one was, and `create` is all there is to do. `can_turn_off`: there is a switch that can be taken
    back; `can_delete`: it can be ended for good. `usage`: whether the provider tells the last use of one credential,
    `usage_lag` how late. `settles_in`: how long a change takes to reach all of the provider. `effects`: in words, what
    off and delete do to whoever still uses it; `rollback`: how each step is taken back. `changed`: by fact of an
    observation, what a person does where somebody else changes it while the operation is under way. `parts`: of a new
    credential that goes to a store, as its `Fields` name them.
    """

    overlap: int
    maker: Literal["provider", "us", "nobody"]
    can_turn_off: bool
    can_delete: bool
    stores_itself: bool = False
    usage: Literal["last_used", "none"] = "none"
    usage_lag: timedelta = timedelta(0)
    settles_in: timedelta = timedelta(0)
    effects: Mapping[str, str] = field(default_factory=dict)
    rollback: Mapping[str, str] = field(default_factory=dict)
    changed: Mapping[str, str] = field(default_factory=dict)
    parts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Observation:
    """The world as it bears on one target: what a plan rests on, and what an effect is read back from.

    `others`: every other credential of the kind and holder by id, whatever state it is in: what was created by a call
    whose answer was lost is found as the difference. `facts`: what else must not have changed, such as the digest of a
    trust policy; never a secret. `last_used_at` is of the target, `used` of each of `others`; None: never or not known,
    as `usage_known` says.
    """

    state: State
    others: Mapping[str, State] = field(default_factory=dict)
    facts: Mapping[str, str] = field(default_factory=dict)
    last_used_at: datetime | None = None
    used: Mapping[str, datetime] = field(default_factory=dict)
    usage_known: bool = False

    def digest(self) -> str:
        """SHA-256 over state, others and facts: equal as long as nobody changed what a plan rests on."""
        told = {"state": self.state, "others": dict(self.others), "facts": dict(self.facts)}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Effect:
    """What came of a call: the id of what was created, its parts, and the provider's name for the request."""

    id: str | None = None
    fields: Fields | None = None
    request_id: str | None = None


class UnsupportedError(NhiscanError):
    """This target is nothing the adapter can act on: a person does it by the runbook."""

    exit_code = 2


class RefusedError(NhiscanError):
    """The provider said no and did nothing; `permission` names what is missing where that is why."""

    exit_code = 3

    def __init__(self, message: str, *, hint: str = "", permission: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.permission = permission


class UnansweredError(NhiscanError):
    """No answer, or none that says what happened: the effect may be there or not until somebody looks."""

    exit_code = 3


class BusyError(RefusedError):
    """The provider did nothing because it is asked too often; `after`: when it may be asked again."""

    def __init__(self, message: str, *, hint: str = "", after: timedelta = timedelta(seconds=5)) -> None:
        super().__init__(message, hint=hint)
        self.after = after


class Session(Protocol):
    """An adapter that is signed in. Nothing here repeats a call that may have had an effect.

    Every method raises: RefusedError (BusyError) where nothing was done, UnansweredError where that is not known.
    """

    def capabilities(self, target: Target) -> Capabilities:
        """Raises: UnsupportedError saying what a person has to do instead."""

    def observe(self, target: Target) -> Observation:
        """Reads and changes nothing. A target that is not there any more is `gone`."""

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
        """Does one step at the provider; each but `create` is absolute, so that doing it twice is doing it once.

        `create`: makes the replacement, from `fields` where we make the secret. `off`, `on`, `delete`: of the target.
        `discard`: ends the credential `id`, which this operation made and nobody was given. `key`: of this operation
        and step, never the same for two; where the provider takes one, that is what makes `create` repeatable.
        `before`: what was observed before the operation's first effect; `on` and `restore` go back to it.
        """

    def reconcile(self, target: Target, before: Observation, key: str) -> tuple[str, ...]:
        """Ids of what may have come of a `create` with this key whose answer was lost, from a fresh look.

        One: that is it. None: nothing was made. More: somebody else made some too, and a person has to say.
        """

    def make(self, target: Target, key: str) -> Fields:
        """A new secret's parts, where the capabilities' `maker` is `us`."""

    def accepts(self, target: Target, id: str, fields: Fields) -> bool:
        """Whether the provider lets the new credential in, by a call with it that reads nothing but who it is.

        False also while it is not known everywhere yet. `fields` is empty where the provider keeps the new value
        itself: then whether it has come to stand where it belongs.
        """


class Store(Protocol):
    """Where a new secret goes, and nowhere else. A staged value is durable and nobody's current one."""

    def observe(self, address: str) -> Mapping[str, str]:
        """Facts the plan rests on: `version` of the current value and `names` of its parts; never a value."""

    def stage(self, address: str, key: str, fields: Fields) -> None:
        """Keeps what will be current; the same call twice leaves one."""

    def staged(self, address: str, key: str) -> Fields | None:
        """What was staged with this key; None: nothing, or nothing that can be read back."""

    def publish(self, address: str, key: str, *, version: str) -> str:
        """Makes the staged value current where `version` still is; gives back the new version. Repeatable.

        Raises: RefusedError where somebody else changed the value since.
        """

    def published(self, address: str, key: str) -> str | None:
        """The version under which the value staged with this key is current now; None: it is not current."""

    def restore(self, address: str, key: str, *, version: str) -> None:
        """Makes the value of an earlier version current again where the one of this key is. Repeatable."""

    def discard(self, address: str, key: str) -> None:
        """Ends what was staged with this key, and leaves what is current alone. Repeatable."""


class Adapter(Protocol):
    """`permissions`: kind of target -> step -> what the remediation credential needs for it at the provider.

    `observe` is one of the steps there. `stores`: the prefix of addresses, such as `vault`, that `store` takes.
    """

    name: ClassVar[str]
    permissions: ClassVar[Mapping[str, Mapping[str, tuple[str, ...]]]]
    stores: ClassVar[tuple[str, ...]]

    def session(self, ctx: Context) -> Session:
        """Signs in. Raises: CollectError or ConfigError saying what to mend."""

    def store(self, ctx: Context) -> Store:
        """The secrets store of this system, where `stores` names one; an address is without its prefix."""


def names() -> list[str]:
    """Every installed adapter, ours and third parties', without importing any."""
    return sorted(entry.name for entry in entry_points(group=GROUP))


def load(name: str) -> type[Any]:
    """The adapter class behind a name. Raises: ConfigError naming the nearest known one."""
    for entry in entry_points(group=GROUP, name=name):
        found: type[Any] = entry.load()
        return found
    raise ConfigError(f"unknown remediation adapter {name!r}", hint=nearest(name, names()))
