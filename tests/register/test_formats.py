"""The same table out of every format that is read, however its cells were mangled on the way."""

from __future__ import annotations

import json
import os
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from nhiscan.errors import RegisterError
from nhiscan.model import Contract, ContractTenant, IdentityMapping, Partner, PersonMail, Quarantined, RegisterFile

from .conftest import Read, write_workbook

PARTNERS = "partner_id,name\nP-1,Borealis\n"
NAMES = "partner_id{0}name{0}legal_name\nP-1{0}Müller{0}Müller & Söhne GmbH\n"


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_delimiter_and_encoding_are_detected(read: Read, delimiter: str, encoding: str) -> None:
    said = read({"partners.csv": NAMES.format(delimiter).encode(encoding)})
    partner = said.one(Partner)
    assert (partner.partner_id, partner.name, partner.legal_name) == ("P-1", "Müller", "Müller & Söhne GmbH")


@pytest.mark.parametrize("name", ["Ü", "Café Zoë", "Straße Größe „x“ 5 €", "Ørsted Åkerlund Señor"])
def test_short_western_text_is_read_as_cp1252(read: Read, name: str) -> None:
    said = read({"partners.csv": f"partner_id;name\nP-1;{name}\n".encode("cp1252")})
    assert said.one(Partner).name == name


