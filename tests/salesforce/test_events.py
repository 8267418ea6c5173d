"""Exports from event log files: counted once, and never taken for absent before their day has come."""

from __future__ import annotations

import csv
import io
from datetime import datetime, timedelta
from typing import Any

import pytest

from fixtures.salesforce.world import TIERS, Fault
from nhiscan.collect import Context
from tests.salesforce.conftest import AS_OF, DAY, KEY, Acme, Scan, acme
from tests.salesforce.parts import read

AT = "2026-01-29T10:15:00.000Z"
BULK = {"TIMESTAMP_DERIVED": AT, "OPERATION_TYPE": "query", "ENTITY_TYPE": "Opportunity", "JOB_ID": "750A"}
REST = {"TIMESTAMP_DERIVED": AT, "METHOD": "GET", "ENTITY_NAME": "Account", "CLIENT_NAME": "Loader"}


def table(*lines: dict[str, str]) -> str:
    written = io.StringIO()
    columns = list(dict.fromkeys(name for line in lines for name in line))
    writer = csv.DictWriter(written, columns, quoting=csv.QUOTE_ALL)
    writer.writeheader()
    writer.writerows(lines)
    return written.getvalue()


def logged(org: Acme, event_type: str, *lines: dict[str, str], **values: Any) -> str:
    given = {"LogDate": AS_OF - 2 * DAY, "Interval": "Daily", "LogFile": table(*lines), **values}
    return org.world.add("EventLogFile", EventType=event_type, **given)


def exports(found: Scan) -> list[Any]:
    return found.of("usage", dataset="usage.exports")


@pytest.fixture
def org() -> Acme:
    return acme()


def test_an_exported_report_is_an_export_whose_rows_are_not_known(org: Acme) -> None:
    line = {"TIMESTAMP_DERIVED": AT, "USER_ID_DERIVED": org.partner_user}
    logged(org, "ReportExport", {**line, "CLIENT_IP": "192.0.2.9", "CLIENT_INFO": "Firefox"})
    (use,) = exports(read(org))
    assert (use.kind, use.action, use.rows, use.is_interactive) == ("export", "ReportExport", None, True)
    assert (use.identity_id, use.source_ip) == (org.user(org.partner_user), "192.0.2.9")
    assert use.occurred_at == datetime.fromisoformat(AT)


def test_batches_of_a_bulk_query_add_up(org: Acme) -> None:
    line = {**BULK, "USER_ID": org.bot[:15]}
    logged(org, "BulkApi", {**line, "ROWS_PROCESSED": "600"}, {**line, "ROWS_PROCESSED": "400"})
    (use,) = exports(read(org))
    assert (use.rows, use.target, use.identity_id) == (1_000, "Opportunity", org.user(org.bot))


def test_a_job_that_reports_how_far_it_is_counts_its_last_word(org: Acme) -> None:
    line = {**BULK, "USER_ID_DERIVED": org.bot}
    logged(org, "BulkApi2", *({**line, "RECORDS_PROCESSED": rows} for rows in ("0", "400", "1000", "1000")))
    assert [use.rows for use in exports(read(org))] == [1_000]


def test_what_was_written_in_bulk_is_no_export(org: Acme) -> None:
    logged(org, "BulkApi", {**BULK, "OPERATION_TYPE": "insert", "USER_ID_DERIVED": org.bot, "ROWS_PROCESSED": "9"})
    assert exports(read(org)) == []


def test_calls_of_an_hour_are_one_export_an_app_and_object(org: Acme) -> None:
    line = {**REST, "USER_ID_DERIVED": org.bot, "ROWS_PROCESSED": "200"}
    later = {**line, "TIMESTAMP_DERIVED": "2026-01-29T11:00:00.000Z"}
    other = {**line, "CLIENT_NAME": "Desk"}
    logged(org, "RestApi", line, line, later, other)
    found = {(use.app, use.occurred_at.hour, use.rows) for use in exports(read(org))}
    assert found == {("Loader", 10, 400), ("Loader", 11, 200), ("Desk", 10, 200)}


def test_hourly_files_that_say_the_same_sooner_are_not_counted_again(org: Acme) -> None:
    line = {**REST, "USER_ID_DERIVED": org.bot, "ROWS_PROCESSED": "200"}
    logged(org, "RestApi", line)
    logged(org, "RestApi", line, Interval="Hourly")
    assert [use.rows for use in exports(read(org))] == [200]


def test_events_have_the_same_ids_in_every_scan(org: Acme) -> None:
    logged(org, "RestApi", {**REST, "USER_ID_DERIVED": org.bot, "ROWS_PROCESSED": "7"})
    logged(org, "ReportExport", {"TIMESTAMP_DERIVED": AT, "USER_ID_DERIVED": org.bot})
    first, second = ([use.event_id for use in exports(read(org))] for _ in range(2))
    assert first == second
    assert len(set(first)) == 2


