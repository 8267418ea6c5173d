"""A scan narrowed to one partner or one owner, for a report that may be handed over.

Two fences. Rows: every table is shadowed by a temporary one that holds only what was allowed in, so a
query of the report cannot reach the rest. Words: texts that quote somebody else (a trust statement, a
message naming two partners) are masked or left out, because a row of ours may speak about others.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import duckdb

from nhiscan import statements, store
from nhiscan.config import nearest
from nhiscan.errors import NhiscanError, QueryError
from nhiscan.resolve import names

MASK: Final = "[withheld]"
_WORD: Final = re.compile(r"[^\W_]+")
# A name made of these alone identifies nobody, and masking it would blank out every sentence.
_COMMON: Final = frozenset(
    """
    access account admin and api app arn aws bot ci dev false for group iam id key login main none of ops
    partner partners password policy prod register role root scan service staging svc team test the to tool
    true user users vault
    """.split()  # noqa: SIM905 - forty words as a list are forty lines
)
_SHORTEST_NUMBER: Final = 4  # shorter numbers are ages and counts, not ids


@dataclass(frozen=True)
class Scope:
    """Whose part of the scan is shown, and the words that must not appear."""

    kind: str  # partner or owner
    who: str
    words: Words = field(repr=False)


class Words:
    """Finds terms of others in a text; own terms win where they are longer, so that a partner keeps its own name."""

    def __init__(self, others: Iterable[str], own: Iterable[str]) -> None:
        self._terms: dict[str, list[tuple[tuple[str, ...], bool]]] = {}
        self._raw: set[str] = set()
        kept = {_split(term) for term in own}
        seen: set[tuple[str, ...]] = set()
        for term in others:
            words = _split(term)
            if not words and term.strip():
                self._raw.add(term)  # no letter in it: only its exact form can be looked for
            if not words or words in kept or words in seen or not _identifies(words):
                continue
            seen.add(words)
            if not term.isascii():
                self._raw.add(term)  # scripts without spaces put it inside a longer run of letters
            self._terms.setdefault(words[0], []).append((words, False))
        for words in kept:
            if words and words[0] in self._terms:
                self._terms[words[0]].append((words, True))
        for found in self._terms.values():
            found.sort(key=lambda entry: (-len(entry[0]), not entry[1], entry[0]))
        self._raw -= set(own)

    def mask(self, text: str) -> str:
        """`text` with every term of others replaced."""
        spans = list(self._spans(text))
        for start, end in reversed(spans):
            text = text[:start] + MASK + text[end:]
        for term in sorted(self._raw, key=lambda term: (-len(term), term)):
            text = text.replace(term, MASK)
        return text

    def _spans(self, text: str) -> Iterator[tuple[int, int]]:
        found = [(match.group().casefold(), match.start(), match.end()) for match in _WORD.finditer(text)]
        at = 0
        while at < len(found):
            length = 1
            for words, is_own in self._terms.get(found[at][0], ()):
                if tuple(word for word, _, _ in found[at : at + len(words)]) != words:
                    continue
                start, end = found[at][1], found[at + len(words) - 1][2]
                if not is_own and _is_date_part(text, start, end):
                    continue
                length = len(words)
                if not is_own:
                    yield start, end
                break
            at += length


def _split(term: str) -> tuple[str, ...]:
    return tuple(word.casefold() for word in _WORD.findall(term))


def _identifies(words: tuple[str, ...]) -> bool:
    return any(
        word not in _COMMON and len(word) > 1 and not (word.isdigit() and len(word) < _SHORTEST_NUMBER)
        for word in words
    )


def _is_date_part(text: str, start: int, end: int) -> bool:
    return text[start:end].isdigit() and end - start == _SHORTEST_NUMBER and re.match(r"-\d\d", text[end:]) is not None


def narrow(
    con: duckdb.DuckDBPyConnection, *, partner: str | None, owner: str | None
) -> tuple[duckdb.DuckDBPyConnection, Scope | None]:
    """A cursor on which the tables hold only what `partner` (id or unique name) or `owner` (address) may see.

    Raises: QueryError for an unknown or ambiguous partner, or an unknown owner; NhiscanError for both at once.
    """
    cursor = con.cursor()
    if partner is None and owner is None:
        cursor.execute(_sql("all"))
        return cursor, None
    if partner is not None and owner is not None:
        raise NhiscanError(
            "a report is narrowed to a partner or to an owner, not to both", hint="choose one of the two"
        )
    if partner is not None:
        partner_id, who = find_partner(cursor, partner)
        key, script = partner_id, "one_partner"
    else:
        who = find_owner(cursor, str(owner))
        key, script = who, "one_owner"
    cursor.execute("create temp table scope_who as select cast(? as varchar) as who", [key])
    cursor.execute(_sql(script))
    words = Words(_terms(cursor, "others"), [*_terms(cursor, "own"), who])
    _shadow(cursor)
    return cursor, Scope("partner" if partner is not None else "owner", who, words)


def _sql(name: str) -> str:
    return statements.sql("nhiscan.reports", f"sql/narrow/{name}")


def _terms(cursor: duckdb.DuckDBPyConnection, name: str) -> list[str]:
    return [str(term) for (term,) in cursor.execute(_sql(name)).fetchall()]


def find_partner(cursor: duckdb.DuckDBPyConnection, word: str) -> tuple[str, str]:
    """Id and name of a partner by its id, or by its name in any case.

    Raises: QueryError when none or several are meant.
    """
    known: dict[str, str] = dict(
        cursor.execute("select partner_id, min(name) from partners group by partner_id order by partner_id").fetchall()
    )
    if word in known:
        return word, known[word]
    named = [key for key, name in known.items() if name is not None and name.casefold() == word.casefold()]
    if len(named) == 1:
        return named[0], known[named[0]]
    if named:
        raise QueryError(f"{len(named)} partners are called {word!r}", hint=f"give the id: {', '.join(named)}")
    words = {*known, *filter(None, known.values())}
    alike = sorted(each for each in words if names.look(each) == names.look(word))
    raise QueryError(
        f"no partner {word!r} in this scan",
        hint=f"{', '.join(map(repr, alike))} only looks the same" if alike else nearest(word, words),
    )


def find_owner(cursor: duckdb.DuckDBPyConnection, word: str) -> str:
    """The address of an owner, by the address in any case. Raises: QueryError for an unknown one."""
    known = [str(mail) for (mail,) in cursor.execute(_sql("known_owners")).fetchall()]
    for mail in known:
        if mail.casefold() == word.casefold():
            return mail
    raise QueryError(
        f"no owner {word!r} in this scan", hint=nearest(word, known) if known else "no owner is known at all"
    )


def _shadow(cursor: duckdb.DuckDBPyConnection) -> None:
    # The file is a heading `-- table:` and a select, for each table that lets something in.
    parts = re.split(r"^-- (\w+):$", _sql("tables"), flags=re.MULTILINE)
    allowed = {table: query.strip().rstrip(";") for table, query in zip(parts[1::2], parts[2::2], strict=True)}
    # Order counts: later selects read the earlier shadows (findings before cases).
    for table in [*allowed, *(name for name in store.tables() if name not in allowed)]:
        query = allowed.get(table, f"select * from main.{table} where false")
        cursor.execute(f"create temp table {table} as {_from_scan(cursor, query)}")
    cursor.execute(_sql("all"))


def _from_scan(cursor: duckdb.DuckDBPyConnection, query: str) -> str:
    row: Any = cursor.execute("select current_database()").fetchone()
    database = str(row[0]).replace('"', '""')
    return re.sub(r"\bmain\.", f'"{database}".main.', query)
