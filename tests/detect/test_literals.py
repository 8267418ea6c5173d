"""Texts that stand in every match of a pattern: a text that is claimed and may be missing loses findings in silence."""

from __future__ import annotations

import base64
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhiscan.detect.expressions.literals import encoded, first, holds_hex, required

PATTERNS = [
    rb"tok_[a-z]{3}",
    rb"(?i:TOK)_[a-z]{3}",
    rb"(?i)api[_-]?key[0-9]{2}",
    rb"(?:live|test)_[0-9]{4}",
    rb"(?:live|[0-9]{3})_key",
    rb"(?:se)?cret[0-9]",
    rb"(?P<secret>[0-9]{3}):(?P<id>at|[ab]t)",
    rb"x{3}y{2,4}z+",
    rb"(?:ab){2,}(?:cd)*ef",
    rb"tok(?!x)[a-z]{2}",
    rb"\bkey\b ?= ?[0-9]+",
    rb"(?:a|bb|ccc)(?:dd|e)--",
    rb"(?:[ab][cd]){3}mid(?:[ab]{1,9})",
    rb"gh[pousr]_[0-9]{4}",
    rb".{2}AKIA.?",
    rb"[^a]bcd",
    rb"(?s:.)ab\ncd",
]


@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
def test_one_of_the_texts_stands_in_every_match(pattern: bytes) -> None:
    @settings(max_examples=25, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(st.from_regex(pattern, fullmatch=True))
    def holds(text: bytes) -> None:
        texts = required(pattern)
        assert not texts or any(one in text.lower() for one in texts)
        starts = first(pattern)
        assert not starts or text.startswith(starts)

    holds()


@pytest.mark.parametrize(
    ("pattern", "texts"),
    [
        (rb"tok_[a-z]{3}", {b"tok_"}),
        (rb"(?i:TOK)_[0-9a-z]{99}", {b"tok"}),
        (rb"(?:live|test)_[0-9]{4}", {b"live_", b"test_"}),
        (rb"(?:live|[0-9]{3})_key", {b"_key"}),
        (rb"(?:se)?cret[0-9]+", {b"secret", b"cret"}),
        (rb"[0-9a-z]{20}", set()),
        (rb"(?:foo|[0-9]+)x", set()),
        (rb"(?:ab)*", set()),
        (rb"[0-9]{3}=", set()),
    ],
)
def test_the_longest_text_that_cannot_be_missing_is_looked_for(pattern: bytes, texts: set[bytes]) -> None:
    assert required(pattern) == texts


@pytest.mark.parametrize(
    ("pattern", "starts"),
    [
        (rb"tok_[a-z]{3}", (b"tok_",)),
        (rb"gh[pu]_[0-9]{4}", (b"ghp_", b"ghu_")),
        (rb"(?:sk|rk)_(?:live|test)_\w+", (b"rk_live_", b"rk_test_", b"sk_live_", b"sk_test_")),
        (rb"(?i)tok_[a-z]{3}", ()),
        (rb"(?i:tok)_[a-z]{3}", ()),
        (rb"[a-z]{3}_tok", ()),
        (rb"(?:tok_)?[a-z]{3}", ()),
    ],
)
def test_a_beginning_is_known_only_as_it_is_written(pattern: bytes, starts: tuple[bytes, ...]) -> None:
    assert first(pattern) == starts


@settings(max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(st.binary(min_size=4, max_size=12), st.binary(max_size=7), st.binary(max_size=4))
def test_whatever_stands_around_a_text_its_base64_holds_one_of_three_marks(
    text: bytes, before: bytes, after: bytes
) -> None:
    code = base64.b64encode(before + text + after)
    starts = {
        found.start() - ahead
        for mark, ahead in encoded([text])
        for found in re.finditer(b"(?=%b)" % re.escape(mark), code)
    }
    # From one of the groups of four that a mark gives away, what is decoded holds the text.
    assert any(text in base64.b64decode(code[start % 4 : len(code) - (len(code) - start) % 4]) for start in starts)


def test_a_text_too_short_to_tell_anything_leaves_no_mark() -> None:
    assert list(encoded([b"abc"])) == []


@pytest.mark.parametrize(
    ("pattern", "holds"),
    [
        (rb"[0-9a-f]{24}", True),
        (rb"[0-9a-f]{23}", False),
        (rb"key-(?P<secret>[0-9A-F]{32})", True),
        (rb"[0-9a-g]{32}", False),
        (rb"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}", False),
        (rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", True),
        (rb"(?:[0-9a-f]{32}|[0-9a-f]{40})", True),
        (rb"(?:[0-9a-f]{32}|[a-z]{40})", False),
        (rb"(?:[0-9a-f]{32})?", False),
        (rb"[^g-z]{32}", False),
    ],
)
def test_a_pattern_holds_a_long_number_only_if_every_match_does(pattern: bytes, holds: bool) -> None:
    assert holds_hex(pattern) is holds
