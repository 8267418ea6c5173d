"""One row an app of a CRM: as whom it can act by the tokens that it holds, and how it gets and keeps them."""

from __future__ import annotations

from importlib import resources

import duckdb


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Fills app_facts; reads identity_facts and privileges."""
    for name in ("partner_rows.sql", "held_tokens.sql", "app_facts.sql"):
        con.execute(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))
