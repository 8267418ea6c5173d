"""Two stand-ins over HTTP: moto, which keeps a live state, and our simulator, which has what moto lacks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
import requests
from moto.server import ThreadedMotoServer

from fixtures.aws.faults import Relay
from fixtures.aws.simulator import Simulator
from fixtures.aws.world import read_estate
from nhiscan.collect import Context, load, run
from nhiscan.model import Coverage
from nhiscan.secret import Secret
from tests.aws.rotation import Aws
from tests.scans import Collected

AS_OF = datetime(2026, 1, 31, 12, tzinfo=UTC)
CALLER = "AKIA000000000EXAMPLE"


class Scan(Collected):
    """What one run of the collector said."""

    def coverage(self, dataset: str, tenant_id: str = "aws:111111111111") -> Coverage:
        found: Coverage = self.one("coverage", dataset=dataset, tenant_id=tenant_id)
        return found

    def statuses(self, tenant_id: str = "aws:111111111111") -> dict[str, str]:
        return {record.dataset: record.status for record in self.of("coverage") if record.tenant_id == tenant_id}


def scan(url: str, *, ctx: Context | None = None, **settings: Any) -> Scan:
    collector = load("aws")(endpoint_url=url, **{"regions": ("us-east-1",), **settings})
    return Scan(list(run(collector, ctx or Context(as_of=AS_OF))))


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that is nobody outside these tests, and no profile of the developer's."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", CALLER)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_CONFIG_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def simulator() -> Iterator[Simulator]:
    """The estate of fixtures/aws/estate.json; what it answers has to fit botocore's models."""
    world = read_estate()
    world.report_rounds = 1  # at once; the reviewed records are taken with a report that takes its time
    with Simulator(world) as running:
        yield running
    assert not running.violations


@pytest.fixture
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Pauses that were asked for and did not happen; the list of them."""
    pauses: list[float] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    return pauses


OUR_SCAN: dict[str, Any] = {
    "accounts": ("111111111111", "222222222222"),
    "role_name": "nhiscan",
    "external_id": Secret("our-own-scan"),
}


@pytest.fixture(scope="session")
def moto_url() -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def moto(moto_url: str) -> Iterator[str]:
    """An empty moto that enforces no policy."""
    requests.post(f"{moto_url}/moto-api/reset", timeout=10).raise_for_status()
    yield moto_url
    requests.post(f"{moto_url}/moto-api/reset-auth", data="inf", timeout=10).raise_for_status()


@pytest.fixture
def moto_iam(moto: str, credentials: None) -> Any:
    return boto3.client("iam", endpoint_url=moto, region_name="us-east-1")


@pytest.fixture
def aws(moto: str, credentials: None) -> Iterator[Aws]:
    with Relay(moto) as relay:
        yield Aws(moto, relay)
