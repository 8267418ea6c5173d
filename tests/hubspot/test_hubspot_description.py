"""The description that simulator and collector are held to, and where it comes from."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from fixtures.hubspot import contract, describe
from fixtures.hubspot.simulator import ACTIVITY, OWNERS, USERS, Simulator
from tests.hubspot.conftest import collector, scan
from tests.hubspot.watched import watch_answers

DOCUMENT: dict[str, Any] = {
    "openapi": "3.0.1",
    "info": {"title": "Users", "description": "A sentence of somebody's.", "version": "2026-03"},
    "paths": {
        "/things/{id}": {
            "get": {
                "summary": "Another sentence.",
                "security": [{"oauth2": ["things.read"]}, {"oauth2": ["all.read"]}],
                "parameters": [
                    {
                        "name": "id",
                        "in": "path",
                        "description": "A third one.",
                        "required": True,
                        "schema": {"type": "string", "example": "x"},
                    }
                ],
                "responses": {
                    "200": {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Thing"}}}},
                    "default": {"$ref": "#/components/responses/Error"},
                },
            }
        }
    },
    "components": {
        "schemas": {
            "Thing": {
                "required": ["kind"],
                "type": "object",
                "description": "A fourth one.",
                "properties": {
                    "kind": {"type": "string", "enum": ["A", "B"], "description": "A fifth one.", "example": "A"},
                    "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Thing"}},
                },
            }
        },
        "securitySchemes": {"oauth2": {"flows": {"authorizationCode": {"scopes": {"other.read": "A sixth one."}}}}},
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("accountInfo", "auditLogs", "crmOwners", "oauth", "userProvisioning"):
        (tmp_path / f"{name}.json").write_text(json.dumps(DOCUMENT))
    return tmp_path


def test_what_is_derived_is_names_types_and_what_is_required(folder: Path) -> None:
    derived = describe.describe(folder)
    assert derived["schemas"]["crmOwners.Thing"] == {
        "type": "object",
        "required": ["kind"],
        "properties": {
            "kind": {"type": "string", "enum": ["A", "B"]},
            "parts": {"type": "array", "items": {"ref": "crmOwners.Thing"}},
        },
    }
    assert derived["calls"]["GET /things/{id}"]["scopes"] == ["all.read", "things.read"]
    assert derived["scopes"] == ["all.read", "other.read", "things.read"]


def test_no_sentence_of_the_documents_is_kept(folder: Path) -> None:
    assert "one." not in json.dumps(describe.describe(folder))
    assert "entence" not in json.dumps(describe.describe(folder))
    kept = contract.description()
    assert {"description", "summary", "example", "title"}.isdisjoint(_keys(kept["calls"]) | _keys(kept["schemas"]))


def _keys(value: Any) -> set[str]:
    """The words of schemas; names of fields stand one level below `properties`."""
    if isinstance(value, list):
        return set().union(*map(_keys, value))
    if not isinstance(value, dict):
        return set()
    found = set(value) - {"properties"}
    below = [item for name, item in value.items() if name != "properties"]
    return found.union(*map(_keys, [*below, *value.get("properties", {}).values()]))


def test_the_description_says_where_it_comes_from() -> None:
    kept = contract.description()
    assert "HubSpot-public-api-spec-collection" in kept["source"]
    assert set(kept["documents"].values()) == {"2026-03"}


def test_the_script_writes_the_same_file_each_time(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(describe, "FILE", tmp_path / "out.json")
    describe.main(folder)
    first = describe.FILE.read_bytes()
    describe.main(folder)
    assert describe.FILE.read_bytes() == first


def test_the_scopes_that_the_collector_asks_for_are_hubspots(simulator: Simulator) -> None:
    asked = {scope for scopes in collector(simulator).permissions.values() for scope in scopes}
    assert asked <= set(contract.description()["scopes"])


def test_the_collector_reads_described_fields_only(simulator: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    simulator.page = 3
    read = watch_answers(monkeypatch)
    said = scan(simulator)
    assert "failed" not in said.statuses().values()
    assert {f"{USERS}.results.superAdmin", f"{OWNERS}.results.userIdIncludingInactive"} <= read
    assert {f"{ACTIVITY}/security.results.objectId", f"{ACTIVITY}/security.paging.next.after"} <= read


@pytest.mark.parametrize(
    ("schema", "field"),
    [
        ("userProvisioning.PublicUser", "superAdmin"),
        ("userProvisioning.PublicUser", "secondaryTeamIds"),
        ("auditLogs.HydratedCriticalAction", "objectId"),
        ("auditLogs.PublicLoginAudit", "userAgent"),
        ("auditLogs.PublicApiUserActionEvent", "targetObjectId"),
        ("auditLogs.ActingUser", "userId"),
        ("auditLogs.NextPage", "after"),
        ("crmOwners.PublicOwner", "userIdIncludingInactive"),
        ("accountInfo.PortalInformationResponse", "portalId"),
        ("accountInfo.ApiUsage", "fetchStatus"),
    ],
)
def test_reading_a_field_that_the_description_lacks_is_noticed(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch, schema: str, field: str
) -> None:
    """The simulator keeps to the whole description, the watch to one that lost a field."""
    simulator.page = 3
    cut = copy.deepcopy(contract.description())
    properties = cut["schemas"][schema]["properties"]
    renamed = f"former_{field}"
    properties[renamed] = properties.pop(field)
    plain = contract.resolved

    def without(given: contract.Schema) -> contract.Schema:
        while "ref" in given:
            given = cut["schemas"][given["ref"]]
        return given

    watch_answers(monkeypatch)
    monkeypatch.setattr("tests.hubspot.watched.resolved", without)
    said = scan(simulator)
    assert contract.resolved is plain
    assert any(f"has no field {field}" in str(record.reason) for record in said.of("coverage"))
