"""Tags of resources, read in bulk.

API: Resource Groups Tagging API 2017-01-26, GetResources: up to 100 resources a page whatever their service, where each
service's own call would be one a resource.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .account import Account
from .coverage import Asked, regions_asked
from .fetch import Json, Pages, read_regions


@dataclass(frozen=True, slots=True)
class Tagged:
    pages: Mapping[str, Pages]
    by_arn: Mapping[str, Mapping[str, str]]

    def asked(self) -> Asked:
        return regions_asked("tags", self.pages)

    def of(self, arn: str) -> Mapping[str, str]:
        return self.by_arn.get(arn, {})


def read_tagged(account: Account, more_regions: Iterable[str] = ()) -> Tagged:
    """`more_regions`: where buckets are that were read although the scan is limited to other regions."""
    regions = dict.fromkeys((*account.regions, *more_regions))
    clients = {region: account.client("resourcegroupstaggingapi", region) for region in regions}
    pages = read_regions(clients, "GetResources", ResourcesPerPage=100)
    listed = [item for found in pages.values() for item in found.items("ResourceTagMappingList")]
    return Tagged(pages, {str(item["ResourceARN"]): tag_map(item) for item in listed})


def tag_map(item: Json) -> dict[str, str]:
    """The tags that an answer carries, by name; services write them with and without capitals."""
    return {
        str(tag.get("Key", tag.get("key"))): str(tag.get("Value", tag.get("value", "")))
        for tag in item.get("Tags") or item.get("tags") or ()
    }
