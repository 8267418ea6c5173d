"""One part of the collector at a time, against the simulator."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from datetime import datetime
from types import ModuleType
from typing import Any

from fixtures.aws.simulator import Simulator
from nhiscan.collect import Context
from tests.aws.conftest import AS_OF, Scan

TENANT = "aws:111111111111"


def module(name: str) -> ModuleType:
    return importlib.import_module(f"nhiscan.collectors.aws.{name}")


def entered(
    simulator: Simulator,
    *,
    regions: Sequence[str] = ("us-east-1",),
    since: datetime | None = None,
    last_accessed_limit: int = 500,
    event_pages: int = 20,
) -> Any:
    """The account that the simulator's caller is in, as the parts see it."""
    watermarks = {} if since is None else {(TENANT, "usage.calls"): since}
    ctx = Context(as_of=AS_OF, watermarks=watermarks)

    def open_client(service: str, region: str) -> Any:
        return ctx.boto3_client(service, region=region, endpoint_url=simulator.url)

    return module("account").Account(
        ctx=ctx,
        tenant_id=TENANT,
        number="111111111111",
        partition="aws",
        regions=regions,
        collected_at=AS_OF,
        snapshot=module("fetch").read_account(ctx, open_client("iam", regions[0]), "aws"),
        open_client=open_client,
        home_region="us-east-1",
        last_accessed_limit=last_accessed_limit,
        event_pages=event_pages,
        reads_parameters=False,
    )


def read(simulator: Simulator, part: str, **options: Any) -> Scan:
    return Scan(list(module(part).records(entered(simulator, **options))))
