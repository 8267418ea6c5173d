"""The ways that lead from one identity to an administrator or to another identity, step by step.

To an administrator the scan has them already (`reach`); to anybody else they are searched for, breadth first, in SQL.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise, takewhile
from typing import Any, Final

import duckdb

from nhiscan import statements
from nhiscan.config import nearest
from nhiscan.errors import QueryError

MOST_STEPS: Final = 20
_MANY: Final = 20  # known names beyond this are not listed in a hint
# What decides who can become whom, and what may still forbid it.
_DECIDING: Final = (
    "apps.scopes",
    "auth_roles",
    "credentials",
    "grants",
    "identities",
    "memberships",
    "policies",
    "rcps",
    "scps",
    "stored_secrets",
    "trusts",
    "workloads",
)
_FORBIDDING: Final = ("rcps", "scps")


@dataclass(frozen=True)
class Thing:
    """An identity, a policy, or a workload or secret that lies between two identities."""

    id: str
    provider: str
    kind: str
    name: str
    native_id: str
    region: str | None = None


@dataclass(frozen=True)
class Permission:
    """What allows a step; `policy` None: no policy of the inventory, but what the evidence says."""

    policy: Thing | None
    statement: str | None


@dataclass(frozen=True)
class Step:
    """From one identity to the next, or to itself where it rewrites its own rights.

    `through`: what a hub stands for; `resource`: workload or secret between the two; `evidence`: both sides in words;
    `other_ways`: further ways of the same step, which breaking this one leaves open.
    """

    start: Thing
    end: Thing
    kind: str
    certainty: str
    is_rewriting: bool
    path_id: str | None
    through: str | None
    resource: Thing | None
    permissions: tuple[Permission, ...]
    evidence: tuple[str, ...]
    other_ways: int


@dataclass(frozen=True)
class Way:
    """Steps in their order; none where the start is the goal. `is_cut`: the scan does not hold the rest of it."""

    certainty: str  # definite or potential
    steps: tuple[Step, ...]
    is_cut: bool = False


@dataclass(frozen=True)
class Right:
    """Why an identity is an administrator, or could be one."""

    certainty: str
    policy: Thing | None
    statement: str | None
    considered: str | None
    group: str | None
    user: str | None  # by whose token it holds the right


@dataclass(frozen=True)
class Answer:
    """How `start` comes to `end`, or to an administrator where `end` is None; `way` None: no way is known.

    `rights`: what makes whoever stands at the end an administrator; empty where another identity was asked for.
    `not_read`: (tenant, dataset) of what was not wholly read and could forbid a definite way, or else hide one.
    """

    start: Thing
    end: Thing | None
    way: Way | None
    rights: tuple[Right, ...]
    not_read: tuple[tuple[str, str], ...]


def ask(con: duckdb.DuckDBPyConnection, name: str, *, to: str | None) -> Answer:
    """Names are taken as `find` takes them. Raises: QueryError when nothing or more than one identity is meant."""
    start = find(con, name)
    end = None if to is None else find(con, to)
    people = _identities(con, [start] if end is None else [start, end])
    if end is not None:
        way = between(con, start, end)
        return Answer(people[start], people[end], way, (), _not_read(con, way))
    way = to_administrator(con, [start]).get(start)
    last = way.steps[-1].end if way is not None and way.steps else people[start]
    return Answer(people[start], None, way, _rights(con, last.id), _not_read(con, way))


def find(con: duckdb.DuckDBPyConnection, name: str) -> int:
    """The key of an identity, groups included, by its id or the provider's own, or by those of one of its credentials.

    Raises: QueryError when nothing or more than one identity is meant.
    """
    found = con.execute(
        "select identity_key, identity_id from identities where identity_id = $name or native_id = $name order by all",
        {"name": name},
    ).fetchall()
    if not found:
        found = con.execute(
            "select distinct i.identity_key, i.identity_id from credentials c "
            "join identities i on i.identity_key = c.identity_key "
            "where c.credential_id = $name or c.native_id = $name order by all",
            {"name": name},
        ).fetchall()
    if len(found) != 1:
        known = con.execute("select identity_id from identities union select credential_id from credentials")
        raise not_one("identity or credential", name, [id_ for _, id_ in found], (id_ for (id_,) in known.fetchall()))
    return int(found[0][0])


def not_one(what: str, name: str, found: Sequence[str], known: Iterable[str]) -> QueryError:
    """The error for a name that means several of `found`, or none of what is `known`."""
    if found:
        return QueryError(f"{name!r} means several", hint=f"take one of the ids: {', '.join(found[:_MANY])}")
    words = sorted(set(known))
    if not words:
        return QueryError(f"no {what} {name!r}", hint="the scan holds none")
    hint = nearest(name, words)
    return QueryError(
        f"no {what} {name!r}",
        hint=hint if len(words) <= _MANY or hint.startswith("did") else "take an id from the lists",
    )


def to_administrator(con: duckdb.DuckDBPyConnection, keys: Iterable[int]) -> dict[int, Way]:
    """The shortest way of each identity that has one: a definite one, else one that depends on something."""
    starts = sorted(set(keys))
    reach = _reach(con, starts)
    walks = {key: _walk(key, reach) for key in starts if key in reach}
    steps = _steps(con, {pair for walk in walks.values() for pair in walk})
    found = {}
    for key, walk in walks.items():
        told = tuple(steps[pair] for pair in takewhile(steps.__contains__, walk))
        arrives = reach[walk[-1].start].hops == 1 if walk else reach[key].hops == 0
        found[key] = Way(reach[key].certainty, told, is_cut=len(told) < len(walk) or not arrives)
    return found


def between(con: duckdb.DuckDBPyConnection, start: int, end: int) -> Way | None:
    """The shortest definite way from one identity to another; without one, the shortest at all; None: there is none."""
    if start == end:
        return Way("definite", ())
    for definite in (True, False):
        places = _search(con, start, end, definite=definite)
        if places:
            pairs = [_Pair(a, b) for a, b in pairwise(places)]
            steps = _steps(con, pairs)
            return Way("definite" if definite else "potential", tuple(steps[pair] for pair in pairs))
    return None


def _rights(con: duckdb.DuckDBPyConnection, identity_id: str) -> tuple[Right, ...]:
    rows = con.execute(statements.sql("nhiscan", "path_rights"), {"id": identity_id}).fetchall()
    return tuple(
        Right(certainty, None if policy[0] is None else Thing(*policy), statement, considered, group, user)
        for certainty, statement, considered, group, user, *policy in rows
    )


def _not_read(con: duckdb.DuckDBPyConnection, way: Way | None) -> tuple[tuple[str, str], ...]:
    tenants = None
    if way is not None and way.certainty == "definite":
        ids = [end.id for step in way.steps for end in (step.start, step.end)]
        tenants = sorted({":".join(id_.split(":", 2)[:2]) for id_ in ids})
    rows = con.execute(
        """
        select distinct c.tenant_id, c.dataset
        from coverage c
        where c.status not in ('complete', 'not_applicable')
          and c.dataset in (select unnest($datasets::varchar[]))
          and ($tenants::varchar[] is null or c.tenant_id in (select unnest($tenants::varchar[])))
        order by all
        """,
        {"datasets": list(_DECIDING if tenants is None else _FORBIDDING), "tenants": tenants},
    )
    return tuple((tenant_id, dataset) for tenant_id, dataset in rows.fetchall())


# What stands in `reach`


@dataclass(frozen=True)
class _Reach:
    certainty: str
    hops: int
    next_key: int | None


@dataclass(frozen=True)
class _Pair:
    """Two neighbours; `is_rewriting_wanted`: only as one who can rewrite the other is the first at its goal."""

    start: int
    end: int
    is_rewriting_wanted: bool = False


def _reach(con: duckdb.DuckDBPyConnection, keys: Sequence[int]) -> dict[int, _Reach]:
    """`reach` of these identities and of all on their ways, as far as those are followed."""
    found: dict[int, _Reach] = {}
    wanted = set(keys)
    for _ in range(MOST_STEPS + 1):
        if not wanted:
            break
        # Of a definite row and another the definite one is read last, and stays.
        rows = con.execute(
            "select identity_key, certainty, hops, next_key from reach where goal = 'admin' "
            "and identity_key in (select unnest($keys::bigint[])) order by certainty desc, hops desc, next_key desc",
            {"keys": sorted(wanted)},
        ).fetchall()
        new = {key: _Reach(certainty, hops, next_key) for key, certainty, hops, next_key in rows}
        found |= new
        wanted = {row.next_key for row in new.values() if row.next_key is not None} - found.keys()
    return found


def _walk(key: int, reach: Mapping[int, _Reach]) -> list[_Pair]:
    pairs: list[_Pair] = []
    seen: set[int] = set()
    while key in reach and key not in seen and len(pairs) < MOST_STEPS:
        here = reach[key]
        if here.hops == 0 or here.next_key is None:
            break
        there = reach.get(here.next_key)
        is_goal = there is not None and there.hops == 0 and there.certainty in (here.certainty, "definite")
        pairs.append(_Pair(key, here.next_key, is_rewriting_wanted=here.hops == 1 and not is_goal))
        if here.hops == 1:
            break
        seen.add(key)
        key = here.next_key
    return pairs


# What stands in `access_edges`


def _search(con: duckdb.DuckDBPyConnection, start: int, end: int, *, definite: bool) -> list[int]:
    """Places from start to end; empty without a way of at most MOST_STEPS steps."""
    con.execute("create or replace temp table path_seen (place bigint, steps bigint, came_from bigint)")
    con.execute("insert into path_seen values (?, 0, null)", [start])
    sql = statements.sql("nhiscan", "path_frontier")
    for steps in range(1, MOST_STEPS + 1):
        con.execute(sql, {"steps": steps, "definite": definite})
        came, arrived = con.execute(
            "select count(*), count(*) filter (place = $end) from path_seen where steps = $steps",
            {"end": end, "steps": steps},
        ).fetchall()[0]
        if arrived:
            return _back(con, end)
        if not came:
            break
    return []


def _back(con: duckdb.DuckDBPyConnection, end: int) -> list[int]:
    places: list[int] = []
    place: int | None = end
    while place is not None:
        places.append(place)
        ((place,),) = con.execute("select came_from from path_seen where place = ?", [place]).fetchall()
    return places[::-1]


def _steps(con: duckdb.DuckDBPyConnection, pairs: Iterable[_Pair]) -> dict[_Pair, Step]:
    """The surest step of each pair that has one."""
    wanted = sorted(set(pairs), key=lambda pair: (pair.start, pair.end, pair.is_rewriting_wanted))
    if not wanted:
        return {}
    rows = statements.rows(
        con,
        statements.sql("nhiscan", "path_steps"),
        {
            "starts": [pair.start for pair in wanted],
            "ends": [pair.end for pair in wanted],
            "rewriting": [pair.is_rewriting_wanted for pair in wanted],
        },
    )
    people = _identities(con, {key for pair in wanted for key in (pair.start, pair.end)})
    return {
        _Pair(row["from_key"], row["to_key"], row["is_rewriting_wanted"]): _step(row, people)
        for row in rows
        if row["is_rewriting"] or not row["is_rewriting_wanted"]
    }


def _step(row: Mapping[str, Any], people: Mapping[int, Thing]) -> Step:
    sides = [_permission(row, side) for side in ("", "far_")]
    return Step(
        start=people[row["from_key"]],
        end=people[row["to_key"]],
        kind=row["kind"],
        certainty=row["certainty"],
        is_rewriting=row["is_rewriting"],
        path_id=row["path_id"],
        through=row["through"],
        resource=_resource(row),
        permissions=tuple(side for side in sides if side is not None),
        evidence=tuple(text for text in (row["evidence"], row["far_evidence"]) if text),
        other_ways=row["other_ways"],
    )


def _permission(row: Mapping[str, Any], side: str) -> Permission | None:
    statement = row[f"{side}statement"]
    if row[f"{side}policy_id"] is None:
        return None if statement is None else Permission(None, statement)
    words = (row[f"{side}policy_{name}"] for name in ("id", "provider", "kind", "name", "native_id"))
    return Permission(Thing(*words), statement)


def _resource(row: Mapping[str, Any]) -> Thing | None:
    if row["resource_id"] is None:
        return None
    return Thing(*(row[f"resource_{name}"] for name in ("id", "provider", "kind", "name", "native_id", "region")))


def _identities(con: duckdb.DuckDBPyConnection, keys: Iterable[int]) -> dict[int, Thing]:
    """A key without an identity, which only a damaged scan has, stands for itself."""
    wanted = sorted(set(keys))
    rows = con.execute(
        "select i.identity_key, i.identity_id, i.provider, i.kind, coalesce(i.name, i.identity_id), "
        "coalesce(i.native_id, i.identity_id) from identities i "
        "where i.identity_key in (select unnest($keys::bigint[]))",
        {"keys": wanted},
    ).fetchall()
    found = {key: Thing(*words) for key, *words in rows}
    return {key: found.get(key, Thing(f"identity {key}, not in this scan", "", "", "", "")) for key in wanted}
