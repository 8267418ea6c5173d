"""What a scan takes over from the current one for the systems that it did not read.

Rows go through the same staging as fresh ones, under their text ids: the dense keys are new in each scan.
Kept events are not taken over, since history holds all of them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import duckdb

from nhiscan import statements
from nhiscan.load import Stage, whose
from nhiscan.model import KEYED, RECORD_TYPES, Coverage, Record, Use


def carry(con: duckdb.DuckDBPyConnection, stage: Stage, providers: Collection[str]) -> set[str]:
    """Adds the rows of these providers from the scan that is attached as `previous`; returns their tenants."""
    values = sorted(providers)
    if not providers:  # older versions of DuckDB know no empty list
        return set()
    of_these = f"in ({', '.join('?' for _ in values)})"
    for kind in RECORD_TYPES:
        field = whose(kind)
        if kind is Use or (field is None and "register" not in providers):
            continue
        select = statements.sql("nhiscan", "carry_coverage") if kind is Coverage else _rows(kind)
        if field is None:
            stage.take(kind, select)
        else:
            stage.take(kind, f"select * from ({select}) where split_part({field}, ':', 1) {of_these}", values)
    tenants = con.execute(
        f"select distinct tenant_id from previous.tenants where split_part(tenant_id, ':', 1) {of_these}", values
    ).fetchall()
    return {tenant_id for (tenant_id,) in tenants}


def _rows(kind: type[Record]) -> str:
    """SQL for the rows of a table as records: under text ids."""
    columns = []
    joins = []
    for i, field in enumerate(dataclasses.fields(kind)):
        ref = field.metadata.get("ref")
        if ref is None:
            columns.append(f"s.{field.name}")
        else:
            stem = KEYED[ref]
            columns.append(f"r{i}.{stem}_id as {field.name}")
            key = f"{field.name.removesuffix('_id')}_key"
            joins.append(f"left join previous.{ref} r{i} on r{i}.{stem}_key = s.{key}")
    return f"select {', '.join(columns)} from previous.{kind.table} s {' '.join(joins)}"
