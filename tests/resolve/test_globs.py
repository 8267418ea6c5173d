from __future__ import annotations

import random
from itertools import product

import pytest

from nhiscan.resolve import globs

TEXTS = ["".join(letters) for length in range(8) for letters in product("ab", repeat=length)]


def pattern(rng: random.Random) -> str:
    return "".join(rng.choice("ab*?") for _ in range(rng.randint(0, 4)))


def matched(text: str) -> set[str]:
    return {candidate for candidate in TEXTS if globs.matches(text, candidate)}


@pytest.mark.parametrize("seed", range(300))
def test_overlap_is_a_common_text_and_covering_never_misses_one(seed: int) -> None:
    rng = random.Random(seed)
    one, other = pattern(rng), pattern(rng)
    assert globs.overlap(one, other) == bool(matched(one) & matched(other))
    assert not globs.covers(one, other) or matched(other) <= matched(one)


COVERED = [("*", "a*b"), ("a*", "a?c"), ("a*", "a*c"), ("a?c", "a?c"), ("*-x", "a*-x")]
NOT_COVERED = [("a?", "a*"), ("a*c", "a*"), ("ab", "a?"), ("", "a"), ("a", "")]


@pytest.mark.parametrize(("wide", "narrow"), COVERED)
def test_a_wider_pattern_covers(wide: str, narrow: str) -> None:
    assert globs.covers(wide, narrow)


@pytest.mark.parametrize(("wide", "narrow"), NOT_COVERED)
def test_a_pattern_that_may_miss_does_not_cover(wide: str, narrow: str) -> None:
    assert not globs.covers(wide, narrow)


@pytest.mark.parametrize("text", ["a.c", "a[b]", "a\nb", "ä+(", "^$|\\"])
def test_signs_of_regular_expressions_stand_for_themselves(text: str) -> None:
    assert globs.matches(f"*{text}*", f"x{text}y")
    assert not globs.matches(f"{text}*", f"x{text}")


def test_many_stars_are_answered_at_once() -> None:
    assert not globs.matches("*a" * 1000 + "b", "a" * 2000)
