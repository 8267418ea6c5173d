"""Scans on disk: built in a new file, published by moving a pointer, opened read-only ever after.

<state>/scans/<scan-id>/*.parquet is the durable snapshot, with the schema it was written by in schema.sql;
<state>/scans/<scan-id>.duckdb is a cache of it in the schema of this version, <state>/CURRENT the pointer. A
scan under construction lives in scans/.build-<scan-id> and is removed by the next scan when its process died,
so that a crash loses at most what was not published.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import json
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import duckdb

from nhiscan import statements
from nhiscan.atomic import sync, write_text
from nhiscan.errors import ConfigError, LockError, StoreError

# Readable by every supported DuckDB; a file of the newest default is refused by older ones.
STORAGE_VERSION: Final = "v1.4.0"
_SCAN_ID: Final = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")
_COLUMN: Final = re.compile(r"    (\w+) (\w+),? -- ")
_MEMORY_LIMIT: Final = "1GB"
_DISK_ERRORS: Final = (OSError, duckdb.IOException, duckdb.FatalException, duckdb.TransactionException)
_INTERRUPTED: Final = "Query interrupted"  # what DuckDB makes of a KeyboardInterrupt while it works


def schema_sql() -> str:
    return statements.sql("nhiscan", "schema")


def comments(sql: str) -> Iterator[tuple[str, str | None, str]]:
    """(table, column or None, comment) for each commented line of a schema file, in order."""
    table = ""
    for line in sql.splitlines():
        code, _, comment = line.partition(" -- ")
        if code.startswith("create table "):
            table = code.split()[2]
            yield table, None, comment
        elif code.startswith("    ") and comment:
            yield table, code.split()[0], comment


def tables(sql: str | None = None) -> list[str]:
    """The tables of a scan, in the order of schema.sql."""
    return [table for table, column, _ in comments(sql or schema_sql()) if column is None]


def create_schema(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Creates every table of a schema file, empty and commented, in the connection's current database."""
    statements = [sql]
    for table, column, comment in comments(sql):
        text = comment.replace("'", "''")
        target = f"table {table}" if column is None else f"column {table}.{column}"
        statements.append(f"comment on {target} is '{text}';")
    con.execute("begin;" + "\n".join(statements) + "commit;")


def empty() -> duckdb.DuckDBPyConnection:
    """An in-memory scan without a row."""
    con = duckdb.connect()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blank.duckdb"
        path.write_bytes(_blank(schema_sql()))
        con.execute(f"attach '{quoted(path)}' as blank (read_only)")
        con.execute("copy from database blank to memory (schema)")
        con.execute("detach blank")
    return con


