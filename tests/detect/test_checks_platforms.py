"""Checks that detectors of platforms ask for, at their edges."""

from __future__ import annotations

import base64

import pytest

from nhiscan.detect.precise.checks import CHECKS


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_a_name_and_a_password_are_a_login() -> None:
    assert CHECKS["basic_credentials"](encoded("sync:" + "aX9" * 5))


def test_a_login_may_lack_its_padding_and_its_name() -> None:
    assert CHECKS["basic_credentials"](encoded(":" + "aX9" * 4).rstrip("="))


@pytest.mark.parametrize(
    "value",
    [
        encoded("no colon in here at all"),
        encoded("user:password"),
        encoded("user:${PASSWORD}"),
        encoded("a sentence: with a colon1"),
        encoded("user:a1"),
        base64.b64encode(bytes(range(128, 160))).decode(),
        "not base64!",
        "",
    ],
)
def test_other_base64_is_no_login(value: str) -> None:
    assert not CHECKS["basic_credentials"](value)


@pytest.mark.parametrize("value", ["aB" + "3cdefgh", "Correct" + "-Horse", "s0me" + ".thing"])
def test_three_kinds_of_signs_make_a_strong_password(value: str) -> None:
    assert CHECKS["strong_password"](value)


@pytest.mark.parametrize("value", ["password_from_env", "SNOWFLAKE_PASSWORD", "app.Password", "${Pass1}", "abc123"])
def test_names_and_references_are_no_strong_password(value: str) -> None:
    assert not CHECKS["strong_password"](value)
