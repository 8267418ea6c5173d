"""Trust policies, case by case: a statement, and what the trust says about it."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from nhiscan.model import Trust, TrustCondition

mapping = importlib.import_module("nhiscan.collectors.aws.trusts")

PARTNER = "arn:aws:iam::444444444444:root"
GITHUB = "token.actions.githubusercontent.com"
PROVIDER = f"arn:aws:iam::111111111111:oidc-provider/{GITHUB}"


def rows(*statements: dict[str, Any]) -> list[Any]:
    return list(mapping.trusts("aws:111111111111", "aws:111111111111:role/r", {"Statement": list(statements)}))


def read(*statements: dict[str, Any]) -> list[Trust]:
    return [row for row in rows(*statements) if isinstance(row, Trust)]


def allow(
    principal: object, condition: dict[str, Any] | None = None, action: object = "sts:AssumeRole"
) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Principal": principal, "Action": action}
    return statement if condition is None else statement | {"Condition": condition}


def web(condition: dict[str, Any] | None = None, provider: str = PROVIDER) -> dict[str, Any]:
    return allow({"Federated": provider}, condition, "sts:AssumeRoleWithWebIdentity")


PRINCIPALS = [
    ("*", "any", None, None),
    ({"AWS": "*"}, "any", None, None),
    ({"AWS": PARTNER}, "account", "444444444444", None),
    ({"AWS": "444444444444"}, "account", "444444444444", None),
    ({"AWS": "arn:aws-cn:iam::444444444444:root"}, "account", "444444444444", None),
    ({"AWS": "arn:aws:iam::444444444444:user/a/b"}, "identity", "444444444444", None),
    ({"AWS": "arn:aws:iam::444444444444:role/r"}, "identity", "444444444444", None),
    ({"AWS": "arn:aws:sts::444444444444:assumed-role/r/s"}, "identity", "444444444444", None),
    ({"AWS": "AROA000000000EXAMPLE"}, "unknown", None, None),
    ({"AWS": "arn:aws:iam::444444444444:role/*"}, "unknown", None, None),
    ({"CanonicalUser": "79a59df900b949e55d96a1e698fbaced"}, "unknown", None, None),
    ({"Service": "ec2.amazonaws.com"}, "service", None, None),
]


@pytest.mark.parametrize(("principal", "kind", "account", "issuer"), PRINCIPALS)
def test_a_principal_is_read_by_its_form(principal: object, kind: str, account: str | None, issuer: str | None) -> None:
    (trust,) = read(allow(principal))
    assert (trust.principal_kind, trust.account, trust.issuer) == (kind, account, issuer)
    assert trust.mechanism == ("service" if kind == "service" else "assume_role")


FEDERATIONS = [
    (PROVIDER, "sts:AssumeRoleWithWebIdentity", "oidc", "oidc", GITHUB),
    (
        "arn:aws:iam::111111111111:oidc-provider/oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE",
        "sts:*",
        "oidc",
        "oidc",
        "oidc.eks.eu-central-1.amazonaws.com/id/EXAMPLE",
    ),
    ("accounts.google.com", "sts:AssumeRoleWithWebIdentity", "oidc", "oidc", "accounts.google.com"),
    (
        "cognito-identity.amazonaws.com",
        "sts:assumerolewithwebidentity",
        "oidc",
        "oidc",
        "cognito-identity.amazonaws.com",
    ),
    ("graph.facebook.com", "sts:AssumeRoleWith*", "oidc", "oidc", "graph.facebook.com"),
    ("www.amazon.com", "*", "oidc", "oidc", "www.amazon.com"),
    ("arn:aws:iam::111111111111:saml-provider/sso", "sts:AssumeRoleWithSAML", "saml", "saml", "sso"),
    ("*", "sts:AssumeRoleWithWebIdentity", "any", "oidc", None),
]


@pytest.mark.parametrize(("text", "action", "kind", "mechanism", "issuer"), FEDERATIONS)
def test_a_federation_is_read_by_its_provider(
    text: str, action: str, kind: str, mechanism: str, issuer: str | None
) -> None:
    (trust,) = read(allow({"Federated": text}, action=action))
    assert (trust.principal_kind, trust.mechanism, trust.issuer) == (kind, mechanism, issuer)


def test_each_principal_of_each_statement_is_one_trust() -> None:
    found = read(allow({"AWS": [PARTNER, "555555555555"], "Service": "ec2.amazonaws.com"}), allow({"AWS": PARTNER}))
    assert [trust.principal for trust in found] == [PARTNER, "555555555555", "ec2.amazonaws.com", PARTNER]
    assert len({trust.trust_id for trust in found}) == 4


def test_the_same_statement_twice_is_one_trust() -> None:
    assert len(read(allow({"AWS": PARTNER}), allow({"AWS": PARTNER}))) == 1


def test_a_statement_that_stands_alone_is_read_as_a_list_of_one() -> None:
    found = mapping.trusts("aws:1", "aws:1:role/r", {"Statement": allow({"AWS": PARTNER})})
    assert [type(row) for row in found] == [Trust]


def test_a_trust_id_does_not_depend_on_the_order_of_keys() -> None:
    statement = allow({"AWS": PARTNER})
    assert read(statement)[0].trust_id == read(dict(reversed(statement.items())))[0].trust_id


@pytest.mark.parametrize(
    "action", ["sts:TagSession", ["sts:TagSession", "sts:SetSourceIdentity"], "sts:AssumeRoleWithSAML"]
)
def test_an_action_by_which_the_principal_cannot_enter_is_no_trust(action: object) -> None:
    assert read(allow({"AWS": PARTNER}, action=action)) == []


def test_allow_with_not_principal_lets_anybody_in() -> None:
    (trust,) = read({"Effect": "Allow", "NotPrincipal": {"AWS": PARTNER}, "Action": "sts:AssumeRole"})
    assert (trust.principal_kind, trust.principal) == ("any", f'NotPrincipal {{"AWS":"{PARTNER}"}}')


def deny(principal: object, condition: dict[str, Any] | None = None) -> dict[str, Any]:
    return allow(principal, condition, "sts:*") | {"Effect": "Deny"}


DENIES = [
    ("the same account", deny({"AWS": PARTNER}), []),
    ("the account written otherwise", deny({"AWS": "444444444444"}), []),
    ("everybody", deny("*"), []),
    ("everybody but another", {"Effect": "Deny", "NotPrincipal": {"AWS": "555555555555"}, "Action": "*"}, []),
    ("everybody but this one", {"Effect": "Deny", "NotPrincipal": {"AWS": PARTNER}, "Action": "*"}, [False]),
    ("another account", deny({"AWS": "555555555555"}), [False]),
    ("one role of the account", deny({"AWS": "arn:aws:iam::444444444444:role/r"}), [True]),
    ("under a condition", deny("*", {"Bool": {"aws:MultiFactorAuthPresent": "false"}}), [True]),
    ("another action", deny("*") | {"Action": "sts:TagSession"}, [False]),
]


@pytest.mark.parametrize(("name", "statement", "has_others"), DENIES)
def test_a_deny_takes_a_trust_away_or_makes_it_uncertain(
    name: str, statement: dict[str, Any], has_others: list[bool]
) -> None:
    assert [trust.has_other_conditions for trust in read(allow({"AWS": PARTNER}), statement)] == has_others


EXTERNAL_IDS = [
    (None, "none"),
    ({"StringEquals": {"sts:ExternalId": "7f0e2c5a"}}, "pinned"),
    ({"stringequals": {"STS:EXTERNALID": "7f0e2c5a"}}, "pinned"),
    ({"StringEquals": {"sts:ExternalId": ["7f0e2c5a", "3d1b"]}}, "pinned"),
    ({"StringLike": {"sts:ExternalId": "7f0e2c5a"}}, "pinned"),
    ({"ForAnyValue:StringEquals": {"sts:ExternalId": "7f0e2c5a"}}, "pinned"),
    ({"StringLike": {"sts:ExternalId": "*"}}, "weak"),
    ({"StringLike": {"sts:ExternalId": ["7f0e2c5a", "nordwind-*"]}}, "weak"),
    ({"StringEqualsIfExists": {"sts:ExternalId": "7f0e2c5a"}}, "weak"),
    ({"ForAllValues:StringEquals": {"sts:ExternalId": "7f0e2c5a"}}, "weak"),
    ({"Null": {"sts:ExternalId": "false"}}, "weak"),
    ({"Null": {"sts:ExternalId": False}}, "weak"),
    ({"StringNotEquals": {"sts:ExternalId": "7f0e2c5a"}}, "weak"),
    ({"StringEquals": {"sts:ExternalId": "${aws:PrincipalAccount}"}}, "weak"),
    ({"StringLike": {"sts:ExternalId": "*"}, "StringEquals": {"sts:ExternalId": "7f0e2c5a"}}, "pinned"),
]


@pytest.mark.parametrize(("condition", "check"), EXTERNAL_IDS)
def test_an_external_id_is_pinned_only_by_concrete_values_that_must_be_there(
    condition: dict[str, Any] | None, check: str
) -> None:
    (trust,) = read(allow({"AWS": PARTNER}, condition))
    assert (trust.external_id_check, trust.has_other_conditions) == (check, False)


SUBJECTS = [
    ({"StringEquals": {f"{GITHUB}:sub": "repo:acme/shop:ref:refs/heads/main"}}, "pinned"),
    ({"StringLike": {f"{GITHUB}:sub": "repo:acme/shop:*"}}, "pinned"),
    ({"StringLike": {f"{GITHUB}:sub": ["repo:acme/shop:*", "repo:acme/site:environment:prod"]}}, "pinned"),
    ({"StringLike": {f"{GITHUB}:sub": ["repo:acme/shop:*", "repo:acme/*"]}}, "owner"),
    ({"StringLike": {f"{GITHUB}:sub": "repo:acme/shop*"}}, "owner"),
    ({"StringLike": {f"{GITHUB}:sub": "repo:acme/*:ref:refs/heads/main"}}, "owner"),
    ({"StringLike": {f"{GITHUB}:sub": "repo:acme*/shop:*"}}, "weak"),
    ({"StringLike": {f"{GITHUB}:sub": ["repo:acme/*", "repo:*:environment:prod"]}}, "weak"),
    ({"StringLikeIfExists": {f"{GITHUB}:sub": "repo:acme/*"}}, "weak"),
    ({"StringLike": {f"{GITHUB}:sub": "repo:acme/*"}, "StringEquals": {f"{GITHUB}:ref": "refs/heads/main"}}, "owner"),
    ({"StringLike": {f"{GITHUB}:sub": "repo:*"}}, "weak"),
    ({"StringLike": {f"{GITHUB}:sub": "*:ref:refs/heads/main"}}, "weak"),
    ({"StringLike": {f"{GITHUB}:sub": "*"}}, "weak"),
    ({"StringLikeIfExists": {f"{GITHUB}:sub": "repo:acme/shop:*"}}, "weak"),
    ({"ForAllValues:StringLike": {f"{GITHUB}:sub": "repo:acme/shop:*"}}, "weak"),
    ({"ForAnyValue:StringLike": {f"{GITHUB}:sub": "repo:acme/shop:*"}}, "pinned"),
    ({"StringEquals": {f"{GITHUB}:repository": "acme/shop"}}, "pinned"),
    ({"StringLike": {f"{GITHUB}:repository": "acme/*"}}, "owner"),
    ({"StringLike": {f"{GITHUB}:job_workflow_ref": "acme/ci/.github/workflows/deploy.yml@*"}}, "pinned"),
    ({"StringLike": {f"{GITHUB}:job_workflow_ref": "acme/*"}}, "owner"),
    ({"StringEquals": {f"{GITHUB}:environment": "prod"}}, "weak"),
    ({"StringEquals": {f"{GITHUB}:ref": "refs/heads/main"}}, "weak"),
    ({"StringEquals": {f"{GITHUB}:ref": "refs/heads/main", f"{GITHUB}:repository": "acme/shop"}}, "pinned"),
    ({"StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com"}}, "none"),
    (None, "none"),
]


@pytest.mark.parametrize(("condition", "check"), SUBJECTS)
def test_a_subject_is_pinned_only_when_organization_and_repository_are_literal(
    condition: dict[str, Any] | None, check: str
) -> None:
    (trust,) = read(web(condition))
    assert (trust.subject_check, trust.has_other_conditions) == (check, False)


OTHER_SUBJECTS = [
    ("oidc.eks.eu-central-1.amazonaws.com/id/EX", "system:serviceaccount:shop:*", "pinned"),
    ("oidc.eks.eu-central-1.amazonaws.com/id/EX", "system:serviceaccount:*:api", "weak"),
    ("gitlab.example", "project_path:acme/web/shop:ref_type:branch:ref:*", "pinned"),
    ("gitlab.example", "project_path:acme/*:ref_type:branch:ref:main", "owner"),
    ("app.terraform.example", "organization:acme:project:shop:workspace:prod:run_phase:*", "pinned"),
    ("app.terraform.example", "organization:acme:project:*:workspace:prod:run_phase:*", "owner"),
    ("idp.example", "client-*", "weak"),
    ("idp.example", "client-1", "pinned"),
]


@pytest.mark.parametrize(("issuer", "subject", "check"), OTHER_SUBJECTS)
def test_subjects_of_other_issuers_are_pinned_by_their_own_shape(issuer: str, subject: str, check: str) -> None:
    provider = f"arn:aws:iam::111111111111:oidc-provider/{issuer}"
    (trust,) = read(web({"StringLike": {f"{issuer}:sub": subject}}, provider))
    assert trust.subject_check == check


AUDIENCES = [
    (None, "none"),
    ({"StringEquals": {f"{GITHUB}:aud": "sts.amazonaws.com"}}, "pinned"),
    ({"ForAnyValue:StringEquals": {f"{GITHUB.upper()}:AUD": ["sts.amazonaws.com", "acme"]}}, "pinned"),
    ({"StringLike": {f"{GITHUB}:aud": "*"}}, "weak"),
    ({"StringEqualsIfExists": {f"{GITHUB}:aud": "sts.amazonaws.com"}}, "weak"),
]


@pytest.mark.parametrize(("condition", "check"), AUDIENCES)
def test_an_audience_is_pinned_only_by_concrete_values(condition: dict[str, Any] | None, check: str) -> None:
    (trust,) = read(web(condition))
    assert trust.audience_check == check


def test_a_claim_of_another_issuer_checks_nothing_here() -> None:
    (trust,) = read(web({"StringEquals": {"idp.example:sub": "client-1"}}))
    assert (trust.subject_check, trust.has_other_conditions) == ("none", True)


NARROWINGS = [
    ({"StringEquals": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}, "aws:PrincipalOrgID", False),
    ({"StringEquals": {"AWS:principalorgid": "o-a1b2c3d4e5"}}, "aws:PrincipalOrgID", False),
    ({"StringLike": {"aws:PrincipalOrgID": "*"}}, None, False),
    ({"StringEqualsIfExists": {"aws:PrincipalOrgID": "o-a1b2c3d4e5"}}, None, True),
    ({"StringNotEquals": {"aws:PrincipalAccount": "444444444444"}}, None, True),
    ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::444444444444:role/sync-*"}}, "aws:PrincipalArn", False),
    ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::*:role/sync"}}, None, True),
    (
        {"ForAnyValue:StringLike": {"aws:PrincipalOrgPaths": "o-a1b2c3d4e5/r-ab12/*"}},
        "aws:PrincipalOrgPaths",
        False,
    ),
    ({"ForAllValues:StringLike": {"aws:PrincipalOrgPaths": "o-a1b2c3d4e5/r-ab12/*"}}, None, True),
    ({"IpAddress": {"aws:SourceIp": ["192.0.2.0/24"]}}, "aws:SourceIp", False),
    ({"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "0.0.0.0/0"]}}, None, True),
    ({"IpAddress": {"aws:SourceIp": ["0.0.0.0/1", "128.0.0.0/1"]}}, None, True),
    ({"IpAddress": {"aws:SourceIp": "2001:db8::/32"}}, "aws:SourceIp", False),
    ({"IpAddress": {"aws:SourceIp": "office"}}, None, True),
    ({"IpAddress": {"aws:VpcSourceIp": "10.0.0.0/8"}}, None, True),  # anybody's network has such addresses
    ({"StringEquals": {"aws:SourceVpce": "vpce-0a1b2c3d4e5f67890"}}, "aws:SourceVpce", False),
    ({"StringLike": {"aws:PrincipalOrgID": "o-*"}}, None, False),
    ({"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}, None, True),
    (
        {"StringEquals": {"aws:SourceAccount": "111111111111", "aws:PrincipalAccount": "444444444444"}},
        "aws:PrincipalAccount,aws:SourceAccount",
        False,
    ),
    ({"Bool": {"aws:MultiFactorAuthPresent": "true"}}, None, True),
    ({"StringEquals": {"aws:RequestTag/team": "shop"}}, None, True),
]


@pytest.mark.parametrize(("condition", "narrowed_by", "has_others"), NARROWINGS)
def test_only_positive_concrete_tests_narrow_who_may_come(
    condition: dict[str, Any], narrowed_by: str | None, has_others: bool
) -> None:
    (trust,) = read(allow("*", condition))
    assert (trust.narrowed_by, trust.has_other_conditions) == (narrowed_by, has_others)


ONLY_ACCOUNTS = [
    ({"StringEquals": {"aws:PrincipalAccount": "444444444444"}}, "444444444444"),
    ({"ArnLike": {"aws:PrincipalArn": "arn:aws:iam::444444444444:role/sync-*"}}, "444444444444"),
    ({"StringEquals": {"aws:PrincipalAccount": ["444444444444", "555555555555"]}}, None),
    ({"StringNotEquals": {"aws:PrincipalAccount": "444444444444"}}, None),
    ({"StringEqualsIfExists": {"aws:PrincipalAccount": "444444444444"}}, None),
    ({"StringEquals": {"aws:SourceAccount": "444444444444"}}, None),
    (None, None),
]


@pytest.mark.parametrize(("condition", "account"), ONLY_ACCOUNTS)
def test_anybody_narrowed_to_one_account_is_of_that_account(condition: dict[str, Any] | None, account: str) -> None:
    (trust,) = read(allow("*", condition))
    assert (trust.principal_kind, trust.account) == ("any", account)


def test_an_external_id_does_not_narrow_a_public_principal() -> None:
    (trust,) = read(allow("*", {"StringEquals": {"sts:ExternalId": "7f0e2c5a"}}))
    assert trust.narrowed_by is None


def test_conditions_are_one_row_a_value() -> None:
    found = rows(allow({"AWS": PARTNER}, {"StringLike": {"sts:ExternalId": ["a1", "b*"]}, "Bool": {"aws:X": True}}))
    conditions = [row for row in found if isinstance(row, TrustCondition)]
    assert [(row.operator, row.name, row.value) for row in conditions] == [
        ("StringLike", "sts:ExternalId", "a1"),
        ("StringLike", "sts:ExternalId", "b*"),
        ("Bool", "aws:X", "true"),
    ]
