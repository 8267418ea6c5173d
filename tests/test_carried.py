"""`scan --only`: what the systems that were not read hold afterwards, and what may be said of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from nhiscan import scan
from nhiscan.cli import cli
from nhiscan.errors import ConfigError
from nhiscan.model import Alias, AppSettings, Coverage, Partner, PartnerAccount, Sighting, Tag
from nhiscan.rule import Rule
from tests.resolve.crm_estate import ACCOUNTS, DATASETS, Crm
from tests.systems import START, System, covered, identity, key, register, rows, rule, run, said, settings, tenant

WEEK = timedelta(days=7)
CRM = "crm:eu"
CRM_TABLES = [
    ("signs", "identity_key"),
    ("app_settings", "identity_key"),
    ("app_scopes", "identity_key"),
    ("data_objects", "resource_key"),
    ("record_counts", "resource_key, identity_key"),
    ("partner_accounts", "tenant_id"),
    ("app_facts", "identity_key"),
    ("role_facts", "role_key"),
    ("record_access", "identity_key, resource_key"),
    ("field_access", "identity_key, resource_key"),
    ("setting_facts", "tenant_id"),
    ("sign_ins", "identity_key"),
]
PORTAL = "portal:main"


def crm(*more: object, status: str = "complete") -> System:
    return System(
        "crm",
        said(
            tenant(CRM),
            identity(CRM, "b"),
            identity(CRM, "a"),
            Tag(f"{CRM}:app/b", name="partner", value="Borealis"),
            key(CRM, "b", "k1"),
            *covered(CRM, status=status, at=START),
            *more,  # type: ignore[arg-type]
        ),
    )


def portal(*names: str) -> System:
    return System("portal", said(tenant(PORTAL), *(identity(PORTAL, name) for name in names), *covered(PORTAL)))


def test_rows_of_systems_that_were_not_read_are_there_under_new_keys(tmp_path: Path) -> None:
    systems = [crm(), portal("z"), register(Partner("P-1", "Borealis"))]
    run(tmp_path, systems)
    run(tmp_path, [crm(), portal("0", "1", "z"), register()], at=START + WEEK, only={"portal"})
    assert rows(tmp_path, "select name from identities order by identity_key") == [
        ("a",),
        ("b",),
        ("0",),
        ("1",),
        ("z",),
    ]
    assert rows(
        tmp_path,
        "select i.name, c.native_id, t.value from identities i join credentials c using (identity_key) "
        "join tags t using (identity_key)",
    ) == [("b", "k1", "Borealis")]
    assert rows(tmp_path, "select partner_id from partners") == [("P-1",)]


def test_carried_coverage_keeps_its_date_and_says_from_where(tmp_path: Path) -> None:
    first = run(tmp_path, [crm(), portal()])
    run(tmp_path, [crm(), portal()], at=START + WEEK, only={"portal"})
    run(tmp_path, [crm(), portal()], at=START + 2 * WEEK, only={"portal"})
    assert rows(
        tmp_path,
        "select distinct status, reason, original_status, collected_at from coverage where tenant_id = 'crm:eu'",
    ) == [("carried", f"from scan {first.scan_id}", "complete", START.replace(tzinfo=None))]
    assert rows(tmp_path, "select distinct status from coverage where tenant_id = 'portal:main'") == [("complete",)]


def test_a_gap_that_is_carried_says_what_it_was(tmp_path: Path) -> None:
    first = run(tmp_path, [crm(status="denied"), portal()])
    run(tmp_path, [crm(), portal()], at=START + WEEK, only={"portal"})
    assert rows(
        tmp_path, "select distinct status, reason, original_status from coverage where tenant_id = 'crm:eu'"
    ) == [("carried", f"from scan {first.scan_id}, where it was denied: refused", "denied")]


def test_a_system_that_could_not_be_reached_is_carried_as_that(tmp_path: Path) -> None:
    run(tmp_path, [System("crm", said()), portal()])
    run(tmp_path, [crm(), portal()], at=START + WEEK, only={"portal"})
    assert rows(tmp_path, "select distinct tenant_id, original_status from coverage where provider = 'crm'") == [
        ("crm:*", "failed")
    ]


def test_carried_rows_alone_leave_a_scan_complete(tmp_path: Path) -> None:
    run(tmp_path, [crm(status="denied"), portal()])
    assert run(tmp_path, [crm(), portal()], at=START + WEEK, only={"portal"}).is_complete


def test_what_is_no_longer_configured_is_not_carried(tmp_path: Path) -> None:
    run(tmp_path, [crm(), portal("z")])
    run(tmp_path, [portal("z")], at=START + WEEK, only={"portal"})
    assert rows(tmp_path, "select distinct tenant_id from identities") == [("portal:main",)]


def test_without_a_scan_there_is_nothing_to_carry(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is none") as caught:
        run(tmp_path, [crm(), portal()], only={"portal"})
    assert caught.value.hint == "scan everything once, without --only"


def test_an_unknown_system_names_the_nearest_configured_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="configures no collector 'portl'") as caught:
        scan.collectors(settings(tmp_path, ["portal", "crm"]), environ={}, strict=False, only={"portl"})
    assert caught.value.hint == "did you mean 'portal'?"


def test_the_secrets_of_systems_that_are_not_read_need_not_be_there(tmp_path: Path) -> None:
    (tmp_path / "register").mkdir()
    (tmp_path / "nhiscan.toml").write_text(
        '[company]\nname = "Acme"\n[collectors.register]\npath = "register"\n'
        '[collectors.aws]\nrole_name = "nhiscan"\nexternal_id = "env:NOT_SET_ANYWHERE"\n'
    )
    words = ["scan", "--config", str(tmp_path / "nhiscan.toml"), "--only", "register"]
    done = CliRunner().invoke(cli, words)
    assert isinstance(done.exception, ConfigError)
    assert "there is none" in done.exception.message


def test_a_carried_row_that_names_what_is_gone_is_dropped_and_said(tmp_path: Path) -> None:
    seen = Sighting(
        f"{CRM}:sighting/1", "crm", CRM, "tag", "a tag", "token", "f1", identity_id=f"{PORTAL}:app/z", preview="ab"
    )
    coverage = Coverage("crm", CRM, "sightings.environment", "complete", collected_at=START)
    first = run(tmp_path, [crm(seen, coverage), portal("z")])
    assert rows(tmp_path, "select count(*) from sightings") == [(1,)]
    run(tmp_path, [crm(), portal("other")], at=START + WEEK, only={"portal"})
    assert rows(tmp_path, "select count(*) from sightings") == [(0,)]
    assert rows(
        tmp_path,
        "select status, original_status, reason from coverage where dataset = 'sightings.environment'",
    ) == [
        (
            "carried",
            "partial",
            f"from scan {first.scan_id}; 1 rows of sightings name something not collected, first portal:main:app/z",
        )
    ]


# What is said of carried subjects


def colourless(folder: Path, *, absence: tuple[str, ...] = ("register.people",)) -> Rule:
    """Fails identities whose purpose is not a colour; what says so could be missing from the register."""
    return rule(
        folder,
        "life-key-colourless",
        "select identity_id as subject_id, tenant_id, name, "
        "case when purpose = 'blue' then 'pass' else 'fail' end as outcome from identity_facts",
        needs=("identities",),
        absence=absence,
    )


def painted(purpose: str | None, *, status: str = "complete") -> System:
    return System("crm", said(tenant(CRM), identity(CRM, "a", purpose=purpose), *covered(CRM, status=status, at=START)))


FINDINGS = "select outcome, status, uncovered, first_seen, last_seen from findings where tenant_id = 'crm:eu'"
T0, T1, T2, T3 = ((START + n * WEEK).replace(tzinfo=None) for n in range(4))


def scans(state: Path, one: Rule, *steps: tuple[System, set[str] | None]) -> list[tuple[object, ...]]:
    """What is found at the end of a row of weekly scans of the CRM, the portal and the register."""
    for week, (system, only) in enumerate(steps):
        run(state, [system, portal(), register()], at=START + week * WEEK, rules=[one], only=only)
    return rows(state, FINDINGS)


def test_a_fail_on_carried_rows_stays_an_open_case(tmp_path: Path) -> None:
    found = scans(tmp_path, colourless(tmp_path), (painted(None), None), (painted("blue"), {"portal"}))
    assert found == [("fail", "open", None, T0, T1)]
    assert rows(tmp_path, "select status, is_new, first_seen from cases") == [("open", False, T0)]


def test_a_fail_that_rests_on_a_carried_register_stays_an_open_case(tmp_path: Path) -> None:
    found = scans(tmp_path, colourless(tmp_path), (painted(None), None), (painted(None), {"crm"}))
    assert found == [("fail", "open", None, T0, T1)]


def test_a_fail_that_is_new_and_rests_on_a_carried_register_is_unknown(tmp_path: Path) -> None:
    found = scans(tmp_path, colourless(tmp_path), (painted("blue"), None), (painted(None), {"crm"}))
    assert found == [("unknown", "open", "register.people", T1, T1)]


def test_a_fail_that_rests_on_what_was_not_read_when_it_was_carried_is_unknown(tmp_path: Path) -> None:
    one = colourless(tmp_path)
    run(tmp_path, [painted(None), portal(), register()], rules=[one])
    failing = System("register", said(), register().datasets)
    run(tmp_path, [painted(None), portal(), failing], at=START + WEEK, rules=[one])
    run(tmp_path, [painted(None), portal(), register()], at=START + 2 * WEEK, rules=[one], only={"crm"})
    assert rows(tmp_path, FINDINGS) == [("unknown", "open", "register.people", T0, T0)]


def test_a_pass_on_carried_rows_is_unknown_and_fixes_nothing(tmp_path: Path) -> None:
    found = scans(tmp_path, colourless(tmp_path), (painted("blue"), None), (painted("blue"), {"portal"}))
    assert found == [("unknown", "open", "identities", T1, T1)]


def test_what_was_repaired_meanwhile_is_fixed_once_it_is_read(tmp_path: Path) -> None:
    found = scans(
        tmp_path,
        colourless(tmp_path),
        (painted(None), None),
        (painted("blue"), {"portal"}),
        (painted("blue"), None),
    )
    assert found == [("fail", "fixed", None, T0, T1)]


def test_what_was_fixed_is_not_reopened_and_not_forgotten_while_it_is_carried(tmp_path: Path) -> None:
    one = colourless(tmp_path)
    steps = [(painted(None), None), (painted("blue"), None), (painted("blue"), {"portal"})]
    assert scans(tmp_path, one, *steps) == [("unknown", "fixed", "identities", T0, T0)]
    run(tmp_path, [painted("blue"), portal(), register()], at=START + 3 * WEEK, rules=[one])
    assert rows(tmp_path, FINDINGS) == [("fail", "fixed", None, T0, T0)]
    run(tmp_path, [painted(None), portal(), register()], at=START + 4 * WEEK, rules=[one])
    assert [row[:2] for row in rows(tmp_path, FINDINGS)] == [("fail", "reopened")]


def test_what_vanished_with_a_system_that_is_no_longer_configured_is_not_fixed(tmp_path: Path) -> None:
    one = colourless(tmp_path)
    run(tmp_path, [painted(None), portal(), register()], rules=[one])
    run(tmp_path, [portal(), register()], at=START + WEEK, rules=[one], only={"portal"})
    assert [row[:2] for row in rows(tmp_path, FINDINGS)] == [("unknown", "open")]


def test_what_is_known_of_carried_privileges_is_as_certain_as_when_they_were_read(tmp_path: Path) -> None:
    systems = [
        System("crm", said(tenant(CRM), identity(CRM, "a"), *covered(CRM, datasets=("policies", "memberships")))),
        portal("z"),
    ]
    run(tmp_path, systems)
    before = rows(tmp_path, "select level, is_admin, level_high from identity_facts where tenant_id = 'crm:eu'")
    run(tmp_path, systems, at=START + WEEK, only={"portal"})
    assert rows(tmp_path, "select level, is_admin, level_high from identity_facts where tenant_id = 'crm:eu'") == before


def test_apps_objects_and_accounts_of_a_crm_that_was_not_read_come_to_the_same(tmp_path: Path) -> None:
    estate = Crm()
    app, ann, lead = estate.app("sync", ("api", "all")), estate.partner_user("ann"), estate.object("Lead", records=9)
    estate.add(
        AppSettings(app, flows="code", is_public=True),
        PartnerAccount("salesforce", estate.org, ACCOUNTS["P-1"], "Nordwind", owner_mail="jo@acme.example"),
    )
    profile = estate.group("profile", "Partner", ann)
    estate.give(profile, "object:read,object:edit", lead)
    estate.give(profile, "field:edit", estate.field("Lead", "Rating"))
    estate.owns(ann, lead, 4)
    estate.owns(None, lead, 5)
    estate.token(app, ann)
    estate.set("password.min_length", 8, profile)
    estate.sign_in(ann, user_agent="Chrome 120 Windows 10")
    register_rows = [record for record in estate.records if isinstance(record, (Partner, Alias))]
    records = [record for record in estate.records if record not in register_rows]
    systems = [
        System("salesforce", said(*records), frozenset({*DATASETS, "usage.logins"})),
        portal("z"),
        register(*register_rows),
    ]
    run(tmp_path, systems)
    before = [rows(tmp_path, f"select * exclude ({keys}) from {table} order by all") for table, keys in CRM_TABLES]
    run(tmp_path, [systems[0], portal("0", "1", "z"), systems[2]], at=START + WEEK, only={"portal"})
    after = [rows(tmp_path, f"select * exclude ({keys}) from {table} order by all") for table, keys in CRM_TABLES]
    assert after == before
    assert [len(found) > 0 for found in after] == [True] * len(CRM_TABLES)
