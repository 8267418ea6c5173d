"""What other scanners found, from the files that they write: which scanner it was is told by what the file holds.

Formats, as published or as the named version writes them: SARIF 2.1.0 of any tool; gitleaks 8 JSON; trufflehog 3 JSON
lines; trufflehog3 3 JSON; detect-secrets 1 baselines; ggshield 1 JSON; kingfisher 2 and betterleaks 2 JSON and JSON
lines; alerts of GitHub's secret scanning as its REST API lists them.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from nhiscan.errors import ConfigError
from nhiscan.secret import Secret

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
_LONGEST: Final = 4_096  # characters of a path, rule or author that are kept
# Whole values that stand for one, and what is left of one where the middle or the end is blanked out.
_MASKED: Final = re.compile(r"redacted|\*{3,}|(?:\.\.\.|…)$|\[\.\.\.\]|^[x*•.]+$", re.IGNORECASE)
_MAIL: Final = re.compile(r"<([^<>]+)>\s*$")
_TIME: Final = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:\.\d+)? ?(Z|UTC|[+-]\d\d:?\d\d)?")
_GIT_TIME: Final = "%a %b %d %H:%M:%S %Y %z"  # as `git log` writes it
# A tool for all kinds of flaws says by these which of its results are about secrets.
_SECRET_CWES: Final = re.compile(r"CWE-(?:0*)(?:259|260|312|321|522|538|540|615|798)\b")
_SECRET_WORDS: Final = re.compile(
    r"secret|credential|password|passwd|token|api.?key|private.?key|hard.?coded", re.IGNORECASE
)
# Tools that look for secrets only; of these the snippet of a result is the value itself.
_SECRET_TOOLS: Final = frozenset({"gitleaks", "betterleaks", "trufflehog", "kingfisher", "noseyparker", "titus"})
_OTHER_SECRET_TOOLS: Final = frozenset({"ggshield", "nhiscan", "detect-secrets", "secretlint", "whispers", "talisman"})


@dataclass(frozen=True, slots=True)
class Foreign:
    """One finding. `value` None: the file holds none, or a masked one. `context`: what stands around the value.

    `fingerprint`: one that nhiscan made. `is_verified`: the scanner asked the provider, which took or refused it.
    """

    rule: str
    path: str
    line: int | None = None
    value: Secret | None = None
    context: Secret | None = None
    fingerprint: str | None = None
    severity: str | None = None
    commit: str | None = None
    author: str | None = None
    at: datetime | None = None
    is_verified: bool | None = None


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


class _Unusable(Exception):  # noqa: N818 - no error of the program: one row is counted and the next one read
    """A row that says too little; the argument is what it lacks."""


class _SetAside(Exception):  # noqa: N818 - as above
    """A row that is no open finding of a secret."""


@dataclass(frozen=True)
class _Reading:
    """A recognised file: its rows as they stand there, and what makes a finding of one."""

    tool: str
    version: str | None
    at: datetime | None
    items: list[Any]
    row: Callable[[Any], Foreign]


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


def _export(reading: _Reading, changed: datetime) -> Export:
    rows: list[Foreign] = []
    unusable: Counter[str] = Counter()
    aside: Counter[str] = Counter()
    for item in reading.items:
        try:
            rows.append(reading.row(item))
        except _SetAside as said:
            aside[str(said)] += 1
        except _Unusable as said:
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
        raise _broken(path, "its JSON is nested too deeply") from error
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
                raise _broken(path, f"no JSON from line {at} on") from None
            if number == lines[-1][0]:
                raise _broken(path, f"cut off in line {number}") from None
            raise _broken(path, f"line {number} is no JSON, unlike those above it") from None
    return documents


def _broken(path: Path, what: str) -> ConfigError:
    return ConfigError(f"{path} is damaged: {what}", hint="export the findings again, in full and alone in their file")


def _readings(path: Path, documents: list[Any], form: str) -> Iterator[_Reading]:
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
                yield from _sarif(path, document)
        else:
            yield _OTHERS[found](documents)
    except (KeyError, TypeError, AttributeError) as error:
        raise _broken(path, f"it is not built as {found}") from error


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


def _items(documents: list[Any]) -> list[Any]:
    """The rows of lists, of objects with findings, and of one row a line."""
    items: list[Any] = []
    for document in documents:
        if isinstance(document, list):
            items += document
        else:
            items += document["findings"] if isinstance(document.get("findings"), list) else [document]
    return items


def _gitleaks(documents: list[Any]) -> _Reading:
    def row(item: Any) -> Foreign:
        return Foreign(
            rule=_rule(item["RuleID"]),
            path=_path(item["File"]),
            line=_line(item.get("StartLine")),
            value=_value(item.get("Secret")),
            context=_value(item.get("Match")),
            commit=_text(item.get("Commit")),
            author=_text(item.get("Email")),
            at=_moment(item.get("Date")),
        )

    return _Reading("gitleaks", None, None, _items(documents), row)


def _trufflehog(documents: list[Any]) -> _Reading:
    def row(item: Any) -> Foreign:
        (where,) = item["SourceMetadata"]["Data"].values()
        return Foreign(
            rule=_rule(item["DetectorName"]),
            path=_path(where.get("file") or where.get("path") or where.get("link")),
            line=_line(where.get("line")),
            value=_value(item.get("Raw")),
            commit=_text(where.get("commit")),
            author=_mail(where.get("email")),
            at=_moment(where.get("timestamp")),
            # False also stands for "not asked" and "could not ask"
            is_verified=True if item.get("Verified") is True else None,
        )

    return _Reading("trufflehog", None, None, _items(documents), row)


def _trufflehog3(documents: list[Any]) -> _Reading:
    def row(item: Any) -> Foreign:
        line = _line(item.get("line"))
        context = item.get("context") or {}
        return Foreign(
            rule=_rule(item["rule"]["id"]),
            path=_path(item["path"]),
            line=line,
            value=_value(item.get("secret")),
            context=_value(context.get(str(line))),
            severity=_severity(item["rule"].get("severity")),
            commit=_text(item.get("commit")),
            author=_mail(item.get("author")),
            at=_moment(item.get("date")),
        )

    return _Reading("trufflehog3", None, None, _items(documents), row)


def _detect_secrets(documents: list[Any]) -> _Reading:
    """Holds a plain hash of each value, which says nothing about a keyed one: such a row is known by its place only."""
    document = documents[0]
    items = [
        {"filename": name, **item} if isinstance(item, dict) else item
        for one in documents
        for name, found in one["results"].items()
        for item in (found if isinstance(found, list) else [found])
    ]

    def row(item: Any) -> Foreign:
        if item.get("is_secret") is False:
            raise _SetAside("called no secret by whoever audited it")
        return Foreign(
            rule=_rule(item["type"]),
            path=_path(item["filename"]),
            line=_line(item.get("line_number")),
            is_verified=True if item.get("is_verified") is True else None,
        )

    version = _text(document.get("version"))
    return _Reading("detect-secrets", version, _moment(document.get("generated_at")), items, row)


def _gitguardian(documents: list[Any]) -> _Reading:
    items: list[Any] = []
    for document in documents:
        scans = [document]
        while scans:
            scan = scans.pop()
            scans += [inner for inner in scan.get("scans") or [] if isinstance(inner, dict)]
            entities = [one for one in scan.get("entities_with_incidents") or [] if isinstance(one, dict)]
            items += [(scan, entity, found) for entity in entities for found in entity.get("incidents") or []]
    version = next((_text(d.get("secrets_engine_version")) for d in documents), None)

    def row(item: Any) -> Foreign:
        scan, entity, incident = item
        if incident.get("ignore_reason") is not None:
            raise _SetAside("ignored there")
        occurrences = incident["occurrences"]
        # of several parts, the one that is the secret; the others are hosts, names and ids
        part = max(occurrences, key=lambda one: (_weight(str(one.get("type", ""))), len(str(one.get("match", "")))))
        extra = scan.get("extra_info") or {}
        is_commit = scan.get("type") == "commit"
        return Foreign(
            rule=_rule(incident["type"]),
            path=_path(entity["filename"]),
            line=_line(part.get("line_start") or part.get("post_line_start")),
            value=_value(part.get("match")),
            commit=_text(scan.get("id")) if is_commit else None,
            author=_text(extra.get("email")),
            at=_moment(extra.get("date")),
            is_verified={"valid": True, "invalid": False}.get(str(incident.get("validity"))),
        )

    return _Reading("ggshield", version, None, items, row)


def _weight(part: str) -> int:
    return 2 if re.search(r"secret|password|apikey|token|key", part) and "id" not in part.split("_") else 1


def _kingfisher(documents: list[Any]) -> _Reading:
    def row(item: Any) -> Foreign:
        rule, found = item["rule"], item["finding"]
        commit = (found.get("git_metadata") or {}).get("commit") or {}
        person = commit.get("author") or commit.get("committer") or {}
        return Foreign(
            rule=_rule(rule["id"]),
            path=_path(found["path"]),
            line=_line(found.get("line")),
            value=_value(found.get("snippet")),
            commit=_text(commit.get("id")),
            author=_text(person.get("email")),
            at=_moment(commit.get("date")),
            is_verified=_outcome((found.get("validation") or {}).get("status")),
        )

    return _Reading("kingfisher", None, None, list(_captures(_items(documents))), row)


def _captures(items: list[Any]) -> Iterator[Any]:
    """Each finding, and each value that it found beside, such as the secret of a key id."""
    for item in items:
        yield item
        found: Any = item.get("finding") if isinstance(item, dict) else None
        beside = found.get("dependent_captures") if isinstance(found, dict) else None
        for name, value in beside.items() if isinstance(beside, dict) else ():
            yield {"rule": {"id": name}, "finding": {**found, "snippet": value}}


def _betterleaks(documents: list[Any]) -> _Reading:
    def row(item: Any) -> Foreign:
        said, match, where = item.get("attributes") or {}, item["match"], item["location"]
        return Foreign(
            rule=_rule(item["rule_id"]),
            path=_path(where["path"]),
            line=_line(where.get("start_line")),
            value=_value(match.get("value")),
            context=_value(match.get("full")),
            commit=_text(said.get("git.sha")),
            author=_text(said.get("git.author_email")),
            at=_moment(said.get("git.date")),
            is_verified=_outcome((item.get("validation") or {}).get("status")),
        )

    return _Reading("betterleaks", None, None, list(_components(_items(documents))), row)


def _components(items: list[Any]) -> Iterator[Any]:
    """Each finding, and each that belongs to it, such as the secret of a key id."""
    for item in items:
        yield item
        sets = item.get("component_sets") if isinstance(item, dict) else None
        for one in sets if isinstance(sets, list) else ():
            for part in one.get("components") or [] if isinstance(one, dict) else ():
                yield {**item, **part} if isinstance(part, dict) else part


def _github(documents: list[Any]) -> _Reading:
    """Alerts of GitHub's secret scanning, each with the first place of its secret."""

    def row(item: Any) -> Foreign:
        if item["state"] != "open":
            raise _SetAside("resolved there")
        where = item.get("first_location_detected") or {}
        return Foreign(
            rule=_rule(item["secret_type"]),
            path=_path(where.get("path")),
            line=_line(where.get("start_line")),
            value=_value(item.get("secret")),
            commit=_text(where.get("commit_sha")),
            is_verified={"active": True, "inactive": False}.get(str(item.get("validity"))),
        )

    return _Reading("github", None, None, _items(documents), row)


