"""What other scanners found, kept beside the scans without a value: <state>/imports/<place>.json.

Values become keyed fingerprints, previews and the ids inside them, so that they join the inventory as our own findings
do. A second import of the same place and tool replaces the first.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from functools import cache, lru_cache
from operator import attrgetter
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from nhiscan.detect.leak import Leak, OutOfTimeError, Profile, preview
from nhiscan.detect.precise import detector
from nhiscan.detect.results.foreign import Export
from nhiscan.detect.results.foreign_rows import Foreign
from nhiscan.detect.results.formats import blanked, readable, without
from nhiscan.errors import StoreError
from nhiscan.secret import fingerprint

_VERSION: Final = 1
_KEY_MARK: Final = "nhiscan"  # its fingerprint tells which key a file was made with
_UNCERTAIN: Final = 0.5  # confidence in a kind that only the other scanner knows
_LONGEST_RULE: Final = 60
_LONGEST_NAME: Final = 180  # of a file, without its ending
_SHA: Final = re.compile("[0-9a-f]{40}|[0-9a-f]{64}")
_WORDS: Final = re.compile(r"[A-Z]?[a-z0-9]+|[A-Z0-9]+(?![a-z])")
_SCANNERS: Final = frozenset({"", "betterleaks", "kingfisher", "veles"})  # they begin names of rules
_AROUND: Final = re.compile("^detected_|_value$")  # as semgrep's rules are named
# What the scanners call kinds that we name otherwise; for findings whose value is masked, and those no detector knows.
KINDS: Final[Mapping[str, re.Pattern[str]]] = {
    kind: re.compile(rf"(?:{'|'.join(words)})(?:_\d+)?")
    for kind, words in {
        "aws_access_key_id": ("aws", "(?:amazon_)?aws_(?:access_(?:key(?:_id)?|token)|api_key|keys?|iam)"),
        "aws_secret_access_key": ("(?:amazon_)?aws_secret(?:_access)?(?:_key|_token)?",),
        "private_key": (
            "(?:(?:rsa|dsa|ec|openssh|ssh|pgp|generic|encrypted|putty|asymmetric|pem)_)?private_key(?:_block)?",
        ),
        "json_web_token": ("jwt", "jwt_base64", "jwt_token"),
        "basic_auth_credentials": ("basic_auth(?:_string)?", "uri", "curl_auth_user", "password_in_ur[il]"),
        "gcp_service_account_key": ("gcp", "(?:gcp|google|google_cloud)_service_account(?:_key|_credentials)?"),
        "named_secret": (
            "secret_keyword",
            "(?:base64_|base_64_|hex_)?high_entropy(?:_string)?",
            r"generic_\w+",
            r"hard_?coded_\w+",
            "password",
            "secret",
        ),
    }.items()
}


@dataclass(frozen=True, slots=True)
class ImportedRow:
    """One finding of another scanner. `fingerprint` None: its file held no value, so that only the place tells which.

    `rule`: that scanner's own word for `kind`. `is_verified`: it asked the provider, which took or refused the value.
    """

    rule: str
    kind: str
    path: str
    line: int | None = None
    fingerprint: str | None = None
    preview: str | None = None
    name: str | None = None
    native_id: str | None = None
    issuer: str | None = None
    issuer_tenant: str | None = None
    severity: str | None = None
    confidence: float | None = None
    is_test: bool = False
    is_verified: bool | None = None
    commit: str | None = None
    author: str | None = None
    first_seen_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True)
class Imported:
    """What one scanner found in one place. `exported_at`: when its file was written.

    `unusable`: rows of the file that said too little, by reason; with any the import is partial. `is_stale`: made with
    another key of fingerprints than that of today, so that nothing of it compares.
    """

    place: str
    tool: str
    version: str | None
    exported_at: datetime
    rows: tuple[ImportedRow, ...]
    unusable: Mapping[str, int] = field(default_factory=dict)
    is_stale: bool = False


def convert(export: Export, place: str, *, root: Path | None, profile: Profile, key: bytes) -> Imported:
    """An export without its values. `root`: folder of the place, which is taken off paths that begin with it."""
    rows = tuple(_row(found, root, profile, key) for found in export.rows)
    unique = tuple(dict.fromkeys(rows))  # several scans in one export say the same thing twice
    tool, version = readable(blanked(export.tool)), export.version and readable(blanked(export.version))
    return Imported(place, tool, version, export.at, unique, dict(export.unusable))


def _row(found: Foreign, root: Path | None, profile: Profile, key: bytes) -> ImportedRow:
    leak = _leak(found, profile)
    path = readable(_relative(found.path, root))
    value = leak.secret.reveal() if leak else found.value.reveal() if found.value else None
    path = without(path, value or "")
    rule = readable(without(found.rule, value or ""))
    kind = leak.kind if leak else kind_of(rule)
    return ImportedRow(
        rule=rule,
        kind=kind,
        path=path,
        line=found.line,
        fingerprint=found.fingerprint if value is None else fingerprint(value, key=key),
        preview=None if value is None else preview(kind, value),
        name=_beside(leak.name, value) if leak else None,
        native_id=_text(leak.native_id) if leak else None,
        issuer=leak.issuer if leak else _known().get(kind, (None, None))[0],
        issuer_tenant=_beside(leak.issuer_tenant, value) if leak else None,
        severity=leak.severity if leak else _known().get(kind, (None, found.severity))[1],
        confidence=leak.confidence if leak else _UNCERTAIN,
        is_test=leak.is_test if leak else False,
        is_verified=found.is_verified,
        commit=None if found.commit is None else _commit(found.commit, value),
        author=None if found.author is None else readable(without(found.author, value or "")),
        first_seen_at=found.at,
        expires_at=leak.expires_at if leak else None,
    )


@lru_cache(maxsize=1_024)
def kind_of(rule: str) -> str:
    """Our word for another scanner's rule, else its own one behind `other_`."""
    parts = [part for part in rule.split(".") if part not in _SCANNERS and not part.isdecimal()]
    names = ["_".join(_WORDS.findall("_".join(parts[-n:]))).lower() for n in (1, 2)]
    for name in names:
        word = _AROUND.sub("", name)
        if word in _known():
            return word
        for kind, pattern in KINDS.items():
            if pattern.fullmatch(word):
                return kind
    return f"other_{names[-1][:_LONGEST_RULE].strip('_') or 'secret'}"


