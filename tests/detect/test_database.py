"""Compiled expressions are kept between runs, and never taken from where somebody else may have put them."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from nhiscan.detect.expressions import database as module
from nhiscan.detect.expressions.database import database, default_folder

EXPRESSIONS = [(rb"key-[0-9]{4}", 0), (rb"token", 0)]
pytestmark = pytest.mark.skipif(find_spec("hyperscan") is None, reason="no wheel for this platform")


def hits(made: Any, data: bytes) -> list[int]:
    found: list[int] = []
    made.scan(data, match_event_handler=lambda n, start, end, flags, found: found.append(n), context=found)
    return found


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by one each time something is compiled."""
    compiled = module._compiled
    count: list[int] = []

    def counting(*given: Any) -> Any:
        count.append(1)
        return compiled(*given)

    monkeypatch.setattr(module, "_compiled", counting)
    return count


def test_the_second_run_reads_what_the_first_compiled(tmp_path: Path, counted: list[int]) -> None:
    for _ in range(2):
        assert hits(database(EXPRESSIONS, folder=tmp_path / "new" / "cache"), b"a token, key-1234") == [1, 0]
    assert len(counted) == 1


def test_folder_and_file_are_for_their_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    database(EXPRESSIONS, folder=folder)
    (file,) = folder.iterdir()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-100])


def flip(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)


def empty(file: Path) -> None:
    file.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip, empty])
def test_a_damaged_file_is_compiled_anew(tmp_path: Path, counted: list[int], damage: Callable[[Path], None]) -> None:
    database(EXPRESSIONS, folder=tmp_path)
    (file,) = tmp_path.iterdir()
    damage(file)
    assert hits(database(EXPRESSIONS, folder=tmp_path), b"token") == [1]
    assert hits(database(EXPRESSIONS, folder=tmp_path), b"token") == [1]
    assert len(counted) == 2


@pytest.mark.parametrize("opened", [Path.iterdir, lambda folder: [folder]])
def test_what_others_may_write_is_not_loaded(tmp_path: Path, counted: list[int], opened: Callable[[Path], Any]) -> None:
    database(EXPRESSIONS, folder=tmp_path)
    for path in list(opened(tmp_path)):
        path.chmod(path.stat().st_mode | 0o022)
    database(EXPRESSIONS, folder=tmp_path)
    assert len(counted) == 2


def test_what_belongs_to_somebody_else_is_not_loaded(
    tmp_path: Path, counted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    database(EXPRESSIONS, folder=tmp_path)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    database(EXPRESSIONS, folder=tmp_path)
    assert len(counted) == 2


def test_a_folder_that_cannot_be_made_does_no_harm(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert hits(database(EXPRESSIONS, folder=tmp_path / "file" / "cache"), b"token") == [1]


def test_other_expressions_are_other_files(tmp_path: Path) -> None:
    database(EXPRESSIONS, folder=tmp_path)
    assert hits(database([(b"other", 0)], folder=tmp_path), b"other token") == [0]
    assert len(list(tmp_path.iterdir())) == 2


def test_an_expression_that_vectorscan_refuses_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="vectorscan refuses"):
        database([(rb"(a)\1", 0)], folder=tmp_path)


def test_without_the_wheel_there_is_no_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "vectorscan", lambda: None)
    assert database(EXPRESSIONS, folder=tmp_path) is None


def test_databases_are_kept_in_the_cache_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_folder() == tmp_path / "nhiscan"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_folder() == tmp_path / ".cache" / "nhiscan"


@pytest.mark.parametrize("suffix", ["hs", "plan"])
def test_old_files_make_room_for_their_kind(tmp_path: Path, suffix: str) -> None:
    for n in range(60):
        (tmp_path / f"{n}.{suffix}").touch()
        os.utime(tmp_path / f"{n}.{suffix}", (n, n))
    (tmp_path / "0.other").touch()
    module.keep(tmp_path / f"new.{suffix}", b"data")
    kept = {file.name for file in tmp_path.iterdir()}
    assert len(kept) == 49
    assert not kept & {f"0.{suffix}", f"12.{suffix}"}
    assert {f"new.{suffix}", f"59.{suffix}", "0.other"} <= kept
