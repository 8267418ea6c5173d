"""Text that must stand where a pattern matches: what can be looked for without the pattern."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from functools import lru_cache
from re import _constants as constants  # type: ignore[attr-defined] # the parser has no public name
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

_MOST: Final = 32  # variants of one text
_MOST_OF_A_CLASS: Final = 10
HEX_RUN: Final = 24
_UUID_HEAD: Final = 8
_HEX_SIGNS: Final = "0123456789abcdefABCDEF"
_SHORTEST: Final = 2
_SHORTEST_ENCODED: Final = 4


@lru_cache(maxsize=8)
def parsed(pattern: bytes) -> Any:
    """A pattern's parts, which nobody may change: several ask for those of one pattern after each other."""
    return parser.parse(pattern)


def required(pattern: bytes) -> frozenset[bytes]:
    """Texts in lower case of which one, however it is written, stands in every match; empty: none is known."""
    found = _best(parsed(pattern))
    return frozenset(found) if found and min(map(len, found)) >= _SHORTEST else frozenset()


def first(pattern: bytes) -> tuple[bytes, ...]:
    """Texts of which one begins every match; empty where none is known or the pattern ignores case."""
    tree = parsed(pattern)
    if tree.state.flags & constants.SRE_FLAG_IGNORECASE:
        return ()
    started = _start(tree)
    return tuple(sorted(started)) if min(map(len, started)) > 1 else ()


