from __future__ import annotations

import json
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from nhiscan.resolve.aws_actions import Catalogue, catalogue
from nhiscan.resolve.aws_conditions import Context
from nhiscan.resolve.aws_policy import Document, parse
from nhiscan.resolve.aws_request import Decision, Layers, Outcome, Principal, Request, decide
from tests.oracle.cases import Case, Maker, every_key

OURS = "111111111111"
THEIRS = "222222222222"
ANN = Principal("user", f"arn:aws:iam::{OURS}:user/ann", OURS)
READER = Principal("role", f"arn:aws:iam::{OURS}:role/reader", OURS)
SESSION = Principal("session", f"arn:aws:sts::{OURS}:assumed-role/reader/nightly", OURS, READER.arn)
STRANGER = Principal("role", f"arn:aws:iam::{THEIRS}:role/partner", THEIRS)
LAMBDA = Principal("service", "lambda.amazonaws.com")
ANYBODY = Principal("anonymous")
DEPLOY = f"arn:aws:iam::{OURS}:role/deploy"
FILE = "arn:aws:s3:::acme-data/reports/q1.csv"
KEY = f"arn:aws:kms:eu-west-1:{OURS}:key/11111111-2222-3333-4444-555555555555"
FULL = Context(is_complete=True)


def actions() -> Catalogue:
    return catalogue()


def document(*statements: dict[str, Any]) -> Document:
    filled = [{"Effect": "Allow", "Resource": "*"} | statement for statement in statements]
    return parse(json.dumps({"Version": "2012-10-17", "Statement": filled}), actions())


def allow(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> Document:
    return document({"Action": action, "Resource": resource} | more)


def deny(action: str | list[str], resource: str | list[str] = "*", **more: Any) -> Document:
    return document({"Effect": "Deny", "Action": action, "Resource": resource} | more)


def trust(principal: Any, **more: Any) -> Document:
    statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal} | more
    return parse(json.dumps({"Version": "2012-10-17", "Statement": statement}), actions())


ALL = allow("*")


def decided(
    action: str,
    resource: str,
    layers: Layers,
    *,
    principal: Principal = ANN,
    account: str | None = OURS,
    context: Context = FULL,
) -> Decision:
    return decide(Request(action, resource, principal, account, context), layers, actions())


def outcome(decision: Decision) -> tuple[Outcome, str]:
    return decision.outcome, decision.layer


def test_what_nothing_allows_is_denied() -> None:
    found = decided("s3:GetObject", FILE, Layers((allow("ec2:*"),)))
    assert outcome(found) == ("deny", "identity")
    assert not found.is_explicit


def test_the_statement_that_allows_is_named() -> None:
    found = decided("s3:getobject", FILE, Layers((allow("s3:Get*", "arn:aws:s3:::acme-data/*"),)))
    assert outcome(found) == ("allow", "identity")
    assert found.statement is not None
    assert '"s3:Get*"' in found.statement.text


@pytest.mark.parametrize(
    ("layer", "layers"),
    [
        ("identity", Layers((ALL, deny("s3:*")))),
        ("boundary", Layers((ALL,), boundary=document({"Action": "*"}, {"Effect": "Deny", "Action": "s3:*"}))),
        ("resource", Layers((ALL,), resource=deny("s3:*", Principal="*"))),
        ("scp level 2", Layers((ALL,), scps=((ALL,), (ALL, deny("s3:*"))))),
        ("rcp level 1", Layers((ALL,), rcps=((deny("s3:*", Principal="*"),),))),
        ("endpoint", Layers((ALL,), endpoint=(allow("*", Principal="*"), deny("s3:*", Principal="*")))),
    ],
)
def test_a_deny_in_any_layer_wins(layer: str, layers: Layers) -> None:
    found = decided("s3:GetObject", FILE, layers)
    assert outcome(found) == ("deny", layer)
    assert found.is_explicit
    assert found.statement is not None


@pytest.mark.parametrize(
    ("layer", "layers"),
    [
        ("boundary", Layers((ALL,), boundary=allow("ec2:*"))),
        ("scp level 1", Layers((ALL,), scps=((allow("ec2:*"),), (ALL,)))),
        ("scp level 2", Layers((ALL,), scps=((ALL,), ()))),
        ("endpoint", Layers((ALL,), endpoint=(allow("ec2:*", Principal="*"),))),
    ],
)
def test_every_layer_has_to_allow(layer: str, layers: Layers) -> None:
    found = decided("s3:GetObject", FILE, layers)
    assert (*outcome(found), found.is_explicit) == ("deny", layer, False)


