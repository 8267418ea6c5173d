"""Fills `name_words`: the names of partners' accounts word by word, because SQL that runs everywhere cannot split."""

from __future__ import annotations

import duckdb

from nhiscan import statements


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Reads identities, identity_facts, partners and company."""
    con.execute(statements.sql("nhiscan.resolve", "name_words"))
