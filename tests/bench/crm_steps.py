"""A large Salesforce org and HubSpot account: read over HTTP and loaded, then resolved and judged.

What they hold follows the size: at a million, 20,000 users with 5,000 tokens and 200,000 sign-ins, and 100,000 events.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from collectors.hubspot.reading import DAILY_SHARE
from collectors.salesforce import Salesforce
from nhiscan import load, store
from nhiscan.collect import Context, run
from nhiscan.collect import load as collector
from nhiscan.secret import Secret

from .crm_stand_in import NOW
from .estate import AS_OF
from .judging import SCAN_ID, judged
from .measured import Measured, peak_mb

# Requests that each gives a day to all integrations together.
# Salesforce, "API Request Limits and Allocations": Enterprise Edition has 100,000, and 1,000 more for each licence:
# developer.salesforce.com/docs/atlas.en-us.salesforce_app_limits_cheatsheet.meta
# HubSpot: 650,000 with a Professional subscription: developers.hubspot.com/changelog/increasing-our-api-limits
_DAILY: Final = {"salesforce": 100_000, "hubspot": 650_000}
_SHARE: Final = {"salesforce": Salesforce.daily_share, "hubspot": DAILY_SHARE}  # after which a scan stops by itself
_FEWEST_USERS: Final = 100
_FEWEST_EVENTS: Final = 1_000
_ANSWERS: Final = {
    "users": "select count(*) from identities where kind in ('human_user', 'service_account')",
    "tokens": "select count(*) from credentials where kind = 'oauth_token'",
    "sign-ins": "select count(*) from usage where dataset = 'usage.logins'",
    "events": "select count(*) from usage",
}


def salesforce_collect(folder: Path, size: int) -> Measured:
    users = max(size // 50, _FEWEST_USERS)
    made = {"users": users + 1, "tokens": users // 4, "sign-ins": users * 10}  # one more user: the scanner
    return _collected("salesforce", folder, users, made)


def salesforce_check(folder: Path, size: int) -> Measured:
    del size
    return judged(folder / "salesforce", folder / "salesforce-state")


def hubspot_collect(folder: Path, size: int) -> Measured:
    events = max(size // 10, _FEWEST_EVENTS)
    return _collected("hubspot", folder, events, {"events": events})


def hubspot_check(folder: Path, size: int) -> Measured:
    del size
    return judged(folder / "hubspot", folder / "hubspot-state")


def _settings(provider: str, address: str, secret: str) -> dict[str, Any]:
    if provider == "hubspot":
        return {"token": Secret(secret), "base_url": address}
    return {"url": address, "client_id": "bench", "client_secret": Secret(secret), "is_register": True}


def _collected(provider: str, folder: Path, count: int, made: Mapping[str, int]) -> Measured:
    """From the first request to loaded tables. `cpu_ms` and `peak_mb` are of that alone; the answer is what was read.

    `made`: what there is to read; `daily`: the requests that the provider gives a day; `ours`: how many of them a scan
    may take.
    """
    daily = _DAILY[provider]
    measured = Measured(counts={"daily": daily, "ours": round(daily * _SHARE[provider]), **made})
    state, tables = folder / f"{provider}-read", folder / provider
    tables.mkdir()
    with store.locked(state), store.Build(state, SCAN_ID) as build:
        with _served(provider, count, measured) as (address, secret):
            reader = collector(provider)(**_settings(provider, address, secret))
            before = time.process_time()
            with measured.timed("collect and load"):
                load.load(build.con, run(reader, Context(as_of=NOW)))
            measured.counts["cpu_ms"] = round((time.process_time() - before) * 1000)
            measured.counts["peak_mb"] = peak_mb()
        build.con.execute(f"insert into scans by name select '{SCAN_ID}' as scan_id, timestamp '{AS_OF}' as as_of")
        measured.answer = {name: build.con.execute(_ANSWERS[name]).fetchall()[0][0] for name in made}
        for table in store.tables():
            build.con.execute(f"copy {table} to '{tables / table}.parquet' (format parquet)")
    return measured


@contextmanager
def _served(provider: str, count: int, measured: Measured) -> Iterator[tuple[str, str]]:
    """The address of a stand-in, and the secret that opens it; counts the requests that it got."""
    command = [sys.executable, "-m", "tests.bench.crm_stand_in", provider, str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as stand_in:
        assert stand_in.stdout is not None
        opened = json.loads(stand_in.stdout.readline())
        yield opened["address"], opened["secret"]
        rest, _ = stand_in.communicate()
        measured.counts.update(json.loads(rest))