_OTHERS: Final[Mapping[str, Callable[[list[Any]], _Reading]]] = {
    "gitleaks": _gitleaks,
    "trufflehog": _trufflehog,
    "trufflehog3": _trufflehog3,
    "detect-secrets": _detect_secrets,
    "gitguardian": _gitguardian,
    "kingfisher": _kingfisher,
    "betterleaks": _betterleaks,
    "github": _github,
}


def _sarif(path: Path, document: Any) -> Iterator[_Reading]:
    for number, run in enumerate(document["runs"], start=1):
        try:
            driver = run["tool"]["driver"]
            name = str(driver["name"])
            results = run.get("results") or []
            rules = {str(rule["id"]): rule for rule in driver.get("rules") or []}
        except (KeyError, TypeError, AttributeError) as error:
            raise _broken(path, f"run {number} names no tool") from error
        items = [(result, place) for result in results for place in _places(result)]
        at = next((_moment(i.get("endTimeUtc") or i.get("startTimeUtc")) for i in run.get("invocations") or []), None)
        version = _text(driver.get("semanticVersion") or driver.get("version"))
        yield _Reading(name.lower()[:100], version, at, items, _sarif_row(name.lower(), rules, run))


def _places(result: Any) -> list[Any]:
    places = result.get("locations") if isinstance(result, dict) else None
    return places if isinstance(places, list) and places else [None]


