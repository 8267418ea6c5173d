"""What stands on the report's page."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from nhiscan import path, printable, programme, remedy
from nhiscan.narrow import MASK
from nhiscan.report.reading import Reader, anchor
from nhiscan.report.standing import contract_state, counts_of, owasp_of, scorecards_of
from nhiscan.severities import SEVERITIES
from nhiscan.statements import Row

# Ids of findings -> for each (what, how): `do` a sentence, `run` a command, `page` where to click.
ByHand = Callable[[Sequence[str]], Mapping[str, Sequence[tuple[str, str]]]]
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
_STATED: Final = ("unsupported", "not_licensed")  # known beforehand, so a limit and not a gap
_FIRST_CASES: Final = 25
_FIRST_PER_PARTNER: Final = 5  # one partner with forty keys must not fill the first page
# What each collector of ours was never run against.
_NEVER_LIVE: Final = {
    "aws": "a live AWS account, only stand-ins that follow AWS's published description",
    "vault": "HashiCorp Vault, only live OpenBao servers",
}
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


WIDE: Final = Limits()  # of a report that nobody limits


def page_of(reader: Reader, limits: Limits, by_hand: ByHand | None) -> dict[str, Any]:
    """What the templates are filled with."""
    scan = reader.one("scan")
    scorecards = scorecards_of(reader)
    cases = _cases(reader, limits, by_hand)
    lifecycle = _lifecycle(reader, scan, limits)
    page: dict[str, Any] = {
        "scan": scan,
        "scope": reader.scope,
        "coverage": _coverage(reader, scan, limits),
        "counts": counts_of(reader),
        "estate": reader.one("estate"),
        "first": _first(reader, scan),
        "scorecards": scorecards,
        "owasp": owasp_of(reader),
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


def _coverage(reader: Reader, scan: Row, limits: Limits) -> dict[str, Any]:
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


def _first(reader: Reader, scan: Row) -> dict[str, Any]:
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


def _cases(reader: Reader, limits: Limits, by_hand: ByHand | None) -> dict[str, Any]:
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
    counts = counts_of(reader)["cases"]
    for severity in SEVERITIES:
        members = [row for row in rows if row["severity"] == severity]
        if counts[severity] or members:
            groups.append({"severity": severity, "cases": members, "total": counts[severity]})
    return {"groups": groups, "shown": len(rows), "total": sum(counts.values())}


def _attach_evidence(reader: Reader, findings: list[Row]) -> None:
    """Puts its evidence beside each finding; what a case's lead has said already is not said again."""
    evidence = _grouped(reader.evidence("evidence", finding_ids=[row["finding_id"] for row in findings]), "finding_id")
    said: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in findings:  # of each case the lead comes first
        told = [item for item in evidence.get(row["finding_id"], []) if item["label"] not in _TOLD_ELSEWHERE]
        row["evidence"] = [item for item in told if (item["label"], item["value"]) not in said[row["case_id"]]]
        said[row["case_id"]] |= {(item["label"], item["value"]) for item in told}


def _identities(reader: Reader, keys: Sequence[int]) -> list[Row]:
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


def _partner_pages(reader: Reader, scorecards: Sequence[Row], limits: Limits) -> dict[str, Any]:
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


def _unattributed(reader: Reader, limits: Limits) -> dict[str, Any]:
    """Identities that have to do with partners although none is asserted: disputed, suggested, open to outsiders."""
    rows = reader.rows("unattributed", most=limits.identities_per_partner)
    keys = [row["identity_key"] for row in rows]
    found = {row["identity_key"]: row for row in _identities(reader, keys)}
    return {"identities": [found[key] for key in keys], "total": rows[0]["total"] if rows else 0}


def _lifecycle(reader: Reader, scan: Row, limits: Limits) -> dict[str, Any]:
    partners = [{**row, "contract": contract_state(row)} for row in reader.rows("lifecycle")]
    dates = _grouped(reader.rows("dates"), "partner_id")
    # of a partner that only stands behind an identity in scope neither offboarding nor holdings are let in
    whole = {row["partner_id"] for row in partners}
    timed = [row for row in reader.named("time-to-revoke", partner="") if row["partner_id"] in whole]
    return {
        **programme.stages(partners, dates, as_of=scan["as_of"], most=limits.partners),
        "offboardings": programme.revocations(timed, reader.rows("offboardings")),
        "expiring": programme.expiring(reader.rows("acceptances"), as_of=scan["as_of"]),
    }


def _programme(reader: Reader, offboardings: Sequence[Row]) -> dict[str, Any]:
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


def _unknowns(reader: Reader, limits: Limits) -> list[Row]:
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
