"""Buckets, queues and topics: their own policies, who may come by them, and how they encrypt.

API: S3 2006-03-01, ListBuckets and GetBucketPolicy, GetBucketAcl, GetPublicAccessBlock, GetBucketEncryption of each;
S3 Control 2018-08-20, GetPublicAccessBlock of the account; SQS 2012-11-05, ListQueues and GetQueueAttributes; SNS
2010-03-31, ListTopics and GetTopicAttributes. No object and no message is read.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from nhiscan.collect import Refusal
from nhiscan.model import Resource

from .account import Account
from .coverage import Asked, each_asked, regions_asked
from .fetch import Json, Pages, ask, ask_each, each_in_regions, has_code, read_all, read_one, read_regions
from .keys import at_rest
from .policies import document_in
from .statements import Condition, listed, names_action, principals, read_conditions

_GONE: Final = ("NoSuchBucket", "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NotFound")


@dataclass(frozen=True, slots=True)
class Bucket:
    """What one bucket answered. None: it has none, or is gone."""

    policy: Json | Refusal | None
    acl: Json | Refusal | None
    block: Json | Refusal | None
    encryption: Json | Refusal | None


@dataclass(frozen=True, slots=True)
class Stores:
    """Raw answers: buckets by name, queues by region and URL, topics by region and ARN."""

    listed_buckets: Pages
    buckets: Mapping[str, Bucket]
    account_block: Json | Refusal | None
    listed_queues: Mapping[str, Pages]
    queues: Mapping[tuple[str, str], Json | Refusal | None]
    listed_topics: Mapping[str, Pages]
    topics: Mapping[tuple[str, str], Json | Refusal | None]

    def asked(self) -> tuple[Asked, ...]:
        pages = self.listed_buckets
        return (
            Asked("list of buckets", int(bool(pages.pages)), [] if pages.refusal is None else [pages.refusal]),
            each_asked("buckets' policies", {name: bucket.policy for name, bucket in self.buckets.items()}),
            regions_asked("queues", self.listed_queues),
            each_asked("queues' attributes", self.queues),
            regions_asked("topics", self.listed_topics),
            each_asked("topics' attributes", self.topics),
        )

    def bucket_regions(self) -> list[str]:
        return sorted(
            {str(item["BucketRegion"]) for item in self.listed_buckets.items("Buckets") if "BucketRegion" in item}
        )

    def asked_for_encryption(self) -> Asked:
        return each_asked("buckets' encryption", {name: bucket.encryption for name, bucket in self.buckets.items()})

    def asked_for_grants(self) -> tuple[Asked, ...]:
        return (
            each_asked("buckets' access lists", {name: bucket.acl for name, bucket in self.buckets.items()}),
            each_asked("buckets' public access blocks", {name: bucket.block for name, bucket in self.buckets.items()}),
            each_asked("the account's public access block", {"account": self.account_block}),
        )


def read_stores(account: Account) -> Stores:
    buckets = read_all(account.client("s3"), "ListBuckets", MaxBuckets=1000)
    sqs, sns = account.clients("sqs"), account.clients("sns")
    queues = read_regions(sqs, "ListQueues", MaxResults=1000)
    topics = read_regions(sns, "ListTopics")
    return Stores(
        listed_buckets=buckets,
        buckets=_read_buckets(account, buckets.items("Buckets")),
        account_block=_account_block(account),
        listed_queues=queues,
        queues=each_in_regions(
            sqs,
            [(region, str(url)) for region, pages in queues.items() for url in pages.items("QueueUrls")],
            lambda client, url: _attributes(client, "GetQueueAttributes", QueueUrl=url, AttributeNames=["All"]),
            count=account.counting("queues"),
        ),
        listed_topics=topics,
        topics=each_in_regions(
            sns,
            [(region, str(item["TopicArn"])) for region, pages in topics.items() for item in pages.items("Topics")],
            lambda client, arn: _attributes(client, "GetTopicAttributes", TopicArn=arn),
            count=account.counting("topics"),
        ),
    )


def _attributes(client: Any, operation: str, **request: Any) -> Json | Refusal | None:
    answer = read_one(client, operation, **request)
    if isinstance(answer, Refusal):
        return None if has_code(answer, *_GONE) else answer
    attributes: Json = answer.get("Attributes", {})
    return attributes


def _read_buckets(account: Account, buckets: list[Json]) -> dict[str, Bucket]:
    """Every bucket is asked in its own region, which is often none of those that the scan is limited to."""
    regions = {str(item["Name"]): str(item.get("BucketRegion") or account.regions[0]) for item in buckets}
    clients = {region: account.client("s3", region) for region in sorted(set(regions.values()))}

    def asked(operation: str, absent: str) -> dict[str, Json | Refusal | None]:
        def question(name: str) -> Json | Refusal | None:
            answer = read_one(clients[regions[name]], operation, Bucket=name)
            return None if isinstance(answer, Refusal) and has_code(answer, absent, *_GONE) else answer

        return ask_each(list(regions), question, count=account.counting(f"buckets, {operation}"))

    policies = {
        name: document_in(answer, "Policy", "s3:GetBucketPolicy")
        for name, answer in asked("GetBucketPolicy", "NoSuchBucketPolicy").items()
    }
    acls = asked("GetBucketAcl", "NoSuchBucket")
    blocks = asked("GetPublicAccessBlock", "NoSuchPublicAccessBlockConfiguration")
    encryptions = asked("GetBucketEncryption", "ServerSideEncryptionConfigurationNotFoundError")
    return {name: Bucket(policies[name], acls[name], blocks[name], encryptions[name]) for name in regions}


def _account_block(account: Account) -> Json | Refusal | None:
    client = account.client("s3control")
    client.meta.events.register("before-call.s3-control", _at_one_address)
    answer = ask("s3control:GetPublicAccessBlock", lambda: client.get_public_access_block(AccountId=account.number))
    if isinstance(answer, Refusal):
        return None if has_code(answer, "NoSuchPublicAccessBlockConfiguration") else answer
    block: Json = answer
    return block


def _at_one_address(params: dict[str, Any], **_: object) -> None:
    """S3 Control puts the account number before the host name; before the address of a stand-in it makes no host."""
    parts = urlsplit(params["url"])
    host = parts.netloc.partition(".")[2]
    try:
        ipaddress.ip_address(host.rpartition(":")[0] or host)
    except ValueError:
        return
    params["url"] = urlunsplit(parts._replace(netloc=host))


def bucket_records(
    account: Account, stores: Stores, provider_keys: frozenset[str]
) -> Iterator[tuple[Resource, Bucket]]:
    for item in stores.listed_buckets.items("Buckets"):
        name = str(item["Name"])
        bucket = stores.buckets[name]
        arn = f"arn:{account.partition}:s3:::{name}"
        yield (
            Resource(
                resource_id=f"{account.tenant_id}:bucket/{name}",
                provider="aws",
                tenant_id=account.tenant_id,
                kind="bucket",
                name=name,
                native_id=arn,
                region=item.get("BucketRegion"),
                encrypted_at_rest=_bucket_at_rest(bucket.encryption, provider_keys),
                encrypted_in_transit=_in_transit(bucket.policy, "s3:getobject"),
            ),
            bucket,
        )


def _bucket_at_rest(encryption: Json | Refusal | None, provider_keys: frozenset[str]) -> str | None:
    if isinstance(encryption, Refusal):
        return None
    if encryption is None:
        return "none"
    rules = encryption.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    defaults = [rule.get("ApplyServerSideEncryptionByDefault", {}) for rule in rules]
    return next((at_rest(default.get("KMSMasterKeyID"), provider_keys) for default in defaults), None)


def queue_records(
    account: Account, stores: Stores, provider_keys: frozenset[str]
) -> Iterator[tuple[Resource, Json | Refusal | None]]:
    """Each queue with its policy."""
    for (region, url), attributes in stores.queues.items():
        name = url.rpartition("/")[2]
        policy = document_in(attributes, "Policy", "sqs:GetQueueAttributes")
        arn = f"arn:{account.partition}:sqs:{region}:{account.number}:{name}"
        yield (
            Resource(
                resource_id=f"{account.tenant_id}:queue/{region}/{name}",
                provider="aws",
                tenant_id=account.tenant_id,
                kind="queue",
                name=name,
                native_id=arn,
                region=region,
                encrypted_at_rest=_attribute_at_rest(attributes, provider_keys),
                encrypted_in_transit=_in_transit(policy, "sqs:sendmessage"),
            ),
            policy,
        )


def topic_records(
    account: Account, stores: Stores, provider_keys: frozenset[str]
) -> Iterator[tuple[Resource, Json | Refusal | None]]:
    """Each topic with its policy."""
    for (region, arn), attributes in stores.topics.items():
        name = arn.rpartition(":")[2]
        policy = document_in(attributes, "Policy", "sns:GetTopicAttributes")
        yield (
            Resource(
                resource_id=f"{account.tenant_id}:topic/{region}/{name}",
                provider="aws",
                tenant_id=account.tenant_id,
                kind="topic",
                name=name,
                native_id=arn,
                region=region,
                encrypted_at_rest=_attribute_at_rest(attributes, provider_keys),
                encrypted_in_transit=_in_transit(policy, "sns:publish"),
            ),
            policy,
        )


def _attribute_at_rest(attributes: Json | Refusal | None, provider_keys: frozenset[str]) -> str | None:
    """Queues and topics encrypt under a key that they name, queues under one of SQS as well, or not at all."""
    if attributes is None or isinstance(attributes, Refusal):
        return None
    key = attributes.get("KmsMasterKeyId")
    if not key and attributes.get("SqsManagedSseEnabled") != "true":
        return "none"
    return at_rest(key, provider_keys)


def _in_transit(policy: Json | Refusal | None, action: str) -> str | None:
    """Enforced, where everybody is denied `action` without TLS. AWS offers TLS everywhere, so otherwise optional."""
    if isinstance(policy, Refusal):
        return None
    for statement in listed((policy or {}).get("Statement")):
        if (
            statement.get("Effect") == "Deny"
            and any(principal.kind == "any" for principal in principals(statement))
            and "NotPrincipal" not in statement
            and names_action(statement, action)
            and [_is_without_tls(condition) for condition in read_conditions(statement.get("Condition"))] == [True]
        ):
            return "enforced"
    return "optional"


def _is_without_tls(condition: Condition) -> bool:
    return (
        condition.name.casefold() == "aws:securetransport"
        and condition.test == "bool"
        and [value.casefold() for value in condition.values] == ["false"]
    )