@cache
def _known() -> dict[str, tuple[str | None, str | None]]:
    """Issuer and severity of each kind that our detectors know."""
    return {known.kind: (known.issuer or None, known.severity) for known in detector.load()}


def _text(text: str | None) -> str | None:
    return None if text is None else readable(text)


def _commit(text: str, value: str | None) -> str:
    """As it is where it can be an id of git, which is searched for nothing: there may be one in each of many rows."""
    if _SHA.fullmatch(text) and (value is None or value not in text):
        return text
    return readable(without(text, value or ""))


def _beside(text: str | None, value: str | None) -> str | None:
    """A name beside the value; one that is the value itself would give it away."""
    return None if text is None or (value is not None and value in text) else readable(blanked(text))


def _leak(found: Foreign, profile: Profile) -> Leak | None:
    """What our own detectors make of it: of the value where it stands, else of the value alone."""
    value = found.value.reveal() if found.value else None
    context = found.context.reveal() if found.context else None
    if value is None:
        leaks = [] if context is None else _leaks(context, found.path, profile)
        return leaks[0] if len({leak.secret for leak in leaks}) == 1 else None
    near: Leak | None = None
    for text in (context, value):
        if text is None or value not in text:
            continue
        leaks = _leaks(text, found.path, profile)
        for leak in leaks:
            if leak.secret.reveal() == value:
                return leak
        # Some scanners cut off the end of a value, others take the name before it for its beginning.
        close = (leak for leak in leaks if leak.secret.reveal() in value or value in leak.secret.reveal())
        near = near or next(close, None)
    return near


def _leaks(text: str, path: str, profile: Profile) -> list[Leak]:
    found: list[Leak] = []
    try:
        for leak in profile.leaks(text.encode("utf-8", "surrogatepass"), path):
            found.append(leak)  # noqa: PERF402 - what was found before the time was up is kept
    except OutOfTimeError:
        return found
    return found


def _relative(path: str, root: Path | None) -> str:
    if root is not None and Path(path).is_absolute() and Path(path).is_relative_to(root):
        return Path(path).relative_to(root).as_posix()
    return path.lstrip("/") or path


