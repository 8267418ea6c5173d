"""A user or a role as a whole: denied everything by one inline policy of ours, which is taken away again.

API: IAM 2010-05-08, GetUser, GetRole, GetUserPolicy, GetRolePolicy, PutUserPolicy, PutRolePolicy, DeleteUserPolicy,
DeleteRolePolicy. An explicit Deny beats every Allow, also in sessions that are open: IAM User Guide, "Policy evaluation
logic". What a user's keys and passwords are is not touched: they are targets of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from nhiscan.remediate.contract import Capabilities, Effect, Observation, RefusedError, Step, Target, UnsupportedError

from .identities import ROOT, provider_owned, utc
from .policies import read_document
from .rotate_calls import GONE, SETTLES_IN, USAGE_LAG, Calls, ask, find, request_id
from .statements import Json, compact

POLICY: Final = "nhiscan-remediation-deny-all"
DENY_ALL: Final[Json] = {
    "Version": "2012-10-17",
    "Statement": [{"Sid": "NhiscanDenyAll", "Effect": "Deny", "Action": "*", "Resource": "*"}],
}
KINDS: Final[Mapping[str, str]] = {"service_account": "User", "human_user": "User", "workload_role": "Role"}
_LOOKS: Final = ("iam:GetRole", "iam:GetRolePolicy", "iam:GetUser", "iam:GetUserPolicy")
PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "observe": _LOOKS,
    "off": ("iam:PutRolePolicy", "iam:PutUserPolicy", *_LOOKS),
    "on": ("iam:DeleteRolePolicy", "iam:DeleteUserPolicy", *_LOOKS),
    "prove": _LOOKS,
}


@dataclass(frozen=True, slots=True)
class Denials:
    calls: Calls

    def capabilities(self, target: Target) -> Capabilities:
        if target.kind not in KINDS or not target.name:
            raise UnsupportedError(
                f"aws: nothing denies a {target.kind or 'thing'} everything", hint="follow the runbook"
            )
        if target.name == ROOT:
            raise UnsupportedError("aws: the root user cannot be denied anything", hint="secure its sign-in instead")
        if provider_owned(target.native_id):
            raise UnsupportedError(
                f"aws: {target.name} is AWS's own, and IAM changes it for nobody",
                hint="remove what it belongs to: the service, or the assignment in IAM Identity Center",
            )
        is_role = KINDS[target.kind] == "Role"
        return Capabilities(
            overlap=0,
            maker="nobody",
            can_turn_off=True,
            can_delete=False,
            usage="last_used" if is_role else "none",
            usage_lag=USAGE_LAG if is_role else timedelta(0),
            settles_in=SETTLES_IN,
            effects={"off": "every call is refused, in sessions that are open as well; signing in still works"},
            rollback={"off": f"the inline policy {POLICY} is taken away"},
        )

    def observe(self, target: Target) -> Observation:
        kind = KINDS[target.kind]
        iam = self.calls.reading("iam")
        found = find(iam, f"Get{kind}", GONE, **{f"{kind}Name": target.name})
        if found is None:
            return Observation("gone")
        document = self._document(target)
        used = utc(found[kind].get("RoleLastUsed", {}).get("LastUsedDate"))
        return Observation(
            "off" if document == DENY_ALL else "live",
            facts={"id": str(found[kind][f"{kind}Id"])},
            last_used_at=used,
            usage_known=kind == "Role",
        )

    def effect(self, step: Step, target: Target, key: str, id: str | None, before: Observation | None) -> Effect:
        del key, id, before
        if step not in ("off", "on"):
            raise RefusedError(f"aws: an identity has no step {step}", hint="nothing was done; make the plan again")
        kind = KINDS[target.kind]
        document = self._document(target)
        if document not in (None, DENY_ALL):
            raise RefusedError(
                f"aws: {target.name} has an inline policy {POLICY} that is not ours",
                hint="nothing was done; rename that policy",
            )
        own = {f"{kind}Name": target.name, "PolicyName": POLICY}
        iam = self.calls.changing("iam")
        if step == "off":
            answer = ask(iam, f"Put{kind}Policy", **own, PolicyDocument=compact(DENY_ALL))
            return Effect(request_id=request_id(answer))
        gone = find(iam, f"Delete{kind}Policy", GONE, **own)
        return Effect(request_id=None if gone is None else request_id(gone))

    def _document(self, target: Target) -> Json | None:
        kind = KINDS[target.kind]
        own = {f"{kind}Name": target.name, "PolicyName": POLICY}
        answer = find(self.calls.reading("iam"), f"Get{kind}Policy", GONE, **own)
        return None if answer is None else read_document(answer["PolicyDocument"]) or {}
