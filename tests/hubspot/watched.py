"""Answers that notice which of their fields are read: one that HubSpot's description lacks is an error at once.

Each object knows its schema by the call that it answers. Errors are left alone: those about limits have fields that the
description does not know.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

import pytest
import requests

from fixtures.hubspot.contract import Schema, find_call, resolved


class UndescribedFieldError(AssertionError):
    """Code asked for a field that HubSpot does not promise."""


class Watched(dict[str, Any]):
    def __init__(self, value: dict[str, Any], schema: Schema, where: str, read: set[str]) -> None:
        self._described: dict[str, Schema] = resolved(schema).get("properties", {})
        self._where, self._read = where, read
        super().__init__(
            {
                name: watch(item, self._described[name], f"{where}.{name}", read) if name in self._described else item
                for name, item in value.items()
            }
        )

    def _note(self, name: str) -> None:
        if name not in self._described:
            raise UndescribedFieldError(f"{self._where} has no field {name}")
        self._read.add(f"{self._where}.{name}")

    def __getitem__(self, name: str) -> Any:
        self._note(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._note(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self._note(name)
        return super().get(name, default)


def watch(value: Any, schema: Schema, where: str, read: set[str]) -> Any:
    schema = resolved(schema)
    if isinstance(value, dict):
        return Watched(value, schema, where, read)
    if isinstance(value, list):
        return [watch(item, schema["items"], where, read) for item in value]
    return value


def watch_answers(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """From now on every answer is watched; the set names the fields that were read, as `path.results.field`."""
    read: set[str] = set()
    plain = requests.Response.json

    def watched(response: requests.Response, **more: Any) -> Any:
        path = urlsplit(str(response.url)).path
        call = find_call(str(response.request.method), path)
        said = plain(response, **more)
        if call is None or not response.ok:
            return said
        return watch(said, call.told["answers"][str(response.status_code)], path, read)

    monkeypatch.setattr(requests.Response, "json", watched)
    return read
