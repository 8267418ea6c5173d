"""What a search found, as text for a terminal, as JSON and as SARIF: places and kinds, never a value."""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from nhiscan.detect import find
from nhiscan.detect.leak import Commit, Counts, Leaked, Said, Unread, preview
from nhiscan.detect.precise import detector
from nhiscan.printable import plain
from nhiscan.secret import fingerprint

SCHEMA_VERSION: Final = 1  # of the JSON: a key that goes or changes its meaning raises it
SARIF_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
# Holds no text of the place itself: said, but nothing of the place is missing.
ELSEWHERE: Final = frozenset({"symlink", "special", "submodule"})
_COMMENT: Final = "allowed by a comment"  # what Counts.skipped calls findings that a pragma excuses
_SEVERITIES: Final = ("critical", "high", "medium", "low")
_TABLE: Final = re.compile(r"^(?=\[\[detector\]\])", re.MULTILINE)
_KIND: Final = re.compile(r'^kind = "(\w+)"', re.MULTILINE)
_PAGE: Final = re.compile(r"https://[^\s,;]+")
_LONGEST_PATH: Final = 4_096  # of a path in text
_NAMED: Final = 3  # files that a line of the summary names
_SHA: Final = 10
# A shorter value, or a mere word, tells no more than any name does, and without it nobody finds the file.
_SHORTEST_BLANKED: Final = 8
_WORD: Final = re.compile(r"[A-Za-z]?[a-z]{0,14}|[A-Z]{1,15}")
_ENCODED: Final = "base64"  # what Leak.inside says of a value that stands in the file itself
# https://docs.github.com/en/code-security/code-scanning/integrating-with-code-scanning/sarif-support-for-code-scanning:
# above 9.0 critical, from 7.0 high, from 4.0 medium, below low
_SCORES: Final = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.0"}
_LEVELS: Final = {"critical": "error", "high": "error", "medium": "warning", "low": "note"}


class Described(NamedTuple):
    """What a person should know of one kind of secret."""

    title: str
    format: str = ""
    source: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """A leak without its value; texts are UTF-8. `allowed`: what excuses it, such as "baseline"; None: nothing does."""

    path: str
    inside: str | None
    line: int
    column: int | None
    kind: str
    severity: str
    confidence: float
    preview: str | None
    fingerprint: str
    issuer: str | None
    issuer_tenant: str | None
    native_id: str | None
    name: str | None
    is_test: bool
    expires_at: datetime | None
    first: Commit | None
    gone: Commit | None
    is_current: bool
    allowed: str | None = None
    raw_path: str = field(default="", repr=False)  # with undecodable bytes as surrogates


@dataclass(frozen=True)
class Report:
    """One search. `has_lasting_key`: fingerprints are those of a state directory, so that searches compare by them."""

    profile: str
    findings: tuple[Finding, ...]
    unread: tuple[Unread, ...]
    counts: Counts
    has_lasting_key: bool
    version: str

    @property
    def open(self) -> tuple[Finding, ...]:
        """What nothing excuses."""
        return tuple(finding for finding in self.findings if finding.allowed is None)

    @property
    def left_out(self) -> dict[str, int]:
        """Files that were left out on purpose, by reason."""
        return {why: n for why, n in sorted(self.counts.skipped.items()) if why != _COMMENT}

    @property
    def allowed(self) -> dict[str, int]:
        """How many findings something excuses; those beside a comment are counted only, as the profile keeps none."""
        times = Counter(found.allowed for found in self.findings if found.allowed is not None)
        times["comment"] = self.counts.skipped.get(_COMMENT, 0)
        return {reason: n for reason, n in sorted(times.items()) if n}

    @property
    def missing(self) -> tuple[Unread, ...]:
        """What should have been searched and was not."""
        return tuple(unread for unread in self.unread if unread.why not in ELSEWHERE)


def described(kinds: Iterable[str]) -> dict[str, Described]:
    """Each kind in a person's words. Only their own tables are parsed: to load all takes longer than a search."""
    found = {kind: Described(plain(kind.replace("_", " "))) for kind in kinds}
    for _, text in detector.texts() if found else ():
        for table in _TABLE.split(text):
            kind = _KIND.search(table)
            if kind is not None and kind[1] in found:
                (entry,) = tomllib.loads(table)["detector"]
                found[kind[1]] = Described(entry["title"], entry["format"], entry["source"])
    return found


