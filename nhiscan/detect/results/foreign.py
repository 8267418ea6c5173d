"""What other scanners found, from the files that they write: which scanner it was is told by what the file holds.

Formats, as published or as the named version writes them: SARIF 2.1.0 of any tool; gitleaks 8 JSON; trufflehog 3 JSON
lines; trufflehog3 3 JSON; detect-secrets 1 baselines; ggshield 1 JSON; kingfisher 2 and betterleaks 2 JSON and JSON
lines; alerts of GitHub's secret scanning as its REST API lists them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from nhiscan.detect.results import foreign_sarif, foreign_scanners
from nhiscan.detect.results.foreign_rows import Foreign, Reading, SetAside, Unusable, broken
from nhiscan.errors import ConfigError

FORMATS: Final = (
    "sarif",
    "gitleaks",
    "trufflehog",
    "trufflehog3",
    "detect-secrets",
    "gitguardian",
    "kingfisher",
    "betterleaks",
    "github",
)
_MOST_BYTES: Final = 512 * 1024 * 1024  # read at once: a scanner's result, not a log of everything
_KEY: Final = re.compile(r"[A-Za-z_$][A-Za-z_.\-]{0,23}")  # a name that may be shown: a value has digits or is longer
_MOST_KEYS: Final = 6


@dataclass(frozen=True)
class Export:
    """What one scanner wrote. `at`: when, as the file says, else when the file was last changed.

    `unusable`: rows that say too little, `set_aside`: rows that are no open finding of a secret, both by reason.
    """

    tool: str
    version: str | None
    at: datetime
    rows: tuple[Foreign, ...]
    unusable: Mapping[str, int]
    set_aside: Mapping[str, int]


def read(path: Path, form: str = "auto") -> tuple[Export, ...]:
    """One export for each scanner whose findings the file holds.

    Raises: ConfigError naming what was seen where the file is cut off, mixed, or of no known format.
    """
    try:
        size = path.stat()
        if size.st_size > _MOST_BYTES:
            raise ConfigError(
                f"{path} has {size.st_size:,} bytes, which is more than is read at once",
                hint="export fewer findings at a time",
            )
        data = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}", hint="check the path and its permissions") from error
    documents = _documents(path, data)
    changed = datetime.fromtimestamp(size.st_mtime, UTC)
    return tuple(_export(reading, changed) for reading in _readings(path, documents, form))


def _export(reading: Reading, changed: datetime) -> Export:
    rows: list[Foreign] = []
    unusable: Counter[str] = Counter()
    aside: Counter[str] = Counter()
    for item in reading.items:
        try:
            rows.append(reading.row(item))
        except SetAside as said:
            aside[str(said)] += 1
        except Unusable as said:
            unusable[str(said)] += 1
        except (KeyError, IndexError, TypeError, AttributeError, ValueError):  # a row of another shape, whatever it is
            unusable["of another shape"] += 1
    return Export(reading.tool, reading.version, reading.at or changed, tuple(rows), dict(unusable), dict(aside))


def _documents(path: Path, data: bytes) -> list[Any]:
    """The JSON values of a file: one, or one a line.

    Raises: ConfigError naming the line that is none.
    """
    text = data.decode(json.detect_encoding(data), "replace")
    if not text.strip():
        raise ConfigError(f"{path} is empty", hint="export the findings again; one without any is [] or an object")
    try:
        return [json.loads(text)]
    except RecursionError as error:
        raise broken(path, "its JSON is nested too deeply") from error
    except ValueError as error:
        whole = error
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    documents: list[Any] = []
    for number, line in lines:
        try:
            documents.append(json.loads(line))
        except (ValueError, RecursionError):
            if not documents:
                at = getattr(whole, "lineno", 1)
                raise broken(path, f"no JSON from line {at} on") from None
            if number == lines[-1][0]:
                raise broken(path, f"cut off in line {number}") from None
            raise broken(path, f"line {number} is no JSON, unlike those above it") from None
    return documents


def _readings(path: Path, documents: list[Any], form: str) -> Iterator[Reading]:
    seen = {_form(document) for document in documents} - {"log"}
    if len(documents) == 1 and documents[0] == [] and form in _LISTS:
        seen = {form}
    if len(seen) != 1:
        words = ", ".join(sorted(seen)) or "nothing but log lines"
        raise ConfigError(
            f"{path} is not one scanner's result: it holds {words}", hint=f"known formats: {', '.join(FORMATS)}"
        )
    (found,) = seen
    if found not in FORMATS:
        hint = "name it with --format" if found == "an empty list" else f"known formats: {', '.join(FORMATS)}"
        raise ConfigError(f"{path} is no known scanner's result: it holds {found}", hint=hint)
    if form not in ("auto", found):
        raise ConfigError(f"{path} looks like {found}, not like {form}", hint="leave --format out")
    documents = [document for document in documents if _form(document) != "log"]
    try:
        if found == "sarif":
            for document in documents:
                yield from foreign_sarif.readings(path, document)
        else:
            yield foreign_scanners.READERS[found](documents)
    except (KeyError, TypeError, AttributeError) as error:
        raise broken(path, f"it is not built as {found}") from error


def _form(document: Any) -> str:
    """The format of one JSON value, else what it is, in words."""
    if isinstance(document, list):
        forms = {_item_form(item) for item in document}
        if not forms:
            return "an empty list"
        (first, *more) = sorted(forms)
        return first if first in FORMATS and not more else f"a list of {' and '.join([first, *more])}"
    if not isinstance(document, dict):
        return "a single value"
    if isinstance(document.get("runs"), list):
        return "sarif"
    if isinstance(document.get("results"), dict) and "plugins_used" in document:
        return "detect-secrets"
    if "total_incidents" in document:
        return "gitguardian"
    if isinstance(document.get("findings"), list):
        forms = {_item_form(item) for item in document["findings"]}
        if not forms:
            return "betterleaks" if "schema_version" in document else "kingfisher"
        return forms.pop() if len(forms) == 1 else f"findings that are {' and '.join(sorted(forms))}"
    return _item_form(document)


def _item_form(item: Any) -> str:
    if not isinstance(item, dict):
        return "things that are no objects"
    for form, keys in _SIGNS.items():
        if keys <= item.keys():
            return form
    names = [name for name in sorted(item) if _KEY.fullmatch(name)]
    return f"objects with {', '.join(names[:_MOST_KEYS]) or 'no name that is known' if item else 'nothing in them'}"


_SIGNS: Final[Mapping[str, frozenset[str]]] = {
    "gitleaks": frozenset({"RuleID", "File", "StartLine"}),
    "trufflehog": frozenset({"DetectorName", "SourceMetadata"}),
    "trufflehog3": frozenset({"rule", "path", "secret"}),
    "kingfisher": frozenset({"rule", "finding"}),
    "betterleaks": frozenset({"rule_id", "match", "location"}),
    "github": frozenset({"secret_type", "secret", "state"}),
    "log": frozenset({"level", "msg"}),
}
_LISTS: Final = frozenset({"gitleaks", "trufflehog", "trufflehog3", "github"})
