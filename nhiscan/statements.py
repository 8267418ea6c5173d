"""SQL that stands in a file beside the module that runs it, and its answers by name."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import duckdb

Row = dict[str, Any]


def sql(package: str, name: str) -> str:
    """The text of `<name>.sql` in a package; `name` may lead into its folders."""
    return resources.files(package).joinpath(f"{name}.sql").read_text(encoding="utf-8")


def answer(
    con: duckdb.DuckDBPyConnection, statement: str, params: dict[str, Any] | list[Any] | None = None
) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The columns of a query and its rows; the columns are known without rows too."""
    con.execute(statement, params)
    return tuple(column[0] for column in con.description or ()), con.fetchall()


def rows(con: duckdb.DuckDBPyConnection, statement: str, params: dict[str, Any] | list[Any] | None = None) -> list[Row]:
    """The rows of a query, each by column."""
    columns, found = answer(con, statement, params)
    return [dict(zip(columns, row, strict=True)) for row in found]
