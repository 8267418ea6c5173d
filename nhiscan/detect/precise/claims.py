"""What a JSON Web Token says of itself: who made it, for which app or account, until when."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

_LONGEST: Final = 200
_NO_TIME: Final = 1 << 35  # seconds: year 3058
# In the order in which they tell an app: OAuth's own claim, OpenID's, Microsoft's older and Okta's.
_CLIENTS: Final = ("client_id", "azp", "appid", "cid")
_ENTRA: Final = re.compile(
    r"https://(?:login\.microsoftonline\.(?:com|us)|sts\.windows\.net)/(?P<tenant>[0-9a-f-]{36})(?:/.*)?"
)


class Claims(NamedTuple):
    """`native_id`: the app it was made for, else its subject. `issuer_tenant`: `azure:<tenant>`, else an address."""

    native_id: str | None
    issuer_tenant: str | None
    expires_at: datetime | None


def read(token: str) -> Claims:
    """Its signature is not looked at, and nobody is asked. Nothing is said of a token that cannot be read."""
    claims = _decoded(token)
    issuer = _text(claims, "iss")
    entra = _ENTRA.fullmatch(issuer or "")
    named = (_text(claims, name) for name in (*_CLIENTS, "sub"))
    return Claims(
        native_id=next((name for name in named if name), None),
        issuer_tenant=f"azure:{entra['tenant']}" if entra else issuer,
        expires_at=_moment(claims.get("exp")),
    )


def _decoded(token: str) -> Mapping[str, Any]:
    payload = token.split(".")[1] if token.count(".") >= 1 else ""
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _text(claims: Mapping[str, Any], name: str) -> str | None:
    said = claims.get(name)
    return said[:_LONGEST] if isinstance(said, str) and said else None


def _moment(seconds: Any) -> datetime | None:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < _NO_TIME:
        return None
    return datetime.fromtimestamp(seconds, UTC)
