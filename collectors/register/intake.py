"""Sheets -> records. Each row is accepted or quarantined, and each cell that is not taken as it stands is said."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from nhiscan.cells import CellError, fold, show
from nhiscan.config import nearest
from nhiscan.errors import RegisterError
from nhiscan.model import ContractTenant, PersonMail, Quarantined, Record, RegisterField, RegisterFile

from .cells import alias_value, read, read_list
from .sources import Sheet
from .tables import Column, Table

_LISTS: Final = frozenset({"texts", "mails", "tenants"})
_LONGEST_SHOWN: Final = 200
_MOST_SUGGESTED_FROM: Final = 2000  # finding the nearest of more ids costs more than it helps
_SOURCE_KEY: Final = ("source_system", "source_id")


@dataclass
class _Row:
    sheet: Sheet
    line: int
    values: dict[str, Any]
    problems: list[Quarantined] = field(default_factory=list)
    is_dropped: bool = False
    is_repeat: bool = False

    @property
    def where(self) -> str:
        return f"{self.sheet.label}:{self.line}"

    def note(self, column: Column | None, value: Any, problem: str, allowed: str | None = None) -> None:
        shown = show(value)
        if shown is not None and len(shown) > _LONGEST_SHOWN:
            shown = f"{shown[:_LONGEST_SHOWN]}…"
        name = column.header if column else None
        self.problems.append(Quarantined(self.sheet.label, self.line, name, shown, problem, allowed, row_dropped=False))

    def drop(self, column: Column | None, value: Any, problem: str, allowed: str | None = None) -> None:
        """Quarantines the row; the first reason stands for it, so that dropped rows can be counted."""
        self.note(column, value, problem, allowed)
        if not self.is_dropped:
            said = self.problems.pop()
            self.problems.append(
                Quarantined(said.file, said.line, said.field, said.value, said.problem, said.allowed, row_dropped=True)
            )
        self.is_dropped = True


@dataclass(frozen=True)
class Taken:
    """What one table gave.

    `unread` speaks of columns, `refused` of rows and cells; `lost` counts dropped rows that held
    something no accepted row holds.
    """

    records: list[Record]
    unread: list[Quarantined]
    refused: list[Quarantined]
    files: list[RegisterFile]
    fields: list[RegisterField]
    rows: int
    lost: int


class Intake:
    """Takes tables in order, parents first; remembers the ids that later rows may refer to."""

    def __init__(self) -> None:
        self._ids: dict[str, set[str]] = {}
        self._partner_of: dict[str, str | None] = {}
        self._partner_of_contract: dict[str | None, str] = {}
        self._nearest: dict[tuple[str, str], str] = {}

    def take(self, table: Table, sheets: Sequence[Sheet]) -> Taken:
        """Raises: RegisterError where a file lacks a column without which no row can be read."""
        rows: list[_Row] = []
        heads: list[Quarantined] = []
        present: dict[str, None] = {}
        for sheet in sheets:
            columns = _match(table, sheet, heads)
            present |= dict.fromkeys(column.field for column in columns if column)
            rows += [_read_row(table, sheet, columns, line, cells) for line, cells in sheet.rows]
        if table.name == "partners":
            _complete_partners(rows, present)
            self._merge(rows, table)
        for row in rows:
            if not row.is_dropped:
                self._refer(row, table)
        _drop_repeats(rows, table)
        kept = [row for row in rows if not row.is_dropped]
        self._remember(table, kept)
        if table.name == "partners":
            self._check_parents(kept, table)
        return Taken(
            records=[record for row in kept for record in _records(row, table)],
            unread=heads,
            refused=[
                dataclasses.replace(problem, partner_id=self._partner(row, table))
                for row in rows
                for problem in row.problems
            ],
            files=[_file(sheet, table, rows) for sheet in sheets],
            fields=[
                RegisterField(table.name, name, sum(_is_filled(row.values[name]) for row in kept), len(kept))
                for name in present
            ],
            rows=len(rows),
            lost=sum(row.is_dropped and not row.is_repeat for row in rows),
        )

    def _remember(self, table: Table, kept: Iterable[_Row]) -> None:
        if len(table.key) == 1:
            self._ids[table.name] = {row.values[table.key[0]] for row in kept}
        if table.name == "contracts":
            self._partner_of_contract = {row.values["contract_id"]: row.values["partner_id"] for row in kept}
        elif table.name == "partners":
            for row in kept:
                source_id = row.values.get("source_id")
                if source_id is not None:
                    # The same account number in two systems names neither.
                    known = self._partner_of.get(source_id, row.values["partner_id"])
                    self._partner_of[source_id] = known if known == row.values["partner_id"] else None

    def _partner(self, row: _Row, table: Table) -> str | None:
        """Whom a row speaks of, also where it was not accepted."""
        named: str | None = row.values.get("partner_id")
        if table.name == "ownerships" and row.values["owned_kind"] == "partner":
            named = row.values["owned"]
        elif table.name == "contract_events":
            named = self._partner_of_contract.get(row.values["contract_id"])
        if named is None or named in self._ids.get("partners", ()):
            return named
        return self._partner_of.get(named) or named

    def _merge(self, rows: Sequence[_Row], table: Table) -> None:
        """Of rows with one source key the newest stands; what refers to the others follows it."""
        newest: dict[tuple[str, str], _Row] = {}
        for row in rows:
            key = _source_key(row)
            if not row.is_dropped and key and (key not in newest or _exported(row) > _exported(newest[key])):
                newest[key] = row
        for row in rows:
            key = _source_key(row)
            if row.is_dropped or key is None or newest[key] is row:
                continue
            kept = newest[key]
            partner_id, name = row.values["partner_id"], row.values["name"]
            row.is_repeat = True
            row.drop(
                table.columns["source_id"],
                key[1],
                f"the same account of {key[0]} as {kept.where}, which stands: {kept.values['name']!r} "
                f"({kept.values['partner_id']}); what names {name!r} ({partner_id}) is read as naming that",
            )
            self._partner_of[partner_id] = kept.values["partner_id"]

    def _refer(self, row: _Row, table: Table) -> None:
        for column in table.columns.values():
            if column.refers_to is not None:
                self._follow(row, column, column.refers_to)
        if table.name == "ownerships" and row.values["owned_kind"] == "partner":
            self._follow(row, table.columns["owned"], "partners")

    def _follow(self, row: _Row, column: Column, parents: str) -> None:
        value = row.values[column.field]
        known = self._ids.get(parents, set())
        if value is None or value in known:
            return
        if parents == "partners" and self._partner_of.get(value) in known:
            row.values[column.field] = self._partner_of[value]
            return
        problem = f"names none of the {parents} that were accepted"
        if column.drops_row:
            row.drop(column, value, problem, self._suggest(value, parents, known))
        else:
            row.note(column, value, problem, self._suggest(value, parents, known))
            row.values[column.field] = None

    def _suggest(self, value: str, parents: str, known: set[str]) -> str | None:
        if not known or len(known) > _MOST_SUGGESTED_FROM:
            return None
        if (value, parents) not in self._nearest:
            hint = nearest(value, known)
            self._nearest[value, parents] = hint if hint.startswith("did you mean") else f"one of {len(known)} ids"
        return self._nearest[value, parents]

    def _check_parents(self, kept: Sequence[_Row], table: Table) -> None:
        """A parent is another partner of the register, and nobody is above itself."""
        column = table.columns["parent_id"]
        above: dict[str, str] = {}
        for row in kept:
            self._follow(row, column, "partners")
            parent, partner_id = row.values["parent_id"], row.values["partner_id"]
            if parent is None:
                continue
            climbed: str | None = parent
            while climbed is not None and climbed != partner_id:
                climbed = above.get(climbed)
            if climbed == partner_id:
                row.note(column, parent, "would put the partner above itself")
                row.values["parent_id"] = None
            else:
                above[partner_id] = parent


def _match(table: Table, sheet: Sheet, heads: list[Quarantined]) -> list[Column | None]:
    """The column of each header; None where it is unknown, which is said."""
    mapped = {fold(theirs): table.column_of(fold(ours)) for theirs, ours in sheet.spec.columns.items()}
    found = {fold(header.name) for header in sheet.headers if header}
    names = [header.name for header in sheet.headers if header]
    for theirs in sheet.spec.columns:
        if fold(theirs) not in found:
            raise RegisterError(
                f"{sheet.spec.path}: no column {theirs!r}, which nhiscan.toml maps; found: {', '.join(names)}",
                hint=nearest(theirs, names),
            )
    taken = {column.field for column in mapped.values() if column}
    columns: list[Column | None] = []
    for place, header in enumerate(sheet.headers):
        column = None
        if header is not None:
            column = mapped.get(fold(header.name))
            own = table.column_of(fold(header.name))
            if column is None and own is not None and own.field not in taken:
                column = own
        if column is not None and column in columns:
            raise RegisterError(
                f"{sheet.spec.path}: two columns are {column.header!r}", hint="rename or remove one of them"
            )
        columns.append(column)
        if header is None:
            filled = [line for line, cells in sheet.rows if place < len(cells) and show(cells[place]) is not None]
            if filled:
                problem = f"column {place + 1} has no name, so it was not read"
                heads.append(Quarantined(sheet.label, filled[0], None, None, problem, row_dropped=False))
        elif column is None:
            allowed = nearest(fold(header.name), table.headers)
            problem = "unknown column, not read"
            heads.append(Quarantined(sheet.label, header.line, header.name, None, problem, allowed, row_dropped=False))
    _require(table, sheet, {column.field for column in columns if column}, names)
    return columns


def _require(table: Table, sheet: Sheet, present: set[str], names: Sequence[str]) -> None:
    required = {column.field for column in table.columns.values() if column.is_required}
    if table.name == "partners":
        required -= {"partner_id"} if present.issuperset(_SOURCE_KEY) else set()
        required -= {"name"} if "legal_name" in present else set()
    missing = sorted(required - present)
    if missing and (names or sheet.rows):
        headers = [table.columns[name].header for name in missing]
        unread = [name for name in names if table.column_of(fold(name)) is None] or names
        raise RegisterError(
            f"{sheet.spec.path}: no column for {', '.join(headers)}; found: {', '.join(names)}",
            hint=f"{headers[0]}: {nearest(headers[0], unread)}; rename it, or map it with "
            "columns = { ... } under [[collectors.register.files]]",
        )


def _read_row(table: Table, sheet: Sheet, columns: Sequence[Column | None], line: int, cells: Sequence[Any]) -> _Row:
    row = _Row(sheet, line, dict.fromkeys(table.columns))
    if table.name == "contracts":
        row.values["dates_readable"] = True
    beyond = [show(cell) for cell in cells[len(columns) :] if show(cell) is not None]
    if beyond:
        row.drop(None, "; ".join(filter(None, beyond)), "more cells than columns, so they cannot be told apart")
        return row
    for column, cell in zip(columns, cells, strict=False):
        if column is not None:
            row.values[column.field] = _value(row, column, cell)
    if table.name == "aliases":
        _check_alias(row, table)
    elif table.name == "contracts":
        _check_contract(row, table)
    elif table.name == "identity_map":
        _check_mapping(row)
    if table.name != "partners":  # these may take theirs from other columns
        _check_required(row, table)
    return row


def _value(row: _Row, column: Column, cell: Any) -> Any:
    if column.kind in _LISTS:
        values, errors = read_list(cell, column)
        for error in errors:
            row.note(column, cell, error.problem, error.allowed)
        return (";".join(values) or None) if column.kind == "texts" else values
    try:
        return read(cell, column, date_format=row.sheet.spec.date_format)
    except CellError as error:
        if column.drops_row and error.kept is None:
            row.drop(column, cell, error.problem, error.allowed)
        else:
            row.note(column, cell, error.problem, error.allowed)
        if row.values.get("dates_readable") and column.kind == "date":
            row.values["dates_readable"] = False
        return error.kept


def _check_required(row: _Row, table: Table) -> None:
    for column in table.columns.values():
        if column.is_required and row.values[column.field] is None and not row.is_dropped:
            row.drop(column, None, "is empty, and a row needs it")


def _check_alias(row: _Row, table: Table) -> None:
    kind, value = row.values["kind"], row.values["value"]
    if kind is not None and value is not None:
        try:
            row.values["value"] = alias_value(kind, value)
        except CellError as error:
            row.drop(table.columns["value"], value, error.problem, error.allowed)
    first, last = row.values["valid_from"], row.values["valid_to"]
    if first is not None and last is not None and last < first:
        row.drop(table.columns["valid_to"], last, f"lies before valid_from, {first}")


def _check_contract(row: _Row, table: Table) -> None:
    start, end = row.values["start_date"], row.values["end_date"]
    if start is not None and end is not None and end < start:
        # One of the two is wrong, and nobody can say which: unknown, never "ended".
        row.note(table.columns["end_date"], end, f"lies before start, {start}; read as unknown")
        row.values["end_date"] = None
        row.values["dates_readable"] = False


def _check_mapping(row: _Row) -> None:
    decided = ("partner_id", "owner", "purpose", "environment", "ai_agent")
    if not row.is_dropped and all(row.values[name] is None for name in decided):
        row.drop(None, row.values["pattern"], "decides nothing", f"one of {', '.join(decided)}")


def _complete_partners(rows: Sequence[_Row], present: dict[str, None]) -> None:
    """The id from the source key and the name from the legal name, where a row has no other."""
    for row in rows:
        values = row.values
        if row.is_dropped:
            continue
        key = _source_key(row)
        if values["partner_id"] is None and key is not None:
            values["partner_id"] = ":".join(key)
        if values["name"] is None:
            values["name"] = values["legal_name"]
        if values["partner_id"] is None:
            row.drop(None, values["name"], "has neither partner_id nor source_system and source_id")
        elif values["name"] is None:
            row.drop(None, values["partner_id"], "has neither name nor legal_name")
    if rows:
        present |= dict.fromkeys(("partner_id", "name"))


def _source_key(row: _Row) -> tuple[str, str] | None:
    system, source_id = (row.values[name] for name in _SOURCE_KEY)
    return None if system is None or source_id is None else (fold(system), source_id)


def _exported(row: _Row) -> datetime:
    given: datetime | None = row.values["exported_at"]
    return given or row.sheet.exported_at


def _drop_repeats(rows: Sequence[_Row], table: Table) -> None:
    first: dict[tuple[Any, ...], _Row] = {}
    for row in rows:
        if row.is_dropped:
            continue
        key = tuple(row.values[name] for name in table.key)
        earlier = first.setdefault(key, row)
        if earlier is row:
            continue
        column = table.columns[table.key[0]]
        row.is_repeat = earlier.values == row.values
        if row.is_repeat:
            row.drop(column, row.values[column.field], f"says the same as {earlier.where}")
        else:
            row.drop(
                column,
                row.values[column.field],
                f"{', '.join(table.columns[name].header for name in table.key)} as in {earlier.where}, which stands",
            )


def _is_filled(value: Any) -> bool:
    return value is not None and value != []


def _file(sheet: Sheet, table: Table, rows: Sequence[_Row]) -> RegisterFile:
    own = [row for row in rows if row.sheet is sheet]
    return RegisterFile(
        file=sheet.label,
        holds=table.name,
        rows=len(own),
        accepted=sum(not row.is_dropped for row in own),
        exported_at=sheet.exported_at,
    )


def _records(row: _Row, table: Table) -> Iterator[Record]:
    values: Mapping[str, Any] = {
        name: value for name, value in row.values.items() if name not in ("our_tenants", "old_mails")
    }
    if table.name == "partners":
        values = {**values, "exported_at": _exported(row)}
    yield table.record(**values, register_row=row.where)
    if table.name == "contracts":
        for tenant_id in row.values["our_tenants"] or ():
            yield ContractTenant(values["contract_id"], tenant_id)
    elif table.name == "people":
        for old_mail in row.values["old_mails"] or ():
            if old_mail != values["mail"]:
                yield PersonMail(values["mail"], old_mail)
