"""Everything that goes wrong at HubSpot is a coverage row, or a retry that ends."""

from __future__ import annotations

import pytest

from collectors.hubspot.reading import Reader
from fixtures.hubspot.account import ANNA
from fixtures.hubspot.simulator import ACTIVITY, DETAILS, OWNERS, READING, USAGE, USERS, Simulator
from nhiscan import http
from nhiscan.collect import Context, Refusal, run
from nhiscan.errors import ConfigError
from nhiscan.secret import Secret
from tests.hubspot.conftest import TENANT, collector, scan, token
from tests.web import Said, in_turn, serving

SECURITY, LOGIN, AUDIT = f"{ACTIVITY}/security", f"{ACTIVITY}/login", f"{ACTIVITY}/audit-logs"
FOLDED = ("apps", "credentials", "credentials.created")


def forbid(simulator: Simulator, *scopes: str) -> None:
    simulator.tokens[token(simulator)] = READING - set(scopes)


# Tokens and scopes


def test_a_token_that_is_no_good_is_said_once_for_everything(simulator: Simulator) -> None:
    said = scan(simulator, token=Secret("of-nobody"))
    assert {record.tenant_id for record in said.of("coverage")} == {"hubspot:*"}
    assert set(said.statuses().values()) == {"failed"}
    assert "the token is no good" in str(said.coverage("apps", "hubspot:*").reason)
    assert len(simulator.calls) == 1


def test_a_token_that_ends_in_the_middle_leaves_nothing_complete(simulator: Simulator) -> None:
    simulator.nasty.token_ends_after = 8
    said = scan(simulator)
    assert set(said.statuses().values()) == {"failed"}
    assert "the token is no good" in str(said.coverage("usage.audit").reason)


@pytest.mark.parametrize(
    ("scope", "datasets"),
    [
        ("account-info.security.read", {"usage.audit", "usage.exports", "usage.logins", "usage.calls"}),
        ("settings.users.read", {"grants"}),
    ],
)
def test_a_missing_scope_is_named(simulator: Simulator, scope: str, datasets: set[str]) -> None:
    forbid(simulator, scope)
    said = scan(simulator)
    for dataset in datasets:
        assert said.coverage(dataset).status == "denied"
        assert f"scope {scope}" in str(said.coverage(dataset).missing_permission)
        assert "(HTTP 403)" in str(said.coverage(dataset).reason)


def test_without_security_activity_apps_are_not_called_concluded(simulator: Simulator) -> None:
    forbid(simulator, "account-info.security.read")
    said = scan(simulator)
    for dataset in FOLDED:
        assert said.coverage(dataset).status == "denied"
        assert said.coverage(dataset).missing_permission == "scope account-info.security.read"
    assert said.coverage("settings.sign_in").status == "denied"
    assert said.coverage("identities").status == "complete"


def test_without_teams_or_owners_the_rest_is_read(simulator: Simulator) -> None:
    forbid(simulator, "settings.users.teams.read", "crm.objects.owners.read")
    said = scan(simulator)
    assert said.coverage("memberships").status == said.coverage("identities").status == "partial"
    assert said.coverage("memberships").missing_permission == "scope settings.users.teams.read"
    assert "scope crm.objects.owners.read" in str(said.coverage("identities").missing_permission)
    assert {row.group_id for row in said.of("memberships")} == {
        f"{TENANT}:{g}" for g in ("role/77", "team/31", "team/32")
    }
    assert said.identity("team/31").name == "31"


def test_without_the_accounts_id_nothing_can_be_said(simulator: Simulator) -> None:
    forbid(simulator, "oauth")
    said = scan(simulator)
    assert {record.tenant_id for record in said.of("coverage")} == {"hubspot:*"}
    assert "the account cannot be named" in str(said.coverage("identities", "hubspot:*").reason)


