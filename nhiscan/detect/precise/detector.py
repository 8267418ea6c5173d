"""Detectors as data: what a secret of one kind looks like, how bad its loss is, and where its format is published."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from importlib import resources
from re import _constants as constants  # type: ignore[attr-defined] # the parser has no public name
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

from nhiscan.detect.precise.checks import CHECKS
from nhiscan.errors import NhiscanError

SEVERITIES: Final = ("critical", "high", "medium", "low")
_KIND: Final = re.compile(r"[a-z][a-z0-9_]{2,60}")
_FEWEST_EXAMPLES: Final = 2
_GROUPS: Final = frozenset({"secret", "id", "tenant"})
_MANY: Final = 64  # repeats from here on multiply like endless ones


class DetectorError(NhiscanError):
    """A detector's file is wrong."""


@dataclass(frozen=True, slots=True)
class Detector:
    """One kind of secret. `pattern` is matched on bytes, on one line unless `multiline`.

    Groups of the pattern: `secret`, the value if it is not the whole match; `id`, of what it belongs to; `tenant`, the
    account at the issuer. `issuer` is empty for formats of many makers. `bounds`: "word", no letter, digit or
    underscore directly beside the match, or "none". `near`: what must stand around a value whose format alone tells too
    little. `check`: a function of checks.py. `confidence`: 0 to 1, that a match is a secret of this kind. `true` and
    `false` have holes for random signs.
    """

    kind: str
    title: str
    issuer: str
    severity: str
    confidence: float
    pattern: str
    format: str
    source: str
    true: tuple[str, ...]
    false: tuple[str, ...]
    bounds: str = "word"
    near: str | None = None
    check: str | None = None
    min_entropy: float = 0.0
    multiline: bool = False
    test: str | None = None


@cache
def load() -> tuple[Detector, ...]:
    """Every detector of the package, files in the order of their names.

    Raises: DetectorError naming file, kind and key.
    """
    found: dict[str, tuple[Detector, str]] = {}
    for name, text in texts():
        for detector in parse(text, name):
            if detector.kind in found:
                raise DetectorError(
                    f"{name}: kind {detector.kind} stands in {found[detector.kind][1]} already",
                    hint="give one of them another kind",
                )
            found[detector.kind] = detector, name
    return tuple(detector for detector, _ in found.values())


def texts() -> Iterator[tuple[str, str]]:
    """Name and text of each file of detectors."""
    folder = resources.files("nhiscan.detect.precise").joinpath("detectors")
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        if file.name.endswith(".toml"):
            yield file.name, file.read_text(encoding="utf-8")


def parse(text: str, name: str) -> Iterator[Detector]:
    """The detectors of one file's text.

    Raises: DetectorError naming file, kind and key.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DetectorError(f"{name}: no TOML: {error}", hint="correct the file") from error
    if set(data) != {"detector"}:
        raise DetectorError(f"{name}: holds more or less than [[detector]]", hint="write nothing but [[detector]]")
    for entry in data["detector"]:
        yield _detector(entry, f"{name}: {entry.get('kind', 'a detector without kind')}")


def _detector(entry: Mapping[str, Any], where: str) -> Detector:
    known = {field.name: field for field in fields(Detector)}
    for key in entry:
        if key not in known:
            raise DetectorError(f"{where}: unknown key {key}", hint=f"known are {', '.join(sorted(known))}")
    for key, field in known.items():
        if field.default is MISSING and key not in entry:
            raise DetectorError(f"{where}: no {key}", hint=f"write {key}")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()}
    for key in ("confidence", "min_entropy"):
        if type(values.get(key)) is int:
            values[key] = float(values[key])
    for key, value in values.items():
        if not isinstance(value, _TYPES[key]):
            raise DetectorError(f"{where}: {key} is of a wrong type", hint=f"write it as {_TYPES[key].__name__}")
    detector = Detector(**values)
    for problem in _problems(detector):
        raise DetectorError(f"{where}: {problem}", hint="see nhiscan/detect/precise/detector.py for what a key means")
    return detector


_TYPES: Final[Mapping[str, type]] = {
    **dict.fromkeys(("kind", "title", "issuer", "severity", "pattern", "format", "source", "bounds"), str),
    **dict.fromkeys(("near", "check", "test"), str),
    **dict.fromkeys(("true", "false"), tuple),
    **dict.fromkeys(("confidence", "min_entropy"), float),
    "multiline": bool,
}


def _problems(detector: Detector) -> Iterator[str]:
    if not _KIND.fullmatch(detector.kind):
        yield "kind is not in snake case"
    if detector.severity not in SEVERITIES:
        yield f"severity {detector.severity} is none of {', '.join(SEVERITIES)}"
    if not 0 < detector.confidence <= 1:
        yield "confidence is not between 0 and 1"
    if detector.bounds not in ("word", "none"):
        yield f"bounds {detector.bounds} is neither word nor none"
    if detector.check is not None and detector.check not in CHECKS:
        yield f"check {detector.check} is no function of checks.py"
    for key in ("title", "format", "source"):
        if not getattr(detector, key).strip():
            yield f"{key} is empty"
    for key in ("true", "false"):
        examples = getattr(detector, key)
        if len(examples) < _FEWEST_EXAMPLES:
            yield f"{key} has fewer than {_FEWEST_EXAMPLES} examples"
        if not all(isinstance(example, str) for example in examples):
            yield f"{key} holds something else than text"
    for key in ("pattern", "near", "test"):
        pattern = getattr(detector, key)
        if pattern is not None:
            yield from (f"{key} {problem}" for problem in _faults(pattern))


def _faults(pattern: str) -> Iterator[str]:
    try:
        compiled = re.compile(pattern.encode("ascii"))
        tree = parser.parse(pattern.encode("ascii"))
    except UnicodeEncodeError:
        yield "is not ASCII"
    except re.error as error:
        yield f"does not compile: {error}"
    else:
        if tree.getwidth()[0] == 0:
            yield "matches the empty text"
        if unknown := set(compiled.groupindex) - _GROUPS:
            yield f"has a group that nothing reads: {', '.join(sorted(unknown))}"
        if _multiplies(tree, within=False):
            yield "repeats without end inside a repeat: it may take forever"


def _multiplies(tree: Any, *, within: bool) -> bool:
    """An endless repeat stands inside an endless one."""
    for operation, argument in tree:
        if operation in (constants.MAX_REPEAT, constants.MIN_REPEAT):
            _, most, body = argument
            is_long = most == constants.MAXREPEAT or most >= _MANY
            single = len(body) == 1 and body[0][0] in (constants.IN, constants.LITERAL, constants.NOT_LITERAL)
            if within and most == constants.MAXREPEAT and is_long:
                return True
            if not single and _multiplies(body, within=within or is_long):
                return True
        elif any(_multiplies(part, within=within) for part in _parts(operation, argument)):
            return True
    return False


def _parts(operation: Any, argument: Any) -> Iterator[Any]:
    if operation is constants.BRANCH:
        yield from argument[1]
    elif operation is constants.SUBPATTERN:
        yield argument[3]
    elif operation in (constants.ASSERT, constants.ASSERT_NOT):
        yield argument[1]
    elif operation is constants.ATOMIC_GROUP:
        yield argument
