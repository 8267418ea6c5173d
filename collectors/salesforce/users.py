"""Users of every licence: people, partners, integrations and guests, with what they log in with.

API: User, UserLogin (frozen), UserRole, SetupAuditTrail (changes of profile and role). A user who may use the API only
is a machine, and so is one with the integration licence; any other user with a licence of ours is taken for a person.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Final

from nhiscan.model import Credential, Identity, Membership, Record, Sign, Tag

from .api import Json, Refusal
from .coverage import USERS
from .org import Org
from .probe import holds
from .words import id18, moment, user_in

_DATASETS: Final = (
    "identities",
    "identities.tags",
    "identities.last_used",
    "credentials.passwords",
)
_COLUMNS: Final = (
    "Id",
    "Username",
    "Name",
    "Email",
    "IsActive",
    "UserType",
    "ProfileId",
    "UserRoleId",
    "ManagerId",
    "CreatedById",
    "CreatedDate",
    "LastLoginDate",
    "LastPasswordChangeDate",
)
_FREEZE: Final = "Manage Users"
_LICENCES: Final = {  # User.UserType -> licence of ours
    "Standard": "internal",
    "PowerPartner": "partner",
    "PowerCustomerSuccess": "customer",
    "CustomerSuccess": "customer",
    "CspLitePortal": "customer",
    "SelfService": "customer",
    "Guest": "guest",
    "AutomatedProcess": "internal",
    "CloudIntegrationUser": "internal",
    "PlatformIntegration": "internal",
    "CSNOnly": "internal",
}
_OF_THE_PLATFORM: Final = frozenset({"AutomatedProcess", "CloudIntegrationUser", "PlatformIntegration"})
_OUTSIDE: Final = frozenset({"partner", "customer", "guest"})


def licence_of(user_type: str | None, name: str) -> str | None:
    """internal, partner, customer, integration or guest; None: a licence of later days, or one that was not read."""
    folded = name.casefold()
    if not folded and user_type == "Standard":  # a machine's as well as a member's
        return None
    if "integration" in folded:
        return "integration"
    if user_type != "Guest" and ("partner" in folded or "channel account" in folded):
        return "partner"
    if folded == "chatter external":
        return "customer"
    return _LICENCES.get(user_type or "")


@dataclass(frozen=True)
class _User:
    org: Org
    row: Json
    states: Mapping[str, Json]  # UserLogin by user id, where it says more than the user itself
    moved: Mapping[str, datetime]  # when the profile or role of a user changed last, by user id

    @cached_property
    def native_id(self) -> str:
        return id18(str(self.row["Id"]))

    @cached_property
    def identity_id(self) -> str:
        return self.org.identity_id(self.native_id)

    @cached_property
    def profile(self) -> str:
        return id18(str(self.row.get("ProfileId") or ""))

    @cached_property
    def licence(self) -> str | None:
        return licence_of(self.row.get("UserType"), self.org.licences.get(self.profile, ""))

    @cached_property
    def is_of_the_platform(self) -> bool:
        return self.row.get("UserType") in _OF_THE_PLATFORM

    @cached_property
    def is_outside(self) -> bool | None:
        return None if self.licence is None else self.licence in _OUTSIDE

    @cached_property
    def is_machine(self) -> bool | None:
        """None: a guest, who may be anybody, or a user of whom the profile's rights are not known."""
        if self.licence == "integration" or self.is_of_the_platform:
            return True
        if self.licence == "guest" or self.org.api_only is None:
            return None
        return bool(self.org.api_only & {self.native_id, self.profile})

    @cached_property
    def is_enabled(self) -> bool:
        state = self.states.get(self.native_id, {})
        return self.row.get("IsActive") is True and state.get("IsFrozen") is not True

    def records(self) -> Iterator[Record]:
        row = self.row
        kind = "guest" if self.licence == "guest" else "service_account" if self.is_machine else "human_user"
        logs_in = self.licence != "guest" and not self.is_of_the_platform
        has_password = logs_in and row.get("LastPasswordChangeDate") is not None
        yield Identity(
            identity_id=self.identity_id,
            provider="salesforce",
            tenant_id=self.org.tenant_id,
            kind=kind,
            name=str(row["Username"]),
            native_id=self.native_id,
            is_nhi=self.is_machine,
            status="enabled" if self.is_enabled else "disabled",
            mail=row.get("Email") or None,
            is_provider_owned=self.is_of_the_platform,
            created_at=moment(row.get("CreatedDate")),
            last_used_at=moment(row.get("LastLoginDate")) if logs_in else None,
            last_used_known=logs_in,
            last_used_source="User.LastLoginDate" if logs_in else None,
            has_console_password=_has_console_password(
                has_password=has_password, logs_in=logs_in, is_machine=self.is_machine
            ),
            is_external=self.is_outside,
            licence=self.licence,
            role_changed_at=self.moved.get(self.native_id),
        )
        if row.get("AccountId"):
            yield Sign(self.identity_id, kind="salesforce_account", value=id18(str(row["AccountId"])))
        if self.profile and self.org.id("profile", self.profile) in self.org.identities:
            yield Membership(self.identity_id, self.org.id("profile", self.profile))
        role = row.get("UserRoleId")
        if role and self.org.id("role", role) in self.org.identities:
            yield Membership(self.identity_id, self.org.id("role", role))
        if has_password:
            yield self._password()

    def hints(self, mails: Mapping[str, str]) -> Iterator[Record]:
        """Who may know about it: a machine's manager answers for it, and whoever made a user is remembered."""
        if self.is_machine is False:
            return
        for column, name in (("ManagerId", "Contact"), ("CreatedById", "CreatedBy")):
            mail = mails.get(id18(str(self.row.get(column) or "")))
            if mail is not None and self.row.get(column) != self.row["Id"]:
                yield Tag(self.identity_id, name=name, value=mail)

    def _password(self) -> Credential:
        state = self.states.get(self.native_id, {})
        is_usable = self.is_enabled and state.get("IsPasswordLocked") is not True
        return Credential(
            credential_id=self.org.id("password", self.native_id),
            identity_id=self.identity_id,
            provider="salesforce",
            tenant_id=self.org.tenant_id,
            kind="password",
            native_id=self.native_id,
            status="active" if is_usable else "inactive",
            is_replaceable=True,
            created_at=moment(self.row.get("LastPasswordChangeDate")),
        )


