"""KMS keys of the customer, with their policies and grants.

API: KMS 2014-11-01, ListKeys, ListAliases, GetKeyPolicy, ListGrants. AWS's own keys are told by their `alias/aws/`
alias, which nobody else may make; their policies and grants are not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from nhiscan.collect import Refusal
from nhiscan.model import Resource

from .account import Account
from .coverage import Asked, each_asked, regions_asked
from .fetch import Json, Pages, each_in_regions, has_code, read_all, read_one, read_regions
from .policies import document_in

_PROVIDER_ALIAS: Final = "alias/aws/"
_GONE: Final = ("NotFoundException", "KMSInvalidStateException")  # the latter: about to be deleted


@dataclass(frozen=True, slots=True)
class Keys:
    """Raw answers, by region; policies and grants by region and key id. None: there is no such key any more."""

    listed: Mapping[str, Pages]
    aliases: Mapping[str, Pages]
    policies: Mapping[tuple[str, str], Json | Refusal | None]
    grants: Mapping[tuple[str, str], list[Json] | Refusal | None]

    def asked(self) -> tuple[Asked, Asked]:
        return regions_asked("keys", self.listed), regions_asked("aliases of keys", self.aliases)

    def asked_for_grants(self) -> tuple[Asked, Asked]:
        return each_asked("keys' policies", self.policies), each_asked("keys' grants", self.grants)


def read_keys(account: Account) -> Keys:
    clients = account.clients("kms")
    listed = read_regions(clients, "ListKeys", Limit=1000)
    aliases = read_regions(clients, "ListAliases", Limit=100)
    of_provider = _provider_ids(aliases)
    ours = [
        (region, str(key["KeyId"]))
        for region, pages in listed.items()
        for key in pages.items("Keys")
        if (region, key["KeyId"]) not in of_provider
    ]
    return Keys(
        listed=listed,
        aliases=aliases,
        policies=each_in_regions(clients, ours, _policy, count=account.counting("keys' policies")),
        grants=each_in_regions(clients, ours, _grants, count=account.counting("keys' grants")),
    )


def _policy(client: object, key_id: str) -> Json | Refusal | None:
    answer = read_one(client, "GetKeyPolicy", KeyId=key_id, PolicyName="default")
    if isinstance(answer, Refusal):
        return None if has_code(answer, *_GONE) else answer
    return document_in(answer, "Policy", "kms:GetKeyPolicy")


def _grants(client: object, key_id: str) -> list[Json] | Refusal | None:
    pages = read_all(client, "ListGrants", KeyId=key_id, Limit=100)
    if pages.refusal is not None:
        return None if has_code(pages.refusal, *_GONE) else pages.refusal
    return pages.items("Grants")


def _provider_ids(aliases: Mapping[str, Pages]) -> set[tuple[str, str]]:
    return {
        (region, str(alias["TargetKeyId"]))
        for region, pages in aliases.items()
        for alias in pages.items("Aliases")
        if alias["AliasName"].startswith(_PROVIDER_ALIAS) and "TargetKeyId" in alias
    }


def provider_keys(keys: Keys) -> frozenset[str]:
    """Ids of keys that are AWS's own."""
    return frozenset(key_id for _, key_id in _provider_ids(keys.aliases))


def at_rest(key: str | None, provider_keys: frozenset[str]) -> str:
    """What encryption under this key is; without a key it is AWS's. `key`: id, ARN or alias."""
    if not key or f":{key}".rpartition(":")[2].startswith(_PROVIDER_ALIAS):
        return "provider"
    return "provider" if key.rpartition("/")[2] in provider_keys else "customer_key"


def key_records(account: Account, keys: Keys) -> Iterator[tuple[Resource, str]]:
    """Each key of ours as a resource, with its key id; it is called by its first alias."""
    names: dict[tuple[str, str], str] = {}
    for region, pages in keys.aliases.items():
        for alias in sorted(pages.items("Aliases"), key=lambda alias: str(alias["AliasName"])):
            names.setdefault((region, alias.get("TargetKeyId", "")), alias["AliasName"])
    arns = {
        (region, key["KeyId"]): key["KeyArn"] for region, pages in keys.listed.items() for key in pages.items("Keys")
    }
    for region, key_id in keys.policies:
        yield (
            Resource(
                resource_id=f"{account.tenant_id}:key/{region}/{key_id}",
                provider="aws",
                tenant_id=account.tenant_id,
                kind="key",
                name=names.get((region, key_id), key_id),
                native_id=arns[region, key_id],
                region=region,
            ),
            key_id,
        )
