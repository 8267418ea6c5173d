"""Decides one AWS request against all policies that have a say in it: allow, deny, or what it depends on.

The order of AWS's own evaluation (IAM user guide, reference_policies_evaluation-logic): an explicit Deny anywhere; then
the principal's and the resource's policies, within boundary and session policy; then SCPs and RCPs level by level.
Nothing unknown becomes a plain yes or no: an answer that could turn out either way names the keys it depends on.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal, NamedTuple, TypeAlias

from nhiscan.resolve import globs
from nhiscan.resolve.aws_actions import Catalogue
from nhiscan.resolve.aws_conditions import (
    Context,
    Lookup,
    Template,
    Test,
    Truth,
    all_met,
    both,
    either,
    is_open,
    like,
    template,
    test,
)
from nhiscan.resolve.aws_policy import Document, Principals, Resource, Statement

Kind: TypeAlias = Literal["user", "role", "session", "federated-user", "root", "federated", "service", "anonymous"]
Outcome: TypeAlias = Literal["allow", "deny", "conditional"]

# Keys an answer may depend on that are no condition keys of AWS.
SESSION_NAME: Final = "sts:rolesessionname"
RESOURCE: Final = "resource"
RESOURCE_ACCOUNT: Final = "aws:resourceaccount"
NOT_PRINCIPAL: Final = "notprincipal"  # AWS says that it "might" deny whom only some of the needed ARNs name
UNREADABLE: Final = "unreadable policy"
_ACCOUNT_OPEN: Final[Truth] = frozenset({RESOURCE_ACCOUNT})

_WITHOUT_IDENTITY: Final = frozenset({"federated", "service", "anonymous"})
_WITH_POLICIES: Final = frozenset({"user", "role", "session", "federated-user"})
_BOUNDED: Final = frozenset({"user", "role", "session"})
_OF_THE_CORE: Final = frozenset({"identity", "boundary", "session", "resource"})
_TYPES: Final = {
    "user": "User",
    "role": "AssumedRole",
    "session": "AssumedRole",
    "federated-user": "FederatedUser",
    "root": "Account",
}
_RESOURCE_FIELD: Final = 5  # of an ARN; account and region before it hold no colon
_ACCOUNT: Final = re.compile(r"(?:arn:[^:]*:iam::)?(\d{12})(?::root)?")
_SESSION: Final = re.compile(r"arn:[^:]*:sts::(\d{12}):assumed-role/([^/]+)/[^/]+")
_SERVICE_LINKED: Final = ":role/aws-service-role/"
# Trust and key policies decide alone: an identity policy counts only where they hand over to the account.
_TRUSTING: Final = {
    "sts": re.compile(r"arn:[^:]*:iam::\d*:role/"),
    "kms": re.compile(r"arn:[^:]*:kms:[^:]*:[^:]*:key/"),
}
_ALWAYS_ALLOWED: Final = frozenset({"sts:getcalleridentity"})
# Services whose resources RCPs reach even through NotAction; elsewhere an RCP has to name the service.
# https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html
_RCP_SERVICES: Final = frozenset({"s3", "sts", "kms", "sqs", "secretsmanager"})

# What AWS refuses whatever policies say: changes of what is its own.
_POLICY_CHANGES: Final = frozenset(
    f"iam:{name}"
    for name in (
        "createpolicy",
        "createpolicyversion",
        "deletepolicy",
        "deletepolicyversion",
        "setdefaultpolicyversion",
        "tagpolicy",
        "untagpolicy",
    )
)
_ROLE_CHANGES: Final = frozenset(
    f"iam:{name}"
    for name in (
        "attachrolepolicy",
        "deleterole",
        "deleterolepermissionsboundary",
        "deleterolepolicy",
        "detachrolepolicy",
        "putrolepermissionsboundary",
        "putrolepolicy",
        "updateassumerolepolicy",
    )
)
_ALIAS_CHANGES: Final = frozenset({"kms:createalias", "kms:deletealias", "kms:updatealias"})
_REFUSED: Final = (
    (_POLICY_CHANGES, re.compile(r"arn:[^:]*:iam::aws:policy/.*", re.DOTALL)),
    (_ROLE_CHANGES, re.compile(r"arn:[^:]*:iam::\d*:role/aws-(service-role|reserved)/.*", re.DOTALL)),
    (_ALIAS_CHANGES, re.compile(r"arn:[^:]*:kms:[^:]*:[^:]*:alias/aws/.*", re.DOTALL)),
)


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    `arn`: of a user, role, session, federated user, root or identity provider; for a service its host name. `role`: the
    ARN of a session's role, with its path. A role without a session stands for any session of it.
    """

    kind: Kind
    arn: str | None = None
    account: str | None = None
    role: str | None = None

    @property
    def role_arn(self) -> str | None:
        return self.arn if self.kind == "role" else self.role

    @property
    def is_service_linked(self) -> bool:
        return _SERVICE_LINKED in (self.role_arn or "")


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """`resource`: an ARN, or a pattern for "some of these"; * for actions that act on no resource.

    `resource_account`: None when nobody knows it. `is_management_account`: of the principal, whom no SCP binds then.
    """

    action: str
    resource: str
    principal: Principal
    resource_account: str | None = None
    context: Context = field(default_factory=Context)
    is_management_account: bool = False
    is_resource_in_management_account: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Layers:
    """The policies with a say; levels from the organization's root down. A policy that exists and was not read is a
    Document with a `problem`. `resource` None: there is none.
    """

    identity: Sequence[Document] = ()
    boundary: Document | None = None
    session: Document | None = None
    resource: Document | None = None
    scps: Sequence[Sequence[Document]] = ()
    rcps: Sequence[Sequence[Document]] = ()
    endpoint: Sequence[Document] | None = None


