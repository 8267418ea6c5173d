"""The demo's scan must say exactly what fixtures/acme/expected.toml says: nothing missed, nothing extra."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

from nhiscan import path
from tests.demo import MAIN, Run, run_demo

ACME = Path(__file__).parents[1] / "fixtures" / "acme"
EXPECTED: dict[str, dict[str, dict[str, str]]] = tomllib.loads((ACME / "expected.toml").read_text(encoding="utf-8"))
QUARANTINE: dict[str, Any] = tomllib.loads((ACME / "quarantine.toml").read_text(encoding="utf-8"))
RULES = sorted(EXPECTED)
RUN_ID = re.compile(r"\d{8}T\d{6}Z-[0-9a-f]{4}")


def replay(folder: Path, report: Path) -> None:
    files = {"--config": folder / "nhiscan.toml", "--replay": folder / "tape", "--report": report}
    words = [sys.executable, "-c", MAIN, "scan", *(str(word) for pair in files.items() for word in pair)]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode in (0, 3), done.stderr


def test_every_rule_has_expectations(demo: Run) -> None:
    rules = demo.scan.execute("select rule_id from rules order by rule_id").fetchall()
    assert [rule for (rule,) in rules] == RULES


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_shown_failing_and_staying_silent(rule: str) -> None:
    assert EXPECTED[rule]["fail"]
    assert EXPECTED[rule]["silent"]


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_fails_exactly_the_expected_subjects(demo: Run, rule: str) -> None:
    assert demo.subjects(rule, "fail") == set(EXPECTED[rule]["fail"])


@pytest.mark.parametrize("rule", RULES)
def test_a_rule_is_unsure_of_exactly_the_expected_subjects(demo: Run, rule: str) -> None:
    assert demo.subjects(rule, "unknown") == set(EXPECTED[rule].get("unknown", {}))


def test_every_subject_and_decoy_was_really_scanned(demo: Run) -> None:
    rows = demo.scan.execute(
        """
        select identity_id from identities
        union all
        select credential_id from credentials
        union all
        select resource_id from resources
        union all
        select policy_id from policies
        union all
        select integration_id from integration_facts
        union all
        select partner_id from partners
        union all
        select tenant_id from tenants
        union all
        select setting_id from setting_facts
        union all
        select leak_id from leak_facts
        union all
        select acceptance_id from acceptances
        union all
        select value from company where kind = 'tenant'
        """
    ).fetchall()
    named = {subject for rule in EXPECTED.values() for subjects in rule.values() for subject in subjects}
    assert named - {subject for (subject,) in rows} == set()


def test_only_a_whole_acceptance_counts(demo: Run) -> None:
    rows = demo.scan.execute(
        "select rule_id, subject_id, acceptance_id from findings where status = 'accepted'"
    ).fetchall()
    assert rows == [("tp-confused-deputy-trust", "aws:111111111111:role/gletscher-billing", "A-1")]


def test_a_second_run_finds_the_same(demo: Run, tmp_path: Path) -> None:
    everything = "select finding_id, rule_id, subject_id, outcome, status, score, message from findings order by all"
    second = run_demo(tmp_path).scan
    try:
        assert second.execute(everything).fetchall() == demo.scan.execute(everything).fetchall()
    finally:
        second.close()


def test_two_replays_with_one_key_report_the_same(demo: Run, tmp_path: Path) -> None:
    """The first of them is the demo's own run."""
    folder = tmp_path / "again"
    shutil.copytree(demo.folder, folder, ignore=shutil.ignore_patterns("state"))
    (folder / "state").mkdir(mode=0o700)
    shutil.copy2(demo.folder / "state" / "fingerprint.key", folder / "state")
    replay(folder, folder / "report.html")
    first, second = (
        RUN_ID.sub("RUN", report.read_text(encoding="utf-8")) for report in (demo.report, folder / "report.html")
    )
    assert first == second


def test_every_administrator_and_whoever_becomes_one_is_explained(demo: Run) -> None:
    rows = demo.scan.execute("select identity_id from identity_facts where is_admin or admin_hops is not null")
    answers = [path.ask(demo.scan, identity_id, to=None) for (identity_id,) in rows.fetchall()]
    assert len(answers) >= 5
    for answer in answers:
        assert answer.way is not None
        assert (answer.way.certainty, answer.way.is_cut) == ("definite", False), answer.start.id
        assert all(step.evidence for step in answer.way.steps), answer.start.id
        is_rewritten = bool(answer.way.steps) and answer.way.steps[-1].is_rewriting
        assert is_rewritten or any(right.statement for right in answer.rights), answer.start.id


def test_the_report_names_the_company_and_the_worst_partner(demo: Run) -> None:
    report = demo.report.read_text(encoding="utf-8")
    assert "Acme Instruments" in report
    assert "Cobalt Analytics" in report
    assert demo.report.name in demo.stdout


def test_the_register_is_accepted_as_far_as_planned(demo: Run) -> None:
    rows = demo.scan.execute("select file, accepted, rows from register_files").fetchall()
    assert {file: [accepted, total] for file, accepted, total in rows} == QUARANTINE["accepted"]


def test_exactly_the_planted_dirt_is_quarantined(demo: Run) -> None:
    rows = demo.scan.execute("select file, line, row_dropped from quarantine order by all").fetchall()
    assert rows == sorted((cell["file"], cell["line"], cell["row"]) for cell in QUARANTINE["cells"])


def test_dirt_is_quarantined_for_the_column_that_holds_it(demo: Run) -> None:
    rows = demo.scan.execute("select file, line, field from quarantine").fetchall()
    planted = {(cell["file"], cell["line"], cell["field"]) for cell in QUARANTINE["cells"] if "field" in cell}
    assert planted - set(rows) == set()
