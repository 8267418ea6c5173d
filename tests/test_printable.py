"""Texts of a terminal: how wide they are and what a column too narrow leaves of them."""

from __future__ import annotations

import pytest

from nhiscan import printable


@pytest.mark.parametrize(("text", "columns"), [("abc", 3), ("日本", 4), ("e\u0301", 1)])
def test_width_is_counted_in_columns_of_the_terminal(text: str, columns: int) -> None:
    assert printable.width(text) == columns


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("short", "short"),
        ("several words here", "several wo…"),
        ("aws:111111111111:role/montblanc-ci", "aws…lanc-ci"),
        ("日本語日本語日本語", "日本…日本語"),
    ],
)
def test_words_lose_their_end_and_ids_their_middle(text: str, shown: str) -> None:
    assert printable.cut(text, 11) == shown