@pytest.mark.parametrize(
    ("statement", "action", "expected"),
    [
        ({"NotAction": "iam:*"}, "s3:GetObject", "allow"),
        ({"NotAction": ["iam:*", "s3:Get*"]}, "s3:GetObject", "deny"),
        ({"NotAction": "iam:*"}, "iam:PassRole", "deny"),
        ({"NotAction": "S3:GETOBJECT"}, "s3:GetObject", "deny"),
    ],
)
def test_not_action_is_everything_else(statement: dict[str, Any], action: str, expected: Outcome) -> None:
    resource = FILE if action.startswith("s3:") else DEPLOY
    assert decided(action, resource, Layers((document(statement),))).outcome == expected


def test_a_deny_of_not_action_leaves_only_those() -> None:
    layers = Layers((ALL, document({"Effect": "Deny", "NotAction": "s3:*"})))
    assert decided("s3:GetObject", FILE, layers).outcome == "allow"
    assert decided("iam:PassRole", DEPLOY, layers).is_explicit


PASS = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}


@pytest.mark.parametrize(
    ("resource", "context", "expected"),
    [
        (DEPLOY, Context({"iam:PassedToService": ("lambda.amazonaws.com",)}), "allow"),
        (DEPLOY, Context({"iam:PassedToService": ("ec2.amazonaws.com",)}), "deny"),
        (DEPLOY, FULL, "deny"),
        (DEPLOY, Context(), "conditional"),
        (f"{DEPLOY}-other", Context({"iam:PassedToService": ("lambda.amazonaws.com",)}), "deny"),
    ],
)
def test_pass_role_depends_on_role_and_service(resource: str, context: Context, expected: Outcome) -> None:
    layers = Layers((allow("iam:PassRole", DEPLOY, Condition=PASS),))
    assert decided("iam:PassRole", resource, layers, context=context).outcome == expected


@pytest.mark.parametrize(
    ("principal", "identity", "principals", "expected"),
    [
        (ANN, ALL, {"AWS": ANN.arn}, ("allow", "identity")),
        (ANN, None, {"AWS": ANN.arn}, ("allow", "resource")),
        (ANN, ALL, {"AWS": OURS}, ("allow", "identity")),
        (ANN, None, {"AWS": OURS}, ("deny", "identity")),
        (ANN, ALL, {"Service": "lambda.amazonaws.com"}, ("deny", "resource")),
        (READER, None, {"AWS": READER.arn}, ("allow", "resource")),
        (SESSION, None, {"AWS": READER.arn}, ("allow", "resource")),
        (SESSION, None, {"AWS": SESSION.arn}, ("allow", "resource")),
        (READER, None, {"AWS": SESSION.arn}, ("conditional", "resource")),
        (STRANGER, ALL, {"AWS": THEIRS}, ("allow", "identity")),
        (STRANGER, ALL, {"AWS": STRANGER.arn}, ("allow", "identity")),
        (STRANGER, None, {"AWS": STRANGER.arn}, ("deny", "identity")),
        (STRANGER, ALL, {"AWS": OURS}, ("deny", "resource")),
        (STRANGER, ALL, "*", ("allow", "identity")),
        (STRANGER, None, "*", ("deny", "identity")),
        (LAMBDA, None, {"Service": ["ec2.amazonaws.com", "lambda.amazonaws.com"]}, ("allow", "resource")),
        (LAMBDA, None, {"Service": "ec2.amazonaws.com"}, ("deny", "resource")),
    ],
)
def test_assuming_a_role_takes_both_sides(
    principal: Principal, identity: Document | None, principals: Any, expected: tuple[Outcome, str]
) -> None:
    layers = Layers((identity,) if identity else (), resource=trust(principals))
    assert outcome(decided("sts:AssumeRole", DEPLOY, layers, principal=principal)) == expected


def test_without_trust_no_role_is_assumed() -> None:
    assert decided("sts:AssumeRole", DEPLOY, Layers((ALL,))).outcome == "deny"


EXTERNAL = {"StringEquals": {"sts:ExternalId": "partner-1"}}


@pytest.mark.parametrize(
    ("context", "expected"),
    [
        (Context({"sts:ExternalId": ("partner-1",)}, is_complete=True), "allow"),
        (Context({"sts:ExternalId": ("partner-2",)}, is_complete=True), "deny"),
        (FULL, "deny"),
        (Context(), "conditional"),
    ],
)
def test_an_external_id_has_to_be_the_agreed_one(context: Context, expected: Outcome) -> None:
    layers = Layers((ALL,), resource=trust({"AWS": STRANGER.arn}, Condition=EXTERNAL))
    found = decided("sts:AssumeRole", DEPLOY, layers, principal=STRANGER, context=context)
    assert found.outcome == expected
    assert found.keys == ({"sts:externalid"} if expected == "conditional" else set())


