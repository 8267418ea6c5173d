"""Whom the policies of a vault let their holder act as: its collector's ways.toml, asked for concrete paths.

The rules of a combination that touch a way's paths decide it, whatever else the combination holds, so combinations
with the same such rules share one answer.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any, Final, NamedTuple, TypeAlias

from nhiscan.resolve import verb_tables
from nhiscan.resolve.vault_paths import Acl, Decision, intersect, pattern
from nhiscan.resolve.vault_policy import SUDO, bits
from nhiscan.resolve.verbs import CERTAINTIES

_NEW: Final = "{new}"


@dataclass(frozen=True, slots=True)
class Line:
    path: str
    capabilities: int
    needs_sudo: bool


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """One entry of the table, whose words these are."""

    path_id: str
    does: str
    to: str
    kind: str
    methods: frozenset[str]
    verbs: tuple[str, ...]
    needs: tuple[tuple[Line, ...], ...]
    certainty: str
    is_rewriting: bool
    needs_login: bool
    needs_entity: bool
    is_without_secret: bool

    @property
    def makes_new(self) -> bool:
        return any(_NEW in line.path for lines in self.needs for line in lines)


@cache
def ways() -> tuple[Way, ...]:
    return tuple(_way(entry) for entry in verb_tables.entries("vault", "ways.toml", "way"))


def _way(entry: Mapping[str, Any]) -> Way:
    return Way(
        path_id=entry["id"],
        does=entry["does"],
        to=entry["to"],
        kind=entry["as"],
        methods=frozenset(entry.get("methods", ())),
        verbs=tuple(entry.get("verbs", ())),
        needs=tuple(
            tuple(Line(line["path"], bits(line["capabilities"]), line.get("sudo", False)) for line in lines)
            for lines in entry["needs"]
        ),
        certainty=entry.get("certainty", "definite"),
        is_rewriting=entry.get("rewrites", False),
        needs_login=entry.get("login", False),
        needs_entity=entry.get("entity", False),
        is_without_secret=entry.get("only_without_secret", False),
    )


@dataclass(frozen=True, slots=True)
class Role:
    """A role or user of an auth method; `path`: in the API, with its namespace."""

    key: int
    path: str
    name: str
    method: str
    is_bound: bool  # works from named networks only
    is_secret_required: bool

    @property
    def folder(self) -> str:
        return self.path[: len(self.path) - len(self.name) - 1]

    @property
    def mount(self) -> str:
        return self.folder.rpartition("/")[0]


class Named(NamedTuple):
    """An entity, group or policy."""

    key: int
    native_id: str
    name: str


@dataclass(frozen=True)
class Vault:
    """What one vault has; `policies` by their namespace."""

    namespaces: tuple[str, ...]
    roles: tuple[Role, ...]
    mounts: tuple[tuple[str, str], ...]  # path and method
    policies: tuple[tuple[str, Named], ...]
    entities: tuple[Named, ...]
    groups: tuple[Named, ...]

    def namespace(self, path: str) -> str:
        return max((name for name in self.namespaces if path.startswith(name)), key=len)


# What a way leads to: the key of a role, policy or entity, the path of a mount, or a namespace.
Goal: TypeAlias = tuple[str, int | str]


class Place(NamedTuple):
    """What the names in a way's paths stand for; `general`: what they stand for in the paths of all such places."""

    names: Mapping[str, str]
    general: Mapping[str, str]
    goal: Goal
    is_bound: bool = False


class Found(NamedTuple):
    """`giver`: path of the rule that decides, as it stands in the combination, and `asked`: what of it is used."""

    goals: tuple[Goal, ...]
    certainty: str
    giver: str
    asked: int


class Answer(NamedTuple):
    """`key`: equal answers of one way have equal keys."""

    key: Hashable
    found: tuple[Found, ...]


_NOBODY: Final = Answer(None, ())


