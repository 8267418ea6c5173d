"""Fills `access_edges`, `access_hubs`, `reach` and `narrow_levels`: who can become whom, and who gets where that way.

An edge member-of leads to a group and ends there: what a group allows already stands in its members' own privileges,
so a group is never an administrator or a step to one. Who gets to an administrator without being one holds the verb
`escalate` as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import duckdb

from nhiscan import statements
from nhiscan.resolve import (
    app_rights,
    aws_edges,
    aws_iam,
    escalation,
    paths_assume,
    paths_escalation,
    secret_edges,
    vault_edges,
)
from nhiscan.resolve.privilege_rows import batched, insert_rows

MOST_HOPS: Final = 8
_PROVIDERS: Final = ("aws",)  # with escalation paths
_NEVER: Final = 9
_GOALS: Final = ("admin", "sensitive", "human")


def run(con: duckdb.DuckDBPyConnection) -> None:
    con.execute("delete from access_edges; delete from access_hubs; delete from reach; delete from narrow_levels")
    con.execute("delete from privileges where verb = 'escalate'")
    con.execute(
        "insert into access_edges select distinct identity_key, group_key, 'member-of', 'definite', false, null, null, "
        "null, null, 'member of the group' from memberships"
    )
    # Whose rights of which verb may reach further than what was read.
    con.execute("create or replace temp table narrow_open (identity_key bigint, verb varchar)")
    for write in EDGES:
        write(con)
    reach(con)
    con.execute(statements.sql("nhiscan.resolve", "paths_narrow"))
    titles = [(path.path_id, path.title) for provider in _PROVIDERS for path in escalation.read(provider).values()]
    insert_rows(con, "path_titles", (("path_id", "varchar"), ("title", "varchar")), [titles])
    con.execute(statements.sql("nhiscan.resolve", "paths_escalate"))
    con.execute("drop table narrow_open; drop table path_titles")


def aws(con: duckdb.DuckDBPyConnection) -> None:
    """Edges of AWS identities: may-assume, and every path of escalation.toml."""
    ((count,),) = con.execute(
        "select (select count(*) from policies where provider = 'aws') + "
        "(select count(*) from trusts where mechanism = 'assume_role')"
    ).fetchall()
    if not count:
        return  # nobody may become anybody, and the catalogue of actions takes a second to read
    documents = aws_iam.Documents(con)
    catalogue = documents.actions
    asked = catalogue.assume_role
    for action in paths_escalation.actions():
        asked |= catalogue.actions(action)
    speaking = [
        (key,)
        for key, document in documents.items()
        if any(s.allows and s.actions & asked for s in document.statements)
    ]
    insert_rows(con, "aws_speaking", (("policy_key", "bigint"),), [speaking])
    holders = aws_edges.holders(con, documents, wanted=statements.sql("nhiscan.resolve", "paths_callers"))
    con.execute("drop table aws_speaking")
    _leave_open(con, holders)
    edges = aws_edges.Edges()
    assumed = paths_assume.run(con, holders, edges)
    paths_escalation.Escalation(con, holders, edges, assumed).run()
    edges.write(con, holders.counts)
    con.execute("drop table aws_callers")


def _leave_open(con: duckdb.DuckDBPyConnection, holders: aws_edges.Holders) -> None:
    """Notes whose sts:AssumeRole may lead into accounts that were not read, or whose own account was not."""
    read = {
        tenant_id.partition(":")[2]
        for (tenant_id,) in con.execute(
            "select tenant_id from coverage where dataset in ('identities', 'policies', 'memberships', 'trusts') "
            "group by tenant_id having bool_and(coalesce(original_status, status) in ('complete', 'not_applicable'))"
        ).fetchall()
    }
    rows = [
        (held.combination, held.account, verb)
        for held in holders.counts
        for verb in ("impersonate", "delegate", "manage-policy", "manage-trust", "manage-identity")
        if held.account not in read or (verb == "impersonate" and not holders.assumes_only_in(held.combination, read))
    ]
    columns = (("combination", "bigint"), ("account", "varchar"), ("verb", "varchar"))
    insert_rows(con, "aws_open", columns, batched(iter(rows)))
    con.execute(
        "insert into narrow_open select c.identity_key, o.verb from aws_open o "
        "join aws_callers c on c.combination = o.combination and c.account = o.account; drop table aws_open"
    )


# Each writes edges of its own kind.
EDGES: Final[tuple[Callable[[duckdb.DuckDBPyConnection], None], ...]] = (
    aws,
    vault_edges.run,
    secret_edges.run,
    app_rights.edges,
)


def reach(con: duckdb.DuckDBPyConnection) -> None:
    """Breadth first from each goal, against the edges; the smallest key among equally short next hops."""
    con.execute(statements.sql("nhiscan.resolve", "paths_steps"))
    for goal in _GOALS:
        for certainty in ("definite", "potential"):
            sure = 1 if certainty == "definite" else 0
            con.execute(statements.sql("nhiscan.resolve", "paths_goal"), {"goal": goal, "certainty": certainty})
            for hops in range(1, MOST_HOPS + 1):
                rewrites = 1 + sure if hops == 1 and goal != "human" else _NEVER
                for step in ("paths_hop_hubs", "paths_hop"):
                    con.execute(
                        statements.sql("nhiscan.resolve", step), {"hops": hops, "sure": sure, "rewrites": rewrites}
                    )
                ((found,),) = con.execute("select count(*) from reached where hops = ?", [hops]).fetchall()
                if not found:
                    break
            con.execute(statements.sql("nhiscan.resolve", "paths_reached"), {"goal": goal, "certainty": certainty})
    con.execute("drop table steps; drop table reached")
