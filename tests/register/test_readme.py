from __future__ import annotations

import re
from pathlib import Path

import pytest

from nhiscan import collect

README = Path(__file__).parents[2] / "collectors" / "register" / "README.md"


def tables() -> dict[str, str]:
    part = README.read_text(encoding="utf-8").partition("## Tables")[2].partition("## Values")[0]
    return dict(re.findall(r"^\| (\w+) \| (.+) \|$", part, re.MULTILINE)[1:])


def test_the_page_names_every_table() -> None:
    datasets = collect.load("register").datasets
    assert {f"register.{name}" for name in tables()} == datasets


@pytest.mark.parametrize("name", sorted(tables()))
def test_the_page_names_every_column_of_a_table(name: str) -> None:
    from nhiscan.collectors.register.tables import TABLES

    assert set(TABLES[name].headers) <= set(re.findall(r"\w+", tables()[name]))
