"""Privileges as evaluators say them, and their way into the database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final

import duckdb

from nhiscan.resolve.verbs import CERTAINTIES, SCOPES, level

_BATCH: Final = 50_000
_NAMED_POLICIES: Final = 5


@dataclass(frozen=True, slots=True)
class Privilege:
    """`source`: position of the allowing policy among the documents; None when no policy allows it."""

    verb: str
    scope: str
    certainty: str
    level: int | None
    source: int | None
    statement: str | None


def includes(other: Privilege, row: Privilege) -> bool:
    """Of two rows of one verb."""
    if other is row:
        return False
    is_wider = SCOPES.index(other.scope) >= SCOPES.index(row.scope)
    is_surer = CERTAINTIES.index(other.certainty) >= CERTAINTIES.index(row.certainty)
    highest = level("admin", "all")
    is_higher = other.level in (row.level, highest) or (
        other.level is not None and row.level is not None and other.level > row.level
    )
    return is_wider and is_surer and is_higher


def insert_rows(
    con: duckdb.DuckDBPyConnection,
    table: str,
    columns: Sequence[tuple[str, str]],
    batches: Iterable[Sequence[tuple[Any, ...]]],
) -> None:
    """Makes a temporary table of rows that were worked out in Python."""
    import pandas as pd

    con.execute(f"create or replace temp table {table} ({', '.join(f'{name} {kind}' for name, kind in columns)})")
    casts = ", ".join(f"cast({name} as {kind})" for name, kind in columns)
    for batch in batches:
        if batch:
            # One type a column whatever it holds; the casts do the rest.
            frame = pd.DataFrame(
                {
                    name: pd.Series(values, dtype="Int64" if kind == "bigint" else object)
                    for (name, kind), values in zip(columns, zip(*batch, strict=True), strict=True)
                }
            )
            con.register("rows_batch", frame)
            con.execute(f"insert into {table} select {casts} from rows_batch")
            con.unregister("rows_batch")


def batched(rows: Iterator[tuple[Any, ...]]) -> Iterator[list[tuple[Any, ...]]]:
    while batch := list(islice(rows, _BATCH)):
        yield batch


def listed(names: Iterable[str]) -> str:
    distinct = list(dict.fromkeys(names))
    rest = len(distinct) - _NAMED_POLICIES
    return ", ".join(distinct[:_NAMED_POLICIES]) + (f" and {rest} more" if rest > 0 else "")
