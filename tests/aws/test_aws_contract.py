"""The simulator keeps to botocore's models: what AWS could not ask or answer, it refuses."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import botocore.session
import pytest
import requests
from botocore.config import Config
from botocore.exceptions import ClientError

from fixtures.aws.contract import ContractViolation, check, read_query
from fixtures.aws.iam import HANDLERS
from fixtures.aws.simulator import Simulator
from fixtures.aws.world import read_estate

IAM = botocore.session.get_session().get_service_model("iam")
KEY = {"UserName": "u", "AccessKeyId": "AKIA000000001EXAMPLE", "Status": "Active", "CreateDate": datetime.now(UTC)}

WRONG = [
    ({"AccessKeyMetadata": [KEY | {"Secret": "x"}]}, "no member Secret"),
    ({"AccessKeyMetadata": [KEY | {"Status": "Sleeping"}]}, "one of"),
    ({"AccessKeyMetadata": [KEY | {"CreateDate": "2026-01-31"}]}, "a timestamp"),
    ({"AccessKeyMetadata": [KEY | {"CreateDate": datetime(2026, 1, 31)}]}, "a time zone"),
    ({"AccessKeyMetadata": [KEY | {"AccessKeyId": "AKIA"}]}, "at least 16"),
    ({"AccessKeyMetadata": {"member": KEY}}, "a list"),
    ({"IsTruncated": False}, "required member AccessKeyMetadata"),
    ({"AccessKeyMetadata": [], "IsTruncated": "no"}, "a boolean"),
]


@pytest.mark.parametrize(("answer", "words"), WRONG)
def test_an_answer_that_does_not_fit_the_output_shape_is_refused(answer: dict[str, Any], words: str) -> None:
    shape = IAM.operation_model("ListAccessKeys").output_shape
    with pytest.raises(ContractViolation, match=words):
        check(shape, answer, "ListAccessKeys")


@pytest.mark.parametrize("extra", ["Nonsense=1", "UserName.member.1=a", "MaxItems=0", "MaxItems=many", "UserName="])
def test_a_request_that_does_not_fit_the_input_shape_is_refused(extra: str) -> None:
    shape = IAM.operation_model("ListAccessKeys").input_shape
    with pytest.raises(ContractViolation):
        read_query(shape, f"Action=ListAccessKeys&Version=2010-05-08&{extra}")


def test_lists_and_types_of_a_request_are_read() -> None:
    shape = IAM.operation_model("GetAccountAuthorizationDetails").input_shape
    body = "Action=A&Version=1&Filter.member.1=User&Filter.member.2=Role&MaxItems=7"
    assert read_query(shape, body) == {"Filter": ["User", "Role"], "MaxItems": 7}


@pytest.fixture
def broken_handler(monkeypatch: pytest.MonkeyPatch) -> Iterator[Simulator]:
    wrong = {"iam:ListUsers": lambda world, account, params: {"Users": [{"Name": "anna"}]}}
    monkeypatch.setattr("fixtures.aws.simulator.HANDLERS", {**HANDLERS, **wrong})
    with Simulator(read_estate()) as running:
        yield running


def client(simulator: Simulator) -> Any:
    config = Config(retries={"total_max_attempts": 1})
    return boto3.client("iam", endpoint_url=simulator.url, region_name="us-east-1", config=config)


def test_a_wrong_answer_never_reaches_the_caller(broken_handler: Simulator) -> None:
    with pytest.raises(ClientError, match="ContractViolation"):
        client(broken_handler).list_users()
    assert len(broken_handler.violations) == 1


def test_an_operation_without_a_handler_is_an_invalid_action(simulator: Simulator) -> None:
    with pytest.raises(ClientError, match="InvalidAction"):
        client(simulator).list_server_certificates()


def test_filters_and_page_size_are_honoured(simulator: Simulator) -> None:
    page = client(simulator).get_account_authorization_details(Filter=["Role", "AWSManagedPolicy"], MaxItems=9)
    assert [len(page[key]) for key in ("UserDetailList", "RoleDetailList", "Policies")] == [0, 8, 1]
    rest = client(simulator).get_account_authorization_details(
        Filter=["Role", "AWSManagedPolicy"], Marker=page["Marker"]
    )
    assert [policy["PolicyName"] for policy in rest["Policies"]] == ["ReadOnlyAccess"]
    assert rest["IsTruncated"] is False


def test_a_made_up_marker_is_a_validation_error(simulator: Simulator) -> None:
    with pytest.raises(ClientError, match="Invalid Marker"):
        client(simulator).list_users(Marker="made up")


def test_documents_travel_encoded_and_botocore_decodes_them(simulator: Simulator) -> None:
    roles = client(simulator).list_roles()["Roles"]
    assert {type(role["AssumeRolePolicyDocument"]) for role in roles} == {dict}


def test_the_credential_report_starts_with_the_root_user(simulator: Simulator) -> None:
    iam = client(simulator)
    iam.generate_credential_report()
    lines = iam.get_credential_report()["Content"].decode().splitlines()
    assert lines[1].startswith("<root_account>,arn:aws:iam::111111111111:root,")


def test_a_report_that_nobody_ordered_is_not_present(simulator: Simulator) -> None:
    with pytest.raises(ClientError, match="ReportNotPresent"):
        client(simulator).get_credential_report()


def test_what_is_not_aws_is_refused_and_not_a_crash(simulator: Simulator) -> None:
    assert requests.post(simulator.url, data="hello", timeout=5).status_code == 400
