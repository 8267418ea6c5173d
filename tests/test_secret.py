from __future__ import annotations

import dataclasses
import io
import logging
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from nhiscan.errors import ConfigError, StoreError
from nhiscan.secret import RedactingFilter, Secret, fingerprint, fingerprint_key, resolve_reference

VALUE = "correct-horse-battery"


def resolve(reference: str, *, environ: dict[str, str] | None = None, base: Path = Path()) -> Secret:
    return resolve_reference(reference, key="collectors.aws.external_id", environ=environ or {}, base=base)


@pytest.fixture
def filtered() -> RedactingFilter:
    return RedactingFilter()


@pytest.fixture
def logged(filtered: RedactingFilter) -> Iterator[tuple[logging.Logger, io.StringIO]]:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(filtered)
    logger = logging.Logger("test", logging.DEBUG)
    logger.addHandler(handler)
    yield logger, stream
    handler.close()


@pytest.mark.parametrize(
    "text_of", [repr, str, "{}".format, "%s".__mod__, lambda s: repr({"key": s}), lambda s: f"{s}"]
)
def test_no_text_form_of_a_secret_shows_its_value(text_of: object) -> None:
    assert callable(text_of)
    assert VALUE not in text_of(Secret(VALUE))
    assert "***" in text_of(Secret(VALUE))


def test_reveal_gives_the_value() -> None:
    assert Secret(VALUE).reveal() == VALUE


def test_secrets_compare_by_value_and_never_equal_a_text() -> None:
    assert Secret(VALUE) == Secret(VALUE)
    assert len({Secret(VALUE), Secret(VALUE)}) == 1
    assert Secret(VALUE) != Secret("other")
    assert Secret(VALUE) != VALUE


def test_an_environment_variable_is_read(tmp_path: Path) -> None:
    assert resolve("env:KEY", environ={"KEY": VALUE}, base=tmp_path).reveal() == VALUE


def test_a_relative_file_starts_at_the_folder_of_the_settings(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{VALUE}\n")
    assert resolve("file:key", base=tmp_path).reveal() == VALUE


def test_an_absolute_file_is_read_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(VALUE)
    assert resolve(f"file:{tmp_path / 'key'}", base=Path("elsewhere")).reveal() == VALUE


def test_only_the_end_of_the_last_line_is_cut_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(" a b \r\n")
    assert resolve("file:key", base=tmp_path).reveal() == " a b "


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("env:MISSING", "environment variable MISSING is not set"),
        ("env:EMPTY", "env:EMPTY is empty"),
        ("file:missing", "cannot read"),
        ("file:empty", "file:empty is empty"),
        ("file:binary", "cannot read"),
        ("file:.", "cannot read"),
    ],
)
def test_a_reference_that_leads_nowhere_names_the_key_and_the_reference(
    tmp_path: Path, reference: str, said: str
) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError) as caught:
        resolve(reference, environ={"EMPTY": ""}, base=tmp_path)
    assert "collectors.aws.external_id" in caught.value.message
    assert said in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("value", [VALUE, "vault:secret/data/key", "ENV:KEY", ""])
def test_a_value_in_the_settings_is_refused_without_repeating_it(value: str) -> None:
    with pytest.raises(ConfigError) as caught:
        resolve(value)
    assert "must be a reference" in caught.value.message
    assert not value or value not in caught.value.message + caught.value.hint


def test_a_secret_in_a_message_is_redacted(
    filtered: RedactingFilter, logged: tuple[logging.Logger, io.StringIO]
) -> None:
    filtered.add(Secret(VALUE))
    logger, stream = logged
    logger.info("signing in with " + VALUE)
    assert stream.getvalue() == "signing in with ***\n"


def test_a_secret_in_an_argument_is_redacted(
    filtered: RedactingFilter, logged: tuple[logging.Logger, io.StringIO]
) -> None:
    filtered.add(Secret(VALUE))
    logger, stream = logged
    logger.info("answer %s to %d", {"token": VALUE}, 7)
    assert stream.getvalue() == "answer {'token': '***'} to 7\n"


def test_a_secret_in_a_traceback_is_redacted(
    filtered: RedactingFilter, logged: tuple[logging.Logger, io.StringIO]
) -> None:
    filtered.add(Secret(VALUE))
    logger, stream = logged
    try:
        raise ValueError(f"bad token {VALUE}") from KeyError(VALUE)
    except ValueError:
        logger.exception("it broke")
    assert VALUE not in stream.getvalue()
    assert "ValueError: bad token ***" in stream.getvalue()


def test_the_longer_of_two_overlapping_secrets_is_redacted_whole(filtered: RedactingFilter) -> None:
    filtered.add(Secret("abcd"))
    filtered.add(Secret("abcdefgh"))
    assert filtered.redact("abcdefgh abcd") == "*** ***"


