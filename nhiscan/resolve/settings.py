"""One row a policy value of a CRM: to how many outsiders and partners' people it applies."""

from __future__ import annotations

from importlib import resources

import duckdb


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Fills setting_facts; reads identity_facts."""
    for name in ("partner_rows.sql", "group_members.sql", "setting_facts.sql"):
        con.execute(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))
