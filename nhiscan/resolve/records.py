"""What outsiders and partners' identities may do with the objects and fields of a CRM, and how many records they see.

An app sees what the users see whose live tokens it holds, as far as its scopes let it.
"""

from __future__ import annotations

from importlib import resources
from typing import Final

import duckdb

_STEPS: Final = (
    "tenants",
    "partner_rows",
    "held_tokens",
    "group_members",
    "record_rights",
    "record_access",
    "field_access",
)
_LARGE: Final = ("said_rights", "set_objects", "set_rights", "set_fields")


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Fills record_access and field_access; reads identity_facts."""
    for name in _STEPS:
        con.execute(resources.files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8"))
    for name in _LARGE:
        con.execute(f"drop table {name}")
