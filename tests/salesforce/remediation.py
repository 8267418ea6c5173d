"""The made-up org of conftest with a user of its own for remediation, and targets in it as the inventory names them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from fixtures.salesforce.login import key_pair
from fixtures.salesforce.simulator import running
from fixtures.salesforce.world import App, World
from nhiscan.collect import Context
from nhiscan.remediate.contract import Session, Target, load
from nhiscan.secret import Secret
from tests.salesforce.conftest import AS_OF, Acme, acme

USERNAME = "remediation@acme.example"
# What the README asks for, and no more.
RIGHTS = frozenset(
    {"ApiEnabled", "ViewSetup", "ManageUsers", "AssignPermissionSets", "CustomizeApplication", "ExternalClientAppAdmin"}
)


@dataclass(frozen=True)
class Org:
    """A running org, who remediates it, and a session of theirs."""

    acme: Acme
    url: str
    user_id: str
    session: Session

    @property
    def world(self) -> World:
        return self.acme.world

    def allow(self, *permissions: str) -> None:
        self.world.others[USERNAME] = frozenset(permissions)

    def row(self, native_id: str) -> dict[str, Any]:
        found = self.world.find(native_id)
        assert found is not None
        return found[1]

    def login_of(self, user: str) -> dict[str, Any]:
        (found,) = self.world.having("UserLogin", "UserId", [user])
        return found

    def changes(self) -> list[str]:
        """The calls that change something, logins left out."""
        return [
            f"{call.method} {call.path}"
            for call in self.world.calls
            if call.method != "GET" and not call.path.endswith("/token")
        ]


def prepared(**world_settings: Any) -> tuple[Acme, str]:
    """The org with who remediates it, and that user's id."""
    app = App("remediation-app", approved=frozenset({USERNAME}))
    made = acme(others={USERNAME: RIGHTS}, apps=(app,), **world_settings)
    world = made.world
    user_id = world.add("User", Username=USERNAME, Name="Remediation", IsActive=True, UserType="Standard")
    for user in (user_id, made.anna, made.partner_user, made.bot, made.connector):
        world.add("UserLogin", UserId=user)
    for number, row in enumerate(list(world.rows("OauthToken"))):
        world.change(row["Id"], DeleteToken=f"canary-delete-token-{number}")
    return made, user_id


def signed_in(address: str, *, clock: Any = lambda: AS_OF, **settings: Any) -> Session:
    given = {
        "url": address,
        "login_url": address,
        "client_id": "remediation-app",
        "username": USERNAME,
        "private_key": Secret(key_pair()[0]),
    }
    made: Session = load("salesforce")(**{**given, **settings}).session(Context(AS_OF, clock=clock))
    return made


@contextmanager
def remediated(*, clock: Any = lambda: AS_OF, **world_settings: Any) -> Iterator[Org]:
    made, user_id = prepared(**world_settings)
    with running(made.world) as url:
        yield Org(made, url, user_id, signed_in(url, clock=clock))


def user(org: Acme, native_id: str, **changes: Any) -> Target:
    told = {
        "thing_kind": "identity",
        "thing_id": org.user(native_id),
        "tenant_id": org.tenant_id,
        "provider": "salesforce",
        "kind": "human_user",
        "native_id": native_id,
        "holder_native_id": native_id,
    }
    return Target(**{**told, **changes})


def member(org: Acme, holder: str, group: str, **changes: Any) -> Target:
    told = {
        "thing_kind": "membership",
        "thing_id": f"{org.user(holder)} in {org.tenant_id}:permission_set/{group}",
        "tenant_id": org.tenant_id,
        "provider": "salesforce",
        "kind": "group",
        "holder_kind": "service_account",
        "holder_native_id": holder,
        "group_name": "Deal Desk",
        "group_native_id": group,
    }
    return Target(**{**told, **changes})


def token(org: Acme, holder: str, native_id: str, **changes: Any) -> Target:
    told = {
        "thing_kind": "credential",
        "thing_id": f"{org.tenant_id}:oauth_token/{native_id}",
        "tenant_id": org.tenant_id,
        "provider": "salesforce",
        "kind": "oauth_token",
        "native_id": native_id,
        "holder_native_id": holder,
    }
    return Target(**{**told, **changes})
