from __future__ import annotations

import stat
import threading
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from nhiscan import attribute, collect, config
from nhiscan.errors import RegisterError
from nhiscan.model import IdentityMapping, Quarantined

PATTERN = "aws:111111111111:role/bor-*"
DECISION = IdentityMapping(PATTERN, partner_id="P-1", role="operator", decided_by="dana@acme.example")


@pytest.fixture
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    schema = Path(attribute.__file__).with_name("schema.sql").read_text(encoding="utf-8")
    with duckdb.connect() as opened:
        opened.execute(schema)
        opened.execute("insert into partners (partner_id, name) values ('P-1', 'Borealis'), ('P-2', 'Cirrus')")
        yield opened


def add(con: duckdb.DuckDBPyConnection, key: int, name: str, **facts: Any) -> None:
    facts = {"is_nhi": True, "is_provider_owned": False, "is_trusted_from_outside": False, "level": 1, **facts}
    row = {"identity_key": key, "identity_id": name, "name": name, "kind": "workload_role", **facts}
    row |= {"provider": "aws", "tenant_id": "aws:111111111111", "native_id": name}
    con.execute(
        f"insert into identity_facts ({', '.join(row)}) values ({', '.join('?' for _ in row)})", list(row.values())
    )


def claim(
    con: duckdb.DuckDBPyConnection, key: int, partner_id: str, confidence: float, verdict: str, role: str = "operator"
) -> None:
    con.execute(
        "insert into identity_partners values (?, ?, ?, 'tag', ?, ?, ?, 'partners.csv:2')",
        [key, partner_id, role, f"tag partner={partner_id}", confidence, verdict],
    )


