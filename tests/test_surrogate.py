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


def grafana() -> str:
    body = "gl" + "sa_" + signs(32)
    return f"{body}_{zlib.crc32(body.encode()).to_bytes(4, 'little').hex()}"


CHECKED = {"github_personal_access_token": 6, "npm_access_token": 6, "grafana_service_account_token": 8}
KEY = "PRIVATE KEY-----"
TOKENS = {
    "github_personal_access_token": github("gh" + "p"),
    "gitlab_personal_access_token": "gl" + "pat-" + signs(20),
    "json_web_token": jwt(),
    "openai_api_key": "sk-" + signs(20) + "T3Blbk" + "FJ" + signs(20),
    "sendgrid_api_key": "S" + "G." + signs(22) + "." + signs(43),
    "slack_bot_token": "xo" + "xb-" + signs(12, string.digits) + "-" + signs(12, string.digits) + "-" + signs(24),
    "stripe_secret_key": "sk_" + "live_" + signs(24),
    "twilio_api_key": "S" + "K" + signs(32, "0123456789abcdef"),
    "mailchimp_api_key": signs(32, "0123456789abcdef") + "-us" + "12",
    "npm_access_token": github("np" + "m"),
    "grafana_service_account_token": grafana(),
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
    kept = len(TOKENS[kind]) - CHECKED.get(kind, 0)  # a checksum is of any class
    assert surrogates.of(TOKENS[kind])[:kept].translate(shape) == TOKENS[kind][:kept].translate(shape)


def test_what_is_known_by_the_text_that_it_encodes_encodes_another_one(surrogates: Surrogates) -> None:
    token = base64.b64encode(f"{signs(20)}:{signs(22)}".encode()).decode()
    instead = surrogates.of(token, is_alike=lambda value: kinds(f"ELASTIC_API_KEY={value}") == ["elastic_api_key"])
    assert instead != token
    assert kinds(f"ELASTIC_API_KEY={instead}") == ["elastic_api_key"]


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
    assert before.native_id == after.native_id == "robot-7"
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
    token = TOKENS["stripe_secret_key"]
    assert Surrogates(b"one").of(token) != Surrogates(b"other").of(token)
