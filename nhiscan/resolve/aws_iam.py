"""What AWS identities may do: Allow, Deny anywhere, NotAction, groups, boundaries, SCPs and RCPs; per combination.

A million identities share few combinations of policies, so a combination is evaluated once and written back by a
join. What depends on a request's context is `conditional`; what depends on how resources or documents that are not
decided here overlap is `potential`. Neither is ever called a plain yes or no. Organization policies that were not read
soften nothing; `considered` says so.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple, TypeAlias

import duckdb

from nhiscan import statements
from nhiscan.resolve import aws_limits, aws_principals, globs
from nhiscan.resolve.aws_actions import Catalogue, catalogue
from nhiscan.resolve.aws_policy import IDENTITY_ARN, Condition, Document, Statement, named_identities, parse
from nhiscan.resolve.privilege_rows import Privilege, batched, includes, insert_rows, listed
from nhiscan.resolve.verbs import CERTAINTIES, level

_BATCH: Final = 50_000
_REGION: Final = "aws:requestedregion"
_OTHER_THAN: Final = frozenset({"stringnotequals", "stringnotequalsignorecase", "stringnotlike"})
_ONE_REGION: Final = ("us-east-1", "us-gov-west-1", "cn-north-1")  # of each partition
_ACCOUNT: Final = re.compile(r"[^:]*:[^:]*:[^:]*:[^:]*:\d")  # an ARN that says whose resource it is


class Binding(NamedTuple):
    """One policy of a combination: through a group, or the boundary, or direct."""

    policy_key: int
    via_key: int | None
    is_boundary: bool


@dataclass(frozen=True, slots=True)
class Holder:
    """What the outcome depends on besides the policies."""

    is_user: bool
    is_root: bool = False
    own: str | None = None  # "<account>:user/<path/name>", only when one of its policies names it


@dataclass(frozen=True, slots=True)
class Reach:
    """One verb on the resources that one pattern matches."""

    verb: str
    pattern: str
    scope: str
    certainty: str
    level: int | None
    statement: str | None


# Evaluating a combination


class _Grant(NamedTuple):
    """Actions that one resource of one Allow leaves, after denies and bounds.

    `part`: surely on some of what the pattern matches, while a Deny takes away a narrower piece of it.
    """

    pattern: str
    scope: str
    statement: Statement
    is_conditional: bool
    sure: int
    unsure: int
    part: int = 0

    @property
    def held(self) -> int:
        return self.sure | self.part | self.unsure

    def outcomes(self, *, is_readable: bool) -> list[tuple[str, str, int]]:
        """Certainty, scope and actions; what is held in part may also be held on all."""
        if not is_readable:
            return [("potential", self.scope, self.held)]
        weight = "conditional" if self.is_conditional else "definite"
        found = [
            (weight, self.scope, self.sure),
            (weight, "set", self.part),
            ("potential", self.scope, self.part | self.unsure),
        ]
        return [outcome for outcome in found if outcome[2]]


_Kind: TypeAlias = tuple[str, bool, str, str]  # verb, over a resource, certainty, scope


class _Share(NamedTuple):
    """What one document gives; `core`: what each grant has of an administrator's core, by certainty."""

    grants: tuple[_Grant, ...] = ()
    cells: tuple[tuple[_Kind, _Grant], ...] = ()
    core: tuple[tuple[str, int, _Grant], ...] = ()


@dataclass(frozen=True, eq=False)
class Limit:
    """What stands above an identity's own policies; made once for many, because what it leaves of each is remembered.

    `bounds`: of each, one document has to allow; the boundary and each level of SCPs. `denies`: what any of these
    denies; `own_denies`: what RCPs deny, on resources of the own account only.
    """

    bounds: tuple[tuple[Document, ...], ...] = ()
    denies: tuple[Statement, ...] = ()
    own_denies: tuple[Statement, ...] = ()
    is_readable: bool = True


NO_LIMIT: Final = Limit()


