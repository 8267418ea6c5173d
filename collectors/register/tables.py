"""What each register table may hold: columns, value lists, keys and references, read off the record types."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final, Literal

from nhiscan import model
from nhiscan.severities import SEVERITIES

Kind = Literal["text", "texts", "word", "mail", "mails", "tenant", "tenants", "date", "time", "boolean", "integer"]

# Filled by the collector, never read from a cell.
_NOT_COLUMNS: Final = frozenset({"register_row", "dates_readable"})
# Column names of the published format where they differ from the record's.
_HEADERS: Final = {("contracts", "start_date"): "start", ("contracts", "end_date"): "end"}
_KINDS: Final[Mapping[type, Kind]] = {str: "text", bool: "boolean", int: "integer", date: "date", datetime: "time"}

_TIERS: Final = ("low", "medium", "high", "critical")
_ENVIRONMENTS: Final = ("prod", "staging", "test", "dev", "sandbox")


@dataclass(frozen=True)
class Column:
    """`header` is the name in a file, `field` the record's; a bad value of a `drops_row` column costs the row."""

    header: str
    field: str
    kind: Kind
    words: tuple[str, ...] = ()
    is_required: bool = False
    drops_row: bool = False
    refers_to: str | None = None
    is_open_end: bool = False


@dataclass(frozen=True)
class Table:
    """`key`: fields that two rows must not share; `record` makes one row."""

    name: str
    record: type[Any]
    columns: Mapping[str, Column]
    key: tuple[str, ...]

    def column_of(self, folded_header: str) -> Column | None:
        """By header, or by the record's own name for the field."""
        for column in self.columns.values():
            if folded_header in (column.header, column.field):
                return column
        return None

    @property
    def headers(self) -> list[str]:
        return [column.header for column in self.columns.values()]


def _table(
    record: type[model.Record],
    *,
    key: tuple[str, ...],
    words: Mapping[str, tuple[str, ...]] | None = None,
    kinds: Mapping[str, Kind] | None = None,
    lists: Iterable[Column] = (),
    refers: Mapping[str, str] | None = None,
    drops: Iterable[str] = (),
    open_ends: Iterable[str] = (),
) -> Table:
    hints = typing.get_type_hints(record)
    columns: dict[str, Column] = {}
    for spec in dataclasses.fields(record):
        if spec.name in _NOT_COLUMNS:
            continue
        is_required = spec.default is dataclasses.MISSING
        closed = (words or {}).get(spec.name, ())
        columns[spec.name] = Column(
            header=_HEADERS.get((record.table, spec.name), spec.name),
            field=spec.name,
            kind="word" if closed else (kinds or {}).get(spec.name, _KINDS[_type(hints[spec.name])]),
            words=closed,
            is_required=is_required,
            drops_row=is_required or spec.name in drops,
            refers_to=(refers or {}).get(spec.name),
            is_open_end=spec.name in open_ends,
        )
    columns |= {column.field: column for column in lists}
    return Table(record.table, record, columns, key)


def _type(hint: Any) -> type:
    if isinstance(hint, types.UnionType):
        (hint,) = (arg for arg in typing.get_args(hint) if arg is not type(None))
    found: type = hint
    return found