def test_a_wildcard_trust_lets_every_account_in_also_with_an_external_id() -> None:
    layers = Layers((ALL,), resource=trust({"AWS": "*"}, Condition=EXTERNAL))
    context = Context({"sts:ExternalId": ("partner-1",)}, is_complete=True)
    assert decided("sts:AssumeRole", DEPLOY, layers, principal=STRANGER, context=context).outcome == "allow"


def test_a_deny_between_wildcard_trust_and_stranger_holds() -> None:
    statements = [
        {"Effect": "Allow", "Principal": "*", "Action": "sts:AssumeRole"},
        {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sts:AssumeRole",
            "Condition": {"StringNotEquals": {"aws:PrincipalAccount": OURS}},
        },
    ]
    read = parse(json.dumps({"Version": "2012-10-17", "Statement": statements}), actions())
    found = decided("sts:AssumeRole", DEPLOY, Layers((ALL,), resource=read), principal=STRANGER, context=Context())
    assert (found.outcome, found.layer, found.is_explicit) == ("deny", "resource", True)


@pytest.mark.parametrize(
    ("principal", "principals", "expected"),
    [
        (ANN, {"AWS": ANN.arn}, "allow"),
        (ANN, "*", "allow"),
        (SESSION, {"AWS": SESSION.arn}, "allow"),
        (SESSION, {"AWS": READER.arn}, "deny"),
        (READER, {"AWS": READER.arn}, "deny"),
        (ANN, {"AWS": OURS}, "deny"),
    ],
)
def test_a_boundary_limits_what_is_given_to_role_and_account_and_not_what_is_given_to_the_caller(
    principal: Principal, principals: Any, expected: Outcome
) -> None:
    layers = Layers((ALL,), boundary=allow("ec2:*"), resource=allow("s3:*", Principal=principals))
    assert decided("s3:GetObject", FILE, layers, principal=principal).outcome == expected


def test_across_accounts_a_boundary_always_limits() -> None:
    layers = Layers((ALL,), boundary=allow("ec2:*"), resource=allow("s3:*", Principal={"AWS": STRANGER.arn}))
    assert outcome(decided("s3:GetObject", FILE, layers, principal=STRANGER)) == ("deny", "boundary")


def test_whose_resource_it_is_stays_open_when_nobody_knows() -> None:
    found = decided("s3:GetObject", FILE, Layers((ALL,)), account=None)
    assert (found.outcome, {*found.keys}) == ("conditional", {"aws:resourceaccount"})


def test_a_key_policy_has_to_hand_over_to_the_account() -> None:
    handed = allow("kms:*", Principal={"AWS": OURS})
    assert decided("kms:Decrypt", KEY, Layers((ALL,), resource=handed)).outcome == "allow"
    assert decided("kms:Decrypt", KEY, Layers((ALL,), resource=trust({"AWS": OURS}))).outcome == "deny"


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ([ANN.arn, OURS], "allow"),
        ([ANN.arn], "conditional"),
        ([f"arn:aws:iam::{OURS}:user/bob"], "deny"),
    ],
)
def test_not_principal_spares_whom_it_names_in_full(listed: list[str], expected: Outcome) -> None:
    statement = {"Effect": "Deny", "Action": "*", "NotPrincipal": {"AWS": listed}}
    assert decided("s3:GetObject", FILE, Layers((ALL,), resource=document(statement))).outcome == expected


def test_not_principal_denies_everybody_with_a_boundary() -> None:
    statement = {"Effect": "Deny", "Action": "*", "NotPrincipal": {"AWS": [ANN.arn, OURS]}}
    layers = Layers((ALL,), boundary=ALL, resource=document(statement))
    assert decided("s3:GetObject", FILE, layers).is_explicit


def test_the_management_account_is_bound_by_no_scp() -> None:
    layers = Layers((ALL,), scps=((deny("*"),),))
    request = Request("s3:GetObject", FILE, ANN, OURS, FULL)
    assert decide(request, layers, actions()).outcome == "deny"
    assert decide(replace(request, is_management_account=True), layers, actions()).outcome == "allow"


