"""A collector's privileges.toml: what its provider's permissions mean in the common verbs.

Found through the collector's entry point, because the engine knows no collector.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from functools import cache
from importlib import resources
from importlib.metadata import entry_points
from importlib.resources.abc import Traversable
from importlib.util import find_spec
from typing import Any

from nhiscan.collect import GROUP
from nhiscan.config import nearest
from nhiscan.errors import ConfigError
from nhiscan.resolve.verbs import VERBS


@cache
def read(provider: str) -> dict[str, Any]:
    """The file as parsed. Raises: ConfigError when no installed collector of that name has one that is TOML."""
    found = find(provider)
    if found is None:
        raise ConfigError(
            f"no collector named {provider} is installed with a privileges.toml",
            hint="that file says what its permissions mean",
        )
    return parse(found)


def entries(provider: str, name: str, word: str) -> list[dict[str, Any]]:
    """What another table of the collector's says under `word`; nothing when it has no such file."""
    found = find(provider, name)
    listed: list[dict[str, Any]] = parse(found)[word] if found else []
    return listed


def find(provider: str, name: str = "privileges.toml") -> Traversable | None:
    """The file in the package of the collector of that name; None when there is no such file or collector."""
    for entry in entry_points(group=GROUP, name=provider):
        spec = find_spec(entry.module)
        if spec is not None:
            package = entry.module if spec.submodule_search_locations is not None else spec.parent
            file = resources.files(package).joinpath(name) if package else None
            return file if file is not None and file.is_file() else None
    return None


def parse(file: Traversable) -> dict[str, Any]:
    """Raises: ConfigError when it is not TOML."""
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(f"{file}: not TOML: {error}", hint="mend it, or ask the collector's author to") from error


def check(provider: str, verbs: Iterable[str]) -> None:
    """Raises: ConfigError when one of the verbs is none."""
    for verb in verbs:
        if verb not in VERBS:
            raise ConfigError(f"privileges.toml of {provider}: {verb!r} is no verb", hint=nearest(verb, VERBS))
