"""The AWS collector, IAM part: users, groups, roles, policies, credentials, trusts and issuers of one or more accounts.

API: IAM 2010-05-08 and STS 2011-06-15 through boto3. Permissions stand in `coverage.PERMISSIONS` and README.md. Not
read: organizations and SCPs, resource policies, CloudTrail, secrets, anything outside IAM.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nhiscan.collect import Context
from nhiscan.errors import CollectError, ConfigError
from nhiscan.model import Record, Tenant
from nhiscan.secret import Secret

from . import coverage
from .account import Account, Part
from .credentials import UserCredentials, root_records, service_specific_records
from .fetch import Refusal, Snapshot, ask, read_account
from .identities import group_record, identity_id, membership_records, role_records, user_records
from .issuers import oidc_records, saml_record
from .policies import policy_records, read_document
from .trusts import trusts

# What an account is made of besides IAM; the order is that of the scan.
PARTS: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Aws:
    """Settings: `role_name`, when set, is assumed in every account; `accounts` empty means the caller's own."""

    name: ClassVar[str] = "aws"
    permissions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **coverage.PERMISSIONS,
        **{dataset: calls for part in PARTS for dataset, calls in part.PERMISSIONS.items()},
    }
    datasets: ClassVar[frozenset[str]] = frozenset(permissions)

    profile: str | None = None
    accounts: tuple[str, ...] = ()
    role_name: str | None = None
    external_id: Secret | None = None
    regions: tuple[str, ...] = ("us-east-1",)
    endpoint_url: str | None = None
    partition: str = "aws"

    def collect(self, ctx: Context) -> Iterator[Record]:
        """Tenants first, then account by account its records and coverage.

        Raises: ConfigError for settings that cannot work, CollectError when the credential is no good.
        """
        self._check_settings()
        # Before anything can fail: a tenant that was never named would be missing from the coverage.
        yield from (_tenant(account) for account in self.accounts)
        caller = self._caller(ctx) if self.role_name is None or not self.accounts else None
        if caller is not None and not self.accounts:
            yield _tenant(caller)
        for account in self.accounts or (caller,):
            yield from self._account(ctx, str(account), caller)

    def _check_settings(self) -> None:
        for account in self.accounts:
            if not re.fullmatch(r"\d{12}", account):
                raise ConfigError(f"collectors.aws.accounts: {account!r} is not an account number of 12 digits")
        if len(set(self.accounts)) != len(self.accounts):
            raise ConfigError("collectors.aws.accounts names an account twice")
        if not self.regions:
            raise ConfigError("collectors.aws.regions is empty", hint="name at least one region")
        if self.external_id is not None and self.role_name is None:
            raise ConfigError(
                "collectors.aws.external_id is set without role_name", hint="name the role that is to be assumed"
            )

    def _caller(self, ctx: Context) -> str:
        sts = ctx.boto3_client("sts", region=self.regions[0], profile=self.profile, endpoint_url=self.endpoint_url)
        answer = ask("sts:GetCallerIdentity", sts.get_caller_identity)
        if isinstance(answer, Refusal):
            raise CollectError(
                f"aws: cannot find out whose credentials these are: {answer.reason}",
                hint="check the network, collectors.aws.endpoint_url and collectors.aws.regions",
            )
        return str(answer["Account"])

    def _account(self, ctx: Context, account: str, caller: str | None) -> Iterator[Record]:
        tenant_id = f"aws:{account}"
        collected_at = ctx.as_of if ctx.clock is None else ctx.clock()
        if self.role_name is None and account != caller:
            reason = f"the credentials belong to account {caller} and no role_name is set"
            refusal = Refusal("denied", "sts:AssumeRole", reason, missing_permission="sts:AssumeRole")
            yield from coverage.refused_account(tenant_id, self.datasets, refusal, collected_at)
            return
        iam = ask("sts:AssumeRole", lambda: self._client(ctx, account, "iam", self.regions[0]))
        if isinstance(iam, Refusal):
            yield from coverage.refused_account(tenant_id, self.datasets, iam, collected_at)
            return
        snapshot = read_account(ctx, iam, f"aws {account}")
        yield from account_records(tenant_id, snapshot)
        # Last: had a record not been made, nothing may have been called complete.
        yield from coverage.account_coverage(tenant_id, snapshot, ctx.as_of, collected_at)
        entered = Account(
            ctx,
            tenant_id,
            account,
            self.partition,
            self.regions,
            collected_at,
            snapshot,
            lambda service, region: self._client(ctx, account, service, region),
        )
        for part in PARTS:
            yield from part.records(entered)

    def _client(self, ctx: Context, account: str, service: str, region: str) -> Any:
        role_arn = None if self.role_name is None else f"arn:{self.partition}:iam::{account}:role/{self.role_name}"
        return ctx.boto3_client(
            service,
            region=region,
            profile=self.profile,
            role_arn=role_arn,
            external_id=None if self.external_id is None else self.external_id.reveal(),
            endpoint_url=self.endpoint_url,
        )


def account_records(tenant_id: str, snapshot: Snapshot) -> Iterator[Record]:
    """Everything that a snapshot of one account says, in the order of the provider's answers."""
    group_ids = {group["GroupName"]: identity_id(tenant_id, group["Arn"]) for group in snapshot.groups}
    user_ids = {user["UserName"]: identity_id(tenant_id, user["Arn"]) for user in snapshot.users}
    service_specific = snapshot.service_specific.items("ServiceSpecificCredentials")
    with_live_service_specific = {item["UserName"] for item in service_specific if item["Status"] == "Active"}
    for group in snapshot.groups:
        yield group_record(tenant_id, group)
    for user in snapshot.users:
        credentials = UserCredentials(
            tenant_id, user, snapshot, has_live_service_specific=user["UserName"] in with_live_service_specific
        )
        yield from user_records(tenant_id, user, credentials.facts())
        yield from membership_records(tenant_id, user, group_ids)
        yield from credentials.records()
    for role in snapshot.roles:
        yield from role_records(tenant_id, role, last_use_was_read=bool(snapshot.details.pages))
        document = read_document(role.get("AssumeRolePolicyDocument"))
        if document is not None:
            yield from trusts(tenant_id, identity_id(tenant_id, role["Arn"]), document)
    if not isinstance(snapshot.report, Refusal):
        for arn, row in snapshot.report.items():
            if arn.endswith(":root"):
                yield from root_records(tenant_id, row)
    yield from service_specific_records(tenant_id, service_specific, user_ids)
    principals = (*snapshot.users, *snapshot.groups, *snapshot.roles)
    yield from policy_records(tenant_id, principals, snapshot.details.items("Policies"))
    for provider in snapshot.oidc_providers.items("OpenIDConnectProviderList"):
        details = snapshot.oidc_details[provider["Arn"]]
        yield from oidc_records(tenant_id, provider["Arn"], None if isinstance(details, Refusal) else details)
    for provider in snapshot.saml_providers.items("SAMLProviderList"):
        yield saml_record(tenant_id, provider)


def _tenant(account: str) -> Tenant:
    return Tenant(tenant_id=f"aws:{account}", provider="aws", name=account)
