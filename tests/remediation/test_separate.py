"""The credential that changes things is never the one that scans."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

import pytest

from nhiscan.config import Company, Config
from nhiscan.errors import ConfigError
from nhiscan.remediate.separate import check_separate

ENVIRON = {"SCAN": "one value", "REMEDIATE": "another value", "COPY": "one value"}


def check(tmp_path: Path, name: str, mine: dict[str, Any], theirs: dict[str, Any], other: str | None = None) -> None:
    (tmp_path / "copy").write_text("one value\n", encoding="ascii")
    settings = Config(
        tmp_path / "nhiscan.toml", Company("Acme"), tmp_path, ((other or name, theirs),), {}, (), {name: mine}
    )
    check_separate(settings, environ=ENVIRON)


@pytest.mark.parametrize(
    ("name", "mine", "theirs"),
    [
        ("hubspot", {"token": "env:SCAN"}, {"token": "env:SCAN"}),
        ("hubspot", {"token": "env:COPY"}, {"token": "env:SCAN"}),
        ("hubspot", {"token": "file:copy"}, {"token": "env:SCAN"}),
        ("vault", {"role_id": "env:SCAN", "secret_id": "env:REMEDIATE"}, {"role_id": "env:SCAN", "secret_id": "env:X"}),
        ("vault", {"login": {"token": "env:SCAN"}}, {"token": "env:COPY"}),
        ("vault", {"jwt": "env:REMEDIATE", "jwt_role": "r"}, {"jwt": "env:SCAN", "jwt_role": "r"}),
        ("aws", {}, {}),
        ("aws", {"accounts": ["1"]}, {"regions": ["eu-central-1"]}),
        ("aws", {"profile": "ops"}, {"profile": "ops"}),
        ("aws", {"profile": "a", "role_name": "nhiscan"}, {"profile": "b", "role_name": "nhiscan"}),
        ("aws", {"role_arn": "arn:aws:iam::111111111111:role/nhiscan"}, {"role_name": "nhiscan"}),
        ("aws", {"role_name": "ops", "roles": {"look": "nhiscan"}}, {"role_name": "nhiscan"}),
        ("aws", {"profile": "x", "roles": {"make": "ops"}}, {"profile": "x"}),
        ("aws", {"external_id": "env:REMEDIATE"}, {"external_id": "env:SCAN"}),
        (
            "salesforce",
            {"client_id": "a", "username": "x@acme.example", "private_key": "env:REMEDIATE"},
            {"client_id": "b", "username": "x@acme.example", "private_key": "env:SCAN"},
        ),
        (
            "salesforce",
            {"client_id": "a", "client_secret": "env:REMEDIATE"},
            {"client_id": "a", "client_secret": "env:SCAN"},
        ),
    ],
)
def test_one_credential_for_both_is_refused(
    tmp_path: Path, name: str, mine: dict[str, Any], theirs: dict[str, Any]
) -> None:
    with pytest.raises(ConfigError, match=rf"remediation\.{name}.* is the credential of collectors\.{name}") as caught:
        check(tmp_path, name, mine, theirs)
    assert not {value for value in ENVIRON.values() if value in caught.value.message + caught.value.hint}


def test_a_credential_of_another_collector_is_refused_too(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"remediation\.vault\.token is the credential of collectors\.hubspot\.token"):
        check(tmp_path, "vault", {"token": "env:COPY"}, {"token": "env:SCAN"}, other="hubspot")


@pytest.mark.parametrize(
    ("name", "mine", "theirs"),
    [
        ("hubspot", {"token": "env:REMEDIATE"}, {"token": "env:SCAN"}),
        ("vault", {"token": "env:REMEDIATE", "url": "https://v"}, {"token": "env:SCAN", "url": "https://v"}),
        ("vault", {"token": "env:MISSING"}, {"token": "env:ALSO_MISSING"}),
        ("aws", {"profile": "ops"}, {}),
        ("aws", {"role_name": "remediate"}, {"role_name": "nhiscan"}),
        ("aws", {"roles": {"look": "remediate"}}, {}),
        ("aws", {"profile": "ops", "role_name": "remediate"}, {"profile": "ops", "role_name": "nhiscan"}),
        (
            "aws",
            {"role_name": "remediate", "external_id": "env:SCAN"},
            {"role_name": "nhiscan", "external_id": "env:SCAN"},
        ),
    ],
)
def test_two_credentials_are_two(tmp_path: Path, name: str, mine: dict[str, Any], theirs: dict[str, Any]) -> None:
    check(tmp_path, name, mine, theirs)


def test_nothing_is_compared_with_a_collector_of_another_system(tmp_path: Path) -> None:
    check(tmp_path, "aws", {}, {}, other="files")
    check(tmp_path, "aws", {"profile": "x"}, {"profile": "x"}, other="register")


def test_without_the_values_their_references_are_compared(tmp_path: Path) -> None:
    collectors = (("hubspot", {"token": "env:SCAN"}),)
    for reference, is_same in (("env:SCAN", True), ("env:COPY", False)):
        mine = {"hubspot": {"token": reference}}
        settings = Config(tmp_path / "nhiscan.toml", Company("Acme"), tmp_path, collectors, {}, (), mine)
        with pytest.raises(ConfigError) if is_same else contextlib.nullcontext():
            check_separate(settings, environ=None)
