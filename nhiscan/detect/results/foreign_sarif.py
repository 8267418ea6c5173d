"""Findings of secrets in SARIF, which many kinds of tools write."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from nhiscan.detect.results.foreign_rows import (
    Foreign,
    Reading,
    SetAside,
    Unusable,
    broken,
    is_valid,
    line_of,
    moment_of,
    path_of,
    rule_of,
    text_of,
    value_of,
)

# A tool for all kinds of flaws says by these which of its results are about secrets.
_SECRET_CWES: Final = re.compile(r"CWE-(?:0*)(?:259|260|312|321|522|538|540|615|798)\b")
_SECRET_WORDS: Final = re.compile(
    r"secret|credential|password|passwd|token|api.?key|private.?key|hard.?coded", re.IGNORECASE
)
# Tools that look for secrets only; of these the snippet of a result is the value itself.
_SECRET_TOOLS: Final = frozenset({"gitleaks", "betterleaks", "trufflehog", "kingfisher", "noseyparker", "titus"})
_OTHER_SECRET_TOOLS: Final = frozenset({"ggshield", "nhiscan", "detect-secrets", "secretlint", "whispers", "talisman"})
_LEVELS: Final = {"error": "high", "warning": "medium", "note": "low"}


def readings(path: Path, document: Any) -> Iterator[Reading]:
    """One for each run. Raises: ConfigError where a run names no tool."""
    for number, run in enumerate(document["runs"], start=1):
        try:
            driver = run["tool"]["driver"]
            name = str(driver["name"])
            results = run.get("results") or []
            rules = {str(rule["id"]): rule for rule in driver.get("rules") or []}
        except (KeyError, TypeError, AttributeError) as error:
            raise broken(path, f"run {number} names no tool") from error
        items = [(result, place) for result in results for place in _places(result)]
        at = next((moment_of(i.get("endTimeUtc") or i.get("startTimeUtc")) for i in run.get("invocations") or []), None)
        version = text_of(driver.get("semanticVersion") or driver.get("version"))
        yield Reading(name.lower()[:100], version, at, items, _row(name.lower(), rules, run))


def _places(result: Any) -> list[Any]:
    places = result.get("locations") if isinstance(result, dict) else None
    return places if isinstance(places, list) and places else [None]


def _row(tool: str, rules: Mapping[str, Any], run: Any) -> Callable[[Any], Foreign]:
    def row(item: Any) -> Foreign:
        result, place = item
        named = result.get("ruleId") or (result.get("rule") or {}).get("id")
        if named is None and isinstance(result.get("ruleIndex"), int):
            named = run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"]
        rule = rules.get(str(named), {})
        _check_open(result)
        if tool not in _SECRET_TOOLS | _OTHER_SECRET_TOOLS and not _is_about_secrets(str(named), rule):
            raise SetAside("not about secrets")
        if place is None:
            raise Unusable("without a place")
        physical = place["physicalLocation"]
        region = physical.get("region") or {}
        snippet = (region.get("snippet") or {}).get("text")
        around = ((physical.get("contextRegion") or {}).get("snippet") or {}).get("text")
        marks, said = result.get("partialFingerprints") or {}, result.get("properties") or {}
        inside = said if tool == "nhiscan" else place.get("properties") or {}
        ours = marks.get("nhiscanValue/v1")
        return Foreign(
            rule=rule_of(named),
            path=path_of(_uri(physical["artifactLocation"], run)),
            line=line_of(region.get("startLine")),
            value=value_of(snippet) if tool in _SECRET_TOOLS else None,
            context=value_of(around or snippet),
            fingerprint=ours if tool == "nhiscan" and re.fullmatch("[0-9a-f]{32}", str(ours)) else None,
            severity=_LEVELS.get(str(result.get("level"))) if tool not in _SECRET_TOOLS else None,
            commit=text_of(marks.get("commitSha") or inside.get("firstCommit")),
            author=text_of(marks.get("email") or inside.get("author")),
            at=moment_of(marks.get("date") or inside.get("firstCommitAt")),
            is_verified=_is_verified(result, inside),
        )

    return row


def _check_open(result: Any) -> None:
    """A result that its own tool does not count any more is none for us either."""
    if any(said.get("status", "accepted") == "accepted" for said in result.get("suppressions") or []):
        raise SetAside("suppressed there")
    if result.get("baselineState") == "absent":
        raise SetAside("gone by then")
    if result.get("kind", "fail") not in ("fail", "open", "review"):
        raise SetAside("passed there")


def _is_about_secrets(named: str, rule: Mapping[str, Any]) -> bool:
    tags = " ".join(map(str, (rule.get("properties") or {}).get("tags") or []))
    title = str((rule.get("shortDescription") or {}).get("text", ""))
    return bool(_SECRET_CWES.search(tags) or _SECRET_WORDS.search(f"{named} {title}"))


def _is_verified(result: Any, inside: Mapping[str, Any]) -> bool | None:
    if str((result.get("message") or {}).get("text", "")).startswith("Found verified result"):  # trufflehog
        return True
    return is_valid(inside.get("validation_status"))


def _uri(artifact: Any, run: Any) -> str | None:
    uri = artifact.get("uri")
    if uri is None and isinstance(artifact.get("index"), int):
        uri = run["artifacts"][artifact["index"]]["location"]["uri"]
    if uri is None:
        return None
    parts = urlsplit(uri)
    return unquote(parts.path if parts.scheme == "file" else uri, errors="surrogateescape")
