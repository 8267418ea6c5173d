"""What conditions of AWS policies come to for one identity, where they ask for nothing but who it is.

A service control policy that spares one role by aws:PrincipalArn says yes or no of each identity, not "it depends".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from typing import Final, NamedTuple, TypeAlias

import duckdb

from nhiscan.resolve import aws_conditions, aws_limits
from nhiscan.resolve.aws_policy import Condition, Document
from nhiscan.resolve.aws_request import Principal, implied
from nhiscan.resolve.privilege_rows import insert_rows

Decided: TypeAlias = frozenset[tuple[Condition, bool]]

_TAG: Final = "aws:principaltag/"
_ORGANIZATION: Final = "aws:principalorgid"
_PATHS: Final = "aws:principalorgpaths"
_FROM_IDENTITY: Final = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:principalisawsservice",
        "aws:principalservicename",
        "aws:principaltype",
        "aws:username",
        _ORGANIZATION,
        _PATHS,
    }
)


@cache
def asked(document: Document) -> tuple[Condition, ...]:
    """The document's conditions on who asks."""
    found = (condition for statement in document.statements for condition in statement.conditions)
    return tuple(dict.fromkeys(c for c in found if c.key.lower() in _FROM_IDENTITY or c.key.lower().startswith(_TAG)))


class _Identity(NamedTuple):
    key: int
    combination: int
    identity_id: str
    tenant_id: str
    arn: str


def decide(
    con: duckdb.DuckDBPyConnection, wanted: Mapping[int, tuple[Condition, ...]]
) -> Iterator[tuple[int, Decided]]:
    """Of each identity in the table aws_holders whose combination has conditions: its key and what is decided of them.

    A role's session may carry tags of its own, so tags are known of users only.
    """
    insert_rows(con, "aws_asking", (("combination", "bigint"),), [[(number,) for number in wanted]])
    identities = [
        _Identity(*row)
        for row in con.execute(
            "select h.identity_key, h.combination, i.identity_id, i.tenant_id, i.native_id from aws_holders h "
            "join aws_asking a using (combination) join identities i using (identity_key) order by h.identity_key"
        ).fetchall()
    ]
    tags = _tags(con)
    con.execute("drop table aws_asking")
    organizations = aws_limits.memberships(con)
    tests = {condition: aws_conditions.test(condition) for conditions in wanted.values() for condition in conditions}
    for identity in identities:
        known = _known(identity, tags, organizations.get(identity.tenant_id))
        outcomes = ((each, tests[each](known)) for each in wanted[identity.combination])
        yield identity.key, frozenset((each, truth) for each, truth in outcomes if isinstance(truth, bool))


def _tags(con: duckdb.DuckDBPyConnection) -> dict[int, dict[str, str]]:
    """Names are in small letters, as AWS does not tell them apart by case; none where tags were not read."""
    found: dict[int, dict[str, str]] = defaultdict(dict)
    for key, name, value in con.execute(
        "select h.identity_key, t.name, t.value from aws_holders h join aws_asking a using (combination) "
        "join identities i using (identity_key) left join tags t using (identity_key) "
        "where starts_with(i.identity_id, i.tenant_id || ':user/') and i.tenant_id in ("
        "select tenant_id from coverage where dataset = 'identities.tags' group by tenant_id "
        "having bool_and(coalesce(original_status, status) = 'complete')) order by all"
    ).fetchall():
        if name is None:
            found[key] = {}
        else:
            found[key][name.lower()] = value
    return found


def _known(
    identity: _Identity, tags: Mapping[int, Mapping[str, str]], organization: aws_limits.Membership | None
) -> aws_conditions.Lookup:
    account = identity.tenant_id.partition(":")[2]
    kind = identity.identity_id.removeprefix(identity.tenant_id).partition("/")[0]
    if kind == ":user":
        principal = Principal("user", identity.arn, account)
    elif kind == ":root":
        principal = Principal("root", f"{identity.arn.rpartition(':')[0]}:root", account)
    else:
        principal = Principal("role", identity.arn, account)
    values = implied(principal)
    if organization is not None:
        values = values | {_ORGANIZATION: organization.ids, _PATHS: organization.paths}

    def lookup(key: str) -> tuple[str, ...] | None:
        if key.startswith(_TAG) and identity.key in tags:
            value = tags[identity.key].get(key.removeprefix(_TAG))
            return () if value is None else (value,)
        return values.get(key)

    return lookup


def standing(document: Document, decided: Mapping[Condition, bool]) -> Document:
    """The document without the conditions that are decided, and without the statements that these void."""
    statements = []
    for statement in document.statements:
        outcomes = [decided.get(condition) for condition in statement.conditions]
        if False in outcomes:
            continue
        open_ = tuple(c for c, outcome in zip(statement.conditions, outcomes, strict=True) if outcome is None)
        statements.append(statement.under(open_) if len(open_) < len(outcomes) else statement)
    return replace(document, statements=tuple(statements))


def conditions_of(documents: Iterable[Document]) -> tuple[Condition, ...]:
    return tuple(dict.fromkeys(condition for document in documents for condition in asked(document)))
