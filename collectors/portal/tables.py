"""What the files of a portal may hold: our columns, and the words that stand for our values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

Kind = Literal["text", "texts", "mail", "word", "boolean", "integer", "time"]


@dataclass(frozen=True)
class Column:
    """`words`: what is said in it -> our value. Several of their columns may fill a time: the newest counts."""

    field: str
    kind: Kind = "text"
    words: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Table:
    """`needed`: of each group at least one column; `is_log`: rows are events."""

    name: str
    columns: Mapping[str, Column]
    needed: tuple[tuple[str, ...], ...]
    is_log: bool = False


def _table(name: str, *columns: Column, needed: tuple[tuple[str, ...], ...], is_log: bool = False) -> Table:
    return Table(name, {column.field: column for column in columns}, needed, is_log)


def _times(*fields: str) -> tuple[Column, ...]:
    return tuple(Column(field, "time") for field in fields)


def _booleans(*fields: str) -> tuple[Column, ...]:
    return tuple(Column(field, "boolean") for field in fields)


def _texts(*fields: str) -> tuple[Column, ...]:
    return tuple(Column(field) for field in fields)


LEFT_OUT: Final = "left_out"  # a row with this outcome is none of ours
_STATUS: Final = {
    "enabled": "enabled",
    "active": "enabled",
    "disabled": "disabled",
    "inactive": "disabled",
    "deactivated": "disabled",
    "suspended": "disabled",
    "invited": "invited",
    "pending": "invited",
}
_MFA: Final = {
    "registered": "registered",
    "enrolled": "registered",
    "enabled": "registered",
    "true": "registered",
    "yes": "registered",
    "1": "registered",
    "none": "none",
    "disabled": "none",
    "false": "none",
    "no": "none",
    "0": "none",
}
_LICENCES: Final = {word: word for word in ("internal", "partner", "customer", "integration", "guest")}
_OUTCOMES: Final = {
    "success": "success",
    "succeeded": "success",
    "true": "success",
    "failure": "failure",
    "failed": "failure",
    "false": "failure",
    LEFT_OUT: LEFT_OUT,
}
_FLOWS: Final = {word: word for word in ("password", "sso", "soap", "basic")}
LICENCES: Final = frozenset(_LICENCES)

TABLES: Final[Mapping[str, Table]] = {
    table.name: table
    for table in (
        _table(
            "users",
            *_texts("id", "login", "name", "first_name", "last_name", "created_by", "purpose", "partner"),
            Column("mail", "mail"),
            Column("status", "word", _STATUS),
            Column("mfa", "word", _MFA),
            Column("licence", "word", _LICENCES),
            Column("roles", "texts"),
            *_booleans("is_enabled", "is_suspended", "is_machine", "has_password"),
            *_times("created_at", "invited_at", "last_sign_in_at", "role_changed_at"),
            needed=(("id", "login", "mail"), ("status", "is_enabled", "is_suspended")),
        ),
        _table("roles", *_texts("user", "role"), needed=(("user",), ("role",))),
        _table(
            "sign_ins",
            *_texts("id", "user", "ip", "country", "location", "user_agent", "browser", "platform", "app", "reason"),
            Column("outcome", "word", _OUTCOMES),
            Column("flow", "word", _FLOWS),
            *_booleans("is_interactive"),
            *_times("at"),
            needed=(("at",), ("user",), ("outcome",)),
            is_log=True,
        ),
        _table(
            "sessions",
            *_texts("id", "user"),
            *_times("created_at", "last_used_at", "expires_at"),
            needed=(("id",), ("user",)),
        ),
        _table(
            "exports",
            *_texts("id", "user", "target", "ip", "reason"),
            Column("outcome", "word", _OUTCOMES),
            Column("rows", "integer"),
            *_times("at"),
            needed=(("at",), ("user",)),
            is_log=True,
        ),
    )
}
