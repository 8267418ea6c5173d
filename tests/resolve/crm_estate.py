"""A CRM said as records: our people and partners', profiles and sets, objects and their sharing, apps and tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import duckdb

from nhiscan import load, store
from nhiscan.model import (
    Alias,
    AppScope,
    Coverage,
    Credential,
    DataObject,
    Grant,
    Identity,
    Membership,
    Partner,
    Record,
    RecordCount,
    Resource,
    Setting,
    Sign,
    Tenant,
    Use,
)
from nhiscan.resolve import (
    contracts,
    crm_facts,
    facts,
    owners,
    partners,
    paths,
    privileges,
    sign_ins,
)

AS_OF = datetime(2026, 1, 31, 2, tzinfo=UTC)
ORG = "salesforce:00D000000000001AAA"
NORDWIND = Partner("P-1", "Nordwind GmbH", tier="gold", register_row="partners.csv:2")
SUEDLICHT = Partner("P-2", "Südlicht AG", tier="silver", register_row="partners.csv:3")
ACCOUNTS: Final = {"P-1": "001D000000IqhSLIAZ", "P-2": "001D000000JKLmnIAH"}
DATASETS: Final = frozenset(
    {
        "identities",
        "memberships",
        "grants",
        "grants.objects",
        "grants.fields",
        "objects",
        "objects.sharing",
        "objects.records",
        "credentials",
        "apps",
        "apps.scopes",
        "settings",
    }
)
_STEPS: Final = (
    partners.run,
    owners.run,
    contracts.run,
    privileges.run,
    paths.run,
    facts.run,
    crm_facts.run,
    sign_ins.run,
)


@dataclass
class Crm:
    """Each method adds records and returns the id of what it made."""

    org: str = ORG
    without: frozenset[str] = frozenset()
    records: list[Record] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.add(
            Tenant(self.org, "salesforce"),
            NORDWIND,
            SUEDLICHT,
            *(
                Alias(partner_id, "salesforce_account", account, register_row=f"aliases.csv:{line}")
                for line, (partner_id, account) in enumerate(ACCOUNTS.items(), start=2)
            ),
            *(
                Coverage("salesforce", self.org, name, "denied" if name in self.without else "complete")
                for name in sorted(DATASETS)
            ),
        )

    def add(self, *records: Record) -> None:
        self.records.extend(records)

    def identity(self, name: str, kind: str = "human_user", **fields: Any) -> str:
        identity_id = f"{self.org}:user/{name}"
        values: dict[str, Any] = {"is_nhi": False, "is_external": False, "licence": "internal"} | fields
        self.add(Identity(identity_id, "salesforce", self.org, kind, name, name, **values))
        return identity_id

    def partner_user(self, name: str, partner_id: str | None = "P-1", **fields: Any) -> str:
        values: dict[str, Any] = {"is_external": True, "licence": "partner"} | fields
        identity_id = self.identity(name, **values)
        if partner_id is not None:
            self.add(Sign(identity_id, kind="salesforce_account", value=ACCOUNTS[partner_id]))
        return identity_id

    def group(self, kind: str, name: str, *members: str) -> str:
        group_id = f"{self.org}:{kind}/{name}"
        self.add(Identity(group_id, "salesforce", self.org, "group", name, name, None))
        self.add(*(Membership(member, group_id) for member in members))
        return group_id

    def app(self, name: str, *scopes: tuple[str, str | None], **fields: Any) -> str:
        app_id = f"{self.org}:oauth_app/{name}"
        self.add(Identity(app_id, "salesforce", self.org, "oauth_app", name, name, **{"is_nhi": True} | fields))
        self.add(*(AppScope(app_id, scope=scope, gives=gives) for scope, gives in scopes))
        return app_id

    def token(self, app_id: str, user_id: str, name: str = "t", **fields: Any) -> str:
        token_id = f"{app_id}/{user_id}/{name}"
        values: dict[str, Any] = {"kind": "oauth_token", "status": "active", "is_replaceable": False} | fields
        self.add(
            Credential(
                token_id,
                user_id,
                provider="salesforce",
                tenant_id=self.org,
                native_id=token_id,
                app_id=app_id,
                **values,
            )
        )
        return token_id

    def object(self, name: str, internal: str | None = "private", external: str | None = "private", **more: Any) -> str:
        object_id = f"{self.org}:crm_object/{name}"
        self.add(
            Resource(object_id, "salesforce", self.org, "crm_object", name, name),
            DataObject(object_id, object=name, internal_sharing=internal, external_sharing=external, **more),
        )
        return object_id

    def field(self, object_name: str, name: str, **more: Any) -> str:
        field_id = f"{self.org}:crm_field/{object_name}.{name}"
        self.add(
            Resource(field_id, "salesforce", self.org, "crm_field", f"{object_name}.{name}", f"{object_name}.{name}"),
            DataObject(field_id, object=object_name, field_name=name, **more),
        )
        return field_id

    def give(self, identity_id: str, permission: str, resource_id: str | None = None, **fields: Any) -> None:
        self.add(
            Grant(
                f"{self.org}:grant/{len(self.records)}",
                "salesforce",
                self.org,
                "identity",
                identity_id,
                permission,
                resource_id=resource_id,
                identity_id=identity_id,
                **fields,
            )
        )

    def owns(self, identity_id: str | None, resource_id: str, records: int) -> None:
        self.add(RecordCount(resource_id, identity_id, records=records))

    def set(self, name: str, number: int, applies_to: str | None = None) -> None:
        self.add(Setting("salesforce", self.org, name, str(number), number, applies_to))

    def sign_in(self, identity_id: str, **fields: Any) -> None:
        values: dict[str, Any] = {"occurred_at": AS_OF, "outcome": "success"} | fields
        self.add(
            Use(
                f"{self.org}:login/{len(self.records)}",
                "salesforce",
                self.org,
                kind="login",
                action="Login",
                identity_id=identity_id,
                dataset="usage.logins",
                **values,
            )
        )

    def resolve(self, *steps: Callable[[duckdb.DuckDBPyConnection], None]) -> duckdb.DuckDBPyConnection:
        """The scan after these steps, or after all that a CRM needs."""
        con = store.empty()
        con.execute("insert into scans (scan_id, as_of) values ('s', ?)", [AS_OF.replace(tzinfo=None)])
        load.load(con, self.records)
        for step in steps or _STEPS:
            step(con)
        return con


def rows(con: duckdb.DuckDBPyConnection, sql: str, values: Iterable[Any] = ()) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = con.execute(sql, list(values)).fetchall()
    return found
