"""What the ledger says stands in a scan beside the register, which wins; nothing is taken or dropped without a word."""

from __future__ import annotations

import logging
from collections.abc import Collection
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nhiscan import ledger, ledger_rows, store
from nhiscan.errors import StoreError
from nhiscan.load import Stage
from nhiscan.model import (
    Acceptance,
    Attestation,
    AttestationItem,
    Coverage,
    Offboarding,
    OffboardingStep,
    Partner,
    Quarantined,
    Record,
    RegisterField,
    RegisterFile,
    Review,
    Tenant,
)
from tests.systems import DATASETS, START, System, covered, identity, rows, run, said, tenant

AT = START - timedelta(days=3)
BY = "erika.brandt@acme.example"
PARTNER = Partner("P-1", "Borealis")


def say(state: Path, *records: Record) -> None:
    ledger.append(state, records, at=AT, by=BY)


def staged(state: Path, *register: Record) -> dict[type[Record], list[tuple[Any, ...]]]:
    """The register's tables once the ledger was added to what the register said."""
    kinds = (Acceptance, Review, Attestation, AttestationItem, Offboarding, OffboardingStep)
    with store.empty() as con:
        stage = Stage(con)
        for record in register:
            stage.add(record)
        ledger_rows.add(stage, state, before={}, as_of=START)
        shown: dict[type[Record], tuple[str, ...]] = {kind: (*ledger.IDS[kind], "register_row") for kind in kinds}
        shown[Quarantined] = ("file", "line", "field", "value", "problem", "row_dropped", "partner_id")
        shown[RegisterFile] = ("file", "holds", "rows", "accepted")
        shown[RegisterField] = ("holds", "field", "filled", "rows")
        shown[Coverage] = ("dataset", "status", "original_status")
        shown[Tenant] = ("tenant_id",)
        return {kind: sorted(stage.held(kind, *fields), key=str) for kind, fields in shown.items()}


def said_of(table: str, status: str, original: str | None = None) -> Coverage:
    return Coverage("register", "register:main", f"register.{table}", status, original_status=original)


def test_without_a_ledger_nothing_is_added(tmp_path: Path) -> None:
    assert not any(staged(tmp_path).values())


def test_a_row_of_the_ledger_names_its_line_and_counts_as_a_file_of_the_register(tmp_path: Path) -> None:
    say(tmp_path, Review("R-1", partner_id="P-1"), Review("R-2", partner_id="P-1"))
    found = staged(tmp_path, PARTNER)
    assert found[Review] == [("R-1", "ledger/reviews.jsonl:1"), ("R-2", "ledger/reviews.jsonl:2")]
    assert found[RegisterFile] == [("ledger/reviews.jsonl", "reviews", 2, 2)]
    assert found[Quarantined] == []


def test_the_register_wins_and_that_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    say(tmp_path, Review("R-1", partner_id="P-1", items=9), Review("R-2", partner_id="P-1"))
    registered = Review("R-1", partner_id="P-1", items=3, register_row="reviews.csv:2")
    with caplog.at_level(logging.WARNING):
        found = staged(tmp_path, PARTNER, registered)
    assert found[Review] == [("R-1", "reviews.csv:2"), ("R-2", "ledger/reviews.jsonl:2")]
    problem = "is also in the register, reviews.csv:2, which stands; they differ in items"
    assert found[Quarantined] == [("ledger/reviews.jsonl", 1, "review_id", "R-1", problem, True, "P-1")]
    assert found[RegisterFile] == [("ledger/reviews.jsonl", "reviews", 2, 1)]
    assert [record.getMessage() for record in caplog.records] == [f"ledger/reviews.jsonl:1 {problem}"]


def test_a_row_that_the_register_took_over_to_the_letter_lost_nothing(tmp_path: Path) -> None:
    say(tmp_path, Review("R-1", partner_id="P-1", completed_at=AT))
    registered = Review("R-1", partner_id="P-1", completed_at=AT, register_row="reviews.csv:2")
    ((*_, problem, dropped, _),) = staged(tmp_path, PARTNER, registered)[Quarantined]
    assert (problem, dropped) == ("says the same as reviews.csv:2", True)


