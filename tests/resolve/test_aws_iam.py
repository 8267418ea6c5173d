"""Labelled cases of effective privilege; policies are written the way AWS stores them."""

from __future__ import annotations

import json
import random
import time
from itertools import product
from typing import Any

import pytest

from nhiscan.resolve.aws_actions import catalogue
from nhiscan.resolve.aws_iam import Holder, evaluate, limit
from nhiscan.resolve.aws_policy import Document, parse
from nhiscan.resolve.privilege_rows import Privilege
from nhiscan.resolve.verbs import CERTAINTIES, SCOPES, VERBS

ROLE = Holder(is_user=False)
USER = Holder(is_user=True)
ACCOUNT = "111111111111"

Json = dict[str, Any]
Row = tuple[str, str, str, int | None]


def allow(action: Any, resource: Any = "*", **more: Any) -> Json:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> Json:
    return {"Effect": "Deny", "Action": action, "Resource": resource, **more}


def policy(*statements: Json) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def read(text: str | None) -> Document:
    return parse(text, catalogue())


def privileges(*policies: str | None, boundary: str | None = None, holder: Holder = ROLE) -> list[Privilege]:
    limits = limit(catalogue(), boundary=None if boundary is None else read(boundary))
    return evaluate([read(text) for text in policies], limits, holder, catalogue())


def summary(
    *policies: str | None, boundary: str | None = None, holder: Holder = ROLE
) -> set[tuple[str, str, str, int | None]]:
    return {(p.verb, p.scope, p.certainty, p.level) for p in privileges(*policies, boundary=boundary, holder=holder)}


def admin(*policies: str | None, boundary: str | None = None) -> str:
    """The certainty of being an administrator, or "no"."""
    found = [p.certainty for p in privileges(*policies, boundary=boundary) if p.verb == "admin"]
    assert len(found) < 2
    return found[0] if found else "no"


