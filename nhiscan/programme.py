"""What a report says of the programme as a whole: stages and dates of partners, and the evidence for each control.

Pure functions over rows. A control is evidenced only by answers: rules that were not assessed, or of which everything
is unknown, are named and count for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any, Final

Row = dict[str, Any]

MOST_UNKNOWN: Final = 0.2  # of what was asked; above it, nothing is shown as held
_AHEAD: Final = timedelta(days=30)

_CSF: Final = {
    "GV.OC-03": "Legal and contractual duties are known and managed",
    "GV.OV-01": "Outcomes of the risk strategy are reviewed",
    "GV.OV-02": "The strategy is adjusted to what was found",
    "GV.OV-03": "Performance of risk management is evaluated",
    "GV.PO-01": "Policy is set and enforced",
    "GV.RM-04": "It is decided how risks are answered",
    "GV.RM-05": "Lines of communication about risk include third parties",
    "GV.RM-06": "Risks are scored by one written method",
    "GV.RR-02": "Roles and authority are clear",
    "GV.RR-04": "Security is part of how people come and go",
    "GV.SC-01": "There is a programme for third parties",
    "GV.SC-02": "Roles of partners are set",
    "GV.SC-03": "It is part of the company's risk management",
    "GV.SC-04": "Partners are known and ranked",
    "GV.SC-05": "Requirements stand in contracts",
    "GV.SC-06": "Diligence comes before the relation",
    "GV.SC-07": "Risk is assessed and monitored throughout",
    "GV.SC-08": "Partners are part of incident planning",
    "GV.SC-09": "Performance of the programme is monitored",
    "GV.SC-10": "What happens after the end is provided for",
}
_AI_RMF: Final = {
    "GOVERN 1.4": "controls are open to inspection",
    "GOVERN 1.5": "reviews at set intervals",
    "GOVERN 1.6": "an inventory",
    "GOVERN 1.7": "safe decommissioning",
    "GOVERN 2.1": "clear roles",
    "GOVERN 2.3": "leaders answer for risk",
    "GOVERN 3.2": "people who oversee what acts by itself",
    "GOVERN 6.1": "policy for risks from third parties",
    "GOVERN 6.2": "contingency when a third party fails",
    "MAP 1.5": "tolerance for risk",
    "MAP 3.5": "oversight by people",
    "MAP 4.1": "third parties' components are mapped",
    "MAP 4.2": "controls for them",
    "MAP 5.1": "likelihood and size of impact",
    "MEASURE 1.1": "metrics are chosen",
    "MEASURE 1.2": "effect of controls is assessed",
    "MEASURE 2.4": "behaviour in production is monitored",
    "MEASURE 2.7": "security is evaluated",
    "MEASURE 2.8": "accountability is evaluated",
    "MEASURE 2.10": "privacy is evaluated",
    "MEASURE 3.1": "risks are tracked",
    "MANAGE 1.2": "risks are put in order",
    "MANAGE 1.3": "answers to risks are planned",
    "MANAGE 1.4": "what risk remains is written down",
    "MANAGE 2.3": "answers to unknown risks",
    "MANAGE 2.4": "disengaging and switching off",
    "MANAGE 3.1": "third parties are monitored",
    "MANAGE 4.1": "a plan for the time in use",
    "MANAGE 4.2": "improvement is continuous",
    "MANAGE 4.3": "incidents are followed up and told",
}
# Outcomes of the programme, which no single rule shows: what all rules about third parties say together.
_ROLLED_UP: Final = frozenset({"GV.OV-01", "GV.OV-02", "GV.OV-03", "GV.SC-01", "GV.SC-03", "GV.SC-09"})
_KEPT: Final = {
    "GV.OV-01": ("completed reviews", "attestations", "accepted risks"),
    "GV.OV-03": ("completed reviews",),
    "GV.RR-02": ("stage owners",),
    "GV.SC-02": ("stage owners",),
    "GV.SC-04": ("partners", "partners with tier and criticality"),
    "GV.SC-05": ("contracts", "package assignments"),
    "GV.SC-06": ("partners with due diligence",),
    "GV.SC-07": ("completed reviews", "attestations", "contract events"),
    "GV.SC-08": ("incidents",),
    "GV.SC-10": ("offboardings", "verified offboardings"),
    "GOVERN 1.5": ("completed reviews",),
    "GOVERN 1.7": ("offboardings", "verified offboardings"),
    "GOVERN 6.1": ("partners with due diligence", "contracts"),
    "MANAGE 1.4": ("accepted risks",),
    "MANAGE 3.1": ("attestations",),
    "MANAGE 4.3": ("incidents",),
}


def stages(
    partners: Iterable[Row], dates: Mapping[str, Sequence[Row]], *, as_of: datetime, most: int
) -> dict[str, Any]:
    """Partners with what is past due and what comes next; those whose contract ended and who have access come first."""
    today = as_of.date()
    rows = []
    for partner in partners:
        known = [{**row, "falls_on": _day(row["falls_on"])} for row in dates.get(partner["partner_id"], ())]
        past = [row for row in known if row["falls_on"] < today]
        ahead = [row for row in known if row["falls_on"] >= today]
        is_left_open = bool(partner["is_ended"]) and partner["has_access"] is not False
        if partner["stage"] or known or partner["has_access"] is not False:
            rows.append({**partner, "past": past, "next": ahead[0] if ahead else None, "is_left_open": is_left_open})
    rows.sort(
        key=lambda row: (
            not (row["is_left_open"] and row["has_access"]),
            not row["is_left_open"],
            "fail" not in (row["review"], row["attestation"]),
            -len(row["past"]),
            row["next"]["falls_on"] if row["next"] else date.max,
            str(row["name"]),
            row["partner_id"],
        )
    )
    return {"rows": rows[:most], "total": len(rows), "left_open": sum(bool(row["is_left_open"]) for row in rows)}


def revocations(timed: Iterable[Row], offboardings: Iterable[Row]) -> list[Row]:
    """Rows of the query `time-to-revoke`, each with its offboarding; an ended partner may have none."""
    known = {row["offboarding_id"]: row for row in offboardings}
    return [{**row, "offboarding": known.get(row["offboarding_id"])} for row in timed]


def time_to_revoke(rows: Sequence[Row]) -> list[Row]:
    """Metrics of how long access outlived its reason; what still runs is unknown, lest the others look good."""
    hours = sorted(row["hours"] for row in rows if row["is_running"] is False and row["hours"] is not None)
    limits = [row["limit_kept"] for row in rows if row["limit_kept"] not in ("no limit", "not yet due")]
    judged = [limit for limit in limits if limit in ("in time", "late")]
    closed = [row["offboarding"] for row in rows if row["offboarding"] and row["offboarding"]["closed_at"] is not None]
    open_ends = len(rows) - len(hours)
    return [
        _metric("Hours until the last access was gone, median", "hours", _quantile(hours, 0.5), None, hours, open_ends),
        _metric("… and the 90th percentile", "hours", _quantile(hours, 0.9), None, hours, open_ends),
        _share(
            "Ends of partners with all access gone in time", judged.count("in time"), judged, len(limits) - len(judged)
        ),
        _share(
            "Closed offboardings that were verified", sum(row["verified_at"] is not None for row in closed), closed, 0
        ),
    ]


def _share(name: str, part: int, whole: Sequence[Any], unknown: int) -> Row:
    return _metric(name, "%", round(100 * part / len(whole), 1) if whole else None, part, whole, unknown)


def _metric(name: str, unit: str, value: float | None, part: int | None, whole: Sequence[Any], unknown: int) -> Row:
    return {
        "metric": "M-12",
        "name": name,
        "value": value,
        "unit": unit,
        "numerator": part,
        "denominator": len(whole),
        "unknown": unknown,
        "is_usable": bool(whole) and unknown <= MOST_UNKNOWN * (len(whole) + unknown),
    }


def _quantile(values: Sequence[float], share: float) -> float | None:
    """Between neighbours, as DuckDB's quantile_cont does it; `values` in order."""
    if not values:
        return None
    place = share * (len(values) - 1)
    below = int(place)
    above = min(below + 1, len(values) - 1)
    return round(values[below] + (values[above] - values[below]) * (place - below), 1)


