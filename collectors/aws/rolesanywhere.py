"""IAM Roles Anywhere: which certificate authorities let machines outside become roles, and which certificates came.

API: Roles Anywhere 2018-05-10. A trust anchor is an issuer. A certificate that was seen is no identity of the account:
it becomes one of the roles of a profile. So it is a grant to whoever holds it, with the date when it last came.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from nhiscan.model import Grant, Issuer, Record, Setting

from .account import Account
from .coverage import dataset_coverage, regions_asked
from .fetch import Json, read_regions
from .identities import identity_id, utc

PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "issuers.certificates": (
        "rolesanywhere:ListTrustAnchors",
        "rolesanywhere:ListProfiles",
        "rolesanywhere:ListSubjects",
    )
}
_LISTS: Final = {"ListTrustAnchors": "trust anchors", "ListProfiles": "profiles", "ListSubjects": "certificates"}


def records(account: Account) -> Iterator[Record]:
    clients = account.clients("rolesanywhere")
    anchors = read_regions(clients, "ListTrustAnchors")
    # Without an anchor nobody comes in, whatever profiles there are.
    with_anchors = {region: clients[region] for region, pages in anchors.items() if pages.items("trustAnchors")}
    read = {"ListTrustAnchors": anchors}
    for operation in ("ListProfiles", "ListSubjects"):
        read[operation] = read_regions(with_anchors, operation) if with_anchors else {}
    for pages in read["ListTrustAnchors"].values():
        for anchor in pages.items("trustAnchors"):
            yield from _anchor_records(account, anchor)
    for pages in read["ListProfiles"].values():
        for profile in pages.items("profiles"):
            yield from _profile_settings(account, profile)
    for pages in read["ListSubjects"].values():
        for subject in pages.items("subjects"):
            if subject.get("enabled"):
                yield _subject_grant(account, subject)
    yield dataset_coverage(
        account.tenant_id,
        "issuers.certificates",
        [],
        [regions_asked(noun, read[operation]) for operation, noun in _LISTS.items()],
        collected_at=account.collected_at,
    )


def _anchor_records(account: Account, anchor: Json) -> Iterator[Record]:
    """An enabled anchor; a disabled one lets nobody in. A private authority of AWS has an ARN, another only a name."""
    if anchor.get("enabled"):
        source = anchor.get("source", {}).get("sourceData", {})
        yield Issuer(
            issuer_id=identity_id(account.tenant_id, anchor["trustAnchorArn"]),
            provider="aws",
            tenant_id=account.tenant_id,
            kind="trust_anchor",
            issuer=source.get("acmPcaArn") or anchor["name"],
            created_at=utc(anchor.get("createdAt")),
        )


def _profile_settings(account: Account, profile: Json) -> Iterator[Record]:
    """The roles that holders of any certificate of an anchor may become, and for how long."""
    if not profile.get("enabled"):
        return
    where = {"provider": "aws", "tenant_id": account.tenant_id, "applies_to": profile["profileArn"]}
    roles = profile.get("roleArns", [])
    yield Setting(name="rolesanywhere.roles", value=", ".join(roles), number=len(roles), **where)
    if "durationSeconds" in profile:
        seconds = profile["durationSeconds"]
        yield Setting(name="rolesanywhere.session_s", value=str(seconds), number=seconds, **where)


def _subject_grant(account: Account, subject: Json) -> Grant:
    return Grant(
        grant_id=identity_id(account.tenant_id, subject["subjectArn"]),
        provider="aws",
        tenant_id=account.tenant_id,
        principal_kind="federated",
        principal=subject["x509Subject"],
        permission="rolesanywhere:CreateSession",
        granted_at=utc(subject.get("createdAt")),
        last_used_at=utc(subject.get("lastSeenAt")),
        last_used_known=True,
        source="rolesanywhere",
    )
