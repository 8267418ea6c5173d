"""The sections on the lifecycle of partners and on the programme, as a reader and as a partner's reader sees them."""

from __future__ import annotations

import re

import duckdb
import pytest

from nhiscan import report
from tests.report.estate import MADE, cover, finding, insert, lifecycle, result, small


def section(con: duckdb.DuckDBPyConnection, name: str, **choice: str) -> str:
    html = report.render(con, generated_at=MADE, **choice)  # type: ignore[arg-type]
    start = html.index(f'<section id="{name}"')
    return " ".join(re.sub("<[^>]*>", " ", html[start : html.index("</section>", start)]).split())


def speaks_to(con: duckdb.DuckDBPyConnection, rule_id: str, control_id: str) -> None:
    framework = "nist_csf_2_0" if control_id.startswith("GV.") else "nist_ai_rmf_1_0"
    insert(con, "rule_controls", {"rule_id": rule_id, "framework": framework, "control_id": control_id})


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    con = small()
    lifecycle(con, "P-100", "kontorword")
    return con


def test_a_partner_is_shown_with_its_stage_and_what_falls_due(con: duckdb.DuckDBPyConnection) -> None:
    told = section(con, "lifecycle")
    for needed in (
        "1 partner whose contract ended has or may have access",
        "ended before 2025-11-01, access left",
        "offboarding kontorword@acme.example",
        "2026-02-10 accepted risk E-kontorword runs out",
        "2025-11-03 offboarding O-kontorword is due",
        "2026-01-07 checkpoint after terminated kontorword of contract C-P-100 (SEC-kontorword)",
        "of access completed 2025-12-24",
        "valid to 2026-03-01",
    ):
        assert needed in told
    assert told.index("Kontor") < told.index("Borealis")


