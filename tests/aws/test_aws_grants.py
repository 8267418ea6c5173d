"""Policies of resources, case by case: whom they let in from outside, and what is worth a row."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
import requests

from fixtures.aws.holdings import Holdings, allow, policy, seed
from nhiscan.model import Grant
from tests.aws.held import TENANT, client, held

mapping = importlib.import_module("nhiscan.collectors.aws.grants")

OWN, PARTNER = "123456789012", "444444444444"
BUCKET = f"{TENANT}:bucket/exports"
ROOT = f"arn:aws:iam::{PARTNER}:root"
ROLE = f"arn:aws:iam::{PARTNER}:role/reader"


def read(*statements: dict[str, Any]) -> list[Grant]:
    return list(mapping.policy_grants(TENANT, BUCKET, {"Statement": list(statements)}))


def one(*statements: dict[str, Any]) -> Grant:
    (grant,) = read(*statements)
    return grant


def deny(principal: object, action: object, condition: dict[str, Any] | None = None) -> dict[str, Any]:
    return allow(principal, action, condition) | {"Effect": "Deny"}


PRINCIPALS = [
    ("*", "any", None),
    ({"AWS": "*"}, "any", None),
    ({"AWS": ROOT}, "account", PARTNER),
    ({"AWS": PARTNER}, "account", PARTNER),
    ({"AWS": ROLE}, "identity", PARTNER),
    ({"Service": "sns.amazonaws.com"}, "service", None),
    ({"Federated": f"arn:aws:iam::{PARTNER}:saml-provider/sso"}, "federated", None),
    ({"AWS": "arn:aws:iam::cloudfront:user/CloudFront Origin Access Identity E1"}, "service", None),
]


@pytest.mark.parametrize(("principal", "kind", "account"), PRINCIPALS)
def test_an_outsider_gets_a_grant(principal: object, kind: str, account: str | None) -> None:
    grant = one(allow(principal, "s3:GetObject"))
    assert (grant.principal_kind, grant.account, grant.narrowed_by) == (kind, account, None)


NOBODY_OUTSIDE = [
    allow({"AWS": f"arn:aws:iam::{OWN}:root"}, "kms:*"),
    allow({"AWS": f"arn:aws:iam::{OWN}:role/app"}, "s3:*"),
    allow({"AWS": OWN}, "s3:*"),
    allow("*", "sns:Publish", {"StringEquals": {"AWS:SourceOwner": OWN}}),
    allow("*", "s3:*", {"StringEquals": {"aws:PrincipalAccount": OWN}}),
    allow("*", "kms:*", {"StringEquals": {"kms:CallerAccount": OWN, "kms:ViaService": "s3.us-east-1.amazonaws.com"}}),
    allow({"Service": "s3.amazonaws.com"}, "sqs:SendMessage", {"StringEquals": {"aws:SourceAccount": OWN}}),
    allow(
        {"Service": "sns.amazonaws.com"}, "sqs:*", {"ArnEquals": {"aws:SourceArn": f"arn:aws:sns:eu-west-1:{OWN}:t"}}
    ),
    allow(
        {"Service": "s3.amazonaws.com"},
        "lambda:InvokeFunction",
        {"StringEquals": {"AWS:SourceAccount": OWN}, "ArnLike": {"AWS:SourceArn": "arn:aws:s3:::uploads"}},
    ),
    allow({"Federated": f"arn:aws:iam::{OWN}:saml-provider/sso"}, "s3:*"),
    allow({"AWS": "AIDA000000000DELETED"}, "s3:*"),
    deny("*", "s3:*"),
]


@pytest.mark.parametrize("statement", NOBODY_OUTSIDE)
def test_the_account_itself_its_services_and_the_deleted_get_no_grant(statement: dict[str, Any]) -> None:
    assert read(statement) == []


def test_a_service_that_works_for_another_account_is_named_with_it() -> None:
    topic = f"arn:aws:sns:eu-west-1:{PARTNER}:orders"
    grant = one(allow({"Service": "sns.amazonaws.com"}, "sqs:SendMessage", {"ArnEquals": {"aws:SourceArn": topic}}))
    assert (grant.principal_kind, grant.account, grant.narrowed_by) == ("service", PARTNER, "aws:SourceArn")


NARROWED = [
    ({"StringEquals": {"aws:PrincipalOrgID": "o-1234567890"}}, "aws:PrincipalOrgID", False),
    ({"StringEquals": {"aws:SourceVpce": "vpce-1"}, "Bool": {"aws:SecureTransport": "true"}}, "aws:SourceVpce", False),
    ({"IpAddress": {"aws:SourceIp": "198.51.100.0/24"}}, "aws:SourceIp", False),
    ({"IpAddress": {"aws:SourceIp": "0.0.0.0/0"}}, None, True),
    ({"StringLike": {"aws:PrincipalOrgID": "o-*"}}, None, False),
    ({"StringEquals": {"lambda:FunctionUrlAuthType": "NONE"}}, None, False),
    ({"StringEquals": {"s3:prefix": "public/"}}, None, True),
    ({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-1234567890"}}, None, True),
]


@pytest.mark.parametrize(("condition", "narrowed_by", "has_others"), NARROWED)
def test_only_conditions_that_say_who_narrow(
    condition: dict[str, Any], narrowed_by: str | None, has_others: bool
) -> None:
    grant = one(allow("*", "s3:GetObject", condition))
    assert (grant.narrowed_by, grant.has_other_conditions) == (narrowed_by, has_others)


def test_anybody_narrowed_to_one_account_is_that_account() -> None:
    grant = one(allow("*", "s3:GetObject", {"StringEquals": {"aws:PrincipalAccount": PARTNER}}))
    assert (grant.principal_kind, grant.account) == ("any", PARTNER)


DENIES = [
    ([deny("*", "s3:*")], []),
    ([deny({"AWS": ROOT}, "s3:GetObject")], []),
    ([deny({"AWS": "arn:aws:iam::555555555555:root"}, "s3:*")], [False]),
    ([deny("*", "s3:PutObject")], [False]),
    ([deny("*", "s3:*", {"Bool": {"aws:SecureTransport": "false"}})], [False]),
    ([deny("*", "s3:*", {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}})], [True]),
    ([deny("*", "s3:*") | {"Resource": "arn:aws:s3:::exports/private/*"}], [True]),
    ([deny({"AWS": ROLE}, "s3:*")], [True]),
]


@pytest.mark.parametrize(("denies", "has_others"), DENIES)
def test_a_deny_takes_all_of_a_grant_or_makes_it_conditional(
    denies: list[dict[str, Any]], has_others: list[bool]
) -> None:
    found = read(allow({"AWS": ROOT}, "s3:GetObject"), *denies)
    assert [grant.has_other_conditions for grant in found] == has_others


def test_a_deny_of_one_action_leaves_a_glob_conditional() -> None:
    assert one(allow({"AWS": ROOT}, "s3:*"), deny("*", "s3:PutObject")).has_other_conditions


def test_conditions_that_name_different_accounts_or_none_name_no_one() -> None:
    bucket = {"ArnLike": {"aws:SourceArn": ["arn:aws:s3:::uploads", f"arn:aws:sns:us-east-1:{PARTNER}:orders"]}}
    both = {"StringEquals": {"aws:SourceAccount": OWN, "aws:PrincipalAccount": PARTNER}}
    for condition in (bucket, both):
        assert one(allow({"Service": "s3.amazonaws.com"}, "sqs:SendMessage", condition)).account is None


def test_each_statement_and_principal_is_one_grant_and_a_repeated_one_none() -> None:
    both = allow({"AWS": [ROOT, ROLE]}, ["s3:GetObject", "s3:ListBucket"])
    assert [(grant.principal, grant.permission) for grant in read(both, both)] == [
        (ROOT, "s3:GetObject,s3:ListBucket"),
        (ROLE, "s3:GetObject,s3:ListBucket"),
    ]


def test_a_grant_keeps_its_id_when_other_statements_come_and_go() -> None:
    ours = allow({"AWS": ROOT}, "s3:GetObject")
    assert one(ours).grant_id in {grant.grant_id for grant in read(allow("*", "s3:ListBucket"), ours)}


def test_what_a_statement_spares_is_said() -> None:
    statement = {"Effect": "Allow", "Principal": "*", "NotAction": ["s3:DeleteObject", "s3:PutObject"], "Resource": "*"}
    assert one(statement).permission == "all but s3:DeleteObject,s3:PutObject"


def test_a_policy_of_odd_shapes_is_read_as_far_as_it_goes() -> None:
    assert list(mapping.policy_grants(TENANT, BUCKET, {"Statement": ["x", {"Effect": "Allow"}, None]})) == []
    assert list(mapping.policy_grants(TENANT, BUCKET, {})) == []


PUBLIC = {
    "Statement": [allow("*", "s3:GetObject"), allow({"AWS": ROOT}, "s3:*"), allow({"Service": "x.example"}, "s3:*")]
}
RESTRICTED = {"PublicAccessBlockConfiguration": {"RestrictPublicBuckets": True, "IgnorePublicAcls": True}}


def test_a_public_policy_behind_a_block_lets_only_services_in() -> None:
    found = mapping.bucket_grants(TENANT, BUCKET, PUBLIC, None, [RESTRICTED])
    assert [grant.principal_kind for grant in found] == ["service"]


def test_a_policy_that_is_not_public_works_behind_a_block() -> None:
    found = mapping.bucket_grants(TENANT, BUCKET, {"Statement": [allow({"AWS": ROOT}, "s3:*")]}, None, [RESTRICTED])
    assert [grant.principal for grant in found] == [ROOT]


@pytest.mark.parametrize(
    "condition",
    [
        {"StringEquals": {"s3:DataAccessPointAccount": OWN}},
        {"ArnLike": {"s3:DataAccessPointArn": f"arn:aws:s3:us-east-1:{OWN}:accesspoint/*"}},
        {"StringEquals": {"aws:userid": "AIDAEXAMPLE"}},
    ],
)
def test_keys_that_s3_counts_as_narrowing_leave_the_rest_of_a_policy_in_force(condition: dict[str, Any]) -> None:
    document = {"Statement": [allow("*", "s3:*", condition), allow({"AWS": ROOT}, "s3:GetObject")]}
    assert ROOT in [g.principal for g in mapping.bucket_grants(TENANT, BUCKET, document, None, [RESTRICTED])]


def test_a_key_that_names_nobody_leaves_a_policy_public() -> None:
    everybody = {"StringLike": {"s3:DataAccessPointArn": "arn:aws:s3:*:*:accesspoint/*"}}
    document = {"Statement": [allow("*", "s3:*", everybody), allow({"AWS": ROOT}, "s3:GetObject")]}
    assert list(mapping.bucket_grants(TENANT, BUCKET, document, None, [RESTRICTED])) == []


def test_a_canonical_user_is_an_account_of_unknown_number_unless_it_owns_the_bucket() -> None:
    document = {"Statement": [allow({"CanonicalUser": name}, "s3:GetObject") for name in ("owner", "partner")]}
    found = mapping.bucket_grants(TENANT, BUCKET, document, {"Owner": {"ID": "owner"}}, [])
    assert [(g.principal_kind, g.principal, g.account) for g in found] == [("account", "partner", None)]


ACL = {
    "Owner": {"ID": "owner"},
    "Grants": [
        {"Grantee": {"Type": "CanonicalUser", "ID": "owner"}, "Permission": "FULL_CONTROL"},
        {"Grantee": {"Type": "CanonicalUser", "ID": "partner"}, "Permission": "READ"},
        {"Grantee": {"Type": "Group", "URI": mapping._EVERYBODY}, "Permission": "READ"},
        {"Grantee": {"Type": "Group", "URI": mapping._EVERY_ACCOUNT}, "Permission": "WRITE"},
        {"Grantee": {"Type": "Group", "URI": "http://acs.amazonaws.com/groups/s3/LogDelivery"}, "Permission": "WRITE"},
    ],
}


def test_an_access_list_grants_to_anybody_but_the_owner() -> None:
    found = mapping.bucket_grants(TENANT, BUCKET, None, ACL, [])
    assert [(grant.principal_kind, grant.permission, grant.source) for grant in found] == [
        ("account", "READ", "acl"),
        ("any", "READ", "acl"),
        ("any", "WRITE", "acl"),
        ("service", "WRITE", "acl"),
    ]


def test_an_access_list_behind_a_block_grants_to_no_group() -> None:
    found = mapping.bucket_grants(TENANT, BUCKET, None, ACL, [RESTRICTED])
    assert [grant.principal_kind for grant in found] == ["account", "service"]


GRANTEES = [
    (ROLE, [("identity", PARTNER)]),
    (ROOT, [("account", PARTNER)]),
    (f"arn:aws:iam::{OWN}:role/app", []),
    ("dynamodb.us-east-1.amazonaws.com", []),
]


@pytest.mark.parametrize(("grantee", "expected"), GRANTEES)
def test_a_grant_on_a_key_counts_for_outsiders(grantee: str, expected: list[tuple[str, str]]) -> None:
    item = {"GrantId": "g1", "GranteePrincipal": grantee, "Operations": ["Decrypt"]}
    found = mapping.key_grants(TENANT, f"{TENANT}:key/us-east-1/k", [item])
    assert [(grant.principal_kind, grant.account) for grant in found] == expected


def test_constraints_of_a_grant_on_a_key_are_other_conditions() -> None:
    item = {
        "GrantId": "g1",
        "GranteePrincipal": ROLE,
        "Operations": ["Decrypt", "GenerateDataKey"],
        "Constraints": {"EncryptionContextEquals": {"app": "shop"}},
    }
    (grant,) = mapping.key_grants(TENANT, f"{TENANT}:key/us-east-1/k", [item])
    assert (grant.permission, grant.has_other_conditions) == ("kms:Decrypt,kms:GenerateDataKey", True)


@pytest.fixture(scope="module")
def holdings(moto_url: str) -> Holdings:
    requests.post(f"{moto_url}/moto-api/reset", timeout=10).raise_for_status()
    return seed(moto_url)


def test_outsiders_are_found_in_every_service(holdings: Holdings) -> None:
    found = {
        (grant.resource_id.split(":", 2)[2].split("/")[0], grant.permission)
        for grant in held(holdings.url).of("grants")
    }
    assert found == {
        ("bucket", "s3:GetObject"),
        ("function", "lambda:InvokeFunction"),
        ("key", "kms:Decrypt"),
        ("queue", "sqs:SendMessage"),
        ("secret", "secretsmanager:GetSecretValue"),
    }


def test_a_bucket_far_from_the_regions_that_are_read_has_its_tags(holdings: Holdings) -> None:
    s3 = client(holdings.url, "s3", "eu-west-1")
    s3.create_bucket(Bucket="acme-far", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"})
    s3.put_bucket_tagging(Bucket="acme-far", Tagging={"TagSet": [{"Key": "env", "Value": "prod"}]})
    assert held(holdings.url, regions=("us-east-1",)).one("resources", name="acme-far").environment == "prod"
    s3.delete_bucket(Bucket="acme-far")


def test_every_store_says_how_it_encrypts(holdings: Holdings) -> None:
    stores = [found for found in held(holdings.url).of("resources") if found.kind in ("bucket", "queue", "topic")]
    assert {found.kind: (found.encrypted_at_rest, found.encrypted_in_transit) for found in stores} == {
        "bucket": ("customer_key", "enforced"),
        "queue": ("provider", "optional"),
        "topic": ("none", "optional"),
    }


def test_a_key_of_aws_is_no_customers_key(holdings: Holdings) -> None:
    sns = holdings.client("sns")
    arn = sns.create_topic(Name="alerts", Attributes={"KmsMasterKeyId": "alias/aws/sns"})["TopicArn"]
    aliases = holdings.client("kms").list_aliases()["Aliases"]
    (own,) = [alias["TargetKeyId"] for alias in aliases if alias["AliasName"] == "alias/aws/lambda"]
    queue = holdings.client("sqs").create_queue(QueueName="later", Attributes={"KmsMasterKeyId": own})["QueueUrl"]
    found = held(holdings.url)
    assert found.one("resources", native_id=arn).encrypted_at_rest == "provider"
    assert found.one("resources", kind="queue", name=queue.rpartition("/")[2]).encrypted_at_rest == "provider"


def test_a_public_bucket_behind_a_block_lets_nobody_in(holdings: Holdings) -> None:
    s3 = holdings.client("s3")
    s3.create_bucket(Bucket="acme-site")
    s3.put_bucket_policy(
        Bucket="acme-site", Policy=policy(allow("*", "s3:GetObject") | {"Resource": "arn:aws:s3:::acme-site/*"})
    )
    s3.put_public_access_block(
        Bucket="acme-site",
        PublicAccessBlockConfiguration={"RestrictPublicBuckets": False, "IgnorePublicAcls": True},
    )
    assert len([grant for grant in held(holdings.url).of("grants") if grant.resource_id.endswith("acme-site")]) == 1
    s3.put_public_access_block(
        Bucket="acme-site",
        PublicAccessBlockConfiguration={"RestrictPublicBuckets": True, "IgnorePublicAcls": True},
    )
    assert [grant for grant in held(holdings.url).of("grants") if grant.resource_id.endswith("acme-site")] == []
