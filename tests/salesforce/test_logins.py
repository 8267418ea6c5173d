"""Sign-ins, changed second factors and live sessions, and an org that shows the scanner's own rows only."""

from __future__ import annotations

import gzip
import importlib
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fixtures.salesforce.world import TIERS
from nhiscan import tape
from nhiscan.collect import Context
from tests.salesforce.conftest import AS_OF, DAY, KEY, Acme, Scan, acme, scan
from tests.salesforce.parts import FIELDS, OBJECTS, read

logins = importlib.import_module("nhiscan.collectors.salesforce.logins")


def signed_in(org: Acme, user: str, **values: Any) -> str:
    given = {"LoginTime": AS_OF - DAY, "LoginType": "Application", "Status": "Success", **values}
    return org.world.add("LoginHistory", UserId=user, **given)


def one(org: Acme, login: str, found: Scan) -> Any:
    return found.one("usage", event_id=f"{org.tenant_id}:login/{login}")


@pytest.mark.parametrize(
    ("row", "flow", "is_interactive"),
    [
        ({"LoginType": "Application"}, "password", True),
        ({"LoginType": "SAML Sfdc Initiated SSO"}, "sso", True),
        ({"LoginType": "ThirdPartySso"}, "sso", True),
        ({"LoginType": "Partner Portal Third-Party SSO"}, "sso", True),
        ({"LoginType": "Remote Access 2.0"}, None, None),
        ({"LoginType": "Remote Access 2.0", "LoginSubType": "OauthUsernamePassword"}, "password", False),
        ({"LoginType": "Remote Access 2.0", "LoginSubType": "OauthUserAgent"}, "implicit", True),
        ({"LoginType": "Remote Access 2.0", "LoginSubType": "OauthRefreshToken"}, None, False),
        ({"LoginType": "Remote Access 2.0", "LoginSubType": "OauthClientCredentials"}, "client_credentials", False),
        ({"LoginType": "Other Apex API", "ApiType": "SOAP Partner"}, "soap", False),
        ({"LoginType": "Other Apex API", "LoginSubType": "SoapApiLogin"}, "soap", False),
        ({"LoginType": "Something new"}, None, None),
    ],
)
def test_how_somebody_signed_in_is_said_in_our_words(
    row: dict[str, str], flow: str | None, is_interactive: bool | None
) -> None:
    assert logins.flow_of(row) == (flow, is_interactive)


def test_a_sign_in_tells_who_from_where_and_with_what() -> None:
    org = acme()
    login = signed_in(
        org, org.partner_user, SourceIp="192.0.2.7", Browser="Chrome 120", Platform="Windows 10", CountryIso="DE",
        Application="Browser",
    )  # fmt: skip
    use = one(org, login, read(org))
    assert (use.identity_id, use.kind, use.dataset) == (org.user(org.partner_user), "login", "usage.logins")
    assert (use.source_ip, use.country, use.user_agent) == ("192.0.2.7", "DE", "Chrome 120 Windows 10")
    assert (use.outcome, use.app, use.reason) == ("success", None, None)
    assert use.occurred_at == AS_OF - DAY


def test_a_refused_sign_in_carries_the_orgs_own_word_for_why() -> None:
    org = acme()
    login = signed_in(org, org.bot, Status="Invalid Password", Application="ETL")
    use = one(org, login, read(org))
    assert (use.outcome, use.reason, use.app) == ("failure", "Invalid Password", "ETL")


def test_history_reaches_half_a_year_back_and_says_so() -> None:
    org = acme()
    signed_in(org, org.anna)
    coverage = read(org).coverage("usage.logins")
    assert (coverage.status, coverage.history_from) == ("complete", AS_OF - timedelta(days=183))


def test_what_an_earlier_scan_read_is_not_asked_for_again() -> None:
    org = acme()
    old, fresh = (signed_in(org, org.anna, LoginTime=AS_OF - days * DAY) for days in (20, 2))
    seen = AS_OF - 10 * DAY
    ctx = Context(AS_OF, fingerprint_key=KEY, watermarks={(org.tenant_id, "usage.logins"): seen})
    found = read(org, ctx=ctx)
    assert not found.of("usage", event_id=f"{org.tenant_id}:login/{old}")
    assert one(org, fresh, found)
    assert found.coverage("usage.logins").history_from == seen


def test_only_the_scanners_own_sign_ins_are_partial_and_name_the_right_that_is_missing() -> None:
    org = acme(permissions=TIERS["base"])
    signed_in(org, org.anna)
    signed_in(org, org.world.user_id)
    coverage = read(org).coverage("usage.logins")
    assert (coverage.status, coverage.missing_permission) == ("partial", "Monitor Login History")


