"""Profiles, permission sets and their groups: who is in them, and the system permissions that they give.

API: Profile, UserLicense, PermissionSet, PermissionSetGroup, PermissionSetGroupComponent, MutingPermissionSet,
PermissionSetAssignment, SetupEntityAccess. A profile's rights stand in the permission set that it owns. Which of the
permissions are read: all that privileges.toml does not call harmless, those of later releases included.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from nhiscan.model import Grant, Identity, Membership, Record

from .api import Json, Refusal
from .coverage import SETUP
from .org import Org
from .words import id18, moment

_PREFIX: Final = "Permissions"
# Harmless by themselves, but others are judged by them.
_NOTED: Final = frozenset({"ApiEnabled", "ApiUserOnly", "MustUseSso", "PasswordNeverExpires"})
_MOST_COLUMNS: Final = 250  # in one query: an address may be 16 kB long
_API_ONLY: Final = "ApiUserOnly"
_DATASETS: Final = ("grants", "memberships")
_BY_PROFILE: Final = ("grants", "identities")  # its rights, and the licence that tells machines and outsiders
_APP: Final = "ConnectedApplication"  # and external client apps: SetupEntityAccess.SetupEntityType


@cache
def harmless() -> frozenset[str]:
    """The permissions that privileges.toml puts under none."""
    text = resources.files(__package__).joinpath("privileges.toml").read_text(encoding="utf-8")
    return frozenset(tomllib.loads(text)["verbs"]["none"]) - _NOTED


@dataclass(frozen=True)
class _Set:
    """One permission set; `names` of its system permissions."""

    row: Json
    names: frozenset[str]

    @property
    def native_id(self) -> str:
        return id18(str(self.row["Id"]))

    def lookup(self, column: str) -> str | None:
        value = self.row.get(column)
        return id18(str(value)) if value else None


def records(org: Org) -> Iterator[Record]:
    """Groups first, then who is in them. Leaves `org.holders`, `org.licences` and `org.api_only` behind."""
    yield from _profiles(org)
    columns = _columns(org)
    found = _sets(org, columns)
    groups = {
        id18(str(row["Id"])): row
        for row in org.rows(
            "PermissionSetGroup",
            ("Id", "DeveloperName", "MasterLabel", "Status", "HasActivationRequired", "CreatedDate"),
            *_DATASETS,
            needs=SETUP,
        )
    }
    mutings = _mutings(org, columns)
    parts: dict[str, list[str]] = {}
    for row in org.rows("PermissionSetGroupComponent", ("Id", "PermissionSetGroupId", "PermissionSetId"), *_DATASETS):
        parts.setdefault(id18(str(row["PermissionSetGroupId"])), []).append(id18(str(row["PermissionSetId"])))
    yield from _groups(org, found, groups, mutings, parts)
    yield from _assignments(org, found, groups)
    yield from _apps(org)


def _profiles(org: Org) -> Iterator[Record]:
    names = {
        id18(str(row["Id"])): str(row["Name"])
        for row in org.rows("UserLicense", ("Id", "Name"), spoils=("identities",), needs=SETUP)
    }
    for row in org.rows(
        "Profile", ("Id", "Name", "UserLicenseId", "CreatedDate"), "memberships", spoils=_BY_PROFILE, needs=SETUP
    ):
        native_id = id18(str(row["Id"]))
        org.licences[native_id] = names.get(id18(str(row.get("UserLicenseId") or "")), "")
        yield _group(org, "profile", native_id, str(row["Name"]), row)


def _columns(org: Org) -> list[str] | None:
    """Every permission of this org that may matter; None: not known."""
    described = org.api.describe("PermissionSet")
    if isinstance(described, Refusal):
        org.tally.refuse(described, *_DATASETS, needs=SETUP)
        return None
    names = {name.removeprefix(_PREFIX) for name in described if name.startswith(_PREFIX)}
    return [f"{_PREFIX}{name}" for name in sorted(names - harmless())]


def _sets(org: Org, columns: Sequence[str] | None) -> dict[str, _Set]:
    """Every permission set, those included that profiles own and that sum up groups, by id."""
    about = ("Id", "Name", "Label", "Type", "ProfileId", "PermissionSetGroupId", "HasActivationRequired", "CreatedDate")
    rows: dict[str, Json] = {}
    held: dict[str, set[str]] = {}
    chosen = columns or ()
    for start in range(0, len(chosen) or 1, _MOST_COLUMNS):
        several = chosen[start : start + _MOST_COLUMNS]
        for row in org.rows("PermissionSet", (*(about if start == 0 else ("Id",)), *several), *_DATASETS, needs=SETUP):
            native_id = id18(str(row["Id"]))
            if start == 0:
                rows[native_id] = {name: row.get(name) for name in about}
            names = {name.removeprefix(_PREFIX) for name in several if row.get(name) is True}
            held.setdefault(native_id, set()).update(names)
    return {native_id: _Set(row, frozenset(held[native_id])) for native_id, row in rows.items()}


def _mutings(org: Org, columns: Sequence[str] | None) -> dict[str, frozenset[str]]:
    """What each muting permission set takes away."""
    described = org.api.describe("MutingPermissionSet")
    if isinstance(described, Refusal):
        if described.code != "NOT_FOUND":  # an edition without groups has no muting either
            org.tally.refuse(described, *_DATASETS, needs=SETUP)
        return {}
    several = [name for name in columns or () if name in described][:_MOST_COLUMNS]
    return {
        id18(str(row["Id"])): frozenset(name.removeprefix(_PREFIX) for name in several if row.get(name) is True)
        for row in org.rows("MutingPermissionSet", ("Id", *several), *_DATASETS, needs=SETUP)
    }


def _groups(
    org: Org,
    found: dict[str, _Set],
    groups: dict[str, Json],
    mutings: dict[str, frozenset[str]],
    parts: dict[str, list[str]],
) -> Iterator[Record]:
    """Permission sets and groups. A group without muting gives what its sets give; one with it, what its sum holds."""
    muted = {group for group, members in parts.items() if any(member in mutings for member in members)}
    sums = {group: each for each in found.values() if (group := each.lookup("PermissionSetGroupId")) is not None}
    for native_id, each in found.items():
        profile, group = each.lookup("ProfileId"), each.lookup("PermissionSetGroupId")
        if profile is not None:
            holder = org.id("profile", profile)
            if holder not in org.identities:
                continue
        elif group is not None:
            org.sums.add(native_id)
            if group in muted:
                org.holders[native_id] = org.id("permission_set_group", group)
            continue
        else:
            holder = org.id("permission_set", native_id)
            yield _group(org, "permission_set", native_id, str(each.row.get("Label") or each.row["Name"]), each.row)
        org.holders[native_id] = holder
        source = "profile" if profile is not None else "permission_set"
        yield from _grant(org, holder, each.names, source, is_conditional=each.row.get("HasActivationRequired") is True)
    for native_id, row in groups.items():
        holder = org.id("permission_set_group", native_id)
        yield _group(org, "permission_set_group", native_id, str(row.get("MasterLabel") or row["DeveloperName"]), row)
        members = [part for part in parts.get(native_id, ()) if part in found]
        if native_id not in muted:
            yield from (Membership(holder, org.id("permission_set", part)) for part in members)
            continue
        total = sums.get(native_id)
        if total is not None and row.get("Status") == "Updated":
            names = total.names
        else:
            away = frozenset().union(*(mutings.get(part, frozenset()) for part in parts.get(native_id, ())))
            names = frozenset().union(*(found[part].names for part in members)) - away
        is_conditional = row.get("HasActivationRequired") is True
        yield from _grant(org, holder, names, "permission_set", is_conditional=is_conditional)


def _grant(org: Org, holder: str, names: frozenset[str], source: str, *, is_conditional: bool) -> Iterator[Grant]:
    """All system permissions of one holder in one row; a set that a session has to activate gives them on condition."""
    if names:
        yield Grant(
            grant_id=f"{holder}/system",
            provider="salesforce",
            tenant_id=org.tenant_id,
            principal_kind="identity",
            principal=holder.rpartition("/")[2],
            permission=", ".join(sorted(names)),
            identity_id=holder,
            has_other_conditions=is_conditional,
            source=source,
        )


def _group(org: Org, kind: str, native_id: str, name: str, row: Json) -> Identity:
    identity_id = org.id(kind, native_id)
    org.identities.add(identity_id)  # at once: what follows in this module looks it up
    return Identity(
        identity_id=identity_id,
        provider="salesforce",
        tenant_id=org.tenant_id,
        kind="group",
        name=name,
        native_id=native_id,
        is_nhi=None,
        created_at=moment(row.get("CreatedDate")),
    )


def _assignments(org: Org, found: dict[str, _Set], groups: dict[str, Json]) -> Iterator[Record]:
    """Who has which set or group. What ended or was revoked is left out; that of a profile stands with the user."""
    only = {native_id for native_id, each in found.items() if _API_ONLY in each.names}
    only_profiles = {profile for native_id in only if (profile := found[native_id].lookup("ProfileId")) is not None}
    only_users: set[str] = set()
    is_answered = org.tally.answered["memberships"]
    for row in org.rows(
        "PermissionSetAssignment",
        ("Id", "AssigneeId", "PermissionSetId", "PermissionSetGroupId"),
        "memberships",
        optional={"ExpirationDate": (), "IsActive": (), "IsRevoked": ()},
        needs=SETUP,
    ):
        ends_at = moment(row.get("ExpirationDate"))
        if (
            (ends_at is not None and ends_at <= org.as_of)
            or row.get("IsActive") is False
            or row.get("IsRevoked") is True
        ):
            continue
        user, chosen = id18(str(row["AssigneeId"])), id18(str(row.get("PermissionSetId") or ""))
        group = row.get("PermissionSetGroupId")
        if chosen in only:
            only_users.add(user)
        if group:
            if id18(str(group)) in groups:
                yield Membership(org.identity_id(user), org.id("permission_set_group", group))
        elif chosen in found and found[chosen].lookup("ProfileId") is None and chosen not in org.sums:
            yield Membership(org.identity_id(user), org.id("permission_set", chosen))
    if found and org.tally.answered["memberships"] > is_answered:
        org.api_only = only_users | only_profiles


def _apps(org: Org) -> Iterator[Record]:
    """Whom an administrator has allowed an app beforehand, as grants of the groups that were chosen."""
    allowed: dict[str, list[str]] = {}
    where = f"WHERE SetupEntityType = '{_APP}'"
    for row in org.rows(
        "SetupEntityAccess", ("Id", "ParentId", "SetupEntityId"), spoils=("apps",), where=where, needs=SETUP
    ):
        holder = org.holders.get(id18(str(row["ParentId"])))
        if holder is not None:
            allowed.setdefault(holder, []).append(id18(str(row["SetupEntityId"])))
    for holder, apps in allowed.items():
        yield Grant(
            grant_id=f"{holder}/apps",
            provider="salesforce",
            tenant_id=org.tenant_id,
            principal_kind="identity",
            principal=holder.rpartition("/")[2],
            permission="app:use",
            identity_id=holder,
            source="setup_entity_access",
            statement=", ".join(org.id("oauth_app", app) for app in sorted(apps)),
        )