def test_an_audit_log_without_the_licence_is_not_licensed(simulator: Simulator) -> None:
    simulator.account.is_enterprise = False
    said = scan(simulator)
    assert said.coverage("usage.calls").status == "not_licensed"
    assert "Enterprise" in str(said.coverage("usage.calls").reason)
    assert said.coverage("usage.audit").status == "complete"


def test_an_audit_log_without_the_scope_is_denied(simulator: Simulator) -> None:
    simulator.account.is_enterprise = False
    forbid(simulator, "account-info.security.read")
    assert scan(simulator).coverage("usage.calls").status == "denied"


# Limits


def test_the_limit_of_ten_seconds_is_waited_for(simulator: Simulator, pauses: list[float]) -> None:
    quiet = scan(simulator)
    simulator.nasty.busy = 3
    assert len(scan(simulator).records) == len(quiet.records)
    assert pauses == [10.0, 10.0, 10.0]


def test_the_pause_is_the_one_that_hubspot_wants(simulator: Simulator, pauses: list[float]) -> None:
    simulator.nasty.busy, simulator.nasty.retry_after = 1, "4"
    assert scan(simulator).coverage("usage.audit").status == "complete"
    assert pauses == [4.0]


def test_waiting_for_the_limit_ends(simulator: Simulator, pauses: list[float]) -> None:
    simulator.nasty.busy = 10_000
    said = scan(simulator)
    assert set(said.statuses().values()) == {"failed"}
    assert "limit of calls in ten seconds" in str(said.coverage("apps", "hubspot:*").reason)
    assert len(simulator.calls) == len(pauses) == 6


def test_the_daily_limit_is_not_asked_against(simulator: Simulator, pauses: list[float]) -> None:
    simulator.nasty.daily_after = 8
    said = scan(simulator)
    assert len(simulator.calls) == 9
    assert pauses == []
    assert said.coverage("usage.audit").status == "complete"
    for dataset in ("usage.logins", "usage.calls"):
        assert said.coverage(dataset).status == "failed"
        assert "calls of today are used up" in str(said.coverage(dataset).reason)


def test_the_daily_limit_in_the_middle_of_a_stream_leaves_it_partial(simulator: Simulator) -> None:
    simulator.page = 5
    simulator.nasty.daily_after = 9
    said = scan(simulator)
    assert said.coverage("usage.audit").status == said.coverage("apps").status == "partial"
    assert said.coverage("usage.logins").status == "failed"


def test_the_daily_limit_at_the_first_call_is_said(simulator: Simulator) -> None:
    simulator.nasty.daily_after = 0
    said = scan(simulator)
    assert "calls of today are used up" in str(said.coverage("apps", "hubspot:*").reason)
    assert len(simulator.calls) == 1


def test_a_scan_takes_no_more_than_its_share_of_the_day(simulator: Simulator) -> None:
    simulator.account.daily_calls = 85
    said = scan(simulator)
    assert len(simulator.calls) == 8
    assert said.coverage("usage.audit").status == "complete"
    assert said.coverage("usage.logins").status == "truncated"
    assert "no more than 10% of the account's 85 calls a day" in str(said.coverage("usage.logins").reason)


def test_a_scan_waits_before_the_limit_is_reached(simulator: Simulator, pauses: list[float]) -> None:
    last = {"X-HubSpot-RateLimit-Remaining": "0", "X-HubSpot-RateLimit-Interval-Milliseconds": "10000"}
    details = {"portalId": 7, "accountType": "STANDARD", "dataHostingLocation": "eu1"}
    with serving(in_turn(Said(details, headers=last), Said({"results": []}))) as web:
        said = scan(simulator, base_url=web.url)
    assert pauses == [10.0]
    assert said.coverage("usage.logins", "hubspot:7").status == "complete"


# Pages


@pytest.mark.parametrize("size", [1, 3, 200])
def test_all_pages_are_read_whatever_their_size(simulator: Simulator, size: int) -> None:
    whole = scan(simulator)
    simulator.page = size
    said = scan(simulator)
    unsettled = ("api.daily_calls",)
    assert [r for r in said.records if getattr(r, "name", None) not in unsettled] == [
        r for r in whole.records if getattr(r, "name", None) not in unsettled
    ]


