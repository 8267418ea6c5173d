"""What a CRM adds: as whom apps act, who is in which group, what partners reach, and to whom a policy value applies.

An app sees what the users see whose live tokens it holds, as far as its scopes let it.
"""

from __future__ import annotations

from typing import Final

import duckdb

from nhiscan import statements

_STEPS: Final = (
    "tenants",
    "partner_rows",
    "held_tokens",
    "group_members",
    "app_facts",
    "role_facts",
    "record_rights",
    "record_access",
    "field_access",
    "setting_facts",
)
_LARGE: Final = ("said_rights", "set_objects", "set_rights", "set_fields")


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Fills app_facts, role_facts, record_access, field_access, setting_facts; reads identity_facts and privileges."""
    for name in _STEPS:
        con.execute(statements.sql("nhiscan.resolve", name))
    for name in _LARGE:
        con.execute(f"drop table {name}")
