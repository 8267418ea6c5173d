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
KEYED: Final = {"identities": "identity", "credentials": "credential", "policies": "policy", "trusts": "trust"}

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
    )
)
DATASETS: Final = REGISTER_DATASETS | {
    "identities",
    "identities.tags",
    "identities.last_used",
    "identities.mfa",
    "memberships",
    "credentials",
    "credentials.created",
    "credentials.last_used",
    "credentials.passwords",
    "credentials.service_specific",
    "policies",
    "trusts",
    "issuers",
    "scps",
}

SEVERITIES: Final = ("critical", "high", "medium", "low", "info")


def ref(table: str, *, default: Any = dataclasses.MISSING) -> Any:
    """A field that holds the text id of a row in `table`."""
    return field(default=default, metadata={"ref": table})


@dataclass(frozen=True, slots=True)
class Record:
    """One row for the table that its class names."""

    table: ClassVar[str]


@dataclass(frozen=True, slots=True)
class Coverage(Record):
    """How completely one dataset of one tenant was read; a dataset without a row was not looked at."""

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
    register_row: str | None = None


@dataclass(frozen=True, slots=True)
class PersonMail(Record):
    """An address that a person had before."""

    table: ClassVar[str] = "person_mails"
    mail: str
    old_mail: str


@dataclass(frozen=True, slots=True)
class Ownership(Record):
    """`owned_kind` partner, identity, credential or integration; `owned` an id, native id or name."""

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
    decided_by: str | None = None
    until: date | None = None
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


RECORD_TYPES: Final[tuple[type[Record], ...]] = (
    Coverage,
    Tenant,
    Identity,
    Tag,
    Credential,
    Membership,
    Policy,
    PolicyBinding,
    Trust,
    TrustCondition,
    Issuer,
    IssuerAudience,
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
    RegisterFile,
    RegisterField,
    Quarantined,
)
