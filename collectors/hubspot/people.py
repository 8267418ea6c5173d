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


@dataclass
class People:
    """What the lists of users, roles, teams and owners said; of a user that came twice the last word counts."""

    users: dict[str, Json] = field(default_factory=dict)
    roles: dict[str, str] = field(default_factory=dict)
    teams: dict[str, str] = field(default_factory=dict)
    members: set[tuple[str, str]] = field(default_factory=set)  # user and team
    owners: dict[str, Json] = field(default_factory=dict)  # by user, also of those who left

    def add_user(self, user: Json) -> None:
        self.users[str(user["id"])] = user

    def add_role(self, role: Json) -> None:
        self.roles[str(role["id"])] = str(role["name"])

    def add_team(self, team: Json) -> None:
        self.teams[str(team["id"])] = str(team["name"])
        for member in (*team["userIds"], *team["secondaryUserIds"]):
            self.members.add((str(member), str(team["id"])))

    def add_owner(self, owner: Json) -> None:
        """Of a user with several owners, the one in use counts. A queue is nobody."""
        user = owner.get("userId") or owner.get("userIdIncludingInactive")
        if owner["type"] == "PERSON" and user is not None and not (owner["archived"] and str(user) in self.owners):
            self.owners[str(user)] = owner

    def mails(self, tenant_id: str) -> dict[str, str]:
        """The address of each user that is or was, by identity id."""
        found = {user_id(tenant_id, key): str(owner.get("email") or "") for key, owner in self.owners.items()}
        found |= {user_id(tenant_id, key): str(user["email"]) for key, user in self.users.items()}
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
        yield from _user(tenant_id, user, told.get(user_id(tenant_id, key), Told()), last_logins)
        if key in people.owners:
            yield Tag(identity_id=user_id(tenant_id, key), name="owner_id", value=str(people.owners[key]["id"]))
    for key, owner in sorted(people.owners.items()):
        if key not in people.users:
            yield _leaver(
                tenant_id, key, str(owner.get("email") or ""), _name(owner), last_logins, "an owner without a user"
            )
    for identity_id, mail in strangers:
        yield _leaver(tenant_id, identity_id.rpartition(":user/")[2], mail or "", "", last_logins, horizon)
    yield from _groups(tenant_id, people)


def _user(tenant_id: str, user: Json, told: Told, last_logins: Mapping[str, datetime]) -> Iterator[Record]:
    identity_id = user_id(tenant_id, user["id"])
    last = last_logins.get(identity_id)
    yield Identity(
        identity_id=identity_id,
        provider="hubspot",
        tenant_id=tenant_id,
        kind="human_user",
        name=_name(user) or str(user["email"]),
        native_id=str(user["id"]),
        is_nhi=False,
        status=told.status,
        mail=str(user["email"]) or None,
        created_at=told.created_at,
        last_used_at=last,
        last_used_known=last is not None,
        last_used_source=None if last is None else "login history of 90 days",
        mfa_state=told.mfa_state,
        role_changed_at=told.role_changed_at,
    )
    if user["superAdmin"]:
        yield Grant(
            grant_id=f"{identity_id}/{SUPER_ADMIN}",
            provider="hubspot",
            tenant_id=tenant_id,
            principal_kind="identity",
            principal=str(user["email"]),
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
        for role in _ids(user.get("roleIds"), user.get("roleId")):
            roles.setdefault(role, role)
            memberships.add((key, f"role/{role}"))
        for team in _ids(user.get("secondaryTeamIds"), user.get("primaryTeamId")):
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


def _ids(several: object, single: object) -> set[str]:
    found = {str(each) for each in several} if isinstance(several, list) else set()
    return found | ({str(single)} if single else set())


def _name(person: Json) -> str:
    return " ".join(part for part in (person.get("firstName"), person.get("lastName")) if part)
