"""The collector against a live moto server: seeded through boto3, read over HTTP, the shipped policy enforced."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from fixtures.aws.holdings import seed
from nhiscan.collect import load
from tests.aws.conftest import Scan, scan
from tests.aws.held import client, held

TENANT = "aws:123456789012"  # moto's own account
README = Path("collectors/aws/README.md")
# moto answers ListServiceSpecificCredentials with HTTP 500 and an HTML page.
COMPLETE_ON_MOTO = {
    "identities": "complete",
    "identities.tags": "complete",
    "identities.last_used": "complete",
    "identities.mfa": "complete",
    "memberships": "complete",
    "credentials": "complete",
    "credentials.created": "complete",
    "credentials.last_used": "complete",
    "credentials.passwords": "complete",
    "credentials.service_specific": "failed",
    "policies": "complete",
    "trusts": "complete",
    "issuers": "complete",
    "settings": "complete",
    "settings.logging": "complete",
    "organization": "not_applicable",
    "scps": "not_applicable",
    "rcps": "not_applicable",
    "delegated_admins": "not_applicable",
}


def on_moto(found: Scan) -> dict[str, str]:
    """Coverage of what moto can answer by itself; what accounts hold has tests of its own."""
    return {dataset: status for dataset, status in found.statuses(TENANT).items() if dataset in COMPLETE_ON_MOTO}


def allowing(policy: dict[str, Any]) -> list[dict[str, Any]]:
    return [statement for statement in policy["Statement"] if statement["Effect"] == "Allow"]


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def scanner_policy() -> dict[str, Any]:
    """The policy as the README ships it; that of remediation stands in a section of its own."""
    page = README.read_text(encoding="utf-8").partition("## Remediation")[0]
    (text,) = re.findall(r"```json\n(.*?)```", page, flags=re.DOTALL)
    policy: dict[str, Any] = json.loads(text)
    return policy


@pytest.fixture
def seeded(moto_iam: Any) -> dict[str, str]:
    """A small account; the access key id of each user that has one."""
    iam = moto_iam
    export = document({"Effect": "Allow", "Action": "s3:*", "Resource": "*"})
    arn = iam.create_policy(PolicyName="export", Path="/partners/", PolicyDocument=export)["Policy"]["Arn"]
    narrower = document({"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"})
    iam.create_policy_version(PolicyArn=arn, PolicyDocument=narrower, SetAsDefault=True)
    iam.create_group(GroupName="readers")
    iam.attach_group_policy(GroupName="readers", PolicyArn=arn)
    iam.create_user(UserName="upload", Path="/partners/", Tags=[{"Key": "partner", "Value": "Nordwind"}])
    iam.add_user_to_group(GroupName="readers", UserName="upload")
    key = iam.create_access_key(UserName="upload")["AccessKey"]["AccessKeyId"]
    iam.create_user(UserName="anna")
    iam.create_login_profile(UserName="anna", Password="Not-a-real-1-password!")
    device = iam.create_virtual_mfa_device(VirtualMFADeviceName="anna")["VirtualMFADevice"]["SerialNumber"]
    iam.enable_mfa_device(
        UserName="anna", SerialNumber=device, AuthenticationCode1="123456", AuthenticationCode2="654321"
    )
    iam.create_role(
        RoleName="nordwind",
        AssumeRolePolicyDocument=document(
            {
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::444444444444:root"},
                "Action": "sts:AssumeRole",
                "Condition": {"StringEquals": {"sts:ExternalId": "7f0e2c5a"}},
            }
        ),
        PermissionsBoundary=arn,
    )
    iam.put_role_policy(RoleName="nordwind", PolicyName="all", PolicyDocument=export)
    iam.create_open_id_connect_provider(
        Url="https://token.actions.example", ClientIDList=["sts.amazonaws.com"], ThumbprintList=["0" * 40]
    )
    iam.create_saml_provider(Name="sso", SAMLMetadataDocument="x" * 1000)
    return {"upload": key}


def test_an_empty_account_is_complete(moto: str) -> None:
    found = scan(moto)
    assert on_moto(found) == COMPLETE_ON_MOTO
    assert {record.table for record in found.records} == {"tenants", "coverage", "scanners", "settings"}


def test_a_seeded_account_is_read_over_http(moto: str, seeded: dict[str, str]) -> None:
    found = scan(moto)
    assert on_moto(found) == COMPLETE_ON_MOTO
    assert {(record.identity_id, record.kind, record.is_nhi) for record in found.of("identities")} == {
        (f"{TENANT}:group/readers", "group", False),
        (f"{TENANT}:user/partners/upload", "service_account", True),
        (f"{TENANT}:user/anna", "human_user", False),
        (f"{TENANT}:role/nordwind", "workload_role", True),
    }
    assert {(record.credential_id, record.kind, record.status) for record in found.of("credentials")} == {
        (f"{TENANT}:access_key/{seeded['upload']}", "access_key", "active"),
        (f"{TENANT}:password/anna", "password", "active"),
    }
    assert {(record.policy_id, record.identity_id, record.role) for record in found.of("policy_bindings")} == {
        (f"{TENANT}:policy/partners/export", f"{TENANT}:group/readers", "identity"),
        (f"{TENANT}:policy/partners/export", f"{TENANT}:role/nordwind", "boundary"),
        (f"{TENANT}:inline_policy/role/nordwind/all", f"{TENANT}:role/nordwind", "identity"),
    }
    assert {(record.kind, record.issuer) for record in found.of("issuers")} == {
        ("oidc", "token.actions.example"),
        ("saml", "sso"),
    }


def test_a_policy_is_read_at_its_default_version(moto: str, seeded: dict[str, str]) -> None:
    policy = scan(moto).one("policies", policy_id=f"{TENANT}:policy/partners/export")
    assert json.loads(policy.document)["Statement"][0]["Action"] == "s3:GetObject"


def test_trust_and_mfa_and_membership_are_read(moto: str, seeded: dict[str, str]) -> None:
    found = scan(moto)
    trust = found.one("trusts")
    assert (trust.account, trust.principal_kind, trust.external_id_check) == ("444444444444", "account", "pinned")
    assert found.one("identities", name="anna").mfa_state == "registered"
    assert found.one("memberships").group_id == f"{TENANT}:group/readers"


def test_a_key_that_was_never_used_is_known_as_that(moto: str, seeded: dict[str, str]) -> None:
    key = scan(moto).one("credentials", kind="access_key")
    assert (key.last_used_at, key.last_used_known) == (None, True)


def test_a_used_key_has_a_date(moto: str, moto_iam: Any) -> None:
    moto_iam.create_user(UserName="busy")
    key = moto_iam.create_access_key(UserName="busy")["AccessKey"]
    used = boto3.client(
        "iam",
        endpoint_url=moto,
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
    )
    used.list_users()
    found = scan(moto)
    assert found.one("credentials", kind="access_key").last_used_at is not None
    assert found.one("identities", name="busy").last_used_at == found.one("credentials", kind="access_key").last_used_at


def scan_as(moto: str, iam: Any, policy: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Scan:
    """What a scanner with exactly this policy gets while moto enforces policies."""
    iam.create_user(UserName="nhiscan")
    iam.put_user_policy(UserName="nhiscan", PolicyName="scan", PolicyDocument=json.dumps(policy))
    key = iam.create_access_key(UserName="nhiscan")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    requests.post(f"{moto}/moto-api/reset-auth", data="0", timeout=10).raise_for_status()
    return scan(moto)


def test_the_shipped_policy_is_enough(
    moto: str, moto_iam: Any, seeded: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert on_moto(scan_as(moto, moto_iam, scanner_policy(), monkeypatch)) == COMPLETE_ON_MOTO


WITHOUT = {
    "iam:GenerateCredentialReport": "credentials",
    "iam:GetAccessKeyLastUsed": "credentials.last_used",
    "iam:GetAccountAuthorizationDetails": "policies",
    "iam:GetCredentialReport": "credentials",
    "iam:GetOpenIDConnectProvider": "issuers",
    "iam:ListAccessKeys": "credentials",
    "iam:ListOpenIDConnectProviders": "issuers",
    "iam:ListSAMLProviders": "issuers",
}


@pytest.mark.parametrize(("action", "dataset"), WITHOUT.items())
def test_each_permission_of_the_shipped_policy_is_needed(
    moto: str, moto_iam: Any, seeded: dict[str, str], monkeypatch: pytest.MonkeyPatch, action: str, dataset: str
) -> None:
    policy = scanner_policy()
    for statement in allowing(policy):
        statement["Action"] = [name for name in statement["Action"] if name != action]
    said = scan_as(moto, moto_iam, policy, monkeypatch).one("coverage", dataset=dataset)
    assert said.status in ("denied", "partial")
    assert action in said.missing_permission


@pytest.fixture
def managed(moto: str, credentials: None) -> None:
    """The account manages an organization with one SCP, and keeps a trail."""
    organizations = client(moto, "organizations", "us-east-1")
    organizations.create_organization(FeatureSet="ALL")
    root = organizations.list_roots()["Roots"][0]["Id"]
    organizations.enable_policy_type(RootId=root, PolicyType="SERVICE_CONTROL_POLICY")
    made = organizations.create_account(AccountName="member", Email="member@acme.example")
    member = made["CreateAccountStatus"]["AccountId"]
    organizations.register_delegated_administrator(AccountId=member, ServicePrincipal="guardduty.amazonaws.com")
    client(moto, "s3", "us-east-1").create_bucket(Bucket="acme-audit")
    trails = client(moto, "cloudtrail", "us-east-1")
    trails.create_trail(Name="all", S3BucketName="acme-audit", IsMultiRegionTrail=True)
    trails.start_logging(Name="all")


MANAGED = {
    "organization": "complete",
    "scps": "complete",
    "delegated_admins": "complete",
    "settings": "complete",
    "settings.logging": "complete",
}


def test_the_shipped_policy_is_enough_for_the_organization_and_its_trail(
    moto: str, managed: None, moto_iam: Any, no_waiting: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = scan_as(moto, moto_iam, scanner_policy(), monkeypatch)
    statuses = found.statuses(TENANT)
    assert {dataset: statuses[dataset] for dataset in MANAGED} == MANAGED
    assert found.one("settings", name="logging.enabled").value == "yes"
    assert found.one("scanners").identity_id == f"{TENANT}:user/nhiscan"


@pytest.mark.parametrize(
    ("action", "dataset"),
    [
        ("cloudtrail:DescribeTrails", "settings.logging"),
        ("iam:GetAccountPasswordPolicy", "settings"),
        ("organizations:ListPolicies", "scps"),
        ("organizations:ListRoots", "organization"),
    ],
)
def test_without_one_permission_its_dataset_is_short(
    moto: str,
    managed: None,
    moto_iam: Any,
    no_waiting: list[float],
    monkeypatch: pytest.MonkeyPatch,
    action: str,
    dataset: str,
) -> None:
    policy = scanner_policy()
    for statement in allowing(policy):
        statement["Action"] = [name for name in statement["Action"] if name != action]
    said = scan_as(moto, moto_iam, policy, monkeypatch).one("coverage", dataset=dataset)
    assert said.status in ("denied", "failed", "partial")  # moto words the refusal of a json service as XML
    assert said.call == action


def test_the_shipped_policy_grants_what_the_datasets_name_and_no_more() -> None:
    named = {action for actions in load("aws").permissions.values() for action in actions}
    assert {action for statement in allowing(scanner_policy()) for action in statement["Action"]} == named


# What moto asks for instead of s3:GetAccountPublicAccessBlock, of s3:GetEncryptionConfiguration and
# s3:GetBucketPublicAccessBlock, and of tag:GetResources.
MOTOS_OWN_NAMES = ["s3:GetPublicAccessBlock", "s3:ListBucket", "tagging:GetResources"]
# Where it enforces policies, moto does not recognize the signature under this one, whoever calls.
REFUSED_BY_MOTO = {"lambda:ListFunctions"}


def scanner_key(moto: str, iam: Any) -> tuple[str, str]:
    """The key of a user with the shipped policy, which moto enforces from now on."""
    iam.create_user(UserName="nhiscan")
    iam.put_user_policy(UserName="nhiscan", PolicyName="scan", PolicyDocument=json.dumps(scanner_policy()))
    others = document({"Effect": "Allow", "Action": MOTOS_OWN_NAMES, "Resource": "*"})
    iam.put_user_policy(UserName="nhiscan", PolicyName="moto", PolicyDocument=others)
    key = iam.create_access_key(UserName="nhiscan")["AccessKey"]
    requests.post(f"{moto}/moto-api/reset-auth", data="0", timeout=10).raise_for_status()
    return key["AccessKeyId"], key["SecretAccessKey"]


def test_the_shipped_policy_is_enough_for_what_the_account_holds(moto: str, moto_iam: Any) -> None:
    seed(moto)
    found = held(moto, key=scanner_key(moto, moto_iam))
    short = [said for said in found.of("coverage") if said.status not in ("complete", "unsupported")]
    assert {call for said in short for call in said.call.split(", ")} == REFUSED_BY_MOTO
    assert {said.dataset for said in short} == {"grants", "sightings.environment", "workloads"}


def test_the_server_refuses_secret_values_to_the_scanner(moto: str, moto_iam: Any) -> None:
    holdings = seed(moto)
    (key_id,) = [key["KeyId"] for key in holdings.client("kms").list_keys()["Keys"]][:1]
    sealed = holdings.client("kms").encrypt(KeyId=key_id, Plaintext=b"x")["CiphertextBlob"]
    scanner = scanner_key(moto, moto_iam)
    refused: list[tuple[str, str, dict[str, Any]]] = [
        ("secretsmanager", "get_secret_value", {"SecretId": "plain"}),
        ("secretsmanager", "batch_get_secret_value", {"SecretIdList": ["plain"]}),
        ("ssm", "get_parameter", {"Name": "/shop/password", "WithDecryption": True}),
        ("ssm", "get_parameters", {"Names": ["/shop/api_password"]}),
        ("ssm", "get_parameters_by_path", {"Path": "/shop"}),
        ("ssm", "get_parameter_history", {"Name": "/shop/password"}),
        ("kms", "decrypt", {"CiphertextBlob": sealed}),
        ("s3", "get_object", {"Bucket": "acme-exports", "Key": "customers.csv"}),
    ]
    codes = set()
    for service, method, request in refused:
        with pytest.raises(ClientError) as refusal:
            getattr(client(moto, service, "us-east-1", scanner), method)(**request)
        codes.add(refusal.value.response["ResponseMetadata"]["HTTPStatusCode"])
    assert codes == {403}


def test_an_account_whose_role_may_not_be_assumed_is_denied(
    moto: str, moto_iam: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    moto_iam.create_user(UserName="nhiscan")
    key = moto_iam.create_access_key(UserName="nhiscan")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    requests.post(f"{moto}/moto-api/reset-auth", data="0", timeout=10).raise_for_status()
    found = scan(moto, accounts=("222222222222",), role_name="nhiscan")
    assert set(found.statuses("aws:222222222222").values()) == {"denied"}


def test_a_key_that_aws_does_not_know_is_an_error(moto: str) -> None:
    requests.post(f"{moto}/moto-api/reset-auth", data="0", timeout=10).raise_for_status()
    found = scan(moto, accounts=("123456789012",))
    assert set(found.statuses(TENANT).values()) == {"failed"}
    assert "refused for the credential itself" in str(found.coverage("identities", TENANT).reason)