@dataclass(frozen=True, slots=True)
class Decision:
    """`layer`: what decided it; of a conditional answer, what is open first. `keys`: what that depends on."""

    outcome: Outcome
    layer: str
    statement: Statement | None = None
    is_explicit: bool = False
    keys: frozenset[str] = frozenset()


# Statements, compiled once


class _Rule(NamedTuple):
    """`resources`: None where every resource is meant, or none named."""

    statement: Statement
    allows: bool
    principals: Principals | None
    resources: Callable[[str, Lookup, bool], Truth] | None
    tests: tuple[Test, ...]


@lru_cache(maxsize=100_000)
def _rule(statement_id: int, document: Document) -> _Rule:
    statement = document.statements[statement_id]
    is_everywhere = not statement.is_everything_but and any(globs.is_everything(r.text) for r in statement.resources)
    return _Rule(
        statement,
        statement.allows,
        statement.principals,
        _resources(document, statement) if statement.resources and not is_everywhere else None,
        tuple(test(condition, has_variables=document.has_variables) for condition in statement.conditions),
    )


@lru_cache(maxsize=200_000)
def _rules(document: Document, action: str, actions: Catalogue) -> tuple[_Rule, ...]:
    """The statements that speak of an action."""
    return tuple(
        _rule(number, document)
        for number, statement in enumerate(document.statements)
        if _names(statement, action, actions)
    )


def _names(statement: Statement, action: str, actions: Catalogue) -> bool:
    known = actions.actions(action)
    if known:
        return statement.actions & known != 0
    named = any(globs.matches(name.lower(), action) for name in statement.action_names)
    return named is not statement.is_not_action


class _Action(NamedTuple):
    name: str
    service: str
    is_without_resource: bool
    trusting: re.Pattern[str] | None
    refused: re.Pattern[str] | None


