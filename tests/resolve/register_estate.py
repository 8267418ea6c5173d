"""One scan said as records: an AWS estate beside a partner register, at a fixed clock."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from datetime import UTC, datetime
from functools import cache
from typing import Any

import duckdb

from nhiscan import load, store
from nhiscan.model import Alias, Coverage, Credential, Identity, Partner, Record, Tag, Tenant, Trust

A = "111111111111"  # ours
B = "222222222222"  # ours
AS_OF = datetime(2026, 1, 31, 2, tzinfo=UTC)
NORDWIND = Partner("P-1", "Nordwind GmbH", register_row="partners.csv:2")
SUEDLICHT = Partner("P-2", "Südlicht AG", register_row="partners.csv:3")


def tenant(account: str = A) -> str:
    return f"aws:{account}"


def role_id(name: str, account: str = A) -> str:
    return f"{tenant(account)}:role/{name}"


def role(name: str = "sync", account: str = A, **fields: Any) -> Identity:
    values: dict[str, Any] = {"kind": "workload_role", "native_id": f"AROA-{name}", "is_nhi": True} | fields
    return Identity(role_id(name, account), "aws", tenant(account), name=name, **values)


def trust(account: str, *, on: str = "sync", ours: str = A) -> Trust:
    return Trust(
        f"{role_id(on, ours)}<-{account}",
        role_id(on, ours),
        tenant_id=tenant(ours),
        mechanism="assume_role",
        principal_kind="account",
        principal=f"arn:aws:iam::{account}:root",
        account=account,
    )


def oidc_trust(*, on: str = "sync", issuer: str = "https://token.actions.example") -> Trust:
    return Trust(
        f"{role_id(on)}<-oidc",
        role_id(on),
        tenant_id=tenant(),
        mechanism="oidc",
        principal_kind="oidc",
        principal=f"arn:aws:iam::{A}:oidc-provider/token.actions.example",
        issuer=issuer,
    )


def tag(name: str, value: str, *, on: str = "sync", ours: str = A) -> Tag:
    return Tag(role_id(on, ours), name=name, value=value)


def account_alias(partner_id: str, account: str, **fields: Any) -> Alias:
    return Alias(partner_id, "aws_account", account, **fields)


def domain(partner_id: str, value: str, **fields: Any) -> Alias:
    return Alias(partner_id, "mail_domain", value, **fields)


def key(name: str = "k1", *, on: str = "sync", **fields: Any) -> Credential:
    values: dict[str, Any] = {"kind": "access_key", "status": "active", "is_replaceable": True} | fields
    return Credential(
        f"{tenant()}:access_key/{name}", role_id(on), provider="aws", tenant_id=tenant(), native_id=name, **values
    )


def covered(*datasets: str, account: str = A, status: str = "complete") -> list[Coverage]:
    return [Coverage("aws", tenant(account), dataset, status) for dataset in datasets]


@cache
def _database() -> duckdb.DuckDBPyConnection:
    con = store.empty()
    con.execute("set threads = 1")  # a few rows: more threads only cost time
    return con


def scan(
    *records: Record | Iterable[Record], company: Iterable[tuple[str, str, str | None]] = ()
) -> duckdb.DuckDBPyConnection:
    """A scan of Acme at AS_OF; `company` adds to its accounts and mail domain.

    One scan at a time: the next call takes the rows of this one back, which is faster than a new database.
    """
    con = _database()
    with contextlib.suppress(duckdb.TransactionException):  # the first scan has nothing to take back
        con.execute("rollback")
    con.execute("begin transaction")
    flat = [one for item in records for one in ([item] if isinstance(item, Record) else item)]
    load.load(con, [Tenant(tenant(A), "aws"), Tenant(tenant(B), "aws"), *flat])
    con.execute("insert into scans (scan_id, as_of) values ('s', $as_of)", {"as_of": AS_OF.replace(tzinfo=None)})
    ours = [("name", "Acme", None), ("mail_domain", "acme.example", None), ("aws_account", A, "prod")]
    for row in [*ours, ("aws_account", B, "dev"), *company]:
        con.execute("insert into company values (?, ?, ?)", list(row))
    return con


def rows(con: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = con.execute(query).fetchall()
    return found
