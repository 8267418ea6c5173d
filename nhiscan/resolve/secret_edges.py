"""Fills `access_edges` across systems: who can read a stored secret, or text of a workload, that lets one be another.

Which credential a value is comes from where sightings find it; what cannot be tied to one leads nowhere. A workload
reads what it is started with. Whoever else reads it needs the permissions that the collector's readers.toml names, or
for a vault the path that its table of stored secrets names.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Final, NamedTuple

import duckdb

from nhiscan import statements
from nhiscan.resolve import aws_iam, aws_limits, globs, vault, verb_tables
from nhiscan.resolve.aws_edges import Callers, Edges, Held, Holders, Reason, Target, Way, holders
from nhiscan.resolve.aws_targets import NOTHING, Answer, Question, Targets
from nhiscan.resolve.vault_acl import placed
from nhiscan.resolve.vault_paths import Acl, pattern
from nhiscan.resolve.vault_verbs import reading
from nhiscan.resolve.verbs import CERTAINTIES

_READS: Final = "can-read-secret-of"
_EMBEDS: Final = "embeds-credential-of"
_STARTED_WITH: Final = ("environment", "user_data")
_ANYTHING: Final = "*"  # the resource of an action that acts on no single one
_AFTER_ALL: Final = "\U0010ffff"
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
    con.execute(statements.sql("nhiscan.resolve", "secret_links"))
    con.execute(statements.sql("nhiscan.resolve", "secret_doors"))
    doors = [Door(*row) for row in con.execute("select * from secret_doors order by all").fetchall()]
    con.execute("drop table secret_doors")
    if not doors:
        return
    edges = Edges()
    for door in doors:
        if door.runs_as_key is not None and door.place in _STARTED_WITH:
            reason = Reason(None, None, "the workload is started with it")
            _say(edges, _EMBEDS, door.certainty, (door.runs_as_key,), reason, [door], door)
    by_provider: dict[str, list[Door]] = defaultdict(list)
    for door in doors:
        by_provider[door.provider].append(door)
    _vault(con, edges, [door for door in by_provider["vault"] if door.place == "store"])
    counts = _aws(con, edges, by_provider["aws"])
    edges.write(con, counts)
    con.execute("drop table aws_callers")


def _say(
    edges: Edges, step: str, sure: str, callers: Callers, reason: Reason, doors: Sequence[Door], same: Hashable
) -> None:
    """`same`: equal for equal doors."""
    name = "read secrets that are credentials of" if step == _READS else "read texts that hold credentials of"
    edges.say(Way(step, sure, name), callers, reason, same, lambda: [door.target for door in doors])


# Vaults


def _vault(con: duckdb.DuckDBPyConnection, edges: Edges, doors: Sequence[Door]) -> None:
    if not doors:
        return
    policies = vault.read_policies(con)
    estates = vault.read_estates(con, policies)
    parts = vault.read_parts(con, policies)
    members = vault.members(con)
    vault.drop_parts(con)
    asked: dict[str, list[tuple[str, int, Door]]] = defaultdict(list)
    for door in doors:
        if door.tenant_id in estates:
            found = reading(_path(door), door.stored_kind, estates[door.tenant_id])
            asked[door.tenant_id] += [(*found, door)] if found else []
    for within in asked.values():
        within.sort(key=_by_path)
    for number, part in enumerate(parts):
        keys = vault.in_force(part, policies)
        held = [policies[key][1] for key in keys]
        acl = Acl(placed(held, part.holder))
        is_readable = not any(policy.document.problem for policy in held)
        opened: dict[tuple[str, int, str], list[Door]] = defaultdict(list)
        for path, capabilities, door in _near(acl, asked[part.combination.tenant_id]):
            decision = acl.decide(path)
            if decision is None or not decision.capabilities & capabilities:
                continue
            giver = next(each for each in decision.placed if each.rule.capabilities & capabilities)
            sure = "potential" if decision.is_guess or not is_readable else "definite"
            if sure == "definite" and decision.is_conditional:
                sure = "conditional"
            opened[_less_sure(sure, door.certainty), keys[giver.source], giver.rule.evidence].append(door)
        for (sure, policy_key, statement), read in opened.items():
            _say(edges, _READS, sure, tuple(members[number]), Reason(policy_key, statement, ""), read, tuple(read))


def _near(acl: Acl, asked: Sequence[tuple[str, int, Door]]) -> Iterator[tuple[str, int, Door]]:
    """Those whose paths begin as a rule's do, which are all that can be allowed."""
    found: set[int] = set()
    for path in acl.decisions:
        start = pattern(path).start
        first = bisect_left(asked, start, key=_by_path)
        found.update(range(first, bisect_left(asked, start + _AFTER_ALL, lo=first, key=_by_path)))
    return (asked[number] for number in sorted(found))


def _by_path(asked: tuple[str, int, Door]) -> str:
    return asked[0]


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


class _Behind(NamedTuple):
    """What one reader opens in one account. `mask`: of the doors' ARNs, which several doors may share."""

    reader: Reader
    doors: tuple[Door, ...]
    mask: int


class _Lot(NamedTuple):
    """Doors that differ in nothing but what lies behind them."""

    doors: tuple[Door, ...]
    mask: int


