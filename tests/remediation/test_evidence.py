"""Bundles of evidence: the same evidence is the same bytes, and no change of one goes unseen."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from nhiscan.remediate import approvals, bundle, evidence, journal
from nhiscan.remediate import plan as plans
from nhiscan.remediate.evidence import Verdict
from tests.remediation import recorded
from tests.remediation.recorded import APPROVERS, NOW, OLD, REQUESTER, Past


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Past:
    return recorded.past(tmp_path_factory.mktemp("past"))


@pytest.fixture(scope="module")
def signed(past: Past) -> bytes:
    return evidence.export(past.state, past.folder, signer=past.who.signer(APPROVERS[0]))


def verify(past: Past, data: bytes, *, key: str | None = None) -> Verdict:
    return evidence.verify(data, past.who.listed, public_key=key)


def denied(verdict: Verdict) -> list[tuple[str, str]]:
    return [(check.what, check.says) for check in verdict.checks if check.is_held is False]


def open_points(verdict: Verdict) -> dict[str, str]:
    return {check.what: check.says for check in verdict.checks if check.is_held is None}


def remade(data: bytes, change: Callable[[dict[str, bytes]], None]) -> bytes:
    """The bundle that somebody makes who changes members and puts every digest right, but has no key."""
    members = bundle.unpacked(data)
    told = json.loads(members.pop(bundle.MANIFEST))
    members.pop(bundle.STATEMENT, None)
    change(members)
    head = {name: told[name] for name in ("plan_id", "plan_digest", "tool_version")}
    members[bundle.MANIFEST] = bundle.manifest(members, {**head, "signed_by": None})
    return bundle.packed(members)


def test_the_same_evidence_is_the_same_bytes(past: Past, signed: bytes) -> None:
    assert evidence.export(past.state, past.folder, signer=past.who.signer(APPROVERS[0])) == signed


def test_a_bundle_of_what_was_agreed_and_done_is_verified(past: Past, signed: bytes) -> None:
    verdict = verify(past, signed)
    assert denied(verdict) == []
    assert verdict.is_verified
    assert verdict.is_signed
    said = [check.says for check in verdict.checks if check.what == "approvals"]
    assert sum("agreed to 'delete' of every operation" in says for says in said) == 2
    assert [check.says for check in verdict.checks if check.what == "decisions" and "'off'" in check.says]


def test_request_ids_of_providers_stand_in_the_bundle(signed: bytes) -> None:
    assert b"request-delete" in bundle.unpacked(signed)[journal.NAME]


def test_it_says_plainly_that_no_scan_was_made_after_it(past: Past, signed: bytes) -> None:
    assert "no scan after it yet" in open_points(verify(past, signed))["scan after"]


def test_a_scan_that_began_before_the_last_effect_proves_nothing(tmp_path: Path) -> None:
    past = recorded.past(tmp_path)
    recorded.publish(past.state, past.at - timedelta(minutes=1))
    data = evidence.export(past.state, past.folder, signer=None)
    assert "no scan after it yet" in open_points(verify(past, data))["scan after"]


@pytest.mark.parametrize(
    ("keys", "coverage", "says"),
    [
        ((), "complete", "not listed, and credentials of aws:000000000000 was read completely"),
        ((), "denied", "not listed, which proves nothing: credentials of aws:000000000000: denied"),
        (((OLD, "inactive"),), "complete", "listed as inactive"),
    ],
)
def test_the_scan_after_it_says_what_came_of_it(
    tmp_path: Path, keys: tuple[tuple[str, str], ...], coverage: str, says: str
) -> None:
    past = recorded.past(tmp_path)
    recorded.publish(past.state, past.at + timedelta(hours=1), *keys, coverage=coverage)
    data = evidence.export(past.state, past.folder, signer=None)
    (said,) = [check.says for check in verify(past, data).checks if check.what == "scan after"]
    assert said.endswith(f"operation 1, {OLD}: {says}")
    before, after = (json.loads(bundle.unpacked(data)[f"scans/{name}.json"]) for name in ("before", "after"))
    assert [row["status"] for row in before["operations"][0]["rows"]["credentials"]] == ["active"]
    assert [row["status"] for row in after["operations"][0]["rows"]["credentials"]] == [status for _, status in keys]
    assert [row["finding_id"] for row in after["findings"]] == ["f1"]


@pytest.mark.parametrize(
    ("keys", "coverage", "is_proven"),
    [
        ((), "complete", True),
        (((OLD, "inactive"),), "complete", True),
        (((OLD, "active"),), "complete", False),
        (((OLD, "paused"),), "complete", False),
        ((), "partial", False),
    ],
)
def test_only_a_scan_that_somebody_signed_for_proves_that_something_is_gone(
    tmp_path: Path, keys: tuple[tuple[str, str], ...], coverage: str, is_proven: bool
) -> None:
    past = recorded.past(tmp_path)
    recorded.publish(past.state, past.at + timedelta(hours=1), *keys, coverage=coverage)
    whole = evidence.export(past.state, past.folder, signer=past.who.signer(APPROVERS[0]))
    verdict = verify(past, whole)
    assert verdict.is_verified
    assert verdict.is_proven is is_proven
    assert ("scan after" in open_points(verdict)) is not is_proven
    unsigned = verify(past, evidence.export(past.state, past.folder, signer=None))
    assert unsigned.is_verified
    assert not unsigned.is_proven
    assert {"scan before", "scan after"} <= open_points(unsigned).keys()


def test_a_scan_after_it_that_leaves_an_operation_out_is_denied(past: Past, signed: bytes) -> None:
    def forget(members: dict[str, bytes]) -> None:
        told = json.loads(members["scans/before.json"])
        late = (past.at + timedelta(hours=1)).isoformat()
        members["scans/after.json"] = bundle.text(
            {**told, "scan": {**told["scan"], "started_at": late}, "operations": []}
        )

    assert [what for what, _ in denied(verify(past, remade(signed, forget)))] == ["scan after"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("at", "9999-12-31T23:59:59.999999+00:00"),
        ("at", "2026-03-02T10:00:00"),
        ("kind", {"a": []}),
        ("kind", []),
        ("operation", {"a": []}),
        ("operation", True),
        ("step", []),
        ("n", 1.0),
        ("data", []),
    ],
)
def test_a_journal_that_somebody_made_up_is_told_and_no_crash(
    past: Past, signed: bytes, field: str, value: object
) -> None:
    lines = [json.loads(line) for line in bundle.unpacked(signed)[journal.NAME].splitlines()]
    for changed in range(len(lines)):
        text, previous = b"", ""
        for number, line in enumerate(lines):
            told = {name: line[name] for name in line if name != "hash"} | {"previous": previous}
            told |= {field: value} if number == changed else {}
            previous = hashlib.sha256(json.dumps(told, sort_keys=True).encode("ascii")).hexdigest()
            text += (json.dumps({**told, "hash": previous}) + "\n").encode("ascii")
        made_up = remade(signed, lambda members, text=text: members.update({journal.NAME: text}))  # type: ignore[misc]
        for listed in (past.who.listed, ()):
            evidence.verify(made_up, listed, public_key=None)  # raises nothing
    assert denied(verify(past, made_up)) or field == "at"


@pytest.mark.parametrize("name", ["scans/before.json", "scans/after.json"])
def test_a_scan_without_end_is_told_and_no_crash(past: Past, signed: bytes, name: str) -> None:
    verdict = verify(past, remade(signed, lambda members: members.update({name: b"[" * 100_000})))
    assert [what for what, _ in denied(verdict)] == [name.removesuffix(".json").replace("scans/", "scan ")]


def test_a_member_that_is_not_as_the_manifest_says_is_told(past: Past) -> None:
    members = bundle.unpacked(evidence.export(past.state, past.folder, signer=None))
    members["scans/after.json"] = members["scans/before.json"]
    assert ("digests", "not what the manifest says: scans/after.json") in denied(verify(past, bundle.packed(members)))


def test_the_signature_of_another_bundle_does_not_count(past: Past, signed: bytes) -> None:
    members = bundle.unpacked(signed)
    statement = members.pop(bundle.STATEMENT)
    told = json.loads(members.pop(bundle.MANIFEST))
    members["scans/before.json"] = bundle.text({"scan": None, "says": "nothing"})
    names = ("plan_id", "plan_digest", "tool_version", "signed_by")
    members[bundle.MANIFEST] = bundle.manifest(members, {name: told[name] for name in names})
    verdict = verify(past, bundle.packed({**members, bundle.STATEMENT: statement}))
    assert denied(verdict) == [("signature of the bundle", "what was signed is not this bundle")]


def test_a_scan_after_it_that_is_made_earlier_is_denied(past: Past, signed: bytes) -> None:
    def backdate(members: dict[str, bytes]) -> None:
        told = json.loads(members["scans/before.json"])
        members["scans/after.json"] = bundle.text(told)

    assert [what for what, _ in denied(verify(past, remade(signed, backdate)))] == ["scan after"]


def test_an_unsigned_bundle_says_so(past: Past) -> None:
    verdict = verify(past, evidence.export(past.state, past.folder, signer=None))
    assert not verdict.is_signed
    assert "UNSIGNED" in open_points(verdict)["signature of the bundle"]
    assert verdict.is_verified  # by the people who signed plan and approvals


def test_a_key_that_was_given_asks_for_its_signature(past: Past) -> None:
    data = evidence.export(past.state, past.folder, signer=None)
    verdict = verify(past, data, key=past.who.listed[1].key)
    assert denied(verdict) == [("signature of the bundle", "it is unsigned, and a key was given")]


def test_the_key_of_somebody_else_does_not_verify(past: Past, signed: bytes) -> None:
    verdict = verify(past, signed, key=past.who.listed[2].key)
    assert denied(verdict) == [("signature of the bundle", "is not by the given key")]


def test_without_people_a_given_key_vouches_for_the_whole(past: Past, signed: bytes) -> None:
    verdict = evidence.verify(signed, (), public_key=past.who.listed[1].key)
    assert verdict.is_verified
    assert {"plan", "approvals", "decisions"} <= open_points(verdict).keys()


def test_a_name_is_no_persons_because_it_stands_beside_a_signature(past: Past) -> None:
    lee = past.who.signer(APPROVERS[0])
    data = evidence.export(past.state, past.folder, signer=dataclasses.replace(lee, mail="ceo@acme.example"))
    key = next(person.key for person in past.who.listed if person.mail == APPROVERS[0])
    (said,) = [check for check in verify(past, data, key=key).checks if check.what == "signature of the bundle"]
    assert (said.is_held, said.says) == (True, "signed by the given key, which calls itself ceo@acme.example")
    assert not verify(past, data).is_verified


def test_without_any_key_nothing_is_verified(past: Past, signed: bytes) -> None:
    assert not evidence.verify(signed, (), public_key=None).is_verified


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255))
@example(place=0.0, change=1)
@example(place=0.9999999, change=1)
def test_a_bundle_of_which_one_byte_is_changed_is_not_verified(
    past: Past, signed: bytes, place: float, change: int
) -> None:
    at = int(place * len(signed))
    assert not verify(past, signed[:at] + bytes([signed[at] ^ change]) + signed[at + 1 :]).is_verified


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), added=st.binary(min_size=1, max_size=40))
def test_a_bundle_with_bytes_added_is_not_verified(past: Past, signed: bytes, place: float, added: bytes) -> None:
    at = int(place * len(signed))
    assert not verify(past, signed[:at] + added + signed[at:]).is_verified


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=400))
def test_bytes_that_are_no_bundle_are_told_and_no_crash(past: Past, data: bytes) -> None:
    assert not verify(past, b"PK\x03\x04" + data).is_verified


@pytest.mark.parametrize(
    "name", ["plan.json", "journal.jsonl", "manifest.json", "statement.json", "scans/before.json", "scans/after.json"]
)
def test_a_bundle_without_one_of_its_members_is_not_verified(past: Past, signed: bytes, name: str) -> None:
    members = bundle.unpacked(signed)
    del members[name]
    assert not verify(past, bundle.packed(members)).is_verified


@pytest.mark.parametrize("name", ["plan.json", "scans/before.json", "scans/after.json"])
def test_a_member_that_is_missing_is_missed_though_every_digest_is_right(past: Past, signed: bytes, name: str) -> None:
    assert not verify(past, remade(signed, lambda members: members.__delitem__(name))).is_verified


def test_a_journal_that_is_missing_is_said(past: Past, signed: bytes) -> None:
    verdict = verify(past, remade(signed, lambda members: members.__delitem__(journal.NAME)))
    assert open_points(verdict)["journal"] == "nothing was begun: it is empty"


@pytest.mark.parametrize("name", ["approvals/extra.json", "scans/later.json", "../plan.json", "/plan.json", "x"])
def test_a_bundle_with_one_more_member_is_not_verified(past: Past, signed: bytes, name: str) -> None:
    out = io.BytesIO(signed)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), b"{}")
    assert not verify(past, out.getvalue()).is_verified


def test_a_member_that_stands_twice_is_told(past: Past, signed: bytes) -> None:
    out = io.BytesIO(signed)
    with zipfile.ZipFile(out, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("plan.json", b"{}")
    assert denied(verify(past, out.getvalue())) == [("archive", "holds plan.json twice")]


def test_a_zip_bomb_is_not_unpacked(past: Past) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("plan.json", b"0" * 50_000_000)
    assert denied(verify(past, out.getvalue())) == [("archive", "plan.json is compressed: a bundle never is")]


def test_members_that_overlap_are_not_read_again_and_again(past: Past, signed: bytes) -> None:
    end = signed.rindex(b"PK\x05\x06")
    start = int.from_bytes(signed[end + 16 : end + 20], "little")
    directory = bytearray(signed[start:end])
    entry = directory.index(b"PK\x01\x02")
    directory[entry + 24 : entry + 28] = directory[entry + 20 : entry + 24] = (2**31).to_bytes(4, "little")
    verdict = verify(past, signed[:start] + bytes(directory) + signed[end:])
    assert [what for what, _ in denied(verdict)] == ["archive"]


def approval(members: dict[str, bytes], decision: str) -> list[str]:
    return sorted(name for name in members if name.startswith(f"approvals/{decision}-"))


def test_approvals_that_are_swapped_do_not_count(past: Past, signed: bytes) -> None:
    def swap(members: dict[str, bytes]) -> None:
        off, delete = approval(members, "off")[0], approval(members, "delete")[0]
        members[off], members[delete] = members[delete], members[off].replace(b'"off"', b'"delete"')

    verdict = verify(past, remade(signed, swap))
    assert {what for what, _ in denied(verdict)} == {"approvals", "decisions"}


def test_an_approval_that_is_taken_out_is_missed(past: Past, signed: bytes) -> None:
    verdict = verify(past, remade(signed, lambda members: members.__delitem__(approval(members, "delete")[0])))
    ((what, says),) = denied(verdict)
    assert what == "decisions"
    assert "rests on what is not here: approvals/delete-all-" in says


def test_one_approval_for_two_persons_is_too_few(tmp_path: Path) -> None:
    def alone(told: Past) -> None:
        told.agree("delete", APPROVERS[0])
        told.did("delete", decision="delete")

    past = recorded.past(tmp_path, decide=alone)
    ((what, says),) = denied(verify(past, evidence.export(past.state, past.folder, signer=None)))
    assert what == "decisions"
    assert "2 persons have to agree to 'delete'" in says


def test_an_approval_that_was_not_there_yet_does_not_count_whatever_its_date(tmp_path: Path) -> None:
    def backdated(told: Past) -> None:
        told.agree("delete", APPROVERS[0])
        told.did("delete", decision="delete")
        told.at -= timedelta(hours=1)
        told.agree("delete", APPROVERS[1])

    past = recorded.past(tmp_path, decide=backdated)
    assert [what for what, _ in denied(verify(past, evidence.export(past.state, past.folder, signer=None)))] == [
        "decisions"
    ]


def test_an_approval_that_came_after_the_step_does_not_count(tmp_path: Path) -> None:
    def too_late(told: Past) -> None:
        told.did("create", decision="start")
        told.at += timedelta(hours=1)
        told.agree("start", APPROVERS[0])

    past = recorded.past(tmp_path, decide=too_late)
    assert [what for what, _ in denied(verify(past, evidence.export(past.state, past.folder, signer=None)))] == [
        "decisions"
    ]


def test_a_step_without_its_decision_is_told(tmp_path: Path) -> None:
    def unasked(told: Past) -> None:
        told.agree("start", APPROVERS[0])
        told.did("create", "off", decision="start")

    past = recorded.past(tmp_path, decide=unasked)
    ((what, says),) = denied(verify(past, evidence.export(past.state, past.folder, signer=None)))
    assert what == "decisions"
    assert "operation 1 began off before 'off' was decided" in says


def test_the_journal_of_another_plan_is_told(past: Past, signed: bytes, tmp_path: Path) -> None:
    other = recorded.past(tmp_path, plan_id="plan-2")
    theirs = (other.folder / journal.NAME).read_bytes()
    verdict = verify(past, remade(signed, lambda members: members.update({journal.NAME: theirs})))
    assert ("journal", "it is of another plan") in denied(verdict)


def test_a_line_taken_out_of_the_journal_is_told(past: Past, signed: bytes) -> None:
    def cut(members: dict[str, bytes]) -> None:
        lines = members[journal.NAME].splitlines(keepends=True)
        members[journal.NAME] = b"".join(lines[:3] + lines[4:])

    ((what, says),) = denied(verify(past, remade(signed, cut)))
    assert what == "journal"
    assert says.startswith("journal.jsonl, line 4")


def test_a_plan_that_was_edited_is_told_though_its_digest_is_right(past: Past, signed: bytes) -> None:
    def edit(members: dict[str, bytes]) -> None:
        members["plan.json"] = plans.text(recorded.edited(past.plan, reason="another")).encode("ascii")

    verdict = verify(past, remade(signed, edit))
    assert [what for what, _ in denied(verdict)] == ["plan"]


def test_a_requester_who_is_listed_no_more_is_told(past: Past, signed: bytes) -> None:
    left = [person for person in past.who.listed if person.mail != REQUESTER]
    verdict = evidence.verify(signed, left, public_key=None)
    ((what, says),) = denied(verdict)
    assert what == "plan"
    assert "whom nhiscan.toml does not list" in says


def test_a_damaged_journal_is_not_exported(tmp_path: Path) -> None:
    past = recorded.past(tmp_path)
    file = past.folder / journal.NAME
    file.write_bytes(file.read_bytes().replace(b"request-create", b"request-cerate"))
    with pytest.raises(Exception, match="is not what nhiscan wrote there"):
        evidence.export(past.state, past.folder, signer=None)


def test_nothing_but_what_may_count_is_taken_for_an_approval(tmp_path: Path) -> None:
    past = recorded.past(tmp_path)
    whole = evidence.export(past.state, past.folder, signer=None)
    folder = past.folder / "approvals"
    (tmp_path / "secret").write_text("correct-horse-battery", encoding="utf-8")
    (folder / "link.json").symlink_to(tmp_path / "secret")
    (folder / "folder.json").mkdir()
    (folder / "large.json").write_bytes(b" " * 70_000)
    (folder / "copy (1).json").write_bytes(next(folder.glob("off-*")).read_bytes())
    os.mkfifo(folder / "pipe.json")
    assert evidence.export(past.state, past.folder, signer=None) == whole


def test_a_decision_names_what_may_count_and_waits_for_nothing_else(tmp_path: Path) -> None:
    past = recorded.past(tmp_path)
    names = {file.name for file in (past.folder / "approvals").iterdir()}
    os.mkfifo(past.folder / "approvals" / "pipe.json")
    assert approvals.contents(past.folder).keys() == names


def test_a_scan_that_is_not_kept_any_more_is_said(tmp_path: Path) -> None:
    past = recorded.past(tmp_path)
    shutil.rmtree(past.state / "scans")
    data = evidence.export(past.state, past.folder, signer=None)
    assert "is not kept any more" in open_points(verify(past, data))["scan before"]


def test_the_statement_is_what_in_toto_asks_for(signed: bytes) -> None:
    members = bundle.unpacked(signed)
    payload, _, key_id = bundle.opened(members.pop(bundle.STATEMENT))
    told = json.loads(payload)
    assert told["_type"] == "https://in-toto.io/Statement/v1"
    assert {one["name"]: one["digest"]["sha256"] for one in told["subject"]} == {
        name: bundle.sha256(data) for name, data in members.items()
    }
    assert key_id == APPROVERS[0]
    assert NOW.isoformat() not in payload.decode("ascii")
