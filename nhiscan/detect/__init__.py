"""The secrets scanner behind one call: what is found, what may be said of it, and that its value goes no further.

`find` gives places, so that a tape can blank them; `detect` gives sightings for the inventory. Kinds, the most specific
first: private_key, then the shapes of known tokens (aws_access_key_id, github_token, json_web_token, ...),
basic_auth_credentials for a password inside an address, named_secret for a value whose name says that it is one.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from nhiscan.detect import tokens, values
from nhiscan.model import Sighting, Where
from nhiscan.secret import fingerprint

_LONGEST_PREVIEW: Final = 4
_LONGEST_NATIVE_ID: Final = 200
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
_VAGUE: Final = frozenset({"basic_auth_credentials", "named_secret"})  # give way to what names its maker
_MAIL: Final = re.compile(r"""client_email\\*["']?\s{0,8}:\s{0,8}\\*["'](?P<mail>[^"'\\\s]{3,200})""")


class Found(NamedTuple):
    """One secret at `text[start:end]`."""

    start: int
    end: int
    kind: str


def find(text: str, name: str | None = None) -> list[Found]:
    """Where the secrets of a text are, in order and without overlaps; `name`: of the variable that holds it all."""
    found = [Found(*match.span(), "private_key") for match in _PRIVATE_KEY.finditer(text)]
    named: list[Found] = []
    start, end = _stripped(text)
    if name is not None and "\n" not in text[start:end]:
        named += _named(name, text, start, end)
    for offset, line in _lines(text):
        for start, end, kind in tokens.shapes(line):
            if not values.is_placeholder(line[start:end]) and not values.is_template(line[start:end]):
                found.append(Found(offset + start, offset + end, kind))
        for match in _ASSIGNED.finditer(line):
            if match["quote"] or not _is_prose(match):
                named += _assigned(match, text, offset)
        for match in _OPTION.finditer(line):
            named += _assigned(match, text, offset)
    for match in _LISTED.finditer(text):
        named += _assigned(match, text, 0)
    return _without_overlaps(text, found, named)


def detect(value: str, where: Where, *, key: bytes) -> Iterator[Sighting]:
    """The secrets in one value, each distinct one once; neither a secret nor the text around it leaves."""
    seen: set[str] = set()
    count: dict[str, int] = {}
    for start, end, kind in find(value, where.name):
        secret = value[start:end]
        mark = fingerprint(secret, key=key)
        if mark in seen:
            continue
        seen.add(mark)
        count[kind] = count.get(kind, 0) + 1
        holder = where.resource_id or where.identity_id or where.tenant_id
        yield Sighting(
            sighting_id=f"{holder}/{where.kind}/{where.location}/{where.name or ''}/{kind}/{count[kind]}",
            provider=where.provider,
            tenant_id=where.tenant_id,
            where_kind=where.kind,
            location=where.location,
            kind=kind,
            fingerprint=mark,
            name=where.name,
            resource_id=where.resource_id,
            identity_id=where.identity_id,
            native_id=_native_id(kind, secret, value),
            preview=_preview(kind, secret),
        )


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
    before = f'{name} = "'
    for shape in tokens.shapes(f'{before}{value}"'):
        if (shape.start, shape.end) == (len(before), len(before) + len(value)):
            yield Found(start, end, shape.kind)
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
    return found.kind != "private_key", found.kind in _VAGUE, found.start - found.end, found


def _uncovered(candidate: Found, kept: list[Found]) -> Iterator[tuple[int, int]]:
    """The parts of a place that no other one covers."""
    start = candidate.start
    for other in sorted(other for other in kept if other.start < candidate.end and candidate.start < other.end):
        if start < other.start:
            yield start, other.start
        start = max(start, other.end)
    if start < candidate.end:
        yield start, candidate.end


def _native_id(kind: str, secret: str, text: str) -> str | None:
    """The id that a value carries in the open: of the key, of the token's subject, of the service account."""
    if kind == "aws_access_key_id":
        return secret
    if kind == "private_key":
        mail = _MAIL.search(text)
        return mail["mail"] if mail else None
    if kind == "json_web_token":
        return _subject(secret)
    return None


def _subject(token: str) -> str | None:
    payload = token.split(".")[1]
    try:
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (binascii.Error, ValueError, RecursionError):
        return None
    if not isinstance(claims, dict):
        return None
    said = [claims[name] for name in ("iss", "sub") if isinstance(claims.get(name), str) and claims[name]]
    return "/".join(said)[:_LONGEST_NATIVE_ID] or None


def _preview(kind: str, secret: str) -> str | None:
    """A few signs for a person who compares by eye, never more than a quarter; all private keys begin alike."""
    if kind == "private_key":
        return None
    return secret[: min(_LONGEST_PREVIEW, len(secret) // 4)] or None
