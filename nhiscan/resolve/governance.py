"""What people decide about partners over their life: who answers for a stage; what was reviewed, asked for, renewed."""

from __future__ import annotations

from typing import Final

import duckdb

from nhiscan import statements
from nhiscan.resolve import contracts, owners

_STEPS: Final = ("partner_rows", "stage_owners", "contract_renewals", "review_facts", "access_changes")


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Fills stage_owners, contract_renewals, review_facts and access_changes; reads the facts tables."""
    owners.read_people(con)
    contracts.conclude(con)
    for name in _STEPS:
        con.execute(statements.sql("nhiscan.resolve", name))
