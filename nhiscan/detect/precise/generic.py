"""Secrets without a format, in files that configure something: a name that promises one and a value that looks made.

Elsewhere such names are mostly code, so only the detectors look there.
"""

from __future__ import annotations

import base64
import binascii
import re
import time
from collections.abc import Iterator
from typing import Final

from nhiscan.detect import values
from nhiscan.detect.leak import OutOfTimeError
from nhiscan.detect.precise import context
from nhiscan.detect.precise.detector import Detector
from nhiscan.detect.precise.matcher import Place, without_overlaps

_SUFFIXES_TEXT: Final = (
    "cfg cnf conf config credentials env envrc htpasswd ini netrc npmrc plist properties pypirc tfvars toml yaml yml"
)
_SUFFIXES: Final = frozenset(_SUFFIXES_TEXT.split())
_NAMES: Final = frozenset({"credentials", ".netrc", ".npmrc", ".pypirc", ".pgpass", ".s3cfg", ".boto"})
_ENVIRONMENT: Final = re.compile(r"(?:^|/)\.?env(?:\.[\w.\-]+)?$")
_LONGEST: Final = 200
_LINE: Final = re.compile(
    rb"""^[ \t]*(?:-[ \t]+)?(?:export[ \t]+|set[ \t]+)?["']?(?P<name>[A-Za-z_][\w.\-/]{0,99})["']?"""
    rb"""[ \t]*(?:=|:[ \t]+|:=)[ \t]*"""
    rb"""(?:"(?P<double>[^"\n\r]{8,200})"|'(?P<single>[^'\n\r]{8,200})'|(?P<bare>[^\s"'#,;]{8,200}))"""
    rb"""[ \t]*(?:[,;#].*)?\r?$""",
    re.MULTILINE,
)
_PROMISE: Final = re.compile(rb"pass|pwd|secret|token|credential|key", re.IGNORECASE)
_FEWEST_BITS: Final = 3.0
_SECRET_OBJECT: Final = re.compile(rb"^kind:[ \t]*Secret\b", re.MULTILINE)
_PRINTABLE: Final = re.compile(r"[\x20-\x7e]{8,200}\n?")

NAMED: Final = Detector(
    kind="named_secret",
    title="Secret by the name of its variable",
    issuer="",
    severity="medium",
    confidence=0.4,
    pattern="",
    format="a value that looks made, under a name that promises a secret",
    source="observed: configuration names what it holds",
    true=(),
    false=(),
)


def is_configuration(path: str) -> bool:
    """A file that configures something, as its name says."""
    name = path.rpartition("/")[2].lower()
    if name.rpartition(".")[2] in _SUFFIXES or name in _NAMES:
        return True
    return "env" in name and _ENVIRONMENT.search(name) is not None


def added(data: bytes, found: list[Place], *, deadline: float) -> list[Place]:
    """What the detectors found, and what names promise."""
    return without_overlaps([*found, *_named(data, deadline)])


def _named(data: bytes, deadline: float) -> Iterator[Place]:
    is_kubernetes = _SECRET_OBJECT.search(data) is not None
    for match in _LINE.finditer(data):
        if not _PROMISE.search(match["name"]):
            continue
        if time.monotonic() > deadline:
            raise OutOfTimeError
        name = match["name"].decode("ascii", "replace")
        group = match.lastgroup or "bare"
        value = match[group].decode("utf-8", "surrogateescape")
        if is_kubernetes and (plain := _decoded(value)) and is_made(name, plain):
            yield Place(*match.span(group), NAMED, plain, inside="base64", name=name)
        elif is_made(name, value):
            yield Place(*match.span(group), NAMED, value, name=name)


def is_made(name: str, value: str) -> bool:
    """The name promises a secret, and no person would write such a value for anything else."""
    return (
        values.is_named_secret(name, value)
        and " " not in value
        and any(map(values.looks_made, re.split(r"[-_./:@#]", value)))
        and context.entropy(value) >= _FEWEST_BITS
        and not context.is_example(value, "")
    )


def _decoded(value: str) -> str | None:
    try:
        text = base64.b64decode(value, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return None
    return text.rstrip("\n") if _PRINTABLE.fullmatch(text) else None
