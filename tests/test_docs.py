"""What the pages say is done here: commands are run on the demo, settings are read, tutorials are built."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex

import click
import pytest
from click.testing import CliRunner

from fixtures.filled import filled
from nhiscan import check, collect, config, rule, store
from nhiscan.check import trial
from nhiscan.cli import cli
from nhiscan.detect.precise.detector import parse
from nhiscan.detect.precise.profile import Precise
from nhiscan.lifecycle.verify import StaleScanError
from nhiscan.remediate import contract, evidence
from nhiscan.remediate import plan as plans
from tests.demo import Run
from tests.remediation import recorded
from tests.web import Said, serving

ROOT = Path(__file__).parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
NHISCAN = Path(sys.executable).with_name("nhiscan")
# What runs before a command that writes, asks providers or compares scans, in a folder of its own.
BEFORE = {
    "init": (),
    "scan": ("nhiscan init",),
    "doctor": ("nhiscan init",),
    "diff": ("nhiscan init", "nhiscan scan", "nhiscan scan"),
}


@dataclass(frozen=True)
class Block:
    """A fenced block; `file` is the name in the comment of its first line."""

    language: str
    text: str

    @property
    def file(self) -> str | None:
        found = re.match(r"(?:#|--) (\S+\.\w+)\n", self.text)
        return found[1] if found else None


def blocks(page: Path) -> Iterator[Block]:
    for language, text in re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.M | re.S):
        yield Block(language, text)


def commands() -> list[tuple[str, str]]:
    """(page, command) for every `$ nhiscan …` line; one that several pages show stands once, with the last."""
    found = {
        line.removeprefix("$ "): page.relative_to(ROOT).as_posix()
        for page in PAGES
        for block in blocks(page)
        if block.language == "console"
        for line in block.text.splitlines()
        if line.startswith("$ nhiscan")
    }
    return [(page, command) for command, page in found.items()]


def run(command: str, *, cwd: Path, environ: dict[str, str]) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    assert words[0] == "nhiscan"
    return subprocess.run(
        [str(NHISCAN), *words[1:]], cwd=cwd, env={**os.environ, **environ}, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="session")
def own_demo(demo: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demo and its scan, with another scanner's result beside it and taken over."""
    folder = tmp_path_factory.mktemp("docs") / ".nhiscan-demo"
    shutil.copytree(demo.folder, folder)
    found = {"RuleID": "generic-api-key", "File": "deploy.env", "StartLine": 3, "Secret": "REDACTED"}
    (folder / "gitleaks.json").write_text(json.dumps([found]), encoding="utf-8")
    words = ["secrets", "import", str(folder / "gitleaks.json"), "--place", "storefront"]
    assert CliRunner().invoke(cli, [*words, "-c", str(folder / "nhiscan.toml")]).exit_code == 0
    (folder / "answers.csv").write_text(_answered(folder), encoding="utf-8")
    _remediate(folder)
    return folder


def _remediate(folder: Path) -> None:
    """People with keys, a plan that they have carried out, and its evidence."""
    who = recorded.persons(folder)
    with (folder / "nhiscan.toml").open("a", encoding="utf-8") as settings:
        settings.write(who.settings())
    state = folder / "state"
    scan_id = store.current(state)
    assert scan_id is not None
    begun = datetime.now(UTC) - timedelta(hours=12)
    made = recorded.plan(who, scan_id, plan_id="20260131T020000Z-4f2a", at=begun)
    kept = state / "remediation" / made.plan_id
    kept.mkdir(parents=True)
    for file in (kept / "plan.json", folder / "plan.json"):
        plans.write(file, made)
    recorded.rotated(recorded.Past(state, who, made, kept, begun))
    (folder / f"{made.plan_id}.zip").write_bytes(evidence.export(state, kept, signer=None))


