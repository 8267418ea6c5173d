"""A provider, a store and their consumers, as small as the promises allow, with all the trouble that real ones make."""

from __future__ import annotations

import functools
import itertools
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from nhiscan.remediate.contract import (
    Capabilities,
    Effect,
    Fields,
    Observation,
    RefusedError,
    State,
    Step,
    Target,
)
from nhiscan.remediate.plan import Action, Mode, Plan
from nhiscan.secret import Secret
from tests.remediation import trials
from tests.remediation.trials import Clock, Truth, World

HOUR: Final = timedelta(hours=1)
ADDRESS: Final = "kv:acme/billing"
OLD: Final = "key-old"
TARGET: Final = Target("credential", f"model:acme:key/{OLD}", "model:acme", "model", kind="key", native_id=OLD)

_AWS_LIKE: Final = Capabilities(
    2, "provider", True, True, usage="last_used", usage_lag=HOUR, settles_in=timedelta(seconds=10)
)
# What a provider can do decides the steps: one of each kind.
CLASSES: Final[Mapping[str, tuple[Capabilities, Action, Mode]]] = {
    "shown once": (_AWS_LIKE, "rotate", "routine"),
    "shown once, contained": (_AWS_LIKE, "rotate", "contain"),
    "made by us": (Capabilities(9, "us", False, True), "rotate", "routine"),
    "made by us, contained": (Capabilities(9, "us", False, True), "rotate", "contain"),
    "in place of the old one": (Capabilities(1, "provider", False, True), "rotate", "routine"),
    "stores itself": (Capabilities(2, "provider", False, False, stores_itself=True), "rotate", "routine"),
    "switched off, then deleted": (Capabilities(0, "nobody", True, True), "revoke", "routine"),
    "switched off only": (Capabilities(0, "nobody", True, False), "revoke", "contain"),
    "deleted only": (Capabilities(0, "nobody", False, True), "revoke", "contain"),
}


@dataclass
class Key:
    """One credential of the holder."""

    secret: str
    state: State = "live"
    made_with: str = ""
    refusals_left: int = 0  # of sign-ins, until it is known everywhere


