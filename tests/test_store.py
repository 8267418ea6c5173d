"""Scans on disk: what a crash, a second scan, a full disk and a damaged file leave behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import pytest

from nhiscan import store
from nhiscan.errors import ConfigError, LockError, StoreError

START = datetime(2026, 1, 31, 2, tzinfo=UTC)


def publish(state: Path, name: str) -> str:
    scan_id = store.new_scan_id(START)
    with store.locked(state), store.Build(state, scan_id) as build:
        build.con.execute("insert into partners (partner_id, name) values ('p1', ?)", [name])
        build.publish()
    return scan_id


def names(state: Path) -> list[tuple[str]]:
    with store.open_published(state) as con:
        found: list[tuple[str]] = con.execute("select name from partners").fetchall()
    return found


def test_every_table_and_column_of_the_schema_has_a_comment() -> None:
    con = store.empty()
    bare = (
        con.execute(
            "select table_name, column_name from duckdb_columns() where comment is null and not internal"
        ).fetchall()
        + con.execute("select table_name from duckdb_tables() where comment is null").fetchall()
    )
    assert bare == []


def test_a_published_scan_is_what_the_next_reader_opens(tmp_path: Path) -> None:
    publish(tmp_path, "first")
    assert names(tmp_path) == [("first",)]
    publish(tmp_path, "second")
    assert names(tmp_path) == [("second",)]
    assert len(store.published(tmp_path)) == 2


def test_a_build_that_is_not_published_leaves_the_last_scan_current(tmp_path: Path) -> None:
    publish(tmp_path, "first")
    with pytest.raises(ZeroDivisionError), store.locked(tmp_path), store.Build(tmp_path, store.new_scan_id(START)):
        raise ZeroDivisionError
    assert names(tmp_path) == [("first",)]
    assert list((tmp_path / "scans").glob(".build-*")) == []


def test_files_are_for_the_owner_only(tmp_path: Path) -> None:
    os.umask(0o077)
    scan_id = publish(tmp_path / "state", "x")
    modes = {path: path.stat().st_mode & 0o077 for path in (tmp_path / "state").rglob("*")}
    assert [path for path, open_to in modes.items() if open_to] == []
    assert (tmp_path / "state" / "scans" / scan_id).is_dir()


def test_git_leaves_the_state_directory_alone(tmp_path: Path) -> None:
    publish(tmp_path, "first")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    status = subprocess.run(
        ["git", "-C", str(tmp_path), "status", "--porcelain"], capture_output=True, text=True, check=True
    )
    assert status.stdout == ""


def test_a_second_scan_at_the_same_time_is_refused(tmp_path: Path) -> None:
    refused = pytest.raises(LockError, match=f"process {os.getpid()} is scanning")
    with store.locked(tmp_path), refused, store.locked(tmp_path):
        raise AssertionError("both hold the lock")


def test_analysts_read_while_a_scan_is_being_built(tmp_path: Path) -> None:
    publish(tmp_path, "first")
    script = (
        "import sys, pathlib; from nhiscan import store; "
        "con = store.open_published(pathlib.Path(sys.argv[1])); "
        "print(con.execute('select name from partners').fetchall())"
    )
    with store.locked(tmp_path), store.Build(tmp_path, store.new_scan_id(START)) as build:
        build.con.execute("insert into partners (partner_id, name) values ('p2', 'unfinished')")
        read = subprocess.run(
            [
                sys.executable,
                "-c",
                script,
                str(tmp_path),
            ],
            capture_output=True,
            text=True,
            check=True,
        )
    assert read.stdout == "[('first',)]\n"


KILLED = """
import pathlib, sys, time
from datetime import UTC, datetime
from nhiscan import store
state = pathlib.Path(sys.argv[1])
with store.locked(state), store.Build(state, store.new_scan_id(datetime.now(UTC))) as build:
    build.con.execute("insert into partners (partner_id, name) select i, 'lost' from range(100000) t(i)")
    print("building", flush=True)
    while True:
        build.con.execute("insert into partners (partner_id, name) select i, 'lost' from range(100000) t(i)")
