"""The common vocabulary of privilege: verbs, how far and how surely they are held, and the level of each."""

from __future__ import annotations

from typing import Final

VERBS: Final = frozenset(
    {
        "admin",
        "escalate",
        "manage-policy",
        "manage-trust",
        "impersonate",
        "manage-identity",
        "delegate",
        "run-code",
        "read-secret",
        "export-data",
        "disable-audit",
        "write-data",
        "read-data",
        "read-config",
        "none",
        "unknown",
    }
)
SCOPES: Final = ("self", "single", "set", "environment", "all")  # narrowest first
CERTAINTIES: Final = ("potential", "conditional", "definite")  # least sure first

_OVER_IDENTITIES: Final = frozenset({"manage-policy", "manage-trust", "manage-identity", "impersonate", "delegate"})
_WIDE: Final = frozenset({"environment", "all"})


def level(verb: str, scope: str, *, over_resource: bool = False) -> int | None:
    """0 to 5; None when it depends on which other identity is reached, or when the permission is unknown.

    `over_resource`: the verb changes access to a resource, such as a bucket policy, and not to an identity.
    """
    if verb in ("admin", "escalate"):
        return 5
    if verb in _OVER_IDENTITIES:
        if over_resource:
            return 4
        if scope == "self":  # whoever writes its own policy allows itself everything; else it reaches nobody else
            return 5 if verb == "manage-policy" else 2
        return 5 if scope in _WIDE else None
    if verb in ("run-code", "read-secret", "export-data", "disable-audit"):
        return 4
    if verb == "write-data":
        return 4 if scope in _WIDE else 2 if scope == "self" else 3
    if verb == "read-data":
        return 3 if scope in _WIDE else 2 if scope == "set" else 1
    return {"read-config": 1, "none": 0}.get(verb)
