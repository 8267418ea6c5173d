"""Exports of ticket systems become offboardings, requests, reviews and support tickets; what is unclear is said."""

from __future__ import annotations

import csv
import io
import random
from datetime import UTC, datetime
from typing import Any

import pytest

from nhiscan.errors import ConfigError, RegisterError
from nhiscan.model import Offboarding, OffboardingStep, Quarantined, RegisterFile, Request, Review, SupportTicket

from .conftest import Read, Said

PARTNERS = "partner_id,name,legal_name\nP-1,Ulmen,Ulmen Söhne KG\nP-2,Harbor,Harbor Inc\n"
ALIASES = (
    "partner_id,kind,value,exclusive\n"
    "P-1,mail_domain,ulmen.example,yes\nP-2,mail_domain,harbor.example,yes\n"
    "P-1,salesforce_account,both,yes\nP-2,client_id,both,yes\nP-2,mail_domain,shared.example,no\n"
)
JIRA = (
    "Summary,Issue key,Issue id,Parent id,Issue Type,Status,Project key,Assignee,Reporter,Created,Updated,Resolved,"
    "Due date,Labels,Labels,Comment,Comment,Custom field (Partner),Custom field (Partner)\n"
)
JIRA_OFF = (
    "Offboard Ulmen,OFF-1,10001,,Task,In Progress,OFF,dana@acme.example,lee@acme.example,"
    "27/Sep/26 9:00 AM,28/Sep/26 9:00 AM,,30/Sep/26 12:00 AM,partner,exit,hello,,Ulmen,\n"
    "Disable the sync user,OFF-2,10002,10001,Sub-task,Done,OFF,dana@acme.example,lee@acme.example,"
    "27/Sep/26 9:05 AM,28/Sep/26 9:00 AM,28/Sep/26 4:30 PM,,,,,,,\n"
    "Rotate the shared secret,OFF-3,10003,10001,Sub-task,To Do,OFF,dana@acme.example,lee@acme.example,"
    "27/Sep/26 9:05 AM,28/Sep/26 9:00 AM,,,,,,,,\n"
)


def tickets(read: Read, text: str, /, *, table: str, mapping: str = "jira", **entry: Any) -> Said:
    files = {"partners.csv": PARTNERS, "aliases.csv": ALIASES, "export/tickets.csv": text}
    return read(files, files=[{"path": "register/export/tickets.csv", "table": table, "mapping": mapping, **entry}])


def said(told: Said) -> list[tuple[int, str | None, str | None, str, bool]]:
    return [(q.line, q.field, q.value, q.problem, q.row_dropped) for q in told.of(Quarantined) if "tickets" in q.file]


def test_a_jira_issue_is_an_offboarding_and_its_sub_tasks_are_the_steps(read: Read) -> None:
    told = tickets(read, JIRA + JIRA_OFF, table="offboardings")

    off = told.one(Offboarding)
    assert (off.offboarding_id, off.partner_id, off.opened_at) == ("OFF-1", "P-1", datetime(2026, 9, 27, 9, tzinfo=UTC))
    assert off.due_at == datetime(2026, 10, 1, tzinfo=UTC)  # a due date lasts until the day has ended
    assert off.closed_at is None
    assert [
        (s.offboarding_id, s.step, s.action, s.done_at, s.done_by, s.evidence) for s in told.of(OffboardingStep)
    ] == [
        ("OFF-1", 1, "revoke_access", datetime(2026, 9, 28, 16, 30, tzinfo=UTC), "dana@acme.example", "OFF-2"),
        ("OFF-1", 2, "rotate_shared_secret", None, None, "OFF-3"),
    ]
    assert off.register_row == "tickets.csv:2"
    assert [step.register_row for step in told.of(OffboardingStep)] == [
        "tickets.csv[offboarding_steps]:3",
        "tickets.csv[offboarding_steps]:4",
    ]
    assert said(told) == []
    assert told.coverage("offboardings").status == told.coverage("offboarding_steps").status == "complete"


