"""Sign-ins and exports of a portal become events with ids that stay, and a log says how far back it goes."""

from __future__ import annotations

import tracemalloc
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nhiscan import collect, config
from nhiscan.collect import Context
from nhiscan.model import Identity, Use

from .conftest import AS_OF, TENANT, USERS, Read, Said

HEADER = "at,user,outcome,ip,country,user_agent,app,flow,reason\n"
ROW = "2026-01-20T08:00:00Z,u1,success,192.0.2.1,nl,Mozilla/5.0 Firefox/1,Hub,sso,\n"


def log(read: Read, *rows: str, header: str = HEADER, **settings: Any) -> Said:
    return read({"users.csv": USERS, "sign_ins.csv": header + "".join(rows)}, **settings)


def test_a_sign_in_says_who_from_where_with_what_and_how(read: Read) -> None:
    use = log(read, ROW).one(Use)
    assert (use.kind, use.dataset, use.outcome, use.identity_id) == (
        "login",
        "usage.logins",
        "success",
        f"{TENANT}:user/u1",
    )
    assert (use.occurred_at, use.source_ip, use.country) == (datetime(2026, 1, 20, 8, tzinfo=UTC), "192.0.2.1", "NL")
    assert (use.user_agent, use.app, use.flow, use.is_interactive) == ("Mozilla/5.0 Firefox/1", "Hub", "sso", True)


@pytest.mark.parametrize("name", ["u1", "ANA@BOREALIS.example", "ana@borealis.example"])
def test_whoever_signed_in_is_found_by_id_or_address(read: Read, name: str) -> None:
    assert log(read, ROW.replace("u1", name)).one(Use).identity_id == f"{TENANT}:user/u1"


def test_an_address_that_two_users_share_names_neither(read: Read) -> None:
    both = "id,mail,status\nu1,team@borealis.example,active\nu2,team@borealis.example,active\n"
    said = read({"users.csv": both, "sign_ins.csv": HEADER + ROW.replace("u1", "team@borealis.example")})
    assert said.one(Use).identity_id not in {user.identity_id for user in said.of(Identity)}
    assert "1 rows name 1 accounts that the list of users lacks or holds twice" in said.covered("usage.logins")[1]


def test_sign_ins_of_strangers_are_kept_and_said_but_not_their_refusals(read: Read) -> None:
    said = log(read, ROW.replace("u1", "Zoe"), ROW.replace("u1", "yan").replace("success", "failure"))
    assert [use.identity_id for use in said.of(Use)] == [f"{TENANT}:user/zoe", f"{TENANT}:user/yan"]
    assert said.covered("usage.logins") == (
        "complete",
        "1 rows name 1 accounts that the list of users lacks or holds twice",
    )


def test_exports_that_overlap_say_the_same_of_the_same_event(read: Read) -> None:
    rows = [ROW.replace("08:00", f"{hour:02}:00") for hour in range(6)]
    rows[3:3] = [rows[3], rows[3]]  # three equal rows, as of tries within one second
    first = {use.event_id for use in log(read, *rows[:6]).of(Use)}
    later = {use.event_id for use in log(read, *rows[2:]).of(Use)}
    assert (len(first), len(later), len(first | later)) == (6, 6, 8)


def test_an_event_keeps_the_tools_own_id_whatever_else_an_export_says_of_it(read: Read) -> None:
    plain = log(read, "e1,2026-01-20T08:00Z,u1,success\n", header="id,at,user,outcome\n").one(Use)
    more = log(read, "e1,2026-01-20T08:00Z,u1,success,NL\n", header="id,at,user,outcome,country\n").one(Use)
    assert plain.event_id == more.event_id
    assert plain.event_id.startswith(f"{TENANT}:login/e1-")


def test_an_id_that_several_events_share_loses_none_of_them(read: Read) -> None:
    rows = (
        "s1,2026-01-20T08:00Z,u1,failure\n",
        "s1,2026-01-20T08:00Z,u1,success\n",
        "s1,2026-01-20T09:00Z,u1,success\n",
    )
    assert len({use.event_id for use in log(read, *rows, header="id,at,user,outcome\n").of(Use)}) == 3


