"""Trust policies -> who may become a role, and what the conditions of each statement really pin down.

Source: IAM User Guide, "Available keys for AWS OIDC federation".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from nhiscan.model import Record, Trust, TrustCondition

from .statements import (
    EQUALS,
    NARROWING,
    Condition,
    Json,
    Principal,
    compact,
    is_concrete,
    listed,
    names_action,
    narrows,
    only_account,
    principals,
    reach,
    read_conditions,
    says_nothing,
    statement_id,
)

_ASSUME: Final = "sts:assumerole"
_WEB_IDENTITY: Final = "sts:assumerolewithwebidentity"
_SAML: Final = "sts:assumerolewithsaml"
_MECHANISMS: Final = {_ASSUME: "assume_role", _WEB_IDENTITY: "oidc", _SAML: "saml"}
_ACCOUNT_KEYS: Final = ("aws:principalaccount", "aws:principalarn")

_AUDIENCE_CLAIMS: Final = frozenset({"aud", "app_id"})  # app_id: Facebook and Login with Amazon

# Claims besides `sub` that name one repository, project or workflow; the others (ref, environment, actor, …) recur in
# anybody's repository, so on their own they do not say who may come.
_SUBJECT_CLAIMS: Final = frozenset(
    {"sub", "repository", "repository_id", "job_workflow_ref", "project_path", "project_id", "email"}
)
# The literal start of a subject that pins it although a wildcard follows: organization and repository, group and
# project, namespace, organization and workspace. A subject of another shape is pinned only without any wildcard.
_PINNING_STARTS: Final = (
    re.compile(r"repo:[^/:]+/[^/:]+:"),
    re.compile(r"project_path:[^/:]+/[^:]+:"),
    re.compile(r"system:serviceaccount:[^:]+:"),
    re.compile(r"organization:[^:]+:project:[^:]+:workspace:[^:]+:"),
)
_PINNING_WORKFLOW: Final = re.compile(r"[^/:]+/[^/:]+/[^@]+@")
# The literal start that names an organization or a group in full and leaves open which of its projects.
_OWNING_START: Final = re.compile(r"repo:[^/:]+/|project_path:[^/:]+/|organization:[^:]+:")
_OWNING_NAME: Final = re.compile(r"[^/:]+/")
_PATH_CLAIMS: Final = frozenset({"repository", "job_workflow_ref", "project_path"})
_STRENGTHS: Final = ("none", "weak", "owner", "pinned")


def trusts(tenant_id: str, role_id: str, document: Json) -> Iterator[Record]:
    """One Trust for each Allow statement and principal of a role's trust policy, with its conditions.

    A principal whom a Deny without condition names is left out; a Deny that may apply is one of the other conditions.
    """
    statements = [item for item in listed(document.get("Statement")) if isinstance(item, Mapping)]
    denies = [item for item in statements if item.get("Effect") == "Deny"]
    seen: set[str] = set()
    for statement in statements:
        if statement.get("Effect") != "Allow":
            continue
        conditions = read_conditions(statement.get("Condition"))
        for principal in principals(statement):
            action = next((name for name in _calls(principal) if names_action(statement, name)), None)
            if action is None:
                continue
            deny = _denied(principal, action, denies)
            if deny == "always":
                continue
            trust_id = statement_id(tenant_id, "trust", role_id, statement, principal)
            if trust_id in seen:
                continue
            seen.add(trust_id)
            yield _trust(trust_id, tenant_id, role_id, statement, principal, action, conditions, deny == "sometimes")
            for condition in conditions:
                for value in condition.values:
                    yield TrustCondition(
                        trust_id=trust_id, operator=condition.operator, name=condition.name, value=value
                    )


def _calls(principal: Principal) -> tuple[str, ...]:
    """The calls by which such a principal can become a role."""
    if principal.kind == "oidc":
        return (_WEB_IDENTITY,)
    if principal.kind == "saml":
        return (_SAML,)
    if principal.kind == "any":
        return (_ASSUME, _WEB_IDENTITY, _SAML)
    return (_ASSUME,)


def _trust(
    trust_id: str,
    tenant_id: str,
    role_id: str,
    statement: Json,
    principal: Principal,
    action: str,
    conditions: list[Condition],
    is_sometimes_denied: bool,
) -> Trust:
    checks: dict[str, list[str]] = {"external_id": [], "audience": [], "subject": []}
    narrowed_by: set[str] = set()
    has_others = is_sometimes_denied
    for condition in conditions:
        check = _checked(condition, principal)
        narrowing = NARROWING.get(condition.name.casefold())
        if check is not None:
            checks[check].append(_strength(condition, check))
        elif narrowing is not None and narrows(condition):
            narrowed_by.add(narrowing)
        elif not (narrowing is not None and says_nothing(condition)):
            has_others = True
    return Trust(
        trust_id=trust_id,
        identity_id=role_id,
        tenant_id=tenant_id,
        mechanism="service" if principal.kind == "service" else _MECHANISMS[action],
        principal_kind=principal.kind,
        principal=principal.text,
        account=principal.account if principal.kind != "any" else only_account(conditions, _ACCOUNT_KEYS),
        issuer=principal.issuer,
        external_id_check=_strongest(checks["external_id"]),
        audience_check=_strongest(checks["audience"]),
        subject_check=_strongest(checks["subject"]),
        narrowed_by=",".join(sorted(narrowed_by)) or None,
        has_other_conditions=has_others,
        statement=compact(statement),
    )


def _checked(condition: Condition, principal: Principal) -> str | None:
    """Which of the three checks a condition is about, if any."""
    name = condition.name.casefold()
    if name == "sts:externalid":
        return "external_id"
    if principal.issuer is None:
        return None
    prefix, _, claim = name.rpartition(":")
    if prefix != ("saml" if principal.kind == "saml" else principal.issuer.casefold()):
        return None
    if claim in _AUDIENCE_CLAIMS:
        return "audience"
    return "subject"


def _strength(condition: Condition, check: str) -> str:
    if not condition.values or not condition.binds or condition.test not in EQUALS:
        return "weak"
    if check != "subject":
        return "pinned" if all(is_concrete(value) for value in condition.values) else "weak"
    claim = condition.name.casefold().rpartition(":")[2]
    return min((_subject_strength(claim, value) for value in condition.values), key=_STRENGTHS.index)


def _subject_strength(claim: str, value: str) -> str:
    if claim not in _SUBJECT_CLAIMS:
        return "weak"
    if is_concrete(value):
        return "pinned"
    literal = re.split(r"[*?]|\$\{", value, maxsplit=1)[0]
    if claim == "sub":
        is_pinned, is_owner = any(start.match(literal) for start in _PINNING_STARTS), _OWNING_START.match(literal)
    else:
        is_pinned = claim == "job_workflow_ref" and _PINNING_WORKFLOW.match(literal) is not None
        is_owner = _OWNING_NAME.match(literal) if claim in _PATH_CLAIMS else None
    return "pinned" if is_pinned else "owner" if is_owner else "weak"


def _strongest(strengths: list[str]) -> str:
    """Conditions of one statement all have to hold, so the strongest is enough."""
    return max(strengths, key=_STRENGTHS.index, default="none")


def _denied(principal: Principal, action: str, denies: Iterable[Json]) -> str:
    """`always`, `sometimes` or `never`."""
    verdict = "never"
    for deny in denies:
        if not names_action(deny, action):
            continue
        reached = reach(deny, principal)
        if reached == "all" and not read_conditions(deny.get("Condition")):
            return "always"
        if reached != "none":
            verdict = "sometimes"
    return verdict
