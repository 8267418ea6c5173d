"""Fills `privileges`: what each identity can do in the common verbs, with the statement that allows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

import duckdb

from nhiscan import statements
from nhiscan.resolve import app_rights, aws_iam, table_privileges, vault

EVALUATORS: Final[Mapping[str, Callable[[duckdb.DuckDBPyConnection], None]]] = {
    "aws": aws_iam.run,
    "vault": vault.run,
}
_DATASETS: Final = ["policies", "memberships"]


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Evaluates every provider that is present: by its own evaluator, or by its grants and its collector's table.

    Where policies, grants or memberships were not read completely, an identity keeps what was found and gains a row
    `unknown` that names the dataset. Raises: ConfigError when a collector's table is wrong.
    """
    con.execute("delete from privileges")
    for (provider,) in con.execute("select distinct provider from identities order by provider").fetchall():
        if provider in EVALUATORS:
            EVALUATORS[provider](con)
            needed = _DATASETS
        elif table_privileges.is_offered(con, provider):
            table_privileges.run(con, provider)
            needed = table_privileges.datasets(con, provider)
        else:
            continue
        con.execute(statements.sql("nhiscan.resolve", "privileges_uncovered"), {"provider": provider, "needed": needed})
    app_rights.run(con)


def check(provider: str) -> None:
    """Raises: ConfigError when its collector has a privileges.toml that the engine cannot use."""
    if provider not in EVALUATORS:
        table_privileges.table(provider)