def limit(
    actions: Catalogue,
    *,
    boundary: Document | None = None,
    scps: Sequence[Sequence[Document]] = (),
    rcps: Iterable[Document] = (),
    were_scps_read: bool = True,
) -> Limit:
    """A boundary that cannot be read leaves everything open; SCPs and RCPs that cannot be read soften nothing."""
    bounds: list[tuple[Document, ...]] = [] if boundary is None or boundary.problem else [(boundary,)]
    if were_scps_read:
        bounds += [tuple(level) for level in scps if not any(document.problem for document in level)]
    above = [*([boundary] if boundary else []), *(document for level in scps for document in level)]
    narrowed = (replace(deny, actions=deny.actions & actions.under_rcps) for rcp in rcps for deny in rcp.denies)
    return Limit(
        tuple(bounds),
        tuple(deny for document in above for deny in document.denies),
        tuple(deny for deny in narrowed if deny.actions),
        is_readable=not (boundary and boundary.problem),
    )


def evaluate(documents: Sequence[Document], limits: Limit, holder: Holder, actions: Catalogue) -> list[Privilege]:
    """What the policies together allow: one row for each verb, scope, certainty and level, in a fixed order.

    A row that a wider and surer row of its verb includes is left out.
    """
    is_readable = limits.is_readable and not any(d.problem for d in documents)
    shares = _shares(documents, limits, holder, actions, is_readable=is_readable)
    verbs: dict[str, dict[_Kind, tuple[int, _Grant]]] = {}
    many = set()
    for source, share in enumerate(shares):
        for kind, grant in share.cells:
            first = verbs.setdefault(kind[0], {})
            if kind not in first:
                first[kind] = source, grant
            elif kind[3] == "single" and first[kind][1].pattern != grant.pattern:
                many.add(kind)
    privileges = []
    for verb, first in verbs.items():
        is_free = verb != "manage-policy" or _leaves_an_administrator(limits, holder, actions)
        for kind, scope, certainty, how_far in _kept(tuple(first), frozenset(many.intersection(first)), is_free):
            source, grant = first[kind]
            privileges.append(Privilege(verb, scope, certainty, how_far, source, grant.statement.text))
    privileges += _admin(shares, actions)
    if not is_readable:
        privileges.append(Privilege("unknown", "all", "potential", None, None, None))
    if not privileges:
        privileges.append(Privilege("none", "self", "definite", level("none", "self"), None, None))
    return sorted(privileges, key=lambda row: (row.verb, row.scope, row.certainty, str(row.level)))


@lru_cache(maxsize=100_000)
def _kept(kinds: tuple[_Kind, ...], many: frozenset[_Kind], is_free: bool) -> list[tuple[_Kind, str, str, int | None]]:
    """What is held of one verb, without what something else of it includes: scope, certainty and level.

    `many`: on more than one single resource; `is_free`: who rewrites its own policy may become an administrator.
    """
    rows: dict[Privilege, _Kind] = {}
    for kind in sorted(kinds):
        verb, over_resource, certainty, scope = kind
        if kind in many:
            scope = "set"
        how_far = level(verb, scope, over_resource=over_resource)
        if (verb, scope) == ("manage-policy", "self") and not is_free:
            how_far = None  # the new policy is limited as well
        rows.setdefault(Privilege(verb, scope, certainty, how_far, None, None), kind)
    return [
        (kind, row.scope, row.certainty, row.level)
        for row, kind in rows.items()
        if len(rows) == 1 or not any(includes(other, row) for other in rows)
    ]


@lru_cache(maxsize=10_000)
def _leaves_an_administrator(limits: Limit, holder: Holder, actions: Catalogue) -> bool:
    shares = _shares([everything(actions)], limits, holder, actions, is_readable=limits.is_readable)
    return any(row.certainty == "definite" for row in _admin(shares, actions))


@cache
def everything(actions: Catalogue) -> Document:
    """What the root user has, whom no policy of the account names."""
    return parse('{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}', actions)