def test_an_org_without_subtypes_is_read_without_them() -> None:
    org = acme()
    org.world.hidden_fields |= {"LoginHistory.LoginSubType", "LoginHistory.CountryIso"}
    login = signed_in(org, org.anna)
    found = read(org)
    assert one(org, login, found).flow == "password"
    assert found.coverage("usage.logins").status == "complete"


def test_fields_that_cannot_be_filtered_are_never_filtered_by() -> None:
    org = acme()
    read(org)
    (soql,) = [call.soql for call in org.world.calls if call.soql and "FROM LoginHistory" in call.soql]
    assert soql.partition("WHERE")[2].strip().startswith("LoginTime >= ")


def verified(activity: str, status: str = "Succeeded") -> tuple[Acme, list[Any]]:
    org = acme()
    login = signed_in(org, org.anna)
    org.world.add(
        "VerificationHistory", UserId=org.anna, LoginHistoryId=login, VerificationTime=AS_OF - DAY, Activity=activity,
        Status=status,
    )  # fmt: skip
    return org, read(org).of("usage", dataset="usage.audit")


def test_a_connected_second_factor_is_a_changed_credential() -> None:
    org, uses = verified("ConnectTotp")
    assert [(use.kind, use.action, use.target) for use in uses] == [
        ("credential_change", "ConnectTotp", org.user(org.anna))
    ]


def test_a_plain_verification_is_no_change() -> None:
    assert verified("Login")[1] == []


def test_a_change_that_did_not_succeed_is_a_failure() -> None:
    assert [use.outcome for use in verified("ChangeEmail", "FailedInvalidCode")[1]] == ["failure"]


def test_without_verifications_the_audit_trail_stands_alone() -> None:
    org = acme()
    org.world.hidden.add("VerificationHistory")
    assert read(org).coverage("usage.audit").status == "complete"


def in_session(user_of: str, *, minutes_ago: int = 5, seconds: int = 7200) -> tuple[Acme, str, Scan]:
    org = acme()
    session = org.world.add(
        "AuthSession", UsersId=getattr(org, user_of), CreatedDate=AS_OF - DAY, NumSecondsValid=seconds,
        LastModifiedDate=AS_OF - timedelta(minutes=minutes_ago), SessionType="UI",
    )  # fmt: skip
    return org, session, read(org)


def test_a_live_session_is_a_credential_whose_id_does_not_leave() -> None:
    org, session, found = in_session("partner_user")
    row = found.one("credentials", kind="session")
    assert row.identity_id == org.user(org.partner_user)
    assert (row.expires_at, row.expiry_known) == (AS_OF + timedelta(minutes=115), True)
    assert session[:15] not in repr(found.records)
    assert found.coverage("sessions").status == "complete"


def test_a_session_that_has_ended_is_none() -> None:
    assert not in_session("partner_user", minutes_ago=121)[2].of("credentials", kind="session")


def test_sessions_that_are_not_shown_name_the_right_that_is_missing() -> None:
    org = acme(permissions=TIERS["evidence"])
    coverage = read(org).coverage("sessions")
    assert coverage.status != "complete"
    assert coverage.missing_permission == "Manage Users"


def test_the_id_of_a_session_is_on_no_tape_and_a_replay_says_as_much(tmp_path: Path) -> None:
    org = acme()
    session = org.world.add(
        "AuthSession", UsersId=org.partner_user, NumSecondsValid=7200, LastModifiedDate=AS_OF - timedelta(minutes=5)
    )
    recorder = tape.Recorder(as_of=AS_OF)
    tape.claim(tmp_path / "tape")
    first = read(org, ctx=Context(AS_OF, fingerprint_key=KEY, tape=recorder))
    recorder.write(tmp_path / "tape")
    written = b"".join(gzip.decompress(file.read_bytes()) for file in (tmp_path / "tape").iterdir())
    assert b"AuthSession" in written
    assert session.encode() not in written
    player = tape.read(tmp_path / "tape")
    ctx = Context(player.as_of, fingerprint_key=KEY, tape=player)
    again = scan("https://acme.my.salesforce.example", ctx=ctx, objects=OBJECTS, fields=FIELDS)
    assert len(again.of("credentials", kind="session")) == len(first.of("credentials", kind="session")) == 1


def test_sign_ins_whose_next_page_is_not_named_are_no_shorter_list_that_looks_whole() -> None:
    org = acme(page_size=3, no_next_url={"LoginHistory"})
    for _ in range(5):
        signed_in(org, org.anna)
    found = read(org)
    assert len(found.of("usage", dataset="usage.logins")) == 3
    assert found.coverage("usage.logins").status == "partial"
