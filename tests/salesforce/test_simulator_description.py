"""The description that the stand-in is held to: made from its sources, and as it lies in the repository."""

from __future__ import annotations

import json
import tomllib

import pytest

from fixtures.salesforce import slice as slicer
from fixtures.salesforce.description import APIS, objects
from fixtures.salesforce.ids import is_id, long_id, salesforce_id

DATA_TYPES = """
type Fields$User = {
    Id: string;
    Name: string;
    ManagerId: string | null;
    LastLoginDate: DateString | null;
    IsActive: boolean;
};
type ParentReferences$User = {
    Manager: SObjectDefinition$User | null;
};
type Fields$PermissionSet = {
    Id: string;
    PermissionsApiEnabled: boolean;
};
type ParentReferences$PermissionSet = {};
"""
TOOLING_TYPES = """
export type Profile = Metadata & sObject & {
    custom: boolean;
    Description?: string;
    UserLicense?: UserLicense;
    UserLicenseId?: ID;
    Metadata?: Profile;
};
export type User = sObject & {
    Name?: string;
    WorkspaceId?: ID;
    IsNew?: boolean;
    ManagedUsers?: QueryResult;
    Owner?: sObject;
};
export type UserLicense = sObject & {
    Name?: string;
};
"""
ADDITIONS = {
    "objects": {
        "data": ["User", "PermissionSet"],
        "data_from_tooling": [],
        "tooling": ["Profile"],
        "tooling_differs": [],
        "with_every_permission": ["User"],
    },
    "object": [
        {"name": "User", "apis": ["data"], "fields": {"Name": "string?"}},
        {"name": "Network", "apis": ["data"], "fields": {"Id": "id"}, "parents": {"Owner": "User"}},
    ],
    **{part: {} for part in ("enums", "unfilterable", "shown_with", "own_rows", "writes", "connect")},
}


def test_the_packages_and_the_additions_make_one_description() -> None:
    made = slicer.describe(DATA_TYPES, TOOLING_TYPES, ADDITIONS)
    assert made["data"]["User"] == {
        "fields": {
            "Id": "id",
            "Name": "string?",
            "WorkspaceId": "id?",
            "IsNew": "boolean",
            "ManagerId": "id?",
            "LastLoginDate": "date?",
            "IsActive": "boolean",
            "PermissionsApiEnabled": "boolean",
        },
        "parents": {"Owner": "Name", "Manager": "User"},
    }
    assert made["tooling"]["Profile"] == {
        "fields": {"Id": "id", "Description": "string?", "UserLicenseId": "id?", "Metadata": "complex?"},
        "parents": {"UserLicense": "UserLicense"},
    }
    assert made["data"]["Network"] == {"fields": {"Id": "id"}, "parents": {"Owner": "User"}}


def test_an_addition_to_an_object_of_neither_package_must_say_all_of_it() -> None:
    additions = {**ADDITIONS, "object": [{"name": "Bogus", "apis": ["data"], "fields": {"Name": "string"}}]}
    with pytest.raises(AssertionError, match="Bogus is in neither package"):
        slicer.describe(DATA_TYPES, TOOLING_TYPES, additions)


def test_the_description_is_written_as_the_script_writes_it_and_holds_every_addition() -> None:
    text = slicer.DESCRIPTION.read_text(encoding="utf-8")
    whole = json.loads(text)
    additions = tomllib.loads(slicer.ADDITIONS.read_text(encoding="utf-8"))
    for api in APIS:
        for name, described in whole[api].items():
            fields = {field: kind for kind, members in described["fields"].items() for field in members}
            whole[api][name] = {"fields": fields, "parents": described["parents"]}
    for addition in additions["object"]:
        for api in addition["apis"]:
            described = whole[api][addition["name"]]
            assert addition.get("fields", {}).items() <= described["fields"].items(), addition["name"]
            assert addition.get("parents", {}).items() <= described["parents"].items(), addition["name"]
    for part in ("enums", "unfilterable", "shown_with", "own_rows", "writes", "connect"):
        assert whole[part] == additions[part]
    assert slicer.written(whole) == text


def test_each_hand_written_fact_is_about_something_that_is_described() -> None:
    additions = tomllib.loads(slicer.ADDITIONS.read_text(encoding="utf-8"))
    known = {name for api in APIS for name in objects(api)}
    permissions = {name.removeprefix("Permissions") for name in objects("data")["PermissionSet"].fields}
    for rule in additions["shown_with"]:
        assert set(rule["objects"]) <= known
        assert set(rule["permissions"]) <= permissions
    for name, rule in additions["own_rows"].items():
        assert rule["field"] in objects("data")[name].fields
    for name, rule in additions["writes"].items():
        assert {*rule.get("create", ()), *rule.get("update", ())} <= objects("data")[name].fields.keys()
        assert set(rule["permissions"]) <= permissions
    for name, fields in additions["unfilterable"].items():
        assert set(fields) <= objects("data")[name].fields.keys()
    assert all(addition["page"] for addition in additions["object"])


def test_packages_are_named_with_version_and_licence() -> None:
    sources = json.loads(slicer.DESCRIPTION.read_text(encoding="utf-8"))["sources"]
    assert [(source.get("package"), source.get("licence")) for source in sources[:2]] == [
        ("@salesforce/types", "BSD-3-Clause"),
        ("jsforce", "MIT"),
    ]
    assert all(source["version"] for source in sources[:2])


def test_ids_have_the_last_three_characters_that_salesforce_gives_them() -> None:
    assert long_id("001A0000006Vm9r") == "001A0000006Vm9rIAC"  # from Salesforce's own example
    made = [salesforce_id("005", number) for number in (1, 61, 62, 10_000)]
    assert len(set(made)) == 4
    assert all(is_id(one) for one in made)
    assert not is_id("001A0000006Vm9rIAB")
    assert not is_id("001A0000006Vm9")
