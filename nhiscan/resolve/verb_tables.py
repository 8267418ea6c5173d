"""A collector's privileges.toml: what its provider's permissions mean in the common verbs.

Found through the collector's entry point, because the engine knows no collector.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import resources
from importlib.metadata import entry_points
from typing import Any

from nhiscan.collect import GROUP
from nhiscan.errors import ConfigError
from nhiscan.resolve.verbs import VERBS


@cache
def read(provider: str) -> dict[str, Any]:
    """The file as parsed. Raises: ConfigError when no collector of that name is installed."""
    for entry in entry_points(group=GROUP, name=provider):
        file = resources.files(entry.module).joinpath("privileges.toml")
        return tomllib.loads(file.read_text(encoding="utf-8"))
    raise ConfigError(
        f"no collector named {provider} is installed", hint="its privileges.toml says what its permissions mean"
    )


def check(provider: str, verbs: Iterable[str]) -> None:
    """Raises: ConfigError when one of the verbs is none."""
    unknown = set(verbs) - VERBS
    if unknown:
        raise ConfigError(
            f"privileges.toml of {provider} names no such verb: {', '.join(sorted(unknown))}",
            hint=f"verbs are {', '.join(sorted(VERBS))}",
        )
