"""The auth methods of one namespace, and which role or user a login through them belongs to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from .reading import Json
from .words import labels

# Method -> folders of what one would switch off, and whether that is a role, a user or a group.
# Sources: OpenBao and Vault API documentation, one page a method.
FOLDERS: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "alicloud": (("role", "role"),),
    "approle": (("role", "role"),),
    "aws": (("role", "role"),),
    "azure": (("role", "role"),),
    "cert": (("certs", "role"),),
    "gcp": (("role", "role"),),
    "jwt": (("role", "role"),),
    "kerberos": (("groups", "group"),),
    "kubernetes": (("role", "role"),),
    "ldap": (("users", "user"), ("groups", "group")),
    "oci": (("role", "role"),),
    "oidc": (("role", "role"),),
    "okta": (("users", "user"), ("groups", "group")),
    "radius": (("users", "user"),),
    "saml": (("role", "role"),),
    "token": (("roles", "role"),),
    "userpass": (("users", "user"),),
}
# Where a login or an entity's alias says which role it came through.
_ROLE_NAMES: Final = ("role_name", "role", "cert_name")


@dataclass(frozen=True, slots=True)
class Mount:
    """One auth method; `path` without auth/ and slash, `full` with its namespace before it."""

    method: str
    path: str
    full: str
    accessor: str
    default_ttl_s: int
    max_ttl_s: int  # 0: the server's maximum


@dataclass(frozen=True, slots=True)
class Key:
    """A role, user or group of an auth method; `folder` is where it stands below the mount."""

    mount: Mount
    folder: str
    kind: str
    name: str

    def identity_id(self, tenant_id: str) -> str:
        folder = "groups/" if self.kind == "group" else ""  # an LDAP group may be called like a user
        return f"{tenant_id}:{self.mount.method}/{self.mount.full}/{folder}{self.name}"

    @property
    def path(self) -> str:
        """Where its settings are read."""
        return f"auth/{self.mount.path}/{self.folder}/{self.name}"


def read_mounts(answer: Json, namespace: str) -> list[Mount]:
    """The auth methods in the answer of sys/auth."""
    found = []
    for path, mount in answer.items():
        config = mount.get("config") or {}
        name = path.strip("/")
        found.append(
            Mount(
                method=str(mount["type"]).removeprefix("ns_"),  # the token method of a namespace is ns_token
                path=name,
                full=f"{namespace}{name}",
                accessor=str(mount.get("accessor")),
                default_ttl_s=int(config.get("default_lease_ttl") or 0),
                max_ttl_s=int(config.get("max_lease_ttl") or 0),
            )
        )
    return found


def login_role(method: str, name: str, metadata: object) -> str | None:
    """The role or user behind a login or alias called `name`; None: it does not say."""
    kinds = {kind for _, kind in FOLDERS.get(method, ())}
    if "user" in kinds:
        return name or None
    said = labels(metadata)
    return next((said[key] for key in _ROLE_NAMES if said.get(key)), None)


def token_origin(mounts: list[Mount], token: Json) -> tuple[Mount, str] | None:
    """The mount and role that a token came from; None for one that was made without a role."""
    path = str(token.get("path") or "").removeprefix("auth/")
    candidates = [mount for mount in mounts if path.startswith(f"{mount.path}/")]
    if not candidates:
        return None
    mount = max(candidates, key=lambda candidate: len(candidate.path))
    if mount.method == "token":
        return (mount, str(token["role"])) if token.get("role") else None
    user = str(labels(token.get("meta")).get("username") or path.rpartition("/login/")[2])
    role = login_role(mount.method, user, token.get("meta"))
    return None if role is None else (mount, role)
