"""Sets of targets say of each what the evaluator of single requests says of it alone."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from nhiscan.resolve import aws_request, globs
from nhiscan.resolve.aws_actions import catalogue
from nhiscan.resolve.aws_conditions import Context
from nhiscan.resolve.aws_policy import Document, parse
from nhiscan.resolve.aws_targets import Question, Rights, Targets, somewhere
from tests.resolve.aws_estate import A, B, allow, arn, deny

ROLES = [arn(f"role/{name}") for name in ("app-1", "app-2", "app-prod", "admin", "path/app-1", "data-prod")]
ACTION = "iam:PutRolePolicy"
CALLER = arn("user/bot")
ESTATES = 300

ACTIONS = ["iam:PutRolePolicy", "iam:*", "*", "iam:Put*", "iam:PassRole", "s3:*"]
RESOURCES = [
    *ROLES,
    "*",
    arn("role/*"),
    arn("role/app-*"),
    arn("role/*prod"),
    arn("role/app-?"),
    arn("role/*/app-1"),
    arn("role/*", B),
    "arn:aws:iam::*:role/app*",
    "arn:aws:iam::*:user/*",
    "arn:aws:iam::*:role/${aws:username}*",
    "arn:aws:s3:::*",
]
CONDITIONS: list[dict[str, Any]] = [
    {"Bool": {"aws:MultiFactorAuthPresent": "true"}},
    {"StringEquals": {"aws:PrincipalAccount": A}},
    {"StringNotEquals": {"aws:PrincipalAccount": A}},
    {"StringLike": {"aws:RequestedRegion": "eu-*"}},
]
KNOWN = {"aws:principalaccount": (A,)}


def document(rng: random.Random, *, most: int = 3) -> Document:
    statements = []
    for _ in range(rng.randint(1, most)):
        statement: dict[str, Any] = {"Effect": rng.choice(["Allow", "Allow", "Allow", "Deny"])}
        statement[rng.choice(["Action"] * 5 + ["NotAction"])] = rng.sample(ACTIONS, rng.randint(1, 2))
        statement[rng.choice(["Resource"] * 4 + ["NotResource"])] = rng.sample(RESOURCES, rng.randint(1, 3))
        if rng.random() < 0.25:
            statement["Condition"] = rng.choice(CONDITIONS)
        statements.append(statement)
    version = rng.choice(["2012-10-17"] * 4 + ["2008-10-17"])
    return parse(json.dumps({"Version": version, "Statement": statements}), catalogue())


def rights(rng: random.Random) -> Rights:
    levels = [tuple(document(rng) for _ in range(rng.randint(1, 2))) for _ in range(rng.randint(0, 2))]
    return Rights(
        tuple(document(rng) for _ in range(rng.randint(1, 3))),
        document(rng) if rng.random() < 0.3 else None,
        tuple(levels) if rng.random() < 0.4 else (),
        is_user=True,
    )


def one_by_one(held: Rights, target: str) -> str:
    layers = aws_request.Layers(identity=held.documents, boundary=held.boundary, scps=held.levels)
    principal = aws_request.Principal("user", CALLER, A)
    context = Context({"aws:PrincipalAccount": (A,)})
    request = aws_request.Request(ACTION, target, principal, A, context)
    return aws_request.decide(request, layers, catalogue()).outcome


@pytest.fixture(scope="module")
def compared() -> list[tuple[str, str, Rights, str]]:
    """(set of targets, single request, what was asked) of every target of every estate."""
    rng = random.Random(20260131)
    targets = Targets(ROLES)
    found = []
    for _ in range(ESTATES):
        held = rights(rng)
        answer = Question(targets, catalogue().actions(ACTION), KNOWN).answer(held)
        for target in ROLES:
            bit = targets.bit(target)
            said = "allow" if answer.definite & bit else "conditional" if answer.within(bit) else "deny"
            found.append((said, one_by_one(held, target), held, target))
    return found


def test_what_is_sure_is_what_single_requests_say(compared: list[tuple[str, str, Rights, str]]) -> None:
    sure = [(said, single, held, target) for said, single, held, target in compared if said != "conditional"]
    assert [each for each in sure if each[0] != each[1]] == []


def test_what_is_open_is_open_for_single_requests_but_where_a_name_fills_a_variable(
    compared: list[tuple[str, str, Rights, str]],
) -> None:
    def texts(held: Rights) -> str:
        return " ".join(statement.text for each in held.every() for statement in each.statements)

    unfilled = [each for each in compared if each[0] == "conditional" and "${" not in texts(each[2])]
    assert [each for each in unfilled if each[1] != "conditional"] == []


def test_every_outcome_occurs(compared: list[tuple[str, str, Rights, str]]) -> None:
    for outcome in ("allow", "deny", "conditional"):
        assert sum(said == outcome for said, *_ in compared) > ESTATES // 10


PATTERNS = [
    "*",
    arn("role/*"),
    arn("role/app-*"),
    "arn:aws:iam::*:role/app-1",
    "arn:*:role/*1",
    arn("role/app-??????"),
    "x*",
]


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_pattern_meets_what_it_matches(pattern: str) -> None:
    targets = Targets([*ROLES, arn("role/app-1", B)])
    assert targets.members(targets.matching(pattern)) == [each for each in targets.arns if globs.matches(pattern, each)]


SOMEWHERE: dict[str, tuple[list[dict[str, Any]], dict[str, Any] | None, str | None]] = {
    "allowed": ([allow("lambda:CreateFunction")], None, "definite"),
    "on what is no function": ([allow("lambda:CreateFunction", "arn:aws:s3:::*")], None, None),
    "denied": ([allow("lambda:*"), deny("lambda:Create*")], None, None),
    "denied on some": ([allow("lambda:*"), deny("lambda:*", "arn:aws:lambda:*:*:function:prod-*")], None, "definite"),
    "denied on all that is allowed": (
        [
            allow("lambda:*", "arn:aws:lambda:*:*:function:prod-*"),
            deny("lambda:*", "arn:aws:lambda:*:*:function:*"),
        ],
        None,
        None,
    ),
    "denied under a condition": ([allow("lambda:*"), deny("*", Condition=CONDITIONS[0])], None, "potential"),
    "under a condition": ([allow("lambda:*", Condition=CONDITIONS[0])], None, "conditional"),
    "within a boundary": ([allow("lambda:*")], allow("*"), "definite"),
    "on a part that the boundary leaves": (
        [allow("lambda:*")],
        allow("lambda:*", "arn:aws:lambda:*:*:function:dev-*"),
        "definite",
    ),
    "outside of the boundary": ([allow("lambda:*")], allow("s3:*"), None),
    "everything but this is denied": (
        [allow("lambda:*"), {"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::*"}],
        None,
        None,
    ),
}


@pytest.mark.parametrize("name", SOMEWHERE)
def test_an_action_on_something_that_the_caller_chooses(name: str) -> None:
    statements, boundary, expected = SOMEWHERE[name]
    actions = catalogue()
    held = Rights(
        tuple(parse(json.dumps({"Version": "2012-10-17", "Statement": s}), actions) for s in statements),
        parse(json.dumps({"Statement": boundary}), actions) if boundary else None,
    )
    assert somewhere(held, actions.actions("lambda:CreateFunction"), actions, {}) == expected