def _has_console_password(*, has_password: bool, logs_in: bool, is_machine: bool | None) -> bool | None:
    """A password of a user who may use the API only opens no page. Somebody without one may get one by mail."""
    if not logs_in or is_machine:
        return False
    return True if has_password else None


def records(org: Org) -> Iterator[Record]:
    """Users, their roles, memberships and passwords; leaves `org.mails` and `org.accounts` behind."""
    for row in org.rows("UserRole", ("Id", "Name"), "memberships"):
        native_id = id18(str(row["Id"]))
        org.identities.add(org.id("role", native_id))
        yield Identity(
            identity_id=org.id("role", native_id),
            provider="salesforce",
            tenant_id=org.tenant_id,
            kind="group",
            name=str(row["Name"]),
            native_id=native_id,
            is_nhi=None,
        )
    where = "WHERE IsFrozen = true OR IsPasswordLocked = true"
    columns = ("Id", "UserId", "IsFrozen", "IsPasswordLocked")
    states = {
        id18(str(row["UserId"])): row
        for row in org.rows("UserLogin", columns, "identities.frozen", where=where, needs=_FREEZE)
        if row.get("UserId")
    }
    moved = _moves(org)
    machines: list[_User] = []
    has_outsiders = has_accounts = False
    for row in org.rows("User", _COLUMNS, *_DATASETS, optional={"AccountId": ()}, needs=USERS):
        user = _User(org, row, states, moved)
        org.ctx.progress("salesforce: users")
        org.users.add(user.native_id)
        has_outsiders = has_outsiders or user.licence in ("partner", "customer")
        has_accounts = has_accounts or "AccountId" in row
        if user.licence == "partner" and row.get("AccountId"):
            org.accounts.add(id18(str(row["AccountId"])))
        if "@" in str(row.get("Email") or "") and user.is_outside is False:
            org.mails[user.native_id] = str(row["Email"])
        if user.is_machine is not False:
            machines.append(user)
        yield from user.records()
    for user in machines:
        yield from user.hints(org.mails)
    if has_outsiders and not has_accounts:
        reason = "users show no AccountId, so nobody can say to which company an outsider belongs"
        org.tally.refuse(Refusal("partial", "query User", reason, "Read on User.AccountId"), "identities")
    _doubt(org)


def _moves(org: Org) -> dict[str, datetime]:
    """When users got another profile or role, as far back as the audit trail reaches."""
    where = "WHERE Action LIKE 'changedprofileforuser%' OR Action LIKE 'changedroleforuser%'"
    found: dict[str, datetime] = {}
    for row in org.rows("SetupAuditTrail", ("Id", "Display", "CreatedDate"), where=where):
        user, at = user_in(row.get("Display")), moment(row.get("CreatedDate"))
        if user is not None and at is not None:
            found[user] = max(at, found.get(user, at))
    return found


def _doubt(org: Org) -> None:
    """Sharing can hide users from the scanner without a word."""
    if holds(org, "ViewAllUsers", "ViewAllData", "ModifyAllData", "ManageUsers") is not False:
        return
    where = "WHERE QualifiedApiName = 'User'"
    sharing = [
        row.get("InternalSharingModel") for row in org.rows("EntityDefinition", ("InternalSharingModel",), where=where)
    ]
    if not sharing or sharing[0] in (None, "Private"):
        reason = "sharing of users is private or not known, so users may be hidden from the scanner"
        org.tally.refuse(Refusal("partial", "query User", reason, USERS), *_DATASETS)
