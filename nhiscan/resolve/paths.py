"""Fills `access_edges` and `reach`: who can become whom, and who gets to an administrator that way.

An edge may-assume needs the trust side and, unless the trust names the very user or role in the same account, a
permission to call sts:AssumeRole; an explicit Deny always wins. An edge member-of leads to a group and ends there: what
a group allows already stands in its members' own privileges, so a group is never an administrator or a step to one.
Resource patterns are the hubs: each is matched with an account's open roles once, however many identities share it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from importlib import resources
from typing import Any, Final

import duckdb

from nhiscan.resolve import aws_iam
from nhiscan.resolve.privilege_rows import batched, insert_rows

MOST_HOPS: Final = 8
_MOST_STARS: Final = 8  # older DuckDB backtracks over the stars of LIKE


def run(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("delete from access_edges; delete from access_hubs; delete from reach; delete from narrow_levels")
    con.execute(
        "insert into access_edges (from_key, to_key, kind, certainty, evidence) "
        "select distinct identity_key, group_key, 'member-of', 'definite', 'member of the group' from memberships"
    )
    _assume_edges(con)
    reach(con)


def reach(con: duckdb.DuckDBPyConnection) -> None:
    """Breadth first from the administrators, against the edges; the smallest key among equally short next hops."""
    con.execute(
        "insert into reach select distinct identity_key, 'admin', 'definite', 0, cast(null as bigint) from privileges "
        "where verb = 'admin' and certainty = 'definite'"
    )
    for hops in range(1, MOST_HOPS + 1):
        before = _count(con)
        con.execute(_sql("paths_hop"), {"hops": hops})
        if _count(con) == before:
            break


def _count(con: duckdb.DuckDBPyConnection) -> int:
    ((count,),) = con.execute("select count(*) from reach").fetchall()
    return int(count)


def _assume_edges(con: duckdb.DuckDBPyConnection) -> None:
    if not con.execute("select count(*) from trusts where mechanism = 'assume_role'").fetchall()[0][0]:
        return  # nobody may become anybody, and the catalogue of actions takes a second to read
    documents = aws_iam.Documents(con)
    assume_role = documents.actions.assume_role
    speaking = [
        (key,)
        for key, document in documents.items()
        if any(s.allows and s.actions & assume_role for s in document.statements)
    ]
    insert_rows(con, "aws_speaking", (("policy_key", "bigint"),), [speaking])
    con.execute(_sql("paths_callers"))
    found = list(aws_iam.combinations(con, documents, wanted="select identity_key from aws_callers"))
    insert_rows(
        con,
        "aws_patterns",
        (
            ("combination", "bigint"),
            ("part", "varchar"),
            ("pattern", "varchar"),
            ("policy_name", "varchar"),
        ),
        batched(_patterns(found, documents)),
    )
    con.execute(_sql("paths_assume"))
    con.execute("drop table aws_speaking; drop table aws_callers; drop table aws_holders; drop table aws_patterns")


def _patterns(found: Iterable[aws_iam.Combination], documents: aws_iam.Documents) -> Iterator[tuple[Any, ...]]:
    for combination in found:
        bindings = [*combination.bindings, *([combination.boundary] if combination.boundary else [])]
        boundary = documents[combination.boundary.policy_key] if combination.boundary else None
        own = [documents[b.policy_key] for b in combination.bindings]
        if boundary:
            yield combination.number, "bounded", "", None
        for found_pattern in aws_iam.assume_patterns(own, boundary, combination.holder, documents.actions):
            part, pattern = found_pattern.part, found_pattern.pattern
            if pattern.count("*") > _MOST_STARS:
                part, pattern = f"{part.removesuffix('_if')}_if", f"{pattern.split('*', 1)[0]}*"
            name = documents.names.get(bindings[found_pattern.source].policy_key)
            yield combination.number, part, pattern, name


def _sql(name: str) -> str:
    return resources.files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
