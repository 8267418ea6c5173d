"""Which id a secret access key is said to go with, and which address a private key."""

from __future__ import annotations

import json

import pytest

from fixtures.filled import filled
from nhiscan.detect.precise.profile import Precise

_IDS = {name: filled("AKIA<<[A-Z2-7]{16}>>", seed=f"id {name}") for name in "ABC"}
_SECRETS = {name: filled("<<[A-Za-z0-9/+]{40}>>", seed=f"secret {name}") for name in "ABC"}


def pairs(text: str, path: str = "aws.env") -> dict[str, str | None]:
    """Secret -> id, by their letters; a secret that is said to go with no id has None."""
    letters = {value: name for name, value in (*_IDS.items(), *_SECRETS.items())}
    return {
        letters[leak.secret.reveal()]: None if leak.native_id is None else letters[leak.native_id]
        for leak in Precise().leaks(text.encode(), path)
        if leak.kind == "aws_secret_access_key"
    }


def filled_in(text: str) -> str:
    """idA, secretA, ... with values in their places."""
    for name in "ABC":
        text = text.replace(f"id{name}", _IDS[name]).replace(f"secret{name}", _SECRETS[name])
    return text


@pytest.mark.parametrize(
    "text",
    [
        (
            "[default]\naws_access_key_id = idA\naws_secret_access_key = secretA\n"
            "[prod]\naws_access_key_id = idB\naws_secret_access_key = secretB\n"
        ),
        (
            "[default]\naws_secret_access_key = secretA\naws_access_key_id = idA\n"
            "[prod]\naws_secret_access_key = secretB\naws_access_key_id = idB\n"
        ),
        (
            "AWS_ACCESS_KEY_ID_DEV=idA\nAWS_ACCESS_KEY_ID_PROD=idB\n"
            "AWS_SECRET_ACCESS_KEY_DEV=secretA\nAWS_SECRET_ACCESS_KEY_PROD=secretB\n"
        ),
        (
            "AWS_ACCESS_KEY_ID_DEV=idA\nAWS_ACCESS_KEY_ID_PROD=idB\n"
            "AWS_SECRET_ACCESS_KEY_PROD=secretB\nAWS_SECRET_ACCESS_KEY_DEV=secretA\n"
        ),
        (
            "DEV_AWS_SECRET_ACCESS_KEY=secretA\nPROD_AWS_SECRET_ACCESS_KEY=secretB\n"
            "DEV_AWS_ACCESS_KEY_ID=idA\nPROD_AWS_ACCESS_KEY_ID=idB\n"
        ),
    ],
)
def test_two_pairs_in_one_file_keep_apart(text: str) -> None:
    assert pairs(filled_in(text)) == {"A": "A", "B": "B"}


def test_a_secret_whose_id_is_named_like_it_is_not_given_to_a_nearer_one() -> None:
    text = "AWS_ACCESS_KEY_ID_DEV=idA\nAWS_ACCESS_KEY_ID_PROD=idB\nAWS_SECRET_ACCESS_KEY_DEV=secretA\n"
    assert pairs(filled_in(text)) == {"A": "A"}


def test_two_secrets_at_one_id_are_said_to_go_with_none() -> None:
    text = "aws_secret_key_old = secretA\naws_secret_key_new = secretB\naws_access_key_id = idB\n"
    assert set(pairs(filled_in(text)).values()) == {None}


def test_a_secret_beside_an_id_that_goes_with_another_one_goes_with_none() -> None:
    text = "AWS_ACCESS_KEY_ID=idA\nAWS_SECRET_ACCESS_KEY=secretA\nBACKUP_AWS_SECRET_ACCESS_KEY=secretB\n"
    assert pairs(filled_in(text)) == {"A": "A", "B": None}


def test_one_secret_on_several_lines_keeps_its_id() -> None:
    text = "AWS_ACCESS_KEY_ID=idA\nAWS_SECRET_ACCESS_KEY=secretA\nAWS_SECRET_KEY=secretA\n"
    assert pairs(filled_in(text)) == {"A": "A"}


def test_a_private_key_is_of_the_address_in_its_own_object() -> None:
    body = "\n".join(filled("<<[A-Za-z0-9+/]{64}>>", seed=n) for n in range(12))
    keys = [
        {"private_key": f"-----BEGIN PRIVATE KEY-----\n{n}{body}\n-----END PRIVATE KEY-----\n", "client_email": mail}
        for n, mail in enumerate(("one@acme.iam.gserviceaccount.com", "two@acme.iam.gserviceaccount.com"))
    ]
    found = [leak.native_id for leak in Precise().leaks(json.dumps([*keys, {"x": 1}]).encode(), "keys.json")]
    assert found == ["one@acme.iam.gserviceaccount.com", "two@acme.iam.gserviceaccount.com"]
