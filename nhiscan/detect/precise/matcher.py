"""Where the detectors find secrets in a text: candidates of the prefilter, looked at closely.

A pattern runs only in those windows of the text in which it can match. What matches must stand alone, have the right
word near it, satisfy the checksum and look made. Of what overlaps the surest stays.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache, cached_property
from typing import Final, NamedTuple

from nhiscan.detect.expressions.literals import first, parsed
from nhiscan.detect.leak import VAGUE, OutOfTimeError
from nhiscan.detect.precise import claims, context, signatures
from nhiscan.detect.precise.checks import CHECKS
from nhiscan.detect.precise.detector import Detector
from nhiscan.detect.precise.plan import LONGEST, kept, near_pattern, planned
from nhiscan.detect.precise.prefilter import Hits, Prefilter
from nhiscan.detect.precise.runs import BEHIND, Run, run, stretches

WINDOW: Final = 65_536
_BEFORE: Final = 1_024  # of a window: what stands near may stand before it
_BEYOND: Final = 8_192  # of a window: a longer match on one line is not seen whole
_AFTER: Final = 128  # of a value: a word near it ends there
_LINES_AFTER: Final = 2  # of a word: a value it speaks about begins there at the latest
_LONGEST_MULTILINE: Final = 32_768
_LONGEST_ENCODED: Final = 65_536
_LONGEST_NATIVE_ID: Final = 200
_BASE64: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_"
_TO_PLAIN: Final = bytes.maketrans(b"-_", b"+/")
_MAIL: Final = re.compile(rb"""client_email\\*["']?\s{0,8}:\s{0,8}\\*["'](?P<mail>[^"'\\\s]{3,200})""")
_SIGNED: Final = frozenset({"azure_sas_url", "azure_sas_token", "azure_service_bus_sas", "aws_presigned_url"})
_AWS_ID: Final = "aws_access_key_id"
_AWS_SECRET: Final = "aws_secret_access_key"  # noqa: S105 # the name of a kind
_AWS_VALUE: Final = re.compile(rb"(?<![A-Za-z0-9/+])[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+=])")
_AWS_ENTROPY: Final = 4.0
_HALVES: Final = re.compile(r"(?:access|secret|client|consumer|key|id|[^a-z0-9])+")
_PAIR_BYTES: Final = 300
_PAIR_LINES: Final = 5
_NAMED_NEARBY: Final = 0.2  # of two that overlap, the one whose maker is named beside it is the surer


class Place(NamedTuple):
    """One secret at `data[start:end]`; of an encoded one, where its code stands. `distance`: to the word near it."""

    start: int
    end: int
    detector: Detector
    value: str
    native_id: str | None = None
    tenant: str | None = None
    expires_at: datetime | None = None
    distance: int = 0
    inside: str | None = None
    is_test: bool = False  # of the provider's test system
    name: str | None = None  # of the variable that holds it, where the detector knows


class _Compiled:
    """A detector's patterns, each compiled when it is first needed: most texts with a word near a value have no value.

    `starts`: texts of which one begins every match, empty where none is known.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._source = detector.pattern.encode()
        self.starts: tuple[bytes, ...] = first(self._source)
        self.run: Run | None = run(self._source)
        _, most = parsed(self._source).getwidth()
        self.width = int(most) if most < LONGEST else 0

    @cached_property
    def pattern(self) -> re.Pattern[bytes]:
        flags = re.match(rb"\(\?[a-z]+\)", self._source)  # flags of the whole pattern stand first
        head, body = (flags[0], self._source[flags.end() :]) if flags else (b"", self._source)
        if self._detector.bounds == "word":
            body = rb"(?<![A-Za-z0-9_])(?:" + body + rb")(?![A-Za-z0-9_])"
        return re.compile(head + body)

    @cached_property
    def near(self) -> re.Pattern[bytes] | None:
        return near_pattern(self._detector.near) if self._detector.near else None


