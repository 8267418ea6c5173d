"""Functions, tasks, instances and build projects: whom they act as, and the text that they are started with.

API: Lambda 2015-03-31, ListFunctions and GetPolicy; ECS 2014-11-13, ListClusters, ListTasks, DescribeTasks,
ListTaskDefinitionFamilies, DescribeTaskDefinition; EC2 2016-11-15, DescribeInstances and DescribeInstanceAttribute
(userData); CodeBuild 2016-10-06, ListProjects and BatchGetProjects. Read are the newest version of a function, and of a
task definition the newest active revision and those that run. Not read: launch templates, buildspecs, images, code.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from nhiscan.collect import Refusal
from nhiscan.model import Resource

from .account import Account
from .coverage import Asked, each_asked, regions_asked
from .fetch import Json, Pages, each_in_regions, has_code, read_all, read_one, read_regions
from .identities import identity_id
from .policies import document_in
from .tagging import Tagged, tag_map

_GONE: Final = ("ResourceNotFoundException", "InvalidInstanceID.NotFound", "ClientException")
_ENDED: Final = frozenset({"shutting-down", "terminated"})
_MOST_USER_DATA: Final = 1 << 20  # bytes after unpacking; EC2 takes 16 KiB before


@dataclass(frozen=True, slots=True, repr=False)
class Workload:
    """A workload with its role as the provider names it, its tags and its texts: (what it is part of, name, value)."""

    resource: Resource
    role: str | None
    tags: Mapping[str, str]
    variables: Sequence[tuple[str, str, str]] = ()
    user_data: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Workloads:
    """Raw answers, by region or by region and name. None: gone since it was listed."""

    functions: Mapping[str, Pages]
    function_policies: Mapping[tuple[str, str], Json | Refusal | None]  # by ARN
    families: Mapping[str, Pages]
    clusters: Mapping[str, Pages]
    tasks: Mapping[tuple[str, str], Sequence[str] | Refusal]  # task definition ARNs, by cluster
    definitions: Mapping[tuple[str, str], Json | Refusal | None]  # by family or ARN
    instances: Mapping[str, Pages]
    user_data: Mapping[tuple[str, str], str | Refusal | None]  # by instance id
    projects: Mapping[str, Pages]
    project_details: Mapping[tuple[str, tuple[str, ...]], Json | Refusal]  # by up to 100 names

    def asked(self) -> tuple[Asked, ...]:
        return (regions_asked("functions", self.functions), *self.asked_for_tags())

    def asked_for_tags(self) -> tuple[Asked, ...]:
        """Those that carry their tags themselves."""
        return (
            *self._asked_about_tasks(),
            regions_asked("instances", self.instances),
            *self._asked_about_projects(),
        )

    def asked_for_grants(self) -> tuple[Asked, Asked]:
        return (
            regions_asked("functions", self.functions),
            each_asked("functions' policies", self.function_policies),
        )

    def asked_about_environments(self) -> tuple[Asked, ...]:
        functions = [item for pages in self.functions.values() for item in pages.items("Functions")]
        sealed = [item for item in functions if "Error" in item.get("Environment", {})]
        refused = [
            Refusal(
                "denied",
                "lambda:ListFunctions",
                f"the variables of {item['FunctionName']} are encrypted with a key of ours",
                missing_permission="kms:Decrypt",
            )
            for item in sealed
        ]
        return (
            regions_asked("functions", self.functions),
            Asked("functions' variables", len(functions) - len(sealed), refused),
            *self._asked_about_tasks(),
            *self._asked_about_projects(),
        )

    def asked_about_user_data(self) -> tuple[Asked, ...]:
        return regions_asked("instances", self.instances), each_asked("instances' user data", self.user_data)

    def _asked_about_tasks(self) -> tuple[Asked, ...]:
        return (
            regions_asked("families of tasks", self.families),
            regions_asked("clusters", self.clusters),
            each_asked("clusters' tasks", self.tasks),
            each_asked("task definitions", self.definitions),
        )

    def _asked_about_projects(self) -> tuple[Asked, ...]:
        return regions_asked("projects", self.projects), each_asked("projects' details", self.project_details)


def read_workloads(account: Account) -> Workloads:
    lambdas, ecs, ec2, codebuild = (account.clients(name) for name in ("lambda", "ecs", "ec2", "codebuild"))
    functions = read_regions(lambdas, "ListFunctions")
    families = read_regions(ecs, "ListTaskDefinitionFamilies", status="ACTIVE")
    clusters = read_regions(ecs, "ListClusters")
    tasks = each_in_regions(
        ecs, _all(clusters, "clusterArns"), _running_definitions, count=account.counting("clusters' tasks")
    )
    newest = each_in_regions(ecs, _all(families, "families"), _definition, count=account.counting("families of tasks"))
    known = {(region, _definition_arn(answer)) for (region, _), answer in newest.items()}
    older = sorted(
        {
            (region, arn)
            for (region, _), arns in tasks.items()
            if not isinstance(arns, Refusal)
            for arn in arns
            if (region, arn) not in known
        }
    )
    instances = read_regions(ec2, "DescribeInstances", MaxResults=1000)
    projects = read_regions(codebuild, "ListProjects")
    return Workloads(
        functions=functions,
        function_policies=each_in_regions(
            lambdas,
            [
                (region, str(item["FunctionArn"]))
                for region, pages in functions.items()
                for item in pages.items("Functions")
            ],
            _function_policy,
            count=account.counting("functions' policies"),
        ),
        families=families,
        clusters=clusters,
        tasks=tasks,
        definitions=newest | each_in_regions(ecs, older, _definition, count=account.counting("older task definitions")),
        instances=instances,
        user_data=each_in_regions(
            ec2,
            [(region, str(item["InstanceId"])) for region, item in live_instances(instances)],
            _user_data,
            count=account.counting("instances' user data"),
        ),
        projects=projects,
        project_details=each_in_regions(
            codebuild,
            [(region, names) for region, pages in projects.items() for names in _hundreds(pages.items("projects"))],
            lambda client, names: read_one(client, "BatchGetProjects", names=list(names)),
            count=account.counting("hundreds of projects"),
        ),
    )


def _all(lists: Mapping[str, Pages], key: str) -> list[tuple[str, str]]:
    return [(region, str(item)) for region, pages in lists.items() for item in pages.items(key)]


def _hundreds(names: Sequence[Any]) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(names), 100):
        yield tuple(map(str, names[start : start + 100]))


def _function_policy(client: Any, arn: str) -> Json | Refusal | None:
    answer = read_one(client, "GetPolicy", FunctionName=arn)
    if isinstance(answer, Refusal):
        return None if has_code(answer, *_GONE) else answer
    return document_in(answer, "Policy", "lambda:GetPolicy")


def _running_definitions(client: Any, cluster: str) -> list[str] | Refusal:
    """The task definitions of a cluster's running tasks."""
    listed = read_all(client, "ListTasks", cluster=cluster)
    if listed.refusal is not None:
        return listed.refusal
    found: set[str] = set()
    for arns in _hundreds(listed.items("taskArns")):
        answer = read_one(client, "DescribeTasks", cluster=cluster, tasks=list(arns))
        if isinstance(answer, Refusal):
            return answer
        found.update(str(task["taskDefinitionArn"]) for task in answer.get("tasks", []))
    return sorted(found)


