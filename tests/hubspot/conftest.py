"""The simulated account over HTTP, and one run of the collector against it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.hubspot.simulator import READING, Simulator
from nhiscan.collect import Context, load, run
from nhiscan.model import Coverage
from nhiscan.secret import Secret
from tests.scans import Collected

TENANT = "hubspot:4711001"


class Scan(Collected):
    """What one run of the collector said."""

    def identity(self, name: str) -> Any:
        return self.one("identities", identity_id=f"{TENANT}:{name}")

    def credential(self, name: str) -> Any:
        return self.one("credentials", credential_id=f"{TENANT}:{name}")

    def tags(self, name: str) -> dict[str, str]:
        return {tag.name: tag.value for tag in self.of("tags") if tag.identity_id == f"{TENANT}:{name}"}

    def setting(self, name: str) -> list[Any]:
        return [(each.value, each.number) for each in self.of("settings") if each.name == name]

    def coverage(self, dataset: str, tenant_id: str = TENANT) -> Coverage:
        found: Coverage = self.one("coverage", dataset=dataset, tenant_id=tenant_id)
        return found

    def statuses(self) -> dict[str, str]:
        return {record.dataset: record.status for record in self.of("coverage")}


def token(simulator: Simulator) -> str:
    """The one token of the account, made anew for each."""
    return next(iter(simulator.tokens))


def collector(simulator: Simulator, **settings: Any) -> Any:
    given = {"token": Secret(token(simulator)), "base_url": simulator.url, **settings}
    return load("hubspot")(**given)


def scan(simulator: Simulator, *, ctx: Context | None = None, **settings: Any) -> Scan:
    return Scan(list(run(collector(simulator, **settings), ctx or Context(as_of=simulator.account.now))))


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """The account of fixtures/hubspot/account.py; what it answers has to fit HubSpot's description."""
    with Simulator() as running:
        running.tokens[f"canary-{secrets.token_hex(16)}"] = READING
        yield running
    assert not running.violations


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses that were asked for and did not happen."""
    asked: list[float] = []
    monkeypatch.setattr("time.sleep", asked.append)
    return asked
