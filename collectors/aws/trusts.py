"""Trust policies -> who may become a role, and what the conditions of each statement really pin down.

Source: IAM User Guide, "IAM JSON policy elements: Principal", "… Condition operators", "Available keys for AWS OIDC
federation", "The confused deputy problem".
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from nhiscan.model import Record, Trust, TrustCondition

Json: TypeAlias = Mapping[str, Any]

_ASSUME: Final = "sts:assumerole"
_WEB_IDENTITY: Final = "sts:assumerolewithwebidentity"
_SAML: Final = "sts:assumerolewithsaml"
_MECHANISMS: Final = {_ASSUME: "assume_role", _WEB_IDENTITY: "oidc", _SAML: "saml"}

# Federations that need no provider in the account.
_WELL_KNOWN_ISSUERS: Final = frozenset(
    {"accounts.google.com", "cognito-identity.amazonaws.com", "graph.facebook.com", "www.amazon.com"}
)

_PRINCIPAL_ARN: Final = re.compile(r"arn:[a-z-]+:(?P<service>iam|sts)::(?P<account>\d{12}):(?P<resource>[^*?]+)")
_PROVIDER_ARN: Final = re.compile(r"arn:[a-z-]+:iam::\d{12}:(?P<kind>oidc|saml)-provider/(?P<issuer>[^*?]+)")

_EQUALS: Final = frozenset({"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike"})
_NARROWING: Final = {
    name.casefold(): name
    for name in (
        "aws:PrincipalAccount",
        "aws:PrincipalArn",
        "aws:PrincipalOrgID",
        "aws:PrincipalOrgPaths",
        "aws:SourceAccount",
        "aws:SourceArn",
        "aws:SourceIp",
        "aws:SourceVpc",
        "aws:SourceVpce",
    )
}
_WIDEST_NETWORK: Final = {4: 8, 6: 16}  # prefix length; wider ones hold much of the internet
_ACCOUNT_IN_ARN: Final = re.compile(r"arn:[^:*?]+:[^:*?]+:[^:*?]*:\d{12}:.*")
_ACCOUNT: Final = re.compile(r"^(?:arn:[^:]+:[^:]+:[^:]*:)?(?P<account>\d{12})(?::|$)")
_ORG_PATH: Final = re.compile(r"o-[a-z0-9]+/.*")

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


@dataclass(frozen=True, slots=True)
class Principal:
    kind: str
    text: str
    account: str | None = None
    issuer: str | None = None

    @property
    def actions(self) -> tuple[str, ...]:
        """The calls by which such a principal can become a role."""
        if self.kind == "oidc":
            return (_WEB_IDENTITY,)
        if self.kind == "saml":
            return (_SAML,)
        if self.kind == "any":
            return (_ASSUME, _WEB_IDENTITY, _SAML)
        return (_ASSUME,)


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator and key of a Condition block; names are matched without regard to case."""

    operator: str
    name: str
    values: tuple[str, ...]

    @property
    def test(self) -> str:
        """The bare operator: lower case, without set operator and IfExists."""
        return self.operator.casefold().rpartition(":")[2].removesuffix("ifexists")

    @property
    def binds(self) -> bool:
        """False where the condition also holds when the request has no such key."""
        operator = self.operator.casefold()
        return not operator.startswith("forallvalues:") and not operator.endswith("ifexists")


