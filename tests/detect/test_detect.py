"""What is found, what stays silent and why, and what a sighting may say. Every secret here is made up at run time."""

from __future__ import annotations

import base64
import itertools
import json
import random
import string
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.util import find_spec

import pytest

from nhiscan.detect import detect, find
from nhiscan.detect.precise.checks import crc32_digits
from nhiscan.model import Sighting, Where
from nhiscan.secret import fingerprint

_RANDOM = random.Random(20260131)
_KEY = b"k" * 32
_CAPITALS = string.ascii_uppercase + string.digits
_WHERE = Where(
    "aws",
    "aws:111111111111",
    "environment",
    "environment of function sync",
    resource_id="aws:111111111111:function/eu-central-1/sync",
)


def made(length: int, signs: str = string.ascii_letters + string.digits) -> str:
    """Signs as a machine makes them: letters and digits mixed."""
    while True:
        value = "".join(_RANDOM.choices(signs, k=length))
        if any(char.isdigit() for char in value) or not any(char.isdigit() for char in signs):
            return value


def checked(middle: str) -> str:
    """With the six digits of its CRC32, as GitHub makes its tokens."""
    return middle + crc32_digits(middle)


def bot_id() -> str:
    return base64.b64encode(made(18, "123456789").encode()).decode()


def token(header: dict[str, str], claims: object) -> str:
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), made(32).encode()]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


def pem(what: str = "RSA PRIVATE KEY", line_end: str = "\n") -> str:
    body = [made(64, string.ascii_letters + string.digits + "+/") for _ in range(6)]
    return line_end.join([f"-----BEGIN {what}-----", *body, f"-----END {what}-----"])


AWS_ID = "AKIA" + made(16, string.ascii_uppercase + "234567")
AWS_SECRET = made(40)
PASSWORD = "Tr0ub" + made(6)
OPAQUE = made(32)
UUID = "-".join(made(n, "0123456789abcdef") for n in (8, 4, 4, 4, 12))


def seen(text: str, name: str | None = None) -> list[tuple[str, str]]:
    return [(kind, text[start:end]) for start, end, kind in find(text, name)]


def sightings(text: str, name: str | None = None, where: Where = _WHERE) -> list[Sighting]:
    return list(detect(text, replace(where, name=name), key=_KEY))


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        ("aws_access_key_id", AWS_ID),
        ("aws_access_key_id", "ASIA" + made(16, string.ascii_uppercase)),
        ("discord_bot_token", f"{bot_id()}.{made(6)}.{made(27)}"),
        ("github_personal_access_token", "ghp_" + checked(made(30))),
        ("gitlab_personal_access_token", "glpat-" + made(20)),
        ("mailchimp_api_key", made(32, "0123456789abcdef") + "-us12"),
        ("openai_api_key", "sk-" + made(20) + "T3BlbkFJ" + made(20)),
        ("private_key", pem()),
        ("private_key", pem("OPENSSH PRIVATE KEY", "\\n")),
        ("private_key", pem("PRIVATE KEY", "\r\n")),
        ("pypi_token", "pypi-" + "AgEIcHlwaS5vcmc" + made(80)),
        ("sendgrid_api_key", f"SG.{made(22)}.{made(43)}"),
        ("slack_bot_token", "xox" + f"b-{made(12, string.digits)}-{made(24, string.ascii_lowercase + string.digits)}"),
        (
            "slack_webhook_url",
            "https://hooks.slack.com" + f"/services/T{made(8, _CAPITALS)}/B{made(8, _CAPITALS)}/{made(24)}",
        ),
        ("square_oauth_secret", "sq0csp-" + made(43)),
        ("stripe_secret_key", "sk_live_" + made(24)),
        ("telegram_bot_token", f"{made(9, '123456789')}:AA{made(33)}"),
        ("twilio_api_key", "SK" + made(32, "0123456789abcdef")),
    ],
    ids=lambda value: value[:12],
)
def test_a_secret_is_known_by_its_shape_whatever_it_is_called(kind: str, value: str) -> None:
    assert seen(value, "SETTING") == [(kind, value)]


def test_a_token_is_found_whole_not_only_the_part_that_the_pattern_catches() -> None:
    """Stock patterns catch `ghp` of a GitHub token and drop the signature of a JWT: these would all be equal."""
    github, jwt = "ghp_" + checked(made(30)), token({"alg": "HS256"}, {"sub": "sync"})
    assert seen(f"{github} {jwt}") == [("github_personal_access_token", github), ("json_web_token", jwt)]


