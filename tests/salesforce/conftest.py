"""A small made-up org on the simulator, scanned once with every permission."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fixtures.salesforce.login import key_pair
from fixtures.salesforce.simulator import running
from fixtures.salesforce.world import TIERS, World
from nhiscan import http
from nhiscan.collect import Context, load, run
from nhiscan.model import Coverage
from nhiscan.secret import Secret
from tests.scans import Collected

AS_OF = datetime(2026, 1, 31, 12, tzinfo=UTC)
KEY = b"k" * 32
DAY = timedelta(days=1)


class Scan(Collected):
    """What one run of the collector said."""

    def coverage(self, dataset: str) -> Coverage:
        found: Coverage = self.one("coverage", dataset=dataset)
        return found

    def groups_of(self, identity_id: str) -> set[str]:
        return {row.group_id for row in self.of("memberships", identity_id=identity_id)}


def scan(url: str, *, ctx: Context | None = None, **settings: Any) -> Scan:
    """One run, as the command line runs it: failures end as coverage. Logs in with a JWT unless told otherwise."""
    given = {"url": url, "login_url": url, "client_id": "scanner-app", **settings}
    if "client_secret" not in given:
        given = {"username": "scanner@acme.example", "private_key": Secret(key_pair()[0]), **given}
    return Scan(list(run(load("salesforce")(**given), ctx or Context(AS_OF, fingerprint_key=KEY))))


@dataclass(frozen=True)
class Acme:
    """An org with one of each; the names are the ids of its records."""

    world: World
    partner_profile: str
    staff_profile: str
    contoso: str
    northwind: str
    anna: str
    partner_user: str
    frozen_partner: str
    bot: str
    connector: str
    guest: str
    reader_set: str
    legacy_app: str
    external_app: str

    @property
    def tenant_id(self) -> str:
        return f"salesforce:{self.world.organization_id}"

    def user(self, native_id: str) -> str:
        return f"{self.tenant_id}:user/{native_id}"


def acme(**world_settings: Any) -> Acme:
    """A fresh org; tests may change it before it is served."""
    world = World(clock=lambda: AS_OF, **{"permissions": TIERS["everything"], **world_settings})
    staff = world.add("UserLicense", Name="Salesforce")
    community = world.add("UserLicense", Name="Partner Community")
    visitors = world.add("UserLicense", Name="Guest User License")
    integration = world.add("UserLicense", Name="Salesforce Integration")
    staff_profile = world.add("Profile", Name="Sales", UserLicenseId=staff)
    partner_profile = world.add("Profile", Name="Partner User", UserLicenseId=community)
    guest_profile = world.add("Profile", Name="Partner Portal Guest", UserLicenseId=visitors)
    integration_profile = world.add("Profile", Name="Integrations", UserLicenseId=integration)
    world.add(
        "PermissionSet", Name="X00e1", ProfileId=staff_profile, IsOwnedByProfile=True, Type="Profile",
        PermissionsExportReport=True, PermissionsRunReports=True,
    )  # fmt: skip
    partner_rights = world.add(
        "PermissionSet", Name="X00e2", ProfileId=partner_profile, IsOwnedByProfile=True, Type="Profile",
        PermissionsApiEnabled=True,
    )  # fmt: skip
    for n, profile in enumerate((guest_profile, integration_profile), start=3):
        world.add("PermissionSet", Name=f"X00e{n}", ProfileId=profile, IsOwnedByProfile=True, Type="Profile")
    reader_set = world.add(
        "PermissionSet", Name="Deal_Desk", Label="Deal Desk", Type="Regular",
        PermissionsViewAllData=True, PermissionsModifyAllData=True,
    )  # fmt: skip
    api_only = world.add(
        "PermissionSet", Name="Api_Only", Label="API only", Type="Regular", PermissionsApiUserOnly=True
    )
    role = world.add("UserRole", Name="Channel Sales")
    anna = world.add(
        "User", Username="anna@acme.example", Name="Anna Owner", Email="anna@acme.example", IsActive=True,
        UserType="Standard", ProfileId=staff_profile, UserRoleId=role, LastPasswordChangeDate=AS_OF - 100 * DAY,
        LastLoginDate=AS_OF - DAY,
    )  # fmt: skip
    contoso = world.add(
        "Account", Name="Contoso", IsPartner=True, Website="https://www.contoso.example/p", OwnerId=anna
    )
    northwind = world.add("Account", Name="Northwind", IsPartner=True, OwnerId=anna, ParentId=contoso)
    world.add("Account", Name="A customer", IsPartner=False)
    contact = world.add("Contact", AccountId=contoso, LastName="Part")
    partner = {"UserType": "PowerPartner", "ProfileId": partner_profile, "ContactId": contact, "AccountId": contoso}
    partner_user = world.add(
        "User", Username="pat@contoso.example", Email="pat@contoso.example", IsActive=True, **partner,
        LastPasswordChangeDate=AS_OF - 400 * DAY,
    )  # fmt: skip
    frozen_partner = world.add("User", Username="fred@contoso.example", IsActive=True, **partner)
    world.add("UserLogin", UserId=frozen_partner, IsFrozen=True)
    bot = world.add(
        "User", Username="erp@acme.example", Name="ERP", Email="it@acme.example", IsActive=True, UserType="Standard",
        ProfileId=integration_profile, ManagerId=anna, CreatedById=anna,
    )  # fmt: skip
    connector = world.add(
        "User", Username="connector@acme.example", IsActive=True, UserType="Standard", ProfileId=staff_profile
    )
    guest = world.add("User", Username="site@acme.example", IsActive=True, UserType="Guest", ProfileId=guest_profile)
    world.add("User", Username="auto@00d", IsActive=True, UserType="AutomatedProcess", ProfileId=staff_profile)
    world.add("PermissionSetAssignment", AssigneeId=connector, PermissionSetId=api_only, IsActive=True)
    world.add("PermissionSetAssignment", AssigneeId=partner_user, PermissionSetId=partner_rights, IsActive=True)
    world.add("PermissionSetAssignment", AssigneeId=bot, PermissionSetId=reader_set, IsActive=True)
    world.add(
        "PermissionSetAssignment", AssigneeId=anna, PermissionSetId=reader_set, IsActive=True,
        ExpirationDate=AS_OF - DAY,
    )  # fmt: skip
    legacy_app = world.add(
        "ConnectedApplication", Name="Legacy Sync", DeveloperName="Legacy_Sync", ContactEmail="dev@vendor.example",
        CreatedById=anna, OptionsAllowAdminApprovedUsersOnly=True, RefreshTokenValidityPeriod=None,
    )  # fmt: skip
    world.add(
        "SetupEntityAccess", ParentId=reader_set, SetupEntityId=legacy_app, SetupEntityType="ConnectedApplication"
    )
    external_app = world.add(
        "ExternalClientApplication", DeveloperName="Quote_Bridge", MasterLabel="Quote Bridge",
        ContactEmail="ops@bridge.example", NamespacePrefix="qbridge",
    )  # fmt: skip
    settings = world.add(
        "ExtlClntAppOauthSettings", ExternalClientApplicationId=external_app,
        OauthScopesAPI=True, OauthScopesREFRESH_TOKEN=True,
    )  # fmt: skip
    world.add(
        "ExtlClntAppOauthPlcyCnfg", ExternalClientApplicationId=external_app, ExtlClntAppOauthSettingsId=settings,
        PermittedUsersPolicyType="AllSelfAuthorized", RefreshTokenPolicyType="SpecificInactivity",
        RefreshTokenValidityPeriod=90, RefreshTokenValidityUnit="Days", IpRelaxationPolicyType="Enforce_RelaxRefresh",
    )  # fmt: skip
    world.add("ExtlClntAppPlcyCnfg", ExternalClientApplicationId=external_app, IsEnabled=True)
    world.add_app_token(external_app, bot, created=AS_OF - 30 * DAY, last_used=AS_OF - 2 * DAY, use_count=7)
    token = {"AccessToken": "canary-access-token-value", "DeleteToken": "canary-delete-token-value"}
    world.add("OauthToken", AppName="Legacy Sync", UserId=bot, CreatedDate=AS_OF - 9 * DAY, LastUsedDate=AS_OF, **token)
    world.add("OauthToken", AppName="Gone Loader", UserId=partner_user, CreatedDate=AS_OF - 500 * DAY, **token)
    world.add("NamedCredential", DeveloperName="ERP_API", Password="canary-named-password-value")
    world.add("Certificate", DeveloperName="SSO_2024", ExpirationDate=AS_OF + 20 * DAY)
    world.add(
        "AuthProvider", DeveloperName="Entra", ProviderType="OpenIdConnect",
        AuthorizeUrl="https://login.idp.example/authorize", ConsumerSecret="canary-consumer-secret-value",
    )  # fmt: skip
    world.add("SamlSsoConfig", DeveloperName="Okta", Issuer="https://idp.example/saml", Audience="https://acme.example")
    return Acme(
        world=world, partner_profile=partner_profile, staff_profile=staff_profile, contoso=contoso,
        northwind=northwind, anna=anna, partner_user=partner_user, frozen_partner=frozen_partner, bot=bot,
        connector=connector, guest=guest, reader_set=reader_set, legacy_app=legacy_app, external_app=external_app,
    )  # fmt: skip


@pytest.fixture
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of seconds would make the tests slow; how often is asked stays the same."""
    monkeypatch.setattr(http, "_PAUSES_S", (0.0, 0.0, 0.0))


@pytest.fixture(scope="session")
def whole() -> Iterator[tuple[Acme, Scan]]:
    """The org, read with every permission."""
    org = acme()
    with running(org.world) as url:
        yield org, scan(url)