# Parents stand before the tables that refer to them. A column in `drops` limits or steers what its row
# says: without it the row would say more than its author meant, so the row goes.
TABLES: Final[Mapping[str, Table]] = {
    table.name: table
    for table in (
        _table(
            model.Partner,
            key=("partner_id",),
            words={
                "relation": ("subsidiary", "brand", "sub_processor"),
                "risk_tier": _TIERS,
                "criticality": _TIERS,
                "stage": ("onboarding", "enablement", "measurement", "offboarding", "ended"),
                "due_diligence_result": ("pass", "conditional", "fail"),
            },
            kinds={
                "business_owner": "mail",
                "backup_owner": "mail",
                "technical_owner": "mail",
                "onboarded_by": "mail",
                "onboarding_approved_by": "mail",
            },
        ),
        _table(
            model.Alias,
            key=("partner_id", "kind", "value", "our_tenant", "valid_from", "valid_to"),
            words={
                "kind": (
                    "mail_domain",
                    "mail",
                    "aws_account",
                    "entra_tenant",
                    "gcp_org",
                    "salesforce_account",
                    "hubspot_company",
                    "client_id",
                    "publisher",
                    "vault_path",
                    "github_org",
                    "asn",
                )
            },
            kinds={"our_tenant": "tenant"},
            refers={"partner_id": "partners"},
            drops=("exclusive", "valid_from", "valid_to"),
            open_ends=("valid_to",),
        ),
        _table(
            model.Contract,
            key=("contract_id",),
            words={
                "kind": ("reseller", "referral", "technology", "msp", "nda", "dpa", "other"),
                "status": ("draft", "active", "suspended", "expired", "terminated"),
            },
            lists=(Column("our_tenants", "our_tenants", "tenants"),),
            refers={"partner_id": "partners"},
            drops=("kind", "status"),
            open_ends=("end_date",),
        ),
        _table(
            model.ContractEvent,
            key=("contract_id", "type", "occurred", "due"),
            refers={"contract_id": "contracts"},
        ),
        _table(
            model.Person,
            key=("mail",),
            words={"side": ("ours", "partner"), "status": ("active", "left", "unknown")},
            kinds={"mail": "mail", "can_approve": "texts"},
            lists=(Column("old_mails", "old_mails", "mails"),),
            refers={"partner_id": "partners"},
        ),
        _table(
            model.Ownership,
            key=("owned_kind", "owned", "mail", "role"),
            words={
                "owned_kind": ("programme", "partner", "identity", "credential", "integration"),
                "role": (
                    "business",
                    "technical",
                    "security",
                    "backup",
                    "partner_side",
                    "stage:onboarding",
                    "stage:enablement",
                    "stage:measurement",
                    "stage:offboarding",
                    "other",
                ),
            },
            kinds={"mail": "mail"},
        ),
        _table(
            model.Package,
            key=("package_id",),
            words={"basis": ("role", "product_line", "integration_type", "tier"), "max_risk_tier": _TIERS},
            kinds={"allowed_partner_types": "texts"},
        ),
        _table(
            model.PackageItem,
            key=("package_id", "provider", "resource_pattern", "action_pattern", "record_scope", "environment"),
            words={"record_scope": ("own", "account", "team", "all"), "environment": _ENVIRONMENTS},
            refers={"package_id": "packages"},
            drops=("record_scope", "environment"),
        ),
        _table(
            model.PackageAssignment,
            key=("partner_id", "package_id", "assigned_at"),
            refers={"partner_id": "partners", "package_id": "packages"},
            drops=("expires_at",),
            open_ends=("expires_at",),
        ),
        _table(
            model.Request,
            key=("request_id",),
            words={"channel": ("workflow", "ticket", "email", "manual")},
            refers={"partner_id": "partners"},
            drops=("partner_id",),
        ),
        _table(
            model.Review,
            key=("review_id",),
            words={"scope": ("access", "secrets", "delegated", "logs", "package")},
            refers={"partner_id": "partners"},
            drops=("scope", "partner_id"),
        ),
        _table(
            model.Attestation,
            key=("attestation_id",),
            words={"kind": ("access", "nhi_inventory", "secrets_handling", "leavers", "data_disposal")},
            refers={"partner_id": "partners"},
        ),
        _table(
            model.AttestationItem,
            key=("attestation_id", "subject_kind", "subject_id"),
            words={"answer": ("keep", "remove", "left", "shared", "unknown")},
            refers={"attestation_id": "attestations"},
        ),
        _table(
            model.Acceptance,
            key=("acceptance_id",),
            refers={"partner_id": "partners"},
            drops=("partner_id",),
        ),
        _table(
            model.Incident,
            key=("incident_id",),
            words={"severity": SEVERITIES},
            refers={"partner_id": "partners"},
            drops=("partner_id",),
        ),
        _table(model.Offboarding, key=("offboarding_id",), refers={"partner_id": "partners"}),
        _table(
            model.OffboardingStep,
            key=("offboarding_id", "step"),
            words={
                "action": (
                    "revoke_access",
                    "rotate_shared_secret",
                    "close_integration",
                    "remove_delegation",
                    "return_data",
                    "notify",
                )
            },
            refers={"offboarding_id": "offboardings"},
        ),
        _table(model.DeclaredIdentity, key=("partner_id", "declared_ref"), refers={"partner_id": "partners"}),
        _table(
            model.Classification,
            key=("system", "object", "field"),
            words={
                "visibility_class": ("external_allowed", "internal_only", "unclassified"),
                "classification": ("public", "internal", "confidential", "customer", "regulated"),
            },
        ),
        _table(
            model.IdentityMapping,
            key=("pattern", "partner_id", "role", "owner", "purpose", "environment"),
            words={"role": ("operator", "beneficiary", "vendor"), "environment": _ENVIRONMENTS},
            kinds={"owner": "mail"},
            refers={"partner_id": "partners"},
            drops=("partner_id", "role", "until"),
            open_ends=("until",),
        ),
        _table(
            model.Role,
            key=("system", "role"),
            words={"intended_audience": ("internal", "partner", "both")},
            kinds={"owner": "mail"},
        ),
        _table(
            model.SupportTicket,
            key=("ticket_id",),
            words={"category": ("password_reset", "locked_out", "access_request", "role_question", "other")},
            refers={"partner_id": "partners"},
            drops=("partner_id",),
        ),
    )
}
