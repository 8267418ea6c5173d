"""The results of scanners that write JSON of their own, one reader a scanner."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from nhiscan.detect.results.foreign_rows import (
    Foreign,
    Reading,
    SetAside,
    is_valid,
    line_of,
    mail_of,
    moment_of,
    path_of,
    rule_of,
    severity_of,
    text_of,
    value_of,
)


def _items(documents: list[Any]) -> list[Any]:
    """The rows of lists, of objects with findings, and of one row a line."""
    items: list[Any] = []
    for document in documents:
        if isinstance(document, list):
            items += document
        else:
            items += document["findings"] if isinstance(document.get("findings"), list) else [document]
    return items


def _gitleaks(documents: list[Any]) -> Reading:
    def row(item: Any) -> Foreign:
        return Foreign(
            rule=rule_of(item["RuleID"]),
            path=path_of(item["File"]),
            line=line_of(item.get("StartLine")),
            value=value_of(item.get("Secret")),
            context=value_of(item.get("Match")),
            commit=text_of(item.get("Commit")),
            author=text_of(item.get("Email")),
            at=moment_of(item.get("Date")),
        )

    return Reading("gitleaks", None, None, _items(documents), row)


def _trufflehog(documents: list[Any]) -> Reading:
    def row(item: Any) -> Foreign:
        (where,) = item["SourceMetadata"]["Data"].values()
        return Foreign(
            rule=rule_of(item["DetectorName"]),
            path=path_of(where.get("file") or where.get("path") or where.get("link")),
            line=line_of(where.get("line")),
            value=value_of(item.get("Raw")),
            commit=text_of(where.get("commit")),
            author=mail_of(where.get("email")),
            at=moment_of(where.get("timestamp")),
            # False also stands for "not asked" and "could not ask"
            is_verified=True if item.get("Verified") is True else None,
        )

    return Reading("trufflehog", None, None, _items(documents), row)


def _trufflehog3(documents: list[Any]) -> Reading:
    def row(item: Any) -> Foreign:
        line = line_of(item.get("line"))
        context = item.get("context") or {}
        return Foreign(
            rule=rule_of(item["rule"]["id"]),
            path=path_of(item["path"]),
            line=line,
            value=value_of(item.get("secret")),
            context=value_of(context.get(str(line))),
            severity=severity_of(item["rule"].get("severity")),
            commit=text_of(item.get("commit")),
            author=mail_of(item.get("author")),
            at=moment_of(item.get("date")),
        )

    return Reading("trufflehog3", None, None, _items(documents), row)


def _detect_secrets(documents: list[Any]) -> Reading:
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
            raise SetAside("called no secret by whoever audited it")
        return Foreign(
            rule=rule_of(item["type"]),
            path=path_of(item["filename"]),
            line=line_of(item.get("line_number")),
            is_verified=True if item.get("is_verified") is True else None,
        )

    version = text_of(document.get("version"))
    return Reading("detect-secrets", version, moment_of(document.get("generated_at")), items, row)


def _gitguardian(documents: list[Any]) -> Reading:
    items: list[Any] = []
    for document in documents:
        scans = [document]
        while scans:
            scan = scans.pop()
            scans += [inner for inner in scan.get("scans") or [] if isinstance(inner, dict)]
            entities = [one for one in scan.get("entities_with_incidents") or [] if isinstance(one, dict)]
            items += [(scan, entity, found) for entity in entities for found in entity.get("incidents") or []]
    version = next((text_of(d.get("secrets_engine_version")) for d in documents), None)

    def row(item: Any) -> Foreign:
        scan, entity, incident = item
        if incident.get("ignore_reason") is not None:
            raise SetAside("ignored there")
        occurrences = incident["occurrences"]
        # of several parts, the one that is the secret; the others are hosts, names and ids
        part = max(occurrences, key=lambda one: (_weight(str(one.get("type", ""))), len(str(one.get("match", "")))))
        extra = scan.get("extra_info") or {}
        is_commit = scan.get("type") == "commit"
        return Foreign(
            rule=rule_of(incident["type"]),
            path=path_of(entity["filename"]),
            line=line_of(part.get("line_start") or part.get("post_line_start")),
            value=value_of(part.get("match")),
            commit=text_of(scan.get("id")) if is_commit else None,
            author=text_of(extra.get("email")),
            at=moment_of(extra.get("date")),
            is_verified={"valid": True, "invalid": False}.get(str(incident.get("validity"))),
        )

    return Reading("ggshield", version, None, items, row)


def _weight(part: str) -> int:
    return 2 if re.search(r"secret|password|apikey|token|key", part) and "id" not in part.split("_") else 1


def _kingfisher(documents: list[Any]) -> Reading:
    def row(item: Any) -> Foreign:
        rule, found = item["rule"], item["finding"]
        commit = (found.get("git_metadata") or {}).get("commit") or {}
        person = commit.get("author") or commit.get("committer") or {}
        return Foreign(
            rule=rule_of(rule["id"]),
            path=path_of(found["path"]),
            line=line_of(found.get("line")),
            value=value_of(found.get("snippet")),
            commit=text_of(commit.get("id")),
            author=text_of(person.get("email")),
            at=moment_of(commit.get("date")),
            is_verified=is_valid((found.get("validation") or {}).get("status")),
        )

    return Reading("kingfisher", None, None, list(_captures(_items(documents))), row)


def _captures(items: list[Any]) -> Iterator[Any]:
    """Each finding, and each value that it found beside, such as the secret of a key id."""
    for item in items:
        yield item
        found: Any = item.get("finding") if isinstance(item, dict) else None
        beside = found.get("dependent_captures") if isinstance(found, dict) else None
        for name, value in beside.items() if isinstance(beside, dict) else ():
            yield {"rule": {"id": name}, "finding": {**found, "snippet": value}}


def _betterleaks(documents: list[Any]) -> Reading:
    def row(item: Any) -> Foreign:
        said, match, where = item.get("attributes") or {}, item["match"], item["location"]
        return Foreign(
            rule=rule_of(item["rule_id"]),
            path=path_of(where["path"]),
            line=line_of(where.get("start_line")),
            value=value_of(match.get("value")),
            context=value_of(match.get("full")),
            commit=text_of(said.get("git.sha")),
            author=text_of(said.get("git.author_email")),
            at=moment_of(said.get("git.date")),
            is_verified=is_valid((item.get("validation") or {}).get("status")),
        )

    return Reading("betterleaks", None, None, list(_components(_items(documents))), row)


def _components(items: list[Any]) -> Iterator[Any]:
    """Each finding, and each that belongs to it, such as the secret of a key id."""
    for item in items:
        yield item
        sets = item.get("component_sets") if isinstance(item, dict) else None
        for one in sets if isinstance(sets, list) else ():
            for part in one.get("components") or [] if isinstance(one, dict) else ():
                yield {**item, **part} if isinstance(part, dict) else part


def _github(documents: list[Any]) -> Reading:
    """Alerts of GitHub's secret scanning, each with the first place of its secret."""

    def row(item: Any) -> Foreign:
        if item["state"] != "open":
            raise SetAside("resolved there")
        where = item.get("first_location_detected") or {}
        return Foreign(
            rule=rule_of(item["secret_type"]),
            path=path_of(where.get("path")),
            line=line_of(where.get("start_line")),
            value=value_of(item.get("secret")),
            commit=text_of(where.get("commit_sha")),
            is_verified={"active": True, "inactive": False}.get(str(item.get("validity"))),
        )

    return Reading("github", None, None, _items(documents), row)


READERS: Final[Mapping[str, Callable[[list[Any]], Reading]]] = {
    "gitleaks": _gitleaks,
    "trufflehog": _trufflehog,
    "trufflehog3": _trufflehog3,
    "detect-secrets": _detect_secrets,
    "gitguardian": _gitguardian,
    "kingfisher": _kingfisher,
    "betterleaks": _betterleaks,
    "github": _github,
}