def reached(documents: Sequence[Document], limits: Limit, holder: Holder, actions: Catalogue) -> Iterator[Reach]:
    """What the policies together allow, resource pattern by resource pattern, for comparing with what should be."""
    is_readable = limits.is_readable and not any(d.problem for d in documents)
    for share in _shares(documents, limits, holder, actions, is_readable=is_readable):
        for (verb, over_resource, certainty, scope), grant in share.cells:
            how_far = level(verb, scope, over_resource=over_resource)
            yield Reach(verb, grant.pattern, scope, certainty, how_far, grant.statement.text)
    if not is_readable:
        yield Reach("unknown", "*", "all", "potential", None, None)


def sure_actions(documents: Sequence[Document], limits: Limit, holder: Holder, actions: Catalogue) -> dict[str, int]:
    """Verb -> the actions that definitely give it, whatever the resource; `admin` is given by several and left out."""
    found: dict[str, int] = defaultdict(int)
    if limits.is_readable and not any(document.problem for document in documents):
        for share in _shares(documents, limits, holder, actions, is_readable=True):
            for grant in share.grants:
                sure = 0 if grant.is_conditional else grant.sure | grant.part
                for kind in actions.kinds(sure):
                    found[kind.verb] |= sure & kind.mask
    return dict(found)


def _admin(shares: Iterable[_Share], actions: Catalogue) -> list[Privilege]:
    """At most one row: the core actions on every resource, as sure as the least sure part that is needed.

    Somebody who may do everything but on a few named resources is an administrator.
    """
    held = dict.fromkeys(CERTAINTIES, 0)
    best: dict[str, tuple[int, int, _Grant]] = {}
    for source, share in enumerate(shares):
        for certainty, mask, grant in share.core:
            held[certainty] |= mask
            # The statement with the greatest share explains it best; the first of equals.
            if certainty not in best or mask.bit_count() > best[certainty][0]:
                best[certainty] = (mask.bit_count(), source, grant)
    core = 0
    for certainty in reversed(CERTAINTIES):
        core |= held[certainty]
        if core == actions.core and certainty in best:
            _, source, grant = best[certainty]
            return [Privilege("admin", "all", certainty, level("admin", "all"), source, grant.statement.text)]
    return []


def _shares(
    documents: Sequence[Document],
    limits: Limit,
    holder: Holder,
    actions: Catalogue,
    *,
    is_readable: bool,
) -> list[_Share]:
    """One a document; Denies that say nothing of what it allows are left out, so that most are worked out once."""
    denies = [deny for document in documents for deny in document.denies]
    return [
        _share(
            limits,
            document,
            tuple([deny for deny in denies if deny.actions & document.allowed]),
            holder,
            actions,
            is_readable,
        )
        for document in documents
    ]


@lru_cache(maxsize=100_000)
def _share(
    limits: Limit,
    document: Document,
    denies: tuple[Statement, ...],
    holder: Holder,
    actions: Catalogue,
    is_readable: bool,
) -> _Share:
    """A grant that a bound narrows stands once for each pattern of the bound inside it."""
    grants = []
    for grant in _allowed(document, holder, actions):
        pieces = [grant]
        for bound in limits.bounds:
            pieces = [_within(part, bound, actions) for piece in pieces for part in _cut(piece, bound, actions)]
        for deny in (*limits.denies, *denies):
            pieces = [_without(piece, deny, actions) for piece in pieces]
        for deny in limits.own_denies:
            pieces = [_without(piece, deny, actions, is_sure=not _ACCOUNT.match(piece.pattern)) for piece in pieces]
        grants += [piece for piece in pieces if piece.held]
    cells = []
    core = []
    for grant in grants:
        for certainty, scope, mask in grant.outcomes(is_readable=is_readable):
            for kind in actions.kinds(mask):
                weight = "potential" if kind.verb == "unknown" else certainty
                cells.append(((kind.verb, kind.over_resource, weight, scope), grant))
            if grant.scope == "all" and mask & actions.core:
                core.append((certainty, mask & actions.core, grant))
    return _Share(tuple(grants), tuple(cells), tuple(core))


