"""One row an identity, a credential and a partner: what rules and reports read instead of joining everything again."""

from __future__ import annotations

from typing import Final

import duckdb

from nhiscan import statements
from nhiscan.resolve import contracts, networks, owners

_STEPS: Final = (
    "ours",
    "tenants",
    "partner_rows",
    "held_tokens",
    "fact_parts",
    "identity_facts",
    "credential_facts",
    "partner_facts",
    "revocations",
)


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Fills the three tables of facts and revocations; reads every other derived table of resolve."""
    owners.read_people(con)
    contracts.conclude(con)
    networks.read(con)
    for name in _STEPS:
        con.execute(statements.sql("nhiscan.resolve", name))
