"""Stored secrets of KV version 2: a version is deleted, which can be taken back, and then destroyed.

A version holds every field of its secret, so a leaked field takes the others with it. Only the version that was current
when the operation began is touched; one that somebody writes meanwhile shows as another state of the world.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
    UnsupportedError,
)

from .reading import Json
from .rotate_calls import Calls, request_id
from .rotate_kv import Place, place
from .words import moment

PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "observe": ("read on <mount>/metadata/<path>",),
    "off": ("read on <mount>/metadata/<path>", "update on <mount>/delete/<path>"),
    "on": ("update on <mount>/undelete/<path>",),
    "delete": ("update on <mount>/destroy/<path>",),
    "prove": ("read on <mount>/metadata/<path>",),
}
_CLOCKS_DIFFER: Final = timedelta(minutes=5)  # at most: what was deleted just now never reads as live
_CALLS: Final[Mapping[str, str]] = {"off": "delete", "on": "undelete", "delete": "destroy"}


@dataclass(frozen=True)
class Versions:
    """`now`: what a version's time to delete itself is held against."""

    calls: Calls
    now: Callable[[], datetime]

    def capabilities(self, target: Target) -> Capabilities:
        secret = self._place(target)
        destroy = shlex.join(["vault", "kv", "destroy", f"-mount={secret.mount}", "-versions=OLD", secret.path])
        return Capabilities(
            overlap=0,
            maker="nobody",
            can_turn_off=True,
            can_delete=True,
            effects={
                "off": "whoever reads the secret finds it deleted, with every field that the version holds",
                "delete": "the version's values are gone for good; earlier versions stay readable",
            },
            rollback={"off": "the version is undeleted and readable again"},
            changed={
                "version": "only the version that was current when the plan was made is acted on. Once it is deleted "
                f"and a new one is in its place, destroy the old one by hand ({destroy}) and end this plan with "
                "`nhiscan remediate rollback`, which then leaves both alone"
            },
        )

    def observe(self, target: Target) -> Observation:
        metadata = self._place(target).metadata()
        version = str(metadata.get("current_version") or 0)
        return Observation(_state(metadata, version, self.now()), facts={"version": version})

    def effect(
        self, step: Step, target: Target, key: str, id: str | None, fields: Fields | None, before: Observation | None
    ) -> Effect:
        del key, id, fields
        version = None if before is None else before.facts.get("version")
        if step not in _CALLS or not version or version == "0":
            raise RefusedError(f"vault: {step} of {target.native_id} names no version of it")
        secret = self._place(target)
        if step == "off":
            current = secret.current()
            if current != version:
                raise RefusedError(
                    f"vault: {secret} is at version {current}, not {version}",
                    hint="somebody wrote it since; nothing was deleted, make another plan",
                )
        return Effect(request_id=request_id(secret.versions(_CALLS[step], version)))

    def _place(self, target: Target) -> Place:
        path = target.native_id.partition("#")[0] if target.kind == "secret_field" else target.native_id
        if not path:
            raise UnsupportedError("vault: the inventory does not say where the secret is", hint="follow the runbook")
        return place(self.calls, path)


def _state(metadata: Json, version: str, now: datetime) -> State:
    """Of a version; one whose time to delete itself is still to come is live."""
    told = (metadata.get("versions") or {}).get(version)
    if told is None or told.get("destroyed"):
        return "gone"
    deleted = moment(told.get("deletion_time"))
    return "live" if deleted is None or deleted > now + _CLOCKS_DIFFER else "off"
