"""What a scan found, as one HTML file for people and one JSON shape for programs.

Everything is read from the published scan; the page is painted on the server's side of the fence:
no script, no request, no style attribute, so its content security policy can forbid all three.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from importlib import resources
from pathlib import Path
from typing import Any, Final

import duckdb
import jinja2
from markupsafe import Markup

from nhiscan import path, printable, programme, remedy, statements
from nhiscan.atomic import write_text
from nhiscan.narrow import MASK, Scope, narrow
from nhiscan.severities import SEVERITIES
from nhiscan.statements import Row

# Ids of findings -> for each (what, how): `do` a sentence, `run` a command, `page` where to click.
ByHand = Callable[[Sequence[str]], Mapping[str, Sequence[tuple[str, str]]]]

SUMMARY_VERSION: Final = 1
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
LEVELS: Final = {
    0: "none",
    1: "reads single records",
    2: "reads a set",
    3: "writes, or reads all",
    4: "runs code, reads secrets, exports",
    5: "administrator",
}
# What a first scan of an estate shows first, in this order; rules by id or by the beginning of it.
FIRST: Final = (
    ("Contract ended, access still there", ("off-used-after-contract-end", "off-contract-ended-access")),
    ("Administrators", ("priv-admin-equivalent",)),
    ("Open to anybody", ("dep-public-trust-principal", "dep-oidc-trust-wildcard")),
    ("Leaked secrets", ("leak-",)),
)
_OPEN: Final = ("open", "reopened")
_STATED: Final = ("unsupported", "not_licensed")  # known beforehand, so a limit and not a gap
_FIRST_CASES: Final = 25
_FIRST_PER_PARTNER: Final = 5  # one partner with forty keys must not fill the first page
# What each collector of ours was never run against.
_NEVER_LIVE: Final = {
    "aws": "a live AWS account, only stand-ins that follow AWS's published description",
    "vault": "HashiCorp Vault, only live OpenBao servers",
}
# Columns of closed words and of our own texts; everything else may quote somebody and is masked in a narrowed report.
_OUR_WORDS: Final = frozenset(
    """
    provider tenant_id environment dataset status missing_permission call kind rule_id lead_rule_id family title why
    fix version params refuted_by control_id severity band outcome verdict certainty verb scope source role label
    uncovered not_assessed subject subject_kind case_id finding_id lead_finding_id person_status owner_status
    business_owner_status mechanism principal_kind external_id_check audience_check subject_check mfa_state
    last_used_source risk_tier criticality holds field problem allowed scan_id tool_version company
    """.split()  # noqa: SIM905 - fifty words as a list are fifty lines
)
# Evidence that the page tells by itself, beside every finding.
_TOLD_ELSEWHERE: Final = frozenset({"rule", "would refute it"})


@dataclass(frozen=True)
class Limits:
    """How much of a large estate one page carries; whatever is cut is counted and said."""

    cases: int = 500
    partners: int = 300
    identities_per_partner: int = 60
    subjects_per_unknown: int = 50
    quarantine: int = 50


@dataclass(frozen=True)
class _Reader:
    """Reads rows by the name of a query; in a narrowed report no text leaves without passing the mask."""

    con: duckdb.DuckDBPyConnection
    scope: Scope | None
    dropped: list[str] = field(default_factory=list)

    def rows(self, query: str, **params: Any) -> list[Row]:
        return self._rows(statements.sql("nhiscan.reports", f"sql/{query}"), params)

    def named(self, query: str, **params: str) -> list[Row]:
        """Rows of a query of the shipped pack."""
        return self._rows(statements.sql("nhiscan.reports", f"queries/{query}"), params)

    def _rows(self, sql: str, params: Mapping[str, Any]) -> list[Row]:
        found = statements.rows(self.con, sql, dict(params) or None)
        return found if self.scope is None else [self._masked(row) for row in found]

    def evidence(self, query: str, **params: Any) -> list[Row]:
        """Rows that only serve to convince: one that quotes somebody else is left out whole."""
        rows = self.rows(query, **params)
        kept = [row for row in rows if not any(isinstance(value, str) and MASK in value for value in row.values())]
        self.dropped.extend([query] * (len(rows) - len(kept)))
        return kept

    def one(self, query: str) -> Row:
        return self.rows(query)[0]

    def _masked(self, row: Row) -> Row:
        mask = self.scope.words.mask if self.scope is not None else str
        return {
            name: mask(value) if isinstance(value, str) and name not in _OUR_WORDS else value
            for name, value in row.items()
        }


def render(
    con: duckdb.DuckDBPyConnection,
    *,
    partner: str | None = None,
    owner: str | None = None,
    generated_at: datetime,
    limits: Limits = Limits(),
    by_hand: ByHand | None = None,
) -> str:
    """The report as one HTML text; the same scan and arguments give the same text.

    `partner` (id, or name where only one has it) and `owner` (mail address) narrow it to what is theirs. `by_hand` says
    what a person does about a finding; a narrowed report leaves that out, since commands name what others hold.
    Raises: NhiscanError for a partner or owner that the scan does not know.
    """
    cursor, scope = narrow(con, partner=partner, owner=owner)
    try:
        page = _page(_Reader(cursor, scope), limits, by_hand if scope is None else None)
    finally:
        cursor.close()
    css = _squeezed(resources.files("nhiscan.reports").joinpath("style.css").read_text(encoding="utf-8"))
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()
    html = (
        _environment()
        .get_template("report.html.j2")
        .render(
            page,
            css=Markup(css),  # noqa: S704 - our own file, and the policy holds its hash
            css_hash=f"sha256-{digest}",
            generated_at=generated_at,
            limits=limits,
        )
    )
    return _squeezed(html) + "\n"


def _squeezed(text: str) -> str:
    """Without empty lines and spaces at line ends; a second pass changes nothing, so a hash of a part stays true."""
    return "\n".join(line for line in (line.rstrip() for line in text.split("\n")) if line)


def write(path: Path, text: str) -> None:
    """Writes a report in one step, readable by its owner alone."""
    write_text(path, text)


def summary(con: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    """The scan in the shape of docs/json.md: only JSON types, every key always present, times in ISO 8601 UTC."""
    cursor, scope = narrow(con, partner=None, owner=None)
    try:
        reader = _Reader(cursor, scope)
        counts = _counts(reader)
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
            "partners": [_keys(row, _PARTNER_KEYS) for row in _scorecards(reader)],
            "owasp": [
                {
                    "risk": risk["id"],
                    "title": risk["title"],
                    "cells": [_keys(cell, _CELL_KEYS) for cell in risk["cells"]],
                }
                for risk in _owasp(reader)["risks"]
            ],
        }
    finally:
        cursor.close()
    plain: dict[str, Any] = json.loads(json.dumps(shape, default=_json_time))
    return plain


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


def _keys(row: Mapping[str, Any], keys: Sequence[str]) -> Row:
    return {key: row[key] for key in keys}


def _json_time(value: object) -> str:
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def rollup(total: float, worst: float) -> float:
    """Score of several cases together: the worst leads, volume adds slowly."""
    return min(100.0, worst + 5 * math.log2(1 + max(0.0, total - worst) / 100))


def band(score: float) -> str:
    for least, word in ((80, "critical"), (60, "high"), (40, "medium"), (20, "low")):
        if score >= least:
            return word
    return "info"


# What stands on the page


def _page(reader: _Reader, limits: Limits, by_hand: ByHand | None) -> dict[str, Any]:
    scan = reader.one("scan")
    scorecards = _scorecards(reader)
    cases = _cases(reader, limits, by_hand)
    lifecycle = _lifecycle(reader, scan, limits)
    page: dict[str, Any] = {
        "scan": scan,
        "scope": reader.scope,
        "coverage": _coverage(reader, scan, limits),
        "counts": _counts(reader),
        "estate": reader.one("estate"),
        "first": _first(reader, scan),
        "scorecards": scorecards,
        "owasp": _owasp(reader),
        "cases": cases,
        "lifecycle": lifecycle,
        "programme": None if reader.scope is not None else _programme(reader, lifecycle["offboardings"]),
        "partners": _partner_pages(reader, scorecards, limits),
        "unattributed": _unattributed(reader, limits),
        "unknowns": _unknowns(reader, limits),
        "rules": reader.rows("rules"),
        "acceptances": reader.rows("acceptances"),
        "severities": SEVERITIES,
        "levels": LEVELS,
    }
    page["page_anchors"] = {partner["anchor"] for partner in page["partners"]["pages"]}
    page["case_anchors"] = {case["anchor"] for group in cases["groups"] for case in group["cases"]}
    page["dropped"] = len(reader.dropped)
    page["data_hash"] = _digest(page)
    return page


def _digest(page: Mapping[str, Any]) -> str:
    """SHA-256 over what the page says, so that two copies can be compared; the same for two replays of one tape."""
    said = {key: value for key, value in page.items() if key not in ("scope", "page_anchors", "case_anchors")}
    said["scan"] = {key: value for key, value in page["scan"].items() if key != "scan_id"}
    return hashlib.sha256(json.dumps(said, default=str, sort_keys=True).encode()).hexdigest()


def _coverage(reader: _Reader, scan: Row, limits: Limits) -> dict[str, Any]:
    rows = reader.rows("coverage")
    tenants: dict[str, Row] = {}
    cells: dict[tuple[str, str], Row] = {}
    for row in rows:
        tenant = tenants.setdefault(
            row["tenant_id"],
            {
                "tenant_id": row["tenant_id"],
                "name": row["tenant_name"],
                "provider": row["provider"],
                "datasets": 0,
                "covered": 0,
                "gaps": [],
                "limits": 0,
                "carried_at": None,
            },
        )
        # A dataset told twice counts as its worse half.
        held = cells.get((row["tenant_id"], row["dataset"]))
        if held is None or held["is_covered"]:
            cells[row["tenant_id"], row["dataset"]] = row
    for (tenant_id, _), row in cells.items():
        tenant = tenants[tenant_id]
        tenant["datasets"] += 1
        tenant["covered"] += bool(row["is_covered"])
        if not row["is_covered"]:
            if row["status"] in _STATED:
                tenant["limits"] += 1
            elif row["status"] == "carried":
                tenant["carried_at"] = min(tenant["carried_at"] or row["collected_at"], row["collected_at"])
            else:
                tenant["gaps"].append(row)
    unread = [row for row in reader.rows("unread_tenants") if row["tenant_id"] not in tenants]
    matrices = []
    for provider in sorted({tenant["provider"] for tenant in tenants.values()}):
        members = [tenant for tenant in tenants.values() if tenant["provider"] == provider]
        datasets = sorted({dataset for tenant_id, dataset in cells if tenants[tenant_id]["provider"] == provider})
        matrices.append(
            {
                "provider": provider,
                "tenants": members,
                "rows": [
                    {"dataset": dataset, "cells": [cells.get((tenant["tenant_id"], dataset)) for tenant in members]}
                    for dataset in datasets
                ],
            }
        )
    gaps = [row for row in rows if not row["is_covered"]]
    providers = {tenant["provider"] for tenant in tenants.values()}
    policies_read = {row["tenant_id"] for row in rows if row["dataset"] == "scps" and row["is_covered"]}
    quarantine = reader.rows("quarantine", most=limits.quarantine)
    return {
        "is_complete": bool(scan["is_complete"])
        and not any(row["status"] in ("failed", "denied") for row in gaps)
        and bool(rows),
        "tenants": list(tenants.values()),
        "limits": sum(tenant["limits"] for tenant in tenants.values()),
        "unread": unread,
        "matrices": matrices,
        "rows": rows,
        "gaps": gaps,
        "datasets": len(cells),
        "covered": sum(bool(row["is_covered"]) for row in cells.values()),
        "register": reader.rows("register"),
        "fields": reader.rows("register_fields"),
        "quarantine": quarantine,
        "quarantined": quarantine[0]["total"] if quarantine else 0,
        "scps_unread": sorted(
            tenant["tenant_id"]
            for tenant in tenants.values()
            if tenant["provider"] == "aws" and tenant["tenant_id"] not in policies_read
        ),
        "carried": [tenant for tenant in tenants.values() if tenant["carried_at"] is not None],
        "fingerprinted": any(row["dataset"] == "stored_secrets.fingerprints" and row["is_covered"] for row in rows),
        "never_live": [(provider, _NEVER_LIVE[provider]) for provider in sorted(providers & set(_NEVER_LIVE))],
    }


def _counts(reader: _Reader) -> dict[str, Any]:
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


def _first(reader: _Reader, scan: Row) -> dict[str, Any]:
    """The few cases of the first page: the gravest kinds on a baseline, what is new first after that."""
    groups: list[Row] = []
    left = _FIRST_CASES
    shown: set[str] = set()
    kinds: list[tuple[str, dict[str, Any]]] = [(title, {"rules": list(rules), "new": False}) for title, rules in FIRST]
    if not scan["is_baseline"]:
        kinds = [("New since the scan before", {"rules": [], "new": True}), *kinds]
    for title, choice in kinds:
        rows = [row for row in reader.rows("first", **choice) if row["case_id"] not in shown]
        per_partner: dict[Any, int] = defaultdict(int)
        kept: list[Row] = []
        for row in rows:
            per_partner[row["partner_id"]] += 1
            if len(kept) < left and (row["partner_id"] is None or per_partner[row["partner_id"]] <= _FIRST_PER_PARTNER):
                kept.append(row)
        left -= len(kept)
        shown |= {row["case_id"] for row in kept}
        if rows:
            groups.append(
                {"title": title, "cases": kept, "more": rows[0]["total"] - len(kept) if kept or left == 0 else 0}
            )
    return {"groups": groups, "shown": len(shown)}


def _scorecards(reader: _Reader) -> list[Row]:
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
                "contract": _contract_state(partner),
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


def _contract_state(partner: Row) -> str:
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


def _owasp(reader: _Reader) -> dict[str, Any]:
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


def _cases(reader: _Reader, limits: Limits, by_hand: ByHand | None) -> dict[str, Any]:
    rows = reader.rows("cases", most=limits.cases)
    findings = reader.rows("findings", case_ids=[row["case_id"] for row in rows])
    _attach_evidence(reader, findings)
    ways_by_hand = {} if by_hand is None else by_hand([row["finding_id"] for row in findings])
    for row in findings:
        row["by_hand"] = ways_by_hand.get(row["finding_id"], ())
    by_case = _grouped(findings, "case_id")
    subjects = {
        row["identity_id"]: row["identity_key"]
        for row in reader.rows("subject_keys", case_ids=[row["case_id"] for row in rows])
    }
    identities = {row["identity_key"]: row for row in _identities(reader, sorted(subjects.values()))}
    # The steps of a way quote other identities, so a report that is handed over has none.
    ways = path.to_administrator(reader.con, subjects.values()) if reader.scope is None else {}
    for row in rows:
        row["anchor"] = anchor("case", row["case_id"])
        row["parts"] = by_case.get(row["case_id"], [])
        key = subjects.get(row["case_identity_id"])
        row["identity"] = identities.get(key)
        row["way"] = remedy.way_shape(ways[key]) if key in ways else None
        row["partner_anchor"] = None if row["partner_id"] is None else anchor("partner", row["partner_id"])
        row["commands"] = _commands(row["identity"]) if row["identity"] else []
    groups = []
    counts = _counts(reader)["cases"]
    for severity in SEVERITIES:
        members = [row for row in rows if row["severity"] == severity]
        if counts[severity] or members:
            groups.append({"severity": severity, "cases": members, "total": counts[severity]})
    return {"groups": groups, "shown": len(rows), "total": sum(counts.values())}


def _attach_evidence(reader: _Reader, findings: list[Row]) -> None:
    """Puts its evidence beside each finding; what a case's lead has said already is not said again."""
    evidence = _grouped(reader.evidence("evidence", finding_ids=[row["finding_id"] for row in findings]), "finding_id")
    said: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in findings:  # of each case the lead comes first
        told = [item for item in evidence.get(row["finding_id"], []) if item["label"] not in _TOLD_ELSEWHERE]
        row["evidence"] = [item for item in told if (item["label"], item["value"]) not in said[row["case_id"]]]
        said[row["case_id"]] |= {(item["label"], item["value"]) for item in told}


