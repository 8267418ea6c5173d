"""Who may assume which role of AWS, by both sides: what the caller's policies allow, and whom the role's trust lets in.

Whom a trust names is a pair and stays one. A trust in an account or in everybody is a set of roles, and so is what a
combination of policies allows: where they meet, a hub stands between all who hold the policies and all these roles.
An external id is a thing that the caller has to know, which nobody here does: such a way is conditional.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import duckdb

from nhiscan import statements
from nhiscan.resolve import aws_conditions, aws_limits
from nhiscan.resolve.aws_edges import Callers, Edges, Held, Holders, Reason, Target, Way, callers, rows_of
from nhiscan.resolve.aws_policy import Condition, Document
from nhiscan.resolve.aws_targets import NOTHING, Answer, Question, Targets
from nhiscan.resolve.privilege_rows import insert_rows
from nhiscan.resolve.verbs import CERTAINTIES

ACTION: Final = "sts:AssumeRole"
PATH: Final = "sts-001"
# Keys whose value is the caller's own; of the other known ones it is its account's.
_OF_CALLER: Final = ("aws:principalarn", "aws:username", "aws:principaltype", "aws:principaltag/")
_NO_SERVICE: Final = {"aws:principalisawsservice": ("false",)}


class _Trust(NamedTuple):
    """One statement and principal; `doubt`: a Deny or a condition may stand against it that is not read."""

    role: str
    principal: str
    conditions: tuple[Condition, ...]
    doubt: bool


@dataclass
class _Class:
    """Roles that let in the same, under the same conditions."""

    conditions: tuple[Condition, ...]
    doubt: bool
    roles: dict[str, str] = field(default_factory=dict)  # ARN -> principal as written
    mask: int = 0

    def tests(self) -> list[aws_conditions.Test]:
        return [aws_conditions.test(condition) for condition in self.conditions]

    def is_about_callers(self) -> bool:
        texts = [text.lower() for c in self.conditions for text in (c.key, *c.values)]
        return any(key in text for key in _OF_CALLER for text in texts)


@dataclass
class Assumed:
    """What the trusts in accounts and in everybody come to; for paths that need an assumable role besides."""

    targets: Targets
    found: dict[Held, list[tuple[Callers, Answer]]] = field(default_factory=lambda: defaultdict(list))


class _People:
    """What is known of callers: the values of condition keys."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con
        self._organizations = _organizations(con)
        self._tagged = {
            tenant_id.partition(":")[2]
            for (tenant_id,) in con.execute(
                "select tenant_id from coverage where dataset = 'identities.tags' "
                "and coalesce(original_status, status) = 'complete'"
            ).fetchall()
        }
        self._known: dict[int, dict[str, tuple[str, ...]]] = {}

    def of_account(self, account: str) -> dict[str, tuple[str, ...]]:
        values: dict[str, tuple[str, ...]] = {**_NO_SERVICE, "aws:principalaccount": (account,)}
        if account in self._organizations:
            values["aws:principalorgid"] = self._organizations[account]
        return values

    def of(self, keys: Iterable[int]) -> Mapping[int, Callable[[str], tuple[str, ...] | None]]:
        """How to look up the keys of each caller."""
        missing = [(key,) for key in keys if key not in self._known]
        insert_rows(self._con, "aws_asked", (("identity_key", "bigint"),), [missing])
        for key, identity_id, arn, name, account in rows_of(
            self._con,
            "select i.identity_key, i.identity_id, i.native_id, i.name, split_part(i.tenant_id, ':', 2) "
            "from identities i join aws_asked a using (identity_key)",
        ):
            is_user = identity_id.split(":", 2)[2].startswith("user/")
            self._known[key] = {
                **self.of_account(account),
                "aws:principalarn": (arn,),
                "aws:principaltype": ("User" if is_user else "AssumedRole",),
                "aws:username": (name,) if is_user else (),
            }
        for key, name, value in rows_of(
            self._con,
            "select t.identity_key, lower(t.name), t.value from tags t join aws_asked a using (identity_key)",
        ):
            self._known[key][f"aws:principaltag/{name}"] = (value,)
        self._con.execute("drop table aws_asked")
        return {key: self._lookup(self._known[key]) for key in keys}

    def _lookup(self, values: Mapping[str, tuple[str, ...]]) -> Callable[[str], tuple[str, ...] | None]:
        (account,) = values["aws:principalaccount"]

        def lookup(key: str) -> tuple[str, ...] | None:
            if key.startswith("aws:principaltag/") and key not in values:
                # A session may carry tags besides: a missing one is only missing where the caller is a user.
                return () if account in self._tagged and values["aws:principaltype"] == ("User",) else None
            return values.get(key)

        return lookup


