"""Roles and users of the auth methods -> identities, how each is bound, and who may become it.

A role is the identity one would switch off; what logs in through it is not in the vault.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from nhiscan.model import AuthRole, Identity, Record, Trust, TrustCondition

from .mounts import Key
from .policies import ROOT
from .reading import Json
from .words import are_narrow, environment, joined, purpose

# Claims that recur in anybody's repository or account, so on their own they do not say who may come.
_RECURRING: Final = frozenset(
    {
        "actor",
        "base_ref",
        "environment",
        "event_name",
        "head_ref",
        "ref",
        "ref_protected",
        "ref_type",
        "runner_environment",
        "workflow",
    }
)
_SUBJECTS: Final = frozenset(
    {"sub", "repository", "repository_id", "job_workflow_ref", "project_path", "project_id", "email"}
)
# The literal start of a subject that pins it although a * follows: organization and repository, group and project,
# Kubernetes namespace, organization and workspace.
_PINNING: Final = re.compile(
    r"repo:[^/:]+/[^/:]+:|project_path:[^/:]+/[^:]+:|system:serviceaccount:[^:]+:|"
    r"organization:[^:]+:project:[^:]+:workspace:[^:]+:"
)
_OWNING: Final = re.compile(r"repo:[^/:]+/|project_path:[^/:]+/|organization:[^:]+:")
_OWNING_NAME: Final = re.compile(r"[^/:]+/")
_PATH_CLAIMS: Final = frozenset({"repository", "job_workflow_ref", "project_path"})
_STRENGTHS: Final = ("none", "weak", "owner", "pinned")
_CERTIFICATE_BOUNDS: Final = (
    "allowed_names",
    "allowed_common_names",
    "allowed_dns_sans",
    "allowed_email_sans",
    "allowed_uri_sans",
)
# In a certificate's DER form: the basic constraints of an authority, and version 3, without which anything may sign.
_AUTHORITY: Final = re.compile(rb"\x06\x03\x55\x1d\x13(?:\x01\x01\xff)?\x04.\x30.\x01\x01\xff", re.DOTALL)
_VERSION_3: Final = b"\xa0\x03\x02\x01\x02"
_PEM: Final = re.compile(r"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----")
_KINDS: Final = {"role": "workload_role", "user": "user", "group": "group"}


def identity_record(
    tenant_id: str, key: Key, namespace: str, tags: Mapping[str, str], *, is_enabled: bool = True
) -> Identity:
    """The name of the provider's own API path is the native id, so that a register can name a folder of them."""
    return Identity(
        identity_id=key.identity_id(tenant_id),
        provider="vault",
        tenant_id=tenant_id,
        kind=_KINDS[key.kind],
        name=key.name,
        native_id=f"{namespace}{key.path}",
        is_nhi={"role": True, "user": None, "group": False}[key.kind],
        status="enabled" if is_enabled else "disabled",
        purpose=purpose(tags),
        environment=environment(tags),
    )


def role_policies(key: Key, role: Json, known: Iterable[str]) -> list[str]:
    """The names of the policies that its tokens get; for a token role those that they may get, of the `known` ones."""
    if key.mount.method == "token":
        named = _allowed_policies(role, known)
    else:
        named = _list(role.get("token_policies") or role.get("policies"))
    if key.kind != "group" and not role.get("token_no_default_policy"):
        named.append("default")
    return list(dict.fromkeys(str(name) for name in named))


def _allowed_policies(role: Json, known: Iterable[str]) -> list[str]:
    """A role that only forbids some policies allows every other one, whatever its caller has; none gives root.

    Sources: API documentation, "Token auth method", create or update token role; tried on OpenBao 2.
    """
    allowed, globs = (_list(role.get(f"allowed_policies{end}")) for end in ("", "_glob"))
    refused, refused_globs = (_list(role.get(f"disallowed_policies{end}")) for end in ("", "_glob"))
    if (refused or refused_globs) and not (allowed or globs):
        globs = ["*"]
    named = [*allowed, *(name for name in sorted(known) if name != ROOT and _fits(name, globs))]
    return [name for name in named if name not in refused and not _fits(name, refused_globs)]


def _fits(name: str, globs: Iterable[str]) -> bool:
    """Only `*` is a wildcard to the server."""
    return any(re.fullmatch(".*".join(map(re.escape, glob.split("*"))), name, re.DOTALL) for glob in globs)


