"""Values that only their names give away: in which files, in which forms, and which of them no machine made."""

from __future__ import annotations

import base64

import pytest

from fixtures.filled import filled
from nhiscan.detect.leak import OutOfTimeError
from nhiscan.detect.precise.generic import added, is_configuration, is_made

MADE = filled("<<[A-Za-z0-9]{29}>>x7Q", seed=8)
FOREVER = float("inf")


def found(text: str) -> list[tuple[str | None, str, str | None]]:
    return [(place.name, place.value, place.inside) for place in added(text.encode(), [], deadline=FOREVER)]


@pytest.mark.parametrize(
    "path",
    [".env", "a/.env.local", "deploy/env.prod", "app.ini", "APP.YAML", "a/credentials", ".aws/credentials", ".npmrc"],
)
def test_a_file_that_configures_is_known_by_its_name(path: str) -> None:
    assert is_configuration(path)


@pytest.mark.parametrize("path", ["a.py", "environment.md", "env/main.go", "credentials.html", "a.yml/b.txt"])
def test_a_file_of_another_name_is_none(path: str) -> None:
    assert not is_configuration(path)


@pytest.mark.parametrize(
    "line",
    [
        "DB_PASSWORD={}",
        "  db.password: {}",
        'DB_PASSWORD="{}"',
        "'db-password': '{}',",
        "- db_password: {}",
        "export DB_PASSWORD={} # rotated",
        "set DB_PASSWORD={};",
        "db/password := {}",
    ],
)
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_an_assignment_is_read_in_all_its_forms(line: str, end: str) -> None:
    assert [value for _, value, _ in found(f"region=eu{end or chr(10)}{line.format(MADE)}{end}")] == [MADE]


@pytest.mark.parametrize(
    "value",
    ["aaaabbb1", "a1a1a1a1a1a1", f"{MADE} {MADE}", "example-a8f3kd9s0fk3", "${DB_PASSWORD}", "s4mpleChangeMe9x7Zp4Lw2"],
)
def test_a_value_that_no_machine_made_is_none_whatever_its_name(value: str) -> None:
    assert not is_made("DB_PASSWORD", value)
    assert found(f'DB_PASSWORD="{value}"') == []


def test_a_made_value_under_a_name_that_promises_nothing_is_none() -> None:
    assert is_made("DB_PASSWORD", MADE)
    assert not is_made("SECRET_NAME", MADE)
    assert found(f"BUILD_HASH={MADE}") == []


@pytest.mark.parametrize("plain", [MADE, f"{MADE}\n"])
def test_the_code_of_a_secret_of_kubernetes_stands_for_what_it_says(plain: str) -> None:
    code = base64.b64encode(plain.encode()).decode()
    assert found(f"kind: Secret\ndata:\n  password: {code}\n") == [("password", MADE, "base64")]


def test_bytes_in_a_secret_of_kubernetes_are_taken_as_they_stand() -> None:
    code = base64.b64encode(bytes(range(200, 224))).decode()
    assert found(f"kind: Secret\ndata:\n  password: {code}\n") == [("password", code, None)]


def test_what_takes_too_long_is_said() -> None:
    with pytest.raises(OutOfTimeError):
        added(f"DB_PASSWORD={MADE}".encode(), [], deadline=0.0)
