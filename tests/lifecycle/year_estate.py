"""A company over a year: what really stands in its systems, and what people write down about it.

Acme lets two partners in. Südlicht does all in time and is never spoken of; what happens to Nordwind, a test says
by changing the world between two scans. The register is written as files, some CSV and some TOML.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final

from click.testing import Result

from nhiscan import collect, config, rule, scan
from nhiscan.collect import Context
from nhiscan.model import (
    DATASETS,
    REGISTER_DATASETS,
    AuthRole,
    Coverage,
    Credential,
    Identity,
    Policy,
    PolicyBinding,
    Record,
    Resource,
    ResourceTag,
    ServiceUse,
    Setting,
    Sign,
    StoredSecret,
    Tag,
    Tenant,
    Trust,
    TrustCondition,
    Use,
)
from tests import commands
from tests.systems import System

ACCOUNT: Final = "111111111111"
AWS: Final = f"aws:{ACCOUNT}"
VAULT: Final = "vault:main"
CRM: Final = "salesforce:00D000000000001AAA"
NORDWIND: Final = "P-1"
SUEDLICHT: Final = "P-2"
OUTSIDE: Final = {NORDWIND: "333333333333", SUEDLICHT: "444444444444"}
EXTERNAL_ID: Final = {NORDWIND: "t7Qm2xW9bK4v", SUEDLICHT: "p3Zr8nY5hD6s"}
ACTIONS: Final = ("revoke_access", "remove_delegation", "rotate_shared_secret", "close_integration", "return_data")
ERIKA: Final = "erika.brandt@acme.example"
JONAS: Final = "jonas.keller@acme.example"

USER: Final = f"{AWS}:user/nordwind-etl"
ROLE: Final = f"{AWS}:role/nordwind-deploy"
APPROLE: Final = f"{VAULT}:workload_role/nordwind-sync"
SECRET: Final = f"{VAULT}:secret/partners/nordwind/exchange"
DANA: Final = f"{CRM}:user/dana"

SETTINGS: Final = f"""
[company]
name = "Acme"
mail_domains = ["acme.example"]
aws_accounts = {{ "{ACCOUNT}" = "prod" }}
tenants = {{ "{VAULT}" = "prod", "{CRM}" = "prod" }}

