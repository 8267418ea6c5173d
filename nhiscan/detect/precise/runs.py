"""Where a text has as many signs of the right kind in a row as a pattern asks for at least.

Python's patterns try every place of a text, a hundred times slower than bytes are translated and looked for. Around a
word that is everywhere this tells which places are worth it.
"""

from __future__ import annotations

from collections.abc import Iterator
from re import _constants as constants  # type: ignore[attr-defined] # the parser has no public name
from string import ascii_letters, digits
from typing import Any, Final, NamedTuple

from nhiscan.detect.expressions.literals import parsed

_SHORTEST: Final = 12  # rows shorter than this are everywhere
_MOST: Final = 80  # kinds of signs: with more of them, whole lines are rows
BEHIND: Final = 256  # signs after a row that a pattern may look at
_IN: Final = b"x"
_OUT: Final = b" "
_CATEGORIES: Final = {
    constants.CATEGORY_DIGIT: frozenset(digits.encode()),
    constants.CATEGORY_WORD: frozenset(f"{ascii_letters}{digits}_".encode()),
}
_EVERY: Final = frozenset(range(256))
_REPEATS: Final = (constants.MAX_REPEAT, constants.MIN_REPEAT, constants.POSSESSIVE_REPEAT)
_NOTHING: Final = (constants.AT, constants.ASSERT, constants.ASSERT_NOT)


class Run(NamedTuple):
    """Every match is a row of at least `width` signs that `table` translates to one and the same."""

    table: bytes
    width: int


def run(pattern: bytes) -> Run | None:
    """What every match of a pattern is; None where that says too little."""
    tree = parsed(pattern)
    width = int(tree.getwidth()[0])
    members = _members(tree)
    if tree.state.flags & constants.SRE_FLAG_IGNORECASE:
        members |= frozenset(bytes(members).swapcase())
    if width < _SHORTEST or len(members) > _MOST:
        return None
    return Run(b"".join(_IN if sign in members else _OUT for sign in range(256)), width)


def stretches(wanted: Run, data: bytes, low: int, end: int, far: int) -> Iterator[tuple[int, int]]:
    """The rows in which a match may begin in `data[low:end]` and end before `far`."""
    row = _IN * wanted.width
    seen = data[low : min(far, end + wanted.width - 1)].translate(wanted.table)
    at = seen.find(row)
    while at >= 0:
        stop = seen.find(_OUT, at + wanted.width)
        if stop < 0:
            rest = data[low + len(seen) : far].translate(wanted.table)
            stop = len(seen) + len(rest) if _OUT not in rest else len(seen) + rest.index(_OUT)
        yield low + at, low + stop
        at = seen.find(row, stop)


def _members(tree: Any) -> frozenset[int]:
    """The signs that a match may hold."""
    return frozenset().union(*(_held(operation, argument) for operation, argument in tree))


def _held(operation: Any, argument: Any) -> frozenset[int]:
    if operation in _NOTHING or operation is constants.GROUPREF:  # what a group held is counted there
        return frozenset()
    if operation is constants.LITERAL:
        return frozenset({argument})
    if operation is constants.IN:
        return frozenset().union(*(_listed(*item) for item in argument))
    if operation in _REPEATS:
        return _members(argument[2])
    if operation is constants.BRANCH:
        return frozenset().union(*map(_members, argument[1]))
    if operation is constants.SUBPATTERN and not argument[1] and not argument[2]:
        return _members(argument[3])
    return _EVERY


def _listed(operation: Any, argument: Any) -> frozenset[int]:
    if operation is constants.LITERAL:
        return frozenset({argument})
    if operation is constants.RANGE:
        return frozenset(range(argument[0], argument[1] + 1))
    return _CATEGORIES.get(argument, _EVERY) if operation is constants.CATEGORY else _EVERY
