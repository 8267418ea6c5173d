from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.bench import steps
from tests.bench.__main__ import compare, table

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def result() -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench", "--size", "2000", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
        cwd=ROOT,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_networkx_pandas_and_what_was_planted_agree(result: dict[str, Any]) -> None:
    assert result["differences"] == []


def test_every_step_is_measured(result: dict[str, Any]) -> None:
    assert result["steps"].keys() == steps.STEPS.keys()


def test_the_compared_rules_find_something_on_either_side(result: dict[str, Any]) -> None:
    found = result["steps"]["rules_ours"]["answer"]
    assert {rule for rule, outcomes in found.items() if {"fail", "pass"} <= outcomes.keys()} == set(steps.RULES)


@pytest.mark.parametrize(("step", "lost"), [("salesforce_collect", "sign-ins"), ("hubspot_collect", "events")])
def test_what_a_collector_did_not_read_is_a_difference(result: dict[str, Any], step: str, lost: str) -> None:
    read = result["steps"][step]["answer"][lost] - 1
    changed = {**result["steps"][step], "answer": {**result["steps"][step]["answer"], lost: read}}
    assert compare({**result["steps"], step: changed}) == [f"{step}: {lost} {read + 1} made, {read} read"]


@pytest.mark.parametrize(("provider", "daily"), [("salesforce", "100,000"), ("hubspot", "650,000")])
def test_the_requests_of_a_crm_are_told_as_a_share_of_its_day(
    result: dict[str, Any], provider: str, daily: str
) -> None:
    (line,) = [line for line in table(result["size"], result["steps"]) if line.startswith(f"{provider}, ")]
    requests = result["steps"][f"{provider}_collect"]["counts"]["requests"]
    assert f" {requests} requests: " in line
    assert f"% of a day's {daily}, " in line


def test_the_estate_is_the_same_every_time(tmp_path: Path) -> None:
    from tests.bench import estate

    made = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        estate.write(500, folder)
        made.append({file.name: _rows(file) for file in folder.iterdir()})
    assert made[0] == made[1]


def _rows(file: Path) -> list[tuple[Any, ...]]:
    import duckdb

    rows: list[tuple[Any, ...]] = duckdb.connect().execute(f"select * from '{file}' order by all").fetchall()
    return rows
