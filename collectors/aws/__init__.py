"""The AWS collector: users, groups, roles, policies, credentials, trusts, issuers, and what the parts read.

API: IAM 2010-05-08 and STS 2011-06-15 through boto3; each part names its own. Permissions stand in
`coverage.PERMISSIONS`, in each part and in README.md. Not read: values of secrets, objects, messages.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from nhiscan.collect import Context, Refusal
from nhiscan.errors import CollectError, ConfigError
from nhiscan.model import Record, Resource, Scanner, Tenant
from nhiscan.secret import Secret

from . import activity, advisor, analyzer, coverage, estate, organization, regions, rolesanywhere
from . import settings as account_settings
from .account import Account, Part
from .credentials import UserCredentials, root_records, service_specific_records
from .fetch import Json, Snapshot, ask, read_account
from .identities import group_record, identity_id, membership_records, role_records, user_records
from .issuers import oidc_records, saml_record
from .policies import policy_records, read_document
from .quotas import Quotas, is_stand_in
from .regions import ALL as ALL_REGIONS
from .search import Search
from .trusts import trusts

# What an account is made of besides IAM; the order is that of the scan.
PARTS: tuple[Part, ...] = (estate, account_settings, rolesanywhere, advisor, activity, analyzer)


@dataclass(frozen=True)
class Aws:
    """Settings: `role_name`, when set, is assumed in every account; `accounts` empty means the caller's own."""

    name: ClassVar[str] = "aws"
    permissions: ClassVar[Mapping[str, tuple[str, ...]]] = {
        dataset: (*calls, regions.CALL) if dataset in regions.REGIONAL else calls
        for permissions in (coverage.PERMISSIONS, organization.PERMISSIONS, *(part.PERMISSIONS for part in PARTS))
        for dataset, calls in permissions.items()
    }
    datasets: ClassVar[frozenset[str]] = frozenset(permissions)

    profile: str | None = None
    accounts: tuple[str, ...] = ()
    role_name: str | None = None
    external_id: Secret | None = None
    regions: tuple[str, ...] = ALL_REGIONS
    endpoint_url: str | None = None
    partition: str = "aws"
    quota_share: float = 0.5
    last_accessed_limit: int = 500
    event_pages: int = 20
    read_parameters: bool = False

    def collect(self, ctx: Context) -> Iterator[Record]:
        """Tenants first, then account by account its records and coverage.

        Raises: ConfigError for settings that cannot work, CollectError when the credential is no good.
        """
        self._check_settings()
        # Before anything can fail: a tenant that was never named would be missing from the coverage.
        yield from (_tenant(account) for account in self.accounts)
        caller = self._caller(ctx) if self.role_name is None or not self.accounts else None
        if caller is not None and not self.accounts:
            yield _tenant(caller["Account"])
        quotas = Quotas(self.quota_share, wait=ctx.wait)  # which does nothing on replay
        entered = []
        for number in self.accounts or ((caller or {})["Account"],):
            account = yield from self._account(ctx, str(number), caller, quotas)
            entered += [] if account is None else [account]
        # Last: what one account is told of the organization holds for others.
        yield from organization.records(entered)

    def _check_settings(self) -> None:
        for account in self.accounts:
            if not re.fullmatch(r"\d{12}", account):
                raise ConfigError(f"collectors.aws.accounts: {account!r} is not an account number of 12 digits")
        if len(set(self.accounts)) != len(self.accounts):
            raise ConfigError("collectors.aws.accounts names an account twice")
        if not self.regions:
            raise ConfigError("collectors.aws.regions is empty", hint='name at least one region, or "all"')
        if "all" in self.regions and self.regions != ALL_REGIONS:
            raise ConfigError("collectors.aws.regions has more beside all", hint='either ["all"] or names of regions')
        if not 0 < self.quota_share <= 1:
            raise ConfigError("collectors.aws.quota_share is not above 0 and at most 1", hint="0.5 is half of a quota")
        if self.last_accessed_limit < 0 or self.event_pages < 1:
            raise ConfigError(
                "collectors.aws: last_accessed_limit must not be negative and event_pages must be at least 1"
            )
        if self.external_id is not None and self.role_name is None:
            raise ConfigError(
                "collectors.aws.external_id is set without role_name", hint="name the role that is to be assumed"
            )

    def _caller(self, ctx: Context) -> Json:
        region = regions.first(self.regions, self.partition)
        sts = ctx.boto3_client("sts", region=region, profile=self.profile, endpoint_url=self.endpoint_url)
        answer = ask("sts:GetCallerIdentity", sts.get_caller_identity)
        if isinstance(answer, Refusal):
            raise CollectError(
                f"aws: cannot find out whose credentials these are: {answer.reason}",
                hint="check the network, collectors.aws.endpoint_url and collectors.aws.regions",
            )
        found: Json = answer
        return found

    def _account(
        self, ctx: Context, account: str, caller: Json | None, quotas: Quotas
    ) -> Generator[Record, None, Account | None]:
        """Its records; returns the account, or None when it could not be entered."""
        tenant_id = f"aws:{account}"
        collected_at = ctx.as_of if ctx.clock is None else ctx.clock()
        if self.role_name is None and caller is not None and account != caller["Account"]:
            reason = f"the credentials belong to account {caller['Account']} and no role_name is set"
            refusal = Refusal("denied", "sts:AssumeRole", reason, missing_permission="sts:AssumeRole")
            yield from coverage.refused_account(tenant_id, self.datasets, refusal, collected_at)
            return None

        def open_client(service: str, region: str) -> Any:
            return self._client(ctx, account, service, region, quotas)

        front = regions.first(self.regions, self.partition)
        iam = ask("sts:AssumeRole", lambda: open_client("iam", front))
        if isinstance(iam, Refusal):
            yield from coverage.refused_account(tenant_id, self.datasets, iam, collected_at)
            return None
        snapshot, seen = Search(ctx, tenant_id).snapshot(read_account(ctx, iam, f"aws {account}"))
        yield from account_records(tenant_id, snapshot)
        yield from seen
        # Last: had a record not been made, nothing may have been called complete.
        yield from coverage.account_coverage(tenant_id, snapshot, ctx.as_of, collected_at)
        listed = regions.usable(open_client, front) if self.regions == ALL_REGIONS else (self.regions, None)
        read, unlisted = listed
        entered = Account(
            ctx=ctx,
            tenant_id=tenant_id,
            number=account,
            partition=self.partition,
            regions=read,
            collected_at=collected_at,
            snapshot=snapshot,
            open_client=open_client,
            home_region=regions.home(self.partition),
            last_accessed_limit=self.last_accessed_limit,
            event_pages=self.event_pages,
            reads_parameters=self.read_parameters,
        )
        yield from self._scanner(entered, caller)
        for part in PARTS:
            for record in part.records(entered):
                if isinstance(record, Resource):
                    entered.resource_ids[record.native_id] = record.resource_id
                yield regions.with_unlisted(record, front, unlisted)
        return entered

    def _client(self, ctx: Context, account: str, service: str, region: str, quotas: Quotas) -> Any:
        role_arn = None if self.role_name is None else f"arn:{self.partition}:iam::{account}:role/{self.role_name}"
        client = ctx.boto3_client(
            service,
            region=region,
            profile=self.profile,
            role_arn=role_arn,
            external_id=None if self.external_id is None else self.external_id.reveal(),
            endpoint_url=self.endpoint_url,
        )
        if not is_stand_in(self.endpoint_url):
            quotas.hold_back(client, account)
        return client

    def _scanner(self, account: Account, caller: Json | None) -> Iterator[Record]:
        """Who the scan was here; nobody where a session's role is not among those that IAM listed."""
        own_id: str | None = None
        if self.role_name is not None:
            name = self.role_name.rpartition("/")[2]
            own_id = account.ids_by_name["role"].get(name, f"{account.tenant_id}:role/{self.role_name}")
        elif caller is not None and ":assumed-role/" in caller["Arn"]:
            # A session names its role without the path.
            own_id = account.ids_by_name["role"].get(caller["Arn"].split("/")[1])
        elif caller is not None:
            own_id = identity_id(account.tenant_id, caller["Arn"])
        if own_id is not None:
            yield Scanner(tenant_id=account.tenant_id, identity_id=own_id)


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