def test_its_resources_are_bound_by_no_rcp() -> None:
    layers = Layers((ALL,), rcps=((deny("s3:*", Principal="*"),),))
    request = Request("s3:GetObject", FILE, ANN, OURS, FULL)
    assert decide(request, layers, actions()).outcome == "deny"
    assert decide(replace(request, is_resource_in_management_account=True), layers, actions()).outcome == "allow"


def test_service_linked_roles_are_bound_by_neither() -> None:
    linked = Principal("role", f"arn:aws:iam::{OURS}:role/aws-service-role/x.amazonaws.com/X", OURS)
    layers = Layers((ALL,), scps=((deny("*"),),), rcps=((deny("s3:*", Principal="*"),),))
    assert decided("s3:GetObject", FILE, layers, principal=linked).outcome == "allow"


def test_an_rcp_without_an_allow_stops_nothing() -> None:
    assert decided("s3:GetObject", FILE, Layers((ALL,), rcps=((), (deny("sqs:*", Principal="*"),)))).outcome == "allow"


def test_an_rcp_reaches_a_service_that_it_names_or_that_is_known_to_take_part() -> None:
    layers = Layers((ALL,), rcps=((document({"Effect": "Deny", "NotAction": "sqs:*", "Principal": "*"}),),))
    assert decided("s3:GetObject", FILE, layers).outcome == "deny"
    assert decided("iam:PassRole", DEPLOY, layers).outcome == "allow"


def test_anybody_is_let_in_by_a_resource_alone() -> None:
    public = Layers(resource=allow("s3:GetObject", Principal="*"))
    assert outcome(decided("s3:GetObject", FILE, public, principal=ANYBODY)) == ("allow", "resource")
    private = Layers(resource=allow("s3:GetObject", Principal={"AWS": OURS}))
    assert decided("s3:GetObject", FILE, private, principal=ANYBODY).outcome == "deny"


def test_root_needs_no_policy_and_is_bound_by_scps() -> None:
    root = Principal("root", f"arn:aws:iam::{OURS}:root", OURS)
    assert decided("s3:GetObject", FILE, Layers(), principal=root).outcome == "allow"
    assert decided("s3:GetObject", FILE, Layers(scps=((deny("s3:*"),),)), principal=root).outcome == "deny"


def test_a_confused_deputy_is_kept_out_by_the_source_account() -> None:
    only_ours = {"StringEquals": {"aws:SourceAccount": OURS}}
    layers = Layers(resource=allow("s3:PutObject", Principal={"Service": "lambda.amazonaws.com"}, Condition=only_ours))
    for context, expected in (
        (Context({"aws:SourceAccount": (OURS,)}), "allow"),
        (Context({"aws:SourceAccount": (THEIRS,)}), "deny"),
        (Context(), "conditional"),
    ):
        assert decided("s3:PutObject", FILE, layers, principal=LAMBDA, context=context).outcome == expected


def test_what_acts_on_no_resource_meets_only_the_star() -> None:
    assert decided("s3:ListAllMyBuckets", "*", Layers((allow("s3:*"),))).outcome == "allow"
    assert decided("s3:ListAllMyBuckets", "*", Layers((allow("s3:*", "arn:aws:s3:::*"),))).outcome == "deny"


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("arn:aws:s3:::acme-data/reports/q1.csv", "allow"),
        ("arn:aws:s3:::acme-*.csv", "allow"),
        ("arn:aws:s3*", "allow"),
        ("arn:aws:*/q1.csv", "deny"),
        ("arn:aws:s3:::ACME-data/*", "deny"),
        ("arn:aws:s3:::${aws:username}-data/*", "deny"),
        ("arn:aws:s3:::${aws:PrincipalTag/team, 'acme'}-data/*", "allow"),
        ("arn:aws:s3:::${aws:PrincipalTag/team}-data/*", "deny"),
        ("arn:aws:${aws:PrincipalTag/team, 's3'}:::acme-data/*", "deny"),
    ],
)
def test_a_resource_pattern_meets_as_aws_says(pattern: str, expected: Outcome) -> None:
    assert decided("s3:GetObject", FILE, Layers((allow("s3:*", pattern),))).outcome == expected


def test_not_resource_with_a_variable_that_has_no_value_means_nothing() -> None:
    statement = {"Effect": "Allow", "Action": "s3:*", "NotResource": "arn:aws:s3:::${aws:PrincipalTag/team}/*"}
    read = parse(json.dumps({"Version": "2012-10-17", "Statement": statement}), actions())
    assert decided("s3:GetObject", FILE, Layers((read,))).outcome == "deny"