@dataclass
class Keys:
    """The provider, signed in to. `lag`: reads that show what was before a change; `settling`: refusals of a new key.

    `lacks`: steps that the credential has no permission for. `tells_keys`: `reconcile` goes by the key of the call, not
    by what was not there before.
    """

    clock: Clock
    can: Capabilities
    kept: Documents
    lag: int = 0
    settling: int = 0
    lacks: frozenset[str] = frozenset()
    tells_keys: bool = False
    target: Target = TARGET
    keys: dict[str, Key] = field(default_factory=dict)
    version: str = "v1"  # of a secret that the provider keeps itself
    _numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))
    _stale: dict[str, State] = field(default_factory=dict)
    _stale_reads: int = 0

    def __post_init__(self) -> None:
        old = self.target.native_id
        self.keys[old] = Key(secrets.token_hex(16))
        self.kept.put({"id": Secret(old), "secret": Secret(self.keys[old].secret)})

    def capabilities(self, target: Target) -> Capabilities:
        del target
        return self.can

    def observe(self, target: Target) -> Observation:
        states = self._read()
        others = {id: state for id, state in states.items() if id != target.native_id}
        facts = {"version": self.version} if self.can.stores_itself else {}
        if self.can.usage == "none":
            return Observation(states.get(target.native_id, "gone"), others, facts)
        used = {id: at for id in states if (at := self.kept.last_use(id, self.clock.at - self.can.usage_lag))}
        return Observation(
            states.get(target.native_id, "gone"),
            others,
            facts,
            used.pop(target.native_id, None),
            used,
            usage_known=True,
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
        if step in self.lacks:
            raise RefusedError(f"{step}: not allowed", permission=f"keys:{step}")
        if step == "create":
            return self._create(key, fields)
        if step == "restore":
            assert before is not None
            self.version = before.facts["version"]
            return Effect(request_id="request-restore")
        states: dict[Step, State] = {"off": "off", "on": "live", "delete": "gone", "discard": "gone"}
        self.set(id if step == "discard" and id is not None else target.native_id, states[step])
        return Effect(request_id=f"request-{step}")

    def _create(self, key: str, fields: Fields | None) -> Effect:
        if self.can.stores_itself:
            self.version = f"v-{key}"
            return Effect(self.version, None, "request-create")
        if self.can.overlap == 1:
            self.set(self.target.native_id, "gone")
        if len(self.keys) >= self.can.overlap:
            raise RefusedError(f"{self.can.overlap} keys are allowed, and are there", hint="end one that nobody uses")
        secret = fields["secret"].reveal() if fields else secrets.token_hex(16)
        id = f"key-{next(self._numbers)}"
        self._changes()
        self.keys[id] = Key(secret, made_with=key, refusals_left=self.settling)
        return Effect(id, {"id": Secret(id), "secret": Secret(secret)}, "request-create")

    def reconcile(self, target: Target, before: Observation, key: str) -> tuple[str, ...]:
        if self.can.stores_itself:
            return (self.version,) if self.version == f"v-{key}" else ()
        states = self._read()
        if self.tells_keys:
            return tuple(id for id in states if id in self.keys and self.keys[id].made_with == key)
        return tuple(sorted(set(states) - set(before.others) - {target.native_id}))

    def make(self, target: Target, key: str) -> Fields:
        del target, key
        return {"secret": Secret(secrets.token_hex(16))}

    def accepts(self, target: Target, id: str, fields: Fields) -> bool:
        del target
        if self.can.stores_itself:
            return self.version == id
        found = self.keys.get(id)
        if found is None or found.state != "live" or fields["secret"].reveal() != found.secret:
            return False
        found.refusals_left -= 1
        return found.refusals_left < 0

    def set(self, id: str, state: State) -> None:
        """As the provider does it, by whoever asks."""
        if id not in self.keys or self.keys[id].state == state:
            return
        self._changes()
        if state == "gone":
            del self.keys[id]
        else:
            self.keys[id].state = state

    def add(self) -> str:
        """Somebody else makes a key, and uses it."""
        id = f"key-{next(self._numbers)}"
        self._changes()
        self.keys[id] = Key(secrets.token_hex(16))
        self.kept.by_hand[id] = self.clock.at
        return id

    def lets_in(self, secret: str) -> bool:
        return any(key.secret == secret and key.state == "live" for key in self.keys.values())

    def _changes(self) -> None:
        self._stale = self._states()
        self._stale_reads = self.lag

    def _read(self) -> dict[str, State]:
        if self._stale_reads > 0:
            self._stale_reads -= 1
            return self._stale
        return self._states()

    def _states(self) -> dict[str, State]:
        return {id: key.state for id, key in self.keys.items()}


@dataclass
class Documents:
    """A store of one document, and who reads it. `delays`: how long each consumer takes to notice a new value.

    `is_readable`: whether what is staged can be read back, as it cannot where only people hold the key.
    """

    clock: Clock
    is_readable: bool = True
    delays: tuple[timedelta, ...] = ()
    versions: list[dict[str, Secret]] = field(default_factory=list)
    given_out: list[tuple[datetime, str]] = field(default_factory=list)
    kept: dict[str, dict[str, Secret]] = field(default_factory=dict)
    current_key: str = ""
    by_hand: dict[str, datetime] = field(default_factory=dict)  # keys that people made and use since then

    def put(self, fields: Mapping[str, Secret], key: str = "") -> None:
        """A new version, by whoever writes it."""
        self.versions.append(dict(fields))
        self.current_key = key
        self.given_out.append((self.clock.at, self._id_of(fields)))

    def observe(self, address: str) -> Mapping[str, str]:
        assert address == "acme/billing"
        return {"version": str(len(self.versions)), "names": ",".join(sorted(self.versions[-1]))}

    def stage(self, address: str, key: str, fields: Fields) -> None:
        del address
        self.kept[key] = dict(fields)

    def staged(self, address: str, key: str) -> Fields | None:
        del address
        return self.kept.get(key) if self.is_readable else None

    def publish(self, address: str, key: str, *, version: str) -> str:
        if self.published(address, key) is None:
            if version != str(len(self.versions)):
                raise RefusedError(f"version {version} is not current any more")
            self.put(self.kept[key], key)
        return str(len(self.versions))

    def published(self, address: str, key: str) -> str | None:
        del address
        return str(len(self.versions)) if self.current_key == key else None

    def restore(self, address: str, key: str, *, version: str) -> None:
        if self.published(address, key) is not None:
            self.put(self.versions[int(version) - 1])

    def discard(self, address: str, key: str) -> None:
        del address
        self.kept.pop(key, None)

    def holds(self, keys: Keys) -> frozenset[str]:
        """Ids whose secret is staged or current."""
        values = {fields["secret"].reveal() for fields in [*self.kept.values(), self.versions[-1]]}
        return frozenset(id for id, key in keys.keys.items() if key.secret in values)

    def last_use(self, id: str, at: datetime) -> datetime | None:
        """When a consumer last used the value of `id`, up to a moment: each uses what it read, all of the time."""
        if id in self.by_hand:
            return at if at >= self.by_hand[id] else None
        found = [use for delay in self.delays if (use := self._last_use(id, delay, at)) is not None]
        return max(found, default=None)

    def held_at(self, at: datetime) -> set[str]:
        """The ids that consumers use at a moment."""
        first = self.given_out[0][1]  # had by everybody when it all began
        return {[first, *(id for since, id in self.given_out if since <= at - delay)][-1] for delay in self.delays}

    def _last_use(self, id: str, delay: timedelta, at: datetime) -> datetime | None:
        ends = [since for since, _ in self.given_out[1:]]
        last = None
        for (since, given), until in itertools.zip_longest(self.given_out, ends):
            is_first = since == self.given_out[0][0]
            begin = since if is_first else since + delay
            end = at if until is None else min(at, until + delay)
            if given == id and begin <= end:
                last = end
        return last

    def _id_of(self, fields: Mapping[str, Secret]) -> str:
        # A secret that we make has no id in the document: it is told by its value, which nobody but tests may read.
        return fields["id"].reveal() if "id" in fields else fields["secret"].reveal()


def world(
    name: str, clock: Clock, *, lag: int = 0, settling: int = 0, is_readable: bool = True, tells_keys: bool = False
) -> World:
    """A fresh world of one of CLASSES."""
    can, action, mode = CLASSES[name]
    kept = Documents(clock, is_readable, (timedelta(minutes=5), HOUR) if can.usage != "none" else ())
    keys = Keys(clock, can, kept, lag, settling, tells_keys=tells_keys)
    return around(keys, _planned(name) if clock.at == trials.NOW else planned(keys, action, mode))


@functools.cache
def _planned(name: str) -> Plan:
    """Every fresh world of a kind looks the same to a plan."""
    can, action, mode = CLASSES[name]
    clock = Clock()
    return planned(Keys(clock, can, Documents(clock)), action, mode)


def planned(keys: Keys, action: Action = "rotate", mode: Mode = "routine") -> Plan:
    """A plan for the target of the provider as it is."""
    is_stored = action == "rotate" and not keys.can.stores_itself
    store = keys.kept if is_stored else None
    return trials.plan(keys, keys.target, at=keys.clock.at, action=action, mode=mode, store=store, address=ADDRESS)


def around(keys: Keys, plan: Plan) -> World:
    """The plan with the provider and its store, and the truth about them."""
    is_stored = plan.operations[0].destination is not None

    def look() -> Truth:
        states: dict[str, State] = {id: key.state for id, key in keys.keys.items()}
        target = states.pop(keys.target.native_id, "gone")
        works = keys.lets_in(keys.kept.versions[-1]["secret"].reveal()) if is_stored else None
        return Truth(target, states, keys.kept.holds(keys), works)

    def known() -> tuple[str, ...]:
        return tuple(key.secret for key in keys.keys.values())

    return World(plan, {"model": keys}, {"kv": keys.kept}, look, secrets=known)
