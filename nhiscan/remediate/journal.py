"""What was done to the world for a plan: <folder>/journal.jsonl, append-only, each line bound to the one before it.

A line is {n, at, kind, operation, step, data, previous, hash}; `hash` is over the rest of the line. `append` returns
once the line is on the disk, so that no effect is without its intent. This shows a line that was changed, moved or
taken out, not lines cut from the end: for that the engine looks at the world, whatever the journal says.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from nhiscan import chained
from nhiscan.atomic import sync
from nhiscan.errors import LockError, StoreError

NAME: Final = "journal.jsonl"
LOCK: Final = "lock"  # beside the folders of all plans: one applier in a state directory
# What each kind of record may say, and nothing else: a secret has no place to stand in.
KINDS: Final[Mapping[str, frozenset[str]]] = {
    "opened": frozenset({"plan", "version"}),
    "torn": frozenset({"bytes"}),
    "decided": frozenset({"decision", "approvals"}),
    "intent": frozenset({"key", "attempt", "id", "state", "others", "facts", "version"}),
    "observed": frozenset({"id", "request_id", "state", "others", "facts", "version"}),
    "done": frozenset({"id"}),
    "waiting": frozenset({"waits_for", "until", "says", "nothing_done"}),
    "unsure": frozenset({"says"}),
    "human": frozenset({"says", "nothing_done"}),
    "orphan": frozenset({"id", "says"}),
    "rolling_back": frozenset(),
    "rolled_back": frozenset(),
    "closed": frozenset(),
}
_FIELDS: Final = ("n", "at", "kind", "operation", "step", "data", chained.PREVIOUS)


@dataclass(frozen=True, slots=True)
class Record:
    """One line. `operation`: its number in the plan; None where it is about all of them."""

    n: int
    at: datetime
    kind: str
    operation: int | None
    step: str | None
    data: Mapping[str, Any]
    previous: str
    hash: str


@dataclass(slots=True)
class Journal:
    """Made by `opened` only. `records`: all that was written, oldest first."""

    path: Path
    clock: Callable[[], datetime]
    records: list[Record] = field(default_factory=list)
    _descriptor: int = -1
    _is_broken: bool = False

    def append(self, kind: str, operation: int | None = None, step: str | None = None, **data: Any) -> Record:
        """Writes one line: it is on the disk when this returns. What is None in `data` is left out.

        Raises: StoreError where it is not; the journal then takes nothing more until it is opened anew.
        """
        if self._is_broken:
            raise StoreError(f"{self.path}: could not be written before", hint="mend that, then run it again")
        said = {name: value for name, value in data.items() if value is not None}
        for name, value in said.items():
            if name not in KINDS[kind] or not _is_plain(value):
                raise TypeError(f"a record {kind!r} of the journal does not hold {name}: {type(value).__name__}")
        line = chained.bound(
            {
                "n": len(self.records) + 1,
                "at": self.clock().astimezone(UTC).isoformat(),
                "kind": kind,
                "operation": operation,
                "step": step,
                "data": said,
                "previous": self.records[-1].hash if self.records else "",
            }
        )
        text = chained.text(line)
        self._write(text)
        record = _record(json.loads(text))
        self.records.append(record)
        return record

    def _write(self, text: str) -> None:
        size = os.fstat(self._descriptor).st_size
        try:
            chained.append(self._descriptor, text)
        except BaseException as error:
            self._is_broken = True
            chained.take_back(self._descriptor, size)
            if isinstance(error, OSError):
                raise _unusable(self.path, error) from error
            raise


@contextlib.contextmanager
def opened(folder: Path, *, clock: Callable[[], datetime]) -> Iterator[Journal]:
    """The journal of a plan for writing; nobody else executes a plan in this state directory meanwhile.

    A last line that was cut off when a machine died is taken out, which is said in a record: nothing was done on its
    account, since whoever wrote it never got to know that it was written.
    Raises: LockError where somebody else executes; StoreError where the journal is damaged or cannot be written.
    """
    path = folder / NAME
    with held(folder.parent), contextlib.ExitStack() as stack:
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lines, torn = _lines(path)
            descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
            stack.callback(os.close, descriptor)
            _end_last_line(descriptor, torn)
            os.fsync(descriptor)
            sync(folder)
            sync(folder.parent)
        except OSError as error:
            raise _unusable(path, error) from error
        journal = Journal(path, clock, lines, descriptor)
        if torn:
            journal.append("torn", bytes=torn)
        yield journal


@contextlib.contextmanager
def held(folder: Path) -> Iterator[None]:
    """Holds <state>/remediation against every other applier; the system lets go when the process dies.

    Raises: LockError, StoreError.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _unusable(folder / LOCK, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(descriptor, 200, 0).decode(errors="replace").strip() or "another process"
            raise LockError(f"{holder} is carrying out a plan in {folder}", hint="wait for it to end") from error
        with contextlib.suppress(OSError):  # who holds it is only told to people; on a full disk it is not
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"process {os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def read(folder: Path) -> list[Record]:
    """What stands in the journal of a plan, oldest first; nothing where it was never begun. Changes nothing.

    Raises: StoreError naming the file and line that is not what was written there.
    """
    path = folder / NAME
    try:
        return _lines(path)[0]
    except OSError as error:
        raise _unusable(path, error) from error


def _lines(path: Path) -> tuple[list[Record], int]:
    """The records, and how many bytes after them are of a line that was cut off."""
    hint = "put the file back from a backup; until then nothing of this plan is carried out"
    records: list[Record] = []
    for number, (line, text) in enumerate(chained.lines(path, _FIELDS, hint=hint), 1):
        if line is None:
            return records, len(text)
        if line["n"] != number or not _is_typed(line):
            raise chained.changed(path, number, hint=hint)
        records.append(_record(line))
    return records, 0


def _end_last_line(descriptor: int, torn: int) -> None:
    size = os.fstat(descriptor).st_size
    if torn:
        os.ftruncate(descriptor, size - torn)
    elif size and os.pread(descriptor, 1, size - 1) != b"\n":  # the whole line is there, and counts
        os.write(descriptor, b"\n")


def _is_typed(line: Mapping[str, Any]) -> bool:
    """Whether each field is of its type: a hash is anybody's to make, and bundles come from outside."""
    try:
        is_time = datetime.fromisoformat(line["at"]).tzinfo is not None
    except (ValueError, TypeError):
        return False
    return (
        is_time
        and type(line["n"]) is int
        and isinstance(line["kind"], str)
        and (line["operation"] is None or type(line["operation"]) is int)
        and (line["step"] is None or isinstance(line["step"], str))
        and isinstance(line["data"], dict)
    )


def _record(line: Mapping[str, Any]) -> Record:
    at = datetime.fromisoformat(line["at"])
    return Record(
        line["n"], at, line["kind"], line["operation"], line["step"], line["data"], line["previous"], line["hash"]
    )


def _is_plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(type(name) is str and type(text) is str for name, text in value.items())
    return type(value) in (str, int, bool)


def _unusable(path: Path, error: OSError) -> StoreError:
    return StoreError(
        f"cannot use {path}: {error.strerror or error}",
        hint="check its permissions and the free space, then run it again: it looks at what was done before it goes on",
    )
