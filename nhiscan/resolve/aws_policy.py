"""AWS policy documents as evaluators read them: statements of actions as bits, resources, principals, conditions."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache, reduce
from operator import or_
from typing import Any, Final

from nhiscan.resolve import globs
from nhiscan.resolve.aws_actions import Catalogue

_LONGEST_RESOURCE: Final = 2048  # characters; AWS's own limit of an ARN
_MOST_SIZE: Final = 3000  # twice what fits into the 10,240 characters that AWS takes at most
_SIZE_OF_STATEMENT: Final = 6  # items of a list that are as long as the shortest statement
_LONGEST_STATEMENT: Final = 300  # characters kept as evidence
_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
_WITH_VARIABLES: Final = "2012-10-17"  # the version; without one AWS takes that of 2008
_LITERAL_VARIABLES: Final = frozenset({"*", "?", "$"})
_OWN_USER: Final = re.compile(r"arn:[^:]*:iam::[^:]*:user/(\*/)?\$\{aws:username\}", re.IGNORECASE)
IDENTITY_ARN: Final = re.compile(r"arn:[^:]*:iam::(\d{12}):((?:user|role)/.+)")


@dataclass(frozen=True, slots=True)
class Resource:
    """A pattern with its variables opened up to stars; `text`: as written."""

    pattern: str
    text: str
    has_variable: bool = False  # one that only a request can fill
    needs_user: bool = False  # ${aws:username}: void for a role
    is_self: bool = False


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator and key with its values; `operator` in small letters without quantifier and IfExists."""

    operator: str
    key: str  # in small letters, but for the name of a tag after its slash
    values: tuple[str, ...]
    quantifier: str | None = None  # forallvalues or foranyvalue
    if_exists: bool = False


@dataclass(frozen=True, slots=True)
class Principals:
    """Whom a trust or resource policy speaks of: pairs of AWS, Service, Federated, CanonicalUser or * and a value."""

    values: tuple[tuple[str, str], ...]
    is_everybody_but: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """`resources` is empty and `is_everything_but` false where the statement names none, as a trust policy does."""

    allows: bool
    actions: int = field(repr=False)  # more digits than Python likes to print
    action_names: tuple[str, ...]  # as written
    is_not_action: bool
    resources: tuple[Resource, ...]
    is_everything_but: bool  # NotResource
    conditions: tuple[Condition, ...]
    principals: Principals | None
    text: str

    @property
    def has_condition(self) -> bool:
        return bool(self.conditions)

    def under(self, conditions: tuple[Condition, ...]) -> Statement:
        """The same with other conditions."""
        return replace(self, conditions=conditions)


@dataclass(frozen=True, eq=False)
class Document:
    """`problem`: why some of it could not be read; then it might hold any Allow or Deny.

    `has_variables`: its version is the one in which `${…}` is a variable and not plain text.
    """

    statements: tuple[Statement, ...]
    problem: str | None = None
    has_variables: bool = True

    @cached_property
    def allows(self) -> tuple[Statement, ...]:
        return tuple(statement for statement in self.statements if statement.allows)

    @cached_property
    def allowed(self) -> int:
        """Every action that some Allow names."""
        return reduce(or_, (statement.actions for statement in self.allows), 0)

    @cached_property
    def denies(self) -> tuple[Statement, ...]:
        return tuple(statement for statement in self.statements if not statement.allows)


class _Malformed(Exception):  # noqa: N818 - never leaves this module
    pass


def parse(document: str | None, actions: Catalogue) -> Document:
    """Never raises: what cannot be read is the document's `problem`, the rest still counts."""
    try:
        data = json.loads(document or "")
    except (ValueError, RecursionError):
        return Document((), "not JSON")
    if not isinstance(data, dict):
        return Document((), "not a JSON object")
    folded = _fold(data)
    written = folded.get("statement")
    statements = []
    problem = None if written else "no statement"
    items = written if isinstance(written, list) else [written] if written else []
    if _size(items) > _MOST_SIZE:
        return Document((), "longer than AWS allows")
    for number, item in enumerate(items, start=1):
        try:
            statements.append(_statement(item, actions))
        except _Malformed as error:
            problem = problem or f"statement {number}: {error}"
    return Document(tuple(statements), problem, folded.get("version") == _WITH_VARIABLES)


def _size(statements: list[Any]) -> int:
    """How much there is to be weighed, in actions and resources."""
    lists = (value for item in statements if isinstance(item, dict) for value in item.values())
    return _SIZE_OF_STATEMENT * len(statements) + sum(len(value) for value in lists if isinstance(value, list))


