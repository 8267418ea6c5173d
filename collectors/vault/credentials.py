"""Secret ids, tokens and passwords -> credentials. Only accessors and dates: the API hands out no value again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from nhiscan.model import Credential, Identity

from .mounts import Key
from .reading import Json
from .roles import networks
from .words import are_narrow, environment, moment, purpose


def secret_id_record(tenant_id: str, key: Key, role: Json, secret_id: Json) -> Credential:
    accessor = secret_id["secret_id_accessor"]
    # A token that is bound is of no use elsewhere, although the login gives it out there.
    bounds = [
        secret_id.get(own) or role.get(of_role) or []
        for own, of_role in (("cidr_list", "secret_id_bound_cidrs"), ("token_bound_cidrs", "token_bound_cidrs"))
    ]
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
        is_network_bound=any(map(are_narrow, bounds)),
    )


def role_id_record(tenant_id: str, key: Key, role: Json) -> Credential:
    """The role id of an AppRole role that asks for no secret id: whoever knows it is in. Its value is not read."""
    return Credential(
        credential_id=f"{tenant_id}:role_id/{key.mount.full}/{key.name}",
        identity_id=key.identity_id(tenant_id),
        provider="vault",
        tenant_id=tenant_id,
        kind="approle_role_id",
        native_id=f"{key.mount.full}/{key.name}",
        status="active",
        is_replaceable=True,
        expiry_known=True,
        is_network_bound=are_narrow(networks(role)),
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


def token_identity(tenant_id: str, token: Json, tags: Mapping[str, str], *, is_frozen: bool) -> Identity:
    """A token that came from no role is an identity of its own."""
    return Identity(
        identity_id=token_identity_id(tenant_id, token),
        provider="vault",
        tenant_id=tenant_id,
        kind="token",
        name=str(token.get("display_name") or token["accessor"]),
        native_id=str(token["accessor"]),
        is_nhi=True,
        status="disabled" if is_frozen else "enabled",
        purpose=purpose(tags),
        environment=environment(tags),
        created_at=moment(token.get("creation_time")),
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """What holds for a token besides what is written on it.

    `max_ttl_s`: the longest life that renewals can give it, None when unknown. `explicit_max_ttl_s`, `period_s`: of its
    token role, which the server applies at each renewal.
    """

    max_ttl_s: int | None
    explicit_max_ttl_s: int = 0
    period_s: int = 0


def token_record(
    tenant_id: str, token: Json, holder_id: str, limits: Limits, *, is_login: bool, is_frozen: bool
) -> Credential:
    """`is_login`: it came from a login; `is_frozen`: its entity is disabled, so the server refuses it."""
    period_s = int(token.get("period") or 0) or limits.period_s
    return Credential(
        credential_id=f"{tenant_id}:vault_token/{token['accessor']}",
        identity_id=holder_id,
        provider="vault",
        tenant_id=tenant_id,
        kind="vault_token",
        native_id=str(token["accessor"]),
        status="inactive" if is_frozen else "active",
        is_replaceable=not is_login,  # a session ends and the next login makes another
        created_at=moment(token.get("creation_time")),
        expires_at=moment(token.get("expire_time")),
        expiry_known=True,
        max_ttl_s=_longest_life(token, limits, period_s),
        period_s=period_s or None,
        is_network_bound=are_narrow(token.get("bound_cidrs") or []),
    )


def _longest_life(token: Json, limits: Limits, period_s: int) -> int | None:
    explicit_s = int(token.get("explicit_max_ttl") or 0) or limits.explicit_max_ttl_s
    if explicit_s:
        return explicit_s
    if token.get("expire_time") is None or period_s:
        return 0
    if not token.get("renewable"):
        return int(token.get("creation_ttl") or 0)
    return limits.max_ttl_s
