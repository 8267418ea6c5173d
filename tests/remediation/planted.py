"""An adapter as a third party would install it, which says its secrets wherever it can: in logs and in every error."""

from __future__ import annotations

import logging
import resource
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

from nhiscan.collect import Context
from nhiscan.remediate.contract import (
    Capabilities,
    Effect,
    Fields,
    Observation,
    RefusedError,
    Step,
    Target,
    UnansweredError,
)
from nhiscan.secret import Secret
from tests.remediation import model

Ends = Literal["refused", "silent", "crash", "crash after it was done"]

log = logging.getLogger("nhiscan.planted")


@dataclass
class World:
    """`calls`: of the adapter so far, by name. `fails_at`: the number of the call that ends as `ends` says."""

    keys: model.Keys
    fails_at: int = 0
    ends: Ends = "refused"
    calls: list[str] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)  # every one that was ever there
    core_limits: set[int] = field(default_factory=set)  # while something was changed

    def __post_init__(self) -> None:
        self.saw()

    def saw(self) -> None:
        self.secrets |= {key.secret for key in self.keys.keys.values()}

    def call(self, name: str, said: Iterable[Secret], do: Callable[[], Any]) -> Any:
        """`said`: the secrets that whoever does the call has at hand."""
        values = [secret.reveal() for secret in said]
        self.secrets.update(values)
        text = f"{name} with {' and '.join(values)}"
        log.debug(text)
        self.calls.append(name)
        is_failing = len(self.calls) == self.fails_at
        if is_failing and self.ends == "refused":
            raise RefusedError(f"refused: {text}", hint=text)
        if is_failing and self.ends == "silent":
            raise UnansweredError(f"no answer: {text}", hint=text)
        if is_failing and self.ends == "crash":
            raise RuntimeError(text)
        done = do()
        self.saw()
        if is_failing:
            raise RuntimeError(text)
        return done


@dataclass(frozen=True)
class Planted:
    """`world`: where every instance of it acts, set by the test."""

    name: ClassVar[str] = "model"
    permissions: ClassVar[Mapping[str, Mapping[str, tuple[str, ...]]]] = {"api_key": {"off": ("keys:off",)}}
    stores: ClassVar[tuple[str, ...]] = ("kv",)
    world: ClassVar[World]

    token: Secret

    def session(self, ctx: Context) -> Session:
        del ctx
        made: Session = self.world.call("session", [self.token], lambda: Session(self.world, self.token))
        return made

    def store(self, ctx: Context) -> Store:
        del ctx
        made: Store = self.world.call("store", [self.token], lambda: Store(self.world, self.token))
        return made


@dataclass(frozen=True)
class Session:
    world: World
    token: Secret

    def _call(self, name: str, do: Callable[[model.Keys], Any], fields: Fields | None = None) -> Any:
        said = [self.token, *(fields or {}).values()]
        return self.world.call(name, said, lambda: do(self.world.keys))

    def capabilities(self, target: Target) -> Capabilities:
        found: Capabilities = self._call("capabilities", lambda keys: keys.capabilities(target))
        return found

    def observe(self, target: Target) -> Observation:
        found: Observation = self._call("observe", lambda keys: keys.observe(target))
        return found

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
        self.world.core_limits.add(resource.getrlimit(resource.RLIMIT_CORE)[0])
        done: Effect = self._call(
            f"effect {step}",
            lambda keys: keys.effect(step, target, key, id=id, fields=fields, before=before),
            fields,
        )
        return done

    def reconcile(self, target: Target, before: Observation, key: str) -> tuple[str, ...]:
        found: tuple[str, ...] = self._call("reconcile", lambda keys: keys.reconcile(target, before, key))
        return found

    def make(self, target: Target, key: str) -> Fields:
        made: Fields = self._call("make", lambda keys: keys.make(target, key))
        return made

    def accepts(self, target: Target, id: str, fields: Fields) -> bool:
        is_in: bool = self._call("accepts", lambda keys: keys.accepts(target, id, fields), fields)
        return is_in


@dataclass(frozen=True)
class Store:
    world: World
    token: Secret

    def _call(self, name: str, do: Callable[[model.Documents], Any], fields: Fields | None = None) -> Any:
        said = [self.token, *(fields or {}).values()]
        return self.world.call(name, said, lambda: do(self.world.keys.kept))

    def observe(self, address: str) -> Mapping[str, str]:
        found: Mapping[str, str] = self._call("store observe", lambda kept: kept.observe(address))
        return found

    def stage(self, address: str, key: str, fields: Fields) -> None:
        self._call("store stage", lambda kept: kept.stage(address, key, fields), fields)

    def staged(self, address: str, key: str) -> Fields | None:
        found: Fields | None = self._call("store staged", lambda kept: kept.staged(address, key))
        return found

    def publish(self, address: str, key: str, *, version: str) -> str:
        kept = self.world.keys.kept.kept.get(key)
        new: str = self._call("store publish", lambda kept: kept.publish(address, key, version=version), kept)
        return new

    def published(self, address: str, key: str) -> str | None:
        found: str | None = self._call("store published", lambda kept: kept.published(address, key))
        return found

    def restore(self, address: str, key: str, *, version: str) -> None:
        self._call("store restore", lambda kept: kept.restore(address, key, version=version))

    def discard(self, address: str, key: str) -> None:
        self._call("store discard", lambda kept: kept.discard(address, key))


def install(folder: Path) -> None:
    """Puts the adapter into a folder of the search path as an installed distribution names it."""
    told = folder / "planted-1.0.dist-info"
    told.mkdir(parents=True)
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: planted\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text(f"[nhiscan.remediation]\nmodel = {__name__}:{Planted.__name__}\n")
