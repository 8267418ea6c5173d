"""One row an identity, a credential and a partner: what rules and reports read instead of joining everything again."""

from __future__ import annotations

from importlib import resources
from typing import Final

import duckdb

from nhiscan.resolve import contracts, owners

_STEPS: Final = ("fact_parts.sql", "identity_facts.sql", "credential_facts.sql", "partner_facts.sql")


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Fills identity_facts, credential_facts and partner_facts; reads every other derived table of resolve."""
    owners.read_people(con)
    contracts.conclude(con)
    for name in _STEPS:
        con.execute(resources.files(__package__).joinpath(name).read_text(encoding="utf-8"))
