"""What collectors may say: record types, the table of each, and the closed lists of words.

A field whose value names a row of another table is made with `ref`; loading turns `identity_id`
into the dense `identity_key` that joins run on. Times are aware UTC, dates are plain dates,
`None` means unknown unless a field says otherwise.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar, Final

# Tables whose text id gets a dense key at load: table -> stem of `<stem>_id` and `<stem>_key`.
KEYED: Final = {
    "identities": "identity",
    "credentials": "credential",
    "policies": "policy",
    "trusts": "trust",
    "resources": "resource",
}

COVERED: Final = frozenset({"complete", "not_applicable"})
COVERAGE_STATUSES: Final = COVERED | {
    "partial",
    "denied",
    "unsupported",
    "truncated",
    "not_licensed",
    "failed",
    "carried",
}

# Finer than tables, because a provider can refuse one call and answer the next.
REGISTER_DATASETS: Final = frozenset(
    f"register.{table}"
    for table in (
        "partners",
        "aliases",
        "contracts",
        "contract_events",
        "people",
        "ownerships",
        "packages",
        "package_items",
        "package_assignments",
        "requests",
        "reviews",
        "attestations",
        "attestation_items",
        "acceptances",
        "incidents",
        "offboardings",
        "offboarding_steps",
        "declared_identities",
        "classifications",
        "identity_map",
        "roles",
        "support_tickets",
    )
)
DATASETS: Final = REGISTER_DATASETS | {
    "identities",
    "identities.tags",
    "identities.last_used",
    "identities.mfa",
    "identities.frozen",
    "memberships",
    "credentials",
    "credentials.created",
    "credentials.last_used",
    "credentials.passwords",
    "credentials.service_specific",
    "policies",
    "trusts",
    "issuers",
    "issuers.certificates",
    "scps",
    "rcps",
    "organization",
    "delegated_admins",
    "auth_roles",
    "resources",
    "workloads",
    "grants",
    "external_access",
    "stored_secrets",
    "stored_secrets.last_used",
    "stored_secrets.rotation",
    "stored_secrets.fingerprints",
    "sightings.environment",
    "sightings.user_data",
    "sightings.tags",
    "sightings.parameters",
    "sightings.files",
    "sightings.history",
    "sightings.imports",
    "settings",
    "settings.logging",
    "leases",
    "namespaces",
    "usage.calls",
    "usage.logins",
    "usage.exports",
    "usage.audit",
    "usage.services",
    "sessions",
    "apps",
    "apps.scopes",
    "apps.settings",
    "grants.objects",
    "grants.fields",
    "objects",
    "objects.sharing",
    "objects.guards",
    "objects.records",
    "partner_accounts",
    "settings.sessions",
    "settings.passwords",
    "settings.sign_in",
    "settings.apps",
}


def ref(table: str, *, default: Any = dataclasses.MISSING) -> Any:
    """A field that holds the text id of a row in `table`."""
    return field(default=default, metadata={"ref": table})


@dataclass(frozen=True, slots=True)
class Record:
    """One row for the table that its class names."""

    table: ClassVar[str]


@dataclass(frozen=True, slots=True)
class Coverage(Record):
    """How completely one dataset of one tenant was read; a dataset without a row was not looked at.

    `original_status`: what a carried dataset had when it was read; for the engine only.
    """

    table: ClassVar[str] = "coverage"
    provider: str
    tenant_id: str
    dataset: str
    status: str
    reason: str | None = None
    missing_permission: str | None = None
    call: str | None = None
    history_from: datetime | None = None
    collected_at: datetime | None = None
    original_status: str | None = None

    def __post_init__(self) -> None:
        if self.dataset not in DATASETS:
            raise ValueError(f"unknown dataset {self.dataset!r}")
        if self.status not in COVERAGE_STATUSES:
            raise ValueError(f"unknown coverage status {self.status!r}")


@dataclass(frozen=True, slots=True)
class Tenant(Record):
    """One account, org or mount that was reached; ours or not is said by nhiscan.toml."""

    table: ClassVar[str] = "tenants"
    tenant_id: str
    provider: str
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Identity(Record):
    """Any principal. `is_nhi` None: the source does not tell a person from a machine."""

    table: ClassVar[str] = "identities"
    identity_id: str
    provider: str
    tenant_id: str
    kind: str
    name: str
    native_id: str
    is_nhi: bool | None
    status: str = "enabled"
    mail: str | None = None
    purpose: str | None = None
    environment: str | None = None
    is_provider_owned: bool = False
    created_at: datetime | None = None
    last_used_at: datetime | None = None
    last_used_known: bool = False
    last_used_source: str | None = None
    has_console_password: bool | None = None
    mfa_state: str | None = None
    is_external: bool | None = None  # the provider itself calls it an outsider: by licence, guest mark or tenant
    licence: str | None = None  # internal, partner, customer, integration or guest
    is_installed: bool | None = None  # of an app; False: removed, though tokens or rights of it may live
    role_changed_at: datetime | None = None
    derived_from: str | None = None  # no list holds it: what it was concluded from, and how far back that reaches
    is_ai_agent: bool | None = None  # a model acts through it; None: the source does not say
    invited_at: datetime | None = None
    created_by: str | None = None  # mail address, name or native id of whoever made it, as the provider writes it


@dataclass(frozen=True, slots=True)
class Sign(Record):
    """What an identity shows of whose it is; `kind` and `value` in the words of the register's aliases."""

    table: ClassVar[str] = "signs"
    identity_id: str = ref("identities")
    kind: str = field(kw_only=True)
    value: str = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Tag(Record):
    table: ClassVar[str] = "tags"
    identity_id: str = ref("identities")
    name: str = field(kw_only=True)
    value: str = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Credential(Record):
    """Metadata of one credential, never its value."""

    table: ClassVar[str] = "credentials"
    credential_id: str
    identity_id: str = ref("identities")
    provider: str = field(kw_only=True)
    tenant_id: str = field(kw_only=True)
    kind: str = field(kw_only=True)
    native_id: str = field(kw_only=True)
    status: str = field(kw_only=True)
    is_replaceable: bool = field(kw_only=True)
    service: str | None = None
    created_at: datetime | None = None
    expires_at: datetime | None = None
    expiry_known: bool = False
    last_used_at: datetime | None = None
    last_used_known: bool = False
    last_used_source: str | None = None
    max_ttl_s: int | None = None
    period_s: int | None = None
    is_network_bound: bool | None = None
    app_id: str | None = ref("identities", default=None)  # the app that holds it and acts as the identity with it