@lru_cache(maxsize=100_000)
def _action(written: str, actions: Catalogue) -> _Action:
    name = written.lower()
    service = name.partition(":")[0]
    return _Action(
        name,
        service,
        actions.actions(name) & actions.without_resource != 0,
        _TRUSTING.get(service),
        next((what for changes, what in _REFUSED if name in changes), None),
    )


def _resources(document: Document, statement: Statement) -> Callable[[str, Lookup, bool], Truth]:
    tests = [_resource(resource, has_variables=document.has_variables) for resource in statement.resources]
    is_not = statement.is_everything_but

    def applies(arn: str, lookup: Lookup, is_wild: bool) -> Truth:
        met: Truth = False
        for each in tests:
            found = each(arn, lookup, is_wild)
            if found is None:
                if is_not:
                    return False  # everything but what has no value is nothing
            elif found is True:
                return not is_not
            elif found is not False:
                met = either(met, found)
        return met if is_open(met) else is_not

    return applies


def _resource(resource: Resource, *, has_variables: bool) -> Callable[[str, Lookup, bool], Truth | None]:
    """Whether a resource pattern is met; None when a variable in it has no value.

    Variables count only after the fifth colon.
    """
    *fields, last = resource.text.split(":", _RESOURCE_FIELD)
    head = "".join(f"{part}:" for part in fields)
    text = template(last) if has_variables else last
    text = head + text if isinstance(text, str) else Template((head, *text.pieces))

    def applies(arn: str, lookup: Lookup, is_wild: bool) -> Truth | None:
        pattern = text.filled(lookup) if isinstance(text, Template) else text
        if pattern is None:
            return None
        if not isinstance(pattern, str):
            return pattern if globs.overlap(resource.pattern, arn) else False
        if not is_wild:
            return _meets(pattern)(arn)
        if not isinstance(text, Template) and globs.covers(pattern, arn):
            return True
        return frozenset({RESOURCE}) if globs.overlap(resource.pattern, arn) else False

    return applies


@lru_cache(maxsize=100_000)
def _meets(pattern: str) -> Callable[[str], bool]:
    """A star at the end of an ARN's field reaches beyond the colon, one before the end does not.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    """
    whole = like(pattern)
    inner = [
        (position, like(part))
        for position, part in enumerate(pattern.split(":", _RESOURCE_FIELD)[:_RESOURCE_FIELD])
        if "*" in part.rstrip("*")
    ]
    if not inner:
        return whole

    def meets(arn: str) -> bool:
        fields = arn.split(":", _RESOURCE_FIELD)
        return whole(arn) and all(position < len(fields) and part(fields[position]) for position, part in inner)

    return meets


# Who is meant


class _Meant(NamedTuple):
    """Whether a Principal element means the principal itself, its role (or the user behind it), its account."""

    itself: Truth
    role: bool = False
    account: bool = False

    @property
    def anyhow(self) -> Truth:
        return True if self.role or self.account else self.itself


@lru_cache(maxsize=100_000)
def _meant(principals: Principals, principal: Principal) -> _Meant:
    itself: Truth = False
    role = account = False
    for kind, value in principals.values:
        if kind in ("AWS", "*") and value == "*":
            return _Meant(True)
        if kind == "AWS" and principal.kind not in _WITHOUT_IDENTITY:
            found = _ACCOUNT.fullmatch(value)
            account = account or (found is not None and found[1] == principal.account)
            role = role or (found is None and value == principal.role_arn)
            if value == principal.arn and principal.kind not in ("role", "root"):
                itself = True
            elif principal.kind == "role" and _is_session_of(value, principal):
                itself = either(itself, frozenset({SESSION_NAME}))
        elif (kind, principal.kind) in (("Service", "service"), ("Federated", "federated")) and value == principal.arn:
            itself = True
    return _Meant(itself, role, account)


def _is_session_of(arn: str, role: Principal) -> bool:
    found = _SESSION.fullmatch(arn)
    return found is not None and found[1] == role.account and found[2] == (role.arn or "").rpartition("/")[2]