class _Account:
    """Who reads which doors of AWS; asked once for each combination of policies and account, for all doors at once."""

    def __init__(self, con: duckdb.DuckDBPyConnection, found: Holders, edges: Edges, doors: Sequence[Door]) -> None:
        self._holders = found
        self._edges = edges
        self._targets = Targets([*(door.native_id for door in doors), _ANYTHING])
        self._questions: dict[str, Question] = {}
        self._forbidden: dict[tuple[str, str], tuple[int, int]] = {}
        self._lots: dict[tuple[int, str, int], list[_Lot]] = {}
        self._keys = _Keys(con, found)
        self._limits = aws_limits.by_tenant(con)
        self._grants = _grants(con)
        self._lone = _lone(con, {grant.identity_key for each in self._grants.values() for grant in each})
        self._by_reader = [self._behind(reader, doors) for reader in readers("aws")]

    def _behind(self, reader: Reader, doors: Sequence[Door]) -> dict[str, _Behind]:
        """By account."""
        found: dict[str, list[Door]] = defaultdict(list)
        for door in doors:
            if door.place == reader.place and door.kind in reader.kinds:
                found[door.account].append(door)
        return {
            account: _Behind(reader, tuple(here), self._targets.mask(door.native_id for door in here))
            for account, here in found.items()
        }

    def run(self) -> None:
        for held in self._holders.counts:
            allowed = self._holders.allowed(held.combination)
            for number, by_account in enumerate(self._by_reader):
                for account, behind in by_account.items():
                    actions = [a for a in behind.reader.actions if allowed & self._holders.actions.actions(a)]
                    if actions:
                        self._read(held, number, account, behind, actions)

    def _read(self, held: Held, number: int, account: str, behind: _Behind, actions: Sequence[str]) -> None:
        if account == held.account:
            for sure, action, hit in self._opened(held, account, behind.mask, actions):
                for lot in self._lots_of(number, account, behind, hit):
                    self._say(held, held, behind.reader, sure, action, lot, (number, account, hit))
            return
        # The resource's own policy has to let in; the key's, and conditions, are not weighed.
        for door in behind.doors:
            bit = self._targets.bit(door.native_id)
            for grant in self._grants.get(door.resource_key, ()):
                usable = [action for action in actions if grant.allows(action)]
                callers = self._callers(held, grant)
                if callers is not None and usable:
                    for sure, action, _ in self._opened(held, account, bit, usable):
                        sure = _less_sure(sure, "conditional")
                        self._say(held, callers, behind.reader, sure, action, _Lot((door,), bit), door)

    def _callers(self, held: Held, grant: _Grant) -> Callers | None:
        """Who of the holders is let in."""
        if grant.identity_key is not None:
            return (grant.identity_key,) if self._lone.get(grant.identity_key) == held else None
        return held if grant.account in (held.account, None) else None

    def _opened(self, held: Held, account: str, mask: int, actions: Sequence[str]) -> Iterator[tuple[str, str, int]]:
        """Certainty, action and what it opens, the surest first and each but once."""
        answers = [(action, self._answer(held, action, mask), *self._forbids(account, action)) for action in actions]
        left = mask
        for certainty in reversed(CERTAINTIES):
            for action, answer, denied, perhaps in answers:
                if certainty == "potential":
                    part = answer.definite | answer.conditional | answer.potential
                else:
                    part = (answer.definite if certainty == "definite" else answer.conditional) & ~perhaps
                hit = part & left & ~denied
                if hit:
                    left &= ~hit
                    yield certainty, action, hit

    def _answer(self, held: Held, action: str, mask: int) -> Answer:
        answer = self._question(action).answer(self._holders.rights(held.combination))
        if not self._is_on_none(action):
            return answer
        anything = self._targets.bit(_ANYTHING)
        return Answer(*(mask if part & anything else 0 for part in answer))

    def _question(self, action: str) -> Question:
        if action not in self._questions:
            self._questions[action] = Question(self._targets, self._holders.actions.actions(action))
        return self._questions[action]

    def _is_on_none(self, action: str) -> bool:
        return bool(self._holders.actions.actions(action) & self._holders.actions.without_resource)

    def _forbids(self, account: str, action: str) -> tuple[int, int]:
        """What the organization of the resources denies to everybody, and what it may."""
        if (account, action) not in self._forbidden:
            sure, maybe = 0, 0
            limits = self._limits.get(f"aws:{account}")
            is_limited = bool(self._holders.actions.actions(action) & self._holders.actions.under_rcps)
            for key in (key for level in limits.rcps.policies for key in level) if limits and is_limited else ():
                denied, perhaps = self._question(action).denied(self._holders.documents[key])
                sure |= denied
                maybe |= perhaps
            self._forbidden[account, action] = sure, maybe
        return self._forbidden[account, action]

    def _lots_of(self, number: int, account: str, behind: _Behind, hit: int) -> list[_Lot]:
        if (number, account, hit) not in self._lots:
            alike: dict[tuple[str, str, bool, str | None], list[Door]] = defaultdict(list)
            for door in behind.doors:
                if self._targets.bit(door.native_id) & hit:
                    alike[door.step, door.certainty, door.is_under_own_key, door.region].append(door)
            self._lots[number, account, hit] = [
                _Lot(tuple(doors), self._targets.mask(door.native_id for door in doors)) for doors in alike.values()
            ]
        return self._lots[number, account, hit]

    def _say(
        self, held: Held, callers: Callers, reader: Reader, sure: str, action: str, lot: _Lot, same: Hashable
    ) -> None:
        door = lot.doors[0]
        if reader.key and door.is_under_own_key:
            sure = _less_sure(sure, self._keys.decrypts(held, door, reader.key))
        asked = self._targets.bit(_ANYTHING) if self._is_on_none(action) else lot.mask
        reason = self._holders.reason(held.combination, self._question(action), asked, action)
        _say(self._edges, door.step, _less_sure(sure, door.certainty), callers, reason, lot.doors, (same, lot.mask))


class _Grant(NamedTuple):
    identity_key: int | None
    account: str | None
    permissions: tuple[str, ...]

    def allows(self, action: str) -> bool:
        return any(globs.matches(name.lower(), action.lower()) for name in self.permissions)


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
