"""The part of the collector that reads what an account holds, run on its own against a stand-in."""

from __future__ import annotations

import functools
import importlib
from typing import Any

import boto3
from botocore.config import Config

from nhiscan.collect import Context
from tests.aws.conftest import AS_OF, Scan

NUMBER = "123456789012"  # moto's own account
TENANT = f"aws:{NUMBER}"

estate = importlib.import_module("nhiscan.collectors.aws.estate")
_account = importlib.import_module("nhiscan.collectors.aws.account")
_fetch = importlib.import_module("nhiscan.collectors.aws.fetch")


ANYBODY = ("AKIA000000000EXAMPLE", "not-a-secret")


@functools.cache
def client(url: str, service: str, region: str, key: tuple[str, str] = ANYBODY) -> Any:
    config = Config(retries={"mode": "standard", "total_max_attempts": 2})
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=url,
        config=config,
        aws_access_key_id=key[0],
        aws_secret_access_key=key[1],
    )


def snapshot(url: str, *, key: tuple[str, str] = ANYBODY, role_refusal: Any = None) -> Any:
    """What IAM says of roles; everything else is empty. With a refusal it says nothing."""
    pages = _fetch.Pages((), role_refusal)
    if role_refusal is None:
        pages = _fetch.read_pages(client(url, "iam", "us-east-1", key), "GetAccountAuthorizationDetails")
    nothing = _fetch.Pages()
    return _fetch.Snapshot(
        details=pages,
        users=[],
        groups=[],
        roles=pages.items("RoleDetailList"),
        user_refusal=role_refusal,
        group_refusal=role_refusal,
        role_refusal=role_refusal,
        users_listed=role_refusal is None,
        groups_listed=role_refusal is None,
        roles_listed=role_refusal is None,
        access_keys={},
        key_uses={},
        login_profiles={},
        mfa_devices={},
        report={},
        password_uses=None,
        service_specific=nothing,
        oidc_providers=nothing,
        oidc_details={},
        saml_providers=nothing,
    )


def held(
    url: str,
    *,
    regions: tuple[str, ...] = ("us-east-1",),
    reads_parameters: bool = False,
    role_refusal: Any = None,
    key: tuple[str, str] = ANYBODY,
) -> Scan:
    account = _account.Account(
        ctx=Context(as_of=AS_OF),
        tenant_id=TENANT,
        number=NUMBER,
        partition="aws",
        regions=regions,
        collected_at=AS_OF,
        snapshot=snapshot(url, key=key, role_refusal=role_refusal),
        open_client=lambda service, region: client(url, service, region, key),
        home_region="us-east-1",
        last_accessed_limit=0,
        event_pages=1,
        reads_parameters=reads_parameters,
    )
    return Scan(list(estate.records(account)))
