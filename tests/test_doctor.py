"""What the doctor concludes from coverage and from the last scan, and how little it looks at."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

import duckdb
import pytest
import requests
import responses

from nhiscan import doctor, rule, sample, store
from nhiscan.collect import Context
from nhiscan.model import Coverage, Record, Tenant

AS_OF = datetime(2026, 1, 31, tzinfo=UTC)


@dataclass(frozen=True)
class Said:
    """A collector that says one coverage."""

    name: ClassVar[str] = "aws"
    datasets: ClassVar[frozenset[str]] = frozenset({"trusts"})
    permissions: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    status: str = "complete"
    missing_permission: str | None = None
    provider: str = "aws"

    def collect(self, ctx: Context) -> Iterator[Record]:
        del ctx
        yield Tenant(tenant_id="aws:111111111111", provider=self.provider)
        yield Coverage(
            provider=self.provider,
            tenant_id="aws:111111111111",
            dataset="trusts",
            status=self.status,
            missing_permission=self.missing_permission,
        )


def examined(said: Said) -> doctor.Examined:
    (found,) = doctor.examine([said], Context(as_of=AS_OF, is_sample=True), rule.load())
    return found


def test_what_can_be_read_is_no_gap() -> None:
    assert examined(Said()) == doctor.Examined("aws:111111111111", 1, ())


def gap(dataset: str, reason: str, permission: str | None = None) -> doctor.Gap:
    return doctor.Gap("aws:111111111111", dataset, "failed", reason, permission, ())


def test_what_one_thing_mends_is_told_once() -> None:
    gaps = [gap("trusts", "no credentials"), gap("keys", "refused", "iam:ListKeys"), gap("tags", "no credentials")]
    assert [[each.dataset for each in same] for same in doctor.alike(gaps)] == [["trusts", "tags"], ["keys"]]


def test_a_refusal_names_the_permission_and_the_rules_that_need_it() -> None:
    (gap,) = examined(Said("denied", "iam:ListRoles")).gaps
    assert gap.missing_permission == "iam:ListRoles"
    assert "dep-public-trust-principal" in gap.hides
    assert "life-key-age-exceeded" not in gap.hides


def test_what_only_the_sample_left_out_is_no_gap() -> None:
    assert examined(Said("partial")).gaps == ()


def test_what_is_partial_for_want_of_a_permission_is_a_gap() -> None:
    assert [gap.status for gap in examined(Said("partial", "iam:ListRoles")).gaps] == ["partial"]


@pytest.mark.parametrize(("status", "is_mendable"), [("unsupported", False), ("denied", True), ("failed", True)])
def test_what_a_system_cannot_say_at_all_is_nothing_to_mend(status: str, is_mendable: bool) -> None:
    assert [gap.is_mendable for gap in examined(Said(status)).gaps] == [is_mendable]


@pytest.mark.parametrize(("status", "gaps"), [("unsupported", 0), ("partial", 0), ("failed", 1)])
def test_a_register_lacks_only_what_could_not_be_read(status: str, gaps: int) -> None:
    assert len(examined(Said(status, provider="register")).gaps) == gaps


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    con = store.empty()
    con.execute("insert into scanners values ('aws:1', 'aws:1:role/nhiscan'), ('aws:2', 'aws:2:role/gone')")
    con.execute("insert into identities (identity_key, identity_id) values (1, 'aws:1:role/nhiscan'), (2, 'other')")
    con.execute(
        """
        insert into privileges (identity_key, verb, scope, certainty, level, statement) values
            (1, 'read-config', 'all', 'definite', 1, 'r'),
            (1, 'read-data', 'single', 'definite', 1, 'r'),
            (1, 'read-secret', 'all', 'definite', 4, 's'),
            (1, 'unknown', 'all', 'potential', null, 'u'),
            (2, 'admin', 'all', 'definite', 5, 'a')
        """
    )
    return con


def test_rights_of_the_scanner_beyond_reading_come_strongest_first(con: duckdb.DuckDBPyConnection) -> None:
    assert [(right.identity_id, right.verb) for right in doctor.excess(con)] == [
        ("aws:1:role/nhiscan", "unknown"),
        ("aws:1:role/nhiscan", "read-secret"),
    ]


def test_a_scanner_that_the_inventory_lacks_is_named(con: duckdb.DuckDBPyConnection) -> None:
    assert doctor.unplaced(con) == [("aws:2", "aws:2:role/gone")]


def test_a_sample_keeps_a_few_of_each_list_and_says_that_this_is_all() -> None:
    parsed = {"Users": [1, 2, 3, 4], "IsTruncated": True, "Marker": "more", "NextToken": "more", "Name": "x"}
    sample.cut_parsed(parsed=parsed)
    assert parsed == {"Users": [1, 2, 3], "IsTruncated": False, "Name": "x"}


@responses.activate
def test_a_sample_keeps_a_few_keys_of_a_vaults_list_and_nothing_else_changes() -> None:
    responses.add("LIST", "https://vault.acme.example/v1/x", json={"data": {"keys": ["a", "b", "c", "d"]}})
    responses.add("LIST", "https://vault.acme.example/v1/none", status=404, json={"errors": []})
    responses.add("GET", "https://vault.acme.example/v1/y", json={"data": {"keys": ["a", "b", "c", "d"]}})
    session = requests.Session()
    session.hooks["response"].append(sample.cut_response)
    assert session.request("LIST", "https://vault.acme.example/v1/x").json()["data"]["keys"] == ["a", "b", "c"]
    assert session.request("LIST", "https://vault.acme.example/v1/none").json() == {"errors": []}
    assert json.loads(session.get("https://vault.acme.example/v1/y").text)["data"]["keys"] == ["a", "b", "c", "d"]
