"""The folder of an administrator's metadata retrieve: read with care, short where a file is bad, without secrets."""

from __future__ import annotations

import errno
import importlib
import os
from pathlib import Path

import pytest

from nhiscan.model import Setting
from tests.salesforce.conftest import Acme, Scan
from tests.salesforce.parts import deals, metadata, put, read

folder_module = importlib.import_module("nhiscan.collectors.salesforce.metadata")
SECRET = "canary-" + "consumer-secret"


def problems(folder: Path) -> list[tuple[str, str]]:
    return [(problem.file, problem.reason) for problem in folder_module.read(folder).problems]


def scanned(folder: Path) -> tuple[Acme, Scan]:
    org = deals()
    return org, read(org, metadata_folder=folder)


def test_a_document_type_is_refused_before_an_entity_can_grow(tmp_path: Path) -> None:
    bomb = '<!DOCTYPE a [<!ENTITY x "xxxxxxxx"><!ENTITY y "&x;&x;&x;&x;">]><SecuritySettings>&y;</SecuritySettings>'
    put(tmp_path, "settings/Security.settings", bomb)
    assert problems(tmp_path) == [("settings/Security.settings", "has a document type, which metadata never has")]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "cp037"])
def test_a_document_type_in_another_encoding_is_refused_as_well(tmp_path: Path, encoding: str) -> None:
    head = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY x "x">]>'
    text = f"{head}<SecuritySettings>&x;</SecuritySettings>"
    put(tmp_path, "settings/Security.settings", text.encode(encoding))
    assert problems(tmp_path)


def test_a_file_that_is_no_whole_xml_is_named_with_what_is_wrong(tmp_path: Path) -> None:
    put(tmp_path, "settings/Security.settings", "<SecuritySettings><sessionSettings>")
    ((file, reason),) = problems(tmp_path)
    assert file == "settings/Security.settings"
    assert reason.startswith("is no whole XML: ")


def test_a_bad_file_makes_what_it_would_say_partial_and_the_rest_is_read(tmp_path: Path) -> None:
    put(tmp_path, "settings/Security.settings", b"\xff\xfe")
    text = metadata("ConnectedAppSettings", "<enableAdminApprovedAppsOnly>true</enableAdminApprovedAppsOnly>")
    put(tmp_path, "settings/ConnectedApp.settings", text)
    _, found = scanned(tmp_path)
    assert "settings/Security.settings" in str(found.coverage("settings.sessions").call)
    assert found.one("settings", name="apps.approved_only").value == "yes"


def test_a_file_larger_than_any_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "_MOST_BYTES", 100)
    put(tmp_path, "settings/Security.settings", metadata("SecuritySettings", "x" * 100))
    assert problems(tmp_path) == [("settings/Security.settings", "is larger than 100 bytes")]


def test_more_files_than_any_org_has_end_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "_MOST_FILES", 1)
    for name in ("A", "B"):
        put(tmp_path, f"settings/{name}.settings", metadata("SecuritySettings"))
    assert problems(tmp_path) == [(str(tmp_path), "more than 1 files, the rest was not read")]


def test_links_out_of_the_folder_are_said_and_not_followed(tmp_path: Path) -> None:
    outside = put(tmp_path / "outside", "Security.settings", metadata("SecuritySettings"))
    inside = tmp_path / "inside" / "settings"
    inside.mkdir(parents=True)
    (inside / "Security.settings").symlink_to(outside / "Security.settings")
    (inside / "more").symlink_to(outside)
    assert folder_module.read(tmp_path / "inside").files == ()
    reason = "is a link or no plain file"
    assert problems(tmp_path / "inside") == [("settings/more", reason), ("settings/Security.settings", reason)]


def test_a_folder_that_cannot_be_opened_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path, "settings/Security.settings", metadata("SecuritySettings"))
    opened = os.scandir

    def refused(path: str) -> object:
        if Path(path).name == "settings":  # the superuser of a test machine may open every folder
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return opened(path)

    monkeypatch.setattr(os, "scandir", refused)
    assert problems(tmp_path) == [(str(tmp_path / "settings"), "cannot be read: Permission denied")]


def test_a_link_or_pipe_in_the_place_of_a_file_is_said_and_not_opened(tmp_path: Path) -> None:
    (tmp_path / "settings").mkdir()
    os.mkfifo(tmp_path / "settings" / "Security.settings")
    (tmp_path / "Sharing.settings").symlink_to("/dev/zero")
    reason = "is a link or no plain file"
    assert problems(tmp_path) == [("Sharing.settings", reason), ("settings/Security.settings", reason)]


def test_what_too_many_files_leave_out_may_be_of_any_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folder_module, "_MOST_FILES", 0)
    put(tmp_path, "settings/Security.settings", metadata("SecuritySettings"))
    (problem,) = folder_module.read(tmp_path).problems
    assert {"settings.sessions", "apps.scopes", "apps.settings", "settings.passwords"} <= set(problem.datasets)


def test_a_folder_that_is_not_there_is_said_for_everything_it_would_have_said(tmp_path: Path) -> None:
    _, found = scanned(tmp_path / "missing")
    for dataset in ("apps.scopes", "settings.sessions", "objects.sharing"):
        assert "is no folder" in str(found.coverage(dataset).reason)


def test_a_deeply_nested_file_ends_in_no_recursion(tmp_path: Path) -> None:
    depth = 5_000
    text = metadata("SecuritySettings", "<a>" * depth + "</a>" * depth)
    put(tmp_path, "settings/Security.settings", text)
    assert problems(tmp_path) == []


def test_both_forms_of_a_file_have_the_same_name(tmp_path: Path) -> None:
    text = metadata("ConnectedApp", "<label>A</label>")
    put(tmp_path, "connectedApps/Our%20App.connectedApp", text)
    put(tmp_path, "connectedApps/Our%20App.connectedApp-meta.xml", text)
    assert [file.name for file in folder_module.read(tmp_path).files] == ["Our App", "Our App"]


def test_secrets_of_apps_are_dropped_while_parsing(tmp_path: Path) -> None:
    config = f"<oauthConfig><consumerKey>3MVG9key</consumerKey><consumerSecret>{SECRET}</consumerSecret></oauthConfig>"
    put(tmp_path, "connectedApps/Legacy_Sync.connectedApp", metadata("ConnectedApp", config))
    _, found = scanned(tmp_path)
    assert SECRET not in repr(folder_module.read(tmp_path))
    assert SECRET not in repr(found.records)
    assert found.of("signs", kind="client_id", value="3MVG9key")


def test_hostile_text_stays_text(tmp_path: Path) -> None:
    name = "&lt;img src=x onerror=alert(1)&gt;&#10;'; DROP TABLE x"
    put(tmp_path, "settings/Security.settings", metadata(
        "SecuritySettings", f"<passwordPolicies><complexity>{name}</complexity></passwordPolicies>"
    ))  # fmt: skip
    _, found = scanned(tmp_path)
    row: Setting = found.one("settings", name="password.complexity")
    assert row.value == "<img src=x onerror=alert(1)>\n'; DROP TABLE x"