def _answered(folder: Path) -> str:
    """What the partner sends back when it was asked about its people."""
    asked = folder / "asked.csv"
    words = ["attest", "request", "-c", str(folder / "nhiscan.toml"), "--partner", "P-1012", "--kind", "leavers"]
    assert CliRunner().invoke(cli, [*words, "-o", str(asked)]).exit_code == 0
    head, *rows = csv.reader(asked.read_text(encoding="utf-8-sig").splitlines())
    column = {name.partition(" (")[0]: place for place, name in enumerate(head)}
    for row in rows:
        row[column["answer"]] = "left"
        row[column["signed by"]], row[column["signed on"]] = "lead@partner.example", str(datetime.now(UTC).date())
    out = io.StringIO(newline="")
    csv.writer(out).writerows([head, *rows])
    return out.getvalue()


def test_the_readme_shows_what_the_demo_prints(demo: Run) -> None:
    shown = next(b.text for b in blocks(ROOT / "README.md") if b.text.startswith("$ make demo\n"))
    scan_id = r"\d{8}T\d{6}Z-[0-9a-f]{4}"
    lines = re.sub(scan_id, "ID", shown.removeprefix("$ make demo\n")).splitlines()
    assert sorted(lines) == sorted(re.sub(scan_id, "ID", demo.stdout + demo.stderr).splitlines())


