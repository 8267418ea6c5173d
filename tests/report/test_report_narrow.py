"""A narrowed report holds nothing of others: every text of theirs is planted as a canary and looked for."""

from __future__ import annotations

import re
from pathlib import Path

import duckdb
import pytest

from nhiscan import report, store
from nhiscan.narrow import MASK, Words
from tests.report.estate import AWS, DEV, MADE, case, claim, finding, insert, partner, small

THEIRS_OF_BOREALIS = (
    "Kontor",
    "P-100",
    "kontor-sync",
    "Zephyr",
    "P-300",
    "zephyr-report",
    "Quietwater",
    "P-400",
    "999900002222",
    "AKIAEXAMPLE000000001",
    "AKIAEXAMPLE000000004",
    "owner-p-100@acme.example",
    "owner-p-300@acme.example",
    "222222222222",
    "183 of 200",
    "sehr hoch",
    "nobody-knows",
)


def paint(con: duckdb.DuckDBPyConnection, **choice: str) -> str:
    return report.render(con, generated_at=MADE, **choice)  # type: ignore[arg-type]


def found(html: str, words: tuple[str, ...]) -> list[str]:
    return [word for word in words if word.casefold() in html.casefold()]


def test_the_canaries_are_in_the_whole_report() -> None:
    assert found(paint(small()), THEIRS_OF_BOREALIS) == list(THEIRS_OF_BOREALIS)


def test_a_partners_report_names_nobody_else() -> None:
    html = paint(small(), partner="Borealis")
    assert found(html, THEIRS_OF_BOREALIS) == []
    assert "borealis-deploy" in html


def test_a_shared_role_is_shown_without_the_other_partner() -> None:
    html = paint(small(), partner="P-200")
    assert "shared-import" in html
    assert "Also used by another partner" in html
    assert "888800001111" in html
    assert "1 other trusted principal not shown" in html


def test_a_message_that_names_two_partners_is_masked_and_its_evidence_left_out() -> None:
    html = paint(small(), partner="P-200")
    assert f"is trusted by Borealis and {MASK}" in html
    assert "888800001111 (Borealis), 999900002222 (Zephyr)" not in html
    assert "none is asked for" in html


def test_the_end_of_another_partners_contract_is_not_told() -> None:
    con = small()
    claim(con, 1, "P-200")
    html = paint(con, partner="P-200")
    assert "still has access although the contract ended" not in html
    assert "access key is 820 days old" in html
    assert "the only contract that grants access ended" not in html


def test_scores_and_totals_count_only_what_is_in_scope() -> None:
    html = paint(small(), partner="P-100")
    assert "1 case is open" in html
    assert "3 cases" not in html


def test_a_partner_whose_name_holds_another_name_keeps_its_own() -> None:
    con = small()
    con.execute("update partners set name = 'Zephyr Borealis Union' where partner_id = 'P-200'")
    con.execute("update partner_facts set name = 'Zephyr Borealis Union' where partner_id = 'P-200'")
    html = paint(con, partner="P-200")
    assert "Zephyr Borealis Union" in html
    assert not re.search(r"Zephyr(?! Borealis Union)", html)


def held_by_no_identity(con: duckdb.DuckDBPyConnection, name: str, partner_id: str) -> None:
    """A finding on a resource of one partner, and the case of it."""
    finding(
        con,
        f"F-{name}",
        "off-owner-departed",
        f"{AWS}:function/{name}",
        case_id=f"C-{name}",
        message=f"{name} holds a secret in clear",
        subject_kind="resource",
        partner_id=partner_id,
    )
    con.execute("update findings set identity_id = null where finding_id = ?", [f"F-{name}"])
    case(con, f"C-{name}", f"F-{name}")


def test_a_partners_report_holds_its_resources_and_nobody_elses() -> None:
    con = small()
    held_by_no_identity(con, "borealis-function", "P-200")
    held_by_no_identity(con, "kontor-function", "P-100")
    html = paint(con, partner="Borealis")
    assert "borealis-function holds a secret in clear" in html
    assert found(html, (*THEIRS_OF_BOREALIS, "kontor-function")) == []


def test_an_owners_report_holds_only_what_they_answer_for() -> None:
    html = paint(small(), owner="lea@acme.example")
    assert "kontor-sync" in html
    assert "shared-import" in html
    assert (
        found(html, ("borealis-deploy", "tom@acme.example", "zephyr-report", "nobody-knows", "Quietwater", "owner-p-"))
        == []
    )


def test_an_owner_who_is_a_partners_named_owner_sees_all_of_that_partner() -> None:
    html = paint(small(), owner="OWNER-P-300@acme.example")
    assert "zephyr-report" in html
    assert "C-P-300" in html
    assert found(html, ("borealis-deploy", "kontor-sync", "lea@acme.example")) == []


def test_a_gap_elsewhere_is_said_without_saying_where() -> None:
    html = paint(small(complete=False), partner="P-100")
    assert "Incomplete scan" in html
    assert DEV not in html


def test_a_gap_of_a_tenant_where_nothing_is_held_still_makes_the_report_incomplete() -> None:
    con = small()
    con.execute("update scans set is_complete = false")
    con.execute("update coverage set status = 'failed' where tenant_id = ? and dataset = 'trusts'", [DEV])
    html = paint(con, partner="P-100")
    assert "Other parts of this scan were not read in full" in html
    assert DEV not in html


