"""The console password of an IAM user: it can be taken away, and not given back.

API: IAM 2010-05-08, GetUser, GetLoginProfile, DeleteLoginProfile.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from nhiscan.remediate.contract import Capabilities, Effect, Observation, RefusedError, Step, Target, UnsupportedError

from .identities import ROOT, utc
from .rotate_calls import GONE, SETTLES_IN, USAGE_LAG, Calls, find, request_id

_LOOKS: Final = ("iam:GetLoginProfile", "iam:GetUser")
PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "observe": _LOOKS,
    "delete": ("iam:DeleteLoginProfile", *_LOOKS),
    "prove": _LOOKS,
}


@dataclass(frozen=True, slots=True)
class Passwords:
    calls: Calls

    def capabilities(self, target: Target) -> Capabilities:
        if target.holder_name == ROOT:
            raise UnsupportedError(
                "aws: the root user's password is not changed by a program", hint="sign in as the root user"
            )
        if not target.holder_name:
            # Without a name, IAM would act on whoever asks.
            raise UnsupportedError("aws: whose password this is, is not known", hint="scan the account again")
        return Capabilities(
            overlap=0,  # a person sets a new one; AWS would not tell it
            maker="nobody",
            can_turn_off=False,
            can_delete=True,
            usage="last_used",
            usage_lag=USAGE_LAG,
            settles_in=SETTLES_IN,
            effects={
                "delete": "the user cannot sign in to the console; consoles that are open run on, keys still work"
            },
        )

    def observe(self, target: Target) -> Observation:
        iam = self.calls.reading("iam")
        profile = find(iam, "GetLoginProfile", GONE, UserName=target.holder_name)
        user = None if profile is None else find(iam, "GetUser", GONE, UserName=target.holder_name)
        if profile is None or user is None:
            return Observation("gone")
        created_at = utc(profile["LoginProfile"].get("CreateDate"))
        return Observation(
            "live",
            facts={
                "user_id": str(user["User"]["UserId"]),
                "created_at": "" if created_at is None else created_at.isoformat(),
            },
            last_used_at=utc(user["User"].get("PasswordLastUsed")),
            usage_known=True,
        )

    def effect(self, step: Step, target: Target, key: str, id: str | None, before: Observation | None) -> Effect:
        del key, id, before
        if step != "delete":
            raise RefusedError(f"aws: a console password has no step {step}", hint="nothing was done; plan it again")
        iam = self.calls.changing("iam")
        answer = find(iam, "DeleteLoginProfile", GONE, UserName=target.holder_name)
        return Effect(request_id=None if answer is None else request_id(answer))
