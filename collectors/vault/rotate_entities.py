"""Entities: freezing one stops the logins and the live tokens of all its aliases, and can be taken back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from nhiscan.remediate.contract import (
    Capabilities,
    Effect,
    Fields,
    Observation,
    RefusedError,
    Step,
    Target,
    UnsupportedError,
)

from .rotate_calls import Calls, data, request_id

PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "observe": ("read on identity/entity/id/<entity>",),
    "off": ("update on identity/entity/id/<entity>",),
    "on": ("update on identity/entity/id/<entity>",),
    "prove": ("read on identity/entity/id/<entity>",),
}


@dataclass(frozen=True)
class Entities:
    calls: Calls

    def capabilities(self, target: Target) -> Capabilities:
        if target.native_id == self.calls.own.entity_id:
            raise UnsupportedError(
                "vault: this is the entity that the remediation itself logs in as",
                hint="act on it with a credential of another entity",
            )
        return Capabilities(
            overlap=0,
            maker="nobody",
            can_turn_off=True,
            can_delete=False,
            effects={
                "off": "logins through every alias of the entity, and requests with every live token of it, are "
                "refused at once; its tokens live on and work again after it is switched on",
            },
            rollback={"off": "the entity is switched on again; tokens that expired meanwhile stay gone"},
        )

    def observe(self, target: Target) -> Observation:
        """The aliases are told by their ids: the name of an AppRole's is its role id."""
        answer = self.calls.get(self._path(target))
        if answer is None:
            return Observation("gone")
        found = data(answer)
        aliases = sorted(
            f"{alias.get('mount_path') or ''}{alias.get('id') or ''}" for alias in found.get("aliases") or ()
        )
        return Observation(
            "off" if found.get("disabled") else "live",
            facts={"name": str(found.get("name") or ""), "aliases": ", ".join(aliases)},
        )

    def effect(
        self, step: Step, target: Target, key: str, id: str | None, fields: Fields | None, before: Observation | None
    ) -> Effect:
        del key, id, fields, before
        if step not in ("off", "on"):
            raise RefusedError(f"vault: an entity knows no {step}")
        self.capabilities(target)
        path = self._path(target)
        # Only what is named is changed: a write to an id that is gone would make nothing either.
        answer = self.calls.post(path, {"disabled": step == "off"})
        if answer is None:
            raise RefusedError(f"vault: {path} is gone", hint="scan again")
        return Effect(request_id=request_id(answer))

    def _path(self, target: Target) -> str:
        return f"{self.calls.namespace_of(target.native_id)}identity/entity/id/{target.native_id}"