def test_no_table_is_read_past_the_fence() -> None:
    con = small()
    partner(con, "P-999", "Canaryco")
    for table, columns in _text_columns(con).items():
        insert(con, table, dict.fromkeys(columns, "canaryco-value"))
    assert "canaryco" in paint(con).casefold()
    assert "canaryco" not in paint(con, partner="P-200").casefold()


def _text_columns(con: duckdb.DuckDBPyConnection) -> dict[str, list[str]]:
    skipped = ("scans", "rules", "rule_controls", "company")  # the same for every reader
    columns: dict[str, list[str]] = {}
    for table, column in con.execute(
        "select table_name, column_name from duckdb_columns() where data_type = 'VARCHAR'"
        " and database_name = current_database() and not internal order by table_name, column_index"
    ).fetchall():
        if table in store.tables() and table not in skipped:
            columns.setdefault(table, []).append(column)
    return columns


def test_a_published_scan_opened_read_only_can_be_narrowed(tmp_path: Path) -> None:
    con = small()
    con.execute(f"attach '{tmp_path / 'scan.duckdb'}' as disk")
    con.execute("copy from database memory to disk")
    con.execute("detach disk")
    with duckdb.connect(str(tmp_path / "scan.duckdb"), read_only=True) as published:
        html = paint(published, partner="Borealis")
        assert found(html, THEIRS_OF_BOREALIS) == []
        assert paint(published) == paint(small())


def test_evidence_that_quotes_an_account_of_others_is_left_out_and_counted() -> None:
    con = small()
    finding(
        con,
        "f9",
        "life-key-age-exceeded",
        f"{AWS}:user/borealis-deploy",
        case_id="b1",
        partner_id="P-200",
        evidence=(("seen beside", "arn:aws:iam::111111111111:user/kontor-sync"), ("made", "2023-05-01")),
    )
    html = paint(con, partner="P-200")
    assert "seen beside" not in html
    assert "2023-05-01" in html
    assert "left out for that" in html


def test_evidence_that_counts_the_whole_register_is_left_out() -> None:
    con = small()
    told = {
        "finding_id": "f3",
        "seq": 9,
        "label": "coverage of the register",
        "value": "partial (28 of 32 rows accepted)",
    }
    insert(con, "finding_evidence", told)
    assert "28 of 32" in paint(con)
    assert "28 of 32" not in paint(con, partner="P-200")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("used by Contoso", f"used by {MASK}"),
        ("contoso_sync and CONTOSO", f"{MASK}_sync and {MASK}"),
        ("Contoso Nord keeps its name", "Contoso Nord keeps its name"),
        ("Contoso Nord and Contoso", f"Contoso Nord and {MASK}"),
        ("contosonian is another word", "contosonian is another word"),
        ("customer 4711 of 2026", f"customer {MASK} of 2026"),
        ("on 4711-01-02", "on 4711-01-02"),
        ("北極 leaks", f"{MASK} leaks"),
        ("x北極x leaks", f"x{MASK}x leaks"),
        ("a user of the team", "a user of the team"),
        ("<> stays out", f"{MASK} stays out"),
    ],
)
def test_words_of_others_are_masked_and_own_ones_kept(text: str, expected: str) -> None:
    words = Words(["Contoso", "4711", "北極", "user", "7", "<>"], ["Contoso Nord"])
    assert words.mask(text) == expected


def test_an_app_is_shown_without_the_other_partners_whose_users_it_acts_as() -> None:
    con = small()
    told = {
        "identity_key": 1,
        "tokens": 2,
        "token_users": 2,
        "external_users": 2,
        "partner_names": "Kontor, Quietwater Ltd",
    }
    insert(con, "app_facts", told)
    insert(
        con, "data_objects", {"resource_key": 7, "object": "Opportunity"}, {"resource_key": 8, "object": "Margin__c"}
    )
    insert(con, "record_access", {"identity_key": 1, "resource_key": 7, "record_scope": "own"})
    insert(con, "record_access", {"identity_key": 2, "resource_key": 8, "record_scope": "all"})
    html = paint(con, partner="P-100")
    assert "2 users by 2 live tokens" in html
    assert "Opportunity" in html
    assert found(html, ("Quietwater", "Margin__c")) == []


def test_a_key_in_another_partners_repository_is_told_without_the_place() -> None:
    con = small()
    repository = {"resource_key": 21, "resource_id": "files:quiet-sync:repository/quiet-sync", "name": "quiet-sync"}
    insert(con, "resource_facts", {**repository, "provider": "files", "partner_id": "P-100"})
    place = {"location": "quiet-sync: deploy/quietwater.sh", "path": "deploy/quietwater.sh"}
    insert(con, "sightings", {"resource_key": 21, "author": "ines@quietwater.example", "commit": "beefbeef", **place})
    finding(
        con,
        "leaked",
        "leak-exposed-not-rotated",
        f"{AWS}:user/borealis-deploy",
        case_id="borealis-leak",
        message="its key stands in quiet-sync (deploy/quietwater.sh:3) and still works",
        evidence=(("author", "ines@quietwater.example"), ("commit", "beefbeef")),
        partner_id="P-200",
    )
    case(con, "borealis-leak", "leaked")
    html = paint(con, partner="P-200")
    assert "and still works" in html
    assert found(html, ("quiet-sync", "quietwater", "beefbeef")) == []
