"""The command line as a user meets it: exit codes, what goes where, bad input, crashes, and two scans at once."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from click.testing import CliRunner

from nhiscan import cli_scan
from nhiscan.cli import cli

CONFIG = """
[company]
name = "Acme"
mail_domains = ["acme.example"]

[collectors.register]
path = "register"
"""
PARTNERS = "partner_id,name,business_owner\nP-1,Borealis GmbH,dana@acme.example\nP-2,<b>Cobalt</b>,\n"


@pytest.fixture
def company(tmp_path: Path) -> Path:
    (tmp_path / "nhiscan.toml").write_text(CONFIG)
    (tmp_path / "register").mkdir()
    (tmp_path / "register" / "partners.csv").write_text(PARTNERS)
    return tmp_path


def nhiscan(folder: Path, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "nhiscan", *words],
        cwd=folder,
        input=text,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def scanned(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    done = nhiscan(folder, "scan", *words)
    assert done.returncode == 0, done.stderr
    return done


def test_help_imports_no_heavy_library() -> None:
    code = (
        "import sys\nfrom nhiscan.cli import cli\n"
        "try:\n    cli.main(['--help'], standalone_mode=True)\nexcept SystemExit:\n    pass\n"
        "print(sorted({'boto3', 'botocore', 'pandas', 'numpy', 'duckdb', 'networkx', 'jinja2'} & set(sys.modules)),"
        " file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


@pytest.mark.parametrize("words", [[], ["rules"], ["collectors"], ["partner"]])
def test_what_a_command_does_fits_a_line_of_help(words: list[str]) -> None:
    shown = CliRunner().invoke(cli, [*words, "--help"], terminal_width=80).stdout
    assert "..." not in shown.partition("Commands:")[2]


def test_init_writes_a_config_that_scans(tmp_path: Path) -> None:
    assert nhiscan(tmp_path, "init").returncode == 0
    (tmp_path / "register" / "partners.csv").write_text(PARTNERS)
    done = scanned(tmp_path, "--report", "report.html")
    assert "complete" in done.stdout
    assert "report.html" in done.stdout
    assert "Borealis" in (tmp_path / "report.html").read_text()


def test_a_report_into_a_missing_folder_is_refused_before_anything_is_read(company: Path) -> None:
    done = nhiscan(company, "scan", "--report", "nowhere/report.html")
    assert done.returncode == 2
    assert "nowhere is no folder" in done.stderr
    assert not (company / ".nhiscan").exists()


def test_a_report_that_cannot_be_written_says_that_the_scan_is_published(company: Path) -> None:
    done = nhiscan(company, "scan", "--report", f"{'x' * 300}.html")
    assert done.returncode == 5
    assert f"scan {(company / '.nhiscan' / 'CURRENT').read_text().strip()} is published" in done.stderr


def test_init_overwrites_nothing(company: Path) -> None:
    done = nhiscan(company, "init")
    assert (done.returncode, (company / "nhiscan.toml").read_text()) == (2, CONFIG)
    assert "nhiscan.toml exists" in done.stderr


def test_results_go_to_stdout_and_the_rest_to_stderr(company: Path) -> None:
    scanned(company)
    done = nhiscan(company, "partners", "--json")
    assert [row["name"] for row in json.loads(done.stdout)] == ["Borealis GmbH", "<b>Cobalt</b>"]
    assert done.stderr == ""


def test_the_scan_summary_carries_the_exit_code(company: Path) -> None:
    done = scanned(company, "--json")
    assert json.loads(done.stdout)["exit_code"] == 0
    # No case is no good news where no system was read.
    assert done.stderr == "nhiscan.toml names no system beside the register: nothing was looked for in any\n"


def test_as_of_is_the_moment_that_the_scan_is_for(company: Path) -> None:
    scanned(company, "--as-of", "2026-01-31T02:00:00Z")
    done = nhiscan(company, "query", "select as_of from scans", "-f", "jsonl")
    assert done.stdout == '{"as_of": "2026-01-31 02:00:00"}\n'


@pytest.mark.parametrize("moment", ["0001-01-01", "9999-12-31T23:59:59-12:00"])
def test_a_moment_beyond_what_rules_can_count_from_is_refused(company: Path, moment: str) -> None:
    done = nhiscan(company, "scan", "--as-of", moment)
    assert done.returncode == 2
    assert "is not between 1970 and 2199" in done.stderr


@pytest.mark.parametrize(
    ("toml", "error", "hint"),
    [
        ("[compny]\n", "unknown key", "did you mean 'company'?"),
        (CONFIG.replace("path =", "pth ="), "collectors.register.pth", "did you mean 'path'?"),
        (CONFIG + "[rules.life-key-age-exceded]\nmax_age_days = 3\n", "life-key-age-exceded", "life-key-age-exceeded"),
        (CONFIG + "[rules.life-key-age-exceeded]\nmax_days = 3\n", "max_days", "max_age_days"),
        (CONFIG.replace("register]", "registr]"), "registr", "did you mean 'register'?"),
        (
            CONFIG.replace("[collectors.register]", "[[collectors.register]]")
            + "[[collectors.register]]\npath='register'",
            "two collectors read register:main",
            "name it under one [[collectors.register]] only",
        ),
        ("[company]\nname = 'Acme'\n", "configures no collector", "add [collectors.register]"),
        ("not toml", "nhiscan.toml", "mend the file"),
    ],
)
def test_a_wrong_setting_names_the_nearest_right_one(company: Path, toml: str, error: str, hint: str) -> None:
    (company / "nhiscan.toml").write_text(toml)
    done = nhiscan(company, "scan")
    assert done.returncode == 2
    assert error in done.stderr
    assert hint in done.stderr
    assert not (company / ".nhiscan" / "CURRENT").exists()


def test_without_a_config_the_next_step_is_init(tmp_path: Path) -> None:
    done = nhiscan(tmp_path, "scan")
    assert done.returncode == 2
    assert "nhiscan init" in done.stderr


def test_an_unreadable_register_leaves_the_last_scan_current(company: Path) -> None:
    scanned(company)
    (company / "register" / "contracts.xlsx").write_bytes(b"no spreadsheet")
    done = nhiscan(company, "scan")
    assert done.returncode == 2
    assert "contracts.xlsx" in done.stderr
    assert json.loads(nhiscan(company, "partners", "--json").stdout)[0]["partner_id"] == "P-1"


def test_strict_makes_a_bad_register_row_fatal(company: Path) -> None:
    (company / "register" / "partners.csv").write_text(PARTNERS + "P-1,Twice,\n")
    assert nhiscan(company, "scan").returncode == 0
    done = nhiscan(company, "scan", "--strict")
    assert done.returncode == 2
    assert "partners.csv" in done.stderr


def test_an_unknown_name_names_the_nearest(company: Path) -> None:
    scanned(company)
    done = nhiscan(company, "partner", "show", "Borealis Gmb")
    assert done.returncode == 2
    assert "did you mean 'Borealis GmbH'?" in done.stderr


def test_a_list_for_a_partner_owner_or_rule_that_is_not_known_is_an_error_and_not_empty(company: Path) -> None:
    scanned(company)
    assert nhiscan(company, "cases", "--partner", "borealis gmbh", "--owner", "Dana@acme.example").returncode == 0
    for words in (
        ["cases", "--partner", "Boreal"],
        ["identities", "--owner", "x@y.example"],
        ["findings", "--rule", "x"],
    ):
        assert nhiscan(company, *words).returncode == 2


@pytest.mark.parametrize(("high", "says"), [(0, "no cases"), (1, "1 high case"), (2, "2 high cases")])
def test_cases_are_counted_in_english(high: int, says: str, capsys: pytest.CaptureFixture[str]) -> None:
    cli_scan.print_scan({"scan_id": "s", "is_complete": True, "cases_by_severity": {"high": high, "low": 0}}, None)
    assert capsys.readouterr().out == f"scan s: complete, {says}\n"


def test_a_table_fits_the_terminal(company: Path) -> None:
    scanned(company)
    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as terminal:
        words = [sys.executable, "-m", "nhiscan.cli", "query", "select repeat('long ', 50) as text, 'kept' as short"]
        environ = {**os.environ, "COLUMNS": "40"}
        subprocess.run(words, cwd=company, env=environ, stdout=terminal, stderr=subprocess.DEVNULL, check=True)
    lines = os.read(ours, 10_000).decode().splitlines()
    os.close(ours)
    assert [len(line) for line in lines] == [40, 39]
    assert lines[1].endswith("…  kept")


def test_control_characters_of_a_name_do_not_reach_the_terminal(company: Path) -> None:
    (company / "register" / "partners.toml").write_text('[[partners]]\npartner_id = "P-9"\nname = "a\\u001b[31mred"\n')
    (company / "register" / "partners.csv").unlink()
    scanned(company)
    assert "\x1b" not in nhiscan(company, "partners").stdout
    assert "red" in nhiscan(company, "partners").stdout


def test_a_csv_answer_is_guarded_against_formulas(company: Path) -> None:
    scanned(company)
    done = nhiscan(company, "query", "select '=1+1' as x, -1 as n", "-f", "csv")
    assert done.stdout.split() == ["x,n", "'=1+1,-1"]


def test_columns_of_one_name_are_an_error_where_one_would_be_lost(company: Path) -> None:
    scanned(company)
    done = nhiscan(company, "query", "select 1 as n, 2 as n", "-f", "json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "two columns are called 'n'" in done.stderr


def test_a_name_that_became_a_column_is_guarded_like_a_cell(company: Path) -> None:
    scanned(company)
    assert nhiscan(company, "query", 'select 1 as "=1+1"', "-f", "csv").stdout.split() == ["'=1+1", "1"]
    assert "\x1b" not in nhiscan(company, "query", 'select 1 as "\x1b[31m"').stdout


def test_a_collector_is_shown_with_each_permission_once_and_no_line_too_long(tmp_path: Path) -> None:
    done = nhiscan(tmp_path, "collectors", "show", "register")
    assert "\n  strict: bool (default False)\n" in done.stdout
    assert done.stdout.count("\n  nothing\n    register.acceptances, ") == 1
    assert max(map(len, done.stdout.splitlines())) <= 120


def test_a_query_can_come_from_stdin(company: Path) -> None:
    scanned(company)
    done = nhiscan(company, "query", "-", "-f", "json", text="select count(*) as n from partners")
    assert json.loads(done.stdout) == [{"n": 2}]


def test_a_decision_is_written_and_holds_from_the_next_scan_on(company: Path) -> None:
    scanned(company)
    done = nhiscan(company, "attribute", "--pattern", "aws:*", "--partner", "P-1", "--by", "dana@acme.example")
    assert done.returncode == 0, done.stderr
    scanned(company)
    rows = nhiscan(company, "query", "select pattern, partner_id, decided_by from identity_map", "-f", "json")
    assert json.loads(rows.stdout) == [{"pattern": "aws:*", "partner_id": "P-1", "decided_by": "dana@acme.example"}]


def _heed_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def held_up(company: Path) -> Iterator[subprocess.Popen[str]]:
    """A scan that waits in the middle of collecting, for a register file whose rows do not come."""
    pipe = company / "requests.csv"
    os.mkfifo(pipe)
    (company / "held.toml").write_text(
        CONFIG + '[[collectors.register.files]]\npath = "requests.csv"\ntable = "requests"\n'
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "nhiscan.cli", "scan", "--config", "held.toml"],
        cwd=company,
        stderr=subprocess.PIPE,
        text=True,
        # What a shell starts in the background ignores SIGINT, and so would everything that the tests start.
        preexec_fn=_heed_interrupts,
    )
    writer = None
    try:
        deadline = time.monotonic() + 60
        while writer is None:
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < deadline
            with suppress(OSError):  # nobody reads yet
                writer = os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
            time.sleep(0.05)
        yield process
    finally:
        process.kill()
        process.communicate()
        if writer is not None:
            os.close(writer)


def test_analysts_read_while_a_scan_runs(company: Path) -> None:
    scanned(company)
    with held_up(company):
        done = nhiscan(company, "partners", "--json")
        queried = nhiscan(company, "query", "select count(*) as n from partners", "-f", "json")
    assert (done.returncode, len(json.loads(done.stdout))) == (0, 2)
    assert json.loads(queried.stdout) == [{"n": 2}]


def test_a_second_scan_at_the_same_time_exits_with_4(company: Path) -> None:
    with held_up(company) as process:
        done = nhiscan(company, "scan")
    assert done.returncode == 4
    assert f"process {process.pid} is scanning" in done.stderr


def test_kill_9_in_the_middle_of_a_scan_leaves_the_last_one_and_the_next_one_works(company: Path) -> None:
    scanned(company)
    before = (company / ".nhiscan" / "CURRENT").read_text()
    with held_up(company) as process:
        process.send_signal(signal.SIGKILL)
    assert (company / ".nhiscan" / "CURRENT").read_text() == before
    assert nhiscan(company, "partners").returncode == 0
    scanned(company)
    assert (company / ".nhiscan" / "CURRENT").read_text() != before
    events = [json.loads(line)["event"] for line in (company / ".nhiscan" / "runs.jsonl").read_text().splitlines()]
    assert events == ["started", "published", "started", "crashed", "started", "published"]


@pytest.mark.parametrize("sign", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_scan_exits_with_130_and_cleans_up(company: Path, sign: signal.Signals) -> None:
    with held_up(company) as process:
        process.send_signal(sign)
        said = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    assert "interrupted" in said
    assert list((company / ".nhiscan" / "scans").iterdir()) == []


def test_a_reader_that_leaves_early_is_no_error(company: Path) -> None:
    scanned(company)
    done = subprocess.run(
        f"{sys.executable} -m nhiscan.cli schema identity_facts | head -1; echo ${{PIPESTATUS[0]}}",
        shell=True,
        executable="/bin/bash",
        cwd=company,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "0"
    assert "Traceback" not in done.stderr


def test_a_demo_leaves_the_folder_of_a_company_alone(company: Path) -> None:
    before = {file: file.read_bytes() for file in company.rglob("*") if file.is_file()}
    for folder in (".", "register"):
        done = nhiscan(company, "demo", "--folder", folder)
        assert done.returncode == 2
        assert "holds something else than a demo" in done.stderr
    assert {file: file.read_bytes() for file in company.rglob("*") if file.is_file()} == before


def test_a_demo_where_no_folder_can_be_made_is_no_internal_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = nhiscan(tmp_path, "demo", "--folder", "file/demo")
    assert done.returncode == 2
    assert "cannot use file/demo" in done.stderr
