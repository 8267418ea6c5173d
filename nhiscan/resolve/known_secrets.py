"""Which stored secrets partners' identities can read by what they hold, also those that are disabled by now.

What somebody could read it knows, so a doubt counts as knowing: conditions are taken as met, and what a key's policy or
the resources' organization denies is not taken off.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

import duckdb

from nhiscan.resolve import aws_edges, aws_iam, policies, secret_edges, vault
from nhiscan.resolve.aws_targets import Question, Targets
from nhiscan.resolve.privilege_rows import batched, insert_rows
from nhiscan.resolve.vault_acl import placed
from nhiscan.resolve.vault_paths import Acl
from nhiscan.resolve.vault_verbs import Targets as VaultTargets
from nhiscan.resolve.vault_verbs import table

_ANYTHING: Final = "*"  # the resource of an action that acts on no single one


def run(con: duckdb.DuckDBPyConnection) -> None:
    """Reads the temporary table holders, makes the temporary table readable (partner_id, resource_key)."""
    partners: dict[int, set[str]] = defaultdict(set)
    for key, partner_id in con.execute("select identity_key, partner_id from holders").fetchall():
        partners[key].add(partner_id)
    found: dict[str, set[int]] = defaultdict(set)
    _vault(con, partners, found)
    _aws(con, partners, found)
    columns = (("partner_id", "varchar"), ("resource_key", "bigint"))
    insert_rows(con, "readable", columns, batched(_rows(found)))


def _rows(found: Mapping[str, set[int]]) -> Iterator[tuple[str, int]]:
    for partner_id, keys in sorted(found.items()):
        for key in sorted(keys):
            yield partner_id, key


def _vault(con: duckdb.DuckDBPyConnection, partners: Mapping[int, set[str]], found: dict[str, set[int]]) -> None:
    documents = vault.read_policies(con)
    estates = vault.read_estates(con, documents)
    stores = policies.stores(con, estates)
    if not any(store.secrets for store in stores.values()):
        return
    targets = {tenant: VaultTargets(table(), estate) for tenant, estate in estates.items()}
    parts = vault.read_parts(con, documents)
    members = vault.members(con)
    vault.drop_parts(con)
    for number, part in enumerate(parts):
        who = {partner_id for key in members.get(number, ()) for partner_id in partners.get(key, ())}
        if not who:
            continue
        held = [documents[key][1] for key in vault.in_force(part, documents)]
        acl = Acl(placed(held, part.holder))
        tenant = part.combination.tenant_id
        keys = {secret.resource_key for secret in policies.opened(acl, targets[tenant], stores[tenant]).secrets}
        for partner_id in who:
            found[partner_id] |= keys


def _aws(con: duckdb.DuckDBPyConnection, partners: Mapping[int, set[str]], found: dict[str, set[int]]) -> None:
    stored: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    keys: dict[str, int] = {}
    for key, account, kind, arn in con.execute(
        "select r.resource_key, split_part(r.tenant_id, ':', 2), r.kind, r.native_id from stored_secrets s "
        "join resources r using (resource_key) where r.provider = 'aws' order by all"
    ).fetchall():
        stored[account][kind].add(arn)
        keys[arn] = key
    if not keys:
        return
    wanted = "select identity_key from holders"
    held_by = aws_edges.holders(con, aws_iam.Documents(con), wanted=wanted)
    of_combination: dict[aws_edges.Held, set[str]] = defaultdict(set)
    for key, combination, account in con.execute("select * from aws_callers").fetchall():
        of_combination[aws_edges.Held(combination, account)] |= partners.get(key, set())
    con.execute("drop table aws_callers")
    readers = [reader for reader in secret_edges.readers("aws") if reader.place == "store"]
    targets = Targets([*keys, _ANYTHING])
    questions: dict[str, Question] = {}
    masks: dict[str, int] = defaultdict(int)
    for held, who in of_combination.items():
        allowed = held_by.allowed(held.combination)
        for reader in readers:
            lies = [arn for kind in reader.kinds for arn in stored[held.account][kind]]
            for action in reader.actions if lies else ():
                bits = held_by.actions.actions(action)
                if allowed & bits:
                    question = questions.setdefault(action, Question(targets, bits))
                    answer = question.answer(held_by.rights(held.combination))
                    opened = answer.definite | answer.conditional | answer.potential
                    if bits & held_by.actions.without_resource:
                        opened = targets.everything if opened & targets.bit(_ANYTHING) else 0
                    for partner_id in who:
                        masks[partner_id] |= opened & targets.mask(lies)
    for partner_id, mask in masks.items():
        found[partner_id] |= {keys[arn] for arn in targets.members(mask) if arn in keys}
