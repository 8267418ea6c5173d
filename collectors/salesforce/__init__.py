"""The salesforce collector: users, apps, tokens, permissions, sharing, settings and history of one org.

API: Salesforce REST, Tooling and Connect REST, by OAuth. Permissions stand in `coverage.PERMISSIONS` and README.md. Not
read: records of customers (counts only), values of tokens, secrets of apps.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Final
from urllib.parse import urlsplit

from nhiscan import http
from nhiscan.collect import Context
from nhiscan.errors import ConfigError
from nhiscan.model import Record, Tenant
from nhiscan.secret import Secret

from . import (
    accounts,
    app_files,
    apps,
    audit,
    delegation,
    events,
    external_apps,
    flows,
    groups,
    logins,
    objects,
    probe,
    secrets,
    settings,
    sharing,
    tokens,
    users,
)
from .api import Api
from .coverage import PERMISSIONS, Tally
from .login import Door
from .org import Org

# Every part of an org, in the order in which they are read: what is referred to comes first.
PARTS: Final[tuple[Callable[[Org], Iterator[Record]], ...]] = (
    probe.records,
    groups.records,
    users.records,
    accounts.records,
    apps.records,
    external_apps.records,
    app_files.records,
    tokens.records,
    secrets.records,
    objects.records,
    sharing.records,
    flows.records,
    settings.records,
    delegation.records,
    logins.records,
    audit.records,
    events.records,
)


@dataclass(frozen=True)
class Salesforce:
    """Settings: `private_key` with `username` (JWT) or `client_secret` says how the app `client_id` logs in."""

    name: ClassVar[str] = "salesforce"
    permissions: ClassVar[Mapping[str, tuple[str, ...]]] = PERMISSIONS
    datasets: ClassVar[frozenset[str]] = frozenset(PERMISSIONS)

    url: str  # the org's My Domain
    client_id: str
    username: str | None = None
    private_key: Secret | None = None
    client_secret: Secret | None = None
    login_url: str = "https://login.salesforce.com"  # for a JWT; a sandbox has https://test.salesforce.com
    api_version: str = "62.0"
    daily_share: float = 0.2
    ca_file: Path | None = None
    is_register: bool = False
    metadata_folder: Path | None = None
    objects: tuple[str, ...] = (
        "Account",
        "Case",
        "Contact",
        "Contract",
        "Lead",
        "Opportunity",
        "OpportunityLineItem",
        "Order",
        "Quote",
        "QuoteLineItem",
    )
    fields: tuple[str, ...] = (
        "Account.OwnerId",
        "Contract.ContractTerm",
        "Contract.OwnerId",
        "Contract.Status",
        "Opportunity.AccountId",
        "Opportunity.Amount",
        "Opportunity.CloseDate",
        "Opportunity.OwnerId",
        "Opportunity.StageName",
        "OpportunityLineItem.Discount",
        "OpportunityLineItem.UnitPrice",
        "Order.OwnerId",
        "Quote.Discount",
        "QuoteLineItem.Discount",
        "QuoteLineItem.UnitPrice",
    )

    def collect(self, ctx: Context) -> Iterator[Record]:
        """The tenant, then part by part its records, then coverage.

        Raises: ConfigError for settings that cannot work; CollectError when the login fails, the session cannot be
        renewed, or the org is gone.
        """
        self._check_settings()
        collected_at = ctx.as_of if ctx.clock is None else ctx.clock()
        api = self._api(ctx)
        tenant_id = f"salesforce:{api.login.org_id}"
        yield Tenant(tenant_id=tenant_id, provider="salesforce")
        org = Org(
            tenant_id=tenant_id,
            api=api,
            tally=Tally(),
            ctx=ctx,
            as_of=ctx.as_of,
            objects=self.objects,
            fields=self.fields,
            metadata_folder=self.metadata_folder,
            is_register=self.is_register,
        )
        org.read_metadata()
        for part in PARTS:
            for record in part(org):
                yield org.remember(record)
        yield from org.app_settings.values()
        # Last: had a record not been made, nothing may have been called complete.
        yield from org.tally.coverage(tenant_id, collected_at)

    def _check_settings(self) -> None:
        for setting, url in (("url", self.url), ("login_url", self.login_url)):
            http.refuse_plain_http(url, setting=f"collectors.salesforce.{setting}")
            if urlsplit(url).path.strip("/"):
                raise ConfigError(f"collectors.salesforce.{setting} {url} goes on after its host", hint="cut it there")
        if (self.private_key is None) == (self.client_secret is None):
            raise ConfigError(
                "collectors.salesforce: say in one way how to log in",
                hint="set private_key with username, or client_secret",
            )
        if self.private_key is not None and not self.username:
            raise ConfigError("collectors.salesforce.private_key is set without username")
        if not 0 < self.daily_share <= 1:
            raise ConfigError("collectors.salesforce.daily_share must be more than 0 and at most 1")
        if not re.fullmatch(r"[1-9]\d{0,2}\.0", self.api_version):
            raise ConfigError(f"collectors.salesforce.api_version {self.api_version!r} is none", hint='like "62.0"')
        for name in self.objects:
            if not re.fullmatch(r"[A-Za-z]\w{0,79}", name, re.ASCII):
                raise ConfigError(f"collectors.salesforce.objects: {name!r} is no API name of an object")
        for name in self.fields:
            if not re.fullmatch(r"[A-Za-z]\w{0,79}\.[A-Za-z]\w{0,79}", name, re.ASCII):
                raise ConfigError(
                    f"collectors.salesforce.fields: {name!r} is no API name of a field",
                    hint='like "Opportunity.Amount"',
                )

    def _api(self, ctx: Context) -> Api:
        url = self.url.rstrip("/")
        token_host = url if self.private_key is None else self.login_url.rstrip("/")
        verify = True if self.ca_file is None else str(self.ca_file)
        host = f"salesforce:{self.client_id}"
        door = Door(
            ctx=ctx,
            url=url,
            version=self.api_version,
            open_session=ctx.http(host, base_url=url, verify=verify),
            session=ctx.http(f"{host} login", base_url=token_host, verify=verify),
            token_host=token_host,
            audience=self.login_url.rstrip("/"),
            client_id=self.client_id,
            username=self.username,
            private_key=self.private_key,
            client_secret=self.client_secret,
        )
        session = ctx.http(host, base_url=url, verify=verify)
        return Api(url, self.api_version, session, door.log_in, self.daily_share, ctx.is_sample)
