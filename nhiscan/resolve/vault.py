"""Vaults between the tables and their evaluator: who has which policies, what a vault has mounted, and the way back.

Holders share policies, so a combination is evaluated once and written back by a join. Where the value of a template
decides something, a combination falls into parts, one for the entities with the same values.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

import duckdb

from nhiscan import statements
from nhiscan.resolve.privilege_rows import batched, insert_rows, listed
from nhiscan.resolve.vault_acl import METADATA, Holder, Policy, evaluate, needed_values
from nhiscan.resolve.vault_policy import ROOT, Document, parse
from nhiscan.resolve.vault_verbs import Estate, Mount, Targets, table


class Combination(NamedTuple):
    """Policies, by key, that some holders have in common."""

    number: int
    tenant_id: str
    entity: str
    policies: tuple[int, ...]


class Part(NamedTuple):
    """Holders of a combination for whom the outcome is the same; `entity_keys` None: all of them."""

    combination: Combination
    holder: Holder
    entity_keys: tuple[int | None, ...] | None


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Writes `privileges` of every identity of a vault; what groups and entities have, those in them have."""
    policies = read_policies(con)
    estates = read_estates(con, policies)
    parts = read_parts(con, policies)
    insert_rows(
        con,
        "vault_rows",
        (
            ("part", "bigint"),
            ("verb", "varchar"),
            ("scope", "varchar"),
            ("certainty", "varchar"),
            ("level", "bigint"),
            ("policy_key", "bigint"),
            ("statement", "varchar"),
            ("considered", "varchar"),
        ),
        batched(_rows(parts, policies, estates)),
    )
    con.execute(statements.sql("nhiscan.resolve", "vault_privileges"))
    con.execute("drop table vault_rows")
    drop_parts(con)


def read_parts(con: duckdb.DuckDBPyConnection, policies: Mapping[int, tuple[str, Policy]]) -> list[Part]:
    """Who may do the same, numbered by position in `vault_parts`; `drop_parts` takes the tables away again."""
    con.execute(statements.sql("nhiscan.resolve", "vault_holders"))
    found = con.execute("select combination, tenant_id, entity, policies from vault_combinations order by all")
    combinations = [
        Combination(number, tenant, entity, tuple(keys)) for number, tenant, entity, keys in found.fetchall()
    ]
    parts = list(_parts(con, combinations, policies))
    insert_rows(
        con,
        "vault_parts",
        (("part", "bigint"), ("combination", "bigint"), ("entity_key", "bigint"), ("is_all", "boolean")),
        batched(
            (number, part.combination.number, key, part.entity_keys is None)
            for number, part in enumerate(parts)
            for key in (part.entity_keys or (None,))
        ),
    )
    return parts


def drop_parts(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "drop table vault_parts; drop table vault_bound; drop table vault_holders; drop table vault_combinations"
    )


def members(con: duckdb.DuckDBPyConnection) -> dict[int, list[int]]:
    """Who is in which part, after `read_parts`."""
    found: dict[int, list[int]] = defaultdict(list)
    for part, key in con.execute(
        "select p.part, h.identity_key from vault_parts p join vault_holders h on h.combination = p.combination "
        "and (p.is_all or p.entity_key is not distinct from h.entity_key) order by all"
    ).fetchall():
        found[part].append(key)
    return found


def in_force(part: Part, policies: Mapping[int, tuple[str, Policy]]) -> tuple[int, ...]:
    """The policies that the server looks at: beside root no other one."""
    keys = part.combination.policies
    return tuple(key for key in keys if policies[key][1].document is ROOT) or keys


def read_policies(con: duckdb.DuckDBPyConnection) -> dict[int, tuple[str, Policy]]:
    """Key -> tenant and policy; each distinct text is read once, and one without text is a policy that was not read."""
    ((as_of,),) = con.execute("select max(as_of) from scans").fetchall()
    # Without a moment to judge by, nothing has expired yet.
    moment = datetime.min.replace(tzinfo=UTC) if as_of is None else as_of.replace(tzinfo=UTC)
    read: dict[str, Document] = {}
    policies = {}
    for key, tenant, name, native_id, text in con.execute(
        "select policy_key, tenant_id, name, native_id, document from policies where provider = 'vault' order by all"
    ).fetchall():
        namespace = native_id.removesuffix(name)
        if text not in read:
            read[text] = parse(text or None, as_of=moment)
        document = ROOT if name == "root" and not namespace else read[text]
        policies[key] = (tenant, Policy(name, namespace, document))
    return policies