def _identities(reader: _Reader, keys: Sequence[int]) -> list[Row]:
    """Identities with all that is known of each: claims, owners, credentials, rights, records and who may become it."""
    if not keys:
        return []
    parts = {
        "claims": _grouped(reader.evidence("claims", keys=keys), "identity_key"),
        "owners": _grouped(reader.evidence("owners", keys=keys), "identity_key"),
        "credentials": _grouped(reader.rows("credentials", keys=keys), "identity_key"),
        "privileges": _grouped(reader.evidence("privileges", keys=keys), "identity_key"),
        "trusts": _grouped(reader.evidence("trusts", keys=keys), "identity_key"),
        "apps": _grouped(reader.evidence("apps", keys=keys), "identity_key"),
        "records": _grouped(reader.evidence("records", keys=keys), "identity_key"),
    }
    hidden = {row["identity_key"]: row for row in reader.rows("hidden", keys=keys)}
    rows = reader.rows("identities", keys=keys)
    for row in rows:
        for name, grouped in parts.items():
            row[name] = grouped.get(row["identity_key"], [])
        row["hidden"] = hidden.get(row["identity_key"])
    return rows


def _commands(identity: Row) -> list[Row]:
    """Provider-native commands by which a person checks by hand what the report says."""
    if identity["provider"] != "aws" or identity["name"] is None or MASK in identity["name"]:
        return []
    user_name = str(identity["name"]).rsplit("/", 1)[-1]
    commands: list[tuple[str, tuple[str, ...]]] = []
    if identity["kind"] == "workload_role":
        commands.append(("Role, its trust policy and last use", ("aws", "iam", "get-role", "--role-name", user_name)))
        commands.append(("Policies on it", ("aws", "iam", "list-attached-role-policies", "--role-name", user_name)))
    else:
        commands.append(("User", ("aws", "iam", "get-user", "--user-name", user_name)))
        commands.append(("Its access keys", ("aws", "iam", "list-access-keys", "--user-name", user_name)))
        commands.extend(
            (
                "Last use of a key",
                ("aws", "iam", "get-access-key-last-used", "--access-key-id", str(credential["native_id"])),
            )
            for credential in identity["credentials"]
            if credential["kind"] == "access_key"
        )
        commands.append(("Policies on it", ("aws", "iam", "list-attached-user-policies", "--user-name", user_name)))
    return [{"what": what, "line": printable.command(*words)} for what, words in commands]