def _statement(item: Any, actions: Catalogue) -> Statement:
    if not isinstance(item, dict):
        raise _Malformed("not an object")
    folded = _fold(item)
    effect = folded.get("effect")
    if effect not in ("Allow", "Deny"):
        raise _Malformed("effect is neither Allow nor Deny")
    named, is_not_action = _either(folded, "action", "notaction")
    principals = _principals(folded)
    if principals is not None and "resource" not in folded and "notresource" not in folded:
        places, is_not_resource = list[str](), False
    else:
        places, is_not_resource = _either(folded, "resource", "notresource")
    allows = effect == "Allow"
    text = json.dumps(item, ensure_ascii=False, separators=(",", ":"))
    return Statement(
        allows=allows,
        actions=actions.selected(tuple(named), is_everything_but=is_not_action, allows=allows),
        action_names=tuple(named),
        is_not_action=is_not_action,
        resources=tuple(_resource(place) for place in places),
        is_everything_but=is_not_resource,
        conditions=tuple(_conditions(folded.get("condition"))),
        principals=principals,
        text=text if len(text) <= _LONGEST_STATEMENT else text[: _LONGEST_STATEMENT - 1] + "…",
    )


def _conditions(block: Any) -> Iterator[Condition]:
    if block is None:
        return
    if not isinstance(block, dict):
        raise _Malformed("condition is not an object")
    for written, keys in block.items():
        if not isinstance(keys, dict):
            raise _Malformed(f"condition {written} is not an object")
        name = written.lower()
        quantifier, _, rest = name.rpartition(":")
        if quantifier not in ("", "forallvalues", "foranyvalue"):
            raise _Malformed(f"condition {written} has no such quantifier")
        for key, value in keys.items():
            values = value if isinstance(value, list) else [value]
            if not all(isinstance(each, str | bool | int | float) for each in values):
                raise _Malformed(f"condition {written} {key} holds what is no value")
            start, slash, tag = key.partition("/")
            yield Condition(
                rest.removesuffix("ifexists"),
                start.lower() + slash + tag,
                tuple(str(each).lower() if isinstance(each, bool) else str(each) for each in values),
                quantifier or None,
                rest.endswith("ifexists"),
            )


def _principals(folded: Mapping[str, Any]) -> Principals | None:
    if "principal" not in folded and "notprincipal" not in folded:
        return None
    if "principal" in folded and "notprincipal" in folded:
        raise _Malformed("needs one of principal and notprincipal")
    is_not = "notprincipal" in folded
    written = folded["notprincipal" if is_not else "principal"]
    if written == "*":
        return Principals((("*", "*"),), is_not)
    if not isinstance(written, dict):
        raise _Malformed("principal is neither * nor an object")
    found: list[tuple[str, str]] = []
    for kind, value in written.items():
        values = value if isinstance(value, list) else [value]
        if not all(isinstance(each, str) for each in values):
            raise _Malformed("principal is not a list of texts")
        found += [(kind, each) for each in values]
    return Principals(tuple(found), is_not)


def _fold(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key.lower(): value for key, value in item.items()}


def _either(folded: Mapping[str, Any], plain: str, negated: str) -> tuple[list[str], bool]:
    """The texts under one of two keys, of which exactly one may stand there."""
    if (plain in folded) == (negated in folded):
        raise _Malformed(f"needs one of {plain} and {negated}")
    value = folded[plain] if plain in folded else folded[negated]
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise _Malformed(f"{plain if plain in folded else negated} is not a list of texts")
    return texts, negated in folded


@lru_cache(maxsize=100_000)
def _resource(text: str) -> Resource:
    if len(text) > _LONGEST_RESOURCE:
        raise _Malformed("a resource is longer than an ARN can be")
    if not globs.is_wild(text) and text.count(":") < 5:
        raise _Malformed("a resource is not an ARN")
    variables = {name.split(",", 1)[0].strip().lower() for name in _VARIABLE.findall(text)} - _LITERAL_VARIABLES
    # An escaped star is a literal, so `?` says more than is allowed by at most one character.
    opened = _VARIABLE.sub(lambda match: "?" if match[1] in _LITERAL_VARIABLES else "*", text)
    return Resource(
        opened,
        text,
        has_variable=bool(variables - {"aws:username", "aws:principalaccount"}),
        needs_user="aws:username" in variables,
        is_self=_OWN_USER.fullmatch(text) is not None,
    )


def named_identities(document: Document) -> Iterator[tuple[str, str]]:
    """Users and roles that the document names as resources without a wildcard: (account, "user/path/name")."""
    for statement in document.statements:
        for resource in statement.resources:
            found = IDENTITY_ARN.fullmatch(resource.pattern)
            if found and not globs.is_wild(resource.pattern):
                yield found[1], found[2]
