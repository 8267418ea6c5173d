"""Events that age out at the provider: what is kept, what a crash or a bad file does, and how far a scan sees back."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from nhiscan import history, store
from nhiscan.collect import Context
from nhiscan.errors import CollectError, StoreError
from nhiscan.model import Coverage, Record
from tests.systems import START, System, covered, identity, rows, run, tenant, use

WEEK = timedelta(days=7)
CRM = "crm:eu"
EVENTS = "select event_id from usage order by 1"
FROM = "select history_from from coverage where dataset = 'usage.calls'"


def crm(*events: Record, status: str = "complete", holds: datetime | None = None, tenant_id: str = CRM) -> System:
    """A provider that holds these events, and says back to when."""

    def tell(ctx: Context) -> Iterator[Record]:
        yield tenant(tenant_id)
        yield identity(tenant_id, "a")
        yield from events
        yield from covered(tenant_id, status=status, at=ctx.as_of, history_from=holds)

    return System("crm", tell)


def event(name: str, *, weeks: float = 0, action: str = "Get", tenant_id: str = CRM) -> Record:
    return use(tenant_id, name, START + weeks * WEEK, action=action)


def ids(*names: str, tenant_id: str = CRM) -> list[tuple[str]]:
    return [(f"{tenant_id}:event/{name}",) for name in names]


def naive(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)


def kept_files(state: Path) -> list[Path]:
    return sorted((state / "history").rglob("*.parquet"))


def test_an_event_that_aged_out_at_the_provider_stays(tmp_path: Path) -> None:
    run(tmp_path, [crm(event("1"), event("2"))])
    run(tmp_path, [crm(event("2"), event("3", weeks=1))], at=START + WEEK)
    run(tmp_path, [crm()], at=START + 2 * WEEK)
    assert rows(tmp_path, EVENTS) == ids("1", "2", "3")
    kept = [duckdb.execute(f"select event_id from '{path}' order by 1").fetchall() for path in kept_files(tmp_path)]
    assert kept == [ids("1", "2"), ids("3")]


def test_an_event_stays_as_it_was_first_read(tmp_path: Path) -> None:
    run(tmp_path, [crm(event("1", action="Get"))])
    run(tmp_path, [crm(event("1", action="List"))], at=START + WEEK)
    assert rows(tmp_path, "select action from usage") == [("Get",)]
    assert rows(tmp_path, "select distinct status from coverage") == [("complete",)]


def test_an_event_told_twice_in_one_answer_is_one(tmp_path: Path) -> None:
    run(tmp_path, [crm(event("1"), event("1"))])
    assert rows(tmp_path, EVENTS) == ids("1")
    assert rows(tmp_path, "select distinct status from coverage") == [("complete",)]


def test_a_carried_system_keeps_its_history(tmp_path: Path) -> None:
    systems = [crm(event("1")), System("portal", lambda ctx: (tenant("portal:a"), *covered("portal:a")))]
    run(tmp_path, systems)
    run(tmp_path, systems, at=START + WEEK, only={"portal"})
    assert rows(tmp_path, EVENTS) == ids("1")


def test_history_of_a_tenant_that_was_not_reached_is_there_again_with_it(tmp_path: Path) -> None:
    def refuse(ctx: Context) -> Iterator[Record]:
        raise CollectError("crm: no route")
        yield tenant(CRM)

    run(tmp_path, [crm(event("1"))])
    run(tmp_path, [System("crm", refuse)], at=START + WEEK)
    assert rows(tmp_path, EVENTS) == []
    run(tmp_path, [crm()], at=START + 2 * WEEK)
    assert rows(tmp_path, EVENTS) == ids("1")


def test_events_older_than_the_limit_stay_on_disk_and_enter_no_scan(tmp_path: Path) -> None:
    run(tmp_path, [crm(event("1"), event("2", weeks=1), holds=START - WEEK)], at=START + WEEK)
    run(tmp_path, [crm()], at=START + timedelta(days=history.MOST_DAYS + 1))
    assert rows(tmp_path, EVENTS) == ids("2")
    assert rows(tmp_path, FROM) == [(naive(START + timedelta(days=1)),)]
    assert len(kept_files(tmp_path)) == 1


def test_a_collector_is_told_of_events_that_are_too_old_for_a_scan(tmp_path: Path) -> None:
    told: list[str] = []

    def tell(ctx: Context) -> Iterator[Record]:
        told.extend(kept.event_id for kept in ctx.before(CRM, "usage.calls"))
        yield tenant(CRM)

    run(tmp_path, [crm(event("1"), event("2", weeks=1))], at=START + WEEK)
    run(tmp_path, [System("crm", tell)], at=START + timedelta(days=history.MOST_DAYS + 1))
    run(tmp_path, [System("crm", tell)], at=START + timedelta(days=1))
    assert told == ["crm:eu:event/1", "crm:eu:event/2", "crm:eu:event/1"]


# How far was read


def watermarks(state: Path, *systems: System, at: datetime) -> list[datetime | None]:
    """What `ctx.since` says at the next scan."""
    told = []

    def tell(ctx: Context) -> Iterator[Record]:
        told.append(ctx.since(CRM, "usage.calls"))
        yield tenant(CRM)

    run(state, [System("crm", tell)], at=at)
    return told


@pytest.mark.parametrize(
    ("status", "since"), [("complete", START - history.OVERLAP), ("partial", None), ("denied", None)]
)
def test_only_a_complete_reading_moves_the_watermark(tmp_path: Path, status: str, since: datetime | None) -> None:
    run(tmp_path, [crm(event("1"), status=status)])
    assert watermarks(tmp_path, at=START + WEEK) == [since]
    assert rows(tmp_path, EVENTS) == ids("1")


def test_a_moment_in_the_future_does_not_move_the_watermark_there(tmp_path: Path) -> None:
    ahead = System(
        "crm",
        lambda ctx: (tenant(CRM), Coverage("crm", CRM, "usage.calls", "complete", collected_at=START + 50 * WEEK)),
    )
    run(tmp_path, [ahead])
    assert watermarks(tmp_path, at=START + WEEK) == [START - history.OVERLAP]


def test_a_scan_sees_as_far_back_as_it_read_without_a_gap(tmp_path: Path) -> None:
    run(tmp_path, [crm(holds=START - 2 * WEEK)])
    run(tmp_path, [crm(holds=START - WEEK)], at=START + WEEK)
    assert rows(tmp_path, FROM) == [(naive(START - 2 * WEEK),)]
    run(tmp_path, [crm(status="denied")], at=START + 2 * WEEK)
    assert rows(tmp_path, FROM) == [(naive(START - 2 * WEEK),)]


def test_an_answer_that_was_cut_says_itself_how_far_it_reaches(tmp_path: Path) -> None:
    run(tmp_path, [crm(holds=START - 2 * WEEK)])
    run(tmp_path, [crm(status="truncated", holds=START + WEEK)], at=START + 2 * WEEK)
    assert rows(tmp_path, FROM) == [(naive(START + WEEK),)]
    run(tmp_path, [crm(holds=START - WEEK)], at=START + 3 * WEEK)
    assert rows(tmp_path, FROM) == [(naive(START - 2 * WEEK),)]


def test_a_gap_is_where_the_provider_no_longer_held_what_followed(tmp_path: Path) -> None:
    run(tmp_path, [crm(event("1"), holds=START - 2 * WEEK)])
    run(tmp_path, [crm(holds=START + 6 * WEEK)], at=START + 8 * WEEK)
    assert rows(tmp_path, FROM) == [(naive(START + 6 * WEEK),)]
    assert rows(tmp_path, EVENTS) == ids("1")


# On disk


HOSTILE = [
    "crm:..",
    "crm:a/../../b",
    "crm:A",
    "crm:a",
    "crm:" + "x" * 2000,
    "crm:'; drop table usage; --",
    "crm:\n\x1b\u202e",
    "crm:",
]


def test_hostile_tenants_stay_inside_and_apart(tmp_path: Path) -> None:
    state = tmp_path / "state"
    records: list[Record] = []
    for tenant_id in HOSTILE:
        records += [tenant(tenant_id), event("1", tenant_id=tenant_id), *covered(tenant_id)]
    for week in range(2):
        run(state, [System("crm", lambda ctx: records)], at=START + week * WEEK)
        assert rows(state, "select count(*), count(distinct tenant_id) from usage") == [(len(HOSTILE), len(HOSTILE))]
    folders = {path.parent for path in kept_files(state)}
    assert len(folders) == len(HOSTILE)
    assert {folder.parent.parent for folder in folders} == {state / "history" / "crm"}
    assert len({str(folder).lower() for folder in folders}) == len(HOSTILE)
    assert [path for path in tmp_path.iterdir() if path.name != "state"] == []


def test_a_crash_before_the_scan_is_published_loses_and_doubles_nothing(tmp_path: Path) -> None:
    run(tmp_path, [crm(event("0"))])
    started = START + WEEK
    with (
        pytest.raises(ZeroDivisionError),
        store.locked(tmp_path),
        store.Build(tmp_path, store.new_scan_id(started)) as build,
    ):
        build.con.execute("create temp table kept as select * from usage")
        build.con.execute(
            "insert into usage (event_id, tenant_id, occurred_at, dataset) values (?, ?, ?, 'usage.calls')",
            [*ids("1")[0], CRM, naive(started)],
        )
        reached = {(CRM, "usage.calls"): history.Reach(None, started)}
        history.keep(build, reached, {})
        raise ZeroDivisionError
    assert rows(tmp_path, EVENTS) == ids("0")
    run(tmp_path, [crm(event("1", weeks=1), event("2", weeks=1))], at=started)
    assert rows(tmp_path, EVENTS) == ids("0", "1", "2")
    assert len(kept_files(tmp_path)) == 3


def test_a_broken_history_file_is_named_and_nothing_is_published(tmp_path: Path) -> None:
    scan_id = run(tmp_path, [crm(event("1"))]).scan_id
    (file,) = kept_files(tmp_path)
    file.write_bytes(b"not events")
    with pytest.raises(StoreError, match=file.name) as caught:
        run(tmp_path, [crm()], at=START + WEEK)
    assert "move it away and delete reach.json" in caught.value.hint
    assert store.current(tmp_path) == scan_id


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"tenant_id": "crm:eu", "dataset": "usage.calls", "since": 1, "until": "x"}']
)
def test_a_broken_reach_is_named(tmp_path: Path, text: str) -> None:
    run(tmp_path, [crm(event("1"))])
    (file,) = (tmp_path / "history").rglob("reach.json")
    file.write_text(text)
    with pytest.raises(StoreError, match=r"reach\.json"):
        run(tmp_path, [crm()], at=START + WEEK)


def test_files_of_an_older_version_without_a_column_are_read(tmp_path: Path) -> None:
    run(tmp_path, [crm(event("1"))])
    (file,) = kept_files(tmp_path)
    older = tmp_path / "older.parquet"
    duckdb.execute(f"copy (select * exclude (target), 1 as former from '{file}') to '{older}' (format parquet)")
    older.rename(file)
    run(tmp_path, [crm(event("2"))], at=START + WEEK)
    assert rows(tmp_path, EVENTS) == ids("1", "2")


FULL_DISK = """
import pathlib, resource, signal, sys
from datetime import timedelta
from nhiscan import errors, history
from tests.systems import START, System, covered, run, tenant, use
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
events = [use("crm:eu", f"{i * 7919 ** 9}", START) for i in range(60000)]
keep = history.keep
def full(*args):
    resource.setrlimit(resource.RLIMIT_FSIZE, (2**12, 2**12))
    keep(*args)
