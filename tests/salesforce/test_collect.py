"""What the records of an org say, read over HTTP with every permission."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fixtures.salesforce.simulator import running
from nhiscan import store
from nhiscan.collect import Context
from nhiscan.load import load
from tests.salesforce.conftest import AS_OF, DAY, Acme, Scan, acme, scan


@pytest.fixture
def org(whole: tuple[Acme, Scan]) -> Acme:
    return whole[0]


@pytest.fixture
def found(whole: tuple[Acme, Scan]) -> Scan:
    return whole[1]


def test_the_tenant_is_the_org_and_the_scanner_one_of_its_users(org: Acme, found: Scan) -> None:
    assert found.one("tenants").tenant_id == f"salesforce:{org.world.organization_id}"
    assert found.one("scanners").identity_id == org.user(org.world.user_id)


@pytest.mark.parametrize(
    ("who", "kind", "is_nhi", "licence", "is_external"),
    [
        ("anna", "human_user", False, "internal", False),
        ("partner_user", "human_user", False, "partner", True),
        ("bot", "service_account", True, "integration", False),
        ("connector", "service_account", True, "internal", False),  # by a permission set with API only
        ("guest", "guest", None, "guest", True),
    ],
)
def test_a_user_is_told_by_licence_and_by_the_api_only_permission(
    org: Acme, found: Scan, who: str, kind: str, is_nhi: bool | None, licence: str, is_external: bool
) -> None:
    user = found.one("identities", identity_id=org.user(getattr(org, who)))
    assert (user.kind, user.is_nhi, user.licence, user.is_external) == (kind, is_nhi, licence, is_external)


def test_a_user_of_the_platform_belongs_to_the_provider(found: Scan) -> None:
    (user,) = [row for row in found.of("identities") if row.is_provider_owned]
    assert (user.name, user.is_nhi, user.last_used_known) == ("auto@00d", True, False)


def test_a_frozen_user_is_disabled_though_active(org: Acme, found: Scan) -> None:
    assert found.one("identities", identity_id=org.user(org.frozen_partner)).status == "disabled"
    assert found.one("identities", identity_id=org.user(org.partner_user)).status == "enabled"


def test_an_outsider_shows_the_account_that_it_belongs_to(org: Acme, found: Scan) -> None:
    sign = found.one("signs", identity_id=org.user(org.partner_user))
    assert (sign.kind, sign.value) == ("salesforce_account", org.contoso)


def test_a_last_login_is_known_also_where_there_was_none(org: Acme, found: Scan) -> None:
    anna, partner = (found.one("identities", identity_id=org.user(who)) for who in (org.anna, org.partner_user))
    assert (anna.last_used_at, anna.last_used_known) == (AS_OF - DAY, True)
    assert (partner.last_used_at, partner.last_used_known) == (None, True)


def test_a_password_is_a_credential_from_its_last_change_on(org: Acme, found: Scan) -> None:
    password = found.one("credentials", identity_id=org.user(org.anna))
    assert (password.kind, password.status, password.created_at) == ("password", "active", AS_OF - 100 * DAY)
    assert found.of("credentials", identity_id=org.user(org.connector)) == []


def test_a_machine_shows_who_manages_it_and_who_made_it(org: Acme, found: Scan) -> None:
    tags = {(tag.name, tag.value) for tag in found.of("tags", identity_id=org.user(org.bot))}
    assert tags == {("Contact", "anna@acme.example"), ("CreatedBy", "anna@acme.example")}
    assert found.of("tags", identity_id=org.user(org.anna)) == []


def test_users_are_in_their_profile_role_and_sets_but_not_where_an_assignment_ended(org: Acme, found: Scan) -> None:
    tenant = org.tenant_id
    assert found.groups_of(org.user(org.anna)) == {
        f"{tenant}:profile/{org.staff_profile}",
        f"{tenant}:role/00E000000000001EAA",
    }
    assert f"{tenant}:permission_set/{org.reader_set}" in found.groups_of(org.user(org.bot))


def test_the_set_that_a_profile_owns_is_the_profile(org: Acme, found: Scan) -> None:
    grant = found.one("grants", grant_id=f"{org.tenant_id}:profile/{org.staff_profile}/system")
    assert (grant.permission, grant.source) == ("ExportReport", "profile")  # RunReports is called harmless
    assert not [row for row in found.of("identities", kind="group") if row.name.startswith("X00e")]


def test_permissions_of_one_set_stand_in_one_grant(org: Acme, found: Scan) -> None:
    grant = found.one("grants", grant_id=f"{org.tenant_id}:permission_set/{org.reader_set}/system")
    assert grant.permission == "ModifyAllData, ViewAllData"
    assert (grant.resource_id, grant.has_other_conditions) == (None, False)


def test_preauthorisation_of_an_app_is_a_grant_of_the_group(org: Acme, found: Scan) -> None:
    grant = found.one("grants", permission="app:use")
    assert grant.identity_id == f"{org.tenant_id}:permission_set/{org.reader_set}"
    assert grant.statement == f"{org.tenant_id}:oauth_app/{org.legacy_app}"


def test_a_connected_app_says_who_publishes_it_and_how_long_its_tokens_live(org: Acme, found: Scan) -> None:
    app_id = f"{org.tenant_id}:oauth_app/{org.legacy_app}"
    app = found.one("identities", identity_id=app_id)
    assert (app.kind, app.name, app.is_nhi, app.is_installed) == ("oauth_app", "Legacy Sync", True, True)
    assert [(sign.kind, sign.value) for sign in found.of("signs", identity_id=app_id)] == [
        ("publisher", "vendor.example")
    ]
    settings = found.one("app_settings", identity_id=app_id)
    assert (settings.refresh_policy, settings.is_approved_users_only) == ("never_expires", True)
    assert settings.flows is None  # not known, which is not the same as none
    assert found.of("app_scopes", identity_id=app_id) == []
    assert found.coverage("apps.scopes").status == "partial"


def test_an_external_client_app_says_scopes_and_policies(org: Acme, found: Scan) -> None:
    app_id = f"{org.tenant_id}:oauth_app/{org.external_app}"
    assert [(row.scope, row.gives) for row in found.of("app_scopes", identity_id=app_id)] == [
        ("api", "all"),
        ("refresh_token", "none"),
    ]
    settings = found.one("app_settings", identity_id=app_id)
    assert (settings.refresh_policy, settings.refresh_days) == ("idle_days", 90)
    assert (settings.is_approved_users_only, settings.is_refresh_network_bound) == (False, False)
    assert (settings.is_network_bound, settings.is_pkce_required) == (None, None)
    assert {sign.value for sign in found.of("signs", identity_id=app_id)} == {"bridge.example", "qbridge"}


def test_a_token_is_the_users_and_held_by_the_app_of_its_name(org: Acme, found: Scan) -> None:
    (token,) = found.of("credentials", app_id=f"{org.tenant_id}:oauth_app/{org.legacy_app}")
    assert (token.kind, token.identity_id) == ("oauth_token", org.user(org.bot))
    assert (token.created_at, token.last_used_at, token.last_used_known) == (AS_OF - 9 * DAY, AS_OF, True)
    assert "by name" in token.last_used_source


def test_a_token_of_an_external_client_app_comes_from_its_usage(org: Acme, found: Scan) -> None:
    (token,) = found.of("credentials", app_id=f"{org.tenant_id}:oauth_app/{org.external_app}")
    assert (token.identity_id, token.last_used_at) == (org.user(org.bot), AS_OF - 2 * DAY)


def test_an_app_that_only_tokens_know_is_removed_and_says_so(org: Acme, found: Scan) -> None:
    app = found.one("identities", name="Gone Loader")
    assert (app.kind, app.is_installed) == ("oauth_app", False)
    assert app.derived_from is not None
    (token,) = found.of("credentials", app_id=app.identity_id)
    assert token.identity_id == org.user(org.partner_user)


def test_partner_accounts_are_those_that_the_org_calls_partners(org: Acme, found: Scan) -> None:
    contoso, northwind = found.of("partner_accounts")
    assert (contoso.account_id, contoso.domain) == (org.contoso, "contoso.example")
    assert (northwind.parent_account_id, northwind.owner_mail) == (org.contoso, "anna@acme.example")
    assert found.of("partners") == []


def test_as_the_register_accounts_are_partners_too() -> None:
    org = acme()
    with running(org.world) as url:
        found = scan(url, is_register=True)
    assert [(row.name, row.source_system, row.source_id) for row in found.of("partners")] == [
        ("Contoso", "salesforce", org.contoso),
        ("Northwind", "salesforce", org.northwind),
    ]
    assert {(row.kind, row.value) for row in found.of("aliases")} == {
        ("salesforce_account", org.contoso),
        ("mail_domain", "contoso.example"),
        ("salesforce_account", org.northwind),
    }
    said = {row.dataset: row.status for row in found.of("coverage") if row.dataset.startswith("register.")}
    assert said == {"register.partners": "complete", "register.aliases": "complete"}  # and nothing of other tables


def test_a_register_of_accounts_that_were_not_all_listed_is_not_complete() -> None:
    org = acme(narrowed={"Account"})
    with running(org.world) as url:
        found = scan(url, is_register=True)
    assert found.coverage("register.partners").status == "truncated"


def test_certificates_and_named_credentials_are_stored_secrets(found: Scan) -> None:
    kinds = {row.kind: row for row in found.of("stored_secrets")}
    assert kinds["certificate"].expires_at == AS_OF + 20 * DAY
    assert "named_credential" in kinds


def test_identity_providers_are_issuers(found: Scan) -> None:
    assert {(row.kind, row.issuer) for row in found.of("issuers")} == {
        ("oidc", "login.idp.example"),
        ("saml", "https://idp.example/saml"),
    }
    assert found.one("issuer_audiences").audience == "https://acme.example"


def test_everything_that_this_half_reads_is_complete_with_every_permission(found: Scan) -> None:
    read = ("identities", "memberships", "grants", "apps", "credentials", "credentials.created", "partner_accounts")
    assert {name: found.coverage(name).status for name in read} == dict.fromkeys(read, "complete")


# permission set groups


def muted(**status: Any) -> tuple[Acme, Scan, str]:
    """A group of the reader set and a muting set that takes ModifyAllData away."""
    org = acme()
    world = org.world
    group = world.add("PermissionSetGroup", DeveloperName="Readers", MasterLabel="Readers", **status)
    muting = world.add("MutingPermissionSet", DeveloperName="Mute", PermissionsModifyAllData=True)
    world.add(
        "PermissionSet", Name="Readers_sum", Type="Group", PermissionSetGroupId=group, PermissionsViewAllData=True
    )
    for part in (org.reader_set, muting):
        world.add("PermissionSetGroupComponent", PermissionSetGroupId=group, PermissionSetId=part)
    world.add("PermissionSetAssignment", AssigneeId=org.anna, PermissionSetGroupId=group, IsActive=True)
    with running(world) as url:
        return org, scan(url), f"{org.tenant_id}:permission_set_group/{group}"


@pytest.mark.parametrize("status", ["Updated", "Outdated", "Failed"])
def test_what_a_muting_set_takes_away_is_not_granted(status: str) -> None:
    """By the sum that the org keeps, or worked out where that sum is not up to date."""
    org, found, group = muted(Status=status)
    assert found.one("grants", identity_id=group).permission == "ViewAllData"
    assert found.groups_of(group) == set()  # its sets would give back what is muted
    assert group in found.groups_of(org.user(org.anna))


def test_a_group_without_muting_gives_what_its_sets_give() -> None:
    org = acme()
    group = org.world.add("PermissionSetGroup", DeveloperName="Desk", MasterLabel="Desk", Status="Updated")
    org.world.add("PermissionSetGroupComponent", PermissionSetGroupId=group, PermissionSetId=org.reader_set)
    org.world.add("PermissionSet", Name="Sum", Type="Group", PermissionSetGroupId=group, PermissionsModifyAllData=True)
    with running(org.world) as url:
        found = scan(url)
    group_id = f"{org.tenant_id}:permission_set_group/{group}"
    assert found.groups_of(group_id) == {f"{org.tenant_id}:permission_set/{org.reader_set}"}
    assert found.of("grants", identity_id=group_id) == []


def test_a_set_that_a_session_must_activate_gives_on_condition() -> None:
    org = acme()
    native_id = org.world.add(
        "PermissionSet", Name="Elevated", Type="Session", HasActivationRequired=True, PermissionsManageUsers=True
    )
    with running(org.world) as url:
        found = scan(url)
    grant = found.one("grants", identity_id=f"{org.tenant_id}:permission_set/{native_id}")
    assert grant.has_other_conditions


def test_an_assignment_counts_until_it_ends() -> None:
    org = acme()
    later = {"AssigneeId": org.anna, "PermissionSetId": org.reader_set, "IsActive": True}
    org.world.add("PermissionSetAssignment", ExpirationDate=AS_OF + timedelta(minutes=1), **later)
    with running(org.world) as url:
        found = scan(url)
    assert f"{org.tenant_id}:permission_set/{org.reader_set}" in found.groups_of(org.user(org.anna))


HOSTILE = ["' OR Name != '", '"</script><b>x', "line\nbreak\ttab\x07bell", "ü" * 2000, "%00\u202egnp.exe"]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_of_any_kind_come_through_unchanged(name: str) -> None:
    org = acme()
    org.world.change(org.legacy_app, Name=name)
    org.world.change(org.contoso, Name=name)
    org.world.add("OauthToken", AppName=f"{name}?", UserId=org.anna)
    with running(org.world) as url:
        found = scan(url)
    assert found.one("identities", identity_id=f"{org.tenant_id}:oauth_app/{org.legacy_app}").name == name
    assert found.one("partner_accounts", account_id=org.contoso).name == name
    assert found.one("identities", name=f"{name}?").is_installed is False


def test_a_change_of_profile_or_role_is_dated_by_the_audit_trail() -> None:
    org = acme()
    moves = (("changedroleforuser", 9), ("changedprofileforusercusttostd", 5), ("changedpassword", 1))
    for action, days in moves:
        text = f"Changed something for user Anna Owner (UserID: [{org.anna[:15]}])"
        org.world.add("SetupAuditTrail", Action=action, Display=text, CreatedDate=AS_OF - days * DAY)
    with running(org.world) as url:
        found = scan(url)
    assert found.one("identities", identity_id=org.user(org.anna)).role_changed_at == AS_OF - 5 * DAY
    assert found.one("identities", identity_id=org.user(org.bot)).role_changed_at is None


def test_a_sample_reads_little_and_doubts_nothing_that_it_did_not_look_for() -> None:
    org = acme(page_size=2)
    with running(org.world) as url:
        found = scan(url, ctx=Context(AS_OF, is_sample=True))
    assert not [call for call in org.world.calls if "/query/" in call.path]
    assert found.coverage("partner_accounts").status == "complete"
    assert found.coverage("credentials").missing_permission is None


def test_metadata_of_apps_completes_what_the_api_does_not_say(tmp_path: Path) -> None:
    files = {
        "connectedApps/Legacy_Sync.connectedApp": """
            <ConnectedApp xmlns="http://soap.sforce.com/2006/04/metadata"><label>Legacy Sync</label>
            <oauthConfig><callbackUrl>https://vendor.example/cb</callbackUrl><consumerKey>3MVG9legacy</consumerKey>
            <consumerSecret>canary-consumer</consumerSecret>
            <isConsumerSecretOptional>true</isConsumerSecretOptional><isDeviceFlowEnabled>true</isDeviceFlowEnabled>
            <isPkceRequired>false</isPkceRequired><isRefreshTokenRotationEnabled>false</isRefreshTokenRotationEnabled>
            <scopes>Full</scopes><scopes>RefreshToken</scopes><scopes>Wave</scopes></oauthConfig>
            <oauthPolicy><ipRelaxation>BYPASS</ipRelaxation><refreshTokenPolicy>infinite</refreshTokenPolicy>
            </oauthPolicy></ConnectedApp>""",
        "extlClntAppGlobalOauthSets/Quote.ecaGlblOauth": """
            <ExtlClntAppGlobalOauthSettings xmlns="http://soap.sforce.com/2006/04/metadata">
            <externalClientApplication>Quote_Bridge</externalClientApplication><isPkceRequired>true</isPkceRequired>
            <isRefreshTokenRotationEnabled>true</isRefreshTokenRotationEnabled>
            <isClientCredentialsFlowEnabled>true</isClientCredentialsFlowEnabled>
            </ExtlClntAppGlobalOauthSettings>""",
        "extlClntAppOauthSecuritySettings/Quote.ecaOauthSecurity": """
            <ExtlClntAppOauthSecuritySettings xmlns="http://soap.sforce.com/2006/04/metadata">
            <externalClientApplication>Quote_Bridge</externalClientApplication>
            <tokenIpRanges><startIpAddress>192.0.2.1</startIpAddress></tokenIpRanges>
            </ExtlClntAppOauthSecuritySettings>""",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text(text.strip(), encoding="utf-8")
    org = acme()
    with running(org.world) as url:
        found = scan(url, metadata_folder=tmp_path)
    legacy = f"{org.tenant_id}:oauth_app/{org.legacy_app}"
    settings = found.one("app_settings", identity_id=legacy)
    assert settings.flows == "code,device"
    assert (settings.is_public, settings.is_pkce_required, settings.is_refresh_rotated) == (True, False, False)
    assert (settings.refresh_policy, settings.is_network_bound) == ("never_expires", False)
    assert [(row.scope, row.gives) for row in found.of("app_scopes", identity_id=legacy)] == [
        ("full", "all"),
        ("refresh_token", "none"),
        ("wave", "data"),
    ]
    assert ("client_id", "3MVG9legacy") in {(row.kind, row.value) for row in found.of("signs", identity_id=legacy)}
    bridge = found.one("app_settings", identity_id=f"{org.tenant_id}:oauth_app/{org.external_app}")
    assert (bridge.flows, bridge.is_pkce_required, bridge.is_refresh_rotated) == ("client_credentials", True, True)
    assert (bridge.is_network_bound, bridge.refresh_days) == (True, 90)
    assert {found.coverage(name).status for name in ("apps.scopes", "apps.settings")} == {"complete"}
    assert "canary-consumer" not in repr(found.records)


def test_an_app_without_a_file_among_the_metadata_is_said(tmp_path: Path) -> None:
    org = acme()
    with running(org.world) as url:
        found = scan(url, metadata_folder=tmp_path)
    for name in ("apps.scopes", "apps.settings"):
        assert found.coverage(name).status == "partial"
        assert "has no file of 2 of them" in str(found.coverage(name).reason)


def test_every_row_finds_what_it_refers_to(found: Scan) -> None:
    said = {row.dataset: (row.status, row.reason) for row in found.of("coverage")}
    with store.empty() as con:
        load(con, found.records)
        kept = con.execute("select dataset, status, reason from coverage").fetchall()
    assert {dataset: (status, reason) for dataset, status, reason in kept} == said


def test_an_app_of_salesforces_own_is_the_providers() -> None:
    org = acme()
    app = org.world.add("ExternalClientApplication", DeveloperName="Einstein", MasterLabel="Einstein")
    first_party = {"ExtlClntAppOauthOptionsFirstPartyAppEnabled": True}
    org.world.add("ExtlClntAppOauthSettings", ExternalClientApplicationId=app, **first_party)
    with running(org.world) as url:
        found = scan(url)
    owned = {row.name for row in found.of("identities", kind="oauth_app") if row.is_provider_owned}
    assert owned == {"Einstein"}
