"""What holders of Vault and OpenBao policies may do in the common verbs; once per combination of policies.

Every answer comes from the rule that decides about a single path: one that stands for a whole set of paths says what
may be done to all of it, one that stands for what a policy's path and a verb's paths have in common says the rest.
Limits on parameters and approvals are `conditional`. What hangs on a template whose value is not known, on a mount that
was not read or on a policy that could not be read is `potential`. Tokens that expire, response wrapping, quotas and
Sentinel policies of Vault Enterprise are not weighed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from nhiscan.resolve.privilege_rows import Privilege, includes
from nhiscan.resolve.vault_paths import Acl, Decision, Pattern, Placed, intersect, pattern
from nhiscan.resolve.vault_policy import SUDO, Document
from nhiscan.resolve.vault_verbs import Entry, Target, Targets
from nhiscan.resolve.verbs import CERTAINTIES, level

_MOST_WILD: Final = 300  # rules with `+` in one combination; each question walks through all of them
_TEMPLATE: Final = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_OWN: Final = ("identity.entity.id", "identity.entity.name")
METADATA: Final = "identity.entity.metadata."
# Before the name of a template whose value no other policy can name; a lone surrogate, which no policy's text holds.
_VALUE_OF: Final = "\udcfe"
_SLASH: Final = "\udcfd"
_UNREADABLE: Final = Privilege("unknown", "all", "potential", None, None, None)


class Policy(NamedTuple):
    """`namespace`: its path with a slash at the end, empty for the root."""

    name: str
    namespace: str
    document: Document


@dataclass(frozen=True, slots=True)
class Holder:
    """`entity`: known, unknown or none. `values`: of templates, where the outcome depends on them."""

    entity: str = "known"
    values: tuple[tuple[str, str | None], ...] = ()


class Hit(NamedTuple):
    """Paths of a target that are allowed, and by which rule."""

    target: Target
    paths: Pattern
    certainty: str
    giver: Placed


# Templates


def templates(path: str) -> list[str]:
    """The names in the double braces of a path."""
    return [name.strip() for name in _TEMPLATE.findall(path)] if "{{" in path else []


def needed_values(policies: Sequence[Policy]) -> tuple[str, ...]:
    """Templates whose values decide something: metadata, and those in whose place another rule writes a name."""
    rules = [policy.namespace + rule.path for policy in policies for rule in policy.document.rules]
    templated = [path for path in rules if "{{" in path]
    if not templated:
        return ()
    needed = set()
    others = [pattern(_opaque(path)) for path in rules]
    for path in templated:
        names = templates(path)
        needed |= {name for name in names if name.startswith(METADATA)}
        own, wide = pattern(_opaque(path)), _widened(path)
        if any(intersect(wide, other) is not None and intersect(own, other) is None for other in others):
            needed |= {name for name in names if name in _OWN}
    return tuple(sorted(needed))


def _opaque(path: str) -> str:
    return _TEMPLATE.sub(lambda found: _VALUE_OF + found[1].strip().replace("/", _SLASH), path)


def _widened(path: str) -> Pattern:
    """Every path that the template can lead to; a segment counts from its first template on."""
    is_open = path.endswith("*")
    parts = _opaque(path.removesuffix("*")).split("/")
    segments = [
        ("", True) if part == "+" else (part.partition(_VALUE_OF)[0], _VALUE_OF in part or part == "+")
        for part in parts
    ]
    if is_open and not segments[-1][1]:
        segments[-1] = (segments[-1][0], True)
    return Pattern(tuple(segments), is_open)


def placed(policies: Sequence[Policy], holder: Holder) -> Iterator[Placed]:
    """The rules of all policies under whole paths; those of a template that the holder has no value for are void."""
    values = dict(holder.values)
    for source, policy in enumerate(policies):
        for rule in policy.document.rules:
            names = templates(rule.path)
            if names and (holder.entity == "none" or any(values.get(name, "") is None for name in names)):
                continue
            path = rule.path
            if names:
                path = _opaque(_TEMPLATE.sub(lambda found: values.get(found[1].strip()) or found[0], path))
            yield Placed(
                policy.namespace + path,
                rule,
                source,
                is_guess=any(name not in values and (holder.entity == "unknown" or name not in _OWN) for name in names),
                is_own=bool(names),
            )


# Evaluating a combination


def evaluate(policies: Sequence[Policy], holder: Holder, targets: Targets) -> list[Privilege]:
    """What the policies together allow: one row for each verb, scope, certainty and level, in a fixed order.

    A row that a wider and surer row of its verb includes is left out.
    """
    acl = Acl(placed(policies, holder))
    if acl.wild > _MOST_WILD:
        return [_UNREADABLE]
    is_readable = not any(policy.document.problem for policy in policies)
    answers = Answers(acl, is_readable=is_readable)
    rows: dict[str, dict[tuple[str, str, int | None], Privilege]] = defaultdict(dict)
    for row in (*_by_table(answers, targets), *_own_policies(answers, policies, targets)):
        rows[row.verb].setdefault((row.scope, row.certainty, row.level), row)
    privileges = [
        row
        for same in rows.values()
        for row in same.values()
        if not any(includes(other, row) for other in same.values())
    ]
    privileges += _admin(answers, targets)
    if not is_readable:
        privileges.append(_UNREADABLE)
    if not privileges:
        privileges.append(Privilege("none", "self", "definite", level("none", "self"), None, None))
    return sorted(privileges, key=lambda row: (row.verb, row.scope, row.certainty, str(row.level)))


class Answers:
    """What the rules together say about sets of paths."""

    def __init__(self, acl: Acl, *, is_readable: bool) -> None:
        self._acl = acl
        self._is_readable = is_readable

    def hits(self, targets: Targets) -> Iterator[Hit]:
        """For every rule's path and every target: the paths that both have, where the target is allowed on them."""
        for path, decision in self._acl.decisions.items():
            for target, shared in targets.met(path):
                # What the table calls harmless only keeps the fallbacks away.
                if decision.capabilities & target.capabilities and target.entry.verb != "none":
                    found = [answer for answer in self._asked(target, shared) if answer is not None]
                    if found:
                        certainty, giver = max(found, key=lambda answer: CERTAINTIES.index(answer[0]))
                        yield Hit(target, shared, certainty, giver)

    def whole(self, target: Target) -> tuple[str, Placed] | None:
        """The least certainty with which all paths of the target are allowed, but for those that a rule singles out."""
        found = list(self._asked(target, target.pattern))
        if any(answer is None for answer in found):
            return None
        return min((answer for answer in found if answer), key=lambda answer: CERTAINTIES.index(answer[0]))

    def one(self, target: Target, path: str) -> tuple[str, Placed] | None:
        decision = self._acl.decide(path)
        return None if decision is None else self._allowed(target, decision)

    def _asked(self, target: Target, paths: Pattern) -> Iterator[tuple[str, Placed] | None]:
        for example in self._acl.examples(paths):
            path = example if not target.is_listing or example.endswith("/") else f"{example}/"
            decision = self._acl.decide(path, is_list=target.is_listing)
            yield None if decision is None else self._allowed(target, decision)

    def _allowed(self, target: Target, decision: Decision) -> tuple[str, Placed] | None:
        held = decision.capabilities & target.capabilities
        if not held or (target.entry.needs_sudo and not decision.capabilities & SUDO):
            return None
        giver = next(each for each in decision.placed if each.rule.capabilities & held)
        if not self._is_readable or decision.is_guess or target.is_guess:
            return "potential", giver
        return "conditional" if decision.is_conditional else "definite", giver


