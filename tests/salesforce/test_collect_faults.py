"""What goes wrong between the collector and an org, one answer at a time: a retry that ends, or a coverage row."""

from __future__ import annotations

from typing import Any

import pytest

from fixtures.salesforce.login import key_pair
from fixtures.salesforce.simulator import running
from fixtures.salesforce.world import TIERS, App, Fault, World
from nhiscan import collect
from nhiscan.collect import Context
from nhiscan.errors import ConfigError
from nhiscan.secret import Secret
from tests.salesforce.conftest import AS_OF, DAY, Acme, Scan, acme, scan
from tests.salesforce.parts import deals

pytestmark = pytest.mark.usefixtures("hurry")


def read(org: Acme, **settings: Any) -> Scan:
    with running(org.world) as url:
        return scan(url, **settings)


def queries(world: World, name: str) -> list[str]:
    return [call.soql for call in world.calls if call.soql is not None and f"FROM {name}" in call.soql]


# login


def test_client_credentials_log_in_at_the_my_domain() -> None:
    secret = "-".join(("made", "for", "this", "test"))
    org = acme(app=App("scanner-app", secret=secret, run_as="scanner@acme.example"))
    found = read(org, client_secret=Secret(secret), login_url="https://login.salesforce.com")
    assert found.one("scanners").identity_id == org.user(org.world.user_id)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"username": "nobody@acme.example"}, "user not found"),
        ({"client_id": "another-app"}, "client identifier invalid"),
        ({"client_secret": Secret("x" * 12)}, "invalid client credentials"),
    ],
)
def test_a_refused_login_is_coverage_with_what_the_org_said(settings: dict[str, Any], said: str) -> None:
    found = read(acme(app=App("scanner-app", secret="y" * 12)), **settings)
    assert {row.status for row in found.of("coverage")} == {"failed"}
    assert all(said in row.reason for row in found.of("coverage"))
    assert [row for row in found.records if row.table != "coverage"] == []


@pytest.mark.parametrize(
    ("settings", "status", "permission"),
    [
        ({"permissions": frozenset({"ViewSetup"})}, "denied", "API Enabled"),
        ({"has_api": False}, "not_licensed", None),
    ],
)
def test_an_org_or_user_without_the_api_is_asked_once(
    settings: dict[str, Any], status: str, permission: str | None
) -> None:
    org = acme(**settings)
    found = read(org)
    assert len(org.world.calls) == 3  # the versions, the login, and what was refused
    for name in ("identities", "grants", "apps", "credentials", "partner_accounts"):
        row = found.coverage(name)
        assert (row.status, row.missing_permission) == (status, permission)


def test_a_version_that_the_org_does_not_know_is_said_and_nothing_looks_unlicensed() -> None:
    found = read(acme(versions=("58.0", "59.0")), api_version="62.0")
    assert {row.status for row in found.of("coverage")} == {"failed"}
    assert all("knows no API version 62.0" in row.reason for row in found.of("coverage"))


def test_the_login_counts_by_the_clock_of_the_org() -> None:
    """So a scan as of another day gets in, and a machine whose clock is wrong."""
    org = acme()
    with running(org.world) as url:
        found = scan(url, ctx=Context(AS_OF - 1000 * DAY, fingerprint_key=b"k" * 32))
    assert found.coverage("identities").status == "complete"


def test_a_key_that_is_none_is_the_users_to_mend() -> None:
    with pytest.raises(ConfigError, match="no RSA private key"):
        read(acme(), private_key=Secret("-----BEGIN NOTHING-----"))