def _partner_pages(reader: _Reader, scorecards: Sequence[Row], limits: Limits) -> dict[str, Any]:
    """A page for each partner that holds something, has a case or an unknown, the worst first."""
    held = _grouped(reader.rows("held"), "partner_id")
    wanted = [
        card
        for card in scorecards
        if reader.scope is not None or card["case_count"] or card["unknown"] or card["partner_id"] in held
    ]
    shown = wanted[: limits.partners]
    most = limits.identities_per_partner if reader.scope is None else None
    keys = {card["partner_id"]: [row["identity_key"] for row in held.get(card["partner_id"], [])] for card in shown}
    identities = {
        row["identity_key"]: row
        for row in _identities(reader, sorted({key for members in keys.values() for key in members[:most]}))
    }
    parts = {
        name: _grouped(reader.rows(name), "partner_id")
        for name in ("contracts", "assignments", "attestations", "partner_tenants", "partner_cases_open")
    }
    accepted = _grouped(reader.rows("acceptances"), "of_partner_id")
    pages = []
    for card in shown:
        partner_id = card["partner_id"]
        members = keys[partner_id]
        page = {
            **card,
            "held": [identities[key] for key in members[:most]],
            "held_count": len(members),
            "acceptances": accepted.get(partner_id, []),
            **{name: grouped.get(partner_id, []) for name, grouped in parts.items()},
        }
        for case in page["partner_cases_open"]:
            case["anchor"] = anchor("case", case["case_id"])
        pages.append(page)
    return {"pages": pages, "shown": len(pages), "total": len(wanted), "quiet": len(scorecards) - len(wanted)}