@lru_cache(maxsize=100_000)
def _is_excepted(principals: Principals, principal: Principal) -> Truth:
    """Whether NotPrincipal spares the principal, for which every ARN that it goes by has to be named.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
    """
    meant = _meant(principals, principal)
    if ("AWS", "*") in principals.values or ("*", "*") in principals.values:
        return True
    if principal.kind in _WITHOUT_IDENTITY:
        return meant.itself
    named = [meant.account]
    if principal.kind in ("role", "session", "federated-user"):
        named.append(meant.role)
    if principal.kind != "root":
        named.append(meant.itself is True)
    if all(named):
        return True
    return frozenset({NOT_PRINCIPAL}) if any(named) or is_open(meant.itself) else False


# A request and what is known of it


@lru_cache(maxsize=100_000)
def implied(principal: Principal) -> dict[str, tuple[str, ...]]:
    """Condition keys that follow from who asks, () for those that its requests never have.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
    """
    found: dict[str, tuple[str, ...]] = {"aws:principalisawsservice": (str(principal.kind == "service").lower(),)}
    if principal.kind == "service":
        return found | {"aws:principalservicename": (principal.arn or "",), "aws:username": ()}
    found["aws:principalservicename"] = ()
    if principal.kind == "anonymous":
        return found | {"aws:principaltype": ("Anonymous",), "aws:username": (), "aws:principalarn": ()}
    if principal.kind == "federated":
        return found | {"aws:federatedprovider": (principal.arn or "",), "aws:username": ()}
    if arn := principal.role_arn if principal.kind == "session" else principal.arn:
        found["aws:principalarn"] = (arn,)
    if principal.account:
        found["aws:principalaccount"] = (principal.account,)
    found["aws:principaltype"] = (_TYPES[principal.kind],)
    if principal.kind != "user":
        found["aws:username"] = ()
    elif principal.arn:
        found["aws:username"] = (principal.arn.rpartition("/")[2],)
    return found


class _Weight(NamedTuple):
    """What some policies say together: whether one denies, whether one allows, and by which statement.

    Of a resource policy `allows` means the principal itself; `role` and `account`, who it goes by.
    """

    denies: Truth = False
    denied_by: Statement | None = None
    allows: Truth = False
    allowed_by: Statement | None = None
    role: Truth = False
    account: Truth = False


_SILENT: Final = _Weight()
_OPEN: Final = _Weight(allows=True)  # a layer that is not there stops nothing
_UNREADABLE: Final[Truth] = frozenset({UNREADABLE})


