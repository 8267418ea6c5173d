"""One account as its parts see it: who it is, where to look, and clients for its services."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Protocol

from nhiscan.collect import Context
from nhiscan.model import Record

from .fetch import Snapshot
from .identities import identity_id


@dataclass(frozen=True)
class Account:
    """`snapshot` is what IAM said; `open_client(service, region)` gives a client that signs as the scanner here."""

    ctx: Context
    tenant_id: str
    number: str
    partition: str
    regions: Sequence[str]
    collected_at: datetime
    snapshot: Snapshot
    open_client: Callable[[str, str], Any]
    home_region: str  # where global services log what happens
    last_accessed_limit: int
    event_pages: int
    reads_parameters: bool
    resource_ids: dict[str, str] = field(default_factory=dict)  # by ARN: what the parts so far have found

    def client(self, service: str, region: str | None = None) -> Any:
        """A client; without a region that of the global services, the first."""
        return self.open_client(service, region or self.regions[0])

    def clients(self, service: str) -> dict[str, Any]:
        """One for each region. To be made before threads use them: sessions are not safe to share."""
        return {region: self.client(service, region) for region in self.regions}

    @cached_property
    def ids_by_name(self) -> Mapping[str, Mapping[str, str]]:
        """Identity ids by kind (user, group, role) and name: events name no paths."""
        s = self.snapshot
        return {
            kind: {principal[member]: identity_id(self.tenant_id, principal["Arn"]) for principal in listed}
            for kind, member, listed in (
                ("user", "UserName", s.users),
                ("group", "GroupName", s.groups),
                ("role", "RoleName", s.roles),
            )
        }

    @cached_property
    def identity_ids(self) -> frozenset[str]:
        """Every user, group and role that IAM listed: what a record may refer to."""
        listed = (*self.snapshot.users, *self.snapshot.groups, *self.snapshot.roles)
        return frozenset(identity_id(self.tenant_id, principal["Arn"]) for principal in listed)

    def counting(self, what: str) -> Callable[[int], None]:
        return lambda n: self.ctx.progress(f"aws {self.number}: {what}", n)


class Part(Protocol):
    """A module that reads some datasets of an account."""

    PERMISSIONS: Mapping[str, tuple[str, ...]]

    def records(self, account: Account) -> Iterator[Record]:
        """Its records, and after them one coverage record for each dataset in PERMISSIONS.

        What is refused becomes coverage. Raises: CollectError when the credential itself is no good.
        """
