"""Analyst SQL in a child process: a read-only scan, no way to other files, and limits the system enforces.

DuckDB's own limits are checked between vectors only (one `repeat('x', 3000000000)` escapes them), so the
child also runs under limits on memory, processor time and file size, and the parent ends it by the clock.
"""

from __future__ import annotations

import json
import math
import resource
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any, Final

from nhiscan.config import nearest
from nhiscan.errors import QueryError

_MEMORY_BYTES: Final = 2 * 1024**3
_CPU_S: Final = 30
_WALL_S: Final = 60
_ANSWER_BYTES: Final = 256 * 1024**2
_LOCKED_DOWN: Final[dict[str, str | bool | int | float | list[str]]] = {
    "access_mode": "read_only",
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "allow_community_extensions": "false",
    "allow_persistent_secrets": "false",
    "memory_limit": "512MB",
    "threads": "2",
    "temp_directory": "",
    "max_temp_directory_size": "0MB",
}


@dataclass(frozen=True)
class Answer:
    """Columns and rows of a query; times are ISO texts in UTC. `is_cut`: more rows than asked for."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    is_cut: bool


@dataclass(frozen=True)
class Named:
    """A query of the shipped pack: `<name>.sql` with `<name>.toml` (title, and a default for each parameter).

    `needs`: parameters that have no sensible default. `words`: all values that a parameter may have.
    """

    name: str
    title: str
    sql: str
    params: Mapping[str, str]
    needs: tuple[str, ...] = ()
    words: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def takes(self, key: str) -> str:
        """A parameter as a list of queries shows it: with what it may be, where that is a closed list."""
        return f"{key}={'|'.join(self.words[key])}" if key in self.words else key


def named() -> list[Named]:
    """The shipped queries, by name."""
    folder = resources.files("nhiscan.reports").joinpath("queries")
    found = []
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".sql"):
            about = tomllib.loads(folder.joinpath(f"{file.name[:-4]}.toml").read_text(encoding="utf-8"))
            found.append(
                Named(
                    file.name[:-4],
                    about["title"],
                    file.read_text(encoding="utf-8"),
                    about.get("params", {}),
                    tuple(about.get("needs", ())),
                    {key: tuple(words) for key, words in about.get("words", {}).items()},
                )
            )
    return found


def find(name: str, given: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The SQL of a named query and its parameters, the given ones before the defaults.

    Raises: QueryError naming the nearest query, parameter or value, or the parameter that is lacking.
    """
    pack = {query.name: query for query in named()}
    if name not in pack:
        raise QueryError(f"no named query {name!r}", hint=nearest(name, pack))
    for key in given:
        if key not in pack[name].params:
            raise QueryError(f"query {name!r} has no parameter {key!r}", hint=nearest(key, pack[name].params))
    values = {**pack[name].params, **given}
    for key in pack[name].needs:
        if not values[key]:
            raise QueryError(f"query {name!r} needs a value for {key!r}", hint=f"add --param {key}=…")
    for key, words in pack[name].words.items():
        if key in given and given[key] not in words:
            raise QueryError(f"{key!r} of query {name!r} is never {given[key]!r}", hint=nearest(given[key], words))
    return pack[name].sql, values


def run(database: Path, sql: str, params: Mapping[str, str], *, max_rows: int) -> Answer:
    """Raises: QueryError with DuckDB's own words, or naming the limit that ended the query."""
    request = json.dumps({"database": str(database), "sql": sql, "params": dict(params), "max_rows": max_rows})
    try:
        done = subprocess.run(
            [sys.executable, "-m", "nhiscan.query"],
            input=request.encode(),
            capture_output=True,
            timeout=_WALL_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise QueryError(f"the query ran longer than {_WALL_S} s", hint="narrow it, or aggregate") from error
    if done.returncode != 0:
        raise QueryError(
            f"the query was ended by the system (limits: {_CPU_S} s of processor, 2 GiB of memory)",
            hint="narrow it, or aggregate",
        )
    answer = json.loads(done.stdout)
    if "error" in answer:
        is_name = answer["error"].startswith(("Binder Error", "Catalog Error"))
        raise QueryError(answer["error"], hint="`nhiscan schema` lists tables and columns" if is_name else "")
    return Answer(tuple(answer["columns"]), tuple(map(tuple, answer["rows"])), answer["is_cut"])


def _plain(value: Any) -> Any:
    """`value` in what JSON knows; a number that is none becomes its name, such as "nan"."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    return value


def _child() -> None:
    import duckdb

    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    request = json.loads(sys.stdin.buffer.read())
    answer: dict[str, Any]
    try:
        con = duckdb.connect(request["database"], read_only=True, config=_LOCKED_DOWN)
        con.execute("set python_enable_replacements = false")
        con.execute("set disabled_filesystems = 'LocalFileSystem'")
        con.execute("set lock_configuration = true")
        statements = con.extract_statements(request["sql"])
        if len(statements) != 1:
            raise duckdb.InvalidInputException(f"one statement expected, {len(statements)} given")
        con.execute(statements[0], request["params"] or None)
        columns = [column[0] for column in con.description or ()]
        for name, kind, *_ in con.description or ():
            if str(kind) == "TIMESTAMP WITH TIME ZONE":  # its Python form needs a library of time zones
                raise duckdb.InvalidInputException(f"{name} has a time zone; write it as ({name})::timestamp")
        rows = [_plain(row) for row in con.fetchmany(request["max_rows"] + 1)] if columns else []
        answer = {"columns": columns, "rows": rows[: request["max_rows"]], "is_cut": len(rows) > request["max_rows"]}
        text = json.dumps(answer, default=str)
        if len(text) > _ANSWER_BYTES:
            text = json.dumps({"error": "the answer is larger than 256 MiB"})
    except (duckdb.Error, MemoryError) as error:
        text = json.dumps({"error": str(error) or "out of memory"})
    sys.stdout.write(text)


if __name__ == "__main__":
    _child()
