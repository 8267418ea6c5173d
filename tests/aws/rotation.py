"""A live moto behind a relay in which single calls go wrong, and the adapter of remediation that acts there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import boto3

from fixtures.aws.faults import Relay
from nhiscan.collect import Context
from nhiscan.remediate.contract import Session, Store, Target, load

ACCOUNT: Final = "123456789012"  # moto's own
TENANT: Final = f"aws:{ACCOUNT}"
REGION: Final = "eu-central-1"
KEY: Final = "0123456789abcdef0123456789abcdef"  # as the engine makes them
OTHER: Final = "fedcba9876543210fedcba9876543210"


@dataclass
class Aws:
    """`url`: moto itself, past the relay; None: moto in this process, and no relay."""

    url: str | None
    relay: Relay
    _clients: dict[str, Any] = field(default_factory=dict, repr=False)

    def client(self, service: str) -> Any:
        if service not in self._clients:
            self._clients[service] = boto3.client(service, endpoint_url=self.url, region_name=REGION)
        return self._clients[service]

    def session(self, **settings: Any) -> Session:
        made: Session = load("aws")(endpoint_url=self.relay.url or None, **settings).session(self.context())
        return made

    def store(self, **settings: Any) -> Store:
        made: Store = load("aws")(endpoint_url=self.relay.url or None, **settings).store(self.context())
        return made

    def context(self) -> Context:
        return Context(as_of=datetime(2026, 3, 2, 9, tzinfo=UTC))

    def user(self, name: str = "billing", *, path: str = "/partners/") -> Target:
        """A user with one access key: the key."""
        iam = self.client("iam")
        user = iam.create_user(UserName=name, Path=path)["User"]
        return self.key_of(user, iam.create_access_key(UserName=name)["AccessKey"]["AccessKeyId"])

    def key_of(self, user: Mapping[str, str], id: str) -> Target:
        return Target(
            "credential",
            f"{TENANT}:access_key/{id}",
            TENANT,
            "aws",
            kind="access_key",
            name=id,
            native_id=id,
            holder_kind="service_account",
            holder_name=user["UserName"],
            holder_native_id=user["Arn"],
        )

    def keys(self, name: str = "billing") -> dict[str, str]:
        """The user's keys, as AWS has them."""
        listed = self.client("iam").list_access_keys(UserName=name)["AccessKeyMetadata"]
        return {item["AccessKeyId"]: item["Status"] for item in listed}

    def password(self, name: str = "kim") -> Target:
        iam = self.client("iam")
        user = iam.create_user(UserName=name)["User"]
        iam.create_login_profile(UserName=name, Password="Not-A-Secret-1")
        return Target(
            "credential",
            f"{TENANT}:password/{name}",
            TENANT,
            "aws",
            kind="password",
            native_id=name,
            holder_kind="human_user",
            holder_name=name,
            holder_native_id=user["Arn"],
        )

    def trust(self, document: Mapping[str, Any], principal: str, *, role: str = "partner") -> Target:
        """A role with a trust policy: what it says of the principal."""
        made = self.client("iam").create_role(RoleName=role, AssumeRolePolicyDocument=json.dumps(document))["Role"]
        return Target(
            "trust",
            f"{TENANT}:trust/{role}/{principal}",
            TENANT,
            "aws",
            kind="assume_role",
            name=principal,
            holder_kind="workload_role",
            holder_name=role,
            holder_native_id=made["Arn"],
            principal=principal,
        )

    def trust_policy(self, role: str = "partner") -> Any:
        return self.client("iam").get_role(RoleName=role)["Role"]["AssumeRolePolicyDocument"]

    def secret(self, document: Any, *, name: str = "acme/billing") -> str:
        """A secret of Secrets Manager: its ARN."""
        text = document if isinstance(document, str) else json.dumps(document)
        arn: str = self.client("secretsmanager").create_secret(Name=name, SecretString=text)["ARN"]
        return arn

    def current(self, name: str = "acme/billing") -> Any:
        """What a consumer reads."""
        answer = self.client("secretsmanager").get_secret_value(SecretId=name, VersionStage="AWSCURRENT")
        return json.loads(answer["SecretString"])

    def labels(self, name: str = "acme/billing") -> dict[str, list[str]]:
        found = self.client("secretsmanager").describe_secret(SecretId=name).get("VersionIdsToStages", {})
        return {version: sorted(labels) for version, labels in found.items() if labels}

    def overwrite(self, document: Any, current: str, name: str = "acme/billing") -> None:
        """What somebody else stores. In two calls: after a label was moved, moto's put leaves two versions current."""
        client, token = self.client("secretsmanager"), "somebody-else-stored-this-version-0"
        client.put_secret_value(
            SecretId=name, SecretString=json.dumps(document), ClientRequestToken=token, VersionStages=["THEIRS"]
        )
        client.update_secret_version_stage(
            SecretId=name, VersionStage="AWSCURRENT", RemoveFromVersionId=current, MoveToVersionId=token
        )
