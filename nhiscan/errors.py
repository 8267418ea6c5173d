"""Errors by what the user does next; the command line prints `message` and `hint` and exits with `exit_code`."""

from __future__ import annotations

from typing import ClassVar


class NhiscanError(Exception):
    """Something a person must act on: what failed on what, and the next step."""

    exit_code: ClassVar[int] = 5

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class ConfigError(NhiscanError):
    """The user mends nhiscan.toml, an option or an environment value."""

    exit_code = 2


class RegisterError(NhiscanError):
    """The user mends a register file."""

    exit_code = 2


class RuleError(NhiscanError):
    """The author of a rule mends the rule."""

    exit_code = 2


class QueryError(NhiscanError):
    """The analyst mends the query."""

    exit_code = 2


class CollectError(NhiscanError):
    """The user mends a credential, a permission or the network; other collectors go on."""

    exit_code = 3


class LockError(NhiscanError):
    """The user waits for the other scan."""

    exit_code = 4


class StoreError(NhiscanError):
    """The state directory cannot be read or written; the last published scan is untouched."""

    exit_code = 5