def test_some_resource_of_a_pattern_stays_open_where_only_a_part_is_meant() -> None:
    some = "arn:aws:s3:::acme-*/*"
    assert decided("s3:GetObject", some, Layers((allow("s3:*", "arn:aws:s3:::*"),))).outcome == "allow"
    found = decided("s3:GetObject", some, Layers((allow("s3:*", "arn:aws:s3:::acme-data/*"),)))
    assert (found.outcome, {*found.keys}) == ("conditional", {"resource"})
    assert decided("s3:GetObject", some, Layers((ALL, deny("s3:*", FILE)))).outcome == "conditional"
    assert decided("s3:GetObject", some, Layers((allow("s3:*", "arn:aws:s3:::other/*"),))).outcome == "deny"


def test_who_i_am_may_always_be_asked() -> None:
    assert decided("sts:GetCallerIdentity", "*", Layers((deny("*"),))).outcome == "allow"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("iam:CreatePolicyVersion", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
        ("iam:PutRolePolicy", f"arn:aws:iam::{OURS}:role/aws-service-role/x.amazonaws.com/X"),
        ("iam:UpdateAssumeRolePolicy", f"arn:aws:iam::{OURS}:role/aws-reserved/sso.amazonaws.com/X"),
        ("kms:DeleteAlias", f"arn:aws:kms:eu-west-1:{OURS}:alias/aws/s3"),
    ],
)
def test_what_is_aws_own_is_changed_by_nobody(action: str, resource: str) -> None:
    assert outcome(decided(action, resource, Layers((ALL,)))) == ("deny", "refused by AWS")


@pytest.mark.parametrize(
    "layers",
    [
        Layers((ALL, parse("{", actions()))),
        Layers((parse("{", actions()),)),
        Layers((ALL,), boundary=parse("{", actions())),
        Layers((ALL,), resource=parse("{", actions())),
        Layers((ALL,), scps=((ALL,), (parse("{", actions()),))),
        Layers((ALL,), rcps=((parse("{", actions()),),)),
    ],
)
def test_a_policy_that_could_not_be_read_leaves_it_open(layers: Layers) -> None:
    found = decided("s3:GetObject", FILE, layers)
    assert (found.outcome, {*found.keys}) == ("conditional", {"unreadable policy"})


def test_what_is_denied_anyway_does_not_wait_for_an_unreadable_policy() -> None:
    assert decided("s3:GetObject", FILE, Layers((deny("*"), parse("{", actions())))).outcome == "deny"


# Whatever the policies are

SEED = 7
SOME = 300


def cases() -> list[Case]:
    maker = Maker(SEED)
    return [maker.case() for _ in range(SOME)]


def answer(case: Case, layers: Layers, hidden: frozenset[str] = frozenset()) -> Outcome:
    return decide(case.request(hidden), layers, actions()).outcome


def test_one_more_deny_never_allows_more() -> None:
    for case, other in zip(cases(), reversed(cases()), strict=True):
        layers = case.layers(actions())
        denies = [deny_of(policy) for policy in other.identity]
        assert not allows_more(case, replace(layers, identity=[*layers.identity, *denies]), than=layers)


def deny_of(policy: dict[str, Any]) -> Document:
    statements = [statement | {"Effect": "Deny"} for statement in policy["Statement"]]
    return parse(json.dumps({"Version": "2012-10-17", "Statement": statements}), actions())


def test_a_boundary_never_allows_more() -> None:
    for case, other in zip(cases(), reversed(cases()), strict=True):
        layers = replace(case.layers(actions()), boundary=None)
        for boundary in other.layers(actions()).identity:
            assert not allows_more(case, replace(layers, boundary=boundary), than=layers)


def allows_more(case: Case, layers: Layers, *, than: Layers) -> bool:
    order: list[Outcome] = ["deny", "conditional", "allow"]
    return order.index(answer(case, layers)) > order.index(answer(case, than))


def test_the_order_of_policies_means_nothing() -> None:
    for case in cases():
        layers = case.layers(actions())
        turned = replace(
            layers,
            identity=layers.identity[::-1],
            scps=[level[::-1] for level in layers.scps][::-1],
            rcps=layers.rcps[::-1],
        )
        assert answer(case, layers) == answer(case, turned)


def test_knowing_more_never_turns_a_decision_around() -> None:
    random = Random(SEED)
    for case in cases():
        layers = case.layers(actions())
        names = [key.name for key in every_key(case.action)]
        few = frozenset(random.sample(names, k=3))
        many = few | frozenset(random.sample(names, k=6))
        known, less, least = answer(case, layers), answer(case, layers, few), answer(case, layers, many)
        assert less in (known, "conditional")
        assert least in (less, "conditional")
