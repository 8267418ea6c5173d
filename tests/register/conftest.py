from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

import pytest
from openpyxl import Workbook

from nhiscan import collect, config
from nhiscan.collect import Context
from nhiscan.model import Coverage, Quarantined, Record, RegisterFile

R = TypeVar("R", bound=Record)

AS_OF = datetime(2026, 1, 31, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Said:
    """Everything the register collector said."""

    records: Sequence[Record]

    def of(self, kind: type[R]) -> list[R]:
        return [record for record in self.records if isinstance(record, kind)]

    def one(self, kind: type[R]) -> R:
        (record,) = self.of(kind)
        return record

    def coverage(self, table: str) -> Coverage:
        (found,) = (record for record in self.of(Coverage) if record.dataset == f"register.{table}")
        return found

    def dropped(self, file: str) -> list[Quarantined]:
        return [entry for entry in self.of(Quarantined) if entry.file == file and entry.row_dropped]

    def lost_rows(self) -> dict[str, int]:
        """Of each file, the rows that are neither accepted nor said to be dropped."""
        return {file.file: file.rows - file.accepted - len(self.dropped(file.file)) for file in self.of(RegisterFile)}


Read = Callable[..., Said]


def write_workbook(path: Path, sheets: Mapping[str, Sequence[Sequence[Any]]]) -> None:
    book = Workbook()
    assert book.active is not None
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(list(row))
    book.save(path)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes files into a register folder and reads it; text, bytes, or a workbook's sheets by title."""

    def run(files: Mapping[str, Any], /, **settings: Any) -> Said:
        folder = tmp_path / "register"
        folder.mkdir(exist_ok=True)
        for name, content in files.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            if isinstance(content, str):
                path.write_bytes(content.encode())
            elif isinstance(content, bytes):
                path.write_bytes(content)
            else:
                write_workbook(path, content)
        register = config.build(
            collect.load("register"),
            {"path": "register", **settings},
            where="collectors.register.",
            base=tmp_path,
            environ={},
        )
        return Said(list(collect.run(register, Context(as_of=AS_OF))))

    return run
