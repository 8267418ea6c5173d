"""What people said is there in full and in order, or nothing is believed."""

from __future__ import annotations

import dataclasses
import fcntl
import json
import os
import random
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from nhiscan import chained, ledger
from nhiscan.errors import StoreError
from nhiscan.model import Acceptance, Attestation, AttestationItem, Offboarding, OffboardingStep, Record, Review

AT = datetime(2026, 1, 31, 9, tzinfo=UTC)
BY = "erika.brandt@acme.example"
NASTY = '=HYPERLINK("http://evil.example")\n\'\x00<b>\u202e\ud800' + "x" * 2000


def review(number: int, *, items: int = 3) -> Review:
    return Review(f"R-{number}", scope="access", partner_id="P-1", completed_at=AT, items=items)


def say(state: Path, *records: Record) -> None:
    ledger.append(state, records, at=AT, by=BY)


def file(state: Path, table: str = "reviews") -> Path:
    return state / "ledger" / f"{table}.jsonl"


def told(state: Path) -> list[Record]:
    return list(ledger.records(state))


def test_a_state_directory_without_a_ledger_holds_no_records(tmp_path: Path) -> None:
    assert told(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_every_kind_of_record_comes_back_as_it_was_said(tmp_path: Path) -> None:
    said: list[Record] = [
        Acceptance("A-1", "life-key", "k1", reason=NASTY, approved_at=AT, expires_at=date(2026, 3, 1), renewals=2),
        Review("R-1", scope="access", partner_id="P-1", reviewer=BY, completed_at=AT, items=3, items_revoked=0),
        AttestationItem("T-1", "identity", "aws:1:user/a", "left"),
        Attestation("T-1", "P-1", "leavers", attested_by="p@p.example", attested_at=AT, valid_to=date(2026, 6, 1)),
        OffboardingStep("O-1", 1, "revoke_access", done_at=AT),
        Offboarding("O-1", "P-1", contract_id="C-1", opened_at=AT),
    ]
    say(tmp_path, *said)
    names = {kind: [f.name for f in dataclasses.fields(kind) if f.name != "register_row"] for kind in ledger.IDS}
    found = [{name: getattr(record, name) for name in names[type(record)]} for record in told(tmp_path)]
    assert found == [{name: getattr(record, name) for name in names[type(record)]} for record in said]


def test_a_row_names_its_file_and_line(tmp_path: Path) -> None:
    say(tmp_path, review(1), review(2))
    assert [record.register_row for record in told(tmp_path)] == [  # type: ignore[attr-defined]
        "ledger/reviews.jsonl:1",
        "ledger/reviews.jsonl:2",
    ]


def test_the_newest_entry_of_an_id_stands_and_the_older_one_stays_in_the_file(tmp_path: Path) -> None:
    say(tmp_path, review(1, items=3))
    say(tmp_path, review(2))
    say(tmp_path, review(1, items=9))
    first, _ = told(tmp_path)
    assert isinstance(first, Review)
    assert (first.items, first.register_row) == (9, "ledger/reviews.jsonl:3")
    assert len(file(tmp_path).read_text().splitlines()) == 3


def test_an_entry_says_when_it_was_said_and_by_whom(tmp_path: Path) -> None:
    say(tmp_path, review(1))
    (entry,) = ledger.entries(tmp_path)
    assert (entry.at, entry.by) == (AT, BY)


def test_the_ledger_is_for_its_owner_only(tmp_path: Path) -> None:
    say(tmp_path, review(1))
    assert file(tmp_path).stat().st_mode & 0o777 == 0o600
    assert file(tmp_path).parent.stat().st_mode & 0o777 == 0o700


def changed(text: str) -> str:
    return text.replace('"items": 2', '"items": 8')


def moved(text: str) -> str:
    first, second, *rest = text.splitlines(keepends=True)
    return "".join([second, first, *rest])


def taken_out(text: str) -> str:
    first, _, *rest = text.splitlines(keepends=True)
    return "".join([first, *rest])


def beginning_gone(text: str) -> str:
    return "".join(text.splitlines(keepends=True)[1:])


def rehashed(text: str) -> str:
    first, second, *rest = text.splitlines(keepends=True)
    line = json.loads(changed(second))
    del line["hash"]
    line["hash"] = chained.digest(line)
    return "".join([first, json.dumps(line) + "\n", *rest])


def blank_line(text: str) -> str:
    return text.replace("\n", "\n\n", 1)


def foreign(text: str) -> str:
    first, second, *rest = text.splitlines(keepends=True)
    return "".join([first, second.replace('{"at"', '{"note": 1, "at"'), *rest])


@pytest.mark.parametrize(
    ("tamper", "line"),
    [(changed, 2), (moved, 1), (taken_out, 2), (beginning_gone, 1), (rehashed, 3), (blank_line, 2), (foreign, 2)],
)
def test_a_ledger_that_was_changed_by_hand_is_not_read(tmp_path: Path, tamper: Callable[[str], str], line: int) -> None:
    say(tmp_path, *(review(n, items=n) for n in (1, 2, 3)))
    before = file(tmp_path).read_text()
    file(tmp_path).write_text(tamper(before))
    assert file(tmp_path).read_text() != before
    for act in (lambda: told(tmp_path), lambda: say(tmp_path, review(4))):
        with pytest.raises(StoreError, match=rf"reviews\.jsonl, line {line}: is not what nhiscan wrote") as caught:
            act()
        assert "backup" in caught.value.hint
    assert file(tmp_path).read_text() == tamper(before)


def test_no_change_of_a_byte_changes_what_is_read(tmp_path: Path) -> None:
    say(tmp_path, *(review(n, items=n) for n in (1, 2, 3)))
    whole, before = file(tmp_path).read_bytes(), told(tmp_path)
    chance = random.Random(7)
    noticed = 0
    for _ in range(400):
        spoilt = bytearray(whole)
        place = chance.randrange(len(whole))
        kind = chance.choice(["change", "take", "add"])
        if kind == "change":
            spoilt[place] = chance.randrange(256)
        elif kind == "take":
            del spoilt[place : place + chance.randint(1, 60)]
        else:
            spoilt[place:place] = bytes([chance.randrange(256)])
        file(tmp_path).write_bytes(spoilt)
        try:
            # what stood at the end may be gone without a trace here; what is read is what was said
            assert told(tmp_path) == before[: len(told(tmp_path))]
        except StoreError as error:
            noticed += 1
            assert "reviews.jsonl, line" in error.message
    assert noticed > 350


@pytest.mark.parametrize("keep", [1, 40, -2])
def test_a_torn_last_line_is_an_error_that_says_how_to_mend_it(tmp_path: Path, keep: int) -> None:
    say(tmp_path, review(1), review(2))
    whole = file(tmp_path).read_bytes()
    end = whole.index(b"\n") + 1
    file(tmp_path).write_bytes(whole[:end] + whole[end:][:keep])
    with pytest.raises(StoreError, match=r"reviews\.jsonl, line 2: was cut off") as caught:
        told(tmp_path)
    mend = caught.value.hint.partition("`")[2].partition("`")[0]
    subprocess.run(mend, shell=True, check=True)
    assert [record.review_id for record in told(tmp_path)] == ["R-1"]  # type: ignore[attr-defined]
    say(tmp_path, review(2))
    assert len(told(tmp_path)) == 2


def test_zeros_that_a_dead_machine_left_are_a_torn_line(tmp_path: Path) -> None:
    say(tmp_path, review(1))
    with file(tmp_path).open("ab") as out:
        out.write(b"\0" * 512)
    with pytest.raises(StoreError, match=r"line 2: was cut off"):
        told(tmp_path)


def test_a_last_line_that_lost_only_its_end_is_whole(tmp_path: Path) -> None:
    say(tmp_path, review(1))
    file(tmp_path).write_bytes(file(tmp_path).read_bytes().rstrip())
    say(tmp_path, review(2))
    assert len(told(tmp_path)) == 2


def test_an_entry_of_a_later_version_is_an_error_and_not_left_out(tmp_path: Path) -> None:
    say(tmp_path, review(1))
    line = json.loads(file(tmp_path).read_text())
    del line["hash"]
    line["record"]["mood"] = "good"
    line["hash"] = chained.digest(line)
    file(tmp_path).write_text(json.dumps(line) + "\n")
    with pytest.raises(StoreError, match=r"reviews\.jsonl, line 1: is no entry that this version"):
        told(tmp_path)


@pytest.mark.parametrize("field", ["items", "completed_at", "scope"])
def test_a_value_of_another_type_is_an_error(tmp_path: Path, field: str) -> None:
    say(tmp_path, review(1))
    line = json.loads(file(tmp_path).read_text())
    del line["hash"]
    line["record"][field] = ["x"]
    line["hash"] = chained.digest(line)
    file(tmp_path).write_text(json.dumps(line) + "\n")
    with pytest.raises(StoreError, match="line 1"):
        told(tmp_path)


def test_records_of_two_tables_are_both_there_or_neither(tmp_path: Path) -> None:
    say(tmp_path, AttestationItem("T-1", "identity", "a", "keep"), Attestation("T-1", "P-1", "access"))
    file(tmp_path, "attestations").write_text("not the ledger\n")
    items = file(tmp_path, "attestation_items").read_bytes()
    with pytest.raises(StoreError, match=r"attestations\.jsonl, line 1"):
        say(tmp_path, AttestationItem("T-2", "identity", "a", "keep"), Attestation("T-2", "P-1", "access"))
    assert file(tmp_path, "attestation_items").read_bytes() == items


def run(state: Path, script: str, **given: object) -> subprocess.Popen[bytes]:
    head = (
        "import sys\nfrom datetime import UTC, datetime\nfrom pathlib import Path\n"
        "from nhiscan import ledger\nfrom nhiscan.model import Review\n"
        "state, who = Path(sys.argv[1]), sys.argv[2]\nAT = datetime(2026, 1, 31, tzinfo=UTC)\n"
    )
    return subprocess.Popen([sys.executable, "-c", head + script, str(state), str(given.get("who", ""))])


def test_two_processes_at_once_lose_nothing_and_keep_the_chain(tmp_path: Path) -> None:
    script = "for n in range(40): ledger.append(state, [Review(f'{who}-{n}')], at=AT, by=who)"
    writers = [run(tmp_path, script, who=who) for who in ("a", "b", "c")]
    while any(writer.poll() is None for writer in writers):
        told(tmp_path)  # a reader beside them never meets half a line
    assert [writer.returncode for writer in writers] == [0, 0, 0]
    assert {record.review_id for record in told(tmp_path)} == {f"{who}-{n}" for who in "abc" for n in range(40)}  # type: ignore[attr-defined]


def test_what_was_confirmed_survives_a_kill_at_any_moment(tmp_path: Path) -> None:
    """Each number that the process printed is in the ledger; a torn line, if there is one, is named and mended."""
    script = (
        "n = len(list(ledger.records(state)))\n"
        "while True:\n"
        "    ledger.append(state, [Review(f'R-{n}', evidence='x' * 100_000)], at=AT, by='a')\n"
        "    (state / f'said-{n}').touch()\n"
        "    n += 1\n"
    )
    for delay in (0.0, 0.001, 0.003, 0.01):
        confirmed = {path.name for path in tmp_path.glob("said-*")}
        writer = run(tmp_path, script)
        while {path.name for path in tmp_path.glob("said-*")} == confirmed and writer.poll() is None:
            time.sleep(0.001)
        time.sleep(delay)
        writer.send_signal(signal.SIGKILL)
        assert writer.wait() == -signal.SIGKILL
        confirmed = {path.name.removeprefix("said-") for path in tmp_path.glob("said-*")}
        try:
            found = told(tmp_path)
        except StoreError as error:
            assert "was cut off" in error.message
            subprocess.run(error.hint.partition("`")[2].partition("`")[0], shell=True, check=True)
            found = told(tmp_path)
        assert {f"R-{n}" for n in confirmed} <= {record.review_id for record in found}  # type: ignore[attr-defined]
    assert len(confirmed) >= 4


def test_a_full_disk_leaves_the_ledger_as_it_was(tmp_path: Path) -> None:
    say(tmp_path, review(1))
    before = file(tmp_path).read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 500, limits[1]))
        with pytest.raises(StoreError, match="File too large") as caught:
            say(tmp_path, *(review(n) for n in range(2, 9)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert "free space" in caught.value.hint
    assert file(tmp_path).read_bytes() == before
    say(tmp_path, review(2))
    assert len(told(tmp_path)) == 2


def test_a_full_disk_takes_back_the_other_tables_too(tmp_path: Path) -> None:
    say(tmp_path, AttestationItem("T-1", "identity", "a", "keep"), Attestation("T-1", "P-1", "access"))
    before = file(tmp_path, "attestation_items").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        write = os.write

        def full(descriptor: int, data: bytes) -> int:
            if b"P-1" in bytes(data):
                raise OSError(28, "No space left on device")
            return write(descriptor, data)

        patch.setattr(os, "write", full)
        with pytest.raises(StoreError, match="No space left"):
            say(tmp_path, AttestationItem("T-2", "identity", "a", "keep"), Attestation("T-2", "P-1", "access"))
    assert file(tmp_path, "attestation_items").read_bytes() == before


def test_an_interrupt_between_two_tables_takes_both_back(tmp_path: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        write = os.write

        def interrupted(descriptor: int, data: bytes) -> int:
            if b"P-1" in bytes(data):
                raise KeyboardInterrupt
            return write(descriptor, data)

        patch.setattr(os, "write", interrupted)
        with pytest.raises(KeyboardInterrupt):
            say(tmp_path, AttestationItem("T-2", "identity", "a", "keep"), Attestation("T-2", "P-1", "access"))
    assert told(tmp_path) == []


def test_parts_without_their_whole_are_written_first(tmp_path: Path) -> None:
    kinds = list(ledger.IDS)
    assert all(kinds.index(part) < kinds.index(whole) for part, whole in ledger.WHOLES.items())


def test_a_folder_that_may_not_be_written_is_an_error_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "ledger").write_text("a file in its place")
    with pytest.raises(StoreError, match="ledger"):
        say(tmp_path, review(1))


def test_what_is_decided_by_what_stands_is_decided_alone(tmp_path: Path) -> None:
    say(tmp_path, review(1))
    with ledger.opened(tmp_path) as held:
        assert len(list(held.records())) == 1
        descriptor = os.open(tmp_path / "ledger", os.O_RDONLY)
        try:
            with pytest.raises(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        finally:
            os.close(descriptor)
        held.append([review(2)], at=AT, by=BY)
    assert len(told(tmp_path)) == 2
