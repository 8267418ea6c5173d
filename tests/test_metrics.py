"""The metrics of the programme: what counts in each, and that what is unknown never makes one look good."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import duckdb
import pytest

from nhiscan import query, store
from nhiscan.errors import QueryError
from tests.report.estate import AS_OF, cover, finding, insert, result, rule, scan

CRM = "salesforce:00Dxx0000001gPL"
REGISTER = "register:main"


def ago(days: float) -> datetime:
    return AS_OF - timedelta(days=days)


@pytest.fixture
def con() -> duckdb.DuckDBPyConnection:
    """Two partners; each has an account of a person in a CRM whose sign-ins of the last 90 days were read."""
    con = store.empty()
    scan(con)
    cover(con, CRM, "usage.logins", history_from=ago(90))
    for number, name in enumerate(("Borealis", "Cobalt"), start=1):
        partner(con, f"P-{number}", name)
        account(con, number, f"P-{number}")
    return con


def partner(con: duckdb.DuckDBPyConnection, partner_id: str, name: str, **more: Any) -> None:
    insert(con, "partners", {"partner_id": partner_id, "name": name})
    told = {"tier": "gold", "has_access": True, "is_ended": False, "contracts": 1}
    insert(con, "partner_facts", {"partner_id": partner_id, "name": name, **told, **more})


def account(con: duckdb.DuckDBPyConnection, key: int, partner_id: str | None, **more: Any) -> None:
    insert(
        con,
        "identity_facts",
        {
            "identity_key": key,
            "identity_id": f"{CRM}:user/{key}",
            "provider": "salesforce",
            "tenant_id": CRM,
            "name": f"user-{key}",
            "kind": "human_user",
            "is_nhi": False,
            "is_enabled": True,
            "is_partner_related": True,
            "partner_id": partner_id,
            "last_used_known": True,
            **more,
        },
    )
    insert(con, "identity_partners", {"identity_key": key, "partner_id": partner_id, "verdict": "asserted"})


def signed_in(con: duckdb.DuckDBPyConnection, key: int, days: float, **more: Any) -> None:
    told = {"identity_key": key, "occurred_at": ago(days), "is_success": True, **more}
    insert(con, "sign_ins", told)


def credential(con: duckdb.DuckDBPyConnection, name: str, **more: Any) -> None:
    told = {"provider": "aws", "partner_id": "P-1", "is_partner_related": True, "is_live": True, "is_replaceable": True}
    insert(con, "credential_facts", {"credential_id": name, **told, **more})


def metrics(con: duckdb.DuckDBPyConnection, **given: str) -> dict[tuple[str, str], dict[str, Any]]:
    """Rows by the beginning of the name and the part they are of."""
    sql, params = query.find("metrics", given)
    answer = con.execute(sql, params)
    names = [column[0] for column in answer.description]
    rows = [dict(zip(names, values, strict=True)) for values in answer.fetchall()]
    return {(row["name"], row["of"] or ""): row for row in rows}


def ratio(con: duckdb.DuckDBPyConnection, name: str, of: str = "", **given: str) -> tuple[Any, Any, Any, Any, bool]:
    """Value, numerator, denominator, unknown and usability of one metric."""
    row = metrics(con, **given)[name, of]
    return row["value"], row["numerator"], row["denominator"], row["unknown"], row["is_usable"]


def test_nothing_read_is_no_value_and_not_usable() -> None:
    con = store.empty()
    rows = metrics(con).values()
    assert [row["name"] for row in rows if row["value"] is not None or row["is_usable"]] == []


def test_sign_ins_are_counted_for_each_account_of_a_person(con: duckdb.DuckDBPyConnection) -> None:
    for days in (1, 2, 29.9):
        signed_in(con, 1, days)
    signed_in(con, 1, 30.1)
    signed_in(con, 1, 3, is_success=False)
    assert ratio(con, "Sign-ins per account of a person in 30 days") == (1.5, 3, 2, 0, True)
    assert ratio(con, "Sign-ins that were refused in 30 days") == (25, 1, 4, 0, True)


def test_an_account_whose_sign_ins_were_not_read_is_unknown(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update coverage set history_from = ? where dataset = 'usage.logins'", [ago(10)])
    signed_in(con, 1, 1)
    assert ratio(con, "Sign-ins per account of a person in 30 days") == (None, 0, 0, 2, False)
    con.execute("update coverage set history_from = ?, status = 'partial' where dataset = 'usage.logins'", [ago(90)])
    assert ratio(con, "Sign-ins that were refused in 30 days")[3:] == (2, False)


def test_a_share_with_more_than_a_fifth_unknown_is_not_usable(con: duckdb.DuckDBPyConnection) -> None:
    for number in range(3, 6):
        account(con, number, "P-1", level=4, mfa_state="registered")
    con.execute("update identity_facts set level = 4, mfa_state = 'none' where identity_key = 1")
    con.execute("update identity_facts set level = 4 where identity_key = 2")
    name = "People with strong rights and a second factor"
    assert ratio(con, name) == (75, 3, 4, 1, True)
    con.execute("update identity_facts set mfa_state = null where identity_key = 3")
    assert ratio(con, name) == (66.7, 2, 3, 2, False)


def test_use_of_partners_is_crossed_with_their_business(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update identity_facts set last_used_at = ? where identity_key = 1", [ago(5)])
    con.execute("update identity_facts set last_used_at = ? where identity_key = 2", [ago(91)])
    con.execute("update partner_facts set last_commercial_activity = ?", [ago(181)])
    assert ratio(con, "Partners in use, without business")[:3] == (50, 1, 2)
    assert ratio(con, "Partners neither in use nor with business")[:3] == (50, 1, 2)
    con.execute("update partner_facts set last_commercial_activity = null")
    assert ratio(con, "Partners in use and with business within 180 days") == (0, 0, 1, 1, False)


def test_a_partner_whose_use_cannot_be_known_is_neither_active_nor_inactive(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update identity_facts set last_used_known = false")
    assert ratio(con, "Partners seen in use within 90 days") == (None, 0, 0, 2, False)


def test_an_ended_partner_is_not_among_the_inactive(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update partner_facts set is_ended = true where partner_id = 'P-2'")
    assert ratio(con, "Partners seen in use within 90 days")[1:3] == (0, 1)


def test_tickets_are_counted_by_category_for_a_hundred_accounts(con: duckdb.DuckDBPyConnection) -> None:
    cover(con, REGISTER, "register.support_tickets")
    for category, days in (("password_reset", 3), ("locked_out", 4), (None, 5), ("password_reset", 31)):
        insert(con, "support_tickets", {"partner_id": "P-1", "category": category, "opened_at": ago(days)})
    assert ratio(con, "Tickets about access per 100 accounts of people in 30 days") == (150, 3, 2, 0, True)
    assert ratio(con, "… of these, forgotten passwords")[:3] == (50, 1, 2)
    assert ratio(con, "… of these, others")[:3] == (50, 1, 2)
    assert ratio(con, "… of these, questions about roles")[:3] == (0, 0, 2)


def test_tickets_that_were_not_read_are_not_zero(con: duckdb.DuckDBPyConnection) -> None:
    assert ratio(con, "Tickets about access per 100 accounts of people in 30 days") == (None, 0, 0, 2, False)


def test_a_ticket_without_a_day_is_unknown(con: duckdb.DuckDBPyConnection) -> None:
    cover(con, REGISTER, "register.support_tickets")
    insert(con, "support_tickets", {"partner_id": "P-1", "category": "locked_out"})
    assert ratio(con, "… of these, locked accounts") == (0, 0, 2, 1, False)


def test_days_to_the_first_sign_in_count_from_the_invitation(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update identity_facts set invited_at = ?, last_used_at = ?", [ago(50), ago(1)])
    signed_in(con, 1, 46)
    signed_in(con, 1, 2)
    signed_in(con, 2, 40)
    assert ratio(con, "Days from invitation to first sign-in, median") == (7, None, 2, 0, True)
    assert ratio(con, "Invitations without a sign-in after 30 days")[:3] == (0, 0, 2)


def test_an_invitation_that_nobody_took_up_counts_as_such_and_not_as_slow(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update identity_facts set invited_at = ? where identity_key = 1", [ago(31)])
    con.execute("update identity_facts set invited_at = ? where identity_key = 2", [ago(29)])
    assert ratio(con, "Invitations without a sign-in after 30 days") == (100, 1, 1, 0, True)
    assert ratio(con, "Days from invitation to first sign-in, median")[0] is None


def test_a_first_sign_in_before_the_history_is_unknown(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update identity_facts set invited_at = ?, last_used_at = ? where identity_key = 1", [ago(200), ago(1)])
    signed_in(con, 1, 1)
    assert ratio(con, "Days from invitation to first sign-in, median") == (None, None, 0, 1, False)


def test_an_owner_of_whom_nobody_knows_whether_they_left_is_unknown(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update identity_facts set is_nhi = true")
    con.execute("update identity_facts set owner_status = 'unknown', active_owners = 1 where identity_key = 1")
    con.execute("update identity_facts set owner_status = 'left', active_owners = 0 where identity_key = 2")
    assert ratio(con, "Partners' machines with an active owner") == (0, 0, 1, 1, False)


def test_ages_of_credentials_leave_out_the_dead_and_say_the_unknown(con: duckdb.DuckDBPyConnection) -> None:
    for name, days in (("a", 10), ("b", 110)):
        credential(con, name, age_days=days)
    credential(con, "dead", age_days=900, is_live=False)
    credential(con, "undated")
    assert ratio(con, "Age of live replaceable credentials, mean") == (60, 120, 2, 1, False)
    assert ratio(con, "Age of live replaceable credentials, 90th percentile")[0] == 100


def test_an_expiry_that_the_source_cannot_say_is_not_one(con: duckdb.DuckDBPyConnection) -> None:
    credential(con, "ends", expiry_known=True, expires_at=AS_OF)
    credential(con, "never", expiry_known=True)
    credential(con, "silent", expiry_known=False)
    assert ratio(con, "Live credentials that never expire") == (50, 1, 2, 1, False)


def test_a_credential_is_kept_in_a_store_only_where_its_value_was_seen_there(con: duckdb.DuckDBPyConnection) -> None:
    for name in ("stored", "outside", "unseen"):
        credential(con, name)
    insert(con, "secret_places", {"credential_id": "outside", "is_stored": False, "is_secret": True})
    name = "Live replaceable credentials kept in a store"
    assert ratio(con, name) == (None, 0, 0, 3, False)  # no store was read that could hold any
    insert(con, "secret_places", {"credential_id": "stored", "is_stored": True, "is_secret": True})
    assert ratio(con, name) == (50, 1, 2, 1, False)


def test_no_leak_is_zero_only_where_texts_were_searched(con: duckdb.DuckDBPyConnection) -> None:
    name = "Live credentials exposed outside every store"
    assert ratio(con, name)[0] is None
    cover(con, "files:repos", "sightings.files")
    assert ratio(con, name) == (0, None, None, 0, True)
    cover(con, "files:repos", "sightings.history", "failed")
    assert ratio(con, name) == (0, None, None, 1, False)
    insert(con, "leak_facts", {"leak_id": "l", "is_live": True})
    assert ratio(con, name)[0] == 1


def test_access_after_the_end_counts_identities_and_their_credentials(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "update identity_facts set has_access = true, contract_is_ended = true, live_credentials = 3"
        " where identity_key = 1"
    )
    con.execute("update identity_facts set has_access = true where identity_key = 2")
    assert ratio(con, "Identities that still have access after the end of the contract") == (1, None, None, 1, False)
    assert ratio(con, "… and their live credentials")[0] == 3
    account(con, 3, None, has_access=True, is_partner_disputed=True)
    assert ratio(con, "Identities that still have access after the end of the contract")[3] == 2


def judged(con: duckdb.DuckDBPyConnection, rule_id: str, **counts: Any) -> None:
    rule(con, rule_id, "high", "NHI5:2025")
    result(con, rule_id, **counts)


def test_too_many_rights_are_a_share_of_identities_that_were_judged(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update identity_facts set is_nhi = true")
    name = "Identities with more rights than needed"
    assert ratio(con, name) == (None, 0, 0, 2, False)
    judged(con, "priv-package-drift", evaluated=2, failed=1, passed=1)
    finding(con, "f", "priv-package-drift", f"{CRM}:user/1", case_id="c")
    assert ratio(con, name) == (50, 1, 2, 0, True)
    finding(con, "u", "priv-unused-privileges", f"{CRM}:user/2", case_id=None)
    judged(con, "priv-unused-privileges", evaluated=2, unknown=1, passed=1)
    assert ratio(con, name) == (100, 1, 1, 1, False)


def test_a_right_beyond_the_package_counts_once_for_each_verb(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update partner_facts set packages = 1 where partner_id = 'P-1'")
    for key in (1, 2):
        for verb in ("read-data", "write-data", "admin"):
            insert(con, "privileges", {"identity_key": key, "verb": verb, "certainty": "definite"})
    insert(con, "package_excess", {"identity_key": 1, "verb": "admin", "certainty": "definite"})
    insert(con, "package_excess", {"identity_key": 1, "verb": "write-data", "certainty": "potential"})
    assert ratio(con, "Rights beyond the packages of the partner") == (50, 1, 2, 1, False)


def test_a_partner_without_a_word_is_on_time_only_where_the_rule_answered(con: duckdb.DuckDBPyConnection) -> None:
    name = "Partners with access whose attestations are on time"
    assert ratio(con, name) == (None, 0, 0, 2, False)
    rule(con, "gov-attestation-overdue", "medium", "NHI1:2025", subject="partner")
    result(con, "gov-attestation-overdue", provider="all", evaluated=2, not_assessed="0 of 2 declared")
    assert ratio(con, name) == (None, 0, 0, 2, False)
    con.execute("update rule_results set not_assessed = null, passed = 1, failed = 1")
    finding(con, "f", "gov-attestation-overdue", "register:main", case_id="c", subject_kind="partner", subject_id="P-1")
    assert ratio(con, name) == (50, 1, 2, 0, True)
    con.execute("update findings set outcome = 'unknown'")
    assert ratio(con, name) == (100, 1, 1, 1, False)


CHECKPOINTS = "Checkpoints of contract events held on time"


def test_a_checkpoint_counts_as_held_only_by_its_day(con: duckdb.DuckDBPyConnection) -> None:
    insert(con, "contracts", {"contract_id": "C", "partner_id": "P-1"})
    days = {"renewed": (5, 6), "expired": (6, 5), "notice": (5, None), "suspended": (-5, None), "signed": (9, None)}
    for kind, (due, done) in days.items():
        told = {"due": ago(due).date(), "done": None if done is None else ago(done).date()}
        insert(con, "contract_events", {"contract_id": "C", "type": kind, **told})
    ahead = {"due": ago(-5).date(), "done": ago(-3).date()}
    insert(con, "contract_events", {"contract_id": "C", "type": "tier_change", **ahead})
    assert ratio(con, CHECKPOINTS) == (33.3, 1, 3, 0, True)


def test_a_review_or_offboarding_is_the_checkpoint_of_an_event(con: duckdb.DuckDBPyConnection) -> None:
    insert(con, "contracts", {"contract_id": "C", "partner_id": "P-1"})
    event = {"contract_id": "C", "occurred": ago(40).date()}
    for kind in ("Renewed", "scope_change", "tier_change"):
        insert(con, "contract_events", {"type": kind, **event})
    held = {"kind": "review", "scope": "access", **event}
    insert(con, "event_checkpoints", {"type": "renewed", "held_at": ago(45), "days_after": -5, **held})
    insert(con, "event_checkpoints", {"type": "scope_change", "held_at": ago(10), "days_after": 30, **held})
    insert(con, "event_checkpoints", {"type": "tier_change", "held_at": ago(90), "days_after": -50, **held})
    assert ratio(con, CHECKPOINTS) == (33.3, 1, 3, 0, True)


def test_an_event_without_any_day_is_unknown(con: duckdb.DuckDBPyConnection) -> None:
    insert(con, "contracts", {"contract_id": "C", "partner_id": "P-1"})
    insert(con, "contract_events", {"contract_id": "C", "type": "renewed"})
    assert ratio(con, CHECKPOINTS) == (None, 0, 0, 1, False)


def test_acceptances_are_counted_in_force_ending_and_past(con: duckdb.DuckDBPyConnection) -> None:
    cover(con, REGISTER, "register.acceptances")
    for name, days in (("long", -90), ("soon", -10), ("past", 1), ("undated", None)):
        expires_at = None if days is None else ago(days)
        insert(con, "acceptance_facts", {"acceptance_id": name, "approved_at": ago(100), "expires_at": expires_at})
    assert ratio(con, "Accepted risks in force")[0] == 2
    assert ratio(con, "… that expire within 30 days")[0] == 1
    assert ratio(con, "Accepted risks that do not count: past their date, or void")[0] == 2
    assert ratio(con, "Age of accepted risks in force, mean")[0] == 100


def test_an_acceptance_that_a_rule_fails_does_not_count(con: duckdb.DuckDBPyConnection) -> None:
    cover(con, REGISTER, "register.acceptances")
    insert(con, "acceptance_facts", {"acceptance_id": "A-1", "approved_at": ago(1), "expires_at": ago(-9)})
    finding(con, "f", "gov-exception-unapproved", REGISTER, case_id="c", subject_kind="acceptance", subject_id="A-1")
    assert ratio(con, "Accepted risks in force")[0] == 0
    assert ratio(con, "… that expire within 30 days")[0] == 0
    assert ratio(con, "Accepted risks that do not count: past their date, or void")[0] == 1


def test_acceptances_that_were_not_read_are_not_none(con: duckdb.DuckDBPyConnection) -> None:
    assert ratio(con, "Accepted risks in force") == (None, None, None, 1, False)


def test_access_without_an_approved_request_counts_of_late(con: duckdb.DuckDBPyConnection) -> None:
    cover(con, REGISTER, "register.requests")
    requests: tuple[dict[str, Any], ...] = (
        {"request_id": "R-1", "channel": "workflow"},
        {"request_id": "R-2", "channel": "email"},
        {"request_id": "R-3", "problem": "nobody approved it"},
        {"request_id": None},
        {"request_id": None, "changed_at": ago(91)},
    )
    for told in requests:
        insert(con, "access_changes", {"identity_key": 1, "changed_at": ago(9), **told})
    assert ratio(con, "Access given in the last 90 days without an approved request") == (75, 3, 4, 0, True)
    con.execute("delete from coverage where dataset = 'register.requests'")
    assert ratio(con, "Access given in the last 90 days without an approved request")[3] == 1


def test_sign_ins_with_a_password_speak_against_single_sign_on(con: duckdb.DuckDBPyConnection) -> None:
    signed_in(con, 1, 1, flow="sso")
    signed_in(con, 2, 1, flow="sso")
    signed_in(con, 2, 2, flow="password")
    name = "People who sign in by single sign-on only"
    assert ratio(con, name) == (50, 1, 2, 0, True)
    signed_in(con, 1, 3, flow=None)
    assert ratio(con, name) == (0, 0, 1, 1, False)


def test_exports_are_counted_with_their_rows(con: duckdb.DuckDBPyConnection) -> None:
    assert ratio(con, "Exports in 30 days")[0] is None
    cover(con, CRM, "usage.exports")
    assert ratio(con, "Exports in 30 days") == (0, None, None, 0, True)
    for days, rows in ((1, 500), (2, None), (31, 9000)):
        told = {"kind": "export", "identity_id": f"{CRM}:user/1", "occurred_at": ago(days), "rows": rows}
        insert(con, "usage", told)
    assert ratio(con, "Exports in 30 days")[0] == 2
    assert ratio(con, "… and the rows they took") == (500, None, None, 1, False)


def test_incidents_of_two_years_are_counted(con: duckdb.DuckDBPyConnection) -> None:
    assert ratio(con, "Incidents of partners in 24 months")[0] is None
    cover(con, REGISTER, "register.incidents")
    for name, days, closed in (("open", 10, None), ("closed", 400, 300), ("old", 800, None)):
        told = {"opened_at": ago(days), "closed_at": None if closed is None else ago(closed)}
        insert(con, "incidents", {"incident_id": name, "partner_id": "P-1", **told})
    assert ratio(con, "Incidents of partners in 24 months")[0] == 2
    assert ratio(con, "… not closed")[0] == 1


def test_adherence_counts_what_was_not_assessed_as_unknown(con: duckdb.DuckDBPyConnection) -> None:
    judged(con, "off-owner-departed", evaluated=10, passed=6, failed=2, unknown=2)
    name = "Questions of all rules that passed"
    assert ratio(con, name) == (75, 6, 8, 2, True)
    judged(con, "gov-stage-owner-missing", evaluated=5, not_assessed="not in the register")
    assert ratio(con, name) == (75, 6, 8, 7, False)
    assert ratio(con, name, "nhi01-improper-offboarding", by="family")[0] == 75


def test_metrics_come_by_partner_with_names_that_two_may_have(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("update partner_facts set name = 'Borealis'")
    con.execute("update partner_facts set business_owner_status = 'active' where partner_id = 'P-2'")
    name = "Partners with an active business owner"
    assert ratio(con, name, "Borealis (P-1)", by="partner")[:3] == (0, 0, 1)
    assert ratio(con, name, "Borealis (P-2)", by="partner")[:3] == (100, 1, 1)
    assert ratio(con, name, partner="P-2")[:3] == (100, 1, 1)
    assert ratio(con, name, "gold", by="tier")[:3] == (50, 1, 2)


def test_an_unknown_part_is_an_error_that_names_the_known_ones(con: duckdb.DuckDBPyConnection) -> None:
    with pytest.raises(QueryError) as raised:
        metrics(con, by="vendor")
    assert raised.value.hint == "known: family, partner, provider, tier"


def test_a_checkpoint_that_is_due_today_is_not_late(con: duckdb.DuckDBPyConnection) -> None:
    insert(con, "contracts", {"contract_id": "C", "partner_id": "P-1"})
    insert(con, "contract_events", {"contract_id": "C", "type": "expired", "due": AS_OF.date()})
    assert ratio(con, CHECKPOINTS)[2] == 0
