"""Values of the org's policies under our names, from whichever source says them, and what stays unsaid."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import pytest

from tests.salesforce.conftest import Acme, Scan, acme
from tests.salesforce.parts import metadata, put, read

settings = importlib.import_module("nhiscan.collectors.salesforce.settings")


def said(found: Scan, name: str) -> Any:
    row = found.one("settings", name=name, applies_to=None)
    return row.number if row.value is None else row.value


def risk(durable_id: str, raw: str | None, shown: str | None = None) -> dict[str, Any]:
    return {"DurableId": durable_id, "OrgValueRaw": raw, "OrgValue": shown}


@pytest.mark.parametrize(
    ("row", "name", "value"),
    [
        (risk("SessionSettings.timeout", "TwoHours"), "session.idle_minutes", 120),
        (risk("SessionSettings.timeout", "120"), "session.idle_minutes", 120),
        (risk("SessionSettings.timeout", None, "12 hours"), "session.idle_minutes", 720),
        (risk("SessionSettings.timeout", "x", "30 minutes"), "session.idle_minutes", 30),
        (risk("SessionSettings.lockSessionsToIp", "false", "Disabled"), "session.locked_to_network", "no"),
        (risk("PasswordPolicies.minPasswordLength", "8", "8 characters"), "password.min_length", 8),
        (risk("PasswordPolicies.maxLoginAttempts", "NoLimit"), "password.lockout_attempts", 0),
        (risk("PasswordPolicies.maxLoginAttempts", None, "No Limit"), "password.lockout_attempts", 0),
        (risk("PasswordPolicies.expiration", "Never"), "password.expires_days", 0),
        (risk("PasswordPolicies.expiration", "NinetyDays"), "password.expires_days", 90),
        (risk("PasswordPolicies.complexity", "4"), "password.complexity", "UpperLowerCaseNumericSpecialCharacters"),
        (risk("Identity.mfaEnabled", "true"), "mfa.required", "yes"),
    ],
)
def test_a_health_check_value_stands_under_our_name(row: dict[str, Any], name: str, value: object) -> None:
    found = settings.risk_value(row)
    assert (found.name, found.number if found.value is None else found.value) == (name, value)


@pytest.mark.parametrize(
    "row", [risk("SessionSettings.csrfGet", "true"), risk("SessionSettings.lockSessionsToIp", "sometimes")]
)
def test_a_health_check_value_that_is_not_known_keeps_its_own_name(row: dict[str, Any]) -> None:
    found = settings.risk_value(row)
    assert (found.name, found.value) == (row["DurableId"], row["OrgValueRaw"])


@pytest.fixture
def org() -> Acme:
    return acme()


def test_what_the_tooling_api_says_is_read(org: Acme) -> None:
    world = org.world
    world.add(
        "SessionSettings", SessionTimeout="ThirtyMinutes", LockSessionsToIp=True, IsMfaDirectUiLoginOptInEnabled=True
    )
    world.add(
        "PasswordPolicies", MinimumPasswordLength="12", MaxLoginAttempts="FiveAttempts", Expiration="OneYear",
        Complexity="AlphaNumeric",
    )  # fmt: skip
    world.add("SingleSignOnSettings", IsLoginWithSalesforceCredentialsDisabled=False)
    world.add("ConnectedAppSettings", IsAdminApprovedAppsOnlyEnabled=True)
    world.add("OauthOidcSettings", BlockOauthUnPwFlow=True, BlockOauthUsrAgtFlow=False)
    world.add("SharingSettings", IsPartnerSuperUserAccessEnabled=True)
    world.add("EventSettings", IsEventLogGenerationEnabled=True)
    found = read(org)
    names = ("session.idle_minutes", "session.locked_to_network", "mfa.required", "password.min_length")
    assert [said(found, name) for name in names] == [30, "yes", "yes", 12]
    names = ("password.lockout_attempts", "password.expires_days", "sso.required", "sso.local_login_allowed")
    assert [said(found, name) for name in names] == [5, 365, "no", "yes"]
    of_apps = ("apps.approved_only", "oauth.password_flow_blocked", "oauth.user_agent_flow_blocked")
    assert [said(found, name) for name in of_apps] == ["yes", "yes", "no"]
    assert [said(found, name) for name in ("partner.super_user", "logging.enabled")] == ["yes", "yes"]
    assert {found.coverage(name).status for name in ("settings", "settings.apps", "settings.sign_in")} == {"complete"}


def test_an_org_that_refuses_its_settings_still_has_a_health_check(org: Acme) -> None:
    org.world.hidden |= {"SessionSettings", "PasswordPolicies"}
    for durable_id, raw in (("SessionSettings.timeout", "TwelveHours"), ("PasswordPolicies.minPasswordLength", "8")):
        org.world.add("SecurityHealthCheckRisks", DurableId=durable_id, OrgValueRaw=raw)
    found = read(org)
    assert (said(found, "session.idle_minutes"), said(found, "password.min_length")) == (720, 8)


def test_nothing_is_called_set_that_no_source_says(org: Acme) -> None:
    org.world.hidden |= {"SecurityHealthCheckRisks", "SessionSettings", "SingleSignOnSettings"}
    found = read(org)
    assert not found.of("settings", name="session.idle_minutes")
    coverage = found.coverage("settings.sign_in")
    assert coverage.status == "partial"
    assert "sso.required" in str(coverage.reason)
    assert "View Setup and Configuration" in str(found.coverage("settings.sessions").missing_permission)


def test_a_value_in_the_folder_stands_once_and_counts_before_the_orgs_own(org: Acme, tmp_path: Path) -> None:
    org.world.add("SessionSettings", SessionTimeout="TwelveHours")
    org.world.add("SecurityHealthCheckRisks", DurableId="SessionSettings.timeout", OrgValueRaw="TwelveHours")
    text = metadata(
        "SecuritySettings", "<sessionSettings><sessionTimeout>FifteenMinutes</sessionTimeout></sessionSettings>"
    )
    found = read(org, metadata_folder=put(tmp_path, "settings/Security.settings", text))
    assert said(found, "session.idle_minutes") == 15


def test_policies_of_a_profile_apply_to_that_profile(org: Acme, tmp_path: Path) -> None:
    put(tmp_path, "profilePasswordPolicies/a.profilePasswordPolicy", metadata(
        "ProfilePasswordPolicy",
        "<maxLoginAttempts>0</maxLoginAttempts><minimumPasswordLength>7</minimumPasswordLength>",
        "<passwordComplexity>1</passwordComplexity><profile>partner user</profile>",
    ))  # fmt: skip
    put(tmp_path, "profileSessionSettings/a.profileSessionSetting", metadata(
        "ProfileSessionSetting", "<profile>Partner User</profile><sessionTimeout>1440</sessionTimeout>"
    ))  # fmt: skip
    found = read(org, metadata_folder=tmp_path)
    profile = f"{org.tenant_id}:profile/{org.partner_profile}"
    rows = {
        row.name: row.number if row.value is None else row.value for row in found.of("settings", applies_to=profile)
    }
    assert rows == {
        "password.min_length": 7,
        "password.lockout_attempts": 0,
        "password.complexity": "AlphaNumeric",
        "session.idle_minutes": 1440,
    }


def test_policies_of_a_profile_that_is_gone_make_coverage_partial(org: Acme, tmp_path: Path) -> None:
    text = metadata("ProfileSessionSetting", "<profile>Gone</profile><sessionTimeout>60</sessionTimeout>")
    found = read(org, metadata_folder=put(tmp_path, "profileSessionSettings/g.profileSessionSetting", text))
    assert "does not have" in str(found.coverage("settings.sessions").reason)


def test_without_a_folder_it_is_said_that_profiles_may_differ(org: Acme) -> None:
    assert "ProfileSessionSetting" in str(read(org).coverage("settings.sessions").reason)


def test_a_profile_that_the_companys_own_service_signs_in_needs_no_password_here(org: Acme) -> None:
    rights = next(row["Id"] for row in org.world.rows("PermissionSet") if row.get("ProfileId") == org.staff_profile)
    org.world.change(rights, PermissionsMustUseSso=True)
    row = read(org).one("settings", name="sso.required", applies_to=f"{org.tenant_id}:profile/{org.staff_profile}")
    assert row.value == "yes"
