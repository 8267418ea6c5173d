"""What vectorscan is asked to look for, made from the detectors once and kept beside its database.

A value whose format has no text of its own, such as 32 digits and letters, is not looked for at all: the word that must
stand near it is, which is rarer and found faster. One that holds a long hexadecimal number is looked for by a second
database, in texts that have such numbers. Reading and translating hundreds of detectors takes most of a second,
so both are kept on disk; whatever changes in detectors or code makes another file.
"""

from __future__ import annotations

import hashlib
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib import resources
from re import _constants as constants  # type: ignore[attr-defined] # the parser has no public name
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any, Final

from nhiscan.detect.expressions import database
from nhiscan.detect.expressions.literals import HEX_RUN, encoded, first, holds_hex, required
from nhiscan.detect.expressions.superset import superset
from nhiscan.detect.precise.detector import Detector, load, texts

ONCE: Final = 8  # HS_FLAG_SINGLEMATCH: an expression speaks once a text
_CASELESS: Final = 1  # HS_FLAG_CASELESS
_DOT_ALL: Final = 2  # HS_FLAG_DOTALL
LONGEST: Final = 1_024  # signs of a match that is seen whole wherever one of its signs is
_TELLING: Final = 3  # signs from which a text is rare enough to look for
_RARE: Final = 4  # and from which it is so even beside a hexadecimal number, which is rarer than short texts
_GATES: Final = (b"[0-9A-Fa-f]{%d}" % HEX_RUN, b"[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-")
_MAKERS: Final = ("expressions/literals.py", "expressions/superset.py", "precise/detector.py", "precise/plan.py")
_EXPRESSIONS: Final = ("expressions", "gated")
_NUMBERED: Final = ("of_value", "of_near", "of_place", "of_mark", "of_gated", "of_gated_near")
_UNUSED: Final = ("true", "false", "title", "format", "source")  # for persons and tests


@dataclass(frozen=True, slots=True)
class Plan:
    """Expressions and flags for vectorscan, and which one speaks for which detectors, by number.

    `of_place`: detectors whose matches begin with nothing to look for, so that every place is asked for, and how far
    before such a place a match begins at most.
    `of_mark`: length of the beginning of a secret in base64, and signs that its first group of four has before it.
    `gated`: expressions for a second database, which can match only where one of the first `gates` ones does;
    `of_gated` says for which detectors they speak, and `of_gated_near` for which ones they are the word near the value.
    `always`: detectors for which nothing can be looked for.
    """

    expressions: list[tuple[bytes, int]] = field(default_factory=list)
    of_value: dict[int, list[int]] = field(default_factory=dict)
    of_near: dict[int, list[int]] = field(default_factory=dict)
    of_place: dict[int, list[tuple[int, int]]] = field(default_factory=dict)
    of_mark: dict[int, tuple[int, int]] = field(default_factory=dict)
    gates: int = len(_GATES)
    gated: list[tuple[bytes, int]] = field(default_factory=list)
    of_gated: dict[int, list[int]] = field(default_factory=dict)
    of_gated_near: dict[int, list[int]] = field(default_factory=dict)
    always: list[int] = field(default_factory=list)


def kept() -> tuple[tuple[Detector, ...], Plan]:
    """All detectors, without what is for persons and tests, and their plan; from disk where it is kept."""
    folder = database.default_folder()
    path = None if folder is None else folder / f"{_key()}.plan"
    said = None if path is None else database.stored(path)
    if said is not None:
        return _read(said)
    detectors = load()
    plan = planned(detectors)
    if path is not None:
        database.keep(path, _written(detectors, plan))
    return detectors, plan


def _key() -> str:
    package = resources.files("nhiscan.detect")
    digest = hashlib.sha256(sys.version.encode())
    for name, text in texts():
        digest.update(f"{name}\n{text}".encode())
    for name in _MAKERS:
        digest.update(package.joinpath(name).read_bytes())
    return digest.hexdigest()


def _written(detectors: Sequence[Detector], plan: Plan) -> bytes:
    said = {
        "detectors": [
            {key: value for key, value in asdict(detector).items() if key not in _UNUSED} for detector in detectors
        ],
        **{
            name: [(expression.decode("latin-1"), flags) for expression, flags in getattr(plan, name)]
            for name in _EXPRESSIONS
        },
        **{name: list(getattr(plan, name).items()) for name in _NUMBERED},
        "always": plan.always,
    }
    return json.dumps(said).encode()