def test_a_checkpoint_that_is_to_be_held_some_day_falls_due_as_others_do(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update contract_events set done = '2031-01-01'")
    assert "2026-01-07 checkpoint after terminated kontorword" in section(con, "lifecycle")


def test_an_offboarding_is_shown_with_what_was_done_and_what_is_seen(con: duckdb.DuckDBPyConnection) -> None:
    words = (
        "Kontor O-kontorword opened 2025-11-02 08:00 UTC; kontorword.csv:2 1 things still live 2 186 hours so far"
        " since contract ended 2025-11-03 08:00 UTC late 2 of 3 1 1 1"
    )
    assert words in section(con, "lifecycle")


def test_a_closed_offboarding_is_not_called_verified(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("delete from step_facts")
    con.execute("update offboarding_facts set closed_at = '2025-11-04 08:00', steps = 0, steps_done = 0")
    assert "closed 2025-11-04 08:00 UTC; kontorword.csv:2 done, and not verified" in section(con, "lifecycle")
    assert "Closed offboardings that were verified 0 % 0 of 1" in section(con, "programme")
    con.execute("update offboarding_facts set verified_at = '2025-11-05 08:00'")
    assert "kontorword.csv:2 verified" in section(con, "lifecycle")


def test_an_ended_partner_without_an_offboarding_is_in_the_list(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("delete from offboarding_facts")
    told = {"partner_id": "P-100", "thing_kind": "credential", "relation": "operator", "is_live": True}
    insert(con, "partner_holdings", told)
    assert "Kontor none no offboarding, 1 things still live" in section(con, "lifecycle")
    assert "Kontor none no offboarding, 1 things still live" in section(con, "lifecycle", partner="P-100")


@pytest.mark.parametrize(
    ("outcome", "not_assessed", "said"),
    [
        ("fail", None, "overdue the review of secrets is overdue"),
        ("unknown", None, "cannot be said the review of secrets is overdue"),
        (None, None, "on time of access completed 2025-12-24"),
        (None, "not in the register", "not judged of access completed 2025-12-24"),
    ],
)
def test_a_review_is_on_time_only_where_the_rule_answered(
    outcome: str | None, not_assessed: str | None, said: str, con: duckdb.DuckDBPyConnection
) -> None:
    con.execute("update partner_facts set is_ended = false where partner_id = 'P-100'")
    insert(con, "rules", {"rule_id": "gov-review-overdue", "severity": "medium", "title": "Review overdue"})
    counts = {"passed": 0 if not_assessed else 1, "not_assessed": not_assessed}
    result(con, "gov-review-overdue", provider="all", evaluated=1, **counts)
    if outcome is not None:
        case_id = "r1" if outcome == "fail" else None
        finding(
            con,
            "r",
            "gov-review-overdue",
            "register:x/y",
            case_id=case_id,
            message="the review of secrets is overdue",
            subject_kind="partner",
            subject_id="P-100",
        )
    assert said in section(con, "lifecycle")


def test_a_partners_report_holds_its_own_dates_and_nobody_elses(con: duckdb.DuckDBPyConnection) -> None:
    lifecycle(con, "P-200", "borealword")
    told = section(con, "lifecycle", partner="P-200")
    assert "borealword@acme.example" in told
    assert "O-borealword" in told
    html = report.render(con, generated_at=MADE, partner="P-200")
    assert "kontor" not in html.casefold()
    assert '"#programme"' not in html
    assert '<section id="programme"' not in html


def test_an_owners_report_holds_the_dates_of_partners_that_are_theirs(con: duckdb.DuckDBPyConnection) -> None:
    lifecycle(con, "P-200", "borealword")
    told = section(con, "lifecycle", owner="owner-p-100@acme.example")
    assert "O-kontorword" in told
    assert "borealword" not in told


def test_an_owner_of_one_identity_is_told_nothing_of_its_partners_offboarding(con: duckdb.DuckDBPyConnection) -> None:
    told = {"partner_id": "P-100", "thing_kind": "credential", "relation": "operator", "is_live": True}
    insert(con, "partner_holdings", told)
    assert "Kontor" in section(con, "held", owner="lea@acme.example")
    lifecycle_told = section(con, "lifecycle", owner="lea@acme.example")
    assert "Kontor" not in lifecycle_told
    assert "nothing is seen to live" not in lifecycle_told


def test_a_partners_report_claims_no_review_on_time(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update partner_facts set is_ended = false where partner_id = 'P-100'")
    result(con, "gov-review-overdue", provider="all", evaluated=1, passed=1)
    assert "not judged of access completed 2025-12-24" in section(con, "lifecycle", partner="P-100")


def test_a_metric_with_too_much_unknown_is_grey_and_one_without_items_has_no_number(
    con: duckdb.DuckDBPyConnection,
) -> None:
    html = report.render(con, generated_at=MADE)
    rows = {row.split("</th>")[0].rsplit("> ", 1)[-1]: row for row in html.split("<tr") if 'class="id">M-' in row}
    assert rows["Partners with an active business owner"].startswith("><th")
    assert rows["Questions of all rules that passed"].startswith(' class="na"><th')
    assert "nothing to judge" in rows["Delegations without an end"]
    assert ">unknown<" in rows["Accepted risks in force"]


def test_a_count_with_anything_unknown_is_the_least_there_is(con: duckdb.DuckDBPyConnection) -> None:
    cover(con, "files:repos", "sightings.files")
    cover(con, "files:repos", "sightings.history", "failed")
    insert(con, "leak_facts", {"leak_id": "l", "is_live": True})
    assert "Live credentials exposed outside every store at least 1" in section(con, "programme")


def test_controls_say_what_their_rules_answered(con: duckdb.DuckDBPyConnection) -> None:
    speaks_to(con, "off-contract-ended-access", "GV.SC-10")
    speaks_to(con, "reuse-role-multi-partner-trust", "GV.SC-07")
    speaks_to(con, "gov-business-owner-missing", "GV.SC-02")
    speaks_to(con, "life-key-age-exceeded", "MEASURE 2.7")
    told = section(con, "programme")
    for needed in (
        "GV.SC-10 What happens after the end is provided for evidence of gaps 1 4 0 1 of 1 answered",
        "GV.SC-07 Risk is assessed and monitored throughout no evidence: all unknown 0 0 2 0 of 1 answered",
        "GV.SC-02 Roles of partners are set no evidence: nothing judged 0 0 0 0 of 1 answered, 1 not assessed",
        "all rules about third parties together evidence of gaps 1 4 2 1 of 3 answered, 1 not assessed",
        "MEASURE 2.7 security is evaluated evidence that it holds 0 5 0 1 of 1 answered",
        "GV.PO-01 Policy is set and enforced no rule",
    ):
        assert needed in told


def test_the_ai_rmf_is_by_analogy_until_a_model_acts(con: duckdb.DuckDBPyConnection) -> None:
    assert section(con, "programme").count("by analogy") == 4
    con.execute("update identity_facts set is_ai_agent = true where identity_key = 2")
    assert "by analogy" not in section(con, "programme")


def test_accepted_findings_still_count_against_a_control(con: duckdb.DuckDBPyConnection) -> None:
    speaks_to(con, "off-contract-ended-access", "GV.SC-10")
    con.execute("update findings set status = 'accepted'")
    assert "evidence of gaps 1 4 0" in section(con, "programme")


def test_without_a_register_there_is_a_lifecycle_section_that_says_so() -> None:
    con = small()
    for table in ("partners", "partner_facts", "contracts"):
        con.execute(f"delete from {table}")
    told = section(con, "lifecycle")
    assert "No partner with a stage, a date or access is in the register" in told
    assert "Offboardings None on record" in told
