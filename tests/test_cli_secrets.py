"""`nhiscan secrets`: what a person, a pipeline and a hook get. Values are made up at run time."""

from __future__ import annotations

import base64
import json
import os
import pty
import shlex
import stat
import subprocess
import sys
import termios
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from fixtures.filled import filled
from nhiscan import cli as command_line
from nhiscan.detect import profiles
from tests import commands

ROOT = Path(__file__).parent.parent
TOKEN = filled("ghp_<<crc32:[A-Za-z0-9]{30}>>")
OTHER = filled("pat-eu1-<<[0-9a-f]{8}>>-<<[0-9a-f]{4}>>-<<[0-9a-f]{4}>>-<<[0-9a-f]{4}>>-<<[0-9a-f]{12}>>")
SETTINGS = '[company]\nname = "Acme"\n'
HEAVY = {"boto3", "botocore", "duckdb", "hvac", "jinja2", "numpy", "openpyxl", "pandas", "requests", "tqdm"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder to search with two secrets, and nothing else where the commands run."""
    monkeypatch.delenv("NHISCAN_CONFIG", raising=False)
    work = tmp_path / "work"
    (work / "src").mkdir(parents=True)
    (work / "src" / "a.py").write_text(f'x = 1\ntoken = "{TOKEN}"\n')
    (work / "src" / "b.env").write_text(f"HUBSPOT={OTHER}\n")
    (work / "clean").mkdir()
    (work / "clean" / "c.py").write_text("print(1)\n")
    monkeypatch.chdir(work)
    return work


def ran(*words: str) -> Result:
    return commands.run("secrets", *words)


def process(*words: str, cwd: Path, **given: Any) -> subprocess.CompletedProcess[bytes]:
    """The command as a shell runs it, its last edge included."""
    command = [sys.executable, "-c", "from nhiscan.cli import main; main()", *words]
    return subprocess.run(command, cwd=cwd, capture_output=True, check=False, **given)


def git(*words: str, cwd: Path) -> None:
    named = ["-c", "user.name=Dev", "-c", "user.email=dev@acme.example", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", *named, *words], cwd=cwd, check=True, capture_output=True)


@pytest.fixture
def repository(folder: Path) -> Path:
    """Its history holds both secrets, its newest commit only one."""
    git("init", "-q", "-b", "main", ".", cwd=folder)
    git("add", ".", cwd=folder)
    git("commit", "-q", "-m", "begin", cwd=folder)
    (folder / "src" / "b.env").unlink()
    git("commit", "-q", "-a", "-m", "take out", cwd=folder)
    return folder


def test_findings_are_lines_on_stdout_and_the_summary_goes_to_stderr(folder: Path) -> None:
    result = ran("scan", "src")
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert [line.split(", ")[0].split(" (")[0] for line in lines] == [
        "src/a.py:2:10: github_personal_access_token",
        "src/b.env:1:9: hubspot_private_app_token",
    ]
    assert result.stderr.splitlines()[0] == "searched 2 files (0.0 MB) with profile precise"
    assert result.stderr.splitlines()[-1].startswith("2 secrets found in 2 files: ")


def test_a_clean_folder_ends_with_0(folder: Path) -> None:
    result = ran("scan", "clean")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.splitlines()[-1] == "no secret found"


def test_a_place_that_is_not_there_is_a_usage_error(folder: Path) -> None:
    assert ran("scan", "nowhere").exit_code == 2
    assert ran("scan").exit_code == 2


def test_what_could_not_be_searched_comes_before_what_was_found(folder: Path) -> None:
    whole = folder / "whole.zip"
    subprocess.run([sys.executable, "-m", "zipfile", "-c", str(whole), "src"], check=True)
    (folder / "src" / "half.zip").write_bytes(whole.read_bytes()[:200])
    result = ran("scan", "src")
    assert result.exit_code == 3
    assert len(result.stdout.splitlines()) == 2
    assert "not searched: 1 damaged (src/half.zip: " in result.stderr
    assert result.stderr.splitlines()[-1].endswith("; 1 place could not be searched, so there may be more")


def test_names_are_as_one_would_type_them_here(folder: Path) -> None:
    one = [line.split(":")[0] for line in ran("scan", ".").stdout.splitlines()]
    several = [line.split(":")[0] for line in ran("scan", "src/b.env", "./src/a.py", "clean").stdout.splitlines()]
    absolute = [line.split(":")[0] for line in ran("scan", str(folder / "src")).stdout.splitlines()]
    assert one == several == ["src/a.py", "src/b.env"]
    assert absolute == [str(folder / "src/a.py"), str(folder / "src/b.env")]


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_any_number_of_processes_finds_the_same(jobs: str, folder: Path) -> None:
    for n in range(150):
        (folder / "src" / f"n{n}.txt").write_text("nothing\n")
    assert [line.split(":")[0] for line in ran("scan", "src", "--jobs", jobs).stdout.splitlines()] == [
        "src/a.py",
        "src/b.env",
    ]


def test_what_is_excluded_is_left_out_and_counted(folder: Path) -> None:
    result = ran("scan", "src", "--exclude", "*.env")
    assert len(result.stdout.splitlines()) == 1
    assert "left out: 1 excluded" in result.stderr


def test_the_history_of_a_repository_shows_what_is_gone_from_its_files(repository: Path) -> None:
    assert len(ran("scan", "src").stdout.splitlines()) == 1
    result = ran("scan", "--git", ".")
    assert result.exit_code == 1
    stands, gone = result.stdout.splitlines()
    assert stands.startswith("src/a.py:2:10: ")
    assert gone.startswith("src/b.env:1:9: ")
    assert " to " not in stands.partition("commit ")[2]
    assert " to " in gone.partition("commit ")[2]
    assert "2 commits" in result.stderr.splitlines()[0]


def test_a_folder_without_history_is_no_clean_repository(folder: Path) -> None:
    ended = process("secrets", "scan", "--git", "src", cwd=folder)
    assert ended.returncode == 3
    assert b"is not a git repository" in ended.stderr


def test_json_and_sarif_say_what_the_text_says(folder: Path) -> None:
    told = json.loads(ran("scan", "src", "-f", "json").stdout)
    (run,) = json.loads(ran("scan", "src", "-f", "sarif").stdout)["runs"]
    places = [(found["path"], found["line"], found["kind"]) for found in told["findings"]]
    assert places == [("src/a.py", 2, "github_personal_access_token"), ("src/b.env", 1, "hubspot_private_app_token")]
    assert [
        (place["artifactLocation"]["uri"], place["region"]["startLine"], result["ruleId"])
        for result in run["results"]
        for place in [result["locations"][0]["physicalLocation"]]
    ] == places
    assert all(rule["helpUri"].startswith("https://") for rule in run["tool"]["driver"]["rules"])


def test_a_result_can_go_to_a_file_for_its_owner_only(folder: Path) -> None:
    result = ran("scan", "src", "-f", "sarif", "-o", "out.sarif")
    assert (result.exit_code, result.stdout) == (1, "")
    assert stat.S_IMODE((folder / "out.sarif").stat().st_mode) == 0o600
    assert json.loads((folder / "out.sarif").read_text())["version"] == "2.1.0"


def test_a_result_that_cannot_be_written_is_said_before_the_search(folder: Path) -> None:
    assert "no folder" in ran("scan", "src", "-o", "nowhere/out").stderr


def test_fingerprints_compare_between_searches_with_the_key_of_a_state_directory(folder: Path) -> None:
    def marks(*words: str) -> tuple[str, list[str]]:
        told = json.loads(ran("scan", "src", "-f", "json", *words).stdout)
        return told["fingerprints"], [found["fingerprint"] for found in told["findings"]]

    assert marks()[0] == "this run"
    assert marks()[1] != marks()[1]
    (folder / "nhiscan.toml").write_text(SETTINGS)
    assert marks()[0] == "this run", "a search makes no state directory"
    (folder / ".nhiscan").mkdir()
    key = folder / ".nhiscan" / "fingerprint.key"
    key.write_text("ab" * 32)
    key.chmod(0o600)
    assert marks() == marks("--config", "nhiscan.toml")
    assert marks()[0] == "state"


def test_settings_that_are_named_must_be_there(folder: Path) -> None:
    assert ran("scan", "src", "-c", "nowhere.toml").exit_code == 2


def test_a_comment_allows_a_line_and_is_counted(folder: Path) -> None:
    (folder / "src" / "a.py").write_text(f'token = "{TOKEN}"  # pragma: allowlist secret\n')
    result = ran("scan", "src")
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == ["src/b.env"]
    assert "allowed: 1 by comment" in result.stderr.splitlines()
    assert json.loads(ran("scan", "src", "-f", "json").stdout)["summary"]["allowed"] == {"comment": 1}


@pytest.mark.parametrize("profile", ["precise", "detect-secrets"])
def test_a_baseline_allows_what_it_holds_and_nothing_new(profile: str, folder: Path) -> None:
    words = ("scan", "src", "--profile", profile)
    written = ran(*words, "--write-baseline", "known.json")
    assert (written.exit_code, written.stdout) == (0, "")
    known = ran(*words, "--baseline", "known.json")
    assert (known.exit_code, known.stdout) == (0, "")
    assert " by baseline" in known.stderr
    (folder / "src" / "new.py").write_text((folder / "src" / "a.py").read_text())
    new = ran(*words, "--baseline", "known.json")
    assert new.exit_code == 1
    assert {line.split(":")[0] for line in new.stdout.splitlines()} == {"src/new.py"}


def test_a_baseline_that_is_none_is_named(folder: Path) -> None:
    (folder / "known.json").write_text("{}")
    ended = process("secrets", "scan", "src", "--baseline", "known.json", cwd=folder)
    assert ended.returncode == 2
    assert b"known.json is no baseline of detect-secrets" in ended.stderr


def test_progress_is_drawn_on_a_terminal_only(folder: Path) -> None:
    assert b"\r" not in process("secrets", "scan", "src", cwd=folder).stderr
    leader, follower = pty.openpty()
    try:
        termios.tcsetwinsize(follower, (24, 80))
        command = [sys.executable, "-c", "from nhiscan.cli import main; main()", "secrets", "scan", "src"]
        subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=follower, check=False)
        os.close(follower)
        assert b"\rfiles: " in os.read(leader, 100_000)
    finally:
        os.close(leader)


def test_one_small_file_is_searched_without_the_libraries_of_other_commands(folder: Path) -> None:
    script = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from nhiscan.cli import cli\n"
        "result = CliRunner().invoke(cli, ['secrets', 'scan', 'src/a.py', '-o', 'out.txt'])\n"
        "assert result.exit_code == 1, result.output\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=folder, capture_output=True, text=True, check=True)
    assert HEAVY & set(ended.stdout.split()) == set()


class Broken:
    """A profile with a defect whose message quotes what it was searching."""

    name = "precise"

    def leaks(self, data: bytes, path: str) -> Iterator[Any]:
        del path
        raise ValueError(f"cannot read {data!r}")


@pytest.mark.parametrize("words", [(), ("-v",)])
def test_a_defect_is_told_without_its_words(
    words: tuple[str, ...], folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(profiles, "profile", lambda *_: Broken())
    monkeypatch.setattr(sys, "argv", ["nhiscan", *words, "secrets", "scan", "src/a.py"])
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    said = capfd.readouterr()
    assert ended.value.code == 5
    assert "internal error: ValueError in test_cli_secrets.py, line " in said.err
    assert TOKEN not in said.out + said.err
    assert "token =" not in said.out + said.err


def forms(value: str) -> set[bytes]:
    """A value and what base64 makes of it at each of the three places where it may begin."""
    plain = {value, value[4:]}
    encoded = {base64.b64encode(b"\0" * n + value.encode())[8:-8].decode() for n in range(3)}
    return {part.encode() for part in plain | encoded}


def test_no_value_is_in_any_output_log_state_or_cache(
    repository: Path, tmp_path: Path, caches_of_the_tests: Path
) -> None:
    (repository / "nhiscan.toml").write_text(SETTINGS)
    (repository / "src" / f"{TOKEN}.txt").write_text(base64.b64encode(f"token: {TOKEN}".encode()).decode() + "\n")
    (repository / "src" / "c.json").write_text(json.dumps({TOKEN: OTHER, "password": {"value": OTHER}}))
    said = b""
    for number, words in enumerate(
        [
            (),
            ("--git",),
            *(("-f", shape, "-o", f"out.{shape}") for shape in ("json", "sarif")),
            ("--git", "-f", "json", "--jobs", "2"),
            ("--profile", "detect-secrets", "-f", "json"),
            ("--exclude", "*.txt", "--write-baseline", "known.json"),  # a baseline needs names of files as they are
            ("--exclude", "*.txt", "--baseline", "known.json", "-f", "sarif"),
        ]
    ):
        ended = process("-v", "secrets", "scan", ".", *words, cwd=repository)
        assert ended.returncode in (0, 1), (number, ended.stderr)
        said += ended.stdout + ended.stderr
    kept = [
        path
        for path in [*tmp_path.rglob("*"), *caches_of_the_tests.rglob("*")]
        if path.is_file() and not {"src", ".git"} & set(path.parts)
    ]
    assert {"out.json", "out.sarif", "known.json"} <= {path.name for path in kept}
    for value in (TOKEN, OTHER):
        for form in forms(value):
            assert form not in said
            assert [path.name for path in kept if form in path.read_bytes()] == []


def hooks() -> dict[str, Any]:
    """The one hook of the file, which has no more than one line a key."""
    text = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    lines = [line.partition(" #")[0].removeprefix("- ").strip() for line in text.splitlines()]
    return dict(line.split(": ", 1) for line in lines if line)


def test_the_hook_is_what_pre_commit_asks_for() -> None:
    """https://pre-commit.com/#creating-new-hooks: id, name, entry and language are required."""
    hook = hooks()
    assert hook["id"] == "nhiscan-secrets"
    assert {"id", "name", "entry", "language"} <= hook.keys()
    assert hook["language"] == "python"
    known = {"id", "name", "entry", "language", "description", "args", "types", "require_serial"}
    assert hook.keys() <= known


def test_the_hook_takes_files_whose_names_look_like_options(folder: Path) -> None:
    hook = hooks()
    (folder / "--output=stolen").write_text(f"token = '{TOKEN}'\n")
    entry = shlex.split(hook["entry"])
    args = hook["args"].strip("[]").split(", ")
    assert entry[0] == "nhiscan"
    refused = process(*entry[1:], *args, "--output=stolen", "clean/c.py", cwd=folder)
    assert refused.returncode == 1
    assert refused.stdout.startswith(b"--output=stolen:1:")
    assert process(*entry[1:], *args, "clean/c.py", cwd=folder).returncode == 0


def test_a_result_goes_into_a_pipe_or_device_and_takes_the_place_of_none(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with subprocess.Popen(["cat", "pipe"], cwd=folder, stdout=subprocess.PIPE) as reader:
        assert ran("scan", "src", "-o", "pipe").exit_code == 1
        assert len(reader.communicate()[0].splitlines()) == 2
    assert stat.S_ISFIFO((folder / "pipe").stat().st_mode)


def test_a_device_without_room_is_said(folder: Path) -> None:
    (folder / "full").symlink_to("/dev/full")
    ended = process("secrets", "scan", "src", "-o", "full", cwd=folder)
    assert (ended.returncode, ended.stdout) == (5, b"")
    assert b"cannot write full: No space left on device" in ended.stderr
    assert (folder / "full").is_symlink()


@pytest.mark.parametrize("shape", ["text", "json", "sarif"])
@pytest.mark.parametrize(("place", "code"), [("src", 1), ("clean", 0)])
def test_a_reader_who_has_left_changes_nothing_of_the_verdict(shape: str, place: str, code: int, folder: Path) -> None:
    command = [sys.executable, "-c", "from nhiscan.cli import main; main()", "secrets", "scan", place, "-f", shape]
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(command, cwd=folder, stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert ended.returncode == code
    assert ended.stderr.startswith(b"searched ")


def test_a_full_disk_behind_stdout_is_said(folder: Path) -> None:
    command = [sys.executable, "-c", "from nhiscan.cli import main; main()", "secrets", "scan", "src"]
    with Path("/dev/full").open("wb") as full:
        ended = subprocess.run(command, cwd=folder, stdout=full, stderr=subprocess.PIPE, check=False)
    assert ended.returncode == 5
    assert ended.stderr.startswith(b"error: cannot write the result: No space left on device\n")


def test_a_result_is_written_where_a_link_leads(folder: Path) -> None:
    (folder / "reports").mkdir()
    (folder / "out.json").symlink_to("reports/latest.json")
    assert ran("scan", "src", "-f", "json", "-o", "out.json").exit_code == 1
    assert json.loads((folder / "reports" / "latest.json").read_text())["is_complete"]
    assert (folder / "out.json").is_symlink()


def test_a_pipe_that_is_named_is_no_clean_place(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    result = ran("scan", "pipe")
    assert result.exit_code == 3
    assert "no secret found; 1 place could not be searched" in result.stderr


def test_one_of_several_repositories_that_is_none_hides_no_findings(repository: Path) -> None:
    result = ran("scan", "--git", ".", "clean")
    assert result.exit_code == 3
    assert len(result.stdout.splitlines()) == 2
    assert "clean: clean is not a git repository" in result.stderr
