"""What was carried out of the org: exported reports, bulk queries, and records that were read over the API.

API: EventLogFile and its files, a day late. Calls are summed up by hour, user, app and object. That nothing stands
there is no proof before the files of that day have come.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from nhiscan.model import Record, Use

from .api import Json, Refusal
from .coverage import LOGS
from .logins import literal, since
from .org import Org, quoted
from .words import id18, moment

_DATASET: Final = "usage.exports"
_TYPES: Final = ("ReportExport", "BulkApi", "BulkApi2", "API", "RestApi")
# Types that every org has for a day: Object Reference, "EventLogFile Supported Event Types".
_FREE: Final = frozenset(
    {
        "ApiTotalUsage",
        "CORSViolation",
        "CSPViolation",
        "HostnameRedirects",
        "InsecureExternalAssets",
        "Login",
        "Logout",
    }
)
_HORIZON: Final = timedelta(days=366)  # the longest that can be bought
_LATE: Final = timedelta(days=2)  # a day's file comes the day after, and bears the day's own date
_MOST_BYTES: Final = 60 * 1024 * 1024  # one answer has to hold the file
_MOST_SUMS: Final = 200_000  # of one file
_READING: Final = frozenset({"query", "querymore", "queryall", "retrieve", "search"})


@dataclass(frozen=True, slots=True)
class _Read:
    """One line of a log that tells of records that were read."""

    at: datetime
    user: str
    entity: str
    rows: int
    app: str = ""
    source_ip: str | None = None
    user_agent: str | None = None
    job: str = ""  # lines of one job are one export


def records(org: Org) -> Iterator[Record]:
    start = since(org, _DATASET, _HORIZON)
    types = ", ".join(map(quoted, _TYPES))
    files = list(
        org.rows(
            "EventLogFile",
            ("Id", "EventType", "LogDate", "LogFileLength", "LogFile"),
            _DATASET,
            where=f"WHERE EventType IN ({types}) AND LogDate >= {literal(start - _LATE)}",
            optional={"Interval": ()},
            needs=LOGS,
        )
    )
    files = [file for file in files if file.get("Interval") in (None, "Daily")]  # hourly ones say the same sooner
    if not files and not org.tally.refused[_DATASET]:
        _say_why_there_are_none(org)
    oldest = min((found for file in files if (found := moment(file["LogDate"])) is not None), default=start)
    org.tally.reaches_back_to(_DATASET, max(start, oldest))
    for file in files[: 1 if org.ctx.is_sample else None]:
        yield from _uses(org, file)


def uses_of(org: Org, file_id: str, event_type: str, lines: Iterable[str]) -> Iterator[Use]:
    """The exports in one file. Raises: ValueError for a file that is no log, csv.Error for one that is no table."""
    sums: dict[tuple[str, str, str, str], _Read] = {}
    for n, line in enumerate(csv.DictReader(lines)):
        if event_type == "ReportExport":
            yield _report(org, file_id, n, line)
            continue
        read = read_of(event_type, line)
        if read is None:
            continue
        key = (read.user, read.entity, read.app, read.job or read.at.strftime("%Y%m%dT%H"))
        before = sums.get(key)
        if before is None and len(sums) == _MOST_SUMS:
            raise ValueError(f"holds more than {_MOST_SUMS} users and hours")
        sums[key] = read if before is None else _both(before, read, is_running=event_type == "BulkApi2")
    for (user, entity, app, part), read in sums.items():
        yield Use(
            event_id=f"{org.id('event', file_id)}/{user}/{entity}/{app}/{part}",
            provider="salesforce",
            tenant_id=org.tenant_id,
            occurred_at=read.at,
            kind="export",
            action=event_type,
            outcome="success",
            identity_id=org.identity_id(user),
            source_ip=read.source_ip,
            user_agent=read.user_agent,
            target=entity or None,
            dataset=_DATASET,
            app=app or None,
            rows=read.rows,
        )


def read_of(event_type: str, line: Mapping[str, str]) -> _Read | None:
    """What a line of a log of API calls says to have been read; None: it read nothing."""
    at = _at(line)
    user = line.get("USER_ID_DERIVED") or line.get("USER_ID")
    operation = (line.get("OPERATION_TYPE") or line.get("METHOD_NAME") or line.get("METHOD") or "").casefold()
    is_reading = operation == "get" if event_type == "RestApi" else operation in _READING
    rows = _number(line.get("ROWS_PROCESSED") or line.get("RECORDS_PROCESSED"))
    if at is None or not user or not is_reading or rows <= 0:
        return None
    return _Read(
        at=at,
        user=id18(user),
        entity=(line.get("ENTITY_TYPE") or line.get("ENTITY_NAME") or "").split(";")[0],
        rows=rows,
        app=line.get("CLIENT_NAME") or "",
        source_ip=line.get("CLIENT_IP") or None,
        user_agent=line.get("USER_AGENT") or None,
        job=line.get("JOB_ID") or "",
    )


def _both(first: _Read, second: _Read, *, is_running: bool) -> _Read:
    """`is_running`: a job says in each line how far it has come, instead of how much a batch brought."""
    rows = max(first.rows, second.rows) if is_running else first.rows + second.rows
    earlier = first if first.at <= second.at else second
    return replace(earlier, rows=rows)


def _report(org: Org, file_id: str, n: int, line: Mapping[str, str]) -> Use:
    at = _at(line)
    if at is None:
        raise ValueError("has a line without a time")
    user = line.get("USER_ID_DERIVED") or line.get("USER_ID")
    return Use(
        event_id=f"{org.id('event', file_id)}/{n}",
        provider="salesforce",
        tenant_id=org.tenant_id,
        occurred_at=at,
        kind="export",
        action="ReportExport",
        outcome="success",
        identity_id=org.identity_id(user) if user else None,
        is_interactive=True,
        source_ip=line.get("CLIENT_IP") or None,
        user_agent=line.get("CLIENT_INFO") or None,
        target="Report",
        dataset=_DATASET,
    )


def _uses(org: Org, file: Json) -> Iterator[Use]:
    call = f"EventLogFile {file['EventType']} {str(file['LogDate'])[:10]}"
    if float(file.get("LogFileLength") or 0) > _MOST_BYTES:
        reason = f"is larger than {_MOST_BYTES} bytes, which is more than one answer may hold"
        org.tally.refuse(Refusal("partial", call, reason), _DATASET)
        return
    content = org.api.blob(str(file["LogFile"]))
    if isinstance(content, Refusal):
        org.tally.refuse(content, _DATASET, needs=LOGS)
        return
    lines = io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", errors="replace", newline="")
    try:
        yield from uses_of(org, str(file["Id"]), str(file["EventType"]), lines)
    except (csv.Error, ValueError) as error:
        org.tally.refuse(Refusal("failed", call, f"is not whole: {error}"), _DATASET)
    org.ctx.progress("salesforce: event log files")


def _say_why_there_are_none(org: Org) -> None:
    """No file at all, or none but those that every org has: nobody bought the others."""
    kinds = {
        str(row["EventType"])
        for row in org.rows("EventLogFile", ("EventType",), where="GROUP BY EventType", needs=LOGS)
    }
    if kinds <= _FREE:
        reason = "the org has no event log files of exports and API calls, as without Event Monitoring"
        org.tally.answered[_DATASET] = 0
        org.tally.refuse(Refusal("not_licensed", "query EventLogFile", reason), _DATASET)


def _at(line: Mapping[str, str]) -> datetime | None:
    text = line.get("TIMESTAMP_DERIVED")
    return moment(text) if text else None


def _number(text: str | None) -> int:
    try:
        return int(float(text or 0))
    except (ValueError, OverflowError):
        return 0