@dataclass(frozen=True, slots=True)
class AppSettings(Record):
    """How an OAuth app gets and keeps its tokens. None: the source does not say.

    `flows`: those that are switched on, separated by commas: code, implicit, password, device, jwt_bearer,
    client_credentials, saml_bearer or token_exchange. `refresh_policy`: never_expires, idle_days, fixed_days or
    immediate; `refresh_days`: the days of the second and third.
    """

    table: ClassVar[str] = "app_settings"
    identity_id: str = ref("identities")
    flows: str | None = field(default=None, kw_only=True)
    is_public: bool | None = None  # it has no secret, or need not show it
    is_pkce_required: bool | None = None
    refresh_policy: str | None = None
    refresh_days: int | None = None
    is_refresh_rotated: bool | None = None
    is_approved_users_only: bool | None = None  # an administrator says who may use it; False: whoever consents
    is_network_bound: bool | None = None  # its tokens work from named networks only
    is_refresh_network_bound: bool | None = None  # its refresh tokens do


@dataclass(frozen=True, slots=True)
class AppScope(Record):
    """One OAuth scope that an app may ask for. `gives` of the user's rights: all, data, self, none; None: not known."""

    table: ClassVar[str] = "app_scopes"
    identity_id: str = ref("identities")
    scope: str = field(kw_only=True)
    gives: str | None = None


@dataclass(frozen=True, slots=True)
class AuthRole(Record):
    """How a vault lets somebody log in as `identity_id`. Seconds: None: the method has no such limit, 0: none is set.

    The `bound_` texts list what a caller has to match, separated by commas; empty: nothing is asked; None: the method
    has no such bound.
    """

    table: ClassVar[str] = "auth_roles"
    identity_id: str = ref("identities")
    method: str = field(kw_only=True)
    mount: str = field(kw_only=True)
    token_ttl_s: int | None = None
    token_max_ttl_s: int | None = None
    token_period_s: int | None = None
    secret_ttl_s: int | None = None
    secret_uses: int | None = None
    is_secret_required: bool | None = None
    bound_networks: str | None = None
    bound_audiences: str | None = None
    bound_subjects: str | None = None
    bound_claims: str | None = None


