"""Commands run in this process, with what goes to the standard error apart from the standard output."""

from __future__ import annotations

from inspect import signature
from typing import Any

from click.testing import CliRunner, Result

from nhiscan.cli import cli

# Since click 8.2 the two are always apart, and the word is gone.
_APART: dict[str, Any] = {"mix_stderr": False} if "mix_stderr" in signature(CliRunner).parameters else {}


def run(*words: str, **given: Any) -> Result:
    """What `nhiscan WORDS` printed and ended with.

    Args:
        given: what click's test runner takes beside the words, such as `input`.
    """
    return CliRunner(**_APART).invoke(cli, list(words), **given)
