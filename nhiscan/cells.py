"""One cell of a table that people made -> one value: what spreadsheets do to ids, dates, addresses and yes/no."""

from __future__ import annotations

import math
import re
import unicodedata
from datetime import date, datetime
from email.utils import parseaddr
from typing import Any, Final

# What spreadsheets show when a formula failed.
_FORMULA_ERRORS: Final = frozenset(
    {"#N/A", "#NV", "#REF!", "#BEZUG!", "#VALUE!", "#WERT!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!", "#ZAHL!"}
)
_SCIENTIFIC: Final = re.compile(r"\d(?:[.,]\d+)?E\+\d{2,}")
_MOST_EXACT: Final = 10**15  # spreadsheets keep 15 digits of a number and write zeros for the rest
# Zero-width and direction characters: invisible, so two different ids would look the same.
_INVISIBLE: Final = re.compile("[\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
LABEL: Final = r"[^\W_](?:[\w-]*[^\W_])?"  # one part of a domain
_MAIL: Final = re.compile(rf"[^\s@<>()\[\]\\,;:\"]+@{LABEL}(?:\.{LABEL})+")
_LONGEST_MAIL: Final = 254  # RFC 5321, section 4.5.3.1.3, less the angle brackets
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
EARLIEST: Final = date(1980, 1, 1)
LATEST: Final = date(2999, 12, 30)


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


def text(cell: Any) -> str:
    """Raises: CellError where a spreadsheet has changed what a person typed."""
    if isinstance(cell, (date, datetime)):
        raise CellError("is a date where text is expected", allowed="text; a spreadsheet turns some ids into dates")
    if isinstance(cell, float) and not math.isfinite(cell):
        raise CellError("is not a number")
    if isinstance(cell, float) and abs(cell) >= _MOST_EXACT:
        raise CellError("has more digits than a spreadsheet keeps", allowed="format the column as text")
    if isinstance(cell, (list, dict)):
        raise CellError("holds several values where one is expected")
    shown = show(cell) or ""
    if shown in _FORMULA_ERRORS:
        raise CellError("is the error of a formula")
    if _SCIENTIFIC.fullmatch(shown):
        raise CellError("has lost digits to a spreadsheet", allowed="format the column as text")
    return shown


def mail(text: str) -> str:
    """Raises: CellError"""
    text = text.removeprefix("mailto:")
    address = (parseaddr(text)[1] if "<" in text else text).strip().lower()
    if len(address) > _LONGEST_MAIL or not _MAIL.fullmatch(address):
        raise CellError("is not a mail address", allowed="an address such as person@partner.example")
    return address


def boolean(text: str) -> bool:
    """Raises: CellError"""
    try:
        return _BOOLEANS[text.casefold()]
    except KeyError:
        raise CellError("is neither yes nor no", allowed="true/false, yes/no, ja/nein, 1/0") from None


def integer(text: str) -> int:
    """Raises: CellError"""
    whole = text.removesuffix(".0")
    if not (whole.isascii() and whole.isdigit()) or len(whole) > 18:
        raise CellError("is not a whole number", allowed="digits only")
    return int(whole)


def plausible(day: date) -> None:
    """Raises: CellError"""
    if not EARLIEST <= day <= LATEST:
        raise CellError("is not a plausible date", allowed=f"a day from {EARLIEST} to {LATEST}, or nothing")
