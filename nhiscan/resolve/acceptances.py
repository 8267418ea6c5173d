"""Fills `acceptance_facts`: of each acceptance, what it is about and who stands for it."""

from __future__ import annotations

import duckdb

from nhiscan import statements
from nhiscan.resolve import owners


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Reads acceptances, people and the facts tables, which hold whatever can be accepted."""
    owners.read_people(con)
    con.execute(statements.sql("nhiscan.resolve", "acceptances"))
