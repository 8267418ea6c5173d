"""The roles of one account as AWS hands them out: shared managed policies, and a policy of its own for three in ten."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Final, TypeAlias

ACCOUNT: Final = "111111111111"
MANAGED: Final = 204
_SEED: Final = 11
_INLINE_SHARE: Final = 0.3
_BOUNDED_SHARE: Final = 0.05
_ADMINISTRATORS: Final = 0.002
_ACTIONS: Final = {
    "s3": ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket", "s3:Get*", "s3:List*", "s3:*"],
    "dynamodb": ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:BatchWriteItem", "dynamodb:*"],
    "sqs": ["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
    "sns": ["sns:Publish", "sns:Subscribe", "sns:List*"],
    "kms": ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey*", "kms:DescribeKey"],
    "secretsmanager": ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"],
    "ssm": ["ssm:GetParameter", "ssm:GetParameters", "ssm:GetParametersByPath", "ssm:SendCommand"],
    "logs": ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents", "logs:Describe*"],
    "lambda": ["lambda:InvokeFunction", "lambda:UpdateFunctionCode", "lambda:CreateFunction", "lambda:List*"],
    "ec2": ["ec2:Describe*", "ec2:RunInstances", "ec2:TerminateInstances", "ec2:CreateTags", "ec2:*"],
    "iam": ["iam:PassRole", "iam:GetRole", "iam:ListRoles", "iam:CreatePolicyVersion", "iam:PutRolePolicy"],
    "sts": ["sts:AssumeRole"],
    "cloudwatch": ["cloudwatch:PutMetricData", "cloudwatch:Get*", "cloudwatch:List*"],
    "ecr": ["ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:PutImage"],
    "glue": ["glue:GetTable", "glue:GetDatabase", "glue:StartJobRun", "glue:*"],
}
_PLACES: Final = {
    "s3": "arn:aws:s3:::acme-{name}/*",
    "dynamodb": "arn:aws:dynamodb:eu-central-1:{account}:table/{name}",
    "sqs": "arn:aws:sqs:eu-central-1:{account}:{name}",
    "sns": "arn:aws:sns:eu-central-1:{account}:{name}",
    "kms": "arn:aws:kms:eu-central-1:{account}:key/{name}",
    "secretsmanager": "arn:aws:secretsmanager:eu-central-1:{account}:secret:{name}-*",
    "ssm": "arn:aws:ssm:eu-central-1:{account}:parameter/{name}/*",
    "logs": "arn:aws:logs:eu-central-1:{account}:log-group:/acme/{name}:*",
    "lambda": "arn:aws:lambda:eu-central-1:{account}:function:{name}",
    "ec2": "arn:aws:ec2:eu-central-1:{account}:instance/*",
    "iam": "arn:aws:iam::{account}:role/{name}",
    "sts": "arn:aws:iam::{account}:role/{name}",
    "cloudwatch": "*",
    "ecr": "arn:aws:ecr:eu-central-1:{account}:repository/{name}",
    "glue": "arn:aws:glue:eu-central-1:{account}:table/{name}/*",
}

Json: TypeAlias = dict[str, Any]


def write(path: Path, roles: int) -> None:
    """The same for the same number."""
    rng = random.Random(_SEED)
    managed = [_managed(rng, number) for number in range(MANAGED)]
    administrator = _policy("AdministratorAccess", [{"Effect": "Allow", "Action": "*", "Resource": "*"}])
    details = {
        "UserDetailList": [],
        "GroupDetailList": [],
        "RoleDetailList": [_role(rng, number, managed, administrator) for number in range(roles)],
        "Policies": [administrator, *managed],
    }
    path.write_text(json.dumps(details), encoding="utf-8")


def _role(rng: random.Random, number: int, managed: list[Json], administrator: Json) -> Json:
    name = f"app-{number}"
    attached = rng.sample(managed, rng.randint(1, 4))
    if rng.random() < _ADMINISTRATORS:
        attached.append(administrator)
    inline = [_statement(rng, name) for _ in range(rng.randint(1, 3))] if rng.random() < _INLINE_SHARE else []
    role: Json = {
        "Path": "/",
        "RoleName": name,
        "RoleId": f"AROA{number:017}",
        "Arn": f"arn:aws:iam::{ACCOUNT}:role/{name}",
        "CreateDate": "2024-05-01T00:00:00+00:00",
        "AssumeRolePolicyDocument": _document(
            [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}]
        ),
        "InstanceProfileList": [],
        "RolePolicyList": [{"PolicyName": "own", "PolicyDocument": _document(inline)}] if inline else [],
        "AttachedManagedPolicies": [_reference(policy) for policy in attached],
        "Tags": [],
        "RoleLastUsed": {},
    }
    if rng.random() < _BOUNDED_SHARE:
        boundary = rng.choice(managed)
        role["PermissionsBoundary"] = {
            "PermissionsBoundaryType": "Policy",
            "PermissionsBoundaryArn": boundary["Arn"],
        }
    return role


def _managed(rng: random.Random, number: int) -> Json:
    statements = [_statement(rng, f"shared-{number}") for _ in range(rng.randint(1, 5))]
    if rng.random() < 0.1:
        statements.append({"Effect": "Deny", "Action": ["iam:*", "organizations:*"], "Resource": "*"})
    return _policy(f"shared-{number}", statements)


def _statement(rng: random.Random, name: str) -> Json:
    service = rng.choice(list(_ACTIONS))
    known = _ACTIONS[service]
    statement: Json = {
        "Effect": "Allow",
        "Action": rng.sample(known, rng.randint(1, min(4, len(known)))),
        "Resource": _PLACES[service].format(account=ACCOUNT, name=name) if rng.random() < 0.8 else "*",
    }
    if rng.random() < 0.1:
        statement["Condition"] = {"StringEquals": {"aws:RequestedRegion": "eu-central-1"}}
    return statement


def _policy(name: str, statements: list[Json]) -> Json:
    return {
        "PolicyName": name,
        "PolicyId": f"ANPA{name.upper():0>17.17}",
        "Arn": f"arn:aws:iam::{ACCOUNT}:policy/{name}",
        "Path": "/",
        "DefaultVersionId": "v1",
        "AttachmentCount": 1,
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "CreateDate": "2024-05-01T00:00:00+00:00",
        "UpdateDate": "2024-05-01T00:00:00+00:00",
        "PolicyVersionList": [
            {
                "Document": _document(statements),
                "VersionId": "v1",
                "IsDefaultVersion": True,
                "CreateDate": "2024-05-01T00:00:00+00:00",
            }
        ],
    }


def _reference(policy: Json) -> Json:
    return {"PolicyName": policy["PolicyName"], "PolicyArn": policy["Arn"]}


def _document(statements: list[Json]) -> Json:
    return {"Version": "2012-10-17", "Statement": statements}
