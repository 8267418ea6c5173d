"""Persons are keys: whom nhiscan.toml lists, and who signed what for which purpose."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from nhiscan.config import Person
from nhiscan.errors import ConfigError
from nhiscan.remediate import people
from nhiscan.remediate.people import Purpose
from nhiscan.secret import Secret
from tests.remediation.recorded import Persons, no_passphrase, persons

ANNA = "anna@acme.example"
BEN = "ben@acme.example"
PURPOSES: tuple[Purpose, ...] = ("plan", "approval", "evidence")


@pytest.fixture
def two(tmp_path: Path) -> Persons:
    return persons(tmp_path, ANNA, BEN)


def test_who_signed_is_told_by_the_key(two: Persons) -> None:
    signature = two.signer(ANNA).sign("plan", b"told")
    assert people.is_signed(two.listed, ANNA, "plan", b"told", signature)
    assert not people.is_signed(two.listed, BEN, "plan", b"told", signature)
    assert not people.is_signed(two.listed, ANNA, "plan", b"else", signature)
    assert not people.is_signed(two.listed, "nobody@acme.example", "plan", b"told", signature)
    assert not people.is_signed(two.listed, ANNA, "plan", b"told", b"")


@pytest.mark.parametrize("signed", PURPOSES)
@pytest.mark.parametrize("read", PURPOSES)
def test_nothing_signed_for_one_purpose_counts_for_another(two: Persons, signed: Purpose, read: Purpose) -> None:
    signature = two.signer(ANNA).sign(signed, b"told")
    assert people.is_signed(two.listed, ANNA, read, b"told", signature) is (signed == read)


def test_a_content_cannot_bring_the_line_of_another_purpose(two: Persons) -> None:
    signature = two.signer(ANNA).sign("evidence", b"nhiscan plan 1\ntold")
    assert not people.is_signed(two.listed, ANNA, "plan", b"told", signature)


def test_a_key_of_ssh_keygen_is_read(tmp_path: Path) -> None:
    if shutil.which("ssh-keygen") is None:
        pytest.skip("ssh-keygen is not here")
    file = tmp_path / "id"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "open sesame", "-C", "a b", "-f", str(file)], check=True)
    listed = [Person(ANNA, (tmp_path / "id.pub").read_text(encoding="ascii"))]
    asked: list[str] = []

    def passphrase() -> Secret:
        asked.append("once")
        return Secret("open sesame")

    assert people.signer(file, listed, passphrase=passphrase).mail == ANNA
    assert asked == ["once"]


def test_a_passphrase_is_asked_only_where_there_is_one(two: Persons) -> None:
    assert people.signer(two.files[ANNA], two.listed, passphrase=no_passphrase).mail == ANNA


@pytest.mark.parametrize("typed", ["", "tpyed", "ünïcode"], ids=["none", "another", "letters"])
def test_a_wrong_passphrase_opens_nothing_and_is_not_told(tmp_path: Path, typed: str) -> None:
    key = Ed25519PrivateKey.generate()
    file = written(tmp_path, key, passphrase="right")
    with pytest.raises(ConfigError, match="the passphrase does not open") as caught:
        people.signer(file, [person(ANNA, key)], passphrase=lambda: Secret(typed))
    assert not typed or typed not in caught.value.message + caught.value.hint
    assert caught.value.__cause__ is None


def test_a_key_that_is_nobodys_signs_nothing(two: Persons) -> None:
    with pytest.raises(ConfigError, match=r"is nobody's in nhiscan\.toml"):
        people.signer(two.files[ANNA], two.listed[1:], passphrase=no_passphrase)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_a_key_that_others_can_reach_proves_nobody(two: Persons, mode: int) -> None:
    two.files[ANNA].chmod(mode)
    with pytest.raises(ConfigError, match=f"is open to others: mode {mode:04o}"):
        people.signer(two.files[ANNA], two.listed, passphrase=no_passphrase)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    key = generate_private_key(SECP256R1())
    file = tmp_path / "key"
    file.touch(0o600)
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    with pytest.raises(ConfigError, match="holds a key that is not ssh-ed25519"):
        people.signer(file, [], passphrase=no_passphrase)


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN OPENSSH PRIVATE KEY-----\n", b"\xff" * 100])
def test_a_file_that_is_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "key"
    file.touch(0o600)
    file.write_bytes(content)
    with pytest.raises(ConfigError, match="is no OpenSSH private key"):
        people.signer(file, [], passphrase=no_passphrase)


def test_a_file_without_end_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.touch(0o600)
    file.write_bytes(b"x" * 100_000)
    with pytest.raises(ConfigError, match="is too large for a key"):
        people.signer(file, [], passphrase=no_passphrase)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the key .*: No such file"):
        people.signer(tmp_path / "none", [], passphrase=no_passphrase)


def test_two_people_with_one_key_are_one(two: Persons) -> None:
    with pytest.raises(ConfigError, match=f"lists one key for {ANNA} and {BEN}"):
        people.known([two.listed[0], Person(BEN, two.listed[0].key + " another comment")])


@pytest.mark.parametrize("mail", [ANNA, ANNA.upper()])
def test_one_person_with_two_keys_would_be_two(two: Persons, mail: str) -> None:
    with pytest.raises(ConfigError, match="twice"):
        people.known([two.listed[0], Person(mail, two.listed[1].key)])


@pytest.mark.parametrize("mail", ["", " ", f"{ANNA} ", f"\n{ANNA}"])
def test_a_mail_is_no_blank(two: Persons, mail: str) -> None:
    with pytest.raises(ConfigError, match="is no address"):
        people.known([Person(mail, two.listed[0].key)])


@pytest.mark.parametrize(
    "key",
    [
        "",
        "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ",
        "ecdsa-sha2-nistp256 AAAA",
        "sk-ssh-ed25519@openssh.com AAAA",
        "ssh-ed25519",
        "ssh-ed25519 ",
        "ssh-ed25519 !!!!",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5",
        "ssh-ed25519-cert-v01@openssh.com AAAA",
        "/home/anna/.ssh/id_ed25519.pub",
        "ssh-ed25519 \x00",
    ],
)
def test_what_is_no_ed25519_key_of_openssh_is_refused(key: str) -> None:
    with pytest.raises(ConfigError, match=f"key of {ANNA}"):
        people.known([Person(ANNA, key)])


def test_the_type_of_a_key_that_is_refused_is_named() -> None:
    with pytest.raises(ConfigError, match="is of type 'ssh-rsa', not ssh-ed25519"):
        people.known([Person(ANNA, "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAgQ")])


def test_the_private_half_is_in_no_repr(two: Persons) -> None:
    assert "Ed25519" not in repr(two.signer(ANNA))


def person(mail: str, key: Ed25519PrivateKey) -> Person:
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return Person(mail, public.decode("ascii"))


def written(folder: Path, key: Ed25519PrivateKey, *, passphrase: str) -> Path:
    file = folder / "key"
    file.touch(0o600)
    how = BestAvailableEncryption(passphrase.encode())
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, how))
    return file