def _cut(grant: _Grant, bound: Sequence[Document], actions: Catalogue) -> list[_Grant]:
    """The grant by the patterns to which the bound narrows it; whole where they do not lie inside of it."""
    allowing = [statement for document in bound for statement in document.allows]
    if any(statement.is_everything_but for statement in allowing):
        return [grant]
    patterns = list(dict.fromkeys(r.pattern for statement in allowing for r in statement.resources))
    met = [pattern for pattern in patterns if globs.overlap(pattern, grant.pattern)]
    if any(globs.covers(pattern, grant.pattern) or not globs.covers(grant.pattern, pattern) for pattern in met):
        return [grant]
    pieces = []
    for pattern in met:
        reach = actions.reach(pattern)
        sure = grant.sure & reach.mask if reach.is_known else 0
        unsure = grant.unsure & reach.mask if reach.is_known else grant.held
        pieces.append(grant._replace(pattern=pattern, scope=reach.scope, sure=sure, unsure=unsure))
    return pieces


def _allowed(document: Document, holder: Holder, actions: Catalogue) -> Iterator[_Grant]:
    """What a document allows by itself, one for each resource of an Allow."""
    for statement in document.allows:
        yield from _allowed_by(statement, holder, actions)


def _allowed_by(statement: Statement, holder: Holder, actions: Catalogue) -> Iterator[_Grant]:
    if statement.is_everything_but:
        # How much "everything but these" leaves is a question about resources, so nothing is sure.
        yield _Grant("*", "all", statement, statement.has_condition, sure=0, unsure=statement.actions)
        return
    for resource in statement.resources:
        if resource.needs_user and not holder.is_user:
            continue  # a variable without a value voids the statement
        reach = actions.reach(resource.pattern)
        mask = statement.actions & reach.mask
        yield _Grant(
            resource.pattern,
            "self" if resource.is_self or _is_own(resource.pattern, holder) else reach.scope,
            statement,
            statement.has_condition or resource.has_variable,
            sure=mask if reach.is_known else 0,
            unsure=0 if reach.is_known else mask,
        )


def _is_own(pattern: str, holder: Holder) -> bool:
    found = IDENTITY_ARN.fullmatch(pattern) if holder.own else None
    return found is not None and holder.own == f"{found[1]}:{found[2]}"


def _within(grant: _Grant, bound: Iterable[Document], actions: Catalogue) -> _Grant:
    """What the bound leaves of a grant; what it never mentions is gone."""
    held = grant.held
    sure = 0
    unsure = 0
    for document in bound:
        for statement in document.allows:
            certain, possible = _applies(statement, grant.pattern, held, actions)
            sure |= certain
            # A permission that nobody knows is not known to be out of bounds either.
            unsure |= possible | (held & actions.unknown)
    return _left(grant, grant.sure & sure, grant.part & sure, held & (sure | unsure))


def _without(grant: _Grant, deny: Statement, actions: Catalogue, *, is_sure: bool = True) -> _Grant:
    held = grant.held
    if not held & deny.actions:
        return grant
    gone, doubtful = _applies(deny, grant.pattern, held, actions)
    if not is_sure:
        gone, doubtful = 0, gone | doubtful
    narrowed = 0
    if grant.scope == "all" and doubtful:
        narrowed = _narrowed(deny, grant.pattern, doubtful, actions)
        doubtful &= ~narrowed
    lost = gone | doubtful
    return _left(grant, grant.sure & ~lost & ~narrowed, ((grant.sure & narrowed) | grant.part) & ~lost, held & ~gone)


def _left(grant: _Grant, sure: int, part: int, held: int) -> _Grant:
    if (sure, part, held) == (grant.sure, grant.part, grant.held):
        return grant
    return grant._replace(sure=sure, part=part, unsure=held & ~sure & ~part)


def _spares_the_one_region(condition: Condition) -> bool:
    return (
        condition.key == _REGION
        and condition.operator in _OTHER_THAN
        and any(globs.matches(value, region) for value in condition.values for region in _ONE_REGION)
    )


def _narrowed(deny: Statement, pattern: str, doubtful: int, actions: Catalogue) -> int:
    """Of the actions that a Deny may take away on all resources: those of which it leaves some, whatever else holds."""
    if deny.is_everything_but:
        return 0
    reaches = [actions.reach(r.pattern) for r in deny.resources if globs.overlap(r.pattern, pattern)]
    if all(reach.is_known and reach.scope != "all" for reach in reaches):
        return doubtful
    # Whoever asks chooses the region, but for services that answer in one region only.
    spares_regions = any(c.key == _REGION and c.operator in _OTHER_THAN and c.values for c in deny.conditions)
    return doubtful & ~actions.in_one_region if spares_regions else 0