"""


def test_kill_9_in_the_middle_of_a_build_leaves_the_last_scan_readable(tmp_path: Path) -> None:
    publish(tmp_path, "first")
    child = subprocess.Popen([sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "building\n"
    time.sleep(0.2)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    assert names(tmp_path) == [("first",)]
    publish(tmp_path, "after")
    assert names(tmp_path) == [("after",)]
    assert list((tmp_path / "scans").glob(".build-*")) == []
    assert "crashed" in [json.loads(line)["event"] for line in (tmp_path / "runs.jsonl").read_text().splitlines()]


def test_a_lost_or_damaged_cache_is_rebuilt_from_the_snapshot(tmp_path: Path) -> None:
    scan_id = publish(tmp_path, "first")
    cache = tmp_path / "scans" / f"{scan_id}.duckdb"
    cache.unlink()
    assert names(tmp_path) == [("first",)]
    cache.write_bytes(b"not a database")
    assert names(tmp_path) == [("first",)]


def test_a_snapshot_that_lost_a_table_is_an_error_and_never_an_empty_table(tmp_path: Path) -> None:
    before, scan_id = publish(tmp_path, "before"), publish(tmp_path, "first")
    (tmp_path / "scans" / f"{scan_id}.duckdb").unlink()
    (tmp_path / "scans" / scan_id / "partners.parquet").unlink()
    with pytest.raises(StoreError, match=r"is damaged: partners\.parquet missing") as caught:
        store.database(tmp_path)
    assert caught.value.hint.endswith(f": {before}")


def test_a_snapshot_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    scan_id = publish(tmp_path, "first")
    (tmp_path / "scans" / f"{scan_id}.duckdb").unlink()
    (tmp_path / "scans" / scan_id / "partners.parquet").write_bytes(b"not a table")
    with pytest.raises(StoreError, match=r"is damaged: partners\.parquet cannot be read"):
        store.database(tmp_path)


def test_a_log_of_runs_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "runs.jsonl").mkdir()
    with pytest.raises(StoreError, match=r"runs\.jsonl"):
        store.log_run(tmp_path, {})


def test_the_file_is_readable_by_the_oldest_supported_duckdb(tmp_path: Path) -> None:
    scan_id = publish(tmp_path, "first")
    header = (tmp_path / "scans" / f"{scan_id}.duckdb").read_bytes()[:64]
    assert header[8:12] == b"DUCK"
    assert int.from_bytes(header[12:20], "little") <= 67  # the number that DuckDB 1.4 writes


def test_a_pointer_to_nothing_names_what_is_left(tmp_path: Path) -> None:
    scan_id = publish(tmp_path, "first")
    (tmp_path / "CURRENT").write_text("20200101T000000Z-dead\n")
    with pytest.raises(StoreError) as caught:
        store.database(tmp_path)
    assert scan_id in caught.value.hint


def test_an_id_that_no_scan_has_is_a_mistake_of_the_command_line(tmp_path: Path) -> None:
    scan_id = publish(tmp_path, "first")
    with pytest.raises(ConfigError) as caught:
        store.database(tmp_path, "20200101T000000Z-dead")
    assert (caught.value.hint, caught.value.exit_code) == (f"published: {scan_id}", 2)


def test_an_empty_state_directory_says_to_scan(tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        store.database(tmp_path)
    assert caught.value.hint == "run `nhiscan scan` first"


def test_a_state_directory_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file in the way")
    with pytest.raises(StoreError, match="cannot write the state directory"), store.locked(tmp_path / "state"):
        raise AssertionError("unreachable")


FULL_DISK = """
import pathlib, resource, signal, sys
from datetime import UTC, datetime
from nhiscan import errors, store
state = pathlib.Path(sys.argv[1])
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
try:
    with store.locked(state), store.Build(state, store.new_scan_id(datetime.now(UTC))) as build:
        resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))
        build.con.execute("insert into partners (partner_id, name) select i, md5(i::varchar) from range(300000) t(i)")
        build.publish()
except errors.StoreError as error:
    print(error.hint)
"""


def test_a_disk_that_runs_full_leaves_the_last_scan_current(tmp_path: Path) -> None:
    publish(tmp_path, "first")
    done = subprocess.run([sys.executable, "-c", FULL_DISK, str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.stdout == "check permissions and free space; the last published scan is untouched\n", done.stderr
    assert names(tmp_path) == [("first",)]
    assert list((tmp_path / "scans").glob(".build-*")) == []


def test_snapshot_and_cache_hold_the_same_rows(tmp_path: Path) -> None:
    scan_id = publish(tmp_path, "first")
    with duckdb.connect() as con:
        path = tmp_path / "scans" / scan_id / "partners.parquet"
        assert con.execute(f"select name from '{path}'").fetchall() == names(tmp_path)