@pytest.mark.parametrize(
    ("cell", "shown"),
    [
        ("203.0.113.5:51000", "203.0.113.5"),
        ("[2001:db8::1]:443", "2001:db8::1"),
        ("2001:db8::1", "2001:db8::1"),
        ("unknown", "unknown"),
        ("", None),
    ],
)
def test_a_port_is_taken_off_an_address(read: Read, cell: str, shown: str | None) -> None:
    assert log(read, ROW.replace("192.0.2.1", cell)).one(Use).source_ip == shown


def test_the_country_is_the_end_of_a_location_and_a_name_stays_a_name(read: Read) -> None:
    header = "at,user,outcome,location,country\n"
    said = log(
        read,
        '2026-01-20T08:00Z,u1,success,"Melbourne, Victoria, au",\n',
        "2026-01-20T09:00Z,u1,success,,United States\n",
        header=header,
    )
    assert [use.country for use in said.of(Use)] == ["AU", "United States"]


def test_words_of_ones_own_say_how_a_sign_in_ended(read: Read) -> None:
    words = {"outcome: ok": "success", "outcome: nein": "failure", "outcome: rückfrage": "left_out"}
    listed = {"path": "hub/sign_ins.csv", "holds": "sign_ins", "words": words}
    rows = (ROW.replace("success", word) for word in ("OK", "nein", "Rückfrage", "vielleicht"))
    said = log(read, *rows, files=[listed])
    assert [use.outcome for use in said.of(Use)] == ["success", "failure"]
    assert "outcome is no known word (line 5: 'vielleicht')" in said.covered("usage.logins")[1]


def test_only_the_rows_that_are_asked_for_count(read: Read) -> None:
    listed = {"path": "hub/sign_ins.csv", "holds": "sign_ins", "only": {"Event": "login, retry"}}
    rows = ("login,2026-01-20T08:00Z,u1,success\n", "Retry,2026-01-20T09:00Z,u1,success\n", "mail,,,\n")
    said = log(read, *rows, header="event,at,user,outcome\n", files=[listed])
    assert len(said.of(Use)) == 2
    assert said.covered("usage.logins") == ("complete", "")


def test_times_without_a_zone_are_utc_and_that_is_said(read: Read) -> None:
    said = log(read, ROW.replace("Z,", ","))
    assert said.one(Use).occurred_at == datetime(2026, 1, 20, 8, tzinfo=UTC)
    assert said.covered("usage.logins") == ("complete", "1 times without a time zone are read as UTC")


@pytest.mark.parametrize(
    ("cell", "utc"),
    [
        ("2025-07-01 12:00", "2025-07-01T10:00:00+00:00"),
        ("2025-12-01 12:00", "2025-12-01T11:00:00+00:00"),
        ("2025-12-01T12:00:00-05:00", "2025-12-01T17:00:00+00:00"),
    ],
)
def test_times_are_those_of_the_named_zone_unless_they_name_one(read: Read, cell: str, utc: str) -> None:
    said = log(read, ROW.replace("2026-01-20T08:00:00Z", cell), timezone="Europe/Berlin")
    assert said.one(Use).occurred_at.isoformat() == utc
    assert said.covered("usage.logins") == ("complete", "")


def test_an_hour_that_came_twice_is_its_first_and_said(read: Read) -> None:
    said = log(read, ROW.replace("2026-01-20T08:00:00Z", "2025-10-26 02:30"), timezone="Europe/Berlin")
    assert said.one(Use).occurred_at == datetime(2025, 10, 26, 0, 30, tzinfo=UTC)
    assert said.covered("usage.logins")[1] == "1 times lie in an hour that the clock went through twice"


