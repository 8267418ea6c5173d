"""An access key of an IAM user: two slots, a secret that is shown once, a switch, and no mark to know a key by.

API: IAM 2010-05-08, ListAccessKeys, GetAccessKeyLastUsed, CreateAccessKey, UpdateAccessKey, DeleteAccessKey; STS
2011-06-15, GetCallerIdentity. Keys carry no tags: what a lost answer made is told by ids that were not there before.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

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
from nhiscan.secret import Secret

from .identities import ROOT, utc
from .rotate_calls import GONE, SETTLES_IN, USAGE_LAG, Calls, ask, find, request_id

ID: Final = "access_key_id"
SECRET: Final = "secret_access_key"  # noqa: S105 - the name of the part
_LOOKS: Final = ("iam:ListAccessKeys", "iam:GetAccessKeyLastUsed")
PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "observe": _LOOKS,
    "create": ("iam:CreateAccessKey", *_LOOKS),
    "verify": (),  # sts:GetCallerIdentity asks for no permission, and the new key makes the call
    "quiet": _LOOKS,
    "off": ("iam:UpdateAccessKey", *_LOOKS),
    "on": ("iam:UpdateAccessKey", *_LOOKS),
    "delete": ("iam:DeleteAccessKey", *_LOOKS),
    "discard": ("iam:UpdateAccessKey", "iam:DeleteAccessKey", *_LOOKS),
    "prove": _LOOKS,
}
_STATES: Final[Mapping[str, State]] = {"Active": "live"}  # Inactive, and Expired of a key that AWS ended
# What STS says of a key that has not reached it: IAM User Guide, "Changes that I make are not always immediately
# visible", names no code; these are the ones by which STS tells a key or a signature that it does not know.
_NOT_LET_IN: Final = ("InvalidClientTokenId", "SignatureDoesNotMatch", "AuthFailure", "UnrecognizedClientException")


@dataclass(frozen=True, slots=True)
class AccessKeys:
    """`sign_in`: an STS client of a region that signs with an access key's id and secret."""

    calls: Calls
    regions: Sequence[str]
    sign_in: Callable[[str, str, Secret], Any]

    def capabilities(self, target: Target) -> Capabilities:
        if target.holder_name == ROOT:
            raise UnsupportedError(
                "aws: keys of the root user are not changed by a program",
                hint="sign in as the root user and remove them under Security credentials",
            )
        if not target.holder_name:
            # Without a name, IAM would act on whoever asks.
            raise UnsupportedError(
                f"aws: whose key {target.native_id} is, is not known", hint="scan the account that it belongs to"
            )
        return Capabilities(
            overlap=2,
            maker="provider",
            can_turn_off=True,
            can_delete=True,
            usage="last_used",
            usage_lag=USAGE_LAG,
            settles_in=SETTLES_IN,
            effects={
                "off": "calls signed with the key are refused; sessions that were opened with it run on until they end",
                "delete": "the key is gone for good; its id and secret cannot be had again",
            },
            rollback={
                "create": "the new key is deactivated and deleted",
                "off": "the key is activated again, with the same secret",
            },
            parts=(ID, SECRET),
        )

    def observe(self, target: Target) -> Observation:
        listed = self._listed(target)
        if listed is None or target.native_id not in listed:
            others = {} if listed is None else {id_: state for id_, (state, _) in listed.items()}
            return Observation("gone", others=others, usage_known=False)
        iam = self.calls.reading("iam")
        used: dict[str, datetime] = {}
        for id_ in listed:
            told = find(iam, "GetAccessKeyLastUsed", GONE, AccessKeyId=id_)
            moment = utc(((told or {}).get("AccessKeyLastUsed") or {}).get("LastUsedDate"))
            if moment is not None:
                used[id_] = moment
        state, created_at = listed[target.native_id]
        return Observation(
            state,
            others={id_: state for id_, (state, _) in listed.items() if id_ != target.native_id},
            facts={"created_at": created_at},
            last_used_at=used.pop(target.native_id, None),
            used=used,
            usage_known=True,
        )

    def effect(self, step: Step, target: Target, key: str, id: str | None, before: Observation | None) -> Effect:
        del key, before
        if step == "create":
            return self._create(target)
        if step == "discard":
            return self._discard(target, id)
        if step in ("off", "on"):
            return self._set(target, target.native_id, "Inactive" if step == "off" else "Active")
        if step == "delete":
            return self._delete(target, target.native_id)
        raise UnsupportedError(f"aws: an access key has no step {step}", hint="make the plan again")

    def reconcile(self, target: Target, before: Observation, key: str) -> tuple[str, ...]:
        del key  # AWS takes none
        listed = self._listed(target) or {}
        return tuple(sorted(id_ for id_ in listed if id_ != target.native_id and id_ not in before.others))

    def accepts(self, target: Target, id: str, fields: Fields) -> bool:
        """Lets in only if every region asked does."""
        for region in self.regions:
            sts = self.sign_in(region, fields[ID].reveal(), fields[SECRET])
            who = find(sts, "GetCallerIdentity", _NOT_LET_IN)
            if who is None:
                return False
            if fields[ID].reveal() != id or not _is(who["Arn"], target, self.calls.account):
                raise RefusedError(
                    f"aws: the new key {id} does not sign in as {target.holder_name}",
                    hint="somebody has mixed up keys; look at both before anything is published",
                )
        return True

    def _create(self, target: Target) -> Effect:
        answer = ask(self.calls.changing("iam"), "CreateAccessKey", UserName=target.holder_name)
        made = answer["AccessKey"]
        fields = {ID: Secret(made["AccessKeyId"]), SECRET: Secret(made["SecretAccessKey"])}
        return Effect(made["AccessKeyId"], fields, request_id(answer))

    def _set(self, target: Target, id: str, status: str) -> Effect:
        iam = self.calls.changing("iam")
        answer = ask(iam, "UpdateAccessKey", UserName=target.holder_name, AccessKeyId=id, Status=status)
        return Effect(request_id=request_id(answer))

    def _delete(self, target: Target, id: str) -> Effect:
        state = (self._listed(target) or {}).get(id)
        if state is not None and state[0] == "live":
            raise RefusedError(
                f"aws: key {id} of {target.holder_name} is active",
                hint="somebody switched it on again; ask who needs it",
            )
        iam = self.calls.changing("iam")
        answer = find(iam, "DeleteAccessKey", GONE, UserName=target.holder_name, AccessKeyId=id)
        return Effect(request_id=None if answer is None else request_id(answer))

    def _discard(self, target: Target, id: str | None) -> Effect:
        if id is None or id == target.native_id:
            raise RefusedError(
                f"aws: {id or 'no key'} is not what this operation made", hint="nothing was done; look at the journal"
            )
        iam = self.calls.changing("iam")
        own = {"UserName": target.holder_name, "AccessKeyId": id}
        if find(iam, "UpdateAccessKey", GONE, **own, Status="Inactive") is None:
            return Effect()
        answer = find(iam, "DeleteAccessKey", GONE, **own)
        return Effect(request_id=None if answer is None else request_id(answer))

    def _listed(self, target: Target) -> dict[str, tuple[State, str]] | None:
        """State and date of creation of the user's keys by id; None: there is no such user."""
        iam = self.calls.reading("iam")
        found: dict[str, tuple[State, str]] = {}
        paging: dict[str, str] = {}
        while True:
            page = find(iam, "ListAccessKeys", GONE, UserName=target.holder_name, **paging)
            if page is None:
                return None
            for item in page["AccessKeyMetadata"]:
                created_at = utc(item.get("CreateDate"))
                found[item["AccessKeyId"]] = (
                    _STATES.get(item["Status"], "off"),
                    "" if created_at is None else created_at.isoformat(),
                )
            if not page.get("IsTruncated"):
                return found
            paging = {"Marker": page["Marker"]}


def _is(arn: str, target: Target, account: str) -> bool:
    """Whether a caller's ARN is the user that holds the target; IAM's names are unique without regard to case."""
    parts = arn.split(":", 5)
    kind, _, name = parts[5].partition("/")
    return (
        parts[4] == account and kind == "user" and name.rpartition("/")[2].casefold() == target.holder_name.casefold()
    )