@pytest.mark.parametrize(
    "settings",
    [
        {"private_key": None},
        {"client_secret": Secret("s"), "private_key": Secret("k")},
        {"username": None},
        {"daily_share": 0.0},
        {"daily_share": 1.5},
        {"api_version": "62"},
        {"api_version": "../62.0"},
        {"url": "http://acme.my.salesforce.com"},
        {"login_url": "http://login.salesforce.com"},
        {"url": "https://user:word@acme.my.salesforce.com"},
        {"url": "https://acme.my.salesforce.com/services/data"},
        {"objects": ("Opportunity WHERE",)},
        {"fields": ("Amount",)},
    ],
)
def test_settings_that_cannot_work_are_refused_before_anything_is_asked(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        scan(**{"url": "http://127.0.0.1:1", **settings})


def test_a_session_that_ends_in_the_middle_is_renewed() -> None:
    org = acme(session_requests=7)
    found = read(org)
    assert len([call for call in org.world.calls if call.path == "/services/oauth2/token"]) > 2
    assert found.coverage("identities").status == "complete"
    assert len(found.of("identities", kind="human_user")) == 3


def test_a_session_that_ends_at_once_ends_the_run() -> None:
    found = read(acme(session_requests=0))
    assert all("has just given" in row.reason for row in found.of("coverage", status="failed"))
    assert found.of("coverage", status="complete") == []


# pages


def test_pages_are_followed_to_the_end() -> None:
    org = acme(page_size=2)
    found = read(org)
    assert len(found.of("identities", kind="human_user")) == 3
    assert found.coverage("identities").status == "complete"


def test_more_rows_without_an_address_are_truncated_and_not_complete() -> None:
    found = read(acme(page_size=2, no_next_url={"User"}))
    row = found.coverage("identities")
    assert row.status == "partial"
    assert "more rows and not where" in (row.reason or "")
    assert row.call == "query User"


@pytest.mark.parametrize("elsewhere", ["https://evil.example", "//evil.example", "http://127.0.0.1:1"])
def test_a_next_page_on_another_host_is_not_asked_for(elsewhere: str) -> None:
    found = read(acme(page_size=2, foreign_next_url=elsewhere))
    row = found.coverage("identities")
    assert row.status == "partial"
    assert "elsewhere" in (row.reason or "")


@pytest.mark.parametrize("page_size", [1, 2, 5])
def test_a_cursor_that_expires_once_costs_no_row_and_doubles_none(page_size: int) -> None:
    org = acme(page_size=page_size, expired_cursors=1)
    found = read(org)
    expected = read(acme())
    mine = [record for record in found.records if record.table not in ("coverage", "usage")]
    assert mine == [record for record in expected.records if record.table not in ("coverage", "usage")]
    assert not [row for row in found.of("coverage") if "LOCATOR" in str(row.reason)]


def test_cursors_that_always_expire_are_coverage() -> None:
    found = read(acme(page_size=2, expired_cursors=1_000))
    assert found.coverage("identities").status == "partial"
    assert "INVALID_QUERY_LOCATOR" in str(found.coverage("identities").reason)


# limits


def test_the_last_tenth_of_the_quota_is_left_to_others() -> None:
    org = acme(api_limit=100, api_used=91)
    found = read(org, daily_share=1.0)
    assert len(org.world.calls) == 3  # the versions, the login, and what showed how much is used
    row = found.coverage("apps")
    assert (row.status, "rest is for others" in str(row.reason)) == ("truncated", True)


def test_a_refusal_for_the_daily_limit_is_not_repeated() -> None:
    org = acme()
    org.world.faults.append(Fault("Profile", status=403, code="REQUEST_LIMIT_EXCEEDED", message="TotalRequests"))
    found = read(org)
    assert len(queries(org.world, "Profile")) == 1
    assert queries(org.world, "User WHERE") == []
    assert org.world.calls[-1].soql == queries(org.world, "Profile")[0]
    for name in ("identities", "grants", "apps", "credentials", "partner_accounts"):
        row = found.coverage(name)
        assert row.status in ("failed", "partial")
        assert "REQUEST_LIMIT_EXCEEDED" in str(row.reason)


def test_a_scan_stops_at_its_share_of_the_daily_quota() -> None:
    org = acme(api_limit=50)
    found = read(org, daily_share=0.2)
    assert len([call for call in org.world.calls if "/services/data/" in call.path]) == 10
    row = found.coverage("partner_accounts")
    assert row.status == "truncated"
    assert "daily_share gives this scan 20% of the org's 50 a day" in str(row.reason)


def test_a_provider_that_is_busy_is_asked_again() -> None:
    org = acme()
    org.world.faults.append(Fault("Profile", status=503, headers={"Retry-After": "0"}, on_calls=(1, 2)))
    found = read(org)
    assert len(queries(org.world, "Profile")) >= 3
    assert found.of("memberships", group_id=f"{org.tenant_id}:profile/{org.staff_profile}")


# refusals, each for one object

NEEDED = {
    "User": ("identities", "View All Users"),
    "UserLogin": ("identities.frozen", "Manage Users"),
    "PermissionSet": ("grants", "View Setup and Configuration"),
    "PermissionSetAssignment": ("memberships", "View Setup and Configuration"),
    "Profile": ("memberships", "View Setup and Configuration"),
    "SetupEntityAccess": ("apps", "View Setup and Configuration"),
    "Account": ("partner_accounts", "Read on Account"),
    "OauthToken": ("credentials", "Customize Application"),
    "ExternalClientApplication": ("apps", "External Client Apps"),
    "ExtlClntAppOauthSettings": ("apps.scopes", "External Client Apps"),
    "ExtlClntAppOauthPlcyCnfg": ("apps.settings", "External Client Apps"),
    "SamlSsoConfig": ("issuers", "View Setup and Configuration"),
    "Certificate": ("stored_secrets", "View Setup and Configuration"),
}


@pytest.mark.parametrize("name", NEEDED)
def test_an_object_that_is_hidden_is_coverage_with_the_permission_that_opens_it(name: str) -> None:
    dataset, permission = NEEDED[name]
    row = read(acme(hidden={name})).coverage(dataset)
    assert row.status not in ("complete", "not_applicable")
    assert permission in str(row.missing_permission)
    assert name in str(row.call)


@pytest.mark.parametrize(
    ("status", "code", "word"),
    [
        (403, "INSUFFICIENT_ACCESS", "denied"),
        (403, "FUNCTIONALITY_NOT_ENABLED", "not_licensed"),
        (500, "UNKNOWN_EXCEPTION", "failed"),
        (400, "QUERY_TIMEOUT", "failed"),
        (400, "INVALID_TYPE", "unsupported"),
    ],
)
def test_a_refusal_is_called_what_it_is(status: int, code: str, word: str) -> None:
    org = acme()
    org.world.faults.append(Fault("Account", status=status, code=code, message="for some reason"))
    row = read(org).coverage("partner_accounts")
    assert row.status == word
    assert f"{code}: for some reason" in str(row.reason)


@pytest.mark.parametrize(
    "body", ["", "<html>busy</html>", "[]", '{"records": 3}', '{"records": [1], "done": true}', "{"]
)
def test_an_answer_that_is_no_list_of_rows_is_a_failure(body: str) -> None:
    org = acme()
    org.world.faults.append(Fault("Account", status=200, body=body))
    row = read(org).coverage("partner_accounts")
    assert row.status == "failed"


def test_a_server_that_is_gone_ends_the_run_as_coverage() -> None:
    found = scan("http://127.0.0.1:1")
    assert {row.status for row in found.of("coverage")} == {"failed"}
    assert all("cannot be reached" in row.reason for row in found.of("coverage"))


# fields that some orgs lack


def test_a_token_without_a_creation_date_is_read_and_its_age_is_not_known() -> None:
    org = acme(hidden_fields={"OauthToken.CreatedDate"})
    found = read(org)
    (token,) = found.of("credentials", app_id=f"{org.tenant_id}:oauth_app/{org.legacy_app}")
    assert token.created_at is None
    assert found.coverage("credentials").status == "complete"
    assert found.coverage("credentials.created").status == "partial"


def test_an_org_without_portals_shows_no_account_and_lacks_nothing() -> None:
    world = World(clock=lambda: AS_OF, hidden_fields={"User.AccountId", "Account.IsPartner"})
    with running(world) as url:
        found = scan(url)
    assert found.coverage("identities").status == "complete"
    assert found.coverage("partner_accounts").status == "unsupported"


def test_outsiders_without_their_account_make_identities_partial() -> None:
    row = read(acme(hidden_fields={"User.AccountId"})).coverage("identities")
    assert (row.status, row.missing_permission) == ("partial", "Read on User.AccountId")


def test_a_required_field_that_is_hidden_is_coverage_and_no_crash() -> None:
    row = read(acme(hidden_fields={"User.Username"})).coverage("identities")
    assert row.status == "unsupported"
    assert "Username" in str(row.reason)


# tiers


@pytest.mark.parametrize("tier", ["base", "evidence"])
def test_without_the_right_to_all_tokens_those_of_others_are_missing_and_it_is_said(tier: str) -> None:
    org = acme(permissions=TIERS[tier])
    org.world.add("OauthToken", AppName="Legacy Sync", UserId=org.world.user_id)
    found = read(org)
    row = found.coverage("credentials")
    assert row.status == "partial"
    assert "Customize Application" in str(row.missing_permission)
    assert found.coverage("apps").status == "partial"
    tokens = [row.identity_id for row in found.of("credentials", kind="oauth_token")]
    assert tokens == [org.user(org.world.user_id)]


def test_only_own_tokens_are_doubted_also_where_rights_are_not_told() -> None:
    org = acme(permissions=TIERS["evidence"], hidden={"UserPermissionAccess"})
    org.world.add("OauthToken", AppName="Legacy Sync", UserId=org.world.user_id)
    row = read(org).coverage("credentials")
    assert row.status == "partial"
    assert "scanner's own" in str(row.reason)


def test_without_the_right_to_external_client_apps_they_are_missing_and_it_is_said() -> None:
    found = read(acme(permissions=TIERS["tokens"]))
    for name in ("apps", "apps.scopes", "apps.settings", "credentials"):
        row = found.coverage(name)
        assert row.status == "partial" or row.status == "unsupported"
        assert "External Client Apps" in str(row.missing_permission)


def test_users_that_sharing_may_hide_make_identities_partial() -> None:
    org = acme(permissions=TIERS["base"], private_users=True)
    org.world.add("EntityDefinition", QualifiedApiName="User", InternalSharingModel="Private", DurableId="User")
    row = read(org).coverage("identities")
    assert (row.status, row.missing_permission) == ("partial", "View All Users")


def test_users_that_everybody_sees_are_complete_without_that_right() -> None:
    org = acme(permissions=TIERS["base"])
    org.world.add("EntityDefinition", QualifiedApiName="User", InternalSharingModel="Read", DurableId="User")
    assert read(org).coverage("identities").status == "complete"


def test_partner_accounts_that_sharing_hides_show_by_their_users() -> None:
    row = read(acme(narrowed={"Account"})).coverage("partner_accounts")
    assert row.status == "partial"
    assert "users of 1 partner accounts" in str(row.reason)


# tokens


def with_tokens(count: int, users: int, **settings: Any) -> Acme:
    org = acme(**settings)
    ids = [
        org.world.add(
            "User", Username=f"u{n}@acme.example", IsActive=True, UserType="Standard", ProfileId=org.staff_profile
        )
        for n in range(users)
    ]
    for n in range(count):
        org.world.add("OauthToken", AppName="Legacy Sync", UserId=ids[n % users], CreatedDate=AS_OF - DAY)
    return org


def test_no_token_is_lost_behind_the_2500th() -> None:
    org = with_tokens(2_600, 40)
    found = read(org)
    assert len(found.of("credentials", app_id=f"{org.tenant_id}:oauth_app/{org.legacy_app}")) == 2_601
    assert found.coverage("credentials").status == "complete"


def test_more_tokens_of_one_user_than_an_answer_holds_are_said() -> None:
    found = read(with_tokens(2_600, 1))
    row = found.coverage("credentials")
    assert row.status == "partial"
    assert "2600 tokens are counted and 2500 shown" in str(row.reason)


def test_tokens_without_an_id_of_their_own_stay_apart() -> None:
    org = acme()
    for native_id in [row["Id"] for row in org.world.rows("OauthToken")]:
        org.world.remove(native_id)
    org.world.add("OauthToken", Id="000000000000000AAA", AppName="Legacy Sync", UserId=org.anna)
    found = read(org)
    first = found.one("credentials", app_id=f"{org.tenant_id}:oauth_app/{org.legacy_app}").native_id
    assert first != "000000000000000AAA"
    again = read(org).one("credentials", app_id=f"{org.tenant_id}:oauth_app/{org.legacy_app}").native_id
    assert again == first


def test_the_usage_of_external_client_apps_is_read_to_its_last_page() -> None:
    org = acme()
    for n in range(230):
        user = org.world.add("User", Username=f"e{n}@acme.example", ProfileId=org.staff_profile, UserType="Standard")
        org.world.add_app_token(org.external_app, user, created=AS_OF - DAY)
    found = read(org)
    assert len(found.of("credentials", app_id=f"{org.tenant_id}:oauth_app/{org.external_app}")) == 231


def test_progress_is_counted() -> None:
    seen: dict[str, int] = {}
    org = acme()

    def count(label: str, n: int) -> None:
        seen[label] = seen.get(label, 0) + n

    with running(org.world) as url:
        scan(url, ctx=Context(AS_OF, on_progress=count))
    assert seen["salesforce: users"] == 8
    assert collect.names()  # the door is the entry point


def test_a_public_key_in_place_of_the_private_one_is_the_users_to_mend() -> None:
    with pytest.raises(ConfigError, match="no RSA private key"):
        read(acme(), private_key=Secret(key_pair()[1]))


def test_half_of_a_surrogate_pair_in_a_name_can_be_kept() -> None:
    org = acme()
    org.world.add("UserRole", Name="half \ud800 of a pair")
    found = read(org)
    assert found.one("identities", name="half ? of a pair").kind == "group"


# a shorter list is never called whole


@pytest.mark.parametrize("name", ["User", "PermissionSetAssignment", "UserRole", "LoginHistory"])
def test_fewer_rows_than_the_org_counts_are_truncated(name: str) -> None:
    org = acme()
    org.world.faults.append(Fault(name, status=200, body='{"totalSize": 3, "done": true, "records": []}'))
    dataset = {"User": "identities", "LoginHistory": "usage.logins"}.get(name, "memberships")
    row = read(org).coverage(dataset)
    assert row.status in ("truncated", "partial")
    assert f"query {name}: 3 rows are said to be there and 0 came" in str(row.reason)


@pytest.mark.parametrize(
    ("where", "datasets"),
    [
        ("Profile", ("grants", "identities", "memberships")),
        ("tooling/sobjects/ExtlClntAppOauthSettings/describe", ("apps.scopes",)),
        ("ExternalClientApplication", ("apps", "apps.scopes", "credentials")),
        ("AppMenuItem", ("identities.tags",)),
        ("User", ("identities", "objects.records")),
    ],
)
def test_what_is_lost_with_a_refused_call_is_in_no_complete_dataset(where: str, datasets: tuple[str, ...]) -> None:
    org = deals()
    org.world.add("Opportunity", OwnerId=org.anna)
    org.world.faults.append(Fault(where, status=403, code="INSUFFICIENT_ACCESS", message="not for you"))
    found = read(org)
    assert not [name for name in datasets if found.coverage(name).status == "complete"]


@pytest.mark.parametrize(("path", "name"), [("apps/oauth/usage", "apps"), ("/tokens", "tokens"), ("/users", "users")])
@pytest.mark.parametrize("body", ["{{}}", '{{"{0}": null}}', '{{"{0}": [7]}}'])
def test_usage_without_its_list_leaves_tokens_short_and_it_is_said(path: str, name: str, body: str) -> None:
    org = acme()
    org.world.faults.append(Fault(path, status=200, body=body.format(name)))
    row = read(org).coverage("credentials")
    assert row.status == "partial"
    assert f"the answer holds no {name}" in str(row.reason)
