"""Whether a Condition block of an AWS policy holds for a request: yes, no, or it depends on keys that nobody knows.

Operators, set operators and variables as in the IAM user guide (reference_policies_elements_condition_operators,
reference_policies_variables).
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import cached_property, lru_cache
from typing import Final, TypeAlias

from nhiscan.resolve import globs
from nhiscan.resolve.aws_policy import Condition

# True, False, or the keys on whose unknown values it depends; never an empty set.
Truth: TypeAlias = bool | frozenset[str]
# The values of a key in small letters: () when it is not in the request, None when nobody knows.
Lookup: TypeAlias = Callable[[str], tuple[str, ...] | None]
Test: TypeAlias = Callable[[Lookup], Truth]
_Match: TypeAlias = Callable[[str], bool]

_NEGATED: Final = {
    "stringnotequals": "stringequals",
    "stringnotequalsignorecase": "stringequalsignorecase",
    "stringnotlike": "stringlike",
    "numericnotequals": "numericequals",
    "datenotequals": "dateequals",
    "notipaddress": "ipaddress",
    "arnnotequals": "arnequals",
    "arnnotlike": "arnlike",
}
# Only these operators look at variables; elsewhere `${…}` is plain text.
_WITH_VARIABLES: Final = frozenset(
    {"stringequals", "stringequalsignorecase", "stringlike", "arnequals", "arnlike"},
)
_VARIABLE: Final = re.compile(r"\$\{([^}]*)\}")
_DEFAULT: Final = re.compile(r"([^,]*), '([^']*)'")
# Stand for a star and a question mark that mean themselves.
_LITERAL: Final = str.maketrans({"*": "\x02", "?": "\x03"})
_PLAIN: Final = str.maketrans({"\x02": "*", "\x03": "?"})
_ARN_FIELDS: Final = 6
_YEAR_MONTH: Final = re.compile(r"\d{4}(-\d{2})?")
_EPOCH: Final = re.compile(r"-?\d{5,12}(\.\d+)?")
_LONGEST_NUMBER: Final = 40  # characters


@dataclass(frozen=True, eq=False)
class Context:
    """What is known of a request beyond principal and resource.

    Keys in any case of letters. `absent`: not in the request; with `is_complete` that is every key not named here.
    """

    values: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    absent: frozenset[str] = frozenset()
    is_complete: bool = False

    @cached_property
    def known(self) -> dict[str, tuple[str, ...]]:
        """Small letters -> values, the absent as ()."""
        return {key.lower(): () for key in self.absent} | {key.lower(): value for key, value in self.values.items()}


def both(one: Truth, other: Truth) -> Truth:
    if one is False or other is False:
        return False
    if one is True:
        return other
    return one if other is True else _joined(one, other)


def either(one: Truth, other: Truth) -> Truth:
    if one is True or other is True:
        return True
    if one is False:
        return other
    return one if other is False else _joined(one, other)


def _joined(one: Truth, other: Truth) -> Truth:
    return frozenset().union(*(keys for keys in (one, other) if not isinstance(keys, bool)))


def is_open(truth: Truth) -> bool:
    return not isinstance(truth, bool)


# Texts with variables


@dataclass(frozen=True, slots=True)
class Template:
    """A text cut at its variables: plain pieces, and (key, default) for what the request fills in."""

    pieces: tuple[str | tuple[str, str | None], ...]

    def filled(self, lookup: Lookup) -> str | frozenset[str] | None:
        """The text, in which only its own wildcards are wildcards; the keys that are unknown; None where a variable
        has no single value and no default.
        """
        texts = []
        unknown = set()
        for piece in self.pieces:
            if isinstance(piece, str):
                texts.append(piece)
                continue
            key, default = piece
            found = lookup(key)
            if found is None:
                unknown.add(key)
            elif len(found) == 1:
                texts.append(found[0].translate(_LITERAL))
            elif default is not None:
                texts.append(default.translate(_LITERAL))
            else:
                return None
        return frozenset(unknown) if unknown else "".join(texts)


def template(text: str) -> str | Template:
    """The text itself, its literal `${*}` marked, when nothing is left to fill in."""
    pieces: list[str | tuple[str, str | None]] = []
    end = 0
    for found in _VARIABLE.finditer(text):
        pieces.append(text[end : found.start()])
        end = found.end()
        name = found[1]
        if name in ("*", "?", "$"):
            pieces.append(name.translate(_LITERAL))
        elif default := _DEFAULT.fullmatch(name):
            pieces.append((default[1].lower(), default[2]))
        else:
            pieces.append((name.strip().lower(), None))
    pieces.append(text[end:])
    if all(isinstance(piece, str) for piece in pieces):
        return "".join(map(str, pieces))
    return Template(tuple(pieces))


@lru_cache(maxsize=100_000)
def like(pattern: str) -> _Match:
    """Matches texts with a pattern in which the literal wildcards are marked."""
    found = globs.compiled(pattern).pattern.replace("\x02", r"\*").replace("\x03", r"\?")
    match = re.compile(found, re.DOTALL).fullmatch
    return lambda text: match(text) is not None


# One operator on one value; None where a text is not of the operator's kind


def _strings(values: Iterable[str]) -> _Match:
    wanted = frozenset(value.translate(_PLAIN) for value in values)
    return lambda text: text in wanted


def _strings_in_any_case(values: Iterable[str]) -> _Match:
    wanted = frozenset(value.translate(_PLAIN).lower() for value in values)
    return lambda text: text.lower() in wanted


def _likes(values: Iterable[str]) -> _Match:
    return _any([like(value) for value in values])


def _any(matches: Sequence[_Match]) -> _Match:
    if len(matches) == 1:
        return matches[0]
    return lambda text: any(match(text) for match in matches)


def _arns(values: Iterable[str]) -> _Match:
    return _any([_arn(value) for value in values])


@lru_cache(maxsize=100_000)
def _arn(pattern: str) -> _Match:
    fields = pattern.split(":", _ARN_FIELDS - 1)
    if len(fields) < _ARN_FIELDS:
        return lambda _: False
    tests = [like(part) for part in fields]

    def match(text: str) -> bool:
        found = text.split(":", _ARN_FIELDS - 1)
        return len(found) == _ARN_FIELDS and all(test(part) for test, part in zip(tests, found, strict=True))

    return match


@lru_cache(maxsize=100_000)
def _number(text: str) -> Decimal | None:
    try:
        found = Decimal(text) if len(text) <= _LONGEST_NUMBER else None
    except InvalidOperation:
        return None
    return found if found is not None and found.is_finite() else None


@lru_cache(maxsize=100_000)
def _moment(text: str) -> Decimal | None:
    """Seconds since 1970 of an ISO 8601 date or a number of seconds."""
    if _EPOCH.fullmatch(text):
        return Decimal(text)
    if _YEAR_MONTH.fullmatch(text):
        text = f"{text}-01-01"[:10]
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return Decimal(str((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()))


def _compared(read: Callable[[str], Decimal | None], order: str) -> Callable[[Iterable[str]], _Match]:
    def build(values: Iterable[str]) -> _Match:
        bounds = [bound for value in values if (bound := read(value)) is not None]

        def match(text: str) -> bool:
            found = read(text)
            if found is None:
                return False
            return any(
                (found == bound and order in ("equals", "lessthanequals", "greaterthanequals"))
                or (found < bound and order in ("lessthan", "lessthanequals"))
                or (found > bound and order in ("greaterthan", "greaterthanequals"))
                for bound in bounds
            )

        return match

    return build


def _bools(values: Iterable[str]) -> _Match:
    wanted = frozenset(value.lower() for value in values)
    return lambda text: text.lower() in wanted


def _bytes(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _binaries(values: Iterable[str]) -> _Match:
    wanted = {_bytes(value) for value in values} - {None}
    return lambda text: _bytes(text) in wanted


@lru_cache(maxsize=100_000)
def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _addresses(values: Iterable[str]) -> _Match:
    networks = []
    for value in values:
        try:
            networks.append(ipaddress.ip_network(value, strict=False))
        except ValueError:
            continue

    def match(text: str) -> bool:
        address = _address(text)
        return address is not None and any(address in network for network in networks)

    return match


_ORDERS: Final = ("equals", "lessthan", "lessthanequals", "greaterthan", "greaterthanequals")
_OPERATORS: Final[Mapping[str, Callable[[Iterable[str]], _Match]]] = {
    "stringequals": _strings,
    "stringequalsignorecase": _strings_in_any_case,
    "stringlike": _likes,
    "arnequals": _arns,
    "arnlike": _arns,
    "bool": _bools,
    "binaryequals": _binaries,
    "ipaddress": _addresses,
    **{f"numeric{order}": _compared(_number, order) for order in _ORDERS},
    **{f"date{order}": _compared(_moment, order) for order in _ORDERS},
}


# A whole condition


def test(condition: Condition, *, has_variables: bool = True) -> Test:
    """What the condition says of a request; one with an operator that nobody knows depends on its key for ever."""
    key = condition.key.lower()
    unknown: Truth = frozenset({key})
    if condition.operator == "null":
        return _null(key, condition.values, unknown)
    is_negated = condition.operator in _NEGATED
    operator = _NEGATED.get(condition.operator, condition.operator)
    build = _OPERATORS.get(operator)
    if build is None:
        return lambda _: unknown
    decide = _over_values(condition, is_negated=is_negated)
    is_filled = has_variables and operator in _WITH_VARIABLES
    texts = [template(value) if is_filled else value for value in condition.values]
    if not any(isinstance(text, Template) for text in texts):
        match = build([text for text in texts if isinstance(text, str)])

        def plain(lookup: Lookup) -> Truth:
            found = lookup(key)
            return unknown if found is None else decide(found, match)

        return plain

    def with_variables(lookup: Lookup) -> Truth:
        found = lookup(key)
        if found is None:
            return unknown
        if not found:
            return decide(found, _nothing)
        filled = []
        missing: set[str] = set()
        for text in texts:
            value = text.filled(lookup) if isinstance(text, Template) else text
            if isinstance(value, str):
                filled.append(value)
            elif value is not None:
                missing |= value
            elif is_negated:
                return False  # "not equal to what has no value" holds for nothing
        met = decide(found, build(filled))
        # What a variable turns out to be can add a match and never takes one away.
        return met if not missing or met is not is_negated else frozenset(missing)

    return with_variables


def _nothing(_: str) -> bool:
    return False


def _null(key: str, values: Sequence[str], unknown: Truth) -> Test:
    wanted = {value.lower() for value in values}

    def test_null(lookup: Lookup) -> Truth:
        found = lookup(key)
        if found is None:
            return unknown
        return ("false" if found else "true") in wanted

    return test_null


def _over_values(condition: Condition, *, is_negated: bool) -> Callable[[tuple[str, ...], _Match], Truth]:
    """The set operator, and what a key outside of the request means for it."""
    without: Truth
    if condition.quantifier == "foranyvalue" and condition.if_exists:
        # One page of the guide says true, for IfExists, and another false, for ForAnyValue.
        without = frozenset({condition.key.lower()})
    elif condition.if_exists:
        without = True
    elif condition.quantifier:
        without = condition.quantifier == "forallvalues"
    else:
        without = is_negated
    over = all if condition.quantifier == "forallvalues" else any

    def decide(found: tuple[str, ...], match: _Match) -> Truth:
        if not found:
            return without
        if len(found) > 1 and not condition.quantifier:
            return frozenset({condition.key.lower()})  # AWS says to use a set operator, not what happens without
        return over(match(value) is not is_negated for value in found)

    return decide


def all_met(tests: Sequence[Test], lookup: Lookup) -> Truth:
    """Whether all hold; any that does not is the answer, whatever else is unknown."""
    met: Truth = True
    for each in tests:
        found = each(lookup)
        if found is False:
            return False
        if found is not True:
            met = both(met, found)
    return met
