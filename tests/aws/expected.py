"""The records that the simulator's estate gives, as text; `python -m tests.aws.expected` writes them anew."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from fixtures.aws.simulator import Simulator
from fixtures.aws.world import read_estate
from nhiscan.collect import Context, load, run
from nhiscan.model import Coverage, Record
from nhiscan.secret import Secret

FILE = Path("fixtures/aws/expected.jsonl")
# Datasets of services that moto stands in for; the simulator has no handlers for them.
ELSEWHERE = importlib.import_module("nhiscan.collectors.aws.estate").PERMISSIONS


def lines(records: Iterable[Record]) -> list[str]:
    """One line a record: its table and every field that is not at its default."""
    return [
        json.dumps(
            {"table": record.table}
            | {
                spec.name: value.isoformat() if isinstance(value, datetime) else value
                for spec in dataclasses.fields(record)
                if (value := getattr(record, spec.name)) != spec.default
            },
            ensure_ascii=False,
        )
        for record in records
    ]


def scanned_estate() -> list[str]:
    with Simulator(read_estate()) as simulator:
        collector = load("aws")(
            endpoint_url=simulator.url,
            accounts=("111111111111", "222222222222", "333333333333"),
            regions=("us-east-1", "eu-central-1"),
            role_name="nhiscan",
            external_id=Secret("our-own-scan"),
        )
        records = run(collector, Context(as_of=datetime(2026, 1, 31, 12, tzinfo=UTC)))
        # In what words the simulator's refusal of other services arrives depends on the version of botocore.
        return lines(r for r in records if not (isinstance(r, Coverage) and r.dataset in ELSEWHERE))


if __name__ == "__main__":
    os.environ |= {"AWS_ACCESS_KEY_ID": "AKIA000000000EXAMPLE", "AWS_SECRET_ACCESS_KEY": "not-a-secret"}
    FILE.write_text("".join(f"{line}\n" for line in scanned_estate()), encoding="utf-8")
