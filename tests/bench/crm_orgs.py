"""A made-up Salesforce org and HubSpot account of any size: the same every time, apart from secrets."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from fixtures.hubspot.account import Account
from fixtures.salesforce.world import TIERS, App, World

DAY: Final = timedelta(days=1)
FLOWS: Final = (  # LoginType, LoginSubType, Application
    ("Application", "UiLoginGeneric", "Browser"),
    ("SAML Sfdc Initiated SSO", None, "Browser"),
    ("Remote Access 2.0", "OauthRefreshToken", "App 7"),
    ("Remote Access 2.0", "OauthUsernamePassword", "App 8"),
    ("Other Apex API", "SoapApiLogin55", "N/A"),
)
EVENTS: Final = (  # types of HubSpot's security activity
    "PRIVATE_APP_ACCESS_TOKEN_VIEW",
    "PRIVATE_APP_ACCESS_TOKEN_ROTATE",
    "SERVICE_KEY_CREATE",
    "SERVICE_KEY_REVEAL",
    "INSTALL_INTEGRATION",
    "PERSONAL_ACCESS_KEY_CREATE",
    "CONTACT_DATA_EXPORT",
)
_OBJECTS: Final = ("Account", "Contact", "Contract", "Lead", "Opportunity", "Order", "Quote")
_PERMISSIONS: Final = ("ApiEnabled", "ExportReport", "ManageUsers", "ModifyAllData", "RunReports", "ViewAllData")
_FEWEST: Final = 10


def salesforce(users: int, *, now: datetime, secret: str) -> World:
    """An org in which an eighth of the users are partners': a quarter of a token and ten sign-ins a user."""
    world = World(
        permissions=TIERS["everything"],
        app=App("bench", secret=secret, run_as="scanner@acme.example"),
        clock=lambda: now,
    )
    many = max(users // 100, _FEWEST)
    staff, partners = (_profiles(world, name, many // 2) for name in ("Salesforce", "Partner Community"))
    sets = [_permission_set(world, number) for number in range(many)]
    roles = [world.add("UserRole", DeveloperName=f"Role_{number}") for number in range(many)]
    accounts = [
        world.add("Account", IsPartner=True, Website=f"https://partner{number}.example") for number in range(many * 10)
    ]
    apps = [
        world.add("ConnectedApplication", Name=f"App {number}", OptionsAllowAdminApprovedUsersOnly=number % 3 > 0)
        for number in range(many)
    ]
    members = []
    for number in range(users):
        is_partner = number % 8 == 0
        mine = {"AccountId": accounts[number % len(accounts)]} if is_partner else {"UserRoleId": roles[number % many]}
        members.append(
            world.add(
                "User",
                Username=f"user{number}@acme.example",
                Email=f"user{number}@{'partner' if is_partner else 'acme'}.example",
                IsActive=number % 10 > 0,
                UserType="PowerPartner" if is_partner else "Standard",
                ProfileId=(partners if is_partner else staff)[number % (many // 2)],
                CreatedDate=now - 900 * DAY,
                LastLoginDate=now - (number % 400) * DAY,
                LastPasswordChangeDate=now - (number % 700) * DAY,
                **mine,
            )
        )
        for step in (1, 7):
            world.add(
                "PermissionSetAssignment",
                AssigneeId=members[-1],
                PermissionSetId=sets[number * step % many],
                IsActive=True,
            )
    for number in range(users // 4):
        world.add(
            "OauthToken",
            AppName=f"App {number % len(apps)}",
            UserId=members[number * 3 % users],
            CreatedDate=now - (number % 600) * DAY,
            LastUsedDate=now - (number % 200) * DAY,
            UseCount=number,
        )
        world.add("Opportunity", OwnerId=members[number * 5 % users], AccountId=accounts[number % len(accounts)])
    for number in range(users * 10):
        kind, subtype, application = FLOWS[number % len(FLOWS)]
        world.add(
            "LoginHistory",
            UserId=members[number * 7 % users],
            LoginTime=now - 180 * DAY * number / (users * 10),
            LoginType=kind,
            LoginSubType=subtype,
            Application=application,
            SourceIp=f"198.51.{number % 100}.{number % 250}",
            Status="Success" if number % 20 else "Invalid Password",
            CountryIso="DE",
            Browser="Chrome 140",
            Platform="Windows 11",
        )
    return world


def _profiles(world: World, licence: str, count: int) -> list[str]:
    """Profiles with the permission sets that they own, and rights on every object."""
    licence_id = world.add("UserLicense", Name=licence)
    profiles = [world.add("Profile", Name=f"{licence} {number}", UserLicenseId=licence_id) for number in range(count)]
    for profile in profiles:
        owned = world.add("PermissionSet", ProfileId=profile, IsOwnedByProfile=True, Type="Profile")
        _rights(world, owned, has_all=False)
    return profiles


def _permission_set(world: World, number: int) -> str:
    given = {f"Permissions{name}": True for place, name in enumerate(_PERMISSIONS) if number % (place + 2) == 0}
    made = world.add("PermissionSet", Label=f"Set {number}", Type="Regular", **given)
    _rights(world, made, has_all=number % 10 == 0)
    return made


def _rights(world: World, parent: str, *, has_all: bool) -> None:
    for name in _OBJECTS:
        if not world.having("EntityDefinition", "QualifiedApiName", [name]):
            world.add(
                "EntityDefinition",
                QualifiedApiName=name,
                DurableId=name,
                InternalSharingModel="Private",
                ExternalSharingModel="Private",
            )
        world.add(
            "ObjectPermissions",
            ParentId=parent,
            SobjectType=name,
            PermissionsRead=True,
            PermissionsEdit=True,
            PermissionsViewAllRecords=has_all,
        )


def hubspot(events: int, *, now: datetime) -> Account:
    """An account of which six tenths of the events are security activity, three are sign-ins, and one is the audit log.

    The daily limit is that of a Professional subscription.
    """
    account = Account(now=now, daily_calls=650_000)
    role, team = account.add_role("Sales"), account.add_team("Channel")
    many = max(events // 50, _FEWEST)
    users = [
        account.add_user(f"user{number}@acme.example", roles=(role,), team=team, super_admin=number % 50 == 0)
        for number in range(many)
    ]
    for number in range(events * 6 // 10):
        thing = f"{EVENTS.index(EVENTS[number % len(EVENTS)])}{number % max(many // 4, 1):06}"
        account.do(EVENTS[number % len(EVENTS)], users[number * 3 % many], thing, days_ago=number % 36_000 / 100)
    for number in range(events * 3 // 10):
        account.log_in(users[number % many], days_ago=number % 8_900 / 100, succeeds=number % 20 > 0)
    for number in range(events // 10):
        account.change(users[number % many], "WORKFLOW", "UPDATE", f"w{number}", days_ago=number % 690 / 100)
    return account
