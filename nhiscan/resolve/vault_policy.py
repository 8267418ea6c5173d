"""Reads ACL policies of HashiCorp Vault and OpenBao: HCL in its first version, or JSON.

Of HCL, policies use blocks, attributes, lists and plain values, so this reads just that and sets limits: a policy is
written by whoever may write policies, and whoever may do that may try to hide one. What cannot be read is a problem
that the caller has to treat as "may allow anything", never as nothing.
Source of the keys, capabilities and shorthands: vault/policy.go of both projects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final, NamedTuple, TypeAlias

CAPABILITIES: Final = (
    "deny",
    "create",
    "read",
    "update",
    "delete",
    "list",
    "sudo",
    "patch",
    "scan",  # OpenBao
    "subscribe",  # Vault
    "recover",  # Vault Enterprise
)
_BITS: Final = {name: 1 << number for number, name in enumerate(CAPABILITIES)}
DENY: Final = _BITS["deny"]
SUDO: Final = _BITS["sudo"]

_LONGEST_POLICY: Final = 1_000_000  # characters; both servers' storage refuses entries of about a million bytes
_MOST_RULES: Final = 5_000
_MOST_SEGMENTS: Final = 64
_DEEPEST: Final = 16
_LONGEST_EVIDENCE: Final = 300

_SHORTHANDS: Final[Mapping[str, tuple[str, ...]]] = {
    "deny": ("deny",),
    "read": ("read", "list"),
    "write": ("create", "read", "update", "delete", "list"),
    "sudo": ("create", "read", "update", "delete", "list", "sudo"),
}
# Keys that change nothing in who may do what. A wrapping TTL is met by whoever asks for a wrapped answer, and a filter
# or a page size only shortens lists.
_HARMLESS: Final = frozenset(
    {
        "comment",
        "min_wrapping_ttl",
        "max_wrapping_ttl",
        "pagination_limit",
        "list_scan_response_keys_filter_path",
        "subscribe_event_types",
    }
)
# Only a request can tell: what it sends, or who approves it. An unknown key of a newer server counts the same.
_LIMITING: Final = "allowed_parameters", "denied_parameters", "required_parameters", "mfa_methods", "control_group"

_TOKEN: Final = re.compile(
    r"""
    (?P<space>[ \t\r\n]+ | \#[^\n]* | //[^\n]* | /\*.*?\*/)
  | (?P<heredoc><<-?(?P<end>[^\W\d][\w.-]*)[ \t\r]*\n(?:.*?\n)??[ \t]*(?P=end)(?![\w.-]))
  | (?P<text>"(?:[^"\\\n]|\\.)*")
  | (?P<number>-?(?:0x[0-9A-Fa-f]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?))
  | (?P<word>[^\W\d][\w.-]*)
  | (?P<sign>[{}\[\]=,])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE: Final = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|x([0-9A-Fa-f]{2})|([0-7]{3})|(.))", re.DOTALL)
_ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")

# An object is its pairs in order, because a key may come twice: path blocks do.
_Pairs: TypeAlias = list[tuple[str, Any]]


class Object(NamedTuple):
    pairs: _Pairs


@dataclass(frozen=True)
class PathRule:
    """`path`: as written, without a leading slash; `capabilities`: bits, of deny nothing else."""

    path: str
    capabilities: int
    is_conditional: bool = False
    limits: tuple[str, ...] = ()

    @cached_property
    def evidence(self) -> str:
        """The rule in the policy language, shortened."""
        names = ", ".join(json.dumps(name) for name in named(self.capabilities))
        limits = f", limited by {', '.join(self.limits)}" if self.limits else ""
        text = f"path {json.dumps(self.path, ensure_ascii=False)} {{ capabilities = [{names}]{limits} }}"
        return text if len(text) <= _LONGEST_EVIDENCE else text[: _LONGEST_EVIDENCE - 1] + "…"


@dataclass(frozen=True, eq=False)
class Document:
    """`problem`: why it could not be read; then it might hold any rule, and `rules` is empty."""

    rules: tuple[PathRule, ...]
    problem: str | None = None

    @property
    def has_deny(self) -> bool:
        return any(rule.capabilities & DENY for rule in self.rules)


