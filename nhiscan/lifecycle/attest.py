"""What a partner is asked to state: a file with one row for each thing that the scan knows of it, and room for answers.

The file holds what concerns that partner and nothing else. What was asked is kept in <state>/attestations/<id>.json, so
that rows which come back changed, added or taken out are told from those that went out.
"""

from __future__ import annotations

import csv
import io
import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import duckdb

from nhiscan import atomic, narrow, statements
from nhiscan.errors import StoreError
from nhiscan.lifecycle.decisions import RefusedError
from nhiscan.printable import guarded, plain

KINDS: Final = ("access", "nhi_inventory", "leavers")
ANSWERS: Final = ("keep", "remove", "left", "shared", "unknown")
SHEET: Final = "statement"
# Names of the columns as they go out; those that come back are compared without case, `_`, `-` and spaces being one.
REQUEST, PARTNER, NUMBER, ID = "request", "partner", "no", "id"
NAME, MAIL = "name", "mail"
ANSWER, SIGNED_BY, SIGNED_ON = "answer", "signed by (mail address)", "signed on (YYYY-MM-DD)"
COLUMNS: Final = (
    REQUEST,
    PARTNER,
    NUMBER,
    "what",
    ID,
    "system",
    NAME,
    "kind",
    MAIL,
    "created",
    "last used",
    "on your list",
    ANSWER,
    SIGNED_BY,
    SIGNED_ON,
    "remark",
)
_WIDTHS: Final = {ID: 60, NAME: 30, MAIL: 30, ANSWER: 12, SIGNED_BY: 30, SIGNED_ON: 22, "remark": 40}
_HOW: Final = (
    ("keep", "needed, and used by whom it was given to"),
    ("remove", "no longer needed: take it away"),
    ("left", "its person is no longer with you"),
    ("shared", "several people or programs use it"),
    ("unknown", "you cannot say"),
    ("", "Answer every row, and let one person sign: the address and the day, once or in every row."),
    ("", "Leave the other columns as they are; take no row out and add none. Tell of what is missing in a remark."),
)
_LONGEST: Final = 2000  # characters of a cell; ids and names may be chosen by anybody
_ID: Final = re.compile(r"T-\d{8}-[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class Item:
    """One row: `subject_kind` identity, declared or person; `shown`, `name` and `mail` as the file shows them."""

    number: int
    subject_kind: str
    subject_id: str
    shown: str
    name: str = ""  # requests that were kept before these were have neither
    mail: str = ""


@dataclass(frozen=True)
class Request:
    """What one partner was asked on the ground of one scan; its id becomes that of the statement."""

    request_id: str
    partner_id: str
    partner_name: str
    partner_shown: str
    kind: str
    asked_at: datetime
    scan_id: str
    items: tuple[Item, ...]


def make(
    con: duckdb.DuckDBPyConnection, *, partner: str, kind: str, at: datetime
) -> tuple[Request, list[tuple[Any, ...]]]:
    """A request, and the rows of its file under COLUMNS.

    Raises: QueryError for an unknown partner, RefusedError where there is nothing to ask about.
    """
    partner_id, name = narrow.find_partner(con, partner)
    values = {"partner": partner_id, "kind": kind, "today": at.date()}
    found = con.execute(statements.sql("nhiscan.lifecycle", "attest_items"), values).fetchall()
    if not found:
        raise RefusedError(
            f"the scan knows nothing of {name} that a statement about {kind} could name",
            hint=f"see what it knows with `nhiscan partner show {partner_id}`; another kind may have something",
        )
    ((scan_id,),) = con.execute("select scan_id from scans").fetchall()
    _, scope = narrow.narrow(con, partner=partner_id, owner=None)
    request_id = f"T-{at.astimezone(UTC):%Y%m%d}-{secrets.token_hex(4)}"
    partner_shown = _cell(name, scope)
    items: list[Item] = []
    rows: list[tuple[Any, ...]] = []
    for number, (subject_kind, subject_id, system, called, type_, mail, created, used, listed) in enumerate(found, 1):
        shown = _cell(subject_id, scope)
        told = tuple(_cell(value, scope) for value in (system, called, type_, mail))
        items.append(Item(number, subject_kind, subject_id, shown, told[1], told[3]))
        dates = ("" if created is None else created.strftime("%Y-%m-%d"), used or "", listed or "")
        rows.append((request_id, partner_shown, number, subject_kind, shown, *told, *dates, "", "", "", ""))
    return Request(request_id, partner_id, name, partner_shown, kind, at, scan_id, tuple(items)), rows


def _cell(value: str | None, scope: narrow.Scope | None) -> str:
    """A text as the partner may see it: without other partners' words, nothing hidden in it, no formula."""
    if value is None:
        return ""
    masked = value if scope is None else scope.words.mask(value)
    cell: str = guarded(plain(masked, _LONGEST))
    return cell


def keep(state: Path, request: Request) -> None:
    """Raises: StoreError"""
    folder = state / "attestations"
    atomic.make_folder(folder)
    told = {**asdict(request), "asked_at": request.asked_at.isoformat()}
    atomic.write_text(folder / f"{request.request_id}.json", json.dumps(told, indent=1) + "\n")


def kept(state: Path, request_id: str) -> Request:
    """Raises: RefusedError for a request that was never sent from here, StoreError where its file is damaged."""
    path = state / "attestations" / f"{request_id}.json"
    if _ID.fullmatch(request_id) is None or not path.is_file():
        raise RefusedError(
            f"no request {request_id!r} was made here",
            hint="look at the column `request`: it must be as it went out, and the state directory the same",
        )
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        items = tuple(Item(**item) for item in told.pop("items"))
        asked_at = datetime.fromisoformat(told.pop("asked_at"))
        return Request(**told, asked_at=asked_at, items=items)
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}", hint="check its permissions") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise StoreError(
            f"{path} is damaged", hint="restore it from a backup, or request the statement anew"
        ) from error


