"""Records -> collected tables: bulk only, text ids become dense keys, and nothing that was dropped goes unsaid."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from operator import attrgetter
from typing import Any, Final

import duckdb
import numpy as np
import pandas as pd

from nhiscan.model import COVERED, KEYED, RECORD_TYPES, Coverage, Record

_BATCH: Final = 50_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAT: Final = np.iinfo("int64").min
_SQL_TYPES: Final[dict[type, str]] = {
    str: "varchar",
    int: "bigint",
    bool: "boolean",
    datetime: "timestamp",
    date: "date",
}
# The dataset whose coverage a dropped row spoils.
_DATASETS: Final = {
    "identities": "identities",
    "tags": "identities.tags",
    "credentials": "credentials",
    "memberships": "memberships",
    "policies": "policies",
    "policy_bindings": "policies",
    "trusts": "trusts",
    "trust_conditions": "trusts",
    "auth_roles": "auth_roles",
    "resources": "resources",
    "resource_tags": "resources",
    "stored_secrets": "stored_secrets",
    "grants": "grants",
    "sightings": "sightings.environment",
    "org_policies": "scps",
    "service_uses": "usage.services",
}


def load(con: duckdb.DuckDBPyConnection, records: Iterable[Record]) -> None:
    """Fills the collected tables of an empty scan; order of records does not matter.

    A row whose id came twice with different content is kept once, and a row that names an identity, policy
    or trust which was not collected is dropped: both make the dataset of that tenant `partial`.
    """
    stage = Stage(con)
    for record in records:
        stage.add(record)
    stage.finish()


class Stage:
    """Collected rows under their text ids, until `finish` moves them into the tables."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._columns = {kind: _columns(kind) for kind in RECORD_TYPES}
        self._rows: dict[type[Record], list[Record]] = {kind: [] for kind in RECORD_TYPES}
        self._staged: set[type[Record]] = set()

    def add(self, record: Record) -> None:
        rows = self._rows[type(record)]
        rows.append(record)
        if len(rows) >= _BATCH:
            self._flush(type(record))

    def finish(self) -> None:
        """Moves everything into the tables: keyed ones first, and coverage last because the others may spoil it."""
        for kind in RECORD_TYPES:
            self._flush(kind)
        staged = [kind for kind in RECORD_TYPES if kind in self._staged]
        for kind in sorted(staged, key=lambda kind: (kind is Coverage, kind.table not in KEYED)):
            self._move(kind)
            self._con.execute(f"drop table stage_{kind.table}")

    def _flush(self, kind: type[Record]) -> None:
        rows = self._rows[kind]
        if not rows:
            return
        columns = self._columns[kind]
        if kind not in self._staged:
            typed = ", ".join(f"{c.name} {c.sql_type}" for c in columns)
            self._con.execute(f"create temp table stage_{kind.table} ({typed})")
            self._staged.add(kind)
        values = zip(*map(attrgetter(*(c.name for c in columns)), rows), strict=True)
        frame = pd.DataFrame({c.name: c.to_series(v) for c, v in zip(columns, values, strict=True)})
        self._con.register("batch", frame)
        casts = ", ".join(f"cast({c.name} as {c.sql_type})" for c in columns)
        self._con.execute(f"insert into stage_{kind.table} select {casts} from batch")
        self._con.unregister("batch")
        rows.clear()

    def _move(self, kind: type[Record]) -> None:
        table = kind.table
        columns = self._columns[kind]
        source = f"stage_{table}"
        targets = [c.name for c in columns]
        selected = [f"s.{c.name}" for c in columns]
        joins: list[str] = []
        missing: list[str] = []
        if table in KEYED:
            self._drop_repeats(kind)
            targets.insert(0, f"{KEYED[table]}_key")
            selected.insert(0, f"row_number() over (order by s.{KEYED[table]}_id)")
        for i, column in enumerate(columns):
            if column.ref is None:
                continue
            stem = KEYED[column.ref]
            targets[targets.index(column.name)] = f"{column.name.removesuffix('_id')}_key"
            selected[selected.index(f"s.{column.name}")] = f"r{i}.{stem}_key"
            joins.append(f"left join {column.ref} r{i} on r{i}.{stem}_id = s.{column.name}")
            missing.append(f"s.{column.name} is not null and r{i}.{stem}_key is null")
        from_ = f"{source} s {' '.join(joins)}"
        dangling = f"({' or '.join(missing)})" if missing else "false"
        ((moved,),) = self._con.execute(
            f"insert into {table} ({', '.join(targets)}) select {', '.join(selected)} from {from_} where not {dangling}"
        ).fetchall()
        ((staged,),) = self._con.execute(f"select count(*) from {source}").fetchall()
        if moved < staged:
            first = next(c.name for c in columns if c.ref is not None)
            lost = self._con.execute(
                f"select split_part(s.{first}, ':', 1) || ':' || split_part(s.{first}, ':', 2) as tenant_id, "
                f"count(*), min(s.{first}) from {from_} where {dangling} group by 1 order by 1"
            ).fetchall()
            for tenant_id, count, example in lost:
                self._spoil(table, tenant_id, f"{count} rows of {table} name something not collected, first {example}")

    def _drop_repeats(self, kind: type[Record]) -> None:
        """Keeps one row an id. The same row twice is harmless (pages overlap); two different ones are not."""
        table, id_ = kind.table, f"{KEYED[kind.table]}_id"
        ((rows, ids),) = self._con.execute(f"select count(*), count(distinct {id_}) from stage_{table}").fetchall()
        if rows == ids:
            return
        self._con.execute(f"create temp table once as select distinct * from stage_{table}")
        repeated = self._con.execute(
            f"select split_part({id_}, ':', 1) || ':' || split_part({id_}, ':', 2), count(*), min({id_}) "
            f"from (select {id_} from once group by {id_} having count(*) > 1) group by 1 order by 1"
        ).fetchall()
        order = ", ".join(c.name for c in self._columns[kind])
        self._con.execute(f"delete from stage_{table}")
        self._con.execute(
            f"insert into stage_{table} select * exclude (n) from "
            f"(select *, row_number() over (partition by {id_} order by {order}) as n from once) where n = 1"
        )
        self._con.execute("drop table once")
        for tenant_id, count, example in repeated:
            self._spoil(table, tenant_id, f"{count} ids of {table} came twice with different content, first {example}")

    def _spoil(self, table: str, tenant_id: str, reason: str) -> None:
        if Coverage not in self._staged:
            return
        covered = ", ".join(f"'{status}'" for status in sorted(COVERED))
        self._con.execute(
            "update stage_coverage set status = 'partial', reason = ? "
            f"where tenant_id = ? and dataset = ? and status in ({covered})",
            [reason, tenant_id, _DATASETS[table]],
        )


