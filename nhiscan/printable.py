"""Values from outside as a page may show them: nothing invisible, nothing that reorders text, nothing endless.

Names of identities, partners and policies are chosen by other parties. Autoescaping keeps them from
becoming markup; this module keeps them from deceiving the reader.
"""

from __future__ import annotations

import shlex
import unicodedata
from datetime import UTC, date, datetime
from typing import Any, Final

from markupsafe import Markup

SHORT: Final = 90  # characters of a name in a heading or a cell
SENTENCE: Final = 320  # characters of a message or reason
LONG: Final = 600  # characters of a value before the rest folds away

# Letters by category, yet without a glyph: Hangul fillers and the empty Braille cell.
_BLANK_LETTERS: Final = frozenset("\u115f\u1160\u3164\uffa0\u2800")
_UNSEEN_CATEGORIES: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
_MOST_MARKS: Final = 3  # combining marks on one letter; more paint over neighbouring lines


def is_unseen(char: str) -> bool:
    """True for a character that shows nothing or changes how its neighbours are shown."""
    if " " <= char <= "~":
        return False
    category = unicodedata.category(char)
    return category in _UNSEEN_CATEGORIES or category == "Zs" or char in _BLANK_LETTERS


def _escape(char: str) -> str:
    point = ord(char)
    return f"\\u{point:04x}" if point <= 0xFFFF else f"\\U{point:08x}"


def pieces(text: str) -> list[tuple[bool, str]]:
    """`text` cut into (is an escape, characters); joined in order they say all of it."""
    found: list[tuple[bool, str]] = []
    marks = 0
    for char in text:
        marks = marks + 1 if unicodedata.combining(char) else 0
        hidden = is_unseen(char) or marks > _MOST_MARKS
        shown = _escape(char) if hidden else char
        if found and found[-1][0] == hidden:
            found[-1] = (hidden, found[-1][1] + shown)
        else:
            found.append((hidden, shown))
    return found


def plain(value: Any, most: int = SHORT) -> str:
    """Text for places that take no markup, such as the title."""
    text = str(value)
    shown = "".join(part for _, part in pieces(text[:most]))
    return shown if len(text) <= most else f"{shown}…"


def width(text: str) -> int:
    """Columns of a terminal that `text` takes, in the usual fonts."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def cut(text: str, most: int) -> str:
    """`text` in at most `most` columns: words lose their end, an id its middle, since ids differ at the end."""
    if width(text) <= most:
        return text
    head, tail = text, ""
    if " " not in text:
        tail = text[-(most * 2 // 3) :]
        while width(tail) > most * 2 // 3:
            tail = tail[1:]
    head = head[:most]
    while width(head) + 1 + width(tail) > most:
        head = head[:-1]
    return f"{head.rstrip()}…{tail}"


def _bdi(text: str) -> Markup:
    parts = [
        Markup('<span class="esc">{}</span>').format(part) if hidden else Markup("{}").format(part)
        for hidden, part in pieces(text)
    ]
    return Markup("<bdi>{}</bdi>").format(Markup("").join(parts))


def name(value: Any, most: int = SHORT) -> Markup:
    """A value inside a sentence, heading or summary: shortened, its length said."""
    if value is None:
        return Markup('<span class="none">not known</span>')
    text = str(value)
    if len(text) <= most:
        return _bdi(text)
    return _bdi(text[:most]) + Markup('<span class="cut">… ({} characters)</span>').format(len(text))


def sentence(value: Any) -> Markup:
    """A message or a reason where no element may fold."""
    return name(value, SENTENCE)


def full(value: Any) -> Markup:
    """A value in a cell or block: all of it, what is very long folded behind its beginning."""
    if value is None:
        return Markup('<span class="none">not known</span>')
    text = str(value)
    if len(text) <= LONG:
        return _bdi(text)
    return Markup(
        '<details class="long"><summary>{} <span class="cut">… all {} characters</span></summary>{}</details>'
    ).format(_bdi(text[:SHORT]), len(text), _bdi(text))


def moment(value: datetime | None) -> str:
    """A time of the inventory; tables hold UTC without a zone."""
    if value is None:
        return "not known"
    if value.tzinfo is not None:
        value = value.astimezone(UTC)
    return value.strftime("%Y-%m-%d %H:%M UTC")


def day(value: date | None) -> str:
    return "not known" if value is None else value.strftime("%Y-%m-%d")


def guarded(value: Any) -> Any:
    """A value as a cell of CSV or a sheet may hold it: a text that a spreadsheet would run as a formula is quoted."""
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value


def command(*words: str) -> str | None:
    """Words as one line for a POSIX shell; None where a word holds what a terminal would not show as it is."""
    if any(is_unseen(char) for word in words for char in word):
        return None
    return shlex.join(words)
