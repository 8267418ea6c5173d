"""Entities and groups of the identity store: they hold no credential and only group roles, users and each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from fnmatch import fnmatchcase

from nhiscan.model import Identity, Membership, Record

from .mounts import Key, Mount, login_role
from .reading import Json
from .words import labels, moment


@dataclass(frozen=True, slots=True)
class Alias:
    """One way in of an entity; `role`: the role or user that it logs in through, None where the alias is silent."""

    mount_accessor: str
    role: str | None
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Entity:
    entity_id: str
    is_disabled: bool
    tags: Mapping[str, str]
    aliases: tuple[Alias, ...]


def read_entity(answer: Json) -> Entity:
    return Entity(
        entity_id=str(answer["id"]),
        is_disabled=bool(answer.get("disabled")),
        tags=labels(answer.get("metadata")),
        aliases=tuple(
            Alias(
                str(alias.get("mount_accessor")),
                login_role(str(alias.get("mount_type")), str(alias.get("name") or ""), alias.get("metadata")),
                {**labels(alias.get("metadata")), **labels(alias.get("custom_metadata"))},
            )
            for alias in answer.get("aliases") or []
        ),
    )


@dataclass(frozen=True)
class Behind:
    """Which entities stand behind a role or user."""

    by_role: Mapping[tuple[str, str], list[Entity]]  # accessor of the mount and name of the role
    by_mount: Mapping[str, list[tuple[Entity, Alias]]]

    def entities(self, key: Key, role: Json) -> list[Entity]:
        found = list(self.by_role.get((key.mount.accessor, key.name), ()))
        if key.mount.method == "kubernetes":
            found += [e for e, alias in self.by_mount.get(key.mount.accessor, ()) if _is_service_account(role, alias)]
        return list({entity.entity_id: entity for entity in found}.values())


def behind(entities: Iterable[Entity], mounts: Iterable[Mount]) -> Behind:
    known = {mount.accessor for mount in mounts}
    by_role: dict[tuple[str, str], list[Entity]] = {}
    by_mount: dict[str, list[tuple[Entity, Alias]]] = {}
    for entity in entities:
        for alias in entity.aliases:
            if alias.mount_accessor not in known:
                continue
            by_mount.setdefault(alias.mount_accessor, []).append((entity, alias))
            if alias.role is not None:
                by_role.setdefault((alias.mount_accessor, alias.role), []).append(entity)
    return Behind(by_role, by_mount)


def _is_service_account(role: Json, alias: Alias) -> bool:
    """An alias of the Kubernetes method names no role, so every role whose bounds it meets is behind it."""
    names, namespaces = role.get("bound_service_account_names"), role.get("bound_service_account_namespaces")
    name, namespace = (alias.metadata.get(f"service_account_{part}") for part in ("name", "namespace"))
    if name is None or namespace is None:
        return False
    return any(fnmatchcase(name, bound) for bound in names or []) and any(
        fnmatchcase(namespace, bound) for bound in namespaces or []
    )


def entity_id(tenant_id: str, native_id: str) -> str:
    return f"{tenant_id}:entity/{native_id}"


def group_id(tenant_id: str, native_id: str) -> str:
    return f"{tenant_id}:group/{native_id}"


def entity_record(tenant_id: str, answer: Json) -> Identity:
    return Identity(
        identity_id=entity_id(tenant_id, answer["id"]),
        provider="vault",
        tenant_id=tenant_id,
        kind="entity",
        name=str(answer.get("name") or answer["id"]),
        native_id=str(answer["id"]),
        is_nhi=None,
        status="disabled" if answer.get("disabled") else "enabled",
        created_at=moment(answer.get("creation_time")),
    )


def group_records(tenant_id: str, answer: Json, entities: Set[str], groups: Set[str]) -> Iterator[Record]:
    """A group and who is in it; `entities` and `groups`: those that were read, by native id."""
    own_id = group_id(tenant_id, answer["id"])
    yield Identity(
        identity_id=own_id,
        provider="vault",
        tenant_id=tenant_id,
        kind="group",
        name=str(answer.get("name") or answer["id"]),
        native_id=str(answer["id"]),
        is_nhi=False,
        created_at=moment(answer.get("creation_time")),
    )
    for native_id in answer.get("member_entity_ids") or []:
        if native_id in entities:
            yield Membership(identity_id=entity_id(tenant_id, native_id), group_id=own_id)
    for native_id in answer.get("member_group_ids") or []:
        if native_id in groups:
            yield Membership(identity_id=group_id(tenant_id, native_id), group_id=own_id)