@dataclasses.dataclass(frozen=True, slots=True)
class _Column:
    name: str
    sql_type: str
    ref: str | None
    to_series: Callable[[Sequence[Any]], pd.Series]


def _columns(kind: type[Record]) -> list[_Column]:
    hints = typing.get_type_hints(kind)
    columns = []
    for field in dataclasses.fields(kind):
        hint = hints[field.name]
        if isinstance(hint, types.UnionType):
            (hint,) = (arg for arg in typing.get_args(hint) if arg is not types.NoneType)
        columns.append(_Column(field.name, _SQL_TYPES[hint], field.metadata.get("ref"), _SERIES[hint]))
    return columns


def _texts(values: Sequence[str | None]) -> pd.Series:
    return pd.Series(values, dtype=object)


def _times(values: Sequence[datetime | None]) -> pd.Series:
    """UTC without a zone; a naive time raises TypeError, because nobody can say which moment it is."""
    count = len(values)
    microseconds = np.fromiter((_NAT if v is None else _since_epoch(v - _EPOCH) for v in values), "int64", count)
    return pd.Series(microseconds.view("datetime64[us]"))


def _since_epoch(delta: timedelta) -> int:
    # By hand: numpy's own conversion of datetime objects takes eight times as long.
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def _dates(values: Sequence[date | None]) -> pd.Series:
    return pd.Series(np.array(values, dtype="datetime64[D]").astype("datetime64[s]"))


def _integers(values: Sequence[int | None]) -> pd.Series:
    return pd.Series(values, dtype="Int64")


def _booleans(values: Sequence[bool | None]) -> pd.Series:
    return pd.Series(values, dtype="boolean")


_SERIES: Final[dict[type, Callable[[Sequence[Any]], pd.Series]]] = {
    str: _texts,
    int: _integers,
    bool: _booleans,
    datetime: _times,
    date: _dates,
}
