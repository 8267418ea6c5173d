"""What the org itself holds to reach others, and whom it lets in: named credentials, certificates, identity providers.

API: NamedCredential, ExternalCredential, AuthProvider, SamlSsoConfig, Certificate (Tooling). Never read: passwords,
tokens, consumer keys and secrets, whose columns are not asked for.
"""

from __future__ import annotations

from collections.abc import Iterator

from nhiscan.model import Issuer, IssuerAudience, Record, Resource, StoredSecret

from .api import Json
from .coverage import SETUP
from .org import Org
from .words import domain, id18, moment


def records(org: Org) -> Iterator[Record]:
    yield from _stored(org, "NamedCredential", "named_credential")
    yield from _stored(org, "ExternalCredential", "external_credential")
    yield from _certificates(org)
    yield from _issuers(org)


def _stored(org: Org, name: str, kind: str) -> Iterator[Record]:
    columns = ("Id", "DeveloperName", "CreatedDate", "LastModifiedDate")
    for row in org.rows(name, columns, "stored_secrets", "resources", needs=SETUP):
        resource = _resource(org, kind, row)
        yield resource
        yield StoredSecret(
            resource.resource_id,
            kind=kind,
            created_at=moment(row.get("CreatedDate")),
            updated_at=moment(row.get("LastModifiedDate")),
        )


def _certificates(org: Org) -> Iterator[Record]:
    columns = ("Id", "DeveloperName", "ExpirationDate", "CreatedDate")
    rows = org.rows("Certificate", columns, "stored_secrets", "resources", tooling=True, needs=SETUP)
    for row in rows:
        resource = _resource(org, "certificate", row)
        yield resource
        yield StoredSecret(
            resource.resource_id,
            kind="certificate",
            created_at=moment(row.get("CreatedDate")),
            expires_at=moment(row.get("ExpirationDate")),
        )


def _resource(org: Org, kind: str, row: Json) -> Resource:
    return Resource(
        resource_id=org.id(kind, row["Id"]),
        provider="salesforce",
        tenant_id=org.tenant_id,
        kind=kind,
        name=str(row["DeveloperName"]),
        native_id=id18(str(row["Id"])),
    )


def _issuers(org: Org) -> Iterator[Record]:
    columns = ("Id", "DeveloperName", "ProviderType", "AuthorizeUrl", "CreatedDate")
    for row in org.rows("AuthProvider", columns, "issuers", optional={"IdTokenIssuer": ()}, needs=SETUP):
        said = row.get("IdTokenIssuer") or domain(row.get("AuthorizeUrl")) or row["ProviderType"]
        yield _issuer(org, "auth_provider", str(said), row)
    for row in org.rows(
        "SamlSsoConfig", ("Id", "DeveloperName", "Issuer", "Audience", "CreatedDate"), "issuers", needs=SETUP
    ):
        issuer = _issuer(org, "saml", str(row["Issuer"]), row)
        yield issuer
        if row.get("Audience"):
            yield IssuerAudience(issuer.issuer_id, str(row["Audience"]))


def _issuer(org: Org, kind: str, issuer: str, row: Json) -> Issuer:
    return Issuer(
        issuer_id=org.id(kind, row["Id"]),
        provider="salesforce",
        tenant_id=org.tenant_id,
        kind="saml" if kind == "saml" else "oidc",
        issuer=issuer,
        created_at=moment(row.get("CreatedDate")),
    )
