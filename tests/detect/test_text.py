"""Bytes of a file as the detectors read them."""

from __future__ import annotations

import random

import pytest

from nhiscan.detect import text

# Characters of every width, broken ones among them, more than fit a block of the count.
_PARTS = ("a", "\n", "é", "€", "\U0001f511")
_BROKEN = (b"\xe2\x82", b"\xff", b"\x80", b"\xf0\x9f\x94")


@pytest.mark.parametrize("errors", ["ignore", "surrogateescape"])
@pytest.mark.parametrize("seed", range(4))
def test_characters_are_counted_as_if_all_were_decoded_at_once(errors: str, seed: int) -> None:
    draw = random.Random(seed)
    parts = [part.encode() for part in _PARTS] + list(_BROKEN if seed % 2 else ())
    data = b"".join(draw.choices(parts, k=60_000))

    assert text.signs(data, errors) == len(data.decode("utf-8", errors))


def test_a_cut_character_at_the_end_counts_as_the_decoder_has_it() -> None:
    assert text.signs("€".encode()[:2], "surrogateescape") == 2
    assert text.signs("€".encode()[:2], "ignore") == 0