def test_a_statement_of_which_only_parts_were_written_counts_for_nothing(tmp_path: Path) -> None:
    say(tmp_path, AttestationItem("T-1", "identity", "a", "keep"), OffboardingStep("O-1", 1, "notify"))
    found = staged(tmp_path, PARTNER)
    assert (found[AttestationItem], found[OffboardingStep]) == ([], [])
    assert [row[4] for row in found[Quarantined]] == [
        "is part of 'T-1', which was never wholly written down",
        "is part of 'O-1', which was never wholly written down",
    ]


def test_parts_of_what_the_register_holds_are_taken(tmp_path: Path) -> None:
    say(tmp_path, OffboardingStep("O-1", 1, "notify"))
    found = staged(tmp_path, PARTNER, Offboarding("O-1", "P-1", register_row="offboardings.csv:2"))
    assert found[OffboardingStep] == [("O-1", 1, "ledger/offboarding_steps.jsonl:1")]


def test_what_was_said_of_a_partner_that_left_the_register_is_kept_and_pointed_out(tmp_path: Path) -> None:
    say(tmp_path, Offboarding("O-1", "P-9", opened_at=AT))
    found = staged(tmp_path, PARTNER)
    assert found[Offboarding] == [("O-1", "ledger/offboardings.jsonl:1")]
    assert found[Quarantined] == [
        (
            "ledger/offboardings.jsonl",
            1,
            "partner_id",
            "P-9",
            "names none of the partners of the register",
            False,
            "P-9",
        )
    ]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([], [("register.reviews", "complete", None)]),
        ([said_of("reviews", "unsupported")], [("register.reviews", "complete", None)]),
        ([said_of("reviews", "carried", "unsupported")], [("register.reviews", "complete", None)]),
        ([said_of("reviews", "carried", "complete")], [("register.reviews", "complete", None)]),
        ([said_of("reviews", "complete")], [("register.reviews", "complete", None)]),
        ([said_of("reviews", "partial")], [("register.reviews", "partial", None)]),
        ([said_of("reviews", "failed")], [("register.reviews", "failed", None)]),
        ([said_of("reviews", "carried", "failed")], [("register.reviews", "carried", "failed")]),
        (
            [
                said_of("reviews", "carried", "complete"),
                RegisterFile("reviews.csv", "reviews", 1, 1),
                Review("R-9", register_row="reviews.csv:2"),
            ],
            [("register.reviews", "carried", "complete")],
        ),
    ],
)
def test_a_table_that_the_ledger_holds_was_read_unless_the_registers_own_was_not(
    tmp_path: Path, before: list[Record], after: list[tuple[Any, ...]]
) -> None:
    say(tmp_path, Review("R-1"))
    assert staged(tmp_path, PARTNER, *before)[Coverage] == after


def test_a_company_without_a_register_gets_its_tenant(tmp_path: Path) -> None:
    say(tmp_path, Acceptance("A-1", "rule", "subject"))
    found = staged(tmp_path)
    assert (found[Tenant], found[Coverage]) == (
        [("register:main",)],
        [("register.acceptances", "complete", None)],
    )


def test_columns_are_counted_over_files_and_ledger_together(tmp_path: Path) -> None:
    say(tmp_path, Review("R-1", scope="access"), Review("R-2"))
    found = staged(
        tmp_path,
        Review("R-3", scope="logs", register_row="reviews.csv:2"),
        RegisterField("reviews", "review_id", 1, 1),
        RegisterField("reviews", "scope", 1, 1),
        RegisterField("partners", "name", 4, 4),
    )
    counted = {(holds, field): (filled, rows) for holds, field, filled, rows in found[RegisterField]}
    assert counted["reviews", "scope"] == (2, 3)
    assert counted["reviews", "review_id"] == (3, 3)
    assert counted["partners", "name"] == (4, 4)


def portal() -> System:
    return System("portal", said(tenant("portal:main"), identity("portal:main", "a"), *covered("portal:main")))


def register() -> System:
    """A register without any of the tables that commands write."""
    return System(
        "register",
        said(
            Tenant("register:main", "register"),
            PARTNER,
            *(said_of(kind.table, "unsupported") for kind in ledger.IDS),
            said_of("partners", "complete"),
        ),
        frozenset({"register.partners", *(f"register.{kind.table}" for kind in ledger.IDS)}),
    )