def auth_role(tenant_id: str, key: Key, role: Json) -> AuthRole:
    method = key.mount.method
    is_approle, is_token = method == "approle", method == "token"
    return AuthRole(
        identity_id=key.identity_id(tenant_id),
        method=method,
        mount=key.mount.full,
        token_ttl_s=None if is_token else _seconds(role, "token_ttl", "ttl"),
        token_max_ttl_s=_seconds(role, *(("token_explicit_max_ttl",) if is_token else ("token_max_ttl", "max_ttl"))),
        token_period_s=_seconds(role, "token_period", "period"),
        secret_ttl_s=_seconds(role, "secret_id_ttl") if is_approle else None,
        secret_uses=_seconds(role, "secret_id_num_uses") if is_approle else None,
        is_secret_required=bool(role.get("bind_secret_id", True)) if is_approle else None,
        bound_networks=joined(list(dict.fromkeys(networks(role)))),
        bound_audiences=_audiences(method, role),
        bound_subjects=_subjects(method, role),
        bound_claims=_claims(method, role),
    )


def networks(role: Json) -> list[str]:
    """Where logins and tokens of a role are let in from."""
    return [
        str(network)
        for name in ("secret_id_bound_cidrs", "token_bound_cidrs", "bound_cidrs")
        for network in role.get(name) or []
    ]


def is_one_subject(method: str, role: Json) -> bool:
    """Nobody but the entity that logged in so far can log in through it: entities are told by the user claim."""
    return method == "approle" or (bool(role.get("bound_subject")) and role.get("user_claim") == "sub")


def trust_records(tenant_id: str, key: Key, role: Json, config: Json) -> Iterator[Record]:
    """Who may become a role by the word of somebody else: an issuer of tokens, a cluster, an authority.

    `config`: of its mount, empty when it could not be read.
    """
    method = key.mount.method
    if method in ("jwt", "oidc"):
        yield from _token_trust(tenant_id, key, role, config)
    elif method == "kubernetes":
        issuer = _text(config.get("kubernetes_host"))
        yield _trust(
            tenant_id,
            key,
            role,
            mechanism="kubernetes",
            principal=joined(_service_accounts(role)),
            issuer=issuer,
            audience_check="pinned" if role.get("audience") else "none",
            subject_check=_kubernetes_check(role),
        )
    elif method == "cert":
        bounds = _certificate_bounds(role)
        yield _trust(
            tenant_id,
            key,
            role,
            mechanism="cert",
            principal=joined(bounds),
            issuer=_text(role.get("display_name")),
            subject_check="none" if not bounds else "weak" if any("*" in bound for bound in bounds) else "pinned",
        )


def issuer_name(config: Json, mount: str) -> str:
    """Whose tokens a mount accepts; by its keys where it names nobody."""
    for name in ("bound_issuer", "oidc_discovery_url", "jwks_url"):
        if config.get(name):
            return str(config[name])
    return f"keys of {mount}"


def _token_trust(tenant_id: str, key: Key, role: Json, config: Json) -> Iterator[Record]:
    issuer = issuer_name(config, key.mount.full) if config else None
    is_browser = role.get("role_type") == "oidc"  # its tokens are for the mount's own client id: OpenID Connect Core
    operator = "glob" if role.get("bound_claims_type") == "glob" else "equals"
    claims = {str(name): [str(value) for value in _list(values)] for name, values in _mapping(role, "bound_claims")}
    conditions = [(name, operator, value) for name, values in claims.items() for value in values]
    conditions += [("sub", "equals", str(role["bound_subject"]))] if role.get("bound_subject") else []
    conditions += [("aud", "equals", str(audience)) for audience in _list(role.get("bound_audiences"))]
    checks = [
        _claim_check(name, values, is_glob=operator == "glob") for name, values in claims.items() if name != "aud"
    ]
    if role.get("bound_subject"):
        checks.append("pinned")
    trust = _trust(
        tenant_id,
        key,
        role,
        mechanism="oidc",
        principal=issuer or key.mount.full,
        issuer=issuer,
        audience_check="pinned" if is_browser or role.get("bound_audiences") else "none",
        subject_check=max((check for check in checks if check), key=_STRENGTHS.index, default="none"),
        has_other_conditions=any(check is None for check in checks),
    )
    yield trust
    about = re.sub(r"^https?://", "", issuer or key.mount.full).rstrip("/")
    for name, test, value in conditions:
        yield TrustCondition(trust_id=trust.trust_id, operator=test, name=f"{about}:{name}", value=value)


