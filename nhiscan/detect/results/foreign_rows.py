"""A finding of another scanner, and how each of its fields is read from what scanners write."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from nhiscan.errors import ConfigError
from nhiscan.secret import Secret

_LONGEST: Final = 4_096  # characters of a path, rule or author that are kept
# Whole values that stand for one, and what is left of one where the middle or the end is blanked out.
_MASKED: Final = re.compile(r"redacted|\*{3,}|(?:\.\.\.|…)$|\[\.\.\.\]|^[x*•.]+$", re.IGNORECASE)
_MAIL: Final = re.compile(r"<([^<>]+)>\s*$")
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d+)? ?(Z|UTC|[+-]\d\d:?\d\d)?")
_GIT_TIME: Final = "%a %b %d %H:%M:%S %Y %z"  # as `git log` writes it
_DIGITS: Final = 11


@dataclass(frozen=True, slots=True)
class Foreign:
    """One finding. `value` None: the file holds none, or a masked one. `context`: what stands around the value.

    `fingerprint`: one that nhiscan made. `is_verified`: the scanner asked the provider, which took or refused it.
    """

    rule: str
    path: str
    line: int | None = None
    value: Secret | None = None
    context: Secret | None = None
    fingerprint: str | None = None
    severity: str | None = None
    commit: str | None = None
    author: str | None = None
    at: datetime | None = None
    is_verified: bool | None = None


class Unusable(Exception):  # noqa: N818 - no error of the program: one row is counted and the next one read
    """A row that says too little; the argument is what it lacks."""


class SetAside(Exception):  # noqa: N818 - as above
    """A row that is no open finding of a secret."""


@dataclass(frozen=True)
class Reading:
    """A recognised file: its rows as they stand there, and what makes a finding of one."""

    tool: str
    version: str | None
    at: datetime | None
    items: list[Any]
    row: Callable[[Any], Foreign]


def broken(path: Path, what: str) -> ConfigError:
    """The error of a file that no finding is taken from."""
    return ConfigError(f"{path} is damaged: {what}", hint="export the findings again, in full and alone in their file")


def rule_of(value: Any) -> str:
    """Raises: Unusable where no rule is named."""
    if not isinstance(value, str) or not value.strip():
        raise Unusable("without a rule")
    return _cut(value.strip())


def path_of(value: Any) -> str:
    """The path as others write it too. Raises: Unusable where none is named."""
    if not isinstance(value, str) or not value.strip("./"):
        raise Unusable("without a file")
    path = value.removeprefix("file://")
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    return _cut(path)


def line_of(value: Any) -> int | None:
    """None where there is none; several scanners write 0 then."""
    if isinstance(value, str) and value.isdecimal() and len(value) < _DIGITS:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31 else None


def value_of(value: Any) -> Secret | None:
    """None where there is none, or a masked one."""
    return Secret(value) if isinstance(value, str) and value.strip() and not _MASKED.search(value) else None


def severity_of(value: Any) -> str | None:
    word = str(value).lower()
    return word if word in ("critical", "high", "medium", "low") else None


def text_of(value: Any) -> str | None:
    return _cut(value.strip()) if isinstance(value, str) and value.strip() else None


def mail_of(value: Any) -> str | None:
    """`Name <mail>` -> mail."""
    text = text_of(value)
    found = _MAIL.search(text) if text else None
    return found[1] if found else text


def _cut(text: str) -> str:
    return text[:_LONGEST]


def moment_of(value: Any) -> datetime | None:
    """A time in one of the scanners' spellings; without a zone it is UTC, None where it cannot be read."""
    if not isinstance(value, str):
        return None
    if found := _TIME.match(value):
        zone = (found[3] or "Z").replace("UTC", "Z")
        return _parsed(lambda: datetime.fromisoformat(f"{found[1]}T{found[2]}{zone}"))
    return _parsed(lambda: datetime.fromisoformat(value)) or _parsed(lambda: datetime.strptime(value, _GIT_TIME))


def _parsed(read: Callable[[], datetime]) -> datetime | None:
    try:
        moment = read()
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def is_valid(status: Any) -> bool | None:
    """The words of kingfisher and betterleaks for what a provider said to a value."""
    words = str(status).lower()
    if words in ("active credential", "active", "valid", "verified_active"):
        return True
    return False if words in ("inactive credential", "inactive", "invalid", "revoked", "verified_inactive") else None
