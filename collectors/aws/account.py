"""One account as its parts see it: who it is, where to look, and clients for its services."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from nhiscan.collect import Context
from nhiscan.model import Record


@dataclass(frozen=True)
class Account:
    """`open_client(service, region)` gives a client that signs as the scanner in this account."""

    ctx: Context
    tenant_id: str
    number: str
    partition: str
    regions: Sequence[str]
    collected_at: datetime
    open_client: Callable[[str, str], Any]

    def client(self, service: str, region: str | None = None) -> Any:
        """A client; without a region that of the global services, the first."""
        return self.open_client(service, region or self.regions[0])

    def counting(self, what: str) -> Callable[[int], None]:
        return lambda n: self.ctx.progress(f"aws {self.number}: {what}", n)


class Part(Protocol):
    """A module that reads some datasets of an account."""

    PERMISSIONS: Mapping[str, tuple[str, ...]]

    def records(self, account: Account) -> Iterator[Record]:
        """Its records, and after them one coverage record for each dataset in PERMISSIONS.

        What is refused becomes coverage. Raises: CollectError when the credential itself is no good.
        """
