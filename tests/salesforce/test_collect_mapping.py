"""Salesforce's words -> ours, one by one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from importlib import import_module
from typing import Any

import pytest

from nhiscan.collect import load

PACKAGE = load("salesforce").__module__
words = import_module(f"{PACKAGE}.words")
users = import_module(f"{PACKAGE}.users")
apps = import_module(f"{PACKAGE}.apps")
external_apps = import_module(f"{PACKAGE}.external_apps")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("001D000000IqhSL", "001D000000IqhSLIAZ"),
        ("001D000000IqhSLIAZ", "001D000000IqhSLIAZ"),
        ("abcdefghijklmno", "abcdefghijklmnoAAA"),
        ("ABCDEFGHIJKLMNO", "ABCDEFGHIJKLMNO555"),
        ("", ""),
        ("not an id at all", "not an id at all"),
        ("üüüüüüüüüüüüüüü", "üüüüüüüüüüüüüüü"),
    ],
)
def test_an_id_of_15_characters_gets_the_3_that_say_its_capitals(given: str, expected: str) -> None:
    assert words.id18(given) == expected


def test_times_are_utc() -> None:
    assert words.moment("2026-01-31T12:00:00.000+0000") == datetime(2026, 1, 31, 12, tzinfo=UTC)
    east = timezone(timedelta(hours=2))
    assert words.moment("2026-01-31T12:00:00.000+0200") == datetime(2026, 1, 31, 12, tzinfo=east)
    assert words.moment("2026-01-31") == datetime(2026, 1, 31, tzinfo=UTC)
    assert words.moment(None) is None
    with pytest.raises(ValueError, match="soon"):
        words.moment("soon")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("https://www.Contoso.example/path?q", "contoso.example"),
        ("contoso.example", "contoso.example"),
        ("http://contoso.example:8080", "contoso.example"),
        ("dev@Vendor.example", "vendor.example"),
        ("www.contoso.example.", "contoso.example"),
        ("call us", None),
        ("localhost", None),
        ("<script>.example", None),
        ("", None),
        (None, None),
        (7, None),
    ],
)
def test_a_domain_is_what_people_type_without_the_rest(given: object, expected: str | None) -> None:
    assert words.domain(given) == expected


@pytest.mark.parametrize(
    ("user_type", "licence", "expected"),
    [
        ("Standard", "Salesforce", "internal"),
        ("Standard", "Salesforce Integration", "integration"),
        ("Standard", "", None),
        ("PowerPartner", "Gold Partner", "partner"),
        ("CspLitePortal", "Customer Community", "customer"),
        ("PowerCustomerSuccess", "Partner App Subscription", "partner"),
        ("Standard", "Channel Account Login", "partner"),
        ("CSNOnly", "Chatter Free", "internal"),
        ("CSNOnly", "Chatter External", "customer"),
        ("Guest", "Guest User License", "guest"),
        ("TypeOfALaterRelease", "Something", None),
        (None, "", None),
    ],
)
def test_a_licence_is_told_by_type_and_name(user_type: str | None, licence: str, expected: str | None) -> None:
    assert users.licence_of(user_type, licence) == expected


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"RefreshTokenValidityPeriod": None}, ("never_expires", None)),
        ({"RefreshTokenValidityPeriod": 0}, ("immediate", None)),
        ({"RefreshTokenValidityPeriod": 30, "OptionsRefreshTokenValidityMetric": True}, ("idle_days", None)),
        ({"RefreshTokenValidityPeriod": 30, "OptionsRefreshTokenValidityMetric": False}, ("fixed_days", None)),
        ({}, (None, None)),
    ],
)
def test_a_connected_apps_period_has_no_unit(row: dict[str, Any], expected: tuple[str | None, int | None]) -> None:
    assert apps.refresh_of(row) == expected


@pytest.mark.parametrize(
    ("policy", "period", "unit", "expected"),
    [
        ("Infinite", None, None, ("never_expires", None)),
        ("Zero", None, None, ("immediate", None)),
        ("SpecificInactivity", 30, "Days", ("idle_days", 30)),
        ("SpecificLifetime", 2, "Months", ("fixed_days", 60)),
        ("SpecificLifetime", 36, "Hours", ("fixed_days", 2)),
        ("SpecificLifetime", 5, "Fortnights", ("fixed_days", None)),
        ("PolicyOfALaterRelease", 5, "Days", (None, None)),
        (None, None, None, (None, None)),
    ],
)
def test_an_external_client_apps_refresh_policy_is_in_days(
    policy: str | None, period: int | None, unit: str | None, expected: tuple[str | None, int | None]
) -> None:
    row = {
        "RefreshTokenPolicyType": policy,
        "RefreshTokenValidityPeriod": period,
        "RefreshTokenValidityUnit": unit,
    }
    settings = external_apps.settings_of("app", row)
    assert (settings.refresh_policy, settings.refresh_days) == expected


@pytest.mark.parametrize(
    ("relaxation", "is_bound", "is_refresh_bound"),
    [
        ("Enforce", None, None),
        ("Enforce_RelaxRefresh", None, False),
        ("Bypass", False, False),
        ("Bypass_2factor", False, False),
        (None, None, None),
    ],
)
def test_enforced_networks_are_those_of_profiles_and_not_known(
    relaxation: str | None, is_bound: bool | None, is_refresh_bound: bool | None
) -> None:
    settings = external_apps.settings_of("app", {"IpRelaxationPolicyType": relaxation})
    assert (settings.is_network_bound, settings.is_refresh_network_bound) == (is_bound, is_refresh_bound)


@pytest.mark.parametrize(
    ("scope", "expected"),
    [("full", "all"), ("api", "all"), ("openid", "self"), ("refresh_token", "none"), ("cdp_query_api", "data")],
)
def test_a_scope_gives_what_oauth_says_of_it(scope: str, expected: str) -> None:
    assert external_apps.gives(scope) == expected


def test_a_scope_of_a_later_release_is_not_known() -> None:
    assert external_apps.gives("scope_of_a_later_release") is None
