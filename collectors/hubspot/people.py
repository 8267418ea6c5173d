"""Users, roles, teams and owners -> identities, memberships and the one grant that HubSpot tells."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from nhiscan.model import Grant, Identity, Membership, Record, Tag

from .activity import user_id
from .lifecycle import Told
from .reading import Json

SUPER_ADMIN = "super_admin"


@dataclass(frozen=True, slots=True)
class User:
    native_id: str
    mail: str
    name: str
    is_super_admin: bool
    roles: frozenset[str]
    teams: frozenset[str]


@dataclass(frozen=True, slots=True)
class Owner:
    """Whom records belong to; `user`: None for a queue; `is_inactive`: there is a user, but not an active one."""

    native_id: str
    user: str | None
    mail: str
    name: str
    is_archived: bool
    is_inactive: bool


def _id(row: Json) -> str:
    """Raises: ValueError where a row has none."""
    if row["id"] is None:
        raise ValueError("id is null")
    return str(row["id"])


def read_user(row: Json) -> User:
    return User(
        native_id=_id(row),
        mail=str(row["email"]),
        name=_name(row),
        is_super_admin=bool(row["superAdmin"]),
        roles=_ids(row["roleIds"], row.get("roleId")),
        teams=_ids(row.get("secondaryTeamIds"), row.get("primaryTeamId")),
    )


def read_owner(row: Json) -> Owner:
    user = row.get("userId") or row.get("userIdIncludingInactive")
    return Owner(
        native_id=_id(row),
        user=str(user) if row["type"] == "PERSON" and user is not None else None,
        mail=str(row.get("email") or ""),
        name=_name(row),
        is_archived=bool(row["archived"]),
        is_inactive=row.get("userId") is None,
    )


@dataclass
class People:
    """What the lists of users, roles, teams and owners said; of a user that came twice the last word counts."""

    users: dict[str, User] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    teams: dict[str, str] = field(default_factory=dict)
    members: set[tuple[str, str]] = field(default_factory=set)  # user and team
    owners: dict[str, Owner] = field(default_factory=dict)  # by user, also of those who left

    def add_user(self, row: Json) -> None:
        user = read_user(row)
        self.users[user.native_id] = user

    def add_role(self, row: Json) -> None:
        self.roles[_id(row)] = str(row["name"])

    def add_team(self, row: Json) -> None:
        members = (*row["userIds"], *row["secondaryUserIds"])
        self.teams[_id(row)] = str(row["name"])
        self.members.update((str(member), _id(row)) for member in members)

    def add_owner(self, row: Json) -> None:
        """Of a user with several owners, the one in use counts."""
        owner = read_owner(row)
        if owner.user is not None and not (owner.is_archived and owner.user in self.owners):
            self.owners[owner.user] = owner

    def mails(self, tenant_id: str) -> dict[str, str]:
        """The address of each user that is or was, by identity id."""
        found = {user_id(tenant_id, key): owner.mail for key, owner in self.owners.items()}
        found |= {user_id(tenant_id, key): user.mail for key, user in self.users.items()}
        return {key: mail for key, mail in found.items() if mail}


def people_records(
    tenant_id: str,
    people: People,
    told: Mapping[str, Told],
    last_logins: Mapping[str, datetime],
    strangers: Iterable[tuple[str, str | None]],
    horizon: str,
) -> Iterator[Record]:
    """`strangers`: ids and addresses of who did something and is in no list."""
    for key, user in sorted(people.users.items()):
        identity_id = user_id(tenant_id, key)
        owner = people.owners.get(key)
        is_inactive = owner is not None and owner.is_inactive and not owner.is_archived
        yield from _user(tenant_id, user, told.get(identity_id, Told()), last_logins, is_inactive=is_inactive)
        if owner is not None:
            yield Tag(identity_id=identity_id, name="owner_id", value=owner.native_id)
    for key, owner in sorted(people.owners.items()):
        if key not in people.users:
            yield _leaver(tenant_id, key, owner.mail, owner.name, last_logins, "an owner without a user")
    for identity_id, mail in strangers:
        yield _leaver(tenant_id, identity_id.rpartition(":user/")[2], mail or "", "", last_logins, horizon)
    yield from _groups(tenant_id, people)


def _user(
    tenant_id: str, user: User, told: Told, last_logins: Mapping[str, datetime], *, is_inactive: bool
) -> Iterator[Record]:
    identity_id = user_id(tenant_id, user.native_id)
    last = last_logins.get(identity_id)
    yield Identity(
        identity_id=identity_id,
        provider="hubspot",
        tenant_id=tenant_id,
        kind="human_user",
        name=user.name or user.mail,
        native_id=user.native_id,
        is_nhi=False,
        status="disabled" if is_inactive else told.status,
        mail=user.mail or None,
        created_at=told.created_at,
        last_used_at=last,
        last_used_known=last is not None,
        last_used_source=None if last is None else "login history of 90 days",
        mfa_state=told.mfa_state,
        role_changed_at=told.role_changed_at,
    )
    if user.is_super_admin:
        yield Grant(
            grant_id=f"{identity_id}/{SUPER_ADMIN}",
            provider="hubspot",
            tenant_id=tenant_id,
            principal_kind="identity",
            principal=user.mail,
            permission=SUPER_ADMIN,
            identity_id=identity_id,
            source="user",
            record_scope="all",
        )


def _leaver(
    tenant_id: str, native_id: str, mail: str, name: str, last_logins: Mapping[str, datetime], derived_from: str
) -> Identity:
    last = last_logins.get(user_id(tenant_id, native_id))
    return Identity(
        identity_id=user_id(tenant_id, native_id),
        provider="hubspot",
        tenant_id=tenant_id,
        kind="human_user",
        name=name or mail or native_id,
        native_id=native_id,
        is_nhi=False,
        status="disabled",
        mail=mail or None,
        last_used_at=last,
        last_used_known=last is not None,
        last_used_source=None if last is None else "login history of 90 days",
        derived_from=derived_from,
    )


def _groups(tenant_id: str, people: People) -> Iterator[Record]:
    """Roles and teams, by their names where these were read, and who is in them."""
    roles, teams = dict(people.roles), dict(people.teams)
    memberships: set[tuple[str, str]] = set()
    for member, team in people.members:
        if member in people.users:
            memberships.add((member, f"team/{team}"))
    for key, user in people.users.items():
        for role in user.roles:
            roles.setdefault(role, role)
            memberships.add((key, f"role/{role}"))
        for team in user.teams:
            teams.setdefault(team, team)
            memberships.add((key, f"team/{team}"))
    for kind, named in (("role", roles), ("team", teams)):
        for native_id, name in sorted(named.items()):
            yield Identity(
                identity_id=f"{tenant_id}:{kind}/{native_id}",
                provider="hubspot",
                tenant_id=tenant_id,
                kind="group",
                name=name,
                native_id=native_id,
                is_nhi=False,
            )
    for member, group in sorted(memberships):
        yield Membership(identity_id=user_id(tenant_id, member), group_id=f"{tenant_id}:{group}")


def _ids(several: object, single: object) -> frozenset[str]:
    found = [str(each) for each in several] if isinstance(several, list) else []
    return frozenset([*found, str(single)] if single else found)


def _name(person: Json) -> str:
    return " ".join(part for part in (person.get("firstName"), person.get("lastName")) if part)
