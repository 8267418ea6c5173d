"""One row a sign-in of somebody in the inventory: from where, with what and how."""

from __future__ import annotations

import duckdb

from nhiscan import statements


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Fills sign_ins; reads usage and identities."""
    con.execute(statements.sql("nhiscan.resolve", "sign_ins"))
