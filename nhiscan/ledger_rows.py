"""The ledger's records as rows of a scan, beside the register's.

The register wins where both know an id. Whatever is not taken as it was said is quarantined, as a row of the register
would be. The ledger is read afresh by every scan, also by one that carries the register over.
"""

from __future__ import annotations

import dataclasses
import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

import duckdb

from nhiscan import ledger
from nhiscan.load import Stage
from nhiscan.model import Coverage, Partner, Quarantined, Record, RegisterField, RegisterFile, Tenant

_TENANT: Final = "register:main"
_FILES: Final = "file like 'ledger/%.jsonl'"
_ROWS: Final = "register_row like 'ledger/%.jsonl:%'"
# A table that no file of the register holds, as it was said by this scan, or by the one that it is carried from.
_NOT_HELD: Final = frozenset({("unsupported", None), ("carried", "unsupported"), ("carried", "complete")})

log = logging.getLogger(__name__)


def counted(con: duckdb.DuckDBPyConnection, previous: str | None) -> dict[str, int]:
    """How much stood in each file of the ledger in the scan before, which `previous` names as attached."""
    if previous is None:
        return {}
    return dict(con.execute(f"select file, rows from {previous}.register_files where {_FILES}").fetchall())


def add(stage: Stage, state: Path, *, before: Mapping[str, int], as_of: datetime) -> None:
    """Adds what stands in the ledger; to be called when everything else of the register is staged.

    `before`: how much of it the scan before knew, since lines that were cut off the end leave no other trace.
    Raises: StoreError naming the file and line where the ledger is damaged.
    """
    entries = ledger.entries(state)
    carried = {table for file, table in stage.held(RegisterFile, "file", "holds") if ledger.is_row(file)}
    stage.leave_out(RegisterFile, _FILES, [])
    stage.leave_out(Quarantined, _FILES, [])
    _miss(stage, entries, before)
    if not entries and not carried:
        return
    for kind in ledger.IDS:
        stage.leave_out(kind, _ROWS, [])
    partners = {partner_id for (partner_id,) in stage.held(Partner, "partner_id")}
    for kind in reversed(list(ledger.IDS)):  # wholes before their parts
        said = [entry for entry in entries if isinstance(entry.record, kind)]
        if said:
            _add_table(stage, kind, said, partners, as_of)
        if said or kind.table in carried:
            _count_fields(stage, kind, is_in_ledger=bool(said))


def _miss(stage: Stage, entries: Sequence[ledger.Entry], before: Mapping[str, int]) -> None:
    """Says where less stands than the scan before knew: nothing is ever taken out of a ledger."""
    found = Counter(f"ledger/{entry.record.table}.jsonl" for entry in entries)
    for file, count in sorted(before.items()):
        if found[file] < count:
            problem = f"held {count} entries in the scan before and holds {found[file]}: what people said is missing"
            log.warning("%s %s; put it back from a backup", file, problem)
            stage.add(Quarantined(file, 0, None, None, problem, row_dropped=False))


def _add_table(
    stage: Stage, kind: type[Record], said: Sequence[ledger.Entry], partners: set[str], as_of: datetime
) -> None:
    id_fields = ledger.IDS[kind]
    fields = [field.name for field in dataclasses.fields(kind)]
    registered = {}
    for row in stage.held(kind, *fields):
        values = dict(zip(fields, row, strict=True))
        registered[tuple(values[name] for name in id_fields)] = values
    whole = ledger.WHOLES.get(kind)
    wholes = None if whole is None else dict(stage.held(whole, *ledger.IDS[whole], "partner_id"))
    refused = 0
    for entry in said:
        record: Any = entry.record
        id_ = attrgetter(*id_fields)(record)
        id_ = id_ if isinstance(id_, tuple) else (id_,)
        partner_id = record.partner_id if wholes is None else wholes.get(id_[0])
        if id_ in registered:
            problem = _conflict(record, registered[id_])
        elif wholes is not None and id_[0] not in wholes:
            problem = f"is part of {id_[0]!r}, which was never wholly written down"
        else:
            problem = None
            stage.add(record)
            if partner_id is not None and partner_id not in partners:
                _quarantine(stage, record, "partner_id", partner_id, "names none of the partners of the register")
        if problem is not None:
            refused += 1
            _quarantine(stage, record, id_fields[0], partner_id, problem, row_dropped=True)
    stage.add(
        RegisterFile(
            f"ledger/{kind.table}.jsonl",
            kind.table,
            rows=len(said),
            accepted=len(said) - refused,
            exported_at=max(entry.at for entry in said),
        )
    )
    _cover(stage, kind.table, as_of)


def _conflict(record: Any, registered: Mapping[str, Any]) -> str:
    """What the register says of the same id."""
    row = registered["register_row"]
    own = {name: _as_stored(getattr(record, name)) for name in registered if name != "register_row"}
    differing = [name for name, value in own.items() if value != registered[name]]
    if not differing:
        return f"says the same as {row}"  # these words: nothing was lost with the row
    log.warning(
        "%s is also in the register, %s, which stands; they differ in %s",
        record.register_row,
        row,
        ", ".join(differing),
    )
    return f"is also in the register, {row}, which stands; they differ in {', '.join(differing)}"


def _as_stored(value: Any) -> Any:
    return value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value


def _quarantine(
    stage: Stage, record: Any, field: str, partner_id: str | None, problem: str, *, row_dropped: bool = False
) -> None:
    file, _, line = record.register_row.rpartition(":")
    value = partner_id if field == "partner_id" else getattr(record, field)
    stage.add(Quarantined(file, int(line), field, value, problem, row_dropped=row_dropped, partner_id=partner_id))


def _cover(stage: Stage, table: str, as_of: datetime) -> None:
    """A table that no file of the register holds was read all the same: in the ledger."""
    dataset = f"register.{table}"
    said = [
        (status, original)
        for name, status, original in stage.held(Coverage, "dataset", "status", "original_status")
        if name == dataset
    ]
    files = {file for file, holds in stage.held(RegisterFile, "file", "holds") if holds == table}
    if not _NOT_HELD.issuperset(said) or not all(map(ledger.is_row, files)):
        return
    if _TENANT not in {tenant_id for (tenant_id,) in stage.held(Tenant, "tenant_id")}:
        stage.add(Tenant(_TENANT, "register"))
    stage.leave_out(Coverage, "dataset = ?", [dataset])
    stage.add(Coverage("register", _TENANT, dataset, "complete", collected_at=as_of))


def _count_fields(stage: Stage, kind: type[Record], *, is_in_ledger: bool) -> None:
    """How many rows fill each column, those of files and of the ledger together."""
    fields = [field.name for field in dataclasses.fields(kind) if field.name != "register_row"]
    rows = stage.held(kind, *fields)
    known = {field for holds, field in stage.held(RegisterField, "holds", "field") if holds == kind.table}
    stage.leave_out(RegisterField, "holds = ?", [kind.table])
    for place, name in enumerate(fields):
        if name in known or is_in_ledger:
            filled = sum(row[place] is not None for row in rows)
            stage.add(RegisterField(kind.table, name, filled, len(rows)))