# What the policy named root stands for; its text is empty.
ROOT: Final = Document((PathRule("*", sum(_BITS.values()) - DENY),))


class _Malformed(Exception):  # noqa: N818 - never leaves this module
    pass


def bits(names: Iterator[str] | tuple[str, ...] | list[str]) -> int:
    """Raises: KeyError for a word that is no capability."""
    found = 0
    for name in names:
        found |= _BITS[name]
    return found


def named(capabilities: int) -> list[str]:
    return [name for name, bit in _BITS.items() if capabilities & bit]


def parse(text: str | None, *, as_of: datetime) -> Document:
    """Never raises. `as_of`: rules that had expired by then are left out, as the server does."""
    try:
        if text is None or len(text) > _LONGEST_POLICY:
            raise _Malformed("no text" if text is None else f"longer than {_LONGEST_POLICY} characters")
        pairs = _json(text) if text.lstrip().startswith("{") else _Parser(text).document()
        return Document(tuple(_rules(pairs, as_of)))
    except _Malformed as error:
        return Document((), str(error))


def _rules(pairs: _Pairs, as_of: datetime) -> Iterator[PathRule]:
    count = 0
    for key, value in pairs:
        if key == "name":
            continue
        if key != "path":
            raise _Malformed(f"unknown key {key!r}")
        for path, body in _blocks(value):
            count += 1
            if count > _MOST_RULES:
                raise _Malformed(f"more than {_MOST_RULES} paths")
            if (rule := _rule(path, body, as_of)) is not None:
                yield rule


def _blocks(value: Any) -> Iterator[tuple[str, _Pairs]]:
    """JSON may write one object of paths or a list of them, and the body of a path in the same two ways."""
    for group in value if isinstance(value, list) else [value]:
        if not isinstance(group, Object):
            raise _Malformed("path is not a block")
        for path, body in group.pairs:
            bodies = body if isinstance(body, list) else [body]
            if not all(isinstance(part, Object) for part in bodies):
                raise _Malformed("the content of a path is not a block")
            yield path, [pair for part in bodies for pair in part.pairs]


def _rule(path: str, body: _Pairs, as_of: datetime) -> PathRule | None:
    names: list[str] = []
    limits = []
    for key, value in body:
        if key == "capabilities":
            names += _texts(value)
        elif key == "policy":
            if not isinstance(value, str) or value not in _SHORTHANDS:
                raise _Malformed("unknown word for policy")
            names += _SHORTHANDS[value]
        elif key == "expiration":
            if _moment(value) < as_of:
                return None
        elif key not in _HARMLESS and (key not in _LIMITING or _limits(key, value)):
            limits.append(key)
    unknown = sorted(set(names) - set(CAPABILITIES))
    if unknown:
        raise _Malformed(f"unknown capability {unknown[0]!r}")
    path = path.removeprefix("/")
    if "+*" in path:
        raise _Malformed("a path holds +*, which no server takes")
    if path.count("/") >= _MOST_SEGMENTS:
        raise _Malformed(f"a path of more than {_MOST_SEGMENTS} segments")
    capabilities = DENY if "deny" in names else bits(names)
    return PathRule(path, capabilities, is_conditional=bool(limits), limits=tuple(limits))


def _texts(value: Any) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise _Malformed("capabilities is not a list of words")
    return value


def _limits(key: str, value: Any) -> bool:
    """Allowing every parameter any value limits nothing, nor does an empty list or map."""
    if isinstance(value, Object):
        return any(not (key == "allowed_parameters" and name == "*" and inner == []) for name, inner in value.pairs)
    return bool(value != [])


def _moment(value: Any) -> datetime:
    try:
        if isinstance(value, (int, float)) or str(value).isdecimal():
            return datetime.fromtimestamp(float(value), UTC)
        moment = datetime.fromisoformat(value)
    except (ValueError, TypeError, OverflowError, OSError) as error:
        raise _Malformed("expiration is no time") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _json(text: str) -> _Pairs:
    try:
        data = json.loads(text, object_pairs_hook=Object)
    except (ValueError, RecursionError) as error:
        raise _Malformed("not JSON") from error
    pairs: _Pairs = _clean(data).pairs
    return pairs