def trusts(tenant_id: str, role_id: str, document: Json) -> Iterator[Record]:
    """One Trust for each Allow statement and principal of a role's trust policy, with its conditions.

    A principal whom a Deny without condition names is left out; a Deny that may apply is one of the other conditions.
    """
    statements = [item for item in _listed(document.get("Statement")) if isinstance(item, Mapping)]
    denies = [item for item in statements if item.get("Effect") == "Deny"]
    seen: set[str] = set()
    for statement in statements:
        if statement.get("Effect") != "Allow":
            continue
        conditions = read_conditions(statement.get("Condition"))
        for principal in principals(statement):
            action = next((name for name in principal.actions if _names_action(statement, name)), None)
            if action is None:
                continue
            deny = _denied(principal, action, denies)
            if deny == "always":
                continue
            trust_id = _trust_id(tenant_id, role_id, statement, principal)
            if trust_id in seen:
                continue
            seen.add(trust_id)
            yield _trust(trust_id, tenant_id, role_id, statement, principal, action, conditions, deny == "sometimes")
            for condition in conditions:
                for value in condition.values:
                    yield TrustCondition(
                        trust_id=trust_id, operator=condition.operator, name=condition.name, value=value
                    )


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
        narrowing = _NARROWING.get(condition.name.casefold())
        if check is not None:
            checks[check].append(_strength(condition, check))
        elif narrowing is not None and _narrows(condition):
            narrowed_by.add(narrowing)
        elif not (narrowing is not None and _says_nothing(condition)):
            has_others = True
    return Trust(
        trust_id=trust_id,
        identity_id=role_id,
        tenant_id=tenant_id,
        mechanism="service" if principal.kind == "service" else _MECHANISMS[action],
        principal_kind=principal.kind,
        principal=principal.text,
        account=principal.account if principal.kind != "any" else _only_account(conditions),
        issuer=principal.issuer,
        external_id_check=_strongest(checks["external_id"]),
        audience_check=_strongest(checks["audience"]),
        subject_check=_strongest(checks["subject"]),
        narrowed_by=",".join(sorted(narrowed_by)) or None,
        has_other_conditions=has_others,
        statement=_compact(statement),
    )


def principals(statement: Json) -> Iterator[Principal]:
    """Everyone a statement speaks of; an Allow with NotPrincipal means anybody."""
    if "NotPrincipal" in statement:
        yield Principal("any", f"NotPrincipal {_compact(statement['NotPrincipal'])}")
    named = statement.get("Principal")
    if isinstance(named, str):
        yield read_principal("AWS", named)
    elif isinstance(named, Mapping):
        for kind, values in named.items():
            for value in _listed(values):
                yield read_principal(str(kind), str(value))


def read_principal(kind: str, text: str) -> Principal:
    """A principal by the key under which it stands (AWS, Service, Federated, …) and its text."""
    if kind == "Service":
        return Principal("service", text)
    if kind == "Federated":
        return _federated(text)
    if kind != "AWS":
        return Principal("unknown", text)
    if text == "*":
        return Principal("any", text)
    if re.fullmatch(r"\d{12}", text):
        return Principal("account", text, account=text)
    arn = _PRINCIPAL_ARN.fullmatch(text)
    if arn is None:  # a unique id: whoever it was is deleted
        return Principal("unknown", text)
    return Principal("account" if arn["resource"] == "root" else "identity", text, account=arn["account"])


def _federated(text: str) -> Principal:
    if text == "*":
        return Principal("any", text)
    if text.casefold() in _WELL_KNOWN_ISSUERS:
        return Principal("oidc", text, issuer=text.casefold())
    provider = _PROVIDER_ARN.fullmatch(text)
    if provider is None:
        return Principal("unknown", text)
    return Principal(provider["kind"], text, issuer=provider["issuer"])


def read_conditions(block: object) -> list[Condition]:
    if not isinstance(block, Mapping):
        return []
    return [
        Condition(str(operator), str(name), tuple(_text(value) for value in _listed(values)))
        for operator, keys in block.items()
        if isinstance(keys, Mapping)
        for name, values in keys.items()
    ]


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
    if not condition.values or not condition.binds or condition.test not in _EQUALS:
        return "weak"
    if check != "subject":
        return "pinned" if all(_is_concrete(value) for value in condition.values) else "weak"
    claim = condition.name.casefold().rpartition(":")[2]
    return min((_subject_strength(claim, value) for value in condition.values), key=_STRENGTHS.index)


def _subject_strength(claim: str, value: str) -> str:
    if claim not in _SUBJECT_CLAIMS:
        return "weak"
    if _is_concrete(value):
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


