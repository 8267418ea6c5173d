"""One row a sign-in of somebody in the inventory: from where, with what and how."""

from __future__ import annotations

from importlib import resources

import duckdb


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Fills sign_ins; reads usage and identities."""
    con.execute(resources.files(__package__).joinpath("sign_ins.sql").read_text(encoding="utf-8"))
