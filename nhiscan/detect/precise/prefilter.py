"""Which detectors can match a text, and where: one pass of vectorscan, or else a look for what each one requires."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Final, NamedTuple

from nhiscan.detect.expressions.database import database, vectorscan
from nhiscan.detect.expressions.literals import encoded, first, required
from nhiscan.detect.precise.detector import Detector
from nhiscan.detect.precise.plan import ONCE, Plan

# Names that promise a secret, and what gives them a value.
_NAMED: Final = (
    rb"(?i:pass|pwd|secret|token|credential|api[_\-.]?key|access[_\-.]?key|private[_\-.]?key|account[_\-.]?key|auth"
    rb"[_\-.]?key)[\w.\-]{0,40}[\"']?[ \t]{0,8}[:=]"
)


class Mark(NamedTuple):
    """The beginning of a secret in base64; `before`: signs that its first group of four has before it."""

    end: int
    length: int
    before: int


@dataclass(frozen=True, slots=True)
class Hits:
    """What one text may hold.

    `values`: detectors, each with where its first match ends at the earliest. `near`: detectors whose word stands in
    the text, with the places where it ends; empty, where that is not known. `places`: detectors, each with
    where its matches may begin.
    """

    values: Mapping[int, int]
    near: Mapping[int, Sequence[int]]
    marks: Sequence[Mark] = ()
    places: Mapping[int, Sequence[tuple[int, int]]] = field(default_factory=dict)


_NOTHING: Final = Hits({}, {})


class Prefilter:
    """Made once for a set of detectors; `use_hyperscan`: None, where a wheel of it is installed.

    Not to be used by two threads at once; `another()` is for the second one.
    """

    def __init__(self, detectors: Sequence[Detector], plan: Plan, *, use_hyperscan: bool | None = None) -> None:
        self._hyperscan: Any = vectorscan() if use_hyperscan in (None, True) else None
        if use_hyperscan and self._hyperscan is None:
            raise ImportError("no hyperscan module is installed")
        if self._hyperscan is None:
            self._required = [required(detector.pattern.encode()) for detector in detectors]
            self._near = [required(d.near.encode()) if d.near else frozenset() for d in detectors]
            self._marks = [mark for d in detectors for mark in encoded(first(d.pattern.encode()))]
        else:
            self._plan = plan
            self._database = database(self._plan.expressions)
            self._gated_database: Any = database(plan.gated) if plan.gated else None
            self._named_database = database([(_NAMED, ONCE)])
            self._make_scratch()

    def _make_scratch(self) -> None:
        self._scratch = self._hyperscan.Scratch(self._database)
        if self._gated_database is not None:
            self._gated_scratch = self._hyperscan.Scratch(self._gated_database)
        self._named_scratch = self._hyperscan.Scratch(self._named_database)

    def another(self) -> Prefilter:
        """The same for another thread."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        if other._hyperscan is not None:
            other._make_scratch()
        return other

    def hits(self, data: bytes) -> Hits:
        """What the text may hold."""
        if self._hyperscan is None:
            return self._looked_for(data)
        found: list[tuple[int, int]] = []
        self._database.scan(data, match_event_handler=_keep, context=found, scratch=self._scratch)
        plan = self._plan
        if not found and not plan.always:
            return _NOTHING
        values = dict.fromkeys(plan.always, 0)
        near: dict[int, list[int]] = {}
        places: dict[int, list[tuple[int, int]]] = {}
        marks = []
        if self._gated_database is not None and any(number < plan.gates for number, _ in found):
            self._look_behind_gates(data, values, near)
        for number, end in found:
            for detector in plan.of_value.get(number, ()):
                values.setdefault(detector, end)
            for detector in plan.of_near.get(number, ()):
                near.setdefault(detector, []).append(end)
            for detector, reach in plan.of_place.get(number, ()):
                places.setdefault(detector, []).append((end - reach, end))
            if number in plan.of_mark:
                length, before = plan.of_mark[number]
                marks.append(Mark(end, length, before))
        return Hits(values, near, marks, places)

    def _look_behind_gates(self, data: bytes, values: dict[int, int], near: dict[int, list[int]]) -> None:
        found: list[tuple[int, int]] = []
        self._gated_database.scan(data, match_event_handler=_keep, context=found, scratch=self._gated_scratch)
        for number, end in found:
            for detector in self._plan.of_gated.get(number, ()):
                values.setdefault(detector, end)
            for detector in self._plan.of_gated_near.get(number, ()):
                near.setdefault(detector, []).append(end)

    def has_names(self, data: bytes) -> bool:
        """A name in the text promises a secret."""
        if self._hyperscan is None:
            return _named_pattern().search(data) is not None
        found: list[tuple[int, int]] = []
        self._named_database.scan(data, match_event_handler=_keep, context=found, scratch=self._named_scratch)
        return bool(found)

    def _looked_for(self, data: bytes) -> Hits:
        folded = data.lower()
        values = {}
        for number, (texts, near) in enumerate(zip(self._required, self._near, strict=True)):
            if texts and not any(text in folded for text in texts):
                continue
            if near and not any(text in folded for text in near):
                continue
            values[number] = 0
        marks = []
        for mark, before in self._marks:
            at = data.find(mark)
            while at >= 0:
                marks.append(Mark(at + len(mark), len(mark), before))
                at = data.find(mark, at + 1)
        return Hits(values, {}, sorted(marks))


@cache
def _named_pattern() -> re.Pattern[bytes]:
    return re.compile(_NAMED)


def _keep(number: int, start: int, end: int, flags: int, found: list[tuple[int, int]]) -> None:
    found.append((number, end))