def _trust(
    tenant_id: str,
    key: Key,
    role: Json,
    *,
    mechanism: str,
    principal: str,
    issuer: str | None,
    audience_check: str = "none",
    subject_check: str = "none",
    has_other_conditions: bool = False,
) -> Trust:
    asked = {name: value for name, value in role.items() if name.startswith(("bound_", "allowed_", "aud")) and value}
    return Trust(
        trust_id=f"{tenant_id}:trust/{key.mount.method}/{key.mount.full}/{key.name}",
        identity_id=key.identity_id(tenant_id),
        tenant_id=tenant_id,
        mechanism=mechanism,
        principal_kind=mechanism,
        principal=principal,
        issuer=issuer,
        audience_check=audience_check,
        subject_check=subject_check,
        narrowed_by="token_bound_cidrs" if are_narrow(role.get("token_bound_cidrs") or []) else None,
        has_other_conditions=has_other_conditions,
        statement=json.dumps(asked, sort_keys=True, separators=(",", ":"), ensure_ascii=False),
    )


def _claim_check(name: str, values: list[str], *, is_glob: bool) -> str | None:
    """How well a claim says who may come; None: a claim of the issuer's own, which cannot be weighed."""
    if not values:
        return "none"
    claim = name.strip("/")
    if claim in _SUBJECTS:
        return min((_value_check(claim, value, is_glob=is_glob) for value in values), key=_STRENGTHS.index)
    if claim in _RECURRING or (is_glob and all(value.strip("*") == "" for value in values)):
        return "weak"
    return None


def _value_check(claim: str, value: str, *, is_glob: bool) -> str:
    if not is_glob or "*" not in value:
        return "pinned"
    literal = value.partition("*")[0]
    if claim == "sub":
        return "pinned" if _PINNING.match(literal) else "owner" if _OWNING.match(literal) else "weak"
    return "owner" if claim in _PATH_CLAIMS and _OWNING_NAME.match(literal) else "weak"


def _service_accounts(role: Json) -> list[str]:
    namespaces = _list(role.get("bound_service_account_namespaces"))
    if role.get("bound_service_account_namespace_selector"):
        namespaces.append(f"[{role['bound_service_account_namespace_selector']}]")
    return [f"{space}/{name}" for space in namespaces for name in _list(role.get("bound_service_account_names"))]


def _kubernetes_check(role: Json) -> str:
    accounts = _service_accounts(role)
    if not accounts:
        return "none"
    is_open = any("*" in account for account in accounts) or role.get("bound_service_account_namespace_selector")
    return "weak" if is_open else "pinned"


def _certificate_bounds(role: Json) -> list[str]:
    """The names that a certificate has to bear; a certificate that is no authority lets in itself only."""
    bounds = [str(bound) for name in _CERTIFICATE_BOUNDS for bound in _list(role.get(name))]
    try:
        trusted = [base64.b64decode(text) for text in _PEM.findall(str(role.get("certificate") or ""))]
    except binascii.Error:
        return bounds
    if trusted and all(_VERSION_3 in der[:32] and not _AUTHORITY.search(der) for der in trusted):
        bounds += [f"certificate {hashlib.sha256(der).hexdigest()[:16]}" for der in trusted]
    return bounds


def _audiences(method: str, role: Json) -> str | None:
    if method in ("jwt", "oidc"):
        return joined(role.get("bound_audiences"))
    return joined(role.get("audience")) if method == "kubernetes" else None


def _subjects(method: str, role: Json) -> str | None:
    if method in ("jwt", "oidc"):
        return joined(role.get("bound_subject"))
    if method == "kubernetes":
        return joined(_service_accounts(role))
    if method == "cert":
        return joined(_certificate_bounds(role))
    return None


def _claims(method: str, role: Json) -> str | None:
    if method in ("jwt", "oidc"):
        return joined([f"{name}={value}" for name, values in _mapping(role, "bound_claims") for value in _list(values)])
    if method == "cert":
        return joined([*_list(role.get("allowed_organizational_units")), *_list(role.get("required_extensions"))])
    if method in ("aws", "azure", "gcp", "alicloud", "oci", "saml"):
        bounds = {name: value for name, value in role.items() if name.startswith("bound_") and value}
        return joined([f"{name}={value}" for name, values in bounds.items() for value in _list(values)])
    return None


def _seconds(role: Json, *names: str) -> int:
    """The first of several names of one number, 0 where it is not set."""
    return next((int(role[name]) for name in names if role.get(name)), 0)


def _mapping(role: Json, name: str) -> Iterable[tuple[Any, Any]]:
    found = role.get(name)
    return found.items() if isinstance(found, Mapping) else ()


def _list(value: object) -> list[Any]:
    if value is None or value == "":
        return []
    return list(value) if isinstance(value, list) else [value]


def _text(value: object) -> str | None:
    return str(value) if value else None
