"""One namespace from its auth methods to its secrets; the root is a namespace as well."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

from nhiscan.collect import Refusal
from nhiscan.model import Issuer, IssuerAudience, Membership, Record, Scanner, Sighting

from .coverage import OF_EVERY_NAMESPACE, Tally
from .credentials import (
    Limits,
    password_record,
    role_id_record,
    secret_id_record,
    token_identity,
    token_identity_id,
    token_record,
)
from .entities import Behind, Entity, behind, entity_id, entity_record, group_id, group_records, read_entity
from .mounts import FOLDERS, Key, Mount, read_mounts, token_origin
from .policies import Bindings, policy_record
from .reading import Json, Reader, ask_each
from .roles import auth_role, identity_record, is_one_subject, issuer_name, role_policies, trust_records
from .search import Search
from .state import lease_records
from .stores import Stores
from .words import labels, tag_records

_ROLE_DATASETS: Final = ("identities", "auth_roles", "trusts")
_METHOD_DATASETS: Final = (
    *_ROLE_DATASETS,
    "credentials",
    "credentials.created",
    "identities.tags",
    "issuers",
    "memberships",
    "sightings.tags",
)
# What a token that is not seen takes with it, and a secret id, and a role.
_OF_A_TOKEN: Final = ("identities", "identities.tags", "policies", "sightings.tags")
_OF_A_SECRET_ID: Final = ("identities.tags", "sightings.tags")
_OF_A_ROLE: Final = ("credentials", "credentials.created", "identities.tags", "policies", "sightings.tags")
_TRUSTING: Final = frozenset({"jwt", "kubernetes", "oidc"})


@dataclass
class Namespace:
    """`counting(what)` gives what hears of progress; `chosen` are mounts whose values may be fingerprinted.

    `entity_states` (by native id: is it disabled) and `group_ids` are shared by all namespaces, which are read from the
    top: to HashiCorp Vault's groups may belong who stands in a namespace above.
    """

    tenant_id: str
    reader: Reader
    tally: Tally
    counting: Callable[[str], Callable[[int], None]]
    fingerprint: Callable[[str], str]
    search: Search
    chosen: frozenset[str]
    most_secrets: int
    read_leases: bool
    server_max_ttl_s: int | None
    entity_states: dict[str, bool]
    group_ids: set[str]
    _roles: dict[tuple[str, str], tuple[Key, Json]] = field(default_factory=dict)
    _linked: set[tuple[str, str]] = field(default_factory=set)

    def children(self) -> list[str]:
        """The whole paths of the namespaces right below; none where the server has no namespaces."""
        listed = self.reader.list_names("sys/namespaces")
        # What lies in a namespace that nobody named is missing everywhere.
        self.tally.count(listed.refusal, "namespaces", spoils=OF_EVERY_NAMESPACE)
        return [self.reader.full(f"{name.strip('/')}/") for name in reversed(listed.names)]

    def records(self, scanner: Json) -> Iterator[Record]:
        """Everything but coverage; `scanner` is what the server says of the scanner's own token."""
        yield from self._policies()
        entities: list[Json] = []
        for answer in self._listed("identity/entity/id", "entities"):
            own_id = entity_id(self.tenant_id, answer["id"])
            cleaned, seen = self._searched(answer, own_id)
            entities.append(cleaned)
            yield from seen
        yield from self._entities(entities)
        found = behind(map(read_entity, entities), self.mounts)
        yield from self._groups()
        for mount in self.mounts:
            yield from self._auth_method(mount, found)
        yield from self._tokens(scanner)
        yield from self._secrets()
        if self.read_leases:
            yield from lease_records(self.tenant_id, self.reader, self.tally)

    @cached_property
    def mounts(self) -> Sequence[Mount]:
        answer = self.reader.get("sys/auth")
        self.tally.count(answer, *_METHOD_DATASETS, spoils=("policies",))
        return [] if answer is None or isinstance(answer, Refusal) else read_mounts(answer, self.reader.namespace)

    @cached_property
    def bindings(self) -> Bindings:
        listed = self.reader.list_names("sys/policies/acl")
        self.tally.count(listed.refusal, "policies")
        return Bindings(self.tenant_id, self.reader.namespace, frozenset(listed.names))

    def _policies(self) -> Iterator[Record]:
        for name, answer in ask_each(
            sorted(self.bindings.known),
            lambda name: self.reader.get(f"sys/policies/acl/{name}"),
            count=self.counting("policies"),
        ):
            self.tally.count(answer, "policies")
            if answer is None:
                self.tally.vanish("policies")
            # One that was listed and not read is kept without text: what it allows is unknown, not nothing.
            document = str(answer.get("policy") or "") if isinstance(answer, dict) else ""
            yield policy_record(self.tenant_id, self.reader.namespace, name, document)

    def _listed(self, path: str, what: str) -> Iterator[Json]:
        """Everything that could be read below a path of the identity store, one by one."""
        listed = self.reader.list_names(path)
        datasets = ("identities", "memberships", "identities.tags", "sightings.tags")
        spoils = ("credentials", "policies")  # an entity that is disabled disables its tokens
        self.tally.count(listed.refusal, *datasets, spoils=spoils)
        for _, answer in ask_each(
            listed.names, lambda native_id: self.reader.get(f"{path}/{native_id}"), count=self.counting(what)
        ):
            self.tally.count(answer, *datasets, spoils=spoils)
            if answer is None:
                self.tally.vanish(*datasets)
            elif not isinstance(answer, Refusal):
                yield answer

    def _searched(self, answer: Json, identity_id: str) -> tuple[Json, list[Sighting]]:
        """An entity or group whose labels hold no secret any more, and what they held."""
        called = str(answer.get("name") or answer["id"])
        kept, seen = self.search.labels(labels(answer.get("metadata")), called, identity_id=identity_id)
        return {**answer, "metadata": kept}, seen

    def _entities(self, entities: Sequence[Json]) -> Iterator[Record]:
        for entity in entities:
            self.entity_states[str(entity["id"])] = bool(entity.get("disabled"))
            yield entity_record(self.tenant_id, entity)
            own_id = entity_id(self.tenant_id, entity["id"])
            yield from tag_records(own_id, labels(entity.get("metadata")))
            yield from self.bindings.records(own_id, entity.get("policies") or ())

    def _groups(self) -> Iterator[Record]:
        groups = list(self._listed("identity/group/id", "groups"))
        self.group_ids.update(str(group["id"]) for group in groups)
        for group in groups:
            self._count_strangers(group)
            yield from group_records(self.tenant_id, group, self.entity_states.keys(), self.group_ids)
            own_id = group_id(self.tenant_id, group["id"])
            cleaned, seen = self._searched(group, own_id)
            yield from seen
            yield from tag_records(own_id, cleaned["metadata"])
            yield from self.bindings.records(own_id, group.get("policies") or ())

    def _count_strangers(self, group: Json) -> None:
        members = {*(group.get("member_entity_ids") or ()), *(group.get("member_group_ids") or ())}
        strangers = members - self.entity_states.keys() - self.group_ids
        if strangers:
            reason = (
                f"{len(strangers)} members of group {group.get('name') or group['id']} stand where nothing was read"
            )
            refusal = Refusal("failed", f"GET {self.reader.full('identity/group/id')}/{group['id']}", reason)
            self.tally.count(refusal, spoils=("memberships", "policies"))

    def _auth_method(self, mount: Mount, found: Behind) -> Iterator[Record]:
        if mount.method not in FOLDERS:
            reason = f"roles of the auth method {mount.method} are not known to this collector"
            refusal = Refusal("unsupported", f"LIST {self.reader.full(f'auth/{mount.path}')}", reason)
            self.tally.count(refusal, *_ROLE_DATASETS, "credentials")
            return
        config: Json = {}
        if mount.method in _TRUSTING:
            answer = self.reader.get(f"auth/{mount.path}/config")
            self.tally.count(answer, "issuers", spoils=("trusts",))
            config = {} if answer is None or isinstance(answer, Refusal) else answer
        if mount.method in ("jwt", "oidc") and config:
            yield from self._issuer(mount, config)
        for folder, kind in FOLDERS[mount.method]:
            listed = self.reader.list_names(f"auth/{mount.path}/{folder}")
            self.tally.count(
                listed.refusal, *_ROLE_DATASETS, "credentials", "credentials.created",
                spoils=("policies", "memberships", "identities.tags"),
            )  # fmt: skip
            keys = [Key(mount, folder, kind, name) for name in listed.names]
            for key, role in ask_each(keys, lambda key: self.reader.get(key.path), count=self.counting("roles")):
                self.tally.count(role, *_ROLE_DATASETS, spoils=_OF_A_ROLE)
                if role is None:
                    self.tally.vanish(*_ROLE_DATASETS)
                else:
                    yield from self._role(key, role, found, config)

    def _role(self, key: Key, role: Json | Refusal, found: Behind, config: Json) -> Iterator[Record]:
        read: Json = {} if isinstance(role, Refusal) else role
        entities = found.entities(key, read)
        tags = {name: value for entity in entities for name, value in entity.tags.items()}
        is_frozen = _is_frozen(key, read, entities)
        own_id = key.identity_id(self.tenant_id)
        if key.kind != "group":  # nobody logs in as a group
            self._roles[key.mount.accessor, key.name] = key, read
        yield identity_record(self.tenant_id, key, self.reader.namespace, tags, is_enabled=not is_frozen)
        yield from tag_records(own_id, tags)
        for entity in entities:
            yield from self._link(own_id, entity.entity_id)
        if isinstance(role, Refusal):
            return
        yield from self.bindings.records(own_id, role_policies(key, role, self.bindings.known))
        if key.kind == "group":
            return
        yield auth_role(self.tenant_id, key, role)
        yield from trust_records(self.tenant_id, key, role, config)
        if key.mount.method == "approle":
            if not role.get("bind_secret_id", True):
                yield role_id_record(self.tenant_id, key, role)
            yield from self._secret_ids(key, role, set(tags))
        elif key.mount.method == "userpass":
            yield password_record(self.tenant_id, key, role)

    def _issuer(self, mount: Mount, config: Json) -> Iterator[Record]:
        issuer_id = f"{self.tenant_id}:issuer/{mount.full}"
        yield Issuer(
            issuer_id=issuer_id,
            provider="vault",
            tenant_id=self.tenant_id,
            kind="oidc",
            issuer=issuer_name(config, mount.full),
        )
        if config.get("oidc_client_id"):
            yield IssuerAudience(issuer_id=issuer_id, audience=str(config["oidc_client_id"]))

    def _secret_ids(self, key: Key, role: Json, tagged: set[str]) -> Iterator[Record]:
        """The secret ids of an AppRole role; what is written on them labels the role where nothing else does."""
        listed = self.reader.list_names(f"{key.path}/secret-id")
        self.tally.count(listed.refusal, "credentials", "credentials.created", spoils=_OF_A_SECRET_ID)
        path = f"{key.path}/secret-id-accessor/lookup"
        notes: dict[str, str] = {}
        for _, answer in ask_each(
            listed.names,
            lambda accessor: self.reader.post(path, {"secret_id_accessor": accessor}),
            count=self.counting("secret ids"),
        ):
            self.tally.count(answer, "credentials", "credentials.created", spoils=_OF_A_SECRET_ID)
            if answer is None:
                self.tally.vanish("credentials")
            elif not isinstance(answer, Refusal):
                yield secret_id_record(self.tenant_id, key, role, answer)
                notes.update(labels(answer.get("metadata")))
        own_id = key.identity_id(self.tenant_id)
        kept, seen = self.search.labels(notes, f"secret ids of {key.mount.full}/{key.name}", identity_id=own_id)
        yield from seen
        yield from tag_records(own_id, {name: value for name, value in kept.items() if name not in tagged})

    def _tokens(self, scanner: Json) -> Iterator[Record]:
        listed = self.reader.list_names("auth/token/accessors", sudo=True)
        self.tally.count(listed.refusal, "credentials", "credentials.created", spoils=_OF_A_TOKEN)
        denied: list[Refusal] = []
        answered = 0
        is_scanner_seen = False
        for accessor, answer in ask_each(listed.names, self._look_up, count=self.counting("tokens")):
            if isinstance(answer, Refusal) and answer.status == "denied":
                denied.append(answer)
                continue
            self.tally.count(answer, "credentials", "credentials.created", spoils=_OF_A_TOKEN)
            if answer is None:
                self.tally.vanish("credentials")
            elif not isinstance(answer, Refusal):
                answered += 1
                is_scanner_seen = is_scanner_seen or accessor == scanner["accessor"]
                yield from self._token({**answer, "accessor": accessor})
        # A policy opens the look-up of every token or of none: a refusal beside an answer is a token that just ended.
        for refusal in denied:
            if answered:
                self.tally.vanish("credentials")
            else:
                self.tally.count(refusal, "credentials", "credentials.created", spoils=_OF_A_TOKEN)
        if self.reader.is_home:
            yield from self._scanner(scanner, is_seen=is_scanner_seen)

    def _look_up(self, accessor: str) -> Json | Refusal | None:
        answer = self.reader.post("auth/token/lookup-accessor", {"accessor": accessor})
        if isinstance(answer, Refusal) and "invalid accessor" in answer.reason:
            return None
        return answer

    def _holder(self, token: Json) -> tuple[Key, Json] | None:
        """The role or user that a token came from, where it is in the inventory."""
        origin = token_origin(list(self.mounts), token)
        return None if origin is None else self._roles.get((origin[0].accessor, origin[1]))

    def _token(self, token: Json) -> Iterator[Record]:
        holder = self._holder(token)
        native_id = str(token.get("entity_id") or "")
        is_frozen = self.entity_states.get(native_id, False)
        if holder is None:  # nobody known holds it: it is an identity of its own
            own_id = token_identity_id(self.tenant_id, token)
            tags, seen = self.search.labels(labels(token.get("meta")), f"token {token['accessor']}", identity_id=own_id)
            yield token_identity(self.tenant_id, token, tags, is_frozen=is_frozen)
            yield from tag_records(own_id, tags)
            yield from seen
            yield from self.bindings.of_new(own_id, token.get("policies") or ())
        else:
            own_id = holder[0].identity_id(self.tenant_id)
            yield from self.bindings.records(own_id, token.get("policies") or ())
        is_login = holder is not None and holder[0].mount.method != "token"
        limits = self._limits(holder)
        yield token_record(self.tenant_id, token, own_id, limits, is_login=is_login, is_frozen=is_frozen)
        if native_id in self.entity_states:
            yield from self._link(own_id, native_id)

    def _link(self, identity_id: str, entity: str) -> Iterator[Record]:
        if (identity_id, entity) not in self._linked:
            self._linked.add((identity_id, entity))
            yield Membership(identity_id=identity_id, group_id=entity_id(self.tenant_id, entity))

    def _limits(self, holder: tuple[Key, Json] | None) -> Limits:
        """The least of the role's and the mount's or server's maximum."""
        key, role = holder or (None, {})
        mount = key.mount if key else next((mount for mount in self.mounts if mount.method == "token"), None)
        of_mount = (mount.max_ttl_s if mount else 0) or self.server_max_ttl_s
        if key is not None and key.mount.method == "token":
            return Limits(of_mount, int(role.get("token_explicit_max_ttl") or 0), int(role.get("token_period") or 0))
        known = [limit for limit in (of_mount, int(role.get("token_max_ttl") or 0)) if limit]
        return Limits(min(known, default=None))

    def _scanner(self, scanner: Json, *, is_seen: bool) -> Iterator[Record]:
        """Who we are: what the server says of our own token, also where it may not list the others."""
        token = {name: value for name, value in scanner.items() if name != "id"}  # the id is the token itself
        if not is_seen:
            yield from self._token(token)
        holder = self._holder(token)
        own_id = token_identity_id(self.tenant_id, token) if holder is None else holder[0].identity_id(self.tenant_id)
        yield Scanner(tenant_id=self.tenant_id, identity_id=own_id)

    def _secrets(self) -> Iterator[Record]:
        answer = self.reader.get("sys/mounts")
        self.tally.count(answer, "resources", "stored_secrets", "stored_secrets.rotation")
        if answer is None or isinstance(answer, Refusal):
            self.tally.count(answer, spoils=("sightings.tags", "stored_secrets.fingerprints"))
            return
        yield from Stores(
            self.tenant_id,
            self.reader,
            self.tally,
            self.fingerprint,
            self.search,
            self.chosen,
            self.most_secrets,
            self.counting,
        ).records(answer)


def _is_frozen(key: Key, role: Json, entities: Sequence[Entity]) -> bool:
    """Everybody who can log in through it stands behind a disabled entity: the server refuses them all."""
    if not entities or not all(entity.is_disabled for entity in entities):
        return False
    return key.kind == "user" or is_one_subject(key.mount.method, role)
