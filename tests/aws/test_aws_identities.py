"""Who is a person, who is a machine, and what tags say."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime
from typing import Any

import pytest

mapping = importlib.import_module("nhiscan.collectors.aws.identities")
policies = importlib.import_module("nhiscan.collectors.aws.policies")


def facts(password: bool | None, keys: bool | None, mfa: bool | None) -> Any:
    return mapping.UserFacts(
        has_password=password,
        has_access_keys=keys,
        has_mfa=mfa,
        last_used_at=None,
        last_used_known=True,
        last_used_source=None,
    )


USERS = [
    ({}, facts(False, True, False), True),
    ({}, facts(False, False, False), True),
    ({}, facts(True, True, True), False),
    ({}, facts(True, False, False), False),
    ({}, facts(True, True, False), None),
    ({}, facts(True, None, False), None),
    ({}, facts(True, True, None), None),
    ({}, facts(None, True, False), None),
    ({"type": "Service Account"}, facts(True, True, True), True),
    ({"Kind": "machine"}, facts(None, None, None), True),
    ({"account_type": "human"}, facts(False, True, False), False),
    ({"NHI": "no"}, facts(False, True, False), False),
    ({"nhi": "true", "type": "person"}, facts(True, False, True), True),
    ({"type": "gold"}, facts(False, True, False), True),
]


@pytest.mark.parametrize(("tags", "known", "is_nhi"), USERS)
def test_a_tag_decides_then_password_mfa_and_keys(tags: dict[str, str], known: Any, is_nhi: bool | None) -> None:
    user = {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
    assert mapping.is_machine(mapping.read_tags(user), known) is is_nhi


ENVIRONMENTS = [
    ("environment", "PRODUCTION", "prod"),
    ("Env", "prd", "prod"),
    ("stage", "UAT", "staging"),
    ("env", "qa", "test"),
    ("env", "Development ", "dev"),
    ("env", "playground", "sandbox"),
    ("env", "mars", None),
    ("team", "prod", None),
]


@pytest.mark.parametrize(("name", "value", "environment"), ENVIRONMENTS)
def test_synonyms_of_environments_are_folded(name: str, value: str, environment: str | None) -> None:
    role = {
        "RoleName": "r",
        "Path": "/",
        "Arn": "arn:aws:iam::111111111111:role/r",
        "CreateDate": datetime(2025, 1, 1, tzinfo=UTC),
        "Tags": [{"Key": name, "Value": value}],
    }
    identity = next(iter(mapping.role_records("aws:111111111111", role, last_use_was_read=True)))
    assert identity.environment == environment


def test_own_and_aws_policies_of_one_name_have_two_ids() -> None:
    ids = {
        policies.managed_id("aws:111111111111", "arn:aws:iam::aws:policy/Admin"),
        policies.managed_id("aws:111111111111", "arn:aws:iam::111111111111:policy/Admin"),
    }
    assert ids == {"aws:111111111111:policy/aws:Admin", "aws:111111111111:policy/Admin"}


def test_a_document_that_is_still_encoded_is_read() -> None:
    assert policies.read_document("%7B%22Statement%22%3A%20%5B%5D%7D") == {"Statement": []}


@pytest.mark.parametrize("value", ["not json", "[]", None, 3])
def test_what_is_no_document_is_none(value: object) -> None:
    assert policies.read_document(value) is None
