"""What the scanner may not see, and what that hides; what it may do beyond seeing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import duckdb

from nhiscan import collect, statements
from nhiscan.model import COVERED, Coverage
from nhiscan.rule import Rule

# A sample may leave something out that another answer names, so "partial" alone says nothing here.
_TELLING: Final = frozenset({"denied", "failed", "unsupported", "not_licensed"})


@dataclass(frozen=True, slots=True)
class Gap:
    """A dataset of one tenant that cannot be read, and the rules that cannot judge without it."""

    tenant_id: str
    dataset: str
    status: str
    reason: str | None
    missing_permission: str | None
    hides: tuple[str, ...]

    @property
    def is_mendable(self) -> bool:
        """Not so where a system cannot say it at all, or the settings do not ask: no scan is incomplete for that."""
        return self.status not in ("unsupported", "not_licensed")


@dataclass(frozen=True, slots=True)
class Examined:
    """One tenant: how many datasets can be read, and what stands against the rest."""

    tenant_id: str
    readable: int
    gaps: tuple[Gap, ...]


@dataclass(frozen=True, slots=True)
class Excess:
    """A right of the scanner's own identity that reading an inventory does not need."""

    identity_id: str
    verb: str
    scope: str
    certainty: str
    statement: str | None


def examine(collectors: Iterable[collect.Collector], ctx: collect.Context, rules: Sequence[Rule]) -> Iterator[Examined]:
    """Tries every collector on a few things of each kind; one answer a tenant, in the order of the configuration.

    `ctx` should be a sample (`Context.is_sample`), or this takes as long as a scan.
    Raises: what `collect.run` lets pass, which is what the configuration has to mend.
    """
    for collector in collectors:
        by_tenant: dict[str, list[Coverage]] = {}
        for record in collect.run(collector, ctx):
            if isinstance(record, Coverage):
                by_tenant.setdefault(record.tenant_id, []).append(record)
        for tenant_id, records in by_tenant.items():
            gaps = [_gap(record, rules) for record in records if _is_gap(record)]
            yield Examined(tenant_id, len(records) - len(gaps), tuple(gaps))


def _is_gap(record: Coverage) -> bool:
    if record.status in COVERED:
        return False
    if record.provider == "register":  # what nobody keeps in the register is not a permission
        return record.status in ("denied", "failed")
    return record.status in _TELLING or record.missing_permission is not None


def _gap(record: Coverage, rules: Sequence[Rule]) -> Gap:
    hides = sorted(rule.rule_id for rule in rules if record.dataset in (*rule.needs, *rule.if_offered, *rule.absence))
    return Gap(record.tenant_id, record.dataset, record.status, record.reason, record.missing_permission, tuple(hides))


def alike(gaps: Iterable[Gap]) -> list[list[Gap]]:
    """Gaps of one tenant that the same thing mends, together, in the order of the first of each."""
    found: dict[tuple[str, str | None, str | None], list[Gap]] = {}
    for gap in gaps:
        found.setdefault((gap.status, gap.reason, gap.missing_permission), []).append(gap)
    return list(found.values())


def excess(con: duckdb.DuckDBPyConnection) -> list[Excess]:
    """What the identities that made a scan may do beyond reading, as that scan found it; the strongest first."""
    sql = statements.sql("nhiscan", "doctor")
    return [Excess(*row) for row in con.execute(sql).fetchall()]


def unplaced(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """(tenant, identity) of scanners that the inventory does not hold, so that nothing is known of their rights."""
    rows: list[tuple[str, str]] = con.execute(
        """
        select s.tenant_id, s.identity_id
        from scanners s
        left join identities i on i.identity_id = s.identity_id
        where i.identity_id is null
        order by all
        """
    ).fetchall()
    return rows
