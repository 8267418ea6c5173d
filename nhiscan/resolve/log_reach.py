"""How far back the logs of each tenant reach, which says what an absence from them is worth."""

from __future__ import annotations

from importlib import resources

import duckdb


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Fills log_reach; reads coverage."""
    con.execute(resources.files(__package__).joinpath("log_reach.sql").read_text(encoding="utf-8"))
