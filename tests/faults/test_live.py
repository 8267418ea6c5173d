"""Live stand-ins that throttle, and a region that refuses: the scan of a whole account."""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime

import pytest

from fixtures.aws import holdings, stand_in
from fixtures.aws.faults import DENIED, THROTTLED, Relay, Wrong
from fixtures.aws.world import World
from nhiscan.collect import Context, load, run
from nhiscan.model import Coverage, Record, Setting
from tests.faults.tapes import HOLDER

AS_OF = datetime(2026, 1, 31, 12, tzinfo=UTC)
REGIONS = (holdings.REGION, "eu-central-1")
OF_ALL_REGIONS = ("iam", "organizations", "sts")


@pytest.fixture(scope="module")
def account() -> Iterator[str]:
    """Moto and the simulator behind one address, with one of everything."""
    nothing = ("service_specific_credentials", "users", "roles", "trails", "events", "analyzers")
    world = World(accounts={HOLDER: {name: [] for name in nothing}}, callers={}, roles={})
    with stand_in.running(world) as url:
        holdings.seed(url)
        yield url


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A caller that is nobody, and no pauses between attempts: how often is asked stays the same."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    monkeypatch.setattr("botocore.retries.bucket.TokenBucket.acquire", lambda self, amount=1, block=True: True)


@dataclass
class EveryThird(Relay):
    """Every third call is throttled, whichever it is."""

    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def wrong_answer(self, call: str, region: str) -> Wrong | None:
        super().wrong_answer(call, region)
        return THROTTLED if next(self._numbers) % 3 == 0 else None


@dataclass
class OneRegion(Relay):
    """A region that refuses everything but what is asked of all of AWS."""

    def wrong_answer(self, call: str, region: str) -> Wrong | None:
        super().wrong_answer(call, region)
        return DENIED if region == REGIONS[1] and not call.startswith(OF_ALL_REGIONS) else None


def scan(url: str) -> list[Record]:
    collector = load("aws")(
        endpoint_url=url, accounts=(HOLDER,), role_name="nhiscan", regions=REGIONS, last_accessed_limit=0
    )
    return list(run(collector, Context(as_of=AS_OF, fingerprint_key=b"k" * 32)))


def test_throttling_on_every_third_call_costs_nothing_but_time(account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # One call after the other: of several at once, one could be the third three times in a row.
    monkeypatch.setattr(importlib.import_module(f"{load('aws').__module__}.fetch"), "_WORKERS", 1)
    smooth = scan(account)
    with EveryThird(account) as relay:
        throttled = scan(relay.url)
    assert len(relay.calls) > 100
    assert throttled == smooth


def test_a_region_that_refuses_is_named_and_the_rest_is_read(account: str) -> None:
    smooth = scan(account)
    with OneRegion(account) as relay:
        found = scan(relay.url)
    # Nothing lies there; yet nobody can say any more that no trail does.
    assert {r for r in smooth if r.table != "coverage"} - set(found) == {
        r for r in smooth if isinstance(r, Setting) and r.name.startswith("logging.")
    }
    short = {r.dataset: r for r in found if isinstance(r, Coverage) and r.status == "partial"}
    assert set(short) >= {"grants", "resources", "settings.logging", "stored_secrets", "usage.calls", "workloads"}
    assert {dataset for dataset, row in short.items() if REGIONS[1] not in str(row.reason)} == set()
    assert {dataset for dataset, row in short.items() if REGIONS[0] in str(row.reason)} == set()