def _organizations(con: duckdb.DuckDBPyConnection) -> dict[str, tuple[str, ...]]:
    """Account -> its organization's id, where an ARN of the organization's own policies tells it."""
    named = con.execute(
        "select distinct split_part(n.node_id, ':org_node/', 1), regexp_extract(p.native_id, '/(o-[a-z0-9]+)/', 1) "
        "from org_policies o join policies p using (policy_key) join org_nodes n using (node_id) order by all"
    ).fetchall()
    ids = {owner: organization for owner, organization in named if organization}
    nodes = con.execute(
        "select split_part(node_id, ':org_node/', 1), tenant_id from org_nodes where kind in ('account', 'root')"
    ).fetchall()
    return {tenant_id.partition(":")[2]: (ids[owner],) for owner, tenant_id in nodes if owner in ids}


def run(con: duckdb.DuckDBPyConnection, holders: Holders, edges: Edges) -> Assumed:
    """Says the edges through hubs, and writes those of callers that a trust names."""
    by_tenant = aws_limits.by_tenant(con)
    rcps = {
        tenant_id.partition(":")[2]: [holders.documents[key] for level in limits.rcps.policies for key in level]
        for tenant_id, limits in by_tenant.items()
        if limits.rcps.policies
    }
    people = _People(con)
    assumed = _let_in(con, holders, edges, people, rcps)
    _named(con, holders, people, rcps)
    return assumed


# Trusts in an account or in everybody


def _let_in(
    con: duckdb.DuckDBPyConnection,
    holders: Holders,
    edges: Edges,
    people: _People,
    rcps: Mapping[str, Sequence[Document]],
) -> Assumed:
    classes, accounts = _classes(con)
    targets = Targets(role for found in classes.values() for each in found for role in each.roles)
    keys = dict(
        con.execute(
            "select i.native_id, i.identity_key from identities i where i.identity_key in "
            "(select identity_key from trusts where mechanism = 'assume_role' and principal_kind in ('any', 'account'))"
        ).fetchall()
    )
    ends: dict[str | None, dict[str, Target]] = defaultdict(dict)
    for scope, found in classes.items():
        for each in found:
            each.mask = targets.mask(each.roles)
            for arn, principal in each.roles.items():
                ends[scope].setdefault(arn, Target(keys[arn], f"trust names {principal}"))
    in_account = {
        account: targets.mask(arn for arn in targets.arns if accounts[arn] == account)
        for account in set(accounts.values())
    }
    assumed = Assumed(targets)
    question = Question(targets, holders.actions.assume_role)
    everybody = 0
    for each in classes.get(None, ()):
        everybody |= each.mask
    about_callers = [
        held
        for held in holders.counts
        if any(each.is_about_callers() for scope in (held.account, None) for each in classes.get(scope, ()))
    ]
    members = callers(con, about_callers)
    same: dict[tuple[str, int, int], tuple[Answer, Answer, list[Held]]] = {}
    for held in holders.counts:
        rights = holders.rights(held.combination)
        own = in_account.get(held.account, 0) & everybody
        by_policy = question.answer(rights)
        # Who lets everybody in asks nobody of its own account for a permission.
        unasked = question.answer(rights, given=own, is_unbounded=True) if own else NOTHING
        if by_policy or unasked:
            same.setdefault((held.account, id(by_policy), id(unasked)), (by_policy, unasked, []))[2].append(held)
    for (account, _, _), (by_policy, unasked, helds) in same.items():
        own = in_account.get(account, 0) & everybody
        unasked = unasked.within(own)
        for limited, documents in rcps.items():
            denied = _under(question, documents, in_account.get(limited, 0), people.of_account(account))
            by_policy, unasked = _less(by_policy, denied), _less(unasked, denied)
        for scope, answer, label in (
            (account, by_policy, f"roles that trust the account {account}"),
            (None, by_policy.within(~own), "roles that trust everybody"),
            (None, unasked, f"roles of the account {account} that trust everybody"),
        ):
            for held, who, worth in _met(classes.get(scope, ()), answer, account, helds, people, members):
                assumed.found[held].append((who, worth))
                _say(edges, holders, question, held, who, worth, label, scope, ends[scope])
    return assumed