def read_estates(con: duckdb.DuckDBPyConnection, policies: Mapping[int, tuple[str, Policy]]) -> dict[str, Estate]:
    """What each vault has; every namespace has policies, so policies name them all."""
    con.execute(statements.sql("nhiscan.resolve", "vault_mounts"))
    mounts: dict[tuple[str, str], list[Mount]] = defaultdict(list)
    for tenant, place, path, kind, environment in con.execute(
        "select tenant_id, place, path, type, environment from vault_mounts order by all"
    ).fetchall():
        mounts[tenant, place].append(Mount(path, kind, environment))
    covered = {tenant for (tenant,) in con.execute("select tenant_id from vault_read_mounts").fetchall()}
    con.execute("drop table vault_mounts; drop table vault_read_mounts")
    namespaces: dict[str, set[str]] = defaultdict(set)
    for (tenant,) in con.execute("select distinct tenant_id from identities where provider = 'vault'").fetchall():
        namespaces[tenant].add("")
    for tenant, policy in policies.values():
        namespaces[tenant] |= {"", policy.namespace}
    estates = {}
    for tenant, names in namespaces.items():
        engines = mounts[tenant, "engine"]
        unread = set() if tenant in covered else names - {_namespace(engine.path, names) for engine in engines}
        estates[tenant] = Estate(tuple(sorted(names)), tuple(engines), tuple(mounts[tenant, "auth"]), frozenset(unread))
    return estates


def _namespace(path: str, names: Iterable[str]) -> str:
    return max((name for name in names if path.startswith(name)), key=len)


def _parts(
    con: duckdb.DuckDBPyConnection, combinations: Iterable[Combination], policies: Mapping[int, tuple[str, Policy]]
) -> Iterator[Part]:
    needed: dict[int, tuple[str, ...]] = {}
    for each in combinations:
        names = needed_values([policies[key][1] for key in each.policies]) if each.entity == "known" else ()
        if names:
            needed[each.number] = names
        else:
            yield Part(each, Holder(each.entity), None)
    if needed:
        values = _entities(con)
        for each in combinations:
            if each.number in needed:
                same: dict[Holder, list[int | None]] = defaultdict(list)
                for (key,) in con.execute(
                    "select distinct entity_key from vault_holders where combination = ? order by all", [each.number]
                ).fetchall():
                    # Who has several entities acts as one of them: which, only the login says.
                    own = values.get(key)
                    holder = Holder(each.entity, tuple((n, own.get(n)) for n in needed[each.number])) if own else None
                    same[holder or Holder("unknown")].append(key)
                for holder, keys in same.items():
                    yield Part(each, holder, tuple(keys))


def _entities(con: duckdb.DuckDBPyConnection) -> dict[int | None, dict[str, str]]:
    """What templates may ask of each entity."""
    values: dict[int | None, dict[str, str]] = {
        key: {"identity.entity.id": native_id, "identity.entity.name": name}
        for key, native_id, name in con.execute(
            "select identity_key, native_id, name from identities where provider = 'vault' and kind = 'entity'"
        ).fetchall()
    }
    for key, name, value in con.execute(
        "select t.identity_key, t.name, t.value from tags t join identities i on i.identity_key = t.identity_key "
        "where i.provider = 'vault' and i.kind = 'entity' order by all"
    ).fetchall():
        values[key][f"{METADATA}{name}"] = value
    return values


def _rows(
    parts: Iterable[Part], policies: Mapping[int, tuple[str, Policy]], estates: Mapping[str, Estate]
) -> Iterator[tuple[Any, ...]]:
    targets = {tenant: Targets(table(), estate) for tenant, estate in estates.items()}
    for number, part in enumerate(parts):
        keys = in_force(part, policies)
        held = [policies[key][1] for key in keys]
        considered = _considered(held, part.holder)
        for row in evaluate(held, part.holder, targets[part.combination.tenant_id]):
            source = None if row.source is None else keys[row.source]
            yield number, row.verb, row.scope, row.certainty, row.level, source, row.statement, considered


def _considered(held: Sequence[Policy], holder: Holder) -> str:
    denying = [policy.name for policy in held if policy.document.has_deny]
    parts = [f"denies in {listed(denying)}" if denying else "no denies"]
    if holder.entity == "unknown" and any("{{" in rule.path for policy in held for rule in policy.document.rules):
        parts.append("templates filled in at login")
    parts += [
        f"policy {policy.name} could not be read: {policy.document.problem}"
        for policy in held
        if policy.document.problem
    ]
    return "; ".join(parts)