class _Question:
    """A request made ready for asking statements."""

    __slots__ = ("action", "actions", "is_bounded", "is_some", "lookup", "principal", "resource")

    def __init__(self, request: Request, layers: Layers, actions: Catalogue) -> None:
        self.action = _action(request.action, actions)
        self.actions = actions
        self.principal = request.principal
        self.resource = "*" if self.action.is_without_resource else request.resource
        self.is_some = not self.action.is_without_resource and globs.is_wild(request.resource)
        self.is_bounded = layers.boundary is not None and request.principal.kind in _BOUNDED
        known = implied(request.principal) | request.context.known
        if request.resource_account and RESOURCE_ACCOUNT not in known:
            known[RESOURCE_ACCOUNT] = (request.resource_account,)
        rest: tuple[str, ...] | None = () if request.context.is_complete else None
        self.lookup: Lookup = lambda key: known.get(key, rest)

    def weigh(self, documents: Iterable[Document], *, service: str | None = None) -> _Weight:
        """`service`: that of the request, where only statements that reach it count, as in an RCP."""
        denies: Truth = False
        allows: Truth = False
        denied_by = allowed_by = None
        for document in documents:
            for rule in _rules(document, self.action.name, self.actions):
                if (allows if rule.allows else denies) is True or (service and not _reaches(rule.statement, service)):
                    continue
                met = self._applies(rule)
                if met is False:
                    continue
                if rule.principals is not None:
                    met = both(met, self._means(rule.principals, allows=rule.allows).anyhow)
                    if met is False:
                        continue
                if rule.allows:
                    if met is True or allowed_by is None:
                        allowed_by = rule.statement
                    allows = either(allows, met)
                elif met is True:
                    return _Weight(True, rule.statement)
                else:
                    denies = either(denies, met)
                    denied_by = denied_by or rule.statement
            if document.problem:
                denies, allows = either(denies, _UNREADABLE), either(allows, _UNREADABLE)
        return _Weight(denies, denied_by, allows, allowed_by)

    def weigh_resource(self, document: Document) -> _Weight:
        denies: Truth = _UNREADABLE if document.problem else False
        itself: Truth = denies
        role: Truth = False
        account: Truth = False
        denied_by = allowed_by = None
        for rule in _rules(document, self.action.name, self.actions):
            if rule.principals is None:
                continue
            meant = self._means(rule.principals, allows=rule.allows)
            if meant.anyhow is False:
                continue
            applies = self._applies(rule)
            if applies is False:
                continue
            if not rule.allows:
                met = both(meant.anyhow, applies)
                if met is True:
                    return _Weight(True, rule.statement)
                denies = either(denies, met)
                denied_by = denied_by or rule.statement
                continue
            if applies is True or allowed_by is None:
                allowed_by = rule.statement
            itself = either(itself, both(meant.itself, applies))
            role = either(role, both(meant.role, applies))
            account = either(account, both(meant.account, applies))
        return _Weight(denies, denied_by, itself, allowed_by, role, account)

    def _means(self, principals: Principals, *, allows: bool) -> _Meant:
        if not principals.is_everybody_but:
            return _meant(principals, self.principal)
        if self.is_bounded and not allows:
            # https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
            return _Meant(True)
        excepted = _is_excepted(principals, self.principal)
        return _Meant(excepted if is_open(excepted) else not excepted)

    def _applies(self, rule: _Rule) -> Truth:
        met = rule.resources(self.resource, self.lookup, self.is_some) if rule.resources else True
        if met is False or not rule.tests:
            return met
        return both(met, all_met(rule.tests, self.lookup))


def _reaches(statement: Statement, service: str) -> bool:
    if service in _RCP_SERVICES:
        return True
    return not statement.is_not_action and any(
        name.lower().startswith(f"{service}:") for name in statement.action_names
    )


# The decision


def decide(request: Request, layers: Layers, actions: Catalogue) -> Decision:
    question = _Question(request, layers, actions)
    action = question.action
    if action.name in _ALWAYS_ALLOWED:
        return Decision("allow", "always allowed")
    if action.refused is not None and action.refused.fullmatch(request.resource):
        return Decision("deny", "refused by AWS", is_explicit=True)
    weights: dict[str, _Weight] = {}
    for layer, weight in _weights(question, request, layers):
        if weight.denies is True:
            return Decision("deny", layer, weight.denied_by, is_explicit=True)
        weights[layer] = weight
    met = core = _core(question, request, weights)
    if core is False:
        return Decision("deny", _missing(request.principal, weights))
    for layer, weight in weights.items():
        if layer not in _OF_THE_CORE and weight.allows is not True:
            if weight.allows is False:
                return Decision("deny", layer)
            met = both(met, weight.allows)
        if weight.denies is not False:
            met = both(met, weight.denies)
    if met is True:
        layer = "resource" if request.principal.kind in _WITHOUT_IDENTITY or _inner(weights) is not True else "identity"
        return Decision("allow", layer, weights[layer].allowed_by)
    layer, statement = _first_open(weights)
    return Decision("conditional", layer, statement, keys=met if isinstance(met, frozenset) else frozenset())


