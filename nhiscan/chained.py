"""Files of JSON lines to which lines are only added, each bound to the one before it by a hash over what it says.

This shows a line that was changed, moved or taken out, not one cut from the end.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from nhiscan.errors import StoreError

PREVIOUS: Final = "previous"  # the hash of the line before; "" in the first one
_HASH: Final = "hash"


def bound(said: Mapping[str, Any]) -> dict[str, Any]:
    """A line with the hash over what it says, `previous` among it."""
    return {**said, _HASH: digest(said)}


def text(line: Mapping[str, Any]) -> str:
    """A line as it stands in the file."""
    return json.dumps(line) + "\n"


def lines(path: Path, fields: Sequence[str], *, hint: str) -> Iterator[tuple[dict[str, Any] | None, bytes]]:
    """Each line of a file, parsed and as it stands there; None: the last one, of which only a part was written.

    A whole last line may lack its end, where somebody's editor took it. `fields`: the names in a line but for its hash.
    Raises: StoreError with `hint`, naming the line that is not what was written there; OSError.
    """
    if not path.exists():
        return
    previous = ""
    for number, written in enumerate(path.read_bytes().splitlines(keepends=True), 1):
        line = _parsed(written, fields)
        if line is None and not written.endswith(b"\n"):
            yield None, written
            return
        if line is None or line[PREVIOUS] != previous:
            raise changed(path, number, hint=hint)
        previous = line[_HASH]
        yield line, written


def changed(path: Path, number: int, *, hint: str) -> StoreError:
    """What is said of a line that is not what was written."""
    return StoreError(
        f"{path}, line {number}: is not what nhiscan wrote there: the line, or one before it, was changed, "
        "moved or taken out",
        hint=hint,
    )


def append(descriptor: int, written: str) -> None:
    """Adds lines; all of them are on the disk when this returns. Raises: OSError, after which a part may be there."""
    left = memoryview(written.encode("ascii"))
    while left:
        left = left[os.write(descriptor, left) :]
    os.fsync(descriptor)


def take_back(descriptor: int, size: int) -> None:
    """Cuts a file back to what it was; what cannot be taken back is found by whoever reads it next."""
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, size)
        os.fsync(descriptor)


def _parsed(written: bytes, fields: Sequence[str]) -> dict[str, Any] | None:
    """The line; None where it is not what its hash says."""
    try:
        line: dict[str, Any] = json.loads(written)
        said = {name: line[name] for name in fields}
        return line if line[_HASH] == digest(said) and len(line) == len(said) + 1 else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def digest(said: Mapping[str, Any]) -> str:
    """SHA-256 in hex over what a line says."""
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode("ascii")).hexdigest()