@pytest.mark.parametrize("path", [SECURITY, LOGIN, AUDIT])
def test_pages_are_asked_for_as_large_as_allowed(simulator: Simulator, path: str) -> None:
    scan(simulator)
    (call,) = simulator.paths(path)
    assert "limit=200" in call


def test_a_row_at_a_pages_border_counts_once(simulator: Simulator) -> None:
    once = scan(simulator)
    simulator.page = 4
    simulator.nasty.doubled |= {SECURITY, LOGIN, AUDIT, USERS, OWNERS}
    said = scan(simulator)
    assert said.of("usage") == once.of("usage")
    assert said.of("identities") == once.of("identities")


def test_pages_out_of_order_come_to_the_same_apps(simulator: Simulator) -> None:
    ordered = scan(simulator)
    simulator.page = 3
    simulator.nasty.shuffled.add(SECURITY)
    said = scan(simulator)
    assert said.of("usage") != ordered.of("usage")
    for table in ("identities", "credentials", "tags"):
        assert said.of(table) == ordered.of(table)


def test_a_next_link_to_another_host_is_not_followed(simulator: Simulator) -> None:
    with serving(in_turn(Said({"results": []}))) as other:
        simulator.page = 2
        simulator.nasty.foreign_link = other.url
        said = scan(simulator)
        assert other.asked == []
    assert said.coverage("usage.audit").status == "complete"
    assert len(said.of("usage")) == 20


@pytest.mark.parametrize(
    ("path", "dataset"),
    [(SECURITY, "usage.audit"), (LOGIN, "usage.logins"), (USERS, "memberships"), (OWNERS, "identities")],
)
def test_a_cursor_that_comes_back_ends_the_reading(simulator: Simulator, path: str, dataset: str) -> None:
    simulator.page = 1
    simulator.nasty.loops.add(path)
    simulator.account.log_in(ANNA, days_ago=3)
    for number in range(3):
        simulator.account.add_user(f"more-{number}@acme.example")
    said = scan(simulator)
    assert said.coverage(dataset).status == "partial"
    assert "named one as the next that was read before" in str(said.coverage(dataset).reason)


@pytest.mark.parametrize(
    ("path", "dataset"),
    [(SECURITY, "usage.audit"), (SECURITY, "apps"), (LOGIN, "usage.logins"), (AUDIT, "usage.calls")],
)
def test_a_page_that_breaks_off_leaves_what_came_before(simulator: Simulator, path: str, dataset: str) -> None:
    simulator.page = 1
    simulator.account.change(ANNA, "WORKFLOW", "DELETE", "w2", days_ago=2)
    simulator.nasty.broken[path] = 1
    said = scan(simulator)
    assert said.coverage(dataset).status == "partial"
    assert "not whole JSON" in str(said.coverage(dataset).reason)


def test_a_first_page_that_breaks_off_is_a_failure(simulator: Simulator) -> None:
    simulator.nasty.broken[LOGIN] = 0
    assert scan(simulator).coverage("usage.logins").status == "failed"


@pytest.mark.parametrize(
    ("path", "dataset"),
    [
        (SECURITY, "usage.audit"),
        (LOGIN, "usage.logins"),
        (AUDIT, "usage.calls"),
        (f"{USERS}/roles", "memberships"),
        (f"{USERS}/teams", "memberships"),
        (USERS, "grants"),
        (OWNERS, "identities"),
        (USAGE, "settings"),
    ],
)
def test_an_error_of_hubspots_is_not_a_shorter_list(simulator: Simulator, path: str, dataset: str) -> None:
    simulator.nasty.statuses[path] = 500
    said = scan(simulator)
    assert said.coverage(dataset).status in ("failed", "partial")
    assert f"GET {path}" in str(said.coverage(dataset).reason)