def _sarif_row(tool: str, rules: Mapping[str, Any], run: Any) -> Callable[[Any], Foreign]:
    def row(item: Any) -> Foreign:
        result, place = item
        named = result.get("ruleId") or (result.get("rule") or {}).get("id")
        if named is None and isinstance(result.get("ruleIndex"), int):
            named = run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"]
        rule = rules.get(str(named), {})
        _check_open(result)
        if tool not in _SECRET_TOOLS | _OTHER_SECRET_TOOLS and not _is_about_secrets(str(named), rule):
            raise _SetAside("not about secrets")
        if place is None:
            raise _Unusable("without a place")
        physical = place["physicalLocation"]
        region = physical.get("region") or {}
        snippet = (region.get("snippet") or {}).get("text")
        around = ((physical.get("contextRegion") or {}).get("snippet") or {}).get("text")
        marks, said = result.get("partialFingerprints") or {}, result.get("properties") or {}
        inside = said if tool == "nhiscan" else place.get("properties") or {}
        ours = marks.get("nhiscanValue/v1")
        return Foreign(
            rule=_rule(named),
            path=_path(_uri(physical["artifactLocation"], run)),
            line=_line(region.get("startLine")),
            value=_value(snippet) if tool in _SECRET_TOOLS else None,
            context=_value(around or snippet),
            fingerprint=ours if tool == "nhiscan" and re.fullmatch("[0-9a-f]{32}", str(ours)) else None,
            severity=_LEVELS.get(str(result.get("level"))) if tool not in _SECRET_TOOLS else None,
            commit=_text(marks.get("commitSha") or inside.get("firstCommit")),
            author=_text(marks.get("email") or inside.get("author")),
            at=_moment(marks.get("date") or inside.get("firstCommitAt")),
            is_verified=_sarif_verified(result, inside),
        )

    return row


