"""How completely each dataset of an account was read, from the refusals of a snapshot."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from nhiscan.collect import Refusal, coverage_of
from nhiscan.model import Coverage

from .fetch import Pages, Snapshot, refusals
from .policies import missing_documents, read_document

_REPORT: Final = ("iam:GenerateCredentialReport", "iam:GetCredentialReport")
PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "identities": ("iam:GetAccountAuthorizationDetails", *_REPORT),
    "identities.tags": ("iam:GetAccountAuthorizationDetails",),
    "identities.last_used": (
        "iam:GetAccountAuthorizationDetails",
        "iam:ListAccessKeys",
        "iam:GetAccessKeyLastUsed",
        *_REPORT,
    ),
    "identities.mfa": ("iam:GetAccountAuthorizationDetails", "iam:ListMFADevices"),
    "memberships": ("iam:GetAccountAuthorizationDetails",),
    "credentials": ("iam:GetAccountAuthorizationDetails", "iam:ListAccessKeys", *_REPORT),
    "credentials.created": ("iam:GetAccountAuthorizationDetails", "iam:ListAccessKeys", *_REPORT),
    "credentials.last_used": (
        "iam:GetAccountAuthorizationDetails",
        "iam:ListAccessKeys",
        "iam:GetAccessKeyLastUsed",
        *_REPORT,
    ),
    "credentials.passwords": ("iam:GetAccountAuthorizationDetails", "iam:GetLoginProfile"),
    "credentials.service_specific": ("iam:GetAccountAuthorizationDetails", "iam:ListServiceSpecificCredentials"),
    "policies": ("iam:GetAccountAuthorizationDetails",),
    "trusts": ("iam:GetAccountAuthorizationDetails",),
    "issuers": ("iam:ListOpenIDConnectProviders", "iam:GetOpenIDConnectProvider", "iam:ListSAMLProviders"),
}
_ROLE_USE_DAYS: Final = 400  # IAM User Guide, "Refine permissions using last accessed information", tracking period


@dataclass(frozen=True, slots=True)
class Asked:
    """One kind of answer that a dataset is made of: how many came, and what was refused.

    `places`: where it was refused, in the order of `refused`, when each place was asked for its own.
    """

    noun: str
    got: int
    refused: Sequence[Refusal] = ()
    places: Sequence[str] = ()

    @property
    def is_missing(self) -> bool:
        return bool(self.refused) and not self.got

    @property
    def reason(self) -> str:
        """Why it is short; only for one that is."""
        first = self.refused[0].reason
        if self.places:
            return f"{self.noun} in {', '.join(self.places)}: {first}"
        if self.got + len(self.refused) == 1:
            return f"{self.noun}: {first}"
        if self.got == 1 and len(self.refused) == 1:
            return f"{self.noun}: only the first part; {first}"
        return f"{self.noun}: {len(self.refused)} of {self.got + len(self.refused)} refused; {first}"


def account_coverage(tenant_id: str, snapshot: Snapshot, as_of: datetime, collected_at: datetime) -> Iterator[Coverage]:
    """Exactly one record for each dataset."""
    s = snapshot
    users = _listed("list of users", s.user_refusal, is_listed=s.users_listed)
    groups = _listed("list of groups", s.group_refusal, is_listed=s.groups_listed)
    roles = _listed("list of roles", s.role_refusal, is_listed=s.roles_listed)
    details = _listed("authorization details", s.details.refusal, is_listed=bool(s.details.pages))
    keys = each_asked("users' access keys", s.access_keys)
    key_uses = each_asked("access keys' last uses", s.key_uses)
    passwords = each_asked("users' passwords", s.login_profiles)
    devices = each_asked("users' MFA devices", s.mfa_devices)
    # Only the report shows the root user and whether it has keys.
    report = Asked("credential report", *((0, [s.report]) if isinstance(s.report, Refusal) else (1, [])))
    password_uses = report if isinstance(s.password_uses, Refusal) else Asked("passwords' last uses", 1)
    service_specific = _listed(
        "service-specific credentials", s.service_specific.refusal, is_listed=bool(s.service_specific.pages)
    )
    # The report stands in for what single calls refuse: it says whether there is a password or a device.
    mfa = devices if report.refused else Asked(devices.noun, len(s.mfa_devices))
    password_flags = passwords if report.refused else Asked(passwords.noun, len(s.login_profiles))

    parts: dict[str, tuple[Sequence[Asked], Sequence[Asked]]] = {
        "identities": ((), (users, groups, roles, report)),
        "identities.tags": ((), (details,)),
        "identities.last_used": ((), (details, users, roles, keys, key_uses, password_uses)),
        "identities.mfa": ((users,), (mfa,)),
        "memberships": ((), (details,)),
        "credentials": ((users,), (keys, report)),
        "credentials.created": ((users,), (keys, report)),
        "credentials.last_used": ((users, keys), (key_uses, password_uses)),
        "credentials.passwords": ((users,), (password_flags,)),
        "credentials.service_specific": ((users,), (service_specific,)),
        "policies": ((), (details, _documents(s))),
        "trusts": ((), (roles, _trust_documents(s))),
        "issuers": (
            (),
            (
                _listed("OIDC providers", s.oidc_providers.refusal, is_listed=bool(s.oidc_providers.pages)),
                each_asked("OIDC providers' audiences", s.oidc_details),
                _listed("SAML providers", s.saml_providers.refusal, is_listed=bool(s.saml_providers.pages)),
            ),
        ),
    }
    for dataset, (base, answers) in parts.items():
        yield dataset_coverage(
            tenant_id,
            dataset,
            base,
            answers,
            history_from=as_of - timedelta(days=_ROLE_USE_DAYS) if dataset == "identities.last_used" else None,
            collected_at=collected_at,
        )


def refused_account(
    tenant_id: str, datasets: Iterable[str], refusal: Refusal, collected_at: datetime
) -> Iterator[Coverage]:
    """The coverage of an account that could not be entered."""
    for dataset in sorted(datasets):
        yield coverage_of(
            "aws",
            tenant_id,
            dataset,
            [refusal],
            status=refusal.status,
            reason=refusal.reason,
            collected_at=collected_at,
        )


def dataset_coverage(
    tenant_id: str,
    dataset: str,
    base: Sequence[Asked],
    answers: Sequence[Asked],
    *,
    collected_at: datetime,
    history_from: datetime | None = None,
) -> Coverage:
    """Complete, or partial, or the status of the refusal when nothing of the dataset is left.

    Nothing is left when a part of `base`, without which nobody could be asked, is missing, or when something of
    `answers` was refused and nothing of it answered.
    """
    short = [part for part in (*base, *answers) if part.refused]
    found = [refusal for part in short for refusal in part.refused]
    is_empty = any(part.is_missing for part in base) or (
        any(part.refused for part in answers) and not any(part.got for part in answers)
    )
    return coverage_of(
        "aws",
        tenant_id,
        dataset,
        found,
        status=found[0].status if is_empty else "partial" if found else "complete",
        reason="; ".join(part.reason for part in short) or None,
        history_from=None if is_empty else history_from,
        collected_at=collected_at,
    )


def _listed(noun: str, refusal: Refusal | None, *, is_listed: bool) -> Asked:
    return Asked(noun, int(is_listed), [] if refusal is None else [refusal])


def each_asked(noun: str, answers: Mapping[Any, object]) -> Asked:
    """What many single calls said, one for each thing."""
    refused = refusals(answers.values())
    return Asked(noun, len(answers) - len(refused), refused)


def regions_asked(noun: str, answers: Mapping[str, Pages]) -> Asked:
    """What the lists of several regions said; a list that broke off counts as answered and as refused."""
    refused = {region: pages.refusal for region, pages in answers.items() if pages.refusal is not None}
    got = sum(1 for pages in answers.values() if pages.pages)
    return Asked(noun, got, list(refused.values()), list(refused))


def _documents(snapshot: Snapshot) -> Asked:
    principals = (*snapshot.users, *snapshot.groups, *snapshot.roles)
    managed = snapshot.details.items("Policies")
    missing = missing_documents(principals, managed) if snapshot.details.pages else []
    return Asked(
        "policy documents",
        len(managed),
        [
            Refusal("failed", "iam:GetAccountAuthorizationDetails", f"{arn} is in use but came without a document")
            for arn in missing
        ],
    )


def _trust_documents(snapshot: Snapshot) -> Asked:
    unread = [role for role in snapshot.roles if read_document(role.get("AssumeRolePolicyDocument")) is None]
    return Asked(
        "trust policies",
        len(snapshot.roles) - len(unread),
        [
            Refusal("failed", "iam:GetAccountAuthorizationDetails", f"the trust policy of {role['Arn']} is not JSON")
            for role in unread
        ],
    )
