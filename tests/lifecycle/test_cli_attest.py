"""`accept`, `review record` and `attest` as a user meets them: what they print, write down and refuse."""

from __future__ import annotations

import csv
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from nhiscan import ledger, terminal
from nhiscan.errors import NhiscanError, StoreError
from nhiscan.model import Alias, Partner, Person
from tests.commands import run as command
from tests.lifecycle.json_page import documented, printed
from tests.systems import System, covered, identity, key, register, rows, rule, said, tenant
from tests.systems import run as scan

CONFIG = '[company]\nname = "Acme"\n[state]\npath = "."\n[collectors.register]\npath = "register"\n'
RULE = "life-key-age-exceeded"
QUERY = "select credential_id as subject_id, tenant_id, 'fail' as outcome, identity_name as name from credential_facts"
START = datetime(2026, 1, 5, 2, tzinfo=UTC)
SIGNER = "pia@borealis.example"
PORTAL = "portal:main"
WISH = (
    "accept",
    RULE,
    f"{PORTAL}:key/k1",
    "--approver",
    "dana@acme.example",
    "--requested-by",
    "kim@acme.example",
    "--reason",
    "Moves in May",
    "--control",
    "Bound to one network",
)


def scanned(folder: Path, *, days: int = 0) -> None:
    mail = "ana@borealis.example"
    portal = System(
        "portal",
        said(
            tenant(PORTAL),
            identity(PORTAL, "bor-sync"),
            identity(PORTAL, "ana", is_nhi=False, kind="human_user", mail=mail),
            key(PORTAL, "bor-sync", "k1"),
            *covered(PORTAL, at=START),
        ),
    )
    people = register(
        Partner("P-1", "Borealis"),
        Alias("P-1", "mail_domain", "borealis.example", exclusive=True),
        Person("dana@acme.example", side="ours", can_approve="medium"),
        *(Person(mail, side="partner", partner_id="P-1") for mail in (SIGNER, mail)),
    )
    found = rule(folder, RULE, QUERY, subject="credential")
    scan(folder, [people, portal], at=START + timedelta(days=days), rules=[found])


