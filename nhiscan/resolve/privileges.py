"""Fills `privileges`: what each identity can do in the common verbs, with the statement that allows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import resources
from typing import Final

import duckdb

from nhiscan.resolve import aws_iam, vault

EVALUATORS: Final[Mapping[str, Callable[[duckdb.DuckDBPyConnection], None]]] = {
    "aws": aws_iam.run,
    "vault": vault.run,
}


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Evaluates every provider that is present and known.

    Where policies or memberships were not read completely, an identity keeps what was found and gains a row
    `unknown` that names the dataset.
    """
    con.execute("delete from privileges")
    for (provider,) in con.execute("select distinct provider from identities order by provider").fetchall():
        if provider in EVALUATORS:
            EVALUATORS[provider](con)
            con.execute(_sql("privileges_uncovered"), [provider])


def _sql(name: str) -> str:
    return resources.files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
