"""Salesforce's spellings -> ours: ids of 15 and 18 characters, times, host names."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_SUFFIX: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_USER: Final = re.compile(r"\(UserID: \[?(005[A-Za-z0-9]{12,15})\]?\)")


def id18(native_id: str) -> str:
    """The form of 18 characters, whose last three say which letters are capitals; other texts stay as they are."""
    if len(native_id) != 15 or not native_id.isalnum() or not native_id.isascii():
        return native_id
    bits = ["".join("1" if char.isupper() else "0" for char in native_id[at : at + 5]) for at in (0, 5, 10)]
    return native_id + "".join(_SUFFIX[int(five[::-1], 2)] for five in bits)


def moment(text: object) -> datetime | None:
    """`2026-01-31T12:00:00.000+0000`; None for nothing.

    Raises: ValueError for a text that is no time.
    """
    if text is None or text == "":
        return None
    found = datetime.fromisoformat(str(text))
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)


def domain(text: object) -> str | None:
    """The host of a mail address or of a website as people type it, without www."""
    if not isinstance(text, str):
        return None
    host = text.strip().lower()
    host = host.rpartition("@")[2] if "@" in host else host.partition("//")[2] or host
    for end in "/?#:":
        host = host.partition(end)[0]
    host = host.removeprefix("www.").rstrip(".")
    is_host = "." in host and all(char.isalnum() or char in ".-" for char in host)
    return host if is_host else None


def user_in(text: object) -> str | None:
    """The id (18) of the user whom an entry of the audit trail is about."""
    found = _USER.search(text) if isinstance(text, str) else None
    return id18(found[1]) if found else None
