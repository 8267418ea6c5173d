"""Tokens: revoked by their accessor, at once and for good. The value of a token is never needed."""

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
from .words import joined

PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "observe": ("update on auth/token/lookup-accessor",),
    "delete": ("update on auth/token/revoke-accessor",),
    "prove": ("update on auth/token/lookup-accessor",),
}


@dataclass(frozen=True)
class Tokens:
    calls: Calls

    def capabilities(self, target: Target) -> Capabilities:
        if target.native_id == self.calls.own.accessor:
            raise UnsupportedError(
                "vault: this is the token that the remediation itself works with",
                hint="revoke it by hand once the remediation has another one",
            )
        return Capabilities(
            overlap=0,
            maker="nobody",
            can_turn_off=False,
            can_delete=True,
            effects={
                "delete": "requests with the token are refused at once and for good; every token that it made ends "
                "with it, and the leases of all of them are revoked",
            },
        )

    def observe(self, target: Target) -> Observation:
        namespace = self.calls.namespace_of(target.native_id)
        try:
            answer = self.calls.post(f"{namespace}auth/token/lookup-accessor", {"accessor": target.native_id})
        except RefusedError as error:
            # The server calls an accessor that it does not know invalid; what it denies is no answer.
            if error.permission is not None or "invalid accessor" not in error.message:
                raise
            answer = None
        if answer is None:
            return Observation("gone")
        found = data(answer)
        return Observation(
            "live",
            facts={
                "display_name": str(found.get("display_name") or ""),
                "is_orphan": str(bool(found.get("orphan"))).lower(),
                "path": str(found.get("path") or ""),
                "policies": joined(sorted({*(found.get("policies") or ()), *(found.get("identity_policies") or ())})),
            },
        )

    def effect(
        self, step: Step, target: Target, key: str, id: str | None, fields: Fields | None, before: Observation | None
    ) -> Effect:
        del key, id, fields, before
        if step != "delete":
            raise RefusedError(f"vault: a token knows no {step}")
        self.capabilities(target)
        namespace = self.calls.namespace_of(target.native_id)
        answer = self.calls.post(f"{namespace}auth/token/revoke-accessor", {"accessor": target.native_id})
        return Effect(request_id=request_id(answer))
