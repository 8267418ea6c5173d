"""The store for values that a provider shows once and that have no other home: files for the age keys of people.

nhiscan can write these files and cannot read them. Whoever holds an age identity of one of the recipients takes a value
out with `age --decrypt --identity KEY.txt FOLDER/NAME/VERSION.age`; beside it stands in clear which operation it is of.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, NoReturn

from nhiscan import atomic
from nhiscan.errors import ConfigError, StoreError
from nhiscan.remediate.contract import Fields, RefusedError, UnansweredError, UnsupportedError

if TYPE_CHECKING:
    from nhiscan.collect import Context

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
_CURRENT: Final = "current.json"


@dataclass(frozen=True)
class Escrow:
    """Settings: `recipients` are age recipients (`age1…`) or SSH keys (`ssh-ed25519 …`, `ssh-rsa …`).

    `folder`: where the files go; whoever can write there can put others in their place, nobody can read them.
    """

    name: ClassVar[str] = "escrow"
    permissions: ClassVar[Mapping[str, Mapping[str, tuple[str, ...]]]] = {}
    stores: ClassVar[tuple[str, ...]] = ("escrow",)

    recipients: tuple[str, ...]
    folder: Path

    def session(self, ctx: Context) -> NoReturn:
        raise UnsupportedError("escrow keeps values and has none to rotate", hint="name the system that issued it")

    def store(self, ctx: Context) -> Envelopes:
        """Raises: ConfigError for a recipient that is none, before anything is created that it could not take."""
        if not self.recipients:
            raise ConfigError(
                "remediation.escrow.recipients is empty", hint='name at least one, like recipients = ["age1…"]'
            )
        return Envelopes(self.folder, tuple(_recipient(text, number) for number, text in enumerate(self.recipients)))


def _recipient(text: str, number: int) -> Any:
    """Never repeats the text: it may be a private key that somebody mistook for the public one."""
    import pyrage  # imported late: only runs that keep something here pay for it

    kind = pyrage.ssh.Recipient if text.startswith("ssh-") else pyrage.x25519.Recipient
    where = f"remediation.escrow.recipients[{number}]"
    try:
        return kind.from_str(text)
    except pyrage.RecipientError:
        pass
    if text.upper().startswith("AGE-SECRET-KEY-"):
        raise ConfigError(
            f"{where} is a private key",
            hint="write what `age-keygen -y` prints for it, and make a new key if others read this file",
        )
    raise ConfigError(
        f"{where} is no recipient of age",
        hint="write age1… as `age-keygen` prints it, or a line like ssh-ed25519 AAAA…",
    )


@dataclass(frozen=True)
class Envelopes:
    """One folder a name: a file a version, and `current.json` which says what version holds.

    A version is told by the key of the operation's step, so that the same call twice leaves one file.
    """

    folder: Path
    recipients: tuple[Any, ...] = field(repr=False)

    def observe(self, address: str) -> Mapping[str, str]:
        told = self._told(self._place(address) / _CURRENT)
        return {"version": told.get("version", ""), "names": told.get("names", "")}

    def stage(self, address: str, key: str, fields: Fields) -> None:
        """The value first: what says that it is there comes after it."""
        import pyrage

        place, version = self._place(address), _version(key)
        value = json.dumps({name: secret.reveal() for name, secret in fields.items()}, indent=1) + "\n"
        sealed: bytes = pyrage.encrypt(value.encode(), list(self.recipients))
        told = {"key": key, "names": ", ".join(sorted(fields)), "version": version}
        with _told_as_unanswered():
            _make(self.folder)
            _make(place)
            with atomic.drafted(place / f"{version}.age") as draft:
                draft.write_bytes(sealed)
                atomic.settle(draft, place / f"{version}.age")
            atomic.write_text(place / f"{version}.json", json.dumps(told, indent=1) + "\n")

    def staged(self, address: str, key: str) -> Fields | None:
        """None: what is kept here is for people to read. An operation that lost hold of its value makes another."""
        return None

    def publish(self, address: str, key: str, *, version: str) -> str:
        place, new = self._place(address), _version(key)
        current = self.observe(address)["version"]
        if current == new:
            return new
        if current != version:
            raise RefusedError(
                f"escrow:{address} holds {current or 'nothing'} by now, not {version or 'nothing'}",
                hint="somebody else kept another value there: see whose it is, then make another plan",
            )
        self._point(place, new)
        return new

    def published(self, address: str, key: str) -> str | None:
        version = _version(key)
        return version if self.observe(address)["version"] == version else None

    def restore(self, address: str, key: str, *, version: str) -> None:
        place = self._place(address)
        if self.observe(address)["version"] != _version(key):
            return
        if version:
            self._point(place, version)
            return
        with _told_as_unanswered():
            (place / _CURRENT).unlink(missing_ok=True)
            atomic.sync(place)

    def discard(self, address: str, key: str) -> None:
        place, version = self._place(address), _version(key)
        if not place.exists() or self.observe(address)["version"] == version:
            return
        with _told_as_unanswered():
            (place / f"{version}.json").unlink(missing_ok=True)
            (place / f"{version}.age").unlink(missing_ok=True)
            atomic.sync(place)

    def _place(self, address: str) -> Path:
        if not _NAME.fullmatch(address):
            raise ConfigError(
                f"escrow:{address!r} is no name for a value in escrow",
                hint="write escrow: and up to 100 letters, digits, dots, dashes or underscores",
            )
        return self.folder / address

    def _point(self, place: Path, version: str) -> None:
        told = self._told(place / f"{version}.json")
        if not told or not (place / f"{version}.age").exists():
            raise RefusedError(
                f"{place}: version {version} is not there", hint="see who took it away; the value has to be made anew"
            )
        with _told_as_unanswered():
            atomic.write_text(place / _CURRENT, json.dumps(told, indent=1) + "\n")

    def _told(self, path: Path) -> dict[str, str]:
        """What stands in clear; nothing where there is no such file."""
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
            return {name: str(told[name]) for name in ("key", "names", "version")}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise RefusedError(
                f"cannot use {path}: {type(error).__name__}", hint="put it back from a backup, or mend its permissions"
            ) from error


def _version(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]


def _make(folder: Path) -> None:
    if not folder.exists():
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        atomic.sync(folder.parent)


@contextlib.contextmanager
def _told_as_unanswered() -> Iterator[None]:
    """A disk that fails says nothing about what it kept."""
    try:
        yield
    except StoreError as error:
        raise UnansweredError(error.message, hint=error.hint) from error
    except OSError as error:
        raise UnansweredError(
            f"cannot write {error.filename}: {error.strerror}", hint="check its permissions and the free space"
        ) from error
