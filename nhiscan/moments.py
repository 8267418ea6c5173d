"""Times in tables, which hold UTC without a zone, and everywhere else, where they are aware."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import overload


@overload
def naive(moment: datetime) -> datetime: ...
@overload
def naive(moment: None) -> None: ...
def naive(moment: datetime | None) -> datetime | None:
    """As the tables hold it; a time without a zone is taken from one."""
    if moment is None or moment.tzinfo is None:
        return moment
    return moment.astimezone(UTC).replace(tzinfo=None)


@overload
def aware(moment: datetime) -> datetime: ...
@overload
def aware(moment: None) -> None: ...
def aware(moment: datetime | None) -> datetime | None:
    """A time of a table."""
    return None if moment is None else moment.replace(tzinfo=UTC)
