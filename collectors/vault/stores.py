"""Secret engines -> resources and metadata of what is stored in them. Values are read only where that was asked for."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from nhiscan.collect import Refusal
from nhiscan.model import Record, Resource, ResourceTag, StoredSecret

from .coverage import Tally
from .reading import Json, Reader, ask_each
from .search import Search
from .words import environment, labels, moment

# The server's own engines hold nothing of anybody's.
_OWN_ENGINES: Final = frozenset({"cubbyhole", "identity", "system"})
# Engine -> folders of what it makes credentials from, kind of each, and whether each use is a fresh value.
_ROLE_ENGINES: Final[Mapping[str, tuple[tuple[str, str, bool], ...]]] = {
    "alicloud": (("role", "alicloud_role", True),),
    "aws": (("roles", "aws_role", True), ("static-roles", "aws_static_role", True)),
    "azure": (("roles", "azure_role", True),),
    "consul": (("roles", "consul_role", True),),
    "database": (("roles", "database_role", True), ("static-roles", "database_static_role", True)),
    "gcp": (("roles", "gcp_role", True),),
    "kubernetes": (("roles", "kubernetes_role", True),),
    "nomad": (("role", "nomad_role", True),),
    "pki": (("roles", "pki_role", True),),
    "rabbitmq": (("roles", "rabbitmq_role", True),),
    "ssh": (("roles", "ssh_role", True),),
    "totp": (("keys", "totp_key", False),),
    "transit": (("keys", "transit_key", False),),
}
_DATASETS: Final = ("resources", "stored_secrets", "stored_secrets.rotation")
_LABELS: Final = ("sightings.tags",)
_DAY_S: Final = 24 * 3600
# Fields of a secret that hold the secret part of it, where it has several.
_SECRET_FIELD: Final = re.compile(r"pass|pwd|secret|token|key|credential|private|dsn|connection", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Engine:
    """One mounted secret engine; `path` without slash at its end, `full` with its namespace before it."""

    kind: str
    path: str
    full: str
    version: str | None

    @property
    def is_kv2(self) -> bool:
        return self.kind == "kv" and self.version == "2"

    @property
    def is_kv1(self) -> bool:
        return self.kind == "kv" and self.version != "2"


@dataclass(frozen=True)
class Stores:
    """`fingerprint`: what turns a value into its fingerprint; `chosen`: the mounts whose values may be read for it."""

    tenant_id: str
    reader: Reader
    tally: Tally
    fingerprint: Callable[[str], str]
    search: Search
    chosen: frozenset[str]
    most_secrets: int
    counting: Callable[[str], Callable[[int], None]]

    def records(self, mounts: Json) -> Iterator[Record]:
        """Everything below the engines in the answer of sys/mounts."""
        for path, mount in sorted(mounts.items()):
            kind = str(mount["type"]).removeprefix("ns_")
            if kind in _OWN_ENGINES:
                continue
            name = path.strip("/")
            version = str((mount.get("options") or {}).get("version") or "") or None
            engine = Engine("kv" if kind == "generic" else kind, name, self.reader.full(name), version)
            yield from self._engine(engine, mount)

    def _engine(self, engine: Engine, mount: Json) -> Iterator[Record]:
        mount_id = f"{self.tenant_id}:mount/{engine.full}"
        yield Resource(
            resource_id=mount_id,
            provider="vault",
            tenant_id=self.tenant_id,
            kind="mount",
            name=engine.full,
            native_id=engine.full,
        )
        yield ResourceTag(resource_id=mount_id, name="type", value=engine.kind)
        if engine.version:
            yield ResourceTag(resource_id=mount_id, name="version", value=engine.version)
        if mount.get("description"):
            described = {"description": str(mount["description"])}
            kept, seen = self.search.labels(described, engine.full, resource_id=mount_id)
            yield ResourceTag(resource_id=mount_id, name="description", value=kept["description"])
            yield from seen
        if engine.kind == "kv":
            if engine.is_kv2 or engine.full in self.chosen:
                yield from self._key_values(engine)
            else:
                reason = f"KV version 1 keeps no metadata: what lies in {engine.full}/ is not listed"
                self._say(Refusal("unsupported", f"LIST {engine.full}", reason))
            if self.chosen and engine.full not in self.chosen:
                reason = f"{engine.full} is not one of fingerprint_mounts"
                self.tally.count(Refusal("unsupported", "", reason), "stored_secrets.fingerprints")
        elif engine.kind in _ROLE_ENGINES:
            for folder, kind, is_dynamic in _ROLE_ENGINES[engine.kind]:
                yield from self._roles(engine, folder, kind, is_dynamic=is_dynamic)
        else:
            reason = f"the engine {engine.kind} is not known to this collector"
            self._say(Refusal("unsupported", f"LIST {engine.full}", reason))

    def _say(self, refusal: Refusal) -> None:
        self.tally.count(refusal, "stored_secrets", "stored_secrets.rotation", spoils=("resources",))

    def _roles(self, engine: Engine, folder: str, kind: str, *, is_dynamic: bool) -> Iterator[Record]:
        listed = self.reader.list_names(f"{engine.path}/{folder}")
        self.tally.count(listed.refusal, *_DATASETS)
        for name, answer in ask_each(
            listed.names,
            lambda name: self.reader.get(f"{engine.path}/{folder}/{name}"),
            count=self.counting("roles and keys"),
        ):
            self.tally.count(answer, "stored_secrets", "stored_secrets.rotation")
            if answer is None:
                self.tally.vanish(*_DATASETS)
                continue
            native_id = f"{engine.full}/{name}"
            resource_id = f"{self.tenant_id}:{kind}/{native_id}"
            yield self._resource(resource_id, kind, native_id, {})
            role = {} if isinstance(answer, Refusal) else answer
            yield from assumed_roles(resource_id, kind, role)
            yield role_secret(resource_id, kind, role, is_dynamic=is_dynamic)

    def _key_values(self, engine: Engine) -> Iterator[Record]:
        folder = f"{engine.path}/metadata" if engine.is_kv2 else engine.path
        room = self.most_secrets
        for names in self._walk(folder):
            for name, answer in ask_each(
                names[:room], lambda name: self._look(engine, name), count=self.counting("secrets")
            ):
                yield from self._secret(engine, name, answer)
            if len(names) > room:
                reason = f"stopped after {self.most_secrets} secrets in {engine.full} (collectors.vault.most_secrets)"
                self._say(Refusal("truncated", f"LIST {engine.full}", reason))
                return
            room -= len(names)

    def _walk(self, root: str) -> Iterator[list[str]]:
        """The secrets folder by folder, as paths below the root."""
        folders = [""]
        while folders:
            folder = folders.pop()
            listed = self.reader.list_names(f"{root}/{folder}")
            self.tally.count(listed.refusal, *_DATASETS, spoils=_LABELS)
            folders += [f"{folder}{name}" for name in reversed(listed.names) if name.endswith("/")]
            yield [f"{folder}{name}" for name in listed.names if not name.endswith("/")]

    def _look(self, engine: Engine, name: str) -> tuple[Json, Mapping[str, str]] | Refusal | None:
        """The metadata of one secret, and the fingerprints of its secret fields where they were asked for."""
        metadata = self.reader.get(f"{engine.path}/metadata/{name}") if engine.is_kv2 else {}
        if metadata is None or isinstance(metadata, Refusal):
            return metadata
        if engine.full not in self.chosen:
            return metadata, {}
        value = self.reader.get(f"{engine.path}/data/{name}" if engine.is_kv2 else f"{engine.path}/{name}")
        self.tally.count(value, "stored_secrets.fingerprints")
        if value is None or isinstance(value, Refusal):
            return metadata, {}
        fields = (value.get("data") or {}) if engine.is_kv2 else value
        return metadata, {field: self.fingerprint(text) for field, text in secret_fields(fields)}

    def _secret(
        self, engine: Engine, name: str, answer: tuple[Json, Mapping[str, str]] | Refusal | None
    ) -> Iterator[Record]:
        self.tally.count(answer, "stored_secrets", "stored_secrets.rotation", spoils=_LABELS)
        if answer is None:
            self.tally.vanish(*_DATASETS)
            return
        metadata, fingerprints = ({}, {}) if isinstance(answer, Refusal) else answer
        native_id = f"{engine.full}/{name}"
        resource_id = f"{self.tenant_id}:secret/{native_id}"
        tags, seen = self.search.labels(labels(metadata.get("custom_metadata")), native_id, resource_id=resource_id)
        yield self._resource(resource_id, "secret", native_id, tags)
        for tag, value in tags.items():
            yield ResourceTag(resource_id=resource_id, name=tag, value=value)
        yield from seen
        kind = "kv2" if engine.is_kv2 else "kv1"
        if isinstance(answer, Refusal):
            yield StoredSecret(resource_id=resource_id, kind=kind)
            return
        one = next(iter(fingerprints.values())) if len(fingerprints) == 1 else None
        yield from kv_secret(resource_id, kind, metadata, one)
        if one is None:
            for field, found in sorted(fingerprints.items()):
                field_id = f"{resource_id}#{field}"
                yield self._resource(field_id, "secret_field", f"{native_id}#{field}", tags)
                yield from kv_secret(field_id, kind, metadata, found)

    def _resource(self, resource_id: str, kind: str, native_id: str, tags: Mapping[str, str]) -> Resource:
        return Resource(
            resource_id=resource_id,
            provider="vault",
            tenant_id=self.tenant_id,
            kind=kind,
            name=native_id,
            native_id=native_id,
            environment=environment(tags),
            encrypted_at_rest="customer_key",  # Vault documentation, "Seal/Unseal": the security barrier
        )


def secret_fields(fields: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    """The fields that are the secret: the only one, else those whose names say so."""
    texts = [
        (str(name), value if isinstance(value, str) else json.dumps(value, sort_keys=True))
        for name, value in fields.items()
        if value not in (None, "")
    ]
    return texts if len(texts) == 1 else [(name, text) for name, text in texts if _SECRET_FIELD.search(name)]


def kv_secret(resource_id: str, kind: str, metadata: Json, fingerprint: str | None) -> Iterator[StoredSecret]:
    """Nothing for a secret of which no version is left, or to which only labels were given so far."""
    versions = metadata.get("versions") or {}
    current = versions.get(str(metadata.get("current_version"))) or {}
    if current.get("destroyed") or (metadata and not current):
        return
    yield StoredSecret(
        resource_id=resource_id,
        kind=kind,
        version=metadata.get("current_version"),
        created_at=moment(metadata.get("created_time")),
        updated_at=moment(current.get("created_time")) or moment(metadata.get("updated_time")),
        expires_at=moment(current.get("deletion_time")),
        is_rotated=False,
        fingerprint=fingerprint,
    )


def role_secret(resource_id: str, kind: str, role: Json, *, is_dynamic: bool) -> StoredSecret:
    """A role that makes credentials, or a key; `is_dynamic`: the engine makes or changes the value by itself."""
    period_s = _period_s(role)
    versions = role.get("keys")
    dates = [found for value in versions.values() if (found := _version_date(value))] if versions else []
    return StoredSecret(
        resource_id=resource_id,
        kind=kind,
        version=role.get("latest_version"),
        created_at=min(dates, default=None),
        updated_at=max(dates, default=None) or moment(role.get("last_vault_rotation")),
        is_rotated=None if not role else is_dynamic or period_s > 0,
        rotation_days=-(-period_s // _DAY_S) or None,
        rotated_at=moment(role.get("last_vault_rotation")),
    )


def assumed_roles(resource_id: str, kind: str, role: Json) -> Iterator[ResourceTag]:
    """The roles of AWS whose sessions a role of the AWS engine hands out."""
    if kind == "aws_role" and role.get("role_arns"):
        yield ResourceTag(resource_id=resource_id, name="role_arns", value=",".join(map(str, role["role_arns"])))


def _period_s(role: Json) -> int:
    for name in ("rotation_period", "auto_rotate_period"):
        if isinstance(role.get(name), int):
            return int(role[name])
    return 0


def _version_date(value: object) -> datetime | None:
    """Of a symmetric key the creation of each version is a number, of an asymmetric one a field."""
    return moment(value.get("creation_time")) if isinstance(value, Mapping) else moment(value)
