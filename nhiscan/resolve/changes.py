"""Fills `change_facts`: changes of partners' access beside the requests and reviews that answer for them."""

from __future__ import annotations

from importlib import resources

import duckdb


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Reads usage, requests, reviews and identity_facts."""
    con.execute(resources.files(__package__).joinpath("changes.sql").read_text(encoding="utf-8"))