def test_times_are_read_in_the_time_zone_of_whoever_exported_them(read: Read) -> None:
    told = tickets(read, JIRA + JIRA_OFF, table="offboardings", timezone="Europe/Berlin")

    assert told.one(Offboarding).opened_at == datetime(2026, 9, 27, 7, tzinfo=UTC)


def test_a_servicenow_task_with_an_open_state_is_not_closed_by_a_stray_date(read: Read) -> None:
    text = (
        "number,short_description,state,opened_at,closed_at,due_date,assigned_to,requested_for,company,parent\n"
        "RITM1,Offboard Harbor,Closed Complete,2026-01-02 10:00:00,2026-01-05 10:00:00,2026-01-06 12:00:00,,,harbor,\n"
        "RITM2,Offboard Ulmen,Work in Progress,2026-01-02 10:00:00,2026-01-05 10:00:00,,A,B,P-1,\n"
        "SCTASK1,Remove delegation of the account,Closed Skipped,2026-01-02 10:00:00,2026-01-03 10:00:00,,A,B,,RITM1\n"
    )
    told = tickets(read, text, table="offboardings", mapping="servicenow")

    first, second = told.of(Offboarding)
    assert (first.partner_id, first.closed_at) == ("P-2", datetime(2026, 1, 5, 10, tzinfo=UTC))
    assert first.due_at == datetime(2026, 1, 6, 12, tzinfo=UTC)
    assert (second.partner_id, second.closed_at) == ("P-1", None)
    assert told.one(OffboardingStep).done_at is None  # skipped is not done
    assert told.one(OffboardingStep).action == "remove_delegation"
    assert said(told) == [
        (3, "state", "Work in Progress", "is an open state beside a closing date; read as open", False)
    ]


def test_a_freshdesk_ticket_is_a_support_request_of_the_partner_whose_domain_asked(read: Read) -> None:
    text = (
        "Ticket ID,Subject,Status,Type,Agent,Created time,Due by Time,Resolved time,Closed time,Email,Tags,Tags\n"
        "7,Forgot my password,Closed,Incident,Kim,2026-01-02 10:00:00,,2026-01-02 11:00:00,,Jo@Ulmen.example,a,b\n"
        "8,The site is slow,Open,Question,Kim,2026-01-03 10:00:00,,,,x@harbor.example,,\n"
        "9,Which role do I need?,Open,Question,Kim,2026-01-03 10:00:00,,,,x@shared.example,,\n"
    )
    told = tickets(read, text, table="support_tickets", mapping="freshdesk")

    assert [(t.ticket_id, t.partner_id, t.category, t.closed_at is None) for t in told.of(SupportTicket)] == [
        ("7", "P-1", "password_reset", False),
        ("8", "P-2", "other", True),
    ]
    assert said(told) == [(4, "partner_id", "x@shared.example", "names none of the partners that were accepted", True)]
    assert told.coverage("support_tickets").status == "partial"


def test_a_request_came_by_ticket_and_keeps_the_word_for_its_outcome(read: Read) -> None:
    text = JIRA.replace("Comment,Comment", "Custom field (Privileged),Custom field (Identity)") + (
        "Access for Ulmen,REQ-1,1,,Task,Declined,REQ,dana@acme.example,lee@acme.example,27/Sep/26 9:00 AM,,"
        "27/Sep/26 9:30 AM,,,,yes,svc-ulmen,P-1,P-1\n"
    )
    told = tickets(
        read,
        text,
        table="requests",
        columns={"Custom field (Privileged)": "privileged", "Custom field (Identity)": "identity"},
    )

    request = told.one(Request)
    assert (request.channel, request.privileged, request.identity) == ("ticket", True, "svc-ulmen")
    assert (request.requested_by, request.outcome, request.partner_id) == ("lee@acme.example", "Declined", "P-1")