_LEVELS: Final = {"error": "high", "warning": "medium", "note": "low"}


def _check_open(result: Any) -> None:
    """A result that its own tool does not count any more is none for us either."""
    if any(said.get("status", "accepted") == "accepted" for said in result.get("suppressions") or []):
        raise _SetAside("suppressed there")
    if result.get("baselineState") == "absent":
        raise _SetAside("gone by then")
    if result.get("kind", "fail") not in ("fail", "open", "review"):
        raise _SetAside("passed there")


def _is_about_secrets(named: str, rule: Mapping[str, Any]) -> bool:
    tags = " ".join(map(str, (rule.get("properties") or {}).get("tags") or []))
    title = str((rule.get("shortDescription") or {}).get("text", ""))
    return bool(_SECRET_CWES.search(tags) or _SECRET_WORDS.search(f"{named} {title}"))


def _sarif_verified(result: Any, inside: Mapping[str, Any]) -> bool | None:
    if str((result.get("message") or {}).get("text", "")).startswith("Found verified result"):  # trufflehog
        return True
    return _outcome(inside.get("validation_status"))


def _uri(artifact: Any, run: Any) -> str | None:
    uri = artifact.get("uri")
    if uri is None and isinstance(artifact.get("index"), int):
        uri = run["artifacts"][artifact["index"]]["location"]["uri"]
    if uri is None:
        return None
    parts = urlsplit(uri)
    return unquote(parts.path if parts.scheme == "file" else uri, errors="surrogateescape")


def _outcome(status: Any) -> bool | None:
    """The words of kingfisher and betterleaks for what a provider said to a value."""
    words = str(status).lower()
    if words in ("active credential", "active", "valid", "verified_active"):
        return True
    return False if words in ("inactive credential", "inactive", "invalid", "revoked", "verified_inactive") else None


def _rule(value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise _Unusable("without a rule")
    return _cut(value.strip())


def _path(value: Any) -> str:
    if not isinstance(value, str) or not value.strip("./"):
        raise _Unusable("without a file")
    path = value.removeprefix("file://")
    while path.startswith("./"):
        path = path[2:].lstrip("/")
    return _cut(path)


def _line(value: Any) -> int | None:
    """None where there is none; several scanners write 0 then."""
    if isinstance(value, str) and value.isdecimal() and len(value) < _DIGITS:
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**31 else None


_DIGITS: Final = 11


def _value(value: Any) -> Secret | None:
    return Secret(value) if isinstance(value, str) and value.strip() and not _MASKED.search(value) else None


def _severity(value: Any) -> str | None:
    word = str(value).lower()
    return word if word in ("critical", "high", "medium", "low") else None


def _text(value: Any) -> str | None:
    return _cut(value.strip()) if isinstance(value, str) and value.strip() else None


def _mail(value: Any) -> str | None:
    """`Name <mail>` -> mail."""
    text = _text(value)
    found = _MAIL.search(text) if text else None
    return found[1] if found else text


def _cut(text: str) -> str:
    return text[:_LONGEST]


def _moment(value: Any) -> datetime | None:
    """A time in one of the scanners' spellings; without a zone it is UTC, None where it cannot be read."""
    if not isinstance(value, str):
        return None
    if found := _TIME.match(value):
        zone = (found[3] or "Z").replace("UTC", "Z")
        return _parsed(lambda: datetime.fromisoformat(f"{found[1]}T{found[2]}{zone}"))
    return _parsed(lambda: datetime.fromisoformat(value)) or _parsed(lambda: datetime.strptime(value, _GIT_TIME))


def _parsed(read: Callable[[], datetime]) -> datetime | None:
    try:
        moment = read()
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