def readable(text: str) -> str:
    """UTF-8 with bytes of another encoding as escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


@lru_cache(maxsize=4_096)
def blanked(text: str) -> str:
    """A name without the secrets in it."""
    for place in reversed(find(text)):
        text = f"{text[: place.start]}***{text[place.end :]}"
    return text


def without(text: str, value: str) -> str:
    """A name without the secrets in it: one that was found, and those that look like some."""
    if len(value) >= _SHORTEST_BLANKED and not _WORD.fullmatch(value):
        text = text.replace(value, "***")
    return blanked(text)


def finding(found: Leaked, *, key: bytes, allowed: str | None = None) -> Finding:
    """The leak as it may be shown; values in names of files and variables are blanked, its own and others."""
    leak, value = found.leak, found.leak.secret.reveal()

    def said(text: str | None) -> str | None:
        return None if text is None else readable(without(text, value))

    return Finding(
        path=said(found.path) or "",
        inside=said(leak.inside),
        line=leak.line,
        column=leak.column,
        kind=leak.kind,
        severity=leak.severity,
        confidence=leak.confidence,
        preview=preview(leak.kind, value),
        fingerprint=fingerprint(value, key=key),
        issuer=leak.issuer,
        issuer_tenant=said(leak.issuer_tenant),
        native_id=None if leak.native_id is None else readable(leak.native_id),  # an id is no secret, even as the value
        name=said(leak.name),
        is_test=leak.is_test,
        expires_at=leak.expires_at,
        first=_nameless(found.first, value),
        gone=_nameless(found.gone, value),
        is_current=found.is_current,
        allowed=allowed,
        raw_path=without(found.path, value),
    )


def _nameless(commit: Commit | None, value: str) -> Commit | None:
    """Without secrets in the author's address, which is whatever git was told."""
    return commit and replace(commit, author=without(commit.author, value))


def report(
    said: Iterable[Said],
    *,
    profile: str,
    key: bytes,
    has_lasting_key: bool,
    version: str,
    allowed: Callable[[Leaked], str | None] = lambda _: None,
) -> Report:
    """Everything that was said, without the values: place by place, in whatever order it was found.

    `allowed`: what excuses a leak.
    """
    findings: list[Finding] = []
    unread: list[Unread] = []
    files = size = commits = 0
    skipped: Counter[str] = Counter()
    for item in said:
        if isinstance(item, Leaked):
            findings.append(finding(item, key=key, allowed=allowed(item)))
        elif isinstance(item, Unread):
            unread.append(replace(item, path=blanked(item.path), detail=blanked(item.detail)))
        else:
            files, size, commits = files + item.files, size + item.bytes, commits + item.commits
            skipped.update(item.skipped)
    counts = Counts(files, size, commits, dict(skipped))
    return Report(profile, tuple(sorted(findings, key=_order)), tuple(unread), counts, has_lasting_key, version)


def _order(found: Finding) -> tuple[Any, ...]:
    first = found.first.sha if found.first else ""
    return (found.path, found.inside or "", found.line, found.column or 0, found.kind, first, found.fingerprint)


def text(report: Report, kinds: Mapping[str, Described]) -> Iterator[str]:
    """One line for each finding that nothing excuses."""
    for found in report.open:
        member = f"!/{found.inside}" if found.inside and found.inside != _ENCODED else ""
        file = plain(f"{found.path}{member}", _LONGEST_PATH)
        place = f"{file}:{found.line}{f':{found.column}' if found.column else ''}"
        said = [f"{found.kind} ({kinds[found.kind].title})", found.severity]
        if found.is_test:
            said.append("test system")
        if found.preview:
            said.append(f"{plain(found.preview)}…")
        if found.inside == _ENCODED:
            said.append(f"in {_ENCODED}")
        if found.first:
            gone = "" if found.is_current else " to " + (_commit(found.gone) if found.gone else "a later one")
            said.append(f"commit {_commit(found.first)}{gone}")
        yield f"{place}: {', '.join(said)}"


def _commit(commit: Commit) -> str:
    return f"{commit.sha[:_SHA]} of {commit.at:%Y-%m-%d}"


