"""`nhiscan secrets import`: what another scanner found is kept, and followed into the published scan at once."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from fixtures.filled import filled
from nhiscan import load, secret, store
from nhiscan.errors import ConfigError
from nhiscan.model import Partner, Person, Sighting, Tag, Tenant
from nhiscan.resolve import contracts, facts, owners, partners, resources, sightings
from tests import commands
from tests.resolve.leak_estate import access_key, key_id, user
from tests.resolve.register_estate import A, tenant

AT = datetime(2026, 1, 31, 2, tzinfo=UTC)
USED = datetime(2026, 1, 20, tzinfo=UTC)
KEY_ID = key_id(A)
SECRET = filled("<<[A-Za-z0-9]{40}>>")
TOKEN = filled("ghp_<<crc32:[A-Za-z0-9]{30}>>")
SETTINGS = f"""
[company]
name = "Acme"
aws_accounts = {{ "{A}" = "prod" }}

[collectors.files]
[[collectors.files.places]]
name = "storefront"
path = "storefront"
kind = "folder"
"""


def leak(rule: str, value: str, line: int = 3, **given: Any) -> dict[str, Any]:
    told = {"RuleID": rule, "Secret": value, "Match": value, "File": "deploy.env", "StartLine": line, **given}
    return {"Commit": "", "Email": "", "Date": "", **told}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "nhiscan.toml").write_text(SETTINGS)
    (tmp_path / "storefront").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NHISCAN_CONFIG", raising=False)
    return tmp_path


@pytest.fixture
def scanned(folder: Path) -> Path:
    """A published scan: a key of a partner's user, whose secret stands in the environment of a function too."""
    state = folder / ".nhiscan"
    scan_id = store.new_scan_id(AT)
    with store.locked(state), store.Build(state, scan_id) as build:
        mark = secret.fingerprint(SECRET, key=secret.fingerprint_key(state))
        place: dict[str, Any] = {"provider": "aws", "tenant_id": tenant(), "where_kind": "environment"}
        place["location"] = "function sync"
        records = [
            Tenant(tenant(), "aws"),
            Partner("P-1", "Nordwind GmbH"),
            Person("erika.brandt@acme.example", "Erika Brandt", "ours", status="active"),
            user("sync"),
            Tag(f"{tenant()}:user/sync", name="partner", value="P-1"),
            Tag(f"{tenant()}:user/sync", name="owner", value="erika.brandt@acme.example"),
            access_key(KEY_ID, of="sync", last_used_at=USED, last_used_known=True),
            Sighting("e1", **place, kind="aws_access_key_id", fingerprint="f0", native_id=KEY_ID),
            Sighting("e2", **place, kind="aws_secret_access_key", fingerprint=mark),
        ]
        load.load(build.con, records)
        build.con.execute("insert into scans (scan_id, as_of) values (?, ?)", [scan_id, AT.replace(tzinfo=None)])
        build.con.execute("insert into company values ('name', 'Acme', null)")
        for stage in (partners, owners, contracts, facts, resources, sightings):
            stage.run(build.con)
        build.publish()
    return folder


def imported(folder: Path, *leaks: dict[str, Any], words: tuple[str, ...] = ()) -> Result:
    (folder / "gitleaks.json").write_text(json.dumps(leaks))
    return commands.run("secrets", "import", "gitleaks.json", *words)


def test_an_import_says_what_it_took(folder: Path) -> None:
    result = imported(folder, leak("aws-access-token", KEY_ID), leak("github-pat", "REDACTED", line=9))
    assert result.exit_code == 0
    (line,) = result.stdout.splitlines()
    assert line.startswith("gitleaks of ")
    assert line.endswith("2 findings in storefront, 1 known by their value, 1 by their place only")
    assert "no scan is published yet" in result.stderr


def test_what_is_kept_is_for_its_owner_only(folder: Path) -> None:
    imported(folder, leak("github-pat", TOKEN))
    kept = folder / ".nhiscan" / "imports" / "storefront.json"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


def test_a_key_id_leads_to_identity_partner_owner_and_last_use(scanned: Path) -> None:
    result = imported(scanned, leak("aws-access-token", KEY_ID))
    (line,) = result.stdout.splitlines()[1:]
    assert line.startswith(f"deploy.env:3: aws_access_key_id -> {tenant()}:access_key/{KEY_ID}, identity sync, ")
    assert "partner Nordwind GmbH, owner erika.brandt@acme.example, live, last used 2026-01-20" in line


def test_a_secret_that_is_seen_elsewhere_leads_where_that_one_does(scanned: Path) -> None:
    result = imported(scanned, leak("generic-api-key", SECRET, Match=f"AWS_SECRET_ACCESS_KEY={SECRET}"))
    (line,) = result.stdout.splitlines()[1:]
    assert line.startswith(f"deploy.env:3: aws_secret_access_key -> {tenant()}:access_key/{KEY_ID}, identity sync, ")
    assert "an equal value elsewhere" in line


def test_what_leads_to_nobody_says_why(scanned: Path) -> None:
    result = imported(scanned, leak("github-pat", TOKEN), leak("github-pat", "REDACTED", line=9))
    assert sorted(result.stdout.splitlines()[1:]) == [
        "1 leads to nobody: its form is that of github, and nothing says which account",
        "1 leads to nobody: the export holds no value, so that only its place is known",
    ]


