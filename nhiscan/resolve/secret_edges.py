"""Fills `access_edges` across systems: who can read a stored secret, or text of a workload, that lets one be another.

Which credential a value is comes from where sightings find it; what cannot be tied to one leads nowhere. A workload
reads what it is started with. Whoever else reads it needs the permissions that the collector's readers.toml names, or
for a vault the path that its table of stored secrets names.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final, NamedTuple

import duckdb

from nhiscan.resolve import aws_iam, aws_limits, globs, vault, verb_tables
from nhiscan.resolve.aws_edges import Callers, Edges, Held, Holders, Reason, Target, Way, holders
from nhiscan.resolve.aws_targets import NOTHING, Answer, Question, Targets
from nhiscan.resolve.vault_acl import placed
from nhiscan.resolve.vault_paths import Acl
from nhiscan.resolve.vault_verbs import reading
from nhiscan.resolve.verbs import CERTAINTIES

_READS: Final = "can-read-secret-of"
_EMBEDS: Final = "embeds-credential-of"
_STARTED_WITH: Final = ("environment", "user_data")
_ANYTHING: Final = "*"  # the resource of an action that acts on no single one
_ANY_KEY: Final = "key/\udcff"  # of a key that no policy can name


class Door(NamedTuple):
    """Where a credential of `to_key` lies; `place`: store, or the kind of text."""

    to_key: int
    place: str
    stored_kind: str | None
    certainty: str
    resource_key: int | None
    provider: str
    tenant_id: str
    kind: str
    native_id: str
    region: str | None
    is_under_own_key: bool
    runs_as_key: int | None
    evidence: str

    @property
    def account(self) -> str:
        return self.tenant_id.partition(":")[2]

    @property
    def step(self) -> str:
        return _READS if self.place == "store" else _EMBEDS

    @property
    def target(self) -> Target:
        return Target(self.to_key, self.evidence, self.resource_key)


@dataclass(frozen=True, slots=True)
class Reader:
    """An entry of readers.toml; `key`: the service through which the value is decrypted."""

    kinds: frozenset[str]
    place: str
    actions: tuple[str, ...]
    key: str | None


@cache
def readers(provider: str) -> tuple[Reader, ...]:
    return tuple(
        Reader(frozenset(entry["kinds"]), entry["where"], tuple(entry["actions"]), entry.get("key"))
        for entry in verb_tables.entries(provider, "readers.toml", "read")
    )


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Adds to `access_edges` and `access_hubs`."""
    con.execute(_sql("secret_links"))
    con.execute(_sql("secret_doors"))
    doors = [Door(*row) for row in con.execute("select * from secret_doors order by all").fetchall()]
    con.execute("drop table secret_doors")
    if not doors:
        return
    edges = Edges()
    for door in doors:
        if door.runs_as_key is not None and door.place in _STARTED_WITH:
            reason = Reason(None, None, "the workload is started with it")
            _say(edges, _EMBEDS, door.certainty, (door.runs_as_key,), reason, [door])
    by_provider: dict[str, list[Door]] = defaultdict(list)
    for door in doors:
        by_provider[door.provider].append(door)
    _vault(con, edges, [door for door in by_provider["vault"] if door.place == "store"])
    counts = _aws(con, edges, by_provider["aws"])
    edges.write(con, counts)
    con.execute("drop table aws_callers")


def _say(edges: Edges, step: str, sure: str, callers: Callers, reason: Reason, doors: Sequence[Door]) -> None:
    name = "read secrets that are credentials of" if step == _READS else "read texts that hold credentials of"
    edges.say(Way(step, sure, name), callers, reason, tuple(doors), lambda: [door.target for door in doors])


# Vaults


def _vault(con: duckdb.DuckDBPyConnection, edges: Edges, doors: Sequence[Door]) -> None:
    if not doors:
        return
    policies = vault.read_policies(con)
    estates = vault.read_estates(con, policies)
    parts = vault.read_parts(con, policies)
    members = vault.members(con)
    vault.drop_parts(con)
    asked = [
        (door, *found)
        for door in doors
        if door.tenant_id in estates and (found := reading(_path(door), door.stored_kind, estates[door.tenant_id]))
    ]
    for number, part in enumerate(parts):
        keys = vault.in_force(part, policies)
        held = [policies[key][1] for key in keys]
        acl = Acl(placed(held, part.holder))
        is_readable = not any(policy.document.problem for policy in held)
        opened: dict[tuple[str, int, str], list[Door]] = defaultdict(list)
        for door, path, capabilities in asked:
            decision = acl.decide(path) if door.tenant_id == part.combination.tenant_id else None
            if decision is None or not decision.capabilities & capabilities:
                continue
            giver = next(each for each in decision.placed if each.rule.capabilities & capabilities)
            sure = "potential" if decision.is_guess or not is_readable else "definite"
            if sure == "definite" and decision.is_conditional:
                sure = "conditional"
            opened[_less_sure(sure, door.certainty), keys[giver.source], giver.rule.evidence].append(door)
        for (sure, policy_key, statement), read in opened.items():
            _say(edges, _READS, sure, tuple(members[number]), Reason(policy_key, statement, ""), read)


