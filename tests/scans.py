"""What a run of a collector said, as tests ask for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from nhiscan.model import Record


@dataclass(frozen=True)
class Collected:
    """Records in the order in which they came; each collector's tests add words of their own."""

    records: list[Record]

    def of(self, table: str, **wanted: object) -> list[Any]:
        found = [record for record in self.records if record.table == table]
        return [r for r in found if all(getattr(r, name) == value for name, value in wanted.items())]

    def one(self, table: str, **wanted: object) -> Any:
        (found,) = self.of(table, **wanted)
        return found
