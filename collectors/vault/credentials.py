"""Secret ids, tokens and passwords -> credentials. Only accessors and dates: the API hands out no value again."""

from __future__ import annotations

from collections.abc import Iterator

from nhiscan.model import Credential, Identity, Record

from .mounts import Key
from .reading import Json
from .roles import networks
from .words import are_narrow, environment, labels, moment, purpose


def secret_id_record(tenant_id: str, key: Key, role: Json, secret_id: Json) -> Credential:
    accessor = secret_id["secret_id_accessor"]
    bounds = secret_id.get("cidr_list") or role.get("secret_id_bound_cidrs") or []
    return Credential(
        credential_id=f"{tenant_id}:secret_id/{key.mount.full}/{key.name}/{accessor}",
        identity_id=key.identity_id(tenant_id),
        provider="vault",
        tenant_id=tenant_id,
        kind="approle_secret",
        native_id=accessor,
        status="active",
        is_replaceable=True,
        created_at=moment(secret_id.get("creation_time")),
        expires_at=moment(secret_id.get("expiration_time")),
        expiry_known=True,
        is_network_bound=are_narrow(bounds),
    )


def password_record(tenant_id: str, key: Key, user: Json) -> Credential:
    """The password of a userpass user: the server keeps neither its age nor an expiry."""
    return Credential(
        credential_id=f"{tenant_id}:password/{key.mount.full}/{key.name}",
        identity_id=key.identity_id(tenant_id),
        provider="vault",
        tenant_id=tenant_id,
        kind="password",
        native_id=f"{key.mount.full}/{key.name}",
        status="active",
        is_replaceable=True,
        expiry_known=True,
        is_network_bound=are_narrow(networks(user)),
    )


def token_identity_id(tenant_id: str, token: Json) -> str:
    return f"{tenant_id}:token/{token['accessor']}"


def token_identity(tenant_id: str, token: Json) -> Identity:
    """A token that came from no role is an identity of its own."""
    tags = labels(token.get("meta"))
    return Identity(
        identity_id=token_identity_id(tenant_id, token),
        provider="vault",
        tenant_id=tenant_id,
        kind="token",
        name=str(token.get("display_name") or token["accessor"]),
        native_id=str(token["accessor"]),
        is_nhi=True,
        purpose=purpose(tags),
        environment=environment(tags),
        created_at=moment(token.get("creation_time")),
    )


def token_record(tenant_id: str, token: Json, holder_id: str, limit_s: int | None, *, is_login: bool) -> Credential:
    """`limit_s`: the longest life that renewals can give it where the token has no limit of its own."""
    return Credential(
        credential_id=f"{tenant_id}:vault_token/{token['accessor']}",
        identity_id=holder_id,
        provider="vault",
        tenant_id=tenant_id,
        kind="vault_token",
        native_id=str(token["accessor"]),
        status="active",
        is_replaceable=not is_login,  # a session ends and the next login makes another
        created_at=moment(token.get("creation_time")),
        expires_at=moment(token.get("expire_time")),
        expiry_known=True,
        max_ttl_s=_longest_life(token, limit_s),
        period_s=int(token.get("period") or 0) or None,
        is_network_bound=are_narrow(token.get("bound_cidrs") or []),
    )


def _longest_life(token: Json, limit_s: int | None) -> int | None:
    if token.get("explicit_max_ttl"):
        return int(token["explicit_max_ttl"])
    if token.get("expire_time") is None or token.get("period"):
        return 0
    if not token.get("renewable"):
        return int(token.get("creation_ttl") or 0)
    return limit_s


def token_records(
    tenant_id: str, token: Json, holder_id: str | None, limit_s: int | None, *, is_login: bool
) -> Iterator[Record]:
    """A token, and the identity that it is itself when nobody known holds it."""
    if holder_id is None:
        yield token_identity(tenant_id, token)
    yield token_record(tenant_id, token, holder_id or token_identity_id(tenant_id, token), limit_s, is_login=is_login)
