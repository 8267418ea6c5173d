from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from nhiscan.detect.precise import claims


def _token(payload: Any) -> str:
    text = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    return f"e30.{base64.urlsafe_b64encode(text).decode().rstrip('=')}.c2ln"


@pytest.mark.parametrize(
    ("said", "native_id"),
    [
        ({"client_id": "app", "azp": "b", "sub": "c"}, "app"),
        ({"azp": "app", "appid": "b"}, "app"),
        ({"appid": "app", "sub": "c"}, "app"),
        ({"cid": "app", "sub": "c"}, "app"),
        ({"sub": "system:serviceaccount:ci:deploy"}, "system:serviceaccount:ci:deploy"),
        ({"client_id": "", "sub": "c"}, "c"),
        ({"client_id": 7, "sub": ["c"]}, None),
        ({}, None),
    ],
)
def test_the_app_of_a_token_comes_before_its_subject(said: dict[str, Any], native_id: str | None) -> None:
    assert claims.read(_token(said)).native_id == native_id


_TENANT = "11111111-2222-4333-8444-555555555555"


@pytest.mark.parametrize(
    ("issuer", "tenant"),
    [
        (f"https://login.microsoftonline.com/{_TENANT}/v2.0", f"azure:{_TENANT}"),
        (f"https://sts.windows.net/{_TENANT}/", f"azure:{_TENANT}"),
        (f"https://sts.windows.net.evil.example/{_TENANT}/", f"https://sts.windows.net.evil.example/{_TENANT}/"),
        ("https://idp.example", "https://idp.example"),
        (None, None),
    ],
)
def test_a_tenant_of_entra_has_its_name_and_other_issuers_their_address(issuer: str | None, tenant: str | None) -> None:
    assert claims.read(_token({"iss": issuer})).issuer_tenant == tenant


@pytest.mark.parametrize(
    ("seconds", "moment"),
    [
        (1767225600, datetime(2026, 1, 1, tzinfo=UTC)),
        (1767225600.5, datetime(2026, 1, 1, 0, 0, 0, 500_000, tzinfo=UTC)),
        (10**30, None),
        (float("inf"), None),
        (-1, None),
        (True, None),
        ("1767225600", None),
        (None, None),
    ],
)
def test_a_token_ends_when_it_says_if_that_is_a_time(seconds: Any, moment: datetime | None) -> None:
    assert claims.read(_token({"exp": seconds})).expires_at == moment


@pytest.mark.parametrize(
    "token", ["", "a", "a.b", "a.!!!.c", _token(b"\xff\xfe"), _token([]), _token(b"[" * 100_000), _token("text")]
)
def test_what_is_no_token_says_nothing(token: str) -> None:
    assert claims.read(token) == claims.Claims(None, None, None)


def test_a_long_claim_is_cut() -> None:
    assert len(claims.read(_token({"sub": "x" * 5_000})).native_id or "") == 200
