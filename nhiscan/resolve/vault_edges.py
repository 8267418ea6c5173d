"""Fills `access_edges` of vaults: who may act as which other role, user or token there, or rewrite its own rights.

Whom a way reaches depends on few of a holder's rules, so holders whose rules agree in these share a hub.
`narrow_levels` says where a right over named roles, users and policies leads.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import duckdb

from nhiscan import statements
from nhiscan.resolve import vault
from nhiscan.resolve.privilege_rows import batched, insert_rows
from nhiscan.resolve.vault_acl import Answers, Holder, Policy, evaluate, placed
from nhiscan.resolve.vault_paths import Acl
from nhiscan.resolve.vault_policy import ROOT
from nhiscan.resolve.vault_verbs import Estate, Targets, table
from nhiscan.resolve.vault_ways import Applied, Found, Goal, Named, Role, Vault, Way, ways
from nhiscan.resolve.verbs import CERTAINTIES, level

_ADMIN: Final = 5
_ROUNDS: Final = 8
_DEFINITE: Final = CERTAINTIES.index("definite")
_EDGES: Final = (
    ("from_key", "bigint"),
    ("to_key", "bigint"),
    ("kind", "varchar"),
    ("certainty", "varchar"),
    ("is_rewriting", "boolean"),
    ("path_id", "varchar"),
    ("policy_key", "bigint"),
    ("statement", "varchar"),
    ("evidence", "varchar"),
)


class Member(NamedTuple):
    """Who is in a group, and what brings it there."""

    key: int
    policy_key: int | None
    statement: str | None


@dataclass(eq=False)
class Group:
    """Those for whom one way leads to the same others: key -> place of its certainty among CERTAINTIES.

    `changed`: as `reached`, but before it was asked whether they can be the other as well.
    `strong_policy`: one that they can give themselves.
    """

    way: Way
    found: tuple[Found, ...]
    reached: Mapping[int, int]
    changed: Mapping[int, int]
    strong_policy: str | None
    members: list[Member] = field(default_factory=list)


@dataclass(eq=False)
class Site:
    """One vault: its ways, and whom each goal of a way means. `policies` by namespace, root left out."""

    applied: tuple[Applied, ...]
    targets: Targets
    policies: Mapping[str, Sequence[tuple[int, Policy]]]
    goals: Mapping[Goal, Sequence[int]]
    groups: dict[Hashable, Group] = field(default_factory=dict)
    _logins: dict[Hashable, Mapping[int, int]] = field(default_factory=dict)
    _strong: dict[str, str | None] = field(default_factory=dict)

    def groups_of(self, acl: Acl, holder: Holder, *, is_readable: bool) -> Iterator[Group]:
        """The groups in which these rules put whoever has them."""
        answers = [
            (applied.way, answer)
            for applied in self.applied
            if (holder.entity != "none" or not applied.way.needs_entity)
            and (answer := applied.answer(acl, is_readable=is_readable)).found
        ]
        logins = [(way, answer) for way, answer in answers if not way.needs_login]
        login_key = tuple((way.path_id, answer.key) for way, answer in logins)
        for way, answer in answers:
            key = way.path_id, answer.key, login_key if way.needs_login else None
            if key not in self.groups:
                changed = reached = self._surest(answer.found)
                if way.needs_login:
                    if login_key not in self._logins:
                        self._logins[login_key] = self._surest(each for _, other in logins for each in other.found)
                    able = self._logins[login_key]
                    reached = {target: min(sure, able.get(target, 0)) for target, sure in changed.items()}
                self.groups[key] = Group(way, answer.found, reached, changed, self._strong_of(answer.found))
            yield self.groups[key]

    def _surest(self, found: Iterable[Found]) -> dict[int, int]:
        surest: dict[int, int] = {}
        for each in found:
            sureness = CERTAINTIES.index(each.certainty)
            for goal in each.goals:
                for key in self.goals.get(goal, ()):
                    if surest.get(key, -1) < sureness:
                        surest[key] = sureness
        return surest

    def _strong_of(self, found: Iterable[Found]) -> str | None:
        """A policy that alone makes an administrator or lets itself be written, where any may be had."""
        for kind, namespace in (goal for each in found if each.certainty == "definite" for goal in each.goals):
            if kind == "any":
                name = str(namespace)
                if name not in self._strong:
                    own = self.policies.get(name, ())
                    strong = (policy.name for key, policy in own if self._is_strong(key, policy))
                    self._strong[name] = next(strong, None)
                if self._strong[name] is not None:
                    return self._strong[name]
        return None

    def _is_strong(self, key: int, policy: Policy) -> bool:
        rows = evaluate([policy], Holder("none"), self.targets)
        if any(row.verb == "admin" and row.certainty == "definite" for row in rows):
            return True
        acl = Acl(placed([policy], Holder("none")))
        return any(
            CERTAINTIES.index(found.certainty) == _DEFINITE and ("policy", key) in found.goals
            for applied in self.applied
            if applied.way.to == "policy"
            for found in applied.answer(acl, is_readable=not policy.document.problem).found
        )


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Reads `privileges`, adds to `access_edges`, `access_hubs` and `narrow_levels`."""
    policies = vault.read_policies(con)
    estates = vault.read_estates(con, policies)
    if not estates:
        return
    parts = vault.read_parts(con, policies)
    con.execute(statements.sql("nhiscan.resolve", "vault_sites"))
    sites = _sites(con, policies, estates)
    members = vault.members(con)
    unsaid = _unsaid(con)
    narrow: dict[tuple[int, str], list[Group]] = {}
    for number, part in enumerate(parts):
        keys = vault.in_force(part, policies)
        held = [policies[key][1] for key in keys]
        site = sites[part.combination.tenant_id]
        acl = Acl(placed(held, part.holder))
        is_readable = not any(policy.document.problem for policy in held)
        groups = list(site.groups_of(acl, part.holder, is_readable=is_readable))
        for group in groups:
            giver, asked = group.found[0].giver, group.found[0].asked
            rule = next(each for each in acl.decisions[giver].placed if each.rule.capabilities & asked)
            group.members += [Member(key, keys[rule.source], rule.rule.evidence) for key in members[number]]
        for verb in sorted({verb for key in members[number] for verb in unsaid.get(key, ())}):
            if _is_told(Answers(acl, is_readable=is_readable), verb, site):
                own = [group for group in groups if verb in group.way.verbs]
                narrow |= {(key, verb): own for key in members[number] if verb in unsaid.get(key, ())}
    found = [group for site in sites.values() for group in site.groups.values()]
    ((lowest,),) = con.execute("select least(coalesce(min(hub_key), 0), 0) from access_hubs").fetchall()
    hubs: dict[Hashable, tuple[int, str]] = {}
    insert_rows(con, "vault_steps", _EDGES, batched(_edges(found, hubs, lowest)))
    con.execute("insert into access_edges by name select * from vault_steps; drop table vault_steps")
    con.executemany("insert into access_hubs values (?, ?)", list(hubs.values())) if hubs else None
    insert_rows(
        con,
        "vault_narrow",
        (("identity_key", "bigint"), ("verb", "varchar"), ("level", "bigint")),
        batched(iter(_narrow(narrow, _levels(con)))),
    )
    con.execute("insert into narrow_levels by name select * from vault_narrow; drop table vault_narrow")
    con.execute(statements.sql("nhiscan.resolve", "vault_logins"))
    con.execute("drop table vault_roles; drop table vault_unsaid")
    vault.drop_parts(con)