history.keep = full
try:
    run(pathlib.Path(sys.argv[1]), [System("crm", lambda ctx: [tenant("crm:eu"), *events, *covered("crm:eu")])])
except errors.StoreError as error:
    print(error.hint)
"""


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    words = [sys.executable, "-c", FULL_DISK, str(tmp_path)]
    done = subprocess.run(words, cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False)
    assert done.stdout == "check permissions and free space; the last published scan is untouched\n", done.stderr
    assert [path for path in (tmp_path / "history").rglob("*") if path.is_file()] == []
    assert list((tmp_path / "scans").iterdir()) == []


# Scans of an older version


def test_a_scan_of_an_older_version_can_be_read_compared_and_carried(tmp_path: Path) -> None:
    scan_id = run(tmp_path, [crm(), System("portal", lambda ctx: (tenant("portal:a"), *covered("portal:a")))]).scan_id
    snapshot = tmp_path / "scans" / scan_id
    (snapshot / "auth_roles.parquet").unlink()
    schema = (snapshot / "schema.sql").read_text()
    begin = schema.index("create table auth_roles")
    (snapshot / "schema.sql").write_text(schema[:begin] + schema[schema.index("create table memberships") :])
    older = tmp_path / "older.parquet"
    tenants = snapshot / "tenants.parquet"
    duckdb.execute(f"copy (select * exclude (name), 1 as former from '{tenants}') to '{older}' (format parquet)")
    older.rename(tenants)
    with duckdb.connect(str(tmp_path / "scans" / f"{scan_id}.duckdb")) as con:
        con.execute("drop table auth_roles")
        con.execute("alter table coverage drop original_status")
    assert rows(tmp_path, "select tenant_id, name from tenants where provider = 'crm'") == [(CRM, None)]
    assert rows(tmp_path, "select count(*) from auth_roles") == [(0,)]
    portal = System("portal", lambda ctx: (tenant("portal:a"), *covered("portal:a")))
    run(tmp_path, [crm(), portal], at=START + WEEK, only={"portal"})
    assert rows(tmp_path, "select name from identities") == [("a",)]