def encoded(texts: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """The signs of base64 that texts leave behind whatever stands around them, at each of the three offsets.

    Each with the number of signs that its first group of four has before it.
    """
    for text in texts:
        for offset, before in enumerate((0, 2, 3)):
            whole = (len(text) + offset) * 8 // 6
            sure = base64.b64encode(b"\0" * offset + text)[before:whole]
            if len(text) >= _SHORTEST_ENCODED <= len(sure):
                yield sure, before


def holds_hex(pattern: bytes) -> bool:
    """Every match holds a UUID or two dozen hexadecimal digits in a row."""
    return _holds_hex(parsed(pattern))


def _holds_hex(tree: Any) -> bool:
    for n, (operation, argument) in enumerate(tree):
        if operation is constants.SUBPATTERN and _holds_hex(argument[3]):
            return True
        if operation is constants.BRANCH and all(map(_holds_hex, argument[1])):
            return True
        if _least_hex(operation, argument) >= HEX_RUN:
            return True
        if _least_hex(operation, argument) == _UUID_HEAD and n + 1 < len(tree) and _is_uuid_middle(*tree[n + 1]):
            return True
    return False


def _least_hex(operation: Any, argument: Any) -> int:
    """How many hexadecimal digits an element holds at least, if nothing else."""
    if operation not in (constants.MAX_REPEAT, constants.MIN_REPEAT):
        return 0
    least, _, body = argument
    return int(least) if len(body) == 1 and body[0][0] is constants.IN and _is_hex(body[0][1]) else 0


def _is_uuid_middle(operation: Any, argument: Any) -> bool:
    """At least two groups of a hyphen and four digits."""
    if operation is not constants.MAX_REPEAT or argument[0] < 2:
        return False
    body = argument[2]
    if len(body) == 1 and body[0][0] is constants.SUBPATTERN:
        body = body[0][1][3]
    return len(body) == 2 and body[0] == (constants.LITERAL, ord("-")) and _least_hex(*body[1]) == 4


def _is_hex(items: Any) -> bool:
    spans = [(argument, argument) if operation is constants.LITERAL else argument for operation, argument in items]
    return all(isinstance(span, tuple) for span in spans) and all(
        chr(n) in _HEX_SIGNS for low, high in spans for n in range(low, high + 1)
    )


def _start(tree: Any) -> set[bytes]:
    """What a sequence begins with; the empty text where anything may."""
    started = {b""}
    for operation, argument in tree:
        following = _exact(operation, argument)
        if following is None or len(started) * len(following) > _MOST:
            inner = {b""}
            if operation is constants.SUBPATTERN and not argument[1] and not argument[2]:
                inner = _start(argument[3])
            elif operation is constants.BRANCH:
                inner = set().union(*map(_start, argument[1]))
            if len(started) * len(inner) <= _MOST:
                started = {a + b for a in started for b in inner}
            break
        started = {a + b for a in started for b in following}
    return started


def _best(tree: Any) -> set[bytes]:
    """The longest of the texts that a sequence must hold."""
    best: set[bytes] = set()
    run = {b""}
    for operation, argument in tree:
        following = _exact(operation, argument)
        if following is not None:
            following = {text.lower() for text in following}
        if following is not None and len(run) * len(following) <= _MOST:
            run = {a + b for a in run for b in following}
            continue
        best = _longer(best, run)
        run = following if following is not None else {b""}
        if following is None:
            best = _longer(best, _inside(operation, argument))
    return _longer(best, run)


def _longer(one: set[bytes], other: set[bytes]) -> set[bytes]:
    return max(one, other, key=lambda texts: (min(map(len, texts), default=0), -len(texts)))


def _inside(operation: Any, argument: Any) -> set[bytes]:
    if operation is constants.SUBPATTERN:
        return _best(argument[3])
    if operation in (constants.MAX_REPEAT, constants.MIN_REPEAT, constants.POSSESSIVE_REPEAT) and argument[0] > 0:
        body = _sequence(argument[2])
        if body is not None and len(body) == 1:
            return {text.lower() * int(argument[0]) for text in body}
        return _best(argument[2])
    if operation is constants.ATOMIC_GROUP:
        return _best(argument)
    if operation is constants.BRANCH:
        parts = [_best(part) for part in argument[1]]
        if all(part and min(map(len, part)) for part in parts):
            return set().union(*parts)
    return set()


def _exact(operation: Any, argument: Any) -> set[bytes] | None:
    """Everything that one element can match; None when that is too much or not known."""
    if operation is constants.LITERAL:
        return {bytes([argument])}
    if operation in (constants.AT, constants.ASSERT, constants.ASSERT_NOT):
        return {b""}
    if operation is constants.IN:
        return _class(argument)
    if operation is constants.SUBPATTERN and not argument[1] and not argument[2]:
        return _sequence(argument[3])
    if operation is constants.BRANCH:
        parts = [_sequence(part) for part in argument[1]]
        if any(part is None for part in parts):
            return None
        together = set().union(*(part for part in parts if part is not None))
        return together if len(together) <= _MOST else None
    if operation in (constants.MAX_REPEAT, constants.MIN_REPEAT) and argument[:2] == (0, 1):
        body = _sequence(argument[2])
        return None if body is None or len(body) >= _MOST else {b"", *body}
    if operation in (constants.MAX_REPEAT, constants.MIN_REPEAT) and argument[0] == argument[1]:
        body, repeated = _sequence(argument[2]), {b""}
        for _ in range(int(argument[0])):
            if body is None or len(repeated) * len(body) > _MOST:
                return None
            repeated = {a + b for a in repeated for b in body}
        return repeated
    return None


def _sequence(tree: Any) -> set[bytes] | None:
    run = {b""}
    for operation, argument in tree:
        following = _exact(operation, argument)
        if following is None or len(run) * len(following) > _MOST:
            return None
        run = {a + b for a in run for b in following}
    return run


def _class(items: Any) -> set[bytes] | None:
    signs: set[bytes] = set()
    for operation, argument in items:
        if operation is constants.LITERAL:
            signs.add(bytes([argument]))
        elif operation is constants.RANGE and argument[1] - argument[0] < _MOST:
            signs.update(bytes([n]) for n in range(argument[0], argument[1] + 1))
        else:
            return None
    return signs if len(signs) <= _MOST_OF_A_CLASS else None