@pytest.mark.parametrize(
    "name",
    [
        "DB_PASSWORD",
        "dbPassword",
        "db.passwd",
        "PGPASSWORD",
        "Pwd",
        "SMTP-PASS",
        "ADMIN_PW",
        "PASSWORD_1",
        "DB_PASSWORD_PROD",
    ],
)
@pytest.mark.parametrize("value", [PASSWORD, "hunter", "a b c d e", "$Tr0ub4dor&3", "!" + PASSWORD, "pa(ss)word"])
def test_what_is_called_a_password_is_one(name: str, value: str) -> None:
    assert seen(value, name) == [("named_secret", value)]


@pytest.mark.parametrize(
    "name",
    [
        "API_KEY",
        "clientSecret",
        "VAULT_TOKEN",
        "LEDGER_SECRET",
        "SECRET_KEY_BASE",
        "APIKey",
        "MASTER_KEY",
        "SERVICE_CREDENTIALS",
    ],
)
def test_what_is_called_a_secret_and_looks_made_is_one(name: str) -> None:
    assert seen(OPAQUE, name) == [("named_secret", OPAQUE)]


def test_an_unknown_word_after_the_promise_asks_for_a_value_that_looks_made() -> None:
    assert seen(OPAQUE, "API_KEY_NORDWIND") == [("named_secret", OPAQUE)]
    assert seen("nordwind-prod", "API_KEY_NORDWIND") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("CLIENT_SECRET", UUID),
        ("LOGIN_SECRET_ID", UUID),
        ("DB_PASSWORD", "12345678"),
        ("DB_PASSWORD", "83920147"),
        ("DB_PASSWORD", "abcdefgh"),
        ("DB_PASSWORD", "password"),
        ("DB_PASSWORD", f"{PASSWORD} # pragma: allowlist secret"),
    ],
    ids=["uuid", "id of a vault login", "sequence", "digits", "letters in order", "weak", "allowlist comment"],
)
def test_what_stock_filters_hide_in_code_is_found_in_settings(name: str, value: str) -> None:
    """detect-secrets drops UUIDs, sequences, digits, ids and allowlisted lines: all of these open real systems."""
    assert seen(value, name) == [("named_secret", value)]


@pytest.mark.parametrize(
    "value",
    [
        "arn:aws:secretsmanager:eu-central-1:111111111111:secret:prod/db-a1B2c3",
        "{{resolve:secretsmanager:prod/db:SecretString:password}}",
        "{{ .Values.password }}",
        "${DB_PASSWORD}",
        "prefix${DB_PASSWORD}",
        "$DB_PASSWORD",
        "$(aws ssm get-parameter --name /db)",
        "%DB_PASSWORD%",
        "vault:secret/data/db#password",
        "op://vault/item/password",
        "ssm:/prod/db/password",
        "projects/acme/secrets/db/versions/latest",
        "@Microsoft.KeyVault(SecretUri=https://acme.vault.example/secrets/db)",
        "https://vault.acme.example/v1/secret/db",
        "env:DB_PASSWORD",
        "file:/etc/db-password",
        "!Ref DbPassword",
        "ENC[AES256_GCM,data:zzzz]",
        "AQICAHh" + made(120),
    ],
    ids=lambda value: value[:20],
)
def test_a_reference_to_a_secret_is_how_it_should_be(value: str) -> None:
    assert seen(value, "DB_PASSWORD") == []


@pytest.mark.parametrize(
    "value",
    [
        "/run/secrets/db_password",
        "./certs/client.key",
        "~/.pgpass",
        "C:\\keys\\db.txt",
        "certs/client.pem",
        "/var/task",
    ],
)
def test_a_path_is_where_a_secret_may_be_and_not_the_secret(value: str) -> None:
    assert seen(value, "CLIENT_KEY") == []
    assert seen(value, "PWD") == []


def test_a_value_that_begins_like_a_path_but_looks_made_is_a_secret() -> None:
    value = "/" + made(39)
    assert seen(value, "DB_PASSWORD") == [("named_secret", value)]


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "  ",
            "true",
            "FALSE",
            "no",
            "none",
            "null",
            "n/a",
            "-",
            "********",
            "xxxx",
            "xxx-xxx",
            "0000",
            "<password>",
        ),
        *("changeme", "change-me", "CHANGE_ME_NOW", "replace_me", "your-password", "insert secret here", "todo", "tbd"),
        *("placeholder", "REDACTED", "dummy", "EXAMPLE", "example-password", "{password}", "[password]"),
    ],
)
def test_a_placeholder_or_a_switch_opens_nothing(value: str) -> None:
    assert seen(value, "DB_PASSWORD") == []


