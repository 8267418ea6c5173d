"""What the journal keeps when the disk, the machine or somebody's editor does not."""

from __future__ import annotations

import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nhiscan.errors import LockError, StoreError
from nhiscan.remediate import journal
from nhiscan.secret import Secret
from tests.remediation.trials import NOW, Clock


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "remediation" / "plan-1"


def written(folder: Path, *kinds: str) -> Path:
    """A journal with one record of each kind."""
    with journal.opened(folder, clock=Clock().now) as book:
        for kind in kinds:
            book.append(kind, 1, "create", **({"says": "why"} if "says" in journal.KINDS[kind] else {}))
    return folder / journal.NAME


def kinds(folder: Path) -> list[str]:
    return [record.kind for record in journal.read(folder)]


def test_what_was_appended_is_read_back_in_order_with_its_time(folder: Path) -> None:
    with journal.opened(folder, clock=Clock().now) as book:
        book.append("opened", plan="digest", version="1")
        book.append("intent", 1, "create", key="k", attempt=1, others={"key-old": "live"})

    opened, intent = journal.read(folder)
    assert (opened.n, opened.at, opened.previous) == (1, NOW, "")
    assert (intent.n, intent.operation, intent.step) == (2, 1, "create")
    assert intent.data == {"key": "k", "attempt": 1, "others": {"key-old": "live"}}
    assert intent.previous == opened.hash


def test_only_the_owner_can_read_it(folder: Path) -> None:
    path = written(folder, "done")

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE((folder.parent / journal.LOCK).stat().st_mode) == 0o600


def test_a_journal_that_was_never_begun_is_empty(folder: Path) -> None:
    assert journal.read(folder) == []
    assert not folder.exists()


@pytest.mark.parametrize("value", [Secret("hunter2hunter2"), {"id": Secret("hunter2hunter2")}, 1.5, ["a"], object()])
def test_a_record_takes_plain_values_only(folder: Path, value: Any) -> None:
    with journal.opened(folder, clock=Clock().now) as book, pytest.raises(TypeError):
        book.append("observed", 1, "create", others=value)


def test_a_record_takes_no_key_that_its_kind_does_not_know(folder: Path) -> None:
    with journal.opened(folder, clock=Clock().now) as book, pytest.raises(TypeError, match="fields"):
        book.append("observed", 1, "create", fields="hunter2")


@pytest.mark.parametrize("cut", range(1, 60, 7))
def test_a_line_that_was_cut_off_is_taken_out_and_said(folder: Path, cut: int) -> None:
    path = written(folder, "intent", "done")
    path.write_bytes(path.read_bytes()[: -1 - cut])

    assert kinds(folder) == ["intent"]
    with journal.opened(folder, clock=Clock().now) as book:
        assert [record.kind for record in book.records] == ["intent", "torn"]
        book.append("done", 1, "create")
    assert kinds(folder) == ["intent", "torn", "done"]


def test_a_whole_line_without_its_end_counts(folder: Path) -> None:
    path = written(folder, "intent", "done")
    path.write_bytes(path.read_bytes()[:-1])

    with journal.opened(folder, clock=Clock().now) as book:
        book.append("closed", 1)
    assert kinds(folder) == ["intent", "done", "closed"]


def edited(path: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    change(lines)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (lambda lines: lines[1].update(kind="closed"), 2),
        (lambda lines: lines[1].update(at="2020-01-01T00:00:00+00:00"), 2),
        (lambda lines: lines[1].update(more=1), 2),
        (lambda lines: lines.pop(1), 2),
        (lambda lines: lines.reverse(), 1),
        (lambda lines: lines.insert(1, lines[1]), 3),
    ],
)
def test_what_somebody_changed_is_refused_with_its_line(
    folder: Path, change: Callable[[list[dict[str, Any]]], object], line: int
) -> None:
    path = written(folder, "intent", "done", "closed")
    edited(path, change)

    with pytest.raises(StoreError, match=rf"journal\.jsonl, line {line}: "):
        journal.read(folder)
    with pytest.raises(StoreError), journal.opened(folder, clock=Clock().now):
        pass


