"""Folders are searched whole, in order, with every left-out file counted; broken workers cost one file."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from nhiscan.detect.leak import Counts, Leak, Leaked, Profile, Said, Unread
from nhiscan.detect.reading import tree
from nhiscan.errors import NhiscanError
from tests.detect.fake_profile import Slow, Tokens


def token(n: int) -> str:
    return "tok_" + f"{n:016d}"


def scanned(*roots: Path | str, **options: object) -> list[Said]:
    return list(tree.scan(roots, Tokens, **options))  # type: ignore[arg-type]


def places(said: list[Said]) -> list[tuple[str, str]]:
    return [(one.path, one.leak.secret.reveal()) for one in said if isinstance(one, Leaked)]


def unread(said: list[Said]) -> list[tuple[str, str]]:
    return [(one.path, one.why) for one in said if isinstance(one, Unread)]


def counts(said: list[Said]) -> Counts:
    assert isinstance(said[-1], Counts)
    return said[-1]


def written(folder: Path, *names: str) -> Path:
    for n, name in enumerate(names):
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"first line\nkey = {token(n)}\n")
    return folder


def many(folder: Path, number: int = 300) -> Path:
    return written(folder, *(f"{n:03d}.txt" for n in range(number)))


def test_every_file_below_a_folder_is_searched_in_the_order_of_names(tmp_path: Path) -> None:
    written(tmp_path, "b.txt", "a/z.txt", "a/b/c.txt", ".env")

    said = scanned(tmp_path)

    assert places(said) == [
        (".env", token(3)),
        ("b.txt", token(0)),
        ("a/z.txt", token(1)),
        ("a/b/c.txt", token(2)),
    ]
    assert counts(said).files == 4
    assert counts(said).bytes == 4 * 38


def test_a_leak_says_line_and_place(tmp_path: Path) -> None:
    written(tmp_path, "a.txt")

    (leaked, _) = scanned(tmp_path)

    assert isinstance(leaked, Leaked)
    assert (leaked.leak.line, leaked.leak.start, leaked.leak.end, leaked.is_current) == (2, 17, 37, True)


def test_several_roots_begin_their_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "src/a.txt", "docs/b.txt", "c.txt")
    monkeypatch.chdir(tmp_path)

    assert [path for path, _ in places(scanned("src/", "docs", "./c.txt"))] == ["src/a.txt", "docs/b.txt", "c.txt"]


def test_a_file_as_the_only_root_keeps_its_name(tmp_path: Path) -> None:
    written(tmp_path, "a.txt")

    assert places(scanned(tmp_path / "a.txt")) == [(str(tmp_path / "a.txt"), token(0))]


def test_a_root_inside_another_root_is_searched_once(tmp_path: Path) -> None:
    written(tmp_path, "a/b.txt")

    said = scanned(tmp_path / "a", tmp_path, tmp_path / "a" / "b.txt", tmp_path)

    assert len(places(said)) == 1
    assert counts(said).skipped == {"named twice": 3}


def test_a_root_that_is_not_there_is_said_and_the_others_are_searched(tmp_path: Path) -> None:
    written(tmp_path, "a.txt")

    said = scanned(tmp_path / "gone", tmp_path / "a.txt")

    assert unread(said) == [(str(tmp_path / "gone"), "unreadable")]
    assert len(places(said)) == 1


def test_the_folder_of_git_is_left_out_and_counted(tmp_path: Path) -> None:
    written(tmp_path, ".git/config", "sub/.git/config", "a.txt")

    said = scanned(tmp_path)

    assert [path for path, _ in places(said)] == ["a.txt"]
    assert counts(said).skipped == {".git": 2}


def test_a_file_that_git_ignores_is_searched(tmp_path: Path) -> None:
    written(tmp_path, ".env")
    (tmp_path / ".gitignore").write_text(".env\n")

    assert places(scanned(tmp_path)) == [(".env", token(0))]


@pytest.mark.parametrize(
    ("pattern", "left"),
    [
        ("*.min.js", ["a.js", "lib/c.js", "lib/deep/d.js"]),
        ("lib", ["a.js", "b.min.js"]),
        ("lib/", ["a.js", "b.min.js"]),
        ("./lib/", ["a.js", "b.min.js"]),
        ("./lib/deep", ["a.js", "b.min.js", "lib/c.js", "lib/e.min.js"]),
        ("lib/*.js", ["a.js", "b.min.js", "lib/deep/d.js"]),
        ("lib/**", ["a.js", "b.min.js"]),
        ("**/d.js", ["a.js", "b.min.js", "lib/c.js", "lib/e.min.js"]),
        ("lib/[cd].js", ["a.js", "b.min.js", "lib/e.min.js", "lib/deep/d.js"]),
        ("/a.js", ["b.min.js", "lib/c.js", "lib/e.min.js", "lib/deep/d.js"]),
    ],
)
def test_a_pattern_leaves_out_what_it_means(tmp_path: Path, pattern: str, left: list[str]) -> None:
    written(tmp_path, "a.js", "b.min.js", "lib/c.js", "lib/e.min.js", "lib/deep/d.js")

    said = scanned(tmp_path, exclude=[pattern])

    assert [path for path, _ in places(said)] == left


def test_what_a_pattern_leaves_out_is_counted(tmp_path: Path) -> None:
    written(tmp_path, "a.js", "lib/c.js", "lib/d.js")

    assert counts(scanned(tmp_path, exclude=["lib", "a.*"])).skipped == {"excluded": 2}


def test_two_processes_say_what_one_says(tmp_path: Path) -> None:
    many(tmp_path)

    assert scanned(tmp_path, jobs=2) == scanned(tmp_path)


def test_progress_counts_every_file(tmp_path: Path) -> None:
    many(tmp_path, 150)
    (tmp_path / "empty").touch()
    seen: list[int] = []

    scanned(tmp_path, on_progress=seen.append, jobs=2)

    assert sum(seen) == 151


def test_a_process_that_dies_costs_the_file_it_was_at(tmp_path: Path) -> None:
    many(tmp_path)
    for name in ("017.txt", "018.txt", "200.txt"):
        (tmp_path / name).write_text("die here")

    said = scanned(tmp_path, jobs=2)

    assert sorted(unread(said)) == [("017.txt", "unreadable"), ("018.txt", "unreadable"), ("200.txt", "unreadable")]
    assert len(places(said)) == 297
    assert counts(said).files == 297


def test_a_process_that_hangs_is_ended_and_costs_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nhiscan.detect.reading.work._GRACE_S", 1.0)
    many(tmp_path)
    (tmp_path / "100.txt").write_text("hang here")

    said = scanned(tmp_path, jobs=2, budget_s=0.5)

    assert unread(said) == [("100.txt", "out_of_time")]
    assert len(places(said)) == 299


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_file_that_runs_out_of_time_is_said_and_what_it_had_is_kept(tmp_path: Path, jobs: int) -> None:
    many(tmp_path, 130)
    (tmp_path / "100.txt").write_text(f"{token(100)} endless")

    said = scanned(tmp_path, jobs=jobs, budget_s=0.4)

    assert unread(said) == [("100.txt", "out_of_time")]
    assert ("100.txt", token(100)) in places(said)
    assert len(places(said)) == 130


def test_the_alarm_of_the_process_is_given_back(tmp_path: Path) -> None:
    written(tmp_path, "a.txt")
    before = signal.getsignal(signal.SIGALRM)

    scanned(tmp_path)

    assert signal.getsignal(signal.SIGALRM) == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_thread_scans_without_the_alarm(tmp_path: Path) -> None:
    written(tmp_path, "a.txt")
    said: list[Said] = []

    thread = threading.Thread(target=lambda: said.extend(scanned(tmp_path)))
    thread.start()
    thread.join()

    assert len(places(said)) == 1


def refused() -> Profile:
    raise NhiscanError("no such profile", hint="name another one")


def gone() -> Profile:
    os._exit(3)


def test_a_profile_that_cannot_be_made_is_an_error_in_the_words_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(NhiscanError, match="no such profile"):
        list(tree.scan([many(tmp_path)], refused, jobs=2))


def late() -> Profile:
    time.sleep(3)
    return Tokens()


def test_a_process_that_is_slow_to_start_has_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nhiscan.detect.reading.work._GRACE_S", 0.1)
    many(tmp_path)
    said = list(tree.scan([tmp_path], late, jobs=2, budget_s=1.0))
    assert len(places(said)) == 300


def test_processes_that_all_die_at_the_start_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(NhiscanError, match="exit code 3"):
        list(tree.scan([many(tmp_path)], gone, jobs=2))


def mortal(folder: Path, dying: range) -> Profile:
    """Made in one process after the other: those of these numbers are killed while they start."""
    for n in count():
        with contextlib.suppress(FileExistsError):
            (folder / f"{n}").touch(exist_ok=False)
            if n in dying:
                os.kill(os.getpid(), signal.SIGKILL)
            return Patient(folder, dying.stop)
    raise AssertionError


class Patient(Tokens):
    """Searches once so many processes have begun to start."""

    def __init__(self, folder: Path, processes: int) -> None:
        self._folder = folder
        self._processes = processes

    def leaks(self, data: bytes, path: str) -> Iterator[Leak]:
        while len(list(self._folder.iterdir())) < self._processes:
            time.sleep(0.01)
        return super().leaks(data, path)


@pytest.mark.parametrize("times", [1, 2])
def test_a_process_that_is_killed_while_it_starts_costs_nothing(tmp_path: Path, times: int) -> None:
    (tmp_path / "started").mkdir()
    make = partial(mortal, tmp_path / "started", range(times))
    said = list(tree.scan([many(tmp_path / "files")], make, jobs=2))
    assert unread(said) == []
    assert len(places(said)) == 300


def test_files_whose_processes_are_killed_again_and_again_are_said(tmp_path: Path) -> None:
    (tmp_path / "started").mkdir()
    make = partial(mortal, tmp_path / "started", range(1, 4))
    said = list(tree.scan([many(tmp_path / "files")], make, jobs=2))
    lost = unread(said)
    assert len(lost) == 64
    assert {why for _, why in lost} == {"unreadable"}
    assert len(places(said)) == 236


def children() -> set[str]:
    found = subprocess.run(
        ["ps", "-ww", "-o", "pid=,args=", "--ppid", str(os.getpid())], capture_output=True, text=True
    )
    return {line for line in found.stdout.splitlines() if "nhiscan" in line}


def test_no_process_is_left_when_nobody_wants_the_rest(tmp_path: Path) -> None:
    said = tree.scan([many(tmp_path, 600)], Slow, jobs=2)
    next(said)
    assert children()

    said.close()  # type: ignore[attr-defined] # it is a generator

    assert not children()


_INTERRUPTED = """
import sys
from nhiscan.detect.reading import tree
from tests.detect.fake_profile import Slow
try:
    for said in tree.scan([sys.argv[1]], Slow, jobs=2):
        print("found", flush=True)
except KeyboardInterrupt:
    sys.exit(130)
"""


def test_an_interrupt_ends_all_processes_at_once_and_quietly(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _INTERRUPTED, str(many(tmp_path, 1_000))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        # What a shell starts in the background ignores SIGINT, and so would everything that the tests start.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stdout is not None
    process.stdout.readline()
    start = time.monotonic()

    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=10)

    assert process.returncode == 130
    assert errors == b""
    assert time.monotonic() - start < 2
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)


def test_what_is_made_for_other_processes_can_be_a_partial(tmp_path: Path) -> None:
    assert len(places(list(tree.scan([many(tmp_path, 100)], partial(Tokens), jobs=2)))) == 100
