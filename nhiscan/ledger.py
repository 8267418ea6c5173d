"""What people said through commands: <state>/ledger/<table>.jsonl, append-only, each line bound to the one before it.

A line is {at, by, record, previous, hash}; `hash` is over the rest of the line, `previous` is that of the line before.
This shows a line that was changed, moved or taken out, not one cut from the end. Of several lines about one id the last
stands, so that nothing that was said is ever removed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import functools
import os
import re
import types
import typing
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from operator import attrgetter
from pathlib import Path
from typing import Any, Final

from nhiscan import chained
from nhiscan.atomic import sync
from nhiscan.errors import StoreError
from nhiscan.model import Acceptance, Attestation, AttestationItem, Offboarding, OffboardingStep, Record, Review
from nhiscan.printable import command

# What makes two lines speak of the same thing. Parts stand before what they are parts of: they are written first, so
# that a process that dies leaves parts of nothing, which count for nothing, and no whole without its parts.
IDS: Final[Mapping[type[Record], tuple[str, ...]]] = {
    Acceptance: ("acceptance_id",),
    Review: ("review_id",),
    AttestationItem: ("attestation_id", "subject_kind", "subject_id"),
    Attestation: ("attestation_id",),
    OffboardingStep: ("offboarding_id", "step"),
    Offboarding: ("offboarding_id",),
}
WHOLES: Final[Mapping[type[Record], type[Record]]] = {AttestationItem: Attestation, OffboardingStep: Offboarding}
_FIELDS: Final = ("at", "by", "record", chained.PREVIOUS)
_ROW: Final = "register_row"
_PLACE: Final = re.compile(r"ledger/[^/]+\.jsonl(?::\d+)?\Z")
_KINDS: Final = {kind.table: kind for kind in IDS}


@dataclass(frozen=True, slots=True)
class Entry:
    """One line: what was said (`register_row` names the line), when and by whom."""

    at: datetime
    by: str
    record: Record


def is_row(where: str | None) -> bool:
    """Whether a `register_row`, or the file that it names, is of the ledger; the register reads no such files."""
    return where is not None and _PLACE.match(where) is not None


def append(state: Path, records: Iterable[Record], *, at: datetime, by: str) -> None:
    """Writes records down: all of them are on the disk when it returns, or none is.

    Raises: StoreError when the ledger cannot be written or is damaged.
    """
    with opened(state) as ledger:
        ledger.append(records, at=at, by=by)


def records(state: Path) -> Iterator[Record]:
    """What stands: the newest entry of each id, its `register_row` such as `ledger/reviews.jsonl:3`.

    Raises: StoreError naming the file and line where the ledger is damaged.
    """
    for entry in entries(state):
        yield entry.record


def entries(state: Path) -> list[Entry]:
    """As `records`, with when it was said and by whom."""
    folder = state / "ledger"
    with _disk_errors(folder), _locked(folder, fcntl.LOCK_SH) as is_there:
        return _standing(folder) if is_there else []


@contextlib.contextmanager
def opened(state: Path) -> Iterator[Ledger]:
    """The ledger, held against every other reader and writer: for what has to be decided by what stands in it.

    Raises: StoreError when it cannot be written.
    """
    folder = state / "ledger"
    with _disk_errors(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _disk_errors(folder), _locked(folder, fcntl.LOCK_EX):
        yield Ledger(folder)


class Ledger:
    """Made by `opened` only."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def records(self) -> Iterator[Record]:
        for entry in _standing(self._folder):
            yield entry.record

    def append(self, records: Iterable[Record], *, at: datetime, by: str) -> None:
        """As the function of this name."""
        told: dict[type[Record], list[Record]] = {kind: [] for kind in IDS}
        for record in records:
            told[type(record)].append(record)
        written: list[tuple[int, int]] = []
        try:
            for kind, said in told.items():
                if said:
                    self._write(_file(self._folder, kind), said, at, by, written)
            sync(self._folder)
        except BaseException:
            for descriptor, size in written:
                chained.take_back(descriptor, size)
            raise
        finally:
            for descriptor, _ in written:
                os.close(descriptor)

    def _write(self, file: Path, said: Iterable[Record], at: datetime, by: str, written: list[tuple[int, int]]) -> None:
        *_, (last, is_ended) = ({"hash": ""}, True), *_lines(file)
        previous = last["hash"]
        text = "" if is_ended else "\n"
        for record in said:
            line = chained.bound({"at": _plain(at), "by": by, "record": _told(record), "previous": previous})
            previous = line["hash"]
            text += chained.text(line)
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        written.append((descriptor, os.fstat(descriptor).st_size))
        chained.append(descriptor, text)


def _standing(folder: Path) -> list[Entry]:
    found: dict[tuple[Any, ...], Entry] = {}
    for kind, fields in IDS.items():
        file = _file(folder, kind)
        id_of = attrgetter(*fields)
        for number, (line, _) in enumerate(_lines(file), 1):
            try:
                record = _read(kind, line["record"], f"ledger/{file.name}:{number}")
                entry = Entry(datetime.fromisoformat(line["at"]), str(line["by"]), record)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                raise StoreError(
                    f"{file}, line {number}: is no entry that this version of nhiscan knows: {error}",
                    hint="read it with the version that wrote it",
                ) from error
            found[kind, id_of(record)] = entry
    return list(found.values())


def _file(folder: Path, kind: type[Record]) -> Path:
    return folder / f"{kind.table}.jsonl"


def _lines(file: Path) -> Iterator[tuple[dict[str, Any], bool]]:
    """Each line, and whether it has its end.

    Raises: StoreError naming the line that is not what was written there.
    """
    hint = "put the file back from a backup; until then nothing that people said is read"
    for number, (line, text) in enumerate(chained.lines(file, _FIELDS, hint=hint), 1):
        if line is None:
            cut_off = command("sed", "-i", "$ d", str(file))
            raise StoreError(
                f"{file}, line {number}: was cut off, as when a disk is full or a machine dies",
                hint="what it said was never confirmed to anybody: "
                + (f"take it out with `{cut_off}`" if cut_off else "take that line out")
                + " and say it again",
            )
        yield line, text.endswith(b"\n")


def _told(record: Record) -> dict[str, Any]:
    fields = (field.name for field in dataclasses.fields(record) if field.name != _ROW)
    return {name: _plain(value) for name in fields if (value := getattr(record, name)) is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date) else value


def _read(kind: type[Record], told: Mapping[str, Any], row: str) -> Record:
    """Raises: TypeError or ValueError where the fields are not those of `kind`."""
    hints = _hints(kind.table)
    made: Any = kind
    record: Record = made(**{name: _value(hints[name], value) for name, value in told.items()}, register_row=row)
    return record


@functools.cache
def _hints(table: str) -> dict[str, type]:
    """The type of each field; that it may be unknown as well is left out."""
    found = {}
    for name, hint in typing.get_type_hints(_KINDS[table]).items():
        known = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
        found[name] = next(arg for arg in known if arg is not types.NoneType)
    return found


def _value(hint: Any, value: Any) -> Any:
    if hint in (datetime, date):
        return hint.fromisoformat(value)
    if not isinstance(value, hint):
        raise TypeError(f"{value!r} is not of type {hint.__name__}")
    return value


@contextlib.contextmanager
def _locked(folder: Path, how: int) -> Iterator[bool]:
    """Holds the folder, whose lock the system releases when the process dies; False where there is no folder."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(descriptor, how)
        yield True
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"cannot use {error.filename or folder}: {error.strerror or error}",
            hint="check its permissions and the free space; nothing of this was written down",
        ) from error