def _classes(con: duckdb.DuckDBPyConnection) -> tuple[dict[str | None, list[_Class]], dict[str, str]]:
    """The classes by account, None: of those that let everybody in; and the account of each role."""
    conditions = trust_conditions(con, "t.mechanism = 'assume_role' and t.principal_kind in ('any', 'account')")
    found: dict[str | None, dict[Any, _Class]] = defaultdict(dict)
    accounts: dict[str, str] = {}
    for trust_key, arn, account, kind, principal, of, doubt in rows_of(
        con,
        "select t.trust_key, i.native_id, split_part(i.tenant_id, ':', 2), t.principal_kind, t.principal, t.account, "
        "coalesce(t.has_other_conditions, false) from trusts t join identities i using (identity_key) "
        "where i.provider = 'aws' and t.mechanism = 'assume_role' and (t.principal_kind = 'any' "
        "or t.principal_kind = 'account' and t.account in (select distinct account from aws_callers)) "
        "order by i.native_id, t.principal, t.trust_key",
    ):
        asked = conditions.get(trust_key, ())
        scope = None if kind == "any" else of
        each = found[scope].setdefault((asked, doubt), _Class(asked, doubt))
        each.roles.setdefault(arn, principal)
        accounts[arn] = account
    return {scope: list(same.values()) for scope, same in found.items()}, accounts


def trust_conditions(con: duckdb.DuckDBPyConnection, which: str) -> dict[int, tuple[Condition, ...]]:
    """Of the trusts `t` that `which` picks, by key."""
    values: dict[int, dict[tuple[str, str], list[str]]] = defaultdict(lambda: defaultdict(list))
    for trust_key, operator, name, value in rows_of(
        con,
        "select c.trust_key, c.operator, c.name, c.value from trust_conditions c join trusts t using (trust_key) "
        f"where {which} order by all",
    ):
        values[trust_key][operator.lower(), name].append(value)
    return {
        trust_key: tuple(
            Condition(
                operator.rpartition(":")[2].removesuffix("ifexists"),
                name,
                tuple(texts),
                operator.rpartition(":")[0] or None,
                operator.endswith("ifexists"),
            )
            for (operator, name), texts in same.items()
        )
        for trust_key, same in values.items()
    }


def _met(
    classes: Sequence[_Class],
    answer: Answer,
    account: str,
    helds: Sequence[Held],
    people: _People,
    members: Mapping[Held, Sequence[int]],
) -> Iterator[tuple[Held, Callers, Answer]]:
    """What is left of an answer by the conditions of the trusts, for all or for those who meet them."""
    whole = NOTHING
    for each in classes:
        within = answer.within(each.mask)
        if not within:
            continue
        tests = each.tests()
        truth = aws_conditions.all_met(tests, people.of_account(account).get)
        if truth is False:
            continue
        if truth is True or not each.is_about_callers():
            whole = _surest(whole, _worth(within, truth, doubt=each.doubt))
            continue
        for held in helds:
            by_truth: dict[Answer, list[int]] = defaultdict(list)
            for key, lookup in people.of(members[held]).items():
                truth = aws_conditions.all_met(tests, lookup)
                if truth is not False:
                    by_truth[_worth(within, truth, doubt=each.doubt)].append(key)
            for worth, keys in by_truth.items():
                yield held, tuple(keys), worth
    if whole:
        for held in helds:
            yield held, held, whole


def _worth(answer: Answer, truth: aws_conditions.Truth, *, doubt: bool) -> Answer:
    if truth is True and not doubt:
        return answer
    if truth is True:
        return Answer(0, 0, answer.definite | answer.conditional | answer.potential)
    return Answer(0, answer.definite | answer.conditional, answer.potential)


def _surest(one: Answer, other: Answer) -> Answer:
    """What either allows."""
    definite = one.definite | other.definite
    conditional = (one.conditional | other.conditional) & ~definite
    return Answer(definite, conditional, (one.potential | other.potential) & ~definite & ~conditional)


def _less(answer: Answer, denied: tuple[int, int]) -> Answer:
    """`denied`: for certain, and perhaps."""
    sure, maybe = denied
    left = answer.within(~sure)
    doubtful = (left.definite | left.conditional) & maybe
    return Answer(left.definite & ~maybe, left.conditional & ~maybe, left.potential | doubtful)