def _clean(value: Any, depth: int = 0) -> Any:
    """With lone surrogates replaced, as the servers do; they stand for nothing that a request can name."""
    if depth > _DEEPEST:
        raise _Malformed("nested too deep")
    if isinstance(value, str):
        return _SURROGATE.sub("�", value)
    if isinstance(value, list):
        return [_clean(item, depth + 1) for item in value]
    if isinstance(value, Object):
        return Object([(_clean(key), _clean(inner, depth + 1)) for key, inner in value.pairs])
    return value


class _Parser:
    """HCL, first version, as far as policies use it."""

    def __init__(self, text: str) -> None:
        self._tokens = self._read(text.removeprefix("\ufeff"))
        self._kind, self._value = "", ""
        self._next()

    def _read(self, text: str) -> Iterator[tuple[str, str]]:
        place = 0
        while place < len(text):
            found = _TOKEN.match(text, place)
            if found is None:
                raise _Malformed(f"not HCL in line {text.count(chr(10), 0, place) + 1}")
            place = found.end()
            kind = found.lastgroup or ""
            if kind != "space":
                yield kind, found[0]
        yield "end", ""

    def _next(self) -> None:
        self._kind, self._value = next(self._tokens)

    def _is(self, sign: str) -> bool:
        return self._kind == "sign" and self._value == sign

    def document(self) -> _Pairs:
        pairs = self._pairs(0)
        if self._kind != "end":
            raise _Malformed("a closing brace without an opening one")
        return pairs

    def _pairs(self, depth: int) -> _Pairs:
        if depth > _DEEPEST:
            raise _Malformed("nested too deep")
        pairs: _Pairs = []
        while self._kind != "end" and not self._is("}"):
            pairs.append(self._pair(depth))
            if depth and self._is(","):
                self._next()
        return pairs

    def _pair(self, depth: int) -> tuple[str, Any]:
        keys = []
        while self._kind in ("text", "word"):
            keys.append(_unquoted(self._value) if self._kind == "text" else self._value)
            self._next()
        if keys and self._is("{"):
            value: Any = self._object(depth)
        elif len(keys) == 1 and self._is("="):
            self._next()
            value = self._any(depth)
        else:
            raise _Malformed("neither a block nor an attribute")
        if depth == 0 and keys[0] == "path":
            # `path "x" {…}`; a block without a name is about the path "path", and further names are not read
            return "path", Object([(keys[1] if len(keys) > 1 else "path", value)])
        return keys[0], value

    def _object(self, depth: int) -> Object:
        self._next()
        pairs = self._pairs(depth + 1)
        if not self._is("}"):
            raise _Malformed("a block that does not end")
        self._next()
        return Object(pairs)

    def _any(self, depth: int) -> Any:
        if self._is("{"):
            return self._object(depth)
        if self._is("["):
            return self._list(depth + 1)
        kind, value = self._kind, self._value
        if kind not in ("text", "number", "heredoc", "word") or (kind == "word" and value not in ("true", "false")):
            raise _Malformed("an attribute without a value")
        self._next()
        if kind == "number":
            return int(value, 16) if "0x" in value else float(value)
        return _unquoted(value) if kind == "text" else value

    def _list(self, depth: int) -> list[Any]:
        if depth > _DEEPEST:
            raise _Malformed("nested too deep")
        self._next()
        items = []
        while not self._is("]"):
            items.append(self._any(depth))
            if self._is(","):
                self._next()
            elif not self._is("]"):
                raise _Malformed("a list that does not end")
        self._next()
        return items


def _unquoted(text: str) -> str:
    return _SURROGATE.sub("�", _ESCAPE.sub(_unescaped, text[1:-1]))


def _unescaped(found: re.Match[str]) -> str:
    number = found[1] or found[2] or found[3]
    try:
        if number:
            return chr(int(number, 16))
        if found[4]:
            return chr(int(found[4], 8))
    except (ValueError, OverflowError) as error:
        raise _Malformed("an escape that is no character") from error
    return _ESCAPES.get(found[5], found[5])