def _definition(client: Any, name: str) -> Json | Refusal | None:
    answer = read_one(client, "DescribeTaskDefinition", taskDefinition=name, include=["TAGS"])
    return None if isinstance(answer, Refusal) and has_code(answer, *_GONE) else answer


def _definition_arn(answer: Json | Refusal | None) -> str | None:
    if answer is None or isinstance(answer, Refusal):
        return None
    return str(answer["taskDefinition"]["taskDefinitionArn"])


def live_instances(lists: Mapping[str, Pages]) -> Iterator[tuple[str, Json]]:
    """(region, instance) of those that are not gone for good."""
    for region, pages in lists.items():
        for reservation in pages.items("Reservations"):
            for item in reservation.get("Instances", []):
                if item.get("State", {}).get("Name") not in _ENDED:
                    yield region, item


def _user_data(client: Any, instance_id: str) -> str | Refusal | None:
    answer = read_one(client, "DescribeInstanceAttribute", InstanceId=instance_id, Attribute="userData")
    if isinstance(answer, Refusal):
        return None if has_code(answer, *_GONE) else answer
    encoded = answer.get("UserData", {}).get("Value")
    return read_user_data(encoded) if encoded else None


def read_user_data(encoded: str) -> str:
    """User data as text; cloud-init takes it packed with gzip as well."""
    try:
        raw = base64.b64decode(encoded)
    except binascii.Error:
        return encoded
    if raw.startswith(b"\x1f\x8b"):
        try:
            raw = zlib.decompressobj(wbits=31).decompress(raw, _MOST_USER_DATA)
        except zlib.error:
            return ""
    return raw.decode("utf-8", "replace")


