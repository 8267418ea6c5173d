"""Offboardings, their clocks and steps: what was written down beside what this scan sees."""

from __future__ import annotations

import duckdb

from nhiscan import statements
from nhiscan.model import COVERED
from nhiscan.resolve import contracts


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Fills step_facts, offboarding_facts and event_checkpoints; reads the register, holdings, facts and coverage."""
    contracts.conclude(con)
    con.execute(
        "create or replace temp table covered_statuses as select unnest($status::varchar[]) as status",
        {"status": sorted(COVERED)},
    )
    con.execute(statements.sql("nhiscan.resolve", "offboardings"))