def test_details_that_make_no_sense_are_said(simulator: Simulator) -> None:
    simulator.nasty.statuses[DETAILS] = 200
    assert "not whole JSON" in str(scan(simulator).coverage("apps", "hubspot:*").reason)


@pytest.mark.parametrize(
    ("path", "field", "dataset"),
    [
        (SECURITY, "createdAt", "usage.audit"),
        (SECURITY, "id", "usage.audit"),
        (LOGIN, "loginSucceeded", "usage.logins"),
        (AUDIT, "actingUser", "usage.calls"),
        (USERS, "superAdmin", "grants"),
        (OWNERS, "type", "identities"),
        (f"{USERS}/teams", "userIds", "memberships"),
    ],
)
def test_rows_without_a_field_that_they_must_have_are_not_complete(
    simulator: Simulator, path: str, field: str, dataset: str
) -> None:
    simulator.nasty.without[path] = field
    coverage = scan(simulator).coverage(dataset)
    assert coverage.status == "partial"
    assert "lack" in str(coverage.reason)


def test_a_list_that_is_no_list_is_said(simulator: Simulator) -> None:
    details = {"portalId": 7, "accountType": "STANDARD", "dataHostingLocation": "eu1"}
    with serving(in_turn(Said(details), Said({"results": "none"}))) as web:
        said = scan(simulator, base_url=web.url)
    assert said.coverage("usage.logins", "hubspot:7").status == "failed"
    assert "holds no list" in str(said.coverage("memberships", "hubspot:7").reason)


# Types and objects


def test_an_event_of_an_unknown_type_is_kept_and_reported(simulator: Simulator) -> None:
    simulator.nasty.unknown_types = True
    simulator.account.do("SERVICE_KEY_SUSPEND", ANNA, 8101, days_ago=1)
    said = scan(simulator)
    assert said.one("usage", action="SERVICE_KEY_SUSPEND").kind == "call"
    assert said.coverage("usage.audit").status == "partial"
    assert "SERVICE_KEY_SUSPEND" in str(said.coverage("usage.audit").reason)


def test_an_event_that_names_no_app_is_counted(simulator: Simulator) -> None:
    simulator.account.do("SERVICE_KEY_CREATE", ANNA, days_ago=1)
    said = scan(simulator)
    assert said.coverage("apps").status == "partial"
    assert "1 events do not say to what" in str(said.coverage("apps").reason)


# Settings and the network


@pytest.mark.parametrize("version", ["v3", "", "2026-03/../..", "latest"])
def test_a_version_that_is_none_is_the_users_to_mend(simulator: Simulator, version: str) -> None:
    with pytest.raises(ConfigError, match="is no version"):
        list(run(collector(simulator, api_version=version), Context(as_of=simulator.account.now)))


def test_a_version_that_hubspot_does_not_have_is_said(simulator: Simulator) -> None:
    reason = scan(simulator, api_version="2020-01").coverage("apps", "hubspot:*").reason
    assert "check collectors.hubspot.api_version" in str(reason)


def test_an_account_out_of_reach_is_said(simulator: Simulator, pauses: list[float]) -> None:
    reason = scan(simulator, base_url="http://127.0.0.1:9").coverage("apps", "hubspot:*").reason
    assert "cannot be reached" in str(reason)


@pytest.mark.parametrize("paging", [{"next": {"link": "x"}}, {"next": {"after": ""}}, {"next": [1]}, [1]])
def test_more_pages_without_a_cursor_are_not_complete(paging: object) -> None:
    with serving(in_turn(Said({"results": [], "paging": paging}))) as server:
        session = http.session("hubspot", base_url=server.url)
        reader = Reader(session, server.url, "canary", lambda _: None)
        *_, last = reader.pages("/crm/owners", {}, limit=100)
    assert isinstance(last, Refusal)
    assert "not where" in last.reason