class Matcher:
    """Finds secrets; not to be used by two threads at once, `another()` is for the second one."""

    def __init__(self, detectors: Sequence[Detector] | None = None, *, use_hyperscan: bool | None = None) -> None:
        self._detectors, plan = kept() if detectors is None else (tuple(detectors), planned(detectors))
        self._prefilter = Prefilter(self._detectors, plan, use_hyperscan=use_hyperscan)
        self._secret_key = next((d for d in self._detectors if d.kind == _AWS_SECRET), None)
        self._deadline = float("inf")

    def another(self) -> Matcher:
        """The same for another thread."""
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)
        other._prefilter = self._prefilter.another()
        return other

    def has_names(self, data: bytes) -> bool:
        """A name in the text promises a secret."""
        return self._prefilter.has_names(data)

    def places(self, data: bytes, *, deadline: float = float("inf")) -> list[Place]:
        """The secrets of a text, in order and without overlaps.

        Raises: OutOfTimeError past `deadline` on the monotonic clock.
        """
        self._deadline = deadline
        found: list[Place] = []
        if len(data) <= WINDOW:
            hits = self._prefilter.hits(data)
            if hits.values or hits.near or hits.marks or hits.places:
                found = list(self._looked_at(data, hits, 0, 0, len(data)))
        else:
            for start in range(0, len(data), WINDOW):
                self._check_time()
                begin, end = max(0, start - _BEFORE), min(start + WINDOW, len(data))
                hits = self._prefilter.hits(data[begin : end + _BEYOND])
                found += self._looked_at(data, hits, begin, start, end)
        if not found:
            return found
        found += self._pairs(data, found)
        return _paired(data, without_overlaps(found))

    def _check_time(self) -> None:
        if time.monotonic() > self._deadline:
            raise OutOfTimeError

    def _looked_at(self, data: bytes, hits: Hits, begin: int, start: int, end: int) -> Iterator[Place]:
        """The secrets that begin in `data[start:end]`; the ends of hits count from `begin`."""
        for number, hit in hits.values.items():
            self._check_time()
            detector = self._detectors[number]
            compiled = _compiled(detector)
            is_sure = compiled.width and hit and not detector.multiline
            low = max(start, begin + hit - compiled.width) if is_sure else start
            yield from _matches(detector, compiled, data, low, end)
        for number, words in hits.near.items():
            self._check_time()
            detector = self._detectors[number]
            compiled = _compiled(detector)
            for low, high in _joined(_around(data, (begin + word for word in words), compiled.width)):
                yield from _matches(detector, compiled, data, max(start, low), min(end, high))
        for number, parts in hits.places.items():
            self._check_time()
            detector = self._detectors[number]
            compiled = _compiled(detector)
            for low, high in _joined(parts):
                yield from _matches(detector, compiled, data, max(start, begin + low), min(end, begin + high))
        decoded_to = 0
        for hit, length, before in hits.marks:
            mark = begin + hit - length
            if start <= mark < end and mark >= decoded_to:
                self._check_time()
                decoded_to, places = self._decoded(data, mark, before)
                yield from places

    def _decoded(self, data: bytes, mark: int, before: int) -> tuple[int, list[Place]]:
        """The end of the run of base64 around a mark, and the secrets in it; one level deep."""
        low = max(0, mark - _LONGEST_ENCODED)
        ahead = data[low:mark]
        run = mark - low - len(ahead.rstrip(_BASE64))
        behind = data[mark : mark + _LONGEST_ENCODED]
        end = mark + len(behind) - len(behind.lstrip(_BASE64))
        start = mark - before - max(0, run - before) // 4 * 4
        if start < 0 or run < before:
            return mark + 1, []
        code = data[start:end].translate(_TO_PLAIN)
        code = code[: len(code) // 4 * 4] if len(code) % 4 == 1 else code + b"=" * (-len(code) % 4)
        try:
            text = base64.b64decode(code)
        except binascii.Error:
            return end, []
        hits = self._prefilter.hits(text)
        found = [
            place
            for number in (*hits.values, *hits.near, *hits.places)
            for place in _matches(self._detectors[number], _compiled(self._detectors[number]), text, 0, len(text))
        ]
        found += self._pairs(text, found)
        kept = _paired(text, without_overlaps(found))
        return end, [place._replace(start=start, end=end, inside="base64") for place in kept]

    def _pairs(self, data: bytes, found: Iterable[Place]) -> Iterator[Place]:
        """Secret access keys that nothing but the id beside them gives away."""
        if self._secret_key is None:
            return
        for place in found:
            if place.detector.kind != _AWS_ID or place.inside:
                continue
            for match in _AWS_VALUE.finditer(data, *_surroundings(data, place.start, place.end)):
                value = match[0].decode("ascii")
                if _looks_like_aws(value):
                    yield Place(match.start(), match.end(), self._secret_key, value)


def _looks_like_aws(value: str) -> bool:
    return CHECKS["aws_secret"](value) and context.entropy(value) >= _AWS_ENTROPY and not context.is_example(value, "")


def _surroundings(data: bytes, start: int, end: int) -> tuple[int, int]:
    """Five lines before and after a place, and at least 300 bytes."""
    low, high = context.line_start(data, start), context.line_end(data, end)
    for _ in range(_PAIR_LINES):
        if low > 0:
            low = context.line_start(data, low - 1)
        high = context.line_end(data, min(high + 1, len(data)))
    reach = 4 * _PAIR_BYTES  # five endless lines are no neighbourhood
    low, high = max(low, start - reach), min(high, end + reach)
    return min(low, max(0, start - _PAIR_BYTES)), max(high, min(len(data), end + _PAIR_BYTES))


def _paired(data: bytes, found: list[Place]) -> list[Place]:
    """Each secret access key with its id: of those beside it one named alike, then the nearest; no id goes to two."""
    ids = [place for place in found if place.detector.kind == _AWS_ID]
    if not ids:
        return found
    claims: dict[Place, tuple[str, bool]] = {}
    for place in found:
        if place.detector.kind == _AWS_SECRET and place.native_id is None:
            beside = [i for i in ids if place.inside == i.inside and _is_beside(data, place, i)]
            alike = [i for i in beside if _stem(data, i) == _stem(data, place)]
            if beside:
                nearest = min(alike or beside, key=lambda i: min(abs(place.start - i.end), abs(i.start - place.end)))
                claims[place] = nearest.value, bool(alike)
    claimants: dict[tuple[str, bool], set[str]] = {}
    for place, claim in claims.items():
        claimants.setdefault(claim, set()).add(place.value)
    return [
        place._replace(native_id=claims[place][0]) if _is_alone(claims.get(place), claimants) else place
        for place in found
    ]


def _is_beside(data: bytes, place: Place, other: Place) -> bool:
    low, high = _surroundings(data, other.start, other.end)
    return low <= place.start and place.end <= high


def _is_alone(claim: tuple[str, bool] | None, claimants: Mapping[tuple[str, bool], set[str]]) -> bool:
    """No other secret claims the id by as good a name, or by a better one."""
    if claim is None or len(claimants[claim]) > 1:
        return False
    id_, is_alike = claim
    return is_alike or (id_, True) not in claimants


def _stem(data: bytes, place: Place) -> str:
    """What the name of a variable says beyond which half of a pair it holds."""
    return _HALVES.sub("", (place.name or context.name_before(data, place.start) or "").lower())


@cache
def shared(detectors: tuple[Detector, ...] | None = None, use_hyperscan: bool | None = None) -> Matcher:
    """One for the whole process, to take `another()` from; without `detectors`: of all."""
    return Matcher(detectors, use_hyperscan=use_hyperscan)


def matches(detector: Detector, data: bytes, start: int = 0) -> Iterator[Place]:
    """The secrets of one kind that begin in `data[start:]`, looked for without a prefilter."""
    return _matches(detector, _compiled(detector), data, start, len(data))


@cache
def _compiled(detector: Detector) -> _Compiled:
    return _Compiled(detector)


def _around(data: bytes, words: Iterable[int], width: int) -> Iterator[tuple[int, int]]:
    """Where a value near a word may begin, for words that end in these places."""
    for word in words:
        high = word
        for _ in range(_LINES_AFTER + 1):
            high = data.find(b"\n", high, word + _BEFORE) + 1 or word + _BEFORE
        yield max(word - _AFTER - (width or _BEYOND), 0), high


def _joined(parts: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Parts of a text in order, overlapping ones as one."""
    low, high = 0, -1
    for start, end in sorted(parts):
        if start > high:
            if high >= 0:
                yield low, high
            low = start
        high = max(high, end)
    if high >= 0:
        yield low, high


def _matches(detector: Detector, compiled: _Compiled, data: bytes, low: int, end: int) -> Iterator[Place]:
    """The secrets of one kind that begin in `data[low:end]`."""
    reach = compiled.width + _AFTER if compiled.width else _BEYOND
    far = min(len(data), end + (_LONGEST_MULTILINE if detector.multiline else reach))
    for match in _starting(compiled, data, low, end, far):
        if not detector.multiline and (b"\n" in match[0] or b"\r" in match[0]):
            continue
        place = _place(detector, compiled, data, match)
        if place is not None:
            yield place


def _starting(compiled: _Compiled, data: bytes, low: int, end: int, far: int) -> Iterator[re.Match[bytes]]:
    if not compiled.starts:
        rows = [(low, end)] if compiled.run is None else stretches(compiled.run, data, low, end, far)
        for first_at, last_at in rows:
            behind = far if compiled.run is None else min(far, last_at + BEHIND)
            for match in compiled.pattern.finditer(data, first_at, behind):
                if match.start() >= min(last_at, end):
                    break
                yield match
        return
    for start in compiled.starts:
        at = data.find(start, low, end + len(start) - 1)
        while at >= 0:
            found = compiled.pattern.match(data, at, far)
            if found:
                yield found
            at = data.find(start, found.end() if found else at + 1, end + len(start) - 1)


def _place(detector: Detector, compiled: _Compiled, data: bytes, match: re.Match[bytes]) -> Place | None:
    groups = match.re.groupindex
    group = "secret" if "secret" in groups and match["secret"] is not None else 0
    start, end = match.span(group)
    distance = 0
    if compiled.near is not None:
        nearest = context.distance(compiled.near, data, start, end)
        if nearest is None:
            return None
        distance = nearest
    value = match[group].decode("utf-8", "surrogateescape")
    if detector.min_entropy and context.entropy(value) < detector.min_entropy:
        return None
    if detector.check is not None and not CHECKS[detector.check](value):
        return None
    if not detector.multiline and context.is_example(value, detector.pattern):
        return None
    native_id, tenant = _group(match, "id"), _group(match, "tenant")
    expires_at = None
    if detector.kind == _AWS_ID:
        native_id = value
    elif detector.kind in ("private_key", "gcp_service_account_key") and native_id is None:
        mail = _MAIL.search(data, *_object(data, start, end))
        native_id = mail["mail"].decode("utf-8", "replace") if mail else None
    elif detector.kind == "json_web_token":
        native_id, tenant, expires_at = claims.read(value)
    elif detector.kind in _SIGNED:
        expires_at = signatures.expires_at(value)
    is_test = context.is_test(value, detector.test)
    return Place(start, end, detector, value, native_id, tenant, expires_at, distance, is_test=is_test)


def _object(data: bytes, start: int, end: int) -> tuple[int, int]:
    """The object of JSON around a value, as its neighbours speak of other keys."""
    low, high = max(0, start - _BEYOND), min(len(data), end + _BEYOND)
    before = max(data.rfind(brace, low, start) for brace in (b"{", b"}"))
    after = [at for at in (data.find(brace, end, high) for brace in (b"{", b"}")) if at >= 0]
    return max(low, before + 1), min([*after, high])


def _group(match: re.Match[bytes], name: str) -> str | None:
    said = match[name] if name in match.re.groupindex else None
    return said.decode("utf-8", "replace")[:_LONGEST_NATIVE_ID] if said else None


def without_overlaps(found: Iterable[Place]) -> list[Place]:
    """The surest of each heap: whole keys first, then by confidence, by the nearer word, by length."""
    kept: list[Place] = []
    for place in sorted(set(found), key=_rank):
        if all(place.end <= other.start or other.end <= place.start or _beside(place, other) for other in kept):
            kept.append(place)
    return sorted(kept, key=lambda place: (place.start, place.end))


def _beside(place: Place, other: Place) -> bool:
    """Two secrets in one run of base64 share its place and nothing else."""
    return place.inside is not None and place[:2] == other[:2] and place.value != other.value


def _rank(place: Place) -> tuple[bool, bool, float, int, int, int, str]:
    detector = place.detector
    return (
        not detector.multiline,
        detector.kind in VAGUE,
        -detector.confidence - (_NAMED_NEARBY if detector.near else 0),
        place.distance,
        place.start - place.end,
        place.start,
        detector.kind,
    )
