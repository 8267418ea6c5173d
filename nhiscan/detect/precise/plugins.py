"""Each detector as a plugin of detect-secrets, for `detect-secrets scan -p <this file>` and for baselines made so.

Plugins of detect-secrets see one line, so detectors of several lines are left out, and what must stand near a value
counts there and in the lines that the tool hands over around it.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from typing import Any, ClassVar

from detect_secrets.core.potential_secret import PotentialSecret
from detect_secrets.plugins.base import BasePlugin
from detect_secrets.util.code_snippet import CodeSnippet

from nhiscan.detect.precise.detector import Detector, load
from nhiscan.detect.precise.matcher import matches


class _Plugin(BasePlugin):
    """One detector; concrete ones are made below."""

    detector: ClassVar[Detector]

    @property
    def denylist(self) -> list[re.Pattern[str]]:
        return [re.compile(self.detector.pattern, re.ASCII)]

    def analyze_string(self, string: str, **kwargs: Any) -> Generator[str, None, None]:
        yield from self._values("", string)

    def analyze_line(
        self, filename: str, line: str, line_number: int = 0, context: CodeSnippet | None = None, **kwargs: Any
    ) -> set[PotentialSecret]:
        before = "" if context is None else "\n".join(map(str.rstrip, context.lines[: context.target_index]))
        return {
            PotentialSecret(type=self.secret_type, filename=filename, secret=value, line_number=line_number)
            for value in self._values(before, line)
        }

    def _values(self, before: str, line: str) -> Iterator[str]:
        above = f"{before}\n".encode("utf-8", "surrogateescape")
        data = above + line.encode("utf-8", "surrogateescape")
        for place in matches(self.detector, data, len(above)):
            yield place.value


def _made(detector: Detector) -> type[_Plugin]:
    name = "Nhiscan" + "".join(map(str.capitalize, detector.kind.split("_")))  # the tool's own have such names as well
    return type(name, (_Plugin,), {"detector": detector, "secret_type": f"{detector.title} ({detector.kind})"})


PLUGINS = tuple(_made(detector) for detector in load() if not detector.multiline)
globals().update({plugin.__name__: plugin for plugin in PLUGINS})  # the tool takes classes of a module by their names
