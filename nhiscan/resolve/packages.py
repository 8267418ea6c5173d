"""Fills `package_excess`: what identities can do beyond the packages of access that their partners were given.

AWS policies are weighed again, resource pattern by resource pattern, for the few identities whose partners hold a
package: `privileges` keeps one statement a verb, which does not say what else there is. Of a CRM, `record_access` says
which objects are read and changed, and how many of their records. Of other providers `privileges` is all there is; it
does not name resources, so only a verb that no item names is surely beyond.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

import duckdb

from nhiscan import statements
from nhiscan.resolve import aws_iam, globs
from nhiscan.resolve.privilege_rows import batched, insert_rows

_REACH: Final = (
    ("combination", "bigint"),
    ("verb", "varchar"),
    ("resource", "varchar"),
    ("scope", "varchar"),
    ("certainty", "varchar"),
    ("level", "bigint"),
    ("statement", "varchar"),
)


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Reads identity_partners, identity_facts, privileges, record_access and the register's packages."""
    con.execute(statements.sql("nhiscan.resolve", "package_holders"))
    con.execute(statements.sql("nhiscan.resolve", "package_objects"))
    documents = aws_iam.Documents(con)
    wanted = "select identity_key from package_holders where provider = 'aws'"
    found = aws_iam.combinations(con, documents, wanted=wanted)
    insert_rows(con, "package_aws_reach", _REACH, batched(_reach(found, documents)))
    patterns = con.execute(
        """
        select r.resource, i.resource_pattern, r.is_object
        from (
            select distinct resource, false as is_object from package_aws_reach
            union
            select distinct resource, true from package_objects
            union
            select 'crm/*', true
        ) r
        join (select distinct resource_pattern, lower(provider) = 'aws' as is_aws from package_items) i
            on i.is_aws <> r.is_object
        order by all
        """
    ).fetchall()
    covering = [
        (resource, pattern)
        for resource, pattern, is_object in patterns
        if (_covers_object if is_object else _covers)(pattern, resource)
    ]
    insert_rows(con, "package_covers", (("resource", "varchar"), ("resource_pattern", "varchar")), [covering])
    con.execute(statements.sql("nhiscan.resolve", "package_excess"))
    con.execute("drop table aws_holders; drop table package_aws_reach; drop table package_covers")
    con.execute("drop table package_objects; drop table package_holders")


def _reach(found: Iterable[aws_iam.Combination], documents: aws_iam.Documents) -> Iterator[tuple[Any, ...]]:
    for combination in found:
        own, limits = documents.own(combination), documents.limit(combination)
        reached = aws_iam.reached(own, limits, combination.holder, documents.actions)
        for row in dict.fromkeys(reached):
            yield (combination.number, row.verb, row.pattern, row.scope, row.certainty, row.level, row.statement)


def _covers(pattern: str | None, resource: str) -> bool:
    """An item without a resource says nothing about which, so it allows any."""
    return not pattern or globs.covers(pattern, resource)


def _covers_object(pattern: str | None, resource: str) -> bool:
    """Objects are named with or without `crm/`, in any case."""
    written = (pattern or "").lower()
    return any(
        _covers(form, resource.lower()) for form in dict.fromkeys((written, f"crm/{written}" if written else ""))
    )
