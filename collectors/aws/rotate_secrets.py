"""A secret of Secrets Manager that a rotation function renews: one call begins it, the staging labels tell how it went.

API: Secrets Manager 2017-10-17, DescribeSecret, RotateSecret, UpdateSecretVersionStage; User Guide, "How rotation
works". The value itself is never read: the function makes it, and puts it where the old one was.
"""

from __future__ import annotations

import shlex
import uuid
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

from .fetch import Json
from .rotate_calls import NOT_FOUND, Calls, ask, find, request_id

CURRENT: Final = "AWSCURRENT"
PENDING: Final = "AWSPENDING"
_LOOKS: Final = ("secretsmanager:DescribeSecret",)
PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "observe": _LOOKS,
    # API reference of RotateSecret: the second one on the rotation function.
    "create": ("secretsmanager:RotateSecret", "lambda:InvokeFunction", *_LOOKS),
    "verify": _LOOKS,
    "restore": ("secretsmanager:UpdateSecretVersionStage", *_LOOKS),
    "prove": _LOOKS,
}
_SPACE: Final = uuid.UUID("5b0d2f8e-6c1a-4d0e-9f37-2a4c8b1e7d60")  # ours; any fixed one would do


def version_id(key: str, purpose: str) -> str:
    """The id that a version gets which this operation's step makes: the same whenever it is asked for again."""
    return str(uuid.uuid5(_SPACE, f"{purpose}:{key}"))


def labelled(described: Json, label: str) -> str | None:
    """The version that holds a staging label."""
    stages: Mapping[str, list[str]] = described.get("VersionIdsToStages") or {}
    return next((version for version, labels in sorted(stages.items()) if label in labels), None)


def region_of(arn: str) -> str:
    return arn.split(":", 4)[3]


def label_command(id: str, region: str, label: str, *, away: str | None = None, to: str | None = None) -> str:
    """What a person types to take a staging label away from a version, to put it on another one, or both."""
    words = ["--region", region, "--secret-id", id, "--version-stage", label]
    words += ["--remove-from-version-id", away] if away else []
    words += ["--move-to-version-id", to] if to else []
    return shlex.join(["aws", "secretsmanager", "update-secret-version-stage", *words])


