"""Rows of signs that tell where a pattern is worth trying."""

from __future__ import annotations

import re

import pytest

from fixtures.filled import filled
from nhiscan.detect.precise.detector import Detector, load
from nhiscan.detect.precise.runs import run, stretches

DETECTORS = [detector for detector in load() if run(detector.pattern.encode()) is not None]


@pytest.mark.parametrize("detector", DETECTORS, ids=lambda detector: detector.kind)
def test_every_match_of_a_detectors_examples_lies_in_one_stretch(detector: Detector) -> None:
    pattern = detector.pattern.encode()
    wanted = run(pattern)
    assert wanted is not None
    for seed, example in enumerate(detector.true):
        data = filled(example, seed=seed).encode()
        rows = list(stretches(wanted, data, 0, len(data), len(data)))
        for match in re.finditer(pattern, data):
            assert any(low <= match.start() and match.end() <= high for low, high in rows)


def test_most_detectors_whose_values_need_a_word_near_them_tell_the_row_that_they_are() -> None:
    needy = [detector for detector in load() if detector.near]
    assert sum(detector in DETECTORS for detector in needy) > len(needy) * 0.9


@pytest.mark.parametrize(
    ("pattern", "width"),
    [
        (rb"[0-9a-f]{32}", 32),
        (rb"key_\w{20,40}", 24),
        (rb"(?:[A-Z]{30}|\d{20}-[a-z]{4})", 25),
        (rb"(?i)x{12}", 12),
    ],
)
def test_a_row_is_as_long_as_the_shortest_match(pattern: bytes, width: int) -> None:
    wanted = run(pattern)
    assert wanted is not None
    assert wanted.width == width


@pytest.mark.parametrize("pattern", [rb"[0-9a-f]{11}", rb"[^ ]{40}", rb"a.{40}", rb"\S{40}", rb"(?s:.){40}"])
def test_patterns_that_match_almost_anything_have_no_row(pattern: bytes) -> None:
    assert run(pattern) is None


def test_case_is_ignored_where_the_pattern_ignores_it() -> None:
    wanted = run(rb"(?i)[a-f]{20}")
    assert wanted is not None
    assert list(stretches(wanted, b"- " + b"aBcDe" * 4, 0, 22, 22)) == [(2, 22)]


def test_a_row_that_begins_in_the_part_is_seen_to_its_end() -> None:
    wanted = run(rb"[0-9a-f]{20,60}")
    assert wanted is not None
    data = b"." * 90 + b"a" * 50 + b"." * 500
    assert list(stretches(wanted, data, 80, 95, 700)) == [(90, 140)]
    assert list(stretches(wanted, data, 80, 95, 130)) == [(90, 130)]
    assert list(stretches(wanted, data, 80, 90, 700)) == []


def test_of_a_word_that_is_everywhere_nothing_is_searched() -> None:
    wanted = run(rb"[0-9A-Za-z]{64}")
    assert wanted is not None
    data = b"secret = subscription_identifier\n" * 10_000
    assert list(stretches(wanted, data, 0, len(data), len(data))) == []