def test_a_time_format_of_ones_own_may_name_hours(read: Read) -> None:
    said = log(read, ROW.replace("2026-01-20T08:00:00Z", "20.01.2026 08:01:02"), date_format="%d.%m.%Y", timezone="UTC")
    assert said.one(Use).occurred_at == datetime(2026, 1, 20, 8, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize("cell", ["yesterday", "20.01.2026", "1970-01-01", "46053", "", "2026-02-05T08:00Z"])
def test_a_row_whose_time_cannot_be_is_left_out_and_counted(read: Read, cell: str) -> None:
    said = log(read, ROW.replace("2026-01-20T08:00:00Z", cell), ROW)
    assert len(said.of(Use)) == 1
    status, reason = said.covered("usage.logins")
    assert (status, reason.startswith("1 of 2 rows: at ")) == ("partial", True)


def test_an_export_says_how_much_of_what(read: Read) -> None:
    said = read(
        {
            "users.csv": USERS,
            "exports.csv": "at,user,target,rows\n2026-01-20T08:00Z,u1,leads,48200\n2026-01-20T09:00Z,u1,leads,many\n",
        }
    )
    first, second = said.of(Use)
    assert (first.kind, first.dataset, first.target, first.rows, first.outcome) == (
        "export",
        "usage.exports",
        "leads",
        48200,
        "success",
    )
    assert second.rows is None
    assert "rows is not a whole number (line 3: 'many')" in said.covered("usage.exports")[1]


def test_a_log_holds_everything_from_its_first_row_or_from_a_day_that_is_named(read: Read) -> None:
    assert log(read, ROW).coverage("usage.logins").history_from == datetime(2026, 1, 20, 8, tzinfo=UTC)
    named = log(read, ROW, history_from=date(2025, 10, 1)).coverage("usage.logins")
    assert named.history_from == datetime(2025, 10, 1, tzinfo=UTC)
    assert log(read).coverage("usage.logins").history_from is None


def test_a_log_is_known_up_to_its_export(read: Read) -> None:
    found = log(read, ROW, exported_at=date(2026, 1, 28)).coverage("usage.logins")
    assert found.collected_at == datetime(2026, 1, 28, tzinfo=UTC)


def monthly(*months: int) -> list[dict[str, Any]]:
    return [
        {
            "path": f"hub/log-{month}.csv",
            "holds": "sign_ins",
            "exported_at": date(2025 + month // 12, month % 12 + 1, 1),
        }
        for month in months
    ]


def month_of(month: int) -> str:
    return "at,user,outcome\n" + "".join(f"2025-{month:02}-{day:02}T08:00Z,u1,success\n" for day in (1, 15, 28))


def test_files_of_several_months_are_one_log(read: Read) -> None:
    files = {"users.csv": USERS} | {f"log-{month}.csv": month_of(month) for month in (10, 11, 12)}
    said = read(files, exported_at=None, files=monthly(10, 11, 12), max_age_days=40)
    assert len(said.of(Use)) == 9
    assert said.coverage("usage.logins").history_from == datetime(2025, 10, 1, 8, tzinfo=UTC)
    assert said.coverage("usage.logins").collected_at == datetime(2026, 1, 1, tzinfo=UTC)


def test_a_month_that_is_missing_ends_what_is_known(read: Read) -> None:
    files = {"users.csv": USERS} | {f"log-{month}.csv": month_of(month) for month in (9, 12)}
    said = read(files, exported_at=None, files=monthly(9, 12), max_age_days=40)
    assert len(said.of(Use)) == 6
    assert said.coverage("usage.logins").history_from == datetime(2025, 12, 1, 8, tzinfo=UTC)
    assert "no file holds what happened from 2025-10-01 to 2025-12-01" in said.covered("usage.logins")[1]


def test_files_of_a_log_may_be_named_by_month(read: Read) -> None:
    said = read({"users.csv": USERS, "sign-ins-2026-01.csv": HEADER + ROW, "Sign Ins 2025.csv": HEADER + ROW})
    assert len({use.event_id for use in said.of(Use)}) == 1


def test_a_log_is_read_row_by_row_and_not_held(tmp_path: Path) -> None:
    start = datetime(2025, 10, 1, tzinfo=UTC)
    rows = 50_000
    (tmp_path / "users.csv").write_text("id,status\n" + "".join(f"u{n},active\n" for n in range(1000)))
    with (tmp_path / "sign_ins.csv").open("w") as file:
        file.write(HEADER)
        for n in range(rows):
            at = (start + timedelta(seconds=n)).isoformat()
            file.write(f"{at},u{n % 1000},success,192.0.2.{n % 250},NL,Firefox,Hub,sso,\n")
    given = {"tenant": "hub", "path": ".", "exported_at": date(2026, 1, 31)}
    portal = config.build(collect.load("portal"), given, where="", base=tmp_path, environ={})
    tracemalloc.start()
    told = sum(isinstance(record, Use) for record in collect.run(portal, Context(as_of=AS_OF)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert told == rows
    assert peak < 10_000_000  # the events alone would take twice as much
