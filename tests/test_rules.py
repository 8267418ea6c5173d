"""The one runner of every rule: its cases, and what coverage allows it to say."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

from nhiscan import check
from nhiscan.check import trial
from nhiscan.check.trial import CaseResult

RULES = check.load()
BY_ID = {rule.rule_id: rule for rule in RULES}


Outcomes = set[tuple[str, str, str]]


@cache
def judged(rule_id: str) -> dict[str | None, Outcomes]:
    """(case, subject, outcome) with everything covered (None) and without each dataset alone that the rule names."""
    rule = BY_ID[rule_id]
    found: dict[str | None, Outcomes] = {dataset: set() for dataset in (None, *rule.needs, *rule.absence)}
    for case in rule.cases["case"]:
        if "coverage" in case:  # the case is about coverage itself
            continue
        with trial.opened_case(rule, {"as_of": rule.cases["as_of"], **case}) as con:
            for dataset in found:
                con.execute(
                    "update coverage set status = case when dataset = ? then 'denied' else 'complete' end", [dataset]
                )
                outcomes = trial.outcomes(con, rule, case.get("params", {}))
                found[dataset] |= {(case["name"], subject, outcome) for subject, outcome in outcomes.items()}
    return found


def turned(found: Outcomes, outcome: str) -> Outcomes:
    return {(case, subject, "unknown") for case, subject, was in found if was == outcome}


@pytest.mark.parametrize("rule_id", sorted(BY_ID))
def test_a_rule_says_what_its_cases_expect(rule_id: str) -> None:
    results = trial.run(BY_ID[rule_id])
    assert [result for result in results if result.problems] == []


@pytest.mark.parametrize("rule_id", sorted(rule.rule_id for rule in RULES if rule.needs))
def test_nothing_passes_without_a_dataset_that_a_pass_needs(rule_id: str) -> None:
    rule = BY_ID[rule_id]
    found = judged(rule_id)
    passes = turned(found[None], "pass")
    assert passes
    for dataset in rule.needs:
        assert passes <= found[dataset], dataset


@pytest.mark.parametrize("rule_id", sorted(rule.rule_id for rule in RULES if rule.absence))
def test_nothing_fails_without_a_dataset_that_a_fail_rests_on(rule_id: str) -> None:
    rule = BY_ID[rule_id]
    found = judged(rule_id)
    fails = turned(found[None], "fail")
    assert fails
    for dataset in rule.absence:
        assert fails <= found[dataset], dataset


@pytest.mark.parametrize("rule_id", sorted(rule.rule_id for rule in RULES if not rule.absence and rule.needs))
def test_a_fail_that_was_seen_stands_although_more_was_not_read(rule_id: str) -> None:
    rule = BY_ID[rule_id]
    found = judged(rule_id)
    fails = {entry for entry in found[None] if entry[2] == "fail"}
    for dataset in rule.needs:
        assert fails <= found[dataset], dataset


def test_every_rule_stands_in_the_family_of_its_first_risk() -> None:
    number = {rule.rule_id: rule.family[3:5] for rule in RULES if rule.family.startswith("nhi")}
    first = {rule.rule_id: dict(reversed(rule.controls)).get("owasp_nhi_2025", "") for rule in RULES}
    assert {rule_id: f"NHI{int(n)}:2025" for rule_id, n in number.items()} == {i: first[i] for i in number}


TOML = """
title = "Key without a colour"
why = "It is."
fix = "Paint it."
severity = "low"
confidence = 0.9
exposure = 0.5
subject = "credential"
needs = ["credentials"]
message = "{subject_id} has no colour"
refuted_by = "a colour"
[controls]
owasp_nhi_2025 = ["NHI-07"]
"""
QUERY = "select c.credential_id as subject_id, c.tenant_id, c.kind as outcome from credential_facts c"
FOUR_KINDS = """
as_of = 2026-01-31T00:00:00Z
[[case]]
kind = "fires"
name = "fires"
credential_facts = [{ credential_id = "k", tenant_id = "t", kind = "fail" }]
expect = { k = "fail" }
[[case]]
kind = "silent"
name = "silent"
credential_facts = [{ credential_id = "k", tenant_id = "t", kind = "pass" }]
expect = { k = "pass" }
[[case]]
kind = "boundary"
name = "boundary"
credential_facts = [{ credential_id = "k", tenant_id = "t", kind = "pass" }]
expect = { k = "pass" }
[[case]]
kind = "unknown"
name = "unknown"
credential_facts = [{ credential_id = "k", tenant_id = "t", kind = "unknown" }]
expect = { k = "unknown" }
"""


def problems(tmp_path: Path, cases_toml: str, query: str = QUERY) -> list[CaseResult]:
    folder = tmp_path / "pack" / "nhi07-long-lived-secrets" / "life-key-colourless"
    folder.mkdir(parents=True)
    (folder / "rule.toml").write_text(TOML)
    (folder / "query.sql").write_text(query)
    (folder / "cases.toml").write_text(cases_toml)
    (rule,) = check.load([tmp_path / "pack"])
    return [result for result in trial.run(rule) if result.problems]


def test_four_kinds_of_case_are_enough(tmp_path: Path) -> None:
    assert problems(tmp_path, FOUR_KINDS) == []


@pytest.mark.parametrize("kind", trial.KINDS)
def test_a_missing_kind_of_case_is_a_problem(tmp_path: Path, kind: str) -> None:
    fewer = FOUR_KINDS.replace(f'kind = "{kind}"\nname', 'kind = "other"\nname', 1)
    assert "kinds of case" in {result.case for result in problems(tmp_path, fewer)}


def test_a_kind_may_be_missing_with_a_reason(tmp_path: Path) -> None:
    without = FOUR_KINDS.partition('[[case]]\nkind = "unknown"')[0]
    excused = '[cases]\nunknown = "impossible: every key has a colour"\n' + without.lstrip()
    text = "as_of = 2026-01-31T00:00:00Z\n" + excused.replace("as_of = 2026-01-31T00:00:00Z\n", "", 1)
    assert problems(tmp_path, text) == []


def test_a_kind_may_not_be_missing_without_a_reason(tmp_path: Path) -> None:
    without = FOUR_KINDS.partition('[[case]]\nkind = "unknown"')[0]
    text = without.replace("Z\n", 'Z\n[cases]\nunknown = "no"\n', 1)
    assert [result.case for result in problems(tmp_path, text)] == ["kinds of case"]


def test_a_subject_that_no_case_expects_is_a_problem(tmp_path: Path) -> None:
    row = '{ credential_id = "k", tenant_id = "t", kind = "fail" }'
    other = '{ credential_id = "x", tenant_id = "t", kind = "pass" }'
    extra = FOUR_KINDS.replace(row, f"{row}, {other}")
    assert problems(tmp_path, extra)[0].problems == ("x: expected not applicable, got pass",)


def test_a_subject_that_is_not_judged_is_a_problem(tmp_path: Path) -> None:
    missing = FOUR_KINDS.replace('expect = { k = "fail" }', 'expect = { k = "fail", gone = "fail" }')
    assert problems(tmp_path, missing)[0].problems == ("gone: expected fail, got not applicable",)


def test_a_case_of_a_wrong_outcome_is_a_problem(tmp_path: Path) -> None:
    wrong = FOUR_KINDS.replace('expect = { k = "fail" }', 'expect = { k = "pass" }')
    assert problems(tmp_path, wrong)[0].problems == (
        "k: expected pass, got fail",
        "a case of kind fires expects a fail",
    )


def test_a_misspelt_table_in_a_case_is_a_problem(tmp_path: Path) -> None:
    wrong = FOUR_KINDS.replace("credential_facts = ", "credental_facts = ", 1)
    assert "credential_facts" in problems(tmp_path, wrong)[0].problems[0]


def test_a_rule_that_judges_a_subject_twice_is_a_problem(tmp_path: Path) -> None:
    twice = f"{QUERY} union all {QUERY}"
    assert problems(tmp_path, FOUR_KINDS, twice)[0].problems == ("life-key-colourless: judges k more than once",)
