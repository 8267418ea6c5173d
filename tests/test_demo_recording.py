"""A new recording of the demo tells the story of the shipped tape, so does its replay, and no secret got anywhere."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pytest
from moto.sts.models import sts_backends

from fixtures.acme import aws, planted, record
from nhiscan import store

EXPECTED = tomllib.loads((Path(record.__file__).with_name("expected.toml")).read_text(encoding="utf-8"))
VAULT_TOKEN = re.compile(rb"\b[shv](?:vs)?\.[A-Za-z0-9_-]{24,}")  # of OpenBao, and of HashiCorp Vault


@dataclass(frozen=True)
class Recorded:
    folder: Path
    said: str


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    folder = tmp_path_factory.mktemp("recorded") / "acme"
    return Recorded(folder, record.record(folder))


def outcomes(folder: Path) -> set[tuple[str, str, str]]:
    with store.open_published(folder / "state") as con:
        return set(con.execute("select rule_id, subject_id, outcome from findings").fetchall())


def everything(recorded: Recorded) -> Iterator[tuple[str, bytes]]:
    """Every byte that the scan left, and what is packed in it."""
    yield "output", recorded.said.encode()
    for file in sorted(file for file in recorded.folder.rglob("*") if file.is_file()):
        content = file.read_bytes()
        yield str(file), content
        if content.startswith(b"\x1f\x8b"):
            yield f"{file}, unpacked", gzip.decompress(content)
        if file.suffix == ".parquet":
            with duckdb.connect() as con:
                rows = con.execute("select * from read_parquet(?)", [str(file)]).fetchall()
            yield f"{file}, unpacked", repr(rows).encode()


def sessions() -> set[str]:
    """What AWS handed out to the scanner."""
    roles = [role for account in aws.ACCOUNTS.values() for role in sts_backends[account]["aws"].assumed_roles]
    return {secret for role in roles for secret in (role.secret_access_key, role.session_token)}


def test_a_new_recording_tells_the_story_of_the_shipped_tape(recorded: Recorded) -> None:
    expected = {
        (rule, subject, outcome)
        for rule, outcomes in EXPECTED.items()
        for outcome in ("fail", "unknown")
        for subject in outcomes.get(outcome, ())
    }
    assert outcomes(recorded.folder) == expected


def test_the_scan_that_records_and_its_replay_agree(recorded: Recorded, tmp_path: Path) -> None:
    folder = tmp_path / "acme"
    shutil.copytree(recorded.folder, folder, ignore=shutil.ignore_patterns("state"))
    words = ["scan", "--config", str(folder / "nhiscan.toml"), "--replay", str(folder / "recorded")]
    done = subprocess.run(
        [sys.executable, "-c", "from nhiscan.cli import main; main()", *words],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode in (0, 3), done.stderr
    assert outcomes(folder) == outcomes(recorded.folder)


def test_no_planted_secret_is_in_any_byte_that_was_kept(recorded: Recorded) -> None:
    secrets = planted.everything() | sessions()
    assert len(sessions()) >= 2
    needles = [secret.encode() for secret in secrets]
    found = [(place, needle) for place, content in everything(recorded) for needle in needles if needle in content]
    assert found == []


def test_no_token_of_the_vault_is_in_any_byte_that_was_kept(recorded: Recorded) -> None:
    assert [place for place, content in everything(recorded) if VAULT_TOKEN.search(content)] == []