def _weights(question: _Question, request: Request, layers: Layers) -> Iterator[tuple[str, _Weight]]:
    principal = request.principal
    has_policies = principal.kind in _WITH_POLICIES
    if has_policies:
        yield "identity", question.weigh(layers.identity)
    else:
        yield "identity", _OPEN if principal.kind == "root" else _SILENT
    yield "boundary", question.weigh((layers.boundary,)) if layers.boundary and question.is_bounded else _OPEN
    if layers.session and has_policies:
        yield "session", question.weigh((layers.session,))
    else:
        # A federated user without a session policy holds nothing but what resources give.
        yield "session", _SILENT if principal.kind == "federated-user" else _OPEN
    yield "resource", question.weigh_resource(layers.resource) if layers.resource else _SILENT
    if layers.scps and not request.is_management_account and _is_bound(principal):
        for number, level in enumerate(layers.scps, start=1):
            yield f"scp level {number}", question.weigh(level)
    if layers.rcps and not request.is_resource_in_management_account and not principal.is_service_linked:
        for number, level in enumerate(layers.rcps, start=1):
            # RCPFullAWSAccess is attached everywhere and cannot be detached.
            yield f"rcp level {number}", question.weigh(level, service=question.action.service)._replace(allows=True)
    if layers.endpoint is not None:
        yield "endpoint", question.weigh(layers.endpoint)


def _is_bound(principal: Principal) -> bool:
    """Whether SCPs bind it: whoever belongs to an account, but for roles that services keep for themselves."""
    return principal.kind not in _WITHOUT_IDENTITY and not principal.is_service_linked


def _core(question: _Question, request: Request, weights: Mapping[str, _Weight]) -> Truth:
    """Whether principal's and resource's policies allow it together."""
    resource = weights["resource"]
    if request.principal.kind in _WITHOUT_IDENTITY:
        return resource.allows
    limit = both(weights["boundary"].allows, weights["session"].allows)
    inner = _inner(weights)
    handed = both(resource.account, inner) if _is_trusted_explicitly(question) else inner
    same = either(resource.allows, either(both(resource.role, limit), handed))
    account = _account_of(request, question)
    if account == request.principal.account and account is not None:
        return same
    across = both(either(resource.allows, either(resource.role, resource.account)), inner)
    if account is not None and request.principal.account is not None:
        return across
    return same if same == across else either(both(same, _ACCOUNT_OPEN), both(across, _ACCOUNT_OPEN))


def _inner(weights: Mapping[str, _Weight]) -> Truth:
    """Whether the principal's own policies allow it, all together."""
    return both(weights["identity"].allows, both(weights["boundary"].allows, weights["session"].allows))


def _account_of(request: Request, question: _Question) -> str | None:
    if question.resource == "*" and not question.is_some:
        return request.resource_account or request.principal.account
    fields = question.resource.split(":", _RESOURCE_FIELD)
    found = request.resource_account or (fields[4] if len(fields) > _RESOURCE_FIELD and fields[4].isdigit() else None)
    # What is AWS's own, such as a managed policy, is read like one's own.
    return request.principal.account if found == "aws" or ":iam::aws:" in question.resource else found


def _is_trusted_explicitly(question: _Question) -> bool:
    trusting = question.action.trusting
    return trusting is not None and trusting.match(question.resource) is not None


def _missing(principal: Principal, weights: Mapping[str, _Weight]) -> str:
    if principal.kind in _WITHOUT_IDENTITY:
        return "resource"
    for layer in ("identity", "boundary", "session"):
        if weights[layer].allows is False:
            return layer
    return "resource"


def _first_open(weights: Mapping[str, _Weight]) -> tuple[str, Statement | None]:
    for layer, weight in weights.items():
        if is_open(weight.denies):
            return layer, weight.denied_by
    for layer, weight in weights.items():
        if any(map(is_open, (weight.allows, weight.role, weight.account))):
            return layer, weight.allowed_by
    return "resource", None