def _edges(groups: Iterable[Group], hubs: dict[Hashable, tuple[int, str]], lowest: int) -> Iterator[tuple[Any, ...]]:
    """A hub stands between several and several; all who reach the same by the same kind of way share it."""
    shared: dict[tuple[str, bool, int, frozenset[int]], list[Group]] = defaultdict(list)
    for group in groups:
        yield from _to_themselves(group)
        by_certainty: dict[int, set[int]] = defaultdict(set)
        for target, sure in group.reached.items():
            by_certainty[sure].add(target)
        for certainty, reached in by_certainty.items():
            shared[group.way.kind, group.way.is_rewriting, certainty, frozenset(reached)].append(group)
    for key, alike in shared.items():
        kind, is_rewriting, sure, targets = key
        ends = sorted(targets)
        if len(ends) > 1 and sum(len(group.members) for group in alike) > 1:
            hubs[key] = lowest - len(hubs) - 1, alike[0].way.does
            hub, _ = hubs[key]
            for target in ends:
                yield hub, target, kind, CERTAINTIES[sure], is_rewriting, None, None, None, None
            ends = [hub]
        for group in alike:
            for member in group.members:
                for end in ends:
                    if end != member.key:
                        yield _edge(member, end, group.way, sure, group.way.does, is_rewriting=is_rewriting)


