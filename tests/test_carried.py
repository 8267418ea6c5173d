"""`scan --only`: what the systems that were not read hold afterwards, and what may be said of it."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from nhiscan.errors import ConfigError
from nhiscan.model import Coverage, Partner, Sighting, Tag
from tests.systems import START, System, covered, identity, key, register, rows, run, said, tenant

WEEK = timedelta(days=7)
CRM = "crm:eu"
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