def test_the_keys_of_amazons_documentation_are_examples() -> None:
    assert seen("AKIAIOSFODNN7" + "EXAMPLE", "AWS_ACCESS_KEY_ID") == []
    assert seen("wJalrXUtnFEMI/K7MDENG/bPxRfiCY" + "EXAMPLEKEY", "AWS_SECRET_ACCESS_KEY") == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("TOKEN_TTL", "3600"),
        ("TOKEN_URL", "login-endpoint"),
        ("SECRET_NAME", f"prod/{OPAQUE}"),
        ("SECRET_ID", "prod/db"),
        ("PASSWORD_MIN_LENGTH", "12345"),
        ("API_KEY_HEADER", "X-Api-Key-Header"),
        ("SECRETS_BUCKET", "acme-secrets-eu"),
        ("PASSWORD_POLICY", "strict"),
        ("MAX_TOKENS", "4096"),
        ("TOKEN_BUDGET", "100000000"),
        ("DB_SECRET", "acme/prod/db"),
        ("DB_SECRET", "acme-prod-db"),
        ("DB_PASS_SECRET", "acme-db"),
        ("DB_PASSWORD", "DB_PASSWORD"),
        ("SERVICE_KEY", "enterprise"),
        ("API_TOKEN", "0123456789abcdef"),
        ("BYPASS_CACHE", "partially"),
        ("AWS_REGION", "eu-central-1"),
        ("USERS_TABLE", "customer-accounts"),
        ("BUILD", made(40, "0123456789abcdef")),
    ],
)
def test_a_name_that_speaks_about_a_secret_or_of_something_else_is_silent(name: str, value: str) -> None:
    assert seen(value, name) == []


@pytest.mark.parametrize(
    "value",
    [
        "arn:aws:sns:eu-central-1:111111111111:my-very-long-topic-name-for-orders-production",
        "APACNORTHEAST1",
        "AC" + made(32, "0123456789abcdef"),
        "203.0.113.7",
        "X" + AWS_ID,
        AWS_ID + "Z",
        "-----BEGIN PUBLIC KEY-----\n" + made(64) + "\n-----END PUBLIC KEY-----",
        "grep -q '-----BEGIN RSA PRIVATE KEY-----' file",
    ],
    ids=[
        "topic",
        "region",
        "account number",
        "address",
        "in a longer word",
        "longer word",
        "public key",
        "header alone",
    ],
)
def test_what_only_resembles_a_token_is_silent(value: str) -> None:
    assert seen(value, "SETTING") == []


@pytest.mark.parametrize(
    ("address", "kind", "password"),
    [
        (f"postgres://app:{PASSWORD}@db.acme.example:5432/orders", "postgresql_url", PASSWORD),
        (f"https://deploy:{PASSWORD}@git.acme.example/x.git", "basic_auth_credentials", PASSWORD),
        (f"redis://:{PASSWORD}@cache.acme.example:6379/0", "redis_url", PASSWORD),
        ("amqp://app:p%40ss!word$1@mq.acme.local:5672", "amqp_url", "p%40ss!word$1"),
    ],
)
def test_of_an_address_only_the_password_is_a_secret(address: str, kind: str, password: str) -> None:
    assert seen(address, "DATABASE_URL") == [(kind, password)]


@pytest.mark.parametrize(
    "address",
    [
        "postgres://app:${DB_PASSWORD}@db.acme.example/orders",
        "postgres://app:<password>@db.acme.example/orders",
        "postgres://db.acme.example/orders",
    ],
)
def test_an_address_without_a_password_of_its_own_is_silent(address: str) -> None:
    assert seen(address, "DATABASE_URL") == []


def test_a_secret_access_key_is_told_from_its_id() -> None:
    assert seen(AWS_ID, "AWS_ACCESS_KEY_ID") == [("aws_access_key_id", AWS_ID)]
    assert seen(AWS_SECRET, "AWS_SECRET_ACCESS_KEY") == [("aws_secret_access_key", AWS_SECRET)]


def test_a_key_id_and_its_secret_in_one_value_are_two_finds() -> None:
    assert seen(f"{AWS_ID}:{AWS_SECRET}", "AWS_CREDENTIALS") == [
        ("aws_access_key_id", AWS_ID),
        ("aws_secret_access_key", AWS_SECRET),
    ]


def test_a_secret_access_key_is_linked_to_the_id_beside_it() -> None:
    found = sightings(f"{AWS_ID}:{AWS_SECRET}", "AWS_CREDENTIALS")
    assert [(s.kind, s.native_id) for s in found] == [
        ("aws_access_key_id", AWS_ID),
        ("aws_secret_access_key", AWS_ID),
    ]


