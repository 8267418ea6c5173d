"""What the scanner itself may do, and what it will therefore not see, said before anything looks complete.

API: UserPermissionAccess: the permissions of whoever asks, one row.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from nhiscan.model import Record, Scanner

from .api import Refusal
from .coverage import SETUP
from .org import Org

_ASKED: Final = (
    "CustomizeApplication",
    "ManageUsers",
    "ModifyAllData",
    "ModifyMetadata",
    "ViewAllData",
    "ViewAllUsers",
    "ViewEventLogFiles",
    "ViewSetup",
)
_PREFIX: Final = "Permissions"


def records(org: Org) -> Iterator[Record]:
    """The scanner; leaves its rights in `org.rights`. They are not known where the org does not tell them."""
    yield Scanner(org.tenant_id, org.identity_id(org.scanner_id))
    described = org.api.describe("UserPermissionAccess")
    if isinstance(described, Refusal):
        return
    columns = [f"{_PREFIX}{name}" for name in _ASKED if f"{_PREFIX}{name}" in described]
    rows = list(org.api.query(f"SELECT Id, {', '.join(columns)} FROM UserPermissionAccess")) if columns else []
    for row in rows:
        org.rights = frozenset(name.removeprefix(_PREFIX) for name in columns if row.get(name) is True)
    if org.rights and "ViewSetup" not in org.rights:
        refusal = Refusal("partial", "", f"the scanner does not hold {SETUP}", SETUP)
        org.tally.refuse(refusal, "memberships", "grants", "apps", "settings", "delegated_admins", "usage.audit")


def holds(org: Org, *names: str) -> bool | None:
    """Whether the scanner has one of these permissions; None: the org did not say."""
    return None if not org.rights else bool(org.rights & set(names))
