"""Statements of policies that name principals: who is named, under which conditions, and what a Deny takes back.

Source: IAM User Guide, "IAM JSON policy elements: Principal", "… Condition operators", "The confused deputy problem".
"""

from __future__ import annotations

import hashlib
import ipaddress
import json
import re
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

Json: TypeAlias = Mapping[str, Any]

# Federations that need no provider in the account.
_WELL_KNOWN_ISSUERS: Final = frozenset(
    {"accounts.google.com", "cognito-identity.amazonaws.com", "graph.facebook.com", "www.amazon.com"}
)

_PRINCIPAL_ARN: Final = re.compile(r"arn:[a-z-]+:(?P<service>iam|sts)::(?P<account>\d{12}):(?P<resource>[^*?]+)")
_PROVIDER_ARN: Final = re.compile(r"arn:[a-z-]+:iam::\d{12}:(?P<kind>oidc|saml)-provider/(?P<issuer>[^*?]+)")

EQUALS: Final = frozenset({"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike"})
NARROWING: Final = {
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


@dataclass(frozen=True, slots=True)
class Principal:
    """`kind`: any, account, identity, service, oidc, saml or unknown."""

    kind: str
    text: str
    account: str | None = None
    issuer: str | None = None


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


def principals(statement: Json) -> Iterator[Principal]:
    """Everyone a statement speaks of; an Allow with NotPrincipal means anybody."""
    if "NotPrincipal" in statement:
        yield Principal("any", f"NotPrincipal {compact(statement['NotPrincipal'])}")
    named = statement.get("Principal")
    if isinstance(named, str):
        yield read_principal("AWS", named)
    elif isinstance(named, Mapping):
        for kind, values in named.items():
            for value in listed(values):
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
        Condition(str(operator), str(name), tuple(_text(value) for value in listed(values)))
        for operator, keys in block.items()
        if isinstance(keys, Mapping)
        for name, values in keys.items()
    ]


def narrows(condition: Condition) -> bool:
    """Whether a condition on one of the NARROWING keys, or on one like them, really says who may come."""
    if not condition.values or not condition.binds:
        return False
    name = condition.name.casefold()
    if condition.test == "ipaddress":
        return all(_is_narrow_network(value) for value in condition.values)
    if condition.test not in EQUALS:
        return False
    if name == "aws:principalorgpaths":
        return all(_ORG_PATH.fullmatch(value) for value in condition.values)
    if name in ("aws:principalarn", "aws:sourcearn", "s3:dataaccesspointarn"):
        return all(is_concrete(value) or _ACCOUNT_IN_ARN.fullmatch(value) for value in condition.values)
    return all(is_concrete(value) for value in condition.values)


def only_account(conditions: Iterable[Condition], names: Container[str]) -> str | None:
    """The account to which conditions on one of these keys narrow anybody, where it is one.

    All conditions hold together, so one whose value names no account, like a bucket's ARN, takes nothing away.
    """
    found = [
        {_ACCOUNT.search(value) for value in condition.values}
        for condition in conditions
        if condition.name.casefold() in names and narrows(condition)
    ]
    named = [{match["account"] for match in matches if match} for matches in found if None not in matches]
    accounts = set.intersection(*named) if named else set()
    return accounts.pop() if len(accounts) == 1 else None


def _is_narrow_network(text: str) -> bool:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return network.prefixlen >= _WIDEST_NETWORK[network.version]


def says_nothing(condition: Condition) -> bool:
    """A like-test that every value passes; of organizations, that every one passes."""
    everything = {"*", "o-*"} if condition.name.casefold() == "aws:principalorgid" else {"*"}
    return condition.test in ("stringlike", "arnlike") and not everything.isdisjoint(condition.values)


def is_concrete(value: str) -> bool:
    return not any(sign in value for sign in ("*", "?", "${"))


def reach(deny: Json, principal: Principal) -> str:
    """How much of a principal a Deny speaks of: `all`, `part` or `none`."""
    if "NotPrincipal" in deny:
        spared = [
            read_principal(str(kind), str(value))
            for kind, values in _principal_map(deny["NotPrincipal"])
            for value in listed(values)
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


def names_action(statement: Json, action: str) -> bool:
    if "NotAction" in statement:
        return not any(_matches(str(glob), action) for glob in listed(statement["NotAction"]))
    return any(_matches(str(glob), action) for glob in listed(statement.get("Action")))


def _matches(glob: str, action: str) -> bool:
    pattern = re.escape(glob.casefold()).replace(r"\*", ".*").replace(r"\?", ".")
    return re.fullmatch(pattern, action) is not None


def statement_id(tenant_id: str, kind: str, subject_id: str, statement: Json, principal: Principal) -> str:
    """The same for the same statement on the same subject, wherever in its policy it stands."""
    canonical = json.dumps(
        [subject_id, statement, principal.kind, principal.text], sort_keys=True, separators=(",", ":")
    )
    return f"{tenant_id}:{kind}/{hashlib.sha256(canonical.encode()).hexdigest()[:20]}"


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _text(value: object) -> str:
    return value if isinstance(value, str) else compact(value)


def listed(value: object) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]
