"""A small vault said in few words, loaded the way a collector's records are."""

from __future__ import annotations

from dataclasses import dataclass, field

import duckdb

from nhiscan import load, store
from nhiscan.model import (
    AuthRole,
    Coverage,
    Identity,
    Membership,
    Policy,
    PolicyBinding,
    Record,
    Resource,
    ResourceTag,
    StoredSecret,
    Tag,
    Tenant,
)

VAULT = "vault:main"


def allow(path: str, *capabilities: str, more: str = "") -> str:
    words = ", ".join(f'"{word}"' for word in capabilities)
    return f'path "{path}" {{\n  capabilities = [{words}]\n  {more}\n}}\n'


@dataclass
class Estate:
    """Everything is covered; `coverage` of a dataset says otherwise."""

    coverage: dict[str, str] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)

    def mount(self, path: str, kind: str = "kv", version: str | None = "2") -> None:
        mount_id = f"{VAULT}:mount/{path}"
        self.records.append(Resource(mount_id, "vault", VAULT, "mount", path, path))
        self.records.append(ResourceTag(mount_id, name="type", value=kind))
        if version:
            self.records.append(ResourceTag(mount_id, name="version", value=version))

    def secret(self, path: str, environment: str | None = None, kind: str = "kv2") -> None:
        secret_id = f"{VAULT}:secret/{path}"
        self.records.append(Resource(secret_id, "vault", VAULT, "secret", path, path, environment=environment))
        self.records.append(StoredSecret(secret_id, kind=kind))

    def identity(self, kind: str, name: str, native_id: str | None = None) -> str:
        identity_id = f"{VAULT}:{kind}/{name}"
        native = native_id or name
        self.records.append(Identity(identity_id, "vault", VAULT, kind, name, native, kind != "group"))
        return identity_id

    def role(self, name: str, method: str = "approle", namespace: str = "") -> str:
        role_id = self.identity("workload_role", name, f"{namespace}auth/{method}/role/{name}")
        self.records.append(AuthRole(role_id, method=method, mount=f"{namespace}{method}"))
        return role_id

    def join(self, member: str, group: str) -> None:
        self.records.append(Membership(identity_id=member, group_id=group))

    def label(self, identity_id: str, name: str, value: str) -> None:
        self.records.append(Tag(identity_id, name=name, value=value))

    def policy(self, name: str, text: str, namespace: str = "") -> str:
        policy_id = f"{VAULT}:policy/{namespace}{name}"
        self.records.append(Policy(policy_id, "vault", VAULT, "acl", name, f"{namespace}{name}", text))
        return policy_id

    def bind(self, identity_id: str, *policy_ids: str) -> None:
        self.records += [PolicyBinding(policy_id, identity_id, role="identity") for policy_id in policy_ids]

    def load(self) -> duckdb.DuckDBPyConnection:
        datasets = ("identities", "policies", "memberships", "resources", "stored_secrets", "auth_roles")
        said: list[Record] = [Tenant(VAULT, "vault")]
        said += [Coverage("vault", VAULT, name, self.coverage.get(name, "complete")) for name in datasets]
        con = store.empty()
        load.load(con, [*said, *self.records])
        con.execute(
            "insert into scans by name select 'x' as scan_id, timestamp '2026-01-31' as as_of, "
            "timestamp '2026-01-31' as started_at"
        )
        return con
