"""The line of a scan from loaded tables to the moved pointer."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from nhiscan import check, rule, scan, store

from .measured import Measured

SCAN_ID: Final = "20260131T000000Z-0000"
_COUNTED: Final = ("privileges", "access_edges", "reach", "findings", "finding_evidence", "cases")


def judged(tables: Path, state: Path) -> Measured:
    """`tables`: a folder with a Parquet file for each table that collectors fill."""
    measured = Measured()
    rules = rule.load()
    with store.locked(state), store.Build(state, SCAN_ID) as build:
        con = build.con
        with measured.timed("insert"):
            for table in store.tables():
                con.execute(f"insert into {table} by name select * from '{tables / table}.parquet'")
        for step in scan.STAGES:
            with measured.timed(f"resolve {step.__module__.rpartition('.')[2]}"):
                step(con)
        with measured.timed(f"check {len(rules)} rules"):
            check.run(con, rules, {})
        for table in _COUNTED:
            ((measured.counts[table],),) = con.execute(f"select count(*) from {table}").fetchall()
        with measured.timed("publish"):
            build.publish()
    return measured
