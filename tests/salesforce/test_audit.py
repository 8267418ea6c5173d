"""What administrators changed, and who acted as somebody else; texts of the trail are not kept."""

from __future__ import annotations

import importlib
from datetime import timedelta
from typing import Any

import pytest

from nhiscan.collect import Context
from tests.salesforce.conftest import AS_OF, DAY, KEY, Acme, Scan, acme
from tests.salesforce.parts import read

audit = importlib.import_module("nhiscan.collectors.salesforce.audit")


@pytest.mark.parametrize(
    ("action", "kind"),
    [
        ("PermSetAssign", "role_change"),
        ("PermSetUnassign_HasExpiration", "role_change"),
        ("PermSetGroupAssign", "role_change"),
        ("changedprofileforuserstdtocust", "role_change"),
        ("changedroleforusertonone", "role_change"),
        ("groupMembership", "role_change"),
        ("createdpartneruser", "role_change"),
        ("PermSetEnableUserPerm", "grant_change"),
        ("PermSetEntityPermChanged", "grant_change"),
        ("profilePermChangedCustom", "grant_change"),
        ("SetupEntityAccessAudit_PermissionSet_ApexClass_Enabled", "grant_change"),
        ("loginIpRange", "grant_change"),
        ("SetupEntityAccessAudit_Profile_ConnectedApplication_EnabledCustom", "consent"),
        ("insertConnectedApplication", "consent"),
        ("changeOauthDefaultScope", "consent"),
        ("deleteConnectedApplication", "revocation"),
        ("frozeuser", "revocation"),
        ("deactivateduser", "revocation"),
        ("unfrozeuser", "role_change"),
        ("resetpassword", "credential_change"),
        ("insertCertificate", "credential_change"),
        ("namedCredentialEncryptedFieldChange", "credential_change"),
        ("changeApplicationPkceRequired", "credential_change"),
        ("suOrgAdminLogin", "login"),
        ("suOrgAdminLogout", None),
        ("changedcommunitynickname", None),
        ("holiday_insert", None),
        ("createdrole", None),
    ],
)
def test_an_action_is_put_under_what_it_changes(action: str, kind: str | None) -> None:
    assert audit.kind_of(action) == kind


def changed(org: Acme, action: str, display: str = "Changed something", **values: Any) -> str:
    return org.world.add(
        "SetupAuditTrail", Action=action, Display=display,
        **{"CreatedDate": AS_OF - DAY, "CreatedById": org.anna, **values},
    )  # fmt: skip


def one(org: Acme, entry: str, found: Scan) -> Any:
    return found.one("usage", event_id=f"{org.tenant_id}:audit/{entry}")


def test_a_change_tells_who_did_it_and_whom_it_concerns() -> None:
    org = acme()
    entry = changed(
        org, "PermSetAssign", f"Permission set Desk: assigned to user Pat (UserID: [{org.partner_user[:15]}])"
    )
    use = one(org, entry, read(org))
    assert (use.identity_id, use.target) == (org.user(org.anna), org.user(org.partner_user))
    assert (use.kind, use.dataset, use.outcome) == ("role_change", "usage.audit", "success")


def test_an_entry_that_names_an_app_concerns_that_app() -> None:
    org = acme()
    entry = changed(org, "changeOauthDefaultScope", "Changed connected app Legacy Sync scopes from null to full")
    assert one(org, entry, read(org)).target == f"{org.tenant_id}:oauth_app/{org.legacy_app}"


def test_an_entry_that_names_no_app_that_is_known_concerns_none() -> None:
    org = acme()
    entry = changed(org, "insertConnectedApplication", "Installed Connected App Unheard Of to Salesforce")
    assert one(org, entry, read(org)).target is None


def test_texts_of_the_trail_are_not_kept() -> None:
    org = acme()
    changed(org, "resetpassword", "Reset password for user canary-display-text")
    assert "canary-display-text" not in repr(read(org).records)


def test_who_acts_as_somebody_else_is_said_beside_what_was_done() -> None:
    org = acme()
    entry = changed(org, "createdrole", DelegateUser="Anna@acme.example", CreatedById=org.bot)
    use = read(org).one("usage", action="login_as")
    assert use.event_id == f"{org.tenant_id}:audit/{entry}/login_as"
    assert (use.kind, use.identity_id, use.target) == ("login", org.user(org.anna), org.user(org.bot))


def test_a_delegate_who_is_gone_is_nobody() -> None:
    org = acme()
    changed(org, "createdrole", DelegateUser="gone@acme.example", CreatedById=org.bot)
    assert read(org).one("usage", action="login_as").identity_id is None


def test_the_trail_reaches_180_days_back_and_says_so() -> None:
    coverage = read(acme()).coverage("usage.audit")
    assert (coverage.status, coverage.history_from) == ("complete", AS_OF - timedelta(days=180))


def test_what_an_earlier_scan_read_is_not_asked_for_again() -> None:
    org = acme()
    old, fresh = (changed(org, "frozeuser", CreatedDate=AS_OF - days * DAY) for days in (30, 3))
    ctx = Context(AS_OF, fingerprint_key=KEY, watermarks={(org.tenant_id, "usage.audit"): AS_OF - 10 * DAY})
    found = read(org, ctx=ctx)
    assert not found.of("usage", event_id=f"{org.tenant_id}:audit/{old}")
    assert one(org, fresh, found)


def test_a_hidden_trail_names_the_right_that_is_missing() -> None:
    org = acme()
    org.world.hidden.add("SetupAuditTrail")
    coverage = read(org).coverage("usage.audit")
    assert coverage.status == "unsupported"
    assert coverage.missing_permission == "View Setup and Configuration"
