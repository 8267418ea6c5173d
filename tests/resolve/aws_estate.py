"""A small AWS estate said in few words, loaded the way a collector's records are."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import duckdb

from nhiscan import load, store
from nhiscan.model import (
    Coverage,
    Identity,
    Membership,
    OrgNode,
    OrgPolicy,
    Policy,
    PolicyBinding,
    Record,
    Tenant,
    Trust,
    TrustCondition,
)

A = "111111111111"
B = "222222222222"


def arn(name: str, account: str = A) -> str:
    return f"arn:aws:iam::{account}:{name}"


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


@dataclass
class Estate:
    records: list[Record] = field(default_factory=list)
    _policies: int = 0
    _trusts: int = 0

    def account(self, account: str = A, **coverage: str) -> None:
        """Everything is covered but SCPs and RCPs; `coverage` says otherwise by dataset."""
        self.records.append(Tenant(f"aws:{account}", "aws"))
        for dataset in dict.fromkeys(("policies", "memberships", "trusts", "scps", "rcps", *coverage)):
            status = coverage.get(dataset, "unsupported" if dataset in ("scps", "rcps") else "complete")
            self.records.append(Coverage("aws", f"aws:{account}", dataset, status))

    def identity(self, name: str, account: str = A) -> str:
        """`name` is user/…, role/… or group/…"""
        kinds = {"user": "service_account", "role": "workload_role", "group": "group"}
        identity_id = f"aws:{account}:{name}"
        self.records.append(
            Identity(
                identity_id=identity_id,
                provider="aws",
                tenant_id=f"aws:{account}",
                kind=kinds[name.split("/")[0]],
                name=name.rsplit("/", 1)[1],
                native_id=arn(name, account),
                is_nhi=True,
            )
        )
        return identity_id

    def policy(self, *statements: dict[str, Any] | str, account: str = A, kind: str = "customer_managed") -> str:
        """A text stands for a whole document, such as one that is not JSON."""
        self._policies += 1
        name = f"policy-{self._policies}"
        text = (
            statements[0]
            if statements and isinstance(statements[0], str)
            else json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
        )
        policy_id = f"aws:{account}:policy/{name}"
        self.records.append(
            Policy(policy_id, "aws", f"aws:{account}", kind, name, arn(f"policy/{name}", account), text)
        )
        return policy_id

    def bind(self, identity_id: str, *policies: str, role: str = "identity") -> None:
        self.records += [PolicyBinding(policy, identity_id, role=role) for policy in policies]

    def give(self, identity_id: str, *statements: dict[str, Any] | str) -> None:
        self.bind(identity_id, self.policy(*statements))

    def bound(self, identity_id: str, *statements: dict[str, Any] | str) -> None:
        self.bind(identity_id, self.policy(*statements), role="boundary")

    def organization(self, *units: str, account: str = A, management: str = B) -> None:
        """A root, units below each other and, at the end, the account."""
        nodes = [("root", "root", f"aws:{management}"), *((unit, "unit", f"aws:{management}") for unit in units)]
        above = None
        for name, kind, tenant_id in [*nodes, (account, "account", f"aws:{account}")]:
            self.records.append(OrgNode(name, tenant_id, kind, name, above))
            above = name

    def control(self, node: str, *statements: dict[str, Any] | str, kind: str = "scp", management: str = B) -> None:
        """An SCP or RCP of one node, which lets everything through where it says nothing."""
        policy_id = self.policy(*(statements or [allow("*")]), account=management, kind=kind)
        self.records.append(OrgPolicy(policy_id, node_id=node))

    def join(self, identity_id: str, group_id: str) -> None:
        self.records.append(Membership(identity_id, group_id))

    def trust(
        self, role_id: str, principal: str, *, conditions: Iterable[tuple[str, str, str]] = (), **more: Any
    ) -> None:
        self._trusts += 1
        trust_id = f"{role_id}:trust/{self._trusts}"
        account = principal.split(":")[4] if principal.startswith("arn:") else None
        kind = "any" if principal == "*" else "account" if principal.endswith(":root") else "identity"
        self.records.append(
            Trust(
                trust_id,
                role_id,
                tenant_id=role_id.rsplit(":", 1)[0],
                mechanism="assume_role",
                principal_kind=kind,
                principal=principal,
                account=account,
                **more,
            )
        )
        self.records += [
            TrustCondition(trust_id, operator=operator, name=name, value=value) for operator, name, value in conditions
        ]

    def load(self) -> duckdb.DuckDBPyConnection:
        con = store.empty()
        load.load(con, self.records)
        return con