def _unattributed(reader: _Reader, limits: Limits) -> dict[str, Any]:
    """Identities that have to do with partners although none is asserted: disputed, suggested, open to outsiders."""
    rows = reader.rows("unattributed", most=limits.identities_per_partner)
    keys = [row["identity_key"] for row in rows]
    found = {row["identity_key"]: row for row in _identities(reader, keys)}
    return {"identities": [found[key] for key in keys], "total": rows[0]["total"] if rows else 0}


def _lifecycle(reader: _Reader, scan: Row, limits: Limits) -> dict[str, Any]:
    partners = [{**row, "contract": _contract_state(row)} for row in reader.rows("lifecycle")]
    dates = _grouped(reader.rows("dates"), "partner_id")
    # of a partner that only stands behind an identity in scope neither offboarding nor holdings are let in
    whole = {row["partner_id"] for row in partners}
    timed = [row for row in reader.named("time-to-revoke", partner="") if row["partner_id"] in whole]
    return {
        **programme.stages(partners, dates, as_of=scan["as_of"], most=limits.partners),
        "offboardings": programme.revocations(timed, reader.rows("offboardings")),
        "expiring": programme.expiring(reader.rows("acceptances"), as_of=scan["as_of"]),
    }


def _programme(reader: _Reader, offboardings: Sequence[Row]) -> dict[str, Any]:
    """Metrics, and the evidence for controls; a narrowed report has neither, since both are about everybody."""
    kept = {row["holds"]: row["records"] for row in reader.rows("kept")}
    return {
        "metrics": sorted(
            [*reader.named("metrics", by="", partner=""), *programme.time_to_revoke(offboardings)],
            key=lambda row: row["metric"],
        ),
        "controls": programme.controls(
            reader.rows("control_rules"), kept, has_agents=bool(reader.one("estate")["agents"])
        ),
    }


