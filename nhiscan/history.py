"""Events that age out at the provider, kept across scans.

<state>/history/<provider>/<tenant>/<dataset>/<scan-id>.parquet holds what a scan read and no scan before it; files
are only ever added. reach.json beside them says what was read without a gap. Both are written before the scan is
published: a crash in between leaves events that the next scan reads again and recognises by their ids.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import duckdb

from nhiscan import atomic, moments, store
from nhiscan.errors import StoreError
from nhiscan.load import Stage
from nhiscan.model import Use

# Datasets whose events are kept; each event names its own.
KEPT: Final = ("usage.calls", "usage.logins", "usage.exports", "usage.audit")
_FIELDS: Final = tuple(field.name for field in dataclasses.fields(Use))
_EMPTY: Final = f"create or replace temp table kept as select {', '.join(_FIELDS)} from usage where false"
# Older events stay on disk and enter no scan: a year of weekly reviews, and some weeks to act on them.
MOST_DAYS: Final = 400
_EVER: Final = datetime(1970, 1, 1)  # as tables hold times: UTC without a zone
# Read again each time, because providers deliver late: CloudTrail within minutes, event files of a CRM within a day.
OVERLAP: Final = timedelta(days=1)
_PLAIN: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")


@dataclass(frozen=True)
class Reach:
    """What was completely read of a dataset: all events from `since` to `until`; since None: from a time unknown."""

    since: datetime | None
    until: datetime

    @property
    def watermark(self) -> datetime:
        return self.until - OVERLAP


Reaches = Mapping[tuple[str, str], Reach]


def reaches(state: Path) -> dict[tuple[str, str], Reach]:
    """The reach of each (tenant, dataset) of which history is kept.

    Raises: StoreError naming a file that cannot be read.
    """
    found = {}
    for file in sorted((state / "history").glob("*/*/*/reach.json")):
        try:
            said = json.loads(file.read_text(encoding="utf-8"))
            since = said["since"] and datetime.fromisoformat(said["since"]).astimezone(UTC)
            until = datetime.fromisoformat(said["until"]).astimezone(UTC)
            found[str(said["tenant_id"]), str(said["dataset"])] = Reach(since, until)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise StoreError(
                f"cannot read {file}: {error}",
                hint="restore it from a backup, or delete it: then all that the provider still holds is read again",
            ) from error
    return found


def events(state: Path, tenant_id: str, dataset: str, *, as_of: datetime) -> list[Use]:
    """All kept events of one dataset of a tenant until `as_of`, oldest first, also those too old to enter a scan.

    Raises: StoreError naming a file that cannot be read.
    """
    with store.empty() as con:
        con.execute(_EMPTY)
        _read_folder(con, state, tenant_id, dataset, oldest=_EVER)
        rows = con.execute(
            f"select {', '.join(_FIELDS)} from kept where occurred_at <= ? order by occurred_at, event_id",
            [moments.naive(as_of)],
        ).fetchall()
    found = [Use(*row) for row in rows]
    return [dataclasses.replace(event, occurred_at=event.occurred_at.replace(tzinfo=UTC)) for event in found]


def merge(
    con: duckdb.DuckDBPyConnection, stage: Stage, state: Path, tenants: Collection[str], *, as_of: datetime
) -> None:
    """Adds the kept events of these tenants to what was newly read; an event that is in both stays as it was kept.

    Raises: StoreError naming a file that cannot be read.
    """
    oldest = _floor(as_of)
    con.execute(_EMPTY)
    for dataset in KEPT:
        for tenant_id in sorted(tenants):
            _read_folder(con, state, tenant_id, dataset, oldest=oldest)
    stage.take(Use, "select * from kept", instead_of="event_id")
    stage.leave_out(Use, "occurred_at < ?", [oldest])


def advance(
    con: duckdb.DuckDBPyConnection, before: Reaches, *, as_of: datetime, now: datetime
) -> dict[tuple[str, str], Reach]:
    """Moves reaches by what this scan read completely, and writes into coverage how far back the scan now sees.

    `now` caps them: what --as-of puts into the future has not been read yet, and a tape ends when it was recorded.
    """
    after = dict(before)
    for tenant_id, dataset, history_from, read_at in con.execute(
        "select tenant_id, dataset, max(history_from), min(coalesce(collected_at, ?)) from coverage "
        f"where dataset in ({', '.join('?' for _ in KEPT)}) "
        "group by tenant_id, dataset having bool_and(status = 'complete')",
        [moments.naive(as_of), *KEPT],
    ).fetchall():
        after[tenant_id, dataset] = _advanced(
            before.get((tenant_id, dataset)),
            since=moments.aware(history_from),
            until=min(read_at.replace(tzinfo=UTC), now),
        )
    for (tenant_id, dataset), reach in after.items():
        earlier = before.get((tenant_id, dataset))
        if reach.since is not None:
            # An answer that was cut behind the watermark leaves a hole, so that its own word stands.
            con.execute(
                "update coverage set history_from = ? where tenant_id = ? and dataset = ? "
                "and (status = 'complete' or history_from is null or history_from <= ?)",
                [
                    max(moments.naive(reach.since), _floor(as_of)),
                    tenant_id,
                    dataset,
                    earlier and moments.naive(earlier.watermark),
                ],
            )
    return after


def _advanced(before: Reach | None, *, since: datetime | None, until: datetime) -> Reach:
    """A source that no longer held what follows the watermark leaves a gap: the reach begins anew behind it."""
    if before is None or (since is not None and since > before.watermark):
        return Reach(since, until)
    return Reach(before.since, max(before.until, until))


def keep(build: store.Build, reached: Reaches, before: Reaches) -> None:
    """Writes the events that were not kept yet, then how far they reach.

    Raises: StoreError when the disk refuses; no half-written file is left.
    """
    with store.disk_errors(build.state):
        build.con.execute(
            "create or replace temp table fresh as "
            "select * from usage where event_id not in (select event_id from kept)"
        )
        for tenant_id, dataset in build.con.execute(
            "select distinct tenant_id, dataset from fresh order by all"
        ).fetchall():
            folder = _folder(build.state, tenant_id, dataset)
            _make(folder)
            build.con.execute(
                "create or replace temp table fresh_part as select * from fresh where tenant_id = ? and dataset = ?",
                [tenant_id, dataset],
            )
            draft = build.folder / "history.parquet"
            build.con.execute(f"copy fresh_part to '{store.quoted(draft)}' (format parquet, compression zstd)")
            atomic.settle(draft, folder / f"{build.scan_id}.parquet")
        for (tenant_id, dataset), reach in reached.items():
            if reach != before.get((tenant_id, dataset)):
                folder = _folder(build.state, tenant_id, dataset)
                _make(folder)
                said = {
                    "tenant_id": tenant_id,
                    "dataset": dataset,
                    "since": reach.since and reach.since.isoformat(),
                    "until": reach.until.isoformat(),
                }
                atomic.write_text(folder / "reach.json", json.dumps(said, indent=2) + "\n")


def _read_folder(
    con: duckdb.DuckDBPyConnection, state: Path, tenant_id: str, dataset: str, *, oldest: datetime
) -> None:
    if files := sorted(_folder(state, tenant_id, dataset).glob("*.parquet")):
        try:
            _read(con, dataset, files, [tenant_id, oldest])
        except duckdb.Error:
            _refuse(con, files)
            raise


def _read(con: duckdb.DuckDBPyConnection, dataset: str, files: list[Path], values: Sequence[Any]) -> None:
    """Adds what files hold to the kept rows; a column that an older version did not write is unknown."""
    listed = ", ".join(f"'{store.quoted(file)}'" for file in files)
    rows = f"read_parquet([{listed}], union_by_name = true, filename = true)"
    theirs = [name for name, *_ in con.execute(f"describe select * from {rows}").fetchall()]
    shared = ", ".join(name for name in theirs if name in _FIELDS and name != "dataset")
    con.execute(
        f"insert into kept by name select {shared}, ? as dataset from {rows} where tenant_id = ? and occurred_at >= ? "
        "qualify row_number() over (partition by event_id order by filename) = 1",
        [dataset, *values],
    )


def _refuse(con: duckdb.DuckDBPyConnection, files: Iterable[Path]) -> None:
    """Raises: StoreError naming the first of these files that cannot be read."""
    for file in files:
        try:
            con.execute(f"select count(hash(e)) from read_parquet('{store.quoted(file)}') e").fetchall()
        except duckdb.Error as error:
            raise StoreError(
                f"the history file {file} cannot be read: {error}",
                hint="restore it from a backup; or move it away and delete reach.json beside it: then everything that "
                "the provider still holds is read again, and what only this file held is lost",
            ) from error


def _folder(state: Path, tenant_id: str, dataset: str) -> Path:
    provider, _, tenant = tenant_id.partition(":")
    return state / "history" / _in_path(provider) / _in_path(tenant) / dataset


def _in_path(name: str) -> str:
    """A folder's name for a text that others chose: equal only for equal texts, on any file system."""
    if _PLAIN.fullmatch(name):
        return name
    readable = re.sub(r"[^A-Za-z0-9_-]+", "_", name)[:40]
    return f"{readable}~{hashlib.sha256(name.encode(errors='surrogatepass')).hexdigest()[:16]}"


def _make(folder: Path) -> None:
    for path in (*reversed(folder.parents[:3]), folder):
        if not path.is_dir():
            path.mkdir(mode=0o700)
            atomic.sync(path.parent)


def _floor(as_of: datetime) -> datetime:
    return moments.naive(as_of) - timedelta(days=MOST_DAYS)
