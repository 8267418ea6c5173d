"""What the tests of remediation act on: roles, tokens and secrets of a live server, each made for one test."""

from __future__ import annotations

import itertools
import json
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import requests

from fixtures.vault.estate import Admin
from nhiscan.collect import Context
from nhiscan.remediate import contract
from nhiscan.remediate.contract import State, Target
from nhiscan.secret import Secret
from tests.remediation import trials
from tests.remediation.trials import Clock, Make, Truth, World

TENANT: Final = "vault:main"
_numbers = itertools.count(1)


def adapter(url: str, **settings: Any) -> Any:
    return contract.load("vault")(url=url, **settings)


def context() -> Context:
    return Context(datetime.now(UTC), clock=lambda: datetime.now(UTC))


def session(url: str, **settings: Any) -> Any:
    return adapter(url, **settings).session(context())


def store(url: str, **settings: Any) -> Any:
    return adapter(url, **settings).store(context())


def target(thing_kind: str, kind: str, native_id: str, *, holder: str = "") -> Target:
    return Target(
        thing_kind,
        f"{TENANT}:{kind}/{native_id}",
        TENANT,
        "vault",
        kind=kind,
        native_id=native_id,
        holder_native_id=holder,
    )


@dataclass(frozen=True)
class Role:
    """An AppRole role and one secret id of it; `path` with its namespace in front, as the inventory names it."""

    admin: Admin
    path: str
    accessor: str
    value: str

    @property
    def target(self) -> Target:
        return target("credential", "approle_secret", self.accessor, holder=self.path)

    def accessors(self) -> set[str]:
        try:
            return set(self.admin.names(f"{self.path}/secret-id"))
        except requests.HTTPError as error:
            if _status(error) == 404:
                return set()
            raise

    def told(self, accessor: str) -> dict[str, Any]:
        found: dict[str, Any] = self.admin.write(
            f"{self.path}/secret-id-accessor/lookup", {"secret_id_accessor": accessor}
        )["data"]
        return found

    def accessor_of(self, value: str) -> str | None:
        """None: no secret id with this value lets anybody in."""
        answer = self.admin.write(f"{self.path}/secret-id/lookup", {"secret_id": value})
        return (answer.get("data") or {}).get("secret_id_accessor")

    def add(self, **body: Any) -> tuple[str, str]:
        """Accessor and value of one more secret id."""
        made = self.admin.write(f"{self.path}/secret-id", body)["data"]
        return made["secret_id_accessor"], made["secret_id"]

    def log_in(self, value: str) -> str | None:
        """The token that a login gives; None: it is refused."""
        role_id = self.admin.read(f"{self.path}/role-id")["role_id"]
        where = f"{self.path.rpartition('/role/')[0]}/login"
        try:
            token: str = self.admin.write(where, {"role_id": role_id, "secret_id": value})["auth"]["client_token"]
        except requests.HTTPError as error:
            if _status(error) == 400:
                return None
            raise
        return token


def role(
    admin: Admin, *, namespace: str = "", name: str = "", secret_id: Mapping[str, Any] | None = None, **settings: Any
) -> Role:
    path = f"{namespace}auth/approle/role/{name or f'partner-{next(_numbers)}'}"
    admin.write(path, {"token_policies": ["default"], **settings})
    made = admin.write(f"{path}/secret-id", dict(secret_id or {}))["data"]
    return Role(admin, path, made["secret_id_accessor"], made["secret_id"])


@dataclass(frozen=True)
class Kept:
    """One secret of KV version 2."""

    admin: Admin
    mount: str
    path: str

    @property
    def address(self) -> str:
        return f"{self.mount}/{self.path}"

    @property
    def target(self) -> Target:
        return target("secret", "secret", self.address)

    def write(self, **fields: Any) -> str:
        return str(self.admin.write(f"{self.mount}/data/{self.path}", {"data": fields})["data"]["version"])

    def current(self) -> Mapping[str, Any] | None:
        return document(self.admin, self.mount, self.path)

    def metadata(self) -> dict[str, Any]:
        return self.admin.read(f"{self.mount}/metadata/{self.path}")

    def staged(self) -> dict[str, Mapping[str, Any] | None]:
        """What stands beside it, by path."""
        folder, _, name = self.path.rpartition("/")
        names = self.admin.names(f"{self.mount}/metadata/{folder}" if folder else f"{self.mount}/metadata")
        own = [f"{folder}/{each}" if folder else each for each in names if each.startswith(f"{name}.nhiscan-")]
        return {path: document(self.admin, self.mount, path) for path in own}


