"""The credential that changes things is never the one that scans: a bug or a thief of the one has not the other."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from nhiscan.config import Config
from nhiscan.errors import ConfigError
from nhiscan.secret import Secret, resolve_reference

# Settings that say as whom a system is asked, the one that decides first. A role that is assumed hides the profile.
_ACTS_AS: Final = (
    ("role_arn", "role"), ("role_name", "role"), ("role", "role"), ("username", "username"), ("jwt_role", "role"),
    ("profile", "profile"), ("client_id", "client_id"),
)  # fmt: skip
_NO_CREDENTIAL: Final = "external_id"  # names a customer, and opens nothing


def check_separate(settings: Config, *, environ: Mapping[str, str] | None) -> None:
    """`environ` None: references are compared, not what stands behind them.

    Raises: ConfigError naming both settings where [remediation.x] uses a credential of a collector.
    """
    for name, entry in settings.remediation.items():
        own = dict(_references(entry))
        for collector, other in settings.collectors:
            for key, reference in _references(other):
                for mine, used in own.items():
                    if _is_same(used, reference, settings, environ):
                        _refuse(settings, f"remediation.{name}.{mine}", f"collectors.{collector}.{key}")
            if collector == name:
                _check_caller(settings, name, entry, other)


def _check_caller(settings: Config, name: str, entry: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    mine, theirs = _acts_as(entry), _acts_as(other)
    if mine is not None and theirs is not None and mine[1:] == theirs[1:]:
        _refuse(settings, f"remediation.{name}.{mine[0]}", f"collectors.{name}.{theirs[0]}")
    if mine is None and theirs is None and not dict(_references(entry)) and not dict(_references(other)):
        # Both take what the machine offers by itself.
        _refuse(settings, f"remediation.{name}", f"collectors.{name}")


def _refuse(settings: Config, mine: str, theirs: str) -> None:
    raise ConfigError(
        f"{settings.file}: {mine} is the credential of {theirs}",
        hint="give remediation a credential of its own, with the permissions that its README names, and leave the "
        "scanner one that can only read",
    )


def _acts_as(entry: Mapping[str, Any]) -> tuple[str, str, str] | None:
    for key, kind in _ACTS_AS:
        value = entry.get(key)
        if isinstance(value, str) and value:
            return key, kind, value.rpartition("/")[2] if kind == "role" else value
    return None


def _references(entry: Mapping[str, Any], where: str = "") -> Iterator[tuple[str, str]]:
    """(key, reference) of every secret among the settings."""
    for key, value in entry.items():
        if isinstance(value, Mapping):
            yield from _references(value, f"{where}{key}.")
        elif isinstance(value, str) and value.startswith(("env:", "file:")) and key != _NO_CREDENTIAL:
            yield f"{where}{key}", value


def _is_same(mine: str, theirs: str, settings: Config, environ: Mapping[str, str] | None) -> bool:
    if mine == theirs:
        return True
    values = [_value(reference, settings, environ) for reference in (mine, theirs)]
    return values[0] is not None and values[0] == values[1]


def _value(reference: str, settings: Config, environ: Mapping[str, str] | None) -> Secret | None:
    """None: not to be had here; that is for whoever needs it."""
    if environ is None:
        return None
    try:
        return resolve_reference(reference, key="", environ=environ, base=settings.file.parent)
    except ConfigError:
        return None
