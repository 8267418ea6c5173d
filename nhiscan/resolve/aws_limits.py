"""Which organization policies limit each AWS account: SCPs what its identities do, RCPs what is done to its resources.

A request needs an Allow on every level from the root to the account and no Deny on any. The account that manages the
organization, and service-linked roles, are limited by neither: Organizations User Guide, "Service control policies"
and "Resource control policies".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import duckdb

DATASETS: Final = {"scp": "scps", "rcp": "rcps"}  # kind of policy -> what covers it

_ORGANIZATION: Final = re.compile(r":organizations::\d+:[a-z]+/(o-[a-z0-9]+)/")


class Levels(NamedTuple):
    """The policies by key, level by level from the root; none where nothing limits.

    Where `was_read` is false policies may be missing: the Denies that are known hold, but what a level leaves out is
    not known to be out of bounds.
    """

    policies: tuple[tuple[int, ...], ...] = ()
    was_read: bool = True


UNLIMITED: Final = Levels()


class Limits(NamedTuple):
    """What limits an account's identities from above it."""

    scps: Levels = UNLIMITED
    rcps: Levels = UNLIMITED


class _Tree(NamedTuple):
    parents: Mapping[str, str | None]
    roots: frozenset[str]
    managing: frozenset[str]  # tenants
    accounts: Mapping[str, str]  # tenant -> its node
    tenants: Mapping[str, str]  # node -> its tenant


def by_tenant(con: duckdb.DuckDBPyConnection) -> dict[str, Limits]:
    """Of every AWS tenant that has an identity."""
    tree = _tree(con)
    attached = _attached(con)
    statuses: dict[tuple[str, str], set[str]] = defaultdict(set)
    for tenant_id, dataset, status in con.execute(
        "select tenant_id, dataset, coalesce(original_status, status) from coverage where dataset in ('scps', 'rcps')"
    ).fetchall():
        statuses[tenant_id, dataset].add(status)
    tenants = con.execute("select distinct tenant_id from identities where provider = 'aws' order by all").fetchall()
    return {
        tenant_id: Limits(
            *(
                _levels(tenant_id, tree, attached[kind], statuses.get((tenant_id, dataset), set()))
                for kind, dataset in DATASETS.items()
            )
        )
        for (tenant_id,) in tenants
    }


class Membership(NamedTuple):
    """An account's place as conditions say it; both empty where it is in no organization."""

    ids: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()


def memberships(con: duckdb.DuckDBPyConnection) -> dict[str, Membership]:
    """Of every tenant whose organization is known."""
    alone = con.execute(
        "select tenant_id from coverage where dataset = 'organization' "
        "group by tenant_id having bool_and(coalesce(original_status, status) = 'not_applicable')"
    ).fetchall()
    found = {tenant_id: Membership() for (tenant_id,) in alone}
    tree = _tree(con)
    numbers = {}  # managing tenant -> id of its organization, as ARNs of what it owns hold it
    for tenant_id, native_id in con.execute(
        "select tenant_id, native_id from policies where kind in ('scp', 'rcp') "
        "union all select tenant_id, native_id from identities where kind = 'delegated_admin' order by all"
    ).fetchall():
        if named := _ORGANIZATION.search(native_id):
            numbers[tenant_id] = named[1]
    for tenant_id, node in tree.accounts.items():
        above = _chain(tree, node)[:-1]
        number = numbers.get(tree.tenants[above[0]]) if above and above[0] in tree.roots else None
        if number:
            natives = [number, *(each.rpartition("/")[2] for each in above)]
            found[tenant_id] = Membership((number,), ("/".join(natives) + "/",))
    return found


def _levels(tenant_id: str, tree: _Tree, attached: Mapping[str, Sequence[int]], statuses: set[str]) -> Levels:
    if tenant_id in tree.managing or statuses == {"not_applicable"}:
        return UNLIMITED
    chain = _chain(tree, tree.accounts.get(tenant_id))
    policies = tuple(tuple(attached.get(node, ())) for node in chain)
    # Every node has at least one policy of a type that is in use, so a bare one was not read.
    is_whole = bool(chain) and chain[0] in tree.roots and all(policies)
    return Levels(tuple(filter(None, policies)), was_read=is_whole and statuses == {"complete"})


def _chain(tree: _Tree, node: str | None) -> list[str]:
    """From the top to the node; shorter than it should be where the tree was not read whole."""
    chain: list[str] = []
    while node is not None and node not in chain:
        chain.append(node)
        node = tree.parents.get(node)
    return chain[::-1]


def _tree(con: duckdb.DuckDBPyConnection) -> _Tree:
    nodes = con.execute("select node_id, tenant_id, kind, parent_id from org_nodes order by all").fetchall()
    return _Tree(
        {node_id: parent_id for node_id, _, _, parent_id in nodes},
        frozenset(node_id for node_id, _, kind, _ in nodes if kind == "root"),
        frozenset(tenant_id for _, tenant_id, kind, _ in nodes if kind == "root"),
        {tenant_id: node_id for node_id, tenant_id, kind, _ in nodes if kind == "account"},
        {node_id: tenant_id for node_id, tenant_id, _, _ in nodes},
    )


def _attached(con: duckdb.DuckDBPyConnection) -> dict[str, dict[str, list[int]]]:
    """Kind of policy -> node -> the policies there."""
    found: dict[str, dict[str, list[int]]] = {kind: defaultdict(list) for kind in DATASETS}
    for kind, node_id, policy_key in con.execute(
        "select distinct p.kind, o.node_id, o.policy_key from org_policies o join policies p using (policy_key) "
        "where p.kind in ('scp', 'rcp') order by all"
    ).fetchall():
        found[kind][node_id].append(policy_key)
    return found
