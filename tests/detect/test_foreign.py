"""Each scanner's file in the shape that scanner writes; values are made up at run time."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fixtures.filled import filled
from nhiscan.cli_secrets import FOREIGN
from nhiscan.detect.results import foreign
from nhiscan.detect.results.foreign import Export
from nhiscan.detect.results.foreign_rows import Foreign
from nhiscan.errors import ConfigError

VALUE = filled("ghp_<<crc32:[A-Za-z0-9]{30}>>")
SHA = "c0ffee" + "0" * 34
AT = datetime(2025, 3, 1, 9, 30, tzinfo=UTC)

GITLEAKS = {
    "RuleID": "github-pat",
    "Description": "a token",
    "StartLine": 7,
    "EndLine": 7,
    "StartColumn": 9,
    "EndColumn": 48,
    "Match": f'token = "{VALUE}"',
    "Secret": VALUE,
    "File": "src/app.py",
    "SymlinkFile": "",
    "Commit": SHA,
    "Entropy": 4.7,
    "Author": "Dev",
    "Email": "dev@acme.example",
    "Date": "2025-03-01T09:30:00Z",
    "Message": "wip",
    "Tags": [],
    "Fingerprint": f"{SHA}:src/app.py:github-pat:7",
}
TRUFFLEHOG = {
    "SourceMetadata": {
        "Data": {
            "Git": {
                "commit": SHA,
                "file": "src/app.py",
                "email": "Dev <dev@acme.example>",
                "repository": "https://git.acme.example/shop.git",
                "timestamp": "2025-03-01 10:30:00 +0100",
                "line": 7,
            }
        }
    },
    "SourceID": 1,
    "SourceType": 16,
    "SourceName": "trufflehog - git",
    "DetectorType": 8,
    "DetectorName": "Github",
    "DecoderName": "PLAIN",
    "Verified": True,
    "Raw": VALUE,
    "RawV2": "",
    "Redacted": "",
    "ExtraData": {"username": "dev"},
    "StructuredData": None,
}
TRUFFLEHOG3 = {
    "rule": {"id": "github.token", "message": "token", "pattern": "ghp_.*", "severity": "HIGH"},
    "path": "src/app.py",
    "line": "7",
    "secret": VALUE,
    "context": {"7": f'token = "{VALUE}"'},
    "id": "3e9d00af-7e0f-3fce-a2c7-21b7606c5f20",
    "branch": "main",
    "message": "wip",
    "author": "Dev <dev@acme.example>",
    "commit": SHA,
    "date": "2025-03-01T09:30:00+00:00",
}
DETECT_SECRETS = {
    "version": "1.5.0",
    "plugins_used": [{"name": "GitHubTokenDetector"}],
    "filters_used": [],
    "results": {
        "src/app.py": [
            {
                "type": "GitHub Token",
                "filename": "src/app.py",
                "hashed_secret": "0" * 40,
                "is_verified": False,
                "line_number": 7,
            }
        ]
    },
    "generated_at": "2025-03-01T09:30:00Z",
}
GITGUARDIAN = {
    "id": SHA,
    "type": "scan",
    "total_incidents": 1,
    "total_occurrences": 1,
    "secrets_engine_version": "2.140.0",
    "scans": [
        {
            "id": SHA,
            "type": "commit",
            "total_incidents": 1,
            "total_occurrences": 1,
            "extra_info": {"author": "Dev", "email": "dev@acme.example", "date": "Sat Mar 1 09:30:00 2025 +0000"},
            "entities_with_incidents": [
                {
                    "mode": "NEW",
                    "filename": "src/app.py",
                    "total_incidents": 1,
                    "total_occurrences": 1,
                    "incidents": [
                        {
                            "policy": "Secrets detection",
                            "type": "GitHub Token",
                            "validity": "valid",
                            "ignore_sha": "0" * 64,
                            "total_occurrences": 1,
                            "incident_url": "",
                            "known_secret": False,
                            "occurrences": [
                                {
                                    "match": VALUE,
                                    "type": "apikey",
                                    "line_start": 7,
                                    "line_end": 7,
                                    "index_start": 9,
                                    "index_end": 48,
                                }
                            ],
                        }
                    ],
                }
            ],
        }
    ],
}
KINGFISHER = {
    "findings": [
        {
            "rule": {"name": "github-pat", "id": "kingfisher.github.1"},
            "finding": {
                "snippet": VALUE,
                "fingerprint": "123",
                "confidence": "medium",
                "entropy": "4.7",
                "validation": {"status": "Active Credential", "response": "..."},
                "language": "Python",
                "line": 7,
                "column_start": 9,
                "column_end": 48,
                "path": "./src/app.py",
                "git_metadata": {
                    "repository_url": ".",
                    "commit": {
                        "id": SHA,
                        "date": "2025-03-01T09:30:00Z",
                        "committer": {"name": "Dev", "email": "dev@acme.example"},
                    },
                },
            },
        }
    ]
}
BETTERLEAKS = {
    "schema_version": "1",
    "findings": [
        {
            "rule_id": "github-pat",
            "confidence": "high",
            "match": {"full": f'token = "{VALUE}"', "value": VALUE, "fingerprint": "0" * 64},
            "attributes": {
                "git.author_email": "dev@acme.example",
                "git.date": "2025-03-01T09:30:00Z",
                "git.sha": SHA,
            },
            "location": {"path": "src/app.py", "start_line": 7, "end_line": 7},
            "validation": {"status": "valid"},
        }
    ],
}
GITHUB = {
    "number": 42,
    "created_at": "2025-03-02T00:00:00Z",
    "state": "open",
    "resolution": None,
    "secret_type": "github_personal_access_token",
    "secret": VALUE,
    "validity": "active",
    "first_location_detected": {"path": "src/app.py", "start_line": 7, "end_line": 7, "commit_sha": SHA},
}
SARIF_RESULT = {
    "ruleId": "github-pat",
    "message": {"text": "found"},
    "locations": [
        {
            "physicalLocation": {
                "artifactLocation": {"uri": "src/app%20two.py"},
                "region": {"startLine": 7, "startColumn": 9, "snippet": {"text": VALUE}},
            }
        }
    ],
    "partialFingerprints": {"commitSha": SHA, "email": "dev@acme.example", "date": "2025-03-01T09:30:00Z"},
}


def sarif(result: Any = SARIF_RESULT, tool: str = "gitleaks", rules: Any = ()) -> dict[str, Any]:
    driver = {"name": tool, "semanticVersion": "v8.0.0", "rules": list(rules)}
    return {"version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": [result]}]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "export.json"


def export(file: Path, *documents: Any, form: str = "auto") -> Export:
    file.write_text("\n".join(d if isinstance(d, str) else json.dumps(d) for d in documents), encoding="utf-8")
    (found,) = foreign.read(file, form)
    return found


def row(file: Path, *documents: Any) -> Foreign:
    (found,) = export(file, *documents).rows
    return found


SHAPES = {
    "gitleaks": [GITLEAKS],
    "trufflehog": TRUFFLEHOG,
    "trufflehog3": [TRUFFLEHOG3],
    "ggshield": GITGUARDIAN,
    "kingfisher": KINGFISHER,
    "betterleaks": BETTERLEAKS,
}


@pytest.mark.parametrize("tool", SHAPES)
def test_a_scanners_file_is_known_by_what_it_holds(tool: str, file: Path) -> None:
    found = export(file, SHAPES[tool])
    assert (found.tool, found.unusable, found.set_aside) == (tool, {}, {})
    (only,) = found.rows
    assert (only.path, only.line, only.commit, only.author, only.at) == ("src/app.py", 7, SHA, "dev@acme.example", AT)
    assert only.value is not None
    assert only.value.reveal() == VALUE


@pytest.mark.parametrize("tool", ["trufflehog", "ggshield", "kingfisher", "betterleaks"])
def test_what_a_scanner_tried_at_the_provider_is_taken_over(tool: str, file: Path) -> None:
    assert row(file, SHAPES[tool]).is_verified is True


def test_what_trufflehog_could_not_verify_stays_open(file: Path) -> None:
    assert row(file, {**TRUFFLEHOG, "Verified": False}).is_verified is None


def test_a_baseline_of_detect_secrets_tells_places_and_no_values(file: Path) -> None:
    found = export(file, DETECT_SECRETS)
    assert (found.tool, found.version, found.at) == ("detect-secrets", "1.5.0", AT)
    (only,) = found.rows
    assert (only.rule, only.path, only.line, only.value) == ("GitHub Token", "src/app.py", 7, None)


def test_what_an_audit_called_no_secret_is_set_aside(file: Path) -> None:
    (entry,) = DETECT_SECRETS["results"]["src/app.py"]  # type: ignore[index] # a literal of mixed types
    audited = {**DETECT_SECRETS, "results": {"src/app.py": [{**entry, "is_secret": False}]}}
    found = export(file, audited)
    assert (found.rows, found.set_aside) == ((), {"called no secret by whoever audited it": 1})


def test_lines_of_trufflehog_are_read_beside_lines_of_its_log(file: Path) -> None:
    log = {"level": "info-0", "ts": "2025-03-01T09:30:00Z", "logger": "trufflehog", "msg": "finished scanning"}
    assert len(export(file, log, TRUFFLEHOG, TRUFFLEHOG, log).rows) == 2


def test_lines_of_kingfisher_are_read_one_by_one(file: Path) -> None:
    assert len(export(file, KINGFISHER["findings"][0], KINGFISHER["findings"][0]).rows) == 2


def test_a_value_found_beside_another_one_is_a_finding_of_its_own(file: Path) -> None:
    beside = filled("<<[A-Za-z0-9]{40}>>")
    finding: Any = KINGFISHER["findings"][0]
    paired = {**finding, "finding": {**finding["finding"], "dependent_captures": {"AWS_SECRET_ACCESS_KEY": beside}}}
    found = export(file, {"findings": [paired]})
    assert [(r.rule, r.value and r.value.reveal()) for r in found.rows][1] == ("AWS_SECRET_ACCESS_KEY", beside)
    part = {"rule_id": "aws-secret-access-key", "match": {"value": beside}, "location": {"path": "b", "start_line": 2}}
    leak = {**BETTERLEAKS["findings"][0], "component_sets": [{"components": [part]}]}  # type: ignore[dict-item] # likewise
    found = export(file, {"schema_version": "1", "findings": [leak]})
    assert [(r.rule, r.path, r.commit) for r in found.rows][1] == ("aws-secret-access-key", "b", SHA)


def test_alerts_of_github_are_read_with_the_first_place_of_each(file: Path) -> None:
    closed = {**GITHUB, "state": "resolved", "resolution": "false_positive"}
    elsewhere = {**GITHUB, "first_location_detected": {"issue_title_url": "https://api.github.example/issues/1"}}
    found = export(file, [GITHUB, closed, elsewhere])
    assert (found.tool, found.set_aside, found.unusable) == ("github", {"resolved there": 1}, {"without a file": 1})
    (only,) = found.rows
    assert (only.path, only.line, only.commit, only.is_verified) == ("src/app.py", 7, SHA, True)
    assert only.value is not None


def test_sarif_of_a_secrets_scanner_holds_the_value_in_its_snippet(file: Path) -> None:
    found = export(file, sarif())
    assert (found.tool, found.version) == ("gitleaks", "v8.0.0")
    (only,) = found.rows
    assert (only.path, only.line, only.commit, only.author, only.at) == (
        "src/app two.py",
        7,
        SHA,
        "dev@acme.example",
        AT,
    )
    assert only.value is not None
    assert only.value.reveal() == VALUE


@pytest.mark.parametrize(
    ("rule", "is_taken"),
    [
        ({"id": "python.lang.sql", "properties": {"tags": ["CWE-89: SQL Injection"]}}, False),
        ({"id": "python.lang.x", "properties": {"tags": ["CWE-798: Use of Hard-coded Credentials"]}}, True),
        ({"id": "generic.secrets.detected-github-token"}, True),
        ({"id": "js/7", "shortDescription": {"text": "Hard-coded password"}}, True),
    ],
)
def test_of_a_scanner_for_all_flaws_only_secrets_are_taken(rule: Any, is_taken: bool, file: Path) -> None:
    found = export(file, sarif({**SARIF_RESULT, "ruleId": rule["id"]}, tool="Semgrep OSS", rules=[rule]))
    assert len(found.rows) == is_taken
    assert found.set_aside == ({} if is_taken else {"not about secrets": 1})
    assert not [only for only in found.rows if only.value is not None], "its snippet is a line of code, not a value"


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"suppressions": [{"kind": "external"}]}, "suppressed there"),
        ({"baselineState": "absent"}, "gone by then"),
        ({"kind": "pass"}, "passed there"),
    ],
)
def test_a_result_that_is_closed_there_is_set_aside(change: Any, why: str, file: Path) -> None:
    found = export(file, sarif({**SARIF_RESULT, **change}))
    assert (found.rows, found.set_aside) == ((), {why: 1})


def test_a_suppression_under_review_does_not_close_a_result(file: Path) -> None:
    still = {**SARIF_RESULT, "suppressions": [{"kind": "external", "status": "underReview"}]}
    assert len(export(file, sarif(still)).rows) == 1


def test_runs_of_two_tools_are_two_exports(file: Path) -> None:
    both = sarif()
    both["runs"] += sarif(tool="kingfisher")["runs"]
    file.write_text(json.dumps(both))
    assert [found.tool for found in foreign.read(file)] == ["gitleaks", "kingfisher"]


@pytest.mark.parametrize(
    "masked",
    ["REDACTED", "ghp_****************zA9b", "ghp_Abc...", "[REDACTED:1f3a]", "ghp_Ab…", "********", "xxxxxxxx", ""],
)
def test_a_masked_value_is_none(masked: str, file: Path) -> None:
    only = row(file, [{**GITLEAKS, "Secret": masked, "Match": f"token = {masked}"}])
    assert only.value is None
    assert (only.path, only.commit) == ("src/app.py", SHA)


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2025-03-01T09:30:00Z", AT),
        ("2025-03-01T10:30:00.123+01:00", AT),
        ("2025-03-01 10:30:00 +0100", AT),
        ("2025-03-01 09:30:00 UTC", AT),
        ("2025-03-01 09:30:00", AT),
        ("Sat Mar 1 10:30:00 2025 +0100", AT),
        ("2025-03-01", datetime(2025, 3, 1, tzinfo=UTC)),
        ("10-19-2003", None),
        ("9999-99-99T00:00:00Z", None),
        ("0001-01-01T00:00:00+23:59", None),
        (None, None),
        (17, None),
    ],
)
def test_a_time_is_read_in_each_scanners_spelling(text: Any, at: datetime | None, file: Path) -> None:
    assert row(file, [{**GITLEAKS, "Date": text}]).at == at


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"File": ""}, "without a file"),
        ({"File": None}, "without a file"),
        ({"File": 7}, "without a file"),
        ({"RuleID": ""}, "without a rule"),
    ],
)
def test_a_row_that_says_too_little_is_counted(change: Any, why: str, file: Path) -> None:
    found = export(file, [GITLEAKS, {**GITLEAKS, **change}])
    assert (len(found.rows), found.unusable) == (1, {why: 1})


@pytest.mark.parametrize("data", [{"Data": {}}, {"Data": {"Git": {}, "Github": {}}}, {"Data": None}, None, []])
def test_a_row_of_another_shape_is_counted_and_ends_nothing(data: Any, file: Path) -> None:
    found = export(file, TRUFFLEHOG, {**TRUFFLEHOG, "SourceMetadata": data})
    assert len(found.rows) == 1
    assert sum(found.unusable.values()) == 1


@pytest.mark.parametrize("line", [0, -1, None, "x", "9" * 5_000, True, 1.5, 2**40])
def test_a_line_that_is_none_is_not_made_up(line: Any, file: Path) -> None:
    assert row(file, [{**GITLEAKS, "StartLine": line}]).line is None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("   \n", "is empty"),
        ("no json", "is damaged: no JSON from line 1 on"),
        (json.dumps([GITLEAKS])[:-40], "is damaged: no JSON from line 1 on"),
        (json.dumps(TRUFFLEHOG) + "\n" + json.dumps(TRUFFLEHOG)[:-40], "is damaged: cut off in line 2"),
        (json.dumps(TRUFFLEHOG) + "\nbye\n" + json.dumps(TRUFFLEHOG), "is damaged: line 2 is no JSON"),
        ("[" * 100_000, "nested too deeply"),
        ("3", "it holds a single value"),
        ("[]", "it holds an empty list"),
        ("{}", "it holds objects with nothing in them"),
        ('{"name": "shop", "version": "1"}', "it holds objects with name, version"),
        ('[{"id": 1}]', "it holds a list of objects with id"),
        (json.dumps([GITLEAKS, TRUFFLEHOG3]), "it holds a list of gitleaks and trufflehog3"),
        (json.dumps(TRUFFLEHOG) + "\n" + json.dumps(KINGFISHER), "it holds kingfisher, trufflehog"),
        ('{"runs": [{"results": []}]}', "run 1 names no tool"),
        (json.dumps({"level": "info", "msg": "done"}), "nothing but log lines"),
    ],
)
def test_a_file_that_is_none_of_these_is_named_with_what_was_seen(text: str, words: str, file: Path) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError, match=words.replace("[", r"\[")) as raised:
        foreign.read(file)
    assert VALUE not in raised.value.message + raised.value.hint


def test_an_empty_list_is_a_clean_result_of_the_scanner_that_is_named(file: Path) -> None:
    found = export(file, "[]", form="gitleaks")
    assert (found.tool, found.rows) == ("gitleaks", ())


def test_a_format_that_the_file_is_not_of_is_refused(file: Path) -> None:
    with pytest.raises(ConfigError, match="looks like gitleaks, not like trufflehog3"):
        export(file, [GITLEAKS], form="trufflehog3")


def test_an_export_without_a_date_is_as_old_as_its_file(file: Path) -> None:
    file.write_text(json.dumps([GITLEAKS]))
    os.utime(file, (AT.timestamp(), AT.timestamp()))
    assert foreign.read(file)[0].at == AT


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-8", "utf-16", "utf-16-le"])  # PowerShell writes UTF-16
def test_a_byte_order_mark_or_utf_16_is_no_damage(encoding: str, file: Path) -> None:
    file.write_text(json.dumps([GITLEAKS]), encoding=encoding)
    assert len(foreign.read(file)[0].rows) == 1


def test_no_value_shows_in_what_was_read(file: Path) -> None:
    for document in (*SHAPES.values(), sarif()):
        assert VALUE not in repr(export(file, document))


def test_the_command_offers_every_format() -> None:
    assert ("auto", *foreign.FORMATS) == FOREIGN


@pytest.mark.parametrize(
    "document",
    [
        {"runs": [{"tool": {"driver": {"name": "x"}}, "invocations": ["soon"]}]},
        {"runs": [{"tool": {"driver": {"name": "x"}}, "results": 7}]},
        {"total_incidents": 1, "scans": 7},
        {"total_incidents": 1, "entities_with_incidents": [{"incidents": 7}]},
    ],
)
def test_a_file_of_another_build_is_no_defect(document: Any, file: Path) -> None:
    file.write_text(json.dumps(document))
    try:
        (found,) = foreign.read(file)
    except ConfigError as error:
        assert "is damaged: it is not built as" in error.message
    else:
        assert sum(found.unusable.values()) == 1


def test_every_baseline_of_a_file_counts(file: Path) -> None:
    baselines = [{"plugins_used": [], "results": {name: [{"type": "x"}]}} for name in ("a", "b")]
    file.write_text("\n".join(map(json.dumps, baselines)))
    (found,) = foreign.read(file)
    assert [row.path for row in found.rows] == ["a", "b"]