def _read(said: bytes) -> tuple[tuple[Detector, ...], Plan]:
    data: dict[str, Any] = json.loads(said)
    unused: dict[str, Any] = {**dict.fromkeys(_UNUSED, ""), "true": (), "false": ()}
    parts: dict[str, Any] = {
        **{name: [(expression.encode("latin-1"), flags) for expression, flags in data[name]] for name in _EXPRESSIONS},
        **{name: dict(data[name]) for name in _NUMBERED},
    }
    return tuple(Detector(**unused, **values) for values in data["detectors"]), Plan(**parts, always=data["always"])


def near_pattern(near: str) -> re.Pattern[bytes]:
    """What must stand near, compiled: in any case, and across lines."""
    return re.compile(near.encode(), re.IGNORECASE | re.DOTALL)


def planned(detectors: Sequence[Detector]) -> Plan:
    """What to look for."""
    plan = Plan()
    numbers: dict[tuple[bytes, int], int] = {}

    def number_of(expression: bytes, flags: int) -> int:
        key = expression, flags
        if key not in numbers:
            numbers[key] = len(numbers)
            plan.expressions.append(key)
        return numbers[key]

    for gate in _GATES:
        number_of(gate, ONCE)
    for number, detector in enumerate(detectors):
        pattern = detector.pattern.encode()
        texts = required(pattern)
        near = _near_expression(detector.near) if detector.near and not _is_telling(texts) else None
        if near is not None and holds_hex(pattern):
            plan.of_gated_near[len(plan.gated)] = [number]
            plan.gated.append(near)
        elif near is not None:
            plan.of_near.setdefault(number_of(*near), []).append(number)
        elif (
            min(map(len, texts), default=0) < _RARE
            and holds_hex(pattern)
            and (said := _expression(detector, texts)) is not None
        ):
            plan.of_gated[len(plan.gated)] = [number]
            plan.gated.append((said, ONCE))
        elif (expression := _expression(detector, texts)) is not None and (reach := _reach(pattern)):
            plan.of_place.setdefault(number_of(expression, 0), []).append((number, reach))
        elif expression is not None:
            plan.of_value.setdefault(number_of(expression, ONCE), []).append(number)
        else:
            plan.always.append(number)
        for mark, before in encoded(first(pattern)):
            plan.of_mark[number_of(re.escape(mark), 0)] = len(mark), before
    return plan


def _near_expression(near: str) -> tuple[bytes, int] | None:
    """As it stands where vectorscan reads it like Python, so that the edges of words count; else a superset."""
    if _is_plain(parser.parse(near.encode())):
        return near.encode(), _CASELESS | _DOT_ALL
    expression = superset(near_pattern(near))
    return None if expression is None else (expression.encode(), 0)


def _is_plain(tree: Any) -> bool:
    for operation, argument in tree:
        if operation is constants.BRANCH:
            if not all(map(_is_plain, argument[1])):
                return False
        elif operation is constants.SUBPATTERN:
            if argument[1] or argument[2] or not _is_plain(argument[3]):
                return False
        elif operation is constants.MAX_REPEAT:
            if not _is_plain(argument[2]):
                return False
        elif operation is constants.AT:
            if argument is not constants.AT_BOUNDARY:
                return False
        elif operation not in (constants.LITERAL, constants.NOT_LITERAL, constants.IN, constants.ANY):
            return False
    return True


def _reach(pattern: bytes) -> int:
    """The length of the longest match, where Python would try the pattern at every sign or word; else 0.

    Python does so at a tenth of the speed at which a text is looked for.
    """
    _, most = parser.parse(pattern).getwidth()
    is_rare = min(map(len, first(pattern)), default=0) >= _RARE
    return int(most) if not is_rare and most < LONGEST else 0


def _is_telling(texts: frozenset[bytes]) -> bool:
    return min(map(len, texts), default=0) >= _TELLING


def _expression(detector: Detector, texts: frozenset[bytes]) -> bytes | None:
    """What vectorscan looks for: the least that a match holds, or where that has no end a text that stands in it."""
    said = superset(detector.pattern.encode(), absent="" if detector.multiline else "\n\r")
    if said is not None:
        return said.encode()
    return b"(?i:" + b"|".join(map(re.escape, sorted(texts))) + b")" if texts else None
