"""What an app can do with the tokens that it holds: what their users can do, as far as its scopes let it.

A right to ask for a token (pre-authorisation) is no access; the token of a removed app still is.
"""

from __future__ import annotations

import duckdb

from nhiscan import statements


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Adds privileges of the apps to those of their users, which it reads."""
    _execute(con, "held_tokens")
    _execute(con, "app_privileges")


def edges(con: duckdb.DuckDBPyConnection) -> None:
    """Writes an edge acts-as from each app to each user as whom it may do everything, or perhaps everything."""
    _execute(con, "held_tokens")
    _execute(con, "app_edges")


def _execute(con: duckdb.DuckDBPyConnection, name: str) -> None:
    con.execute(statements.sql("nhiscan.resolve", name))
