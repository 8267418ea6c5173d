"""How far back the logs of each tenant reach, which says what an absence from them is worth."""

from __future__ import annotations

import duckdb

from nhiscan import statements


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Fills log_reach; reads coverage."""
    con.execute(statements.sql("nhiscan.resolve", "log_reach"))