@functools.cache
def _blank(sql: str) -> bytes:
    """The file of a scan without a row: a thousand statements, made once a process and copied from then on."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "blank.duckdb"
        with duckdb.connect() as con:
            con.execute(f"attach '{quoted(path)}' as scan (storage_version '{STORAGE_VERSION}')")
            con.execute("use scan")
            create_schema(con, sql)
            con.execute("use memory")
            con.execute("detach scan")
        return path.read_bytes()


def new_scan_id(start: datetime) -> str:
    """Start in UTC and four random hex digits, such as 20260131T020000Z-4f2a."""
    return f"{start:%Y%m%dT%H%M%SZ}-{secrets.token_hex(2)}"


@contextlib.contextmanager
def locked(state: Path) -> Iterator[None]:
    """Holds the state directory's lock; the system releases it when the process dies.

    Raises: LockError when another scan holds it, StoreError when the directory cannot be written.
    """
    try:
        (state / "scans").mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(state / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        if not (state / ".gitignore").exists():
            (state / ".gitignore").write_text("*\n", encoding="utf-8")  # nobody should commit an inventory by mistake
    except OSError as error:
        raise StoreError(
            f"cannot write the state directory {state}: {error.strerror}",
            hint="check [state] path in nhiscan.toml, its permissions and the free space",
        ) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.read(descriptor, 200).decode(errors="replace").strip() or "another process"
            raise LockError(
                f"{holder} is scanning into {state}", hint="wait for it to end; published scans can be read meanwhile"
            ) from error
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"process {os.getpid()}\n".encode())
        _remove_crashed(state)
        yield
    finally:
        os.close(descriptor)


class Build:
    """A scan under construction; `publish` makes it the current one, leaving without that removes it."""

    def __init__(self, state: Path, scan_id: str) -> None:
        self.state = state
        self.scan_id = scan_id
        self.folder = state / "scans" / f".build-{scan_id}"
        self.con: duckdb.DuckDBPyConnection

    def __enter__(self) -> Build:
        try:
            self._open()
        except BaseException as error:
            self.__exit__(type(error), error, None)
            raise
        return self

    def _open(self) -> None:
        self.folder.mkdir(mode=0o700)
        self.con = duckdb.connect(config={"memory_limit": _MEMORY_LIMIT, "temp_directory": str(self.folder / "spill")})
        self.con.execute("set preserve_insertion_order = false")
        self._database.write_bytes(_blank(schema_sql()))
        self.con.execute(f"attach '{quoted(self._database)}' as scan")
        self.con.execute("use scan")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if hasattr(self, "con"):
            with contextlib.suppress(duckdb.Error):  # a full disk also fails the close; the folder goes anyway
                self.con.close()
        shutil.rmtree(self.folder, ignore_errors=True)
        if isinstance(error, _DISK_ERRORS):
            raise _cannot_write(self.state, error) from error
        if isinstance(error, RuntimeError) and str(error) == _INTERRUPTED:
            raise KeyboardInterrupt from error

    @property
    def _database(self) -> Path:
        return self.folder / "scan.duckdb"

    def attach_previous(self) -> str | None:
        """Attaches the current scan read-only as `previous` and returns that name; None on the first scan.

        A scan of an older version is brought to today's schema first: a table or column that it lacks is empty.
        """
        scan_id = current(self.state)
        if scan_id is None:
            return None
        path = _cache(self.state, scan_id)
        self.con.execute(f"attach '{quoted(path)}' as previous (read_only)")
        return "previous"

    def publish(self) -> Path:
        """Writes the snapshot, moves the pointer and returns the scan's database.

        Raises: StoreError, and the old pointer stays.
        """
        with disk_errors(self.state):
            snapshot = self.folder / "snapshot"
            snapshot.mkdir(mode=0o700)
            if self.con.execute(
                "select count(*) from duckdb_databases() where database_name = 'previous'"
            ).fetchone() == (1,):
                self.con.execute("detach previous")
            for table in tables():
                path = snapshot / f"{table}.parquet"
                self.con.execute(f"copy {table} to '{quoted(path)}' (format parquet, compression zstd)")
                sync(path)
            write_text(snapshot / "schema.sql", schema_sql())
            self.con.execute("checkpoint scan")
            self.con.close()
            sync(self._database)
            sync(snapshot)
            scans = self.state / "scans"
            database = self._database.rename(scans / f"{self.scan_id}.duckdb")
            snapshot.rename(scans / self.scan_id)
            sync(scans)
            write_text(self.state / "CURRENT", f"{self.scan_id}\n")
        return database


def _remove_crashed(state: Path) -> None:
    """Clears what dead processes left; only called with the lock held."""
    scans = state / "scans"
    for folder in sorted(scans.glob(".build-*")):
        log_run(state, {"scan_id": folder.name.removeprefix(".build-"), "event": "crashed"})
        shutil.rmtree(folder, ignore_errors=True)
    for cache in scans.glob("*.duckdb"):  # moved there before its snapshot, by a process that died between
        if not (scans / cache.stem).is_dir():
            cache.unlink(missing_ok=True)


def _runs(state: Path) -> Path:
    return state / "runs.jsonl"


def log_run(state: Path, entry: dict[str, Any]) -> None:
    """Appends one line to runs.jsonl."""
    with disk_errors(state), _runs(state).open("a", encoding="utf-8") as file:
        file.write(json.dumps(entry, default=str) + "\n")


def current(state: Path) -> str | None:
    """The id of the current scan; None when nothing was published.

    Raises: StoreError when the pointer names no scan.
    """
    try:
        scan_id = (state / "CURRENT").read_text(encoding="utf-8", errors="replace").strip()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot read {state / 'CURRENT'}: {error}", hint="check its permissions") from error
    if scan_id not in published(state):
        raise StoreError(
            f"{state / 'CURRENT'} names scan {scan_id!r}, which is not there",
            hint="write one of these ids into it: "
            + (", ".join(published(state)) or "none is left; delete it and scan"),
        )
    return scan_id


def published(state: Path) -> list[str]:
    """Ids of all published scans, oldest first."""
    scans = state / "scans"
    if not scans.is_dir():
        return []
    return sorted(path.name for path in scans.iterdir() if _SCAN_ID.fullmatch(path.name) and path.is_dir())


def publications(state: Path) -> list[str]:
    """Ids of all published scans in the order of their publication, which a replay's own date does not tell."""
    told: dict[str, None] = {}
    with contextlib.suppress(FileNotFoundError), _runs(state).open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            with contextlib.suppress(ValueError):  # a line that a full disk cut off
                entry = json.loads(line)
                if entry.get("event") == "published":
                    told[entry["scan_id"]] = None
    known = dict.fromkeys(published(state))
    return [scan_id for scan_id in (*sorted(known.keys() - told.keys()), *told) if scan_id in known]