def _by_table(answers: Answers, targets: Targets) -> Iterator[Privilege]:
    by_entry: dict[Entry, list[Hit]] = defaultdict(list)
    for hit in answers.hits(targets):
        by_entry[hit.target.entry].append(hit)
    claimed: dict[str, int] = defaultdict(int)
    for entry, every in targets.by_entry.items():
        if entry in by_entry:
            yield from _of_entry(answers, entry, every, by_entry[entry])
    for entry, every in targets.fallback.items():
        # A capability that the table explains says nothing more, and the first fallback speaks alone.
        rest = [
            hit
            for hit in by_entry.get(entry, ())
            if hit.target.capabilities
            & hit.giver.rule.capabilities
            & ~(targets.claimed(hit.giver.path) | claimed[hit.giver.path])
        ]
        for hit in rest:
            claimed[hit.giver.path] |= hit.target.capabilities
        if rest:
            yield from _of_entry(answers, entry, every, rest)


def _of_entry(answers: Answers, entry: Entry, every: Sequence[Target], hits: Sequence[Hit]) -> Iterator[Privilege]:
    """The width of an entry with what is sure, then with what is less so; rows that add nothing fall out later."""
    whole = {
        target: answer for target in dict.fromkeys(hit.target for hit in hits) if (answer := answers.whole(target))
    }
    for least in sorted({CERTAINTIES.index(hit.certainty) for hit in hits}, reverse=True):
        certainty = CERTAINTIES[least]
        held = [hit for hit in hits if CERTAINTIES.index(hit.certainty) >= least]
        full = {target for target, (sure, _) in whole.items() if CERTAINTIES.index(sure) >= least}
        scope = entry.scope or _scope(every, full, held)
        # The rule of the widest part, and of several the first.
        giver = max(held, key=lambda hit: (hit.target in full, not hit.paths.is_single)).giver
        shown = "potential" if entry.verb == "unknown" else certainty
        yield Privilege(entry.verb, scope, shown, level(entry.verb, scope), giver.source, giver.rule.evidence)


def _scope(every: Sequence[Target], full: set[Target], hits: Sequence[Hit]) -> str:
    """By path: reading all of it, or listing all of it, is all of it."""
    paths = {target.path for target in full}
    if paths.issuperset(target.path for target in every):
        return "all"
    environments = {target.environment for target in full if target.environment}
    if any(paths.issuperset(t.path for t in every if t.environment == environment) for environment in environments):
        return "environment"
    if all(hit.giver.is_own for hit in hits):
        return "self"
    shared = {hit.paths for hit in hits}
    return "single" if len(shared) == 1 and next(iter(shared)).is_single else "set"


def _own_policies(answers: Answers, policies: Sequence[Policy], targets: Targets) -> Iterator[Privilege]:
    """Whoever may write a policy of its own may give itself everything."""
    for entry, places in targets.by_entry.items():
        if entry.is_own_policy:
            for policy in policies:
                for target in places:
                    own = f"{policy.namespace}{entry.path.removesuffix('*')}{policy.name}"
                    if f"{policy.namespace}{entry.path}" == target.path and (found := answers.one(target, own)):
                        certainty, giver = found
                        yield Privilege(
                            entry.verb, "self", certainty, level(entry.verb, "self"), giver.source, giver.rule.evidence
                        )


def _admin(answers: Answers, targets: Targets) -> list[Privilege]:
    """At most one row: everything that makes an administrator, as sure as the least sure part."""
    found = [answers.whole(target) for target in targets.core]
    if not found or any(answer is None for answer in found):
        return []
    certainty, giver = min((answer for answer in found if answer), key=lambda answer: CERTAINTIES.index(answer[0]))
    return [Privilege("admin", "all", certainty, level("admin", "all"), giver.source, giver.rule.evidence)]