def workloads(account: Account, found: Workloads, tagged: Tagged) -> Iterator[Workload]:
    yield from _functions(account, found, tagged)
    yield from _tasks(account, found)
    yield from _instances(account, found)
    yield from _projects(account, found)


def _resource(account: Account, kind: str, region: str, name: str, arn: str) -> Resource:
    return Resource(
        resource_id=f"{account.tenant_id}:{kind}/{region}/{name}",
        provider="aws",
        tenant_id=account.tenant_id,
        kind=kind,
        name=name,
        native_id=arn,
        region=region,
    )


def _functions(account: Account, found: Workloads, tagged: Tagged) -> Iterator[Workload]:
    for region, pages in found.functions.items():
        for item in pages.items("Functions"):
            arn = str(item["FunctionArn"])
            variables = item.get("Environment", {}).get("Variables", {})
            yield Workload(
                _resource(account, "function", region, item["FunctionName"], arn),
                item.get("Role"),
                tagged.of(arn),
                [("environment of", name, value) for name, value in variables.items()],
            )


def _tasks(account: Account, found: Workloads) -> Iterator[Workload]:
    """The newest revision of a family is called by the family, so that its findings outlive a deployment."""
    for (region, name), answer in found.definitions.items():
        if answer is None or isinstance(answer, Refusal):
            continue
        definition = answer["taskDefinition"]
        arn = str(definition["taskDefinitionArn"])
        yield Workload(
            _resource(account, "task", region, name.rpartition("/")[2], arn),
            definition.get("taskRoleArn"),
            tag_map(answer),
            [
                (f"environment of container {container['name']} of", variable["name"], variable.get("value", ""))
                for container in definition.get("containerDefinitions", [])
                for variable in container.get("environment", [])
            ],
        )


def _instances(account: Account, found: Workloads) -> Iterator[Workload]:
    for region, item in live_instances(found.instances):
        name = str(item["InstanceId"])
        user_data = found.user_data[region, name]
        yield Workload(
            _resource(
                account,
                "instance",
                region,
                name,
                f"arn:{account.partition}:ec2:{region}:{account.number}:instance/{name}",
            ),
            item.get("IamInstanceProfile", {}).get("Arn"),
            tag_map(item),
            user_data=None if isinstance(user_data, Refusal) else user_data,
        )


def _projects(account: Account, found: Workloads) -> Iterator[Workload]:
    for (region, _), answer in found.project_details.items():
        for item in () if isinstance(answer, Refusal) else answer.get("projects", []):
            variables = item.get("environment", {}).get("environmentVariables", [])
            yield Workload(
                _resource(account, "project", region, item["name"], item["arn"]),
                item.get("serviceRole"),
                tag_map(item),
                # The other types name a parameter or a secret instead of holding a value.
                [
                    ("environment of", variable["name"], variable["value"])
                    for variable in variables
                    if variable.get("type", "PLAINTEXT") == "PLAINTEXT"
                ],
            )


class Roles:
    """Which identity a workload acts as, by what IAM listed."""

    def __init__(self, account: Account) -> None:
        self._account = account
        roles = account.snapshot.roles
        self._by_name = {str(role["RoleName"]): str(role["Arn"]) for role in roles}
        self._by_profile = {
            str(profile["Arn"]): str(role["Arn"]) for role in roles for profile in role.get("InstanceProfileList", [])
        }

    def identity_of(self, named: str | None) -> str | None:
        """The identity behind an ARN or name of a role or an ARN of an instance profile; None: none that is listed."""
        if named is None:
            return None
        arn = self._by_profile.get(named) or self._by_name.get(named) or named
        if not arn.startswith(f"arn:{self._account.partition}:iam::{self._account.number}:role/"):
            return None
        found = identity_id(self._account.tenant_id, arn)
        return found if found in self._account.identity_ids else None

    def asked(self, named: Iterable[str | None]) -> Asked:
        """Roles that are not found count as refused where IAM was not read whole; else they are gone, or foreign."""
        roles = {name for name in named if name is not None}
        lost = sorted(name for name in roles if self.identity_of(name) is None)
        why = self._account.snapshot.role_refusal or self._account.snapshot.details.refusal
        noun = "roles of workloads"
        if why is None:
            return Asked(noun, len(roles))
        refused = [replace(why, reason=f"{name} is not among the roles that were read: {why.reason}") for name in lost]
        return Asked(noun, len(roles) - len(lost), refused)
