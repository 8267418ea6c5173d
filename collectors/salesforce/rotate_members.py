"""Taking permission sets, groups of them and memberships of public groups away, and giving them back as they were.

API: PermissionSetAssignment with PermissionSet and PermissionSetGroup, GroupMember with Group: an assignment is a
record, which is deleted and inserted again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from nhiscan.remediate.contract import (
    Capabilities,
    Effect,
    Observation,
    RefusedError,
    Target,
    UnsupportedError,
)

from .api import Json
from .coverage import API, SETUP
from .rotate_calls import Calls, DuplicateError
from .rotate_users import MANAGE
from .words import id18, moment

_ASSIGN: Final = "Assign Permission Sets"
_PUBLIC: Final = f"{MANAGE} (public groups)"
_READS: Final = (API, SETUP)
# Help, "Manage Permission Set Assignments" and "Create and Edit Public Groups".
_CHANGES: Final = (*_READS, f"{_ASSIGN} (permission sets and their groups)", _PUBLIC)
PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "observe": _READS,
    "off": _CHANGES,
    "on": _CHANGES,
    "prove": _READS,
}
_ENDS: Final = "ExpirationDate"
_SETTLES_IN: Final = timedelta(seconds=10)  # a margin: a query reads what was committed


@dataclass(frozen=True)
class _Way:
    """`table`: whose rows are the memberships; `group`, `holder`: its columns; `of`: the group's object.

    `facts`: what of the group a plan rests on -> its column; `more`: columns that say whether this is the way at all.
    """

    table: str
    group: str
    holder: str
    of: str
    facts: Mapping[str, str]
    holders: tuple[str, ...]  # key prefixes
    needs: str
    effect: str
    back: str
    more: tuple[str, ...] = ()


_OF_SETS: Final = (
    "the user loses what the {} gives, and in most cases the permission set licences that came with it; what profile, "
    "other sets and other groups give stays"
)
_SET_BACK: Final = "assign it to the user again, with the end that the assignment had; its id is another one then"
# Object Reference, "Object Key Prefixes".
_WAYS: Final[Mapping[str, _Way]] = {
    "0PS": _Way(
        "PermissionSetAssignment",
        "PermissionSetId",
        "AssigneeId",
        "PermissionSet",
        {"name": "Name", "label": "Label"},
        ("005",),
        _ASSIGN,
        _OF_SETS.format("permission set"),
        _SET_BACK,
        ("IsOwnedByProfile", "Type"),
    ),
    "0PG": _Way(
        "PermissionSetAssignment",
        "PermissionSetGroupId",
        "AssigneeId",
        "PermissionSetGroup",
        {"name": "DeveloperName", "label": "MasterLabel"},
        ("005",),
        _ASSIGN,
        _OF_SETS.format("group of permission sets"),
        _SET_BACK,
    ),
    "00G": _Way(
        "GroupMember",
        "GroupId",
        "UserOrGroupId",
        "Group",
        {"name": "DeveloperName", "label": "Name", "type": "Type"},
        ("005", "00G"),
        MANAGE,
        "the member leaves the group; sharing is worked out anew, which may take a while. Whoever is in it by a role "
        "or another group stays",
        "put the member into the group again; sharing is worked out anew",
    ),
}


@dataclass(frozen=True)
class Members:
    """Direct memberships; `clock` says whether an assignment has ended."""

    calls: Calls
    clock: Callable[[], datetime]

    def capabilities(self, target: Target) -> Capabilities:
        way = self._way(target)
        group = self._group(way, target)
        if group is not None and (group.get("IsOwnedByProfile") is True or group.get("Type") == "Profile"):
            raise UnsupportedError(
                f"salesforce: permission set {target.group_native_id} is a profile's own",
                hint="give the user another profile in Setup > Users > the user > Edit",
            )
        if group is not None and way.of == "PermissionSet" and group.get("Type") == "Group":
            raise UnsupportedError(
                f"salesforce: permission set {target.group_native_id} is what Salesforce sums a group up in",
                hint="take the permission set group away instead",
            )
        return Capabilities(
            overlap=0,
            maker="nobody",
            can_turn_off=True,
            can_delete=False,
            settles_in=_SETTLES_IN,
            effects={"off": way.effect},
            rollback={"off": way.back},
        )

    def observe(self, target: Target) -> Observation:
        """`live` while an assignment gives something; `gone` when the group itself is."""
        way = self._way(target)
        group = self._group(way, target)
        if group is None:
            return Observation("gone")
        rows = self._rows(way, target)
        facts = {name: str(group[column]) for name, column in way.facts.items() if group.get(column) is not None}
        for row in rows:
            facts["assignment"] = id18(str(row["Id"]))
            if row.get(_ENDS):
                facts["ends_at"] = str(row[_ENDS])
        return Observation("live" if any(map(self._gives, rows)) else "off", facts=facts)

    def off(self, target: Target) -> Effect:
        way = self._way(target)
        for row in self._rows(way, target):
            self.calls.delete(f"sobjects/{way.table}/{id18(str(row['Id']))}", needs=way.needs)
        return Effect()

    def on(self, target: Target, before: Observation | None) -> Effect:
        """Raises: RefusedError where nothing was assigned before, or what was would have ended by now."""
        way = self._way(target)
        if before is None or before.state != "live":
            raise RefusedError(
                f"salesforce: {target.holder_native_id} is not known to have had {target.group_native_id} before",
                hint="assign it by hand if that is meant",
            )
        ends_at = before.facts.get("ends_at")
        if ends_at is not None and (moment(ends_at) or self.clock()) <= self.clock():
            raise RefusedError(
                f"salesforce: the assignment of {target.group_native_id} would have ended by itself at {ends_at}",
                hint="assign it anew by hand if it is still wanted",
            )
        if self._is_there(way, target):
            return Effect()
        values = {way.holder: target.holder_native_id, way.group: target.group_native_id}
        if ends_at is not None:
            values[_ENDS] = ends_at
        try:
            return Effect(id=self.calls.create(way.table, values, needs=way.needs))
        except DuplicateError:
            if self._is_there(way, target):  # made since the look above
                return Effect()
            raise

    def delete(self, target: Target) -> Effect:
        raise RefusedError(f"salesforce: {target.group_native_id} is taken away by off, which can be undone")

    def _is_there(self, way: _Way, target: Target) -> bool:
        rows = self._rows(way, target)
        if rows and not any(map(self._gives, rows)):
            raise RefusedError(
                f"salesforce: {target.holder_native_id} has an assignment of {target.group_native_id} that gives "
                "nothing: it has ended, or was revoked",
                hint="remove it in Setup > Users > the user > Permission Set Assignments, then try again",
            )
        return bool(rows)

    def _gives(self, row: Json) -> bool:
        ends_at = moment(row.get(_ENDS))
        is_over = ends_at is not None and ends_at <= self.clock().astimezone(UTC)
        return not is_over and row.get("IsActive") is not False and row.get("IsRevoked") is not True

    def _way(self, target: Target) -> _Way:
        """Raises: UnsupportedError for profiles, roles and delegated groups."""
        way = _WAYS.get(target.group_native_id[:3])
        if way is None:
            is_with_user = target.group_native_id[:3] in ("00e", "00E")  # a profile, a role
            raise UnsupportedError(
                f"salesforce: {target.group_name or target.group_native_id} is no permission set, no group of them and "
                "no public group",
                hint="give the user another profile or role in Setup > Users > the user > Edit"
                if is_with_user
                else "take the user out of the group in Setup > Delegated Administration",
            )
        if not target.holder_native_id.startswith(way.holders):
            raise UnsupportedError(
                f"salesforce: {target.holder_native_id} is no user", hint="take it out of the group in Setup"
            )
        return way

    def _group(self, way: _Way, target: Target) -> Json | None:
        found = self.calls.rows(
            way.of, ("Id", *way.facts.values(), *way.more), {"Id": target.group_native_id}, needs=SETUP
        )
        return found[0] if found else None

    def _rows(self, way: _Way, target: Target) -> list[Json]:
        where: dict[str, str | None] = {way.holder: target.holder_native_id, way.group: target.group_native_id}
        optional = () if way.table == "GroupMember" else (_ENDS, "IsActive", "IsRevoked")
        return self.calls.rows(way.table, ("Id",), where, optional=optional, needs=SETUP)
