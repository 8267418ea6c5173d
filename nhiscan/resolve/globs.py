"""Patterns with `*` and `?` as cloud policies write them: match, cover, overlap, never in worse than quadratic time."""

from __future__ import annotations

import re
from functools import lru_cache

_WILD = re.compile(r"[*?]")
_STARS = re.compile(r"\*+")


def is_wild(pattern: str) -> bool:
    return _WILD.search(pattern) is not None


def is_everything(pattern: str) -> bool:
    return bool(pattern) and not pattern.strip("*")


@lru_cache(maxsize=100_000)
def compiled(pattern: str, any_character: str = ".") -> re.Pattern[str]:
    """Atomic groups keep a hostile pattern with many stars from backtracking."""
    first, *rest = (
        "".join(any_character if c == "?" else re.escape(c) for c in part) for part in _STARS.split(pattern)
    )
    if rest:
        *middle, last = rest
        first += "".join(f"(?>.*?{part})" for part in middle) + ".*" + last
    return re.compile(first, re.DOTALL)


def literal_start(pattern: str) -> str:
    """What everything that the pattern matches begins with."""
    found = _WILD.search(pattern)
    return pattern[: found.start()] if found else pattern


def matches(pattern: str, text: str) -> bool:
    return pattern == text or (is_wild(pattern) and compiled(pattern).fullmatch(text) is not None)


@lru_cache(maxsize=100_000)
def covers(wide: str, narrow: str) -> bool:
    """Whether everything that `narrow` matches is matched by `wide`. Never true wrongly."""
    if wide == narrow or is_everything(wide):
        return True
    # `?` must not swallow a star of `narrow`, which may stand for any length.
    return is_wild(wide) and compiled(wide, "[^*]").fullmatch(narrow) is not None


@lru_cache(maxsize=100_000)
def overlap(one: str, other: str) -> bool:
    """Whether some text is matched by both."""
    if not is_wild(one):
        return matches(other, one)
    if not is_wild(other):
        return matches(one, other)
    one, other = _STARS.sub("*", one), _STARS.sub("*", other)
    start = min(len(literal_start(one)), len(literal_start(other)))
    if one[:start] != other[:start]:
        return False
    one, other = one[start:], other[start:]
    while one and other and one[0] != "*" and other[0] != "*":
        if not _same(one[0], other[0]):
            return False
        one, other = one[1:], other[1:]
    while one and other and one[-1] != "*" and other[-1] != "*":
        if not _same(one[-1], other[-1]):
            return False
        one, other = one[:-1], other[:-1]
    # row[j]: the rest of `one` and other[j:] share a text
    row = [not other[j:].strip("*") for j in range(len(other) + 1)]
    for char in reversed(one):
        next_row = [False] * (len(other) + 1)
        next_row[-1] = char == "*" and row[-1]
        for j in range(len(other) - 1, -1, -1):
            if char == "*" or other[j] == "*":
                next_row[j] = row[j] or next_row[j + 1]
            else:
                next_row[j] = _same(char, other[j]) and row[j + 1]
        row = next_row
    return row[0]


def _same(one: str, other: str) -> bool:
    return one == other or "?" in (one, other)
