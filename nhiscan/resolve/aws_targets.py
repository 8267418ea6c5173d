"""Which of many concrete targets an action is allowed on, for all of them at once: sets of targets are integers.

The evaluator of single requests says the same of each target; here every pattern of a policy meets the targets once,
however many identities share it, and a Deny, a boundary or an organization's policy is one more integer. What depends
on a request's context is never called allowed or denied.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, NamedTuple

from nhiscan.resolve import aws_conditions, globs
from nhiscan.resolve.aws_actions import Catalogue
from nhiscan.resolve.aws_policy import Document, Resource, Statement

_ARN_FIELDS: Final = 6
_ACCOUNT: Final = 4
_MOST_ACCOUNTS: Final = 2_000  # for each of which a pattern over all accounts is asked on its own

_PLACES: Final = tuple(tuple(place for place in range(8) if byte >> place & 1) for byte in range(256))  # of bits


class Answer(NamedTuple):
    """Three sets of targets without a common member."""

    definite: int = 0
    conditional: int = 0  # allowed under a condition, and nothing else stands against it
    potential: int = 0

    def __bool__(self) -> bool:
        return bool(self.definite | self.conditional | self.potential)

    def both(self, other: Answer) -> Answer:
        """What is allowed by both, as surely as by the less sure one."""
        definite = self.definite & other.definite
        conditional = (self.definite | self.conditional) & (other.definite | other.conditional) & ~definite
        any_ = (self.definite | self.conditional | self.potential) & (
            other.definite | other.conditional | other.potential
        )
        return Answer(definite, conditional, any_ & ~definite & ~conditional)

    def within(self, mask: int) -> Answer:
        return Answer(self.definite & mask, self.conditional & mask, self.potential & mask)

    def by_certainty(self) -> Iterator[tuple[str, int]]:
        for certainty, mask in zip(self._fields, self, strict=True):
            if mask:
                yield certainty, mask


NOTHING: Final = Answer()


class Targets:
    """ARNs in order, each one a bit. `matching` meets every distinct pattern with them once."""

    def __init__(self, arns: Iterable[str]) -> None:
        self.arns: Final = tuple(sorted(set(arns)))
        self.everything: Final = (1 << len(self.arns)) - 1
        self._index = {arn: i for i, arn in enumerate(self.arns)}
        self._accounts = {fields[_ACCOUNT] for arn in self.arns if len(fields := arn.split(":", 5)) == _ARN_FIELDS}
        self._masks: dict[str, int] = {}

    def bit(self, arn: str) -> int:
        """0 when it is not among them."""
        return 1 << self._index[arn] if arn in self._index else 0

    def mask(self, arns: Iterable[str]) -> int:
        return _bits((self._index[arn] for arn in arns if arn in self._index), len(self.arns))

    def members(self, mask: int) -> list[str]:
        """In order."""
        if mask == self.everything:
            return list(self.arns)
        arns = self.arns
        digits = mask.to_bytes(len(arns) // 8 + 1, "little")
        return [
            arns[start + place]
            for start, byte in zip(range(0, len(arns) + 8, 8), digits, strict=False)
            if byte
            for place in _PLACES[byte]
        ]

    def matching(self, pattern: str) -> int:
        if pattern not in self._masks:
            self._masks[pattern] = self._match(pattern)
        return self._masks[pattern]

    def _match(self, pattern: str) -> int:
        if globs.is_everything(pattern):
            return self.everything
        if not globs.is_wild(pattern):
            return self.bit(pattern)
        fields = pattern.split(":", _ARN_FIELDS - 1)
        if (
            len(fields) == _ARN_FIELDS
            and fields[_ACCOUNT] == "*"
            and not any(map(globs.is_wild, fields[:_ACCOUNT]))
            and len(self._accounts) <= _MOST_ACCOUNTS
        ):
            mask = 0
            for account in self._accounts:
                fields[_ACCOUNT] = account
                mask |= self._match(":".join(fields))
            return mask
        start, end = self._beginning_with(_literal_start(pattern))
        if globs.is_everything(pattern[len(_literal_start(pattern)) :]):
            return ((1 << (end - start)) - 1) << start
        match = globs.compiled(pattern).fullmatch
        return _bits((i for i in range(start, end) if match(self.arns[i])), len(self.arns))

    def _beginning_with(self, start: str) -> tuple[int, int]:
        return bisect_left(self.arns, start), bisect_left(self.arns, start + "\U0010ffff")


def _literal_start(pattern: str) -> str:
    return pattern[: min(i for i in (pattern.find("*"), pattern.find("?")) if i >= 0)]


def _bits(indexes: Iterable[int], size: int) -> int:
    array = bytearray(size // 8 + 1)
    for index in indexes:
        array[index >> 3] |= 1 << (index & 7)
    return int.from_bytes(array, "little")


@dataclass(frozen=True)
class Rights:
    """All that decides what a caller may do: documents, a boundary, and levels of an organization's policies.

    `unread`: documents of levels that were not read whole, of which only the Denies count.
    """

    documents: tuple[Document, ...]
    boundary: Document | None = None
    levels: tuple[tuple[Document, ...], ...] = ()
    unread: tuple[Document, ...] = ()
    is_user: bool = False

    def every(self) -> Iterator[Document]:
        yield from self.documents
        if self.boundary:
            yield self.boundary
        for level in self.levels:
            yield from level
        yield from self.unread

    def limits(self) -> Iterator[tuple[Document, ...]]:
        if self.boundary:
            yield (self.boundary,)
        yield from self.levels


@dataclass(eq=False)
class Question:
    """One action on many targets; keeps what each statement says of them.

    `context`: what is known of the request, keys in small letters. `is_own`: the target is the caller itself, so a
    pattern with the caller's own name matches; else it matches no target.
    """

    targets: Targets
    action: int
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    is_own: bool = False
    _said: dict[tuple[int, bool], tuple[int, int]] = field(default_factory=dict)
    _answers: dict[tuple[object, ...], Answer] = field(default_factory=dict)
    _speaking: dict[int, bool] = field(default_factory=dict)
    _kept: list[object] = field(default_factory=list)  # an id is only safe while what has it lives

    def answer(self, rights: Rights, *, given: int = 0, is_unbounded: bool = False) -> Answer:
        """`given`: what the targets' own policies allow without the documents.

        `is_unbounded`: of the boundary only Denies count, as for a user whom a resource's policy names.
        Equal questions of equal rights have one answer, and that is one object.
        """
        speaking = tuple(document for document in rights.documents if self._speaks(document))
        key = (
            tuple(map(id, speaking)),
            id(rights.boundary),
            tuple(tuple(map(id, level)) for level in (*rights.levels, rights.unread)),
            rights.is_user,
            given,
            is_unbounded,
        )
        if key not in self._answers:
            self._kept.append(rights)
            self._answers[key] = self._weigh(replace(rights, documents=speaking), given, is_unbounded=is_unbounded)
        return self._answers[key]

    def _speaks(self, document: Document) -> bool:
        """Whether the document says anything of the action, or could not be read."""
        if id(document) not in self._speaking:
            self._kept.append(document)
            self._speaking[id(document)] = document.problem is not None or any(
                statement.actions & self.action for statement in document.statements
            )
        return self._speaking[id(document)]

    def _weigh(self, rights: Rights, given: int, *, is_unbounded: bool) -> Answer:
        sure, maybe = given, 0
        doubt = 0
        for document in rights.documents:
            allowed, open_ = self._say(document, rights, allows=True)
            sure |= allowed
            maybe |= open_
            if document.problem:
                doubt = self.targets.everything
        held = sure | maybe
        if not held:
            return NOTHING
        for document in rights.every():
            denied, open_ = self._say(document, rights, allows=False)
            held &= ~denied
            doubt |= open_
        bounded = self.targets.everything
        for documents in rights.levels if is_unbounded else rights.limits():
            within, open_ = 0, 0
            for document in documents:
                allowed, perhaps = self._say(document, rights, allows=True)
                within |= allowed
                open_ |= perhaps
                if document.problem:
                    open_ = self.targets.everything
            held &= within | open_
            bounded &= within
        unopposed = held & ~doubt & bounded
        return Answer(unopposed & sure, unopposed & ~sure, held & ~unopposed)

    def _say(self, document: Document, rights: Rights, *, allows: bool) -> tuple[int, int]:
        """Targets on which the document's Allows, or its Denies, apply for certain, and on which they may."""
        sure, maybe = 0, 0
        for statement in document.statements if allows else document.denies:
            if statement.allows is allows and statement.actions & self.action:
                certain, possible = self._reach(document, statement, is_user=rights.is_user)
                sure |= certain
                maybe |= possible
        return sure, maybe & ~sure

    def denied(self, document: Document) -> tuple[int, int]:
        """Targets that the document denies to everybody for certain, and those that it may."""
        return self._say(document, Rights((), is_user=True), allows=False)

    def allowing(self, document: Document, mask: int, *, is_user: bool) -> Statement | None:
        """The first statement that has a part in allowing the action on some of the targets."""
        for statement in document.statements:
            if statement.allows and statement.actions & self.action:
                certain, possible = self._reach(document, statement, is_user=is_user)
                if (certain | possible) & mask:
                    return statement
        return None

    def _reach(self, document: Document, statement: Statement, *, is_user: bool) -> tuple[int, int]:
        key = (id(statement), is_user)
        if key not in self._said:
            self._kept.append(statement)
            self._said[key] = self._reached(document, statement, is_user=is_user)
        return self._said[key]

    def _reached(self, document: Document, statement: Statement, *, is_user: bool) -> tuple[int, int]:
        truth = _met(document, statement, self.context)
        resources = statement.resources
        if document.has_variables:
            if not is_user and any(resource.needs_user for resource in resources):
                truth = False  # a variable without a value voids the statement
        else:
            resources = tuple(
                resource for resource in resources if "${" not in resource.text
            )  # no name has these signs
        if truth is False:
            return 0, 0
        sure, maybe = 0, 0
        for resource in resources:
            if resource.is_self:
                sure |= self.targets.everything if self.is_own else 0
            elif resource.has_variable or resource.needs_user:
                maybe |= self.targets.matching(resource.pattern)
            else:
                sure |= self.targets.matching(resource.pattern)
        if statement.is_everything_but:
            everything = self.targets.everything
            sure, maybe = everything & ~sure & ~maybe, maybe & ~sure
        return (sure, maybe & ~sure) if truth is True else (0, sure | maybe)


