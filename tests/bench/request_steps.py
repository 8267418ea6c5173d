"""Exact decisions on single requests: the same roles as for the privileges, asked one by one about named resources."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Final

from nhiscan.resolve.aws_actions import Catalogue, catalogue
from nhiscan.resolve.aws_conditions import Context
from nhiscan.resolve.aws_policy import Document, parse
from nhiscan.resolve.aws_request import Layers, Principal, Request, decide

from . import authorization_details, privilege_steps
from .measured import Measured

_MOST_ROLES: Final = 2000
_ACCOUNT: Final = authorization_details.ACCOUNT
_ASKED: Final = tuple(
    (action, resource.format(name=name))
    for action, resource in (
        ("s3:GetObject", "arn:aws:s3:::data-{name}/report.csv"),
        ("s3:PutObject", "arn:aws:s3:::data-{name}/report.csv"),
        ("s3:ListAllMyBuckets", "*"),
        ("iam:PassRole", f"arn:aws:iam::{_ACCOUNT}:role/{{name}}"),
        ("iam:PutRolePolicy", f"arn:aws:iam::{_ACCOUNT}:role/{{name}}"),
        ("iam:CreateAccessKey", f"arn:aws:iam::{_ACCOUNT}:user/{{name}}"),
        ("ec2:StartInstances", f"arn:aws:ec2:eu-west-1:{_ACCOUNT}:instance/i-{{name}}"),
        ("ec2:DescribeInstances", "*"),
        ("lambda:InvokeFunction", f"arn:aws:lambda:eu-west-1:{_ACCOUNT}:function:{{name}}"),
        ("secretsmanager:GetSecretValue", f"arn:aws:secretsmanager:eu-west-1:{_ACCOUNT}:secret:{{name}}"),
    )
    for name in ("one", "two", "three", "four")
)


def requests_ours(folder: Path, size: int) -> Measured:
    path, roles = privilege_steps.details(folder, size)
    measured = Measured(counts={"roles": min(roles, _MOST_ROLES)})
    actions = catalogue()
    with measured.timed("read policies"):
        held = list(islice(_held(json.loads(path.read_text(encoding="utf-8")), actions), _MOST_ROLES))
    context = Context()
    outcomes = dict.fromkeys(("allow", "deny", "conditional"), 0)
    before = time.process_time()
    with measured.timed("decide"):
        for principal, layers in held:
            for action, resource in _ASKED:
                decision = decide(Request(action, resource, principal, _ACCOUNT, context), layers, actions)
                outcomes[decision.outcome] += 1
    cpu_ms = round((time.process_time() - before) * 1000)
    measured.counts |= {"requests": len(held) * len(_ASKED), "cpu_ms": cpu_ms, **outcomes}
    return measured


def _held(details: dict[str, Any], actions: Catalogue) -> Iterator[tuple[Principal, Layers]]:
    managed = {
        policy["Arn"]: _read(policy["PolicyVersionList"][0]["Document"], actions) for policy in details["Policies"]
    }
    for role in details["RoleDetailList"]:
        inline = [_read(policy["PolicyDocument"], actions) for policy in role["RolePolicyList"]]
        attached = [managed[policy["PolicyArn"]] for policy in role["AttachedManagedPolicies"]]
        boundary = role.get("PermissionsBoundary")
        yield (
            Principal("role", role["Arn"], _ACCOUNT),
            Layers([*inline, *attached], managed[boundary["PermissionsBoundaryArn"]] if boundary else None),
        )


def _read(document: dict[str, Any], actions: Catalogue) -> Document:
    return parse(json.dumps(document), actions)