def test_hostile_cells_are_cells(org: Acme) -> None:
    name = 'Lo"ader,\r\n=HYPERLINK()<b>' + "x" * 2_000
    logged(org, "RestApi", {**REST, "CLIENT_NAME": name, "USER_ID_DERIVED": org.bot, "ROWS_PROCESSED": "3"})
    assert [use.app for use in exports(read(org))] == [name]


def test_a_file_that_is_no_log_is_named_and_the_others_are_read(org: Acme) -> None:
    logged(org, "ReportExport", {"TIMESTAMP_DERIVED": "yesterday", "USER_ID_DERIVED": org.bot})
    logged(org, "RestApi", {**REST, "USER_ID_DERIVED": org.bot, "ROWS_PROCESSED": "3"})
    found = read(org)
    assert [use.rows for use in exports(found)] == [3]
    coverage = found.coverage("usage.exports")
    assert (coverage.status, coverage.call) == ("partial", "EventLogFile ReportExport 2026-01-29")


def test_a_file_larger_than_an_answer_may_be_is_not_asked_for(org: Acme) -> None:
    file = logged(org, "RestApi", {**REST, "USER_ID_DERIVED": org.bot}, LogFileLength=61 * 1024 * 1024)
    found = read(org)
    assert found.coverage("usage.exports").status == "partial"
    assert not [call for call in org.world.calls if file in call.path]


def test_history_begins_with_the_oldest_file(org: Acme) -> None:
    oldest = AS_OF.replace(hour=0) - 20 * DAY
    for at in (oldest, AS_OF - 2 * DAY):
        logged(org, "ReportExport", {"TIMESTAMP_DERIVED": AT, "USER_ID_DERIVED": org.bot}, LogDate=at)
    coverage = read(org).coverage("usage.exports")
    assert (coverage.status, coverage.history_from) == ("complete", oldest)


def test_an_org_that_has_bought_no_event_logs_is_not_called_free_of_exports(org: Acme) -> None:
    logged(org, "Login", {"TIMESTAMP_DERIVED": AT})
    assert read(org).coverage("usage.exports").status == "not_licensed"


def test_an_org_whose_logs_show_no_export_lately_is_covered(org: Acme) -> None:
    logged(org, "URI", {"TIMESTAMP_DERIVED": AT})
    assert read(org).coverage("usage.exports").status == "complete"


def test_logs_that_are_not_shown_name_the_right_that_is_missing() -> None:
    coverage = read(acme(permissions=TIERS["base"])).coverage("usage.exports")
    assert coverage.status == "unsupported"
    assert coverage.missing_permission == "View Event Log Files"


def test_files_that_come_late_are_asked_for_again(org: Acme) -> None:
    seen = AS_OF - DAY
    late = logged(org, "ReportExport", {"TIMESTAMP_DERIVED": AT, "USER_ID_DERIVED": org.bot}, LogDate=seen - DAY)
    logged(org, "ReportExport", {"TIMESTAMP_DERIVED": AT, "USER_ID_DERIVED": org.bot}, LogDate=seen - 5 * DAY)
    ctx = Context(AS_OF, fingerprint_key=KEY, watermarks={(org.tenant_id, "usage.exports"): seen})
    found = read(org, ctx=ctx)
    assert [use.event_id for use in exports(found)] == [f"{org.tenant_id}:event/{late}/0"]
    assert found.coverage("usage.exports").history_from == seen


def test_an_edition_without_intervals_is_read_without_them(org: Acme) -> None:
    org.world.hidden_fields.add("EventLogFile.Interval")
    logged(
        org, "ReportExport", {"TIMESTAMP_DERIVED": AT, "USER_ID_DERIVED": org.bot}, LogDate=AS_OF - timedelta(days=2)
    )
    assert len(exports(read(org))) == 1


def test_a_file_that_is_refused_is_named_and_the_others_are_read(org: Acme) -> None:
    refused = logged(org, "ReportExport", {"TIMESTAMP_DERIVED": AT, "USER_ID_DERIVED": org.bot})
    logged(org, "RestApi", {**REST, "USER_ID_DERIVED": org.bot, "ROWS_PROCESSED": "3"})
    org.world.faults.append(Fault(where=f"EventLogFile/{refused}", status=403, code="INSUFFICIENT_ACCESS"))
    found = read(org)
    assert [use.rows for use in exports(found)] == [3]
    coverage = found.coverage("usage.exports")
    assert (coverage.status, coverage.missing_permission) == ("partial", "View Event Log Files")


def test_a_sample_reads_one_file_and_finds_nothing_missing(org: Acme) -> None:
    for _ in range(3):
        logged(org, "ReportExport", {"TIMESTAMP_DERIVED": AT, "USER_ID_DERIVED": org.bot})
    found = read(org, ctx=Context(AS_OF, fingerprint_key=KEY, is_sample=True))
    assert len(exports(found)) == 1
    assert found.coverage("usage.exports").status == "complete"
