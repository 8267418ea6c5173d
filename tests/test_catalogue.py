"""Checks and controls that nhiscan is measured against: what docs/catalogue.toml names is there under that name."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import click
import pytest

from nhiscan import query, store
from nhiscan.cli import cli

ROOT = Path(__file__).parent.parent
CATALOGUE = tomllib.loads((ROOT / "docs" / "catalogue.toml").read_text(encoding="utf-8"))
CONTROLS: list[dict[str, Any]] = CATALOGUE["control"]
MET_BY = ("rules", "families", "fields", "metrics", "queries", "commands", "sections")
RULES = {path.parent.name: path.parent.parent.name for path in (ROOT / "rules").glob("*/*/rule.toml")}


def named(kind: str) -> set[str]:
    return {name for row in CONTROLS for name in row.get(kind, [])}


def columns() -> set[str]:
    """Tables, and their columns as table.column."""
    found = (
        store.empty()
        .execute("select table_name, column_name from information_schema.columns where table_schema = 'main'")
        .fetchall()
    )
    return {table for table, _ in found} | {f"{table}.{column}" for table, column in found}


def test_every_check_of_the_first_wave_is_a_rule() -> None:
    assert set(CATALOGUE["wave_1"]) - set(RULES) == set()


def test_the_catalogue_holds_each_check_once() -> None:
    checks = [*CATALOGUE["wave_1"], *CATALOGUE["wave_2"]]
    assert (len(CATALOGUE["wave_1"]), len(CATALOGUE["wave_2"])) == (93, 20)
    assert len(checks) == len(set(checks))


def test_every_line_of_each_document_that_asks_for_something_is_there_once() -> None:
    lines = [(row["source"], row["lines"]) for row in CONTROLS]
    assert len(lines) == len(set(lines))
    counted = {source: sum(row["source"] == source for row in CONTROLS) for source in ("S1", "S2", "S3")}
    assert counted == {"S1": 24, "S2": 49, "S3": 48}


def test_every_named_rule_and_family_is_there() -> None:
    assert named("rules") - set(RULES) == set()
    assert named("families") - set(RULES.values()) == set()


def test_every_named_field_is_in_the_schema() -> None:
    assert named("fields") - columns() == set()


def test_every_named_metric_is_a_row_of_the_query() -> None:
    sql, params = query.find("metrics", {})
    ids = {name for (name,) in store.empty().execute(f"select metric from ({sql})", params).fetchall()}
    assert named("metrics") - ids == set()


def test_every_named_query_is_in_the_pack() -> None:
    assert named("queries") - {entry.name for entry in query.named()} == set()


def test_every_named_section_is_in_the_report() -> None:
    reports = resources.files("nhiscan.reports")
    texts = (file.read_text(encoding="utf-8") for file in reports.iterdir() if file.name.endswith(".html.j2"))
    sections = {name for text in texts for name in re.findall(r'<section id="(\w+)"', text)}
    assert named("sections") - sections == set()


@pytest.mark.parametrize("line", sorted(named("commands")))
def test_every_named_command_can_be_called(line: str) -> None:
    command: click.Command | None = cli
    for word in line.split():
        assert isinstance(command, click.Group)
        command = command.commands.get(word)
        assert command is not None, f"no command {word!r} in {line!r}"


@pytest.mark.parametrize("row", CONTROLS, ids=lambda row: f"{row['source']}:{row['lines']}")
def test_a_control_is_met_by_something(row: dict[str, Any]) -> None:
    assert [name for kind in MET_BY for name in row.get(kind, [])]
    assert set(row) <= {"source", "lines", "asks", "not_built", *MET_BY}


def test_what_is_called_not_built_is_not_there() -> None:
    assert named("not_built") & (set(RULES) | columns()) == set()


def test_every_check_that_is_not_built_is_told_in_the_reference() -> None:
    page = (ROOT / "docs" / "reference" / "controls.md").read_text(encoding="utf-8")
    checks = {*CATALOGUE["wave_1"], *CATALOGUE["wave_2"]}
    told = {name for line in re.findall("^Not built: .*", page, re.M) for name in re.findall("`([^`]+)`", line)}
    assert told == checks - set(RULES)
