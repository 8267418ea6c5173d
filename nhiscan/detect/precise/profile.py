"""The profile `precise`: secrets known by their format, and in configuration files by the names of their variables."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, Final

from nhiscan.detect.leak import ASSIGNED, Leak
from nhiscan.detect.precise import context, generic
from nhiscan.detect.precise.detector import Detector
from nhiscan.detect.precise.matcher import Place, shared
from nhiscan.detect.text import decoded, signs
from nhiscan.secret import Secret

BUDGET_S: Final = 20.0


class Precise:
    """The profile; `allowed` counts what was left out because a comment beside it says that it may stand there."""

    name: ClassVar[str] = "precise"

    def __init__(
        self,
        detectors: Sequence[Detector] | None = None,
        *,
        budget_s: float = BUDGET_S,
        use_hyperscan: bool | None = None,
    ) -> None:
        self.allowed = 0
        self._budget_s = budget_s
        self._matcher = shared(None if detectors is None else tuple(detectors), use_hyperscan).another()

    def leaks(self, data: bytes, path: str) -> Iterator[Leak]:
        """The secrets of one file's bytes, in order.

        Raises: OutOfTimeError when the budget of the file is used up.
        """
        text = decoded(data)
        deadline = time.monotonic() + self._budget_s
        places = self._matcher.places(text, deadline=deadline)
        if generic.is_configuration(path) and self._matcher.has_names(text):
            places = generic.added(text, places, deadline=deadline)
        if path.endswith(".py") and any(place.detector.kind in ASSIGNED for place in places):
            places = _outside_documentation(text, places)
        return self._leaks(text, places) if places else iter(())

    def _leaks(self, data: bytes, places: Iterable[Place]) -> Iterator[Leak]:
        lines = _Lines(data)
        for place in places:
            if context.is_allowed(data, place.start, place.end):
                self.allowed += 1
            else:
                yield leak(place, data, lines)


def _outside_documentation(data: bytes, places: Iterable[Place]) -> list[Place]:
    """What a name alone tells is an example where a program shows how it is called."""
    shown = list(context.documentation(data))
    begins = [begin for begin, _ in shown]

    def is_shown(at: int) -> bool:
        last = bisect_right(begins, at) - 1
        return last >= 0 and at < shown[last][1]

    return [place for place in places if place.detector.kind not in ASSIGNED or not is_shown(place.start)]


class _Lines:
    """Numbers of lines and characters of places that come in order."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._is_ascii = data.isascii()
        self._at = 0
        self._line = 1
        self._characters = 0

    def line(self, at: int) -> int:
        """LF, CRLF and a lone CR end a line."""
        if at < self._at:
            self._at, self._line, self._characters = 0, 1, 0
        data, low = self._data, self._at
        self._line += data.count(b"\n", low, at)
        returns = data.count(b"\r", low, at)
        if returns:
            self._line += returns - data.count(b"\r\n", low, min(at + 1, len(data)))
        if not self._is_ascii:
            self._characters += self.length(low, at)
        self._at = at
        return self._line

    def character(self, at: int) -> int:
        """The place in the decoded text; of the one last asked for, or beyond it."""
        return at if self._is_ascii else self._characters + self.length(self._at, at)

    def length(self, start: int, end: int) -> int:
        """Characters of a part."""
        if self._is_ascii:
            return end - start
        return signs(self._data[start:end], "surrogateescape")


def leak(place: Place, data: bytes, lines: _Lines) -> Leak:
    """What is said of a place."""
    detector = place.detector
    line = lines.line(place.start)
    return Leak(
        kind=detector.kind,
        secret=Secret(place.value),
        line=line,
        column=lines.length(context.line_start(data, place.start), place.start) + 1,
        start=lines.character(place.start),
        end=lines.character(place.end),
        severity="low" if place.is_test else detector.severity,
        confidence=detector.confidence,
        issuer=detector.issuer or None,
        issuer_tenant=place.tenant,
        native_id=place.native_id,
        name=place.name or context.name_before(data, place.start),
        is_test=place.is_test,
        inside=place.inside,
        expires_at=place.expires_at,
    )
