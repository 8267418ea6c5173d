"""Statements kept in files, and what they answer."""

from __future__ import annotations

import duckdb
import pytest

from nhiscan import statements

DAYS = "select * from (values ('k1', 30), ('k2', 90)) keys(id, days) where days > $least order by id"


@pytest.mark.parametrize(
    ("package", "name", "begins"),
    [
        ("nhiscan", "doctor", "-- Rights of the scanner's own identities"),
        ("nhiscan.reports", "sql/narrow/all", "-- every partner that a case concerns"),
    ],
)
def test_a_statement_is_read_by_package_and_name(package: str, name: str, begins: str) -> None:
    assert statements.sql(package, name).startswith(begins)


def test_rows_are_told_by_column() -> None:
    with duckdb.connect() as con:
        assert statements.rows(con, DAYS, {"least": 60}) == [{"id": "k2", "days": 90}]


def test_columns_are_known_where_no_row_is() -> None:
    with duckdb.connect() as con:
        assert statements.answer(con, DAYS, {"least": 365}) == (("id", "days"), [])