def _to_themselves(group: Group) -> Iterator[tuple[Any, ...]]:
    for member in group.members:
        sure = _DEFINITE if group.strong_policy else group.changed.get(member.key) if group.way.is_rewriting else None
        if sure is not None:
            what = f"and then the policy {group.strong_policy}" if group.strong_policy else "of itself"
            yield _edge(member, member.key, group.way, sure, f"{group.way.does}, {what}", is_rewriting=True)


def _edge(member: Member, to_key: int, way: Way, sure: int, evidence: str, *, is_rewriting: bool) -> tuple[Any, ...]:
    if CERTAINTIES[sure] == "conditional":
        evidence += "; parameters, templates or the networks that a login is bound to decide"
    brought_by = way.path_id, member.policy_key, member.statement, evidence
    return member.key, to_key, way.kind, CERTAINTIES[sure], is_rewriting, *brought_by


def _is_told(answers: Answers, verb: str, site: Site) -> bool:
    """Whether the ways know everything that the verb is held over where its level depends on that."""
    told = {shape for applied in site.applied if verb in applied.way.verbs for shape in applied.shapes}
    return all(
        hit.target.path in told
        for hit in answers.hits(site.targets)
        if hit.target.entry.verb == verb and level(verb, hit.target.entry.scope or "set") is None
    )


def _narrow(
    wanted: Mapping[tuple[int, str], Sequence[Group]], levels: Mapping[int, int]
) -> Iterator[tuple[int, str, int]]:
    """Whoever reaches somebody that reaches further reaches that far as well, so levels are taken in several rounds."""
    found: dict[tuple[int, str], int | None] = {}
    for _ in range(_ROUNDS):
        now = dict(levels)
        for (key, _verb), far in found.items():
            if far is not None:
                now[key] = max(now.get(key, 0), far)
        highest = {group: _highest(group, now) for groups in wanted.values() for group in groups}
        before, found = found, {}
        for (key, verb), groups in wanted.items():
            ranked = [[each for each in highest[group] if each[1] != key] for group in groups]
            sure = max((far for each in ranked for far, _, is_sure in each if is_sure), default=0)
            unsure = max((far for each in ranked for far, _, is_sure in each if not is_sure), default=0)
            found[key, verb] = sure if sure >= unsure else None
        if found == before:
            break
    return ((key, verb, far) for (key, verb), far in found.items() if far is not None)


def _highest(group: Group, levels: Mapping[int, int]) -> list[tuple[int, int, bool]]:
    """The two highest, surely and less surely reached, so that whoever is one of them has the other."""
    ranked: dict[bool, list[tuple[int, int, bool]]] = {True: [], False: []}
    for key, sure in group.changed.items():
        is_rewritten = group.way.is_rewriting and group.reached[key] == _DEFINITE
        ranked[sure == _DEFINITE].append((_ADMIN if is_rewritten else levels.get(key, 0), key, sure == _DEFINITE))
    return [each for is_sure in (True, False) for each in sorted(ranked[is_sure], reverse=True)[:2]]