SCRIPT = f"""#!/bin/bash
# the password: see the wiki
export DB_PASSWORD={PASSWORD}
export API_TOKEN="{OPAQUE}" REGION=eu-central-1
export AWS_SECRET_ACCESS_KEY={AWS_SECRET}
PASSWORD=$(aws ssm get-parameter --name /db)
mysql --password {PASSWORD} -h db
curl -H "X-Vault-Token: hvs.{OPAQUE}" https://vault.acme.example
password = get_password("db")
db.password = settings.password
"""


def test_a_script_is_read_line_by_line() -> None:
    assert seen(SCRIPT) == [
        ("named_secret", PASSWORD),
        ("named_secret", OPAQUE),
        ("aws_secret_access_key", AWS_SECRET),
        ("named_secret", PASSWORD),
        ("vault_service_token", f"hvs.{OPAQUE}"),
    ]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"user": "app", "password": PASSWORD, "port": 5432}),
        json.dumps(json.dumps({"user": "app", "password": PASSWORD})),
        json.dumps([{"name": "DB_PASSWORD", "value": PASSWORD}]),
        f"- name: DB_PASSWORD\n  value: {PASSWORD}\n",
        f"user: app\npassword: '{PASSWORD}'\n",
        f"node=db; login=app; password={PASSWORD}; mode=strict",
        f"https://api.acme.example/v1?user=a&password={PASSWORD}&page=2",
        f"{{user: app, password: {PASSWORD}}}",
        f"password => '{PASSWORD}',",
    ],
    ids=["json", "json in json", "list of pairs", "pairs in yaml", "yaml", "connection", "query", "flow", "arrow"],
)
def test_a_blob_gives_up_the_password_and_nothing_around_it(text: str) -> None:
    assert seen(text, "CONFIG") == [("named_secret", PASSWORD)]


def test_a_blob_in_a_variable_that_is_called_a_secret_is_not_one_whole_secret() -> None:
    text = json.dumps({"user": "app", "password": PASSWORD})
    assert seen(text, "DB_SECRET") == [("named_secret", PASSWORD)]


def test_places_never_overlap_and_come_in_order() -> None:
    address = f"postgres://app:{PASSWORD}@db"
    text = f'DB_PASSWORD="{AWS_ID}" password: {address} ghp_{checked(made(30))} {pem()} secret={AWS_SECRET}'
    found = find(text, "SECRET")
    assert len(found) >= 5
    assert all(one.end <= next_.start for one, next_ in itertools.pairwise(found))


def test_a_secret_at_the_end_of_an_endless_line_is_found() -> None:
    assert seen("x, " * 20_000 + AWS_ID) == [("aws_access_key_id", AWS_ID)]


def test_a_private_key_is_one_find_however_many_lines_it_has() -> None:
    key = pem()
    assert seen(f"cat > key <<E\n{key}\nE\n") == [("private_key", key)]


def test_a_private_key_that_was_cut_off_is_still_one() -> None:
    start = pem()[:200]
    assert [kind for kind, _ in seen(start)] == ["private_key"]


def test_a_sighting_says_where_and_what_and_nothing_of_the_value() -> None:
    [sighting] = sightings(PASSWORD, "DB_PASSWORD")
    assert sighting == Sighting(
        f"{_WHERE.resource_id}/environment/environment of function sync/DB_PASSWORD/named_secret/1",
        "aws",
        "aws:111111111111",
        where_kind="environment",
        location="environment of function sync",
        kind="named_secret",
        fingerprint=fingerprint(PASSWORD, key=_KEY),
        name="DB_PASSWORD",
        resource_id=_WHERE.resource_id,
        preview=PASSWORD[:2],
        severity="high",
        confidence=0.7,
    )
    assert PASSWORD not in repr(sighting)


@pytest.mark.parametrize(("length", "shown"), [(4, 1), (7, 1), (8, 2), (15, 3), (16, 4), (40, 4)])
def test_a_preview_is_never_more_than_a_quarter_nor_more_than_four_signs(length: int, shown: int) -> None:
    value = "Z9" + made(length - 2)
    [sighting] = sightings(value, "DB_PASSWORD")
    assert sighting.preview == value[:shown]


def test_a_private_key_has_no_preview_because_all_begin_alike() -> None:
    assert [s.preview for s in sightings(pem(), "KEY")] == [None]


def test_one_value_that_stands_twice_in_a_text_is_one_sighting() -> None:
    assert len(sightings(f"A_PASSWORD={PASSWORD}\nB_PASSWORD={PASSWORD}\nC_PASSWORD={OPAQUE}")) == 2


