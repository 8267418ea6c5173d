"""The cases beside a rule, run through the engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final

import duckdb

from nhiscan import store
from nhiscan.check import BASE, SOFT_BASE, begin, finish
from nhiscan.check.judging import Judged, columns_of, judge, quoted
from nhiscan.check.kept import keep
from nhiscan.config import nearest
from nhiscan.errors import RuleError
from nhiscan.model import DATASETS
from nhiscan.resolve import log_reach
from nhiscan.rule import Rule

KINDS: Final = ("fires", "silent", "boundary", "unknown")
_CASE_KEYS: Final = ("kind", "name", "expect", "severity", "params", "as_of")


@dataclass(frozen=True)
class CaseResult:
    """One case of a rule; no problem means that it came out as expected."""

    rule_id: str
    case: str
    problems: tuple[str, ...]


def run(rule: Rule) -> list[CaseResult]:
    """Runs the rule's cases through the engine, and says which kinds of case are missing."""
    return list(_case_results(rule))


def _case_results(rule: Rule) -> Iterator[CaseResult]:
    cases = rule.cases.get("case", [])
    excused = rule.cases.get("cases", {})
    missing = []
    for kind in KINDS:
        if kind in excused:
            if not str(excused[kind]).startswith("impossible: "):
                missing.append(f"[cases] {kind} does not say why it is impossible")
        elif not any(case.get("kind") == kind for case in cases):
            missing.append(f"no case of kind {kind}")
    missing += [f"unknown key {key!r}" for key in rule.cases if key not in ("as_of", "case", "cases")] + [
        f"[cases] excuses unknown kind {kind!r}" for kind in excused if kind not in KINDS
    ]
    yield CaseResult(rule.rule_id, "kinds of case", tuple(missing))
    for case in cases:
        yield CaseResult(rule.rule_id, str(case.get("name", "a case without a name")), tuple(_problems(rule, case)))


@contextmanager
def opened_case(rule: Rule, case: Mapping[str, Any]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A scan with nothing but the case's rows; all that the rule relies on is covered unless the case says else."""
    with store.empty() as con:
        _fill(con, rule, case)
        yield con


def outcomes(con: duckdb.DuckDBPyConnection, rule: Rule, params: Mapping[str, Any]) -> dict[str, str]:
    """The outcome of every subject to which the rule applies."""
    ((_, bound, _),) = begin(con, [rule], {rule.rule_id: params}, None)
    return _outcomes(con, judge(con, rule, bound))


def _outcomes(con: duckdb.DuckDBPyConnection, judged: Judged) -> dict[str, str]:
    return dict(con.execute(f"select subject_id, outcome from ({judged.sql})").fetchall())


def _problems(rule: Rule, case: Mapping[str, Any]) -> Iterator[str]:
    if case.get("kind") not in KINDS:
        yield f"unknown kind {case.get('kind')!r}"
    if not case.get("expect"):
        yield "it expects no outcome"
    for key in case:
        if key not in (*_CASE_KEYS, *store.tables()):
            yield f"unknown key {key!r}: {nearest(key, (*_CASE_KEYS, *store.tables()))}"
            return
    try:
        params = case.get("params", {})
        with opened_case(rule, case) as con:
            ((_, bound, not_assessed),) = begin(con, [rule], {rule.rule_id: params}, None)
            rows = judge(con, rule, bound)
            judged = _outcomes(con, rows)
            if not_assessed is None:
                keep(con, rule, bound, rows)
            finish(con)
            severities = dict(con.execute("select subject_id, severity from findings").fetchall())
    except (RuleError, duckdb.Error) as error:
        yield str(error)
        return
    expected: dict[str, str] = case.get("expect", {})
    for subject in sorted(judged.keys() | expected.keys()):
        got, wanted = judged.get(subject, "not applicable"), expected.get(subject, "not applicable")
        if got != wanted:
            yield f"{subject}: expected {wanted}, got {got}"
    for subject, severity in case.get("severity", {}).items():
        if severities.get(subject) != severity:
            yield f"{subject}: expected severity {severity}, got {severities.get(subject)}"
    wanted_kind = {"fires": "fail", "silent": "pass", "unknown": "unknown"}.get(case.get("kind", ""))
    if wanted_kind and expected and wanted_kind not in expected.values():
        yield f"a case of kind {case['kind']} expects a {wanted_kind}"


def _fill(con: duckdb.DuckDBPyConnection, rule: Rule, case: Mapping[str, Any]) -> None:
    as_of = case.get("as_of", rule.cases.get("as_of"))
    if not isinstance(as_of, datetime):
        raise RuleError(f"{rule.rule_id}/cases.toml: as_of is missing", hint="write as_of = 2026-01-31T00:00:00Z")
    rows: dict[str, list[dict[str, Any]]] = {key: list(case[key]) for key in case if key not in _CASE_KEYS}
    rows.setdefault("scans", [{"as_of": as_of}])
    tenants = {row["tenant_id"] for table in rows.values() for row in table if row.get("tenant_id")}
    rows.setdefault("tenants", [{"tenant_id": tenant} for tenant in sorted(tenants)])
    read = set(rule.needs) | set(rule.absence) | set(BASE[rule.subject])
    read |= {dataset for dataset in (*rule.if_offered, *SOFT_BASE[rule.subject]) if dataset.startswith("sightings.")}
    rows.setdefault(
        "coverage",
        [
            {
                "tenant_id": "register:main" if dataset.startswith("register.") else tenant,
                "dataset": dataset,
                "status": "complete",
            }
            for dataset in sorted(read)
            for tenant in sorted(tenants or {"register:main"})
        ],
    )
    rows.setdefault(
        "register_fields",
        [
            {"holds": field.partition(".")[0], "field": field.partition(".")[2], "filled": 1, "rows": 1}
            for field in rule.declared
        ],
    )
    for table, entries in rows.items():
        columns = columns_of(con, table)
        for row in entries:
            if table == "coverage" and row["dataset"] not in DATASETS:
                raise RuleError(f"{rule.rule_id}/cases.toml: unknown dataset {row['dataset']}")
            if "provider" in columns and "provider" not in row and "tenant_id" in row:
                row = row | {"provider": row["tenant_id"].partition(":")[0]}
            names, marks = ", ".join(map(quoted, row)), ", ".join("?" for _ in row)
            con.execute(
                f"insert into {table} ({names}) values ({marks})",
                [_naive(value) for value in row.values()],
            )
    if "log_reach" not in rows:  # it follows from coverage alone
        log_reach.run(con)


def _naive(value: date | datetime | Any) -> Any:
    if isinstance(value, datetime) and value.tzinfo is not None:
        return value.astimezone(UTC).replace(tzinfo=None)
    return value