@dataclass(frozen=True, slots=True)
class Membership(Record):
    table: ClassVar[str] = "memberships"
    identity_id: str = ref("identities")
    group_id: str = ref("identities")


@dataclass(frozen=True, slots=True)
class Policy(Record):
    """A policy document as its provider writes it, at the version that is in force."""

    table: ClassVar[str] = "policies"
    policy_id: str
    provider: str
    tenant_id: str
    kind: str
    name: str
    native_id: str
    document: str


@dataclass(frozen=True, slots=True)
class PolicyBinding(Record):
    """`role`: identity, boundary, scp, rcp, resource or trust."""

    table: ClassVar[str] = "policy_bindings"
    policy_id: str = ref("policies")
    identity_id: str = ref("identities")
    role: str = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Trust(Record):
    """One principal that one statement lets become `identity_id`; its conditions stand in trust_conditions."""

    table: ClassVar[str] = "trusts"
    trust_id: str
    identity_id: str = ref("identities")
    tenant_id: str = field(kw_only=True)
    mechanism: str = field(kw_only=True)
    principal_kind: str = field(kw_only=True)
    principal: str = field(kw_only=True)
    account: str | None = None
    issuer: str | None = None
    # none: no such condition; pinned: exact values only; weak: present but it does not bind
    external_id_check: str = "none"
    audience_check: str = "none"
    subject_check: str = "none"
    narrowed_by: str | None = None
    has_other_conditions: bool = False
    statement: str | None = None


@dataclass(frozen=True, slots=True)
class TrustCondition(Record):
    table: ClassVar[str] = "trust_conditions"
    trust_id: str = ref("trusts")
    operator: str = field(kw_only=True)
    name: str = field(kw_only=True)
    value: str = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class Issuer(Record):
    """An OIDC or SAML provider that one of our tenants accepts tokens from."""

    table: ClassVar[str] = "issuers"
    issuer_id: str
    provider: str
    tenant_id: str
    kind: str
    issuer: str
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class IssuerAudience(Record):
    table: ClassVar[str] = "issuer_audiences"
    issuer_id: str
    audience: str


@dataclass(frozen=True, slots=True)
class Resource(Record):
    """A thing that is protected, or a workload; `runs_as_id` the identity that a workload acts as.

    `encrypted_at_rest`: none, provider or customer_key; `encrypted_in_transit`: enforced, optional or none.
    `audience`: who can read its texts: internal, partner or public.
    """

    table: ClassVar[str] = "resources"
    resource_id: str
    provider: str
    tenant_id: str
    kind: str
    name: str
    native_id: str
    region: str | None = None
    environment: str | None = None
    runs_as_id: str | None = ref("identities", default=None)
    encrypted_at_rest: str | None = None
    encrypted_in_transit: str | None = None
    audience: str | None = None


@dataclass(frozen=True, slots=True)
class ResourceTag(Record):
    table: ClassVar[str] = "resource_tags"
    resource_id: str = ref("resources")
    name: str = field(kw_only=True)
    value: str = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class StoredSecret(Record):
    """Metadata of a secret in a store, never its value; the secret is a resource as well."""

    table: ClassVar[str] = "stored_secrets"
    resource_id: str = ref("resources")
    kind: str = field(kw_only=True)
    version: int | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None  # when the value changed
    last_used_at: datetime | None = None
    last_used_known: bool = False
    expires_at: datetime | None = None
    is_rotated: bool | None = None  # the store rotates it by itself
    rotation_days: int | None = None
    rotated_at: datetime | None = None
    fingerprint: str | None = None


