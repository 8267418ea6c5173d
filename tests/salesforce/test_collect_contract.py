"""What the collector asks for, held to Salesforce's own description; and the names of its table of verbs."""

from __future__ import annotations

import tomllib
from importlib import import_module, resources
from typing import Any

import pytest

from fixtures.salesforce.contract import check_query
from fixtures.salesforce.description import objects
from fixtures.salesforce.soql import SoqlRefused
from fixtures.salesforce.world import World
from nhiscan.collect import load
from nhiscan.resolve import table_privileges
from tests.salesforce.conftest import Acme, Scan

PACKAGE = load("salesforce").__module__
NEVER = {"AccessToken", "RequestToken", "DeleteToken", "ConsumerSecret", "ConsumerKey", "Password", "OauthRefreshToken"}


def asked(world: World) -> list[tuple[str, Any]]:
    """Every query of a scan with the API that it went to."""
    found = {(call.soql, "tooling" if "/tooling/" in call.path else "data") for call in world.calls if call.soql}
    return sorted(found)


def test_a_scan_asks_for_nothing_that_the_description_lacks(whole: tuple[Acme, Scan]) -> None:
    queries = asked(whole[0].world)
    assert len(queries) > 25
    for soql, api in queries:
        check_query(soql, api)


def test_a_query_of_an_unknown_field_would_be_noticed(whole: tuple[Acme, Scan]) -> None:
    (soql, api) = next((soql, api) for soql, api in asked(whole[0].world) if "FROM OauthToken" in soql)
    with pytest.raises(SoqlRefused, match="NoSuchField"):
        check_query(soql.replace("SELECT ", "SELECT NoSuchField, ", 1).replace("COUNT()", "Id"), api)


def test_no_refusal_of_a_complete_scan_is_for_a_field_that_does_not_exist(whole: tuple[Acme, Scan]) -> None:
    refused = [row for row in whole[1].of("coverage") if "INVALID_FIELD" in str(row.reason)]
    assert refused == []


def test_values_of_secrets_are_never_asked_for(whole: tuple[Acme, Scan]) -> None:
    for soql, _ in asked(whole[0].world):
        names = set(soql.partition(" FROM ")[0].replace(",", " ").split())
        assert names & NEVER == set(), soql


def verbs() -> dict[str, Any]:
    text = resources.files(PACKAGE).joinpath("privileges.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)["verbs"]  # type: ignore[no-any-return]


def test_every_system_permission_of_the_table_is_one_of_salesforce() -> None:
    names = {name.removeprefix("Permissions") for name in objects("data")["PermissionSet"].fields}
    named = {entry if isinstance(entry, str) else entry["permission"] for each in verbs().values() for entry in each}
    system = {name for name in named if name[0].isupper()}
    assert len(system) > 500
    assert system - names == set()
    own_words = {name.partition(":")[0] for name in named - system}
    assert own_words == {"app", "object", "field", "sharing", "delegate", "portal_super_user"}


def test_no_permission_is_harmless_and_harmful_at_once() -> None:
    harmful = {
        entry if isinstance(entry, str) else entry["permission"]
        for verb, each in verbs().items()
        if verb != "none"
        for entry in each
    }
    assert harmful & set(verbs()["none"]) == set()


@pytest.mark.parametrize(
    ("permission", "verb"),
    [
        ("ModifyAllData", "write-data"),
        ("ViewAllData", "read-data"),
        ("ManageUsers", "impersonate"),
        ("ManageUsers", "manage-identity"),
        ("AuthorApex", "run-code"),
        ("AssignPermissionSets", "manage-policy"),
        ("ManageRemoteAccess", "manage-trust"),
        ("DataExport", "export-data"),
        ("ViewEncryptedData", "read-secret"),
        ("object:view_all", "read-data"),
        ("object:modify_all", "write-data"),
        ("sharing:edit", "write-data"),
        ("portal_super_user", "read-data"),
        ("delegate:login_as", "impersonate"),
        ("ApiEnabled", "none"),
        ("PermissionOfALaterRelease", "unknown"),
    ],
)
def test_a_permission_means_its_verb(permission: str, verb: str) -> None:
    table = table_privileges.table("salesforce")
    assert table is not None
    assert verb in {meaning.verb for meaning in table.meanings(permission)}


def test_a_permission_that_the_table_does_not_know_is_collected() -> None:
    harmless = import_module(f"{PACKAGE}.groups").harmless()
    assert "RunReports" in harmless
    assert not {"ModifyAllData", "ApiUserOnly", "PermissionOfALaterRelease"} & harmless
