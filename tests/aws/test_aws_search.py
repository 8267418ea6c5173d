"""Secrets in the tags of users, roles and resources are sighted, and kept nowhere."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from fixtures.aws.holdings import planted
from nhiscan.collect import Context
from nhiscan.model import Resource, Sighting
from tests.aws.conftest import AS_OF, scan

search = importlib.import_module("nhiscan.collectors.aws.search")

TENANT = "aws:123456789012"
BUCKET = Resource(
    resource_id=f"{TENANT}:bucket/exports",
    provider="aws",
    tenant_id=TENANT,
    kind="bucket",
    name="exports",
    native_id="x",
)


@pytest.fixture
def searching() -> Any:
    return search.Search(Context(as_of=AS_OF), TENANT)


def test_a_user_whose_tag_holds_a_secret_keeps_only_its_name(moto: str, moto_iam: Any) -> None:
    value = planted()
    moto_iam.create_user(
        UserName="upload",
        Tags=[{"Key": "password", "Value": value}, {"Key": "partner", "Value": "Nordwind"}],
    )
    found = scan(moto)
    (sighting,) = [record for record in found.records if isinstance(record, Sighting)]
    assert (sighting.where_kind, sighting.name, sighting.identity_id) == ("tag", "password", f"{TENANT}:user/upload")
    assert {tag.name: tag.value for tag in found.of("tags")} == {"password": "***", "partner": "Nordwind"}
    assert value not in repr(found.records)


def test_the_same_secret_is_sighted_in_every_place(searching: Any) -> None:
    value = planted()
    for _ in range(2):
        tags, seen = searching.resource_tags(BUCKET, {"password": value, "team": "sales"})
        assert (tags, len(seen)) == ({"password": "***", "team": "sales"}, 1)


def test_a_value_that_was_harmless_under_one_name_is_searched_under_another(searching: Any) -> None:
    value = planted()
    assert searching.resource_text("environment", BUCKET, value, part="environment of", name="greeting") == []
    (sighting,) = searching.resource_text("environment", BUCKET, value, part="environment of", name="db_password")
    assert sighting.location == "environment of bucket exports"


def test_nothing_is_searched_in_an_empty_value(searching: Any) -> None:
    assert searching.resource_text("environment", BUCKET, "", part="environment of", name="db_password") == []
