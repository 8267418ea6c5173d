"""Fills `change_facts`: changes of partners' access beside the requests and reviews that answer for them."""

from __future__ import annotations

import duckdb

from nhiscan import statements


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Reads usage, requests, reviews and identity_facts."""
    con.execute(statements.sql("nhiscan.resolve", "changes"))
