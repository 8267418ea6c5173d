"""The adapters that nhiscan.toml configures: made from their settings, signed in when they are first asked."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeVar

from nhiscan import collect, config
from nhiscan.errors import ConfigError
from nhiscan.remediate import contract
from nhiscan.remediate.contract import Adapter, Session, Store
from nhiscan.remediate.redacted import RedactedSession, RedactedStore
from nhiscan.remediate.separate import check_separate
from nhiscan.secret import RedactingFilter

Thing = TypeVar("Thing")


class OnDemand(Mapping[str, Thing]):
    """Things by name, each made when it is first taken: a plan for one system signs in to no other."""

    def __init__(self, makers: Mapping[str, Callable[[], Thing]], missing: str) -> None:
        """`missing`: what is said of a name that is not there."""
        self._makers = makers
        self._missing = missing
        self._made: dict[str, Thing] = {}

    def __getitem__(self, name: str) -> Thing:
        if name not in self._made:
            if name not in self._makers:
                raise ConfigError(
                    self._missing.format(name), hint="add it to nhiscan.toml: docs/remediation.md says how"
                )
            self._made[name] = self._makers[name]()
        return self._made[name]

    def __contains__(self, name: object) -> bool:
        return name in self._makers

    def __iter__(self) -> Iterator[str]:
        return iter(self._makers)

    def __len__(self) -> int:
        return len(self._makers)


@dataclass(frozen=True)
class Adapters:
    """`sessions` by name of the adapter, `stores` by prefix of an address."""

    made: Mapping[str, Adapter]
    sessions: Mapping[str, Session]
    stores: Mapping[str, Store]


def build(
    settings: config.Config, ctx: collect.Context, redacting: RedactingFilter, *, environ: Mapping[str, str]
) -> Adapters:
    """Every configured adapter; nobody is signed in yet.

    `redacting` learns their secrets and all that pass through them, so that no line of a log and no error shows one.
    Raises: ConfigError naming the file and key, also where one signs in with what a collector signs in with.
    """
    check_separate(settings, environ=environ)
    made: dict[str, Adapter] = {}
    stores: dict[str, Callable[[], Store]] = {}
    for name, entry in settings.remediation.items():
        where = f"{settings.file}: remediation.{name}."
        adapter: Adapter = config.build(
            contract.load(name), entry, where=where, base=settings.file.parent, environ=environ
        )
        redacting.add_settings(adapter)
        made[name] = adapter
        for prefix in adapter.stores:
            if prefix in stores:
                raise ConfigError(
                    f"{settings.file}: two adapters of [remediation] keep secrets under {prefix}:",
                    hint=f"remove [remediation.{name}] or the other one",
                )
            stores[prefix] = functools.partial(_store, adapter, ctx, redacting)
    sessions = {name: functools.partial(_session, adapter, ctx, redacting) for name, adapter in made.items()}
    return Adapters(
        made,
        OnDemand(sessions, f"{settings.file} has no [remediation.{{}}]"),
        OnDemand(stores, f"{settings.file} has no adapter that keeps secrets under {{}}:"),
    )


def _session(adapter: Adapter, ctx: collect.Context, redacting: RedactingFilter) -> Session:
    return RedactedSession(adapter.session(ctx), redacting)


def _store(adapter: Adapter, ctx: collect.Context, redacting: RedactingFilter) -> Store:
    return RedactedStore(adapter.store(ctx), redacting)


def permissions(adapters: Adapters) -> dict[str, Mapping[str, Mapping[str, tuple[str, ...]]]]:
    """What each adapter's credential needs: kind of target -> step -> permissions."""
    return {name: adapter.permissions for name, adapter in adapters.made.items()}