@pytest.mark.parametrize(("page", "command"), [c for c in commands() if shlex.split(c[1])[1] not in BEFORE])
def test_a_command_on_a_page_runs_on_the_demo(
    page: str, command: str, own_demo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(own_demo)  # where nhiscan.toml is; in this process, because a page has many commands
    to_come = str(datetime.now(UTC).date() + timedelta(days=90))  # an example's day passes
    ran = CliRunner().invoke(cli, shlex.split(re.sub(r"(?<=--expires )\S+", to_come, command))[1:])
    is_told_too_old = isinstance(ran.exception, StaleScanError)  # the demo's scan is of one day for ever
    assert ran.exit_code == 0 or is_told_too_old, f"{page}: {ran.exception!r} {ran.output}"


@pytest.mark.parametrize(("page", "command"), [c for c in commands() if shlex.split(c[1])[1] in BEFORE])
def test_a_command_that_does_more_than_show_runs_in_a_fresh_folder(page: str, command: str, tmp_path: Path) -> None:
    for step in BEFORE[shlex.split(command)[1]]:
        assert run(step, cwd=tmp_path, environ={}).returncode == 0
    ran = run(command, cwd=tmp_path, environ={})
    assert ran.returncode == 0, f"{page}: {ran.stderr}"


def every(command: click.Command, *path: str) -> Iterator[tuple[str, click.Command]]:
    if isinstance(command, click.Group):
        for name, below in command.commands.items():
            yield from every(below, *path, name)
    else:
        yield " ".join(path), command


@pytest.mark.parametrize(("path", "command"), list(every(cli, "nhiscan")))
def test_a_command_has_one_sentence_of_help_and_an_example(path: str, command: click.Command) -> None:
    text = command.help or ""
    assert text.split("\n")[0].rstrip().endswith((".", ";", ":", ","))
    assert f"Example: {path}" in text
    assert all(param.help for param in command.params if isinstance(param, click.Option) and not param.hidden)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_link_leads_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:)([^)#]*)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [target for target in targets if target and not (page.parent / target).exists()] == []


@pytest.mark.parametrize(
    "block",
    [block for page in PAGES for block in blocks(page) if block.language == "toml" and block.file is None],
    ids=lambda block: block.text.split("\n")[0],
)
def test_settings_on_a_page_are_accepted(block: Block, tmp_path: Path) -> None:
    data = tomllib.loads(block.text)
    settings = config.parse({"company": {"name": "Acme"}, **data}, file=tmp_path / "nhiscan.toml")
    for name, entry in settings.collectors:
        kind = collect.load(name)
        names = re.findall(r'"env:(\w+)"', block.text)
        environ = dict.fromkeys(names, "correct-horse")
        assert config.build(kind, entry, where=f"{name}.", base=tmp_path, environ=environ)
    for name, entry in settings.remediation.items():
        environ = dict.fromkeys(re.findall(r'"env:(\w+)"', block.text), "correct-horse")
        assert config.build(contract.load(name), entry, where=f"{name}.", base=tmp_path, environ=environ)
    check.check_overrides(rule.load(), settings.rules)


def test_the_rule_of_the_tutorial_passes_its_cases(tmp_path: Path) -> None:
    folder = tmp_path / "nhi07-long-lived-secrets" / "key-without-end"
    folder.mkdir(parents=True)
    for block in blocks(ROOT / "docs" / "write-a-rule.md"):
        if block.file is not None:
            (folder / block.file).write_text(block.text, encoding="utf-8")
    (grown,) = rule.load([tmp_path])
    assert {result.case: result.problems for result in trial.run(grown) if result.problems} == {}


def test_the_detector_on_the_page_finds_its_examples() -> None:
    (text,) = (b.text for b in blocks(ROOT / "docs" / "secrets.md") if b.file == "detectors/acme.toml")
    (detector,) = parse(text, "acme.toml")
    profile = Precise([detector])

    def found(examples: Sequence[str]) -> list[list[str]]:
        return [[leak.severity for leak in profile.leaks(filled(one).encode(), "notes.txt")] for one in examples]

    assert found(detector.true) == [["critical"], ["low"]]
    assert found(detector.false) == [[], []]


@pytest.fixture
def gateway(tmp_path: Path) -> Path:
    """A folder with the tutorial's export, its settings and the metadata of its package as an installer writes it."""
    for block in blocks(ROOT / "docs" / "write-a-collector.md"):
        if block.language == "json":
            (tmp_path / "gateway.json").write_text(block.text, encoding="utf-8")
        elif block.file == "nhiscan.toml":
            (tmp_path / block.file).write_text(block.text, encoding="utf-8")
        elif block.file == "pyproject.toml":
            project = tomllib.loads(block.text)["project"]
            metadata = tmp_path / f"acme_gateway-{project['version']}.dist-info"
            metadata.mkdir()
            (metadata / "METADATA").write_text(
                f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
            )
            ((group, entries),) = project["entry-points"].items()
            lines = [f"[{group}]", *(f"{name} = {target}" for name, target in entries.items())]
            (metadata / "entry_points.txt").write_text("\n".join(lines) + "\n")
    (tmp_path / "acme_gateway").mkdir()
    return tmp_path


@pytest.fixture
def rights_table(gateway: Path) -> Path:
    """The tutorial's privileges.toml in its package."""
    files = {block.file: block.text for block in blocks(ROOT / "docs" / "write-a-collector.md")}
    table = gateway / "acme_gateway" / "privileges.toml"
    table.write_text(files["acme_gateway/privileges.toml"], encoding="utf-8")
    return table


def scan(folder: Path, code: str) -> int:
    (folder / "acme_gateway" / "__init__.py").write_text(code, encoding="utf-8")
    command = "nhiscan scan --as-of 2026-01-31T00:00:00Z"
    return run(command, cwd=folder, environ={"PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1"}).returncode


def rows(folder: Path, sql: str) -> list[list[str]]:
    ran = run(f"nhiscan query {shlex.quote(sql)} -f json", cwd=folder, environ={})
    assert ran.returncode == 0, ran.stderr
    return [list(row.values()) for row in json.loads(ran.stdout)]


def tutorial_code() -> list[str]:
    return [b.text for b in blocks(ROOT / "docs" / "write-a-collector.md") if b.file == "acme_gateway/__init__.py"]


def test_the_tutorials_first_collector_is_honest_about_its_silence(gateway: Path) -> None:
    smallest, _ = tutorial_code()
    assert scan(gateway, smallest) == 3
    reasons = rows(gateway, "select status, reason, count(*) from coverage group by all")
    assert reasons == [["failed", "the collector ended without a word about this dataset", 5]]


def test_the_tutorials_collector_brings_what_the_page_says(gateway: Path) -> None:
    _, grown = tutorial_code()
    assert scan(gateway, grown) == 0
    assert rows(gateway, "select dataset, status from coverage order by all") == [
        ["credentials", "complete"],
        ["credentials.created", "complete"],
        ["credentials.last_used", "unsupported"],
        ["grants", "complete"],
        ["identities", "complete"],
        ["identities.last_used", "unsupported"],
    ]
    assert rows(gateway, "select identity_id, status from identities order by all") == [
        ["gateway:main:client/c-17", "enabled"],
        ["gateway:main:client/c-18", "disabled"],
    ]
    old = "select subject_id from findings where rule_id = 'life-key-age-exceeded' and outcome = 'fail'"
    assert rows(gateway, old) == [["gateway:main:api_key/k-17a"]]


def test_the_tutorials_table_says_what_rights_mean(gateway: Path, rights_table: Path) -> None:
    assert rights_table.exists()
    _, grown = tutorial_code()
    assert scan(gateway, grown) == 0
    found = (
        "select i.native_id, p.verb, p.scope, p.certainty, p.level, p.statement "
        "from privileges p join identities i using (identity_key) order by all"
    )
    assert rows(gateway, found) == [
        ["c-17", "read-data", "all", "definite", 3, "orders:read"],
        ["c-17", "unknown", "all", "potential", None, "returns:approve"],
        ["c-17", "write-data", "all", "definite", 4, "orders:write"],
        ["c-18", "read-config", "all", "definite", 1, "stock:list"],
    ]
    levels = "select native_id, level, level_high, is_admin from identity_facts order by all"
    assert rows(gateway, levels) == [["c-17", 4, None, False], ["c-18", 1, 1, False]]


def test_without_the_tutorials_table_no_right_is_known(gateway: Path) -> None:
    _, grown = tutorial_code()
    assert scan(gateway, grown) == 0
    assert rows(gateway, "select distinct verb, level from privileges") == [["unknown", None]]


def test_a_mistake_in_the_tutorials_table_ends_the_scan_before_it_begins(gateway: Path, rights_table: Path) -> None:
    rights_table.write_text(rights_table.read_text().replace("write-data =", "wirte-data ="))
    (gateway / "acme_gateway" / "__init__.py").write_text(tutorial_code()[1], encoding="utf-8")
    ran = run("nhiscan scan", cwd=gateway, environ={"PYTHONPATH": str(gateway), "PYTHONDONTWRITEBYTECODE": "1"})
    assert ran.returncode == 2
    assert f"{rights_table}: verbs.wirte-data: no such verb" in ran.stderr
    assert "write-data" in ran.stderr
    assert not (gateway / ".nhiscan" / "runs.jsonl").exists()


def test_the_tutorials_collector_fails_aloud_on_a_broken_export(gateway: Path) -> None:
    _, grown = tutorial_code()
    (gateway / "gateway.json").write_text('{"clients": [{"id": "c-17"}]}')
    assert scan(gateway, grown) == 3
    assert rows(gateway, "select distinct status, reason from coverage") == [["failed", "KeyError: 'enabled'"]]


def test_the_tutorials_live_collector_is_recorded_and_replayed(gateway: Path) -> None:
    _, grown = tutorial_code()
    (gateway / "acme_gateway" / "__init__.py").write_text(grown, encoding="utf-8")
    files = {b.file: b.text for b in blocks(ROOT / "docs" / "write-a-collector.md")}
    (gateway / "acme_gateway" / "live.py").write_text(files["acme_gateway/live.py"], encoding="utf-8")
    (entries,) = gateway.glob("*.dist-info/entry_points.txt")
    entries.write_text(entries.read_text().replace("acme_gateway:", "acme_gateway.live:"))
    planted, token = f"glpat-{token_hex(10)}", token_hex(20)
    clients = json.loads((gateway / "gateway.json").read_text())["clients"]
    clients[0]["labels"], clients[1]["labels"] = {"note": f"ask for {planted}"}, {}
    pages = {
        "/clients?page=1": {"clients": clients[:1], "next_page": 2},
        "/clients?page=2": {"clients": clients[1:], "next_page": None},
    }
    environ = {"PYTHONPATH": str(gateway), "PYTHONDONTWRITEBYTECODE": "1", "NO_PROXY": "127.0.0.1"}
    found = "select subject_id, outcome from findings order by all", "select location, name, fingerprint from sightings"
    with serving(lambda asked: Said(pages[asked.path])) as web:
        (gateway / "live.toml").write_text(files["live.toml"].replace("https://gateway.acme.example", web.url))
        ran = run(
            "nhiscan scan --config live.toml --record tape", cwd=gateway, environ={**environ, "GATEWAY_TOKEN": token}
        )
        assert ran.returncode == 0, ran.stderr
        assert {asked.headers["Authorization"] for asked in web.asked} == {f"Bearer {token}"}
    recorded = [rows(gateway, sql) for sql in found]
    assert recorded[0]
    assert [row[:2] for row in recorded[1]] == [["client c-17", "note"]]
    ran = run("nhiscan scan --config live.toml --replay tape", cwd=gateway, environ=environ)
    assert ran.returncode == 0, ran.stderr
    assert rows(gateway, found[0]) == recorded[0]
    assert [row[:2] for row in rows(gateway, found[1])] == [["client c-17", "note"]]
    kept = [file.read_bytes() for file in gateway.rglob("*") if file.is_file()]
    kept.append(gzip.decompress((gateway / "tape" / "tape.jsonl.gz").read_bytes()))
    for value in (planted, token):
        assert not [text for text in kept if value.encode() in text]


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    """A folder with the files of the adapter's tutorial."""
    for block in blocks(ROOT / "docs" / "write-an-adapter.md"):
        if block.file is not None:
            file = tmp_path / block.file
            file.parent.mkdir(exist_ok=True)
            file.write_text(block.text, encoding="utf-8")
    return tmp_path


def tried(folder: Path) -> subprocess.CompletedProcess[str]:
    """What the page says to run, on the files in the folder."""
    environ = {"PYTHONPATH": f"{ROOT}{os.pathsep}{folder}", "PYTHONDONTWRITEBYTECODE": "1", "NO_PROXY": "127.0.0.1"}
    words = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "test_rotate.py"]
    return subprocess.run(words, cwd=folder, env={**os.environ, **environ}, capture_output=True, text=True, check=False)


