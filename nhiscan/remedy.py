"""What the steps of a way are in words, how each is broken, and how a person checks it by hand.

A command only reads, and shows no value of a secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from nhiscan import printable
from nhiscan.path import Answer, Permission, Right, Step, Thing, Way
from nhiscan.resolve import escalation, vault_ways

SCHEMA_VERSION: Final = 1

_SAYS: Final = {
    "may-assume": "may assume it",
    "may-pass": "may hand it to a workload and act through that",
    "runs-as": "may act through a workload that runs as it",
    "may-change": "may change how it is let in or what it may do",
    "token-create": "may make a token of it",
    "can-read-secret-of": "may read a secret that lets one be it",
    "embeds-credential-of": "finds a credential of it in a workload",
    "acts-as": "holds a token by which it acts as the user",
    "member-of": "is one of it, and has its rights",
}
_BREAKS: Final = {
    "may-assume": "take the right to assume it from the policy, or take whoever assumes it out of its trust",
    "may-pass": "name in the policy only the roles that have to be passed, and the service that they are passed to",
    "runs-as": "take the right to change or enter this workload from the policy, or let the workload run as less",
    "may-change": "take the right to change it from the policy, or limit that right to identities that may do less",
    "token-create": "take the right to make such tokens from the policy, or limit the token role to lesser policies",
    "can-read-secret-of": "take the right to read this secret from the policy, then replace the secret",
    "embeds-credential-of": "take the credential out of the workload, then replace it",
    "acts-as": "revoke its tokens of this user, or let it ask for narrower scopes only",
    "member-of": "take it out of the group",
}
_VAULT_BREAKS: Final = {
    "may-assume": "take the paths by which one logs in as it from the policy, or bind its login to those who need it",
    "may-change": "take the paths by which it is changed from the policy",
    "member-of": "take the alias or membership away that makes the one the other",
}
_ROOT: Final = "revoke it: nothing limits the policy root"
_REWRITES: Final = "take the right to write policies, attach them or change memberships from the policy"
_ROLE: Final = "workload_role"


def shape(answer: Answer) -> dict[str, Any]:
    """An answer in the shape of docs/json.md: only JSON types, every key always present."""
    return {
        "schema_version": SCHEMA_VERSION,
        "from_id": answer.start.id,
        "to_id": None if answer.end is None else answer.end.id,
        **way_shape(answer.way),
        "because": [_right_shape(right) for right in answer.rights],
        "not_read": [{"tenant_id": tenant_id, "dataset": dataset} for tenant_id, dataset in answer.not_read],
    }


def way_shape(way: Way | None) -> dict[str, Any]:
    """The part of an answer that tells its steps; None: no way is known."""
    return {
        "certainty": None if way is None else way.certainty,
        "is_cut": way is not None and way.is_cut,
        "steps": [] if way is None else [_step_shape(step) for step in way.steps],
    }


def _step_shape(step: Step) -> dict[str, Any]:
    title, fix = _escalation(step)
    return {
        "from_id": step.start.id,
        "to_id": step.end.id,
        "kind": step.kind,
        "says": _says(step),
        "certainty": step.certainty,
        "is_rewriting": step.is_rewriting,
        "path_id": step.path_id,
        "path_title": title,
        "through": step.through,
        "resource_id": None if step.resource is None else step.resource.id,
        "allowed_by": [{**_policy_shape(side.policy), "statement": side.statement} for side in step.permissions],
        "evidence": list(step.evidence),
        "other_ways": step.other_ways,
        "to_break": _breaks(step, fix),
        "check_by_hand": _lines(dict.fromkeys([*_of_permissions(step.permissions), *_of_kind(step)])),
    }


def _right_shape(right: Right) -> dict[str, Any]:
    if _is_root(right.policy):
        breaks = _ROOT
    elif right.user is not None:
        breaks = "revoke its tokens of this user, or let it ask for narrower scopes only"
    elif right.group is not None:
        breaks = "take it out of the group, or replace the group's policy by one that allows what is needed"
    else:
        breaks = "replace the policy by one that allows what is needed"
    return {
        "certainty": right.certainty,
        **_policy_shape(right.policy),
        "through_group": right.group,
        "by_token_of": right.user,
        "statement": right.statement,
        "considered": right.considered,
        "to_break": breaks,
        "check_by_hand": [] if right.policy is None else _lines(_of_policy(right.policy)),
    }


def _policy_shape(policy: Thing | None) -> dict[str, Any]:
    return {"policy_id": None if policy is None else policy.id, "policy": None if policy is None else policy.name}


def _lines(commands: Iterable[tuple[str, ...]]) -> list[str | None]:
    """Commands for a shell; None where a name holds what a terminal does not show."""
    return [printable.command(*words) for words in commands]


def _says(step: Step) -> str:
    if step.start == step.end:
        return "may rewrite its own rights into an administrator's"
    words = _SAYS.get(step.kind, step.kind.replace("-", " "))
    return f"{words}, and may rewrite its rights into an administrator's" if step.is_rewriting else words


def _is_root(policy: Thing | None) -> bool:
    return policy is not None and (policy.provider, policy.name) == ("vault", "root")


def _escalation(step: Step) -> tuple[str | None, str | None]:
    """Title of the escalation path that a step goes by, and how that path is broken; None where no table says so."""
    if step.path_id is None:
        return None, None
    path = escalation.read(step.start.provider).get(step.path_id)
    if path is not None:
        return path.title, path.fix
    return {way.path_id: way.does for way in vault_ways.ways()}.get(step.path_id), None


def _breaks(step: Step, fix: str | None) -> str:
    plain = {**_BREAKS, **_VAULT_BREAKS} if step.end.provider == "vault" else _BREAKS
    told = fix or (_REWRITES if step.start == step.end else plain.get(step.kind, "take the right from the policy"))
    if any(_is_root(side.policy) for side in step.permissions):
        told = _ROOT
    elif step.kind == "may-assume" and not step.permissions and step.end.provider == "aws":
        told = "take whoever assumes it out of its trust"
    if step.other_ways:
        ways = "one other way" if step.other_ways == 1 else f"{step.other_ways} other ways"
        told += f"; {ways} of the same step would be left"
    return told


def _of_permissions(permissions: tuple[Permission, ...]) -> Iterator[tuple[str, ...]]:
    for permission in permissions:
        if permission.policy is not None:
            yield from _of_policy(permission.policy)


def _of_policy(policy: Thing) -> Iterator[tuple[str, ...]]:
    if policy.provider == "vault":
        yield "vault", "policy", "read", *_namespace(policy), policy.name
    elif policy.provider == "aws" and policy.kind == "inline":
        holder, _, name = policy.native_id.rpartition("/")
        kind = holder.rpartition(":")[2].partition("/")[0]
        if kind in ("user", "role", "group"):
            holder_name = holder.rpartition("/")[2]
            yield "aws", "iam", f"get-{kind}-policy", f"--{kind}-name", holder_name, "--policy-name", name
    elif policy.provider == "aws" and policy.kind in ("customer_managed", "aws_managed"):
        yield "aws", "iam", "get-policy", "--policy-arn", policy.native_id


def _namespace(policy: Thing) -> tuple[str, ...]:
    """The option for a policy of a namespace, whose name is the end of the native id."""
    namespace = policy.native_id.removesuffix(policy.name)
    return (f"-namespace={namespace}",) if namespace else ()


def _of_kind(step: Step) -> Iterator[tuple[str, ...]]:
    if step.resource is not None:
        yield from _of_resource(step.resource)
    start, end = step.start, step.end
    if end.provider == "vault" and end.native_id.startswith("auth/"):
        yield "vault", "read", end.native_id
    elif end.provider != "aws":
        return
    elif step.kind == "member-of" and start.kind != _ROLE:
        yield "aws", "iam", "list-groups-for-user", "--user-name", start.name
    elif end.kind == _ROLE:
        query = () if step.kind in ("may-change", "runs-as") else ("--query", "Role.AssumeRolePolicyDocument")
        yield "aws", "iam", "get-role", "--role-name", end.name, *query
    elif end.kind == "group":
        yield "aws", "iam", "get-group", "--group-name", end.name
    else:
        yield "aws", "iam", "list-access-keys", "--user-name", end.name


def _of_resource(resource: Thing) -> Iterator[tuple[str, ...]]:
    if resource.provider == "vault" and resource.kind == "secret":
        yield "vault", "kv", "metadata", "get", resource.native_id
        return
    if resource.provider != "aws":
        return
    region = () if resource.region is None else ("--region", resource.region)
    match resource.kind:
        case "function":
            shown = "[Role, Environment.Variables && keys(Environment.Variables)]"
            words = ("lambda", "get-function-configuration", "--function-name", resource.native_id)
        case "task":
            shown = "taskDefinition.[taskRoleArn, containerDefinitions[].environment[].name]"
            words = ("ecs", "describe-task-definition", "--task-definition", resource.native_id)
        case "instance":
            shown = "Reservations[].Instances[].IamInstanceProfile"
            words = ("ec2", "describe-instances", "--instance-ids", resource.native_id.rpartition("/")[2])
        case "project":
            shown = "projects[].[serviceRole, environment.environmentVariables[].name]"
            words = ("codebuild", "batch-get-projects", "--names", resource.name)
        case "secret":
            yield "aws", "secretsmanager", "get-resource-policy", "--secret-id", resource.native_id, *region
            return
        case "parameter":
            filters = f"Key=Name,Values={resource.name}"
            yield "aws", "ssm", "describe-parameters", "--parameter-filters", filters, *region
            return
        case _:
            return
    yield "aws", *words, "--query", shown, *region
