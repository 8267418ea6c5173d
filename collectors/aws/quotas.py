"""How fast AWS is asked: within a share of what it allows an account, so that a scan starves nobody else.

AWS counts calls per account and region. Throttling that happens all the same is left to botocore's adaptive retries.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

# Calls a second, by operation where AWS says so, else by service.
_RATES: Final[Mapping[str, float]] = {
    "cloudtrail:LookupEvents": 2,  # CloudTrail User Guide, "Quotas in AWS CloudTrail"
    "cloudtrail": 10,  # the same page, for DescribeTrails, GetTrailStatus and others
    # AWS publishes none for these; low, because they throttle early.
    "organizations": 8,
    "access-analyzer": 10,
    "rolesanywhere": 10,
}
_USUAL_RATE: Final = 40.0  # IAM and whatever else publishes none: our assumption
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})


class Quotas:
    """Holds calls back; one object a scan, shared by its threads."""

    def __init__(
        self, share: float, *, wait: Callable[[float], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._share = share
        self._wait = wait
        self._clock = clock
        self._free_at: dict[tuple[str, str, str], float] = {}
        self._lock = threading.Lock()

    def hold_back(self, client: Any, account: str) -> None:
        """Makes a client wait before a call, and before each retry, that would be too soon."""
        service, region = client.meta.service_model.signing_name, client.meta.region_name

        def before_send(event_name: str, **_: Any) -> None:
            pause_s = self.pause_s(account, region, service, event_name.rpartition(".")[2])
            if pause_s > 0:
                self._wait(pause_s)

        client.meta.events.register("before-send", before_send)

    def pause_s(self, account: str, region: str, service: str, operation: str) -> float:
        """How long the next call has to wait; takes its place in the queue. A second's worth may go at once."""
        name = f"{service}:{operation}" if f"{service}:{operation}" in _RATES else service
        interval_s = 1 / (_RATES.get(name, _USUAL_RATE) * self._share)
        with self._lock:
            now = self._clock()
            turn = max(self._free_at.get((account, region, name), now), now)
            self._free_at[account, region, name] = turn + interval_s
        return max(0.0, turn - now - max(0.0, 1 - interval_s))


def is_stand_in(endpoint_url: str | None) -> bool:
    """On loopback is no AWS, and so no quota."""
    return endpoint_url is not None and urlsplit(endpoint_url).hostname in _LOOPBACK