@dataclass(frozen=True, slots=True)
class RotatedSecrets:
    calls: Calls

    def capabilities(self, target: Target) -> Capabilities:
        described = self._described(target)
        if described is not None and not described.get("RotationEnabled"):
            raise UnsupportedError(
                f"aws: no function rotates the secret {target.name or target.native_id}",
                hint="whoever issued the value has to make a new one: rotate it there, and store it here",
            )
        moved = _label_command(target, CURRENT, away="FOREIGN", to="RIGHT")
        return Capabilities(
            overlap=1,
            maker="provider",
            can_turn_off=False,
            can_delete=False,
            stores_itself=True,
            effects={
                "create": "the rotation function sets a new value where the secret is used, and stores it; with its "
                "single-user strategy the old value ends at once, and whoever has kept it is refused"
            },
            rollback={
                "create": f"{CURRENT} goes back to the version that had it; its value is let in only where the "
                "function alternates between two users"
            },
            changed={
                "current": f"find out which version is let in, put {CURRENT} there by hand ({moved}), then resume "
                "where that is the new one, or roll back"
            },
        )

    def observe(self, target: Target) -> Observation:
        described = self._described(target)
        if described is None:
            return Observation("gone")
        return Observation(
            "live",
            facts={
                "current": labelled(described, CURRENT) or "",
                "pending": _pending(described) or "",
                "rotated_by": str(described.get("RotationLambdaARN") or described.get("OwningService") or ""),
            },
        )

    def effect(self, step: Step, target: Target, key: str, id: str | None, before: Observation | None) -> Effect:
        described = self._described(target)
        if described is None:
            raise RefusedError(f"aws: there is no secret {target.native_id} any more", hint="nothing was done")
        if step == "create":
            return self._rotate(target, described, version_id(key, "rotated"))
        if step == "restore":
            return self._restore(target, described, id, None if before is None else before.facts.get("current"))
        raise RefusedError(f"aws: a rotated secret has no step {step}", hint="nothing was done; make the plan again")

    def reconcile(self, target: Target, before: Observation, key: str) -> tuple[str, ...]:
        del before
        wanted = version_id(key, "rotated")
        return (wanted,) if wanted in ((self._described(target) or {}).get("VersionIdsToStages") or {}) else ()

    def accepts(self, target: Target, id: str, fields: Fields) -> bool:
        """Whether the function has ended well: the new version is current, none is pending. It tested the value."""
        del fields
        described = self._described(target) or {}
        return labelled(described, CURRENT) == id and _pending(described) is None

    def _rotate(self, target: Target, described: Json, wanted: str) -> Effect:
        if wanted in (described.get("VersionIdsToStages") or {}):
            return Effect(wanted)
        pending = _pending(described)
        if pending is not None:
            raise RefusedError(
                f"aws: a rotation of {target.native_id} has not ended: {PENDING} is on version {pending}",
                hint="look at the log of its rotation function; nothing was done",
            )
        client = self.calls.changing("secretsmanager", region_of(target.native_id))
        answer = ask(client, "RotateSecret", SecretId=target.native_id, ClientRequestToken=wanted)
        return Effect(str(answer["VersionId"]), request_id=request_id(answer))

    def _restore(self, target: Target, described: Json, id: str | None, earlier: str | None) -> Effect:
        current = labelled(described, CURRENT)
        if id is not None and _pending(described) == id:
            # Its function may set the new value, and move the label, at any moment from now on.
            raise RefusedError(
                f"aws: the rotation of {target.name or target.native_id} to version {id} has not ended, and cannot be "
                "taken back yet",
                hint="wait until it has ended, or see in the log of its function how far it came and end it: "
                + _label_command(target, PENDING, away=id),
            )
        if earlier and current == earlier:
            return Effect()
        if not earlier or current is None or current != id:
            moved = _label_command(target, CURRENT, away=current, to=earlier or "RIGHT")
            raise RefusedError(
                f"aws: {CURRENT} of {target.name or target.native_id} is on version {current}, which is not of this "
                "operation",
                hint=f"nothing was done; find out which version is let in: where it is {earlier or 'the earlier one'}, "
                f"move the label there by hand ({moved}), and roll back again",
            )
        client = self.calls.changing("secretsmanager", region_of(target.native_id))
        if labelled(described, PENDING) == current:
            # Left behind on a version that is not current, it would stand in the way of every later rotation. It goes
            # first: later, it would look like a rotation that runs.
            own = {"SecretId": target.native_id, "VersionStage": PENDING}
            ask(client, "UpdateSecretVersionStage", **own, RemoveFromVersionId=current)
        move = {"VersionStage": CURRENT, "RemoveFromVersionId": current, "MoveToVersionId": earlier}
        return Effect(request_id=request_id(ask(client, "UpdateSecretVersionStage", SecretId=target.native_id, **move)))

    def _described(self, target: Target) -> Json | None:
        """None: there is no such secret, or it is about to be deleted."""
        client = self.calls.reading("secretsmanager", region_of(target.native_id))
        found = find(client, "DescribeSecret", NOT_FOUND, SecretId=target.native_id)
        return None if found is None or found.get("DeletedDate") else found


def _label_command(target: Target, label: str, *, away: str | None, to: str | None = None) -> str:
    return label_command(target.native_id, region_of(target.native_id), label, away=away, to=to)


def _pending(described: Json) -> str | None:
    """The version whose rotation has not ended; AWS leaves the label on a version that is current, too."""
    pending = labelled(described, PENDING)
    return None if pending == labelled(described, CURRENT) else pending
