"""How the report reads a scan: rows by the name of a query, masked where somebody else is not to be seen."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb

from nhiscan import statements
from nhiscan.narrow import MASK, Scope
from nhiscan.statements import Row

# Columns of closed words and of our own texts; everything else may quote somebody and is masked in a narrowed report.
_OUR_WORDS: Final = frozenset(
    """
    provider tenant_id environment dataset status missing_permission call kind rule_id lead_rule_id family title why
    fix version params refuted_by control_id severity band outcome verdict certainty verb scope source role label
    uncovered not_assessed subject subject_kind case_id finding_id lead_finding_id person_status owner_status
    business_owner_status mechanism principal_kind external_id_check audience_check subject_check mfa_state
    last_used_source risk_tier criticality holds field problem allowed scan_id tool_version company
    """.split()  # noqa: SIM905 - fifty words as a list are fifty lines
)


@dataclass(frozen=True)
class Reader:
    """Reads rows by the name of a query; in a narrowed report no text leaves without passing the mask."""

    con: duckdb.DuckDBPyConnection
    scope: Scope | None
    dropped: list[str] = field(default_factory=list)

    def rows(self, query: str, **params: Any) -> list[Row]:
        return self._rows(statements.sql("nhiscan.reports", f"sql/{query}"), params)

    def named(self, query: str, **params: str) -> list[Row]:
        """Rows of a query of the shipped pack."""
        return self._rows(statements.sql("nhiscan.reports", f"queries/{query}"), params)

    def _rows(self, sql: str, params: Mapping[str, Any]) -> list[Row]:
        found = statements.rows(self.con, sql, dict(params) or None)
        return found if self.scope is None else [self._masked(row) for row in found]

    def evidence(self, query: str, **params: Any) -> list[Row]:
        """Rows that only serve to convince: one that quotes somebody else is left out whole."""
        rows = self.rows(query, **params)
        kept = [row for row in rows if not any(isinstance(value, str) and MASK in value for value in row.values())]
        self.dropped.extend([query] * (len(rows) - len(kept)))
        return kept

    def one(self, query: str) -> Row:
        return self.rows(query)[0]

    def _masked(self, row: Row) -> Row:
        mask = self.scope.words.mask if self.scope is not None else str
        return {
            name: mask(value) if isinstance(value, str) and name not in _OUR_WORDS else value
            for name, value in row.items()
        }


def anchor(kind: str, of: object) -> str:
    """An id for a place on the page, made from a hash: no character of an outside value reaches an address."""
    return f"{kind}-{hashlib.sha256(str(of).encode()).hexdigest()[:12]}"