def test_two_secrets_that_overlap_leave_nothing_between_them(filtered: RedactingFilter) -> None:
    filtered.add(Secret("abcdef"))
    filtered.add(Secret("defghi"))
    assert filtered.redact("x abcdefghi y") == "x *** y"


def test_secrets_in_nested_settings_are_known_too(filtered: RedactingFilter) -> None:
    @dataclasses.dataclass(frozen=True)
    class Tenant:
        token: Secret

    @dataclasses.dataclass(frozen=True)
    class Settings:
        name: str
        tenants: tuple[Tenant, ...]

    filtered.add_settings(Settings("portal", (Tenant(Secret("abcdef")), Tenant(Secret("uvwxyz")))))
    assert filtered.redact("portal abcdef uvwxyz") == "portal *** ***"


def test_a_very_short_value_does_not_blank_out_ordinary_words(filtered: RedactingFilter) -> None:
    filtered.add(Secret("at"))
    assert filtered.redact("what a state") == "what a state"


def test_a_record_without_secrets_keeps_its_text(logged: tuple[logging.Logger, io.StringIO]) -> None:
    logger, stream = logged
    logger.info("%d identities, 100%% done", 3)
    assert stream.getvalue() == "3 identities, 100% done\n"


def test_equal_values_have_equal_fingerprints_and_others_not() -> None:
    assert fingerprint(VALUE, key=b"k") == fingerprint(VALUE, key=b"k")
    assert fingerprint(VALUE, key=b"k") != fingerprint(VALUE + "1", key=b"k")


def test_another_state_directory_has_other_fingerprints(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    keys = {fingerprint_key(tmp_path / "a"), fingerprint_key(tmp_path / "b")}
    assert len({fingerprint(VALUE, key=key) for key in keys}) == 2


def test_a_fingerprint_does_not_hold_the_value() -> None:
    assert VALUE not in fingerprint(VALUE, key=b"k")


def test_white_space_around_a_value_does_not_count() -> None:
    assert fingerprint(f" {VALUE}\n", key=b"k") == fingerprint(VALUE, key=b"k")


def test_a_private_key_is_the_same_however_its_lines_are_broken() -> None:
    lines = [
        "-----BEGIN PRIVATE KEY-----",
        "MIIE" * 16,
        "Zm9v" * 16,
        "-----END PRIVATE KEY-----",
    ]  # pragma: allowlist secret
    assert len({fingerprint(mark.join(lines), key=b"k") for mark in ("\n", "\r\n", "\\n", "")}) == 1


def test_the_fingerprint_key_of_a_state_directory_stays_the_same(tmp_path: Path) -> None:
    assert fingerprint_key(tmp_path) == fingerprint_key(tmp_path)
    assert len(fingerprint_key(tmp_path)) == 32


def test_the_fingerprint_key_is_for_the_owner_only_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        fingerprint_key(tmp_path)
    finally:
        os.umask(before)
    assert [(path.name, path.stat().st_mode & 0o777) for path in tmp_path.iterdir()] == [("fingerprint.key", 0o600)]


def test_a_key_that_a_crash_left_unfinished_is_made_anew(tmp_path: Path) -> None:
    draft = tmp_path / ".fingerprint.key"
    draft.write_text("12ab", encoding="ascii")
    draft.chmod(0o644)
    assert len(fingerprint_key(tmp_path)) == 32
    assert (tmp_path / "fingerprint.key").stat().st_mode & 0o077 == 0
    assert not draft.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_fingerprint_key_that_others_can_reach_is_refused_with_the_next_step(tmp_path: Path, mode: int) -> None:
    fingerprint_key(tmp_path)
    path = tmp_path / "fingerprint.key"
    path.chmod(mode)
    with pytest.raises(StoreError, match=f"mode {mode:04o}") as said:
        fingerprint_key(tmp_path)
    assert f"chmod 600 {path}" in said.value.hint
    assert path.read_text(encoding="ascii").strip() not in said.value.message + said.value.hint


@pytest.mark.parametrize("content", [b"", b"12ab\n", b"\xff" * 64, b"z" * 64, b"0" * 66])
def test_a_damaged_fingerprint_key_is_refused_and_not_replaced(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fingerprint.key"
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StoreError, match="damaged") as said:
        fingerprint_key(tmp_path)
    assert "backup" in said.value.hint
    assert path.read_bytes() == content


def test_a_state_directory_that_cannot_hold_a_key_is_said_by_name(tmp_path: Path) -> None:
    (tmp_path / "fingerprint.key").mkdir()
    with pytest.raises(StoreError, match=r"cannot use .*fingerprint\.key"):
        fingerprint_key(tmp_path)
