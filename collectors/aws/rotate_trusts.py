"""One principal in a role's trust policy: taken out, and let in again as it was.

API: IAM 2010-05-08, GetRole, UpdateAssumeRolePolicy. IAM writes a trust policy as a whole and takes no version with it,
so that whoever writes between our look and our call is overwritten; the look comes right before the call.

Everything here is about one principal: two of them in one statement are two targets, and the second has not changed
when the first is taken out.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from nhiscan.remediate.contract import Capabilities, Effect, Observation, RefusedError, Step, Target, UnsupportedError

from .identities import provider_owned
from .policies import read_document
from .rotate_calls import GONE, SETTLES_IN, Calls, ask, find, request_id
from .statements import Json, compact, listed

PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "observe": ("iam:GetRole",),
    "off": ("iam:UpdateAssumeRolePolicy", "iam:GetRole"),
    "on": ("iam:UpdateAssumeRolePolicy", "iam:GetRole"),
    "prove": ("iam:GetRole",),
}
# Stands in for a policy that nobody is left in: IAM takes no policy without a statement.
NOBODY: Final[Json] = {"Sid": "NhiscanNobody", "Effect": "Deny", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
_EVERYBODY_ELSE: Final = "NotPrincipal"
_LONGEST_SESSION: Final = timedelta(hours=12)  # IAM User Guide, "Update the maximum session duration for a role"


def admitting(document: Json, principal: str) -> list[Json]:
    """The Allow statements that let the principal in, each as if it named nobody else."""
    found: list[Json] = []
    for statement in _statements(document):
        alone = _alone(statement, principal)
        if statement.get("Effect") == "Allow" and alone is not None:
            found.append({**statement, "Principal": alone})
    return found


def without(document: Json, principal: str) -> Json:
    """The document with the principal in no Allow statement; all else stays as it is."""
    kept: list[Json] = []
    for statement in _statements(document):
        if statement.get("Effect") != "Allow" or _alone(statement, principal) is None:
            kept.append(statement)
            continue
        left = _others(statement["Principal"], principal)
        if left:
            kept.append({**statement, "Principal": left})
    return {**document, "Statement": kept or [NOBODY]}


def restored(document: Json, admitted: list[Json]) -> Json:
    """The document with what `admitting` told of an earlier one back in it.

    It goes into the statement that is otherwise the same, where that still stands, else becomes one of its own.
    """
    statements = [dict(statement) for statement in _statements(document) if statement != NOBODY]
    for wanted in admitted:
        rest = _rest(wanted)
        home = next((item for item in statements if _rest(item) == rest and _is_named(item)), None)
        if home is None or not isinstance(wanted["Principal"], Mapping):
            statements.append(dict(wanted))
            continue
        ((kind, text),) = wanted["Principal"].items()
        home["Principal"] = {**home["Principal"], kind: [*listed(home["Principal"].get(kind)), text]}
    return {**document, "Statement": statements}


def _statements(document: Json) -> Iterator[dict[str, Any]]:
    return (dict(item) for item in listed(document.get("Statement")) if isinstance(item, Mapping))


def _rest(statement: Json) -> Json:
    return {name: value for name, value in statement.items() if name != "Principal"}


def _is_named(statement: Json) -> bool:
    return isinstance(statement.get("Principal"), Mapping)


def _alone(statement: Json, principal: str) -> Any:
    """The Principal element with this principal and nobody else; None: the statement does not name it."""
    named = statement.get("Principal")
    if isinstance(named, str):
        return named if named == principal else None
    if isinstance(named, Mapping):
        for kind, values in named.items():
            if principal in listed(values):
                return {kind: principal}
    return None


def _others(named: Any, principal: str) -> Any:
    if isinstance(named, str):
        return {}
    left: dict[str, Any] = {}
    for kind, values in named.items():
        if principal not in listed(values):
            left[kind] = values
        elif others := [value for value in listed(values) if value != principal]:
            left[kind] = others
    return left


@dataclass(frozen=True, slots=True)
class Trusts:
    calls: Calls

    def capabilities(self, target: Target) -> Capabilities:
        if not target.holder_name or not target.principal:
            raise UnsupportedError("aws: which role trusts whom is not known", hint="scan the account again")
        if target.principal.startswith(_EVERYBODY_ELSE):
            raise UnsupportedError(
                f"aws: role {target.holder_name} lets in everybody but those that NotPrincipal names",
                hint="rewrite its trust policy so that it names who may come",
            )
        if provider_owned(target.holder_native_id):
            raise UnsupportedError(
                f"aws: {target.holder_name} is AWS's own, and IAM changes it for nobody",
                hint="remove what it belongs to: the service, or the assignment in IAM Identity Center",
            )
        return Capabilities(
            overlap=0,
            maker="nobody",
            can_turn_off=True,
            can_delete=False,
            settles_in=SETTLES_IN,
            effects={
                "off": "the principal cannot become the role any more; its open sessions run on until they end, "
                f"up to {_LONGEST_SESSION // timedelta(hours=1)} hours; the others in the policy keep their access"
            },
            rollback={"off": "the principal is put back into the trust policy, with the conditions it had"},
        )

    def observe(self, target: Target) -> Observation:
        role = self._role(target)
        if role is None:
            return Observation("gone")
        admitted = admitting(_document(target, role), target.principal)
        return Observation("live" if admitted else "off", facts=_facts(role, admitted))

    def effect(self, step: Step, target: Target, key: str, id: str | None, before: Observation | None) -> Effect:
        del key, id
        if step not in ("off", "on"):
            raise RefusedError(f"aws: a trust has no step {step}", hint="nothing was done; make the plan again")
        role = self._role(target)
        if role is None:
            raise RefusedError(f"aws: there is no role {target.holder_name} any more", hint="nothing is left to do")
        document = _document(target, role)
        facts = _facts(role, admitting(document, target.principal))
        if step == "off":
            if facts["admits"] == _NOT_ADMITTED:
                return Effect()
            if before is not None:
                _check_same(target, facts, before)
            return self._write(target, without(document, target.principal))
        if before is None or "admits" not in before.facts:
            raise RefusedError("aws: how the trust policy was is not known", hint="let the principal in again by hand")
        if facts == dict(before.facts):
            return Effect()
        _check_same(target, {**facts, "admits": before.facts["admits"]}, before)
        if facts["admits"] != _NOT_ADMITTED:
            raise RefusedError(
                f"aws: somebody let {target.principal} into role {target.holder_name} in another way",
                hint="nothing was done; look at its trust policy",
            )
        return self._write(target, restored(document, json.loads(before.facts["admits"])))

    def _role(self, target: Target) -> Json | None:
        answer = find(self.calls.reading("iam"), "GetRole", GONE, RoleName=target.holder_name)
        return None if answer is None else answer["Role"]

    def _write(self, target: Target, document: Json) -> Effect:
        iam = self.calls.changing("iam")
        answer = ask(iam, "UpdateAssumeRolePolicy", RoleName=target.holder_name, PolicyDocument=compact(document))
        return Effect(request_id=request_id(answer))


_NOT_ADMITTED: Final = "[]"


def _facts(role: Json, admitted: list[Json]) -> dict[str, str]:
    """`role_id`: another role may come to have the name; `admits`: the statements for the principal, in JSON."""
    return {"role_id": str(role["RoleId"]), "admits": json.dumps(admitted, sort_keys=True, ensure_ascii=False)}


def _document(target: Target, role: Json) -> Json:
    document = read_document(role.get("AssumeRolePolicyDocument"))
    if document is None:
        raise RefusedError(f"aws: the trust policy of {target.holder_name} is not JSON", hint="look at it by hand")
    return document


def _check_same(target: Target, facts: Mapping[str, str], before: Observation) -> None:
    if dict(facts) != dict(before.facts):
        raise RefusedError(
            f"aws: the trust of role {target.holder_name} in {target.principal} is another than when the plan was made",
            hint="nothing was done; make a new plan",
        )
