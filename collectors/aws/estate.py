"""What an account holds and runs: stored secrets, resources that let outsiders in, and workloads.

One part, because the lists of secrets and functions serve several datasets. Permissions stand in `PERMISSIONS`; no
value of a secret, parameter, object or message is read, apart from parameters of type String where that was asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from nhiscan.collect import Refusal
from nhiscan.model import Coverage, Record, Resource, ResourceTag

from .account import Account
from .coverage import Asked, dataset_coverage, each_asked
from .fetch import Json
from .grants import bucket_grants, key_grants, policy_grants
from .identities import fold, read_environment
from .keys import Keys, key_records, provider_keys, read_keys
from .search import Search
from .secrets import Secrets, parameter_records, read_secrets, read_strings, secret_records
from .stores import Stores, bucket_records, queue_records, read_stores, topic_records
from .tagging import Tagged, read_tagged
from .workloads import Roles, Workloads, read_workloads, workloads

_TAGS: Final = "tag:GetResources"
_SECRETS: Final = ("secretsmanager:ListSecrets", "ssm:DescribeParameters")
_TASKS: Final = (
    "ecs:DescribeTaskDefinition",
    "ecs:DescribeTasks",
    "ecs:ListClusters",
    "ecs:ListTaskDefinitionFamilies",
    "ecs:ListTasks",
)
_PROJECTS: Final = ("codebuild:BatchGetProjects", "codebuild:ListProjects")
_STORES: Final = (
    "kms:ListAliases",
    "kms:ListKeys",
    "s3:GetBucketPolicy",
    "s3:ListAllMyBuckets",
    "sns:GetTopicAttributes",
    "sns:ListTopics",
    "sqs:GetQueueAttributes",
    "sqs:ListQueues",
)
PERMISSIONS: Final[Mapping[str, tuple[str, ...]]] = {
    "stored_secrets": (*_SECRETS, _TAGS),
    "stored_secrets.last_used": _SECRETS,
    "stored_secrets.rotation": (*_SECRETS, "secretsmanager:ListSecretVersionIds"),
    "resources": (*_STORES, "s3:GetEncryptionConfiguration", _TAGS),
    "grants": (
        *_STORES,
        "kms:GetKeyPolicy",
        "kms:ListGrants",
        "lambda:GetPolicy",
        "lambda:ListFunctions",
        "s3:GetAccountPublicAccessBlock",
        "s3:GetBucketAcl",
        "s3:GetBucketPublicAccessBlock",
        "secretsmanager:GetResourcePolicy",
        "secretsmanager:ListSecrets",
    ),
    "workloads": ("ec2:DescribeInstances", "lambda:ListFunctions", *_PROJECTS, *_TASKS, _TAGS),
    "sightings.environment": ("lambda:ListFunctions", *_PROJECTS, *_TASKS),
    "sightings.user_data": ("ec2:DescribeInstanceAttribute", "ec2:DescribeInstances"),
    "sightings.tags": (
        "ec2:DescribeInstances",
        "iam:GetAccountAuthorizationDetails",
        "secretsmanager:ListSecrets",
        *_PROJECTS,
        *_TASKS,
        _TAGS,
    ),
    "sightings.parameters": (),
}
READ_PARAMETERS: Final = "ssm:GetParameters"


@dataclass(frozen=True, slots=True, repr=False)
class Estate:
    """Raw answers of one account; `strings` None: values of parameters were not asked for."""

    tagged: Tagged
    keys: Keys
    secrets: Secrets
    stores: Stores
    workloads: Workloads
    strings: Mapping[tuple[str, str], str | Refusal | None] | None


def records(account: Account) -> Iterator[Record]:
    """Everything, and after it the coverage of each dataset."""
    secrets, stores = read_secrets(account), read_stores(account)
    estate = Estate(
        tagged=read_tagged(account, stores.bucket_regions()),
        keys=read_keys(account),
        secrets=secrets,
        stores=stores,
        workloads=read_workloads(account),
        strings=read_strings(account, secrets) if account.reads_parameters else None,
    )
    search = Search(account.ctx, account.tenant_id)
    yield from _secret_records(account, estate, search)
    yield from _store_records(account, estate, search)
    yield from _workload_records(account, estate, search)
    yield from _coverage(account, estate)


def _held(search: Search, resource: Resource, tags: Mapping[str, str]) -> Iterator[Record]:
    """A resource with its tags, and the secrets in them."""
    clean, seen = search.resource_tags(resource, tags)
    yield replace(resource, environment=read_environment(fold(clean)))
    yield from (ResourceTag(resource_id=resource.resource_id, name=name, value=clean[name]) for name in clean)
    yield from seen


def _granted(account: Account, resource: Resource, policy: Json | Refusal | None) -> Iterator[Record]:
    if policy is not None and not isinstance(policy, Refusal):
        yield from policy_grants(account.tenant_id, resource.resource_id, policy)


def _secret_records(account: Account, estate: Estate, search: Search) -> Iterator[Record]:
    of_provider = provider_keys(estate.keys)
    for resource, tags, stored in secret_records(account, estate.secrets, of_provider):
        yield from _held(search, resource, tags)
        yield stored
        yield from _granted(account, resource, estate.secrets.policies[str(resource.region), resource.native_id])
    for resource, stored_parameter in parameter_records(account, estate.secrets, of_provider):
        yield from _held(search, resource, estate.tagged.of(resource.native_id))
        if stored_parameter is not None:
            yield stored_parameter
        value = (estate.strings or {}).get((str(resource.region), resource.name))
        if isinstance(value, str):
            yield from search.resource_text("parameter", resource, value, part="value of", name=resource.name)


def _store_records(account: Account, estate: Estate, search: Search) -> Iterator[Record]:
    of_provider = provider_keys(estate.keys)
    for resource, bucket in bucket_records(account, estate.stores, of_provider):
        yield from _held(search, resource, estate.tagged.of(resource.native_id))
        yield from bucket_grants(
            account.tenant_id,
            resource.resource_id,
            _known(bucket.policy),
            _known(bucket.acl),
            [block for block in map(_known, (bucket.block, estate.stores.account_block)) if block is not None],
        )
    for resource, policy in (
        *queue_records(account, estate.stores, of_provider),
        *topic_records(account, estate.stores, of_provider),
    ):
        yield from _held(search, resource, estate.tagged.of(resource.native_id))
        yield from _granted(account, resource, policy)
    for resource, key_id in key_records(account, estate.keys):
        place = (str(resource.region), key_id)
        yield from _held(search, resource, estate.tagged.of(resource.native_id))
        yield from _granted(account, resource, estate.keys.policies[place])
        grants = estate.keys.grants[place]
        if grants is not None and not isinstance(grants, Refusal):
            yield from key_grants(account.tenant_id, resource.resource_id, grants)


def _known(answer: Json | Refusal | None) -> Json | None:
    return None if isinstance(answer, Refusal) else answer


def _workload_records(account: Account, estate: Estate, search: Search) -> Iterator[Record]:
    roles = Roles(account)
    for found in workloads(account, estate.workloads, estate.tagged):
        resource = replace(found.resource, runs_as_id=roles.identity_of(found.role))
        yield from _held(search, resource, found.tags)
        for part, name, value in found.variables:
            yield from search.resource_text("environment", resource, value, part=part, name=name)
        if found.user_data:
            yield from search.resource_text("user_data", resource, found.user_data, part="user data of", name=None)
        if resource.kind == "function":
            place = (str(resource.region), resource.native_id)
            yield from _granted(account, resource, estate.workloads.function_policies[place])


def _coverage(account: Account, estate: Estate) -> Iterator[Coverage]:
    secrets, stores, ran = estate.secrets, estate.stores, estate.workloads
    tags = estate.tagged.asked()
    details = account.snapshot.details
    iam_tags = Asked("tags of users and roles", int(bool(details.pages)), [details.refusal] if details.refusal else [])
    roles = Roles(account).asked(found.role for found in workloads(account, ran, estate.tagged))
    answers: dict[str, Sequence[Asked]] = {
        "stored_secrets": (*secrets.listed(), tags),
        "stored_secrets.last_used": secrets.listed(),
        "stored_secrets.rotation": (*secrets.listed(), secrets.versions()),
        "resources": (*estate.keys.asked(), *stores.asked(), stores.asked_for_encryption(), tags),
        "grants": (
            *estate.keys.asked(),
            *estate.keys.asked_for_grants(),
            *stores.asked(),
            *stores.asked_for_grants(),
            *ran.asked_for_grants(),
            *secrets.asked_for_grants(),
        ),
        "workloads": (*ran.asked(), roles, tags),
        "sightings.environment": ran.asked_about_environments(),
        "sightings.user_data": ran.asked_about_user_data(),
        "sightings.tags": (iam_tags, tags, *secrets.listed()[:1], *ran.asked_for_tags()),
    }
    for dataset, asked in answers.items():
        yield dataset_coverage(account.tenant_id, dataset, (), asked, collected_at=account.collected_at)
    yield _parameter_coverage(account, estate)


def _parameter_coverage(account: Account, estate: Estate) -> Coverage:
    if estate.strings is not None:
        asked = (estate.secrets.listed()[1], each_asked("parameters of type String", estate.strings))
        return dataset_coverage(account.tenant_id, "sightings.parameters", (), asked, collected_at=account.collected_at)
    return Coverage(
        provider="aws",
        tenant_id=account.tenant_id,
        dataset="sightings.parameters",
        status="unsupported",
        reason="values of parameters are not read unless collectors.aws.read_parameters is set",
        missing_permission=READ_PARAMETERS,
        collected_at=account.collected_at,
    )