def _narrows(condition: Condition) -> bool:
    if not condition.values or not condition.binds:
        return False
    name = condition.name.casefold()
    if condition.test == "ipaddress":
        return all(_is_narrow_network(value) for value in condition.values)
    if condition.test not in _EQUALS:
        return False
    if name == "aws:principalorgpaths":
        return all(_ORG_PATH.fullmatch(value) for value in condition.values)
    if name in ("aws:principalarn", "aws:sourcearn"):
        return all(_is_concrete(value) or _ACCOUNT_IN_ARN.fullmatch(value) for value in condition.values)
    return all(_is_concrete(value) for value in condition.values)


def _only_account(conditions: Iterable[Condition]) -> str | None:
    """The account to which conditions narrow anybody, where it is one."""
    found = {
        _ACCOUNT.search(value)
        for condition in conditions
        if condition.name.casefold() in ("aws:principalaccount", "aws:principalarn") and _narrows(condition)
        for value in condition.values
    }
    accounts = {None if match is None else match["account"] for match in found}
    return accounts.pop() if len(accounts) == 1 else None


def _is_narrow_network(text: str) -> bool:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return network.prefixlen >= _WIDEST_NETWORK[network.version]


def _says_nothing(condition: Condition) -> bool:
    """A like-test that every value passes; of organizations, that every one passes."""
    everything = {"*", "o-*"} if condition.name.casefold() == "aws:principalorgid" else {"*"}
    return condition.test in ("stringlike", "arnlike") and not everything.isdisjoint(condition.values)


def _is_concrete(value: str) -> bool:
    return not any(sign in value for sign in ("*", "?", "${"))


def _denied(principal: Principal, action: str, denies: Iterable[Json]) -> str:
    """`always`, `sometimes` or `never`."""
    verdict = "never"
    for deny in denies:
        if not _names_action(deny, action):
            continue
        reach = _reach(deny, principal)
        if reach == "all" and not read_conditions(deny.get("Condition")):
            return "always"
        if reach != "none":
            verdict = "sometimes"
    return verdict


def _reach(deny: Json, principal: Principal) -> str:
    """How much of a principal a Deny speaks of: `all`, `part` or `none`."""
    if "NotPrincipal" in deny:
        spared = [
            read_principal(str(kind), str(value))
            for kind, values in _principal_map(deny["NotPrincipal"])
            for value in _listed(values)
        ]
        reaches = {_overlap(other, principal) for other in spared}
        return "none" if "all" in reaches else "part" if "part" in reaches else "all"
    reaches = {_overlap(other, principal) for other in principals(deny)}
    return "all" if "all" in reaches else "part" if "part" in reaches else "none"


def _principal_map(named: object) -> list[tuple[Any, Any]]:
    return list(named.items()) if isinstance(named, Mapping) else [("AWS", named)]


def _overlap(named: Principal, principal: Principal) -> str:
    if named.kind == "any" or named.text == principal.text:
        return "all"
    if named.account is not None and named.account == principal.account:
        if named.kind == "account":
            return "all"
        # A role and its sessions are written differently, and an account holds both.
        return "none" if principal.kind == named.kind == "identity" and _same_form(named, principal) else "part"
    return "part" if principal.kind == "any" else "none"


def _same_form(one: Principal, other: Principal) -> bool:
    return one.text.split(":")[2] == other.text.split(":")[2] == "iam"


def _names_action(statement: Json, action: str) -> bool:
    if "NotAction" in statement:
        return not any(_matches(str(glob), action) for glob in _listed(statement["NotAction"]))
    return any(_matches(str(glob), action) for glob in _listed(statement.get("Action")))


def _matches(glob: str, action: str) -> bool:
    pattern = re.escape(glob.casefold()).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(pattern, action) is not None


def _trust_id(tenant_id: str, role_id: str, statement: Json, principal: Principal) -> str:
    canonical = json.dumps([role_id, statement, principal.kind, principal.text], sort_keys=True, separators=(",", ":"))
    return f"{tenant_id}:trust/{hashlib.sha256(canonical.encode()).hexdigest()[:20]}"


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _text(value: object) -> str:
    return value if isinstance(value, str) else _compact(value)


def _listed(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