ADMIN = policy(allow("*"))
IN_2030 = {"DateGreaterThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}}
MFA_MISSING = {"BoolIfExists": {"aws:MultiFactorAuthPresent": "false"}}
CORE = list(
    {
        "iam:AttachUserPolicy",
        "iam:AttachRolePolicy",
        "iam:PutUserPolicy",
        "iam:PutRolePolicy",
        "iam:CreateUser",
        "iam:CreateAccessKey",
        "s3:GetObject",
        "s3:PutObject",
        "ec2:RunInstances",
        "kms:Decrypt",
        "sts:AssumeRole",
    }
)

ADMIN_CASES = {
    "allow everything": ([ADMIN], None, "definite"),
    "allow everything, spelled *:*": ([policy(allow("*:*"))], None, "definite"),
    "allow everything in other letters": (
        [policy(allow(["IAM:*", "S3:*", "EC2:*", "kms:*", "STS:*"]))],
        None,
        "definite",
    ),
    "core spread over two policies": ([policy(allow(CORE[:5])), policy(allow(CORE[5:]))], None, "definite"),
    "allow everything but billing": (
        [policy({"Effect": "Allow", "NotAction": "aws-portal:*", "Resource": "*"})],
        None,
        "definite",
    ),
    "allow everything but iam": ([policy({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"})], None, "no"),
    "deny in the same policy": ([policy(allow("*"), deny("iam:*"))], None, "no"),
    "deny in another policy": ([ADMIN, policy(deny("iam:*"))], None, "no"),
    "deny in another policy, read first": ([policy(deny("iam:*")), ADMIN], None, "no"),
    "deny of one core action": ([ADMIN, policy(deny("kms:Decrypt"))], None, "no"),
    "deny of everything but reading": (
        [ADMIN, policy({"Effect": "Deny", "NotAction": ["s3:Get*", "s3:List*"], "Resource": "*"})],
        None,
        "no",
    ),
    "deny of what no administrator needs": ([ADMIN, policy(deny("aws-portal:*"))], None, "definite"),
    "deny on the same list of resources": (
        [
            policy(allow("iam:*", f"arn:aws:iam::{ACCOUNT}:*"), allow(["s3:*", "ec2:*", "kms:*", "sts:*"])),
            policy(deny("iam:*", f"arn:aws:iam::{ACCOUNT}:*")),
        ],
        None,
        "no",
    ),
    "deny on a few resources": ([ADMIN, policy(deny("s3:*", "arn:aws:s3:::audit/*"))], None, "definite"),
    "deny on a few resources under a condition": (
        [ADMIN, policy(deny("iam:*", "arn:aws:iam::*:role/guard-*", Condition=MFA_MISSING))],
        None,
        "definite",
    ),
    "deny on every resource of a kind, under a condition": (
        [ADMIN, policy(deny("iam:*", "arn:aws:iam::*:role/*", Condition=MFA_MISSING))],
        None,
        "potential",
    ),
    "deny on every resource of a kind": ([ADMIN, policy(deny("iam:*", "arn:aws:iam::*:role/*"))], None, "potential"),
    "deny that is scoped to another service's resource": (
        [ADMIN, policy(deny("*", "arn:aws:cloudtrail:*:*:trail/audit"))],
        None,
        "definite",
    ),
    "deny without MFA": ([ADMIN, policy(deny("*", Condition=MFA_MISSING))], None, "potential"),
    "deny of everything but some resources": (
        [ADMIN, policy({"Effect": "Deny", "Action": "*", "NotResource": "arn:aws:s3:::inbox/*"})],
        None,
        "no",
    ),
    "satisfiable condition": ([policy(allow("*", Condition=IN_2030))], None, "conditional"),
    "one part conditional": (
        [policy(allow(CORE[:5])), policy(allow(CORE[5:], Condition=IN_2030))],
        None,
        "conditional",
    ),
    "empty condition block": ([policy(allow("*", Condition={}))], None, "definite"),
    "scoped to something unrelated": ([policy(allow("*", "arn:aws:s3:::inbox/*"))], None, "no"),
    "everything but one resource": (
        [policy({"Effect": "Allow", "Action": "*", "NotResource": "arn:aws:s3:::audit"})],
        None,
        "potential",
    ),
    "boundary without iam": ([ADMIN], policy(allow(["s3:*", "ec2:*"])), "no"),
    "boundary that allows everything": ([ADMIN], ADMIN, "definite"),
    "boundary with a deny": ([ADMIN], policy(allow("*"), deny("iam:*")), "no"),
    "boundary under a condition": ([ADMIN], policy(allow("*", Condition=IN_2030)), "potential"),
    "boundary scoped": (
        [ADMIN],
        policy(allow("*", "arn:aws:iam::*:user/app-*"), allow(["s3:*", "ec2:*", "kms:*", "sts:*"])),
        "no",
    ),
    "boundary alone gives nothing": ([], ADMIN, "no"),
    "read only": ([policy(allow(["s3:Get*", "s3:List*", "ec2:Describe*"]))], None, "no"),
    "a policy beside it that cannot be read": ([ADMIN, "{"], None, "potential"),
}


@pytest.mark.parametrize("name", ADMIN_CASES)
def test_administrators_are_told_from_decoys(name: str) -> None:
    policies, boundary, expected = ADMIN_CASES[name]
    assert admin(*policies, boundary=boundary) == expected


BUCKET = ["arn:aws:s3:::inbox", "arn:aws:s3:::inbox/*"]
VERB_CASES = {
    "nothing at all": ([], {("none", "self", "definite", 0)}),
    "everything denied": ([ADMIN, policy(deny("*"))], {("none", "self", "definite", 0)}),
    "read one bucket": (
        [policy(allow(["s3:GetObject", "s3:ListBucket"], BUCKET))],
        {("read-data", "set", "definite", 2), ("read-config", "single", "definite", 1)},
    ),
    "read one object": (
        [policy(allow("s3:GetObject", "arn:aws:s3:::inbox/report.csv"))],
        {("read-data", "single", "definite", 1)},
    ),
    "read two objects": (
        [policy(allow("s3:GetObject", ["arn:aws:s3:::inbox/a.csv", "arn:aws:s3:::inbox/b.csv"]))],
        {("read-data", "set", "definite", 2)},
    ),
    "read every bucket of the account": (
        [policy(allow("s3:GetObject", "arn:aws:s3:::*"))],
        {("read-data", "all", "definite", 3)},
    ),
    "object action on a bucket gives nothing": (
        [policy(allow("s3:GetObject", "arn:aws:s3:::inbox"))],
        {("none", "self", "definite", 0)},
    ),
    "action without resources on a resource gives nothing": (
        [policy(allow("ec2:DescribeRegions", "arn:aws:ec2:*:*:instance/*"))],
        {("none", "self", "definite", 0)},
    ),
    "bucket policies": (
        [policy(allow("s3:PutBucketPolicy", "arn:aws:s3:::inbox"))],
        {("manage-policy", "single", "definite", 4), ("export-data", "single", "definite", 4)},
    ),
    "policies of one role": (
        [policy(allow("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/app"))],
        {("manage-policy", "single", "definite", None)},
    ),
    "policies of every role": (
        [policy(allow("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/*"))],
        {("manage-policy", "all", "definite", 5)},
    ),
    "pass any role": ([policy(allow("iam:PassRole"))], {("delegate", "all", "definite", 5)}),
    "pass one role under a condition": (
        [
            policy(
                allow(
                    "iam:PassRole",
                    f"arn:aws:iam::{ACCOUNT}:role/app",
                    Condition={"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
                )
            )
        ],
        {("delegate", "single", "conditional", None)},
    ),
    "an action that nobody knows": (
        [policy(allow("frobnicate:Everything"))],
        {("unknown", "all", "potential", None)},
    ),
    "an action that nobody knows, denied with all": (
        [policy(allow("frobnicate:Everything")), policy(deny("*"))],
        {("none", "self", "definite", 0)},
    ),
    "an unlisted action falls back to its access level": (
        [policy(allow("sns:Publish", f"arn:aws:sns:eu-central-1:{ACCOUNT}:t"))],
        {("write-data", "single", "definite", 3)},
    ),
    "a wider row includes a narrower one": (
        [policy(allow("s3:GetObject"), allow("s3:GetObject", BUCKET))],
        {("read-data", "all", "definite", 3)},
    ),
    "a conditional wide row stands beside a definite narrow one": (
        [policy(allow("s3:GetObject", Condition=IN_2030), allow("s3:GetObject", BUCKET))],
        {("read-data", "all", "conditional", 3), ("read-data", "set", "definite", 2)},
    ),
    "all but a few is a set for certain, and may be all": (
        [policy(allow("s3:GetObject"), deny("s3:GetObject", "arn:aws:s3:::audit/*"))],
        {("read-data", "set", "definite", 2), ("read-data", "all", "potential", 3)},
    ),
    "a variable that only a request can fill": (
        [policy(allow("s3:GetObject", "arn:aws:s3:::inbox/${aws:PrincipalTag/team}/*"))],
        {("read-data", "set", "conditional", 2)},
    ),
    "a user name is void for a role": (
        [policy(allow("iam:ListAccessKeys", f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}"))],
        {("none", "self", "definite", 0)},
    ),
    "a resource of a service that nobody knows": (
        [policy(allow("s3:GetObject", "arn:aws:frobnicate:::thing"))],
        {("read-data", "single", "potential", 1)},
    ),
}


@pytest.mark.parametrize("name", VERB_CASES)
def test_verbs_scopes_and_levels(name: str) -> None:
    policies, expected = VERB_CASES[name]
    assert summary(*policies) == expected


def test_own_user_variable_is_scope_self() -> None:
    text = policy(allow(["iam:CreateAccessKey", "iam:TagUser"], "arn:aws:iam::*:user/${aws:username}"))
    assert summary(text, holder=USER) == {
        ("impersonate", "self", "definite", 2),
        ("write-data", "self", "definite", 2),
    }


def test_own_arn_is_scope_self() -> None:
    text = policy(allow("iam:PutRolePolicy", f"arn:aws:iam::{ACCOUNT}:role/app"))
    holder = Holder(is_user=False, own=f"{ACCOUNT}:role/app")
    assert summary(text, holder=holder) == {("manage-policy", "self", "definite", 5)}


def test_a_boundary_leaves_open_how_far_ones_own_policy_can_be_changed() -> None:
    text = policy(allow("iam:PutUserPolicy", "arn:aws:iam::*:user/${aws:username}"))
    assert summary(text, boundary=policy(allow("iam:PutUserPolicy")), holder=USER) == {
        ("manage-policy", "self", "definite", None)
    }


@pytest.mark.parametrize("action", ["sts:GetFederationToken", "iam:CreateServiceLinkedRole"])
def test_what_gives_no_rights_beyond_ones_own_or_those_that_aws_wrote_is_below_level_5(action: str) -> None:
    assert summary(policy(allow(action))) == {("write-data", "all", "definite", 4)}


def test_a_boundary_keeps_definite_what_it_covers_and_drops_what_it_never_names() -> None:
    text = policy(allow(["s3:GetObject", "sqs:SendMessage"]))
    assert summary(text, boundary=policy(allow("s3:*"))) == {("read-data", "all", "definite", 3)}


def test_a_narrower_boundary_leaves_what_lies_inside_it() -> None:
    assert summary(policy(allow("s3:GetObject")), boundary=policy(allow("s3:*", BUCKET))) == {
        ("read-data", "set", "definite", 2)
    }


def test_the_allowing_statement_is_named_and_shortened() -> None:
    long = policy(allow("s3:GetObject", [f"arn:aws:s3:::inbox/{i}/*" for i in range(100)]))
    (found,) = privileges(policy(deny("ec2:*")), long)
    assert found.source == 1
    assert found.statement is not None
    assert found.statement.startswith('{"Effect":"Allow","Action":"s3:GetObject"')
    assert len(found.statement) == 300


MALFORMED = {
    "null": None,
    "empty": "",
    "not json": "{",
    "a list": "[]",
    "a number": "7",
    "no statement": '{"Version": "2012-10-17"}',
    "statement is text": '{"Statement": "Allow"}',
    "statement holds text": '{"Statement": ["Allow"]}',
    "no effect": policy({"Action": "*", "Resource": "*"}),
    "effect is a list": policy({"Effect": ["Allow"], "Action": "*", "Resource": "*"}),
    "unknown effect": policy({"Effect": "Maybe", "Action": "*", "Resource": "*"}),
    "no action": policy({"Effect": "Allow", "Resource": "*"}),
    "both actions": policy({"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"}),
    "no resource": policy({"Effect": "Allow", "Action": "*"}),
    "action is a number": policy(allow(7)),
    "action holds a number": policy(allow(["s3:*", 7])),
    "action list is empty": policy(allow([])),
    "resource is no arn": policy(allow("*", "inbox")),
    "resource is endless": policy(allow("*", "arn:aws:s3:::" + "a" * 5000)),
    "condition is text": policy(allow("*", Condition="aws:MultiFactorAuthPresent")),
    "nested without end": "[" * 100_000,
    "a huge number": '{"Statement": ' + "9" * 5000 + "}",
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_document_that_cannot_be_read_is_unknown_and_not_none(name: str) -> None:
    assert summary(MALFORMED[name]) == {("unknown", "all", "potential", None)}


def test_what_can_be_read_beside_what_cannot_is_potential() -> None:
    text = policy({"Effect": "Allow"}, allow("s3:GetObject"))
    assert summary(text) == {("unknown", "all", "potential", None), ("read-data", "all", "potential", 3)}


def test_a_boundary_that_cannot_be_read_makes_everything_potential() -> None:
    assert admin(ADMIN, boundary="{") == "potential"


def test_a_policy_longer_than_any_that_aws_takes_is_not_weighed_and_is_unknown() -> None:
    start = time.process_time()
    long = policy(*(allow(f"s3:*{n}*", f"arn:aws:s3:::inbox-{n}/*") for n in range(60_000)))
    long += " " * (10_000_000 - len(long))
    assert summary(long, policy(allow("s3:GetObject"))) == {
        ("unknown", "all", "potential", None),
        ("read-data", "all", "potential", 3),
    }
    assert time.process_time() - start < 10


def test_as_many_statements_as_a_policy_may_hold_are_weighed_in_time() -> None:
    catalogue()
    start = time.process_time()
    allows = [allow("s3:GetObject", f"arn:aws:s3:::inbox-{n}/*") for n in range(120)]
    denies = [deny("s3:GetObject", f"arn:aws:s3:::*-{n}/*") for n in range(120)]
    assert summary(policy(*allows), policy(*denies)) == {("none", "self", "definite", 0)}
    assert time.process_time() - start < 10


def test_hostile_globs_are_answered_at_once() -> None:
    hostile = "s3:" + "*a" * 500 + "b"
    place = "arn:aws:s3:::" + "*a?" * 400 + "b"
    assert summary(policy(allow(hostile, place), deny("s3:*", place.replace("?", "b")))) == {
        ("unknown", "set", "potential", None)
    }


ACTIONS = [
    "*",
    "s3:*",
    "s3:Get*",
    "s3:PutBucketPolicy",
    "iam:*",
    "iam:PassRole",
    "sts:AssumeRole",
    "kms:?ecrypt",
    "x:Y",
]
PLACES = [
    "*",
    "arn:aws:s3:::*",
    *BUCKET,
    f"arn:aws:iam::{ACCOUNT}:role/app",
    f"arn:aws:iam::{ACCOUNT}:role/*",
]


def random_statement(rng: random.Random, effect: str) -> Json:
    statement: Json = {
        "Effect": effect,
        rng.choice(["Action", "Action", "NotAction"]): rng.sample(ACTIONS, rng.randint(1, 3)),
        rng.choice(["Resource", "Resource", "NotResource"]): rng.sample(PLACES, rng.randint(1, 2)),
    }
    if rng.random() < 0.2:
        statement["Condition"] = IN_2030
    return statement


def random_policy(rng: random.Random, *, effects: str = "Allow Allow Deny") -> str:
    return policy(*(random_statement(rng, rng.choice(effects.split())) for _ in range(rng.randint(1, 3))))


def verbs(*policies: str, boundary: str | None = None) -> set[str]:
    return {p.verb for p in privileges(*policies, boundary=boundary)} - {"none"}


def rank(*policies: str, boundary: str | None = None) -> int:
    return [*("no",), *CERTAINTIES].index(admin(*policies, boundary=boundary))


@pytest.mark.parametrize("seed", range(60))
def test_adding_a_deny_never_adds_a_verb(seed: int) -> None:
    rng = random.Random(seed)
    policies = [random_policy(rng) for _ in range(rng.randint(1, 3))]
    denied = [*policies, random_policy(rng, effects="Deny")]
    assert verbs(*denied) <= verbs(*policies)
    assert rank(*denied) <= rank(*policies)


@pytest.mark.parametrize("seed", range(60))
def test_adding_a_boundary_never_adds_a_verb(seed: int) -> None:
    rng = random.Random(seed)
    policies = [random_policy(rng) for _ in range(rng.randint(1, 3))]
    boundary = random_policy(rng)
    assert verbs(*policies, boundary=boundary) <= verbs(*policies)
    assert rank(*policies, boundary=boundary) <= rank(*policies)


@pytest.mark.parametrize("seed", range(60))
def test_adding_an_scp_or_rcp_never_adds_a_verb_nor_certainty(seed: int) -> None:
    rng = random.Random(seed)
    policies = [random_policy(rng) for _ in range(rng.randint(1, 3))]
    levels = [[random_policy(rng) for _ in range(rng.randint(1, 2))] for _ in range(2)]
    fewer = within(policies, scps=levels[:1])
    more = within(policies, scps=levels, rcps=[random_policy(rng, effects="Deny")])
    assert {row.verb for row in more} - {"none"} <= {row.verb for row in fewer}
    assert {verb: rank_of(more, verb) for verb in VERBS} | {"none": 0} == {
        verb: min(rank_of(more, verb), rank_of(fewer, verb)) for verb in VERBS
    } | {"none": 0}


def within(
    policies: list[str], *, scps: list[list[str]] | None = None, rcps: list[str] | None = None
) -> list[Privilege]:
    limits = limit(
        catalogue(), scps=[[read(text) for text in level] for level in scps or []], rcps=[read(t) for t in rcps or []]
    )
    return evaluate([read(text) for text in policies], limits, ROLE, catalogue())


def rank_of(rows: list[Privilege], verb: str) -> int:
    """How surely it is held at most; 0 when not at all."""
    return max((CERTAINTIES.index(row.certainty) + 1 for row in rows if row.verb == verb), default=0)


@pytest.mark.parametrize("seed", range(60))
def test_the_order_of_policies_does_not_matter(seed: int) -> None:
    rng = random.Random(seed)
    policies = [random_policy(rng) for _ in range(rng.randint(2, 4))]
    assert summary(*policies) == summary(*rng.sample(policies, len(policies)))


@pytest.mark.parametrize("seed", range(60))
def test_rows_stay_within_the_vocabulary(seed: int) -> None:
    rng = random.Random(seed)
    for row in privileges(random_policy(rng), random_policy(rng), boundary=random_policy(rng)):
        assert (row.verb in VERBS, row.scope in SCOPES, row.certainty in CERTAINTIES) == (True, True, True)


def test_every_core_action_is_needed() -> None:
    outcomes = {admin(policy(allow([action for action in CORE if action != left_out]))) for left_out in CORE}
    assert outcomes == {"no"}


def test_actions_match_without_regard_to_case() -> None:
    actions = catalogue()
    spellings = {"".join(pair) for pair in product(("S3:", "s3:"), ("GETOBJECT", "getobject", "GetObject"))}
    assert {actions.actions(name) for name in spellings} == {actions.actions("s3:GetObject")}