def _applies(statement: Statement, pattern: str, held: int, actions: Catalogue) -> tuple[int, int]:
    """Of the actions held on `pattern`: those to which the statement applies for certain, and those to which it may."""
    bits = held & statement.actions
    if not statement.allows and any(_spares_the_one_region(condition) for condition in statement.conditions):
        bits &= ~actions.in_one_region
    if not bits:
        return 0, 0
    if statement.is_everything_but:
        is_open = statement.has_condition or any(r.has_variable or r.needs_user for r in statement.resources)
        if any(globs.covers(r.pattern, pattern) for r in statement.resources):
            return (0, bits) if is_open else (0, 0)
        if is_open:
            return 0, bits
        if not any(globs.overlap(r.pattern, pattern) for r in statement.resources):
            return bits, 0
        reaches = [actions.reach(r.pattern) for r in statement.resources]
        if not all(reach.is_known for reach in reaches):
            return 0, bits
        spared = 0
        for reach in reaches:
            spared |= reach.mask
        return bits & ~spared, bits & spared
    certain = 0
    possible = 0
    for resource in statement.resources:
        reach = actions.reach(resource.pattern)
        met = bits & reach.mask if reach.is_known else bits
        is_open = statement.has_condition or resource.has_variable or resource.needs_user
        if not is_open and globs.covers(resource.pattern, pattern):
            certain |= met
        elif globs.overlap(resource.pattern, pattern):
            possible |= met
    return certain, possible & ~certain


# From and to tables


