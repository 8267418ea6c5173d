"""What a partner or vendor that had an incident holds of ours: what to replace or take back, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import duckdb

from nhiscan import moments, statements
from nhiscan.config import nearest
from nhiscan.errors import QueryError
from nhiscan.lifecycle import commands

_ACTIONS: Final[dict[str, commands.Action]] = {
    "credential": "rotate_shared_secret",
    "secret": "rotate_shared_secret",
    "trust": "remove_delegation",
    "grant": "remove_delegation",
    "app": "close_integration",
}
_CREDENTIALS: Final = ("credential", "secret")


@dataclass(frozen=True, slots=True)
class Party:
    """Somebody that the given name means; `kind`: partner, app, or what a trust lets in."""

    kind: str
    id: str
    name: str
    why: str


@dataclass(frozen=True, slots=True)
class Held:
    """One credential, secret, trust, grant, app or identity. Null means unknown, as in the tables; times are naive UTC.

    `locations`: other places where the same value stands; `other_partners`: who else holds it;
    `credential_id`: of a secret, the credential that it is.
    """

    thing_kind: str
    thing_id: str
    name: str
    provider: str
    tenant_id: str
    relation: str
    action: str
    evidence: str
    identity_id: str | None
    identity_name: str | None
    is_live: bool | None
    level: int | None
    level_high: int | None
    is_admin: bool | None
    admin_hops: int | None
    makes_others: bool
    reaches_sensitive: bool
    is_production: bool | None
    reads_customer_data: bool
    created_at: datetime | None
    rotated_at: datetime | None
    last_used_at: datetime | None
    last_used_known: bool
    last_used_source: str | None
    events_since: int
    sources: str | None
    owner_mail: str | None
    owner_status: str | None
    locations: str | None
    other_partners: str | None
    credential_id: str | None

    def is_dead(self) -> bool:
        return self.is_live is False

    def age_days(self, at: datetime) -> int | None:
        """Days since its value was made; None where that is not known."""
        made = self.rotated_at or self.created_at
        return None if made is None else max((moments.naive(at) - made).days, 0)

    def reach(self) -> list[str]:
        """What it opens, worst first, in words."""
        level = "level unknown" if self.level is None else f"level {self.level}"
        facts = {
            "administrator": self.is_admin is True,
            "may be an administrator": self.is_admin is None and self.identity_id is not None,
            f"administrator in {self.admin_hops} steps": self.is_admin is False and self.admin_hops is not None,
            "can make or become others": self.makes_others,
            "reads secrets or exports data": self.reaches_sensitive,
            "production": self.is_production is True,
            "customer data": self.reads_customer_data,
        }
        return [level, *(word for word, holds in facts.items() if holds)]

    def state(self, since: datetime | None) -> str:
        """Whether its value is newer than the disclosure, in words."""
        made = self.rotated_at or self.created_at
        if self.thing_kind == "identity":
            return "how it signs in was not read: cut it off, or replace its password and keys"
        if self.thing_kind not in _CREDENTIALS:
            return "has no value to rotate: it stands until it is taken back"
        if since is None:
            return "no date of a disclosure is known: give --since"
        if made is None:
            return "cannot be said whether it was rotated since disclosed: its age is not known"
        if made < since:
            return "not rotated since disclosed"
        return f"made {made:%Y-%m-%d %H:%M}, after the disclosure: make sure by whom"

    def used_since(self, since: datetime | None) -> bool | None:
        """None where nobody can say."""
        if since is None:
            return None
        if self.events_since or (self.last_used_at is not None and self.last_used_at >= since):
            return True
        return False if self.last_used_known else None


@dataclass(frozen=True, slots=True)
class Incident:
    """`held` in the order in which to act; `dead`: things of theirs that open nothing any more; `unread`: rows of
    (tenant, datasets, status, reason) where more may hide.
    """

    parties: tuple[Party, ...]
    since: datetime | None
    since_source: str | None
    held: tuple[Held, ...]
    guides: dict[tuple[str, str], commands.Guide]
    dead: int
    unread: tuple[tuple[str, str, str, str | None], ...]

    def other_users(self, one: Held) -> str | None:
        """Who else is hit when it is replaced: other partners, and the user by whose token an app acts."""
        users = [one.other_partners] if one.other_partners else []
        if one.thing_kind == "credential" and one.relation == "vendor" and one.identity_name:
            users.append(one.identity_name)
        return ", ".join(users) or None


def incident(con: duckdb.DuckDBPyConnection, name: str, *, since: datetime | None, at: datetime) -> Incident:
    """`name`: a partner's id, name or alias, or the id or name of an app or outside account.

    Without `since` the newest disclosure until `at` that the register holds of these partners counts.
    Raises: QueryError when nobody is meant, or `since` is to come.
    """
    if since is not None and since > at:
        raise QueryError(
            f"--since {since:%Y-%m-%d %H:%M} is to come: all would count as not rotated since",
            hint="give the time at which it was disclosed",
        )
    parties = _parties(con, name)
    partners = sorted({party.id for party in parties if party.kind == "partner"})
    disclosed, source = (moments.naive(since), "given") if since is not None else _disclosed(con, partners, at)
    asked = {
        "partners": partners,
        "apps": sorted({party.id for party in parties if party.kind == "app"}),
        "integrations": sorted({party.id for party in parties if party.kind.endswith("of a trust")}),
        "since": disclosed,
    }
    found = [Held(*row) for row in con.execute(statements.sql("nhiscan.lifecycle", "incident"), asked).fetchall()]
    held = tuple(sorted((one for one in _without_doubles(found) if not one.is_dead()), key=_order))
    things = [
        (one.thing_kind, one.thing_id, one.provider, _ACTIONS.get(one.thing_kind, "revoke_access")) for one in held
    ]
    unread = con.execute(statements.sql("nhiscan.lifecycle", "incident_unread"), {"partners": partners}).fetchall()
    return Incident(
        parties=parties,
        since=disclosed,
        since_source=source,
        held=held,
        guides=commands.guides(con, things),
        dead=sum(one.is_dead() for one in found),
        unread=tuple(unread),
    )


def _without_doubles(found: Sequence[Held]) -> list[Held]:
    """Without what another entry covers: identities of listed things, and secrets that are a listed credential."""
    live = [one for one in found if not one.is_dead()]
    used_with = {one.identity_id for one in live if one.thing_kind != "identity"}
    credentials = {one.thing_id for one in live if one.thing_kind == "credential"}
    return [
        one
        for one in found
        if not (one.thing_kind == "identity" and one.identity_id in used_with)
        and not (one.thing_kind == "secret" and one.credential_id in credentials)
    ]


def _order(one: Held) -> tuple[Any, ...]:
    """What can make others first, or it would undo what comes after; then by reach, unknown before harmless."""
    level = one.level_high if one.level is None else one.level
    return (
        not one.makes_others,
        one.is_admin is not True,
        -(5 if level is None else level),
        99 if one.admin_hops is None else one.admin_hops,
        not one.reaches_sensitive,
        one.is_production is not True,
        not one.reads_customer_data,
        one.thing_kind not in _CREDENTIALS,
        one.thing_kind,
        one.thing_id,
    )


def _parties(con: duckdb.DuckDBPyConnection, name: str) -> tuple[Party, ...]:
    found: dict[tuple[str, str], Party] = {}
    for row in con.execute(statements.sql("nhiscan.lifecycle", "incident_parties"), {"name": name}).fetchall():
        party = Party(*row)
        found.setdefault((party.kind, party.id), party)
    exact = [party for party in found.values() if party.kind == "partner" and party.id == name]
    if exact:
        return tuple(exact)
    if found:
        return tuple(found.values())
    known = con.execute(
        "select name from partners union select partner_id from partners union select name from app_facts "
        "union select name from integration_facts union select value from aliases"
    ).fetchall()
    words = [word for (word,) in known if word]
    raise QueryError(
        f"no partner, app or outside account {name!r} in this scan",
        hint=f"{nearest(name, words)}; a vendor without an app, account or alias here holds nothing that was seen"
        if words
        else "this scan holds no partner, app or outside account",
    )


def _disclosed(
    con: duckdb.DuckDBPyConnection, partners: Sequence[str], at: datetime
) -> tuple[datetime | None, str | None]:
    row = con.execute(
        """
        select coalesce(disclosed_at, opened_at), incident_id
        from incidents
        where partner_id in (select unnest($partners::varchar[])) and coalesce(disclosed_at, opened_at) <= $at
        order by coalesce(closed_at <= $at, false), 1 desc, 2
        limit 1
        """,
        {"partners": list(partners), "at": moments.naive(at)},
    ).fetchone()
    return (None, None) if row is None else (row[0], f"incident {row[1]} of the register")