def test_the_published_scan_stays_as_it_is(scanned: Path) -> None:
    state = scanned / ".nhiscan"
    before = store.database(state).read_bytes()
    imported(scanned, leak("aws-access-token", KEY_ID))
    assert store.database(state).read_bytes() == before


def test_findings_that_say_too_little_are_counted_and_end_with_3(folder: Path) -> None:
    result = imported(folder, leak("github-pat", TOKEN), leak("github-pat", TOKEN, File=""))
    assert result.exit_code == 3
    assert "cannot be used: 1 without a file" in result.stderr


@pytest.mark.parametrize(
    ("places", "words", "says"),
    [
        (SETTINGS.partition("[collectors.files]")[0], (), "has no collector of files"),
        (SETTINGS + '[[collectors.files.places]]\nname = "b"\npath = "b"\nkind = "folder"\n', (), "which place"),
        (SETTINGS, ("--place", "../up"), "is no name for a place"),
        (SETTINGS, ("--place", "a\nb"), "is no name for a place"),
        (SETTINGS, ("--format", "kingfisher"), "looks like gitleaks, not like kingfisher"),
    ],
)
def test_what_cannot_be_taken_is_refused(places: str, words: tuple[str, ...], says: str, folder: Path) -> None:
    (folder / "nhiscan.toml").write_text(places)
    result = imported(folder, leak("github-pat", TOKEN), words=words)
    assert says in str(result.exception)
    assert not (folder / ".nhiscan" / "imports").exists()


def test_a_place_that_is_not_configured_becomes_one_that_only_others_search(folder: Path) -> None:
    result = imported(folder, leak("github-pat", TOKEN), words=("--place", "portal"))
    assert "no place 'portal' is configured" in result.stderr
    assert (folder / ".nhiscan" / "imports" / "portal.json").is_file()


def test_no_value_is_shown_or_kept(scanned: Path) -> None:
    leaks = [
        leak("generic-api-key", SECRET, Match=f"AWS_SECRET_ACCESS_KEY={SECRET}"),
        leak("github-pat", TOKEN, File=f"dumps/{TOKEN}.txt"),
        leak("unheard-of", TOKEN[::-1]),
    ]
    (scanned / "gitleaks.json").write_text(json.dumps(leaks))
    command = [sys.executable, "-c", "from nhiscan.cli import main; main()", "-v", "secrets", "import", "gitleaks.json"]
    ended = subprocess.run(command, cwd=scanned, capture_output=True, check=True)
    kept = b"".join(path.read_bytes() for path in (scanned / ".nhiscan").rglob("*") if path.is_file())
    for value in (SECRET, TOKEN, TOKEN[::-1]):
        assert value[4:].encode() not in ended.stdout + ended.stderr + kept


def test_a_next_scan_takes_over_what_was_imported(folder: Path) -> None:
    imported(folder, leak("github-pat", TOKEN, line=9))
    ended = commands.run("scan", "--as-of", "2026-01-31T02:00:00Z")
    assert ended.exit_code in (0, 3), ended.output
    with store.open_published(folder / ".nhiscan") as con:
        found = con.execute("select found_by, kind, path, line from sightings").fetchall()
    assert found == [("gitleaks", "github_personal_access_token", "deploy.env", 9)]


def test_what_was_imported_by_mistake_is_forgotten_scanner_by_scanner(folder: Path) -> None:
    kept = folder / ".nhiscan" / "imports" / "storefront.json"
    imported(folder, leak("github-pat", TOKEN))
    found = {"DetectorName": "Github", "SourceMetadata": {"Data": {"Filesystem": {"file": "a.env"}}}, "Raw": TOKEN}
    (folder / "trufflehog.json").write_text(json.dumps(found))
    commands.run("secrets", "import", "trufflehog.json")

    first = commands.run("secrets", "forget", "storefront", "--scanner", "gitleaks")
    assert first.stdout == "forgot 1 finding of gitleaks in storefront; they count until the next scan\n"
    assert [one["tool"] for one in json.loads(kept.read_text())["imports"]] == ["trufflehog"]
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600

    assert commands.run("secrets", "forget", "storefront").exit_code == 0
    assert not kept.exists()


@pytest.mark.parametrize("words", [("portal",), ("storefront", "--scanner", "trufflehog"), ("../../nhiscan",)])
def test_what_was_not_imported_is_not_forgotten_and_what_was_is_named(words: tuple[str, ...], folder: Path) -> None:
    imported(folder, leak("github-pat", TOKEN))
    result = commands.run("secrets", "forget", *words)
    assert isinstance(result.exception, ConfigError)
    assert result.exception.hint == "imported are gitleaks for storefront"
    assert (folder / ".nhiscan" / "imports" / "storefront.json").exists()


def test_what_another_key_made_stays_stale_when_a_part_is_forgotten(folder: Path) -> None:
    kept = folder / ".nhiscan" / "imports" / "storefront.json"
    imported(folder, leak("github-pat", TOKEN))
    told = json.loads(kept.read_text())
    told["key"] = "another"
    told["imports"].append({**told["imports"][0], "tool": "trufflehog"})
    kept.write_text(json.dumps(told))
    commands.run("secrets", "forget", "storefront", "--scanner", "gitleaks")
    assert json.loads(kept.read_text())["key"] == "another"
