"""A made-up estate of any size in our own tables, the same for the same size: numpy draws, DuckDB writes the texts.

One in twenty roles has a planted way of one to six hops to an administrator and nobody else has one, so the right
answer of reach-to-admin is known beforehand: `truth.parquet` (identity_key, hops).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nhiscan import store

AS_OF: Final = "2026-01-31 00:00:00"
_SEED: Final = 7
_MOST_IN_ACCOUNT: Final = 5000
_DOCUMENTS: Final = 300
_PROFILES: Final = 60  # sets of policies and groups that identities of an account have in common
_PATH_SHARE: Final = 0.05
_LEVEL_SHARES: Final = (0.10, 0.25, 0.30, 0.20, 0.10, 0.05)
_SYLLABLES: Final = ("ba", "do", "ki", "lu", "me", "no", "pra", "ri", "su", "ta", "ve", "zo")

Ints = NDArray[np.int64]


def write(size: int, folder: Path) -> int:
    """Writes one Parquet file a table and returns the number of rows."""
    rng = np.random.default_rng(_SEED)
    con = store.empty()
    con.execute(
        f"insert into scans select '20260131T000000Z-0000', timestamp '{AS_OF}', timestamp '{AS_OF}', null, "
        "'bench', 'Acme', null, true"
    )
    partners = max(size // 200, 5)
    _register(con, rng, partners)
    who = _identities(con, rng, size, partners)
    _credentials(con, rng, who, size)
    plan = _plant(rng, who)
    _policies(con, rng, who, plan)
    _trusts(con, rng, partners, plan)
    rows = 0
    for table in store.tables():
        ((count,),) = con.execute(f"select count(*) from {table}").fetchall()
        rows += count
        con.execute(f"copy {table} to '{folder / table}.parquet' (format parquet, compression zstd)")
    con.register("truth", plan.truth)
    con.execute(f"copy truth to '{folder / 'truth'}.parquet' (format parquet)")
    con.close()
    return rows


def _fill(con: duckdb.DuckDBPyConnection, table: str, sql: str, **frames: pd.DataFrame) -> None:
    for name, frame in frames.items():
        con.register(name, frame)
    con.execute(f"insert into {table} by name {sql}")
    for name in frames:
        con.unregister(name)


def _word(number: int) -> str:
    """A pronounceable name, another for each number."""
    parts = []
    for _ in range(4):
        number, rest = divmod(number, len(_SYLLABLES))
        parts.append(_SYLLABLES[rest])
    return "".join(parts).capitalize()


def _days(rng: np.random.Generator, count: int, mean: int) -> Ints:
    """Ages: most are small, some are great."""
    return rng.exponential(mean, count).astype("int64")


def _register(con: duckdb.DuckDBPyConnection, rng: np.random.Generator, count: int) -> None:
    numbers = np.arange(count)
    partners = pd.DataFrame(
        {
            "i": numbers,
            "word": [_word(i) for i in range(count)],
            "tier": rng.choice(["gold", "silver", "bronze"], count),
            "risk_tier": rng.choice(["low", "medium", "high"], count),
            "boss": np.where(rng.random(count) < 0.8, rng.integers(0, count, count), -1),
        }
    )
    con.register("partner", partners)
    con.execute("create temp table words as select i, word from partner")
    con.unregister("partner")
    _fill(
        con,
        "partners",
        "select 'p-' || i as partner_id, word || ' GmbH' as name, 'active' as status, 'integrator' as type, tier, "
        "risk_tier, case when boss >= 0 then 'boss' || boss || '@acme.example' end as business_owner, "
        "'partners.csv:' || (i + 2) as register_row from partner",
        partner=partners,
    )
    _fill(
        con,
        "aliases",
        "select 'p-' || i as partner_id, unnest(['mail_domain', 'aws_account']) as kind, "
        "unnest([lower(word) || '.example', cast(900000000000 + i as varchar)]) as value, true as exclusive, "
        "'aliases.csv:' || (i + 2) as register_row from partner",
        partner=partners,
    )
    contracts = pd.DataFrame(
        {"i": rng.integers(0, count, count * 8 // 5), "end": rng.integers(-400, 700, count * 8 // 5)}
    )
    contracts["n"] = np.arange(len(contracts))
    _fill(
        con,
        "contracts",
        f"select 'c-' || n as contract_id, 'p-' || i as partner_id, 'reseller' as kind, true as grants_access, "
        f"'active' as status, cast(timestamp '{AS_OF}' as date) - 900 as start_date, "
        f"cast(timestamp '{AS_OF}' as date) + cast(\"end\" as integer) as end_date, false as auto_renew, "
        "n % 3 > 0 as security_terms, true as dates_readable, 'contracts.csv:' || (n + 2) as register_row "
        "from contract",
        contract=contracts,
    )
    people = pd.DataFrame(
        {"i": numbers, "left_days": np.where(rng.random(count) < 0.1, rng.integers(1, 300, count), -1)}
    )
    _fill(
        con,
        "people",
        "select 'boss' || i || '@acme.example' as mail, 'ours' as side, case when left_days < 0 then 'active' else "
        f"'left' end as status, case when left_days > 0 then cast(timestamp '{AS_OF}' as date) - "
        "cast(left_days as integer) end as left_on, 'people.csv:' || (i + 2) as register_row from person",
        person=people,
    )
    con.execute(
        "insert into register_fields select 'partners', unnest(['business_owner', 'risk_tier']), "
        "unnest([(select count(business_owner) from partners), (select count(*) from partners)]), "
        "(select count(*) from partners)"
    )
    con.execute(
        "insert into coverage (provider, tenant_id, dataset, status) select 'register', 'register:main', "
        "unnest(['register.partners', 'register.aliases', 'register.contracts', 'register.people', "
        "'register.ownerships', 'register.identity_map']), 'complete'"
    )


def _identities(con: duckdb.DuckDBPyConnection, rng: np.random.Generator, size: int, partners: int) -> pd.DataFrame:
    in_account = min(_MOST_IN_ACCOUNT, max(size // 2, 1))
    who = pd.DataFrame({"key": np.arange(size), "account": np.arange(size) // in_account})
    place = np.arange(size) % in_account / in_account
    # Groups first, users next, roles last, in each account.
    who["sort"] = np.select([place < 0.02, place < 0.47], [0, 1], 2)
    who["nhi"] = rng.random(size) < 0.9
    who["on"] = rng.random(size) < 0.97
    who["created"] = rng.integers(1, 2000, size)
    who["used"] = np.where(rng.random(size) < 0.85, _days(rng, size, 40), -1)
    who["used_known"] = rng.random(size) < 0.95
    who["partner"] = np.where(rng.random(size) < 0.1, rng.integers(0, partners, size), -1)
    who["boss"] = np.where(rng.random(size) < 0.8, rng.integers(0, partners, size), -1)
    who["profile"] = rng.integers(0, _PROFILES, size)
    con.register("who", who)
    con.execute(
        "create temp table named as select *, 'aws:' || (100000000000 + account) as tenant, "
        "['group/g', 'user/svc-', 'role/app-'][sort + 1] || key as path, "
        "'arn:aws:iam::' || (100000000000 + account) || ':' || ['group/g', 'user/svc-', 'role/app-'][sort + 1] || key "
        "as arn from who"
    )
    con.unregister("who")
    con.execute(
        "insert into identities by name select key as identity_key, tenant || ':' || path as identity_id, "
        "'aws' as provider, tenant as tenant_id, case when sort = 0 then 'group' when sort = 2 then 'workload_role' "
        "when nhi then 'service_account' else 'human_user' end as kind, split_part(path, '/', 2) as name, "
        "arn as native_id, sort = 2 or (sort = 1 and nhi) as is_nhi, "
        "case when \"on\" then 'enabled' else 'disabled' end as status, false as is_provider_owned, "
        f"timestamp '{AS_OF}' - to_days(cast(created as integer)) as created_at, case when used >= 0 and used_known "
        f"then timestamp '{AS_OF}' - to_days(cast(least(used, created) as integer)) end as last_used_at, "
        "used_known as last_used_known, 'made up' as last_used_source, sort = 1 and not nhi as has_console_password, "
        "case when sort = 1 and not nhi then 'registered' end as mfa_state from named"
    )
    con.execute("insert into tenants select distinct tenant, 'aws', tenant from named")
    con.execute("insert into company select 'aws_account', substr(tenant_id, 5), 'prod' from tenants")
    con.execute("insert into company values ('name', 'Acme', null), ('mail_domain', 'acme.example', null)")
    con.execute(
        "insert into coverage (provider, tenant_id, dataset, status) select 'aws', tenant_id, unnest(['identities', "
        "'identities.tags', 'identities.last_used', 'identities.mfa', 'memberships', 'credentials', "
        "'credentials.created', 'credentials.last_used', 'credentials.passwords', 'credentials.service_specific', "
        "'policies', 'trusts', 'issuers']), 'complete' from tenants"
    )
    con.execute(
        "insert into tags select key, 'partner', w.word from named join words w on w.i = partner "
        "union all select key, 'owner', 'boss' || boss || '@acme.example' from named where boss >= 0 "
        "union all select key, 'cost-center', 'cc-' || (key % 997) from named "
        "union all select key, 'application', 'app ' || (key % 4999) from named "
        "union all select key, 'managed-by', 'terraform' from named where key % 10 > 0"
    )
    return who


def _credentials(con: duckdb.DuckDBPyConnection, rng: np.random.Generator, who: pd.DataFrame, size: int) -> None:
    """Two for each identity of the estate, on the users: one in use, the others retired but for a few."""
    users = who.key[who["sort"] == 1].to_numpy()
    count = size * 2
    is_first = np.arange(count) < len(users)
    made = pd.DataFrame(
        {
            "n": np.arange(count),
            "who": users[np.arange(count) % len(users)],
            "kind": rng.choice(["access_key", "api_key", "app_password", "password"], count, p=[0.8, 0.1, 0.08, 0.02]),
            "live": rng.random(count) < np.where(is_first, 0.9, 0.02),
            "created": _days(rng, count, 60),
            "used": np.where(rng.random(count) < 0.85, _days(rng, count, 25), -1),
            "used_known": rng.random(count) < 0.95,
        }
    )
    _fill(
        con,
        "credentials",
        "select n as credential_key, i.tenant_id || ':' || c.kind || '/k' || n as credential_id, "
        "c.who as identity_key, 'aws' as provider, i.tenant_id, c.kind, 'k' || n as native_id, "
        "case when live then 'active' else 'inactive' end as status, c.kind <> 'password' as is_replaceable, "
        f"timestamp '{AS_OF}' - to_days(cast(created as integer)) as created_at, false as expiry_known, "
        f"case when used >= 0 and used_known then timestamp '{AS_OF}' - to_days(cast(least(used, created) as integer)) "
        "end as last_used_at, used_known as last_used_known, 'made up' as last_used_source "
        "from made c join identities i on i.identity_key = c.who",
        made=made,
    )


def _documents(rng: np.random.Generator) -> list[str]:
    """The first is an administrator's, the second one's under a condition, the third lets roles be assumed."""

    def document(*statements: dict[str, Any]) -> str:
        return json.dumps({"Version": "2012-10-17", "Statement": statements}, sort_keys=True)

    def allow(action: Any, resource: Any, **more: Any) -> dict[str, Any]:
        return {"Effect": "Allow", "Action": action, "Resource": resource, **more}

    mfa = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    made = [
        document(allow("*", "*")),
        document(allow("*", "*", Condition=mfa)),
        document(allow("sts:AssumeRole", "arn:aws:iam::*:role/app-*1")),
    ]
    actions = (
        ["s3:GetObject", "s3:ListBucket"],
        ["s3:PutObject", "s3:DeleteObject"],
        ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:PutItem"],
        ["sqs:SendMessage", "sqs:ReceiveMessage"],
        ["ec2:Describe*"],
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        ["secretsmanager:GetSecretValue"],
        ["lambda:UpdateFunctionCode"],
        ["kms:Decrypt"],
        ["iam:PassRole"],
    )
    while len(made) < _DOCUMENTS:
        number = len(made)
        statements = []
        for pick in rng.choice(len(actions), int(rng.integers(1, 5)), replace=False):
            name = f"thing-{number}"
            chosen = actions[int(pick)]
            scoped = {
                "s3": [f"arn:aws:s3:::{name}", f"arn:aws:s3:::{name}/*"],
                "iam": [f"arn:aws:iam::*:role/{name}"],
                "ec2": "*",
            }.get(chosen[0].split(":")[0], f"arn:aws:{chosen[0].split(':')[0]}:*:*:*{name}")
            more = {"Condition": mfa} if rng.random() < 0.1 else {}
            statements.append(
                allow(chosen, "*" if rng.random() < 0.2 and chosen != ["iam:PassRole"] else scoped, **more)
            )
        if rng.random() < 0.15:
            statements.append({"Effect": "Deny", "Action": ["s3:Delete*", "kms:*"], "Resource": "*"})
        made.append(document(*statements))
    return made


def _policies(con: duckdb.DuckDBPyConnection, rng: np.random.Generator, who: pd.DataFrame, plan: Plan) -> None:
    """Each account has forty policies of the three hundred documents, and each profile a few of these.

    Nothing stands between a planted role and its administrator: neither a boundary nor a deny.
    """
    accounts = int(who.account.max()) + 1
    per_account = 40
    picked = np.array(
        [[0, 1, 2, *rng.choice(np.arange(3, _DOCUMENTS), per_account - 3, replace=False)] for _ in range(accounts)]
    )
    documents = pd.DataFrame({"number": np.arange(_DOCUMENTS), "text": _documents(rng)})
    policies = pd.DataFrame(
        {
            "key": np.arange(accounts * per_account),
            "account": np.repeat(np.arange(accounts), per_account),
            "slot": np.tile(np.arange(per_account), accounts),
            "number": picked.ravel(),
        }
    )
    _fill(
        con,
        "policies",
        "select p.key as policy_key, 'aws:' || (100000000000 + account) || ':policy/policy-' || slot as policy_id, "
        "'aws' as provider, 'aws:' || (100000000000 + account) as tenant_id, 'customer_managed' as kind, "
        "'policy-' || slot as name, 'arn:aws:iam::' || (100000000000 + account) || ':policy/policy-' || slot "
        "as native_id, d.text as document from policy p join document d using (number)",
        policy=policies,
        document=documents,
    )
    # Slots 3 and up: no administrator among them. One identity in twenty has one of its own besides.
    profile_slots = rng.integers(3, per_account, (accounts, _PROFILES, 2))
    holders = who[who["sort"] > 0]
    keys, own = holders.key.to_numpy(), profile_slots[holders.account, holders.profile]
    extra = rng.random(len(holders)) < 0.05
    assuming = (rng.random(len(holders)) < 0.02) & (holders["sort"] == 1)
    conditional = rng.random(len(holders)) < 0.001
    bounded = (rng.random(len(holders)) < 0.03) & ~np.isin(keys, plan.truth.identity_key)
    usual = ~np.isin(keys, plan.admins)
    bindings = [
        (plan.admins, np.zeros(len(plan.admins), "int64"), "identity"),
        (keys[usual], own[usual, 0], "identity"),
        (keys[extra & usual], rng.integers(3, per_account, int((extra & usual).sum())), "identity"),
        (keys[assuming], np.full(int(assuming.sum()), 2), "identity"),
        (keys[conditional], np.full(int(conditional.sum()), 1), "identity"),
        (keys[bounded], own[bounded, 1], "boundary"),
    ]
    groups = who[who["sort"] == 0]
    bindings.append((groups.key.to_numpy(), rng.integers(3, per_account, len(groups)), "identity"))
    of = who.account.to_numpy()
    frame = pd.concat(
        pd.DataFrame({"identity_key": k, "policy_key": of[k] * per_account + slot, "role": role})
        for k, slot, role in bindings
    )
    _fill(con, "policy_bindings", "select distinct * from binding", binding=frame)
    users = who[who["sort"] == 1]
    group_keys = groups.groupby("account").key.agg(["min", "count"])
    first, count = group_keys["min"][users.account].to_numpy(), group_keys["count"][users.account].to_numpy()
    members = pd.concat(
        pd.DataFrame(
            {"identity_key": users.key.to_numpy(), "group_key": first + (users.profile.to_numpy() * 7 + turn) % count}
        )
        for turn in range(2)
    )
    _fill(con, "memberships", "select distinct * from member", member=members)


@dataclass(frozen=True)
class Plan:
    """`edges`: caller and role, planted and harmless; `spare`: roles from which nobody gets to an administrator."""

    truth: pd.DataFrame
    admins: Ints
    spare: Ints
    edges: pd.DataFrame


def _plant(rng: np.random.Generator, who: pd.DataFrame) -> Plan:
    edges: list[tuple[Ints, Ints]] = []
    reached: list[tuple[Ints, int]] = []
    spare: list[Ints] = []
    for _, roles in who[who["sort"] == 2].groupby("account").key:
        order = rng.permutation(roles.to_numpy())
        admins = max(len(order) // 2500, 1)
        cuts = admins + (np.cumsum(_LEVEL_SHARES) * int(len(order) * _PATH_SHARE)).astype(int)
        previous = order[:admins]
        reached.append((previous, 0))
        for hops, (low, high) in enumerate(pairwise([admins, *cuts]), start=1):
            level = order[low:high]
            if not len(level):
                break
            edges.append((level, previous[rng.integers(0, len(previous), len(level))]))
            reached.append((level, hops))
            previous = level
        clean = order[cuts[-1] :]
        callers = clean[rng.integers(0, len(clean), len(clean) * 2)]
        # Few roles are trusted by many, most by few.
        edges.append((callers, clean[(len(clean) * rng.random(len(callers)) ** 3).astype("int64")]))
        spare.append(clean)
    named = pd.DataFrame(
        {"caller": np.concatenate([c for c, _ in edges]), "role": np.concatenate([r for _, r in edges])}
    )
    return Plan(
        pd.concat(pd.DataFrame({"identity_key": keys, "hops": hops}) for keys, hops in reached),
        np.concatenate([keys for keys, hops in reached if hops == 0]),
        np.concatenate(spare),
        named[named.caller != named.role].drop_duplicates(),
    )


def _trusts(con: duckdb.DuckDBPyConnection, rng: np.random.Generator, partners: int, plan: Plan) -> None:
    """Planted ways to administrators, a million harmless trusts beside them, services, accounts and partners."""
    everyone = plan.spare
    in_account = everyone[rng.random(len(everyone)) < 0.01]
    foreign = everyone[rng.random(len(everyone)) < 0.05]
    served = everyone[rng.random(len(everyone)) < 0.5]
    abroad = pd.DataFrame(
        {"role": foreign, "partner": rng.integers(0, partners, len(foreign)), "check": rng.integers(0, 3, len(foreign))}
    )
    for name, frame in (
        ("named_trust", plan.edges),
        ("account_trust", pd.DataFrame({"role": in_account})),
        ("foreign_trust", abroad),
        ("service_trust", pd.DataFrame({"role": served})),
    ):
        con.register(name, frame)
    con.execute(
        """
        create temp table trust as
        select role, 'assume_role' as mechanism, 'identity' as kind, n.arn as principal,
               split_part(n.tenant, ':', 2) as account, 'none' as external_id
        from named_trust join named n on n.key = caller
        union all
        select role, 'assume_role', 'account', 'arn:aws:iam::' || split_part(n.tenant, ':', 2) || ':root',
               split_part(n.tenant, ':', 2), 'none'
        from account_trust join named n on n.key = role
        union all
        select role, 'assume_role', 'account', 'arn:aws:iam::' || (900000000000 + partner) || ':root',
               cast(900000000000 + partner as varchar), ['none', 'weak', 'pinned']["check" + 1]
        from foreign_trust
        union all
        select role, 'service', 'service', 'lambda.amazonaws.com', null, 'none' from service_trust
        """
    )
    con.execute(
        "insert into trusts by name select row_number() over (order by role, principal) as trust_key, "
        "n.tenant || ':trust/' || trust_key as trust_id, role as identity_key, n.tenant as tenant_id, mechanism, "
        "kind as principal_kind, principal, trust.account, external_id as external_id_check, 'none' as audience_check, "
        "'none' as subject_check, false as has_other_conditions, '{}' as statement "
        "from trust join named n on n.key = role"
    )
    con.execute(
        "insert into trust_conditions select trust_key, 'StringEquals', 'sts:ExternalId', "
        "case external_id_check when 'weak' then '*' else 'x-' || (trust_key % 977) end "
        "from trusts where external_id_check <> 'none'"
    )