@dataclass(frozen=True, slots=True)
class Grant(Record):
    """What somebody may do to one resource or tenant, as the resource's own policy or a delegation says it.

    `principal_kind`: any, account, identity, organization, service or federated. `identity_id`: the principal, where it
    is in the inventory. `narrowed_by`: condition keys that narrow who the principal can be.
    """

    table: ClassVar[str] = "grants"
    grant_id: str
    provider: str
    tenant_id: str
    principal_kind: str
    principal: str
    permission: str
    resource_id: str | None = ref("resources", default=None)
    identity_id: str | None = ref("identities", default=None)
    account: str | None = None
    narrowed_by: str | None = None
    has_other_conditions: bool = False
    granted_at: datetime | None = None
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    last_used_known: bool = False
    source: str | None = None
    statement: str | None = None
    record_scope: str | None = None  # own, account, team or all of the records; None: as the sharing of the object says


@dataclass(frozen=True, slots=True)
class DataObject(Record):
    """An object of a CRM, or one field of it, as a resource. Sharing: private, read, write or parent (as its parent).

    `object`: its API name, `field`: that of the field. `is_guarded`: an active rule or trigger refuses changes of the
    field, or of the object's core fields. `records`: how many there are.
    """

    table: ClassVar[str] = "data_objects"
    resource_id: str = ref("resources")
    object: str = field(kw_only=True)
    field_name: str | None = field(default=None, kw_only=True)
    internal_sharing: str | None = None
    external_sharing: str | None = None
    is_guarded: bool | None = None
    records: int | None = None


@dataclass(frozen=True, slots=True)
class RecordCount(Record):
    """How many records of an object one identity owns; counts only, never a record. None: somebody not collected."""

    table: ClassVar[str] = "record_counts"
    resource_id: str = ref("resources")
    identity_id: str | None = ref("identities", default=None)
    records: int = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class PartnerAccount(Record):
    """A company that a CRM holds as a partner of ours; `account_id` the CRM's own id."""

    table: ClassVar[str] = "partner_accounts"
    provider: str
    tenant_id: str
    account_id: str
    name: str
    domain: str | None = None  # of its website
    owner_mail: str | None = None
    parent_account_id: str | None = None
    is_active: bool | None = None


@dataclass(frozen=True, slots=True)
class Where:
    """A place whose text is searched for secrets; `location` in a person's words.

    `kind`: environment, user_data, tag, parameter, ci_variable, file (of a folder), shared (shown to partners or to
    everybody), repo (of a repository's newest commit), pipeline (there, in the definition of a build) or repo_history
    (in older commits only).
    `name`: of the variable or tag.
    """

    provider: str
    tenant_id: str
    kind: str
    location: str
    name: str | None = None
    resource_id: str | None = None
    identity_id: str | None = None


@dataclass(frozen=True, slots=True)
class Sighting(Record):
    """A secret seen in text. `native_id`: an id inside the value, like an access key id; `preview`: ≤ 4 characters.

    `issuer`: provider that made the secret, and `issuer_tenant` its account there, as far as the value or what stands
    beside it says so. `first_seen_at` and `last_seen_at`: when the text that holds it was written, and when that text
    was replaced; of git, the times of the commits. `author`: mail address of the first commit. `is_current`: it still
    stands there. `is_verified`: another scanner asked the provider, which took it. `found_by`: that scanner; None:
    nhiscan. `fingerprint` None: that scanner kept no value.
    """

    table: ClassVar[str] = "sightings"
    sighting_id: str
    provider: str
    tenant_id: str
    where_kind: str
    location: str
    kind: str
    fingerprint: str | None
    name: str | None = None
    resource_id: str | None = ref("resources", default=None)
    identity_id: str | None = ref("identities", default=None)
    native_id: str | None = None
    preview: str | None = None
    issuer: str | None = None
    issuer_tenant: str | None = None
    severity: str | None = None  # of the kind of secret, were it live
    confidence: float | None = None  # 0 to 1: that it is a secret at all
    is_test: bool = False  # of the provider's test system
    path: str | None = None
    line: int | None = None  # from 1
    commit: str | None = None
    author: str | None = None
    first_seen_at: datetime | None = None
    last_seen_at: datetime | None = None
    is_current: bool | None = None
    expires_at: datetime | None = None
    is_verified: bool | None = None
    found_by: str | None = None


