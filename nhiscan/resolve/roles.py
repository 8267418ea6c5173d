"""One row a profile, permission set, role or group of a CRM: who is in it, and whose people these are."""

from __future__ import annotations

from importlib import resources

import duckdb


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Fills role_facts; reads identity_facts."""
    for name in ("partner_rows.sql", "group_members.sql", "role_facts.sql"):
        con.execute(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))
