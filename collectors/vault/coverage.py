"""How completely each dataset of a vault was read: what was answered and refused is tallied while reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from nhiscan.collect import Refusal, coverage_of, gravest, reason_of
from nhiscan.model import Coverage

_METHODS: Final = ("read on sys/auth",)
_ROLES: Final = (
    *_METHODS,
    "read and list on auth/+/role/+",
    "read and list on auth/+/roles/+",
    "read and list on auth/+/users/+",
    "read and list on auth/+/groups/+",
    "read and list on auth/+/certs/+",
)
_ENTITIES: Final = (
    "list on identity/entity/id",
    "read on identity/entity/id/*",
    "list on identity/group/id",
    "read on identity/group/id/*",
)
_CREDENTIALS: Final = (
    *_ROLES,
    "list on auth/+/role/+/secret-id",
    "update on auth/+/role/+/secret-id-accessor/lookup",
    "list and sudo on auth/token/accessors",
    "update on auth/token/lookup-accessor",
)
_STORES: Final = (
    "read on sys/mounts",
    "read and list on +/metadata/*",
    "read and list on +/role/+",
    "read and list on +/roles/+",
    "read and list on +/static-roles/+",
    "read and list on +/keys/+",
)
PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "identities": (*_ROLES, *_ENTITIES),
    "identities.tags": (*_ROLES, *_ENTITIES),
    "sightings.tags": (*_ROLES, *_ENTITIES, "read on sys/mounts", "read and list on +/metadata/*"),
    "identities.last_used": (),
    "memberships": (*_ROLES, *_ENTITIES),
    "credentials": _CREDENTIALS,
    "credentials.created": _CREDENTIALS,
    "credentials.last_used": (),
    "policies": ("list on sys/policies/acl", "read on sys/policies/acl/*", *_ROLES, *_ENTITIES),
    "trusts": (*_ROLES, "read on auth/+/config"),
    "issuers": (*_METHODS, "read on auth/+/config"),
    "auth_roles": _ROLES,
    "resources": _STORES,
    "stored_secrets": _STORES,
    "stored_secrets.last_used": (),
    "stored_secrets.rotation": _STORES,
    "stored_secrets.fingerprints": (),
    "leases": ("list and sudo on sys/leases/lookup", "list and sudo on sys/leases/lookup/*"),
    "settings": (
        "read on sys/config/state/sanitized",
        "read and sudo on sys/config/cors",
        "read and list on sys/quotas/rate-limit/+",
    ),
    "settings.logging": ("read and sudo on sys/audit",),
    "namespaces": ("list on sys/namespaces/+",),
    "usage.calls": (),
}
UNSUPPORTED: Final[Mapping[str, str]] = {
    "identities.last_used": "a vault keeps no last use of a role; logins stand in the audit log only",
    "credentials.last_used": "a vault keeps no last use of a token or secret id; it stands in the audit log only",
    "stored_secrets.last_used": "a vault keeps no last read of a secret; it stands in the audit log only",
    "usage.calls": "calls stand in the audit log only, which this collector does not read",
}
# Settings and audit devices are the server's, not a namespace's.
OF_EVERY_NAMESPACE: Final = tuple(
    sorted(PERMISSIONS.keys() - UNSUPPORTED.keys() - {"namespaces", "settings", "settings.logging"})
)
_SHOWN: Final = 5  # refusals quoted for a dataset
# Mounts that nobody chose are a limit set on purpose, not a failure: choosing some is no worse than choosing none.
_CHOSEN: Final = "stored_secrets.fingerprints"


@dataclass
class Tally:
    """Answers and refusals by dataset, as they come in."""

    answered: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    vanished: Counter[str] = field(default_factory=Counter)
    first: dict[str, list[Refusal]] = field(default_factory=dict)

    def count(self, answer: object, *datasets: str, spoils: tuple[str, ...] = ()) -> None:
        """`spoils`: datasets that a refusal leaves short although the answer alone does not make them."""
        if isinstance(answer, Refusal):
            for dataset in (*datasets, *spoils):
                self.refused[dataset] += 1
                shown = self.first.setdefault(dataset, [])
                if len(shown) < _SHOWN:
                    shown.append(answer)
        else:
            self.answered.update(datasets)

    def vanish(self, *datasets: str) -> None:
        """Something was listed and gone when it was looked up."""
        self.vanished.update(datasets)

    def coverage(self, tenant_id: str, collected_at: datetime) -> Iterator[Coverage]:
        """Exactly one record for each dataset."""
        for dataset in PERMISSIONS:
            status, reason = "complete", None
            refusals = self.first.get(dataset, [])
            if dataset in UNSUPPORTED:
                status, reason = "unsupported", UNSUPPORTED[dataset]
            elif refusals:
                worst = gravest(refusals)
                is_choice = dataset == _CHOSEN and worst == "unsupported"
                status = "partial" if self.answered[dataset] and not is_choice else worst
                reason = reason_of(refusals, more=self.refused[dataset] - len(refusals))
            elif self.vanished[dataset]:
                reason = f"{self.vanished[dataset]} ended between the list and the look at them"
            yield coverage_of(
                "vault",
                tenant_id,
                dataset,
                refusals,
                status=status,
                reason=reason,
                collected_at=collected_at,
            )