@dataclass(frozen=True, slots=True)
class Setting(Record):
    """A policy value of a tenant; `applies_to` names the part of it (an auth mount, a trail) where it is not all."""

    table: ClassVar[str] = "settings"
    provider: str
    tenant_id: str
    name: str
    value: str | None = None
    number: int | None = None
    applies_to: str | None = None


@dataclass(frozen=True, slots=True)
class OrgNode(Record):
    """A root, unit or account of an organisation; `tenant_id`: the account that it is, else the organisation's."""

    table: ClassVar[str] = "org_nodes"
    node_id: str
    tenant_id: str
    kind: str
    name: str
    parent_id: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True)
class OrgPolicy(Record):
    """An SCP or RCP that is attached to one node."""

    table: ClassVar[str] = "org_policies"
    policy_id: str = ref("policies")
    node_id: str = field(kw_only=True)


@dataclass(frozen=True, slots=True)
class ServiceUse(Record):
    """When an identity last used one service of its provider; None: not within the tracking period."""

    table: ClassVar[str] = "service_uses"
    identity_id: str = ref("identities")
    service: str = field(kw_only=True)
    last_used_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Use(Record):
    """One security-relevant event. Ids are plain text: what was used may be gone from the inventory by now."""

    table: ClassVar[str] = "usage"
    event_id: str
    provider: str
    tenant_id: str
    occurred_at: datetime
    kind: str  # login, call, export, role_change, credential_change, consent, grant_change or revocation
    action: str
    outcome: str  # success or failure
    identity_id: str | None = None
    credential_id: str | None = None
    is_interactive: bool | None = None
    source_ip: str | None = None
    user_agent: str | None = None
    target: str | None = None
    dataset: str = "usage.calls"  # which history it belongs to: usage.calls, .logins, .exports or .audit
    app: str | None = None  # name of the app that was used, as the log writes it
    flow: str | None = None  # of a login: password, sso, soap, basic, or a word of AppSettings.flows
    country: str | None = None  # two letters, or as the log writes it
    rows: int | None = None  # of an export
    reason: str | None = None  # of a failure, in the provider's word


@dataclass(frozen=True, slots=True)
class Lease(Record):
    """How many leases stand under one path of a vault."""

    table: ClassVar[str] = "leases"
    tenant_id: str
    path: str
    live: int


@dataclass(frozen=True, slots=True)
class Scanner(Record):
    """Who this scan was in a tenant: the identity that made the calls."""

    table: ClassVar[str] = "scanners"
    tenant_id: str
    identity_id: str


# The register: what people wrote down. `register_row` is "file:line".


@dataclass(frozen=True, slots=True)
class Partner(Record):
    table: ClassVar[str] = "partners"
    partner_id: str
    name: str
    legal_name: str | None = None
    parent_id: str | None = None
    relation: str | None = None
    type: str | None = None
    status: str | None = None
    tier: str | None = None
    risk_tier: str | None = None
    criticality: str | None = None
    business_owner: str | None = None
    backup_owner: str | None = None
    technical_owner: str | None = None
    last_commercial_activity: date | None = None
    declared_nhi_count: int | None = None
    stage: str | None = None
    trust_label: str | None = None  # "strategic" and the like; no rule takes it as relief
    classified_at: date | None = None
    handles_customer_data: bool | None = None
    touches_production: bool | None = None
    due_diligence_at: date | None = None
    due_diligence_result: str | None = None
    due_diligence_valid_to: date | None = None
    onboarded_at: date | None = None
    onboarded_by: str | None = None
    onboarding_approved_by: str | None = None
    revoke_runbook: str | None = None
    revoke_runbook_tested_at: date | None = None
    source_system: str | None = None
    source_id: str | None = None
    exported_at: datetime | None = None
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class Alias(Record):
    table: ClassVar[str] = "aliases"
    partner_id: str
    kind: str
    value: str
    our_tenant: str | None = None
    exclusive: bool | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    confirmed_by: str | None = None
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class Contract(Record):
    """`end_date` None: open-ended, or a date that could not be read (then `dates_readable` is False)."""

    table: ClassVar[str] = "contracts"
    contract_id: str
    partner_id: str
    kind: str | None = None
    grants_access: bool | None = None
    status: str | None = None
    start_date: date | None = None
    end_date: date | None = None
    auto_renew: bool | None = None
    notice_date: date | None = None
    terminated_on: date | None = None
    covers_subsidiaries: bool | None = None
    security_terms: bool | None = None
    revoke_sla_hours: int | None = None
    dates_readable: bool = True
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class ContractTenant(Record):
    """One of our tenants that a contract covers; a contract without any covers all."""

    table: ClassVar[str] = "contract_tenants"
    contract_id: str
    tenant_id: str


