"""What a scan found, as one JSON shape for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Final

import duckdb

from nhiscan.narrow import narrow
from nhiscan.report.reading import Reader
from nhiscan.report.standing import counts_of, owasp_of, scorecards_of
from nhiscan.statements import Row

SUMMARY_VERSION: Final = 1
_COVERAGE_KEYS: Final = ("provider", "tenant_id", "dataset", "status", "reason", "missing_permission", "collected_at")
_CASE_KEYS: Final = (
    "case_id",
    "subject_kind",
    "subject_id",
    "subject_name",
    "provider",
    "tenant_id",
    "partner_id",
    "owner_mail",
    "rule_id",
    "message",
    "severity",
    "score",
    "score_low",
    "band",
    "findings",
    "status",
    "is_new",
    "first_seen",
)
_PARTNER_KEYS: Final = (
    "partner_id",
    "name",
    "score",
    "score_low",
    "band",
    "cases",
    "unknown",
    "identities",
    "live_credentials",
    "oldest_days",
    "level",
    "contract",
    "business_owner",
    "business_owner_status",
)
_CELL_KEYS: Final = ("provider", "state", "failed", "unknown", "reason")


def summary(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """The scan in the shape of docs/json.md: only JSON types, every key always present, times in ISO 8601 UTC."""
    cursor, scope = narrow(con, partner=None, owner=None)
    try:
        reader = Reader(cursor, scope)
        counts = counts_of(reader)
        shape = {
            "schema_version": SUMMARY_VERSION,
            **reader.one("scan"),
            "coverage": [_keys(row, _COVERAGE_KEYS) for row in reader.rows("coverage")],
            "register": reader.rows("register"),
            "cases_by_severity": counts["cases"],
            "findings_by_severity": counts["findings"],
            "new_cases": counts["new_cases"],
            "accepted_cases": counts["accepted_cases"],
            "fixed_cases": counts["fixed_cases"],
            "unknown_findings": counts["unknown_findings"],
            "cases": [_keys(row, _CASE_KEYS) for row in reader.rows("cases", most=None)],
            "partners": [_keys(row, _PARTNER_KEYS) for row in scorecards_of(reader)],
            "owasp": [
                {
                    "risk": risk["id"],
                    "title": risk["title"],
                    "cells": [_keys(cell, _CELL_KEYS) for cell in risk["cells"]],
                }
                for risk in owasp_of(reader)["risks"]
            ],
        }
    finally:
        cursor.close()
    plain: dict[str, Any] = json.loads(json.dumps(shape, default=_json_time))
    return plain


def _keys(row: Mapping[str, Any], keys: Sequence[str]) -> Row:
    return {key: row[key] for key in keys}


def _json_time(value: object) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")
