"""What a partner is asked, what of its answers is taken, and where they contradict the scan."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import openpyxl
import pytest

from nhiscan import ledger, store
from nhiscan.delimited import TableError
from nhiscan.errors import QueryError, StoreError
from nhiscan.lifecycle import answers, attest, contradictions
from nhiscan.lifecycle.answers import AnswersError, Statement
from nhiscan.lifecycle.decisions import RefusedError
from nhiscan.model import Attestation, AttestationItem

AT = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
BACK = datetime(2026, 2, 3, 8, 0, tzinfo=UTC)
SIGNER = "pia@borealis.example"
TENANT = "crm:eu"
FORMULA = '=HYPERLINK("http://evil.example","Borealis")'


def add(con: duckdb.DuckDBPyConnection, table: str, **row: Any) -> None:
    con.execute(f"insert into {table} ({', '.join(row)}) values ({', '.join('?' for _ in row)})", list(row.values()))


def account(con: duckdb.DuckDBPyConnection, key: int, name: str, partner: str = "P-1", **more: Any) -> str:
    """An enabled account of a partner; returns its id."""
    mail = more.pop("mail", None)
    verdict = more.pop("verdict", "asserted")
    identity_id = f"{TENANT}:app/{name}"
    row = {"identity_key": key, "identity_id": identity_id, "tenant_id": TENANT, "provider": "crm", "name": name}
    row |= {"native_id": name, "kind": "service_account", "is_nhi": True}
    facts = {**row, "is_enabled": True, "has_access": True, "live_credentials": 1, "is_provider_owned": False, **more}
    add(con, "identities", **{**row, "is_nhi": facts["is_nhi"]}, mail=mail)
    add(con, "identity_facts", **facts)
    add(con, "identity_partners", identity_key=key, partner_id=partner, role="operator", verdict=verdict)
    return identity_id


def human(con: duckdb.DuckDBPyConnection, key: int, name: str, **more: Any) -> str:
    facts = {"kind": "human_user", "is_nhi": False, "mail": f"{name}@borealis.example", **more}
    return account(con, key, name, **facts)


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    with store.empty() as opened:
        add(opened, "scans", scan_id="20260131T020000Z-4f2a", as_of=datetime(2026, 1, 31, 2))
        add(opened, "partners", partner_id="P-1", name="Borealis")
        add(opened, "partners", partner_id="P-2", name="Cobalt Consulting")
        add(opened, "coverage", provider="crm", tenant_id=TENANT, dataset="identities", status="complete")
        yield opened


def asked(con: duckdb.DuckDBPyConnection, kind: str = "access", partner: str = "P-1") -> list[str]:
    request, _ = attest.make(con, partner=partner, kind=kind, at=AT)
    return [item.subject_id for item in request.items]


def test_access_asks_about_accounts_of_people_and_machines_and_of_nobody_else(con: duckdb.DuckDBPyConnection) -> None:
    machine, person = account(con, 1, "sync"), human(con, 2, "ana")
    account(con, 3, "theirs", partner="P-2")
    account(con, 4, "disputed", verdict="conflict")
    account(con, 5, "alike", verdict="suggested")
    account(con, 6, "made by the provider", is_provider_owned=True)
    assert sorted(asked(con)) == sorted([machine, person])


def test_an_inventory_asks_about_machines_and_leavers_about_people(con: duckdb.DuckDBPyConnection) -> None:
    machine, person = account(con, 1, "sync"), human(con, 2, "ana")
    either = account(con, 3, "who-knows", is_nhi=None)
    assert sorted(asked(con, "nhi_inventory")) == sorted([machine, either])
    assert sorted(asked(con, "leavers")) == sorted([person, either])


@pytest.mark.parametrize(
    ("facts", "is_asked"),
    [
        ({"is_enabled": False, "has_access": False, "live_credentials": 0}, False),
        ({"is_enabled": False, "has_access": False, "live_credentials": 1}, True),
        ({"is_enabled": True, "has_access": False, "live_credentials": 0}, True),
        ({"is_enabled": None, "has_access": None, "live_credentials": None}, True),
        ({"is_enabled": False, "has_access": None, "live_credentials": 0}, True),
    ],
)
def test_only_what_is_surely_off_is_left_out(
    con: duckdb.DuckDBPyConnection, facts: dict[str, Any], is_asked: bool
) -> None:
    account(con, 1, "always")
    identity_id = account(con, 2, "sync", **facts)
    assert (identity_id in asked(con)) is is_asked


def test_people_of_the_register_without_an_account_are_asked_about_as_leavers(con: duckdb.DuckDBPyConnection) -> None:
    person = human(con, 1, "ana")
    add(con, "person_mails", mail="anna@borealis.example", old_mail="Ana@borealis.example")
    for mail, more in (
        ("ana@borealis.example", {}),
        ("anna@borealis.example", {}),
        ("Ben@borealis.example", {}),
        ("gone@borealis.example", {"status": "left"}),
        ("went@borealis.example", {"left_on": date(2026, 1, 31)}),
        ("ours@acme.example", {"side": "ours"}),
    ):
        add(con, "people", mail=mail, **{"partner_id": "P-1", "side": "partner", **more})
    add(con, "people", mail="cora@cobalt.example", partner_id="P-2", side="partner")
    assert sorted(asked(con, "leavers")) == sorted([person, "ben@borealis.example"])
    assert asked(con, "access") == [person]


def test_what_the_partner_declared_is_asked_about_once(con: duckdb.DuckDBPyConnection) -> None:
    seen = account(con, 1, "sync")
    unlisted = account(con, 2, "other")
    for ref in ("SYNC ", "unseen-bot"):
        add(con, "declared_identities", partner_id="P-1", declared_ref=ref)
    add(con, "declared_identities", partner_id="P-2", declared_ref="theirs")
    request, rows = attest.make(con, partner="P-1", kind="nhi_inventory", at=AT)
    listed = dict(zip((i.subject_id for i in request.items), (row[11] for row in rows), strict=True))
    assert listed == {seen: "yes", unlisted: "no", "unseen-bot": "yes"}


def test_a_partner_of_whom_nothing_is_known_is_not_asked(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(RefusedError, match="knows nothing of Borealis"):
        asked(con)


def test_an_unknown_partner_is_refused(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryError, match="no partner 'Boralis'"):
        asked(con, partner="Boralis")


def test_the_file_holds_nothing_of_ours_and_nothing_of_others(con: duckdb.DuckDBPyConnection) -> None:
    account(
        con,
        1,
        "cobalt-consulting-sync",
        mail="kim@acme.example",
        purpose="our own secret plan",
        owner_mail="dana@acme.example",
        created_by="erika@acme.example",
        level=5,
        partner_evidence="because",
    )
    account(con, 2, "theirs", partner="P-2")
    add(con, "company", kind="mail_domain", value="acme.example")
    request, rows = attest.make(con, partner="P-1", kind="access", at=AT)
    text = json.dumps([list(row) for row in rows])
    for word in ("acme", "secret plan", "because", "theirs", "obalt", "onsulting", "P-2"):
        assert word not in text
    assert request.items[0].subject_id == f"{TENANT}:app/cobalt-consulting-sync"


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_hostile_names_are_text_without_a_formula_or_anything_hidden(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, suffix: str
) -> None:
    account(con, 1, FORMULA)
    account(con, 2, "a\nb\x00\u202e" + "x" * 3000)
    add(con, "declared_identities", partner_id="P-1", declared_ref="@SUM(1)")
    _, rows = attest.make(con, partner="P-1", kind="access", at=AT)
    file = tmp_path / f"out{suffix}"
    attest.write(file, rows)
    cells = [cell for row in table(file) for cell in row]
    assert not [cell for cell in cells if isinstance(cell, str) and cell.startswith(("=", "+", "-", "@"))]
    assert not [
        cell for cell in cells if isinstance(cell, str) and ("\n" in cell or "\x00" in cell or "\u202e" in cell)
    ]
    assert max(len(str(cell)) for cell in cells) < 2100
    assert any("'=HYPERLINK" in str(cell) for cell in cells)
    if suffix == ".xlsx":
        sheet = openpyxl.load_workbook(file).worksheets[0]
        assert {cell.data_type for row in sheet.iter_rows() for cell in row} <= {"s", "inlineStr", "n"}


def test_a_file_that_may_hold_answers_is_not_overwritten(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    account(con, 1, "sync")
    _, rows = attest.make(con, partner="P-1", kind="access", at=AT)
    attest.write(tmp_path / "a.xlsx", rows)
    before = (tmp_path / "a.xlsx").read_bytes()
    with pytest.raises(RefusedError, match="exists"):
        attest.write(tmp_path / "a.xlsx", rows)
    assert (tmp_path / "a.xlsx").read_bytes() == before
    assert (tmp_path / "a.xlsx").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_a_file_that_cannot_be_written_leaves_nothing_half_done(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, suffix: str
) -> None:
    account(con, 1, "sync")
    _, rows = attest.make(con, partner="P-1", kind="access", at=AT)
    with pytest.raises(StoreError, match="cannot write"):
        attest.write(tmp_path / "missing" / f"a{suffix}", rows)
    assert list(tmp_path.iterdir()) == []


def test_a_request_comes_back_as_it_was_kept(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    account(con, 1, FORMULA)
    request, _ = attest.make(con, partner="P-1", kind="access", at=AT)
    attest.keep(tmp_path, request)
    assert attest.kept(tmp_path, request.request_id) == request


@pytest.mark.parametrize("name", ["T-20260131-00000000", "../../etc/passwd", "", "T-1"])
def test_a_request_that_was_not_made_here_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(RefusedError, match="no request"):
        attest.kept(tmp_path, name)


def test_a_damaged_request_is_named(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    account(con, 1, "sync")
    request, _ = attest.make(con, partner="P-1", kind="access", at=AT)
    attest.keep(tmp_path, request)
    (tmp_path / "attestations" / f"{request.request_id}.json").write_text("{")
    with pytest.raises(StoreError, match="is damaged"):
        attest.kept(tmp_path, request.request_id)


def table(file: Path) -> list[list[Any]]:
    if file.suffix == ".csv":
        with file.open(encoding="utf-8-sig", newline="") as lines:
            return [list(row) for row in csv.reader(lines)]
    return [list(row) for row in openpyxl.load_workbook(file).worksheets[0].iter_rows(values_only=True)]


def save(file: Path, rows: list[list[Any]]) -> None:
    if file.suffix == ".csv":
        with file.open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows(rows)
        return
    book = openpyxl.Workbook()
    for row in rows:
        book.worksheets[0].append(row)
    book.save(file)


ANSWER, BY, ON = (attest.COLUMNS.index(name) for name in (attest.ANSWER, attest.SIGNED_BY, attest.SIGNED_ON))
NUMBER, ID, PARTNER, REQUEST = (
    attest.COLUMNS.index(name) for name in (attest.NUMBER, attest.ID, attest.PARTNER, attest.REQUEST)
)


@dataclass
class Sent:
    """A request on its way: `table` is what stands in its file."""

    con: duckdb.DuckDBPyConnection
    request: attest.Request
    file: Path
    table: list[list[Any]]

    def answer(self, *words: str, by: Any = SIGNER, on: Any = "2026-02-02") -> Sent:
        for row, word in zip(self.table[1:], words, strict=True):
            row[ANSWER] = word
        self.table[1][BY], self.table[1][ON] = by, on
        return self

    def judge(self) -> Statement:
        save(self.file, self.table)
        rows = answers.read(self.file)
        assert answers.request_id(self.file, rows) == self.request.request_id
        return answers.judge(self.con, self.request, self.file, rows, at=BACK)

    def problems(self) -> list[str]:
        statement = self.judge()
        with pytest.raises(AnswersError) as caught:
            answers.refuse_incomplete(self.file, statement)
        assert "--incomplete" in caught.value.hint
        assert all(str(problem) in caught.value.message for problem in statement.problems)
        return [str(problem) for problem in statement.problems]

    def refused(self) -> str:
        with pytest.raises(AnswersError) as caught:
            self.judge()
        assert caught.value.hint
        return caught.value.message


EITHER = pytest.mark.parametrize("sent", [".csv", ".xlsx"], indirect=True)


@pytest.fixture
def sent(con: duckdb.DuckDBPyConnection, tmp_path: Path, request: pytest.FixtureRequest) -> Sent:
    """Three accounts: ana, ben and cid."""
    for key, name in enumerate(("ana", "ben", "cid"), 1):
        human(con, key, name)
    return send(con, tmp_path, suffix=getattr(request, "param", ".csv"))


def send(con: duckdb.DuckDBPyConnection, folder: Path, *, kind: str = "leavers", suffix: str = ".csv") -> Sent:
    made, rows = attest.make(con, partner="P-1", kind=kind, at=AT)
    file = folder / f"borealis{suffix}"
    attest.write(file, rows)
    return Sent(con, made, file, table(file))


@EITHER
def test_answers_become_a_statement_and_its_items(sent: Sent) -> None:
    statement = sent.answer("keep", "Left ", "REMOVE").judge()
    answers.refuse_incomplete(sent.file, statement)
    *items, whole = statement.records()
    assert isinstance(whole, Attestation)
    assert replace(whole, evidence=None) == Attestation(
        attestation_id=sent.request.request_id,
        partner_id="P-1",
        kind="leavers",
        attested_by=SIGNER,
        attested_at=datetime(2026, 2, 2, tzinfo=UTC),
        declared_items=3,
    )
    assert (whole.evidence or "").startswith(f"{sent.file.name} sha256:")
    assert items == [
        AttestationItem(sent.request.request_id, "identity", f"{TENANT}:app/{name}", answer)
        for name, answer in (("ana", "keep"), ("ben", "left"), ("cid", "remove"))
    ]
    assert statement.counted == {"keep": 1, "remove": 1, "left": 1}


@EITHER
@pytest.mark.parametrize("on", ["2026-02-02", "2026-02-02T10:00:00", "02.02.2026", date(2026, 2, 2)])
def test_a_date_is_read_as_programs_write_it(sent: Sent, on: Any) -> None:
    assert sent.answer("keep", "keep", "keep", on=on).judge().signed_on == date(2026, 2, 2)


@pytest.mark.parametrize(
    ("by", "on", "says"),
    [
        (None, "2026-02-02", "is not signed"),
        (SIGNER, None, "bears no date"),
        ("Pia", "2026-02-02", "line 2: signed by 'Pia', which is not a mail address"),
        (SIGNER, "02/03/2026", "line 2: '02/03/2026' is not a date"),
        (SIGNER, "2026-02-30", "line 2: '2026-02-30' is not a date"),
        (SIGNER, "2026-02-05", "2026-02-05 is still to come"),
        (SIGNER, "2026-01-29", "2026-01-29 is before 2026-01-31"),
    ],
)
def test_without_a_signer_and_a_day_that_can_be_nothing_is_taken(sent: Sent, by: Any, on: Any, says: str) -> None:
    assert says in sent.answer("keep", "keep", "keep", by=by, on=on).refused()


@pytest.mark.parametrize("on", ["2026-01-30", "2026-02-04"])
def test_the_partners_calendar_may_be_a_day_off(sent: Sent, on: str) -> None:
    assert sent.answer("keep", "keep", "keep", on=on).judge().signed_on.isoformat() == on


@pytest.mark.parametrize(("column", "value"), [(BY, "other@borealis.example"), (ON, "2026-02-01")])
def test_one_person_signs_on_one_day(sent: Sent, column: int, value: str) -> None:
    sent.answer("keep", "keep", "keep").table[2][column] = value
    message = sent.refused()
    assert "in line 2" in message
    assert "in line 3" in message


@pytest.mark.parametrize(
    ("person", "says"),
    [
        ({"side": "ours"}, "is a person of ours"),
        ({"side": "partner", "partner_id": "P-2"}, "is a person of P-2"),
    ],
)
def test_nobody_else_signs_for_the_partner(sent: Sent, person: dict[str, str], says: str) -> None:
    add(sent.con, "people", mail=SIGNER, **person)
    assert says in sent.answer("keep", "keep", "keep").refused()


def test_who_left_the_partner_does_not_sign_for_it(sent: Sent) -> None:
    add(sent.con, "people", mail=SIGNER, side="partner", partner_id="P-1", status="left")
    with pytest.raises(RefusedError, match="has left"):
        sent.answer("keep", "keep", "keep").judge()


@EITHER
def test_an_answer_in_another_word_is_named_with_its_line(sent: Sent) -> None:
    assert sent.answer("keep", "behalten", "left").problems() == [
        "line 3 answers 'behalten', which is none of keep, remove, left, shared, unknown"
    ]


def test_a_row_without_an_answer_is_named(sent: Sent) -> None:
    assert sent.answer("keep", "", "left").problems() == [f"line 3 has no answer for {TENANT}:app/ben"]


@EITHER
def test_a_row_that_was_taken_out_is_missed(sent: Sent) -> None:
    sent.answer("keep", "keep", "left")
    del sent.table[2]
    assert sent.problems() == [f"no. 2, {TENANT}:app/ben, is not in the file: its row was taken out"]


@EITHER
@pytest.mark.parametrize("number", ["4", "", "two", "-1"])
def test_a_row_that_was_added_is_not_taken(sent: Sent, number: str) -> None:
    sent.answer("keep", "keep", "left")
    added = list(sent.table[1])
    added[NUMBER], added[ID], added[ANSWER] = number, f"{TENANT}:app/zoe", "keep"
    sent.table.append(added)
    assert sent.problems() == [f"line 5 speaks of {TENANT}:app/zoe, which was not asked about: the row was added"]
    assert len(sent.judge().answers) == 3


def test_an_id_that_was_changed_is_not_taken_for_another(sent: Sent) -> None:
    sent.answer("keep", "keep", "left").table[2][ID] = f"{TENANT}:app/cid"
    assert sent.problems() == [
        f"line 3 names {TENANT}:app/cid, where no. 2 went out as {TENANT}:app/ben: the id was changed"
    ]
    assert 2 not in sent.judge().answers


@EITHER
@pytest.mark.parametrize("column", ["name", "mail"])
def test_names_that_were_sorted_apart_from_their_ids_leave_no_answer(sent: Sent, column: str) -> None:
    place = attest.COLUMNS.index(column)
    rows = sent.answer("keep", "keep", "left").table
    rows[2][place], rows[3][place] = rows[3][place], rows[2][place]
    ben, cid = (f"{name}@borealis.example" if column == "mail" else name for name in ("ben", "cid"))
    assert sent.problems() == [
        f"line 3 bears the {column} of no. 3, {cid}, beside the id of no. 2: cells were moved",
        f"line 4 bears the {column} of no. 2, {ben}, beside the id of no. 3: cells were moved",
    ]
    assert set(sent.judge().answers) == {1}


def test_a_name_that_a_program_changed_is_nobodys_elses(sent: Sent) -> None:
    rows = sent.answer("keep", "keep", "left").table
    rows[2][attest.COLUMNS.index("name")] = "Ben"
    assert sent.judge().problems == ()


def test_whole_rows_may_be_sorted(sent: Sent) -> None:
    sent.answer("keep", "remove", "left").table[1:] = reversed(sent.table[1:])
    assert (sent.judge().answers, sent.judge().problems) == ({1: "keep", 2: "remove", 3: "left"}, ())


@pytest.mark.parametrize("sent", [".xlsx"], indirect=True)
def test_a_second_sheet_with_answers_is_refused_though_it_is_hidden(sent: Sent) -> None:
    save(sent.file, sent.answer("keep", "keep", "keep").table)
    book = openpyxl.load_workbook(sent.file)
    copy = book.copy_worksheet(book.worksheets[0])
    copy["M2"], copy.sheet_state = "remove", "hidden"
    book.save(sent.file)
    with pytest.raises(AnswersError, match="holds answers on 2 sheets: 'Sheet', 'Sheet Copy'") as caught:
        answers.read(sent.file)
    assert "delete the others" in caught.value.hint


@pytest.mark.parametrize("sent", [".xlsx"], indirect=True)
def test_the_sheet_may_have_another_name_and_place(sent: Sent) -> None:
    save(sent.file, sent.answer("keep", "keep", "keep").table)
    book = openpyxl.load_workbook(sent.file)
    book.create_sheet("Notizen", 0)["A1"] = "ours"
    book.save(sent.file)
    assert len(answers.read(sent.file)) == 3


def test_an_answer_for_another_partner_is_not_taken(sent: Sent) -> None:
    sent.answer("keep", "keep", "left").table[2][PARTNER] = "Cobalt Consulting"
    assert sent.problems() == ["line 3 speaks for 'Cobalt Consulting', and Borealis was asked"]


def test_one_row_answered_twice_in_two_ways_has_no_answer(sent: Sent) -> None:
    sent.answer("keep", "keep", "left").table.append([*sent.table[2]])
    sent.table[-1][ANSWER] = "remove"
    assert sent.problems() == ["line 5 answers no. 2 again: keep in line 3, remove in line 5"]
    assert 2 not in sent.judge().answers


def test_a_file_of_two_requests_is_refused(sent: Sent) -> None:
    sent.answer("keep", "keep", "left").table[2][REQUEST] = "T-20260101-00000000"
    save(sent.file, sent.table)
    with pytest.raises(AnswersError, match="answers 2 requests"):
        answers.request_id(sent.file, answers.read(sent.file))


def test_a_file_that_names_no_request_is_refused(sent: Sent) -> None:
    for row in sent.table[1:]:
        row[REQUEST] = None
    save(sent.file, sent.table)
    with pytest.raises(AnswersError, match="names no request"):
        answers.request_id(sent.file, answers.read(sent.file))


def test_a_file_without_answers_is_refused(sent: Sent) -> None:
    assert "no usable answer" in sent.answer("", "", "").refused()


@pytest.mark.parametrize("name", [attest.REQUEST, attest.NUMBER, attest.ID, attest.ANSWER, attest.SIGNED_BY])
def test_a_column_that_is_gone_is_named(sent: Sent, name: str) -> None:
    sent.table[0][attest.COLUMNS.index(name)] = "something else"
    save(sent.file, sent.table)
    with pytest.raises(AnswersError, match="has no column"):
        answers.read(sent.file)


def test_a_column_that_is_there_twice_is_named(sent: Sent) -> None:
    sent.table[0][attest.COLUMNS.index("remark")] = "Answer"
    save(sent.file, sent.table)
    with pytest.raises(AnswersError, match="has two columns 'answer'"):
        answers.read(sent.file)


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_an_empty_or_broken_file_is_refused_with_its_name(tmp_path: Path, suffix: str) -> None:
    file = tmp_path / f"broken{suffix}"
    file.write_bytes(b"")
    with pytest.raises((AnswersError, TableError), match="broken"):
        answers.read(file)


def test_a_program_that_writes_semicolons_and_its_own_code_page_is_understood(
    con: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    human(con, 1, "jürgen")
    sent = send(con, tmp_path)
    sent.answer("keep")
    with sent.file.open("w", encoding="cp1252", newline="") as out:
        csv.writer(out, delimiter=";").writerows(sent.table)
    statement = answers.judge(con, sent.request, sent.file, answers.read(sent.file), at=BACK)
    assert (statement.answers, statement.problems) == ({1: "keep"}, ())


def test_a_guarded_cell_comes_back_with_or_without_its_guard(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    add(con, "declared_identities", partner_id="P-1", declared_ref="=bot")
    sent = send(con, tmp_path, kind="nhi_inventory", suffix=".xlsx")
    assert sent.table[1][ID] == "'=bot"
    for shown in ("'=bot", "=bot"):
        sent.answer("keep").table[1][ID] = shown
        save(sent.file.with_suffix(".csv"), sent.table)
        rows = answers.read(sent.file.with_suffix(".csv"))
        statement = answers.judge(con, sent.request, sent.file, rows, at=BACK)
        assert statement.records()[0] == AttestationItem(sent.request.request_id, "declared", "=bot", "keep")


def test_an_incomplete_statement_counts_for_what_it_says_and_stays_due(sent: Sent) -> None:
    *items, whole = sent.answer("left", "", "keep").judge().records()
    assert [getattr(item, "answer", None) for item in items] == ["left", "unknown", "keep"]
    assert isinstance(whole, Attestation)
    assert whole.valid_to == date(2026, 2, 1)
    assert whole.declared_items == 2


def known(sent: Sent, state: Path, *, replaced: bool = False) -> bool:
    """Imports what was sent back, as the command does; whether it was there already."""
    statement = sent.judge()
    with ledger.opened(state) as held:
        is_known = answers.is_repeat(statement, held.records(), is_replaced=replaced)
        if not is_known:
            held.append(statement.records(), at=BACK, by=statement.signed_by)
    return is_known


@EITHER
def test_the_same_file_twice_is_written_down_once(sent: Sent, tmp_path: Path) -> None:
    sent.answer("keep", "left", "keep")
    assert not known(sent, tmp_path)
    assert known(sent, tmp_path)
    assert len((tmp_path / "ledger" / "attestations.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"words": ("keep", "keep", "left")}, "no. 2 was left, now keep; no. 3 was keep, now left"),
        ({"by": "other@borealis.example"}, "signed by other@borealis.example on 2026-02-02"),
        ({"on": "2026-02-01"}, "signed by pia@borealis.example on 2026-02-01"),
        ({"words": ("keep", "left", "")}, "no. 3 was keep, now unknown"),
    ],
)
def test_a_statement_signed_twice_with_other_content_is_refused(
    sent: Sent, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    known(sent.answer("keep", "left", "keep"), tmp_path)
    sent.answer(*change.get("words", ("keep", "left", "keep")), **{k: v for k, v in change.items() if k != "words"})
    with pytest.raises(AnswersError) as caught:
        known(sent, tmp_path)
    assert says in caught.value.message
    assert "--replace" in caught.value.hint
    assert not known(sent, tmp_path, replaced=True)
    assert known(sent, tmp_path)


def test_a_complete_statement_is_not_spoilt_by_a_file_with_a_row_too_many(sent: Sent, tmp_path: Path) -> None:
    known(sent.answer("keep", "left", "keep"), tmp_path)
    added = [*sent.table[1]]
    added[NUMBER] = "9"
    sent.table.append(added)
    with pytest.raises(AnswersError, match="it was complete, and this file is not"):
        known(sent, tmp_path)


def test_an_incomplete_statement_can_be_completed_but_not_turned(sent: Sent, tmp_path: Path) -> None:
    known(sent.answer("keep", "left", ""), tmp_path)
    with pytest.raises(AnswersError, match=r"no\. 2 was left, now keep"):
        known(sent.answer("keep", "keep", "keep"), tmp_path)
    assert not known(sent.answer("keep", "left", "shared", on="2026-02-03"), tmp_path)
    whole = next(record for record in ledger.records(tmp_path) if isinstance(record, Attestation))
    assert whole.valid_to is None


def contradicted(sent: Sent) -> dict[str, str]:
    return {entry.subject_id.rpartition("/")[2]: entry.says for entry in contradictions.find(sent.con, sent.judge())}


def test_what_is_needed_and_there_contradicts_nothing(sent: Sent) -> None:
    assert contradicted(sent.answer("keep", "keep", "keep")) == {}


def seen(con: duckdb.DuckDBPyConnection, name: str, **facts: Any) -> None:
    con.execute(
        f"update identity_facts set {', '.join(f'{key} = ?' for key in facts)} where name = ?", [*facts.values(), name]
    )


def test_who_left_and_is_still_enabled_or_used_is_shown(sent: Sent) -> None:
    seen(sent.con, "ana", last_used_at=datetime(2026, 2, 3, 1))
    seen(sent.con, "ben", last_used_at=datetime(2026, 1, 3))
    seen(sent.con, "cid", is_enabled=False, has_access=False, live_credentials=0)
    assert contradicted(sent.answer("left", "remove", "left")) == {
        "ana": "is still enabled; was used on 2026-02-03, after it was signed",
        "ben": "is still enabled; was used on 2026-01-03",
    }


@pytest.mark.parametrize(
    ("facts", "says"),
    [
        ({"is_enabled": False, "has_access": False, "live_credentials": 1}, "is still there"),
        ({"is_enabled": False, "has_access": None, "live_credentials": 0}, "is still there"),
        ({"is_enabled": None, "has_access": False, "live_credentials": 0}, "may still be there"),
    ],
)
def test_what_may_still_open_something_is_not_called_gone(sent: Sent, facts: dict[str, Any], says: str) -> None:
    seen(sent.con, "ana", **facts)
    assert contradicted(sent.answer("left", "keep", "keep")) == {"ana": says}


def forget(con: duckdb.DuckDBPyConnection, name: str) -> None:
    for name_of_table in ("identity_facts", "identities"):
        con.execute(f"delete from {name_of_table} where name = ?", [name])


def test_what_is_said_to_be_needed_and_is_not_there_is_shown(sent: Sent) -> None:
    forget(sent.con, "ana")
    seen(sent.con, "ben", is_enabled=False, has_access=False, live_credentials=0)
    add(sent.con, "people", mail="cid@borealis.example", status="left", left_on=date(2026, 1, 5))
    assert contradicted(sent.answer("keep", "keep", "keep")) == {
        "ana": "the scan does not know it",
        "ben": "is switched off",
        "cid": "its person left on 2026-01-05, says the register",
    }


def test_what_is_gone_and_was_to_go_contradicts_nothing(sent: Sent) -> None:
    forget(sent.con, "ana")
    assert contradicted(sent.answer("left", "keep", "keep")) == {}


@pytest.mark.parametrize("status", ["denied", "partial", "carried", None])
@pytest.mark.parametrize("answer", ["left", "keep"])
def test_gone_is_not_said_of_a_system_that_was_not_wholly_read(sent: Sent, status: str | None, answer: str) -> None:
    forget(sent.con, "ana")
    sent.con.execute("delete from coverage")
    if status is not None:
        add(sent.con, "coverage", provider="crm", tenant_id=TENANT, dataset="identities", status=status)
    assert "crm:eu was not wholly read" in contradicted(sent.answer(answer, "keep", "keep"))["ana"]


def test_shared_accounts_and_those_nobody_knows_are_shown(sent: Sent) -> None:
    assert contradicted(sent.answer("shared", "unknown", "keep")) == {
        "ana": "several share it",
        "ben": "the partner cannot say",
    }


def test_what_came_after_the_request_is_shown(sent: Sent) -> None:
    human(sent.con, 9, "zoe")
    assert contradicted(sent.answer("keep", "keep", "keep")) == {
        "zoe": "came after the request, so that nobody was asked about it"
    }


def test_an_account_that_meanwhile_counts_for_another_partner_is_still_looked_at(sent: Sent) -> None:
    sent.con.execute("update identity_partners set partner_id = 'P-2' where identity_key = 1")
    assert contradicted(sent.answer("left", "keep", "keep")) == {"ana": "is still enabled"}


def test_the_partners_own_list_is_held_against_what_is_seen(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    account(con, 1, "listed")
    account(con, 2, "unlisted")
    for ref in ("listed", "unseen-bot", "retired-bot"):
        add(con, "declared_identities", partner_id="P-1", declared_ref=ref)
    sent = send(con, tmp_path, kind="nhi_inventory")
    words = {f"{TENANT}:app/listed": "keep", f"{TENANT}:app/unlisted": "keep", "unseen-bot": "keep"}
    sent.answer(*(words.get(item.subject_id, "remove") for item in sent.request.items))
    assert contradicted(sent) == {
        "unlisted": "is not on its own list",
        "unseen-bot": "is on its own list, and the scan has not seen it",
    }


def test_a_scan_from_before_the_statement_is_called_so(sent: Sent) -> None:
    statement = sent.answer("keep", "keep", "keep").judge()
    assert contradictions.is_older(sent.con, statement)
    assert not contradictions.is_older(sent.con, replace(statement, signed_on=date(2026, 1, 31)))
