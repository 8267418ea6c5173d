"""What changed between two published scans.

"Gone" and "not read" differ, as "appeared" and "read for the first time" do: coverage says which it is.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import duckdb

from nhiscan import statements, store
from nhiscan.config import nearest
from nhiscan.errors import ConfigError
from nhiscan.model import REGISTER_RECORD_TYPES, Record

LISTS: Final = ("cases", "identities", "credentials", "levels", "partners", "owners", "coverage")
# They change with each export or each line that somebody inserts, and mean nothing by themselves.
_PASSING: Final = frozenset({"exported_at", "register_row", "line"})

_SHOWN: Final = {
    "cases": ("change", "severity", "case_id", "message"),
    "identities": ("change", "identity_id", "partner_id", "level"),
    "credentials": ("change", "credential_id", "partner_id", "level"),
    "levels": ("change", "identity_id", "level_before", "level"),
    "partners": ("change", "identity_id", "partner_before", "partner_id"),
    "owners": ("change", "identity_id", "owner_before", "owner_mail"),
    "coverage": ("change", "tenant_id", "status_before", "status", "datasets"),
}

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Difference:
    """`lists`: the changes by list, gravest first; `register`: rows added and removed by table."""

    before: Row
    after: Row
    lists: Mapping[str, Sequence[Row]]
    register: Sequence[Row]

    def told(self, name: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """The columns and rows of a list that a person reads; datasets that changed alike are one row."""
        rows = _grouped(self.lists[name]) if name == "coverage" else self.lists[name]
        columns = _SHOWN[name]
        return columns, [tuple(row[column] for column in columns) for row in rows]

    def counts(self, name: str) -> Mapping[str, int]:
        """How many of each change, in the order of the list."""
        return Counter(row["change"] for row in self.lists[name])


def find(state: Path, word: str) -> str:
    """The id of a published scan from its id, `current` or `previous`, the one published before the current.

    Raises: ConfigError naming the nearest known id, StoreError when there is nothing to compare.
    """
    known = store.publications(state)
    if word in known:
        return word
    if word not in ("current", "previous"):
        raise ConfigError(f"no scan {word!r}", hint=nearest(word, [*known, "current", "previous"]))
    current = store.current(state)
    earlier = known[: known.index(current)] if current in known else []
    if word == "current" and current is not None:
        return current
    if word == "previous" and earlier:
        return earlier[-1]
    raise ConfigError(
        f"there is no {word} scan in {state}", hint="`nhiscan diff` compares two published scans; run `nhiscan scan`"
    )


def compare(state: Path, before: str, after: str) -> Difference:
    """What changed from the scan `before` to the scan `after`, both given by id."""
    with duckdb.connect() as con:
        for name, scan_id in (("before", before), ("after", after)):
            if name == "after" and after == before:  # DuckDB before 1.5 does not attach one file twice
                con.execute("attach ':memory:' as after")
                for (table,) in con.execute(
                    "select table_name from duckdb_tables() where database_name = 'before'"
                ).fetchall():
                    con.execute(f"create view after.{table} as select * from before.{table}")
            else:
                con.execute(f"attach '{store.quoted(store.database(state, scan_id))}' as {name} (read_only)")
        con.execute(statements.sql("nhiscan", "diff"))
        columns = "scan_id, as_of, is_complete"
        return Difference(
            statements.rows(con, f"select {columns} from before.scans")[0],
            statements.rows(con, f"select {columns} from after.scans")[0],
            {name: statements.rows(con, f"select * exclude (seq) from list_{name} order by seq") for name in LISTS},
            [row for kind in REGISTER_RECORD_TYPES if (row := _register(con, kind)) is not None],
        )


def _grouped(rows: Sequence[Row]) -> list[Row]:
    alike: dict[tuple[str, ...], list[str]] = {}
    shared = ("change", "tenant_id", "status_before", "status")
    for row in rows:
        alike.setdefault(tuple(row[name] for name in shared), []).append(row["dataset"])
    return [dict(zip(shared, key, strict=True)) | {"datasets": ", ".join(names)} for key, names in alike.items()]


def _register(con: duckdb.DuckDBPyConnection, kind: type[Record]) -> Row | None:
    """Rows of a register table on one side only; None without any."""
    columns = ", ".join(f.name for f in dataclasses.fields(kind) if f.name not in _PASSING)
    sides = [f"select {columns} from {scan}.{kind.table}" for scan in ("before", "after")]
    removed, added = (
        con.execute(f"select count(*) from ({one} except all {other})").fetchall()[0][0]
        for one, other in (sides, reversed(sides))
    )
    return {"table": kind.table, "added": added, "removed": removed} if added or removed else None
