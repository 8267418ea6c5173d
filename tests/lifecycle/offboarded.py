"""Offboarded partners in four systems, each with residual access of random kinds, beside what was taken back."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import duckdb

from nhiscan import collect, load, store
from nhiscan.model import (
    REGISTER_DATASETS,
    Alias,
    Contract,
    Coverage,
    Credential,
    Grant,
    Identity,
    IdentityMapping,
    Membership,
    Offboarding,
    OrgNode,
    Partner,
    Policy,
    PolicyBinding,
    Record,
    Resource,
    ResourceTag,
    Sign,
    StoredSecret,
    Tag,
    Tenant,
    Trust,
    TrustCondition,
)

NOW: Final = datetime(2026, 1, 31, 2, tzinfo=UTC)
OPENED: Final = NOW - timedelta(days=10)
BEFORE: Final = NOW - timedelta(days=200)
ACCOUNT: Final = "111111111111"
AWS: Final = f"aws:{ACCOUNT}"
VAULT: Final = "vault:main"
CRM: Final = "salesforce:00D000000000001AAA"
HUB: Final = "hubspot:4242"
OTHER: Final = "P-0"  # a partner that stays
TENANTS: Final = (AWS, VAULT, CRM, HUB)


def provider(tenant_id: str) -> str:
    return tenant_id.partition(":")[0]


@dataclass
class Planted:
    """What one partner was left with: `ids` must be found to live; `shown_by`: (tenant, dataset) that shows them."""

    ids: set[str]
    shown_by: tuple[str, str]
    records: list[Record]

    @property
    def named(self) -> set[str]:
        """Those of the ids that are dead where this was taken back; a removed app stands for its tokens only."""
        return {thing for thing in self.ids if "oauth_app/" not in thing}


@dataclass
class Case:
    """One partner. `left`: what still lives; `taken`: what looks like it and was taken back."""

    number: int
    left: list[Planted] = field(default_factory=list)
    taken: list[Planted] = field(default_factory=list)
    kinds: tuple[str, ...] = ()  # of what is left

    @property
    def partner_id(self) -> str:
        return f"P-{self.number}"

    @property
    def word(self) -> str:
        return f"q{self.number:04}x"

    @property
    def account(self) -> str:
        return f"{700000000000 + self.number}"

    @property
    def entra(self) -> str:
        return f"00000000-0000-4000-8000-{self.number:012}"

    def register(self) -> Iterator[Record]:
        yield Partner(self.partner_id, f"Partner {self.word}", register_row=f"partners.csv:{self.number}")
        yield Contract(f"C-{self.number}", self.partner_id, "msp", status="terminated", terminated_on=OPENED.date())
        yield Offboarding(
            f"O-{self.number}",
            self.partner_id,
            f"C-{self.number}",
            opened_at=OPENED,
            register_row=f"o.csv:{self.number}",
        )
        for kind, value in (
            ("aws_account", self.account),
            ("mail_domain", f"{self.word}.example"),
            ("salesforce_account", f"001D00000{self.number:06}"),
            ("hubspot_company", f"{9000000 + self.number}"),
            ("vault_path", f"kv/partners/{self.word}/"),
            ("client_id", f"client-{self.word}"),
            ("publisher", f"{self.word} Apps"),
        ):
            yield Alias(self.partner_id, kind, value)


Kind = Callable[[Case, bool], Planted]


def _identity(tenant: str, case: Case, kind: str, name: str, *, is_on: bool = True, **fields: Any) -> Identity:
    word = f"{name}-{case.number}"
    return Identity(
        f"{tenant}:{kind}/{word}", provider(tenant), tenant, fields.pop("is_a", kind), word, fields.pop("native", word),
        fields.pop("is_nhi", True), status="enabled" if is_on else "disabled", **fields,
    )  # fmt: skip


def _credential(holder: Identity, kind: str, *, is_on: bool = True, **fields: Any) -> Credential:
    return Credential(
        f"{holder.identity_id}/{kind}", holder.identity_id, provider=holder.provider, tenant_id=holder.tenant_id,
        kind=kind, native_id=f"{kind}-{holder.name}", status="active" if is_on else "inactive", is_replaceable=True,
        created_at=BEFORE, **fields,
    )  # fmt: skip


def aws_key(case: Case, is_left: bool) -> Planted:
    user = _identity(AWS, case, "user", "etl", is_a="service_account")
    key = _credential(user, "access_key", is_on=is_left)
    return Planted(
        {user.identity_id, key.credential_id},
        (AWS, "credentials"),
        [user, Tag(user.identity_id, name="partner", value=case.partner_id), key],
    )


def aws_account_trust(case: Case, is_left: bool) -> Planted:
    role = _identity(AWS, case, "role", "deploy", is_on=is_left, is_a="workload_role")
    trust = Trust(
        f"{role.identity_id}<-", role.identity_id, tenant_id=AWS, mechanism="assume_role", principal_kind="account",
        principal=f"arn:aws:iam::{case.account}:root", account=case.account,
    )  # fmt: skip
    return Planted({role.identity_id, trust.trust_id}, (AWS, "trusts"), [role, trust])


def aws_token_trust(case: Case, is_left: bool) -> Planted:
    role = _identity(AWS, case, "role", "ci", is_on=is_left, is_a="workload_role")
    trust = Trust(
        f"{role.identity_id}<-oidc", role.identity_id, tenant_id=AWS, mechanism="oidc", principal_kind="oidc",
        principal="arn:aws:iam::111111111111:oidc-provider/idp.example", issuer="https://idp.example",
    )  # fmt: skip
    condition = TrustCondition(
        trust.trust_id, operator="StringEquals", name="idp.example:aud", value=f"client-{case.word}"
    )
    return Planted({role.identity_id, trust.trust_id}, (AWS, "trusts"), [role, trust, condition])


def aws_decided_otherwise(case: Case, is_left: bool) -> Planted:
    """Somebody decided that the role is another partner's, and it lets this one's account in all the same."""
    role = _identity(AWS, case, "role", "other", is_on=is_left, is_a="workload_role")
    trust = Trust(
        f"{role.identity_id}<-", role.identity_id, tenant_id=AWS, mechanism="assume_role", principal_kind="account",
        principal=f"arn:aws:iam::{case.account}:root", account=case.account,
    )  # fmt: skip
    decision = IdentityMapping(role.identity_id, OTHER, "operator", decided_by="erika.brandt@acme.example")
    return Planted({trust.trust_id}, (AWS, "trusts"), [role, trust, decision])


def vault_cluster_trust(case: Case, is_left: bool) -> Planted:
    """The role is known by its tag; the cluster whose workloads it lets in is ours."""
    native = f"auth/kubernetes/role/pod-{case.number}"
    role = _identity(VAULT, case, "workload_role", "pod", is_on=is_left, native=native)
    trust = Trust(
        f"{role.identity_id}<-", role.identity_id, tenant_id=VAULT, mechanism="kubernetes", principal_kind="kubernetes",
        principal="system:serviceaccount:apps:sync",
    )  # fmt: skip
    records: list[Record] = [role, Tag(role.identity_id, name="partner", value=case.partner_id), trust]
    return Planted({role.identity_id, trust.trust_id}, (VAULT, "trusts"), records)


def aws_named_user(case: Case, is_left: bool) -> Planted:
    user = _identity(AWS, case, "user", "push", is_on=is_left, is_a="service_account")
    key = _credential(user, "access_key")
    grant = Grant(
        f"{AWS}:bucket/named-{case.number}/grant", "aws", AWS, "identity", user.native_id, "s3:PutObject",
        identity_id=user.identity_id, account=ACCOUNT, source="policy",
    )  # fmt: skip
    return Planted(
        {user.identity_id, key.credential_id, grant.grant_id},
        (AWS, "grants"),
        [user, key, grant, Tag(user.identity_id, name="partner", value=case.partner_id)],
    )


def aws_bucket(case: Case, is_left: bool) -> Planted:
    bucket = Resource(
        f"{AWS}:bucket/b-{case.number}", "aws", AWS, "bucket", f"b-{case.number}", f"arn:aws:s3:::b-{case.number}"
    )
    grant = Grant(
        f"{bucket.resource_id}/grant", "aws", AWS, "account", f"arn:aws:iam::{case.account}:root", "s3:GetObject",
        resource_id=bucket.resource_id, account=case.account, source="policy", expires_at=None if is_left else OPENED,
    )  # fmt: skip
    return Planted({grant.grant_id}, (AWS, "grants"), [bucket, grant])


def aws_delegated_admin(case: Case, is_left: bool) -> Planted:
    grant = Grant(
        f"{AWS}:delegated_admin/{case.account}/guardduty.amazonaws.com", "aws", AWS, "account", case.account,
        "guardduty.amazonaws.com", account=case.account, source="delegation", expires_at=None if is_left else OPENED,
    )  # fmt: skip
    return Planted({grant.grant_id}, (AWS, "delegated_admins"), [grant])


def aws_member_account(case: Case, is_left: bool) -> Planted:
    node = OrgNode(
        f"{AWS}:node/{case.account}", f"aws:{case.account}", "account", case.word,
        status="active" if is_left else "suspended",
    )  # fmt: skip
    return Planted({node.node_id}, (AWS, "organization"), [node])


def aws_workload(case: Case, is_left: bool) -> Planted:
    role = _identity(AWS, case, "role", "runtime", is_on=is_left, is_a="workload_role")
    function = Resource(
        f"{AWS}:function/f-{case.number}", "aws", AWS, "function", f"f-{case.number}", f"f-{case.number}",
        runs_as_id=role.identity_id,
    )  # fmt: skip
    return Planted(
        {function.resource_id},
        (AWS, "workloads"),
        [role, function, ResourceTag(function.resource_id, name="partner", value=case.partner_id)],
    )


def aws_known_secret(case: Case, is_left: bool) -> Planted:
    """Its role is disabled, yet what it could read was not replaced."""
    role = _identity(AWS, case, "role", "reader", is_on=False, is_a="workload_role")
    name = f"shared-{case.number}"
    arn = f"arn:aws:secretsmanager:eu-central-1:{ACCOUNT}:secret:{name}"
    secret = Resource(f"{AWS}:secret/{name}", "aws", AWS, "secret", name, arn, region="eu-central-1")
    text = f'{{"Statement": [{{"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": "{arn}"}}]}}'
    policy = Policy(f"{AWS}:policy/r-{case.number}", "aws", AWS, "customer_managed", "r", "r", text)
    return Planted(
        {secret.resource_id},
        (AWS, "stored_secrets"),
        [
            role,
            Tag(role.identity_id, name="partner", value=case.partner_id),
            policy,
            PolicyBinding(policy.policy_id, role.identity_id, role="identity"),
            secret,
            StoredSecret(secret.resource_id, kind="secret", updated_at=BEFORE if is_left else NOW - timedelta(days=1)),
        ],
    )


def vault_approle(case: Case, is_left: bool) -> Planted:
    role = _identity(VAULT, case, "workload_role", "sync", native=f"auth/approle/role/sync-{case.number}")
    secret = _credential(role, "approle_secret", expires_at=None if is_left else OPENED, expiry_known=True)
    return Planted(
        {role.identity_id, secret.credential_id},
        (VAULT, "credentials"),
        [role, Tag(role.identity_id, name="partner", value=case.partner_id), secret],
    )


def vault_user(case: Case, is_left: bool) -> Planted:
    user = _identity(
        VAULT, case, "human_user", "jane", is_on=is_left, is_nhi=False, mail=f"jane@{case.word}.example",
        native=f"auth/userpass/users/jane-{case.number}",
    )  # fmt: skip
    password = _credential(user, "password")
    return Planted({user.identity_id, password.credential_id}, (VAULT, "auth_roles"), [user, password])


def vault_entity(case: Case, is_left: bool) -> Planted:
    entity = _identity(VAULT, case, "entity", "e", is_on=is_left, is_nhi=None)
    return Planted(
        {entity.identity_id},
        (VAULT, "identities"),
        [entity, Tag(entity.identity_id, name="partner", value=case.partner_id)],
    )


def vault_known_secret(case: Case, is_left: bool) -> Planted:
    path = f"kv/partners/{case.word}/key"
    secret = Resource(f"{VAULT}:secret/{path}", "vault", VAULT, "secret", path, path)
    changed = BEFORE if is_left else NOW - timedelta(days=1)
    return Planted(
        {secret.resource_id},
        (VAULT, "stored_secrets"),
        [secret, StoredSecret(secret.resource_id, kind="kv2", updated_at=changed)],
    )


def crm_user(case: Case, is_left: bool) -> Planted:
    user = _identity(CRM, case, "user", "dana", is_on=is_left, is_a="human_user", is_nhi=False, is_external=True,
                     licence="partner")  # fmt: skip
    return Planted(
        {user.identity_id},
        (CRM, "identities"),
        [user, Sign(user.identity_id, kind="salesforce_account", value=f"001D00000{case.number:06}")],
    )


def crm_delegate(case: Case, is_left: bool) -> Planted:
    user = _identity(CRM, case, "user", "lee", is_on=is_left, is_a="human_user", is_nhi=False, licence="internal",
                     mail=f"lee@{case.word}.example")  # fmt: skip
    group = _identity(CRM, case, "delegated_group", "admins", is_a="group", is_nhi=None)
    return Planted(
        {user.identity_id, f"{user.identity_id} in {group.identity_id}"},
        (CRM, "memberships"),
        [
            user,
            group,
            Membership(user.identity_id, group.identity_id),
            Grant(f"{group.identity_id}/delegation", "salesforce", CRM, "identity", group.name, "delegate:manage_users",
                  identity_id=group.identity_id, source="delegation"),
        ],
    )  # fmt: skip


def crm_app(case: Case, is_left: bool) -> Planted:
    """The app was removed; a token of it that acts as somebody of ours may live on."""
    app = _identity(CRM, case, "oauth_app", "app", is_on=False, is_installed=False)
    ours = _identity(CRM, case, "user", "ours", is_a="human_user", is_nhi=False, licence="internal")
    token = _credential(ours, "oauth_token", is_on=is_left, app_id=app.identity_id)
    return Planted(
        {app.identity_id, token.credential_id},
        (CRM, "apps"),
        [app, ours, Sign(app.identity_id, kind="publisher", value=f"{case.word} Apps"), token],
    )


def hub_user(case: Case, is_left: bool) -> Planted:
    user = _identity(HUB, case, "user", "kim", is_on=is_left, is_a="human_user", is_nhi=False,
                     mail=f"kim@{case.word}.example")  # fmt: skip
    return Planted({user.identity_id}, (HUB, "identities"), [user])


def hub_app(case: Case, is_left: bool) -> Planted:
    app = _identity(HUB, case, "oauth_app", "happ", is_on=True, native=f"client-{case.word}")
    token = _credential(app, "oauth_token", is_on=is_left)
    return Planted({app.identity_id, token.credential_id}, (HUB, "credentials"), [app, token])


KINDS: Final[tuple[Kind, ...]] = (
    aws_key,
    aws_account_trust,
    aws_decided_otherwise,
    aws_token_trust,
    aws_named_user,
    aws_bucket,
    aws_delegated_admin,
    aws_member_account,
    aws_workload,
    aws_known_secret,
    vault_approle,
    vault_cluster_trust,
    vault_user,
    vault_entity,
    vault_known_secret,
    crm_user,
    crm_delegate,
    crm_app,
    hub_user,
    hub_app,
)


def cases(seed: int, many: int) -> list[Case]:
    """Every partner keeps nothing up to four kinds of residual access; of the other kinds, some were taken back."""
    rng = random.Random(seed)
    made = []
    for number in range(1, many + 1):
        case = Case(seed * 1000 + number)
        left = rng.sample(KINDS, rng.choice((0, 1, 1, 2, 3, 4)))
        case.left = [kind(case, True) for kind in left]
        case.kinds = tuple(kind.__name__ for kind in left)
        case.taken = [kind(case, False) for kind in KINDS if kind not in left and rng.random() < 0.4]
        made.append(case)
    return made


def scanned(made: list[Case], *, unread: tuple[str, str] | None = None) -> duckdb.DuckDBPyConnection:
    """A scan of these partners at NOW, not resolved yet; nothing of the `unread` (tenant, dataset) was read."""
    records: list[Record] = [Partner(OTHER, "Zephyr Ltd", register_row="partners.csv:0")]
    for case in made:
        records += case.register()
        for planted in (*case.left, *case.taken):
            if planted.shown_by != unread:
                records += planted.records
    for tenant in TENANTS:
        records.append(Tenant(tenant, provider(tenant)))
        for dataset in sorted(collect.load(provider(tenant)).datasets):
            status = "denied" if (tenant, dataset) == unread else "complete"
            since = BEFORE if dataset.startswith("usage.") else None
            records.append(Coverage(provider(tenant), tenant, dataset, status, history_from=since, collected_at=NOW))
    records += [
        Resource(f"{VAULT}:mount/kv", "vault", VAULT, "mount", "kv", "kv"),
        ResourceTag(f"{VAULT}:mount/kv", name="type", value="kv"),
        ResourceTag(f"{VAULT}:mount/kv", name="version", value="2"),
    ]
    records.append(Tenant("register:main", "register"))
    records += [Coverage("register", "register:main", name, "complete") for name in sorted(REGISTER_DATASETS)]
    con = store.empty()
    load.load(con, records)
    con.execute("insert into scans (scan_id, as_of, is_complete) values ('s', ?, true)", [NOW.replace(tzinfo=None)])
    con.execute("insert into company values ('name', 'Acme', null), ('aws_account', ?, 'prod')", [ACCOUNT])
    return con
