"""ACL policies and who has them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from nhiscan.model import Policy, PolicyBinding

ROOT: Final = "root"
# The server keeps no text for it. Source: docs, "Policies", root policy.
_ROOT_DOCUMENT: Final = """# built into the server: everything, everywhere
path "*" {
  capabilities = ["create", "read", "update", "patch", "delete", "list", "scan", "sudo"]
}
"""


def policy_id(tenant_id: str, namespace: str, name: str) -> str:
    return f"{tenant_id}:policy/{namespace}{name}"


def policy_record(tenant_id: str, namespace: str, name: str, document: str) -> Policy:
    return Policy(
        policy_id=policy_id(tenant_id, namespace, name),
        provider="vault",
        tenant_id=tenant_id,
        kind="acl",
        name=name,
        native_id=f"{namespace}{name}",
        document=_ROOT_DOCUMENT if name == ROOT else document,
    )


@dataclass
class Bindings:
    """Who has which policy of one namespace, each pair once; a policy that does not exist grants nothing."""

    tenant_id: str
    namespace: str
    known: frozenset[str]
    _seen: set[tuple[str, str]] = field(default_factory=set)

    def of_new(self, identity_id: str, names: Iterable[str]) -> Iterator[PolicyBinding]:
        """For one that comes once only, such as each of very many tokens: it is not remembered."""
        for name in dict.fromkeys(names):
            if name in self.known:
                yield self._record(identity_id, name)

    def records(self, identity_id: str, names: Iterable[str]) -> Iterator[PolicyBinding]:
        for name in names:
            if name in self.known and (identity_id, name) not in self._seen:
                self._seen.add((identity_id, name))
                yield self._record(identity_id, name)

    def _record(self, identity_id: str, name: str) -> PolicyBinding:
        return PolicyBinding(
            policy_id=policy_id(self.tenant_id, self.namespace, name), identity_id=identity_id, role="identity"
        )
