"""What a match must satisfy to be a secret, and where it may stand; each with vectorscan and without."""

from __future__ import annotations

import base64
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.filled import filled
from nhiscan.detect.leak import Leak
from nhiscan.detect.precise.detector import Detector, load
from nhiscan.detect.precise.matcher import WINDOW, Matcher
from nhiscan.detect.precise.profile import Precise

TOKEN = Detector(
    kind="acme_token",
    title="Token of Acme",
    issuer="acme",
    severity="high",
    confidence=0.9,
    pattern="acm_[0-9a-z_]{12}",
    format="acm_ and 12 digits or letters",
    source="https://docs.acme.example",
    true=(),
    false=(),
)
NUMBER = replace(TOKEN, kind="acme_number", pattern="[0-9a-f]{20}", near="acme|ledger")
VALUE = "acm_k3x9q7w2m5z8"
DIGITS = "9f3b07c2e815d64a0c7e"


needs_wheel = pytest.mark.skipif(find_spec("hyperscan") is None, reason="no wheel for this platform")
both_ways = pytest.mark.parametrize("fast", [pytest.param(True, marks=needs_wheel), False], ids=["vectorscan", "plain"])


def found(data: str | bytes, *detectors: Detector, fast: bool) -> list[tuple[str, str]]:
    data = data.encode() if isinstance(data, str) else data
    places = Matcher(detectors, use_hyperscan=fast).places(data)
    return [(place.detector.kind, place.value) for place in places]


@both_ways
@pytest.mark.parametrize("around", ["x{}", "{}x", "_{}", "{}_", "7{}", "{}7"])
def test_a_part_of_a_longer_word_is_no_secret_unless_the_pattern_says_so(around: str, fast: bool) -> None:
    data = around.format(VALUE)
    assert found(data, TOKEN, fast=fast) == []
    assert found(data, replace(TOKEN, bounds="none"), fast=fast) == [("acme_token", VALUE)]


@both_ways
@pytest.mark.parametrize("around", ["{}", "-{}-", "={}\n", "\r{}\r", '"{}"', "é{}é", "\0{}\0"])
def test_what_stands_alone_is_found_whatever_parts_it(around: str, fast: bool) -> None:
    assert found(around.format(VALUE), TOKEN, fast=fast) == [("acme_token", VALUE)]


@both_ways
@pytest.mark.parametrize(
    "text",
    [
        "acme={}",
        "LEDGER: {}",
        "acme" + " " * 96 + "{}",
        "acme\n\n{}",
        "acme\r\rkey={}",
        "acme\r\n\r\n{}",
        "{} acme",
        "{}" + " " * 36 + "acme",
        "{}\nacme",
    ],
)
def test_a_format_that_tells_too_little_needs_its_word_near(text: str, fast: bool) -> None:
    assert found(text.format(DIGITS), NUMBER, fast=fast) == [("acme_number", DIGITS)]


@both_ways
@pytest.mark.parametrize(
    "text",
    ["{}", "acme" + " " * 97 + "{}", "acme\n\n\n{}", "acme\r\r\r{}", "{}" + " " * 37 + "acme", "acm {} edger"],
)
def test_without_its_word_near_it_is_only_a_number(text: str, fast: bool) -> None:
    assert found(text.format(DIGITS), NUMBER, fast=fast) == []


@both_ways
def test_a_value_of_few_signs_is_no_secret_where_the_detector_asks_for_more(fast: bool) -> None:
    plain = "acm_kqkqkrkwkrkw"
    asking = replace(TOKEN, min_entropy=3.0)
    assert found(f"{plain} {VALUE}", replace(TOKEN, min_entropy=2.0), fast=fast) == [
        ("acme_token", plain),
        ("acme_token", VALUE),
    ]
    assert found(f"{plain} {VALUE}", asking, fast=fast) == [("acme_token", VALUE)]


@both_ways
def test_a_value_whose_checksum_is_wrong_is_no_secret(fast: bool) -> None:
    right = filled("acm_<<crc32:[A-Za-z0-9]{6}>>", seed=1)
    wrong = right[:-1] + ("b" if right[-1] != "b" else "c")
    checked = replace(TOKEN, pattern="acm_[0-9A-Za-z]{12}", check="github_crc32")
    assert found(f"{wrong} {right}", checked, fast=fast) == [("acme_token", right)]


@both_ways
@pytest.mark.parametrize("value", ["acm_xxxxxxxxxxxx", "acm_example12345", "acm_k3x9_sample1", "acm_x9q_dummy3k2"])
def test_an_example_of_a_documentation_is_no_secret(value: str, fast: bool) -> None:
    assert found(f"{value} {VALUE}", TOKEN, fast=fast) == [("acme_token", VALUE)]


@both_ways
def test_a_match_over_two_lines_is_one_only_of_a_detector_of_several(fast: bool) -> None:
    over = replace(TOKEN, pattern=r"acm_[0-9a-z\n]{12}")
    data = "acm_k3x9q7\n2m5z8"
    assert found(data, over, fast=fast) == []
    assert found(data, replace(over, multiline=True), fast=fast) == [("acme_token", data)]


@both_ways
def test_of_two_that_overlap_the_surer_stays(fast: bool) -> None:
    other = replace(TOKEN, kind="acme_other", pattern="[a-z]{3}_[0-9a-z]{12}", confidence=0.95)
    assert found(VALUE, TOKEN, other, fast=fast) == [("acme_other", VALUE)]
    assert found(VALUE, TOKEN, replace(other, confidence=0.5), fast=fast) == [("acme_token", VALUE)]


