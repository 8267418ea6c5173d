"""How completely each dataset of an account was read, and what HubSpot offers to nobody."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from nhiscan.collect import Refusal, coverage_of, gravest, reason_of
from nhiscan.model import Coverage

_ACTIVITY: Final = ("account-info.security.read",)
_USERS: Final = ("settings.users.read",)
_TEAMS: Final = ("settings.users.teams.read",)
_OWNERS: Final = ("crm.objects.owners.read",)
_ACCOUNT: Final = ("oauth",)
_FOLDED: Final = (*_ACCOUNT, *_ACTIVITY)
# Any one scope that HubSpot's description names for a call is enough; these are the narrowest.
PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "identities": (*_USERS, *_OWNERS),
    "identities.tags": _FOLDED,
    "identities.last_used": (*_ACTIVITY, *_USERS),
    "identities.mfa": (*_ACTIVITY, *_USERS),
    "memberships": (*_USERS, *_TEAMS),
    "policies": (),
    "trusts": (),
    "credentials": _FOLDED,
    "credentials.created": _FOLDED,
    "credentials.last_used": (),
    "apps": _FOLDED,
    "apps.scopes": (),
    "apps.settings": (),
    "grants": _USERS,
    "grants.objects": (),
    "grants.fields": (),
    "objects": (),
    "partner_accounts": (),
    "delegated_admins": (),
    "sessions": (),
    "settings": _ACCOUNT,
    "settings.logging": _ACTIVITY,
    "settings.sign_in": _ACTIVITY,
    "settings.sessions": _ACTIVITY,
    "settings.passwords": (),
    "settings.apps": (),
    "usage.logins": _ACTIVITY,
    "usage.audit": _ACTIVITY,
    "usage.exports": _ACTIVITY,
    "usage.calls": _ACTIVITY,
}
_NO_LIST: Final = (
    "HubSpot has no list of private apps, service keys, installed apps and keys: they are concluded from its security "
    "activity, so that one which nobody touched {since} is missing"
)
# What holds however well everything was answered.
LIMITS: Final[Mapping[str, str]] = {
    "apps": f"{_NO_LIST}; those that are known, and their keys, are in the inventory",
    "identities.last_used": "of users, the logins of the last 90 days; nothing says when an app or key was used",
    "identities.mfa": "known only of users who added or removed a second factor {since}",
    "credentials.last_used": "HubSpot counts the calls of all private apps and keys together, not of each",
    "apps.scopes": "only the holder of an app's client secret can ask what scopes its tokens have",
    "apps.settings": "HubSpot offers no settings of an app",
    "grants": "HubSpot names a user's roles but not what they permit, nor the scopes of an app or key; super "
    "administrators are known",
    "grants.objects": "HubSpot offers no permissions of users or roles on objects",
    "grants.fields": "HubSpot offers no permissions of users or roles on properties",
    "objects": "not read: it would take the right to read records",
    "partner_accounts": "not read: it would take the right to read companies",
    "delegated_admins": "accounts and agencies that manage this one are not listed; their users are, by their address",
    "sessions": "HubSpot offers no list of sessions",
    "settings.sign_in": "HubSpot has no call for sign-in settings: changes {since} are concluded",
    "settings.sessions": "HubSpot has no call for session settings: changes of allowed networks {since} are concluded",
    "settings.passwords": "HubSpot has no call for its password rules",
    "settings.apps": "HubSpot has no call for its rules about apps",
    "usage.calls": "the audit log holds what users did in the last {days} days, and no call of an app or key",
}
NOT_APPLICABLE: Final[Mapping[str, str]] = {
    "identities.tags": "HubSpot keeps no labels; who made an app or key is told from its security activity",
    "policies": "HubSpot has no policy documents: what users may do stands in their roles, and is read as grants",
    "trusts": "in HubSpot nobody becomes a user by a trust",
}
_SHOWN: Final = 5  # refusals quoted for a dataset


@dataclass
class Tally:
    """Answers and refusals by dataset, as they come in; `history_from`: how far back the source reaches."""

    answered: Counter[str] = field(default_factory=Counter)
    refused: dict[str, list[Refusal]] = field(default_factory=dict)
    history_from: dict[str, datetime] = field(default_factory=dict)

    def count(self, answer: object, *datasets: str) -> None:
        if isinstance(answer, Refusal):
            for dataset in datasets:
                self.refused.setdefault(dataset, []).append(answer)
        else:
            self.answered.update(datasets)

    def reaches(self, back_to: datetime | None, *datasets: str) -> None:
        """How far back a source was read; what was refused or cut reaches nobody knows how far."""
        for dataset in datasets:
            if back_to is not None and dataset not in self.refused:
                self.history_from[dataset] = back_to

    def coverage(
        self, tenant_id: str, collected_at: datetime, *, since: datetime | None, days: int
    ) -> Iterator[Coverage]:
        """Exactly one record for each dataset. `since`: the oldest event known; `days`: of the audit log."""
        words = {"since": "since it began" if since is None else f"since {since:%Y-%m-%d}", "days": days}
        for dataset in PERMISSIONS:
            status, reason = "complete", None
            refusals = self.refused.get(dataset, [])
            if refusals:
                worst = gravest(refusals)
                status = "partial" if self.answered[dataset] else worst
                reason = _quoted(refusals)
            elif dataset in NOT_APPLICABLE:
                status, reason = "not_applicable", NOT_APPLICABLE[dataset]
            elif dataset in LIMITS:
                status, reason = "unsupported", LIMITS[dataset].format(**words)
            yield coverage_of(
                "hubspot",
                tenant_id,
                dataset,
                refusals,
                status=status,
                reason=reason,
                history_from=self.history_from.get(dataset),
                collected_at=collected_at,
            )


def _quoted(refusals: list[Refusal]) -> str:
    """Another text each; a page refused again is told once."""
    different = list({(refusal.call, refusal.reason): refusal for refusal in refusals}.values())
    return reason_of(different[:_SHOWN], more=len(different) - _SHOWN)
