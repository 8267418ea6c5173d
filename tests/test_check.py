"""Judging, scoring, history, acceptances, cases and evidence, on rules made for the test."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from nhiscan import check, store
from nhiscan.check import Rule
from nhiscan.errors import ConfigError, RuleError
from nhiscan.resolve import acceptances

AS_OF = datetime(2026, 1, 31)
TENANT = "aws:111111111111"

TOML = """
title = "Key without a colour"
why = "It is."
fix = "Paint it."
severity = "{severity}"
confidence = 0.9
exposure = 0.8
subject = "{subject}"
needs = [{needs}]
absence = [{absence}]
declared = [{declared}]
message = "{{name}} is {{shade}}"
refuted_by = "a colour"
[check_by_hand]
aws = "aws paint --name {{name}}"
[controls]
owasp_nhi_2025 = ["NHI7:2025"]
"""

# The test's rules read their outcome from a column that nothing else uses.
QUERIES = {
    "identity": (
        "select f.identity_id as subject_id, f.tenant_id, f.purpose as outcome, f.name, f.environment as shade "
        "from identity_facts f where f.purpose is not null"
    ),
    "credential": (
        "select c.credential_id as subject_id, c.tenant_id, c.environment as outcome, c.native_id as name, "
        "c.kind as shade from credential_facts c where c.environment is not null"
    ),
    "partner": (
        "select p.partner_id as subject_id, cast(null as varchar) as tenant_id, p.type as outcome, p.name, "
        "p.tier as shade from partner_facts p where p.type is not null"
    ),
}


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with store.empty() as con:
        con.execute("insert into scans (as_of) values (?)", [AS_OF])
        con.execute("insert into tenants (tenant_id, provider) values (?, 'aws')", [TENANT])
        yield con


def add(con: duckdb.DuckDBPyConnection, table: str, **row: Any) -> None:
    marks = ", ".join("?" for _ in row)
    con.execute(f"insert into {table} ({', '.join(row)}) values ({marks})", list(row.values()))


def cover(con: duckdb.DuckDBPyConnection, status: str = "complete", *datasets: str, tenant: str = TENANT) -> None:
    for dataset in datasets or ("identities", "credentials"):
        add(con, "coverage", tenant_id=tenant, dataset=dataset, status=status, reason="because", call="List")


def identity(con: duckdb.DuckDBPyConnection, name: str, outcome: str, /, **more: Any) -> None:
    row = {"identity_id": name, "tenant_id": TENANT, "provider": "aws", "name": name, "purpose": outcome}
    add(con, "identity_facts", **(row | {"level": 3, "level_high": 3, "partner_risk": 0.55} | more))


def rule(
    folder: Path,
    rule_id: str = "life-key-colourless",
    *,
    subject: str = "identity",
    severity: str = "medium",
    needs: str = "",
    absence: str = "",
    declared: str = "",
    query: str | None = None,
    toml: str = "",
    evidence: str | None = None,
) -> Rule:
    place = folder / rule_id / "pack" / "nhi07-long-lived-secrets" / rule_id
    place.mkdir(parents=True, exist_ok=True)
    quoted = {
        key: ", ".join(f'"{item}"' for item in text.split())
        for key, text in (("needs", needs), ("absence", absence), ("declared", declared))
    }
    (place / "rule.toml").write_text(TOML.format(subject=subject, severity=severity, **quoted) + toml)
    (place / "query.sql").write_text(query or QUERIES[subject])
    (place / "cases.toml").write_text("")
    if evidence is not None:
        (place / "evidence.sql").write_text(evidence)
    (found,) = check.load([folder / rule_id / "pack"])
    return found


def run(con: duckdb.DuckDBPyConnection, *rules: Rule, previous: str | None = None) -> None:
    check.run(con, rules, {}, previous)


def rows(con: duckdb.DuckDBPyConnection, sql: str) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = con.execute(sql).fetchall()
    return found


def outcomes(con: duckdb.DuckDBPyConnection) -> dict[str, str]:
    return dict(rows(con, "select subject_id, outcome from findings"))


def keep_as_previous(con: duckdb.DuckDBPyConnection, days: int = 7) -> None:
    """Turns the findings into those of a scan some days ago."""
    con.execute("create schema if not exists earlier")
    con.execute("create or replace table earlier.findings as select * from findings")
    before = AS_OF - timedelta(days=days)
    con.execute("update earlier.findings set first_seen = ?, last_seen = ?", [before, before])


def evidence(con: duckdb.DuckDBPyConnection) -> Mapping[str, str]:
    return dict(rows(con, "select label, value from finding_evidence order by seq"))


# Outcomes


def test_roles_and_settings_are_called_by_name_and_make_cases(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    add(con, "role_facts", role_id="r1", tenant_id=TENANT, name="Partner Community", kind="fail")
    add(con, "setting_facts", setting_id="s1", tenant_id=TENANT, name="sso.required", applies_to="r1", value="fail")
    kinds = {"role": "role_id as subject_id, kind", "setting": "setting_id as subject_id, value"}
    for kind, columns in kinds.items():
        query = f"select {columns} as outcome, tenant_id, name, name as shade from {kind}_facts"
        run(con, rule(tmp_path, f"life-{kind}", subject=kind, query=query))
        assert rows(con, "select subject_kind, subject_name, provider, case_id is not null from findings") == [
            (kind, {"role": "Partner Community", "setting": "sso.required of Partner Community"}[kind], "aws", True)
        ]
        assert rows(con, "select subject_kind, tenant_id from cases") == [(kind, TENANT)]


def test_fails_and_unknowns_are_stored_and_passes_counted(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    for name in ("fail", "pass", "unknown"):
        identity(con, name, name)
    run(con, rule(tmp_path))
    assert outcomes(con) == {"fail": "fail", "unknown": "unknown"}
    assert rows(con, "select provider, evaluated, failed, passed, unknown, not_assessed from rule_results") == [
        ("aws", 3, 1, 1, 1, None)
    ]


@pytest.mark.parametrize(
    "status", ["partial", "denied", "unsupported", "truncated", "not_licensed", "failed", "carried"]
)
def test_a_pass_is_unknown_where_what_it_needs_was_not_covered(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, status: str
) -> None:
    identity(con, "p", "pass")
    identity(con, "f", "fail")
    cover(con, status, "trusts")
    run(con, rule(tmp_path, needs="trusts"))
    assert outcomes(con) == {"p": "unknown", "f": "fail"}
    assert rows(con, "select uncovered from findings where subject_id = 'p'") == [("trusts",)]


@pytest.mark.parametrize("status", ["complete", "not_applicable"])
def test_a_pass_stands_where_what_it_needs_was_covered(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, status: str
) -> None:
    identity(con, "p", "pass")
    cover(con, status, "trusts")
    run(con, rule(tmp_path, needs="trusts"))
    assert outcomes(con) == {}


def test_a_dataset_of_which_nobody_said_a_word_is_not_covered(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "p", "pass")
    run(con, rule(tmp_path, needs="trusts"))
    assert outcomes(con) == {"p": "unknown"}


def test_coverage_of_one_tenant_says_nothing_about_another(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "here", "pass")
    identity(con, "there", "pass", tenant_id="aws:222222222222")
    cover(con, "complete", "trusts")
    run(con, rule(tmp_path, needs="trusts"))
    assert outcomes(con) == {"there": "unknown"}


def test_a_fail_that_rests_on_absence_is_unknown_where_that_was_not_read(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    identity(con, "f", "fail")
    identity(con, "p", "pass")
    cover(con, "denied", "identities.tags")
    run(con, rule(tmp_path, absence="identities.tags"))
    assert rows(con, "select subject_id, outcome, uncovered from findings") == [("f", "unknown", "identities.tags")]


def test_the_register_is_looked_up_whatever_the_subject_is_in(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "p", "pass")
    cover(con, "complete", "register.people", tenant="register:main")
    run(con, rule(tmp_path, needs="register.people"))
    assert outcomes(con) == {}


def test_dirt_in_the_register_leaves_the_rest_of_a_table_covered(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    identity(con, "p", "pass")
    cover(con, "partial", "register.people", tenant="register:main")
    run(con, rule(tmp_path, needs="register.people"))
    assert outcomes(con) == {}


def test_a_fail_is_unknown_for_the_partner_of_whom_a_refused_row_speaks(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    identity(con, "spoken", "fail", partner_id="P1")
    identity(con, "other", "fail", partner_id="P2")
    cover(con, "partial", "register.contracts", tenant="register:main")
    add(con, "register_files", file="contracts.csv", holds="contracts")
    add(con, "quarantine", file="contracts.csv", line=7, problem="no such kind", row_dropped=True, partner_id="P1")
    run(con, rule(tmp_path, absence="register.contracts"))
    assert outcomes(con) == {"spoken": "unknown", "other": "fail"}
    assert ("contracts.csv:7: no such kind",) in rows(con, "select value from finding_evidence")


def test_a_row_that_repeats_another_loses_nothing(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "i", "fail", partner_id="P1")
    cover(con, "complete", "register.contracts", tenant="register:main")
    add(con, "register_files", file="contracts.csv", holds="contracts")
    add(
        con,
        "quarantine",
        file="contracts.csv",
        line=7,
        problem="says the same as contracts.csv:6",
        row_dropped=True,
        partner_id="P1",
    )
    run(con, rule(tmp_path, absence="register.contracts"))
    assert outcomes(con) == {"i": "fail"}


def test_every_tenant_of_a_partner_counts(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    for partner, tenants in (("one", [TENANT]), ("both", [TENANT, "aws:222222222222"])):
        add(con, "partner_facts", partner_id=partner, type="pass")
        for tenant in tenants:
            add(con, "partner_tenants", partner_id=partner, tenant_id=tenant)
    cover(con, "complete", "identities")
    cover(con, "denied", "identities", tenant="aws:222222222222")
    run(con, rule(tmp_path, subject="partner", needs="identities"))
    assert outcomes(con) == {"both": "unknown"}


def test_for_a_partner_that_holds_nothing_all_tenants_count(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    add(con, "partner_facts", partner_id="none", type="pass")
    cover(con, "denied", "identities")
    run(con, rule(tmp_path, subject="partner", needs="identities"))
    assert outcomes(con) == {"none": "unknown"}


@pytest.mark.parametrize(("filled", "stored"), [(1, []), (2, [("P1",)])])
def test_a_field_that_under_half_of_the_register_fills_is_not_assessed(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, filled: int, stored: list[tuple[str]]
) -> None:
    add(con, "partner_facts", partner_id="P1", type="fail")
    add(con, "register_fields", holds="partners", field="tier", filled=filled, rows=4)
    run(con, rule(tmp_path, subject="partner", declared="partners.tier"))
    assert rows(con, "select subject_id from findings") == stored


def test_what_is_not_assessed_says_how_much_was_declared(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    add(con, "partner_facts", partner_id="P1", type="fail")
    add(con, "register_fields", holds="partners", field="tier", filled=12, rows=200)
    run(con, rule(tmp_path, subject="partner", declared="partners.tier"))
    assert rows(con, "select provider, evaluated, failed, not_assessed from rule_results") == [
        ("all", 1, 0, "12 of 200 declared")
    ]


# What a rule's rows may look like


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select identity_id as subject_id, tenant_id from identity_facts", "column outcome is missing"),
        (
            "select identity_id as subject_id, tenant_id, 'maybe' as outcome, name, 1 as shade from identity_facts",
            "'maybe'",
        ),
        (
            "select null as subject_id, tenant_id, 'fail' as outcome, name, 1 as shade from identity_facts",
            "no subject_id",
        ),
        (
            "select name as subject_id, null as tenant_id, 'fail' as outcome, name, 1 as shade from identity_facts",
            "no tenant_id",
        ),
        (
            (
                "select name as subject_id, tenant_id, 'fail' as outcome, name, 1 as shade, 'grave' as severity "
                "from identity_facts"
            ),
            "'grave'",
        ),
        ("select name as subject_id, tenant_id, 'fail' as outcome from identity_facts", "{name}"),
        ("select missing as subject_id from identity_facts", "missing"),
    ],
)
def test_rows_that_break_the_contract_name_the_rule(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, query: str, message: str
) -> None:
    identity(con, "i", "fail")
    with pytest.raises(RuleError, match="life-key-colourless") as caught:
        run(con, rule(tmp_path, query=query))
    assert message in caught.value.message


def test_a_subject_judged_twice_is_named(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "once", "fail")
    identity(con, "twice", "fail")
    identity(con, "twice", "pass")
    with pytest.raises(RuleError, match="judges twice more than once"):
        run(con, rule(tmp_path))


def test_settings_of_an_unknown_rule_name_the_nearest(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        check.run(con, [rule(tmp_path)], {"life-key-colorless": {}})
    assert caught.value.hint == "did you mean 'life-key-colourless'?"


# Messages, names and scores


def test_a_message_is_filled_from_the_row_and_what_is_missing_reads_unknown(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    identity(con, "a", "fail", environment="grey")
    identity(con, "b", "fail")
    run(con, rule(tmp_path))
    assert rows(con, "select message from findings order by subject_id") == [("a is grey",), ("b is unknown",)]


def test_a_credential_is_found_with_its_identity_partner_and_owner(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    identity(con, "i", "pass", identity_key=7, partner_id="P1", owner_mail="anna@acme.example")
    add(
        con,
        "credential_facts",
        credential_id="k",
        identity_key=7,
        identity_id="i",
        tenant_id=TENANT,
        environment="fail",
        kind="access_key",
        native_id="AKIAEXAMPLE",
    )
    run(con, rule(tmp_path, subject="credential"))
    assert rows(
        con, "select subject_name, provider, tenant_id, identity_id, partner_id, owner_mail, message from findings"
    ) == [("access_key AKIAEXAMPLE", "aws", TENANT, "i", "P1", "anna@acme.example", "AKIAEXAMPLE is access_key")]


def test_a_known_finding_scores_one_number(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "i", "fail")
    run(con, rule(tmp_path, severity="high"))
    (row,) = rows(con, "select score, score_low, score_high, band from findings")
    assert row == (70.0, 70.0, 70.0, "high")


def test_an_unknown_factor_widens_the_score_around_the_headline(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "level", "fail", level=None, level_high=None)
    identity(con, "risk", "fail", partner_risk=None)
    run(con, rule(tmp_path, severity="high"))
    assert rows(con, "select count(*) from findings where score_low < score and score < score_high") == [(2,)]


def test_a_level_that_may_be_higher_raises_only_the_upper_bound(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "i", "fail", level=1, level_high=5)
    run(con, rule(tmp_path, severity="high"))
    assert rows(con, "select score = score_low, score_high > score from findings") == [(True, True)]


def test_with_an_unknown_factor_the_band_is_not_above_the_severity(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    identity(con, "known", "fail", level=5, level_high=5, partner_risk=1.0)
    identity(con, "unknown", "fail", level=5, level_high=5, partner_risk=None)
    run(con, rule(tmp_path, severity="medium"))
    assert rows(con, "select subject_id, score >= 60, band from findings order by 1") == [
        ("known", True, "high"),
        ("unknown", True, "medium"),
    ]


def test_a_floor_holds_for_the_rules_that_have_one(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "i", "fail", level=0, level_high=0, partner_risk=0.1)
    run(con, rule(tmp_path, "plain", severity="low"))
    low = rows(con, "select score from findings")[0][0]
    text = tmp_path / "floored"
    place = rule(text, severity="low")
    run(con, Rule(**{**place.__dict__, "floor": 60.0}))
    assert (low < 60, rows(con, "select score, score_low from findings")) == (True, [(60.0, 60.0)])


def test_an_unknown_outcome_has_no_score(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "i", "unknown")
    run(con, rule(tmp_path))
    assert rows(con, "select score, score_low, score_high, band, case_id from findings") == [(None,) * 5]


# History


def test_a_finding_keeps_its_id_and_its_first_day(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "i", "fail")
    one = rule(tmp_path)
    run(con, one)
    before = rows(con, "select finding_id from findings")
    keep_as_previous(con)
    run(con, one, previous="earlier")
    assert rows(con, "select finding_id from findings") == before
    assert rows(con, "select status, first_seen, last_seen from findings") == [
        ("open", AS_OF - timedelta(days=7), AS_OF)
    ]


def test_what_passes_now_is_fixed(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "i", "fail")
    cover(con)
    one = rule(tmp_path)
    run(con, one)
    keep_as_previous(con)
    con.execute("update identity_facts set purpose = 'pass'")
    run(con, one, previous="earlier")
    assert rows(con, "select status, last_seen, case_id from findings") == [("fixed", AS_OF - timedelta(days=7), None)]
    assert rows(con, "select count(*) from cases") == [(0,)]


def test_what_is_gone_is_fixed_where_identities_were_read(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "i", "fail")
    one = rule(tmp_path)
    run(con, one)
    keep_as_previous(con)
    con.execute("delete from identity_facts")
    cover(con)
    run(con, one, previous="earlier")
    assert rows(con, "select status from findings") == [("fixed",)]


@pytest.mark.parametrize("status", ["denied", "failed", "carried", "partial"])
def test_what_is_gone_is_not_fixed_where_identities_were_not_read(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, status: str
) -> None:
    identity(con, "i", "fail")
    one = rule(tmp_path)
    run(con, one)
    score = rows(con, "select score from findings")
    keep_as_previous(con)
    con.execute("delete from identity_facts")
    cover(con, status)
    run(con, one, previous="earlier")
    assert rows(con, "select status, outcome, uncovered, last_seen from findings") == [
        ("open", "unknown", "identities", AS_OF - timedelta(days=7))
    ]
    assert rows(con, "select score from findings") == score


def test_what_is_gone_is_not_fixed_where_attribution_broke(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "i", "fail")
    one = rule(tmp_path)
    run(con, one)
    keep_as_previous(con)
    con.execute("delete from identity_facts")
    cover(con)
    cover(con, "failed", "register.aliases", tenant="register:main")
    run(con, one, previous="earlier")
    assert rows(con, "select status, uncovered from findings") == [("open", "register.aliases")]


@pytest.mark.parametrize("named", ["P1", None])
def test_what_is_gone_with_a_refused_row_of_its_partner_is_not_fixed(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, named: str | None
) -> None:
    add(con, "partners", partner_id="P2")
    for name, partner in (("i", "P1"), ("j", "P2"), ("k", None)):
        identity(con, name, "fail", partner_id=partner)
    cover(con)
    one = rule(tmp_path)
    run(con, one)
    keep_as_previous(con)
    con.execute("delete from identity_facts")
    add(con, "register_files", file="partners.csv", holds="partners")
    add(con, "quarantine", file="partners.csv", problem="is no name", row_dropped=True, partner_id=named)
    run(con, one, previous="earlier")
    assert rows(con, "select subject_id, status, uncovered from findings order by 1") == [
        ("i", "open", "register.partners"),
        ("j", "fixed", None),
        ("k", "fixed", None),
    ]


def test_a_fail_that_cannot_be_judged_now_stays_open_with_its_score(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    identity(con, "i", "fail")
    cover(con, "complete", "trusts")
    one = rule(tmp_path, absence="trusts")
    run(con, one)
    score = rows(con, "select score from findings")
    keep_as_previous(con)
    con.execute("update coverage set status = 'denied'")
    run(con, one, previous="earlier")
    assert rows(con, "select status, outcome, first_seen from findings") == [
        ("open", "unknown", AS_OF - timedelta(days=7))
    ]
    assert rows(con, "select score from findings") == score


def test_a_fail_that_was_unknown_for_a_scan_is_no_new_case(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "i", "fail")
    cover(con, "complete", "trusts")
    one = rule(tmp_path, absence="trusts")
    for status in ("complete", "denied"):
        con.execute("update coverage set status = ?", [status])
        run(con, one, previous="earlier" if status == "denied" else None)
        keep_as_previous(con)
    con.execute("update coverage set status = 'complete'")
    run(con, one, previous="earlier")
    assert rows(con, "select is_new, first_seen from cases") == [(False, AS_OF - timedelta(days=7))]


def test_an_unknown_that_becomes_a_fail_is_a_new_case(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "i", "unknown")
    one = rule(tmp_path)
    run(con, one)
    keep_as_previous(con)
    con.execute("update identity_facts set purpose = 'fail'")
    run(con, one, previous="earlier")
    assert rows(con, "select is_new, first_seen from cases") == [(True, AS_OF)]


def test_what_comes_back_is_reopened(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "i", "fail")
    cover(con)
    one = rule(tmp_path)
    run(con, one)
    keep_as_previous(con)
    con.execute("update identity_facts set purpose = 'pass'")
    run(con, one, previous="earlier")
    keep_as_previous(con)
    con.execute("update identity_facts set purpose = 'fail'")
    run(con, one, previous="earlier")
    assert rows(con, "select status, first_seen from findings") == [("reopened", AS_OF - timedelta(days=7))]
    assert rows(con, "select status, is_new from cases") == [("reopened", True)]


def test_what_is_no_longer_assessed_stays_open(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    add(con, "partner_facts", partner_id="P1", type="fail")
    add(con, "register_fields", holds="partners", field="tier", filled=4, rows=4)
    cover(con, "complete", "register.partners", tenant="register:main")
    one = rule(tmp_path, subject="partner", declared="partners.tier")
    run(con, one)
    keep_as_previous(con)
    con.execute("update register_fields set filled = 0")
    run(con, one, previous="earlier")
    assert rows(con, "select status, outcome from findings") == [("open", "unknown")]


def test_check_may_be_run_again_on_the_same_scan(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "i", "fail")
    one = rule(tmp_path)
    run(con, one)
    first = {
        table: rows(con, f"select * from {table} order by all") for table in ("findings", "cases", "finding_evidence")
    }
    run(con, one)
    assert {table: rows(con, f"select * from {table} order by all") for table in first} == first


# Acceptances

WHOLE = {
    "acceptance_id": "A1",
    "rule_id": "life-key-colourless",
    "subject_id": "i",
    "reason": "planned",
    "compensating_control": "watched",
    "approved_by": "kim@acme.example",
    "expires_at": date(2026, 1, 31),
}


def test_a_whole_acceptance_changes_the_status_and_never_the_score(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    identity(con, "i", "fail")
    one = rule(tmp_path)
    run(con, one)
    score = rows(con, "select score from findings")
    add(con, "acceptances", **WHOLE)
    run(con, one)
    assert rows(con, "select status, acceptance_id from findings") == [("accepted", "A1")]
    assert rows(con, "select score from findings") == score
    assert rows(con, "select status from cases") == [("accepted",)]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"approved_by": None}, "nobody approved it"),
        ({"approved_by": " "}, "nobody approved it"),
        ({"requested_by": " Kim@acme.example"}, "whoever asked for it approved it"),
        ({"reason": None}, "it gives no reason"),
        ({"compensating_control": ""}, "it names no compensating control"),
        ({"expires_at": None}, "its expiry is missing or unreadable"),
        ({"expires_at": date(2026, 1, 30)}, "it expired on 2026-01-30"),
        ({"approved_at": AS_OF + timedelta(seconds=1)}, f"its approval is dated {AS_OF.date()} and still to come"),
    ],
)
def test_an_acceptance_that_lacks_something_does_not_count(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, change: dict[str, Any], words: str
) -> None:
    identity(con, "i", "fail")
    add(con, "acceptances", **(WHOLE | change))
    run(con, rule(tmp_path))
    assert rows(con, "select status, acceptance_id from findings") == [("open", None)]
    assert evidence(con)["acceptance that does not count"] == f"A1: {words}"


def test_an_acceptance_of_another_subject_or_rule_does_not_count(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    identity(con, "i", "fail")
    add(con, "acceptances", **(WHOLE | {"subject_id": "j"}))
    add(con, "acceptances", **(WHOLE | {"rule_id": "life-key-grey"}))
    run(con, rule(tmp_path))
    assert rows(con, "select status from findings") == [("open",)]


ABOUT = (
    "select a.acceptance_id as subject_id, a.tenant_id, "
    "case when a.has_reason then 'pass' else 'fail' end as outcome, a.acceptance_id as name, f.outcome as shade "
    "from acceptance_facts a join acceptance_findings f on f.acceptance_id = a.acceptance_id"
)


def accept(con: duckdb.DuckDBPyConnection, *, stands: bool, **change: Any) -> None:
    """An acceptance that lacks nothing, and that a rule about acceptances fails unless it stands."""
    row = WHOLE | change
    add(con, "acceptances", **row)
    told = {name: row[name] for name in ("acceptance_id", "rule_id", "subject_id")}
    add(con, "acceptance_facts", **told, tenant_id="register:main", has_reason=stands)


def about(folder: Path) -> Rule:
    return rule(folder, "exception-void", subject="acceptance", query=ABOUT)


def test_an_acceptance_that_a_rule_about_them_fails_does_not_count(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    identity(con, "i", "fail")
    accept(con, stands=False)
    run(con, rule(tmp_path), about(tmp_path))
    assert rows(con, "select rule_id, subject_kind, status, acceptance_id from findings order by 1") == [
        ("exception-void", "acceptance", "open", None),
        ("life-key-colourless", "identity", "open", None),
    ]
    assert evidence(con)["acceptance that does not count"] == "A1 is fail"


def test_of_two_acceptances_the_one_that_stands_counts(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "i", "fail")
    accept(con, stands=False)
    accept(con, stands=True, acceptance_id="A2")
    run(con, rule(tmp_path), about(tmp_path))
    assert rows(con, "select status, acceptance_id from findings where subject_kind = 'identity'") == [
        ("accepted", "A2")
    ]


def test_a_rule_about_acceptances_sees_what_was_found_whatever_its_name(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    identity(con, "i", "fail")
    identity(con, "j", "unknown")
    identity(con, "k", "pass")
    for number, subject in enumerate("ijk"):
        accept(con, stands=True, acceptance_id=f"A{number}", subject_id=subject, rule_id="zz-last")
    run(con, about(tmp_path), rule(tmp_path, "zz-last", severity="high"))
    assert rows(con, "select * from acceptance_findings order by 1") == [
        ("A0", "fail", "high"),
        ("A1", "unknown", "high"),
    ]


def test_the_severity_of_an_accepted_finding_is_what_the_rule_made_of_it(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    identity(con, "i", "fail")
    accept(con, stands=True)
    raised = QUERIES["identity"].replace("f.name,", "f.name, 'critical' as severity,")
    run(con, rule(tmp_path, query=raised))
    assert rows(con, "select outcome, severity from acceptance_findings") == [("fail", "critical")]
    keep_as_previous(con)
    con.execute("update identity_facts set purpose = 'unknown'")
    run(con, rule(tmp_path), previous="earlier")
    assert rows(con, "select outcome, severity from acceptance_findings") == [("unknown", "critical")]


@pytest.mark.parametrize(("status", "stands"), [("complete", False), ("denied", True)])
def test_an_acceptance_of_what_is_gone_speaks_of_it_only_while_nobody_could_look(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, status: str, stands: bool
) -> None:
    cover(con)
    identity(con, "i", "fail")
    accept(con, stands=True)
    one = rule(tmp_path)
    run(con, one)
    keep_as_previous(con)
    con.execute("delete from identity_facts")
    con.execute("update coverage set status = ?", [status])
    run(con, one, previous="earlier")
    assert rows(con, "select outcome, severity from acceptance_findings") == ([("unknown", "medium")] if stands else [])


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({}, "accepted"),
        ({"approved_by": "kim@acme.example"}, "open"),
        ({"approved_by": "Kim Lee"}, "open"),
        ({"approved_by": "max@acme.example"}, "open"),
        ({"approved_by": "nobody@acme.example"}, "open"),
        ({"expires_at": date(2026, 8, 1)}, "open"),
        ({"renewals": 2}, "open"),
    ],
)
def test_the_shipped_rules_about_acceptances_say_which_count(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, change: dict[str, Any], status: str
) -> None:
    identity(con, "i", "fail")
    cover(con, "complete", "register.acceptances", "register.people", tenant="register:main")
    add(con, "people", mail="kim@acme.example", name="Kim Lee", can_approve="high;medium")
    add(con, "people", mail="dana@acme.example", name="Dana Roe", can_approve="medium")
    add(con, "people", mail="max@acme.example", name="Max Ott", can_approve="low")
    add(con, "register_fields", holds="people", field="can_approve", filled=3, rows=3)
    asked = {
        "requested_by": "kim@acme.example",
        "approved_by": "dana@acme.example",
        "approved_at": datetime(2026, 1, 1),
    }
    add(con, "acceptances", **(WHOLE | asked | {"expires_at": date(2026, 5, 31)} | change))
    acceptances.run(con)
    shipped = [one for one in check.load() if one.subject == "acceptance"]
    run(con, rule(tmp_path), *shipped)
    assert rows(con, "select status from findings where subject_kind = 'identity'") == [(status,)]
    assert rows(con, "select count(*) from findings where subject_kind = 'acceptance'") == [(int(status == "open"),)]


def test_an_acceptance_of_what_was_fixed_speaks_of_nothing_while_it_cannot_be_judged(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    identity(con, "i", "fail")
    accept(con, stands=True)
    run(con, rule(tmp_path))
    keep_as_previous(con)
    con.execute("update earlier.findings set status = 'fixed'")
    con.execute("update identity_facts set purpose = 'unknown'")
    run(con, rule(tmp_path), previous="earlier")
    assert rows(con, "select * from acceptance_findings") == []


# Cases


def test_findings_on_an_identity_and_its_credentials_are_one_case_led_by_the_worst(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    identity(con, "i", "fail")
    add(
        con, "credential_facts", credential_id="k", identity_id="i", tenant_id=TENANT, environment="fail", native_id="k"
    )
    run(con, rule(tmp_path, "mild", severity="low"), rule(tmp_path, "grave", subject="credential", severity="critical"))
    assert rows(con, "select subject_kind, subject_id, subject_name, lead_rule_id, severity, findings from cases") == [
        ("identity", "i", "i", "grave", "critical", 2)
    ]
    assert rows(con, "select count(distinct case_id) from findings") == [(1,)]


def test_a_case_scores_its_worst_finding_and_a_little_for_the_others(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    identity(con, "i", "fail")
    run(con, rule(tmp_path, "mild", severity="low"), rule(tmp_path, "grave", severity="critical"))
    worst, other = (score for (score,) in rows(con, "select score from findings order by score desc"))
    (case,) = rows(con, "select score from cases")[0]
    assert worst < case < worst + other


def test_an_accepted_finding_does_not_lead_while_an_open_one_is_there(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    identity(con, "i", "fail")
    add(con, "acceptances", **(WHOLE | {"rule_id": "grave"}))
    run(con, rule(tmp_path, "mild", severity="low"), rule(tmp_path, "grave", severity="critical"))
    assert rows(con, "select lead_rule_id, status, findings from cases") == [("mild", "open", 2)]


def test_unknowns_make_no_case(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "i", "unknown")
    run(con, rule(tmp_path))
    assert rows(con, "select count(*) from cases") == [(0,)]


def test_a_case_is_new_until_it_was_in_a_scan(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "old", "fail")
    one = rule(tmp_path)
    run(con, one)
    keep_as_previous(con)
    identity(con, "new", "fail")
    run(con, one, previous="earlier")
    assert rows(con, "select subject_id, is_new from cases order by 1") == [("new", True), ("old", False)]


# Evidence


def test_a_leak_is_judged_with_the_last_use_of_the_credential_that_it_is(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    identity(con, "i", "fail", last_used_at=datetime(2026, 1, 30), last_used_source="of another key")
    used = {"last_used_at": datetime(2026, 1, 24, 10, 30), "last_used_source": "GetAccessKeyLastUsed"}
    add(con, "credential_facts", credential_id="k", identity_id="i", tenant_id=TENANT, provider="aws", **used)
    add(
        con,
        "leak_facts",
        leak_id="l",
        tenant_id=TENANT,
        identity_id="i",
        credential_id="k",
        kind="aws_secret_access_key",
    )
    columns = "l.leak_id as subject_id, l.tenant_id, 'fail' as outcome, l.kind as name, l.link as shade"
    query = f"select {columns} from leak_facts l"
    run(con, rule(tmp_path, subject="leak", query=query))
    assert str(evidence(con)["last use of the credential"]).startswith("2026-01-24 10:30")


def test_beside_a_finding_stands_what_an_expert_asks_for(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(
        con,
        "i",
        "fail",
        identity_key=1,
        environment="grey",
        partner_id="P1",
        partner_name="Cobalt",
        partner_role="operator",
        partner_evidence="tag partner = cobalt",
        partner_confidence=0.8,
        owner_mail="anna@acme.example",
        owner_status="active",
        owner_evidence="the register",
        owner_confidence=0.95,
        last_used_at=datetime(2026, 1, 24, 10, 30),
        last_used_source="RoleLastUsed",
        contract_id="C-1",
        contract_reason="ended",
        contract_row="contracts.csv:4",
    )
    add(
        con,
        "identity_partners",
        identity_key=1,
        partner_id="P2",
        source="mail_domain",
        evidence="shared",
        verdict="lost",
    )
    add(con, "identity_owners", identity_key=1, mail="lee@acme.example", source="tag", evidence="old", verdict="lost")
    add(con, "partner_facts", partner_id="P1", name="Cobalt", register_row="partners.csv:2")
    for file in ("contracts.csv", "partners.csv"):
        add(con, "register_files", file=file, exported_at=datetime(2026, 1, 30))
    add(
        con,
        "coverage",
        tenant_id=TENANT,
        dataset="identities.last_used",
        status="complete",
        call="GetRole",
        history_from=datetime(2024, 12, 27),
        collected_at=AS_OF,
    )
    one = rule(
        tmp_path,
        needs="identities.last_used",
        query=QUERIES["identity"].replace("f.name,", "f.name, f.level,"),
        evidence="select identity_id as subject_id, 'seen in' as label, 'a list' as value from identity_facts",
    )
    run(con, one)
    assert evidence(con) == {
        "level": "3",
        "seen in": "a list",
        "partner": "Cobalt (P1, operator): tag partner = cobalt, confidence 0.8",
        "other partners considered": "P2 (lost, mail_domain): shared",
        "partner in the register": "partners.csv:2, exported 2026-01-30",
        "owner": "anna@acme.example (active): the register, confidence 0.95",
        "other owners considered": "lee@acme.example (lost, tag): old",
        "last use of the identity": "2026-01-24 10:30, from RoleLastUsed, history since 2024-12-27",
        "contract": "C-1: ended",
        "contract in the register": "contracts.csv:4, exported 2026-01-30",
        "coverage of aws:111111111111": "identities.last_used: complete, by GetRole at 2026-01-31 00:00",
        "check by hand": "aws paint --name i",
    }


def test_an_unknown_says_only_what_was_not_read(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "i", "pass")
    cover(con, "denied", "trusts")
    cover(con, "complete", "policies")
    run(con, rule(tmp_path, needs="trusts policies"))
    assert evidence(con) == {"not covered": "trusts: denied (because), by List"}


@pytest.mark.parametrize("name", ["plain", "two words", "it's", "$(reboot)", "; rm -rf ~", "a\nb", "ünï", "*", '"', ""])
def test_a_command_quotes_a_hostile_name_as_a_shell_needs_it(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, name: str
) -> None:
    identity(con, "i", "fail", name=name)
    run(con, rule(tmp_path))
    assert shlex.split(evidence(con)["check by hand"]) == ["aws", "paint", "--name", name]


def test_there_is_no_command_with_a_hole_in_it(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "i", "fail", name=None)
    run(con, rule(tmp_path))
    assert "check by hand" not in evidence(con)


def test_nothing_temporary_is_left_behind(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    identity(con, "i", "fail")
    run(con, rule(tmp_path))
    assert rows(con, "select table_name from duckdb_tables() where temporary") == []
    assert rows(con, "select view_name from duckdb_views() where temporary and not internal") == []