class Documents:
    """The policies of a scan, each distinct text read once."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self.actions: Final = catalogue()
        self._documents: dict[int, Document] = {}
        self.names: Final[dict[int, str]] = {}
        self._limits: dict[tuple[Any, ...], Limit] = {}
        self._standing: dict[tuple[Document, aws_principals.Decided], Document] = {}
        read: dict[str | None, Document] = {}
        found = con.execute(
            "select policy_key, name, document from policies where provider = 'aws' order by policy_key"
        )
        while batch := found.fetchmany(_BATCH):
            for key, name, text in batch:
                if text not in read:
                    read[text] = parse(text, self.actions)
                self._documents[key] = read[text]
                self.names[key] = name

    def __getitem__(self, policy_key: int) -> Document:
        return self._documents.get(policy_key) or Document((), "not collected")

    def items(self) -> Iterable[tuple[int, Document]]:
        return self._documents.items()

    def standing(self, policy_key: int, decided: aws_principals.Decided) -> Document:
        """The policy as it stands for those of whom this is decided."""
        document = self[policy_key]
        conditions = set(aws_principals.asked(document)) if decided else ()
        if not conditions:
            return document
        relevant = frozenset(outcome for outcome in decided if outcome[0] in conditions)
        if (document, relevant) not in self._standing:
            self._standing[document, relevant] = aws_principals.standing(document, dict(relevant))
        return self._standing[document, relevant]

    def own(self, combination: Combination) -> list[Document]:
        """The identity's and its groups' policies, as `bindings` has them."""
        if combination.holder.is_root:
            return [everything(self.actions)]
        return [self.standing(binding.policy_key, combination.decided) for binding in combination.bindings]

    def boundary(self, combination: Combination) -> Document | None:
        return self.standing(combination.boundary.policy_key, combination.decided) if combination.boundary else None

    def limit(self, combination: Combination) -> Limit:
        """Equal ones are one object."""
        decided = combination.decided
        boundary = self.boundary(combination)
        scps, rcps = (
            tuple(tuple(self.standing(key, decided) for key in level) for level in levels.policies)
            for levels in combination.limits
        )
        were_scps_read = combination.limits.scps.was_read
        key = (boundary, scps, rcps, were_scps_read)
        if key not in self._limits:
            self._limits[key] = limit(
                self.actions,
                boundary=boundary,
                scps=scps,
                rcps=[rcp for level in rcps for rcp in level],
                were_scps_read=were_scps_read,
            )
        return self._limits[key]


class Combination(NamedTuple):
    """Policies that some identities have in common, with whatever else decides what they may do.

    `limits`: what limits them besides the boundary, by the keys of the policies. `decided`: what conditions on who asks
    come to for them, in all of these.
    """

    number: int
    holder: Holder
    bindings: tuple[Binding, ...]
    boundary: Binding | None
    limits: aws_limits.Limits
    decided: aws_principals.Decided = frozenset()

    @property
    def policies(self) -> list[int]:
        """The keys of all that has a say."""
        above = [key for levels in self.limits for level in levels.policies for key in level]
        return [binding.policy_key for binding in (*self.bindings, *filter(None, [self.boundary]))] + above


def combinations(con: duckdb.DuckDBPyConnection, documents: Documents, *, wanted: str) -> list[Combination]:
    """Distinct combinations of the identities that the query `wanted` names by key.

    Leaves the temporary table aws_holders (identity_key, combination) behind for the join back.
    """
    named = [
        (key, f"aws:{account}:{name}")
        for key, document in documents.items()
        for account, name in sorted(set(named_identities(document)))
    ]
    insert_rows(con, "aws_named", (("policy_key", "bigint"), ("identity_id", "varchar")), [named])
    by_tenant = aws_limits.by_tenant(con)
    kinds = [aws_limits.Limits(), *sorted(set(by_tenant.values()) - {aws_limits.Limits()})]
    numbers = {limits: number for number, limits in enumerate(kinds)}
    limited = [(tenant_id, numbers[limits]) for tenant_id, limits in by_tenant.items()]
    insert_rows(con, "aws_limited", (("tenant_id", "varchar"), ("limits", "bigint")), [limited])
    con.execute(statements.sql("nhiscan.resolve", "aws_iam_combinations").replace("$wanted", wanted))
    numbered = {
        number: Binding(policy_key, via_key, role == "boundary")
        for number, role, policy_key, via_key in con.execute(
            "select binding, role, policy_key, via_key from aws_bindings"
        ).fetchall()
    }
    found = con.execute(
        "select combination, is_user, is_root, own, limits, bindings from aws_combinations order by combination"
    ).fetchall()
    con.execute("drop table aws_named; drop table aws_limited; drop table aws_bindings; drop table aws_combinations")
    shared = []
    for number, is_user, is_root, own, limits, held in found:
        bindings = [numbered[each] for each in dict.fromkeys(held)]
        boundaries = [b for b in bindings if b.is_boundary]
        shared.append(
            Combination(
                number,
                Holder(is_user=is_user, is_root=is_root, own=own),
                tuple(b for b in bindings if not b.is_boundary),
                boundaries[0] if boundaries else None,
                kinds[limits],
            )
        )
    return _told_apart(con, documents, shared)


def _told_apart(
    con: duckdb.DuckDBPyConnection, documents: Documents, shared: Sequence[Combination]
) -> list[Combination]:
    """Those among them whose policies ask who it is, apart by the answers."""
    wanted = {}
    for combination in shared:
        conditions = aws_principals.conditions_of(documents[key] for key in combination.policies)
        if conditions:
            wanted[combination.number] = conditions
    if not wanted:
        return list(shared)
    decided = dict(aws_principals.decide(con, wanted))
    numbers: dict[tuple[int, aws_principals.Decided], int] = {}
    by_number = {combination.number: combination for combination in shared}
    moved = []
    for identity_key, number in con.execute(
        "select identity_key, combination from aws_holders order by identity_key"
    ).fetchall():
        if outcome := decided.get(identity_key):
            new = numbers.setdefault((number, outcome), len(shared) + len(numbers) + 1)
            moved.append((identity_key, new))
    insert_rows(con, "aws_moved", (("identity_key", "bigint"), ("combination", "bigint")), [moved])
    con.execute(
        "create or replace temp table aws_holders as "
        "select h.identity_key, coalesce(m.combination, h.combination) as combination "
        "from aws_holders h left join aws_moved m using (identity_key); drop table aws_moved"
    )
    apart = [by_number[old]._replace(number=new, decided=outcome) for (old, outcome), new in numbers.items()]
    left = {number for (number,) in con.execute("select distinct combination from aws_holders").fetchall()}
    return [combination for combination in (*shared, *apart) if combination.number in left]


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Writes `privileges` of every AWS identity; groups have none of their own, their members have them."""
    documents = Documents(con)
    wanted = "select identity_key from identities where provider = 'aws' and kind not in ('group', 'delegated_admin')"
    found = combinations(con, documents, wanted=wanted)
    columns = (
        ("combination", "bigint"),
        ("verb", "varchar"),
        ("scope", "varchar"),
        ("certainty", "varchar"),
        ("level", "bigint"),
        ("policy_key", "bigint"),
        ("via_key", "bigint"),
        ("statement", "varchar"),
        ("considered", "varchar"),
    )
    insert_rows(con, "aws_rows", columns, batched(_rows(found, documents)))
    con.execute(statements.sql("nhiscan.resolve", "aws_iam_privileges"))
    con.execute("drop table aws_rows; drop table aws_holders")