def test_a_review_whose_scope_no_word_tells_is_quarantined_with_what_would_be_accepted(read: Read) -> None:
    text = JIRA + (
        "Quarterly access recertification,REV-1,1,,Task,Done,REV,dana@acme.example,,27/Sep/26 9:00 AM,,"
        "28/Sep/26 9:00 AM,,,,,,Harbor,\n"
        "Look at this,REV-2,2,,Task,To Do,REV,dana@acme.example,,27/Sep/26 9:00 AM,,,,,,,,Harbor,\n"
        "Drop this access review,REV-3,3,,Task,Won't Do,REV,dana@acme.example,,27/Sep/26 9:00 AM,,,,,,,,Harbor,\n"
    )
    told = tickets(read, text, table="reviews")

    review = told.one(Review)
    assert (review.review_id, review.scope, review.reviewer, review.evidence) == (
        "REV-1",
        "access",
        "dana@acme.example",
        "REV-1",
    )
    assert review.completed_at == datetime(2026, 9, 28, 9, tzinfo=UTC)
    assert sorted(said(told)) == [
        (3, "scope", "Look at this", "is no known scope", True),
        (4, "Status", "Won't Do", "is cancelled, so the ticket counts for none of the reviews", False),
    ]


@pytest.mark.parametrize(
    ("cell", "problem"),
    [
        ("Umlen", "names none of the partners that were accepted"),
        ("both", "holds several values where one is expected"),
        ("", "is empty, and a row needs it"),
    ],
)
def test_an_offboarding_of_no_one_partner_is_quarantined(read: Read, cell: str, problem: str) -> None:
    text = JIRA + f"Off,OFF-1,1,,Task,Open,OFF,,,27/Sep/26 9:00 AM,,,,,,,,{cell},\n"
    told = tickets(read, text, table="offboardings")

    assert told.of(Offboarding) == []
    assert [entry[3:] for entry in said(told)] == [(problem, True)]
    assert told.coverage("offboardings").status == "partial"


def test_two_partners_in_a_repeated_column_are_not_one_of_them(read: Read) -> None:
    text = JIRA + "Off,OFF-1,1,,Task,Open,OFF,,,27/Sep/26 9:00 AM,,,,,,,,Ulmen,Harbor\n"
    told = tickets(read, text, table="offboardings")

    assert said(told) == [(2, "partner_id", "Ulmen; Harbor", "holds several values where one is expected", True)]


@pytest.mark.parametrize(
    ("summary", "scope"),
    [
        ("Review of access to the catalogue", "access"),
        ("Who may log in: access recertification", "access"),
        ("Weekly log review", "logs"),
        ("Monkey business and permissions", "access"),
        ("Rotation of keys checked", "secrets"),
    ],
)
def test_a_word_tells_only_where_it_begins(read: Read, summary: str, scope: str) -> None:
    told = tickets(read, JIRA + f"{summary},R-1,1,,Task,Open,R,,,27/Sep/26 9:00 AM,,,,,,,,Ulmen,\n", table="reviews")

    assert told.one(Review).scope == scope


def test_a_date_in_no_known_form_is_said_and_unknown(read: Read) -> None:
    text = JIRA + "Off,OFF-1,1,,Task,Open,OFF,,,am Montag,,,,,,,,Ulmen,\n"
    told = tickets(read, text, table="offboardings")

    assert told.one(Offboarding).opened_at is None
    assert said(told) == [(2, "opened_at", "am Montag", "is not a date", False)]