def database(state: Path, scan_id: str | None = None) -> Path:
    """The database file of a published scan, the current one by default; rebuilt from the snapshot if need be.

    Raises: ConfigError when there is no scan of that id, StoreError when there is none at all.
    """
    if scan_id is None:
        scan_id = current(state)
        if scan_id is None:
            raise StoreError(f"{state} holds no published scan", hint="run `nhiscan scan` first")
    elif scan_id not in published(state):
        raise ConfigError(
            f"{state} holds no scan {scan_id!r}", hint="published: " + (", ".join(published(state)) or "none")
        )
    return _cache(state, scan_id)


def open_published(state: Path, scan_id: str | None = None) -> duckdb.DuckDBPyConnection:
    """A read-only connection to a published scan, the current one by default."""
    return duckdb.connect(str(database(state, scan_id)), read_only=True)


def _cache(state: Path, scan_id: str) -> Path:
    path = state / "scans" / f"{scan_id}.duckdb"
    try:
        with duckdb.connect(str(path), read_only=True) as con:
            found = con.execute("select table_name, column_name, data_type from duckdb_columns() where not internal")
            is_usable = set(found.fetchall()) == _schema_columns()
    except duckdb.Error:
        is_usable = False
    if not is_usable:
        _rebuild(state, scan_id, path)
    return path


def _schema_columns() -> set[tuple[str, str, str]]:
    """(table, column, type) of every column of today's schema."""
    columns = set()
    table = ""
    for line in schema_sql().splitlines():
        if line.startswith("create table "):
            table = line.split()[2]
        elif column := _COLUMN.match(line):
            columns.add((table, column[1], column[2].upper()))
    return columns


def _rebuild(state: Path, scan_id: str, path: Path) -> None:
    """Makes the cache again from the snapshot: deleted, damaged, of another version of nhiscan or of a newer DuckDB."""
    snapshot = state / "scans" / scan_id
    draft = path.with_name(f".rebuild-{os.getpid()}-{path.name}")
    try:
        with disk_errors(state), duckdb.connect() as con:
            draft.write_bytes(_blank(schema_sql()))
            con.execute(f"attach '{quoted(draft)}' as scan")
            con.execute("use scan")
            for table in _held(state, scan_id):
                rows = f"read_parquet('{quoted(snapshot / f'{table}.parquet')}')"
                try:
                    theirs = [name for name, *_ in con.execute(f"describe select * from {rows}").fetchall()]
                    ours = [name for name, *_ in con.execute(f"describe {table}").fetchall()]
                    shared = ", ".join(name for name in ours if name in theirs)
                    con.execute(f"insert into {table} ({shared}) select {shared} from {rows}")
                except _DISK_ERRORS:
                    raise
                except duckdb.Error as error:
                    raise _damaged(state, scan_id, f"{table}.parquet cannot be read") from error
            con.execute("use memory")
            con.execute("detach scan")
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _held(state: Path, scan_id: str) -> list[str]:
    """Tables of today's schema that a snapshot holds; one of another version may lack some.

    Raises: StoreError when it has lost one. A snapshot without schema.sql was written before snapshots said what they
    hold, so that what is there has to be taken for all.
    """
    snapshot = state / "scans" / scan_id
    found = {path.stem for path in snapshot.glob("*.parquet")}
    schema = snapshot / "schema.sql"
    promised = set(tables(schema.read_text(encoding="utf-8", errors="replace"))) if schema.is_file() else {"scans"}
    if promised - found:
        missing = ", ".join(f"{table}.parquet" for table in sorted(promised - found))
        raise _damaged(state, scan_id, f"{missing} missing")
    return [table for table in tables() if table in found]


@contextlib.contextmanager
def disk_errors(state: Path) -> Iterator[None]:
    """Turns what the disk refuses into a StoreError."""
    try:
        yield
    except _DISK_ERRORS as error:
        raise _cannot_write(state, error) from error


def _cannot_write(state: Path, error: BaseException) -> StoreError:
    return StoreError(
        f"cannot write the scan into {state}: {error}",
        hint="check permissions and free space; the last published scan is untouched",
    )


def _damaged(state: Path, scan_id: str, what: str) -> StoreError:
    others = [other for other in published(state) if other != scan_id]
    return StoreError(
        f"the snapshot of scan {scan_id} is damaged: {what}",
        hint=f"restore {state / 'scans' / scan_id} from a backup, or write another id into {state / 'CURRENT'}: "
        + (", ".join(others) or "none is left; delete it and scan"),
    )


def quoted(path: Path) -> str:
    return str(path).replace("'", "''")
