"""The front before moto and the simulator: who answers which call, and for which account."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from fixtures.aws.stand_in import running
from fixtures.aws.world import World, read_estate

REGION = "eu-central-1"


@pytest.fixture
def world() -> World:
    return read_estate()


@pytest.fixture
def url(world: World) -> Iterator[str]:
    with running(world) as url:
        yield url


def entered(url: str, account: str, service: str) -> Any:
    options: dict[str, Any] = {"endpoint_url": url, "region_name": REGION}
    sts = boto3.client("sts", **options, aws_access_key_id="testing", aws_secret_access_key="testing")
    granted = sts.assume_role(RoleArn=f"arn:aws:iam::{account}:role/seed", RoleSessionName="seed")["Credentials"]
    return boto3.client(
        service,
        **options,
        aws_access_key_id=granted["AccessKeyId"],
        aws_secret_access_key=granted["SecretAccessKey"],
        aws_session_token=granted["SessionToken"],
    )


def test_what_is_made_in_one_account_stands_there_and_not_in_the_other(url: str) -> None:
    entered(url, "111111111111", "iam").create_user(UserName="anna")
    assert [user["UserName"] for user in entered(url, "111111111111", "iam").list_users()["Users"]] == ["anna"]
    assert entered(url, "222222222222", "iam").list_users()["Users"] == []


def test_calls_that_moto_lacks_are_answered_for_the_account_that_was_entered(url: str, world: World) -> None:
    answer = entered(url, "111111111111", "iam").list_service_specific_credentials(AllUsers=True)
    told = {item["ServiceSpecificCredentialId"] for item in answer["ServiceSpecificCredentials"]}
    assert told == {
        item["ServiceSpecificCredentialId"]
        for item in world.accounts["111111111111"].get("service_specific_credentials", [])
    }
    assert told


def test_a_bucket_and_its_refusals_come_through(url: str) -> None:
    s3 = entered(url, "111111111111", "s3")
    s3.create_bucket(Bucket="acme-exchange", CreateBucketConfiguration={"LocationConstraint": REGION})
    assert [bucket["Name"] for bucket in s3.list_buckets()["Buckets"]] == ["acme-exchange"]
    with pytest.raises(ClientError, match="NoSuchBucketPolicy"):
        s3.get_bucket_policy(Bucket="acme-exchange")
    s3.delete_bucket(Bucket="acme-exchange")
