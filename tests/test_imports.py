"""What is kept of another scanner's findings: enough to join them, never a value."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

import pytest

from fixtures.filled import filled
from nhiscan import imports, secret
from nhiscan.detect.leak import Leak, Profile
from nhiscan.detect.precise import detector
from nhiscan.detect.profiles import profile
from nhiscan.detect.results.foreign import Export
from nhiscan.detect.results.foreign_rows import Foreign
from nhiscan.errors import StoreError
from nhiscan.imports import Imported, ImportedRow
from nhiscan.secret import Secret

KEY = b"k" * 32
AT = datetime(2025, 3, 1, 9, tzinfo=UTC)
KEY_ID = filled("AKIA<<[A-Z2-7]{16}>>")
AWS_SECRET = filled("<<[A-Za-z0-9]{40}>>")
TOKEN = filled('<<jwt:{"iss":"https://idp.acme.example","sub":"svc-orders"}>>')
PEM = filled("<<pem:RSA PRIVATE KEY>>")


@pytest.fixture(scope="module")
def precise() -> Profile:
    return profile("precise")


def export(*rows: Foreign, tool: str = "gitleaks", **given: Any) -> Export:
    return Export(tool, "8.30", AT, rows, given.get("unusable", {}), {})


def found(rule: str = "some-rule", value: str | None = None, context: str | None = None, **given: Any) -> Foreign:
    told = {"path": "src/app.py", "line": 7, **given}
    return Foreign(
        rule, value=None if value is None else Secret(value), context=(context and Secret(context)) or None, **told
    )


def converted(precise: Profile, *rows: Foreign, root: Path | None = None, **given: Any) -> Imported:
    return imports.convert(export(*rows, **given), "shop", root=root, profile=precise, key=KEY)


def only(precise: Profile, *rows: Foreign, **given: Any) -> ImportedRow:
    (row,) = converted(precise, *rows, **given).rows
    return row


def kept(state: Path, *imported: Imported, key: bytes = KEY) -> list[Imported]:
    for path, text in imports.merged(state, imported, key):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return list(imports.read(state, key))


def test_a_key_id_keeps_what_the_inventory_joins_on(precise: Profile) -> None:
    row = only(precise, found("aws-access-token", KEY_ID))
    assert (row.kind, row.native_id, row.issuer) == ("aws_access_key_id", KEY_ID, "aws")


def test_a_token_keeps_the_identity_that_it_names(precise: Profile) -> None:
    row = only(precise, found("jwt", TOKEN))
    assert row.kind == "json_web_token"
    assert row.native_id is not None
    assert "svc-orders" in row.native_id


def test_a_value_is_known_by_the_name_before_it(precise: Profile) -> None:
    row = only(precise, found("generic-api-key", AWS_SECRET, f'AWS_SECRET_ACCESS_KEY="{AWS_SECRET}"'))
    assert (row.kind, row.rule) == ("aws_secret_access_key", "generic-api-key")


def test_equal_values_have_the_fingerprint_of_our_own_findings(precise: Profile) -> None:
    row = only(precise, found("aws-access-token", KEY_ID))
    assert row.fingerprint == secret.fingerprint(KEY_ID, key=KEY)


class Counting:
    """The profile, and how many texts it was asked about."""

    name: ClassVar[str] = "precise"

    def __init__(self, profile: Profile) -> None:
        self.times = 0
        self._profile = profile

    def leaks(self, data: bytes, path: str) -> Iterator[Leak]:
        self.times += 1
        return self._profile.leaks(data, path)


def test_a_value_is_searched_once_where_its_surroundings_tell_what_it_is(precise: Profile) -> None:
    counting = Counting(precise)
    only(counting, found("aws-access-token", KEY_ID, f'key = "{KEY_ID}"'))
    assert counting.times == 1


@pytest.mark.parametrize("commit", ["a" * 40, "b" * 64, "WIP"])
def test_a_commit_is_kept_as_it_is_unless_it_is_the_value(commit: str, precise: Profile) -> None:
    value = "0123456789abcdef0123456789abcdef01234567"  # pragma: allowlist secret
    assert only(precise, found("some-rule", value, commit=commit)).commit == commit
    assert only(precise, found("some-rule", value, commit=value)).commit == "***"


def test_a_name_that_a_scanner_took_for_the_values_beginning_is_cut_off(precise: Profile) -> None:
    row = only(precise, found("high-entropy", f"KEY={AWS_SECRET}", f"AWS_SECRET_ACCESS_KEY={AWS_SECRET}"))
    assert row.fingerprint == secret.fingerprint(AWS_SECRET, key=KEY)


def test_a_value_in_a_line_of_code_is_found_when_it_is_the_only_one(precise: Profile) -> None:
    row = only(precise, found("detected-aws", None, f'client = boto3.client("sts", aws_access_key_id="{KEY_ID}")'))
    assert row.native_id == KEY_ID


def test_of_two_values_in_a_line_of_code_none_is_guessed(precise: Profile) -> None:
    other = filled("AKIA<<[A-Z2-7]{16}>>", seed=2)
    row = only(precise, found("aws-access-token", None, f'keys = ["{KEY_ID}", "{other}"]'))
    assert (row.fingerprint, row.native_id) == (None, None)


def test_a_masked_value_keeps_place_kind_commit_and_author(precise: Profile) -> None:
    row = only(precise, found("aws-access-token", commit="c0ffee", author="dev@acme.example", at=AT, is_verified=True))
    assert row == ImportedRow(
        rule="aws-access-token",
        kind="aws_access_key_id",
        path="src/app.py",
        line=7,
        issuer="aws",
        severity=row.severity,
        confidence=0.5,
        is_verified=True,
        commit="c0ffee",
        author="dev@acme.example",
        first_seen_at=AT,
    )
    assert row.severity is not None


@pytest.mark.parametrize(
    ("rule", "kind"),
    [
        ("aws-access-token", "aws_access_key_id"),
        ("AWS Access Key", "aws_access_key_id"),
        ("amazon.aws-api-key", "aws_access_key_id"),
        ("AWS", "aws_access_key_id"),
        ("kingfisher.aws.1", "aws_access_key_id"),
        ("generic.secrets.security.detected-aws-access-key-id-value", "aws_access_key_id"),
        ("AWS_SECRET_ACCESS_KEY", "aws_secret_access_key"),
        ("private-key", "private_key"),
        ("PrivateKey", "private_key"),
        ("RSA Private Key", "private_key"),
        ("JSON Web Token", "json_web_token"),
        ("jwt", "json_web_token"),
        ("Basic Auth Credentials", "basic_auth_credentials"),
        ("URI", "basic_auth_credentials"),
        ("gcp-service-account", "gcp_service_account_key"),
        ("Secret Keyword", "named_secret"),
        ("Hex High Entropy String", "named_secret"),
        ("Base64 High Entropy String", "named_secret"),
        ("generic-api-key", "named_secret"),
        ("sendgrid-api-key", "sendgrid_api_key"),
        ("github.frobnicator", "other_github_frobnicator"),
        ("Acme Frobnicator Key", "other_acme_frobnicator_key"),
        ("///", "other_secret"),
        ("r" * 500, "other_" + "r" * 60),
    ],
)
def test_another_scanners_word_becomes_ours(rule: str, kind: str) -> None:
    assert imports.kind_of(rule) == kind


def test_every_kind_that_a_rule_becomes_is_one_of_ours() -> None:
    ours = {known.kind for known in detector.load()} | {"named_secret", "basic_auth_credentials"}
    assert set(imports.KINDS) <= ours


def test_a_private_keys_lines_do_not_change_what_it_equals(precise: Profile) -> None:
    whole = only(precise, found("private-key", PEM))
    assert whole.fingerprint == secret.fingerprint(PEM.replace("\n", "\r\n"), key=KEY)
    assert whole.preview is None


def test_a_path_begins_at_the_place(precise: Profile) -> None:
    row = only(precise, found(path="/srv/shop/src/app.py"), root=Path("/srv/shop"))
    assert row.path == "src/app.py"


def test_two_findings_that_say_the_same_are_one(precise: Profile) -> None:
    assert len(converted(precise, found(value=KEY_ID), found(value=KEY_ID)).rows) == 1


def test_what_is_kept_comes_back_as_it_was(precise: Profile, tmp_path: Path) -> None:
    new = converted(precise, found(value=TOKEN, at=AT), found(value=PEM), found(), unusable={"without a file": 2})
    assert kept(tmp_path, new) == [new]


def test_a_second_import_of_a_tool_replaces_its_first_one_only(precise: Profile, tmp_path: Path) -> None:
    old, new = converted(precise, found(value=KEY_ID)), converted(precise, found(value=TOKEN))
    other = converted(precise, found(value=PEM), tool="trufflehog")
    elsewhere = replace(old, place="portal")
    kept(tmp_path, old, other, elsewhere)
    assert kept(tmp_path, new) == [elsewhere, new, other]


def test_runs_of_one_scanner_in_a_file_count_together(precise: Profile, tmp_path: Path) -> None:
    one, other = (converted(precise, found(path=path)) for path in ("a.txt", "b.txt"))
    (imported,) = kept(
        tmp_path, replace(one, unusable={"without a file": 1}), replace(other, unusable={"without a file": 2})
    )
    assert [row.path for row in imported.rows] == ["a.txt", "b.txt"]
    assert imported.unusable == {"without a file": 3}


def test_a_value_in_rule_commit_or_author_is_not_kept(precise: Profile) -> None:
    value = "Rather-long-0815"
    row = only(
        precise, found(rule=f"r-{value}", value=value, path=f"{value}/a", commit=value, author=f"{value}@acme.example")
    )
    assert value not in repr(row)
    assert value.lower() not in repr(row).lower().replace("_", "-")


def test_an_import_of_another_key_is_stale_and_goes_with_the_next_one(precise: Profile, tmp_path: Path) -> None:
    old, new = converted(precise, found(value=KEY_ID)), converted(precise, found(value=PEM), tool="trufflehog")
    kept(tmp_path, old, key=b"o" * 32)
    (stale,) = imports.read(tmp_path, KEY)
    assert stale.is_stale
    assert kept(tmp_path, new) == [new]


@pytest.mark.parametrize("place", ["../../etc/passwd", "a/b", "..", "x\n", "ü" * 50])
def test_a_hostile_name_of_a_place_stays_in_the_folder(place: str, precise: Profile, tmp_path: Path) -> None:
    new = replace(converted(precise, found()), place=place)
    assert kept(tmp_path, new) == [new]
    assert [path.parent for path in tmp_path.rglob("*.json")] == [tmp_path / "imports"]


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"key": "x", "imports": [{}]}', "[" * 100_000])
def test_a_damaged_file_is_named(text: str, tmp_path: Path) -> None:
    (tmp_path / "imports").mkdir()
    (tmp_path / "imports" / "shop.json").write_text(text)
    with pytest.raises(StoreError, match=r"shop\.json is damaged"):
        list(imports.read(tmp_path, KEY))


def test_nothing_imported_is_nothing_to_read(tmp_path: Path) -> None:
    assert list(imports.read(tmp_path, KEY)) == []


def test_no_value_is_kept(precise: Profile, tmp_path: Path) -> None:
    values = [AWS_SECRET, TOKEN, PEM.splitlines()[2], filled("<<[A-Za-z0-9]{24}>>")]
    rows = [
        found("generic-api-key", AWS_SECRET, f"AWS_SECRET_ACCESS_KEY={AWS_SECRET}"),
        found("jwt", TOKEN, path=f"dumps/{TOKEN}.txt"),
        found("private-key", PEM),
        found("unheard-of", values[3], f"{values[3]} = {values[3]}"),
    ]
    new = converted(precise, *rows)
    kept(tmp_path, new)
    text = repr(new) + "".join(path.read_text() for path in tmp_path.rglob("*.json"))
    for value in values:
        assert value not in text
        assert value[8:] not in text
        assert base64.b64encode(value.encode()).decode()[4:24] not in text


def test_a_value_in_place_of_a_tool_or_its_version_is_not_kept(precise: Profile) -> None:
    odd = replace(export(found(), tool=f"scan {TOKEN}"), version=TOKEN)
    assert TOKEN[8:] not in repr(imports.convert(odd, "shop", root=None, profile=precise, key=KEY))


def test_a_file_is_plain_json_that_names_place_and_tool(precise: Profile, tmp_path: Path) -> None:
    kept(tmp_path, converted(precise, found(value=KEY_ID)))
    told = json.loads((tmp_path / "imports" / "shop.json").read_text())
    assert (told["place"], told["imports"][0]["tool"]) == ("shop", "gitleaks")
