"""Secrets by reference: a value enters only through `env:NAME` or `file:PATH` and never leaves in text."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import hmac
import logging
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from nhiscan.errors import ConfigError, StoreError

DUMMY: Final = "credential-of-a-replay"  # for every credential of the scanner, on tapes and while one is replayed
_SHORTEST_REDACTED = 4  # shorter values would blank out ordinary words of a log
_KEY_BYTES: Final = 32
_BREAKS: Final = re.compile(r"\s|\\[nr]")


class Secret:
    """A value whose text form is `***`; `reveal()` is the one way to it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        return self._value

    def __repr__(self) -> str:
        return "***"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash((Secret, self._value))


def fingerprint(value: str, *, key: bytes) -> str:
    """HMAC-SHA256 of a secret value in hex, cut to 128 bits; a plain hash of a weak secret could be guessed.

    White space around the value does not count, nor how the lines of a private key are broken.
    """
    text = value.strip()
    if text.startswith("-----BEGIN "):
        text = _BREAKS.sub("", text)
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:32]


def fingerprint_key(state: Path) -> bytes:
    """The key of a state directory, made when there is none; to be called by whoever holds the directory's lock.

    Raises: StoreError when the file is damaged, or others may have read it.
    """
    path = state / "fingerprint.key"
    try:
        if not path.exists():
            _make_key(path)
        mode = path.stat().st_mode
        text = path.read_text(encoding="ascii", errors="replace").strip()
    except OSError as error:
        raise StoreError(
            f"cannot use {path}: {error.strerror}", hint="check its permissions and the free space"
        ) from error
    if mode & 0o077:
        raise StoreError(
            f"{path} is open to others: mode {mode & 0o777:04o}",
            hint=f"run `chmod 600 {path}`; delete it instead if somebody else may have it: a new one is made, and "
            "fingerprints of earlier scans no longer compare",
        )
    if not re.fullmatch(rf"[0-9a-f]{{{2 * _KEY_BYTES}}}", text):
        raise StoreError(
            f"{path} is damaged",
            hint="restore it from a backup, or delete it: a new one is made, and fingerprints of earlier scans no "
            "longer compare",
        )
    return bytes.fromhex(text)


def _make_key(path: Path) -> None:
    """Complete or not at all, and for the owner only from its first moment on."""
    draft = path.with_name(f".{path.name}")
    try:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            os.fchmod(descriptor, 0o600)  # a draft left by a crash keeps its mode otherwise
            file.write(f"{secrets.token_hex(_KEY_BYTES)}\n")
            file.flush()
            os.fsync(descriptor)
        draft.replace(path)
    finally:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def resolve_reference(text: str, *, key: str, environ: Mapping[str, str] | None, base: Path) -> Secret:
    """The value behind `env:NAME` or `file:PATH`; a relative path starts at `base`. Without `environ`: a dummy.

    Raises: ConfigError naming `key` and the reference, never the value.
    """
    scheme, _, name = text.partition(":")
    if environ is None and scheme in ("env", "file"):
        return Secret(DUMMY)
    if scheme == "env" and environ is not None:
        if name not in environ:
            raise ConfigError(f"{key}: environment variable {name} is not set", hint=f"set {name} and run again")
        value = environ[name]
    elif scheme == "file":
        path = base / name
        try:
            value = path.read_text(encoding="utf-8").rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                f"{key}: cannot read {path}: {error}", hint="check the path and its permissions"
            ) from error
    else:
        raise ConfigError(
            f"{key}: a secret must be a reference",
            hint='write "env:NAME" or "file:PATH" and keep the value out of nhiscan.toml',
        )
    if not value:
        raise ConfigError(f"{key}: {text} is empty", hint="put the value there and run again")
    return Secret(value)


class RedactingFilter(logging.Filter):
    """Replaces known secret values in every log record, arguments and tracebacks included."""

    def __init__(self) -> None:
        super().__init__()
        self._values: set[str] = set()

    def add(self, secret: Secret) -> None:
        if len(secret.reveal()) >= _SHORTEST_REDACTED:
            self._values.add(secret.reveal())

    @property
    def values(self) -> frozenset[str]:
        """Every value that is replaced."""
        return frozenset(self._values)

    def add_settings(self, settings: Any) -> None:
        """Remembers every secret among the fields of a dataclass, nested ones included."""
        if isinstance(settings, Secret):
            self.add(settings)
        elif dataclasses.is_dataclass(settings):
            for field in dataclasses.fields(settings):
                self.add_settings(getattr(settings, field.name))
        elif isinstance(settings, tuple):
            for item in settings:
                self.add_settings(item)

    def redact(self, text: str) -> str:
        """`text` with every value, and every run of overlapping values, as `***`."""
        hidden = bytearray(len(text))
        for value in self._values:
            at = text.find(value)
            while at >= 0:
                hidden[at : at + len(value)] = b"\1" * len(value)
                at = text.find(value, at + 1)
        kept: list[str] = []
        for i, char in enumerate(text):
            if not hidden[i]:
                kept.append(char)
            elif i == 0 or not hidden[i - 1]:
                kept.append("***")
        return "".join(kept)

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg = self.redact(record.getMessage())
        record.args = None
        if record.exc_info:
            record.exc_text = self.redact(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True
