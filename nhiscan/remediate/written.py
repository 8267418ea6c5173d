"""What people sign, as JSON that is made in one way only and read back without any leniency.

The keys are the fields of a dataclass: an unknown or missing one, one that stands twice, another type or a number with
a fraction is refused, so that no two readers can take one file for two things.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import functools
import json
import os
import stat
import types
import typing
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from nhiscan.printable import plain

_MOST: Final = 2**53  # of a number: beyond it some readers of JSON round
_SECOND: Final = timedelta(seconds=1)
_NONE: Final = timedelta(0)
_LONGEST_S: Final = 100 * 366 * 24 * 3600


class WrittenError(ValueError):
    """Not what was written; the message names the key and is for whoever knows the file."""


def canonical(told: Mapping[str, Any]) -> bytes:
    """What is hashed and signed: sorted keys, no spaces, ASCII."""
    return json.dumps(told, sort_keys=True, separators=(",", ":"), allow_nan=False).encode("ascii")


def text(told: Mapping[str, Any]) -> str:
    """The same for people."""
    return json.dumps(told, sort_keys=True, indent=2, allow_nan=False) + "\n"


def told(value: Any) -> Any:
    """A dataclass as JSON has it; of a length of time a begun second counts in full: to wait longer does no harm."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: told(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): told(each) for key, each in value.items()}
    if isinstance(value, tuple):
        return [told(each) for each in value]
    if isinstance(value, timedelta):
        return -(-value // _SECOND)
    if value is None or isinstance(value, (str, bool, int)):
        return value
    raise TypeError(f"a plan holds no {type(value).__name__}")


def read(path: Path, *, most: int) -> bytes:
    """A regular file that is no link. Raises: OSError, WrittenError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise WrittenError("is no file")
        data = file.read(most + 1)
    if len(data) > most:
        raise WrittenError(f"is larger than {most} bytes")
    return data


def parsed(data: bytes) -> dict[str, Any]:
    """Raises: WrittenError."""
    try:
        found = json.loads(
            data.decode("ascii"), object_pairs_hook=_once, parse_float=_no_fraction, parse_constant=_no_fraction
        )
    except WrittenError:
        raise
    except (ValueError, RecursionError) as error:
        raise WrittenError(f"is no JSON that can be read: {error}") from error
    if not isinstance(found, dict):
        raise WrittenError("is not one object of JSON")
    return found


def made(kind: Any, value: Any, where: str = "") -> Any:
    """A dataclass from JSON. Raises: WrittenError naming the key."""
    if not isinstance(value, dict):
        raise WrittenError(f"{where or 'it'} is not an object")
    hints = _hints(kind)
    for key in value:
        if key not in hints:
            raise WrittenError(f"{where}{'.' if where else ''}{plain(key)}: unknown key")
    found = {}
    for name, hint in hints.items():
        at = f"{where}.{name}" if where else name
        if name not in value:
            raise WrittenError(f"{at} is missing")
        found[name] = _value(hint, value[name], at)
    return kind(**found)


def document(value: Any, *, version: int) -> str:
    """The file of a dataclass: `text` of what it says and the version of its schema."""
    return text({"schema_version": version, **told(value)})


def opened(kind: Any, data: bytes, *, version: int) -> Any:
    """The dataclass of which `data` is the `document`. Raises: WrittenError naming the key."""
    said = parsed(data)
    given = said.pop("schema_version", None)
    if given != version or isinstance(given, bool):
        raise WrittenError(f"schema_version is {plain(given)}, and this version of nhiscan knows {version} only")
    found = made(kind, said)
    # A space more says nothing else, but it is somebody's hand in a file that nobody has to touch.
    if document(found, version=version).encode("ascii") != data:
        raise WrittenError("is not as nhiscan wrote it: somebody edited it")
    return found


def moment(value: str) -> datetime | None:
    """A time as plans write it, ISO 8601 in UTC; None where it is none."""
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo is not None and found.isoformat() == value and found.utcoffset() == _NONE else None


def stamp(at: datetime) -> str:
    """A time as plans write it."""
    return at.astimezone(UTC).isoformat()


def unbase64(value: str) -> bytes | None:
    """What `value` stands for, if it is written in the one way that it can be; else None."""
    try:
        found = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None
    return found if base64.b64encode(found).decode("ascii") == value else None


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _value(hint: Any, value: Any, where: str) -> Any:
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None and types.NoneType in args:
            return None
        (hint,) = (arg for arg in args if arg is not types.NoneType)
        return _value(hint, value, where)
    if origin is typing.Literal:
        if not isinstance(value, str) or value not in args:
            raise WrittenError(f"{where} is '{plain(value)}', and has to be one of {', '.join(args)}")
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise WrittenError(f"{where} is not a list")
        return tuple(_value(args[0], each, f"{where}[{number}]") for number, each in enumerate(value))
    if origin is not None and issubclass(origin, Mapping):
        if not isinstance(value, dict):
            raise WrittenError(f"{where} is not an object")
        return {key: _value(args[1], each, f"{where}.{plain(key)}") for key, each in value.items()}
    if dataclasses.is_dataclass(hint):
        return made(hint, value, where)
    if hint is timedelta:
        seconds = _value(int, value, where)
        if not 0 <= seconds <= _LONGEST_S:
            raise WrittenError(f"{where} is no number of seconds")
        return timedelta(seconds=seconds)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise WrittenError(f"{where} is not of type {hint.__name__}")
    if hint is int and abs(value) > _MOST:
        raise WrittenError(f"{where} is too large")
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        raise WrittenError(f"{plain(next(key for key in keys if keys.count(key) > 1))} stands twice")
    return found


def _no_fraction(value: str) -> Any:
    raise WrittenError(f"holds {plain(value)}: no number here has a fraction")