class Applied:
    """One way in one vault."""

    def __init__(self, way: Way, vault: Vault) -> None:
        self.way: Final = way
        self._places: Final = tuple(_places(way, vault))
        self._known: Final = frozenset(role.path for role in vault.roles)
        self.shapes: Final = frozenset(
            _filled(line.path, place.general) for place in self._places for lines in way.needs for line in lines
        )
        self._patterns: Final = tuple(pattern(shape) for shape in sorted(self.shapes))
        # Places that the same wide rules reach, and every path of a place in the order of the alphabet.
        self._alike: Final[dict[Hashable, list[Place]]] = defaultdict(list)
        asked = []
        for number, place in enumerate(self._places if not way.makes_new else ()):
            shapes = tuple(_filled(line.path, place.general) for lines in way.needs for line in lines)
            self._alike[shapes, place.is_bound].append(place)
            asked += [(_filled(line.path, place.names), number) for lines in way.needs for line in lines]
        self._asked: Final = sorted(asked)
        self._met: dict[str, bool] = {}
        self._wide: dict[str, bool] = {}
        self._answers: dict[Hashable, Answer] = {}

    def answer(self, acl: Acl, *, is_readable: bool) -> Answer:
        """Whom the rules let be reached."""
        met = {path: decision for path, decision in acl.decisions.items() if self._is_met(path)}
        wanted = 0
        for line in self.way.needs[0]:
            wanted |= line.capabilities
        if not any(decision.capabilities & wanted for decision in met.values()):
            return _NOBODY
        key = frozenset((path, d.capabilities, d.is_conditional, d.is_guess) for path, d in met.items()), is_readable
        if key not in self._answers:
            self._answers[key] = Answer(key, tuple(self._reached(acl, met, is_readable=is_readable)))
        return self._answers[key]

    def _is_met(self, path: str) -> bool:
        if path not in self._met:
            own = pattern(path)
            start = own.start
            self._met[path] = any(
                (shape.start.startswith(start) or start.startswith(shape.start)) and intersect(own, shape) is not None
                for shape in self._patterns
            )
        return self._met[path]

    def _reached(self, acl: Acl, met: Mapping[str, Decision], *, is_readable: bool) -> Iterator[Found]:
        if self.way.makes_new:
            for place in self._fresh(met):
                yield from self._ask(acl, place, [place], is_readable=is_readable)
            return
        narrow = [path for path in met if not self._is_wide(path)]
        touched = {id(place): place for path in narrow for place in self._below(pattern(path).start)}
        for place in touched.values():
            yield from self._ask(acl, place, [place], is_readable=is_readable)
        if len(narrow) < len(met):
            # Nothing but rules for all of them speaks of the others, so what one of them gets, all get.
            for alike in self._alike.values():
                others = [place for place in alike if id(place) not in touched] if touched else alike
                if others:
                    yield from self._ask(acl, others[0], others, is_readable=is_readable)

    def _is_wide(self, path: str) -> bool:
        """Whether a policy's path holds every path of this way that it shares a shape with."""
        if path not in self._wide:
            own = pattern(path)
            self._wide[path] = all(intersect(own, shape) in (None, shape) for shape in self._patterns)
        return self._wide[path]

    def _below(self, start: str) -> Iterator[Place]:
        first = bisect_left(self._asked, (start, -1))
        for path, number in islice(self._asked, first, None):
            if not path.startswith(start):
                return
            yield self._places[number]

    def _fresh(self, met: Mapping[str, Decision]) -> Iterator[Place]:
        """Names that nobody has yet and that a rule leaves room for."""
        for place in self._places:
            lines = [line.path for lines in self.way.needs for line in lines]
            for name in sorted({name for line in lines for name in _free_names(line, place, met)}):
                named = place._replace(names={**place.names, _NEW: name})
                if not any(_filled(line, named.names) in self._known for line in lines):
                    yield named

    def _ask(self, acl: Acl, place: Place, alike: Sequence[Place], *, is_readable: bool) -> Iterator[Found]:
        """What one place gets, said of all that are alike; as sure as the least sure of what is needed."""
        least = CERTAINTIES.index("conditional" if place.is_bound else self.way.certainty)
        least = min(least, CERTAINTIES.index(self.way.certainty))
        giver: tuple[str, int] | None = None
        for lines in self.way.needs:
            surest = -1
            for line in lines:
                decision = acl.decide(_filled(line.path, place.names))
                if decision is None or not decision.capabilities & line.capabilities:
                    continue
                if line.needs_sudo and not decision.capabilities & SUDO:
                    continue
                is_guess = decision.is_guess or not is_readable
                sureness = CERTAINTIES.index(
                    "potential" if is_guess else "conditional" if decision.is_conditional else "definite"
                )
                if sureness > surest:
                    surest = sureness
                    giver = giver or (decision.placed[0].path, line.capabilities)
            if surest < 0:
                return
            least = min(least, surest)
        if giver is not None:
            yield Found(tuple(each.goal for each in alike), CERTAINTIES[least], *giver)


def _free_names(line: str, place: Place, met: Mapping[str, Decision]) -> Iterator[str]:
    shape = _filled(line, place.general)
    segment = line.split("/").index(_NEW) + shape.count("/") - line.count("/")
    for path in met:
        shared = intersect(pattern(path), pattern(shape))
        if shared is not None:
            yield shared.example().split("/")[segment]


def _filled(path: str, names: Mapping[str, str]) -> str:
    if "{" in path:
        for name, value in names.items():
            path = path.replace(name, value)
    return path


def _places(way: Way, vault: Vault) -> Iterator[Place]:
    text = " ".join(line.path for lines in way.needs for line in lines)
    if "{role}" in text or "{name}" in text:
        for role in vault.roles:
            if role.method in way.methods and not (way.is_without_secret and role.is_secret_required):
                own = {"{role}": role.path, "{name}": role.name, "{mount}": role.mount}
                any_name = "/".join("+" for _ in role.name.split("/"))
                general = {"{role}": f"{role.folder}/{any_name}", "{name}": any_name, "{mount}": role.mount}
                yield Place(own, general, ("role", role.key), is_bound=role.is_bound)
    elif "{mount}" in text:
        for path, method in vault.mounts:
            if method in way.methods:
                goal = path if way.to == "mount" else vault.namespace(path)
                yield Place({"{mount}": path}, {"{mount}": path, _NEW: "+"}, (way.to, goal))
    elif "{policy}" in text:
        for namespace, policy in vault.policies:
            own = {"{ns}": namespace, "{policy}": policy.name}
            yield Place(own, {"{ns}": namespace, "{policy}": "*"}, ("policy", policy.key))
    else:
        for namespace in vault.namespaces:
            general = {"{ns}": namespace, "{entity}": "+", "{entity_name}": "+", "{group}": "+", "{group_name}": "+"}
            general[_NEW] = "+"
            if "{entity}" in text:
                for entity in vault.entities:
                    own = {"{ns}": namespace, "{entity}": entity.native_id, "{entity_name}": entity.name}
                    yield Place(own, general, ("entity", entity.key))
            elif "{group}" in text:
                for group in vault.groups:
                    own = {"{ns}": namespace, "{group}": group.native_id, "{group_name}": group.name}
                    yield Place(own, general, (way.to, namespace))
            else:
                yield Place({"{ns}": namespace}, general, (way.to, namespace))
