"""Stages, dates and evidence: what is past comes first, and nothing counts as evidence that nobody could answer."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import pytest

from nhiscan import programme

AS_OF = datetime(2026, 1, 31, 2)


def partner(partner_id: str, **more: Any) -> dict[str, Any]:
    told = {"name": partner_id, "stage": None, "is_ended": False, "has_access": True, "review": None}
    return {"partner_id": partner_id, **told, "attestation": None, **more}


def order(*partners: dict[str, Any], **dates: list[date]) -> list[str]:
    rows = {key: [{"falls_on": day, "what": "due"} for day in days] for key, days in dates.items()}
    return [row["partner_id"] for row in programme.stages(partners, rows, as_of=AS_OF, most=9)["rows"]]


def test_an_ended_partner_with_access_comes_before_everybody() -> None:
    late = partner("late", review="fail")
    left = partner("left", is_ended=True)
    unclear = partner("unclear", is_ended=True, has_access=None)
    gone = partner("gone", is_ended=True, has_access=False, stage="ended")
    assert order(gone, late, unclear, left) == ["left", "unclear", "late", "gone"]


def test_what_is_past_due_comes_before_what_comes_soon() -> None:
    dates = {"past": [date(2026, 1, 30)], "soon": [date(2026, 2, 1)], "later": [date(2026, 3, 1)]}
    assert order(partner("later"), partner("soon"), partner("past"), **dates) == ["past", "soon", "later"]


def test_a_day_is_past_only_when_it_is_over() -> None:
    days = {"p": [{"falls_on": date(2026, 1, 31), "what": "x"}, {"falls_on": datetime(2026, 1, 30), "what": "y"}]}
    (row,) = programme.stages([partner("p")], days, as_of=AS_OF, most=1)["rows"]
    assert [entry["what"] for entry in row["past"]] == ["y"]
    assert row["next"]["what"] == "x"


def test_a_partner_of_whom_nothing_is_known_is_left_out_and_a_cut_list_says_how_many_there_are() -> None:
    quiet = partner("quiet", has_access=False)
    told = programme.stages([quiet, partner("a"), partner("b", is_ended=True)], {}, as_of=AS_OF, most=1)
    assert ([row["partner_id"] for row in told["rows"]], told["total"], told["left_open"]) == (["b"], 2, 1)


def test_acceptances_run_out_within_thirty_days_or_name_no_day() -> None:
    days = {"past": date(2026, 1, 30), "today": date(2026, 1, 31), "edge": date(2026, 3, 2), "far": date(2026, 3, 3)}
    rows = [{"acceptance_id": name, "expires_at": day} for name, day in {**days, "none": None}.items()]
    told = programme.expiring(rows, as_of=AS_OF)
    assert [row["acceptance_id"] for row in told] == ["none", "past", "today", "edge"]
    assert [row["acceptance_id"] for row in told if row["is_past"]] == ["past"]


def answer(control: str, rule_id: str = "r", framework: str = "nist_csf_2_0", **counts: Any) -> dict[str, Any]:
    told = {"title": rule_id, "failed": 0, "passed": 0, "unknown": 0, "not_assessed": None}
    return {"framework": framework, "control_id": control, "rule_id": rule_id, **told, **counts}


class AnyNumber(dict[str, int]):
    def __missing__(self, key: str) -> int:
        return 3


def control(name: str, *rules: dict[str, Any]) -> dict[str, Any]:
    groups = programme.controls(rules, AnyNumber(), has_agents=False)
    found: dict[str, dict[str, Any]] = {entry["control_id"]: entry for group in groups for entry in group["controls"]}
    return found[name]


@pytest.mark.parametrize(
    ("counts", "state"),
    [
        ({"passed": 9}, "evidence that it holds"),
        ({"passed": 8, "unknown": 2}, "evidence that it holds"),
        ({"passed": 7, "unknown": 2}, "too much unknown"),
        ({"passed": 9, "failed": 1, "unknown": 90}, "evidence of gaps"),
        ({"unknown": 4}, "no evidence: all unknown"),
        ({"not_assessed": "not in the register"}, "no evidence: nothing judged"),
    ],
)
def test_a_control_amounts_to_what_its_rules_answered(counts: dict[str, Any], state: str) -> None:
    assert control("GV.SC-10", answer("GV.SC-10", **counts))["state"] == state


def test_a_control_without_a_rule_is_no_evidence_whatever_records_there_are() -> None:
    told = control("GV.SC-06")
    assert (told["state"], told["kept"]) == ("no rule", [("partners with due diligence", 3)])


def test_outcomes_of_the_programme_are_rolled_up_from_all_rules_about_third_parties() -> None:
    rules = (
        answer("GV.SC-07", "a", passed=4),
        answer("GV.SC-10", "a", passed=4),
        answer("GV.SC-10", "b", failed=2),
        answer("GV.OV-01", "c", passed=1),
        answer("GV.RR-02", "d", failed=100),
    )
    told = control("GV.OV-01", *rules)
    assert (told["failed"], told["passed"], told["rules"], told["answering"]) == (2, 5, 3, 3)
    assert [rule["rule_id"] for rule in told["own"]] == ["c"]
    assert control("GV.SC-07", *rules)["failed"] == 0


def test_controls_of_the_ai_rmf_stand_under_their_function_in_the_order_of_their_numbers() -> None:
    rule = answer("MEASURE 2.13", framework="nist_ai_rmf_1_0", passed=1)
    groups = {group["title"]: group for group in programme.controls([rule], AnyNumber(), has_agents=False)}
    named = [entry["control_id"] for entry in groups["NIST AI RMF 1.0, MEASURE"]["controls"]]
    assert named == sorted(named, key=lambda name: tuple(map(int, name.split(" ")[1].split("."))))
    assert "MEASURE 2.13" in named


@pytest.mark.parametrize(("has_agents", "said"), [(False, True), (True, False)])
def test_the_ai_rmf_is_met_by_analogy_unless_a_model_acts(has_agents: bool, said: bool) -> None:
    notes = [group["note"] for group in programme.controls([], AnyNumber(), has_agents=has_agents)]
    assert notes[0] is None
    assert [bool(note and "by analogy" in note) for note in notes[1:]] == [said] * 4


def ended(hours: int | None = None, *, is_running: bool | None = False, limit: str = "no limit") -> dict[str, Any]:
    return {"offboarding_id": None, "hours": hours, "is_running": is_running, "limit_kept": limit, "offboarding": None}


def revoked(*rows: dict[str, Any]) -> dict[str, tuple[Any, Any, Any, Any, bool]]:
    told = programme.time_to_revoke(rows)
    names = ("value", "numerator", "denominator", "unknown", "is_usable")
    return {row["name"]: tuple(row[name] for name in names) for row in told}


def test_what_still_runs_does_not_make_the_time_to_revoke_look_good() -> None:
    done = [ended(hours) for hours in (10, 20, 40, 80)]
    assert revoked(*done)["Hours until the last access was gone, median"] == (30, None, 4, 0, True)
    assert revoked(*done)["… and the 90th percentile"] == (68, None, 4, 0, True)
    running = ended(9000, is_running=True)
    assert revoked(*done, running)["Hours until the last access was gone, median"] == (30, None, 4, 1, True)
    unclear = ended(None, is_running=None)
    assert revoked(*done, running, unclear)["Hours until the last access was gone, median"][3:] == (2, False)


def test_an_end_that_is_not_due_yet_is_neither_in_time_nor_late() -> None:
    limits = ("in time", "late", "late", "not yet due", "no limit", "cannot be said")
    told = revoked(*(ended(limit=limit) for limit in limits))
    assert told["Ends of partners with all access gone in time"] == (33.3, 1, 3, 1, False)


def test_no_end_is_no_time() -> None:
    assert {row[0] for row in revoked().values()} == {None}
    assert {row[4] for row in revoked().values()} == {False}


def test_only_closed_offboardings_can_be_verified() -> None:
    known: list[dict[str, Any]] = [
        {"offboarding_id": "a", "closed_at": AS_OF, "verified_at": AS_OF},
        {"offboarding_id": "b", "closed_at": AS_OF, "verified_at": None},
        {"offboarding_id": "c", "closed_at": None, "verified_at": None},
    ]
    rows = programme.revocations([{**ended(), "offboarding_id": name} for name in "abcd"], known)
    assert revoked(*rows)["Closed offboardings that were verified"] == (50, 1, 2, 0, True)
