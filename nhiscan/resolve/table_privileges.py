"""What identities may do at providers without an evaluator of their own: their grants, by their collector's table.

A grant gives what its permissions mean: on the whole tenant, or on the resource that it names. Grants add up, and
those that ended count no more. What a condition limits is `conditional`; a permission that the table does not name is
`unknown`. The administrator of one resource only is said to manage the rights to that resource.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources.abc import Traversable
from typing import Any, Final

import duckdb

from nhiscan import statements
from nhiscan.config import nearest
from nhiscan.errors import ConfigError
from nhiscan.resolve import globs, verb_tables
from nhiscan.resolve.privilege_rows import batched, insert_rows
from nhiscan.resolve.verbs import SCOPES, VERBS, level

_NAMED: Final = VERBS - {"escalate"}  # which follows from the others, by paths
_KEYS: Final = ("permission", "scope", "over_resources")


@dataclass(frozen=True, slots=True)
class Meaning:
    """One permission, or a glob over several, as a verb; `scope`: never further than this, whatever the grant says.

    `over_resources`: the verb changes access to resources, and not what identities may do.
    """

    verb: str
    permission: str
    scope: str = "all"
    over_resources: bool = False


@dataclass(frozen=True)
class Table:
    """A collector's privileges.toml; `core`: whoever holds all of these on the whole tenant is its administrator."""

    verbs: tuple[Meaning, ...] = ()
    core: tuple[str, ...] = ()
    fallback: tuple[Meaning, ...] = ()

    def meanings(self, permission: str) -> Iterator[Meaning]:
        """What one permission gives: every entry that names it, else every fallback that does, else `unknown`."""
        for entries in (self.verbs, self.fallback):
            found = [entry for entry in entries if globs.matches(entry.permission, permission)]
            if found:
                yield from found
                return
        yield Meaning("unknown", permission)

    def parts(self, permission: str) -> Iterator[int]:
        """The places in `core` that the permission fills."""
        return (place for place, wanted in enumerate(self.core) if globs.matches(wanted, permission))


@cache
def table(provider: str) -> Table | None:
    """None when its collector has no table. Raises: ConfigError naming file and key that are wrong."""
    file = verb_tables.find(provider)
    return None if file is None else read(verb_tables.parse(file), file)


def read(data: Mapping[str, Any], file: Traversable | str) -> Table:
    """Raises: ConfigError naming the key that is wrong."""
    for key in data:
        if key not in ("verbs", "admin", "fallback"):
            raise ConfigError(f"{file}: {key}: unknown key", hint=nearest(key, ("verbs", "admin", "fallback")))
    admin = _section(data, "admin", file)
    for key in admin:
        if key != "core":
            raise ConfigError(f"{file}: admin.{key}: unknown key", hint=nearest(key, ("core",)))
    core = admin.get("core", [])
    if not isinstance(core, list) or not all(isinstance(each, str) and each for each in core):
        raise ConfigError(f"{file}: admin.core: not a list of permissions", hint='write core = ["name", "other name"]')
    return Table(
        tuple(_meanings(_section(data, "verbs", file), f"{file}: verbs")),
        tuple(core),
        tuple(_meanings(_section(data, "fallback", file), f"{file}: fallback")),
    )


def _section(data: Mapping[str, Any], name: str, file: Traversable | str) -> Mapping[str, Any]:
    section = data.get(name, {})
    if not isinstance(section, dict):
        raise ConfigError(f"{file}: {name}: not a table", hint=f"write [{name}] and its keys below")
    return section


def _meanings(section: Mapping[str, Any], where: str) -> Iterator[Meaning]:
    for verb, entries in section.items():
        if verb not in _NAMED:
            raise ConfigError(f"{where}.{verb}: no such verb", hint=nearest(verb, _NAMED))
        if not isinstance(entries, list):
            raise ConfigError(f"{where}.{verb}: not a list of permissions", hint=f'write {verb} = ["name", "other.*"]')
        for number, entry in enumerate(entries, start=1):
            yield _meaning(verb, entry, f"{where}.{verb}, entry {number}")