def test_an_encoding_that_is_set_is_not_guessed(read: Read, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_bytes("partner_id,name\nP-1,Łódź\n".encode("cp1250"))
    said = read({}, files=[{"path": "list.csv", "table": "partners", "encoding": "cp1250"}])
    assert said.one(Partner).name == "Łódź"


def test_a_comma_inside_a_name_does_not_decide_the_delimiter(read: Read) -> None:
    said = read({"partners.csv": "partner_id;name\nP-1;Borealis, Inc., Ltd., LLC\n"})
    assert said.one(Partner).name == "Borealis, Inc., Ltd., LLC"


def test_a_spreadsheets_note_of_its_delimiter_is_followed(read: Read) -> None:
    partner = read({"partners.csv": "sep=|\r\npartner_id|name\r\nP-1|Borealis\r\n"}).one(Partner)
    assert (partner.name, partner.register_row) == ("Borealis", "partners.csv:3")


def test_a_row_is_named_by_the_line_it_begins_on(read: Read) -> None:
    text = 'partner_id,name\n\nP-1,"Borealis\nNorth"\nP-2,Cirrus\n'
    said = read({"partners.csv": text})
    assert [(p.name, p.register_row) for p in said.of(Partner)] == [
        ("Borealis North", "partners.csv:3"),
        ("Cirrus", "partners.csv:5"),
    ]


def test_dates_numbers_and_truth_values_of_a_workbook_are_read_as_such(read: Read) -> None:
    head = ["contract_id", "partner_id", "start", "end", "auto_renew", "revoke_sla_hours"]
    row: list[Any] = [4711.0, 1, datetime(2024, 1, 1), date(2026, 1, 31), True, 24.0]
    said = read(
        {
            "partners.xlsx": {"Sheet": [["partner_id", "name"], [1, "Borealis"]]},
            "contracts.xlsx": {"Sheet": [head, row]},
        }
    )
    contract = said.one(Contract)
    assert (contract.contract_id, contract.partner_id) == ("4711", "1")
    assert (contract.start_date, contract.end_date) == (date(2024, 1, 1), date(2026, 1, 31))
    assert (contract.auto_renew, contract.revoke_sla_hours, contract.dates_readable) == (True, 24, True)


def test_the_sheet_named_by_the_table_is_read_before_the_first(read: Read) -> None:
    sheets = {"Notes": [["nothing"], ["here"]], "Partners": [["partner_id", "name"], ["P-1", "Borealis"]]}
    assert read({"partners.xlsx": sheets}).one(Partner).name == "Borealis"


def test_without_such_a_sheet_the_first_is_read(read: Read) -> None:
    sheets = {"Liste": [["partner_id", "name"], ["P-1", "Borealis"]], "Notes": [["nothing"], ["here"]]}
    assert read({"partners.xlsx": sheets}).one(Partner).name == "Borealis"


def test_empty_rows_and_columns_at_the_edges_of_a_workbook_are_no_rows(read: Read) -> None:
    rows = [["partner_id", "name", None, None], ["P-1", "Borealis", None, " "], [None, "", None], ["\u00a0"]]
    said = read({"partners.xlsx": {"Sheet": rows}})
    assert (said.one(RegisterFile).rows, said.one(RegisterFile).accepted, said.of(Quarantined)) == (1, 1, [])


def test_rows_beyond_the_size_that_a_workbook_notes_are_read(read: Read, tmp_path: Path) -> None:
    write_workbook(tmp_path / "book.xlsx", {"Sheet": [["partner_id", "name"], ["P-1", "Borealis"]]})
    with zipfile.ZipFile(tmp_path / "book.xlsx") as whole, zipfile.ZipFile(tmp_path / "wrong.xlsx", "w") as wrong:
        for name in whole.namelist():
            wrong.writestr(name, whole.read(name).replace(b'<dimension ref="A1:B2"', b'<dimension ref="A1:A1"'))
    assert read({"partners.xlsx": (tmp_path / "wrong.xlsx").read_bytes()}).one(Partner).name == "Borealis"


TREE = {
    "partners": [{"partner_id": "P-1", "name": "Borealis"}],
    "contracts": [
        {"contract_id": "C-1", "partner_id": "P-1", "end": "2026-01-31", "our_tenants": ["aws:111111111111", "vault:a"]}
    ],
}
TREE_AS_TOML = """
[[partners]]
partner_id = "P-1"
name = "Borealis"
[[contracts]]
contract_id = "C-1"
partner_id = "P-1"
end = 2026-01-31
our_tenants = ["aws:111111111111", "vault:a"]
"""


@pytest.mark.parametrize(("name", "text"), [("all.json", json.dumps(TREE)), ("all.toml", TREE_AS_TOML)])
def test_one_file_with_a_list_per_table_is_a_register(read: Read, name: str, text: str) -> None:
    said = read({name: text}, path=f"register/{name}")
    assert said.one(Contract).end_date == date(2026, 1, 31)
    assert said.one(Contract).register_row == f"{name}[contracts]:1"
    assert [row.tenant_id for row in said.of(ContractTenant)] == ["aws:111111111111", "vault:a"]


@pytest.mark.parametrize("text", [json.dumps(TREE["partners"]), json.dumps({"partners": TREE["partners"]})])
def test_a_json_file_named_by_its_table_may_be_a_bare_list(read: Read, text: str) -> None:
    assert read({"partners.json": text}).one(Partner).register_row == "partners.json:1"


def test_a_list_that_the_file_is_not_read_for_is_refused(read: Read) -> None:
    with pytest.raises(RegisterError, match="holds 'contracts' beside"):
        read({"partners.toml": TREE_AS_TOML})


def test_an_unknown_table_of_the_one_file_names_the_nearest(read: Read) -> None:
    with pytest.raises(RegisterError, match="unknown register table 'partner'") as caught:
        read({"all.toml": '[[partner]]\npartner_id = "P-1"\n'}, path="register/all.toml")
    assert caught.value.hint == "did you mean 'partners'?"


def test_decisions_of_a_person_and_of_the_tool_are_read_together(read: Read) -> None:
    said = read(
        {
            "partners.csv": PARTNERS,
            "identity_map.csv": "pattern,partner_id\n*:user/bor-*,P-1\n",
            "identity_map.toml": '[[identity_map]]\npattern = "*:role/bor"\nowner = "dana@acme.example"\n',
        }
    )
    assert [(m.pattern, m.register_row) for m in said.of(IdentityMapping)] == [
        ("*:user/bor-*", "identity_map.csv:2"),
        ("*:role/bor", "identity_map.toml:1"),
    ]


@pytest.mark.parametrize("cell", ["a@acme.example; B@acme.example", "a@acme.example,b@acme.example"])
def test_lists_inside_a_cell_are_split(read: Read, cell: str) -> None:
    said = read({"people.csv": f'mail,old_mails\nnow@acme.example,"{cell}"\n'})
    assert [row.old_mail for row in said.of(PersonMail)] == ["a@acme.example", "b@acme.example"]


def test_a_file_from_elsewhere_is_read_by_its_own_headers_and_dates(read: Read, tmp_path: Path) -> None:
    (tmp_path / "exports").mkdir()
    text = "Partner-Nr;Firma;Letzter Umsatz\nP-1;Müller GmbH;31.01.2026\n"
    (tmp_path / "exports" / "partnerliste.csv").write_bytes(text.encode("cp1252"))
    spec = {
        "path": "exports/partnerliste.csv",
        "table": "partners",
        "date_format": "%d.%m.%Y",
        "columns": {
            "partner-nr": "partner_id",
            "FIRMA": "legal_name",
            "Letzter  Umsatz": "last_commercial_activity",
        },
    }
    partner = read({}, files=[spec]).one(Partner)
    assert (partner.partner_id, partner.name, partner.legal_name) == ("P-1", "Müller GmbH", "Müller GmbH")
    assert partner.last_commercial_activity == date(2026, 1, 31)
    assert partner.register_row == "partnerliste.csv:2"


def test_a_file_that_is_configured_is_not_read_again_from_the_folder(read: Read) -> None:
    said = read({"partners.csv": PARTNERS}, files=[{"path": "register/partners.csv", "table": "partners"}])
    assert (len(said.of(RegisterFile)), said.of(Quarantined)) == (1, [])


def test_files_of_one_name_are_told_apart_by_their_folders(read: Read) -> None:
    said = read(
        {"partners.csv": PARTNERS, "crm/partners.csv": "partner_id,name\nP-2,Cirrus\n"},
        files=[{"path": "register/crm/partners.csv", "table": "partners"}],
    )
    assert {p.name: p.register_row for p in said.of(Partner)} == {
        "Borealis": "register/partners.csv:2",
        "Cirrus": "crm/partners.csv:2",
    }


def test_the_export_date_is_the_files_own_unless_it_is_given(read: Read, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(PARTNERS, encoding="utf-8")
    moment = datetime(2026, 1, 5, 6, tzinfo=UTC)
    os.utime(tmp_path / "list.csv", (moment.timestamp(), moment.timestamp()))
    spec = {"path": "list.csv", "table": "partners"}
    assert read({}, files=[spec]).one(Partner).exported_at == moment
    given = read({}, files=[{**spec, "exported_at": date(2026, 1, 2)}])
    assert given.one(RegisterFile).exported_at == datetime(2026, 1, 2, tzinfo=UTC)
