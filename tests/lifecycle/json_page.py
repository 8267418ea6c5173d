"""What docs/json.md says of the JSON of the commands of the lifecycle."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

_PAGE: Final = Path(__file__).parents[2] / "docs" / "json.md"


def documented(command: str, option: str = "--json") -> dict[str, set[str]]:
    """Its keys by the key that holds them; those of the object itself are all of these."""
    section = _PAGE.read_text(encoding="utf-8").split(f"## `{command} {option}`")[1].split("\n#")[0]
    found = {}
    for item in re.split(r"\n\* ", section)[1:]:
        key, *more = re.findall(r"`(\w+)`", item)
        found[key] = set(more)
    return found


def printed(told: Mapping[str, Any]) -> dict[str, set[str]]:
    """The keys of a printed object in the same form; of a list the first entry stands for all."""
    found = {}
    for key, value in told.items():
        entry = value[0] if isinstance(value, list) and value else value
        found[key] = set(entry) if isinstance(entry, dict) else set()
    return found
