"""Every detector finds its own examples and no near misses, and says the same with and without vectorscan."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import pytest

from fixtures.filled import filled
from nhiscan.detect.precise.detector import Detector, load
from nhiscan.detect.precise.profile import Precise

_DETECTORS = load()
_TRUE = [(detector, n) for detector in _DETECTORS for n in range(len(detector.true))]
_FALSE = [(detector, n) for detector in _DETECTORS for n in range(len(detector.false))]


def example(detector: Detector, said: bool, n: int) -> bytes:
    text = (detector.true if said else detector.false)[n]
    return filled(text, seed=f"{detector.kind} {n}").encode()


@cache
def profile(use_hyperscan: bool | None) -> Precise:
    return Precise(use_hyperscan=use_hyperscan)


def kinds(data: bytes, *, use_hyperscan: bool | None = None) -> list[tuple[str, int, int]]:
    return [(leak.kind, leak.start, leak.end) for leak in profile(use_hyperscan).leaks(data, "example.txt")]


@pytest.mark.parametrize(("detector", "n"), _TRUE, ids=[f"{detector.kind}-{n}" for detector, n in _TRUE])
def test_a_true_example_is_found_as_its_kind(detector: Detector, n: int) -> None:
    assert detector.kind in {kind for kind, _, _ in kinds(example(detector, True, n))}


@pytest.mark.parametrize(("detector", "n"), _FALSE, ids=[f"{detector.kind}-{n}" for detector, n in _FALSE])
def test_a_near_miss_is_not_found_as_that_kind(detector: Detector, n: int) -> None:
    assert detector.kind not in {kind for kind, _, _ in kinds(example(detector, False, n))}


@pytest.mark.skipif(find_spec("hyperscan") is None, reason="no wheel for this platform")
@pytest.mark.parametrize("detector", _DETECTORS, ids=lambda detector: detector.kind)
def test_vectorscan_changes_nothing_but_the_time(detector: Detector) -> None:
    for said, texts in ((True, detector.true), (False, detector.false)):
        for n in range(len(texts)):
            data = example(detector, said, n)
            assert kinds(data) == kinds(data, use_hyperscan=False)


def test_no_example_holds_a_secret_itself() -> None:
    """What stands in the repository has holes, so that no scanner of the repository takes it for live."""
    shown = [
        (detector.kind, leak.kind)
        for detector in _DETECTORS
        for text in detector.true
        for leak in profile(None).leaks(text.encode(), "example.txt")
    ]
    assert shown == []
