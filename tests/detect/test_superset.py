"""Wherever a Python pattern matches, its superset does, inside the same span."""

from __future__ import annotations

import re
import sys
from importlib.util import find_spec
from re import _constants  # type: ignore[attr-defined] # to pin what the translation relies on
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nhiscan.detect.expressions.superset import superset

LETTERS = "ask-i_K7 S\t\u00f1\u017f\u212a\u0131\u0130\u03b1\u0391\u20ac\U0001f511:=\"'\\"
TEXTS = st.text(alphabet=LETTERS + "\n\r", max_size=24)
MEMBERS = [*"ask7", "\u00f1", "\u017f", "a-k", "0-9", "\u00e0-\u03c9", r"\s", r"\d", r"\W"]

characters = st.one_of(
    st.sampled_from([re.escape(char) for char in LETTERS]),
    st.sampled_from(list("ask")),
    st.sampled_from([r"\w", r"\W", r"\s", r"\S", r"\d", r"\D", ".", r"[^\W_]", r"[\w.-]", r"[^\s]", r"[^=:\n]"]),
    st.lists(
        st.sampled_from([*"ask7", "\u00f1", "\u017f", "a-k", "0-9", "\u00e0-\u03c9", r"\s", r"\d"]), min_size=1
    ).map(lambda parts: f"[{''.join(parts)}]"),
    st.lists(st.sampled_from([*"ask7", "\u00f1", "\u017f", "a-k", r"\s", r"\w"]), min_size=1).map(
        lambda parts: f"[^{''.join(parts)}]"
    ),
)
REPEATS = ["*", "+", "?", "*?", "+?", "??", "{2}", "{1,3}", "{2,}", "{0,2}?", "*+", "{1,2}+"]


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    many = st.lists(inner, min_size=1, max_size=4).map("".join)
    return st.one_of(
        many,
        st.lists(many, min_size=1, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)})"),
        st.lists(many, min_size=1, max_size=3).map(lambda parts: f"(?:{'|'.join(parts)}|)"),
        st.tuples(many, st.sampled_from(REPEATS)).map(lambda pair: f"(?:{pair[0]}){pair[1]}"),
        st.tuples(many, many).map(lambda pair: f"({pair[0]}){pair[1]}(?P={{}})"),
        many.map(lambda part: f"(?={part})"),
        many.map(lambda part: f"(?!{part})"),
        many.map(lambda part: f"(?>{part})"),
        many.map(lambda part: f"(?i:{part})"),
        many.map(lambda part: f"(?-i:{part})"),
        many.map(lambda part: f"(?a:{part})"),
        st.sampled_from([r"\b", r"\B", "^", "$", r"(?<![\w.])", r"(?<=\W)"]),
    )


def with_groups(text: str) -> str:
    """Back-references are drawn without a number: each names the last group that is closed by then."""
    out: list[str] = []
    depth: list[int | None] = []
    at = count = closed = 0
    while at < len(text):
        char = text[at]
        if text.startswith("(?P={})", at):
            out.append(f"(?:\\{closed})" if closed else "")
            at += len("(?P={})")
            continue
        if char == "\\":
            out.append(text[at : at + 2])
            at += 2
            continue
        if char == "[":
            end = text.index("]", at)
            out.append(text[at : end + 1])
            at = end + 1
            continue
        if char == "(":
            is_group = not text.startswith("(?", at)
            count += is_group
            depth.append(count if is_group else None)
        elif char == ")":
            closed = depth.pop() or closed
        out.append(char)
        at += 1
    return "".join(out)


patterns = st.recursive(
    st.tuples(characters, st.sampled_from(["", "", *REPEATS])).map("".join), grown, max_leaves=10
).map(with_groups)


def compiled(text: str | bytes, flags: int) -> re.Pattern[Any] | None:
    try:
        return re.compile(text, flags)
    except re.error:
        return None


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(patterns, st.sampled_from([0, re.I, re.S, re.I | re.S, re.A, re.I | re.A, re.M]), st.lists(TEXTS, min_size=3))
def test_wherever_a_text_pattern_matches_its_superset_matches_inside(text: str, flags: int, texts: list[str]) -> None:
    pattern = compiled(text, flags)
    expression = superset(pattern) if pattern else None
    if pattern is None or expression is None:
        return
    wider = re.compile(expression.encode())
    for searched in texts:
        for match in pattern.finditer(searched):
            assert wider.search(match[0].encode()), (text, expression)


TOKENS = [
    r"(?:key|pass(?:word)?|secret)\w*\s*[:=]\s*(['\"])([^'\"\n]{4,20})\1",
    r"(?<!\w)(?:a[0-9]{2}|b-\w{3,5})-(?P<x>[a-f]{2})(?:-(?P=x)){2}(?![\w.])",
    r"\b(?:[a-z]{3}_)?[A-Za-z0-9+/=]{8,12}(?:\s|$)",
    r"https?://[^\s:@]+:([^\s@]+)@[\w.-]+",
    r"ask.{0,5}?\d+[^\W_]*(?:-[isk]{2})*\W",
    r"(?:\d{1,3}\.){3}\d{1,3}(?::\d{1,5})?",
    "contrase\u00f1a\\w*=.[^\u20ac\u00f1x]{2}",
]


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data(), st.sampled_from(TOKENS), st.sampled_from([0, re.I, re.S, re.A, re.I | re.A]))
def test_the_superset_matches_inside_each_text_made_from_the_pattern(
    data: st.DataObject, text: str, flags: int
) -> None:
    pattern = re.compile(text, flags)
    match = pattern.search(data.draw(st.from_regex(pattern)))
    expression = superset(pattern)
    assert match is not None
    assert expression is not None
    assert re.search(expression.encode(), match[0].encode()), (text, expression)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(patterns, st.sampled_from([0, re.I, re.S]), st.lists(st.binary(max_size=20), min_size=2), st.lists(TEXTS))