@dataclass(frozen=True, slots=True)
class ContractEvent(Record):
    table: ClassVar[str] = "contract_events"
    contract_id: str
    type: str
    occurred: date | None = None
    due: date | None = None
    done: date | None = None
    ticket: str | None = None
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class Person(Record):
    """A person or a team; `side` is ours or partner."""

    table: ClassVar[str] = "people"
    mail: str
    name: str | None = None
    side: str | None = None
    partner_id: str | None = None
    status: str | None = None
    left_on: date | None = None
    can_onboard: bool | None = None
    can_approve: str | None = None  # severities that this person may accept, separated by ;
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class PersonMail(Record):
    """An address that a person had before."""

    table: ClassVar[str] = "person_mails"
    mail: str
    old_mail: str


@dataclass(frozen=True, slots=True)
class Ownership(Record):
    """`owned_kind` programme, partner, identity, credential or integration; `owned` an id, native id or name."""

    table: ClassVar[str] = "ownerships"
    owned_kind: str
    owned: str
    mail: str
    role: str | None = None
    since: date | None = None
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class Package(Record):
    table: ClassVar[str] = "packages"
    package_id: str
    name: str
    version: int | None = None
    basis: str | None = None
    allowed_partner_types: str | None = None
    max_risk_tier: str | None = None
    max_level: int | None = None
    review_days: int | None = None
    approved_by: str | None = None
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class PackageItem(Record):
    table: ClassVar[str] = "package_items"
    package_id: str
    provider: str
    resource_pattern: str
    action_pattern: str
    record_scope: str | None = None
    environment: str | None = None
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class PackageAssignment(Record):
    table: ClassVar[str] = "package_assignments"
    partner_id: str
    package_id: str
    assigned_at: date | None = None
    package_version: int | None = None
    assigned_by: str | None = None
    expires_at: date | None = None
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class Request(Record):
    table: ClassVar[str] = "requests"
    request_id: str
    partner_id: str | None = None
    identity: str | None = None
    channel: str | None = None
    privileged: bool | None = None
    requested_by: str | None = None
    requested_at: datetime | None = None
    approved_by: str | None = None
    approved_at: datetime | None = None
    outcome: str | None = None
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class Review(Record):
    table: ClassVar[str] = "reviews"
    review_id: str
    scope: str | None = None
    partner_id: str | None = None
    reviewer: str | None = None
    opened_at: datetime | None = None
    completed_at: datetime | None = None
    items: int | None = None
    items_revoked: int | None = None
    seconds_spent: int | None = None
    evidence: str | None = None
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class Attestation(Record):
    table: ClassVar[str] = "attestations"
    attestation_id: str
    partner_id: str
    kind: str
    attested_by: str | None = None
    attested_at: datetime | None = None
    valid_to: date | None = None
    declared_items: int | None = None
    evidence: str | None = None
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class AttestationItem(Record):
    table: ClassVar[str] = "attestation_items"
    attestation_id: str
    subject_kind: str
    subject_id: str
    answer: str
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class Acceptance(Record):
    """A risk that somebody accepted: needs approver, reason, compensating control and expiry to count."""

    table: ClassVar[str] = "acceptances"
    acceptance_id: str
    rule_id: str
    subject_id: str
    partner_id: str | None = None
    reason: str | None = None
    compensating_control: str | None = None
    requested_by: str | None = None
    approved_by: str | None = None
    approved_at: datetime | None = None
    expires_at: date | None = None
    renewals: int | None = None
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class Incident(Record):
    table: ClassVar[str] = "incidents"
    incident_id: str
    partner_id: str | None = None
    scope: str | None = None
    disclosed_at: datetime | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    severity: str | None = None
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class Offboarding(Record):
    table: ClassVar[str] = "offboardings"
    offboarding_id: str
    partner_id: str
    contract_id: str | None = None  # whose event opened it
    opened_at: datetime | None = None
    due_at: datetime | None = None
    closed_at: datetime | None = None
    verified_at: datetime | None = None
    verified_by: str | None = None
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class OffboardingStep(Record):
    table: ClassVar[str] = "offboarding_steps"
    offboarding_id: str
    step: int
    action: str
    target_kind: str | None = None
    target_id: str | None = None
    done_at: datetime | None = None
    done_by: str | None = None
    evidence: str | None = None
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class DeclaredIdentity(Record):
    """A row of the partner's own register."""

    table: ClassVar[str] = "declared_identities"
    partner_id: str
    declared_ref: str
    purpose: str | None = None
    partner_owner: str | None = None
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class Classification(Record):
    table: ClassVar[str] = "classifications"
    system: str
    object: str
    field: str | None = None
    visibility_class: str | None = None
    protected_field: bool | None = None
    classification: str | None = None
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class IdentityMapping(Record):
    """A person's decision about every identity whose id, native id or name matches `pattern` (`*` and `?`)."""

    table: ClassVar[str] = "identity_map"
    pattern: str
    partner_id: str | None = None
    role: str | None = None
    owner: str | None = None
    purpose: str | None = None
    environment: str | None = None
    ai_agent: bool | None = None
    decided_by: str | None = None
    until: date | None = None
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class Role(Record):
    """What a role, profile or group of one of our systems is for, as written down by people."""

    table: ClassVar[str] = "roles"
    system: str  # the provider, or one of its tenants
    role: str  # name, native id or id
    description: str | None = None
    owner: str | None = None
    intended_tier: str | None = None
    intended_audience: str | None = None
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class SupportTicket(Record):
    """A partner's request for help with its access."""

    table: ClassVar[str] = "support_tickets"
    ticket_id: str
    partner_id: str | None = None
    category: str | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class RegisterFile(Record):
    """How much of one register file was accepted."""

    table: ClassVar[str] = "register_files"
    file: str
    holds: str
    rows: int
    accepted: int
    exported_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RegisterField(Record):
    """How many of a register table's rows fill a column; a column that no file has is absent here."""

    table: ClassVar[str] = "register_fields"
    holds: str
    field: str
    filled: int
    rows: int


