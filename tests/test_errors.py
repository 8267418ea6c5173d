from __future__ import annotations

import pytest

from nhiscan import errors
from nhiscan.errors import NhiscanError


def test_message_and_hint_are_kept_apart() -> None:
    error = errors.ConfigError("nhiscan.toml: unknown key stat", hint="did you mean 'state'?")
    assert (str(error), error.message, error.hint) == (
        "nhiscan.toml: unknown key stat",
        "nhiscan.toml: unknown key stat",
        "did you mean 'state'?",
    )


@pytest.mark.parametrize(
    ("kind", "exit_code"),
    [
        (errors.ConfigError, 2),
        (errors.RegisterError, 2),
        (errors.RuleError, 2),
        (errors.QueryError, 2),
        (errors.CollectError, 3),
        (errors.LockError, 4),
        (errors.StoreError, 5),
        (NhiscanError, 5),
    ],
)
def test_each_kind_has_the_documented_exit_code(kind: type[NhiscanError], exit_code: int) -> None:
    assert kind("x").exit_code == exit_code


def test_every_kind_is_one_of_ours_and_not_of_another() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, NhiscanError)]
    assert all(kind.__base__ is NhiscanError for kind in kinds if kind is not NhiscanError)
