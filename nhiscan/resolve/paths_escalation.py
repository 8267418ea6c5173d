"""Escalation paths of the AWS collector's escalation.toml, each weighed on the targets that are really there.

A path needs all of its actions, on targets that fit: a role to pass has to trust the service, a workload has to run as
a role, a group has to hold an administrator's rights. Whose rights can be rewritten becomes an administrator only
within its own boundary, denies and organization policies. Where a kind of workload is not read, roles that could be
its are potential targets.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any, Final

import duckdb

from nhiscan.resolve import aws_conditions, aws_iam, escalation
from nhiscan.resolve.aws_edges import Callers, Edges, Held, Holders, Target, Way, allows, callers, rights_of, rows_of
from nhiscan.resolve.aws_policy import Document
from nhiscan.resolve.aws_targets import NOTHING, Answer, Question, Targets, somewhere
from nhiscan.resolve.escalation import Path
from nhiscan.resolve.paths_assume import ACTION, Assumed, trust_conditions
from nhiscan.resolve.privilege_rows import batched, insert_rows
from nhiscan.resolve.verbs import CERTAINTIES

PASS_ROLE: Final = "iam:PassRole"  # noqa: S105 - an action
# What AWS itself keeps: nobody else can pass it, or write its policies.
_KEPT: Final = ("aws-service-role/", "aws-reserved/")
_MOST_KEYS: Final = 2  # access keys that a user can have
# Where the caller chooses what to attach, it chooses this.
_ADMINISTRATOR: Final = {"iam:policyarn": ("arn:aws:iam::aws:policy/AdministratorAccess",)}


def actions() -> tuple[str, ...]:
    """One action of each path without which it cannot be walked, the rarest."""
    found = [[a for a, _ in path.requires if a not in (PASS_ROLE, ACTION)] for path in escalation.read("aws").values()]
    return tuple(dict.fromkeys(each[0] for each in found if each))


@dataclass
class _Account:
    """Targets of one account; `keys`: ARN -> key of the identity or resource."""

    roles: Targets
    users: Targets
    groups: Targets
    policies: Targets  # customer managed
    own_policies: dict[int, str]  # their ARNs
    keys: dict[str, int]
    trusting: dict[str, Answer]  # by service
    attached: dict[str, int]  # policy -> roles that have it
    workloads: dict[str, Targets]  # by kind
    runs_as: dict[str, str]  # workload -> role
    are_workloads_read: bool
    users_by_state: dict[str, Answer]


class Escalation:
    """Weighs every path for every combination of policies and account."""

    def __init__(self, con: duckdb.DuckDBPyConnection, holders: Holders, edges: Edges, assumed: Assumed) -> None:
        self._con = con
        self._holders = holders
        self._edges = edges
        self._assumed = assumed
        self._paths = escalation.read("aws")
        bits = self._holders.actions.actions
        self._needed = {
            path_id: reduce(int.__or__, (bits(action) for action, _ in path.requires))
            for path_id, path in self._paths.items()
            if path.gains != "plain"
        }
        self._questions: dict[tuple[Any, ...], Question] = {}
        self._somewhere: dict[tuple[int, str], str | None] = {}
        self._administrators: dict[tuple[Any, ...], str | None] = {}
        self._limited: dict[tuple[int, int | None], str | None] = {}
        self._rewritables: dict[int, Answer] = {}
        self._of_workloads: dict[tuple[int, str], str | None] = {}
        self._later: list[tuple[Path, Held, Answer]] = []
        # Who is an administrator if something is so: a way that depends on something says no more.
        self._perhaps: set[int] = set()

    def run(self) -> None:
        candidates = self._candidates()
        if not candidates:
            return
        self._accounts = _accounts(self._con, sorted({held.account for held in candidates}))
        own = [
            held for held, paths in candidates.items() if any(path.gains in ("own-rights", "group") for path in paths)
        ]
        self._members = callers(self._con, own)
        self._identities = _identities(self._con, own)
        self._groups = _groups(self._con, own)
        self._group_policies = _group_policies(self._con)
        self._numbers = self._combinations_of_targets(candidates)
        for held, paths in candidates.items():
            for path in paths:
                self._weigh(path, held)
        self._weigh_assumed()

    def _candidates(self) -> dict[Held, tuple[Path, ...]]:
        """Those who hold every action of a path and are no administrators, with these paths."""
        administrators: set[int] = set()
        for number, certainty in self._con.execute(
            "select distinct c.combination, p.certainty from aws_callers c join privileges p using (identity_key) "
            "where p.verb = 'admin'"
        ).fetchall():
            (administrators if certainty == "definite" else self._perhaps).add(number)
        every = reduce(int.__or__, self._needed.values(), 0)
        by_actions: dict[int, tuple[Path, ...]] = {}
        found = {}
        for held in self._holders.counts:
            if held.combination in administrators:
                continue
            allowed = self._holders.allowed(held.combination) & every
            if allowed not in by_actions:
                by_actions[allowed] = tuple(
                    self._paths[path_id] for path_id, need in self._needed.items() if allowed & need == need
                )
            if by_actions[allowed]:
                found[held] = by_actions[allowed]
        return found

    def _combinations_of_targets(self, candidates: dict[Held, tuple[Path, ...]]) -> dict[int, int]:
        """Identity -> combination, where rights of others are rewritten or a workload's role has to hold some."""
        accounts = {
            held.account
            for held, paths in candidates.items()
            if any(path.needs or path.gains in ("role-rights", "user-rights") for path in paths)
        }
        keys = [
            (found.keys[arn],)
            for found in (self._accounts[account] for account in sorted(accounts))
            for arn in (*found.roles.arns, *found.users.arns)
        ]
        if not accounts:
            return {}
        insert_rows(self._con, "aws_gained", (("identity_key", "bigint"),), batched(iter(keys)))
        wanted = (
            "select i.identity_key from identities i join aws_gained g using (identity_key) "
            "where i.provider = 'aws' and i.kind <> 'group'"
        )
        self._of_targets = {
            each.number: each for each in aws_iam.combinations(self._con, self._holders.documents, wanted=wanted)
        }
        numbers = dict(self._con.execute("select identity_key, combination from aws_holders").fetchall())
        self._con.execute("drop table aws_holders; drop table aws_gained")
        return numbers

    # One path

    def _weigh(self, path: Path, held: Held) -> None:
        account = self._accounts[held.account]
        cap = "conditional" if path.doubt else "definite"
        for action in path.actions_on("anything"):
            found = self._anywhere(held.combination, action)
            if found is None:
                return
            cap = _less_sure(cap, found)
        match path.gains:
            case "passed-role":
                self._pass(path, held, account, "potential" if path.workload else cap)
            case "workload-role":
                self._run_as(path, held, account, cap)
            case "user":
                self._become_user(path, held, account, cap)
            case "own-rights":
                self._rewrite_own(path, held, account)
            case "group":
                self._join(path, held, account)
            case _:
                self._write(path, held, account)

    def _pass(self, path: Path, held: Held, account: _Account, cap: str) -> None:
        for service in path.services:
            trusting = account.trusting.get(service, NOTHING)
            question = self._question(account.roles, PASS_ROLE, {"iam:passedtoservice": (service,)})
            answer = _capped(question.answer(self._holders.rights(held.combination)).both(trusting), cap)
            self._say(
                path,
                held,
                answer,
                (question, PASS_ROLE),
                ("roles", held.account, service),
                _each(account.roles, account.keys, f"trusts {service}"),
                f"roles that may be passed to {service}",
            )

    def _run_as(self, path: Path, held: Held, account: _Account, cap: str) -> None:
        kind = path.workload or ""
        rights = self._holders.rights(held.combination)
        acting = path.actions_on("workload")
        found = 0
        if path.is_workload_read:
            targets = account.workloads.get(kind)
            if targets is not None:
                answer = reduce(Answer.both, (self._question(targets, action).answer(rights) for action in acting))
                for action in path.needs:
                    answer = answer.both(self._running_with(account, targets, action))
                found = account.roles.mask(account.runs_as[arn] for arn in targets.members(answer.definite))
                self._say(
                    path,
                    held,
                    _capped(answer, cap),
                    (self._question(targets, acting[0]), acting[0]),
                    (kind, held.account),
                    lambda mask: [
                        Target(account.keys[account.runs_as[arn]], f"{arn} runs as it", account.keys[arn])
                        for arn in targets.members(mask)
                    ],
                    f"roles of workloads of the kind {kind}",
                )
            if account.are_workloads_read:
                return
        if any(self._anywhere(held.combination, action) is None for action in acting):
            return
        for service in path.services:
            possible = account.trusting.get(service, NOTHING)
            self._say(
                path,
                held,
                _capped(possible.within(~found), "potential"),
                (None, acting[0]),
                ("roles", held.account, service),
                _each(account.roles, account.keys, f"trusts {service}; which {kind} runs as it is not read"),
                f"roles that trust {service}",
            )

    def _running_with(self, account: _Account, targets: Targets, action: str) -> Answer:
        """Workloads whose role is allowed the action."""
        bits = self._holders.actions.actions(action)
        arns: dict[str, list[str]] = defaultdict(list)
        for arn in targets.arns:
            number = self._numbers.get(account.keys[account.runs_as[arn]])
            if number is not None:
                combination = self._of_targets[number]
                key = (number, action)
                if key not in self._of_workloads:
                    rights = rights_of(combination, self._holders.documents)
                    self._of_workloads[key] = somewhere(rights, bits, self._holders.actions, {})
                found = self._of_workloads[key]
                if found is not None:
                    arns[found].append(arn)
        return _answer(targets, arns)

    def _become_user(self, path: Path, held: Held, account: _Account, cap: str) -> None:
        rights = self._holders.rights(held.combination)
        acting = path.actions_on("user")
        answer = reduce(Answer.both, (self._question(account.users, action).answer(rights) for action in acting))
        if path.user is not None:
            answer = answer.both(account.users_by_state[path.user])
        self._say(
            path,
            held,
            _capped(answer, cap),
            (self._question(account.users, acting[0]), acting[0]),
            ("users", held.account),
            _each(account.users, account.keys, ""),
            "users whose credentials may be made",
        )

    def _write(self, path: Path, held: Held, account: _Account) -> None:
        """Trust policies, and the rights of roles and users."""
        rights = self._holders.rights(held.combination)
        is_user = path.gains == "user-rights"
        targets = account.users if is_user else account.roles
        answers = [
            self._question(targets, action, _ADMINISTRATOR).answer(rights)
            for action in path.actions_on("user" if is_user else "role")
        ]
        if path.actions_on("policy-of-role"):
            (action,) = path.actions_on("policy-of-role")
            asked = self._question(account.policies, action)
            answers.append(_over_attached(account, asked.answer(rights)))
        answer = reduce(Answer.both, answers)
        if not is_user and not path.actions_on("assumed-role"):
            # Whoever lets itself in is named, and then only what is denied to it can stop it.
            entering = self._question(targets, ACTION)
            answer = answer.both(entering.answer(rights, given=targets.everything, is_unbounded=rights.is_user))
        if answer and path.is_rewriting:
            answer = answer.both(self._rewritable(account, targets))
        if not answer:
            return
        if path.actions_on("assumed-role"):
            self._later.append((path, held, answer))
            return
        self._say(
            path,
            held,
            answer,
            self._main(path, account, is_user=is_user),
            ("users" if is_user else "roles", held.account),
            _each(targets, account.keys, ""),
            "users whose rights may be written" if is_user else "roles whose policies may be written",
        )

    def _main(self, path: Path, account: _Account, *, is_user: bool = False) -> tuple[Question | None, str]:
        """The question whose allowing statement is shown."""
        action, place = path.requires[0]
        if place == "policy-of-role":
            return None, action
        return self._question(account.users if is_user else account.roles, action, _ADMINISTRATOR), action

    def _rewritable(self, account: _Account, targets: Targets) -> Answer:
        """Whom an Allow of everything makes an administrator within its own limits."""
        if id(targets) not in self._rewritables:
            arns: dict[str, list[str]] = defaultdict(list)
            for arn in targets.arns:
                number = self._numbers.get(account.keys[arn])
                found = None if number is None else self._within_limits(self._of_targets[number])
                if found is not None:
                    arns[found].append(arn)
            self._rewritables[id(targets)] = _answer(targets, arns)
        return self._rewritables[id(targets)]

    def _within_limits(self, combination: aws_iam.Combination, *, but: int | None = None) -> str | None:
        """How surely all that limits the holders leaves an administrator; `but`: a policy that is rewritten."""
        asked = (id(combination), but)
        if asked not in self._limited:
            self._limited[asked] = self._left_by_limits(combination, but)
        return self._limited[asked]

    def _left_by_limits(self, combination: aws_iam.Combination, but: int | None) -> str | None:
        documents = self._holders.documents
        limits = documents.limit(combination)
        denies = tuple(
            deny for b in combination.bindings if b.policy_key != but for deny in documents[b.policy_key].denies
        )
        problem = any(documents[b.policy_key].problem for b in combination.bindings if b.policy_key != but)
        key = (tuple(map(id, denies)), id(limits), combination.holder.is_user, problem)
        if key not in self._administrators:
            own = [aws_iam.everything(documents.actions), Document(denies, "not read" if problem else None)]
            self._administrators[key] = _administrator(
                aws_iam.evaluate(own, limits, combination.holder, documents.actions)
            )
        return self._administrators[key]

    # The caller's own rights

    def _rewrite_own(self, path: Path, held: Held, account: _Account) -> None:
        combination = self._holders.combinations[held.combination]
        rights = self._holders.rights(held.combination)
        ((action, place),) = path.requires
        if (place in ("own-user", "own-group")) > combination.holder.is_user or (
            place == "own-role" and combination.holder.is_user
        ):
            return
        if place == "own-policy":
            asked = self._question(account.policies, action)
            answer = asked.answer(rights)
            for binding in combination.bindings:
                name = account.own_policies.get(binding.policy_key, "")
                found = self._within_limits(combination, but=binding.policy_key)
                for certainty, bit in answer.within(account.policies.bit(name)).by_certainty():
                    if found is not None:
                        sure = _less_sure(certainty, found)
                        self._say_own(path, held, self._members[held], sure, asked, bit, action, name)
            return
        found = self._within_limits(combination)
        if found is None:
            return
        if place == "own-group":
            asked = self._question(account.groups, action, _ADMINISTRATOR)
            answer = asked.answer(rights)
            for certainty, mask in answer.by_certainty():
                for name in account.groups.members(mask):
                    keys = [key for key in self._members[held] if name in self._groups.get(key, ())]
                    bit = account.groups.bit(name)
                    self._say_own(path, held, keys, _less_sure(certainty, found), asked, bit, action, name)
            return
        targets = account.users if place == "own-user" else account.roles
        asked = self._question(targets, action, _ADMINISTRATOR, is_own=True)
        for certainty, mask in asked.answer(rights).by_certainty():
            keys = [key for key in self._members[held] if targets.bit(self._identities[key]) & mask]
            self._say_own(path, held, keys, _less_sure(certainty, found), asked, mask, action, "")

    def _join(self, path: Path, held: Held, account: _Account) -> None:
        combination = self._holders.combinations[held.combination]
        if not combination.holder.is_user:
            return
        ((action, _),) = path.requires
        asked = self._question(account.groups, action)
        documents = self._holders.documents
        for certainty, mask in asked.answer(self._holders.rights(held.combination)).by_certainty():
            for name in account.groups.members(mask):
                given = [documents[key] for key in self._group_policies.get(account.keys[name], ())]
                core = documents.actions.core
                if reduce(int.__or__, map(allows, given), 0) & core != core:
                    continue
                own = [*documents.own(combination), *given]
                found = _administrator(
                    aws_iam.evaluate(own, documents.limit(combination), combination.holder, documents.actions)
                )
                if found is not None:
                    keys = [key for key in self._members[held] if name not in self._groups.get(key, ())]
                    bit = account.groups.bit(name)
                    self._say_own(path, held, keys, _less_sure(certainty, found), asked, bit, action, name)

    def _say_own(
        self,
        path: Path,
        held: Held,
        keys: Sequence[int],
        certainty: str,
        asked: Question,
        mask: int,
        action: str,
        through: str,
    ) -> None:
        if not keys or (certainty != "definite" and held.combination in self._perhaps):
            return
        reason = self._holders.reason(held.combination, asked, mask, action)
        evidence = f"through {through}; {reason.evidence}" if through else reason.evidence
        way = self._way(path, certainty, "")
        for key in keys:
            self._edges.say(
                way, (key,), reason._replace(evidence=evidence), ("own", key, through), partial(_alone, key)
            )

    # Roles that have to be assumed besides

    def _weigh_assumed(self) -> None:
        if not self._later:
            return
        wanted = sorted({held for _, held, _ in self._later})
        columns = (("combination", "bigint"), ("account", "varchar"))
        insert_rows(self._con, "aws_wanted", columns, batched(iter([tuple(held) for held in wanted])))
        named: dict[Held, list[tuple[int, int, str]]] = defaultdict(list)
        for number, of, caller, role, certainty in rows_of(
            self._con,
            "select c.combination, c.account, e.from_key, e.to_key, e.certainty from access_edges e "
            "join aws_callers c on c.identity_key = e.from_key "
            "join aws_wanted w on w.combination = c.combination and w.account = c.account "
            "where e.kind = 'may-assume' and e.to_key >= 0 order by all",
        ):
            named[Held(number, of)].append((caller, role, certainty))
        self._con.execute("drop table aws_wanted")
        for path, held, answer in self._later:
            account = self._accounts[held.account]
            roles = account.roles
            ours = self._assumed.targets
            there = Answer(*(ours.mask(roles.members(mask)) for mask in answer))
            for who, worth in self._assumed.found.get(held, ()):
                self._say_later(path, held, who, there.both(worth), ours, account)
            by_caller: dict[int, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
            if named[held]:
                arns = {account.keys[arn]: arn for arn in roles.arns}
            for caller, role, certainty in named[held]:
                if role in arns:
                    by_caller[caller][certainty].append(arns[role])
            for caller, found in by_caller.items():
                self._say_later(path, held, (caller,), answer.both(_answer(roles, found)), roles, account)

    def _say_later(
        self, path: Path, held: Held, who: Callers, answer: Answer, targets: Targets, account: _Account
    ) -> None:
        self._say(
            path,
            held,
            answer,
            (None, path.requires[0][0]),
            ("assumed", id(targets), held.account),
            _each(targets, account.keys, "may be assumed"),
            "roles that may be assumed and whose policies may be written",
            who=who,
        )

    # What all have in common

    def _say(
        self,
        path: Path,
        held: Held,
        answer: Answer,
        asked: tuple[Question | None, str],
        same: tuple[Any, ...],
        targets: Callable[[int], list[Target]],
        name: str,
        *,
        who: Callers | None = None,
    ) -> None:
        question, action = asked
        for certainty, mask in answer.by_certainty():
            if certainty != "definite" and held.combination in self._perhaps:
                continue
            reason = (
                self._holders.first(held.combination, action)
                if question is None
                else self._holders.reason(held.combination, question, mask, action)
            )
            self._edges.say(
                self._way(path, certainty, name), who or held, reason, (*same, mask), partial(targets, mask)
            )

    def _way(self, path: Path, certainty: str, name: str) -> Way:
        return Way(path.kind, certainty, name, path.is_rewriting, path.path_id)

    def _question(
        self,
        targets: Targets,
        action: str,
        context: Mapping[str, tuple[str, ...]] | None = None,
        *,
        is_own: bool = False,
    ) -> Question:
        known = context or {}
        key = (id(targets), action, tuple(known.items()), is_own)
        if key not in self._questions:
            self._questions[key] = Question(targets, self._holders.actions.actions(action), known, is_own)
        return self._questions[key]

    def _anywhere(self, number: int, action: str) -> str | None:
        key = (number, action)
        if key not in self._somewhere:
            bits = self._holders.actions.actions(action)
            self._somewhere[key] = somewhere(self._holders.rights(number), bits, self._holders.actions, {})
        return self._somewhere[key]


def _administrator(rows: Sequence[Any]) -> str | None:
    return next((row.certainty for row in rows if row.verb == "admin"), None)


def _less_sure(one: str, other: str) -> str:
    return min(one, other, key=CERTAINTIES.index)


def _capped(answer: Answer, cap: str) -> Answer:
    if cap == "definite":
        return answer
    if cap == "conditional":
        return Answer(0, answer.definite | answer.conditional, answer.potential)
    return Answer(0, 0, answer.definite | answer.conditional | answer.potential)


def _answer(targets: Targets, arns: Mapping[str, Sequence[str]]) -> Answer:
    """Of ARNs by certainty; each is there once at most."""
    return Answer(*(targets.mask(arns.get(certainty, ())) for certainty in reversed(CERTAINTIES)))


def _each(targets: Targets, keys: dict[str, int], evidence: str) -> Callable[[int], list[Target]]:
    return lambda mask: [Target(keys[arn], evidence) for arn in targets.members(mask)]


def _over_attached(account: _Account, answer: Answer) -> Answer:
    """Roles to which one of the policies is attached."""
    masks = []
    seen = 0
    for policies in answer:
        mask = 0
        for arn in account.policies.members(policies):
            mask |= account.attached.get(arn, 0)
        masks.append(mask & ~seen)
        seen |= mask
    return Answer(*masks)


def _alone(key: int) -> list[Target]:
    return [Target(key)]


def _identities(con: duckdb.DuckDBPyConnection, helds: Sequence[Held]) -> dict[int, str]:
    """ARN of each caller."""
    return dict(_of_callers(con, helds, "join identities i using (identity_key)", "i.native_id"))


def _groups(con: duckdb.DuckDBPyConnection, helds: Sequence[Held]) -> dict[int, set[str]]:
    """ARNs of the groups of each caller."""
    found: dict[int, set[str]] = defaultdict(set)
    joined = "join memberships m using (identity_key) join identities i on i.identity_key = m.group_key"
    for key, arn in _of_callers(con, helds, joined, "i.native_id"):
        found[key].add(arn)
    return found


def _group_policies(con: duckdb.DuckDBPyConnection) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for group_key, policy_key in rows_of(
        con,
        "select distinct b.identity_key, b.policy_key from policy_bindings b join identities i using (identity_key) "
        "where i.kind = 'group' and i.provider = 'aws' and b.role = 'identity' order by all",
    ):
        found[group_key].append(policy_key)
    return found


def _of_callers(
    con: duckdb.DuckDBPyConnection, helds: Sequence[Held], joined: str, column: str
) -> Iterator[tuple[Any, ...]]:
    columns = (("combination", "bigint"), ("account", "varchar"))
    insert_rows(con, "aws_wanted", columns, batched(iter([tuple(held) for held in helds])))
    yield from rows_of(
        con,
        f"select c.identity_key, {column} from aws_callers c join aws_wanted w "
        f"on w.combination = c.combination and w.account = c.account {joined}",
    )
    con.execute("drop table aws_wanted")


# Targets from tables


def _accounts(con: duckdb.DuckDBPyConnection, numbers: Sequence[str]) -> dict[str, _Account]:
    tenants = [f"aws:{number}" for number in numbers]
    names: dict[tuple[str, str], list[str]] = defaultdict(list)
    keys: dict[str, dict[str, int]] = defaultdict(dict)
    states: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    counted = {
        tenant_id
        for (tenant_id,) in con.execute(
            "select tenant_id from coverage where dataset = 'credentials' group by tenant_id "
            "having bool_and(coalesce(original_status, status) = 'complete')"
        ).fetchall()
    }
    for tenant_id, key, arn, has_password, held in rows_of(
        con,
        "select i.tenant_id, i.identity_key, i.native_id, i.has_console_password, coalesce(k.held, 0) "
        "from identities i left join (select identity_key, count(*) as held from credentials "
        "where kind = 'access_key' group by identity_key) k using (identity_key) "
        "where i.tenant_id in (select unnest(?::varchar[])) order by i.native_id",
        [tenants],
    ):
        account = tenant_id.partition(":")[2]
        kind, _, name = arn.split(":", 5)[-1].partition("/")
        keys[account][arn] = key
        if not name.startswith(_KEPT):
            names[account, kind].append(arn)
        if kind == "user":
            state = states[account]
            is_counted = tenant_id in counted or held >= _MOST_KEYS
            state["no-free-key" if held >= _MOST_KEYS else "free-key"].append(arn)
            if not is_counted:
                state["?free-key"].append(arn)
            if has_password is None:
                state["?password"].append(arn)
            else:
                state["password" if has_password else "no-password"].append(arn)
    policies: dict[str, dict[int, str]] = defaultdict(dict)
    for tenant_id, key, arn in rows_of(
        con,
        "select tenant_id, policy_key, native_id from policies where kind = 'customer_managed' "
        "and tenant_id in (select unnest(?::varchar[]))",
        [tenants],
    ):
        policies[tenant_id.partition(":")[2]][key] = arn
    workloads: dict[tuple[str, str], list[str]] = defaultdict(list)
    runs_as: dict[str, dict[str, str]] = defaultdict(dict)
    for tenant_id, kind, arn, key, role in rows_of(
        con,
        "select r.tenant_id, r.kind, r.native_id, r.resource_key, i.native_id from resources r "
        "join identities i on i.identity_key = r.runs_as_key where r.tenant_id in (select unnest(?::varchar[]))",
        [tenants],
    ):
        account = tenant_id.partition(":")[2]
        workloads[account, kind].append(arn)
        keys[account][arn] = key
        runs_as[account][arn] = role
    are_read = {
        tenant_id
        for (tenant_id,) in con.execute(
            "select tenant_id from coverage where dataset = 'workloads' group by tenant_id "
            "having bool_and(coalesce(original_status, status) in ('complete', 'not_applicable'))"
        ).fetchall()
    }
    found = {}
    for number in numbers:
        roles, users = Targets(names[number, "role"]), Targets(names[number, "user"])
        found[number] = _Account(
            roles=roles,
            users=users,
            groups=Targets(names[number, "group"]),
            policies=Targets(policies[number].values()),
            own_policies=policies[number],
            keys=keys[number],
            trusting={},
            attached={},
            workloads={kind: Targets(arns) for (of, kind), arns in workloads.items() if of == number},
            runs_as=runs_as[number],
            are_workloads_read=f"aws:{number}" in are_read,
            users_by_state=_by_state(users, states[number]),
        )
    _fill_trusting(con, found)
    _fill_attached(con, found, tenants)
    return found


def _by_state(users: Targets, states: dict[str, list[str]]) -> dict[str, Answer]:
    unsure = {state: users.mask(states[f"?{state}"]) for state in ("free-key", "password")}
    masks = {state: users.mask(states[state]) for state in ("free-key", "no-free-key", "password", "no-password")}
    return {
        state: Answer(
            mask & ~unsure[state.removeprefix("no-")],
            unsure[state.removeprefix("no-")],
        )
        for state, mask in masks.items()
    }


def _fill_trusting(con: duckdb.DuckDBPyConnection, accounts: dict[str, _Account]) -> None:
    services = sorted({service for path in escalation.read("aws").values() for service in path.services})
    which = "t.mechanism = 'service'"
    conditions = trust_conditions(con, which)
    found: dict[tuple[str, str], dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    for trust_key, account, arn, service, doubt in rows_of(
        con,
        "select t.trust_key, split_part(i.tenant_id, ':', 2), i.native_id, t.principal, "
        "coalesce(t.has_other_conditions, false) from trusts t join identities i using (identity_key) "
        f"where {which} and t.principal in (select unnest(?::varchar[]))",
        [services],
    ):
        if account not in accounts:
            continue
        tests = [aws_conditions.test(condition) for condition in conditions.get(trust_key, ())]
        truth = aws_conditions.all_met(tests, {"aws:sourceaccount": (account,)}.get)
        if truth is not False:
            sure = "definite" if truth is True and not doubt else "potential" if truth is True else "conditional"
            found[account, service][sure].append(arn)
    for (account, service), arns in found.items():
        roles = accounts[account].roles
        definite, conditional, potential = (roles.mask(arns[sure]) for sure in reversed(CERTAINTIES))
        accounts[account].trusting[service] = Answer(
            definite, conditional & ~definite, potential & ~conditional & ~definite
        )


def _fill_attached(con: duckdb.DuckDBPyConnection, accounts: dict[str, _Account], tenants: Sequence[str]) -> None:
    for tenant_id, policy, arn in rows_of(
        con,
        "select p.tenant_id, p.native_id, i.native_id from policy_bindings b join policies p using (policy_key) "
        "join identities i using (identity_key) where b.role = 'identity' and p.kind = 'customer_managed' "
        "and p.tenant_id in (select unnest(?::varchar[]))",
        [tenants],
    ):
        account = accounts[tenant_id.partition(":")[2]]
        account.attached[policy] = account.attached.get(policy, 0) | account.roles.bit(arn)