def write(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    """Writes a new file for the partner, as its ending says: there in full, or not at all.

    Raises: RefusedError where the file exists, StoreError where it cannot be written.
    """
    if path.exists():
        raise RefusedError(f"{path} exists, and may hold answers", hint="name another file")
    if path.suffix.lower() == ".csv":
        out = io.StringIO(newline="")
        csv.writer(out).writerows([COLUMNS, *rows])
        atomic.write_text(path, f"\ufeff{out.getvalue()}")  # the mark tells spreadsheet programs that it is UTF-8
        return
    with atomic.drafted(path) as draft:
        _workbook(draft, rows)
        atomic.settle(draft, path)


def _workbook(path: Path, rows: Sequence[Sequence[Any]]) -> None:
    from openpyxl import Workbook
    from openpyxl.styles import Font
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    book = Workbook()
    sheet = book.active
    sheet.title = SHEET
    for row in (COLUMNS, *rows):
        sheet.append(row)
    for place, name in enumerate(COLUMNS, 1):
        sheet.cell(1, place).font = Font(bold=True)
        sheet.column_dimensions[get_column_letter(place)].width = _WIDTHS.get(name, 18)
        for line in range(2, len(rows) + 2):
            sheet.cell(line, place).number_format = "@"  # text: a program makes no dates or numbers of ids
    sheet.freeze_panes = "A2"
    letter = get_column_letter(COLUMNS.index(ANSWER) + 1)
    words = DataValidation(type="list", formula1=f'"{",".join(ANSWERS)}"', allow_blank=True)
    words.add(f"{letter}2:{letter}{len(rows) + 1}")
    sheet.add_data_validation(words)
    help_ = book.create_sheet("how to answer")
    for told in _HOW:
        help_.append(told)
    help_.column_dimensions["B"].width = 110
    book.save(path)
