from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from nhiscan.collectors.files.coverage import Tally
from nhiscan.collectors.files.places import Place
from nhiscan.detect.leak import UNREAD, Unread
from nhiscan.detect.results.formats import ELSEWHERE
from tests.files.conftest import AS_OF, Read, token, write

_FOLDER = {"kind": "folder"}


@pytest.mark.parametrize(
    ("kind", "where_kind", "resource"), [("folder", "file", "folder"), ("shared", "shared", "shared_space")]
)
def test_a_file_is_said_without_a_history(
    read: Read, tmp_path: Path, kind: str, where_kind: str, resource: str
) -> None:
    write(tmp_path / "portal" / "Jenkinsfile", f"token = '{token()}'\n")
    said = read({"kind": kind})
    found = said.sighting()
    assert (found.where_kind, found.is_current, found.commit, found.first_seen_at) == (where_kind, True, None, None)
    assert found.resource_id == f"files:portal:{resource}/portal"
    assert said.coverage("sightings.files").status == "complete"
    assert said.coverage("sightings.history").status == "not_applicable"


def test_values_of_a_kind_are_numbered_in_the_order_of_the_file(read: Read, tmp_path: Path) -> None:
    write(tmp_path / "portal" / "a.env", "".join(f"T{n}={token(n)}\n" for n in (3, 1, 2)))
    numbers = [(each.line, each.sighting_id[-2:]) for each in read(_FOLDER).sightings()]
    assert numbers == [(1, "/1"), (2, "/2"), (3, "/3")]


def test_the_member_of_an_archive_is_part_of_the_path(read: Read, tmp_path: Path) -> None:
    (tmp_path / "portal").mkdir()
    with zipfile.ZipFile(tmp_path / "portal" / "export.zip", "w") as archive:
        archive.writestr("inner/prod.env", f"A={token()}\n")
    assert read(_FOLDER).sighting().path == "export.zip!/inner/prod.env"


def test_what_is_too_deep_makes_the_place_partial_and_is_named(read: Read, tmp_path: Path) -> None:
    (tmp_path / "portal").mkdir()
    inner = tmp_path / "inner.zip"
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("prod.env", f"A={token()}\n")
    with zipfile.ZipFile(tmp_path / "portal" / "outer.zip", "w") as archive:
        archive.write(inner, "inner.zip")
    files = read(_FOLDER).coverage("sightings.files")
    assert files.status == "partial"
    assert str(files.reason).startswith("1 archives inside archives (outer.zip")


def _covered(*unread: Unread, kind: str = "folder", beyond: int = 0) -> dict[str, tuple[str, str | None]]:
    tally = Tally(Place("portal", Path("portal"), kind))
    for each in unread:
        tally.take(each)
    return {each.dataset: (each.status, each.reason) for each in tally.coverage(AS_OF, beyond=beyond)}


def test_many_files_that_cannot_be_read_are_counted_and_three_named() -> None:
    said = _covered(*(Unread(f"{n}.env", "unreadable", "Permission denied") for n in range(5)))
    assert said["sightings.files"] == (
        "partial",
        "5 could not be read (0.env, 1.env, 2.env and 2 more): let the scanner read them",
    )


@pytest.mark.parametrize("why", sorted(UNREAD))
def test_everything_that_was_not_searched_is_said(why: str) -> None:
    status, reason = _covered(Unread("a", why, "said"), kind="repository")["sightings.history"]
    assert status == ("complete" if why in ELSEWHERE else "partial")
    assert str(reason).startswith("1 ")


def test_a_reason_holds_the_beginning_of_a_long_name() -> None:
    _, reason = _covered(Unread("x" * 2_000, "damaged", "said"))["sightings.files"]
    assert len(str(reason)) < 200


def test_a_link_that_leads_out_is_named_and_not_followed(read: Read, tmp_path: Path) -> None:
    write(tmp_path / "elsewhere" / "prod.env", f"A={token()}\n")
    (tmp_path / "portal").mkdir()
    (tmp_path / "portal" / "link").symlink_to(tmp_path / "elsewhere")
    said = read(_FOLDER)
    assert said.sightings() == []
    assert said.coverage("sightings.files").status == "complete"
    assert "links that lead out of the place or in a circle (link)" in str(said.coverage("sightings.files").reason)


def test_findings_past_the_most_that_are_kept_are_counted(
    read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nhiscan.collectors.files.found._MOST", 2)
    write(tmp_path / "portal" / "a.env", "".join(f"T{n}={token(n)}\n" for n in range(5)))
    said = read(_FOLDER)
    assert len(said.sightings()) == 2
    files = said.coverage("sightings.files")
    assert (files.status, files.reason) == ("truncated", "3 more findings are not listed")


def test_no_place_and_no_import_is_a_failure_with_a_next_step(read: Read) -> None:
    files = read().coverage("sightings.files", "files:*")
    assert files.status == "failed"
    assert files.reason == "collectors.files names no place, and nothing was imported"
