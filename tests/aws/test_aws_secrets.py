"""Secrets and parameters with their dates; the server is asked for no value."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime, timedelta, timezone
from types import SimpleNamespace
from typing import Any

import pytest
import requests

from fixtures.aws.holdings import Holdings, seed
from nhiscan.model import Resource, StoredSecret
from tests.aws.conftest import Scan
from tests.aws.held import TENANT, held

mapping = importlib.import_module("nhiscan.collectors.aws.secrets")
fetch = importlib.import_module("nhiscan.collectors.aws.fetch")

ACCOUNT: Any = SimpleNamespace(tenant_id=TENANT, partition="aws", number="123456789012")
ARN = "arn:aws:secretsmanager:us-east-1:123456789012:secret:shop/database-AbCdEf"
DAY = datetime(2026, 1, 15, tzinfo=UTC)
KEY = "0b1c2d3e-0000-4000-8000-000000000001"


def secret(changed_at: object = DAY, **item: object) -> tuple[Resource, StoredSecret]:
    pages = {"us-east-1": fetch.Pages([{"SecretList": [{"ARN": ARN, "Name": "shop/database", **item}]}])}
    raw = mapping.Secrets(pages, {}, {("us-east-1", ARN): changed_at}, {})
    ((resource, _, stored),) = mapping.secret_records(ACCOUNT, raw, frozenset({KEY}))
    return resource, stored


def parameter(**item: object) -> tuple[Resource, StoredSecret | None]:
    pages = {"us-east-1": fetch.Pages([{"Parameters": [{"Name": "/shop/password", "Type": "SecureString", **item}]}])}
    (found,) = mapping.parameter_records(ACCOUNT, mapping.Secrets({}, pages, {}, {}), frozenset({KEY}))
    resource, stored = found
    return resource, stored


def test_a_secret_is_called_by_its_region_and_name() -> None:
    resource, stored = secret()
    assert (resource.resource_id, resource.native_id) == (f"{TENANT}:secret/us-east-1/shop/database", ARN)
    assert stored.resource_id == resource.resource_id


def test_the_value_is_as_old_as_its_version_and_not_as_the_newest_tag() -> None:
    _, stored = secret(CreatedDate=DAY - timedelta(days=900), LastChangedDate=DAY + timedelta(days=9))
    assert (stored.created_at, stored.updated_at) == (DAY - timedelta(days=900), DAY)


def test_a_value_whose_version_was_refused_has_no_known_age() -> None:
    _, stored = secret(fetch.Refusal("denied", "secretsmanager:ListSecretVersionIds", "no"), LastChangedDate=DAY)
    assert stored.updated_at is None


def test_times_become_utc_whatever_zone_the_machine_is_in() -> None:
    _, stored = secret(LastAccessedDate=DAY.astimezone(timezone(timedelta(hours=5))))
    assert (stored.last_used_at, str(stored.last_used_at.tzinfo)) == (DAY, "UTC") if stored.last_used_at else False


def test_a_secret_that_nobody_read_is_known_as_that() -> None:
    _, stored = secret()
    assert (stored.last_used_at, stored.last_used_known) == (None, True)


ROTATIONS = [
    ({}, False, None),
    ({"RotationEnabled": False, "RotationRules": {"AutomaticallyAfterDays": 30}}, False, 30),
    ({"RotationEnabled": True, "RotationRules": {"AutomaticallyAfterDays": 30}}, True, 30),
    ({"RotationEnabled": True, "RotationRules": {"ScheduleExpression": "rate(10 days)"}}, True, 10),
    ({"RotationEnabled": True, "RotationRules": {"ScheduleExpression": "rate(6 hours)"}}, True, 1),
    ({"RotationEnabled": True, "RotationRules": {"ScheduleExpression": "cron(0 8 1 * ? *)"}}, True, None),
]


@pytest.mark.parametrize(("item", "is_rotated", "days"), ROTATIONS)
def test_rotation_is_read_in_every_form(item: dict[str, Any], is_rotated: bool, days: int | None) -> None:
    _, stored = secret(**item)
    assert (stored.is_rotated, stored.rotation_days) == (is_rotated, days)


KEYS = [
    (None, "provider"),
    ("alias/aws/secretsmanager", "provider"),
    ("arn:aws:kms:us-east-1:123456789012:alias/aws/secretsmanager", "provider"),
    (f"arn:aws:kms:us-east-1:123456789012:key/{KEY}", "provider"),
    (KEY, "provider"),
    ("alias/shop", "customer_key"),
    ("arn:aws:kms:us-east-1:444444444444:key/0b1c2d3e-0000-4000-8000-000000000009", "customer_key"),
]


@pytest.mark.parametrize(("key", "at_rest"), KEYS)
def test_a_key_is_the_customers_unless_it_is_awss(key: str | None, at_rest: str) -> None:
    resource, _ = secret(**({} if key is None else {"KmsKeyId": key}))
    assert resource.encrypted_at_rest == at_rest


def test_a_parameter_has_no_last_use_and_no_rotation() -> None:
    _, stored = parameter(LastModifiedDate=DAY, Version=7)
    assert stored is not None
    assert (stored.updated_at, stored.version, stored.last_used_known, stored.is_rotated) == (DAY, 7, False, False)


def test_only_a_secure_string_is_a_stored_secret() -> None:
    resource, stored = parameter(Type="String")
    assert (resource.kind, resource.encrypted_at_rest, stored) == ("parameter", None, None)


EXPIRIES = [
    ('{"Type":"Expiration","Version":"1.0","Attributes":{"Timestamp":"2026-01-15T02:00:00.000+02:00"}}', DAY),
    ('{"Type":"Expiration","Attributes":{"Timestamp":"soon"}}', None),
    ("{", None),
    ("[]", None),
]


@pytest.mark.parametrize(("text", "expires_at"), EXPIRIES)
def test_the_expiry_of_a_parameter_stands_in_its_policy(text: str, expires_at: datetime | None) -> None:
    _, stored = parameter(
        Policies=[{"PolicyType": "NoChangeNotification"}, {"PolicyType": "Expiration", "PolicyText": text}]
    )
    assert stored is not None
    assert stored.expires_at == expires_at


HOSTILE = "a'\"\n<script>\x07" + "x" * 2000


def test_a_hostile_name_is_carried_as_it_is() -> None:
    resource, _ = secret(Name=HOSTILE)
    assert (resource.name, resource.resource_id) == (HOSTILE, f"{TENANT}:secret/us-east-1/{HOSTILE}")


@pytest.fixture(scope="module")
def holdings(moto_url: str) -> Holdings:
    requests.post(f"{moto_url}/moto-api/reset", timeout=10).raise_for_status()
    return seed(moto_url)


@pytest.fixture(scope="module")
def found(holdings: Holdings) -> Scan:
    eu = holdings.client("secretsmanager", "eu-central-1")
    for number in range(130):
        eu.create_secret(Name=f"many/{number:03}", SecretString=holdings.plant("eu secret"))
    return held(holdings.url, regions=("us-east-1", "eu-central-1"))


def test_every_region_and_every_page_is_read(found: Scan) -> None:
    regions = [resource.region for resource in found.of("resources") if resource.kind == "secret"]
    assert (regions.count("us-east-1"), regions.count("eu-central-1")) == (2, 130)


def test_every_secret_over_http_has_the_date_of_its_value(found: Scan) -> None:
    assert {stored.kind: stored.updated_at is not None for stored in found.of("stored_secrets")} == {
        "secret": True,
        "parameter": True,
    }


def test_tags_of_secrets_and_parameters_give_their_environment(found: Scan) -> None:
    assert found.one("resources", name="shop/database").environment == "prod"
    assert found.one("resources", name="/shop/api_password").environment == "dev"


def test_no_stored_value_is_in_any_record(holdings: Holdings, found: Scan) -> None:
    said = repr(found.records)
    assert [name for name, value in holdings.values.items() if value in said] == []
