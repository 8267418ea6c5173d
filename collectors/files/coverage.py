"""What could not be searched, as coverage of a place: counts, the first names, and the next step."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Final

from nhiscan.detect.leak import Counts, Unread
from nhiscan.detect.results.formats import readable
from nhiscan.errors import CollectError
from nhiscan.model import Coverage

from .places import Place
from .reading import ALLOWED

_MOST_NAMED: Final = 3
_LONGEST_NAME: Final = 120
FILES: Final = "sightings.files"
HISTORY: Final = "sightings.history"
# Of what a place cannot have, so that rules about workloads and keys can say of a place that it is clean.
_NEVER: Final = (
    "credentials",
    "sightings.environment",
    "sightings.parameters",
    "sightings.user_data",
    "workloads",
)
DATASETS: Final = frozenset({"resources", FILES, HISTORY, "sightings.imports", *_NEVER})
_WHOLE: Final = "."  # path of what concerns a repository as such
# What holds no text of the place itself: said, but nothing is missing.
_ELSEWHERE: Final = {
    "symlink": "links that lead out of the place or in a circle",
    "special": "sockets, pipes or devices",
    "submodule": "submodules, which can be places of their own",
}
# Why -> words, and what to do about it.
_MISSING: Final = {
    "unreadable": ("could not be read", "let the scanner read them"),
    "out_of_time": ("took too long to search", ""),
    "too_large": ("too large", ""),
    "damaged": ("damaged", ""),
    "encrypted": ("encrypted", ""),
    "bomb": ("unpack to more than is looked at", ""),
    "too_deep": ("archives inside archives", "unpack them, if what is in them matters"),
    "lfs_pointer": ("kept by Git LFS", "run `git lfs pull` and name the working folder as a place"),
    "missing_object": ("objects missing", "clone the repository again, without --filter"),
    "shallow": ("history cut off", ""),
}


class Tally:
    """What one place did not show."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._times: Counter[str] = Counter()
        self._named: dict[str, list[str]] = {}
        self._allowed = 0
        self._failure: str | None = None

    def take(self, said: Unread | Counts) -> None:
        if isinstance(said, Counts):
            self._allowed += said.skipped.get(ALLOWED, 0)
            return
        self._times[said.why] += 1
        named = self._named.setdefault(said.why, [])
        if len(named) < _MOST_NAMED:
            named.append(_short(said.detail if said.path == _WHOLE else said.path))

    def fail(self, error: CollectError) -> None:
        self._failure = f"{error.message}: {error.hint}" if error.hint else error.message

    def coverage(self, as_of: datetime, *, beyond: int) -> Iterator[Coverage]:
        """`beyond`: findings past the most that are kept."""
        said = {FILES: self._covered(FILES, beyond)}
        if self._place.is_repository:
            said[HISTORY] = self._covered(HISTORY, beyond)
        else:
            said[HISTORY] = ("not_applicable", None)
        for dataset, (status, reason) in said.items():
            yield Coverage("files", self._place.tenant_id, dataset, status, reason, collected_at=as_of)
        yield from _of_every_place(self._place, as_of)

    def _covered(self, dataset: str, beyond: int) -> tuple[str, str | None]:
        if self._failure is not None:
            return "failed", self._failure
        missing = [why for why in sorted(self._times) if why not in _ELSEWHERE and (why, dataset) != ("shallow", FILES)]
        reasons = [self._reason(why) for why in missing]
        if beyond:
            reasons.append(f"{beyond} more findings are not listed")
            return "truncated", "; ".join(reasons)
        if missing:
            return "partial", "; ".join(reasons)
        return "complete", self._aside() or None

    def _reason(self, why: str) -> str:
        words, step = _MISSING.get(why, (why, ""))
        return f"{self._counted(why, words)}{f': {step}' if step else ''}"

    def _aside(self) -> str:
        """What a complete dataset says beside."""
        aside = [self._counted(why, _ELSEWHERE[why]) for why in sorted(self._times) if why in _ELSEWHERE]
        if self._allowed:
            aside.append(f"{self._allowed} findings left out, as a comment beside them allows it")
        return "; ".join(aside)

    def _counted(self, why: str, words: str) -> str:
        named = self._named[why]
        more = self._times[why] - len(named)
        listed = f" ({', '.join(named)}{f' and {more} more' if more and named else ''})" if named else ""
        return f"{self._times[why]} {words}{listed}"


def _short(name: str) -> str:
    shown = readable(name)
    return shown if len(shown) <= _LONGEST_NAME else f"{shown[:_LONGEST_NAME]}…"


def unsearched(place: Place, as_of: datetime) -> Iterator[Coverage]:
    """Of a place that only another scanner searched."""
    reason = "only another scanner's findings were imported: add it to [[collectors.files.places]]"
    for dataset in (FILES, HISTORY):
        yield Coverage("files", place.tenant_id, dataset, "unsupported", reason, collected_at=as_of)
    yield from _of_every_place(place, as_of)


def _of_every_place(place: Place, as_of: datetime) -> Iterator[Coverage]:
    yield Coverage("files", place.tenant_id, "resources", "complete", collected_at=as_of)
    for dataset in _NEVER:
        yield Coverage("files", place.tenant_id, dataset, "not_applicable", collected_at=as_of)
