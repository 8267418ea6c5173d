"""Serves a made-up CRM in a process of its own, so that its time and memory count as nobody else's.

Says where it is, and how to log in, in one line of JSON; serves until its input ends; then says how often it was asked.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from datetime import UTC, datetime
from typing import Final

from fixtures.hubspot.simulator import READING, Simulator
from fixtures.salesforce.simulator import running

from . import crm_orgs
from .estate import AS_OF

NOW: Final = datetime.fromisoformat(AS_OF).replace(tzinfo=UTC)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("provider", choices=("salesforce", "hubspot"))
    parser.add_argument("count", type=int, help="users of Salesforce, events of HubSpot")
    options = parser.parse_args()
    serve = _salesforce if options.provider == "salesforce" else _hubspot
    _say(requests=serve(options.count, secrets.token_hex(16)))


def _salesforce(users: int, secret: str) -> int:
    world = crm_orgs.salesforce(users, now=NOW, secret=secret)
    with running(world) as address:
        _say(address=address, secret=secret)
        sys.stdin.read()
    return len(world.calls)


def _hubspot(events: int, secret: str) -> int:
    simulator = Simulator(account=crm_orgs.hubspot(events, now=NOW), tokens={secret: READING})
    with simulator:
        _say(address=simulator.url, secret=secret)
        sys.stdin.read()
    if simulator.violations:
        sys.exit("; ".join(simulator.violations))
    return len(simulator.calls)


def _say(**told: object) -> None:
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main()
