"""The proxy that gives a live server's contents the dates of a story."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import requests

from fixtures.vault.aged import aged, shifted
from fixtures.vault.server import ServerError, running

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"2026-01-31T02:00:00.123456789Z"', '"2026-01-30T02:00:00.123456789Z"'),
        ('"2026-01-31T02:00:00+02:00"', '"2026-01-30T00:00:00Z"'),
        ('"0001-01-01T00:00:00Z"', '"0001-01-01T00:00:00Z"'),
        ('{"creation_time":1769824800,"ttl":1769824800}', '{"creation_time":1769738400,"ttl":1769824800}'),
        ('"on 2026-01-31T02:00:00Z"', '"on 2026-01-31T02:00:00Z"'),
    ],
)
def test_times_move_and_nothing_else_does(text: str, expected: str) -> None:
    assert shifted(text, -DAY) == expected


def test_what_a_needle_names_is_as_old_as_told_and_the_rest_is_of_today() -> None:
    today, old = datetime(2026, 1, 31, 2, tzinfo=UTC), datetime(2024, 3, 1, 9, tzinfo=UTC)
    try:
        with running() as (url, token), aged(url, today=today, made={"secret/metadata/old": old}) as told:
            headers = {"X-Vault-Token": token}

            def put(path: str, body: dict[str, Any]) -> None:
                requests.post(f"{told}/v1/{path}", json=body, headers=headers, timeout=10).raise_for_status()

            put("sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
            for name in ("old", "new"):
                put(f"secret/data/{name}", {"data": {"a": "b"}})
            made = {
                name: requests.get(f"{told}/v1/secret/metadata/{name}", headers=headers, timeout=10).json()["data"]
                for name in ("old", "new")
            }
    except ServerError as error:
        pytest.skip(str(error))
    assert made["old"]["created_time"][:10] == "2024-03-01"
    assert made["new"]["created_time"][:10] == "2026-01-31"
