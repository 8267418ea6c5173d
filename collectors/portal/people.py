"""Users, their roles and sessions -> identities, groups, memberships, rights, invitations and sessions."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from nhiscan.model import Credential, Grant, Identity, Membership, Record, Tag

from .reading import NEVER, Row

PROVIDER = "portal"


@dataclass
class Accounts:
    """Who is who: users by their id, login and address. A name that two of them have names nobody."""

    tenant_id: str
    states: dict[str, str] = field(default_factory=dict)
    conflicts: set[str] = field(default_factory=set)  # users that stand on the list in several states
    _known: dict[str, str | None] = field(default_factory=dict)

    def add(self, row: Row) -> None:
        identity_id = self.id_of(row)
        if identity_id is None:
            return
        state = _status(row)
        if self.states.setdefault(identity_id, state) != state:
            self.conflicts.add(identity_id)
        for name in (row.get("id"), row.get("login"), row.get("mail")):
            if name is not None:
                key = name.casefold()
                self._known[key] = identity_id if self._known.get(key, identity_id) == identity_id else None

    def id_of(self, row: Row) -> str | None:
        """By the tool's own id, else by login or address, which tools compare without case."""
        if row.get("id"):
            return self.user_id(row["id"])
        name = row.get("login") or row.get("mail")
        return None if name is None else self.user_id(name.casefold())

    def find(self, name: str) -> str | None:
        """None for nobody, and for a name that several have."""
        return self._known.get(name.casefold())

    def user_id(self, name: str) -> str:
        return f"{self.tenant_id}:user/{name}"

    def role_id(self, role: str) -> str:
        return f"{self.tenant_id}:role/{role}"


@dataclass(frozen=True)
class Seen:
    """What sign-ins say of accounts: the last that succeeded, and since when they are known."""

    last: Mapping[str, datetime]
    since: datetime | None


def user_records(accounts: Accounts, row: Row, seen: Seen, licence: str | None) -> Iterator[Record]:
    """The identity, its memberships by the list of users, and its open invitation."""
    identity_id = accounts.id_of(row)
    if identity_id is None:
        return
    licence = row.get("licence", licence)
    told, last = row.get("last_sign_in_at"), seen.last.get(identity_id)
    if isinstance(told, datetime):
        last = max(told, last or told)
    created_at = row.get("created_at")
    is_watched = created_at is not None and seen.since is not None and created_at >= seen.since
    status = "enabled" if identity_id in accounts.conflicts else _status(row)
    if status == "invited" and last is not None:
        status = "enabled"  # whoever signed in has accepted
    yield Identity(
        identity_id=identity_id,
        provider=PROVIDER,
        tenant_id=accounts.tenant_id,
        kind="service_account" if row.get("is_machine") else "human_user",
        name=_name(row),
        native_id=row.get("id") or row.get("login") or row["mail"],
        is_nhi=row.get("is_machine", False),
        status=status,
        mail=row.get("mail") or _address(row.get("login")),
        purpose=row.get("purpose"),
        created_at=created_at,
        last_used_at=last,
        last_used_known=last is not None or told is NEVER or is_watched,
        last_used_source="last sign-in that the list of users names"
        if told is not None
        else None
        if seen.since is None
        else f"sign-ins since {seen.since:%Y-%m-%d}",
        has_console_password=row.get("has_password"),
        mfa_state=row.get("mfa"),
        is_external=None if licence is None else licence not in ("internal", "integration"),
        licence=licence,
        role_changed_at=row.get("role_changed_at"),
        invited_at=row.get("invited_at"),
        created_by=row.get("created_by"),
    )
    if "partner" in row:
        yield Tag(identity_id=identity_id, name="partner", value=row["partner"])
    for role in row.get("roles", ()):
        yield Membership(identity_id=identity_id, group_id=accounts.role_id(role))
    if status == "invited":
        yield Credential(
            credential_id=f"{accounts.tenant_id}:invitation/{identity_id.partition(':user/')[2]}",
            identity_id=identity_id,
            provider=PROVIDER,
            tenant_id=accounts.tenant_id,
            kind="invitation",
            native_id=row.get("mail") or row.get("login") or row["id"],
            status="active",
            is_replaceable=False,
            created_at=row.get("invited_at", created_at),
            last_used_known=True,
            last_used_source="who was invited has not signed in",
        )


def role_records(accounts: Accounts, roles: Iterable[str], rights: Mapping[str, tuple[str, str]]) -> Iterator[Record]:
    """Each role as a group, and what nhiscan.toml says that it may do: verb and scope of records."""
    for role in sorted(roles):
        role_id = accounts.role_id(role)
        yield Identity(
            identity_id=role_id,
            provider=PROVIDER,
            tenant_id=accounts.tenant_id,
            kind="group",
            name=role,
            native_id=role,
            is_nhi=False,
        )
        if role.casefold() in rights:
            verb, scope = rights[role.casefold()]
            yield Grant(
                grant_id=f"{role_id}/{verb}",
                provider=PROVIDER,
                tenant_id=accounts.tenant_id,
                principal_kind="identity",
                principal=role,
                permission=verb,
                identity_id=role_id,
                source="nhiscan.toml",
                record_scope=scope,
            )


def session_record(accounts: Accounts, row: Row, identity_id: str) -> Credential:
    last, expires = row.get("last_used_at"), row.get("expires_at")
    return Credential(
        credential_id=f"{accounts.tenant_id}:session/{row['id']}",
        identity_id=identity_id,
        provider=PROVIDER,
        tenant_id=accounts.tenant_id,
        kind="session",
        native_id=row["id"],
        status="active",
        is_replaceable=False,
        created_at=row.get("created_at"),
        expires_at=expires,
        expiry_known=expires is not None,
        last_used_at=last,
        last_used_known=last is not None,
        last_used_source=None if last is None else "list of sessions",
    )


def _status(row: Row) -> str:
    """A word that nobody knows is not taken for "disabled"."""
    if row.get("is_suspended") or row.get("is_enabled") is False:
        return "disabled"
    return str(row.get("status", "enabled"))


def _name(row: Row) -> str:
    both = " ".join(part for part in (row.get("first_name"), row.get("last_name")) if part)
    return str(row.get("name") or both or row.get("login") or row.get("mail") or row["id"])


def _address(login: str | None) -> str | None:
    return login.lower() if login is not None and "@" in login else None
