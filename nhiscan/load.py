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

from nhiscan.model import COVERED, KEYED, RECORD_TYPES, REGISTER_RECORD_TYPES, Coverage, Record

_BATCH: Final = 50_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NAT: Final = np.iinfo("int64").min
_SQL_TYPES: Final[dict[type, str]] = {
    str: "varchar",
    int: "bigint",
    float: "double",
    bool: "boolean",
    datetime: "timestamp",
    date: "date",
}
# The text id of a row, where one that comes twice has to be one row.
_IDS: Final = {**{table: f"{stem}_id" for table, stem in KEYED.items()}, "usage": "event_id"}
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
    "signs": "identities",
    "app_settings": "apps.settings",
    "app_scopes": "apps.scopes",
    "data_objects": "objects",
    "record_counts": "objects.records",
    "sightings": "sightings.environment",
    "org_policies": "scps",
    "service_uses": "usage.services",
    "usage": "usage.calls",
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

    def take(
        self, kind: type[Record], select: str, values: Sequence[Any] = (), *, instead_of: str | None = None
    ) -> None:
        """Adds the rows of a query that returns fields of `kind` by name; a field that it leaves out is unknown.

        `instead_of` names a field: rows added before that hold the same in it make way.
        """
        self._flush(kind)
        self._open(kind)
        if instead_of is not None:
            self._con.execute(
                f"delete from stage_{kind.table} where {instead_of} in (select {instead_of} from ({select}))", values
            )
        self._con.execute(f"insert into stage_{kind.table} by name {select}", values)

    def held(self, kind: type[Record], *fields: str) -> list[tuple[Any, ...]]:
        """Fields of the rows added so far; times are UTC without a zone."""
        self._flush(kind)
        if kind not in self._staged:
            return []
        rows: list[tuple[Any, ...]] = self._con.execute(
            f"select {', '.join(fields)} from stage_{kind.table}"
        ).fetchall()
        return rows

    def leave_out(self, kind: type[Record], where: str, values: Sequence[Any]) -> None:
        """Forgets rows added so far."""
        self._flush(kind)
        self._open(kind)
        self._con.execute(f"delete from stage_{kind.table} where {where}", values)

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
        self._open(kind)
        values = zip(*map(attrgetter(*(c.name for c in columns)), rows), strict=True)
        frame = pd.DataFrame({c.name: c.to_series(v) for c, v in zip(columns, values, strict=True)})
        self._con.register("batch", frame)
        casts = ", ".join(f"cast({c.name} as {c.sql_type})" for c in columns)
        self._con.execute(f"insert into stage_{kind.table} select {casts} from batch")
        self._con.unregister("batch")
        rows.clear()

    def _open(self, kind: type[Record]) -> None:
        if kind not in self._staged:
            typed = ", ".join(f"{c.name} {c.sql_type}" for c in self._columns[kind])
            self._con.execute(f"create temp table stage_{kind.table} ({typed})")
            self._staged.add(kind)

    def _move(self, kind: type[Record]) -> None:
        table = kind.table
        columns = self._columns[kind]
        source = f"stage_{table}"
        targets = [c.name for c in columns]
        selected = [f"s.{c.name}" for c in columns]
        joins: list[str] = []
        missing: list[str] = []
        if table in _IDS:
            self._drop_repeats(kind)
        if table in KEYED:
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
            named = ", ".join(f"s.{c.name}" for c in columns if c.ref is not None)
            lost = self._con.execute(
                f"select {_tenant(kind, 's.')}, count(*), min(coalesce({named})) "
                f"from {from_} where {dangling} group by 1 order by 1"
            ).fetchall()
            for tenant_id, count, example in lost:
                self._spoil(table, tenant_id, f"{count} rows of {table} name something not collected, first {example}")

    def _drop_repeats(self, kind: type[Record]) -> None:
        """Keeps one row an id. The same row twice is harmless (pages overlap); two different ones are not."""
        table, id_ = kind.table, _IDS[kind.table]
        ((rows, ids),) = self._con.execute(f"select count(*), count(distinct {id_}) from stage_{table}").fetchall()
        if rows == ids:
            return
        self._con.execute(f"create temp table once as select distinct * from stage_{table}")
        repeated = self._con.execute(
            f"select tenant_id, count(*), min({id_}) "
            f"from (select {id_}, min({_tenant(kind)}) as tenant_id from once group by {id_} having count(*) > 1) "
            "group by 1 order by 1"
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
            f"""
            update stage_coverage
            set
                status = case when status in ({covered}) then 'partial' else status end,
                original_status = case when status = 'carried' then 'partial' end,
                reason = case when status = 'carried' then concat_ws('; ', reason, $reason) else $reason end
            where tenant_id = $tenant_id
                and dataset = $dataset
                and (status in ({covered}) or (status = 'carried' and original_status in ({covered})))
            """,
            {"reason": reason, "tenant_id": tenant_id, "dataset": _DATASETS[table]},
        )


def whose(kind: type[Record]) -> str | None:
    """The field of a row whose text begins with its tenant; None: the row is the register's."""
    if kind in REGISTER_RECORD_TYPES:
        return None
    names = [field.name for field in dataclasses.fields(kind)]
    return "tenant_id" if "tenant_id" in names else names[0]


def _tenant(kind: type[Record], prefix: str = "") -> str:
    """SQL for the tenant of a row under its text ids."""
    name = whose(kind)
    if name == "tenant_id":
        return f"{prefix}tenant_id"
    return f"split_part({prefix}{name}, ':', 1) || ':' || split_part({prefix}{name}, ':', 2)"


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


def _floats(values: Sequence[float | None]) -> pd.Series:
    return pd.Series(values, dtype="Float64")


def _booleans(values: Sequence[bool | None]) -> pd.Series:
    return pd.Series(values, dtype="boolean")


_SERIES: Final[dict[type, Callable[[Sequence[Any]], pd.Series]]] = {
    str: _texts,
    int: _integers,
    float: _floats,
    bool: _booleans,
    datetime: _times,
    date: _dates,
}
