"""Which regions of an account are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

from nhiscan.collect import Refusal
from nhiscan.model import COVERED, Coverage, Record

from .fetch import ask

ALL: Final = ("all",)
CALL: Final = "ec2:DescribeRegions"
# Where a partition's global services sign, and where their events are logged.
_HOMES: Final = {"aws": "us-east-1", "aws-cn": "cn-north-1", "aws-us-gov": "us-gov-west-1"}
# What is asked region by region; the rest is global.
REGIONAL: Final = frozenset(
    {
        "external_access",
        "grants",
        "issuers.certificates",
        "resources",
        "settings.logging",
        "sightings.environment",
        "sightings.parameters",
        "sightings.tags",
        "sightings.user_data",
        "stored_secrets",
        "stored_secrets.last_used",
        "stored_secrets.rotation",
        "usage.calls",
        "workloads",
    }
)


def home(partition: str) -> str:
    return _HOMES.get(partition, "us-east-1")


def first(settings: Sequence[str], partition: str) -> str:
    """The region that signs calls to global services: the first one named, else the partition's."""
    return home(partition) if tuple(settings) == ALL else settings[0]


def usable(open_client: Callable[[str, str], Any], front: str) -> tuple[Sequence[str], Refusal | None]:
    """Every region that the account has opted in to, `front` first; after a refusal only that one."""
    answer = ask(CALL, lambda: open_client("ec2", front).describe_regions())
    if isinstance(answer, Refusal):
        return (front,), answer
    others = sorted(item["RegionName"] for item in answer["Regions"] if item["RegionName"] != front)
    return (front, *others), None


def with_unlisted(record: Record, front: str, refusal: Refusal | None) -> Record:
    """A coverage record of regional data as it stands when the account's regions could not be listed."""
    if refusal is None or not isinstance(record, Coverage) or record.dataset not in REGIONAL:
        return record
    if record.status not in COVERED | {"partial"}:
        return record
    reason = f"the regions could not be listed ({refusal.reason}): only {front} was read"
    return replace(
        record,
        status="partial",
        reason=reason if record.reason is None else f"{record.reason}; {reason}",
        missing_permission=", ".join(filter(None, (record.missing_permission, refusal.missing_permission))) or None,
        call=", ".join(filter(None, (record.call, refusal.call))),
    )
