"""The JSON shape is what docs/json.md says."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from nhiscan import report
from tests.report.estate import large, small

DOC = Path(__file__).parents[2] / "docs" / "json.md"


def documented() -> dict[str, list[str]]:
    """Keys in order, by the title of their section; of the scan's own chapter, the first."""
    chapter = DOC.read_text(encoding="utf-8").split("\n# ", 1)[0]
    sections = chapter.split("\n## ")[1:]
    return {
        section.split("\n", 1)[0].replace("`", ""): re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)
        for section in sections
    }


@pytest.fixture(scope="module")
def shape() -> dict[str, Any]:
    return report.summary(small())


def test_the_documented_keys_are_the_real_ones(shape: dict[str, Any]) -> None:
    real = {"Top level": list(shape)}
    real |= {f"Entry of {key}": list(shape[key][0]) for key in ("coverage", "register", "cases", "partners", "owasp")}
    real["Entry of cells"] = list(shape["owasp"][0]["cells"][0])
    assert documented() == real


def test_every_entry_of_a_list_has_the_same_keys(shape: dict[str, Any]) -> None:
    for key in ("coverage", "register", "cases", "partners", "owasp"):
        assert {tuple(entry) for entry in shape[key]} == {tuple(shape[key][0])}


def test_it_holds_only_json_and_times_in_utc(shape: dict[str, Any]) -> None:
    assert json.loads(json.dumps(shape)) == shape
    assert shape["as_of"] == "2026-01-31T02:00:00Z"


def test_every_open_case_is_in_it() -> None:
    shape = report.summary(large(600))
    assert len(shape["cases"]) == 603 == sum(shape["cases_by_severity"].values())


def test_counts_by_severity_name_every_severity(shape: dict[str, Any]) -> None:
    assert shape["cases_by_severity"] == {"critical": 2, "high": 1, "medium": 0, "low": 0, "info": 0}
    assert shape["unknown_findings"] == 2