def expiring(acceptances: Iterable[Row], *, as_of: datetime) -> list[Row]:
    """Acceptances that ran out or do so within 30 days, or that name no day, the oldest first."""
    today = as_of.date()
    rows = [row for row in acceptances if row["expires_at"] is None or _day(row["expires_at"]) <= today + _AHEAD]
    rows.sort(key=lambda row: (row["expires_at"] is not None, row["expires_at"] or date.max, row["acceptance_id"]))
    return [{**row, "is_past": row["expires_at"] is not None and _day(row["expires_at"]) < today} for row in rows]


def controls(rules: Sequence[Row], kept: Mapping[str, int], *, has_agents: bool) -> list[dict[str, Any]]:
    """Controls in groups, CSF governance and the functions of the AI RMF, each with answers and what they amount to."""
    csf = [row for row in rules if row["framework"] == "nist_csf_2_0"]
    ai_rmf = [row for row in rules if row["framework"] == "nist_ai_rmf_1_0"]
    third_parties = [row for row in csf if row["control_id"].startswith("GV.SC-")]
    note = None if has_agents else "by analogy: no identity in this scan is known to be a model that acts"
    govern = {
        "title": "NIST CSF 2.0, Govern",
        "note": None,
        "controls": [
            _control(
                control_id,
                title,
                [row for row in csf if row["control_id"] == control_id],
                kept,
                together=third_parties if control_id in _ROLLED_UP else (),
            )
            for control_id, title in _titled(_CSF, csf)
        ],
    }
    functions = [
        {
            "title": f"NIST AI RMF 1.0, {function}",
            "note": note,
            "controls": [
                _control(control_id, title, [row for row in ai_rmf if row["control_id"] == control_id], kept)
                for control_id, title in _titled(_AI_RMF, ai_rmf)
                if control_id.split(" ")[0] == function
            ],
        }
        for function in ("GOVERN", "MAP", "MEASURE", "MANAGE")
    ]
    return [govern, *functions]


