"""The secrets scanner behind one call: what is found, what may be said of it, and that its value goes no further.

`find` gives places, so that a tape can blank them; `detect` gives sightings for the inventory. Kinds, the most specific
first: private keys, then those of the detectors (aws_access_key_id, github_personal_access_token, ...),
basic_auth_credentials for a password inside an address, named_secret for a value whose name says that it is one.
Files and histories are searched by a profile: nhiscan.detect.profiles.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from threading import get_ident
from typing import TYPE_CHECKING, Final, NamedTuple

from nhiscan.detect import values
from nhiscan.detect.leak import ASSIGNED, KEYS, VAGUE, preview
from nhiscan.secret import fingerprint

if TYPE_CHECKING:  # read when something is searched: a search of files needs no inventory, and the reverse
    from nhiscan.detect.precise.matcher import Matcher, Place
    from nhiscan.model import Sighting, Where

_WINDOW: Final = 4_096
_OVERLAP: Final = 2_048  # longer tokens are not seen whole in texts of one endless line

# Long runs of blanks are where patterns take forever: Yelp/detect-secrets#868.
_BREAK: Final = re.compile(r"[\n\r]+|\s{64,}")
_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN (?P<what>(?:[A-Z0-9]+ ){0,3}PRIVATE KEY(?: BLOCK)?)-----"
    r"(?:[^\"'<>{}]{16,20000}?-----END (?P=what)-----|[A-Za-z0-9+/=\s\\]{64,20000})"  # the second: cut off
    r"|PuTTY-User-Key-File-\d: .{16,20000}?Private-MAC: \w+",
    re.DOTALL,
)
_VALUE: Final = r"""(?:(?P<quote>\\*["'])(?P<quoted>[^\n\r]*?)(?<!\\)(?P=quote)|(?P<bare>[^\s"'`,;&\\]+))"""
_ASSIGNED: Final = re.compile(
    rf"""(?<![\w.\-])(?P<name>[A-Za-z_][\w.\-]{{0,99}})(?:\\*["'])?\]?"""
    rf"""(?P<sign>[ \t]{{0,32}}(?:=>|:=|={{1,3}}|:)[ \t]{{0,32}}){_VALUE}"""
)
_OPTION: Final = re.compile(rf"(?<!\S)--(?P<name>[A-Za-z][\w\-]{{0,99}})[ \t]{{1,32}}(?!-){_VALUE}")
_LISTED: Final = re.compile(  # {"name": "DB_PASSWORD", "value": "..."}, and the same in YAML
    rf"""(?<!\w)(?:name|key)\\*["']?\s{{0,8}}:\s{{0,8}}\\*["']?(?P<name>[A-Za-z_][\w.\-]{{0,99}})\\*["']?\s{{0,32}},?\s{{0,32}}"""
    rf"""\\*["']?value\\*["']?\s{{0,8}}:\s{{0,8}}{_VALUE}""",
    re.IGNORECASE,
)
_WORD: Final = re.compile(r"[A-Za-z0-9](?=[^\s,;|]{15})[^\s,;|]*[A-Za-z0-9=/+]")  # long enough to be a secret
# The detector's pattern is for one line of code; an address in a setting may hold a password of any signs.
_USER_INFO: Final = re.compile(r"""(?<=://)[^\s/?#:@"']{0,100}:([^\s/?#@"']{1,200})@""")
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")
# Of what only its name gives away, in the settings of something that runs.
_NAMED_SEVERITY: Final = "high"
_NAMED_CONFIDENCE: Final = 0.7
_KEY_SEVERITY: Final = "critical"
_KEY_CONFIDENCE: Final = 0.95


class Found(NamedTuple):
    """One secret at `text[start:end]`."""

    start: int
    end: int
    kind: str


def find(text: str, name: str | None = None) -> list[Found]:
    """Where the secrets of a text are, in order and without overlaps; `name`: of the variable that holds it all."""
    return list(_found(text, name))


def detect(value: str, where: Where, *, key: bytes) -> Iterator[Sighting]:
    """The secrets in one value, each distinct one once; neither a secret nor the text around it leaves."""
    seen: set[str] = set()
    count: dict[str, int] = {}
    for (start, end, kind), place in _found(value, where.name).items():
        secret = value[start:end]
        mark = fingerprint(secret, key=key)
        if mark in seen:
            continue
        seen.add(mark)
        count[kind] = count.get(kind, 0) + 1
        holder = where.resource_id or where.identity_id or where.tenant_id
        sighting_id = f"{holder}/{where.kind}/{where.location}/{where.name or ''}/{kind}/{count[kind]}"
        yield _sighting(sighting_id, where, kind, mark, preview(kind, secret), place)


def _sighting(
    sighting_id: str, where: Where, kind: str, mark: str, preview: str | None, place: Place | None
) -> Sighting:
    from nhiscan.model import Sighting

    is_key = kind in KEYS
    severity, confidence = (_KEY_SEVERITY, _KEY_CONFIDENCE) if is_key else (_NAMED_SEVERITY, _NAMED_CONFIDENCE)
    issuer, is_test = None, False
    if place is not None:
        severity, confidence, issuer = place.detector.severity, place.detector.confidence, place.detector.issuer
        is_test = place.is_test
    return Sighting(
        sighting_id=sighting_id,
        provider=where.provider,
        tenant_id=where.tenant_id,
        where_kind=where.kind,
        location=where.location,
        kind=kind,
        fingerprint=mark,
        name=where.name,
        resource_id=where.resource_id,
        identity_id=where.identity_id,
        native_id=place.native_id if place else None,
        preview=preview,
        issuer=issuer or None,
        issuer_tenant=place.tenant if place else None,
        severity="low" if is_test else severity,
        confidence=confidence,
        is_test=is_test,
        expires_at=place.expires_at if place else None,
    )


def _found(text: str, name: str | None) -> dict[Found, Place | None]:
    """The secrets of a text in order; what the detectors say of each one, None where another way found it."""
    places = dict(_places(text, name))
    found = list(places)
    covered = [place for place in found if place.kind in KEYS]
    found += (
        Found(*match.span(), "private_key")
        for match in _PRIVATE_KEY.finditer(text)
        if all(match.end() <= key.start or key.end <= match.start() for key in covered)
    )
    named: list[Found] = []
    start, end = _stripped(text)
    if name is not None and "\n" not in text[start:end]:
        named += _named(name, text, start, end)
    for offset, line in _lines(text):
        if ":" in line or "=" in line:
            found += (
                Found(offset + match.start(1), offset + match.end(1), "basic_auth_credentials")
                for match in _USER_INFO.finditer(line)
                if not values.is_placeholder(match[1]) and not values.is_template(match[1])
            )
            for match in _ASSIGNED.finditer(line):
                if match["quote"] or not _is_prose(match):
                    named += _assigned(match, text, offset)
        if "--" in line:
            for match in _OPTION.finditer(line):
                named += _assigned(match, text, offset)
    if ":" in text:
        for match in _LISTED.finditer(text):
            named += _assigned(match, text, 0)
    return {one: places.get(one) for one in _without_overlaps(text, found, named)}


def _places(text: str, name: str | None) -> Iterator[tuple[Found, Place]]:
    """What the detectors find; the name stands before the text, as it would in a file."""
    before = "" if name is None else f'{_NOT_ASCII.sub("?", name)} = "'
    # One byte for each character keeps places the same.
    data = (before + _NOT_ASCII.sub("\x80", text)).encode("latin-1")
    for place in _matcher(get_ident()).places(data):
        start, end = place.start - len(before), place.end - len(before)
        if start >= 0 and place.detector.kind not in ASSIGNED:  # names are read below, as those of settings
            yield Found(start, end, place.detector.kind), place


@cache
def _matcher(thread: int) -> Matcher:
    from nhiscan.detect.precise.matcher import shared

    return shared().another()


def _lines(text: str) -> Iterator[tuple[int, str]]:
    """(offset, line) for each line; an endless one comes in windows that overlap."""
    start = 0
    for end, after in [*(match.span() for match in _BREAK.finditer(text)), (len(text), len(text))]:
        while end - start > _WINDOW:
            yield start, text[start : start + _WINDOW]
            start += _WINDOW - _OVERLAP
        if start < end:
            yield start, text[start:end]
        start = after


def _is_prose(match: re.Match[str]) -> bool:
    """`password: see the wiki` is a sentence; `PASSWORD=see the wiki` sets a variable."""
    is_apart = match["sign"].strip() != match["sign"]
    return is_apart and re.match(r"[ \t]+[A-Za-z]", match.string[match.end() :]) is not None


def _assigned(match: re.Match[str], text: str, offset: int) -> Iterator[Found]:
    start, end = match.span("quoted" if match["quote"] else "bare")
    if not match["quote"]:
        if values.is_code(match["name"], match["bare"]):
            return
        while end > start and _closes(match.string, start, end):
            end -= 1
    yield from _named(match["name"], text, offset + start, offset + end)


def _closes(text: str, start: int, end: int) -> bool:
    """The last sign closes a bracket that was opened before the value."""
    opening = {")": "(", "]": "[", "}": "{"}.get(text[end - 1])
    return opening is not None and text.count(opening, start, end) < text.count(text[end - 1], start, end)


def _named(name: str, text: str, start: int, end: int) -> Iterator[Found]:
    value = text[start:end]
    if not values.is_named_secret(name, value):
        return
    yield Found(start, end, "named_secret")


def _stripped(text: str) -> tuple[int, int]:
    start = len(text) - len(text.lstrip())
    end = max(len(text.rstrip()), start)
    if end - start > 1 and text[start] == text[end - 1] and text[start] in "\"'":
        return start + 1, end - 1
    return start, end


def _without_overlaps(text: str, found: list[Found], named: list[Found]) -> list[Found]:
    """Shapes beat names, the longer beats the shorter; what a beaten one has left stays when it looks like a secret."""
    kept: list[Found] = []
    for candidates in (found, named):
        for candidate in sorted(set(candidates), key=_rank):
            for start, end in _uncovered(candidate, kept):
                if (start, end) == candidate[:2]:
                    kept.append(candidate)
                elif left := _WORD.search(text, start, end):
                    kept.append(Found(left.start(), left.end(), candidate.kind))
    return sorted(kept)


def _rank(found: Found) -> tuple[bool, bool, int, Found]:
    return found.kind not in KEYS, found.kind in VAGUE, found.start - found.end, found


def _uncovered(candidate: Found, kept: list[Found]) -> Iterator[tuple[int, int]]:
    """The parts of a place that no other one covers."""
    start = candidate.start
    for other in sorted(other for other in kept if other.start < candidate.end and candidate.start < other.end):
        if start < other.start:
            yield start, other.start
        start = max(start, other.end)
    if start < candidate.end:
        yield start, candidate.end
