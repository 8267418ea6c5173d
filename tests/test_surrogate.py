"""Every planted token is made up at run time, so that no scanner of this repository takes one for live."""

from __future__ import annotations

import base64
import json
import random
import string
import zlib

import pytest

from nhiscan import detect
from nhiscan.model import Where
from nhiscan.surrogate import Surrogates

_RANDOM = random.Random(7)


def signs(n: int, alphabet: str = string.ascii_letters + string.digits) -> str:
    return "".join(_RANDOM.choices(alphabet, k=n))


def base62(n: int) -> str:
    alphabet = string.digits + string.ascii_uppercase + string.ascii_lowercase
    text = ""
    for _ in range(6):
        n, rest = divmod(n, 62)
        text = alphabet[rest] + text
    return text


def github(prefix: str) -> str:
    middle = signs(30)
    return f"{prefix}_{middle}{base62(zlib.crc32(middle.encode()))}"


def part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def jwt() -> str:
    claims = {
        "iss": "https://login.example",
        "sub": "robot-7",
        "exp": 1767225600,
        "note": {"mail": "anna@acme.example"},
    }
    return f"{part({'alg': 'HS256'})}.{part(claims)}.{signs(43)}"


KEY = "PRIVATE KEY-----"
TOKENS = {
    "github_token": github("gh" + "p"),
    "gitlab_token": "gl" + "pat-" + signs(20),
    "json_web_token": jwt(),
    "openai_token": "sk-" + signs(20) + "T3Blbk" + "FJ" + signs(20),
    "sendgrid_api_key": "S" + "G." + signs(22) + "." + signs(43),
    "slack_token": "xo" + "xb-" + signs(12, string.digits) + "-" + signs(12, string.digits) + "-" + signs(24),
    "stripe_access_key": "sk_" + "live_" + signs(24),
    "twilio_api_key": "S" + "K" + signs(32, "0123456789abcdef"),
    "mailchimp_access_key": signs(32, "0123456789abcdef") + "-us" + "12",
    "private_key": "\n".join(("-----BEGIN " + KEY, signs(64), signs(40), "-----END " + KEY)),
}


@pytest.fixture
def surrogates() -> Surrogates:
    return Surrogates(b"of one recording")


def kinds(text: str) -> list[str]:
    return [found.kind for found in detect.find(text)]


@pytest.mark.parametrize("kind", sorted(TOKENS))
def test_a_stand_in_is_found_as_the_same_kind_and_is_another_value(surrogates: Surrogates, kind: str) -> None:
    token = TOKENS[kind]
    assert kinds(token) == [kind]
    instead = surrogates.of(token)
    assert kinds(instead) == [kind]
    assert instead != token


@pytest.mark.parametrize("kind", sorted(set(TOKENS) - {"json_web_token"}))
def test_a_stand_in_has_the_classes_of_signs_of_the_value(surrogates: Surrogates, kind: str) -> None:
    shape = str.maketrans(
        string.ascii_lowercase + string.ascii_uppercase + string.digits, "a" * 26 + "A" * 26 + "0" * 10
    )
    if kind == "github_token":  # its checksum is of any class
        assert surrogates.of(TOKENS[kind])[:-6].translate(shape) == TOKENS[kind][:-6].translate(shape)
    else:
        assert surrogates.of(TOKENS[kind]).translate(shape) == TOKENS[kind].translate(shape)


def test_of_a_private_key_the_first_and_the_last_line_stay(surrogates: Surrogates) -> None:
    before, after = (key.split("\n") for key in (TOKENS["private_key"], surrogates.of(TOKENS["private_key"])))
    assert [line in before for line in after] == [True, False, False, True]


@pytest.mark.parametrize("prefix", ["gh" + "p", "gh" + "s", "np" + "m"])
def test_a_checksum_fits(surrogates: Surrogates, prefix: str) -> None:
    instead = surrogates.of(github(prefix))
    assert instead[-6:] == base62(zlib.crc32(instead[4:-6].encode()))


def test_a_stand_in_for_a_jwt_says_who_it_is_for_and_nothing_else(surrogates: Surrogates) -> None:
    token = TOKENS["json_web_token"]
    where = Where("aws", "aws:111111111111", "environment", "function orders")
    (before,) = detect.detect(token, where, key=b"k")
    (after,) = detect.detect(surrogates.of(token), where, key=b"k")
    assert before.native_id == after.native_id == "https://login.example/robot-7"
    payload = surrogates.of(token).split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(payload + "==")) == {
        "iss": "https://login.example",
        "sub": "robot-7",
        "exp": 1767225600,
        "note": {"mail": "xxxx@xxxx.xxxxxxx"},
    }


def test_equal_values_get_equal_stand_ins_and_others_get_others(surrogates: Surrogates) -> None:
    one, other = github("gh" + "p"), github("gh" + "p")
    assert surrogates.of(one) == surrogates.of(one) != surrogates.of(other)


def test_another_recording_makes_other_stand_ins() -> None:
    token = TOKENS["stripe_access_key"]
    assert Surrogates(b"one").of(token) != Surrogates(b"other").of(token)
