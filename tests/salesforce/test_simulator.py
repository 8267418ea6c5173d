"""The stand-in for Salesforce over HTTP: what it answers, what it refuses and how it goes wrong, as Salesforce does."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
import requests

from fixtures.salesforce.contract import ContractViolation
from fixtures.salesforce.login import JWT_BEARER, key_pair
from fixtures.salesforce.simulator import running
from fixtures.salesforce.world import BASE, TIERS, App, Fault, World

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SECRET = "example" + "-secret"
DATA = "/services/data/v62.0"


@dataclass
class Org:
    """A running organization and somebody who is logged in to it."""

    world: World
    url: str
    headers: dict[str, str]

    def get(self, path: str, **params: str) -> requests.Response:
        return requests.get(f"{self.url}{path}", params=params, headers=self.headers, timeout=10)

    def query(self, soql: str, *, tooling: bool = False) -> requests.Response:
        return self.get(f"{DATA}/{'tooling/' if tooling else ''}query", q=soql)

    def rows(self, soql: str, *, tooling: bool = False) -> list[dict[str, Any]]:
        """The rows of all pages, without what names their type."""
        page = self.query(soql, tooling=tooling).json()
        found = list(page["records"])
        while not page["done"]:
            page = self.get(page["nextRecordsUrl"]).json()
            found += page["records"]
        return [{name: value for name, value in row.items() if name != "attributes"} for row in found]

    def count(self, soql: str) -> int:
        size: int = self.query(soql).json()["totalSize"]
        return size

    def send(self, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
        return requests.request(method, f"{self.url}{path}", json=body, headers=self.headers, timeout=10)


Start = Callable[..., Org]


def token(url: str, **claims: Any) -> requests.Response:
    """The answer to a JWT of the scanner; `claims` change it, None takes one out."""
    private = claims.pop("private_key", key_pair()[0])
    made = {"iss": "scanner-app", "sub": "scanner@acme.example", "aud": url, "exp": NOW + 3 * timedelta(minutes=1)}
    claims = {name: value for name, value in {**made, **claims}.items() if value is not None}
    assertion = jwt.encode(claims, private, algorithm="RS256")
    form = {"grant_type": JWT_BEARER, "assertion": assertion}
    return requests.post(f"{url}/services/oauth2/token", data=form, timeout=10)


@pytest.fixture
def start() -> Iterator[Start]:
    """Runs a world until the test ends."""
    with ExitStack() as stack:

        def start(world: World | None = None, **settings: Any) -> Org:
            world = world or World(clock=lambda: NOW, **settings)
            url = stack.enter_context(running(world))
            return Org(world, url, {"Authorization": f"Bearer {token(url).json()['access_token']}"})

        yield start


def error(answer: requests.Response) -> tuple[int, str]:
    """The status and code of a refusal of the data API, which is a list."""
    (said,) = answer.json()
    return answer.status_code, said["errorCode"]


# ---- logging in


def test_a_token_says_whose_it_is_and_where_to_go(start: Start) -> None:
    org = start()
    said = token(org.url).json()
    assert said["id"] == f"{org.url}/id/{org.world.organization_id}/{org.world.user_id}"
    assert said["instance_url"] == org.url
    assert said["access_token"] in org.world.tokens


@pytest.mark.parametrize(
    ("claims", "word", "text"),
    [
        ({"iss": "another"}, "invalid_client_id", "client identifier invalid"),
        ({"aud": "https://acme.example"}, "invalid_grant", "audience is invalid"),
        ({"sub": "nobody@acme.example"}, "invalid_grant", "user not found"),
        ({"sub": "anna@acme.example"}, "invalid_grant", "user hasn't approved this consumer"),
        ({"exp": NOW - DAY}, "invalid_grant", "expired authorization code"),
        ({"exp": NOW + DAY}, "invalid_grant", "invalid exp"),
        ({"exp": None}, "invalid_grant", "invalid assertion"),
    ],
)
def test_a_jwt_must_be_right_in_each_claim(start: Start, claims: dict[str, Any], word: str, text: str) -> None:
    org = start()
    org.world.add("User", Username="anna@acme.example", IsActive=True)
    refused = token(org.url, **claims)
    assert (refused.status_code, refused.json()) == (400, {"error": word, "error_description": text})


def test_a_jwt_must_be_signed_by_the_key_of_the_app() -> None:
    world = World(clock=lambda: NOW, app=App("scanner-app", certificate=_another_public_key()))
    with running(world) as url:
        assert token(url).json() == {"error": "invalid_grant", "error_description": "invalid assertion"}


def _another_public_key() -> str:
    return key_pair.__wrapped__()[1]


def test_client_credentials_are_taken_at_my_domain_only(start: Start) -> None:
    org = start(app=App("scanner-app", secret=SECRET))
    form = {"grant_type": "client_credentials", "client_id": "scanner-app", "client_secret": SECRET}
    at_home = requests.post(f"{org.url}/services/oauth2/token", data=form, timeout=10)
    elsewhere = requests.post(
        f"{org.url}/services/oauth2/token", data=form, headers={"Host": "login.salesforce.com"}, timeout=10
    )
    wrong = requests.post(f"{org.url}/services/oauth2/token", data={**form, "client_secret": "another"}, timeout=10)
    assert at_home.json()["access_token"]
    assert elsewhere.json()["error_description"] == "request not supported on this domain"
    assert wrong.json()["error"] == "invalid_client"


def test_nothing_is_answered_without_a_session(start: Start) -> None:
    org = start()
    org.headers = {}
    assert error(org.query("SELECT Id FROM User")) == (401, "INVALID_SESSION_ID")
    assert org.get("/services/data/").json()[-1]["version"] == "67.0"


def test_a_session_ends_after_so_many_requests_and_a_new_login_goes_on(start: Start) -> None:
    org = start(session_requests=2)
    assert [org.query("SELECT Id FROM User").status_code for _ in range(3)] == [200, 200, 401]
    org.headers = {"Authorization": f"Bearer {token(org.url).json()['access_token']}"}
    assert org.query("SELECT Id FROM User").ok


# ---- queries and pages


def test_parents_come_inside_their_rows(start: Start) -> None:
    org = start()
    (row,) = org.rows("SELECT Username, Profile.UserLicense.Name, Manager.Name FROM User")
    assert row["Profile"]["UserLicense"]["Name"] == "Salesforce Integration"
    assert row["Profile"]["attributes"]["type"] == "Profile"
    assert row["Manager"] is None


def test_a_reference_to_one_of_several_objects_tells_which(start: Start) -> None:
    org = start()
    queue = org.world.add("Group", Name="Deals", Type="Queue")
    org.world.add("Lead", OwnerId=queue)
    org.world.add("Lead", OwnerId=org.world.user_id)
    owners = [row["Owner"] for row in org.rows("SELECT Owner.Name, Owner.Type FROM Lead")]
    assert [(owner["Name"], owner["Type"]) for owner in owners] == [("Deals", "Queue"), ("Scanner", "User")]


def test_pages_go_on_to_the_last_row(start: Start) -> None:
    org = start(page_size=10)
    for _ in range(24):
        org.world.add("Account")
    first = org.query("SELECT Id FROM Account").json()
    assert (first["totalSize"], first["done"], len(first["records"])) == (24, False, 10)
    assert len({row["Id"] for row in org.rows("SELECT Id FROM Account")}) == 24


def test_a_page_is_forgotten_by_then(start: Start) -> None:
    org = start(page_size=1, expired_cursors=1)
    org.world.add("Account")
    org.world.add("Account")
    link = org.query("SELECT Id FROM Account").json()["nextRecordsUrl"]
    assert error(org.get(link)) == (400, "INVALID_QUERY_LOCATOR")
    assert len(org.rows("SELECT Id FROM Account")) == 2


def test_pages_may_stop_without_saying_where_they_go_on_or_go_on_elsewhere(start: Start) -> None:
    org = start(page_size=1, no_next_url={"Account"}, foreign_next_url="https://elsewhere.example")
    for _ in range(2):
        org.world.add("Account")
        org.world.add("Contact")
    page = org.query("SELECT Id FROM Account").json()
    assert page["done"] is False
    assert "nextRecordsUrl" not in page
    assert org.query("SELECT Id FROM Contact").json()["nextRecordsUrl"].startswith("https://elsewhere.example/services")


def test_tokens_stop_silently_at_2500_rows_where_a_count_goes_on(start: Start) -> None:
    org = start()
    anna = org.world.add("User")
    for number in range(2600):
        org.world.add("OauthToken", AppName="Loader", UserId=anna if number < 200 else org.world.user_id)
    first = org.query("SELECT Id FROM OauthToken").json()
    assert (len(first["records"]), first["done"]) == (500, False)
    assert len(org.rows("SELECT Id FROM OauthToken")) == 2500
    assert org.count("SELECT COUNT() FROM OauthToken") == 2600
    assert len(org.rows(f"SELECT Id FROM OauthToken WHERE UserId != '{anna}'")) == 2400


def test_a_long_query_does_not_fit_into_an_address(start: Start) -> None:
    org = start()
    ids = ",".join(f"'{org.world.user_id}'" for _ in range(800))
    assert org.query(f"SELECT Id FROM User WHERE Id IN ({ids})").status_code == 414


def test_groups_are_counted_and_too_many_of_them_refused(start: Start) -> None:
    org = start()
    owners = [org.world.add("User") for _ in range(3)]
    for number in range(6):
        org.world.add("Opportunity", OwnerId=owners[number % 2])
    counted = org.rows("SELECT OwnerId, COUNT(Id) deals, MAX(CreatedDate) FROM Opportunity GROUP BY OwnerId")
    assert [(row["OwnerId"], row["deals"]) for row in counted] == [(owners[0], 3), (owners[1], 3)]
    assert counted[0]["expr2"] == "2024-01-01T00:00:00.000+0000"
    for _ in range(2001):
        org.world.add("Lead", OwnerId=org.world.add("User"))
    assert error(org.query("SELECT OwnerId, COUNT(Id) FROM Lead GROUP BY OwnerId")) == (400, "EXCEEDED_ID_LIMIT")
    assert len(org.rows("SELECT OwnerId, COUNT(Id) FROM Lead GROUP BY OwnerId LIMIT 2000")) == 2000
    assert error(org.query("SELECT COUNT(Id) FROM SetupAuditTrail")) == (400, "INVALID_TYPE_FOR_OPERATION")


def test_metadata_of_tooling_objects_is_given_for_one_row_only(start: Start) -> None:
    org = start()
    rule = org.world.add("ValidationRule", ValidationName="Amount_Locked", Metadata={"active": True})
    org.world.add("ValidationRule", ValidationName="Stage_Locked")
    assert error(org.query("SELECT Id, Metadata FROM ValidationRule", tooling=True)) == (400, "MALFORMED_QUERY")
    (row,) = org.rows(f"SELECT Metadata FROM ValidationRule WHERE Id = '{rule}'", tooling=True)
    assert row["Metadata"] == {"active": True}


def test_definitions_are_one_page_and_fields_want_their_object(start: Start) -> None:
    org = start(page_size=1)
    for name in ("Account", "Opportunity"):
        org.world.add("EntityDefinition", DurableId=name, QualifiedApiName=name, ExternalSharingModel="Private")
    org.world.add("FieldDefinition", EntityDefinitionId="Account", QualifiedApiName="OwnerId")
    assert error(org.query("SELECT DurableId FROM EntityDefinition")) == (400, "EXCEEDED_ID_LIMIT")
    assert error(org.query("SELECT DurableId FROM FieldDefinition")) == (400, "MALFORMED_QUERY")
    (row,) = org.rows(
        "SELECT EntityDefinition.QualifiedApiName FROM FieldDefinition WHERE EntityDefinitionId = 'Account'"
    )
    assert row["EntityDefinition"]["QualifiedApiName"] == "Account"


def test_the_two_apis_describe_an_app_in_their_own_ways(start: Start) -> None:
    org = start()
    org.world.add("ConnectedApplication", Name="Loader", ContactEmail="dev@partner.example")
    assert error(org.query("SELECT ContactEmail FROM ConnectedApplication")) == (400, "INVALID_FIELD")
    (row,) = org.rows("SELECT ContactEmail FROM ConnectedApplication", tooling=True)
    assert row["ContactEmail"] == "dev@partner.example"


# ---- what is seen


def test_without_the_permission_a_user_sees_its_own_rows_and_counts_no_more(start: Start) -> None:
    org = start(permissions=BASE)
    anna = org.world.add("User")
    for user in (anna, anna, org.world.user_id):
        org.world.add("OauthToken", UserId=user, AppName="Loader")
        org.world.add("LoginHistory", UserId=user, LoginTime=NOW - DAY)
    assert org.count("SELECT COUNT() FROM OauthToken") == 1
    assert [row["UserId"] for row in org.rows("SELECT UserId FROM LoginHistory")] == [org.world.user_id]
    org.world.permissions = TIERS["tokens"]
    assert org.count("SELECT COUNT() FROM OauthToken") == 3
    assert len(org.rows("SELECT UserId FROM LoginHistory")) == 3


@pytest.mark.parametrize(
    ("object_name", "tooling", "tier"),
    [
        ("SetupAuditTrail", False, "base"),
        ("SecurityHealthCheckRisks", True, "base"),
        ("EventLogFile", False, "evidence"),
        ("ExternalClientApplication", True, "eca"),
        ("AuthSession", False, "everything"),
    ],
)
def test_an_object_is_shown_from_its_tier_on(start: Start, object_name: str, tooling: bool, tier: str) -> None:
    org = start(permissions=frozenset({"ApiEnabled"}))
    seen = []
    for name, permissions in TIERS.items():
        org.world.permissions = permissions
        if org.query(f"SELECT Id FROM {object_name}", tooling=tooling).ok:
            seen.append(name)
    assert seen == list(TIERS)[list(TIERS).index(tier) :]
    org.world.permissions = frozenset({"ApiEnabled"})
    assert error(org.query(f"SELECT Id FROM {object_name}", tooling=tooling)) == (400, "INVALID_TYPE")


def test_objects_and_fields_may_be_hidden_and_records_narrowed_to_own_ones(start: Start) -> None:
    org = start(hidden={"Quote"}, hidden_fields={"OauthToken.CreatedDate"}, narrowed={"Opportunity"})
    org.world.add("Opportunity", OwnerId=org.world.add("User"))
    org.world.add("Opportunity")
    assert error(org.query("SELECT COUNT() FROM Quote")) == (400, "INVALID_TYPE")
    assert error(org.query("SELECT CreatedDate FROM OauthToken")) == (400, "INVALID_FIELD")
    assert org.count("SELECT COUNT() FROM Opportunity") == 1
    fields = {field["name"] for field in org.get(f"{DATA}/sobjects/OauthToken/describe").json()["fields"]}
    assert "AppName" in fields
    assert "CreatedDate" not in fields
    assert error(org.get(f"{DATA}/sobjects/Quote/describe")) == (404, "NOT_FOUND")


def test_nothing_is_read_where_the_user_or_the_edition_has_no_api(start: Start) -> None:
    org = start(permissions=frozenset({"ViewSetup"}))
    assert error(org.query("SELECT Id FROM User")) == (403, "API_CURRENTLY_DISABLED")
    org.world.permissions, org.world.has_api = BASE, False
    assert error(org.query("SELECT Id FROM User")) == (403, "API_DISABLED_FOR_ORG")


def test_private_users_are_shown_with_view_all_users_only(start: Start) -> None:
    org = start(private_users=True, permissions=BASE)
    org.world.add("User")
    assert len(org.rows("SELECT Id FROM User")) == 1
    org.world.permissions = TIERS["evidence"]
    assert len(org.rows("SELECT Id FROM User")) == 2


def test_a_user_can_ask_what_it_may(start: Start) -> None:
    org = start(permissions=BASE)
    (row,) = org.rows("SELECT PermissionsViewSetup, PermissionsManageUsers FROM UserPermissionAccess")
    assert row == {"PermissionsViewSetup": True, "PermissionsManageUsers": False}


def test_history_ends_where_salesforce_forgets_it_and_log_files_come_a_day_late(start: Start) -> None:
    org = start()
    world = org.world
    for days in (0, 2, 29, 170, 181, 190):
        world.add("SetupAuditTrail", CreatedDate=NOW - days * DAY)
        world.add("LoginHistory", UserId=world.user_id, LoginTime=NOW - days * DAY)
        world.add("EventLogFile", EventType="Login", LogDate=NOW - days * DAY, LogFile="A,B\n")
    assert org.count("SELECT COUNT() FROM SetupAuditTrail") == 4
    assert org.count("SELECT COUNT() FROM LoginHistory") == 5
    assert org.count("SELECT COUNT() FROM EventLogFile") == 2
    world.event_log_days = 1
    assert org.count("SELECT COUNT() FROM EventLogFile") == 1


def test_the_content_of_a_log_file_is_behind_the_address_that_its_row_gives(start: Start) -> None:
    org = start()
    org.world.add("EventLogFile", EventType="ReportExport", LogDate=NOW - 2 * DAY, LogFile="EVENT_TYPE\nReportExport\n")
    (row,) = org.rows("SELECT LogFile, LogFileLength FROM EventLogFile")
    assert org.get(row["LogFile"]).text == "EVENT_TYPE\nReportExport\n"
    assert row["LogFileLength"] == 24


# ---- what goes wrong


def test_each_answer_tells_the_quota_and_beyond_it_all_is_refused(start: Start) -> None:
    org = start(api_limit=2)
    answers = [org.query("SELECT Id FROM User") for _ in range(3)]
    assert [answer.headers["Sforce-Limit-Info"] for answer in answers] == [
        "api-usage=1/2",
        "api-usage=2/2",
        "api-usage=3/2",
    ]
    assert error(answers[2]) == (403, "REQUEST_LIMIT_EXCEEDED")


def test_a_fault_hits_the_calls_that_it_is_meant_for(start: Start) -> None:
    org = start(
        faults=[
            Fault("Account", 503, "SERVER_UNAVAILABLE", headers={"Retry-After": "7"}, on_calls=(1,)),
            Fault("Contact", 200, body="<html>maintenance</html>"),
            Fault("Lead", seconds=0.05),
        ]
    )
    busy = org.query("SELECT Id FROM Account")
    assert (error(busy), busy.headers["Retry-After"]) == ((503, "SERVER_UNAVAILABLE"), "7")
    assert org.query("SELECT Id FROM Account").ok
    assert org.query("SELECT Id FROM Contact").text == "<html>maintenance</html>"
    assert org.query("SELECT Id FROM Lead").elapsed >= timedelta(seconds=0.05)


@pytest.mark.parametrize("path", ["/services/data/v12.0/limits", f"{DATA}/elsewhere", "/elsewhere"])
def test_what_is_not_there_is_said_to_be_not_there(start: Start, path: str) -> None:
    assert error(start().get(path)) == (404, "NOT_FOUND")


# ---- changes


def test_a_frozen_user_cannot_log_in_any_more(start: Start) -> None:
    org = start(app=App("scanner-app", approved=frozenset({"bot@partner.example"})))
    bot = org.world.add("User", Username="bot@partner.example", IsActive=True)
    login = org.world.add("UserLogin", UserId=bot)
    assert token(org.url, sub="bot@partner.example").ok
    assert org.send("PATCH", f"{DATA}/sobjects/UserLogin/{login}", {"IsFrozen": True}).status_code == 204
    assert token(org.url, sub="bot@partner.example").json()["error"] == "invalid_grant"
    assert org.rows("SELECT IsFrozen FROM UserLogin WHERE IsFrozen = true") == [{"IsFrozen": True}]


def test_deactivating_a_user_ends_its_sessions(start: Start) -> None:
    org = start(app=App("scanner-app", approved=frozenset({"bot@partner.example"})))
    bot = org.world.add("User", Username="bot@partner.example", IsActive=True)
    theirs = Org(
        org.world,
        org.url,
        {"Authorization": f"Bearer {token(org.url, sub='bot@partner.example').json()['access_token']}"},
    )
    assert theirs.query("SELECT Id FROM User").ok
    assert org.send("PATCH", f"{DATA}/sobjects/User/{bot}", {"IsActive": False}).status_code == 204
    assert error(theirs.query("SELECT Id FROM User")) == (401, "INVALID_SESSION_ID")
    assert token(org.url, sub="bot@partner.example").json()["error"] == "inactive_user"


@pytest.mark.parametrize("object_name", ["PermissionSetAssignment", "SetupEntityAccess", "AuthSession"])
def test_a_right_or_a_session_is_taken_away_for_good(start: Start, object_name: str) -> None:
    org = start()
    record = org.world.add(object_name)
    assert org.send("DELETE", f"{DATA}/sobjects/{object_name}/{record}").status_code == 204
    assert org.count(f"SELECT COUNT() FROM {object_name}") == 0
    assert error(org.send("DELETE", f"{DATA}/sobjects/{object_name}/{record}")) == (404, "NOT_FOUND")


def test_a_change_wants_its_permission_and_a_field_that_can_be_changed(start: Start) -> None:
    org = start(permissions=TIERS["evidence"])
    path = f"{DATA}/sobjects/User/{org.world.user_id}"
    assert error(org.send("PATCH", path, {"IsActive": False})) == (403, "INSUFFICIENT_ACCESS_OR_READONLY")
    org.world.permissions = TIERS["everything"]
    assert error(org.send("PATCH", path, {"Bogus": 1})) == (400, "INVALID_FIELD")
    assert error(org.send("PATCH", path, {"Username": "x"})) == (400, "INVALID_FIELD_FOR_INSERT_UPDATE")
    assert error(org.send("DELETE", path)) == (405, "METHOD_NOT_ALLOWED")
    assert org.rows("SELECT IsActive FROM User") == [{"IsActive": True}]


def test_a_right_is_given_as_the_description_says(start: Start) -> None:
    org = start()
    path = f"{DATA}/sobjects/PermissionSetAssignment"
    given = {"AssigneeId": org.world.add("User"), "PermissionSetId": org.world.add("PermissionSet")[:15]}
    answer = org.send("POST", path, given)
    made = answer.json()["id"]
    assert (answer.status_code, answer.json()) == (201, {"id": made, "success": True, "errors": []})
    (row,) = org.rows("SELECT Id, PermissionSetId, IsActive FROM PermissionSetAssignment")
    assert (row["Id"], row["PermissionSetId"][:15], row["IsActive"]) == (made, given["PermissionSetId"], True)
    assert error(org.send("POST", path, given)) == (400, "DUPLICATE_VALUE")


def test_a_member_that_is_in_the_group_already_is_given_back(start: Start) -> None:
    org = start()
    given = {"GroupId": org.world.add("Group"), "UserOrGroupId": org.world.user_id}
    made = [org.send("POST", f"{DATA}/sobjects/GroupMember", given).json()["id"] for _ in range(2)]
    assert made[0] == made[1]
    assert org.count("SELECT COUNT() FROM GroupMember") == 1


@pytest.mark.parametrize(
    ("values", "code"),
    [
        ({"AssigneeId": None}, "JSON_PARSER_ERROR"),
        ({"PermissionSetId": None}, "REQUIRED_FIELD_MISSING"),
        ({"PermissionSetGroupId": "0PG000000000001"}, "REQUIRED_FIELD_MISSING"),
        ({"AssigneeId": "005' OR '"}, "MALFORMED_ID"),
        ({"AssigneeId": "005000000000ZZZAAA"}, "MALFORMED_ID"),
        ({"AssigneeId": "005000000000999AAA"}, "INVALID_CROSS_REFERENCE_KEY"),
        ({"ExpirationDate": "tomorrow"}, "JSON_PARSER_ERROR"),
        ({"IsActive": True}, "INVALID_FIELD_FOR_INSERT_UPDATE"),
        ({"Bogus": 1}, "INVALID_FIELD"),
    ],
)
def test_what_the_description_does_not_let_be_set_is_refused(start: Start, values: dict[str, Any], code: str) -> None:
    org = start()
    given = {"AssigneeId": org.world.user_id, "PermissionSetId": org.world.add("PermissionSet"), **values}
    assert error(org.send("POST", f"{DATA}/sobjects/PermissionSetAssignment", given)) == (400, code)
    assert org.count("SELECT COUNT() FROM PermissionSetAssignment") == 0


@pytest.mark.parametrize("object_name", ["OauthToken", "UserLogin", "User", "AuthSession"])
def test_what_supports_no_creation_is_not_created(start: Start, object_name: str) -> None:
    assert error(start().send("POST", f"{DATA}/sobjects/{object_name}", {})) == (405, "METHOD_NOT_ALLOWED")


@pytest.mark.parametrize("object_name", ["OauthToken", "UserLogin", "User"])
def test_what_supports_no_deletion_is_not_deleted(start: Start, object_name: str) -> None:
    org = start()
    record = org.world.add(object_name)
    assert error(org.send("DELETE", f"{DATA}/sobjects/{object_name}/{record}")) == (405, "METHOD_NOT_ALLOWED")


def test_a_user_can_be_unlocked_and_not_locked(start: Start) -> None:
    org = start()
    login = f"{DATA}/sobjects/UserLogin/{org.world.add('UserLogin', IsPasswordLocked=True)}"
    assert org.send("PATCH", login, {"IsPasswordLocked": False}).status_code == 204
    assert error(org.send("PATCH", login, {"IsPasswordLocked": True})) == (400, "FIELD_INTEGRITY_EXCEPTION")


def test_what_is_not_shown_is_not_changed_either(start: Start) -> None:
    org = start(permissions=TIERS["evidence"] | {"FreezeUsers"})
    login = org.world.add("UserLogin")
    assert error(org.send("PATCH", f"{DATA}/sobjects/UserLogin/{login}", {"IsFrozen": True})) == (404, "NOT_FOUND")
    org.world.hidden.add("GroupMember")
    assert error(org.send("POST", f"{DATA}/sobjects/GroupMember", {})) == (404, "NOT_FOUND")


def test_each_user_asks_with_permissions_of_its_own_and_logs_in_by_an_app_that_lets_it(start: Start) -> None:
    other = "other@acme.example"
    org = start(others={other: BASE}, apps=(App("other-app", approved=frozenset({other})),))
    org.world.add("User", Username=other, IsActive=True)
    assert token(org.url, sub=other).json()["error"] == "invalid_grant"
    assert token(org.url, iss="other-app").json()["error"] == "invalid_grant"
    said = token(org.url, iss="other-app", sub=other).json()
    theirs = Org(org.world, org.url, {"Authorization": f"Bearer {said['access_token']}"})
    asked = "SELECT Id FROM UserLogin"
    assert [org.query(asked).ok, theirs.query(asked).ok, org.query(asked).ok] == [True, False, True]


def test_an_answer_can_be_lost_after_the_change_and_before_it(start: Start) -> None:
    org = start(
        faults=[
            Fault("sobjects/UserLogin", method="PATCH", is_cut=True, on_calls=(1,)),
            Fault("sobjects/UserLogin", 500, method="PATCH", is_done=True, on_calls=(1,)),
        ]
    )
    login = f"{DATA}/sobjects/UserLogin/{org.world.add('UserLogin')}"
    frozen = "SELECT COUNT() FROM UserLogin WHERE IsFrozen = true"
    with pytest.raises(requests.ConnectionError):
        org.send("PATCH", login, {"IsFrozen": True})
    assert org.count(frozen) == 0
    assert org.send("PATCH", login, {"IsFrozen": True}).status_code == 500
    assert org.count(frozen) == 1


def test_queries_can_be_late_to_show_a_change(start: Start) -> None:
    org = start(stale_reads=2)
    record = org.world.add("SetupEntityAccess")
    assert org.send("DELETE", f"{DATA}/sobjects/SetupEntityAccess/{record}").status_code == 204
    assert [org.count("SELECT COUNT() FROM SetupEntityAccess") for _ in range(3)] == [1, 1, 0]


def test_an_oauth_token_ends_by_its_delete_token_and_a_session_by_its_own(start: Start) -> None:
    org = start()
    handle = "delete" + "-handle"
    org.world.add("OauthToken", UserId=org.world.user_id, AppName="Loader", DeleteToken=handle)

    def revoke(token: str) -> int:
        url = f"{org.url}/services/oauth2/revoke"
        status: int = requests.post(url, data={"token": token}, timeout=10).status_code
        return status

    assert [revoke(handle), revoke(handle)] == [200, 400]
    assert org.count("SELECT COUNT() FROM OauthToken") == 0
    assert revoke(org.world.tokens[0]) == 200
    assert error(org.query("SELECT Id FROM User")) == (401, "INVALID_SESSION_ID")


# ---- Connect REST


def test_client_apps_are_listed_until_a_page_is_empty(start: Start) -> None:
    org = start()
    apps = [org.world.add("ExternalClientApplication", DeveloperName=f"App{number}") for number in range(3)]
    for app in apps:
        org.world.add_app_token(app, org.world.user_id, created=NOW - 9 * DAY, last_used=NOW, use_count=4)
    org.world.add("ExternalClientApplication", DeveloperName="Unused")
    listed, link = [], f"{DATA}/apps/oauth/usage?page=0&pageSize=2"
    while page := org.get(link).json()["apps"]:
        listed += [app["identifier"] for app in page]
        link = org.get(link).json()["nextPageUrl"]
    assert listed == apps
    (user,) = org.get(f"{DATA}/apps/oauth/usage/{apps[0]}/users").json()["users"]
    assert user == {"userIdentifier": org.world.user_id, "username": "scanner@acme.example"}
    (found,) = org.get(f"{DATA}/apps/oauth/usage/{apps[0]}/{org.world.user_id}/tokens").json()["tokens"]
    assert (found["appDeveloperName"], found["useCount"]) == ("App0", 4)


def test_tokens_of_client_apps_are_deleted_one_by_one_by_user_and_by_app(start: Start) -> None:
    org = start()
    app = org.world.add("ExternalClientApplication", DeveloperName="Sync")
    users = [org.world.add("User") for _ in range(3)]
    for user in users:
        org.world.add_app_token(app, user, created=NOW)
    usage = f"{DATA}/apps/oauth/usage"
    (found,) = org.get(f"{usage}/{app}/{users[0]}/tokens").json()["tokens"]
    assert org.send("DELETE", found["revocationUrl"]).status_code == 204
    assert {token.user_id for token in org.world.app_tokens.values()} == set(users[1:])
    assert org.send("DELETE", f"{usage}/{app}/{users[1]}/tokens").status_code == 204
    assert {token.user_id for token in org.world.app_tokens.values()} == {users[2]}
    assert org.send("DELETE", f"{usage}/{app}/tokens").status_code == 204
    assert org.get(usage).json()["apps"] == []


def test_client_apps_are_not_told_without_the_permission(start: Start) -> None:
    org = start(permissions=TIERS["tokens"])
    assert error(org.get(f"{DATA}/apps/oauth/usage")) == (403, "INSUFFICIENT_ACCESS")


# ---- held to the description


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("IsActive", "yes"),
        ("IsActive", None),
        ("Username", ""),
        ("ProfileId", "00e000000000001AAB"),
        ("LastLoginDate", "2026-01-31T00:00:00Z"),
        ("UserType", "Partner"),
        ("Latitude", "52.5"),
    ],
)
def test_an_answer_that_departs_from_the_description_is_a_violation(field: str, value: object) -> None:
    world = World(clock=lambda: NOW)
    broken = world.add("User", **{field: value})

    with pytest.raises(ContractViolation, match=rf"User\.{field}: wanted "), running(world) as url:
        headers = {"Authorization": f"Bearer {token(url).json()['access_token']}"}
        soql = f"SELECT {field} FROM User WHERE Id = '{broken}'"
        answer = requests.get(f"{url}{DATA}/query", params={"q": soql}, headers=headers, timeout=10)
    assert error(answer) == (500, "CONTRACT_VIOLATION")
    assert len(world.violations) == 1


def test_a_world_takes_no_object_and_no_field_that_is_not_described() -> None:
    world = World()
    with pytest.raises(ContractViolation, match="User has no field Bogus"):
        world.add("User", Bogus=1)
    with pytest.raises(ContractViolation, match="no object Bogus is described"):
        world.add("Bogus")


def test_custom_objects_and_fields_are_the_organization_s_own(start: Start) -> None:
    org = start()
    org.world.customize("Deal__c", {"OwnerId": "id", "Amount__c": "number?"}, {"Owner": "Name"})
    org.world.customize("Account", {"Tier__c": "string?"})
    org.world.add("Deal__c", Amount__c=12)
    org.world.add("Account", Tier__c="gold")
    assert org.rows("SELECT Amount__c, Owner.Name FROM Deal__c")[0]["Amount__c"] == 12
    assert org.rows("SELECT Tier__c FROM Account WHERE Tier__c = 'gold'") == [{"Tier__c": "gold"}]
