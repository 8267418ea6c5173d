"""`nhiscan scan --record` and `--replay`, from nhiscan.toml to the report."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner

from fixtures.aws.simulator import Simulator
from fixtures.aws.world import read_estate
from nhiscan import store, tape
from nhiscan.cli import cli

CONFIG = """
[company]
name = "Acme"
aws_accounts = {{ "111111111111" = "prod" }}

[collectors.register]
path = "register/"

[collectors.aws]
accounts = ["111111111111"]
role_name = "nhiscan"
external_id = "env:ACME_EXTERNAL_ID"
endpoint_url = "{url}"
"""
CALLER = {
    "AWS_ACCESS_KEY_ID": "AKIA000000000EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "not-a-secret",
    "ACME_EXTERNAL_ID": "our-own-scan",
}
NOBODY = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "ACME_"))}


def scan(folder: Path, *words: str, environ: Mapping[str, str] = NOBODY) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nhiscan.cli", "scan", *words],
        cwd=folder,
        env=dict(environ),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def outcomes(folder: Path) -> set[tuple[str, str, str]]:
    with store.open_published(folder / ".nhiscan") as con:
        return set(con.execute("select rule_id, subject_id, outcome from findings").fetchall())


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with settings, register, a tape and the published scan that recorded it."""
    folder = tmp_path_factory.mktemp("company")
    (folder / "register").mkdir()
    (folder / "register" / "partners.csv").write_text("partner_id,name\nP-1,Nordwind\n")
    world = read_estate()
    world.report_rounds = 1
    with Simulator(world) as simulator:
        (folder / "nhiscan.toml").write_text(CONFIG.format(url=simulator.url))
        done = scan(folder, "--record", "tape", environ={**NOBODY, **CALLER})
    assert done.returncode in (0, 3), done.stderr  # 3: the simulator refuses a dataset or two
    assert "tape: tape/tape.jsonl.gz" in done.stderr
    return folder


def replay(company: Path, folder: Path) -> str:
    """The report of a replay with a fresh state that has the first one's key, and without the id of the run."""
    shutil.copytree(company, folder, ignore=shutil.ignore_patterns(".nhiscan"))
    (folder / ".nhiscan").mkdir(mode=0o700)
    for key in (company / ".nhiscan").glob("fingerprint.key"):
        shutil.copy2(key, folder / ".nhiscan")
    done = scan(folder, "--replay", "tape", "--report", "report.html")
    assert done.returncode in (0, 3), done.stderr
    return re.sub(r"\d{8}T\d{6}Z-[0-9a-f]{4}", "RUN", (folder / "report.html").read_text())


def test_recording_and_replay_agree_on_every_outcome_and_two_replays_on_every_byte(
    company: Path, tmp_path: Path
) -> None:
    first, second = replay(company, tmp_path / "one"), replay(company, tmp_path / "two")
    assert outcomes(tmp_path / "one") == outcomes(company) != set()
    assert first == second


def test_a_replay_takes_its_moment_from_the_tape(company: Path, tmp_path: Path) -> None:
    replay(company, tmp_path / "one")
    with store.open_published(tmp_path / "one" / ".nhiscan") as con:
        ((as_of, started, finished),) = con.execute("select as_of, started_at, finished_at from scans").fetchall()
    assert as_of == started == finished == tape.read(company / "tape").as_of.replace(tzinfo=None)


def test_a_tape_is_not_recorded_over(company: Path) -> None:
    before = (company / "tape" / tape.FILE).read_bytes()
    done = scan(company, "--record", "tape", environ={**NOBODY, **CALLER})
    assert (done.returncode, "tape is not empty" in done.stderr) == (2, True)
    assert (company / "tape" / tape.FILE).read_bytes() == before


def test_a_scan_that_fails_leaves_no_tape(company: Path, tmp_path: Path) -> None:
    shutil.copytree(company, tmp_path / "one", ignore=shutil.ignore_patterns(".nhiscan", "register"))
    done = scan(tmp_path / "one", "--record", "new", environ={**NOBODY, **CALLER})
    assert done.returncode == 2, done.stderr  # the register is gone
    assert list((tmp_path / "one" / "new").iterdir()) == []


@pytest.mark.parametrize(
    "words", [("--record", "a", "--replay", "b"), ("--replay", "b", "--as-of", "2026-01-31T12:00:00Z")]
)
def test_a_replay_goes_with_neither_a_recording_nor_another_moment(words: tuple[str, ...]) -> None:
    done = CliRunner().invoke(cli, ["scan", *words])
    assert (done.exit_code, "--replay goes with neither --record nor --as-of" in done.output) == (2, True)


def test_a_tape_that_is_missing_is_said_before_anything_is_scanned(company: Path) -> None:
    done = scan(company, "--replay", "nowhere")
    assert (done.returncode, "nowhere/tape.jsonl.gz does not exist" in done.stderr) == (2, True)


@pytest.mark.parametrize("year", ["0001", "9999"])
def test_a_tape_of_an_impossible_moment_is_damaged(company: Path, tmp_path: Path, year: str) -> None:
    shutil.copy(company / "nhiscan.toml", tmp_path)
    (tmp_path / "tape").mkdir()
    header, rest = gzip.decompress((company / "tape" / tape.FILE).read_bytes()).split(b"\n", 1)
    edited = json.dumps({**json.loads(header), "as_of": f"{year}-06-01T00:00:00+00:00"}).encode()
    (tmp_path / "tape" / tape.FILE).write_bytes(gzip.compress(edited + b"\n" + rest))
    done = scan(tmp_path, "--replay", "tape")
    assert (done.returncode, "is damaged: its moment is" in done.stderr) == (2, True)
