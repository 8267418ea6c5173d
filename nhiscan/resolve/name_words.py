"""Fills `name_words`: the names of partners' accounts word by word, because SQL that runs everywhere cannot split."""

from __future__ import annotations

from importlib import resources

import duckdb


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Reads identities, identity_facts, partners and company."""
    con.execute(resources.files(__package__).joinpath("name_words.sql").read_text(encoding="utf-8"))
