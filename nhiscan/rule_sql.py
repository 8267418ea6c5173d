"""The SQL of a rule: what it may be written in, and the parameters that stand in it.

It must run on DuckDB, Spark and ClickHouse, give the same answer twice and reach nothing but the tables of a scan. So
functions are allowed by name, tables must be in the schema, and values are bound.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final

import duckdb

from nhiscan.config import nearest
from nhiscan.errors import RuleError

_PARAM: Final = re.compile(r"\$([A-Za-z_]\w*)")
_IN_LIST: Final = re.compile(r"\bin\s+\$([A-Za-z_]\w*)", re.IGNORECASE)
_STRING: Final = re.compile(r"('(?:[^']|'')*')")
_COMMENT: Final = re.compile(r"--[^\n]*|/\*.*?\*/", re.DOTALL)
_CALL: Final = re.compile(r"\b([A-Za-z_]\w*)\s*\(")
_FUNCTIONS: Final = frozenset(
    re.findall(
        r"\w+",
        "count sum min max avg coalesce nullif lower upper length substr substring replace trim cast abs round"
        " floor ceil greatest least row_number rank dense_rank lag lead first_value last_value",
    )
)
_BEFORE_PARENTHESIS: Final = frozenset(
    re.findall(
        r"\w+",
        "as and or not in on when then else case from join where select distinct all any exists over by union having"
        " with values using between like except intersect",
    )
)
_BANNED: Final = frozenset(
    re.findall(
        r"\w+",
        "glob qualify interval json list hash now today random current_date current_time current_timestamp"
        " localtimestamp localtime ilike similar pivot unpivot lateral asof positional recursive tablesample exclude"
        " rename anti semi sample filter within fill",
    )
)


def lint(where: str, sql: str, con: duckdb.DuckDBPyConnection, tables: Sequence[str]) -> None:
    """Refuses what is not one portable SELECT over these tables; `con` knows them. Raises: RuleError."""
    code = _code(sql)
    for word in re.findall(r"[A-Za-z_]\w*", code):
        if word.lower() in _BANNED:
            raise RuleError(f"{where}: {word} does not run everywhere", hint="use portable SQL")
    for pattern, name in (
        (r"\busing\s+key\b", "using key"),
        (r"::", "::"),
        (r"->", "->"),
        (r"~", "~"),
        (r"\?", "?"),
        ('"', '"'),
    ):
        if re.search(pattern, code, re.IGNORECASE):
            raise RuleError(f"{where}: {name} does not run everywhere", hint="use portable SQL and named parameters")
    if re.search(r"\b(from|join)\s+'", _COMMENT.sub(" ", sql), re.IGNORECASE):
        raise RuleError(f"{where}: reads a file", hint="a rule reads the tables of a scan")
    for called in _CALL.findall(code):
        if called.lower() not in _FUNCTIONS | _BEFORE_PARENTHESIS:
            raise RuleError(f"{where}: {called}() is not a portable function", hint=nearest(called, _FUNCTIONS))
    try:
        statements = duckdb.extract_statements(sql)
    except duckdb.Error as error:
        raise RuleError(f"{where}: {error}", hint="mend the SQL") from error
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise RuleError(f"{where}: is not one SELECT", hint="write one SELECT and nothing else")
    read = {name.lower() for name in con.get_table_names(_PARAM.sub("null", expand(sql, {})))}
    for table in sorted(read - set(tables)):
        raise RuleError(f"{where}: reads {table}, which is no table of a scan", hint=nearest(table, tables))


def is_a_list(sql: str, name: str) -> bool:
    """Whether each `$name` stands after `in`, where a list of values may."""
    code = _code(sql)
    return _PARAM.findall(code).count(name) == _IN_LIST.findall(code).count(name)


def used_in(sql: str) -> set[str]:
    """The names of its parameters."""
    return set(_PARAM.findall(_code(sql)))


def expand(sql: str, lists: Mapping[str, Sequence[str]]) -> str:
    """The SQL without comments, each `in $x` written out as bound values; an empty list holds nothing."""

    def written(match: re.Match[str]) -> str:
        name = match[1]
        items = ", ".join(f"${name}_{n}" for n in range(1, len(lists.get(name, ())) + 1))
        return f"in ({items or 'select cast(null as varchar) where 1 = 0'})"

    parts = _STRING.split(_COMMENT.sub(" ", sql))
    return "".join(part if n % 2 else _IN_LIST.sub(written, part) for n, part in enumerate(parts))


def _code(sql: str) -> str:
    return _STRING.sub("''", _COMMENT.sub(" ", sql))
