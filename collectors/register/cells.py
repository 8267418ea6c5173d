"""One cell -> one value of a register column: its words, tenants, lists and dates."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any, Final

from nhiscan.cells import LABEL, LATEST, CellError, boolean, fold, integer, mail, plausible, show, text

from .tables import Column

_DOMAIN: Final = re.compile(rf"{LABEL}(?:\.{LABEL})+")
_TENANT: Final = re.compile(r"([A-Za-z][A-Za-z0-9_-]*):(\S.*)")
_ACCOUNT: Final = re.compile(r"\d{12}")
_LIST_MARKS: Final = re.compile(r"[;,\r\n]")
_HIGHEST_LEVEL: Final = 5


def read(cell: Any, column: Column, *, date_format: str | None) -> Any:
    """The value of a cell in a column that holds one value; None for an empty cell.

    Raises: CellError saying what would be accepted.
    """
    if show(cell) is None:
        return None
    if isinstance(cell, (list, dict)):
        raise CellError("holds several values where one is expected")
    if column.kind in ("date", "time"):
        return _moment(cell, column, date_format)
    return _READERS[column.kind](text(cell), column)


def read_list(cell: Any, column: Column) -> tuple[list[str], list[CellError]]:
    """The values of a list cell, and what was wrong with the others."""
    items = cell if isinstance(cell, list) else _LIST_MARKS.split(cell) if isinstance(cell, str) else [cell]
    values: list[str] = []
    errors: list[CellError] = []
    for item in items:
        try:
            value = None if show(item) is None else _READERS[column.kind](text(item), column)
        except CellError as error:
            errors.append(error)
            value = error.kept
        if value is not None and value not in values:
            values.append(value)
    return values, errors


def alias_value(kind: str, value: str) -> str:
    """The value of an alias in the form that its kind is compared in.

    Raises: CellError
    """
    if kind == "mail":
        return mail(value)
    if kind == "mail_domain":
        domain = value.lower().removeprefix("@").removesuffix(".")
        if not _DOMAIN.fullmatch(domain):
            raise CellError("not a mail domain", allowed="a domain such as partner.example")
        return domain
    if kind == "aws_account":
        account = re.sub(r"[\s-]", "", value)
        if not _ACCOUNT.fullmatch(account):
            raise CellError(
                "not an AWS account number",
                allowed="12 digits; a spreadsheet drops leading zeros unless the column is text",
            )
        return account
    return value


def _word(text: str, column: Column) -> str:
    word = fold(text)
    if word not in column.words:
        raise CellError(f"is no known {column.header}", allowed=", ".join(column.words))
    return word


def _tenant(text: str) -> str:
    match = _TENANT.fullmatch(text)
    if match is None:
        # Kept as written: an empty cell would widen the row to all of our tenants.
        raise CellError("is not a tenant id", allowed="<provider>:<tenant>, such as aws:111111111111", kept=text)
    return f"{match[1].lower()}:{match[2]}"


def _integer(text: str, column: Column) -> int:
    number = integer(text)
    if column.field == "max_level" and number > _HIGHEST_LEVEL:
        raise CellError("is not a level", allowed=f"0 to {_HIGHEST_LEVEL}")
    return number


def _moment(cell: Any, column: Column, date_format: str | None) -> date | datetime | None:
    moment = cell if isinstance(cell, date) else _parse(text(cell), column, date_format)
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    day = moment.date()
    if day > LATEST and column.is_open_end:
        return None
    plausible(day)
    if column.kind == "date":
        return day  # the calendar day as written, whatever its time zone
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _parse(text: str, column: Column, date_format: str | None) -> datetime:
    if date_format is None:
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            raise CellError("is not a date", allowed="YYYY-MM-DD, or set date_format for the file") from None
    for suffix in ("",) if column.kind == "date" else ("", " %H:%M", " %H:%M:%S"):
        try:
            return datetime.strptime(text, date_format + suffix)
        except ValueError:
            continue
    raise CellError("is not a date", allowed=f"dates of this file are written {date_format}")


_READERS: Final[dict[str, Callable[[str, Column], Any]]] = {
    "text": lambda text, _: text,
    "texts": lambda text, _: text,
    "word": _word,
    "mail": lambda text, _: mail(text),
    "mails": lambda text, _: mail(text),
    "tenant": lambda text, _: _tenant(text),
    "tenants": lambda text, _: _tenant(text),
    "boolean": lambda text, _: boolean(text),
    "integer": _integer,
}