def _meaning(verb: str, entry: Any, where: str) -> Meaning:
    if isinstance(entry, str) and entry:
        return Meaning(verb, entry)
    if not isinstance(entry, dict) or not isinstance(entry.get("permission"), str) or not entry["permission"]:
        raise ConfigError(
            f"{where}: names no permission", hint='write "name" or { permission = "name", scope = "self" }'
        )
    for key in entry:
        if key not in _KEYS:
            raise ConfigError(f"{where}.{key}: unknown key", hint=nearest(key, _KEYS))
    scope = entry.get("scope", "all")
    if scope not in SCOPES:
        raise ConfigError(f"{where}: {scope!r} is no scope", hint=nearest(str(scope), SCOPES))
    over_resources = entry.get("over_resources", False)
    if not isinstance(over_resources, bool):
        raise ConfigError(f"{where}: over_resources is neither true nor false", hint="leave it out where it is false")
    return Meaning(verb, entry["permission"], scope, over_resources)


def datasets(con: duckdb.DuckDBPyConnection, provider: str) -> list[str]:
    """What must have been read completely before anybody there is said to have no more than was found."""
    found = con.execute(
        "select distinct dataset from coverage where provider = ? and dataset in ('delegated_admins', 'memberships') "
        "order by dataset",
        [provider],
    ).fetchall()
    return ["grants", *(dataset for (dataset,) in found)]


def is_offered(con: duckdb.DuckDBPyConnection, provider: str) -> bool:
    """Whether anything at all is said about rights at the provider."""
    ((is_read,),) = con.execute(
        "select count(*) > 0 from coverage where provider = ? and dataset = 'grants'", [provider]
    ).fetchall()
    return bool(is_read) or table(provider) is not None


def run(con: duckdb.DuckDBPyConnection, provider: str) -> None:
    """Writes `privileges` of every identity of the provider; groups have none of their own, their members have them.

    Raises: ConfigError when the collector's table is wrong.
    """
    read_grants(con, provider)
    known = table(provider) or Table()
    parts = ((text, place) for text in _written(con, provider) for name in _names(text) for place in known.parts(name))
    insert_rows(con, "table_core", (("written", "varchar"), ("part", "bigint")), batched(parts))
    columns = (
        ("verb", "varchar"),
        ("scope", "bigint"),
        ("is_over_resources", "boolean"),
        ("name", "varchar"),
        ("level", "bigint"),
    )
    insert_rows(con, "table_levels", columns, [list(_levels())])
    values = {"provider": provider, "parts": len(known.core), "core": ", ".join(known.core)}
    con.execute(statements.sql("nhiscan.resolve", "table_privileges"), values)
    con.execute(statements.sql("nhiscan.resolve", "table_uncovered"), {"provider": provider})
    con.execute("drop table table_core; drop table table_levels")
    drop_grants(con)


def read_grants(con: duckdb.DuckDBPyConnection, provider: str) -> None:
    """Leaves temporary tables behind, until `drop_grants`: one row for each grant, permission and meaning.

    What a group holds stands once, because thousands may be in it: table_sets says who holds the same things.
    """
    known = table(provider) or Table()
    columns = (
        ("written", "varchar"),
        ("permission", "varchar"),
        ("verb", "varchar"),
        ("most", "bigint"),
        ("is_over_resources", "boolean"),
        ("is_core", "boolean"),
    )
    meanings = (
        (text, name, each.verb, SCOPES.index(each.scope), each.over_resources, any(True for _ in known.parts(name)))
        for text in _written(con, provider)
        for name in _names(text)
        for each in known.meanings(name)
    )
    insert_rows(con, "table_meanings", columns, batched(meanings))
    con.execute(statements.sql("nhiscan.resolve", "table_grants"), {"provider": provider})
    con.execute(statements.sql("nhiscan.resolve", "table_above"), {"provider": provider})
    con.execute(statements.sql("nhiscan.resolve", "table_sets"))
    con.execute("drop table table_meanings")


def drop_grants(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(
        "drop table table_grants; drop table table_names; drop table table_sharing; drop table table_sets; "
        "drop table table_set_holders"
    )


def _written(con: duckdb.DuckDBPyConnection, provider: str) -> list[str | None]:
    found = con.execute(
        "select distinct permission from grants where provider = ? and identity_key is not null order by permission",
        [provider],
    )
    return [text for (text,) in found.fetchall()]


def _names(text: str | None) -> list[str]:
    """A grant that does not say what it permits permits something that nobody knows."""
    return [name.strip() for name in (text or "").split(",") if name.strip()] or [""]


def _levels() -> Iterable[tuple[str, int, bool, str, int | None]]:
    for verb, scope, over in itertools.product(sorted(VERBS), SCOPES, (False, True)):
        yield verb, SCOPES.index(scope), over, scope, level(verb, scope, over_resource=over)
