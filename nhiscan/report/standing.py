"""How the estate, each partner and each OWASP risk stands; for the page and for programs."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import Any, Final

from nhiscan.report.reading import Reader, anchor
from nhiscan.severities import SEVERITIES
from nhiscan.statements import Row

OWASP: Final = {
    "NHI1:2025": "Improper offboarding",
    "NHI2:2025": "Secret leakage",
    "NHI3:2025": "Vulnerable third-party NHI",
    "NHI4:2025": "Insecure authentication",
    "NHI5:2025": "Overprivileged NHI",
    "NHI6:2025": "Insecure cloud deployment configurations",
    "NHI7:2025": "Long-lived secrets",
    "NHI8:2025": "Environment isolation",
    "NHI9:2025": "NHI reuse",
    "NHI10:2025": "Human use of NHI",
}
_OPEN: Final = ("open", "reopened")


def counts_of(reader: Reader) -> dict[str, Any]:
    """Open cases by severity, and what else there is; always over everything, never over what is shown."""
    cases = dict.fromkeys(SEVERITIES, 0)
    findings = dict.fromkeys(SEVERITIES, 0)
    told = {"new_cases": 0, "accepted_cases": 0, "fixed_cases": 0, "unknown_findings": 0}
    for row in reader.rows("case_counts"):
        if row["status"] in _OPEN:
            cases[row["severity"]] = cases.get(row["severity"], 0) + row["cases"]
            told["new_cases"] += row["new_cases"]
        elif f"{row['status']}_cases" in told:
            told[f"{row['status']}_cases"] += row["cases"]
    for row in reader.rows("finding_counts"):
        if row["outcome"] == "unknown":
            told["unknown_findings"] += row["findings"]
        elif row["status"] in _OPEN:
            findings[row["severity"]] = findings.get(row["severity"], 0) + row["findings"]
    return {"cases": cases, "findings": findings, **told}


def scorecards_of(reader: Reader) -> list[Row]:
    """A card for each partner, the highest score first; score and band are None without an open case."""
    by_partner: dict[Any, Row] = defaultdict(
        lambda: {"cases": dict.fromkeys(SEVERITIES, 0), "worst": 0.0, "total": 0.0, "worst_low": 0.0, "total_low": 0.0}
    )
    for row in reader.rows("partner_cases"):
        told = by_partner[row["partner_id"]]
        told["cases"][row["severity"]] = told["cases"].get(row["severity"], 0) + row["cases"]
        told["total"] += row["total"]
        told["total_low"] += row["total_low"]
        told["worst"] = max(told["worst"], row["worst"])
        told["worst_low"] = max(told["worst_low"], row["worst_low"])
    unknown = {row["partner_id"]: row["findings"] for row in reader.rows("partner_unknowns")}
    cards = []
    for partner in reader.rows("partners"):
        told = by_partner[partner["partner_id"]]
        count = sum(told["cases"].values())
        score = round(rollup(told["total"], told["worst"])) if count else None
        cards.append(
            {
                **partner,
                "anchor": anchor("partner", partner["partner_id"]),
                "cases": told["cases"],
                "case_count": count,
                "worst": told["worst"],
                "others": round(told["total"] - told["worst"], 1),
                "score": score,
                "score_low": round(rollup(told["total_low"], told["worst_low"])) if count else None,
                "band": band(score) if score is not None else None,
                "unknown": unknown.get(partner["partner_id"], 0),
                "contract": contract_state(partner),
            }
        )
    cards.sort(
        key=lambda card: (
            -(card["score"] if card["score"] is not None else -1),
            -card["unknown"],
            str(card["name"]),
            card["partner_id"],
        )
    )
    return cards


def contract_state(partner: Row) -> str:
    """How the contracts of a partner stand, in a few words."""
    if partner["is_ended"]:
        return "ended"
    if partner["is_renewal_unconfirmed"]:
        return "renewal unconfirmed"
    if partner["contracts_in_force"]:
        return "in force"
    if partner["has_draft_only"]:
        return "draft only"
    if not partner["contracts"]:
        return "none on record"
    return "cannot be said"


def owasp_of(reader: Reader) -> dict[str, Any]:
    """A cell for each risk and provider: a number, or why there is none."""
    rules: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in reader.rows("owasp"):
        rules[row["control_id"], _column(row["provider"], None)].append(row)
    mapped = {row["control_id"] for row in reader.rows("owasp_rules")}
    failed: dict[tuple[str, str], int] = defaultdict(int)
    unknown: dict[tuple[str, str], int] = defaultdict(int)
    for row in reader.rows("owasp_findings"):
        cell = (row["control_id"], _column(row["provider"], row["subject_kind"]))
        if row["outcome"] == "unknown":
            unknown[cell] += row["findings"]
        elif row["status"] in _OPEN:
            failed[cell] += row["findings"]
    providers = {row["provider"] for row in reader.rows("coverage")} - {"register"}
    columns = sorted(
        providers | {column for _, column in rules} - {"partners"} | {column for _, column in failed} - {"partners"}
    )
    columns.append("partners")
    risks = []
    for risk, title in OWASP.items():
        cells = []
        for column in columns:
            judged = [row for row in rules[risk, column] if row["evaluated"] and not row["not_assessed"]]
            decided = sum(row["failed"] + row["passed"] for row in judged)
            reason = None
            if not failed[risk, column] and reader.scope is None and not decided:
                reason = _why_not(risk, mapped, rules[risk, column], judged)
            elif not failed[risk, column] and reader.scope is not None and risk not in mapped:
                reason = "no rule"
            cells.append(
                {
                    "provider": column,
                    "state": "assessed" if reason is None else "not_assessed",
                    "failed": failed[risk, column] if reason is None else None,
                    "unknown": unknown[risk, column],
                    "reason": reason,
                }
            )
        risks.append({"id": risk, "title": title, "cells": cells})
    return {"columns": columns, "risks": risks}


def _why_not(risk: str, mapped: set[str], results: list[Row], judged: list[Row]) -> str:
    if risk not in mapped:
        return "no rule"
    if judged:
        return "all unknown"
    if any(row["not_assessed"] for row in results):
        return "not in register"
    return "nothing to judge" if results else "no rule here"


def _column(provider: str | None, subject_kind: str | None) -> str:
    return "partners" if provider in (None, "all", "register") or subject_kind == "partner" else str(provider)


def rollup(total: float, worst: float) -> float:
    """Score of several cases together: the worst leads, volume adds slowly."""
    return min(100.0, worst + 5 * math.log2(1 + max(0.0, total - worst) / 100))


def band(score: float) -> str:
    """The severity that a score reads as."""
    for least, word in ((80, "critical"), (60, "high"), (40, "medium"), (20, "low")):
        if score >= least:
            return word
    return "info"
