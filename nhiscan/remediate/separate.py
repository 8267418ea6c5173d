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
    for key, *who in mine:
        for scanners, *scanner in theirs:
            if who == scanner:
                _refuse(settings, f"remediation.{name}.{key}", f"collectors.{name}.{scanners}")
    if not mine and not theirs and not dict(_references(entry)) and not dict(_references(other)):
        # Both take what the machine offers by itself.
        _refuse(settings, f"remediation.{name}", f"collectors.{name}")


def _refuse(settings: Config, mine: str, theirs: str) -> None:
    raise ConfigError(
        f"{settings.file}: {mine} is the credential of {theirs}",
        hint="give remediation a credential of its own, with the permissions that its README names, and leave the "
        "scanner one that can only read",
    )


def _acts_as(entry: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(key, kind, name) of each role in a table `roles`, and of what decides for all else."""
    roles = entry.get("roles")
    told = [(f"roles.{key}", "role", value) for key, value in roles.items()] if isinstance(roles, Mapping) else []
    told += [(key, kind, entry[key]) for key, kind in _ACTS_AS if isinstance(entry.get(key), str) and entry[key]][:1]
    return [(key, kind, str(value).rpartition("/")[2] if kind == "role" else value) for key, kind, value in told]


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
