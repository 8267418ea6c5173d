"""Stock's filters, asked in stock's order, but once a line for what is about the line alone.

A line of a bundle may be a megabyte long and hold hundreds of findings; stock goes over all of it for each of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

_OWN: Final = "detect_secrets.filters."
_ALLOWED: Final = f"{_OWN}allowlist.is_line_allowlisted"
_PRAGMA: Final = "pragma:"  # stands in every comment that allows a line; looking for these takes long over many blanks
_LIKELY_ID: Final = f"{_OWN}heuristic.is_likely_id_string"
# As stock has it. No match is part of a longer one, so the first to end is the first to begin, whatever comes after.
_ID: Final = r"(^(id|myid|userid)|_id)s?[^a-z0-9]"
_LONG: Final = 1_000


class Filters:
    """The filters that are in force, by what they have to know."""

    def __init__(self, functions: Iterable[Any]) -> None:
        self.functions = list(functions)

    def leave_out(self, path: str) -> bool:
        """One of them refuses the whole file."""
        return any(
            _says(function, {"filename": path})
            for function in self.functions
            if "filename" in function.injectable_variables
        )

    def of_line(self, about: Mapping[str, Any]) -> OfLine:
        """What they say of one line; `about`: filename, line and context."""
        return OfLine(self.functions, about)


class OfLine:
    """One line, for as many secrets as stand on it."""

    def __init__(self, functions: Iterable[Any], about: Mapping[str, Any]) -> None:
        self._about = about
        self._line: str = about["line"]
        self._first_id_ends: int | None = None
        has_pragma = _PRAGMA in self._line or _PRAGMA in about["context"].previous_line
        named = [
            (function, function.injectable_variables)
            for function in functions
            if has_pragma or function.path != _ALLOWED
        ]
        self.is_left_out = any(_says(function, about) for function, wants in named if "line" in wants)
        self._of_secret = [function for function, wants in named if "secret" in wants]
        # Stock asks those of the line again for each secret; its own give the same answer.
        self._of_context = [
            function
            for function, wants in named
            if "context" in wants and not (function.path.startswith(_OWN) and "line" in wants and "secret" not in wants)
        ]

    def leaves_out(self, value: str, plugin: Any) -> bool:
        """One of them refuses the secret."""
        about = {"filename": self._about["filename"], "secret": value, "plugin": plugin, "line": self._line}
        for function in self._of_secret:
            is_long = len(self._line) > _LONG and function.path == _LIKELY_ID and self._line.isascii()
            if self._is_likely_id(value, plugin) if is_long else _says(function, about):
                return True
        about["context"] = self._about["context"]
        return any(_says(function, about) for function in self._of_context)

    def _is_likely_id(self, value: str, plugin: Any) -> bool:
        """Stock's own question, without going over the line anew for each secret."""
        from detect_secrets.plugins.base import RegexBasedDetector

        if isinstance(plugin, RegexBasedDetector):
            return False
        if self._first_id_ends is None:
            match = re.search(_ID, self._line, re.IGNORECASE)
            self._first_id_ends = match.end() if match else len(self._line) + 1
        at = self._line.find(value)
        return at >= self._first_id_ends


def _says(function: Any, about: Mapping[str, Any]) -> bool:
    from detect_secrets.util.inject import call_function_with_arguments

    try:
        return bool(call_function_with_arguments(function, **about))
    except TypeError:  # a filter that wants more than is known at this point
        return False