def test_ids_are_unique_and_do_not_depend_on_the_values() -> None:
    def ids(first: str, second: str) -> list[str]:
        return [s.sighting_id for s in sightings(f"A_PASSWORD={first}\nB_PASSWORD={second}\nKEY={AWS_ID}", "DATA")]

    assert ids(PASSWORD, OPAQUE) == ids(OPAQUE[::-1], PASSWORD[::-1])
    assert len(set(ids(PASSWORD, OPAQUE))) == 3


def test_the_same_variable_in_two_containers_has_two_ids() -> None:
    places = [replace(_WHERE, location=f"environment of container {name} of task app") for name in ("web", "worker")]
    assert len({s.sighting_id for where in places for s in sightings(PASSWORD, "DB_PASSWORD", where)}) == 2


def test_a_tag_of_an_identity_belongs_to_the_identity() -> None:
    where = Where("aws", "aws:111111111111", "tag", "tag of role/sync", identity_id="aws:111111111111:role/sync")
    [sighting] = sightings(PASSWORD, "password", where)
    assert (sighting.identity_id, sighting.resource_id) == ("aws:111111111111:role/sync", None)
    assert sighting.sighting_id.startswith("aws:111111111111:role/sync/tag/")


def test_an_access_key_id_is_carried_whole_because_it_opens_nothing() -> None:
    assert [s.native_id for s in sightings(AWS_ID, "AWS_ACCESS_KEY_ID")] == [AWS_ID]


@pytest.mark.parametrize(
    ("claims", "native_id"),
    [
        ({"iss": "https://idp.acme.example", "sub": "sync"}, "sync"),
        ({"iss": "https://idp.acme.example", "sub": "sync", "azp": "crm-sync"}, "crm-sync"),
        ({"sub": "sync"}, "sync"),
        ({"iss": 1, "sub": ["x"]}, None),
        ({"scope": "read"}, None),
    ],
)
def test_of_a_token_only_issuer_and_subject_are_carried(claims: object, native_id: str | None) -> None:
    jwt = token({"alg": "RS256"}, claims)
    [sighting] = sightings(jwt, "SETTING")
    assert sighting.native_id == native_id
    assert jwt not in repr(sighting)


def test_endless_claims_are_cut() -> None:
    [sighting] = sightings(token({"alg": "RS256"}, {"sub": "s" * 2000}), "SETTING")
    assert sighting.native_id == "s" * 200


def test_a_service_accounts_file_names_the_account() -> None:
    text = json.dumps(
        {
            "type": "service_account",
            "project_id": "acme-prod",
            "private_key": pem("PRIVATE KEY"),
            "client_email": "sync@acme.example",
        }
    )
    found = sightings(text, "GCP_KEY")
    assert [(s.kind, s.native_id) for s in found] == [("gcp_service_account_key", "sync@acme.example")]


@pytest.mark.parametrize(
    "text",
    [
        "\x00\x01",
        "\ud800" + PASSWORD,
        "'\"\\" * 50,
        "🗝" * 300,
        "-----BEGIN",
        "://:@",
        "eyJ.eyJ.",
        "=" * 2000,
        "\n" * 5000,
    ],
)
def test_hostile_text_is_only_text(text: str) -> None:
    for name in (None, "DB_PASSWORD", text):
        for sighting in sightings(text, name):
            assert sighting.fingerprint


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "://",
        "key ",
        "token=",
        "a='b",
        "eyJ",
        "-----BEGIN RSA PRIVATE KEY-----",
        "name: ",
        "//a/:_authToken=",
        "\\",
        " ",
        "1",
    ],
)
def test_no_text_of_the_size_of_user_data_holds_a_scan_up(piece: str) -> None:
    text = (piece * 16_384)[:16_384]
    start = time.process_time()
    find(text, "DB_PASSWORD")
    assert time.process_time() - start < 10


def test_ten_thousand_small_values_take_a_few_seconds() -> None:
    values = [(f"SETTING_{n}", made(20, string.ascii_lowercase)) for n in range(9_000)]
    values += [(f"DB_PASSWORD_{n}", made(20)) for n in range(1_000)]
    start = time.process_time()
    found = sum(len(sightings(value, name)) for name, value in values)
    assert found == 1_000
    assert time.process_time() - start < (6 if find_spec("hyperscan") else 30)


def test_threads_find_what_one_thread_finds() -> None:
    texts = [f"DB_PASSWORD={made(16)}\n{AWS_ID}\nghp_{checked(made(30))}" for _ in range(200)]
    alone = [find(text) for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(find, texts)) == alone


def test_the_command_line_does_not_wait_for_detect_secrets() -> None:
    code = "import sys, nhiscan.cli, nhiscan.collect; print('detect_secrets' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
