from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest

from nhiscan import collect, config
from nhiscan.collect import Context
from nhiscan.model import Coverage, Record

R = TypeVar("R", bound=Record)

AS_OF = datetime(2026, 1, 31, 12, tzinfo=UTC)
TENANT = "portal:hub"
USERS = "id,mail,name,status\nu1,ana@borealis.example,Ana,active\nu2,ben@cirrus.example,Ben,active\n"


@dataclass(frozen=True)
class Said:
    """Everything the portal collector said."""

    records: Sequence[Record]

    def of(self, kind: type[R]) -> list[R]:
        return [record for record in self.records if isinstance(record, kind)]

    def one(self, kind: type[R]) -> R:
        (record,) = self.of(kind)
        return record

    def coverage(self, dataset: str) -> Coverage:
        (found,) = (record for record in self.of(Coverage) if record.dataset == dataset)
        return found

    def covered(self, dataset: str) -> tuple[str, str]:
        found = self.coverage(dataset)
        return found.status, found.reason or ""


Read = Callable[..., Said]


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes files into a portal's folder and reads it; `files` lists some of them with settings of their own."""

    def run(files: Mapping[str, str | bytes], /, *, as_of: datetime = AS_OF, **settings: Any) -> Said:
        folder = tmp_path / "hub"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            path = tmp_path / name if "/" in name else folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)
        given = {"tenant": "hub", "path": "hub", "exported_at": date(2026, 1, 31), **settings}
        given = {name: value for name, value in given.items() if value is not None}
        portal = config.build(collect.load("portal"), given, where="collectors.portal.", base=tmp_path, environ={})
        return Said(list(collect.run(portal, Context(as_of=as_of))))

    return run
