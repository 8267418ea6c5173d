"""What a file of detectors must hold, and what is said of one that does not."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nhiscan.detect.precise.detector import DetectorError, load, parse
from nhiscan.detect.profiles import NAMES, profile
from nhiscan.errors import ConfigError

README = Path(__file__).parents[2] / "README.md"
GOOD = """
[[detector]]
kind = "acme_token"
title = "Token of Acme"
issuer = "acme"
severity = "high"
confidence = 0.9
pattern = '''acme_[a-z0-9]{20}'''
format = "acme_ and 20 letters or digits"
source = "https://docs.acme.example"
true = ["acme_<<[a-z0-9]{20}>>", "acme_<<[a-z0-9]{20}>>"]
false = ["acme_x", "acme_y"]
"""


def test_as_many_kinds_are_known_as_the_readme_says() -> None:
    said = re.search(r"more than (\d+) kinds", README.read_text(encoding="utf-8"))
    assert said is not None
    assert int(said[1]) < len({detector.kind for detector in load()})


def test_a_good_file_gives_its_detectors() -> None:
    assert [detector.kind for detector in parse(GOOD, "acme.toml")] == ["acme_token"]


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ('issuer = "acme"', 'isuer = "acme"', "unknown key isuer"),
        ('issuer = "acme"', "", "no issuer"),
        ('severity = "high"', 'severity = "bad"', "severity bad"),
        ("confidence = 0.9", "confidence = 9", "confidence"),
        ("confidence = 0.9", 'confidence = "0.9"', "confidence is of a wrong type"),
        ("acme_[a-z0-9]{20}'''", "acme_[a-z'''", "pattern does not compile"),
        ("acme_[a-z0-9]{20}'''", "(?:acme)?'''", "pattern matches the empty text"),
        ("acme_[a-z0-9]{20}'''", "acme(?:[a-z]+_)+'''", "may take forever"),
        ("acme_[a-z0-9]{20}'''", "(?P<name>acme)'''", "group that nothing reads: name"),
        ('kind = "acme_token"', 'kind = "Acme"', "snake case"),
        ('false = ["acme_x", "acme_y"]', 'false = ["acme_x"]', "false has fewer than 2"),
        ("format =", 'check = "nothing"\nformat =', "check nothing"),
        ("[[detector]]", "[detector", "no TOML"),
        ("[[detector]]", "[[other]]", "nothing but"),
    ],
)
def test_a_wrong_file_is_named_with_what_is_wrong(before: str, after: str, said: str) -> None:
    with pytest.raises(DetectorError) as raised:
        list(parse(GOOD.replace(before, after, 1), "acme.toml"))
    assert "acme.toml" in str(raised.value)
    assert said in f"{raised.value} {raised.value.hint}"


def test_an_unknown_profile_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(ConfigError, match="fast") as raised:
        profile("fast")
    assert raised.value.hint is not None
    assert all(name in raised.value.hint for name in NAMES)
