"""What is written is there in full or not at all, and for its owner only."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from nhiscan import atomic
from nhiscan.errors import StoreError


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_every_folder_that_is_made_is_for_its_owner_only(tmp_path: Path) -> None:
    atomic.make_folder(tmp_path / "state" / "remediation" / "plan-1")
    assert [mode(tmp_path / name) for name in ("state", "state/remediation", "state/remediation/plan-1")] == [0o700] * 3


def test_a_folder_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    atomic.make_folder(tmp_path)
    assert mode(tmp_path) == 0o755


def test_a_folder_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(StoreError, match=r"cannot write .*/state/remediation: "):
        atomic.make_folder(tmp_path / "state" / "remediation")


def test_a_pipe_is_written_to_and_stays_a_pipe(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    atomic.write_text(pipe, "said")
    assert (os.read(reader, 10), pipe.is_fifo()) == (b"said", True)
    os.close(reader)


def test_a_folder_in_the_place_of_a_file_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="Is a directory"):
        atomic.write_text(tmp_path, "said")
