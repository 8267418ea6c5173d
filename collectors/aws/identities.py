"""Users, groups and roles -> identities, tags and memberships; who is a person and who is a machine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeAlias

from nhiscan.model import Identity, Membership, Record, Tag

Json: TypeAlias = Mapping[str, Any]

ROOT: Final = "<root_account>"  # as the credential report calls it

_MACHINE_WORDS: Final = frozenset(
    {
        "api",
        "app",
        "application",
        "automation",
        "bot",
        "integration",
        "machine",
        "nhi",
        "non-human",
        "robot",
        "service",
        "service-account",
        "svc",
        "system",
        "technical",
        "workload",
    }
)
_HUMAN_WORDS: Final = frozenset({"employee", "human", "interactive", "person", "personal", "staff", "user"})
_KIND_TAGS: Final = ("type", "kind", "identity-type", "account-type", "user-type", "principal-type")
_YES: Final = frozenset({"1", "true", "yes"})
_NO: Final = frozenset({"0", "false", "no"})

_ENVIRONMENTS: Final = {
    "prod": ("live", "prd", "prod", "production"),
    "staging": ("acceptance", "pre-prod", "preprod", "stage", "staging", "stg", "uat"),
    "test": ("qa", "test", "testing", "tst"),
    "dev": ("dev", "develop", "development"),
    "sandbox": ("playground", "poc", "sandbox", "sbx"),
}
_ENVIRONMENT_OF: Final = {word: environment for environment, words in _ENVIRONMENTS.items() for word in words}

_PROVIDER_PATHS: Final = ("/aws-service-role/", "/aws-reserved/")
ROLE_USE_SOURCE: Final = "RoleLastUsed: newest session; uses show up to 4 hours late, none older than 400 days"


@dataclass(frozen=True, slots=True)
class UserFacts:
    """What the credentials of a user say about it; None: could not be read."""

    has_password: bool | None
    has_access_keys: bool | None
    has_mfa: bool | None
    last_used_at: datetime | None
    last_used_known: bool
    last_used_source: str | None


def identity_id(tenant_id: str, arn: str) -> str:
    """`aws:111111111111:user/path/name` from an ARN."""
    return f"{tenant_id}:{resource(arn)}"


def resource(arn: str) -> str:
    """The part behind the account number."""
    return arn.split(":", 5)[5]


def provider_owned(arn: str) -> bool:
    """Whether a role is AWS's own, by the path in its ARN: IAM changes those for nobody."""
    return any(f":role{path}" in arn for path in _PROVIDER_PATHS)


def utc(moment: datetime | None) -> datetime | None:
    # botocore hands times back in the machine's local zone.
    return None if moment is None else moment.astimezone(UTC)


def user_records(tenant_id: str, user: Json, facts: UserFacts) -> Iterator[Record]:
    own_id = identity_id(tenant_id, user["Arn"])
    tags = read_tags(user)
    is_nhi = is_machine(tags, facts)
    yield Identity(
        identity_id=own_id,
        provider="aws",
        tenant_id=tenant_id,
        kind="service_account" if is_nhi else "human_user",
        name=user["UserName"],
        native_id=user["Arn"],
        is_nhi=is_nhi,
        mail=_mail(user["UserName"], tags),
        purpose=_purpose(tags),
        environment=read_environment(tags),
        created_at=utc(user["CreateDate"]),
        last_used_at=facts.last_used_at,
        last_used_known=facts.last_used_known,
        last_used_source=facts.last_used_source,
        has_console_password=facts.has_password,
        mfa_state=None if facts.has_mfa is None else "registered" if facts.has_mfa else "none",
    )
    yield from _tag_records(own_id, user)


def is_machine(tags: Mapping[str, str], facts: UserFacts) -> bool | None:
    """None for a console user with keys and without MFA, who may be either. A tag decides before anything else."""
    if (tagged := _tagged_machine(tags)) is not None:
        return tagged
    if facts.has_password is None:
        return None
    if not facts.has_password:
        return True
    if facts.has_mfa or facts.has_access_keys is False:
        return False
    return None


def _tagged_machine(tags: Mapping[str, str]) -> bool | None:
    flag = tags.get("nhi", "").casefold()
    if flag in _YES | _NO:
        return flag in _YES
    for name in _KIND_TAGS:
        word = tags.get(name, "").strip().casefold().replace("_", "-").replace(" ", "-")
        if word in _MACHINE_WORDS:
            return True
        if word in _HUMAN_WORDS:
            return False
    return None


def membership_records(tenant_id: str, user: Json, group_ids: Mapping[str, str]) -> Iterator[Record]:
    """Memberships of one user; `group_ids` by group name."""
    for name in user.get("GroupList", []):
        if name in group_ids:
            yield Membership(identity_id=identity_id(tenant_id, user["Arn"]), group_id=group_ids[name])


def group_record(tenant_id: str, group: Json) -> Record:
    return Identity(
        identity_id=identity_id(tenant_id, group["Arn"]),
        provider="aws",
        tenant_id=tenant_id,
        kind="group",
        name=group["GroupName"],
        native_id=group["Arn"],
        is_nhi=False,
        created_at=utc(group["CreateDate"]),
    )


def role_records(tenant_id: str, role: Json, *, last_use_was_read: bool) -> Iterator[Record]:
    """A role with its tags. A landing zone's roles serve the customer's administrators: not provider-owned."""
    own_id = identity_id(tenant_id, role["Arn"])
    tags = read_tags(role)
    # Absent or empty for a role that was not used while AWS keeps track.
    last_used = role.get("RoleLastUsed", {}) if last_use_was_read else {}
    yield Identity(
        identity_id=own_id,
        provider="aws",
        tenant_id=tenant_id,
        kind="workload_role",
        name=role["RoleName"],
        native_id=role["Arn"],
        is_nhi=True,
        purpose=_purpose(tags),
        environment=read_environment(tags),
        is_provider_owned=str(role["Path"]).startswith(_PROVIDER_PATHS),
        created_at=utc(role["CreateDate"]),
        last_used_at=utc(last_used.get("LastUsedDate")),
        last_used_known=last_use_was_read,
        last_used_source=ROLE_USE_SOURCE if last_use_was_read else None,
        has_console_password=False,
    )
    yield from _tag_records(own_id, role)


def read_tags(principal: Json) -> dict[str, str]:
    """Tags by folded name."""
    return fold({str(tag["Key"]): str(tag["Value"]) for tag in principal.get("Tags", [])})


def fold(tags: Mapping[str, str]) -> dict[str, str]:
    """AWS tells `Owner` from `owner`, people do not."""
    return {name.strip().casefold().replace("_", "-"): value for name, value in tags.items()}


def _tag_records(own_id: str, principal: Json) -> Iterator[Record]:
    for tag in principal.get("Tags", []):
        yield Tag(identity_id=own_id, name=tag["Key"], value=tag["Value"])


def _first(tags: Mapping[str, str], *names: str) -> str | None:
    return next((tags[name] for name in names if tags.get(name)), None)


def _purpose(tags: Mapping[str, str]) -> str | None:
    return _first(tags, "purpose", "description")


def read_environment(tags: Mapping[str, str]) -> str | None:
    """The environment that a tag names; `tags` by folded name."""
    word = _first(tags, "environment", "env", "stage")
    return None if word is None else _ENVIRONMENT_OF.get(word.strip().casefold())


def _mail(user_name: str, tags: Mapping[str, str]) -> str | None:
    tagged = _first(tags, "mail", "email", "e-mail")
    if tagged is not None:
        return tagged
    return user_name if "@" in user_name else None