def test_wherever_a_bytes_pattern_matches_its_superset_matches_inside(
    text: str, flags: int, noise: list[bytes], texts: list[str]
) -> None:
    pattern = compiled(text.encode("latin-1", "replace"), flags)
    expression = superset(pattern) if pattern else None
    if pattern is None or expression is None:
        return
    wider = re.compile(expression.encode())
    for searched in [*noise, *(text.encode() for text in texts)]:
        for match in pattern.finditer(searched):
            assert wider.search(match[0]), (text, expression)


@settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))
@given(patterns, st.sampled_from([0, re.I, re.S]), st.lists(TEXTS, min_size=3))
def test_characters_said_to_be_absent_narrow_only_what_has_them(text: str, flags: int, texts: list[str]) -> None:
    absent = "\n\r\u017f\u212a\u0130\u0131"
    pattern = compiled(text, flags)
    expression = superset(pattern, absent=absent) if pattern else None
    if pattern is None or expression is None:
        return
    wider = re.compile(expression.encode())
    for searched in texts:
        for match in pattern.finditer("".join(char for char in searched if char not in absent)):
            assert wider.search(match[0].encode()), (text, expression)


@pytest.mark.skipif(find_spec("hyperscan") is None, reason="no wheel for this platform")
@settings(max_examples=50, deadline=None, suppress_health_check=list(HealthCheck))
@given(patterns, st.sampled_from([0, re.I]), st.lists(TEXTS, min_size=3))
def test_vectorscan_reads_the_expression_as_python_does(text: str, flags: int, texts: list[str]) -> None:
    import hyperscan

    pattern = compiled(text, flags)
    expression = superset(pattern) if pattern else None
    if expression is None:
        return
    database = hyperscan.Database()
    database.compile(expressions=[expression.encode()], ids=[0], flags=[hyperscan.HS_FLAG_SINGLEMATCH])
    wider = re.compile(expression.encode())
    for searched in (text.encode() for text in texts):
        hits: list[int] = []
        database.scan(searched, match_event_handler=lambda n, *place, hits=hits: hits.append(n))
        assert bool(hits) == bool(wider.search(searched)), expression


@pytest.mark.parametrize(
    ("pattern", "expression"),
    [
        (r"(?<!\w)key-(\d{2})(?!\d)", r"key\x2d(?:[0-9\x80-\xff]{2})"),
        (rb"\w*key-[a-z]{8,}", r"key\x2d[a-z]{8}"),
        (rb"""(["'])[a-f]+\1""", r"(?:[\x22\x27])[a-f]+(?:[\x22\x27])"),
        (rb"(?i)ask", "[Aa][Ss][Kk]"),
        (r"(?i)s", r"(?:[Ss]|\xc5\xbf)"),
    ],
)
def test_an_expression_is_short(pattern: str | bytes, expression: str) -> None:
    assert superset(pattern) == expression


@pytest.mark.parametrize("pattern", ["", "a*", "(?:a|)", "^$", r"\b", "(?=a)"])
def test_a_pattern_that_may_be_empty_has_no_superset(pattern: str) -> None:
    assert superset(pattern) is None


def test_a_pattern_of_absent_characters_has_no_superset() -> None:
    assert superset("a\nb", absent="\n") is None
    assert superset("a[\n\r]?b", absent="\n\r") == "ab"


def test_back_references_that_double_at_each_level_are_given_up() -> None:
    pattern = "([abc][def]x)" + "".join(rf"(\{n}\{n}\{n}\{n})" for n in range(1, 14))
    assert superset(pattern) is None


def test_the_letters_that_fold_to_ascii_are_those_that_python_folds() -> None:
    ascii_letters = "abcdefghijklmnopqrstuvwxyz"
    fold = re.compile(f"[{ascii_letters}]", re.IGNORECASE)
    others = {chr(code) for code in range(0x80, sys.maxunicode + 1) if fold.match(chr(code))}
    assert others == set("\u0130\u0131\u017f\u212a")


def test_every_part_of_a_pattern_that_this_python_knows_has_a_translation() -> None:
    known = {
        *("ANY", "ASSERT", "ASSERT_NOT", "AT", "ATOMIC_GROUP", "BRANCH", "GROUPREF", "GROUPREF_EXISTS", "IN"),
        *("LITERAL", "MAX_REPEAT", "MIN_REPEAT", "NOT_LITERAL", "POSSESSIVE_REPEAT", "SUBPATTERN", "FAILURE"),
        *("CATEGORY", "NEGATE", "RANGE"),  # inside IN
    }
    made_by_the_compiler = {
        name
        for name in (str(code) for code in _constants.OPCODES)
        if "IGNORE" in name or "REPEAT_ONE" in name or "CHARSET" in name
    }
    made_by_the_compiler |= {"SUCCESS", "ANY_ALL", "CALL", "INFO", "JUMP", "MARK", "REPEAT", "MAX_UNTIL", "MIN_UNTIL"}
    made_by_the_compiler |= {"SUBPATTERN", "POSSESSIVE_REPEAT", "BIGCHARSET"}
    assert {str(code) for code in _constants.OPCODES} <= known | made_by_the_compiler
