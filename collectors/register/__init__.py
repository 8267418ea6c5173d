"""The partner register: what people wrote down about partners, contracts and owners, from files of many hands.

Reads csv, xlsx, toml and json files; writes nothing and calls nobody. It does not read old .xls
workbooks, password-protected files or the results of formulas that no program ever calculated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from nhiscan.errors import ConfigError, RegisterError
from nhiscan.model import REGISTER_DATASETS, Coverage, Quarantined, Record, Tenant

from . import sources, tickets
from .intake import Intake, Taken
from .sources import FileSpec, Sheet
from .tables import TABLES

if TYPE_CHECKING:
    from nhiscan.collect import Context

__all__ = ["FileSpec", "Register"]

_TENANT = "register:main"
_MOST_LISTED = 10
_NAMING = ("partners", "aliases")  # what tells whom a ticket means


@dataclass(frozen=True)
class Register:
    """`path`: a folder of files named by table, or one TOML or JSON file; `files`: files from elsewhere.

    `strict`: any row or cell that is not taken as it stands is an error.
    """

    name: ClassVar[str] = "register"
    datasets: ClassVar[frozenset[str]] = REGISTER_DATASETS
    permissions: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    path: Path | None = None
    files: tuple[FileSpec, ...] = ()
    strict: bool = False

    def __post_init__(self) -> None:
        if self.path is None and not self.files:
            raise ConfigError(
                "collectors.register names neither path nor files", hint='set path = "register/" to read a folder'
            )

    def collect(self, ctx: Context) -> Iterator[Record]:
        """Raises: RegisterError for a file that cannot be read at all, before anything is yielded."""
        specs, strays = sources.find(self.path, self.files)
        sheets: dict[str, list[Sheet]] = {}
        exports: list[tuple[Sheet, tickets.Reading]] = []
        for sheet in sources.read(specs):
            ctx.progress("register rows", len(sheet.rows))
            how = sheet.spec.how()
            if how is None:
                sheets.setdefault(sheet.spec.table, []).append(sheet)
            else:
                exports.append((sheet, how))
        intake = Intake()
        taken = {name: intake.take(TABLES[name], sheets[name]) for name in _NAMING if name in sheets}
        names = tickets.Names(record for table in taken.values() for record in table.records)
        said: dict[str, list[tickets.Taken]] = {}
        for sheet, how in exports:
            made, told = sources.unfolded(sheet, how, names)
            said.setdefault(how.table, []).append(told)
            for one in made:
                sheets.setdefault(one.spec.table, []).append(one)
        taken |= {
            name: intake.take(TABLES[name], sheets[name]) for name in TABLES if name in sheets and name not in taken
        }
        for name, all_told in said.items():
            taken[name].unread.extend(entry for told in all_told for entry in told.left_out)
            taken[name].refused.extend(entry for told in all_told for entry in told.doubts)
        if self.strict:
            _refuse_quarantined(taken)
        yield Tenant(_TENANT, self.name)
        yield from strays
        for table in taken.values():
            yield from table.records
            yield from table.files
            yield from table.fields
            yield from table.unread
            yield from table.refused
        for name in TABLES:
            status, reason = _covered(taken.get(name))
            yield Coverage(
                provider=self.name,
                tenant_id=_TENANT,
                dataset=f"register.{name}",
                status=status,
                reason=reason,
                collected_at=ctx.as_of,
            )


def _covered(taken: Taken | None) -> tuple[str, str | None]:
    if taken is None:
        return "unsupported", "the register holds no such table"
    if taken.lost:
        return "partial", f"{sum(file.accepted for file in taken.files)} of {taken.rows} rows accepted"
    return "complete", None


def _refuse_quarantined(taken: Mapping[str, Taken]) -> None:
    refused = [entry for table in taken.values() for entry in table.refused]
    if refused:
        listed = "; ".join(map(_line, refused[:_MOST_LISTED]))
        more = len(refused) - _MOST_LISTED
        raise RegisterError(
            f"{len(refused)} rows or cells of the register are not accepted: {listed}"
            + (f"; and {more} more" if more > 0 else ""),
            hint="mend these rows, or leave out strict to quarantine them",
        )


def _line(entry: Quarantined) -> str:
    where = f"{entry.file}:{entry.line}" + (f", {entry.field}" if entry.field else "")
    value = "" if entry.value is None else f" {entry.value!r}"
    allowed = f" (allowed: {entry.allowed})" if entry.allowed else ""
    return f"{where}:{value} {entry.problem}{allowed}"
