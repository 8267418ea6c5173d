"""Fills `partner_holdings`: everything that lets a partner act in our systems, or is known to it.

Attribution says whose an identity is today. What a partner held under an alias that has ended, or that others share, it
may hold still; so both are looked at again here, and what shows by them alone is a holding in dispute.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import duckdb

from nhiscan import statements
from nhiscan.resolve import decisions, known_secrets, partners

_AGAIN: Final = ("ours", "past_keys", "partner_claims", "past_claims")
_WHO: Final = ("partner_rows", "held_tokens", "holders")
_WHAT: Final = ("known", "holdings")


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Reads the derived tables of facts, resources, policies and sightings."""
    decisions.match(con)
    partners.read_register(con)
    con.execute(
        "create or replace temp table keys_in_force as "
        "select distinct kind, key, partner_id, our_tenant from alias_keys"
    )
    partners.read_register(con, is_every=True)
    _execute(con, _AGAIN)
    _execute(con, _WHO)
    known_secrets.run(con)
    _execute(con, _WHAT)


def _execute(con: duckdb.DuckDBPyConnection, names: Iterable[str]) -> None:
    for name in names:
        con.execute(statements.sql("nhiscan.resolve", name))
