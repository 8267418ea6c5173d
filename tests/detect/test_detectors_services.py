"""Detectors of services: what a find says beyond its kind, which kind wins, and that no text makes them slow."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import Final

import pytest

from fixtures.filled import filled
from nhiscan.detect.leak import Leak
from nhiscan.detect.precise import detector
from nhiscan.detect.precise.detector import Detector
from nhiscan.detect.precise.profile import Precise

_GROUPS: Final = frozenset(
    {
        "analytics",
        "business",
        "databases",
        "delivery",
        "developer",
        "infrastructure",
        "mail",
        "marketing",
        "monitoring",
        "payments",
        "services",
        "storage",
        "support",
        "tokens",
    }
)
_SERVICES: Final = [
    found
    for name, text in detector.texts()
    if name.removesuffix(".toml") in _GROUPS
    for found in detector.parse(text, name)
]
_LONG: Final = 30_000
_SLOWEST_S: Final = 1.5  # of processor time, a hundred times what a linear pattern takes


def leaks(text: str) -> list[Leak]:
    return list(Precise().leaks(filled(text).encode(), "notes.txt"))


def only(text: str) -> Leak:
    (leak,) = leaks(text)
    return leak


def test_more_than_120_kinds_of_services_are_known() -> None:
    assert len({detector.kind for detector in _SERVICES}) >= 120


def test_every_group_of_services_has_detectors() -> None:
    found = {name.removesuffix(".toml") for name, text in detector.texts() if any(detector.parse(text, name))}

    assert found >= _GROUPS


@pytest.mark.parametrize(
    ("text", "kind", "tenant"),
    [
        ("KEY=<<[0-9a-f]{32}>>-us14", "mailchimp_api_key", "us14"),
        ("postgres://app:<<[0-9A-Za-z]{13}>>aB3@db.acme.example:5432/crm", "postgresql_url", "db.acme.example:5432"),
        ("rediss://:<<[0-9A-Za-z]{13}>>aB3@cache.acme.example/0", "redis_url", "cache.acme.example"),
        ("cloudinary://<<[0-9]{15}>>:<<[0-9A-Za-z_-]{27}>>@acme-media", "cloudinary_url", "acme-media"),
        ("https://hooks.zapier.com/hooks/catch/4711004/<<[0-9a-z]{7}>>/", "zapier_webhook_url", "4711004"),
        ("machine git.acme.example login bot password <<[0-9A-Za-z]{13}>>aB3", "netrc_password", "git.acme.example"),
        ("https://<<[0-9a-f]{32}>>:<<[0-9a-f]{32}>>@sentry.acme.example/7", "sentry_dsn_secret", "sentry.acme.example"),
    ],
)
def test_a_value_that_names_its_tenant_says_so(text: str, kind: str, tenant: str) -> None:
    leak = only(text)

    assert (leak.kind, leak.issuer_tenant) == (kind, tenant)


@pytest.mark.parametrize(
    ("text", "native_id"),
    [
        ("curl -u bot:<<[0-9A-Za-z]{13}>>aB3 https://api.acme.example", "bot"),
        ("mysql://crm:<<[0-9A-Za-z]{13}>>aB3@db.acme.example/crm", "crm"),
        ("Authorization: PVEAPIToken=bot@pam!ci=<<uuid>>", "bot@pam!ci"),
        ("pk_7001234_<<[0-9A-Z]{32}>>", "7001234"),
    ],
)
def test_a_value_that_names_whose_it_is_says_so(text: str, native_id: str) -> None:
    assert only(text).native_id == native_id


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("PAYSTACK_KEY=sk_live_<<[0-9a-f]{40}>>", "paystack_secret_key"),
        ("STRIPE_KEY=sk_live_<<[0-9a-f]{40}>>", "stripe_secret_key"),
        ("SENTRY_AUTH_TOKEN=sntryu_<<[0-9a-f]{64}>>", "sentry_user_token"),
        ("amqps://app:<<[0-9A-Za-z]{13}>>aB3@mq.acme.example/app", "amqp_url"),
        ("https://app:<<[0-9A-Za-z]{13}>>aB3@www.acme.example/app", "basic_auth_credentials"),
        ('--token=<<jwt:{"sub": "system:serviceaccount:prod:ci"}>>', "kubernetes_service_account_token"),
    ],
)
def test_the_kind_that_names_its_maker_wins(text: str, kind: str) -> None:
    assert only(text).kind == kind


@pytest.mark.parametrize(
    "text",
    [
        "sk_test_<<[0-9A-Za-z]{24}>>",
        "EZTK<<[0-9A-Za-z]{54}>>",
        "access-sandbox-<<uuid>>",
        "FLWSECK_TEST-<<[0-9a-f]{32}>>-X",
        "pdl_sdbx_apikey_<<[a-z0-9]{26}>>_<<[0-9A-Za-z]{22}>>_<<[0-9A-Za-z]{3}>>",
    ],
)
def test_a_key_of_the_makers_test_system_weighs_little(text: str) -> None:
    leak = only(text)

    assert (leak.is_test, leak.severity) == (True, "low")


@pytest.mark.parametrize(
    "text",
    [
        "postgres://postgres:postgres@localhost/test",
        "redis://:mypassword@cache/0",
        "mongodb+srv://<username>:<password>@cluster0.acme.example",
        "amqp://guest:guest@rabbit//",
        "Server=sql;User Id=sa;Password={your_password};",
        "CREATE USER app WITH PASSWORD 'secret';",
        "spring.datasource.password=${DB_PASSWORD}",
        "ansible_become_pass={{ become_pass }}",
        "define('DB_PASSWORD', 'password_here');",
    ],
)
def test_passwords_of_manuals_and_places_for_one_are_left_alone(text: str) -> None:
    assert leaks(text) == []


@pytest.mark.parametrize(
    "name", ["datadog", "cloudflare", "linode", "sonarsource", "webflow", "pipedrive", "newrelic", "meraki"]
)
def test_a_digest_beside_the_name_of_a_service_is_no_key_of_it(name: str) -> None:
    assert leaks(f"{name}/agent:7 sha256:<<[0-9a-f]{{64}}>> sha1:<<[0-9a-f]{{40}}>> md5:<<[0-9a-f]{{32}}>>") == []


def test_one_provider_is_called_by_one_name() -> None:
    spelled = Counter(re.sub(r"[^a-z0-9]", "", detector.issuer) for detector in detector.load() if detector.issuer)
    written = {detector.issuer for detector in detector.load() if detector.issuer}

    assert len(spelled) == len(written)


@pytest.mark.parametrize("detector", _SERVICES, ids=lambda detector: detector.kind)
def test_no_text_makes_a_pattern_slow(detector: Detector) -> None:
    """Beginnings of what matches, over and over: where a pattern that goes back and forth takes minutes."""
    pattern = re.compile(detector.pattern.encode())
    found = [pattern.search(filled(text).encode()) for text in detector.true]
    begun = {match[0][: len(match[0]) * part // 10] or b"a" for match in found if match for part in (3, 9)}
    hostile = [(start * (_LONG // len(start) + 1))[:_LONG] for start in begun]
    hostile += [start + filler * _LONG for start in list(begun)[:1] for filler in (b"a", b"0", b"_", b" ", b".")]

    started = time.process_time()
    for text in hostile:
        for _ in pattern.finditer(text):
            pass

    assert time.process_time() - started < _SLOWEST_S