@dataclass(frozen=True, slots=True)
class Quarantined(Record):
    """A register cell or row that was not accepted as it stands; `row_dropped` says which.

    `partner_id`: whom the row speaks of, where that could be read; nothing is concluded for that
    partner from the absence of such a row.
    """

    table: ClassVar[str] = "quarantine"
    file: str
    line: int
    field: str | None
    value: str | None
    problem: str
    allowed: str | None = None
    row_dropped: bool = True
    partner_id: str | None = None


SYSTEM_RECORD_TYPES: Final[tuple[type[Record], ...]] = (
    Coverage,
    Tenant,
    Identity,
    Sign,
    Tag,
    Credential,
    AppSettings,
    AppScope,
    Membership,
    Policy,
    PolicyBinding,
    Trust,
    TrustCondition,
    Issuer,
    IssuerAudience,
    AuthRole,
    Resource,
    ResourceTag,
    StoredSecret,
    Grant,
    DataObject,
    RecordCount,
    PartnerAccount,
    Sighting,
    Setting,
    OrgNode,
    OrgPolicy,
    ServiceUse,
    Use,
    Lease,
    Scanner,
)
# Rows of these belong to the register as a whole, those of the others to the tenant that their ids begin with.
REGISTER_RECORD_TYPES: Final[tuple[type[Record], ...]] = (
    Partner,
    Alias,
    Contract,
    ContractTenant,
    ContractEvent,
    Person,
    PersonMail,
    Ownership,
    Package,
    PackageItem,
    PackageAssignment,
    Request,
    Review,
    Attestation,
    AttestationItem,
    Acceptance,
    Incident,
    Offboarding,
    OffboardingStep,
    DeclaredIdentity,
    Classification,
    IdentityMapping,
    Role,
    SupportTicket,
    RegisterFile,
    RegisterField,
    Quarantined,
)
RECORD_TYPES: Final = SYSTEM_RECORD_TYPES + REGISTER_RECORD_TYPES
