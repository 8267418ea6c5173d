"""A table of small accounts with the right answer to one question: who is an administrator, and who is a decoy?

What leads to an administrator over others, step by step, is the graph's question; here it is what a role's own policies
and the limits above it say. A role that no table names as an administrator must not be called one.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import pytest

from nhiscan.resolve.aws_actions import catalogue
from nhiscan.resolve.aws_iam import Holder, evaluate, limit
from nhiscan.resolve.aws_policy import Document, parse
from tests.resolve.aws_estate import A, allow, arn, deny

Json = dict[str, Any]
Rows = set[tuple[str, str, str, int | None]]

IN_2030 = {"DateGreaterThan": {"aws:CurrentTime": "2030-01-01T00:00:00Z"}}
TO_LAMBDA = {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}}


class Case(NamedTuple):
    """`holds` names what must be among the rows; `lacks` verbs that must not be held at all."""

    policies: list[list[Json]]
    admin: str = "no"
    holds: Rows | frozenset[str] = frozenset()
    lacks: frozenset[str] = frozenset()
    boundary: list[Json] | None = None
    scps: tuple[list[list[Json]], ...] = ()
    rcps: tuple[list[Json], ...] = ()


def only(service: str) -> list[Json]:
    return [allow(f"{service}:*")]


ALL = [allow("*")]
CASES = {
    "allow everything": Case([ALL], "definite"),
    "a Deny in the same policy": Case([[allow("*"), deny("iam:*")]]),
    "a Deny in another policy": Case([ALL, [deny("iam:*")]]),
    "a Deny of everything but reading": Case(
        [ALL, [{"Effect": "Deny", "NotAction": ["s3:Get*", "s3:List*"], "Resource": "*"}]],
        lacks=frozenset({"manage-policy", "run-code", "impersonate"}),
    ),
    "PassRole and RunInstances in two policies": Case(
        [[allow("iam:PassRole")], [allow("ec2:RunInstances")]],
        holds={("delegate", "all", "definite", 5), ("run-code", "all", "definite", 4)},
    ),
    "a new version of one policy": Case(
        [[allow("iam:CreatePolicyVersion", arn("policy/own"))]], holds={("manage-policy", "single", "definite", None)}
    ),
    "a date that will come": Case([[allow("*", Condition=IN_2030)]], "conditional"),
    "Allow with NotAction": Case([[{"Effect": "Allow", "NotAction": "aws-portal:*", "Resource": "*"}]], "definite"),
    "a policy that has nothing to do with it": Case(
        [[allow("iam:CreatePolicyVersion", arn("policy/other"))]], lacks=frozenset({"admin"})
    ),
    "a boundary removes it": Case([ALL], boundary=[allow("s3:Get*")], lacks=frozenset({"manage-policy", "delegate"})),
    "a role's own policy by name": Case(
        [[allow("iam:PutRolePolicy", arn("role/own"))]], holds={("manage-policy", "self", "definite", 5)}
    ),
    "PassRole to one role": Case(
        [[allow("iam:PassRole", arn("role/weak")), allow("lambda:*")]],
        holds={("delegate", "single", "definite", None)},
    ),
    "PassRole to one service": Case(
        [[allow("iam:PassRole", Condition=TO_LAMBDA), allow("ec2:RunInstances")]],
        holds={("delegate", "all", "conditional", 5), ("run-code", "all", "definite", 4)},
    ),
    "AssumeRole on one role": Case(
        [[allow("sts:AssumeRole", arn("role/admin"))]], holds={("impersonate", "single", "definite", None)}
    ),
    "no policy at all": Case([], holds={("none", "self", "definite", 0)}),
    "a wildcard inside a role's ARN": Case(
        [[allow("iam:PutRolePolicy", arn("role/o*n"))]], holds={("manage-policy", "set", "definite", None)}
    ),
    "read only": Case(
        [[allow(["s3:Get*", "s3:List*", "ec2:Describe*"])]],
        holds={("read-data", "all", "definite", 3)},
        lacks=frozenset({"manage-policy", "write-data", "delegate"}),
    ),
    # limits from above
    "an SCP that lets everything through": Case([ALL], "definite", scps=([ALL], [ALL])),
    "an SCP denies IAM at the root": Case([ALL], scps=([[allow("*"), deny("iam:*")]], [ALL])),
    "an SCP denies IAM at the account": Case([ALL], scps=([ALL], [[allow("*"), deny("iam:*")]])),
    "an SCP denies everything but reading": Case(
        [ALL],
        scps=([ALL, [{"Effect": "Deny", "NotAction": "s3:Get*", "Resource": "*"}]],),
        lacks=frozenset({"delegate"}),
    ),
    "an SCP allows one service": Case([ALL], scps=([only("s3")], [ALL]), lacks=frozenset({"delegate", "run-code"})),
    "SCPs allow different services on two levels": Case(
        [ALL], scps=([only("s3")], [only("ec2")]), holds={("none", "self", "definite", 0)}
    ),
    "SCPs of one level add up": Case(
        [ALL], "definite", scps=([[allow("iam:*")], [allow(["s3:*", "ec2:*", "kms:*", "sts:*"])]],)
    ),
    "what both an SCP and a boundary allow": Case(
        [ALL],
        boundary=[allow(["s3:GetObject", "sns:Publish"])],
        scps=([only("sns")],),
        holds={("write-data", "all", "definite", 4)},
        lacks=frozenset({"read-data"}),
    ),
    "an SCP under a condition nobody knows": Case(
        [ALL], "potential", scps=([[allow("*"), deny("*", Condition={"Bool": {"aws:ViaAWSService": "false"}})]],)
    ),
    "an SCP guards a few roles": Case(
        [ALL], "definite", scps=([[allow("*"), deny("iam:*", "arn:aws:iam::*:role/guard-*")]],)
    ),
    "an RCP denies keys": Case([ALL], rcps=([deny("kms:Decrypt", Principal="*")],)),
    "an RCP of a service that has none": Case([ALL], "definite", rcps=([deny("ec2:*", Principal="*")],)),
    "own policies are free of an SCP that denies nothing of them": Case(
        [[allow("iam:PutRolePolicy", arn("role/own"))]],
        holds={("manage-policy", "self", "definite", 5)},
        scps=([[allow("*"), deny("organizations:LeaveOrganization")]],),
    ),
    "own policies are worth less under an SCP": Case(
        [[allow("iam:PutRolePolicy", arn("role/own"))]],
        holds={("manage-policy", "self", "definite", None)},
        scps=([[allow("*"), deny("kms:*")]],),
    ),
}


def read(statements: list[Json]) -> Document:
    return parse(json.dumps({"Version": "2012-10-17", "Statement": statements}), catalogue())


@pytest.mark.parametrize("name", CASES)
def test_the_label_of_the_case_is_found(name: str) -> None:
    case = CASES[name]
    limits = limit(
        catalogue(),
        boundary=None if case.boundary is None else read(case.boundary),
        scps=[[read(each) for each in level] for level in case.scps],
        rcps=[read(each) for each in case.rcps],
    )
    holder = Holder(is_user=False, own=f"{A}:role/own")
    found = evaluate([read(each) for each in case.policies], limits, holder, catalogue())
    rows = {(row.verb, row.scope, row.certainty, row.level) for row in found}
    assert [row.certainty for row in found if row.verb == "admin"] == ([] if case.admin == "no" else [case.admin])
    assert set(case.holds) <= rows
    assert {row.verb for row in found} & case.lacks == set()