@pytest.fixture(scope="module")
def scan_of_it(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("company")
    (folder / "nhiscan.toml").write_text(CONFIG)
    scanned(folder)
    return folder


@pytest.fixture(autouse=True)
def company(scan_of_it: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "company"
    shutil.copytree(scan_of_it, folder)
    monkeypatch.chdir(folder)
    return folder


def in_days(days: int) -> str:
    return str(terminal.now().date() + timedelta(days=days))


def done(*words: str) -> str:
    ran = command(*words)
    assert ran.exit_code == 0, (ran.stderr, ran.exception)
    return str(ran.stdout)


def refused(*words: str) -> NhiscanError:
    error = command(*words).exception
    assert isinstance(error, NhiscanError)
    assert error.hint
    return error


def test_an_accepted_risk_is_accepted_from_the_next_scan_on(company: Path) -> None:
    assert ": accepted until " in done(*WISH, "--expires", in_days(30))
    assert rows(company, "select status from findings") == [("open",)]
    scanned(company, days=(terminal.now() - START).days + 1)
    assert rows(company, "select status from findings") == [("accepted",)]
    assert rows(company, "select register_row from acceptances") == [("ledger/acceptances.jsonl:1",)]


def test_a_refused_acceptance_leaves_the_ledger_empty(company: Path) -> None:
    assert "more than 180 days" in refused(*WISH, "--expires", in_days(181)).message
    assert "no rule" in refused("accept", "life-key-age-exceded", *WISH[2:], "--expires", in_days(9)).message
    assert command(*WISH).exit_code == 2  # no end
    assert list(ledger.records(company)) == []


def test_the_limit_is_that_of_the_settings(company: Path) -> None:
    (company / "nhiscan.toml").write_text(f"{CONFIG}[rules.gov-exception-expired]\nmax_exception_days = 10\n")
    assert "more than 10 days" in refused(*WISH, "--expires", in_days(11)).message
    done(*WISH, "--expires", in_days(10))


def test_a_review_counts_from_the_next_scan_on(company: Path) -> None:
    shown = done("review", "record", "--scope", "access", "--partner", "borealis", "--reviewer", "Dana@acme.example")
    assert "access of P-1 reviewed by dana@acme.example" in shown
    scanned(company, days=1)
    assert rows(company, "select scope, partner_id, reviewer from reviews") == [("access", "P-1", "dana@acme.example")]


def answered(file: Path, answer: str) -> None:
    with file.open(encoding="utf-8-sig", newline="") as lines:
        table = list(csv.reader(lines))
    for row in table[1:]:
        row[12:15] = [answer, SIGNER, in_days(0)]
    with file.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out).writerows(table)


def test_a_statement_is_asked_for_answered_and_held_against_the_scan(company: Path) -> None:
    shown = done("attest", "request", "--partner", "P-1", "--kind", "leavers", "-o", "out.csv")
    assert "Borealis is asked for leavers, 2 rows" in shown
    answered(company / "out.csv", "left")
    shown = done("attest", "import", "out.csv")
    assert "signed by pia@borealis.example" in shown
    assert "2 contradictions with the scan" in shown
    assert "is still enabled" in shown
    told = json.loads(done("attest", "import", "out.csv", "--json"))
    assert (told["is_new"], told["is_complete"], told["answers"]) == (False, True, {"left": 2})
    assert [entry["subject_kind"] for entry in told["contradictions"]] == ["identity", "person"]
    assert printed(told)["contradictions"] == documented("attest import")["contradictions"]
    scanned(company, days=1)
    assert rows(company, "select subject_kind, answer from attestation_items order by all") == [
        ("identity", "left"),
        ("person", "left"),
    ]
    assert rows(company, "select partner_id, kind, attested_by, valid_to from attestations") == [
        ("P-1", "leavers", SIGNER, None)
    ]


def test_a_file_with_a_spoilt_row_is_taken_only_as_incomplete(company: Path) -> None:
    done("attest", "request", "--partner", "P-1", "--kind", "leavers", "-o", "out.csv")
    answered(company / "out.csv", "keep")
    text = (company / "out.csv").read_text()
    (company / "out.csv").write_text(text.replace(",keep,", ",yes,", 1))
    assert "line 2 answers 'yes'" in refused("attest", "import", "out.csv").message
    assert list(ledger.records(company)) == []
    told = json.loads(done("attest", "import", "out.csv", "--incomplete", "--json"))
    assert (told["is_complete"], told["answers"]) == (False, {"keep": 1, "unknown": 1})
    assert [problem["line"] for problem in told["problems"]] == [2]
    contradictions = {"contradictions": documented("attest import")["contradictions"]}
    assert printed(told | {"answers": None}) | contradictions == documented("attest import")


@pytest.mark.parametrize("name", ["out.pdf", "out", "nowhere/out.csv"])
def test_a_file_that_cannot_be_one_is_refused_before_anything_is_done(company: Path, name: str) -> None:
    ran = command("attest", "request", "--partner", "P-1", "--kind", "access", "-o", name)
    assert ran.exit_code == 2
    assert not (company / "attestations").exists()


def test_a_file_that_was_not_asked_for_here_is_refused(company: Path) -> None:
    done("attest", "request", "--partner", "P-1", "--kind", "leavers", "-o", "out.csv")
    answered(company / "out.csv", "keep")
    for kept in (company / "attestations").iterdir():
        kept.unlink()
    assert "no request" in refused("attest", "import", "out.csv").message


def test_a_damaged_ledger_stops_a_decision(company: Path) -> None:
    (company / "ledger").mkdir()
    (company / "ledger" / "reviews.jsonl").write_text("{}\n")
    error = refused("review", "record", "--scope", "logs", "--partner", "P-1", "--reviewer", "dana@acme.example")
    assert isinstance(error, StoreError)
    assert "reviews.jsonl, line 1" in error.message