@both_ways
def test_of_two_that_overlap_the_one_whose_maker_is_named_stays(fast: bool) -> None:
    named = replace(TOKEN, kind="acme_named", near="ledger", confidence=0.8)
    assert found(f"ledger {VALUE}", TOKEN, named, fast=fast) == [("acme_named", VALUE)]
    assert found(VALUE, TOKEN, named, fast=fast) == [("acme_token", VALUE)]


@both_ways
def test_of_two_words_the_nearer_one_names_the_maker(fast: bool) -> None:
    one, other = (replace(NUMBER, kind=f"{word}_number", near=word) for word in ("acme", "ledger"))
    assert found(f"acme ledger {DIGITS}", one, other, fast=fast) == [("ledger_number", DIGITS)]
    assert found(f"ledger acme {DIGITS}", one, other, fast=fast) == [("acme_number", DIGITS)]


@both_ways
@pytest.mark.parametrize("at", [WINDOW - 17, WINDOW - 16, WINDOW - 8, WINDOW - 1, WINDOW, WINDOW + 1, 2 * WINDOW - 1])
def test_at_the_edge_of_a_window_a_value_is_found_once(at: int, fast: bool) -> None:
    data = b"." * (at - 1) + b" " + VALUE.encode() + b"\n" + b"." * WINDOW
    assert found(data, TOKEN, fast=fast) == [("acme_token", VALUE)]


@both_ways
@pytest.mark.parametrize("length", [7_000, 8_192])
def test_a_value_of_eight_kilobytes_that_begins_with_the_last_sign_of_a_window_is_whole(
    length: int, fast: bool
) -> None:
    value = (DIGITS * 500)[: length - 4]
    long = replace(TOKEN, pattern="acm_[0-9a-f]+")
    data = f"{'.' * (WINDOW - 2)} acm_{value} {'.' * WINDOW}"
    assert found(data, long, fast=fast) == [("acme_token", f"acm_{value}")]


@both_ways
@pytest.mark.parametrize("at", [WINDOW - 120, WINDOW - 50, WINDOW - 3])
def test_a_word_in_one_window_speaks_about_a_value_in_the_next(at: int, fast: bool) -> None:
    data = f"{'.' * at}\nacme key: {' ' * 40}{DIGITS}\n{'.' * WINDOW}"
    assert found(data, NUMBER, fast=fast) == [("acme_number", DIGITS)]


@both_ways
@pytest.mark.parametrize("before", ["", "a", "ab", "abc", "abcd"])
@pytest.mark.parametrize("sign", ["", "=", "!", "x", "/a", "-ab"])
def test_in_base64_a_value_is_found_at_each_offset(before: str, sign: str, fast: bool) -> None:
    code = base64.b64encode(f"{before} {VALUE} x".encode()).decode()
    places = Matcher([TOKEN], use_hyperscan=fast).places(f"data:{sign}{code}".encode())
    assert [(place.value, place.inside) for place in places] == [(VALUE, "base64")]


@both_ways
def test_two_values_in_one_run_of_base64_are_both_found(fast: bool) -> None:
    other = "acm_w7p2n4v9c3x8"
    code = base64.urlsafe_b64encode(f'{{"a": "{VALUE}", "b": "{other}"}}'.encode())
    assert set(found(code, TOKEN, fast=fast)) == {("acme_token", VALUE), ("acme_token", other)}


def test_without_a_text_to_look_for_a_detector_is_tried_on_everything() -> None:
    bare = replace(TOKEN, pattern=r"(?:[0-9]{3}-){3}[0-9]{4}")
    assert found("call 173-946-205-3817", bare, fast=False) == [("acme_token", "173-946-205-3817")]


_EXAMPLES = [
    filled(text, seed=f"{detector.kind} {n}")
    for detector in load()
    for texts in (detector.true, detector.false)
    for n, text in enumerate(texts)
]
_JUNK = st.one_of(
    st.sampled_from(["\n", "\r\n", "\r", " ", "\t", '"', "'", "=", ": ", ",", "_", "-", "/", "x", "0", "\0", "é"]),
    st.sampled_from(
        ["password=", "token ", "api_key: ", "secret\n", "aws ", "# pragma: allowlist secret\n", "Bearer "]
    ),
    st.text(max_size=20),
    st.integers(min_value=1, max_value=300).map(lambda n: " " * n),
)
_EXAMPLE = st.sampled_from(_EXAMPLES)
_ENCODED = st.tuples(st.text("ab ", max_size=3), _EXAMPLE).map(
    lambda pair: base64.b64encode(f"{pair[0]}{pair[1]}".encode("utf-8", "surrogatepass")).decode()
)
_CUT = st.tuples(_EXAMPLE, st.integers(min_value=1, max_value=40)).map(lambda pair: pair[0][: -pair[1]])
_MIXTURE = st.lists(st.one_of(_EXAMPLE, _EXAMPLE, _ENCODED, _CUT, _JUNK, _JUNK), max_size=14).map("".join)


@pytest.fixture(scope="module")
def profiles() -> tuple[Precise, Precise]:
    return Precise(use_hyperscan=True), Precise(use_hyperscan=False)


def said(leaks: list[Leak]) -> list[tuple[Any, ...]]:
    return [(leak.kind, leak.start, leak.end, leak.line, leak.secret.reveal(), leak.native_id) for leak in leaks]


@needs_wheel
@settings(max_examples=150, deadline=None, derandomize=True)
@given(text=_MIXTURE, path=st.sampled_from(["notes.txt", "app.env"]))
def test_with_and_without_vectorscan_the_same_is_found_in_any_mixture(
    text: str, path: str, profiles: tuple[Precise, Precise]
) -> None:
    data = text.encode("utf-8", "surrogatepass")
    fast, plain = (said(list(profile.leaks(data, path))) for profile in profiles)
    assert fast == plain