def _under(
    question: Question, documents: Sequence[Document], mask: int, known: Mapping[str, tuple[str, ...]]
) -> tuple[int, int]:
    """Of the targets in the mask, those that resource control policies deny."""
    sure, maybe = 0, 0
    for document in documents:
        denied = Question(question.targets, question.action, known).denied(document)
        sure |= denied[0] & mask
        maybe |= denied[1] & mask
    return sure, maybe & ~sure


def _say(
    edges: Edges,
    holders: Holders,
    question: Question,
    held: Held,
    who: Callers,
    worth: Answer,
    label: str,
    scope: str | None,
    ends: Mapping[str, Target],
) -> None:
    for certainty, mask in worth.by_certainty():
        reason = holders.reason(held.combination, question, mask, ACTION)
        if reason.policy_key is None:
            reason = Reason(None, None, "which needs no permission in its own account")

        def targets(mask: int = mask) -> list[Target]:
            return [ends[arn] for arn in question.targets.members(mask)]

        edges.say(Way("may-assume", certainty, label, path_id=PATH), who, reason, ("assume", scope, mask), targets)


# Trusts that name a user, a role or its session


def _named(
    con: duckdb.DuckDBPyConnection, holders: Holders, people: _People, rcps: Mapping[str, Sequence[Document]]
) -> None:
    free = [(number,) for number in holders.combinations if _is_free(holders, number)]
    insert_rows(con, "assume_free", (("combination", "bigint"),), [free])
    insert_rows(con, "assume_limited", (("account", "varchar"),), [[(account,) for account in sorted(rcps)]])
    con.execute(statements.sql("nhiscan.resolve", "paths_assume"))
    left = con.execute(
        "select trust_key, principal, role_key, role_arn, role_account, caller_key, combination, account, is_session, "
        "doubt from assume_named order by all"
    ).fetchall()
    con.execute("drop table assume_free; drop table assume_limited; drop table assume_named")
    if not left:
        return
    conditions = trust_conditions(con, "t.mechanism = 'assume_role' and t.principal_kind = 'identity'")
    targets = Targets(row[3] for row in left)
    question = Question(targets, holders.actions.assume_role)
    found = people.of({row[5] for row in left})
    answers: dict[tuple[int, str, bool], Answer] = {}
    best: dict[tuple[int, int], tuple[int, tuple[Any, ...]]] = {}
    for trust_key, principal, role_key, arn, role_account, caller, number, account, is_session, doubt in left:
        is_near = account == role_account
        bit = targets.bit(arn)
        asked = (number, arn, is_near)
        if asked not in answers:
            rights = holders.rights(number)
            # What a trust gives to a user by name is not limited by a boundary that is silent; to a role it is.
            given = bit if is_near else 0
            answers[asked] = question.answer(rights, given=given, is_unbounded=is_near and rights.is_user).within(bit)
        answer = answers[asked]
        if role_account in rcps:
            answer = _less(answer, _under(question, rcps[role_account], bit, people.of_account(account)))
        tests = [aws_conditions.test(condition) for condition in conditions.get(trust_key, ())]
        truth = aws_conditions.all_met(tests, found[caller])
        if truth is False or not answer:
            continue
        if is_session and truth is True:
            truth = frozenset({"sts:rolesessionname"})
        ((certainty, _),) = _worth(answer, truth, doubt=doubt).by_certainty()
        reason = holders.reason(number, question, bit, ACTION)
        evidence = "; ".join(filter(None, (f"trust names {principal}", reason.evidence)))
        row = (caller, role_key, certainty, reason.policy_key, reason.statement, evidence)
        rank = CERTAINTIES.index(certainty)
        if (caller, role_key) not in best or best[caller, role_key][0] < rank:
            best[caller, role_key] = (rank, row)
    columns = (
        ("from_key", "bigint"),
        ("to_key", "bigint"),
        ("certainty", "varchar"),
        ("policy_key", "bigint"),
        ("statement", "varchar"),
        ("evidence", "varchar"),
    )
    insert_rows(con, "assume_rows", columns, [[row for _, row in best.values()]])
    con.execute(
        "insert into access_edges select from_key, to_key, 'may-assume', certainty, false, ?, null, policy_key, "
        "statement, evidence from assume_rows",
        [PATH],
    )
    con.execute("drop table assume_rows")


def _is_free(holders: Holders, number: int) -> bool:
    """Whether nothing that the callers hold can stand against a trust that names them."""
    rights = holders.rights(number)
    if rights.levels or rights.boundary:
        return False
    return not any(
        document.problem or any(deny.actions & holders.actions.assume_role for deny in document.denies)
        for document in rights.every()
    )