[collectors.register]
path = "register/"
[collectors.aws]
[collectors.vault]
[collectors.salesforce]
"""

OWN_BUCKET: Final = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::acme-exchange/nordwind/*"}
WHOLE_BUCKET: Final = {"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::acme-billing/*"}
DEPLOYMENT: Final = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::acme-artifacts/nordwind/*"}
READS_OWN_SECRETS: Final = 'path "kv/data/partners/nordwind/*" {\n  capabilities = ["read"]\n}\n'


def moment(day: date, hour: int = 9) -> datetime:
    return datetime.combine(day, time(hour), tzinfo=UTC)


def days(number: float) -> timedelta:
    return timedelta(days=number)


@dataclass
class World:
    """What is really there on `today`: a test changes it, then scans."""

    folder: Path
    today: date = date(2025, 2, 3)
    statements: list[Mapping[str, Any]] = field(default_factory=lambda: [OWN_BUCKET])
    keys: dict[str, date] = field(default_factory=lambda: {"AKIAEXAMPLEYEAR00001": date(2025, 1, 27)})
    has_role: bool = True
    has_approle: bool = True
    has_dana: bool = True
    is_dana_enabled: bool = True
    secret_changed: date = date(2025, 1, 27)
    last_use: date | None = None  # of whatever Nordwind holds; None: yesterday
    register: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    clock: datetime = datetime(2025, 1, 1, tzinfo=UTC)  # of commands

    def __post_init__(self) -> None:
        (self.folder / "nhiscan.toml").write_text(SETTINGS, encoding="utf-8")
        self.register = written()

    @property
    def now(self) -> datetime:
        return moment(self.today, 6)

    @property
    def used(self) -> datetime:
        return moment(self.last_use or self.today - days(1))

    def row(self, table: str, key: str, /) -> dict[str, Any]:
        """The row of a register table whose first cell is `key`, to be changed."""
        (found,) = (row for row in self.register[table] if next(iter(row.values())) == key)
        return found

    def partner(self, **cells: Any) -> None:
        self.row("partners", NORDWIND).update(cells)

    def add(self, table: str, /, **cells: Any) -> None:
        self.register.setdefault(table, []).append(cells)

    def run(self, *words: str, at: datetime) -> Result:
        """What a command prints and ends with at this moment."""
        self.clock = at
        return commands.run(*words, "-c", str(self.folder / "nhiscan.toml"))

    def attest(self, kind: str, *, at: datetime) -> None:
        """Asks Nordwind, which signs that all of it is to stay, and takes the answers."""
        file = self.folder / f"{kind}-{at:%Y%m%d}.csv"
        asked = self.run("attest", "request", "--partner", NORDWIND, "--kind", kind, "-o", str(file), at=at)
        assert asked.exit_code == 0, asked.exception
        with file.open(encoding="utf-8-sig", newline="") as lines:
            header, *rows = csv.reader(lines)
        for row in rows:
            row[12:15] = ["keep", "dana@nordwind.example", at.date().isoformat()]
        with file.open("w", encoding="utf-8", newline="") as lines:
            csv.writer(lines).writerows([header, *rows])
        taken = self.run("attest", "import", str(file), at=at)
        assert taken.exit_code == 0, taken.exception

    def scan(self) -> str:
        """Reads everything at 6 o'clock of `today` and publishes it; the id of the scan."""
        done = routine(self.today)
        for table, rows in self.register.items():
            _write(self.folder / "register", table, [*rows, *done.get(table, [])])
        settings = config.read(self.folder / "nhiscan.toml")
        register = config.build(
            collect.load("register"), {"path": "register/"}, where="collectors.register.", base=self.folder, environ={}
        )
        systems: list[Any] = [
            register,
            System("aws", lambda ctx: self._aws(), _all()),
            System("vault", lambda ctx: self._vault(), _all()),
            System("salesforce", lambda ctx: self._crm(), _all()),
        ]
        published = scan.run(
            settings,
            systems,
            rule.load(),
            ctx=Context(as_of=self.now),
            clock=lambda: self.now,
            on_stage=lambda name: None,
        )
        assert published.is_complete
        return published.scan_id

    def _aws(self) -> Iterator[Record]:
        yield Tenant(AWS, "aws", "Acme production")
        yield from self._covered("aws", AWS)
        yield Setting("aws", AWS, "logging.enabled", "yes")
        if self.keys:
            yield Identity(
                USER,
                "aws",
                AWS,
                "service_account",
                "nordwind-etl",
                f"arn:aws:iam::{ACCOUNT}:user/nordwind-etl",
                True,
                created_at=moment(date(2025, 1, 27)),
                has_console_password=False,
                mfa_state="none",
            )
            yield Tag(USER, name="partner", value=NORDWIND)
            yield from self._allowed(USER, self.statements)
            for native_id, made in self.keys.items():
                yield Credential(
                    f"{AWS}:access_key/{native_id}",
                    USER,
                    provider="aws",
                    tenant_id=AWS,
                    kind="access_key",
                    native_id=native_id,
                    status="active",
                    is_replaceable=True,
                    created_at=moment(made),
                    expiry_known=True,
                    last_used_at=self.used,
                    last_used_known=True,
                )
                yield Use(
                    f"{AWS}:event/{native_id}-{self.used:%Y%m%d}",
                    "aws",
                    AWS,
                    self.used,
                    "call",
                    "GetObject",
                    "success",
                    identity_id=USER,
                    credential_id=f"{AWS}:access_key/{native_id}",
                    source_ip="198.51.100.7",
                    user_agent="aws-sdk-java/2.20",
                )
        if self.has_role:
            yield from self._trusting(ROLE, NORDWIND, [DEPLOYMENT], self.used)
        yield from self._trusting(
            f"{AWS}:role/suedlicht-reports",
            SUEDLICHT,
            [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::acme-exchange/suedlicht/*"}],
            moment(self.today - days(1)),
        )

    def _trusting(
        self, role_id: str, partner_id: str, statements: Iterable[Mapping[str, Any]], used: datetime
    ) -> Iterator[Record]:
        name = role_id.rpartition("/")[2]
        account = OUTSIDE[partner_id]
        yield Identity(
            role_id,
            "aws",
            AWS,
            "workload_role",
            name,
            f"arn:aws:iam::{ACCOUNT}:role/{name}",
            True,
            created_at=moment(date(2025, 1, 27)),
            last_used_at=used,
            last_used_known=True,
        )
        yield from self._allowed(role_id, statements)
        trust_id = f"{role_id}<-{account}"
        yield Trust(
            trust_id,
            role_id,
            tenant_id=AWS,
            mechanism="assume_role",
            principal_kind="account",
            principal=f"arn:aws:iam::{account}:root",
            account=account,
            external_id_check="pinned",
        )
        yield TrustCondition(trust_id, operator="StringEquals", name="sts:ExternalId", value=EXTERNAL_ID[partner_id])

    def _allowed(self, identity_id: str, statements: Iterable[Mapping[str, Any]]) -> Iterator[Record]:
        name = identity_id.rpartition("/")[2]
        policy_id = f"{AWS}:policy/{name}"
        document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        yield Policy(policy_id, "aws", AWS, "customer_managed", name, f"arn:aws:iam::{ACCOUNT}:policy/{name}", document)
        yield PolicyBinding(policy_id, identity_id, role="identity")
        yield ServiceUse(identity_id, service="s3", last_used_at=self.used)

    def _vault(self) -> Iterator[Record]:
        yield Tenant(VAULT, "vault", "Vault")
        yield from self._covered("vault", VAULT)
        yield Setting("vault", VAULT, "logging.enabled", "yes")
        mount = f"{VAULT}:mount/kv/"
        yield Resource(mount, "vault", VAULT, "mount", "kv/", "kv/")
        yield ResourceTag(mount, name="type", value="kv")
        yield ResourceTag(mount, name="version", value="2")
        for path, changed in (
            ("partners/nordwind/exchange", self.secret_changed),
            ("internal/billing", date(2025, 1, 2)),
        ):
            secret_id = f"{VAULT}:secret/{path}"
            yield Resource(
                secret_id, "vault", VAULT, "secret", f"kv/{path}", f"kv/{path}", encrypted_at_rest="provider"
            )
            yield StoredSecret(secret_id, kind="kv2", created_at=moment(date(2025, 1, 2)), updated_at=moment(changed))
        if self.has_approle:
            native_id = "auth/approle/role/nordwind-sync"
            yield Identity(
                APPROLE,
                "vault",
                VAULT,
                "workload_role",
                "nordwind-sync",
                native_id,
                True,
                created_at=moment(date(2025, 1, 27)),
                last_used_at=self.used,
                last_used_known=True,
            )
            yield AuthRole(
                APPROLE,
                method="approle",
                mount="approle",
                token_ttl_s=3600,
                token_max_ttl_s=3600,
                token_period_s=0,
                secret_ttl_s=3600,
                secret_uses=1,
                is_secret_required=True,
                bound_networks="203.0.113.0/24",
            )
            yield Credential(
                f"{VAULT}:approle_secret/{self.today:%Y%m%d}",
                APPROLE,
                provider="vault",
                tenant_id=VAULT,
                kind="approle_secret",
                native_id=f"{self.today:%Y%m%d}",
                status="active",
                is_replaceable=True,
                created_at=self.now - timedelta(minutes=30),
                expires_at=self.now + timedelta(minutes=30),
                expiry_known=True,
            )
            policy_id = f"{VAULT}:policy/nordwind"
            yield Policy(policy_id, "vault", VAULT, "acl", "nordwind", "nordwind", READS_OWN_SECRETS)
            yield PolicyBinding(policy_id, APPROLE, role="identity")

    def _crm(self) -> Iterator[Record]:
        yield Tenant(CRM, "salesforce", "Acme CRM")
        yield from self._covered("salesforce", CRM)
        if self.has_dana:
            yield Identity(
                DANA,
                "salesforce",
                CRM,
                "human_user",
                "dana@nordwind.example",
                "0050000000000D1AAA",
                False,
                mail="dana@nordwind.example",
                status="enabled" if self.is_dana_enabled else "disabled",
                is_external=True,
                licence="partner",
                created_at=moment(date(2025, 1, 28)),
                last_used_at=self.used,
                last_used_known=True,
            )
            yield Sign(DANA, kind="salesforce_account", value="001D000000IqhSLIAZ")

    def _covered(self, provider: str, tenant_id: str) -> Iterator[Coverage]:
        for dataset in sorted(_all()):
            since = self.now - days(400) if dataset.startswith("usage.") else None
            yield Coverage(provider, tenant_id, dataset, "complete", history_from=since, collected_at=self.now)


def written() -> dict[str, list[dict[str, Any]]]:
    """The register on the day on which Nordwind is let in."""
    owned = [("identity", "nordwind-etl"), ("identity", "nordwind-deploy"), ("identity", "nordwind-sync")]
    stages = [f"stage:{stage}" for stage in ("onboarding", "enablement", "measurement", "offboarding")]
    sound = {
        "type": "integrator",
        "tier": "gold",
        "risk_tier": "medium",
        "criticality": "medium",
        "business_owner": ERIKA,
        "classified_at": date(2025, 1, 15),
        "onboarded_at": date(2025, 1, 20),
        "onboarded_by": ERIKA,
        "onboarding_approved_by": JONAS,
        "handles_customer_data": False,
        "revoke_runbook": "RB-7",
        "revoke_runbook_tested_at": date(2025, 1, 16),
        "last_commercial_activity": date(2025, 10, 1),
    }
    diligence = {
        "due_diligence_at": date(2025, 1, 10),
        "due_diligence_result": "pass",
        "due_diligence_valid_to": date(2026, 6, 30),
    }
    return {
        "partners": [
            {"partner_id": NORDWIND, "name": "Nordwind GmbH", "stage": "onboarding"} | sound,
            {"partner_id": SUEDLICHT, "name": "Südlicht AG", "stage": "measurement"} | sound | diligence,
            {"partner_id": "P-3", "name": "Westhang SARL", "stage": "ended"} | sound | diligence,
        ],
        "aliases": [
            {"partner_id": NORDWIND, "kind": "aws_account", "value": OUTSIDE[NORDWIND]},
            {"partner_id": NORDWIND, "kind": "mail_domain", "value": "nordwind.example"},
            {"partner_id": NORDWIND, "kind": "salesforce_account", "value": "001D000000IqhSLIAZ"},
            {"partner_id": NORDWIND, "kind": "vault_path", "value": "kv/partners/nordwind/"},
            {"partner_id": SUEDLICHT, "kind": "aws_account", "value": OUTSIDE[SUEDLICHT]},
        ],
        "contracts": [
            contract("C-1", NORDWIND, end=date(2025, 6, 30), revoke_sla_hours=48),
            contract("C-2", SUEDLICHT, end=date(2027, 12, 31), revoke_sla_hours=48),
        ],
        "contract_events": [
            {"contract_id": "C-1", "type": "signed", "occurred": date(2025, 1, 15)},
            {"contract_id": "C-2", "type": "signed", "occurred": date(2025, 1, 15)},
        ],
        "people": [
            person(ERIKA, "Erika Brandt", can_onboard=True, can_approve="low;medium"),
            person(JONAS, "Jonas Keller", can_onboard=True, can_approve="critical;high;medium;low;info"),
            person("dana@nordwind.example", "Dana Roe", side="partner", partner_id=NORDWIND),
        ],
        "ownerships": [
            *({"owned_kind": kind, "owned": name, "mail": ERIKA, "role": "technical"} for kind, name in owned),
            {"owned_kind": "identity", "owned": "suedlicht-reports", "mail": ERIKA, "role": "technical"},
            *(
                {"owned_kind": "partner", "owned": partner_id, "mail": ERIKA, "role": stage}
                for partner_id in (NORDWIND, SUEDLICHT, "P-3")
                for stage in stages
            ),
        ],
        "identity_map": [
            {"pattern": "nordwind-sync", "partner_id": NORDWIND, "role": "operator", "decided_by": ERIKA},
        ],
        "packages": [package("K-1", "Nordwind exchange"), package("K-2", "Südlicht reports")],
        "package_items": [
            item("K-1", "aws", "arn:aws:s3:::acme-exchange/nordwind/*"),
            item("K-1", "aws", "arn:aws:s3:::acme-artifacts/nordwind/*"),
            item("K-1", "vault", "*", "read-secret"),
            item("K-2", "aws", "arn:aws:s3:::acme-exchange/suedlicht/*"),
        ],
        "package_assignments": [
            {"partner_id": SUEDLICHT, "package_id": "K-2", "assigned_at": date(2025, 1, 20), "assigned_by": ERIKA},
        ],
        "requests": [
            request("R-1", NORDWIND, "nordwind-etl"),
            request("R-2", NORDWIND, "nordwind-deploy"),
            request("R-3", NORDWIND, "nordwind-sync"),
            request("R-4", NORDWIND, "dana@nordwind.example"),
            request("R-5", SUEDLICHT, "suedlicht-reports"),
        ],
        "reviews": [],
        "attestations": [],
        "incidents": [],
        "offboardings": [
            {
                "offboarding_id": "O-0",
                "partner_id": "P-3",
                "opened_at": moment(date(2024, 11, 4)),
                "due_at": moment(date(2024, 11, 6)),
                "closed_at": moment(date(2024, 11, 5)),
                "verified_at": moment(date(2024, 11, 5)),
                "verified_by": JONAS,
            }
        ],
        "offboarding_steps": [
            {
                "offboarding_id": "O-0",
                "step": step,
                "action": action,
                "target_id": "none",
                "done_at": moment(date(2024, 11, 4)),
                "done_by": ERIKA,
            }
            for step, action in enumerate(ACTIONS, 1)
        ],
        "acceptances": [],
    }


def routine(today: date) -> dict[str, list[dict[str, Any]]]:
    """What is done in time whatever else happens: Südlicht's reviews and attestations, and the weekly look at logs."""
    done = moment(today - days(3))
    return {
        "reviews": [
            *(review(f"V-{scope}", SUEDLICHT, scope, done) for scope in ("access", "secrets", "delegated", "package")),
            *(review(f"V-logs-{partner_id}", partner_id, "logs", done) for partner_id in (NORDWIND, SUEDLICHT)),
        ],
        "attestations": [
            {
                "attestation_id": f"T-{kind}",
                "partner_id": SUEDLICHT,
                "kind": kind,
                "attested_by": "lena@suedlicht.example",
                "attested_at": done,
            }
            for kind in ("access", "nhi_inventory", "leavers")
        ],
    }


def contract(contract_id: str, partner_id: str, *, end: date, **cells: Any) -> dict[str, Any]:
    return {
        "contract_id": contract_id,
        "partner_id": partner_id,
        "kind": "technology",
        "status": "active",
        "start": date(2025, 1, 15),
        "end": end,
        "auto_renew": False,
        "security_terms": True,
        **cells,
    }


def person(mail: str, name: str, *, side: str = "ours", **cells: Any) -> dict[str, Any]:
    return {"mail": mail, "name": name, "side": side, "status": "active", **cells}


def package(package_id: str, name: str) -> dict[str, Any]:
    return {"package_id": package_id, "name": name, "version": 1, "max_risk_tier": "medium", "max_level": 4}


def item(package_id: str, provider: str, resource: str, action: str = "read-data") -> dict[str, Any]:
    return {"package_id": package_id, "provider": provider, "resource_pattern": resource, "action_pattern": action}


def request(request_id: str, partner_id: str, identity: str) -> dict[str, Any]:
    return {
        "request_id": request_id,
        "partner_id": partner_id,
        "identity": identity,
        "channel": "workflow",
        "requested_by": ERIKA,
        "requested_at": moment(date(2025, 1, 22)),
        "approved_by": JONAS,
        "approved_at": moment(date(2025, 1, 24)),
        "outcome": "approved",
    }


def review(review_id: str, partner_id: str, scope: str, done: datetime) -> dict[str, Any]:
    return {
        "review_id": review_id,
        "scope": scope,
        "partner_id": partner_id,
        "reviewer": JONAS,
        "opened_at": done - days(1),
        "completed_at": done,
        "items": 4,
        "items_revoked": 0,
        "seconds_spent": 1200,
    }


def _all() -> frozenset[str]:
    return frozenset(DATASETS) - REGISTER_DATASETS


def _write(folder: Path, table: str, rows: list[dict[str, Any]]) -> None:
    """As CSV, or as TOML for what people tend to keep by hand; a table without rows has no file."""
    folder.mkdir(exist_ok=True)
    if not rows:
        return
    if table in ("identity_map", "packages"):
        entries = "".join(
            f"[[{table}]]\n" + "".join(f"{name} = {json.dumps(value)}\n" for name, value in row.items()) for row in rows
        )
        (folder / f"{table}.toml").write_text(entries, encoding="utf-8")
        return
    columns = list(dict.fromkeys(name for row in rows for name in row))
    with (folder / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        writer.writerows({name: _cell(value) for name, value in row.items()} for row in rows)


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.isoformat() if isinstance(value, (date, datetime)) else value
