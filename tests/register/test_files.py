"""Files that cannot be read stop the scan with the next step; what the register does not hold is not assessed."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import pytest

from nhiscan import collect, config
from nhiscan.errors import ConfigError, RegisterError
from nhiscan.model import REGISTER_DATASETS, Coverage, Quarantined, Record, Tenant

from .conftest import AS_OF, Read

PARTNERS = "partner_id,name\nP-1,Borealis\n"


def test_each_dataset_gets_one_word_on_its_coverage(read: Read) -> None:
    said = read({"partners.csv": PARTNERS})
    assert sorted(record.dataset for record in said.of(Coverage)) == sorted(REGISTER_DATASETS)


def test_the_tenant_stands_first(read: Read) -> None:
    assert read({"partners.csv": PARTNERS}).records[0] == Tenant("register:main", "register")


def test_a_table_without_a_file_is_not_assessed(read: Read) -> None:
    coverage = read({"partners.csv": PARTNERS}).coverage("contracts")
    assert (coverage.status, coverage.reason) == ("unsupported", "the register holds no such table")


def test_a_table_that_was_read_wholly_is_complete(read: Read) -> None:
    assert read({"partners.csv": PARTNERS}).coverage("partners").status == "complete"


def test_a_table_without_rows_is_complete(read: Read) -> None:
    assert read({"partners.csv": "partner_id,name\n"}).coverage("partners").status == "complete"


def test_a_dropped_row_makes_its_table_partial(read: Read) -> None:
    coverage = read({"partners.csv": f"{PARTNERS},Cirrus\n"}).coverage("partners")
    assert (coverage.status, coverage.reason) == ("partial", "1 of 2 rows accepted")


def test_a_row_that_repeats_another_in_every_cell_loses_nothing(read: Read) -> None:
    said = read({"partners.csv": f"{PARTNERS}P-1,Borealis\n"})
    assert (said.coverage("partners").status, len(said.dropped("partners.csv"))) == ("complete", 1)


def test_an_empty_folder_is_a_register_without_tables(read: Read) -> None:
    assert {record.status for record in read({}).of(Coverage)} == {"unsupported"}


BROKEN: list[Any] = [
    pytest.param("partners.csv", b"", "is empty", id="an empty file"),
    pytest.param("partners.csv", b"\xff\xfe\x00", "encoding cannot be told", id="bytes that are no text"),
    pytest.param("partners.csv", b'partner_id,name\nP-1,"Bor\nP-2,Cirrus\n', "line 2", id="an open quotation mark"),
    pytest.param("partners.xlsx", b"not a zip", "not a workbook", id="a workbook that is no zip"),
    pytest.param("partners.toml", b"[[partners]\n", "partners.toml", id="broken TOML"),
    pytest.param("partners.json", b'[{"partner_id"', "partners.json", id="broken JSON"),
    pytest.param("partners.json", b"[" * 100_000, "partners.json", id="endless JSON"),
    pytest.param("partners.json", b'["P-1"]', "not a list of entries", id="a list of something else"),
    pytest.param("partners.toml", b'name = "\xfc"\n', "partners.toml", id="TOML that is not UTF-8"),
    pytest.param("partners.xls", b"\xd0\xcf\x11\xe0", "format are not read", id="an old workbook"),
]


@pytest.mark.parametrize(("name", "content", "message"), BROKEN)
def test_a_broken_file_is_an_error_that_names_it_and_the_next_step(
    read: Read, name: str, content: bytes, message: str
) -> None:
    with pytest.raises(RegisterError, match=message) as caught:
        read({name: content})
    assert name in caught.value.message
    assert caught.value.hint
    assert caught.value.exit_code == 2


def test_a_zip_that_is_no_workbook_is_an_error(read: Read, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr("hello.txt", "hello")
    with pytest.raises(RegisterError, match="not a workbook"):
        read({"partners.xlsx": (tmp_path / "a.zip").read_bytes()})


def test_a_workbook_cut_off_in_the_middle_is_an_error(read: Read, tmp_path: Path) -> None:
    read({"partners.xlsx": {"Sheet": [["partner_id", "name"], ["P-1", "Borealis"]]}})
    whole = (tmp_path / "register" / "partners.xlsx").read_bytes()
    with pytest.raises(RegisterError, match="not a workbook"):
        read({"partners.xlsx": whole[: len(whole) // 2]})


def test_a_workbook_that_unpacks_to_more_than_a_register_holds_is_refused(read: Read, tmp_path: Path) -> None:
    (tmp_path / "register").mkdir()
    with zipfile.ZipFile(tmp_path / "register" / "partners.xlsx", "w", zipfile.ZIP_DEFLATED) as package:
        for number in range(5):
            package.writestr(f"xl/worksheets/sheet{number}.xml", bytes(64 * 1024**2))
    with pytest.raises(RegisterError, match=r"partners\.xlsx holds more than 256 MiB"):
        read({})


def test_a_file_larger_than_a_register_is_refused_unread(read: Read, tmp_path: Path) -> None:
    (tmp_path / "register").mkdir()
    with (tmp_path / "register" / "partners.csv").open("wb") as file:
        file.truncate(256 * 1024**2 + 1)
    with pytest.raises(RegisterError, match=r"partners\.csv holds more than 256 MiB"):
        read({})


def test_a_missing_file_is_an_error(read: Read) -> None:
    with pytest.raises(RegisterError, match=r"gone\.csv"):
        read({}, files=[{"path": "gone.csv", "table": "partners"}])


def test_a_missing_folder_is_an_error(read: Read) -> None:
    with pytest.raises(RegisterError, match="elsewhere"):
        read({}, path="elsewhere")


def test_nothing_is_yielded_before_every_file_was_read(tmp_path: Path) -> None:
    (tmp_path / "partners.csv").write_text(PARTNERS, encoding="utf-8")
    (tmp_path / "people.toml").write_text("[[", encoding="utf-8")
    register = config.build(collect.load("register"), {"path": "."}, where="", base=tmp_path, environ={})
    said: list[Record] = []
    with pytest.raises(RegisterError):
        said.extend(register.collect(collect.Context(as_of=None)))  # type: ignore[arg-type]
    assert said == []


def test_a_missing_required_column_names_what_was_found_and_the_nearest(read: Read) -> None:
    with pytest.raises(RegisterError) as caught:
        read({"partners.csv": "partnerid,name,tier\nP-1,Borealis,gold\n"})
    assert "no column for partner_id; found: partnerid, name, tier" in caught.value.message
    assert "did you mean 'partnerid'?" in caught.value.hint


def test_an_unknown_column_is_said_with_the_nearest_and_not_read(read: Read) -> None:
    said = read({"partners.csv": "partner_id,name,risktier\nP-1,Borealis,high\n"})
    entry = said.one(Quarantined)
    assert (entry.line, entry.field, entry.row_dropped) == (1, "risktier", False)
    assert entry.allowed == "did you mean 'risk_tier'?"
    assert said.coverage("partners").status == "complete"


def test_a_column_without_a_name_is_said_when_it_holds_something(read: Read) -> None:
    entry = read({"partners.csv": "partner_id,name,\nP-1,Borealis,\nP-2,Cirrus,gold\n"}).one(Quarantined)
    assert (entry.line, entry.problem) == (3, "column 3 has no name, so it was not read")


def test_two_columns_for_one_field_are_an_error(read: Read) -> None:
    with pytest.raises(RegisterError, match="two columns are 'partner_id'"):
        read({"partners.csv": "partner_id,Partner ID,name\nP-1,P-2,Borealis\n"})


def test_a_mapped_column_that_the_file_no_longer_has_is_an_error(read: Read, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("Nr,Firma\nP-1,Borealis\n", encoding="utf-8")
    columns = {"Nr": "partner_id", "Firma": "name", "Stufe": "tier"}
    with pytest.raises(RegisterError, match="no column 'Stufe'"):
        read({}, files=[{"path": "list.csv", "table": "partners", "columns": columns}])


def test_a_file_whose_name_is_no_table_is_said_with_the_nearest(read: Read) -> None:
    entry = read({"partner.csv": PARTNERS}).one(Quarantined)
    assert (entry.file, entry.allowed, entry.row_dropped) == ("partner.csv", "did you mean 'partners'?", False)


@pytest.mark.parametrize("target", ["gone.csv", "/dev/zero", "."])
def test_a_table_that_is_no_file_is_never_passed_over(tmp_path: Path, target: str) -> None:
    register = config.build(collect.load("register"), {"path": "."}, where="", base=tmp_path, environ={})
    (tmp_path / "contracts.csv").symlink_to(target)
    with pytest.raises(RegisterError, match=r"contracts\.csv is no readable file"):
        list(register.collect(collect.Context(as_of=AS_OF)))


def test_lock_files_and_notes_in_the_folder_are_left_alone(read: Read) -> None:
    said = read({"partners.csv": PARTNERS, "~$partners.xlsx": b"x", ".partners.csv": b"x", "README.md": "hello"})
    assert said.of(Quarantined) == []


WRONG: list[Any] = [
    ({"table": "partner"}, "unknown table 'partner'"),
    ({"table": "partners", "columns": {"Nr": "partnerid"}}, "no column 'partnerid'"),
    ({"table": "partners", "date_format": "%d.%m."}, "does not name a day"),
    ({"table": "partners", "date_format": "%Q"}, "does not name a day"),
    ({"table": "partners", "encoding": "cp9999"}, "unknown encoding"),
    ({"table": "partners", "delimiter": ";;"}, "not one character"),
    ({"table": "partners", "colums": {}}, "unknown key"),
]


@pytest.mark.parametrize(("spec", "message"), WRONG)
def test_a_wrong_setting_is_a_configuration_error(read: Read, spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        read({}, files=[{"path": "list.csv", **spec}])


def test_a_register_without_any_file_is_a_configuration_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="neither path nor files"):
        config.build(collect.load("register"), {}, where="", base=tmp_path, environ={})


def test_strict_reading_lists_the_first_ten_bad_rows(read: Read) -> None:
    rows = "".join(f"P-{n},Partner {n},deep\n" for n in range(12))
    with pytest.raises(RegisterError) as caught:
        read({"partners.csv": f"partner_id,name,risk_tier\n{rows}"}, strict=True)
    assert caught.value.message.count("is no known risk_tier") == 10
    assert "partners.csv:2, risk_tier: 'deep'" in caught.value.message
    assert "and 2 more" in caught.value.message


def test_strict_reading_accepts_columns_that_are_not_ours(read: Read) -> None:
    said = read({"partners.csv": "partner_id,name,phone\nP-1,Borealis,0\n"}, strict=True)
    assert said.coverage("partners").status == "complete"