def test_a_date_format_of_the_file_comes_before_those_of_the_system(read: Read) -> None:
    text = JIRA + "Off,OFF-1,1,,Task,Open,OFF,,,9/27/2026 14:05,,,,,,,,Ulmen,\n"
    told = tickets(read, text, table="offboardings", date_format="%m/%d/%Y")

    assert told.one(Offboarding).opened_at == datetime(2026, 9, 27, 14, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("status", "resolved", "is_closed", "said_of_it"),
    [
        ("Done", "28/Sep/26 9:00 AM", True, []),
        ("Done", "", False, ["is a closed state without a closing date; read as open"]),
        ("Halted", "28/Sep/26 9:00 AM", True, ["is no known state: a closing date alone decides"]),
        ("Halted", "", False, ["is no known state: a closing date alone decides"]),
        ("To Do", "28/Sep/26 9:00 AM", False, ["is an open state beside a closing date; read as open"]),
    ],
)
def test_a_ticket_is_closed_when_state_and_date_agree(
    read: Read, status: str, resolved: str, is_closed: bool, said_of_it: list[str]
) -> None:
    text = JIRA + f"Off,OFF-1,1,,Task,{status},OFF,,,27/Sep/26 9:00 AM,,{resolved},,,,,,Ulmen,\n"
    told = tickets(read, text, table="offboardings")

    assert (told.one(Offboarding).closed_at is not None) == is_closed
    assert [entry[3] for entry in said(told)] == said_of_it


def test_own_words_for_states_and_actions_are_known_before_those_of_the_system(read: Read) -> None:
    text = (JIRA + JIRA_OFF).replace("Done", "Abgehakt").replace("Disable the sync user", "Hausmeister rufen")
    told = tickets(
        read, text, table="offboardings", words={"state: Abgehakt": "done", "action: Hausmeister": "return_data"}
    )

    assert [(s.action, s.done_at is not None) for s in told.of(OffboardingStep)] == [
        ("return_data", True),
        ("rotate_shared_secret", False),
    ]


def test_a_cell_too_many_costs_the_row(read: Read) -> None:
    text = JIRA + "Off,OFF-1,1,,Task,Open,OFF,,,27/Sep/26 9:00 AM,,,,,,,,Ulmen,,surplus\n"
    told = tickets(read, text, table="offboardings")

    assert [entry[3:] for entry in said(told)] == [("more cells than columns, so they cannot be told apart", True)]


def test_a_sub_task_of_an_issue_that_was_not_exported_is_no_offboarding(read: Read) -> None:
    line = JIRA_OFF.splitlines()[1]
    told = tickets(read, JIRA + line + "\n", table="offboardings")

    assert told.of(Offboarding) == []
    assert told.of(OffboardingStep) == []
    assert [entry[3:] for entry in said(told)] == [("names none of the offboardings that were accepted", True)]


def test_a_child_of_an_epic_outside_the_export_is_a_ticket_of_its_own(read: Read) -> None:
    line = JIRA_OFF.splitlines()[0].replace("10001,,Task", "10001,90000,Task")
    told = tickets(read, JIRA + line + "\n", table="offboardings")

    assert told.one(Offboarding).offboarding_id == "OFF-1"


def test_every_ticket_is_accepted_dropped_or_said_to_be_left_out(read: Read) -> None:
    told = tickets(read, JIRA + JIRA_OFF + "Off,OFF-9,9,,Task,Open,OFF,,,x,,,,,,,,Nobody,\n", table="offboardings")

    assert all(lost == 0 for lost in told.lost_rows().values())
    assert {(file.holds, file.rows) for file in told.of(RegisterFile) if "tickets" in file.file} == {
        ("offboardings", 2),
        ("offboarding_steps", 2),
    }


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ({"mapping": "jria"}, "unknown mapping 'jria'"),
        ({"table": "contracts"}, "a mapping of tickets fills no 'contracts'"),
        ({"timezone": "Mars/Base"}, "unknown timezone 'Mars/Base'"),
        ({"words": {"Status: x": "open"}}, "words: 'Status: x' does not begin with state, action, scope, category"),
        ({"words": {"state: x": "shut"}}, "words: 'shut' is no state"),
        ({"columns": {"Labels": "lables"}}, "offboardings have no column 'lables'"),
    ],
)
def test_an_entry_that_cannot_be_names_file_and_word(read: Read, entry: dict[str, Any], message: str) -> None:
    given = {"path": "register/export/tickets.csv", "table": "offboardings", "mapping": "jira", **entry}

    with pytest.raises(ConfigError) as raised:
        read({"partners.csv": PARTNERS, "export/tickets.csv": JIRA}, files=[given])

    assert raised.value.message == f"collectors.register.files, tickets.csv: {message}"


