"""Fills `policy_facts`: which stored secrets each policy of a vault lets be read, by itself, and who holds it."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

import duckdb

from nhiscan import statements
from nhiscan.resolve.privilege_rows import batched, insert_rows
from nhiscan.resolve.vault import read_estates, read_policies
from nhiscan.resolve.vault_acl import Answers, Hit, Holder, Policy, placed
from nhiscan.resolve.vault_paths import Acl, Pattern
from nhiscan.resolve.vault_verbs import Estate, Target, Targets, reading, table

_SHOWN_RULES: Final = 5
_AFTER_ALL: Final = "\U0010ffff"


class Secret(NamedTuple):
    """`path`: what must be read to have it."""

    path: str
    capabilities: int
    environment: str | None
    partner_id: str | None
    resource_key: int


@dataclass(frozen=True)
class Store:
    """The secrets of one vault in the order of their paths."""

    secrets: tuple[Secret, ...] = ()

    def below(self, paths: Pattern) -> Sequence[Secret]:
        """Those whose path starts as all of these paths do: more than these, perhaps."""
        return self.secrets[self._place(paths.start) : self._place(paths.start + _AFTER_ALL)]

    def _place(self, path: str) -> int:
        return bisect_left(self.secrets, path, key=lambda secret: secret.path)


class Opened(NamedTuple):
    """What rules let be read: the secrets, the ways by which, and which of these are everything of their kind."""

    secrets: set[Secret]
    by_target: dict[Target, list[Hit]]
    whole: dict[Target, Any]


class Reads(NamedTuple):
    """`secrets` None: cannot be said; `is_everything`: every secret of some mount."""

    secrets: int | None
    unlabelled: int | None
    mounts: int | None
    environments: str | None
    partners: int | None
    partner_id: str | None
    is_everything: bool | None
    evidence: str | None


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Reads policies, bindings, resource_facts and identity_facts."""
    policies = read_policies(con)
    estates = read_estates(con, policies)
    found = stores(con, estates)
    targets = {tenant: Targets(table(), estate) for tenant, estate in estates.items()} if policies else {}
    insert_rows(
        con,
        "policy_reads",
        (
            ("policy_key", "bigint"),
            ("secrets_readable", "bigint"),
            ("secrets_unlabelled", "bigint"),
            ("mounts_readable", "bigint"),
            ("environments_readable", "varchar"),
            ("partners_readable", "bigint"),
            ("partner_readable", "varchar"),
            ("is_everything_readable", "boolean"),
            ("evidence", "varchar"),
        ),
        batched(_rows(policies, targets, found)),
    )
    for name in ("vault_holders", "policy_facts"):
        con.execute(statements.sql("nhiscan.resolve", name))


def _rows(
    policies: Mapping[int, tuple[str, Policy]], targets: Mapping[str, Targets], stores: Mapping[str, Store]
) -> Iterator[tuple[Any, ...]]:
    for key, (tenant, policy) in policies.items():
        yield key, *reads(policy, targets[tenant], stores[tenant])


def reads(policy: Policy, targets: Targets, store: Store) -> Reads:
    """What a policy lets be read when it is the only one; what hangs on a holder's own name is left out."""
    if policy.document.problem:
        return Reads(None, None, None, None, None, None, None, f"could not be read: {policy.document.problem}")
    found, by_target, whole = opened(Acl(placed([policy], Holder("unknown"))), targets, store)
    mounts = {t.mount for t, (certainty, _) in whole.items() if t.mount and certainty != "potential"}
    partners = sorted({secret.partner_id for secret in found if secret.partner_id})
    is_blind = any(target.is_guess for target in by_target)
    givers = dict.fromkeys(giver.rule.evidence for _, giver in whole.values())
    givers |= dict.fromkeys(hit.giver.rule.evidence for hits in by_target.values() for hit in hits)
    return Reads(
        len(found),
        sum(secret.environment is None for secret in found),
        len(mounts),
        ", ".join(sorted({secret.environment for secret in found if secret.environment})) or None,
        len(partners),
        partners[0] if len(partners) == 1 else None,
        True if mounts else None if is_blind else False,
        _listed(list(givers)),
    )


def opened(acl: Acl, targets: Targets, store: Store) -> Opened:
    """Which secrets of a vault rules open."""
    answers = Answers(acl, is_readable=True)
    by_target: dict[Target, list[Hit]] = defaultdict(list)
    for hit in answers.hits(targets):
        if hit.target.entry.verb == "read-secret" and (hit.certainty != "potential" or hit.target.is_guess):
            by_target[hit.target].append(hit)
    whole = {target: answer for target in by_target if (answer := answers.whole(target))}
    cut = {target for path in acl.decisions for target, shared in targets.met(path) if shared != target.pattern}
    found: set[Secret] = set()
    for target, hits in by_target.items():
        if target in whole and target not in cut:
            found.update(secret for secret in store.below(target.pattern) if secret.capabilities & target.capabilities)
        else:
            found.update(secret for hit in hits for secret in store.below(hit.paths) if _is_read(acl, secret))
    return Opened(found, by_target, whole)


def _is_read(acl: Acl, secret: Secret) -> bool:
    decision = acl.decide(secret.path)
    return decision is not None and bool(decision.capabilities & secret.capabilities) and not decision.is_guess


def _listed(rules: Sequence[str]) -> str | None:
    rest = len(rules) - _SHOWN_RULES
    return ("; ".join(rules[:_SHOWN_RULES]) + (f"; and {rest} more" if rest > 0 else "")) or None


def stores(con: duckdb.DuckDBPyConnection, estates: Mapping[str, Estate]) -> dict[str, Store]:
    """The secrets of each vault; a field of one is in it."""
    found: dict[str, list[Secret]] = {tenant: [] for tenant in estates}
    for tenant, native_id, kind, environment, partner_id, key in con.execute(
        "select r.tenant_id, r.native_id, s.kind, f.environment, f.partner_id, r.resource_key from stored_secrets s "
        "join resources r on r.resource_key = s.resource_key "
        "left join resource_facts f on f.resource_key = s.resource_key "
        "where r.provider = 'vault' and r.kind <> 'secret_field' order by all"
    ).fetchall():
        read = reading(native_id, kind, estates[tenant]) if tenant in estates else None
        if read is not None:
            found[tenant].append(Secret(*read, environment, partner_id, key))
    return {tenant: Store(tuple(sorted(secrets, key=lambda each: each.path))) for tenant, secrets in found.items()}
