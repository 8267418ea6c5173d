"""Fills `acceptance_facts`: of each acceptance, what it is about and who stands for it."""

from __future__ import annotations

from importlib import resources

import duckdb

from nhiscan.resolve import owners


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Reads acceptances, people and the facts tables, which hold whatever can be accepted."""
    owners.read_people(con)
    con.execute(resources.files(__package__).joinpath("acceptances.sql").read_text(encoding="utf-8"))
