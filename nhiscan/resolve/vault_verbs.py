"""The paths of a vault that stand for a common verb: its collector's table, applied to the mounts that it has."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from nhiscan.resolve import verb_tables
from nhiscan.resolve.vault_paths import Pattern, intersect, pattern
from nhiscan.resolve.vault_policy import bits

_LISTING: Final = bits(["list", "scan"])
_ANY_TYPE: Final = "*"
_BUILT_IN: Final = frozenset({"auth", "cubbyhole", "identity", "sys"})


@dataclass(frozen=True, slots=True, eq=False)
class Entry:
    """One line of the table; `place`: engine, auth or nothing, `types`: of which kinds of it."""

    verb: str
    place: str | None
    types: frozenset[str]
    path: str
    capabilities: int
    needs_sudo: bool
    scope: str | None
    is_own_policy: bool


@dataclass(frozen=True)
class Table:
    """A collector's privileges.toml; `stored`: kind of a secret -> path below its mount and capabilities to read it."""

    core: tuple[Entry, ...]
    verbs: tuple[Entry, ...]
    fallback: tuple[Entry, ...]
    stored: Mapping[str, tuple[str, int]]


@cache
def table() -> Table:
    """Raises: ConfigError when no collector named vault is installed or its table names a verb that is not one."""
    return read(verb_tables.read("vault"))


def read(data: Mapping[str, Any]) -> Table:
    """Raises: ConfigError when the table names a verb that is not one."""
    fallback = data["fallback"]
    verb_tables.check("vault", [*data["verbs"], *(group["verb"] for group in fallback)])
    return Table(
        core=tuple(_entry("admin", line) for line in data["admin"]["core"]),
        verbs=tuple(_entry(verb, line) for verb, lines in data["verbs"].items() for line in lines),
        fallback=tuple(_entry(group["verb"], line) for group in fallback for line in group["of"]),
        stored={kind: (line["path"], bits(line["capabilities"])) for kind, line in data["stored"].items()},
    )


def _entry(verb: str, line: Mapping[str, Any]) -> Entry:
    place = next((word for word in ("engine", "auth") if word in line), None)
    return Entry(
        verb=verb,
        place=place,
        types=frozenset(line[place]) if place else frozenset(),
        path=line["path"],
        capabilities=bits(line["capabilities"]),
        needs_sudo=line.get("sudo", False),
        scope=line.get("scope"),
        is_own_policy=line.get("self") == "policy",
    )


@dataclass(frozen=True, slots=True)
class Mount:
    """A secrets engine or auth method: `path` from the top, without a slash at its end."""

    path: str
    type: str
    environment: str | None = None


@dataclass(frozen=True)
class Estate:
    """What a vault has; `blind`: namespaces whose engines could not be read."""

    namespaces: tuple[str, ...] = ("",)
    engines: tuple[Mount, ...] = ()
    auths: tuple[Mount, ...] = ()
    blind: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """A set of paths of which reading, writing … any is the verb of its entry. `is_guess`: no mount of it was read."""

    entry: Entry
    path: str
    capabilities: int
    is_listing: bool
    mount: Mount | None = None
    is_guess: bool = False

    @property
    def environment(self) -> str | None:
        return self.mount.environment if self.mount else None

    @property
    def pattern(self) -> Pattern:
        return pattern(self.path)


def reading(native_id: str, kind: str | None, estate: Estate) -> tuple[str, int] | None:
    """The path and capabilities that give the value of a stored secret; None where the table or the mount lacks it."""
    above = (engine for engine in estate.engines if native_id.startswith(f"{engine.path}/"))
    mount = max(above, key=lambda engine: len(engine.path), default=None)
    if mount is None or kind is None or kind not in table().stored:
        return None
    below_mount, capabilities = table().stored[kind]
    return f"{mount.path}/{below_mount}{native_id[len(mount.path) + 1 :]}", capabilities


class Targets:
    """The table applied to one vault; which of it a policy's path meets is found once and remembered."""

    def __init__(self, rules: Table, estate: Estate) -> None:
        self.core: Final = tuple(target for entry in rules.core for target in _targets(entry, estate, [""]))
        self.by_entry: Final[dict[Entry, list[Target]]] = defaultdict(list)
        self.fallback: Final[dict[Entry, list[Target]]] = defaultdict(list)
        self._first: dict[str, list[Target]] = defaultdict(list)
        self._wild: list[Target] = []
        self._met: dict[str, tuple[tuple[Target, Pattern], ...]] = {}
        for kind, entries in ((self.by_entry, rules.verbs), (self.fallback, rules.fallback)):
            for entry in entries:
                for target in _targets(entry, estate, estate.namespaces):
                    kind[entry].append(target)
                    first, is_prefix = target.pattern.segments[0]
                    (self._wild if is_prefix else self._first[first]).append(target)

    def met(self, path: str) -> tuple[tuple[Target, Pattern], ...]:
        """The targets that share paths with a policy's path, each with the paths that they share."""
        if path not in self._met:
            own = pattern(path)
            pairs = ((target, intersect(own, target.pattern)) for target in self._near(own))
            self._met[path] = tuple((target, s) for target, s in pairs if s is not None and not _is_built_in(target, s))
        return self._met[path]

    def claimed(self, path: str) -> int:
        """The capabilities on a policy's path that the table explains, fallbacks left out."""
        found = 0
        for target, _ in self.met(path):
            if target.entry in self.by_entry:
                found |= target.capabilities
        return found

    def _near(self, own: Pattern) -> Iterator[Target]:
        text, is_prefix = own.segments[0]
        if is_prefix:
            for first, targets in self._first.items():
                if first.startswith(text):
                    yield from targets
        else:
            yield from self._first.get(text, ())
        yield from self._wild


def _is_built_in(target: Target, shared: Pattern) -> bool:
    """Whether the unread mount that a guess stands for would be one that every vault has."""
    if not target.is_guess:
        return False
    place = target.pattern.segments.index(("", True))
    return shared.segments[place][0] in _BUILT_IN


def _targets(entry: Entry, estate: Estate, namespaces: Sequence[str]) -> Iterator[Target]:
    for path, mount, is_guess in _places(entry, estate, namespaces):
        listing = entry.capabilities & _LISTING
        for capabilities, is_listing in ((listing, True), (entry.capabilities & ~listing, False)):
            if capabilities:
                yield Target(entry, path, capabilities, is_listing, mount, is_guess)


def _places(entry: Entry, estate: Estate, namespaces: Iterable[str]) -> Iterator[tuple[str, Mount | None, bool]]:
    if entry.place is None:
        for namespace in namespaces:
            yield f"{namespace}{entry.path}", None, False
        return
    for mount in estate.engines if entry.place == "engine" else estate.auths:
        if mount.type in entry.types or (_ANY_TYPE in entry.types and mount.type != "token"):
            yield f"{mount.path}/{entry.path}", mount, False
    if entry.place == "engine":
        for namespace in sorted(estate.blind):
            yield f"{namespace}+/{entry.path}", None, True