def _met(document: Document, statement: Statement, context: Mapping[str, tuple[str, ...]]) -> aws_conditions.Truth:
    tests = [aws_conditions.test(c, has_variables=document.has_variables) for c in statement.conditions]
    return aws_conditions.all_met(tests, context.get)


class _Deny(NamedTuple):
    is_everything_but: bool
    resources: tuple[Resource, ...]
    met: aws_conditions.Truth


def somewhere(rights: Rights, action: int, actions: Catalogue, context: Mapping[str, tuple[str, ...]]) -> str | None:
    """How surely the action is allowed on something that the caller chooses; None: on nothing."""
    denies = [
        _Deny(
            deny.is_everything_but,
            # What is no resource of the action spares nothing.
            tuple(resource for resource in deny.resources if actions.reach(resource.pattern).mask & action),
            _met(document, deny, context),
        )
        for document in rights.every()
        for deny in document.denies
        if deny.actions & action
    ]
    best: str | None = None
    doubtful = any(document.problem for document in rights.every())
    for document in rights.documents:
        for statement in document.statements:
            if not (statement.allows and statement.actions & action):
                continue
            met = _met(document, statement, context)
            if met is False:
                continue
            for pattern, is_open in _places(statement, rights.is_user, action, actions):
                found = "conditional" if is_open or met is not True else "definite"
                places = [(pattern, False)]
                for limit in rights.limits():
                    places = list(_inside(places, limit, action, context))
                left = [weight for place, open_ in places if (weight := _left(place, denies, is_open=open_))]
                if left:
                    sure = "definite" in left and not doubtful
                    best = _surer(best, found if sure else "potential")
    return best