def summary(report: Report) -> Iterator[str]:
    """What was searched, what was not, and what that means; the last line is the verdict."""
    counts = report.counts
    commits = f" and {counts.commits:,} commits" if counts.commits else ""
    yield f"searched {counts.files:,} files ({counts.bytes / 1e6:,.1f} MB){commits} with profile {report.profile}"
    if report.left_out:
        yield f"left out: {_counted(report.left_out)}"
    for why, entries in _by_reason(report.unread):
        named = "; ".join(f"{plain(entry.path)}: {plain(entry.detail, 200)}" for entry in entries[:_NAMED])
        more = f"; and {len(entries) - _NAMED:,} more" if len(entries) > _NAMED else ""
        word = "not part of it" if why in ELSEWHERE else "not searched"
        yield f"{word}: {len(entries):,} {why.replace('_', ' ')} ({named}{more})"
    if report.allowed:
        yield f"allowed: {', '.join(f'{n:,} by {reason}' for reason, n in report.allowed.items())}"
    found = report.open
    files = len({finding.path for finding in found})
    verdict = "no secret found"
    if found:
        severe = Counter(finding.severity for finding in found)
        by_severity = ", ".join(f"{severe[s]:,} {s}" for s in _SEVERITIES if severe[s])
        verdict = f"{_several(len(found), 'secret')} found in {_several(files, 'file')}: {by_severity}"
    if report.missing:
        verdict += f"; {_several(len(report.missing), 'place')} could not be searched, so there may be more"
    yield verdict


def _several(n: int, what: str) -> str:
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _counted(times: Mapping[str, int]) -> str:
    return ", ".join(f"{n:,} {reason.replace('_', ' ')}" for reason, n in sorted(times.items()))


def _by_reason(unread: tuple[Unread, ...]) -> Iterator[tuple[str, list[Unread]]]:
    entries: dict[str, list[Unread]] = {}
    for entry in unread:
        entries.setdefault(entry.why, []).append(entry)
    yield from sorted(entries.items())


def as_json(report: Report, kinds: Mapping[str, Described]) -> str:
    """The search in the shape of docs/secrets.md: every key always present, times in ISO 8601 UTC."""
    told = {
        "schema_version": SCHEMA_VERSION,
        "tool": {"name": "nhiscan", "version": report.version},
        "profile": report.profile,
        "is_complete": not report.missing,
        "fingerprints": "state" if report.has_lasting_key else "this run",
        "summary": {
            "files": report.counts.files,
            "bytes": report.counts.bytes,
            "commits": report.counts.commits,
            "skipped": report.left_out,
            "unread": {why: len(entries) for why, entries in _by_reason(report.unread)},
            "allowed": report.allowed,
            "findings": len(report.open),
        },
        "findings": [_entry(found, kinds) for found in report.findings],
        "unread": [{key: readable(value) for key, value in asdict(entry).items()} for entry in report.unread],
    }
    return json.dumps(told, indent=2) + "\n"


def _entry(found: Finding, kinds: Mapping[str, Described]) -> dict[str, Any]:
    entry = {key: value for key, value in asdict(found).items() if key != "raw_path"}
    entry["title"] = kinds[found.kind].title
    entry["expires_at"] = _moment(found.expires_at)
    for key, commit in (("first", found.first), ("gone", found.gone)):
        if commit is not None:
            entry[key] = {"sha": commit.sha, "author": readable(commit.author), "at": _moment(commit.at)}
    return entry


def _moment(value: datetime | None) -> str | None:
    return None if value is None else value.astimezone(UTC).isoformat()