def test_the_tutorials_adapter_keeps_every_promise(adapter: Path) -> None:
    ran = tried(adapter)
    assert ran.returncode == 0, ran.stdout
    assert "3 passed" in ran.stdout


def test_the_tutorials_trials_miss_no_guard(adapter: Path) -> None:
    file = adapter / "acme_gateway" / "rotate.py"
    whole = file.read_text(encoding="utf-8")
    file.write_text(
        whole.replace("return tuple(sorted(self.observe(target)", "return () and tuple(sorted(self.observe(target)")
    )
    assert file.read_text(encoding="utf-8") != whole
    ran = tried(adapter)
    assert ran.returncode == 1
    assert "crash after effect create" in ran.stdout


def test_the_tutorials_adapter_is_what_the_contract_asks_for(adapter: Path) -> None:
    (adapter / "held.py").write_text(
        "from acme_gateway.rotate import GatewayRemediation\n"
        "from nhiscan.remediate.contract import Adapter\n"
        "from nhiscan.secret import Secret\n"
        'held: Adapter = GatewayRemediation("https://gateway.example", Secret("x"))\n'
    )
    words = [sys.executable, "-m", "mypy", "--follow-imports=silent", "--config-file", str(ROOT / "pyproject.toml")]
    folders = ["--cache-dir", str(adapter / "cache"), "held.py", "test_rotate.py", "acme_gateway/rotate.py"]
    environ = {"MYPYPATH": f"{ROOT}{os.pathsep}{adapter}"}
    ran = subprocess.run(
        [*words, *folders], cwd=adapter, env={**os.environ, **environ}, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout
