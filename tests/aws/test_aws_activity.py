"""CloudTrail's event history and access advisor: whose uses they are, and what is said when they are not all there."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from fixtures.aws.simulator import Fault, Simulator, denied
from tests.aws.conftest import AS_OF, Scan
from tests.aws.parts import TENANT, read

BOTH = ("us-east-1", "eu-central-1")


def event(scan: Scan, number: int, suffix: str = "") -> Any:
    return scan.one("usage", event_id=f"{TENANT}:event/00000000-0000-0000-0000-00000000e{number:03}{suffix}")


@pytest.fixture
def history(simulator: Simulator) -> Scan:
    return read(simulator, "activity", regions=BOTH)


def test_a_sign_in_names_the_user_and_the_password(history: Scan) -> None:
    use = event(history, 1)
    assert (use.kind, use.outcome, use.is_interactive) == ("login", "success", True)
    assert (use.identity_id, use.credential_id) == (f"{TENANT}:user/anna", f"{TENANT}:password/anna")
    assert use.source_ip == "203.0.113.9"


def test_a_refused_sign_in_is_a_failure(history: Scan) -> None:
    assert event(history, 2).outcome == "failure"


def test_an_outside_account_that_becomes_a_role_is_a_call_of_it_and_a_login_of_the_role(history: Scan) -> None:
    call, login = event(history, 3), event(history, 3, "/session")
    role = f"{TENANT}:role/partners/nordwind-billing"
    assert (call.kind, call.identity_id, call.target) == (
        "call",
        "aws:444444444444:unique_id/AIDA000000444EXAMPLE",
        role,
    )
    assert (login.kind, login.identity_id, login.outcome) == ("login", role, "success")


def test_a_key_that_was_refused_a_role_is_named(history: Scan) -> None:
    call = event(history, 4)
    assert (call.outcome, call.credential_id) == ("failure", f"{TENANT}:access_key/AKIA000000005EXAMPLE")
    assert call.target == "aws:222222222222:role/nhiscan"


def test_aws_itself_becoming_a_role_is_no_use(history: Scan) -> None:
    assert not [use for use in history.of("usage") if "e005" in use.event_id]


def test_a_web_identity_shows_as_a_login_of_its_role_alone(history: Scan) -> None:
    assert event(history, 9, "/session").identity_id == f"{TENANT}:role/deploy-shop"
    assert not [use for use in history.of("usage") if use.event_id.endswith("e009")]


def test_deactivating_a_key_is_its_revocation_by_whoever_holds_the_session(history: Scan) -> None:
    use = event(history, 6)
    assert (use.kind, use.target) == ("revocation", f"{TENANT}:access_key/AKIA000000002EXAMPLE")
    assert use.identity_id == f"{TENANT}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Admin_0123456789abcdef"
    assert use.credential_id is None  # a session's own key is no credential of ours


def test_a_changed_role_is_found_by_its_name_below_its_path(history: Scan) -> None:
    use = event(history, 7)
    assert (use.kind, use.target) == ("role_change", f"{TENANT}:role/partners/nordwind-billing")
    assert use.credential_id == f"{TENANT}:access_key/AKIA000000001EXAMPLE"


def test_the_root_user_and_a_deleted_user_have_their_ids(history: Scan) -> None:
    use = event(history, 8)
    assert (use.identity_id, use.target) == (f"{TENANT}:root", f"{TENANT}:user/gone")


def test_what_is_older_than_ninety_days_is_not_asked_for(history: Scan) -> None:
    assert {use.action for use in history.of("usage")}.isdisjoint({"CreateAccessKey"})
    said = history.coverage("usage.calls")
    assert (said.status, said.history_from) == ("complete", AS_OF - timedelta(days=90))


def test_a_later_scan_asks_only_for_what_is_new_and_an_hour_more(simulator: Simulator) -> None:
    since = AS_OF - timedelta(days=3)
    found = read(simulator, "activity", regions=BOTH, since=since)
    starts = {params["StartTime"] for call, params in simulator.calls if call == "cloudtrail:LookupEvents"}
    assert starts == {since - timedelta(hours=1)}
    assert found.coverage("usage.calls").history_from == AS_OF - timedelta(days=90)


def test_iam_is_asked_for_at_home_although_the_region_is_not_scanned(simulator: Simulator) -> None:
    found = read(simulator, "activity", regions=("eu-central-1",))
    assert event(found, 7).action == "AttachRolePolicy"


def test_pages_give_the_same_events(simulator: Simulator, history: Scan) -> None:
    simulator.world.page_size = 1
    assert set(read(simulator, "activity", regions=BOTH).of("usage")) == set(history.of("usage"))


def test_a_budget_of_pages_says_where_history_ends(simulator: Simulator) -> None:
    simulator.world.page_size = 1
    found = read(simulator, "activity", event_pages=1)
    said = found.coverage("usage.calls")
    assert said.status == "truncated"
    assert said.history_from == event(found, 1).occurred_at
    assert said.reason == "more than 50 events (event_pages) of us-east-1 (ConsoleLogin)"


def test_one_region_denied_is_partial_and_named(simulator: Simulator) -> None:
    refused = denied("cloudtrail:LookupEvents")
    simulator.faults = [Fault(refused.operation, 403, "AccessDeniedException", refused.message, region="eu-central-1")]
    said = read(simulator, "activity", regions=BOTH).coverage("usage.calls")
    assert (said.status, said.missing_permission) == ("partial", "cloudtrail:LookupEvents")
    assert said.reason is not None
    assert said.reason.startswith("events in eu-central-1: AccessDeniedException")


def test_no_permission_at_all_is_denied(simulator: Simulator) -> None:
    simulator.faults = [Fault("cloudtrail:LookupEvents", 400, "AccessDeniedException")]
    assert read(simulator, "activity").statuses()["usage.calls"] == "denied"


HOSTILE = ["not json", "[]", '{"userIdentity": null}', '{"userIdentity": "x", "requestParameters": [1]}', "null"]


@pytest.mark.parametrize("detail", HOSTILE)
def test_a_strange_event_never_ends_the_scan(simulator: Simulator, detail: str) -> None:
    events = simulator.world.accounts["111111111111"]["events"]
    events[:] = [events[0] | {"Detail": detail}]
    found = read(simulator, "activity")
    is_read = detail.startswith("{")
    assert len(found.of("usage")) == is_read
    assert found.statuses()["usage.calls"] == ("complete" if is_read else "partial")


def test_access_advisor_dates_services_and_knows_those_never_used(simulator: Simulator) -> None:
    simulator.world.job_rounds = 1
    found = read(simulator, "advisor")
    uses = {(use.identity_id, use.service): use.last_used_at for use in found.of("service_uses")}
    upload = f"{TENANT}:user/partners/upload"
    assert uses[upload, "kms"] is None
    assert uses[upload, "s3"].isoformat() == "2026-01-30T01:00:00+00:00"
    said = found.coverage("usage.services")
    assert (said.status, said.history_from) == ("complete", AS_OF - timedelta(days=400))


def test_a_job_is_waited_for(simulator: Simulator, no_waiting: list[float]) -> None:
    simulator.world.job_rounds = 3
    assert read(simulator, "advisor").statuses()["usage.services"] == "complete"
    assert no_waiting


def test_a_job_that_never_ends_is_given_up(simulator: Simulator, no_waiting: list[float]) -> None:
    simulator.world.job_rounds = 0
    said = read(simulator, "advisor", last_accessed_limit=1).coverage("usage.services")
    assert said.status == "failed"
    assert "was not done after 24 seconds" in str(said.reason)


def test_services_page(simulator: Simulator) -> None:
    whole = read(simulator, "advisor").of("service_uses")
    simulator.world.page_size = 1
    assert read(simulator, "advisor").of("service_uses") == whole


def test_beyond_the_limit_is_truncated_and_counted(simulator: Simulator) -> None:
    said = read(simulator, "advisor", last_accessed_limit=5).coverage("usage.services")
    assert (said.status, said.reason) == ("truncated", "asked for 5 of 13 users and roles (last_accessed_limit)")


def test_roles_that_aws_uses_itself_are_not_asked_for(simulator: Simulator) -> None:
    read(simulator, "advisor")
    asked = [params["Arn"] for call, params in simulator.calls if call == "iam:GenerateServiceLastAccessedDetails"]
    assert asked
    assert not [arn for arn in asked if "/aws-service-role/" in arn]
