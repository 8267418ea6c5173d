"""The stand-in itself: it keeps to HubSpot's description, refuses what HubSpot refuses, and changes what it is told."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from fixtures.hubspot.account import ANNA, BEN, CEDAR_USER
from fixtures.hubspot.contract import ContractViolation, check, find_call
from fixtures.hubspot.simulator import ACTIVITY, DETAILS, OWNERS, USERS, Simulator
from tests.hubspot.conftest import TENANT, scan, token

WRITER = "a-second-key"


def ask(simulator: Simulator, method: str, path: str, *, key: str | None = None, **more: Any) -> requests.Response:
    headers = {"Authorization": f"Bearer {key or token(simulator)}"}
    return requests.request(method, f"{simulator.url}{path}", headers=headers, timeout=10, **more)


@pytest.fixture
def writer(simulator: Simulator) -> str:
    """A key that may change users, as remediation has one."""
    simulator.tokens[WRITER] = frozenset({"settings.users.write", "settings.users.read"})
    return WRITER


# The contract


@pytest.fixture
def breaking() -> Any:
    """A simulator whose violations are the point."""
    with Simulator() as running:
        running.tokens["t"] = frozenset({"settings.users.read", "oauth", "account-info.security.read"})
        yield running


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"superAdmin": "yes"}, "superAdmin: wanted boolean, got 'yes'"),
        ({"nickname": "B"}, "wanted no field nickname"),
        ({"roleIds": [7]}, r"roleIds\[0\]: wanted string, got 7"),
    ],
)
def test_an_answer_that_departs_from_the_description_breaks_the_contract(
    breaking: Simulator, change: dict[str, Any], said: str
) -> None:
    breaking.account.users[str(BEN)].update(change)
    answer = ask(breaking, "GET", USERS, key="t")
    assert answer.status_code == 500
    with pytest.raises(ContractViolation, match=said):
        raise ContractViolation(breaking.violations[0])


def test_an_answer_that_lacks_a_field_breaks_the_contract(breaking: Simulator) -> None:
    del breaking.account.users[str(BEN)]["email"]
    assert ask(breaking, "GET", USERS, key="t").status_code == 500
    assert "the required field email" in breaking.violations[0]


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("createdAt", "yesterday", "wanted a moment"),
        ("createdAt", "2026-01-01T00:00:00", "a time zone"),
        ("userId", 2**31, "wanted int32"),
        ("type", "SERVICE_KEY_SUSPEND", "a word of the enum"),
    ],
)
def test_an_event_that_departs_from_the_description_breaks_the_contract(
    breaking: Simulator, field: str, value: object, said: str
) -> None:
    breaking.account.security[0].fields[field] = value
    assert ask(breaking, "GET", f"{ACTIVITY}/security", key="t").status_code == 500
    assert said in breaking.violations[0]


@pytest.mark.parametrize("query", ["?since=1", "?limit=many", "?fromTimestamp=2026-01-01"])
def test_a_parameter_that_the_description_lacks_breaks_the_contract(breaking: Simulator, query: str) -> None:
    assert ask(breaking, "GET", f"{ACTIVITY}/security{query}", key="t").status_code == 500
    assert len(breaking.violations) == 1


def test_a_fixed_path_comes_before_one_with_a_placeholder() -> None:
    found = find_call("GET", f"{USERS}/roles")
    assert found is not None
    assert found.name == f"GET {USERS}/roles"
    other = find_call("GET", f"{USERS}/{BEN}")
    assert other is not None
    assert other.values == {"userId": str(BEN)}


def test_one_of_several_schemas_has_to_fit() -> None:
    schema = {"ref": "oauth.TokenInfoResponseBaseIF"}
    with pytest.raises(ContractViolation, match="nothing of"):
        check(schema, {"active": True}, "introspection")


# What HubSpot refuses


def test_a_page_of_more_than_two_hundred_is_refused(simulator: Simulator) -> None:
    assert ask(simulator, "GET", f"{ACTIVITY}/security?limit=200").status_code == 200
    refused = ask(simulator, "GET", f"{ACTIVITY}/security?limit=201")
    assert (refused.status_code, refused.json()["category"]) == (400, "VALIDATION_ERROR")


def test_a_refusal_names_the_scopes(simulator: Simulator) -> None:
    simulator.tokens["narrow"] = frozenset({"oauth"})
    refused = ask(simulator, "GET", OWNERS, key="narrow").json()
    assert refused["category"] == "MISSING_SCOPES"
    assert refused["errors"][0]["context"]["requiredGranularScopes"] == ["automation", "crm.objects.owners.read"]


def test_every_answer_says_how_much_is_left(simulator: Simulator) -> None:
    headers = ask(simulator, "GET", DETAILS).headers
    assert headers["X-HubSpot-RateLimit-Daily"] == "500000"
    assert headers["X-HubSpot-RateLimit-Daily-Remaining"] == "499999"
    assert headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"


def test_the_two_limits_are_told_apart_by_their_policy(simulator: Simulator) -> None:
    simulator.nasty.busy = 1
    assert ask(simulator, "GET", DETAILS).json()["policyName"] == "TEN_SECONDLY_ROLLING"
    simulator.nasty.daily_after = 1
    assert ask(simulator, "GET", DETAILS).json()["policyName"] == "DAILY"


def test_streams_forget(simulator: Simulator) -> None:
    def count(stream: str) -> int:
        return len(ask(simulator, "GET", f"{ACTIVITY}/{stream}").json()["results"])

    before = (count("security"), count("login"))
    simulator.account.pass_days(30)
    assert (count("security"), count("login")) == (before[0] - 1, before[1] - 1)
    simulator.account.pass_days(400)
    assert (count("security"), count("login")) == (0, 0)


def test_security_activity_is_cut_to_the_moments_asked_for(simulator: Simulator) -> None:
    account = simulator.account
    first, last = (int(account.ago(days).timestamp() * 1000) for days in (20, 10))
    found = ask(simulator, "GET", f"{ACTIVITY}/security?fromTimestamp={first}&toTimestamp={last}").json()["results"]
    assert [event["type"] for event in found] == ["SERVICE_KEY_DEACTIVATE", "PRIVATE_APP_ACCESS_TOKEN_ROTATE"]


def test_a_next_link_may_name_another_host(simulator: Simulator) -> None:
    simulator.page = 1
    simulator.nasty.foreign_link = "https://elsewhere.example"
    following = ask(simulator, "GET", USERS).json()["paging"]["next"]
    assert urlsplit(following["link"]).hostname == "elsewhere.example"


# What is changed is changed


def test_a_removed_user_is_gone_and_the_next_scan_sees_it(simulator: Simulator, writer: str) -> None:
    assert ask(simulator, "DELETE", f"{USERS}/{CEDAR_USER}", key=writer).status_code == 204
    assert ask(simulator, "GET", f"{USERS}/{CEDAR_USER}", key=writer).status_code == 404
    said = scan(simulator)
    assert said.identity(f"user/{CEDAR_USER}").status == "disabled"
    assert f"{TENANT}:user/{CEDAR_USER}" not in {row.identity_id for row in said.of("memberships")}
    removals = [use.target for use in said.of("usage") if use.action == "REMOVE_USER"]
    assert f"{TENANT}:user/{CEDAR_USER}" in removals


def test_a_user_can_be_removed_by_address(simulator: Simulator, writer: str) -> None:
    path = f"{USERS}/carla@cedar.example?idProperty=EMAIL"
    assert ask(simulator, "DELETE", path, key=writer).status_code == 204
    assert str(CEDAR_USER) not in simulator.account.users


def test_a_users_role_can_be_changed(simulator: Simulator, writer: str) -> None:
    simulator.account.add_role("Nothing", "78")
    changed = ask(simulator, "PUT", f"{USERS}/{CEDAR_USER}", key=writer, json={"roleId": "78"})
    assert changed.json()["roleIds"] == ["78"]
    groups = {row.group_id for row in scan(simulator).of("memberships") if row.identity_id.endswith(str(CEDAR_USER))}
    assert f"{TENANT}:role/78" in groups
    assert f"{TENANT}:role/77" not in groups


def test_a_change_that_the_description_lacks_is_no_change(breaking: Simulator) -> None:
    breaking.tokens["w"] = frozenset({"settings.users.write"})
    assert ask(breaking, "PUT", f"{USERS}/{ANNA}", key="w", json={"superAdmin": False}).status_code == 500
    assert breaking.account.users[str(ANNA)]["superAdmin"] is True


def test_a_user_can_be_added(simulator: Simulator, writer: str) -> None:
    added = ask(simulator, "POST", USERS, key=writer, json={"email": "new@acme.example", "sendWelcomeEmail": False})
    assert added.status_code == 201
    new = scan(simulator).identity(f"user/{added.json()['id']}")
    assert (new.mail, new.created_at) == ("new@acme.example", simulator.account.now)


def test_a_reading_key_changes_nothing(simulator: Simulator) -> None:
    assert ask(simulator, "DELETE", f"{USERS}/{BEN}").status_code == 403
    assert str(BEN) in simulator.account.users


def test_a_refresh_token_of_our_own_app_can_be_revoked(simulator: Simulator) -> None:
    simulator.account.clients["client"] = "hidden"
    simulator.account.refresh_tokens["refresh"] = "client"
    form = {"client_id": "client", "client_secret": "hidden", "token": "refresh"}
    introspect, revoke = "/oauth/2026-03/token/introspect", "/oauth/2026-03/token/revoke"
    assert ask(simulator, "POST", introspect, data=form).json()["active"] is True
    assert ask(simulator, "POST", revoke, data={**form, "client_secret": "guessed"}).status_code == 400
    assert ask(simulator, "POST", revoke, data=form).status_code == 200
    assert ask(simulator, "POST", introspect, data=form).json()["active"] is False
