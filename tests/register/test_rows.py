"""Each row is accepted or quarantined, each cell taken as it stands or said not to be; nothing is lost or guessed."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime
from typing import Any

import pytest
from openpyxl import Workbook

from nhiscan.model import (
    Acceptance,
    Alias,
    Attestation,
    Contract,
    ContractEvent,
    ContractTenant,
    IdentityMapping,
    Ownership,
    Package,
    Partner,
    Person,
    PersonMail,
    Quarantined,
    RegisterField,
    RegisterFile,
)

from .conftest import Read, Said

PARTNERS = "partner_id,name\nP-1,Borealis\nP-2,Cirrus\n"


def contracts(read: Read, header: str, *rows: str) -> Said:
    return read({"partners.csv": PARTNERS, "contracts.csv": "\n".join([f"contract_id,partner_id,{header}", *rows])})


def aliases(read: Read, header: str, *rows: str) -> Said:
    return read({"partners.csv": PARTNERS, "aliases.csv": "\n".join([f"partner_id,kind,value{header}", *rows])})


@pytest.mark.parametrize("header", ["PARTNER_ID,Name", " partner id , NAME ", "Partner-ID,name", "partner_id,name"])
def test_headers_are_compared_without_case_and_spaces(read: Read, header: str) -> None:
    assert read({"partners.csv": f"{header}\nP-1,Borealis\n"}).one(Partner).partner_id == "P-1"


@pytest.mark.parametrize(
    ("text", "value"),
    [("true", True), ("Yes", True), ("JA", True), ("1", True), ("FALSE", False), ("no", False), ("nein", False)],
)
def test_yes_and_no_are_read_in_the_words_of_the_format(read: Read, text: str, value: bool) -> None:
    assert contracts(read, "auto_renew", f"C-1,P-1,{text}").one(Contract).auto_renew is value


def test_another_word_for_yes_is_unknown_and_said(read: Read) -> None:
    said = contracts(read, "auto_renew", "C-1,P-1,perhaps")
    entry = said.one(Quarantined)
    assert said.one(Contract).auto_renew is None
    assert (entry.field, entry.value, entry.row_dropped) == ("auto_renew", "perhaps", False)
    assert entry.allowed == "true/false, yes/no, ja/nein, 1/0"


def test_start_and_end_fill_the_contracts_dates(read: Read) -> None:
    contract = contracts(read, "start,end", "C-1,P-1,2024-01-01,2026-01-31").one(Contract)
    assert (contract.start_date, contract.end_date) == (date(2024, 1, 1), date(2026, 1, 31))


@pytest.mark.parametrize("text", ["31.01.2026", "2026-02-31", "until notice", "01/02/2026", "46053", "1970-01-01"])
def test_a_date_that_cannot_be_read_is_unknown_and_never_an_end(read: Read, text: str) -> None:
    said = contracts(read, "end", f"C-1,P-1,{text}")
    contract, entry = said.one(Contract), said.one(Quarantined)
    assert (contract.end_date, contract.dates_readable) == (None, False)
    assert (entry.line, entry.field, entry.value, entry.row_dropped) == (2, "end", text, False)
    assert said.coverage("contracts").status == "complete"


def test_an_end_that_is_left_out_is_readable(read: Read) -> None:
    assert contracts(read, "end", "C-1,P-1,").one(Contract).dates_readable is True


@pytest.mark.parametrize("text", ["9999-12-31", "2999-12-31"])
def test_a_far_end_means_no_end(read: Read, text: str) -> None:
    contract = contracts(read, "end", f"C-1,P-1,{text}").one(Contract)
    assert (contract.end_date, contract.dates_readable) == (None, True)


def test_a_contract_that_ends_before_it_starts_has_an_unknown_end(read: Read) -> None:
    said = contracts(read, "start,end", "C-1,P-1,2026-01-01,2025-01-01")
    assert (said.one(Contract).end_date, said.one(Contract).dates_readable) == (None, False)
    assert said.one(Quarantined).field == "end"


@pytest.mark.parametrize("text", ["2026-01-31", "31.1.26", "01/31/2026"])
def test_a_date_format_holds_for_every_date_of_the_file(read: Read, text: str) -> None:
    spec = {"path": "register/deals.csv", "table": "contracts", "date_format": "%d.%m.%Y"}
    said = read({"partners.csv": PARTNERS, "deals.csv": f"contract_id,partner_id,end\nC-1,P-1,{text}\n"}, files=[spec])
    assert said.one(Contract).dates_readable is False


@pytest.mark.parametrize("text", ["2026-01-31T14:05:00+01:00", "2026-01-31 13:05", "2026-01-31T13:05Z"])
def test_times_are_utc_unless_they_say_otherwise(read: Read, text: str) -> None:
    rows = f"attestation_id,partner_id,kind,attested_at\nT-1,P-1,access,{text}\n"
    said = read({"partners.csv": PARTNERS, "attestations.csv": rows})
    assert said.one(Attestation).attested_at == datetime(2026, 1, 31, 13, 5, tzinfo=UTC)


def test_a_time_in_a_date_column_gives_the_day_that_is_written(read: Read) -> None:
    contract = contracts(read, "end", "C-1,P-1,2026-01-31T23:30:00-05:00").one(Contract)
    assert contract.end_date == date(2026, 1, 31)


@pytest.mark.parametrize(("column", "value"), [("kind", "framework"), ("status", "ended")])
def test_a_contract_of_unknown_kind_or_status_is_quarantined(read: Read, column: str, value: str) -> None:
    said = contracts(read, column, f"C-1,P-1,{value}")
    entry = said.one(Quarantined)
    assert said.of(Contract) == []
    assert (entry.field, entry.value, entry.row_dropped, entry.partner_id) == (column, value, True, "P-1")
    assert entry.allowed is not None


def test_known_words_are_compared_without_case(read: Read) -> None:
    contract = contracts(read, "kind,status", "C-1,P-1,MSP, Active ").one(Contract)
    assert (contract.kind, contract.status) == ("msp", "active")


def test_an_unknown_tier_is_unknown_and_the_partner_stays(read: Read) -> None:
    said = read({"partners.csv": "partner_id,name,risk_tier\nP-1,Borealis,extreme\n"})
    assert said.one(Partner).risk_tier is None
    assert said.one(Quarantined).allowed == "low, medium, high, critical"


@pytest.mark.parametrize("text", ["-3", "1.200", "3.5", "many", "9" * 30])
def test_a_number_that_is_not_whole_is_unknown(read: Read, text: str) -> None:
    said = read({"partners.csv": f"partner_id,name,declared_nhi_count\nP-1,Borealis,{text}\n"})
    assert (said.one(Partner).declared_nhi_count, said.one(Quarantined).row_dropped) == (None, False)


def test_a_level_above_five_is_unknown(read: Read) -> None:
    assert read({"packages.csv": "package_id,name,max_level\nK-1,Base,6\n"}).one(Package).max_level is None


@pytest.mark.parametrize("text", [" Dana@Acme.Example ", "mailto:dana@acme.example", "Dana Roe <DANA@acme.example>"])
def test_addresses_are_stripped_and_lower_case(read: Read, text: str) -> None:
    assert read({"people.csv": f"mail,name\n{text},Dana\n"}).one(Person).mail == "dana@acme.example"


@pytest.mark.parametrize(
    "text", ["Dana Roe", "dana@", "@acme.example", "dana@acme", "a b@acme.example", "a@b@c.example"]
)
def test_a_person_without_a_valid_address_is_quarantined(read: Read, text: str) -> None:
    said = read({"people.csv": f"mail,name\n{text},Dana\n"})
    assert (said.of(Person), said.one(Quarantined).field) == ([], "mail")


def test_an_owner_who_is_not_an_address_is_unknown(read: Read) -> None:
    said = read({"partners.csv": "partner_id,name,business_owner\nP-1,Borealis,Dana Roe\n"})
    assert (said.one(Partner).business_owner, said.one(Quarantined).value) == (None, "Dana Roe")


def test_a_bad_former_address_does_not_cost_the_others(read: Read) -> None:
    said = read({"people.csv": 'mail,old_mails\ndana@acme.example,"old@acme.example; Dana; dana@acme.example"\n'})
    assert [row.old_mail for row in said.of(PersonMail)] == ["old@acme.example"]
    assert said.one(Quarantined).row_dropped is False


def test_a_tenant_that_is_no_id_never_widens_a_contract_to_all_tenants(read: Read) -> None:
    said = contracts(read, "our_tenants", "C-1,P-1,production; AWS:111111111111")
    assert [row.tenant_id for row in said.of(ContractTenant)] == ["production", "aws:111111111111"]
    assert said.one(Quarantined).row_dropped is False


def test_the_second_row_of_an_id_is_quarantined_and_names_the_first(read: Read) -> None:
    said = read({"partners.csv": "partner_id,name\nP-1,Borealis\nP-1,Cirrus\n"})
    (entry,) = said.dropped("partners.csv")
    assert said.one(Partner).name == "Borealis"
    assert (entry.line, entry.field, entry.value) == (3, "partner_id", "P-1")
    assert "partners.csv:2" in entry.problem


def test_one_alias_claimed_by_two_partners_stays_twice(read: Read) -> None:
    said = aliases(read, "", "P-1,mail_domain,shared.example", "P-2,mail_domain,shared.example")
    assert [alias.partner_id for alias in said.of(Alias)] == ["P-1", "P-2"]


def test_one_alias_may_have_several_times_of_validity(read: Read) -> None:
    said = aliases(
        read,
        ",valid_from,valid_to",
        "P-1,mail_domain,bor.example,2020-01-01,2021-01-01",
        "P-1,mail_domain,bor.example,2024-01-01,",
    )
    assert len(said.of(Alias)) == 2


def test_a_row_for_an_unknown_partner_is_quarantined_with_the_nearest(read: Read) -> None:
    said = contracts(read, "end", "C-1,p-1,2026-01-31")
    entry = said.one(Quarantined)
    assert said.of(Contract) == []
    assert (entry.field, entry.value, entry.allowed) == ("partner_id", "p-1", "did you mean 'P-1'?")


def test_a_person_of_an_unknown_partner_stays_without_partner(read: Read) -> None:
    said = read({"partners.csv": PARTNERS, "people.csv": "mail,partner_id\ndana@bor.example,P-9\n"})
    assert (said.one(Person).partner_id, said.one(Quarantined).row_dropped) == (None, False)


def test_an_acceptance_for_an_unknown_partner_never_becomes_one_for_all(read: Read) -> None:
    rows = "acceptance_id,rule_id,subject_id,partner_id\nA-1,life-key-age-exceeded,k,P-9\n"
    assert read({"partners.csv": PARTNERS, "acceptances.csv": rows}).of(Acceptance) == []


def test_events_of_a_quarantined_contract_are_quarantined_with_it(read: Read) -> None:
    said = read(
        {
            "partners.csv": PARTNERS,
            "contracts.csv": "contract_id,partner_id,kind\nC-1,P-1,msp\nC-2,P-1,framework\n",
            "contract_events.csv": "contract_id,type\nC-1,renewed\nC-2,renewed\n",
        }
    )
    assert [event.contract_id for event in said.of(ContractEvent)] == ["C-1"]
    assert said.dropped("contract_events.csv")[0].value == "C-2"


def test_ownership_of_an_unknown_partner_is_quarantined_and_of_an_identity_is_not(read: Read) -> None:
    rows = "owned_kind,owned,mail\npartner,P-9,dana@acme.example\nidentity,P-9,dana@acme.example\n"
    said = read({"partners.csv": PARTNERS, "ownerships.csv": rows})
    assert said.one(Ownership).owned_kind == "identity"


def test_a_partner_may_be_keyed_by_its_source_alone(read: Read) -> None:
    said = read({"partners.csv": "source_system,source_id,name\ncrm,001A,Borealis\n"})
    assert said.one(Partner).partner_id == "crm:001A"


def test_a_source_id_that_one_partner_has_names_that_partner(read: Read) -> None:
    said = read(
        {
            "partners.csv": "partner_id,name,source_system,source_id\nP-1,Borealis,crm,001A\n",
            "contracts.csv": "contract_id,partner_id\nC-1,001A\n",
        }
    )
    assert said.one(Contract).partner_id == "P-1"


def test_a_source_id_of_two_systems_names_nobody(read: Read) -> None:
    said = read(
        {
            "partners.csv": "partner_id,name,source_system,source_id\nP-1,Borealis,crm,7\nP-2,Cirrus,erp,7\n",
            "contracts.csv": "contract_id,partner_id\nC-1,7\n",
        }
    )
    assert (said.of(Contract), len(said.of(Partner))) == ([], 2)


MERGED = (
    "partner_id,name,source_system,source_id,exported_at\n"
    "P-OLD,Borealis Labs,crm,001A,2025-01-01\n"
    "P-1,Borealis,CRM,001A,2026-01-01\n"
)


def test_of_merged_accounts_the_newest_row_stands_and_the_other_is_told(read: Read) -> None:
    said = read({"partners.csv": MERGED})
    (entry,) = said.dropped("partners.csv")
    assert said.one(Partner).name == "Borealis"
    assert (entry.line, entry.field) == (2, "source_id")
    assert "partners.csv:3" in entry.problem
    assert "Borealis Labs" in entry.problem


def test_what_names_a_merged_account_follows_it(read: Read) -> None:
    said = read(
        {
            "partners.csv": MERGED,
            "contracts.csv": "contract_id,partner_id\nC-1,P-OLD\n",
            "identity_map.csv": "pattern,partner_id\n*bor*,P-OLD\n",
        }
    )
    assert (said.one(Contract).partner_id, said.one(IdentityMapping).partner_id) == ("P-1", "P-1")


def test_a_renamed_account_keeps_its_id(read: Read) -> None:
    before = read({"partners.csv": "source_system,source_id,name\ncrm,001A,Borealis\n"}).one(Partner)
    after = read({"partners.csv": "source_system,source_id,name\ncrm,001A,Aurora\n"}).one(Partner)
    assert before.partner_id == after.partner_id


def test_a_partner_is_never_above_itself(read: Read) -> None:
    said = read({"partners.csv": "partner_id,name,parent_id\nP-1,A,P-2\nP-2,B,P-3\nP-3,C,P-1\nP-4,D,P-9\n"})
    assert {p.partner_id: p.parent_id for p in said.of(Partner)} == {
        "P-1": "P-2",
        "P-2": "P-3",
        "P-3": None,
        "P-4": None,
    }
    assert [entry.line for entry in said.of(Quarantined)] == [4, 5]


@pytest.mark.parametrize("value", ["1111-1111-1111", "111111111111", " 1111 1111 1111"])
def test_account_numbers_are_read_with_or_without_marks(read: Read, value: str) -> None:
    assert aliases(read, "", f"P-1,aws_account,{value}").one(Alias).value == "111111111111"


@pytest.mark.parametrize("value", ["11111111111", "1.11111E+11", "prod"])
def test_an_account_number_that_lost_digits_is_quarantined(read: Read, value: str) -> None:
    said = aliases(read, "", f"P-1,aws_account,{value}")
    assert (said.of(Alias), said.one(Quarantined).field) == ([], "value")


def test_mail_domains_are_read_in_one_form(read: Read) -> None:
    assert aliases(read, "", "P-1,mail_domain,@Borealis.Example").one(Alias).value == "borealis.example"


@pytest.mark.parametrize(
    ("column", "value"), [("kind", "domain"), ("valid_to", "soon"), ("valid_from", "2020"), ("exclusive", "maybe")]
)
def test_an_alias_whose_limits_cannot_be_read_attributes_nothing(read: Read, column: str, value: str) -> None:
    row: dict[str, str] = {"partner_id": "P-1", "kind": "mail_domain", "value": "bor.example", column: value}
    said = read({"partners.csv": PARTNERS, "aliases.json": json.dumps([row])})
    assert (said.of(Alias), said.one(Quarantined).field) == ([], column)


def test_a_decision_without_a_readable_end_does_not_hold_for_ever(read: Read) -> None:
    said = read({"partners.csv": PARTNERS, "identity_map.csv": "pattern,partner_id,until\n*bor*,P-1,next year\n"})
    assert said.of(IdentityMapping) == []


def test_a_decision_that_decides_nothing_is_quarantined(read: Read) -> None:
    said = read({"identity_map.csv": "pattern,decided_by\n*bor*,dana@acme.example\n"})
    assert (said.of(IdentityMapping), said.one(Quarantined).problem) == ([], "decides nothing")


def test_white_space_and_accents_are_read_in_one_form(read: Read) -> None:
    said = read({"partners.csv": "partner_id,name\n\u00a0P-1 ,  Mu\u0308ller\u00a0\u2003Söhne \n"})
    assert (said.one(Partner).partner_id, said.one(Partner).name) == ("P-1", "Müller Söhne")


HOSTILE: list[Any] = [
    pytest.param('=HYPERLINK("http://x.example")', '=HYPERLINK("http://x.example")', id="a formula"),
    pytest.param("<script>alert(1)</script>", "<script>alert(1)</script>", id="markup"),
    pytest.param("'; drop table partners; --", "'; drop table partners; --", id="SQL"),
    pytest.param("a\x00b\x1b[31mc\x7f\x9bd", "ab[31mcd", id="control characters"),
    pytest.param("abc\u202etxt.exe\u200b", "abctxt.exe", id="invisible and direction characters"),
    pytest.param("x" * 10_000, "x" * 10_000, id="ten thousand characters"),
    pytest.param("\ud800", "\ufffd", id="half a character"),
]


@pytest.mark.parametrize(("cell", "value"), HOSTILE)
def test_hostile_text_is_kept_as_data_without_control_characters(read: Read, cell: str, value: str) -> None:
    said = read({"partners.json": json.dumps([{"partner_id": "P-1", "name": cell}])})
    assert (said.one(Partner).name, said.of(Quarantined)) == (value, [])


def test_a_long_value_is_shortened_in_the_quarantine(read: Read) -> None:
    entry = read({"partners.csv": f"partner_id,name,risk_tier\nP-1,Borealis,{'x' * 9999}\n"}).one(Quarantined)
    assert entry.value == "x" * 200 + "…"


def test_a_text_that_looks_like_a_formula_in_a_workbook_is_text(read: Read, tmp_path: Any) -> None:
    book = Workbook()
    sheet = book.active
    assert sheet is not None
    sheet.append(["partner_id", "name"])
    sheet.append(["P-1", "x"])
    sheet["B2"].value = "=cmd()"
    sheet["B2"].data_type = "s"
    book.save(tmp_path / "book.xlsx")
    said = read({"partners.xlsx": (tmp_path / "book.xlsx").read_bytes()})
    assert said.one(Partner).name == "=cmd()"


MANGLED: list[Any] = [
    pytest.param(datetime(2026, 3, 1), "is a date", id="an id turned into a date"),
    pytest.param(1.2345678901234567e17, "more digits", id="an id with more digits than a number keeps"),
    pytest.param("#REF!", "error of a formula", id="a failed formula"),
    pytest.param("1.23457E+17", "lost digits", id="an id written as a power of ten"),
]


@pytest.mark.parametrize(("cell", "problem"), MANGLED)
def test_an_id_that_a_spreadsheet_changed_is_not_taken_for_the_id(read: Read, cell: Any, problem: str) -> None:
    said = read({"partners.xlsx": {"Sheet": [["partner_id", "name"], [cell, "Borealis"]]}})
    assert said.of(Partner) == []
    assert problem in said.one(Quarantined).problem


@pytest.mark.parametrize("cell", [{"a": 1}, [1, 2], [[1]], float("nan")])
def test_a_cell_of_another_shape_is_unknown(read: Read, cell: Any) -> None:
    said = read({"partners.json": json.dumps([{"partner_id": "P-1", "name": "Borealis", "tier": cell}])})
    assert (said.one(Partner).tier, said.one(Quarantined).field) == (None, "tier")


def test_a_row_with_more_cells_than_columns_is_not_guessed_at(read: Read) -> None:
    said = read({"partners.csv": "partner_id,name,tier\nP-1,Borealis, Inc.,gold\nP-2,Cirrus,gold,,\n"})
    assert said.one(Partner).partner_id == "P-2"
    assert said.one(Quarantined).value == "gold"


def test_a_short_row_has_empty_cells(read: Read) -> None:
    assert read({"partners.csv": "partner_id,name,tier\nP-1,Borealis\n"}).one(Partner).tier is None


def test_filled_cells_are_counted_for_columns_that_are_present_only(read: Read) -> None:
    text = "partner_id,name,risk_tier,business_owner\nP-1,A,high,\nP-2,B,deep,dana@acme.example\n,C,low,\n"
    fields = {field.field: (field.filled, field.rows) for field in read({"partners.csv": text}).of(RegisterField)}
    assert fields == {"partner_id": (2, 2), "name": (2, 2), "risk_tier": (1, 2), "business_owner": (1, 2)}


def test_columns_are_counted_by_the_name_that_rules_use(read: Read) -> None:
    said = contracts(read, "end", "C-1,P-1,2026-01-31")
    fields = {(field.holds, field.field) for field in said.of(RegisterField)}
    assert ("contracts", "end_date") in fields


def test_a_row_with_several_faults_is_dropped_once_and_tells_all(read: Read) -> None:
    said = contracts(read, "kind,status,end", "C-1,P-1,framework,ended,soon")
    assert [(entry.field, entry.row_dropped) for entry in said.of(Quarantined)] == [
        ("kind", True),
        ("status", False),
        ("end", False),
    ]


CELLS = ["", " ", "P-1", "P-2", "C-1", "x", "msp", "active", "2026-01-31", "31.01.2026", "yes", "a@b.example", "#REF!"]
SHAPES = {
    "partners": ["partner_id", "name", "source_system", "source_id", "parent_id", "risk_tier"],
    "aliases": ["partner_id", "kind", "value", "valid_to"],
    "contracts": ["contract_id", "partner_id", "kind", "status", "start", "end", "our_tenants"],
    "contract_events": ["contract_id", "type", "due"],
    "people": ["mail", "old_mails", "partner_id", "side"],
    "ownerships": ["owned_kind", "owned", "mail"],
    "identity_map": ["pattern", "partner_id", "owner", "until"],
}


@pytest.mark.parametrize("seed", range(20))
def test_every_row_of_a_random_register_is_accepted_or_said_to_be_dropped(read: Read, seed: int) -> None:
    chance = random.Random(seed)
    files = {
        f"{table}.csv": "\n".join(
            [",".join(header), *(",".join(chance.choice(CELLS) for _ in header) for _ in range(chance.randrange(60)))]
        )
        for table, header in SHAPES.items()
    }
    said = read(files)
    assert set(said.lost_rows().values()) == {0}
    assert sum(file.rows for file in said.of(RegisterFile)) > 0
    assert {file.holds: file.accepted for file in said.of(RegisterFile)} == {
        "partners": len(said.of(Partner)),
        "aliases": len(said.of(Alias)),
        "contracts": len(said.of(Contract)),
        "contract_events": len(said.of(ContractEvent)),
        "people": len(said.of(Person)),
        "ownerships": len(said.of(Ownership)),
        "identity_map": len(said.of(IdentityMapping)),
    }
