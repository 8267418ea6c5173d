"""`nhiscan diff`: what changed between two scans, and what was only not read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nhiscan import diff
from nhiscan.cli import cli
from nhiscan.errors import ConfigError
from nhiscan.model import Alias, Contract, IdentityMapping, Partner, Record
from nhiscan.rule import Rule
from tests.systems import START, System, covered, identity, key, register, rule, run, said, tenant

WEEK = timedelta(days=7)
CRM = "crm:eu"
ALL = frozenset({"identities", "identities.tags", "credentials", "credentials.created", "usage.calls"})


def crm(*records: Record, unread: tuple[str, ...] = ()) -> System:
    return System(
        "crm",
        said(
            tenant(CRM),
            *records,
            *covered(CRM, datasets=ALL - set(unread)),
            *covered(CRM, status="denied", datasets=unread),
        ),
    )


@pytest.fixture
def one(tmp_path: Path) -> Rule:
    """Reads its outcome, and its severity, from the identity."""
    return rule(
        tmp_path,
        "life-key-colourless",
        "select identity_id as subject_id, tenant_id, name, coalesce(purpose, 'pass') as outcome, "
        "environment as severity from identity_facts",
        needs=("identities",),
    )


def changed(state: Path, *steps: list[System], rules: tuple[Rule, ...] = ()) -> diff.Difference:
    """The difference of the first and the last of these weekly scans."""
    ids = [run(state, systems, at=START + week * WEEK, rules=rules).scan_id for week, systems in enumerate(steps)]
    return diff.compare(state, ids[0], ids[-1])


def told(rows: Any, *columns: str) -> list[tuple[Any, ...]]:
    return [tuple(row[column] for column in columns) for row in rows]


def purposes(**more: str) -> System:
    return crm(*(identity(CRM, name, purpose=purpose) for name, purpose in more.items()))


def test_cases_are_new_reopened_fixed_or_could_not_be_judged(tmp_path: Path, one: Rule) -> None:
    found = changed(
        tmp_path,
        [purposes(a="fail", b="pass", c="fail", d="pass")],
        [purposes(a="pass", b="fail", c="fail", d="pass")],
        [purposes(a="pass", b="pass", c="unknown", d="fail")],
        rules=(one,),
    )
    assert told(found.lists["cases"], "change", "subject_name") == [("new", "d"), ("not judged", "c"), ("fixed", "a")]
    again = changed(tmp_path / "again", [purposes(a="pass")], [purposes(a="fail")], [purposes(a="pass")], rules=(one,))
    assert again.lists["cases"] == []


def test_a_case_that_came_back_is_reopened(tmp_path: Path, one: Rule) -> None:
    ids = [
        run(tmp_path, [purposes(a=purpose)], at=START + week * WEEK, rules=[one]).scan_id
        for week, purpose in enumerate(("fail", "pass", "fail"))
    ]
    assert told(diff.compare(tmp_path, ids[1], ids[2]).lists["cases"], "change") == [("reopened",)]


def test_a_case_that_can_be_judged_again_is_not_new(tmp_path: Path, one: Rule) -> None:
    ids = [
        run(tmp_path, [purposes(a=purpose)], at=START + week * WEEK, rules=[one]).scan_id
        for week, purpose in enumerate(("fail", "unknown", "fail"))
    ]
    assert told(diff.compare(tmp_path, ids[1], ids[2]).lists["cases"], "change") == [("judged again",)]


def test_a_graver_case_says_how_grave_it_was(tmp_path: Path, one: Rule) -> None:
    found = changed(
        tmp_path,
        [
            crm(
                *(
                    identity(CRM, name, purpose="fail", environment=severity)
                    for name, severity in zip("ab", ("low", "high"), strict=True)
                )
            )
        ],
        [
            crm(
                *(
                    identity(CRM, name, purpose="fail", environment=severity)
                    for name, severity in zip("ab", ("critical", "medium"), strict=True)
                )
            )
        ],
        rules=(one,),
    )
    assert told(found.lists["cases"], "change", "subject_name", "severity_before", "severity") == [
        ("graver", "a", "low", "critical"),
        ("milder", "b", "high", "medium"),
    ]


def test_gone_and_not_read_are_told_apart(tmp_path: Path) -> None:
    both = (identity(CRM, "a"), identity(CRM, "b"), key(CRM, "a", "k"))
    gone = changed(tmp_path / "gone", [crm(*both)], [crm(identity(CRM, "b"))])
    assert told(gone.lists["identities"], "change", "name") == [("gone", "a")]
    assert told(gone.lists["credentials"], "change", "credential_id") == [("gone", f"{CRM}:key/k")]
    unread = changed(tmp_path / "unread", [crm(*both)], [crm(identity(CRM, "b"), unread=("identities", "credentials"))])
    assert told(unread.lists["identities"], "change", "name") == [("not read", "a")]
    assert told(unread.lists["credentials"], "change", "credential_id") == [("not read", f"{CRM}:key/k")]


def test_what_appeared_and_what_was_read_for_the_first_time_are_told_apart(tmp_path: Path) -> None:
    appeared = changed(tmp_path / "appeared", [crm()], [crm(identity(CRM, "a"))])
    assert told(appeared.lists["identities"], "change") == [("appeared",)]
    first = changed(tmp_path / "first", [crm(unread=("identities",))], [crm(identity(CRM, "a"))])
    assert told(first.lists["identities"], "change") == [("read for the first time",)]


def test_a_system_that_was_carried_has_not_lost_anything(tmp_path: Path) -> None:
    systems = [crm(identity(CRM, "a")), register()]
    first = run(tmp_path, systems).scan_id
    second = run(tmp_path, systems, at=START + WEEK, only={"register"}).scan_id
    found = diff.compare(tmp_path, first, second)
    assert found.lists["identities"] == []
    assert {row["change"] for row in found.lists["coverage"]} == {"carried"}


def test_a_renamed_identity_is_the_same_one(tmp_path: Path) -> None:
    found = changed(tmp_path, [crm(identity(CRM, "a"))], [crm(identity(CRM, "a", name="renamed"))])
    assert [name for name in diff.LISTS if found.lists[name]] == []


def test_partners_owners_and_the_register_that_changed_are_listed(tmp_path: Path) -> None:
    partner = Partner("P-1", "Borealis", business_owner="dana@acme.example", register_row="partners.csv:2")
    moved = Partner("P-1", "Borealis", business_owner="dana@acme.example", register_row="partners.csv:3")
    decision = IdentityMapping(f"{CRM}:app/a", "P-1", role="operator", owner="eve@acme.example")
    found = changed(
        tmp_path,
        [crm(identity(CRM, "a")), register(partner)],
        [crm(identity(CRM, "a")), register(moved, decision)],
    )
    assert told(found.lists["partners"], "change", "partner_before", "partner_id") == [("attributed", None, "P-1")]
    assert told(found.lists["owners"], "change", "owner_before", "owner_mail") == [
        ("has an owner", None, "eve@acme.example")
    ]
    assert found.register == [{"table": "identity_map", "added": 1, "removed": 0}]


def test_datasets_that_are_no_longer_covered_come_first_and_alike_ones_together(tmp_path: Path) -> None:
    found = changed(
        tmp_path,
        [crm(unread=("identities.tags",))],
        [crm(unread=("credentials", "credentials.created"))],
    )
    assert found.told("coverage")[1] == [
        ("no longer covered", CRM, "complete", "denied", "credentials, credentials.created"),
        ("covered now", CRM, "denied", "complete", "identities.tags"),
    ]


# The command


@pytest.fixture
def company(tmp_path: Path) -> Path:
    (tmp_path / "nhiscan.toml").write_text('[company]\nname = "Acme"\n')
    run(tmp_path / ".nhiscan", [crm(identity(CRM, "a")), register()])
    hostile = [identity(CRM, f"{n}\x1b[2J\n<b>") for n in range(12)]
    partner, contract = Partner("P-1", "Borealis"), Contract("C-1", "P-1")
    run(tmp_path / ".nhiscan", [crm(*hostile), register(partner, contract, Alias("P-1", "asn", "1"))], at=START + WEEK)
    return tmp_path / "nhiscan.toml"


def said_by(company: Path, *words: str) -> str:
    done = CliRunner().invoke(cli, ["diff", "--config", str(company), *words])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_an_ordinary_week_is_one_screen(company: Path) -> None:
    shown = said_by(company)
    assert "identities: 12 appeared, 1 gone" in shown
    assert "and 5 more, with --json" in shown
    assert "register: partners +1 -0, aliases +1 -0, contracts +1 -0" in shown
    assert "\x1b" not in shown
    assert len(shown.splitlines()) < 24


def test_the_json_lists_all(company: Path) -> None:
    shown: Mapping[str, Any] = json.loads(said_by(company, "--json"))
    assert list(shown) == ["schema_version", "from", "to", *diff.LISTS, "register"]
    assert len(shown["identities"]) == 13
    assert shown["from"]["as_of"] == START.isoformat()


def test_the_same_scan_twice_has_not_changed(company: Path) -> None:
    assert "nothing changed" in said_by(company, "current", "current")


def test_an_unknown_scan_names_the_nearest(company: Path) -> None:
    with pytest.raises(ConfigError, match="no scan 'previos'") as caught:
        diff.find(company.parent / ".nhiscan", "previos")
    assert caught.value.hint == "did you mean 'previous'?"


def test_a_single_scan_has_no_previous_one(tmp_path: Path) -> None:
    run(tmp_path, [crm()])
    with pytest.raises(ConfigError, match="there is no previous scan"):
        diff.find(tmp_path, "previous")


def test_previous_is_what_was_published_before_whatever_the_dates_say(tmp_path: Path) -> None:
    first = run(tmp_path, [crm()])
    run(tmp_path, [crm()], at=START - WEEK)
    assert diff.find(tmp_path, "previous") == first.scan_id