def _unknowns(reader: _Reader, limits: Limits) -> list[Row]:
    groups: dict[tuple[str, str], Row] = {}
    for row in reader.rows("unknowns", most=limits.subjects_per_unknown):
        group = groups.setdefault(
            (row["rule_id"], row["uncovered"]),
            {
                "rule_id": row["rule_id"],
                "title": row["title"],
                "uncovered": row["uncovered"],
                "total": row["subjects"],
                "subjects": [],
            },
        )
        group["subjects"].append(row)
    return list(groups.values())


def _grouped(rows: Iterable[Row], key: str) -> dict[Any, list[Row]]:
    groups: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row[key]].append(row)
    return dict(groups)


# Painting


def anchor(kind: str, of: object) -> str:
    """An id for a place on the page, made from a hash: no character of an outside value reaches an address."""
    return f"{kind}-{hashlib.sha256(str(of).encode()).hexdigest()[:12]}"


def _template(name: str) -> str | None:
    source = resources.files("nhiscan.reports").joinpath(name)
    return source.read_text(encoding="utf-8") if source.is_file() else None


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_template),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "name": printable.name,
        "sentence": printable.sentence,
        "full": printable.full,
        "plain": printable.plain,
        "moment": printable.moment,
        "day": printable.day,
        "anchor": lambda of, kind: anchor(kind, of),
        "words": lambda text: str(text).replace("_", " "),
        "count": lambda number: f"{number:,}".replace(",", "\u202f"),
        "number": lambda number: f"{number:,.10g}".replace(",", "\u202f"),
    }
    return environment
