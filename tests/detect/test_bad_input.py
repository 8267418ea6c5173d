"""What trees hold besides well-formed texts: each is searched or said, and counted; none stops or blocks the scan."""

from __future__ import annotations

import os
import resource
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.filled import filled
from nhiscan.detect.leak import Counts, Leaked, Said, Unread
from nhiscan.detect.precise.profile import Precise
from nhiscan.detect.reading import content, tree
from tests.detect.fake_profile import Tokens

_VALUE = "tok_0123456789abcdef"
_MIB = 1 << 20


def scanned(folder: Path, **options: object) -> list[Said]:
    return list(tree.scan([folder], Tokens, **options))  # type: ignore[arg-type]


def lines(said: list[Said]) -> list[tuple[str, int]]:
    return [(one.path, one.leak.line) for one in said if isinstance(one, Leaked)]


def unread(said: list[Said]) -> list[tuple[str, str]]:
    return [(one.path, one.why) for one in said if isinstance(one, Unread)]


def counts(said: list[Said]) -> Counts:
    assert isinstance(said[-1], Counts)
    return said[-1]


def test_a_binary_file_is_counted_and_not_searched(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\x7fELF\0\0\0" + _VALUE.encode())

    said = scanned(tmp_path)

    assert said == [Counts(skipped={"binary": 1})]


def test_a_text_with_the_name_of_a_picture_is_searched(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text(_VALUE)

    assert lines(scanned(tmp_path)) == [("a.png", 1)]


def test_an_empty_file_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.txt").touch()

    assert scanned(tmp_path) == [Counts(skipped={"empty": 1})]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252"])
def test_a_text_is_searched_in_whatever_encoding(tmp_path: Path, encoding: str) -> None:
    (tmp_path / "a.txt").write_bytes(f"grüße an alle\nvalue {_VALUE}\n".encode(encoding))

    said = scanned(tmp_path)

    assert lines(said) == [("a.txt", 2)]
    assert counts(said).files == 1


@pytest.mark.parametrize(
    ("encoding", "word"),
    [
        ("utf-8", "ä€😀"),
        ("utf-8-sig", "ä€😀"),
        ("utf-16", "ä€😀"),
        ("utf-16-le", "ä"),
        ("utf-16-be", "ä"),
        ("utf-32", "😀"),
    ],
)
def test_a_long_text_is_searched_in_whatever_encoding(tmp_path: Path, encoding: str, word: str) -> None:
    text = "".join(f"line {n} {word}\r\n" for n in range(300_000)) + _VALUE + "\n"
    (tmp_path / "a.txt").write_bytes(text.encode(encoding))

    (leaked, *rest) = scanned(tmp_path)

    assert isinstance(leaked, Leaked)
    assert (leaked.path, leaked.leak.line, leaked.leak.start) == ("a.txt", 300_001, len(text.encode()) - 21)
    assert len(rest) == 1


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_are_counted_by_any_line_end_also_over_the_parts_of_a_long_text(tmp_path: Path, end: str) -> None:
    (tmp_path / "short.txt").write_bytes(f"a{end}b{end}{_VALUE}{end}".encode())
    (tmp_path / "z.txt").write_bytes((f"abcde{end}" * 1_500_000 + _VALUE).encode())

    assert lines(scanned(tmp_path)) == [("short.txt", 3), ("z.txt", 1_500_001)]


def test_a_column_counts_from_the_beginning_of_its_line_however_long(tmp_path: Path) -> None:
    value = filled("ghp_<<crc32:[A-Za-z0-9]{30}>>")
    lines = ["ä" * 5_000_000, "x" * 9_000_000, "é" * 2_000_000]
    (tmp_path / "a.txt").write_text("".join(f"{line} {value}\n" for line in lines))

    found = [one.leak for one in tree.scan([tmp_path], Precise) if isinstance(one, Leaked)]

    assert [(leak.line, leak.column) for leak in found] == [(n, len(line) + 2) for n, line in enumerate(lines, start=1)]


def test_each_leak_of_a_long_text_is_said_once_with_its_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(content, "WHOLE", 1 << 18)
    monkeypatch.setattr(content, "_AROUND", 1 << 12)
    size = 5 * content.WHOLE
    text = bytearray(b"x" * size)
    expected = []
    # Around every edge of the parts, wherever these are.
    for n, start in enumerate(range(1_000, size - 100, 1_001)):
        value = b" tok_%016d " % n
        text[start : start + len(value)] = value
        expected.append(start + 1)
    (tmp_path / "a.txt").write_bytes(text)

    said = scanned(tmp_path)

    assert [one.leak.start for one in said if isinstance(one, Leaked)] == expected
    assert counts(said).bytes == size


def test_a_line_of_ten_megabytes_is_searched(tmp_path: Path) -> None:
    (tmp_path / "a.min.js").write_bytes(b"a;" * (5 * _MIB) + _VALUE.encode())

    assert lines(scanned(tmp_path)) == [("a.min.js", 1)]


# What getrusage calls the peak of a new process may be that of the process that started it.
_GIANT = """
import sys
from pathlib import Path
from nhiscan.detect.reading import tree
from nhiscan.detect.leak import Leaked
from tests.detect.fake_profile import Tokens
said = list(tree.scan([sys.argv[1]], Tokens))
print([one.leak.line for one in said if isinstance(one, Leaked)], said[-1].bytes)
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
print(int(status["VmHWM"].removesuffix("kB")) // 1024)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="other systems tell no peak of one process")
def test_a_file_larger_than_its_memory_is_searched(tmp_path: Path) -> None:
    line = b"2026-01-31T02:00:00Z served /index.html in 12 ms to 192.0.2.1\n"
    block = line * (16 * _MIB // len(line))
    lines_before = 22 * (16 * _MIB // len(line))
    with (tmp_path / "access.log").open("wb") as file:
        for _ in range(22):
            file.write(block)
        file.write(_VALUE.encode())
        size = file.tell()

    done = subprocess.run([sys.executable, "-c", _GIANT, str(tmp_path)], capture_output=True, text=True, check=True)
    (tmp_path / "access.log").unlink()

    found, peak = done.stdout.splitlines()
    assert found == f"[{lines_before + 1}] {size}"
    assert int(peak) < 160 < size // _MIB


def test_a_file_larger_than_allowed_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"x" * 300_000)

    said = scanned(tmp_path, largest=200_000)

    assert unread(said) == [("a.txt", "too_large")]
    assert counts(said).files == 0


_EXPONENTIAL = [
    b"a" * 200_000,
    b"password = " + b"\\" * 100_000,
    b" " * 500_000 + b"x",
    b"key: " + b"'\"" * 100_000,
    b"-----BEGIN RSA PRIVATE KEY-----" * 5_000,
    b"eyJ" + b"eyJhbGciOi." * 30_000,
    b"https://" + b"a:b@" * 50_000,
    b"token=" * 60_000,
]


@pytest.mark.parametrize("number", range(len(_EXPONENTIAL)))
def test_texts_on_which_patterns_take_forever_are_searched_in_seconds(tmp_path: Path, number: int) -> None:
    (tmp_path / "a.txt").write_bytes(_EXPONENTIAL[number])
    start = time.process_time()

    said = list(tree.scan([tmp_path], Precise))

    assert unread(said) == []
    assert time.process_time() - start < 10


def test_a_circle_of_links_is_said(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")

    assert unread(scanned(tmp_path)) == [("a", "symlink"), ("b", "symlink")]


def test_a_link_to_the_folder_above_is_counted_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "up").symlink_to("..")
    (tmp_path / "a.txt").write_text(_VALUE)

    said = scanned(tmp_path)

    assert lines(said) == [("a.txt", 1)]
    assert counts(said).skipped == {"symlink": 1}


def test_links_out_of_what_is_searched_are_said_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.txt").write_text(_VALUE)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "file").symlink_to(tmp_path / "out" / "a.txt")
    (tmp_path / "in" / "folder").symlink_to("../out")
    (tmp_path / "in" / "nothing").symlink_to("nowhere")

    said = scanned(tmp_path / "in")

    assert lines(said) == []
    assert unread(said) == [("file", "symlink"), ("folder", "symlink")]
    assert counts(said).skipped == {"symlink to nothing": 1}


def test_a_link_given_as_root_is_followed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.txt").write_text(_VALUE)
    (tmp_path / "link").symlink_to("folder")

    assert lines(scanned(tmp_path / "link")) == [("a.txt", 1)]


def test_pipes_sockets_and_devices_are_said_and_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    os.mkfifo("pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")

        said = scanned(tmp_path)

    assert unread(said) == [("pipe", "special"), ("socket", "special")]
    named = unread(list(tree.scan(["/dev/null", "pipe"], Tokens)))
    assert named == [
        ("/dev/null", "unreadable"),
        ("pipe", "unreadable"),
    ]  # asked for by name, so a search without it is none


def test_a_pipe_put_in_the_place_of_a_file_does_not_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.txt")
    searcher = tree.Searcher(Tokens, budget_s=5, unpacks=True)

    answer = searcher.search([(str(tmp_path / "a.txt"), "a.txt", os.O_RDONLY | os.O_NONBLOCK)], lambda index: None)

    assert answer.skipped == {"empty": 1}


def test_a_file_that_vanished_is_said(tmp_path: Path) -> None:
    searcher = tree.Searcher(Tokens, budget_s=5, unpacks=True)

    answer = searcher.search([(str(tmp_path / "gone"), "gone", os.O_RDONLY)], lambda index: None)

    assert answer.said == [Unread("gone", "unreadable", "No such file or directory")]


def test_a_file_that_cannot_be_read_is_said_and_the_others_are_searched() -> None:
    said = list(tree.scan(["/proc/self/mem", "/proc/self/status"], Tokens))

    assert unread(said) == [("/proc/self/mem", "unreadable")]
    assert counts(said).files == 1


@pytest.fixture
def folder_of_nobody() -> Iterator[Path]:
    """A folder, searched by somebody whom permissions bind even where the tests run as root."""
    is_root = os.geteuid() == 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "file").write_text(_VALUE)
        (folder / "folder").mkdir()
        (folder / "file").chmod(0)
        (folder / "folder").chmod(0)
        folder.chmod(0o755)
        if is_root:
            os.seteuid(65534)
        yield folder
        if is_root:
            os.seteuid(0)
        (folder / "folder").chmod(0o700)


def test_files_and_folders_without_permission_are_said(folder_of_nobody: Path) -> None:
    assert unread(scanned(folder_of_nobody)) == [("file", "unreadable"), ("folder", "unreadable")]


def test_a_folder_nested_deeper_than_paths_can_say_is_said(tmp_path: Path) -> None:
    name = "d" * 200
    handle = os.open(tmp_path, os.O_RDONLY)
    for _ in range(30):
        os.mkdir(name, dir_fd=handle)
        below = os.open(name, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below
    os.close(handle)
    (tmp_path / "z.txt").write_text(_VALUE)

    said = scanned(tmp_path)
    subprocess.run(["rm", "-rf", str(tmp_path / name)], check=True)

    assert lines(said) == [("z.txt", 1)]
    ((path, why),) = unread(said)
    assert why == "unreadable"
    assert path.startswith(name)


_NAMES = [
    b"new\nline.txt",
    b"<img src=x onerror=alert(1)>",
    b"quote'\"`$(x)",
    b"\xff\xfe not utf-8",
    b"\x1b[31mred",
    b"-rf",
    b" ",
    "ünï".encode(),
    b"x" * 255,
    b"tok_0123456789abcdef",
]


@pytest.mark.parametrize("name", _NAMES)
@pytest.mark.parametrize("jobs", [1, 2])
def test_hostile_names_are_normal(tmp_path: Path, name: bytes, jobs: int) -> None:
    for n in range(100):
        (tmp_path / f"{n}").write_text("nothing")
    (tmp_path / os.fsdecode(name)).write_text(_VALUE)

    assert lines(scanned(tmp_path, jobs=jobs)) == [(os.fsdecode(name), 1)]


def test_what_a_comment_allows_is_counted(tmp_path: Path) -> None:
    token = filled("glpat-<<[A-Za-z0-9]{20}>>", seed=1)
    (tmp_path / "a.py").write_text(f"x = '{token}'  # pragma: allowlist secret\n")

    assert counts(list(tree.scan([tmp_path], Precise))).skipped == {"allowed by a comment": 1}


def test_no_handle_stays_open(tmp_path: Path) -> None:
    for n in range(20):
        (tmp_path / f"{n}.gz").write_bytes(b"\x1f\x8b\x08 not really")
        (tmp_path / f"{n}.txt").write_text(_VALUE)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    before = len(list(Path("/proc/self/fd").iterdir()))
    resource.setrlimit(resource.RLIMIT_NOFILE, (before + 8, hard))
    try:
        said = scanned(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    assert len(lines(said)) == 20
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.parametrize(
    "data", [b"A=1\0B=%s\0C=3\0PATH=/usr/bin\0", b"stray \0 zero in a text\n%s\n", b"\0first\n" * 9 + b"%s\n"]
)
def test_a_few_zeros_make_no_text_binary(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.txt").write_bytes(data % _VALUE.encode())
    said = scanned(tmp_path)
    assert len(lines(said)) == 1
    assert counts(said).skipped == {}
