"""Persons are keys: whoever signs with a key that nhiscan.toml lists is that person; a typed name is nobody.

Keys are OpenSSH's `ssh-ed25519` ones (RFC 8709), of which signatures are Ed25519 (RFC 8032). What is signed begins with
a line that names the purpose, so that nothing signed for one can be taken for another.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key

from nhiscan.config import Person
from nhiscan.errors import ConfigError
from nhiscan.printable import plain
from nhiscan.secret import Secret

Purpose = Literal["plan", "approval", "evidence"]
_KIND: Final = "ssh-ed25519"
_MOST_BYTES: Final = 64 * 1024  # of a key file
_MAKE_ONE: Final = "make one with `ssh-keygen -t ed25519` and list its public half under [[people]] in nhiscan.toml"
_LIST_IT: Final = 'add [[people]] with mail = "..." and key = "ssh-ed25519 ..." (the line in the .pub file beside it)'


@dataclass(frozen=True, slots=True)
class Signer:
    """A person at hand: `mail` as nhiscan.toml writes it, and the key that proves it."""

    mail: str
    _key: Ed25519PrivateKey = field(repr=False)

    def sign(self, purpose: Purpose, content: bytes) -> bytes:
        return self._key.sign(_signed(purpose, content))


def known(people: Iterable[Person]) -> dict[str, Ed25519PublicKey]:
    """The key of each person, by mail as nhiscan.toml writes it.

    Raises: ConfigError for a key that is none, or where two entries could be one person: who agrees twice under two
    names would be two persons.
    """
    keys: dict[str, Ed25519PublicKey] = {}
    by_mail: dict[str, str] = {}
    by_key: dict[bytes, str] = {}
    for person in people:
        if not person.mail.strip() or person.mail != person.mail.strip():
            raise ConfigError(
                f"[[people]] mail '{plain(person.mail)}' is no address", hint="write one without spaces around it"
            )
        key = _public(person)
        folded = person.mail.casefold()
        if folded in by_mail:
            raise ConfigError(
                f"[[people]] lists {plain(person.mail)} twice",
                hint="a person has one key: take the other entry out, or two approvals could come from one person",
            )
        raw = key.public_bytes_raw()
        if raw in by_key:
            raise ConfigError(
                f"[[people]] lists one key for {plain(by_key[raw])} and {plain(person.mail)}",
                hint="a key is one person: give each their own",
            )
        keys[person.mail] = key
        by_mail[folded] = by_key[raw] = person.mail
    return keys


def signer(path: Path, people: Iterable[Person], *, passphrase: Callable[[], Secret]) -> Signer:
    """The person whose private key is in an OpenSSH key file; `passphrase` is asked where the file is protected.

    Raises: ConfigError where the file is none, is open to others, or its key is nobody's in nhiscan.toml.
    """
    data = _read(path)
    key: object
    try:
        key = load_ssh_private_key(data, None)
    except TypeError:
        key = _unlocked(path, data, passphrase())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{path} is no OpenSSH private key: {error}", hint=_MAKE_ONE) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigError(f"{path} holds a key that is not {_KIND}", hint=_MAKE_ONE)
    mine = key.public_key().public_bytes_raw()
    for mail, public in known(people).items():
        if public.public_bytes_raw() == mine:
            return Signer(mail, key)
    raise ConfigError(f"the key in {path} is nobody's in nhiscan.toml", hint=_LIST_IT)


def is_signed(people: Iterable[Person], mail: str, purpose: Purpose, content: bytes, signature: bytes) -> bool:
    """Whether the person with this mail signed it; False also for a mail that nhiscan.toml does not list.

    Raises: ConfigError as `known`.
    """
    key = known(people).get(mail)
    if key is None:
        return False
    try:
        key.verify(signature, _signed(purpose, content))
    except InvalidSignature:
        return False
    return True


def _signed(purpose: Purpose, content: bytes) -> bytes:
    return f"nhiscan {purpose} 1\n".encode("ascii") + content


def _public(person: Person) -> Ed25519PublicKey:
    where = f"[[people]] key of {plain(person.mail)}"
    kind = person.key.split(" ", 1)[0]
    if kind != _KIND:
        raise ConfigError(f"{where} is of type '{plain(kind)}', not {_KIND}", hint=_MAKE_ONE)
    try:
        key = load_ssh_public_key(person.key.encode("utf-8"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{where} cannot be read: {error}", hint="copy the whole line of the .pub file") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigError(f"{where} is not {_KIND}", hint=_MAKE_ONE)
    return key


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise ConfigError(f"cannot read the key {path}: {error.strerror}", hint="give the path of your key") from error
    if mode & 0o077:  # as ssh does: a key that others can read proves nobody
        raise ConfigError(
            f"{path} is open to others: mode {mode & 0o777:04o}",
            hint=f"run `chmod 600 {path}`; make a new key if somebody else may have it",
        )
    if len(data) > _MOST_BYTES:
        raise ConfigError(f"{path} is too large for a key", hint=_MAKE_ONE)
    return data


def _unlocked(path: Path, data: bytes, passphrase: Secret) -> object:
    try:
        return load_ssh_private_key(data, passphrase.reveal().encode("utf-8"))
    except (ValueError, TypeError):
        # Without its cause: what the library says of a passphrase is not ours to judge.
        raise ConfigError(f"the passphrase does not open {path}", hint="type it again") from None
    except UnsupportedAlgorithm as error:
        raise ConfigError(f"{path} is protected in a way that cannot be read: {error}", hint=_MAKE_ONE) from error