def _rows(found: Iterable[Combination], documents: Documents) -> Iterator[tuple[Any, ...]]:
    known: dict[tuple[Any, ...], list[Privilege]] = {}
    weighed: dict[aws_limits.Limits, list[str]] = {}
    for combination in found:
        own = documents.own(combination)
        limits = documents.limit(combination)
        same = (*map(id, own), id(limits), combination.holder)
        if same not in known:
            known[same] = evaluate(own, limits, combination.holder, documents.actions)
        if combination.limits not in weighed:
            weighed[combination.limits] = list(_weighed(combination.limits, documents))
        considered = "; ".join([*_considered(combination, documents), *weighed[combination.limits]])
        for row in known[same]:
            source = None
            if row.source is not None and not combination.holder.is_root:
                source = combination.bindings[row.source]
            yield (
                combination.number,
                row.verb,
                row.scope,
                row.certainty,
                row.level,
                source.policy_key if source else None,
                source.via_key if source else None,
                row.statement if source else None,
                considered,
            )


def _considered(combination: Combination, documents: Documents) -> list[str]:
    every = (*combination.bindings, *([combination.boundary] if combination.boundary else []))
    denying = [b for b in every if documents[b.policy_key].denies]
    if combination.holder.is_root:
        parts = ["the account's root user"]
    else:
        parts = [f"denies in {listed(documents.names[b.policy_key] for b in denying)}" if denying else "no denies"]
        if combination.boundary:
            parts.append(f"boundary {documents.names.get(combination.boundary.policy_key, 'not collected')}")
        else:
            parts.append("no boundary")
    parts += [
        f"policy {documents.names.get(b.policy_key, 'not collected')} could not be read: {problem}"
        for b in every
        if (problem := documents[b.policy_key].problem)
    ]
    return parts


def _weighed(limits: aws_limits.Limits, documents: Documents) -> Iterator[str]:
    unread = []
    for words, levels in (("SCPs", limits.scps), ("RCPs", limits.rcps)):
        policies = list(dict.fromkeys(key for level in levels.policies for key in level))
        limiting = [key for key in policies if not _lets_all_through(documents[key], documents.actions)]
        if limiting:
            yield f"{words} {listed(documents.names[key] for key in limiting)} weighed"
        if not levels.was_read:
            unread.append(f"all {words}" if policies else words)
        for key in policies:
            if problem := documents[key].problem:
                yield f"{words[:-1]} {documents.names[key]} could not be read: {problem}"
    if unread:
        yield f"{' and '.join(unread)} not read"


def _lets_all_through(document: Document, actions: Catalogue) -> bool:
    """As FullAWSAccess and RCPFullAWSAccess do, which AWS attaches everywhere: not worth a word."""
    if document.problem or document.denies:
        return False
    return any(
        statement.actions & actions.everything == actions.everything
        and not statement.has_condition
        and any(globs.is_everything(resource.pattern) for resource in statement.resources)
        for statement in document.allows
    )
