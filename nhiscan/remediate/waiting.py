"""When nobody needs the old credential any more, as far as that can be known: pure functions of what was seen.

No signal of use is not the same as no use: without one the whole time passes, and people decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from nhiscan.remediate.contract import Capabilities, Observation
from nhiscan.remediate.history import WaitsFor


@dataclass(frozen=True, slots=True)
class Wait:
    """`until`: when to look again; None: when somebody has done something."""

    waits_for: WaitsFor
    says: str
    until: datetime | None = None


def for_quiet(
    can: Capabilities, seen: Observation, new_id: str | None, *, wait_s: int, since: datetime, now: datetime
) -> Wait | None:
    """What stands against ending the old credential; None: nothing. `since`: when the new one was handed out.

    The old one has to be unused for all of the time, counted anew from each use, and for twice as long as uses take to
    be told; the new one has to be in use.
    """
    pause = max(timedelta(seconds=wait_s), 2 * can.usage_lag)
    if can.usage == "none":
        return _until(since + pause, now, "the provider tells no use: the time for all who use the old one to change")
    if not seen.usage_known:
        return Wait("usage", "the last use cannot be read any more, which says nothing about use", since + pause)
    last = seen.last_used_at
    if last is not None and last > since:
        wait = _until(last + pause, now, "the old one is still used", waits_for="usage")
    else:
        wait = _until(since + pause, now, "the time for all who use the old one to change")
    if wait is not None:
        return wait
    used = seen.used.get(new_id) if new_id is not None else None
    if new_id in seen.others and (used is None or used < since):
        return Wait("usage", "nobody has used the new one yet: whoever needs it may still hold the old one")
    return None


def for_observation(off_at: datetime | None, *, wait_s: int, now: datetime) -> Wait | None:
    """What stands against deleting what was switched off: the time in which somebody may miss it."""
    if off_at is None:
        return Wait("time", "it was never switched off")
    return _until(off_at + timedelta(seconds=wait_s), now, "whether somebody misses it")


def for_missed(
    can: Capabilities, seen: Observation, off_at: datetime | None, *, wait_s: int, now: datetime
) -> Wait | None:
    """What stands against deleting what somebody tried to use although it was off: counted anew from each try."""
    used = seen.last_used_at
    if off_at is None or used is None or used <= off_at + can.settles_in:
        return None
    says = f"somebody tried the old one at {used.isoformat()}, after it was switched off: roll back if they need it"
    return _until(used + timedelta(seconds=wait_s), now, says, waits_for="usage")


def for_return(
    can: Capabilities, seen: Observation, new_id: str, *, wait_s: int, since: datetime | None, now: datetime
) -> Wait | None:
    """What stands against ending the new credential in a rollback. `since`: when the old one was handed out again."""
    if since is None:  # nobody was ever given the new one
        return None
    pause = max(timedelta(seconds=wait_s), 2 * can.usage_lag)
    used = seen.used.get(new_id)
    if used is not None and used > since:
        return _until(used + pause, now, "the new one is still used", waits_for="usage")
    return _until(since + pause, now, "the time for all who use the new one to go back")


def _until(until: datetime, now: datetime, says: str, *, waits_for: WaitsFor = "time") -> Wait | None:
    return Wait(waits_for, says, until) if now < until else None