def _path(door: Door) -> str:
    return door.native_id.rpartition("#")[0] if door.kind == "secret_field" else door.native_id


# AWS


def _aws(con: duckdb.DuckDBPyConnection, edges: Edges, doors: Sequence[Door]) -> dict[Held, int]:
    if not doors:
        con.execute(
            "create or replace temp table aws_callers (identity_key bigint, combination bigint, account varchar)"
        )
        return {}
    everybody = "select identity_key from identities where provider = 'aws' and kind <> 'group'"
    found = holders(con, aws_iam.Documents(con), wanted=everybody)
    _Account(con, found, edges, doors).run()
    return found.counts


class _Account:
    """Who reads which doors of AWS; asked once for each combination of policies and account."""

    def __init__(self, con: duckdb.DuckDBPyConnection, found: Holders, edges: Edges, doors: Sequence[Door]) -> None:
        self._holders = found
        self._edges = edges
        self._targets = Targets([*(door.native_id for door in doors), _ANYTHING])
        self._questions: dict[str, Question] = {}
        self._keys = _Keys(con, found)
        self._limits = aws_limits.by_tenant(con)
        self._grants = _grants(con)
        self._lone = _lone(con, {grant.identity_key for each in self._grants.values() for grant in each})
        self._by_reader = [(reader, here) for reader in readers("aws") if (here := self._behind(reader, doors))]

    def _behind(self, reader: Reader, doors: Sequence[Door]) -> dict[str, list[Door]]:
        """By account."""
        found: dict[str, list[Door]] = defaultdict(list)
        for door in doors:
            if door.place == reader.place and door.kind in reader.kinds:
                found[door.account].append(door)
        return found

    def run(self) -> None:
        for held in self._holders.counts:
            allowed = self._holders.allowed(held.combination)
            for reader, by_account in self._by_reader:
                actions = [action for action in reader.actions if allowed & self._holders.actions.actions(action)]
                if actions:
                    self._read(held, reader, actions, by_account)

    def _read(
        self, held: Held, reader: Reader, actions: Sequence[str], by_account: Mapping[str, Sequence[Door]]
    ) -> None:
        found: dict[tuple[Callers, str, str, str], list[Door]] = defaultdict(list)
        answers = [(action, answer) for action in actions if (answer := self._answer(held, action))]
        for doors in by_account.values() if answers else ():
            for door in doors:
                for callers, ceiling, usable in self._let_in(held, door, answers):
                    action, sure = self._surest(door, usable)
                    if sure is not None:
                        if reader.key and door.is_under_own_key:
                            sure = _less_sure(sure, self._keys.decrypts(held, door, reader.key))
                        sure = _less_sure(_less_sure(sure, ceiling), door.certainty)
                        found[callers, door.step, sure, action].append(door)
        for (callers, step, sure, action), doors in found.items():
            mask = 0
            for door in doors:
                mask |= self._asked(action, door)
            reason = self._holders.reason(held.combination, self._question(action), mask, action)
            _say(self._edges, step, sure, callers, reason, doors)

    def _question(self, action: str) -> Question:
        if action not in self._questions:
            self._questions[action] = Question(self._targets, self._holders.actions.actions(action))
        return self._questions[action]

    def _answer(self, held: Held, action: str) -> Answer:
        return self._question(action).answer(self._holders.rights(held.combination))

    def _asked(self, action: str, door: Door) -> int:
        actions = self._holders.actions
        is_on_none = actions.actions(action) & actions.without_resource
        return self._targets.bit(_ANYTHING if is_on_none else door.native_id)

    def _surest(self, door: Door, answers: Sequence[tuple[str, Answer]]) -> tuple[str, str | None]:
        best: tuple[str, str | None] = "", None
        for action, answer in answers:
            bit = self._asked(action, door)
            for certainty, mask in answer.by_certainty():
                if mask & bit:
                    sure = self._under_rcps(door, action, bit, certainty)
                    if sure and (best[1] is None or best[1] != _surer(best[1], sure)):
                        best = action, sure
            if best[1] == CERTAINTIES[-1]:
                break
        return best

    def _under_rcps(self, door: Door, action: str, bit: int, certainty: str) -> str | None:
        """What the organization of the resource leaves of it."""
        if not self._holders.actions.actions(action) & self._holders.actions.under_rcps:
            return certainty
        limits = self._limits.get(door.tenant_id)
        for level in limits.rcps.policies if limits else ():
            for key in level:
                denied, perhaps = self._question(action).denied(self._holders.documents[key])
                if denied & bit:
                    return None
                if perhaps & bit:
                    certainty = "potential"
        return certainty

    def _let_in(
        self, held: Held, door: Door, answers: Sequence[tuple[str, Answer]]
    ) -> Iterator[tuple[Callers, str, Sequence[tuple[str, Answer]]]]:
        """From another account the resource's own policy has to let in; the key's, and conditions, are not weighed."""
        if held.account == door.account:
            yield held, CERTAINTIES[-1], answers
            return
        for grant in self._grants.get(door.resource_key, ()):
            usable = [(action, answer) for action, answer in answers if grant.allows(action)]
            if usable and grant.identity_key is not None and self._lone.get(grant.identity_key) == held:
                yield (grant.identity_key,), "conditional", usable
            elif usable and grant.identity_key is None and grant.account in (held.account, None):
                yield held, "conditional", usable


