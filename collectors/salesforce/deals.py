"""How many deal objects each owner has. Counts only: no record is read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from nhiscan.model import RecordCount

from .api import Refusal
from .org import Org, quoted

_PAGE: Final = 2000  # groups that one answer holds; a query with GROUP BY has no second page
_MOST_PAGES: Final = 50
_NEEDS: Final = "Read and View All Records on {name}"


@dataclass
class Counted:
    """`totals`: by object, where it could be counted."""

    totals: dict[str, int] = field(default_factory=dict)
    records: list[RecordCount] = field(default_factory=list)


def read(org: Org, names: Iterable[str]) -> Counted:
    """Counts of each object by owner; short where the scanner may not see every record."""
    counted = Counted()
    for name in names:
        needs = _NEEDS.format(name=name)
        owners = _by_owner(org, name)
        if isinstance(owners, Refusal) and owners.column == "OwnerId":  # belongs to whoever owns its parent
            total = org.count(f"SELECT COUNT() FROM {name}", "objects.records", needs=needs)
            if total is not None:
                counted.totals[name] = total
        elif isinstance(owners, Refusal):
            org.tally.refuse(owners, "objects.records", needs=needs)
            continue
        else:
            org.tally.answer("objects.records")
            counted.totals[name] = sum(owners.values())
            counted.records += record_counts(org, name, owners)
        if name not in org.seen_whole:
            reason = "counts what the scanner may see, which is not known to be all"
            org.tally.refuse(Refusal("partial", f"query {name}", reason, needs), "objects.records")
    if counted.records and org.tally.refused["identities"]:
        reason = "not all users were read, and what the others own is counted as of nobody"
        org.tally.refuse(Refusal("partial", "query User", reason), "objects.records")
    return counted


def record_counts(org: Org, name: str, owners: dict[str, int]) -> list[RecordCount]:
    """One row an owner that was collected; the others, such as queues, share one row."""
    known: dict[str | None, int] = {}
    for owner, count in owners.items():
        identity_id = org.identity_id(owner)
        key = identity_id if identity_id in org.identities else None
        known[key] = known.get(key, 0) + count
    resource_id = f"{org.tenant_id}:crm_object/{name}"
    return [RecordCount(resource_id=resource_id, identity_id=key, records=count) for key, count in known.items()]


def _by_owner(org: Org, name: str) -> dict[str, int] | Refusal:
    """Every owner's count, as many owners at a time as one answer holds."""
    found: dict[str, int] = {}
    after = ""
    for _ in range(_MOST_PAGES):
        where = f"WHERE OwnerId > {quoted(after)} " if after else ""
        rows = org.api.query(
            f"SELECT OwnerId, COUNT(Id) n FROM {name} {where}GROUP BY OwnerId ORDER BY OwnerId LIMIT {_PAGE}"
        )
        page = {str(row["OwnerId"]): int(row["n"]) for row in rows}
        if rows.refusal is not None:
            return rows.refusal
        fresh = page.keys() - found.keys()
        found.update(page)
        if len(page) < _PAGE or not fresh or org.ctx.is_sample:
            return found
        after = list(page)[-1]
    return Refusal("truncated", f"query {name}", f"stopped after {_MOST_PAGES * _PAGE} owners")
