"""OIDC and SAML providers -> issuers whose tokens the account accepts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

from nhiscan.model import Issuer, IssuerAudience, Record

from .identities import identity_id, resource, utc

Json: TypeAlias = Mapping[str, Any]


def oidc_records(tenant_id: str, arn: str, provider: Json | None) -> Iterator[Record]:
    """An issuer as trust policies name it, host and path without scheme; `provider` None: its details were refused."""
    issuer_id = identity_id(tenant_id, arn)
    yield Issuer(
        issuer_id=issuer_id,
        provider="aws",
        tenant_id=tenant_id,
        kind="oidc",
        issuer=resource(arn).partition("/")[2],
        created_at=None if provider is None else utc(provider.get("CreateDate")),
    )
    for audience in () if provider is None else provider.get("ClientIDList", []):
        yield IssuerAudience(issuer_id=issuer_id, audience=audience)


def saml_record(tenant_id: str, provider: Json) -> Record:
    return Issuer(
        issuer_id=identity_id(tenant_id, provider["Arn"]),
        provider="aws",
        tenant_id=tenant_id,
        kind="saml",
        issuer=resource(provider["Arn"]).partition("/")[2],
        created_at=utc(provider.get("CreateDate")),
    )