def file(state: Path, place: str) -> Path:
    name = quote(place, safe="")
    if len(name) > _LONGEST_NAME:
        name = f"{name[:_LONGEST_NAME]}-{hashlib.sha256(place.encode()).hexdigest()[:12]}"
    return state / "imports" / f"{name}.json"


def merged(state: Path, new: Iterable[Imported], key: bytes) -> Iterator[tuple[Path, str]]:
    """(file, text) of each place in `new`: its earlier imports, save those of the same tool, and the new ones."""
    by_place: dict[str, dict[str, list[Imported]]] = {}
    for imported in new:
        by_place.setdefault(imported.place, {}).setdefault(imported.tool, []).append(imported)
    for place, tools in by_place.items():
        kept = {i.tool: i for i in _kept(file(state, place), key) if not i.is_stale}
        kept |= {tool: _joined(runs) for tool, runs in tools.items()}
        yield file(state, place), _written(place, kept.values(), key)


def forgotten(path: Path, scanner: str | None) -> tuple[dict[str, int], str | None]:
    """(findings by scanner that go from a place's file, the text that is left); None: nothing is left.

    `scanner`: the one that is forgotten, else all. What was made with another key keeps it, and so stays stale.
    Raises: StoreError for a file that is damaged.
    """
    told = _told(path)
    gone: dict[str, int] = {}
    left: list[Any] = []
    with _damage(path):
        for entry in told["imports"] if told else ():
            if scanner in (None, entry["tool"]):
                gone[entry["tool"]] = gone.get(entry["tool"], 0) + len(entry["rows"])
            else:
                left.append(entry)
    return gone, json.dumps({**told, "imports": left}, indent=1) + "\n" if told and left else None


def _joined(runs: Sequence[Imported]) -> Imported:
    """One scanner's runs in one file, as some write for each folder that they search."""
    unusable: Counter[str] = Counter()
    for run in runs:
        unusable.update(run.unusable)
    return replace(
        max(runs, key=attrgetter("exported_at")),
        rows=tuple(dict.fromkeys(row for run in runs for row in run.rows)),
        unusable=dict(unusable),
    )


def _written(place: str, imports: Iterable[Imported], key: bytes) -> str:
    told = {
        "version": _VERSION,
        "key": fingerprint(_KEY_MARK, key=key),
        "place": place,
        "imports": [
            {
                "tool": imported.tool,
                "tool_version": imported.version,
                "exported_at": imported.exported_at.isoformat(),
                "unusable": dict(imported.unusable),
                "rows": [_plain(row) for row in imported.rows],
            }
            for imported in imports
        ],
    }
    return json.dumps(told, indent=1) + "\n"


def _plain(row: ImportedRow) -> dict[str, Any]:
    return {
        key: value.isoformat() if isinstance(value, datetime) else value
        for key, value in asdict(row).items()
        if value is not None and value is not False
    }


def read(state: Path, key: bytes) -> Iterator[Imported]:
    """Everything imported, place by place.

    Raises: StoreError for a file that is damaged.
    """
    folder = state / "imports"
    if folder.is_dir():
        for path in sorted(folder.glob("*.json")):
            yield from _kept(path, key)


def _kept(path: Path, key: bytes) -> Iterator[Imported]:
    told = _told(path)
    if told is None:
        return
    with _damage(path):
        is_stale = told["key"] != fingerprint(_KEY_MARK, key=key)
        for entry in told["imports"]:
            yield Imported(
                told["place"],
                entry["tool"],
                entry["tool_version"],
                datetime.fromisoformat(entry["exported_at"]),
                tuple(_read_row(row) for row in entry["rows"]),
                entry["unusable"],
                is_stale,
            )


def _told(path: Path) -> Any:
    """What a place's file says; None where there is none."""
    try:
        with _damage(path):
            return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreError(f"cannot read {path}: {error.strerror}", hint="check its permissions") from error


@contextmanager
def _damage(path: Path) -> Iterator[None]:
    try:
        yield
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise StoreError(f"{path} is damaged", hint="delete it and import the findings again") from error


_TIMES: Final = frozenset(f.name for f in fields(ImportedRow) if "datetime" in str(f.type))


def _read_row(row: Mapping[str, Any]) -> ImportedRow:
    values: dict[str, Any] = dict(row)
    for key in _TIMES & row.keys():
        values[key] = datetime.fromisoformat(row[key])
    return ImportedRow(**values)
