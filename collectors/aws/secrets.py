"""Secrets Manager and Parameter Store -> secrets and parameters with their dates; a value is never read.

API: Secrets Manager 2017-10-17, ListSecrets (it says all that DescribeSecret does) and ListSecretVersionIds; Systems
Manager 2014-11-06, DescribeParameters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from nhiscan.collect import Refusal
from nhiscan.model import Resource, StoredSecret

from .account import Account
from .coverage import Asked, each_asked, regions_asked
from .fetch import Json, Pages, each_in_regions, has_code, read_one, read_regions
from .identities import utc
from .keys import at_rest
from .policies import document_in
from .tagging import tag_map

_RATE: Final = re.compile(r"rate\((?P<number>\d+) (?P<unit>hour|day)s?\)")


@dataclass(frozen=True, slots=True)
class Secrets:
    """Raw answers, by region; versions and resource policies by region and ARN. None: there is no such thing."""

    secrets: Mapping[str, Pages]
    parameters: Mapping[str, Pages]
    changed_at: Mapping[tuple[str, str], datetime | Refusal | None]
    policies: Mapping[tuple[str, str], Json | Refusal | None]

    def listed(self) -> tuple[Asked, Asked]:
        return regions_asked("secrets", self.secrets), regions_asked("parameters", self.parameters)

    def asked_for_grants(self) -> tuple[Asked, Asked]:
        return regions_asked("secrets", self.secrets), each_asked("secrets' policies", self.policies)

    def versions(self) -> Asked:
        return each_asked("secrets' versions", self.changed_at)


def read_secrets(account: Account) -> Secrets:
    clients = account.clients("secretsmanager")
    secrets = read_regions(clients, "ListSecrets", MaxResults=100)
    arns = [(region, str(item["ARN"])) for region, pages in secrets.items() for item in pages.items("SecretList")]
    return Secrets(
        secrets=secrets,
        parameters=read_regions(account.clients("ssm"), "DescribeParameters", MaxResults=50),
        changed_at=each_in_regions(clients, arns, _changed_at, count=account.counting("secrets' versions")),
        policies=each_in_regions(clients, arns, _policy, count=account.counting("secrets' policies")),
    )


def _changed_at(client: object, arn: str) -> datetime | Refusal | None:
    """When the current value was stored. LastChangedDate would not do: a new tag or description moves it."""
    answer = read_one(client, "ListSecretVersionIds", SecretId=arn)
    if isinstance(answer, Refusal):
        return None if has_code(answer, "ResourceNotFoundException") else answer
    current = (item for item in answer.get("Versions", []) if "AWSCURRENT" in item.get("VersionStages", []))
    return next((item.get("CreatedDate") for item in current), None)


def _policy(client: object, arn: str) -> Json | Refusal | None:
    answer = read_one(client, "GetResourcePolicy", SecretId=arn)
    if isinstance(answer, Refusal):
        return None if has_code(answer, "ResourceNotFoundException") else answer
    return document_in(answer, "ResourcePolicy", "secretsmanager:GetResourcePolicy")


def secret_records(
    account: Account, secrets: Secrets, provider_keys: frozenset[str]
) -> Iterator[tuple[Resource, Mapping[str, str], StoredSecret]]:
    """Each secret as a resource, with its tags and dates; `provider_keys`: keys that are AWS's own."""
    for region, pages in secrets.secrets.items():
        for item in pages.items("SecretList"):
            arn = str(item["ARN"])
            held = Resource(
                resource_id=f"{account.tenant_id}:secret/{region}/{item['Name']}",
                provider="aws",
                tenant_id=account.tenant_id,
                kind="secret",
                name=item["Name"],
                native_id=arn,
                region=region,
                encrypted_at_rest=at_rest(item.get("KmsKeyId"), provider_keys),
            )
            changed_at = secrets.changed_at[region, arn]
            rules = item.get("RotationRules", {})
            yield (
                held,
                tag_map(item),
                StoredSecret(
                    resource_id=held.resource_id,
                    kind="secret",
                    created_at=utc(item.get("CreatedDate")),
                    updated_at=None if isinstance(changed_at, Refusal) else utc(changed_at),
                    # Absent for a secret that nobody ever read.
                    last_used_at=utc(item.get("LastAccessedDate")),
                    last_used_known=True,
                    is_rotated=bool(item.get("RotationEnabled")),
                    rotation_days=rules.get("AutomaticallyAfterDays") or _days(rules.get("ScheduleExpression", "")),
                    rotated_at=utc(item.get("LastRotatedDate")),
                ),
            )


def parameter_records(
    account: Account, secrets: Secrets, provider_keys: frozenset[str]
) -> Iterator[tuple[Resource, StoredSecret | None]]:
    """Each parameter as a resource; only a SecureString is a stored secret."""
    for region, pages in secrets.parameters.items():
        for item in pages.items("Parameters"):
            is_secret = item.get("Type") == "SecureString"
            held = Resource(
                resource_id=f"{account.tenant_id}:parameter/{region}/{item['Name']}",
                provider="aws",
                tenant_id=account.tenant_id,
                kind="parameter",
                name=item["Name"],
                native_id=parameter_arn(account, region, item["Name"]),
                region=region,
                encrypted_at_rest=at_rest(item.get("KeyId"), provider_keys) if is_secret else None,
            )
            yield held, _stored_parameter(held, item) if is_secret else None


def parameter_arn(account: Account, region: str, name: str) -> str:
    return f"arn:{account.partition}:ssm:{region}:{account.number}:parameter/{name.removeprefix('/')}"


def _stored_parameter(held: Resource, item: Json) -> StoredSecret:
    return StoredSecret(
        resource_id=held.resource_id,
        kind="parameter",
        version=item.get("Version"),
        updated_at=utc(item.get("LastModifiedDate")),
        expires_at=_expiry(item.get("Policies", [])),
        is_rotated=False,  # Parameter Store has no rotation of its own
    )


def _expiry(policies: list[Json]) -> datetime | None:
    """Source: Systems Manager User Guide, "Assigning parameter policies", Expiration."""
    for policy in policies:
        if policy.get("PolicyType") == "Expiration":
            try:
                moment = datetime.fromisoformat(json.loads(policy["PolicyText"])["Attributes"]["Timestamp"])
            except (ValueError, KeyError, TypeError):
                return None
            return utc(moment)
    return None


def _days(schedule: str) -> int | None:
    """Days between rotations of a rate; a cron expression has no one number."""
    rate = _RATE.fullmatch(schedule.strip())
    if rate is None:
        return None
    number = int(rate["number"])
    return number if rate["unit"] == "day" else max(1, number // 24)


def read_strings(account: Account, secrets: Secrets) -> dict[tuple[str, str], str | Refusal | None]:
    """Values of the parameters of type String, by region and name: plain text, which asks for no key."""
    clients = account.clients("ssm")
    names = [
        (region, str(item["Name"]))
        for region, pages in secrets.parameters.items()
        for item in pages.items("Parameters")
        if item.get("Type") == "String"
    ]
    return each_in_regions(clients, names, _string, count=account.counting("parameters"))


def _string(client: object, name: str) -> str | Refusal | None:
    answer = read_one(client, "GetParameters", Names=[name])
    if isinstance(answer, Refusal):
        return answer
    # A parameter that turned into a SecureString since it was listed comes as ciphertext, and is left alone.
    return next((item["Value"] for item in answer.get("Parameters", []) if item.get("Type") == "String"), None)
