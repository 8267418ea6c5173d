"""Sign-ins and exports -> events whose ids are the same whenever a row is exported again."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from datetime import datetime
from typing import Final

from nhiscan.model import Use

from .people import PROVIDER
from .reading import Row
from .tables import LEFT_OUT

_PORT: Final = re.compile(r"\[?([0-9A-Fa-f:.]+?)\]?(?::\d{1,5})?")
_COUNTRY: Final = re.compile(r"[A-Za-z]{2}")


class Numbered:
    """Ids of events: by all that a row says, and among equal rows of one moment by its number.

    So exports that overlap say the same of the same event. An id of the tool's own is not taken alone: where it names
    something else, such as a session, events of the same id would be one, and the others lost.
    """

    def __init__(self, tenant_id: str, kind: str) -> None:
        self._prefix = f"{tenant_id}:{kind}/"
        self._at: datetime | None = None
        self._equals: Counter[str] = Counter()

    def id_of(self, row: Row) -> str:
        if "id" in row:
            said = f"{row['at']}\x1f{row['user']}\x1f{row.get('outcome')}"
            return f"{self._prefix}{row['id']}-{_digest(said)[:8]}"
        if row["at"] != self._at:
            self._at = row["at"]
            self._equals.clear()
        digest = _digest("\x1f".join([f"{name}={row[name]}" for name in sorted(row)]))
        self._equals[digest] += 1
        number = self._equals[digest]
        return f"{self._prefix}{digest}" + (f"-{number}" if number > 1 else "")


def _digest(said: str) -> str:
    return hashlib.sha256(said.encode(errors="surrogatepass")).hexdigest()[:24]


def is_left_out(row: Row) -> bool:
    return row.get("outcome") == LEFT_OUT


def sign_in(tenant_id: str, event_id: str, row: Row, identity_id: str) -> Use:
    programs = " ".join(part for part in (row.get("browser"), row.get("platform")) if part)
    return Use(
        event_id=event_id,
        provider=PROVIDER,
        tenant_id=tenant_id,
        occurred_at=row["at"],
        kind="login",
        action="login",
        outcome=row["outcome"],
        identity_id=identity_id,
        is_interactive=row.get("is_interactive", True),
        source_ip=address(row.get("ip")),
        user_agent=row.get("user_agent") or programs or None,
        target=row["user"],
        dataset="usage.logins",
        app=row.get("app"),
        flow=row.get("flow"),
        country=country(row.get("country") or (row.get("location") or "").rpartition(",")[2]),
        reason=row.get("reason") if row["outcome"] == "failure" else None,
    )


def export(tenant_id: str, event_id: str, row: Row, identity_id: str) -> Use:
    outcome = row.get("outcome", "success")
    return Use(
        event_id=event_id,
        provider=PROVIDER,
        tenant_id=tenant_id,
        occurred_at=row["at"],
        kind="export",
        action="export",
        outcome=outcome,
        identity_id=identity_id,
        source_ip=address(row.get("ip")),
        target=row.get("target"),
        dataset="usage.exports",
        rows=row.get("rows"),
        reason=row.get("reason") if outcome == "failure" else None,
    )


def address(text: str | None) -> str | None:
    """Without the port that some logs write behind it."""
    if text is None:
        return None
    is_with_port = text.startswith("[") or text.count(":") == 1
    found = _PORT.fullmatch(text) if is_with_port else None
    return found[1] if found else text


def country(text: str) -> str | None:
    """Two letters in capitals; a name as the log writes it."""
    text = text.strip()
    return (text.upper() if _COUNTRY.fullmatch(text) else text) or None