def kept(admin: Admin, *, mount: str = "kv", **fields: Any) -> Kept:
    made = Kept(admin, mount, f"partners/alder-{next(_numbers)}/crm")
    if fields:
        made.write(**fields)
    return made


def document(admin: Admin, mount: str, path: str) -> Mapping[str, Any] | None:
    try:
        found: Mapping[str, Any] | None = admin.read(f"{mount}/data/{path}")["data"]
    except requests.HTTPError as error:
        if _status(error) == 404:
            return None
        raise
    return found


def rotation(admin: Admin, session: Any, store: Any) -> Make:
    """Worlds of a rotation: the secret id of a fresh role, kept in a fresh secret beside another field."""

    def make(clock: Clock) -> World:
        made = role(admin, secret_id={"metadata": json.dumps({"owner": "ana@example.com"})})
        place = kept(admin, SECRET_ID=made.value, URL="https://crm.example.com")

        def look() -> Truth:
            found = made.accessors()
            current = place.current() or {}
            assert current.get("URL") == "https://crm.example.com"
            documents = [current, *(document or {} for document in place.staged().values())]
            stored = {made.accessor_of(document["SECRET_ID"]) for document in documents if document}
            others: dict[str, State] = dict.fromkeys(found - {made.accessor}, "live")
            return Truth(
                "live" if made.accessor in found else "gone",
                others,
                frozenset(accessor for accessor in stored if accessor is not None),
                works=made.accessor_of(str(current.get("SECRET_ID"))) is not None,
            )

        plan = trials.plan(
            session,
            made.target,
            at=clock.now,
            store=store,
            address=f"vault:{place.address}",
            names={"secret_id": "SECRET_ID"},
        )
        return World(plan, {"vault": session}, {"vault": store}, look, secrets=lambda: (made.value, admin.token))

    return make


def value() -> str:
    return secrets.token_urlsafe(24)


def key() -> str:
    return secrets.token_hex(16)


def fields(**parts: str) -> dict[str, Secret]:
    return {name: Secret(text) for name, text in parts.items()}


def token(admin: Admin, namespace: str = "", **body: Any) -> tuple[str, str]:
    """Accessor and value of a token."""
    made = admin.write(f"{namespace}auth/token/create", body)["auth"]
    return made["accessor"], made["client_token"]


def is_let_in(admin: Admin, value: str) -> bool:
    asked = requests.get(f"{admin.url}/v1/auth/token/lookup-self", headers={"X-Vault-Token": value}, timeout=30)
    return bool(asked.status_code == 200)


def tokens(admin: Admin) -> set[str]:
    """The accessors of every token of the root namespace."""
    return set(admin.names("auth/token/accessors"))


def until(holds: Callable[[], bool]) -> None:
    """Waits for what the server does a moment later, such as upgrading a fresh mount."""
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def furnish(admin: Admin) -> None:
    """AppRole, a KV engine of each version, and a namespace that has the same."""
    admin.write("sys/namespaces/partners-eu")
    admin.write("partners-eu/sys/namespaces/inner")
    for namespace in ("", "partners-eu/", "partners-eu/inner/"):
        admin.write(f"{namespace}sys/auth/approle", {"type": "approle"})
        admin.write(f"{namespace}sys/mounts/kv", {"type": "kv", "options": {"version": "2"}})
        until(lambda namespace=namespace: is_up(admin, f"{namespace}kv"))  # type: ignore[misc]
    admin.write("sys/mounts/team/kv", {"type": "kv", "options": {"version": "2"}})
    admin.write("sys/mounts/legacy", {"type": "kv", "options": {"version": "1"}})
    until(lambda: is_up(admin, "team/kv"))


def is_up(admin: Admin, mount: str) -> bool:
    try:
        admin.write(f"{mount}/data/ready", {"data": {"is": json.dumps(True)}})
    except requests.HTTPError:
        return False
    return True


def _status(error: requests.HTTPError) -> int | None:
    return None if error.response is None else error.response.status_code
