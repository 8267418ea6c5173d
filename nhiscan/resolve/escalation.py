"""A collector's escalation.toml: ways by which identities of its provider come to rights that they were not given.

Found through the collector's entry point, as its privileges.toml is.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from importlib.metadata import entry_points

from nhiscan.collect import GROUP


@dataclass(frozen=True, slots=True)
class Path:
    """`requires`: (action, what it has to be allowed on); `fix`: how the way is broken."""

    path_id: str
    title: str
    category: str
    gains: str
    kind: str
    fix: str
    requires: tuple[tuple[str, str], ...]
    is_rewriting: bool = False
    services: tuple[str, ...] = ()
    workload: str | None = None
    is_workload_read: bool = False
    needs: tuple[str, ...] = ()
    user: str | None = None
    doubt: str | None = None

    def actions_on(self, *places: str) -> tuple[str, ...]:
        return tuple(action for action, place in self.requires if place in places)


@cache
def read(provider: str) -> Mapping[str, Path]:
    """By id; none where the provider's collector is not installed or has no such file."""
    for entry in entry_points(group=GROUP, name=provider):
        file = resources.files(entry.module).joinpath("escalation.toml")
        if not file.is_file():
            break
        data = tomllib.loads(file.read_text(encoding="utf-8"))
        return {
            item["id"]: Path(
                item["id"],
                item["title"],
                item["category"],
                item["gains"],
                data["gains"][item["gains"]]["kind"],
                data["gains"][item["gains"]]["fix"],
                tuple((step["action"], step["on"]) for step in item["requires"]),
                data["gains"][item["gains"]].get("is_rewriting", False),
                tuple(item.get("service", ())),
                item.get("workload"),
                item.get("workload") in data["workloads"],
                tuple(item.get("needs", ())),
                item.get("user"),
                item.get("doubt"),
            )
            for item in data["path"]
        }
    return {}
