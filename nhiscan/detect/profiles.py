"""The ways of searching, by name; each brings its libraries when it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from nhiscan.detect.leak import Profile
from nhiscan.errors import ConfigError

NAMES: Final = ("precise", "detect-secrets")


def profile(name: str, settings: Mapping[str, Any] | None = None, baseline: str = "") -> Profile:
    """A new profile of that name; `detect-secrets` takes `settings` from the file of a baseline, which it leaves out.

    Raises: ConfigError for any other name.
    """
    if name == "precise":
        from nhiscan.detect.precise.profile import Precise

        return Precise()
    if name == "detect-secrets":
        from nhiscan.detect.stock.profile import Stock

        return Stock(settings, baseline=baseline)
    raise ConfigError(f"no profile is called {name}", hint=f"known are {', '.join(NAMES)}")