def scans(state: Path, only: Collection[str] | None = None, *, days: int = 0) -> None:
    run(state, [register(), portal()], at=START + timedelta(days=days), only=only)


def test_a_scan_of_one_system_carries_the_register_and_reads_the_ledger_afresh(tmp_path: Path) -> None:
    say(tmp_path, Review("R-1", partner_id="P-1", items=1), Acceptance("A-1", "rule", "x"))
    scans(tmp_path)
    say(tmp_path, Review("R-1", partner_id="P-1", items=2), Review("R-2", partner_id="P-1"))
    scans(tmp_path, {"portal"}, days=1)
    assert rows(tmp_path, "select review_id, items, register_row from reviews order by all") == [
        ("R-1", 2, "ledger/reviews.jsonl:2"),
        ("R-2", None, "ledger/reviews.jsonl:3"),
    ]
    assert rows(tmp_path, "select count(*) from acceptances") == [(1,)]
    assert rows(tmp_path, "select file, rows from register_files order by all") == [
        ("ledger/acceptances.jsonl", 1),
        ("ledger/reviews.jsonl", 2),
    ]
    assert rows(tmp_path, "select distinct rows from register_fields where holds = 'reviews'") == [(2,)]
    assert rows(tmp_path, "select status from coverage where dataset = 'register.reviews'") == [("complete",)]
    assert rows(tmp_path, "select status from coverage where dataset = 'register.partners'") == [("carried",)]


def test_what_was_said_while_a_scan_collects_is_in_it(tmp_path: Path) -> None:
    def tell(_: object) -> list[Record]:
        say(tmp_path, Review("R-1", partner_id="P-1"))
        return [tenant("portal:main"), *covered("portal:main", datasets=DATASETS)]

    run(tmp_path, [register(), System("portal", tell)])
    assert rows(tmp_path, "select review_id from reviews") == [("R-1",)]


def test_a_damaged_ledger_stops_the_scan_and_leaves_the_last_one(tmp_path: Path) -> None:
    scans(tmp_path)
    before = store.current(tmp_path)
    say(tmp_path, Review("R-1", partner_id="P-1"))
    file = tmp_path / "ledger" / "reviews.jsonl"
    file.write_text(file.read_text().replace("R-1", "R-7"))
    with pytest.raises(StoreError, match="line 1"):
        scans(tmp_path, days=1)
    assert store.current(tmp_path) == before


def test_entries_that_were_cut_off_the_end_are_missed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    say(tmp_path, *(Review(f"R-{n}", partner_id="P-1") for n in range(3)), Acceptance("A-1", "rule", "x"))
    scans(tmp_path)
    file = tmp_path / "ledger" / "reviews.jsonl"
    file.write_text("".join(file.read_text().splitlines(keepends=True)[:1]))
    (tmp_path / "ledger" / "acceptances.jsonl").unlink()
    with caplog.at_level(logging.WARNING):
        scans(tmp_path, days=1)
    said_of_them = [
        (
            f"ledger/{table}.jsonl",
            f"held {before} entries in the scan before and holds {now}: what people said is missing",
        )
        for table, before, now in (("acceptances", 1, 0), ("reviews", 3, 1))
    ]
    assert rows(tmp_path, "select file, problem from quarantine order by all") == said_of_them
    assert [record.getMessage() for record in caplog.records if record.name == "nhiscan.ledger_rows"] == [
        f"{file} {problem}; put it back from a backup" for file, problem in said_of_them
    ]


def test_a_ledger_that_is_gone_leaves_nothing_of_it_in_a_carried_register(tmp_path: Path) -> None:
    say(tmp_path, Review("R-1", partner_id="P-1"))
    scans(tmp_path)
    (tmp_path / "ledger" / "reviews.jsonl").unlink()
    scans(tmp_path, {"portal"}, days=1)
    assert rows(tmp_path, "select count(*) from reviews") == [(0,)]
    assert rows(tmp_path, "select count(*) from register_files") == [(0,)]
