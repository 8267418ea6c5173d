"""The collector against the simulator: what a whole account gives, and what each fault turns into."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from fixtures.aws.simulator import Fault, Simulator, denied
from fixtures.aws.world import read_estate
from nhiscan.collect import ClockError, Context, load
from nhiscan.errors import CollectError, ConfigError
from tests.aws import expected
from tests.aws.conftest import AS_OF, CALLER, OUR_SCAN, Scan, scan

DETAILS = "iam:GetAccountAuthorizationDetails"
SECOND_PAGE = (2, 3, 4)  # and its two retries
# moto stands in for the services that an estate is kept in; the simulator knows no call of theirs.
COMPLETE = (
    dict.fromkeys(load("aws").datasets, "complete")
    | dict.fromkeys(expected.ELSEWHERE, "unsupported")
    | {"sightings.tags": "partial"}  # of users and roles
)


def broken(
    operation: str, code: str = "InternalFailure", http_status: int = 500, on_calls: tuple[int, ...] = ()
) -> Fault:
    return Fault(operation, http_status, code, on_calls=on_calls)


def test_the_estate_gives_the_reviewed_records() -> None:
    assert expected.scanned_estate() == expected.FILE.read_text(encoding="utf-8").splitlines()


def test_pages_of_two_give_the_same_records_as_one_page(simulator: Simulator) -> None:
    in_one = scan(simulator.url)
    simulator.calls.clear()
    simulator.world.page_size = 2
    simulator.world.reports_asked.clear()
    in_many = scan(simulator.url)
    asked = [params for operation, params in simulator.calls if operation == DETAILS]
    assert in_many.records == in_one.records
    assert len(asked) == 11  # 21 users, groups, roles and policies
    assert len({params["Marker"] for params in asked[1:]}) == 10
    assert sum(operation == "iam:ListServiceSpecificCredentials" for operation, _ in simulator.calls) == 1


def test_access_keys_page_too(simulator: Simulator) -> None:
    simulator.world.page_size = 1
    found = scan(simulator.url)
    keys = {record.native_id for record in found.of("credentials") if record.kind == "access_key"}
    assert {"AKIA000000002EXAMPLE", "AKIA000000003EXAMPLE"} < keys
    assert found.coverage("credentials").status == "complete"


def test_an_empty_account_is_complete(simulator: Simulator) -> None:
    simulator.world.callers["AKIA000000000EXAMPLE"] = "555555555555"
    found = scan(simulator.url)
    in_no_organization = dict.fromkeys(("organization", "scps", "rcps", "delegated_admins"), "not_applicable")
    assert found.statuses("aws:555555555555") == COMPLETE | in_no_organization | {"external_access": "unsupported"}
    assert {record.table for record in found.records} == {"tenants", "coverage", "scanners", "settings"}


FAULTS = {
    "details denied": (
        [denied(DETAILS)],
        {
            "identities.tags": "denied",
            "identities.last_used": "partial",
            "memberships": "denied",
            "policies": "denied",
            "sightings.tags": "denied",
        },
    ),
    "all lists of principals denied": (
        [denied(DETAILS), denied("iam:ListUsers"), denied("iam:ListGroups"), denied("iam:ListRoles")],
        {
            "identities": "partial",
            "identities.tags": "denied",
            "identities.last_used": "partial",
            "identities.mfa": "denied",
            "memberships": "denied",
            "credentials": "denied",
            "credentials.created": "denied",
            "credentials.last_used": "denied",
            "credentials.passwords": "denied",
            "credentials.service_specific": "denied",
            "policies": "denied",
            "trusts": "denied",
            "sightings.tags": "denied",
            "usage.services": "denied",
        },
    ),
    "details broken on the second page": (
        [broken(DETAILS, on_calls=SECOND_PAGE)],
        {
            "identities": "partial",
            "identities.tags": "partial",
            "identities.last_used": "partial",
            "identities.mfa": "partial",
            "memberships": "partial",
            "credentials": "partial",
            "credentials.created": "partial",
            "credentials.last_used": "partial",
            "credentials.passwords": "partial",
            "credentials.service_specific": "partial",
            "policies": "partial",
            "trusts": "partial",
            "usage.services": "partial",
        },
    ),
    "details broken for a moment": ([broken(DETAILS, on_calls=(1,))], {}),
    "keys throttled for a moment": ([broken("iam:ListAccessKeys", "Throttling", 400, on_calls=(2,))], {}),
    "keys denied for everybody": (
        [denied("iam:ListAccessKeys")],
        {
            "identities.last_used": "partial",
            "credentials": "partial",
            "credentials.created": "partial",
            "credentials.last_used": "denied",
        },
    ),
    "keys denied for one user": (
        [denied("iam:ListAccessKeys", UserName="upload")],
        {
            "identities.last_used": "partial",
            "credentials": "partial",
            "credentials.created": "partial",
            "credentials.last_used": "partial",
        },
    ),
    "last use of keys denied": (
        [denied("iam:GetAccessKeyLastUsed")],
        {"identities.last_used": "partial", "credentials.last_used": "partial"},
    ),
    "passwords denied, report in their place": ([denied("iam:GetLoginProfile")], {}),
    "passwords and report denied": (
        [denied("iam:GetLoginProfile"), denied("iam:GenerateCredentialReport")],
        {
            "identities": "partial",
            "credentials": "partial",
            "credentials.created": "partial",
            "credentials.passwords": "denied",
        },
    ),
    "MFA devices denied, report in their place": ([denied("iam:ListMFADevices")], {}),
    "MFA devices denied and report broken": (
        [denied("iam:ListMFADevices"), broken("iam:GetCredentialReport")],
        {
            "identities": "partial",
            "identities.mfa": "denied",
            "credentials": "partial",
            "credentials.created": "partial",
        },
    ),
    "report and its stand-in denied": (
        [denied("iam:GenerateCredentialReport"), denied("iam:ListUsers")],
        {
            "identities": "partial",
            "identities.last_used": "partial",
            "credentials": "partial",
            "credentials.created": "partial",
            "credentials.last_used": "partial",
        },
    ),
    "service-specific credentials denied": (
        [denied("iam:ListServiceSpecificCredentials")],
        {"credentials.service_specific": "denied"},
    ),
    "service-specific credentials broken": (
        [broken("iam:ListServiceSpecificCredentials")],
        {"credentials.service_specific": "failed"},
    ),
    "service-specific credentials unknown to the provider": (
        [broken("iam:ListServiceSpecificCredentials", "InvalidAction", 400)],
        {"credentials.service_specific": "unsupported"},
    ),
    "OIDC providers denied": ([denied("iam:ListOpenIDConnectProviders")], {"issuers": "partial"}),
    "audiences denied": ([denied("iam:GetOpenIDConnectProvider")], {"issuers": "partial"}),
    "all issuers throttled without end": (
        [
            broken("iam:ListOpenIDConnectProviders", "Throttling", 400),
            broken("iam:ListSAMLProviders", "Throttling", 400),
        ],
        {"issuers": "failed"},
    ),
}


@pytest.fixture(scope="module")
def undisturbed() -> Scan:
    with pytest.MonkeyPatch.context() as environment, Simulator(read_estate()) as running:
        environment.setenv("AWS_ACCESS_KEY_ID", CALLER)
        environment.setenv("AWS_SECRET_ACCESS_KEY", "not-a-secret")
        return scan(running.url)


@pytest.mark.parametrize("case", FAULTS)
def test_a_fault_becomes_coverage_and_what_stays_complete_lacks_nothing(
    simulator: Simulator, undisturbed: Scan, no_waiting: list[float], case: str
) -> None:
    simulator.faults, changed = FAULTS[case]
    simulator.world.page_size = 8
    found = scan(simulator.url)
    assert found.statuses() == COMPLETE | changed
    for dataset in ("identities", "memberships", "credentials", "policies", "trusts", "issuers"):
        if found.coverage(dataset).status == "complete":
            assert ids(found, dataset) == ids(undisturbed, dataset)


def ids(found: Scan, table: str) -> set[object]:
    names = {
        "identities": ("identity_id", "identity_id"),
        "memberships": ("identity_id", "group_id"),
        "credentials": ("credential_id", "kind"),
        "policies": ("policy_id", "document"),
        "trusts": ("trust_id", "statement"),
        "issuers": ("issuer_id", "issuer"),
    }
    kinds = {"api_key", "app_password"}  # of a dataset of their own
    return {
        tuple(getattr(record, name) for name in names[table])
        for record in found.of(table)
        if not (table == "credentials" and record.kind in kinds)
    }


def test_a_refusal_names_the_missing_permission_the_call_and_the_reason(simulator: Simulator) -> None:
    simulator.faults = [denied("iam:ListServiceSpecificCredentials")]
    said = scan(simulator.url).coverage("credentials.service_specific")
    assert said.missing_permission == said.call == "iam:ListServiceSpecificCredentials"
    assert said.reason is not None
    assert said.reason.startswith("service-specific credentials: AccessDenied: User: arn:aws:iam::")


def test_partly_refused_users_are_counted(simulator: Simulator) -> None:
    simulator.faults = [denied("iam:ListAccessKeys", UserName="upload")]
    said = scan(simulator.url).coverage("credentials")
    assert said.reason is not None
    assert said.reason.startswith("users' access keys: 1 of 6 refused; AccessDenied")


def test_a_user_whose_keys_were_refused_has_no_known_last_use(simulator: Simulator) -> None:
    simulator.faults = [denied("iam:ListAccessKeys", UserName="forgotten")]
    user = scan(simulator.url).one("identities", name="forgotten")
    assert (user.last_used_at, user.last_used_known) == (None, False)


def test_the_report_dates_a_key_whose_last_use_was_refused(simulator: Simulator) -> None:
    simulator.faults = [denied("iam:GetAccessKeyLastUsed")]
    key = scan(simulator.url).one("credentials", native_id="AKIA000000005EXAMPLE")
    assert key.last_used_at == datetime.fromisoformat("2025-09-01T03:00:00+00:00")
    assert key.last_used_source == "credential report: at most 4 hours old, one use per 15 minutes"


def test_list_users_dates_passwords_when_the_report_is_refused(simulator: Simulator) -> None:
    simulator.faults = [denied("iam:GenerateCredentialReport")]
    password = scan(simulator.url).one("credentials", credential_id="aws:111111111111:password/anna")
    assert password.last_used_at == datetime.fromisoformat("2026-01-30T08:05:00+00:00")
    assert password.last_used_known


def test_without_any_password_source_nobody_is_called_person_or_machine(simulator: Simulator) -> None:
    simulator.faults = [denied("iam:GetLoginProfile"), denied("iam:GenerateCredentialReport")]
    found = scan(simulator.url)
    assert found.one("identities", name="forgotten").is_nhi is None
    assert found.one("identities", name="upload").is_nhi is True  # its tag says so


def test_a_report_that_never_completes_is_given_up_after_a_minute(
    simulator: Simulator, no_waiting: list[float]
) -> None:
    simulator.world.report_rounds = 0
    said = scan(simulator.url).coverage("identities")
    assert said.status == "partial"
    assert said.reason == "credential report: still INPROGRESS after 56 seconds"
    assert sum(no_waiting) < 60


def test_what_is_broken_for_everybody_is_not_asked_for_everybody(simulator: Simulator, no_waiting: list[float]) -> None:
    users = simulator.world.accounts["111111111111"]["users"]
    users += [users[0] | {"UserName": f"u{n}", "Arn": f"arn:aws:iam::111111111111:user/u{n}"} for n in range(100)]
    simulator.faults = [broken("iam:ListMFADevices")]
    found = scan(simulator.url)
    assert found.coverage("identities.mfa").status == "complete"  # the report says it for everybody
    assert sum(operation == "iam:ListMFADevices" for operation, _ in simulator.calls) <= 32 * 3


def test_one_refused_account_leaves_the_other_standing(simulator: Simulator) -> None:
    simulator.world.roles["arn:aws:iam::111111111111:role/nhiscan"] = "another external id"
    found = scan(simulator.url, **OUR_SCAN)
    assert set(found.statuses("aws:111111111111").values()) == {"denied"}
    assert found.coverage("identities").missing_permission == "sts:AssumeRole"
    # The other is a member of an organization, which only the refused account may read.
    unread = dict.fromkeys(("organization", "scps", "rcps", "delegated_admins"), "denied")
    assert found.statuses("aws:222222222222") == COMPLETE | unread


def test_an_account_without_a_role_to_assume_is_denied_in_words(simulator: Simulator) -> None:
    found = scan(simulator.url, accounts=("111111111111", "222222222222"))
    assert found.statuses("aws:111111111111") == COMPLETE
    said = found.coverage("identities", "aws:222222222222")
    assert (said.status, said.reason) == (
        "denied",
        "the credentials belong to account 111111111111 and no role_name is set",
    )


def test_a_role_is_assumed_in_the_callers_own_account_too(simulator: Simulator) -> None:
    scan(simulator.url, **OUR_SCAN)
    assumed = [params["RoleArn"] for operation, params in simulator.calls if operation == "sts:AssumeRole"]
    assert assumed == ["arn:aws:iam::111111111111:role/nhiscan", "arn:aws:iam::222222222222:role/nhiscan"]


def test_each_tenant_comes_before_its_coverage_and_each_dataset_once(simulator: Simulator) -> None:
    found = scan(simulator.url, **OUR_SCAN)
    tenants = {record.tenant_id for record in found.of("tenants")}
    said = [(record.tenant_id, record.dataset) for record in found.of("coverage")]
    assert sorted(said) == sorted((tenant, dataset) for tenant in tenants for dataset in COMPLETE)
    assert [record.table for record in found.records[:2]] == ["tenants", "tenants"]


@pytest.mark.parametrize("code", ["InvalidClientTokenId", "SignatureDoesNotMatch", "ExpiredToken"])
def test_a_bad_credential_is_an_error_with_a_next_step(simulator: Simulator, code: str) -> None:
    simulator.faults = [Fault("sts:GetCallerIdentity", 403, code)]
    with pytest.raises(CollectError, match=f"refused for the credential itself: {code}") as caught:
        collected(simulator.url)
    assert "sign in again" in caught.value.hint


def test_a_token_that_expires_half_way_leaves_no_dataset_complete(simulator: Simulator) -> None:
    simulator.faults = [Fault("iam:ListMFADevices", 403, "ExpiredToken")]
    found = scan(simulator.url)
    assert set(found.statuses().values()) == {"failed"}


def test_accounts_after_a_bad_credential_are_failed_and_not_forgotten(simulator: Simulator) -> None:
    simulator.world.callers.clear()
    found = scan(simulator.url, **OUR_SCAN)
    assert set(found.statuses("aws:222222222222").values()) == {"failed"}


def test_no_credential_at_all_is_an_error_with_a_next_step(
    simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(CollectError, match="no usable credentials") as caught:
        collected(simulator.url)
    assert "AWS_PROFILE" in caught.value.hint


def test_a_provider_that_cannot_be_reached_is_an_error(no_waiting: list[float]) -> None:
    with pytest.raises(CollectError, match="cannot find out whose credentials these are"):
        collected("http://127.0.0.1:9")


def test_a_clock_that_is_far_off_ends_the_scan(simulator: Simulator) -> None:
    simulator.date_offset = timedelta(hours=1)
    now = datetime.now(AS_OF.tzinfo)
    with pytest.raises(ClockError, match="60 minutes behind"):
        scan(simulator.url, ctx=Context(as_of=now, clock=lambda: now))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"accounts": ("1234",)}, "not an account number"),
        ({"accounts": ("111111111111", "111111111111")}, "names an account twice"),
        ({"regions": ()}, "regions is empty"),
        ({"regions": ("all", "us-east-1")}, "more beside all"),
        ({"quota_share": 0.0}, "quota_share"),
        ({"event_pages": 0}, "event_pages"),
        ({"external_id": OUR_SCAN["external_id"]}, "without role_name"),
    ],
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        collected("http://127.0.0.1:9", **settings)


def collected(url: str, **settings: object) -> list[object]:
    return list(load("aws")(endpoint_url=url, **settings).collect(Context(as_of=AS_OF)))
