"""One cell -> one value: what spreadsheets and people do to ids, dates, addresses and yes/no."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from datetime import UTC, date, datetime
from email.utils import parseaddr
from typing import Any, Final

from .tables import Column

# What spreadsheets show when a formula failed.
_FORMULA_ERRORS: Final = frozenset(
    {"#N/A", "#NV", "#REF!", "#BEZUG!", "#VALUE!", "#WERT!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#ZAHL!"}
)
_SCIENTIFIC: Final = re.compile(r"\d(?:[.,]\d+)?E\+\d{2,}")
_MOST_EXACT: Final = 10**15  # spreadsheets keep 15 digits of a number and write zeros for the rest
# Zero-width and direction characters: invisible, so two different ids would look the same.
_INVISIBLE: Final = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_LABEL: Final = r"[^\W_](?:[\w-]*[^\W_])?"
_DOMAIN: Final = re.compile(rf"{_LABEL}(?:\.{_LABEL})+")
_MAIL: Final = re.compile(rf"[^\s@<>()\[\]\\,;:\"]+@{_LABEL}(?:\.{_LABEL})+")
_LONGEST_MAIL: Final = 254  # RFC 5321, section 4.5.3.1.3, less the angle brackets
_TENANT: Final = re.compile(r"([A-Za-z][A-Za-z0-9_-]*):(\S.*)")
_ACCOUNT: Final = re.compile(r"\d{12}")
_BOOLEANS: Final = {
    "true": True,
    "yes": True,
    "ja": True,
    "1": True,
    "false": False,
    "no": False,
    "nein": False,
    "0": False,
}
# Earlier dates are a spreadsheet's or a database's zero; later ones stand for "no end".
_EARLIEST: Final = date(1980, 1, 1)
_LATEST: Final = date(2999, 12, 30)
_LIST_MARKS: Final = re.compile(r"[;,\r\n]")


class CellError(ValueError):
    """A cell that cannot be read; `kept` stands in for it where its column allows."""

    def __init__(self, problem: str, *, allowed: str | None = None, kept: Any = None) -> None:
        super().__init__(problem)
        self.problem = problem
        self.allowed = allowed
        self.kept = kept


def clean(text: str) -> str:
    """NFC, without control and invisible characters; every run of white space is one space."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())  # nearly every cell; six times as fast
    text = _INVISIBLE.sub("", unicodedata.normalize("NFC", text))
    kept = []
    for char in text:
        category = unicodedata.category(char)
        if category == "Cs":
            kept.append("\ufffd")
        elif category != "Cc":
            kept.append(char)
        elif char.isspace():
            kept.append(" ")
    return " ".join("".join(kept).split())


def fold(header: str) -> str:
    """A header as it is compared: `Partner ID`, `partner-id` and `PARTNER_ID` are one."""
    return re.sub(r"[\s_-]+", "_", clean(header).casefold())


def show(cell: Any) -> str | None:
    """A cell as people see it; None for an empty one."""
    if cell is None:
        return None
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, list):
        return "; ".join(filter(None, map(show, cell))) or None
    return clean(str(cell)) or None


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
    return _READERS[column.kind](_text(cell), column)


def read_list(cell: Any, column: Column) -> tuple[list[str], list[CellError]]:
    """The values of a list cell, and what was wrong with the others."""
    items = cell if isinstance(cell, list) else _LIST_MARKS.split(cell) if isinstance(cell, str) else [cell]
    values: list[str] = []
    errors: list[CellError] = []
    for item in items:
        try:
            value = None if show(item) is None else _READERS[column.kind](_text(item), column)
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
        return _mail(value)
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


def _text(cell: Any) -> str:
    """Raises: CellError where a spreadsheet has changed what a person typed."""
    if isinstance(cell, (date, datetime)):
        raise CellError("is a date where text is expected", allowed="text; a spreadsheet turns some ids into dates")
    if isinstance(cell, float) and not math.isfinite(cell):
        raise CellError("is not a number")
    if isinstance(cell, float) and abs(cell) >= _MOST_EXACT:
        raise CellError("has more digits than a spreadsheet keeps", allowed="format the column as text")
    if isinstance(cell, (list, dict)):
        raise CellError("holds several values where one is expected")
    text = show(cell) or ""
    if text in _FORMULA_ERRORS:
        raise CellError("is the error of a formula")
    if _SCIENTIFIC.fullmatch(text):
        raise CellError("has lost digits to a spreadsheet", allowed="format the column as text")
    return text


def _word(text: str, column: Column) -> str:
    word = fold(text)
    if word not in column.words:
        raise CellError(f"is no known {column.header}", allowed=", ".join(column.words))
    return word


def _mail(text: str) -> str:
    text = text.removeprefix("mailto:")
    address = (parseaddr(text)[1] if "<" in text else text).strip().lower()
    if len(address) > _LONGEST_MAIL or not _MAIL.fullmatch(address):
        raise CellError("is not a mail address", allowed="an address such as person@partner.example")
    return address


def _tenant(text: str) -> str:
    match = _TENANT.fullmatch(text)
    if match is None:
        # Kept as written: an empty cell would widen the row to all of our tenants.
        raise CellError("is not a tenant id", allowed="<provider>:<tenant>, such as aws:111111111111", kept=text)
    return f"{match[1].lower()}:{match[2]}"


def _boolean(text: str) -> bool:
    try:
        return _BOOLEANS[text.casefold()]
    except KeyError:
        raise CellError("is neither yes nor no", allowed="true/false, yes/no, ja/nein, 1/0") from None


def _integer(text: str, column: Column) -> int:
    whole = text.removesuffix(".0")
    if not (whole.isascii() and whole.isdigit()) or len(whole) > 18:
        raise CellError("is not a whole number", allowed="digits only")
    number = int(whole)
    if column.field == "max_level" and number > 5:
        raise CellError("is not a level", allowed="0 to 5")
    return number


def _moment(cell: Any, column: Column, date_format: str | None) -> date | datetime | None:
    moment = cell if isinstance(cell, date) else _parse(_text(cell), column, date_format)
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    day = moment.date()
    if day > _LATEST and column.is_open_end:
        return None
    if not _EARLIEST <= day <= _LATEST:
        raise CellError("is not a plausible date", allowed=f"a day from {_EARLIEST} to {_LATEST}, or nothing")
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
    "mail": lambda text, _: _mail(text),
    "mails": lambda text, _: _mail(text),
    "tenant": lambda text, _: _tenant(text),
    "tenants": lambda text, _: _tenant(text),
    "boolean": lambda text, _: _boolean(text),
    "integer": _integer,
}
