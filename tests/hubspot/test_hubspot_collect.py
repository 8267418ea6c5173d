"""What the collector says of an account in which everything is answered."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest

from fixtures.hubspot.account import ANNA, BEN, CEDAR_USER, LEAVER
from fixtures.hubspot.contract import description
from fixtures.hubspot.simulator import Simulator
from nhiscan import load, store
from nhiscan.collect import Context
from nhiscan.model import DATASETS
from tests.hubspot.conftest import TENANT, Scan, collector, scan


@pytest.fixture
def said(simulator: Simulator) -> Scan:
    return scan(simulator)


def test_every_dataset_has_one_coverage_and_nothing_failed(simulator: Simulator, said: Scan) -> None:
    assert set(said.statuses()) == collector(simulator).datasets <= DATASETS
    assert len(said.of("coverage")) == len(said.statuses())
    assert set(said.statuses().values()) == {"complete", "not_applicable", "unsupported"}
    complete = {dataset for dataset, status in said.statuses().items() if status == "complete"}
    assert complete == {
        "credentials",
        "credentials.created",
        "identities",
        "memberships",
        "settings",
        "settings.logging",
        "usage.audit",
        "usage.exports",
        "usage.logins",
    }


def test_a_sample_takes_the_first_page_of_everything(simulator: Simulator) -> None:
    simulator.page = 4
    said = scan(simulator, ctx=Context(as_of=simulator.account.now, is_sample=True))
    assert len(simulator.calls) == len(set(simulator.calls)) == 10
    assert {use.dataset for use in said.of("usage")} <= {"usage.audit", "usage.exports", "usage.logins", "usage.calls"}
    assert "failed" not in said.statuses().values()


def test_the_pages_of_each_list_are_counted(simulator: Simulator) -> None:
    counted: Counter[str] = Counter()
    simulator.page = 4
    ctx = Context(as_of=simulator.account.now, on_progress=lambda label, n: counted.update({label: n}))
    scan(simulator, ctx=ctx)
    assert counted["hubspot: pages of users"] == counted["hubspot: pages of roles"] == 1
    assert counted["hubspot: pages of security"] == 5


def test_what_hubspot_offers_to_nobody_is_unsupported_with_its_reason(said: Scan) -> None:
    assert all(record.reason for record in said.of("coverage") if record.status == "unsupported")
    assert "no list of private apps" in str(said.coverage("apps").reason)
    assert "since 2025-12-15" in str(said.coverage("apps").reason)


def test_the_tenant_is_the_account_that_hubspot_names(said: Scan) -> None:
    assert [record.tenant_id for record in said.of("tenants")] == [TENANT]


def test_everything_loads_and_nothing_dangles(said: Scan) -> None:
    with store.empty() as con:
        load.load(con, said.records)
        ((loaded,),) = con.execute("select count(*) from identities").fetchall()
        statuses = dict(con.execute("select dataset, status from coverage").fetchall())
    assert loaded == len(said.of("identities"))
    assert statuses == said.statuses()


# People


def test_a_user_is_a_person_with_its_address(said: Scan) -> None:
    anna = said.identity(f"user/{ANNA}")
    assert (anna.kind, anna.name, anna.mail, anna.is_nhi) == ("human_user", "Anna Ahorn", "anna@acme.example", False)
    assert (anna.is_external, anna.status, anna.derived_from) == (None, "enabled", None)


def test_a_partners_user_is_no_outsider_by_hubspots_word(said: Scan) -> None:
    carla = said.identity(f"user/{CEDAR_USER}")
    assert (carla.name, carla.mail, carla.is_external, carla.licence) == (
        "carla@cedar.example",
        "carla@cedar.example",
        None,
        None,
    )


def test_a_super_administrator_holds_the_one_grant_that_is_told(said: Scan) -> None:
    (grant,) = said.of("grants")
    assert (grant.identity_id, grant.permission, grant.source) == (f"{TENANT}:user/{ANNA}", "super_admin", "user")
    assert said.coverage("grants").status == "unsupported"


def test_roles_and_teams_are_groups_with_their_members(said: Scan) -> None:
    groups = {record.identity_id: record.name for record in said.of("identities") if record.kind == "group"}
    assert groups == {f"{TENANT}:role/77": "Sales", f"{TENANT}:team/31": "Channel", f"{TENANT}:team/32": "Partners"}
    members = {(row.identity_id, row.group_id) for row in said.of("memberships")}
    assert members == {
        (f"{TENANT}:user/{ANNA}", f"{TENANT}:team/31"),
        (f"{TENANT}:user/{BEN}", f"{TENANT}:role/77"),
        (f"{TENANT}:user/{BEN}", f"{TENANT}:team/31"),
        (f"{TENANT}:user/{CEDAR_USER}", f"{TENANT}:role/77"),
        (f"{TENANT}:user/{CEDAR_USER}", f"{TENANT}:team/31"),
        (f"{TENANT}:user/{CEDAR_USER}", f"{TENANT}:team/32"),
    }


def test_a_leaver_stays_as_disabled_while_its_owner_is_archived(said: Scan) -> None:
    lea = said.identity(f"user/{LEAVER}")
    assert (lea.status, lea.mail, lea.derived_from) == ("disabled", "lea@acme.example", "an owner without a user")


def test_a_user_whom_the_owner_calls_inactive_is_disabled(simulator: Simulator) -> None:
    (owner,) = [each for each in simulator.account.owners.values() if each.get("userId") == BEN]
    del owner["userId"]
    said = scan(simulator)
    assert (said.identity(f"user/{BEN}").status, said.identity(f"user/{ANNA}").status) == ("disabled", "enabled")


def test_a_queue_that_owns_records_is_nobody(said: Scan) -> None:
    users = [record for record in said.of("identities") if record.kind == "human_user"]
    assert len(users) == 4


def test_what_events_say_of_a_user_stands_on_it(simulator: Simulator) -> None:
    account = simulator.account
    account.do("ADD_USER", ANNA, BEN, days_ago=50)
    account.do("ADD_ADMIN_PERMISSIONS", ANNA, BEN, days_ago=40)
    account.do("ADD_TWO_FACTOR_AUTHENTICATION", BEN, days_ago=30)
    account.do("DEACTIVATE_USER", ANNA, BEN, days_ago=20)
    ben = scan(simulator).identity(f"user/{BEN}")
    assert (ben.created_at, ben.role_changed_at) == (account.ago(50), account.ago(40))
    assert (ben.mfa_state, ben.status) == ("registered", "disabled")


def test_a_user_who_came_back_is_enabled_again(simulator: Simulator) -> None:
    simulator.account.do("DEACTIVATE_USER", ANNA, BEN, days_ago=20)
    simulator.account.do("REACTIVATE_USER", ANNA, BEN, days_ago=10)
    assert scan(simulator).identity(f"user/{BEN}").status == "enabled"


# What happened


def test_the_last_login_that_succeeded_is_the_last_use(simulator: Simulator, said: Scan) -> None:
    ben, carla = said.identity(f"user/{BEN}"), said.identity(f"user/{CEDAR_USER}")
    assert (ben.last_used_at, ben.last_used_known) == (simulator.account.ago(80), True)
    assert (carla.last_used_at, carla.last_used_known) == (None, False)


def test_logins_are_told_with_their_outcome_and_from_where(said: Scan) -> None:
    logins = [use for use in said.of("usage") if use.dataset == "usage.logins"]
    assert sorted((use.identity_id, use.outcome, use.kind) for use in logins) == [
        (f"{TENANT}:user/{ANNA}", "success", "login"),
        (f"{TENANT}:user/{BEN}", "failure", "login"),
        (f"{TENANT}:user/{BEN}", "success", "login"),
    ]
    assert {(use.source_ip, use.country) for use in logins} == {("198.51.100.9", "DE")}


def test_logins_reach_back_as_far_as_documented(simulator: Simulator, said: Scan) -> None:
    assert said.coverage("usage.logins").history_from == simulator.account.now - timedelta(days=90)


def test_an_export_is_one_with_its_object_and_who_made_it(said: Scan) -> None:
    export = said.one("usage", dataset="usage.exports")
    assert (export.kind, export.action, export.target) == ("export", "CONTACT_DATA_EXPORT", "8401")
    assert export.identity_id == f"{TENANT}:user/{CEDAR_USER}"


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("PRIVATE_APP_ACCESS_TOKEN_ROTATE", "credential_change"),
        ("INSTALL_INTEGRATION", "consent"),
        ("UNINSTALL_INTEGRATION", "revocation"),
        ("IP_RESTRICTIONS_ENABLED", "grant_change"),
        ("ADD_ADMIN_USER", "role_change"),
    ],
)
def test_security_activity_is_told_by_its_kind(simulator: Simulator, action: str, kind: str) -> None:
    event = simulator.account.do(action, ANNA, 1, days_ago=1)
    use = scan(simulator).one("usage", event_id=f"{TENANT}:security/{event.fields['id']}")
    assert (use.kind, use.dataset, use.identity_id) == (kind, "usage.audit", f"{TENANT}:user/{ANNA}")


def test_the_object_of_an_event_is_the_app_or_the_users_identity(simulator: Simulator) -> None:
    removed = scan(simulator).one("usage", action="REMOVE_USER")
    assert removed.target == f"{TENANT}:user/{LEAVER}"
    assert scan(simulator).one("usage", action="UNINSTALL_INTEGRATION").target == "8202"


def test_a_change_of_content_is_no_use(said: Scan) -> None:
    assert "EMAIL_TRACKING_DISABLED" not in {use.action for use in said.of("usage")}


def test_all_types_that_hubspot_describes_are_known(simulator: Simulator) -> None:
    types = description()["schemas"]["auditLogs.HydratedCriticalAction"]["properties"]["type"]["enum"]
    assert len(types) == 151
    for number, name in enumerate(types):
        simulator.account.do(name, ANNA, 5000 + number, days_ago=1)
    said = scan(simulator)
    assert said.coverage("usage.audit").status == "complete"
    assert len({use.action for use in said.of("usage") if use.dataset != "usage.logins"}) > 90
    assert "call" not in {use.kind for use in said.of("usage") if use.dataset == "usage.audit"}


def test_the_audit_log_tells_what_users_did_beyond_records(said: Scan) -> None:
    calls = [use for use in said.of("usage") if use.dataset == "usage.calls"]
    assert [(use.action, use.target, use.identity_id) for use in calls] == [
        ("WORKFLOW.UPDATE", "w1", f"{TENANT}:user/{ANNA}")
    ]


def test_only_deletions_of_records_are_taken_from_the_audit_log(simulator: Simulator) -> None:
    for action in ("CREATE", "UPDATE", "DELETE"):
        simulator.account.change(BEN, "CRM_OBJECT", action, "77", subCategory="CONTACT")
    calls = {use.action for use in scan(simulator).of("usage") if use.dataset == "usage.calls"}
    assert calls == {"WORKFLOW.UPDATE", "CRM_OBJECT.CONTACT.DELETE"}


# The account


def test_settings_are_as_the_last_change_left_them(simulator: Simulator, said: Scan) -> None:
    assert said.setting("sso.required") == [("yes", None)]
    assert said.setting("session.locked_to_network") == [("yes", None)]
    simulator.account.do("UNREQUIRE_SINGLE_SIGN_ON", ANNA, days_ago=2)
    simulator.account.do("IP_RESTRICTIONS_DISABLED", ANNA, days_ago=2)
    again = scan(simulator)
    assert again.setting("sso.required") == again.setting("session.locked_to_network") == [("no", None)]


def test_a_setting_that_nobody_changed_is_absent(said: Scan) -> None:
    assert said.setting("sso.local_login_allowed") == []


def test_an_update_of_login_methods_takes_back_what_was_known(simulator: Simulator) -> None:
    simulator.account.do("ALLOWED_LOGIN_METHODS_DELETE", ANNA, days_ago=9)
    assert scan(simulator).setting("sso.local_login_allowed") == [("yes", None)]
    simulator.account.do("ALLOWED_LOGIN_METHODS_UPDATE", ANNA, days_ago=8)
    assert scan(simulator).setting("sso.local_login_allowed") == []


def test_the_one_counter_of_calls_is_a_setting(simulator: Simulator, said: Scan) -> None:
    assert said.setting("api.daily_limit") == [(None, simulator.account.daily_calls)]
    assert said.setting("api.daily_calls")[0][1] > 0


@pytest.mark.parametrize("status", ["FAILURE", "TIMEOUT", "NOTFOUND"])
def test_a_counter_that_could_not_be_fetched_is_no_number(simulator: Simulator, status: str) -> None:
    simulator.account.usage_status = status
    assert scan(simulator).setting("api.daily_calls") == []


HOSTILE: tuple[str, ...] = (
    "'; drop table identities; --",
    "two\nlines\tand \x1b[31mred",
    "<script>alert(1)</script>",
    "half \ud83d of a pair",
    "null \x00 sign",
    "\u202ertl",
    "x" * 2000,
)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_name_is_only_a_name(simulator: Simulator, name: str) -> None:
    account = simulator.account
    role, team = account.add_role(name), account.add_team(name)
    account.add_user(name, user_id=666, names=(name, name), roles=(role,), team=team)
    account.do("SERVICE_KEY_CREATE", 666, name, days_ago=1)
    account.log_in(666, userAgent=name, email=name)
    said = scan(simulator)
    with store.empty() as con:
        load.load(con, said.records)
        rows: list[Any] = con.execute(
            "select count(*) filter (kind = 'human_user'), count(*) filter (kind = 'service_key') from identities"
        ).fetchall()
    assert rows == [(5, 3)]
    assert said.statuses()["memberships"] == "complete"
