"""Reading a rule folder: what is accepted, what is refused, and how parameters reach the SQL."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from nhiscan import rule as rules
from nhiscan.errors import ConfigError, RuleError
from nhiscan.rule import Rule

AS_OF = datetime(2026, 1, 31, 12)

HEAD = """
title = "Key without a colour"
why = "It is."
fix = "Paint it."
severity = "low"
confidence = 0.9
exposure = 0.5
subject = "credential"
needs = ["credentials"]
message = "no colour"
refuted_by = "a colour"
"""
CONTROLS = """
[controls]
owasp_nhi_2025 = ["NHI7:2025"]
"""
QUERY = "select c.credential_id as subject_id, c.tenant_id, 'fail' as outcome from credential_facts c"


def load(folder: Path, *, toml: str = HEAD + CONTROLS, query: str = QUERY, evidence: str | None = None) -> Rule:
    place = folder / "nhi07-long-lived-secrets" / "life-key-colourless"
    place.mkdir(parents=True)
    (place / "rule.toml").write_text(toml)
    (place / "query.sql").write_text(query)
    (place / "cases.toml").write_text("")
    if evidence is not None:
        (place / "evidence.sql").write_text(evidence)
    (rule,) = rules.load([folder])
    return rule


def with_params(params: str, where: str, folder: Path) -> Rule:
    return load(folder, toml=f"{HEAD}\n[params]\n{params}\n{CONTROLS}", query=f"{QUERY} where {where}")


def test_the_built_in_rules_are_loaded_by_id() -> None:
    ids = [rule.rule_id for rule in rules.load()]
    assert ids == sorted(ids)
    assert "off-used-after-contract-end" in ids


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        (HEAD.replace("why =", "wy ="), "'wy'"),
        (HEAD.replace('fix = "Paint it."', ""), "fix is missing"),
        (HEAD.replace("confidence = 0.9", 'confidence = "high"'), "confidence has the wrong type"),
        (HEAD.replace("confidence = 0.9", "confidence = true"), "confidence has the wrong type"),
        (HEAD.replace("exposure = 0.5", "exposure = 0"), "exposure is not above 0"),
        (HEAD.replace('"low"', '"grave"'), "'grave'"),
        (HEAD.replace('"credential"', '"key"'), "'key'"),
        (HEAD.replace('["credentials"]', '["credentails"]'), "'credentails'"),
        (HEAD + 'declared = ["partners.colour"]', "'partners.colour'"),
        (HEAD + "[params]\ndays = 3", "params.days needs a type"),
        (HEAD + '[params]\nx = { type = "weeks", default = 3 }', "'weeks'"),
        (HEAD + '[params]\nx = { type = "days", default = "3" }', "the default is not a whole number"),
        (HEAD + '[params]\nx = { type = "days", default = 3, unit = "d" }', "'unit'"),
        (HEAD + "[check_by_hand]\naws = 3", "check_by_hand.aws is not a text"),
        (HEAD + "no toml", "life-key-colourless/rule.toml"),
    ],
)
def test_a_rule_that_cannot_be_read_says_what_to_mend(tmp_path: Path, toml: str, words: str) -> None:
    with pytest.raises(RuleError) as caught:
        load(tmp_path, toml=toml + CONTROLS)
    assert words in caught.value.message
    assert "life-key-colourless" in caught.value.message


def test_an_unknown_key_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RuleError) as caught:
        load(tmp_path, toml=HEAD.replace("severity =", "severty =") + CONTROLS)
    assert caught.value.hint == "did you mean 'severity'?"


@pytest.mark.parametrize(
    ("framework", "control"),
    [
        ("owasp_nhi_2025", "NHI11:2025"),
        ("owasp_nhi_2025", "NHI8:2024"),
        ("nist_csf_2_0", "ID.SC-2"),
        ("nist_csf_2_0", "ID.SC-02"),
        ("nist_csf_2_0", "PR.AC-1"),
        ("nist_csf_2_0", "PR.AC-04"),
        ("nist_csf_2_0", "PR.DS-05"),
        ("nist_csf_2_0", "DE.CM-07"),
        ("nist_csf_2_0", "ID.AM-06"),
        ("nist_csf_2_0", "RS.MI-03"),
        ("nist_csf_2_0", "GV.SC-11"),
        ("nist_ai_rmf_1_0", "GOVERN 7.1"),
        ("iso_27001_2022", "A.5.38"),
        ("soc2_tsc_2017", "6.1"),
        ("cis_v8_1", "19.1"),
        ("pci_dss", "8.6"),
    ],
)
def test_a_control_that_is_not_in_force_is_refused(tmp_path: Path, framework: str, control: str) -> None:
    with pytest.raises(RuleError, match=r"no control|unknown framework"):
        load(tmp_path, toml=f'{HEAD}\n[controls]\n{framework} = ["{control}"]\n')


@pytest.mark.parametrize(
    ("framework", "control"),
    [
        ("owasp_nhi_2025", "NHI10:2025"),
        ("nist_csf_2_0", "GV.SC-10"),
        ("nist_csf_2_0", "PR.DS-10"),
        ("nist_csf_2_0", "RS.MI-02"),
        ("nist_ai_rmf_1_0", "MEASURE 2.10"),
        ("iso_27001_2022", "A.8.34"),
        ("soc2_tsc_2017", "CC6.1"),
        ("cis_v8_1", "15.7"),
    ],
)
def test_a_control_in_force_is_accepted(tmp_path: Path, framework: str, control: str) -> None:
    rule = load(tmp_path, toml=f'{HEAD}\n[controls]\n{framework} = ["{control}"]\n')
    assert rule.controls == ((framework, control),)


@pytest.mark.parametrize("alias", ["NHI-07", "NHI07", "NHI7", "NHI7:2025"])
def test_other_spellings_of_an_owasp_id_become_the_canonical_one(tmp_path: Path, alias: str) -> None:
    rule = load(tmp_path, toml=f'{HEAD}\n[controls]\nowasp_nhi_2025 = ["{alias}"]\n')
    assert rule.controls == (("owasp_nhi_2025", "NHI7:2025"),)


@pytest.mark.parametrize(
    "query",
    [
        f"{QUERY}; {QUERY}",
        "delete from findings",
        "create table x as select 1",
        f"{QUERY} where c.created_at < now()",
        f"{QUERY} where c.created_at < current_date",
        f"{QUERY} where c.created_at < $as_of - interval 3 day",
        f"{QUERY} qualify row_number() over () = 1",
        f"{QUERY} where c.kind glob 'a*'",
        f"{QUERY} where c.kind ilike 'a%'",
        f"{QUERY} where c.kind ~ 'a'",
        f"{QUERY} where c.age_days::varchar = '1'",
        f"{QUERY} where list_contains([1], 1)",
        f"{QUERY} where hash(c.kind) = 1",
        f"{QUERY} where json_extract(c.kind, '$.a') = 1",
        f"{QUERY} where random() < 0.5",
        f"{QUERY} where c.kind = ?",
        f"{QUERY} where c.kind = concat('a', null)",
        "select * from read_csv('/etc/passwd')",
        "select * from '/etc/passwd'",
        "select * from credential_facts, '/etc/passwd'",
        'select * from credential_facts join "/etc/passwd" on true',
        "select * from duckdb_settings()",
        "select * from no_such_table",
        "select from where",
        "",
    ],
)
def test_sql_that_is_not_one_portable_select_over_the_scan_is_refused(tmp_path: Path, query: str) -> None:
    with pytest.raises(RuleError, match=r"life-key-colourless/query\.sql"):
        load(tmp_path, query=query)


def test_words_in_texts_and_comments_are_no_sql(tmp_path: Path) -> None:
    query = f"-- now() and $nothing\n{QUERY} /* interval */ where c.kind = 'now() $nothing ? ~'"
    assert load(tmp_path, query=query).rule_id == "life-key-colourless"


def test_evidence_is_held_to_the_same(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"life-key-colourless/evidence\.sql"):
        load(tmp_path, evidence="select now()")


def test_an_undeclared_parameter_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match=r"\$max_dais") as caught:
        with_params('max_days = { type = "int", default = 3 }', "c.age_days > $max_dais", tmp_path)
    assert caught.value.hint == "did you mean 'max_days'?"


def test_a_parameter_that_nothing_uses_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="declared and never used"):
        with_params('max_days = { type = "int", default = 3 }', "1 = 1", tmp_path)


def test_a_list_is_only_for_in(tmp_path: Path) -> None:
    with pytest.raises(RuleError, match="is a list"):
        with_params('kinds = { type = "texts", default = ["a"] }', "c.kind = $kinds", tmp_path)


def test_unknown_files_and_missing_ones_are_refused(tmp_path: Path) -> None:
    load(tmp_path)
    place = tmp_path / "nhi07-long-lived-secrets" / "life-key-colourless"
    (place / "evidenz.sql").write_text("")
    with pytest.raises(RuleError, match=r"unknown file evidenz\.sql"):
        rules.load([tmp_path])
    (place / "evidenz.sql").unlink()
    (place / "cases.toml").unlink()
    with pytest.raises(RuleError, match=r"cases\.toml is missing"):
        rules.load([tmp_path])


def test_two_packs_cannot_have_the_same_rule(tmp_path: Path) -> None:
    load(tmp_path)
    with pytest.raises(RuleError, match="two rules have this id"):
        rules.load([tmp_path, tmp_path])


# Parameters


@pytest.mark.parametrize(
    ("kind", "name", "expected"),
    [
        ("days", "x", 2),
        ("days", "x_before", datetime(2026, 1, 29, 12)),
        ("days", "x_after", datetime(2026, 2, 2, 12)),
        ("hours", "x_before", datetime(2026, 1, 31, 10)),
        ("hours", "x_after", datetime(2026, 1, 31, 14)),
        ("int", "x", 2),
    ],
)
def test_a_parameter_is_offered_as_value_and_as_moments(tmp_path: Path, kind: str, name: str, expected: Any) -> None:
    rule = with_params(
        f'x = {{ type = "{kind}", default = 2 }}', f"c.created_at is not null or ${name} is null", tmp_path
    )
    assert rules.bind(rule, {}, as_of=AS_OF).query_values == {name: expected}


@pytest.mark.parametrize(("values", "found"), [(["a", "b"], 2), (["a"], 1), ([], 0), (["x'); drop table t; --"], 0)])
def test_a_list_is_bound_value_by_value(tmp_path: Path, values: list[str], found: int) -> None:
    rule = with_params(
        'kinds = { type = "texts", default = ["z"] }', "c.kind in $kinds and $kinds_count >= 0", tmp_path
    )
    bound = rules.bind(rule, {"kinds": values}, as_of=AS_OF)
    with duckdb.connect() as con:
        con.execute("create table credential_facts (credential_id text, tenant_id text, kind text)")
        con.execute("insert into credential_facts values ('1', 't', 'a'), ('2', 't', 'b'), ('3', 't', 'c')")
        assert len(con.execute(bound.query, dict(bound.query_values)).fetchall()) == found


@pytest.mark.parametrize("value", ["3", 1.5, True, -1, None])
def test_a_setting_of_the_wrong_type_names_its_key(tmp_path: Path, value: Any) -> None:
    rule = with_params('x = { type = "days", default = 2 }', "c.age_days > $x", tmp_path)
    with pytest.raises(ConfigError, match=r"rules\.life-key-colourless\.x"):
        rules.check_overrides([rule], {"life-key-colourless": {"x": value}})


def test_an_unknown_setting_names_the_nearest(tmp_path: Path) -> None:
    rule = with_params('max_days = { type = "days", default = 2 }', "c.age_days > $max_days", tmp_path)
    with pytest.raises(ConfigError) as caught:
        rules.check_overrides([rule], {"life-key-colourless": {"max_day": 3}})
    assert caught.value.hint == "did you mean 'max_days'?"


def test_the_version_follows_the_parameters(tmp_path: Path) -> None:
    rule = with_params('x = { type = "days", default = 2 }', "c.age_days > $x", tmp_path)
    versions = {rules.bind(rule, {"x": days}, as_of=AS_OF).version for days in (2, 3)}
    assert len(versions) == 2
    assert rules.bind(rule, {}, as_of=AS_OF).version in versions


def test_parameters_are_shown_with_their_source_until_they_are_set(tmp_path: Path) -> None:
    rule = with_params('x = { type = "days", default = 2, source = "CIS 5.3" }', "c.age_days > $x", tmp_path)
    assert rules.bind(rule, {}, as_of=AS_OF).params == "x = 2 (CIS 5.3)"
    assert rules.bind(rule, {"x": 3}, as_of=AS_OF).params == "x = 3"
