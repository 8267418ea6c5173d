"""Edges of AWS identities on their way into `access_edges`: who holds them, the targets, and the hubs between.

Identities that hold the same policies in the same account have the same edges, and many have the same targets. So an
edge is said once for all who share it, and several targets at once; only here it becomes rows. Whom many share and
what leads to many meets at a hub, so that no pair of them is ever a row.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Container, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, TypeAlias

import duckdb

from nhiscan import statements
from nhiscan.resolve import aws_iam
from nhiscan.resolve.aws_actions import Catalogue
from nhiscan.resolve.aws_policy import Document, Statement
from nhiscan.resolve.aws_targets import Question, Rights
from nhiscan.resolve.privilege_rows import batched, insert_rows

_ACCOUNT: Final = re.compile(r"arn:[^:]*:iam::(\d{12}):")


class Held(NamedTuple):
    """All who hold one combination of policies in one account."""

    combination: int
    account: str


# Those who gain: everybody of a combination, or some by key.
Callers: TypeAlias = Held | tuple[int, ...]


class Way(NamedTuple):
    """What an edge says of itself, the same for all on both of its ends."""

    kind: str
    certainty: str
    name: str  # of the hub, should there be one
    is_rewriting: bool = False
    path_id: str | None = None


class Reason(NamedTuple):
    """Why the callers have it."""

    policy_key: int | None
    statement: str | None
    evidence: str


class Target(NamedTuple):
    identity_key: int
    evidence: str = ""
    resource_key: int | None = None


@dataclass
class Edges:
    """What was said, until it is written."""

    _ways: dict[tuple[Way, Any], tuple[Sequence[Target], list[tuple[Callers, Reason]]]] = field(default_factory=dict)

    def say(self, way: Way, callers: Callers, reason: Reason, same: Any, targets: Callable[[], list[Target]]) -> None:
        """`same`: equal for equal targets, which are only asked for once."""
        if (way, same) not in self._ways:
            self._ways[way, same] = (targets(), [])
        self._ways[way, same][1].append((callers, reason))

    def write(self, con: duckdb.DuckDBPyConnection, counts: dict[Held, int]) -> None:
        """Needs the temporary table aws_callers (identity_key, combination, account)."""
        ((lowest,),) = con.execute("select coalesce(min(hub_key), 0) from access_hubs").fetchall()
        hubs = 0
        ways: list[tuple[Any, ...]] = []
        held: list[tuple[Any, ...]] = []
        known: list[tuple[Any, ...]] = []
        behind: list[tuple[Any, ...]] = []
        for number, ((way, _), (targets, holders)) in enumerate(self._ways.items()):
            callers = sum(counts.get(who, 0) if isinstance(who, Held) else len(who) for who, _ in holders)
            hub = None
            ends = [(target.identity_key, target.resource_key, target.evidence) for target in targets]
            if callers > 1 and len(targets) > 1:
                hubs += 1
                hub = lowest - hubs
                behind += [(number, *end) for end in ends]
                ends = [(hub, None, "")]
            ways.append((number, hub, *way))
            for who, reason in holders:
                for to_key, resource_key, more in ends:
                    evidence = f"{more}; {reason.evidence}" if more and reason.evidence else more or reason.evidence
                    said = (number, to_key, resource_key, reason.policy_key, reason.statement, evidence)
                    if isinstance(who, Held):
                        held.append((*who, *said))
                    else:
                        known += [(key, *said) for key in who]
        insert_rows(con, "aws_ways", _WAY, batched(iter(ways)))
        insert_rows(con, "aws_behind", (*_END, ("evidence", "varchar")), batched(iter(behind)))
        insert_rows(con, "aws_held", (*_HELD, *_SAID), batched(iter(held)))
        insert_rows(con, "aws_known", (("from_key", "bigint"), *_SAID), batched(iter(known)))
        con.execute(statements.sql("nhiscan.resolve", "aws_edges"))


_WAY: Final = (
    ("way", "bigint"),
    ("hub_key", "bigint"),
    ("kind", "varchar"),
    ("certainty", "varchar"),
    ("name", "varchar"),
    ("is_rewriting", "boolean"),
    ("path_id", "varchar"),
)
_END: Final = (("way", "bigint"), ("to_key", "bigint"), ("resource_key", "bigint"))
_HELD: Final = (("combination", "bigint"), ("account", "varchar"))
_SAID: Final = (*_END, ("policy_key", "bigint"), ("statement", "varchar"), ("evidence", "varchar"))


@dataclass
class Holders:
    """The callers of a scan by what they hold, and what that lets them do."""

    con: duckdb.DuckDBPyConnection
    documents: aws_iam.Documents
    combinations: dict[int, aws_iam.Combination]
    counts: dict[Held, int]
    _rights: dict[int, Rights] = field(default_factory=dict)
    _allowed: dict[int, int] = field(default_factory=dict)

    @property
    def actions(self) -> Catalogue:
        return self.documents.actions

    def rights(self, number: int) -> Rights:
        if number not in self._rights:
            self._rights[number] = rights_of(self.combinations[number], self.documents)
        return self._rights[number]

    def allowed(self, number: int) -> int:
        """Actions that some Allow of the combination names."""
        mask = 0
        for document in self.rights(number).documents:
            if id(document) not in self._allowed:
                self._allowed[id(document)] = allows(document)
            mask |= self._allowed[id(document)]
        return mask

    def assumes_only_in(self, number: int, accounts: Container[str]) -> bool:
        """Whether every role that the policies let be assumed is of one of the accounts."""
        return all(
            not statement.is_everything_but
            and (found := _ACCOUNT.match(resource.pattern)) is not None
            and found[1] in accounts
            for document in self.rights(number).documents
            for statement in document.statements
            if statement.allows and statement.actions & self.actions.assume_role
            for resource in statement.resources
        )

    def reason(self, number: int, question: Question, mask: int, action: str) -> Reason:
        """The first policy and statement that have a part in an answer."""
        combination = self.combinations[number]
        for binding in combination.bindings:
            statement = question.allowing(self.documents[binding.policy_key], mask, is_user=combination.holder.is_user)
            if statement is not None:
                return self._reason(binding, statement, action)
        return Reason(None, None, "")

    def first(self, number: int, action: str) -> Reason:
        """As `reason`, of an action on something that the caller chooses."""
        bits = self.actions.actions(action)
        for binding in self.combinations[number].bindings:
            for statement in self.documents[binding.policy_key].statements:
                if statement.allows and statement.actions & bits:
                    return self._reason(binding, statement, action)
        return Reason(None, None, "")

    def _reason(self, binding: aws_iam.Binding, statement: Statement, action: str) -> Reason:
        place = "everything but " if statement.is_everything_but else ""
        names = ", ".join(resource.text for resource in statement.resources[:1])
        if len(statement.resources) > 1:
            names += f" and {len(statement.resources) - 1} more"
        policy = self.documents.names.get(binding.policy_key) or "a policy"
        return Reason(binding.policy_key, statement.text, f"{action} on {place}{names} in {policy}")


def allows(document: Document) -> int:
    """Actions that some Allow of the document names."""
    mask = 0
    for statement in document.statements:
        if statement.allows:
            mask |= statement.actions
    return mask


def rights_of(combination: aws_iam.Combination, documents: aws_iam.Documents) -> Rights:
    scps = [
        tuple(documents.standing(key, combination.decided) for key in level)
        for level in combination.limits.scps.policies
    ]
    was_read = combination.limits.scps.was_read
    # A level of which a policy cannot be read leaves everything open.
    whole = [level for level in scps if was_read and not any(document.problem for document in level)]
    broken = [level for level in scps if level not in whole]
    return Rights(
        tuple(documents.own(combination)),
        documents.boundary(combination),
        tuple(whole),
        tuple(document for level in broken for document in level),
        combination.holder.is_user,
    )


def holders(con: duckdb.DuckDBPyConnection, documents: aws_iam.Documents, *, wanted: str) -> Holders:
    """Leaves the temporary table aws_callers (identity_key, combination, account) behind."""
    found = {each.number: each for each in aws_iam.combinations(con, documents, wanted=wanted)}
    con.execute(
        "create or replace temp table aws_callers as "
        "select h.identity_key, h.combination, split_part(i.tenant_id, ':', 2) as account "
        "from aws_holders h join identities i using (identity_key); drop table aws_holders"
    )
    counted = con.execute(
        "select combination, account, count(*) from aws_callers group by combination, account order by all"
    ).fetchall()
    return Holders(con, documents, found, {Held(number, account): count for number, account, count in counted})


def callers(con: duckdb.DuckDBPyConnection, wanted: Sequence[Held]) -> dict[Held, list[int]]:
    """The keys of those who hold one of these, in order."""
    insert_rows(con, "aws_wanted", _HELD, batched(iter([tuple(held) for held in wanted])))
    found: dict[Held, list[int]] = defaultdict(list)
    for number, account, key in con.execute(
        "select c.combination, c.account, c.identity_key from aws_callers c "
        "join aws_wanted w on w.combination = c.combination and w.account = c.account order by c.identity_key"
    ).fetchall():
        found[Held(number, account)].append(key)
    con.execute("drop table aws_wanted")
    return found


def rows_of(con: duckdb.DuckDBPyConnection, query: str, values: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
    found = con.execute(query, list(values))
    while batch := found.fetchmany(50_000):
        yield from batch
