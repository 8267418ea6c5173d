"""What the profile says of a file: where, in which decoding, under whose id, and what it leaves out."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.filled import filled
from nhiscan.detect.leak import Leak, OutOfTimeError
from nhiscan.detect.precise.profile import Precise

TOKEN = filled("hvs.<<[A-Za-z0-9]{90}>>", seed=3)
OTHER = filled("hvs.<<[A-Za-z0-9]{90}>>", seed=4)
KEY_ID = filled("AKIA<<[A-Z2-7]{16}>>", seed=5)
OTHER_ID = filled("AKIA<<[A-Z2-7]{16}>>", seed=6)
KEY = filled("<<[A-Za-z0-9]{37}>>aB3", seed=7)
MADE = filled("<<[A-Za-z0-9]{29}>>x7Q", seed=8)
DIGEST = filled("<<[0-9a-f]{62}>>a7", seed=9)


def leaks(data: bytes, path: str = "notes.txt") -> list[Leak]:
    return list(Precise().leaks(data, path))


def said(data: bytes, path: str = "notes.txt") -> list[tuple[str, str]]:
    return [(leak.kind, leak.secret.reveal()) for leak in leaks(data, path)]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_every_kind_of_line_end_counts_once(end: str) -> None:
    [leak] = leaks(end.join(["", "first", f"token {TOKEN}", "last"]).encode())
    assert (leak.line, leak.column) == (3, 7)


def test_places_count_characters_not_bytes() -> None:
    text = f"für Jürgen:\nübrigens {TOKEN}"
    [leak] = leaks(text.encode())
    assert text[leak.start : leak.end] == TOKEN
    assert (leak.line, leak.column) == (2, 10)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_text_of_windows_is_decoded_first(encoding: str) -> None:
    text = f"Host: vault.example\r\nToken: {TOKEN}\r\n"
    assert said(text.encode(encoding)) == [("vault_service_token", TOKEN)]


@pytest.mark.parametrize("before", range(65_450, 65_545, 13))
def test_where_the_windows_of_a_long_text_meet_nothing_is_lost_or_said_twice(before: int) -> None:
    assert said(b"." * before + b" " + TOKEN.encode() + b" " + b"." * 70_000) == [("vault_service_token", TOKEN)]


def test_a_word_stands_near_its_value_across_windows() -> None:
    value = filled("<<[0-9a-f]{32}>>", seed=9)
    line = b"DATADOG_API_KEY = "
    data = b"\n" * (65_536 - len(line)) + line + value.encode() + b"\n" * 70_000
    assert said(data) == [("datadog_api_key", value)]


@pytest.mark.parametrize("before", ["", "a", "ab", "abc"])
def test_base64_is_looked_into_at_every_offset(before: str) -> None:
    code = base64.b64encode(f"{before} {TOKEN}".encode())
    [leak] = leaks(b"data: " + code)
    assert (leak.kind, leak.secret.reveal(), leak.inside) == ("vault_service_token", TOKEN, "base64")
    assert code.startswith((b"data: " + code)[leak.start : leak.end])


def test_base64_in_base64_is_not_looked_into() -> None:
    assert said(base64.b64encode(base64.b64encode(f" {TOKEN}".encode()))) == []


def test_a_secret_of_kubernetes_is_found_by_its_name_under_its_code() -> None:
    code = base64.b64encode(MADE.encode()).decode()
    text = f"apiVersion: v1\nkind: Secret\ndata:\n  ledger-password: {code}\n"
    [leak] = leaks(text.encode(), "deploy/secret.yaml")
    assert (leak.kind, leak.secret.reveal(), leak.inside, leak.name) == (
        "named_secret",
        MADE,
        "base64",
        "ledger-password",
    )


@pytest.mark.parametrize(
    "text",
    [
        f"{KEY_ID},{KEY}",
        f"{KEY}\n{KEY_ID}",
        f'"id": "{KEY_ID}",\n"note": "n",\n"secret": "{KEY}"',
        f"[default]\naws_access_key_id = {KEY_ID}\naws_secret_access_key = {KEY}",
        f"export AWS_ACCESS_KEY_ID={KEY_ID}\nexport AWS_SECRET_ACCESS_KEY={KEY}",
        f"deploy --key-id {KEY_ID} --secret {KEY}",
    ],
    ids=["csv", "reverse", "json", "ini", "env", "cli"],
)
def test_a_secret_access_key_says_which_id_it_belongs_to(text: str) -> None:
    found = {leak.kind: leak.native_id for leak in leaks(text.encode())}
    assert found == {"aws_access_key_id": KEY_ID, "aws_secret_access_key": KEY_ID}


def test_of_two_ids_the_nearer_one_is_the_pair() -> None:
    text = f"{KEY_ID}\n\n\n\nAWS_SECRET_ACCESS_KEY={KEY}\nAWS_ACCESS_KEY_ID={OTHER_ID}\n"
    assert [leak.native_id for leak in leaks(text.encode()) if leak.kind == "aws_secret_access_key"] == [OTHER_ID]


@pytest.mark.parametrize(
    "line",
    [
        "token = '{}'  # pragma: allowlist secret",
        "token = '{}'; // pragma: whitelist secret",
        "token = '{}' /* pragma: allowlist secret */",
        "<t>{}</t> <!-- pragma: allowlist secret -->",
        "token: {}  # gitleaks:allow",
        "token: {}  # nhiscan:allow",
        "# pragma: allowlist nextline secret\ntoken: {}",
    ],
)
def test_what_a_person_allowed_is_counted_and_left_out(line: str) -> None:
    profile = Precise()
    assert list(profile.leaks(line.format(TOKEN).encode(), "a.py")) == []
    assert profile.allowed == 1


def test_a_comment_allows_its_own_line_only() -> None:
    comment = "  # pragma: allowlist secret"
    for text in (f"a = {OTHER}{comment}\nb = {TOKEN}\n", f"b = {TOKEN}\na = {OTHER}{comment}\n"):
        assert said(text.encode()) == [("vault_service_token", TOKEN)]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("app/.env", f"LEDGER_PASSWORD={MADE}"),
        (".env.production", f'export LEDGER_PASSWORD="{MADE}"'),
        ("config/prod.yml", f"ledger:\n  password: {MADE}"),
        ("terraform.tfvars", f'ledger_password = "{MADE}"'),
        ("etc/app.conf", f"ledger.password = {MADE}"),
    ],
)
def test_in_a_configuration_a_name_is_enough(path: str, text: str) -> None:
    assert said(f"region: eu\n{text}\n".encode(), path) == [("named_secret", MADE)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("ledger_password = 'tr0ub4dor&3X'", "assigned_password"),
        (f"client.setLedgerToken('{MADE}0000')", "assigned_secret"),
        ("ledger_secret = '7c1f2a3e-90b4-4d5e-8f61-2b7c9d0e4a53'", "assigned_uuid"),
    ],
)
def test_in_code_a_name_is_enough_for_what_was_drawn_at_random_or_is_a_strong_password(text: str, kind: str) -> None:
    assert [found for found, _ in said(text.encode(), "app.py")] == [kind]


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("ledger_password = 'troubadour3'", "app.py"),
        ("ledger_password = 'Password123!'", "app.py"),
        ("LEDGER_PASSWORD=changeme", ".env"),
        ("LEDGER_PASSWORD=${LEDGER_PASSWORD}", ".env"),
        ("LEDGER_PASSWORD=secretsecret", ".env"),
        ("TOKEN_URL=a8f3kd9s0fk3l4k5", ".env"),
        (f"ledger_token_sha256 = '{DIGEST}'", "app.py"),
        (f"integrity_key_hash: {DIGEST}", "app.js"),
        (f'{{"NextToken": "{MADE}"}}', "page.json"),
        (f"public_key = '{MADE}'", "app.py"),
        ("ledgerKey = getLedgerKey256OfRegion2(region)", "app.js"),
        ("api_key: a1b2c3d4e5f6a7b8c9d0e1f2", "app.md"),
    ],
)
def test_elsewhere_or_with_another_value_a_name_is_not_enough(text: str, path: str) -> None:
    assert said(text.encode(), path) == []


def test_a_token_may_hold_a_short_sequence() -> None:
    value = TOKEN[:20] + "12345678" + TOKEN[28:]
    assert said(f"token: {value}".encode()) == [("vault_service_token", value)]


@pytest.mark.parametrize("value", ["hvs." + "x" * 90, "hvs." + "abcdefgh" * 12, "hvs." + "EXAMPLE0" * 12])
def test_a_value_that_no_machine_made_is_no_secret(value: str) -> None:
    assert said(f"token: {value}".encode()) == []


def test_a_key_of_a_test_system_is_of_low_severity() -> None:
    test, live = (leaks(filled(f"sk_{mode}_<<[A-Za-z0-9]{{24}}>>", seed=2).encode())[0] for mode in ("test", "live"))
    assert (test.is_test, test.severity, live.is_test) == (True, "low", False)
    assert live.severity != "low"


def test_a_token_says_when_it_ends() -> None:
    claims = '{"iss": "https://idp.example", "sub": "robot", "exp": 1767225600}'
    [leak] = leaks(filled(f"<<jwt:{claims}>>").encode())
    assert leak.expires_at is not None
    assert (leak.native_id, leak.expires_at.isoformat()) == ("robot", "2026-01-01T00:00:00+00:00")


def test_a_file_that_takes_too_long_is_said() -> None:
    with pytest.raises(OutOfTimeError):
        list(Precise(budget_s=-1).leaks(b"x" * 100_000, "a.txt"))


@pytest.mark.parametrize("piece", ["a1", "ab12-", "hvs.", "eyJ", "secret=", "vault ", "-----BEGIN ", "LS0tLS1CRUdJTiB"])
def test_four_megabytes_on_one_line_are_no_matter(piece: str) -> None:
    data = (piece * 4_000_000)[:4_000_000].encode()
    list(Precise(budget_s=60).leaks(data, "bundle.min.js"))


def test_no_leak_shows_its_value() -> None:
    [leak] = leaks(TOKEN.encode())
    assert TOKEN not in repr(leak)


def test_the_profile_needs_neither_database_nor_detect_secrets() -> None:
    code = (
        "import sys, nhiscan.detect.precise.profile as p; list(p.Precise().leaks(b'x', 'x'));"
        "print([m for m in ('duckdb', 'pandas', 'detect_secrets', 'requests', 'boto3') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_damaged_plan_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caches_of_the_tests: Path
) -> None:
    leaks(b"the first of all tests makes what is kept")
    shutil.copytree(caches_of_the_tests, tmp_path, dirs_exist_ok=True)
    plan = max((tmp_path / "nhiscan").glob("*.plan"), key=lambda path: path.stat().st_mtime_ns)
    assert {path.stat().st_mode & 0o777 for path in plan.parent.iterdir()} == {0o600}
    whole = plan.read_bytes()
    plan.write_bytes(whole[:-100])
    code = (
        "import nhiscan.detect.precise.profile as p, sys; "
        "print(len(list(p.Precise().leaks(sys.argv[1].encode(), 'x'))))"
    )
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code, TOKEN], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"
    assert plan.read_bytes() == whole


GUESSED = f'token = "{MADE}"'


@pytest.mark.parametrize(
    "text",
    [
        f'EXAMPLES = r"""\n- name: Read\n  {GUESSED}\n"""\n',
        f'#!/usr/bin/python\n# GPL\n\n"""Reads.\n\n{GUESSED}\n"""\n',
        f"def read(name, *,\n    at):\n    # as it is\n    '''Reads.\n\n    {GUESSED}\n    '''\n",
        f'quote = \'"""\'  # """\nRETURN = """\n{GUESSED}\n"""\n',
    ],
    ids=["ansible", "module", "function", "after quotes"],
)
def test_what_a_name_tells_is_an_example_where_a_program_documents_itself(text: str) -> None:
    assert said(text.encode(), "read.py") == []
    assert said(text.encode(), "read.txt") == [("assigned_secret", MADE)]


@pytest.mark.parametrize(
    "text",
    [
        f'"""Reads."""\n{GUESSED}\n',
        f'SETTINGS = """\n{GUESSED}\n"""\n',
        f'"""Reads."""\nwrite(\n    """\n{GUESSED}\n"""\n)\n',
        f'"""Reads.\n{TOKEN}\n"""\n',
    ],
    ids=["code", "text", "argument", "form"],
)
def test_what_a_program_holds_beside_its_documentation_is_found(text: str) -> None:
    assert len(said(text.encode(), "read.py")) == 1


def test_strings_that_never_end_take_no_longer_than_their_length() -> None:
    text = f"{GUESSED}\n".encode() + b'"""\\' * 60_000 + b"\n" + b"'\\" * 60_000

    assert said(text, "read.py") == [("assigned_secret", MADE)]