def test_words_without_a_mapping_are_refused(read: Read) -> None:
    given = {"path": "register/export/tickets.csv", "table": "offboardings", "timezone": "UTC"}

    with pytest.raises(ConfigError, match="words and timezone need a mapping"):
        read({"partners.csv": PARTNERS, "export/tickets.csv": JIRA}, files=[given])


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("Summary,Status,Custom field (Partner)\n", "no column for the id of a ticket"),
        ("Summary,Issue key,Status\n", "no column says which partner a ticket is about"),
    ],
)
def test_an_export_without_a_needed_column_is_refused(read: Read, header: str, message: str) -> None:
    with pytest.raises(RegisterError) as raised:
        tickets(read, header + "a,b,c\n", table="offboardings")

    assert message in raised.value.message
    assert "Summary" in raised.value.message


def test_doubts_are_errors_where_the_register_is_strict_and_left_out_tickets_are_not(read: Read) -> None:
    files = {
        "partners.csv": PARTNERS,
        "aliases.csv": ALIASES,
        "export/tickets.csv": JIRA + "Off,OFF-1,1,,Task,Won't Do,OFF,,,27/Sep/26 9:00 AM,,,,,,,,Ulmen,\n",
    }
    entry = {"path": "register/export/tickets.csv", "table": "offboardings", "mapping": "jira"}
    assert read(files, files=[entry], strict=True).of(Offboarding) == []

    files["export/tickets.csv"] = JIRA + "Off,OFF-1,1,,Task,Halted,OFF,,,27/Sep/26 9:00 AM,,,,,,,,Ulmen,\n"
    with pytest.raises(RegisterError, match="is no known state"):
        read(files, files=[entry], strict=True)


JUNK = [
    "",
    "x",
    "OFF-1",
    "OFF-2",
    "10001",
    "Ulmen",
    "both",
    "Sub-task",
    "Done",
    "Won't Do",
    "27/Sep/26 9:00 AM",
    "31/Feb/26",
]
JUNK += ["=1+1", "a\nb", "\u202e", "disable", "1E+20", "ä" * 3000, '"', ",", "\x00", "P-1;P-2"]


@pytest.mark.parametrize("seed", range(40))
@pytest.mark.parametrize("table", ["offboardings", "requests", "reviews", "support_tickets"])
def test_of_any_export_each_row_is_accepted_dropped_or_left_out(read: Read, table: str, seed: int) -> None:
    draw = random.Random(seed)
    out = io.StringIO()
    writer = csv.writer(out)
    headers = JIRA.strip().split(",")
    draw.shuffle(headers)
    writer.writerow(headers)
    for number in range(draw.randint(1, 12)):
        row = [draw.choice(JUNK) for _ in headers[: draw.randint(1, len(headers))]]
        writer.writerow([f"line {number}", *row[1:]] + [draw.choice(JUNK)] * draw.choice([0, 0, 0, 2]))
    told = tickets(read, out.getvalue().replace("\x00", ""), table=table)

    files = [file for file in told.of(RegisterFile) if "tickets" in file.file]
    left_out = {entry.line for entry in told.of(Quarantined) if "ticket" in entry.problem and not entry.row_dropped}
    lines = len(list(csv.reader(io.StringIO(out.getvalue().replace("\x00", ""))))) - 1
    assert sum(file.rows for file in files) + len(left_out) == lines
    assert all(lost == 0 for lost in told.lost_rows().values())