def listed(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    return [(item.identity_id, item.state) for item in attribute.weakest(con, 100)]


def test_the_weakest_attributions_stand_first(con: duckdb.DuckDBPyConnection) -> None:
    add(con, 1, "sure")
    claim(con, 1, "P-1", 0.95, "asserted")
    add(con, 2, "less-sure")
    claim(con, 2, "P-1", 0.6, "asserted")
    add(con, 3, "likely")
    claim(con, 3, "P-1", 0.3, "suggested")
    add(con, 4, "open", is_trusted_from_outside=True)
    add(con, 5, "disputed")
    claim(con, 5, "P-1", 0.8, "conflict")
    claim(con, 5, "P-2", 0.8, "conflict")
    assert listed(con) == [
        ("disputed", "conflict"),
        ("likely", "suggested"),
        ("open", "none"),
        ("less-sure", "asserted"),
        ("sure", "asserted"),
    ]


def test_every_candidate_comes_with_its_evidence(con: duckdb.DuckDBPyConnection) -> None:
    add(con, 1, "role-a")
    claim(con, 1, "P-2", 0.4, "lost")
    claim(con, 1, "P-1", 0.9, "asserted")
    (item,) = attribute.weakest(con, 1)
    assert item.confidence == 0.9
    assert item.candidates == (
        attribute.Candidate("P-1", "Borealis", "operator", "tag", "tag partner=P-1", 0.9, "asserted", "partners.csv:2"),
        attribute.Candidate("P-2", "Cirrus", "operator", "tag", "tag partner=P-2", 0.4, "lost", "partners.csv:2"),
    )


def test_a_limit_counts_identities_and_not_candidates(con: duckdb.DuckDBPyConnection) -> None:
    for key in (1, 2, 3):
        add(con, key, f"role-{key}")
        claim(con, key, "P-1", 0.8, "conflict")
        claim(con, key, "P-2", 0.8, "conflict")
    assert [len(item.candidates) for item in attribute.weakest(con, 2)] == [2, 2]


def test_a_beneficiary_in_dispute_shows_although_the_operator_is_known(con: duckdb.DuckDBPyConnection) -> None:
    add(con, 1, "role-a")
    claim(con, 1, "P-1", 0.9, "asserted")
    claim(con, 1, "P-2", 0.8, "conflict", role="beneficiary")
    assert listed(con) == [("role-a", "conflict")]


def test_likeness_beside_an_assertion_does_not_weaken_it(con: duckdb.DuckDBPyConnection) -> None:
    add(con, 1, "role-a")
    claim(con, 1, "P-1", 0.9, "asserted")
    claim(con, 1, "P-2", 0.3, "suggested")
    assert listed(con) == [("role-a", "asserted")]


@pytest.mark.parametrize(
    "facts",
    [
        {"is_trusted_from_outside": False},
        {"is_trusted_from_outside": True, "is_provider_owned": True},
        {"is_trusted_from_outside": True, "is_nhi": False},
    ],
)
def test_identities_that_concern_no_partner_are_left_out(con: duckdb.DuckDBPyConnection, facts: dict[str, Any]) -> None:
    add(con, 1, "role-a", **facts)
    assert listed(con) == []


def test_an_outsider_of_unknown_nature_is_listed(con: duckdb.DuckDBPyConnection) -> None:
    add(con, 1, "role-a", is_trusted_from_outside=True, is_nhi=None)
    assert listed(con) == [("role-a", "none")]


def test_of_equally_weak_ones_the_stronger_identity_stands_first(con: duckdb.DuckDBPyConnection) -> None:
    for key, level in ((1, 1), (2, 5), (3, None)):
        add(con, key, f"role-{key}", level=level)
        claim(con, key, "P-1", 0.3, "suggested")
    assert [name for name, _ in listed(con)] == ["role-3", "role-2", "role-1"]


def test_times_are_aware(con: duckdb.DuckDBPyConnection) -> None:
    add(con, 1, "role-a", is_trusted_from_outside=True, last_used_at=datetime(2026, 1, 30))
    assert attribute.weakest(con, 1)[0].last_used_at == datetime(2026, 1, 30, tzinfo=UTC)


def test_a_description_names_candidates_evidence_and_register_row(con: duckdb.DuckDBPyConnection) -> None:
    add(con, 1, "role-a")
    claim(con, 1, "P-1", 0.8, "conflict")
    add(con, 2, "role-b", is_trusted_from_outside=True)
    disputed, opened = map(attribute.describe, attribute.weakest(con, 2))
    assert disputed == (
        "conflict: role-a (workload_role)\n  conflict 0.80 P-1 Borealis as operator: tag partner=P-1 [partners.csv:2]"
    )
    assert opened.endswith("may become it, and no partner is known")


def test_a_name_cannot_add_a_line_to_its_description(con: duckdb.DuckDBPyConnection) -> None:
    add(con, 1, "role\n  asserted 1.00 P-2", is_trusted_from_outside=True)
    (item,) = attribute.weakest(con, 1)
    assert len(attribute.describe(item).split("\n")) == 2


def entries(file: Path) -> list[dict[str, Any]]:
    held = tomllib.loads(file.read_text(encoding="utf-8"))
    found: list[dict[str, Any]] = held["identity_map"]
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "identity_map.toml"


def test_a_decision_makes_the_file(file: Path) -> None:
    attribute.decide(file, [DECISION])
    assert entries(file) == [
        {"pattern": PATTERN, "partner_id": "P-1", "role": "operator", "decided_by": "dana@acme.example"}
    ]


def test_a_decision_is_what_the_register_reads_back(file: Path) -> None:
    decision = IdentityMapping(
        'a "quoted" \\ pattern*',
        partner_id="P-1",
        role="vendor",
        owner="dana@acme.example",
        purpose="exports",
        environment="prod",
        decided_by="kim@acme.example",
        until=date(2027, 1, 31),
        register_row="identity_map.toml:1",
    )
    attribute.decide(file, [decision])
    file.with_name("partners.csv").write_text("partner_id,name\nP-1,Borealis\n", encoding="utf-8")
    register = config.build(
        collect.load("register"), {"path": str(file.parent)}, where="", base=file.parent, environ={}
    )
    said = list(register.collect(collect.Context(as_of=datetime(2026, 1, 31, tzinfo=UTC))))
    assert [record for record in said if isinstance(record, IdentityMapping | Quarantined)] == [decision]


def test_entries_and_comments_that_stand_are_kept(file: Path) -> None:
    before = '# decided in the January review\n[[identity_map]]\npattern = "a"\npartner_id = "P-2"  # see ticket 7'
    file.write_text(before, encoding="utf-8")
    attribute.decide(file, [DECISION])
    assert file.read_text(encoding="utf-8").startswith(before)
    assert [entry["pattern"] for entry in entries(file)] == ["a", PATTERN]


def test_entries_in_one_pair_of_brackets_are_kept(file: Path) -> None:
    file.write_text('identity_map = [{ pattern = "a", partner_id = "P-2" }]\n', encoding="utf-8")
    attribute.decide(file, [DECISION])
    assert [entry["pattern"] for entry in entries(file)] == ["a", PATTERN]


def test_another_table_behind_the_entries_is_kept(file: Path) -> None:
    file.write_text('[[partners]]\npartner_id = "P-1"\nname = "Borealis"\n', encoding="utf-8")
    attribute.decide(file, [DECISION])
    held = tomllib.loads(file.read_text(encoding="utf-8"))
    assert (held["partners"][0]["name"], held["identity_map"][0]["pattern"]) == ("Borealis", PATTERN)


def test_a_decision_that_stands_is_not_written_twice(file: Path) -> None:
    attribute.decide(file, [DECISION])
    before = file.read_bytes()
    attribute.decide(file, [DECISION, IdentityMapping(PATTERN, partner_id="P-1", role="operator", decided_by="kim")])
    assert file.read_bytes() == before


def test_a_contradiction_is_refused_and_changes_nothing(file: Path) -> None:
    attribute.decide(file, [DECISION])
    before = file.read_bytes()
    with pytest.raises(RegisterError) as caught:
        attribute.decide(file, [IdentityMapping(PATTERN, partner_id="P-2", role="operator")])
    assert "is already decided: partner_id 'P-1' by dana@acme.example, not 'P-2'" in caught.value.message
    assert caught.value.hint == "replace that decision explicitly, or edit the file"
    assert file.read_bytes() == before


def test_a_contradiction_is_replaced_on_request_and_other_entries_stay(file: Path) -> None:
    attribute.decide(file, [IdentityMapping("other", owner="dana@acme.example"), DECISION])
    attribute.decide(file, [IdentityMapping(PATTERN, partner_id="P-2", role="operator")], replace=True)
    assert [(entry["pattern"], entry.get("partner_id")) for entry in entries(file)] == [
        ("other", None),
        (PATTERN, "P-2"),
    ]


def test_another_end_of_the_same_decision_is_a_contradiction(file: Path) -> None:
    attribute.decide(file, [DECISION])
    with pytest.raises(RegisterError, match=r"until without end by dana@acme\.example, not 2027-01-31"):
        attribute.decide(file, [IdentityMapping(PATTERN, partner_id="P-1", role="operator", until=date(2027, 1, 31))])


def test_operator_and_beneficiary_of_one_pattern_do_not_contradict(file: Path) -> None:
    attribute.decide(file, [DECISION, IdentityMapping(PATTERN, partner_id="P-2", role="beneficiary")])
    assert [entry["role"] for entry in entries(file)] == ["operator", "beneficiary"]


def test_an_owner_may_be_added_to_a_decided_pattern(file: Path) -> None:
    attribute.decide(file, [DECISION])
    attribute.decide(file, [IdentityMapping(PATTERN, owner="kim@acme.example")])
    assert len(entries(file)) == 2


def test_two_decisions_that_contradict_each_other_are_refused(file: Path) -> None:
    with pytest.raises(RegisterError, match="contradict each other"):
        attribute.decide(file, [DECISION, IdentityMapping(PATTERN, partner_id="P-2", role="operator")], replace=True)
    assert not file.exists()


@pytest.mark.parametrize("decision", [IdentityMapping("a"), IdentityMapping("", partner_id="P-1")])
def test_a_decision_that_decides_nothing_is_refused(file: Path, decision: IdentityMapping) -> None:
    with pytest.raises(RegisterError, match="decides nothing"):
        attribute.decide(file, [decision])


@pytest.mark.parametrize("content", [b"[[", b"\xff", b'identity_map = "a"', b"identity_map = [1]"])
def test_a_file_that_cannot_be_read_is_left_as_it_is(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    with pytest.raises(RegisterError, match=r"identity_map\.toml"):
        attribute.decide(file, [DECISION], replace=True)
    assert file.read_bytes() == content


def test_decisions_are_written_to_toml_only(tmp_path: Path) -> None:
    with pytest.raises(RegisterError, match=r"\.toml file"):
        attribute.decide(tmp_path / "identity_map.csv", [DECISION])


def test_a_missing_folder_is_an_error_with_the_next_step(tmp_path: Path) -> None:
    with pytest.raises(RegisterError, match="No such file") as caught:
        attribute.decide(tmp_path / "gone" / "identity_map.toml", [DECISION])
    assert caught.value.hint


def test_the_file_keeps_its_mode_and_leaves_nothing_beside_it(file: Path) -> None:
    file.write_text("", encoding="utf-8")
    file.chmod(0o640)
    attribute.decide(file, [DECISION])
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert [path.name for path in file.parent.iterdir()] == ["identity_map.toml"]


def test_a_link_stays_a_link(file: Path) -> None:
    real = file.with_name("decisions.toml")
    real.write_text("", encoding="utf-8")
    file.symlink_to(real)
    attribute.decide(file, [DECISION])
    assert file.is_symlink()
    assert len(entries(real)) == 1


def test_decisions_written_at_the_same_time_are_all_kept(file: Path) -> None:
    decisions = [IdentityMapping(f"role-{n}", partner_id="P-1") for n in range(16)]
    threads = [threading.Thread(target=attribute.decide, args=(file, [decision])) for decision in decisions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {entry["pattern"] for entry in entries(file)} == {decision.pattern for decision in decisions}
