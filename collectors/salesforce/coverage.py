"""How completely each dataset of an org was read: what was answered and refused is tallied while reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from nhiscan.collect import coverage_of, gravest, reason_of
from nhiscan.model import Coverage

from .api import Refusal

# Permissions by their labels in Setup, as an administrator grants them.
API: Final = "API Enabled"
SETUP: Final = "View Setup and Configuration"
USERS: Final = "View All Users"
LOGINS: Final = "Monitor Login History"
LOGS: Final = "View Event Log Files"
TOKENS: Final = "Customize Application"  # write-class
ECA: Final = "View all External Client Apps, view their settings, and edit their policies"  # write-class by name
METADATA: Final = "Modify Metadata Through Metadata API Functions"  # write-class; a folder takes its place
ACCOUNTS: Final = "Read on Account, sharing of all partner accounts"
_BASE: Final = (API, SETUP)
PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "identities": (*_BASE, USERS),
    "identities.tags": (*_BASE, USERS),
    "identities.last_used": (*_BASE, USERS),
    "identities.frozen": (*_BASE, "Manage Users"),
    "identities.mfa": (),
    "memberships": _BASE,
    "policies": (),
    "trusts": (),
    "credentials": (*_BASE, TOKENS),
    "credentials.created": (*_BASE, TOKENS),
    "credentials.last_used": (*_BASE, TOKENS),
    "credentials.passwords": (),
    "issuers": _BASE,
    "apps": (*_BASE, ECA),
    "apps.scopes": (*_BASE, ECA, METADATA),
    "apps.settings": (*_BASE, ECA, METADATA),
    "grants": _BASE,
    "grants.objects": _BASE,
    "grants.fields": _BASE,
    "resources": _BASE,
    "stored_secrets": _BASE,
    "objects": _BASE,
    "objects.sharing": (*_BASE, METADATA),
    "objects.guards": _BASE,
    "objects.records": (*_BASE, "Read on the deal objects"),
    "partner_accounts": (*_BASE, ACCOUNTS),
    "delegated_admins": _BASE,
    "sessions": (*_BASE, "Manage Users"),
    "settings": _BASE,
    "settings.sessions": (*_BASE, METADATA),
    "settings.passwords": (*_BASE, METADATA),
    "settings.sign_in": (*_BASE, METADATA),
    "settings.apps": (*_BASE, METADATA),
    "settings.logging": (*_BASE, LOGS),
    "usage.logins": (*_BASE, LOGINS),
    "usage.exports": (*_BASE, LOGS),
    "usage.audit": _BASE,
    "usage.calls": (),
}
UNSUPPORTED: Final[Mapping[str, str]] = {
    "identities.mfa": "a user's methods ask for Manage Multi-Factor Authentication in API, and are not read",
    "usage.calls": "of calls only what they read is kept, as exports; an org does not list every call",
}
NOT_APPLICABLE: Final[Mapping[str, str]] = {
    "policies": "an org has no policy documents: what users may do stands in its permissions, and is read as grants",
    "trusts": "an org lets nobody become a user by a trust: who acts as whom stands in its tokens and delegations",
}
_SHOWN: Final = 5  # refusals quoted for a dataset


@dataclass
class Tally:
    """Answers and refusals by dataset, as they come in."""

    answered: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    first: dict[str, list[Refusal]] = field(default_factory=dict)
    history_from: dict[str, datetime] = field(default_factory=dict)

    def answer(self, *datasets: str) -> None:
        """A call that these datasets need was answered in full."""
        self.answered.update(datasets)

    def refuse(self, refusal: Refusal, *datasets: str, needs: str | None = None) -> None:
        """`needs`: the permission that an administrator would have to grant, where the answer does not say it."""
        if needs is not None and refusal.missing_permission is None and refusal.status in ("denied", "unsupported"):
            refusal = replace(refusal, missing_permission=needs)
        for dataset in datasets:
            self.refused[dataset] += 1
            shown = self.first.setdefault(dataset, [])
            if len(shown) < _SHOWN and refusal not in shown:
                shown.append(refusal)

    def reaches_back_to(self, dataset: str, moment: datetime) -> None:
        """How far back the org remembers events of this dataset."""
        self.history_from[dataset] = moment

    def coverage(self, tenant_id: str, collected_at: datetime) -> Iterator[Coverage]:
        """Exactly one record for each dataset. What nothing was asked for is not complete."""
        for dataset in PERMISSIONS:
            status, reason = "complete", None
            refusals = self.first.get(dataset, [])
            if dataset in NOT_APPLICABLE:
                status, reason = "not_applicable", NOT_APPLICABLE[dataset]
            elif dataset in UNSUPPORTED:
                status, reason = "unsupported", UNSUPPORTED[dataset]
            elif refusals:
                worst = gravest(refusals)
                status = "partial" if self.answered[dataset] else worst
                reason = reason_of(refusals, more=self.refused[dataset] - len(refusals))
            elif not self.answered[dataset]:
                status, reason = "unsupported", "this version does not read it"
            yield coverage_of(
                "salesforce",
                tenant_id,
                dataset,
                refusals,
                status=status,
                reason=reason,
                history_from=self.history_from.get(dataset),
                collected_at=collected_at,
            )