def test_no_byte_of_a_line_can_be_changed_unseen(folder: Path) -> None:
    path = written(folder, "intent", "done")
    was = path.read_bytes()

    for place in range(len(was)):
        path.write_bytes(was[:place] + bytes([was[place] ^ 1]) + was[place + 1 :])
        try:
            seen = [(record.kind, record.hash) for record in journal.read(folder)]
        except StoreError:
            continue
        assert seen == [(record["kind"], record["hash"]) for record in map(json.loads, was.splitlines())][: len(seen)]
        assert len(seen) == 1  # its end is gone: as if it had been cut off
    path.write_bytes(was)
    assert kinds(folder) == ["intent", "done"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO])
@pytest.mark.parametrize("call", ["write", "fsync"])
def test_a_disk_that_takes_no_more_leaves_what_was_there(
    folder: Path, call: str, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(folder, "intent")
    write, fails = os.write, {"now": False}

    def broken(descriptor: int, data: bytes = b"") -> int:
        if not fails["now"]:
            return 0 if call == "fsync" else write(descriptor, data)
        fails["now"] = False
        if call == "write":
            write(descriptor, bytes(data)[:20])
        raise OSError(number, os.strerror(number))

    with journal.opened(folder, clock=Clock().now) as book:
        fails["now"] = True
        with monkeypatch.context() as patch:
            patch.setattr(os, call, broken)
            with pytest.raises(StoreError, match=os.strerror(number)):
                book.append("done", 1, "create")
        with pytest.raises(StoreError, match="could not be written before"):
            book.append("closed", 1)
    assert path.read_bytes().endswith(b"\n")
    assert kinds(folder) == ["intent"]


def test_what_a_full_disk_does_not_let_be_taken_back_is_found_by_the_next(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written(folder, "intent")
    write = os.write

    def broken(descriptor: int, data: bytes) -> int:
        if len(data) > 20:
            return write(descriptor, bytes(data)[:20])
        raise OSError(errno.EIO, "input/output error")

    def refused(descriptor: int, size: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    with journal.opened(folder, clock=Clock().now) as book, monkeypatch.context() as patch:
        patch.setattr(os, "ftruncate", refused)
        patch.setattr(os, "write", lambda descriptor, data: broken(descriptor, data[:21] if len(data) > 21 else data))
        with pytest.raises(StoreError):
            while True:
                book.append("done", 1, "create")
    assert kinds(folder) == ["intent"]
    assert written(folder, "closed")
    assert kinds(folder) == ["intent", "torn", "closed"]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "remediation").write_text("a file where the folder should be")

    with (
        pytest.raises(StoreError, match="cannot use"),
        journal.opened(tmp_path / "remediation" / "p", clock=Clock().now),
    ):
        pass


@pytest.mark.parametrize("name", [journal.NAME, journal.LOCK])
def test_a_read_only_folder_is_said(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = os.open

    def read_only(path: Path, flags: int, mode: int = 0o777) -> int:
        if Path(path).name == name:  # as for whoever is not root
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return opened(path, flags, mode)

    monkeypatch.setattr(os, "open", read_only)
    with pytest.raises(StoreError, match="Read-only"), journal.opened(folder, clock=Clock().now):
        pass


def test_one_executes_at_a_time_and_others_may_read(folder: Path) -> None:
    other = folder.with_name("plan-2")
    with journal.opened(folder, clock=Clock().now) as book:
        book.append("done", 1, "create")
        for taken in (folder, other):
            with pytest.raises(LockError, match=f"process {os.getpid()} is carrying out"):
                journal.opened(taken, clock=Clock().now).__enter__()
        assert kinds(folder) == ["done"]
    with journal.opened(other, clock=Clock().now):
        pass


def test_a_record_is_on_the_disk_before_append_returns(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[tuple[str, int]] = []

    def sync(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        synced.append((path.name, os.fstat(descriptor).st_size))

    monkeypatch.setattr(os, "fsync", sync)
    with journal.opened(folder, clock=Clock().now) as book:
        assert ("plan-1", folder.stat().st_size) in synced
        assert "remediation" in {name for name, _ in synced}
        book.append("intent", 1, "create")
        assert synced[-1] == (journal.NAME, (folder / journal.NAME).stat().st_size)
