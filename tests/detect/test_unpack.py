"""Archives are searched one level deep, in memory and within limits; what cannot be read of them is said."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import random
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest

from nhiscan.detect.leak import Counts, Leaked, Said, Unread
from nhiscan.detect.reading import tree, unpack
from tests.detect.fake_profile import Tokens

_TEXT = b"first line\nkey = tok_0123456789abcdef\n"
_VALUE = "tok_0123456789abcdef"


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def tarred(members: dict[str, bytes], form: int = tarfile.PAX_FORMAT) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=form) as archive:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file.getvalue()


def scanned(folder: Path, name: str, data: bytes) -> list[Said]:
    (folder / name).write_bytes(data)
    return list(tree.scan([folder], Tokens))


def inside(said: list[Said]) -> list[tuple[str, str | None, int]]:
    return [(one.path, one.leak.inside, one.leak.line) for one in said if isinstance(one, Leaked)]


def unread(said: list[Said]) -> list[tuple[str, str]]:
    return [(one.path, one.why) for one in said if isinstance(one, Unread)]


def skipped(said: list[Said]) -> dict[str, int]:
    assert isinstance(said[-1], Counts)
    return said[-1].skipped


_MEMBERS = {"config/app.properties": _TEXT, "empty": b"", "picture": b"\0\1\2"}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("lib.jar", zipped(_MEMBERS)),
        ("stored.zip", zipped(_MEMBERS, zipfile.ZIP_STORED)),
        ("bzip2.zip", zipped(_MEMBERS, zipfile.ZIP_BZIP2)),
        ("lzma.zip", zipped(_MEMBERS, zipfile.ZIP_LZMA)),
        ("a.tar", tarred(_MEMBERS)),
        ("gnu.tar", tarred(_MEMBERS, tarfile.GNU_FORMAT)),
        ("a.tar.gz", gzip.compress(tarred(_MEMBERS))),
        ("a.tgz", gzip.compress(tarred(_MEMBERS))),
        ("a.tar.bz2", bz2.compress(tarred(_MEMBERS))),
        ("a.tar.xz", lzma.compress(tarred(_MEMBERS))),
        ("named like a text.txt", zipped(_MEMBERS)),
    ],
)
def test_members_of_an_archive_are_searched(tmp_path: Path, name: str, data: bytes) -> None:
    said = scanned(tmp_path, name, data)

    assert inside(said) == [(name, "config/app.properties", 2)]
    assert unread(said) == []
    assert skipped(said) == {"binary": 1}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("app.log.gz", gzip.compress(_TEXT, mtime=0)),
        ("app.log.bz2", bz2.compress(_TEXT)),
        ("app.log.xz", lzma.compress(_TEXT)),
        ("two.gz", gzip.compress(_TEXT[:20], mtime=0) + gzip.compress(_TEXT[20:], mtime=0)),
        ("two.xz", lzma.compress(_TEXT[:20]) + lzma.compress(_TEXT[20:])),
    ],
)
def test_a_packed_file_is_searched_under_its_own_name(tmp_path: Path, name: str, data: bytes) -> None:
    assert inside(scanned(tmp_path, name, data)) == [(name, name.rpartition(".")[0], 2)]


def test_a_tar_from_before_magic_numbers_is_one(tmp_path: Path) -> None:
    header = bytearray(tarred({"f.txt": _TEXT}, tarfile.USTAR_FORMAT)[:512])
    header[257:265] = bytes(8)
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:]))
    data = bytes(header) + _TEXT.ljust(512, b"\0") + bytes(1024)

    assert inside(scanned(tmp_path, "old.tar", data)) == [("old.tar", "f.txt", 2)]


def test_utf_16_in_an_archive_is_a_text(tmp_path: Path) -> None:
    assert inside(scanned(tmp_path, "a.zip", zipped({"f": _TEXT.decode().encode("utf-16")}))) == [("a.zip", "f", 2)]


def test_an_archive_in_an_archive_is_too_deep(tmp_path: Path) -> None:
    members = {"a.jar": zipped(_MEMBERS), "b.txt": _TEXT, "c.gz": gzip.compress(_TEXT), "d.jar": zipped({})}

    said = scanned(tmp_path, "fat.jar", zipped(members))

    assert inside(said) == [("fat.jar", "b.txt", 2)]
    assert unread(said) == [("fat.jar", "too_deep")]
    assert any(
        isinstance(one, Unread) and one.detail == "3 members, the first: a.jar: a zip archive inside" for one in said
    )


def test_archives_stay_closed_on_request(tmp_path: Path) -> None:
    (tmp_path / "a.jar").write_bytes(zipped(_MEMBERS))

    said = list(tree.scan([tmp_path], Tokens, unpack=False))

    assert said == [Counts(skipped={"archive": 1})]


_HOSTILE = ["../../etc/passwd", "/etc/passwd", "a\nb", "C:\\x\\y", "x" * 2_000, "<b>'\"", "same", "\x1b[31m", "ä"]


@pytest.mark.parametrize("pack", [zipped, tarred])
def test_hostile_names_are_shown_and_never_written(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    (tmp_path / "in").mkdir()
    before = sorted(tmp_path.iterdir())

    said = scanned(tmp_path / "in", "a.bin", pack(dict.fromkeys(_HOSTILE, _TEXT)))

    assert [member for _, member, _ in inside(said)] == _HOSTILE
    assert sorted(tmp_path.iterdir()) == before
    assert [file.name for file in (tmp_path / "in").iterdir()] == ["a.bin"]


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_members_of_one_name_are_all_searched(tmp_path: Path) -> None:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("same", b"harmless")
        archive.writestr("same", _TEXT)
        archive.writestr("same", _TEXT.replace(b"cdef", b"9999"))

    assert len(inside(scanned(tmp_path, "a.zip", file.getvalue()))) == 2


def test_a_member_with_a_password_is_said_and_the_others_are_searched(tmp_path: Path) -> None:
    data = bytearray(zipped({"locked": _TEXT, "open": _TEXT}))
    for magic, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(magic) + offset] |= 1

    said = scanned(tmp_path, "a.zip", bytes(data))

    assert inside(said) == [("a.zip", "open", 2)]
    assert unread(said) == [("a.zip", "encrypted")]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cut.zip", zipped({"f": _TEXT * 50})[:60]),
        ("cut.tar", tarred({"f": _TEXT * 50})[:900]),
        ("cut.gz", gzip.compress(random.Random(1).randbytes(5_000).hex().encode())[:2_000]),
        ("cut.bz2", bz2.compress(random.Random(1).randbytes(5_000).hex().encode())[:2_000]),
        ("cut.xz", lzma.compress(random.Random(1).randbytes(5_000).hex().encode())[:2_000]),
        ("cut.tgz", gzip.compress(tarred({"f": random.Random(1).randbytes(5_000).hex().encode()}))[:2_000]),
        ("a.7z", b"7z\xbc\xaf\x27\x1c" + bytes(50)),
        ("a.rar", b"Rar!\x1a\x07\x01\x00" + bytes(50)),
        ("a.zst", b"(\xb5/\xfd" + bytes(50)),
    ],
)
def test_an_archive_that_cannot_be_unpacked_is_said(tmp_path: Path, name: str, data: bytes) -> None:
    assert unread(scanned(tmp_path, name, data)) == [(name, "damaged")]


def test_what_was_read_before_the_damage_is_kept(tmp_path: Path) -> None:
    data = gzip.compress(_TEXT + random.Random(1).randbytes(50_000).hex().encode())[:30_000]

    said = scanned(tmp_path, "a.log.gz", data)

    assert unread(said) == [("a.log.gz", "damaged")]
    assert inside(said) == [("a.log.gz", "a.log", 2)]


def test_a_member_with_a_wrong_checksum_is_said_and_the_others_are_searched(tmp_path: Path) -> None:
    data = zipped({"f": b"x" + _TEXT, "g": _TEXT}, zipfile.ZIP_STORED)
    said = scanned(tmp_path, "a.zip", data.replace(b"x" + _TEXT, b"y" + _TEXT, 1))

    assert ("a.zip", "g", 2) in inside(said)
    assert unread(said) == [("a.zip", "damaged")]


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress, lambda data: zipped({"f": data})])
def test_a_bomb_ends_early(tmp_path: Path, pack: object) -> None:
    assert callable(pack)
    bomb = pack(b"a" * (40 << 20))
    assert len(bomb) < 60_000

    said = scanned(tmp_path, "bomb", bomb)

    assert unread(said) == [("bomb", "bomb")]
    assert isinstance(said[-1], Counts)
    assert said[-1].bytes < 24 << 20


def test_a_tar_whose_header_is_a_bomb_ends_early(tmp_path: Path) -> None:
    info = tarfile.TarInfo("f")
    info.pax_headers = {"comment": "x" * (8 << 20)}
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        archive.addfile(info)

    assert unread(scanned(tmp_path, "a.tar.gz", gzip.compress(file.getvalue()))) == [("a.tar.gz", "bomb")]


def test_a_zip_whose_directory_is_a_bomb_is_not_read(tmp_path: Path) -> None:
    size = 8 << 20
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 0xFFFE, 0xFFFE, size, 0, 0)

    assert unread(scanned(tmp_path, "a.zip", b"PK\3\4".ljust(size, b"\0") + end)) == [("a.zip", "bomb")]


def test_more_members_than_are_looked_at_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "MOST_MEMBERS", 5)

    for name, data in (("a.zip", zipped), ("a.tar", tarred)):
        said = scanned(tmp_path, name, data({str(n): _TEXT for n in range(9)}))
        (tmp_path / name).unlink()

        assert len(inside(said)) == 5
        assert unread(said) == [(name, "bomb")]


def test_a_member_that_is_too_large_is_said_and_the_others_are_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "LARGEST_MEMBER", 1_000)

    for name, data in (("a.zip", zipped), ("a.tgz", lambda members: gzip.compress(tarred(members)))):
        said = scanned(tmp_path, name, data({"big": _TEXT * 100, "small": _TEXT}))
        (tmp_path / name).unlink()

        assert inside(said) == [(name, "small", 2)]
        assert unread(said) == [(name, "too_large")]


def test_links_in_a_tar_lead_nowhere(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(_TEXT)
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE):
            info = tarfile.TarInfo(f"link{kind!r}")
            info.type = kind
            info.linkname = str(tmp_path / "secret")
            archive.addfile(info)
    (tmp_path / "in").mkdir()

    said = scanned(tmp_path / "in", "a.tar", file.getvalue())

    assert inside(said) == []
    assert unread(said) == []


def test_an_xz_that_asks_for_a_huge_memory_is_refused(tmp_path: Path) -> None:
    filters = [{"id": lzma.FILTER_LZMA2, "dict_size": 1 << 29, "preset": 0}]
    data = lzma.compress(_TEXT, filters=filters)

    assert unread(scanned(tmp_path, "a.xz", data)) == [("a.xz", "damaged")]


@pytest.mark.parametrize("seed", range(6))
def test_no_damage_stops_the_scan(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    for n, data in enumerate(
        [
            zipped(_MEMBERS),
            zipped(_MEMBERS, zipfile.ZIP_LZMA),
            tarred(_MEMBERS),
            tarred({"ä" * 200: _TEXT}),
            tarred({"b" * 200: _TEXT}, tarfile.GNU_FORMAT),
            gzip.compress(tarred(_MEMBERS)),
            bz2.compress(_TEXT),
            lzma.compress(_TEXT),
        ]
        * 8
    ):
        broken = bytearray(data)
        for _ in range(chance.choice((1, 4, 30))):
            broken[chance.randrange(4, len(broken))] = chance.randrange(256)
        (tmp_path / f"{n}").write_bytes(broken[: chance.choice((len(broken), chance.randrange(20, len(broken))))])

    said = list(tree.scan([tmp_path], Tokens))

    assert isinstance(said[-1], Counts)
    assert said[-1].files + sum(said[-1].skipped.values()) >= 8 * 8


def test_a_tar_that_ends_before_its_end_is_damaged(tmp_path: Path) -> None:
    whole = tarred({"a.txt": _TEXT, "b.txt": _TEXT, "c.txt": _TEXT})
    garbled = bytearray(whole)
    garbled[1024 + 148 : 1024 + 156] = b"0000001\0"  # the checksum of the second header
    for n, data in enumerate((whole[:1024], whole[:1100], whole[:1024] + b"\n" * 512, bytes(garbled))):
        said = scanned(tmp_path, "a.tar", data)
        assert (inside(said), unread(said)) == ([("a.tar", "a.txt", 2)], [("a.tar", "damaged")]), n
    assert unread(scanned(tmp_path, "a.tar", whole)) == []
    assert unread(scanned(tmp_path, "a.tar", gzip.compress(whole[:1100]))) == [("a.tar", "damaged")]