def as_sarif(report: Report, kinds: Mapping[str, Described]) -> str:
    """SARIF 2.1.0; results that something excuses are there as suppressed ones."""
    found_kinds = sorted({found.kind for found in report.findings})
    driver = {
        "name": "nhiscan",
        "version": report.version,
        "rules": [_rule(kind, kinds[kind], _worst(report.findings, kind)) for kind in found_kinds],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "invocations": [_invocation(report)],
        "results": list(_results(report, found_kinds, kinds)),
    }
    return json.dumps({"$schema": SARIF_SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2) + "\n"


def _worst(findings: tuple[Finding, ...], kind: str) -> str:
    return min((found.severity for found in findings if found.kind == kind), key=_SEVERITIES.index)


def _rule(kind: str, described: Described, severity: str) -> dict[str, Any]:
    help_text = (
        "Revoke it at its issuer and put the new one into a secret store: whoever has ever read the file, "
        "or a copy of it, can use it. To take it out of the text alone does not help."
    )
    if described.format:
        help_text += f" Form: {described.format}."
    rule: dict[str, Any] = {
        "id": kind,
        "shortDescription": {"text": described.title},
        "fullDescription": {"text": f"{described.title} in a text"},
        "help": {"text": help_text},
        "defaultConfiguration": {"level": _LEVELS[severity]},
        "properties": {"security-severity": _SCORES[severity], "tags": ["security", "secret"]},
    }
    if page := _PAGE.search(described.source):
        rule["helpUri"] = page[0]
    return rule


def _results(report: Report, found_kinds: list[str], kinds: Mapping[str, Described]) -> Iterator[dict[str, Any]]:
    numbers: Counter[tuple[str, str | None, str]] = Counter()
    for found in report.findings:
        place = (found.path, found.inside, found.kind)
        numbers[place] += 1
        marks = {"nhiscanPlace/v1": _place_mark(found, numbers[place])}
        if report.has_lasting_key:
            marks["nhiscanValue/v1"] = found.fingerprint
        said = {
            "confidence": found.confidence,
            "issuer": found.issuer,
            "issuerTenant": found.issuer_tenant,
            "nativeId": found.native_id,
            "isTest": found.is_test or None,
            "isCurrent": found.is_current,
            "expiresAt": _moment(found.expires_at),
            "firstCommit": found.first.sha if found.first else None,
            "firstCommitAt": _moment(found.first.at) if found.first else None,
            "author": readable(found.first.author) if found.first else None,
            "goneCommit": found.gone.sha if found.gone else None,
        }
        result: dict[str, Any] = {
            "ruleId": found.kind,
            "ruleIndex": found_kinds.index(found.kind),
            "level": _LEVELS[found.severity],
            "message": {"text": _message(found, kinds[found.kind])},
            "locations": [_location(found)],
            "partialFingerprints": marks,
            "properties": {key: value for key, value in said.items() if value is not None},
        }
        if found.allowed is not None:
            result["suppressions"] = [{"kind": "external", "justification": f"allowed by {found.allowed}"}]
        yield result


def _place_mark(found: Finding, number: int) -> str:
    """Where, but not the line, so that a result stays the same one when lines are added above it."""
    where = "\0".join((found.path, found.inside or "", found.kind, str(number)))
    return hashlib.sha256(where.encode()).hexdigest()[:32]


def _message(found: Finding, described: Described) -> str:
    said = described.title if found.preview is None else f"{described.title} that begins with {plain(found.preview)}"
    if found.inside:
        said += f", in {plain(found.inside, _LONGEST_PATH)}, line {found.line}"
    if not found.is_current:
        said += "; it stands in earlier commits only"
    return said


def _location(found: Finding) -> dict[str, Any]:
    physical: dict[str, Any] = {"artifactLocation": {"uri": _uri(found.raw_path)}}
    if found.inside and found.inside != _ENCODED:  # the line is one of the member, which a viewer cannot open
        return {
            "physicalLocation": physical,
            "logicalLocations": [{"fullyQualifiedName": f"{found.path}!/{found.inside}", "kind": "member"}],
        }
    physical["region"] = {"startLine": found.line}
    if found.column and not found.inside:
        physical["region"]["startColumn"] = found.column
    return {"physicalLocation": physical}


def _uri(path: str) -> str:
    return quote(path.encode("utf-8", "surrogateescape"))


def _invocation(report: Report) -> dict[str, Any]:
    notes = []
    for entry in report.unread:
        note: dict[str, Any] = {
            "level": "note" if entry.why in ELSEWHERE else "error",
            "descriptor": {"id": entry.why},
            "message": {"text": f"not searched: {plain(entry.path, _LONGEST_PATH)}: {plain(entry.detail, 500)}"},
        }
        if entry.path:
            note["locations"] = [{"physicalLocation": {"artifactLocation": {"uri": _uri(entry.path)}}}]
        notes.append(note)
    return {
        "executionSuccessful": not report.missing,
        "toolExecutionNotifications": notes,
        "properties": {
            "profile": report.profile,
            "files": report.counts.files,
            "bytes": report.counts.bytes,
            "commits": report.counts.commits,
            "skipped": report.left_out,
            "allowed": report.allowed,
        },
    }