def _titled(titles: Mapping[str, str], rules: Iterable[Row]) -> list[tuple[str, str]]:
    """Every control that has a title, and those that only a rule names."""
    named = {**dict.fromkeys(row["control_id"] for row in rules), **titles}
    return [(control_id, named[control_id] or "") for control_id in sorted(named, key=_in_order)]


def _in_order(control_id: str) -> tuple[str, list[int]]:
    """GOVERN 2.10 comes after GOVERN 2.9."""
    words = control_id.replace("-", " ").replace(".", " ").split()
    return " ".join(word for word in words if not word.isdigit()), [int(word) for word in words if word.isdigit()]


def _control(
    control_id: str, title: str, own: Sequence[Row], kept: Mapping[str, int], *, together: Sequence[Row] = ()
) -> Row:
    rules = list({row["rule_id"]: row for row in (*own, *together)}.values())
    failed, passed, unknown = (sum(row[name] for row in rules) for name in ("failed", "passed", "unknown"))
    return {
        "control_id": control_id,
        "title": title,
        "is_rolled_up": control_id in _ROLLED_UP,
        "own": own,
        "rules": len(rules),
        "answering": sum(row["failed"] + row["passed"] > 0 for row in rules),
        "not_assessed": sum(row["not_assessed"] is not None for row in rules),
        "failed": failed,
        "passed": passed,
        "unknown": unknown,
        "kept": [(name, kept[name]) for name in _KEPT.get(control_id, ())],
        "state": _state(len(rules), failed, passed, unknown),
    }


def _state(rules: int, failed: int, passed: int, unknown: int) -> str:
    if not rules:
        return "no rule"
    if not failed + passed:
        return "no evidence: all unknown" if unknown else "no evidence: nothing judged"
    if failed:
        return "evidence of gaps"
    if unknown > MOST_UNKNOWN * (passed + unknown):
        return "too much unknown"
    return "evidence that it holds"


def _day(value: date | datetime) -> date:
    return value.date() if isinstance(value, datetime) else value
