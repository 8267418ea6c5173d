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
from fixtures.aws.json_protocols import find_rest_operation, read_json, read_rest_json
from fixtures.aws.simulator import Fault, Simulator
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


def json_client(simulator: Simulator, service: str) -> Any:
    config = Config(retries={"total_max_attempts": 1}, parameter_validation=False)
    return boto3.client(service, endpoint_url=simulator.url, region_name="us-east-1", config=config)


JSON_ANSWERS = {
    "organizations:ListRoots": ("organizations", "list_roots", {"Roots": [{"Nonsense": 1}]}),
    "access-analyzer:ListAnalyzers": ("accessanalyzer", "list_analyzers", {"analyzers": [{"arn": "x"}]}),
    "ec2:DescribeRegions": ("ec2", "describe_regions", {"Regions": [{"RegionName": 1}]}),
}


@pytest.mark.parametrize("operation", JSON_ANSWERS)
def test_a_wrong_answer_in_any_protocol_never_reaches_the_caller(
    monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    service, method, wrong = JSON_ANSWERS[operation]
    handlers = {operation: lambda world, caller, params: wrong}
    monkeypatch.setattr("fixtures.aws.simulator.HANDLERS", handlers)
    with Simulator(read_estate()) as running, pytest.raises(ClientError, match="ContractViolation"):
        getattr(json_client(running, service), method)()
    assert len(running.violations) == 1


@pytest.mark.parametrize(
    ("service", "method", "request_"),
    [
        ("organizations", "list_policies", {"Filter": "X" * 100, "MaxResults": "many"}),
        ("accessanalyzer", "list_findings", {"analyzerArn": 7}),
        ("cloudtrail", "lookup_events", {"MaxResults": "fifty"}),
    ],
)
def test_a_json_request_that_does_not_fit_its_shape_is_refused(
    service: str, method: str, request_: dict[str, Any]
) -> None:
    with Simulator(read_estate()) as running, pytest.raises(ClientError, match="ContractViolation"):
        getattr(json_client(running, service), method)(**request_)
    assert running.violations


def test_a_json_request_with_unknown_members_is_refused() -> None:
    model = botocore.session.get_session().get_service_model("organizations").operation_model("ListRoots")
    with pytest.raises(ContractViolation, match="Nonsense"):
        read_json(model, '{"Nonsense": 1}')


def test_times_lists_and_places_of_a_rest_request_are_read() -> None:
    service = botocore.session.get_session().get_service_model("accessanalyzer")
    model = find_rest_operation(service, "GET", "/analyzer/main?x=1")
    assert model is not None
    assert model.name == "GetAnalyzer"
    assert read_rest_json(model, "/analyzer/main", {}, "") == {"analyzerName": "main"}
    listing = find_rest_operation(service, "GET", "/analyzer?maxResults=5")
    assert listing is not None
    assert read_rest_json(listing, "/analyzer?maxResults=5", {}, "") == {"maxResults": 5}
    with pytest.raises(ContractViolation, match="query string"):
        read_rest_json(listing, "/analyzer?nonsense=5", {}, "")


def test_moments_come_back_as_they_were_sent_in_either_form(simulator: Simulator) -> None:
    at = datetime(2024, 1, 1, tzinfo=UTC)
    assert json_client(simulator, "accessanalyzer").list_analyzers()["analyzers"][0]["createdAt"] == at  # ISO 8601
    event = json_client(simulator, "cloudtrail").lookup_events(
        LookupAttributes=[{"AttributeKey": "EventName", "AttributeValue": "ConsoleLogin"}]
    )["Events"][0]
    assert event["EventTime"] == datetime(2026, 1, 30, 8, 5, tzinfo=UTC)  # seconds
    assert json_client(simulator, "organizations").list_delegated_administrators()["DelegatedAdministrators"][0][
        "DelegationEnabledDate"
    ] == datetime(2024, 2, 1, 9, tzinfo=UTC)


def test_a_refusal_has_its_code_in_every_protocol(simulator: Simulator) -> None:
    for service, method, operation in (
        ("organizations", "list_roots", "organizations:ListRoots"),
        ("accessanalyzer", "list_analyzers", "access-analyzer:ListAnalyzers"),
        ("ec2", "describe_regions", "ec2:DescribeRegions"),
    ):
        simulator.faults = [Fault(operation, 403, "AccessDeniedException", "no")]
        with pytest.raises(ClientError) as caught:
            getattr(json_client(simulator, service), method)()
        assert caught.value.response["Error"] == {"Code": "AccessDeniedException", "Message": "no"}
