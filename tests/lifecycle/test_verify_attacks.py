"""What once let `partner verify` say that nothing lives, although something did."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from nhiscan import load, store
from nhiscan.lifecycle import verify
from nhiscan.model import (
    Alias,
    Contract,
    Coverage,
    Identity,
    IdentityMapping,
    Membership,
    Offboarding,
    OffboardingStep,
    Partner,
    Record,
    StoredSecret,
    Tenant,
)
from nhiscan.model import Resource as Thing
from nhiscan.scan import STAGES
from tests import commands
from tests.lifecycle.year_estate import ROLE, World
from tests.resolve.register_estate import (
    AS_OF,
    NORDWIND,
    A,
    account_alias,
    covered,
    key,
    role,
    role_id,
    tag,
    tenant,
    trust,
)

Before = Callable[[duckdb.DuckDBPyConnection, Path], None]
OUTSIDE = "333333333333"
READ = covered("identities", "identities.tags", "credentials", "trusts", "grants", "memberships", "policies")
ORG = "salesforce:00D000000000001AAA"


def verdict(
    state: Path, *records: Record, company: Iterable[tuple[str, str, str | None]] = (), before: Before | None = None
) -> verify.Verdict:
    """Of one scan at AS_OF; `before` writes into `state` what earlier scans saw."""
    con = store.empty()  # what is asked is asked through a cursor, which sees committed rows only
    load.load(con, [Tenant(tenant(), "aws"), NORDWIND, account_alias("P-1", OUTSIDE), *READ, *records])
    con.execute("insert into scans (scan_id, as_of) values ('s', ?)", [AS_OF.replace(tzinfo=None)])
    for row in [("aws_account", A, "prod"), *company]:
        con.execute("insert into company values (?, ?, ?)", list(row))
    for stage in STAGES:
        stage(con)
    if before is not None:
        before(con, state)
    return verify.verify(con, state, [], ("P-1", "Nordwind GmbH"), at=AS_OF, max_age=timedelta(days=1))


def test_what_a_partner_two_levels_below_holds_is_named(tmp_path: Path) -> None:
    told = verdict(
        tmp_path,
        Partner("P-2", "Nordwind Mitte", parent_id="P-1", relation="subsidiary"),
        Partner("P-3", "Nordwind Nord", parent_id="P-2", relation="sub_processor"),
        role("north"),
        tag("partner", "P-3", on="north"),
        key("AKIA1", on="north"),
    )

    assert [gap.says for gap in told.unchecked if gap.topic == "other partner"] == [
        "Nordwind Nord (P-3) stands below the partner in the register and holds 2 things of its own"
    ]


def test_what_a_partner_holds_that_may_be_the_same_company_is_named(tmp_path: Path) -> None:
    twins = {
        "P-2": Partner("P-2", "NORDWIND GmbH"),
        "P-3": Partner("P-3", "Kestrel", legal_name="Nordwind G.m.b.H."),
        "P-4": Partner("P-4", "Nord-Wind"),
        "P-5": Partner("P-5", "\N{GREEK CAPITAL LETTER NU}ordwind GmbH"),
        "p-1": Partner("p-1", "Heron"),
        "P-l": Partner("P-l", "Egret"),
    }
    held = [role("theirs"), trust("444444444444", on="theirs")]
    told = verdict(tmp_path, *twins.values(), *held, *(Alias(key, "aws_account", "444444444444") for key in twins))

    name = "the partner's name, but for its spelling or legal form"
    assert [gap.says.split(", and holds")[0] for gap in told.unchecked if gap.topic == "other partner"] == [
        "Egret (P-l) has an id that looks like the partner's",
        "Heron (p-1) has an id that looks like the partner's",
        f"Kestrel (P-3) has {name}",
        f"NORDWIND GmbH (P-2) has {name}",
        f"Nord-Wind (P-4) has {name}",
        f"{twins['P-5'].name} (P-5) has {name}",
    ]


def test_a_partner_of_another_name_is_not_named(tmp_path: Path) -> None:
    others = (Partner("P-2", "Kestrel"), Alias("P-2", "aws_account", "444444444444"))
    told = verdict(tmp_path, *others, role("theirs"), trust("444444444444", on="theirs"))

    assert [gap for gap in told.unchecked if gap.topic == "other partner"] == []


def test_a_role_open_to_everybody_counts_where_the_register_names_an_account_of_the_partner(tmp_path: Path) -> None:
    """The partner was only ever seen in the CRM."""
    user = f"{ORG}:user/dana"
    anybody: dict[str, Any] = {"principal_kind": "any", "principal": "*", "account": None}
    told = verdict(
        tmp_path,
        Alias("P-1", "salesforce_account", "001D000000IqhSLIAZ"),
        Identity(user, "salesforce", ORG, "human_user", "dana", "dana", False, status="disabled", licence="partner"),
        role("open"),
        dataclasses.replace(trust(OUTSIDE, on="open"), **anybody),
        Coverage("salesforce", ORG, "identities", "complete"),
    )

    assert [gap.says for gap in told.unchecked if gap.topic == "undecided"] == [
        f"1 outsiders in {tenant(A)} are nobody's by the register: {tenant(A)}:role/open"
    ]


def test_what_a_label_calls_a_partners_under_a_name_of_before_is_undecided(tmp_path: Path) -> None:
    told = verdict(tmp_path, role("legacy"), tag("partner", "Ostwind & Co", on="legacy"), key("AKIA1", on="legacy"))

    assert [gap.says for gap in told.unchecked if gap.topic == "undecided"] == [
        f"1 outsiders in {tenant(A)} are nobody's by the register: {tenant(A)}:role/legacy"
    ]


@pytest.mark.parametrize("kind", ["service_account", "entity"])
def test_who_is_in_a_group_that_is_called_like_the_partner_is_undecided(tmp_path: Path, kind: str) -> None:
    group = role("nordwind-feeds", kind="group")
    told = verdict(
        tmp_path,
        group,
        role("feed", kind=kind),
        key("AKIA1", on="feed"),
        Membership(role_id("feed"), role_id("nordwind-feeds")),
    )

    (says,) = (gap.says for gap in told.unchecked if gap.topic == "undecided")
    assert says.startswith("identity feed may be the partner's (suggested): it is in group")


def test_what_no_scan_can_show_is_told_apart_and_still_proves_nothing(tmp_path: Path) -> None:
    told = verdict(
        tmp_path,
        Coverage("aws", tenant(), "sessions", "unsupported", "offers no list of sessions"),
        Coverage("aws", tenant(), "resources", "denied", missing_permission="s3:ListAllMyBuckets"),
        Alias("P-1", "github_org", "nordwind"),
    )

    found = {gap.says.partition(" ")[0]: (gap.topic, gap.next_step) for gap in told.unchecked}
    assert found["sessions"] == ("by hand", "look there by hand")
    assert found["resources"] == ("not read", "allow s3:ListAllMyBuckets, and scan again")
    assert told.by_hand == 2
    assert told.exit_code == 3


def test_a_register_that_was_taken_over_may_lack_what_was_written_since(tmp_path: Path) -> None:
    told = verdict(
        tmp_path,
        Coverage(
            "register", "register:main", "register.aliases", "carried",
            collected_at=AS_OF - timedelta(days=9), original_status="complete",
        ),
    )  # fmt: skip

    assert "the register is that of 2026-01-22 02:00" in str([gap.says for gap in told.unchecked])


def test_an_offboarding_before_the_contract_does_not_date_what_was_known_under_it(tmp_path: Path) -> None:
    secret = f"{tenant()}:secret/exchange"
    told = verdict(
        tmp_path,
        Offboarding("O-1", "P-1", opened_at=_at(2023, 5, 1), closed_at=_at(2023, 5, 9)),
        Contract("C-2", "P-1", "technology", True, "active", date(2024, 1, 1), date(2025, 12, 31), auto_renew=False),
        Thing(secret, "aws", tenant(), "secret", "exchange", "arn:exchange"),
        StoredSecret(secret, kind="secret", updated_at=_at(2025, 6, 1)),
    )

    assert told.since == _at(2026, 1, 1)


def test_an_older_scan_proves_nothing_while_there_is_a_newer_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    world.has_role = False
    before = world.scan()
    world.today += timedelta(days=1)
    world.has_role = True
    world.scan()
    monkeypatch.setattr("nhiscan.cli_partner.now", lambda: world.now)

    told = commands.run("partner", "verify", "P-1", "--scan", before, "-c", str(tmp_path / "nhiscan.toml"))

    assert "was published after" in str(told.exception)
    assert ROLE not in told.stdout


def earlier(con: duckdb.DuckDBPyConnection, state: Path, *, days: int, held: Iterable[Mapping[str, Any]]) -> None:
    """A scan `days` before this one that read the same tenants, and what the partner held by it."""
    folder = state / "scans" / store.new_scan_id(AS_OF - timedelta(days=days))
    folder.mkdir(parents=True)
    con.execute("create or replace temp table holdings as select * from partner_holdings limit 0")
    for thing in held:
        known = {"partner_id": "P-1", "tenant_id": tenant(), "relation": "operator", "action": "revoke_access"}
        columns = {**known, **thing}
        con.execute(
            f"insert into holdings ({', '.join(columns)}) values ({', '.join('?' for _ in columns)})",
            list(columns.values()),
        )
    at = (AS_OF - timedelta(days=days)).replace(tzinfo=None)
    for table, query in (
        ("scans", f"select * replace (timestamp '{at}' as as_of) from scans"),
        ("partner_holdings", "from holdings"),
        ("coverage", "from coverage"),
        ("register_files", "from register_files limit 0"),
    ):
        con.execute(f"copy ({query}) to '{folder / table}.parquet'")


def test_what_was_the_partners_for_sure_and_then_by_its_name_only_is_not_forgotten(tmp_path: Path) -> None:
    """A label was taken off, and a scan later the name was changed."""
    thing = {"thing_kind": "identity", "thing_id": role_id("sync"), "identity_id": role_id("sync"), "name": "sync"}

    def before(con: duckdb.DuckDBPyConnection, state: Path) -> None:
        earlier(con, state, days=2, held=[{**thing, "is_live": True}])
        earlier(con, state, days=1, held=[{**thing, "is_live": True, "relation": "suggested"}])

    told = verdict(tmp_path, role("sync"), key("AKIA1"), before=before)

    assert [gap.says.partition(" on ")[0] for gap in told.unchecked if gap.topic == "disowned"] == [
        "identity sync was the partner's"
    ]


def test_what_a_person_has_given_to_another_partner_since_is_settled(tmp_path: Path) -> None:
    thing = {"thing_kind": "identity", "thing_id": role_id("sync"), "identity_id": role_id("sync"), "name": "sync"}
    told = verdict(
        tmp_path,
        Partner("P-2", "Kestrel"),
        IdentityMapping(role_id("sync"), "P-2", decided_by="erika.brandt@acme.example"),
        role("sync"),
        key("AKIA1"),
        before=lambda con, state: earlier(con, state, days=1, held=[{**thing, "is_live": True}]),
    )

    assert [gap.says for gap in told.unchecked if gap.topic == "disowned"] == []


@pytest.mark.parametrize(
    ("kind", "seen_gone", "is_there", "until"),
    [
        ("trust", None, True, "2026-01-31 14:00"),
        ("credential", None, True, "2026-02-01 14:00"),
        ("trust", 1, True, None),
        ("credential", 1, True, "2026-01-31 14:00"),
        ("credential", 2, True, None),
        ("trust", None, False, None),
    ],
)
def test_a_session_of_aws_outlives_what_it_came_by(
    tmp_path: Path, kind: str, seen_gone: int | None, is_there: bool, until: str | None
) -> None:
    """Seen by the scan of four days ago, and first missed by this one, or by one of `seen_gone` days ago."""
    thing = {"thing_kind": kind, "thing_id": f"{role_id('sync')}:{kind}", "identity_id": role_id("sync"),
             "provider": "aws", "name": "sync", "is_live": True}  # fmt: skip

    def before(con: duckdb.DuckDBPyConnection, state: Path) -> None:
        earlier(con, state, days=4, held=[thing])
        if seen_gone is not None:
            earlier(con, state, days=seen_gone, held=[])

    told = verdict(tmp_path, *([role("sync")] if is_there else []), before=before)

    sessions = [gap.says for gap in told.unchecked if gap.topic == "session"]
    assert [text.partition(" may work until ")[2] for text in sessions] == ([f"{until}, as sync"] if until else [])


@pytest.mark.parametrize(
    ("steps_done", "is_early"), [((), True), ((4,), False), ((4, None), True)], ids=["no word", "all", "not all"]
)
def test_a_secret_that_was_replaced_while_the_partner_may_still_have_read_it_proves_nothing(
    tmp_path: Path, steps_done: tuple[int | None, ...], is_early: bool
) -> None:
    """Opened ten days ago, seen at work that day, the value changed two days ago, and only this scan sees no access."""
    secret = f"{tenant()}:secret/exchange"
    known = {"thing_kind": "secret", "thing_id": secret, "name": "exchange", "relation": "knows",
             "action": "rotate_shared_secret"}  # fmt: skip
    user = {"thing_kind": "identity", "thing_id": role_id("sync"), "name": "sync", "is_live": True}
    told = verdict(
        tmp_path,
        Offboarding("O-1", "P-1", opened_at=AS_OF - timedelta(days=10), register_row="o.csv:2"),
        *(
            OffboardingStep("O-1", number, "revoke_access", target_id=role_id("sync"), evidence="CHG-1",
                            done_at=None if days is None else AS_OF - timedelta(days=days), register_row="s.csv:2")
            for number, days in enumerate(steps_done, 1)
        ),
        Thing(secret, "aws", tenant(), "secret", "exchange", "arn:exchange"),
        StoredSecret(secret, kind="secret", updated_at=AS_OF - timedelta(days=2)),
        before=lambda con, state: earlier(con, state, days=9, held=[known, user]),
    )  # fmt: skip

    early = [gap.says for gap in told.unchecked if gap.topic == "secret" and "exchange was replaced on" in gap.says]
    assert bool(early) is is_early
    assert ("exchange" in {gone.name for gone in told.gone}) is not is_early


def test_what_only_the_analyzer_of_aws_shows_has_to_be_read(tmp_path: Path) -> None:
    told = verdict(tmp_path, Coverage("aws", tenant(), "external_access", "unsupported", "no analyzer is active"))

    assert any(gap.says.startswith(f"external_access of {tenant()}: unsupported") for gap in told.unchecked)


def _at(year: int, month: int, day: int) -> datetime:
    return datetime(year, month, day, tzinfo=UTC)
