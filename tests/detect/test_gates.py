"""What is looked for only in texts that hold a long hexadecimal number."""

from __future__ import annotations

import re
from importlib.util import find_spec

import pytest

from nhiscan.detect.expressions.literals import holds_hex
from nhiscan.detect.precise.detector import Detector, load
from nhiscan.detect.precise.matcher import Matcher
from nhiscan.detect.precise.plan import planned

DIGITS = "9f3b07c2e815d64a0c7e9f3b07c2e815"
NUMBER = Detector(
    kind="acme_number",
    title="Number of Acme",
    issuer="acme",
    severity="high",
    confidence=0.9,
    pattern="[0-9a-f]{32}",
    near="acme|ledger",
    format="32 hexadecimal digits",
    source="https://docs.acme.example",
    true=(),
    false=(),
)


def test_words_near_hexadecimal_numbers_are_not_looked_for_in_every_text() -> None:
    detectors = load()
    plan = planned(detectors)
    everywhere = {number for numbers in plan.of_near.values() for number in numbers}
    behind = {number for numbers in plan.of_gated_near.values() for number in numbers}
    assert len(behind) > 40
    assert not everywhere & behind
    assert not [detectors[number].kind for number in everywhere if holds_hex(detectors[number].pattern.encode())]


@pytest.mark.skipif(find_spec("hyperscan") is None, reason="no wheel for this platform")
@pytest.mark.parametrize("text", ["acme={}", "ledger {} {}", "{}\nLEDGER", "x" * 70_000 + "\nacme: {}"])
def test_a_number_with_its_word_near_it_is_found_behind_the_gate(text: str) -> None:
    places = Matcher([NUMBER], use_hyperscan=True).places(text.format(DIGITS, DIGITS[::-1]).encode())
    assert [place.value for place in places] == [DIGITS, DIGITS[::-1]][: len(re.findall(r"\{\}", text))]


@pytest.mark.skipif(find_spec("hyperscan") is None, reason="no wheel for this platform")
@pytest.mark.parametrize("text", ["acne={}", "acme={:.31}", "acme" + "\n" * 9 + "{}"])
def test_behind_the_gate_the_word_must_be_near_and_the_number_long_enough(text: str) -> None:
    assert Matcher([NUMBER], use_hyperscan=True).places(text.format(DIGITS).encode()) == []