class _Keys:
    """Whether holders may decrypt with a key of ours: which one a secret has is not read."""

    def __init__(self, con: duckdb.DuckDBPyConnection, found: Holders) -> None:
        self._holders = found
        self._action = found.actions.actions("kms:Decrypt")
        self._known = [
            str(arn)
            for (arn,) in con.execute(
                "select native_id from resources where provider = 'aws' and kind = 'key' order by all"
            ).fetchall()
        ]
        self._questions: dict[str, tuple[Question, int]] = {}
        self._found: dict[tuple[Held, str], str] = {}

    def decrypts(self, held: Held, door: Door, service: str) -> str:
        prefix = ":".join([*door.native_id.split(":")[:2], "kms", str(door.region), door.account])
        place = f"{service} {prefix}"
        if place not in self._questions:
            keys = [arn for arn in self._known if arn.startswith(f"{prefix}:")]
            targets = Targets([*keys, f"{prefix}:{_ANY_KEY}"])
            # AWS sets it where a service decrypts for somebody: KMS Developer Guide, "kms:ViaService".
            through = {"kms:viaservice": (f"{service}.{door.region}.amazonaws.com",)}
            self._questions[place] = Question(targets, self._action, context=through), targets.everything
        question, every = self._questions[place]
        if (held, place) not in self._found:
            answer = question.answer(self._holders.rights(held.combination))
            sure = "definite" if answer.definite == every else "conditional" if answer != NOTHING else "potential"
            self._found[held, place] = sure
        return self._found[held, place]


class _Grant(NamedTuple):
    identity_key: int | None
    account: str | None
    permissions: tuple[str, ...]

    def allows(self, action: str) -> bool:
        return any(globs.matches(name.lower(), action.lower()) for name in self.permissions)


def _grants(con: duckdb.DuckDBPyConnection) -> dict[int | None, list[_Grant]]:
    """What the policies of secrets and workloads give to other accounts."""
    found: dict[int | None, list[_Grant]] = defaultdict(list)
    for resource_key, identity_key, account, permission in con.execute(
        "select resource_key, identity_key, account, permission from grants where provider = 'aws' "
        "and resource_key is not null and principal_kind in ('any', 'account', 'identity', 'organization') order by all"
    ).fetchall():
        permissions = tuple(name.strip() for name in (permission or "").split(","))
        found[resource_key].append(_Grant(identity_key, account, permissions))
    return found


def _lone(con: duckdb.DuckDBPyConnection, keys: Iterable[int | None]) -> dict[int, Held]:
    wanted = sorted(key for key in keys if key is not None)
    rows = con.execute(
        "select identity_key, combination, account from aws_callers where list_contains($keys::bigint[], identity_key)",
        {"keys": wanted},
    ).fetchall()
    return {key: Held(number, account) for key, number, account in rows}


def _less_sure(one: str, other: str) -> str:
    return min(one, other, key=CERTAINTIES.index)


def _surer(one: str, other: str) -> str:
    return max(one, other, key=CERTAINTIES.index)


def _sql(name: str) -> str:
    return resources.files(__package__).joinpath(f"{name}.sql").read_text(encoding="utf-8")