def _sites(
    con: duckdb.DuckDBPyConnection, policies: Mapping[int, tuple[str, Policy]], estates: Mapping[str, Estate]
) -> dict[str, Site]:
    named: dict[tuple[str, str], list[Named]] = defaultdict(list)
    for tenant, kind, key, native_id, name in con.execute(
        "select tenant_id, kind, identity_key, native_id, name from identities "
        "where provider = 'vault' and kind in ('entity', 'group') order by all"
    ).fetchall():
        named[tenant, kind].append(Named(key, native_id, name))
    roles: dict[str, list[Role]] = defaultdict(list)
    for tenant, *row in con.execute("select * from vault_roles order by all").fetchall():
        roles[tenant].append(Role(*row))
    sites = {}
    for tenant, estate in estates.items():
        own = {key: policy for key, (place, policy) in policies.items() if place == tenant}
        here = Vault(
            namespaces=estate.namespaces,
            roles=tuple(roles[tenant]),
            mounts=tuple((mount.path, mount.type) for mount in estate.auths),
            policies=tuple((policy.namespace, Named(key, policy.name, policy.name)) for key, policy in own.items()),
            entities=tuple(named[tenant, "entity"]),
            groups=tuple(named[tenant, "group"]),
        )
        goals = _goals(con, tenant, here, {key for key, policy in own.items() if policy.document is ROOT})
        by_namespace: dict[str, list[tuple[int, Policy]]] = defaultdict(list)
        for key, policy in own.items():
            if policy.document is not ROOT:
                by_namespace[policy.namespace].append((key, policy))
        applied = tuple(Applied(way, here) for way in ways())
        sites[tenant] = Site(applied, Targets(table(), estate), by_namespace, goals)
    return sites


def _goals(con: duckdb.DuckDBPyConnection, tenant: str, here: Vault, roots: set[int]) -> dict[Goal, list[int]]:
    goals: dict[Goal, list[int]] = defaultdict(list)
    for role in here.roles:
        goals["role", role.key].append(role.key)
        goals["mount", role.mount].append(role.key)
    almighty = set()
    namespaces: dict[int, str] = {}
    spaces = {named.key: namespace for namespace, named in here.policies}
    for key, policy_key, native_id in con.execute(
        "select b.identity_key, b.policy_key, i.native_id from vault_bound b "
        "join identities i on i.identity_key = b.identity_key where i.tenant_id = ? order by all",
        [tenant],
    ).fetchall():
        goals["policy", policy_key].append(key)
        namespaces[key] = max(namespaces.get(key, here.namespace(native_id)), spaces[policy_key], key=len)
        if policy_key in roots:
            almighty.add(key)
    for key, namespace in namespaces.items():
        if key not in almighty:
            goals["any", namespace].append(key)
    for key, entity_key in con.execute(
        "select m.identity_key, m.group_key from memberships m join identities e on e.identity_key = m.group_key "
        "where e.provider = 'vault' and e.kind = 'entity' and e.tenant_id = ? order by all",
        [tenant],
    ).fetchall():
        goals["entity", entity_key].append(key)
    return goals


def _unsaid(con: duckdb.DuckDBPyConnection) -> dict[int, set[str]]:
    """Verbs whose level depends on whom they reach, by identity, in vaults whose roles and users were all read."""
    unsaid: dict[int, set[str]] = defaultdict(set)
    for key, verb in con.execute("select identity_key, verb from vault_unsaid").fetchall():
        unsaid[key].add(verb)
    return unsaid


def _levels(con: duckdb.DuckDBPyConnection) -> dict[int, int]:
    return dict(
        con.execute(
            "select p.identity_key, max(p.level) from privileges p "
            "join identities i on i.identity_key = p.identity_key "
            "where i.provider = 'vault' and p.certainty = 'definite' and p.level is not null group by all"
        ).fetchall()
    )