def _places(statement: Statement, is_user: bool, action: int, actions: Catalogue) -> Iterator[tuple[str, bool]]:
    if statement.is_everything_but:
        yield "*", not all(globs.is_wild(r.pattern) and not globs.is_everything(r.pattern) for r in statement.resources)
        return
    for resource in statement.resources:
        if (not resource.needs_user or is_user) and actions.reach(resource.pattern).mask & action:
            yield resource.pattern, resource.has_variable or not actions.reach(resource.pattern).is_known


def _inside(
    places: Sequence[tuple[str, bool]],
    limit: Sequence[Document],
    action: int,
    context: Mapping[str, tuple[str, ...]],
) -> Iterator[tuple[str, bool]]:
    """The parts of the places that one limit leaves."""
    for pattern, is_open in places:
        if any(document.problem for document in limit):
            yield pattern, True
            continue
        for document, statement in ((d, s) for d in limit for s in d.statements if s.allows and s.actions & action):
            met = _met(document, statement, context)
            if met is False:
                continue
            if statement.is_everything_but:
                if not any(globs.covers(r.pattern, pattern) for r in statement.resources):
                    yield pattern, is_open or met is not True
                continue
            for resource in statement.resources:
                doubt = is_open or met is not True or resource.has_variable or resource.needs_user
                if globs.covers(resource.pattern, pattern):
                    yield pattern, doubt
                elif globs.covers(pattern, resource.pattern):
                    yield resource.pattern, doubt
                elif globs.overlap(pattern, resource.pattern):
                    yield pattern, True


def _left(pattern: str, denies: Sequence[_Deny], *, is_open: bool) -> str | None:
    """Whether something in the place is not denied; the caller may choose any name that is not."""
    found = "potential" if is_open else "definite"
    for deny in denies:
        if deny.met is False:
            continue
        if deny.is_everything_but:
            covered = not any(globs.overlap(resource.pattern, pattern) for resource in deny.resources)
            touched = not any(globs.covers(resource.pattern, pattern) for resource in deny.resources)
        else:
            covered = any(globs.covers(resource.pattern, pattern) for resource in deny.resources)
            # A star of the place leaves names outside of whatever narrower pattern is denied.
            touched = not globs.is_wild(pattern) and any(globs.overlap(r.pattern, pattern) for r in deny.resources)
        is_vague = deny.met is not True or any(r.has_variable or r.needs_user for r in deny.resources)
        if covered and not is_vague:
            return None
        if covered or (touched and (is_vague or deny.is_everything_but)):
            found = "potential"
    return found


def _surer(one: str | None, other: str) -> str:
    order = ("definite", "conditional", "potential")
    return other if one is None else min(one, other, key=order.index)
